//! Territories, layers and rules brought together: the lake in, indicators and a picture for the web out.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tournee_api::{Snapshot, TerritoryView};
use tournee_indicators::Kinds;
use tournee_pipeline::{PipelineInput, PipelineReport};
use tournee_priority::RuleSet;
use tournee_query::derived::{self, Of};
use tournee_territory::partner::PartnerLayer;
use tournee_territory::{Layer, Origin, Territory, layers};

/// Everything that the lake is analysed with.
pub struct Analysis {
    data_dir: PathBuf,
    territories: Vec<(Territory, Origin)>,
    layers: Vec<Vec<Layer>>,
    kinds: Kinds,
    rules: RuleSet,
}

impl Analysis {
    /// Reads the reference layers of each territory and the built-in rules.
    pub fn load(data_dir: &Path, territories: Vec<(Territory, Origin)>) -> Result<Self> {
        let layers = territories
            .iter()
            .map(|(territory, _)| read_layers(&layer_folder(data_dir, &territory.id)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            territories,
            layers,
            kinds: Kinds::builtin()?,
            rules: RuleSet::builtin()?,
        })
    }

    /// Matches, aggregates and ranks all territories; `progress` hears how much is done, 0 to 1.
    pub async fn run(&self, progress: &(dyn Fn(f32) + Sync)) -> Result<Vec<PipelineReport>> {
        let mut reports = Vec::new();
        for ((territory, origin), layers) in self.territories.iter().zip(&self.layers) {
            let input = PipelineInput {
                data_dir: &self.data_dir,
                territory,
                layers,
                kinds: &self.kinds,
                rules: &self.rules,
                origin: *origin,
                progress: &|_, done| progress(done),
            };
            let report =
                tournee_pipeline::run(input).await.with_context(|| format!("cannot analyse {}", territory.id))?;
            reports.push(report);
        }
        Ok(reports)
    }

    /// The territories.
    pub fn territories(&self) -> Vec<&Territory> {
        self.territories.iter().map(|(territory, _)| territory).collect()
    }

    /// Gives the territories back.
    pub fn into_territories(self) -> Vec<Territory> {
        self.territories.into_iter().map(|(territory, _)| territory).collect()
    }
}

/// Where a territory's reference layers lie.
pub fn layer_folder(data_dir: &Path, territory: &str) -> PathBuf {
    data_dir.join("layers").join(territory)
}

/// Every layer of a folder: a CSV or GeoJSON file with a TOML beside it (docs/formats/layers.md).
fn read_layers(folder: &Path) -> Result<Vec<Layer>> {
    let mut sidecars: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    sidecars.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    sidecars.sort();
    sidecars.iter().map(|sidecar| read_layer(sidecar)).collect()
}

fn read_layer(sidecar: &Path) -> Result<Layer> {
    let named = || format!("layer {}", sidecar.display());
    let meta = std::fs::read_to_string(sidecar).with_context(named)?;
    let table = sidecar.with_extension("csv");
    let bytes = std::fs::read(&table).with_context(|| format!("layer {}", table.display()))?;
    let (layer, report) =
        layers::read(&bytes, &layers::LayerMeta::from_toml(&meta).with_context(named)?).with_context(named)?;
    for (reason, rows) in &report.reasons {
        tracing::warn!(layer = %table.display(), %reason, rows, "rows of a reference layer refused");
    }
    Ok(layer)
}

/// Writes a partner's layer as indicators of its territory; gives their number.
pub async fn import_partner(data_dir: &Path, territory: &Territory, layer: &PartnerLayer) -> Result<u64> {
    let kinds = Kinds::builtin()?;
    let written = tournee_pipeline::import_partner(data_dir, territory, layer, &kinds)
        .await
        .with_context(|| format!("cannot import the partner's layer of {}", territory.id))?;
    Ok(written)
}

/// What the web shows of these territories.
pub async fn snapshot(data_dir: &Path, territories: &[Arc<Territory>]) -> Result<Snapshot> {
    let session = tournee_query::session(data_dir).await?;
    let mut views = Vec::new();
    for territory in territories {
        let of = Of::Territory(&territory.id);
        let mut credited = Territory::clone(territory);
        // The layers that rules stand on are credited like the streets (docs/formats/layers.md).
        for layer in read_layers(&layer_folder(data_dir, &territory.id))? {
            if !credited.attributions.contains(&layer.attribution) {
                credited.attributions.push(layer.attribution);
            }
        }
        views.push(TerritoryView {
            indicators: derived::load_indicators(&session, of).await?,
            pass_facts: derived::load_pass_facts(&session, of).await?,
            recommendations: derived::load_recommendations(&session, of).await?,
            territory: Arc::new(credited),
        });
    }
    let now = chrono::Utc::now();
    Ok(Snapshot {
        territories: views,
        kinds: Kinds::builtin()?,
        generated_at: now.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        data_version: now.format("%Y%m%d-%H%M%S").to_string(),
    })
}
