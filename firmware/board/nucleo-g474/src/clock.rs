//! Clocks: 80 MHz from the board's crystal.
//!
//! Not the 170 MHz that the part can do. The work of a second, two infrared pictures included, is a few million cycles; the
//! supply current grows with the clock (data sheet: about 0.16 mA per MHz) and would heat the air that is to be measured.
//! And 80 MHz is where the chip can be switched to in one step: above it the reference manual (RM0440, system clock selection)
//! asks for an intermediate step of the AHB divider, above 150 MHz for the boost mode on top, which the HAL does not do in
//! that order.

use embassy_stm32::rcc::mux::Adcsel;
use embassy_stm32::rcc::{Config, Hse, HseMode, Pll, PllMul, PllPreDiv, PllRDiv, PllSource, Sysclk};
use embassy_stm32::time::Hertz;
use embassy_stm32::{interrupt, pac};

/// The crystal of the Nucleo board (UM2505).
const CRYSTAL_HZ: u32 = 24_000_000;
/// Looks at the crystal's flag; at the 16 MHz of the reset state some 20 ms, ten times what a crystal takes.
const CRYSTAL_LOOKS: u32 = 40_000;

/// The HAL's configuration. A crystal that does not start (cold, broken, not fitted) leaves the internal 16 MHz: 1 % instead of
/// 20 ppm, which the serial lines bear and which the host sees as the drift of the box's clock.
pub fn config() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc = rcc(crystal_starts());
    // Below the pulse's own interrupt.
    config.bdma_interrupt_priority = interrupt::Priority::P2;
    config
}

fn rcc(crystal: bool) -> Config {
    let mut rcc = Config::new();
    let (source, prediv) = if crystal {
        rcc.hse = Some(Hse { freq: Hertz(CRYSTAL_HZ), mode: HseMode::Oscillator });
        (PllSource::HSE, PllPreDiv::DIV3)
    } else {
        (PllSource::HSI, PllPreDiv::DIV2)
    };
    // 8 MHz × 20 / 2 = timing::CLOCK_HZ.
    rcc.pll = Some(Pll { source, prediv, mul: PllMul::MUL20, divp: None, divq: None, divr: Some(PllRDiv::DIV2) });
    rcc.sys = Sysclk::PLL1_R;
    rcc.mux.adc12sel = Adcsel::SYS;
    rcc
}

/// The HAL would wait for the crystal for ever.
fn crystal_starts() -> bool {
    pac::RCC.cr().modify(|register| register.set_hseon(true));
    (0..CRYSTAL_LOOKS).any(|_| pac::RCC.cr().read().hserdy())
}
