//! TLS on both ports: the certificate and its key, whose errors are reported before anything is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::{Error as RustlsError, InconsistentKeys, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

use crate::reload::Reloadable;
use crate::stream::Pipe;

/// TLS of a port; `None` for none.
pub(crate) type Security = Option<Arc<Reloadable<TlsAcceptor>>>;

/// Reads a certificate and its key, again and again. ALPN names no protocol: without it, browsers use HTTP/1.1, the only
/// version here in which a WebSocket can begin.
pub(crate) fn security(certificate: &Path, key: &Path, requests: watch::Receiver<()>) -> anyhow::Result<Security> {
    let files = [certificate.to_owned(), key.to_owned()];
    let read = |[certificate, key]: &[PathBuf; 2]| Ok(Arc::new(read(certificate, key)?).into());
    Ok(Some(Arc::new(Reloadable::new(files, requests, read)?)))
}

/// Performs the handshake, if there is TLS, within a time limit.
pub(crate) async fn open(security: &Security, stream: Pipe, longest: Duration) -> io::Result<Pipe> {
    let Some(acceptor) = security else { return Ok(stream) };
    match timeout(longest, acceptor.get().accept(stream)).await {
        Ok(stream) => Ok(Box::new(stream?)),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake timed out")),
    }
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<ServerConfig> {
    let read = |option: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("can't read {} of {option}", path.display()))
    };
    let (chain, key_der) = (read("--tls-cert", certificate)?, read("--tls-key", key)?);
    let (certificate_path, key_path) = (certificate.display(), key.display());
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.with_context(|| format!("{certificate_path} of --tls-cert isn't PEM"))?;
    let own = chain.first().cloned().with_context(|| {
        format!(
            "{certificate_path} of --tls-cert contains no certificate; expected PEM with a block that begins \
             `-----BEGIN CERTIFICATE-----`"
        )
    })?;
    let key_der = PrivateKeyDer::from_pem_slice(&key_der).with_context(|| {
        format!(
            "{key_path} of --tls-key contains no unencrypted private key in PEM; to remove a passphrase, use \
             `openssl pkey -in {key_path} -out key.pem`"
        )
    })?;
    check_time(&own, certificate)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key_der);
    config.map_err(|error| match error {
        RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            anyhow::anyhow!(
                "the key in {key_path} doesn't match the certificate in {certificate_path}; use the \
             key that the certificate was issued for"
            )
        }
        other => anyhow::anyhow!("can't use the certificate in {certificate_path}: {other}"),
    })
}

/// Whether the certificate is currently valid. Its issuer is left to the clients to check.
fn check_time(own: &CertificateDer<'_>, path: &Path) -> anyhow::Result<()> {
    let path = path.display();
    let parsed = EndEntityCert::try_from(own)
        .map_err(|error| anyhow::anyhow!("can't use the certificate in {path}: {error}"))?;
    // Verification trusts no issuer, so it can't succeed; but it checks the certificate's own validity first.
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
            anyhow::bail!("the certificate in {path} has expired, so browsers refuse it; install a new one")
        }
        Err(webpki::Error::CertNotValidYet { .. }) => {
            anyhow::bail!("the certificate in {path} isn't valid yet; use another one, or set this machine's clock")
        }
        _ => Ok(()),
    }
}
