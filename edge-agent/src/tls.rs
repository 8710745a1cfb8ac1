//! The PEM files of TLS: read anew for every connection, so that a new certificate needs no restart.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rumqttc::tokio_rustls::rustls::pki_types::CertificateDer;
use rumqttc::tokio_rustls::rustls::pki_types::pem::PemObject;
use tournee_payload::BoxId;

use crate::certificate::{self, CertificateError, CertificateState, Reminder};
use crate::config::{AgentConfig, ConfigError, TlsSettings};

/// Larger files are refused: a fleet's authorities and a chain fit many times.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What TLS needs, PEM. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub ca: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Reads the files. The second is none when they must not be used; the first says why.
pub(crate) fn load(files: &TlsSettings, box_id: &BoxId, now_s: i64) -> (CertificateState, Option<Credentials>) {
    let read = || -> Result<_, String> {
        let certificate = read_file("mqtt.tls.certificate", &files.certificate)?;
        // The first one is the box's own; those after it lead to the one that the broker knows.
        let state = CertificateDer::from_pem_slice(&certificate)
            .map_err(|_| CertificateError::None)
            .and_then(|der| certificate::read(&der))
            .map_err(|error| format!("mqtt.tls.certificate: {}: {error}", files.certificate.display()))?;
        let ca = read_file("mqtt.tls.ca", &files.ca)?;
        let key = read_file("mqtt.tls.key", &files.key)?;
        Ok((state, Credentials { ca, certificate, key }))
    };
    match read() {
        Ok((certificate, credentials)) => {
            let state = CertificateState::of(certificate, box_id, now_s);
            let usable = state.is_of_this_box();
            (state, usable.then_some(credentials))
        }
        Err(why) => (CertificateState::Unreadable(why), None),
    }
}

/// The clock of this machine, seconds since 1970 UTC.
pub(crate) fn now_s() -> i64 {
    let age = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    i64::try_from(age).unwrap_or(i64::MAX)
}

fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("{key}: cannot read {}: {error}", path.display()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{key}: {} is larger than {FILE_BYTES_MAX} bytes", path.display()));
    }
    Ok(bytes)
}

/// Whether others than the agent may read the key.
pub(crate) fn key_is_open(files: &TlsSettings) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(&files.key).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// The certificate before the agent starts. That of another box ends it: its samples would be stored under a name that the
/// broker will never take them for. A file that cannot be read does not: what is measured meanwhile must not be lost.
///
/// # Errors
/// When the certificate is that of another box.
pub(crate) fn check_at_start(config: &AgentConfig, now_s: i64) -> Result<(), ConfigError> {
    let files = &config.mqtt.tls;
    if !files.is_on() {
        return Ok(());
    }
    if key_is_open(files) {
        tracing::warn!(path = %files.key.display(), "mqtt.tls.key can be read by everybody on this machine");
    }
    match load(files, &config.box_id, now_s).0 {
        CertificateState::OtherBox { common_name } => Err(ConfigError::CertificateName {
            box_id: config.box_id.clone(),
            common_name,
            path: files.certificate.clone(),
        }),
        _ => Ok(()),
    }
}

/// The state of the certificate over time, and who has to be told of it.
#[derive(Debug, Default)]
pub(crate) struct CertificateWatch {
    state: CertificateState,
    reminder: Reminder,
}

impl CertificateWatch {
    pub const fn state(&self) -> &CertificateState {
        &self.state
    }

    /// Looks at the files, before a connection is made. Reads them.
    pub async fn reload(&mut self, files: &TlsSettings, box_id: &BoxId, now_s: i64) {
        if !files.is_on() {
            return;
        }
        let (files, of) = (files.clone(), box_id.clone());
        let loaded = tokio::task::spawn_blocking(move || load(&files, &of, now_s).0).await;
        self.become_known(loaded.unwrap_or_else(|error| CertificateState::Unreadable(error.to_string())), now_s);
    }

    /// Looks at the clock. Whether something has changed.
    pub fn look(&mut self, box_id: &BoxId, now_s: i64) -> bool {
        let state = self.state.clone().at(box_id, now_s);
        self.become_known(state, now_s)
    }

    fn become_known(&mut self, state: CertificateState, now_s: i64) -> bool {
        if self.reminder.is_due(&state, now_s) {
            tracing::warn!("{state}");
        }
        let news = self.state != state;
        self.state = state;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_certificate_of_a_file_is_the_boxs_wherever_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files = TlsSettings { ca: path("ca"), certificate: path("pem"), key: path("key") };
        let pem = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (path, text) in [
            (&files.ca, pem("ca")),
            (&files.key, key.clone()),
            (&files.certificate, format!("a note\n{key}{}{}", pem("van-01"), pem("between"))),
        ] {
            std::fs::write(path, text).unwrap();
        }
        let (state, credentials) = load(&files, &BoxId::new("van-01").unwrap(), 1_768_000_000);
        assert!(matches!(state, CertificateState::Valid(_)) && credentials.is_some(), "{state}");
        let (state, credentials) = load(&files, &BoxId::new("between").unwrap(), 1_768_000_000);
        assert!(matches!(state, CertificateState::OtherBox { .. }) && credentials.is_none(), "{state}");
        std::fs::write(&files.certificate, key).unwrap();
        assert!(load(&files, &BoxId::new("van-01").unwrap(), 0).0.to_string().contains("no PEM certificate"));
    }

    #[test]
    fn what_is_missing_or_too_large_is_named_and_nothing_of_a_key_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files = TlsSettings { ca: path("ca.pem"), certificate: path("van.pem"), key: path("van.key") };
        let box_id = BoxId::new("van-01").unwrap();
        let state = || load(&files, &box_id, 0);
        let (missing, none) = state();
        assert!(none.is_none() && missing.to_string().contains("mqtt.tls.certificate: cannot read"), "{missing}");
        std::fs::write(&files.certificate, vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(state().0.to_string().contains("is larger than"), "{}", state().0);
        std::fs::write(&files.certificate, "nothing").unwrap();
        assert!(state().0.to_string().contains("no PEM certificate"), "{}", state().0);
        let secret = Credentials { ca: Vec::new(), certificate: Vec::new(), key: b"secret".to_vec() };
        assert_eq!(format!("{secret:?}"), "Credentials");
    }
}
