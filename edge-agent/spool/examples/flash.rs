//! What the spool costs the flash of a vehicle, and how fast it is. Prints one table.
//!
//! `cargo run --release -p tournee-spool --example flash -- [FOLDER [DRIVE_SECONDS]]`
//!
//! Writes what a box at its default rate brings: each second one row of air, mobile and track, two of thermal (left and
//! right), a row of road every 20 m at 29 km/h, health once a minute. One commit per second of drive, as the agent does,
//! but without waiting for the second to pass: every commit waits for the disk, so the bytes are the same.
//!
//! Bytes come from the kernel: `write_bytes` of `/proc/self/io` (what this process sent to the block layer), and the
//! sectors of the block device that holds FOLDER (`/sys/dev/block/*/stat`), which also has the journal of the file system
//! in it, and everything that other processes write there: give a folder on a device of its own to read it as a
//! measurement. SQLite as it is bundled calls `fsync`, which on ext4 writes the journal at every commit for the file's time
//! alone; built with `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` it calls `fdatasync`, and that part goes. A folder in memory (tmpfs) has no bytes to show, and is refused.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tournee_payload::{BoxId, Sample, Stream, field, fields};
use tournee_spool::{LinePosition, Spool, SpoolConfig};

const EPOCH: u64 = 0x0123_4567_89ab_cdef;
const DAY_S: f64 = 6.0 * 3_600.0;
/// Seconds between the sealing of a batch and its watermark: ingest commits every 10 to 30 s.
const WATERMARK_AFTER_S: u64 = 20;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let drive_s: u64 = arguments.next().map_or(3_600, |text| text.parse().unwrap());
    let dir = tempfile::tempdir_in(&folder).unwrap();
    let Some(device) = Device::of(dir.path()) else {
        eprintln!("{} is on no block device (tmpfs?): name a folder on a disk", folder.display());
        std::process::exit(2);
    };
    println!("{drive_s} s of drive at the default rate, folder on block device {}", device.name);
    println!(
        "{:<34}{:>10}{:>12}{:>12}{:>14}{:>14}",
        "", "commits", "MB per h", "GB per 6 h", "per payload B", "device GB/6h"
    );
    for (name, interval_s, online) in [
        ("commit 1 s, online", 1, true),
        ("commit 1 s, offline", 1, false),
        ("commit 10 s, online (not allowed)", 10, true),
    ] {
        let path = dir.path().join(format!("{}-{online}.db", interval_s));
        drive(&path, &device, name, drive_s, interval_s, online);
    }
    catch_up(&dir.path().join("1-false.db"), drive_s);
}

/// One drive; prints its line of the table.
fn drive(path: &Path, device: &Device, name: &str, drive_s: u64, interval_s: u64, online: bool) {
    let mut spool = open(path);
    let mut box_ = Rows::default();
    let mut uplink = Uplink::default();
    let (io_before, device_before, started) = (process_bytes(), device.bytes(), Instant::now());
    for second in 0..drive_s {
        spool.append(&box_.second(second)).unwrap();
        spool.reached(LinePosition { boot_id: 7, next_seq: second as u32 * 15 });
        if second % interval_s == interval_s - 1 {
            spool.commit().unwrap();
        }
        if online {
            uplink.second(&mut spool, second);
        }
    }
    let busy = started.elapsed();
    let (written, device_written) = (process_bytes() - io_before, device.bytes() - device_before);
    let payload = if online { uplink.bytes } else { spool.pending_total().bytes };
    let per_hour = |bytes: u64| bytes as f64 * 3_600.0 / drive_s as f64;
    let per_day = |bytes: u64| bytes as f64 * DAY_S / drive_s as f64 / 1e9;
    let commits = drive_s / interval_s;
    println!(
        "{name:<34}{commits:>10}{:>12.1}{:>12.3}{:>14.1}{:>14.3}   {:.0} s of drive per s, {:.2} ms per commit",
        per_hour(written) / 1e6,
        per_day(written),
        written as f64 / payload as f64,
        per_day(device_written),
        drive_s as f64 / busy.as_secs_f64(),
        busy.as_secs_f64() * 1e3 / commits as f64,
    );
}

/// Opens what an offline drive left, and hands everything out as fast as it goes; the watermark follows.
fn catch_up(path: &Path, drive_s: u64) {
    let size = std::fs::metadata(path).unwrap().len();
    let started = Instant::now();
    let mut spool = open(path);
    let opening = started.elapsed();
    let started = Instant::now();
    let (mut batches, mut samples, mut bytes) = (0u64, 0, 0);
    for stream in Stream::ALL {
        let mut from = spool.acknowledged_seq(stream);
        while let Some(batch) = spool.peek(stream, from).unwrap() {
            from = batch.end_seq();
            (batches, samples, bytes) = (batches + 1, samples + batch.count, bytes + batch.bytes.len() as u64);
            if batches.is_multiple_of(64) {
                spool.acknowledge(stream, spool.epoch(), from).unwrap();
            }
        }
    }
    let took = started.elapsed().max(Duration::from_micros(1)).as_secs_f64();
    println!(
        "file after the offline drive {:.1} MB, opened and checked in {:.0} ms",
        size as f64 / 1e6,
        opening.as_secs_f64() * 1e3
    );
    println!(
        "catch-up: {samples} samples in {batches} batches, {:.2} MB payload, in {took:.2} s: {:.0} samples/s, {:.0} times \
         real time, {:.1} B per sample",
        bytes as f64 / 1e6,
        samples as f64 / took,
        drive_s as f64 / took,
        bytes as f64 / samples as f64
    );
}

fn open(path: &Path) -> Spool {
    let config = SpoolConfig::new(BoxId::new("van-01").unwrap(), 2 << 30);
    Spool::open(path, config, EPOCH).unwrap().0
}

/// Takes what is sealed, and hears the watermark a while later.
#[derive(Default)]
struct Uplink {
    next: [u64; 8],
    due: std::collections::VecDeque<(u64, Stream, u64)>,
    bytes: u64,
}

impl Uplink {
    fn second(&mut self, spool: &mut Spool, second: u64) {
        for (stream, next) in Stream::ALL.into_iter().zip(&mut self.next) {
            while let Some(batch) = spool.peek(stream, *next).unwrap() {
                *next = batch.end_seq();
                self.bytes += batch.bytes.len() as u64;
                self.due.push_back((second + WATERMARK_AFTER_S, stream, *next));
            }
        }
        while let Some((_, stream, next_seq)) = self.due.pop_front_if(|(due, _, _)| *due <= second) {
            spool.acknowledge(stream, EPOCH, next_seq).unwrap();
        }
    }
}

/// What a box measures: values that wander as real ones do, so that they pack as real ones do.
struct Rows {
    noise: u64,
    values: [i64; 32],
    road_due: f64,
}

impl Default for Rows {
    fn default() -> Self {
        Self { noise: 0x9e37_79b9_7f4a_7c15, values: [1_000; 32], road_due: 0.0 }
    }
}

impl Rows {
    fn step(&mut self, most: i64) -> i64 {
        // xorshift64*
        self.noise ^= self.noise >> 12;
        self.noise ^= self.noise << 25;
        self.noise ^= self.noise >> 27;
        let drawn = self.noise.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (drawn as i64) % (2 * most + 1) - most
    }

    fn second(&mut self, second: u64) -> Vec<Sample> {
        let mut streams = vec![Stream::Track, Stream::Air, Stream::Mobile, Stream::Thermal, Stream::Thermal];
        self.road_due += 0.4;
        if self.road_due >= 1.0 {
            self.road_due -= 1.0;
            streams.push(Stream::Road);
        }
        if second.is_multiple_of(60) {
            streams.push(Stream::Health);
        }
        streams.into_iter().map(|stream| self.row(stream, second as i64)).collect()
    }

    fn row(&mut self, stream: Stream, second: i64) -> Sample {
        let mut sample = Sample::new(stream);
        let jitter_us = self.step(2_000);
        sample.set(field::T_US, Some(1_768_000_000_000_000 + second * 1_000_000 + jitter_us));
        sample.set(field::TICK_US, Some(5_000_000 + second * 1_000_000 + jitter_us));
        sample.set(field::BOOT_ID, Some(3_000_000_019));
        sample.set(field::LAT_DEG, Some(476_500_000 + second * 600 + self.step(300)));
        sample.set(field::LON_DEG, Some(-20_800_000 + second * 400 + self.step(300)));
        sample.set(field::H_ACC_M, Some(20 + self.step(5)));
        sample.set(field::SPEED_MPS, Some(800 + self.step(60)));
        sample.set(field::HEADING_DEG, Some(900 + self.step(40)));
        sample.set(field::FLAGS, Some(0));
        for (at, own) in fields(stream).iter().filter(|own| own.id >= field::FIRST_OWN).enumerate() {
            let value = self.values[at] + self.step(20);
            self.values[at] = value;
            sample.set(own.id, Some(value.clamp(own.min, own.max)));
        }
        sample
    }
}

/// Bytes that this process caused to be sent to the block layer.
fn process_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap().parse().unwrap()
}

/// The block device of a folder.
struct Device {
    name: String,
}

impl Device {
    fn of(folder: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let number = std::fs::metadata(folder).ok()?.dev();
        let (major, minor) = (number >> 8 & 0xfff, (number & 0xff) | (number >> 12 & 0xfff00));
        let name = format!("{major}:{minor}");
        Path::new("/sys/dev/block").join(&name).exists().then_some(Self { name })
    }

    /// Sectors written are the seventh number, in units of 512 bytes whatever the device (kernel, block/stat).
    fn bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/sys/dev/block/{}/stat", self.name)).unwrap();
        text.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
    }
}
