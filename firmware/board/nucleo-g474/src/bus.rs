//! The two I²C buses: DMA, a time-out, and a way back when a part holds the data line.
//!
//! A part that was stopped in the middle of a byte (the box was reset, a plug bounced) waits for clocks and holds the line
//! low meanwhile. Nine clocks and a stop condition free it (I²C-bus specification UM10204, bus clear). This is done before
//! the driver is made, at the start and after every transaction that ended in a time-out, a lost arbitration or a bus error.

use cortex_m::asm;
use embassy_embedded_hal::shared_bus::asynch::i2c::I2cDevice;
use embassy_stm32::gpio::{Level, OutputOpenDrain, Speed};
use embassy_stm32::i2c::{self, Error, I2c, Master};
use embassy_stm32::mode::Async;
use embassy_stm32::time::Hertz;
use embassy_stm32::{Peri, pac, peripherals};
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::mutex::Mutex;
use embassy_time::Duration;
use embedded_hal_async::i2c::{ErrorType, Operation};
use tournee_nucleo_g474::timing::{self, CLOCK_HZ};

use crate::Irqs;

/// The longest transaction, a burst of the accelerometer's FIFO on the fast bus or a reading of the slow one, takes some 10 ms.
const TIMEOUT: Duration = Duration::from_millis(50);
/// Half a clock of the bus clear, in cycles of the core: 5 µs.
const HALF_CLOCK_CYCLES: u32 = CLOCK_HZ / 200_000;
/// Clocks after which a part has shifted out its byte and seen no acknowledge.
const CLEAR_CLOCKS: usize = 9;

/// Accelerometer and cameras, 400 kHz: what the cameras' EEPROM bears.
pub struct Fast {
    /// The peripheral.
    pub i2c: Peri<'static, peripherals::I2C1>,
    /// Clock.
    pub scl: Peri<'static, peripherals::PA15>,
    /// Data.
    pub sda: Peri<'static, peripherals::PB7>,
    /// To the bus.
    pub tx_dma: Peri<'static, peripherals::DMA2_CH1>,
    /// From the bus.
    pub rx_dma: Peri<'static, peripherals::DMA2_CH2>,
}

/// The air sensors and the converter, 100 kHz: what the SPS30 bears.
pub struct Slow {
    /// The peripheral.
    pub i2c: Peri<'static, peripherals::I2C2>,
    /// Clock.
    pub scl: Peri<'static, peripherals::PA9>,
    /// Data.
    pub sda: Peri<'static, peripherals::PA8>,
    /// To the bus.
    pub tx_dma: Peri<'static, peripherals::DMA2_CH3>,
    /// From the bus.
    pub rx_dma: Peri<'static, peripherals::DMA2_CH4>,
}

/// What a bus is made of, so that its driver can be made anew.
pub enum Wires {
    /// See [`Fast`].
    Fast(Fast),
    /// See [`Slow`].
    Slow(Slow),
}

/// Frees a bus whose data line is held, with its pins as plain open-drain outputs.
macro_rules! clear {
    ($wires:ident) => {{
        // SAFETY: the driver that had these pins is gone, and these two outputs are gone before the next one is made.
        let (scl, sda) = unsafe { ($wires.scl.clone_unchecked(), $wires.sda.clone_unchecked()) };
        let mut scl = OutputOpenDrain::new(scl, Level::High, Speed::Medium);
        let mut sda = OutputOpenDrain::new(sda, Level::High, Speed::Medium);
        asm::delay(HALF_CLOCK_CYCLES);
        for _ in 0..CLEAR_CLOCKS {
            if sda.is_high() {
                break;
            }
            scl.set_low();
            asm::delay(HALF_CLOCK_CYCLES);
            scl.set_high();
            asm::delay(HALF_CLOCK_CYCLES);
        }
        // A stop: data rises while the clock is high.
        scl.set_low();
        asm::delay(HALF_CLOCK_CYCLES);
        sda.set_low();
        asm::delay(HALF_CLOCK_CYCLES);
        scl.set_high();
        asm::delay(HALF_CLOCK_CYCLES);
        sda.set_high();
        asm::delay(HALF_CLOCK_CYCLES);
    }};
}

/// Makes the driver of a bus.
macro_rules! driver {
    ($wires:ident, $registers:expr, $hz:expr, $timing:expr) => {{
        let mut config = i2c::Config::default();
        config.frequency = Hertz($hz);
        config.timeout = TIMEOUT;
        // SAFETY: only one driver of these exists at a time: see `Bus::driver`.
        let driver = unsafe {
            I2c::new(
                $wires.i2c.clone_unchecked(),
                $wires.scl.clone_unchecked(),
                $wires.sda.clone_unchecked(),
                $wires.tx_dma.clone_unchecked(),
                $wires.rx_dma.clone_unchecked(),
                Irqs,
                config,
            )
        };
        // Its own numbers in place of the HAL's; they can be written while the peripheral is off (RM0440, I2C_TIMINGR).
        $registers.cr1().modify(|register| register.set_pe(false));
        $registers.timingr().write(|register| register.0 = $timing.register());
        $registers.cr1().modify(|register| register.set_pe(true));
        driver
    }};
}

impl Wires {
    fn connect(&mut self) -> I2c<'static, Async, Master> {
        match self {
            Self::Fast(wires) => {
                clear!(wires);
                driver!(wires, pac::I2C1, 400_000, timing::FAST)
            }
            Self::Slow(wires) => {
                clear!(wires);
                driver!(wires, pac::I2C2, 100_000, timing::SLOW)
            }
        }
    }
}

/// A bus.
pub struct Bus {
    wires: Wires,
    /// None while the bus has to be cleared first.
    driver: Option<I2c<'static, Async, Master>>,
}

/// A bus that several parts share.
pub type SharedBus = Mutex<CriticalSectionRawMutex, Bus>;
/// One part's handle on it.
pub type Handle = I2cDevice<'static, CriticalSectionRawMutex, Bus>;

impl Bus {
    /// Connected at its first use.
    pub const fn new(wires: Wires) -> Self {
        Self { wires, driver: None }
    }

    fn driver(&mut self) -> &mut I2c<'static, Async, Master> {
        let Self { wires, driver } = self;
        driver.get_or_insert_with(|| wires.connect())
    }

    /// Lets go of a driver that may be stuck. A part that is missing is none: it does not acknowledge, and the bus is free.
    fn judge(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if matches!(result, Err(Error::Timeout | Error::Bus | Error::Arbitration)) {
            self.driver = None;
        }
        result
    }
}

impl ErrorType for Bus {
    type Error = Error;
}

impl embedded_hal_async::i2c::I2c for Bus {
    async fn read(&mut self, address: u8, read: &mut [u8]) -> Result<(), Error> {
        let result = self.driver().read(address, read).await;
        self.judge(result)
    }

    async fn write(&mut self, address: u8, write: &[u8]) -> Result<(), Error> {
        let result = self.driver().write(address, write).await;
        self.judge(result)
    }

    async fn write_read(&mut self, address: u8, write: &[u8], read: &mut [u8]) -> Result<(), Error> {
        let result = self.driver().write_read(address, write, read).await;
        self.judge(result)
    }

    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Error> {
        let result = self.driver().transaction(address, operations).await;
        self.judge(result)
    }
}
