//! One of each message, and any of each message.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a test may panic")]

use proptest::prelude::*;
use tournee_link::*;

pub fn text<const N: usize>(text: &str) -> heapless::String<N> {
    heapless::String::try_from(text).unwrap()
}

/// One of each variant, in the order of the variants.
pub fn one_of_each() -> Vec<Message> {
    vec![
        Message::Hello(Hello {
            firmware: text("1.2.3"),
            serial: text("box-0001"),
            board: text("g474"),
            reset_cause: 1,
        }),
        Message::Gnss(Gnss {
            utc_us: 1_767_600_000_000_000,
            fix: 3,
            sats: 9,
            hdop_centi: 95,
            lat_e7: 476_512_345,
            lon_e7: -20_851_234,
            h_acc_mm: 2_500,
            speed_mmps: 8_333,
            heading_cdeg: 27_150,
        }),
        Message::Pps(Pps { utc_us: 1_767_600_001_000_000 }),
        Message::Accel(Accel {
            odr_hz: 400,
            scale_ug: 122,
            lost: 0,
            samples: heapless::Vec::from_slice(&[[-1, 0, 8_197], [127, -32_768, 32_767]]).unwrap(),
        }),
        Message::Pm(Pm { status: 0, pm1_dugm3: 81, pm25_dugm3: 120, pm10_dugm3: 190 }),
        Message::Climate(Climate { status: 0, temp_cdegc: -215, rh_cpct: 8_750, pressure_pa: 101_325 }),
        Message::Co2(Co2 { status: 0, ppm: 431 }),
        Message::No2(No2 { status: 0, we_uv: 300_000, ae_uv: -285_000 }),
        Message::Thermal(Thermal {
            camera: 1,
            frame: 300,
            chunk: 5,
            ambient_cdegc: 450,
            pixels_cdegc: heapless::Vec::from_slice(&[-2_000, 0, i16::MIN]).unwrap(),
        }),
        Message::ModemLine(ModemLine { text: text("+QENG: \"servingcell\",\"SEARCH\"") }),
        Message::Health(Health { queue_drops: 1, uart_overruns: 2, bus_errors: 300, supply_mv: 13_700, mcu_ddegc: -5 }),
    ]
}

pub fn any_header() -> impl Strategy<Value = Header> {
    (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(boot_id, seq, tick_us)| Header {
        proto: PROTO,
        boot_id,
        seq,
        tick_us,
    })
}

fn any_text<const N: usize>() -> impl Strategy<Value = heapless::String<N>> {
    proptest::collection::vec(0x20_u8..0x7f, 0..=N).prop_map(|bytes| text(std::str::from_utf8(&bytes).unwrap()))
}

pub fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any_text(), any_text(), any_text(), any::<u8>()).prop_map(|(firmware, serial, board, reset_cause)| {
            Message::Hello(Hello { firmware, serial, board, reset_cause })
        }),
        (
            (any::<i64>(), any::<u8>(), any::<u8>(), any::<u16>()),
            (any::<i32>(), any::<i32>(), any::<u32>(), any::<u32>(), any::<u16>())
        )
            .prop_map(
                |((utc_us, fix, sats, hdop_centi), (lat_e7, lon_e7, h_acc_mm, speed_mmps, heading_cdeg))| {
                    Message::Gnss(Gnss {
                        utc_us,
                        fix,
                        sats,
                        hdop_centi,
                        lat_e7,
                        lon_e7,
                        h_acc_mm,
                        speed_mmps,
                        heading_cdeg,
                    })
                }
            ),
        any::<i64>().prop_map(|utc_us| Message::Pps(Pps { utc_us })),
        (any::<u16>(), any::<u16>(), any::<u16>(), proptest::collection::vec(any::<[i16; 3]>(), 0..=ACCEL_BLOCK_MAX))
            .prop_map(|(odr_hz, scale_ug, lost, samples)| {
                let samples = heapless::Vec::from_slice(&samples).unwrap();
                Message::Accel(Accel { odr_hz, scale_ug, lost, samples })
            }),
        (any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>()).prop_map(
            |(status, pm1_dugm3, pm25_dugm3, pm10_dugm3)| Message::Pm(Pm { status, pm1_dugm3, pm25_dugm3, pm10_dugm3 })
        ),
        (any::<u8>(), any::<i16>(), any::<u16>(), any::<u32>()).prop_map(
            |(status, temp_cdegc, rh_cpct, pressure_pa)| {
                Message::Climate(Climate { status, temp_cdegc, rh_cpct, pressure_pa })
            }
        ),
        (any::<u8>(), any::<u16>()).prop_map(|(status, ppm)| Message::Co2(Co2 { status, ppm })),
        (any::<u8>(), any::<i32>(), any::<i32>()).prop_map(|(status, we_uv, ae_uv)| Message::No2(No2 {
            status,
            we_uv,
            ae_uv
        })),
        (
            any::<u8>(),
            any::<u16>(),
            any::<u8>(),
            any::<i16>(),
            proptest::collection::vec(any::<i16>(), 0..=THERMAL_CHUNK_MAX)
        )
            .prop_map(|(camera, frame, chunk, ambient_cdegc, pixels)| {
                let pixels_cdegc = heapless::Vec::from_slice(&pixels).unwrap();
                Message::Thermal(Thermal { camera, frame, chunk, ambient_cdegc, pixels_cdegc })
            }),
        any_text().prop_map(|text| Message::ModemLine(ModemLine { text })),
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>(), any::<i16>()).prop_map(
            |(queue_drops, uart_overruns, bus_errors, supply_mv, mcu_ddegc)| {
                Message::Health(Health { queue_drops, uart_overruns, bus_errors, supply_mv, mcu_ddegc })
            }
        ),
    ]
}

/// The frame of a message, delimiter included.
pub fn framed(header: &Header, message: &Message) -> Vec<u8> {
    let mut out = [0_u8; MAX_FRAME_BYTES];
    let len = encode(header, message, &mut out).unwrap();
    out[..len].to_vec()
}

/// What a fresh decoder makes of these bytes, after one delimiter (so that it is in step).
pub fn decoded(bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new();
    decoder.feed(&[0], |event| events.push(event));
    decoder.feed(bytes, |event| events.push(event));
    events
}
