//! What was measured, beside what was aimed at.

use comfy_table::{Table, presets};

/// Rows of the printed table.
pub struct Report {
    rows: Vec<[String; 3]>,
}

impl Report {
    /// Begins with what the figures depend on.
    pub fn new() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut report = Self { rows: Vec::new() };
        let model = model.trim_start_matches([' ', '\t', ':']);
        report.add("machine", format!("{model}, {cores} cores, load {}", load.split(' ').next().unwrap_or("?")), "");
        report.add("at", chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "");
        report
    }

    /// One figure; it is printed at once too, for whoever waits.
    pub fn add(&mut self, what: &str, figure: impl Into<String>, aim: &str) {
        let figure = figure.into();
        eprintln!("{what}: {figure}");
        self.rows.push([what.to_owned(), figure, aim.to_owned()]);
    }

    /// The table.
    pub fn print(&self) {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_header(["what", "measured", "aim"]);
        for row in &self.rows {
            table.add_row(row);
        }
        println!("{table}");
    }
}

/// A rate or a count with separators, as people read it.
pub fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
