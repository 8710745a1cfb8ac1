//! How far on the serial line the samples have got. Pure.
//!
//! The pipeline holds back what it has not finished: rows that wait for a fix, windows of road, and the last metres of the
//! round so far, which the privacy trim may yet keep on board. All of that goes with a killed process. So the position that
//! is stored with samples is not the newest frame read but the newest frame [`COLLECT_US`] before the last tick that the
//! samples have reached; what comes after it is counted as lost by the next run. So the count is a bound from above: some of
//! these frames had their row already, and of some the trim would have kept the row on board anyway. Only a window of road
//! that takes longer than that to close, in slow traffic, is missing from it.

use std::collections::VecDeque;

use tournee_link::Header;
use tournee_payload::{Sample, Stream, field};
use tournee_spool::LinePosition;

/// Marks are at least so far apart, microseconds: frames in between are behind the position until the next mark is reached.
const MARK_STEP_US: i64 = 100_000;
/// Most frames make a row together with later ones, while a fix makes its own at once: a second of air, 20 m of road (3.6 s
/// at the 20 km/h from which a window is used). Microseconds.
const COLLECT_US: i64 = 4_000_000;
/// Marks that may wait, half an hour; when more is held back the position only becomes coarser.
const MARKS_MAX: usize = 18_000;

/// The frames before `next_seq` have ticks up to `tick_us`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    tick_us: i64,
    next_seq: u32,
}

/// The position of one line.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    safe: Option<LinePosition>,
    newest: Option<LinePosition>,
    marks: VecDeque<Mark>,
}

impl Progress {
    /// A frame has arrived, not late, and is about to be fed to the pipeline.
    pub fn arrived(&mut self, header: &Header) {
        let next_seq = header.seq.wrapping_add(1);
        if self.newest.is_none_or(|newest| newest.boot_id != header.boot_id) {
            // The pipeline finishes the old boot here: nothing of it is held back.
            self.safe = Some(LinePosition { boot_id: header.boot_id, next_seq: header.seq });
            self.marks.clear();
        }
        self.newest = Some(LinePosition { boot_id: header.boot_id, next_seq });
        let Ok(tick_us) = i64::try_from(header.tick_us) else { return };
        let room = self.marks.len() < MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if tick_us <= last.tick_us && last.next_seq == header.seq => last.next_seq = next_seq,
            Some(last) if tick_us < last.tick_us.saturating_add(MARK_STEP_US) => {}
            _ if room => self.marks.push_back(Mark { tick_us, next_seq }),
            _ => {}
        }
    }

    /// The pipeline gave these out.
    pub fn finished(&mut self, samples: &[Sample]) {
        let Some(safe) = self.safe else { return };
        // A health row overtakes what waits, so it proves nothing.
        let reached_us = samples
            .iter()
            .filter(|sample| sample.stream != Stream::Health)
            .filter(|sample| sample.get(field::BOOT_ID) == Some(i64::from(safe.boot_id)))
            .filter_map(|sample| sample.get(field::TICK_US))
            .max();
        if let Some(reached_us) = reached_us {
            self.reached(reached_us);
        }
    }

    /// Up to this tick of a boot everything is accounted for, though it was not given out: it is not kept.
    pub fn settled(&mut self, boot_id: u32, tick_us: i64) {
        if self.safe.is_some_and(|safe| safe.boot_id == boot_id) {
            self.reached(tick_us);
        }
    }

    fn reached(&mut self, tick_us: i64) {
        let Some(safe) = &mut self.safe else { return };
        let reached_us = tick_us.saturating_sub(COLLECT_US);
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.tick_us <= reached_us) {
            safe.next_seq = mark.next_seq;
        }
    }

    /// The pipeline was told to finish: it holds nothing back any more.
    pub fn all_finished(&mut self) {
        self.safe = self.newest;
        self.marks.clear();
    }

    /// Where the samples are; none before the first frame.
    pub const fn position(&self) -> Option<LinePosition> {
        self.safe
    }
}
