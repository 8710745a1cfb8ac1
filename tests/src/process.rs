//! A child process that does not outlive its test.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running process; killed when dropped. What it prints lies in a file.
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command`, with both outputs appended to `<folder>/<name>.log`.
    ///
    /// # Errors
    /// Where the program cannot be started or the file cannot be written.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// Where the process had already gone by itself: a test that kills wants it alive.
    pub fn kill(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} had ended by itself ({status}) before the kill:\n{}", self.name, self.output());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then its exit status.
    ///
    /// # Errors
    /// Where it does not end within `within`.
    pub fn terminate(self, within: Duration) -> Result<ExitStatus> {
        let id = i32::try_from(self.child.id())?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM)?;
        self.wait(within)
    }

    /// Its exit status.
    ///
    /// # Errors
    /// Where it does not end within `within`.
    pub fn wait(mut self, within: Duration) -> Result<ExitStatus> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} is still running after {within:?}:\n{}", self.name, self.output())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The test is over or has failed; nothing is left to be reported about this process.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Looks every 50 ms until `ready` gives a value.
///
/// # Errors
/// After `within`, naming `what` was waited for.
pub fn wait_until<T>(what: &str, within: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let until = Instant::now() + within;
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if Instant::now() >= until {
            bail!("waited {within:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
