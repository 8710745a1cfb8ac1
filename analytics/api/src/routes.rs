//! Addresses and what stands behind them. Handlers parse, look up and send; the work was done when the snapshot came.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tournee_indicators::Theme;
use tower_http::compression::CompressionLayer;

use crate::downloads;
use crate::error::ApiError;
use crate::lang::Lang;
use crate::state::AppState;

/// Longest identifier in an address, characters.
const ID_CHARS_MAX: usize = 64;
/// Longest answer: the largest GeoPackage of a city takes a few seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// For what a new build or a new snapshot changes: ask each time, by entity tag.
const REVALIDATE: &str = "no-cache";
/// For assets: their names carry a hash of their content.
const FOREVER: &str = "public, max-age=31536000, immutable";

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; worker-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; object-src 'none'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// All routes over a state.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{*path}", get(asset))
        .route("/healthz", get(health))
        .route("/api/territories", get(territories))
        .route("/api/territories/{territory}/base.geojson", get(base))
        .route("/api/territories/{territory}/layers/{file}", get(layer))
        .route("/api/territories/{territory}/legend", get(legend))
        .route("/api/territories/{territory}/recommendations", get(recommendations))
        .route("/api/territories/{territory}/sections/{section}", get(section))
        .route("/api/territories/{territory}/downloads/{file}", get(download))
        .fallback(async |ask: Ask| ApiError::NotFound.respond(ask.lang))
        .method_not_allowed_fallback(async |ask: Ask| ApiError::MethodNotAllowed.respond(ask.lang))
        .layer(middleware::from_fn(guard))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(state)
}

/// Time limit and the headers that every answer carries.
async fn guard(request: Request, next: Next) -> Response {
    let lang = lang_of(request.uri().query(), request.headers());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path().to_owned();
    let mut response = match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout.respond(lang),
    };
    if reads && response.status().is_server_error() {
        tracing::warn!(path, status = response.status().as_u16(), "a request failed");
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn lang_of(query: Option<&str>, headers: &HeaderMap) -> Lang {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Lang::of_request(query, accepted)
}

/// What every handler wants to know of a request.
struct Ask {
    lang: Lang,
    headers: HeaderMap,
    query: Option<String>,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Ask {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().map(str::to_owned);
        Ok(Self { lang: lang_of(query.as_deref(), &parts.headers), headers: parts.headers.clone(), query })
    }
}

impl Ask {
    /// A query parameter; identifiers need no percent-decoding.
    fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }

    fn answer(&self, result: Result<Response, ApiError>) -> Response {
        result.unwrap_or_else(|error| error.respond(self.lang))
    }
}

fn identifier(text: &str) -> Result<&str, ApiError> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fits = (1..=ID_CHARS_MAX).contains(&text.len()) && text.chars().all(known);
    if fits { Ok(text) } else { Err(ApiError::BadParameter) }
}

async fn page(State(state): State<AppState>, ask: Ask) -> Response {
    let mut response = state.assets().page(ask.lang).respond(&ask.headers, REVALIDATE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(ask.lang.tag()));
    headers.append(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

async fn asset(State(state): State<AppState>, Path(path): Path<String>, ask: Ask) -> Response {
    match state.assets().file(&path) {
        Some(file) => file.respond(&ask.headers, FOREVER),
        None => ApiError::NotFound.respond(ask.lang),
    }
}

async fn health(State(state): State<AppState>, ask: Ask) -> Response {
    state.served().health.respond(&ask.headers, "no-store")
}

async fn territories(State(state): State<AppState>, ask: Ask) -> Response {
    state.served().list.respond(&ask.headers, REVALIDATE)
}

async fn base(State(state): State<AppState>, Path(id): Path<String>, ask: Ask) -> Response {
    let served = state.served();
    let found = identifier(&id).and_then(|id| served.territory(id));
    ask.answer(found.map(|territory| territory.base.respond(&ask.headers, REVALIDATE)))
}

async fn legend(State(state): State<AppState>, Path(id): Path<String>, ask: Ask) -> Response {
    let served = state.served();
    let found = identifier(&id).and_then(|id| served.territory(id));
    ask.answer(found.map(|territory| territory.legend.respond(&ask.headers, REVALIDATE)))
}

async fn recommendations(State(state): State<AppState>, Path(id): Path<String>, ask: Ask) -> Response {
    let served = state.served();
    let found = identifier(&id).and_then(|id| served.territory(id));
    ask.answer(found.map(|territory| territory.recommendations.respond(&ask.headers, REVALIDATE)))
}

async fn layer(State(state): State<AppState>, Path((id, file)): Path<(String, String)>, ask: Ask) -> Response {
    let served = state.served();
    let find = || {
        let territory = served.territory(identifier(&id)?)?;
        let theme = file.strip_suffix(".geojson").and_then(Theme::from_name).ok_or(ApiError::UnknownLayer)?;
        let indicator = ask.parameter("indicator").map(identifier).transpose()?;
        Ok(territory.layer(theme, indicator)?.respond(&ask.headers, REVALIDATE))
    };
    ask.answer(find())
}

async fn section(State(state): State<AppState>, Path((id, section)): Path<(String, String)>, ask: Ask) -> Response {
    let served = state.served();
    let find = || {
        let territory = served.territory(identifier(&id)?)?;
        let body = territory.explain(identifier(&section)?, &served)?;
        let mut response = Response::new(axum::body::Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(REVALIDATE));
        Ok(response)
    };
    ask.answer(find())
}

async fn download(State(state): State<AppState>, Path((id, file)): Path<(String, String)>, ask: Ask) -> Response {
    let served = state.served();
    let prepare = async {
        let id = identifier(&id)?;
        let (code, extension) = file.rsplit_once('.').ok_or(ApiError::UnknownFormat)?;
        let format = downloads::Format::of(extension, ask.parameter("variant")).ok_or(ApiError::UnknownFormat)?;
        downloads::respond(Arc::clone(&served), id, identifier(code)?, format, &ask.headers).await
    };
    ask.answer(prepare.await)
}
