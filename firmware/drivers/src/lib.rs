//! Drivers of the box's sensors: registers and serial frames in, values in units out.
//!
//! No `std`, no allocation, no in-house crate. Each part has one file; what turns raw numbers into units is one pure
//! function in it. The I²C drivers are written once, for [`embedded_hal_async`]; on a blocking [`embedded_hal`] bus they run
//! through [`blocking`].
#![no_std]

#[cfg(test)]
extern crate std;

pub mod ads1115;
pub mod blocking;
pub mod bme280;
pub mod bmi323;
mod error;
pub mod gnss;
pub mod mhz19b;
pub mod mlx90640;
pub mod pmsx003;
pub mod scd41;
pub mod sds011;
pub mod sps30;
pub mod sps30_serial;

pub use error::Error;

/// Mass concentrations of a particulate sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PmMass {
    /// PM1, 0.1 µg/m³.
    pub pm1_dugm3: u16,
    /// PM2.5, 0.1 µg/m³.
    pub pm25_dugm3: u16,
    /// PM10, 0.1 µg/m³.
    pub pm10_dugm3: u16,
}
