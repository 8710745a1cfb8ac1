//! What the agent tells of the modem: counters, and the last lines that were not understood. These lines stay on the vehicle
//! (the status socket, mode 0600): what a modem says by itself may be anybody's message.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tournee_features::mobile::dialog::DialogCounters;

/// The modem, however its lines come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModemStatus {
    /// Its own port.
    pub port: PortStatus,
    /// Its lines over the link of the box, and what became of those of the port.
    pub link: LinkLines,
}

/// The modem's own port, since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortStatus {
    /// There is one by the configuration.
    pub is_configured: bool,
    /// It is open.
    pub is_open: bool,
    /// Times that it was opened.
    pub opened: u64,
    /// Why it is not open; empty otherwise.
    pub trouble: String,
    /// The last question was not answered.
    pub is_silent: bool,
    /// The modem has no usable SIM.
    pub no_sim: bool,
    /// What the dialog counts.
    pub counters: DialogCounters,
    /// The last lines that were not understood, oldest first.
    pub kept: Vec<String>,
    /// Answers that the reader of the box's line did not take in time.
    pub not_taken: u64,
}

impl PortStatus {
    /// Lines that were not understood, of all kinds.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.counters.unknown + self.counters.broken + self.counters.overlong
    }
}

/// Lines of the modem over the link of the box, and answers that made no row, since the agent started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkLines {
    /// Lines that were not understood.
    pub unknown: u64,
    /// The last of them, oldest first, of the present boot of the box.
    pub kept: Vec<String>,
    /// Lines that were not used, because the modem has its own port.
    pub not_used: u64,
    /// Answers and probes of the own port while no box was there to say when and where.
    pub without_box: u64,
    /// The same while measurements are not kept, by a command.
    pub withheld: u64,
}

/// For programs.
pub(crate) fn modem_json(status: &ModemStatus) -> Value {
    let (port, link) = (&status.port, &status.link);
    let counters = &port.counters;
    json!({
        "port": {
            "configured": port.is_configured, "open": port.is_open, "opened": port.opened, "trouble": port.trouble,
            "silent": port.is_silent, "no_sim": port.no_sim, "commands": counters.commands, "rounds": counters.rounds,
            "timeouts": counters.timeouts, "refusals": counters.refusals, "empty": counters.empty,
            "stray": counters.stray, "restarts": counters.restarts, "without_sim": counters.no_sim,
            "overlong": counters.overlong, "broken": counters.broken, "unknown": counters.unknown,
            "events_lost": counters.events_lost, "not_taken": port.not_taken, "kept": port.kept,
        },
        "link": {
            "unknown": link.unknown, "kept": link.kept, "not_used": link.not_used, "without_box": link.without_box,
            "withheld": link.withheld,
        },
    })
}

/// For people, from the same document.
pub(crate) fn modem_text(out: &mut String, status: &Value) {
    let number = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let is = |path: &str| status.pointer(path).and_then(Value::as_bool) == Some(true);
    if is("/modem/port/configured") {
        let state = match (is("/modem/port/open"), is("/modem/port/silent"), is("/modem/port/no_sim")) {
            (false, ..) => "NOT open",
            (true, true, _) => "open, does NOT answer",
            (true, false, true) => "open, NO SIM",
            (true, false, false) if number("/modem/port/rounds") == 0 => "open, no round of answers yet",
            (true, false, false) => "open, answers",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "modem       {state}; {} rounds, {} time-outs, {} restarts, opened {} times",
            number("/modem/port/rounds"),
            number("/modem/port/timeouts"),
            number("/modem/port/restarts"),
            number("/modem/port/opened")
        );
        let trouble = status.pointer("/modem/port/trouble").and_then(Value::as_str).unwrap_or("");
        if !trouble.is_empty() {
            let _ = writeln!(out, "            {trouble}");
        }
    }
    let unknown = ["/modem/port/unknown", "/modem/port/broken", "/modem/port/overlong", "/modem/link/unknown"];
    let unknown: u64 = unknown.into_iter().map(number).sum();
    if unknown > 0 {
        let _ = writeln!(out, "            {unknown} modem lines not understood, the last:");
        for path in ["/modem/port/kept", "/modem/link/kept"] {
            let kept = status.pointer(path).and_then(Value::as_array);
            for line in kept.into_iter().flatten().filter_map(Value::as_str) {
                let _ = writeln!(out, "              {}", line.escape_debug());
            }
        }
    }
    let unused = number("/modem/link/without_box") + number("/modem/port/not_taken");
    if unused > 0 {
        let _ = writeln!(out, "            {unused} answers not used: no box was there, or its line did not keep up");
    }
}
