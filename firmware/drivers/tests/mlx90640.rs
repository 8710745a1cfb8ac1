//! The MLX90640: values against the maker's examples, what it says on the bus, what nonsense does.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "mlx90640/bus.rs"]
mod bus;
#[path = "mlx90640/nonsense.rs"]
mod nonsense;
#[path = "mlx90640/values.rs"]
mod values;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tournee_devices::I2cDevice;
use tournee_drivers::mlx90640::{EEPROM_WORDS, FRAME_WORDS, Frame};

/// Runs what never waits for anybody else.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// Words of a model.
fn read_words(model: &mut impl I2cDevice, now_us: u64, address: u16, count: usize) -> Vec<u16> {
    let mut bytes = vec![0; 2 * count];
    model.write(now_us, &address.to_be_bytes()).unwrap();
    model.read(now_us, &mut bytes).unwrap();
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

/// What a model has in its RAM and registers.
fn frame_of(model: &mut impl I2cDevice, now_us: u64) -> Frame {
    let mut frame = [0; FRAME_WORDS];
    frame[..EEPROM_WORDS].copy_from_slice(&read_words(model, now_us, 0x0400, EEPROM_WORDS));
    frame[832] = read_words(model, now_us, 0x800d, 1)[0];
    frame[833] = read_words(model, now_us, 0x8000, 1)[0];
    frame
}
