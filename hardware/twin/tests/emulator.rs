//! The real firmware image on the emulated board, with the register-level sensor models behind its bus: it boots,
//! measures, keeps time, and gets over a silent bus and a hung task. Every figure comes over the box's own link.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tournee_devices::Sensors;
use tournee_devices::gnss::{MotionState, UbloxReceiver};
use tournee_link::{
    Command, CommandHeader, Decoder, Event, Header, ImageTransfer, MAX_COMMAND_FRAME_BYTES, Message, NakReason,
    Outcome, SensorId, SeqTracker, Session, encode_command,
};
use tournee_twin::emulator::{Emulator, EmulatorConfig, EmulatorError, IMAGE, Wiring};

/// Samples of the accelerometer, microseconds apart.
const SAMPLE_EVERY_US: u64 = 2_500;
/// How often the receiver's antenna sees something new, microseconds.
const MOTION_EVERY_US: u64 = 100_000;
/// 2026-03-02 06:00:00 UTC, when the box is switched on.
const START_UTC_US: i64 = 1_772_431_200_000_000;
/// How long anything that must happen may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(12);

fn firmware() -> PathBuf {
    let folder = std::env::var_os("TOURNEE_FIRMWARE_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../board/thumbv7em-none-eabihf/release"),
        PathBuf::from,
    );
    folder.join(IMAGE)
}

/// Drives east at 10 m/s.
fn motion(now_us: u64) -> MotionState {
    MotionState {
        utc_us: START_UTC_US + i64::try_from(now_us).unwrap(),
        lat_e7: 481_173_000,
        lon_e7: 115_167_000 + i32::try_from(now_us / 1_000_000 * 1_345).unwrap(),
        fix: 3,
        sats: 14,
        hdop_centi: 80,
        h_acc_mm: 1_200,
        speed_mmps: 10_000,
        heading_cdeg: 9_000,
    }
}

/// A box with its sensors, a world that shakes it, and a reader of its link.
struct Rig {
    emulator: Emulator,
    link: UnixStream,
    decoder: Decoder,
    tracker: SeqTracker,
    bad: u32,
    session: Session,
    clock: Instant,
    over: Arc<AtomicBool>,
    world: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn start(serial: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = EmulatorConfig {
            firmware: firmware(),
            folder: folder.path().to_owned(),
            serial: serial.to_owned(),
            seed: 1,
        };
        let sensors = Arc::new(Mutex::new(Sensors::new(7)));
        let over = Arc::new(AtomicBool::new(false));
        let clock = Instant::now();
        let now_us = move || u64::try_from(clock.elapsed().as_micros()).unwrap();
        let bus = Arc::clone(&sensors);
        let receiver = Arc::new(Mutex::new(UbloxReceiver::new()));
        let told = Arc::clone(&receiver);
        let wiring = Wiring::new(move |_, address, ops| bus.lock().unwrap().transaction(now_us(), address, ops))
            .with_gnss(move |bytes| {
                told.lock().unwrap().receive(bytes);
                Vec::new()
            });
        let mut emulator = Emulator::start(&config, wiring).unwrap_or_else(|error| panic!("{error}"));
        let link = emulator.take_link().unwrap();
        link.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::clone(&over);
        let inputs = emulator.inputs();
        let world = thread::spawn(move || {
            let mut sampled_us = 0;
            let mut moved_us = None;
            // What the box does not take any more is the end of a test.
            let mut gone = false;
            while !gone && !stop.load(Ordering::Relaxed) {
                let now_us = now_us();
                let mut parts = sensors.lock().unwrap();
                while sampled_us + SAMPLE_EVERY_US <= now_us {
                    sampled_us += SAMPLE_EVERY_US;
                    parts.bmi323.push(sampled_us, [100, -200, 4_096]);
                }
                drop(parts);
                let mut receiver = receiver.lock().unwrap();
                if moved_us.is_none_or(|moved_us| now_us >= moved_us + MOTION_EVERY_US) {
                    receiver.set_motion(now_us, motion(now_us));
                    moved_us = Some(now_us);
                }
                let mut said = Vec::new();
                let mut edges = 0;
                receiver.poll(now_us, |bytes| said.extend_from_slice(bytes), |_| edges += 1);
                drop(receiver);
                gone = inputs.gnss_send(&said).is_err() || (0..edges).any(|_| inputs.pps().is_err());
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            emulator,
            link,
            decoder: Decoder::new(),
            tracker: SeqTracker::new(),
            bad: 0,
            session: Session::new(1),
            clock,
            over,
            world: Some(world),
            _folder: folder,
        }
    }

    /// What arrives within `time`, or until `enough`.
    fn listen(&mut self, time: Duration, mut enough: impl FnMut(&Header, &Message) -> bool) -> bool {
        let deadline = Instant::now() + time;
        let mut buffer = [0; 4096];
        let mut satisfied = false;
        while !satisfied && Instant::now() < deadline {
            let len = match self.link.read(&mut buffer) {
                Ok(0) => panic!("the box has ended: {:?}", self.emulator.wait(Duration::from_secs(1))),
                Ok(len) => len,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => panic!("{error}"),
            };
            self.decoder.feed(&buffer[..len], |event| match event {
                Event::Frame { header, message } => {
                    self.tracker.track(header.boot_id, header.seq);
                    satisfied |= enough(&header, &message);
                }
                _ => self.bad += 1,
            });
        }
        satisfied
    }

    fn send(&mut self, header: CommandHeader, command: &Command) {
        let mut frame = [0; MAX_COMMAND_FRAME_BYTES];
        let len = encode_command(header, command, &mut frame).unwrap();
        self.link.write_all(&frame[..len]).unwrap();
    }

    /// Sends a command as the agent does, again where no answer comes.
    fn ask(&mut self, command: Command) -> Outcome {
        let now_us = |clock: Instant| u64::try_from(clock.elapsed().as_micros()).unwrap();
        self.session.start(command, now_us(self.clock)).unwrap();
        loop {
            match self.session.transmit(now_us(self.clock)) {
                Ok(Some((header, command))) => self.send(header, &command),
                Ok(None) => {}
                Err(outcome) => return outcome,
            }
            let mut session = std::mem::replace(&mut self.session, Session::new(0));
            let mut outcome = None;
            self.listen(Duration::from_millis(100), |_, message| {
                outcome = outcome.take().or_else(|| session.receive(message));
                outcome.is_some()
            });
            self.session = session;
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    /// Waits for the Hello of another boot; gives the cause of the reset.
    fn next_boot(&mut self, than: u32) -> u8 {
        let mut cause = None;
        self.listen(PATIENCE, |header, message| {
            let Message::HelloV2(hello) = message else { return false };
            cause = Some(hello.reset_cause).filter(|_| header.boot_id != than);
            cause.is_some()
        });
        cause.unwrap_or_else(|| panic!("no Hello of another boot"))
    }

    /// Waits for the first Hello; gives its boot.
    fn first_boot(&mut self) -> u32 {
        let mut boot_id = None;
        self.listen(PATIENCE, |header, message| {
            boot_id = Some(header.boot_id).filter(|_| matches!(message, Message::HelloV2(_)));
            boot_id.is_some()
        });
        boot_id.unwrap_or_else(|| panic!("no Hello at all"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.world.take().map(JoinHandle::join);
    }
}

/// The name of a message, enough to count by.
fn kind(message: &Message) -> &'static str {
    match message {
        Message::HelloV2(_) => "hello",
        Message::Accel(_) => "accel",
        Message::Gnss(_) => "gnss",
        Message::Pps(_) => "pps",
        Message::Climate(_) => "climate",
        Message::Co2(_) => "co2",
        Message::No2(_) => "no2",
        Message::Pm(_) => "pm",
        Message::Thermal(_) => "thermal",
        Message::HealthV2(_) => "health",
        _ => "other",
    }
}

#[test]
fn it_boots_and_every_sensor_speaks_with_nothing_lost() {
    let mut rig = Rig::start("EMULATED-1");
    let mut first = None;
    assert!(rig.listen(PATIENCE, |header, message| {
        first.get_or_insert_with(|| (*header, message.clone()));
        true
    }));
    let Some((header, Message::HelloV2(hello))) = first else { panic!("the first message is {first:?}") };
    assert_eq!(header.seq, 0);
    assert_eq!((hello.serial.as_str(), hello.board.as_str()), ("EMULATED-1", "mps2-an386"));
    assert_eq!(hello.reset_cause, 1, "power");

    // Seven seconds: the CO2 sensor has its first value after five.
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut samples = 0;
    let mut edges = Vec::new();
    rig.listen(Duration::from_secs(7), |header, message| {
        *counts.entry(kind(message)).or_default() += 1;
        match message {
            Message::Accel(block) => samples += block.samples.len(),
            Message::Pps(pulse) => edges.push((header.tick_us, pulse.utc_us)),
            Message::Gnss(fix) if fix.fix != 0 => {
                assert_eq!((fix.fix, fix.lat_e7, fix.speed_mmps, fix.sats), (3, 481_173_000, 10_000, 14));
                assert!((START_UTC_US..START_UTC_US + 60_000_000).contains(&fix.utc_us), "{fix:?}");
            }
            Message::HealthV2(health) => {
                assert_eq!(health.uart_overruns, 0);
                assert!(health.stack_free_bytes > 16_384, "{health:?}");
            }
            _ => {}
        }
        false
    });
    assert_eq!((rig.bad, rig.tracker.lost()), (0, 0), "{counts:?}");
    for sensor in ["accel", "gnss", "pps", "climate", "co2", "no2", "pm", "thermal", "health"] {
        assert!(counts.contains_key(sensor), "no {sensor} in {counts:?}");
    }
    assert!((2_000..=3_000).contains(&samples), "{samples} samples in 7 s at 400 Hz");
    // The receiver's seconds and the box's clock, through a byte on a line and a busy machine: to 200 ms.
    let labelled: Vec<_> = edges.iter().filter(|(_, utc_us)| *utc_us != 0).collect();
    assert!(labelled.len() >= 2, "{edges:?}");
    for pair in labelled.windows(2) {
        let (box_us, utc_us) = (pair[1].0.abs_diff(pair[0].0), pair[1].1.abs_diff(pair[0].1));
        assert!(utc_us > 0 && utc_us.is_multiple_of(1_000_000) && box_us.abs_diff(utc_us) < 200_000, "{edges:?}");
    }
    assert!(rig.emulator.bus_counters().bad == 0 && rig.emulator.bus_counters().done > 100);
}

#[test]
fn a_silent_bus_is_reported_and_its_sensors_come_back() {
    let mut rig = Rig::start("EMULATED-2");
    let works = |_: &Header, message: &Message| matches!(message, Message::Climate(climate) if climate.status == 0);
    assert!(rig.listen(PATIENCE, works), "no climate at all");
    rig.emulator.pause_bus();
    let climate = SensorId::Climate.number();
    let failed = |_: &Header, message: &Message| matches!(message, Message::SensorState(state) if state.sensor == climate && state.fault != 0);
    assert!(rig.listen(PATIENCE, failed), "the silent bus was not reported");
    rig.emulator.resume_bus();
    assert!(rig.listen(PATIENCE, works), "the climate sensor did not come back");
    assert!(rig.emulator.bus_counters().ignored > 0);
    assert_eq!(rig.emulator.boots().unwrap(), 1, "the watchdog must not take silent sensors for a hung task");
    assert_eq!((rig.bad, rig.tracker.lost()), (0, 0));
}

#[test]
fn a_hung_task_trips_the_watchdog_and_a_new_hello_says_so() {
    let mut rig = Rig::start("EMULATED-3");
    let boot_id = rig.first_boot();
    rig.ask(Command::Hang);
    assert_eq!(rig.next_boot(boot_id), 2, "watchdog");
    assert_eq!(rig.emulator.boots().unwrap(), 2);
    let speaks = |_: &Header, message: &Message| matches!(message, Message::Climate(climate) if climate.status == 0);
    assert!(rig.listen(PATIENCE, speaks), "the sensors must speak after the new start too");
}

#[test]
fn an_image_is_kept_to_the_byte_and_a_reboot_is_obeyed() {
    let mut rig = Rig::start("EMULATED-4");
    let boot_id = rig.first_boot();
    // Not a program: this board keeps images and starts none.
    let image: Vec<u8> = (0..9_999_u32).map(|at| ((at * at) >> 3) as u8).collect();
    let mut transfer = ImageTransfer::new(&image).unwrap();
    while let Some(command) = transfer.command() {
        let outcome = rig.ask(command);
        transfer.advance(outcome).unwrap();
    }
    assert!(rig.emulator.stored_image(image.len()).unwrap() == image, "the stored image differs");
    let Outcome::Refused(nak) = rig.ask(Command::FirmwareCommit) else { panic!("this board cannot start an image") };
    assert_eq!(NakReason::from_code(nak.reason), Some(NakReason::Unsupported));

    assert!(matches!(rig.ask(Command::Reboot), Outcome::Done(_)));
    assert_eq!(rig.next_boot(boot_id), 3, "asked");
    assert_eq!((rig.bad, rig.tracker.lost()), (0, 0));
}

#[test]
fn a_missing_image_is_said_with_the_command_that_builds_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmulatorConfig {
        firmware: folder.path().join(IMAGE),
        folder: folder.path().to_owned(),
        serial: String::new(),
        seed: 0,
    };
    let error = Emulator::start(&config, Wiring::new(|_, _, _| Ok(()))).unwrap_err();
    assert!(matches!(&error, EmulatorError::NoFirmware(path) if *path == config.firmware));
    assert!(error.to_string().contains("cargo build --release -p tournee-box-qemu"), "{error}");
}

#[test]
fn an_image_that_is_none_ends_the_emulator_with_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let firmware = folder.path().join(IMAGE);
    std::fs::write(&firmware, b"").unwrap();
    let config = EmulatorConfig { firmware, folder: folder.path().to_owned(), serial: String::new(), seed: 0 };
    let started = Emulator::start(&config, Wiring::new(|_, _, _| Ok(())));
    // QEMU takes some files for a raw image and then runs nothing: both ends are typed, neither is a hang.
    match started {
        Err(error) => assert!(matches!(error, EmulatorError::Ended { .. }), "{error}"),
        Ok(emulator) => assert!(emulator.boots().unwrap() == 0),
    }
}
