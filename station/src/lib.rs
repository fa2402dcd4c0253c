//! An MQTT broker and web server in one program, for one machine: MQTT (3.1.1 and 5.0) on a TCP port,
//! the same broker over WebSocket on a web port (`/mqtt`, and `/diffusion` as Diffusion documents
//! it), the built app, and a sample transmission.
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
//! Invariants: without `--users` nothing but this machine can reach it; a page of a foreign origin
//! can't use it; nothing of a client counts before its CONNECT is accepted; every queue ends, in
//! length or in bytes; what is dropped is counted and logged.

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
mod tcp;
mod throttle;
mod tls;
mod transmit;
mod upstream;
mod users;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::http::Web;
use crate::limits::{RELOAD_INTERVAL, STOP_TIMEOUT};
use crate::listener::{ConnectionLimits, CountedListener};
use crate::proxy::{Backend, Proxy};
use crate::static_files::App;
use crate::tls::Security;
use crate::transmit::Transmission;
use crate::upstream::Upstream;

pub use crate::archive::embed;
pub use crate::limits::Limits;
pub use crate::options::{LogFormat, LogLevel, Options};
pub use crate::users::hash_password;

/// A running station. Dropping it doesn't stop it; [`Station::stop`] does.
pub struct Station {
    http: SocketAddr,
    has_app: bool,
    files: ReloadableFiles,
    backend: RunningBackend,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    sockets: TaskTracker,
    transmission: Option<Transmission>,
}

/// The broker, and where it is.
enum RunningBackend {
    Broker { broker: Arc<Broker>, tcp: SocketAddr },
    Upstream(Arc<Upstream>),
}

/// What is read again while the station runs.
#[derive(Clone)]
struct ReloadableFiles {
    http: Security,
    tcp: Security,
    broker: Option<Arc<Broker>>,
}

impl ReloadableFiles {
    fn reload(&self, always: bool) {
        self.http.reload(always);
        self.tcp.reload(always);
        if let Some(users) = self.broker.as_ref().and_then(|broker| broker.users()) {
            users.reload(always);
        }
    }

    /// Passwords that cross a network are read by whoever carries them. It is no error: something that
    /// does TLS may stand in front.
    fn warn_of_plain_passwords(&self, options: &Options) {
        let is_near =
            options.http.ip().is_loopback() && (options.upstream.is_some() || options.mqtt.ip().is_loopback());
        if !self.http.is_tls() && !is_near {
            tracing::warn!("passwords cross the network unencrypted: name a certificate with --tls-cert and --tls-key");
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

fn security(options: &Options, protocols: &'static [&[u8]]) -> anyhow::Result<Security> {
    match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Security::read(certificate, key, protocols),
        _ => Ok(Security::Plain),
    }
}

fn counted(listener: TcpListener, connections: &ConnectionLimits, limits: Limits) -> CountedListener {
    CountedListener { listener, limits: connections.clone(), stall_timeout: limits.stall_timeout }
}

impl Station {
    /// Opens the ports and starts to serve. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Before anything is served: an address open to other machines without users, a file or
    /// directory that can't be used, a port that is taken.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        options.check_reach()?;
        let app = match &options.dist {
            Some(directory) => Some(App::new(&static_files::read_files(directory)?)),
            None => archive::own_app()?,
        };
        // A WebSocket can't begin on HTTP/2 here.
        let (http_security, tcp_security) = (security(options, &[b"http/1.1"])?, security(options, &[])?);
        let script = options.transmit.as_deref().map(transmit::Script::read).transpose()?;
        let limits = options.limits;
        let trusted = options.trust_forwarded_for.iter().map(|address| address.to_canonical()).collect();
        let connections = ConnectionLimits::new(limits, trusted);
        let (listener, http) = tcp::bind("--http", options.http)?;
        let (stop, sockets, mut tasks) = (CancellationToken::new(), TaskTracker::new(), Vec::new());
        let (backend, proxy) = match &options.upstream {
            Some(url) => {
                let authorities = options.upstream_ca.as_deref();
                let upstream = Arc::new(Upstream::new(url, authorities, options.proxy_protocol)?);
                let proxy = Proxy::new(Backend::Upstream(Arc::clone(&upstream)), limits, stop.clone());
                (RunningBackend::Upstream(upstream), Arc::new(proxy))
            }
            None => {
                let (listener, tcp) = tcp::bind("--mqtt", options.mqtt)?;
                let (broker, task) = Broker::start(options.users.as_deref(), limits).await?;
                let broker = Arc::new(broker);
                let proxy = Arc::new(Proxy::new(Backend::Broker(Arc::clone(&broker)), limits, stop.clone()));
                let (listener, security) = (counted(listener, &connections, limits), tcp_security.clone());
                let (sockets, stop) = (sockets.clone(), stop.clone());
                let listening = tcp::listen(listener, tcp, security, Arc::clone(&proxy), limits, sockets, stop);
                tasks.extend([task, tokio::spawn(listening)]);
                (RunningBackend::Broker { broker, tcp }, proxy)
            }
        };
        let transmission = script.zip(backend.broker()).map(|(script, broker)| {
            let (address, user) = broker.own_login();
            Transmission::begin(script, address, user)
        });
        let broker = backend.broker().map(Arc::clone);
        let files = ReloadableFiles { http: http_security.clone(), tcp: tcp_security, broker };
        files.warn_of_plain_passwords(options);
        tasks.push(tokio::spawn(files.clone().watch()));

        let has_app = app.is_some();
        let routes = http::routes(Web {
            app,
            allowed_origins: options.allow_origin.clone(),
            allowed_frames: options.allow_frame.clone(),
            connections: connections.clone(),
            proxy,
            dropped: backend.broker().map_or_else(Arc::default, |broker| Arc::clone(&broker.dropped)),
            sockets: sockets.clone(),
        });
        let listener = counted(listener, &connections, limits);
        tasks.push(tokio::spawn(http::listen(listener, http, http_security, routes, limits, stop.clone())));
        Ok(Self { http, has_app, files, backend, tasks, stop, sockets, transmission })
    }

    /// The address of the web port, with the port that was picked for 0.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the TCP port for MQTT, with the port that was picked for 0; `None` where the
    /// broker is somewhere else.
    pub fn mqtt(&self) -> Option<SocketAddr> {
        match &self.backend {
            RunningBackend::Broker { tcp, .. } => Some(*tcp),
            RunningBackend::Upstream(_) => None,
        }
    }

    /// Two lines that say where it listens: one for programs, one for people. Where the broker is
    /// somewhere else, its address stands for that of the TCP port.
    pub fn announcement(&self) -> String {
        let http = self.http;
        let page = reachable(http);
        let secure = if self.files.http.is_tls() { "s" } else { "" };
        let (mqtt, server) = match &self.backend {
            RunningBackend::Broker { tcp, .. } => (tcp.to_string(), format!("mqtt{secure}://{}", reachable(*tcp))),
            RunningBackend::Upstream(upstream) => (upstream.address(), format!("in front of {}", upstream.url())),
        };
        let app = if self.has_app { "app" } else { "no app: see --dist" };
        format!(
            "listening http={http} mqtt={mqtt}\n\
             Station: http{secure}://{page}/ ({app}), ws{secure}://{page}/mqtt, ws{secure}://{page}/diffusion, {server}\n"
        )
    }

    /// Reads certificate, key and users again. What can't be used is logged and changes nothing.
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
            (ended, ..) = tasks => anyhow::anyhow!("a part of the station ended: {ended:?}"),
            ended = transmission => anyhow::anyhow!("the transmission ended: {ended}"),
        }
    }

    /// Says goodbye to every client, closes both ports and ends, within a few seconds.
    pub async fn stop(self) {
        if let Some(transmission) = self.transmission {
            transmission.stop().await;
        }
        self.stop.cancel();
        self.sockets.close();
        let _ = timeout(STOP_TIMEOUT, self.sockets.wait()).await;
        // Connections that only fetch files don't hold it up.
        for task in self.tasks {
            task.abort();
            // It was aborted, or had ended.
            let _ = task.await;
        }
    }
}

impl RunningBackend {
    fn broker(&self) -> Option<&Arc<Broker>> {
        match self {
            Self::Broker { broker, .. } => Some(broker),
            Self::Upstream(_) => None,
        }
    }
}

/// An address to connect to: that of this machine where it listens on all of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        match &mut address {
            SocketAddr::V4(address) => address.set_ip(std::net::Ipv4Addr::LOCALHOST),
            SocketAddr::V6(address) => address.set_ip(std::net::Ipv6Addr::LOCALHOST),
        }
    }
    address
}
