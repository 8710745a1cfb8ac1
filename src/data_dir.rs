//! The data folder: whose it is, and whether it can be written.

use anyhow::{Context, Result, bail};
use std::path::Path;

/// Marks a folder as a demo's own, so that the next demo may replace it.
const DEMO_MARKER: &str = ".tournee-demo";

/// Whether a demo made this folder.
pub fn is_demo(dir: &Path) -> bool {
    dir.join(DEMO_MARKER).is_file()
}

/// Makes the folder a demo's.
pub fn mark_demo(dir: &Path) -> std::io::Result<()> {
    std::fs::write(dir.join(DEMO_MARKER), "This folder belongs to `tournee demo`, which replaces it.\n")
}

/// Makes the folder for data that must stay. A demo's folder is refused: the next demo would remove what is stored here, after the
/// vehicles have deleted their copies.
pub fn open_live(dir: &Path) -> Result<()> {
    if is_demo(dir) {
        bail!("{} belongs to a demo, and the next demo replaces it: choose another folder with --data", dir.display());
    }
    std::fs::create_dir_all(dir)
        .with_context(|| format!("cannot write the data folder {}: choose another with --data", dir.display()))
}
