//! `tournee ingest`

use crate::cli::{AcceptOption, IngestOptions};
use crate::{data_dir, shutdown};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_api::{Probes, serve_probes};
use tournee_ingest::{Accept, FailPlan, IngestConfig, IngestStatus, QuarantineLimits, TlsFiles, ready, render};

/// Runs one worker until told to stop, then drains.
pub async fn run(options: IngestOptions) -> Result<()> {
    let lake = data_dir::live_lake(&options.data, &options.lake)?;
    let mut config = IngestConfig::new(lake, &options.mqtt_host, options.mqtt_port);
    config.shards = options.shards.0..=options.shards.1;
    // One name per range, the same at every start: the broker keeps what came in between under it.
    config.client_id = format!("ingest-{:02}-{:02}", options.shards.0, options.shards.1);
    config.commit_interval = Duration::try_from_secs_f64(options.commit_s).context("--commit-s is not a time span")?;
    config.fail = FailPlan::from_environment()?;
    config.tls = tls(&options)?;
    config.accept = accept(&options)?;
    config.quarantine = QuarantineLimits {
        rows_per_box: options.quarantine_rows,
        bytes_per_box: options.quarantine_bytes,
        ..QuarantineLimits::default()
    };
    let (status, seen) = watch::channel(IngestStatus::default());
    let probes = CancellationToken::new();
    let serving = match options.metrics {
        Some(address) => {
            let role = Arc::new(Worker { seen, commit_interval: config.commit_interval });
            let listener = listen(address).await?;
            eprintln!("metrics: http://{}/metrics", listener.local_addr()?);
            Some(tokio::spawn(serve_probes(listener, role, probes.clone())))
        }
        None => None,
    };
    let report = tournee_ingest::run(config, shutdown::on_signal()?, status).await?;
    // Only now: a drain that takes long can be watched.
    probes.cancel();
    if let Some(serving) = serving {
        serving.await?.context("the server of the metrics ended")?;
    }
    let totals = report.status.totals;
    println!(
        "{} rows in {} commits; refused: {} rows, {} messages",
        totals.stored, totals.commits, totals.refused_rows, totals.refused_messages
    );
    Ok(())
}

fn tls(options: &IngestOptions) -> Result<Option<TlsFiles>> {
    match (&options.mqtt_ca, &options.mqtt_certificate, &options.mqtt_key) {
        (None, None, None) => Ok(None),
        (Some(ca), Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }))
        }
        _ => bail!("TLS needs --mqtt-ca, --mqtt-certificate and --mqtt-key"),
    }
}

fn accept(options: &IngestOptions) -> Result<Accept> {
    let tls = options.mqtt_ca.is_some();
    match options.accept {
        Some(AcceptOption::All) if tls => {
            bail!("--accept all is for a broker on this machine: with TLS take --accept ca or --accept operator")
        }
        Some(AcceptOption::Operator) => Ok(Accept::Operator),
        Some(AcceptOption::Ca) => Ok(Accept::Ca),
        Some(AcceptOption::All) => Ok(Accept::All),
        None if tls => Ok(Accept::Ca),
        None => Ok(Accept::All),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        bail!("--metrics {address} is not a loopback address: nobody signs in there, so take 127.0.0.1");
    }
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: choose another port with --metrics"))
}

/// The worker as its operator asks it.
struct Worker {
    seen: watch::Receiver<IngestStatus>,
    commit_interval: Duration,
}

impl Probes for Worker {
    fn metrics(&self) -> String {
        render(&self.seen.borrow(), rss_bytes())
    }

    fn ready(&self) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ready(&self.seen.borrow(), self.commit_interval, i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Resident memory by `/proc/self/status`, proc(5), bytes.
fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}
