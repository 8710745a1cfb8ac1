//! The edge agent: serial line in, MQTT out, nothing lost.
//!
//! The IO edges and their wiring, nothing else: link frames are decoded by `tournee-link`, reduced by
//! `tournee-features`, kept by `tournee-spool`, written by `tournee-payload`. Three parts, joined by bounded channels:
//!
//! * the **serial reader** decodes and reduces; it never waits for a disk,
//! * the **keeper**, a thread of its own, owns the spool: group commit, batches, watermarks,
//! * the **uplink** publishes sealed batches at QoS 1. A PUBACK frees the send window and nothing else; only the
//!   watermark on `down/ack` deletes.
//!
//! With TLS the broker is reached with the certificate of the box, read anew at every attempt to connect; what is wrong with
//! it costs no sample. What comes on `down/command` is kept on disk, then done once, then answered in `state`.
//!
//! The spool keeps, with the samples, how far on the line they reach. The next run counts the frames between that and the
//! first frame it sees of the same boot of the box as lost (`frames_lost`): what a killed agent had read but not made safe,
//! and what the box sent while no agent listened. A box that restarted in between counts nothing, its frames are another
//! boot's. An agent that is told to stop commits everything first, so a clean stop costs no frame that was read.

mod backoff;
pub mod beats;
pub mod box_command;
mod catch_up;
mod certificate;
mod certificate_der;
pub mod check;
mod commands;
mod commands_desk;
mod commands_store;
mod commit_times;
pub mod config;
mod error;
mod explain;
mod host_time;
mod keeper;
mod line;
mod link;
pub mod metrics;
mod modem;
pub mod notify;
mod probe;
mod progress;
mod radio;
pub mod replay;
mod report;
#[cfg(test)]
mod restart_tests;
mod rumqtt;
mod run;
mod serial;
pub mod status;
mod steward;
mod tls;
mod uplink;
mod uplink_task;
pub mod windows;

pub use certificate::{Certificate, CertificateError, CertificateState};
pub use commit_times::CommitTimes;
pub use config::{AgentConfig, ConfigError};
pub use error::AgentError;
pub use explain::explain;
pub use modem::{LinkLines, ModemStatus, PortStatus};
pub use probe::ProbeStatus;
pub use report::{AgentReport, AgentStatus, Published, UplinkStatus, Withheld};
pub use run::{Controls, RunOptions, run, run_with};
pub use steward::BoxState;
pub use tournee_features::LineCounters;
