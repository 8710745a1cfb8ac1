//! The modem's own port: it opens, the modem answers, it has a SIM, it knows a network.

use std::time::{Duration, Instant};

use serde_json::Value;
use tournee_features::mobile::dialog::{Dialog, Event};
use tournee_features::mobile::parse::State;
use tournee_features::mobile::{MobileStage, parse::Report};
use tournee_features::{VehicleProfile, ids};

use super::{Finding, number};
use crate::config::{AgentConfig, ModemSettings};
use crate::modem;

/// A set-up and a round take about a second; a modem that has just started, some more.
const LISTEN: Duration = Duration::from_secs(12);

/// None when the modem has no port of its own.
pub async fn check(config: &AgentConfig, running: Option<&Value>) -> Option<Finding> {
    let settings = &config.modem;
    if !settings.is_on() {
        return None;
    }
    if let Some(running) = running {
        return Some(by_agent(settings, running));
    }
    // The configuration was checked before.
    let times = settings.dialog(&config.serial.path).ok()?;
    Some(by_port(settings, Dialog::new(times, config.profile.mobile.clone()), &config.profile).await)
}

/// A port has one reader.
fn by_agent(settings: &ModemSettings, running: &Value) -> Finding {
    let is = |name: &str| running.pointer(&format!("/modem/port/{name}")).and_then(Value::as_bool) == Some(true);
    let rounds = number(running, "/modem/port/rounds");
    let text = format!("{}: the agent runs and has asked {rounds} rounds", settings.path.display());
    if !is("open") {
        let trouble = running.pointer("/modem/port/trouble").and_then(Value::as_str).unwrap_or("");
        return Finding::fail("modem", format!("{text}; the port is not open: {trouble}"), "is the modem plugged in?");
    }
    if is("silent") {
        return Finding::fail("modem", format!("{text}; it does not answer"), SILENT);
    }
    if is("no_sim") {
        return Finding::fail("modem", format!("{text}; no SIM"), NO_SIM);
    }
    if rounds == 0 {
        return Finding::warn("modem", text, "wait some seconds and check again");
    }
    Finding::ok("modem", text)
}

const SILENT: &str = "is modem.path its AT port? A modem has several: try the next ttyUSB";
const NO_SIM: &str = "is the SIM in, and without a PIN?";

async fn by_port(settings: &ModemSettings, mut dialog: Dialog, profile: &VehicleProfile) -> Finding {
    let path = settings.path.display();
    let mut port = match modem::open(settings) {
        Ok(port) => port,
        Err(error) => {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "put the agent's user into the group dialout",
                std::io::ErrorKind::NotFound => "is the modem plugged in? ls /dev/serial/by-id shows what is there",
                _ => "does another program hold the port? ModemManager does: systemctl disable --now ModemManager",
            };
            return Finding::fail("modem", format!("{path} does not open: {error}"), advice);
        }
    };
    let began = Instant::now();
    let mut stage = MobileStage::new(profile.mobile.clone());
    let mut no_service = false;
    while began.elapsed() < LISTEN {
        let turned = tokio::time::timeout(LISTEN, modem::turn(&mut port, began, &mut dialog)).await;
        if let Ok(Err(error)) = turned {
            return Finding::fail("modem", format!("{path}: the port ended: {error}"), "is the plug loose?");
        }
        while let Some(event) = dialog.event() {
            match &event {
                Event::NoSim => return Finding::fail("modem", format!("{path}: no SIM"), NO_SIM),
                Event::Silent => return Finding::fail("modem", format!("{path}: it does not answer"), SILENT),
                Event::NoService => no_service = true,
                Event::Report(Report::Serving(state, _)) => {
                    no_service = matches!(state, State::Search | State::Limited)
                }
                _ => {}
            }
            let Some((_, row)) = stage.event(modem::micros(began), event) else { continue };
            if no_service || row.get(ids::mobile::REGISTERED) == Some(0) {
                let advice = "is the aerial on? Does the SIM have a contract? Outside the hall it may be well";
                return Finding::warn("modem", format!("{path}: the modem answers, no network serves it"), advice);
            }
            let operator = row.get(ids::mobile::OPERATOR).map_or_else(String::new, |it| format!(", operator {it}"));
            let level = row.get_scaled(ids::mobile::RSRP).map_or_else(String::new, |dbm| format!(", RSRP {dbm} dBm"));
            return Finding::ok("modem", format!("{path}: the modem answers{operator}{level}"));
        }
    }
    let text = format!("{path}: no whole round of answers within {} s", LISTEN.as_secs());
    Finding::warn("modem", text, "is it a modem with AT+QENG or AT+CESQ? The agent counts what it does not understand")
}
