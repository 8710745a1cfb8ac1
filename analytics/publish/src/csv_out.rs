//! CSV twice: for open data and for a spreadsheet set to French. One file holds all tables, one under the other.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::PublishError;
use crate::table::{Column, ColumnType, FeatureTable, Value, middle};

/// Comma, decimal point, UTF-8 without byte order mark, ISO 8601 dates, and the course as WKT. Its description is
/// [`table_schema`].
///
/// # Errors
/// A column that has two types in two tables.
pub fn csv_open(tables: &[FeatureTable]) -> Result<Vec<u8>, PublishError> {
    let plan = Plan::new(tables)?;
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let mut header = plan.header();
    header.push("geometrie_wkt");
    write(&mut writer, header)?;
    for (table, feature, cells) in plan.rows(tables) {
        let mut record = vec![table.name().to_owned()];
        record.extend(cells.iter().map(|cell| open_cell(cell.0)));
        let [lon, lat] = middle(&feature.line).unwrap_or([f64::NAN; 2]);
        record.extend([format!("{lon:.6}"), format!("{lat:.6}")]);
        record.extend(provenance(table));
        let mut wkt = String::from("LINESTRING (");
        for (at, [x, y]) in feature.line.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(wkt, "{comma}{x:.6} {y:.6}");
        }
        wkt.push(')');
        record.push(wkt);
        write(&mut writer, record)?;
    }
    finish(writer)
}

/// Semicolon, decimal comma, UTF-8 with byte order mark, CRLF, dates JJ/MM/AAAA: opens with a double click. A text that
/// a spreadsheet would take for a formula gets an apostrophe in front.
///
/// # Errors
/// A column that has two types in two tables.
pub fn csv_fr(tables: &[FeatureTable]) -> Result<Vec<u8>, PublishError> {
    let plan = Plan::new(tables)?;
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    write(&mut writer, plan.header())?;
    for (table, feature, cells) in plan.rows(tables) {
        let mut record = vec![table.name().to_owned()];
        record.extend(cells.iter().map(|cell| french_cell(cell.0, cell.1)));
        let [lon, lat] = middle(&feature.line).unwrap_or([f64::NAN; 2]);
        record.extend([format!("{lon:.6}").replace('.', ","), format!("{lat:.6}").replace('.', ",")]);
        record.extend(provenance(table).map(|text| harmless(&text)));
        write(&mut writer, record)?;
    }
    finish(writer)
}

/// Table Schema (frictionlessdata.io) of what [`csv_open`] writes for the same tables, as JSON.
///
/// # Errors
/// A column that has two types in two tables.
pub fn table_schema(tables: &[FeatureTable]) -> Result<Vec<u8>, PublishError> {
    let plan = Plan::new(tables)?;
    let field = |name: &str, kind: &str, title: &str| json!({ "name": name, "type": kind, "title": title });
    let mut fields = vec![field("couche", "string", "Couche de données")];
    for column in &plan.columns {
        let kind = match column.kind {
            ColumnType::Text => "string",
            ColumnType::Integer => "integer",
            ColumnType::Real { .. } => "number",
            ColumnType::Date => "date",
        };
        let mut one = field(&column.name, kind, &column.title);
        if let Json::Object(map) = &mut one {
            map.insert("description".into(), column.description.as_str().into());
        }
        fields.push(one);
    }
    fields.push(field("longitude", "number", "Longitude du milieu, degrés, WGS 84"));
    fields.push(field("latitude", "number", "Latitude du milieu, degrés, WGS 84"));
    fields.push(field("millesime", "string", "Première et dernière semaine de mesure (leurs lundis)"));
    fields.push(field("licence", "string", "Licence"));
    fields.push(field("source", "string", "Crédits"));
    fields.push(field("geometrie_wkt", "string", "Tracé, WKT, WGS 84"));
    let schema = json!({ "$schema": "https://specs.frictionlessdata.io/schemas/table-schema.json", "fields": fields, "missingValues": [""] });
    Ok(format!("{schema:#}\n").into_bytes())
}

/// The union of the columns of all tables, in order of first appearance.
struct Plan {
    columns: Vec<Column>,
}

impl Plan {
    fn new(tables: &[FeatureTable]) -> Result<Self, PublishError> {
        let mut columns: Vec<Column> = Vec::new();
        for table in tables {
            for column in table.columns() {
                match columns.iter().find(|known| known.name == column.name) {
                    None => columns.push(column.clone()),
                    Some(known) if std::mem::discriminant(&known.kind) == std::mem::discriminant(&column.kind) => {}
                    Some(_) => {
                        let (column, table) = (column.name.clone(), table.name().to_owned());
                        return Err(PublishError::Mixed { column, table });
                    }
                }
            }
        }
        Ok(Self { columns })
    }

    fn header(&self) -> Vec<&str> {
        let mut header = vec!["couche"];
        header.extend(self.columns.iter().map(|column| column.name.as_str()));
        header.extend(["longitude", "latitude", "millesime", "licence", "source"]);
        header
    }

    /// Every row of every table with its cells in the order of the plan; decimals are those of the row's own table.
    fn rows<'a>(
        &'a self,
        tables: &'a [FeatureTable],
    ) -> impl Iterator<Item = (&'a FeatureTable, &'a crate::Feature, Vec<(&'a Value, ColumnType)>)> {
        const NULL: &Value = &Value::Null;
        tables.iter().flat_map(move |table| {
            let places: Vec<Option<usize>> = self
                .columns
                .iter()
                .map(|wanted| table.columns().iter().position(|column| column.name == wanted.name))
                .collect();
            table.features().iter().map(move |feature| {
                let cells = places.iter().zip(&self.columns).map(|(place, wanted)| {
                    let found = place.and_then(|at| Some((feature.values.get(at)?, table.columns().get(at)?.kind)));
                    found.unwrap_or((NULL, wanted.kind))
                });
                (table, feature, cells.collect())
            })
        })
    }
}

fn provenance(table: &FeatureTable) -> [String; 3] {
    let meta = &table.metadata;
    [meta.vintage.clone(), meta.licence.clone(), meta.credits.join(" ; ")]
}

fn open_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) | Value::Date(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
    }
}

fn french_cell(value: &Value, kind: ColumnType) -> String {
    match (value, kind) {
        (Value::Null, _) => String::new(),
        (Value::Text(text), _) => harmless(text),
        (Value::Date(date), _) => tournee_indicators::format::date_fr(date),
        (Value::Integer(number), _) => number.to_string(),
        // Without thousands separators: a spreadsheet would take the number for a text.
        (Value::Real(number), ColumnType::Real { decimals }) => {
            format!("{number:.*}", usize::from(decimals)).replace('.', ",")
        }
        (Value::Real(number), _) => number.to_string().replace('.', ","),
    }
}

/// Texts that a spreadsheet would run as a formula, made plain.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn write<T: AsRef<[u8]>>(writer: &mut csv::Writer<Vec<u8>>, record: Vec<T>) -> Result<(), PublishError> {
    writer.write_record(record).map_err(|error| PublishError::Csv(error.to_string()))
}

fn finish(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, PublishError> {
    writer.into_inner().map_err(|error| PublishError::Csv(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{column, sample};

    fn read(bytes: &[u8], delimiter: u8) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(bytes);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn open_data_reads_back() {
        let bytes = csv_open(&[sample()]).unwrap();
        assert!(bytes.starts_with(b"couche,id_section,"));
        let rows = read(&bytes, b',');
        assert_eq!(rows.len(), 3);
        assert_eq!(
            rows[1][..7],
            ["air", "w1-n1-0", "=Rue \"d'Échange\"; 1,5\r\n\u{7}", "1234.56", "12", "2026-01-20", "1"]
        );
        assert_eq!(rows[2][3], "");
        assert_eq!(rows[1].last().unwrap(), "LINESTRING (-2.085100 47.651200, -2.084000 47.652000)");
    }

    #[test]
    fn french_opens_with_a_double_click_and_runs_nothing() {
        let bytes = csv_fr(&[sample()]).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("\u{feff}couche;id_section;"));
        assert!(text.contains("\r\n"));
        let rows = read(text.trim_start_matches('\u{feff}').as_bytes(), b';');
        assert!(rows[1][2].starts_with("'=Rue"));
        assert_eq!((rows[1][3].as_str(), rows[1][5].as_str()), ("1234,6", "20/01/2026"));
    }

    #[test]
    fn schema_names_every_column_of_the_file() {
        let schema: Json = serde_json::from_slice(&table_schema(&[sample()]).unwrap()).unwrap();
        let names: Vec<&str> =
            schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert_eq!(names, read(&csv_open(&[sample()]).unwrap(), b',')[0]);
        assert_eq!(schema["fields"][3]["type"], "number");
    }

    #[test]
    fn tables_of_other_columns_stand_in_one_file_but_never_two_types() {
        let other = FeatureTable::new("r", "", vec![column("rang", ColumnType::Integer)], None).unwrap();
        assert!(
            csv_open(&[sample(), other])
                .unwrap()
                .starts_with(b"couche,id_section,nom_voie,valeur,n_passages,derniere_date,classe,rang,")
        );
        let clash = FeatureTable::new("r", "", vec![column("valeur", ColumnType::Text)], None).unwrap();
        assert!(matches!(csv_open(&[sample(), clash]), Err(PublishError::Mixed { .. })));
    }
}
