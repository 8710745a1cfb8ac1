//! A CSV table from bytes: gzip seen by its first bytes, columns by name, damage said in one line.

use std::io::{self, BufRead, BufReader, Read};

use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::ImportError;
use crate::mapping::CsvMapping;

/// Rows of one file at the most.
pub const ROWS_MAX: u64 = 50_000_000;
/// Bytes of one line at the most: a "line" beyond it is no table.
const LINE_MAX: usize = 1 << 20;
const SNIFF: usize = 8_192;

/// Hashes what passes.
struct Hashing<'a> {
    inner: &'a mut dyn Read,
    digest: Sha256,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or(&[]));
        Ok(count)
    }
}

/// Refuses a line without end before it fills the memory.
struct LineLimit<R> {
    inner: R,
    since_newline: usize,
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let part = buffer.get(..count).unwrap_or(&[]);
        self.since_newline = match part.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => count - at - 1,
            None => self.since_newline + count,
        };
        if self.since_newline > LINE_MAX {
            return Err(io::Error::other(format!("a line is longer than {LINE_MAX} bytes")));
        }
        Ok(count)
    }
}

/// A column that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

/// The header of a table.
#[derive(Clone, Debug)]
pub struct Header {
    file: &'static str,
    names: Vec<String>,
}

impl Header {
    /// A column by its name.
    ///
    /// # Errors
    /// Not there, or there twice.
    pub fn column(&self, name: &str) -> Result<Column, ImportError> {
        let mut places = self.names.iter().enumerate().filter(|(_, found)| *found == name);
        match (places.next(), places.next()) {
            (Some((at, _)), None) => Ok(Column(at)),
            (Some(_), Some(_)) => Err(ImportError::ColumnTwice { file: self.file, column: name.to_owned() }),
            (None, _) => Err(ImportError::NoColumn {
                file: self.file,
                column: name.to_owned(),
                found: shorten(&self.names.join(", ")),
            }),
        }
    }
}

/// One data row.
pub struct Row<'a> {
    record: &'a ByteRecord,
    width: usize,
}

impl Row<'_> {
    /// Whether the row has as many cells as the header.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.record.len() == self.width
    }

    /// A cell; `None` when it is no UTF-8.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&str> {
        self.record.get(column.0).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::trim)
    }
}

/// Reads a table: `on_header` looks the columns up, `on_row` takes every data row. Returns the SHA-256 of the bytes as given,
/// hexadecimal.
///
/// # Errors
/// The file is not what it says, or one of the functions refused.
pub fn read<T>(
    file: &'static str,
    reader: &mut dyn Read,
    mapping: &CsvMapping,
    on_header: impl FnOnce(&Header) -> Result<T, ImportError>,
    mut on_row: impl FnMut(&mut T, &Row<'_>) -> Result<(), ImportError>,
) -> Result<(T, String), ImportError> {
    let broken = |row: u64| move |error: io::Error| ImportError::Read { file, row, reason: error.to_string() };
    let mut raw = BufReader::with_capacity(SNIFF, Hashing { inner: reader, digest: Sha256::new() });
    let head = raw.fill_buf().map_err(broken(0))?;
    if head.is_empty() {
        return Err(ImportError::Empty { file });
    }
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    let state = {
        let plain: Box<dyn Read + '_> =
            if is_gzip { Box::new(MultiGzDecoder::new(&mut raw)) } else { Box::new(&mut raw) };
        let mut text = BufReader::with_capacity(SNIFF, LineLimit { inner: plain, since_newline: 0 });
        sniff(file, text.fill_buf().map_err(broken(0))?, is_gzip)?;
        parse(file, &mut text, mapping, on_header, &mut on_row)?
    };
    // The hash is of the whole file, with whatever stands behind the compressed table.
    io::copy(&mut raw, &mut io::sink()).map_err(broken(0))?;
    let sha256 = raw.into_inner().digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((state, sha256))
}

fn parse<T>(
    file: &'static str,
    text: &mut dyn Read,
    mapping: &CsvMapping,
    on_header: impl FnOnce(&Header) -> Result<T, ImportError>,
    on_row: &mut dyn FnMut(&mut T, &Row<'_>) -> Result<(), ImportError>,
) -> Result<T, ImportError> {
    let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text);
    let mut record = ByteRecord::new();
    let mut rows = 0;
    let mut next = |record: &mut ByteRecord, rows: u64| {
        table.read_byte_record(record).map_err(|error| ImportError::Read { file, row: rows, reason: error.to_string() })
    };
    if !next(&mut record, 0)? {
        return Err(ImportError::Empty { file });
    }
    let names = record.iter().enumerate().map(|(at, name)| {
        // Complaints name columns and are one line.
        let name = String::from_utf8_lossy(name).replace(|c: char| c.is_control(), "?");
        // Spreadsheets write a byte order mark.
        if at == 0 { name.trim_start_matches('\u{feff}').trim().to_owned() } else { name.trim().to_owned() }
    });
    let header = Header { file, names: names.collect() };
    let mut state = on_header(&header)?;
    while next(&mut record, rows)? {
        rows += 1;
        if rows > ROWS_MAX {
            return Err(ImportError::TooLong { file, most: ROWS_MAX });
        }
        on_row(&mut state, &Row { record: &record, width: header.names.len() })?;
    }
    Ok(state)
}

fn sniff(file: &'static str, head: &[u8], is_gzip: bool) -> Result<(), ImportError> {
    let inside = if is_gzip { " inside of its gzip" } else { "" };
    if head.is_empty() {
        return Err(ImportError::Empty { file });
    }
    let control = |byte: &u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31);
    if head.iter().any(control) {
        let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let found = format!("it begins{inside} with the bytes {}", bytes.join(" "));
        return Err(ImportError::NotText { file, found });
    }
    Ok(())
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 300 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(300).collect::<String>())
    }
}
