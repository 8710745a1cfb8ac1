//! A small disk of its own for one process, without any right: a file system in memory, mounted in a user and mount name
//! space (user_namespaces(7)) that a sleeping process keeps alive. Seen from outside through /proc/PID/root.

use crate::process::{Running, wait_until};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The disk; gone when dropped.
pub struct SmallDisk {
    keeper: Running,
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of this size (as `mount -o size=` has it) over a new folder in `folder`. None, with a line that says
    /// so, where this system gives nobody a name space of his own.
    ///
    /// # Errors
    /// The folder cannot be made, or the mount fails though name spaces are allowed.
    pub fn mount(folder: &Path, size: &str) -> Result<Option<Self>> {
        let allowed = Command::new("unshare")
            .args(["-Urm", "true"])
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success());
        if !allowed {
            println!("SKIPPED: no user name spaces here (unshare -Urm): no disk that can be filled");
            return Ok(None);
        }
        let at = folder.join("disk");
        std::fs::create_dir_all(&at)?;
        let script = "mount -t tmpfs -o size=\"$0\" tmpfs \"$1\" && echo mounted && exec sleep 3600";
        let mut command = Command::new("unshare");
        let keeper = Running::start("disk", folder, command.args(["-Urm", "sh", "-c", script, size]).arg(&at))?;
        wait_until("the disk", Duration::from_secs(20), || keeper.output().contains("mounted").then_some(()))?;
        Ok(Some(Self { keeper, at }))
    }

    /// The mount point as those see it who live on it.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// What has to stand before a command line so that it lives on the disk.
    #[must_use]
    pub fn enter(&self) -> Vec<String> {
        let id = self.keeper.id().to_string();
        ["nsenter", "-t", &id, "-U", "-m", "--preserve-credentials", "--"].map(str::to_owned).into()
    }

    /// A file of the disk as seen from outside.
    #[must_use]
    pub fn outside(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.at.strip_prefix("/").unwrap_or(&self.at)).join(name)
    }

    /// Mounts it again, read-only (`ro`) or not (`rw`).
    ///
    /// # Errors
    /// The kernel refuses, for example while a file is open for writing.
    pub fn remount(&self, option: &str) -> Result<()> {
        let enter = self.enter();
        let (program, arguments) =
            enter.split_first().map_or(("nsenter", &[][..]), |(first, rest)| (first.as_str(), rest));
        let output = Command::new(program)
            .args(arguments)
            .args(["mount", "-o", &format!("remount,{option}")])
            .arg(&self.at)
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "remount,{option}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
