//! Tells the service manager how the agent is: sd_notify(3), written here because it is one datagram.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
    /// How often the watchdog must hear something; none: it is off.
    watchdog: Option<Duration>,
}

/// Why there is no way to it.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Neither a path nor an abstract name.
    #[error("NOTIFY_SOCKET = {0:?} is not an address: it begins with / or @")]
    Address(OsString),
    /// The socket.
    #[error("the service manager cannot be told: {0}")]
    Socket(#[from] io::Error),
}

impl Notifier {
    /// From `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, as sd_notify(3) and sd_watchdog_enabled(3) say. None
    /// when no service manager waits for news.
    ///
    /// # Errors
    /// An address that is none.
    pub fn from_environment() -> Result<Option<Self>, NotifyError> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let usec = std::env::var("WATCHDOG_USEC").ok();
        let pid = std::env::var("WATCHDOG_PID").ok();
        Self::new(&name, usec.as_deref(), pid.as_deref()).map(Some)
    }

    fn new(name: &OsStr, watchdog_usec: Option<&str>, watchdog_pid: Option<&str>) -> Result<Self, NotifyError> {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(NotifyError::Address(name.to_owned())),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let ours = watchdog_pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let usec = watchdog_usec.and_then(|usec| usec.parse::<u64>().ok()).filter(|usec| ours && *usec > 0);
        Ok(Self { socket, address, watchdog: usec.map(Duration::from_micros) })
    }

    /// The agent works: its spool is open and it listens to the line.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The agent was told to stop and commits what it has.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The agent is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        // One datagram holds lines: a line end in the text would begin another assignment.
        self.send(&format!("STATUS={}", text.replace('\n', " ")));
    }

    /// How often [`Notifier::alive`] is due: half of what the watchdog waits, as sd_watchdog_enabled(3) recommends.
    #[must_use]
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    fn send(&self, text: &str) {
        // A manager that does not listen is no reason to stop measuring.
        if let Err(error) = self.socket.send_to_addr(text.as_bytes(), &self.address) {
            tracing::debug!(%error, text, "the service manager was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_reach_a_real_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(path.as_os_str(), Some("3000000"), None).unwrap();
        assert_eq!(notifier.alive_every(), Some(Duration::from_millis(1_500)));
        notifier.ready();
        notifier.alive();
        notifier.status("two\nlines");
        notifier.stopping();
        let mut heard = Vec::new();
        for _ in 0..4 {
            let mut buffer = [0; 64];
            let len = manager.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8(buffer[..len].to_vec()).unwrap());
        }
        assert_eq!(heard, ["READY=1", "WATCHDOG=1", "STATUS=two lines", "STOPPING=1"]);
    }

    #[test]
    fn an_abstract_name_is_an_address_and_a_relative_path_is_none() {
        let name = format!("@tournee-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::new(OsStr::new(&name), None, None).unwrap().ready();
        let mut buffer = [0; 64];
        assert_eq!(manager.recv(&mut buffer).unwrap(), "READY=1".len());
        assert!(matches!(Notifier::new(OsStr::new("run/notify"), None, None), Err(NotifyError::Address(_))));
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let every = |usec, pid: Option<&str>| Notifier::new(OsStr::new("/nowhere"), usec, pid).unwrap().alive_every();
        let us = std::process::id().to_string();
        assert_eq!(every(Some("2000000"), Some(&us)), Some(Duration::from_secs(1)));
        assert_eq!(every(Some("2000000"), Some("1")), None);
        assert_eq!(every(None, None), None);
        assert_eq!(every(Some("0"), None), None);
        assert_eq!(every(Some("soon"), None), None);
    }
}
