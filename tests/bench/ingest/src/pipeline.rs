//! Load generator → Debian's Mosquitto → two workers → lake → watermarks, as separate processes on one machine.

use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tournee_tests::{Running, free_port, mosquitto, wait_until};

use crate::aims::{Report, thousands};
use crate::fleet::{BATCH_ROWS, cork, fleet};
use crate::load::drive;
use crate::process::{binary, cpu_s, folder_bytes, peak_rss_mb};

const SHARDS: [&str; 2] = ["0-31", "32-63"];

/// Broker and workers.
struct Plant {
    folder: tempfile::TempDir,
    port: u16,
    broker: Running,
    workers: Vec<Running>,
}

impl Plant {
    fn start(commit_s: f64) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let path = folder.path();
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 1000000\n\
             max_queued_bytes 4294967296\nmessage_size_limit 262144\nset_tcp_nodelay true\npersistence false\n"
        );
        std::fs::write(path.join("mosquitto.conf"), settings)?;
        let broker =
            Running::start("mosquitto", path, Command::new(mosquitto()?).arg("-c").arg(path.join("mosquitto.conf")))?;
        wait_until("the broker", Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).ok())?;
        let mut workers = Vec::new();
        for (number, shards) in SHARDS.iter().enumerate() {
            workers.push(Running::start(
                &format!("ingest-{number}"),
                path,
                Command::new(binary("tournee")?)
                    .env("TOURNEE_LOG", "info")
                    .args(["ingest", "--shards", shards, "--commit-s", &commit_s.to_string()])
                    .args(["--mqtt-port", &port.to_string(), "--data"])
                    .arg(path.join("data")),
            )?);
        }
        // A batch that nobody subscribes to is dropped by the broker; the fleet's queue would send it again, this one not.
        wait_until("the workers", Duration::from_secs(60), || {
            workers.iter().all(|worker| worker.output().contains("connected to the broker")).then_some(())
        })?;
        std::thread::sleep(Duration::from_millis(500));
        Ok(Self { folder, port, broker, workers })
    }

    fn cpu_s(&self) -> Result<f64> {
        self.workers.iter().map(|worker| cpu_s(worker.id())).sum()
    }

    fn prove(self) -> Result<()> {
        for worker in self.workers {
            ensure!(worker.terminate(Duration::from_secs(60))?.success(), "a worker did not end well");
        }
        let check =
            Command::new(binary("tournee")?).args(["check", "--data"]).arg(data(self.folder.path())).output()?;
        ensure!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        Ok(())
    }
}

fn data(folder: &Path) -> std::path::PathBuf {
    folder.join("data")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// As fast as it goes.
pub fn fast(rows: usize, report: &mut Report) -> Result<()> {
    let fleet = fleet(&cork()?, "fast", 1_000, rows)?;
    let plant = Plant::start(5.0)?;
    let (cpu, broker, own) = (plant.cpu_s()?, cpu_s(plant.broker.id())?, cpu_s(std::process::id())?);
    let outcome = runtime()?.block_on(drive(&fleet, plant.port, None))?;
    let million = fleet.rows as f64 / 1e6;
    report.add(
        "broker to watermark, two workers, rows/s",
        format!("{} ({:.1} s)", thousands(fleet.rows as f64 / outcome.wall.as_secs_f64()), outcome.wall.as_secs_f64()),
        "≥ 200,000",
    );
    report.add(
        "CPU s per million rows: workers / broker / load generator",
        format!(
            "{:.2} / {:.2} / {:.2}",
            (plant.cpu_s()? - cpu) / million,
            (cpu_s(plant.broker.id())? - broker) / million,
            (cpu_s(std::process::id())? - own) / million
        ),
        "",
    );
    let bytes = folder_bytes(&data(plant.folder.path()).join("lake/mobile"));
    report.add(
        "bytes a row as ingest leaves them (5 s commits)",
        format!("{:.1}", bytes as f64 / fleet.rows as f64),
        "",
    );
    plant.prove()
}

/// A national fleet's pace.
pub fn paced(seconds: u64, report: &mut Report) -> Result<()> {
    const ROWS_PER_S: f64 = 100_000.0;
    const COMMIT_S: f64 = 10.0;
    let rows = (ROWS_PER_S * seconds as f64) as usize;
    // One batch a vehicle and minute: 1,667 messages a second.
    let vehicles = (rows / BATCH_ROWS / 20).max(100);
    let fleet = fleet(&cork()?, "paced", vehicles, rows)?;
    let plant = Plant::start(COMMIT_S)?;
    let cpu = plant.cpu_s()?;
    let outcome = runtime()?.block_on(drive(&fleet, plant.port, Some(ROWS_PER_S)))?;
    let sent = fleet.rows as f64 / outcome.publishing.as_secs_f64();
    report.add("pace that was held, rows/s", format!("{} for {seconds} s", thousands(sent)), "100,000");
    report.add(
        "publish to watermark, commits every 10 s: median / p99",
        format!("{:.1} s / {:.1} s", outcome.quantile(0.5).as_secs_f64(), outcome.quantile(0.99).as_secs_f64()),
        "p99 ≤ 11 s",
    );
    let memory: Vec<String> = plant
        .workers
        .iter()
        .map(|worker| peak_rss_mb(worker.id()).map(|mb| format!("{mb:.0}")))
        .collect::<Result<_>>()?;
    report.add("peak memory of each of the two workers, MB", memory.join(" / "), "≤ 400");
    report.add(
        "CPU of both workers, share of one core",
        format!("{:.0} %", 100.0 * (plant.cpu_s()? - cpu) / outcome.publishing.as_secs_f64()),
        "",
    );
    plant.prove()
}
