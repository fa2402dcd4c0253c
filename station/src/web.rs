//! The web port: the app's files, the WebSocket paths, and the headers that guard both.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::broker::LARGEST_PACKET_BYTES;
use crate::diffusion::Profile;
use crate::front::Front;
use crate::gate::Gate;
use crate::options::Limits;
use crate::websocket;

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
