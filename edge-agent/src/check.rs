//! `edge-agent check`: everything that the agent needs, tried in one go, one line each, for the installer.

mod broker;
mod certificate;
mod clock;
mod disk;
mod modem;
mod privacy;
mod probe;
mod serial;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::config::AgentConfig;
use crate::status;

/// How long all of it may take; each part has a shorter limit of its own.
const LIMIT: Duration = Duration::from_secs(25);

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// In order.
    Ok,
    /// The agent works, but not as well as it should, or something could not be tried.
    Warn,
    /// The agent does not work like this.
    Fail,
}

/// What was found about one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub part: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub text: String,
    /// What to do; empty when nothing is.
    pub advice: String,
}

impl Finding {
    fn ok(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Ok, text: text.into(), advice: String::new() }
    }

    fn warn(part: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Warn, text: text.into(), advice: advice.into() }
    }

    fn fail(part: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Fail, text: text.into(), advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "OK",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        write!(out, "{verdict:<6}{:<13}{}", self.part, self.text)?;
        if !self.advice.is_empty() {
            write!(out, "\n{:<19}-> {}", "", self.advice)?;
        }
        Ok(())
    }
}

/// Tries everything. Changes nothing: the box is asked who it is, the disk gets a file that is removed again, the broker
/// is greeted and left.
pub async fn check(config: &Path) -> Vec<Finding> {
    let config = match AgentConfig::from_file(config) {
        Ok(config) => config,
        Err(error) => {
            let advice = "correct this key; `edge-agent config --explain` lists all of them";
            return vec![Finding::fail("config", error.to_string(), advice)];
        }
    };
    let mut findings = vec![Finding::ok("config", format!("every key is accepted, box {}", config.box_id))];
    let rest = async {
        let running = status::ask(&config.status.socket_path(&config.spool.path)).await.ok().flatten();
        let (modem, probe, line, disk, broker) = tokio::join!(
            modem::check(&config, running.as_ref()),
            probe::check(&config, running.as_ref()),
            serial::check(&config.serial, running.as_ref()),
            disk::check(&config),
            broker::check(&config, running.as_ref())
        );
        let mut findings = vec![privacy::check(&config), line.finding];
        findings.extend(disk);
        findings.push(clock::check(line.gnss, status::now_unix_s()));
        findings.push(certificate::check(&config));
        findings.push(broker);
        findings.extend(modem);
        findings.extend(probe);
        findings
    };
    match tokio::time::timeout(LIMIT, rest).await {
        Ok(rest) => findings.extend(rest),
        Err(_) => findings.push(Finding::fail(
            "all",
            format!("not finished within {} s", LIMIT.as_secs()),
            "a device or disk does not come back: look at the kernel's log with dmesg",
        )),
    }
    findings
}

/// Of a running agent: the value at a JSON pointer.
fn number(running: &Value, path: &str) -> u64 {
    running.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}
