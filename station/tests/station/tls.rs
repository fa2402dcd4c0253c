//! https, wss and mqtts, and what is wrong with certificates.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mqtt_crawl_station::{Limits, Options, Station};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::{Client, PATIENCE, Stream, Version, Way, publish, tcp};
use super::{file, quiet};
use Version::V5;

/// A certificate for this machine and its key, as files.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    der: CertificateDer<'static>,
}

pub fn identity(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    Identity {
        certificate: file(&format!("tls-{name}.pem"), &certificate.pem()),
        key: file(&format!("tls-{name}.key"), &key.serialize_pem()),
        der: certificate.der().clone(),
    }
}

fn options(certificate: &Identity, key: &Identity) -> Options {
    Options { tls_cert: Some(certificate.certificate.clone()), tls_key: Some(key.key.clone()), ..quiet() }
}

async fn secured(identity: &Identity, address: std::net::SocketAddr) -> Box<dyn Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap())
}

#[tokio::test]
async fn both_ports_are_encrypted() {
    let identity = identity("good", |_| {});
    let station = Station::start(&options(&identity, &identity)).await.unwrap();
    let announcement = station.announcement();
    for address in ["https://", "wss://", "mqtts://"] {
        assert!(announcement.contains(address), "{announcement}");
    }
    let over = async |way| {
        let address = if way == Way::Tcp { tcp(&station) } else { station.http() };
        Client::open_on(secured(&identity, address).await, way).await
    };
    let mut page = over(Way::Mqtt).await.taken(V5, "page").await;
    page.subscribe(V5, "secret", 0).await;
    let mut source = over(Way::Tcp).await.taken(V5, "source").await;
    source.send(&publish(V5, "secret", 0, 0, b"told")).await;
    assert!(page.packet().await.unwrap().ends_with(b"told"));

    let mut web = secured(&identity, station.http()).await;
    web.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // A server may end without the last word of TLS.
    let _ = web.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    station.stop().await;
}

#[tokio::test]
async fn incomplete_tls_handshake_times_out() {
    let identity = identity("half", |_| {});
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..Limits::default() };
    let station = Station::start(&Options { limits, ..options(&identity, &identity) }).await.unwrap();
    for address in [station.http(), tcp(&station)] {
        // The beginning of a record that is said to be longer.
        for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let closed = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
            assert!(closed.is_ok(), "{address} waits for more than {bytes:02x?}");
        }
    }
    station.stop().await;
}

#[tokio::test]
async fn a_transmission_needs_no_certificate() {
    let identity = identity("transmit", |_| {});
    let transmit = Some(file("tls-script.txt", "ADA: Encrypted.\n"));
    let station = Station::start(&Options { transmit, ..options(&identity, &identity) }).await.unwrap();
    let mut client = Client::open_on(secured(&identity, tcp(&station)).await, Way::Tcp).await.taken(V5, "page").await;
    client.subscribe(V5, "StarWars", 0).await;
    let packet = client.packet().await.unwrap();
    assert!(String::from_utf8_lossy(&packet).contains("Encrypted."), "{packet:02x?}");
    station.stop().await;
}

#[tokio::test]
async fn certificate_errors_are_explained() {
    let good = identity("right", |_| {});
    let other = identity("other", |_| {});
    let past = identity("past", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let future = identity("future", |params| params.not_before = date_time_ymd(2100, 1, 1));
    let check = async |certificate: &Identity, key: &Identity, words: &[&str]| {
        let refusal = Station::start(&options(certificate, key)).await.err().expect("it started").to_string();
        for word in words {
            assert!(refusal.contains(word), "{refusal:?} lacks {word:?}");
        }
    };
    check(&good, &other, &["tls-other.key", "tls-right.pem", "doesn't match"]).await;
    check(&past, &past, &["tls-past.pem", "has expired", "install a new one"]).await;
    check(&future, &future, &["tls-future.pem", "isn't valid yet", "clock"]).await;

    let with = |certificate: &str, key: &str| Identity {
        certificate: PathBuf::from(certificate),
        key: PathBuf::from(key),
        der: good.der.clone(),
    };
    let key = good.key.to_str().unwrap();
    let certificate = good.certificate.to_str().unwrap();
    check(&with("/no/such", key), &good, &["/no/such", "--tls-cert"]).await;
    check(&good, &with(certificate, "/no/such"), &["/no/such", "--tls-key"]).await;
    check(&with(key, key), &good, &["tls-right.key", "contains no certificate", "BEGIN CERTIFICATE"]).await;
    check(&good, &with(certificate, certificate), &["contains no unencrypted private key", "openssl pkey"]).await;
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = file("tls-locked.key", locked);
    check(&good, &with(certificate, locked.to_str().unwrap()), &["contains no unencrypted private key", "passphrase"])
        .await;
    let nonsense = file("tls-nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    check(&with(nonsense.to_str().unwrap(), key), &good, &["tls-nonsense.pem", "can't use the certificate"]).await;
}

/// A client that trusts only the second certificate can connect once the files are reloaded.
#[tokio::test]
async fn new_certificate_is_loaded_while_running() {
    let first = identity("renewed", |_| {});
    let station = Station::start(&options(&first, &first)).await.unwrap();
    let _ = secured(&first, tcp(&station)).await;
    // The same files.
    let second = identity("renewed", |_| {});
    station.reload();
    for (address, way) in [(tcp(&station), Way::Tcp), (station.http(), Way::Mqtt)] {
        Client::open_on(secured(&second, address).await, way).await.taken(V5, "renewed").await;
    }
    file("tls-renewed.pem", "nothing");
    station.reload();
    let _ = secured(&second, tcp(&station)).await;
    station.stop().await;
}
