//! The serial particle and CO2 sensors; the first byte chooses the part. Their check sums are sums: the fuzzer finds them
//! by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_drivers::pmsx003::{BadFrame, Counts};
use tournee_drivers::{mhz19b, pmsx003, sds011, sps30_serial};
use tournee_fuzz::in_slices;

fuzz_target!(|data: &[u8]| {
    let Some((part, line)) = data.split_first() else { return };
    match part % 4 {
        0 => {
            let mut whole = pmsx003::Decoder::new();
            let readings = collect(|take| whole.feed_readings(line, &mut *take));
            let mut sliced = pmsx003::Decoder::new();
            let in_parts = collect(|take| in_slices(line, |slice| sliced.feed_readings(slice, &mut *take)));
            check(line, &readings, &in_parts, whole.counts(), sliced.counts(), 32);
        }
        1 => {
            let mut whole = sds011::Decoder::new();
            let readings = collect(|take| whole.feed(line, &mut *take));
            let mut sliced = sds011::Decoder::new();
            let in_parts = collect(|take| in_slices(line, |slice| sliced.feed(slice, &mut *take)));
            check(line, &readings, &in_parts, whole.counts(), sliced.counts(), 10);
            for mass in readings.into_iter().flatten() {
                assert!(mass.pm25_dugm3.max(mass.pm10_dugm3) <= sds011::MAX_DUGM3);
            }
        }
        2 => {
            // Not the readings themselves: not a number is not equal to itself.
            let mut whole = sps30_serial::Decoder::new();
            let masses = collect(|take| whole.feed(line, &mut *take));
            let mut sliced = sps30_serial::Decoder::new();
            let in_parts = collect(|take| in_slices(line, |slice| sliced.feed(slice, &mut *take)));
            check(line, &masses, &in_parts, whole.counts(), sliced.counts(), 46);
            for mass in masses.into_iter().flatten() {
                assert!([mass.pm1_dugm3, mass.pm25_dugm3, mass.pm10_dugm3].into_iter().all(|value| value < u16::MAX));
            }
        }
        _ => {
            let mut whole = mhz19b::Decoder::new();
            let readings = collect(|take| whole.feed(line, &mut *take));
            let mut sliced = mhz19b::Decoder::new();
            let in_parts = collect(|take| in_slices(line, |slice| sliced.feed(slice, &mut *take)));
            check(line, &readings, &in_parts, whole.counts(), sliced.counts(), 9);
            for ppm in readings.into_iter().flatten() {
                assert!(ppm <= mhz19b::MAX_PPM);
            }
        }
    }
});

type Readings<T> = Vec<Result<T, BadFrame>>;

fn collect<T>(read: impl FnOnce(&mut dyn FnMut(Result<T, BadFrame>))) -> Readings<T> {
    let mut readings = Vec::new();
    read(&mut |reading| readings.push(reading));
    readings
}

fn check<T: PartialEq + std::fmt::Debug>(
    line: &[u8],
    readings: &Readings<T>,
    in_parts: &Readings<T>,
    counts: Counts,
    counts_in_parts: Counts,
    frame_bytes: usize,
) {
    assert_eq!(readings, in_parts, "slices do not matter");
    assert_eq!(counts, counts_in_parts);
    let good = readings.iter().filter(|reading| reading.is_ok()).count();
    assert_eq!((counts.readings as usize, counts.bad as usize), (good, readings.len() - good));
    assert!(good * frame_bytes <= line.len(), "no frame is used twice");
}
