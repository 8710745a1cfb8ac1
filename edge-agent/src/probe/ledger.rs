//! The file that keeps, beside the spool, what the probes of a day have cost: a van starts its agent at every stop.
//!
//! One line: `tournee-probe 1 <day since 1970-01-01> <bytes> <CRC-32C of what stands before, hexadecimal>`. Written, to another
//! name, synced, renamed, before the first datagram of a probe with the most that it may cost, and again after it with what
//! it did cost. So a cut at any moment costs the budget at most one probe too many, never one too few.
//!
//! A file that is there but cannot be read says that something was spent, not how much: then the whole budget of the day
//! counts as spent, and the file is kept beside under another name. No file: nothing was spent yet.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tournee_features::mobile::probe::Ledger;
use tournee_link::checksum;

/// A longer file is none of ours.
const FILE_BYTES_MAX: u64 = 256;
const HEAD: &str = "tournee-probe 1";

/// Where it is kept.
#[derive(Clone, Debug)]
pub(crate) struct LedgerFile(PathBuf);

impl LedgerFile {
    /// Beside a spool: its name, and `.probe`.
    pub fn beside(spool: &Path) -> Self {
        Self(with_ending(spool, ".probe"))
    }

    /// What was spent; of a file that cannot be read, on `today` all of `bytes_per_day`, and true.
    pub fn load(&self, today: i64, bytes_per_day: u64) -> (Ledger, bool) {
        let mut text = String::new();
        let read = File::open(&self.0).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        let why = match read {
            Ok(_) => match parse(&text) {
                Some(ledger) => return (ledger, false),
                None => "it is damaged".to_owned(),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (Ledger::default(), false),
            Err(error) => error.to_string(),
        };
        let renamed = std::fs::rename(&self.0, with_ending(&self.0, ".damaged")).is_ok();
        tracing::error!(path = %self.0.display(), why, renamed, "what probes have cost is lost; none more today");
        (Ledger { day: today, spent_bytes: bytes_per_day }, true)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Those of the file system; then the file is as it was.
    pub fn save(&self, ledger: Ledger) -> io::Result<()> {
        let staged = with_ending(&self.0, ".new");
        let mut file = File::create(&staged)?;
        file.write_all(print(ledger).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&staged, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn print(ledger: Ledger) -> String {
    let content = format!("{HEAD} {} {}", ledger.day, ledger.spent_bytes);
    format!("{content} {:08x}\n", checksum(content.as_bytes()))
}

fn parse(text: &str) -> Option<Ledger> {
    let (content, crc) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != checksum(content.as_bytes()) {
        return None;
    }
    let (day, spent) = content.strip_prefix(HEAD)?.strip_prefix(' ')?.split_once(' ')?;
    Some(Ledger { day: day.parse().ok()?, spent_bytes: spent.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_torn_or_changed_file_counts_as_a_day_spent() {
        let dir = tempfile::tempdir().unwrap();
        let file = LedgerFile::beside(&dir.path().join("spool.db"));
        assert_eq!(file.load(20_000, 9), (Ledger::default(), false), "none yet");
        let ledger = Ledger { day: 20_600, spent_bytes: 12_345 };
        file.save(ledger).unwrap();
        assert_eq!(file.load(20_000, 9), (ledger, false));
        let whole = std::fs::read(dir.path().join("spool.db.probe")).unwrap();
        let full = (Ledger { day: 20_000, spent_bytes: 9 }, true);
        for at in 0..whole.len() {
            std::fs::write(&file.0, &whole[..at]).unwrap();
            assert_eq!(file.load(20_000, 9), full, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0x11;
            std::fs::write(&file.0, &changed).unwrap();
            assert_eq!(file.load(20_000, 9), full, "changed at {at}");
        }
        assert!(dir.path().join("spool.db.probe.damaged").exists());
        std::fs::write(&file.0, [b'9'; 100_000]).unwrap();
        assert_eq!(file.load(20_000, 9), full);
    }
}
