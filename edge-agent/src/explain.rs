//! `edge-agent config --explain`: every key, its default, its meaning.

use std::fmt::Write as _;

use tournee_features::GATES;

use crate::config::HOT;

/// Key, default as TOML (none where it must be given), meaning.
const KEYS: &[(&str, Option<&str>, &str)] = &[
    ("box_id", None, "The box: 1 to 32 of a-z, 0-9 and '-', first a letter. Also the MQTT client id."),
    ("serial.path", None, "The device of the serial line to the box, e.g. /dev/ttyACM0."),
    ("serial.baud", Some("921600"), "Bits per second, 1200 to 4000000."),
    ("spool.path", None, "The file of the durable queue, on a disk that survives a power cut."),
    (
        "spool.max_bytes",
        Some("2000000000"),
        "Cap on stored batches, bytes, 4 MiB to 1 TiB. Beyond it the lowest priority goes first, and a gap says so.",
    ),
    ("spool.commit_interval_ms", Some("1000"), "Time between two commits, 10 to 1000 ms: what a kill may cost."),
    ("mqtt.host", Some("\"127.0.0.1\""), "The broker. Without TLS only this machine: localhost, 127.0.0.0/8, ::1."),
    ("mqtt.port", Some("1883"), "TCP port of the broker, 1 to 65535."),
    ("mqtt.keep_alive_s", Some("30"), "Seconds of silence after which the connection is probed, 5 to 3600."),
    (
        "mqtt.watermark_timeout_s",
        Some("300"),
        "Seconds without a watermark after which everything since the last one is sent again, 1 to 86400.",
    ),
    ("mqtt.ahead_batches", Some("512"), "Batches that may be sent ahead of the watermark, 16 to 65535."),
    (
        "mqtt.catch_up_bytes_per_s",
        Some("65536"),
        "Bytes per second at which a backlog may leave, 4096 to 1 GiB; four seconds of it, 256 KiB at least, may leave at once.",
    ),
    (
        "mqtt.reconnect_most_s",
        Some("300"),
        "Seconds, 1 to 3600, that a wait for the next attempt to connect may last; anything down to 0 is as likely.",
    ),
    (
        "mqtt.tls.ca",
        Some("\"\""),
        "PEM file of those whom the broker's certificate may be signed by. With TLS any host is accepted, usually at port \
         8883; the three files are read anew at every attempt to connect. Empty, all three: plain text.",
    ),
    (
        "mqtt.tls.certificate",
        Some("\"\""),
        "PEM file of the box's certificate, whose common name is box_id, then those in between up to the broker's.",
    ),
    ("mqtt.tls.key", Some("\"\""), "PEM file of its private key, readable by the agent alone."),
    (
        "sampling.off",
        Some("[]"),
        "Sensors that are off: accel, gnss, pm, climate, co2, no2, camera-left, camera-right, supply.",
    ),
    ("sampling.accel_block", Some("32"), "Acceleration samples per message of the box, 1 to 32."),
    ("sampling.gnss_period_ms", Some("1000"), "Milliseconds between two fixes, 100 to 10000."),
    ("sampling.pm_part", Some("\"sps30\""), "The particulate sensor that is fitted: sps30, pmsx003 or sds011."),
    ("sampling.pm_period_ms", Some("1000"), "Milliseconds between two readings of particulate matter, 1000 to 60000."),
    ("sampling.climate_period_ms", Some("1000"), "The same for temperature, humidity and pressure, 100 to 60000."),
    ("sampling.no2_period_ms", Some("1000"), "The same for the NO2 cell, 100 to 60000."),
    ("sampling.thermal_period_ms", Some("1000"), "Milliseconds between two pictures of a camera, 250 to 4000."),
    ("sampling.health_period_ms", Some("60000"), "Milliseconds between two health messages of the box, 1000 to 60000."),
    (
        "modem.path",
        Some("\"\""),
        "The device of the modem's AT commands, e.g. /dev/ttyUSB2; the agent asks it itself, and lines of a modem that come \
         over the box are then not used. Empty: none.",
    ),
    ("modem.baud", Some("115200"), "Bits per second, 1200 to 4000000."),
    ("modem.round_ms", Some("1000"), "Milliseconds from one round of questions to the next, 1000 to 3600000."),
    ("modem.answer_ms", Some("3000"), "Milliseconds that an answer may take, 100 to 60000."),
    (
        "modem.pause_first_ms",
        Some("1000"),
        "Milliseconds of the first pause when the modem is silent, 1000 to 3600000; it doubles.",
    ),
    ("modem.pause_most_ms", Some("60000"), "Milliseconds of the longest one, pause_first_ms to 3600000."),
    (
        "modem.settle_ms",
        Some("300"),
        "Milliseconds of quiet after the first answer, for those that come late, 0 to 10000.",
    ),
    ("modem.start_ms", Some("3000"), "Milliseconds that the modem needs after it has announced its start, 0 to 60000."),
    (
        "modem.slow_every",
        Some("10"),
        "Operator and other registrations are asked in every so many-th round, 1 to 3600.",
    ),
    (
        "probe.host",
        Some("\"\""),
        "A server, by name, that the agent asks over the mobile network how well it is served. Empty: no probes.",
    ),
    ("probe.port", Some("80"), "Its TCP port, 1 to 65535. Plain HTTP: a probe tells nothing but that it comes."),
    ("probe.path", Some("\"/\""), "The path to ask for: / and at most 127 printable characters without spaces."),
    (
        "probe.status",
        Some("204"),
        "The status that only this server gives, 100 to 599, so that no portal in between is taken for it.",
    ),
    (
        "probe.name_server",
        Some("\"\""),
        "IPv4 address of the name server of the mobile network, with :port where it is not 53. Must be given with a host.",
    ),
    ("probe.interface", Some("\"\""), "Network interface of the modem, e.g. wwan0. Empty: where the routes lead."),
    ("probe.bind", Some("\"\""), "IPv4 address of this machine to send from. Empty: any."),
    ("probe.interval_s", Some("120"), "Seconds from one probe to the next, 10 to 86400."),
    ("probe.distance_m", Some("200"), "Metres of travel from one probe to the next, 0 to 100000."),
    ("probe.dns_ms", Some("6000"), "Milliseconds for the name, 100 to 60000; asked again after half of it."),
    ("probe.connect_ms", Some("10000"), "Milliseconds for the connection, 100 to 60000."),
    ("probe.response_ms", Some("10000"), "Milliseconds for the answer, 100 to 60000."),
    (
        "probe.bytes_per_day",
        Some("200000"),
        "Bytes a day, both ways and headers included, up to 1000000000; at least what one probe may cost, some 4300.",
    ),
    (
        "privacy.place",
        Some("[]"),
        "Places where nothing is kept, 64 at most, each a table of its own: [[privacy.place]] with name, lat_deg, lon_deg and \
         radius_m (20 to 2000). What may lie within, by its stated accuracy, is counted and not stored.",
    ),
    (
        "privacy.hours.open",
        Some("[]"),
        "Weekdays and local times at which samples are kept, e.g. [\"mon-fri 06:00-20:00\", \"sat 07:00-13:00\"]; an end that is \
         not after its beginning is of the next day. What is from another time, or never gets a time, is counted and not \
         stored. Empty: at any hour.",
    ),
    ("privacy.hours.zone", Some("\"Europe/Paris\""), "The time zone of these hours, by its IANA name."),
    (
        "privacy.hours.closed",
        Some("[]"),
        "Days on which nothing opens: \"fr\" (public holidays of France), \"fr-alsace-moselle\" (theirs too), dates like \
         \"2026-12-24\"; 64 at most.",
    ),
    (
        "calibration.folder",
        Some("\"\""),
        "Folder whose *.toml calibration files (hardware/calibration) are read at start and, where they hold today, replace \
         the values of the profile. Empty: none.",
    ),
    (
        "status.socket",
        Some("\"\""),
        "Unix socket at which a running agent tells `edge-agent status` how it is, mode 0600. Empty: beside the spool, its name \
         with .sock.",
    ),
    (
        "metrics.listen",
        Some("\"\""),
        "Address and port of the Prometheus metrics, of this machine only, e.g. 127.0.0.1:9464. Empty: off.",
    ),
    ("log.format", Some("\"text\""), "A log line on standard error: text or json."),
    (
        "log.level",
        Some("\"info\""),
        "Which lines: error, warn, info, debug or trace. Where RUST_LOG is set, that holds.",
    ),
];

/// The keys of the configuration as commented TOML, then those of the vehicle profile.
#[must_use]
pub fn explain() -> String {
    let mut text =
        String::from("# Keys of the edge agent. A key with a value shows its default; the others must be given.\n");
    let hot: Vec<String> =
        HOT.into_iter().map(str::to_owned).chain(GATES.map(|key| format!("profile.{key}"))).collect();
    let _ = writeln!(text, "# A running agent takes these over by `edge-agent reload` or SIGHUP: {}.", hot.join(", "));
    let mut table = "";
    for (key, default, meaning) in KEYS {
        let (in_table, name) = key.rsplit_once('.').unwrap_or(("", key));
        if in_table != table {
            table = in_table;
            let _ = write!(text, "\n[{table}]\n");
        }
        let value = default.map_or_else(|| format!("# {name} ="), |value| format!("{name} = {value}"));
        let _ = write!(text, "# {meaning}\n{value}\n");
    }
    text.push_str(
        "\n# The vehicle profile: the tables below, each name after `profile.`, for example [profile.road].\n",
    );
    for line in tournee_features::profile::DEFAULT_TOML.lines() {
        match line.strip_prefix('[') {
            Some(rest) => {
                let _ = writeln!(text, "[profile.{rest}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AgentConfig;
    use std::path::Path;

    #[test]
    fn every_key_is_explained_with_its_real_default() {
        let config = AgentConfig::new("van-01", Path::new("p"), Path::new("p")).unwrap();
        let mut table: toml::Table = toml::Table::try_from(&config).unwrap();
        table.remove("profile").unwrap();
        let mut real = Vec::new();
        let mut tables = vec![(String::new(), table)];
        while let Some((prefix, table)) = tables.pop() {
            for (name, value) in table {
                match value {
                    toml::Value::Table(inner) => tables.push((format!("{prefix}{name}."), inner)),
                    value => real.push((format!("{prefix}{name}"), value)),
                }
            }
        }
        assert_eq!(real.len(), KEYS.len());
        for (key, value) in real {
            let (_, default, _) = KEYS.iter().find(|(known, ..)| *known == key).unwrap_or_else(|| panic!("{key}"));
            if let Some(default) = default {
                assert_eq!(value.to_string(), *default, "{key}");
            }
        }
    }

    #[test]
    fn the_explanation_is_a_configuration() {
        let text = explain().replace("# box_id =", "box_id = \"van-01\"").replace("# path =", "path = \"somewhere\"");
        AgentConfig::from_toml(&text).unwrap();
    }
}
