//! The edge agent: serial line in, MQTT out, nothing lost.
//!
//! The IO edges and their wiring, nothing else: link frames are decoded by `tournee-link`, reduced by
//! `tournee-features`, kept by `tournee-spool`, written by `tournee-payload`. Three parts, joined by bounded channels:
//!
//! * the **serial reader** decodes and reduces; it never waits for a disk,
//! * the **keeper**, a thread of its own, owns the spool: group commit, batches, watermarks,
//! * the **uplink** publishes sealed batches at QoS 1. A PUBACK frees the send window and nothing else; only the
//!   watermark on `down/ack` deletes.

mod backoff;
pub mod config;
mod error;
mod explain;
mod keeper;
mod line;
mod link;
mod report;
mod rumqtt;
mod run;
mod serial;
mod uplink;
mod uplink_task;

pub use config::{AgentConfig, ConfigError};
pub use error::AgentError;
pub use explain::explain;
pub use report::{AgentReport, AgentStatus};
pub use run::{RunOptions, run};
pub use tournee_features::LineCounters;
