//! Where programs, ports and data are found.

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A binary of this workspace, from the same build as the running test.
///
/// # Errors
/// Where it has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let folder = exe.parent().and_then(Path::parent).context("a test runs from target/<profile>/deps")?;
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not built: run `cargo build --release --workspace --bins` first", path.display());
    }
    Ok(path)
}

/// A port that was free a moment ago.
///
/// # Errors
/// Where the machine has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Debian's Mosquitto.
///
/// # Errors
/// Where it is not installed.
pub fn mosquitto() -> Result<PathBuf> {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .context("mosquitto is not installed: tests/run installs it (apt-get install mosquitto)")
}

/// The Python with the outside readers.
///
/// # Errors
/// Where `tests/run` has not prepared it.
pub fn python() -> Result<PathBuf> {
    let path = std::env::var_os("TOURNEE_PYTHON").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cache/tournee/venv/bin/python"))
    });
    path.filter(|path| path.exists()).context("no Python with deltalake and duckdb: tests/run prepares it")
}

/// The folder of real recordings that may not ship with the repository; none on a machine without them.
#[must_use]
pub fn shared_data() -> Option<PathBuf> {
    let path =
        std::env::var_os("TOURNEE_SHARED_DATA").map_or_else(|| workspace_root().join("../shared/data"), PathBuf::from);
    path.is_dir().then_some(path)
}
