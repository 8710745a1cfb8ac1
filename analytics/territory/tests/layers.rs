//! Reference and partner layers: what is kept, what is refused and why.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tournee_territory::layers::{Aggregate, LayerMeta, read, to_sections, to_sections_with};
use tournee_territory::{Origin, demo, geom, graph::SectionIndex, partner};

const SIDECAR: &str = "name = \"signage_defect\"\nunit = \"panneaux\"\norigin = \"simulated\"\nlicence = \"etalab-2.0\"\ncredit = \"Ville de Redon\"\n";

fn meta() -> LayerMeta {
    LayerMeta::from_toml(SIDECAR).unwrap()
}

#[test]
fn a_french_spreadsheet_and_an_open_data_file_give_the_same_layer() {
    let french = "local_id;lon;lat;date;value;rue\r\n01004;-2,08412;47,65103;05/01/2026;3;Rue de la Gare\r\n";
    let latin1 = b"rue,local_id,lat,lon,value,date\nRue du Ch\xe2teau,01004,47.65103,-2.08412,3,2026-01-05T10:00:00Z\n";
    let geojson = r#"{"type":"FeatureCollection","features":[{"type":"Feature",
        "geometry":{"type":"Point","coordinates":[-2.08412,47.65103]},
        "properties":{"local_id":"01004","date":"2026-01-05","value":3}}]}"#;
    let with_bom = [b"\xef\xbb\xbf", french.as_bytes()].concat();
    let (expected, report) = read(french.as_bytes(), &meta()).unwrap();
    assert_eq!((report.rows, report.kept, report.refused), (1, 1, 0));
    assert_eq!(expected.points[0].local_id, "01004", "leading zeros stay");
    assert_eq!((expected.points[0].date.as_str(), expected.points[0].value), ("2026-01-05", 3.0));
    assert_eq!((expected.origin, expected.attribution.credit.as_str()), (Origin::Simulated, "Ville de Redon"));
    for bytes in [&with_bom[..], latin1, geojson.as_bytes()] {
        let (layer, report) = read(bytes, &meta()).unwrap();
        assert_eq!(layer, expected);
        assert_eq!(report.refused, 0);
    }
    assert!(read(latin1, &meta()).unwrap().1.recognised.contains("Windows-1252"));
}

#[test]
fn missing_columns_are_named_and_files_of_another_kind_refused() {
    let error = read(b"id;lon;lat;value\n1;2;3;4\n", &meta()).unwrap_err().to_string();
    assert!(error.contains("local_id") && error.contains("date") && error.contains("`id`"), "{error}");
    assert!(read(b"", &meta()).is_err());
    assert!(read(b"{\"type\":\"Point\"", &meta()).is_err());
    assert!(read(b"\x1f\x8b\x08garbage", &meta()).is_err());
    assert!(read(b"PK\x03\x04 a zip file", &meta()).is_err());
}

#[test]
fn each_refused_row_has_its_line_and_reason() {
    let csv = "local_id,lon,lat,date,value\n\
        a,-2.08,47.65,2026-01-05,1\n\
        ,-2.08,47.65,2026-01-05,1\n\
        b,x,47.65,2026-01-05,1\n\
        c,0,0,2026-01-05,1\n\
        d,352000,6770000,2026-01-05,1\n\
        e,-2.08,47.65,hier,1\n\
        f,-2.08,47.65,2026-01-05,NaN\n\
        a,-2.08,47.65,2026-01-05,2\n\
        g,-2.08,47.65\n\
        h,-2.08,47.65,,7\n";
    let (layer, report) = read(csv.as_bytes(), &meta()).unwrap();
    assert_eq!((report.rows, report.kept, report.refused), (10, 2, 8));
    assert_eq!(layer.points.iter().map(|p| p.local_id.as_str()).collect::<Vec<_>>(), ["a", "h"]);
    assert_eq!(report.refusals.iter().map(|r| r.line).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(report.reasons.values().sum::<usize>(), 8);
    assert_eq!(report.reasons.len(), 8, "{:?}", report.reasons);
}

#[test]
fn sidecars_must_say_everything() {
    assert!(LayerMeta::from_toml("name = \"x\"").is_err());
    assert!(LayerMeta::from_toml(&SIDECAR.replace("Ville de Redon", " ")).is_err());
    assert!(LayerMeta::from_toml(&SIDECAR.replace("unit", "units")).is_err());
    assert!(LayerMeta::from_toml(&SIDECAR.replace("simulated", "invented")).is_err());
}

#[test]
fn points_count_for_their_nearest_street() {
    let territory = demo::redon().unwrap();
    let section = territory.sections.iter().position(|s| s.length_m > 40.0).unwrap();
    let middle = geom::point_at(&territory.sections[section].line, territory.sections[section].length_m / 2.0).unwrap();
    let csv = format!(
        "local_id,lon,lat,date,value\na,{x},{y},,2\nb,{x},{y},,5\nfar,-1.5,47.65,,100\n",
        x = middle.x + 1e-5,
        y = middle.y
    );
    let (layer, _) = read(csv.as_bytes(), &meta()).unwrap();
    for (aggregate, expected) in
        [(Aggregate::Sum, 7.0), (Aggregate::Max, 5.0), (Aggregate::Mean, 3.5), (Aggregate::Count, 2.0)]
    {
        let values = to_sections(&layer, &territory, 30.0, aggregate);
        assert_eq!(values.len(), 1);
        assert_eq!(values.iter().next().map(|(ix, v)| (ix.0 as usize, *v)), Some((section, expected)));
    }
    let (_, too_far) = to_sections_with(&layer, &SectionIndex::new(&territory.sections), 30.0, Aggregate::Sum);
    assert_eq!(too_far, 1);
}

#[test]
fn a_partner_table_is_read_value_by_value() {
    let sidecar = include_str!("../demo/dublin_airview.toml");
    let csv = "osm_id;NO2_ugm3;PM25_ugm3\n1;20,5;7\n1;1;1\n2;-1;x\nx;1;1\n";
    let table = partner::read_table(csv.as_bytes(), sidecar).unwrap();
    assert_eq!(table.way_ids().into_iter().collect::<Vec<_>>(), [1, 2]);
    let r = partner::join(table, &[], &BTreeMap::new()).report;
    assert_eq!((r.rows, r.values_read, r.values_refused.values().sum::<usize>()), (4, 2, 6));
    assert_eq!((r.values_joined, r.values_unjoined), (0, 2));
    assert!(partner::read_table(b"osm_id,NO2\n1,2\n", sidecar).is_err());
    assert!(partner::read_table(csv.as_bytes(), &sidecar.replace("medium", "certain")).is_err());
}

proptest! {
    /// Whatever the bytes: an answer or an error, no panic, and counts that add up.
    #[test]
    fn any_bytes_add_up(bytes in proptest::collection::vec(any::<u8>(), 0..400), header in any::<bool>()) {
        let mut file = if header { b"local_id,lon,lat,date,value\n".to_vec() } else { Vec::new() };
        file.extend(bytes);
        if let Ok((layer, report)) = read(&file, &meta()) {
            prop_assert_eq!(report.kept + report.refused, report.rows);
            prop_assert_eq!(layer.points.len(), report.kept);
            prop_assert_eq!(report.reasons.values().sum::<usize>(), report.refused);
        }
    }

    /// Whatever the bytes, the OSM reader and the street edge reader answer without a panic.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let file = [b"<osm><way id=\"1\">".as_slice(), &bytes].concat();
        let _ = tournee_territory::osm::read(&file, &tournee_territory::osm::ReadLimits::default());
        let file = [b"u,v,key,osmid,oneway,name,highway,geometry\n".as_slice(), &bytes].concat();
        let config = tournee_territory::NetworkConfig::embedded().unwrap();
        let _ = tournee_territory::street_edges::read(&file, &config, &std::collections::BTreeSet::new());
    }
}
