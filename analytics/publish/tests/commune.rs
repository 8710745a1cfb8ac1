//! A small commune from indicators to files; and GDAL, which is not ours, reads the GeoPackage.

use std::process::Command;

use geo_types::{LineString, MultiPolygon, Polygon};
use tournee_indicators::{Confidence, Indicator, Theme};
use tournee_priority::{Reason, Recommendation};
use tournee_publish::{
    Crs, FeatureTable, PublishError, Value, commune_tables, csv_fr, csv_open, geojson, gpkg, table_schema,
};
use tournee_territory::{Attribution, Building, Commune, NodeId, Section, Territory, Text};

fn section(at: u32, code_insee: &str) -> Section {
    let lon = -2.0850 + f64::from(at) * 0.0005;
    Section {
        id: format!("w{at}-n1-0"),
        way_id: i64::from(at),
        name: (at != 3).then(|| format!("Rue « d'Échange » n° {at}")),
        class: "residential".into(),
        code_insee: code_insee.into(),
        from: NodeId(1),
        to: NodeId(2),
        oneway: false,
        line: LineString::from(vec![(lon, 47.6510), (lon + 0.0003, 47.6512), (lon + 0.0005, 47.6515)]),
        length_m: 61.25,
    }
}

fn territory() -> Territory {
    let commune = |code: &str, name: &str| Commune {
        code_insee: code.into(),
        name: name.into(),
        outline: MultiPolygon(Vec::new()),
    };
    Territory {
        id: "redon".into(),
        name: Text { fr: "Redon".into(), en: "Redon".into() },
        statement: Text { fr: "Simulé sur de vraies rues".into(), en: "Simulated on real streets".into() },
        communes: vec![commune("35236", "Redon"), commune("44185", "Saint-Nicolas-de-Redon")],
        sections: (0..8).map(|at| section(at, if at < 6 { "35236" } else { "44185" })).collect(),
        buildings: Vec::new(),
        attributions: vec![Attribution {
            credit: "© les contributeurs OpenStreetMap".into(),
            licence: "ODbL-1.0".into(),
            source: "OpenStreetMap".into(),
        }],
    }
}

fn indicator(at: u32, theme: Theme, name: &str, value: f64, n_boxes: u32, confidence: Confidence) -> Indicator {
    Indicator {
        territory: "redon".into(),
        section_id: format!("w{at}-n1-0"),
        theme,
        indicator: name.into(),
        unit: "u".into(),
        value,
        lo: Some(value - 1.0),
        hi: Some(value + 1.0),
        n_passes: 12,
        n_days: 6,
        n_boxes,
        first_date: "2026-01-05".into(),
        last_date: "2026-01-20".into(),
        confidence,
        class: Some(1),
        origin: "simulated".into(),
    }
}

fn indicators() -> Vec<Indicator> {
    let mut all: Vec<Indicator> =
        (0..8).map(|at| indicator(at, Theme::Air, "pm25_ugm3", 7.25 + f64::from(at), 3, Confidence::High)).collect();
    all.push(indicator(0, Theme::Air, "no2_ugm3", 20.0, 3, Confidence::High));
    all.push(indicator(0, Theme::Road, "rough_mps2", 0.5, 3, Confidence::Low));
    all.push(indicator(1, Theme::Road, "rough_mps2", 0.8, 1, Confidence::High));
    all.push(indicator(2, Theme::Road, "rough_mps2", 0.9, 2, Confidence::High));
    all.push(indicator(0, Theme::Heat, "facade_delta_k", 2.0, 1, Confidence::High));
    all.push(Indicator { territory: "autre".into(), ..all[0].clone() });
    all
}

fn recommendation(at: u32, value: f64) -> Recommendation {
    Recommendation {
        territory: "redon".into(),
        rule: "road_works".into(),
        section_id: format!("w{at}-n1-0"),
        code_insee: "35236".into(),
        street: String::new(),
        rank: 1,
        score: 0.5,
        confidence: "high".into(),
        action_fr: "Travaux de voirie à prioriser".into(),
        action_en: "Road works".into(),
        reasons: vec![Reason {
            input: "rough_mps2".into(),
            label_fr: "Indice d'uni (indicatif)".into(),
            label_en: "Ride quality".into(),
            value,
            unit: "m/s²".into(),
            unit_en: String::new(),
            threshold: "> 0,61".into(),
            threshold_en: "> 0.61".into(),
            contribution: 0.5,
            n_passes: Some(12),
            n_days: Some(6),
            origin: "simulated".into(),
        }],
    }
}

fn tables() -> Vec<FeatureTable> {
    commune_tables(
        &territory(),
        &indicators(),
        &[recommendation(1, 0.8), recommendation(2, 0.9 + f64::EPSILON)],
        "35236",
    )
    .expect("tables")
}

fn cell<'a>(table: &'a FeatureTable, row: usize, column: &str) -> &'a Value {
    let at = table.columns().iter().position(|one| one.name == column).expect("a column of this name");
    &table.features()[row].values[at]
}

#[test]
fn one_table_per_theme_and_the_gates_hold() {
    let tables = tables();
    let names: Vec<&str> = tables.iter().map(FeatureTable::name).collect();
    assert_eq!(names, ["air", "air_no2_ugm3", "route", "chaleur", "recommandations"]);
    let rows: Vec<usize> = tables.iter().map(|table| table.features().len()).collect();
    assert_eq!(rows, [6, 1, 2, 0, 1], "one commune only; rows of one vehicle are not public");
    let left_out: Vec<u64> = tables.iter().map(|table| table.metadata.left_out.values().sum()).collect();
    assert_eq!(left_out, [0, 0, 1, 1, 1]);
    assert_eq!(cell(&tables[4], 0, "id_section"), &Value::Text("w2-n1-0".into()));
    assert_eq!(cell(&tables[0], 0, "classe"), &Value::Integer(2));
    assert_eq!(cell(&tables[0], 0, "classe_libelle"), &Value::Text("Moyen".into()));
    assert_eq!(cell(&tables[2], 0, "classe"), &Value::Null, "low confidence shows no class in public");
    assert_eq!(cell(&tables[2], 1, "classe"), &Value::Integer(2));
    assert_eq!(tables[0].metadata.vintage, "2026-01-05/2026-01-19", "weeks, never days");
    let motives = "Indice d'uni (indicatif) : 0,90\u{a0}m/s², > 0,61, 12 passages, 100\u{a0}% du score";
    assert_eq!(cell(&tables[4], 0, "motifs"), &Value::Text(motives.into()));
}

#[test]
fn heat_beside_too_few_buildings_is_left_out_and_counted() {
    let house = |at: u32, north_m: f64| {
        let (lon, lat) = (-2.0850 + f64::from(at) * 0.0001, 47.6511 + north_m / 111_195.0);
        let ring = vec![(lon, lat), (lon + 0.00005, lat), (lon + 0.00005, lat + 0.0001), (lon, lat)];
        Building { osm_id: i64::from(at), outline: Polygon::new(LineString::from(ring), Vec::new()), height_m: None }
    };
    let rows = [indicator(0, Theme::Heat, "facade_delta_k", 2.0, 3, Confidence::High)];
    let heat = |buildings: Vec<Building>| {
        let mut tables =
            commune_tables(&Territory { buildings, ..territory() }, &rows, &[], "35236").expect("a table of heat");
        tables.remove(0)
    };
    let near: Vec<Building> = (0..4).map(|at| house(at, 10.0)).collect();
    assert_eq!(heat(near.clone()).features().len(), 1);
    let mut one_far = near;
    one_far[2] = house(2, 60.0);
    let table = heat(one_far);
    assert_eq!(table.features().len(), 0);
    let said: Vec<_> = table.metadata.left_out.iter().filter(|(_, n)| **n > 0).collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].0.contains("bâtiments") && *said[0].1 == 1, "{said:?}");
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let (mut turned, recommendations) = (indicators(), [recommendation(2, 0.9 + f64::EPSILON), recommendation(1, 0.8)]);
    turned.reverse();
    assert_eq!(tables(), commune_tables(&territory(), &turned, &recommendations, "35236").unwrap());
}

#[test]
fn an_unknown_commune_is_said() {
    let error = commune_tables(&territory(), &[], &[], "99999").unwrap_err();
    assert!(matches!(&error, PublishError::UnknownCommune { .. }));
    assert!(error.to_string().contains("`redon` has no commune `99999`"));
    assert!(commune_tables(&territory(), &[], &[], "35236").unwrap().is_empty());
}

#[test]
fn every_writer_takes_the_tables() {
    let tables = tables();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(text(geojson(&tables)).contains("\"couche\":\"recommandations\""));
    assert_eq!(text(csv_open(&tables).unwrap()).lines().count(), 11);
    assert!(text(csv_fr(&tables).unwrap()).contains(";05/01/2026;19/01/2026;simulé;"));
    assert!(text(table_schema(&tables).unwrap()).contains("geometrie_wkt"));
}

fn ogrinfo(arguments: &[&str]) -> String {
    let output = Command::new("ogrinfo").args(arguments).output().expect("ogrinfo runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(!err.contains("Warning") && !err.contains("ERROR"), "{err}");
    out.into_owned()
}

#[test]
fn gdal_reads_the_geopackage() {
    if Command::new("ogrinfo").arg("--version").output().is_err() {
        println!("SKIPPED gdal_reads_the_geopackage: `ogrinfo` is not installed (apt-get install gdal-bin)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redon.gpkg");
    std::fs::write(&path, gpkg(&tables(), Crs::for_commune("35236")).unwrap()).unwrap();
    let path = path.to_str().unwrap();

    let summary = ogrinfo(&["-al", "-so", path]);
    for needed in [
        "Layer name: air\n",
        "Layer name: recommandations\n",
        "Geometry: Line String",
        "Feature Count: 6",
        "RGF93 v1 / Lambert-93",
        "ID[\"EPSG\",2154]",
        "derniere_date: Date",
        "n_passages: Integer64",
        "valeur: Real",
        "Geometry Column = geom",
    ] {
        assert!(summary.contains(needed), "{needed} is missing in\n{summary}");
    }
    // Lambert-93 of -2.0850, 47.6510, from PROJ 9 through gdaltransform.
    let first = ogrinfo(&["-q", "-fid", "1", path, "air"]);
    assert!(first.contains("LINESTRING (318529.39"), "{first}");
    assert!(first.contains("nom_voie (String) = Rue « d'Échange » n° 0"), "{first}");
    // The index answers, and its triggers keep working when somebody edits the file.
    let found = ogrinfo(&["-q", "-spat", "318000", "6739000", "320000", "6742000", path, "air"]);
    assert_eq!(found.matches("OGRFeature").count(), 6, "{found}");
    ogrinfo(&["-q", "-sql", "UPDATE air SET geom = ST_Transform(geom, 2154) WHERE fid = 1", path]);
    let count = |sql: &str| ogrinfo(&["-q", "-sql", sql, path]);
    assert!(count("SELECT COUNT(*) AS n FROM rtree_air_geom").contains("= 6"));
    assert!(count("SELECT styleQML FROM layer_styles WHERE f_table_name = 'air'").contains("categorizedSymbol"));
    assert!(count("SELECT valeur FROM metadonnees WHERE couche = 'air' AND cle = 'licence'").contains("ODbL-1.0"));
    assert!(count("PRAGMA integrity_check").contains("= ok"));
    assert!(count("PRAGMA foreign_key_check").is_empty());
}

#[test]
fn gdal_reads_the_irish_and_the_global_projection() {
    if Command::new("ogrinfo").arg("--version").output().is_err() {
        println!("SKIPPED gdal_reads_the_irish_and_the_global_projection: `ogrinfo` is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (crs, name) in [(Crs::IrishTransverseMercator, "IRENET95 / Irish Transverse Mercator"), (Crs::Wgs84, "WGS 84")]
    {
        let path = folder.path().join("file.gpkg");
        std::fs::write(&path, gpkg(&tables(), crs).unwrap()).unwrap();
        let summary = ogrinfo(&["-so", path.to_str().unwrap(), "air"]);
        assert!(summary.contains(name) && summary.contains(&format!("ID[\"EPSG\",{}]", crs.epsg())), "{summary}");
    }
}
