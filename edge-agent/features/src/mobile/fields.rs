//! The fields of an answer: commas, quotes, spaces and the ways of saying "no value".

/// A line of a kind that should have been understood, or of a kind that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparseable {
    /// A radio line that follows no known variant.
    #[error("modem line not understood")]
    Broken,
    /// A line about something else.
    #[error("modem line of an unknown kind")]
    Unknown,
}

/// More fields than any known variant has; the rest of a line is not looked at.
const FIELDS_MAX: usize = 64;

/// Cuts at the commas outside of quotes and brackets; fields keep their quotes, the spaces around them go.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut quoted, mut depth, mut start) = (false, 0_u32, 0);
    let mut fields = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth = depth.saturating_add(1),
            b')' if !quoted => depth = depth.saturating_sub(1),
            b',' if !quoted && depth == 0 => {
                fields.extend(text.get(start..at).map(str::trim));
                start = at + 1;
                if fields.len() == FIELDS_MAX {
                    return fields;
                }
            }
            _ => {}
        }
    }
    fields.extend(text.get(start..).map(str::trim));
    fields
}

/// The same without quotes.
pub(super) fn split_bare(text: &str) -> Vec<&str> {
    split(text).into_iter().map(bare).collect()
}

/// A field without its quotes and the spaces inside them.
pub(super) fn bare(field: &str) -> &str {
    field.trim_matches('"').trim()
}

/// Whether a field is a string by its quotes.
pub(super) fn is_quoted(field: &str) -> bool {
    field.starts_with('"')
}

/// The text of a field that has a value: `-` and -32768 are what Quectel prints for none.
pub(super) fn present<'a>(fields: &[&'a str], at: usize) -> Option<&'a str> {
    fields.get(at).copied().filter(|text| !matches!(*text, "" | "-" | "-32768"))
}

/// A whole number where the field has a value.
pub(super) fn number(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    present(fields, at).map(|text| text.parse().map_err(|_| Unparseable::Broken)).transpose()
}

/// A finite number where the field has a value.
pub(super) fn level(fields: &[&str], at: usize) -> Result<Option<f64>, Unparseable> {
    let value: Option<f64> =
        present(fields, at).map(|text| text.parse().map_err(|_| Unparseable::Broken)).transpose()?;
    if value.is_some_and(|value| !value.is_finite()) { Err(Unparseable::Broken) } else { Ok(value) }
}

/// A hexadecimal identity where the field has a value.
pub(super) fn hex(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    present(fields, at).map(|text| hex_digits(text, 16).ok_or(Unparseable::Broken)).transpose()
}

/// Hexadecimal digits only, no sign, at most so many.
pub(super) fn hex_digits(text: &str, digits_max: usize) -> Option<i64> {
    let fits = (1..=digits_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

/// Decimal digits only, no sign.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// MCC and MNC of two fields. Some modems drop the leading zero of the MNC, so one digit means two; three stay three.
pub(super) fn operator(fields: &[&str], at: usize) -> Result<Option<i64>, Unparseable> {
    let (Some(mcc), Some(mnc)) = (present(fields, at), present(fields, at + 1)) else { return Ok(None) };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if mcc.len() != 3 || !(1..=3).contains(&mnc.len()) || !digits(mcc) || !digits(mnc) {
        return Err(Unparseable::Broken);
    }
    format!("{mcc}{mnc:0>2}").parse().map(Some).map_err(|_| Unparseable::Broken)
}

/// MCC and MNC of one field: three and two or three digits (TS 27.007 §7.3, numeric `<oper>`).
pub(super) fn operator_of(numeric: &str) -> Option<i64> {
    ((5..=6).contains(&numeric.len())).then(|| decimal(numeric)).flatten().map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_cut() {
        assert_eq!(split(r#" 1 ,"a, b",(0, 1), x"#), ["1", r#""a, b""#, "(0, 1)", "x"]);
        assert_eq!(split_bare(r#""14/08/05,04:00:21+40""#), ["14/08/05,04:00:21+40"]);
        assert_eq!(split(""), [""]);
        assert_eq!(split(",,"), ["", "", ""]);
        assert_eq!(split(r#"1,"open, to the end"#), ["1", r#""open, to the end"#]);
        assert_eq!(split("))),1"), [")))", "1"]);
        assert_eq!(split(&",".repeat(1000)).len(), FIELDS_MAX);
    }

    #[test]
    fn digits_only() {
        assert_eq!((hex_digits("1A9CEB", 9), hex_digits("0 5", 6), hex_digits("+5", 6)), (Some(0x1A_9CEB), None, None));
        assert_eq!((hex_digits("ABCDEF0123", 9), hex_digits("", 9)), (None, None));
        assert_eq!((decimal("002"), decimal("-1"), decimal("99999999999")), (Some(2), None, None));
        assert_eq!(
            (operator_of("20801"), operator_of("310410"), operator_of("3104100")),
            (Some(20_801), Some(310_410), None)
        );
    }
}
