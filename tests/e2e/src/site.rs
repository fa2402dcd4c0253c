//! The site on a static host: plain files, over https if a test needs a remote page.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::dist;

/// A folder on a static host. Stops when dropped.
pub struct Site {
    page_url: String,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    /// Serves the built site over https, with a self-signed certificate.
    pub async fn start_secure() -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(tls_configuration()?));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        // Browsers resolve this name to this machine themselves; the rules for a page over https are the usual ones.
        let page_url = format!("https://{SECURE_HOST}:{}/", listener.local_addr()?.port());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await?;
                    answer(stream, &dist(), "/").await
                });
            }
        });
        Ok(Self { page_url, task })
    }

    /// Serves this folder below a path of a host that has other things too. Browsers allow it everything that needs
    /// https, because it is on their own machine.
    pub async fn start_below_a_path(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let page_url = format!("http://127.0.0.1:{}{BELOW}", listener.local_addr()?.port());
        let folder = folder.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let folder = folder.clone();
                tokio::spawn(async move { answer(stream, &folder, BELOW).await });
            }
        });
        Ok(Self { page_url, task })
    }

    /// Returns the page's address.
    pub fn page_url(&self) -> String {
        self.page_url.clone()
    }
}

/// A path of a host.
const BELOW: &str = "/some/where/";

/// A name of this machine [RFC 6761].
const SECURE_HOST: &str = "crawl.localhost";

fn tls_configuration() -> Result<ServerConfig> {
    let issued = rcgen::generate_simple_self_signed([SECURE_HOST.to_owned()])?;
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der())
        .map_err(|error| anyhow::anyhow!("the key can't be used: {error}"))?;
    let configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)?;
    Ok(configuration)
}

/// Answers one request and closes.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, folder: &Path, below: &str) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let mut header = String::new();
    while stream.read_line(&mut header).await? > 2 {
        header.clear();
    }

    let path = request.split(' ').nth(1).context("no path")?;
    let (status, kind, body) = match path.strip_prefix(below).and_then(|path| file(folder, path)) {
        Some(file) => ("200 OK", media_type(&file), std::fs::read(&file)?),
        None => ("404 Not Found", "text/plain", b"not here".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len(),
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Returns the file for a path, never outside the folder.
fn file(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.split('?').next()?;
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    let file = folder.join(path);
    (is_inside && file.is_file()).then_some(file)
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
