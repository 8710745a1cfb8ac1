//! What the spool of an agent that does not run tells, for programs.

use serde_json::{Value, json};
use tournee_features::ids::health;
use tournee_spool::SpoolView;

/// Everything in it.
#[must_use]
pub fn stored_json(view: &SpoolView) -> Value {
    let streams = view.streams.iter().map(|(stream, stored)| {
        let value = json!({
            "generated": stored.generated, "acknowledged": stored.acknowledged, "given_up": stored.given_up,
            "pending": stored.pending, "batches": stored.batches, "bytes": stored.bytes,
            "oldest_unix_s": stored.oldest_us.map(|at| at.div_euclid(1_000_000)),
        });
        (stream.name().to_owned(), value)
    });
    let counted = |field: u16| view.last_health.as_ref().and_then(|row| row.get(field));
    json!({
        "running": false,
        "box_id": view.box_id,
        "epoch": view.epoch,
        "pending": view.streams.values().map(|stored| stored.pending).sum::<u64>(),
        "streams": Value::Object(streams.collect()),
        "trimmed_samples": counted(health::TRIMMED),
        "hours_samples": counted(health::HOURS),
        "places_samples": counted(health::PLACES),
        "withheld_samples": counted(health::WITHHELD),
    })
}
