//! The box over any board: the jobs of [`tournee_sampler::Sampler`] done with [`tournee_drivers`], and the loops that a board
//! runs as its tasks.
//!
//! Generic over buses and serial lines, so that the emulated board, the real one and the twin in a process run the very
//! same code. A board gives interrupts, pins and memory; nothing here knows any.
#![no_std]

mod board;
mod devices;
mod fault;
mod gnss;
mod shared;
mod tasks;

pub use board::Board;
pub use devices::{Devices, SUPPLY_RATIO};
pub use gnss::{Ear, SETTINGS_MAX};
pub use shared::{Heartbeat, Shared};
pub use tasks::{run_gnss, run_pm_serial, run_receiver, run_sender, run_sensors};
