//! `cargo bench -p tournee-bench-agent`: what the agent does for each frame, each sample and each batch.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may panic, and criterion's macros write no documentation"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tournee_bench_agent::road::twin;
use tournee_features::{LineCounters, Pipeline, VehicleProfile};
use tournee_link::{Decoder, Event, Header, Message};
use tournee_payload::{Batch, BoxId, Sample, Stream, decode, encode};

/// Seconds of drive that are fed at once.
const DRIVE_S: u32 = 300;

fn line() -> Vec<u8> {
    let mut twin = twin(DRIVE_S, 0).unwrap();
    let mut bytes = Vec::new();
    while twin.next_second(&mut bytes).is_some() {}
    bytes
}

fn messages(bytes: &[u8]) -> Vec<(Header, Message)> {
    let mut messages = Vec::new();
    Decoder::new().feed(bytes, |event| {
        if let Event::Frame { header, message } = event {
            messages.push((header, message));
        }
    });
    messages
}

fn samples(messages: &[(Header, Message)]) -> Vec<Sample> {
    let mut profile = VehicleProfile::default();
    (profile.trim.first_m, profile.trim.last_m) = (0.0, 0.0);
    let (mut pipeline, mut out) = (Pipeline::new(profile), Vec::new());
    for (header, message) in messages {
        pipeline.feed(header, message, &LineCounters::default(), &mut out);
    }
    pipeline.finish(&mut out);
    out
}

fn batch(samples: &[Sample], stream: Stream) -> Batch {
    let samples: Vec<Sample> = samples.iter().filter(|sample| sample.stream == stream).take(60).cloned().collect();
    Batch { box_id: BoxId::new("van-01").unwrap(), stream, epoch: 7, first_seq: 0, samples }
}

fn hot_paths(criterion: &mut Criterion) {
    let bytes = line();
    let messages = messages(&bytes);
    let samples = samples(&messages);
    println!("{DRIVE_S} s of drive: {} bytes, {} frames, {} samples", bytes.len(), messages.len(), samples.len());

    let mut group = criterion.benchmark_group("line");
    group.throughput(Throughput::Elements(u64::from(DRIVE_S)));
    group.bench_function("decode frames (per second of drive)", |bench| {
        bench.iter(|| {
            let mut frames = 0_u32;
            Decoder::new().feed(black_box(&bytes), |_| frames += 1);
            frames
        });
    });
    group.bench_function("features (per second of drive)", |bench| {
        bench.iter_batched(
            || Pipeline::new(VehicleProfile::default()),
            |mut pipeline| {
                let mut out = Vec::new();
                for (header, message) in &messages {
                    pipeline.feed(header, message, &LineCounters::default(), &mut out);
                }
                pipeline.finish(&mut out);
                out.len()
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();

    let mut group = criterion.benchmark_group("batch of 60");
    for stream in [Stream::Air, Stream::Mobile, Stream::Thermal, Stream::Track] {
        let batch = batch(&samples, stream);
        let wire = encode(&batch).unwrap();
        group.throughput(Throughput::Elements(batch.samples.len() as u64));
        group.bench_function(format!("encode {}", stream.name()), |bench| {
            bench.iter(|| encode(black_box(&batch)).unwrap())
        });
        group.bench_function(format!("decode {}", stream.name()), |bench| {
            bench.iter(|| decode(black_box(&wire)).unwrap())
        });
    }
    group.finish();
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
