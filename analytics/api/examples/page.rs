//! Serves the page over a made-up territory, for work on the page alone: `cargo run -p tournee-api --example page -- 8099`.

#[path = "../tests/support/mod.rs"]
mod support;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tournee_api::{AppState, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    serve(listener, AppState::new(support::snapshot())?, CancellationToken::new()).await?;
    Ok(())
}
