//! The web port: the app's files, the WebSocket paths, and the headers that protect both.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;
use tracing::Instrument as _;
use tungstenite::handshake::server::create_response_with_body;
use tungstenite::protocol::frame::coding::CloseCode;
use url::Url;

use crate::inspector::Profile;
use crate::limits::{CLOSE_TIMEOUT, HTTP_HEAD_BYTES_MAX};
use crate::listener::{Arrival, ConnectionLimits, Port};
use crate::proxy::Proxy;
use crate::static_files::App;
use crate::stream::{Pipe, close};
use crate::websocket::{CLOSE_REASON_BYTES_MAX, WebSocket};

const NO_APP: &str = "This station serves MQTT only: /mqtt and /diffusion over WebSocket.\n\
    To serve the app, build it with `cargo xtask dist` and start the station with --dist dist.";

/// The state that the web port needs to answer requests.
pub(crate) struct Web {
    pub app: App,
    /// The origins of `--allow-origin`.
    pub allowed_origins: Vec<String>,
    /// Counts the connections of all ports.
    pub connections: Arc<ConnectionLimits>,
    /// The proxy to the broker.
    pub proxy: Arc<Proxy>,
}

type Response = hyper::Response<Full<Bytes>>;

/// Serves the web port until the station is stopped.
pub(crate) async fn serve(port: Port, web: Web) {
    let stop = web.proxy.stop.clone();
    let web = Arc::new(web);
    port.serve(stop, move |pipe, arrival| serve_connection(pipe, arrival, Arc::clone(&web))).await;
}

/// Serves one connection, until it becomes a WebSocket or ends.
async fn serve_connection(pipe: Pipe, arrival: Arrival, web: Arc<Web>) {
    let service = service_fn(|request| {
        let response = respond(&web, &arrival, request);
        async { Ok::<_, Infallible>(response) }
    });
    let (stop, longest) = (&web.proxy.stop, web.proxy.limits.handshake_timeout);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(longest).max_buf_size(HTTP_HEAD_BYTES_MAX);
    let mut connection = pin!(http.serve_connection(TokioIo::new(pipe), service).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    match ended {
        Err(error) if error.is_timeout() => tracing::warn!("closed: no complete request in time"),
        Err(error) => tracing::debug!(reason = %error, "closed"),
        Ok(()) => {}
    }
}

fn respond(web: &Arc<Web>, arrival: &Arrival, request: Request<Incoming>) -> Response {
    let mut response = match Profile::of_path(request.uri().path()) {
        Some(profile) => upgrade(web, Arrival { profile, ..arrival.clone() }, request),
        None => file(web, &request),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, web.app.security_policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

fn health(web: &Web) -> String {
    let (sockets, dropped) = (web.proxy.sockets.len(), web.proxy.dropped());
    let (connections, refused) = (web.connections.open(), web.connections.refused.load(Ordering::Relaxed));
    format!(
        "{{\"status\":\"ok\",\"connections\":{connections},\"refused\":{refused},\
         \"websockets\":{sockets},\"dropped\":{dropped}}}\n"
    )
}

fn file(web: &Web, request: &Request<Incoming>) -> Response {
    let headers = request.headers();
    if has_token(headers, header::UPGRADE, "websocket") {
        return plain_text(
            StatusCode::NOT_FOUND,
            "No MQTT on this path. The WebSocket paths are /mqtt and /diffusion.",
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain_text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed.");
    }
    let path = request.uri().path();
    if path == "/health" {
        return response(StatusCode::OK, HeaderValue::from_static("application/json"), health(web));
    }
    let Some(file) = web.app.find(path, &listed(headers, header::ACCEPT_ENCODING)) else {
        return plain_text(StatusCode::NOT_FOUND, if web.app.is_empty() { NO_APP } else { "Not found." });
    };
    let (status, body) = match file.is_named_in(&listed(headers, header::IF_NONE_MATCH)) {
        true => (StatusCode::NOT_MODIFIED, Bytes::new()),
        false => (StatusCode::OK, file.content.clone()),
    };
    let mut response = response(status, file.kind, body);
    let headers = response.headers_mut();
    headers.insert(header::ETAG, file.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_named_by_content {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    if let Some(coding) = file.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Upgrades a connection to a WebSocket (RFC 6455, section 4.2).
fn upgrade(web: &Web, mut arrival: Arrival, mut request: Request<Incoming>) -> Response {
    let headers = request.headers();
    let accepted = create_response_with_body(&request, Full::default).ok();
    let speaks_mqtt = has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, "mqtt");
    let foreign = check_origin(headers, &web.allowed_origins).err();
    if let Some(reason) = &foreign {
        tracing::warn!(reason, "WebSocket refused");
    }
    let mut response = match (accepted, &foreign) {
        (Some(response), _) if speaks_mqtt => response,
        (_, Some(reason)) => return plain_text(StatusCode::FORBIDDEN, reason),
        (None, None) => {
            return plain_text(StatusCode::UPGRADE_REQUIRED, "This path requires a WebSocket connection for MQTT.");
        }
        (Some(_), None) => {
            tracing::warn!(reason = "missing subprotocol mqtt", "WebSocket refused");
            return plain_text(
                StatusCode::BAD_REQUEST,
                "The WebSocket subprotocol `mqtt` is required (MQTT 3.1.1 and 5.0).",
            );
        }
    };
    if let Some(client) = forwarded_for(headers, &web.connections, arrival.client.ip())
        && let Err(refusal) = arrival.forward(&web.connections, client)
    {
        return plain_text(StatusCode::TOO_MANY_REQUESTS, &format!("Too many connections: {refusal}."));
    }
    let span = tracing::info_span!("connection", address = %arrival.client, path = arrival.profile.path());
    let (upgrading, proxy) = (hyper::upgrade::on(&mut request), Arc::clone(&web.proxy));
    let serving = async move {
        // Fails only if the client is gone.
        let Ok(upgraded) = upgrading.await else { return };
        let mut socket = WebSocket::new(Box::new(TokioIo::new(upgraded)));
        match foreign {
            None => proxy.serve(socket, &arrival).await,
            // A browser hides the body of a 403 from the page, but not the reason of a close.
            Some(reason) => close(&mut socket, CloseCode::Policy, &reason).await,
        }
    };
    web.proxy.sockets.spawn(serving.instrument(span));
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("mqtt"));
    response
}

/// Returns the client of a trusted reverse proxy: the last address that doesn't belong to such a proxy.
fn forwarded_for(headers: &HeaderMap, connections: &ConnectionLimits, peer: IpAddr) -> Option<IpAddr> {
    if !connections.is_trusted(peer) {
        return None;
    }
    let listed = listed(headers, HeaderName::from_static("x-forwarded-for"));
    let addresses = listed.rsplit(',').map_while(|address| address.trim().parse::<IpAddr>().ok());
    addresses.map(|address| address.to_canonical()).find(|address| !connections.is_trusted(*address))
}

/// Refuses a page of another origin, with a reason that fits into a closing frame: the browser's same-origin rule
/// doesn't cover WebSockets. Only browsers send an `Origin`.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), String> {
    let origin = listed(headers, header::ORIGIN);
    let is_allowed = |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(&origin);
    // The host isn't compared with the listening address: a reverse proxy may have another name.
    let is_own = || is_same_host(&origin, &listed(headers, header::HOST));
    if !headers.contains_key(header::ORIGIN) || is_own() || allowed.iter().any(is_allowed) {
        return Ok(());
    }
    const ADVICE: &str = "origin not allowed: start the station with --allow-origin";
    let reason = format!("{ADVICE} {origin}");
    Err(if reason.len() <= CLOSE_REASON_BYTES_MAX { reason } else { ADVICE.to_owned() })
}

fn is_same_host(origin: &str, host: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    let expected = Url::parse(&format!("{}://{host}", origin.scheme()));
    expected.is_ok_and(|expected| expected.origin() == origin.origin())
}

/// Returns a header whose value is a list, which may be spread over several lines.
fn listed(headers: &HeaderMap, name: HeaderName) -> String {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(",")
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    listed(headers, name).split(',').any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

fn plain_text(status: StatusCode, text: &str) -> Response {
    response(status, HeaderValue::from_static("text/plain; charset=utf-8"), format!("{text}\n"))
}

fn response(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
