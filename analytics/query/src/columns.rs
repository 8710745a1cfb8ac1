//! From Arrow columns to plain vectors.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use chrono::{Datelike, NaiveDate};

use crate::error::QueryError;

/// Days from 0001-01-01 to 1970-01-01, plus one: chrono counts from 1.
const EPOCH_FROM_CE: i32 = 719_163;

/// Columns of the batches of one table, read by name.
#[derive(Debug)]
pub struct Reader<'a> {
    table: &'a str,
    batches: &'a [RecordBatch],
}

impl<'a> Reader<'a> {
    /// A reader of these batches, which came from `table`.
    #[must_use]
    pub fn new(table: &'a str, batches: &'a [RecordBatch]) -> Self {
        Self { table, batches }
    }

    /// Rows in all batches.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn each(&self, column: &str, to: &DataType, mut take: impl FnMut(&ArrayRef)) -> Result<(), QueryError> {
        for batch in self.batches {
            let array = batch.column_by_name(column).ok_or_else(|| self.missing(column))?;
            let array = if array.data_type() == to {
                array.clone()
            } else {
                cast(array, to).map_err(|error| self.bad(column, &error.to_string()))?
            };
            take(&array);
        }
        Ok(())
    }

    fn missing(&self, column: &str) -> QueryError {
        QueryError::Column { table: self.table.to_owned(), column: column.to_owned() }
    }

    /// An error about a value of this table.
    #[must_use]
    pub fn bad(&self, column: &str, message: &str) -> QueryError {
        QueryError::Value { table: self.table.to_owned(), column: column.to_owned(), message: message.to_owned() }
    }

    /// Numbers of any numeric type as f64, NaN where empty. Decimals keep their physical unit.
    ///
    /// # Errors
    /// No such column, or not a number.
    pub fn f64(&self, column: &str) -> Result<Vec<f64>, QueryError> {
        let mut out = Vec::with_capacity(self.rows());
        for batch in self.batches {
            let array = batch.column_by_name(column).ok_or_else(|| self.missing(column))?;
            if let DataType::Decimal128(_, scale) = array.data_type() {
                // Dividing gives the double nearest to the decimal; multiplying by 10^-scale would not.
                let divisor = 10f64.powi(i32::from(*scale));
                let values = array.as_primitive::<Decimal128Type>();
                #[allow(clippy::cast_precision_loss)] // wire integers fit in 53 bits
                out.extend(values.iter().map(|value| value.map_or(f64::NAN, |value| value as f64 / divisor)));
            } else {
                let array = cast(array, &DataType::Float64).map_err(|error| self.bad(column, &error.to_string()))?;
                out.extend(array.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)));
            }
        }
        Ok(out)
    }

    /// Integers, none where empty. Timestamps as microseconds since 1970.
    ///
    /// # Errors
    /// No such column, or not whole numbers.
    pub fn i64(&self, column: &str) -> Result<Vec<Option<i64>>, QueryError> {
        let mut out = Vec::with_capacity(self.rows());
        self.each(column, &DataType::Int64, |array| out.extend(array.as_primitive::<Int64Type>().iter()))?;
        Ok(out)
    }

    /// UTC microseconds since 1970 of a timestamp column of any unit, none where empty.
    ///
    /// # Errors
    /// No such column, or not a timestamp.
    pub fn t_us(&self, column: &str) -> Result<Vec<Option<i64>>, QueryError> {
        let mut out = Vec::with_capacity(self.rows());
        let to = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        self.each(column, &to, |array| out.extend(array.as_primitive::<TimestampMicrosecondType>().iter()))?;
        Ok(out)
    }

    /// Text, empty where null.
    ///
    /// # Errors
    /// No such column, or not text.
    pub fn text(&self, column: &str) -> Result<Vec<String>, QueryError> {
        let mut out = Vec::with_capacity(self.rows());
        self.each(column, &DataType::Utf8, |array| {
            let texts: &StringArray = array.as_string();
            out.extend(texts.iter().map(|text| text.unwrap_or_default().to_owned()));
        })?;
        Ok(out)
    }

    /// Names as indices into a list of the distinct ones, in order of their first row.
    ///
    /// # Errors
    /// No such column, or not text.
    pub fn interned(&self, column: &str) -> Result<(Vec<String>, Vec<u32>), QueryError> {
        let mut names: Vec<String> = Vec::new();
        let mut known = std::collections::HashMap::<String, u32>::new();
        let mut out = Vec::with_capacity(self.rows());
        self.each(column, &DataType::Utf8, |array| {
            let texts: &StringArray = array.as_string();
            for text in texts {
                let text = text.unwrap_or_default();
                let index = match known.get(text) {
                    Some(&index) => index,
                    None => {
                        let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
                        names.push(text.to_owned());
                        known.insert(text.to_owned(), index);
                        index
                    }
                };
                out.push(index);
            }
        })?;
        Ok((names, out))
    }

    /// Dates as ISO 8601 text, empty where null.
    ///
    /// # Errors
    /// No such column, or not a date.
    pub fn date(&self, column: &str) -> Result<Vec<String>, QueryError> {
        let mut out = Vec::with_capacity(self.rows());
        self.each(column, &DataType::Date32, |array| {
            let days = array.as_primitive::<Date32Type>();
            out.extend(days.iter().map(|day| day.map(date_text).unwrap_or_default()));
        })?;
        Ok(out)
    }
}

/// Days since 1970 as ISO 8601; empty outside the calendar.
#[must_use]
pub fn date_text(days: i32) -> String {
    days.checked_add(EPOCH_FROM_CE)
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .map(|date| date.format("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

/// Days since 1970 of an ISO 8601 date; none where it is not one.
#[must_use]
pub fn date_days(text: &str) -> Option<i32> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    date.num_days_from_ce().checked_sub(EPOCH_FROM_CE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, Int32Array, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    #[test]
    fn dates_go_both_ways() {
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(20_473), "2026-01-20");
        assert_eq!(date_days("2026-01-20"), Some(20_473));
        assert_eq!(date_days("2026-13-01"), None);
        assert_eq!(date_text(i32::MAX), "");
    }

    #[test]
    fn decimals_become_the_nearest_double() {
        let latitude = Decimal128Array::from(vec![Some(476_512_345), None]).with_precision_and_scale(9, 7).unwrap();
        let schema = Schema::new(vec![
            Field::new("lat_deg", DataType::Decimal128(9, 7), true),
            Field::new("n", DataType::Int32, true),
            Field::new("t", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("date", DataType::Date32, true),
            Field::new("box_id", DataType::Utf8, true),
        ]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(latitude),
                Arc::new(Int32Array::from(vec![Some(7), None])),
                Arc::new(TimestampMicrosecondArray::from(vec![Some(5), None]).with_timezone("UTC")),
                Arc::new(Date32Array::from(vec![Some(0), None])),
                Arc::new(StringArray::from(vec!["a", "a"])),
            ],
        )
        .unwrap();
        let batches = [batch.clone(), batch];
        let reader = Reader::new("track", &batches);
        let latitudes = reader.f64("lat_deg").unwrap();
        assert_eq!(latitudes[0], 47.651_234_5);
        assert!(latitudes[1].is_nan());
        assert_eq!(reader.i64("n").unwrap(), [Some(7), None, Some(7), None]);
        assert_eq!(reader.t_us("t").unwrap(), [Some(5), None, Some(5), None]);
        assert_eq!(reader.date("date").unwrap()[..2], ["1970-01-01".to_owned(), String::new()]);
        assert_eq!(reader.interned("box_id").unwrap(), (vec!["a".to_owned()], vec![0, 0, 0, 0]));
        assert!(reader.f64("nope").unwrap_err().to_string().contains("no column nope"));
    }
}
