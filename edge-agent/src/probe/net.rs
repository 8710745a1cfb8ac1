//! The sockets of a probe: one UDP socket to the name server, one TCP connection. At most one of each is open.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tournee_features::mobile::probe::Action;

use crate::config::ProbeWay;

/// A datagram of a name server without extensions has at most 512 bytes; what is longer is cut.
const DATAGRAM_BYTES: usize = 1_024;
/// More is not read at once; the head of an answer has at most two kilobytes.
const READ_BYTES: usize = 1_024;
/// A request of some hundred bytes fits into an empty socket at once, or something is wrong.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

type Opening = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum Tcp {
    Closed,
    Opening(Opening),
    Open(TcpStream),
}

/// What came over the network.
#[derive(Debug)]
pub(super) enum Happened {
    Datagram(Vec<u8>),
    Connected,
    Bytes(Vec<u8>),
    /// The socket failed, or the other side has closed.
    Failed,
}

/// What is open.
pub(super) struct Net {
    way: ProbeWay,
    udp: Option<UdpSocket>,
    tcp: Tcp,
}

impl Net {
    pub fn new(way: ProbeWay) -> Self {
        Self { way, udp: None, tcp: Tcp::Closed }
    }

    /// Does what the probe wants done.
    ///
    /// # Errors
    /// What the system says: no such interface or address, no route, a socket that failed.
    pub async fn act(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::SendDns(datagram) => {
                let socket = match self.udp.take() {
                    Some(socket) => socket,
                    None => name_server(&self.way).await?,
                };
                socket.send(&datagram).await?;
                self.udp = Some(socket);
            }
            Action::Connect(address, port) => {
                // What still comes from the name server is not for this part.
                self.udp = None;
                self.tcp = Tcp::Opening(connection(&self.way, SocketAddrV4::new(address, port))?);
            }
            Action::Send(request) => {
                let Tcp::Open(stream) = &mut self.tcp else { return Err(io::ErrorKind::NotConnected.into()) };
                tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(&request)).await??;
            }
            Action::Close => self.close(),
        }
        Ok(())
    }

    pub fn close(&mut self) {
        (self.udp, self.tcp) = (None, Tcp::Closed);
    }

    /// What comes next; never when nothing is open. Safe to drop and call again.
    pub async fn next(&mut self) -> Happened {
        let Self { udp, tcp, .. } = self;
        tokio::select! {
            happened = datagram(udp) => happened,
            happened = stream(tcp) => happened,
        }
    }
}

/// Connected, so that nobody else's datagrams are read; its source port is a random one of the system.
async fn name_server(way: &ProbeWay) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((way.bind.unwrap_or(Ipv4Addr::UNSPECIFIED), 0)).await?;
    if let Some(interface) = &way.interface {
        // Needs no privilege for a socket that is bound to no interface, from Linux 5.7 on.
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.connect(way.name_server).await?;
    Ok(socket)
}

fn connection(way: &ProbeWay, to: SocketAddrV4) -> io::Result<Opening> {
    let socket = TcpSocket::new_v4()?;
    if let Some(interface) = &way.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    if let Some(address) = way.bind {
        socket.bind(SocketAddr::from((address, 0)))?;
    }
    Ok(Box::pin(socket.connect(SocketAddr::V4(to))))
}

async fn datagram(udp: &mut Option<UdpSocket>) -> Happened {
    let Some(socket) = udp else { return std::future::pending().await };
    let mut buffer = [0; DATAGRAM_BYTES];
    match socket.recv(&mut buffer).await {
        Ok(count) => Happened::Datagram(buffer.get(..count).unwrap_or_default().to_vec()),
        Err(error) => {
            tracing::debug!(%error, "the name server cannot be reached");
            *udp = None;
            Happened::Failed
        }
    }
}

async fn stream(tcp: &mut Tcp) -> Happened {
    match tcp {
        Tcp::Closed => std::future::pending().await,
        Tcp::Opening(opening) => match opening.await {
            Ok(stream) => {
                *tcp = Tcp::Open(stream);
                Happened::Connected
            }
            Err(error) => {
                tracing::debug!(%error, "the server of the probe cannot be reached");
                *tcp = Tcp::Closed;
                Happened::Failed
            }
        },
        Tcp::Open(stream) => {
            let mut buffer = [0; READ_BYTES];
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => Happened::Bytes(buffer.get(..count).unwrap_or_default().to_vec()),
                Ok(0) | Err(_) => {
                    *tcp = Tcp::Closed;
                    Happened::Failed
                }
            }
        }
    }
}
