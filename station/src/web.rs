//! The web port: the app's files, the WebSocket paths, and the headers that guard both.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::LARGEST_PACKET_BYTES;
use crate::diffusion::Profile;
use crate::front::Front;
use crate::gate::Gate;
use crate::options::Limits;
use crate::websocket;

/// Most bytes of app that are read into memory: a built app is below 2 MB, so more means that
/// `--dist` names something else.
const LARGEST_APP_BYTES: u64 = 64 * 1024 * 1024;

const NO_APP: &str = "This station serves MQTT only: /mqtt and /diffusion over WebSocket.\n\
    For the app, build it with `cargo xtask dist` and start the station with --dist dist.\n";

/// Why the directory of the app can't be served.
#[derive(Debug, thiserror::Error)]
pub enum DistError {
    /// There is no built app.
    #[error("{0} holds no index.html; build the app with `cargo xtask dist`, or leave --dist out to serve MQTT only")]
    NoIndex(PathBuf),
    /// There is far more than an app.
    #[error("{0} holds more than 64 MiB; --dist wants the directory that `cargo xtask dist` makes")]
    TooLarge(PathBuf),
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// The built app, in memory. What wasn't there at the start can't be asked for, so no request's
/// path ever meets the file system.
#[derive(Debug, Default)]
pub(crate) struct App {
    files: HashMap<String, File>,
    /// `Content-Security-Policy` sources for the scripts that stand in index.html itself.
    inline_scripts: Vec<String>,
}

#[derive(Debug)]
struct File {
    content: Bytes,
    kind: &'static str,
    /// Its content never changes, because its name would.
    is_named_by_content: bool,
    tag: HeaderValue,
    modified: SystemTime,
}

impl App {
    /// Reads everything below the directory named by `--dist`.
    pub(crate) fn read(directory: &Path) -> Result<Self, DistError> {
        if !directory.join("index.html").is_file() {
            return Err(DistError::NoIndex(directory.to_owned()));
        }
        let mut app = Self::default();
        let mut bytes_left = LARGEST_APP_BYTES;
        let mut pending = vec![(directory.to_owned(), String::from("/"))];
        while let Some((directory_here, prefix)) = pending.pop() {
            let unreadable = |source| DistError::Unreadable { path: directory_here.clone(), source };
            for entry in std::fs::read_dir(&directory_here).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let path = entry.path();
                let unreadable = |source| DistError::Unreadable { path: path.clone(), source };
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                let metadata = std::fs::metadata(&path).map_err(unreadable)?;
                if metadata.is_dir() {
                    pending.push((path, format!("{name}/")));
                    continue;
                }
                let too_large = || DistError::TooLarge(directory.to_owned());
                bytes_left = bytes_left.checked_sub(metadata.len()).ok_or_else(too_large)?;
                let content = std::fs::read(&path).map_err(unreadable)?;
                let modified = metadata.modified().map_err(unreadable)?;
                app.files.insert(name, File::new(&path, content.into(), modified));
            }
        }
        if let Some(index) = app.files.get("/index.html") {
            app.inline_scripts = inline_scripts(&String::from_utf8_lossy(&index.content));
        }
        Ok(app)
    }

    /// The file at a path, in the first encoding that was built, is up to date, and is accepted.
    fn find(&self, path: &str, accepted: &str) -> Option<(&File, &File, Option<&'static str>)> {
        let path = if path == "/" { "/index.html" } else { path };
        let file = self.files.get(path)?;
        for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
            let packed = self.files.get(&format!("{path}.{ending}"));
            if let Some(packed) = packed
                && packed.modified >= file.modified
                && accepts(accepted, encoding)
            {
                return Some((file, packed, Some(encoding)));
            }
        }
        Some((file, file, None))
    }

    /// What pages of this origin may load and run.
    fn security_policy(&self) -> String {
        let scripts = self.inline_scripts.iter().map(|source| format!(" {source}")).collect::<String>();
        // `connect-src` is open to every broker: choosing one is what the app is for. Style
        // attributes are allowed, style elements are not.
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; worker-src 'self'; \
             connect-src 'self' ws: wss:; style-src 'self'; style-src-attr 'unsafe-inline'; \
             font-src 'self'; img-src 'self' data:; manifest-src 'self'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        )
    }
}

impl File {
    fn new(path: &Path, content: Bytes, modified: SystemTime) -> Self {
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..12]));
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { content, kind: content_type(path), is_named_by_content: is_named_by_content(path), tag, modified }
    }
}

/// Whether a name has the hash that Trunk writes into it: `page-1ed99b442fcba759_bg.wasm`.
fn is_named_by_content(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    let hash = stem.rsplit_once('-').map(|(_, hash)| hash).unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether an `Accept-Encoding` names this encoding and doesn't weigh it zero.
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|choice| {
        let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        name.trim().eq_ignore_ascii_case(encoding) && !matches!(weight, Some(Ok(0.0)))
    })
}

/// The hash sources of the scripts that stand in a page, such as the loader that Trunk writes.
fn inline_scripts(page: &str) -> Vec<String> {
    let mut sources = Vec::new();
    let mut rest = page;
    while let Some((_, tail)) = rest.split_once("<script") {
        let Some((attributes, tail)) = tail.split_once('>') else { break };
        let Some((script, tail)) = tail.split_once("</script>") else { break };
        let linked = attributes.split_ascii_whitespace().any(|attribute| attribute.starts_with("src"));
        if !linked {
            sources.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
        }
        rest = tail;
    }
    sources
}

/// Everything the web port needs to answer.
pub(crate) struct Web {
    /// The app, if there is one to serve.
    pub app: Option<App>,
    /// Origins named by `--allow-origin`.
    pub allowed_origins: Vec<String>,
    /// Whether only this machine can reach the web port.
    pub is_loopback: bool,
    /// What a client may send.
    pub limits: Limits,
    /// Counts the connections of all ports.
    pub gate: Gate,
    /// The way to the broker.
    pub front: Front,
    /// See [`crate::broker::Broker::dropped`].
    pub dropped: Arc<AtomicU64>,
    /// Cancelled when the station stops.
    pub stop: CancellationToken,
    /// Holds the WebSockets that are open.
    pub sockets: TaskTracker,
}

/// All routes of the web port.
pub(crate) fn routes(web: Web) -> Router {
    let web = Arc::new(web);
    let policy = web.app.as_ref().map_or_else(|| App::default().security_policy(), App::security_policy);
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    Router::new()
        .route("/mqtt", any(mqtt))
        .route("/diffusion", any(diffusion))
        .route("/health", get(health))
        .fallback(file)
        .layer(map_response_with_state(policy, guard))
        .with_state(web)
}

async fn guard(State(policy): State<HeaderValue>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

async fn health(State(web): State<Arc<Web>>) -> Response {
    let dropped = web.dropped.load(Ordering::Relaxed);
    let sockets = web.sockets.len();
    let (connections, refused) = (web.gate.open(), web.gate.refused());
    let body = format!(
        "{{\"status\":\"ok\",\"connections\":{connections},\"refused\":{refused},\
         \"websockets\":{sockets},\"dropped\":{dropped}}}\n"
    );
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn file(State(web): State<Arc<Web>>, request: Request) -> Response {
    let headers = request.headers();
    if has_token(headers, header::UPGRADE, "websocket") {
        return words(StatusCode::NOT_FOUND, "No MQTT here: the WebSocket paths are /mqtt and /diffusion.");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return words(StatusCode::METHOD_NOT_ALLOWED, "Files can only be read.");
    }
    let Some(app) = &web.app else {
        return (StatusCode::NOT_FOUND, NO_APP).into_response();
    };
    let accepted = text(headers, header::ACCEPT_ENCODING).unwrap_or_default();
    let Some((file, packed, encoding)) = app.find(request.uri().path(), accepted) else {
        return words(StatusCode::NOT_FOUND, "There is no such file in the app.");
    };
    let mut response = match headers.get(header::IF_NONE_MATCH) == Some(&packed.tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(packed.content.clone()).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::ETAG, packed.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_named_by_content {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn mqtt(State(web): State<Arc<Web>>, headers: HeaderMap, upgrade: Upgrade) -> Response {
    open(&web, Profile::Open, &headers, upgrade)
}

async fn diffusion(State(web): State<Arc<Web>>, headers: HeaderMap, upgrade: Upgrade) -> Response {
    open(&web, Profile::Diffusion, &headers, upgrade)
}

fn open(web: &Web, profile: Profile, headers: &HeaderMap, upgrade: Upgrade) -> Response {
    let Ok(upgrade) = upgrade else {
        return words(StatusCode::UPGRADE_REQUIRED, "This path speaks MQTT over WebSocket.");
    };
    if let Err(refusal) = check_origin(headers, &web.allowed_origins, web.is_loopback) {
        return words(StatusCode::FORBIDDEN, &refusal);
    }
    let upgrade = upgrade.protocols(["mqtt"]);
    if upgrade.selected_protocol().is_none() {
        return words(StatusCode::BAD_REQUEST, "Ask for the WebSocket subprotocol `mqtt` (MQTT 3.1.1 and 5.0).");
    }
    let limits = web.limits;
    let (front, stop, token) = (web.front.clone(), web.stop.clone(), web.sockets.token());
    upgrade.max_message_size(LARGEST_PACKET_BYTES as usize).max_frame_size(LARGEST_PACKET_BYTES as usize).on_upgrade(
        move |socket| async move {
            websocket::carry(socket, profile, limits, front, stop).await;
            drop(token);
        },
    )
}

/// Refuses a page of another origin: a WebSocket isn't covered by the browser's same-origin rule,
/// so any page a person visits could otherwise use the broker on their machine. A client that is no
/// browser sends no `Origin` and isn't meant.
fn check_origin(headers: &HeaderMap, allowed: &[String], is_loopback: bool) -> Result<(), String> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = text(headers, header::ORIGIN).unwrap_or_default();
    if allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let own = text(headers, header::HOST).is_some_and(|host| {
        // A name that somebody else's DNS points at this machine makes both headers agree.
        is_same_host(origin, host) && (!is_loopback || is_loopback_host(host))
    });
    match own {
        true => Ok(()),
        false => Err(format!("Pages of {origin} may not connect here; --allow-origin {origin} allows them.")),
    }
}

fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let with_port = |authority: &str| match split_port(authority).1 {
        Some(_) => authority.to_ascii_lowercase(),
        None => format!("{}{default_port}", authority.to_ascii_lowercase()),
    };
    with_port(authority) == with_port(host)
}

fn is_loopback_host(host: &str) -> bool {
    let name = split_port(host).0;
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Splits `host:port`, minding the colons of an IPv6 address in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let listed = text(headers, name).unwrap_or_default();
    listed.split(',').any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

fn words(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}
