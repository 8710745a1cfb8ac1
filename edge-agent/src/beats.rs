//! Signs of life of the parts, for the watchdog: a runtime that turns says nothing of a thread that waits for a disk that never
//! answers, nor of a connection that is never given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a part that has nothing to do gives a sign of life.
pub(crate) const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The owner of the spool.
    Keeper,
    /// The way to the broker.
    Uplink,
}

impl Part {
    const ALL: [Self; 2] = [Self::Keeper, Self::Uplink];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keeper => "the keeper of the spool",
            Self::Uplink => "the uplink",
        }
    }
}

/// When each part gave its last sign of life. Clones share it.
#[derive(Clone, Debug)]
pub struct Beats {
    began: Instant,
    /// Milliseconds since `began` plus one; 0: the part does not run.
    last_ms: Arc<[AtomicU64; Part::ALL.len()]>,
}

impl Default for Beats {
    fn default() -> Self {
        Self { began: Instant::now(), last_ms: Arc::default() }
    }
}

impl Beats {
    /// A part begins; it is watched until what is returned is dropped.
    pub(crate) fn begin(&self, part: Part) -> Beat {
        let beat = Beat { beats: self.clone(), part };
        beat.beat();
        beat
    }

    /// Parts that run and gave no sign of life for so long, as of `now`.
    #[must_use]
    pub fn silent(&self, limit: Duration, now: Instant) -> Vec<Part> {
        let now_ms = self.ms(now);
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let parts = Part::ALL.into_iter().zip(self.last_ms.iter());
        let silent = parts.filter(|(_, last_ms)| {
            let last_ms = last_ms.load(Ordering::Relaxed);
            last_ms > 0 && now_ms.saturating_sub(last_ms) > limit_ms
        });
        silent.map(|(part, _)| part).collect()
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn set(&self, part: Part, value: u64) {
        if let Some((_, last_ms)) = Part::ALL.into_iter().zip(self.last_ms.iter()).find(|(known, _)| *known == part) {
            last_ms.store(value, Ordering::Relaxed);
        }
    }
}

/// A part that runs.
#[derive(Debug)]
pub(crate) struct Beat {
    beats: Beats,
    part: Part,
}

impl Beat {
    /// A sign of life.
    pub fn beat(&self) {
        self.beats.set(self.part, self.beats.ms(Instant::now()));
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.beats.set(self.part, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_part_that_runs_can_be_silent() {
        let beats = Beats::default();
        let limit = Duration::from_secs(30);
        let later = Instant::now() + Duration::from_secs(40);
        assert_eq!(beats.silent(limit, later), []);
        let keeper = beats.begin(Part::Keeper);
        let uplink = beats.begin(Part::Uplink);
        assert_eq!(beats.silent(limit, Instant::now()), []);
        assert_eq!(beats.clone().silent(limit, later), [Part::Keeper, Part::Uplink]);
        drop(keeper);
        assert_eq!(beats.silent(limit, later), [Part::Uplink], "the keeper has ended, it is not stuck");
        uplink.beat();
        assert_eq!(beats.silent(limit, Instant::now() + limit), []);
    }
}
