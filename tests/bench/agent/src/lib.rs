//! Measures the agent against its aims and its peers: bytes on the wire beside other formats, the real process on a serial
//! line, catch-up, start-up.
//!
//! Some modules are files of the end-to-end tests, taken in by their path: as a dependency these would bring the ingest and
//! its query engine along, which takes many times as long to build as everything that is measured here.

#[path = "../../../src/consumer.rs"]
pub mod consumer;
#[path = "../../../src/mqtt.rs"]
pub mod mqtt;
#[path = "../../../src/process.rs"]
pub mod process;
#[path = "../../../src/road.rs"]
pub mod road;
#[path = "../../../src/workplace.rs"]
pub mod workplace;

pub mod catch_up;
pub mod drives;
pub mod formats;
pub mod report;
pub mod used;
pub mod vehicle;
pub mod wire;
