//! What a recording is: messages in the order of its own time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use tournee_features::VehicleProfile;
use tournee_link::Message;

use super::gnss::GnssLog;
use super::modem::ModemLog;
use super::table::{Table, TableKind};
use super::{ReplayError, at};

/// Seconds above 10⁹ are UTC since 1970 (2001-09-09), below they are of the device; in microseconds.
pub const UTC_FROM_US: i64 = 1_000_000_000_000_000;
/// How much of a file is looked at to know its kind.
const LOOK_BYTES: u64 = 64 * 1024;
/// A line of text that is longer is not one of a recording that is read here.
pub const LINE_BYTES_MAX: usize = 4_096;

/// A message and when it was, microseconds of the recording's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub t_us: i64,
    pub message: Message,
}

/// A recording. Items come with rising times.
pub trait Source {
    /// The next message; none at the end.
    fn next(&mut self) -> io::Result<Option<Item>>;

    /// What was left out, by reason.
    fn left_out(&self) -> Vec<(&'static str, u64)>;

    /// Whether its fixes say nothing of satellites and dilution.
    fn has_bare_fixes(&self) -> bool {
        false
    }
}

/// Opens a recording by what stands in it; also gives a check sum of its beginning, which tells recordings apart.
pub fn open(path: &Path, profile: &VehicleProfile, earliest_us: i64) -> Result<(Box<dyn Source>, u32), ReplayError> {
    let told = at(path);
    let mut file = File::open(path).map_err(&told)?;
    let mut beginning = Vec::new();
    Read::by_ref(&mut file).take(LOOK_BYTES).read_to_end(&mut beginning).map_err(&told)?;
    file.rewind().map_err(&told)?;
    let print = tournee_link::checksum(&beginning);
    let source: Box<dyn Source> = match kind(&beginning) {
        Some(Kind::Gnss) => Box::new(GnssLog::new(file, earliest_us)),
        Some(Kind::Table(kind)) => Box::new(Table::new(file, kind, profile)),
        Some(Kind::Modem) => Box::new(ModemLog::new(file)),
        None => return Err(ReplayError::Kind(path.to_owned())),
    };
    Ok((source, print))
}

#[derive(Debug, PartialEq)]
enum Kind {
    Gnss,
    Table(TableKind),
    Modem,
}

fn kind(beginning: &[u8]) -> Option<Kind> {
    let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if let Some(kind) = std::str::from_utf8(first).ok().and_then(TableKind::of_header) {
        return Some(Kind::Table(kind));
    }
    let ubx = beginning.windows(2).any(|two| two == [0xb5, 0x62]);
    let nmea = beginning.split(|byte| *byte == b'\n').any(|line| {
        let line = line.trim_ascii_end();
        line.starts_with(b"$") && line.len() > 9 && line.iter().rev().nth(2) == Some(&b'*')
    });
    if ubx || nmea {
        return Some(Kind::Gnss);
    }
    let text = String::from_utf8_lossy(beginning);
    text.lines().any(|line| super::modem::stamped(line).is_some()).then_some(Kind::Modem)
}

/// Lines of a file, bounded in length; what is longer is cut.
pub struct Lines {
    reader: io::BufReader<File>,
    /// Lines that were cut.
    pub cut: u64,
}

impl Lines {
    pub fn new(file: File) -> Self {
        Self { reader: io::BufReader::new(file), cut: 0 }
    }

    /// The next line without its end, as text; bytes that are none are replaced.
    pub fn next(&mut self) -> io::Result<Option<String>> {
        use io::BufRead;
        let mut line = Vec::new();
        loop {
            let piece = self.reader.fill_buf()?;
            if piece.is_empty() {
                return Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()));
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(piece.len());
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(piece.get(..take.min(room)).unwrap_or_default());
            self.cut += u64::from(take > room && room > 0);
            let used = take + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
        }
    }
}

/// Seconds to microseconds; none for what is no time.
pub fn micros(seconds: f64) -> Option<i64> {
    let us = seconds * 1e6;
    (us.is_finite() && us.abs() < 9e18).then_some(us.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_known_by_what_stands_in_it() {
        assert_eq!(kind(b"# a comment\n$GPGLL,,,,,,V,N*64\r\n"), Some(Kind::Gnss));
        assert_eq!(kind(&[0, 1, 0xb5, 0x62, 1, 7]), Some(Kind::Gnss));
        assert!(matches!(kind(b"t_s,forward,right,down\n"), Some(Kind::Table(_))));
        assert!(matches!(kind(b"t_s,latitude_deg,longitude_deg,speed_mps\n1,2,3,4\n"), Some(Kind::Table(_))));
        assert_eq!(kind(b"12.5 +CSQ: 20,99\n"), Some(Kind::Modem));
        assert_eq!(kind(b"hello\nworld\n"), None);
        assert_eq!(kind(b""), None);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        std::fs::write(&path, [&vec![b'x'; 1 << 20][..], b"\nnext\n"].concat()).unwrap();
        let mut lines = Lines::new(File::open(path).unwrap());
        assert_eq!(lines.next().unwrap().unwrap().len(), LINE_BYTES_MAX);
        assert_eq!(lines.next().unwrap().as_deref(), Some("next"));
        assert_eq!((lines.next().unwrap(), lines.cut), (None, 1));
    }
}
