//! Cells to wire integers.

use std::collections::HashSet;

use tournee_payload::Field;

use crate::mapping::ColumnMapping;

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// A value, as the wire integer of its field.
    Value(i64),
    /// Nothing there.
    Empty,
    /// A text that stands for no measurement.
    Sentinel,
    /// Outside of what the field allows.
    OutOfRange,
    /// Neither a number nor anything that the mapping names.
    Unreadable,
}

/// Reads the cells of a column.
#[derive(Clone, Debug)]
pub struct Reader {
    field: &'static Field,
    mapping: ColumnMapping,
    sentinel_texts: HashSet<String>,
    sentinel_numbers: Vec<f64>,
}

impl Reader {
    /// A reader of a column for a field.
    #[must_use]
    pub fn new(field: &'static Field, mapping: &ColumnMapping) -> Self {
        Self {
            field,
            sentinel_texts: mapping.sentinels.iter().cloned().collect(),
            // "-200" stands for "-200.0" too.
            sentinel_numbers: mapping.sentinels.iter().filter_map(|text| text.parse().ok()).collect(),
            mapping: mapping.clone(),
        }
    }

    /// The field.
    #[must_use]
    pub fn field(&self) -> &'static Field {
        self.field
    }

    /// Reads a cell.
    #[must_use]
    pub fn read(&self, text: &str) -> Cell {
        let text = text.trim();
        if text.is_empty() {
            return Cell::Empty;
        }
        if self.sentinel_texts.contains(text) {
            return Cell::Sentinel;
        }
        let physical = match &self.mapping.map {
            Some(map) => match map.get(text) {
                Some(value) => *value,
                None => return Cell::Unreadable,
            },
            None => match text.parse::<f64>() {
                Ok(number) if number.is_nan() => return Cell::Empty,
                Ok(number) if self.sentinel_numbers.contains(&number) => return Cell::Sentinel,
                Ok(number) => number * self.mapping.factor + self.mapping.offset,
                Err(_) => return Cell::Unreadable,
            },
        };
        to_wire(self.field, physical).map_or(Cell::OutOfRange, Cell::Value)
    }
}

/// The wire integer of a physical value, rounded half away from zero; nothing outside of the field's range.
#[must_use]
pub fn to_wire(field: &Field, physical: f64) -> Option<i64> {
    let scaled = (physical * 10_f64.powi(i32::from(field.scale))).round();
    // Every range but that of identities lies far inside of i64, where f64 is exact; those compare as f64.
    let inside = scaled >= field.min as f64 && scaled <= field.max as f64 && scaled < 9.2e18;
    inside.then_some(scaled as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_payload::{Stream, fields};

    fn reader(name: &str, toml: &str) -> Reader {
        let field = fields(Stream::Mobile).iter().find(|field| field.name == name).unwrap();
        Reader::new(field, &toml::from_str(&format!("column = \"c\"\nfield = \"{name}\"\n{toml}")).unwrap())
    }

    #[test]
    fn cells() {
        let rsrp = reader("rsrp_dbm", "sentinels = [\"-\", \"-200\", \"2147483647\"]");
        for (text, cell) in [
            ("-99", Cell::Value(-990)),
            (" -99.96 ", Cell::Value(-1_000)),
            ("", Cell::Empty),
            ("NaN", Cell::Empty),
            ("-", Cell::Sentinel),
            ("-200", Cell::Sentinel),
            ("-200.0", Cell::Sentinel),
            ("2147483647", Cell::Sentinel),
            ("-201", Cell::OutOfRange),
            ("inf", Cell::OutOfRange),
            ("good", Cell::Unreadable),
        ] {
            assert_eq!(rsrp.read(text), cell, "{text}");
        }
        let speed = reader("speed_mps", "factor = 0.2777777777777778");
        assert_eq!(speed.read("36"), Cell::Value(1_000));
        let rat = reader("rat", "[map]\nLTE = 4");
        assert_eq!((rat.read("LTE"), rat.read("6G")), (Cell::Value(4), Cell::Unreadable));
    }
}
