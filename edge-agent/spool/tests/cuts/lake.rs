//! A lake that forgets nothing: what left the spool.

use std::collections::{BTreeMap, BTreeSet};

use tournee_payload::{Stream, decode, field};
use tournee_spool::{SealedBatch, Spool, SpoolError};

/// The marks that were appended, by stream and number.
pub type Marks = BTreeMap<Stream, Vec<i64>>;

#[derive(Clone, Default)]
pub struct Lake {
    batches: BTreeMap<(Stream, u64), Vec<u8>>,
    rows: BTreeSet<(Stream, u64)>,
    gaps: BTreeSet<(Stream, u64)>,
    gap_rows: BTreeSet<u64>,
    /// A disk that lied is between the spool and the lake: gap rows may come again, and may name what did arrive.
    lenient: bool,
}

impl Lake {
    /// Whatever came before may come in another shape.
    pub fn after_a_lie(&self) -> Self {
        Self { batches: BTreeMap::new(), gap_rows: BTreeSet::new(), lenient: true, ..self.clone() }
    }

    /// First numbers of the batches of a stream.
    pub fn starts(&self, stream: Stream) -> Vec<u64> {
        self.batches.range((stream, 0)..=(stream, u64::MAX)).map(|((_, first), _)| *first).collect()
    }

    pub fn take(&mut self, batch: &SealedBatch, epoch: u64, marks: &Marks) {
        let read = decode(&batch.bytes).unwrap();
        assert_eq!((read.stream, read.first_seq, read.epoch), (batch.stream, batch.first_seq, epoch));
        assert_eq!(read.samples.len() as u64, batch.count);
        let known = self.batches.entry((batch.stream, batch.first_seq)).or_insert_with(|| batch.bytes.clone());
        assert_eq!(*known, batch.bytes, "a batch is the same bytes every time");
        for (seq, sample) in (batch.first_seq..).zip(read.samples) {
            if batch.stream != Stream::Gap {
                let mark = marks.get(&batch.stream).and_then(|marks| marks.get(seq as usize));
                assert_eq!(sample.get(field::FLAGS), mark.copied(), "{} {seq} is one sample", batch.stream.name());
                self.rows.insert((batch.stream, seq));
            } else if self.gap_rows.insert(seq) {
                let [stream, first, last] = [16, 17, 18].map(|id| sample.get(id));
                // Without a range: in the place of a gap row that rotted. What it named is named again.
                let Some(stream) = stream.and_then(|code| Stream::from_code(code as u32)) else {
                    assert!(self.lenient, "a gap row without a range");
                    continue;
                };
                assert!(self.lenient || sample.get(19) != Some(2), "what was committed cannot be read back");
                for lost in first.unwrap() as u64..=last.unwrap() as u64 {
                    assert!(self.gaps.insert((stream, lost)) || self.lenient, "given up twice");
                }
            }
        }
    }

    /// Takes everything, then holds the account: generated = stored + gaps.
    pub fn empty(mut self, mut spool: Spool, epoch: u64, marks: &Marks, what: &str) -> Result<(), SpoolError> {
        spool.seal_all()?;
        // The gaps last: reading the others may make some.
        for stream in Stream::ALL {
            let mut from = spool.acknowledged_seq(stream);
            while let Some(batch) = spool.peek(stream, from)? {
                from = batch.end_seq();
                self.take(&batch, epoch, marks);
            }
        }
        for (stream, generated) in spool.generated().into_iter().filter(|(stream, _)| *stream != Stream::Gap) {
            let within = |set: &BTreeSet<(Stream, u64)>| -> BTreeSet<u64> {
                set.range((stream, 0)..(stream, u64::MAX)).map(|(_, seq)| *seq).collect()
            };
            let (rows, gaps) = (within(&self.rows), within(&self.gaps));
            let covered: BTreeSet<u64> = rows.union(&gaps).copied().collect();
            let missing = (0..generated).find(|seq| !covered.contains(seq));
            assert_eq!(missing, None, "{what}: {} of {generated} is neither stored nor a gap", stream.name());
            if !self.lenient {
                assert_eq!(rows.intersection(&gaps).next(), None, "{what}: {} both stored and a gap", stream.name());
                assert_eq!(covered.len() as u64, generated, "{what}: {} beyond its end", stream.name());
                assert_eq!(spool.given_up(stream), gaps.len() as u64, "{what}: {}", stream.name());
            }
        }
        Ok(())
    }
}
