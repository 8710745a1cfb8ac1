//! `edge-agent replay`: recorded drives through the very same stages as a box on its line.
//!
//! Every recording becomes link messages in the order of time, these become frames, and the frames are read as those of a
//! box are: decoder, loss counter, pipeline, privacy trim, spool. Recordings of one drive are given together; they must
//! share a clock, either UTC or that of the device that recorded them.
//!
//! | Recording | How it is known | Its clock |
//! |---|---|---|
//! | GNSS receiver, NMEA or UBX, bytes as sent | sentences with a check sum, or UBX frames | UTC of its fixes |
//! | acceleration, CSV | columns `t_s` and `x`,`y`,`z` or `forward`,`right`,`down`, m/s² | `t_s` |
//! | fixes, CSV | columns `latitude_deg`, `longitude_deg`, `speed_mps`, … | `t_s`, else `utc_timestamp_ms` |
//! | modem log | lines `SECONDS TEXT`, TEXT as the modem said it | the seconds |
//!
//! Seconds above 10⁹ are UTC since 1970, below they are of the device.

mod gnss;
mod modem;
mod sink;
mod source;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tournee_features::calibration::Date;
use tournee_features::{LineCounters, ids};
use tournee_link::{BoxConfig, EncodeError, Header, MAX_FRAME_BYTES, PROTO, encode};
use tournee_payload::{Sample, Stream};
use tournee_spool::SpoolError;

use crate::config::{AgentConfig, ConfigError};
use crate::line::Line;
use crate::steward::Steward;
use sink::Sink;
use source::Source;

/// Recordings of one drive.
const FILES_MAX: usize = 16;
/// Ticks of the first message: a box has some when its first sensor speaks.
const FIRST_TICK_US: i64 = 1_000_000;
/// Samples that go to the sink at once.
const SINK_SAMPLES: usize = 2_000;

/// What to replay.
#[derive(Args, Debug, Clone)]
pub struct ReplayArguments {
    /// The configuration, TOML: the vehicle profile, and the spool unless `--csv` is given.
    #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
    pub config: PathBuf,
    /// Write the samples there, one CSV per stream, and leave the spool alone. Files that are there are not overwritten.
    #[arg(long, value_name = "FOLDER")]
    pub csv: Option<PathBuf>,
    /// Earliest believable date of the recordings, YYYY-MM-DD: earlier is a cold or rolled-over clock.
    #[arg(long, value_name = "DATE", value_parser = date, default_value = "2020-01-01")]
    pub earliest: Date,
    /// The recordings of one drive.
    #[arg(required = true, value_name = "RECORDING")]
    pub files: Vec<PathBuf>,
}

fn date(text: &str) -> Result<Date, String> {
    let mut parts = text.splitn(3, '-');
    let mut part = || parts.next().unwrap_or("");
    let (year, month, day) = (part().parse(), part().parse(), part().parse());
    match (year, month, day) {
        (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day),
        _ => None,
    }
    .ok_or_else(|| "not a date: YYYY-MM-DD".to_owned())
}

/// Why a drive was not replayed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Too many.
    #[error("more than {FILES_MAX} recordings: give those of one drive at a time")]
    Files,
    /// A file.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// None of the kinds.
    #[error("{0}: neither NMEA or UBX, nor a CSV of acceleration or fixes, nor a modem log (`SECONDS TEXT` per line)")]
    Kind(PathBuf),
    /// Nothing in it.
    #[error("{0}: nothing in it has a time; with fixes before 2020 give --earliest")]
    Empty(PathBuf),
    /// No common time.
    #[error("{one} is in UTC and {other} in the time of its device: they cannot be put in order")]
    Clocks {
        /// The one.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A message that is no frame; a fault of this program.
    #[error("a recorded message cannot be sent")]
    Encode(#[from] EncodeError),
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Messages that the recordings gave.
    pub messages: u64,
    /// What was left out, by recording and reason.
    pub left_out: BTreeMap<String, u64>,
    /// Samples by stream.
    pub samples: BTreeMap<Stream, u64>,
    /// The line.
    pub line: LineCounters,
    /// Values outside of their field's range that were emptied.
    pub voided_values: u64,
    /// From the first message to the last, microseconds.
    pub span_us: i64,
}

impl ReplayReport {
    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let samples = self.samples.iter().map(|(stream, count)| (stream.name().to_owned(), json!(count)));
        json!({
            "messages": self.messages,
            "span_s": self.span_us as f64 / 1e6,
            "left_out": self.left_out,
            "samples": Value::Object(samples.collect()),
            "frames_ok": self.line.frames_ok,
            "frames_lost": self.line.frames_lost,
            "voided_values": self.voided_values,
        })
    }
}

/// Replays. Blocking. The agent must not run on the same spool; what is stored there, its next start sends.
///
/// # Errors
/// [`ReplayError`]. What went to the spool before stays there.
pub fn replay(arguments: &ReplayArguments) -> Result<ReplayReport, ReplayError> {
    let mut config = AgentConfig::from_file(&arguments.config)?;
    if arguments.files.len() > FILES_MAX {
        return Err(ReplayError::Files);
    }
    let earliest_us = arguments.earliest.days().saturating_mul(86_400_000_000);
    config.profile.clock.utc_floor_us = earliest_us;
    let mut drive = Drive::open(&arguments.files, &config, earliest_us)?;
    let mut sink = match &arguments.csv {
        Some(folder) => Sink::csv(folder)?,
        None => Sink::spool(&config)?,
    };
    let report = drive.run(&config, &mut sink)?;
    sink.finish()?;
    Ok(report)
}

/// The recordings of one drive, and the next message of each.
struct Drive {
    sources: Vec<(PathBuf, Box<dyn Source>, Option<source::Item>)>,
    boot_id: u32,
}

impl Drive {
    fn open(files: &[PathBuf], config: &AgentConfig, earliest_us: i64) -> Result<Self, ReplayError> {
        let mut sources = Vec::new();
        let mut boot_id = 0;
        for path in files {
            let told = |cause| ReplayError::File { path: path.clone(), cause };
            let (mut source, print) = source::open(path, &config.profile, earliest_us)?;
            // The same recordings give the same rows; others are another boot.
            boot_id ^= print;
            let first = source.next().map_err(told)?.ok_or_else(|| ReplayError::Empty(path.clone()))?;
            sources.push((path.clone(), source, Some(first)));
        }
        let clocks = |utc: bool| {
            let of = |(path, _, item): &(PathBuf, Box<dyn Source>, Option<source::Item>)| {
                let is_utc = item.as_ref().is_some_and(|item| item.t_us >= source::UTC_FROM_US);
                (is_utc == utc).then(|| path.clone())
            };
            sources.iter().find_map(of)
        };
        if let (Some(one), Some(other)) = (clocks(true), clocks(false)) {
            return Err(ReplayError::Clocks { one, other });
        }
        Ok(Self { sources, boot_id })
    }

    /// The earliest message that waits.
    fn next(&mut self) -> Result<Option<source::Item>, ReplayError> {
        let waiting = self.sources.iter_mut().filter_map(|entry| Some((entry.2.as_ref()?.t_us, entry)));
        let Some((_, (path, source, slot))) = waiting.min_by_key(|(t_us, _)| *t_us) else { return Ok(None) };
        let next = source.next().map_err(|cause| ReplayError::File { path: path.clone(), cause })?;
        Ok(std::mem::replace(slot, next))
    }

    fn run(&mut self, config: &AgentConfig, sink: &mut Sink) -> Result<ReplayReport, ReplayError> {
        let bare_fixes = self.sources.iter().any(|(_, source, _)| source.has_bare_fixes());
        // A recording does not answer: nothing is ever asked of it, and its configuration is not looked at.
        let mut line = Line::new(config.profile.clone(), None, Steward::new(1, BoxConfig::DEFAULT));
        line.configure(config);
        let mut report = ReplayReport::default();
        let mut out: Vec<Sample> = Vec::new();
        let mut began_us = None;
        let mut seq = 0_u32;
        while let Some(item) = self.next()? {
            let began_us = *began_us.get_or_insert(item.t_us);
            report.span_us = item.t_us.saturating_sub(began_us).max(report.span_us);
            let tick_us = item.t_us.saturating_sub(began_us).saturating_add(FIRST_TICK_US);
            let tick_us = u64::try_from(tick_us).unwrap_or(0);
            let header = Header { proto: PROTO, boot_id: self.boot_id, seq, tick_us };
            let mut frame = [0_u8; MAX_FRAME_BYTES];
            let len = encode(&header, &item.message, &mut frame)?;
            seq = seq.wrapping_add(1);
            report.messages += 1;
            line.feed(frame.get(..len).unwrap_or_default(), tick_us, &mut out);
            if out.len() >= SINK_SAMPLES {
                deliver(&mut out, bare_fixes, sink, &mut report)?;
            }
        }
        line.finish(&mut out);
        deliver(&mut out, bare_fixes, sink, &mut report)?;
        report.line = line.counters();
        report.voided_values = line.voided_values();
        for (path, source, _) in &self.sources {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            for (reason, count) in source.left_out() {
                *report.left_out.entry(format!("{name}: {reason}")).or_default() += count;
            }
        }
        Ok(report)
    }
}

fn deliver(
    out: &mut Vec<Sample>,
    bare_fixes: bool,
    sink: &mut Sink,
    report: &mut ReplayReport,
) -> Result<(), ReplayError> {
    for sample in out.iter_mut() {
        *report.samples.entry(sample.stream).or_default() += 1;
        if bare_fixes && sample.stream == Stream::Track {
            // Assumed for the gates, not measured: see `table`.
            sample.set(ids::track::SATS, None);
            sample.set(ids::track::HDOP, None);
        }
    }
    sink.take(out)?;
    out.clear();
    Ok(())
}

/// A file's error with its path.
fn at(path: &Path) -> impl Fn(std::io::Error) -> ReplayError + '_ {
    move |cause| ReplayError::File { path: path.to_owned(), cause }
}
