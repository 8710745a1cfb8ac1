//! Rows of polls and probes.

use super::*;
use crate::flags;
use crate::profile::VehicleProfile;

fn rows(lines: &[(i64, &str)]) -> Vec<Sample> {
    let mut stage = MobileStage::new(VehicleProfile::default().mobile);
    let mut rows: Vec<Sample> =
        lines.iter().filter_map(|(ms, line)| stage.line(ms * 1000, line)).map(|row| row.1).collect();
    rows.extend(stage.close().map(|row| row.1));
    rows
}

const NSA: [(i64, &str); 3] = [
    (0, r#"+QENG: "servingcell","NOCONN""#),
    (10, r#"+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-"#),
    (20, r#"+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1"#),
];

#[test]
fn three_lines_are_one_row() {
    let [row] = &rows(&NSA)[..] else { panic!() };
    assert_eq!(row.get(ids::mobile::RAT), Some(6));
    assert_eq!(row.get(ids::mobile::OPERATOR), Some(22_201));
    assert_eq!(row.get(ids::mobile::RSRP), Some(-960));
    assert_eq!(row.get(ids::mobile::SINR), Some(180));
    assert_eq!(row.get(ids::mobile::RSRQ), Some(-100));
    assert_eq!(row.get(ids::mobile::CELL_ID), Some(0x0328_261F));
    assert_eq!(row.get(ids::mobile::REGISTERED), Some(1));
    let place = [ids::mobile::TAC, ids::mobile::BAND, ids::mobile::PCI, ids::mobile::ARFCN].map(|id| row.get(id));
    assert_eq!(place, [Some(0xBE3), Some(78), Some(920), Some(648_768)]);
    let anchor = [ids::mobile::ANCHOR_PCI, ids::mobile::ANCHOR_ARFCN].map(|id| row.get(id));
    assert_eq!(anchor, [Some(280), Some(275)]);
    let anchor = [ids::mobile::ANCHOR_RSRP, ids::mobile::ANCHOR_RSRQ, ids::mobile::ANCHOR_SINR];
    assert_eq!(anchor.map(|id| row.get(id)), [Some(-990), Some(-140), Some(70)]);
}

#[test]
fn an_nr_cell_without_values_leaves_its_anchor() {
    let mut lines = NSA;
    lines[2].1 = r#"+QENG:"NR5G-NSA",222,01,562,-32768,-32768,-32768"#;
    let [row] = &rows(&lines)[..] else { panic!() };
    assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::RSRP)), (Some(4), Some(-990)));
    let told = [ids::mobile::TAC, ids::mobile::BAND, ids::mobile::ANCHOR_PCI, ids::mobile::ANCHOR_RSRP];
    assert_eq!(told.map(|id| row.get(id)), [Some(0xBE3), Some(1), None, None], "the anchor is the row");
    assert_eq!(row.get(ids::FLAGS), Some(i64::from(flags::MOBILE_NR_WITHOUT_VALUES)));
}

#[test]
fn areas_of_all_technologies_and_those_that_are_none() {
    let of = |line: &str| {
        let [row] = &rows(&[(0, line)])[..] else { panic!() };
        (row.get(ids::mobile::TAC), row.get(ids::mobile::BAND))
    };
    let lte = |tac: &str| {
        let head = r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,"#;
        of(&format!("{head}{tac},-104,-9,-78,11,23")).0
    };
    assert_eq!(
        (lte("603"), lte("FFFF"), lte("FFFE"), lte("0"), lte("-")),
        (Some(0x603), Some(0xFFFF), None, None, None)
    );
    let sa = r#"+QENG: "servingcell","NOCONN","NR5G-SA","TDD",240,68,FAD5383F2,310,10064,634080,78,12,-88,-10,23,1,-"#;
    assert_eq!(of(sa), (Some(0x1_0064), Some(78)));
    assert_eq!(of(&sa.replace("10064", "FFFFFE")), (None, Some(78)));
    // A location area is no tracking area.
    assert_eq!(of(r#"+QENG: "servingcell","NOCONN","WCDMA",208,20,7D1,C8A3F1,10737,303,96,-82,-3,-,-,-,-,-"#).0, None);
}

#[test]
fn the_result_of_a_probe_joins_the_next_row_or_is_one() {
    let mut stage = MobileStage::new(VehicleProfile::default().mobile);
    let result = |dns_us: i64| ProbeResult {
        started_us: 0,
        outcome: Ok(()),
        dns_us: Some(dns_us),
        connect_us: None,
        response_us: None,
        bytes: 900,
    };
    let line = r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#;
    assert_eq!(stage.line(0, line), None);
    assert_eq!(stage.probe(500_000, &result(61_400)), None);
    let (_, row) = stage.at(1_000_000).unwrap();
    let probe = [ids::mobile::PROBE, ids::mobile::PROBE_DNS, ids::mobile::PROBE_CONNECT, ids::mobile::PROBE_BYTES];
    assert_eq!(probe.map(|id| row.get(id)), [Some(1), Some(61), None, Some(900)]);
    assert_eq!((row.get(ids::mobile::RSRP), stage.registered(10_000_000)), (Some(-1040), Some(true)));
    assert_eq!((stage.registered(10_000_001), stage.at(60_000_000)), (None, None));
    // No poll: a row of its own, once.
    assert_eq!(stage.probe(60_000_000, &result(1)), None);
    assert_eq!(stage.at(64_999_999), None);
    let (tick_us, row) = stage.at(65_000_000).unwrap();
    assert_eq!((tick_us, row.get(ids::mobile::PROBE), row.get(ids::mobile::RAT)), (60_000_000, Some(1), None));
    assert_eq!((stage.at(70_000_000), stage.close_probe()), (None, None));
    // One more before the first was carried.
    assert_eq!(stage.probe(80_000_000, &result(2_000)), None);
    assert_eq!(stage.probe(81_000_000, &result(3_000)).unwrap().1.get(ids::mobile::PROBE_DNS), Some(2));
    assert_eq!(stage.close_probe().unwrap().1.get(ids::mobile::PROBE_DNS), Some(3));
}

#[test]
fn no_service_is_a_row() {
    let [row] = &rows(&[(0, r#"+QENG: "servingcell","SEARCH""#)])[..] else { panic!() };
    assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RAT)), (Some(0), Some(0)));
    assert_eq!(row.get(ids::mobile::RSRP), None);
    assert_eq!(row.get(ids::FLAGS), Some(i64::from(flags::MOBILE_NO_SERVICE)));
}

#[test]
fn at_most_one_row_a_second_and_the_rest_counted() {
    let mut stage = MobileStage::new(VehicleProfile::default().mobile);
    let line = r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#;
    let mut rows = 0;
    for poll in 0..20 {
        rows += usize::from(stage.line(poll * 500_000, line).is_some());
    }
    rows += usize::from(stage.close().is_some());
    assert_eq!((rows, stage.thinned()), (10, 10));
    assert_eq!(stage.line(0, "+QENG: nonsense"), None);
    assert_eq!(stage.unparseable(), 1);
}

#[test]
fn levels_without_a_cell() {
    let [row] = &rows(&[(0, "+CSQ: 17,99"), (5, "+CESQ: 99,99,255,255,20,80")])[..] else { panic!() };
    assert_eq!((row.get(ids::mobile::RSSI), row.get(ids::mobile::RSRP)), (Some(-790), Some(-605)));
    assert_eq!((row.get(ids::mobile::RAT), row.get(ids::mobile::REGISTERED)), (Some(4), None));
}

#[test]
fn a_modem_without_a_serving_cell_command() {
    let poll = |ms: i64| {
        [(ms, "+CESQ: 99,99,255,255,20,40"), (ms + 10, "+CSQ: 17,99"), (ms + 20, "+CEREG: 2,1,\"0603\",\"07676A09\",7")]
    };
    let mut lines = poll(0).to_vec();
    lines.push((30, "+COPS: 0,2,\"20815\",7"));
    lines.extend(poll(1000));
    // By itself, in the middle of a poll: it says what is now.
    lines.push((1025, "+CEREG: 2"));
    lines.push((2000, "+CEREG: 2,2"));
    lines.push((3000, "+CEREG: 2,5,\"0604\",\"07676A10\",7"));
    let rows = rows(&lines);
    let of = |id: u16| rows.iter().map(|row| row.get(id)).collect::<Vec<_>>();
    assert_eq!(of(ids::mobile::REGISTERED), [Some(1), Some(0), Some(0), Some(1)]);
    assert_eq!(of(ids::mobile::RAT), [Some(4), Some(4), Some(0), Some(4)]);
    assert_eq!(of(ids::mobile::RSRP), [Some(-1005), Some(-1005), None, None]);
    assert_eq!(of(ids::mobile::RSSI), [Some(-790), Some(-790), None, None]);
    // The operator of before says nothing about the one after.
    assert_eq!(of(ids::mobile::OPERATOR), [Some(20_815), None, None, None]);
    assert_eq!(of(ids::mobile::CELL_ID), [Some(0x0767_6A09), None, None, Some(0x0767_6A10)]);
    assert_eq!(of(ids::mobile::TAC), [Some(0x0603), None, None, Some(0x0604)]);
    let none = i64::from(flags::MOBILE_NO_SERVICE);
    assert_eq!(of(ids::FLAGS), [Some(0), Some(none), Some(none), Some(0)]);
}

#[test]
fn lines_that_come_by_themselves_make_no_row() {
    assert!(rows(&[(0, "+CEREG: 1"), (10, "+COPS: 0,2,\"20801\",7"), (20, "+CREG: 5,\"1\",\"2\"")]).is_empty());
}

#[test]
fn a_registration_that_comes_by_itself_before_its_answer_does_not_end_the_poll() {
    let lines = [(0, "+CESQ: 99,99,255,255,20,40"), (5, "+CEREG: 2"), (10, "+CEREG: 2,1"), (15, "+CSQ: 17,99")];
    let [row] = &rows(&lines)[..] else { panic!() };
    assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RSSI)), (Some(1), Some(-790)));
}

#[test]
fn the_cabin_offset_is_added_to_every_power_once() {
    let mut profile = VehicleProfile::default().mobile;
    profile.cabin_offset_db = 8.0;
    let mut stage = MobileStage::new(profile);
    stage.line(0, "+CESQ: 99,99,255,255,20,40");
    stage.line(1, "+CSQ: 17,99");
    let row = stage.close().map(|row| row.1).unwrap();
    assert_eq!((row.get(ids::mobile::RSRP), row.get(ids::mobile::RSRQ)), (Some(-925), Some(-98)));
    assert_eq!(row.get(ids::mobile::RSSI), Some(-710));
}

#[test]
fn what_was_not_understood_is_kept() {
    let mut stage = MobileStage::new(VehicleProfile::default().mobile);
    for line in ["+CPIN: READY", "+QENG: what", "OK", "+CPIN: READY", ""] {
        assert_eq!(stage.line(0, line), None);
    }
    assert_eq!((stage.unparseable(), stage.unknown()), (1, 2));
    assert_eq!(stage.kept().last().collect::<Vec<_>>(), ["+CPIN: READY", "+QENG: what"]);
    stage.event(5, Event::NoService);
    let row = stage.close().map(|row| row.1).unwrap();
    assert_eq!((row.get(ids::mobile::REGISTERED), row.get(ids::mobile::RAT)), (Some(0), Some(0)));
}
