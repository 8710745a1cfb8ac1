//! `MAX_FRAME_BYTES` is what the types can grow to, and not less.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{framed, one_of_each, text};
use tournee_link::*;

const FULL: Header = Header { proto: PROTO, boot_id: u32::MAX, seq: u32::MAX, tick_us: u64::MAX };

/// The greatest message of every variant.
fn greatest(message: Message) -> Message {
    let w = "w".repeat(MODEM_LINE_MAX);
    match message {
        Message::Hello(_) => Message::Hello(Hello {
            firmware: text(&w[..24]),
            serial: text(&w[..24]),
            board: text(&w[..16]),
            reset_cause: u8::MAX,
        }),
        Message::Gnss(_) => Message::Gnss(Gnss {
            utc_us: i64::MIN,
            fix: u8::MAX,
            sats: u8::MAX,
            hdop_centi: u16::MAX,
            lat_e7: i32::MIN,
            lon_e7: i32::MIN,
            h_acc_mm: u32::MAX,
            speed_mmps: u32::MAX,
            heading_cdeg: u16::MAX,
        }),
        Message::Pps(_) => Message::Pps(Pps { utc_us: i64::MIN }),
        Message::Accel(_) => Message::Accel(Accel {
            odr_hz: u16::MAX,
            scale_ug: u16::MAX,
            lost: u16::MAX,
            samples: heapless::Vec::from_slice(&[[i16::MIN; 3]; ACCEL_BLOCK_MAX]).unwrap(),
        }),
        Message::Pm(_) => {
            Message::Pm(Pm { status: 255, pm1_dugm3: u16::MAX, pm25_dugm3: u16::MAX, pm10_dugm3: u16::MAX })
        }
        Message::Climate(_) => {
            Message::Climate(Climate { status: 255, temp_cdegc: i16::MIN, rh_cpct: u16::MAX, pressure_pa: u32::MAX })
        }
        Message::Co2(_) => Message::Co2(Co2 { status: 255, ppm: u16::MAX }),
        Message::No2(_) => Message::No2(No2 { status: 255, we_uv: i32::MIN, ae_uv: i32::MIN }),
        Message::Thermal(_) => Message::Thermal(Thermal {
            camera: 255,
            frame: u16::MAX,
            chunk: 255,
            ambient_cdegc: i16::MIN,
            pixels_cdegc: heapless::Vec::from_slice(&[i16::MIN; THERMAL_CHUNK_MAX]).unwrap(),
        }),
        Message::ModemLine(_) => Message::ModemLine(ModemLine { text: text(&w) }),
        Message::Health(_) => Message::Health(Health {
            queue_drops: u32::MAX,
            uart_overruns: u32::MAX,
            bus_errors: u32::MAX,
            supply_mv: u16::MAX,
            mcu_ddegc: i16::MIN,
        }),
    }
}

#[test]
fn the_greatest_frame_of_all_is_the_constant() {
    let lengths: Vec<usize> =
        one_of_each().into_iter().map(|message| framed(&FULL, &greatest(message)).len()).collect();
    assert_eq!(lengths.iter().max(), Some(&MAX_FRAME_BYTES), "{lengths:?}");
}

#[test]
fn the_greatest_frame_is_read_and_one_byte_more_is_not() {
    let message = greatest(one_of_each().remove(8));
    let frame = framed(&FULL, &message);
    assert_eq!(common::decoded(&frame), vec![Event::Frame { header: FULL, message }]);
    let mut longer = frame;
    longer.insert(0, 1);
    assert_eq!(common::decoded(&longer), vec![Event::Bad(BadFrame::TooLong)]);
}

#[test]
fn the_number_of_variants_is_right() {
    // A new variant must be added to `one_of_each`, to the frozen bytes and to the constant.
    assert_eq!(one_of_each().len(), MESSAGE_VARIANTS as usize);
    for (number, message) in one_of_each().iter().enumerate() {
        assert_eq!(usize::from(postcard::to_extend(message, Vec::new()).unwrap()[0]), number);
    }
    let beyond = postcard::from_bytes::<Message>(&[MESSAGE_VARIANTS as u8; 64]);
    assert!(beyond.is_err(), "{beyond:?}");
    let beyond = postcard::from_bytes::<Command>(&[COMMAND_VARIANTS as u8; 64]);
    assert!(beyond.is_err(), "{beyond:?}");
}
