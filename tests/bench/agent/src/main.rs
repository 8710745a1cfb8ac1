//! Measures the agent against its aims and its peers.

fn main() {}
