//! The modem's own port: the IO of the dialog, nothing else. What to ask and what an answer means is
//! `tournee_features::mobile::dialog`; what comes of it goes to the reader of the box's line, which owns the pipeline.

mod news;
mod ticks;
mod view;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use tokio_util::sync::CancellationToken;
use tournee_features::mobile::dialog::{Dialog, Event};

pub(crate) use news::{NEWS_MAX, News, Told};
pub(crate) use ticks::Ticks;
pub use view::{LinkLines, ModemStatus, PortStatus};
pub(crate) use view::{modem_json, modem_text};

use crate::backoff::Backoff;
use crate::config::ModemSettings;

const READ_BYTES: usize = 2 * 1024;
/// How long the port may take no command; the dialog's own limit for an answer runs meanwhile.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// The dialog is never polled more often than this without bytes.
const SLEEP_LEAST: Duration = Duration::from_millis(1);
const SLEEP_MOST: Duration = Duration::from_secs(60);

/// Where the task shows what it counts and hands over what it finds out.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub news: mpsc::Sender<News>,
    pub shown: watch::Sender<PortStatus>,
}

/// Asks the modem until `shutdown`. A port that cannot be opened, or that went away, is opened again after at most five
/// seconds. Never waits for the reader: what its full queue does not take is counted.
pub(crate) async fn ask(
    settings: ModemSettings,
    mut dialog: Dialog,
    mut outlets: Outlets,
    shutdown: CancellationToken,
) {
    let started = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut status = PortStatus { is_configured: true, ..PortStatus::default() };
    loop {
        match open(&settings) {
            Ok(port) => {
                tracing::info!(path = %settings.path.display(), "modem port open");
                (status.is_open, status.opened, status.trouble) = (true, status.opened + 1, String::new());
                dialog.reopened(micros(started));
                let over = talk(port, started, &mut dialog, &mut status, &mut outlets, &mut backoff, &shutdown).await;
                status.is_open = false;
                match over {
                    Over::Stop => break,
                    Over::Closed(why) => {
                        tracing::warn!(path = %settings.path.display(), %why, "modem port closed; is it unplugged?");
                        status.trouble = why.to_string();
                    }
                }
            }
            Err(error) => {
                tracing::warn!(path = %settings.path.display(), %error, "modem port cannot be opened");
                status.trouble = error.to_string();
            }
        }
        show(&dialog, &mut status, &outlets.shown);
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(backoff.next(1.0)) => {}
        }
    }
    show(&dialog, &mut status, &outlets.shown);
}

/// Microseconds since `since`, as the dialog counts.
pub(crate) fn micros(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX)
}

/// Opens the port.
///
/// # Errors
/// What the system says.
pub(crate) fn open(settings: &ModemSettings) -> std::io::Result<SerialStream> {
    let path = settings.path.to_str().ok_or_else(|| std::io::Error::other("the path is not UTF-8"))?;
    Ok(tokio_serial::new(path, settings.baud).open_native_async()?)
}

/// Why a port is not talked to any more.
enum Over {
    Closed(std::io::Error),
    Stop,
}

async fn talk(
    mut port: SerialStream,
    started: Instant,
    dialog: &mut Dialog,
    status: &mut PortStatus,
    outlets: &mut Outlets,
    backoff: &mut Backoff,
    shutdown: &CancellationToken,
) -> Over {
    loop {
        let bytes = tokio::select! {
            () = shutdown.cancelled() => return Over::Stop,
            turned = turn(&mut port, started, dialog) => match turned {
                Ok(bytes) => bytes,
                Err(error) => return Over::Closed(error),
            },
        };
        if bytes > 0 {
            // A port that opens but never gives a byte is not in order yet.
            backoff.reset();
        }
        while let Some(event) = dialog.event() {
            match event {
                Event::NoSim => status.no_sim = true,
                Event::Round { .. } => status.no_sim = false,
                Event::Silent => tracing::warn!("the modem does not answer"),
                Event::Restarted => tracing::info!("the modem has started by itself"),
                Event::Report(_) | Event::NoService => {}
            }
            let news = News { at: Instant::now(), told: Told::Event(event) };
            match outlets.news.try_send(news) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => status.not_taken += 1,
                Err(mpsc::error::TrySendError::Closed(_)) => return Over::Stop,
            }
        }
        let unknown_before = status.unknown();
        show(dialog, status, &outlets.shown);
        if status.unknown() != unknown_before {
            // Not taken now, the number comes with the next line that is not understood.
            let _ = outlets.news.try_send(News { at: Instant::now(), told: Told::Unknown(status.unknown()) });
        }
    }
}

/// Writes what the dialog wants to, then waits for bytes or until it has to do something; gives the number of bytes.
///
/// # Errors
/// The port is gone.
pub(crate) async fn turn(port: &mut SerialStream, started: Instant, dialog: &mut Dialog) -> std::io::Result<usize> {
    while let Some(command) = dialog.poll(micros(started)) {
        match tokio::time::timeout(WRITE_TIMEOUT, port.write_all(command)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            // Its missing answer shows it.
            Err(_) => tracing::debug!("the modem takes no command"),
        }
    }
    let wait_us = dialog.wake_us().saturating_sub(micros(started));
    let wait = Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)).clamp(SLEEP_LEAST, SLEEP_MOST);
    let mut buffer = [0; READ_BYTES];
    match tokio::time::timeout(wait, port.read(&mut buffer)).await {
        Err(_) => Ok(0),
        Ok(Ok(0)) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(Ok(count)) => {
            dialog.feed(buffer.get(..count).unwrap_or_default(), micros(started));
            Ok(count)
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => Ok(0),
        // A pseudo-terminal whose master closed says EIO; an unplugged USB device ENXIO or ENODEV.
        Ok(Err(error)) => Err(error),
    }
}

fn show(dialog: &Dialog, status: &mut PortStatus, shown: &watch::Sender<PortStatus>) {
    let kept_is_new = status.counters.unknown + status.counters.broken != dialog.kept().count();
    status.counters = dialog.counters();
    status.is_silent = dialog.is_silent();
    if kept_is_new {
        status.kept = dialog.kept().last().map(str::to_owned).collect();
    }
    shown.send_if_modified(|before| {
        let news = before != status;
        if news {
            before.clone_from(status);
        }
        news
    });
}
