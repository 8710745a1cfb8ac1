//! Commands through a real broker to a real agent, and down the serial line to a box that answers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod mosquitto_support;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mosquitto_support::{Mosquitto, Rows, Trouble, Way, config, lake, serial_line};
use rumqttc::{AsyncClient, Event, Packet, PublishOptions, QoS};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentError, AgentReport, AgentStatus, RunOptions, run};
use tournee_link::{
    Ack, BoxConfig, Climate, CommandDecoder, CommandEvent, Gnss, Header, HelloV2, MAX_FRAME_BYTES, Message, PROTO, Pm,
    encode,
};
use tournee_payload::{
    Area, BoxId, Campaign, Command, CommandMessage, CommandVerdict, Order, SamplingProfile, StateReport, Status,
    Stream, Topic,
};

/// A box at the other end of a pseudo-terminal: says hello, answers commands, drives northwards when told.
struct TheBox {
    out: Arc<Mutex<(std::fs::File, u32)>>,
    config: Arc<Mutex<BoxConfig>>,
    t: u64,
    _slave: std::os::fd::OwnedFd,
}

fn write(out: &Mutex<(std::fs::File, u32)>, tick_us: u64, message: &Message) {
    let (file, seq) = &mut *out.lock().unwrap();
    let mut frame = [0; MAX_FRAME_BYTES];
    let len = encode(&Header { proto: PROTO, boot_id: 77, seq: *seq, tick_us }, message, &mut frame).unwrap();
    file.write_all(&frame[..len]).unwrap();
    *seq += 1;
}

fn hello(generation: u32) -> Message {
    Message::HelloV2(HelloV2 {
        firmware: "1.0.0".try_into().unwrap(),
        commit: Default::default(),
        serial: "box-7".try_into().unwrap(),
        board: "test".try_into().unwrap(),
        reset_cause: 1,
        proto_oldest: 1,
        messages: 19,
        commands: 12,
        config_generation: generation,
        trial: 0,
    })
}

impl TheBox {
    fn start(master: std::fs::File, slave: std::os::fd::OwnedFd) -> Self {
        let mut input = master.try_clone().unwrap();
        let out = Arc::new(Mutex::new((master, 0)));
        let config = Arc::new(Mutex::new(BoxConfig { generation: 0, ..BoxConfig::DEFAULT }));
        let (answers, settings) = (Arc::clone(&out), Arc::clone(&config));
        std::thread::spawn(move || {
            let mut decoder = CommandDecoder::new();
            let mut bytes = [0; 512];
            while let Ok(count @ 1..) = input.read(&mut bytes) {
                let mut heard = Vec::new();
                decoder.feed(&bytes[..count], |event| {
                    if let CommandEvent::Frame { header, command } = event {
                        heard.push((header.id, command));
                    }
                });
                for (id, command) in heard {
                    let now = *settings.lock().unwrap();
                    match command {
                        tournee_link::Command::HelloRequest => write(&answers, 1, &hello(now.generation)),
                        tournee_link::Command::SetConfig(wanted) => *settings.lock().unwrap() = wanted,
                        tournee_link::Command::GetConfig => write(&answers, 1, &Message::Config(now)),
                        // A box that has no clock to tell: the exchange of stamps stays without one.
                        _ => {}
                    }
                    write(&answers, 1, &Message::Ack(Ack { id, value: 0 }));
                }
            }
        });
        Self { out, config, t: 0, _slave: slave }
    }

    fn lat_e7(t: u64) -> i32 {
        476_500_000 + t as i32 * 719
    }

    fn drive(&mut self, seconds: u64) {
        for t in self.t..self.t + seconds {
            let gnss = Gnss {
                utc_us: 1_768_000_000_000_000 + t as i64 * 1_000_000,
                fix: 3,
                sats: 12,
                hdop_centi: 90,
                lat_e7: Self::lat_e7(t),
                lon_e7: -20_800_000,
                h_acc_mm: 2_000,
                speed_mmps: 8_000,
                heading_cdeg: 0,
            };
            let pm = Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80, pm10_dugm3: 120 };
            let climate = Climate { status: 0, temp_cdegc: 500, rh_cpct: 7_000, pressure_pa: 101_300 };
            for message in [Message::Gnss(gnss), Message::Pm(pm), Message::Climate(climate)] {
                write(&self.out, 5_000_000 + t * 1_000_000, &message);
            }
        }
        self.t += seconds;
    }
}

/// Whoever runs the fleet: keeps the outstanding commands retained, reads the state.
struct Office {
    client: AsyncClient,
    state: watch::Receiver<Option<StateReport>>,
    box_id: BoxId,
    commands: Vec<Command>,
}

impl Office {
    async fn open(way: &Way) -> Self {
        let box_id = BoxId::new("van-01").unwrap();
        let mut options = way.options("office");
        options.set_max_packet_size(Some(262_144));
        let (client, mut events) = AsyncClient::builder(options).capacity(10).build();
        let (sender, state) = watch::channel(None);
        client.subscribe(Topic::state(&box_id).to_string(), QoS::AtLeastOnce).await.unwrap();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    sender.send_replace(Some(StateReport::decode(&publish.payload).unwrap()));
                }
            }
        });
        Self { client, state, box_id, commands: Vec::new() }
    }

    /// Adds commands to those that are retained.
    async fn command(&mut self, orders: &[(u64, Order)]) {
        self.commands.extend(orders.iter().map(|(id, order)| Command { id: *id, order: Ok(order.clone()) }));
        self.publish(self.commands.clone()).await;
    }

    async fn publish(&self, commands: Vec<Command>) {
        let message = CommandMessage { box_id: self.box_id.clone(), commands }.encode();
        let options = PublishOptions::new(QoS::AtLeastOnce).retain(true);
        self.client.publish(Topic::down_command(&self.box_id).to_string(), message, options).await.unwrap();
    }

    async fn state(&mut self, what: &str, mut is: impl FnMut(&StateReport) -> bool) -> StateReport {
        let wait = self.state.wait_for(|state| state.as_ref().is_some_and(&mut is));
        let seen = tokio::time::timeout(Duration::from_secs(15), wait).await.map(|seen| seen.unwrap().clone());
        match seen {
            Ok(seen) => seen.unwrap(),
            Err(_) => panic!("{what} does not come: {:?}", self.state.borrow()),
        }
    }
}

type Agent = JoinHandle<Result<AgentReport, AgentError>>;

fn start(config: AgentConfig, stop: &CancellationToken) -> (Agent, watch::Receiver<AgentStatus>) {
    let (sender, status) = watch::channel(AgentStatus::default());
    (tokio::spawn(run(config, RunOptions::default(), stop.clone(), sender)), status)
}

async fn until(
    status: &mut watch::Receiver<AgentStatus>,
    what: &str,
    is: impl FnMut(&AgentStatus) -> bool,
) -> AgentStatus {
    let wait = tokio::time::timeout(Duration::from_secs(15), status.wait_for(is));
    match wait.await.map(|seen| seen.unwrap().clone()) {
        Ok(seen) => seen,
        Err(_) => panic!("{what} does not come: {:?}", status.borrow()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_commanded_and_every_command_is_answered_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Mosquitto::start(dir.path()) else { return };
    let stop_lake = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.way.clone(), Trouble::default(), rows_sender, stop_lake.clone()));
    let (master, path, slave) = serial_line();
    let mut the_box = TheBox::start(master, slave);
    let mut config = config(dir.path(), &broker.way, &path);
    config.profile.trim.first_m = 0.0;
    config.profile.trim.last_m = 0.0;
    let mut office = Office::open(&broker.way).await;
    let stop = CancellationToken::new();
    let (agent, mut status) = start(config.clone(), &stop);

    until(&mut status, "a hello", |it| it.box_state.serial == "box-7").await;
    let configured = config.sampling.wanted().unwrap();
    until(&mut status, "the configuration", |it| it.box_state.config_generation == configured.generation).await;
    the_box.drive(100);
    until(&mut status, "samples", |it| it.generated_total() > 150).await;

    // Off: what comes is counted and not kept.
    office.command(&[(10, Order::Collection { on: false })]).await;
    office.state("the first answer", |state| state.last_command_id == 10 && state.collection_off).await;
    let before = until(&mut status, "collection off", |it| it.uplink.collection_off && it.withheld.frames == 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = status.borrow().generated_total().max(before.generated_total());
    the_box.drive(50);
    let off = until(&mut status, "withheld frames", |it| it.withheld.frames >= 150).await;
    assert_eq!(off.generated_total(), before, "nothing was kept");
    assert_eq!(off.line.frames_lost, 0);

    // On again, in the north only, thermal first, a fix twice a second without the CO2 sensor; and one that cannot be done.
    let north = TheBox::lat_e7(200);
    let area = Area { south_e7deg: north, north_e7deg: 500_000_000, west_e7deg: -30_000_000, east_e7deg: 0 };
    let profile =
        SamplingProfile { off: vec!["co2".to_owned()], gnss_period_ms: Some(500), ..SamplingProfile::default() };
    let wrong = SamplingProfile { gnss_period_ms: Some(5), ..SamplingProfile::default() };
    office
        .command(&[
            (11, Order::Collection { on: true }),
            (12, Order::Campaign(Campaign { areas: vec![area], priorities: vec![(Stream::Thermal, 5)] })),
            (13, Order::Sampling(profile)),
            (14, Order::Sampling(wrong)),
            (15, Order::Diagnostics),
        ])
        .await;
    let state = office.state("all answers", |state| state.last_command_id == 15).await;
    let verdicts: Vec<_> = state.answers.iter().map(|answer| (answer.id, answer.verdict)).collect();
    let [done, refused] = [CommandVerdict::Done, CommandVerdict::Refused];
    assert_eq!(verdicts, [(10, done), (11, done), (12, done), (13, done), (14, refused), (15, done)]);
    assert!(state.answers[4].detail.contains("sampling.gnss_period_ms = 5"), "{:?}", state.answers[4]);
    let diagnostics: serde_json::Value = serde_json::from_str(&state.diagnostics).unwrap();
    assert_eq!((&diagnostics["box"]["serial"], diagnostics["withheld_frames"].as_u64()), (&"box-7".into(), Some(150)));
    let sampled = until(&mut status, "the profile at the box", |it| {
        !["", "0"].contains(&it.box_state.firmware.as_str()) && it.box_state.config_generation != configured.generation
    })
    .await;
    let at_box = *the_box.config.lock().unwrap();
    assert_eq!((at_box.gnss_period_ms, at_box.generation), (500, sampled.box_state.config_generation));
    assert_eq!(at_box.enabled.count_ones() + 1, configured.enabled.count_ones());
    the_box.drive(150);
    until(&mut status, "samples of the north", |it| it.generated_total() > before + 100 && it.withheld.samples >= 50)
        .await;

    // Old and half-old messages, as a broker restored from a backup would send them: nothing is done again.
    office.publish(vec![Command { id: 10, order: Ok(Order::Collection { on: false }) }]).await;
    office.publish(office.commands.clone()).await;
    the_box.drive(20);
    until(&mut status, "the lake", |it| it.pending == 0 || it.acknowledged_total() > 0).await;
    assert!(!status.borrow().uplink.collection_off);
    stop.cancel();
    let first = tokio::time::timeout(Duration::from_secs(15), agent).await.expect("it ends").unwrap().unwrap();
    assert_eq!((first.withheld.frames, first.line.frames_lost, first.refused_messages), (150, 0, 0));
    let north_only = first.withheld.samples;
    assert!((48..=110).contains(&north_only), "{north_only} samples from the 50 s south of the area");

    // Without any broker the next run goes on as it was told.
    let stopped = office.state("the goodbye", |state| state.state.status == Status::Stopped).await;
    assert_eq!((stopped.last_command_id, stopped.answers.len()), (15, 6), "the answers stay, retained");
    let stop = CancellationToken::new();
    let mut offline = config.clone();
    offline.mqtt.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (agent, mut status) = start(offline, &stop);
    let again = until(&mut status, "the hello of the second run", |it| it.box_state.boots == 1).await;
    assert_eq!(again.uplink.last_command_id, 15);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(*the_box.config.lock().unwrap(), at_box, "the box is not set back to the configuration");
    stop.cancel();
    agent.await.unwrap().unwrap();

    // With the broker, on a line that ends: what is retained comes again and is known; what waited arrives.
    let (master, path, slave) = serial_line();
    config.serial.path = path;
    let (sender, mut status) = watch::channel(AgentStatus::default());
    let options = RunOptions { finish_on_eof: true, ..RunOptions::default() };
    let agent = tokio::spawn(run(config, options, CancellationToken::new(), sender));
    until(&mut status, "a connection", |it| it.connected).await;
    drop((master, slave));
    let last = tokio::time::timeout(Duration::from_secs(15), agent).await.expect("it ends").unwrap().unwrap();
    stop_lake.cancel();
    lake.await.unwrap();
    assert_eq!(status.borrow().uplink.last_command_id, 15);
    assert_eq!((last.pending, last.gaps, last.withheld.frames), (0, 0, 0));
    for (stream, generated) in &last.generated {
        let got = rows.borrow().get(&(last.epoch, *stream)).map_or(0, |seqs| seqs.len() as u64);
        assert_eq!((got, last.acknowledged[stream]), (*generated, *generated), "{}", stream.name());
    }
    let state = office.state("the last goodbye", |state| state.state.status == Status::Stopped).await;
    assert_eq!((state.last_command_id, state.answers.len()), (15, 6));
}
