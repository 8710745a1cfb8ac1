//! The service probe: one is made, within the day's budget. While the agent runs, it is asked.

use std::time::{Duration, Instant};

use serde_json::Value;
use tournee_features::Drive;

use super::{Finding, number};
use crate::config::AgentConfig;
use crate::probe::{LedgerFile, Prober, today};

/// Some more than the longest probe by the defaults.
const LIMIT: Duration = Duration::from_secs(20);

/// None when no probes were asked for.
pub async fn check(config: &AgentConfig, running: Option<&Value>) -> Option<Finding> {
    // The configuration was checked before.
    let wanted = config.probe.wanted().ok()??;
    if let Some(running) = running {
        return Some(by_agent(running));
    }
    let file = LedgerFile::beside(&config.spool.path);
    let (mut prober, _) = Prober::open(wanted, file, today()).ok()?;
    let began = Instant::now();
    let result = loop {
        let Some(left) = LIMIT.checked_sub(began.elapsed()) else { break None };
        // A clock that is not that of the box: the day by this machine.
        if tokio::time::timeout(left, prober.turn(Drive::default())).await.is_err() {
            break None;
        }
        if let Some(result) = prober.result() {
            break Some(result);
        }
        if prober.is_idle() {
            break None;
        }
    };
    let without_budget = prober.without_budget();
    prober.close().await;
    let host = format!("{}:{}", config.probe.host, config.probe.port);
    Some(match result.map(|result| (result, result.outcome)) {
        Some((result, Ok(()))) => {
            let ms = |us: Option<i64>| us.unwrap_or(0) / 1_000;
            let (dns, connect, response) = (ms(result.dns_us), ms(result.connect_us), ms(result.response_us));
            let text = format!("{host}: name {dns} ms, connection {connect} ms, answer {response} ms");
            Finding::ok("probe", format!("{text}, {} bytes", result.bytes))
        }
        Some((_, Err(failure))) => Finding::warn(
            "probe",
            format!("{host}: {failure}"),
            "is the modem online? are probe.name_server, probe.interface and probe.status right? The agent measures this",
        ),
        None if without_budget > 0 => {
            let text = format!("{host}: not tried, probe.bytes_per_day of today is used up");
            Finding::warn("probe", text, "tomorrow, or with a larger budget")
        }
        None => {
            let advice = "is the spool's folder writable? What a probe costs is written down there before it begins";
            Finding::fail("probe", format!("{host}: not tried, or not over within {} s", LIMIT.as_secs()), advice)
        }
    })
}

fn by_agent(running: &Value) -> Finding {
    let (well, failed) = (number(running, "/probe/successes"), number(running, "/probe/failures"));
    let last = running.pointer("/probe/last").and_then(Value::as_str).unwrap_or("");
    let text = format!("the agent runs: {well} probes well, {failed} failed; the last: {last}");
    match (well, failed) {
        (0, 0) => Finding::warn("probe", text, "it begins once the box is there, and needs travel for the next"),
        (0, _) => Finding::warn("probe", text, "are probe.name_server, probe.interface and probe.status right?"),
        _ => Finding::ok("probe", text),
    }
}
