//! What the agent tells of its probes.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tournee_features::mobile::probe::{Ledger, ProbeResult};

/// The probes since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeStatus {
    /// They were asked for by the configuration.
    pub is_configured: bool,
    /// Those that ended well.
    pub successes: u64,
    /// Those that failed; no service is a failure too.
    pub failures: u64,
    /// The last one.
    pub last: Option<ProbeResult>,
    /// What was spent on which day.
    pub ledger: Ledger,
    /// Bytes that may be spent on a day.
    pub bytes_per_day: u64,
    /// Probes that were due and did not fit into what the day's budget had left.
    pub without_budget: u64,
    /// Probes that were given up because what they cost could not be written down.
    pub abandoned: u64,
    /// The file of what probes have cost was damaged at the start.
    pub ledger_was_damaged: bool,
    /// Results that the reader of the box's line did not take in time.
    pub not_taken: u64,
}

impl ProbeStatus {
    /// How the last one ended, in words; empty before the first.
    #[must_use]
    pub fn last_words(&self) -> String {
        match self.last.map(|result| result.outcome) {
            None => String::new(),
            Some(Ok(())) => "success".to_owned(),
            Some(Err(failure)) => failure.to_string(),
        }
    }
}

/// For programs.
pub(crate) fn probe_json(status: &ProbeStatus) -> Value {
    let times = |of: fn(&ProbeResult) -> Option<i64>| status.last.as_ref().and_then(of);
    json!({
        "configured": status.is_configured, "successes": status.successes, "failures": status.failures,
        "last": status.last_words(), "last_dns_us": times(|it| it.dns_us),
        "last_connect_us": times(|it| it.connect_us), "last_response_us": times(|it| it.response_us),
        "last_bytes": status.last.map(|it| it.bytes), "day": status.ledger.day, "spent_bytes": status.ledger.spent_bytes,
        "bytes_per_day": status.bytes_per_day, "without_budget": status.without_budget,
        "abandoned": status.abandoned, "ledger_was_damaged": status.ledger_was_damaged, "not_taken": status.not_taken,
    })
}

/// For people, from the same document.
pub(crate) fn probe_text(out: &mut String, status: &Value) {
    let number = |name: &str| status.pointer(&format!("/probe/{name}")).and_then(Value::as_u64).unwrap_or(0);
    if status.pointer("/probe/configured").and_then(Value::as_bool) != Some(true) {
        return;
    }
    let last = status.pointer("/probe/last").and_then(Value::as_str).filter(|last| !last.is_empty());
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "probe       {} well, {} failed, the last: {}; {} of {} bytes of the day spent",
        number("successes"),
        number("failures"),
        last.unwrap_or("none yet"),
        number("spent_bytes"),
        number("bytes_per_day")
    );
    if number("without_budget") > 0 {
        let _ = writeln!(out, "            {} not made: the budget of the day is used up", number("without_budget"));
    }
    if number("abandoned") + number("not_taken") > 0 {
        let (abandoned, not_taken) = (number("abandoned"), number("not_taken"));
        let _ = writeln!(
            out,
            "            {abandoned} given up because their cost could not be written down, {not_taken} results lost"
        );
    }
    if status.pointer("/probe/ledger_was_damaged").and_then(Value::as_bool) == Some(true) {
        let _ = writeln!(out, "            the file of their cost was damaged: the day counted as spent");
    }
}
