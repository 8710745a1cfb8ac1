//! A partner's real values on a real network: every value that was joined is in the files, in the projection of Ireland.

use std::process::Command;

use tournee_indicators::{Confidence, Kinds, partner_indicator};
use tournee_publish::{Crs, commune_tables, csv_fr, csv_open, geojson, gpkg};

#[test]
fn every_joined_value_of_dublin_is_in_the_files() {
    let (territory, values) = tournee_territory::demo::dublin().unwrap();
    let kinds = Kinds::builtin().unwrap();
    let indicators: Vec<_> = values
        .iter()
        .filter_map(|one| {
            partner_indicator(&kinds, "dublin", &one.section_id, &one.indicator, one.value, Confidence::Medium)
        })
        .collect();
    assert!(indicators.len() == values.len() && values.len() > 5_000, "{} of {}", indicators.len(), values.len());
    let tables = commune_tables(&territory, &indicators, &[], "IE-D").unwrap();
    assert_eq!(tables.iter().map(|table| table.name()).collect::<Vec<_>>(), ["air", "air_no2_ugm3"]);
    let rows: usize = tables.iter().map(|table| table.features().len()).sum();
    assert_eq!(rows, values.len(), "a partner's rows need no gate and none is lost");
    assert!(tables[0].metadata.licence.contains("CC-BY-4.0") && tables[0].metadata.licence.contains("ODbL-1.0"));

    assert!(tables[0].metadata.description.starts_with("Valeur communiquée par un partenaire"));

    let bytes = gpkg(&tables, Crs::for_commune("IE-D")).unwrap();
    let sizes = [geojson(&tables).len(), csv_open(&tables).unwrap().len(), csv_fr(&tables).unwrap().len(), bytes.len()];
    println!("{rows} rows: GeoJSON, CSV, CSV-fr, GeoPackage of {sizes:?} bytes");
    if Command::new("ogrinfo").arg("--version").output().is_err() {
        println!("SKIPPED the reading by GDAL: `ogrinfo` is not installed (apt-get install gdal-bin)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dublin.gpkg");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ogrinfo").args(["-so", path.to_str().unwrap(), "air"]).output().unwrap();
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(summary.contains(&format!("Feature Count: {}", tables[0].features().len())), "{summary}");
    // Central Dublin, easting and northing in kilometres.
    assert!(summary.contains("Extent: (712") && summary.contains(", 73"), "{summary}");
}
