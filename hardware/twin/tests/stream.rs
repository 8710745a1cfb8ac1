//! What comes out of a box: the same bytes for the same seed, whole frames, believable messages.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use tournee_link::{
    Arrival, BoxConfig, Command, CommandHeader, Decoder, Event, MAX_COMMAND_FRAME_BYTES, Message, PROTO, SeqTracker,
    encode_command,
};
use tournee_twin::{LineNoise, Plan, Round, Town, TwinBox, World, WorldError, demo_plan};

fn plan(rounds: &[(i64, u32)]) -> Plan {
    let start = demo_plan(0, 1).rounds[0].start_utc_us;
    Plan {
        rounds: rounds
            .iter()
            .map(|(day, duration_s)| Round { start_utc_us: start + day * 86_400_000_000, duration_s: *duration_s })
            .collect(),
    }
}

fn world(seed: u64) -> Arc<World> {
    Arc::new(World::new(seed, Town::grid(4, 4, 100.0)).unwrap())
}

fn all(twin: &mut TwinBox) -> Vec<u8> {
    let mut bytes = Vec::new();
    while twin.next_second(&mut bytes).is_some() {}
    bytes
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let plan = plan(&[(0, 60), (1, 45)]);
    let noise = LineNoise { flip_per_frame: 0.01, drop_per_frame: 0.01 };
    let run = |world_seed, seed, number| all(&mut TwinBox::new(world(world_seed), seed, number, plan.clone(), noise));
    let first = run(1, 2, 0);
    assert_eq!(first, run(1, 2, 0));
    assert_ne!(first, run(1, 3, 0), "seed");
    assert_ne!(first, run(1, 2, 1), "box");
    assert_ne!(first, run(4, 2, 0), "world");
}

#[test]
fn a_clean_line_loses_nothing_and_the_counters_say_what_was_sent() {
    let mut twin = TwinBox::new(world(1), 1, 0, plan(&[(0, 90), (2, 70)]), LineNoise::CLEAN);
    let mut bytes = Vec::new();
    let mut instants = Vec::new();
    while let Some(instant) = twin.next_second(&mut bytes) {
        instants.push(instant);
    }
    assert_eq!(instants.len(), 160);
    assert_eq!((instants[0].round, instants[159].round), (0, 1));
    assert!(instants.windows(2).all(|pair| pair[0].utc_us < pair[1].utc_us));
    assert!(twin.next_second(&mut bytes).is_none(), "off stays off");

    let (mut decoder, mut tracker) = (Decoder::new(), SeqTracker::new());
    let mut frames = 0;
    let mut last_tick = (0, 0);
    let mut hellos = 0;
    decoder.feed(&bytes, |event| {
        let Event::Frame { header, message } = event else { panic!("{event:?}") };
        frames += 1;
        let arrival = tracker.track(header.boot_id, header.seq);
        assert!(!matches!(arrival, Arrival::Lost(_) | Arrival::Late | Arrival::NewBoot { lost: 1.. }));
        if header.boot_id != last_tick.0 {
            assert_eq!((header.seq, header.tick_us), (0, 0));
            assert!(matches!(message, Message::HelloV2(_)));
            hellos += 1;
        } else {
            // An acceleration block is sent when full, 80 ms after its first sample; a picture belongs between its halves,
            // which are half a second apart.
            // While everything is set up the rest waits, for half a second at the most.
            assert!(header.tick_us + 700_000 > last_tick.1, "{header:?} after {last_tick:?}");
        }
        last_tick = (header.boot_id, header.tick_us);
    });
    let counters = twin.counters();
    assert_eq!(counters.frames_sent, frames);
    assert_eq!(counters.bytes_sent, bytes.len() as u64);
    assert_eq!((counters.frames_flipped, counters.frames_cut, counters.rounds, hellos), (0, 0, 2, 2));
    assert!(counters.driven_m > 200, "{counters:?}");
}

#[test]
fn every_fault_on_the_line_is_seen_as_bad_or_lost() {
    let noise = LineNoise { flip_per_frame: 0.004, drop_per_frame: 0.002 };
    let mut twin = TwinBox::new(world(1), 1, 0, plan(&[(0, 300)]), noise);
    let bytes = all(&mut twin);
    let (mut bad, mut frames) = (0, 0);
    let mut tracker = SeqTracker::new();
    Decoder::new().feed(&bytes, |event| match event {
        Event::Frame { header, .. } => {
            frames += 1;
            tracker.track(header.boot_id, header.seq);
        }
        Event::Bad(_) => bad += 1,
        other => panic!("{other:?}"),
    });
    let counters = twin.counters();
    let damaged = counters.frames_flipped + counters.frames_cut;
    assert!(damaged >= 20, "{counters:?}");
    assert_eq!(frames + tracker.lost(), counters.frames_sent);
    // A broken delimiter takes the next frame along.
    assert!((damaged..damaged + 5).contains(&tracker.lost()), "{damaged} damaged, {} lost", tracker.lost());
    assert!(bad >= damaged * 9 / 10, "{damaged} damaged, {bad} bad");
}

#[test]
fn the_messages_are_believable() {
    let mut twin = TwinBox::new(world(1), 1, 0, plan(&[(0, 1_200)]), LineNoise::CLEAN);
    let bytes = all(&mut twin);
    let mut count = std::collections::BTreeMap::new();
    let (mut first_fix_s, mut gap_s, mut pps_tick, mut skew_ppm) = (None, 0, None, Vec::new());
    Decoder::new().feed(&bytes, |event| {
        let Event::Frame { header, message } = event else { panic!("{event:?}") };
        let name = match &message {
            Message::HelloV2(_) => "hello",
            Message::Gnss(fix) => {
                if fix.fix == 0 {
                    assert_eq!((fix.lat_e7, fix.lon_e7), (0, 0));
                    gap_s += u32::from(first_fix_s.is_some());
                } else {
                    first_fix_s.get_or_insert(header.tick_us / 1_000_000);
                    assert!((476_400_000..476_600_000).contains(&fix.lat_e7), "{fix:?}");
                    assert!(fix.sats >= 6 && fix.hdop_centi < 300 && fix.h_acc_mm < 10_000, "{fix:?}");
                    assert!(fix.utc_us % 1_000_000 == 0 && fix.speed_mmps < 14_000, "{fix:?}");
                }
                "gnss"
            }
            Message::Pps(pps) => {
                assert!(pps.utc_us == 0 || pps.utc_us % 1_000_000 == 0, "{pps:?}");
                if pps.utc_us != 0
                    && let Some((tick, utc)) = pps_tick.replace((header.tick_us, pps.utc_us))
                {
                    let (ticks, us) = ((header.tick_us - tick) as f64, (pps.utc_us - utc) as f64);
                    skew_ppm.push((ticks / us - 1.0) * 1e6);
                }
                "pps"
            }
            Message::Accel(block) => {
                assert_eq!((block.odr_hz, block.scale_ug, block.samples.len(), block.lost), (400, 122, 32, 0));
                "accel"
            }
            Message::Pm(pm) => {
                assert!(pm.pm1_dugm3 < pm.pm25_dugm3 && pm.pm25_dugm3 < pm.pm10_dugm3, "{pm:?}");
                "pm"
            }
            Message::Climate(climate) => {
                assert!((-600..900).contains(&climate.temp_cdegc), "a January dawn: {climate:?}");
                "climate"
            }
            Message::Co2(co2) => {
                assert!((400..700).contains(&co2.ppm));
                "co2"
            }
            Message::No2(_) => "no2",
            Message::Thermal(part) => {
                assert_eq!(part.pixels_cdegc.len(), 128);
                assert!(part.chunk < 6 && part.camera < 2);
                "thermal"
            }
            Message::ModemLine(line) => {
                assert!(line.text.starts_with("+QENG: \"servingcell\""));
                "modem"
            }
            Message::HealthV2(health) => {
                assert_eq!((health.queue_drops, health.bad_commands), ([0; 4], 0), "{health:?}");
                assert_eq!(health.sensor_faults.iter().sum::<u32>(), 0, "{health:?}");
                "health"
            }
            other => panic!("{other:?}"),
        };
        *count.entry(name).or_insert(0) += 1;
    });
    assert!(matches!(first_fix_s, Some(20 | 21)), "{first_fix_s:?}");
    assert!((5..200).contains(&gap_s), "gaps now and then: {gap_s} s");
    skew_ppm.sort_by(f64::total_cmp);
    let skew = skew_ppm[skew_ppm.len() / 2];
    assert!(skew.abs() <= 41.0 && skew.abs() > 0.5, "{skew} ppm");
    assert!(skew_ppm.iter().all(|one| (one - skew).abs() < 2.0));
    // The first second goes into setting the parts up; the carbon dioxide sensor needs five more for its first value.
    let want = [
        ("accel", 15_000, 30),
        ("climate", 1_200, 3),
        ("co2", 240, 3),
        ("gnss", 1_200, 3),
        ("health", 20, 1),
        ("hello", 1, 0),
        ("modem", 1_200, 0),
        ("no2", 1_200, 3),
        ("pm", 1_200, 4),
        ("pps", 1_180 - gap_s, 40),
        ("thermal", 14_400, 36),
    ];
    for (name, about, within) in want {
        let got = count.remove(name).unwrap_or(0);
        assert!(u32::abs_diff(got, about) <= within, "{name}: {got} for {about}");
    }
    assert!(count.is_empty(), "{count:?}");
}

#[test]
fn towns_that_cannot_be_driven_are_refused() {
    assert_eq!(World::new(1, Town::default()).unwrap_err(), WorldError::NoDrivableStreet);
    let mut one_way = Town::grid(2, 1, 100.0);
    one_way.streets.iter_mut().for_each(|street| street.oneway = true);
    assert_eq!(World::new(1, one_way).unwrap_err(), WorldError::NoDrivableStreet);
    let mut bad = Town::grid(2, 2, 100.0);
    bad.streets[3].line[1].0 = f64::NAN;
    assert_eq!(World::new(1, bad.clone()).unwrap_err(), WorldError::BadStreet(bad.streets[3].id.clone()));
    // Broken houses are merely not seen.
    let mut town = Town::grid(2, 2, 100.0);
    town.facades[0].ring[1] = (f64::NAN, f64::INFINITY);
    town.facades[1].ring.clear();
    assert!(World::new(1, town).is_ok());
}

#[test]
fn commands_at_other_moments_change_no_sample_and_no_fault() {
    let config = BoxConfig { generation: 9, ..BoxConfig::DEFAULT };
    let noise = LineNoise { flip_per_frame: 0.004, drop_per_frame: 0.002 };
    let run = |asked_at: u32| {
        let mut twin = TwinBox::new(world(1), 1, 0, plan(&[(0, 120)]), noise);
        let (mut bytes, mut second) = (Vec::new(), 0);
        while twin.next_second(&mut bytes).is_some() {
            second += 1;
            if second == asked_at {
                let mut frame = [0; MAX_COMMAND_FRAME_BYTES];
                for (id, command) in [Command::HelloRequest, Command::SetConfig(config)].into_iter().enumerate() {
                    let header = CommandHeader { proto: PROTO, id: id as u32 };
                    let len = encode_command(header, &command, &mut frame).unwrap();
                    twin.receive(&frame[..len]);
                }
            }
        }
        let mut measured = Vec::new();
        let mut acks = 0;
        Decoder::new().feed(&bytes, |event| {
            if let Event::Frame { header, message } = event {
                match message {
                    Message::Ack(_) => acks += 1,
                    Message::HelloV2(_) | Message::HealthV2(_) => {}
                    other => measured.push((header.tick_us, other)),
                }
            }
        });
        assert_eq!(acks, 2);
        (measured, twin.counters().frames_flipped, twin.counters().frames_cut)
    };
    assert!(run(10) == run(57));
}
