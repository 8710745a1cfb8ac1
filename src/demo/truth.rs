//! What the twin knows to be true, beside what the indicators say.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use tournee_indicators::{Theme, stats};
use tournee_query::derived::{self, Of};
use tournee_twin::{SectionTruth, World};

/// Passes from which a section is compared with its truth.
const MIN_PASSES: u32 = 6;

const HEADLINES: [(Theme, &str); 4] = [
    (Theme::Air, "pm25_ugm3"),
    (Theme::Road, "rough_mps2"),
    (Theme::Mobile, "rsrp_dbm"),
    (Theme::Heat, "facade_delta_k"),
];

/// Writes `twin/truth.csv`: one row per section, an empty cell where the theme has no truth there.
pub fn write(world: &World, data_dir: &Path) -> Result<()> {
    let mut table = String::from("section_id");
    for (_, name) in HEADLINES {
        write!(table, ",{name}")?;
    }
    table.push('\n');
    for section in world.truth() {
        table.push_str(&section.section_id);
        for (theme, _) in HEADLINES {
            table.push(',');
            if let Some(value) = value(section, theme) {
                write!(table, "{value}")?;
            }
        }
        table.push('\n');
    }
    let folder = data_dir.join("twin");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot write {}", folder.display()))?;
    Ok(std::fs::write(folder.join("truth.csv"), table)?)
}

/// Spearman's rank correlation between indicator and truth per theme, sections with six passes or more, three decimals.
pub async fn rank_correlation(world: &World, data_dir: &Path, territory: &str) -> Result<BTreeMap<String, f64>> {
    let truth: HashMap<&str, &SectionTruth> =
        world.truth().iter().map(|section| (section.section_id.as_str(), section)).collect();
    let session = tournee_query::session(data_dir).await?;
    let indicators = derived::load_indicators(&session, Of::Territory(territory)).await?;
    let mut correlations = BTreeMap::new();
    for (theme, name) in HEADLINES {
        let pairs: Vec<(f64, f64)> = indicators
            .iter()
            .filter(|indicator| indicator.indicator == name && indicator.n_passes >= MIN_PASSES)
            .filter_map(|indicator| Some((indicator.value, value(truth.get(indicator.section_id.as_str())?, theme)?)))
            .collect();
        let (measured, known): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        if let Some(rho) = stats::spearman(&measured, &known) {
            correlations.insert(theme.name().to_owned(), (rho * 1_000.0).round() / 1_000.0);
        }
    }
    Ok(correlations)
}

fn value(section: &SectionTruth, theme: Theme) -> Option<f64> {
    match theme {
        Theme::Air => Some(section.pm25_ugm3),
        Theme::Road => Some(section.rough_mps2),
        Theme::Mobile => Some(section.rsrp_dbm),
        Theme::Heat => section.facade_delta_k,
    }
}
