//! Puts this package's memory.x where the linker finds it, and says which commit the image is built from.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-changed=../../../.git/HEAD");
    println!("cargo:rerun-if-env-changed=TOURNEE_COMMIT");
    println!("cargo:rustc-env=TOURNEE_COMMIT={}", commit());
    // The tests of the library run on the host, where these scripts mean nothing.
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let out = env::var("OUT_DIR")?;
        fs::copy("memory.x", Path::new(&out).join("memory.x"))?;
        println!("cargo:rustc-link-search={out}");
        println!("cargo:rustc-link-arg-bins=--nmagic");
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
    }
    Ok(())
}

/// From the environment, else from git, else empty: a build from an archive has no commit.
fn commit() -> String {
    env::var("TOURNEE_COMMIT").ok().unwrap_or_else(|| {
        Command::new("git")
            .args(["rev-parse", "--short=12", "HEAD"])
            .output()
            .ok()
            .filter(|output| output.status.success())
            .and_then(|output| String::from_utf8(output.stdout).ok())
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}
