//! Writers of what a collectivité downloads. A [`FeatureTable`] holds typed columns, one line per row and what every
//! file must say about itself (licence, credits, vintage, method); the writers turn tables into bytes. No IO, no clock.
//!
//! [`commune_tables`] makes the tables of a commune and applies the public gates; then [`geojson`] (EPSG:4326, RFC 7946),
//! [`csv_open`] with [`table_schema`], [`csv_fr`] for a spreadsheet, or [`gpkg`] in the legal projection ([`Crs`]).

mod commune;
mod crs;
mod csv_out;
mod error;
mod gate;
mod geojson_out;
mod gpkg;
mod gpkg_geometry;
mod gpkg_schema;
mod near;
mod qml;
mod table;
mod week;
mod words;

pub use commune::{Published, commune_tables, commune_tables_with};
pub use crs::Crs;
pub use csv_out::{csv_fr, csv_open, table_schema};
pub use error::PublishError;
pub use gate::{PublicGate, Withheld};
pub use geojson_out::geojson;
pub use gpkg::gpkg;
pub use table::{Column, ColumnType, Feature, FeatureTable, Metadata, Style, StyleClass, Value};
pub use week::{iso_week, monday_of};
