//! The air: background, rush hours, street field, weather, and the cell that turns NO2 into voltages.

use crate::random::{SmoothField, gauss, hash, unit};

/// Calibration of an electrochemical NO2 cell, as its maker's certificate gives it.
///
/// The twin inverts algorithm 1 of Alphasense AAN 803-05 with these numbers; whoever reads it needs the same ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct No2Cell {
    /// Electronic zero of the working electrode, mV.
    pub we_zero_mv: f64,
    /// Electronic zero of the auxiliary electrode, mV.
    pub ae_zero_mv: f64,
    /// Sensitivity, mV/ppb.
    pub sensitivity_mv_per_ppb: f64,
    /// Factor n of algorithm 1 at −30, −20, … 50 °C; linear between, constant outside.
    pub n_by_temp: [f64; 9],
    /// µg/m³ per ppb at the reference state, 20 °C and 101.325 kPa.
    pub ugm3_per_ppb: f64,
}

/// The cell of every twin box: NO2-B43F, table 3 of AAN 803-05.
pub const NO2_CELL: No2Cell = No2Cell {
    we_zero_mv: 260.0,
    ae_zero_mv: 250.0,
    sensitivity_mv_per_ppb: 0.30,
    n_by_temp: [1.3, 1.3, 1.3, 1.3, 1.0, 0.6, 0.4, 0.2, -1.5],
    ugm3_per_ppb: 1.912_5,
};

impl No2Cell {
    /// The factor n at this temperature.
    #[must_use]
    pub fn n_at(&self, temp_degc: f64) -> f64 {
        let position = ((temp_degc + 30.0) / 10.0).clamp(0.0, 8.0);
        let below = (position.floor() as usize).min(7);
        let part = position - below as f64;
        self.n_by_temp[below] * (1.0 - part) + self.n_by_temp[below + 1] * part
    }

    /// Working electrode in mV for this concentration, given the auxiliary electrode.
    #[must_use]
    pub fn working_mv(&self, no2_ugm3: f64, temp_degc: f64, auxiliary_mv: f64) -> f64 {
        no2_ugm3 / self.ugm3_per_ppb * self.sensitivity_mv_per_ppb
            + self.we_zero_mv
            + self.n_at(temp_degc) * (auxiliary_mv - self.ae_zero_mv)
    }
}

/// The weather and the background of a moment, the same all over town.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sky {
    pub(crate) temp_degc: f64,
    pub(crate) rh_pct: f64,
    pub(crate) pressure_pa: f64,
    pub(crate) pm25_background_ugm3: f64,
    pub(crate) no2_background_ugm3: f64,
    /// What the street's own part is multiplied with.
    pub(crate) rush: f64,
    /// How much the sun warms a wall that faces it, K.
    pub(crate) sun_k: f64,
}

/// Mean of the days' backgrounds, µg/m³.
const PM25_BACKGROUND_UGM3: f64 = 9.0;
/// How much more NO2 than PM2.5 a street adds, µg/m³ per µg/m³.
pub(crate) const NO2_PER_PM25: f64 = 1.8;

/// Weather of a moment.
pub(crate) fn sky(seed: u64, utc_us: i64) -> Sky {
    let hour = utc_us.rem_euclid(86_400_000_000) as f64 / 3.6e9;
    let day = utc_us.div_euclid(86_400_000_000) as u64;
    let of_day = |what: u64| gauss(hash(&[seed, day, what]));
    // January in the west of France: days of about 1 to 6 °C, coldest before dawn, warmest at about 14 h UTC.
    let swing = ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos();
    let temp_degc = (3.5 + 1.5 * of_day(1)).clamp(-2.0, 6.5) + 2.2 * swing;
    Sky {
        temp_degc,
        rh_pct: (80.0 + 4.0 * of_day(2) - 6.0 * swing).clamp(50.0, 94.0),
        pressure_pa: 101_600.0 + 700.0 * of_day(3),
        pm25_background_ugm3: (PM25_BACKGROUND_UGM3 + 1.5 * of_day(4)).max(4.0) * (1.0 - 0.08 * swing),
        no2_background_ugm3: (11.0 + 2.0 * of_day(5)).max(4.0),
        rush: rush(hour),
        sun_k: sun_k(hour),
    }
}

/// Traffic: rush hours 7:30–9:30 and 16:30–18:30 local time (UTC + 1 in January).
fn rush(utc_hour: f64) -> f64 {
    let local = utc_hour + 1.0;
    let bump = |middle: f64| (-((local - middle) / 1.0).powi(4)).exp();
    let day = 1.0 / (1.0 + ((6.0 - local) * 3.0).exp()) / (1.0 + ((local - 21.0) * 2.0).exp());
    0.6 + 0.25 * day + 0.65 * (bump(8.5) + bump(17.5))
}

/// The sun on walls near 47.6° north in January (declination −21°, solar noon at 12:16 UTC), fading after sunset with
/// a half-life of one hour.
fn sun_k(utc_hour: f64) -> f64 {
    let height = |hour: f64| {
        let angle = ((hour - 12.27) * 15.0).to_radians();
        let (latitude, declination) = (47.6_f64.to_radians(), (-21.0_f64).to_radians());
        latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * angle.cos()
    };
    let noon = height(12.27);
    (0..6).map(|back| (height(utc_hour - f64::from(back)) / noon).max(0.0) * 0.5_f64.powi(back)).fold(0.0, f64::max)
        * 8.0
}

/// The street's own part of PM2.5: what traffic adds around main junctions, before the rush factor.
#[derive(Debug)]
pub(crate) struct AirField {
    spots: Vec<([f64; 2], f64, f64)>,
    smooth: SmoothField,
    mean_rush: f64,
    mean_background: f64,
}

impl AirField {
    /// Some of the junctions become hot spots.
    pub(crate) fn new(seed: u64, junctions: &[(f64, f64)]) -> Self {
        let wanted = (junctions.len() / 14).clamp(3, 48).min(junctions.len());
        let mut ranked: Vec<(u64, (f64, f64))> =
            junctions.iter().enumerate().map(|(n, at)| (hash(&[seed, n as u64, 21]), *at)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let spots = ranked
            .iter()
            .take(wanted)
            .map(|(bits, (x, y))| {
                let amplitude = 5.0 + 13.0 * unit(hash(&[*bits, 1]));
                let radius = 70.0 + 90.0 * unit(hash(&[*bits, 2]));
                ([*x, *y], amplitude, 1.0 / (2.0 * radius * radius))
            })
            .collect();
        let steps = 24 * 4;
        let mean_rush = (0..steps).map(|n| rush(f64::from(n) / 4.0)).sum::<f64>() / f64::from(steps);
        Self {
            spots,
            smooth: SmoothField::new(hash(&[seed, 22]), 250.0, 1_500.0),
            mean_rush,
            mean_background: PM25_BACKGROUND_UGM3,
        }
    }

    /// µg/m³ at rush factor 1.
    pub(crate) fn street_ugm3(&self, at: (f64, f64)) -> f64 {
        let near: f64 = self
            .spots
            .iter()
            .map(|([x, y], amplitude, k)| {
                let reach = ((at.0 - x).powi(2) + (at.1 - y).powi(2)) * k;
                if reach < 12.0 { amplitude * (-reach).exp() } else { 0.0 }
            })
            .sum();
        near + (2.0 + 1.2 * self.smooth.at(at)).max(0.0)
    }

    /// Mean over time at a place, background included.
    pub(crate) fn mean_ugm3(&self, at: (f64, f64)) -> f64 {
        self.mean_background + self.mean_rush * self.street_ugm3(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_is_inverted_exactly() {
        // The worked example: WEu 300, WEe 260, AEu 285, AEe 250 mV at 20 °C give 121.125 µg/m³.
        assert!((NO2_CELL.working_mv(121.125, 20.0, 285.0) - 300.0).abs() < 1e-9);
        assert!((NO2_CELL.n_at(25.0) - 0.5).abs() < 1e-12);
        assert!((NO2_CELL.n_at(60.0) + 1.5).abs() < 1e-12);
    }

    #[test]
    fn no_sun_before_dawn_and_traffic_at_rush_hour() {
        assert!(sun_k(5.0) < 1e-9);
        assert!(sun_k(12.0) > 7.5);
        assert!(sun_k(16.2) > 1.0, "walls keep some of it");
        assert!(rush(7.5) > 1.3 && rush(4.5) < 0.7);
    }
}
