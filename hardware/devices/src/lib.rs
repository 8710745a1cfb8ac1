//! Register-level models of the parts of the box, on one virtual bus.
//!
//! A model knows its part's data sheet and nothing of the drivers: it keeps registers, answers reads and writes, loses its
//! settings at power-on. What it measures is set from outside, by whoever plays the world. Time is an argument.

pub mod ads1115;
pub mod bme280;
pub mod bmi323;
mod bus;
pub mod gnss;
pub mod mlx90640;
pub mod pm_serial;
pub mod scd41;
mod sensors;
pub mod sps30;

pub use bus::{I2cDevice, Nack, Op};
pub use sensors::{Part, Sensors};
