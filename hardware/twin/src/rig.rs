//! The box's own software in this process: sampler and drivers, the very crates of the firmware, on register-level models
//! and in virtual time.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use embedded_io_async::Write;
use tournee_app::{Devices, Ear};
use tournee_devices::gnss::{MotionState, UbloxReceiver};
use tournee_devices::{Nack, Op, Sensors};
use tournee_link::{CommandDecoder, Dispatcher, Header, Message, ModemLine};
use tournee_sampler::{Action, FirmwareStore, Identity, Sampler, Service, Step, Update, Vitals};

/// A byte on the bus with its acknowledge, at 400 kHz: what the infrared arrays' memory allows.
const BYTE_US: u64 = 23;

/// Box ticks, shared by whoever lets time pass.
#[derive(Clone, Debug, Default)]
struct Ticks(Arc<AtomicU64>);

impl Ticks {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set_us(&self, now_us: u64) {
        self.0.store(now_us, Ordering::Relaxed);
    }

    fn pass_us(&self, us: u64) {
        self.set_us(self.now_us() + us);
    }
}

impl DelayNs for Ticks {
    async fn delay_ns(&mut self, ns: u32) {
        self.pass_us(u64::from(ns).div_ceil(1_000));
    }
}

/// A handle on the virtual bus. A transaction takes as long as on a real one.
#[derive(Clone, Debug)]
struct BusHandle {
    sensors: Arc<Mutex<Sensors>>,
    ticks: Ticks,
}

/// A part refused.
#[derive(Clone, Copy, Debug)]
struct Refused(Nack);

impl embedded_hal_async::i2c::Error for Refused {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(match self.0 {
            Nack::Address => NoAcknowledgeSource::Address,
            Nack::Data => NoAcknowledgeSource::Data,
        })
    }
}

impl ErrorType for BusHandle {
    type Error = Refused;
}

impl I2c for BusHandle {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Refused> {
        let mut bytes = 1;
        let mut ops: Vec<Op<'_>> = Vec::with_capacity(operations.len());
        for operation in operations {
            ops.push(match operation {
                Operation::Write(data) => {
                    bytes += data.len() as u64;
                    Op::Write(data)
                }
                Operation::Read(buffer) => {
                    bytes += buffer.len() as u64;
                    Op::Read(buffer)
                }
            });
        }
        let result = lock(&self.sensors).transaction(self.ticks.now_us(), address, &mut ops);
        self.ticks.pass_us(bytes * BYTE_US);
        result.map_err(Refused)
    }
}

/// The line to a particulate sensor that is not on the bus: none is fitted, what is written goes nowhere.
#[derive(Clone, Copy, Debug)]
struct Mouth;

impl embedded_io_async::ErrorType for Mouth {
    type Error = Infallible;
}

impl Write for Mouth {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what never waits: bus, delays and lines above are ready at once.
fn run<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A store in memory. It keeps an image and starts none: a twin has one firmware.
#[derive(Debug, Default)]
pub(crate) struct RamStore {
    bytes: Vec<u8>,
}

/// Bytes of the second bank of the real board.
const STORE_BYTES: u32 = 224 * 1_024;

impl FirmwareStore for RamStore {
    type Error = ();

    fn capacity(&self) -> u32 {
        STORE_BYTES
    }

    fn begin(&mut self, len: u32) -> Result<(), ()> {
        self.bytes = vec![0xff; len as usize];
        Ok(())
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), ()> {
        let at = offset as usize;
        self.bytes.get_mut(at..at + data.len()).ok_or(())?.copy_from_slice(data);
        Ok(())
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), ()> {
        let at = offset as usize;
        buffer.copy_from_slice(self.bytes.get(at..at + buffer.len()).ok_or(())?);
        Ok(())
    }

    fn try_out(&mut self) -> Option<Result<(), ()>> {
        None
    }

    fn confirm(&mut self) -> Option<Result<(), ()>> {
        None
    }
}

/// A box in this process, from one power-on to the next.
pub(crate) struct Rig {
    sensors: Arc<Mutex<Sensors>>,
    ticks: Ticks,
    devices: Devices<BusHandle, Mouth>,
    sampler: Box<Sampler>,
    receiver: UbloxReceiver,
    ear: Ear,
    decoder: CommandDecoder,
    dispatcher: Dispatcher,
    update: Update<RamStore>,
    wake_us: u64,
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rig").field("ticks", &self.ticks).finish_non_exhaustive()
    }
}

impl Rig {
    /// Power-on, ticks from 0.
    pub(crate) fn boot(seed: u64, boot_id: u32, identity: &Identity<'_>) -> Self {
        let sensors = Arc::new(Mutex::new(Sensors::new(seed)));
        let ticks = Ticks::default();
        let handle = BusHandle { sensors: Arc::clone(&sensors), ticks: ticks.clone() };
        let devices = Devices::new(|| handle.clone(), || handle.clone(), Mouth);
        let mut sampler = Box::new(Sampler::new());
        sampler.boot(0, boot_id, identity);
        Self {
            sensors,
            ticks,
            devices,
            sampler,
            receiver: UbloxReceiver::new(),
            ear: Ear::new(),
            decoder: CommandDecoder::new(),
            dispatcher: Dispatcher::new(),
            update: Update::new(RamStore::default()),
            wake_us: 0,
        }
    }

    /// The parts on the bus.
    pub(crate) fn sensors(&self) -> MutexGuard<'_, Sensors> {
        lock(&self.sensors)
    }

    /// Does every job that is due up to this tick. A job that takes longer ends after it.
    pub(crate) fn run_until(&mut self, until_us: u64) {
        while self.wake_us <= until_us && self.ticks.now_us() <= until_us {
            let now_us = self.ticks.now_us().max(self.wake_us);
            self.ticks.set_us(now_us);
            match self.sampler.next(now_us) {
                Step::WaitUntil(at_us) => self.wake_us = at_us,
                Step::Do(job) => {
                    let config = *self.sampler.config();
                    let pressure_pa = self.sampler.pressure_pa();
                    let mut delay = self.ticks.clone();
                    let Some(outcome) = run(self.devices.perform(job, &config, pressure_pa, &mut delay)) else {
                        // Nothing here ever waits.
                        return;
                    };
                    self.sampler.finish(job, now_us, self.ticks.now_us(), outcome);
                    self.wake_us = self.ticks.now_us();
                }
            }
        }
    }

    /// The accelerometer has sampled.
    pub(crate) fn shake(&mut self, tick_us: u64, raw: [i16; 3]) {
        lock(&self.sensors).bmi323.push(tick_us, raw);
    }

    /// The satellite receiver at `world_us` of this boot, by true time; `to_ticks` is the box's quartz.
    pub(crate) fn receive_satellites(
        &mut self,
        world_us: u64,
        motion: Option<&MotionState>,
        to_ticks: impl Fn(u64) -> u64,
    ) {
        if let Some(motion) = motion {
            self.receiver.set_motion(world_us, *motion);
        }
        let (ear, sampler) = (&mut self.ear, &mut self.sampler);
        let mut edges: Vec<u64> = Vec::new();
        let mut heard: Vec<u8> = Vec::new();
        self.receiver.poll(world_us, |bytes| heard.extend_from_slice(bytes), |edge_us| edges.push(edge_us));
        if edges.is_empty() && heard.is_empty() {
            return;
        }
        // An edge comes before the fix that tells of it.
        for edge_us in edges {
            sampler.pulse_edge(to_ticks(edge_us));
        }
        let tick_us = to_ticks(world_us);
        ear.hear(tick_us, &heard, |act| act(sampler));
        let settings = ear.settings(tick_us, sampler.config().gnss_period_ms);
        if !settings.is_empty() {
            self.receiver.receive(&settings);
        }
        self.wake_us = self.wake_us.min(self.ticks.now_us());
    }

    /// A modem's line, as it would come from the Linux side (docs/decisions/0003).
    pub(crate) fn modem(&mut self, tick_us: u64, line: ModemLine) {
        self.sampler.send(tick_us, Message::ModemLine(line));
    }

    /// What the board knows of itself.
    pub(crate) fn set_vitals(&mut self, vitals: Vitals) {
        self.sampler.set_vitals(vitals);
    }

    /// Bytes from the host. Gives whether the box is to start anew.
    pub(crate) fn command(&mut self, bytes: &[u8]) {
        let now_us = self.ticks.now_us();
        let Self { decoder, dispatcher, sampler, update, .. } = self;
        decoder.feed(bytes, |event| {
            let service = &mut Service { core: &mut **sampler, update, now_us, for_tests: false };
            dispatcher.handle(&event, now_us, service);
        });
        sampler.set_bad_commands(dispatcher.bad());
        self.wake_us = self.wake_us.min(now_us);
    }

    /// Whether the host has asked for a new start and everything is sent.
    pub(crate) fn wants_reboot(&mut self) -> bool {
        self.sampler.action() == Some(Action::Reboot)
    }

    /// The next message for the line.
    pub(crate) fn pop(&mut self) -> Option<(Header, Message)> {
        self.sampler.pop(self.ticks.now_us())
    }
}
