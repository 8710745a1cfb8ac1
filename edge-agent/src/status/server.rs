//! The Unix socket of a running agent. Whoever connects and says nothing, or hangs up its side, gets how the agent is; who says
//! `reload` gets what became of that. One JSON document each. Mode 0600: the agent's own user, and root.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::live::Live;
use crate::config::Reloader;
use crate::report::AgentStatus;

/// Readers at once.
const READERS_MAX: usize = 4;
/// How long a reader may take to say what it wants; then it wants the status.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(250);
/// Longer requests are none.
const REQUEST_BYTES_MAX: usize = 64;
/// How long a reader may take to take it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// What several servers show.
pub type Shared = Arc<Mutex<Live>>;
/// The configuration, for whoever may have it read again.
pub type SharedReloader = Arc<Mutex<Reloader>>;

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
    pub async fn serve(self, live: Shared, reloader: SharedReloader) {
        let readers = Arc::new(Semaphore::new(READERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&readers).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (live, reloader) = (Arc::clone(&live), Arc::clone(&reloader));
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(WRITE_TIMEOUT, answer(stream, &live, reloader)).await;
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

async fn answer(mut stream: UnixStream, live: &Shared, reloader: SharedReloader) -> io::Result<()> {
    let answer = match request(&mut stream).await?.as_str() {
        "" | "status" => {
            let live = live.lock().unwrap_or_else(PoisonError::into_inner);
            live.to_json(now_unix_s(), spool_bytes(&live.facts.spool))
        }
        "reload" => reload(reloader).await,
        other => json!({ "error": format!("{other:?} is not understood: status, or reload") }),
    };
    stream.write_all(answer.to_string().as_bytes()).await?;
    stream.shutdown().await
}

/// The first line of what the reader says; empty when it says nothing.
async fn request(stream: &mut UnixStream) -> io::Result<String> {
    let mut said = Vec::new();
    let mut reader = stream.take(REQUEST_BYTES_MAX as u64);
    let reading = async {
        while !said.contains(&b'\n') {
            if reader.read_buf(&mut said).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(REQUEST_TIMEOUT, reading).await {
        return Err(error);
    }
    Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or("").trim().to_owned())
}

/// Has the configuration read again. Reads files, so not on the thread of the runtime.
pub async fn reload(reloader: SharedReloader) -> Value {
    let work = move || reloader.lock().unwrap_or_else(PoisonError::into_inner).reload();
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(changed)) => json!({ "reloaded": changed }),
        Ok(Err(error)) => json!({ "error": error.to_string() }),
        Err(error) => json!({ "error": format!("reading the configuration ended unexpectedly: {error}") }),
    }
}
