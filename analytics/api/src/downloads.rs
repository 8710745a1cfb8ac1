//! Files that a commune takes away: made at the first request, kept with the snapshot, named in French.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use tournee_publish::Crs;

use crate::body::Prepared;
use crate::error::ApiError;
use crate::served::Served;

/// Formats of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// GeoJSON, WGS 84.
    GeoJson,
    /// CSV as open data: comma, decimal point, UTF-8.
    Csv,
    /// CSV for a spreadsheet set to French: semicolon, decimal comma, byte order mark.
    CsvFr,
    /// GeoPackage in the legal projection of the place: EPSG:2154 in metropolitan France.
    Gpkg,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GeoJson, Self::Csv, Self::CsvFr, Self::Gpkg];

    /// By extension and variant.
    #[must_use]
    pub fn of(extension: &str, variant: Option<&str>) -> Option<Self> {
        match (extension, variant) {
            ("geojson", None) => Some(Self::GeoJson),
            ("csv", None) => Some(Self::Csv),
            ("csv", Some("fr")) => Some(Self::CsvFr),
            ("gpkg", None) => Some(Self::Gpkg),
            _ => None,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::GeoJson => "application/geo+json",
            Self::Csv | Self::CsvFr => "text/csv; charset=utf-8",
            Self::Gpkg => "application/geopackage+sqlite3",
        }
    }

    /// What follows the commune in the file's name.
    const fn ending(self) -> &'static str {
        match self {
            Self::GeoJson => "indicateurs.geojson",
            Self::Csv => "indicateurs.csv",
            Self::CsvFr => "indicateurs-tableur.csv",
            Self::Gpkg => "indicateurs.gpkg",
        }
    }
}

/// Answers with the file of a commune.
///
/// # Errors
/// For an unknown territory or commune, and where the file cannot be written.
pub(crate) async fn respond(
    served: Arc<Served>,
    territory: &str,
    code_insee: &str,
    format: Format,
    request: &HeaderMap,
) -> Result<Response, ApiError> {
    let found = served.territory(territory)?;
    let key = (code_insee.to_owned(), format);
    let slot = found.downloads.get(&key).ok_or(ApiError::UnknownCommune)?;
    let commune = found.view.territory.communes.iter().find(|commune| commune.code_insee == code_insee);
    let name = commune.map_or("", |commune| commune.name.as_str());
    let file = slot
        .get_or_try_init(|| {
            let served = Arc::clone(&served);
            let (territory, code_insee) = (territory.to_owned(), code_insee.to_owned());
            // SQLite and large texts: off the threads that answer.
            let work = tokio::task::spawn_blocking(move || write(&served, &territory, &code_insee, format));
            async move { work.await.map_err(|_| ApiError::Internal)? }
        })
        .await?;
    let mut response = file.respond(request, "no-cache");
    let disposition = format!("attachment; filename=\"{}\"", file_name(code_insee, name, format));
    let disposition = HeaderValue::try_from(disposition).map_err(|_| ApiError::Internal)?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

fn write(served: &Served, territory: &str, code_insee: &str, format: Format) -> Result<Prepared, ApiError> {
    let view = &served.territory(territory)?.view;
    let tables = || {
        tournee_publish::commune_tables_with(
            &served.published,
            &view.territory,
            &view.indicators,
            &view.recommendations,
            code_insee,
        )
    };
    let bytes = tables().and_then(|tables| match format {
        Format::GeoJson => Ok(tournee_publish::geojson(&tables)),
        Format::Csv => tournee_publish::csv_open(&tables),
        Format::CsvFr => tournee_publish::csv_fr(&tables),
        Format::Gpkg => tournee_publish::gpkg(&tables, Crs::for_commune(code_insee)),
    });
    match bytes {
        Ok(bytes) => Ok(Prepared::new(format.content_type(), bytes)),
        Err(error) => {
            tracing::error!(%error, territory, code_insee, ?format, "a download cannot be written");
            Err(ApiError::Internal)
        }
    }
}

/// `tournee-35236-redon-indicateurs.gpkg`: letters, digits and hyphens only, so that every system keeps it.
fn file_name(code_insee: &str, commune: &str, format: Format) -> String {
    let mut slug = String::with_capacity(commune.len());
    for c in commune.to_lowercase().chars().take(40) {
        match unaccented(c) {
            Some(c) => slug.push(c),
            None if slug.ends_with('-') || slug.is_empty() => {}
            None => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    let between = if slug.is_empty() { "" } else { "-" };
    format!("tournee-{code_insee}{between}{slug}-{}", format.ending())
}

const fn unaccented(c: char) -> Option<char> {
    Some(match c {
        'a'..='z' | '0'..='9' => c,
        'à' | 'â' | 'ä' | 'á' => 'a',
        'ç' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' | 'í' => 'i',
        'ô' | 'ö' | 'ó' => 'o',
        'ù' | 'û' | 'ü' | 'ú' => 'u',
        'ÿ' => 'y',
        'œ' => 'o',
        'æ' => 'a',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_french_and_survive_every_file_system() {
        assert_eq!(file_name("35236", "Redon", Format::Gpkg), "tournee-35236-redon-indicateurs.gpkg");
        assert_eq!(
            file_name("44185", "Saint-Nicolas-de-Redon", Format::CsvFr),
            "tournee-44185-saint-nicolas-de-redon-indicateurs-tableur.csv"
        );
        assert_eq!(file_name("75056", "L'Haÿ \"/..\\ é", Format::Csv), "tournee-75056-l-hay-e-indicateurs.csv");
        assert_eq!(file_name("IE-D", "", Format::GeoJson), "tournee-IE-D-indicateurs.geojson");
    }

    #[test]
    fn only_written_formats_are_known() {
        assert_eq!(Format::of("csv", Some("fr")), Some(Format::CsvFr));
        for (extension, variant) in [("gpkg", Some("fr")), ("csv", Some("de")), ("xlsx", None), ("", None)] {
            assert_eq!(Format::of(extension, variant), None);
        }
    }
}
