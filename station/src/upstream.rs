//! Bridge mode: the WebSocket paths in front of a broker somewhere else, over TCP or TLS.
//!
//! Bytes are passed on as they come. Who may connect, and what for, is the other broker's to say; how
//! many may, from which pages, and how much they may send, is said here all the same.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mqtt_crawl::broker_url::{BrokerUrl, BrokerUrlError};
use tokio::io::{AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as RustlsError, RootCertStore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::front::{READ_BYTES, first_packet, log_connect, splice};
use crate::gate::Pipe;
use crate::held::Head;
use crate::websocket::{Line, line};

/// How long the other broker may take to answer a call.
const LONGEST_DIAL: Duration = Duration::from_secs(10);

/// CONNACK of 3.1.1, return code 3, server unavailable.
const UNAVAILABLE_V311: &[u8] = &[0x20, 2, 0, 3];

/// Why a broker can't be put behind the station.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The address can't be read.
    #[error("--upstream: {source}")]
    Address {
        /// What is wrong with it.
        source: BrokerUrlError,
    },
    /// A WebSocket address.
    #[error("--upstream {0}: write the address of the broker's TCP port, such as mqtt://broker.example:1883")]
    NoTcp(String),
    /// A host that can't be in a certificate.
    #[error("--upstream {0}: no certificate can be for this host, so it can't be reached over TLS")]
    Name(String),
    /// The authorities to trust can't be read.
    #[error("cannot read the authorities in {path} of --upstream-ca: {fault}")]
    Authorities {
        /// The file named by `--upstream-ca`.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// There is nobody to trust.
    #[error("this system names no authorities to trust; name a PEM file of them with --upstream-ca")]
    NoAuthorities,
}

/// Why the broker can't be had now.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("its certificate is of nobody whom this station trusts; name its authority with --upstream-ca")]
    UnknownAuthority,
    #[error("its certificate can't be trusted: {0}")]
    Certificate(CertificateError),
    #[error(transparent)]
    Io(io::Error),
}

impl DialError {
    /// What a client of MQTT 5.0 is told besides 0x88, server unavailable: a Reason String (3.2.2.3.9).
    fn for_clients(&self) -> &'static str {
        match self {
            Self::UnknownAuthority | Self::Certificate(_) => {
                "This station doesn't trust the certificate of the broker behind it."
            }
            Self::Io(_) => "The broker behind this station can't be reached.",
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(RustlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => Self::UnknownAuthority,
            Some(RustlsError::InvalidCertificate(fault)) => Self::Certificate(fault.clone()),
            _ => Self::Io(error),
        }
    }
}

/// A broker somewhere else.
pub(crate) struct Upstream {
    url: BrokerUrl,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    stop: CancellationToken,
}

impl Upstream {
    /// Reads the address, and the authorities where it wants them; connects to nothing yet.
    pub(crate) fn new(
        address: &str,
        authorities: Option<&Path>,
        stop: CancellationToken,
    ) -> Result<Self, UpstreamError> {
        let url = BrokerUrl::parse(address).map_err(|source| match source {
            // It would advise a WebSocket address, as a browser needs one.
            BrokerUrlError::MissingScheme { .. } => UpstreamError::NoTcp(address.to_owned()),
            source => UpstreamError::Address { source },
        })?;
        if url.scheme().is_web_socket() {
            return Err(UpstreamError::NoTcp(address.to_owned()));
        }
        let tls = match url.scheme().is_tls() {
            true => {
                let name = ServerName::try_from(url.host().to_owned());
                let name = name.map_err(|_| UpstreamError::Name(address.to_owned()))?;
                Some((client_config(authorities)?, name))
            }
            false => None,
        };
        Ok(Self { url, tls, stop })
    }

    /// Where it is, as `host:port`.
    pub(crate) fn address(&self) -> String {
        match self.url.host().contains(':') {
            true => format!("[{}]:{}", self.url.host(), self.url.port()),
            false => format!("{}:{}", self.url.host(), self.url.port()),
        }
    }

    /// Its address, as it was written.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// A stream to it, for somebody who has the client's.
    pub(crate) fn open(self: Arc<Self>) -> Line {
        let (near, far) = line(READ_BYTES);
        tokio::spawn(async move { self.carry(Box::new(far)).await }.in_current_span());
        near
    }

    /// Carries one client. It is called up once a CONNECT is there, so that whoever only opens a
    /// WebSocket costs it nothing.
    async fn carry(&self, mut client: Pipe) {
        let mut bytes = Vec::new();
        let Ok(length) = first_packet(&mut client, &mut bytes).await else { return };
        let head = length.and_then(|length| Head::read(&bytes[..length]));
        log_connect(head.as_ref());
        let mut broker = match self.dial().await {
            Ok(broker) => broker,
            Err(error) => {
                tracing::error!(upstream = self.url(), reason = %error, "the broker behind can't be reached");
                if let Some(head) = head {
                    // Fails only if the client has gone.
                    let _ = client.write_all(&unavailable(head.level, error.for_clients())).await;
                    let _ = client.shutdown().await;
                }
                return;
            }
        };
        // TLS may keep a part of it.
        if broker.write_all(&bytes).await.is_err() || broker.flush().await.is_err() {
            return;
        }
        let (from_broker, to_broker) = split(broker);
        let mut parting = splice(client, from_broker, to_broker, None, None, &self.stop).await;
        tracing::info!(reason = parting.how.in_words(), "ended");
        // Fails only if the client has gone.
        let _ = parting.to_client.shutdown().await;
    }

    async fn dial(&self) -> Result<Pipe, DialError> {
        let dialling = async {
            let stream = TcpStream::connect((self.url.host(), self.url.port())).await?;
            stream.set_nodelay(true)?;
            let pipe: Pipe = match &self.tls {
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                None => Box::new(stream),
            };
            Ok(pipe)
        };
        let dialled: io::Result<Pipe> =
            timeout(LONGEST_DIAL, dialling).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        Ok(dialled?)
    }
}

fn client_config(authorities: Option<&Path>) -> Result<TlsConnector, UpstreamError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let unusable = |fault: String| UpstreamError::Authorities { path: path.to_owned(), fault };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(unusable)?;
            }
            if roots.is_empty() {
                return Err(unusable("it holds no certificate".to_owned()));
            }
        }
        None => {
            // Those that can't be read are left out: a system has many.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(UpstreamError::NoAuthorities);
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring does all versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// The answer to a CONNECT that nobody is there for.
fn unavailable(level: u8, words: &str) -> Vec<u8> {
    const SERVER_UNAVAILABLE: u8 = 0x88;
    const REASON_STRING: u8 = 0x1F;
    if level != 5 {
        return UNAVAILABLE_V311.to_vec();
    }
    let length = words.len() as u8;
    let head = [0x20, length + 6, 0, SERVER_UNAVAILABLE, length + 3, REASON_STRING, 0, length];
    [&head, words.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_tcp_ports() {
        let check = |address: &str, expected: Result<&str, &str>| {
            let upstream = Upstream::new(address, None, CancellationToken::new());
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
}
