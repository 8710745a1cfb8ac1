//! A window as bytes: one slot of the ring, its checksum, the row of its event, the samples around the peak.
//!
//! Little endian: magic (4), CRC-32C of all that follows in use (4), number (8), the values of the row's fields in the order
//! of [`FIELDS`] as wire integers, `i64::MIN` where empty (8 each), m/s² per unit (f32), count (2), then per sample its time
//! from the peak in units of 10 µs (i16) and three axes in that unit (i16 each).

use tournee_features::ids;
use tournee_features::road::{EventWindow, RawSample};
use tournee_link::checksum;
use tournee_payload::{Sample, Stream};

/// Bytes of a slot: one page of a card's file system.
pub(super) const SLOT_BYTES: usize = 4_096;
const MAGIC: [u8; 4] = *b"TEW1";
/// The fields of an event's row, in the order of the bytes. Append-only with a new magic.
const FIELDS: [u16; 12] = [
    ids::T_US,
    ids::TICK_US,
    ids::BOOT_ID,
    ids::LAT_DEG,
    ids::LON_DEG,
    ids::H_ACC_M,
    ids::SPEED_MPS,
    ids::HEADING_DEG,
    ids::FLAGS,
    ids::road_event::KIND,
    ids::road_event::PEAK,
    ids::road_event::Z,
];
/// Samples of a window at the most, those nearest to the peak: 600 ms at 800 Hz. More than are taken at 400 Hz.
const SAMPLES_MAX: usize = 480;
const OFFSET_UNIT_US: i32 = 10;
const NONE: i64 = i64::MIN;

/// A window that was read back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Its number, rising by one from window to window.
    pub number: u64,
    pub window: EventWindow,
}

/// A slot that holds neither nothing nor a whole window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The bytes of a slot, padded with zeros.
pub(super) fn write(number: u64, window: &EventWindow) -> Vec<u8> {
    let raw = nearest(&window.raw);
    let largest =
        raw.iter().flat_map(|sample| sample.a_mps2).map(f32::abs).filter(|a| a.is_finite()).fold(0.0, f32::max);
    // Sixteen bits of the largest: finer than the part that measured it.
    let unit_mps2 = if largest > 0.0 { largest / f32::from(i16::MAX) } else { 1.0 };
    let mut body = Vec::with_capacity(SLOT_BYTES);
    body.extend(number.to_le_bytes());
    for id in FIELDS {
        body.extend(window.sample.get(id).unwrap_or(NONE).to_le_bytes());
    }
    body.extend(unit_mps2.to_le_bytes());
    body.extend(u16::try_from(raw.len()).unwrap_or(0).to_le_bytes());
    for sample in raw {
        // `as` saturates, and makes what is no number 0.
        body.extend(((sample.offset_us / OFFSET_UNIT_US) as i16).to_le_bytes());
        for a in sample.a_mps2 {
            body.extend(((a / unit_mps2).round() as i16).to_le_bytes());
        }
    }
    let mut slot = [&MAGIC, checksum(&body).to_le_bytes().as_slice(), &body].concat();
    slot.resize(SLOT_BYTES, 0);
    slot
}

/// The samples that are kept of a window, which lie around the peak in time.
fn nearest(raw: &[RawSample]) -> &[RawSample] {
    let peak = raw.partition_point(|sample| sample.offset_us < 0);
    let first = peak.saturating_sub(SAMPLES_MAX / 2).min(raw.len().saturating_sub(SAMPLES_MAX));
    raw.get(first..raw.len().min(first + SAMPLES_MAX)).unwrap_or_default()
}

/// Reads a slot; `None`: it was never written.
pub(super) fn read(slot: &[u8]) -> Result<Option<Record>, Damaged> {
    if slot.len() == SLOT_BYTES && slot.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let mut bytes = Bytes(slot);
    if bytes.take::<4>()? != MAGIC {
        return Err(Damaged);
    }
    let crc = u32::from_le_bytes(bytes.take()?);
    let body = bytes.0;
    let number = u64::from_le_bytes(bytes.take()?);
    let mut sample = Sample::new(Stream::RoadEvent);
    for id in FIELDS {
        let value = i64::from_le_bytes(bytes.take()?);
        sample.set(id, (value != NONE).then_some(value));
    }
    let unit_mps2 = f32::from_le_bytes(bytes.take()?);
    let count = u16::from_le_bytes(bytes.take()?);
    let mut raw = Vec::with_capacity(usize::from(count).min(SAMPLES_MAX));
    for _ in 0..count {
        let mut next = || bytes.take().map(i16::from_le_bytes);
        let offset_us = i32::from(next()?) * OFFSET_UNIT_US;
        let a_mps2 = [next()?, next()?, next()?].map(|a| f32::from(a) * unit_mps2);
        raw.push(RawSample { offset_us, a_mps2 });
    }
    let used = body.get(..body.len() - bytes.0.len()).ok_or(Damaged)?;
    if checksum(used) != crc {
        return Err(Damaged);
    }
    Ok(Some(Record { number, window: EventWindow { sample, raw } }))
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A window of a bump, `n` in its values.
    pub(in super::super) fn window(n: i64) -> EventWindow {
        let mut sample = Sample::new(Stream::RoadEvent);
        sample.set(ids::T_US, Some(1_780_000_000_000_000 + n * 1_000_000));
        sample.set(ids::TICK_US, Some(n));
        sample.set(ids::LAT_DEG, Some(476_500_000 + n));
        sample.set(ids::LON_DEG, Some(-20_900_000));
        sample.set(ids::FLAGS, Some(0));
        sample.set(ids::road_event::PEAK, Some(4_321));
        sample.set(ids::road_event::Z, Some(123));
        let raw = (-100..=100).map(|k: i16| {
            let a = 9.81 + 4.3 / (1.0 + f32::from(k) * f32::from(k) / 9.0);
            RawSample { offset_us: i32::from(k) * 2_500, a_mps2: [0.01 * f32::from(k), -0.5, a] }
        });
        EventWindow { sample, raw: raw.collect() }
    }

    #[test]
    fn a_window_comes_back_finer_than_it_was_measured() {
        let slot = write(77, &window(5));
        assert_eq!(slot.len(), SLOT_BYTES);
        let Record { number, window: back } = read(&slot).unwrap().unwrap();
        assert_eq!((number, &back.sample, back.raw.len()), (77, &window(5).sample, 201));
        // The accelerometer's own step is 244 µg.
        for (a, b) in window(5).raw.iter().zip(&back.raw) {
            assert_eq!(a.offset_us, b.offset_us);
            assert!(a.a_mps2.iter().zip(b.a_mps2).all(|(a, b)| (a - b).abs() < 0.000_3), "{a:?} {b:?}");
        }
    }

    #[test]
    fn of_a_longer_window_what_lies_around_the_peak_is_kept() {
        let mut long = window(1);
        long.raw = (-300..=212).map(|k| RawSample { offset_us: k * 800, a_mps2: [k as f32; 3] }).collect();
        let back = read(&write(1, &long)).unwrap().unwrap().window.raw;
        assert_eq!((back.len(), back[0].offset_us, back[479].offset_us), (480, -267 * 800, 212 * 800));
        long.raw.clear();
        assert_eq!(read(&write(1, &long)).unwrap().unwrap().window, long);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let slot = write(3, &window(9));
        let used = 118 + 201 * 8;
        for at in 0..used {
            let mut bad = slot.clone();
            bad[at] ^= 0x04;
            assert_eq!(read(&bad), Err(Damaged), "byte {at}");
            let mut torn = slot.clone();
            torn[at..].fill(0);
            assert!(at == 0 || torn == slot || read(&torn) == Err(Damaged), "torn at {at}");
        }
        assert_eq!(read(&[0; SLOT_BYTES]), Ok(None));
        assert_eq!(read(&[]), Err(Damaged));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_window_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
            let bytes = if magic { [&MAGIC[..], &bytes].concat() } else { bytes };
            prop_assert_eq!(read(&bytes), Err(Damaged));
        }

        #[test]
        fn any_numbers_fit_a_slot(
            values in prop::collection::vec(any::<Option<i64>>(), 12),
            raw in prop::collection::vec((any::<i32>(), any::<[f32; 3]>()), 0..600),
        ) {
            let mut window = window(0);
            for (id, value) in FIELDS.iter().zip(values) {
                window.sample.set(*id, value);
            }
            window.raw = raw.into_iter().map(|(offset_us, a_mps2)| RawSample { offset_us, a_mps2 }).collect();
            let slot = write(u64::MAX, &window);
            prop_assert_eq!(slot.len(), SLOT_BYTES);
            prop_assert!(read(&slot).unwrap().is_some());
        }
    }
}
