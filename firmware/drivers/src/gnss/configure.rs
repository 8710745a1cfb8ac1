//! What makes a u-blox receiver speak UBX: both ways of configuration are sent, CFG-MSG and CFG-RATE of generations up to
//! 8 and CFG-VALSET of generations 9 and later. A receiver answers ACK-NAK to the one that it does not know and goes on.
//!
//! Everything goes to the receiver's working memory only and is to be sent again after its reset. The port is UART1, as
//! the box is wired. Keys: u-blox F9 HPG 1.32 interface description UBX-22008968, section "Configuration interface".

use super::framer::ubx_check_sum;
use super::ubx;

const CFG_PRT: u8 = 0x00;
const CFG_MSG: u8 = 0x01;
const CFG_RATE: u8 = 0x08;
const CFG_VALSET: u8 = 0x8A;
/// The least period that a receiver of these generations keeps: 40 Hz.
pub(super) const PERIOD_MIN_MS: u16 = 25;
/// Class of the NMEA sentences in CFG-MSG.
const CLASS_NMEA: u8 = 0xF0;
/// GGA, GLL, GSA, GSV, RMC, VTG, GST, ZDA, GNS.
const NMEA_IDS: [u8; 9] = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x0D];

const KEY_RATE_MEAS_MS: u32 = 0x3021_0001;
const KEY_RATE_NAV: u32 = 0x3021_0002;
const KEY_RATE_TIME_REF: u32 = 0x2021_0003;
const KEY_MSGOUT_NAV_PVT_UART1: u32 = 0x2091_0007;
const KEY_MSGOUT_NAV_DOP_UART1: u32 = 0x2091_0039;
const KEY_MSGOUT_TIM_TP_UART1: u32 = 0x2091_017E;
const KEY_TP_TIME_GRID: u32 = 0x2005_000C;
const KEY_UART1_OUT_UBX: u32 = 0x1074_0001;
const KEY_UART1_OUT_NMEA: u32 = 0x1074_0002;
const KEY_UART1_BAUD: u32 = 0x4052_0001;

/// Bytes of the longest message that is sent: CFG-PRT, and CFG-VALSET with three values.
const MESSAGE_MAX: usize = 8 + 28;

/// A value of CFG-VALSET, in the width that its key asks for.
#[derive(Clone, Copy)]
enum Value {
    U1(u8),
    U2(u16),
    U4(u32),
}

struct Message {
    bytes: [u8; MESSAGE_MAX],
    len: usize,
}

impl Message {
    fn new(id: u8) -> Self {
        let mut message = Self { bytes: [0; MESSAGE_MAX], len: 0 };
        message.push(&[0xB5, 0x62, ubx::CLASS_CFG, id, 0, 0]);
        message
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn send(mut self, out: &mut impl FnMut(&[u8])) {
        let payload = (self.len - 6) as u16;
        if let Some(place) = self.bytes.get_mut(4..6) {
            place.copy_from_slice(&payload.to_le_bytes());
        }
        let sum = ubx_check_sum(self.bytes.get(2..self.len).unwrap_or(&[]));
        self.push(&sum);
        out(self.bytes.get(..self.len).unwrap_or(&[]));
    }
}

fn set_rate(class: u8, id: u8, per_epoch: u8, out: &mut impl FnMut(&[u8])) {
    let mut message = Message::new(CFG_MSG);
    message.push(&[class, id, per_epoch]);
    message.send(out);
}

fn set_values(values: &[(u32, Value)], out: &mut impl FnMut(&[u8])) {
    let mut message = Message::new(CFG_VALSET);
    // Version 0, layer RAM, two reserved.
    message.push(&[0, 1, 0, 0]);
    for (key, value) in values {
        message.push(&key.to_le_bytes());
        match value {
            Value::U1(value) => message.push(&[*value]),
            Value::U2(value) => message.push(&value.to_le_bytes()),
            Value::U4(value) => message.push(&value.to_le_bytes()),
        }
    }
    message.send(out);
}

/// Asks for NAV-PVT with every epoch and changes nothing else: the first step, as a receiver that has no NAV-PVT must
/// not be told to stop its NMEA. Each call of `out` is one whole message.
pub fn ask_for_pvt(mut out: impl FnMut(&[u8])) {
    set_rate(ubx::CLASS_NAV, ubx::NAV_PVT, 1, &mut out);
    set_values(&[(KEY_UART1_OUT_UBX, Value::U1(1)), (KEY_MSGOUT_NAV_PVT_UART1, Value::U1(1))], &mut out);
}

/// Asks for NAV-PVT, NAV-DOP and TIM-TP with every epoch, one epoch every `period_ms` (25 at the least), pulses on the grid
/// of UTC, and no NMEA. Each call of `out` is one whole message, the order is that in which they must arrive.
///
/// [`super::Receiver::configure`] goes there in two steps; call this one where the receiver is known to have NAV-PVT.
pub fn configure(period_ms: u16, mut out: impl FnMut(&[u8])) {
    let period_ms = period_ms.max(PERIOD_MIN_MS);
    let out = &mut out;
    ask_for_pvt(&mut *out);
    // NMEA off before the rate goes up: both together do not fit a slow line.
    for id in NMEA_IDS {
        set_rate(CLASS_NMEA, id, 0, out);
    }
    set_values(&[(KEY_UART1_OUT_NMEA, Value::U1(0))], out);
    set_rate(ubx::CLASS_NAV, ubx::NAV_DOP, 1, out);
    set_rate(ubx::CLASS_TIM, ubx::TIM_TP, 1, out);
    // A VALSET with one unknown key does nothing at all: products without a time pulse must still give the dilution.
    set_values(&[(KEY_MSGOUT_NAV_DOP_UART1, Value::U1(1))], out);
    set_values(&[(KEY_MSGOUT_TIM_TP_UART1, Value::U1(1)), (KEY_TP_TIME_GRID, Value::U1(0))], out);
    let mut rate = Message::new(CFG_RATE);
    rate.push(&period_ms.to_le_bytes());
    // One solution per measurement; measurements aligned to UTC.
    rate.push(&[1, 0, 0, 0]);
    rate.send(out);
    let rate =
        [(KEY_RATE_MEAS_MS, Value::U2(period_ms)), (KEY_RATE_NAV, Value::U2(1)), (KEY_RATE_TIME_REF, Value::U1(0))];
    set_values(&rate, out);
}

/// Tells the receiver to use another baud rate, 8N1, on UART1. The answer already comes in the new one: change the
/// box's own rate once this is sent. Each call of `out` is one whole message; the second is for the generations that do
/// not know the first, so send both in the old rate.
pub fn change_baud(baud: u32, mut out: impl FnMut(&[u8])) {
    set_values(&[(KEY_UART1_BAUD, Value::U4(baud))], &mut out);
    let mut port = Message::new(CFG_PRT);
    // Port 1, no TX-ready pin, 8N1 (charLen 3, no parity, one stop bit).
    port.push(&[1, 0, 0, 0]);
    port.push(&0x0000_08D0_u32.to_le_bytes());
    port.push(&baud.to_le_bytes());
    // In: UBX, NMEA, RTCM; out: UBX, NMEA; no flags.
    port.push(&[0x07, 0, 0x03, 0, 0, 0, 0, 0]);
    port.send(&mut out);
}
