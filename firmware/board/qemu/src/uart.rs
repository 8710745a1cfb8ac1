//! The board's serial lines, by interrupt (Arm DDI 0479, APB UART).

use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::NVIC;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_time::Timer;
use embedded_io_async::{ErrorType, Read, Write};

use crate::register::Register;
use crate::vectors::Irq;

/// The registers of one CMSDK UART.
pub struct UartPort {
    data: Register,
    state: Register,
    control: Register,
    int_clear: Register,
    baud_divider: Register,
}

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 1 << 1;
const RX_OVERRUN: u32 = 1 << 3;
const TX_AND_RX_WITH_INTERRUPTS: u32 = 0b1111;
const INT_TX: u32 = 1;
const INT_RX: u32 = 1 << 1;

/// 115 207 baud at 25 MHz; an emulated line takes any divider from 16 on and is as fast as its host.
const BAUD_DIVIDER: u32 = 217;

impl UartPort {
    /// # Safety
    /// `base` must be the address of a CMSDK UART.
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the register offsets of the part; none of them has a memory effect.
        unsafe {
            Self {
                data: Register::new(base),
                state: Register::new(base + 0x4),
                control: Register::new(base + 0x8),
                int_clear: Register::new(base + 0xC),
                baud_divider: Register::new(base + 0x10),
            }
        }
    }

    /// Sets the line up.
    pub fn start(&self) {
        self.baud_divider.set(BAUD_DIVIDER);
        self.control.set(TX_AND_RX_WITH_INTERRUPTS);
    }

    /// The received byte, and whether the line lost one before it.
    pub fn take(&self) -> Option<(u8, bool)> {
        let state = self.state.get();
        if state & RX_FULL == 0 {
            return None;
        }
        let overrun = state & RX_OVERRUN != 0;
        if overrun {
            // Written with a one, the flag goes.
            self.state.set(RX_OVERRUN);
        }
        Some(((self.data.get() & 0xFF) as u8, overrun))
    }

    /// Takes back the receive interrupt. Before the data are read: the flag would otherwise hide the byte after them.
    pub fn clear_rx(&self) {
        self.int_clear.set(INT_RX);
    }
}

/// Room for `RX` received bytes and `TX` bytes to send. Apart from the line, because all of it begins as zero: what does
/// not would lie in flash, in full length.
pub struct Buffers<const RX: usize, const TX: usize> {
    received: Pipe<CriticalSectionRawMutex, RX>,
    to_send: Pipe<CriticalSectionRawMutex, TX>,
    overruns: AtomicU32,
}

impl<const RX: usize, const TX: usize> Buffers<RX, TX> {
    /// Empty.
    pub const fn new() -> Self {
        Self { received: Pipe::new(), to_send: Pipe::new(), overruns: AtomicU32::new(0) }
    }
}

/// A serial line.
pub struct Uart<const RX: usize, const TX: usize> {
    port: UartPort,
    tx_irq: Irq,
    buffers: &'static Buffers<RX, TX>,
}

impl<const RX: usize, const TX: usize> Uart<RX, TX> {
    /// A line that stands still until started.
    pub const fn new(port: UartPort, tx_irq: Irq, buffers: &'static Buffers<RX, TX>) -> Self {
        Self { port, tx_irq, buffers }
    }

    /// Sets the line up; the interrupts are the caller's.
    pub fn start(&self) {
        self.port.start();
    }

    /// Bytes that came and were lost, at the line or for want of room.
    pub fn overruns(&self) -> u32 {
        self.buffers.overruns.load(Ordering::Relaxed)
    }

    /// Whether there are bytes to send and the line takes none.
    pub fn is_blocked(&self) -> bool {
        !self.buffers.to_send.is_empty() && self.port.state.get() & TX_FULL != 0
    }

    /// To be called by the receive interrupt.
    pub fn on_rx(&self) {
        self.port.clear_rx();
        while let Some((byte, overrun)) = self.port.take() {
            let lost = u32::from(overrun) + u32::from(self.buffers.received.try_write(&[byte]).is_err());
            if lost > 0 {
                self.buffers.overruns.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    /// To be called by the transmit interrupt. It comes when a byte has left, and when somebody has written.
    pub fn on_tx(&self) {
        self.port.int_clear.set(INT_TX);
        let mut byte = [0];
        while self.port.state.get() & TX_FULL == 0 && self.buffers.to_send.try_read(&mut byte) == Ok(1) {
            self.port.data.set(u32::from(byte[0]));
        }
    }

    /// Its receiving half; there should be one reader.
    pub const fn rx(&'static self) -> UartRx<RX, TX> {
        UartRx(self)
    }

    /// Its sending half; there should be one writer.
    pub const fn tx(&'static self) -> UartTx<RX, TX> {
        UartTx(self)
    }
}

/// Reads a line.
pub struct UartRx<const RX: usize, const TX: usize>(&'static Uart<RX, TX>);

impl<const RX: usize, const TX: usize> ErrorType for UartRx<RX, TX> {
    type Error = Infallible;
}

impl<const RX: usize, const TX: usize> Read for UartRx<RX, TX> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.0.buffers.received.read(buffer).await)
    }
}

/// Writes a line.
pub struct UartTx<const RX: usize, const TX: usize>(&'static Uart<RX, TX>);

impl<const RX: usize, const TX: usize> ErrorType for UartTx<RX, TX> {
    type Error = Infallible;
}

impl<const RX: usize, const TX: usize> Write for UartTx<RX, TX> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let len = self.0.buffers.to_send.write(bytes).await;
        NVIC::pend(self.0.tx_irq);
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        while !self.0.buffers.to_send.is_empty() || self.0.port.state.get() & TX_FULL != 0 {
            Timer::after_millis(1).await;
        }
        Ok(())
    }
}
