//! What may change while the agent runs: the rules of privacy, and the gates of the profile that hold no state.

use super::Pipeline;
use crate::boot::Boot;
use crate::privacy::PrivacyRules;
use crate::profile::VehicleProfile;

/// Keys of the vehicle profile that [`Pipeline::set_gates`] takes over: each is looked at anew for every row.
pub const GATES: [&str; 9] = [
    "thermal.sun_elevation_max_deg",
    "thermal.sun_rest_s",
    "thermal.speed_min_kmh",
    "thermal.speed_max_kmh",
    "track.interval_min_s",
    "trim.first_m",
    "trim.last_m",
    "trim.hold_max",
    "health.interval_s",
];

impl Pipeline {
    /// What must not be kept, from the next row on; rows that wait for their time or place are judged by it too.
    pub fn set_privacy(&mut self, rules: PrivacyRules) {
        if let Some(boot) = &mut self.boot {
            boot.set_privacy(rules.clone());
        }
        self.privacy = rules;
    }

    /// Takes over the keys of [`GATES`], and no other, from the next row on.
    pub fn set_gates(&mut self, from: &VehicleProfile) {
        copy_gates(&mut self.profile, from);
        if let Some(boot) = &mut self.boot {
            boot.set_gates(from);
        }
    }

    /// Samples that were not kept because of the switch or a command, since the agent started; goes to the health rows.
    pub fn set_withheld(&mut self, samples: u64) {
        self.withheld = samples;
    }

    /// The last sample was from outside of working hours.
    #[must_use]
    pub fn is_outside_hours(&self) -> bool {
        self.boot.as_ref().is_some_and(|boot| boot.guard().is_closed())
    }

    /// The boot, and the tick in it, up to which samples are accounted for though none was given out: those that are not
    /// kept, while none waits. Nothing while there was none.
    #[must_use]
    pub fn settled(&self) -> Option<(u32, i64)> {
        self.boot.as_ref().and_then(|boot| Some((boot.boot_id(), boot.guard().settled_us()?)))
    }
}

impl Boot {
    fn set_privacy(&mut self, rules: PrivacyRules) {
        self.guard_mut().set_rules(rules);
    }

    fn set_gates(&mut self, from: &VehicleProfile) {
        self.guard_mut().set_trim(from.trim.clone());
        copy_gates(self.profile_mut(), from);
    }
}

/// The keys of [`GATES`].
pub fn copy_gates(into: &mut VehicleProfile, from: &VehicleProfile) {
    into.thermal.sun_elevation_max_deg = from.thermal.sun_elevation_max_deg;
    into.thermal.sun_rest_s = from.thermal.sun_rest_s;
    into.thermal.speed_min_kmh = from.thermal.speed_min_kmh;
    into.thermal.speed_max_kmh = from.thermal.speed_max_kmh;
    into.track.interval_min_s = from.track.interval_min_s;
    into.trim.clone_from(&from.trim);
    into.health.interval_s = from.health.interval_s;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list and the copying say the same.
    #[test]
    fn the_gates_are_copied_and_nothing_else() {
        let before = VehicleProfile::default();
        let mut changed = before.clone();
        let mut table = toml::Table::try_from(&before).unwrap();
        for (section, keys) in &mut table {
            let Some(keys) = keys.as_table_mut() else { continue };
            for (key, value) in keys.iter_mut() {
                let hot = GATES.contains(&format!("{section}.{key}").as_str());
                match value {
                    toml::Value::Float(number) if hot => *number += 0.25,
                    toml::Value::Integer(number) if hot => *number += 1,
                    _ => assert!(!hot, "{section}.{key} is a number"),
                }
            }
        }
        let expected: VehicleProfile = table.try_into().unwrap();
        changed.road.window_m += 1.0;
        copy_gates(&mut changed, &expected);
        assert_eq!(changed.road.window_m, before.road.window_m + 1.0);
        changed.road.window_m = before.road.window_m;
        assert_eq!(changed, expected);
        assert_ne!(changed, before);
    }
}
