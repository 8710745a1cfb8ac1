//! A short round through the whole pipeline.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_features::{LineCounters, Pipeline, VehicleProfile, flags, ids};
use tournee_link::{Accel, Climate, Gnss, Header, Health, Message, ModemLine, No2, Pm, Pps, Thermal};
use tournee_payload::{Sample, Stream, field};

const NIGHT_US: i64 = 1_767_243_600_000_000; // 2026-01-01 05:00 UTC

fn profile(trim_m: f64) -> VehicleProfile {
    VehicleProfile::from_toml(&format!("[trim]\nfirst_m = {trim_m}\nlast_m = {trim_m}")).unwrap()
}

fn header(boot_id: u32, seq: u32, tick_us: u64) -> Header {
    Header { proto: 1, boot_id, seq, tick_us }
}

fn gnss(second: u64, speed_mps: f64, has_fix: bool) -> Gnss {
    let lat_deg = 47.65 + speed_mps * second as f64 / 111_195.0;
    Gnss {
        utc_us: if has_fix { NIGHT_US + second as i64 * 1_000_000 } else { 0 },
        fix: if has_fix { 3 } else { 0 },
        sats: if has_fix { 9 } else { 2 },
        hdop_centi: 95,
        lat_e7: (lat_deg * 1e7) as i32,
        lon_e7: -20_900_000,
        h_acc_mm: 2_500,
        speed_mmps: (speed_mps * 1000.0) as u32,
        heading_cdeg: 0,
    }
}

/// All messages of a round of `seconds`, the first fix after `dark` seconds.
fn round(boot_id: u32, seconds: u64, dark: u64, speed_mps: f64) -> Vec<(Header, Message)> {
    let mut messages = Vec::new();
    let mut push = |tick_us: u64, message: Message| {
        let seq = messages.len() as u32;
        messages.push((header(boot_id, seq, tick_us), message));
    };
    let modem = r#"+QENG: "servingcell","NOCONN","LTE","FDD",208,01,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23"#;
    for second in 0..seconds {
        let tick = 3_000_000 + second * 1_000_000;
        push(tick, Message::Gnss(gnss(second, speed_mps, second >= dark)));
        if second >= dark {
            push(tick, Message::Pps(Pps { utc_us: NIGHT_US + second as i64 * 1_000_000 }));
        }
        push(tick + 1_000, Message::Pm(Pm { status: 0, pm1_dugm3: 50, pm25_dugm3: 80, pm10_dugm3: 120 }));
        push(
            tick + 2_000,
            Message::Climate(Climate { status: 0, temp_cdegc: 400, rh_cpct: 8_000, pressure_pa: 101_000 }),
        );
        push(tick + 3_000, Message::No2(No2 { status: 0, we_uv: 300_000, ae_uv: 285_000 }));
        push(tick + 4_000, Message::ModemLine(ModemLine { text: heapless::String::try_from(modem).unwrap() }));
        for chunk in 0..6 {
            let mut pixels_cdegc = heapless::Vec::new();
            pixels_cdegc.resize(128, 700).unwrap();
            let part = Thermal { camera: 1, frame: second as u16, chunk, ambient_cdegc: 1_000, pixels_cdegc };
            push(tick + 5_000 + u64::from(chunk), Message::Thermal(part));
        }
        for block in 0..25_u64 {
            let mut samples = heapless::Vec::new();
            for n in 0..16_u64 {
                let phase = (block * 16 + n) as f64 / 400.0 * 5.0 * std::f64::consts::TAU;
                samples.push([0, 0, (4_096.0 + 400.0 * phase.sin()) as i16]).unwrap();
            }
            let accel = Accel { odr_hz: 400, scale_ug: 244, lost: 0, samples };
            push(tick + block * 40_000, Message::Accel(accel));
        }
        let health = Health { queue_drops: 1, uart_overruns: 0, bus_errors: 0, supply_mv: 12_800, mcu_ddegc: 251 };
        push(tick + 990_000, Message::Health(health));
    }
    messages
}

fn run(profile: VehicleProfile, messages: &[(Header, Message)]) -> (Vec<Sample>, Pipeline) {
    let mut pipeline = Pipeline::new(profile);
    let mut out = Vec::new();
    for (number, (header, message)) in messages.iter().enumerate() {
        let line = LineCounters { frames_ok: number as u64 + 1, ..LineCounters::default() };
        pipeline.feed(header, message, &line, &mut out);
    }
    pipeline.finish(&mut out);
    (out, pipeline)
}

fn of(out: &[Sample], stream: Stream) -> Vec<&Sample> {
    out.iter().filter(|sample| sample.stream == stream).collect()
}

#[test]
fn every_stream_comes_out_with_time_and_place() {
    let (out, pipeline) = run(profile(0.0), &round(7, 120, 0, 8.0));
    for (stream, count) in
        [(Stream::Air, 120), (Stream::Mobile, 120), (Stream::Track, 120), (Stream::Thermal, 120), (Stream::Health, 2)]
    {
        assert_eq!(of(&out, stream).len(), count, "{}", stream.name());
    }
    let located = |sample: &&Sample| sample.get(field::LAT_DEG).is_some();
    let air = of(&out, Stream::Air);
    assert!(air.iter().all(located));
    assert_eq!(air[50].get(field::T_US), Some(NIGHT_US + 50_001_000));
    assert_eq!(air[50].get(field::BOOT_ID), Some(7));
    assert_eq!(air[50].get(field::SPEED_MPS), Some(800));
    assert_eq!(air[50].get(field::FLAGS), Some(0));
    assert_eq!(of(&out, Stream::Mobile)[3].get(ids::mobile::OPERATOR), Some(20_801));

    // Night, 4 °C, 28.8 km/h, full strip: a facade reading counts.
    let thermal = of(&out, Stream::Thermal);
    assert_eq!(thermal[60].get(ids::thermal::GATE), Some(0));
    assert_eq!(thermal[60].get(ids::thermal::DELTA), Some(300));

    let road = of(&out, Stream::Road);
    assert!((46..=48).contains(&road.len()), "{}", road.len());
    let window = road[20];
    assert_eq!(window.get(field::FLAGS), Some(0));
    // 400 × 244 µg × 9.80665, RMS of a sine; then brought from 28.8 to 50 km/h.
    let rms = 400.0 * 244e-6 * 9.806_65 / 2.0_f64.sqrt();
    assert!((window.get_scaled(ids::road::RMS).unwrap() / rms - 1.0).abs() < 0.02);
    let rough = window.get_scaled(ids::road::ROUGH).unwrap();
    assert!((rough / rms / (50.0 / 28.8_f64).sqrt() - 1.0).abs() < 0.02);

    let health = of(&out, Stream::Health);
    assert_eq!(health[1].get(ids::health::SUPPLY), Some(12_800));
    assert!(health[1].get(ids::health::FRAMES_OK) > health[0].get(ids::health::FRAMES_OK));
    assert_eq!(pipeline.counters().unused.modem_lines, 0);
}

#[test]
fn rows_before_the_first_fix_get_their_time_later_and_no_place() {
    let (out, _) = run(profile(0.0), &round(1, 60, 20, 8.0));
    let air = of(&out, Stream::Air);
    assert_eq!(air.len(), 60);
    assert_eq!(air[5].get(field::T_US), Some(NIGHT_US + 5_001_000));
    let bits = i64::from(flags::TIME_BEFORE_FIX | flags::NO_POSITION);
    assert_eq!((air[5].get(field::FLAGS), air[5].get(field::LAT_DEG)), (Some(bits), None));
    assert_eq!(air[30].get(field::FLAGS), Some(0));
}

#[test]
fn a_boot_that_never_sees_the_sky_is_stored_without_time() {
    let (out, _) = run(profile(0.0), &round(1, 200, 200, 8.0));
    let air = of(&out, Stream::Air);
    assert_eq!(air.len(), 200);
    assert!(air.iter().all(|row| row.get(field::T_US).is_none() && row.get(field::TICK_US).is_some()));
    assert!(air.iter().all(|row| row.get(field::FLAGS) == Some(i64::from(flags::NO_TIME | flags::NO_POSITION))));
    // They do not wait for the end: after the waiting time they go out one by one.
    let mut pipeline = Pipeline::new(profile(0.0));
    let mut early = Vec::new();
    for (header, message) in round(1, 200, 200, 8.0) {
        pipeline.feed(&header, &message, &LineCounters::default(), &mut early);
    }
    assert!(of(&early, Stream::Air).len() >= 75, "{}", of(&early, Stream::Air).len());
}

#[test]
fn the_ends_of_a_round_stay_on_board_in_all_streams() {
    let (all, _) = run(profile(0.0), &round(1, 200, 0, 8.0));
    let (kept, pipeline) = run(profile(300.0), &round(1, 200, 0, 8.0));
    let trimmed = pipeline.counters().trimmed_samples;
    assert_eq!(all.len() as u64, kept.len() as u64 + trimmed);
    let metres = |sample: &Sample| (sample.get_scaled(field::LAT_DEG).unwrap() - 47.65) * 111_195.0;
    for sample in kept.iter().filter(|sample| sample.get(field::LAT_DEG).is_some()) {
        let travel = metres(sample);
        assert!((297.0..=1_595.0 - 297.0).contains(&travel), "{} at {travel} m", sample.stream.name());
    }
    for stream in [Stream::Air, Stream::Road, Stream::Mobile, Stream::Thermal, Stream::Track] {
        assert!(!of(&kept, stream).is_empty() && of(&kept, stream).len() < of(&all, stream).len(), "{}", stream.name());
    }
    let last = of(&kept, Stream::Health);
    assert_eq!(last.last().unwrap().get(ids::health::TRIMMED), Some(trimmed as i64));
}

#[test]
fn each_boot_is_a_round_of_its_own() {
    let mut messages = round(1, 100, 0, 8.0);
    messages.extend(round(2, 100, 0, 8.0));
    let (both, pipeline) = run(profile(100.0), &messages);
    let (one, _) = run(profile(100.0), &round(1, 100, 0, 8.0));
    for stream in Stream::ALL {
        assert_eq!(of(&both, stream).len(), 2 * of(&one, stream).len(), "{}", stream.name());
    }
    assert_eq!(pipeline.counters().boots, 2);
}

#[test]
fn the_same_frames_give_the_same_rows_however_they_are_cut() {
    let messages = round(3, 90, 5, 9.0);
    let (whole, _) = run(profile(100.0), &messages);
    let mut pipeline = Pipeline::new(profile(100.0));
    let mut cut = Vec::new();
    for (number, chunk) in messages.chunks(37).enumerate() {
        let mut part = Vec::new();
        for (at, (header, message)) in chunk.iter().enumerate() {
            let line = LineCounters { frames_ok: (number * 37 + at) as u64 + 1, ..LineCounters::default() };
            pipeline.feed(header, message, &line, &mut part);
        }
        cut.append(&mut part);
    }
    pipeline.finish(&mut cut);
    assert_eq!(whole, cut);
}

#[test]
fn an_impossible_tick_is_counted() {
    let mut pipeline = Pipeline::new(profile(0.0));
    let mut out = Vec::new();
    let pm = Message::Pm(Pm { status: 0, pm1_dugm3: 1, pm25_dugm3: 1, pm10_dugm3: 1 });
    pipeline.feed(&header(1, 0, u64::MAX), &pm, &LineCounters::default(), &mut out);
    pipeline.finish(&mut out);
    assert_eq!((out.len(), pipeline.counters().bad_ticks), (0, 1));
}
