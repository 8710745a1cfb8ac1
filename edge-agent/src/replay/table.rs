//! CSV of acceleration and of fixes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use tournee_features::VehicleProfile;
use tournee_features::road::STANDARD_GRAVITY_MPS2;
use tournee_link::{ACCEL_BLOCK_MAX, Accel, Gnss, Message};

use super::source::{Item, Lines, Source, UTC_FROM_US, micros};

/// Micro-g per unit: 16 bits reach ±16 g.
const SCALE_UG: u16 = 500;
/// Rows from which the rate is taken.
const RATE_ROWS: usize = 1_000;
/// A row so many periods after the last one begins a new block.
const HOLE_PERIODS: f64 = 1.5;
/// Courses from here on are unknown, hundredths of a degree; see [`Gnss`].
const HEADING_UNKNOWN_CDEG: u16 = 36_000;

/// Where the columns stand.
#[derive(Clone, Debug, PartialEq)]
pub enum TableKind {
    Accel { t_s: usize, axes: [usize; 3] },
    Fixes(FixColumns),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FixColumns {
    t_s: Option<usize>,
    utc_ms: Option<usize>,
    lat: usize,
    lon: usize,
    speed: usize,
    heading: Option<usize>,
    h_acc_m: Option<usize>,
    sats: Option<usize>,
    hdop: Option<usize>,
}

impl TableKind {
    /// By the header line; none when the columns are not there.
    pub fn of_header(line: &str) -> Option<Self> {
        let names: Vec<&str> = line.trim().trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
        let column = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|it| it == name));
        let t_s = column(&["t_s"]);
        for axes in [["x", "y", "z"], ["x_mps2", "y_mps2", "z_mps2"], ["forward", "right", "down"]] {
            if let (Some(t_s), [Some(x), Some(y), Some(z)]) = (t_s, axes.map(|axis| column(&[axis]))) {
                return Some(Self::Accel { t_s, axes: [x, y, z] });
            }
        }
        let utc_ms = column(&["utc_timestamp_ms", "utc_ms"]);
        t_s.or(utc_ms)?;
        Some(Self::Fixes(FixColumns {
            t_s,
            utc_ms,
            lat: column(&["latitude_deg", "lat_deg"])?,
            lon: column(&["longitude_deg", "lon_deg"])?,
            speed: column(&["speed_mps"])?,
            heading: column(&["bearing_deg", "heading_deg"]),
            h_acc_m: column(&["h_acc_m"]),
            sats: column(&["sats"]),
            hdop: column(&["hdop"]),
        }))
    }
}

/// One row of acceleration: time, and m/s².
type Row = (i64, [f64; 3]);

pub struct Table {
    lines: Lines,
    kind: TableKind,
    header_read: bool,
    /// Rows of acceleration that were read ahead.
    ahead: VecDeque<Row>,
    /// Samples per second, once known.
    rate_hz: Option<u16>,
    /// A block follows a hole.
    hole: bool,
    last_us: Option<i64>,
    /// For fixes without satellites and dilution: what just passes the gates of the profile.
    assumed: (u8, u16),
    bad_rows: u64,
    out_of_order: u64,
    clipped: u64,
}

impl Table {
    pub fn new(file: File, kind: TableKind, profile: &VehicleProfile) -> Self {
        let hdop_centi = (profile.geotag.hdop_max * 100.0).clamp(0.0, f64::from(u16::MAX)) as u16;
        Self {
            lines: Lines::new(file),
            kind,
            header_read: false,
            ahead: VecDeque::new(),
            rate_hz: None,
            hole: false,
            last_us: None,
            assumed: (profile.geotag.sats_min, hdop_centi),
            bad_rows: 0,
            out_of_order: 0,
            clipped: 0,
        }
    }

    /// The next row whose fields `read` accepts and whose time rises.
    fn row<T>(&mut self, read: impl Fn(&[f64]) -> Option<(i64, T)>) -> io::Result<Option<(i64, T)>> {
        loop {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if !self.header_read {
                self.header_read = true;
                continue;
            }
            if line.is_empty() {
                continue;
            }
            // A column that is no number, or empty, is NaN, and only bad where it is needed.
            let fields: Vec<f64> = line.split(',').map(|field| field.trim().parse().unwrap_or(f64::NAN)).collect();
            match read(&fields) {
                None => self.bad_rows += 1,
                Some((t_us, _)) if self.last_us.is_some_and(|last_us| t_us <= last_us) => self.out_of_order += 1,
                Some(row) => {
                    self.last_us = Some(row.0);
                    return Ok(Some(row));
                }
            }
        }
    }

    fn accel(&mut self, t_s: usize, axes: [usize; 3]) -> io::Result<Option<Item>> {
        while self.ahead.len() < RATE_ROWS {
            let row = self.row(|fields| {
                let t_us = micros(*fields.get(t_s)?).filter(|t_us| *t_us >= 0)?;
                let a = axes.map(|axis| fields.get(axis).copied().unwrap_or(f64::NAN));
                a.iter().all(|value| value.is_finite()).then_some((t_us, a))
            })?;
            match row {
                Some(row) => self.ahead.push_back(row),
                None => break,
            }
        }
        let rate_hz = match self.rate_hz {
            Some(rate_hz) => rate_hz,
            None => {
                let Some(rate_hz) = rate_of(&self.ahead) else {
                    self.bad_rows += self.ahead.len() as u64;
                    self.ahead.clear();
                    return Ok(None);
                };
                *self.rate_hz.insert(rate_hz)
            }
        };
        let Some((t_us, first)) = self.ahead.pop_front() else { return Ok(None) };
        let mut block = Accel {
            odr_hz: rate_hz,
            scale_ug: SCALE_UG,
            // How many are missing is not known, only that some are.
            lost: u16::from(std::mem::take(&mut self.hole)),
            samples: Default::default(),
        };
        let raw = self.raw(first);
        let _ = block.samples.push(raw);
        let period_us = 1e6 / f64::from(rate_hz);
        let mut last_us = t_us;
        while block.samples.len() < ACCEL_BLOCK_MAX {
            let Some((next_us, a)) = self.ahead.front().copied() else { break };
            if (next_us - last_us) as f64 > HOLE_PERIODS * period_us {
                self.hole = true;
                break;
            }
            self.ahead.pop_front();
            let raw = self.raw(a);
            let _ = block.samples.push(raw);
            last_us = next_us;
        }
        Ok(Some(Item { t_us, message: Message::Accel(block) }))
    }

    fn raw(&mut self, a_mps2: [f64; 3]) -> [i16; 3] {
        a_mps2.map(|value| {
            let units = (value / STANDARD_GRAVITY_MPS2 * 1e6 / f64::from(SCALE_UG)).round();
            self.clipped += u64::from(units.abs() > f64::from(i16::MAX));
            // The cast saturates.
            units as i16
        })
    }

    fn fix(&mut self, columns: &FixColumns) -> io::Result<Option<Item>> {
        let assumed = self.assumed;
        let row = self.row(|fields| fix(fields, columns, assumed))?;
        Ok(row.map(|(t_us, gnss)| Item { t_us, message: Message::Gnss(gnss) }))
    }
}

/// Samples per second by the median step, rounded; none for fewer than two rows or what no sensor does.
fn rate_of(rows: &VecDeque<Row>) -> Option<u16> {
    let mut steps: Vec<i64> = rows.iter().zip(rows.iter().skip(1)).map(|(a, b)| b.0 - a.0).collect();
    steps.sort_unstable();
    let step_us = *steps.get(steps.len() / 2)?;
    let rate_hz = (1e6 / step_us as f64).round();
    (1.0..=10_000.0).contains(&rate_hz).then_some(rate_hz as u16)
}

fn fix(fields: &[f64], columns: &FixColumns, assumed: (u8, u16)) -> Option<(i64, Gnss)> {
    let value = |column: Option<usize>| fields.get(column?).copied().filter(|value| value.is_finite());
    let utc_us = value(columns.utc_ms).and_then(|ms| micros(ms / 1e3)).filter(|us| *us >= UTC_FROM_US);
    let t_us = match columns.t_s {
        Some(_) => value(columns.t_s).and_then(micros),
        None => utc_us,
    };
    let t_us = t_us.filter(|t_us| *t_us >= 0)?;
    let lat = value(Some(columns.lat)).filter(|lat| lat.abs() <= 90.0)?;
    let lon = value(Some(columns.lon)).filter(|lon| lon.abs() <= 180.0)?;
    let speed = value(Some(columns.speed)).filter(|speed| (0.0..=1_000.0).contains(speed))?;
    let heading = value(columns.heading).map(|deg| (deg.rem_euclid(360.0) * 100.0).round() as u16);
    let sats = value(columns.sats).map_or(assumed.0, |sats| sats.clamp(0.0, 255.0) as u8);
    let hdop_centi = value(columns.hdop).map_or(assumed.1, |hdop| (hdop * 100.0).clamp(0.0, 65_535.0) as u16);
    let gnss = Gnss {
        // Where the clock of the table is UTC, it is the time of the fix.
        utc_us: utc_us.unwrap_or(if t_us >= UTC_FROM_US { t_us } else { 0 }),
        fix: 3,
        sats,
        hdop_centi,
        lat_e7: (lat * 1e7).round() as i32,
        lon_e7: (lon * 1e7).round() as i32,
        h_acc_mm: value(columns.h_acc_m).map_or(0, |m| (m * 1e3).clamp(0.0, 4e9) as u32),
        speed_mmps: (speed * 1e3).round() as u32,
        heading_cdeg: heading.map_or(HEADING_UNKNOWN_CDEG, |cdeg| cdeg % HEADING_UNKNOWN_CDEG),
    };
    Some((t_us, gnss))
}

impl Source for Table {
    fn next(&mut self) -> io::Result<Option<Item>> {
        match self.kind.clone() {
            TableKind::Accel { t_s, axes } => self.accel(t_s, axes),
            TableKind::Fixes(columns) => self.fix(&columns),
        }
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("rows that lack a value", self.bad_rows),
            ("rows not after the last", self.out_of_order),
            ("values beyond 16 g, clipped", self.clipped),
            ("lines that are too long", self.lines.cut),
        ]
    }

    fn has_bare_fixes(&self) -> bool {
        matches!(&self.kind, TableKind::Fixes(columns) if columns.sats.is_none() || columns.hdop.is_none())
    }
}
