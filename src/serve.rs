//! `tournee serve`: broker, ingest, analytics and the map in one process, for a user with one machine.

use crate::analytics::{self, Analysis};
use crate::cli::{DataOrigin, ServeOptions};
use crate::{data_dir as folder, shutdown};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_api::{AppState, Snapshot};
use tournee_ingest::broker::{self, EmbeddedBroker};
use tournee_ingest::maintain::{MaintainOptions, MaintainReport, Retention, TableReport, maintain};
use tournee_ingest::{IngestConfig, IngestStatus, LakeStore};
use tournee_territory::{Origin, Territory, Text};

/// Between two maintenances.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3_600);
/// Raw rows leave after pass facts were made of them; if that fails for so long, they leave all the same: they must not stay.
const FACTS_PATIENCE: Duration = Duration::from_secs(86_400);
/// For a maintenance to stop; it may be left anywhere.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Binds the map's address. Beyond loopback there is no authentication yet, so it is refused.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        bail!("--http {address} is not a loopback address: the map has no sign-in yet, put a proxy with one in front");
    }
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another port with --http"))
}

/// Serves one unchanging picture until told to stop.
pub async fn map(listener: TcpListener, snapshot: Snapshot, shutdown: CancellationToken) -> Result<()> {
    let state = AppState::new(snapshot).context("cannot prepare the map")?;
    tournee_api::serve(listener, state, shutdown).await.context("the web server ended")
}

/// Runs until told to stop.
pub async fn run(options: ServeOptions) -> Result<()> {
    let shutdown = shutdown::on_signal()?;
    let listener = listen(options.http).await?;
    let data_dir = options.data.dir.clone();
    folder::open_live(&data_dir)?;

    let broker = start_broker(&options.broker).await?;
    let ingest = broker.as_ref().map(|broker| {
        let address = broker.local_addr();
        let config = IngestConfig::new(data_dir.join("lake"), &address.ip().to_string(), address.port());
        let (status, _) = watch::channel(IngestStatus::default());
        tokio::spawn(tournee_ingest::run(config, shutdown.clone(), status))
    });
    if let Some(broker) = &broker {
        println!("MQTT broker: mqtt://{} (loopback only)", broker.local_addr());
    }

    let origin = match options.origin {
        DataOrigin::Measured => Origin::Measured,
        DataOrigin::Simulated => Origin::Simulated,
    };
    let shown = shown_territories(origin)?;
    let state = AppState::new(analytics::snapshot(&data_dir, &shown).await?).context("cannot prepare the map")?;
    println!("La carte / the map: http://{}   (Ctrl-C to stop)", listener.local_addr()?);
    let (analysed, seen) = watch::channel(0);
    let maintenance = (!options.no_maintenance).then(|| {
        let retention = retention(options.origin);
        let stay = retention
            .raw_days
            .map_or("everything stays".to_owned(), |days| format!("raw rows leave after {days} days"));
        println!("Maintenance: hourly, {stay} (--no-maintenance leaves it to `tournee lake maintain`)");
        let maintain = MaintainOptions { retention, ..MaintainOptions::default() };
        tokio::spawn(keep_in_order(data_dir.clone(), maintain, seen, shutdown.clone()))
    });
    let refresh = refresh(&data_dir, origin, shown, state.clone(), Duration::from_secs(options.refresh_s), analysed);
    tokio::select! {
        served = tournee_api::serve(listener, state, shutdown.clone()) => served.context("the web server ended")?,
        ended = refresh => ended?,
    }
    shutdown.cancel();
    if let Some(ingest) = ingest {
        ingest.await?.context("ingest ended with an error")?;
    }
    if let Some(broker) = broker {
        broker.shutdown().await;
    }
    if let Some(maintenance) = maintenance
        && tokio::time::timeout(STOP_PATIENCE, maintenance).await.is_err()
    {
        tracing::info!("a maintenance was left in the middle; the next one takes away what it left");
    }
    Ok(())
}

/// What twins measured is nobody's location, and their clocks run by a calendar of their own: nothing leaves by ours.
fn retention(origin: DataOrigin) -> Retention {
    match origin {
        DataOrigin::Measured => Retention::default(),
        DataOrigin::Simulated => Retention::NEVER,
    }
}

async fn start_broker(address: &str) -> Result<Option<EmbeddedBroker>> {
    if address == "none" {
        return Ok(None);
    }
    let address: SocketAddr =
        address.parse().with_context(|| format!("--broker {address} is neither `none` nor ADDRESS:PORT"))?;
    Ok(Some(broker::start(address).await.with_context(|| format!("cannot start the broker on {address}"))?))
}

fn shown_territories(origin: Origin) -> Result<Vec<Arc<Territory>>> {
    Ok(vec![Arc::new(redon(origin)?), Arc::new(tournee_territory::demo::dublin()?.0)])
}

/// Redon with the statement that goes with its data; the one that ships says that nothing was measured.
fn redon(origin: Origin) -> Result<Territory> {
    let mut territory = tournee_territory::demo::redon()?;
    if origin == Origin::Measured {
        territory.statement = Text {
            fr: "Rues et bâtiments : OpenStreetMap. Mesures des boîtiers embarqués sur les véhicules.".to_owned(),
            en: "Streets and buildings: OpenStreetMap. Measured by the boxes on the vehicles.".to_owned(),
        };
    }
    Ok(territory)
}

/// Looks at the lake again and again; a failed look is told and the last picture stays.
async fn refresh(
    data_dir: &Path,
    origin: Origin,
    shown: Vec<Arc<Territory>>,
    state: AppState,
    every: Duration,
    analysed: watch::Sender<u64>,
) -> Result<()> {
    loop {
        tokio::time::sleep(every).await;
        let outcome = async {
            Analysis::load(data_dir, vec![(redon(origin)?, origin)])?.run(&|_| {}).await?;
            analysed.send_modify(|runs| *runs += 1);
            state.replace(analytics::snapshot(data_dir, &shown).await?)?;
            anyhow::Ok(())
        };
        if let Err(error) = outcome.await {
            tracing::error!("the indicators could not be renewed: {error:#}");
        }
    }
}

/// Maintains the lake and the derived tables every hour, the first time once the pass facts are up to date. A failure is told and
/// tried again the next time; nothing here ends `serve`.
async fn keep_in_order(
    data_dir: PathBuf,
    options: MaintainOptions,
    mut analysed: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            facts = tokio::time::timeout(FACTS_PATIENCE, analysed.changed()) => match facts {
                Ok(Ok(())) => {}
                // The refresh has ended, and `serve` with it.
                Ok(Err(_)) => return,
                Err(_) => tracing::error!("no pass facts for a day: raw rows that are due leave without them"),
            },
        }
        let begun = tokio::time::Instant::now();
        // On a thread of its own: it sorts and encodes for minutes, and ingest and the map share the others. Should it panic, that
        // is one more failure to be told.
        let (dir, options, told) = (data_dir.clone(), options.clone(), stop.clone());
        let runtime = tokio::runtime::Handle::current();
        let run = tokio::task::spawn_blocking(move || runtime.block_on(maintain_once(&dir, &options, &told)));
        match run.await.map_err(anyhow::Error::from).flatten() {
            Ok(Some(report)) => tell(&report),
            Ok(None) => tracing::debug!("there is no lake to maintain yet"),
            Err(error) => tracing::error!("the lake could not be maintained, the next try is in an hour: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(begun + MAINTAIN_EVERY) => {}
        }
        analysed.mark_unchanged();
    }
}

/// One maintenance; none where there is no lake yet.
async fn maintain_once(
    data_dir: &Path,
    options: &MaintainOptions,
    stop: &CancellationToken,
) -> Result<Option<MaintainReport>> {
    let existing = |name: &str| {
        let folder = data_dir.join(name);
        folder.is_dir().then(|| LakeStore::existing(&folder.into())).transpose()
    };
    let Some(lake) = existing("lake")? else { return Ok(None) };
    let derived = existing("derived")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let now_us = i64::try_from(now.as_micros()).context("the clock is far in the future")?;
    Ok(Some(maintain(&lake, derived.as_ref(), options, now_us, stop).await?))
}

fn tell(report: &MaintainReport) {
    for (table, error) in report.errors() {
        tracing::error!(table, error, "not maintained; the next run tries again");
    }
    let sum = |of: fn(&TableReport) -> u64| report.tables.iter().map(of).sum::<u64>();
    let (rewritten, expired) = (sum(|table| table.rows_rewritten), sum(|table| table.rows_expired));
    let removed = sum(|table| table.files_removed);
    tracing::info!(rewritten, expired, removed, complete = report.complete, "maintained");
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        for _ in 0..1_200 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} did not happen");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn maintenance_survives_failures_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let none = maintain_once(dir.path(), &MaintainOptions::default(), &stop).await.unwrap();
        assert_eq!(none, None, "no lake");
        // A folder for temporary files that is not there: every run fails.
        let (analysed, seen) = watch::channel(0);
        let failing = MaintainOptions { temporary: Some(dir.path().join("none")), ..MaintainOptions::default() };
        std::fs::create_dir(dir.path().join("lake")).unwrap();
        assert!(maintain_once(dir.path(), &failing, &stop).await.is_err());
        let task = tokio::spawn(keep_in_order(dir.path().to_owned(), failing, seen, stop.clone()));
        analysed.send_modify(|runs| *runs += 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!task.is_finished(), "a failure does not end it");
        stop.cancel();
        until("the stop", || task.is_finished()).await;
    }

    #[test]
    fn what_twins_measured_stays() {
        assert_eq!(retention(DataOrigin::Simulated), Retention::NEVER);
        assert_eq!(retention(DataOrigin::Measured), Retention::default());
    }
}
