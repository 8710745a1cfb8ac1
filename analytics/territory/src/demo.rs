//! The two territories that ship in the binary: Redon (simulated measurements) and Dublin (a partner's real ones).
//! Sources, licences and what was left out: `demo/NOTICE.md`.

use serde::Deserialize;

use crate::clip::Bounds;
use crate::communes::{self, OfficialCommune};
use crate::config::{NetworkConfig, parse};
use crate::osm::{self, BuildingReport, NetworkReport};
use crate::partner::{self, PartnerLayer, PartnerValue};
use crate::street_edges::{self, EdgesReport};
use crate::{Attribution, Commune, Territory, TerritoryError, Text};

const REDON_OSM: &[u8] = include_bytes!("../demo/redon_fr.osm.gz");
const REDON_OUTLINES: &[u8] = include_bytes!("../demo/communes_redon.geojson");
const REDON_LISTS: &[u8] = include_bytes!("../demo/communes_redon.json");
const REDON_META: &str = include_str!("../demo/redon.toml");
const DUBLIN_EDGES: &[u8] = include_bytes!("../demo/dublin_street_edges.csv.gz");
const DUBLIN_VALUES: &[u8] = include_bytes!("../demo/dublin_airview_by_osm_way.csv.gz");
const DUBLIN_META: &str = include_str!("../demo/dublin.toml");
const DUBLIN_PARTNER: &str = include_str!("../demo/dublin_airview.toml");

/// Attribution file of the demo data, for pages that print it.
pub const NOTICE: &str = include_str!("../demo/NOTICE.md");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    id: String,
    name: Text,
    statement: Text,
    bounds: Option<Bounds>,
    commune: Option<CommuneMeta>,
    attributions: Vec<Attribution>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommuneMeta {
    code_insee: String,
    name: String,
}

/// What was kept and refused while Redon was loaded.
#[derive(Clone, Debug)]
pub struct RedonReport {
    /// Streets.
    pub network: NetworkReport,
    /// Buildings.
    pub buildings: BuildingReport,
}

/// Redon and Saint-Nicolas-de-Redon: real streets and buildings, nothing measured.
///
/// # Errors
/// Only if the embedded files are damaged (a build defect).
pub fn redon() -> Result<Territory, TerritoryError> {
    redon_with_report().map(|(territory, _)| territory)
}

/// As [`redon`], with what was kept and refused.
///
/// # Errors
/// As [`redon`].
pub fn redon_with_report() -> Result<(Territory, RedonReport), TerritoryError> {
    let meta: Meta = parse("redon.toml", REDON_META)?;
    let mut communes = communes::read_geojson(REDON_OUTLINES)?;
    let official = redon_official()?;
    for commune in &mut communes {
        // Outlines are of 2018, names of 2026: the newer name is shown.
        if let Some(listed) = official.iter().find(|o| o.code_insee == commune.code_insee) {
            commune.name.clone_from(&listed.name);
        }
    }
    let data = osm::read(REDON_OSM, &osm::ReadLimits::default())?;
    let config = NetworkConfig::embedded()?;
    let (sections, network) = osm::build_sections(&data, &communes, &config, meta.bounds.as_ref());
    let (buildings, building_report) = osm::read_buildings(&data, meta.bounds.as_ref());
    let Meta { id, name, statement, attributions, .. } = meta;
    let territory = Territory { id, name, statement, communes, sections, buildings, attributions };
    Ok((territory, RedonReport { network, buildings: building_report }))
}

/// Official names, codes, population and grouping (EPCI) of the two communes.
///
/// # Errors
/// As [`redon`].
pub fn redon_official() -> Result<Vec<OfficialCommune>, TerritoryError> {
    communes::read_official(REDON_LISTS)
}

/// Central Dublin with the AirView car's street means, one value per section and indicator (`no2_ugm3`, `pm25_ugm3`).
///
/// # Errors
/// Only if the embedded files are damaged (a build defect).
pub fn dublin() -> Result<(Territory, Vec<PartnerValue>), TerritoryError> {
    dublin_with_report().map(|(territory, layer, _)| (territory, layer.values))
}

/// As [`dublin`], with the layer's statement, period, confidence and counts.
///
/// # Errors
/// As [`dublin`].
pub fn dublin_with_report() -> Result<(Territory, PartnerLayer, EdgesReport), TerritoryError> {
    let meta: Meta = parse("dublin.toml", DUBLIN_META)?;
    let table = partner::read_table(DUBLIN_VALUES, DUBLIN_PARTNER)?;
    let config = NetworkConfig::embedded()?;
    let (mut sections, edges) = street_edges::read(DUBLIN_EDGES, &config, &table.way_ids())?;
    let layer = partner::join(table, &sections, &edges.other_ways);
    let CommuneMeta { code_insee, name: commune_name } =
        meta.commune.ok_or_else(|| crate::config::wrong("dublin.toml", "no [commune]"))?;
    for section in &mut sections {
        section.code_insee.clone_from(&code_insee);
    }
    let outline = street_edges::hull(&sections);
    let communes = vec![Commune { code_insee, name: commune_name, outline }];
    let Meta { id, name, statement, attributions, .. } = meta;
    let territory = Territory { id, name, statement, communes, sections, buildings: Vec::new(), attributions };
    Ok((territory, layer, edges.report))
}
