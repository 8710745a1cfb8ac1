//! `tournee import`: a partner's file through the same door as the vehicles' samples: validated, deduplicated, committed.

use crate::cli::{ImportOptions, ImportSamplesOptions, ImportWhat};
use crate::data_dir;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use tournee_import::{ImportReport, Mapping};
use tournee_ingest::{Lake, LakeOptions, Totals};
use tournee_payload::{Batch, BoxId, Sample, Stream, shard};

/// Samples in one batch: far below the largest that a batch may hold.
const BATCH_SAMPLES: usize = 10_000;

/// Brings a partner's file in.
pub async fn run(options: ImportOptions) -> Result<()> {
    let ImportWhat::Samples(options) = options.what;
    data_dir::open_live(&options.data.dir)?;
    let mapping = read_mapping(&options)?;
    let mut samples = Vec::new();
    let report = read(&options, &mapping, &mut samples)
        .with_context(|| format!("{} cannot be imported with {}", options.file.display(), options.mapping.display()))?;
    let box_id = source_id(&options.mapping)?;
    let epoch = u64::try_from(report.epoch()).context("the epoch of a file is never negative")?;
    let totals = store(&options.data.dir.join("lake"), &box_id, epoch, samples).await?;
    print(&options.file, &box_id, &report, &totals);
    keep(&options.data.dir, &options.file, &box_id, &report)
}

/// The account of the file stays beside the lake: what was refused, and why, must not be known to a terminal alone.
fn keep(data_dir: &Path, file: &Path, box_id: &BoxId, report: &ImportReport) -> Result<()> {
    let account = serde_json::json!({
        "source": box_id.as_str(),
        "file": file.file_name().map(|name| name.to_string_lossy()),
        "sha256": report.sha256,
        "imported_at": chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        "rows": report.rows,
        "stored": report.stored,
        "refused": report.refused,
        "emptied": report.emptied,
        "samples": report.samples,
        "first_us": report.first_us,
        "last_us": report.last_us,
    });
    let folder = data_dir.join("imports");
    let short = report.sha256.get(..16).unwrap_or(&report.sha256);
    let path = folder.join(format!("{box_id}-{short}.json"));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, format!("{account:#}\n")))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The mapping's file name says whose data it is: `mappings/cork-gnettrack.toml` makes `import-cork-gnettrack`.
fn source_id(mapping: &Path) -> Result<BoxId> {
    let stem = mapping.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    BoxId::new(&format!("import-{stem}"))
        .with_context(|| format!("rename {}: its name becomes the name of the source", mapping.display()))
}

fn read_mapping(options: &ImportSamplesOptions) -> Result<Mapping> {
    let named = || format!("mapping {}", options.mapping.display());
    let text = std::fs::read_to_string(&options.mapping).with_context(named)?;
    let mapping = Mapping::from_toml(&text).with_context(named)?;
    let stream = mapping.stream().with_context(named)?;
    match Stream::from_name(&options.stream) {
        Some(asked) if asked == stream => Ok(mapping),
        Some(_) => bail!("{} makes `{}`: say --stream {}", named(), stream.name(), stream.name()),
        None => bail!("--stream {} is not a stream: air, road, mobile, thermal or track", options.stream),
    }
}

fn read(options: &ImportSamplesOptions, mapping: &Mapping, samples: &mut Vec<Sample>) -> Result<ImportReport> {
    let file = BufReader::new(File::open(&options.file)?);
    let mut sink = |sample| samples.push(sample);
    let report = match (&options.motion, mapping.accelerometer.is_some()) {
        (Some(motion), true) => {
            let motion = BufReader::new(File::open(motion).with_context(|| format!("--motion {}", motion.display()))?);
            tournee_import::import_with_motion(file, motion, mapping, &mut sink)?
        }
        (Some(_), false) => bail!("this mapping reads one file: leave --motion out"),
        (None, _) => tournee_import::import(file, mapping, &mut sink)?,
    };
    Ok(report)
}

/// One sequence per stream, in the order of the file: the same file again is the same keys again, and is dropped as such.
async fn store(lake_root: &Path, box_id: &BoxId, epoch: u64, samples: Vec<Sample>) -> Result<Totals> {
    std::fs::create_dir_all(lake_root)
        .with_context(|| format!("cannot write {}: choose another folder with --data", lake_root.display()))?;
    let own = shard(box_id);
    let mut lake = Lake::open(lake_root, LakeOptions { shards: own..=own, hook: None }).await?;
    for stream in Stream::ALL {
        let of_stream: Vec<&Sample> = samples.iter().filter(|sample| sample.stream == stream).collect();
        for (part, chunk) in of_stream.chunks(BATCH_SAMPLES).enumerate() {
            let batch = Batch {
                box_id: box_id.clone(),
                stream,
                epoch,
                first_seq: (part * BATCH_SAMPLES) as u64,
                samples: chunk.iter().map(|sample| (*sample).clone()).collect(),
            };
            lake.append(batch, chrono::Utc::now().timestamp_micros())?;
        }
    }
    lake.commit(chrono::Utc::now().timestamp_micros()).await?;
    Ok(lake.totals())
}

fn print(file: &Path, box_id: &BoxId, report: &ImportReport, totals: &Totals) {
    println!(
        "{}: {} rows = {} stored + {} refused",
        file.display(),
        report.rows,
        report.stored,
        report.rows - report.stored
    );
    for (reason, rows) in &report.refused {
        println!("  refused {rows:>8}  {reason}");
    }
    for (what, values) in &report.emptied {
        println!("  emptied {values:>8}  {what}");
    }
    println!(
        "{} samples of {box_id} into the lake, {} already there, {} refused by the lake's own checks",
        totals.stored, totals.duplicates, totals.refused_rows
    );
}
