//! An MQTT broker and web server in one program: MQTT (3.1.1 and 5.0) over TCP and over WebSocket (`/mqtt`, and
//! `/diffusion` as Diffusion documents it), the built app, and a sample transmission.
//!
//! ```text
//! browser ── http ──┬─ files of --dist, or of the app inside the program
//!                   ├─ /mqtt ───────┐
//!                   └─ /diffusion ──┤ websocket: bytes as they come, both ways
//!                                   ▼
//! producer ─ tcp ────────────────▶ proxy ──▶ broker (inside), or the one of --upstream
//!                                   ▲
//!                                 limits
//! ```
//!
//! # Invariants
//! Without `--users` only this machine can reach it. A page of a foreign origin can't use it. Nothing from a client has
//! an effect before its CONNECT is accepted. Every queue is bounded; dropped messages are counted and logged.

mod archive;
mod broker;
mod connect;
mod hooks;
mod http;
mod inspector;
mod limits;
mod listener;
mod offline_queue;
mod options;
mod proxy;
mod reload;
mod retained;
mod static_files;
mod stream;
mod throttle;
mod tls;
mod transmit;
mod upstream;
mod users;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::broker::Broker;
use crate::http::Web;
use crate::limits::STOP_TIMEOUT;
use crate::listener::{Arrival, ConnectionLimits, Port};
use crate::proxy::{Backend, Proxy};
use crate::static_files::App;
use crate::upstream::Upstream;

pub use crate::archive::embed;
pub use crate::limits::Limits;
pub use crate::options::{LogFormat, Options};
pub use crate::users::hash_password;

/// A running station. Dropping it closes its ports at once; [`Station::stop`] also ends its connections.
pub struct Station {
    http: SocketAddr,
    mqtt: Option<SocketAddr>,
    announcement: String,
    reload: watch::Sender<()>,
    tasks: JoinSet<()>,
    proxy: Arc<Proxy>,
}

/// Accepts MQTT over TCP until the station is stopped.
async fn serve_tcp(port: Port, proxy: Arc<Proxy>) {
    let (stop, sockets) = (proxy.stop.clone(), proxy.sockets.clone());
    let serve = move |pipe, arrival: Arrival| {
        let proxy = Arc::clone(&proxy);
        sockets.track_future(async move { proxy.serve(pipe, &arrival).await })
    };
    port.serve(stop, serve).await;
}

impl Station {
    /// Opens the ports and starts to serve. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Fails before anything is served: an address open to other machines without users, a file or directory that can't
    /// be used, a port that is taken.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        options.check_reach()?;
        let files = match &options.dist {
            Some(directory) => static_files::read_files(directory)?,
            None => archive::own_files()?,
        };
        let app = App::new(files, &options.allow_frame);
        let (reload, requests) = watch::channel(());
        let security = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => tls::security(certificate, key, requests.clone())?,
            _ => None,
        };
        let script = options.transmit.as_deref().map(transmit::read_script).transpose()?;
        let limits = options.limits;
        let connections = Arc::new(ConnectionLimits::new(limits, &options.trust_forwarded_for));
        let bind = |option, address| Port::bind(option, address, security.clone(), Arc::clone(&connections), limits);
        let port = bind("--http", options.http)?;
        let mut tasks = JoinSet::new();
        let (backend, tcp_port) = match &options.upstream {
            Some(url) => {
                let upstream = Upstream::new(url, options.upstream_ca.as_deref(), options.proxy_protocol)?;
                (Backend::Upstream(upstream), None)
            }
            None => {
                let port = bind("--mqtt", options.mqtt)?;
                let broker = Broker::start(options.users.as_deref(), limits, requests, &mut tasks).await?;
                let broker = Arc::new(broker);
                if let Some(script) = script {
                    tasks.spawn(transmit::transmit(script, Arc::clone(&broker)));
                }
                (Backend::Broker(broker), Some(port))
            }
        };
        let (http, mqtt) = (port.address, tcp_port.as_ref().map(|port| port.address));
        let announcement = announcement(http, options.tls_cert.is_some(), !app.is_empty(), &backend, mqtt);
        let proxy = Arc::new(Proxy::new(backend, limits));
        if let Some(port) = tcp_port {
            tasks.spawn(serve_tcp(port, Arc::clone(&proxy)));
        }
        let allowed_origins = options.allow_origin.clone();
        tasks.spawn(http::serve(port, Web { app, allowed_origins, connections, proxy: Arc::clone(&proxy) }));
        Ok(Self { http, mqtt, announcement, reload, tasks, proxy })
    }

    /// Returns the address of the web port, with the port that was picked for 0.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Returns the address of the TCP port for MQTT, likewise; `None` if the broker is remote.
    pub fn mqtt(&self) -> Option<SocketAddr> {
        self.mqtt
    }

    /// Returns two lines with the addresses it listens on: one for programs, one for people. If the broker is remote,
    /// its address replaces that of the TCP port.
    pub fn announcement(&self) -> &str {
        &self.announcement
    }

    /// Reads certificate, key and users again. Unusable contents are logged and change nothing.
    pub fn reload(&self) {
        self.reload.send_replace(());
    }

    /// Completes only if a part of the station fails while it runs.
    pub async fn failure(&mut self) -> anyhow::Error {
        anyhow::anyhow!("a task of the station ended unexpectedly: {:?}", self.tasks.join_next().await)
    }

    /// Disconnects every client, closes both ports and ends, within a few seconds.
    pub async fn stop(mut self) {
        self.proxy.stop.cancel();
        self.proxy.sockets.close();
        let _ = timeout(STOP_TIMEOUT, self.proxy.sockets.wait()).await;
        // Connections that only fetch files don't delay it.
        self.tasks.shutdown().await;
    }
}

/// See [`Station::announcement`].
fn announcement(http: SocketAddr, is_tls: bool, has_app: bool, backend: &Backend, mqtt: Option<SocketAddr>) -> String {
    let secure = if is_tls { "s" } else { "" };
    let app = if has_app { "app" } else { "no app, see --dist" };
    let (address, server) = match backend {
        Backend::Upstream(upstream) => (upstream.address(), format!("in front of {}", upstream.url.as_str())),
        Backend::Broker(_) => {
            mqtt.map(|mqtt| (mqtt.to_string(), format!("mqtt{secure}://{}", reachable(mqtt)))).unwrap_or_default()
        }
    };
    let page = reachable(http);
    format!(
        "listening http={http} mqtt={address}\n\
         Station: http{secure}://{page}/ ({app}), ws{secure}://{page}/mqtt, ws{secure}://{page}/diffusion, {server}\n"
    )
}

/// Returns an address to connect to: loopback if it listens on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match &mut address {
            SocketAddr::V4(address) => address.set_ip(std::net::Ipv4Addr::LOCALHOST),
            SocketAddr::V6(address) => address.set_ip(std::net::Ipv6Addr::LOCALHOST),
        }
    }
    address
}
