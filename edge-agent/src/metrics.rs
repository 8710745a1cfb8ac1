//! Prometheus metrics on loopback: the text exposition format 0.0.4, and just as much HTTP/1.1 as a scrape needs.

mod http;
mod publishes;
mod radio;

use std::fmt::Write as _;

use tournee_link::SensorId;
use tournee_payload::Stream;

use crate::commit_times::CommitTimes;
use crate::report::AgentStatus;
use crate::status::{Live, StreamView};

pub use http::{Server, ServerError};
pub(crate) use publishes::{Counted, Counts, counting};

/// What the operating system says of the process and its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostView {
    /// Bytes of the spool and its log on the disk.
    pub spool_bytes: Option<u64>,
    /// Resident memory of the process, bytes.
    pub rss_bytes: Option<u64>,
}

impl HostView {
    /// Looks.
    #[must_use]
    pub fn look(spool: &std::path::Path) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self { spool_bytes: crate::status::spool_bytes(spool), rss_bytes: rss_bytes(&status) }
    }
}

/// Resident memory by `/proc/<pid>/status`, proc(5), bytes.
fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// Writes families one after the other.
struct Page(String);

impl Page {
    /// One family. Labels as `name="value"` joined by commas, or empty.
    fn family(&mut self, name: &str, kind: &str, help: &str, series: impl IntoIterator<Item = (String, f64)>) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, [(String::new(), value as f64)]);
    }

    fn histogram(&mut self, name: &str, help: &str, times: &CommitTimes) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (limit_s, count) in times.up_to_s() {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{limit_s}\"}} {count}");
        }
        let (count, sum_s) = (times.count(), times.sum_s());
        let _ = writeln!(self.0, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum_s}\n{name}_count {count}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, "gauge", help, value.map(|value| (String::new(), value)));
    }
}

/// A label's value, escaped as the format asks.
fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The page.
#[must_use]
pub fn render(live: &Live, host: HostView, now_unix_s: u64) -> String {
    let mut page = Page(String::new());
    let info = [label("box_id", &live.facts.box_id), label("version", env!("CARGO_PKG_VERSION"))].join(",");
    page.family("tournee_agent_info", "gauge", "Which box, and the version of its agent.", [(info, 1.0)]);
    let started = Some(live.facts.started_unix_s as f64);
    page.gauge("tournee_agent_start_time_seconds", "Start of the agent, seconds since 1970.", started);
    page.gauge("process_resident_memory_bytes", "Resident memory of the agent.", host.rss_bytes.map(|it| it as f64));
    streams(&mut page, live, now_unix_s);
    let status = &live.status;
    page.gauge("tournee_broker_connected", "1 while the broker is there.", Some(f64::from(u8::from(status.connected))));
    uplink(&mut page, status);
    page.gauge("tournee_spool_bytes", "The spool and its log on the disk.", host.spool_bytes.map(|it| it as f64));
    page.gauge("tournee_spool_max_bytes", "Cap on stored batches.", Some(live.facts.spool_max_bytes as f64));
    page.counter("tournee_spool_old_copies_total", "Spools set aside as old copies.", status.old_copies);
    let help = "Samples that stay in spools that were set aside.";
    page.counter("tournee_spool_set_aside_samples_total", help, status.set_aside_samples);
    let help = "Gap rows that could not be read back and were made again.";
    page.counter("tournee_gap_rows_remade_total", help, status.lost_gap_rows);
    let help = "Spools that had been set aside and were removed to make room.";
    page.counter("tournee_spool_aside_removed_total", help, status.aside_removed);
    page.histogram("tournee_spool_commit_seconds", "How long commits to the spool took.", &status.commits);
    let line = &status.line;
    let results = [
        ("ok", line.frames_ok),
        ("bad", line.frames_bad),
        ("lost", line.frames_lost),
        ("unknown", line.frames_unknown),
    ];
    page.family(
        "tournee_frames_total",
        "counter",
        "Frames of the serial line: decoded, broken, missing by number, of an unknown kind.",
        results.map(|(result, count)| (label("result", result), count as f64)),
    );
    sensor_box(&mut page, live);
    radio::radio(&mut page, status);
    page.0
}

fn uplink(page: &mut Page, status: &AgentStatus) {
    let published = &status.published;
    page.counter("tournee_broker_connections_total", "Connections that the broker greeted.", published.connections);
    let help = "Messages handed to the client, batches and states, repetitions included.";
    page.counter("tournee_publishes_total", help, published.messages);
    page.counter("tournee_publish_payload_bytes_total", "Bytes of their payloads.", published.payload_bytes);
    let answers = [
        ("accepted", published.accepted),
        ("no_subscriber", published.without_subscriber),
        ("refused", published.refused),
    ];
    page.family(
        "tournee_publish_answers_total",
        "counter",
        "What the broker answered to them.",
        answers.map(|(answer, count)| (label("answer", answer), count as f64)),
    );
    let until_s = status.uplink.certificate.until_s().map(|until_s| until_s as f64);
    let help = "End of the certificate of the box, seconds since 1970; absent without one.";
    page.gauge("tournee_certificate_not_after_seconds", help, until_s);
    let off = f64::from(u8::from(status.uplink.collection_off));
    page.gauge("tournee_collection_off", "1 while measurements are not kept, by a command.", Some(off));
    let help = "Frames of the line that came while collection was off.";
    page.counter("tournee_withheld_frames_total", help, status.withheld.frames);
    let it = &status.withheld;
    let reasons = [("area", it.samples), ("hours", it.hours), ("place", it.places), ("trim", it.trimmed)];
    page.family(
        "tournee_withheld_samples_total",
        "counter",
        "Samples not kept: outside of the campaign's areas or of working hours, at a place, at an end of a round.",
        reasons.map(|(reason, count)| (label("reason", reason), count as f64)),
    );
    let closed = f64::from(u8::from(it.outside_hours));
    page.gauge("tournee_outside_hours", "1 while it is outside of working hours.", Some(closed));
}

fn streams(page: &mut Page, live: &Live, now_unix_s: u64) {
    let views = live.streams();
    let each = |value: &dyn Fn(&StreamView) -> Option<u64>| -> Vec<(String, f64)> {
        let series =
            |(stream, view): (&Stream, &StreamView)| Some((label("stream", stream.name()), value(view)? as f64));
        views.iter().filter_map(series).collect()
    };
    let (counter, gauge) = ("counter", "gauge");
    let help = "Samples committed to the spool since it was made.";
    page.family("tournee_samples_generated_total", counter, help, each(&|view| Some(view.generated)));
    let help = "Samples that the lake has confirmed.";
    page.family("tournee_samples_acknowledged_total", counter, help, each(&|view| Some(view.acknowledged)));
    let help = "Samples given up, each named by a gap row.";
    page.family("tournee_samples_given_up_total", counter, help, each(&|view| Some(view.given_up)));
    page.family("tournee_samples_pending", gauge, "Samples in the spool.", each(&|view| Some(view.pending)));
    let age = |view: &StreamView| view.oldest_unix_s.map_or(Some(0), |at| Some(now_unix_s.saturating_sub(at)));
    let help = "How long the oldest sample has been in the spool; 0 when it is empty.";
    page.family("tournee_samples_pending_age_seconds", gauge, help, each(&age));
    let help = "When the watermark last moved, seconds since 1970; absent before it did.";
    page.family("tournee_watermark_time_seconds", gauge, help, each(&|view| view.watermark_unix_s));
}

fn sensor_box(page: &mut Page, live: &Live) {
    let state = &live.status.box_state;
    page.counter("tournee_box_boots_total", "Starts of the box that this agent has seen.", state.boots);
    let classes = ["control", "slow", "accel", "thermal"].into_iter().zip(state.queue_drops);
    page.family(
        "tournee_box_queue_drops_total",
        "counter",
        "Messages that the box dropped from its full queue since its start, by class.",
        classes.map(|(class, count)| (label("class", class), f64::from(count))),
    );
    page.family(
        "tournee_box_sensor_fault",
        "gauge",
        "1 while the sensor has a fault.",
        SensorId::ALL.into_iter().map(|sensor| {
            let fault = state.faults.contains_key(sensor.name());
            (label("sensor", sensor.name()), f64::from(u8::from(fault)))
        }),
    );
    page.counter("tournee_box_sensor_faults_total", "Faults of sensors since the agent started.", state.faults_seen);
    let help = "Commands that the box never answered.";
    page.counter("tournee_box_commands_unanswered_total", help, state.unanswered);
    page.counter("tournee_box_commands_refused_total", "Commands that the box refused.", state.refused);
    let help = "Least free stack of the box since its start; absent until it said so.";
    page.gauge("tournee_box_stack_free_bytes", help, state.stack_free_bytes.map(f64::from));
    let help = "Round trip of the last exchange of stamps with the box; absent until there was one.";
    let round_trip_s = state.round_trip_us.map(|us| us as f64 / 1e6);
    page.gauge("tournee_box_round_trip_seconds", help, round_trip_s);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t   18432 kB\nRssAnon: 1 kB\n"), Some(18_874_368));
        assert_eq!(rss_bytes("VmRSS: much\n"), None);
        assert!(HostView::look(std::path::Path::new("/nowhere")).rss_bytes.is_some_and(|bytes| bytes > 100_000));
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(label("a", "b\"c\\d\ne"), "a=\"b\\\"c\\\\d\\ne\"");
    }
}
