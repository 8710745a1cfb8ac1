//! The sensors that are calibrated, their keys, and where in the profile each value goes.

use crate::VehicleProfile;

/// What can be calibrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sensor {
    /// Electrochemical NO2 cell.
    No2,
    /// Particulate sensor.
    Pm,
    /// CO2 sensor.
    Co2,
    /// Temperature, humidity, pressure.
    Climate,
    /// Accelerometer with its mounting and vehicle.
    Accel,
    /// Left infrared camera.
    CameraLeft,
    /// Right infrared camera.
    CameraRight,
    /// Divider of the supply voltage.
    Supply,
    /// Modem antenna in its place.
    Antenna,
}

/// A value of a calibration file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name in the table `[values]`, with its unit.
    pub name: &'static str,
    /// Least accepted value.
    pub min: f64,
    /// Greatest accepted value.
    pub max: f64,
    /// Whether a file must have it.
    pub required: bool,
    /// Where it goes; none: it is kept for the server and reported, samples stay as the sensor gives them.
    pub(super) place: Option<fn(&mut VehicleProfile) -> &mut f64>,
}

const fn key(name: &'static str, min: f64, max: f64, place: fn(&mut VehicleProfile) -> &mut f64) -> Key {
    Key { name, min, max, required: true, place: Some(place) }
}

const fn optional(name: &'static str, min: f64, max: f64, place: fn(&mut VehicleProfile) -> &mut f64) -> Key {
    Key { name, min, max, required: false, place: Some(place) }
}

const fn for_the_server(name: &'static str, min: f64, max: f64) -> Key {
    Key { name, min, max, required: false, place: None }
}

// Ranges are what a part in order can have; a value outside is a slip of the hand or a broken part. Sources: Alphasense
// NO2-B43F data sheet and AAN 803 (zero and sensitivity with the maker's two-electrode board), Sensirion SCD4x and Bosch
// BME280 data sheets (accuracy, with room for self-heating), Bosch BMI323 data sheet (zero-g offset, sensitivity), Melexis
// MLX90640 data sheet (accuracy, with room for a window), 1 % resistors of the divider. [D] where none says more.
const NO2: &[Key] = &[
    key("we_zero_uv", 100_000.0, 600_000.0, |it| &mut it.air.no2_we_zero_uv),
    key("ae_zero_uv", 100_000.0, 600_000.0, |it| &mut it.air.no2_ae_zero_uv),
    key("sensitivity_mv_per_ppb", 0.05, 1.0, |it| &mut it.air.no2_sensitivity_mv_per_ppb),
];
// The lake keeps particulate matter as the sensor gives it; corrections are the server's, versioned there.
const PM: &[Key] = &[
    for_the_server("kappa", 0.0, 1.5),
    for_the_server("pm25_gain", 0.2, 5.0),
    for_the_server("pm25_offset_ugm3", -30.0, 30.0),
    for_the_server("pm10_gain", 0.2, 5.0),
    for_the_server("pm10_offset_ugm3", -50.0, 50.0),
];
const CO2: &[Key] = &[key("offset_ppm", -300.0, 300.0, |it| &mut it.air.co2_offset_ppm)];
const CLIMATE: &[Key] = &[
    key("temp_offset_k", -10.0, 10.0, |it| &mut it.air.temp_offset_k),
    key("rh_offset_pct", -20.0, 20.0, |it| &mut it.air.rh_offset_pct),
    optional("pressure_offset_pa", -1_000.0, 1_000.0, |it| &mut it.air.pressure_offset_pa),
];
const ACCEL: &[Key] = &[
    key("bias_x_mps2", -1.5, 1.5, |it| &mut it.road.accel_bias_mps2[0]),
    key("bias_y_mps2", -1.5, 1.5, |it| &mut it.road.accel_bias_mps2[1]),
    key("bias_z_mps2", -1.5, 1.5, |it| &mut it.road.accel_bias_mps2[2]),
    key("scale_x", 0.9, 1.1, |it| &mut it.road.accel_scale[0]),
    key("scale_y", 0.9, 1.1, |it| &mut it.road.accel_scale[1]),
    key("scale_z", 0.9, 1.1, |it| &mut it.road.accel_scale[2]),
    optional("kappa", 1.0, 300.0, |it| &mut it.road.kappa),
    optional("speed_exponent", 0.3, 1.0, |it| &mut it.road.speed_exponent),
];
const CAMERA_LEFT: &[Key] = &[
    key("gain", 0.8, 1.6, |it| &mut it.thermal.camera_gain[0]),
    key("shift_k", -10.0, 10.0, |it| &mut it.thermal.camera_shift_k[0]),
];
const CAMERA_RIGHT: &[Key] = &[
    key("gain", 0.8, 1.6, |it| &mut it.thermal.camera_gain[1]),
    key("shift_k", -10.0, 10.0, |it| &mut it.thermal.camera_shift_k[1]),
];
const SUPPLY: &[Key] = &[
    key("gain", 0.9, 1.1, |it| &mut it.health.supply_gain),
    key("offset_mv", -500.0, 500.0, |it| &mut it.health.supply_offset_mv),
];
const ANTENNA: &[Key] = &[key("cabin_offset_db", 0.0, 30.0, |it| &mut it.mobile.cabin_offset_db)];

impl Sensor {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::No2,
        Self::Pm,
        Self::Co2,
        Self::Climate,
        Self::Accel,
        Self::CameraLeft,
        Self::CameraRight,
        Self::Supply,
        Self::Antenna,
    ];

    /// Name in files, and of its serial number in the table `[sensors]` of the profile.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No2 => "no2",
            Self::Pm => "pm",
            Self::Co2 => "co2",
            Self::Climate => "climate",
            Self::Accel => "accel",
            Self::CameraLeft => "camera_left",
            Self::CameraRight => "camera_right",
            Self::Supply => "supply",
            Self::Antenna => "antenna",
        }
    }

    /// The sensor of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sensor| sensor.name() == name)
    }

    /// Its keys.
    #[must_use]
    pub const fn keys(self) -> &'static [Key] {
        match self {
            Self::No2 => NO2,
            Self::Pm => PM,
            Self::Co2 => CO2,
            Self::Climate => CLIMATE,
            Self::Accel => ACCEL,
            Self::CameraLeft => CAMERA_LEFT,
            Self::CameraRight => CAMERA_RIGHT,
            Self::Supply => SUPPLY,
            Self::Antenna => ANTENNA,
        }
    }

    /// Days that a calibration may hold at the most, first and last day included: how fast the part drifts (cell, fan,
    /// season of the aerosol); judgement, no source.
    #[must_use]
    pub const fn days_max(self) -> i64 {
        match self {
            Self::Pm => 100,
            Self::No2 => 190,
            Self::Co2 | Self::Climate | Self::Accel | Self::CameraLeft | Self::CameraRight => 370,
            Self::Supply | Self::Antenna => 1_100,
        }
    }

    /// The serial number that a profile names for it; empty: none.
    #[must_use]
    pub fn serial_in(self, profile: &VehicleProfile) -> &str {
        let serials = &profile.sensors;
        match self {
            Self::No2 => &serials.no2,
            Self::Pm => &serials.pm,
            Self::Co2 => &serials.co2,
            Self::Climate => &serials.climate,
            Self::Accel => &serials.accel,
            Self::CameraLeft => &serials.camera_left,
            Self::CameraRight => &serials.camera_right,
            Self::Supply => &serials.supply,
            Self::Antenna => &serials.antenna,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_share_a_place() {
        let mut places = Vec::new();
        for key in Sensor::ALL.iter().flat_map(|sensor| sensor.keys()) {
            let Some(place) = key.place else { continue };
            let mut profile = VehicleProfile::default();
            *place(&mut profile) = 123.5;
            assert_ne!(profile, VehicleProfile::default(), "{}", key.name);
            assert!(!places.contains(&profile), "{}", key.name);
            places.push(profile);
        }
    }

    #[test]
    fn the_limits_are_possible_profiles() {
        for sensor in Sensor::ALL {
            for bound in [|key: &Key| key.min, |key: &Key| key.max] {
                let mut profile = VehicleProfile::default();
                for key in sensor.keys() {
                    if let Some(place) = key.place {
                        *place(&mut profile) = bound(key);
                    }
                }
                profile.check().unwrap();
            }
        }
    }
}
