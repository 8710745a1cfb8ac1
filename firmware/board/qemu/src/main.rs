//! The box on an emulated Cortex-M4F: QEMU's mps2-an386.
//!
//! The application is that of the real board; here are the emulator's serial lines, clock, watchdog, and a bus whose
//! parts live in the host. It shows that the application is right; it shows nothing of clocks, pins, DMA or flash.
#![no_std]
#![no_main]

mod board;
mod fault;
#[allow(dead_code, reason = "shared with the host, which uses the rest")]
mod layout;
mod lines;
mod record;
mod register;
mod shared;
mod stack;
mod store;
mod time;
mod uart;
mod vbus;
mod vectors;
mod watchdog;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use embassy_embedded_hal::shared_bus::asynch::i2c::I2cDevice;
use embassy_executor::{InterruptExecutor, SpawnError};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::{Delay, Timer};
use static_cell::StaticCell;
use tournee_app::{Devices, Shared};
use tournee_sampler::Identity;

use crate::board::QemuBoard;
use crate::layout::SERIAL_BYTES;
use crate::lines::{BELL, BellRx, BellTx, GNSS, LINK, PM, PmTx};
use crate::record::Boot;
use crate::store::RamStore;
use crate::vbus::Vbus;
use crate::vectors::Irq;

type Bus = Mutex<CriticalSectionRawMutex, Vbus<BellRx, BellTx>>;
type BusHandle = I2cDevice<'static, CriticalSectionRawMutex, Vbus<BellRx, BellTx>>;
type BoxDevices = Devices<BusHandle, PmTx>;

/// What the tasks and the pins' interrupt share.
pub static SHARED: Shared<CriticalSectionRawMutex> = Shared::new();
static BUS: StaticCell<Bus> = StaticCell::new();
static DEVICES: StaticCell<BoxDevices> = StaticCell::new();

/// The line and all that keeps time.
static UPPER: InterruptExecutor = InterruptExecutor::new();
/// The sensors, whose jobs may take tens of milliseconds.
static LOWER: InterruptExecutor = InterruptExecutor::new();

/// Unfed for so long, the watchdog starts the box anew. Longer than any job takes whose parts are silent.
const WATCHDOG_MS: u32 = 2_500;
/// How often the watchdog task looks whether the loops move.
const FEED_EVERY_MS: u64 = 500;

extern "C" fn on_upper() {
    // SAFETY: this is the executor's interrupt, let through by its `start`.
    unsafe { UPPER.on_interrupt() }
}

extern "C" fn on_lower() {
    // SAFETY: as above.
    unsafe { LOWER.on_interrupt() }
}

#[exception]
unsafe fn NonMaskableInt() -> ! {
    watchdog::on_time_out()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    fault::on_hard_fault(frame)
}

#[embassy_executor::task]
async fn sender() {
    tournee_app::run_sender(&SHARED, LINK.tx(), time::now_us, Delay).await
}

#[embassy_executor::task]
async fn receiver() {
    tournee_app::run_receiver(&SHARED, LINK.rx(), RamStore, &QemuBoard, Delay).await
}

#[embassy_executor::task]
async fn gnss() {
    tournee_app::run_gnss(&SHARED, GNSS.rx(), GNSS.tx(), time::now_us, Delay).await
}

#[embassy_executor::task]
async fn pm_serial() {
    tournee_app::run_pm_serial(&SHARED, PM.rx(), time::now_us, Delay).await
}

#[embassy_executor::task]
async fn sensors(devices: &'static mut BoxDevices) {
    tournee_app::run_sensors(&SHARED, devices, &QemuBoard, Delay).await
}

/// Feeds the watchdog while the sensor loop and the sender move. A sender in front of a line that takes nothing stands
/// still with good reason, and is looked at again when the line moves: the agent may be away for hours.
#[embassy_executor::task]
async fn watch() {
    let mut before = SHARED.heartbeat();
    loop {
        Timer::after_millis(FEED_EVERY_MS).await;
        let now = SHARED.heartbeat();
        if now.sensors != before.sensors && (now.sender != before.sender || LINK.is_blocked()) {
            before = now;
            watchdog::feed();
        }
    }
}

fn spawn(devices: &'static mut BoxDevices) -> Result<(), SpawnError> {
    let upper = UPPER.start(Irq::Upper);
    upper.spawn(sender()?);
    upper.spawn(receiver()?);
    upper.spawn(gnss()?);
    upper.spawn(pm_serial()?);
    upper.spawn(watch()?);
    LOWER.start(Irq::Lower).spawn(sensors(devices)?);
    Ok(())
}

/// Not a part of `main`, whose stack frame lies under everything that runs.
#[inline(never)]
fn boot_sampler(boot: Boot) {
    let mut serial = [0; SERIAL_BYTES];
    let identity = Identity {
        firmware: env!("CARGO_PKG_VERSION"),
        commit: env!("TOURNEE_COMMIT"),
        serial: record::serial(&mut serial),
        board: board::NAME,
        reset_cause: boot.cause as u8,
        trial: 0,
    };
    SHARED.with(|sampler| sampler.boot(time::now_us(), boot.id, &identity));
}

/// Likewise, and before the executors start: the devices, 20 kB, may lie on the stack on the way to their place.
#[inline(never)]
fn make_devices(boot: Boot) -> &'static mut BoxDevices {
    let bus: &'static Bus = BUS.init_with(|| Mutex::new(Vbus::new(boot.id, BELL.rx(), BELL.tx())));
    let handle = || I2cDevice::new(bus);
    DEVICES.init_with(|| Devices::new(handle, handle, PM.tx()))
}

#[entry]
fn main() -> ! {
    time::start();
    watchdog::start(WATCHDOG_MS);
    let boot = record::begin_boot(time::raw_count());
    boot_sampler(boot);
    let devices = make_devices(boot);
    stack::paint();
    lines::start();
    if let Some(mut peripherals) = cortex_m::Peripherals::take() {
        vectors::enable_all(&mut peripherals.NVIC);
        // Fails only when a task is spawned twice; the watchdog, started before, then says so at the next boot.
        if spawn(devices).is_err() {
            cortex_m::interrupt::disable();
        }
    }
    loop {
        // Not WFE, on which the emulator does not sleep.
        cortex_m::asm::wfi();
    }
}
