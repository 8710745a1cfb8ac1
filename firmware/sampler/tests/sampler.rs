//! The box's core against sensors that come, go and fail, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use tournee_link::{BoxConfig, Command, CommandEvent, CommandHeader, Dispatcher, Fault, Message, PROTO, SensorId};
use tournee_link::{FirmwareBegin, FirmwareChunk, Gnss, HelloV2, NakReason, Session, checksum};
use tournee_sampler::{Action, FirmwareStore, Identity, Job, Reading, Sampler, Service, Step, Update};

const IDENTITY: Identity<'_> =
    Identity { firmware: "1.2.3", commit: "abc", serial: "box-1", board: "test", reset_cause: 1, trial: 0 };

/// A sensor as the bus shows it.
#[derive(Clone, Copy, Default)]
struct Part {
    gone: bool,
    /// Set up since its last power-on.
    set_up: bool,
    set_ups: u32,
    fresh_us: u64,
}

struct Bench {
    sampler: Sampler,
    now_us: u64,
    parts: [Part; 9],
    picture: [i16; 768],
    messages: Vec<(u64, Message)>,
}

impl Bench {
    fn new() -> Self {
        let mut sampler = Sampler::new();
        sampler.boot(0, 7, &IDENTITY);
        Self { sampler, now_us: 0, parts: Default::default(), picture: [0; 768], messages: Vec::new() }
    }

    fn period_us(sensor: SensorId) -> u64 {
        match sensor {
            SensorId::Co2 => 5_000_000,
            SensorId::CameraLeft | SensorId::CameraRight => 500_000,
            SensorId::Accel => 2_500,
            _ => 1_000_000,
        }
    }

    fn run_until(&mut self, end_us: u64) {
        while self.now_us < end_us {
            match self.sampler.next(self.now_us) {
                Step::WaitUntil(at_us) => {
                    assert!(at_us > self.now_us, "no standing still");
                    self.now_us = at_us.min(end_us);
                }
                Step::Do(job) => self.perform(job),
            }
            // The receiver speaks by itself.
            let gnss = &mut self.parts[SensorId::Gnss.index()];
            if gnss.set_up && !gnss.gone && self.now_us >= gnss.fresh_us + 1_000_000 {
                gnss.fresh_us = self.now_us;
                self.sampler.fix_heard(self.now_us, fix());
            }
            while let Some((header, message)) = self.sampler.pop(self.now_us) {
                self.messages.push((header.tick_us, message));
            }
        }
    }

    fn perform(&mut self, job: Job) {
        let began_us = self.now_us;
        self.now_us += 400;
        let sensor = job.sensor();
        let part = &mut self.parts[sensor.index()];
        let samples;
        let outcome = match job {
            _ if part.gone => Err(Fault::NoAnswer),
            Job::SetUp(_) => {
                *part = Part { set_up: true, set_ups: part.set_ups + 1, fresh_us: began_us, ..*part };
                Ok((sensor == SensorId::Accel).then_some(Reading::AccelSetUp { odr_hz: 400, scale_ug: 122 }))
            }
            Job::Read(_) if !part.set_up && sensor == SensorId::Co2 => Err(Fault::Restarted),
            Job::Read(_) if !part.set_up => Ok(None),
            Job::Read(_) => {
                let count = ((began_us - part.fresh_us) / Self::period_us(sensor)) as usize;
                part.fresh_us += count as u64 * Self::period_us(sensor);
                samples = vec![[0_i16, 0, 8_192]; count.min(64)];
                Ok((count > 0).then_some(match sensor {
                    SensorId::Accel => Reading::Accel { samples: &samples, left: 0, overrun: false },
                    SensorId::Pm => Reading::Pm([1, 2, 3]),
                    SensorId::Climate => Reading::Climate { temp_cdegc: 1, rh_cpct: 2, pressure_pa: 100_000 },
                    SensorId::Co2 => Reading::Co2(420),
                    SensorId::No2 => Reading::No2([1, 2]),
                    SensorId::Supply => Reading::Supply(12_500),
                    _ => Reading::SubPage {
                        number: ((began_us / 500_000) % 2) as u8,
                        ambient_cdegc: 900,
                        picture: &self.picture,
                    },
                }))
            }
        };
        self.sampler.finish(job, began_us, self.now_us, outcome);
    }

    fn count(&self, from_us: u64) -> BTreeMap<&'static str, usize> {
        let mut count = BTreeMap::new();
        for (_, message) in self.messages.iter().filter(|(tick_us, _)| *tick_us >= from_us) {
            let name = match message {
                Message::Accel(_) => "accel",
                Message::Pm(pm) if pm.status == 0 => "pm",
                Message::Pm(_) => "pm void",
                Message::Climate(_) => "climate",
                Message::Co2(co2) if co2.status == 0 => "co2",
                Message::Co2(_) => "co2 void",
                Message::No2(_) => "no2",
                Message::Thermal(_) => "thermal",
                Message::Gnss(_) => "gnss",
                Message::HealthV2(_) => "health",
                Message::SensorState(_) => "state",
                _ => "other",
            };
            *count.entry(name).or_insert(0) += 1;
        }
        count
    }

    fn fresh_since(&self, sensor: SensorId, since_us: u64) -> Option<u64> {
        self.messages
            .iter()
            .filter(|(tick_us, _)| *tick_us >= since_us)
            .find(|(_, message)| match (sensor, message) {
                (SensorId::Accel, Message::Accel(_)) | (SensorId::Gnss, Message::Gnss(_)) => true,
                (SensorId::Pm, Message::Pm(pm)) => pm.status == 0,
                (SensorId::Climate, Message::Climate(climate)) => climate.status == 0,
                (SensorId::Co2, Message::Co2(co2)) => co2.status == 0,
                (SensorId::No2, Message::No2(no2)) => no2.status == 0,
                (SensorId::CameraLeft, Message::Thermal(part)) => part.camera == 0,
                (SensorId::CameraRight, Message::Thermal(part)) => part.camera == 1,
                _ => false,
            })
            .map(|(tick_us, _)| *tick_us)
    }
}

fn fix() -> Gnss {
    Gnss {
        utc_us: 0,
        fix: 0,
        sats: 0,
        hdop_centi: 9_999,
        lat_e7: 0,
        lon_e7: 0,
        h_acc_mm: u32::MAX,
        speed_mmps: 0,
        heading_cdeg: 36_000,
    }
}

#[test]
fn a_minute_brings_every_sensor_at_its_rate() {
    let mut bench = Bench::new();
    bench.run_until(70_000_000);
    assert!(matches!(&bench.messages[0].1, Message::HelloV2(HelloV2 { firmware, .. }) if firmware == "1.2.3"));
    let count = bench.count(10_000_000);
    for (name, about) in [
        ("accel", 750),
        ("pm", 60),
        ("climate", 60),
        ("co2", 12),
        ("no2", 60),
        ("thermal", 720),
        ("gnss", 60),
        ("health", 1),
    ] {
        let got = count.get(name).copied().unwrap_or(0);
        assert!(got.abs_diff(about) * 50 <= about.max(50), "{name}: {got} for {about}; {count:?}");
    }
    assert_eq!(count.get("state"), None, "no faults");
}

#[test]
fn every_part_that_is_restarted_or_away_delivers_again_within_ten_seconds() {
    for sensor in SensorId::ALL.into_iter().filter(|sensor| *sensor != SensorId::Supply) {
        for away_us in [0, 3_000_000, 40_000_000] {
            let mut bench = Bench::new();
            bench.run_until(21_300_000);
            let part = sensor.index();
            bench.parts[part].set_up = false;
            bench.parts[part].gone = away_us > 0;
            bench.run_until(21_300_000 + away_us);
            bench.parts[part].gone = false;
            let back_us = bench.now_us;
            bench.run_until(back_us + 12_000_000);
            let fresh_us = bench.fresh_since(sensor, back_us);
            assert!(
                fresh_us.is_some_and(|at_us| at_us < back_us + 10_000_000),
                "{sensor} away {away_us}: {fresh_us:?}"
            );
            let states = bench.messages.iter().filter_map(|(_, message)| match message {
                Message::SensorState(state) => Some((state.sensor, state.fault)),
                _ => None,
            });
            let states: Vec<_> = states.collect();
            assert!(states.iter().all(|(which, _)| *which == sensor.number()), "{states:?}");
            assert_eq!(states.last().map(|(_, fault)| *fault), Some(0), "{sensor} says that it is back: {states:?}");
        }
    }
}

#[test]
fn a_part_that_was_never_fitted_costs_little_and_is_reported_once() {
    let mut bench = Bench::new();
    bench.parts[SensorId::Co2.index()].gone = true;
    bench.run_until(60_000_000);
    let count = bench.count(0);
    assert_eq!(count.get("state"), Some(&1));
    assert_eq!(count.get("pm").copied().unwrap_or(0), 59);
}

/// A store in memory that fails on demand.
struct Ram {
    bytes: Vec<u8>,
    writes: u32,
    broken_at: Option<u32>,
}

impl FirmwareStore for Ram {
    type Error = ();
    fn capacity(&self) -> u32 {
        4_096
    }
    fn begin(&mut self, len: u32) -> Result<(), ()> {
        self.bytes = vec![0xff; len as usize];
        Ok(())
    }
    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), ()> {
        self.writes += 1;
        if self.broken_at == Some(offset) {
            return Err(());
        }
        self.bytes[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), ()> {
        buffer.copy_from_slice(&self.bytes[offset as usize..][..buffer.len()]);
        Ok(())
    }
    fn try_out(&mut self) -> Option<Result<(), ()>> {
        Some(Ok(()))
    }
    fn confirm(&mut self) -> Option<Result<(), ()>> {
        None
    }
}

struct Box {
    sampler: Sampler,
    update: Update<Ram>,
    dispatcher: Dispatcher,
    id: u32,
}

impl Box {
    fn new() -> Self {
        let mut sampler = Sampler::new();
        sampler.boot(0, 7, &IDENTITY);
        while sampler.pop(0).is_some() {}
        let update = Update::new(Ram { bytes: Vec::new(), writes: 0, broken_at: None });
        Self { sampler, update, dispatcher: Dispatcher::new(), id: 0 }
    }

    fn command(&mut self, command: Command) -> Vec<Message> {
        self.id += 1;
        self.again(command)
    }

    fn again(&mut self, command: Command) -> Vec<Message> {
        let event = CommandEvent::Frame { header: CommandHeader { proto: PROTO, id: self.id }, command };
        let service = &mut Service { core: &mut self.sampler, update: &mut self.update, now_us: 5, for_tests: false };
        self.dispatcher.handle(&event, 5, service);
        std::iter::from_fn(|| self.sampler.pop(9).map(|(_, message)| message)).collect()
    }
}

fn nak(messages: &[Message]) -> Option<(NakReason, u32)> {
    messages.iter().find_map(|message| match message {
        Message::Nak(nak) => NakReason::from_code(nak.reason).map(|reason| (reason, nak.detail)),
        _ => None,
    })
}

#[test]
fn an_image_arrives_checked_and_every_wrong_order_is_refused() {
    let image: Vec<u8> = (0..1_000_u32).map(|n| (n * 7) as u8).collect();
    let chunk = |offset: usize| {
        let end = (offset + 192).min(image.len());
        let data = heapless::Vec::from_slice(&image[offset..end]).unwrap();
        Command::FirmwareChunk(FirmwareChunk { offset: offset as u32, data })
    };
    let begin = Command::FirmwareBegin(FirmwareBegin { len: 1_000, crc: checksum(&image) });
    let mut one = Box::new();
    assert_eq!(nak(&one.command(chunk(0))), Some((NakReason::State, 0)));
    assert_eq!(nak(&one.command(Command::FirmwareCommit)), Some((NakReason::State, 0)));
    let large = Command::FirmwareBegin(FirmwareBegin { len: 5_000, crc: 0 });
    assert_eq!(nak(&one.command(large)), Some((NakReason::TooLarge, 4_096)));
    assert_eq!(nak(&one.command(begin.clone())), None);
    assert_eq!(nak(&one.command(chunk(192))), Some((NakReason::Offset, 0)));
    for offset in (0..1_000).step_by(192) {
        assert_eq!(nak(&one.command(chunk(offset))), None);
        assert_eq!(nak(&one.again(chunk(offset))), None, "the same command again");
        assert_eq!(nak(&one.command(chunk(offset))), None, "the same part as a new command");
    }
    assert_eq!(one.update.store().writes, 6, "stored once");
    assert_eq!(nak(&one.command(Command::FirmwareEnd)), None);
    assert_eq!(one.update.store().bytes, image);
    assert_eq!(nak(&one.command(Command::FirmwareCommit)), None);
    assert_eq!(one.sampler.action(), Some(Action::Reboot));
    assert_eq!(nak(&one.command(Command::FirmwareConfirm)), Some((NakReason::Unsupported, 0)));

    let mut wrong = Box::new();
    wrong.command(Command::FirmwareBegin(FirmwareBegin { len: 192, crc: 1 }));
    wrong.command(chunk(0));
    assert!(matches!(nak(&wrong.command(Command::FirmwareEnd)), Some((NakReason::Checksum, _))));
    let mut worn = Box::new();
    worn.update = Update::new(Ram { bytes: Vec::new(), writes: 0, broken_at: Some(192) });
    worn.command(begin);
    worn.command(chunk(0));
    assert_eq!(nak(&worn.command(chunk(192))), Some((NakReason::Storage, 192)));
}

#[test]
fn a_configuration_is_set_read_back_and_refused_by_field() {
    let mut one = Box::new();
    let config = BoxConfig { generation: 3, accel_block: 4, gnss_period_ms: 100, ..BoxConfig::DEFAULT };
    assert_eq!(nak(&one.command(Command::SetConfig(config))), None);
    assert!(one.command(Command::GetConfig).contains(&Message::Config(config)));
    let bad = BoxConfig { accel_block: 33, ..config };
    assert_eq!(nak(&one.command(Command::SetConfig(bad))), Some((NakReason::Range, 2)));
    assert!(one.command(Command::GetConfig).contains(&Message::Config(config)), "the old one stays in force");
    let hello = one.command(Command::HelloRequest);
    assert!(matches!(&hello[0], Message::HelloV2(hello) if hello.config_generation == 3), "{hello:?}");
    assert_eq!(nak(&one.command(Command::Hang)), Some((NakReason::Unsupported, 0)));
}

#[test]
fn a_self_test_answers_when_every_sensor_was_tried() {
    let mut bench = Bench::new();
    bench.parts[SensorId::No2.index()].gone = true;
    bench.run_until(5_000_000);
    assert!(bench.sampler.self_test(bench.now_us, 99));
    assert!(!bench.sampler.self_test(bench.now_us, 100), "one at a time");
    bench.run_until(8_000_000);
    let result = bench.messages.iter().find_map(|(_, message)| match message {
        Message::SelfTest(result) => Some(result.clone()),
        _ => None,
    });
    let result = result.unwrap();
    assert_eq!(result.id, 99);
    for sensor in SensorId::ALL {
        let want = if sensor == SensorId::No2 { Fault::NoAnswer.code() } else { 0 };
        assert_eq!(result.status[sensor.index()], want, "{sensor}");
    }
}

#[test]
fn a_time_exchange_has_four_stamps() {
    let mut one = Box::new();
    let mut session = Session::new(40);
    session.start(Command::TimeSync(0), 1_000_000).unwrap();
    let (header, command) = session.transmit(1_000_000).unwrap().unwrap();
    one.id = header.id;
    let messages = one.again(command);
    let Message::TimeSync(answer) = &messages[0] else { panic!("{messages:?}") };
    assert_eq!((answer.host_us, answer.received_us, answer.sent_us), (1_000_000, 5, 9));
}

#[test]
fn switching_a_sensor_off_ends_its_messages_and_its_faults() {
    let mut bench = Bench::new();
    bench.run_until(10_000_000);
    let config = BoxConfig { generation: 1, enabled: SensorId::Gnss.bit() | SensorId::Pm.bit(), ..BoxConfig::DEFAULT };
    bench.sampler.configure(bench.now_us, &config);
    bench.run_until(30_000_000);
    let count = bench.count(11_000_000);
    assert_eq!(count.keys().copied().collect::<Vec<_>>(), ["gnss", "pm"], "{count:?}");
    bench.sampler.configure(bench.now_us, &BoxConfig { generation: 2, ..BoxConfig::DEFAULT });
    bench.run_until(40_000_000);
    assert!(bench.fresh_since(SensorId::Accel, 30_000_000).is_some());
}

#[test]
fn the_drivers_switch_stops_everything_and_says_so() {
    let mut bench = Bench::new();
    bench.run_until(10_000_000);
    bench.sampler.set_switched_off(bench.now_us, true);
    bench.run_until(30_000_000);
    let count = bench.count(10_000_001);
    assert_eq!(count.keys().copied().collect::<Vec<_>>(), [""; 0], "{count:?}");
    let off = bench.messages.iter().filter(|(_, message)| match message {
        Message::SensorState(state) => state.fault == Fault::Off.code(),
        _ => false,
    });
    assert_eq!(off.count(), 8, "all but the supply");
    bench.sampler.set_switched_off(bench.now_us, false);
    bench.run_until(40_000_000);
    assert!(bench.fresh_since(SensorId::Gnss, 30_000_000).is_some());
}

#[test]
fn a_slow_set_up_of_another_part_is_no_silence_of_the_accelerometer() {
    let mut bench = Bench::new();
    while !matches!(bench.sampler.next(bench.now_us), Step::Do(Job::SetUp(SensorId::Co2))) {
        let Step::Do(job) = bench.sampler.next(bench.now_us) else { panic!("all parts are due at once") };
        bench.perform(job);
    }
    // Stopping a running measurement takes it half a second, as long as the accelerometer may be silent.
    bench.now_us += 600_000;
    bench.run_until(5_000_000);
    assert_eq!(bench.count(0).get("state"), None);
}
