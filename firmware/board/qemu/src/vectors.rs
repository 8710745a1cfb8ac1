//! Interrupts of mps2-an386 (AN386, interrupt assignments) and who handles them.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// The lines in use. UART numbers are the board's; 30 and 31 belong to no peripheral of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Irq {
    Uart0Rx = 0,
    Uart0Tx = 1,
    Uart1Rx = 2,
    Uart1Tx = 3,
    Uart2Rx = 4,
    Uart2Tx = 5,
    Timer0 = 8,
    Timer1 = 9,
    Uart3Rx = 18,
    Uart4Rx = 20,
    Uart4Tx = 21,
    Upper = 30,
    Lower = 31,
}

// SAFETY: the numbers are fixed and below the table's length.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Interrupts of devices go before everything.
const PRIORITY_DEVICE: u8 = 0x20;
/// Line and time keeping.
const PRIORITY_UPPER: u8 = 0x60;
/// Sensors.
const PRIORITY_LOWER: u8 = 0xA0;

/// All that are let through at the start; an executor lets its own through.
const DEVICES: [Irq; 11] = [
    Irq::Timer0,
    Irq::Timer1,
    Irq::Uart0Rx,
    Irq::Uart0Tx,
    Irq::Uart1Rx,
    Irq::Uart1Tx,
    Irq::Uart2Rx,
    Irq::Uart2Tx,
    Irq::Uart3Rx,
    Irq::Uart4Rx,
    Irq::Uart4Tx,
];

/// Sets all priorities and lets the devices' interrupts through.
pub fn enable_all(nvic: &mut NVIC) {
    // SAFETY: critical sections of this board mask all interrupts and depend on no priority; the handlers are in place.
    unsafe {
        nvic.set_priority(Irq::Upper, PRIORITY_UPPER);
        nvic.set_priority(Irq::Lower, PRIORITY_LOWER);
        for irq in DEVICES {
            nvic.set_priority(irq, PRIORITY_DEVICE);
            NVIC::unmask(irq);
        }
    }
}

/// One entry of the table.
#[derive(Clone, Copy)]
#[repr(C)]
pub union Vector {
    handler: unsafe extern "C" fn(),
    reserved: usize,
}

unsafe extern "C" {
    fn DefaultHandler();
}

/// Lines of the interrupt controller.
const LINES: usize = 32;

const fn table() -> [Vector; LINES] {
    let mut table = [Vector { handler: DefaultHandler }; LINES];
    table[Irq::Uart0Rx as usize] = Vector { handler: crate::lines::on_uart0_rx };
    table[Irq::Uart0Tx as usize] = Vector { handler: crate::lines::on_uart0_tx };
    table[Irq::Uart1Rx as usize] = Vector { handler: crate::lines::on_uart1_rx };
    table[Irq::Uart1Tx as usize] = Vector { handler: crate::lines::on_uart1_tx };
    table[Irq::Uart2Rx as usize] = Vector { handler: crate::lines::on_uart2_rx };
    table[Irq::Uart2Tx as usize] = Vector { handler: crate::lines::on_uart2_tx };
    table[Irq::Timer0 as usize] = Vector { handler: crate::time::on_timer0 };
    table[Irq::Timer1 as usize] = Vector { handler: crate::time::on_timer1 };
    table[Irq::Uart3Rx as usize] = Vector { handler: crate::lines::on_uart3_rx };
    table[Irq::Uart4Rx as usize] = Vector { handler: crate::lines::on_uart4_rx };
    table[Irq::Uart4Tx as usize] = Vector { handler: crate::lines::on_uart4_tx };
    table[Irq::Upper as usize] = Vector { handler: crate::on_upper };
    table[Irq::Lower as usize] = Vector { handler: crate::on_lower };
    table
}

/// Read by the core; cortex-m-rt places it behind the vectors of the core's own exceptions.
// SAFETY: the section and the name are those that cortex-m-rt's linker script expects of a device.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [Vector; LINES] = table();
