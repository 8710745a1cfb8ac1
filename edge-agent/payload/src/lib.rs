//! Contract 2: what an edge agent publishes and ingest reads.
//!
//! Knows no IO and no async runtime. Topic grammar, the protobuf envelope, the columnar codec, and one table of fields per
//! stream. Every value on the wire is an optional integer: a physical value times ten to the `scale` of its field, so that
//! the same integer can be stored in the lake as a decimal without rounding twice.

mod stream;

pub use stream::{Field, Stream, field, fields};
