//! What waits in memory, made into the files and the watermark objects of a commit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tournee_lake::{Series, Table, WatermarkObject};

use crate::commit::{Objects, Prepared};
use crate::convert::{Row, day_of, partition_day, to_batch};
use crate::error::IngestError;
use crate::lake::Chunk;
use crate::quarantine::{self, Line, Refusal};
use crate::validate::{gap_range, stream_table};

/// The next state of a shard, begun from the known one.
fn next_of<'a>(next: &'a mut Objects, known: &Objects, table: Table, shard: u8) -> &'a mut WatermarkObject {
    next.entry(shard)
        .or_insert_with(|| known.get(&shard).cloned().unwrap_or_else(|| WatermarkObject::empty(table, shard)))
}

/// The rows that wait for a stream's table, without those that are stored; at most `dates` partitions.
pub(crate) fn prepare_stream(
    table: Table,
    known: &Objects,
    pending: &[Chunk],
    dates: usize,
) -> Result<Prepared, IngestError> {
    let mut next = Objects::new();
    let mut days: BTreeMap<i32, Vec<Row<'_>>> = BTreeMap::new();
    let mut count = 0;
    for chunk in pending {
        let stored = known.get(&chunk.shard).and_then(|object| object.stored.get(&chunk.series));
        for (seq, sample) in &chunk.rows {
            // Only after a conflict can a pending row be stored already.
            if stored.is_some_and(|set| set.contains(*seq)) {
                continue;
            }
            let object = next_of(&mut next, known, table, chunk.shard);
            object.stored.insert(&chunk.series, *seq);
            if table == Table::Gap
                && let Some((stream, first, last)) = gap_range(sample)
            {
                let series = Series { stream: stream_table(stream), ..chunk.series.clone() };
                object.covered.entry(&series).insert_range(first, last);
            }
            let (day, clamped) = partition_day(sample, chunk.ingested_us);
            days.entry(day).or_default().push(Row {
                box_id: &chunk.series.box_id,
                epoch: chunk.series.epoch,
                seq: *seq,
                sample,
                ingested_us: chunk.ingested_us,
                clamped,
            });
            count += 1;
        }
    }
    limit_days(&mut days, dates);
    let clamped = days.values().flatten().filter(|row| row.clamped).count();
    let mut files = Vec::with_capacity(days.len());
    for (day, mut rows) in days {
        rows.sort_unstable_by(|a, b| (a.box_id, a.epoch, a.seq).cmp(&(b.box_id, b.epoch, b.seq)));
        files.push((day, to_batch(table, &rows)?));
    }
    Ok(Prepared { files, next, rows: count, clamped })
}

/// The lines that wait for `quarantine`, without those that are noted.
pub(crate) fn prepare_quarantine(known: &Objects, pending: &[(Box<Refusal>, i64)]) -> Result<Prepared, IngestError> {
    let mut next = Objects::new();
    let mut days: BTreeMap<i32, Vec<Line<'_>>> = BTreeMap::new();
    let mut count = 0;
    for (refusal, received_us) in pending {
        let refusal = refusal.as_ref();
        let before = known.get(&refusal.shard);
        let lines = days.entry(quarantine::day(*received_us)).or_default();
        let held = lines.len();
        let mut add = |also| lines.push(Line { refusal, received_us: *received_us, also });
        match refusal.accounts_for() {
            Some((series, own)) => {
                let covered = before.and_then(|object| object.covered.get(&series));
                let also = refusal.also.intervals().iter().flat_map(|(first, last)| *first..=*last).map(Some);
                for also in std::iter::once(None).chain(also) {
                    let seq = also.unwrap_or(own);
                    // Only after a conflict, or an error, can a pending row be noted already.
                    if covered.is_some_and(|set| set.contains(seq)) {
                        continue;
                    }
                    next_of(&mut next, known, Table::Quarantine, refusal.shard).covered.insert(&series, seq);
                    add(also);
                }
            }
            None if before.is_some_and(|object| object.seen.contains(&refusal.hash)) => {}
            None => {
                next_of(&mut next, known, Table::Quarantine, refusal.shard).remember(refusal.hash.clone());
                add(None);
            }
        }
        count += lines.len() - held;
    }
    let mut files = Vec::with_capacity(days.len());
    for (day, lines) in days.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        files.push((day, quarantine::to_batch(&lines)?));
    }
    Ok(Prepared { files, next, rows: count, clamped: 0 })
}

/// A file per date: a box with a wild clock must not make thousands in one commit. Beyond `most` dates, those of the fewest
/// boxes, then of the fewest rows, go to the day they were ingested, flagged.
fn limit_days(days: &mut BTreeMap<i32, Vec<Row<'_>>>, most: usize) {
    if days.len() <= most {
        return;
    }
    let ingested: BTreeSet<i32> = days.values().flatten().map(|row| day_of(row.ingested_us)).collect();
    let mut ranked: Vec<(usize, usize, i32)> = days
        .iter()
        .filter(|(day, _)| !ingested.contains(day))
        .map(|(day, rows)| (rows.iter().map(|row| row.box_id).collect::<BTreeSet<_>>().len(), rows.len(), *day))
        .collect();
    ranked.sort_unstable_by_key(|rank| Reverse(*rank));
    for (_, _, day) in ranked.into_iter().skip(most.saturating_sub(ingested.len())) {
        for mut row in days.remove(&day).unwrap_or_default() {
            row.clamped = true;
            days.entry(day_of(row.ingested_us)).or_default().push(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use tournee_payload::{Sample, Stream};

    use super::*;

    #[test]
    fn dates_of_the_fewest_boxes_and_rows_give_way() {
        let sample = Sample::new(Stream::Air);
        let row = |box_id, seq| Row { box_id, epoch: 1, seq, sample: &sample, ingested_us: 0, clamped: false };
        // Day 9 has two boxes, days 1 to 3 have one box and ever more rows; they were ingested on day 0.
        let mut days = BTreeMap::from([
            (1, vec![row("a", 0)]),
            (2, vec![row("a", 1), row("a", 2)]),
            (3, vec![row("a", 3), row("a", 4), row("a", 5)]),
            (9, vec![row("a", 6), row("b", 0)]),
        ]);
        limit_days(&mut days, 4);
        assert_eq!(days.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 9]);
        limit_days(&mut days, 3);
        let found: Vec<(i32, usize, bool)> =
            days.iter().map(|(day, rows)| (*day, rows.len(), rows.iter().all(|row| row.clamped))).collect();
        assert_eq!(found, [(0, 3, true), (3, 3, false), (9, 2, false)]);
    }
}
