//! The table that every writer writes.

use std::collections::BTreeMap;

use crate::PublishError;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// Whole number.
    Integer,
    /// Number, printed with so many decimals where a text is made of it.
    Real {
        /// Decimals.
        decimals: u8,
    },
    /// Date, ISO 8601.
    Date,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name: a-z, 0-9 and `_`, French, without accents.
    pub name: String,
    /// Type.
    pub kind: ColumnType,
    /// Title as printed, French.
    pub title: String,
    /// Meaning and unit, French.
    pub description: String,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known.
    Null,
    /// Of a text column.
    Text(String),
    /// Of an integer column.
    Integer(i64),
    /// Of a real column; must be finite.
    Real(f64),
    /// Of a date column: `YYYY-MM-DD`.
    Date(String),
}

impl Value {
    fn fits(&self, kind: ColumnType) -> bool {
        match (self, kind) {
            (Self::Null, _) | (Self::Text(_), ColumnType::Text) | (Self::Integer(_), ColumnType::Integer) => true,
            (Self::Real(value), ColumnType::Real { .. }) => value.is_finite(),
            (Self::Date(date), ColumnType::Date) => is_iso_date(date),
            _ => false,
        }
    }
}

/// A row: a line and its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Stable id.
    pub id: String,
    /// Course, `[longitude, latitude]` in degrees, WGS 84; at least two points.
    pub line: Vec<[f64; 2]>,
    /// Cells in the order of the columns.
    pub values: Vec<Value>,
}

/// How a table is drawn: one colour per value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Column that decides.
    pub column: String,
    /// Classes; what has none of these values is drawn grey.
    pub classes: Vec<StyleClass>,
}

/// One class of a style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StyleClass {
    /// Value of the column, as text.
    pub value: String,
    /// Words of the legend.
    pub label: String,
    /// `#RRGGBB`.
    pub colour: String,
}

/// What every file says about itself. French.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What the table is.
    pub description: String,
    /// What is measured and what is simulated.
    pub statement: String,
    /// Licence of the file.
    pub licence: String,
    /// Credits that must stand beside the data.
    pub credits: Vec<String>,
    /// Mondays of the first and the last week of measurement, `2026-01-05/2026-01-19` (a partner's dates as given); empty
    /// where unknown.
    pub vintage: String,
    /// Versions of program and data files that made the values.
    pub method_version: String,
    /// When the values were computed, ISO 8601; empty where not said.
    pub produced_at: String,
    /// Rows that were left out, by reason.
    pub left_out: BTreeMap<String, u64>,
}

impl Metadata {
    /// Key and value of everything that is said, for files that carry a plain list.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, String)> {
        let mut entries: Vec<(String, String)> = [
            ("description", &self.description),
            ("origine", &self.statement),
            ("licence", &self.licence),
            ("millesime", &self.vintage),
            ("methode", &self.method_version),
            ("produit_le", &self.produced_at),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
        entries.extend(self.credits.iter().map(|credit| ("credit".to_owned(), credit.clone())));
        entries.extend(self.left_out.iter().map(|(reason, n)| (format!("lignes_ecartees: {reason}"), n.to_string())));
        entries
    }
}

/// A table with geometry. Rows can only be added through [`FeatureTable::push`], so that every writer may rely on them.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    name: String,
    title: String,
    columns: Vec<Column>,
    features: Vec<Feature>,
    style: Option<Style>,
    /// What the file says about itself.
    pub metadata: Metadata,
}

impl FeatureTable {
    /// An empty table.
    ///
    /// # Errors
    /// A name that files cannot carry, a column that stands twice or bears the name of a column that writers add, a
    /// style on a column that is not there.
    pub fn new(name: &str, title: &str, columns: Vec<Column>, style: Option<Style>) -> Result<Self, PublishError> {
        for (at, column) in columns.iter().enumerate() {
            let twice = columns.iter().take(at).any(|other| other.name == column.name);
            if !is_name(&column.name) || twice || ["fid", "geom", "couche"].contains(&column.name.as_str()) {
                return Err(PublishError::Name(column.name.clone()));
            }
        }
        if !is_name(name) || name.starts_with("gpkg") || name.starts_with("rtree") || name.starts_with("sqlite") {
            return Err(PublishError::Name(name.into()));
        }
        if let Some(style) = &style
            && !columns.iter().any(|column| column.name == style.column)
        {
            return Err(PublishError::Name(style.column.clone()));
        }
        let (name, title) = (name.to_owned(), title.to_owned());
        Ok(Self { name, title, columns, features: Vec::new(), style, metadata: Metadata::default() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Too few points, a position that is not in degrees, the wrong number of cells, or a cell of another type.
    pub fn push(&mut self, feature: Feature) -> Result<(), PublishError> {
        let wrong =
            |message: String| Err(PublishError::Row { table: self.name.clone(), row: feature.id.clone(), message });
        if feature.line.len() < 2 {
            return wrong("a line needs two points".into());
        }
        if let Some([lon, lat]) =
            feature.line.iter().find(|[lon, lat]| !(-180.0..=180.0).contains(lon) || !(-90.0..=90.0).contains(lat))
        {
            return wrong(format!("{lon}, {lat} is not a longitude and a latitude in degrees"));
        }
        if feature.values.len() != self.columns.len() {
            return wrong(format!("{} cells for {} columns", feature.values.len(), self.columns.len()));
        }
        if let Some((value, column)) =
            feature.values.iter().zip(&self.columns).find(|(value, column)| !value.fits(column.kind))
        {
            return wrong(format!("{value:?} does not fit column `{}` ({:?})", column.name, column.kind));
        }
        self.features.push(feature);
        Ok(())
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Title as printed.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Rows.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How it is drawn.
    #[must_use]
    pub fn style(&self) -> Option<&Style> {
        self.style.as_ref()
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 60
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(crate) fn is_iso_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

/// The point halfway along a line, in degrees; lengths are compared on a local plane, which is enough for a street.
pub(crate) fn middle(line: &[[f64; 2]]) -> Option<[f64; 2]> {
    let [_, lat] = *line.first()?;
    let squeeze = lat.to_radians().cos();
    let steps: Vec<f64> = line
        .windows(2)
        .map(|pair| match pair {
            [[x0, y0], [x1, y1]] => ((x1 - x0) * squeeze).hypot(y1 - y0),
            _ => 0.0,
        })
        .collect();
    let mut left = steps.iter().sum::<f64>() / 2.0;
    for (pair, step) in line.windows(2).zip(&steps) {
        if let [[x0, y0], [x1, y1]] = pair
            && left <= *step
            && *step > 0.0
        {
            let part = left / step;
            return Some([x0 + (x1 - x0) * part, y0 + (y1 - y0) * part]);
        }
        left -= step;
    }
    line.last().copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn column(name: &str, kind: ColumnType) -> Column {
        Column { name: name.into(), kind, title: format!("Titre {name}"), description: format!("Sens de {name}") }
    }

    /// Two rows in Redon; hostile text, an empty cell.
    pub(crate) fn sample() -> FeatureTable {
        let columns = vec![
            column("id_section", ColumnType::Text),
            column("nom_voie", ColumnType::Text),
            column("valeur", ColumnType::Real { decimals: 1 }),
            column("n_passages", ColumnType::Integer),
            column("derniere_date", ColumnType::Date),
            column("classe", ColumnType::Integer),
        ];
        let classes = vec![StyleClass { value: "1".into(), label: "Bon <&>".into(), colour: "#50F0E6".into() }];
        let style = Style { column: "classe".into(), classes };
        let mut table = FeatureTable::new("air", "Air – particules", columns, Some(style)).unwrap();
        table.metadata = Metadata {
            description: "Médiane des passages".into(),
            statement: "Simulé".into(),
            licence: "ODbL-1.0".into(),
            credits: vec!["© les contributeurs OpenStreetMap".into()],
            vintage: "2026-01-05/2026-01-20".into(),
            method_version: "tournee 0.1.0".into(),
            produced_at: String::new(),
            left_out: BTreeMap::from([("moins de 2 véhicules".into(), 3)]),
        };
        let line = vec![[-2.0851, 47.6512], [-2.0840, 47.6520]];
        let first = vec![
            Value::Text("w1-n1-0".into()),
            Value::Text("=Rue \"d'Échange\"; 1,5\r\n\u{7}".into()),
            Value::Real(1234.56),
            Value::Integer(12),
            Value::Date("2026-01-20".into()),
            Value::Integer(1),
        ];
        table.push(Feature { id: "w1-n1-0".into(), line: line.clone(), values: first }).unwrap();
        let mut second = vec![Value::Null; 6];
        second[0] = Value::Text("w1-n1-1".into());
        table.push(Feature { id: "w1-n1-1".into(), line, values: second }).unwrap();
        table
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut table = sample();
        let good = table.features()[0].clone();
        for (change, what) in [
            (Feature { line: vec![[0.0, 0.0]], ..good.clone() }, "two points"),
            (Feature { line: vec![[0.0, 91.0]; 2], ..good.clone() }, "degrees"),
            (Feature { line: vec![[f64::NAN, 1.0]; 2], ..good.clone() }, "degrees"),
            (Feature { values: Vec::new(), ..good.clone() }, "cells"),
        ] {
            assert!(table.push(change).unwrap_err().to_string().contains(what), "{what}");
        }
        for (at, value) in [
            (0, Value::Integer(1)),
            (2, Value::Real(f64::NAN)),
            (2, Value::Integer(1)),
            (4, Value::Date("20/01/2026".into())),
        ] {
            let mut bad = good.clone();
            bad.values[at] = value;
            assert!(table.push(bad).is_err());
        }
        assert_eq!(table.features().len(), 2);
        for name in ["", "Air", "1air", "air; drop", "é", "gpkg_x", "fid"] {
            let bad = FeatureTable::new(name, "", Vec::new(), None).is_err();
            assert!(bad || name == "fid", "{name}");
            assert!(
                FeatureTable::new("t", "", vec![column(name, ColumnType::Text)], None).is_err() || name == "gpkg_x"
            );
        }
    }

    #[test]
    fn middle_of_a_line() {
        assert_eq!(middle(&[[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]]), Some([2.0, 0.0]));
        assert_eq!(middle(&[[1.0, 1.0], [1.0, 1.0]]), Some([1.0, 1.0]));
        assert_eq!(middle(&[]), None);
    }
}
