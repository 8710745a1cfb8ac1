//! The data folder: whose it is, and whether it can be written.

use crate::cli::{LakePlace, LiveData};
use anyhow::{Context, Result, bail};
use std::path::Path;
use tournee_ingest::LakeUrl;

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

/// The lake of a role that stores: `DIR/lake`, unless `--lake` says another place. A lake in a demo's folder is refused.
pub fn live_lake(data: &LiveData, place: &LakePlace) -> Result<LakeUrl> {
    match &place.url {
        Some(url) => {
            if let Some(demo) = url.folder().and_then(|path| path.ancestors().find(|dir| is_demo(dir))) {
                bail!(
                    "{} belongs to a demo, and the next demo replaces it: choose another with --lake",
                    demo.display()
                );
            }
            Ok(url.clone())
        }
        None => {
            open_live(&data.dir)?;
            Ok(data.dir.join("lake").into())
        }
    }
}
