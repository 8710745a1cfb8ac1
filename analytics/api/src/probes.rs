//! Metrics and readiness of a role without a map, for the operator's own machine: three plain-text addresses.
//!
//! | Address | Answer |
//! |---|---|
//! | `/metrics` | Prometheus text exposition format 0.0.4 |
//! | `/ready` | 200 `ready`, or 503 with what is wrong |
//! | `/live` | 200 while the process answers |

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Time that open answers get to end after the stop was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// As the format asks.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a role says of itself. Asked at every request, so it must answer at once.
pub trait Probes: Send + Sync + 'static {
    /// The page of metrics.
    fn metrics(&self) -> String;

    /// Whether the role does its work.
    ///
    /// # Errors
    /// What is wrong, in one line.
    fn ready(&self) -> Result<(), String>;
}

async fn metrics(State(probes): State<Arc<dyn Probes>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], probes.metrics())
}

async fn ready(State(probes): State<Arc<dyn Probes>>) -> (StatusCode, String) {
    match probes.ready() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    }
}

/// The addresses, over what answers them.
pub fn probes_router(probes: Arc<dyn Probes>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/live", get(async || "live\n"))
        .with_state(probes)
}

/// Serves until `shutdown` is cancelled. The caller binds the listener, on loopback: nobody signs in here.
///
/// # Errors
/// Where the listener fails.
pub async fn serve_probes(
    listener: TcpListener,
    probes: Arc<dyn Probes>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = shutdown.clone();
    let server = axum::serve(listener, probes_router(probes)).with_graceful_shutdown(stop.cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = server => result,
        // A scraper that keeps its connection open must not keep the program alive.
        () = drained => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    struct Role(AtomicBool);

    impl Probes for Role {
        fn metrics(&self) -> String {
            "one 1\n".to_owned()
        }

        fn ready(&self) -> Result<(), String> {
            if self.0.load(Ordering::SeqCst) { Ok(()) } else { Err("no broker".to_owned()) }
        }
    }

    async fn ask(role: &Arc<Role>, path: &str) -> (u16, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = probes_router(role.clone()).oneshot(request).await.unwrap();
        let kind = answer.headers().get(header::CONTENT_TYPE).map(|it| it.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn three_addresses() {
        let role = Arc::new(Role(AtomicBool::new(false)));
        assert_eq!(ask(&role, "/metrics").await, (200, METRICS_TYPE.to_owned(), "one 1\n".to_owned()));
        let (status, _, why) = ask(&role, "/ready").await;
        assert_eq!((status, why.as_str()), (503, "no broker\n"));
        assert_eq!(ask(&role, "/live").await.0, 200);
        role.0.store(true, Ordering::SeqCst);
        assert_eq!(ask(&role, "/ready").await.0, 200);
        assert_eq!(ask(&role, "/").await.0, 404);
    }
}
