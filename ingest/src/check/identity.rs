//! The identity of each row of a file, read without the rest of the row.

use std::collections::HashMap;

use arrow::array::{Array as _, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use parquet::arrow::ProjectionMask;
use parquet::errors::ParquetError;
use tournee_lake::{IntervalSet, Series, Table};
use tournee_payload::Stream;

use super::seq_set::SeqSet;
use crate::error::IngestError;
use crate::maintain::object_file;
use crate::maintain::table::{LiveFile, Maintained};
use crate::validate::stream_table;

/// What one row says about sequence numbers.
pub(crate) struct Identity<'a> {
    pub(crate) box_id: &'a str,
    pub(crate) epoch: i64,
    /// Its own number; none in `quarantine`.
    pub(crate) seq: Option<u64>,
    /// Numbers of another stream whose absence it explains: the stream's table, first and last.
    pub(crate) lost: Option<(Table, u64, u64)>,
}

/// Why a file could not be read.
pub(crate) enum Unread {
    /// It is not there.
    Missing,
    /// It is there, and no Parquet file of this table.
    Broken(String),
    /// The store failed.
    Failed(IngestError),
}

impl From<ParquetError> for Unread {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<object_store::Error>() {
                Ok(error) if matches!(*error, object_store::Error::NotFound { .. }) => Self::Missing,
                Ok(error) => Self::Failed((*error).into()),
                Err(source) => Self::Broken(source.to_string()),
            },
            error => Self::Broken(error.to_string()),
        }
    }
}

/// Reads a file row by row; `visit` gets `None` for a row without an identity (a refused message). Returns the rows.
pub(crate) async fn read(
    table: Table,
    place: &Maintained,
    file: &LiveFile,
    mut visit: impl FnMut(Option<Identity<'_>>),
) -> Result<u64, Unread> {
    let found = match place.store().head(&file.path).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => return Err(Unread::Missing),
        Err(error) => return Err(Unread::Failed(error.into())),
    };
    if found != file.bytes {
        return Err(Unread::Broken(format!("it has {found} bytes, and {} in the log", file.bytes)));
    }
    let builder = object_file::open(place.store(), &file.path, file.bytes).await?;
    let wanted: &[&str] = match table {
        Table::Gap => &["box_id", "epoch", "seq", "gap_stream", "first_seq", "last_seq"],
        Table::Quarantine => &["box_id", "stream", "epoch", "seq"],
        _ => &["box_id", "epoch", "seq"],
    };
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted.iter().copied());
    let mut batches = builder.with_projection(mask).with_batch_size(8_192).build()?;
    let mut rows = 0;
    while let Some(batch) = batches.try_next().await? {
        rows += batch.num_rows() as u64;
        let columns = Columns::new(table, &batch).ok_or_else(|| {
            Unread::Broken(format!("it has not the columns {} as `{}` has them", wanted.join(", "), table.name()))
        })?;
        for row in 0..batch.num_rows() {
            visit(columns.identity(table, row));
        }
        // A long file must not keep a thread of the runtime from the others.
        tokio::task::yield_now().await;
    }
    Ok(rows)
}

struct Columns<'a> {
    box_id: &'a StringArray,
    epoch: &'a Int64Array,
    seq: &'a Int64Array,
    stream: Option<&'a StringArray>,
    gap: Option<(&'a Int64Array, &'a Int64Array, &'a Int64Array)>,
}

impl<'a> Columns<'a> {
    fn new(table: Table, batch: &'a RecordBatch) -> Option<Self> {
        let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let gap = match table {
            Table::Gap => Some((number("gap_stream")?, number("first_seq")?, number("last_seq")?)),
            _ => None,
        };
        let stream = if table == Table::Quarantine { Some(text("stream")?) } else { None };
        Some(Self { box_id: text("box_id")?, epoch: number("epoch")?, seq: number("seq")?, stream, gap })
    }

    fn identity(&self, table: Table, row: usize) -> Option<Identity<'a>> {
        let number = |array: &Int64Array| array.is_valid(row).then(|| array.value(row));
        let unsigned = |array: &Int64Array| number(array).and_then(|value| u64::try_from(value).ok());
        if !self.box_id.is_valid(row) {
            return None;
        }
        let (box_id, epoch, seq) = (self.box_id.value(row), number(self.epoch)?, unsigned(self.seq)?);
        if table == Table::Quarantine {
            let stream = self.stream.filter(|array| array.is_valid(row)).map(|array| array.value(row))?;
            return Some(Identity { box_id, epoch, seq: None, lost: Some((Table::from_name(stream)?, seq, seq)) });
        }
        let lost = self.gap.and_then(|(streams, firsts, lasts)| {
            let stream = Stream::from_code(u32::try_from(number(streams)?).ok()?)?;
            Some((stream_table(stream), unsigned(firsts)?, unsigned(lasts)?))
        });
        Some(Identity { box_id, epoch, seq: Some(seq), lost })
    }
}

/// Numbers of one series that came more than once.
#[derive(Default)]
pub(crate) struct Repeated {
    /// Rows beyond the first of their number.
    pub(crate) rows: u64,
    /// The first few numbers.
    pub(crate) examples: Vec<u64>,
}

const EXAMPLES: usize = 8;

struct Numbers {
    box_id: String,
    epoch: i64,
    set: SeqSet,
    repeated: Repeated,
}

/// The numbers of each series, found by name without making a new one for each row.
#[derive(Default)]
pub(crate) struct SeriesSets {
    index: HashMap<String, HashMap<i64, usize>>,
    sets: Vec<Numbers>,
    blocks: usize,
}

impl SeriesSets {
    /// Adds a number; true when it was not there.
    pub(crate) fn insert(&mut self, box_id: &str, epoch: i64, seq: u64) -> bool {
        let known = self.index.get(box_id).and_then(|epochs| epochs.get(&epoch)).copied();
        let at = known.unwrap_or_else(|| {
            let at = self.sets.len();
            let (set, repeated) = (SeqSet::default(), Repeated::default());
            self.sets.push(Numbers { box_id: box_id.to_owned(), epoch, set, repeated });
            self.index.entry(box_id.to_owned()).or_default().insert(epoch, at);
            at
        });
        let Some(numbers) = self.sets.get_mut(at) else { return false };
        let before = numbers.set.blocks();
        let new = numbers.set.insert(seq);
        self.blocks = (self.blocks + numbers.set.blocks()).saturating_sub(before);
        if !new {
            numbers.repeated.rows += 1;
            if numbers.repeated.examples.len() < EXAMPLES {
                numbers.repeated.examples.push(seq);
            }
        }
        new
    }

    /// Memory that the numbers take, about, bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.blocks * super::seq_set::BLOCK_BYTES
    }

    /// Every series of `table` with its numbers as intervals; each set is dropped as it is given.
    pub(crate) fn into_series(self, table: Table) -> impl Iterator<Item = (Series, IntervalSet, Repeated)> {
        self.sets.into_iter().map(move |Numbers { box_id, epoch, set, repeated }| {
            (Series { box_id, stream: table, epoch }, set.to_intervals(), repeated)
        })
    }
}
