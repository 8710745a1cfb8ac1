//! A box whose firmware runs on an emulated microcontroller and whose vehicle drives through the world in real time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tournee_devices::Sensors;
use tournee_devices::gnss::UbloxReceiver;
use tournee_devices::pm_serial::PmSerial;

use crate::drive::{SAMPLES_PER_STEP, STEPS_PER_S};
use crate::emulator::{Emulator, EmulatorConfig, EmulatorError, Wiring};
use crate::line_simulator::{LineConfig, LineSimulator};
use crate::plan::Round;
use crate::random::hash;
use crate::rider::Rider;
use crate::sensors::body::ODR_HZ;
use crate::world::World;

/// How often the parts on serial lines are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What to switch on.
#[derive(Clone, Debug)]
pub struct EmulatedConfig {
    /// Everything random comes from this and from `box_ix`.
    pub seed: u64,
    /// Which vehicle of the fleet.
    pub box_ix: u32,
    /// When it drives, and for how long.
    pub round: Round,
    /// The image, ELF.
    pub firmware: PathBuf,
    /// A folder of its own, a short path.
    pub folder: PathBuf,
    /// The line to the agent.
    pub line: LineConfig,
    /// A file that takes what the box says, before the line's faults.
    pub tap: Option<PathBuf>,
    /// A particulate sensor on the serial line, beside the one on the bus: [`PmSerial::pmsx003`] or [`PmSerial::sds011`].
    pub pm_serial: Option<PmSerial>,
}

/// Why there is no such box.
#[derive(Debug, thiserror::Error)]
pub enum EmulatedError {
    /// The emulator.
    #[error(transparent)]
    Emulator(#[from] EmulatorError),
    /// The line to the agent.
    #[error("cannot open the line to the agent: {0}")]
    Line(#[source] io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// The world as the box's parts feel it, up to a moment.
struct Feeder {
    rider: Rider,
    sensors: Sensors,
    receiver: UbloxReceiver,
    pm_serial: Option<PmSerial>,
    round: Round,
    /// Number of the next acceleration sample.
    sample: u64,
}

impl Feeder {
    /// Lets the world go on to this moment of the round. The vehicle stays where it is after the end of the round.
    fn catch_up(&mut self, now_us: u64) {
        let end = u64::from(self.round.duration_s) * u64::from(ODR_HZ);
        while self.sample < end {
            let at_us = self.sample * 1_000_000 / u64::from(ODR_HZ);
            if at_us > now_us {
                return;
            }
            if self.sample.is_multiple_of(u64::from(SAMPLES_PER_STEP)) {
                let steps = self.sample / u64::from(SAMPLES_PER_STEP);
                let (second, step) = (steps / u64::from(STEPS_PER_S), (steps % u64::from(STEPS_PER_S)) as u32);
                let utc_us = self.round.start_utc_us + second as i64 * 1_000_000;
                // The modem hangs on the Linux side, not on this box.
                let moment = self.rider.step(utc_us, step, &mut self.sensors);
                if let Some(motion) = moment.motion {
                    self.receiver.set_motion(at_us, motion);
                }
                if let (Some(part), Some([pm1, pm25, pm10])) = (&mut self.pm_serial, moment.dust_dugm3) {
                    part.set_mass(pm1, pm25, pm10);
                }
            }
            let raw = self.rider.sample();
            self.sensors.bmi323.push(at_us, raw);
            self.sample += 1;
        }
    }
}

fn lock(feeder: &Mutex<Feeder>) -> MutexGuard<'_, Feeder> {
    feeder.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The box. Dropped, it is switched off: the agent sees the end of its line.
pub struct EmulatedBox {
    // The line goes first, so that the agent sees its end and not a fault.
    line: LineSimulator,
    stop: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
    emulator: Arc<Emulator>,
    feeder: Arc<Mutex<Feeder>>,
    started: Instant,
    duration: Duration,
}

impl std::fmt::Debug for EmulatedBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmulatedBox")
            .field("line", &self.line)
            .field("emulator", &self.emulator)
            .finish_non_exhaustive()
    }
}

impl EmulatedBox {
    /// Switches the box on at the start of a round.
    ///
    /// # Errors
    /// [`EmulatedError`], which says what to install or build.
    pub fn start(world: Arc<World>, config: EmulatedConfig) -> Result<Self, EmulatedError> {
        let EmulatedConfig { seed, box_ix, round, firmware, folder, line, tap, pm_serial } = config;
        let seed = hash(&[world.seed, seed, u64::from(box_ix)]);
        let mut rider = Rider::new(world, seed);
        rider.boot(&round);
        let feeder = Arc::new(Mutex::new(Feeder {
            rider,
            sensors: Sensors::new(hash(&[seed, 67])),
            receiver: UbloxReceiver::new(),
            pm_serial,
            round,
            sample: 0,
        }));
        let started = Instant::now();
        let since = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let on_bus = Arc::clone(&feeder);
        let (on_gnss, on_pm) = (Arc::clone(&feeder), Arc::clone(&feeder));
        let wiring = Wiring::new(move |_, address, ops| {
            let now_us = since();
            let mut feeder = lock(&on_bus);
            feeder.catch_up(now_us);
            feeder.sensors.transaction(now_us, address, ops)
        })
        .with_gnss(move |bytes| {
            lock(&on_gnss).receiver.receive(bytes);
            // What it answers comes with the next look.
            Vec::new()
        })
        .with_pm(move |bytes| {
            if let Some(part) = &mut lock(&on_pm).pm_serial {
                part.write(since(), bytes);
            }
            Vec::new()
        });
        let config = EmulatorConfig {
            firmware,
            folder,
            serial: format!("emulated-{:04}", box_ix + 1),
            seed: hash(&[seed, 66]) as u32,
        };
        let mut emulator = Emulator::start(&config, wiring)?;
        let Some(far) = emulator.take_link() else {
            return Err(EmulatedError::Line(io::ErrorKind::NotConnected.into()));
        };
        let far = match tap {
            None => far,
            Some(path) => tapped(far, &path).map_err(EmulatedError::Line)?,
        };
        let line = LineSimulator::start(line, far).map_err(EmulatedError::Line)?;
        let emulator = Arc::new(emulator);
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = {
            let (emulator, feeder, stop) = (Arc::clone(&emulator), Arc::clone(&feeder), Arc::clone(&stop));
            std::thread::Builder::new()
                .name("serial parts".to_owned())
                .spawn(move || serial_parts(&emulator, &feeder, &stop, since))
                .map_err(EmulatedError::Thread)?
        };
        let duration = Duration::from_secs(u64::from(round.duration_s));
        Ok(Self { line, stop, ticker: Some(ticker), emulator, feeder, started, duration })
    }

    /// The line to the agent, with its faults.
    #[must_use]
    pub fn line(&self) -> &LineSimulator {
        &self.line
    }

    /// The microcontroller.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Does something with the parts, at the moment of the call: microseconds since the start.
    pub fn with_sensors<R>(&self, act: impl FnOnce(u64, &mut Sensors) -> R) -> R {
        let now_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut feeder = lock(&self.feeder);
        feeder.catch_up(now_us);
        act(now_us, &mut feeder.sensors)
    }

    /// Switches the satellite receiver off and on.
    pub fn restart_receiver(&self) {
        let now_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        lock(&self.feeder).receiver.power_cycle(now_us);
    }

    /// Metres driven so far.
    #[must_use]
    pub fn driven_m(&self) -> f64 {
        lock(&self.feeder).rider.driven_m()
    }

    /// What is left of the round.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.duration.saturating_sub(self.started.elapsed())
    }
}

impl Drop for EmulatedBox {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            // It looks at the flag every 2 ms; a panic in it has been printed.
            let _ = ticker.join();
        }
    }
}

/// What the parts on serial lines say, and the receiver's pulse, when they are due.
fn serial_parts(emulator: &Emulator, feeder: &Mutex<Feeder>, stop: &AtomicBool, now_us: impl Fn() -> u64) {
    let (mut bytes, mut dust) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        bytes.clear();
        dust.clear();
        let mut edges = 0;
        {
            let now_us = now_us();
            let mut feeder = lock(feeder);
            feeder.catch_up(now_us);
            feeder.receiver.poll(now_us, |said| bytes.extend_from_slice(said), |_| edges += 1);
            if let Some(part) = &mut feeder.pm_serial {
                part.poll(now_us, |said| dust.extend_from_slice(said));
            }
        }
        for _ in 0..edges {
            if emulator.pps().is_err() {
                return;
            }
        }
        if !bytes.is_empty() && emulator.gnss_send(&bytes).is_err() {
            return;
        }
        if !dust.is_empty() && emulator.pm_send(&dust).is_err() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Writes what the box says to a file too. The two threads end with the line.
fn tapped(box_side: UnixStream, path: &Path) -> io::Result<UnixStream> {
    let mut file = File::create(path)?;
    let (near, far) = UnixStream::pair()?;
    let (mut from_box, mut to_line) = (box_side.try_clone()?, near.try_clone()?);
    std::thread::Builder::new().name("tap".to_owned()).spawn(move || {
        let mut buffer = [0_u8; 4_096];
        while let Ok(count @ 1..) = from_box.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if file.write_all(bytes).and_then(|()| to_line.write_all(bytes)).is_err() {
                break;
            }
        }
        // The other side learns of the end; it may have gone already.
        let _ = to_line.shutdown(std::net::Shutdown::Both);
    })?;
    let (mut from_line, mut to_box) = (near, box_side);
    std::thread::Builder::new().name("tap back".to_owned()).spawn(move || {
        // Ends with the line; what is not delivered then has nobody to go to.
        let _ = io::copy(&mut from_line, &mut to_box);
        let _ = to_box.shutdown(std::net::Shutdown::Both);
    })?;
    Ok(far)
}
