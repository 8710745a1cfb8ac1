//! The system clock of one process, moved under its feet. A small library, made by the C compiler that Rust links with,
//! stands before the C library's `clock_gettime` and adds the seconds of a file to `CLOCK_REALTIME`, and to nothing else.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, id, now);
    const char *path = getenv("SHIFTED_CLOCK");
    if (result == 0 && id == CLOCK_REALTIME && path) {
        char text[32] = {0};
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) now->tv_sec += atoll(text);
            close(file);
        }
    }
    return result;
}
"#;

/// The clock.
pub struct HostClock {
    library: PathBuf,
    offset: PathBuf,
}

impl HostClock {
    /// Makes the library; the clock is right at first.
    ///
    /// # Errors
    /// There is no C compiler, or no room for the files.
    pub fn new(folder: &Path) -> Result<Self> {
        let source = folder.join("shifted_clock.c");
        fs::write(&source, SOURCE)?;
        let clock = Self { library: folder.join("shifted_clock.so"), offset: folder.join("shifted_clock") };
        clock.shift(0)?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&clock.library)
            .arg(&source)
            .stdin(Stdio::null())
            .output()
            .context("no C compiler (cc)")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(clock)
    }

    /// What has to stand before a command line so that it lives by this clock.
    #[must_use]
    pub fn before(&self) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", self.library.display()),
            format!("SHIFTED_CLOCK={}", self.offset.display()),
        ]
    }

    /// Moves the clock to so many seconds beside the right time, at once.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn shift(&self, seconds: i64) -> Result<()> {
        // Renamed into place, so that nobody reads half of it.
        let staged = self.offset.with_extension("new");
        fs::write(&staged, seconds.to_string())?;
        Ok(fs::rename(&staged, &self.offset)?)
    }
}
