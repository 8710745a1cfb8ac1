//! What tables from spreadsheets have in common: separator, decimal comma, dates.

use chrono::NaiveDate;

use crate::TerritoryError;

/// The separator of the header line: `;`, tab or `,`, whichever stands there most; quoted text does not count.
pub(crate) fn separator(text: &str) -> u8 {
    let header = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
    let mut quoted = false;
    let mut counts = [(b';', 0), (b'\t', 0), (b',', 0)];
    for c in header.bytes() {
        quoted ^= c == b'"';
        if let Some((_, n)) = counts.iter_mut().find(|(s, _)| *s == c && !quoted) {
            *n += 1;
        }
    }
    // The first of equals wins: in French files `;` separates and `,` is the decimal mark.
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(b',', |(s, _)| *s)
}

/// A reader that trims, sniffs the separator and lets rows be of any length (they are refused one by one).
pub(crate) fn reader(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(separator(text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// Positions of the columns; all that are missing are named at once.
pub(crate) fn columns(headers: &csv::StringRecord, wanted: &[&str]) -> Result<Vec<usize>, TerritoryError> {
    let position = |name: &str| headers.iter().position(|h| h.eq_ignore_ascii_case(name));
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| position(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(wanted.iter().filter_map(|name| position(name)).collect());
    }
    let found = headers.iter().map(|h| format!("`{h}`")).collect::<Vec<_>>().join(", ");
    Err(TerritoryError::MissingColumns { missing: missing.join(", "), found })
}

/// A finite number with decimal point or comma. Thousands marks are refused: "1,234" is 1.234 here and nowhere 1234.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-' | b'+' | b'e' | b'E'));
    if !plain || text.bytes().filter(|b| matches!(b, b'.' | b',')).count() > 1 {
        return None;
    }
    text.replace(',', ".").parse::<f64>().ok().filter(|v| v.is_finite())
}

/// An ISO date (time of day cut off) or a French one (JJ/MM/AAAA), as ISO; empty stays empty: not every source dates its
/// objects.
pub(crate) fn date(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return Some(String::new());
    }
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let parsed = NaiveDate::parse_from_str(day, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(day, "%d/%m/%Y"));
    parsed.ok().map(|d| d.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sniffs() {
        assert_eq!(separator("a;b;c\n1,5;2;3"), b';');
        assert_eq!(separator("a,b\n"), b',');
        assert_eq!(separator("\"x,y,z\";b\n"), b';');
        assert_eq!(separator("one\n"), b';');
    }

    #[test]
    fn numbers_and_dates() {
        assert_eq!(number(" -2,084 "), Some(-2.084));
        assert_eq!(number("1.5e3"), Some(1500.0));
        for bad in ["", "1 000", "1.000,5", "NaN", "inf", "12 m"] {
            assert_eq!(number(bad), None, "{bad}");
        }
        assert_eq!(date("05/01/2026").as_deref(), Some("2026-01-05"));
        assert_eq!(date("2026-01-05T08:00:00Z").as_deref(), Some("2026-01-05"));
        assert_eq!(date("31/02/2026"), None);
        assert_eq!(date(""), Some(String::new()));
    }
}
