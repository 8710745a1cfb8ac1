//! Payload → lake: rows of optional integers become Arrow columns. The one place where the two contracts meet.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Builder, Int64Array, Int64Builder, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMicrosecondBuilder,
};
use h3o::{LatLng, Resolution};
use tournee_lake::{Column, DATE_CLAMPED, Kind, Table};
use tournee_payload::{Sample, Stream, field, fields};

use crate::error::IngestError;

/// One row on its way to a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) box_id: &'a str,
    pub(crate) epoch: i64,
    pub(crate) seq: u64,
    pub(crate) sample: &'a Sample,
    pub(crate) ingested_us: i64,
    /// It lies under another date than that of its event.
    pub(crate) clamped: bool,
}

const DAY_US: i64 = 86_400_000_000;
/// 2000-01-01: no box is older.
const FIRST_DAY: i32 = 10_957;

/// Days since 1970 of a time in microseconds.
pub(crate) const fn day_of(time_us: i64) -> i32 {
    // A day number of any i64 of microseconds fits an i32.
    time_us.div_euclid(DAY_US) as i32
}

/// The partition date (days since 1970) of a row, and whether it had to be clamped. A row without a time goes to the day
/// it was ingested; that is no clamp, the clock's own flag says it.
pub(crate) fn partition_day(sample: &Sample, ingested_us: i64) -> (i32, bool) {
    let today = day_of(ingested_us);
    match sample.get(field::T_US) {
        None => (today, false),
        Some(t_us) => {
            let day = day_of(t_us);
            let clamped = day.clamp(FIRST_DAY, today.saturating_add(1).max(FIRST_DAY));
            (clamped, clamped != day)
        }
    }
}

/// The H3 cell at resolution 10 (about 66 m from centre to corner) as its 64-bit index, of latitude and longitude in 1e-7
/// degrees.
fn h3_r10((lat, lon): (i64, i64)) -> Option<i64> {
    let place = LatLng::new(lat as f64 / 1e7, lon as f64 / 1e7).ok()?;
    i64::try_from(u64::from(place.to_cell(Resolution::Ten))).ok()
}

/// The stream of a table; none for `quarantine`.
pub(crate) fn table_stream(table: Table) -> Option<Stream> {
    Stream::from_name(table.name())
}

/// What a column is made of, and where it grows. Filled row by row: a row's values lie together in memory, those of a column
/// do not.
enum Growing<'a> {
    BoxId,
    Epoch,
    Seq,
    IngestedAt,
    Time(TimestampMicrosecondBuilder),
    H3(Int64Builder),
    Flags(Int64Builder),
    Int(usize, Int64Builder),
    Decimal(usize, Decimal128Builder, &'a Column),
}

impl<'a> Growing<'a> {
    fn new(table: Table, column: &'a Column, rows: usize) -> Result<Self, IngestError> {
        Ok(match column.name {
            "box_id" => Self::BoxId,
            "epoch" => Self::Epoch,
            "seq" => Self::Seq,
            "ingested_at" => Self::IngestedAt,
            "t" => Self::Time(TimestampMicrosecondBuilder::with_capacity(rows)),
            "h3_r10" => Self::H3(Int64Builder::with_capacity(rows)),
            "flags" => Self::Flags(Int64Builder::with_capacity(rows)),
            name => {
                let list = table_stream(table).map_or(&[][..], fields);
                let at = list.iter().position(|field| field.name == name).ok_or_else(|| IngestError::Schema {
                    table: table.name(),
                    column: column.name.to_owned(),
                    reason: "no field of the stream goes there".to_owned(),
                })?;
                match column.kind {
                    Kind::Decimal { .. } => Self::Decimal(at, Decimal128Builder::with_capacity(rows), column),
                    _ => Self::Int(at, Int64Builder::with_capacity(rows)),
                }
            }
        })
    }

    fn push(&mut self, row: &Row<'_>, cell: Option<i64>) {
        let value = |at: &usize| row.sample.values.get(*at).copied().flatten();
        match self {
            // Of these there is one value a row, and never none: made from the rows at the end.
            Self::BoxId | Self::Epoch | Self::Seq | Self::IngestedAt => {}
            Self::Time(builder) => builder.append_option(row.sample.get(field::T_US)),
            Self::H3(builder) => builder.append_option(cell),
            Self::Flags(builder) => builder.append_option(flags(row)),
            Self::Int(at, builder) => builder.append_option(value(at)),
            Self::Decimal(at, builder, _) => builder.append_option(value(at).map(i128::from)),
        }
    }

    fn finish(self, rows: &[Row<'_>]) -> Result<ArrayRef, IngestError> {
        Ok(match self {
            Self::BoxId => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.box_id))),
            Self::Epoch => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.epoch))),
            // Sequence numbers below 2^63 only: checked when the row was accepted.
            Self::Seq => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.seq as i64))),
            Self::IngestedAt => {
                let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.ingested_us));
                Arc::new(times.with_timezone("UTC"))
            }
            Self::Time(mut builder) => Arc::new(builder.finish().with_timezone("UTC")),
            Self::H3(mut builder) | Self::Flags(mut builder) | Self::Int(_, mut builder) => Arc::new(builder.finish()),
            Self::Decimal(_, mut builder, column) => match column.kind {
                Kind::Decimal { precision, scale } => {
                    Arc::new(builder.finish().with_precision_and_scale(precision, scale)?)
                }
                _ => Arc::new(builder.finish()),
            },
        })
    }
}

/// The columns of one file: rows of one table and one partition, in the order given.
///
/// # Errors
/// When the lake's columns and the stream's fields do not fit each other; a test holds them together.
pub(crate) fn to_batch(table: Table, rows: &[Row<'_>]) -> Result<RecordBatch, IngestError> {
    let kept = table.columns().iter().filter(|column| column.encoding != tournee_lake::Encoding::Partition);
    let mut columns = kept.map(|column| Growing::new(table, column, rows.len())).collect::<Result<Vec<_>, _>>()?;
    let mut last = (None, None);
    for row in rows {
        // A vehicle that stands, or sends several rows a second, is where it was.
        let place = row.sample.get(field::LAT_DEG).zip(row.sample.get(field::LON_DEG));
        if place.is_some() && last.0 != place {
            last = (place, place.and_then(h3_r10));
        }
        let cell = place.and(last.1);
        columns.iter_mut().for_each(|column| column.push(row, cell));
    }
    let arrays = columns.into_iter().map(|column| column.finish(rows)).collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(table.file_schema(), arrays)?)
}

/// The row's own bits, and ours.
fn flags(row: &Row<'_>) -> Option<i64> {
    let own = row.sample.get(field::FLAGS);
    if row.clamped { Some(own.unwrap_or(0) | DATE_CLAMPED) } else { own }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::{Decimal128Type, Int64Type};

    use super::*;

    /// The two contracts know nothing of each other; this holds them together.
    #[test]
    fn every_field_has_its_column() {
        for stream in Stream::ALL {
            let table = crate::validate::stream_table(stream);
            assert_eq!(table.name(), stream.name());
            assert_eq!(table_stream(table), Some(stream));
            for field in fields(stream) {
                if field.id == tournee_payload::field::T_US {
                    assert!(table.columns().iter().any(|column| column.name == "t"));
                    continue;
                }
                let column = table.columns().iter().find(|column| column.name == field.name);
                let column = column.unwrap_or_else(|| panic!("{}.{} has no column", stream.name(), field.name));
                assert!(column.nullable);
                match column.kind {
                    Kind::Int64 => assert_eq!(field.scale, 0, "{}", field.name),
                    Kind::Decimal { precision, scale } => {
                        assert_eq!(i64::from(scale), i64::from(field.scale), "{}", field.name);
                        let largest = 10_i64.pow(u32::from(precision)) - 1;
                        assert!(field.min >= -largest && field.max <= largest, "{} overflows", field.name);
                    }
                    other => panic!("{} is {other:?}", field.name),
                }
            }
            let own = table.columns().len() - fields(stream).len();
            // box_id, epoch, seq, h3_r10, ingested_at, date; `t_us` and `t` stand for each other.
            assert_eq!(own, 6, "{} has a column without a field", table.name());
        }
        assert_eq!(table_stream(Table::Quarantine), None);
    }

    #[test]
    fn integers_become_the_same_decimals() {
        let mut sample = Sample::new(Stream::Air);
        sample.set(field::T_US, Some(1_768_435_200_000_001));
        sample.set(field::LAT_DEG, Some(476_512_345));
        sample.set(field::LON_DEG, Some(-20_823_456));
        sample.set(17, Some(123));
        let empty = Sample::new(Stream::Air);
        let row = |seq, sample| Row {
            box_id: "a",
            epoch: 9,
            seq,
            sample,
            ingested_us: 1_800_000_000_000_000,
            clamped: false,
        };
        let batch = to_batch(Table::Air, &[row(0, &sample), row(1, &empty)]).unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        assert_eq!(column("lat_deg").as_primitive::<Decimal128Type>().value_as_string(0), "47.6512345");
        assert_eq!(column("pm25_ugm3").as_primitive::<Decimal128Type>().value_as_string(0), "12.3");
        assert!(column("pm25_ugm3").is_null(1) && column("h3_r10").is_null(1) && column("t").is_null(1));
        let cell = column("h3_r10").as_primitive::<Int64Type>().value(0);
        let expected = LatLng::new(47.651_234_5, -2.082_345_6).unwrap().to_cell(Resolution::Ten);
        assert_eq!(cell as u64, u64::from(expected));
    }

    #[test]
    fn dates_are_clamped_and_flagged() {
        let ingested_us = 20_000 * DAY_US + 5;
        let mut sample = Sample::new(Stream::Track);
        assert_eq!(partition_day(&sample, ingested_us), (20_000, false));
        for (day, expected, clamped) in [
            (20_000, 20_000, false),
            (20_001, 20_001, false),
            (20_002, 20_001, true),
            (10_957, 10_957, false),
            (10_956, 10_957, true),
        ] {
            sample.set(field::T_US, Some(day * DAY_US + 1));
            assert_eq!(partition_day(&sample, ingested_us), (expected, clamped), "{day}");
        }
        let row = Row { box_id: "a", epoch: 1, seq: 0, sample: &sample, ingested_us, clamped: true };
        assert_eq!(flags(&row), Some(DATE_CLAMPED));
        let documented = format!("| {} | `DATE_CLAMPED` |", DATE_CLAMPED.trailing_zeros());
        assert!(include_str!("../../docs/flags.md").contains(&documented), "docs/flags.md says another bit");
        assert_eq!(day_of(-1), -1);
    }
}
