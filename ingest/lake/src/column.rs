//! One column of a table, as data.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// 64-bit integer.
    Int64,
    /// A physical value as a decimal: the wire's integer with `scale` digits after the point. Parquet stores INT32 up to
    /// 9 digits and INT64 up to 18.
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// Microseconds since 1970, UTC.
    TimestampUs,
    /// Calendar day, UTC.
    Date,
}

/// How the Parquet writer lays a column out. Chosen by measurement (`ingest/examples/bytes_per_row.rs`, docs/decisions/0010).
/// Only layouts that every reader of Delta tables of the last years knows: BYTE_STREAM_SPLIT of integers would save another
/// 2 to 6 %, and Spark before 4 cannot read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Dictionary: values that repeat from row to row (box ids, epochs, cells, states); numbers fall back to
    /// DELTA_BINARY_PACKED where there are too many distinct ones.
    Dictionary,
    /// DELTA_BINARY_PACKED: integers, decimals, timestamps.
    DeltaBinaryPacked,
    /// DELTA_LENGTH_BYTE_ARRAY: text and bytes that rarely repeat.
    DeltaLength,
    /// Not in the file at all: the value is the partition's.
    Partition,
}

/// A column: name with its unit last, type, whether it may be empty, and the comment that SQL shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name, unit last.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// May be empty.
    pub nullable: bool,
    /// Layout in Parquet.
    pub encoding: Encoding,
    /// Unit and meaning.
    pub comment: &'static str,
}

impl Column {
    /// The same column laid out for values that repeat.
    pub(crate) const fn repeating(mut self) -> Self {
        self.encoding = Encoding::Dictionary;
        self
    }

    /// The Arrow type.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Binary => DataType::Binary,
            Kind::Int64 => DataType::Int64,
            Kind::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
            Kind::TimestampUs => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Kind::Date => DataType::Date32,
        }
    }

    /// The Arrow field, with the comment as metadata key `comment`.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::new(self.name, self.data_type(), self.nullable)
            .with_metadata(HashMap::from([("comment".to_owned(), self.comment.to_owned())]))
    }
}

pub(crate) const fn column(
    name: &'static str,
    kind: Kind,
    nullable: bool,
    encoding: Encoding,
    comment: &'static str,
) -> Column {
    Column { name, kind, nullable, encoding, comment }
}

/// Optional 64-bit integer.
pub(crate) const fn int(name: &'static str, comment: &'static str) -> Column {
    column(name, Kind::Int64, true, Encoding::DeltaBinaryPacked, comment)
}

/// Optional decimal.
pub(crate) const fn dec(name: &'static str, precision: u8, scale: i8, comment: &'static str) -> Column {
    column(name, Kind::Decimal { precision, scale }, true, Encoding::DeltaBinaryPacked, comment)
}
