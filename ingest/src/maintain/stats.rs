//! Delta's statistics of a file that is written batch by batch: the statistics of the batches, put together.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// Statistics of what was written so far.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    rows: u64,
    least: Map<String, Value>,
    most: Map<String, Value>,
    nulls: Map<String, Value>,
}

impl Statistics {
    /// Adds the statistics of one batch, as JSON. What is not of the expected form is left out: a reader then opens the file.
    pub(crate) fn add(&mut self, batch: &str) {
        let Ok(Value::Object(mut batch)) = serde_json::from_str::<Value>(batch) else { return };
        let map = |batch: &mut Map<String, Value>, key: &str| match batch.remove(key) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let rows = batch.get("numRecords").and_then(Value::as_u64).unwrap_or(0);
        self.rows += rows;
        join(&mut self.least, map(&mut batch, "minValues"), Ordering::Less);
        join(&mut self.most, map(&mut batch, "maxValues"), Ordering::Greater);
        for (name, count) in map(&mut batch, "nullCount") {
            let sum = self.nulls.get(&name).and_then(Value::as_u64).unwrap_or(0) + count.as_u64().unwrap_or(0);
            self.nulls.insert(name, sum.into());
        }
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// As the log wants it.
    pub(crate) fn to_json(&self) -> String {
        serde_json::json!({
            "numRecords": self.rows, "minValues": self.least, "maxValues": self.most, "nullCount": self.nulls
        })
        .to_string()
    }
}

fn join(all: &mut Map<String, Value>, batch: Map<String, Value>, wanted: Ordering) {
    for (name, value) in batch {
        if all.get(&name).is_none_or(|known| compare(&value, known) == Some(wanted)) {
            all.insert(name, value);
        }
    }
}

/// Integers as integers (an H3 index does not fit a float), other numbers as floats, texts byte by byte, which for Delta's
/// time stamps is by time.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) {
        return a.partial_cmp(&b);
    }
    Some(a.as_str()?.cmp(b.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_most_and_empty_of_all_batches() {
        let mut all = Statistics::default();
        all.add(r#"{"numRecords":2,"minValues":{"h":9007199254740993,"t":"2026-01-15T00:00:02.000000Z"},"maxValues":{"h":9007199254740993,"x":1.5},"nullCount":{"h":1,"x":0}}"#);
        all.add(r#"{"numRecords":3,"minValues":{"h":9007199254740992,"t":"2026-01-15T00:00:01.000000Z"},"maxValues":{"h":9007199254740994,"x":-2},"nullCount":{"h":2,"x":3}}"#);
        all.add("nonsense");
        let json: Value = serde_json::from_str(&all.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "numRecords": 5,
                "minValues": {"h": 9_007_199_254_740_992_i64, "t": "2026-01-15T00:00:01.000000Z"},
                "maxValues": {"h": 9_007_199_254_740_994_i64, "x": 1.5},
                "nullCount": {"h": 3, "x": 3}
            })
        );
        assert_eq!(all.rows(), 5);
    }
}
