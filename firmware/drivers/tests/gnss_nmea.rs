//! NMEA: epochs put together, what denies a fix, and lines as bad as real ones.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gnss_common;

use gnss_common::{NOON_US, Pvt, cycle, events, events_of, fixes, refusals, sentence};
use tournee_drivers::gnss::{
    Event, Fix, H_ACC_UNKNOWN_MM, HDOP_UNKNOWN_CENTI, HEADING_UNKNOWN_CDEG, Limits, Receiver, Refusal,
};

const GOOD: Fix = Fix {
    utc_us: NOON_US,
    fix: 3,
    sats: 11,
    hdop_centi: 95,
    // 47° 39.00740' = 47.65012333°, 2° 4.82593' = 2.08043217°
    lat_e7: 476_501_233,
    lon_e7: -20_804_322,
    h_acc_mm: H_ACC_UNKNOWN_MM,
    // 16.198 kn × 1852 / 3600
    speed_mmps: 8_333,
    heading_cdeg: 27_150,
};

/// Everything that these sentences say, the end of the line included.
fn all(bytes: &[u8]) -> Vec<Event> {
    let mut receiver = Receiver::new(Limits::default());
    let mut events = events_of(&mut receiver, bytes);
    receiver.line_idle(|event| events.push(event));
    events
}

fn rmc(status: char, mode: &str) -> Vec<u8> {
    sentence(&format!("GPRMC,120000.00,{status},4739.00740,N,00204.82593,W,16.198,271.50,271126,,,{mode}"))
}

fn gga(quality: &str) -> Vec<u8> {
    sentence(&format!("GPGGA,120000.00,4739.00740,N,00204.82593,W,{quality},11,0.95,40.0,M,49.0,M,,"))
}

#[test]
fn a_cycle_becomes_one_fix() {
    assert_eq!(all(&cycle("120000.00")), [Event::Fix(GOOD)]);
}

#[test]
fn the_last_sentence_of_the_cycle_is_learnt() {
    let mut receiver = Receiver::new(Limits::default());
    let mut feed = |time: &str| fixes(&events_of(&mut receiver, &cycle(time)));
    assert_eq!(feed("120000.00"), [], "the end is not known");
    assert_eq!(feed("120001.00"), [GOOD], "the first, with the first sentence of the second");
    let second = |n: i64| Fix { utc_us: NOON_US + n * 1_000_000, ..GOOD };
    assert_eq!(feed("120002.00"), [second(1), second(2)], "known now: the third with its own last sentence");
    for n in 3..9 {
        assert_eq!(feed(&format!("12000{n}.00")), [second(n)]);
    }
}

#[test]
fn a_lost_last_sentence_costs_latency_and_no_fix() {
    let mut receiver = Receiver::new(Limits::default());
    let mut got = Vec::new();
    for n in 0..9 {
        let mut bytes = cycle(&format!("12000{n}.00"));
        if n == 5 {
            // GSA breaks off.
            bytes.truncate(bytes.len() - 20);
        }
        got.extend(events_of(&mut receiver, &bytes));
    }
    receiver.line_idle(|event| got.push(event));
    let fixes = fixes(&got);
    assert_eq!(fixes.len(), 9);
    assert!(fixes.iter().all(|fix| fix.fix == 3));
    assert_eq!(refusals(&got), [Refusal::NmeaTruncated]);
}

#[test]
fn a_growing_cycle_is_learnt_anew() {
    let mut receiver = Receiver::new(Limits::default());
    let mut got = Vec::new();
    for n in 0..9 {
        let mut bytes = cycle(&format!("12000{n}.00"));
        if n >= 4 {
            bytes.extend(sentence(&format!("GNGST,12000{n}.00,1,1,1,1,3.0,4.0,5.0")));
        }
        got.extend(events_of(&mut receiver, &bytes));
    }
    receiver.line_idle(|event| got.push(event));
    let fixes = fixes(&got);
    let expected: Vec<i64> = (0..9).map(|n| NOON_US + n * 1_000_000).collect();
    assert_eq!(fixes.iter().map(|fix| fix.utc_us).collect::<Vec<_>>(), expected, "each once, in order");
    assert_eq!(fixes[8].h_acc_mm, 5_000);
}

#[test]
fn what_denies_a_fix() {
    let fix_of = |sentences: &[Vec<u8>]| all(&sentences.concat());
    assert_eq!(fixes(&fix_of(&[rmc('A', "A"), gga("1")]))[0].fix, 3);
    assert_eq!(fixes(&fix_of(&[rmc('A', "D"), gga("2")]))[0].fix, 4);
    assert_eq!(fixes(&fix_of(&[rmc('A', "R"), gga("4")]))[0].fix, 4);
    assert_eq!(
        fixes(&fix_of(&[rmc('A', "A"), gga("")]))[0].fix,
        2,
        "a quality that says nothing vouches for no altitude"
    );
    for (rmc, gga) in [
        (rmc('V', "N"), gga("0")),
        (rmc('V', "N"), gga("1")),
        (rmc('A', "A"), gga("0")),
        (rmc('A', "N"), gga("1")),
        // Estimated, manual, simulated: not measured.
        (rmc('A', "E"), gga("6")),
        (rmc('A', "M"), gga("7")),
        (rmc('A', "S"), gga("8")),
        (rmc('A', "A"), gga("6")),
    ] {
        let what = String::from_utf8_lossy(&[&rmc[..], &gga[..]].concat()).into_owned();
        assert_eq!(fix_of(&[rmc, gga]), [Event::Fix(Fix::none(0, 11))], "{what}");
    }
    let gsa = sentence("GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99");
    assert_eq!(fix_of(&[rmc('A', "A"), gga("1"), gsa]), [Event::Fix(Fix::none(0, 11))]);
}

#[test]
fn receivers_that_have_just_started() {
    // u-blox, SiRF, MTK and Skytraq as they come up: no time, no fix, invented dates and places.
    for lines in [
        ["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,00,99.99,,,,,,", "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99"],
        [
            "GPRMC,000452.981,V,36000.0000,N,72000.0000,E,0.000000,,190126,,",
            "GPGGA,000452.981,0000.0000,N,00000.0000,E,0,00,50.0,0.0,M,0.0,M,0.0,0000",
            "GPGSA,A,1,,,,,,,,,,,,,50.0,50.0,50.0",
        ],
        [
            "GPGGA,235950.004,8960.000000,N,00000.000000,E,0,0,,137.000,M,13.000,M,,",
            "GPGSA,A,1,,,,,,,,,,,,,,,",
            "GPRMC,235950.004,V,8960.000000,N,00000.000000,E,0.000,0.00,050180,,,N",
        ],
    ] {
        let got = all(&lines.map(sentence).concat());
        assert_eq!(got, [Event::Fix(Fix::none(0, 0))], "{lines:?}");
    }
    // The same that claim a fix.
    let rmc = |place: &str, date: &str| {
        let body = format!("GPRMC,120000.00,A,{place},0.5,0.0,{date},,,A");
        let got = all(&sentence(&body));
        (fixes(&got).first().map(|fix| fix.fix), refusals(&got))
    };
    let home = "4739.00740,N,00204.82593,W";
    assert_eq!(rmc(home, "271126"), (Some(2), vec![]));
    assert_eq!(rmc(home, "130407"), (Some(0), vec![Refusal::Time]), "rolled over");
    assert_eq!(rmc(home, "060180"), (Some(0), vec![Refusal::Time]), "the first day of GPS");
    assert_eq!(rmc(home, ""), (Some(0), vec![Refusal::Incomplete]));
    assert_eq!(rmc(home, "310226"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc("0000.0000,N,00000.0000,E", "271126"), (Some(0), vec![Refusal::Position]));
    assert_eq!(rmc("9000.0001,N,00000.0000,E", "271126"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc("36000.0000,N,72000.0000,E", "271126"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc("4760.00000,N,00204.82593,W", "271126"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc("4739.00740,E,00204.82593,W", "271126"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc("4739.00740,N,,", "271126"), (None, vec![Refusal::NmeaField]));
    assert_eq!(rmc(",,,", "271126"), (Some(0), vec![Refusal::Incomplete]));
}

#[test]
fn two_positions_in_one_epoch_are_a_conflict() {
    // One digit of the minutes differs, and the check sum is right: one broken line in 256 comes through so.
    let other = sentence("GPGGA,120000.00,4739.10740,N,00204.82593,W,1,11,0.95,40.0,M,49.0,M,,");
    let got = all(&[rmc('A', "A"), other].concat());
    assert_eq!(refusals(&got), [Refusal::Conflict]);
    assert_eq!(fixes(&got)[0].fix, 0);
}

#[test]
fn broken_lines() {
    let good = || [rmc('A', "A"), gga("1")].concat();
    let next = cycle("120001.00");
    for (broken, refusal) in [
        (b"$GPRMC,120000.00,A,4739.0\r\n".to_vec(), Refusal::NmeaNoCheckSum),
        (b"$GPRMC,120000.00,A,4739.0".to_vec(), Refusal::NmeaTruncated),
        (b"$GPRMC,120000.00,A,47\x0039.0\r\n".to_vec(), Refusal::NmeaTruncated),
        (b"$GPGLL,4739.00740,N,00204.82593,W,120000.00,A,A*00\r\n".to_vec(), Refusal::NmeaCheckSum),
        (b"$GPGLL,4739.00740,N,00204.82593,W,120000.00,A,A*0\r\n".to_vec(), Refusal::NmeaCheckSum),
        (vec![b'$'; 2], Refusal::NmeaTruncated),
        ([&b"$GPTXT,"[..], &[b'x'; 300]].concat(), Refusal::NmeaTooLong),
        (sentence("GPGLL,4739.00740,N"), Refusal::NmeaField),
        (sentence("GPGLL,4739.00740,N,00204.82593,W,250000.00,A,A"), Refusal::NmeaField),
        (sentence("GPGLL,4739.00740,N,00204.82593,W,12000.00,A,A"), Refusal::NmeaField),
        (sentence("GPGLL,4739.007x0,N,00204.82593,W,120000.00,A,A"), Refusal::NmeaField),
        (sentence("GPGLL,99999999999999999999.0,N,00204.82593,W,120000.00,A,A"), Refusal::NmeaField),
        (sentence("GPRMC,120000.00,A,4739.00740,N,00204.82593,W,9999999999,271.50,271126,,,A"), Refusal::NmeaField),
    ] {
        let what = String::from_utf8_lossy(&broken).into_owned();
        let got = all(&[broken, good(), next.clone()].concat());
        assert!(refusals(&got).contains(&refusal), "{what} {got:?}");
        let fixes = fixes(&got);
        assert_eq!(fixes.len(), 2, "{what} {got:?}");
        assert!(fixes.iter().all(|fix| fix.fix == 3), "{what}");
    }
}

#[test]
fn lines_that_ran_into_each_other() {
    // A whole sentence without its line end, then the next.
    let bytes = [rmc('A', "A"), gga("1")].concat();
    let merged: Vec<u8> = bytes.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    assert_eq!(all(&merged), [Event::Fix(GOOD)]);
    // Fields of two sentences under one check sum of the second: refused.
    let head = &rmc('A', "A")[..30];
    let tail = &gga("1")[20..];
    let got = all(&[head, tail].concat());
    assert_eq!(got, [Event::Refused(Refusal::NmeaCheckSum)]);
}

#[test]
fn ubx_and_nmea_and_garbage_on_one_line() {
    let garbage = [0x00, 0xFF, 0xB5, b'x', 0xB5, 0xB5, 0x62, 0x7F];
    let mut bytes = Vec::new();
    for n in 0..4 {
        bytes.extend(garbage);
        bytes.extend(Pvt::GOOD.later(n * 1_000).frame());
        bytes.extend(cycle(&format!("12000{n}.00")));
    }
    let fixes = fixes(&events(&[&bytes[..], &[0; 700]].concat()));
    assert_eq!(fixes.iter().map(|fix| fix.utc_us - NOON_US).collect::<Vec<_>>(), [0, 1_000_000, 2_000_000, 3_000_000]);
    assert!(fixes.iter().all(|fix| fix.h_acc_mm == 1_234), "NAV-PVT goes before NMEA");
}

#[test]
fn unknown_values_are_said_to_be_unknown() {
    let got = all(&sentence("GPRMC,120000.00,A,4739.00740,N,00204.82593,W,0.004,,271126,,,A"));
    let expected = Fix {
        fix: 2,
        sats: 0,
        hdop_centi: HDOP_UNKNOWN_CENTI,
        speed_mmps: 2,
        heading_cdeg: HEADING_UNKNOWN_CDEG,
        ..GOOD
    };
    assert_eq!(got, [Event::Fix(expected)]);
    // 360° is 0°.
    let got = all(&sentence("GPRMC,120000.00,A,4739.00740,N,00204.82593,W,0.004,360.0,271126,,,A"));
    assert_eq!(fixes(&got)[0].heading_cdeg, 0);
}

#[test]
fn date_of_zda_and_speed_of_vtg_serve_where_rmc_is_off() {
    let bytes = [
        sentence("GPZDA,120000.00,27,11,2026,00,00"),
        gga("1"),
        sentence("GPVTG,271.50,T,,M,16.198,N,30.0,K,A"),
        sentence("GPGSA,A,3,01,02,03,04,05,,,,,,,,1.80,0.95,1.50"),
    ];
    assert_eq!(all(&bytes.concat()), [Event::Fix(GOOD)]);
}
