//! Which signal is on which pin: the one table of the board code. hardware/pinout.toml says the same to the workshop, and a
//! test holds the two together. That a pin can serve its peripheral is checked by the compiler where the driver is made.

use embassy_stm32::{Peri, peripherals};

macro_rules! signals {
    ($($signal:ident: $peripheral:ident, $pin:ident;)*) => {
        /// The pins of the box by their signals.
        pub struct Pins {
            $(
                #[doc = concat!(stringify!($peripheral), " on ", stringify!($pin), ".")]
                pub $signal: Peri<'static, peripherals::$pin>,
            )*
        }

        /// Takes them out of all peripherals, of which the rest stays usable.
        macro_rules! take_pins {
            ($peripherals:ident) => { $crate::pins::Pins { $($signal: $peripherals.$pin,)* } };
        }
        pub(crate) use take_pins;
    };
}

signals! {
    link_tx: USART1, PC4;
    link_rx: USART1, PC5;
    gnss_tx: USART3, PC10;
    gnss_rx: USART3, PC11;
    gnss_pps: EXTI0, PA0;
    pm_tx: UART5, PC12;
    pm_rx: UART5, PD2;
    i2c1_scl: I2C1, PA15;
    i2c1_sda: I2C1, PB7;
    i2c2_scl: I2C2, PA9;
    i2c2_sda: I2C2, PA8;
    driver_switch: GPIO, PB0;
    led: GPIO, PA5;
}
