//! Recordings that are no part of the repository: under `TOURNEE_SHARED_DATA`, else beside the workspace.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        println!("SKIPPED: no {name} in TOURNEE_SHARED_DATA or beside the workspace");
        return None;
    }
    Some(path)
}

/// The text of a recording, where there is one.
pub fn read_text(name: &str) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path(name)?).unwrap().read_to_string(&mut text).unwrap();
    Some(text)
}

/// The text of a compressed recording, where there is one. By the system's gzip: one dependency less for two tests.
pub fn read_gzip(name: &str) -> Option<String> {
    let done = Command::new("gzip").arg("-dc").arg(path(name)?).output().unwrap();
    assert!(done.status.success(), "gzip: {}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap())
}

/// The fields of the rows below the heading.
pub fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}
