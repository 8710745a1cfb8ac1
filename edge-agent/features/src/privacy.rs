//! What a box must not keep: samples from outside of working hours, and from configured places. Pure; the trim of both ends
//! of a round is in [`trim`](crate::trim).
//!
//! The commission that watches over such things in France asks that a vehicle's device be off outside of working time
//! (CNIL, délibération 2006-066, then 2015-165, the "norme 51"; the GDPR since). Here the rule is applied by each sample's own UTC, not by
//! when it was handled: a sample that waited for its clock is judged once the clock is known, and one whose time never
//! becomes known is not from within *known* working hours, so it is not kept. Everything that is not kept is counted by its
//! reason, so that samples made = samples stored + samples counted.

pub(crate) mod guard;
mod hours;
mod places;

use tournee_payload::{Sample, Stream};

use crate::ids;

pub use hours::{HoursError, WorkingHours};
pub use places::{Place, PlaceError, Places};

/// What a box must not keep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrivacyRules {
    /// When samples are kept; none: at any time.
    pub hours: Option<WorkingHours>,
    /// Where they are not.
    pub places: Places,
}

/// What the rules say of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may be kept.
    Keep,
    /// It is from outside of working hours, or its time is not known while there are some.
    OutsideHours,
    /// It may be from within a configured place.
    AtPlace,
}

impl PrivacyRules {
    /// Whether something is kept at this time, microseconds since 1970 UTC; `None`: a time that is not known.
    #[must_use]
    pub fn is_open(&self, utc_us: Option<i64>) -> bool {
        match &self.hours {
            None => true,
            Some(hours) => utc_us.is_some_and(|utc_us| hours.is_open(utc_us)),
        }
    }

    /// Judges a finished sample by its own time and position. A road window is where its middle is, so half its length
    /// counts as doubt about the position.
    #[must_use]
    pub fn judge(&self, sample: &Sample) -> Ruling {
        if !self.is_open(sample.get(ids::T_US)) {
            return Ruling::OutsideHours;
        }
        let Some((lat_deg, lon_deg)) = sample.get_scaled(ids::LAT_DEG).zip(sample.get_scaled(ids::LON_DEG)) else {
            return Ruling::Keep;
        };
        let half_length_m = match sample.stream {
            Stream::Road => sample.get_scaled(ids::road::LENGTH).map_or(0.0, |length_m| length_m / 2.0),
            _ => 0.0,
        };
        let doubt_m = sample.get_scaled(ids::H_ACC_M).unwrap_or(places::DOUBT_UNKNOWN_M) + half_length_m;
        if self.places.may_hold(lat_deg, lon_deg, doubt_m) { Ruling::AtPlace } else { Ruling::Keep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PrivacyRules {
        let hours = WorkingHours::new("Europe/Paris", &["mon-fri 06:00-20:00".to_owned()], &[]).unwrap();
        let depot = Place::new("depot", 47.65, -2.08, 100.0).unwrap();
        PrivacyRules { hours: Some(hours), places: Places::new(vec![depot]).unwrap() }
    }

    fn sample(stream: Stream, t_us: Option<i64>, north_m: f64, h_acc_m: Option<f64>) -> Sample {
        let mut sample = Sample::new(stream);
        sample.set(ids::T_US, t_us);
        sample.set_scaled(ids::LAT_DEG, 47.65 + north_m / 111_195.0);
        sample.set_scaled(ids::LON_DEG, -2.08);
        if let Some(h_acc_m) = h_acc_m {
            sample.set_scaled(ids::H_ACC_M, h_acc_m);
        }
        sample
    }

    // Wednesday 2026-07-01, 12:00 in Paris.
    const NOON_US: i64 = 1_782_900_000_000_000;

    #[test]
    fn time_goes_before_place_and_doubt_counts_against_keeping() {
        let rules = rules();
        let judge = |sample: Sample| rules.judge(&sample);
        assert_eq!(judge(sample(Stream::Track, Some(NOON_US), 103.0, Some(2.0))), Ruling::Keep);
        assert_eq!(judge(sample(Stream::Track, Some(NOON_US), 101.0, Some(2.0))), Ruling::AtPlace);
        assert_eq!(
            judge(sample(Stream::Track, Some(NOON_US), 600.0, None)),
            Ruling::AtPlace,
            "how far off is not known"
        );
        assert_eq!(judge(sample(Stream::Track, None, 5_000.0, Some(2.0))), Ruling::OutsideHours);
        let night_us = NOON_US + 10 * 3_600_000_000;
        assert_eq!(judge(sample(Stream::Track, Some(night_us), 0.0, Some(2.0))), Ruling::OutsideHours);
        let mut window = sample(Stream::Road, Some(NOON_US), 103.0, Some(2.0));
        window.set_scaled(ids::road::LENGTH, 20.0);
        assert_eq!(judge(window), Ruling::AtPlace, "its first metres are within");
    }

    #[test]
    fn without_a_position_there_is_no_place_and_without_rules_all_is_kept() {
        let mut nowhere = Sample::new(Stream::Air);
        nowhere.set(ids::T_US, Some(NOON_US));
        assert_eq!(rules().judge(&nowhere), Ruling::Keep);
        assert_eq!(PrivacyRules::default().judge(&sample(Stream::Air, None, 0.0, None)), Ruling::Keep);
    }
}
