//! The four parts behind one face, and encoders of their frames that share nothing with the drivers.

use proptest::prelude::*;
use tournee_drivers::pmsx003::{BadFrame, Counts};
use tournee_drivers::{PmMass, mhz19b, pmsx003, sds011, sps30_serial};

/// Any reading of any of the four parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Pms(pmsx003::Reading),
    Sds(sds011::Mass),
    Sps(sps30_serial::Reading),
    Co2(u16),
}

pub type Event = Result<Got, BadFrame>;

/// The four decoders behind one face.
pub enum Any {
    Pms(pmsx003::Decoder),
    Sds(sds011::Decoder),
    Sps(sps30_serial::Decoder),
    Mhz(mhz19b::Decoder),
}

pub const PARTS: [fn() -> Any; 4] = [
    || Any::Pms(pmsx003::Decoder::new()),
    || Any::Sds(sds011::Decoder::new()),
    || Any::Sps(sps30_serial::Decoder::new()),
    || Any::Mhz(mhz19b::Decoder::new()),
];

impl Any {
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        match self {
            Self::Pms(decoder) => decoder.feed_readings(bytes, |event| events.push(event.map(Got::Pms))),
            Self::Sds(decoder) => decoder.feed(bytes, |event| events.push(event.map(Got::Sds))),
            Self::Sps(decoder) => decoder.feed_readings(bytes, |event| events.push(event.map(Got::Sps))),
            Self::Mhz(decoder) => decoder.feed(bytes, |event| events.push(event.map(Got::Co2))),
        }
    }

    pub fn counts(&self) -> Counts {
        match self {
            Self::Pms(decoder) => decoder.counts(),
            Self::Sds(decoder) => decoder.counts(),
            Self::Sps(decoder) => decoder.counts(),
            Self::Mhz(decoder) => decoder.counts(),
        }
    }
}

pub fn events(part: usize, bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    PARTS[part]().feed(bytes, &mut events);
    events
}

pub fn readings(part: usize, bytes: &[u8]) -> Vec<Got> {
    events(part, bytes).into_iter().filter_map(Result::ok).collect()
}

pub fn pms_frame(words: &[u16; 13]) -> Vec<u8> {
    let mut frame = vec![0x42, 0x4d, 0, 28];
    frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    let sum: u16 = frame.iter().map(|byte| u16::from(*byte)).sum();
    frame.extend(sum.to_be_bytes());
    frame
}

pub fn sds_frame(data: [u8; 6]) -> Vec<u8> {
    let sum = data.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    [&[0xaa, 0xc0], &data[..], &[sum, 0xab]].concat()
}

pub fn mhz_frame(command: u8, value: u16, rest: [u8; 4]) -> Vec<u8> {
    let [high, low] = value.to_be_bytes();
    let mut frame = [&[0xff, command, high, low], &rest[..]].concat();
    let sum = frame[1..].iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    frame.push(0xff - sum);
    let last = frame.len() - 1;
    frame[last] = frame[last].wrapping_add(1);
    frame
}

/// Without the edge that begins it.
pub fn sps_frame(command: u8, state: u8, data: &[u8]) -> Vec<u8> {
    let mut content = [&[0, command, state, data.len() as u8], data].concat();
    content.push(!content.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    let mut frame = Vec::new();
    for byte in content {
        match byte {
            0x7e | 0x7d | 0x11 | 0x13 => frame.extend([0x7d, byte ^ 0x20]),
            byte => frame.push(byte),
        }
    }
    frame.push(0x7e);
    frame
}

/// Any reading of any part, and its frame.
pub fn any_frame() -> impl Strategy<Value = (usize, Vec<u8>, Got)> {
    let mass =
        |words: &[u16]| PmMass { pm1_dugm3: words[0] * 10, pm25_dugm3: words[1] * 10, pm10_dugm3: words[2] * 10 };
    prop_oneof![
        (any::<[u16; 13]>()).prop_map(move |mut words| {
            words[..6].iter_mut().for_each(|word| *word %= 6_554);
            words[12] &= 0xff00;
            let mut counts_per_dl = [0; 6];
            counts_per_dl.copy_from_slice(&words[6..12]);
            let version = (words[12] >> 8) as u8;
            let reading =
                pmsx003::Reading { cf1: mass(&words), atmospheric: mass(&words[3..]), counts_per_dl, version };
            (0, pms_frame(&words), Got::Pms(reading))
        }),
        (0..=sds011::MAX_DUGM3, 0..=sds011::MAX_DUGM3, any::<[u8; 2]>()).prop_map(|(pm25, pm10, part_id)| {
            let ([a, b], [c, d], [e, f]) = (pm25.to_le_bytes(), pm10.to_le_bytes(), part_id);
            let mass = sds011::Mass { pm25_dugm3: pm25, pm10_dugm3: pm10, part_id };
            (1, sds_frame([a, b, c, d, e, f]), Got::Sds(mass))
        }),
        (any::<[f32; 5]>(), proptest::array::uniform4(0.0_f32..6_553.0), any::<f32>()).prop_map(
            |(counts_per_cm3, mass_ugm3, typical_um)| {
                let floats = mass_ugm3.into_iter().chain(counts_per_cm3).chain([typical_um]);
                let data: Vec<u8> = floats.flat_map(f32::to_be_bytes).collect();
                let reading = sps30_serial::Reading { mass_ugm3, counts_per_cm3, typical_um };
                (2, [&[0x7e], &sps_frame(3, 0, &data)[..]].concat(), Got::Sps(reading))
            }
        ),
        (0..=mhz19b::MAX_PPM, any::<[u8; 4]>()).prop_map(|(ppm, rest)| (3, mhz_frame(0x86, ppm, rest), Got::Co2(ppm))),
    ]
}

/// Whether a frame of the MH-Z19B begins by chance within the first `len` bytes: its header and check sum are only 17 bits.
pub fn chance_frame(bytes: &[u8], len: usize) -> bool {
    bytes.windows(9).take(len).any(|nine| {
        nine[0] == 0xff
            && [0x86, 0x79].contains(&nine[1])
            && nine[1..].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
    })
}
