//! A pseudo-terminal under a name that stays.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// Both ends: the host opens the slave by the link. The simulator keeps it open too, so that a host may come late, go
/// and come back without a hang-up in between, and what was sent meanwhile waits.
#[derive(Debug)]
pub(super) struct Pty {
    master: PtyMaster,
    _slave: OwnedFd,
    target: PathBuf,
    link: PathBuf,
}

impl Pty {
    /// A new pseudo-terminal in raw mode, then the link to it, put in place at once.
    ///
    /// Neither end is inherited by programs that are started meanwhile: one of them would hold the line open.
    pub(super) fn open(link: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(link).is_ok_and(|there| !there.is_symlink()) {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} is there and no link", link.display())));
        }
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags | OFlag::O_NONBLOCK)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let target = PathBuf::from(ptsname_r(&master)?);
        let slave = open(&target, flags, Mode::empty())?;
        let mut termios = tcgetattr(slave.as_fd())?;
        cfmakeraw(&mut termios);
        tcsetattr(slave.as_fd(), SetArg::TCSANOW, &termios)?;
        let mut fresh = link.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let _ = fs::remove_file(&fresh); // Of a process that was killed and had the same number.
        std::os::unix::fs::symlink(&target, &fresh)?;
        fs::rename(&fresh, link).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        Ok(Self { master, _slave: slave, target, link: link.to_owned() })
    }

    pub(super) fn master(&self) -> &PtyMaster {
        &self.master
    }
}

impl Drop for Pty {
    /// Takes the link away, unless somebody has put another there: the number of a closed pseudo-terminal is given to
    /// the next one who asks, and the host must not open that.
    fn drop(&mut self) {
        if fs::read_link(&self.link).is_ok_and(|target| target == self.target) {
            let _ = fs::remove_file(&self.link);
        }
    }
}
