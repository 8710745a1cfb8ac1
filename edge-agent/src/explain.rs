//! `edge-agent config --explain`: every key, its default, its meaning.

use std::fmt::Write as _;

/// Key, default as TOML (none where it must be given), meaning.
const KEYS: &[(&str, Option<&str>, &str)] = &[
    ("box_id", None, "The box: 1 to 32 of a-z, 0-9 and '-', first a letter. Also the MQTT client id."),
    ("serial.path", None, "The device of the serial line to the box, e.g. /dev/ttyACM0."),
    ("serial.baud", Some("921600"), "Bits per second, 1200 to 4000000."),
    ("spool.path", None, "The file of the durable queue, on a disk that survives a power cut."),
    (
        "spool.max_bytes",
        Some("268435456"),
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
];

/// The keys of the configuration as commented TOML, then those of the vehicle profile.
#[must_use]
pub fn explain() -> String {
    let mut text =
        String::from("# Keys of the edge agent. A key with a value shows its default; the others must be given.\n");
    let mut table = "";
    for (key, default, meaning) in KEYS {
        let (in_table, name) = key.split_once('.').unwrap_or(("", key));
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
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => real.extend(inner.into_iter().map(|(n, v)| (format!("{name}.{n}"), v))),
                value => real.push((name, value)),
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
