//! Every receiver capture of gpsd against gpsd's own decoding of it: what we give out must agree in time, position, speed
//! and quality, epoch by epoch, or the difference stands in [`DIFFERENCES`] with its reason and its exact count.
//!
//! Goal: a reader that is right on the bytes of real receivers, including broken ones. Method: each capture is fed in
//! slices of odd sizes; valid fixes and gpsd's TPV reports are joined by UTC to 2 ms. gpsd reports after each sentence,
//! so the last report of a time is its most complete one. The files are not ours to ship: without them this is skipped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tournee_drivers::gnss::{Counters, Event, Fix, Limits, Receiver, Refusal};

/// Day of a capture from which on its dates are believable, where it is older than the default floor of 2020.
const FLOORS: [(&str, i64); 12] = [
    ("april6_2019", days_to_us(17_897)), // 2019-01-01: the receiver was made for 2019, its clock says 1999
    ("bt451", days_to_us(14_245)),       // 2009-01-01
    ("bu353s4", days_to_us(16_071)),     // 2014-01-01
    ("com-1289", days_to_us(13_514)),    // 2007-01-01
    ("firefly-II", days_to_us(14_610)),  // 2010-01-01
    ("gp-320fw-2019-04-07-coldboot", days_to_us(17_897)), // 2019-01-01
    ("mtk-3301", days_to_us(13_879)),    // 2008-01-01
    ("telit-he910", days_to_us(17_897)), // 2019-01-01
    ("tn200-all", days_to_us(12_784)),   // 2005-01-01
    ("ublox-lea-4t", days_to_us(14_245)), // 2009-01-01
    ("ublox-neo-m8n", days_to_us(17_167)), // 2017-01-01
    ("ublox-zed-f9p-hp", days_to_us(17_897)), // 2019-01-01
];

const NOT_YET: &str = "gpsd reports after each sentence, so before the RMC of the epoch has brought the date; we give the \
                       epoch out once, with it";
const FIRST: &str = "gpsd reports nothing for the first epoch of a UBX line: it has not yet seen a whole cycle. The frame's \
                     check sum is right and the next epochs continue it";

/// What differs, how often, and why.
const DIFFERENCES: &[(&str, &str, usize, &str)] = &[
    (
        "april6_2019",
        "gpsd has no time",
        1,
        "the receiver after its week roll-over prints the date 2208-1 (year -1): a field that is no date, sentence refused",
    ),
    (
        "april6_2019",
        "only gpsd",
        1,
        "the receiver after its week roll-over says 1999-08-22 in 2019: before the floor, refused and never repaired",
    ),
    (
        "bt451",
        "gpsd has no time",
        1,
        "the capture begins in mid-cycle with GLL: no speed, no date yet, so no valid fix",
    ),
    ("bt451", "only gpsd", 1, "joined from two recordings: the RMC of 14:33:06.0 is missing, and with it the speed"),
    (
        "bt451",
        "only ours",
        2,
        "15:25:08.5 (cut by the join) and 14:33:08.5 (cut by the end) have a whole RMC, 15:25:08.5 a GGA too; gpsd waits for \
         the end of a cycle that never comes",
    ),
    ("bu353s4", "gpsd has no time", 2, NOT_YET),
    (
        "gp-320fw-2019-04-07-coldboot",
        "gpsd has no time",
        3,
        "the RMC of the first cycle lies before the capture's begin",
    ),
    ("gpsdf", "gpsd has no time", 6, NOT_YET),
    (
        "mtk-3301",
        "gpsd has no time",
        2,
        "08:14:34.590: gpsd takes the position of a GGA whose quality is 0 and whose RMC says V, we do not; \
         08:14:36: as gpsd reports before the RMC",
    ),
    ("mtk-3301", "only ours", 1, "08:14:36: gpsd gave its report of this epoch before the RMC came, without a time"),
    (
        "mtk-3301",
        "mode",
        3,
        "three satellites, and the GSA of this receiver, when it comes (08:14:39), says 2D; gpsd takes any altitude for 3D",
    ),
    ("nmea-fuzzy-cases", "gpsd has no time", 1, NOT_YET),
    ("nmea-rtk", "gpsd has no time", 1, NOT_YET),
    ("quectel-eg25-g", "gpsd has no time", 9, NOT_YET),
    ("telit-he910", "gpsd has no time", 4, NOT_YET),
    (
        "ublox-lea-4t",
        "only gpsd",
        1,
        "first epoch: gpsd says 20:35:40.001 from GPS time less 18 leap seconds, its default, as 2009 had 15",
    ),
    ("ublox-lea-4t", "only ours", 1, "the same epoch: NAV-TIMEUTC, flagged valid, says 20:35:43.001"),
    (
        "ublox-neo-m8l",
        "HNR-PVT",
        190,
        "gpsd also reports the 10 Hz solution of UBX class HNR, which the inertial unit carries on between epochs; we take \
         the epochs of NAV-PVT",
    ),
    (
        "ublox-neo-m8l",
        "only ours",
        2,
        "15:31:52, the first NAV-PVT: see the other UBX lines; 15:32:00: gpsd has only HNR-PVT for it, NAV-PVT came 0.4 ms \
         before the minute",
    ),
    (
        "ublox-neo-m8n",
        "only ours",
        2,
        "08:50:00.8, the first epoch: gpsd has not yet seen a whole cycle; 08:50:05.4: the capture ends in its NAV-TIMEGPS",
    ),
    ("ublox-neo-m8u", "only ours", 1, FIRST),
    ("ublox-zed-f9p-hp", "only ours", 1, FIRST),
];

const CAPTURES: usize = 22;
/// gpsd's status of a solution that an inertial unit shares in.
const DEAD_RECKONING: i64 = 6;

const fn days_to_us(days: i64) -> i64 {
    days * 86_400_000_000
}

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let folder = shared.join("gnss/gpsd");
    folder.is_dir().then_some(folder)
}

/// One TPV of gpsd.
#[derive(Clone, Debug)]
struct Tpv {
    utc_us: Option<i64>,
    mode: i64,
    status: i64,
    position: Option<(f64, f64)>,
    speed_mps: Option<f64>,
}

fn utc_us(text: &str) -> i64 {
    // 2022-10-18T11:32:58.000Z, to milliseconds.
    let digits: Vec<i64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap())
        .collect();
    let [year, month, day, hour, minute, second, ms] = digits[..] else { panic!("{text}") };
    // Day number by counting, independent of the code under test.
    let is_leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let mut days: i64 = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum();
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += lengths[..month as usize - 1].iter().sum::<i64>() + day - 1;
    ((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + ms) * 1_000
}

fn reference(path: &Path) -> Vec<Tpv> {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let json =
        text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str::<Value>(line).unwrap());
    json.filter(|value| value["class"] == "TPV")
        .map(|value| Tpv {
            utc_us: value["time"].as_str().map(utc_us),
            mode: value["mode"].as_i64().unwrap(),
            status: value["status"].as_i64().unwrap_or(1),
            position: value["lat"].as_f64().zip(value["lon"].as_f64()),
            speed_mps: value["speed"].as_f64(),
        })
        .collect()
}

fn decode(bytes: &[u8], limits: Limits, sizes: &[usize]) -> (Vec<Event>, Counters) {
    let mut receiver = Receiver::new(limits);
    let mut events = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).min(rest.len()));
        receiver.feed(now, |event| events.push(event));
        rest = later;
    }
    // The capture ends in mid-cycle: nothing more will come.
    receiver.line_idle(|event| events.push(event));
    (events, receiver.counters())
}

fn compare(fix: &Fix, tpv: &Tpv) -> Vec<&'static str> {
    let mut differences = Vec::new();
    let (lat, lon) = tpv.position.unwrap();
    let apart = (f64::from(fix.lat_e7) * 1e-7 - lat).abs().max((f64::from(fix.lon_e7) * 1e-7 - lon).abs());
    if apart > 1e-6 {
        differences.push("position");
    }
    // gpsd prints three digits.
    if tpv.speed_mps.is_none_or(|speed| (f64::from(fix.speed_mmps) / 1e3 - speed).abs() > 0.0011) {
        differences.push("speed");
    }
    if i64::from(fix.fix.min(3)) != tpv.mode {
        differences.push("mode");
    }
    // gpsd's status: 2 differential, 3 and 4 RTK.
    if fix.fix >= 3 && (fix.fix == 4) != matches!(tpv.status, 2..=4) {
        differences.push("status");
    }
    if !differences.is_empty() && std::env::var_os("GNSS_SHOW").is_some() {
        println!("    {differences:?} {fix:?} {tpv:?}");
    }
    differences
}

fn check(name: &str, folder: &Path) -> (BTreeMap<String, usize>, String) {
    let bytes = std::fs::read(folder.join(format!("{name}.log"))).unwrap();
    let tpvs = reference(&folder.join(format!("{name}.log.chk")));
    let limits = match FLOORS.iter().find(|(of, _)| *of == name) {
        Some((_, utc_floor_us)) => Limits { utc_floor_us: *utc_floor_us, ..Limits::default() },
        None => Limits::default(),
    };
    let (events, counters) = decode(&bytes, limits, &[1, 7, 64, 3, 129, 2, 31, 513]);
    for sizes in [&[1][..], &[bytes.len()], &[11, 5, 97]] {
        assert_eq!((events.clone(), counters), decode(&bytes, limits, sizes), "{name}: slices of {sizes:?}");
    }
    let fixes: Vec<Fix> =
        events.iter().filter_map(|event| if let Event::Fix(fix) = event { Some(*fix) } else { None }).collect();

    let mut last_of: BTreeMap<i64, &Tpv> = BTreeMap::new();
    let mut differences: BTreeMap<String, usize> = BTreeMap::new();
    let mut differ = |what: &str| *differences.entry(what.to_owned()).or_default() += 1;
    for tpv in tpvs.iter().filter(|tpv| tpv.mode >= 2 && tpv.position.is_some()) {
        match tpv.utc_us {
            _ if tpv.status == DEAD_RECKONING => differ("HNR-PVT"),
            Some(utc_us) => drop(last_of.insert(utc_us, tpv)),
            None => differ("gpsd has no time"),
        }
    }
    let (mut valid, mut agree) = (0, 0);
    for fix in fixes.iter().filter(|fix| fix.fix > 0) {
        valid += 1;
        let near = last_of.range(fix.utc_us - 2_000..=fix.utc_us + 2_000).next().map(|(utc_us, _)| *utc_us);
        let Some(tpv) = near.and_then(|utc_us| last_of.remove(&utc_us)) else {
            if std::env::var_os("GNSS_SHOW").is_some() {
                println!("    only ours {fix:?}");
            }
            differ("only ours");
            continue;
        };
        let these = compare(fix, tpv);
        agree += usize::from(these.is_empty());
        these.into_iter().for_each(&mut differ);
    }
    for (_, tpv) in last_of {
        if std::env::var_os("GNSS_SHOW").is_some() {
            println!("    only gpsd {tpv:?}");
        }
        differ("only gpsd");
    }
    let summary = format!(
        "{name}: {} epochs, {valid} valid, {agree} agree; {} sentences, {} UBX, {} refused, {} held back, {} garbage bytes; {differences:?}",
        fixes.len(),
        counters.nmea_sentences,
        counters.ubx_frames,
        counters.refused_in_all(),
        counters.held_back,
        counters.garbage_bytes,
    );
    (differences, summary)
}

#[test]
fn every_capture_agrees_with_gpsd() {
    let Some(folder) = folder() else {
        println!("skipped: the captures are not here");
        return;
    };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names.len(), CAPTURES);
    let mut wrong = Vec::new();
    for name in &names {
        let (differences, summary) = check(name, &folder);
        println!("{summary}");
        let explained: BTreeMap<String, usize> = DIFFERENCES
            .iter()
            .filter(|(capture, ..)| capture == name)
            .map(|(_, what, count, _)| ((*what).to_owned(), *count))
            .collect();
        if differences != explained {
            wrong.push(format!("{name}: found {differences:?}, explained {explained:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The refusal of a rolled-over date rests on the floor alone: with a floor of 1999 the same bytes agree with gpsd.
#[test]
fn a_roll_over_is_refused_by_the_floor_and_by_nothing_else() {
    let Some(folder) = folder() else {
        println!("skipped: the captures are not here");
        return;
    };
    let valid = |name: &str, utc_floor_us: i64| {
        let bytes = std::fs::read(folder.join(format!("{name}.log"))).unwrap();
        let (events, counters) = decode(&bytes, Limits { utc_floor_us, ..Limits::default() }, &[17]);
        let fixes = events.into_iter().filter_map(|event| match event {
            Event::Fix(fix) if fix.fix > 0 => Some(fix.utc_us),
            _ => None,
        });
        (fixes.collect::<Vec<_>>(), counters.refused(Refusal::Time))
    };
    let (y1999, y2019) = (days_to_us(10_592), days_to_us(17_897));
    assert_eq!(valid("april6_2019", y1999), (vec![935_280_151_420_000], 0));
    assert_eq!(valid("april6_2019", y2019), (vec![], 1));
    // A cold boot with a spoofed 2019: one fix before it, none after, and none at all for a box of today.
    assert_eq!(valid("gp-320fw-2019-04-07-coldboot", y2019), (vec![1_554_595_425_030_000], 0));
    assert_eq!(valid("gp-320fw-2019-04-07-coldboot", Limits::default().utc_floor_us), (vec![], 1));
}
