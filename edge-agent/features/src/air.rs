//! One air row per second of box time in which an air sensor spoke.

use std::collections::VecDeque;

use tournee_link::{Climate, Co2, No2, PM_NOT_MEASURED, Pm};
use tournee_payload::{Sample, Stream};

use crate::profile::{AirProfile, Powertrain};
use crate::{flags, ids};

const SECOND_US: i64 = 1_000_000;
/// Spacing of the temperatures that are remembered for the transient check.
const MEMORY_STEP_US: i64 = 60 * SECOND_US;

/// NO2 in µg/m³ at the reporting condition, Alphasense AAN 803 algorithm 1:
/// `WEc = (WEu − WEe) − n_T (AEu − AEe)`, divided by the sensitivity. Inputs in µV and °C.
#[must_use]
pub fn no2_ugm3(we_uv: f64, ae_uv: f64, temp_degc: f64, profile: &AirProfile) -> f64 {
    no2_corrected_mv(we_uv, ae_uv, temp_degc, profile) / profile.no2_sensitivity_mv_per_ppb * profile.no2_ugm3_per_ppb
}

/// The corrected working electrode, mV.
#[must_use]
pub fn no2_corrected_mv(we_uv: f64, ae_uv: f64, temp_degc: f64, profile: &AirProfile) -> f64 {
    let n_t = table(&profile.no2_n_t, profile.no2_table_first_degc, profile.no2_table_step_degc, temp_degc);
    ((we_uv - profile.no2_we_zero_uv) - n_t * (ae_uv - profile.no2_ae_zero_uv)) / 1000.0
}

/// Linear interpolation in an evenly spaced table, clamped at its ends.
fn table(values: &[f64], first: f64, step: f64, at: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    let place = ((at - first) / step).clamp(0.0, last as f64);
    let low = place.floor() as usize;
    let value = |index: usize| values.get(index.min(last)).copied().unwrap_or(f64::NAN);
    value(low) + (value(low + 1) - value(low)) * (place - low as f64)
}

/// The bits of a row with those of the vehicle's own exhaust, science §2.2.4: with an engine, below a speed and for a while
/// after standing. `speed_mps`: of the row; `slowest_mps`: of the while before it. [`flags::OWN_EXHAUST_RISE`], which the row
/// brings from its sensors, stays only beside it. Where no speed is known nothing is said: the row has no position either.
#[must_use]
pub fn own_exhaust(bits: u32, speed_mps: Option<f64>, slowest_mps: Option<f64>, profile: &AirProfile) -> u32 {
    let below = |speed_mps: Option<f64>, limit_kmh: f64| speed_mps.is_some_and(|speed| speed * 3.6 < limit_kmh);
    let may_be = profile.powertrain == Powertrain::Combustion
        && (below(speed_mps, profile.own_speed_min_kmh) || below(slowest_mps, profile.own_stop_speed_kmh));
    if may_be { bits | flags::OWN_EXHAUST } else { bits & !flags::OWN_EXHAUST_RISE }
}

/// The lowest value within a while; says whether a new one lies far above it.
#[derive(Debug, Default)]
struct Lowest(VecDeque<(i64, f64)>);

impl Lowest {
    /// Takes a value; the list rises, so that its first is the lowest of the while.
    fn is_rise(&mut self, at_us: i64, value: f64, window_us: i64, rise: f64) -> bool {
        while self.0.pop_front_if(|(old_us, _)| at_us.saturating_sub(*old_us) > window_us).is_some() {}
        while self.0.pop_back_if(|(_, old)| *old >= value).is_some() {}
        self.0.push_back((at_us, value));
        // A row a second bounds the length for rising times; this bounds it for any.
        while self.0.len() > 1_024 {
            self.0.pop_front();
        }
        self.0.front().is_some_and(|(_, lowest)| value - lowest > rise)
    }
}

/// The newest reading of a sensor: its tick, and nothing when the sensor reported a fault.
type Held<T> = Option<(i64, Option<T>)>;

/// Collects readings into rows.
#[derive(Debug)]
pub struct AirStage {
    profile: AirProfile,
    second: Option<(i64, i64)>,
    pm: Held<Pm>,
    climate: Held<Climate>,
    co2: Held<Co2>,
    no2: Held<No2>,
    memory: VecDeque<(i64, f64)>,
    transient_until_us: Option<i64>,
    lowest_co2: Lowest,
    lowest_no2: Lowest,
}

impl AirStage {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(profile: AirProfile) -> Self {
        Self {
            profile,
            second: None,
            pm: None,
            climate: None,
            co2: None,
            no2: None,
            memory: VecDeque::new(),
            transient_until_us: None,
            lowest_co2: Lowest::default(),
            lowest_no2: Lowest::default(),
        }
    }

    /// A particulate reading. Returns the row of an earlier second that is now complete, as do the others.
    pub fn pm(&mut self, tick_us: i64, reading: &Pm) -> Option<(i64, Sample)> {
        let row = self.enter(tick_us);
        self.pm = Some((tick_us, (reading.status == 0).then_some(*reading)));
        row
    }

    /// A climate reading.
    pub fn climate(&mut self, tick_us: i64, reading: &Climate) -> Option<(i64, Sample)> {
        let row = self.enter(tick_us);
        self.climate = Some((tick_us, (reading.status == 0).then_some(*reading)));
        if reading.status == 0 {
            self.remember(tick_us, f64::from(reading.temp_cdegc) / 100.0);
        }
        row
    }

    /// A carbon dioxide reading.
    pub fn co2(&mut self, tick_us: i64, reading: &Co2) -> Option<(i64, Sample)> {
        let row = self.enter(tick_us);
        self.co2 = Some((tick_us, (reading.status == 0).then_some(*reading)));
        row
    }

    /// A reading of the NO2 cell.
    pub fn no2(&mut self, tick_us: i64, reading: &No2) -> Option<(i64, Sample)> {
        let row = self.enter(tick_us);
        self.no2 = Some((tick_us, (reading.status == 0).then_some(*reading)));
        row
    }

    /// The open row once the box is two seconds past it.
    pub fn at(&mut self, now_us: i64) -> Option<(i64, Sample)> {
        let (second, _) = self.second?;
        (now_us.div_euclid(SECOND_US) >= second.saturating_add(2)).then(|| self.close()).flatten()
    }

    /// The open row, whatever the time.
    pub fn close(&mut self) -> Option<(i64, Sample)> {
        let (second, tick_us) = self.second.take()?;
        Some((tick_us, self.row(second.saturating_mul(SECOND_US))))
    }

    /// Newest air temperature of at most this age, °C.
    #[must_use]
    pub fn temperature_degc(&self, tick_us: i64, age_max_s: i64) -> Option<f64> {
        let (tick, reading) = self.climate?;
        let age_us = tick_us.saturating_sub(tick).saturating_abs();
        reading.filter(|_| age_us <= age_max_s.saturating_mul(SECOND_US)).map(|it| f64::from(it.temp_cdegc) / 100.0)
    }

    fn enter(&mut self, tick_us: i64) -> Option<(i64, Sample)> {
        let second = tick_us.div_euclid(SECOND_US);
        let row = match self.second {
            // A late reading joins the open second: its row must not be written twice.
            Some((open, _)) if second <= open => return None,
            Some(_) => self.close(),
            None => None,
        };
        self.second = Some((second, tick_us));
        row
    }

    fn remember(&mut self, tick_us: i64, temp_degc: f64) {
        let window_us = self.profile.transient_window_s.saturating_mul(SECOND_US);
        while self.memory.front().is_some_and(|(tick, _)| tick_us.saturating_sub(*tick) > window_us) {
            self.memory.pop_front();
        }
        if self.memory.iter().any(|(_, old)| (temp_degc - old).abs() > self.profile.transient_k) {
            self.transient_until_us =
                Some(tick_us.saturating_add(self.profile.transient_hold_s.saturating_mul(SECOND_US)));
        }
        if self.memory.back().is_none_or(|(tick, _)| tick_us.saturating_sub(*tick) >= MEMORY_STEP_US) {
            self.memory.push_back((tick_us, temp_degc));
        }
        // The spacing bounds the length for rising ticks; this bounds it for any.
        while self.memory.len() > 256 {
            self.memory.pop_front();
        }
    }

    fn row(&mut self, second_us: i64) -> Sample {
        let mut sample = Sample::new(Stream::Air);
        let mut bits = 0;
        let oldest_us = second_us.saturating_sub(self.profile.hold_s.saturating_mul(SECOND_US));
        let pm = valid(&self.pm, oldest_us, &mut bits);
        let climate = valid(&self.climate, oldest_us, &mut bits);
        let co2 = valid(&self.co2, oldest_us, &mut bits);
        let no2 = valid(&self.no2, oldest_us, &mut bits);
        if let Some(pm) = pm {
            let pm1 = Some(pm.pm1_dugm3).filter(|pm1| *pm1 != PM_NOT_MEASURED);
            sample.set(ids::air::PM1, pm1.map(i64::from));
            sample.set(ids::air::PM25, Some(i64::from(pm.pm25_dugm3)));
            sample.set(ids::air::PM10, Some(i64::from(pm.pm10_dugm3)));
        }
        if let Some(climate) = climate {
            sample.set(ids::air::TEMP, Some(i64::from(climate.temp_cdegc)));
            sample.set_scaled(ids::air::RH, f64::from(climate.rh_cpct) / 100.0);
            sample.set_scaled(ids::air::PRESSURE, f64::from(climate.pressure_pa) / 100.0);
        }
        let rise_us = self.profile.own_rise_window_s.saturating_mul(SECOND_US);
        if let Some(co2) = co2 {
            sample.set(ids::air::CO2, Some(i64::from(co2.ppm)));
            if self.lowest_co2.is_rise(second_us, f64::from(co2.ppm), rise_us, self.profile.own_co2_rise_ppm) {
                bits |= flags::OWN_EXHAUST_RISE;
            }
        }
        match (no2, climate) {
            (Some(no2), Some(climate)) => {
                let temp_degc = f64::from(climate.temp_cdegc) / 100.0;
                let value = no2_ugm3(f64::from(no2.we_uv), f64::from(no2.ae_uv), temp_degc, &self.profile);
                if self.transient_until_us.is_some_and(|until| second_us < until) {
                    bits |= flags::NO2_TRANSIENT;
                } else {
                    sample.set_scaled(ids::air::NO2, value);
                    if self.lowest_no2.is_rise(second_us, value, rise_us, self.profile.own_no2_rise_ugm3) {
                        bits |= flags::OWN_EXHAUST_RISE;
                    }
                }
            }
            (Some(_), None) => bits |= flags::NO2_NO_TEMPERATURE,
            _ => {}
        }
        sample.set(ids::FLAGS, Some(i64::from(bits)));
        sample
    }
}

fn valid<T: Copy>(held: &Held<T>, oldest_us: i64, bits: &mut u32) -> Option<T> {
    let (tick_us, reading) = (*held)?;
    if tick_us < oldest_us {
        return None;
    }
    if reading.is_none() {
        *bits |= flags::SENSOR_FAULT;
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::VehicleProfile;

    fn profile() -> AirProfile {
        VehicleProfile::default().air
    }

    #[test]
    fn golden_u3() {
        let profile = profile();
        let close = |value: f64, golden: f64| assert!((value / golden - 1.0).abs() < 1e-4, "{value} is not {golden}");
        close(no2_corrected_mv(300_000.0, 285_000.0, 20.0, &profile), 19.0);
        close(no2_ugm3(300_000.0, 285_000.0, 20.0, &profile), 121.125);
        close(no2_ugm3(300_000.0, 285_000.0, 20.0, &profile) / profile.no2_ugm3_per_ppb, 63.333);
        close(no2_corrected_mv(300_000.0, 285_000.0, 25.0, &profile), 22.5);
        // 60 °C is off the table: n_T stays at -1.5.
        close(no2_corrected_mv(300_000.0, 285_000.0, 60.0, &profile), 40.0 + 1.5 * 35.0);
        close(no2_corrected_mv(300_000.0, 285_000.0, -60.0, &profile), 40.0 - 1.3 * 35.0);
    }

    const CLIMATE: Climate = Climate { status: 0, temp_cdegc: 2_000, rh_cpct: 5_555, pressure_pa: 101_325 };
    const NO2: No2 = No2 { status: 0, we_uv: 300_000, ae_uv: 285_000 };
    const PM: Pm = Pm { status: 0, pm1_dugm3: 40, pm25_dugm3: 123, pm10_dugm3: 200 };

    #[test]
    fn a_row_per_second() {
        let mut stage = AirStage::new(profile());
        assert_eq!(stage.climate(10_000_000, &CLIMATE), None);
        assert_eq!(stage.no2(10_100_000, &NO2), None);
        assert_eq!(stage.pm(10_200_000, &PM), None);
        assert_eq!(stage.co2(10_300_000, &Co2 { status: 0, ppm: 415 }), None);
        let (tick_us, row) = stage.pm(11_200_000, &Pm { pm25_dugm3: 130, ..PM }).unwrap();
        assert_eq!(tick_us, 10_000_000);
        assert_eq!(row.get(ids::air::PM25), Some(123));
        assert_eq!(row.get(ids::air::NO2), Some(1_211));
        assert_eq!(row.get(ids::air::CO2), Some(415));
        assert_eq!(row.get(ids::air::RH), Some(556));
        assert_eq!(row.get(ids::air::PRESSURE), Some(10_133));
        assert_eq!(row.get(ids::FLAGS), Some(0));
        // The next row repeats what is still fresh, and closes by itself.
        assert_eq!(stage.at(12_900_000), None);
        let (_, row) = stage.at(13_000_000).unwrap();
        assert_eq!((row.get(ids::air::PM25), row.get(ids::air::CO2)), (Some(130), Some(415)));
        // Twelve seconds later the others are old.
        stage.pm(25_000_000, &PM);
        let (_, row) = stage.close().unwrap();
        assert_eq!((row.get(ids::air::CO2), row.get(ids::air::NO2)), (None, None));
    }

    #[test]
    fn faults_empty_their_values_and_say_so() {
        let mut stage = AirStage::new(profile());
        stage.pm(0, &Pm { status: 3, ..PM });
        stage.no2(0, &NO2);
        let (_, row) = stage.close().unwrap();
        assert_eq!((row.get(ids::air::PM25), row.get(ids::air::NO2)), (None, None));
        assert_eq!(row.get(ids::FLAGS), Some(i64::from(flags::SENSOR_FAULT | flags::NO2_NO_TEMPERATURE)));
    }

    #[test]
    fn a_fast_temperature_change_is_flagged_for_ten_minutes() {
        let mut stage = AirStage::new(profile());
        let flagged = |row: Option<(i64, Sample)>| {
            let row = row.unwrap().1;
            let is_flagged = row.get(ids::FLAGS) == Some(i64::from(flags::NO2_TRANSIENT));
            // Void, and nothing else of the row with it.
            assert_eq!(row.get(ids::air::NO2).is_none(), is_flagged);
            assert!(row.get(ids::air::TEMP).is_some());
            is_flagged
        };
        stage.climate(0, &CLIMATE);
        stage.climate(300_000_000, &Climate { temp_cdegc: 1_000, ..CLIMATE });
        stage.no2(300_000_000, &NO2);
        assert!(flagged(stage.close()));
        for second in 301..2_600 {
            stage.climate(second * SECOND_US, &Climate { temp_cdegc: 1_000, ..CLIMATE });
        }
        stage.no2(2_600 * SECOND_US, &NO2);
        assert!(!flagged(stage.close()));
    }

    #[test]
    fn the_void_ends_ten_minutes_after_the_change_and_a_slow_change_is_none() {
        let mut stage = AirStage::new(profile());
        // 4 K in half an hour: slow enough, whatever comes later.
        let mut flagged = Vec::new();
        for minute in 0..120 {
            let temp_cdegc = 2_000 - (minute * 400 / 30) as i16 - if minute >= 60 { 600 } else { 0 };
            stage.climate(minute * 60 * SECOND_US, &Climate { temp_cdegc, ..CLIMATE });
            stage.no2(minute * 60 * SECOND_US, &NO2);
            if stage.close().unwrap().1.get(ids::FLAGS) != Some(0) {
                flagged.push(minute);
            }
        }
        // The drop of 6 K at minute 60 is seen for as long as what lies before it is within half an hour, and 10 minutes on.
        assert_eq!((flagged.first(), flagged.last()), (Some(&60), Some(&98)));
    }

    #[test]
    fn own_exhaust_is_flagged_while_slow_and_for_a_minute_after_a_stop_unless_the_vehicle_has_none() {
        let profile = profile();
        let bits = |speed_kmh: f64, slowest_kmh: f64| {
            own_exhaust(flags::OWN_EXHAUST_RISE, Some(speed_kmh / 3.6), Some(slowest_kmh / 3.6), &profile)
        };
        assert_eq!(bits(40.0, 30.0), 0, "what rises while it drives is the street's");
        assert_eq!(bits(9.0, 9.0), flags::OWN_EXHAUST | flags::OWN_EXHAUST_RISE);
        assert_eq!(bits(30.0, 4.0), flags::OWN_EXHAUST | flags::OWN_EXHAUST_RISE);
        assert_eq!(bits(30.0, 6.0), 0);
        assert_eq!(own_exhaust(0, None, None, &profile), 0);
        let electric = AirProfile { powertrain: Powertrain::Electric, ..profile };
        assert_eq!(own_exhaust(flags::OWN_EXHAUST_RISE, Some(0.0), Some(0.0), &electric), 0);
    }

    #[test]
    fn a_sharp_rise_of_co2_or_no2_is_told_from_the_lowest_of_five_minutes() {
        let mut stage = AirStage::new(profile());
        let mut second = 0;
        let mut rises = |ppm: u16, we_uv: i32, seconds: i64| {
            let mut rises = 0;
            for _ in 0..seconds {
                second += 1;
                stage.co2(second * SECOND_US, &Co2 { status: 0, ppm });
                stage.climate(second * SECOND_US, &CLIMATE);
                stage.no2(second * SECOND_US, &No2 { we_uv, ..NO2 });
                let row = stage.close().unwrap().1;
                rises += i64::from(row.get(ids::FLAGS) == Some(i64::from(flags::OWN_EXHAUST_RISE)));
            }
            rises
        };
        assert_eq!(rises(430, 300_000, 400), 0);
        assert_eq!(rises(520, 300_000, 20), 0, "within the limit");
        assert_eq!(rises(560, 300_000, 20), 20);
        // 15 mV are 50 ppb, 96 µg/m³; and a level that stays becomes the street's after five minutes.
        assert_eq!(rises(430, 315_000, 20), 20);
        assert_eq!(rises(430, 315_000, 600), 280);
    }
}
