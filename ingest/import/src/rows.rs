//! Tables whose rows are samples already.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use tournee_features::flags;
use tournee_payload::{Sample, Stream, field};

use crate::error::ImportError;
use crate::mapping::{Mapping, When};
use crate::report::ImportReport;
use crate::table::{self, Column, Header, Row};
use crate::time::Clock;
use crate::value::{self, Cell, Reader};

const FILE: &str = "file";
const SECOND_US: i64 = 1_000_000;

/// Texts of a column.
struct Texts {
    column: Column,
    is: HashSet<String>,
}

impl Texts {
    fn new(header: &Header, column: &str, is: &[String]) -> Result<Self, ImportError> {
        Ok(Self { column: header.column(column)?, is: is.iter().cloned().collect() })
    }

    fn hold(&self, row: &Row<'_>) -> bool {
        row.text(self.column).is_some_and(|text| self.is.contains(text))
    }
}

struct Source {
    column: Column,
    name: String,
    reader: Reader,
    when: Option<Texts>,
}

/// The mapping, with its columns found in this file's header.
struct Plan {
    stream: Stream,
    clock: Clock,
    time: Column,
    sources: Vec<Source>,
    constants: Vec<(u16, i64)>,
    refuse: Vec<(String, Texts)>,
    run: Option<Vec<Column>>,
    runs: BTreeMap<String, u32>,
    seconds: HashSet<(u32, i64)>,
}

impl Plan {
    fn new(mapping: &Mapping, header: &Header) -> Result<Self, ImportError> {
        let mut sources = Vec::with_capacity(mapping.columns.len());
        for column in &mapping.columns {
            let when = column.when.as_ref().map(|When { column, is }| Texts::new(header, column, is)).transpose()?;
            sources.push(Source {
                column: header.column(&column.column)?,
                name: column.column.clone(),
                reader: Reader::new(mapping.field(&column.field)?, column),
                when,
            });
        }
        let mut constants = Vec::with_capacity(mapping.constant.len());
        for (name, physical) in &mapping.constant {
            let field = mapping.field(name)?;
            let wire = value::to_wire(field, *physical).ok_or_else(|| {
                ImportError::Mapping(format!("constant {name} = {physical} is outside of what the field allows"))
            })?;
            constants.push((field.id, wire));
        }
        let mut refuse = Vec::with_capacity(mapping.refuse.len());
        for rule in &mapping.refuse {
            refuse.push((rule.reason.clone(), Texts::new(header, &rule.column, &rule.is)?));
        }
        let run = mapping.duplicates.as_ref().map(|rule| rule.run.iter().map(|name| header.column(name)).collect());
        Ok(Self {
            stream: mapping.stream()?,
            clock: Clock::new(&mapping.time)?,
            time: header.column(&mapping.time.column)?,
            sources,
            constants,
            refuse,
            run: run.transpose()?,
            runs: BTreeMap::new(),
            seconds: HashSet::new(),
        })
    }

    /// The sample of a row, or the reason to refuse it.
    fn sample(&mut self, row: &Row<'_>, emptied: &mut Vec<(&'static str, &'static str)>) -> Result<Sample, String> {
        if !row.is_whole() {
            return Err("wrong_number_of_cells".to_owned());
        }
        if let Some((reason, _)) = self.refuse.iter().find(|(_, texts)| texts.hold(row)) {
            return Err(reason.clone());
        }
        let instant = self.clock.read(row.text(self.time).ok_or("not_utf8")?)?;
        let mut bits = if instant.ambiguous { flags::TIME_AMBIGUOUS } else { 0 };
        let mut sample = Sample::new(self.stream);
        sample.set(field::T_US, Some(instant.t_us));
        for (id, wire) in &self.constants {
            sample.set(*id, Some(*wire));
        }
        for source in &self.sources {
            let field = source.reader.field();
            if source.when.as_ref().is_some_and(|when| !when.hold(row)) {
                emptied.push((field.name, "other_quantity"));
                continue;
            }
            match source.reader.read(row.text(source.column).ok_or("not_utf8")?) {
                Cell::Value(wire) => sample.set(field.id, Some(wire)),
                Cell::Empty => emptied.push((field.name, "empty")),
                Cell::Sentinel => {
                    bits |= flags::SENTINEL;
                    emptied.push((field.name, "sentinel"));
                }
                Cell::OutOfRange => {
                    bits |= flags::OUT_OF_RANGE;
                    emptied.push((field.name, "out_of_range"));
                }
                Cell::Unreadable => return Err(format!("bad_value_{}", source.name)),
            }
        }
        if sample.void_out_of_range() > 0 {
            // Only the time is not checked by its column's reader.
            return Err("bad_time".to_owned());
        }
        match (sample.get(field::LAT_DEG), sample.get(field::LON_DEG)) {
            (Some(0), Some(0)) => return Err("position_0_0".to_owned()),
            (Some(_), Some(_)) => {}
            _ => return Err("no_position".to_owned()),
        }
        sample.set(field::FLAGS, Some(i64::from(bits)));
        if self.repeats(row, instant.t_us)? {
            return Err("repeated_second".to_owned());
        }
        Ok(sample)
    }

    /// Whether an accepted row of the same run has the same second; remembers it otherwise.
    fn repeats(&mut self, row: &Row<'_>, t_us: i64) -> Result<bool, &'static str> {
        let Some(columns) = &self.run else { return Ok(false) };
        let mut key = String::new();
        for column in columns {
            key.push_str(row.text(*column).ok_or("not_utf8")?);
            key.push('\u{1f}');
        }
        let next = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let run = *self.runs.entry(key).or_insert(next);
        Ok(!self.seconds.insert((run, t_us.div_euclid(SECOND_US))))
    }
}

pub(crate) fn import(
    reader: &mut dyn Read,
    mapping: &Mapping,
    sink: &mut dyn FnMut(Sample),
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport::default();
    let mut emptied = Vec::new();
    let (_, sha256) = table::read(
        FILE,
        reader,
        &mapping.csv,
        |header| Plan::new(mapping, header),
        |plan, row| {
            report.rows += 1;
            emptied.clear();
            match plan.sample(row, &mut emptied) {
                Ok(sample) => {
                    report.stored += 1;
                    report.sample(&sample);
                    emptied.iter().for_each(|(field, reason)| report.empty(field, reason));
                    sink(sample);
                }
                Err(reason) => report.refuse(&reason),
            }
            Ok(())
        },
    )?;
    report.sha256 = sha256;
    report.checked()
}
