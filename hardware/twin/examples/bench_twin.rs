//! How long three boxes take for fourteen rounds, with and without reading them back. Run with `--release`.

use std::sync::Arc;
use std::time::Instant;

use tournee_link::{Decoder, Event};
use tournee_twin::{LineNoise, Town, TwinBox, World, demo_plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let world = Arc::new(World::new(1, Town::grid(8, 8, 100.0))?);
    println!("world: {} sections in {:?}", world.truth().len(), begun.elapsed());
    let (mut making, mut reading) = (0.0, 0.0);
    let (mut seconds, mut bytes, mut frames, mut bad) = (0_u64, 0_u64, 0_u64, 0_u64);
    for box_ix in 0..3 {
        let mut twin = TwinBox::new(Arc::clone(&world), 1, box_ix, demo_plan(box_ix, 14), LineNoise::default());
        let mut decoder = Decoder::new();
        let mut buffer = Vec::new();
        loop {
            let begun = Instant::now();
            buffer.clear();
            let more = (0..60).take_while(|_| twin.next_second(&mut buffer).is_some()).count();
            making += begun.elapsed().as_secs_f64();
            let begun = Instant::now();
            decoder.feed(&buffer, |event| match event {
                Event::Frame { .. } => frames += 1,
                _ => bad += 1,
            });
            reading += begun.elapsed().as_secs_f64();
            seconds += more as u64;
            bytes += buffer.len() as u64;
            if more == 0 {
                break;
            }
        }
        println!("box {box_ix}: {:?}", twin.counters());
    }
    println!(
        "{seconds} simulated s, {:.0} MB, {frames} frames, {bad} bad: made in {making:.2} s ({:.0} µs/s), decoded in {reading:.2} s ({:.0} MB/s)",
        bytes as f64 / 1e6,
        making * 1e6 / seconds as f64,
        bytes as f64 / 1e6 / reading,
    );
    Ok(())
}
