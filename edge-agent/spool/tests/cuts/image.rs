//! The files of a spool as bytes, and what a cut or a bad disk makes of them.

use std::path::{Path, PathBuf};

/// What a disk writes at least.
const SECTOR: usize = 512;
/// What a flash disk writes at once: a cut in the middle may spoil all of it.
const BLOCK: usize = 4_096;

/// The database and its write-ahead log.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    db: Vec<u8>,
    wal: Option<Vec<u8>>,
}

/// A folder in memory where there is one: the cuts are made here, syncing adds nothing but time.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn wal_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// Removes the files, and those that were set aside from them.
pub fn remove(path: &Path) {
    for suffix in ["", "-wal", ".reserve", ".damaged-1", ".damaged-1-wal"] {
        drop(std::fs::remove_file(format!("{}{suffix}", path.display())));
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    fn noise(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.roll() as u8);
    }
}

/// Numbers of the sectors in which two files differ; a sector that is not there differs from one that is.
fn changed(from: &[u8], to: &[u8]) -> Vec<usize> {
    let sector = |file: &[u8], n: usize| file.get(n * SECTOR..).map(|rest| rest[..rest.len().min(SECTOR)].to_vec());
    (0..from.len().max(to.len()).div_ceil(SECTOR)).filter(|n| sector(from, *n) != sector(to, *n)).collect()
}

/// `from` with these sectors of `to`. Sectors that were never written in between are zero, as a file system gives them.
fn mixed(from: &[u8], to: &[u8], sectors: &[usize]) -> Vec<u8> {
    let mut file = from.to_vec();
    for n in sectors {
        let part = to.get(n * SECTOR..).map_or(&[][..], |rest| &rest[..rest.len().min(SECTOR)]);
        let end = n * SECTOR + part.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[n * SECTOR..end].copy_from_slice(part);
    }
    file
}

/// What may be on the disk between `from` and `to`: a first part in order, any part, and a first part whose last block is
/// noise.
fn between(from: &[u8], to: &[u8], dice: &mut Dice) -> Vec<Vec<u8>> {
    let sectors = changed(from, to);
    if sectors.is_empty() {
        return Vec::new();
    }
    let first = &sectors[..dice.below(sectors.len())];
    let any: Vec<_> = sectors.iter().copied().filter(|_| dice.roll().is_multiple_of(2)).collect();
    let at = dice.below(sectors.len());
    let mut spoilt = mixed(from, to, &sectors[..=at]);
    let block = sectors[at] * SECTOR / BLOCK * BLOCK;
    let end = spoilt.len().min(block + BLOCK);
    dice.noise(&mut spoilt[block..end]);
    vec![mixed(from, to, first), mixed(from, to, &any), spoilt]
}

impl Image {
    pub fn read(path: &Path) -> Self {
        Self { db: std::fs::read(path).unwrap(), wal: std::fs::read(wal_of(path)).ok() }
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, &self.db).unwrap();
        if let Some(wal) = &self.wal {
            std::fs::write(wal_of(path), wal).unwrap();
        }
        // The room in reserve is the same everywhere; writing it for each of thousands of spools would take most of the time.
        let reserve = |path: &Path| PathBuf::from(format!("{}.reserve", path.display()));
        drop(std::fs::hard_link(reserve(&path.with_file_name("0.db")), reserve(path)));
    }

    /// Whether the database itself has changed, and not only its log.
    pub fn db_differs(&self, other: &Self) -> bool {
        self.db != other.db
    }

    /// States in which a cut during one call may leave the files. A commit first writes the log. When that is long enough,
    /// or the file is closed, the pages go to the database, and only when they are safe there the log is used anew, by
    /// the next commit, or removed.
    pub fn cuts_until(&self, after: &Self, seed: u64) -> impl Iterator<Item = Self> {
        let mut dice = Dice(seed);
        let old = self.wal.clone().unwrap_or_default();
        let log = after.wal.clone().unwrap_or_else(|| old.clone());
        let logs = between(&old, &log, &mut dice).into_iter().map(|wal| (self.db.clone(), wal));
        let folding = between(&self.db, &after.db, &mut dice).into_iter().map(|db| (db, log.clone()));
        let mut states: Vec<_> = logs.chain(folding).map(|(db, wal)| Self { db, wal: Some(wal) }).collect();
        if after.wal.is_none() && self.wal.is_some() {
            states.push(Self { db: after.db.clone(), wal: Some(log) });
        }
        states.into_iter()
    }

    /// One of the ways in which a disk breaks its word.
    pub fn lie(&self, seed: u64) -> Self {
        let mut dice = Dice(!seed);
        let mut image = self.clone();
        let wal = image.wal.get_or_insert_default();
        let spoil = |file: &mut Vec<u8>, size: usize, dice: &mut Dice| {
            let at = dice.below(file.len().div_ceil(size)) * size;
            let end = file.len().min(at + size);
            dice.noise(&mut file[at..end]);
        };
        match dice.below(6) {
            0 => wal.truncate(dice.below(wal.len().div_ceil(SECTOR)) * SECTOR),
            1 => image.db.truncate(dice.below(image.db.len().div_ceil(SECTOR)) * SECTOR),
            2 => spoil(wal, SECTOR, &mut dice),
            3 => spoil(&mut image.db, SECTOR, &mut dice),
            4 => spoil(&mut image.db, BLOCK, &mut dice),
            _ => wal.clear(),
        }
        image
    }
}
