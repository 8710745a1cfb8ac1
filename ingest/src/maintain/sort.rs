//! Sorting more rows than fit in memory: sorted runs on disk, then one merge.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::error::IngestError;

/// Rows of a batch that leaves the sorter.
pub(crate) const OUT_ROWS: usize = 8_192;
/// Rows of a run that are in memory during the merge; a run's pages are no larger.
const RUN_ROWS: usize = 1_024;

/// Takes batches in any order, gives rows in the order of some columns.
pub(crate) struct Sorter {
    schema: SchemaRef,
    keys: Vec<usize>,
    converter: RowConverter,
    /// Bytes of decoded rows that are held before a run is written.
    limit_bytes: usize,
    folder: PathBuf,
    held: Vec<RecordBatch>,
    held_bytes: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// Sorts by the columns `keys` of `schema`, those that it has, empty values first. Holds about `limit_bytes` of rows, and
    /// writes the rest below `folder`, in files without a name: they are gone when this process is, however it ends.
    pub(crate) fn new(
        schema: SchemaRef,
        keys: &[&str],
        limit_bytes: usize,
        folder: &Path,
    ) -> Result<Self, IngestError> {
        let keys: Vec<usize> = keys.iter().filter_map(|key| schema.index_of(key).ok()).collect();
        let fields = keys.iter().map(|key| SortField::new(schema.field(*key).data_type().clone())).collect();
        let converter = RowConverter::new(fields)?;
        let folder = folder.to_path_buf();
        Ok(Self { schema, keys, converter, limit_bytes, folder, held: Vec::new(), held_bytes: 0, runs: Vec::new() })
    }

    /// Adds rows of the sorter's schema.
    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), IngestError> {
        self.held_bytes += batch.get_array_memory_size();
        self.held.push(batch);
        if self.held_bytes >= self.limit_bytes { self.spill() } else { Ok(()) }
    }

    /// Runs that went to disk so far.
    pub(crate) fn spilled(&self) -> usize {
        self.runs.len()
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Rows, IngestError> {
        let columns: Vec<_> = self.keys.iter().map(|key| batch.column(*key).clone()).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The rows in memory, as (batch, row), in order. Equal keys keep the order in which they came.
    fn order(&self) -> Result<Vec<(usize, usize)>, IngestError> {
        let rows = self.held.iter().map(|batch| self.rows(batch)).collect::<Result<Vec<_>, _>>()?;
        let mut order: Vec<(u32, u32)> = Vec::with_capacity(rows.iter().map(Rows::num_rows).sum());
        for (at, batch) in (0..).zip(&self.held) {
            order.extend((0..batch.num_rows()).map(|row| (at, row as u32)));
        }
        let key = |(batch, row): &(u32, u32)| rows.get(*batch as usize).map(|rows| rows.row(*row as usize));
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        Ok(order.into_iter().map(|(batch, row)| (batch as usize, row as usize)).collect())
    }

    fn spill(&mut self) -> Result<(), IngestError> {
        let order = self.order()?;
        let batches: Vec<&RecordBatch> = self.held.iter().collect();
        let failed = |source| IngestError::Root { path: self.folder.clone(), source };
        let file = tempfile::tempfile_in(&self.folder).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_data_page_row_count_limit(RUN_ROWS)
            .set_write_batch_size(RUN_ROWS)
            .build();
        let copy = file.try_clone().map_err(failed)?;
        let mut writer = ArrowWriter::try_new(file, self.schema.clone(), Some(properties))?;
        for chunk in order.chunks(OUT_ROWS) {
            writer.write(&interleave_record_batch(&batches, chunk)?)?;
        }
        writer.close()?;
        self.runs.push(copy);
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }

    /// The sorted rows.
    pub(crate) fn finish(mut self) -> Result<Sorted, IngestError> {
        if self.runs.is_empty() {
            let order = self.order()?;
            return Ok(Sorted::Held { batches: self.held, order, next: 0 });
        }
        if !self.held.is_empty() {
            self.spill()?;
        }
        let mut merge = Merge {
            converter: self.converter,
            keys: self.keys,
            cursors: Vec::new(),
            heap: Vec::new(),
            picked: Vec::new(),
            buffers: Vec::new(),
        };
        for run in self.runs {
            let reader = ParquetRecordBatchReaderBuilder::try_new(run)?.with_batch_size(RUN_ROWS).build()?;
            merge.cursors.push(Cursor { reader, rows: None, buffer: 0, row: 0 });
        }
        for at in 0..merge.cursors.len() {
            if merge.advance_batch(at)? {
                merge.heap.push(at);
            }
        }
        merge.build_heap();
        Ok(Sorted::Merge(Box::new(merge)))
    }
}

/// Sorted rows, batch by batch.
pub(crate) enum Sorted {
    /// All of them were in memory.
    Held { batches: Vec<RecordBatch>, order: Vec<(usize, usize)>, next: usize },
    /// From runs.
    Merge(Box<Merge>),
}

impl Sorted {
    /// The next batch; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, IngestError> {
        match self {
            Self::Held { batches, order, next } => {
                let Some(chunk) = order.get(*next..).and_then(|rest| rest.chunks(OUT_ROWS).next()) else {
                    return Ok(None);
                };
                *next += chunk.len();
                let batches: Vec<&RecordBatch> = batches.iter().collect();
                Ok(Some(interleave_record_batch(&batches, chunk)?))
            }
            Self::Merge(merge) => merge.next_batch(),
        }
    }
}

struct Cursor {
    reader: ParquetRecordBatchReader,
    /// Keys of the batch at hand; `None` at the end of the run.
    rows: Option<Rows>,
    /// Which buffer holds that batch.
    buffer: usize,
    row: usize,
}

/// The merge of runs: a binary heap of cursors, smallest row on top, and the rows picked for the next batch.
pub(crate) struct Merge {
    converter: RowConverter,
    keys: Vec<usize>,
    cursors: Vec<Cursor>,
    /// Places in `cursors`.
    heap: Vec<usize>,
    /// (buffer, row).
    picked: Vec<(usize, usize)>,
    buffers: Vec<RecordBatch>,
}

impl Merge {
    /// Reads the next batch of a run; false at its end.
    fn advance_batch(&mut self, at: usize) -> Result<bool, IngestError> {
        let Some(cursor) = self.cursors.get_mut(at) else { return Ok(false) };
        loop {
            match cursor.reader.next().transpose()? {
                None => {
                    cursor.rows = None;
                    return Ok(false);
                }
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    let columns: Vec<_> = self.keys.iter().map(|key| batch.column(*key).clone()).collect();
                    cursor.rows = Some(self.converter.convert_columns(&columns)?);
                    cursor.row = 0;
                    cursor.buffer = self.buffers.len();
                    self.buffers.push(batch);
                    return Ok(true);
                }
            }
        }
    }

    /// Is the row at hand of one cursor before that of another? Equal rows by run, so that the order is always the same.
    fn before(&self, a: usize, b: usize) -> bool {
        let key = |at: usize| {
            let cursor = self.cursors.get(at)?;
            cursor.rows.as_ref().map(|rows| rows.row(cursor.row))
        };
        match (key(a), key(b)) {
            (Some(x), Some(y)) => x.cmp(&y).then(a.cmp(&b)).is_lt(),
            (x, _) => x.is_some(),
        }
    }

    fn build_heap(&mut self) {
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if let (Some(a), Some(b)) = (self.heap.get(child), self.heap.get(least))
                    && self.before(*a, *b)
                {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, IngestError> {
        while self.picked.len() < OUT_ROWS {
            let Some(at) = self.heap.first().copied() else { break };
            let Some(cursor) = self.cursors.get_mut(at) else { break };
            self.picked.push((cursor.buffer, cursor.row));
            cursor.row += 1;
            let more = cursor.rows.as_ref().is_some_and(|rows| cursor.row < rows.num_rows());
            if !more && !self.advance_batch(at)? {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        if self.picked.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = self.buffers.iter().collect();
        let out = interleave_record_batch(&batches, &self.picked)?;
        self.picked.clear();
        // Only what cursors still read stays.
        let mut kept = Vec::with_capacity(self.cursors.len());
        for cursor in self.cursors.iter_mut().filter(|cursor| cursor.rows.is_some()) {
            if let Some(batch) = self.buffers.get(cursor.buffer) {
                kept.push(batch.clone());
                cursor.buffer = kept.len() - 1;
            }
        }
        self.buffers = kept;
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array as _, AsArray as _, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    /// Key and number of a row.
    type Keys = Vec<(Option<i64>, i64)>;

    /// Rows from random batches as they came, as they were sorted with this much memory, and the runs that went to disk.
    fn sorted(seed: u64, limit_bytes: usize) -> (Keys, Keys, usize) {
        let schema = Arc::new(Schema::new(vec![
            Field::new("text", DataType::Utf8, false),
            Field::new("number", DataType::Int64, false),
            Field::new("key", DataType::Int64, true),
        ]));
        let mut rng = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(schema.clone(), &["key", "absent", "number"], limit_bytes, dir.path()).unwrap();
        let (mut given, mut number) = (Vec::new(), 0_i64);
        for _ in 0..rng.random_range(1..40) {
            let rows: Vec<(Option<i64>, i64)> = (0..rng.random_range(0..3_000))
                .map(|_| {
                    number += 1;
                    (rng.random_bool(0.9).then(|| rng.random_range(-50..50)), number)
                })
                .collect();
            let batch = RecordBatch::try_new(
                schema.clone(),
                vec![
                    Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, number)| format!("row {number}")))),
                    Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, number)| *number))),
                    Arc::new(rows.iter().map(|(key, _)| *key).collect::<Int64Array>()),
                ],
            );
            sorter.push(batch.unwrap()).unwrap();
            given.extend(rows);
        }
        let runs = sorter.spilled();
        let mut out = sorter.finish().unwrap();
        let mut found = Vec::new();
        while let Some(batch) = out.next_batch().unwrap() {
            assert!(batch.num_rows() <= OUT_ROWS);
            let (texts, numbers) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            let keys = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                assert_eq!(texts.value(row), format!("row {}", numbers.value(row)));
                found.push((keys.is_valid(row).then(|| keys.value(row)), numbers.value(row)));
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "runs have no name");
        (given, found, runs)
    }

    #[test]
    fn any_memory_gives_the_same_order() {
        let mut spilled = 0;
        for seed in 0..30 {
            let limit = [usize::MAX, 1, 30_000, 400_000][seed as usize % 4];
            let (mut given, found, runs) = sorted(seed, limit);
            given.sort_unstable();
            assert!(given == found, "seed {seed}");
            assert!(limit != usize::MAX || runs == 0);
            spilled += runs;
        }
        assert!(spilled > 100, "{spilled}");
    }
}
