//! moto's S3 server in a process of its own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The bucket that it holds.
pub const BUCKET: &str = "tournee-test";

/// A running server with one empty bucket; ended when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one; `None` where `TOURNEE_PYTHON` does not name a Python that has moto.
    pub async fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("TOURNEE_PYTHON") else {
            println!("no S3 server: TOURNEE_PYTHON must name a Python with tests/python/requirements.txt installed");
            return None;
        };
        // Free a moment ago; a second test that takes it makes the server end, and the test fail with a clear word.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, address };
        for _ in 0..1_200 {
            if server.make_bucket().await {
                return Some(server);
            }
            assert!(server.child.try_wait().unwrap().is_none(), "moto's server ended by itself");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("moto's server does not answer");
    }

    async fn make_bucket(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else { return false };
        let request = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        );
        let mut answer = Vec::new();
        stream.write_all(request.as_bytes()).await.is_ok()
            && stream.read_to_end(&mut answer).await.is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    }
}
