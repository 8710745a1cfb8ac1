//! The agent and Mosquitto with TLS and certificates on both sides, set up as a broker in production should be. All
//! certificates are made here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod mosquitto_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mosquitto_support::{Files, Mosquitto, Rows, Trouble, check, config, drive, lake, serial_line, state_of};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tournee_edge_agent::{
    AgentConfig, AgentError, AgentReport, AgentStatus, CertificateState, ConfigError, RunOptions, run,
};
use tournee_payload::Status;

/// 2100-01-01.
const UNTIL_S: i64 = 4_102_444_800;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key.
    fn issue(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn files(dir: &Path, name: &str) -> Files {
    let path = |ending: &str| dir.join(format!("{name}.{ending}"));
    Files { ca: path("ca"), certificate: path("pem"), key: path("key") }
}

/// A new file in the place of the old one, as a renewal should do it.
fn put(path: &PathBuf, text: &str) {
    let staged = path.with_extension("new");
    std::fs::write(&staged, text).unwrap();
    std::fs::rename(&staged, path).unwrap();
}

fn install(files: &Files, ca: &str, (certificate, key): &(String, String)) {
    put(&files.ca, ca);
    put(&files.key, key);
    put(&files.certificate, certificate);
}

/// A broker as in production, and the authority that it trusts.
fn broker(dir: &Path) -> Option<(Mosquitto, Authority)> {
    let authority = Authority::new("fleet");
    let (server, ingest) = (files(dir, "server"), files(dir, "ingest"));
    install(&server, &authority.pem, &authority.issue(&params("broker")));
    install(&ingest, &authority.pem, &authority.issue(&params("ingest")));
    let acl = dir.join("acl");
    std::fs::write(
        &acl,
        "pattern write tournee/v1/+/%u/up/#\npattern write tournee/v1/+/%u/state\npattern read tournee/v1/+/%u/down/#\n\
         user ingest\ntopic read tournee/v1/+/+/up/#\ntopic read tournee/v1/+/+/state\n\
         topic write tournee/v1/+/+/down/#\n",
    )
    .unwrap();
    let more = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nuse_identity_as_username true\n\
         use_username_as_clientid true\nallow_anonymous false\nacl_file {}\nmessage_size_limit 262144\n\
         set_tcp_nodelay true\n",
        server.ca.display(),
        server.certificate.display(),
        server.key.display(),
        acl.display()
    );
    Mosquitto::start_with(dir, &more, Some(ingest)).map(|broker| (broker, authority))
}

fn tls_config(dir: &Path, broker: &Mosquitto, serial: &Path) -> (AgentConfig, Files) {
    let mut config = config(dir, &broker.way, serial);
    let van = files(dir, "van");
    config.mqtt.tls.ca.clone_from(&van.ca);
    config.mqtt.tls.certificate.clone_from(&van.certificate);
    config.mqtt.tls.key.clone_from(&van.key);
    (config, van)
}

type Agent = JoinHandle<Result<AgentReport, AgentError>>;

fn start(config: AgentConfig) -> (Agent, watch::Receiver<AgentStatus>) {
    let (sender, status) = watch::channel(AgentStatus::default());
    let options = RunOptions { finish_on_eof: true, epoch_seed: Some(7) };
    (tokio::spawn(run(config, options, CancellationToken::new(), sender)), status)
}

async fn until(
    status: &mut watch::Receiver<AgentStatus>,
    what: &str,
    is: impl FnMut(&AgentStatus) -> bool,
) -> AgentStatus {
    let seen =
        tokio::time::timeout(Duration::from_secs(20), status.wait_for(is)).await.map(|seen| seen.map(|it| it.clone()));
    match seen {
        Ok(Ok(seen)) => seen,
        _ => panic!("{what} does not come: {:?}", status.borrow()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_arrives_whole_over_tls_with_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let Some((broker, authority)) = broker(dir.path()) else { return };
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake =
        tokio::spawn(lake(broker.way.clone(), Trouble { lost: 3, ..Trouble::default() }, rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let (config, van) = tls_config(dir.path(), &broker, &path);
    install(&van, &authority.pem, &authority.issue(&params("van-01")));
    let (agent, mut status) = start(config);
    tokio::task::spawn_blocking(move || drive(900, || {}, master, slave)).await.unwrap();
    until(&mut status, "a valid certificate", |it| matches!(it.uplink.certificate, CertificateState::Valid(_))).await;
    let report = tokio::time::timeout(Duration::from_secs(20), agent).await.expect("it ends").unwrap().unwrap();
    check(&report, &rows.borrow());
    stop.cancel();
    lake.await.unwrap();
    // With the certificate of the lake one is the lake, whatever client id one asks for.
    let state = state_of(&broker.way, &report.box_id).await;
    assert_eq!((state.state.status, state.certificate_until_s), (Status::Stopped, Some(UNTIL_S)));
}

/// One kind of wrong files after the other under a driving van: each is refused, told, and costs nothing; with good ones in
/// place, everything arrives at the next attempt to connect, without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_certificates_are_refused_and_reported_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let Some((broker, authority)) = broker(dir.path()) else { return };
    let stranger = Authority::new("stranger");
    let stop = CancellationToken::new();
    let (rows_sender, rows) = watch::channel(Rows::new());
    let lake = tokio::spawn(lake(broker.way.clone(), Trouble::default(), rows_sender, stop.clone()));
    let (master, path, slave) = serial_line();
    let (config, van) = tls_config(dir.path(), &broker, &path);
    let good = authority.issue(&params("van-01"));
    let mut ended = params("van-01");
    ended.not_after = date_time_ymd(2021, 1, 1);

    // The broker's certificate is by nobody whom this box trusts.
    install(&van, &stranger.pem, &good);
    let (agent, mut status) = start(config);
    let (half_sender, half) = tokio::sync::oneshot::channel();
    let driver = tokio::task::spawn_blocking(move || {
        let mut half_sender = Some(half_sender);
        drive(900, || half_sender.take().unwrap().send(()).unwrap(), master, slave);
    });
    half.await.unwrap();
    let seen = until(&mut status, "an unknown authority", |it| it.uplink.trouble.contains("UnknownIssuer")).await;
    assert!(matches!(seen.uplink.certificate, CertificateState::Valid(_)), "{:?}", seen.uplink);

    // The box's certificate is by nobody whom the broker trusts.
    install(&van, &authority.pem, &stranger.issue(&params("van-01")));
    let seen = until(&mut status, "a refusal of the broker", |it| {
        !it.uplink.trouble.is_empty() && !it.uplink.trouble.contains("UnknownIssuer")
    })
    .await;
    println!("by a stranger: {}", seen.uplink.trouble);

    install(&van, &authority.pem, &authority.issue(&ended));
    let seen = until(&mut status, "the end of validity", |it| it.uplink.trouble.contains("ended on 2021-01-01")).await;
    println!("ended: {}", seen.uplink.trouble);
    assert!(matches!(seen.uplink.certificate, CertificateState::Expired(_)), "{:?}", seen.uplink);

    install(&van, &authority.pem, &authority.issue(&params("van-02")));
    let seen = until(&mut status, "another box's name", |it| it.uplink.trouble.contains("\"van-02\"")).await;
    println!("of another box: {}", seen.uplink.trouble);

    // A key that does not belong to its certificate.
    install(&van, &authority.pem, &(good.0.clone(), authority.issue(&params("van-01")).1));
    let seen = until(&mut status, "a key that does not fit", |it| {
        matches!(it.uplink.certificate, CertificateState::Valid(_)) && it.uplink.trouble.to_lowercase().contains("key")
    })
    .await;
    println!("a wrong key: {}", seen.uplink.trouble);

    std::fs::remove_file(&van.key).unwrap();
    let seen = until(&mut status, "a missing key", |it| it.uplink.trouble.contains("mqtt.tls.key: cannot read")).await;
    assert!(matches!(seen.uplink.certificate, CertificateState::Unreadable(_)), "{:?}", seen.uplink);

    driver.await.unwrap();
    let seen = until(&mut status, "all samples in the spool", |it| it.pending > 1_000).await;
    assert_eq!((seen.connected, seen.acknowledged_total()), (false, 0));
    assert!(rows.borrow().is_empty(), "nothing has come to the lake");

    install(&van, &authority.pem, &good);
    let report = tokio::time::timeout(Duration::from_secs(20), agent).await.expect("it ends").unwrap().unwrap();
    check(&report, &rows.borrow());
    assert_eq!(status.borrow().uplink.trouble, "", "the trouble is over");
    stop.cancel();
    lake.await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_box_ends_the_agent_at_its_start_with_both_names() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("fleet");
    let van = files(dir.path(), "van");
    install(&van, &authority.pem, &authority.issue(&params("van-02")));
    let mut config = AgentConfig::new("van-01", Path::new("line"), &dir.path().join("spool.db")).unwrap();
    config.mqtt.host = "broker.example".to_owned();
    (config.mqtt.tls.ca, config.mqtt.tls.certificate, config.mqtt.tls.key) = (van.ca, van.certificate, van.key);
    let error = start(config).0.await.unwrap().unwrap_err();
    assert!(matches!(error, AgentError::Config(ConfigError::CertificateName { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("box_id is van-01") && text.contains("\"van-02\""), "{text}");
    assert!(!dir.path().join("spool.db").exists(), "nothing was made under a wrong name");
}
