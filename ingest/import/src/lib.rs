//! A partner's recorded drive into samples.
//!
//! A mapping file (TOML, see `mappings/`) says how a table's columns become the fields of a stream. Every data row ends as
//! stored or as refused with a reason, and the counts add up to the file. Pure: bytes in, samples out.
//!
//! On an error nothing of what the sink has already been given may be stored: the file is not what it says.

mod accelerometer;
mod error;
mod mapping;
mod report;
mod rows;
mod table;
mod time;
mod value;

use std::io::Read;

pub use error::ImportError;
pub use mapping::{
    AccelerometerMapping, ColumnMapping, CsvMapping, Duplicates, Mapping, MotionMapping, RefuseMapping, TimeMapping,
    When,
};
pub use report::ImportReport;
use tournee_payload::Sample;

/// Reads a table whose rows are samples already.
///
/// # Errors
/// The file is not what the mapping says; one line that names what was expected and what was found.
pub fn import(
    mut reader: impl Read,
    mapping: &Mapping,
    sink: &mut dyn FnMut(Sample),
) -> Result<ImportReport, ImportError> {
    if mapping.accelerometer.is_some() {
        return Err(ImportError::MotionMissing);
    }
    rows::import(&mut reader, mapping, sink)
}

/// Reads acceleration and, from a second file, the motion of the same drive; makes road windows with the code that runs on
/// the vehicle.
///
/// # Errors
/// One of the files is not what the mapping says.
pub fn import_with_motion(
    mut reader: impl Read,
    mut motion: impl Read,
    mapping: &Mapping,
    sink: &mut dyn FnMut(Sample),
) -> Result<ImportReport, ImportError> {
    accelerometer::import(&mut reader, &mut motion, mapping, sink)
}
