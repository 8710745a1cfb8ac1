//! What of a territory the public may see: one rule for the page, its interface and the files.

use std::collections::{BTreeSet, HashMap};

use tournee_indicators::{Indicator, PublicationGates, Theme};
use tournee_priority::Recommendation;
use tournee_territory::Territory;

use crate::near::buildings_near;

/// Why a row is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withheld {
    /// Too few vehicles or passes: the row would retrace a driver.
    Vehicles,
    /// Too few buildings beside the section: the row would tell of a dwelling.
    Buildings,
}

impl Withheld {
    /// All reasons.
    pub const ALL: [Self; 2] = [Self::Vehicles, Self::Buildings];

    /// Name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vehicles => "vehicles",
            Self::Buildings => "buildings",
        }
    }
}

/// The gates of publication over one territory.
#[derive(Clone, Debug)]
pub struct PublicGate {
    gates: PublicationGates,
    buildings: HashMap<String, u32>,
}

impl PublicGate {
    /// The gates over the rows of a territory; counts the buildings beside each section that has a row about heat.
    #[must_use]
    pub fn new<'a>(
        gates: &PublicationGates,
        territory: &Territory,
        indicators: impl IntoIterator<Item = &'a Indicator>,
    ) -> Self {
        let heat: BTreeSet<&str> = indicators
            .into_iter()
            .filter(|row| row.theme == Theme::Heat && row.territory == territory.id)
            .map(|row| row.section_id.as_str())
            .collect();
        let sections = territory.sections.iter().filter(|section| heat.contains(section.id.as_str()));
        let buildings = buildings_near(sections, &territory.buildings, gates.heat.within_m);
        Self { gates: gates.clone(), buildings }
    }

    /// Why the public may not see this row; `None` where it may.
    #[must_use]
    pub fn withheld(&self, row: &Indicator) -> Option<Withheld> {
        let n_buildings = self.buildings.get(&row.section_id).copied().unwrap_or(0);
        if !self.gates.is_public(row) {
            Some(Withheld::Vehicles)
        } else if !self.gates.has_enough_buildings(row, n_buildings) {
            Some(Withheld::Buildings)
        } else {
            None
        }
    }

    /// The rows behind a recommendation, out of those given (of any section).
    ///
    /// # Errors
    /// Why the recommendation is withheld: one of its measured reasons rests on a row that the public may not see, or on
    /// no row that can be found.
    pub fn facts_behind<'r>(
        &self,
        one: &Recommendation,
        rows: impl Iterator<Item = &'r Indicator> + Clone,
    ) -> Result<Vec<&'r Indicator>, Withheld> {
        let mut all = Vec::new();
        for reason in one.reasons.iter().filter(|reason| reason.n_passes.is_some()) {
            // `rsrp_dbm` may stand for the worst of `rsrp_dbm_20801`, `rsrp_dbm_20810`…: the one of this value decides.
            let behind = rows.clone().filter(|row| {
                row.indicator.starts_with(&reason.input)
                    && row.section_id == one.section_id
                    && same(row.value, reason.value)
            });
            let before = all.len();
            for row in behind {
                match self.withheld(row) {
                    Some(why) => return Err(why),
                    None => all.push(row),
                }
            }
            if all.len() == before {
                return Err(Withheld::Vehicles);
            }
        }
        Ok(all)
    }
}

/// Equal but for the last digits: reasons are stored as JSON, and a parser of JSON may miss the last bit of a number.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}
