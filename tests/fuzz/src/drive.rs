//! Twelve seconds of driving at night, always the same: what a profile that was taken is tried on.

use tournee_features::{LineCounters, Pipeline, VehicleProfile};
use tournee_link::{Accel, Climate, Co2, Gnss, Header, Health, Message, ModemLine, No2, PROTO, Pm, Pps, Thermal};
use tournee_payload::{Sample, fields};

const MIDNIGHT_US: i64 = 1_767_225_600_000_000;

/// Every kind of measurement, once a second; the fixes have a hole of four seconds.
fn messages() -> Vec<(i64, Message)> {
    let mut messages = Vec::new();
    for second in 0..12_i64 {
        let tick_us = 5_000_000 + second * 1_000_000;
        let small = second as i32;
        let mut say = |after_us: i64, message| messages.push((tick_us + after_us, message));
        let utc_us = MIDNIGHT_US + second * 1_000_000;
        say(0, Message::Pps(Pps { utc_us }));
        if !(5..9).contains(&second) {
            say(
                10,
                Message::Gnss(Gnss {
                    utc_us,
                    fix: 3,
                    sats: 9,
                    hdop_centi: 90,
                    lat_e7: 476_500_000 + small * 1_350,
                    lon_e7: -20_900_000,
                    h_acc_mm: 2_000,
                    speed_mmps: 15_000,
                    heading_cdeg: 0,
                }),
            );
        }
        say(20, Message::Climate(Climate { status: 0, temp_cdegc: 400, rh_cpct: 8_000, pressure_pa: 101_325 }));
        say(30, Message::No2(No2 { status: 0, we_uv: 265_000 + small, ae_uv: 251_000 }));
        say(40, Message::Co2(Co2 { status: 0, ppm: 430 }));
        say(50, Message::Pm(Pm { status: 0, pm1_dugm3: 60, pm25_dugm3: 83, pm10_dugm3: 120 }));
        for text in [
            r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,1A2B3C4,213,1300,3,5,5,D25,-98,-9,-67,14,12,-,41"#,
            "OK",
        ] {
            if let Ok(text) = text.parse() {
                say(60, Message::ModemLine(ModemLine { text }));
            }
        }
        for block in 0..4_i64 {
            let vertical = |at: i64| 1_000 + (((second * 100 + block * 25 + at) * 37) % 200 - 100) as i16;
            let samples = (0..25).map(|at| [10, -20, vertical(at)]).collect();
            say(100 + block * 250_000, Message::Accel(Accel { odr_hz: 100, scale_ug: 1_000, lost: 0, samples }));
        }
        for chunk in 0..6_u8 {
            let pixels_cdegc = (0..128).map(|at| 300 + at * 5).collect();
            let (camera, frame) = ((second % 2) as u8, second as u16);
            say(900_000, Message::Thermal(Thermal { camera, frame, chunk, ambient_cdegc: 400, pixels_cdegc }));
        }
        say(
            950_000,
            Message::Health(Health {
                queue_drops: 0,
                uart_overruns: 0,
                bus_errors: 0,
                supply_mv: 12_400,
                mcu_ddegc: 310,
            }),
        );
    }
    messages
}

/// The samples of the drive with this profile, each of which must fit its stream.
pub fn drive(profile: VehicleProfile) -> Vec<Sample> {
    let mut pipeline = Pipeline::new(profile);
    let mut samples = Vec::new();
    for (seq, (tick_us, message)) in (0..).zip(messages()) {
        let header = Header { proto: PROTO, boot_id: 7, seq, tick_us: tick_us.unsigned_abs() };
        pipeline.feed(&header, &message, &LineCounters::default(), &mut samples);
    }
    pipeline.finish(&mut samples);
    for sample in &samples {
        assert_eq!(sample.values.len(), fields(sample.stream).len());
        assert_eq!(sample.out_of_range(), None, "{sample:?}");
    }
    samples
}
