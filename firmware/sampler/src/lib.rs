//! The core of the box, without IO: what to sample next given the time, what to send first, what to do on command.
//!
//! Whoever plays the box (firmware on a board, the twin in a process) asks [`Sampler::next`] what is due, does that job with
//! the drivers, hands the outcome to [`Sampler::finish`], and writes to the line what [`Sampler::pop`] gives. Time is an
//! argument: box ticks, microseconds since boot. No `std`, no allocation, no panic.
#![no_std]

#[cfg(test)]
extern crate std;

mod accel;
mod pictures;
mod pulse;
mod queue;
mod sampler;
mod schedule;
mod service;
mod update;

pub use queue::{Class, QUEUE_CAPACITY, SendQueue};
pub use sampler::{Action, Identity, Reading, Sampler, Step, Vitals};
pub use schedule::Job;
pub use service::{Core, Service};
pub use update::{FirmwareStore, NoStore, Update};
