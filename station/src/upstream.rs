//! A remote broker, over TCP or TLS, behind the WebSocket paths.
//!
//! The remote broker decides who may connect and what for; number, origin and rate are still limited here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mqtt_crawl::mqtt::broker_url::{BrokerUrl, BrokerUrlError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as RustlsError, RootCertStore};

use crate::connect::Refusal;
use crate::stream::Pipe;

/// The time that the remote broker may take to accept a connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A remote broker.
pub(crate) struct Upstream {
    pub url: BrokerUrl,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    sends_proxy_header: bool,
}

impl Upstream {
    /// Parses the address and reads the certificate authorities if needed; doesn't connect yet. Error messages don't
    /// repeat the address, which may hold a password.
    pub(crate) fn new(address: &str, authorities: Option<&Path>, sends_proxy_header: bool) -> anyhow::Result<Self> {
        const NO_TCP: &str = "--upstream expects the broker's TCP port, such as mqtt://broker.example:1883";
        let url = BrokerUrl::parse(address).map_err(|error| match error {
            // The parser would suggest a WebSocket address, as a browser needs one.
            BrokerUrlError::MissingScheme { .. } => anyhow::anyhow!(NO_TCP),
            error => anyhow::anyhow!("--upstream: {error}"),
        })?;
        ensure!(!url.scheme().is_web_socket(), NO_TCP);
        let mut tls = None;
        if url.scheme().is_tls() {
            let name = ServerName::try_from(url.host().to_owned());
            let name = name.context("--upstream: mqtts:// requires a valid host name or IP address")?;
            tls = Some((client_config(authorities)?, name));
        }
        Ok(Self { url, tls, sends_proxy_header })
    }

    /// Returns its location, as `host:port`.
    pub(crate) fn address(&self) -> String {
        match self.url.host().contains(':') {
            true => format!("[{}]:{}", self.url.host(), self.url.port()),
            false => format!("{}:{}", self.url.host(), self.url.port()),
        }
    }

    /// Connects to it for a client.
    pub(crate) async fn dial(&self, client: SocketAddr, local: SocketAddr) -> Result<Pipe, Refusal> {
        let dialling = async {
            let mut stream = TcpStream::connect((self.url.host(), self.url.port())).await?;
            stream.set_nodelay(true)?;
            if self.sends_proxy_header {
                stream.write_all(&proxy_header(client, local)).await?;
            }
            let pipe: Pipe = match &self.tls {
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                None => Box::new(stream),
            };
            Ok(pipe)
        };
        let dialled: io::Result<Pipe> =
            timeout(DIAL_TIMEOUT, dialling).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        dialled.map_err(|error| {
            let (reason, for_clients) = explain(&error);
            tracing::error!(upstream = self.url.as_str(), reason, "can't reach the upstream broker");
            Refusal::unavailable(for_clients)
        })
    }
}

/// Why the broker is unavailable: for the log, and as the Reason String for a client of MQTT 5.0.
fn explain(error: &io::Error) -> (String, &'static str) {
    const UNTRUSTED: &str = "The station doesn't trust the certificate of its upstream broker.";
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(RustlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            let reason = "the authority of its certificate isn't trusted; specify it with --upstream-ca";
            (reason.to_owned(), UNTRUSTED)
        }
        Some(RustlsError::InvalidCertificate(fault)) => (format!("its certificate is invalid: {fault}"), UNTRUSTED),
        _ => (error.to_string(), "The station can't reach its upstream broker."),
    }
}

/// Tells the broker the client's address with a header of the PROXY protocol, version 2, for a TCP stream.
fn proxy_header(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const VERSION_2_PROXY: u8 = 0x21;
    let v6 = |address| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let (family, addresses) = match (client.ip().to_canonical(), local.ip().to_canonical()) {
        (IpAddr::V4(client), IpAddr::V4(local)) => (0x11, [client.octets(), local.octets()].concat()),
        (client, local) => (0x21, [v6(client), v6(local)].concat()),
    };
    let length = addresses.len() as u16 + 4;
    let ports = [client.port().to_be_bytes(), local.port().to_be_bytes()].concat();
    [SIGNATURE, &[VERSION_2_PROXY, family], &length.to_be_bytes(), &addresses, &ports].concat()
}

fn client_config(authorities: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let unusable = || format!("can't read the certificate authorities in {} of --upstream-ca", path.display());
            for certificate in CertificateDer::pem_slice_iter(&std::fs::read(path).with_context(unusable)?) {
                roots.add(certificate.with_context(unusable)?).with_context(unusable)?;
            }
            ensure!(!roots.is_empty(), "{}: no certificate found", unusable());
        }
        None => {
            // Unreadable ones are skipped: a system has many.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            ensure!(
                !roots.is_empty(),
                "no certificate authorities are installed on this system; specify a PEM file with --upstream-ca"
            );
        }
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_tcp_ports() {
        let check = |address: &str, expected: Result<&str, &str>| {
            let upstream = Upstream::new(address, None, false);
            match (upstream, expected) {
                (Ok(upstream), Ok(address)) => assert_eq!(upstream.address(), address),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (Ok(_), Err(_)) => panic!("{address} was taken"),
                (Err(error), Ok(_)) => panic!("{error}"),
            }
        };
        check("mqtt://broker.example", Ok("broker.example:1883"));
        check("mqtt://[::1]:2883", Ok("[::1]:2883"));
        check("ws://broker.example/mqtt", Err("TCP port"));
        check("broker.example", Err("mqtt://broker.example:1883"));
        check("mqtt://ana:secret@broker.example", Err("user name or password"));
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        for address in
            ["mqtt://ana:secret@broker.example", "ws://ana:secret@broker.example", "ana:secret@broker.example"]
        {
            let error = Upstream::new(address, None, false).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(!error.is_empty() && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_proxy_header_names_both_addresses() {
        let check = |client: &str, local: &str, expected: &[u8]| {
            let header = proxy_header(client.parse().expect("an address"), local.parse().expect("an address"));
            assert_eq!(header, [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], expected].concat(), "{client}");
        };
        check("192.0.2.1:258", "198.51.100.2:80", b"\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x01\x02\0\x50");
        check("[::ffff:192.0.2.1]:258", "198.51.100.2:80", b"\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x01\x02\0\x50");
        let mixed = [
            &b"\x21\0\x24"[..],
            &[0x20, 1, 0xd, 0xb8],
            &[0; 11],
            &[1],
            &[0; 10],
            &[0xFF; 2],
            &[10, 0, 0, 1],
            &[0, 1, 0, 2],
        ];
        check("[2001:db8::1]:1", "10.0.0.1:2", &mixed.concat());
    }
}
