//! A snapshot with its answers prepared: what does not depend on the request is written once, when the snapshot comes.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::json;
use tokio::sync::OnceCell;
use tournee_indicators::{DataError, Indicator, PassFact, PublicationGates, Theme};
use tournee_priority::Recommendation;
use tournee_publish::{PublicGate, Published};
use tournee_territory::{Section, Territory};

use crate::body::Prepared;
use crate::downloads::Format;
use crate::error::ApiError;
use crate::explain::{self, Facts};
use crate::geojson;
use crate::legend;
use crate::snapshot::{Snapshot, TerritoryView};

const JSON: &str = "application/json";
const GEOJSON: &str = "application/geo+json";

/// Why a snapshot cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Something could not be written as JSON.
    #[error("the snapshot cannot be written as JSON: {0}; a value in it is not a finite number or a key is not text")]
    Json(#[from] serde_json::Error),
    /// A data file of the indicators is broken.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// A territory with its answers.
#[derive(Debug)]
pub(crate) struct ServedTerritory {
    pub view: TerritoryView,
    pub base: Prepared,
    pub legend: Prepared,
    pub recommendations: Prepared,
    gate: PublicGate,
    /// With the count of sections that say their value.
    layers: BTreeMap<(Theme, String), (Prepared, usize)>,
    headlines: BTreeMap<Theme, String>,
    sections: HashMap<String, usize>,
    indicators_of: HashMap<String, Vec<usize>>,
    passes_of: HashMap<String, Vec<usize>>,
    /// Public ones only.
    recommendations_of: HashMap<String, Vec<usize>>,
    /// How many recommendations of a section rest on a withheld value.
    withheld_of: HashMap<String, usize>,
    n_recommendations: usize,
    /// Filled at the first request of each commune and format, so that a start does not wait for files nobody takes.
    pub downloads: HashMap<(String, Format), OnceCell<Prepared>>,
}

/// A snapshot, ready to answer.
#[derive(Debug)]
pub(crate) struct Served {
    pub territories: Vec<ServedTerritory>,
    pub list: Prepared,
    pub health: Prepared,
    pub published: Published,
    pub generated_at: String,
    pub data_version: String,
}

#[derive(Serialize)]
struct ThemeSummary<'a> {
    theme: Theme,
    indicator: &'a str,
    indicators: Vec<&'a str>,
    origins: Vec<&'a str>,
    sections: usize,
}

impl Served {
    /// Prepares a snapshot.
    ///
    /// # Errors
    /// Where a part of it cannot be written as JSON.
    pub(crate) fn new(snapshot: Snapshot) -> Result<Self, PrepareError> {
        let Snapshot { territories, kinds, generated_at, data_version } = snapshot;
        let published = Published { kinds, gates: PublicationGates::builtin()?, produced_at: generated_at.clone() };
        let territories = territories
            .into_iter()
            .map(|view| ServedTerritory::new(view, &published))
            .collect::<Result<Vec<_>, PrepareError>>()?;
        let list: Vec<_> = territories.iter().map(ServedTerritory::summary).collect();
        let list = json!({"generated_at": generated_at, "data_version": data_version, "territories": list});
        let health = json!({
            "status": "ok",
            "territories": territories.len(),
            "generated_at": generated_at,
            "data_version": data_version,
        });
        Ok(Self {
            list: Prepared::new(JSON, serde_json::to_vec(&list)?),
            health: Prepared::new(JSON, serde_json::to_vec(&health)?),
            territories,
            published,
            generated_at,
            data_version,
        })
    }

    /// The territory of this id.
    pub(crate) fn territory(&self, id: &str) -> Result<&ServedTerritory, ApiError> {
        let found = self.territories.iter().find(|served| served.view.territory.id == id);
        found.ok_or(ApiError::UnknownTerritory)
    }
}

impl ServedTerritory {
    fn new(mut view: TerritoryView, published: &Published) -> Result<Self, PrepareError> {
        let Published { kinds, gates, .. } = published;
        let id = view.territory.id.clone();
        view.indicators.retain(|row| row.territory == id);
        view.pass_facts.retain(|row| row.territory == id);
        view.recommendations.retain(|row| row.territory == id);
        // By rank, then rule, as a reader of all rules wants them: scores of two rules do not compare.
        view.recommendations.sort_by(|a, b| (a.rank, &a.rule, &a.section_id).cmp(&(b.rank, &b.rule, &b.section_id)));

        let territory: &Territory = &view.territory;
        let by_id: HashMap<&str, &Section> =
            territory.sections.iter().map(|section| (section.id.as_str(), section)).collect();
        let gate = PublicGate::new(gates, territory, &view.indicators);
        let indicators_of = group(view.indicators.iter().map(|row| row.section_id.as_str()));
        let (public, withheld): (Vec<usize>, Vec<usize>) = (0..view.recommendations.len()).partition(|&ix| {
            let Some(one) = view.recommendations.get(ix) else { return false };
            let rows = pick::<Indicator>(&view.indicators, indicators_of.get(&one.section_id));
            gate.facts_behind(one, rows.into_iter()).is_ok()
        });
        let section_of = |ix: &usize| Some((view.recommendations.get(*ix)?.section_id.clone(), *ix));
        let mut recommendations_of: HashMap<String, Vec<usize>> = HashMap::new();
        for (section_id, ix) in public.iter().filter_map(section_of) {
            recommendations_of.entry(section_id).or_default().push(ix);
        }
        let mut withheld_of: HashMap<String, usize> = HashMap::new();
        for (section_id, _) in withheld.iter().filter_map(section_of) {
            *withheld_of.entry(section_id).or_default() += 1;
        }
        let mut layers = BTreeMap::new();
        for (theme, name) in layer_names(&view.indicators) {
            let rows = view.indicators.iter().filter(|row| row.theme == theme && row.indicator == name);
            let geojson::Layer { body, left_out, public } = geojson::layer(kinds, &gate, &by_id, rows)?;
            if left_out > 0 {
                tracing::warn!(
                    territory = id,
                    indicator = name,
                    left_out,
                    "indicator rows without a section or a value"
                );
            }
            layers.insert((theme, name), (Prepared::new(GEOJSON, body), public));
        }
        let mut headlines = BTreeMap::new();
        for theme in Theme::ALL {
            let names: Vec<&str> = layers.keys().filter(|key| key.0 == theme).map(|key| key.1.as_str()).collect();
            let headline = legend::headline(kinds, theme).filter(|name| names.contains(name));
            if let Some(name) = headline.or_else(|| names.first().copied()) {
                headlines.insert(theme, name.to_owned());
            }
        }
        let downloads = territory
            .communes
            .iter()
            .flat_map(|commune| Format::ALL.map(|format| ((commune.code_insee.clone(), format), OnceCell::new())))
            .collect();
        Ok(Self {
            base: Prepared::new(GEOJSON, geojson::base(territory)?),
            legend: Prepared::new(
                JSON,
                serde_json::to_vec(&json!({"themes": legend::legend(kinds, gates, layers.keys())}))?,
            ),
            recommendations: Prepared::new(JSON, recommendations(&view, &public, withheld.len(), &by_id)?),
            sections: territory.sections.iter().enumerate().map(|(ix, section)| (section.id.clone(), ix)).collect(),
            indicators_of,
            passes_of: group(view.pass_facts.iter().map(|row| row.section_id.as_str())),
            recommendations_of,
            withheld_of,
            n_recommendations: public.len(),
            gate,
            layers,
            headlines,
            downloads,
            view,
        })
    }

    /// The layer of a theme: of the named indicator, else of the theme's headline.
    pub(crate) fn layer(&self, theme: Theme, indicator: Option<&str>) -> Result<&Prepared, ApiError> {
        let name = indicator.or_else(|| self.headlines.get(&theme).map(String::as_str));
        let key = (theme, name.ok_or(ApiError::UnknownLayer)?.to_owned());
        self.layers.get(&key).map(|layer| &layer.0).ok_or(ApiError::UnknownLayer)
    }

    /// The explanation of a section, as JSON.
    pub(crate) fn explain(&self, section_id: &str, served: &Served) -> Result<Vec<u8>, ApiError> {
        let territory: &Territory = &self.view.territory;
        let section = self.sections.get(section_id).and_then(|&ix| territory.sections.get(ix));
        let section = section.ok_or(ApiError::UnknownSection)?;
        let commune = territory.communes.iter().find(|commune| commune.code_insee == section.code_insee);
        let explanation = explain::explain(Facts {
            published: &served.published,
            gate: &self.gate,
            territory: &territory.id,
            statement: &territory.statement,
            generated_at: &served.generated_at,
            data_version: &served.data_version,
            section,
            commune: commune.map_or("", |commune| commune.name.as_str()),
            indicators: pick::<Indicator>(&self.view.indicators, self.indicators_of.get(section_id)),
            pass_facts: pick::<PassFact>(&self.view.pass_facts, self.passes_of.get(section_id)),
            recommendations: pick::<Recommendation>(
                &self.view.recommendations,
                self.recommendations_of.get(section_id),
            ),
            recommendations_withheld: self.withheld_of.get(section_id).copied().unwrap_or(0),
        });
        serde_json::to_vec(&explanation).map_err(|error| {
            tracing::error!(%error, section_id, "an explanation cannot be written");
            ApiError::Internal
        })
    }

    fn summary(&self) -> serde_json::Value {
        let territory: &Territory = &self.view.territory;
        let themes: Vec<_> = self
            .headlines
            .iter()
            .map(|(theme, headline)| {
                let rows = || self.view.indicators.iter().filter(|row| row.theme == *theme);
                let mut origins: Vec<&str> = rows().map(|row| row.origin.as_str()).collect();
                origins.sort_unstable();
                origins.dedup();
                let indicators = self.layers.keys().filter(|key| key.0 == *theme).map(|key| key.1.as_str()).collect();
                let sections = self.layers.get(&(*theme, headline.clone())).map_or(0, |layer| layer.1);
                ThemeSummary { theme: *theme, indicator: headline, indicators, origins, sections }
            })
            .collect();
        let communes: Vec<_> = territory
            .communes
            .iter()
            .map(|commune| json!({"code_insee": commune.code_insee, "name": commune.name}))
            .collect();
        json!({
            "id": territory.id,
            "name": territory.name,
            "statement": territory.statement,
            "bounds": bounds(territory),
            "sections": territory.sections.len(),
            "communes": communes,
            "themes": themes,
            "recommendations": self.n_recommendations,
            "attributions": territory.attributions,
        })
    }
}

/// West, south, east, north of the sections in degrees; none for a territory without streets.
fn bounds(territory: &Territory) -> Option<[f64; 4]> {
    let points = territory.sections.iter().flat_map(|section| section.line.coords());
    points.fold(None, |bounds: Option<[f64; 4]>, at| {
        let [west, south, east, north] = bounds.unwrap_or([at.x, at.y, at.x, at.y]);
        Some([west.min(at.x), south.min(at.y), east.max(at.x), north.max(at.y)])
    })
}

fn layer_names(indicators: &[Indicator]) -> Vec<(Theme, String)> {
    let mut names: Vec<_> = indicators.iter().map(|row| (row.theme, row.indicator.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|(theme, name)| (theme, name.to_owned())).collect()
}

fn group<'a>(ids: impl Iterator<Item = &'a str>) -> HashMap<String, Vec<usize>> {
    let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
    for (ix, id) in ids.enumerate() {
        groups.entry(id.to_owned()).or_default().push(ix);
    }
    groups
}

fn pick<'a, T>(rows: &'a [T], indices: Option<&Vec<usize>>) -> Vec<&'a T> {
    indices.into_iter().flatten().filter_map(|&ix| rows.get(ix)).collect()
}

#[derive(Serialize)]
struct ListedRecommendation<'a> {
    #[serde(flatten)]
    row: &'a Recommendation,
    /// Where to bring the map, (longitude, latitude) in degrees.
    middle: Option<[f64; 2]>,
}

fn recommendations(
    view: &TerritoryView,
    public: &[usize],
    withheld: usize,
    sections: &HashMap<&str, &Section>,
) -> serde_json::Result<Vec<u8>> {
    let rows: Vec<_> = public
        .iter()
        .filter_map(|&ix| view.recommendations.get(ix))
        .map(|row| {
            let middle = sections.get(row.section_id.as_str()).and_then(|section| explain::middle(section));
            ListedRecommendation { row, middle }
        })
        .collect();
    serde_json::to_vec(&json!({"territory": view.territory.id, "recommendations": rows, "withheld": withheld}))
}
