//! From points to sections: each point counts for its nearest street.

use std::collections::BTreeMap;

use geo_types::coord;
use serde::{Deserialize, Serialize};

use crate::graph::SectionIndex;
use crate::{Layer, SectionIx, Territory};

/// How the points of one section become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Sum of values.
    Sum,
    /// Largest value.
    Max,
    /// Mean of values.
    Mean,
    /// Number of points, whatever their value.
    Count,
}

/// One number per section that has a point within `max_distance_m`. Sections without a point are absent: whether that
/// means zero is for the rule to say.
#[must_use]
pub fn to_sections(
    layer: &Layer,
    territory: &Territory,
    max_distance_m: f64,
    aggregate: Aggregate,
) -> BTreeMap<SectionIx, f64> {
    to_sections_with(layer, &SectionIndex::new(&territory.sections), max_distance_m, aggregate).0
}

/// As [`to_sections`] with an index made before; also how many points were too far from any street.
#[must_use]
pub fn to_sections_with(
    layer: &Layer,
    index: &SectionIndex,
    max_distance_m: f64,
    aggregate: Aggregate,
) -> (BTreeMap<SectionIx, f64>, usize) {
    let mut by_section: BTreeMap<SectionIx, (f64, f64, u32)> = BTreeMap::new();
    let mut too_far = 0;
    for point in &layer.points {
        match index.nearest(coord! { x: point.lon_deg, y: point.lat_deg }, max_distance_m) {
            Some(hit) => {
                let (sum, max, n) = by_section.entry(hit.section).or_insert((0.0, f64::NEG_INFINITY, 0));
                (*sum, *max, *n) = (*sum + point.value, max.max(point.value), *n + 1);
            }
            None => too_far += 1,
        }
    }
    let one = |(sum, max, n): (f64, f64, u32)| match aggregate {
        Aggregate::Sum => sum,
        Aggregate::Max => max,
        Aggregate::Mean => sum / f64::from(n),
        Aggregate::Count => f64::from(n),
    };
    (by_section.into_iter().map(|(ix, all)| (ix, one(all))).collect(), too_far)
}
