//! The broker's configuration.

use std::path::Path;

/// In-flight and queue limits as a fleet needs them; what the broker holds is allowed to be lost. Started by root it would
/// take another user, who may not write here; started by anybody else it ignores `user`.
#[must_use]
pub fn broker_configuration(folder: &Path, socket: &Path, persists: bool) -> String {
    let persistence = if persists {
        format!("persistence true\npersistence_location {}/\nautosave_interval 1\n", folder.display())
    } else {
        "persistence false\n".to_owned()
    };
    format!(
        "user root\nlistener 0 {}\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 1000000\n\
         max_queued_bytes 4294967296\nmessage_size_limit 262144\n{persistence}",
        socket.display()
    )
}
