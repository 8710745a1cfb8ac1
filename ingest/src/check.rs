//! Does the lake keep its promise? generated = stored + gaps + refused, duplicates = 0, for every box, stream and epoch.
//!
//! Reads the rows themselves through the Delta log, not the watermark objects: those are what is on trial.
//!
//! It is one half of the proof. `generated` is what the lake has heard of: the largest number of a series, plus one. Samples
//! at the end of a series that never arrived, or a series of which nothing did, are unknown here and cannot be missing. The
//! other half are the vehicles' own counts, of what each numbered per stream and epoch; the end-to-end tests compare the two.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;
use tournee_lake::{IntervalSet, Series, Table};
use tournee_payload::Stream;

use crate::delta::Delta;
use crate::error::IngestError;
use crate::store::FsyncedLocal;
use crate::validate::stream_table;

/// The account of one box, stream and epoch; or a sum of such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Numbers given by the vehicle, as far as the lake has heard of them: the largest one, plus one. To be compared with
    /// the vehicle's own count.
    pub generated: u64,
    /// Distinct rows in the stream's table.
    pub stored: u64,
    /// Numbers that the vehicle gave up, of those not stored.
    pub gaps: u64,
    /// Numbers whose row ingest refused, of those neither stored nor given up.
    pub refused: u64,
    /// Rows beyond the first with the same key.
    pub duplicates: u64,
    /// Numbers that nothing accounts for. On the way, while a vehicle still sends; a loss, when it says it is done.
    pub missing: u64,
}

impl Account {
    fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.stored += other.stored;
        self.gaps += other.gaps;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.missing += other.missing;
    }

    /// Is everything accounted for exactly once?
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.missing == 0 && self.duplicates == 0 && self.generated == self.stored + self.gaps + self.refused
    }
}

/// The account of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesAccount {
    /// The box.
    pub box_id: String,
    /// The stream.
    pub stream: &'static str,
    /// The epoch of the spool.
    pub epoch: i64,
    /// Its account.
    pub account: Account,
}

/// The account of a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LakeCheck {
    /// One per box, stream and epoch.
    pub series: Vec<SeriesAccount>,
    /// Their sum.
    pub total: Account,
    /// Rows in `quarantine`: messages and refused rows.
    pub quarantined: u64,
    /// Of these, messages that could not be read as a batch.
    pub refused_messages: u64,
}

#[derive(Default)]
struct Found {
    stored: IntervalSet,
    rows: u64,
    gaps: IntervalSet,
    refused: IntervalSet,
}

/// Checks the lake under `lake_root`.
///
/// # Errors
/// When a table or file cannot be read.
pub async fn check(lake_root: &Path) -> Result<LakeCheck, IngestError> {
    let root =
        lake_root.canonicalize().map_err(|source| IngestError::Root { path: lake_root.to_path_buf(), source })?;
    let store: Arc<object_store::DynObjectStore> = Arc::new(FsyncedLocal::new(None));
    let mut found: BTreeMap<Series, Found> = BTreeMap::new();
    let mut done = LakeCheck::default();
    for table in Table::ALL {
        let Some(delta) = Delta::open_existing(&root, store.clone(), table).await? else { continue };
        for file in delta.files() {
            let path = table.path(&root).join(file.as_ref());
            for batch in read(&path, table)? {
                match table {
                    Table::Quarantine => read_quarantine(&batch, &mut found, &mut done),
                    _ => read_rows(table, &batch, &mut found),
                }
            }
        }
    }
    for (series, found) in found {
        let account = account(&found);
        done.total.add(&account);
        let Series { box_id, stream, epoch } = series;
        done.series.push(SeriesAccount { box_id, stream: stream.name(), epoch, account });
    }
    Ok(done)
}

fn account(found: &Found) -> Account {
    let mut all = found.stored.clone();
    all.union_with(&found.gaps);
    let gaps = found.gaps.count_outside(&found.stored);
    let refused = found.refused.count_outside(&all);
    all.union_with(&found.refused);
    let generated = all.last().map_or(0, |last| last.saturating_add(1));
    let stored = found.stored.count();
    Account {
        generated,
        stored,
        gaps,
        refused,
        duplicates: found.rows - stored,
        missing: generated.saturating_sub(all.count()),
    }
}

/// The columns of the identity, and of gap records, of one file.
fn read(path: &Path, table: Table) -> Result<Vec<RecordBatch>, IngestError> {
    let file = File::open(path).map_err(|source| IngestError::Root { path: path.to_path_buf(), source })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let wanted: &[&str] = match table {
        Table::Gap => &["box_id", "epoch", "seq", "gap_stream", "first_seq", "last_seq"],
        Table::Quarantine => &["box_id", "stream", "epoch", "seq"],
        _ => &["box_id", "epoch", "seq"],
    };
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted.iter().copied());
    Ok(builder.with_projection(mask).build()?.collect::<Result<Vec<_>, _>>()?)
}

/// A column as optional non-negative integers; all absent when the file has not the column.
fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    match batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>().cloned()) {
        Some(column) => column.iter().collect(),
        None => vec![None; batch.num_rows()],
    }
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    match batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>().cloned()) {
        Some(column) => column.iter().map(|text| text.map(str::to_owned)).collect(),
        None => vec![None; batch.num_rows()],
    }
}

fn read_rows(table: Table, batch: &RecordBatch, found: &mut BTreeMap<Series, Found>) {
    let gap = (table == Table::Gap)
        .then(|| (numbers(batch, "gap_stream"), numbers(batch, "first_seq"), numbers(batch, "last_seq")));
    let keys = texts(batch, "box_id").into_iter().zip(numbers(batch, "epoch")).zip(numbers(batch, "seq"));
    for (at, ((box_id, epoch), seq)) in keys.enumerate() {
        let (Some(box_id), Some(epoch), Some(seq)) = (box_id, epoch, seq.and_then(|seq| u64::try_from(seq).ok()))
        else {
            continue;
        };
        let series = Series { box_id, stream: table, epoch };
        if let Some((streams, firsts, lasts)) = &gap {
            let value =
                |list: &[Option<i64>]| list.get(at).copied().flatten().and_then(|value| u64::try_from(value).ok());
            let stream = value(streams).and_then(|code| Stream::from_code(u32::try_from(code).ok()?));
            if let (Some(stream), Some(first), Some(last)) = (stream, value(firsts), value(lasts)) {
                let lost = Series { stream: stream_table(stream), ..series.clone() };
                found.entry(lost).or_default().gaps.insert_range(first, last);
            }
        }
        let entry = found.entry(series).or_default();
        entry.rows += 1;
        entry.stored.insert(seq);
    }
}

fn read_quarantine(batch: &RecordBatch, found: &mut BTreeMap<Series, Found>, done: &mut LakeCheck) {
    let names = texts(batch, "box_id").into_iter().zip(texts(batch, "stream"));
    let numbers = numbers(batch, "epoch").into_iter().zip(numbers(batch, "seq"));
    for ((box_id, stream), (epoch, seq)) in names.zip(numbers) {
        done.quarantined += 1;
        let stream = stream.as_deref().and_then(Table::from_name);
        match (box_id, stream, epoch, seq.and_then(|seq| u64::try_from(seq).ok())) {
            (Some(box_id), Some(stream), Some(epoch), Some(seq)) => {
                found.entry(Series { box_id, stream, epoch }).or_default().refused.insert(seq);
            }
            _ => done.refused_messages += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation_counts_each_number_once() {
        let mut found = Found::default();
        found.stored.insert_range(0, 9);
        found.rows = 11;
        found.gaps.insert_range(8, 14);
        found.refused.insert_range(14, 15);
        found.refused.insert(18);
        let sum = account(&found);
        assert_eq!(sum, Account { generated: 19, stored: 10, gaps: 5, refused: 2, duplicates: 1, missing: 2 });
        assert!(!sum.holds());
        found.rows = 10;
        found.refused.insert_range(16, 17);
        assert!(account(&found).holds());
        assert!(Account::default().holds());
    }
}
