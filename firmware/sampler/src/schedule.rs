//! When each sensor is due, and what becomes of it after a fault.

use tournee_link::{BoxConfig, Fault, PmPart, SENSOR_COUNT, SensorId};

/// What is to be done with a sensor now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Set it up, from whatever state it is in.
    SetUp(SensorId),
    /// Look whether it has something new, and read it.
    Read(SensorId),
}

impl Job {
    /// Whose job it is.
    #[must_use]
    pub const fn sensor(self) -> SensorId {
        match self {
            Self::SetUp(sensor) | Self::Read(sensor) => sensor,
        }
    }
}

const MS: u64 = 1_000;
const S: u64 = 1_000_000;
/// First wait after a set-up that failed; doubles up to the greatest.
const BACKOFF_MIN_US: u64 = 250 * MS;
/// Small, so that a part that comes back is found soon: the slowest needs 5 s for its first value.
const BACKOFF_MAX_US: u64 = 2 * S;
/// Failed readings in a row after which a part is set up anew.
const FAILURES_MAX: u8 = 2;

/// How a sensor is asked.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    /// Between two values.
    period_us: u64,
    /// Until the next look when there was nothing new.
    poll_us: u64,
    /// Without anything new for this long it is set up anew.
    silent_us: u64,
}

fn rhythm(sensor: SensorId, config: &BoxConfig) -> Rhythm {
    let ms = |ms: u16| u64::from(ms) * MS;
    match sensor {
        SensorId::Accel => {
            // 400 Hz: a block lasts 2.5 ms a sample. Looked at no more often than every 10 ms.
            let block_us = u64::from(config.accel_block.max(1)) * 2_500;
            Rhythm { period_us: block_us.max(10 * MS), poll_us: 10 * MS, silent_us: S / 2 }
        }
        // These two speak by themselves: nothing to poll.
        SensorId::Gnss => {
            let period_us = ms(config.gnss_period_ms);
            Rhythm { period_us, poll_us: period_us, silent_us: (3 * period_us).max(3 * S) }
        }
        SensorId::Pm => Rhythm { period_us: ms(config.pm_period_ms), poll_us: 100 * MS, silent_us: 4 * S },
        SensorId::Climate => {
            let period_us = ms(config.climate_period_ms);
            Rhythm { period_us, poll_us: period_us, silent_us: 3 * period_us + S }
        }
        // A value every 5 s; looked at each second, since a part that was reset says so at once.
        SensorId::Co2 => Rhythm { period_us: S, poll_us: S, silent_us: 8 * S },
        SensorId::No2 => {
            let period_us = ms(config.no2_period_ms);
            Rhythm { period_us, poll_us: period_us, silent_us: 3 * period_us + S }
        }
        SensorId::CameraLeft | SensorId::CameraRight => {
            let half_us = ms(config.thermal_period_ms) / 2;
            Rhythm { period_us: half_us, poll_us: half_us / 8, silent_us: 4 * half_us + S }
        }
        SensorId::Supply => Rhythm { period_us: 5 * S, poll_us: 5 * S, silent_us: 20 * S },
    }
}

/// Whether a sensor sends by itself on a serial line, once it is set up.
pub(crate) const fn speaks_by_itself(sensor: SensorId, config: &BoxConfig) -> bool {
    match sensor {
        SensorId::Gnss => true,
        SensorId::Pm => !matches!(config.pm(), PmPart::Sps30),
        _ => false,
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Off,
    /// To be set up at this tick.
    Down {
        at_us: u64,
        backoff_us: u64,
    },
    /// Due at this tick; something new came last at that one.
    Up {
        due_us: u64,
        fresh_us: u64,
        failures: u8,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    /// The fault that was reported and is not over.
    fault: Option<Fault>,
    faults: u32,
}

/// All sensors of a box.
#[derive(Debug)]
pub(crate) struct Schedule {
    entries: [Entry; SENSOR_COUNT],
}

impl Schedule {
    pub(crate) const fn new() -> Self {
        Self { entries: [Entry { state: State::Off, fault: None, faults: 0 }; SENSOR_COUNT] }
    }

    fn entry(&mut self, sensor: SensorId) -> &mut Entry {
        // As many entries as sensors.
        &mut self.entries[sensor.index()]
    }

    /// Puts a configuration in force: what is switched on or changed is set up now; `on_off` hears of what is switched off.
    pub(crate) fn configure(
        &mut self,
        now_us: u64,
        old: &BoxConfig,
        new: &BoxConfig,
        mut on_off: impl FnMut(SensorId),
    ) {
        for sensor in SensorId::ALL {
            let entry = self.entry(sensor);
            let changed = match sensor {
                SensorId::Gnss => old.gnss_period_ms != new.gnss_period_ms,
                SensorId::Pm => old.pm_part != new.pm_part,
                SensorId::CameraLeft | SensorId::CameraRight => old.thermal_period_ms != new.thermal_period_ms,
                _ => false,
            };
            match (new.has(sensor), entry.state) {
                (false, State::Off) => {}
                (false, _) => {
                    entry.state = State::Off;
                    entry.fault = Some(Fault::Off);
                    on_off(sensor);
                }
                (true, State::Off) => entry.state = State::Down { at_us: now_us, backoff_us: BACKOFF_MIN_US },
                (true, _) if changed => entry.state = State::Down { at_us: now_us, backoff_us: BACKOFF_MIN_US },
                // Nothing to set up, but another rhythm: it begins now. The same rhythm goes on undisturbed.
                (true, State::Up { fresh_us, failures, .. })
                    if rhythm(sensor, old).period_us != rhythm(sensor, new).period_us =>
                {
                    entry.state = State::Up { due_us: now_us, fresh_us, failures };
                }
                (true, State::Up { .. } | State::Down { .. }) => {}
            }
        }
    }

    /// Has every sensor that is on set up now.
    pub(crate) fn set_up_all(&mut self, now_us: u64) {
        for entry in self.entries.iter_mut().filter(|entry| !matches!(entry.state, State::Off)) {
            entry.state = State::Down { at_us: now_us, backoff_us: BACKOFF_MIN_US };
        }
    }

    /// The most urgent job, or when there will be one. The accelerometer goes first: its FIFO is the only one that fills up.
    /// A sensor that was silent for too long is a fault here: `on_silent` hears of it.
    pub(crate) fn next(
        &mut self,
        now_us: u64,
        config: &BoxConfig,
        mut on_silent: impl FnMut(SensorId),
    ) -> Result<Job, u64> {
        let mut best: Option<(u64, Job)> = None;
        let mut wake_us = now_us.saturating_add(S);
        for sensor in SensorId::ALL {
            let own = speaks_by_itself(sensor, config);
            let silent_us = rhythm(sensor, config).silent_us;
            let entry = self.entry(sensor);
            // One that is polled is silent when it was asked in vain: see `nothing_new`.
            if own
                && let State::Up { fresh_us, .. } = entry.state
                && now_us.saturating_sub(fresh_us) > silent_us
            {
                entry.state = State::Down { at_us: now_us, backoff_us: BACKOFF_MIN_US };
                on_silent(sensor);
            }
            let (due_us, job) = match entry.state {
                State::Off => continue,
                State::Down { at_us, .. } => (at_us, Job::SetUp(sensor)),
                State::Up { fresh_us, .. } if own => {
                    wake_us = wake_us.min(fresh_us.saturating_add(silent_us + 1));
                    continue;
                }
                State::Up { due_us, .. } => (due_us, Job::Read(sensor)),
            };
            wake_us = wake_us.min(due_us);
            let first = matches!(job, Job::Read(SensorId::Accel));
            if due_us <= now_us && (first || best.is_none_or(|(other_us, _)| due_us < other_us)) {
                best = Some((due_us, job));
                if first {
                    break;
                }
            }
        }
        best.map(|(_, job)| job).ok_or(wake_us)
    }

    /// A set-up went well.
    pub(crate) fn is_up(&mut self, sensor: SensorId, now_us: u64, config: &BoxConfig) {
        let due_us = now_us.saturating_add(rhythm(sensor, config).poll_us);
        self.entry(sensor).state = State::Up { due_us, fresh_us: now_us, failures: 0 };
    }

    /// Something new was read or heard. Gives whether it ends a fault.
    pub(crate) fn fresh(&mut self, sensor: SensorId, now_us: u64, more: bool, config: &BoxConfig) -> bool {
        let period_us = rhythm(sensor, config).period_us;
        let entry = self.entry(sensor);
        let State::Up { due_us, .. } = entry.state else { return false };
        // In step with the period, but never in debt: what was missed is not made up for.
        let next_us = due_us.saturating_add(period_us);
        let due_us = match (more, next_us > now_us) {
            (true, _) => now_us,
            (false, true) => next_us,
            (false, false) => now_us.saturating_add(period_us),
        };
        entry.state = State::Up { due_us, fresh_us: now_us, failures: 0 };
        entry.fault.take().is_some()
    }

    /// There was nothing new. Gives whether that has been so for too long.
    pub(crate) fn nothing_new(&mut self, sensor: SensorId, now_us: u64, config: &BoxConfig) -> bool {
        let Rhythm { poll_us, silent_us, .. } = rhythm(sensor, config);
        let State::Up { due_us, fresh_us, .. } = &mut self.entry(sensor).state else { return false };
        *due_us = now_us.saturating_add(poll_us);
        now_us.saturating_sub(*fresh_us) > silent_us
    }

    /// A job failed. Gives whether this is news: a fault that was not reported yet.
    pub(crate) fn failed(&mut self, job: Job, now_us: u64, fault: Fault, config: &BoxConfig) -> bool {
        let sensor = job.sensor();
        let period_us = rhythm(sensor, config).period_us;
        let entry = self.entry(sensor);
        entry.faults = entry.faults.saturating_add(1);
        entry.state = match (job, entry.state) {
            (_, State::Off) => State::Off,
            (Job::SetUp(_), State::Down { backoff_us, .. }) => State::Down {
                at_us: now_us.saturating_add(backoff_us),
                backoff_us: (2 * backoff_us).min(BACKOFF_MAX_US),
            },
            (Job::Read(_), State::Up { fresh_us, failures, .. })
                if failures + 1 < FAILURES_MAX && !matches!(fault, Fault::Restarted | Fault::Silent) =>
            {
                State::Up { due_us: now_us.saturating_add(period_us), fresh_us, failures: failures + 1 }
            }
            _ => State::Down { at_us: now_us, backoff_us: BACKOFF_MIN_US },
        };
        entry.fault.replace(fault) != Some(fault)
    }

    /// Faults of a sensor since boot.
    pub(crate) fn faults(&self, sensor: SensorId) -> u32 {
        self.entries[sensor.index()].faults
    }
}
