//! The web port: the app's files, the WebSocket paths, and the headers that guard both.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::app::App;
use crate::broker::LARGEST_PACKET_BYTES;
use crate::diffusion::Profile;
use crate::gate::{Entrance, Gate, Visitor};
use crate::options::Limits;
use crate::tls::Security;
use crate::websocket::{self, Beyond};

/// How long a request may take to be answered once the station is being stopped.
const LONGEST_FAREWELL: Duration = Duration::from_millis(500);

const NO_APP: &str = "This station serves MQTT only: /mqtt and /diffusion over WebSocket.\n\
    For the app, build it with `cargo xtask dist` and start the station with --dist dist.\n";

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
    pub beyond: Beyond,
    /// See [`crate::broker::Broker::dropped`].
    pub dropped: Arc<AtomicU64>,
    /// Cancelled when the station stops.
    pub stop: CancellationToken,
    /// Holds the WebSockets that are open.
    pub sockets: TaskTracker,
}

/// The client that a request came from.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

/// Serves the web port until it is stopped.
pub(crate) async fn listen(
    entrance: Entrance,
    security: Security,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let accepting = async {
        loop {
            let (visitor, address) = entrance.next().await;
            let (security, routes, stop) = (security.clone(), routes.clone(), stop.clone());
            let span = tracing::info_span!("connection", %address);
            tokio::spawn(serve(visitor, address, security, routes, limits, stop).instrument(span));
        }
    };
    stop.run_until_cancelled(accepting).await;
}

/// Serves one connection, until it becomes a WebSocket or ends.
async fn serve(
    visitor: Visitor,
    address: SocketAddr,
    security: Security,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let longest = limits.handshake_timeout;
    let pipe = match security.open(visitor, longest).await {
        Ok(pipe) => pipe,
        Err(error) => return tracing::warn!(reason = %error, "closed: no TLS"),
    };
    let service = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        service.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(longest);
    let mut connection = pin!(http.serve_connection(TokioIo::new(pipe), service).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(LONGEST_FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    match ended {
        Err(error) if error.is_timeout() => tracing::warn!("closed: no whole request came in time"),
        Err(error) => tracing::debug!(reason = %error, "closed"),
        Ok(()) => {}
    }
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
    let Some(file) = app.find(request.uri().path()) else {
        return words(StatusCode::NOT_FOUND, "There is no such file in the app.");
    };
    let (coding, form) = file.form(&listed(headers, header::ACCEPT_ENCODING));
    let mut response = match form.is_named_in(&listed(headers, header::IF_NONE_MATCH)) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(form.content.clone()).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(header::ETAG, form.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_named_by_content {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name));
    }
    response
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn mqtt(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(&web, Profile::Open, peer, &headers, upgrade)
}

async fn diffusion(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    open(&web, Profile::Diffusion, peer, &headers, upgrade)
}

fn open(web: &Web, profile: Profile, Peer(address): Peer, headers: &HeaderMap, upgrade: Upgrade) -> Response {
    let Ok(upgrade) = upgrade else {
        return words(StatusCode::UPGRADE_REQUIRED, "This path speaks MQTT over WebSocket.");
    };
    if let Err(refusal) = check_origin(headers, &web.allowed_origins, web.is_loopback) {
        tracing::warn!(reason = refusal, "WebSocket refused");
        return words(StatusCode::FORBIDDEN, &refusal);
    }
    let upgrade = upgrade.protocols(["mqtt"]);
    if upgrade.selected_protocol().is_none() {
        tracing::warn!(reason = "no subprotocol mqtt", "WebSocket refused");
        return words(StatusCode::BAD_REQUEST, "Ask for the WebSocket subprotocol `mqtt` (MQTT 3.1.1 and 5.0).");
    }
    let limits = web.limits;
    let (beyond, stop, token) = (web.beyond.clone(), web.stop.clone(), web.sockets.token());
    let span = tracing::info_span!("connection", %address, path = profile.path());
    upgrade.max_message_size(LARGEST_PACKET_BYTES as usize).max_frame_size(LARGEST_PACKET_BYTES as usize).on_upgrade(
        move |socket| {
            let carrying = async move {
                websocket::carry(socket, profile, limits, beyond, stop).await;
                drop(token);
            };
            carrying.instrument(span)
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

/// A header whose value is a list, which may stand in several lines.
fn listed(headers: &HeaderMap, name: HeaderName) -> String {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(",")
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    listed(headers, name).split(',').any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

fn words(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}
