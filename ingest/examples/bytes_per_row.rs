//! What a row costs on disk, per table and column, under the layouts that Parquet offers.
//!
//! `cargo run --release -p tournee-ingest --example bytes_per_row -- LAKE…` reads the rows of lakes (folders with the tables
//! of contract 3: a demo's, or one that `tournee import` filled) and writes them again twice: *hot*, as one commit sees them,
//! every 60 rows another vehicle, and *cold*, 3,600 rows of a vehicle in a row, as compaction leaves them. A vehicle has its own
//! epoch, boot, numbers and ticks, drives in another part of a country, and all of them drive at the same hour; what it measured
//! stays as it was. Each column is then written alone in every candidate layout. Columns that are empty in every row
//! are left out of the list, not of the sums.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, Schema, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding as ParquetEncoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tournee_lake::{Encoding, Table};

/// Rows of one batch of a vehicle, and of one hour.
const HOT_ROWS: usize = 60;
const COLD_ROWS: usize = 3_600;
/// The rows of a commit of 10 s at the peak of a national fleet, for one table.
const MAX_ROWS: usize = 200_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Plain,
    Dictionary,
    Delta,
    Split,
    DeltaLength,
}

fn main() -> Result<()> {
    let lakes: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if lakes.is_empty() {
        return Err("usage: bytes_per_row LAKE…".into());
    }
    for table in Table::STREAMS {
        for lake in &lakes {
            let Some(rows) = read(lake, table)? else { continue };
            for (name, run) in [("hot", HOT_ROWS), ("cold", COLD_ROWS)] {
                let rows = as_fleet(&rows, run)?;
                println!("\n{} of {}, {name}: {} rows", table.name(), lake.display(), rows.num_rows());
                measure(table, &rows)?;
            }
        }
    }
    Ok(())
}

/// Every row of a table, in the order of its box, epoch and number, with the columns of this version.
fn read(lake: &Path, table: Table) -> Result<Option<RecordBatch>> {
    let mut batches = Vec::new();
    let schema = table.file_schema();
    for folder in std::fs::read_dir(table.path(lake)).into_iter().flatten() {
        for file in std::fs::read_dir(folder?.path()).into_iter().flatten() {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "parquet")
                || path.to_string_lossy().contains("_delta_log")
            {
                continue;
            }
            for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(&path)?)?.build()? {
                let batch = batch?;
                let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
                    Some(column) => cast(column, field.data_type()),
                    None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
                });
                batches.push(RecordBatch::try_new(schema.clone(), columns.collect::<std::result::Result<_, _>>()?)?);
            }
        }
    }
    if batches.iter().map(RecordBatch::num_rows).sum::<usize>() < HOT_ROWS {
        return Ok(None);
    }
    let all = concat_batches(&schema, &batches)?;
    let (boxes, epochs) = (all.column_by_name("box_id"), all.column_by_name("epoch"));
    let (Some(boxes), Some(epochs), Some(seqs)) = (boxes, epochs, all.column_by_name("seq")) else { return Ok(None) };
    let (boxes, epochs) = (boxes.as_string::<i32>(), epochs.as_primitive::<Int64Type>());
    let seqs = seqs.as_primitive::<Int64Type>();
    let mut order: Vec<u32> = (0..u32::try_from(all.num_rows())?).collect();
    order.sort_by_key(|at| {
        let at = *at as usize;
        (boxes.value(at), epochs.value(at), seqs.value(at))
    });
    order.truncate(MAX_ROWS);
    let order = arrow::array::UInt32Array::from(order);
    Ok(Some(arrow::compute::take_record_batch(&all, &order)?))
}

/// The same rows as those of many vehicles, each with `run` of them: what identifies a vehicle is made up, what it measured stays.
fn as_fleet(rows: &RecordBatch, run: usize) -> Result<RecordBatch> {
    let mut random = StdRng::seed_from_u64(35);
    let vehicles = rows.num_rows().div_ceil(run);
    struct Vehicle {
        epoch: i64,
        boot: i64,
        first_seq: i64,
        tick_us: i64,
        ingested_us: i64,
        north: i64,
        east: i64,
        phase_us: i64,
        cell: i64,
    }
    let fleet: Vec<Vehicle> = (0..vehicles)
        .map(|_| Vehicle {
            epoch: random.random::<i64>() & i64::MAX,
            boot: i64::from(random.random::<u32>()),
            first_seq: random.random_range(0..10_000_000),
            tick_us: random.random_range(0..20_000_000_000),
            ingested_us: 1_800_000_000_000_000 + random.random_range(0..10_000_000),
            north: random.random_range(-20_000_000..20_000_000),
            east: random.random_range(-20_000_000..20_000_000),
            phase_us: random.random_range(0..60_000) * 1_000,
            cell: random.random_range(0..1 << 30),
        })
        .collect();
    // Neighbours in a file are not neighbours in the town: drives in another order than they were recorded.
    let mut order: Vec<usize> = (0..vehicles).collect();
    order.shuffle(&mut random);
    let order = order
        .into_iter()
        .flat_map(|vehicle| (vehicle * run..rows.num_rows().min((vehicle + 1) * run)).map(|at| at as u32));
    let rows = &arrow::compute::take_record_batch(rows, &arrow::array::UInt32Array::from_iter_values(order))?;
    let of = |at: usize| fleet.get(at / run);
    let count = rows.num_rows();
    let schema = rows.schema();
    let columns = schema.fields().iter().map(|field| -> Result<ArrayRef> {
        let numbers = |value: &dyn Fn(usize, &Vehicle) -> i64| -> ArrayRef {
            Arc::new((0..count).map(|at| of(at).map(|vehicle| value(at, vehicle))).collect::<Int64Array>())
        };
        Ok(match field.name().as_str() {
            "box_id" => Arc::new(StringArray::from_iter_values((0..count).map(|at| format!("lp-{:06}", at / run)))),
            "epoch" => numbers(&|_, vehicle| vehicle.epoch),
            "boot_id" => numbers(&|_, vehicle| vehicle.boot),
            "seq" => numbers(&|at, vehicle| vehicle.first_seq + (at % run) as i64),
            // The box's ticks run beside the time of the event, a little off.
            "tick_us" => match rows.column_by_name("tick_us") {
                Some(own) if own.null_count() < count => {
                    moved(rows, "tick_us", |at| of(at).map_or(0, |vehicle| vehicle.tick_us))?
                }
                _ => {
                    numbers(&|at, vehicle| vehicle.tick_us + (at % run) as i64 * 1_000_000 + (at * 7_919 % 400) as i64)
                }
            },
            "ingested_at" => {
                let times = (0..count).map(|at| of(at).map(|vehicle| vehicle.ingested_us));
                Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            "lat_deg" => moved(rows, "lat_deg", |at| of(at).map_or(0, |vehicle| vehicle.north))?,
            "lon_deg" => moved(rows, "lon_deg", |at| of(at).map_or(0, |vehicle| vehicle.east))?,
            "h3_r10" => moved(rows, "h3_r10", |at| of(at).map_or(0, |vehicle| vehicle.cell << 15))?,
            "t" => {
                // The first time of a vehicle's rows becomes the common one.
                let own = rows.column_by_name("t").ok_or("no time")?.as_primitive::<TimestampMicrosecondType>();
                let first = |at: usize| (at / run * run..=at).find(|at| own.is_valid(*at)).map(|at| own.value(at));
                let shift = |at: usize| {
                    let phase = of(at).map_or(0, |vehicle| vehicle.phase_us);
                    first(at).map_or(0, |first| 1_800_000_000_000_000 + phase - first)
                };
                moved(rows, "t", shift)?
            }
            name => rows.column_by_name(name).cloned().ok_or("a column is missing")?,
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// A column with something added to each value; empty stays empty.
fn moved(rows: &RecordBatch, name: &str, by: impl Fn(usize) -> i64) -> Result<ArrayRef> {
    let column = rows.column_by_name(name).ok_or("a column is missing")?;
    let out: ArrayRef = match column.data_type() {
        DataType::Decimal128(precision, scale) => {
            let own = column.as_primitive::<Decimal128Type>();
            let values = own.iter().enumerate().map(|(at, value)| Some(value? + i128::from(by(at))));
            Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Int64 => {
            let own = column.as_primitive::<Int64Type>();
            Arc::new(own.iter().enumerate().map(|(at, value)| Some(value? + by(at))).collect::<Int64Array>())
        }
        _ => {
            let own = column.as_primitive::<TimestampMicrosecondType>();
            let values = own.iter().enumerate().map(|(at, value)| Some(value? + by(at)));
            Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
    };
    Ok(out)
}

fn measure(table: Table, rows: &RecordBatch) -> Result<()> {
    let mut best_sum = 0.0;
    println!("  {:<18} {:>10}  candidates at zstd 3, bytes per row", "column", "contract");
    for column in table.columns().iter().filter(|column| column.encoding != Encoding::Partition) {
        let Some(array) = rows.column_by_name(column.name) else { continue };
        let alone = RecordBatch::try_new(Arc::new(Schema::new(vec![column.field()])), vec![array.clone()])?;
        let mut found = BTreeMap::new();
        for layout in candidates(array.data_type()) {
            let size = chunk_bytes(&alone, |builder| set(builder, column.name, layout), 3)?;
            found.insert(format!("{layout:?}"), size as f64 / rows.num_rows() as f64);
        }
        let contract = chunk_bytes(&alone, |builder| set(builder, column.name, layout_of(column.encoding)), 3)? as f64
            / rows.num_rows() as f64;
        best_sum += found.values().copied().fold(f64::INFINITY, f64::min);
        if array.null_count() < array.len() {
            let list: Vec<String> = found.iter().map(|(name, size)| format!("{name} {size:.3}")).collect();
            println!("  {:<18} {contract:>10.3}  {}", column.name, list.join("  "));
        }
    }
    for level in [1, 3, 9] {
        for group in [rows.num_rows(), 20_000] {
            let whole = file_bytes(table, rows, level, group)?;
            println!(
                "  whole file, contract, zstd {level}, row groups of {group}: {:.2} bytes per row",
                whole as f64 / rows.num_rows() as f64
            );
        }
    }
    println!("  every column at its best: {best_sum:.2}");
    Ok(())
}

fn candidates(data_type: &DataType) -> Vec<Layout> {
    match data_type {
        DataType::Utf8 | DataType::Binary => vec![Layout::Dictionary, Layout::DeltaLength],
        _ => vec![Layout::Plain, Layout::Dictionary, Layout::Delta, Layout::Split],
    }
}

const fn layout_of(encoding: Encoding) -> Layout {
    match encoding {
        Encoding::Dictionary | Encoding::Partition => Layout::Dictionary,
        Encoding::DeltaBinaryPacked => Layout::Delta,
        Encoding::DeltaLength => Layout::DeltaLength,
    }
}

fn set(builder: WriterPropertiesBuilder, name: &str, layout: Layout) -> WriterPropertiesBuilder {
    let path = ColumnPath::from(name);
    match layout {
        Layout::Dictionary => builder.set_column_dictionary_enabled(path, true),
        Layout::Plain => builder.set_column_encoding(path, ParquetEncoding::PLAIN),
        Layout::Delta => builder.set_column_encoding(path, ParquetEncoding::DELTA_BINARY_PACKED),
        Layout::Split => builder.set_column_encoding(path, ParquetEncoding::BYTE_STREAM_SPLIT),
        Layout::DeltaLength => builder.set_column_encoding(path, ParquetEncoding::DELTA_LENGTH_BYTE_ARRAY),
    }
}

fn properties(level: i32) -> Result<WriterPropertiesBuilder> {
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk))
}

/// Bytes of the one column's chunks, without the file's footer.
fn chunk_bytes(
    rows: &RecordBatch,
    layout: impl Fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
    level: i32,
) -> Result<i64> {
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(layout(properties(level)?).build()))?;
    writer.write(rows)?;
    let metadata = writer.close()?;
    Ok(metadata.row_groups().iter().map(|group| group.compressed_size()).sum())
}

/// Bytes of a file as the contract lays it out.
fn file_bytes(table: Table, rows: &RecordBatch, level: i32, group: usize) -> Result<usize> {
    let mut builder = properties(level)?.set_max_row_group_row_count(Some(group));
    for column in table.columns().iter().filter(|column| column.encoding != Encoding::Partition) {
        builder = set(builder, column.name, layout_of(column.encoding));
    }
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(builder.build()))?;
    writer.write(rows)?;
    Ok(writer.into_inner()?.len())
}
