//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Query the lake and the indicators.
    Sql(SqlOptions),
    /// Bring in what a partner recorded.
    Import(ImportOptions),
    /// Account for every sample number that the lake has heard of, and look for keys that are there twice.
    Check(CheckOptions),
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

/// `tournee check`
#[derive(Args, Debug)]
pub struct CheckOptions {
    /// Where everything lies.
    #[command(flatten)]
    pub data: ReadData,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
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
