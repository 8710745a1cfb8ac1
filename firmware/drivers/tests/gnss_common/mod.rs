//! Frames for the GNSS tests, built by hand from the layouts.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a test may panic")]

use tournee_drivers::gnss::{Event, Fix, Limits, Receiver, Refusal};

/// 2026-11-27T12:00:00Z.
pub const NOON_US: i64 = 1_795_780_800_000_000;

/// `$body*hh\r\n`.
pub fn sentence(body: &str) -> Vec<u8> {
    format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte)).into_bytes()
}

/// A UBX frame.
pub fn ubx(class: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xB5, 0x62, class, id];
    frame.extend((payload.len() as u16).to_le_bytes());
    frame.extend(payload);
    let (mut a, mut b) = (0_u8, 0_u8);
    for byte in &frame[2..] {
        a = a.wrapping_add(*byte);
        b = b.wrapping_add(a);
    }
    frame.extend([a, b]);
    frame
}

/// What a NAV-PVT says.
#[derive(Clone, Copy, Debug)]
pub struct Pvt {
    pub itow_ms: u32,
    /// Year, month, day, hour, minute, second.
    pub date: (u16, u8, u8, u8, u8, u8),
    pub valid: u8,
    pub nano: i32,
    pub kind: u8,
    pub flags: u8,
    pub lat_e7: i32,
    pub lon_e7: i32,
    pub speed_mmps: i32,
    pub flags3: u8,
}

impl Pvt {
    /// Noon of a Friday; the fourth 3D fix of a moving van.
    pub const GOOD: Self = Self {
        itow_ms: (5 * 86_400 + 43_200 + 18) * 1_000,
        date: (2026, 11, 27, 12, 0, 0),
        valid: 0x07,
        nano: 0,
        kind: 3,
        flags: 0x01,
        lat_e7: 476_501_234,
        lon_e7: -20_804_321,
        speed_mmps: 8_333,
        flags3: 0,
    };

    pub fn frame(&self) -> Vec<u8> {
        let mut p = vec![0; 92];
        let (year, month, day, hour, minute, second) = self.date;
        p[0..4].copy_from_slice(&self.itow_ms.to_le_bytes());
        p[4..6].copy_from_slice(&year.to_le_bytes());
        p[6..11].copy_from_slice(&[month, day, hour, minute, second]);
        p[11] = self.valid;
        p[16..20].copy_from_slice(&self.nano.to_le_bytes());
        p[20] = self.kind;
        p[21] = self.flags;
        p[23] = 11;
        p[24..28].copy_from_slice(&self.lon_e7.to_le_bytes());
        p[28..32].copy_from_slice(&self.lat_e7.to_le_bytes());
        p[40..44].copy_from_slice(&1_234_u32.to_le_bytes());
        p[60..64].copy_from_slice(&self.speed_mmps.to_le_bytes());
        p[64..68].copy_from_slice(&27_150_000_i32.to_le_bytes());
        p[72..76].copy_from_slice(&100_000_u32.to_le_bytes());
        p[76..78].copy_from_slice(&180_u16.to_le_bytes());
        p[78] = self.flags3;
        ubx(0x01, 0x07, &p)
    }

    /// So many milliseconds later, within the minute.
    pub fn later(mut self, ms: u32) -> Self {
        self.itow_ms += ms;
        self.date.5 += (ms / 1_000) as u8;
        self.nano += (ms % 1_000) as i32 * 1_000_000;
        self
    }
}

/// TIM-TP.
pub fn time_pulse(tow_ms: u32, week: u16, flags: u8, reference: u8) -> Vec<u8> {
    let mut p = vec![0; 16];
    p[0..4].copy_from_slice(&tow_ms.to_le_bytes());
    p[12..14].copy_from_slice(&week.to_le_bytes());
    p[14] = flags;
    p[15] = reference;
    ubx(0x0D, 0x01, &p)
}

/// One cycle RMC, GGA, GSA of a good 3D fix at `time` (hhmmss.ss) on 2026-11-27.
pub fn cycle(time: &str) -> Vec<u8> {
    [
        sentence(&format!("GNRMC,{time},A,4739.00740,N,00204.82593,W,16.198,271.50,271126,,,A,V")),
        sentence(&format!("GNGGA,{time},4739.00740,N,00204.82593,W,1,11,0.95,40.0,M,49.0,M,,")),
        sentence("GNGSA,A,3,01,02,03,04,05,,,,,,,,1.80,0.95,1.50,1"),
    ]
    .concat()
}

/// All events of these bytes, in one slice.
pub fn events(bytes: &[u8]) -> Vec<Event> {
    events_of(&mut Receiver::new(Limits::default()), bytes)
}

/// All events of these bytes, in one slice.
pub fn events_of(receiver: &mut Receiver, bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    receiver.feed(bytes, |event| events.push(event));
    events
}

pub fn fixes(events: &[Event]) -> Vec<Fix> {
    events.iter().filter_map(|event| if let Event::Fix(fix) = event { Some(*fix) } else { None }).collect()
}

pub fn refusals(events: &[Event]) -> Vec<Refusal> {
    events.iter().filter_map(|event| if let Event::Refused(refusal) = event { Some(*refusal) } else { None }).collect()
}
