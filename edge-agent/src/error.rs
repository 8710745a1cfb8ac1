//! Why the agent ends.

use std::path::PathBuf;

use crate::config::ConfigError;

/// Why the agent ended without having done its work.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] tournee_spool::SpoolError),
    /// The serial line cannot be opened and the agent was told to end with it.
    #[error("cannot open the serial line {path}: {cause}; check serial.path and the rights on it")]
    Serial {
        /// The device.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Told to stop, but the disk took nothing any more: what was only in memory is gone with the process.
    #[error(
        "{samples} samples that were only in memory are lost: the spool took nothing for {waited_s} s after the stop \
         ({cause}). Free room on its disk; the next start counts the frames that they came from as lost"
    )]
    Unsaved {
        /// Samples that were read and not committed.
        samples: usize,
        /// How long it was tried, seconds.
        waited_s: u64,
        /// The last refusal.
        cause: String,
    },
    /// A part of the agent ended by itself.
    #[error("{0} ended unexpectedly; its log lines say why")]
    Ended(&'static str),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
