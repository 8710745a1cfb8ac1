//! Map matching: which sections a vehicle drove, when, and how far along. Hidden Markov model of Newson and Krumm (2009);
//! weights in `config/matching.toml`.

mod matcher;
mod path;
mod prepare;
mod weights;

use serde::{Deserialize, Serialize};

use crate::SectionIx;

pub use matcher::Matcher;
pub use weights::{beta_m, log_emission, log_transition};

/// A position that was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fix {
    /// UTC, microseconds since 1970.
    pub t_us: i64,
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// Horizontal accuracy (one standard deviation), metres, where the receiver says.
    pub h_acc_m: Option<f64>,
    /// Speed over ground, m/s.
    pub speed_mps: Option<f64>,
    /// Course over ground, degrees from north.
    pub heading_deg: Option<f64>,
}

/// A fix on the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matched {
    /// Time of the fix, UTC, microseconds since 1970.
    pub t_us: i64,
    /// Section.
    pub section: SectionIx,
    /// Metres along the section from its `from`.
    pub offset_m: f64,
    /// Metres between the fix and its place on the section.
    pub distance_m: f64,
    /// Metres driven since the start of the run.
    pub along_m: f64,
}

/// One drive over one section, whole or in part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SectionPass {
    /// Section.
    pub section: SectionIx,
    /// Entry, UTC, microseconds since 1970, interpolated between fixes.
    pub t_enter_us: i64,
    /// Exit, likewise.
    pub t_leave_us: i64,
    /// Driven from the section's `from` to its `to`.
    pub forward: bool,
    /// Share of the section's length that was driven, 0 to 1.
    pub share: f64,
}

/// A stretch of the way of a run: one section, one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Section.
    pub section: SectionIx,
    /// Driven from its `from` to its `to`.
    pub forward: bool,
    /// Offset where the stretch starts, metres from the section's `from`.
    pub start_m: f64,
    /// Offset where it ends; less than `start_m` when not forward.
    pub end_m: f64,
    /// Metres driven since the start of the run, at the start of the stretch.
    pub along_m: f64,
}

/// A drive without a cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchedRun {
    /// Fixes with their places, by time; thinned ones included.
    pub points: Vec<Matched>,
    /// Sections driven, in order.
    pub passes: Vec<SectionPass>,
    /// The way in full, in order.
    pub path: Vec<Step>,
}

/// What became of the fixes: `matched` + `interpolated` + `not_finite` + `same_time` + `outliers` + `off_road` +
/// `alone` = `fixes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchReport {
    /// Fixes given.
    pub fixes: usize,
    /// Fixes that the model placed.
    pub matched: usize,
    /// Fixes too near to the one before, placed between their neighbours.
    pub interpolated: usize,
    /// Position not a number, or not on Earth.
    pub not_finite: usize,
    /// Second fix of the same time.
    pub same_time: usize,
    /// Fixes that no vehicle could have reached.
    pub outliers: usize,
    /// No street within reach.
    pub off_road: usize,
    /// Placed, but alone between two cuts: no way can be told from one fix.
    pub alone: usize,
    /// Runs made.
    pub runs: usize,
    /// Cuts by silence.
    pub cuts_gap: usize,
    /// Cuts because no drivable way joins two fixes.
    pub cuts_no_way: usize,
    /// Cuts after too many outliers.
    pub cuts_outliers: usize,
}

/// Matches one vehicle's track; the order of fixes does not matter.
#[must_use]
pub fn match_track(matcher: &Matcher, fixes: &[Fix]) -> Vec<MatchedRun> {
    matcher.match_track(fixes).0
}
