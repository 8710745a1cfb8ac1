//! The asynchronous drivers of this crate on a blocking bus.
//!
//! Each driver is written once, for `embedded-hal-async`. A board whose bus is a blocking `embedded-hal` one wraps the bus
//! in [`Blocking`] and its delay in [`BlockingDelay`]: every await of the driver then ends a call that has already
//! returned, so the future of a driver's method is ready the first time that it is polled. [`run`] polls it that once.
//! No executor, no waker and no second source are needed.
//!
//! This holds because the drivers await nothing but their bus and their delay. Given a future that really waits, [`run`]
//! says so with `None`; it does not spin.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_hal::i2c::{AddressMode, ErrorType, Operation};

/// A blocking I²C bus, as an asynchronous one that never waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking<B>(pub B);

impl<B: ErrorType> ErrorType for Blocking<B> {
    type Error = B::Error;
}

// All four calls are passed on, and not only `transaction`: a bus may have a better way for the short ones.
impl<A: AddressMode, B: embedded_hal::i2c::I2c<A>> embedded_hal_async::i2c::I2c<A> for Blocking<B> {
    async fn read(&mut self, address: A, read: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(address, read)
    }

    async fn write(&mut self, address: A, write: &[u8]) -> Result<(), Self::Error> {
        self.0.write(address, write)
    }

    async fn write_read(&mut self, address: A, write: &[u8], read: &mut [u8]) -> Result<(), Self::Error> {
        self.0.write_read(address, write, read)
    }

    async fn transaction(&mut self, address: A, operations: &mut [Operation<'_>]) -> Result<(), Self::Error> {
        self.0.transaction(address, operations)
    }
}

/// A blocking delay, as an asynchronous one that never waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingDelay<D>(pub D);

impl<D: embedded_hal::delay::DelayNs> embedded_hal_async::delay::DelayNs for BlockingDelay<D> {
    async fn delay_ns(&mut self, ns: u32) {
        self.0.delay_ns(ns);
    }

    async fn delay_us(&mut self, us: u32) {
        self.0.delay_us(us);
    }

    async fn delay_ms(&mut self, ms: u32) {
        self.0.delay_ms(ms);
    }
}

/// Runs a future that never waits: polls it once. `None` when it did wait, in which case it is dropped unfinished.
pub fn run<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
