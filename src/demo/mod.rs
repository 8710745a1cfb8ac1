//! `tournee demo`: the whole road on a simulated fleet, and a partner's real measurements beside it.

mod figures;
mod fleet;
mod layers;
mod progress;
mod town;
mod truth;

use crate::analytics::{self, Analysis};
use crate::cli::DemoOptions;
use crate::{check, data_dir as folder, shutdown};
use anyhow::{Context, Result, bail};
use figures::Figures;
use fleet::{Fleet, FleetPlan};
use progress::Stages;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::AgentReport;
use tournee_ingest::{IngestConfig, IngestReport, IngestStatus, broker};
use tournee_territory::{Origin, Territory};
use tournee_twin::World;

/// Simulated days pass in seconds: a short interval keeps the watermark close.
const COMMIT_INTERVAL: Duration = Duration::from_millis(1_000);

/// Runs the demo.
pub async fn run(options: DemoOptions) -> Result<()> {
    let shutdown = shutdown::on_signal()?;
    // Before anything is computed: a port in use must not cost a minute.
    let listener = if options.once { None } else { Some(crate::serve::listen(options.http).await?) };
    let data_dir = options.data_dir.clone();
    prepare_folder(&data_dir)?;

    let stages = Stages::new();
    let stage = stages.stage("Territory", 1);
    let redon = tournee_territory::demo::redon()?;
    let (dublin, partner_layer, _) = tournee_territory::demo::dublin_with_report()?;
    let world = world(options.seed, &redon)?;
    truth::write(&world, &data_dir)?;
    layers::write(&world, options.seed, &redon.id, &data_dir)?;
    stage.done(&format!(
        "{}: {} sections, {} buildings; {}: {} sections",
        redon.name.fr,
        redon.sections.len(),
        redon.buildings.len(),
        dublin.name.fr,
        dublin.sections.len()
    ));

    let (agents, ingested) = drive(&options, &data_dir, Arc::clone(&world), &stages, &shutdown).await?;
    if shutdown.is_cancelled() {
        bail!("stopped before the end; what was stored lies in {}", data_dir.display());
    }

    let stage = stages.stage("Lake check", 1);
    let lake = check::lake(&data_dir).await?;
    let generated: u64 = agents.iter().map(AgentReport::generated_samples).sum();
    stage.done(&format!(
        "generated {generated} = stored {} + gaps {}, duplicates {}, quarantined {}",
        lake.stored, lake.gaps, lake.duplicates, lake.quarantined
    ));

    let stage = stages.stage("Map matching, indicators", 100);
    let analysis = Analysis::load(&data_dir, vec![(redon, Origin::Simulated)])?;
    let mut reports = analysis.run(&|done| stage.set((done * 100.0) as u64)).await?;
    let report = reports.pop().context("the territory was analysed")?;
    let partner = analytics::import_partner(&data_dir, &dublin, &partner_layer).await?;
    stage.done(&format!("{} passes, {} indicators; {} of a partner", report.passes, report.indicators, partner));

    let correlation = truth::rank_correlation(&world, &data_dir, &analysis.territories()[0].id).await?;
    let recommendations: u64 = report.recommendations.values().map(|count| u64::from(*count)).sum();
    let figures = Figures {
        generated,
        stored: lake.stored,
        gaps: lake.gaps,
        quarantined: lake.quarantined,
        duplicates: lake.duplicates,
        boxes: agents.len() as u64,
        passes: report.passes,
        sections_measured: report
            .sections_measured
            .iter()
            .map(|(theme, count)| (theme.name().to_owned(), u64::from(*count)))
            .collect(),
        indicators: u64::from(report.indicators) + partner,
        recommendations,
        recommendations_by_rule: report
            .recommendations
            .iter()
            .map(|(rule, count)| (rule.clone(), u64::from(*count)))
            .collect::<BTreeMap<_, _>>(),
        frames_bad: agents.iter().map(|agent| agent.line.frames_bad).sum(),
        frames_lost: agents.iter().map(|agent| agent.line.frames_lost).sum(),
        truth_rank_correlation: correlation,
        seed: options.seed,
        data_dir: data_dir.display().to_string(),
        elapsed_s: (stages.elapsed_s() * 10.0).round() / 10.0,
    };
    tracing::info!(?ingested, "ingest ended");
    print(&figures, options.json)?;
    anyhow::ensure!(
        figures.stored + figures.gaps == figures.generated && figures.duplicates == 0,
        "generated = stored + gaps does not hold: please report this with the seed {}",
        figures.seed
    );

    let Some(listener) = listener else { return Ok(()) };
    let mut territories: Vec<Arc<Territory>> = analysis.into_territories().into_iter().map(Arc::new).collect();
    territories.push(Arc::new(dublin));
    let snapshot = analytics::snapshot(&data_dir, &territories).await?;
    println!("\nLa carte / the map: http://{}   (Ctrl-C to stop)", listener.local_addr()?);
    if options.until_stdin_closes {
        stop_with_stdin(shutdown.clone());
    }
    crate::serve::map(listener, snapshot, shutdown).await
}

/// The simulated town of a territory, with its truth.
pub fn world(seed: u64, territory: &Territory) -> Result<Arc<World>> {
    let world = World::new(seed, town::of(territory)).context("the twin cannot drive this territory")?;
    Ok(Arc::new(world))
}

async fn drive(
    options: &DemoOptions,
    data_dir: &Path,
    world: Arc<World>,
    stages: &Stages,
    shutdown: &CancellationToken,
) -> Result<(Vec<AgentReport>, IngestReport)> {
    let broker = broker::start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = broker.local_addr();
    let mut config = IngestConfig::new(data_dir.join("lake"), "127.0.0.1", address.port());
    config.commit_interval = COMMIT_INTERVAL;
    let ingest_stop = CancellationToken::new();
    let (status, mut seen) = watch::channel(IngestStatus::default());
    let mut ingest = tokio::spawn(tournee_ingest::run(config, ingest_stop.clone(), status));
    // A broker drops what nobody has subscribed to yet. The vehicles would send it again, but only after their patience.
    tokio::select! {
        connected = seen.wait_for(|status| status.connected) => {
            connected.context("ingest ended before it was connected")?;
        }
        ended = &mut ingest => {
            ended??;
            bail!("ingest ended before it was connected");
        }
    }

    let plan = FleetPlan {
        world,
        seed: options.seed,
        boxes: options.boxes,
        rounds: options.rounds,
        spool_dir: &data_dir.join("spool"),
        mqtt_port: address.port(),
    };
    let fleet = Fleet::start(&plan, shutdown)?;
    let total_s = fleet.total_s();
    let driving = stages.stage("Fleet on the road", total_s);
    let delivering = stages.stage("Samples into the lake", 100);
    let agents = fleet
        .finish(|fleet| {
            driving.set(fleet.driven_s());
            let (generated, acknowledged) = fleet.delivered();
            let driven = fleet.driven_s() as f64 / total_s.max(1) as f64;
            delivering.set((driven * 100.0 * acknowledged as f64 / generated.max(1) as f64) as u64);
        })
        .await?;
    driving.done(&format!(
        "{} boxes × {} rounds, {:.1} h driven",
        options.boxes,
        options.rounds,
        total_s as f64 / 3_600.0
    ));
    ingest_stop.cancel();
    let ingested = ingest.await??;
    delivering.done(&format!("{} rows in {} commits", ingested.status.totals.stored, ingested.status.totals.commits));
    broker.shutdown().await;
    Ok((agents, ingested))
}

/// Makes the folder, or empties it where an earlier demo made it.
fn prepare_folder(dir: &Path) -> Result<()> {
    let unwritable = || format!("cannot write the data folder {}: choose another with --data", dir.display());
    let occupied = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => false,
    };
    if occupied {
        if !folder::is_demo(dir) {
            bail!("{} is not empty and not a demo's folder: choose another with --data", dir.display());
        }
        std::fs::remove_dir_all(dir).with_context(unwritable)?;
    }
    std::fs::create_dir_all(dir.join("spool")).with_context(unwritable)?;
    folder::mark_demo(dir).with_context(unwritable)
}

fn print(figures: &Figures, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(figures)?);
        return Ok(());
    }
    println!(
        "\n{} samples generated = {} stored + {} given up; {} twice; {} frames broken on the line, {} lost, all counted",
        figures.generated, figures.stored, figures.gaps, figures.duplicates, figures.frames_bad, figures.frames_lost
    );
    for (theme, sections) in &figures.sections_measured {
        let rho = figures.truth_rank_correlation.get(theme).copied().unwrap_or(f64::NAN);
        println!("{theme:<8} {sections:>5} sections, rank correlation with the simulated truth {rho:.2}");
    }
    for (rule, count) in &figures.recommendations_by_rule {
        println!("{rule:<22} {count:>4} recommendations");
    }
    println!(
        "{:.1} s; try: tournee sql --data {} \"SELECT theme, count(*) FROM indicator GROUP BY theme\"",
        figures.elapsed_s, figures.data_dir
    );
    Ok(())
}

fn stop_with_stdin(shutdown: CancellationToken) {
    // A plain thread: a blocking read of standard input must not hold up the runtime's end.
    std::thread::spawn(move || {
        let mut sink = [0_u8; 64];
        while std::io::Read::read(&mut std::io::stdin(), &mut sink).is_ok_and(|read| read > 0) {}
        shutdown.cancel();
    });
}
