//! `tournee serve`: broker, ingest, analytics and the map in one process, for a user with one machine.

use crate::analytics::{self, Analysis};
use crate::cli::{DataOrigin, ServeOptions};
use crate::{data_dir as folder, shutdown};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_api::{AppState, Snapshot};
use tournee_ingest::broker::{self, EmbeddedBroker};
use tournee_ingest::{IngestConfig, IngestStatus};
use tournee_territory::{Origin, Territory, Text};

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
    let refresh = refresh(&data_dir, origin, shown, state.clone(), Duration::from_secs(options.refresh_s));
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
    Ok(())
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
) -> Result<()> {
    loop {
        tokio::time::sleep(every).await;
        let outcome = async {
            Analysis::load(data_dir, vec![(redon(origin)?, origin)])?.run(&|_| {}).await?;
            state.replace(analytics::snapshot(data_dir, &shown).await?)?;
            anyhow::Ok(())
        };
        if let Err(error) = outcome.await {
            tracing::error!("the indicators could not be renewed: {error:#}");
        }
    }
}
