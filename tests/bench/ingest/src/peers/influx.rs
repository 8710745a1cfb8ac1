//! Debian's InfluxDB 1: line protocol over HTTP in batches, its log fsynced at every write as it comes.

use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use tournee_payload::field;
use tournee_tests::{Running, free_port, wait_until};

use crate::aims::{Report, thousands};
use crate::fleet::{BATCH_ROWS, Fleet, cork, fleet};
use crate::peers::{names, values};
use crate::process::{cpu_s, folder_bytes};

const VEHICLES: usize = 200;
/// As its manual advises: 5,000 to 10,000 points a request.
const WRITE_ROWS: usize = 10_000;

struct Server {
    folder: tempfile::TempDir,
    port: u16,
    running: Running,
}

impl Server {
    fn start() -> Result<Self> {
        let (folder, port, inner) = (tempfile::tempdir()?, free_port()?, free_port()?);
        let path = folder.path().display();
        // No limit that would refuse the load; everything that decides about durability stays as it comes.
        let settings = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{inner}\"\n[meta]\ndir = \"{path}/meta\"\n[data]\ndir = \
             \"{path}/data\"\nwal-dir = \"{path}/wal\"\nindex-version = \"tsi1\"\ncache-max-memory-size = \"4g\"\n[http]\n\
             bind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\nmax-body-size = 0\n[monitor]\nstore-enabled = false\n"
        );
        std::fs::write(folder.path().join("influx.conf"), settings)?;
        let running = Self::run(&folder)?;
        let server = Self { folder, port, running };
        server.ready()?;
        Ok(server)
    }

    fn run(folder: &tempfile::TempDir) -> Result<Running> {
        Running::start(
            "influxd",
            folder.path(),
            Command::new("influxd").arg("-config").arg(folder.path().join("influx.conf")),
        )
        .context("apt-get install influxdb")
    }

    fn ready(&self) -> Result<()> {
        wait_until("InfluxDB", Duration::from_secs(60), || {
            self.post("/query?q=create+database+bench", b"").ok().filter(|(status, _)| *status == 200)
        })?;
        Ok(())
    }

    /// One request, one connection: the answer is read to its end.
    fn post(&self, path: &str, body: &[u8]) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
        let mut rest = String::new();
        reader.read_to_string(&mut rest)?;
        Ok((status, rest))
    }

    /// Writes piece by piece; a piece is acknowledged by its 204.
    fn write(&self, pieces: &[(usize, Vec<u8>)]) -> Result<usize> {
        let mut acknowledged = 0;
        for (rows, bytes) in pieces {
            match self.post("/write?db=bench&precision=u", bytes) {
                Ok((204, _)) => acknowledged += rows,
                Ok((status, text)) => bail!("InfluxDB answered {status}: {text}"),
                Err(_) => return Ok(acknowledged),
            }
        }
        Ok(acknowledged)
    }

    fn count(&self) -> Result<usize> {
        let (_, text) = self.post("/query?db=bench&q=select+count(seq)+from+mobile", b"")?;
        // {"results":[{…"values":[["1970-01-01T00:00:00Z",123]]}]}
        let count = text.split("\"values\":[[").nth(1).and_then(|rest| rest.split(',').nth(1));
        count
            .and_then(|number| number.trim_end_matches(|c: char| !c.is_ascii_digit()).split(']').next())
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("no count in {text}"))
    }
}

/// Line protocol in the pieces of one request each.
fn pieces(fleet: &Fleet) -> Vec<(usize, Vec<u8>)> {
    let names = names();
    let mut all = Vec::new();
    let mut piece = String::new();
    let mut rows = 0;
    let longest = fleet.samples.iter().map(Vec::len).max().unwrap_or(0);
    for first in (0..longest).step_by(BATCH_ROWS) {
        for (vehicle, samples) in fleet.samples.iter().enumerate() {
            for (seq, sample) in samples.iter().enumerate().skip(first).take(BATCH_ROWS) {
                let _ = write!(piece, "mobile,box_id={} seq={seq}i", fleet.boxes[vehicle]);
                for (name, value) in names.iter().zip(values(sample)) {
                    if let Some(value) = value {
                        // Integers stay integers, the rest are its floats.
                        let suffix = if value.contains('.') { "" } else { "i" };
                        let _ = write!(piece, ",{name}={value}{suffix}");
                    }
                }
                let _ = writeln!(piece, " {}", sample.get(field::T_US).unwrap_or(0));
                rows += 1;
            }
            if rows >= WRITE_ROWS {
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

/// Rows a second and CPU second, bytes a row, and what a SIGKILL costs.
pub fn measure(rows: usize, report: &mut Report) -> Result<()> {
    let fleet = fleet(&cork()?, "peer", VEHICLES, rows)?;
    let pieces = pieces(&fleet);
    let server = Server::start()?;
    let (began, cpu) = (Instant::now(), cpu_s(server.running.id())?);
    let stored = server.write(&pieces)?;
    let wall = began.elapsed().as_secs_f64();
    let used = cpu_s(server.running.id())? - cpu;
    ensure!(stored == fleet.rows, "InfluxDB took {stored} of {} rows", fleet.rows);
    // Its files shrink once a cold shard is compacted, by default after four hours; the log is what stands on disk now.
    let (data, log) =
        (folder_bytes(&server.folder.path().join("data")), folder_bytes(&server.folder.path().join("wal")));
    report.add(
        "InfluxDB: rows/s, rows per CPU s, bytes a row in files + in its log",
        format!(
            "{}, {}, {:.0} + {:.0}",
            thousands(stored as f64 / wall),
            thousands(stored as f64 / used.max(0.01)),
            data as f64 / stored as f64,
            log as f64 / stored as f64
        ),
        "we: ≥ 10 × per CPU s, ≤ 1/5 of the bytes",
    );
    let Server { folder, port, running } = server;
    running.kill()?;
    let running = Server::run(&folder)?;
    let server = Server { folder, port, running };
    server.ready()?;
    report.add(
        "InfluxDB after SIGKILL: acknowledged, found",
        format!("{}, {}", thousands(stored as f64), thousands(server.count()? as f64)),
        "",
    );
    Ok(())
}
