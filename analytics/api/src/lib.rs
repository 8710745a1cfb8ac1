//! The web map and its HTTP interface, over an immutable [`Snapshot`]. No query engine here: what is served was derived
//! before, and a newer snapshot replaces the whole.
//!
//! | Address | Answer |
//! |---|---|
//! | `/` | the page, French by default, by `?lang=` or `Accept-Language` |
//! | `/assets/…` | its assets; never the page in their place |
//! | `/healthz` | `{"status": "ok", …}` |
//! | `/api/territories` | territories with communes, themes, statement of what is measured and simulated, credits |
//! | `/api/territories/{id}/base.geojson` | communes, buildings, streets |
//! | `/api/territories/{id}/layers/{theme}.geojson` | measured sections; `?indicator=` for another than the headline |
//! | `/api/territories/{id}/legend` | classes, colours, units, rules of confidence |
//! | `/api/territories/{id}/recommendations` | recommendations with their reasons |
//! | `/api/territories/{id}/sections/{section}` | all that is known about a section |
//! | `/api/territories/{id}/downloads/{code}.{geojson,csv,gpkg}` | a commune's file; `?variant=fr` for spreadsheets |
//!
//! Errors are `{"error": …, "what_to_do": …}` with the right status. No answer names a box, a driver or a time finer
//! than a day.

pub mod assets;
mod body;
mod downloads;
mod error;
mod explain;
mod geojson;
mod lang;
mod legend;
mod probes;
mod routes;
mod served;
mod server;
mod snapshot;
mod state;

pub use downloads::Format;
pub use error::ApiError;
pub use lang::Lang;
pub use probes::{Probes, probes_router, serve_probes};
pub use routes::router;
pub use served::PrepareError;
pub use server::serve;
pub use snapshot::{Snapshot, TerritoryView};
pub use state::AppState;
