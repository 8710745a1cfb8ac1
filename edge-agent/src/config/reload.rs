//! Reading the configuration again while the agent runs: what can change does, all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::{AgentConfig, ConfigError};

/// Keys, or tables of them, that a running agent takes over. Those of the profile are
/// [`tournee_features::GATES`].
pub const HOT: [&str; 6] =
    ["privacy", "sampling", "mqtt.watermark_timeout_s", "mqtt.catch_up_bytes_per_s", "mqtt.reconnect_most_s", "log"];

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file.
    #[error("the new configuration is not accepted, nothing was changed: {0}")]
    Config(#[from] ConfigError),
    /// Keys of which a running agent cannot let go.
    #[error("nothing was changed, for a running agent cannot change {}: put it back, or restart the agent", .0.join(", "))]
    Restart(Vec<String>),
}

/// The configuration of a running agent.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    /// As the file said.
    given: AgentConfig,
    /// With the values of the calibration files of the start.
    in_force: watch::Sender<AgentConfig>,
}

impl Reloader {
    /// Reads a configuration as [`AgentConfig::from_file`] does, and keeps its path.
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path) -> Result<Self, ConfigError> {
        let given = AgentConfig::read(path)?;
        let mut in_force = given.clone();
        in_force.calibrate(super::calibration::today())?;
        Ok(Self { path: path.to_owned(), given, in_force: watch::Sender::new(in_force) })
    }

    /// What holds now.
    #[must_use]
    pub fn config(&self) -> AgentConfig {
        self.in_force.borrow().clone()
    }

    /// Is told when something else holds.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<AgentConfig> {
        self.in_force.subscribe()
    }

    /// Reads the file again. The keys that have changed are returned, and logged; calibration files are read at the start of
    /// the agent only.
    ///
    /// # Errors
    /// A file that is not accepted, or a key that a running agent cannot change; then everything is as before.
    pub fn reload(&mut self) -> Result<Vec<String>, ReloadError> {
        let done = self.try_reload();
        match &done {
            Ok(changed) => tracing::info!(keys = changed.join(", "), "configuration read again"),
            Err(error) => tracing::error!(%error, "configuration not taken over"),
        }
        done
    }

    fn try_reload(&mut self) -> Result<Vec<String>, ReloadError> {
        let new = AgentConfig::read(&self.path)?;
        let (before, after) = (keys(&self.given)?, keys(&new)?);
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
        let (hot, cold): (Vec<String>, Vec<String>) = changed.cloned().partition(|name| is_hot(name));
        if !cold.is_empty() {
            return Err(ReloadError::Restart(cold));
        }
        if hot.is_empty() {
            return Ok(hot);
        }
        self.in_force.send_modify(|in_force| {
            // The rest of the profile may be calibrated; what else is in the two is the same.
            let mut profile = in_force.profile.clone();
            tournee_features::copy_gates(&mut profile, &new.profile);
            let calibrated = std::mem::take(&mut in_force.calibrated);
            *in_force = AgentConfig { profile, calibrated, ..new.clone() };
        });
        self.given = new;
        Ok(hot)
    }
}

fn is_hot(name: &str) -> bool {
    let within = |table: &str| name.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let gate = name.strip_prefix("profile.").is_some_and(|key| tournee_features::GATES.contains(&key));
    gate || HOT.into_iter().any(within)
}

/// Every key with its value, defaults included.
fn keys(config: &AgentConfig) -> Result<BTreeMap<String, toml::Value>, ConfigError> {
    let table = toml::Table::try_from(config).map_err(|error| ConfigError::Toml(error.to_string()))?;
    let mut keys = BTreeMap::new();
    let mut tables = vec![(String::new(), table)];
    while let Some((prefix, table)) = tables.pop() {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => tables.push((format!("{prefix}{name}."), inner)),
                value => drop(keys.insert(format!("{prefix}{name}"), value)),
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "box_id = \"van-01\"\n[serial]\npath = \"/dev/ttyACM0\"\n[spool]\npath = \"/var/lib/spool.db\"\n";

    fn write(path: &Path, more: &str) {
        std::fs::write(path, format!("{LEAST}{more}")).unwrap();
    }

    #[test]
    fn what_can_change_does_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        write(&path, "");
        let mut reloader = Reloader::open(&path).unwrap();
        let mut seen = reloader.subscribe();
        assert_eq!(reloader.reload().unwrap(), Vec::<String>::new(), "nothing is new");
        assert!(!seen.has_changed().unwrap());
        write(
            &path,
            "[mqtt]\nreconnect_most_s = 20\n[sampling]\ngnss_period_ms = 200\n[privacy.hours]\nopen = [\"mon 06:00-07:00\"]\n\
             [log]\nlevel = \"debug\"\n[profile.trim]\nfirst_m = 500\n",
        );
        let changed = reloader.reload().unwrap();
        let expected = [
            "log.level",
            "mqtt.reconnect_most_s",
            "privacy.hours.open",
            "profile.trim.first_m",
            "sampling.gnss_period_ms",
        ];
        assert_eq!(changed, expected);
        let now = seen.borrow_and_update().clone();
        assert_eq!(
            (now.mqtt.reconnect_most_s, now.sampling.gnss_period_ms, now.profile.trim.first_m),
            (20, 200, 500.0)
        );
        write(&path, "");
        assert_eq!(reloader.reload().unwrap(), expected, "and back");
        assert_eq!(reloader.config().mqtt.reconnect_most_s, 300);
    }

    #[test]
    fn one_key_that_cannot_change_or_is_wrong_stops_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        write(&path, "");
        let mut reloader = Reloader::open(&path).unwrap();
        let seen = reloader.subscribe();
        for (more, named) in [
            ("max_bytes = 5000000\n[mqtt]\nreconnect_most_s = 20\nport = 1884\n", "mqtt.port, spool.max_bytes"),
            ("[profile.trim]\nfirst_m = 500\n[profile.road]\nwindow_m = 30", "profile.road.window_m"),
            ("[mqtt]\nreconnect_most_s = 0", "mqtt.reconnect_most_s = 0 is not accepted: 1 to 3600"),
            ("[mqtt]\nreconnect_most_s = 20\n[privacy.hours]\nzone = \"Paris\"", "privacy.hours.zone"),
            ("[mqtt]\nreconnect", "the new configuration is not accepted"),
        ] {
            write(&path, more);
            let error = reloader.reload().unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("nothing was changed"), "{error}");
            assert_eq!(reloader.config().mqtt.reconnect_most_s, 300);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(reloader.reload(), Err(ReloadError::Config(ConfigError::Read { .. }))));
        assert!(!seen.has_changed().unwrap());
    }
}
