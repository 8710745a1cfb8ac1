//! What was measured, beside what was aimed at.

use comfy_table::{Table, presets};

/// Rows of the printed table.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<[String; 4]>,
}

impl Report {
    /// A figure without an aim; it is printed at once too, for whoever waits.
    pub fn add(&mut self, what: &str, figure: impl Into<String>) {
        self.push(what, figure.into(), "", "");
    }

    /// A figure that should be at most this much.
    pub fn at_most(&mut self, what: &str, value: f64, aim: f64, unit: &str) {
        let verdict = if value <= aim { "met" } else { "MISSED" };
        self.push(what, format!("{value:.2} {unit}"), &format!("≤ {aim} {unit}"), verdict);
    }

    /// A figure that should be at least this much.
    pub fn at_least(&mut self, what: &str, value: f64, aim: f64, unit: &str) {
        let verdict = if value >= aim { "met" } else { "MISSED" };
        self.push(what, format!("{value:.0} {unit}"), &format!("≥ {aim} {unit}"), verdict);
    }

    fn push(&mut self, what: &str, figure: String, aim: &str, verdict: &str) {
        eprintln!("{what}: {figure} {aim} {verdict}");
        self.rows.push([what.to_owned(), figure, aim.to_owned(), verdict.to_owned()]);
    }

    /// The table, in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_header(["what", "measured", "aim", ""]);
        for row in &self.rows {
            table.add_row(row);
        }
        table.to_string()
    }
}
