//! Whatever a box says, nothing panics and every value fits its field.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tournee_features::road::WindowBuilder;
use tournee_features::{LineCounters, Pipeline, VehicleProfile, ids};
use tournee_link::{Accel, Climate, Co2, Gnss, Header, Health, Hello, Message, ModemLine, No2, Pm, Pps, Thermal};
use tournee_payload::fields;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        Just(r#"+QENG: "servingcell","SEARCH""#.to_owned()),
        r#"\+QENG: ?"(servingcell|LTE|NR5G-NSA|NR5G-SA|GSM)"(,["0-9A-F. -]{0,8}){0,22}"#,
        r"\+(CSQ|CESQ): ?(-?[0-9]{1,4},?){0,10}",
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let near = (any::<i64>(), 0_u8..6, any::<u8>(), 0_u16..800, any::<i32>(), any::<i32>(), any::<u32>());
    let gnss = (near, any::<u32>(), any::<u16>()).prop_map(
        |((utc_us, fix, sats, hdop_centi, lat_e7, lon_e7, acc), speed, heading)| {
            Message::Gnss(Gnss {
                utc_us,
                fix,
                sats,
                hdop_centi,
                lat_e7,
                lon_e7,
                h_acc_mm: acc,
                speed_mmps: speed,
                heading_cdeg: heading,
            })
        },
    );
    // A believable fix, so that what comes after the gates is reached.
    let good = (0_i64..4_000_000_000, 0_u32..30_000, any::<u16>()).prop_map(|(since, speed, heading)| {
        Message::Gnss(Gnss {
            utc_us: 1_767_225_600_000_000 + since,
            fix: 3,
            sats: 9,
            hdop_centi: 90,
            lat_e7: 476_500_000 + (since / 100_000) as i32,
            lon_e7: -20_900_000,
            h_acc_mm: 2_000,
            speed_mmps: speed,
            heading_cdeg: heading,
        })
    });
    let accel = (any::<u16>(), any::<u16>(), 0_u16..3, prop::collection::vec(any::<[i16; 3]>(), 0..32)).prop_map(
        |(odr_hz, scale_ug, lost, list)| {
            Message::Accel(Accel { odr_hz, scale_ug, lost, samples: heapless::Vec::from_slice(&list).unwrap() })
        },
    );
    let thermal = (0_u8..3, 0_u16..3, 0_u8..8, any::<i16>(), any::<i16>()).prop_map(
        |(camera, frame, chunk, ambient_cdegc, pixel)| {
            let mut pixels_cdegc = heapless::Vec::new();
            pixels_cdegc.resize(if chunk == 7 { 5 } else { 128 }, pixel).unwrap();
            Message::Thermal(Thermal { camera, frame, chunk, ambient_cdegc, pixels_cdegc })
        },
    );
    prop_oneof![
        gnss,
        good.clone(),
        good,
        accel,
        thermal,
        any::<i64>().prop_map(|utc_us| Message::Pps(Pps { utc_us })),
        (0_u8..2, any::<[u16; 3]>()).prop_map(|(status, [a, b, c])| Message::Pm(Pm {
            status,
            pm1_dugm3: a,
            pm25_dugm3: b,
            pm10_dugm3: c
        })),
        (0_u8..2, any::<i16>(), any::<u16>(), any::<u32>()).prop_map(|(status, temp_cdegc, rh_cpct, pressure_pa)| {
            Message::Climate(Climate { status, temp_cdegc, rh_cpct, pressure_pa })
        }),
        (0_u8..2, any::<u16>()).prop_map(|(status, ppm)| Message::Co2(Co2 { status, ppm })),
        (0_u8..2, any::<i32>(), any::<i32>()).prop_map(|(status, we_uv, ae_uv)| Message::No2(No2 {
            status,
            we_uv,
            ae_uv
        })),
        text().prop_map(|text| Message::ModemLine(ModemLine {
            text: heapless::String::try_from(text.chars().take(190).collect::<String>().as_str()).unwrap()
        })),
        (any::<[u32; 3]>(), any::<u16>(), any::<i16>()).prop_map(|([a, b, c], supply_mv, mcu_ddegc)| {
            Message::Health(Health { queue_drops: a, uart_overruns: b, bus_errors: c, supply_mv, mcu_ddegc })
        }),
        Just(Message::Hello(Hello {
            firmware: heapless::String::new(),
            serial: heapless::String::new(),
            board: heapless::String::new(),
            reset_cause: 0
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_everything_fits(
        steps in prop::collection::vec(
            (prop_oneof![8 => 0_u64..2_000_000, 1 => any::<u64>()], 0_u32..40, message()), 1..120
        ),
        trim in prop_oneof![Just(0.0), Just(20.0)],
    ) {
        let profile = VehicleProfile::from_toml(&format!("[trim]\nfirst_m = {trim}\nlast_m = {trim}")).unwrap();
        let mut pipeline = Pipeline::new(profile);
        let mut out = Vec::new();
        let mut tick_us = 0_u64;
        for (seq, (step, boot, message)) in steps.into_iter().enumerate() {
            tick_us = tick_us.wrapping_add(step);
            let header = Header { proto: 1, boot_id: boot / 39, seq: seq as u32, tick_us };
            let line = LineCounters { frames_ok: u64::MAX, frames_bad: seq as u64, ..LineCounters::default() };
            pipeline.feed(&header, &message, &line, &mut out);
        }
        pipeline.finish(&mut out);
        for sample in &out {
            prop_assert_eq!(sample.values.len(), fields(sample.stream).len());
            prop_assert!(sample.out_of_range().is_none(), "{:?}", sample);
            prop_assert!(sample.get(ids::TICK_US).is_some());
            prop_assert_eq!(sample.get(ids::LAT_DEG).is_some(), sample.get(ids::LON_DEG).is_some());
        }
    }

    #[test]
    fn every_acceleration_sample_is_accounted_for(
        steps in prop::collection::vec((-50_000_i64..400_000, any::<[i16; 3]>(), 0_u8..12, -1.0_f64..40.0), 1..800)
    ) {
        let mut builder = WindowBuilder::new(VehicleProfile::default().road);
        let mut t_us = 0;
        for (step, a, kind, speed) in steps {
            t_us += step;
            match kind {
                0 => builder.push_motion(t_us, 47.65 + t_us as f64 * 1e-10, -2.09, speed, Some(speed)),
                1 => builder.push_accel(t_us, [f64::NAN, 0.0, 0.0]),
                2 => builder.lost(),
                _ => builder.push_accel(t_us, a.map(|raw| f64::from(raw) * 0.001)),
            }
        }
        builder.finish();
        let counts = builder.counts();
        let elsewhere = counts.refused + counts.before_first_fix + counts.in_fix_gap + counts.after_last_fix;
        prop_assert_eq!(counts.taken, counts.in_windows + elsewhere);
        let in_windows: u64 = builder.drain().map(|item| match item {
            tournee_features::road::RoadItem::Window(window) => window.samples + window.settling,
            tournee_features::road::RoadItem::Event(_) => 0,
        }).sum();
        prop_assert_eq!(counts.in_windows, in_windows);
    }
}
