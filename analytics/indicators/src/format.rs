//! Numbers as a French or an English reader expects them.

/// Narrow no-break space: French thousands separator.
pub const NARROW_NBSP: char = '\u{202f}';
/// No-break space: before a unit.
pub const NBSP: char = '\u{a0}';

fn grouped(value: f64, decimals: u8, separator: char, point: char) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let printed = format!("{:.*}", usize::from(decimals), value.abs());
    let (whole, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
    let negative = value < 0.0 && printed.bytes().any(|byte| byte.is_ascii_digit() && byte != b'0');
    let mut out = String::with_capacity(printed.len() + 8);
    if negative {
        out.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(point);
        out.push_str(fraction);
    }
    out
}

/// `1 234,5`: U+202F between thousands, decimal comma. A value that is not a number prints as "–".
#[must_use]
pub fn number_fr(value: f64, decimals: u8) -> String {
    grouped(value, decimals, NARROW_NBSP, ',')
}

/// `1,234.5`.
#[must_use]
pub fn number_en(value: f64, decimals: u8) -> String {
    grouped(value, decimals, ',', '.')
}

/// [`number_fr`] and its unit behind a no-break space; no space where the unit is empty.
#[must_use]
pub fn quantity_fr(value: f64, decimals: u8, unit: &str) -> String {
    with_unit(number_fr(value, decimals), unit)
}

/// [`number_en`] and its unit behind a no-break space.
#[must_use]
pub fn quantity_en(value: f64, decimals: u8, unit: &str) -> String {
    with_unit(number_en(value, decimals), unit)
}

fn with_unit(number: String, unit: &str) -> String {
    if unit.is_empty() { number } else { format!("{number}{NBSP}{unit}") }
}

/// `2026-01-31` → `31/01/2026`; anything else is returned unchanged.
#[must_use]
pub fn date_fr(iso: &str) -> String {
    let mut parts = iso.split('-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day), None) if year.len() == 4 && month.len() == 2 && day.len() == 2 => {
            format!("{day}/{month}/{year}")
        }
        _ => iso.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_and_english() {
        assert_eq!(number_fr(1234.5, 1), "1\u{202f}234,5");
        assert_eq!(number_fr(1_234_567.0, 0), "1\u{202f}234\u{202f}567");
        assert_eq!(number_fr(-0.04, 1), "0,0");
        assert_eq!(number_fr(-999.96, 1), "-1\u{202f}000,0");
        assert_eq!(number_fr(f64::NAN, 1), "–");
        assert_eq!(number_en(1234.5, 1), "1,234.5");
        assert_eq!(quantity_fr(25.0, 0, "µg/m³"), "25\u{a0}µg/m³");
        assert_eq!(date_fr("2026-01-31"), "31/01/2026");
        assert_eq!(date_fr("hier"), "hier");
    }
}
