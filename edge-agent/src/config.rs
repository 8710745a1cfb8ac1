//! The configuration: one TOML file, every key checked, defaults for all but three.

mod calibration;
mod modem;
mod outlets;
mod privacy;
mod probe;
mod reload;
mod sampling;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tournee_features::VehicleProfile;
use tournee_features::calibration::{CalibrationError, CalibrationReport, Date};
use tournee_payload::{BoxId, BoxIdError};

pub use modem::ModemSettings;
pub use outlets::{LogSettings, MetricsSettings, StatusSettings};
pub use privacy::{HoursSettings, PlaceSettings, PrivacySettings};
pub use probe::ProbeSettings;
pub(crate) use probe::{Wanted as WantedProbe, Way as ProbeWay};
pub use reload::{HOT, ReloadError, Reloader};
pub use sampling::SamplingSettings;

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
    /// How the box is told to sample.
    #[serde(default)]
    pub sampling: SamplingSettings,
    /// The modem's own port.
    #[serde(default)]
    pub modem: ModemSettings,
    /// The service probe.
    #[serde(default)]
    pub probe: ProbeSettings,
    /// What must not be kept: when, and where.
    #[serde(default)]
    pub privacy: PrivacySettings,
    /// Calibration files.
    #[serde(default)]
    pub calibration: CalibrationSettings,
    /// What is particular to the vehicle and its sensors; with the values of the calibration files once these were read.
    #[serde(default)]
    pub profile: VehicleProfile,
    /// Where a running agent tells how it is.
    #[serde(default)]
    pub status: StatusSettings,
    /// Prometheus metrics.
    #[serde(default)]
    pub metrics: MetricsSettings,
    /// The log.
    #[serde(default)]
    pub log: LogSettings,
    /// What was done with the calibration files; empty until [`AgentConfig::calibrate`] has read them.
    #[serde(skip)]
    pub calibrated: CalibrationReport,
}

/// Calibration files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSettings {
    /// The folder whose `*.toml` files are read at start; empty: none.
    pub folder: PathBuf,
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
    /// How fast a backlog may leave, bytes per second.
    pub catch_up_bytes_per_s: u64,
    /// The longest wait before the next attempt to connect, seconds.
    pub reconnect_most_s: u64,
    /// TLS with a certificate of the box.
    pub tls: TlsSettings,
}

/// PEM files for TLS with a certificate of the box. All three, or none: plain text to a broker on this machine. Read anew
/// at every attempt to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Certificates of those whom the broker's certificate may be signed by.
    pub ca: PathBuf,
    /// The box's certificate, then those in between up to the one that the broker knows.
    pub certificate: PathBuf,
    /// The private key of the box's certificate.
    pub key: PathBuf,
}

impl TlsSettings {
    /// Whether TLS was asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 1883,
            keep_alive_s: 30,
            watermark_timeout_s: 300,
            ahead_batches: 512,
            catch_up_bytes_per_s: 65_536,
            reconnect_most_s: 300,
            tls: TlsSettings::default(),
        }
    }
}

const fn default_baud() -> u32 {
    921_600
}

const fn default_max_bytes() -> u64 {
    2_000_000_000
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
    /// The certificate is that of another box.
    #[error("box_id is {box_id}, but the certificate {path} is that of {common_name:?}: one of the two is wrong")]
    CertificateName {
        /// The box, as configured.
        box_id: BoxId,
        /// Whose certificate it is.
        common_name: String,
        /// The file.
        path: PathBuf,
    },
    /// The folder of calibration files, or one of them, cannot be read.
    #[error("calibration.folder: cannot read {path}: {cause}")]
    CalibrationRead {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// More files than a box can have.
    #[error("calibration.folder: {folder} holds more than {most} calibration files: remove those of other boxes")]
    CalibrationCount {
        /// The folder.
        folder: PathBuf,
        /// How many are read.
        most: usize,
    },
    /// A calibration file.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
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
            sampling: SamplingSettings::default(),
            modem: ModemSettings::default(),
            probe: ProbeSettings::default(),
            privacy: PrivacySettings::default(),
            calibration: CalibrationSettings::default(),
            profile: VehicleProfile::default(),
            status: StatusSettings::default(),
            metrics: MetricsSettings::default(),
            log: LogSettings::default(),
            calibrated: CalibrationReport::default(),
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

    /// Reads and checks a file, and the calibration files that it names, for today.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml) and [`calibrate`](Self::calibrate), and when the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let mut config = Self::read(path)?;
        config.calibrate(calibration::today())?;
        Ok(config)
    }

    /// Reads and checks a file, without the calibration files.
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        Self::from_toml(&text)
    }

    /// Reads the calibration files and puts those that hold on `today` into the profile. What was taken and what was not
    /// goes to the log and to [`calibrated`](Self::calibrated). Without a folder nothing happens. Values of the profile
    /// that a file in force also has are replaced; call it once.
    ///
    /// # Errors
    /// A folder or file that cannot be read, a file that is not accepted, or files that contradict each other.
    pub fn calibrate(&mut self, today: Date) -> Result<(), ConfigError> {
        if self.calibration.folder.as_os_str().is_empty() {
            return Ok(());
        }
        let files = calibration::read_folder(&self.calibration.folder)?;
        let (profile, report) = tournee_features::calibration::calibrate(self.profile.clone(), &files, today)?;
        calibration::log(&report, today);
        self.profile = profile;
        self.calibrated = report;
        Ok(())
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
        self.sampling.wanted()?;
        self.modem.dialog(&self.serial.path)?;
        self.probe.wanted()?;
        self.privacy.rules()?;
        self.metrics.address()?;
        self.log.is_json()?;
        self.log.level()?;
        for (key, path) in [("serial.path", &self.serial.path), ("spool.path", &self.spool.path)] {
            if path.as_os_str().is_empty() {
                return Err(refused(key, "\"\"", "the path of a file or device"));
            }
        }
        self.mqtt.check()
    }
}

impl MqttConfig {
    fn check(&self) -> Result<(), ConfigError> {
        within("mqtt.catch_up_bytes_per_s", self.catch_up_bytes_per_s, 4_096..=1 << 30)?;
        within("mqtt.reconnect_most_s", self.reconnect_most_s, 1..=3_600)?;
        let tls = &self.tls;
        if tls.is_on() {
            for (key, path) in
                [("mqtt.tls.ca", &tls.ca), ("mqtt.tls.certificate", &tls.certificate), ("mqtt.tls.key", &tls.key)]
            {
                if path.as_os_str().is_empty() {
                    return Err(refused(key, "\"\"", "a PEM file; TLS needs mqtt.tls.ca, .certificate and .key"));
                }
            }
            if self.host.is_empty() {
                return Err(refused("mqtt.host", "\"\"", "the name or address in the broker's certificate"));
            }
        } else if !is_loopback(&self.host) {
            return Err(refused(
                "mqtt.host",
                &self.host,
                "without TLS only a broker on this machine: localhost, 127.0.0.0/8 or ::1. For any other set \
                 mqtt.tls.ca, .certificate and .key",
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

    #[test]
    fn tls_needs_its_three_files_and_then_takes_any_host() {
        let text = |more: &str| format!("{LEAST}[mqtt]\nhost = \"broker.example\"\n[mqtt.tls]\n{more}");
        let all = "ca = \"ca.pem\"\ncertificate = \"van.pem\"\nkey = \"van.key\"\n";
        AgentConfig::from_toml(&text(all)).unwrap();
        for key in ["ca", "certificate", "key"] {
            let less: String =
                all.lines().filter(|line| !line.starts_with(&format!("{key} "))).collect::<Vec<_>>().join("\n");
            let error = AgentConfig::from_toml(&text(&less)).unwrap_err().to_string();
            assert!(error.contains(&format!("mqtt.tls.{key} = ")), "{error}");
        }
        let rate = AgentConfig::from_toml(&format!("{LEAST}[mqtt]\ncatch_up_bytes_per_s = 5")).unwrap_err().to_string();
        assert!(rate.contains("mqtt.catch_up_bytes_per_s = 5 is not accepted: 4096 to"), "{rate}");
    }
}
