//! The serial reader: bytes in, samples out. Never waits for a disk, only for room in a bounded queue: a full queue stops
//! the reading, the line's own flow control and the box's counted queue do the rest.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, watch};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use tokio_util::sync::CancellationToken;
use tournee_features::LineCounters;

use crate::backoff::Backoff;
use crate::config::SerialConfig;
use crate::error::AgentError;
use crate::line::{Line, Taken};

const READ_BYTES: usize = 16 * 1024;

/// What the reader counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReaderReport {
    pub line: LineCounters,
    pub voided_values: u64,
}

/// Reads until `shutdown`, or, with `finish_on_eof`, until the line is closed at its other end.
pub(crate) async fn read(
    config: SerialConfig,
    finish_on_eof: bool,
    mut line: Line,
    samples: mpsc::Sender<Taken>,
    counters: watch::Sender<LineCounters>,
    shutdown: CancellationToken,
) -> Result<ReaderReport, AgentError> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let outcome = loop {
        match open(&config) {
            Ok(port) => {
                tracing::info!(path = %config.path.display(), "serial line open");
                backoff.reset();
                line.reconnected();
                let over = read_port(port, &mut line, &samples, &counters, &shutdown).await;
                if over == Over::Stop || finish_on_eof {
                    break Ok(());
                }
                tracing::warn!(path = %config.path.display(), "serial line closed; is the box unplugged?");
            }
            Err(cause) if finish_on_eof => break Err(AgentError::Serial { path: config.path.clone(), cause }),
            Err(error) => tracing::warn!(path = %config.path.display(), %error, "serial line cannot be opened"),
        }
        // One reader, one line: no herd to spread, so no randomness.
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            () = tokio::time::sleep(backoff.next(1.0)) => {}
        }
    };
    let mut rest = Vec::new();
    line.finish(&mut rest);
    // Also without samples: nothing is held back any more, so the position has moved.
    let position = line.position();
    if !rest.is_empty() || position.is_some() {
        let _ = samples.send(Taken { samples: rest, position }).await;
    }
    counters.send_replace(line.counters());
    outcome.map(|()| ReaderReport { line: line.counters(), voided_values: line.voided_values() })
}

fn open(config: &SerialConfig) -> std::io::Result<SerialStream> {
    let path = config.path.to_str().ok_or_else(|| std::io::Error::other("the path is not UTF-8"))?;
    Ok(tokio_serial::new(path, config.baud).open_native_async()?)
}

/// Why the reading of a port ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Closed at its other end, or unplugged.
    Closed,
    /// Told to stop, or nobody takes samples any more.
    Stop,
}

async fn read_port(
    mut port: SerialStream,
    line: &mut Line,
    samples: &mpsc::Sender<Taken>,
    counters: &watch::Sender<LineCounters>,
    shutdown: &CancellationToken,
) -> Over {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            () = shutdown.cancelled() => return Over::Stop,
            read = port.read(&mut buffer) => read,
        };
        let count = match read {
            Ok(0) => return Over::Closed,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // A pseudo-terminal whose master closed says EIO; an unplugged USB device ENXIO or ENODEV.
            Err(error) => {
                tracing::debug!(%error, "serial line ended");
                return Over::Closed;
            }
        };
        let mut out = Vec::new();
        line.feed(buffer.get(..count).unwrap_or_default(), &mut out);
        counters.send_replace(line.counters());
        if !out.is_empty() && samples.send(Taken { samples: out, position: line.position() }).await.is_err() {
            return Over::Stop;
        }
    }
}
