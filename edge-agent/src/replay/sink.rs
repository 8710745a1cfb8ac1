//! Where the samples of a replay go: the spool of the configuration, or CSV files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::Rng;
use tournee_payload::{Sample, Stream, fields};
use tournee_spool::{Spool, SpoolConfig};

use super::{ReplayError, at};
use crate::config::AgentConfig;

pub enum Sink {
    Spool(Box<Spool>),
    Csv { folder: PathBuf, files: BTreeMap<Stream, (PathBuf, BufWriter<File>)> },
}

impl Sink {
    pub fn spool(config: &AgentConfig) -> Result<Self, ReplayError> {
        let settings = SpoolConfig::new(config.box_id.clone(), config.spool.max_bytes);
        let (spool, _) = Spool::open(&config.spool.path, settings, rand::rng().random::<u64>() >> 1)?;
        Ok(Self::Spool(Box::new(spool)))
    }

    pub fn csv(folder: &Path) -> Result<Self, ReplayError> {
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        Ok(Self::Csv { folder: folder.to_owned(), files: BTreeMap::new() })
    }

    pub fn take(&mut self, samples: &[Sample]) -> Result<(), ReplayError> {
        match self {
            Self::Spool(spool) => {
                // The position on the line is left as it is: it is that of the real box.
                spool.append(samples)?;
                spool.commit()?;
            }
            Self::Csv { folder, files } => {
                for sample in samples {
                    let (path, file) = match files.entry(sample.stream) {
                        std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::btree_map::Entry::Vacant(entry) => {
                            let path = folder.join(format!("{}.csv", sample.stream.name()));
                            let mut file = BufWriter::new(File::create_new(&path).map_err(at(&path))?);
                            let names: Vec<&str> = fields(sample.stream).iter().map(|field| field.name).collect();
                            writeln!(file, "{}", names.join(",")).map_err(at(&path))?;
                            entry.insert((path, file))
                        }
                    };
                    writeln!(file, "{}", row(sample)).map_err(at(path))?;
                }
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<(), ReplayError> {
        match self {
            Self::Spool(mut spool) => spool.seal_all()?,
            Self::Csv { files, .. } => {
                for (path, mut file) in files.into_values() {
                    file.flush().map_err(at(&path))?;
                }
            }
        }
        Ok(())
    }
}

/// Values in the units of the column names, with the digits that the wire has.
fn row(sample: &Sample) -> String {
    let values = fields(sample.stream).iter().map(|field| match sample.get(field.id) {
        None => String::new(),
        Some(wire) if field.scale == 0 => wire.to_string(),
        Some(wire) => {
            let one = 10_u64.pow(u32::from(field.scale));
            let sign = if wire < 0 { "-" } else { "" };
            let (whole, part) = (wire.unsigned_abs() / one, wire.unsigned_abs() % one);
            format!("{sign}{whole}.{part:0width$}", width = usize::from(field.scale))
        }
    });
    values.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tournee_payload::field;

    #[test]
    fn values_are_written_to_the_digit() {
        let mut sample = Sample::new(Stream::Track);
        sample.set(field::T_US, Some(1_780_000_000_000_000));
        sample.set(field::LAT_DEG, Some(-5));
        sample.set(field::LON_DEG, Some(-1_224_723_003));
        sample.set(field::SPEED_MPS, Some(799));
        let row = row(&sample);
        assert!(row.starts_with("1780000000000000,,,-0.0000005,-122.4723003,,7.99,,"), "{row}");
    }
}
