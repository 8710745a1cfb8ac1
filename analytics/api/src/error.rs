//! Errors as the reader of an answer meets them: a status, what happened and what to do.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::lang::Lang;

/// Why a request has no answer. Only refusals can be expressed; causes go to the log, not to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No such territory.
    #[error("unknown territory")]
    UnknownTerritory,
    /// No such theme or indicator, or this territory has none of it.
    #[error("unknown layer")]
    UnknownLayer,
    /// No such section in this territory.
    #[error("unknown section")]
    UnknownSection,
    /// No such commune in this territory.
    #[error("unknown commune")]
    UnknownCommune,
    /// A download in a format that is not written.
    #[error("unknown format")]
    UnknownFormat,
    /// An identifier or parameter that cannot be one.
    #[error("malformed parameter")]
    BadParameter,
    /// No such page.
    #[error("no such page")]
    NotFound,
    /// Anything but reading.
    #[error("only GET and HEAD")]
    MethodNotAllowed,
    /// The answer took too long.
    #[error("took too long")]
    Timeout,
    /// A fault of ours.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownTerritory
            | Self::UnknownLayer
            | Self::UnknownSection
            | Self::UnknownCommune
            | Self::UnknownFormat
            | Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadParameter => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened and what to do about it.
    #[must_use]
    pub const fn words(self, lang: Lang) -> (&'static str, &'static str) {
        let (fr, en) = match self {
            Self::UnknownTerritory => (
                ("Territoire inconnu.", "Prenez un identifiant de la liste /api/territories."),
                ("Unknown territory.", "Take an id from /api/territories."),
            ),
            Self::UnknownLayer => (
                (
                    "Couche inconnue sur ce territoire.",
                    "Prenez un thème de la liste /api/territories : air, road, mobile ou heat.",
                ),
                ("No such layer in this territory.", "Take a theme from /api/territories: air, road, mobile or heat."),
            ),
            Self::UnknownSection => (
                ("Section inconnue sur ce territoire.", "Prenez un identifiant de section d'une couche du territoire."),
                ("No such section in this territory.", "Take a section id from one of the territory's layers."),
            ),
            Self::UnknownCommune => (
                ("Commune inconnue sur ce territoire.", "Prenez un code de la liste /api/territories."),
                ("No such commune in this territory.", "Take a code from /api/territories."),
            ),
            Self::UnknownFormat => (
                (
                    "Format de téléchargement inconnu.",
                    "Demandez .geojson, .csv, .csv?variant=fr (pour tableur) ou .gpkg.",
                ),
                ("Unknown download format.", "Ask for .geojson, .csv, .csv?variant=fr (for spreadsheets) or .gpkg."),
            ),
            Self::BadParameter => (
                ("Paramètre mal formé.", "Un identifiant compte 1 à 64 lettres, chiffres, « - » ou « _ »."),
                ("Malformed parameter.", "An identifier has 1 to 64 letters, digits, \"-\" or \"_\"."),
            ),
            Self::NotFound => (
                (
                    "Cette adresse n'existe pas.",
                    "La carte est à l'adresse « / », la liste des données à /api/territories.",
                ),
                ("No such address.", "The map is at \"/\", the list of data at /api/territories."),
            ),
            Self::MethodNotAllowed => (
                ("Ce serveur ne fait que lire.", "Utilisez GET ou HEAD."),
                ("This server only reads.", "Use GET or HEAD."),
            ),
            Self::Timeout => (
                ("La réponse a pris trop de temps.", "Réessayez dans une minute."),
                ("The answer took too long.", "Try again in a minute."),
            ),
            Self::Internal => (
                (
                    "Le serveur n'a pas pu préparer la réponse.",
                    "Réessayez ; si cela dure, voyez le journal du serveur.",
                ),
                ("The server could not prepare the answer.", "Try again; if it lasts, see the server's log."),
            ),
        };
        match lang {
            Lang::Fr => fr,
            Lang::En => en,
        }
    }

    /// The answer in a language.
    #[must_use]
    pub fn respond(self, lang: Lang) -> Response {
        let (error, what_to_do) = self.words(lang);
        let mut response = (self.status(), Json(json!({"error": error, "what_to_do": what_to_do}))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LANGUAGE, header::HeaderValue::from_static(lang.tag()));
        response
    }
}
