//! One box's drives on the network: rounds cut, matched, and samples placed on passes by their time.

use tournee_query::read::Track;
use tournee_territory::matching::{Fix, MatchReport, MatchedRun, Matcher};
use tournee_territory::{Section, SectionIx};

use crate::config::Config;

/// One drive of a vehicle over one section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// Section.
    pub section: SectionIx,
    /// Entry, UTC, microseconds since 1970.
    pub t_enter_us: i64,
    /// Exit.
    pub t_leave_us: i64,
    /// Share of the section's length that was driven, 0 to 1.
    pub share: f64,
    /// Round of its box, from 0.
    pub round: u32,
}

/// A time placed on a drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Index of the pass in [`Drives::passes`].
    pub pass: usize,
    /// Metres driven since the start of the run.
    pub along_m: f64,
}

/// Everything one box drove in the territory.
#[derive(Clone, Debug, Default)]
pub struct Drives {
    /// Box.
    pub box_id: String,
    /// Passes in order of time.
    pub passes: Vec<Pass>,
    /// Rounds that touched the territory.
    pub rounds: u32,
    /// What became of the fixes.
    pub report: MatchReport,
    runs: Vec<Run>,
}

/// A run as two rising columns, so that a time is found by halving.
#[derive(Clone, Debug, Default)]
struct Run {
    t_us: Vec<i64>,
    along_m: Vec<f64>,
    passes: std::ops::Range<usize>,
}

impl Drives {
    /// From matched runs, each with the number of its round.
    #[must_use]
    pub fn new(box_id: &str, mut runs: Vec<(u32, MatchedRun)>, report: MatchReport) -> Self {
        runs.retain(|(_, run)| !run.points.is_empty());
        runs.sort_by_key(|(round, run)| (run.points.first().map(|point| point.t_us), *round));
        let mut rounds: Vec<u32> = runs.iter().map(|(round, _)| *round).collect();
        rounds.sort_unstable();
        rounds.dedup();
        let mut drives = Self { box_id: box_id.to_owned(), report, ..Self::default() };
        drives.rounds = u32::try_from(rounds.len()).unwrap_or(u32::MAX);
        for (round, run) in runs {
            let start = drives.passes.len();
            drives.passes.extend(run.passes.iter().map(|pass| Pass {
                section: pass.section,
                t_enter_us: pass.t_enter_us,
                t_leave_us: pass.t_leave_us,
                share: pass.share,
                round,
            }));
            drives.runs.push(Run {
                t_us: run.points.iter().map(|point| point.t_us).collect(),
                along_m: run.points.iter().map(|point| point.along_m).collect(),
                passes: start..drives.passes.len(),
            });
        }
        drives
    }

    /// Where the vehicle was at this time; none when no matched position lies within `max_off_us`.
    #[must_use]
    pub fn place(&self, t_us: i64, max_off_us: i64) -> Option<Place> {
        let run = self.run_at(t_us, max_off_us)?;
        let t_us = t_us.clamp(*run.t_us.first()?, *run.t_us.last()?);
        let pass = self.pass_of(run, t_us)?;
        Some(Place { pass, along_m: run.along_at(t_us)? })
    }

    fn run_at(&self, t_us: i64, max_off_us: i64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.t_us.first().is_some_and(|first| *first <= t_us));
        // The run that has begun, else the one about to begin.
        let begun = after.checked_sub(1).and_then(|index| self.runs.get(index));
        begun.into_iter().chain(self.runs.get(after)).find(|run| run.near(t_us, max_off_us))
    }

    fn pass_of(&self, run: &Run, t_us: i64) -> Option<usize> {
        let passes = self.passes.get(run.passes.clone())?;
        let index = passes.partition_point(|pass| pass.t_enter_us <= t_us).checked_sub(1)?;
        let pass = passes.get(index)?;
        (t_us <= pass.t_leave_us).then_some(run.passes.start + index)
    }
}

impl Run {
    fn near(&self, t_us: i64, max_off_us: i64) -> bool {
        let after = self.t_us.partition_point(|t| *t < t_us);
        let near = |index: Option<usize>| {
            index.and_then(|index| self.t_us.get(index)).is_some_and(|t| t.abs_diff(t_us) <= max_off_us.unsigned_abs())
        };
        near(Some(after)) || near(after.checked_sub(1))
    }

    fn along_at(&self, t_us: i64) -> Option<f64> {
        let after = self.t_us.partition_point(|t| *t <= t_us);
        let Some(before) = after.checked_sub(1) else { return self.along_m.first().copied() };
        let (t0, a0) = (*self.t_us.get(before)?, *self.along_m.get(before)?);
        match (self.t_us.get(after), self.along_m.get(after)) {
            (Some(&t1), Some(&a1)) => Some(a0 + (a1 - a0) * ratio(t_us - t0, t1 - t0)),
            _ => Some(a0),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "intervals of minutes")]
fn ratio(part: i64, whole: i64) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

/// The bounds of the sections with a margin: positions outside are another town's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// (west, south), degrees.
    pub min: (f64, f64),
    /// (east, north), degrees.
    pub max: (f64, f64),
}

impl Bounds {
    /// Around the sections; none where there are none.
    #[must_use]
    pub fn around(sections: &[Section], margin_m: f64) -> Option<Self> {
        let (mut min, mut max) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        for place in sections.iter().flat_map(|section| section.line.0.iter()) {
            min = (min.0.min(place.x), min.1.min(place.y));
            max = (max.0.max(place.x), max.1.max(place.y));
        }
        if !(min.0 <= max.0 && min.1 <= max.1) {
            return None;
        }
        // A degree of latitude is nowhere shorter than 110.5 km.
        let lat = margin_m / 110_500.0;
        let lon = lat / min.1.abs().max(max.1.abs()).to_radians().cos().max(0.01);
        Some(Self { min: (min.0 - lon, min.1 - lat), max: (max.0 + lon, max.1 + lat) })
    }

    fn hold(&self, lon_deg: f64, lat_deg: f64) -> bool {
        (self.min.0..=self.max.0).contains(&lon_deg) && (self.min.1..=self.max.1).contains(&lat_deg)
    }
}

/// The rounds of one box inside the bounds: fixes of one boot without a long silence, in order of time.
#[must_use]
pub fn rounds(track: &Track, box_ix: u32, bounds: &Bounds, config: &Config) -> Vec<Vec<Fix>> {
    let column = |values: &[f64], row: usize| values.get(row).copied().filter(|value| value.is_finite());
    let mut fixes: Vec<(i64, Fix)> = track
        .rows_of(box_ix)
        .filter_map(|row| {
            let (lon_deg, lat_deg) = (column(&track.lon_deg, row)?, column(&track.lat_deg, row)?);
            let boot = track.boot_id.get(row).copied()?;
            let fix = Fix {
                t_us: track.t_us.get(row).copied()?,
                lon_deg,
                lat_deg,
                h_acc_m: column(&track.h_acc_m, row),
                speed_mps: column(&track.speed_mps, row),
                heading_deg: column(&track.heading_deg, row),
            };
            bounds.hold(lon_deg, lat_deg).then_some((boot, fix))
        })
        .collect();
    // Rows come by time; boots are kept apart even where their times overlap.
    fixes.sort_by_key(|(boot, fix)| (*boot, fix.t_us));
    let gap_us = i64::from(config.round.gap_s) * 1_000_000;
    let mut rounds: Vec<Vec<Fix>> = Vec::new();
    let mut last: Option<(i64, i64)> = None;
    for (boot, fix) in fixes {
        match (rounds.last_mut(), last) {
            (Some(round), Some((boot_before, t_us)))
                if boot == boot_before && fix.t_us.saturating_sub(t_us) <= gap_us =>
            {
                round.push(fix);
            }
            _ => rounds.push(vec![fix]),
        }
        last = Some((boot, fix.t_us));
    }
    rounds.sort_by_key(|round| round.first().map(|fix| fix.t_us));
    rounds
}

/// Matches the rounds of every box, on as many threads as there are processors. The answer is in the order of the boxes.
///
/// # Errors
/// The name of what panicked, if anything did.
pub fn match_all(
    matcher: &Matcher,
    boxes: &[(String, Vec<Vec<Fix>>)],
    progress: &(dyn Fn(f32) + Sync),
) -> Result<Vec<Drives>, String> {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let jobs: Vec<(usize, usize)> = boxes
        .iter()
        .enumerate()
        .flat_map(|(ix, (_, rounds))| (0..rounds.len()).map(move |round| (ix, round)))
        .collect();
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    type Matched = (usize, u32, Vec<MatchedRun>, MatchReport);
    let results: Mutex<Vec<Matched>> = Mutex::new(Vec::with_capacity(jobs.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len()).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(&(ix, round)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let Some(fixes) = boxes.get(ix).and_then(|(_, rounds)| rounds.get(round)) else { continue };
                        let (runs, report) = matcher.match_track(fixes);
                        if let Ok(mut results) = results.lock() {
                            results.push((ix, u32::try_from(round).unwrap_or(u32::MAX), runs, report));
                        }
                        #[expect(clippy::cast_precision_loss, reason = "a share for a progress bar")]
                        progress((done.fetch_add(1, Ordering::Relaxed) + 1) as f32 / jobs.len() as f32);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| "map matching panicked; please report the territory and the drive".to_owned())?;
        }
        Ok::<(), String>(())
    })?;
    let mut results = results.into_inner().map_err(|error| error.to_string())?;
    results.sort_by_key(|(ix, round, ..)| (*ix, *round));
    let mut of_box: Vec<(Vec<(u32, MatchedRun)>, MatchReport)> = vec![Default::default(); boxes.len()];
    for (ix, round, runs, report) in results {
        if let Some((all, sum)) = of_box.get_mut(ix) {
            all.extend(runs.into_iter().map(|run| (round, run)));
            add(sum, &report);
        }
    }
    Ok(boxes.iter().zip(of_box).map(|((box_id, _), (runs, report))| Drives::new(box_id, runs, report)).collect())
}

/// Sums the counts of two reports.
pub fn add(sum: &mut MatchReport, more: &MatchReport) {
    sum.fixes += more.fixes;
    sum.matched += more.matched;
    sum.interpolated += more.interpolated;
    sum.not_finite += more.not_finite;
    sum.same_time += more.same_time;
    sum.outliers += more.outliers;
    sum.off_road += more.off_road;
    sum.alone += more.alone;
    sum.runs += more.runs;
    sum.cuts_gap += more.cuts_gap;
    sum.cuts_no_way += more.cuts_no_way;
    sum.cuts_outliers += more.cuts_outliers;
}

#[cfg(test)]
pub(crate) mod tests {
    use tournee_territory::matching::{Matched, SectionPass};

    use super::*;

    pub const SECOND: i64 = 1_000_000;

    /// A box that drives 10 m/s over sections 0, 1, 2 … of 50 m each, from `t0_s`, one fix a second.
    pub fn drive(t0_s: i64, sections: u32) -> MatchedRun {
        let seconds = i64::from(sections) * 5;
        MatchedRun {
            points: (0..=seconds)
                .map(|s| Matched {
                    t_us: (t0_s + s) * SECOND,
                    section: SectionIx(u32::try_from(s / 5).unwrap()),
                    offset_m: (s % 5) as f64 * 10.0,
                    distance_m: 0.0,
                    along_m: s as f64 * 10.0,
                })
                .collect(),
            passes: (0..i64::from(sections))
                .map(|k| SectionPass {
                    section: SectionIx(u32::try_from(k).unwrap()),
                    t_enter_us: (t0_s + 5 * k) * SECOND,
                    t_leave_us: (t0_s + 5 * k + 5) * SECOND,
                    forward: true,
                    share: 1.0,
                })
                .collect(),
            path: Vec::new(),
        }
    }

    pub fn drives(box_id: &str, starts_s: &[i64], sections: u32) -> Drives {
        let runs = starts_s.iter().zip(0..).map(|(t0_s, round)| (round, drive(*t0_s, sections))).collect();
        Drives::new(box_id, runs, MatchReport::default())
    }

    #[test]
    fn a_time_finds_its_pass() {
        let drives = drives("a", &[100, 1000], 3);
        assert_eq!((drives.passes.len(), drives.rounds), (6, 2));
        let at = |t_us: i64| drives.place(t_us, 1_500_000).map(|place| (place.pass, place.along_m));
        assert_eq!(at(102_500_000), Some((0, 25.0)));
        assert_eq!(at(105_000_000), Some((1, 50.0)));
        assert_eq!(at(1_012_000_000), Some((5, 120.0)));
        assert_eq!(at(98_600_000), Some((0, 0.0)), "within 1.5 s of the start");
        assert_eq!(at(98_400_000), None);
        assert_eq!(at(116_400_000), Some((2, 150.0)), "within 1.5 s of the end");
        assert_eq!(at(117_000_000), None);
        assert_eq!(at(999_000_000), Some((3, 0.0)), "the run about to begin");
        assert_eq!(Drives::default().place(0, 1_500_000), None);
    }

    #[test]
    fn times_without_a_near_position_are_nowhere() {
        let mut run = drive(0, 3);
        run.points.retain(|point| !(6..=9).contains(&(point.t_us / SECOND)));
        let drives = Drives::new("a", vec![(0, run)], MatchReport::default());
        assert!(drives.place(6_500_000, 1_500_000).is_some());
        assert!(drives.place(7_500_000, 1_500_000).is_none());
    }

    fn track(rows: &[(i64, i64, f64)]) -> Track {
        let n = rows.len();
        Track {
            boxes: vec!["a".into()],
            box_ix: vec![0; n],
            t_us: rows.iter().map(|row| row.0 * SECOND).collect(),
            boot_id: rows.iter().map(|row| row.1).collect(),
            lat_deg: vec![47.65; n],
            lon_deg: rows.iter().map(|row| row.2).collect(),
            h_acc_m: vec![f64::NAN; n],
            speed_mps: vec![5.0; n],
            heading_deg: vec![90.0; n],
            ..Track::default()
        }
    }

    #[test]
    fn rounds_are_cut_by_boot_silence_and_bounds() {
        let bounds = Bounds { min: (-2.2, 47.6), max: (-2.0, 47.7) };
        let config = Config::builtin().unwrap();
        let rows = [
            (0, 7, -2.1),
            (1, 7, -2.1),
            (2, 8, -2.1), // another boot
            (3, 8, -8.4), // Cork
            (4, 8, f64::NAN),
            (5, 8, -2.1),
            (5 + 1801, 8, -2.1), // long silence
        ];
        let found = rounds(&track(&rows), 0, &bounds, &config);
        let starts: Vec<(i64, usize)> = found.iter().map(|round| (round[0].t_us / SECOND, round.len())).collect();
        assert_eq!(starts, [(0, 2), (2, 2), (1806, 1)]);
        assert_eq!(found[0][0].h_acc_m, None);
        assert!(rounds(&track(&rows[3..4]), 0, &bounds, &config).is_empty());
        assert!(rounds(&track(&rows), 1, &bounds, &config).is_empty());
    }

    #[test]
    fn bounds_have_a_margin() {
        assert_eq!(Bounds::around(&[], 100.0), None);
    }
}
