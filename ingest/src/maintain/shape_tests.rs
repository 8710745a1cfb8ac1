//! Files that are not quite as this version writes them, and the derived tables.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array as _, ArrayRef, AsArray as _, Date32Array, Int64Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::operations::create::CreateBuilder;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio_util::sync::CancellationToken;
use tournee_payload::{Batch, BoxId, Sample, Stream, field};

use super::*;
use crate::check::check;
use crate::{Lake, LakeOptions};

const DAY_US: i64 = 86_400_000_000;
const T_US: i64 = 1_768_435_200_000_000;

fn eager() -> MaintainOptions {
    MaintainOptions {
        retention: Retention { pass_fact_months: Some(24), ..Retention::NEVER },
        settle: Duration::ZERO,
        history: Duration::ZERO,
        ..MaintainOptions::default()
    }
}

fn write(path: &Path, batch: &RecordBatch) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn parquet_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

/// A lake with two commits to `track`, of which the second file is changed by `change`; the log learns its new size.
async fn changed(root: &Path, change: impl Fn(RecordBatch) -> RecordBatch) {
    let mut lake = Lake::open(root, LakeOptions::default()).await.unwrap();
    for round in 0..2 {
        let samples = (0..5).map(|seq| {
            let mut sample = Sample::new(Stream::Track);
            sample.set(field::T_US, Some(T_US + seq));
            sample
        });
        let box_id = BoxId::new("van-01").unwrap();
        let batch = Batch { box_id, stream: Stream::Track, epoch: 1, first_seq: round * 5, samples: samples.collect() };
        lake.append(batch, T_US).unwrap();
        lake.commit(T_US).await.unwrap();
    }
    let mut entries: Vec<_> =
        std::fs::read_dir(root.join("track/_delta_log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let entry = entries.pop().unwrap();
    let text = std::fs::read_to_string(&entry).unwrap();
    let lines = text.lines().map(|line| {
        let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(name) = action["add"]["path"].as_str() {
            let path = root.join("track").join(name);
            write(&path, &change(read(&path)));
            action["add"]["size"] = std::fs::metadata(&path).unwrap().len().into();
        }
        format!("{action}\n")
    });
    let text: String = lines.collect();
    std::fs::write(&entry, text).unwrap();
}

async fn run(root: &Path, derived: Option<&Path>) -> MaintainReport {
    let store = LakeStore::existing(&root.into()).unwrap();
    let derived = derived.map(|path| LakeStore::existing(&path.into()).unwrap());
    maintain(&store, derived.as_ref(), &eager(), T_US + 5 * DAY_US, &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn columns_of_another_version_are_kept_and_missing_ones_are_empty() {
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), |batch| {
        let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = batch.columns().to_vec();
        let gone = fields.iter().position(|field| field.name() == "sats").unwrap();
        fields.remove(gone);
        columns.remove(gone);
        fields.push(Field::new("tomorrow", DataType::Int64, false));
        columns.push(Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    })
    .await;
    let report = run(dir.path(), None).await;
    assert!(report.complete, "{report:?}");
    let files = parquet_files(&dir.path().join("track/date=2026-01-15"));
    assert_eq!(files.len(), 1, "what was replaced is gone");
    let rows = read(&files[0]);
    let tomorrow = rows.column_by_name("tomorrow").unwrap().as_primitive::<Int64Type>();
    assert_eq!((tomorrow.len(), tomorrow.null_count(), tomorrow.iter().flatten().sum::<i64>()), (10, 5, 10));
    assert_eq!(rows.column_by_name("sats").unwrap().null_count(), 10);
    assert!(check(dir.path()).await.unwrap().holds());
}

#[tokio::test]
async fn a_column_of_another_type_stops_the_table_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    changed(dir.path(), |batch| {
        let at = batch.schema().index_of("sats").unwrap();
        let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut columns = batch.columns().to_vec();
        fields[at] = Field::new("sats", DataType::Utf8, true);
        columns[at] = new_null_array(&DataType::Utf8, batch.num_rows());
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    })
    .await;
    let report = run(dir.path(), None).await;
    let errors: Vec<(&str, &str)> = report.errors().collect();
    assert!(matches!(errors[..], [("track", text)] if text.contains("sats") && text.contains("Utf8")), "{errors:?}");
    assert!(!report.complete && check(dir.path()).await.unwrap().holds());
    assert_eq!(parquet_files(&dir.path().join("track/date=2026-01-15")).len(), 2);
}

#[tokio::test]
async fn pass_facts_leave_after_their_months() {
    let dir = tempfile::tempdir().unwrap();
    let (root, derived) = (dir.path().join("lake"), dir.path().join("derived"));
    drop(Lake::open(&root, LakeOptions::default()).await.unwrap());
    let place = derived.join("pass_fact");
    std::fs::create_dir_all(&place).unwrap();
    let schema = DerivedTable::PassFact.schema();
    let columns: StructType = schema.as_ref().try_into_kernel().unwrap();
    let url = deltalake::ensure_table_uri(place.to_str().unwrap()).unwrap();
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_columns(columns.fields().cloned())
        .with_partition_columns([TERRITORY])
        .await
        .unwrap();
    // 2024-01-20 is 24 months before the day of the run.
    let first_kept = 19_742;
    let days = [first_kept - 300, first_kept - 1, first_kept, first_kept + 500];
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .filter(|field| field.name() != TERRITORY)
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let columns = fields.iter().map(|field| match field.name().as_str() {
        "local_date" => Arc::new(Date32Array::from_iter_values(days)) as ArrayRef,
        _ => new_null_array(field.data_type(), days.len()),
    });
    let columns = columns.collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let name = "territory=redon/part-1.zstd.parquet";
    write(&place.join(name), &batch);
    let add = serde_json::json!({"add": {
        "path": name, "partitionValues": {"territory": "redon"}, "modificationTime": 1, "dataChange": true,
        "size": std::fs::metadata(place.join(name)).unwrap().len(), "stats": "{\"numRecords\":4}"
    }});
    std::fs::write(place.join("_delta_log/00000000000000000001.json"), format!("{add}\n")).unwrap();
    let report = run(&root, Some(&derived)).await;
    assert!(report.complete, "{report:?}");
    let facts = report.tables.iter().find(|table| table.table == "derived/pass_fact").unwrap();
    assert_eq!((facts.rows_expired, facts.files_before, facts.files_after), (2, 1, 1), "{facts:?}");
    let files = parquet_files(&place.join("territory=redon"));
    assert_eq!(files.len(), 1, "the old file is gone with its rows");
    let rows = read(&files[0]);
    let kept: Vec<i32> = rows
        .column_by_name("local_date")
        .unwrap()
        .as_primitive::<arrow::datatypes::Date32Type>()
        .iter()
        .flatten()
        .collect();
    assert_eq!(kept, [first_kept, first_kept + 500]);
    let again = run(&root, Some(&derived)).await;
    assert!(again.tables.iter().all(|table| table.rows_expired == 0), "{again:?}");
}
