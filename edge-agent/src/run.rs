//! The wiring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_features::LineCounters;
use tournee_payload::{BoxId, Status, Stream};
use tournee_spool::{Spool, SpoolConfig};

use crate::beats::{Beats, Part};
use crate::commands_desk::CommandDesk;
use crate::commands_store::Store;
use crate::config::AgentConfig;
use crate::error::AgentError;
use crate::host_time;
use crate::keeper::{self, Keeper, SpoolStatus};
use crate::line::Line;
use crate::link::Target;
use crate::metrics::{Counted, Counts, counting};
use crate::radio::{self, Radio, RadioViews};
use crate::report::{AgentReport, AgentStatus, UplinkStatus, Withheld};
use crate::rumqtt::RumqttLink;
use crate::serial::{self, Inlets, ReaderReport, Shown};
use crate::steward::{BoxState, Steward};
use crate::tls::{self, CertificateWatch};
use crate::uplink::{Limits, Uplink};
use crate::uplink_task::{UplinkReport, UplinkTask, state_message};
use crate::windows::Shelf;

/// What is asked of one run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// When the line is closed at its other end: finish the pipeline, seal, send everything, wait until the lake has
    /// it, end. Without it the agent waits for the line to come back.
    pub finish_on_eof: bool,
    /// Makes the epoch of a new spool and the jitter repeatable, for tests and demos. The epoch also depends on the box.
    /// Never use it twice over the same lake with a spool that was removed in between: the epoch would come back.
    pub epoch_seed: Option<u64>,
}

/// What a caller may keep in its hand while an agent runs.
#[derive(Debug)]
pub struct Controls {
    /// Gives every configuration that is to hold after the one of the start; what of it can change is taken over. Each must
    /// have passed [`AgentConfig::check`]; see [`Reloader`](crate::config::Reloader).
    pub settings: watch::Receiver<AgentConfig>,
    /// Where the parts give signs of life.
    pub beats: Beats,
}

/// [`run_with`] a configuration that does not change.
///
/// # Errors
/// As there.
pub async fn run(
    config: AgentConfig,
    options: RunOptions,
    shutdown: CancellationToken,
    status: watch::Sender<AgentStatus>,
) -> Result<AgentReport, AgentError> {
    let settings = watch::Sender::new(config.clone());
    let controls = Controls { settings: settings.subscribe(), beats: Beats::default() };
    run_with(config, options, controls, shutdown, status).await
}

/// Runs an agent until `shutdown`, or with `finish_on_eof` until its line ends and the lake has everything. On
/// `shutdown` everything that was read is committed; what is in the spool is sent by the next run.
///
/// # Errors
/// A configuration that is not accepted, a spool that cannot be opened, with `finish_on_eof` a line that cannot be
/// opened, or a spool that breaks under way.
pub async fn run_with(
    config: AgentConfig,
    options: RunOptions,
    controls: Controls,
    shutdown: CancellationToken,
    status: watch::Sender<AgentStatus>,
) -> Result<AgentReport, AgentError> {
    let Controls { settings, beats } = controls;
    config.check()?;
    tls::check_at_start(&config, tls::now_s())?;
    let mut rng = rng(options.epoch_seed, &config.box_id);
    let new_epoch = rng.random::<u64>() >> 1;
    let spool_config = SpoolConfig::new(config.box_id.clone(), config.spool.max_bytes);
    let spool_path = config.spool.path.clone();
    let (spool, opened) = tokio::task::spawn_blocking(move || Spool::open(&spool_path, spool_config, new_epoch))
        .await
        .map_err(|_| AgentError::Ended("opening the spool"))??;
    let epoch = spool.epoch();
    tracing::info!(box_id = %config.box_id, epoch, created = opened.created, "spool open");
    if opened.aside.files > 0 {
        let (files, bytes) = (opened.aside.files, opened.aside.bytes);
        tracing::warn!(files, bytes, "spools that were set aside lie beside it: save them, or remove them");
    }
    let watermarks = Stream::ALL.into_iter().map(|stream| (stream, spool.acknowledged_seq(stream))).collect();
    let before = spool.line_position();
    let commit_interval = Duration::from_millis(config.spool.commit_interval_ms);
    let beat = beats.begin(Part::Keeper);
    let keeper =
        keeper::start(spool, commit_interval, options.finish_on_eof, new_epoch, beat).map_err(AgentError::Thread)?;

    // A child, so that a part that fails stops the others and not the caller.
    let stop = shutdown.child_token();
    let _stop_on_return = stop.clone().drop_guard();
    let Keeper { samples, handle, status: spool_status, mut ended } = keeper;
    let (line_sender, line) = watch::channel(LineCounters::default());
    let (box_sender, box_state) = watch::channel(BoxState::default());
    let (withheld_sender, withheld) = watch::channel(Withheld::default());
    let (connected_sender, connected) = watch::channel(false);
    let (uplink_sender, uplink_status) = watch::channel(UplinkStatus::default());
    let sampling = config.sampling.wanted()?;
    let steward = Steward::new(rng.random(), sampling);
    let store = Store::beside(&config.spool.path, &config.box_id);
    let desk = CommandDesk::open(store, config.sampling.clone(), sampling, status.subscribe());
    let orders = desk.orders();
    let mqtt = &config.mqtt;
    let uplink = UplinkTask {
        box_id: config.box_id.clone(),
        epoch,
        target: target(&config, epoch),
        machine: Uplink::new(&watermarks, Limits::of(mqtt)),
        spool: handle,
        status: spool_status.clone(),
        connected: connected_sender,
        shown: uplink_sender,
        desk,
        certificate: CertificateWatch::default(),
        reconnect_most: Duration::from_secs(mqtt.reconnect_most_s),
        wall_s: tls::now_s,
        report_due: false,
        finish_when_empty: options.finish_on_eof,
        rng,
        shutdown: stop.clone(),
        report: UplinkReport::default(),
        settings: settings.clone(),
        beat: beats.begin(Part::Uplink),
        owed: BTreeMap::new(),
    };
    let publishes = Arc::new(Counts::default());
    let mut uplink = tokio::spawn(counting(Arc::clone(&publishes), uplink.run::<Counted<RumqttLink>>()));
    let Radio { tasks: radio_tasks, news, link_lines, drive, views: radio } = radio::start(&config, &stop)?;
    let (shelf, kept, shelf_thread) =
        Shelf::start(&config.spool.path, host_time::system_us()).map_err(AgentError::Thread)?;
    let line_in =
        Line::new(config.profile.clone(), before, steward).with_own_modem(config.modem.is_on()).with_shelf(shelf, kept);
    let shown = Shown { line: line_sender, box_state: box_sender, withheld: withheld_sender, link_lines, drive };
    let inlets = Inlets { orders, news, settings };
    let reader =
        serial::read(config.serial.clone(), options.finish_on_eof, line_in, samples, shown, inlets, stop.clone());
    let mut reader = tokio::spawn(reader);

    let mut views = Views {
        spool: spool_status,
        connected,
        line,
        box_state,
        uplink: uplink_status,
        withheld,
        publishes,
        radio,
        aside_removed: opened.aside.removed_files,
    };
    let mut read: Option<ReaderReport> = None;
    let mut sent: Option<UplinkReport> = None;
    let kept = loop {
        status.send_replace(views.status());
        tokio::select! {
            biased;
            result = &mut reader, if read.is_none() => {
                read = Some(result.map_err(|_| AgentError::Ended("the serial reader"))??);
            }
            result = &mut uplink, if sent.is_none() => {
                sent = Some(result.map_err(|_| AgentError::Ended("the uplink"))?);
                // The uplink also ends when the keeper is gone; the keeper ends when reader and uplink are.
                stop.cancel();
            }
            result = &mut ended => break result.map_err(|_| AgentError::Ended("the spool"))??,
            () = views.changed() => {}
        }
    };
    // The keeper ended well, so whoever fed it has ended or is about to.
    stop.cancel();
    radio::ended(radio_tasks).await;
    let read = match read {
        Some(read) => read,
        None => reader.await.map_err(|_| AgentError::Ended("the serial reader"))??,
    };
    // The reader has ended and with it the shelf's inlet: what waits is written, then the thread is over.
    tokio::task::spawn_blocking(move || shelf_thread.join())
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(AgentError::Ended("the shelf of raw windows"))?;
    let sent = match sent {
        Some(sent) => sent,
        None => uplink.await.map_err(|_| AgentError::Ended("the uplink"))?,
    };
    let report = AgentReport {
        calibration: config.calibration_json(),
        box_id: config.box_id,
        epoch: kept.epoch,
        generated: kept.generated.clone(),
        acknowledged: kept.acknowledged.clone(),
        gaps: kept.given_up.values().sum(),
        pending: kept.pending,
        lost_gap_rows: kept.lost_gap_rows,
        line: read.line,
        voided_values: read.voided_values,
        box_state: read.box_state.clone(),
        published_batches: sent.published_batches,
        refused_messages: sent.refused_messages,
        set_aside: kept.set_aside.clone().or(opened.set_aside),
        old_copies: kept.old_copies,
        set_aside_samples: kept.set_aside_samples,
        withheld: read.withheld,
    };
    status.send_replace(AgentStatus {
        connected: false,
        line: read.line,
        box_state: read.box_state,
        uplink: views.uplink.borrow().clone(),
        withheld: read.withheld,
        published: views.publishes.seen(),
        modem: views.radio.modem(),
        probe: views.radio.probe(),
        ..status_of(&kept, views.aside_removed)
    });
    tracing::info!(
        box_id = %report.box_id, generated = report.generated_samples(), pending = report.pending, gaps = report.gaps,
        "agent ended"
    );
    Ok(report)
}

/// Where and as whom to connect.
pub(crate) fn target(config: &AgentConfig, epoch: u64) -> Target {
    let mqtt = &config.mqtt;
    Target {
        box_id: config.box_id.clone(),
        host: mqtt.host.clone(),
        port: mqtt.port,
        keep_alive: Duration::from_secs(u64::from(mqtt.keep_alive_s)),
        tls: mqtt.tls.clone(),
        last_will: state_message(&config.box_id, epoch, Status::Lost),
    }
}

/// What the parts show while they run.
struct Views {
    spool: watch::Receiver<SpoolStatus>,
    connected: watch::Receiver<bool>,
    line: watch::Receiver<LineCounters>,
    box_state: watch::Receiver<BoxState>,
    uplink: watch::Receiver<UplinkStatus>,
    withheld: watch::Receiver<Withheld>,
    publishes: Arc<Counts>,
    radio: RadioViews,
    /// Spools that were removed when this one was opened.
    aside_removed: u64,
}

impl Views {
    fn status(&mut self) -> AgentStatus {
        AgentStatus {
            connected: *self.connected.borrow_and_update(),
            line: *self.line.borrow_and_update(),
            box_state: self.box_state.borrow_and_update().clone(),
            uplink: self.uplink.borrow_and_update().clone(),
            withheld: *self.withheld.borrow_and_update(),
            published: self.publishes.seen(),
            modem: self.radio.modem(),
            probe: self.radio.probe(),
            ..status_of(&self.spool.borrow_and_update(), self.aside_removed)
        }
    }

    /// At most ten times a second: the line's counters change with every read.
    async fn changed(&mut self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::select! {
            Ok(()) = self.spool.changed() => {}
            Ok(()) = self.connected.changed() => {}
            Ok(()) = self.line.changed() => {}
            Ok(()) = self.box_state.changed() => {}
            Ok(()) = self.uplink.changed() => {}
            Ok(()) = self.withheld.changed() => {}
            () = self.radio.changed() => {}
            else => std::future::pending().await,
        }
    }
}

fn status_of(spool: &SpoolStatus, aside_removed: u64) -> AgentStatus {
    AgentStatus {
        generated: spool.generated.clone(),
        acknowledged: spool.acknowledged.clone(),
        given_up: spool.given_up.clone(),
        pending: spool.pending,
        lost_gap_rows: spool.lost_gap_rows,
        old_copies: spool.old_copies,
        set_aside_samples: spool.set_aside_samples,
        commits: spool.commits,
        aside_removed: spool.aside_removed.saturating_add(aside_removed),
        ..AgentStatus::default()
    }
}

/// Random, or repeatable per seed and box.
fn rng(seed: Option<u64>, box_id: &BoxId) -> StdRng {
    match seed {
        None => StdRng::from_os_rng(),
        Some(seed) => {
            let mut bytes = [0; 32];
            let text = seed.to_le_bytes().into_iter().chain(box_id.as_str().bytes());
            for (at, byte) in text.enumerate() {
                if let Some(slot) = bytes.get_mut(at % 32) {
                    *slot ^= byte.rotate_left((at / 32) as u32);
                }
            }
            StdRng::from_seed(bytes)
        }
    }
}
