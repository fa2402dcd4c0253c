//! The WebSocket paths in front of a broker that is reached over TLS: Debian's mosquitto.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mqtt_crawl_station::{Options, Station};
use rcgen::{CertificateParams, DnType, SanType, date_time_ymd};

use super::client::{Client, Version, Way, connect, publish};
use super::program::{PROGRAM, Running};
use super::tls::{Identity, identity};
use super::{file, quiet};
use Version::{V5, V311};

/// A mosquitto with a TLS listener and no other.
struct Mosquitto {
    child: Child,
    port: u16,
}

impl Mosquitto {
    /// Starts it, and waits until it listens.
    fn start(name: &str, identity: &Identity) -> Self {
        // Taken and given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (certificate, key) = (identity.certificate.display(), identity.key.display());
        let configuration = format!(
            "user root\nlog_dest stderr\nallow_anonymous true\n\
             listener {port} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
        );
        let configuration = file(&format!("mosquitto-{name}.conf"), &configuration);
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut child = Command::new("mosquitto")
            .env("PATH", path)
            .arg("-c")
            .arg(configuration)
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto is missing (Debian's package mosquitto; `cargo xtask setup`)");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut so_far = String::new();
        while !so_far.ends_with(" running\n") {
            assert!(log.read_line(&mut so_far).unwrap() > 0, "mosquitto ended: {so_far}");
        }
        // Else it would wait for somebody to read what it says.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self { child, port }
    }

    fn url(&self, host: &str) -> String {
        format!("mqtts://{host}:{}", self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn in_front_of(url: String, authorities: &Path) -> Station {
    let (upstream, upstream_ca) = (Some(url), Some(authorities.to_owned()));
    Station::start(&Options { upstream, upstream_ca, ..quiet() }).await.unwrap()
}

/// Subscribes, publishes to itself, and gets it.
async fn check_round_trip(mut client: Client, version: Version, payload: &[u8]) {
    client.subscribe(version, "over/tls", 0).await;
    client.send(&publish(version, "over/tls", 0, 0, payload)).await;
    let packet = client.packet().await.unwrap();
    assert!(packet.ends_with(payload), "{} bytes", packet.len());
}

#[tokio::test]
async fn messages_pass_through_a_broker_over_tls() {
    let identity = identity("upstream", |_| {});
    let mosquitto = Mosquitto::start("upstream", &identity);
    let proxy = in_front_of(mosquitto.url("localhost"), &identity.certificate).await;
    for (way, version) in [(Way::Mqtt, V5), (Way::Mqtt, V311), (Way::Diffusion, V5)] {
        let client = Client::connected(&proxy, way, version, "page").await;
        check_round_trip(client, version, b"hello").await;
    }
    // More than all buffers on the way hold.
    let client = Client::connected(&proxy, Way::Mqtt, V5, "page").await;
    check_round_trip(client, V5, &vec![b'x'; 12 << 20]).await;
    proxy.stop().await;
}

/// By default it trusts the system's authorities, which `SSL_CERT_FILE` sets here.
#[tokio::test]
async fn authorities_of_the_system_are_trusted() {
    let identity = identity("system", for_address);
    let mosquitto = Mosquitto::start("system", &identity);
    let url = mosquitto.url("127.0.0.1");
    let environment = [("SSL_CERT_FILE", identity.certificate.as_path())];
    let station = Running::start_in(Path::new(PROGRAM), &["--upstream", &url], &environment);
    let client = Client::open_at(station.http, Way::Mqtt).await.taken(V5, "page").await;
    check_round_trip(client, V5, b"hello").await;
    station.stop("-TERM");
}

/// The log explains what is wrong with the certificate; the client learns only that the certificate is the reason.
#[tokio::test]
async fn untrusted_upstream_certificate_is_reported() {
    let stranger = identity("stranger", |params| params.distinguished_name.push(DnType::CommonName, "Stranger"));
    let check = async |name: &str, broker: &Identity, trusted: &Identity, words: &str| {
        let mosquitto = Mosquitto::start(name, broker);
        let url = mosquitto.url("127.0.0.1");
        let authorities = trusted.certificate.to_str().unwrap();
        let options = ["--upstream", &url, "--upstream-ca", authorities];
        let station = Running::start(Path::new(PROGRAM), &options);
        for (version, code) in [(V5, 0x88), (V311, 3)] {
            let mut client = Client::open_at(station.http, Way::Mqtt).await;
            client.send(&connect(version, "page", None)).await;
            let connack = client.packet().await.unwrap();
            assert_eq!((connack[0], connack[3]), (0x20, code), "{name}: {connack:02x?}");
            let reason = String::from_utf8_lossy(&connack);
            assert!(version == V311 || reason.contains("certificate"), "{name}: {reason}");
            assert_eq!(client.packet().await, None);
        }
        let log = station.stop("-TERM");
        assert_eq!(log.matches(words).count(), 2, "{name}: {log}");
    };
    let unknown = identity("unknown", for_address);
    check("unknown", &unknown, &stranger, "specify it with --upstream-ca").await;
    let past = identity("long-past", |params| {
        for_address(params);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    check("past", &past, &past, "expired").await;
    let elsewhere = identity("elsewhere", |_| {});
    check("elsewhere", &elsewhere, &elsewhere, "not valid for name").await;
}

fn for_address(params: &mut CertificateParams) {
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
}
