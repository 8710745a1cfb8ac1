//! The background level that the air facts of a territory were brought to, kept from run to run.
//!
//! It is the median over the fleet's backgrounds in the raw rows. When raw rows leave it would change, and facts of before and
//! after would stand on two levels. So the level of the last run is kept beside the derived tables, and it holds from when
//! the first facts outlive their raw rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::PipelineError;

/// Larger than any file that a run writes.
const BYTES_MAX: u64 = 65_536;

/// Level by indicator, in the indicator's unit.
pub(crate) type Levels = BTreeMap<String, f64>;

/// `derived/_reference/<territory>.toml`: readers of tables pass over names with `_`. TOML, for its numbers come back to the bit.
fn path(data_dir: &Path, territory: &str) -> Result<PathBuf, PipelineError> {
    let folder = data_dir.join("derived").join("_reference");
    let mut parts = Path::new(territory).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(folder.join(format!("{territory}.toml"))),
        _ => Err(PipelineError::Write {
            path: folder,
            message: format!("\"{territory}\" cannot be the name of a file: give the territory another id"),
        }),
    }
}

/// The levels of the last run; none where there was none.
///
/// # Errors
/// A file that cannot be read or is not what [`write`] wrote.
pub(crate) fn read(data_dir: &Path, territory: &str) -> Result<Levels, PipelineError> {
    let path = path(data_dir, territory)?;
    let wrong = |message: String| PipelineError::Config {
        file: path.display().to_string(),
        message: format!(
            "{message}: restore it from a copy, or move it away, and air of before and after will stand on different levels"
        ),
    };
    let mut text = String::new();
    match File::open(&path) {
        Ok(file) => file.take(BYTES_MAX).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Levels::new()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    toml::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// Keeps the levels; a crash leaves the old file or the new one.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(data_dir: &Path, territory: &str, levels: &Levels) -> Result<(), PipelineError> {
    let path = path(data_dir, territory)?;
    let failed =
        |error: &dyn std::fmt::Display| PipelineError::Write { path: path.clone(), message: error.to_string() };
    let text = toml::to_string(levels).map_err(|error| failed(&error))?;
    let written = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(data_dir);
        std::fs::create_dir_all(folder)?;
        let half = path.with_extension("toml.new");
        let mut file = File::create(&half)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&half, &path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_come_back_to_the_bit_and_a_broken_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "redon").unwrap(), Levels::new());
        let levels = Levels::from([("pm25_ugm3".to_owned(), 0.1 + 0.2), ("no2_ugm3".to_owned(), -1.0 / 3.0)]);
        write(dir.path(), "redon", &levels).unwrap();
        assert_eq!(read(dir.path(), "redon").unwrap(), levels);
        assert_eq!(read(dir.path(), "dublin").unwrap(), Levels::new());
        std::fs::write(dir.path().join("derived/_reference/redon.toml"), "pm25 =").unwrap();
        let error = read(dir.path(), "redon").unwrap_err().to_string();
        assert!(error.contains("redon.toml") && error.contains("move it away"), "{error}");
        for id in ["../redon", "a/b", "", ".."] {
            assert!(write(dir.path(), id, &levels).is_err(), "{id}");
        }
    }
}
