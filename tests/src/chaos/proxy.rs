//! A TCP proxy in front of the broker that cuts, holds and refuses when told to.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Less than a batch: a cut then falls into the middle of a message.
const PIECE_BYTES: usize = 700;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Connections stand, no byte moves.
    Hold,
    /// No connection stands, new ones end at once.
    Refuse,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    /// Connections of an older number end.
    cuts: u64,
}

/// The proxy; gone with its runtime.
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Listens on a free port of loopback; passes on to the broker's socket `broker`.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(runtime: &Handle, broker: PathBuf) -> Result<Self> {
        let (state, watched) = watch::channel(State { mode: Mode::Pass, cuts: 0 });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("a port for a proxy")?;
        let port = listener.local_addr()?.port();
        let broker: Arc<Path> = broker.into();
        runtime.spawn(async move {
            loop {
                // A connection that went before it was taken is nobody's trouble.
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(pipe(client, Arc::clone(&broker), watched.clone()));
            }
        });
        Ok(Self { port, state })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends every connection, wherever its bytes are.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// From now on no byte moves.
    pub fn hold(&self) {
        self.state.send_modify(|state| state.mode = Mode::Hold);
    }

    /// Ends every connection, and takes no new one.
    pub fn refuse(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Refuse, cuts: state.cuts + 1 });
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.mode = Mode::Pass);
    }
}

async fn pipe(client: TcpStream, broker: Arc<Path>, mut state: watch::Receiver<State>) {
    let born = *state.borrow_and_update();
    if born.mode == Mode::Refuse {
        return;
    }
    let _ = client.set_nodelay(true);
    // A broker that is away refuses; so do we.
    let Ok(upstream) = UnixStream::connect(&broker).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = upstream.into_split();
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        () = copy(from_client, to_broker, up) => {}
        () = copy(from_broker, to_client, down) => {}
        _ = state.wait_for(|state| state.cuts != born.cuts) => {}
    }
}

/// Moves bytes until either end is gone.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let mut buffer = [0_u8; PIECE_BYTES];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| state.mode != Mode::Hold).await.is_err() {
            return;
        }
        if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
