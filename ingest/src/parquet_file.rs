//! One Parquet file: encodings as the contract says, zstd, and the statistics that Delta readers prune by.

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding as ParquetEncoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};
use tournee_lake::{Encoding, Kind, Table};

use crate::error::IngestError;

/// zstd level 3: level 9 saves 2 % of these files and takes several times as long.
const ZSTD_LEVEL: i32 = 3;

/// How the files of a table are written, by ingest and by maintenance.
pub(crate) fn properties(table: Table) -> Result<WriterProperties, IngestError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("tournee".to_owned());
    for column in table.columns() {
        let path = ColumnPath::from(column.name);
        properties = match column.encoding {
            // What follows once the dictionary is full: text has no better layout than the writer's own.
            Encoding::Dictionary if matches!(column.kind, Kind::Text | Kind::Binary) => {
                properties.set_column_dictionary_enabled(path, true)
            }
            Encoding::Dictionary => properties
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_encoding(path, ParquetEncoding::DELTA_BINARY_PACKED),
            Encoding::DeltaBinaryPacked => properties.set_column_encoding(path, ParquetEncoding::DELTA_BINARY_PACKED),
            Encoding::DeltaLength => properties.set_column_encoding(path, ParquetEncoding::DELTA_LENGTH_BYTE_ARRAY),
            Encoding::Partition => properties,
        };
    }
    Ok(properties.build())
}

/// The bytes of a file.
pub(crate) fn to_bytes(table: Table, batch: &RecordBatch) -> Result<Vec<u8>, IngestError> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties(table)?))?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

/// Delta's per-file statistics: row count, and smallest, largest and empty count of the columns that queries prune by: who,
/// when and where.
pub(crate) fn statistics(table: Table, batch: &RecordBatch) -> String {
    let (mut least, mut most, mut nulls) = (Map::new(), Map::new(), Map::new());
    for name in ["box_id", "epoch", "seq", "t", "lat_deg", "lon_deg", "h3_r10", "received_at"] {
        let Some(column) = table.columns().iter().find(|column| column.name == name) else { continue };
        let Some(array) = batch.column_by_name(name) else { continue };
        if let Some((low, high)) = bounds(array, column.kind) {
            least.insert(name.to_owned(), low);
            most.insert(name.to_owned(), high);
        }
        nulls.insert(name.to_owned(), array.null_count().into());
    }
    json!({"numRecords": batch.num_rows(), "minValues": least, "maxValues": most, "nullCount": nulls}).to_string()
}

fn bounds(array: &dyn Array, kind: Kind) -> Option<(Value, Value)> {
    match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Some((min_string(array)?.into(), max_string(array)?.into()))
        }
        DataType::Int64 => {
            let array = array.as_primitive::<Int64Type>();
            Some((min(array)?.into(), max(array)?.into()))
        }
        DataType::Decimal128(..) => {
            let Kind::Decimal { scale, .. } = kind else { return None };
            let array = array.as_primitive_opt::<Decimal128Type>()?;
            Some((decimal(min(array)?, scale)?, decimal(max(array)?, scale)?))
        }
        DataType::Timestamp(..) => {
            let array = array.as_primitive::<TimestampMicrosecondType>();
            Some((time_text(min(array)?)?.into(), time_text(max(array)?)?.into()))
        }
        _ => None,
    }
}

/// As the number that Delta wants. Exact: a 64-bit float is printed with the fewest digits that give it back, and holds any 15.
fn decimal(value: i128, scale: i8) -> Option<Value> {
    let value = i64::try_from(value).ok().filter(|value| value.unsigned_abs() < 1_000_000_000_000_000)?;
    serde_json::Number::from_f64(value as f64 / 10_f64.powi(i32::from(scale))).map(Value::Number)
}

fn time_text(time_us: i64) -> Option<String> {
    Some(chrono::DateTime::from_timestamp_micros(time_us)?.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use tournee_payload::{Sample, Stream, field};

    use super::*;
    use crate::convert::{Row, to_batch};

    fn batch(count: u64) -> RecordBatch {
        let samples: Vec<Sample> = (0..count)
            .map(|seq| {
                let mut sample = Sample::new(Stream::Track);
                sample.set(field::T_US, Some(1_768_435_200_000_000 + seq as i64 * 1_000_000));
                sample.set(field::LAT_DEG, Some(476_500_000 + seq as i64 * 37));
                sample.set(field::LON_DEG, Some(-20_800_000 + seq as i64 * 41));
                sample
            })
            .collect();
        let rows: Vec<Row<'_>> = samples
            .iter()
            .enumerate()
            .map(|(seq, sample)| Row {
                box_id: "a",
                epoch: 9,
                seq: seq as u64,
                sample,
                ingested_us: 1_800_000_000_000_000,
                clamped: false,
            })
            .collect();
        to_batch(Table::Track, &rows).unwrap()
    }

    #[test]
    fn written_as_the_contract_says_and_read_back() {
        let batch = batch(600);
        let bytes = bytes::Bytes::from(to_bytes(Table::Track, &batch).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        for chunk in reader.metadata().row_group(0).columns() {
            let name = chunk.column_path().string();
            let column = Table::Track.columns().iter().find(|column| column.name == name).unwrap();
            let encodings: Vec<ParquetEncoding> = chunk.encodings().collect();
            match column.encoding {
                Encoding::DeltaBinaryPacked => {
                    assert!(encodings.contains(&ParquetEncoding::DELTA_BINARY_PACKED), "{name}")
                }
                _ => assert!(encodings.contains(&ParquetEncoding::RLE_DICTIONARY), "{name} {encodings:?}"),
            }
            assert!(matches!(chunk.compression(), Compression::ZSTD(_)), "{name}");
        }
        let back: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(arrow::compute::concat_batches(&batch.schema(), &back).unwrap(), batch);
    }

    #[test]
    fn statistics_are_what_delta_expects() {
        let stats: Value = serde_json::from_str(&statistics(Table::Track, &batch(3))).unwrap();
        assert_eq!(stats["numRecords"], 3);
        assert_eq!(stats["minValues"]["seq"], 0);
        assert_eq!(stats["maxValues"]["t"], "2026-01-15T00:00:02.000000Z");
        assert_eq!(stats["nullCount"]["h3_r10"], 0);
        // Digit by digit what the column holds.
        assert_eq!(stats["minValues"]["lat_deg"].to_string(), "47.65");
        assert_eq!(stats["maxValues"]["lat_deg"].to_string(), "47.6500074");
        assert_eq!(stats["minValues"]["lon_deg"].to_string(), "-2.08");
        assert_eq!(decimal(-1, 7).unwrap().to_string(), "-1e-7");
    }
}
