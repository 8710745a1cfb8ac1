//! What goes first when the spool is full.

use tournee_payload::Stream;

/// Lowest priority first. A gap is never shed: it is the only trace of what was.
pub(crate) const ORDER: [Stream; 7] =
    [Stream::Health, Stream::Track, Stream::Thermal, Stream::Mobile, Stream::Air, Stream::Road, Stream::RoadEvent];

/// A run of samples of one stream that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub stream: Stream,
    pub first_seq: u64,
    /// Exclusive.
    pub end_seq: u64,
}

/// Adds a batch to the runs: a batch that follows the last run of its stream makes it longer.
pub(crate) fn extend(runs: &mut Vec<Lost>, next: Lost) {
    match runs.iter_mut().rev().find(|run| run.stream == next.stream) {
        Some(run) if run.end_seq == next.first_seq => run.end_seq = next.end_seq,
        _ => runs.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_run() {
        let mut runs = Vec::new();
        let lost = |stream, first_seq, end_seq| Lost { stream, first_seq, end_seq };
        extend(&mut runs, lost(Stream::Air, 0, 5));
        extend(&mut runs, lost(Stream::Track, 0, 9));
        extend(&mut runs, lost(Stream::Air, 5, 7));
        extend(&mut runs, lost(Stream::Air, 8, 9));
        assert_eq!(runs, [lost(Stream::Air, 0, 7), lost(Stream::Track, 0, 9), lost(Stream::Air, 8, 9)]);
    }
}
