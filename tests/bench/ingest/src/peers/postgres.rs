//! PostgreSQL with PostGIS: COPY in batches, `synchronous_commit` on, once without any index and once with the key that keeps a
//! row from being stored twice.

use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tournee_payload::{Stream, fields};
use tournee_tests::{Running, free_port, wait_until};

use crate::aims::{Report, thousands};
use crate::fleet::{Fleet, cork, fleet};
use crate::peers::{names, values};
use crate::process::tree_cpu_s;

const VEHICLES: usize = 200;
/// Rows in one COPY, as a worker would gather them.
const COPY_ROWS: usize = 20_000;
/// The user that Debian's package makes; the server refuses to run as root.
const USER: &str = "postgres";

struct Server {
    folder: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    running: Option<Running>,
}

impl Server {
    fn install() -> Result<Self> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .context("apt-get install postgresql postgresql-15-postgis-3")?
            .flatten()
            .map(|entry| entry.path().join("bin"))
            .collect();
        versions.sort();
        let bin = versions.pop().context("apt-get install postgresql")?;
        let folder = tempfile::tempdir()?;
        run(Command::new("chown").arg(USER).arg(folder.path()))?;
        run(as_user(&bin.join("initdb")).args(["-E", "UTF8", "--auth=trust", "-D"]).arg(folder.path().join("db")))?;
        Ok(Self { folder, bin, port: free_port()?, running: None })
    }

    fn start(&mut self) -> Result<()> {
        let mut command = as_user(&self.bin.join("postgres"));
        command.arg("-D").arg(self.folder.path().join("db")).args(["-p", &self.port.to_string()]);
        // Enough memory and log that checkpoints do not decide; durability as it comes.
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"]);
        command.arg("-k").arg(self.folder.path());
        self.running = Some(Running::start("postgres", Path::new("/tmp"), &mut command)?);
        wait_until("PostgreSQL", Duration::from_secs(60), || self.sql("select 1").ok())?;
        Ok(())
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-h", "127.0.0.1", "-U", USER, "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-p"]);
        command.arg(self.port.to_string());
        command
    }

    fn sql(&self, text: &str) -> Result<String> {
        let output = self.psql().args(["-c", text]).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn pid(&self) -> u32 {
        let file = std::fs::read_to_string(self.folder.path().join("db/postmaster.pid")).unwrap_or_default();
        file.lines().next().and_then(|line| line.parse().ok()).unwrap_or(0)
    }
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--init-groups"]).arg(program);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn create(key: bool) -> String {
    let mut text =
        "drop table if exists mobile; create table mobile (box_id text not null, epoch bigint not null, seq bigint \
                    not null, place geography(point)"
            .to_owned();
    for (field, name) in fields(Stream::Mobile).iter().zip(names()) {
        let kind = if field.scale == 0 { "bigint" } else { "numeric" };
        let _ = write!(text, ", {name} {kind}");
    }
    text.push_str(if key { ", primary key (box_id, epoch, seq))" } else { ")" });
    text
}

/// CSV in the pieces of one COPY each.
fn pieces(fleet: &Fleet) -> Vec<(usize, Vec<u8>)> {
    let mut all = Vec::new();
    let mut piece = String::new();
    let mut rows = 0;
    let longest = fleet.samples.iter().map(Vec::len).max().unwrap_or(0);
    for first in (0..longest).step_by(crate::fleet::BATCH_ROWS) {
        for (vehicle, samples) in fleet.samples.iter().enumerate() {
            for (seq, sample) in samples.iter().enumerate().skip(first).take(crate::fleet::BATCH_ROWS) {
                let degrees = |id| sample.get(id).map(|wire| wire as f64 / 1e7);
                let place = degrees(tournee_payload::field::LON_DEG).zip(degrees(tournee_payload::field::LAT_DEG));
                let place = place.map(|(lon, lat)| format!("SRID=4326;POINT({lon} {lat})")).unwrap_or_default();
                let _ = write!(piece, "{},{},{seq},{place}", fleet.boxes[vehicle], 0x5EED_0000_usize + vehicle);
                for value in values(sample) {
                    piece.push(',');
                    piece.push_str(value.as_deref().unwrap_or_default());
                }
                piece.push('\n');
                rows += 1;
            }
            if rows >= COPY_ROWS {
                all.push((rows, std::mem::take(&mut piece).into_bytes()));
                rows = 0;
            }
        }
    }
    if rows > 0 {
        all.push((rows, piece.into_bytes()));
    }
    all
}

/// Copies piece by piece; what came back as done is what the server has acknowledged.
fn copy(server: &Server, pieces: &[(usize, Vec<u8>)]) -> Result<usize> {
    let mut acknowledged = 0;
    for (rows, bytes) in pieces {
        let mut child = server
            .psql()
            .args(["-c", "copy mobile from stdin csv"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let written = child.stdin.take().context("no standard input")?.write_all(bytes);
        if !child.wait()?.success() || written.is_err() {
            return Ok(acknowledged);
        }
        acknowledged += rows;
    }
    Ok(acknowledged)
}

/// Rows a second and CPU second, bytes a row, and what a SIGKILL costs.
pub fn measure(rows: usize, report: &mut Report) -> Result<()> {
    let fleet = fleet(&cork()?, "peer", VEHICLES, rows)?;
    let pieces = pieces(&fleet);
    let mut server = Server::install()?;
    server.start()?;
    server.sql("create extension postgis")?;
    for (key, name) in [(false, "without a key"), (true, "with the row key")] {
        server.sql(&create(key))?;
        server.sql("checkpoint")?;
        let (began, cpu) = (Instant::now(), tree_cpu_s(server.pid()));
        let stored = copy(&server, &pieces)?;
        let wall = began.elapsed().as_secs_f64();
        ensure!(stored == fleet.rows, "PostgreSQL took {stored} of {} rows", fleet.rows);
        server.sql("checkpoint")?;
        let used = tree_cpu_s(server.pid()) - cpu;
        let bytes: f64 = server.sql("select pg_total_relation_size('mobile')")?.parse()?;
        report.add(
            &format!("PostgreSQL COPY {name}: rows/s, rows per CPU s, bytes a row"),
            format!(
                "{}, {}, {:.0}",
                thousands(stored as f64 / wall),
                thousands(stored as f64 / used.max(0.01)),
                bytes / stored as f64
            ),
            "we: ≥ 10 × per CPU s, ≤ 1/5 of the bytes",
        );
    }
    server.sql(&create(true))?;
    let half = pieces.len() / 2;
    let acknowledged = copy(&server, &pieces[..half])?;
    // The next piece is under way when the server dies.
    let pid = i32::try_from(server.pid())?;
    std::thread::scope(|scope| -> Result<()> {
        let rest = scope.spawn(|| copy(&server, &pieces[half..half + 1]));
        std::thread::sleep(Duration::from_millis(50));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)?;
        let _ = rest.join();
        Ok(())
    })?;
    if let Some(running) = server.running.take() {
        running.wait(Duration::from_secs(30))?;
    }
    // Its children notice that their parent has gone; the lock file is taken over by the next start.
    std::thread::sleep(Duration::from_secs(3));
    server.start()?;
    let found: usize = server.sql("select count(*) from mobile")?.parse()?;
    report.add(
        "PostgreSQL after SIGKILL: acknowledged, found",
        format!("{}, {}", thousands(acknowledged as f64), thousands(found as f64)),
        "",
    );
    let pid = i32::try_from(server.pid())?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)?;
    if let Some(running) = server.running.take() {
        running.wait(Duration::from_secs(30))?;
    }
    Ok(())
}
