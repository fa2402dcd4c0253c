//! An MQTT broker and web server in one program, for one machine: MQTT (3.1.1 and 5.0) on a TCP port, the same broker
//! over WebSocket on a web port (`/mqtt`, and `/diffusion` as Diffusion documents it), the built app, and a sample
//! transmission.
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
//! Invariants: without `--users` only this machine can reach it; a page of a foreign origin can't use it; nothing from
//! a client has an effect before its CONNECT is accepted; every queue is bounded, in length or in bytes; dropped
//! messages are counted and logged.

mod archive;
mod broker;
mod connect;
mod connections;
mod hooks;
mod http;
mod inspector;
mod lag;
mod limits;
mod listener;
mod offline_queue;
mod options;
mod proxy;
mod rate_limit;
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
use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::http::Web;
use crate::inspector::Profile;
use crate::limits::{RELOAD_INTERVAL, STOP_TIMEOUT};
use crate::listener::{Arrival, ConnectionLimits, Port};
use crate::proxy::{Backend, Peer, Proxy};
use crate::reload::Reloadable;
use crate::static_files::App;
use crate::tls::Security;
use crate::transmit::Transmission;
use crate::upstream::Upstream;
use crate::users::Users;

pub use crate::archive::embed;
pub use crate::limits::Limits;
pub use crate::options::{LogFormat, Options};
pub use crate::users::hash_password;

/// A running station. Dropping it doesn't stop it; [`Station::stop`] does.
pub struct Station {
    http: SocketAddr,
    mqtt: Option<SocketAddr>,
    announcement: String,
    files: ReloadableFiles,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    sockets: TaskTracker,
    transmission: Option<Transmission>,
}

/// The parts that are reloaded while the station runs.
#[derive(Clone)]
struct ReloadableFiles {
    security: Security,
    users: Option<Reloadable<Users>>,
}

impl ReloadableFiles {
    fn reload(&self, always: bool) {
        self.security.reload(always);
        if let Some(users) = &self.users {
            users.reload(always);
        }
    }

    /// Warns that passwords can be read on the network. It isn't an error, because a reverse proxy may do TLS.
    fn warn_about_plain_passwords(&self, options: &Options) {
        let is_near =
            options.http.ip().is_loopback() && (options.upstream.is_some() || options.mqtt.ip().is_loopback());
        if !self.security.is_tls() && !is_near {
            tracing::warn!(
                "passwords are sent unencrypted over the network: set a certificate with --tls-cert and --tls-key"
            );
        }
    }

    async fn watch(self) {
        let mut interval = interval(RELOAD_INTERVAL);
        loop {
            interval.tick().await;
            self.reload(false);
        }
    }
}

async fn serve_http(port: Port, routes: Router, longest: Duration, stop: CancellationToken) {
    let stopping = stop.clone();
    port.serve(stop, move |pipe, arrival| http::serve(pipe, arrival, routes.clone(), longest, stopping.clone())).await;
}

/// Accepts MQTT over TCP until it is stopped.
async fn serve_tcp(port: Port, proxy: Arc<Proxy>, sockets: TaskTracker, stop: CancellationToken) {
    let serve = move |pipe, arrival: Arrival| {
        let proxy = Arc::clone(&proxy);
        sockets.track_future(async move {
            let peer = Peer { address: arrival.client, local: arrival.local, profile: Profile::Open };
            proxy.serve(pipe, peer).await;
        })
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
        let app = match &options.dist {
            Some(directory) => App::new(&static_files::read_files(directory)?),
            None => archive::own_app()?,
        };
        let security = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Security::read(certificate, key)?,
            _ => Security::Plain,
        };
        let script = options.transmit.as_deref().map(transmit::read_script).transpose()?;
        let limits = options.limits;
        let connections = ConnectionLimits::new(limits, &options.trust_forwarded_for);
        let bind = |option, address| Port::bind(option, address, security.clone(), connections.clone(), limits);
        let port = bind("--http", options.http)?;
        let (stop, sockets, mut tasks) = (CancellationToken::new(), TaskTracker::new(), Vec::new());
        let (backend, tcp_port) = match &options.upstream {
            Some(url) => {
                let upstream = Upstream::new(url, options.upstream_ca.as_deref(), options.proxy_protocol)?;
                (Backend::Upstream(upstream), None)
            }
            None => {
                let port = bind("--mqtt", options.mqtt)?;
                let (broker, task) = Broker::start(options.users.as_deref(), limits).await?;
                tasks.push(task);
                (Backend::Broker(broker), Some(port))
            }
        };
        let (http, mqtt) = (port.address, tcp_port.as_ref().map(|port| port.address));
        let announcement = announcement(http, security.is_tls(), !app.is_empty(), &backend, mqtt);
        let broker = backend.broker();
        let files = ReloadableFiles { security, users: broker.and_then(|broker| broker.users.clone()) };
        files.warn_about_plain_passwords(options);
        tasks.push(tokio::spawn(files.clone().watch()));
        let transmission = script.zip(broker).map(|(script, broker)| {
            let (address, user) = broker.own_login();
            Transmission::begin(script, address, user)
        });
        let dropped = broker.map_or_else(Arc::default, |broker| Arc::clone(&broker.dropped));

        let proxy = Arc::new(Proxy::new(backend, limits, stop.clone()));
        if let Some(port) = tcp_port {
            tasks.push(tokio::spawn(serve_tcp(port, Arc::clone(&proxy), sockets.clone(), stop.clone())));
        }
        let routes = http::routes(Web {
            app,
            allowed_origins: options.allow_origin.clone(),
            allowed_frames: options.allow_frame.clone(),
            connections,
            proxy,
            dropped,
            sockets: sockets.clone(),
        });
        tasks.push(tokio::spawn(serve_http(port, routes, limits.handshake_timeout, stop.clone())));
        Ok(Self { http, mqtt, announcement, files, tasks, stop, sockets, transmission })
    }

    /// Returns the address of the web port, with the port that was picked for 0.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Returns the address of the TCP port for MQTT, with the port that was picked for 0; `None` if the broker is
    /// remote.
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
        self.files.reload(true);
    }

    /// Completes only if a part of the station fails while it runs.
    pub async fn failure(&mut self) -> anyhow::Error {
        let transmission = async {
            match &mut self.transmission {
                Some(transmission) => transmission.ended().await,
                None => std::future::pending().await,
            }
        };
        let tasks = futures_util::future::select_all(&mut self.tasks);
        tokio::select! {
            (ended, ..) = tasks => anyhow::anyhow!("a task of the station ended unexpectedly: {ended:?}"),
            ended = transmission => anyhow::anyhow!("the transmission ended unexpectedly: {ended}"),
        }
    }

    /// Disconnects every client, closes both ports and ends, within a few seconds.
    pub async fn stop(self) {
        if let Some(transmission) = self.transmission {
            transmission.stop().await;
        }
        self.stop.cancel();
        self.sockets.close();
        let _ = timeout(STOP_TIMEOUT, self.sockets.wait()).await;
        // Connections that only fetch files don't delay it.
        for task in self.tasks {
            task.abort();
            // It was aborted, or had ended.
            let _ = task.await;
        }
    }
}

/// See [`Station::announcement`].
fn announcement(http: SocketAddr, is_tls: bool, has_app: bool, backend: &Backend, mqtt: Option<SocketAddr>) -> String {
    let secure = if is_tls { "s" } else { "" };
    let app = if has_app { "app" } else { "no app, see --dist" };
    let (address, server) = match backend {
        Backend::Upstream(upstream) => (upstream.address(), format!("in front of {}", upstream.url())),
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
