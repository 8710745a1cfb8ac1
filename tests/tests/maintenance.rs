//! `tournee lake maintain` and `tournee lake check` as processes, beside a worker that goes on storing: killed at every step and at
//! any moment, two at once, and after a thousand small commits.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tournee_ingest::{Lake, LakeOptions};
use tournee_payload::{Batch, BoxId, Sample, Stream, field};
use tournee_tests::{Running, binary, wait_until};

const DAY_US: i64 = 86_400_000_000;
const ENDS_WITHIN: Duration = Duration::from_secs(120);

fn now_us() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// A vehicle's positions, one a second from `t0_us`, round and round a quarter.
fn batch(name: &str, first_seq: u64, count: u64, t0_us: i64) -> Result<Batch> {
    let samples = (first_seq..first_seq + count).map(|seq| {
        let mut sample = Sample::new(Stream::Track);
        let angle = seq as f64 / 60.0;
        sample.set(field::T_US, Some(t0_us + i64::try_from(seq).unwrap_or(0) * 1_000_000));
        sample.set(field::LAT_DEG, Some(476_500_000 + (angle.sin() * 40_000.0) as i64));
        sample.set(field::LON_DEG, Some(-20_800_000 + (angle.cos() * 60_000.0) as i64));
        sample.set(field::SPEED_MPS, Some(700 + i64::try_from(seq % 300).unwrap_or(0)));
        sample
    });
    Ok(Batch { box_id: BoxId::new(name)?, stream: Stream::Track, epoch: 7, first_seq, samples: samples.collect() })
}

fn maintain(data: &Path, more: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary("tournee")?);
    command.args(["lake", "maintain", "--json", "--settle", "0s", "--hot-files", "2", "--raw-days", "never", "--data"]);
    command.arg(data).args(more).env_remove("TOURNEE_FAIL").stdin(Stdio::null());
    Ok(command)
}

fn check(data: &Path, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary("tournee")?);
    Ok(command.args(["lake", "check", "--data"]).arg(data).args(more).stdin(Stdio::null()).output()?)
}

/// The check must prove the lake; gives how many samples it counted.
fn proved(data: &Path) -> Result<u64> {
    let output = check(data, &["--json"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&text)?;
    ensure!(report["holds"] == true && report["violations"].as_array().is_some_and(Vec::is_empty), "{report}");
    report["stored"].as_u64().context("stored")
}

fn track(report: &Value) -> Result<Value> {
    let tables = report["tables"].as_array().context("tables")?;
    tables.iter().find(|table| table["table"] == "track").cloned().context("the table `track`")
}

fn number(table: &Value, key: &str) -> Result<u64> {
    table[key].as_u64().with_context(|| format!("{key} in {table}"))
}

/// A worker that commits small batches until told to stop.
struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(u64, u64)>>>,
}

impl Worker {
    fn start(root: PathBuf) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let t0_us = now_us()? - 3 * DAY_US;
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(async {
                let mut lake = Lake::open(root, LakeOptions::default()).await?;
                let mut round = 0;
                while !told.load(Ordering::SeqCst) {
                    // A cold date and a hot one.
                    lake.append(batch("van-01", round * 20, 20, t0_us)?, now_us()?)?;
                    lake.append(batch("van-02", round * 20, 20, t0_us + 3 * DAY_US)?, now_us()?)?;
                    lake.commit(now_us()?).await?;
                    round += 1;
                }
                Ok((round * 40, lake.totals().conflicts))
            })
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Rows stored, and conflicts that the worker met.
    fn end(mut self) -> Result<(u64, u64)> {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().context("a worker ends once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the worker panicked"))?
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

#[test]
fn killed_at_any_moment_and_twice_at_once_it_harms_no_append() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let worker = Worker::start(data.join("lake"))?;
    wait_until("the first commits", ENDS_WITHIN, || {
        data.join("lake/track/_delta_log/00000000000000000003.json").is_file().then_some(())
    })?;
    // At every step, by the process itself.
    for point in ["before_rewrite", "before_rewrite_commit", "after_rewrite_commit", "before_delete"] {
        let mut command = maintain(&data, &["--history", "0s"])?;
        command.env("TOURNEE_FAIL", format!("on-purpose,{point}:track:1"));
        let killed = Running::start(point, folder.path(), &mut command)?;
        let log = folder.path().join(format!("{point}.log"));
        let status = killed.wait(ENDS_WITHIN)?;
        ensure!(!status.success() && status.code().is_none(), "{point}: {status} {}", std::fs::read_to_string(log)?);
        ensure!(worker.is_alive(), "the worker ended at {point}");
    }
    // At any moment, from outside, with a second one beside it that is left alone.
    let mut killed = 0;
    for step in 0..12_u64 {
        let name = format!("killed-{step}");
        let mut victim = Running::start(&name, folder.path(), &mut maintain(&data, &["--history", "2s"])?)?;
        let beside =
            Running::start(&format!("beside-{step}"), folder.path(), &mut maintain(&data, &["--history", "2s"])?)?;
        std::thread::sleep(Duration::from_millis(step * 40));
        if victim.is_alive() {
            killed += 1;
            victim.kill()?;
        }
        let log = beside.output();
        ensure!(beside.wait(ENDS_WITHIN)?.success(), "the one beside step {step}: {log}");
    }
    ensure!(killed > 3, "only {killed} were alive when they were to be killed");
    let (stored, conflicts) = worker.end()?;
    ensure!(conflicts == 0, "{conflicts} conflicts: maintenance is none for ingest");
    let output = maintain(&data, &["--history", "0s"])?.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.success() && report["complete"] == true, "{report}");
    let found = track(&report)?;
    println!("{stored} rows, {killed} killed from outside; at the end {found}");
    ensure!(number(&found, "files_after")? <= 4, "{found}");
    ensure!(proved(&data)? == stored, "{stored} rows were stored");
    Ok(())
}

#[test]
fn a_thousand_small_commits() -> Result<()> {
    const COMMITS: u64 = 1_000;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let begun = Instant::now();
    let t0_us = (now_us()? - 4 * DAY_US).div_euclid(DAY_US) * DAY_US;
    runtime.block_on(async {
        let mut lake = Lake::open(data.join("lake"), LakeOptions::default()).await?;
        for commit in 0..COMMITS {
            for van in 0..4 {
                lake.append(batch(&format!("van-{van:02}"), commit * 30, 30, t0_us)?, now_us()?)?;
            }
            lake.commit(now_us()?).await?;
        }
        anyhow::Ok(())
    })?;
    let filled = begun.elapsed();
    let begun = Instant::now();
    let output = maintain(&data, &["--memory-mb", "16"])?.output()?;
    let took = begun.elapsed();
    let report: Value = serde_json::from_slice(&output.stdout).context("a report")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = track(&report)?;
    let rows = COMMITS * 4 * 30;
    println!(
        "{COMMITS} commits of 120 rows in {:.1} s; compaction: {} files, {} bytes ({:.1} a row) -> {} files, {} bytes ({:.1} a row) in \
         {:.1} s, the process {:.1} s",
        filled.as_secs_f64(),
        found["files_before"],
        found["bytes_before"],
        number(&found, "bytes_before")? as f64 / rows as f64,
        found["files_after"],
        found["bytes_after"],
        number(&found, "bytes_after")? as f64 / rows as f64,
        found["seconds"].as_f64().context("seconds")?,
        took.as_secs_f64()
    );
    ensure!(number(&found, "files_before")? >= COMMITS && number(&found, "files_after")? <= 2, "{found}");
    ensure!(number(&found, "bytes_after")? < number(&found, "bytes_before")?, "{found}");
    ensure!(number(&found, "rows_rewritten")? == rows, "{found}");
    ensure!(proved(&data)? == rows);
    // There is nothing left to do.
    let again: Value = serde_json::from_slice(&maintain(&data, &[])?.output()?.stdout)?;
    ensure!(number(&track(&again)?, "rewrites")? == 0, "{again}");
    Ok(())
}

#[test]
fn the_check_tells_by_its_exit_status() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lake = Lake::open(data.join("lake"), LakeOptions::default()).await?;
        lake.append(batch("van-01", 0, 50, now_us()?)?, now_us()?)?;
        lake.commit(now_us()?).await?;
        anyhow::Ok(())
    })?;
    ensure!(proved(&data)? == 50);
    let text = String::from_utf8(check(&data, &[])?.stdout)?;
    ensure!(text.lines().any(|line| line.contains("track") && line.contains(" 50 ")), "no table per day:\n{text}");
    // Rows that leave keep their account.
    let output = maintain(&data, &[])?.args(["--quarantine-days", "0"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(proved(&data)? == 50);
    let watermarks = data.join("lake/_watermarks");
    std::fs::rename(&watermarks, folder.path().join("away"))?;
    let broken = check(&data, &[])?;
    let text = String::from_utf8(broken.stdout)?;
    ensure!(broken.status.code() == Some(1) && text.contains("missing_watermark"), "{} {text}", broken.status);
    std::fs::remove_dir_all(data.join("lake"))?;
    let unreadable = check(&data, &[])?;
    let text = String::from_utf8(unreadable.stderr)?;
    ensure!(unreadable.status.code() == Some(2) && text.lines().count() == 1, "{} {text}", unreadable.status);
    let refused = maintain(&data, &[])?.output()?;
    ensure!(!refused.status.success() && !data.join("lake").exists(), "maintenance made a lake where there was none");
    let refused = maintain(&data, &["--orphan-age", "1h"])?.output()?;
    ensure!(String::from_utf8_lossy(&refused.stderr).contains("--orphan-age"), "an age that endangers commits");
    Ok(())
}
