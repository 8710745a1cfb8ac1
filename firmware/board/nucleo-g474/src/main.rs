//! The box on its real board, a Nucleo-G474RE (STM32G474RET6).
//!
//! The application is `tournee-app`, the same as on the emulated board; here are clocks, pins, serial lines, buses, flash and
//! watchdog. Built and linked by the tests, never run: there was no board. hardware/README.md lists what that leaves open.
//!
//! Three executors in interrupts, so that a long job never delays a short one: sensors lowest, then what listens (commands,
//! among them the writing of the flash, receiver, particulate sensor), then the sender and the watchdog. Below them the main
//! loop sleeps; above them are the peripherals, and above all the pulse per second.
#![no_std]
#![no_main]

mod board;
mod bus;
mod clock;
mod fault;
mod line;
mod pins;
mod pulse;
mod stack;
mod store;
mod vitals;
mod watchdog;

use cortex_m_rt::entry;
use embassy_executor::{InterruptExecutor, SendSpawner, SpawnError, SpawnToken};
use embassy_stm32::exti::ExtiInput;
use embassy_stm32::gpio::{Input, Level, Output, Pull, Speed};
use embassy_stm32::interrupt::{InterruptExt, Priority};
use embassy_stm32::mode::{Async, Blocking};
use embassy_stm32::peripherals::{self, IWDG};
use embassy_stm32::rng::Rng;
use embassy_stm32::usart::{Uart, UartTx};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, dma, i2c, interrupt, rng, uid, usart};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::Delay;
use static_cell::StaticCell;
use tournee_app::{Devices, Shared, run_gnss, run_pm_serial, run_receiver, run_sender, run_sensors};
use tournee_sampler::Identity;

use crate::board::Nucleo;
use crate::bus::{Bus, Handle, SharedBus, Wires};
use crate::fault::Part;
use crate::line::Line;
use crate::store::Store;
use crate::vitals::Thermometer;

bind_interrupts!(
    /// Every interrupt but those of the pulse and of the executors.
    pub struct Irqs {
        USART1 => usart::InterruptHandler<peripherals::USART1>;
        USART3 => usart::InterruptHandler<peripherals::USART3>;
        UART5 => usart::InterruptHandler<peripherals::UART5>;
        I2C1_EV => i2c::EventInterruptHandler<peripherals::I2C1>;
        I2C1_ER => i2c::ErrorInterruptHandler<peripherals::I2C1>;
        I2C2_EV => i2c::EventInterruptHandler<peripherals::I2C2>;
        I2C2_ER => i2c::ErrorInterruptHandler<peripherals::I2C2>;
        RNG => rng::InterruptHandler<peripherals::RNG>;
        DMA1_CHANNEL1 => dma::InterruptHandler<peripherals::DMA1_CH1>;
        DMA1_CHANNEL2 => dma::InterruptHandler<peripherals::DMA1_CH2>;
        DMA1_CHANNEL3 => dma::InterruptHandler<peripherals::DMA1_CH3>;
        DMA1_CHANNEL4 => dma::InterruptHandler<peripherals::DMA1_CH4>;
        DMA1_CHANNEL5 => dma::InterruptHandler<peripherals::DMA1_CH5>;
        DMA1_CHANNEL6 => dma::InterruptHandler<peripherals::DMA1_CH6>;
        DMA2_CHANNEL1 => dma::InterruptHandler<peripherals::DMA2_CH1>;
        DMA2_CHANNEL2 => dma::InterruptHandler<peripherals::DMA2_CH2>;
        DMA2_CHANNEL3 => dma::InterruptHandler<peripherals::DMA2_CH3>;
        DMA2_CHANNEL4 => dma::InterruptHandler<peripherals::DMA2_CH4>;
    }
);

/// What the tasks share.
pub static SHARED: Shared<CriticalSectionRawMutex> = Shared::new();

static UPPER: InterruptExecutor = InterruptExecutor::new();
static MIDDLE: InterruptExecutor = InterruptExecutor::new();
static LOWER: InterruptExecutor = InterruptExecutor::new();

type Parts = Devices<Handle, UartTx<'static, Async>>;

static BOARD: StaticCell<Nucleo> = StaticCell::new();
static FAST: StaticCell<SharedBus> = StaticCell::new();
static SLOW: StaticCell<SharedBus> = StaticCell::new();
static PARTS: StaticCell<Parts> = StaticCell::new();
static PULSE: StaticCell<ExtiInput<'static, Blocking>> = StaticCell::new();
/// What comes between two reads: 11 ms of the link at full speed, seconds of the others.
static LINK_RING: StaticCell<[u8; 1024]> = StaticCell::new();
static GNSS_RING: StaticCell<[u8; 1024]> = StaticCell::new();
static PM_RING: StaticCell<[u8; 256]> = StaticCell::new();

// The interrupts of peripherals that the box does not use carry the executors.

#[interrupt]
unsafe fn CORDIC() {
    // SAFETY: this is the executor's interrupt, let through by its `start`.
    unsafe { UPPER.on_interrupt() }
}

#[interrupt]
unsafe fn FMAC() {
    // SAFETY: as above.
    unsafe { MIDDLE.on_interrupt() }
}

#[interrupt]
unsafe fn SAI1() {
    // SAFETY: as above.
    unsafe { LOWER.on_interrupt() }
}

#[embassy_executor::task]
async fn sender(line: UartTx<'static, Async>) {
    run_sender(&SHARED, line, board::now_us, Delay).await
}

#[embassy_executor::task]
async fn feeder(dog: IndependentWatchdog<'static, IWDG>, lamp: Output<'static>, board: &'static Nucleo) {
    watchdog::watch(dog, lamp, board).await
}

#[embassy_executor::task]
async fn receiver(line: Line, store: Store, board: &'static Nucleo) {
    run_receiver(&SHARED, line, store, board, Delay).await
}

#[embassy_executor::task]
async fn gnss(line: Line, to_receiver: UartTx<'static, Async>) {
    run_gnss(&SHARED, line, to_receiver, board::now_us, Delay).await
}

#[embassy_executor::task]
async fn pm_serial(line: Line) {
    run_pm_serial(&SHARED, line, board::now_us, Delay).await
}

#[embassy_executor::task]
async fn sensors(parts: &'static mut Parts, board: &'static Nucleo) {
    run_sensors(&SHARED, parts, board, Delay).await
}

#[embassy_executor::task]
async fn looks(thermometer: Thermometer) {
    vitals::watch(thermometer).await
}

/// Every task is started once, so there is always room for it.
fn start<S: Send>(executor: SendSpawner, task: Result<SpawnToken<S>, SpawnError>) {
    match task {
        Ok(task) => executor.spawn(task),
        Err(_) => fault::give_up(Part::Task),
    }
}

/// Makes the parts in their place. On its own, so that what the compiler puts on the stack on the way is free again when the
/// tasks run.
#[inline(never)]
fn make_parts(
    fast: &'static SharedBus,
    slow: &'static SharedBus,
    pm_serial: UartTx<'static, Async>,
) -> &'static mut Parts {
    PARTS.init_with(|| Devices::new(|| Handle::new(fast), || Handle::new(slow), pm_serial))
}

#[entry]
fn main() -> ! {
    set_up();
    loop {
        // Not the executor of the thread with its WFE: some cores do not sleep on that.
        cortex_m::asm::wfi();
    }
}

/// Everything up to the start of the tasks.
#[inline(never)]
fn set_up() {
    let reset_cause = fault::take_reset_cause();
    let p = embassy_stm32::init(clock::config());
    // First of all, in case that this image was started without the boot loader.
    let mut dog = IndependentWatchdog::new(p.IWDG, watchdog::TIMEOUT_US);
    dog.unleash();
    dog.pet();
    set_priorities();

    let pins = pins::take_pins!(p);
    let board = &*BOARD.init(Nucleo::new(Input::new(pins.driver_switch, Pull::Up)));
    let lamp = Output::new(pins.led, Level::Low, Speed::Low);

    let link =
        Uart::new(p.USART1, pins.link_rx, pins.link_tx, p.DMA1_CH1, p.DMA1_CH2, Irqs, line::config(line::LINK_BAUD));
    let satellites =
        Uart::new(p.USART3, pins.gnss_rx, pins.gnss_tx, p.DMA1_CH3, p.DMA1_CH4, Irqs, line::config(line::GNSS_BAUD));
    let particles =
        Uart::new(p.UART5, pins.pm_rx, pins.pm_tx, p.DMA1_CH5, p.DMA1_CH6, Irqs, line::config(line::PM_BAUD));
    let (Ok(link), Ok(satellites), Ok(particles)) = (link, satellites, particles) else {
        fault::give_up(Part::Serial);
    };
    let (link_tx, link_rx) = line::split(link, LINK_RING.init([0; 1024]));
    let (gnss_tx, gnss_rx) = line::split(satellites, GNSS_RING.init([0; 1024]));
    let (pm_tx, pm_rx) = line::split(particles, PM_RING.init([0; 256]));

    let fast = &*FAST.init(SharedBus::new(Bus::new(Wires::Fast(bus::Fast {
        i2c: p.I2C1,
        scl: pins.i2c1_scl,
        sda: pins.i2c1_sda,
        tx_dma: p.DMA2_CH1,
        rx_dma: p.DMA2_CH2,
    }))));
    let slow = &*SLOW.init(SharedBus::new(Bus::new(Wires::Slow(bus::Slow {
        i2c: p.I2C2,
        scl: pins.i2c2_scl,
        sda: pins.i2c2_sda,
        tx_dma: p.DMA2_CH3,
        rx_dma: p.DMA2_CH4,
    }))));
    let parts = make_parts(fast, slow, pm_tx);

    let mut store = Store::new(p.FLASH);
    let identity = Identity {
        firmware: env!("CARGO_PKG_VERSION"),
        commit: env!("TOURNEE_COMMIT"),
        serial: uid::uid_hex(),
        board: board::NAME,
        reset_cause,
        trial: store.trial() as u8,
    };
    let boot_id = Rng::new(p.RNG, Irqs).next_u32();
    SHARED.with(|sampler| sampler.boot(board::now_us(), boot_id, &identity));

    // Kept for ever: a dropped input would let go of its pin.
    PULSE.init(pulse::listen(pins.gnss_pps, p.EXTI0));
    let upper = UPPER.start(interrupt::CORDIC);
    start(upper, sender(link_tx));
    start(upper, feeder(dog, lamp, board));
    let middle = MIDDLE.start(interrupt::FMAC);
    start(middle, receiver(link_rx, store, board));
    start(middle, gnss(gnss_rx, gnss_tx));
    start(middle, pm_serial(pm_rx));
    let lower = LOWER.start(interrupt::SAI1);
    start(lower, sensors(parts, board));
    start(lower, looks(Thermometer::new(p.ADC1)));
}

/// The pulse (0) before the peripherals (2, as the DMA in [`clock::config`]) before the executors.
fn set_priorities() {
    for peripheral in [
        interrupt::USART1,
        interrupt::USART3,
        interrupt::UART5,
        interrupt::I2C1_EV,
        interrupt::I2C1_ER,
        interrupt::I2C2_EV,
        interrupt::I2C2_ER,
        interrupt::RNG,
        // The clock of embassy-time.
        interrupt::TIM3,
    ] {
        peripheral.set_priority(Priority::P2);
    }
    interrupt::CORDIC.set_priority(Priority::P6);
    interrupt::FMAC.set_priority(Priority::P7);
    interrupt::SAI1.set_priority(Priority::P8);
}
