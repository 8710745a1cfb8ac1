//! What the end-to-end tests share: real processes, started, watched, killed and never left behind.

mod box_line;
mod firmware;
mod process;
mod workplace;

pub use box_line::BoxLine;
pub use firmware::firmware;
pub use process::{Running, wait_until};
pub use workplace::{binary, free_port, mosquitto, python, shared_data, workspace_root};
