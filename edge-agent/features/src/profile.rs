//! What is particular to a vehicle and its sensors. Data, not code: `profile/default.toml` holds the defaults with their
//! sources; a vehicle's own profile names only the keys that differ.

mod check;

use serde::{Deserialize, Serialize};

/// The defaults, with a comment on every key.
pub const DEFAULT_TOML: &str = include_str!("../profile/default.toml");

/// Why a profile was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("vehicle profile: {0}; the keys and their defaults are in edge-agent/features/profile/default.toml")]
    Toml(#[from] toml::de::Error),
    /// A value that no vehicle can have.
    #[error("vehicle profile: {key} = {value} is not possible, it must be {expected}")]
    Value {
        /// The key, with its table.
        key: &'static str,
        /// What was given.
        value: f64,
        /// What would be accepted.
        expected: &'static str,
    },
}

macro_rules! profile {
    ($($(#[doc = $sdoc:literal])+ $section:ident: $Type:ident { $($(#[doc = $doc:literal])+ $key:ident: $ty:ty,)+ })+) => {
        $(
            $(#[doc = $sdoc])+
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $Type { $($(#[doc = $doc])+ pub $key: $ty,)+ }
        )+

        /// Everything that is particular to a vehicle. Reads from TOML with only the differing keys given.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "toml::Table")]
        pub struct VehicleProfile { $($(#[doc = $sdoc])+ pub $section: $Type,)+ }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Complete { $($section: $Type,)+ }

        impl From<Complete> for VehicleProfile {
            fn from(complete: Complete) -> Self { Self { $($section: complete.$section,)+ } }
        }
    };
}

profile! {
    /// Since when these values hold.
    validity: Validity {
        /// Date, ISO 8601.
        since: String,
        /// Where the values come from.
        note: String,
    }
    /// Box ticks to UTC.
    clock: ClockProfile {
        /// Earliest believable UTC, µs since 1970.
        utc_floor_us: i64,
        /// Anchors of the sliding fit.
        fit_anchors: usize,
        /// Largest rate at which the clock is pulled towards the fit.
        slew_max_ppm: f64,
        /// Offset changes above this need confirmation.
        step_min_us: i64,
        /// Anchors in a row that must agree on such a change.
        step_confirmations: u32,
        /// Offset changes above this need more.
        step_far_us: i64,
        /// Anchors in a row that must agree on such a change.
        step_far_confirmations: u32,
        /// Largest step back that is worked off.
        slow_down_max_us: i64,
        /// Share by which the clock then runs slower.
        slow_down_share: f64,
        /// Stated error of a pulse.
        pps_error_us: i64,
        /// Stated error of a position message.
        fix_error_us: i64,
        /// When the time of the vehicle's computer is used.
        host_time: HostTime,
        /// Time without a satellite receiver's time before it is.
        host_after_s: i64,
        /// Its stated error.
        host_error_us: i64,
        /// How long samples wait for the first fix of a boot.
        wait_first_fix_s: i64,
    }
    /// Serial numbers of the fitted sensors, empty where none is named: which calibration files are meant.
    sensors: SensorSerials {
        /// NO2 cell.
        no2: String,
        /// Particulate sensor.
        pm: String,
        /// CO2 sensor.
        co2: String,
        /// Temperature, humidity and pressure.
        climate: String,
        /// Accelerometer.
        accel: String,
        /// Left infrared camera.
        camera_left: String,
        /// Right infrared camera.
        camera_right: String,
        /// Box whose supply divider was measured.
        supply: String,
        /// Modem antenna.
        antenna: String,
    }
    /// Ticks to position.
    geotag: GeotagProfile {
        /// Smallest believed fix kind.
        fix_min: u8,
        /// Fewest satellites.
        sats_min: u8,
        /// Largest HDOP.
        hdop_max: f64,
        /// HDOP from which a fix is flagged as weak.
        hdop_good: f64,
        /// Fastest believable movement between two fixes.
        jump_speed_max_mps: f64,
        /// Fixes that must agree before a jump is believed.
        jump_confirmations: u32,
        /// Fixes up to this far apart are neighbours.
        neighbour_max_s: f64,
        /// Longest bridged or reckoned gap.
        gap_max_s: f64,
        /// Error growth inside a gap.
        gap_growth_mps: f64,
        /// Error per unit of HDOP where the receiver states none.
        uere_m: f64,
        /// The smallest error that is stated for such a receiver.
        h_acc_min_m: f64,
        /// Longest repetition of one moment by the receiver.
        fix_age_max_s: f64,
    }
    /// Air sensors.
    air: AirProfile {
        /// How long a reading is repeated.
        hold_s: i64,
        /// Electronic zero of the working electrode.
        no2_we_zero_uv: f64,
        /// Electronic zero of the auxiliary electrode.
        no2_ae_zero_uv: f64,
        /// Sensitivity of the cell.
        no2_sensitivity_mv_per_ppb: f64,
        /// Temperature of the first table entry.
        no2_table_first_degc: f64,
        /// Step of the table.
        no2_table_step_degc: f64,
        /// The factor n_T by temperature.
        no2_n_t: Vec<f64>,
        /// µg/m³ per ppb.
        no2_ugm3_per_ppb: f64,
        /// Temperature change that makes NO2 doubtful…
        transient_k: f64,
        /// …within this time…
        transient_window_s: i64,
        /// …for this long.
        transient_hold_s: i64,
        /// Added to the CO2 reading.
        co2_offset_ppm: f64,
        /// Added to the air temperature.
        temp_offset_k: f64,
        /// Added to the relative humidity.
        rh_offset_pct: f64,
        /// Added to the air pressure.
        pressure_offset_pa: f64,
        /// What drives the vehicle.
        powertrain: Powertrain,
        /// Below this speed the own exhaust reaches the inlet.
        own_speed_min_kmh: f64,
        /// Below this speed the vehicle stands in it…
        own_stop_speed_kmh: f64,
        /// …and for this long after.
        own_stop_hold_s: i64,
        /// Time whose lowest values a rise is measured from.
        own_rise_window_s: i64,
        /// A sharp rise of CO2.
        own_co2_rise_ppm: f64,
        /// A sharp rise of NO2.
        own_no2_rise_ugm3: f64,
    }
    /// Road roughness and events.
    road: RoadProfile {
        /// Length of a window.
        window_m: f64,
        /// Speed to which roughness is brought, v0.
        reference_speed_kmh: f64,
        /// Exponent of the speed correction.
        speed_exponent: f64,
        /// IRI per roughness; for the server.
        kappa: f64,
        /// Slowest believed window.
        speed_min_kmh: f64,
        /// Fastest believed window.
        speed_max_kmh: f64,
        /// Strongest believed |dv/dt|.
        accel_max_mps2: f64,
        /// Strongest believed turn.
        yaw_max_degps: f64,
        /// Fewest samples per second.
        sample_rate_min_hz: f64,
        /// Low-pass of the gravity vector.
        gravity_cutoff_hz: f64,
        /// High-pass of the vertical acceleration.
        high_pass_hz: f64,
        /// Low-pass of the vertical acceleration.
        low_pass_hz: f64,
        /// Time after a filter start that is not used.
        settle_s: f64,
        /// Longer holes in the acceleration restart the filters.
        hole_max_s: f64,
        /// Longer holes between fixes end a window.
        motion_gap_max_s: f64,
        /// Robust z of an event.
        event_z: f64,
        /// Window of median and MAD.
        event_window_s: f64,
        /// Peaks within this travel are one event.
        event_merge_m: f64,
        /// Smallest peak of an event.
        event_min_peak_mps2: f64,
        /// Stretches between fixes before a mounting is known.
        mounting_spans_min: u32,
        /// Largest standard error of "up".
        mounting_up_error_max_deg: f64,
        /// Largest standard error of "forward".
        mounting_forward_error_max_deg: f64,
        /// Driving time after which a stretch counts a third.
        mounting_memory_s: f64,
        /// Stretches after which what this boot found replaces what was kept.
        mounting_trusted_spans: u32,
        /// Gravity this far from "up"…
        mounting_moved_deg: f64,
        /// …for this long: the sensor was moved.
        mounting_moved_s: f64,
        /// What this boot found this far from what was kept: the sensor was moved.
        mounting_turned_deg: f64,
        /// Bias of the accelerometer's axes.
        accel_bias_mps2: [f64; 3],
        /// Scale of its axes: `true = (reading − bias) × scale`.
        accel_scale: [f64; 3],
    }
    /// Modem.
    mobile: MobileProfile {
        /// Added to every power level.
        cabin_offset_db: f64,
        /// Unit of the LTE SINR.
        lte_sinr: SinrUnit,
        /// In "auto": above this the value is raw.
        sinr_auto_max: i64,
    }
    /// Infrared cameras.
    thermal: ThermalProfile {
        /// First row of the facade strip.
        row_first: u8,
        /// Last row of the facade strip.
        row_last: u8,
        /// Colder than air by this: sky.
        sky_below_k: f64,
        /// Colder than air by this and in one piece with sky at the top edge: sky.
        sky_edge_k: f64,
        /// Warmer than air by this: person, car, exhaust.
        warm_above_k: f64,
        /// Warmer than air by this beside such a pixel: the same.
        warm_edge_k: f64,
        /// Coldest hottest pixel of a person.
        person_min_degc: f64,
        /// Hottest pixel of a person.
        person_max_degc: f64,
        /// Smallest and largest area of a patch that is taken for people.
        person_area_m2: [f64; 2],
        /// Smallest and largest distance of a facade.
        range_m: [f64; 2],
        /// Field of view, columns and rows.
        field_deg: [f64; 2],
        /// From this row down…
        exhaust_row_first: u8,
        /// …warmer than air by this is an exhaust.
        exhaust_above_k: f64,
        /// Pictures on end in which what belongs to the vehicle is warm.
        own_pictures: u8,
        /// Emissivity of the correction; 1 keeps the apparent temperature.
        emissivity: f64,
        /// Share of the sky in what a wall reflects.
        sky_view: f64,
        /// How clear the sky is, 0 to 1.
        sky_clearness: f64,
        /// Fewest usable pixels.
        pixels_min: i64,
        /// Age up to which an air temperature is used.
        ambient_hold_s: i64,
        /// Sun elevation up to which it is night.
        sun_elevation_max_deg: f64,
        /// How long before the reading the sun must have been down.
        sun_rest_s: i64,
        /// Slowest reading.
        speed_min_kmh: f64,
        /// Fastest reading.
        speed_max_kmh: f64,
        /// Warmest air.
        ambient_max_degc: f64,
        /// Warmest air of a marginal reading.
        ambient_marginal_degc: f64,
        /// Angles of the left and right camera from the direction of travel.
        camera_offset_deg: [f64; 2],
        /// Gain of the left and right camera: `true = gain × reading + shift`, °C.
        camera_gain: [f64; 2],
        /// Shift of the left and right camera.
        camera_shift_k: [f64; 2],
    }
    /// Positions.
    track: TrackProfile {
        /// Shortest interval between rows.
        interval_min_s: f64,
    }
    /// Privacy trim.
    trim: TrimProfile {
        /// Metres at the start of a round.
        first_m: f64,
        /// Metres at its end.
        last_m: f64,
        /// Samples that may wait.
        hold_max: usize,
    }
    /// Health rows.
    health: HealthProfile {
        /// Box time between two rows.
        interval_s: i64,
        /// Gain of the supply voltage: `true = gain × reading + offset`.
        supply_gain: f64,
        /// Offset of the supply voltage.
        supply_offset_mv: f64,
    }
}

/// When the time of the vehicle's computer is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostTime {
    /// Never.
    Never,
    /// While its clock is known to be synchronised.
    Synchronised,
    /// Always: its clock is kept right by other means.
    Always,
}

/// What drives a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Powertrain {
    /// An engine with an exhaust.
    Combustion,
    /// No exhaust.
    Electric,
}

/// In what unit a modem prints the SINR of an LTE cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinrUnit {
    /// Raw when larger than any dB value can be.
    Auto,
    /// dB.
    Db,
    /// Fifths of a dB above -20 dB.
    Fifth,
}

impl VehicleProfile {
    /// The defaults with the keys of `overrides` in their place.
    ///
    /// # Errors
    /// Not TOML, an unknown key, or an impossible value.
    pub fn from_toml(overrides: &str) -> Result<Self, ProfileError> {
        Self::try_from(overrides.parse::<toml::Table>()?)
    }
}

impl TryFrom<toml::Table> for VehicleProfile {
    type Error = ProfileError;

    fn try_from(overrides: toml::Table) -> Result<Self, ProfileError> {
        let mut table: toml::Table = DEFAULT_TOML.parse()?;
        merge(&mut table, overrides);
        Self::from(table.try_into::<Complete>()?).check()
    }
}

impl Default for VehicleProfile {
    fn default() -> Self {
        Self::from_toml("").expect("the embedded profile is tested")
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(outer)) => merge(inner, outer),
            // An integer where the default is a float, "300" for "300.0", is meant as that number.
            (Some(toml::Value::Float(old)), toml::Value::Integer(new)) => *old = new as f64,
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_replace_single_keys() {
        let profile = VehicleProfile::from_toml("[trim]\nfirst_m = 0\n[road]\nspeed_exponent = 0.7").unwrap();
        assert_eq!(profile.trim.first_m, 0.0);
        assert_eq!(profile.trim.last_m, VehicleProfile::default().trim.last_m);
        assert_eq!(profile.road.speed_exponent, 0.7);
    }

    #[test]
    fn impossible_profiles_are_refused_by_name() {
        let message = |text: &str| VehicleProfile::from_toml(text).unwrap_err().to_string();
        assert!(message("[road]\nwindow_m = -1").contains("road.window_m = -1"));
        assert!(message("[road]\nwindow = 3").contains("window"));
        assert!(message("[trim]\nlast_m = nan").contains("trim.last_m"));
        assert!(message("[air]\nno2_n_t = []").contains("air.no2_n_t"));
        // Found by fuzzing: the first panicked in the clock, the second looked back for the sun for ever.
        assert!(message("[clock]\nslew_max_ppm = -1.0").contains("clock.slew_max_ppm"));
        assert!(message("[thermal]\nsun_rest_s = 9000000000000000000").contains("thermal.sun_rest_s"));
        assert!(message("[mobile]\nlte_sinr = \"decibel\"").contains("decibel"));
        for (key, value) in [
            ("clock.slow_down_share", "0.0"),
            ("clock.host_after_s", "-1"),
            ("clock.host_time", "\"sometimes\""),
            ("geotag.fix_age_max_s", "nan"),
            ("air.powertrain", "\"steam\""),
            ("air.own_rise_window_s", "0"),
            ("road.mounting_moved_deg", "180"),
            ("road.mounting_memory_s", "0"),
            ("thermal.range_m", "[12.0, 4.0]"),
            ("thermal.field_deg", "[55.0, 180.0]"),
            ("thermal.person_area_m2", "[4.0, 0.4]"),
            ("thermal.sky_clearness", "1.5"),
        ] {
            let (table, name) = key.split_once('.').unwrap();
            let text = message(&format!("[{table}]\n{name} = {value}"));
            // A word that is none is named by the reader of TOML, all others by their key.
            assert!(text.contains(if value.contains('"') { value.trim_matches('"') } else { key }), "{text}");
        }
    }

    #[test]
    fn nested_in_another_configuration() {
        #[derive(Deserialize)]
        struct Agent {
            profile: VehicleProfile,
        }
        let agent: Agent = toml::from_str("[profile.health]\ninterval_s = 30").unwrap();
        assert_eq!(agent.profile.health.interval_s, 30);
    }

    #[test]
    fn round_trip() {
        let profile = VehicleProfile::default();
        let text = toml::to_string(&profile).unwrap();
        assert_eq!(VehicleProfile::from_toml(&text).unwrap(), profile);
    }
}
