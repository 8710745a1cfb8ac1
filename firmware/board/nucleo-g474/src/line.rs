//! The serial lines: DMA both ways, received into a ring that goes on while nobody reads.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_stm32::gpio::Pull;
use embassy_stm32::mode::Async;
use embassy_stm32::usart::{Config, Error, RingBufferedUartRx, Uart, UartTx};
use embedded_io_async::{ErrorType, Read};

/// To the Linux side.
pub const LINK_BAUD: u32 = 921_600;
/// What satellite receivers speak after power-up.
pub const GNSS_BAUD: u32 = 9_600;
/// What the particulate sensors speak.
pub const PM_BAUD: u32 = 9_600;

static LOST: AtomicU32 = AtomicU32::new(0);

/// 8N1 with a pull-up, so that an unplugged cable reads as idle.
pub fn config(baud: u32) -> Config {
    let mut config = Config::default();
    config.baudrate = baud;
    config.rx_pull = Pull::Up;
    config
}

/// Splits a line; `ring` holds what comes between two reads.
pub fn split(uart: Uart<'static, Async>, ring: &'static mut [u8]) -> (UartTx<'static, Async>, Line) {
    let (tx, rx) = uart.split();
    (tx, Line { rx: rx.into_ring_buffered(ring) })
}

/// The receiving half, which counts what was lost.
pub struct Line {
    rx: RingBufferedUartRx<'static>,
}

/// Times that a line lost bytes since boot, all lines: a full ring, a broken frame, noise. At least one byte each.
pub fn lost() -> u32 {
    LOST.load(Ordering::Relaxed)
}

impl ErrorType for Line {
    type Error = Error;
}

impl Read for Line {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        // After an error the HAL has stopped the DMA; the next read starts it anew. The caller pauses before that, so that a
        // line that is held low does not take all the time there is.
        self.rx.read(buffer).await.inspect_err(|_| {
            LOST.fetch_add(1, Ordering::Relaxed);
        })
    }
}
