//! The configuration: one TOML file, every key checked, defaults for all but three.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tournee_features::VehicleProfile;
use tournee_payload::{BoxId, BoxIdError};

/// What an agent is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The box: equals the common name of its certificate, and the MQTT client id.
    #[serde(deserialize_with = "read_box_id", serialize_with = "write_box_id")]
    pub box_id: BoxId,
    /// The line to the box.
    pub serial: SerialConfig,
    /// The queue on the vehicle.
    pub spool: SpoolSettings,
    /// The broker.
    #[serde(default)]
    pub mqtt: MqttConfig,
    /// What is particular to the vehicle and its sensors.
    #[serde(default)]
    pub profile: VehicleProfile,
}

/// The line to the box.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialConfig {
    /// The device.
    pub path: PathBuf,
    /// Bits per second.
    #[serde(default = "default_baud")]
    pub baud: u32,
}

/// The queue on the vehicle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolSettings {
    /// The file.
    pub path: PathBuf,
    /// Cap on stored batches, bytes.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Time between two commits, milliseconds: what a kill may cost.
    #[serde(default = "default_commit_interval_ms")]
    pub commit_interval_ms: u64,
}

/// The broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttConfig {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Seconds of silence after which the connection is probed.
    pub keep_alive_s: u16,
    /// Seconds without a watermark after which everything since the last one is sent again.
    pub watermark_timeout_s: u64,
    /// Batches that may be sent ahead of the watermark.
    pub ahead_batches: usize,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 1883,
            keep_alive_s: 30,
            watermark_timeout_s: 300,
            ahead_batches: 512,
        }
    }
}

const fn default_baud() -> u32 {
    921_600
}

const fn default_max_bytes() -> u64 {
    256 * 1024 * 1024
}

const fn default_commit_interval_ms() -> u64 {
    1_000
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Cannot be read.
    #[error("cannot read the configuration {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key, or a value of the wrong kind.
    #[error("the configuration cannot be used (`edge-agent config --explain` lists every key): {0}")]
    Toml(String),
    /// A value outside of what is accepted.
    #[error("{key} = {value} is not accepted: {expected}")]
    Value {
        /// The key, with its table.
        key: &'static str,
        /// What was given.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// The box id.
    #[error("box_id is not accepted")]
    BoxId(#[from] BoxIdError),
}

impl AgentConfig {
    /// A configuration with the defaults, and a broker on this machine.
    ///
    /// # Errors
    /// When `box_id` is none.
    pub fn new(box_id: &str, serial: &Path, spool: &Path) -> Result<Self, ConfigError> {
        Ok(Self {
            box_id: BoxId::new(box_id)?,
            serial: SerialConfig { path: serial.to_owned(), baud: default_baud() },
            spool: SpoolSettings {
                path: spool.to_owned(),
                max_bytes: default_max_bytes(),
                commit_interval_ms: default_commit_interval_ms(),
            },
            mqtt: MqttConfig::default(),
            profile: VehicleProfile::default(),
        })
    }

    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key or line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Toml(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and when the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        Self::from_toml(&text)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub fn check(&self) -> Result<(), ConfigError> {
        within("serial.baud", u64::from(self.serial.baud), 1_200..=4_000_000)?;
        within("spool.max_bytes", self.spool.max_bytes, 4 << 20..=1 << 40)?;
        within("spool.commit_interval_ms", self.spool.commit_interval_ms, 10..=1_000)?;
        within("mqtt.port", u64::from(self.mqtt.port), 1..=65_535)?;
        within("mqtt.keep_alive_s", u64::from(self.mqtt.keep_alive_s), 5..=3_600)?;
        within("mqtt.watermark_timeout_s", self.mqtt.watermark_timeout_s, 1..=86_400)?;
        within("mqtt.ahead_batches", self.mqtt.ahead_batches as u64, 16..=65_535)?;
        for (key, path) in [("serial.path", &self.serial.path), ("spool.path", &self.spool.path)] {
            if path.as_os_str().is_empty() {
                return Err(refused(key, "\"\"", "the path of a file or device"));
            }
        }
        if !is_loopback(&self.mqtt.host) {
            return Err(refused(
                "mqtt.host",
                &self.mqtt.host,
                "without TLS only a broker on this machine: localhost, 127.0.0.0/8 or ::1. TLS to a remote broker comes \
                 in a later version; until then put a TLS bridge on the vehicle",
            ));
        }
        Ok(())
    }
}

/// Whether plain text to this host stays on this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn within(key: &'static str, value: u64, accepted: RangeInclusive<u64>) -> Result<(), ConfigError> {
    if accepted.contains(&value) {
        return Ok(());
    }
    Err(refused(key, &value.to_string(), &format!("{} to {}", accepted.start(), accepted.end())))
}

fn refused(key: &'static str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Value { key, value: value.to_owned(), expected: expected.to_owned() }
}

fn read_box_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BoxId, D::Error> {
    let name = String::deserialize(deserializer)?;
    BoxId::new(&name).map_err(serde::de::Error::custom)
}

fn write_box_id<S: Serializer>(box_id: &BoxId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(box_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "box_id = \"van-01\"\n[serial]\npath = \"/dev/ttyACM0\"\n[spool]\npath = \"/var/lib/spool.db\"\n";

    #[test]
    fn three_keys_are_enough() {
        let config = AgentConfig::from_toml(LEAST).unwrap();
        assert_eq!((config.serial.baud, config.mqtt.port, config.spool.commit_interval_ms), (921_600, 1883, 1_000));
        AgentConfig::new("van-01", Path::new("/dev/x"), Path::new("y")).unwrap().check().unwrap();
    }

    #[test]
    fn refusals_name_the_key_and_the_range() {
        let message = |more: &str| AgentConfig::from_toml(&format!("{LEAST}{more}")).unwrap_err().to_string();
        assert!(
            message("max_bytes = 5").contains("spool.max_bytes = 5 is not accepted: 4194304 to"),
            "{}",
            message("max_bytes = 5")
        );
        assert!(
            message("commit_interval_ms = 1001")
                .contains("spool.commit_interval_ms = 1001 is not accepted: 10 to 1000")
        );
        assert!(message("[mqtt]\nport = 0").contains("mqtt.port = 0 is not accepted: 1 to 65535"));
        assert!(message("[mqtt]\nport = 70000").contains("70000"));
        assert!(message("[mqtt]\nkeepalive = 3").contains("keepalive"));
        assert!(message("[profile.road]\nwindow_m = -1").contains("road.window_m = -1"));
        let no_box = AgentConfig::from_toml(&LEAST.replace("van-01", "Van 01")).unwrap_err().to_string();
        assert!(no_box.contains("a box id starts with a letter"), "{no_box}");
        let missing = AgentConfig::from_toml("box_id = \"v\"").unwrap_err().to_string();
        assert!(missing.contains("serial"), "{missing}");
    }

    #[test]
    fn plain_text_stays_on_this_machine() {
        for host in ["localhost", "127.0.0.1", "127.3.2.1", "::1"] {
            AgentConfig::from_toml(&format!("{LEAST}[mqtt]\nhost = \"{host}\"")).unwrap();
        }
        for host in ["broker.example", "10.0.0.1", "localhost.example", "127.0.0.1.example", ""] {
            let error = AgentConfig::from_toml(&format!("{LEAST}[mqtt]\nhost = \"{host}\"")).unwrap_err().to_string();
            assert!(error.contains("mqtt.host") && error.contains("TLS"), "{error}");
        }
    }
}
