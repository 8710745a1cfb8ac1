//! A proxy in front of an S3 server that breaks requests on demand, and lets through one at a time: the server of these
//! tests looks for a name and writes it in two steps, between which another request could do the same.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// 503, the server does not see it.
    Busy,
    /// 500 after the server did what was asked.
    ErrorAfter,
    /// Done by the server, but no answer comes until the client gives up.
    SilentAfter,
    /// Done by the server, then the connection closes without an answer.
    ClosedAfter,
    /// Done by the server, the answer ends half way.
    HalfAnswer,
    /// The connection closes in the middle of the body; the server does not see it.
    HalfBody,
    /// Late, but whole.
    Slow,
    /// The header `If-None-Match` is lost on the way, as with a store that does not know it.
    Unconditional,
}

/// What a plan sees of a request.
pub struct Request {
    /// Method, target and headers, as text.
    pub head: String,
    body: Vec<u8>,
}

type Plan = Box<dyn FnMut(&Request) -> Fault + Send>;

/// A running proxy; it ends with the runtime of its test.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// Listens, and passes everything on to `server`.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let plan: Arc<Mutex<Plan>> = Arc::new(Mutex::new(Box::new(|_: &Request| Fault::None)));
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let proxy = Self { address, plan: plan.clone() };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (plan, turn) = (plan.clone(), turn.clone());
                // A broken connection is what these tests are about.
                tokio::spawn(async move { serve(client, server, &plan, &turn).await.ok() });
            }
        });
        Ok(proxy)
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Decides from now on.
    pub fn plan(&self, plan: impl FnMut(&Request) -> Fault + Send + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }
}

async fn serve(
    mut client: TcpStream,
    server: SocketAddr,
    plan: &Mutex<Plan>,
    turn: &tokio::sync::Mutex<()>,
) -> io::Result<()> {
    let mut request = read_request(&mut client).await?;
    let fault = plan.lock().unwrap_or_else(PoisonError::into_inner)(&request);
    match fault {
        Fault::Busy => return answer(&mut client, "503 Slow Down").await,
        // Dropped with what was read of it.
        Fault::HalfBody => return Ok(()),
        Fault::Slow => tokio::time::sleep(Duration::from_millis(300)).await,
        Fault::Unconditional => {
            let kept = request.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("if-none-match"));
            request.head = kept.map(|line| format!("{line}\r\n")).collect();
        }
        _ => {}
    }
    let response = {
        let _turn = turn.lock().await;
        forward(&request, server).await?
    };
    match fault {
        Fault::ErrorAfter => answer(&mut client, "500 Internal Server Error").await,
        Fault::ClosedAfter => Ok(()),
        Fault::SilentAfter => {
            // Ends when the client closes.
            let mut rest = [0; 16];
            client.read(&mut rest).await.map(|_| ())
        }
        Fault::HalfAnswer => client.write_all(response.get(..response.len() / 2).unwrap_or_default()).await,
        _ => {
            client.write_all(&response).await?;
            client.shutdown().await
        }
    }
}

async fn answer(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}

async fn read_request(client: &mut TcpStream) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 2;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = bytes.split_off(end);
    body.drain(..2);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while body.len() < length.unwrap_or(0) {
        if client.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Request { head, body })
}

/// Sends the request on a connection of its own, and reads the answer to its end.
async fn forward(request: &Request, server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(server).await?;
    let kept = request.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut head: String = kept.map(|line| format!("{line}\r\n")).collect();
    head.push_str("Connection: close\r\n\r\n");
    upstream.write_all(head.as_bytes()).await?;
    upstream.write_all(&request.body).await?;
    let mut response = Vec::new();
    upstream.read_to_end(&mut response).await?;
    Ok(response)
}
