//! TLS on both ports: the certificate and its key, and what is wrong with them, told before anything
//! is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use crate::gate::{Pipe, Visitor};

/// Why `--tls-cert` and `--tls-key` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {path} of {option}: {fault}")]
    Unreadable {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The file has no certificate in it.
    #[error(
        "{0} of --tls-cert holds no certificate; it wants PEM, with a part that begins `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate(PathBuf),
    /// The file has no key in it that could be used.
    #[error(
        "{0} of --tls-key holds no private key in plain PEM; one with a passphrase is opened by \
         `openssl pkey -in {0} -out key.pem`"
    )]
    NoKey(PathBuf),
    /// Key and certificate are of different origin.
    #[error("the key in {key} isn't the one of the certificate in {certificate}; name the two that were made together")]
    Mismatch {
        /// The file named by `--tls-cert`.
        certificate: PathBuf,
        /// The file named by `--tls-key`.
        key: PathBuf,
    },
    /// The certificate's time is over.
    #[error("the certificate in {0} has expired, so no browser would connect; get a new one")]
    Expired(PathBuf),
    /// The certificate's time is still to come.
    #[error("the certificate in {0} isn't valid yet; get another one, or set this machine's clock")]
    NotYet(PathBuf),
    /// Something else keeps it from being used.
    #[error("the certificate in {path} can't be used: {fault}")]
    Unusable {
        /// The file named by `--tls-cert`.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// How bytes travel between a client and the station.
#[derive(Clone)]
pub(crate) enum Security {
    Plain,
    Tls(TlsAcceptor),
}

impl Security {
    /// TLS with a certificate and its key, for a protocol by its ALPN name where it has one.
    pub(crate) fn read(certificate: &Path, key: &Path, protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let mut config = read(certificate, key)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self::Tls(Arc::new(config).into()))
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Shakes hands, within a time.
    pub(crate) async fn open(&self, visitor: Visitor, longest: Duration) -> io::Result<Pipe> {
        match self {
            Self::Plain => Ok(Box::new(visitor)),
            Self::Tls(acceptor) => match timeout(longest, acceptor.accept(visitor)).await {
                Ok(stream) => Ok(Box::new(stream?)),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")),
            },
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |option, path: &Path, error: &PemError| {
        let fault = match error {
            PemError::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        TlsError::Unreadable { option, path: path.to_owned(), fault }
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| unreadable("--tls-cert", certificate, &error))?;
    let Some(own) = chain.first().cloned() else { return Err(TlsError::NoCertificate(certificate.to_owned())) };
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        PemError::NoItemsFound => TlsError::NoKey(key.to_owned()),
        other => unreadable("--tls-key", key, &other),
    })?;
    check_time(&own, certificate)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth());
    let config = config.and_then(|builder| builder.with_single_cert(chain, key_der));
    config.map_err(|error| match error {
        RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        other => TlsError::Unusable { path: certificate.to_owned(), fault: other.to_string() },
    })
}

/// Whether the certificate is one for now. Who signed it is for the clients to judge: a certificate
/// of a company's own authority is as good.
fn check_time(own: &CertificateDer<'_>, path: &Path) -> Result<(), TlsError> {
    let unusable = |error: webpki::Error| TlsError::Unusable { path: path.to_owned(), fault: error.to_string() };
    let parsed = EndEntityCert::try_from(own).map_err(unusable)?;
    // Trusting nobody, it can't succeed; but it looks at the certificate's own time first.
    let verified = parsed.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        &[],
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match verified.map(|_| ()) {
        Err(webpki::Error::CertExpired { .. }) => Err(TlsError::Expired(path.to_owned())),
        Err(webpki::Error::CertNotValidYet { .. }) => Err(TlsError::NotYet(path.to_owned())),
        _ => Ok(()),
    }
}
