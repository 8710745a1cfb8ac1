//! `edge-agent windows`: what raw windows of events are on board.

use std::io::{self, Write};
use std::path::Path;

use tournee_features::calibration::Date;
use tournee_features::ids;
use tournee_payload::Sample;

use super::record::Record;
use super::{ring, windows_beside};

/// Prints the windows beside a spool, oldest first: one line each, or as CSV one line for each of their samples.
///
/// # Errors
/// When the file of windows cannot be read, or `out` takes no more.
pub fn list(spool: &Path, csv: bool, out: &mut impl Write) -> io::Result<()> {
    let path = windows_beside(spool);
    let content =
        ring::read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    if csv {
        writeln!(
            out,
            "window,time_utc,tick_us,boot_id,lat_deg,lon_deg,h_acc_m,speed_mps,peak_mps2,z_score,flags,offset_us,x_mps2,y_mps2,z_mps2"
        )?;
        for record in &content.records {
            samples(record, out)?;
        }
        return Ok(());
    }
    writeln!(
        out,
        "{:>8}  {:<24} {:>11} {:>12} {:>7} {:>9} {:>6} {:>8}",
        "window", "time (UTC)", "lat °", "lon °", "km/h", "peak m/s²", "z", "samples"
    )?;
    for Record { number, window } in &content.records {
        let of = |id, scale: f64, digits| value(&window.sample, id, scale, digits).unwrap_or_else(|| "-".to_owned());
        writeln!(
            out,
            "{number:>8}  {:<24} {:>11} {:>12} {:>7} {:>9} {:>6} {:>8}",
            time(&window.sample).unwrap_or_else(|| "-".to_owned()),
            of(ids::LAT_DEG, 1.0, 6),
            of(ids::LON_DEG, 1.0, 6),
            of(ids::SPEED_MPS, 3.6, 1),
            of(ids::road_event::PEAK, 1.0, 2),
            of(ids::road_event::Z, 1.0, 1),
            window.raw.len()
        )?;
    }
    writeln!(
        out,
        "{} windows in {}, {} damaged; they stay on board",
        content.records.len(),
        path.display(),
        content.damaged
    )
}

fn samples(record: &Record, out: &mut impl Write) -> io::Result<()> {
    let Record { number, window } = record;
    let sample = &window.sample;
    let of = |id, digits| value(sample, id, 1.0, digits).unwrap_or_default();
    let whole = |id| sample.get(id).map(|value| value.to_string()).unwrap_or_default();
    let event = format!(
        "{number},{},{},{},{},{},{},{},{},{},{}",
        time(sample).unwrap_or_default(),
        whole(ids::TICK_US),
        whole(ids::BOOT_ID),
        of(ids::LAT_DEG, 7),
        of(ids::LON_DEG, 7),
        of(ids::H_ACC_M, 1),
        of(ids::SPEED_MPS, 2),
        of(ids::road_event::PEAK, 3),
        of(ids::road_event::Z, 1),
        whole(ids::FLAGS)
    );
    for raw in &window.raw {
        let [x, y, z] = raw.a_mps2;
        writeln!(out, "{event},{},{x:.4},{y:.4},{z:.4}", raw.offset_us)?;
    }
    Ok(())
}

fn value(sample: &Sample, id: u16, scale: f64, digits: usize) -> Option<String> {
    sample.get_scaled(id).map(|value| format!("{:.digits$}", value * scale))
}

/// ISO 8601 in UTC, to the millisecond.
fn time(sample: &Sample) -> Option<String> {
    let millis = sample.get(ids::T_US)?.div_euclid(1_000);
    let of_day = millis.rem_euclid(86_400_000);
    let date = Date::from_unix_s(millis.div_euclid(1_000))?;
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    Some(format!("{date}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60))
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::window;
    use super::super::ring::Ring;
    use super::*;

    #[test]
    fn windows_are_listed_and_exported() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool.db");
        let text = |csv| {
            let mut out = Vec::new();
            list(&spool, csv, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert!(text(false).contains("0 windows in "), "{}", text(false));
        let mut without_place = window(2);
        without_place.sample.set(ids::LAT_DEG, None);
        let (mut ring, _) = Ring::open(&windows_beside(&spool)).unwrap();
        ring.write(&[window(1), without_place]).unwrap();
        let lines = text(false);
        assert!(lines.contains("2026-05-28T20:26:41.000Z") && lines.contains("47.650000"), "{lines}");
        assert!(lines.contains("4.32") && lines.contains("201"), "{lines}");
        assert!(lines.contains("2 windows in ") && lines.contains("0 damaged"), "{lines}");
        let csv = text(true);
        let columns = csv.lines().next().unwrap().split(',').count();
        assert_eq!(csv.lines().count(), 1 + 2 * 201);
        assert!(csv.lines().all(|line| line.split(',').count() == columns), "{csv}");
        let row = "0,2026-05-28T20:26:41.000Z,1,,47.6500001,-2.0900000,,,4.321,12.3,0,0,";
        let peak = csv.lines().find_map(|line| line.strip_prefix(row)).unwrap();
        let axes: Vec<f64> = peak.split(',').map(|axis| axis.parse().unwrap()).collect();
        assert!(axes.iter().zip([0.0, -0.5, 14.11]).all(|(axis, truth)| (axis - truth).abs() < 0.001), "{peak}");
    }
}
