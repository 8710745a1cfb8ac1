//! What the end-to-end tests share: real processes, started, watched, killed and never left behind.

mod box_line;
pub mod chaos;
pub mod consumer;
mod disk;
mod firmware;
mod host_clock;
mod line;
mod mqtt;
mod process;
pub mod road;
mod workplace;

pub use box_line::BoxLine;
pub use disk::SmallDisk;
pub use firmware::firmware;
pub use host_clock::HostClock;
pub use line::LooseLine;
pub use mqtt::{Incoming, Mqtt};
pub use process::{Running, wait_until};
pub use workplace::{binary, free_port, mosquitto, python, shared_data, workspace_root};
