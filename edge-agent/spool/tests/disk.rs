//! Disks that are full or must not be written: real ones. As root a small file system in memory is mounted; everywhere a
//! limit of the kernel on the size of files stands in for it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tournee_payload::{BoxId, Sample, Stream, decode, field};
use tournee_spool::{LinePosition, Spool, SpoolConfig, SpoolError};

fn open(path: &Path) -> Spool {
    Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30), 7).unwrap().0
}

/// One second of rows that hardly pack, so that a disk fills in a reasonable time.
fn second(t_s: u64) -> Vec<Sample> {
    [Stream::Health, Stream::Track, Stream::Air, Stream::Road]
        .into_iter()
        .map(|stream| {
            let mut sample = Sample::new(stream);
            // SplitMix64.
            let mut state = t_s * 8 + u64::from(stream as u8);
            for value in &mut sample.values {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *value = Some((z ^ (z >> 27)) as i64 >> 8);
            }
            sample.set(field::T_US, Some(1_768_000_000_000_000 + t_s as i64 * 1_000_000));
            sample
        })
        .collect()
}

/// Takes everything out. Each sample is stored or named by a gap row, never both, and those stored are the right ones.
/// Returns per stream: generated, given up, last stored number.
fn account(spool: &mut Spool) -> Vec<(Stream, u64, u64, Option<u64>)> {
    spool.seal_all().unwrap();
    let mut stored = BTreeSet::new();
    let mut gaps = BTreeSet::new();
    for stream in Stream::ALL {
        let mut from = 0;
        while let Some(batch) = spool.peek(stream, from).unwrap() {
            from = batch.end_seq();
            for (seq, sample) in (batch.first_seq..).zip(decode(&batch.bytes).unwrap().samples) {
                if stream == Stream::Gap {
                    let value = |id| sample.get(id).unwrap() as u64;
                    assert_eq!(value(19), 1, "given up for want of room");
                    assert!((value(17)..=value(18)).all(|seq| gaps.insert((value(16), seq))), "given up twice");
                } else {
                    // Each stream gets one row a second, so the number is the second.
                    assert_eq!(sample.get(field::T_US), Some(1_768_000_000_000_000 + seq as i64 * 1_000_000));
                    assert!(stored.insert((stream as u64, seq)), "twice");
                }
            }
        }
    }
    assert_eq!(stored.intersection(&gaps).next(), None);
    let of = |set: &BTreeSet<(u64, u64)>, stream: Stream| -> Vec<u64> {
        set.range((stream as u64, 0)..=(stream as u64, u64::MAX)).map(|(_, seq)| *seq).collect()
    };
    let measuring = spool.generated().into_iter().filter(|(stream, count)| *stream != Stream::Gap && *count > 0);
    measuring
        .map(|(stream, generated)| {
            let (stored, gaps) = (of(&stored, stream), of(&gaps, stream));
            assert_eq!(generated, (stored.len() + gaps.len()) as u64, "{}: generated = stored + gaps", stream.name());
            assert_eq!(spool.given_up(stream), gaps.len() as u64);
            (stream, generated, gaps.len() as u64, stored.last().copied())
        })
        .collect()
}

/// Unmounted at the end, whatever happens.
struct Mount(tempfile::TempDir);

impl Mount {
    /// None where this process may not mount.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED: no right to mount a file system");
        }
        mounted.then(|| Self(dir))
    }

    fn again(&self, option: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("spool.db")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

/// The disk of a vehicle that was long without network, and full before the spool was at its cap: the newest and the most
/// important rows are kept, room is made inside the file.
#[test]
fn a_full_disk_sheds_the_lowest_priority_and_keeps_what_is_new() {
    let Some(mount) = Mount::new("8m") else { return };
    let mut spool = open(&mount.path());
    let seconds = 30_000;
    let mut refused = 0;
    for t_s in 0..seconds {
        spool.append(&second(t_s)).unwrap();
        spool.reached(LinePosition { boot_id: 1, next_seq: t_s as u32 });
        if t_s % 10 == 9
            && let Err(error) = spool.commit()
        {
            assert!(error.is_full_disk() && !error.is_damage(), "{error:?}");
            refused += 1;
        }
    }
    let size = std::fs::metadata(mount.path()).unwrap().len();
    println!("file {size} bytes, {refused} commits refused, {:?}", spool.pending_total());
    assert!(size > 2_000_000 && size < 8_000_000, "{size}: the disk did not fill");
    assert_eq!(spool.uncommitted(), 0, "every row found room in the end");
    drop(spool);
    let mut spool = open(&mount.path());
    let account = account(&mut spool);
    println!("{account:?}");
    for (stream, generated, _, last) in &account {
        assert_eq!(*generated, seconds, "{}", stream.name());
        if *stream == Stream::Road {
            assert_eq!(*last, Some(seconds - 1), "the newest is there");
        }
    }
    let given_up = |stream| account.iter().find(|line| line.0 == stream).unwrap().2;
    assert!(given_up(Stream::Health) > 0 && given_up(Stream::Health) >= given_up(Stream::Track));
    assert!(given_up(Stream::Road) <= given_up(Stream::Air) && given_up(Stream::Air) <= given_up(Stream::Track));
}

/// Someone else takes every byte of the disk, also those that the spool had in reserve, and clears it again. Meanwhile
/// nothing that was committed or appended is lost.
#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let Some(mount) = Mount::new("4m") else { return };
    let mut spool = open(&mount.path());
    let ballast = mount.0.path().join("ballast");
    let (mut t_s, mut refused) = (0, 0);
    let mut drive = |spool: &mut Spool, seconds: u64, full: bool| {
        for _ in 0..seconds {
            if full {
                // Ends with an error, when nothing is left.
                let mut file = std::fs::File::options().create(true).append(true).open(&ballast).unwrap();
                assert!(std::io::Write::write_all(&mut file, &vec![1; 5_000_000]).is_err());
            }
            spool.append(&second(t_s)).unwrap();
            t_s += 1;
            if let Err(error) = spool.commit() {
                assert!(full && error.is_full_disk() && !error.is_damage(), "{error:?}");
                refused += 1;
            }
        }
        refused
    };
    assert_eq!(drive(&mut spool, 20, false), 0);
    let refused = drive(&mut spool, 200, true);
    println!("{refused} of 200 commits refused, {} samples wait", spool.uncommitted());
    assert!(refused > 0, "there was room all the time");
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(drive(&mut spool, 20, false), refused);
    assert_eq!(spool.uncommitted(), 0);
    drop(spool);
    let mut spool = open(&mount.path());
    let account = account(&mut spool);
    assert!(account.len() == 4 && account.iter().all(|(_, generated, ..)| *generated == 240), "{account:?}");
    println!("{account:?}");
}

/// Someone else takes the room bit by bit, down to the last byte, and leaves it taken. Delivering needs writes too: what was
/// committed still comes out, and what it leaves behind is the room for what waits in memory.
#[test]
fn a_disk_that_others_have_filled_for_good_still_delivers() {
    let Some(mount) = Mount::new("6m") else { return };
    let mut spool = open(&mount.path());
    let ballast = mount.0.path().join("ballast");
    let (mut t_s, mut refused, mut peeked) = (0, 0, false);
    while refused < 30 {
        // Ends with an error at some time.
        let mut file = std::fs::File::options().create(true).append(true).open(&ballast).unwrap();
        let _ = std::io::Write::write_all(&mut file, &[1; 4_096]);
        spool.append(&second(t_s)).unwrap();
        t_s += 1;
        if t_s % 10 == 0
            && let Err(error) = spool.commit()
        {
            assert!(error.is_full_disk(), "{error:?}");
            refused += 1;
        }
        // No gap rows: they would be handed out here and not below.
        peeked |= spool.peek(Stream::Air, 0).unwrap().is_some();
    }
    assert!(peeked, "nothing was ever handed out");
    println!("after {t_s} s the disk is full: {:?}, {} in memory", spool.pending_total(), spool.uncommitted());
    let epoch = spool.epoch();
    let mut stored = BTreeSet::new();
    for _ in 0..100 {
        for stream in Stream::ALL {
            while let Some(batch) = spool.peek(stream, 0).unwrap() {
                assert_ne!(stream, Stream::Gap, "nothing had to be given up");
                stored.extend((batch.first_seq..batch.end_seq()).map(|seq| (stream as u64, seq)));
                spool.acknowledge(stream, epoch, batch.end_seq()).unwrap();
            }
        }
        if spool.seal_all().is_ok() && spool.pending_total().samples == 0 && spool.uncommitted() == 0 {
            break;
        }
    }
    assert_eq!((spool.uncommitted(), stored.len() as u64), (0, 4 * t_s), "all came out, {:?}", spool.pending_total());
}

#[test]
fn a_disk_that_can_never_hold_a_spool_is_refused_with_what_it_needs() {
    let Some(mount) = Mount::new("900k") else { return };
    let config = SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30);
    let error = Spool::open(&mount.path(), config, 8).unwrap_err();
    assert!(matches!(error, SpoolError::SmallDisk { found_bytes: 921_600, needed_bytes: 4_194_304, .. }), "{error:?}");
    assert!(error.to_string().contains(&mount.path().display().to_string()), "{error}");
    assert_eq!(std::fs::read_dir(mount.0.path()).unwrap().count(), 0, "nothing was begun");
}

/// The kernel refuses to let a file grow (a quota, a limit): not a full disk by name, so nothing is given up for it. The
/// spool says so, keeps what it holds, and refuses more when its memory is full.
#[test]
fn files_that_must_not_grow() {
    const CHILD: &str = "TOURNEE_SPOOL_LIMITED";
    if let Some(path) = std::env::var_os(CHILD) {
        return limited(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    // Blocks of 512 bytes: 400 kB. Without the trap the signal would end the process.
    let script = "trap '' XFSZ; ulimit -f 800; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "files_that_must_not_grow", "--nocapture"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let committed: u64 = said.lines().find_map(|line| line.split("committed=").nth(1)).unwrap().trim().parse().unwrap();
    let mut spool = open(&path);
    for (stream, generated, given_up, _) in account(&mut spool) {
        assert_eq!((generated, given_up), (committed, 0), "{}", stream.name());
    }
}

fn limited(path: &Path) {
    let mut config = SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30);
    config.max_uncommitted = 40;
    let (mut spool, _) = Spool::open(path, config, 7).unwrap();
    let mut committed = 0;
    for t_s in 0..10_000 {
        match spool.append(&second(t_s)) {
            Ok(()) => {}
            Err(SpoolError::BufferFull(40)) => break,
            Err(error) => panic!("{error:?}"),
        }
        match spool.commit() {
            Ok(()) => committed = t_s + 1,
            Err(error) => assert!(!error.is_damage(), "{error:?}"),
        }
    }
    assert_eq!(spool.uncommitted(), 40, "the limit was never reached");
    assert_eq!(spool.generated()[&Stream::Air], committed);
    println!("committed={committed}");
    // As killed: closing would fold the log into the file, which may not grow.
    std::process::exit(0);
}

#[test]
fn a_read_only_disk_is_told_with_its_path_and_left_as_it_is() {
    let Some(mount) = Mount::new("4m") else { return };
    let mut spool = open(&mount.path());
    for t_s in 0..30 {
        spool.append(&second(t_s)).unwrap();
        spool.commit().unwrap();
    }
    drop(spool);
    let bytes = std::fs::read(mount.path()).unwrap();
    mount.again("ro");
    let config = SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30);
    let error = Spool::open(&mount.path(), config, 8).unwrap_err();
    assert!(matches!(error, SpoolError::Open { .. }) && !error.is_damage(), "{error:?}");
    assert!(error.to_string().contains(&mount.path().display().to_string()), "{error}");
    assert_eq!(std::fs::read(mount.path()).unwrap(), bytes, "not touched, not set aside");
    mount.again("rw");
    let account = account(&mut open(&mount.path()));
    assert!(account.len() == 4 && account.iter().all(|(_, generated, given_up, _)| (*generated, *given_up) == (30, 0)));
}

/// A file system that finds an error turns read-only under way.
#[test]
fn a_disk_that_turns_read_only_costs_nothing_until_memory_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(&dir.path().join("spool.db"));
    for t_s in 0..100 {
        spool.append(&second(t_s)).unwrap();
        if t_s == 30 {
            spool.refuse_changes(true).unwrap();
        }
        if t_s == 80 {
            spool.refuse_changes(false).unwrap();
        }
        match spool.commit() {
            Ok(()) => assert!(!(30..80).contains(&t_s)),
            Err(error) => assert!((30..80).contains(&t_s) && !error.is_damage() && !error.is_full_disk(), "{error:?}"),
        }
    }
    let account = account(&mut spool);
    assert!(
        account.len() == 4 && account.iter().all(|(_, generated, given_up, _)| (*generated, *given_up) == (100, 0))
    );
}
