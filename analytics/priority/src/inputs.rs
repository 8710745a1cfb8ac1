//! What a rule set is evaluated on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tournee_indicators::{Confidence, Indicator};

use crate::date::days_since_1970;
use crate::rule::{Aggregate, FUTURE_DAYS, InputFrom, InputSpec};

/// One input of one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputValue {
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// Passes behind the value; none for a reference layer.
    pub n_passes: Option<u32>,
    /// Days behind the value; none for a reference layer.
    pub n_days: Option<u32>,
    /// `measured`, `simulated` or `partner`.
    pub origin: String,
    /// Confidence of a measured value; none for a reference layer.
    pub confidence: Option<Confidence>,
}

/// One section and its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionInputs {
    /// Territory id.
    pub territory: String,
    /// Section id.
    pub section_id: String,
    /// Commune, INSEE code.
    pub code_insee: String,
    /// Commune, name; the code stands in where empty.
    pub commune: String,
    /// Street name; empty where the street has none.
    pub street: String,
    /// Length, metres.
    pub length_m: f64,
    /// Inputs by [`InputSpec::name`]. What is not known is absent. `length_m` is added by the evaluation.
    pub values: BTreeMap<String, InputValue>,
}

/// Everything that a rule set is evaluated on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Sections in any order.
    pub sections: Vec<SectionInputs>,
}

/// A point of a reference layer near a section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearPoint<'a> {
    /// Distance to the section, metres.
    pub distance_m: f64,
    /// Date of the observation, ISO 8601.
    pub date: &'a str,
    /// Value in the layer's unit.
    pub value: f64,
}

impl InputSpec {
    /// True when a point of this date counts: any date without a window, else from `window_days` before `as_of` (ISO
    /// 8601) on, up to [`FUTURE_DAYS`] after it. `as_of` is the day of the last pass: what was reported after it is news,
    /// and the window does not move with it.
    #[must_use]
    pub fn in_window(&self, date: &str, as_of: &str) -> bool {
        self.window_days.is_none_or(|days| {
            days_since_1970(as_of)
                .zip(days_since_1970(date))
                .is_some_and(|(end, at)| (-FUTURE_DAYS..i64::from(days)).contains(&(end - at)))
        })
    }

    /// True when a window asks for a date and this one lies more than [`FUTURE_DAYS`] after `as_of`.
    #[must_use]
    pub fn in_the_future(&self, date: &str, as_of: &str) -> bool {
        let after = days_since_1970(as_of).zip(days_since_1970(date)).map(|(end, at)| at - end);
        self.window_days.is_some() && after.is_some_and(|days| days > FUTURE_DAYS)
    }

    /// The input of one section from the points of its layer; for an aggregate of [`Aggregate::nearest_section_only`]
    /// the caller gives the points whose nearest section this is. Points too far, outside of the window
    /// ([`InputSpec::in_window`]), of unreadable date where a window asks for one, or not finite do not count. `None`
    /// when no point is left, except for counts, which are then 0.
    pub fn from_points<'a>(
        &self,
        points: impl IntoIterator<Item = NearPoint<'a>>,
        as_of: &str,
        origin: &str,
    ) -> Option<InputValue> {
        if self.from != InputFrom::Layer {
            return None;
        }
        let reach_m = self.search_m.unwrap_or(0.0);
        let mut near: Vec<NearPoint<'a>> = points
            .into_iter()
            .filter(|point| point.distance_m <= reach_m && point.value.is_finite() && self.in_window(point.date, as_of))
            .collect();
        // A fixed order makes sums independent of the order of the file.
        near.sort_by(|a, b| {
            a.distance_m.total_cmp(&b.distance_m).then(a.value.total_cmp(&b.value)).then(a.date.cmp(b.date))
        });
        let value = match self.aggregate {
            Aggregate::Count => near.len() as f64,
            Aggregate::DistinctDates => {
                near.iter().filter_map(|point| days_since_1970(point.date)).collect::<BTreeSet<_>>().len() as f64
            }
            Aggregate::Nearest => near.first()?.value,
            other => other.of(&near.iter().map(|point| point.value).collect::<Vec<_>>())?,
        };
        Some(InputValue {
            value,
            unit: self.unit.clone(),
            n_passes: None,
            n_days: None,
            origin: origin.into(),
            confidence: None,
        })
    }

    /// The input of one section from that section's indicators. A key that ends in `*` takes every indicator that
    /// begins so. Indicators below `min_passes` do not count; a partner's (0 passes known) counts only where no passes
    /// are asked for. Counts and confidence are those of the weakest indicator that was used.
    #[must_use]
    pub fn from_indicators(&self, indicators: &[&Indicator]) -> Option<InputValue> {
        if self.from != InputFrom::Indicator {
            return None;
        }
        let wanted = |name: &str| match self.key.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.key,
        };
        let mut used: Vec<&Indicator> = indicators
            .iter()
            .copied()
            .filter(|one| wanted(&one.indicator) && one.n_passes >= self.min_passes && one.value.is_finite())
            .collect();
        used.sort_by(|a, b| a.indicator.cmp(&b.indicator).then(a.value.total_cmp(&b.value)));
        // For "the worst of several operators" the counts are those of the operator that decides.
        let value = self.aggregate.of(&used.iter().map(|one| one.value).collect::<Vec<_>>())?;
        let deciding =
            used.iter().find(|one| one.value == value).or_else(|| used.iter().min_by_key(|one| one.n_passes))?;
        Some(InputValue {
            value,
            unit: self.unit.clone(),
            n_passes: Some(deciding.n_passes),
            n_days: Some(deciding.n_days),
            origin: deciding.origin.clone(),
            confidence: Some(deciding.confidence),
        })
    }
}

impl Aggregate {
    fn of(self, values: &[f64]) -> Option<f64> {
        match self {
            Self::Max => values.iter().copied().reduce(f64::max),
            Self::Min => values.iter().copied().reduce(f64::min),
            Self::Sum if !values.is_empty() => Some(values.iter().sum()),
            Self::Mean => tournee_indicators::stats::mean(values),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleSet;

    fn point(distance_m: f64, date: &str, value: f64) -> NearPoint<'_> {
        NearPoint { distance_m, date, value }
    }

    #[test]
    fn counts_use_reach_and_window_and_may_be_zero() {
        let rules = RuleSet::builtin().unwrap();
        let inputs = rules.inputs();
        let (events, dates) = (inputs["dumping_events"], inputs["dumping_dates"]);
        let near = [
            point(5.0, "2026-01-30", 1.0),
            point(5.0, "2026-01-30", 1.0),
            point(1.0, "2025-11-03", 1.0),
            point(1.0, "2025-11-02", 1.0),
            point(500.0, "2026-01-30", 1.0),
            point(1.0, "2026-02-01", 1.0),
            point(1.0, "2062-01-30", 1.0),
            point(1.0, "?", 1.0),
        ];
        let count = |spec: &InputSpec| spec.from_points(near, "2026-01-31", "simulated").unwrap().value;
        assert_eq!((count(events), count(dates)), (4.0, 3.0));
        let edges = ["2025-11-02", "2025-11-03", "2026-01-31", "2027-02-01", "2027-02-02"];
        assert_eq!(edges.map(|date| events.in_window(date, "2026-01-31")), [false, true, true, true, false]);
        assert_eq!(edges.map(|date| events.in_the_future(date, "2026-01-31")), [false, false, false, false, true]);
        assert!(!inputs["pedestrians"].in_the_future("2062-01-30", "2026-01-31"), "no window, no date needed");
        assert_eq!(events.from_points([], "2026-01-31", "simulated").unwrap().value, 0.0);
        assert_eq!(inputs["pedestrians"].from_points([], "2026-01-31", "simulated"), None);
    }

    #[test]
    fn the_order_of_points_does_not_matter() {
        let rules = RuleSet::builtin().unwrap();
        let spec = rules.inputs()["new_dwellings"];
        let mut near: Vec<NearPoint> =
            (0..50).map(|at| point(f64::from(at), "2026-01-01", 1.0 / f64::from(at + 1))).collect();
        let first = spec.from_points(near.clone(), "2026-01-31", "simulated");
        near.reverse();
        assert_eq!(first, spec.from_points(near, "2026-01-31", "simulated"));
    }
}
