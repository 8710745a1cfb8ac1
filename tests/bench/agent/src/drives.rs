//! Real drives as the agent sends them: partners' recordings through `edge-agent replay` into a spool, whose sealed batches
//! are taken out. The recordings are not part of the repository.

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tournee_edge_agent::replay::{ReplayArguments, replay};
use tournee_features::calibration::Date;
use tournee_payload::{Batch, BoxId, Stream, decode};
use tournee_spool::{Spool, SpoolConfig};

const BOX_ID: &str = "van-01";
/// As in `edge-agent.toml`.
const SPOOL_BYTES: u64 = 2_000_000_000;
/// A row of the Cork table whose level is one of these has none (README of the data).
const NO_LEVEL: [&str; 5] = ["-", "-200", "-205", "-225", "2147483647"];

/// A batch as it goes out, and what is in it.
pub struct Sent {
    /// The payload of the PUBLISH.
    pub bytes: Vec<u8>,
    /// The same, read.
    pub batch: Batch,
}

/// A drive.
pub struct Drive {
    /// What it is.
    pub name: String,
    /// Its batches, stream after stream.
    pub batches: Vec<Sent>,
}

impl Drive {
    /// Samples of all batches.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.batches.iter().map(|sent| sent.batch.samples.len()).sum()
    }
}

/// One minute of a car in San Francisco: 104 rows of acceleration and 10 fixes a second.
///
/// # Errors
/// The recording cannot be read or replayed.
pub fn comma2k19(data: &Path) -> Result<Drive> {
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    for name in ["comma2k19_example1_accelerometer", "comma2k19_example1_gnss_ublox"] {
        let path = folder.path().join(format!("{name}.csv"));
        fs::write(&path, unpacked(&data.join(format!("road_surface/{name}.csv.gz")))?)?;
        files.push(path);
    }
    into_spool(folder.path(), files)?;
    out_of_spool("comma2k19", folder.path())
}

/// Seventeen hours of drive tests in Cork, one run after the other: what the phone logged each second, said again as a
/// receiver's fixes and a modem's `+QENG` lines.
///
/// # Errors
/// The recording cannot be read or replayed.
pub fn cork(data: &Path) -> Result<Drive> {
    let text = unpacked(&data.join("signal/ucc_5g_cork_driving.csv.gz"))?;
    let mut table = csv::Reader::from_reader(text.as_slice());
    let header = table.headers()?.clone();
    let column = |name: &str| header.iter().position(|it| it == name).with_context(|| format!("no column {name}"));
    let columns = Columns {
        run: column("file")?,
        time: column("Timestamp")?,
        lon: column("Longitude")?,
        lat: column("Latitude")?,
        speed: column("Speed")?,
        mode: column("NetworkMode")?,
        rsrp: column("RSRP")?,
        rsrq: column("RSRQ")?,
        snr: column("SNR")?,
        rssi: column("RSSI")?,
        cell: column("RAWCELLID")?,
        area: column("LACHEX")?,
        nr_rsrp: column("NRxRSRP")?,
        nr_rsrq: column("NRxRSRQ")?,
    };
    // By name: the name is the time at which a run began.
    let mut runs: BTreeMap<String, Run> = BTreeMap::new();
    for row in table.records() {
        let row = row?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        runs.entry(cell(columns.run).to_owned()).or_default().push(&columns, cell)?;
    }
    let folder = tempfile::tempdir()?;
    for run in runs.values() {
        let files = ["fixes.csv", "modem.log"].map(|name| folder.path().join(name));
        fs::write(&files[0], format!("t_s,latitude_deg,longitude_deg,speed_mps\n{}", run.fixes))?;
        fs::write(&files[1], &run.modem)?;
        into_spool(folder.path(), files.into())?;
    }
    out_of_spool("Cork", folder.path())
}

struct Columns {
    run: usize,
    time: usize,
    lon: usize,
    lat: usize,
    speed: usize,
    mode: usize,
    rsrp: usize,
    rsrq: usize,
    snr: usize,
    rssi: usize,
    cell: usize,
    area: usize,
    nr_rsrp: usize,
    nr_rsrq: usize,
}

/// One run as files that `edge-agent replay` reads.
#[derive(Default)]
struct Run {
    fixes: String,
    modem: String,
    last_s: i64,
}

impl Run {
    /// A row; one that repeats a second, as the logger does now and then, is left out.
    fn push<'a>(&mut self, columns: &Columns, cell: impl Fn(usize) -> &'a str) -> Result<()> {
        // Irish time is UTC in winter.
        let time = chrono::NaiveDateTime::parse_from_str(cell(columns.time), "%Y.%m.%d_%H.%M.%S")
            .with_context(|| format!("the time {}", cell(columns.time)))?;
        let t_s = time.and_utc().timestamp();
        if t_s <= self.last_s {
            return Ok(());
        }
        self.last_s = t_s;
        if let Ok(speed_kmh) = cell(columns.speed).parse::<f64>() {
            let (lat, lon) = (cell(columns.lat), cell(columns.lon));
            writeln!(self.fixes, "{t_s},{lat},{lon},{}", speed_kmh / 3.6)?;
        }
        let level = |at: usize| {
            let text = cell(at);
            let number = text.parse::<f64>().ok().filter(|_| !NO_LEVEL.contains(&text));
            number.filter(|number| *number > -200.0).map_or("-".to_owned(), |number| format!("{number:.0}"))
        };
        let id = cell(columns.cell).parse::<u64>().ok();
        let area = cell(columns.area);
        // The phone does not log physical identity and carrier: something that changes with the cell stands for them.
        let (pci, id) = (id.unwrap_or(0) % 504, id.map_or("-".to_owned(), |id| format!("{id:X}")));
        let lte = format!(
            "\"LTE\",\"FDD\",272,01,{id},{pci},6300,20,3,3,{area},{},{},{},{},12,-,30",
            level(columns.rsrp),
            level(columns.rsrq),
            level(columns.rssi),
            level(columns.snr)
        );
        match cell(columns.mode) {
            "5G" => {
                writeln!(self.modem, "{t_s} +QENG: \"servingcell\",\"NOCONN\"")?;
                writeln!(self.modem, "{t_s} +QENG: {lte}")?;
                let (rsrp, rsrq) = (level(columns.nr_rsrp), level(columns.nr_rsrq));
                writeln!(self.modem, "{t_s} +QENG: \"NR5G-NSA\",272,01,{pci},{rsrp},-,{rsrq},640000,78")?;
            }
            "LTE" => writeln!(self.modem, "{t_s} +QENG: \"servingcell\",\"NOCONN\",{lte}")?,
            _ => writeln!(
                self.modem,
                "{t_s} +QENG: \"servingcell\",\"NOCONN\",\"WCDMA\",272,01,{area},{id},10638,1,1,{},{}",
                level(columns.rsrp),
                level(columns.rsrq)
            )?,
        }
        Ok(())
    }
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    GzDecoder::new(file).read_to_end(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Through the stages of the agent, the privacy trim off: it would keep the ends of each run on board.
fn into_spool(folder: &Path, files: Vec<PathBuf>) -> Result<()> {
    let config = folder.join("agent.toml");
    let text = format!(
        "box_id = \"{BOX_ID}\"\n[serial]\npath = \"none\"\n[spool]\npath = {:?}\n[profile.trim]\nfirst_m = 0.0\nlast_m = 0.0\n",
        folder.join("spool.db")
    );
    fs::write(&config, text)?;
    let earliest = Date::new(2018, 1, 1).context("a date")?;
    let report = replay(&ReplayArguments { config, csv: None, earliest, files })?;
    ensure!(report.samples.values().sum::<u64>() > 0, "nothing came of it: {report:?}");
    Ok(())
}

fn out_of_spool(name: &str, folder: &Path) -> Result<Drive> {
    let config = SpoolConfig::new(BoxId::new(BOX_ID)?, SPOOL_BYTES);
    let (mut spool, _) = Spool::open(&folder.join("spool.db"), config, 1)?;
    let mut batches = Vec::new();
    for stream in Stream::ALL {
        let mut from = 0;
        while let Some(sealed) = spool.peek(stream, from)? {
            from = sealed.end_seq();
            let batch = decode(&sealed.bytes)?;
            batches.push(Sent { bytes: sealed.bytes, batch });
        }
    }
    Ok(Drive { name: name.to_owned(), batches })
}
