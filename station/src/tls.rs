//! TLS on both ports: the certificate and its key, and what is wrong with them, told before anything
//! is opened.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use crate::listener::{GuardedStream, Pipe};
use crate::reload::Reloadable;

/// How bytes travel between a client and the station.
#[derive(Clone)]
pub(crate) enum Security {
    Plain,
    Tls(Reloadable<TlsAcceptor>),
}

impl Security {
    /// TLS with a certificate and its key, for a protocol by its ALPN name where it has one.
    pub(crate) fn read(certificate: &Path, key: &Path, protocols: &'static [&[u8]]) -> anyhow::Result<Self> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let acceptor = Reloadable::new(vec![certificate.clone(), key.clone()], move || {
            let mut config = read(&certificate, &key)?;
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Ok(Arc::new(config).into())
        });
        Ok(Self::Tls(acceptor?))
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Shakes hands, within a time.
    pub(crate) async fn open(&self, stream: GuardedStream, longest: Duration) -> io::Result<Pipe> {
        match self {
            Self::Plain => Ok(Box::new(stream)),
            Self::Tls(acceptor) => match timeout(longest, acceptor.get().accept(stream)).await {
                Ok(stream) => Ok(Box::new(stream?)),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")),
            },
        }
    }

    /// Reads the files again, see [`Reloadable::reload`].
    pub(crate) fn reload(&self, always: bool) {
        if let Self::Tls(acceptor) = self {
            acceptor.reload(always);
        }
    }
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let (certificate_path, key_path) = (certificate.display(), key.display());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| unreadable("--tls-cert", certificate, error))?;
    let own = chain.first().cloned().with_context(|| {
        format!(
            "{certificate_path} of --tls-cert holds no certificate; it wants PEM, with a part that begins \
             `-----BEGIN CERTIFICATE-----`"
        )
    })?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        PemError::NoItemsFound => anyhow::anyhow!(
            "{key_path} of --tls-key holds no private key in plain PEM; one with a passphrase is opened by \
             `openssl pkey -in {key_path} -out key.pem`"
        ),
        other => unreadable("--tls-key", key, other),
    })?;
    check_time(&own, certificate)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth());
    let config = config.and_then(|builder| builder.with_single_cert(chain, key_der));
    config.map_err(|error| match error {
        RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
            "the key in {key_path} isn't the one of the certificate in {certificate_path}; name the two that were made \
             together"
        ),
        other => anyhow::anyhow!("the certificate in {certificate_path} can't be used: {other}"),
    })
}

fn unreadable(option: &str, path: &Path, error: PemError) -> anyhow::Error {
    let reason = match error {
        PemError::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    anyhow::anyhow!("cannot read {} of {option}: {reason}", path.display())
}

/// Whether the certificate is one for now. Who signed it is for the clients to judge: a certificate
/// of a company's own authority is as good.
fn check_time(own: &CertificateDer<'_>, path: &Path) -> anyhow::Result<()> {
    let path = path.display();
    let parsed = EndEntityCert::try_from(own)
        .map_err(|error| anyhow::anyhow!("the certificate in {path} can't be used: {error}"))?;
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
        Err(webpki::Error::CertExpired { .. }) => {
            anyhow::bail!("the certificate in {path} has expired, so no browser would connect; get a new one")
        }
        Err(webpki::Error::CertNotValidYet { .. }) => {
            anyhow::bail!("the certificate in {path} isn't valid yet; get another one, or set this machine's clock")
        }
        _ => Ok(()),
    }
}
