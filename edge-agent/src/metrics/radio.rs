//! The modem and the service probe.

use super::{Page, label};
use crate::report::AgentStatus;

/// Nothing of a port or a probe that was not asked for.
pub fn radio(page: &mut Page, status: &AgentStatus) {
    let link = &status.modem.link;
    let port = &status.modem.port;
    let counters = &port.counters;
    let ways = [("port", port.unknown()), ("link", link.unknown)];
    page.family(
        "tournee_modem_lines_unknown_total",
        "counter",
        "Lines of the modem that were not understood, by the way they came.",
        ways.map(|(way, count)| (label("way", way), count as f64)),
    );
    if port.is_configured {
        let is = |it: bool| Some(f64::from(u8::from(it)));
        page.gauge("tournee_modem_port_open", "1 while the port of the modem is open.", is(port.is_open));
        page.gauge("tournee_modem_silent", "1 while the modem does not answer.", is(port.is_silent));
        page.gauge("tournee_modem_no_sim", "1 while the modem has no usable SIM.", is(port.no_sim));
        page.counter("tournee_modem_port_opened_total", "Times that the port was opened.", port.opened);
        page.counter("tournee_modem_rounds_total", "Rounds of questions that were finished.", counters.rounds);
        page.counter("tournee_modem_timeouts_total", "Commands without an answer in time.", counters.timeouts);
        page.counter("tournee_modem_refusals_total", "Commands that the modem refused.", counters.refusals);
        page.counter("tournee_modem_restarts_total", "Starts of the modem under way.", counters.restarts);
        let reasons = [
            ("no_box", link.without_box),
            ("withheld", link.withheld),
            ("queue_full", port.not_taken + counters.events_lost),
            ("over_the_box", link.not_used),
        ];
        page.family(
            "tournee_modem_answers_unused_total",
            "counter",
            "Answers, and results of probes, that made no row, by reason.",
            reasons.map(|(reason, count)| (label("reason", reason), count as f64)),
        );
    }
    let probe = &status.probe;
    if !probe.is_configured {
        return;
    }
    let results = [("success", probe.successes), ("failure", probe.failures)];
    page.family(
        "tournee_probes_total",
        "counter",
        "Service probes that ended, by result; no service is a failure.",
        results.map(|(result, count)| (label("result", result), count as f64)),
    );
    let reasons = [("budget", probe.without_budget), ("ledger", probe.abandoned)];
    page.family(
        "tournee_probes_not_made_total",
        "counter",
        "Probes that were due and not made: no budget left, or their cost could not be written down.",
        reasons.map(|(reason, count)| (label("reason", reason), count as f64)),
    );
    let help = "Bytes that probes of the day have cost, both ways, headers included.";
    page.gauge("tournee_probe_day_bytes", help, Some(probe.ledger.spent_bytes as f64));
    page.gauge("tournee_probe_day_max_bytes", "Budget of a day.", Some(probe.bytes_per_day as f64));
}
