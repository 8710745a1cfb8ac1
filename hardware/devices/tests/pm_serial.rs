//! The models of the serial particle sensors, against bytes of real parts and their data sheets.

use tournee_devices::pm_serial::PmSerial;

const SECOND_US: u64 = 1_000_000;

fn polled(part: &mut PmSerial, now_us: u64) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    part.poll(now_us, |bytes| frames.push(bytes.to_vec()));
    frames
}

/// How many frames come in so many seconds, polled every 10 ms.
fn frames_in(part: &mut PmSerial, from_us: u64, seconds: u64) -> usize {
    (1..=seconds * 100).map(|step| polled(part, from_us + step * 10_000).len()).sum()
}

#[test]
fn a_plantower_frame_is_that_of_a_real_part_but_for_the_counts() {
    let mut part = PmSerial::pmsx003();
    part.set_mass(0, 82, 75);
    let frames = polled(&mut part, SECOND_US);
    let [frame] = frames.as_slice() else { panic!("{frames:?}") };
    // A PMS part as captured: 42 4d 00 1c 00 00 00 08 00 08 00 00 00 08 00 08 …, version 97, no error.
    assert_eq!(frame[..16], [0x42, 0x4d, 0, 0x1c, 0, 0, 0, 8, 0, 8, 0, 0, 0, 8, 0, 8]);
    assert_eq!(frame[16..18], [0, 0xd2], "particles above 0.3 µm, as that part at 8 µg/m³");
    assert_eq!((frame.len(), frame[28], frame[29]), (32, 0x97, 0));
    let sum: u16 = frame[..30].iter().map(|byte| u16::from(*byte)).sum();
    assert_eq!(frame[30..], sum.to_be_bytes());
}

#[test]
fn the_atmospheric_column_bends_and_never_falls() {
    let mut part = PmSerial::pmsx003();
    let mut last = 0;
    for ugm3 in 0..1_000_u16 {
        part.set_mass(ugm3 * 10, ugm3 * 10, ugm3 * 10);
        let frame = polled(&mut part, u64::from(ugm3 + 1) * 10 * SECOND_US).remove(0);
        let (cf1, atmospheric) = (u16::from_be_bytes([frame[6], frame[7]]), u16::from_be_bytes([frame[12], frame[13]]));
        assert_eq!(cf1, ugm3);
        assert!(atmospheric <= cf1 && (ugm3 > 30 || atmospheric == cf1), "{ugm3}: {atmospheric}");
        assert!(atmospheric >= last, "{ugm3}: {atmospheric} after {last}");
        last = atmospheric;
    }
    assert_eq!(last, 666);
}

#[test]
fn a_nova_frame_is_that_of_a_real_part() {
    let mut part = PmSerial::sds011();
    part.set_mass(3, 9, 9);
    assert_eq!(polled(&mut part, SECOND_US), [[0xaa, 0xc0, 9, 0, 9, 0, 0x58, 0xd9, 0x43, 0xab]]);
}

#[test]
fn the_rates_are_those_of_the_data_sheets() {
    let mut nova = PmSerial::sds011();
    assert_eq!(frames_in(&mut nova, 0, 60), 60);
    let mut plantower = PmSerial::pmsx003();
    // The first after 0.8 s, then one every 2.3 s while nothing changes.
    assert_eq!(frames_in(&mut plantower, 0, 60), 1 + (60_000 - 800) / 2_300);
    let mut changing = 0;
    for step in 1..=6_000_u64 {
        plantower.set_mass(10, (step % 100) as u16 * 10, 2_000);
        changing += polled(&mut plantower, 60 * SECOND_US + step * 10_000).len();
    }
    assert!((74..=76).contains(&changing), "{changing}");
}

#[test]
fn a_long_silence_of_the_poller_is_bounded() {
    let mut part = PmSerial::sds011();
    assert_eq!(polled(&mut part, 86_400 * SECOND_US).len(), 64);
    assert_eq!(polled(&mut part, 86_400 * SECOND_US + 999_999).len(), 0);
    assert_eq!(polled(&mut part, 86_401 * SECOND_US).len(), 1);
}

#[test]
fn modes_of_the_plantower_and_what_a_loss_of_power_does() {
    let mut part = PmSerial::pmsx003();
    // Garbage before the command does not hide it.
    part.write(0, &[0x42, 0x42, 0x4d, 0xe1, 0, 0, 1, 0x70]);
    assert_eq!(polled(&mut part, 1), [[0x42, 0x4d, 0, 4, 0xe1, 0, 1, 0x74]], "as the data sheet answers");
    assert_eq!(frames_in(&mut part, 0, 10), 0);
    part.write(10 * SECOND_US, &[0x42, 0x4d, 0xe2, 0, 0, 1, 0x71]);
    assert_eq!(polled(&mut part, 10 * SECOND_US).len(), 1);
    part.power_cycle(11 * SECOND_US);
    assert_eq!(frames_in(&mut part, 11 * SECOND_US, 1), 1, "active again");
    part.write(12 * SECOND_US, &[0x42, 0x4d, 0xe4, 0, 0, 1, 0x73]);
    assert_eq!(polled(&mut part, 12 * SECOND_US), [[0x42, 0x4d, 0, 4, 0xe4, 0, 1, 0x77]]);
    assert_eq!(frames_in(&mut part, 12 * SECOND_US, 10), 0, "asleep");
    part.write(22 * SECOND_US, &[0x42, 0x4d, 0xe4, 0, 1, 1, 0x75]);
    assert_eq!(frames_in(&mut part, 22 * SECOND_US, 3), 0, "a wrong check sum wakes nobody");
    part.write(25 * SECOND_US, &[0x42, 0x4d, 0xe4, 0, 1, 1, 0x74]);
    assert_eq!(frames_in(&mut part, 25 * SECOND_US, 3), 1, "awake, and nothing has changed: every 2.3 s");
}

#[test]
fn the_nova_keeps_its_mode() {
    let passive = [0xaa, 0xb4, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 2, 0xab];
    let mut part = PmSerial::sds011();
    part.write(0, &passive);
    assert_eq!(polled(&mut part, 0), [[0xaa, 0xc5, 2, 1, 1, 0, 0x58, 0xd9, 0x35, 0xab]]);
    part.power_cycle(SECOND_US);
    assert_eq!(frames_in(&mut part, SECOND_US, 10), 0);
}
