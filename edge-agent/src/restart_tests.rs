//! An agent that ends, by a kill or by request, and its successor: what is counted as lost.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use tournee_features::VehicleProfile;
use tournee_link::{Climate, Gnss, Header, MAX_FRAME_BYTES, Message, PROTO, Pm, encode};
use tournee_payload::{BoxId, Stream};
use tournee_spool::{LinePosition, Spool, SpoolConfig};

use crate::keeper::{self, Keeper};
use crate::line::{Line, Taken};

const BOOT: u32 = 77;
/// Messages a second.
const PER_SECOND: u32 = 3;

/// Seconds of a drive northwards at 8 m/s.
fn beat() -> crate::beats::Beat {
    crate::beats::Beats::default().begin(crate::beats::Part::Keeper)
}

fn steward() -> crate::steward::Steward {
    crate::steward::Steward::new(1, tournee_link::BoxConfig::DEFAULT)
}

fn drive(boot_id: u32, seconds: std::ops::Range<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for t in seconds {
        let gnss = Gnss {
            utc_us: 1_768_000_000_000_000 + i64::from(t) * 1_000_000,
            fix: 3,
            sats: 12,
            hdop_centi: 90,
            lat_e7: 476_500_000 + t as i32 * 719,
            lon_e7: -20_800_000,
            h_acc_mm: 2_000,
            speed_mmps: 8_000,
            heading_cdeg: 0,
        };
        let pm = Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80, pm10_dugm3: 120 };
        let climate = Climate { status: 0, temp_cdegc: 500, rh_cpct: 7_000, pressure_pa: 101_300 };
        for (n, message) in [Message::Gnss(gnss), Message::Pm(pm), Message::Climate(climate)].iter().enumerate() {
            let seq = t * PER_SECOND + n as u32;
            let header = Header { proto: PROTO, boot_id, seq, tick_us: 5_000_000 + u64::from(t) * 1_000_000 };
            let mut out = [0; MAX_FRAME_BYTES];
            let len = encode(&header, message, &mut out).unwrap();
            bytes.extend(&out[..len]);
        }
    }
    bytes
}

fn profile(trim_m: f64) -> VehicleProfile {
    let mut profile = VehicleProfile::default();
    (profile.trim.first_m, profile.trim.last_m) = (trim_m, trim_m);
    profile
}

fn feed(line: &mut Line, bytes: &[u8]) -> Taken {
    let mut samples = Vec::new();
    line.feed(bytes, 0, &mut samples);
    Taken { samples, position: line.position() }
}

fn open(path: &Path) -> Spool {
    Spool::open(path, SpoolConfig::new(BoxId::new("van-01").unwrap(), 1 << 30), 7).unwrap().0
}

fn lost_after(before: Option<LinePosition>, bytes: &[u8]) -> u64 {
    let mut line = Line::new(profile(0.0), before, steward());
    feed(&mut line, bytes);
    line.counters().frames_lost
}

/// The keeper has committed the first part and holds the second in memory. Killed there, the second part is lost and
/// counted; told to stop, nothing is.
#[tokio::test]
async fn a_kill_counts_what_was_read_and_not_committed_and_a_stop_counts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.db");
    let never = Duration::from_secs(3_600);
    let Keeper { samples, handle, mut status, ended } = keeper::start(open(&path), never, false, 8, beat()).unwrap();
    let mut line = Line::new(profile(0.0), None, steward());

    // Enough samples that the keeper does not wait for its interval.
    let first = feed(&mut line, &drive(BOOT, 0..1_500));
    assert!(first.samples.len() >= 2_000);
    let safe = first.position.unwrap();
    let held = 1_500 * PER_SECOND - safe.next_seq;
    assert!((4 * PER_SECOND..=6 * PER_SECOND).contains(&held), "what rows are still made of: {held} frames");
    samples.send(first).await.unwrap();
    status.wait_for(|status| status.generated[&Stream::Track] > 0).await.unwrap();

    let second = feed(&mut line, &drive(BOOT, 1_500..1_530));
    assert!(second.position.unwrap().next_seq > safe.next_seq && !second.samples.is_empty());
    samples.send(second).await.unwrap();

    // The kill: the file and its log as they are now.
    let killed = dir.path().join("killed.db");
    for suffix in ["", "-wal"] {
        let with = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(with(&path), with(&killed)).unwrap();
    }
    let before = open(&killed).line_position();
    assert_eq!(before, Some(safe), "never ahead of the committed samples");
    let next = drive(BOOT, 1_530..1_540);
    assert_eq!(lost_after(before, &next), u64::from(30 * PER_SECOND + held));
    assert_eq!(lost_after(before, &drive(BOOT + 1, 1_530..1_540)), 0, "another boot: not this line's frames");
    assert_eq!(lost_after(before, &drive(BOOT, 0..10)), 0, "the same boot id from its start: no hole is known");
    assert_eq!(lost_after(None, &next), 0, "a new spool knows nothing");

    // The stop, as the reader does it at SIGTERM.
    let mut rest = Vec::new();
    line.finish(&mut rest);
    samples.send(Taken { samples: rest, position: line.position() }).await.unwrap();
    drop((samples, handle));
    let kept = ended.await.unwrap().unwrap();
    assert!(kept.input_done);
    let spool = open(&path);
    assert_eq!(spool.generated()[&Stream::Track], 1_530, "everything that was read is committed");
    assert_eq!(spool.line_position(), Some(LinePosition { boot_id: BOOT, next_seq: 1_530 * PER_SECOND }));
    assert_eq!(lost_after(spool.line_position(), &next), 0, "a clean stop loses nothing");
    assert_eq!(lost_after(spool.line_position(), &drive(BOOT, 1_535..1_540)), u64::from(5 * PER_SECOND), "unheard");
}

/// A keeper that has nothing to do gives signs of life all the same, and one that has ended is not missed.
#[tokio::test]
async fn an_idle_keeper_gives_signs_of_life() {
    use crate::beats::{BEAT_EVERY, Beats, Part};
    let dir = tempfile::tempdir().unwrap();
    let beats = Beats::default();
    let spool = open(&dir.path().join("spool.db"));
    let beat = beats.begin(Part::Keeper);
    let Keeper { samples, handle, ended, .. } = keeper::start(spool, BEAT_EVERY, false, 8, beat).unwrap();
    // As of a moment after the start at which only a later sign of life is young enough.
    let later = std::time::Instant::now() + BEAT_EVERY;
    tokio::time::timeout(Duration::from_secs(60), async {
        while !beats.silent(BEAT_EVERY / 2, later).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a sign of life after the first");
    drop((samples, handle));
    ended.await.unwrap().unwrap();
    let far = std::time::Instant::now() + Duration::from_secs(3_600);
    assert_eq!(beats.silent(Duration::from_secs(30), far), []);
}

/// Outside of working hours nothing is held back and nothing is missing, so a kill then costs nothing.
#[test]
fn what_is_not_kept_outside_of_working_hours_is_not_called_lost() {
    let path = Path::new("somewhere");
    let mut config = crate::AgentConfig::new("van-01", path, path).unwrap();
    // 2026-01-09 from 23:06 UTC, when the drive is, was a Friday.
    config.privacy.hours.zone = "UTC".to_owned();
    config.privacy.hours.open = vec!["sat 06:00-20:00".to_owned()];
    let mut line = Line::new(profile(300.0), None, steward());
    line.configure(&config);
    let taken = feed(&mut line, &drive(BOOT, 0..400));
    assert!(taken.samples.iter().all(|sample| sample.stream == Stream::Health));
    assert!(taken.samples.iter().all(|sample| sample.get(26) == Some(0)), "by no command");
    let held = 400 * PER_SECOND - taken.position.unwrap().next_seq;
    assert!(held <= 7 * PER_SECOND, "what rows are still made of: {held} frames");
    let withheld = line.withheld();
    assert!(withheld.outside_hours && withheld.hours >= 780 && withheld.trimmed == 0, "{withheld:?}");
    // The rules may change under way: from then on rows are kept, from 300 m on.
    config.privacy.hours.open = vec!["fri 00:00-24:00".to_owned()];
    line.configure(&config);
    let taken = feed(&mut line, &drive(BOOT, 400..600));
    let first = taken.samples.iter().filter(|sample| sample.stream == Stream::Track).find_map(|row| row.get(tick()));
    let first_s = (first.unwrap() - 5_000_000) / 1_000_000;
    assert!((436..=440).contains(&first_s), "300 m at 8 m/s after {first_s} s");
    assert!(!line.withheld().outside_hours);
}

const fn tick() -> u16 {
    tournee_payload::field::TICK_US
}

/// What the privacy trim holds back dies with the process: those frames are behind the position.
#[test]
fn what_the_trim_holds_back_is_not_called_safe() {
    let mut line = Line::new(profile(300.0), None, steward());
    let taken = feed(&mut line, &drive(BOOT, 0..400));
    assert!(taken.samples.iter().any(|sample| sample.stream == Stream::Track));
    let held = 400 * PER_SECOND - taken.position.unwrap().next_seq;
    let trim_s = 300 / 8;
    assert!((trim_s * PER_SECOND..=(trim_s + 7) * PER_SECOND).contains(&held), "{held} frames");
    line.finish(&mut Vec::new());
    assert_eq!(line.position().unwrap().next_seq, 400 * PER_SECOND, "kept on board on purpose is not lost");
}

/// A new boot starts its own position, and a late frame does not take it back.
#[test]
fn the_position_follows_the_boots() {
    let mut line = Line::new(profile(0.0), None, steward());
    assert_eq!(feed(&mut line, &[]).position, None);
    feed(&mut line, &drive(1, 0..100));
    let at = feed(&mut line, &drive(1, 50..60)).position.unwrap();
    assert!(at.boot_id == 1 && at.next_seq >= 94 * PER_SECOND, "{at:?}");
    let at = feed(&mut line, &drive(2, 10..11)).position.unwrap();
    assert_eq!(at, LinePosition { boot_id: 2, next_seq: 10 * PER_SECOND }, "nothing of the new boot is safe yet");
}
