//! What the box must not keep: when, and where.

use serde::{Deserialize, Serialize};
use tournee_features::privacy::{HoursError, Place, PlaceError, Places, PrivacyRules, WorkingHours};

use super::ConfigError;

/// Working hours and places. The trim of both ends of a round is of the vehicle profile (`profile.trim`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrivacySettings {
    /// Places where nothing is kept.
    pub place: Vec<PlaceSettings>,
    /// When samples are kept.
    pub hours: HoursSettings,
}

/// A circle on the ground where nothing is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceSettings {
    /// What it is, for people; each has its own.
    pub name: String,
    /// Degrees north, WGS 84.
    pub lat_deg: f64,
    /// Degrees east, WGS 84.
    pub lon_deg: f64,
    /// Metres around it.
    pub radius_m: f64,
}

/// When samples are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoursSettings {
    /// Weekdays and times, each like `mon-fri 06:00-20:00`; empty: at any hour.
    pub open: Vec<String>,
    /// The time zone, by its IANA name.
    pub zone: String,
    /// Days on which nothing opens: `fr`, `fr-alsace-moselle`, dates.
    pub closed: Vec<String>,
}

impl Default for HoursSettings {
    fn default() -> Self {
        Self { open: Vec::new(), zone: "Europe/Paris".to_owned(), closed: Vec::new() }
    }
}

impl PrivacySettings {
    /// The rules that follow.
    ///
    /// # Errors
    /// A zone, span, day or place that is none; closed days without any hours.
    pub fn rules(&self) -> Result<PrivacyRules, ConfigError> {
        let HoursSettings { open, zone, closed } = &self.hours;
        // The zone and the closed days are checked also while they are not used.
        let any = ["mon-sun 00:00-24:00".to_owned()];
        let hours = WorkingHours::new(zone, if open.is_empty() { &any } else { open }, closed)
            .map_err(|error| self.hours_refused(&error))?;
        if open.is_empty() && !closed.is_empty() {
            let expected = "privacy.hours.open with hours on the other days, for example [\"mon-sun 00:00-24:00\"]";
            return Err(refused("privacy.hours.closed", format!("{closed:?} without hours"), expected.to_owned()));
        }
        let place = |it: &PlaceSettings| Place::new(&it.name, it.lat_deg, it.lon_deg, it.radius_m);
        let places = self.place.iter().map(place).collect::<Result<_, _>>().and_then(Places::new);
        let places = places.map_err(|error: PlaceError| {
            let expected = "[[privacy.place]] with name, lat_deg, lon_deg and radius_m, 20 to 2000; 64 at most";
            refused("privacy.place", error.to_string(), expected.to_owned())
        })?;
        Ok(PrivacyRules { hours: (!open.is_empty()).then_some(hours), places })
    }

    fn hours_refused(&self, error: &HoursError) -> ConfigError {
        let HoursSettings { open, zone, closed } = &self.hours;
        let (key, value) = match error {
            HoursError::Zone => ("privacy.hours.zone", format!("{zone:?}")),
            HoursError::Open => ("privacy.hours.open", format!("{open:?}")),
            HoursError::Closed => ("privacy.hours.closed", format!("{closed:?}")),
        };
        refused(key, value, error.to_string())
    }
}

fn refused(key: &'static str, value: String, expected: String) -> ConfigError {
    ConfigError::Value { key, value, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AgentConfig;

    fn rules(privacy: &str) -> Result<PrivacyRules, ConfigError> {
        let least = "box_id = \"van-01\"\n[serial]\npath = \"/dev/ttyACM0\"\n[spool]\npath = \"/var/lib/spool.db\"\n";
        AgentConfig::from_toml(&format!("{least}{privacy}"))?.privacy.rules()
    }

    #[test]
    fn nothing_said_is_at_any_hour_and_everywhere() {
        assert_eq!(rules("").unwrap(), PrivacyRules::default());
        assert_eq!(rules("[privacy.hours]\nzone = \"Europe/Madrid\"").unwrap(), PrivacyRules::default());
    }

    #[test]
    fn hours_and_places_are_read() {
        let text = "[privacy.hours]\nopen = [\"mon-fri 06:00-20:00\"]\nclosed = [\"fr\"]\n\
                    [[privacy.place]]\nname = \"dépôt\"\nlat_deg = 47.65\nlon_deg = -2.08\nradius_m = 150\n";
        let rules = rules(text).unwrap();
        assert_eq!(rules.places.count(), 1);
        // Wednesday 2026-07-01 at 12:00 in Paris; the evening; 14 July.
        let noon_us = 1_782_900_000_000_000;
        let is_open = |utc_us| rules.is_open(Some(utc_us));
        assert!(is_open(noon_us) && !is_open(noon_us + 9 * 3_600_000_000) && !is_open(noon_us + 13 * 86_400_000_000));
    }

    #[test]
    fn refusals_name_the_key_and_what_would_do() {
        let text = |privacy: &str| rules(privacy).unwrap_err().to_string();
        let zone = text("[privacy.hours]\nzone = \"Paris\"");
        assert!(
            zone.contains("privacy.hours.zone = \"Paris\" is not accepted") && zone.contains("Europe/Paris"),
            "{zone}"
        );
        let open = text("[privacy.hours]\nopen = [\"lun 06:00-20:00\"]");
        assert!(open.contains("privacy.hours.open") && open.contains("mon-fri 06:00-20:00"), "{open}");
        let closed = text("[privacy.hours]\nclosed = [\"fr\"]");
        assert!(closed.contains("privacy.hours.closed") && closed.contains("without hours"), "{closed}");
        let place = text("[[privacy.place]]\nname = \"home\"\nlat_deg = 47\nlon_deg = -2\nradius_m = 5000");
        assert!(place.contains("privacy.place = home: radius_m = 5000") && place.contains("20 to 2000"), "{place}");
        let place = text("[[privacy.place]]\nname = \"home\"\nlat_deg = 47\nlong_deg = -2\nradius_m = 50");
        assert!(place.contains("long_deg"), "{place}");
    }
}
