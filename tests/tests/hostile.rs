//! What nobody should send: a million box ids, decompression bombs, 256 MB, random bytes, clocks of 1970 and 2100. Memory stays
//! bounded, everything is counted, and the next honest vehicle is served.
//!
//! The million comes to the worker's door in this process, because through a broker on a small machine it would take minutes;
//! 20,000 come through Debian's Mosquitto to `tournee ingest`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions};
use tournee_ingest::{Accept, DeviceRegistry, Door, Lake, LakeOptions, PENDING_MAX, QuarantineLimits, check};
use tournee_payload::{Batch, BoxId, Sample, Stream, Topic, encode, field};
use tournee_tests::{Running, binary, free_port, mosquitto, wait_until};

const NOW_US: i64 = 1_768_435_260_000_000;
const WITHIN: Duration = Duration::from_secs(120);

/// A line of `/proc/<pid>/status` in kB, proc(5), as MB.
fn status_mb(pid: u32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

fn batch(box_id: &BoxId, first_seq: u64, t_us: i64) -> Batch {
    let mut sample = Sample::new(Stream::Air);
    sample.set(field::T_US, Some(t_us));
    Batch { box_id: box_id.clone(), stream: Stream::Air, epoch: 5, first_seq, samples: vec![sample] }
}

/// A million boxes say one thing each; gives the peak of this process's memory, MB.
async fn a_million(root: &Path, accept: Accept) -> (Door, u64) {
    let lake = Lake::open(root, LakeOptions::default()).await.unwrap();
    let registry = DeviceRegistry::of(lake.store());
    let limits = QuarantineLimits::default();
    let mut door = Door::open(lake, accept, Some(registry), Duration::from_millis(200), limits, None).await.unwrap();
    for number in 0..1_000_000_u32 {
        let box_id = BoxId::new(&format!("b-{number}")).unwrap();
        let payload = encode(&batch(&box_id, 0, NOW_US)).unwrap();
        door.take(&Topic::up(&box_id, Stream::Air).to_string(), &payload, NOW_US);
        if number % 50_000 == 49_999 {
            door.lake.commit(NOW_US).await.unwrap();
        }
        if number % 1_000 == 999 {
            // The registry's task gets its turn, as it does between a broker's messages.
            tokio::task::yield_now().await;
        }
    }
    (door, status_mb(std::process::id(), "VmHWM"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_box_ids_cost_bounded_memory_and_disk() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("operator");
    let (mut door, peak_mb) = a_million(&root, Accept::Operator).await;
    let measured = door.measured(NOW_US);
    println!("not accepted: peak {peak_mb} MB, {} pending, {} unnoted", measured.boxes_pending, measured.boxes_unnoted);
    assert!(peak_mb < 400, "{peak_mb} MB");
    assert_eq!(measured.refused.get("not_accepted"), Some(&1_000_000));
    assert_eq!((door.lake.totals().stored, door.lake.known_boxes()), (0, 0));
    assert!(measured.boxes_unnoted > 900_000);
    let left_out = door.lake.left_out_rows();
    door.lake.add_sums(NOW_US, true);
    door.lake.commit(NOW_US).await.unwrap();
    let lake = door.close().await;
    // The task writes what it had been given, and no more than the registry holds.
    let listed = DeviceRegistry::of(lake.store()).list().await.unwrap().len();
    assert!(listed > 0 && listed <= 2 * PENDING_MAX, "{listed}");
    let found = check::check(&root).await.unwrap();
    println!("{listed} in the registry, {} lines in quarantine, {left_out} counted only", found.quarantined);
    assert!(found.quarantined < 30_000 && found.quarantined + left_out >= 1_000_000);

    // With a broker that lets everybody in, the lake takes as many boxes as two national fleets have, and no more.
    let root = dir.path().join("all");
    let (door, peak_mb) = a_million(&root, Accept::All).await;
    println!("accepted: peak {peak_mb} MB, {} boxes", door.lake.known_boxes());
    assert!(peak_mb < 900, "{peak_mb} MB");
    assert_eq!((door.lake.totals().stored, door.lake.known_boxes()), (100_000, 100_000));
    assert_eq!(door.lake.refused_by_reason().get("too_many_boxes"), Some(&900_000));
    door.close().await;
}

/// The envelope of `payload.proto` with columns that are not what they seem.
fn bomb(box_id: &BoxId, columns: &[u8], columns_len: u64) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push((value as u8) | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut out = Vec::new();
    // (tag, value): schema version, stream, epoch, first number, count, codec (Zstandard), length of the columns.
    for (tag, value) in [(1, 1), (3, 1), (4, 5), (5, 0), (6, 100), (7, 1), (9, columns_len)] {
        out.push(tag << 3);
        number(&mut out, value);
    }
    for (tag, bytes) in [(2, box_id.as_str().as_bytes()), (8, columns)] {
        out.push((tag << 3) | 2);
        number(&mut out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
    out
}

/// MQTT 5 by hand: a client that does not keep to what it was told. Sends CONNECT and a publish of so many bytes, as far as it
/// gets.
fn publish_by_hand(port: u16, id: &str, topic: &str, bytes: usize) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut connect = vec![0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0];
    connect.extend((id.len() as u16).to_be_bytes());
    connect.extend(id.bytes());
    stream.write_all(&[0x10, connect.len() as u8]).and_then(|()| stream.write_all(&connect)).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    let mut head = (topic.len() as u16).to_be_bytes().to_vec();
    head.extend(topic.bytes());
    head.push(0);
    let mut length = head.len() + bytes;
    let mut fixed = vec![0x30];
    while length >= 0x80 {
        fixed.push((length as u8) | 0x80);
        length >>= 7;
    }
    fixed.push(length as u8);
    if stream.write_all(&fixed).and_then(|()| stream.write_all(&head)).is_err() {
        return 0;
    }
    let block = vec![0xa5_u8; 1 << 20];
    let mut sent = 0;
    while sent < bytes {
        match stream.write(&block[..block.len().min(bytes - sent)]) {
            Ok(0) | Err(_) => break,
            Ok(count) => sent += count,
        }
    }
    sent
}

fn broker(dir: &Path, name: &str, port: u16, limits: &str) -> Running {
    let config = dir.join(format!("{name}.conf"));
    let text = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 1000000\n\
         max_queued_bytes 4294967296\nset_tcp_nodelay true\npersistence false\n{limits}"
    );
    std::fs::write(&config, text).unwrap();
    let process = Running::start(name, dir, Command::new(mosquitto().unwrap()).arg("-c").arg(config)).unwrap();
    wait_until("mosquitto answers", WITHIN, || TcpStream::connect(("127.0.0.1", port)).ok()).unwrap();
    process
}

fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

/// The value of a series in the worker's metrics, 0 when it is not there.
fn metric(port: u16, series: &str) -> u64 {
    let page = get(port, "/metrics").map(|(_, page)| page).unwrap_or_default();
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
    value.map_or(0, |value| value as u64)
}

fn ingest(dir: &Path, mqtt_port: u16, metrics_port: u16, accept: &str) -> Running {
    let process = Running::start(
        "ingest",
        dir,
        Command::new(binary("tournee").unwrap())
            .env("TOURNEE_LOG", "info")
            .env("TOURNEE_LOG_FORMAT", "json")
            .args(["ingest", "--commit-s", "0.5", "--accept", accept])
            .args(["--mqtt-port", &mqtt_port.to_string(), "--metrics", &format!("127.0.0.1:{metrics_port}"), "--data"])
            .arg(dir.join("data")),
    );
    let process = process.unwrap();
    let ready =
        wait_until("ingest is ready", WITHIN, || get(metrics_port, "/ready").filter(|(status, _)| *status == 200));
    assert!(ready.is_ok(), "{}", process.output());
    process
}

async fn publisher(port: u16, id: &str) -> (AsyncClient, tokio::task::JoinHandle<()>) {
    let mut options = MqttOptions::new(id, ("127.0.0.1", port));
    options.set_clean_start(true).set_outgoing_inflight_upper_limit(256).set_max_packet_size(Some(262_144));
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(10_000).build();
    let (greeted, mut connected) = tokio::sync::watch::channel(false);
    let task = tokio::spawn(async move {
        loop {
            match eventloop.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    greeted.send_replace(true);
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    connected.wait_for(|it| *it).await.unwrap();
    (client, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_should_send_is_counted_and_the_next_vehicle_is_served() {
    const IDS: u64 = 20_000;
    const NONSENSE: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let (mqtt_port, metrics_port) = (free_port().unwrap(), free_port().unwrap());
    // A broker without any limit of its own: what is refused here, the worker refuses.
    let mut mosquitto = broker(dir.path(), "mosquitto", mqtt_port, "");
    let mut worker = ingest(dir.path(), mqtt_port, metrics_port, "operator");
    let accepted = Command::new(binary("tournee").unwrap())
        .args(["devices", "--data"])
        .arg(dir.path().join("data"))
        .args(["accept", "honest", "wild-clock", "bomber"])
        .output()
        .unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    let (client, task) = publisher(mqtt_port, "hostile").await;
    let say = async |topic: String, payload: Vec<u8>| {
        client.publish(topic, payload, PublishOptions::at_least_once()).await.unwrap();
    };
    let honest = BoxId::new("honest").unwrap();
    let air = |box_id: &BoxId| Topic::up(box_id, Stream::Air).to_string();
    // Refused until the worker has looked at the registry; then the vehicle's repetition is stored.
    let stored = || metric(metrics_port, "tournee_ingest_rows_stored_total");
    for _ in 0..240 {
        say(air(&honest), encode(&batch(&honest, 0, NOW_US)).unwrap()).await;
        if stored() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(stored(), 1, "{}", worker.output());
    let unaccepted = metric(metrics_port, "tournee_ingest_refused_total{reason=\"not_accepted\"}");

    // Strangers by the thousand.
    for number in 0..IDS {
        let box_id = BoxId::new(&format!("s-{number}")).unwrap();
        say(air(&box_id), encode(&batch(&box_id, 0, NOW_US)).unwrap()).await;
    }
    // Random bytes on valid topics; the generator of Numerical Recipes is random enough.
    let mut state = 35_u64;
    for number in 0..NONSENSE {
        let bytes = (0..number % 700).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let bytes = bytes.collect();
        say(air(&BoxId::new(&format!("n-{}", number % 10)).unwrap()), bytes).await;
    }
    // Bombs: a gigabyte in a few kilobytes that claims to be four megabytes, and one that claims four gigabytes.
    let bomber = BoxId::new("bomber").unwrap();
    let packed = zstd_of_zeros(1 << 30);
    println!("the bomb has {} bytes", packed.len());
    say(air(&bomber), bomb(&bomber, &packed, 4 << 20)).await;
    say(air(&bomber), bomb(&bomber, &packed, u64::from(u32::MAX))).await;
    // A clock of 1970, one of 2100.
    let wild = BoxId::new("wild-clock").unwrap();
    for (seq, t_us) in [0, 4_102_444_800_000_000].into_iter().enumerate() {
        say(air(&wild), encode(&batch(&wild, seq as u64, t_us)).unwrap()).await;
    }
    // A megabyte, and 255 of them: larger than the worker says it takes, so the broker keeps them from it.
    for (id, bytes) in [("large", 1 << 20), ("huge", 255 << 20)] {
        let sent = publish_by_hand(mqtt_port, id, &air(&honest), bytes);
        println!("{id}: {sent} of {bytes} bytes went");
    }
    say(air(&honest), encode(&batch(&honest, 1, NOW_US)).unwrap()).await;

    let refused = |reason: &str| metric(metrics_port, &format!("tournee_ingest_refused_total{{reason=\"{reason}\"}}"));
    wait_until("everything is counted", WITHIN, || {
        let strangers = refused("not_accepted") >= unaccepted + IDS;
        let clocks = stored() + refused("out_of_range") >= 4;
        (strangers && clocks && metric(metrics_port, "tournee_ingest_pending_rows") == 0).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", get(metrics_port, "/metrics"), worker.output()));
    let page = get(metrics_port, "/metrics").unwrap().1;
    let all: f64 = page
        .lines()
        .filter(|line| line.starts_with("tournee_ingest_refused_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    println!("refused in all: {all}");
    assert!(all as u64 >= IDS + NONSENSE - 10, "{page}");
    assert_eq!((refused("payload_bomb"), refused("payload_decompress")), (1, 1), "{page}");
    assert!(page.lines().count() < 300, "labels are bounded");
    let (worker_mb, broker_mb) = (status_mb(worker.id(), "VmHWM"), status_mb(mosquitto.id(), "VmHWM"));
    println!("peaks: worker {worker_mb} MB, broker without limits {broker_mb} MB");
    assert!(worker_mb < 400, "{worker_mb} MB");
    assert!(worker.is_alive() && mosquitto.is_alive());
    task.abort();
    assert!(worker.terminate(Duration::from_secs(60)).unwrap().success(), "the drain ends in order");
    let found = check::check(&dir.path().join("data/lake")).await.unwrap();
    assert!(found.total.holds());
    assert!(found.total.stored + found.total.refused >= 4);
}

#[test]
fn the_shipped_limits_keep_the_broker_small() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let shipped =
        std::fs::read_to_string(tournee_tests::workspace_root().join("packaging/mosquitto/tournee.conf")).unwrap();
    let limits: Vec<&str> = shipped
        .lines()
        .filter(|line| line.starts_with("message_size_limit ") || line.starts_with("max_packet_size "))
        .collect();
    assert_eq!(limits.len(), 2);
    let mut mosquitto = broker(dir.path(), "mosquitto", port, &limits.join("\n"));
    for id in 0..4 {
        publish_by_hand(port, &format!("huge-{id}"), "tournee/v1/00/x/up/air", 255 << 20);
    }
    let peak_mb = status_mb(mosquitto.id(), "VmHWM");
    println!("four times 255 MB: the broker's peak is {peak_mb} MB");
    assert!(mosquitto.is_alive() && peak_mb < 64, "{peak_mb} MB");
}

/// A Zstandard frame of so many zeros (RFC 8878): blocks of run-length encoding, 128 KiB for four bytes each.
fn zstd_of_zeros(bytes: u64) -> Vec<u8> {
    const BLOCK: u64 = 128 << 10;
    // Magic number; no single segment, no checksum, no content size; window of 8 MiB.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 13 << 3];
    let blocks = bytes / BLOCK;
    for block in 0..blocks {
        let header = (BLOCK << 3) | (1 << 1) | u64::from(block + 1 == blocks);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
