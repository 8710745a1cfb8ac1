//! The time of this computer, where it may be believed: it stands in for a satellite receiver that has no sky.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tournee_features::profile::HostTime;

/// systemd-timesyncd touches it at every synchronisation (systemd-timesyncd.service(8)); it is in memory, so that it is gone
/// when the computer starts.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
/// Drift that is stated for the time since then, parts per million: a crystal of a board in the cold.
const DRIFT_PPM: f64 = 50.0;

/// What this computer says of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostNow {
    /// Microseconds since 1970.
    pub utc_us: i64,
    /// By how much it may have drifted since it was last synchronised, microseconds.
    pub error_us: i64,
}

/// The time now; none where the policy does not believe it.
pub(crate) fn read(policy: HostTime) -> Option<HostNow> {
    let touched = std::fs::metadata(Path::new(SYNCHRONISED)).and_then(|file| file.modified()).ok();
    judge(policy, SystemTime::now(), touched)
}

/// The time now, microseconds since 1970, whether it may be believed or not; 0 before 1970.
pub(crate) fn system_us() -> i64 {
    since_1970_us(SystemTime::now()).unwrap_or(0)
}

fn judge(policy: HostTime, now: SystemTime, synchronised: Option<SystemTime>) -> Option<HostNow> {
    let age = match policy {
        HostTime::Never => return None,
        HostTime::Always => Duration::ZERO,
        // A touch in the future was by a clock that was set back since: it says nothing.
        HostTime::Synchronised => now.duration_since(synchronised?).ok()?,
    };
    Some(HostNow { utc_us: since_1970_us(now)?, error_us: (age.as_secs_f64() * DRIFT_PPM) as i64 })
}

fn since_1970_us(time: SystemTime) -> Option<i64> {
    time.duration_since(UNIX_EPOCH).ok().and_then(|age| i64::try_from(age.as_micros()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_synchronised_clock_is_believed_and_it_drifts() {
        let now = UNIX_EPOCH + Duration::from_secs(1_780_000_000);
        let utc_us = 1_780_000_000_000_000;
        assert_eq!(judge(HostTime::Synchronised, now, None), None);
        assert_eq!(judge(HostTime::Synchronised, now, Some(now + Duration::from_secs(1))), None);
        let hour_ago = Some(now - Duration::from_secs(3_600));
        assert_eq!(judge(HostTime::Synchronised, now, hour_ago), Some(HostNow { utc_us, error_us: 180_000 }));
        assert_eq!(judge(HostTime::Always, now, None), Some(HostNow { utc_us, error_us: 0 }));
        assert_eq!(judge(HostTime::Never, now, hour_ago), None);
        assert_eq!(judge(HostTime::Always, UNIX_EPOCH - Duration::from_secs(1), None), None);
    }
}
