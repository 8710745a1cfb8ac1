//! Rows as a table, CSV or JSON.

use std::io::{self, Write};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Number, Value};

use crate::sql::QueryResult;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// RFC 4180 with a header line; empty fields are nulls.
    Csv,
    /// One array of objects. Decimals are numbers, times are ISO 8601 in UTC, what is not finite is null.
    Json,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "table" => Ok(Self::Table),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            other => Err(format!("no format \"{other}\"; there are: table, csv, json")),
        }
    }
}

/// One value, ready to be written in any format.
enum Cell {
    Null,
    Bool(bool),
    /// Digits that are valid JSON.
    Number(String),
    Text(String),
}

impl Cell {
    fn plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) | Self::Text(text) => text.clone(),
        }
    }

    fn json(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(text) => text
                .parse::<i64>()
                .map(Number::from)
                .ok()
                .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
                .map_or(Value::Null, Value::Number),
            Self::Text(text) => Value::String(text),
        }
    }
}

/// Writes the rows of a result.
///
/// # Errors
/// When `out` fails, or a value of a type that cannot be shown.
pub fn render(result: &QueryResult, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => table(result, out),
        Format::Csv => csv(result, out),
        Format::Json => json(result, out),
    }
}

fn names(result: &QueryResult) -> Vec<String> {
    result.schema.fields().iter().map(|field| field.name().clone()).collect()
}

fn each_row(result: &QueryResult, mut take: impl FnMut(Vec<Cell>) -> io::Result<()>) -> io::Result<()> {
    for batch in &result.batches {
        let columns = batch.columns().iter().map(|array| Column::new(array)).collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            take(columns.iter().map(|column| column.cell(row)).collect())?;
        }
    }
    Ok(())
}

struct Column<'a> {
    array: &'a dyn Array,
    formatter: ArrayFormatter<'a>,
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array) -> io::Result<Self> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
        let formatter = ArrayFormatter::try_new(array, &OPTIONS).map_err(io::Error::other)?;
        Ok(Self { array, formatter })
    }

    fn cell(&self, row: usize) -> Cell {
        if self.array.is_null(row) || matches!(self.array.data_type(), DataType::Null) {
            return Cell::Null;
        }
        match self.array.data_type() {
            DataType::Boolean => Cell::Bool(self.array.as_boolean().value(row)),
            DataType::Float64 => float(self.array.as_primitive::<Float64Type>().value(row)),
            // Through its own shortest text, so that 0.1 does not become 0.10000000149011612.
            DataType::Float32 => {
                let value = self.array.as_primitive::<Float32Type>().value(row);
                if value.is_finite() { Cell::Number(value.to_string()) } else { Cell::Null }
            }
            DataType::Decimal128(_, scale) => {
                Cell::Number(decimal(self.array.as_primitive::<Decimal128Type>().value(row), *scale))
            }
            data_type if data_type.is_integer() => Cell::Number(self.formatter.value(row).to_string()),
            DataType::Timestamp(unit, zone) => self.timestamp(row, *unit, zone.is_some()),
            _ => Cell::Text(self.formatter.value(row).to_string()),
        }
    }

    /// ISO 8601; with `Z` where the column says it is UTC or any zone, without where it has none.
    fn timestamp(&self, row: usize, unit: TimeUnit, zoned: bool) -> Cell {
        use arrow::datatypes as types;
        let (value, per_second) = match unit {
            TimeUnit::Second => (self.array.as_primitive::<types::TimestampSecondType>().value(row), 1),
            TimeUnit::Millisecond => (self.array.as_primitive::<types::TimestampMillisecondType>().value(row), 1000),
            TimeUnit::Microsecond => {
                (self.array.as_primitive::<types::TimestampMicrosecondType>().value(row), 1_000_000)
            }
            TimeUnit::Nanosecond => {
                (self.array.as_primitive::<types::TimestampNanosecondType>().value(row), 1_000_000_000)
            }
        };
        let nanos = u32::try_from(value.rem_euclid(per_second) * (1_000_000_000 / per_second)).unwrap_or(0);
        match DateTime::from_timestamp(value.div_euclid(per_second), nanos) {
            Some(time) => {
                let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                Cell::Text(if zoned { text } else { text.trim_end_matches('Z').to_owned() })
            }
            None => Cell::Text(format!("{value} (outside the calendar)")),
        }
    }
}

fn float(value: f64) -> Cell {
    if value.is_finite() { Cell::Number(value.to_string()) } else { Cell::Null }
}

/// A decimal with all its digits: 1234 at scale 2 is "12.34".
fn decimal(value: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else {
        return format!("{value}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if value < 0 { "-" } else { "" })
}

fn table(result: &QueryResult, out: &mut dyn Write) -> io::Result<()> {
    if result.schema.fields().is_empty() {
        return writeln!(out, "no columns");
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(names(result));
    for (index, field) in result.schema.fields().iter().enumerate() {
        if field.data_type().is_numeric()
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    each_row(result, |cells| {
        table.add_row(cells.iter().map(Cell::plain));
        Ok(())
    })?;
    writeln!(out, "{}", table.trim_fmt())?;
    let plural = if result.rows == 1 { "" } else { "s" };
    let cut = if result.truncated { ", more were cut" } else { "" };
    writeln!(out, "{} row{plural}{cut}", result.rows)
}

fn csv(result: &QueryResult, out: &mut dyn Write) -> io::Result<()> {
    let line = |out: &mut dyn Write, fields: Vec<String>| writeln!(out, "{}\r", fields.join(","));
    line(out, names(result).iter().map(|name| field(name)).collect())?;
    each_row(result, |cells| line(out, cells.iter().map(|cell| field(&cell.plain())).collect()))
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn json(result: &QueryResult, out: &mut dyn Write) -> io::Result<()> {
    let names = unique(names(result));
    let mut first = true;
    write!(out, "[")?;
    each_row(result, |cells| {
        let object: Map<String, Value> = names.iter().cloned().zip(cells.into_iter().map(Cell::json)).collect();
        write!(out, "{}", if first { "\n" } else { ",\n" })?;
        first = false;
        serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)
    })?;
    writeln!(out, "{}]", if first { "" } else { "\n" })
}

/// Two columns of one name would fall together in an object: the second is called `name_2`.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    names
        .into_iter()
        .map(|name| {
            let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(1);
            if *times == 1 { name } else { format!("{name}_{times}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow::array::{
        BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn sample() -> QueryResult {
        let schema = Arc::new(Schema::new(vec![
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("lat_deg", DataType::Decimal128(9, 7), true),
            Field::new("n", DataType::Int64, true),
            Field::new("x", DataType::Float64, true),
            Field::new("ok", DataType::Boolean, true),
            Field::new("name", DataType::Utf8, true),
        ]));
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(TimestampMicrosecondArray::from(vec![Some(1_768_900_000_500_000), None]).with_timezone("UTC")),
                Arc::new(Decimal128Array::from(vec![Some(-12_345_678), None]).with_precision_and_scale(9, 7).unwrap()),
                Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None])),
                Arc::new(Float64Array::from(vec![Some(0.25), Some(f64::NAN)])),
                Arc::new(BooleanArray::from(vec![Some(true), None])),
                Arc::new(StringArray::from(vec![Some("rue \"du\" Plessis, 3"), None])),
            ],
        )
        .unwrap();
        QueryResult { schema, batches: vec![batch], rows: 2, truncated: true, elapsed: Duration::ZERO }
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        render(&sample(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_holds_numbers_and_iso_times() {
        let value: Value = serde_json::from_str(&written(Format::Json)).unwrap();
        assert_eq!(
            value[0],
            serde_json::json!({
                "t": "2026-01-20T09:06:40.500Z", "lat_deg": -1.2345678, "n": 9_007_199_254_740_993_i64, "x": 0.25,
                "ok": true, "name": "rue \"du\" Plessis, 3"
            })
        );
        assert!(value[1].as_object().unwrap().values().all(Value::is_null));
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(
            written(Format::Csv),
            "t,lat_deg,n,x,ok,name\r\n\
             2026-01-20T09:06:40.500Z,-1.2345678,9007199254740993,0.25,true,\"rue \"\"du\"\" Plessis, 3\"\r\n,,,,,\r\n"
        );
    }

    #[test]
    fn a_table_says_when_rows_were_cut() {
        let text = written(Format::Table);
        assert!(text.contains("lat_deg") && text.contains("-1.2345678"), "{text}");
        assert!(text.ends_with("2 rows, more were cut\n"), "{text}");
    }

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal(5, 2), "0.05");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1234, 0), "1234");
        assert_eq!(decimal(12, -2), "1200");
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        assert_eq!(unique(vec!["a".into(), "a".into(), "b".into()]), ["a", "a_2", "b"]);
    }

    #[test]
    fn an_unknown_format_lists_the_known() {
        assert!("xml".parse::<Format>().unwrap_err().contains("table, csv, json"));
    }
}
