//! The mapping file: how a partner's columns become fields. Data, not code.

use std::collections::BTreeMap;

use serde::Deserialize;
use tournee_features::VehicleProfile;
use tournee_payload::{Field, Stream, fields};

use crate::error::ImportError;

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the mapping is for, shown to the user.
    pub name: String,
    /// Where the data come from, with its licence and the attribution that it asks for.
    #[serde(default)]
    pub source: String,
    /// The stream that rows go to.
    pub stream: String,
    /// How the table is written.
    #[serde(default)]
    pub csv: CsvMapping,
    /// Time of a row.
    pub time: TimeMapping,
    /// Columns to fields.
    #[serde(default, rename = "column")]
    pub columns: Vec<ColumnMapping>,
    /// Fields that are the same in every row, in the field's unit.
    #[serde(default)]
    pub constant: BTreeMap<String, f64>,
    /// Rows that are left out, with a reason.
    #[serde(default)]
    pub refuse: Vec<RefuseMapping>,
    /// Rows that repeat a second.
    pub duplicates: Option<Duplicates>,
    /// Acceleration instead of ready rows.
    pub accelerometer: Option<AccelerometerMapping>,
}

/// How a table is written. Gzip is seen by its first bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvMapping {
    /// One character.
    #[serde(default = "comma")]
    pub delimiter: char,
}

fn comma() -> char {
    ','
}

impl Default for CsvMapping {
    fn default() -> Self {
        Self { delimiter: comma() }
    }
}

/// Time of a row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeMapping {
    /// The column.
    pub column: String,
    /// `unix_s`, `unix_ms`, `unix_us`, `rfc3339`, `seconds` (a clock of the device) or a strftime pattern.
    pub format: String,
    /// IANA name of the clock's zone; needed for a pattern, `UTC` where it is UTC.
    pub timezone: Option<String>,
}

/// A column and its field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMapping {
    /// The column's name in the header.
    pub column: String,
    /// The field of the stream.
    pub field: String,
    /// field = column × factor + offset, in the field's unit.
    #[serde(default = "one")]
    pub factor: f64,
    /// See `factor`.
    #[serde(default)]
    pub offset: f64,
    /// Texts that are no measurement. The field stays empty; the empty text always does.
    #[serde(default)]
    pub sentinels: Vec<String>,
    /// Texts and their values, in the field's unit. A text that is not listed refuses the row.
    pub map: Option<BTreeMap<String, f64>>,
    /// The column holds this quantity only in some rows; elsewhere the field stays empty.
    pub when: Option<When>,
}

fn one() -> f64 {
    1.0
}

/// Rows in which a column holds one of some texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The column.
    pub column: String,
    /// The texts.
    pub is: Vec<String>,
}

/// Rows that are left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseMapping {
    /// A short name, counted in the report.
    pub reason: String,
    /// The column.
    pub column: String,
    /// The texts.
    pub is: Vec<String>,
}

/// The first row of a second is kept, the others are refused as `repeated_second`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Columns that name a run; seconds are compared inside of a run.
    pub run: Vec<String>,
}

/// Acceleration to road windows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccelerometerMapping {
    /// Three columns, any orthogonal axes, gravity included.
    pub axes: [String; 3],
    /// m/s² per unit of the columns.
    #[serde(default = "one")]
    pub factor: f64,
    /// Whether road events are given out too, in their own stream.
    #[serde(default)]
    pub events: bool,
    /// The second file.
    pub motion: MotionMapping,
    /// Keys of the vehicle profile that differ.
    #[serde(default)]
    pub profile: toml::Table,
}

/// Columns of the motion file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionMapping {
    /// How the table is written.
    #[serde(default)]
    pub csv: CsvMapping,
    /// The device's clock, the same as in the acceleration file.
    pub time: TimeMapping,
    /// UTC of the same rows.
    pub utc: TimeMapping,
    /// Degrees.
    pub latitude: String,
    /// Degrees.
    pub longitude: String,
    /// Speed over ground.
    pub speed: String,
    /// m/s per unit of the speed column.
    #[serde(default = "one")]
    pub speed_factor: f64,
    /// Degrees clockwise from north.
    pub heading: Option<String>,
    /// Texts that are no measurement.
    #[serde(default)]
    pub sentinels: Vec<String>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// Not TOML, unknown keys, or an impossible combination; one line each.
    pub fn from_toml(text: &str) -> Result<Self, ImportError> {
        let mapping: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            ImportError::MappingToml(format!("{place}{}", error.message()))
        })?;
        mapping.check()?;
        Ok(mapping)
    }

    /// The stream that rows go to.
    ///
    /// # Errors
    /// No such stream.
    pub fn stream(&self) -> Result<Stream, ImportError> {
        Stream::from_name(&self.stream).filter(|stream| !matches!(stream, Stream::Gap | Stream::Health)).ok_or_else(
            || {
                let known: Vec<&str> = Stream::ALL
                    .iter()
                    .filter(|s| !matches!(s, Stream::Gap | Stream::Health))
                    .map(|s| s.name())
                    .collect();
                ImportError::Mapping(format!(
                    "no stream `{}` for imports; there are: {}",
                    self.stream,
                    known.join(", ")
                ))
            },
        )
    }

    /// A field of the stream by its name.
    pub(crate) fn field(&self, name: &str) -> Result<&'static Field, ImportError> {
        let list = fields(self.stream()?);
        list.iter().find(|field| field.name == name).ok_or_else(|| {
            let known: Vec<&str> = list.iter().map(|field| field.name).collect();
            ImportError::Mapping(format!(
                "no field `{name}` in stream {}; there are: {}",
                self.stream,
                known.join(", ")
            ))
        })
    }

    /// The profile for road windows.
    pub(crate) fn profile(&self) -> Result<VehicleProfile, ImportError> {
        let overrides = self.accelerometer.as_ref().map(|it| it.profile.clone()).unwrap_or_default();
        Ok(VehicleProfile::try_from(overrides)?)
    }

    fn check(&self) -> Result<(), ImportError> {
        let wrong = |text: String| Err(ImportError::Mapping(text));
        let stream = self.stream()?;
        let mut taken = std::collections::BTreeSet::new();
        for name in self.columns.iter().map(|column| &column.field).chain(self.constant.keys()) {
            self.field(name)?;
            if matches!(name.as_str(), "t_us" | "flags" | "boot_id") {
                return wrong(format!("the field `{name}` is filled by the import itself"));
            }
            if !taken.insert(name) {
                return wrong(format!("the field `{name}` is given twice"));
            }
        }
        for column in &self.columns {
            let numbers = column.map.iter().flat_map(|map| map.values()).chain([&column.factor, &column.offset]);
            if numbers.into_iter().any(|number| !number.is_finite()) {
                return wrong(format!("column `{}`: a number is not finite", column.column));
            }
        }
        for csv in [&self.csv].into_iter().chain(self.accelerometer.iter().map(|it| &it.motion.csv)) {
            if !csv.delimiter.is_ascii() || matches!(csv.delimiter, '"' | '\n' | '\r') {
                return wrong(format!("`{}` cannot be a delimiter", csv.delimiter));
            }
        }
        match &self.accelerometer {
            Some(_) if stream != Stream::Road => wrong(format!("acceleration makes the stream road, not {stream:?}")),
            Some(_) if !self.columns.is_empty() || self.duplicates.is_some() => {
                wrong("an [accelerometer] mapping takes no [[column]] and no [duplicates]".to_owned())
            }
            Some(accelerometer) => {
                self.profile()?;
                for time in [&self.time, &accelerometer.motion.time] {
                    if time.format != "seconds" {
                        return wrong(
                            "acceleration and motion meet on the device's clock: format = \"seconds\"".to_owned(),
                        );
                    }
                }
                if accelerometer.motion.utc.format == "seconds" {
                    return wrong("accelerometer.motion.utc must be a time in UTC, not a device's clock".to_owned());
                }
                Ok(())
            }
            None if self.time.format == "seconds" => {
                wrong("format = \"seconds\" is a device's clock and no date; rows need one".to_owned())
            }
            None if !taken.contains(&"lat_deg".to_owned()) || !taken.contains(&"lon_deg".to_owned()) => {
                wrong("a mapping needs columns for lat_deg and lon_deg".to_owned())
            }
            None => Ok(()),
        }
    }
}
