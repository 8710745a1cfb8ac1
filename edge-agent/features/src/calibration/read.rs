//! One file: text to checked values.

use toml::{Table, Value};

use super::keys::{Key, Sensor};
use super::{CalibrationError, Date};

/// A file larger than this is no calibration.
pub const FILE_BYTES_MAX: usize = 16 * 1024;
const TEXT_MAX: usize = 400;
const SERIAL_MAX: usize = 40;
const VERSION_MAX: u32 = 9_999;

/// A checked file.
#[derive(Clone, Debug)]
pub struct CalibrationFile {
    /// Its name, for messages.
    pub file: String,
    /// What it calibrates.
    pub sensor: Sensor,
    /// Which specimen.
    pub serial: String,
    /// Counts the calibrations of this specimen.
    pub version: u32,
    /// First day on which it holds.
    pub valid_from: Date,
    /// Last day on which it holds.
    pub valid_until: Date,
    /// How it was done.
    pub method: String,
    /// What it was compared with.
    pub source: String,
    pub(super) values: Vec<(&'static Key, f64)>,
}

impl CalibrationFile {
    /// Reads and checks a file. `file` is its name, for messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with file and key.
    pub fn parse(file: &str, text: &str) -> Result<Self, CalibrationError> {
        if text.len() > FILE_BYTES_MAX {
            let cause = format!("{} bytes are too many: up to {FILE_BYTES_MAX}", text.len());
            return Err(CalibrationError::Toml { file: file.to_owned(), cause });
        }
        let mut tables: Table = text.parse().map_err(|cause: toml::de::Error| CalibrationError::Toml {
            file: file.to_owned(),
            cause: cause.to_string(),
        })?;
        let mut head = Section::take(file, &mut tables, "calibration")?;
        let mut values = Section::take(file, &mut tables, "values")?;
        if let Some(key) = tables.keys().next() {
            let expected = "the tables [calibration] and [values]".to_owned();
            return Err(CalibrationError::Unknown { file: file.to_owned(), key: key.clone(), expected });
        }
        let name = head.text("sensor", TEXT_MAX)?;
        let sensors = Sensor::ALL.map(Sensor::name).join(", ");
        let sensor = Sensor::from_name(&name).ok_or_else(|| head.refused("sensor", &name, &sensors))?;
        let serial = head.text("serial", SERIAL_MAX)?;
        let version = head.version()?;
        let (valid_from, valid_until) = (head.date("valid_from")?, head.date("valid_until")?);
        let method = head.text("method", TEXT_MAX)?;
        let source = head.text("source", TEXT_MAX)?;
        head.done("sensor, serial, version, valid_from, valid_until, method, source")?;
        let days = valid_until.days() - valid_from.days() + 1;
        if !(1..=sensor.days_max()).contains(&days) {
            let expected = format!(
                "not before valid_from, and for {sensor} up to {} days from it (both included)",
                sensor.days_max()
            );
            return Err(head.refused("valid_until", &valid_until.to_string(), &expected));
        }
        let mut found = Vec::with_capacity(sensor.keys().len());
        for key in sensor.keys() {
            if let Some(value) = values.number(key)? {
                found.push((key, value));
            }
        }
        let names: Vec<&str> = sensor.keys().iter().map(|key| key.name).collect();
        values.done(&format!("for {sensor} {}", names.join(", ")))?;
        if found.is_empty() {
            let expected = format!("at least one of {}", names.join(", "));
            return Err(CalibrationError::Missing { file: file.to_owned(), key: "values".to_owned(), expected });
        }
        let file = file.to_owned();
        Ok(Self { file, sensor, serial, version, valid_from, valid_until, method, source, values: found })
    }

    /// A value by the name of its key.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(key, _)| key.name == name).map(|(_, value)| *value)
    }
}

/// A table whose keys are taken one by one; what is left is unknown.
struct Section<'a> {
    file: &'a str,
    name: &'static str,
    table: Table,
}

impl<'a> Section<'a> {
    fn take(file: &'a str, tables: &mut Table, name: &'static str) -> Result<Self, CalibrationError> {
        match tables.remove(name) {
            Some(Value::Table(table)) => Ok(Self { file, name, table }),
            other => Err(CalibrationError::Missing {
                file: file.to_owned(),
                key: format!("[{name}]"),
                expected: match other {
                    None => "a table of this name".to_owned(),
                    Some(value) => format!("a table of this name, not {}", value.type_str()),
                },
            }),
        }
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn refused(&self, key: &str, given: &str, expected: &str) -> CalibrationError {
        CalibrationError::Value {
            file: self.file.to_owned(),
            key: self.path(key),
            given: given.chars().take(80).collect(),
            expected: expected.to_owned(),
        }
    }

    fn required(&mut self, key: &str, expected: &str) -> Result<Value, CalibrationError> {
        self.table.remove(key).ok_or_else(|| CalibrationError::Missing {
            file: self.file.to_owned(),
            key: self.path(key),
            expected: expected.to_owned(),
        })
    }

    fn text(&mut self, key: &str, length_max: usize) -> Result<String, CalibrationError> {
        let expected = format!("a text of 1 to {length_max} characters on one line, not of blanks alone");
        match self.required(key, &expected)? {
            Value::String(text)
                if !text.trim().is_empty()
                    && text.chars().count() <= length_max
                    && !text.contains(char::is_control) =>
            {
                Ok(text.trim().to_owned())
            }
            other => Err(self.refused(key, &other.to_string(), &expected)),
        }
    }

    fn version(&mut self) -> Result<u32, CalibrationError> {
        let expected = format!("a whole number from 1 to {VERSION_MAX}");
        let given = self.required("version", &expected)?;
        let version = given.as_integer().and_then(|version| u32::try_from(version).ok());
        version
            .filter(|version| (1..=VERSION_MAX).contains(version))
            .ok_or_else(|| self.refused("version", &given.to_string(), &expected))
    }

    fn date(&mut self, key: &str) -> Result<Date, CalibrationError> {
        let expected = "a date without quotes and without a time, such as 2026-03-01, from 1970 on";
        let given = self.required(key, expected)?;
        let date = given.as_datetime().filter(|it| it.time.is_none() && it.offset.is_none()).and_then(|it| it.date);
        date.and_then(|it| Date::new(it.year, it.month, it.day))
            .ok_or_else(|| self.refused(key, &given.to_string(), expected))
    }

    fn number(&mut self, key: &Key) -> Result<Option<f64>, CalibrationError> {
        let expected = format!("a number from {} to {}", key.min, key.max);
        if !key.required && !self.table.contains_key(key.name) {
            return Ok(None);
        }
        let given = self.required(key.name, &expected)?;
        let value = match given {
            Value::Float(value) => Some(value),
            Value::Integer(value) => Some(value as f64),
            _ => None,
        };
        match value.filter(|value| (key.min..=key.max).contains(value)) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refused(key.name, &given.to_string(), &expected)),
        }
    }

    fn done(&self, expected: &str) -> Result<(), CalibrationError> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(CalibrationError::Unknown {
                file: self.file.to_owned(),
                key: self.path(key),
                expected: expected.to_owned(),
            }),
        }
    }
}
