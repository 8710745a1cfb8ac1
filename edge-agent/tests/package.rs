//! The package: what it names exists, its scripts are sound, its unit is accepted by systemd and closed as it should be.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tournee_edge_agent::AgentConfig;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

fn unit() -> String {
    std::fs::read_to_string(packaging().join("tournee-edge-agent.service")).unwrap()
}

#[test]
fn every_file_of_the_package_exists_and_the_unit_starts_what_it_installs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().unwrap();
    let mut installed = Vec::new();
    for asset in assets {
        let parts = asset.as_array().unwrap();
        let (source, target, mode) =
            (parts[0].as_str().unwrap(), parts[1].as_str().unwrap(), parts[2].as_str().unwrap());
        if !source.starts_with("target/") {
            assert!(root.join(source).is_file(), "{source}");
        }
        assert!(mode.len() == 3 || mode.len() == 4, "{mode}");
        installed.push(target);
    }
    let scripts = root.join(deb["maintainer-scripts"].as_str().unwrap());
    for script in ["postinst", "postrm"] {
        let path = scripts.join(script);
        assert!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0, "{script} cannot be run");
        let checked = Command::new("sh").arg("-n").arg(&path).output().unwrap();
        assert!(checked.status.success(), "{script}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    let unit_name = deb["systemd-units"]["unit-name"].as_str().unwrap();
    assert!(packaging().join(format!("{unit_name}.service")).is_file());
    assert!(installed.contains(&"usr/bin/"), "{installed:?}");
    assert!(unit().contains("ExecStart=/usr/bin/edge-agent --config /etc/tournee/edge-agent.toml"));
    let configuration = deb["conf-files"].as_array().unwrap()[0].as_str().unwrap();
    assert_eq!(configuration, "/etc/tournee/edge-agent.toml");
    assert!(installed.contains(&"etc/tournee/edge-agent.toml"));
}

#[test]
fn the_configuration_of_the_package_is_one_and_its_paths_are_the_units() {
    let text = std::fs::read_to_string(packaging().join("edge-agent.toml")).unwrap();
    let config = AgentConfig::from_toml(&text).unwrap();
    assert_eq!(config.spool.path, Path::new("/var/lib/tournee/spool.db"));
    assert!(unit().contains("ReadWritePaths=/var/lib/tournee\n") && unit().contains("StateDirectory=tournee\n"));
    // Switched on by taking its mark away.
    let on = AgentConfig::from_toml(&text.replace("# listen", "listen")).unwrap();
    assert!(on.metrics.address().unwrap().is_some());
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tournee-edge-agent.service");
    // The program is not installed where the tests run.
    std::fs::write(&path, unit().replace("/usr/bin/edge-agent", env!("CARGO_BIN_EXE_edge-agent"))).unwrap();
    let run = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&path).output();
    let Ok(verified) = run(&["verify"]) else {
        println!("SKIPPED: systemd-analyze is not installed (apt-get install systemd)");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("tournee-edge-agent.service:"), "{said}");
    // Exposure in tenths: 0 is closed, 100 open. What is left open is the network and the serial line.
    let judged = run(&["security", "--offline=true", "--threshold=20"]).unwrap();
    let table = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(judged.status.success(), "{table}{}", String::from_utf8_lossy(&judged.stderr));
}
