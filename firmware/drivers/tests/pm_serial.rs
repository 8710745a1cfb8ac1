//! The serial protocols of particle and CO2 sensors: bytes of real parts, and everything that a line can do to them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "pm_serial/frames.rs"]
mod frames;

use std::path::{Path, PathBuf};

use frames::*;
use proptest::prelude::*;
use tournee_devices::pm_serial::PmSerial;
use tournee_drivers::pmsx003::{BadFrame, Counts};
use tournee_drivers::{PmMass, mhz19b, pmsx003, sds011, sps30_serial};

/// The names of the captures, in the order of [`PARTS`].
const CAPTURES: [&str; 4] = ["PMSx003", "SDS01x", "SPS30", "MHZ19B"];

fn captures() -> Option<PathBuf> {
    let root = std::env::var_os("TOURNEE_SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let folder = root.join("air/serial_frames");
    if !folder.is_dir() {
        println!("SKIPPED: no captured frames at hand (TOURNEE_SHARED_DATA)");
        return None;
    }
    Some(folder)
}

/// The frames of a capture: `offset: hex bytes  text`.
fn captured(folder: &Path, part: usize) -> Vec<Vec<u8>> {
    let dump = std::fs::read_to_string(folder.join(CAPTURES[part]).with_extension("hexdump")).unwrap();
    dump.lines()
        .map(|line| {
            let (_, rest) = line.split_once(": ").unwrap();
            let (hex, _) = rest.split_once("  ").unwrap();
            hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
        })
        .collect()
}

/// The rows of the CSV beside it, without the time.
fn rows(folder: &Path, part: usize) -> Vec<Vec<f64>> {
    let csv = std::fs::read_to_string(folder.join(CAPTURES[part]).with_extension("csv")).unwrap();
    let number = |cell: &str| cell.trim().parse().unwrap();
    csv.lines().skip(1).map(|line| line.split(',').skip(1).map(number).collect()).collect()
}

/// What the CSV should hold for a reading, with the digits that it has.
fn row(got: &Got) -> Vec<f64> {
    let tenths = |value: u16| f64::from(value) / 10.0;
    let round = |value: f32, digits: f64| (f64::from(value) * digits).round() / digits;
    match got {
        Got::Pms(reading) => {
            let PmMass { pm1_dugm3, pm25_dugm3, pm10_dugm3 } = reading.cf1;
            let air = reading.atmospheric;
            [pm1_dugm3, pm25_dugm3, pm10_dugm3, air.pm1_dugm3, air.pm25_dugm3, air.pm10_dugm3]
                .map(tenths)
                .into_iter()
                // The CSV counts per cm³.
                .chain(reading.counts_per_dl.map(|count| f64::from(count) / 100.0))
                .collect()
        }
        Got::Sds(mass) => [mass.pm25_dugm3, mass.pm10_dugm3].map(tenths).to_vec(),
        Got::Sps(reading) => (reading.mass_ugm3.map(|value| round(value, 10.0)).into_iter())
            .chain(reading.counts_per_cm3.map(|value| round(value, 100.0)))
            .chain([round(reading.typical_um, 10.0)])
            .collect(),
        Got::Co2(ppm) => vec![f64::from(*ppm)],
    }
}

#[test]
fn captured_frames_give_the_values_of_their_csv() {
    let Some(folder) = captures() else { return };
    for (part, name) in CAPTURES.into_iter().enumerate() {
        let frames = captured(&folder, part);
        let rows = rows(&folder, part);
        assert_eq!((frames.len(), rows.len()), (10, 10), "{name}");
        for (frame, expected) in frames.iter().zip(&rows) {
            let [Ok(got)] = &events(part, frame)[..] else { panic!("{name} {frame:02x?}") };
            let got = row(got);
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-9, "{name}: {got} for {expected}");
            }
        }
    }
}

/// The masses that the contract takes.
#[test]
fn captured_masses_are_those_of_the_csv_in_tenths() {
    let Some(folder) = captures() else { return };
    let tenths = |value: f64| (value * 10.0).round() as u16;
    for (frame, row) in captured(&folder, 2).iter().zip(rows(&folder, 2)) {
        let mut masses = Vec::new();
        sps30_serial::Decoder::new().feed(frame, |mass| masses.push(mass));
        let [pm1_dugm3, pm25_dugm3, _, pm10_dugm3] = [row[0], row[1], row[2], row[3]].map(tenths);
        assert_eq!(masses, [Ok(PmMass { pm1_dugm3, pm25_dugm3, pm10_dugm3 })]);
    }
    for (frame, row) in captured(&folder, 0).iter().zip(rows(&folder, 0)) {
        let mut masses = Vec::new();
        pmsx003::Decoder::new().feed(frame, |mass| masses.push(mass));
        let [pm1_dugm3, pm25_dugm3, pm10_dugm3] = [row[0], row[1], row[2]].map(tenths);
        assert_eq!(masses, [Ok(PmMass { pm1_dugm3, pm25_dugm3, pm10_dugm3 })]);
    }
}

/// Every flip of one bit in every captured frame: refused, with the frame after it read. All check sums here are sums, to
/// which one bit adds or takes a power of two below their modulus, so each sees every single flip in what it covers; header,
/// length, last byte and stuffing are looked at for themselves.
#[test]
fn no_single_flip_is_believed() {
    let Some(folder) = captures() else { return };
    for (part, name) in CAPTURES.into_iter().enumerate() {
        for frame in captured(&folder, part) {
            let whole = readings(part, &frame);
            for bit in 0..frame.len() * 8 {
                let mut flipped = frame.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(readings(part, &flipped), [], "{name} bit {bit}");
                let then = readings(part, &[&frame[..], &flipped, &frame, &frame].concat());
                // Without its last edge, an SPS30 frame runs into the next, which begins with one: that is enough.
                assert_eq!(then, [&whole[..], &whole, &whole].concat(), "{name} bit {bit}");
            }
        }
    }
}

/// One lost byte, one doubled byte: the frame is lost, the next one is not.
#[test]
fn a_lost_or_doubled_byte_costs_its_frame_only() {
    let Some(folder) = captures() else { return };
    for (part, name) in CAPTURES.into_iter().enumerate() {
        let frame = &captured(&folder, part)[0];
        let whole = readings(part, frame);
        for at in 0..frame.len() {
            for doubled in [false, true] {
                let mut broken = frame.clone();
                if doubled {
                    broken.insert(at, frame[at]);
                } else {
                    broken.remove(at);
                }
                let mut decoder = PARTS[part]();
                let mut events = Vec::new();
                decoder.feed(&[frame, &broken[..], frame, frame].concat(), &mut events);
                let got: Vec<Got> = events.iter().filter_map(|event| event.clone().ok()).collect();
                let lost = 4 - got.len();
                assert!(lost <= 1 && got.iter().all(|one| *one == whole[0]), "{name} at {at}: {events:?}");
                let counts = decoder.counts();
                assert_eq!(counts.readings as usize, got.len());
                assert_eq!(counts.bad as usize, events.len() - got.len());
                assert!(lost == 0 || counts.bad > 0, "{name}: a loss without a count at {at}");
            }
        }
    }
}

#[test]
fn a_tail_at_the_start_is_not_reported_and_a_run_of_garbage_is_once() {
    let frame = sds_frame([6, 0, 6, 0, 0x58, 0xd9]);
    let mut decoder = sds011::Decoder::new();
    let mut events = Vec::new();
    decoder.feed(&[&frame[4..], &frame[..], b"garbage", &frame].concat(), |event| events.push(event));
    let mass = sds011::Mass { pm25_dugm3: 6, pm10_dugm3: 6, part_id: [0x58, 0xd9] };
    assert_eq!(events, [Ok(mass), Err(BadFrame::Header), Ok(mass)]);
    assert_eq!(decoder.counts(), Counts { readings: 2, answers: 0, bad: 1 });
    decoder.reset();
    decoder.feed(b"more", |event| panic!("{event:?}"));
}

#[test]
fn faults_and_impossible_values_are_no_readings() {
    let only = |part: usize, bytes: &[u8]| -> Vec<BadFrame> {
        events(part, bytes).into_iter().filter_map(Result::err).collect()
    };
    let mut words = [8_u16; 13];
    words[12] = 0x9700;
    assert_eq!(readings(0, &pms_frame(&words)).len(), 1);
    words[12] = 0x9704;
    assert_eq!(only(0, &pms_frame(&words)), [BadFrame::Fault(4)]);
    words[12] = 0x9700;
    words[4] = 6_554;
    assert_eq!(only(0, &pms_frame(&words)), [BadFrame::Range]);
    assert_eq!(only(0, &[0x42, 0x4d, 0, 20]), [BadFrame::Length]);
    let [low, high] = 20_000_u16.to_le_bytes();
    assert_eq!(only(1, &sds_frame([0, 0, low, high, 1, 2])), [BadFrame::Range]);
    assert_eq!(only(3, &mhz_frame(0x86, 10_001, [0; 4])), [BadFrame::Range]);
    for (at, value) in [(0, f32::NAN), (1, -0.1), (3, f32::INFINITY), (3, 6_553.5)] {
        let mut floats = [1.0_f32; 10];
        floats[at] = value;
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_be_bytes()).collect();
        assert_eq!(only(2, &[&[0x7e], &sps_frame(3, 0, &bytes)[..]].concat()), [BadFrame::Range], "{value}");
    }
    assert_eq!(only(2, &[&[0x7e], &sps_frame(3, 0x43, &[])[..]].concat()), [BadFrame::Fault(0x43)]);
    assert_eq!(only(2, &[&[0x7e], &sps_frame(3, 0, &[0; 20])[..]].concat()), [BadFrame::Length]);
    assert_eq!(only(2, &[0x7e, 0, 3, 0x7d, 0x00, 0x7e]), [BadFrame::Stuffing]);
    assert_eq!(only(2, &[0x7e, 0, 3, 0x7d, 0x7e]), [BadFrame::Stuffing]);
    assert_eq!(only(2, &[&[0x7e], &[1; 1_000][..], &[0x7e]].concat()), [BadFrame::Length]);
}

/// The commands, byte by byte, from the data sheets.
#[test]
fn commands_are_those_of_the_data_sheets() {
    assert_eq!(pmsx003::PASSIVE, [0x42, 0x4d, 0xe1, 0, 0, 0x01, 0x70]);
    assert_eq!(pmsx003::ACTIVE, [0x42, 0x4d, 0xe1, 0, 1, 0x01, 0x71]);
    assert_eq!(pmsx003::READ, [0x42, 0x4d, 0xe2, 0, 0, 0x01, 0x71]);
    assert_eq!(pmsx003::SLEEP, [0x42, 0x4d, 0xe4, 0, 0, 0x01, 0x73]);
    assert_eq!(pmsx003::WAKE, [0x42, 0x4d, 0xe4, 0, 1, 0x01, 0x74]);
    let nova = |code, set, value, sum| {
        let mut bytes = [0; 19];
        bytes[..5].copy_from_slice(&[0xaa, 0xb4, code, set, value]);
        bytes[15..].copy_from_slice(&[0xff, 0xff, sum, 0xab]);
        bytes
    };
    assert_eq!(sds011::ACTIVE, nova(2, 1, 0, 0x01));
    assert_eq!(sds011::PASSIVE, nova(2, 1, 1, 0x02));
    assert_eq!(sds011::READ, nova(4, 0, 0, 0x02));
    assert_eq!(sds011::SLEEP, nova(6, 1, 0, 0x05));
    assert_eq!(sds011::WAKE, nova(6, 1, 1, 0x06));
    assert_eq!(sds011::CONTINUOUS, nova(8, 1, 0, 0x07));
    assert_eq!(mhz19b::READ, [0xff, 1, 0x86, 0, 0, 0, 0, 0, 0x79]);
    assert_eq!(mhz19b::BASELINE_ON, [0xff, 1, 0x79, 0xa0, 0, 0, 0, 0, 0xe6]);
    assert_eq!(mhz19b::BASELINE_OFF, [0xff, 1, 0x79, 0, 0, 0, 0, 0, 0x86]);
    // To the part: no state byte; the sum of all but the edges and the check sum, complemented.
    let commands: [&[u8]; 5] = [
        &sps30_serial::START_FLOAT,
        &sps30_serial::STOP,
        &sps30_serial::READ,
        &sps30_serial::CLEAN_FAN,
        &sps30_serial::RESET,
    ];
    for command in commands {
        let [0x7e, content @ .., sum, 0x7e] = command else { panic!("{command:02x?}") };
        assert_eq!(content.iter().sum::<u8>(), !sum);
        assert_eq!(usize::from(content[2]), content.len() - 3);
    }
}

#[test]
fn answers_to_commands_are_no_readings_and_no_noise() {
    let answers: [&[u8]; 4] = [
        &[0x42, 0x4d, 0, 4, 0xe1, 0, 1, 0x74],
        &[0xaa, 0xc5, 2, 1, 1, 0, 0x58, 0xd9, 0x35, 0xab],
        // Start, done; nothing new to read.
        &[0x7e, 0, 0, 0, 0, 0xff, 0x7e, 0x7e, 0, 3, 0, 0, 0xfc, 0x7e],
        &mhz_frame(0x79, 0x0100, [0; 4]),
    ];
    for (part, answer) in answers.into_iter().enumerate() {
        let mut decoder = PARTS[part]();
        let mut events = Vec::new();
        decoder.feed(answer, &mut events);
        assert_eq!(events, [], "{}", CAPTURES[part]);
        assert_eq!(decoder.counts(), Counts { readings: 0, answers: 1 + u32::from(part == 2), bad: 0 });
    }
}

/// The model of a part, which knows nothing of the decoders, obeys the commands and is understood.
#[test]
fn model_and_driver_agree() {
    let mut part = PmSerial::pmsx003();
    let mut decoder = pmsx003::Decoder::new();
    let mut all = Vec::new();
    let mut bytes = Vec::new();
    part.set_mass(30, 600, 1_500);
    part.poll(1_000_000, |sent| bytes.extend_from_slice(sent));
    part.write(1_000_000, &pmsx003::PASSIVE);
    part.poll(9_000_000, |sent| bytes.extend_from_slice(sent));
    part.write(9_000_000, &pmsx003::READ);
    part.poll(9_000_000, |sent| bytes.extend_from_slice(sent));
    decoder.feed_readings(&bytes, |reading| all.push(reading.unwrap()));
    assert_eq!(all.len(), 2);
    for reading in &all {
        assert_eq!(reading.cf1, PmMass { pm1_dugm3: 30, pm25_dugm3: 600, pm10_dugm3: 1_500 });
        assert!(reading.atmospheric.pm25_dugm3 < 600, "the other column differs at 60 µg/m³");
    }
    assert_eq!(decoder.counts(), Counts { readings: 2, answers: 1, bad: 0 });

    let mut part = PmSerial::sds011();
    let mut decoder = sds011::Decoder::new();
    let (mut all, mut bytes) = (Vec::new(), Vec::new());
    part.set_mass(5, 123, 456);
    part.poll(2_000_000, |sent| bytes.extend_from_slice(sent));
    for command in [sds011::PASSIVE, sds011::SLEEP, sds011::READ, sds011::WAKE, sds011::READ, sds011::ACTIVE] {
        part.write(2_000_000, &command);
    }
    part.poll(3_000_000, |sent| bytes.extend_from_slice(sent));
    decoder.feed(&bytes, |mass| all.push(mass.unwrap()));
    let mass = sds011::Mass { pm25_dugm3: 123, pm10_dugm3: 456, part_id: [0x58, 0xd9] };
    assert_eq!(all, [mass; 4], "two by itself, one asked for, one by itself again; none asleep");
    assert_eq!(decoder.counts().answers, 4);
}

proptest! {
    /// Whatever comes before it, in slices of any size, a whole frame is read when its last byte is there.
    #[test]
    fn a_frame_is_read_after_any_garbage(
        (part, frame, got) in any_frame(),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
        head in 0_usize..60,
        cuts in proptest::collection::vec(1_usize..40, 1..40),
    ) {
        // Garbage that also ends in the beginning of a frame.
        let mut bytes = garbage;
        bytes.extend(&frame[..head.min(frame.len() - 1)]);
        let before = bytes.len();
        bytes.extend(&frame);
        prop_assume!(part != 3 || !chance_frame(&bytes, before));
        let mut decoder = PARTS[part]();
        let mut events = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            decoder.feed(now, &mut events);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events.last(), Some(&Ok(got)));
        let mut at_once = Vec::new();
        PARTS[part]().feed(&bytes, &mut at_once);
        prop_assert_eq!(events, at_once, "slices do not matter");
    }

    /// Nothing panics, and nothing is reported more often than there are bytes.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(
        prop_oneof![any::<u8>(), proptest::sample::select(&[0x42, 0x4d, 0xaa, 0xc0, 0xab, 0x7e, 0x7d, 0xff, 0x86, 0][..])],
        0..2_000,
    )) {
        for part in PARTS {
            let mut decoder = part();
            let mut events = Vec::new();
            decoder.feed(&bytes, &mut events);
            prop_assert!(events.len() <= bytes.len());
            let counts = decoder.counts();
            prop_assert_eq!((counts.readings + counts.bad) as usize, events.len());
        }
    }
}
