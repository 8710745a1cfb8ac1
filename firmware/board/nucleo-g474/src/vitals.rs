//! What the board knows of itself, looked at once a second: both measurements are too long for every turn of the sensors.

use core::sync::atomic::{AtomicI16, AtomicU32, Ordering};

use embassy_stm32::adc::{Adc, AdcConfig, SampleTime, Temperature, VrefInt};
use embassy_stm32::{Peri, pac, peripherals};
use embassy_time::Timer;
use tournee_nucleo_g474::die::{Calibration, Counts, temp_ddegc};
use tournee_sampler::Vitals;

use crate::{line, stack};

static MCU_DDEGC: AtomicI16 = AtomicI16::new(i16::MIN);
static STACK_FREE_BYTES: AtomicU32 = AtomicU32::new(0);

/// Conversions that are averaged.
const CONVERSIONS: u32 = 8;
/// Where the maker wrote the temperature sensor at 30 °C and at 130 °C (DS12288, calibration values).
const AT_30_DEGC: usize = 0x1FFF_75A8;
const AT_130_DEGC: usize = 0x1FFF_75CA;

/// As seen last.
pub fn latest() -> Vitals {
    Vitals {
        uart_overruns: line::lost(),
        stack_free_bytes: STACK_FREE_BYTES.load(Ordering::Relaxed),
        mcu_ddegc: MCU_DDEGC.load(Ordering::Relaxed),
    }
}

/// The converter with its two inner channels.
pub struct Thermometer {
    adc: Adc<'static, peripherals::ADC1>,
    sensor: Temperature,
    reference: VrefInt,
    calibration: Calibration,
}

impl Thermometer {
    /// Switches the converter on.
    pub fn new(adc: Peri<'static, peripherals::ADC1>) -> Self {
        let adc = Adc::new(adc, AdcConfig::default());
        let (sensor, reference) = (adc.enable_temperature(), adc.enable_vrefint());
        let [at_30_degc, at_130_degc] = [AT_30_DEGC, AT_130_DEGC].map(|address| {
            // SAFETY: half words of the system memory of every STM32G4, aligned.
            unsafe { core::ptr::with_exposed_provenance::<u16>(address).read_volatile() }
        });
        let calibration = Calibration { at_30_degc, at_130_degc, reference: pac::VREFINTCAL.data().read() };
        Self { adc, sensor, reference, calibration }
    }

    fn temp_ddegc(&mut self) -> i16 {
        let Self { adc, sensor, reference, calibration } = self;
        // The sensor needs 5 µs to settle (DS12288); this is 16 µs at 40 MHz.
        let mut counts = [0_u32; 2];
        for _ in 0..CONVERSIONS {
            counts[0] += u32::from(adc.blocking_read(sensor, SampleTime::CYCLES640_5));
            counts[1] += u32::from(adc.blocking_read(reference, SampleTime::CYCLES640_5));
        }
        let [sensor, reference] = counts.map(|sum| (sum / CONVERSIONS) as u16);
        temp_ddegc(*calibration, Counts { sensor, reference })
    }
}

/// Looks once a second.
pub async fn watch(mut thermometer: Thermometer) -> ! {
    loop {
        MCU_DDEGC.store(thermometer.temp_ddegc(), Ordering::Relaxed);
        STACK_FREE_BYTES.store(stack::free_bytes(), Ordering::Relaxed);
        Timer::after_secs(1).await;
    }
}
