//! Settings of what the agent tells about itself: the status socket, the metrics, the log.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Where `edge-agent status` finds a running agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusSettings {
    /// The Unix socket; empty: beside the spool, its name with `.sock`.
    pub socket: PathBuf,
}

impl StatusSettings {
    /// The socket's path, for a spool at `spool`.
    #[must_use]
    pub fn socket_path(&self, spool: &Path) -> PathBuf {
        if !self.socket.as_os_str().is_empty() {
            return self.socket.clone();
        }
        let mut name = spool.as_os_str().to_owned();
        name.push(".sock");
        PathBuf::from(name)
    }
}

/// The Prometheus metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Address and port to listen at, loopback only; empty: off.
    pub listen: String,
}

impl MetricsSettings {
    /// Where to listen; none: off.
    ///
    /// # Errors
    /// What is not an address with a port, and every address that others could reach: the metrics have no password.
    pub fn address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let loopback = |address: &SocketAddr| match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        let address = self.listen.parse::<SocketAddr>().ok().filter(|address| loopback(address) && address.port() != 0);
        address.map(Some).ok_or_else(|| ConfigError::Value {
            key: "metrics.listen",
            value: self.listen.clone(),
            expected: "an address of this machine only, with a port, such as 127.0.0.1:9464 or [::1]:9464; empty: off"
                .to_owned(),
        })
    }
}

/// The log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How a line looks: `text` or `json`.
    pub format: String,
    /// Which lines: `error`, `warn`, `info`, `debug` or `trace`, each with those before it. `RUST_LOG` goes before it.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: "text".to_owned(), level: "info".to_owned() }
    }
}

impl LogSettings {
    /// Whether lines are JSON.
    ///
    /// # Errors
    /// Neither `text` nor `json`.
    pub fn is_json(&self) -> Result<bool, ConfigError> {
        match self.format.as_str() {
            "text" => Ok(false),
            "json" => Ok(true),
            other => Err(ConfigError::Value {
                key: "log.format",
                value: other.to_owned(),
                expected: "text or json".to_owned(),
            }),
        }
    }

    /// Which lines are written.
    ///
    /// # Errors
    /// None of the five.
    pub fn level(&self) -> Result<&str, ConfigError> {
        match self.level.as_str() {
            level @ ("error" | "warn" | "info" | "debug" | "trace") => Ok(level),
            other => Err(ConfigError::Value {
                key: "log.level",
                value: other.to_owned(),
                expected: "error, warn, info, debug or trace".to_owned(),
            }),
        }
    }

    /// What a configuration file says of the log, before anything else of it is looked at: the log must be there to say
    /// what is wrong with the rest. What cannot be read counts as text; the reading of the whole file tells why.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let table = text.parse::<toml::Table>().unwrap_or_default();
        let said = |key: &str| table.get("log").and_then(|log| log.get(key)).and_then(toml::Value::as_str);
        let Self { format, level } = Self::default();
        Self { format: said("format").map_or(format, str::to_owned), level: said("level").map_or(level, str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_stay_on_this_machine() {
        let address = |listen: &str| MetricsSettings { listen: listen.to_owned() }.address();
        assert_eq!(address("").unwrap(), None);
        assert_eq!(address("127.0.0.1:9464").unwrap().unwrap().port(), 9464);
        assert!(address("[::1]:9464").unwrap().unwrap().is_ipv6());
        for refused in ["0.0.0.0:9464", "[::]:9464", "192.168.1.7:9464", "9464", "localhost:9464", "127.0.0.1:0"] {
            let error = address(refused).unwrap_err().to_string();
            assert!(error.contains("metrics.listen") && error.contains("127.0.0.1:9464"), "{refused}: {error}");
        }
    }

    #[test]
    fn the_socket_is_beside_the_spool_unless_it_is_named() {
        let spool = Path::new("/var/lib/tournee/spool.db");
        assert_eq!(StatusSettings::default().socket_path(spool), Path::new("/var/lib/tournee/spool.db.sock"));
        let named = StatusSettings { socket: "/run/tournee/status".into() };
        assert_eq!(named.socket_path(spool), Path::new("/run/tournee/status"));
    }

    #[test]
    fn a_log_format_is_text_or_json() {
        let json = |format: &str| LogSettings { format: format.to_owned(), ..LogSettings::default() }.is_json();
        assert_eq!((json("text").unwrap(), json("json").unwrap()), (false, true));
        assert!(json("xml").unwrap_err().to_string().contains("log.format = xml"));
        let level = LogSettings { level: "loud".to_owned(), ..LogSettings::default() };
        assert!(level.level().unwrap_err().to_string().contains("log.level = loud"));
    }
}
