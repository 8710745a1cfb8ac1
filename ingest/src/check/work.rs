//! The check of one table after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::take;

use tournee_lake::{IntervalSet, Series, Table};

use super::CheckLimits;
use super::account::{Account, DayAccount, LakeCheck, SeriesAccount, Violation};
use super::identity::{Repeated, SeriesSets, Unread, read};
use super::snapshot::Snapshot;
use crate::error::IngestError;

/// Date of what has none.
const NO_DATE: &str = "-";
/// Ranges that a violation names.
const NAMED_RANGES: usize = 8;
/// In how many parts a table is read at the most.
const PARTS_MAX: u64 = 1 << 16;

/// Numbers whose absence a row of `gap` or `quarantine` explains.
struct Claim {
    /// Place in [`Work::dates`].
    date: usize,
    first: u64,
    last: u64,
}

type Claims = BTreeMap<Series, Vec<Claim>>;

pub(crate) struct Work {
    limits: CheckLimits,
    done: LakeCheck,
    days: BTreeMap<(usize, Table), Account>,
    dates: Vec<String>,
    gaps: Claims,
    refused: Claims,
}

/// What one reading of a table found.
#[derive(Default)]
struct Found {
    days: BTreeMap<usize, Account>,
    claims: Claims,
    lines: u64,
    messages: u64,
    /// By path, so that a file that is read in several parts is named once.
    bad_files: BTreeMap<String, Violation>,
}

impl Work {
    pub(crate) fn new(limits: CheckLimits) -> Self {
        let (gaps, refused) = (Claims::new(), Claims::new());
        Self {
            limits,
            done: LakeCheck::default(),
            days: BTreeMap::new(),
            dates: vec![NO_DATE.to_owned()],
            gaps,
            refused,
        }
    }

    fn date(&mut self, date: &str) -> usize {
        self.dates.iter().position(|known| known == date).unwrap_or_else(|| {
            self.dates.push(date.to_owned());
            self.dates.len() - 1
        })
    }

    /// Checks one table, those that explain absence before the others.
    pub(crate) async fn table(&mut self, table: Table, mut snapshot: Snapshot) -> Result<(), IngestError> {
        self.done.violations.append(&mut snapshot.violations);
        let mut parts = 1_u64;
        let found = 'again: loop {
            let mut found = Found::default();
            let (mut series, mut violations) = (Vec::new(), Vec::new());
            let of = parts;
            for part in 0..of {
                let Some(sets) = self.read(table, &snapshot, (part, of), &mut found).await? else {
                    parts = of * 2;
                    continue 'again;
                };
                let mut seen = BTreeSet::new();
                for (name, stored, repeated) in sets.into_series(table) {
                    compare(&name, &stored, &repeated, &snapshot, &mut violations);
                    seen.insert(name.clone());
                    series.push((name, stored, repeated));
                }
                // Series of which no row is left.
                let named = snapshot.stored.iter().chain(snapshot.expired.stored.iter()).map(|(name, _)| name);
                for name in named.filter(|name| name.stream == table && share(&name.box_id, of) == part) {
                    if seen.insert(name.clone()) {
                        let (stored, repeated) = (IntervalSet::new(), Repeated::default());
                        compare(name, &stored, &repeated, &snapshot, &mut violations);
                        series.push((name.clone(), stored, repeated));
                    }
                }
            }
            self.done.violations.append(&mut violations);
            for (name, stored, repeated) in series {
                self.judge(name.clone(), &stored, &repeated, snapshot.expired.stored.get(&name));
            }
            break found;
        };
        self.take_in(table, found, &snapshot);
        Ok(())
    }

    /// Reads the identities of the rows of one part of the boxes; `None` when they take more memory than they may.
    async fn read(
        &mut self,
        table: Table,
        snapshot: &Snapshot,
        (part, parts): (u64, u64),
        found: &mut Found,
    ) -> Result<Option<SeriesSets>, IngestError> {
        let mut sets = SeriesSets::default();
        for (date, files) in snapshot.by_date() {
            let date = self.date(date);
            let (mut stored, mut duplicates) = (0, 0);
            for file in files {
                let Found { claims, lines, messages, .. } = found;
                let outcome = read(table, &snapshot.place, file, |identity| {
                    let Some(identity) = identity else {
                        if part == 0 {
                            *lines += 1;
                            *messages += 1;
                        }
                        return;
                    };
                    if share(identity.box_id, parts) != part {
                        return;
                    }
                    *lines += 1;
                    if let Some(seq) = identity.seq {
                        let new = sets.insert(identity.box_id, identity.epoch, seq);
                        *(if new { &mut stored } else { &mut duplicates }) += 1;
                    }
                    if let Some((stream, first, last)) = identity.lost {
                        let series = Series { box_id: identity.box_id.to_owned(), stream, epoch: identity.epoch };
                        claims.entry(series).or_default().push(Claim { date, first, last });
                    }
                });
                match outcome.await {
                    Ok(_) => {}
                    Err(Unread::Failed(error)) => return Err(error),
                    Err(unread) => {
                        let (kind, detail) = match unread {
                            Unread::Broken(reason) => ("broken_file", format!("{}: {reason}", file.path)),
                            _ => ("missing_file", format!("the log names {}, which is not there", file.path)),
                        };
                        let violation = Violation { table: table.name(), kind, detail };
                        found.bad_files.insert(file.path.to_string(), violation);
                    }
                }
                if sets.bytes() > self.limits.memory_bytes && parts < PARTS_MAX {
                    return Ok(None);
                }
            }
            let day = found.days.entry(date).or_default();
            day.stored += stored;
            day.duplicates += duplicates;
        }
        Ok(Some(sets))
    }

    /// Takes in what belongs to the table and not to one of its series.
    fn take_in(&mut self, table: Table, found: Found, snapshot: &Snapshot) {
        let Found { days, mut claims, lines, messages, bad_files } = found;
        self.done.violations.extend(bad_files.into_values());
        // Rows of `quarantine` are days of the streams that they are about.
        if table != Table::Quarantine {
            for (date, sums) in days {
                self.days.entry((date, table)).or_default().add(&sums);
            }
            for day in &snapshot.expired.days {
                let date = self.date(&day.date);
                self.days.entry((date, table)).or_default().expired += day.rows;
            }
        }
        let explained = |claims: &Claims, series: &Series| {
            let mut set = snapshot.expired.covered.get(series).cloned().unwrap_or_default();
            for claim in claims.get(series).into_iter().flatten() {
                set.insert_range(claim.first, claim.last);
            }
            set
        };
        let names: BTreeSet<Series> =
            claims.keys().chain(snapshot.covered.iter().map(|(name, _)| name)).cloned().collect();
        let nothing = IntervalSet::new();
        for name in names {
            let rows = explained(&claims, &name);
            let mark = snapshot.covered.get(&name).unwrap_or(&nothing);
            self.done.violations.extend(outside(&rows, mark, table, "unaccounted_rows", &name, UNACCOUNTED));
            // What quarantine had no room for is a sum there, and its numbers are in the watermark object alone.
            if table == Table::Gap {
                self.done.violations.extend(outside(mark, &rows, table, "lost_rows", &name, LOST));
            }
        }
        // Last, so that what has a date counts there.
        let undated = snapshot.expired.covered.iter().chain(snapshot.covered.iter());
        for (name, set) in undated {
            let ranges = set.intervals().iter().map(|(first, last)| Claim { date: 0, first: *first, last: *last });
            claims.entry(name.clone()).or_default().extend(ranges);
        }
        match table {
            Table::Gap => self.gaps = claims,
            Table::Quarantine => {
                self.refused = claims;
                self.done.quarantined = lines;
                self.done.refused_messages = messages;
            }
            _ => {}
        }
    }

    /// The account of one series.
    fn judge(&mut self, series: Series, stored: &IntervalSet, repeated: &Repeated, expired: Option<&IntervalSet>) {
        let mut account = Account { stored: stored.count(), duplicates: repeated.rows, ..Account::default() };
        let mut all = stored.clone();
        if let Some(expired) = expired {
            account.expired = expired.count_outside(stored);
            all.union_with(expired);
        }
        for (claims, gap) in [(self.gaps.remove(&series), true), (self.refused.remove(&series), false)] {
            for Claim { date, first, last } in claims.into_iter().flatten() {
                let new: u64 = all.missing(first, last).iter().map(|(f, l)| (l - f).saturating_add(1)).sum();
                if new == 0 {
                    continue;
                }
                all.insert_range(first, last);
                let day = self.days.entry((date, series.stream)).or_default();
                if gap {
                    account.gaps += new;
                    day.gaps += new;
                } else {
                    account.refused += new;
                    day.refused += new;
                }
            }
        }
        account.generated = all.last().map_or(0, |last| last.saturating_add(1));
        account.missing = account.generated.saturating_sub(all.count());
        if account.missing > 0 {
            let end = account.generated.saturating_sub(1);
            let holes = all.missing(0, end);
            self.done.violations.push(Violation {
                table: series.stream.name(),
                kind: "missing_rows",
                detail: format!(
                    "{}: {} numbers that nothing accounts for: {}",
                    name(&series),
                    account.missing,
                    ranges(&holes)
                ),
            });
        }
        self.done.total.add(&account);
        let Series { box_id, stream, epoch } = series;
        self.done.series.push(SeriesAccount { box_id, stream: stream.name(), epoch, account });
    }

    /// The sums, in order.
    pub(crate) fn finish(mut self) -> LakeCheck {
        // Series of which there is nothing but an explanation.
        let names: BTreeSet<Series> = self.gaps.keys().chain(self.refused.keys()).cloned().collect();
        for series in names {
            self.judge(series, &IntervalSet::new(), &Repeated::default(), None);
        }
        for ((date, table), mut account) in take(&mut self.days) {
            account.generated = account.stored + account.expired + account.gaps + account.refused;
            let date = self.dates.get(date).cloned().unwrap_or_default();
            self.done.days.push(DayAccount { date, stream: table.name(), account });
        }
        self.done.days.retain(|day| day.account != Account::default());
        self.done.days.sort_by(|a, b| (&a.date, a.stream).cmp(&(&b.date, b.stream)));
        self.done.series.sort_by(|a, b| (&a.box_id, a.stream, a.epoch).cmp(&(&b.box_id, b.stream, b.epoch)));
        self.done
    }
}

/// The part that a box belongs to.
fn share(box_id: &str, parts: u64) -> u64 {
    if parts == 1 {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    box_id.hash(&mut hasher);
    hasher.finish() % parts
}

const UNACCOUNTED: &str = "that no watermark accounts for; delivered again they would be stored twice";
const LOST: &str = "that a watermark names and that are not in the table; their vehicle may have deleted them";

/// Rows against the watermark objects, and keys that are there twice.
fn compare(series: &Series, stored: &IntervalSet, repeated: &Repeated, snapshot: &Snapshot, out: &mut Vec<Violation>) {
    let table = series.stream;
    if repeated.rows > 0 {
        let numbers: Vec<String> = repeated.examples.iter().map(u64::to_string).collect();
        let detail = format!(
            "{}: {} rows with a number that is there already, e.g. {}",
            name(series),
            repeated.rows,
            numbers.join(", ")
        );
        out.push(Violation { table: table.name(), kind: "duplicate", detail });
    }
    let nothing = IntervalSet::new();
    let mark = snapshot.stored.get(series).unwrap_or(&nothing);
    out.extend(outside(stored, mark, table, "unaccounted_rows", series, UNACCOUNTED));
    let mut known = stored.clone();
    known.union_with(snapshot.expired.stored.get(series).unwrap_or(&nothing));
    out.extend(outside(mark, &known, table, "lost_rows", series, LOST));
}

/// Numbers of one set that the other should have.
fn outside(
    set: &IntervalSet,
    other: &IntervalSet,
    table: Table,
    kind: &'static str,
    series: &Series,
    what: &str,
) -> Option<Violation> {
    let count = set.count_outside(other);
    if count == 0 {
        return None;
    }
    let holes: Vec<(u64, u64)> =
        set.intervals().iter().flat_map(|(first, last)| other.missing(*first, *last)).take(NAMED_RANGES + 1).collect();
    let detail = format!("{}: {count} numbers {what}: {}", name(series), ranges(&holes));
    Some(Violation { table: table.name(), kind, detail })
}

fn name(series: &Series) -> String {
    format!("box {} stream {} epoch {}", series.box_id, series.stream.name(), series.epoch)
}

/// The first few ranges, for people.
fn ranges(list: &[(u64, u64)]) -> String {
    let mut text: Vec<String> = list
        .iter()
        .take(NAMED_RANGES)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    if list.len() > NAMED_RANGES {
        text.push("…".to_owned());
    }
    text.join(", ")
}
