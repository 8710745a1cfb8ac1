//! `bench-agent`: one table of what the agent costs and how fast it is, beside what was aimed at.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::Command;
use tournee_bench_agent::{catch_up, drives, report::Report, used, vehicle, wire};

/// Hours of drive in a working day.
const DAY_H: f64 = 6.0;

/// Measures the agent. Needs Debian's Mosquitto, and for the real drives the recordings (TOURNEE_SHARED_DATA).
#[derive(Parser, Debug)]
struct Options {
    /// The program that is measured; without it the `edge-agent` of this build, which is built first.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where spools are made: a folder on a disk, as memory has no bytes to count.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Seconds of the fast drive.
    #[arg(long, default_value_t = 3_660)]
    drive_s: u32,
    /// Its seconds per second; at most 100, where a commit a second of drive is a commit each 10 ms.
    #[arg(long, default_value_t = 20.0)]
    speed: f64,
    /// Seconds of the drive in real time.
    #[arg(long, default_value_t = 180)]
    real_s: u32,
    /// Seconds of drive in the day offline.
    #[arg(long, default_value_t = 21_600)]
    day_s: u32,
    /// Only these: wire, drive, real, catch-up, start.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// The root of the workspace.
fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The folder of real recordings; none on a machine without them.
fn shared_data() -> Option<PathBuf> {
    let beside = || workspace_root().join("../shared/data");
    let path = std::env::var_os("TOURNEE_SHARED_DATA").map_or_else(beside, PathBuf::from);
    path.is_dir().then_some(path)
}

fn main() -> Result<()> {
    let options = Options::parse();
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    let mut report = Report::default();
    report.add("machine", used::machine());
    report.add("at", chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    if wanted("wire") {
        bytes_on_the_wire(&mut report)?;
    }
    let program = match &options.agent {
        Some(program) => program.clone(),
        None => build()?,
    };
    report.add("agent", describe(&program)?);
    let plan = vehicle::Plan {
        program: program.clone(),
        folder: folder.clone(),
        seconds: options.drive_s,
        speed: options.speed,
    };
    if wanted("drive") {
        drive(&mut report, &plan)?;
    }
    if wanted("real") {
        drive(&mut report, &vehicle::Plan { seconds: options.real_s, speed: 1.0, ..plan })?;
    }
    if wanted("catch-up") {
        deliver(&mut report, &program, &folder, options.day_s)?;
    }
    if wanted("start") {
        let starts = (0..3).map(|_| vehicle::start_up(&program, &folder)).collect::<Result<Vec<_>>>()?;
        let most = |of: fn(&vehicle::StartUp) -> f64| starts.iter().map(of).fold(0.0, f64::max);
        report.add("start-up: process to status socket", format!("{:.3} s (longest of 3)", most(|it| it.answers_s)));
        report.add(
            "start-up: process to first stored sample",
            format!("{:.2} s (longest of 3; box on and driving, commit each 1 s)", most(|it| it.stored_s)),
        );
    }
    println!("{}", report.table());
    println!("repeat: cargo run --release -p tournee-bench-agent; hot paths: cargo bench -p tournee-bench-agent");
    Ok(())
}

/// The agent of the same profile, beside this program.
fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let release = own.components().any(|part| part.as_os_str() == "release");
    if !release {
        eprintln!("this is not a release build: the figures are not those of one");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "tournee-edge-agent", "--bin", "edge-agent"]).current_dir(workspace_root());
    command.args(release.then_some("--release"));
    ensure!(command.status().context("cargo")?.success(), "edge-agent cannot be built");
    let program = own.with_file_name("edge-agent");
    if !program.is_file() {
        bail!("{} is not there: name one with --agent", program.display());
    }
    Ok(program)
}

fn describe(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output().with_context(|| program.display().to_string())?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let profile = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    Ok(format!("{version}, {:.1} MB, profile {profile}", std::fs::metadata(program)?.len() as f64 / 1e6))
}

fn bytes_on_the_wire(report: &mut Report) -> Result<()> {
    let Some(data) = shared_data() else {
        report.add("wire", "SKIPPED: no recordings; set TOURNEE_SHARED_DATA");
        return Ok(());
    };
    for drive in [drives::cork(&data)?, drives::comma2k19(&data)?] {
        let own = wire::own(&drive);
        let name = &drive.name;
        report.at_most(&format!("{name}: payload"), own.payload, 15.0, "B/sample");
        report.add(
            &format!("{name}: with MQTT's own bytes"),
            format!("{:.2} B/sample, {} samples in {} batches", own.mqtt, own.samples, own.batches),
        );
        let streams = own.streams.iter().map(|(stream, (samples, bytes))| {
            format!("{} {:.1} ({samples})", stream.name(), *bytes as f64 / (*samples).max(1) as f64)
        });
        report.add(&format!("{name}: by stream"), streams.collect::<Vec<_>>().join(", "));
        // The stream that says why, where the aim is missed: the one with the most bytes.
        if let Some((stream, _)) = own.streams.iter().max_by_key(|(_, (_, bytes))| *bytes) {
            let columns = wire::columns(&drive, *stream)?.into_iter().take(6);
            let columns: Vec<String> = columns.map(|(column, bytes)| format!("{column} {bytes:.1}")).collect();
            report.add(&format!("{name}: dearest columns of {}", stream.name()), columns.join(", "));
        }
        for (format, size) in wire::others(&drive)? {
            report.add(
                &format!("{name}: {format}"),
                format!(
                    "{:.1} B/sample, with zstd {:.1} ({:.1} and {:.1} times ours)",
                    size.plain,
                    size.packed,
                    size.plain / own.payload,
                    size.packed / own.payload
                ),
            );
        }
    }
    Ok(())
}

fn drive(report: &mut Report, plan: &vehicle::Plan) -> Result<()> {
    let drive = vehicle::drive(plan)?;
    ensure!(drive.used.written_bytes > 0, "{} is on no disk (tmpfs?): name one with --folder", plan.folder.display());
    let name = if plan.speed > 1.0 {
        format!("drive at {:.0} times real time", plan.speed)
    } else {
        "drive in real time".to_owned()
    };
    report.add(
        &format!("{name}: what"),
        format!(
            "{:.0} s of drive in {:.0} s; {} frames, {} samples, {:.2} B/sample, all there",
            drive.drive_s,
            drive.took_s,
            drive.frames,
            drive.samples,
            drive.payload_bytes as f64 / drive.samples as f64
        ),
    );
    report.at_most(&format!("{name}: memory, most"), drive.used.resident_most_bytes as f64 / 1e6, 25.0, "MB");
    report.add(
        &format!("{name}: memory, at the end"),
        format!(
            "{:.2} MB, of that {:.2} MB its own",
            drive.used.resident_bytes as f64 / 1e6,
            drive.used.anonymous_bytes as f64 / 1e6
        ),
    );
    report.at_most(&format!("{name}: processor"), drive.cpu_share * 100.0, 2.0, "% of a core");
    // Faster than real time the disk is asked more often than it can answer, and one commit serves several seconds.
    if plan.speed <= 1.0 {
        report.at_most(&format!("{name}: flash, a day of 6 h"), drive.written_per_hour * DAY_H / 1e9, 0.6, "GB");
    }
    report.add(
        &format!("{name}: flash"),
        format!("{:.1} MB/h, {:.0} bytes per byte of payload", drive.written_per_hour / 1e6, drive.written_per_payload),
    );
    Ok(())
}

fn deliver(report: &mut Report, program: &Path, folder: &Path, day_s: u32) -> Result<()> {
    for (name, limit) in [("default rate limit", None), ("without a rate limit", Some(1 << 30))] {
        let it = catch_up::catch_up(program, folder, day_s, limit)?;
        let hours = f64::from(day_s) / 3_600.0;
        report.at_least(
            &format!("catch-up after {hours:.0} h of drive offline, {name}"),
            it.speed,
            50.0,
            "× real time",
        );
        report.add(
            &format!("catch-up, {name}: what"),
            format!(
                "{} samples, {:.2} MB of payload, files of {:.2} MB, in {:.1} s; memory at the end of the day {:.2} MB",
                it.samples,
                it.payload_bytes as f64 / 1e6,
                it.file_bytes as f64 / 1e6,
                it.took_s,
                it.used.resident_most_bytes as f64 / 1e6
            ),
        );
    }
    Ok(())
}
