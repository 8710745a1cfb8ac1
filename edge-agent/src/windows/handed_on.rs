//! The file of what boots hand on to later ones: TOML that a person can read and remove. Replaced whole: a new file, synced,
//! then renamed over the old one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tournee_features::Kept;
use tournee_features::road::Mounting;

use super::with_ending;

const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The last time is written down again when it has moved by this much: it only tells eras of 19.6 years apart.
const TIME_NEWS_US: i64 = 24 * 3_600_000_000;
/// A mounting is written down again when it has turned by this much, cosine of 0.5°.
const MOUNTING_NEWS_COS: f64 = 0.999_962;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    utc_us: Option<i64>,
    mounting: Option<Mounting>,
}

/// Reads it. What is damaged, cannot be, or lies after `now_utc_us` by the system's clock is told and left: it is found out
/// again.
pub(super) fn load(path: &Path, now_utc_us: i64) -> Kept {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    let written: Written = match read {
        Ok(_) => match toml::from_str(&text) {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what boots handed on is damaged; it is found out again");
                return Kept::default();
            }
        },
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "what boots handed on cannot be read; it is found out again");
            }
            return Kept::default();
        }
    };
    let mounting = written.mounting.filter(Mounting::is_possible);
    if mounting.is_none() && written.mounting.is_some() {
        tracing::warn!(path = %path.display(), "the kept mounting of the sensor is none; it is found out again");
    }
    // A wrong time that was once believed must not shut out the right one.
    Kept { mounting, utc_us: written.utc_us.filter(|utc_us| *utc_us <= now_utc_us) }
}

/// Keeps it.
///
/// # Errors
/// Those of the file system; then the file is as it was.
pub(super) fn save(path: &Path, kept: &Kept) -> io::Result<()> {
    let written = Written { utc_us: kept.utc_us, mounting: kept.mounting };
    let text = toml::to_string(&written).map_err(io::Error::other)?;
    let staged = with_ending(path, ".new");
    let mut file = File::create(&staged)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&staged, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether it is worth a write: a card wears by each.
pub(super) fn is_news(on_disk: &Kept, now: &Kept) -> bool {
    let mounting = match (on_disk.mounting, now.mounting) {
        (Some(a), Some(b)) => {
            let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let forward = match (a.forward, b.forward) {
                (Some(a), Some(b)) => dot(a, b) < MOUNTING_NEWS_COS,
                (a, b) => a.is_some() != b.is_some(),
            };
            forward || dot(a.up, b.up) < MOUNTING_NEWS_COS
        }
        (a, b) => a.is_some() != b.is_some(),
    };
    let time = match (on_disk.utc_us, now.utc_us) {
        (Some(a), Some(b)) => a.abs_diff(b) >= TIME_NEWS_US.unsigned_abs(),
        (a, b) => a.is_none() && b.is_some(),
    };
    mounting || time
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: i64 = 1_780_000_000_000_000;

    fn kept() -> Kept {
        let mounting = Mounting {
            up: [0.0, 0.6, 0.8],
            up_error_rad: 0.001,
            forward: None,
            forward_error_rad: f64::INFINITY,
            spans: 40,
        };
        Kept { mounting: Some(mounting), utc_us: Some(NOW_US) }
    }

    #[test]
    fn what_was_kept_comes_back_also_without_a_forward() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.db.kept");
        assert_eq!(load(&path, NOW_US), Kept::default());
        for kept in [kept(), Kept::default(), Kept { utc_us: None, ..kept() }] {
            save(&path, &kept).unwrap();
            assert_eq!(load(&path, NOW_US), kept);
            assert!(!is_news(&kept, &kept));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_cannot_be_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept");
        save(&path, &kept()).unwrap();
        assert_eq!(load(&path, NOW_US - 1), Kept { utc_us: None, ..kept() }, "a time after now");
        let text = std::fs::read_to_string(&path).unwrap();
        for bad in [text.replace("0.6", "6.0"), text.replace("0.8", "nan")] {
            assert_ne!(bad, text);
            std::fs::write(&path, bad).unwrap();
            assert_eq!(load(&path, NOW_US), Kept { mounting: None, ..kept() });
        }
        for bad in ["", "\0\0\0", "utc_us = \"x\"", "colour = 3", &text[..text.len() / 2]] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(load(&path, NOW_US).mounting, None, "{bad}");
        }
        assert!(save(Path::new("/nowhere/at/all"), &kept()).is_err());
    }

    #[test]
    fn only_news_is_worth_a_write() {
        let turned = |degrees: f64| {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let up = [0.0, 0.6 * cos - 0.8 * sin, 0.8 * cos + 0.6 * sin];
            Kept { mounting: kept().mounting.map(|mounting| Mounting { up, spans: 900, ..mounting }), ..kept() }
        };
        assert!(!is_news(&kept(), &turned(0.3)));
        assert!(is_news(&kept(), &turned(1.0)));
        assert!(is_news(&kept(), &Kept { mounting: None, ..kept() }), "moved");
        assert!(!is_news(&kept(), &Kept { utc_us: Some(NOW_US + 3_600_000_000), ..kept() }));
        assert!(is_news(&kept(), &Kept { utc_us: Some(NOW_US + 2 * TIME_NEWS_US), ..kept() }));
        assert!(is_news(&Kept::default(), &Kept { mounting: None, ..kept() }));
        assert!(!is_news(&kept(), &Kept { utc_us: None, ..kept() }));
    }
}
