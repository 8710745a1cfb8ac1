//! Particle sensors that talk on a serial line by themselves: Plantower PMSx003 and Nova SDS011.
//!
//! Frames, rates and commands by the data sheets (PMS5003 and PMS7003, appendix I; "Laser Dust Sensor Control Protocol V1.3").

const SECOND_US: u64 = 1_000_000;
/// PMSx003, "stable mode": the concentration has not changed.
const STABLE_US: u64 = 2_300_000;
/// PMSx003, "fast mode": it has. The data sheet says 200 to 800 ms.
const FAST_US: u64 = 800_000;
/// SDS011: "reports once a second".
const SDS_US: u64 = SECOND_US;
/// What one poll sends at the most; a longer silence of the poller loses frames, as a full buffer would.
const FRAMES_PER_POLL: u32 = 64;
/// Version of the part that the captured frames of PMS parts name.
const PMS_VERSION: u8 = 0x97;
const SDS_ID: [u8; 2] = [0x58, 0xd9];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pmsx003,
    Sds011,
}

/// A particle sensor on a serial line.
#[derive(Clone, Debug)]
pub struct PmSerial {
    kind: Kind,
    /// PM1, PM2.5, PM10, 0.1 µg/m³.
    mass_dugm3: [u16; 3],
    /// What the last frame said.
    sent_dugm3: Option<[u16; 3]>,
    active: bool,
    asleep: bool,
    /// When the last frame was due, or the part was switched on.
    since_us: u64,
    /// The last poll; what is new in the air came after it.
    polled_us: u64,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl PmSerial {
    /// A Plantower PMS5003, PMS7003 or PMSA003, switched on at time 0.
    #[must_use]
    pub const fn pmsx003() -> Self {
        Self::new(Kind::Pmsx003)
    }

    /// A Nova SDS011, switched on at time 0.
    #[must_use]
    pub const fn sds011() -> Self {
        Self::new(Kind::Sds011)
    }

    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            mass_dugm3: [0; 3],
            sent_dugm3: None,
            active: true,
            asleep: false,
            since_us: 0,
            polled_us: 0,
            inbox: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Sets the air, 0.1 µg/m³. The PMSx003 rounds it to whole µg/m³, the SDS011 has no PM1.
    pub const fn set_mass(&mut self, pm1_dugm3: u16, pm25_dugm3: u16, pm10_dugm3: u16) {
        self.mass_dugm3 = [pm1_dugm3, pm25_dugm3, pm10_dugm3];
    }

    /// Takes what the host sends; the answers come with the next poll. What is no command is ignored.
    pub fn write(&mut self, now_us: u64, bytes: &[u8]) {
        for byte in bytes {
            self.inbox.push(*byte);
            let len = match self.kind {
                Kind::Pmsx003 => 7,
                Kind::Sds011 => 19,
            };
            let at = self.inbox.len().saturating_sub(len);
            self.inbox.drain(..at);
            if self.inbox.len() == len && self.command(now_us) {
                self.inbox.clear();
            }
        }
    }

    /// Hands over what the part has sent until `now_us`, one frame per call of `on_bytes`.
    pub fn poll(&mut self, now_us: u64, mut on_bytes: impl FnMut(&[u8])) {
        if !self.outbox.is_empty() {
            on_bytes(&core::mem::take(&mut self.outbox));
        }
        let polled_us = core::mem::replace(&mut self.polled_us, now_us);
        if !self.active || self.asleep {
            self.since_us = now_us;
            return;
        }
        for _ in 0..FRAMES_PER_POLL {
            let due_us = self.due_us(polled_us);
            if due_us > now_us {
                return;
            }
            self.since_us = due_us;
            on_bytes(&self.frame());
            self.sent_dugm3 = Some(self.mass_dugm3);
        }
        self.since_us = now_us;
    }

    /// Loses its supply and gets it back. The PMSx003 forgets its mode; the SDS011 keeps it.
    pub fn power_cycle(&mut self, now_us: u64) {
        self.inbox.clear();
        self.outbox.clear();
        self.since_us = now_us;
        self.sent_dugm3 = None;
        self.asleep = false;
        self.active |= self.kind == Kind::Pmsx003;
    }

    fn due_us(&self, polled_us: u64) -> u64 {
        match self.kind {
            Kind::Sds011 => self.since_us + SDS_US,
            Kind::Pmsx003 if self.sent_dugm3 == Some(self.mass_dugm3) => self.since_us + STABLE_US,
            Kind::Pmsx003 => (self.since_us + FAST_US).max(polled_us),
        }
    }

    fn frame(&self) -> Vec<u8> {
        match self.kind {
            Kind::Pmsx003 => {
                let [pm1, pm25, pm10] = self.mass_dugm3.map(|tenths| tenths / 10 + u16::from(tenths % 10 >= 5));
                let atmospheric = [pm1, pm25, pm10].map(atmospheric_ugm3);
                let counts = [105_u32, 35, 22, 15, 1, 0]
                    .map(|quarters| u16::try_from(u32::from(pm25) * quarters / 4).unwrap_or(u16::MAX));
                let words = [pm1, pm25, pm10].into_iter().chain(atmospheric).chain(counts);
                let data: Vec<u8> = words.flat_map(u16::to_be_bytes).chain([PMS_VERSION, 0]).collect();
                plantower(&data)
            }
            Kind::Sds011 => {
                let [_, pm25, pm10] = self.mass_dugm3.map(u16::to_le_bytes);
                nova(0xc0, [pm25[0], pm25[1], pm10[0], pm10[1]])
            }
        }
    }

    /// Does the command that fills the inbox, if it is one.
    fn command(&mut self, now_us: u64) -> bool {
        match (self.kind, self.inbox.as_slice()) {
            (Kind::Pmsx003, [0x42, 0x4d, code, high, low, sum @ ..]) => {
                let expected = 0x42 + 0x4d + u16::from(*code) + u16::from(*high) + u16::from(*low);
                if sum != expected.to_be_bytes() {
                    return false;
                }
                let (code, on) = (*code, *low != 0);
                match code {
                    0xe1 => self.active = on,
                    0xe2 => {
                        if !self.asleep {
                            let frame = self.frame();
                            self.outbox.extend(frame);
                        }
                        return true;
                    }
                    0xe4 => {
                        self.asleep = !on;
                        if on {
                            self.since_us = now_us;
                            return true;
                        }
                    }
                    _ => return true,
                }
                self.outbox.extend(plantower(&[code, u8::from(on)]));
                true
            }
            (Kind::Sds011, [0xaa, 0xb4, data @ .., sum, 0xab]) => {
                if data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) != *sum {
                    return false;
                }
                let [code, set, value, ..] = *data else { return false };
                let id = data.get(13..15);
                if id != Some(&[0xff, 0xff]) && id != Some(&SDS_ID) {
                    return true;
                }
                // Asleep, only the command that wakes it is heard.
                if self.asleep && (code, set, value) != (6, 1, 1) {
                    return true;
                }
                match (code, set) {
                    (2, 1) => self.active = value == 0,
                    (4, _) => {
                        let frame = self.frame();
                        self.outbox.extend(frame);
                        return true;
                    }
                    (6, 1) => {
                        self.asleep = value == 0;
                        self.since_us = now_us;
                    }
                    _ => {}
                }
                self.outbox.extend(nova(0xc5, [code, set, value, 0]));
                true
            }
            _ => false,
        }
    }
}

/// The "atmospheric" column of a PMSx003 falls behind its CF=1 column above about 30 µg/m³, to two thirds from 100 on. The
/// maker does not publish the table; this is its shape as co-location studies plot it.
fn atmospheric_ugm3(cf1_ugm3: u16) -> u16 {
    let thirds = match cf1_ugm3 {
        0..=30 => return cf1_ugm3,
        // From 3 thirds at 30 to 2 thirds at 100.
        31..=99 => 3.0 - f64::from(cf1_ugm3 - 30) / 70.0,
        _ => 2.0,
    };
    (f64::from(cf1_ugm3) * thirds / 3.0).round() as u16
}

fn plantower(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len() + 2).unwrap_or(u16::MAX);
    let mut frame = vec![0x42, 0x4d];
    frame.extend(len.to_be_bytes());
    frame.extend(data);
    let sum = frame.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    frame.extend(sum.to_be_bytes());
    frame
}

fn nova(kind: u8, data: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![0xaa, kind];
    frame.extend(data);
    frame.extend(SDS_ID);
    let sum = frame.iter().skip(2).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend([sum, 0xab]);
    frame
}
