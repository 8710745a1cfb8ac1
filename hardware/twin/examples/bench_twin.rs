//! How long three boxes take for fourteen rounds, with and without reading them back. Run with `--release`.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Instant;

use tournee_link::{Decoder, Event};
use tournee_twin::port::TwinPort;
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
    over_a_terminal(world)
}

/// The same bytes of one box through a pseudo-terminal.
fn over_a_terminal(world: Arc<World>) -> Result<(), Box<dyn std::error::Error>> {
    let mut port = TwinPort::open()?;
    // Without O_NOCTTY the line could become the terminal that controls this process, and its end would kill it.
    let flags = nix::fcntl::OFlag::O_NOCTTY.bits();
    let mut line = OpenOptions::new().read(true).custom_flags(flags).open(port.path())?;
    let begun = Instant::now();
    let reader = std::thread::spawn(move || {
        let (mut frames, mut buffer, mut decoder) = (0_u64, [0_u8; 4_096], Decoder::new());
        while let Ok(len @ 1..) = line.read(&mut buffer) {
            decoder.feed(&buffer[..len], |event| frames += u64::from(matches!(event, Event::Frame { .. })));
        }
        frames
    });
    let mut twin = TwinBox::new(world, 1, 0, demo_plan(0, 14), LineNoise::CLEAN);
    port.pump(&mut twin, |_| ())?;
    let frames = reader.join().map_err(|_| "the reader failed")?;
    let sent = twin.counters();
    println!("terminal: {frames} of {} frames, {} bytes in {:?}", sent.frames_sent, sent.bytes_sent, begun.elapsed());
    Ok(())
}
