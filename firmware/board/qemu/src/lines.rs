//! The board's five serial lines and their interrupts (AN386, memory map).

use core::sync::atomic::{AtomicBool, Ordering};

use crate::layout::{PIN_COLLECTION_OFF, PIN_COLLECTION_ON, PIN_PPS};
use crate::uart::{Buffers, Uart, UartPort, UartRx, UartTx};
use crate::vectors::Irq;
use crate::{SHARED, time};

// Room to send to the agent: for several of the longest frames, so that the sender is already at the next one.
static LINK_BUFFERS: Buffers<1024, 2048> = Buffers::new();
static BELL_BUFFERS: Buffers<16, 16> = Buffers::new();
// Room to receive from the satellite receiver: a burst of epochs that waits for the upper executor.
static GNSS_BUFFERS: Buffers<1024, 512> = Buffers::new();
static PM_BUFFERS: Buffers<256, 64> = Buffers::new();

/// Line to the agent.
pub static LINK: Uart<1024, 2048> = Uart::new(LINK_PORT, Irq::Uart0Tx, &LINK_BUFFERS);
/// The bell of the virtual bus.
pub static BELL: Uart<16, 16> = Uart::new(BELL_PORT, Irq::Uart1Tx, &BELL_BUFFERS);
/// Satellite receiver.
pub static GNSS: Uart<1024, 512> = Uart::new(GNSS_PORT, Irq::Uart2Tx, &GNSS_BUFFERS);
/// Particle sensor that is not on the bus.
pub static PM: Uart<256, 64> = Uart::new(PM_PORT, Irq::Uart4Tx, &PM_BUFFERS);

// SAFETY: UART0.
const LINK_PORT: UartPort = unsafe { UartPort::new(0x4000_4000) };
// SAFETY: UART1.
const BELL_PORT: UartPort = unsafe { UartPort::new(0x4000_5000) };
// SAFETY: UART2.
const GNSS_PORT: UartPort = unsafe { UartPort::new(0x4000_6000) };
// SAFETY: UART3: a byte there is an event on a pin.
const PINS_PORT: UartPort = unsafe { UartPort::new(0x4000_7000) };
// SAFETY: UART4.
const PM_PORT: UartPort = unsafe { UartPort::new(0x4000_9000) };

/// Sends what the serial particle sensor is told.
pub type PmTx = UartTx<256, 64>;
/// The host's bell.
pub type BellRx = UartRx<16, 16>;
/// Our bell.
pub type BellTx = UartTx<16, 16>;

static SWITCHED_OFF: AtomicBool = AtomicBool::new(false);

/// Whether the driver has switched the collection off.
pub fn is_switched_off() -> bool {
    SWITCHED_OFF.load(Ordering::Relaxed)
}

/// Bytes lost by all receiving lines. A lost ring of the bell is none: others are waiting to be heard then.
pub fn overruns() -> u32 {
    [LINK.overruns(), GNSS.overruns(), PM.overruns()].into_iter().fold(0, u32::saturating_add)
}

/// Sets all lines up; their interrupts are still to be let through.
pub fn start() {
    LINK.start();
    BELL.start();
    GNSS.start();
    PINS_PORT.start();
    PM.start();
}

/// Interrupt of UART0: received.
pub extern "C" fn on_uart0_rx() {
    LINK.on_rx();
}

/// Interrupt of UART0: sent.
pub extern "C" fn on_uart0_tx() {
    LINK.on_tx();
}

/// Interrupt of UART1: received.
pub extern "C" fn on_uart1_rx() {
    BELL.on_rx();
}

/// Interrupt of UART1: sent.
pub extern "C" fn on_uart1_tx() {
    BELL.on_tx();
}

/// Interrupt of UART2: received.
pub extern "C" fn on_uart2_rx() {
    GNSS.on_rx();
}

/// Interrupt of UART2: sent.
pub extern "C" fn on_uart2_tx() {
    GNSS.on_tx();
}

/// Interrupt of UART3: a pin has changed. The pulse's time is taken before anything else.
pub extern "C" fn on_uart3_rx() {
    let now_us = time::now_us();
    PINS_PORT.clear_rx();
    while let Some((event, _)) = PINS_PORT.take() {
        match event {
            PIN_PPS => SHARED.pps_edge(now_us),
            PIN_COLLECTION_OFF => SWITCHED_OFF.store(true, Ordering::Relaxed),
            PIN_COLLECTION_ON => SWITCHED_OFF.store(false, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// Interrupt of UART4: received.
pub extern "C" fn on_uart4_rx() {
    PM.on_rx();
}

/// Interrupt of UART4: sent.
pub extern "C" fn on_uart4_tx() {
    PM.on_tx();
}
