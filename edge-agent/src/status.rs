//! What a running agent tells of itself, and `edge-agent status`, which asks it; of an agent that does not run, the spool
//! tells what waits.

mod live;
mod log;
mod server;
mod spool_file;
mod text;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::config::{AgentConfig, ConfigError};

pub use live::{Facts, Live, StreamView};
pub use log::{JsonLines, LogFormat};
pub use server::{Shared, SharedReloader, Socket, now_unix_s, observe, reload, spool_bytes};
pub use spool_file::stored_json;
pub use text::text;
pub use tournee_spool::{SpoolView, SpoolViewError, StoredStream};

/// How long an agent may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// More than any answer has.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No agent answers, and its spool tells nothing either.
    #[error(transparent)]
    Spool(#[from] SpoolViewError),
    /// An agent answers, but not as it should.
    #[error("the agent's answer cannot be read: {0}")]
    Answer(String),
}

/// Asks the agent that runs with this socket how it is. None when none answers.
///
/// # Errors
/// An answer that is not one.
pub async fn ask(socket: &Path) -> Result<Option<Value>, StatusError> {
    // Nothing: an agent of any age answers that with its status.
    talk(socket, b"").await
}

/// Asks the agent that runs with this socket to read its configuration again. None when none answers.
///
/// # Errors
/// An answer that is not one.
pub async fn ask_to_reload(socket: &Path) -> Result<Option<Value>, StatusError> {
    talk(socket, b"reload\n").await
}

async fn talk(socket: &Path, request: &[u8]) -> Result<Option<Value>, StatusError> {
    let Ok(mut stream) = UnixStream::connect(socket).await else { return Ok(None) };
    let conversation = async {
        stream.write_all(request).await?;
        stream.shutdown().await?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    let text = match tokio::time::timeout(ANSWER_TIMEOUT, conversation).await {
        Err(_) => return Err(StatusError::Answer(format!("none within {} s", ANSWER_TIMEOUT.as_secs()))),
        Ok(Err(error)) => return Err(StatusError::Answer(error.to_string())),
        Ok(Ok(text)) => text,
    };
    serde_json::from_str(&text).map(Some).map_err(|error| StatusError::Answer(error.to_string()))
}

/// What there is to tell: by the agent when it runs, else by its spool.
///
/// # Errors
/// [`StatusError`].
pub async fn status(config: &AgentConfig) -> Result<Value, StatusError> {
    let socket = config.status.socket_path(&config.spool.path);
    if let Some(answer) = ask(&socket).await? {
        return Ok(answer);
    }
    Ok(stored_json(&SpoolView::read(&config.spool.path)?))
}
