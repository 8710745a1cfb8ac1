//! What stays on board beside the spool: raw windows of road events, for whoever checks an event at the vehicle, and what
//! boots hand on to later ones (how the sensor sits, the last known time). Nothing of it is ever sent.
//!
//! The serial reader hands it over without waiting; a thread of its own writes it, windows at most once a minute, because a
//! cheap card wears by every write. What is lost by that when the power is cut is some windows, never a sample.

mod handed_on;
mod list;
mod record;
mod ring;
mod room;
mod shelf;

use std::path::{Path, PathBuf};

pub use list::list;
pub(crate) use shelf::{Item, Shelf};

/// The raw windows beside a spool: its name, and `.windows`.
fn windows_beside(spool: &Path) -> PathBuf {
    with_ending(spool, ".windows")
}

/// What boots hand on, beside a spool: its name, and `.kept`.
fn kept_beside(spool: &Path) -> PathBuf {
    with_ending(spool, ".kept")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
