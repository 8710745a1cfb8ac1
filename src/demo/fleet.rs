//! Twin boxes on pseudo-terminals, one edge agent each.

use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{AgentConfig, AgentReport, AgentStatus, RunOptions};
use tournee_twin::port::TwinPort;
use tournee_twin::{LineNoise, TwinBox, World, demo_plan};

/// Days pass in seconds here: so does the patience of a vehicle that hears of no commit.
const WATERMARK_TIMEOUT_S: u64 = 5;
/// What a vehicle may send of its past.
const CATCH_UP_BYTES_PER_S: u64 = 64 << 20;

/// What a fleet is made of.
pub struct FleetPlan<'a> {
    /// The town with its truth.
    pub world: Arc<World>,
    /// Everything random comes from this.
    pub seed: u64,
    /// Vehicles.
    pub boxes: u32,
    /// Rounds of each.
    pub rounds: u32,
    /// Folder of the agents' spools.
    pub spool_dir: &'a Path,
    /// Port of the broker on loopback.
    pub mqtt_port: u16,
}

/// A fleet under way.
pub struct Fleet {
    agents: JoinSet<Result<AgentReport>>,
    drives: JoinSet<Result<()>>,
    driven_s: Arc<AtomicU64>,
    shutdown: CancellationToken,
    statuses: Vec<watch::Receiver<AgentStatus>>,
    total_s: u64,
}

/// The name of a simulated vehicle.
pub fn box_id(vehicle: u32) -> String {
    format!("twin-{vehicle}")
}

impl Fleet {
    /// Opens the serial lines and starts to drive.
    pub fn start(plan: &FleetPlan<'_>, shutdown: &CancellationToken) -> Result<Self> {
        let mut fleet = Self {
            agents: JoinSet::new(),
            drives: JoinSet::new(),
            driven_s: Arc::new(AtomicU64::new(0)),
            shutdown: shutdown.clone(),
            statuses: Vec::new(),
            total_s: 0,
        };
        for vehicle in 0..plan.boxes {
            let rounds = demo_plan(vehicle, plan.rounds);
            fleet.total_s += rounds.total_s();
            let mut port = TwinPort::open().context("cannot open a pseudo-terminal")?;
            let mut config = AgentConfig::new(
                &box_id(vehicle),
                port.path(),
                &plan.spool_dir.join(format!("{}.db", box_id(vehicle))),
            )?;
            config.mqtt.port = plan.mqtt_port;
            config.mqtt.watermark_timeout_s = WATERMARK_TIMEOUT_S;
            // A fleet that comes back shares its network; here two weeks pass in seconds and share nothing.
            config.mqtt.catch_up_bytes_per_s = CATCH_UP_BYTES_PER_S;
            let (sender, receiver) = watch::channel(AgentStatus::default());
            fleet.statuses.push(receiver);
            let options = RunOptions { finish_on_eof: true, ..RunOptions::default() };
            fleet.agents.spawn(agent(config, options, shutdown.clone(), sender));

            let mut twin = TwinBox::new(Arc::clone(&plan.world), plan.seed, vehicle, rounds, LineNoise::default());
            let driven_s = Arc::clone(&fleet.driven_s);
            fleet.drives.spawn_blocking(move || {
                let outcome = port.pump(&mut twin, |_| {
                    driven_s.fetch_add(1, Ordering::Relaxed);
                });
                outcome.with_context(|| format!("the serial line of vehicle {vehicle} failed"))
            });
        }
        Ok(fleet)
    }

    /// Simulated seconds driven so far, all vehicles.
    pub fn driven_s(&self) -> u64 {
        self.driven_s.load(Ordering::Relaxed)
    }

    /// Simulated seconds that all vehicles will drive.
    pub fn total_s(&self) -> u64 {
        self.total_s
    }

    /// Samples stored on the vehicles and samples acknowledged by watermarks, so far.
    pub fn delivered(&self) -> (u64, u64) {
        self.statuses.iter().fold((0, 0), |(generated, acknowledged), status| {
            let status = status.borrow();
            (generated + status.generated_total(), acknowledged + status.acknowledged_total())
        })
    }

    /// Waits until every vehicle has driven its rounds and every sample is acknowledged. `tick` is called four times a second.
    pub async fn finish(mut self, mut tick: impl FnMut(&Self)) -> Result<Vec<AgentReport>> {
        let mut reports = Vec::new();
        let mut clock = tokio::time::interval(std::time::Duration::from_millis(250));
        // Agents that were told to stop read no more: a drive that waits for its reader is not waited for.
        while !self.agents.is_empty() || (!self.drives.is_empty() && !self.shutdown.is_cancelled()) {
            tokio::select! {
                Some(report) = self.agents.join_next() => reports.push(report??),
                Some(drive) = self.drives.join_next() => drive??,
                _ = clock.tick() => tick(&self),
                () = self.shutdown.cancelled(), if self.agents.is_empty() => {}
            }
        }
        reports.sort_by(|a, b| a.box_id.cmp(&b.box_id));
        Ok(reports)
    }
}

async fn agent(
    config: AgentConfig,
    options: RunOptions,
    shutdown: CancellationToken,
    status: watch::Sender<AgentStatus>,
) -> Result<AgentReport> {
    let box_id = config.box_id.clone();
    tournee_edge_agent::run(config, options, shutdown, status).await.with_context(|| format!("agent of {box_id}"))
}
