//! Retention of pass facts, the only derived table that keeps something per vehicle and date.

use arrow::array::{AsArray as _, BooleanArray, RecordBatch};
use arrow::datatypes::Date32Type;
use chrono::{Months, NaiveDate};
use futures::TryStreamExt as _;
use parquet::arrow::ProjectionMask;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::MaintainError;
use super::object_file;
use super::options::Env;
use super::rewrite::{Order, rewrite};
use super::table::{LiveFile, Maintained};
use crate::error::IngestError;

const DATE: &str = "local_date";

/// The first day (days since 1970) that stays.
pub(crate) fn first_kept_day(today: i32, months: u32) -> Option<i32> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let date = epoch.checked_add_signed(chrono::Duration::days(i64::from(today)))?;
    let kept = date.checked_sub_months(Months::new(months))?;
    i32::try_from(kept.signed_duration_since(epoch).num_days()).ok()
}

/// Which rows of a batch stay: those of this day and later.
fn kept(batch: &RecordBatch, first_kept_day: i32) -> Result<BooleanArray, IngestError> {
    let column = batch.column_by_name(DATE).and_then(|column| column.as_primitive_opt::<Date32Type>());
    let Some(column) = column else {
        return Err(arrow::error::ArrowError::SchemaError(format!("no column {DATE} with dates")).into());
    };
    Ok(column.iter().map(|day| Some(day.is_none_or(|day| day >= first_kept_day))).collect())
}

/// Takes older rows out of every file that has some; returns how many left.
pub(crate) async fn expire(env: &Env<'_>, place: &mut Maintained, first_kept_day: i32) -> Result<u64, MaintainError> {
    let mut dropped = 0;
    for file in place.files() {
        env.go_on()?;
        if !has_older(place, &file, first_kept_day).await? {
            continue;
        }
        let filter = |batch: &RecordBatch| kept(batch, first_kept_day);
        let order = Order {
            own: None,
            keys: None,
            filter: Some(&filter),
            folder: env.folder,
            prefix: "part",
            properties: WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build(),
            statistics: Box::new(|batch| serde_json::json!({ "numRecords": batch.num_rows() }).to_string()),
            partition_column: tournee_lake::derived::TERRITORY,
        };
        // The pipeline may have replaced the file in the meantime; the next run looks at the new one.
        if let Some(done) = rewrite(env, place, std::slice::from_ref(&file), order).await? {
            dropped += done.dropped;
        }
    }
    Ok(dropped)
}

async fn has_older(place: &Maintained, file: &LiveFile, first_kept_day: i32) -> Result<bool, MaintainError> {
    let builder = object_file::open(place.store(), &file.path, file.bytes).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [DATE]);
    let mut batches = builder.with_projection(mask).build()?;
    while let Some(batch) = batches.try_next().await? {
        let kept = kept(&batch, first_kept_day)?;
        if kept.false_count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Date32Array;

    use super::*;

    #[test]
    fn months_are_months_of_the_calendar() {
        // 2026-03-31 less one month is 2026-02-28.
        assert_eq!(first_kept_day(20_543, 1), Some(20_512));
        assert_eq!(first_kept_day(20_543, 24), Some(20_543 - 730));
        assert_eq!(first_kept_day(20_543, u32::MAX), None);
    }

    #[test]
    fn rows_without_a_date_stay() {
        let column = Arc::new(Date32Array::from(vec![Some(9), Some(10), None]));
        let batch = RecordBatch::try_from_iter_with_nullable([(DATE, column as _, true)]).unwrap();
        let kept: Vec<bool> = kept(&batch, 10).unwrap().iter().flatten().collect();
        assert_eq!(kept, [false, true, true]);
        let batch = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
        assert!(super::kept(&batch, 10).is_err());
    }
}
