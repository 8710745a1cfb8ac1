//! Layer points from CSV.

use super::{LayerReport, MAX_ROWS, checked, table};
use crate::{LayerPoint, TerritoryError};

pub(super) fn read(text: &str, report: &mut LayerReport) -> Result<Vec<LayerPoint>, TerritoryError> {
    let mut reader = table::reader(text);
    let bad = |e: csv::Error| TerritoryError::Format { format: "layer CSV", reason: e.to_string() };
    let headers = reader.headers().map_err(bad)?.clone();
    let at = table::columns(&headers, &["local_id", "lon", "lat", "date", "value"])?;
    let mut points = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for row in reader.records() {
        report.rows += 1;
        if report.rows > MAX_ROWS {
            return Err(TerritoryError::TooLarge { what: "rows", limit: MAX_ROWS });
        }
        let row = match row {
            Ok(row) => row,
            Err(e) => {
                let line = e.position().map_or(0, csv::Position::line);
                report.refuse(line, "row not readable");
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        if row.len() != headers.len() {
            report.refuse(line, "row has another number of fields than the header");
            continue;
        }
        let cell = |i: usize| at.get(i).and_then(|c| row.get(*c)).unwrap_or("");
        let number = |i: usize| table::number(cell(i));
        match checked(cell(0), number(1), number(2), cell(3), number(4)) {
            Ok(point) if !seen.insert((point.local_id.clone(), point.date.clone())) => {
                report.refuse(line, "local_id stands twice with the same date");
            }
            Ok(point) => points.push(point),
            Err(reason) => report.refuse(line, reason),
        }
    }
    Ok(points)
}
