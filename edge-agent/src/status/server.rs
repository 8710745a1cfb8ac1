//! The Unix socket of a running agent: whoever connects gets one JSON document. Mode 0600: the agent's own user, and root.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::live::Live;
use crate::report::AgentStatus;

/// Readers at once.
const READERS_MAX: usize = 4;
/// How long a reader may take to take it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// What several servers show.
pub type Shared = Arc<Mutex<Live>>;

/// Seconds since 1970 by the system clock; 0 before.
#[must_use]
pub fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

/// Bytes of the spool and its log on the disk; none when it cannot be read.
#[must_use]
pub fn spool_bytes(path: &Path) -> Option<u64> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let main = std::fs::metadata(path).ok()?.len();
    Some(main + std::fs::metadata(log).map_or(0, |log| log.len()))
}

/// Watches an agent until it is gone.
pub async fn observe(live: Shared, mut status: watch::Receiver<AgentStatus>) {
    while status.changed().await.is_ok() {
        let seen = status.borrow_and_update().clone();
        live.lock().unwrap_or_else(PoisonError::into_inner).observe(now_unix_s(), seen);
    }
}

/// The socket; its file goes with it.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Makes the socket, over the one that a killed agent left behind. It gets its mode before it gets its name, so it is
    /// never open to others.
    ///
    /// # Errors
    /// What the system says: a folder that is not there, a path above 107 bytes, or another agent that answers there.
    pub async fn bind(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another agent answers there"));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        std::fs::rename(&new, path)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until it is dropped.
    pub async fn serve(self, live: Shared) {
        let readers = Arc::new(Semaphore::new(READERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&readers).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let live = Arc::clone(&live);
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(WRITE_TIMEOUT, answer(stream, &live)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // No more descriptors, for example: it passes, and must not turn in a circle.
                    tracing::warn!(%error, "the status socket cannot answer");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn answer(mut stream: UnixStream, live: &Shared) -> io::Result<()> {
    let text = {
        let live = live.lock().unwrap_or_else(PoisonError::into_inner);
        live.to_json(now_unix_s(), spool_bytes(&live.facts.spool)).to_string()
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
