//! The box's own firmware on an emulated microcontroller, with its sensors behind a virtual bus.
//!
//! QEMU runs the thumb image; its five serial lines end here: the link to whoever reads the box, the bell of the bus,
//! the satellite receiver, the pins, and the serial particle sensor. This side listens and the emulator connects, so
//! nothing that the box says at boot is lost.

mod bus;
#[allow(dead_code, reason = "the box's own file, which uses the rest")]
#[path = "../../../../firmware/board/qemu/src/layout.rs"]
mod layout;
mod lines;
mod memory;
mod process;

use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tournee_devices::{Nack, Op};

pub use bus::BusCounters;
use bus::BusState;
use lines::Lines;
use memory::Memory;
use process::Process;

/// What is on the bus: the time in microseconds since the start, the address, the operations of one transaction.
pub type Bus = Box<dyn FnMut(u64, u8, &mut [Op<'_>]) -> Result<(), Nack> + Send>;

/// What is on a serial line: takes what the box wrote, gives what the part answers.
pub type Part = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// File name of the image, as its build leaves it.
pub const IMAGE: &str = "tournee-box-qemu";

/// How long the parts' lines may refuse bytes before a send fails; the box takes about 6 kB/s a line.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// QEMU is not there.
    #[error("qemu-system-arm is not installed: it comes with Debian's and Ubuntu's package qemu-system-arm")]
    NotInstalled,
    /// The firmware is not there.
    #[error(
        "no firmware at {0}: build it in firmware/board with `cargo build --release -p tournee-box-qemu --target-dir ../../target/board`"
    )]
    NoFirmware(PathBuf),
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// QEMU ended at once.
    #[error("the emulator ended with {status}; its last words: {log}")]
    Ended {
        /// Its status.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// QEMU did not connect its lines in time.
    #[error("the emulator did not connect its serial lines within {0:?}")]
    Silent(Duration),
}

/// What to run, and as whom.
#[derive(Clone, Debug)]
pub struct EmulatorConfig {
    /// The ELF file of the image.
    pub firmware: PathBuf,
    /// A folder of its own for sockets, shared memory and log; a short path, as sockets want.
    pub folder: PathBuf,
    /// Serial number of the box, at most 24 bytes.
    pub serial: String,
    /// Makes the boot numbers of two boxes differ.
    pub seed: u32,
}

/// What hangs on the box.
pub struct Wiring {
    bus: Bus,
    gnss: Part,
    pm: Part,
}

impl Wiring {
    /// A box with these parts on its bus, and lines whose parts never answer.
    #[must_use]
    pub fn new(bus: impl FnMut(u64, u8, &mut [Op<'_>]) -> Result<(), Nack> + Send + 'static) -> Self {
        Self { bus: Box::new(bus), gnss: Box::new(|_| Vec::new()), pm: Box::new(|_| Vec::new()) }
    }

    /// With a satellite receiver that takes what the box writes.
    #[must_use]
    pub fn with_gnss(mut self, part: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        self.gnss = Box::new(part);
        self
    }

    /// With a serial particle sensor that takes what the box writes.
    #[must_use]
    pub fn with_pm(mut self, part: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> Self {
        self.pm = Box::new(part);
        self
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wiring")
    }
}

#[derive(Debug)]
struct InputLines {
    gnss: UnixStream,
    pins: UnixStream,
    pm: UnixStream,
}

/// The ways into the box beside its bus.
#[derive(Clone, Debug)]
pub struct Inputs(Arc<InputLines>);

impl Inputs {
    /// The satellite receiver says something.
    ///
    /// # Errors
    /// When the emulator has ended, or does not take the bytes.
    pub fn gnss_send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0.gnss).write_all(bytes)
    }

    /// The serial particle sensor says something.
    ///
    /// # Errors
    /// As [`Inputs::gnss_send`].
    pub fn pm_send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0.pm).write_all(bytes)
    }

    /// The rising edge of the pulse per second: now.
    ///
    /// # Errors
    /// As [`Inputs::gnss_send`].
    pub fn pps(&self) -> io::Result<()> {
        (&self.0.pins).write_all(&[layout::PIN_PPS])
    }

    /// The driver's switch.
    ///
    /// # Errors
    /// As [`Inputs::gnss_send`].
    pub fn set_collection(&self, on: bool) -> io::Result<()> {
        (&self.0.pins).write_all(&[if on { layout::PIN_COLLECTION_ON } else { layout::PIN_COLLECTION_OFF }])
    }
}

/// A running box. Dropped, the emulator is killed; whoever took the link then reads its end.
#[derive(Debug)]
pub struct Emulator {
    // The process goes first: its end is what ends the threads.
    process: Option<Process>,
    threads: Vec<JoinHandle<()>>,
    memory: Arc<Memory>,
    bus: Arc<BusState>,
    link: Option<UnixStream>,
    inputs: Inputs,
    log: PathBuf,
}

impl Emulator {
    /// Starts the box and returns when its lines are connected: it boots at that moment.
    ///
    /// # Errors
    /// [`EmulatorError`], which says what to install or to build.
    pub fn start(config: &EmulatorConfig, wiring: Wiring) -> Result<Self, EmulatorError> {
        if !config.firmware.is_file() {
            return Err(EmulatorError::NoFirmware(config.firmware.clone()));
        }
        let failed = |what| move |source| EmulatorError::Io { what, source };
        let memory =
            Memory::create(&config.folder.join(process::MEMORY_FILE)).map_err(failed("make the shared memory"))?;
        memory.introduce(config.seed, &config.serial).map_err(failed("write the shared memory"))?;
        let memory = Arc::new(memory);
        let listeners = lines::listen(&config.folder).map_err(failed("listen for the serial lines"))?;
        let process = Process::start(&config.firmware, &config.folder, &lines::NAMES)?;
        let start = Instant::now();
        let Lines { link, bell, gnss, pins, pm } = lines::accept(listeners, &process)?;

        let bus = Arc::new(BusState::default());
        let setup = || -> io::Result<_> {
            for line in [&gnss, &pins, &pm] {
                line.set_write_timeout(Some(SEND_TIMEOUT))?;
            }
            let (served, state) = (Arc::clone(&memory), Arc::clone(&bus));
            let parts = wiring.bus;
            let threads = vec![
                named("emulator-bus", move || bus::serve(bell, &served, &state, start, parts))?,
                named("emulator-gnss", lines::serve(gnss.try_clone()?, wiring.gnss))?,
                named("emulator-pm", lines::serve(pm.try_clone()?, wiring.pm))?,
            ];
            Ok((threads, Inputs(Arc::new(InputLines { gnss, pins, pm }))))
        };
        let (threads, inputs) = setup().map_err(failed("serve the serial lines"))?;
        let log = process.log().to_owned();
        Ok(Self { process: Some(process), threads, memory, bus, link: Some(link), inputs, log })
    }

    /// The link: what the box says from its first byte on, and where it is commanded. Only once.
    pub fn take_link(&mut self) -> Option<UnixStream> {
        self.link.take()
    }

    /// What the parts around the box say to it; for a thread that plays the world, as many as are wanted.
    #[must_use]
    pub fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }

    /// As [`Inputs::gnss_send`].
    ///
    /// # Errors
    /// As there.
    pub fn gnss_send(&self, bytes: &[u8]) -> io::Result<()> {
        self.inputs.gnss_send(bytes)
    }

    /// As [`Inputs::pm_send`].
    ///
    /// # Errors
    /// As there.
    pub fn pm_send(&self, bytes: &[u8]) -> io::Result<()> {
        self.inputs.pm_send(bytes)
    }

    /// As [`Inputs::pps`].
    ///
    /// # Errors
    /// As there.
    pub fn pps(&self) -> io::Result<()> {
        self.inputs.pps()
    }

    /// As [`Inputs::set_collection`].
    ///
    /// # Errors
    /// As there.
    pub fn set_collection(&self, on: bool) -> io::Result<()> {
        self.inputs.set_collection(on)
    }

    /// From now on the bus does not answer: every part is silent.
    pub fn pause_bus(&self) {
        self.bus.paused.store(true, Ordering::Relaxed);
    }

    /// The bus answers again. What was asked meanwhile stays unanswered.
    pub fn resume_bus(&self) {
        self.bus.paused.store(false, Ordering::Relaxed);
    }

    /// What the bus has done.
    #[must_use]
    pub fn bus_counters(&self) -> BusCounters {
        self.bus.counters()
    }

    /// Boots since the start, as the box itself counts them; 0 before the first.
    ///
    /// # Errors
    /// When the shared memory cannot be read.
    pub fn boots(&self) -> io::Result<u32> {
        self.memory.read_word(layout::BOX_BLOCK + 4)
    }

    /// The first `len` bytes of the box's firmware store, which lies in the shared memory here.
    ///
    /// # Errors
    /// When the shared memory cannot be read.
    pub fn stored_image(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len.min(layout::STORE_BYTES)];
        self.memory.read(layout::STORE, &mut bytes)?;
        Ok(bytes)
    }

    /// Processor seconds that the emulator has used; nothing once it has ended.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.process.as_ref().and_then(Process::cpu_seconds)
    }

    /// Waits for the emulator's end. Its code is the firmware's: 101 a panic, 99 a fault of the core.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        self.process.as_ref().and_then(|process| process.wait(timeout))
    }

    /// What the emulator and the firmware's last words were written to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.take());
        for thread in self.threads.drain(..) {
            // A part that panicked has said so itself; a drop has nobody to tell.
            let _ended = thread.join();
        }
    }
}

/// A thread for a line. What ends it is the end of the line; an error is one too.
fn named(name: &str, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(error) = work()
            && error.kind() != io::ErrorKind::BrokenPipe
            && error.kind() != io::ErrorKind::ConnectionReset
        {
            eprintln!("{}: {error}", thread::current().name().unwrap_or_default());
        }
    })
}
