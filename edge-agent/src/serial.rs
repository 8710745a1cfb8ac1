//! The serial reader: bytes in, samples out. Never waits for a disk, only for room in a bounded queue: a full queue stops
//! the reading, the line's own flow control and the box's counted queue do the rest.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use tokio_util::sync::CancellationToken;
use tournee_features::{Drive, LineCounters};

use crate::backoff::Backoff;
use crate::commands::LineOrders;
use crate::config::{AgentConfig, SerialConfig};
use crate::error::AgentError;
use crate::host_time;
use crate::line::{Line, Taken};
use crate::modem::{LinkLines, News};
use crate::report::Withheld;
use crate::steward::BoxState;

const READ_BYTES: usize = 16 * 1024;
/// How long the line may take no command before it is given up: a box that does not read must not stop the reading of it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the position goes to the spool though no sample is kept (collection off, outside of working hours): what comes
/// after it would be counted as lost.
const IDLE_POSITION_EVERY: Duration = Duration::from_secs(60);

/// What the reader counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReaderReport {
    pub line: LineCounters,
    pub voided_values: u64,
    pub box_state: BoxState,
    pub withheld: Withheld,
}

/// Where the reader shows what it counts.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub line: watch::Sender<LineCounters>,
    pub box_state: watch::Sender<BoxState>,
    pub withheld: watch::Sender<Withheld>,
    pub link_lines: watch::Sender<LinkLines>,
    pub drive: watch::Sender<Drive>,
}

/// What others tell the reader.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub orders: watch::Receiver<LineOrders>,
    pub news: mpsc::Receiver<News>,
    /// The configuration, which may change.
    pub settings: watch::Receiver<AgentConfig>,
}

impl Shown {
    fn show(&self, line: &mut Line) {
        self.line.send_replace(line.counters());
        self.box_state.send_if_modified(|shown| {
            let news = shown != line.box_state();
            if news {
                shown.clone_from(line.box_state());
            }
            news
        });
        self.withheld.send_if_modified(|shown| std::mem::replace(shown, line.withheld()) != line.withheld());
        let drive = line.drive();
        // Only the beginning or end of keeping wakes whoever waits; how far the vehicle has come is looked up.
        self.drive.send_if_modified(|shown| std::mem::replace(shown, drive).keeps_rows != drive.keeps_rows);
        self.link_lines.send_if_modified(|shown| {
            let lines = line.link_lines();
            let news = shown != lines;
            if news {
                shown.clone_from(lines);
            }
            news
        });
    }
}

/// Reads until `shutdown`, or, with `finish_on_eof`, until the line is closed at its other end.
pub(crate) async fn read(
    config: SerialConfig,
    finish_on_eof: bool,
    mut line: Line,
    samples: mpsc::Sender<Taken>,
    shown: Shown,
    mut inlets: Inlets,
    shutdown: CancellationToken,
) -> Result<ReaderReport, AgentError> {
    let started = Instant::now();
    line.configure(&inlets.settings.borrow_and_update());
    // Nothing was read yet, so nothing is finished by it.
    line.obey(&inlets.orders.borrow_and_update(), &mut Vec::new());
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let outcome = loop {
        match open(&config) {
            Ok(port) => {
                tracing::info!(path = %config.path.display(), "serial line open");
                backoff.reset();
                line.reconnected(micros(started));
                let over = read_port(port, started, &mut line, &samples, &shown, &mut inlets, &shutdown).await;
                if over == Over::Stop || finish_on_eof {
                    break Ok(());
                }
                tracing::warn!(path = %config.path.display(), "serial line closed; is the box unplugged?");
            }
            Err(cause) if finish_on_eof => break Err(AgentError::Serial { path: config.path.clone(), cause }),
            Err(error) => tracing::warn!(path = %config.path.display(), %error, "serial line cannot be opened"),
        }
        // One reader, one line: no herd to spread, so no randomness.
        if pause(backoff.next(1.0), started, &mut line, &samples, &shown, &mut inlets.news, &shutdown).await
            == Over::Stop
        {
            break Ok(());
        }
    };
    let mut rest = Vec::new();
    line.finish(&mut rest);
    // Also without samples: nothing is held back any more, so the position has moved.
    let position = line.position();
    if !rest.is_empty() || position.is_some() {
        let _ = samples.send(Taken { samples: rest, position }).await;
    }
    shown.show(&mut line);
    outcome.map(|()| ReaderReport {
        line: line.counters(),
        voided_values: line.voided_values(),
        box_state: line.box_state().clone(),
        withheld: line.withheld(),
    })
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Waits for the next attempt to open the line; the modem is taken notice of meanwhile.
async fn pause(
    wait: Duration,
    started: Instant,
    line: &mut Line,
    samples: &mpsc::Sender<Taken>,
    shown: &Shown,
    news: &mut mpsc::Receiver<News>,
    shutdown: &CancellationToken,
) -> Over {
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Over::Stop,
            () = &mut over => return Over::Closed,
            Some(news) = news.recv() => {
                if !take(news, started, line, samples, shown).await {
                    return Over::Stop;
                }
            }
        }
    }
}

/// Hands what was told to the line. False when nobody takes samples any more.
async fn take(news: News, started: Instant, line: &mut Line, samples: &mpsc::Sender<Taken>, shown: &Shown) -> bool {
    let at_us = news.at.saturating_duration_since(started).as_micros();
    let mut out = Vec::new();
    line.told(u64::try_from(at_us).unwrap_or(u64::MAX), news.told, &mut out);
    shown.show(line);
    out.is_empty() || samples.send(Taken { samples: out, position: line.position() }).await.is_ok()
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
    started: Instant,
    line: &mut Line,
    samples: &mpsc::Sender<Taken>,
    shown: &Shown,
    inlets: &mut Inlets,
    shutdown: &CancellationToken,
) -> Over {
    let Inlets { orders, news, settings } = inlets;
    let mut buffer = vec![0; READ_BYTES];
    let mut idle_since = Instant::now();
    loop {
        if let Some(bytes) = line.command(micros(started)) {
            match tokio::time::timeout(WRITE_TIMEOUT, port.write_all(&bytes)).await {
                Ok(Ok(())) => {}
                // Sent again when its answer does not come; the box reads a frame cut here as a broken one.
                Ok(Err(error)) => tracing::debug!(%error, "the line does not take a command"),
                Err(_) => tracing::debug!("the line takes no command"),
            }
        }
        let wait = Duration::from_micros(line.command_due_us().saturating_sub(micros(started)));
        let read = tokio::select! {
            () = shutdown.cancelled() => return Over::Stop,
            read = port.read(&mut buffer) => read,
            () = tokio::time::sleep(wait.min(Duration::from_secs(3_600))) => continue,
            Some(news) = news.recv() => {
                if !take(news, started, line, samples, shown).await {
                    return Over::Stop;
                }
                continue;
            }
            Ok(()) = settings.changed() => {
                line.configure(&settings.borrow_and_update());
                continue;
            }
            Ok(()) = orders.changed() => {
                let mut out = Vec::new();
                line.obey(&orders.borrow_and_update(), &mut out);
                shown.show(line);
                if samples.send(Taken { samples: out, position: line.position() }).await.is_err() {
                    return Over::Stop;
                }
                continue;
            }
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
        line.feed(buffer.get(..count).unwrap_or_default(), micros(started), &mut out);
        line.host_time(micros(started), host_time::read);
        shown.show(line);
        let position_is_due = idle_since.elapsed() >= IDLE_POSITION_EVERY;
        if position_is_due || !out.is_empty() {
            idle_since = Instant::now();
        }
        if (!out.is_empty() || position_is_due)
            && samples.send(Taken { samples: out, position: line.position() }).await.is_err()
        {
            return Over::Stop;
        }
    }
}
