//! Serving over a socket until told to stop.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::routes::router;
use crate::state::AppState;

/// Time that open answers get to end after the stop was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves until `shutdown` is cancelled, then lets open answers end for three seconds.
///
/// The caller binds the listener, so that a port in use is its own error with its own words.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(listener: TcpListener, state: AppState, shutdown: CancellationToken) -> io::Result<()> {
    let stop = shutdown.clone();
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(stop.cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        result = server => result,
        // A browser that keeps its connection open must not keep the program alive.
        () = drained => Ok(()),
    }
}
