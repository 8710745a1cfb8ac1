//! A lake and payloads of other versions: yesterday's, which had fewer columns, and tomorrow's, which have more.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::{DataType as DeltaType, StructField, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::{DeltaTable, DeltaTableBuilder, ensure_table_uri};
use tournee_ingest::check::check;
use tournee_ingest::{IngestError, Lake, LakeOptions, message};
use tournee_lake::Table;
use tournee_payload::{Batch, BoxId, Sample, Stream, Topic, encode, field};

/// 2026-01-15T00:00:00Z.
const T_US: i64 = 1_768_435_200_000_000;
const T_DAY: i32 = 20_468;
const NOW_US: i64 = 1_795_000_000_000_000;
/// Tables that got columns since, and how many.
const GROWN: [(Table, usize); 4] = [(Table::Road, 1), (Table::Mobile, 12), (Table::Thermal, 4), (Table::Health, 4)];

/// The columns as they were published before the first ones were added.
fn yesterday(table: Table) -> Schema {
    let line = include_str!("raw.before.txt")
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{}: ", table.name())))
        .unwrap();
    // `name Type? Encoding`; a type may hold commas and spaces.
    let mut columns: Vec<String> = Vec::new();
    for part in line.split(", ") {
        match columns.last_mut() {
            Some(last) if last.matches('(').count() > last.matches(')').count() => *last = format!("{last}, {part}"),
            _ => columns.push(part.to_owned()),
        }
    }
    let field = |text: &String| {
        let (name, rest) = text.split_once(' ').unwrap();
        let (kind, _encoding) = rest.rsplit_once(' ').unwrap();
        let (kind, nullable) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        let data_type = match kind {
            "Utf8" => DataType::Utf8,
            "Binary" => DataType::Binary,
            "Int64" => DataType::Int64,
            "Date32" => DataType::Date32,
            decimal if decimal.starts_with("Decimal128(") => {
                let inner = decimal.trim_start_matches("Decimal128(").trim_end_matches(')');
                let (precision, scale) = inner.split_once(", ").unwrap();
                DataType::Decimal128(precision.parse().unwrap(), scale.parse().unwrap())
            }
            time => {
                assert!(time.starts_with("Timestamp"), "{time}");
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
        };
        Field::new(name, data_type, nullable)
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

async fn existing(lake: &Path, table: Table) -> DeltaTable {
    let url = ensure_table_uri(lake.join(table.name()).to_string_lossy()).unwrap();
    DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap()
}

/// Makes a table as yesterday's version did, with `rows` rows of a box that is no longer there.
async fn create(lake: &Path, table: Table, schema: &Schema, rows: usize) {
    let columns: StructType = schema.try_into_kernel().unwrap();
    let path = lake.join(table.name());
    std::fs::create_dir_all(&path).unwrap();
    let made = CreateBuilder::new()
        .with_location(path.to_string_lossy())
        .with_table_name(table.name())
        .with_columns(columns.fields().cloned())
        .with_partition_columns(["date"])
        .await
        .unwrap();
    if rows == 0 {
        return;
    }
    let array = |field: &Arc<Field>| -> ArrayRef {
        match field.name().as_str() {
            "box_id" => Arc::new(StringArray::from(vec!["old-box"; rows])),
            "epoch" => Arc::new(Int64Array::from(vec![1; rows])),
            "seq" => Arc::new(Int64Array::from_iter_values(0..rows as i64)),
            "date" => Arc::new(Date32Array::from(vec![T_DAY; rows])),
            "ingested_at" => Arc::new(TimestampMicrosecondArray::from(vec![NOW_US; rows]).with_timezone("UTC")),
            _ => new_null_array(field.data_type(), rows),
        }
    };
    let arrays = schema.fields().iter().map(array).collect();
    made.write([RecordBatch::try_new(Arc::new(schema.clone()), arrays).unwrap()]).await.unwrap();
}

async fn create_all(lake: &Path) {
    for table in Table::ALL {
        let rows = if GROWN.iter().any(|(grown, _)| *grown == table) { 3 } else { 0 };
        create(lake, table, &yesterday(table), rows).await;
    }
}

fn sample(stream: Stream, seq: u64) -> Sample {
    let mut sample = Sample::new(stream);
    sample.set(field::T_US, Some(T_US + i64::try_from(seq).unwrap() * 1_000_000));
    sample.set(field::LAT_DEG, Some(476_500_000));
    sample.set(field::LON_DEG, Some(-20_800_000));
    sample
}

fn batch(stream: Stream, count: u64) -> Batch {
    let samples = (0..count).map(|seq| sample(stream, seq)).collect();
    Batch { box_id: BoxId::new("van-01").unwrap(), stream, epoch: 77, first_seq: 0, samples }
}

/// Over a whole byte string, bit by bit: the Castagnoli polynomial, reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

/// The bytes of a batch whose last column has another field id, as a vehicle with tomorrow's agent would send.
fn tomorrow(batch: &Batch, last_field: u8, unknown_field: u8) -> Vec<u8> {
    let bytes = encode(batch).unwrap();
    // The key of a column's field id, then the id; the checksum of fixed length stands last.
    let at = bytes.windows(2).rposition(|pair| pair == [0x08, last_field]).unwrap();
    let mut bytes = bytes;
    bytes[at + 1] = unknown_field;
    // Field 8 are the columns, between the count and their length.
    let length = bytes.len() - 5;
    let start = (0..length).find(|at| bytes[*at] == 0x42 && ends_with_length(&bytes[*at + 1..length])).unwrap();
    let columns = columns_of(&bytes[start + 1..length]).unwrap();
    let mut signed = Vec::new();
    signed.extend(1_u32.to_le_bytes());
    signed.extend((batch.box_id.as_str().len() as u32).to_le_bytes());
    signed.extend(batch.box_id.as_str().as_bytes());
    signed.extend((batch.stream as u32).to_le_bytes());
    signed.extend(batch.epoch.to_le_bytes());
    signed.extend(batch.first_seq.to_le_bytes());
    signed.extend((batch.samples.len() as u32).to_le_bytes());
    signed.extend(columns);
    let crc = crc32c(&signed).to_le_bytes();
    bytes[length + 1..].copy_from_slice(&crc);
    bytes
}

fn varint(bytes: &[u8]) -> (usize, usize) {
    let end = bytes.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    (bytes[..end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f)), end)
}

fn columns_of(bytes: &[u8]) -> Option<&[u8]> {
    let (length, head) = varint(bytes);
    bytes.get(head..head + length)
}

/// Is what follows a length, as many bytes, and then field 9 with that length?
fn ends_with_length(bytes: &[u8]) -> bool {
    let (length, head) = varint(bytes);
    bytes
        .get(head + length..)
        .is_some_and(|rest| rest.first() == Some(&0x48) && varint(&rest[1..]) == (length, rest.len() - 1))
}

fn columns(lake: &Path, tables: &[&str]) -> Option<HashMap<String, serde_json::Value>> {
    let Some(python) = std::env::var_os("TOURNEE_PYTHON") else {
        println!("no outside reader: TOURNEE_PYTHON must name a Python with tests/python/requirements.txt installed");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python/columns.py");
    let output = Command::new(python).arg(script).arg(lake).args(tables).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn yesterdays_lake_gets_the_new_columns_and_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    create_all(dir.path()).await;
    let before: HashMap<Table, u64> = {
        let mut versions = HashMap::new();
        for table in Table::ALL {
            versions.insert(table, existing(dir.path(), table).await.version().unwrap());
        }
        versions
    };
    // Two workers at once: both may write afterwards, and the columns are added once.
    let (one, two) = tokio::join!(
        Lake::open(dir.path(), LakeOptions { shards: 0..=31, hook: None }),
        Lake::open(dir.path(), LakeOptions { shards: 32..=63, hook: None })
    );
    drop((one.unwrap(), two.unwrap()));
    for table in Table::ALL {
        let now = existing(dir.path(), table).await;
        let grown = GROWN.iter().find(|(grown, _)| *grown == table).map_or(0, |(_, columns)| *columns);
        assert_eq!(now.version().unwrap(), before[&table] + u64::from(grown > 0), "{}", table.name());
        let schema = now.snapshot().unwrap().schema();
        assert_eq!(schema.fields().count(), yesterday(table).fields().len() + grown);
        assert_eq!(schema.fields().count(), table.columns().len());
    }

    // Yesterday's payload: a batch without the new fields. Tomorrow's: one with a field that nobody here knows.
    let mut lake = Lake::open(dir.path(), LakeOptions::default()).await.unwrap();
    let topic = |stream| Topic::up(&BoxId::new("van-01").unwrap(), stream).to_string();
    let take = |lake: &mut Lake, stream: Stream, bytes: &[u8]| {
        let decoded = message(&topic(stream), bytes).unwrap();
        lake.note_unknown_fields(decoded.unknown_fields);
        lake.append(decoded.batch, NOW_US).unwrap()
    };
    assert_eq!(take(&mut lake, Stream::Road, &encode(&batch(Stream::Road, 5)).unwrap()).rows, 5);
    assert_eq!(lake.totals().unknown_fields, 0);
    let mut newer = batch(Stream::Mobile, 2);
    for sample in &mut newer.samples {
        sample.set(26, Some(9)); // tac, which this version knows
        sample.set(37, Some(9)); // probe_bytes, sent under a number of tomorrow
    }
    assert_eq!(take(&mut lake, Stream::Mobile, &tomorrow(&newer, 37, 120)).rows, 2);
    assert_eq!(lake.totals().unknown_fields, 1);
    lake.commit(NOW_US).await.unwrap();
    let found = check(dir.path()).await.unwrap();
    assert_eq!((found.total.stored, found.total.duplicates, found.total.missing), (4 * 3 + 5 + 2, 0, 0));

    let Some(seen) = columns(dir.path(), &["road", "mobile"]) else { return };
    assert_eq!((&seen["road"]["rows"], &seen["road"]["empty"]["ppe_m2ps4"]), (&8.into(), &8.into()));
    let empty = &seen["mobile"]["empty"];
    assert_eq!((&seen["mobile"]["rows"], &empty["tac"], &empty["probe_bytes"]), (&5.into(), &3.into(), &5.into()));
    // Unit and meaning of what was added, as SQL shows them.
    let told = seen["road"]["comment"]["ppe_m2ps4"].as_str().unwrap();
    assert!(told.contains("m²/s⁴"), "{told}");
}

#[tokio::test]
async fn every_column_of_a_new_lake_tells_outside_readers_its_meaning() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lake::open(dir.path(), LakeOptions::default()).await.unwrap());
    let names = Table::ALL.map(Table::name);
    let Some(seen) = columns(dir.path(), &names) else { return };
    for table in Table::ALL {
        for column in table.columns() {
            assert_eq!(seen[table.name()]["comment"][column.name], column.comment, "{}.{}", table.name(), column.name);
        }
    }
}

#[tokio::test]
async fn a_running_worker_goes_on_when_a_newer_one_adds_a_column() {
    let dir = tempfile::tempdir().unwrap();
    let mut lake = Lake::open(dir.path(), LakeOptions::default()).await.unwrap();
    lake.append(batch(Stream::Air, 3), NOW_US).unwrap();
    let newer = existing(dir.path(), Table::Air).await;
    newer.add_columns().with_fields([StructField::nullable("tomorrow", DeltaType::LONG)]).await.unwrap();
    assert_eq!(lake.commit(NOW_US).await.unwrap().rows.get("air"), Some(&3));
    drop(lake);
    // And so does one that starts now.
    let mut lake = Lake::open(dir.path(), LakeOptions::default()).await.unwrap();
    assert_eq!(lake.append(batch(Stream::Air, 4), NOW_US).unwrap().duplicates, 3);
    lake.commit(NOW_US).await.unwrap();
    if let Some(seen) = columns(dir.path(), &["air"]) {
        assert_eq!((&seen["air"]["rows"], &seen["air"]["empty"]["tomorrow"]), (&4.into(), &4.into()));
    }
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_refused_before_anything_is_written() {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let fields: Vec<Field> = yesterday(Table::Road).fields().iter().map(|field| field.as_ref().clone()).collect();
    let replaced = |name: &str, with: Field| {
        let change = |field: &Field| if field.name() == name { with.clone() } else { field.clone() };
        Schema::new(fields.iter().map(change).collect::<Vec<_>>())
    };
    let more = Schema::new(fields.iter().cloned().chain([text("tomorrow", false)]).collect::<Vec<_>>());
    for (schema, column) in [(replaced("samples", text("samples", true)), "samples"), (more, "tomorrow")] {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), Table::Road, &schema, 0).await;
        let error = Lake::open(dir.path(), LakeOptions::default()).await.err().unwrap();
        assert!(matches!(&error, IngestError::Schema { table: "road", .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains(column) && told.contains("nothing was written") && told.lines().count() == 1, "{told}");
        assert_eq!(existing(dir.path(), Table::Road).await.version(), Some(0));
    }
}
