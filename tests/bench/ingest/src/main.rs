//! Measures the ingest against its aims and its peers.

fn main() {}
