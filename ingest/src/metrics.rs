//! A worker's status as Prometheus metrics (text exposition format 0.0.4), and whether it is ready. Pure: who serves them is
//! elsewhere.

use std::fmt::Write as _;
use std::time::Duration;

use tournee_payload::Stream;

use crate::measured::Histogram;
use crate::run::IngestStatus;

/// Writes families one after the other.
struct Page(String);

impl Page {
    /// One family. Labels as `name="value"`, or empty. Writing to a string cannot fail.
    fn family(&mut self, name: &str, kind: &str, help: &str, series: impl IntoIterator<Item = (String, f64)>) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help, [(String::new(), value as f64)]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help, [(String::new(), value)]);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        let bounds = histogram.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&histogram.counts) {
            total += count;
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let _ = writeln!(self.0, "{name}_sum {}\n{name}_count {total}", histogram.sum);
    }
}

/// The page. Labels are streams and reasons, both closed lists; boxes are counted, never named.
#[must_use]
pub fn render(status: &IngestStatus, rss_bytes: Option<u64>) -> String {
    let mut page = Page(String::new());
    let (totals, measured) = (&status.totals, &status.measured);
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    page.family("tournee_ingest_info", "gauge", "The version of the worker.", [(version, 1.0)]);
    if let Some(rss_bytes) = rss_bytes {
        page.gauge("process_resident_memory_bytes", "Resident memory of the process.", rss_bytes as f64);
    }
    page.gauge("tournee_ingest_connected", "1 while the broker is there.", f64::from(u8::from(status.connected)));
    page.counter("tournee_ingest_connections_total", "Connections that the broker greeted.", status.connections);
    page.counter("tournee_ingest_messages_total", "Messages read, redelivered ones included.", measured.messages);
    page.counter("tournee_ingest_payload_bytes_total", "Bytes of their payloads.", measured.bytes);
    let streams = || Stream::ALL.into_iter().zip(&measured.streams);
    let label = |stream: Stream| format!("stream=\"{}\"", stream.name());
    let help = "New rows taken, by stream; in the lake with the next commit.";
    let rows = streams().map(|(stream, it)| (label(stream), it.rows as f64));
    page.family("tournee_ingest_rows_total", "counter", help, rows);
    page.counter("tournee_ingest_rows_stored_total", "Rows committed.", totals.stored);
    page.counter("tournee_ingest_rows_duplicate_total", "Rows that were accounted for already.", totals.duplicates);
    let help = "Rows whose date was not believable; they lie under the day of their ingestion.";
    page.counter("tournee_ingest_dates_clamped_total", help, totals.dates_clamped);
    let help = "Columns left out because this version does not know their field.";
    page.counter("tournee_ingest_unknown_fields_total", help, totals.unknown_fields);
    let refused = measured.refused.iter().map(|(reason, count)| (format!("reason=\"{reason}\""), *count as f64));
    let help = "Rows and messages refused, by reason.";
    page.family("tournee_ingest_refused_total", "counter", help, refused);
    let help = "Refused, beyond the room of the day in quarantine, and not yet written there as a sum.";
    page.gauge("tournee_ingest_quarantine_left_out", help, measured.left_out_rows as f64);
    page.gauge("tournee_ingest_pending_rows", "Rows that wait for a commit.", status.pending_rows as f64);
    let help = "Messages that wait for their acknowledgement.";
    page.gauge("tournee_ingest_pending_messages", help, status.pending_messages as f64);
    page.counter("tournee_ingest_watermarks_total", "Watermark messages handed to the broker.", status.watermarks);
    page.counter("tournee_ingest_commits_total", "Commits to any table.", totals.commits);
    page.counter("tournee_ingest_conflicts_total", "Commits that another worker came before.", totals.conflicts);
    page.counter("tournee_ingest_commit_failures_total", "Commits that failed and are tried again.", status.failures);
    let help = "End of the last commit, seconds since 1970.";
    page.gauge("tournee_ingest_last_commit_time_seconds", help, status.last_commit_us as f64 / 1e6);
    page.histogram("tournee_ingest_commit_seconds", "Duration of a commit to all tables.", &measured.commit_s);
    let help = "From the newest event of a batch to the end of its commit.";
    page.histogram("tournee_ingest_lag_seconds", help, &measured.lag_s);
    let help = "Boxes that sent this stream in the last 15 minutes.";
    let active = streams().map(|(stream, it)| (label(stream), it.boxes_active as f64));
    page.family("tournee_ingest_boxes_active", "gauge", help, active);
    let help = "Boxes that sent something in the last 15 minutes and this stream before, but not in them.";
    let silent = streams().map(|(stream, it)| (label(stream), it.boxes_silent as f64));
    page.family("tournee_ingest_boxes_silent", "gauge", help, silent);
    page.gauge("tournee_ingest_boxes_known", "Boxes with rows in the lake.", measured.boxes_known as f64);
    page.gauge("tournee_ingest_boxes_pending", "Boxes that wait to be accepted.", measured.boxes_pending as f64);
    let help = "Messages of boxes that found no room among those that wait.";
    page.counter("tournee_ingest_boxes_unnoted_total", help, measured.boxes_unnoted);
    page.0
}

/// Is the worker connected, and does the lake take what it gets? `commit_interval`: as set.
///
/// # Errors
/// What is wrong, in one line.
pub fn ready(status: &IngestStatus, commit_interval: Duration, now_us: i64) -> Result<(), String> {
    if !status.connected {
        return Err(status.trouble.clone().unwrap_or_else(|| "not connected to the broker yet".to_owned()));
    }
    if status.commit_failing {
        return Err(status.trouble.clone().unwrap_or_else(|| "the last commit failed".to_owned()));
    }
    // Rows wait, and nothing was heard of a commit for long: the store hangs.
    let patience_us = i64::try_from(commit_interval.as_micros()).unwrap_or(i64::MAX).saturating_mul(3);
    let since_us = now_us.saturating_sub(status.last_flush_us);
    if status.last_flush_us > 0 && since_us > patience_us.saturating_add(60_000_000) {
        return Err(format!("the lake has not answered for {} s", since_us / 1_000_000));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_streams_and_reasons_and_every_family_once() {
        let mut status = IngestStatus::default();
        status.measured.refused.insert("checksum", 3);
        status.measured.streams[0].rows = 7;
        let page = render(&status, Some(5));
        for line in [
            "tournee_ingest_rows_total{stream=\"air\"} 7",
            "tournee_ingest_refused_total{reason=\"checksum\"} 3",
            "tournee_ingest_commit_seconds_bucket{le=\"+Inf\"} 0",
            "tournee_ingest_commit_seconds_bucket{le=\"0.01\"} 0",
            "tournee_ingest_boxes_silent{stream=\"gap\"} 0",
            "process_resident_memory_bytes 5",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        let mut names: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(page.lines().all(|line| line.starts_with("# ") || line.split(' ').count() == 2), "{page}");
    }

    #[test]
    fn ready_means_connected_and_committing() {
        let mut status = IngestStatus { trouble: Some("no broker".to_owned()), ..IngestStatus::default() };
        let every = Duration::from_secs(10);
        assert_eq!(ready(&status, every, 0), Err("no broker".to_owned()));
        status.connected = true;
        assert_eq!(ready(&status, every, 0), Ok(()));
        status.commit_failing = true;
        assert!(ready(&status, every, 0).is_err());
        status.commit_failing = false;
        status.last_flush_us = 1_000_000;
        assert_eq!(ready(&status, every, 60_000_000), Ok(()));
        assert!(ready(&status, every, 100_000_000).unwrap_err().contains("99 s"));
    }
}
