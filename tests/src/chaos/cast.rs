//! The processes of a seed: started, killed, started again, and found out when one ends that nobody killed.

use super::broker::broker_configuration;
use super::part::{Part, Tally, count_points};
use super::plan::LIVES;
use super::proxy::Proxy;
use super::{Consumer, Event, FLEETS, PER_FLEET, Plan, VEHICLES, WORKERS, Who};
use crate::{binary, mosquitto, wait_until};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Between two commits of a worker, seconds.
const COMMIT_S: &str = "0.2";
/// How long spools and tables may take at the start.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Between two runs of the maintenance.
const MAINTENANCE_PAUSE: Duration = Duration::from_millis(500);

/// Everybody.
pub struct Cast {
    folder: PathBuf,
    data: PathBuf,
    plan: Plan,
    consumer: Consumer,
    fleet_proxies: Vec<Proxy>,
    worker_proxies: Vec<Proxy>,
    broker: Option<Part>,
    workers: Vec<Part>,
    fleets: Vec<Part>,
    maintenance: Option<Part>,
    maintenance_due: Instant,
    maintenance_lives: usize,
    /// No fault begins any more.
    calm: bool,
    /// What happened so far.
    pub tally: Tally,
}

impl Cast {
    /// Starts all.
    ///
    /// # Errors
    /// What cannot be started.
    pub fn start(folder: &Path, plan: &Plan, consumer: Consumer, runtime: &Handle) -> Result<Self> {
        let socket = folder.join("broker.sock");
        fs::write(folder.join("mosquitto.conf"), broker_configuration(folder, &socket, plan.broker_persists))?;
        let proxies =
            |count: usize| (0..count).map(|_| Proxy::start(runtime, socket.clone())).collect::<Result<Vec<_>>>();
        let mut cast = Self {
            folder: folder.to_owned(),
            data: folder.join("data"),
            plan: plan.clone(),
            consumer,
            fleet_proxies: proxies(FLEETS)?,
            worker_proxies: proxies(WORKERS)?,
            broker: None,
            workers: Vec::new(),
            fleets: Vec::new(),
            maintenance: None,
            maintenance_due: Instant::now() + MAINTENANCE_PAUSE,
            maintenance_lives: 0,
            calm: false,
            tally: Tally::default(),
        };
        cast.broker = Some(cast.new_broker(0)?);
        for worker in 0..WORKERS {
            let part = cast.new_worker(worker, 0)?;
            cast.workers.push(part);
        }
        for fleet in 0..FLEETS {
            let part = cast.new_fleet(fleet, 0)?;
            cast.fleets.push(part);
        }
        cast.wait_until_ready()?;
        Ok(cast)
    }

    /// Until every vehicle has its spool and the lake all its tables: what is driven before is driven for nobody. A worker
    /// may fail on purpose while it makes them.
    fn wait_until_ready(&mut self) -> Result<()> {
        let last_table = self.lake().join("quarantine/_delta_log");
        let until = Instant::now() + READY_WITHIN;
        loop {
            self.tend_workers()?;
            let spools = (0..VEHICLES).all(|vehicle| self.folder.join(format!("spool-{vehicle}.db")).exists());
            if spools && last_table.is_dir() {
                return Ok(());
            }
            ensure!(Instant::now() < until, "no spools and tables after {READY_WITHIN:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The lake.
    #[must_use]
    pub fn lake(&self) -> PathBuf {
        self.data.join("lake")
    }

    fn new_broker(&self, life: usize) -> Result<Part> {
        let socket = self.folder.join("broker.sock");
        // A killed broker leaves it behind.
        drop(fs::remove_file(&socket));
        let mut command = Command::new(mosquitto()?);
        let part =
            Part::start("mosquitto", &self.folder, life, command.arg("-c").arg(self.folder.join("mosquitto.conf")))?;
        wait_until("the broker's socket", Duration::from_secs(30), || socket.exists().then_some(()))?;
        Ok(part)
    }

    fn new_worker(&self, worker: usize, life: usize) -> Result<Part> {
        let port = self.worker_proxies[worker].port().to_string();
        let shards = if worker == 0 { "0-31" } else { "32-63" };
        let mut command = match self.consumer {
            Consumer::Tournee => Command::new(binary("tournee")?),
            Consumer::AcknowledgesOnReceipt => Command::new(binary("chaos-baseline")?),
        };
        command.args(["ingest", "--mqtt-port", &port, "--shards", shards, "--commit-s", COMMIT_S, "--data"]);
        command.arg(&self.data).env("TOURNEE_LOG", "warn").env("NO_COLOR", "1").env_remove("TOURNEE_FAIL");
        let rules = self.plan.lives[worker].get(life).and_then(Option::as_ref);
        if let Some(rules) = rules.filter(|_| !self.calm && life < LIVES) {
            command.env("TOURNEE_FAIL", rules);
        }
        Part::start(&format!("worker-{worker}"), &self.folder, life, &mut command)
    }

    fn new_fleet(&self, fleet: usize, life: usize) -> Result<Part> {
        let (first, count) = ((fleet * PER_FLEET).to_string(), PER_FLEET.to_string());
        let mut command = Command::new(binary("chaos-fleet")?);
        command.arg(&self.folder).args([&first, &count, &self.fleet_proxies[fleet].port().to_string()]);
        Part::start(&format!("fleet-{fleet}"), &self.folder, life, command.env("NO_COLOR", "1"))
    }

    fn new_maintenance(&mut self) -> Result<Part> {
        let mut command = Command::new(binary("tournee")?);
        // Everything is old enough, few files are enough, none is too large: each run has something to do.
        command.args(["lake", "maintain", "--once", "--settle", "0s", "--hot-files", "2", "--data"]).arg(&self.data);
        command.arg("--temporary").arg(&self.folder);
        command.env("TOURNEE_LOG", "warn").env("NO_COLOR", "1").env_remove("TOURNEE_FAIL");
        let life = self.maintenance_lives;
        self.maintenance_lives += 1;
        if let Some(rules) = self.plan.maintenance.as_ref().filter(|_| (1..=2).contains(&life) && !self.calm) {
            command.env("TOURNEE_FAIL", rules);
        }
        Part::start("maintenance", &self.folder, life, &mut command)
    }

    fn proxy(&self, who: Who) -> &Proxy {
        match who {
            Who::Fleet(fleet) => &self.fleet_proxies[fleet],
            Who::Worker(worker) => &self.worker_proxies[worker],
        }
    }

    /// Does what the plan says.
    ///
    /// # Errors
    /// Who had ended by himself, or cannot be started again.
    pub fn act(&mut self, event: Event) -> Result<()> {
        let mut killed = |who| *self.tally.kills.entry(who).or_default() += 1;
        match event {
            Event::KillFleet(fleet) => {
                killed("fleet");
                let old = self.fleets.remove(fleet);
                let life = old.life + 1;
                // Gone before the next one opens its lines and spools.
                old.kill()?;
                self.fleets.insert(fleet, self.new_fleet(fleet, life)?);
            }
            Event::KillWorker(worker) => {
                killed("worker");
                let old = self.workers.remove(worker);
                let life = old.life + 1;
                old.kill()?;
                self.workers.insert(worker, self.new_worker(worker, life)?);
            }
            Event::KillBroker => {
                killed("broker");
                let old = self.broker.take().context("a broker runs")?;
                let life = old.life + 1;
                old.kill()?;
                self.broker = Some(self.new_broker(life)?);
            }
            Event::KillMaintenance => {
                if let Some(part) = self.maintenance.take() {
                    // It may have come to its end just now.
                    drop(part);
                    killed("maintenance");
                }
            }
            Event::Cut(who) => self.proxy(who).cut(),
            Event::Hold(who) => self.proxy(who).hold(),
            Event::Refuse(who) => self.proxy(who).refuse(),
            Event::Heal(who) => self.proxy(who).heal(),
        }
        if matches!(event, Event::Cut(_) | Event::Hold(_) | Event::Refuse(_)) {
            self.tally.cuts += 1;
        }
        Ok(())
    }

    /// Starts again who failed on purpose, and the maintenance when it is due. True when there was such a failure.
    ///
    /// # Errors
    /// Who ended by himself.
    pub fn tend(&mut self) -> Result<bool> {
        let failed = self.tend_workers()?;
        if let Some(broker) = &mut self.broker {
            ensure!(broker.running.is_alive(), "the broker ended by itself:\n{}", broker.running.output());
        }
        self.tend_maintenance()?;
        Ok(failed)
    }

    fn tend_workers(&mut self) -> Result<bool> {
        let mut failed = false;
        for worker in 0..WORKERS {
            if self.workers[worker].running.is_alive() {
                continue;
            }
            let part = &self.workers[worker];
            ensure!(Part::failed_on_purpose(&part.log), "worker {worker} ended by itself:\n{}", part.running.output());
            self.workers[worker] = self.new_worker(worker, part.life + 1)?;
            failed = true;
        }
        Ok(failed)
    }

    fn tend_maintenance(&mut self) -> Result<()> {
        if self.consumer != Consumer::Tournee {
            return Ok(());
        }
        if let Some(mut part) = self.maintenance.take() {
            if part.running.is_alive() {
                self.maintenance = Some(part);
                return Ok(());
            }
            self.maintenance_due = Instant::now() + MAINTENANCE_PAUSE;
            let Part { running, log, .. } = part;
            let output = running.output();
            if running.wait(Duration::from_secs(1))?.success() {
                self.tally.maintained += 1;
            } else if !Part::failed_on_purpose(&log) {
                bail!("the maintenance ended with an error:\n{output}");
            }
        } else if !self.calm && Instant::now() >= self.maintenance_due && self.lake().is_dir() {
            self.maintenance = Some(self.new_maintenance()?);
        }
        Ok(())
    }

    /// No more faults: everything passes, who is started from now on is healthy.
    pub fn heal(&mut self) {
        self.calm = true;
        self.fleet_proxies.iter().chain(&self.worker_proxies).for_each(Proxy::heal);
    }

    /// Whether every vehicle has ended, with everything in the lake.
    ///
    /// # Errors
    /// A process of vehicles that ended with an error.
    pub fn vehicles_are_done(&mut self) -> Result<bool> {
        let mut running = Vec::new();
        for mut part in self.fleets.drain(..) {
            if part.running.is_alive() {
                running.push(part);
                continue;
            }
            let output = part.running.output();
            let status = part.running.wait(Duration::from_secs(1))?;
            ensure!(status.success(), "vehicles ended with {status}:\n{output}");
        }
        self.fleets = running;
        Ok(self.fleets.is_empty())
    }

    /// Tells the workers to stop, and everybody else.
    ///
    /// # Errors
    /// A worker that does not end well.
    pub fn end(mut self) -> Result<Tally> {
        drop(self.maintenance.take());
        for part in self.workers.drain(..) {
            let output = part.running.output();
            let status = part.running.terminate(Duration::from_secs(60))?;
            ensure!(status.success() || Part::failed_on_purpose(&part.log), "a worker ended with {status}:\n{output}");
        }
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                count_points(&fs::read_to_string(path)?, &mut self.tally.points);
            }
        }
        Ok(self.tally)
    }
}
