//! The PEM files of TLS, read anew for every connection, so that a new certificate needs no restart.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rumqttc::{TlsConfiguration, Transport};

use crate::error::IngestError;

/// Larger files are refused: a fleet's authorities and a chain fit many times.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Authority, certificate and key of the worker, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that may have signed the broker's certificate.
    pub ca: PathBuf,
    /// The worker's certificate; the broker takes its common name as the user.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The transport with what the files hold now.
    ///
    /// # Errors
    /// A line that names the option and the file.
    pub(crate) fn transport(&self) -> Result<Transport, IngestError> {
        let client_auth =
            Some((read_file("--mqtt-certificate", &self.certificate)?, read_file("--mqtt-key", &self.key)?));
        let ca = read_file("--mqtt-ca", &self.ca)?;
        Ok(Transport::tls_with_config(TlsConfiguration::Simple { ca, alpn: None, client_auth }))
    }
}

/// The transport to a broker. Plain text never leaves this machine.
///
/// # Errors
/// When the host is not this machine and there is no TLS, or a file cannot be read.
pub(crate) fn transport(host: &str, files: Option<&TlsFiles>) -> Result<Transport, IngestError> {
    match files {
        Some(files) => files.transport(),
        None if is_loopback(host) => Ok(Transport::tcp()),
        None => Err(IngestError::Mqtt(format!(
            "{host} is not this machine, and without TLS only localhost, 127.0.0.0/8 or ::1 is spoken to: give --mqtt-ca, \
             --mqtt-certificate and --mqtt-key"
        ))),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read_file(option: &'static str, path: &Path) -> Result<Vec<u8>, IngestError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| IngestError::Mqtt(format!("{option}: cannot read {}: {error}", path.display())))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(IngestError::Mqtt(format!(
            "{option}: {} is larger than {FILE_BYTES_MAX} bytes, which is no PEM file of ours",
            path.display()
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine() {
        assert!(transport("localhost", None).is_ok() && transport("127.1.2.3", None).is_ok());
        for host in ["192.168.1.2", "broker.example.org", "0.0.0.0", ""] {
            let error = transport(host, None).err().unwrap().to_string();
            assert!(error.contains("--mqtt-ca") && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn the_file_that_is_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files = TlsFiles { ca: path("ca"), certificate: path("pem"), key: path("key") };
        let error = || transport("broker.example.org", Some(&files)).err().unwrap().to_string();
        assert!(error().contains("--mqtt-certificate: cannot read"), "{}", error());
        std::fs::write(&files.certificate, "").unwrap();
        assert!(error().contains("--mqtt-key: cannot read"), "{}", error());
        std::fs::write(&files.key, vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(error().contains("larger than"), "{}", error());
    }
}
