//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tournee_ingest::LakeUrl;

/// Delivery vehicles as a sensor network: from a box on a serial line to a priority map.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Arguments {
    /// The role.
    #[command(subcommand)]
    pub command: Command,
}

/// The roles.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the whole road on a simulated fleet and show the map.
    Demo(DemoOptions),
    /// Run broker, ingest, analytics and the web map in one process.
    Serve(ServeOptions),
    /// Run one ingest worker against a broker.
    Ingest(IngestOptions),
    /// The boxes that may store samples: list, accept, block.
    Devices(DevicesOptions),
    /// Query the lake and the indicators.
    Sql(SqlOptions),
    /// Bring in what a partner recorded.
    Import(ImportOptions),
    /// Account for every sample number that the lake has heard of, and look for keys that are there twice.
    Check(CheckOptions),
    /// The lake itself: prove what it holds, keep it in order.
    Lake(LakeOptions),
    /// Drive one simulated box over a pseudo-terminal: as fast as its reader reads, or in real time on an emulated
    /// microcontroller.
    Twin(TwinOptions),
}

/// Where a role that stores keeps everything: never the demo's folder, which the next demo replaces.
#[derive(Args, Debug, Clone)]
pub struct LiveData {
    /// Folder of lake, indicators and layers.
    #[arg(long = "data", value_name = "DIR", default_value = "data/live", env = "TOURNEE_DATA")]
    pub dir: PathBuf,
}

/// Where a lake lies that need not be a folder of this machine.
#[derive(Args, Debug, Clone)]
pub struct LakePlace {
    /// The lake, when it is not `DIR/lake`: a path, file:///path, or s3://bucket/prefix with credentials, region and endpoint
    /// in the usual AWS_* variables.
    #[arg(long = "lake", value_name = "URL", env = "TOURNEE_LAKE")]
    pub url: Option<LakeUrl>,
}

/// What is looked at.
#[derive(Args, Debug, Clone)]
pub struct ReadData {
    /// Folder of lake, indicators and layers.
    #[arg(long = "data", value_name = "DIR", default_value = "data/demo", env = "TOURNEE_DATA")]
    pub dir: PathBuf,
}

/// `tournee demo`
#[derive(Args, Debug)]
pub struct DemoOptions {
    /// Folder of lake, indicators and layers; a demo's earlier data there is replaced.
    #[arg(long = "data", value_name = "DIR", default_value = "data/demo")]
    pub data_dir: PathBuf,
    /// Everything random comes from this.
    #[arg(long, default_value_t = 35)]
    pub seed: u64,
    /// Simulated vehicles, 3 to 16.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=16))]
    pub boxes: u32,
    /// Simulated rounds of each vehicle, on different days.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(12..=60))]
    pub rounds: u32,
    /// Address of the web map; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8035")]
    pub http: SocketAddr,
    /// Stop when everything is computed instead of serving the map.
    #[arg(long)]
    pub once: bool,
    /// Print the figures as one JSON object in the last line.
    #[arg(long)]
    pub json: bool,
    /// Stop serving when standard input is closed, for a program that runs the demo.
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// `tournee serve`
#[derive(Args, Debug)]
pub struct ServeOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: LiveData,
    /// Address of the web map.
    #[arg(long, default_value = "127.0.0.1:8035")]
    pub http: SocketAddr,
    /// Address of the embedded broker, or `none` where ingest runs elsewhere.
    #[arg(long, default_value = "127.0.0.1:1883")]
    pub broker: String,
    /// Seconds between two looks at the lake.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub refresh_s: u64,
    /// What the data of the territory is: `measured` or `simulated`.
    #[arg(long, value_enum, default_value_t = DataOrigin::Measured)]
    pub origin: DataOrigin,
    /// Do not compact the lake and let old rows leave every hour: `tournee lake maintain` does it elsewhere.
    #[arg(long)]
    pub no_maintenance: bool,
}

/// Where a territory's data comes from.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum DataOrigin {
    /// Boxes on vehicles.
    Measured,
    /// Twin boxes.
    Simulated,
}

/// `tournee ingest`
#[derive(Args, Debug)]
pub struct IngestOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: LiveData,
    /// Where the lake lies.
    #[command(flatten)]
    pub lake: LakePlace,
    /// Broker host.
    #[arg(long, default_value = "127.0.0.1")]
    pub mqtt_host: String,
    /// Broker port.
    #[arg(long, default_value_t = 1883)]
    pub mqtt_port: u16,
    /// First and last shard of this worker.
    #[arg(long, default_value = "0-63", value_parser = parse_shards)]
    pub shards: (u8, u8),
    /// Seconds between two commits.
    #[arg(long, default_value_t = 10.0)]
    pub commit_s: f64,
    /// TLS: authorities that may have signed the broker's certificate, a PEM file. Without TLS the broker must be on this machine.
    #[arg(long, value_name = "PEM", requires_all = ["mqtt_certificate", "mqtt_key"])]
    pub mqtt_ca: Option<PathBuf>,
    /// TLS: certificate of this worker, a PEM file; the broker knows the worker by the name in it.
    #[arg(long, value_name = "PEM", requires = "mqtt_ca")]
    pub mqtt_certificate: Option<PathBuf>,
    /// TLS: its key, a PEM file.
    #[arg(long, value_name = "PEM", requires = "mqtt_ca")]
    pub mqtt_key: Option<PathBuf>,
    /// Whose samples are stored; by default `ca` with TLS, and `all` with a broker on this machine.
    #[arg(long, value_enum)]
    pub accept: Option<AcceptOption>,
    /// Rows that one box may put into quarantine in a day; further ones are counted.
    #[arg(long, default_value_t = 10_000, value_name = "ROWS")]
    pub quarantine_rows: u64,
    /// Bytes that one box may put into quarantine in a day.
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    pub quarantine_bytes: u64,
    /// Serve /metrics (Prometheus), /ready and /live here, on loopback only, for instance 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
}

/// Whose samples are stored.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptOption {
    /// Boxes that an operator accepted with `tournee devices accept`.
    Operator,
    /// Every box that the broker lets in by its certificate, unless an operator blocked it.
    Ca,
    /// Every box; only with a broker on this machine.
    All,
}

/// `tournee devices`
#[derive(Args, Debug)]
pub struct DevicesOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: LiveData,
    /// Where the lake lies.
    #[command(flatten)]
    pub lake: LakePlace,
    /// What to do.
    #[command(subcommand)]
    pub what: DevicesWhat,
}

/// What is done with boxes.
#[derive(Subcommand, Debug)]
pub enum DevicesWhat {
    /// Every box that was ever heard of, with its state.
    List {
        /// Print an array of JSON objects.
        #[arg(long)]
        json: bool,
    },
    /// Store samples of these boxes from now on; what they sent before comes again.
    Accept {
        /// The boxes.
        #[arg(required = true)]
        boxes: Vec<String>,
    },
    /// Put everything that these boxes send into quarantine.
    Block {
        /// The boxes.
        #[arg(required = true)]
        boxes: Vec<String>,
    },
}

/// `tournee sql`
#[derive(Args, Debug)]
pub struct SqlOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: ReadData,
    /// The query.
    pub query: String,
    /// How to print the rows.
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub format: RowFormat,
    /// Rows at the most.
    #[arg(long, default_value_t = 100_000)]
    pub max_rows: usize,
    /// Seconds at the most.
    #[arg(long, default_value_t = 60)]
    pub timeout_s: u64,
}

/// How rows are printed.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum RowFormat {
    /// Aligned columns.
    Table,
    /// Comma separated, with a header.
    Csv,
    /// An array of objects.
    Json,
}

/// `tournee import`
#[derive(Args, Debug)]
pub struct ImportOptions {
    /// What is brought in.
    #[command(subcommand)]
    pub what: ImportWhat,
}

/// What can be brought in.
#[derive(Subcommand, Debug)]
pub enum ImportWhat {
    /// A recorded drive, row by row.
    Samples(ImportSamplesOptions),
}

/// `tournee import samples`
#[derive(Args, Debug)]
pub struct ImportSamplesOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: LiveData,
    /// The recording.
    pub file: PathBuf,
    /// Stream that the rows become: air, road, mobile.
    #[arg(long)]
    pub stream: String,
    /// How the file is read; shipped ones lie in `mappings/`.
    #[arg(long)]
    pub mapping: PathBuf,
    /// Second file of a mapping that joins two (positions beside acceleration).
    #[arg(long)]
    pub motion: Option<PathBuf>,
}

/// `tournee check`, `tournee lake check`
#[derive(Args, Debug)]
pub struct CheckOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: ReadData,
    /// Where the lake lies.
    #[command(flatten)]
    pub lake: LakePlace,
    /// Memory for the row numbers of one table, MiB; with less, tables are read in several parts.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub memory_mb: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `tournee lake`
#[derive(Args, Debug)]
pub struct LakeOptions {
    /// What to do.
    #[command(subcommand)]
    pub what: LakeWhat,
}

/// What is done with a lake.
#[derive(Subcommand, Debug)]
pub enum LakeWhat {
    /// Prove, per day and stream, that generated = stored + expired + gaps + refused, that no key is there twice, and that rows and
    /// watermarks agree. Exit status: 0 proved, 1 not so, with everything that is wrong, 2 the lake cannot be read.
    Check(CheckOptions),
    /// Compact, checkpoint, let old rows leave, remove files that nobody can read any more. Safe beside ingest, and when killed.
    Maintain(MaintainArguments),
}

/// `tournee lake maintain`
#[derive(Args, Debug)]
pub struct MaintainArguments {
    /// Where everything lies.
    #[command(flatten)]
    pub data: LiveData,
    /// Where the lake lies.
    #[command(flatten)]
    pub lake: LakePlace,
    /// Run once and end (the default).
    #[arg(long, conflicts_with = "every")]
    pub once: bool,
    /// Run again and again, so long after the start of the last run: 1h, 30m, 90s.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub every: Option<Duration>,
    /// Days that raw samples stay; `never` lets none leave.
    #[arg(long, default_value = "30", value_parser = parse_stay)]
    pub raw_days: Stay,
    /// Days that refused messages and rows stay.
    #[arg(long, default_value = "30", value_parser = parse_stay)]
    pub quarantine_days: Stay,
    /// Months that pass facts stay.
    #[arg(long, default_value = "24", value_parser = parse_stay)]
    pub pass_fact_months: Stay,
    /// Days after which a date is sorted by place instead of by vehicle.
    #[arg(long, default_value_t = 2)]
    pub cold_after_days: u32,
    /// Files younger than this are left alone.
    #[arg(long, default_value = "15m", value_name = "TIME", value_parser = parse_time)]
    pub settle: Duration,
    /// Small files of a recent date that are joined; fewer wait.
    #[arg(long, default_value_t = 8, value_name = "FILES")]
    pub hot_files: usize,
    /// Size of a new file, MiB.
    #[arg(long, default_value_t = 384, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    pub target_mb: u64,
    /// Memory for decoded rows, MiB; a larger sort goes through temporary files.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(16..=65_536))]
    pub memory_mb: u64,
    /// Folder for temporary files.
    #[arg(long, value_name = "DIR")]
    pub temporary: Option<PathBuf>,
    /// Time for one run; what is not done by then is done by the next.
    #[arg(long, default_value = "30m", value_name = "TIME", value_parser = parse_time)]
    pub budget: Duration,
    /// How long files that were replaced can still be read, by whoever reads an older version. Longer than any query takes.
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = parse_time)]
    pub history: Duration,
    /// Age from which a file that no version names is a leftover of a crash; a day at least.
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = parse_time)]
    pub orphan_age: Duration,
    /// Print one JSON object per run.
    #[arg(long)]
    pub json: bool,
}

/// How long something stays; none means for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay(pub Option<u32>);

fn parse_stay(text: &str) -> Result<Stay, String> {
    match text {
        "never" => Ok(Stay(None)),
        _ => {
            text.parse().map(|count| Stay(Some(count))).map_err(|_| format!("`{text}` is neither a number nor `never`"))
        }
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time: write a whole number and s, m, h or d, for instance 90s or 1h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1_u64,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// `tournee twin`
#[derive(Args, Debug)]
pub struct TwinOptions {
    /// Where the link to the pseudo-terminal is put, e.g. `/tmp/box-1`.
    #[arg(long)]
    pub port: PathBuf,
    /// Everything random comes from this.
    #[arg(long, default_value_t = 35)]
    pub seed: u64,
    /// Which vehicle of the fleet.
    #[arg(long, default_value_t = 0)]
    pub vehicle: u32,
    /// Rounds to drive.
    #[arg(long, default_value_t = 2)]
    pub rounds: u32,
    /// Simulated seconds per second; 0 drives as fast as the line is read.
    #[arg(long, default_value_t = 0.0)]
    pub speed: f64,
    /// Run this firmware image (ELF, from firmware/board) on an emulated microcontroller, in real time, instead of the
    /// firmware's own crates in this process.
    #[arg(long, value_name = "ELF", conflicts_with = "speed")]
    pub firmware: Option<PathBuf>,
}

fn parse_shards(text: &str) -> Result<(u8, u8), String> {
    let parsed = text.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parsed {
        Some((first, last)) if first <= last && last < 64 => Ok((first, last)),
        _ => Err(format!("`{text}` is not a range of shards: write FIRST-LAST with 0 ≤ FIRST ≤ LAST ≤ 63")),
    }
}
