//! Replies of real modems, kept by the ModemManager project for its own tests, out of the shared data folder: every one
//! parses to what 3GPP TS 27.007 and its text say, or is counted as unknown with the line kept. Expectations are by the line
//! number that the file gives each reply; its texts may not ship.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;

use tournee_features::mobile::parse::{Report, Unparseable, parse};
use tournee_features::mobile::{Cesq, Domain, LineSplitter, MobileStage, Status, mapping};
use tournee_features::{VehicleProfile, ids};

use Domain::{Circuit as Cs, Eps, FiveG, Packet as Ps};

/// Line, then per registration in it: which, `<n>` of an answer, `<stat>`, area, cell, `<AcT>`.
type Place = (Domain, Option<u8>, u8, Option<i64>, Option<i64>, Option<u8>);

const fn bare(domain: Domain, mode: Option<u8>, stat: u8) -> Place {
    (domain, mode, stat, None, None, None)
}

const fn at(domain: Domain, mode: Option<u8>, stat: u8, area: i64, cell: i64, act: Option<u8>) -> Place {
    (domain, mode, stat, Some(area), Some(cell), act)
}

const REGISTRATIONS: &[(u32, &[Place])] = &[
    (1193, &[bare(Cs, Some(1), 3)]),
    (1203, &[bare(Cs, None, 3)]),
    (1213, &[bare(Cs, None, 11)]),
    (1223, &[at(Cs, Some(1), 1, 0x84CD, 0xD3_0173, None)]),
    (1233, &[at(Cs, None, 1, 0x84CD, 0xD3_0156, None)]),
    (1243, &[at(Cs, None, 11, 0x33FE, 0xA3F_B477, None)]),
    (1253, &[at(Cs, Some(2), 1, 0xCE00, 0x1CE_AD8F, None)]),
    (1263, &[at(Cs, None, 1, 0xCE00, 0x5449, None)]),
    (1273, &[at(Cs, Some(2), 0, 0, 0, None)]),
    (1283, &[at(Cs, Some(2), 1, 0x8BE3, 0x2BAF, None)]),
    (1293, &[at(Cs, None, 1, 0x8BE3, 0x2BAF, None)]),
    (1303, &[at(Cs, Some(2), 1, 0x8BE3, 0x2BAF, None)]),
    (1314, &[bare(Cs, None, 2)]),
    (1324, &[at(Cs, Some(2), 1, 0x18D8, 0xFFFF, None)]),
    (1334, &[at(Cs, Some(2), 1, 0x1, 0x10, None)]),
    (1344, &[at(Cs, Some(2), 1, 0x1, 0x10, None)]),
    (1354, &[at(Cs, None, 1, 0x1, 0x10, Some(0))]),
    (1364, &[at(Cs, None, 1, 0x1, 0x10, Some(0))]),
    (1374, &[at(Cs, None, 10, 0x1, 0x10, Some(0))]),
    (1384, &[at(Cs, None, 11, 0x1, 0x10, Some(0))]),
    (1394, &[at(Cs, Some(2), 6, 0x8B37, 0xA26_5185, Some(7))]),
    (1404, &[at(Cs, None, 6, 0x8B37, 0xA26_5185, Some(7))]),
    (1414, &[bare(Ps, Some(1), 3)]),
    (1424, &[bare(Ps, None, 3)]),
    (1434, &[at(Ps, Some(2), 1, 0x8BE3, 0x2B5D, Some(3))]),
    (1444, &[at(Ps, None, 1, 0x8BE3, 0x2B5D, Some(3))]),
    (1454, &[at(Cs, Some(2), 5, 0x502, 0x404_736D, None)]),
    (1464, &[at(Ps, None, 5, 0x502, 0x404_736D, Some(2))]),
    (1474, &[bare(Cs, None, 5), bare(Ps, None, 0)]),
    (1484, &[bare(Ps, None, 0), bare(Cs, None, 5)]),
    (1494, &[at(Ps, Some(2), 1, 0x81ED, 0x1A_9CEB, None)]),
    // The fifth field is a letter, so no <AcT>; the sixth has no place in the standard.
    (1505, &[at(Cs, Some(2), 1, 0xB, 0x2816, None)]),
    (1515, &[at(Cs, Some(2), 11, 0x3F, 0x8FE3, None)]),
    // A space in the middle of the area code: no number.
    (1525, &[(Cs, Some(2), 1, None, Some(0x2715), None)]),
    (1535, &[at(Ps, None, 1, 0x1422, 0x142, Some(3))]),
    (1545, &[at(Ps, None, 11, 0xB092, 0x697, Some(3))]),
    (1555, &[at(Ps, Some(2), 10, 0xEBBD, 0xF025, None)]),
    (1565, &[at(Ps, Some(2), 11, 0xF0D, 0x14C3, None)]),
    (1575, &[bare(Eps, Some(1), 3)]),
    (1585, &[bare(Eps, None, 3)]),
    (1595, &[at(Eps, Some(2), 1, 0x1F00, 0x79_D903, Some(7))]),
    (1605, &[at(Eps, None, 1, 0x1F00, 0x79_D903, Some(7))]),
    (1615, &[at(Eps, Some(2), 10, 0x8D83, 0x671_F98A, Some(7))]),
    // With a routing area code of two digits in between.
    (1625, &[at(Eps, Some(2), 10, 0x2CA8, 0xB5_583D, Some(7))]),
    (1635, &[at(Eps, None, 11, 0x78FE, 0x14_419E, Some(7))]),
    (1645, &[at(Eps, Some(1), 2, 0x1, 0x100, Some(7))]),
    (1655, &[at(Eps, None, 2, 0x1, 0x100, Some(7))]),
    (1665, &[at(Eps, Some(2), 1, 0x1F00, 0x79_D903, Some(7))]),
    (1675, &[at(Eps, None, 1, 0x1F00, 0x79_D903, Some(7))]),
    (1685, &[at(Ps, Some(2), 1, 0x426, 0xF00F, None)]),
    (1695, &[at(Ps, None, 1, 0x426, 0xF00F, None)]),
    (1705, &[bare(FiveG, Some(1), 3)]),
    (1715, &[bare(FiveG, Some(1), 10)]),
    (1725, &[bare(FiveG, None, 3)]),
    (1735, &[at(FiveG, Some(2), 1, 0x1F00, 0x79_D903, Some(11))]),
    (1745, &[at(FiveG, None, 1, 0x1F00, 0x79_D903, Some(11))]),
];

/// Status, MCC and MNC (0 where the digits are not five or six), `<AcT>`.
type Net = (u8, i64, Option<u8>);

const A: Net = (1, 31_026, Some(0));
const A_CURRENT: Net = (2, 31_026, Some(0));
const B: Net = (1, 310_410, Some(0));
const B_3G: Net = (1, 310_410, Some(2));
const THREE: &[Net] = &[A_CURRENT, B_3G, B];

const NETWORKS: &[(u32, &[Net])] = &[
    (541, &[A_CURRENT, (2, 310_260, Some(2)), B]),
    (554, &[A, B]),
    (566, &[A, B_3G, B]),
    (579, THREE),
    (592, THREE),
    (605, THREE),
    (618, &[(2, 310_260, None), (0, 310_410, None)]),
    (631, &[(2, 310_410, Some(0)), (3, 31_026, Some(0))]),
    (644, &[(2, 310_410, Some(0)), (3, 31_026, Some(0))]),
    (656, &[A_CURRENT, B]),
    (668, &[(2, 310_410, Some(2)), B, A]),
    // Seven digits are no operator.
    (681, &[(2, 310_410, Some(0)), (2, 0, Some(2)), (1, 310_260, Some(0))]),
    (694, &[A_CURRENT, B]),
    (706, &[A, (2, 310_260, Some(2)), B_3G, B]),
    (720, &[A_CURRENT, B, B_3G]),
    (733, THREE),
    (746, THREE),
    (759, &[(2, 31_026, None), (1, 31_064, None), (1, 31_041, None)]),
    (772, &[A_CURRENT, B]),
    (784, &[A_CURRENT, B]),
    (796, &[A, B_3G, B]),
    (809, &[(0, 310_410, Some(2)), B, A]),
    (822, THREE),
    (835, &[A_CURRENT, B]),
    (847, THREE),
    (
        864,
        &[
            (2, 26_203, None),
            (2, 26_203, None),
            (3, 26_201, None),
            (3, 26_202, None),
            (3, 26_207, None),
            (3, 26_201, None),
            (3, 26_207, None),
        ],
    ),
    (882, &[(1, 310_260, Some(0)), B]),
    // The question for what is supported, without a network.
    (940, &[]),
    (952, &[]),
];

/// Line, `<mode>`, MCC and MNC, name, `<AcT>`.
type InUse = (u32, u8, Option<i64>, Option<&'static str>, Option<u8>);

const IN_USE: &[InUse] = &[
    (1001, 1, None, Some("CHINA MOBILE"), None),
    (1008, 1, None, Some("CHINA MOBILE"), Some(7)),
    (1015, 1, Some(46_000), None, None),
    (1022, 1, Some(46_000), None, Some(7)),
];

/// Nothing after the colon: the source makes the rest while it runs.
const BROKEN: &[u32] = &[896, 919];

fn file(name: &str) -> Option<String> {
    let data = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = data.join("at_transcripts").join(name);
    if !path.is_file() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

/// The file has one key a line, and its strings are TOML strings too.
fn replies() -> Option<Vec<(u32, String)>> {
    let text = file("modemmanager_at_replies.json")?;
    let mut line = 0;
    let mut replies = Vec::new();
    for row in text.lines() {
        if let Some(number) = row.trim().strip_prefix("\"line\":") {
            line = number.trim().trim_end_matches(',').parse().unwrap();
        } else if let Some(reply) = row.trim().strip_prefix("\"text\":") {
            let value: toml::Table = toml::from_str(&format!("text = {reply}")).unwrap();
            replies.push((line, value["text"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(replies.len(), 216);
    Some(replies)
}

/// The lines of a reply, as they would come over the wire.
fn lines(reply: &str) -> Vec<String> {
    let mut lines = Vec::new();
    LineSplitter::default().feed(format!("{reply}\r\n").as_bytes(), |line| lines.push(line.to_owned()));
    lines
}

fn reports(reply: &str) -> Vec<Result<Option<Report>, Unparseable>> {
    lines(reply).iter().map(|line| parse(line, &VehicleProfile::default().mobile)).collect()
}

#[test]
fn every_registration_reads_as_the_standard_says() {
    let Some(replies) = replies() else { return };
    let is = |text: &str| text.contains("REG:");
    assert_eq!(replies.iter().filter(|(_, text)| is(text)).count(), REGISTRATIONS.len());
    for (line, expected) in REGISTRATIONS {
        let (_, text) = replies.iter().find(|(at, _)| at == line).unwrap();
        let found: Vec<Place> = reports(text)
            .into_iter()
            .map(|report| match report {
                Ok(Some(Report::Registration(one))) => {
                    (one.domain, one.mode, one.status as u8, one.area, one.cell_id, one.act)
                }
                other => panic!("{line}: {text:?} gave {other:?}"),
            })
            .collect();
        assert_eq!(found, *expected, "{line}: {text:?}");
    }
}

/// A modem without a serving cell command: the row takes area and cell from the registration, the area only where it is a
/// tracking area.
#[test]
fn every_registration_that_answers_gives_its_row() {
    let Some(replies) = replies() else { return };
    let (mut areas, mut rows) = (0, 0);
    for (line, expected) in REGISTRATIONS {
        let (_, text) = replies.iter().find(|(at, _)| at == line).unwrap();
        let mut stage = MobileStage::new(VehicleProfile::default().mobile);
        for wire in lines(text) {
            assert_eq!(stage.line(0, &wire), None);
        }
        let row = stage.close().map(|(_, row)| row);
        let [(domain, Some(_), stat, area, cell, _)] = expected else {
            assert_eq!(row, None, "{line}: what comes by itself is no poll");
            continue;
        };
        let row = row.unwrap();
        let is_registered = matches!(stat, 1 | 5 | 6 | 7 | 9 | 10);
        assert_eq!(row.get(ids::mobile::REGISTERED), Some(i64::from(is_registered)), "{line}");
        assert_eq!(row.get(ids::mobile::CELL_ID), cell.filter(|_| is_registered), "{line}");
        let tac = area.filter(|_| is_registered && matches!(domain, Eps | FiveG));
        assert_eq!(row.get(ids::mobile::TAC), tac, "{line}");
        areas += usize::from(tac.is_some());
        rows += 1;
    }
    println!("{rows} rows, {areas} with a tracking area");
    assert!(areas >= 5 && rows > areas);
}

#[test]
fn every_operator_reads_as_the_standard_says() {
    let Some(replies) = replies() else { return };
    let cops = replies.iter().filter(|(_, text)| text.starts_with("+COPS:")).count();
    assert_eq!(cops, NETWORKS.len() + IN_USE.len() + BROKEN.len());
    let text_of = |line: u32| &replies.iter().find(|(at, _)| *at == line).unwrap().1;
    for (line, expected) in NETWORKS {
        let text = text_of(*line);
        let mut found = Vec::new();
        for report in reports(text) {
            let Ok(Some(Report::Networks(networks))) = report else { panic!("{line}: {text:?} gave {report:?}") };
            for network in &networks {
                assert!(network.name.as_ref().is_none_or(|name| text.contains(&format!("\"{name}\""))), "{network:?}");
            }
            found.extend(networks.iter().map(|one| (one.status, one.operator_mccmnc.unwrap_or(0), one.act)));
        }
        assert_eq!(found, *expected, "{line}: {text:?}");
    }
    for (line, mode, mccmnc, name, act) in IN_USE {
        let text = text_of(*line);
        let [Ok(Some(Report::Operator(one)))] = &reports(text)[..] else { panic!("{line}: {text:?}") };
        let found = (one.mode, one.operator_mccmnc, one.name.as_deref(), one.act);
        assert_eq!(found, (*mode, *mccmnc, *name, *act), "{line}: {text:?}");
    }
    for line in BROKEN {
        assert_eq!(reports(text_of(*line)), [Err(Unparseable::Broken)], "{line}");
    }
    // A comma in a name does not cut it.
    let [Ok(Some(Report::Networks(networks)))] = &reports(text_of(882))[..] else { panic!() };
    assert_eq!(networks[0].name.as_deref(), Some("T-Mobile USA, In"));
}

#[test]
fn every_cesq_equals_the_expected_levels() {
    let (Some(expected), Some(replies)) = (file("cesq_expected.json"), replies()) else { return };
    let cesq = |text: &str| -> Cesq {
        match &reports(text)[..] {
            [Ok(Some(Report::Cesq(levels)))] => *levels,
            other => panic!("{text:?} gave {other:?}"),
        }
    };
    let mut seen = 0;
    for row in expected.lines().filter(|row| row.trim_start().starts_with('{')) {
        // One object a line: as a TOML inline table.
        let row = row.trim().trim_end_matches(',').replace("\": ", "\" = ");
        let table: toml::Table = toml::from_str(&format!("row = {row}")).unwrap();
        let row = table["row"].as_table().unwrap();
        let text = row["reply"].as_str().unwrap();
        assert!(replies.iter().any(|(_, reply)| reply == text));
        let levels = cesq(text);
        let index = |key: &str, none: i64| Some(row[key].as_integer().unwrap()).filter(|n| *n != none);
        let found = |index: Option<u8>| index.map(i64::from);
        assert_eq!(found(levels.rxlev), index("rxlev", 99), "{text}");
        assert_eq!(found(levels.ber), index("ber", 99), "{text}");
        assert_eq!(found(levels.rscp), index("rscp_level", 255), "{text}");
        assert_eq!(found(levels.ecno), index("ecn0_level", 255), "{text}");
        assert_eq!(found(levels.rsrq), index("rsrq_level", 255), "{text}");
        assert_eq!(found(levels.rsrp), index("rsrp_level", 255), "{text}");
        assert_eq!((levels.ss_rsrq, levels.ss_rsrp, levels.ss_sinr), (None, None, None));
        // Their physical value is the lower edge of the interval, ours its middle: half a step above.
        let middle = |index: Option<u8>, of: fn(i64) -> Option<f64>| index.and_then(|n| of(i64::from(n)));
        let pairs = [
            ("rsrp_dbm", middle(levels.rsrp, mapping::lte_rsrp_dbm), 0.5),
            ("rsrq_db", middle(levels.rsrq, mapping::lte_rsrq_db), 0.25),
            ("rscp_dbm", middle(levels.rscp, mapping::umts_rscp_dbm), 0.5),
            ("ecio_db", middle(levels.ecno, mapping::umts_ecno_db), 0.25),
            ("rssi_dbm", middle(levels.rxlev, mapping::gsm_rxlev_dbm), 0.5),
        ];
        for (key, middle, half) in pairs {
            let edge = row.get(key).map(|value| value.as_float().unwrap());
            assert_eq!(middle.map(|middle| middle - half), edge, "{text} {key}");
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
    assert_eq!(replies.iter().filter(|(_, text)| text.starts_with("+CESQ")).count(), 4);
}

#[test]
fn what_is_left_is_counted_and_the_line_kept() {
    let Some(replies) = replies() else { return };
    let mut stage = MobileStage::new(VehicleProfile::default().mobile);
    let (mut understood, mut unknown, mut broken) = (0, 0, 0);
    for (line, text) in &replies {
        for wire in lines(text) {
            let before = (stage.unknown(), stage.unparseable());
            stage.line(i64::from(*line) * 1_000_000, &wire);
            let after = (stage.unknown() - before.0, stage.unparseable() - before.1);
            match after {
                (0, 0) => understood += 1,
                (1, 0) => unknown += 1,
                (0, 1) => broken += 1,
                other => panic!("{wire:?} counted {other:?}"),
            }
            if after != (0, 0) {
                assert!(stage.kept().last().any(|kept| wire.starts_with(kept)), "{wire:?} is not kept");
            }
            assert!(stage.kept().last().count() <= 8);
        }
    }
    println!("understood {understood}, unknown {unknown}, broken {broken}");
    // Four of the replies have more than one line: 2, 2, 3 and 2.
    let radio = REGISTRATIONS.len() + NETWORKS.len() + IN_USE.len() + BROKEN.len() + 4;
    assert_eq!((understood, broken), (radio + 5 - BROKEN.len(), BROKEN.len()));
    assert_eq!(unknown, replies.len() - radio);
    assert_eq!(stage.kept().count(), (unknown + broken) as u64);
}

#[test]
fn statuses_of_real_replies_tell_service_from_none() {
    let Some(replies) = replies() else { return };
    let mut registered = 0;
    for (_, text) in &replies {
        for report in reports(text).into_iter().flatten().flatten() {
            if let Report::Registration(one) = report {
                let home = matches!(one.status, Status::Home | Status::Roaming);
                assert!(!home || one.status.is_registered());
                registered += usize::from(one.status.is_registered());
            }
        }
    }
    let expected = REGISTRATIONS.iter().flat_map(|(_, places)| *places);
    assert_eq!(registered, expected.filter(|place| matches!(place.2, 1 | 5 | 6 | 7 | 9 | 10)).count());
}
