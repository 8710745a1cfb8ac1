//! Contract 3: the tables of the lake. Schemas with units in names, partition layout, commit and watermark rules. No IO.
//!
//! * [`Table`]: which raw tables there are, their columns, their partition column, their Parquet encodings.
//! * [`IntervalSet`], [`WatermarkSet`], [`WatermarkObject`]: which sequence numbers the lake holds or has given up.
//! * [`ExpiredObject`], [`retention`]: what left the lake because of its age, and how long things stay.
//! * [`transaction`]: how a commit and its watermark object move together, so that a row is stored exactly once.
//! * [`derived`]: the tables that analytics writes beside them.

mod column;
pub mod derived;
mod expired;
mod interval;
pub mod retention;
mod table;
pub mod transaction;
mod watermark;

pub use column::{Column, Encoding, Kind};
pub use expired::{EXPIRED_DIR, ExpiredDay, ExpiredObject};
pub use interval::IntervalSet;
pub use table::{DATE_CLAMPED, LAKE_SCHEMA_VERSION, QUARANTINE_BYTES_MAX, Table};
pub use watermark::{SEEN_MAX, Series, WatermarkError, WatermarkObject, WatermarkSet};
