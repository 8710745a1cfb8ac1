//! GeoPackage: one layer per table, already styled in QGIS, with an R-tree per layer and a table `metadonnees`.
//!
//! The file is made in memory; the same tables give the same bytes.

use rusqlite::{Connection, ToSql, params, params_from_iter};

use crate::PublishError;
use crate::crs::{Crs, Projector};
use crate::gpkg_geometry::{Envelope, line_string};
use crate::gpkg_schema as schema;
use crate::qml;
use crate::table::{Column, ColumnType, FeatureTable, Value, is_iso_date};

/// Where a table says nothing about its time: the standard asks for some time of the last change.
const UNKNOWN_CHANGE: &str = "2000-01-01";

/// A GeoPackage 1.3 of all tables in one projection.
///
/// # Errors
/// A position outside the projection, two tables of one name, or SQLite.
pub fn gpkg(tables: &[FeatureTable], crs: Crs) -> Result<Vec<u8>, PublishError> {
    if let Some((_, twice)) =
        tables.iter().enumerate().find(|(at, table)| tables.iter().take(*at).any(|other| other.name() == table.name()))
    {
        return Err(PublishError::Name(twice.name().into()));
    }
    let projector = crs.projector()?;
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", schema::USER_VERSION)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(schema::CORE)?;
    reference_systems(&transaction, crs)?;
    for table in tables {
        layer(&transaction, table, crs, &projector)?;
    }
    attributes(&transaction, tables)?;
    transaction.commit()?;
    Ok(connection.serialize("main")?.to_vec())
}

fn reference_systems(connection: &Connection, crs: Crs) -> Result<(), PublishError> {
    let mut insert = connection.prepare("INSERT INTO gpkg_spatial_ref_sys VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    insert.execute(params![
        "Undefined Cartesian SRS",
        -1,
        "NONE",
        -1,
        "undefined",
        "undefined Cartesian coordinates"
    ])?;
    insert.execute(params![
        "Undefined geographic SRS",
        0,
        "NONE",
        0,
        "undefined",
        "undefined geographic coordinates"
    ])?;
    let mut systems = vec![Crs::Wgs84];
    systems.extend((crs != Crs::Wgs84).then_some(crs));
    for system in systems {
        insert.execute(params![system.name(), system.epsg(), "EPSG", system.epsg(), system.wkt(), system.name()])?;
    }
    Ok(())
}

fn layer(connection: &Connection, table: &FeatureTable, crs: Crs, projector: &Projector) -> Result<(), PublishError> {
    let name = table.name();
    let columns: String =
        table.columns().iter().map(|column| format!(", {} {}", column.name, sql_type(column))).collect();
    connection.execute_batch(&format!(
        "CREATE TABLE {name} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom LINESTRING{columns});"
    ))?;
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) VALUES (?1, 'features', ?1, ?2, ?3, ?4)",
        params![name, format!("{} – {}", table.title(), table.metadata.description), changed(table), crs.epsg()],
    )?;
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?1, 'geom', 'LINESTRING', ?2, 0, 0)",
        params![name, crs.epsg()],
    )?;
    connection.execute_batch(&schema::rtree(name))?;
    let marks: String = (0..table.columns().len()).map(|_| ", ?").collect();
    let mut insert = connection.prepare(&format!("INSERT INTO {name} VALUES (?, ?{marks})"))?;
    let mut index = connection.prepare(&format!("INSERT INTO rtree_{name}_geom VALUES (?1, ?2, ?3, ?4, ?5)"))?;
    let mut extent: Option<Envelope> = None;
    for (feature, fid) in table.features().iter().zip(1i64..) {
        let points = feature.line.iter().map(|point| projector.project(*point)).collect::<Result<Vec<_>, _>>()?;
        let Some(envelope) = Envelope::of(&points) else { continue };
        extent = Some(extent.map_or(envelope, |all| all.with(envelope)));
        let mut cells: Vec<Box<dyn ToSql>> = vec![Box::new(fid), Box::new(line_string(&points, envelope, crs.epsg()))];
        cells.extend(feature.values.iter().map(cell));
        insert.execute(params_from_iter(cells))?;
        index.execute(params![fid, envelope.min_x, envelope.max_x, envelope.min_y, envelope.max_y])?;
    }
    connection.execute_batch(&schema::rtree_triggers(name))?;
    if let Some(all) = extent {
        connection.execute(
            "UPDATE gpkg_contents SET min_x = ?2, min_y = ?3, max_x = ?4, max_y = ?5 WHERE table_name = ?1",
            params![name, all.min_x, all.min_y, all.max_x, all.max_y],
        )?;
    }
    let mut titles = connection.prepare(
        "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description) VALUES (?1, ?2, ?2, ?3, ?4)",
    )?;
    for column in table.columns() {
        titles.execute(params![name, column.name, column.title, column.description])?;
    }
    if let Some(style) = table.style() {
        connection.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time) VALUES ('', '', ?1, 'geom', ?1, ?2, '', 1, ?3, '', ?4)",
            params![name, qml::categorised_lines(style), table.title(), changed(table)],
        )?;
    }
    Ok(())
}

/// Registers the tables without geometry and writes what each layer says about itself.
fn attributes(connection: &Connection, tables: &[FeatureTable]) -> Result<(), PublishError> {
    let latest = tables.iter().map(changed).max().unwrap_or_else(|| format!("{UNKNOWN_CHANGE}T00:00:00.000Z"));
    let mut contents = connection.prepare(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) VALUES (?1, 'attributes', ?1, ?2, ?3)",
    )?;
    contents.execute(params!["layer_styles", "Styles QGIS", latest])?;
    contents.execute(params!["metadonnees", "Licence, crédits, millésime et méthode de chaque couche", latest])?;
    let mut insert = connection.prepare("INSERT INTO metadonnees (couche, cle, valeur) VALUES (?1, ?2, ?3)")?;
    for table in tables {
        insert.execute(params![table.name(), "titre", table.title()])?;
        for (key, value) in table.metadata.entries() {
            insert.execute(params![table.name(), key, value])?;
        }
    }
    Ok(())
}

const fn sql_type(column: &Column) -> &'static str {
    match column.kind {
        ColumnType::Text => "TEXT",
        ColumnType::Integer => "INTEGER",
        ColumnType::Real { .. } => "REAL",
        ColumnType::Date => "DATE",
    }
}

fn cell(value: &Value) -> Box<dyn ToSql> {
    match value {
        Value::Null => Box::new(rusqlite::types::Null),
        // SQLite ends a text at NUL in many readers.
        Value::Text(text) | Value::Date(text) => Box::new(text.replace('\0', "")),
        Value::Integer(number) => Box::new(*number),
        Value::Real(number) => Box::new(*number),
    }
}

/// When a table last changed: when it was produced, else its last day of measurement. Never the clock, so that the same
/// tables give the same bytes.
fn changed(table: &FeatureTable) -> String {
    let meta = &table.metadata;
    let produced = meta.produced_at.get(..10);
    let measured = meta.vintage.rsplit('/').next();
    let day = [produced, measured].into_iter().flatten().find(|day| is_iso_date(day)).unwrap_or(UNKNOWN_CHANGE);
    format!("{day}T00:00:00.000Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::sample;

    #[test]
    fn same_tables_same_bytes_and_one_name_once() {
        let bytes = gpkg(&[sample()], Crs::Lambert93).unwrap();
        assert_eq!(bytes, gpkg(&[sample()], Crs::Lambert93).unwrap());
        assert_eq!(&bytes[..15], b"SQLite format 3");
        assert_eq!(&bytes[68..72], b"GPKG");
        assert!(matches!(gpkg(&[sample(), sample()], Crs::Wgs84), Err(PublishError::Name(_))));
    }
}
