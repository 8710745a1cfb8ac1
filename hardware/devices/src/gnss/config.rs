//! What the receiver has been told, and how it is told.

use std::collections::BTreeMap;

use super::Generation;
use super::{nmea, ubx};

/// Longest payload that is listened to.
const PAYLOAD_MAX: usize = 1_024;

/// Class and id of CFG-PRT, CFG-MSG, CFG-RATE, CFG-VALSET.
const CFG: u8 = 0x06;
const CFG_PRT: u8 = 0x00;
const CFG_MSG: u8 = 0x01;
const CFG_RATE: u8 = 0x08;
const CFG_VALSET: u8 = 0x8A;
/// Port number of UART1 in CFG-PRT and in the eight-byte CFG-MSG.
const UART1: u8 = 1;

#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) period_ms: u16,
    pub(super) nmea_out: bool,
    ubx_out: bool,
    pub(super) grid_is_utc: bool,
    pub(super) baud: u32,
    /// By class and id: once in so many epochs, 0 never.
    rates: BTreeMap<(u8, u8), u8>,
}

impl Config {
    /// As the maker ships it.
    pub(super) fn of(generation: Generation) -> Self {
        Self {
            period_ms: 1_000,
            nmea_out: true,
            ubx_out: true,
            grid_is_utc: generation == Generation::Eight,
            baud: if generation == Generation::Nine { 38_400 } else { 9_600 },
            rates: [nmea::RMC, nmea::GGA, nmea::GSA].map(|id| ((nmea::CLASS, id), 1)).into(),
        }
    }

    pub(super) fn is_due(&self, message: (u8, u8), epoch: u32) -> bool {
        self.rates.get(&message).is_some_and(|rate| *rate > 0 && epoch.is_multiple_of(u32::from(*rate)))
    }

    pub(super) fn sends_ubx(&self, message: (u8, u8), epoch: u32) -> bool {
        self.ubx_out && self.is_due(message, epoch)
    }

    /// Obeys a message, or does not (false); nothing where no answer is due.
    pub(super) fn take(&mut self, generation: Generation, class: u8, id: u8, payload: &[u8]) -> Option<bool> {
        if class != CFG {
            return None;
        }
        let old = generation != Generation::Ten;
        let new = generation != Generation::Eight;
        let done = match id {
            CFG_MSG if old => self.message_rate(payload),
            CFG_RATE if old => self.rate(payload),
            CFG_PRT if old => self.port(payload),
            CFG_VALSET if new => self.values(payload),
            _ => None,
        };
        Some(done.is_some())
    }

    fn set_rate(&mut self, message: (u8, u8), rate: u8) -> Option<()> {
        let (class, id) = message;
        let modelled = [ubx::NAV_PVT, ubx::NAV_DOP, ubx::TIM_TP].contains(&message)
            || class == nmea::CLASS && nmea::MODELLED.contains(&id);
        let known = modelled || class == nmea::CLASS && nmea::KNOWN.contains(&id);
        // What there is but is not modelled may only be switched off.
        if !known || !modelled && rate > 0 {
            return None;
        }
        self.rates.insert(message, rate);
        Some(())
    }

    fn message_rate(&mut self, payload: &[u8]) -> Option<()> {
        match payload {
            [class, id, rate] | [class, id, _, rate, _, _, _, _] => self.set_rate((*class, *id), *rate),
            _ => None,
        }
    }

    fn rate(&mut self, payload: &[u8]) -> Option<()> {
        let [a, b, c, d, _, _] = payload else { return None };
        // More than one measurement per solution is not modelled.
        (u16::from_le_bytes([*c, *d]) == 1).then_some(())?;
        self.set_period(u16::from_le_bytes([*a, *b]))
    }

    fn set_period(&mut self, period_ms: u16) -> Option<()> {
        (period_ms >= 25).then_some(())?;
        self.period_ms = period_ms;
        Some(())
    }

    fn port(&mut self, payload: &[u8]) -> Option<()> {
        let baud: [u8; 4] = payload.get(8..12)?.try_into().ok()?;
        let outputs = *payload.get(14)?;
        (payload.len() == 20 && payload.first() == Some(&UART1)).then_some(())?;
        self.set_baud(u32::from_le_bytes(baud))?;
        (self.ubx_out, self.nmea_out) = (outputs & 1 != 0, outputs & 2 != 0);
        Some(())
    }

    fn set_baud(&mut self, baud: u32) -> Option<()> {
        [4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600].contains(&baud).then_some(())?;
        self.baud = baud;
        Some(())
    }

    /// All of the values, or none.
    fn values(&mut self, payload: &[u8]) -> Option<()> {
        let (&[version, layers, _, _], mut rest) = payload.split_first_chunk::<4>()?;
        // Version 0 has no transaction; layer bit 0 is the working memory.
        (version == 0 && layers & 1 != 0).then_some(())?;
        let mut next = self.clone();
        while !rest.is_empty() {
            let (key, behind) = rest.split_first_chunk::<4>()?;
            let key = u32::from_le_bytes(*key);
            // Bits 28 to 30 give the width of the value.
            let width = match key >> 28 & 7 {
                1 | 2 => 1,
                3 => 2,
                4 => 4,
                5 => 8,
                _ => return None,
            };
            let (value, behind) = behind.split_at_checked(width)?;
            next.set_value(key, value.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))?;
            rest = behind;
        }
        *self = next;
        Some(())
    }

    fn set_value(&mut self, key: u32, value: u64) -> Option<()> {
        let small = u8::try_from(value).ok();
        match key {
            0x3021_0001 => self.set_period(u16::try_from(value).ok()?),
            0x3021_0002 => (value == 1).then_some(()),
            0x2021_0003 => (value <= 4).then_some(()),
            0x1074_0001 => flag(value).map(|on| self.ubx_out = on),
            0x1074_0002 => flag(value).map(|on| self.nmea_out = on),
            0x2091_0007 => self.set_rate(ubx::NAV_PVT, small?),
            0x2091_0039 => self.set_rate(ubx::NAV_DOP, small?),
            0x2091_017E => self.set_rate(ubx::TIM_TP, small?),
            0x2091_00AC => self.set_rate((nmea::CLASS, nmea::RMC), small?),
            0x2091_00BB => self.set_rate((nmea::CLASS, nmea::GGA), small?),
            0x2091_00C0 => self.set_rate((nmea::CLASS, nmea::GSA), small?),
            0x2005_000C => (value <= 1).then(|| self.grid_is_utc = value == 0),
            0x4052_0001 => self.set_baud(u32::try_from(value).ok()?),
            _ => None,
        }
    }
}

fn flag(value: u64) -> Option<bool> {
    (value <= 1).then_some(value == 1)
}

/// Listens for UBX frames; anything else on the line, NMEA too, is passed over.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    pub(super) fn feed(&mut self, bytes: &[u8], mut on_frame: impl FnMut(u8, u8, &[u8])) {
        for byte in bytes {
            self.buffer.push(*byte);
            while let Some(used) = step(&self.buffer, &mut on_frame) {
                self.buffer.drain(..used);
            }
        }
    }
}

/// How many bytes are done with; nothing when more are needed.
fn step(buffer: &[u8], on_frame: &mut impl FnMut(u8, u8, &[u8])) -> Option<usize> {
    match buffer {
        [] | [0xB5] | [0xB5, 0x62] | [0xB5, 0x62, _] | [0xB5, 0x62, _, _] | [0xB5, 0x62, _, _, _] => None,
        [0xB5, 0x62, class, id, low, high, rest @ ..] => {
            let len = usize::from(u16::from_le_bytes([*low, *high]));
            if len > PAYLOAD_MAX {
                return Some(2);
            }
            let sum = rest.get(len..len + 2)?;
            if ubx::check_sum(&buffer[2..6 + len]) != sum {
                return Some(2);
            }
            on_frame(*class, *id, &rest[..len]);
            Some(8 + len)
        }
        _ => Some(1),
    }
}
