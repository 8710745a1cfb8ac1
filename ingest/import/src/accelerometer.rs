//! Acceleration and motion to road windows, through the code that runs on the vehicle.
//!
//! The two files meet on the device's clock; UTC comes from the motion file. An acceleration row is stored when it counts
//! in a window that has a roughness; every other row is refused with its reason.

use std::io::Read;

use tournee_features::flags;
use tournee_features::road::{RoadItem, RoadWindow, WindowBuilder};
use tournee_payload::{Sample, field};

use crate::error::ImportError;
use crate::mapping::{AccelerometerMapping, Mapping};
use crate::report::ImportReport;
use crate::table::{self, Column, Row};
use crate::time::Clock;

const FILE: &str = "acceleration file";
const MOTION_FILE: &str = "motion file";
/// A pair of clocks farther from the line through all of them is a wrong reading.
const PAIR_MAX_US: f64 = 1_000_000.0;

/// Reasons of a window without roughness, the most telling first.
const GATES: [(u32, &str); 5] = [
    (flags::ROAD_PARTIAL, "partial_window"),
    (flags::ROAD_SPEED, "gate_speed"),
    (flags::ROAD_FEW_SAMPLES, "gate_few_samples"),
    (flags::ROAD_BRAKING, "gate_braking"),
    (flags::ROAD_TURNING, "gate_turning"),
];

#[derive(Clone, Copy, Debug)]
struct Fix {
    t_us: i64,
    utc_us: i64,
    lat_deg: f64,
    lon_deg: f64,
    speed_mps: f64,
    heading_deg: Option<f64>,
}

pub(crate) fn import(
    reader: &mut dyn Read,
    motion: &mut dyn Read,
    mapping: &Mapping,
    sink: &mut dyn FnMut(Sample),
) -> Result<ImportReport, ImportError> {
    let Some(accelerometer) = &mapping.accelerometer else { return Err(ImportError::MotionUnwanted) };
    let fixes = read_motion(motion, accelerometer)?;
    let device = DeviceClock::fit(&fixes);
    let mut report = ImportReport::default();
    let mut builder = WindowBuilder::new(mapping.profile()?.road);
    let clock = Clock::new(&mapping.time)?;
    let end_us = fixes.last().map_or(i64::MIN, |fix| fix.t_us);
    let mut waiting = fixes.iter();
    let mut next = waiting.next();
    let mut last_us = None;
    let (_, sha256) = table::read(
        FILE,
        reader,
        &mapping.csv,
        |header| {
            let [x, y, z] = &accelerometer.axes;
            let axes = [header.column(x)?, header.column(y)?, header.column(z)?];
            Ok((header.column(&mapping.time.column)?, axes))
        },
        |(time, axes), row| {
            report.rows += 1;
            let (t_us, a_mps2) = match read_row(row, &clock, *time, axes, accelerometer.factor) {
                Ok(sample) => sample,
                Err(reason) => {
                    report.refuse(reason);
                    return Ok(());
                }
            };
            if last_us.is_some_and(|last| t_us <= last) {
                report.refuse("not_in_time_order");
                return Ok(());
            }
            last_us = Some(t_us);
            if t_us > end_us {
                report.refuse("after_last_fix");
                return Ok(());
            }
            while let Some(fix) = next.filter(|fix| fix.t_us <= t_us) {
                builder.push_motion(fix.t_us, fix.lat_deg, fix.lon_deg, fix.speed_mps, fix.heading_deg);
                next = waiting.next();
            }
            builder.push_accel(t_us, a_mps2);
            drain(&mut builder, &device, accelerometer, &mut report, sink);
            Ok(())
        },
    )?;
    for fix in next.into_iter().chain(waiting) {
        builder.push_motion(fix.t_us, fix.lat_deg, fix.lon_deg, fix.speed_mps, fix.heading_deg);
    }
    builder.finish();
    drain(&mut builder, &device, accelerometer, &mut report, sink);
    let counts = builder.counts();
    report.refuse_many("bad_value", counts.refused);
    report.refuse_many("before_first_fix", counts.before_first_fix);
    report.refuse_many("gap_between_fixes", counts.in_fix_gap);
    report.refuse_many("after_last_fix", counts.after_last_fix);
    report.sha256 = sha256;
    report.checked()
}

fn read_row(
    row: &Row<'_>,
    clock: &Clock,
    time: Column,
    axes: &[Column; 3],
    factor: f64,
) -> Result<(i64, [f64; 3]), &'static str> {
    if !row.is_whole() {
        return Err("wrong_number_of_cells");
    }
    let t_us = clock.read(row.text(time).ok_or("not_utf8")?)?.t_us;
    let mut a_mps2 = [0.0; 3];
    for (value, column) in a_mps2.iter_mut().zip(axes) {
        *value = number(row, *column).ok_or("bad_value")? * factor;
    }
    Ok((t_us, a_mps2))
}

fn number(row: &Row<'_>, column: Column) -> Option<f64> {
    row.text(column)?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn read_motion(motion: &mut dyn Read, mapping: &AccelerometerMapping) -> Result<Vec<Fix>, ImportError> {
    let columns = &mapping.motion;
    let (clock, utc_clock) = (Clock::new(&columns.time)?, Clock::new(&columns.utc)?);
    let mut fixes: Vec<Fix> = Vec::new();
    let mut report = ImportReport::default();
    table::read(
        MOTION_FILE,
        motion,
        &columns.csv,
        |header| {
            let named =
                [&columns.time.column, &columns.utc.column, &columns.latitude, &columns.longitude, &columns.speed];
            let mut found = Vec::with_capacity(named.len());
            for name in named {
                found.push(header.column(name)?);
            }
            Ok((found, columns.heading.as_deref().map(|name| header.column(name)).transpose()?))
        },
        |(found, heading), row| {
            report.rows += 1;
            let [time, utc, lat, lon, speed] = found[..] else { return Ok(()) };
            let value = |column: Column| {
                let text = row.text(column).filter(|text| !columns.sentinels.iter().any(|sentinel| sentinel == text));
                text?.parse().ok().filter(|value: &f64| value.is_finite())
            };
            let read = || {
                let t_us = clock.read(row.text(time).ok_or("not_utf8")?)?.t_us;
                let utc_us = utc_clock.read(row.text(utc).ok_or("not_utf8")?)?.t_us;
                let (lat_deg, lon_deg) = value(lat).zip(value(lon)).ok_or("no_position")?;
                if lat_deg.abs() > 90.0 || lon_deg.abs() > 180.0 || (lat_deg == 0.0 && lon_deg == 0.0) {
                    return Err("no_position");
                }
                let speed_mps = value(speed).ok_or("no_speed")? * columns.speed_factor;
                if speed_mps < 0.0 {
                    return Err("no_speed");
                }
                if fixes.last().is_some_and(|last| t_us <= last.t_us) {
                    return Err("not_in_time_order");
                }
                let heading_deg = heading.and_then(value).map(|heading| heading.rem_euclid(360.0));
                Ok(Fix { t_us, utc_us, lat_deg, lon_deg, speed_mps, heading_deg })
            };
            match read() {
                Ok(fix) => fixes.push(fix),
                Err(reason) => report.refuse(reason),
            }
            Ok(())
        },
    )?;
    if fixes.is_empty() {
        let reasons: Vec<String> = report.refused.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        return Err(ImportError::NoMotion { rows: report.rows, reasons: reasons.join(", ") });
    }
    Ok(fixes)
}

/// The device's clock in UTC: a straight line through the pairs of the motion file, without the wild ones.
#[derive(Clone, Copy, Debug)]
struct DeviceClock {
    t0_us: i64,
    utc0_us: i64,
    offset_us: f64,
    skew: f64,
}

impl DeviceClock {
    fn fit(fixes: &[Fix]) -> Self {
        let (t0_us, utc0_us) = fixes.first().map_or((0, 0), |fix| (fix.t_us, fix.utc_us));
        let mut line = Self { t0_us, utc0_us, offset_us: 0.0, skew: 0.0 };
        let pairs: Vec<(f64, f64)> = fixes
            .iter()
            .map(|fix| ((fix.t_us - t0_us) as f64, ((fix.utc_us - utc0_us) - (fix.t_us - t0_us)) as f64))
            .collect();
        let mut offsets: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        offsets.sort_by(f64::total_cmp);
        line.offset_us = offsets.get(offsets.len() / 2).copied().unwrap_or(0.0);
        let near: Vec<(f64, f64)> =
            pairs.into_iter().filter(|(_, y)| (y - line.offset_us).abs() <= PAIR_MAX_US).collect();
        let count = near.len() as f64;
        let span = near.last().map_or(0.0, |pair| pair.0);
        // Over less than ten seconds, jitter would be taken for skew.
        if span > 10e6 {
            let (mx, my) = near.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / count, y + pair.1 / count));
            let sxx: f64 = near.iter().map(|(x, _)| (x - mx).powi(2)).sum();
            let sxy: f64 = near.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
            line.skew = sxy / sxx;
            line.offset_us = my - line.skew * mx;
        }
        line
    }

    fn utc_us(&self, t_us: i64) -> i64 {
        let since_us = t_us - self.t0_us;
        self.utc0_us + since_us + (self.offset_us + self.skew * since_us as f64).round() as i64
    }
}

fn drain(
    builder: &mut WindowBuilder,
    device: &DeviceClock,
    mapping: &AccelerometerMapping,
    report: &mut ImportReport,
    sink: &mut dyn FnMut(Sample),
) {
    for item in builder.drain() {
        let (t_us, lat_deg, lon_deg, heading_deg, mut sample) = match item {
            RoadItem::Window(window) => {
                if !count(&window, report) {
                    continue;
                }
                (window.mid_us, window.lat_deg, window.lon_deg, window.heading_deg, window.row())
            }
            RoadItem::Event(event) if mapping.events => {
                (event.t_us, event.lat_deg, event.lon_deg, event.heading_deg, event.row())
            }
            RoadItem::Event(_) => continue,
        };
        sample.set(field::T_US, Some(device.utc_us(t_us)));
        sample.set(field::TICK_US, Some(t_us));
        sample.set_scaled(field::LAT_DEG, lat_deg);
        sample.set_scaled(field::LON_DEG, lon_deg);
        if let Some(heading) = heading_deg {
            sample.set_scaled(field::HEADING_DEG, heading);
        }
        if sample.void_out_of_range() > 0 {
            let bits = sample.get(field::FLAGS).unwrap_or(0) | i64::from(flags::OUT_OF_RANGE);
            sample.set(field::FLAGS, Some(bits));
        }
        report.sample(&sample);
        sink(sample);
    }
}

/// Counts a window's rows; whether it holds a roughness.
fn count(window: &RoadWindow, report: &mut ImportReport) -> bool {
    report.refuse_many("filter_settling", window.settling);
    let gate = GATES.iter().find(|(bit, _)| window.flags & bit != 0);
    match (gate, window.rough_mps2) {
        (None, Some(_)) => {
            report.stored += window.samples;
            true
        }
        (Some((_, reason)), _) => {
            report.refuse_many(reason, window.samples);
            false
        }
        (None, None) => {
            report.refuse_many("gate_few_samples", window.samples);
            false
        }
    }
}
