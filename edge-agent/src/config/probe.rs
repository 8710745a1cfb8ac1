//! The service probe: what it asks, how often, over which way, for how many bytes.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};
use tournee_features::mobile::probe::{BadProbe, Host, Ledger, Probe, ProbeConfig};

use super::{ConfigError, refused, within};

/// The service probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSettings {
    /// The server, a name; empty: no probes.
    pub host: String,
    /// Its port, plain HTTP.
    pub port: u16,
    /// The path to ask for.
    pub path: String,
    /// The status that only this server gives.
    pub status: u16,
    /// The name server of the mobile network, an IPv4 address, with `:port` where it is not 53.
    pub name_server: String,
    /// The network interface of the modem; empty: where the routes lead.
    pub interface: String,
    /// The IPv4 address to send from; empty: any.
    pub bind: String,
    /// Seconds from one probe to the next.
    pub interval_s: u64,
    /// Metres from one probe to the next.
    pub distance_m: u32,
    /// Milliseconds for the name.
    pub dns_ms: u64,
    /// Milliseconds for the connection.
    pub connect_ms: u64,
    /// Milliseconds for the answer.
    pub response_ms: u64,
    /// Bytes a day, both ways, headers included.
    pub bytes_per_day: u64,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 80,
            path: "/".to_owned(),
            status: 204,
            name_server: String::new(),
            interface: String::new(),
            bind: String::new(),
            interval_s: 120,
            distance_m: 200,
            dns_ms: 6_000,
            connect_ms: 10_000,
            response_ms: 10_000,
            bytes_per_day: 200_000,
        }
    }
}

/// The way that datagrams and connections of a probe take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub name_server: SocketAddrV4,
    pub interface: Option<String>,
    pub bind: Option<Ipv4Addr>,
}

/// A probe that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub config: ProbeConfig,
    pub way: Way,
}

impl ProbeSettings {
    /// Whether probes were asked for.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.host.is_empty()
    }

    /// Checks every key; nothing when no probes were asked for.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub(crate) fn wanted(&self) -> Result<Option<Wanted>, ConfigError> {
        within("probe.port", u64::from(self.port), 1..=65_535)?;
        within("probe.status", u64::from(self.status), 100..=599)?;
        within("probe.interval_s", self.interval_s, 10..=86_400)?;
        within("probe.distance_m", u64::from(self.distance_m), 0..=100_000)?;
        within("probe.dns_ms", self.dns_ms, 100..=60_000)?;
        within("probe.connect_ms", self.connect_ms, 100..=60_000)?;
        within("probe.response_ms", self.response_ms, 100..=60_000)?;
        within("probe.bytes_per_day", self.bytes_per_day, 1..=1_000_000_000)?;
        // IFNAMSIZ of the kernel is 16 with the end.
        if self.interface.len() > 15 || self.interface.contains(['/', ' ', '\0']) {
            return Err(refused("probe.interface", &self.interface, "the name of an interface, at most 15 characters"));
        }
        let bind = match self.bind.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| refused("probe.bind", text, "an IPv4 address of this machine"))?),
        };
        if !self.is_on() {
            return Ok(None);
        }
        let host = Host::new(&self.host).map_err(|error| refused("probe.host", &self.host, &error.to_string()))?;
        let us = |ms: u64| i64::try_from(ms).unwrap_or(60_000).saturating_mul(1_000);
        let config = ProbeConfig {
            port: self.port,
            path: self.path.clone(),
            status: self.status,
            interval_us: us(self.interval_s.saturating_mul(1_000)),
            distance_m: f64::from(self.distance_m),
            dns_us: us(self.dns_ms),
            connect_us: us(self.connect_ms),
            response_us: us(self.response_ms),
            bytes_per_day: self.bytes_per_day,
            ..ProbeConfig::new(host)
        };
        let reserve_bytes = match Probe::new(config.clone(), Ledger::default()) {
            Ok(probe) => probe.reserve_bytes(),
            Err(error @ BadProbe::Path) => return Err(refused("probe.path", &self.path, &error.to_string())),
            // Looked at above, key by key; named all the same should the two ever differ.
            Err(error) => return Err(refused("probe", &self.host, &error.to_string())),
        };
        // A smaller one would never let a probe begin.
        within("probe.bytes_per_day", self.bytes_per_day, reserve_bytes..=1_000_000_000)?;
        let way = Way {
            name_server: self.name_server()?,
            interface: Some(self.interface.clone()).filter(|name| !name.is_empty()),
            bind,
        };
        Ok(Some(Wanted { config, way }))
    }

    fn name_server(&self) -> Result<SocketAddrV4, ConfigError> {
        let text = &self.name_server;
        let address = text.parse().or_else(|_| text.parse().map(|ip| SocketAddrV4::new(ip, 53)));
        address.ok().filter(|address| address.port() > 0 && !address.ip().is_unspecified()).ok_or_else(|| {
            let expected = "the IPv4 address of the name server of the mobile network, e.g. 192.0.2.53 or \
                            192.0.2.53:5353; the vehicle's own resolver may go over another interface";
            refused("probe.name_server", text, expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on() -> ProbeSettings {
        ProbeSettings {
            host: "probe.example.org".to_owned(),
            name_server: "192.0.2.53".to_owned(),
            ..ProbeSettings::default()
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_probe_and_off() {
        assert_eq!(ProbeSettings::default().wanted().unwrap(), None);
        let wanted = on().wanted().unwrap().unwrap();
        assert_eq!(wanted.config, ProbeConfig::new(Host::new("probe.example.org").unwrap()));
        assert_eq!(wanted.way.name_server, "192.0.2.53:53".parse().unwrap());
        let other = ProbeSettings { name_server: "192.0.2.53:5353".to_owned(), ..on() };
        assert_eq!(other.wanted().unwrap().unwrap().way.name_server.port(), 5_353);
    }

    #[test]
    fn refusals_name_the_key_and_the_range() {
        let text = |change: &dyn Fn(&mut ProbeSettings)| {
            let mut settings = on();
            change(&mut settings);
            settings.wanted().unwrap_err().to_string()
        };
        type Change = dyn Fn(&mut ProbeSettings);
        let names: [(&str, &Change); 16] = [
            ("probe.host = a_b", &|it| it.host = "a_b".to_owned()),
            ("probe.port = 0 is not accepted: 1 to", &|it| it.port = 0),
            ("probe.path = x y", &|it| it.path = "x y".to_owned()),
            ("probe.status = 99 is not accepted: 100 to 599", &|it| it.status = 99),
            ("probe.name_server =  is not", &|it| it.name_server.clear()),
            ("probe.name_server = ::1", &|it| it.name_server = "::1".to_owned()),
            ("probe.name_server = 0.0.0.0", &|it| it.name_server = "0.0.0.0".to_owned()),
            ("probe.interface = a-name-that-is-long", &|it| it.interface = "a-name-that-is-long".to_owned()),
            ("probe.bind = eth0", &|it| it.bind = "eth0".to_owned()),
            ("probe.interval_s = 9 is not accepted: 10 to 86400", &|it| it.interval_s = 9),
            ("probe.interval_s = ", &|it| it.interval_s = u64::MAX),
            ("probe.distance_m = ", &|it| it.distance_m = 100_001),
            ("probe.dns_ms = 99 is not accepted: 100 to 60000", &|it| it.dns_ms = 99),
            ("probe.connect_ms = ", &|it| it.connect_ms = 60_001),
            ("probe.response_ms = ", &|it| it.response_ms = 0),
            ("probe.bytes_per_day = 500 is not accepted: ", &|it| it.bytes_per_day = 500),
        ];
        for (expected, change) in names {
            let found = text(change);
            assert!(found.contains(expected), "{expected:?} in {found}");
        }
    }
}
