//! The territory's streets and buildings as the twin's town, and the truth back by section.

use tournee_territory::Territory;
use tournee_twin::{Facade, Street, Town};

/// The town that the twin boxes drive: the very sections that the analytics aggregate on.
pub fn of(territory: &Territory) -> Town {
    let streets = territory
        .sections
        .iter()
        .map(|section| Street {
            id: section.id.clone(),
            from: section.from.0,
            to: section.to.0,
            oneway: section.oneway,
            line: section.line.coords().map(|point| (point.x, point.y)).collect(),
            length_m: section.length_m,
        })
        .collect();
    let facades = territory
        .buildings
        .iter()
        .map(|building| Facade {
            id: building.osm_id,
            ring: building.outline.exterior().coords().map(|point| (point.x, point.y)).collect(),
        })
        .collect();
    Town { streets, facades }
}
