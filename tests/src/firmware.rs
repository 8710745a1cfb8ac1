//! Where the images of the box are.

use anyhow::{Result, bail};
use std::path::PathBuf;

/// The ELF file of an image of firmware/board, as `tests/run` builds it.
///
/// # Errors
/// Where it has not been built.
pub fn firmware(image: &str) -> Result<PathBuf> {
    let folder = std::env::var_os("TOURNEE_FIRMWARE_DIR").map(PathBuf::from).or_else(|| {
        // From target/<profile>/deps to target/board.
        let exe = std::env::current_exe().ok()?;
        Some(exe.ancestors().nth(3)?.join("board/thumbv7em-none-eabihf/release"))
    });
    let path = folder.unwrap_or_default().join(image);
    if !path.is_file() {
        bail!(
            "{} is not built: run `cargo build --release --package {image}` in firmware/board (rustup target add \
             thumbv7em-none-eabihf) and name its folder in TOURNEE_FIRMWARE_DIR, or run tests/run",
            path.display()
        );
    }
    Ok(path)
}
