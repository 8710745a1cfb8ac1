//! What is kept of a day, said to whoever installs the box: that must be agreed on before the first drive.

use super::Finding;
use crate::config::AgentConfig;

pub fn check(config: &AgentConfig) -> Finding {
    let rules = match config.privacy.rules() {
        Ok(rules) => rules,
        Err(error) => return Finding::fail("privacy", error.to_string(), "correct this key"),
    };
    let trim = &config.profile.trim;
    let rest = format!(
        "{} places; the first {:.0} m and the last {:.0} m of a round stay on board",
        rules.places.count(),
        trim.first_m,
        trim.last_m
    );
    match rules.hours {
        None => Finding::warn(
            "privacy",
            format!("collects at ANY hour; {rest}"),
            "where the vehicle is used outside of work too, set privacy.hours.open to its working hours",
        ),
        Some(hours) => Finding::ok("privacy", format!("collects {hours}; {rest}")),
    }
}
