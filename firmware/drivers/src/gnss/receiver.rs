//! Frames to events: which source is believed, and what is given out once.

use super::framer::{Frame, Framer};
use super::judge::{Claim, is_believable, judge};
use super::nmea_fields::BadField;
use super::watch::{SILENT_EPOCHS, Watch};
use super::{Counters, Event, HDOP_UNKNOWN_CENTI, Limits, Refusal, configure, epoch, nmea, ubx, ubx_old};

/// NAV-DOP older than this is not that of the epoch.
const DOP_AGE_MAX_MS: u32 = 5_000;

/// Reads one receiver's line. See the head of [the module](super).
#[derive(Debug)]
pub struct Receiver {
    framer: Framer,
    reader: Reader,
}

#[derive(Debug)]
struct Reader {
    limits: Limits,
    counters: Counters,
    nmea: epoch::Assembler,
    old: ubx_old::Assembler,
    watch: Watch,
    /// Epochs of NMEA since the last one of UBX, old or new.
    without_ubx: u8,
    /// Time of week and HDOP × 100 of the last NAV-DOP.
    dop: Option<(u32, u16)>,
    /// GPS minus UTC.
    leap_s: Option<i64>,
    last_valid_utc_us: i64,
}

impl Receiver {
    /// A receiver that has not said anything.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            framer: Framer::new(),
            reader: Reader {
                limits,
                counters: Counters::default(),
                nmea: epoch::Assembler::new(),
                old: ubx_old::Assembler::new(),
                watch: Watch::new(),
                without_ubx: SILENT_EPOCHS,
                dop: None,
                leap_s: None,
                last_valid_utc_us: 0,
            },
        }
    }

    /// Takes the next bytes of the line, any number, and reports what they complete, in order.
    pub fn feed(&mut self, bytes: &[u8], mut on_event: impl FnMut(Event)) {
        let Self { framer, reader } = self;
        framer.feed(bytes, |frame| reader.take(frame, &mut on_event));
    }

    /// To call when the line has been silent for longer than between two sentences of one epoch, a quarter of a second
    /// say: what has begun is given out or dropped at once and not with the next epoch. Never needed; it spares the
    /// latency of NMEA and the wait for the end of a frame that noise began.
    pub fn line_idle(&mut self, mut on_event: impl FnMut(Event)) {
        let Self { framer, reader } = self;
        framer.idle(|frame| reader.take(frame, &mut on_event));
        if let Some((itow_ms, claim)) = reader.old.idle() {
            reader.old_epoch(itow_ms, claim, &mut on_event);
        }
        if let Some(over) = reader.nmea.idle() {
            reader.nmea_epoch(over, &mut on_event);
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters { garbage_bytes: self.framer.garbage_bytes(), ..self.reader.counters }
    }

    /// Sends the receiver what it still needs to be told: NAV-PVT first; once that comes, everything else of
    /// [`configure()`](super::configure) at one epoch every `period_ms`. To be called again, a second or two apart, for as
    /// long as [`Receiver::needs_configuration`] says so. Each call of `out` is one whole message.
    pub fn configure(&mut self, period_ms: u16, out: impl FnMut(&[u8])) {
        if self.reader.watch.has_pvt() {
            configure::configure(period_ms, out);
            self.reader.watch.asked(period_ms.max(configure::PERIOD_MIN_MS));
        } else {
            configure::ask_for_pvt(out);
        }
    }

    /// True as long as the receiver does not do what [`Receiver::configure`] asks for: NAV-PVT never came, or only a
    /// lesser source has spoken for three epochs (so it is after the receiver's reset), or NMEA goes on beside it, or the
    /// period is another one.
    #[must_use]
    pub fn needs_configuration(&self) -> bool {
        !self.reader.watch.is_satisfied()
    }
}

impl Reader {
    fn take(&mut self, frame: Frame<'_>, on_event: &mut impl FnMut(Event)) {
        match frame {
            Frame::Broken(refusal) => self.refuse(refusal, on_event),
            Frame::Nmea(body) => {
                self.counters.nmea_sentences = self.counters.nmea_sentences.wrapping_add(1);
                match nmea::parse(body) {
                    Ok(None) => {}
                    Ok(Some(report)) => {
                        for over in self.nmea.push(&report).into_iter().flatten() {
                            self.nmea_epoch(over, on_event);
                        }
                    }
                    Err(BadField) => self.refuse(Refusal::NmeaField, on_event),
                }
            }
            Frame::Ubx { class, id, payload } => {
                self.counters.ubx_frames = self.counters.ubx_frames.wrapping_add(1);
                self.take_ubx(class, id, payload, on_event);
            }
        }
    }

    fn take_ubx(&mut self, class: u8, id: u8, payload: &[u8], on_event: &mut impl FnMut(Event)) {
        match (class, id) {
            (ubx::CLASS_NAV, ubx::NAV_PVT) => match ubx::Pvt::parse(payload) {
                Some(pvt) => {
                    self.watch.saw_pvt(pvt.itow_ms);
                    self.ubx_epoch(pvt.itow_ms, pvt.claim, on_event);
                }
                None => self.refuse(Refusal::UbxLength, on_event),
            },
            (ubx::CLASS_NAV, ubx::NAV_DOP) => {
                if payload.len() == 18 {
                    let payload = ubx::Payload(payload);
                    // 99.99 is that of an epoch without a fix, which must not go with the first one that has a fix.
                    let hdop = Some(payload.u16(12)).filter(|hdop| *hdop < HDOP_UNKNOWN_CENTI);
                    self.dop = hdop.map(|hdop| (payload.u32(0), hdop));
                } else {
                    self.refuse(Refusal::UbxLength, on_event);
                }
            }
            (ubx::CLASS_NAV, _) => match self.old.push(id, payload) {
                Ok(over) => {
                    for (itow_ms, claim) in over.into_iter().flatten() {
                        self.old_epoch(itow_ms, claim, on_event);
                    }
                }
                Err(()) => self.refuse(Refusal::UbxLength, on_event),
            },
            (ubx::CLASS_TIM, ubx::TIM_TP) => self.time_pulse(payload, on_event),
            (ubx::CLASS_ACK, ubx::ACK_ACK) => self.counters.acks = self.counters.acks.wrapping_add(1),
            (ubx::CLASS_ACK, ubx::ACK_NAK) => self.counters.naks = self.counters.naks.wrapping_add(1),
            _ => {}
        }
    }

    fn time_pulse(&mut self, payload: &[u8], on_event: &mut impl FnMut(Event)) {
        if payload.len() != 16 {
            return self.refuse(Refusal::UbxLength, on_event);
        }
        match ubx::time_pulse_us(payload, self.leap_s).filter(|utc_us| is_believable(*utc_us, &self.limits)) {
            Some(utc_us) => {
                self.counters.time_pulses = self.counters.time_pulses.wrapping_add(1);
                on_event(Event::TimePulse { utc_us });
            }
            None => self.refuse(Refusal::TimePulse, on_event),
        }
    }

    fn nmea_epoch(&mut self, over: epoch::Over, on_event: &mut impl FnMut(Event)) {
        self.watch.saw_nmea_epoch();
        if self.without_ubx < SILENT_EPOCHS {
            self.without_ubx += 1;
            return self.hold_back();
        }
        let mut claim = over.claim;
        if over.conflict && claim.fixed {
            claim.fixed = false;
            self.refuse(Refusal::Conflict, on_event);
        }
        self.give(&claim, on_event);
    }

    fn old_epoch(&mut self, itow_ms: u32, claim: Claim, on_event: &mut impl FnMut(Event)) {
        let has_pvt = self.watch.has_pvt();
        self.watch.saw_old_epoch();
        if has_pvt {
            return self.hold_back();
        }
        self.ubx_epoch(itow_ms, claim, on_event);
    }

    fn ubx_epoch(&mut self, itow_ms: u32, mut claim: Claim, on_event: &mut impl FnMut(Event)) {
        self.without_ubx = 0;
        if let Some((_, hdop)) = self.dop.filter(|(of_ms, _)| of_ms.abs_diff(itow_ms) <= DOP_AGE_MAX_MS) {
            claim.hdop_centi = Some(hdop);
        }
        if let Some(leap_s) = claim.utc_us.and_then(|utc_us| ubx::leap_seconds(itow_ms, utc_us)) {
            self.leap_s = Some(leap_s);
        }
        self.give(&claim, on_event);
    }

    fn give(&mut self, claim: &Claim, on_event: &mut impl FnMut(Event)) {
        let (fix, refusal) = judge(claim, &self.limits);
        if let Some(refusal) = refusal {
            self.refuse(refusal, on_event);
        }
        if fix.fix == 0 {
            self.counters.no_fixes = self.counters.no_fixes.wrapping_add(1);
        } else if fix.utc_us == self.last_valid_utc_us {
            return self.hold_back();
        } else {
            self.last_valid_utc_us = fix.utc_us;
            self.counters.valid_fixes = self.counters.valid_fixes.wrapping_add(1);
        }
        on_event(Event::Fix(fix));
    }

    fn hold_back(&mut self) {
        self.counters.held_back = self.counters.held_back.wrapping_add(1);
    }

    fn refuse(&mut self, refusal: Refusal, on_event: &mut impl FnMut(Event)) {
        self.counters.refuse(refusal);
        on_event(Event::Refused(refusal));
    }
}
