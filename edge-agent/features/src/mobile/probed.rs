//! The result of a service probe on its way into a row.

use tournee_payload::{Sample, Stream};

use super::probe::{Failure, ProbeResult};
use crate::{flags, ids};

/// A row carries a result that is at most so old; then the result is a row of its own.
const WAIT_US: i64 = 5_000_000;

/// The result that waits, with the tick of its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probed(Option<(i64, ProbeResult)>);

impl Probed {
    /// Takes a result; gives the row of the one before where that still waited.
    pub(super) fn take(&mut self, tick_us: i64, result: &ProbeResult) -> Option<(i64, Sample)> {
        let before = self.alone(i64::MAX);
        self.0 = Some((tick_us, *result));
        before
    }

    /// Puts what waits into a row.
    pub(super) fn join(&mut self, row: &mut Sample) {
        if let Some((_, result)) = self.0.take() {
            put(&result, row);
        }
    }

    /// The row of a result that has waited long enough.
    pub(super) fn alone(&mut self, now_us: i64) -> Option<(i64, Sample)> {
        let (tick_us, result) = self.0.take_if(|(tick_us, _)| now_us >= tick_us.saturating_add(WAIT_US))?;
        let mut row = Sample::new(Stream::Mobile);
        let mut bits = 0;
        if result.outcome == Err(Failure::NoService) {
            // That is what the modem said last.
            row.set(ids::mobile::REGISTERED, Some(0));
            bits |= flags::MOBILE_NO_SERVICE;
        }
        row.set(ids::FLAGS, Some(i64::from(bits)));
        put(&result, &mut row);
        Some((tick_us, row))
    }
}

fn put(result: &ProbeResult, row: &mut Sample) {
    let ms = |us: Option<i64>| us.map(|us| us.saturating_add(500) / 1_000);
    row.set(ids::mobile::PROBE, Some(code(result.outcome)));
    row.set(ids::mobile::PROBE_DNS, ms(result.dns_us));
    row.set(ids::mobile::PROBE_CONNECT, ms(result.connect_us));
    row.set(ids::mobile::PROBE_RESPONSE, ms(result.response_us));
    row.set(ids::mobile::PROBE_BYTES, i64::try_from(result.bytes).ok());
}

/// The outcome as the field `probe` counts it.
fn code(outcome: Result<(), Failure>) -> i64 {
    match outcome {
        Ok(()) => 1,
        Err(Failure::NoService) => 2,
        Err(Failure::DnsSilent) => 3,
        Err(Failure::Dns(_)) => 4,
        Err(Failure::Connect) => 5,
        Err(Failure::ConnectTimeout) => 6,
        Err(Failure::Ended) => 7,
        Err(Failure::ResponseTimeout) => 8,
        Err(Failure::Http(_)) => 9,
        Err(Failure::Status(_)) => 10,
    }
}
