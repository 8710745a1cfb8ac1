//! What a profile may hold.

use super::{ProfileError, VehicleProfile};

/// The sun is looked back for in steps: further than a day would say nothing and take for ever.
const SUN_REST_MAX_S: i64 = 86_400;

/// Key, value, least and most, and the same in words.
type Range = (&'static str, f64, [f64; 2], &'static str);

impl VehicleProfile {
    /// Checks every value.
    ///
    /// # Errors
    /// The first impossible value.
    pub fn check(self) -> Result<Self, ProfileError> {
        let positive = [
            ("road.window_m", self.road.window_m),
            ("road.reference_speed_kmh", self.road.reference_speed_kmh),
            ("road.gravity_cutoff_hz", self.road.gravity_cutoff_hz),
            ("road.high_pass_hz", self.road.high_pass_hz),
            ("road.low_pass_hz", self.road.low_pass_hz),
            ("road.event_window_s", self.road.event_window_s),
            ("air.no2_sensitivity_mv_per_ppb", self.air.no2_sensitivity_mv_per_ppb),
            ("air.no2_table_step_degc", self.air.no2_table_step_degc),
            ("thermal.emissivity", self.thermal.emissivity),
            ("geotag.gap_max_s", self.geotag.gap_max_s),
            ("clock.slew_max_ppm", self.clock.slew_max_ppm),
        ];
        for (key, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(ProfileError::Value { key, value, expected: "a number above 0" });
            }
        }
        for (key, value) in [("trim.first_m", self.trim.first_m), ("trim.last_m", self.trim.last_m)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ProfileError::Value { key, value, expected: "0 or more metres" });
            }
        }
        let factors = self.road.accel_scale.iter().map(|scale| ("road.accel_scale", *scale));
        let factors = factors.chain(self.thermal.camera_gain.iter().map(|gain| ("thermal.camera_gain", *gain)));
        for (key, value) in factors.chain([("health.supply_gain", self.health.supply_gain)]) {
            if !(0.5..=2.0).contains(&value) {
                return Err(ProfileError::Value {
                    key,
                    value,
                    expected: "0.5 to 2: more is a fault, not a calibration",
                });
            }
        }
        let offsets = [
            ("air.co2_offset_ppm", self.air.co2_offset_ppm),
            ("air.temp_offset_k", self.air.temp_offset_k),
            ("air.rh_offset_pct", self.air.rh_offset_pct),
            ("air.pressure_offset_pa", self.air.pressure_offset_pa),
            ("health.supply_offset_mv", self.health.supply_offset_mv),
        ];
        let offsets =
            offsets.into_iter().chain(self.road.accel_bias_mps2.iter().map(|it| ("road.accel_bias_mps2", *it)));
        for (key, value) in offsets.chain(self.thermal.camera_shift_k.iter().map(|it| ("thermal.camera_shift_k", *it)))
        {
            if !value.is_finite() {
                return Err(ProfileError::Value { key, value, expected: "a number" });
            }
        }
        for (key, value, [least, most], expected) in self.ranges() {
            if !(least..=most).contains(&value) {
                return Err(ProfileError::Value { key, value, expected });
            }
        }
        if !(0..=SUN_REST_MAX_S).contains(&self.thermal.sun_rest_s) {
            let value = self.thermal.sun_rest_s as f64;
            return Err(ProfileError::Value { key: "thermal.sun_rest_s", value, expected: "0 to 86400, a day" });
        }
        if self.air.no2_n_t.is_empty() {
            return Err(ProfileError::Value {
                key: "air.no2_n_t",
                value: 0.0,
                expected: "a list with an entry at least",
            });
        }
        if self.thermal.emissivity > 1.0 {
            let value = self.thermal.emissivity;
            return Err(ProfileError::Value { key: "thermal.emissivity", value, expected: "1 or less" });
        }
        Ok(self)
    }

    fn ranges(&self) -> [Range; 33] {
        let Self { clock, geotag, air, road, thermal, .. } = self;
        let [area_least, area_most] = thermal.person_area_m2;
        let [near, far] = thermal.range_m;
        let [columns, rows] = thermal.field_deg;
        let share = [0.0, 1.0];
        [
            ("clock.step_far_us", clock.step_far_us as f64, [1e6, 1e15], "1000000 to 1e15, microseconds"),
            ("clock.slow_down_max_us", clock.slow_down_max_us as f64, [0.0, 6e7], "0 to 60000000, microseconds"),
            ("clock.slow_down_share", clock.slow_down_share, [0.001, 0.5], "0.001 to 0.5"),
            ("clock.host_after_s", clock.host_after_s as f64, [0.0, 86_400.0], "0 to 86400, seconds"),
            ("clock.host_error_us", clock.host_error_us as f64, [0.0, 6e7], "0 to 60000000, microseconds"),
            ("geotag.h_acc_min_m", geotag.h_acc_min_m, [0.0, 1_000.0], "0 to 1000, metres"),
            ("geotag.fix_age_max_s", geotag.fix_age_max_s, [0.1, 3_600.0], "0.1 to 3600, seconds"),
            ("air.own_speed_min_kmh", air.own_speed_min_kmh, [0.0, 100.0], "0 to 100, km/h"),
            ("air.own_stop_speed_kmh", air.own_stop_speed_kmh, [0.0, 100.0], "0 to 100, km/h"),
            ("air.own_stop_hold_s", air.own_stop_hold_s as f64, [0.0, 600.0], "0 to 600, seconds"),
            ("air.own_rise_window_s", air.own_rise_window_s as f64, [1.0, 600.0], "1 to 600, seconds"),
            ("air.own_co2_rise_ppm", air.own_co2_rise_ppm, [1.0, 40_000.0], "1 to 40000, ppm"),
            ("air.own_no2_rise_ugm3", air.own_no2_rise_ugm3, [1.0, 5_000.0], "1 to 5000, µg/m³"),
            ("road.mounting_spans_min", road.mounting_spans_min.into(), [10.0, 10_000.0], "10 to 10000"),
            ("road.mounting_up_error_max_deg", road.mounting_up_error_max_deg, [0.01, 10.0], "0.01 to 10, degrees"),
            (
                "road.mounting_forward_error_max_deg",
                road.mounting_forward_error_max_deg,
                [0.01, 30.0],
                "0.01 to 30, degrees",
            ),
            ("road.mounting_memory_s", road.mounting_memory_s, [60.0, 1e7], "60 to 1e7, seconds"),
            ("road.mounting_trusted_spans", road.mounting_trusted_spans.into(), [10.0, 1e6], "10 to 1000000"),
            ("road.mounting_moved_deg", road.mounting_moved_deg, [5.0, 90.0], "5 to 90, degrees"),
            ("road.mounting_moved_s", road.mounting_moved_s, [1.0, 600.0], "1 to 600, seconds"),
            ("road.mounting_turned_deg", road.mounting_turned_deg, [1.0, 90.0], "1 to 90, degrees"),
            ("thermal.sky_below_k", thermal.sky_below_k, [0.5, 100.0], "0.5 to 100, kelvin"),
            ("thermal.sky_edge_k", thermal.sky_edge_k, [0.0, 100.0], "0 to 100, kelvin"),
            ("thermal.warm_above_k", thermal.warm_above_k, [0.5, 100.0], "0.5 to 100, kelvin"),
            ("thermal.warm_edge_k", thermal.warm_edge_k, [0.5, 100.0], "0.5 to 100, kelvin"),
            ("thermal.exhaust_above_k", thermal.exhaust_above_k, [0.5, 100.0], "0.5 to 100, kelvin"),
            ("thermal.person_area_m2", area_least, [0.0, area_most], "two areas, the smaller one first"),
            ("thermal.range_m", near, [0.1, far.min(1_000.0)], "two distances, the smaller one first"),
            ("thermal.range_m", far, [0.1, 1_000.0], "0.1 to 1000, metres"),
            ("thermal.field_deg", columns, [1.0, 170.0], "1 to 170, degrees"),
            ("thermal.field_deg", rows, [1.0, 170.0], "1 to 170, degrees"),
            ("thermal.sky_view", thermal.sky_view, share, "0 to 1"),
            ("thermal.sky_clearness", thermal.sky_clearness, share, "0 to 1"),
        ]
    }
}
