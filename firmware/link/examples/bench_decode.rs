//! How fast the host reads the box's side of the line: `cargo run --release -p tournee-link --example bench_decode`.
//!
//! One minute of a box with everything on (400 Hz acceleration, two cameras at 1 Hz, the slow sensors, GNSS with its pulse),
//! in slices as a serial port gives them. Beside it what the machine can do at best with these bytes: copy them once.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tournee_link::*;

const SECONDS: u32 = 60;
const SLICE_BYTES: usize = 4_096;
/// Each measurement runs at least so long; the best of [`ROUNDS`] counts, since others share the machine.
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: u32 = 7;

/// Numbers without order, the same ones in every run (xorshift, Marsaglia 2003).
struct Noise(u32);

impl Noise {
    /// Around a value, up to `spread` to either side.
    fn around(&mut self, value: i32, spread: i32) -> i16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let off = (self.0 >> 8) as i32 % (2 * spread + 1) - spread;
        (value + off).clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }
}

/// The messages of one second, with the ticks of their samples since the second began.
fn second(n: u32, noise: &mut Noise) -> Vec<(u64, Message)> {
    let mut all = Vec::new();
    for block in 0_u32..13 {
        // 12.5 blocks a second.
        if block == 12 && n % 2 == 1 {
            break;
        }
        // 1 g on one axis at 122 µg per unit, and a road.
        let samples = (0..32).map(|_| [noise.around(0, 600), noise.around(0, 600), noise.around(8_197, 1_500)]);
        let samples = samples.collect();
        all.push((u64::from(block) * 80_000, Message::Accel(Accel { odr_hz: 400, scale_ug: 122, lost: 0, samples })));
    }
    for camera in 0..2 {
        for chunk in 0..6 {
            let pixels_cdegc = (0..128).map(|_| noise.around(650, 400)).collect();
            let frame = n as u16;
            let part = Thermal { camera, frame, chunk, ambient_cdegc: 1_200, pixels_cdegc };
            all.push((500_000 + u64::from(chunk), Message::Thermal(part)));
        }
    }
    let utc_us = 1_767_600_000_000_000 + i64::from(n) * 1_000_000;
    all.push((0, Message::Pps(Pps { utc_us })));
    all.push((
        100_000,
        Message::Gnss(Gnss {
            utc_us,
            fix: 3,
            sats: 14,
            hdop_centi: 80,
            lat_e7: 476_512_345 + i32::from(noise.around(0, 900)),
            lon_e7: -20_851_234 + i32::from(noise.around(0, 900)),
            h_acc_mm: 1_900,
            speed_mmps: 8_333,
            heading_cdeg: 27_150,
        }),
    ));
    let slow = |value: i32, spread: i32, noise: &mut Noise| noise.around(value, spread).unsigned_abs();
    all.push((
        200_000,
        Message::Pm(Pm {
            status: 0,
            pm1_dugm3: slow(80, 30, noise),
            pm25_dugm3: slow(120, 40, noise),
            pm10_dugm3: slow(190, 60, noise),
        }),
    ));
    let rh_cpct = slow(7_000, 500, noise);
    all.push((
        200_000,
        Message::Climate(Climate { status: 0, temp_cdegc: noise.around(900, 50), rh_cpct, pressure_pa: 101_325 }),
    ));
    all.push((200_000, Message::Co2(Co2 { status: 0, ppm: slow(440, 30, noise) })));
    all.push((200_000, Message::No2(No2 { status: 0, we_uv: 300_000, ae_uv: 285_000 })));
    all
}

/// Megabytes per second of the best round.
fn best(bytes: usize, mut once: impl FnMut()) -> f64 {
    let mut best = 0_f64;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut times = 0_u32;
        while begun.elapsed() < ROUND {
            once();
            times += 1;
        }
        best = best.max(bytes as f64 * f64::from(times) / begun.elapsed().as_secs_f64() / 1e6);
    }
    best
}

fn main() -> Result<(), EncodeError> {
    let mut line = Vec::new();
    let mut noise = Noise(0x2545_f491);
    let mut seq = 0;
    for n in 0..SECONDS {
        for (tick_us, message) in second(n, &mut noise) {
            let header = Header { proto: PROTO, boot_id: 7, seq, tick_us: u64::from(n) * 1_000_000 + tick_us };
            let mut frame = [0; MAX_FRAME_BYTES];
            let len = encode(&header, &message, &mut frame)?;
            line.extend_from_slice(&frame[..len]);
            seq += 1;
        }
    }
    let mut frames = 0_u32;
    let mut others = 0_u32;
    Decoder::new().feed(&line, |event| match event {
        Event::Frame { .. } => frames += 1,
        _ => others += 1,
    });
    assert_eq!((frames, others), (seq, 0), "the line is decoded whole");

    let mut decoder = Decoder::new();
    let decode = best(line.len(), || {
        for slice in line.chunks(SLICE_BYTES) {
            decoder.feed(black_box(slice), |event| {
                black_box(&event);
            });
        }
    });
    let mut copy = vec![0; line.len()];
    let copied = best(line.len(), || {
        copy.copy_from_slice(black_box(&line));
        black_box(&mut copy);
    });
    let mean = line.len() as f64 / f64::from(frames);
    println!("{frames} frames, {} bytes, mean {mean:.0} bytes", line.len());
    println!(
        "decode {decode:.0} MB/s ({:.0} frames/s); memcpy of the same bytes {copied:.0} MB/s",
        decode * 1e6 / mean
    );
    Ok(())
}
