//! The status for people: what is queued, and why.

use std::fmt::Write as _;

use serde_json::Value;

use crate::modem::modem_text;
use crate::probe::probe_text;

/// After so long without a watermark, though connected, the lake is named as the reason.
const LAKE_QUIET_S: u64 = 300;

fn number(value: &Value, path: &str) -> Option<u64> {
    value.pointer(path).and_then(Value::as_u64)
}

fn words<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// Seconds as people say them.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn bytes(count: u64) -> String {
    if count < 10_000 { format!("{count} bytes") } else { format!("{:.1} MB", count as f64 / 1e6) }
}

/// Why samples of a stream wait.
fn why(status: &Value, stream: &Value, now_unix_s: u64) -> String {
    if status.get("running").and_then(Value::as_bool) != Some(true) {
        return "the agent does not run".to_owned();
    }
    if status.get("connected").and_then(Value::as_bool) != Some(true) {
        let since = now_unix_s.saturating_sub(number(status, "/connection_unix_s").unwrap_or(now_unix_s));
        return format!("no broker at {} for {}", words(status, "/broker"), span(since));
    }
    let connected_s = now_unix_s.saturating_sub(number(status, "/connection_unix_s").unwrap_or(now_unix_s));
    let quiet_s = number(stream, "/watermark_unix_s").map_or(connected_s, |at| now_unix_s.saturating_sub(at));
    let waits_s = number(stream, "/oldest_unix_s").map_or(0, |at| now_unix_s.saturating_sub(at));
    if quiet_s.min(waits_s) >= LAKE_QUIET_S {
        return format!("sent, but the lake has confirmed nothing for {}", span(quiet_s));
    }
    if waits_s <= 60 { "the open batch, or on its way".to_owned() } else { "on its way; the lake confirms".to_owned() }
}

/// The status as a screen.
#[must_use]
pub fn text(status: &Value, now_unix_s: u64) -> String {
    let mut out = String::new();
    let running = status.get("running").and_then(Value::as_bool) == Some(true);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "box         {}", words(status, "/box_id"));
    if running {
        let up = now_unix_s.saturating_sub(number(status, "/started_unix_s").unwrap_or(now_unix_s));
        let _ = writeln!(out, "agent       {} runs for {}", words(status, "/version"), span(up));
        let since = now_unix_s.saturating_sub(number(status, "/connection_unix_s").unwrap_or(now_unix_s));
        let connected = status.get("connected").and_then(Value::as_bool) == Some(true);
        let state = if connected { "connected" } else { "NOT connected" };
        let _ = writeln!(out, "broker      {}: {state} for {}", words(status, "/broker"), span(since));
        if !words(status, "/trouble").is_empty() {
            let _ = writeln!(out, "            {}", words(status, "/trouble"));
        }
        if status.get("certificate_trouble").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(out, "certificate {}", words(status, "/certificate"));
        }
        if status.get("collection_off").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(out, "collection  OFF by a command: measurements are not kept");
        }
        if status.get("outside_hours").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(out, "collection  outside of working hours: measurements are not kept");
        }
        let withheld = |name: &str| number(status, &format!("/withheld/{name}")).unwrap_or(0);
        if withheld("frames") + withheld("samples") > 0 {
            let (frames, samples) = (withheld("frames"), withheld("samples"));
            let _ = writeln!(
                out,
                "withheld    by commands: {frames} frames, {samples} samples outside of the campaign's areas"
            );
        }
        let (hours, places, trimmed) = (withheld("hours"), withheld("places"), withheld("trimmed"));
        if hours + places + trimmed > 0 {
            let _ = writeln!(
                out,
                "            by privacy: {hours} samples outside of working hours, {places} at places, {trimmed} at the ends of rounds"
            );
        }
        let line = |name: &str| number(status, &format!("/line/{name}")).unwrap_or(0);
        let _ = writeln!(
            out,
            "line        {} frames, {} broken, {} lost, {} unknown",
            line("frames_ok"),
            line("frames_bad"),
            line("frames_lost"),
            line("frames_unknown")
        );
        sensor_box(&mut out, status);
        modem_text(&mut out, status);
        probe_text(&mut out, status);
        calibration(&mut out, status);
        if let Some(used) = number(status, "/spool/bytes") {
            let cap = number(status, "/spool/max_bytes").unwrap_or(0);
            let most_ms = status.pointer("/spool/commit_most_s").and_then(Value::as_f64).unwrap_or(0.0) * 1e3;
            let _ = writeln!(
                out,
                "spool       {} on disk, cap {}; the slowest commit took {most_ms:.0} ms",
                bytes(used),
                bytes(cap)
            );
        }
    } else {
        let _ = writeln!(out, "agent       does not run; this is what its spool holds");
    }
    if let Some(trimmed) = status.get("trimmed_samples").and_then(Value::as_i64) {
        let of = |name: &str| status.get(name).and_then(Value::as_i64).unwrap_or(0);
        let (hours, places, withheld) = (of("hours_samples"), of("places_samples"), of("withheld_samples"));
        let _ = writeln!(
            out,
            "withheld    by the last health row: {trimmed} at the ends of rounds, {hours} outside of working hours, {places} at \
             places, {withheld} by commands"
        );
    }
    queue(&mut out, status, now_unix_s);
    out
}

fn sensor_box(out: &mut String, status: &Value) {
    let firmware = words(status, "/box/firmware");
    if firmware.is_empty() {
        let _ = writeln!(out, "sensor box  has not said hello");
    } else {
        let _ = writeln!(out, "sensor box  firmware {firmware}, serial {}", words(status, "/box/serial"));
    }
    let drops: u64 = status
        .pointer("/box/queue_drops")
        .and_then(Value::as_array)
        .map_or(0, |drops| drops.iter().filter_map(Value::as_u64).sum());
    if drops > 0 {
        let _ = writeln!(out, "            its queue dropped {drops} messages since its start");
    }
    if let Some(faults) = status.pointer("/box/faults").and_then(Value::as_object) {
        for (sensor, fault) in faults {
            let _ = writeln!(out, "FAULT       {sensor}: {}", fault.as_str().unwrap_or(""));
        }
    }
}

fn calibration(out: &mut String, status: &Value) {
    let list = |name: &str| {
        status.pointer(&format!("/calibration/{name}")).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    for it in list("applied") {
        let _ = writeln!(
            out,
            "calibration {} version {} until {}",
            words(&it, "/sensor"),
            number(&it, "/version").unwrap_or(0),
            words(&it, "/valid_until")
        );
    }
    for it in list("not_applied") {
        let _ = writeln!(out, "calibration {} NOT applied: it {}", words(&it, "/sensor"), words(&it, "/why"));
    }
    let none = list("uncalibrated");
    if !none.is_empty() {
        let names: Vec<&str> = none.iter().filter_map(Value::as_str).collect();
        let _ = writeln!(out, "calibration none in force for {}", names.join(", "));
    }
}

fn queue(out: &mut String, status: &Value, now_unix_s: u64) {
    let _ = writeln!(
        out,
        "\n{:<12}{:>10}{:>10}  {:<16}{:<18}why",
        "stream", "queued", "given up", "oldest", "lake confirmed"
    );
    let Some(streams) = status.get("streams").and_then(Value::as_object) else { return };
    for (name, stream) in streams {
        let of = |field: &str| number(stream, field).unwrap_or(0);
        if of("/generated") == 0 {
            continue;
        }
        let ago = |field: &str, none: &str| {
            number(stream, field)
                .map_or_else(|| none.to_owned(), |at| format!("{} ago", span(now_unix_s.saturating_sub(at))))
        };
        let pending = of("/pending");
        let _ = writeln!(
            out,
            "{name:<12}{pending:>10}{:>10}  {:<16}{:<18}{}",
            of("/given_up"),
            ago("/oldest_unix_s", "-"),
            ago("/watermark_unix_s", "-"),
            if pending == 0 { String::new() } else { why(status, stream, now_unix_s) }
        );
    }
    let _ = writeln!(out, "{:<12}{:>10}", "all", number(status, "/pending").unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn screen(connected: bool, connection: u64, oldest: u64, watermark: Option<u64>) -> String {
        let status = json!({
            "running": true, "box_id": "van-01", "version": "1", "started_unix_s": 0, "broker": "b:1",
            "connected": connected, "connection_unix_s": connection, "pending": 7,
            "streams": { "air": {
                "generated": 9, "acknowledged": 2, "given_up": 0, "pending": 7, "oldest_unix_s": oldest,
                "watermark_unix_s": watermark } },
            "box": { "firmware": "1.2", "serial": "S7", "faults": { "co2": "does not answer" }, "queue_drops": [0, 3, 0, 0] },
            "calibration": { "applied": [{ "sensor": "no2", "version": 4, "valid_until": "2027-01-01" }] },
        });
        text(&status, 10_000)
    }

    #[test]
    fn the_reason_is_named() {
        assert!(screen(false, 6_400, 6_000, None).contains("no broker at b:1 for 60 min"));
        assert!(screen(true, 1_000, 9_000, Some(8_800)).contains("the lake has confirmed nothing for 20 min"));
        assert!(screen(true, 1_000, 9_990, Some(9_990)).contains("the open batch"));
        let screen = screen(true, 9_990, 9_000, None);
        assert!(screen.contains("on its way"), "{screen}");
        assert!(screen.contains("FAULT       co2: does not answer") && screen.contains("dropped 3 messages"));
        assert!(screen.contains("no2 version 4 until 2027-01-01"));
    }
}
