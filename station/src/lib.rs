//! One program that runs everything on one machine: an MQTT broker (3.1.1 and 5.0) on a TCP port,
//! the same broker over WebSocket on a web port (`/mqtt`, and `/diffusion` as Diffusion documents
//! it), the built app, and a sample transmission.
//!
//! ```text
//! browser ── web ──┬─ files of --dist, or of the app inside the program
//!                  ├─ /mqtt ───────┐
//!                  └─ /diffusion ──┤ websocket: bytes as they come, both ways
//!                                  ▼
//! producer ─ tcp ────────────▶ front ◀─ tcp ─ transmit (--transmit FILE)
//!                                │ sessions that outlive their connection are held
//!                                ▼
//!                              broker
//! ```
//! With `--upstream` the WebSocket paths lead to a broker somewhere else instead, byte for byte.
//!
//! Invariants: without `--users` nothing but this machine can reach it; a page of a foreign origin
//! can't use it; every queue ends, in length or, where the broker library has no length, in time and in
//! what is published meanwhile; what is dropped is counted and said.

mod app;
mod archive;
mod backlog;
mod broker;
mod diffusion;
mod front;
mod gate;
mod held;
mod meter;
mod options;
mod retained;
mod tls;
mod transmit;
mod upstream;
mod users;
mod web;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::broker::Broker;
use crate::gate::{Entrance, Gate};
use crate::tls::Security;
use crate::transmit::Transmission;
use crate::upstream::Upstream;
use crate::web::Web;
use crate::websocket::Beyond;

pub use crate::app::DistError;
pub use crate::archive::{ArchiveError, embed};
pub use crate::options::{Limits, LogFormat, LogLevel, Options};
pub use crate::tls::TlsError;
pub use crate::upstream::UpstreamError;
pub use crate::users::{LineFault, Users, UsersError, hash_password};

/// How long open connections may take to end once the station is being stopped.
const LONGEST_STOP: Duration = Duration::from_secs(2);

/// Why a station didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Other machines could connect, and nobody would be asked who they are.
    #[error(
        "{option} {address} can be reached from other machines, so it needs --users FILE: \
         a line `user:hash` for each person, the hash made with `mqtt-crawl-station --hash-password`"
    )]
    OpenToAll {
        /// The option that names the address.
        option: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Other machines could reach a broker that may ask nobody who they are.
    #[error(
        "--http {address} can be reached from other machines, and --users is for the station's own broker: \
         add --upstream-checks-users if the broker of --upstream asks for passwords"
    )]
    UpstreamOpenToAll {
        /// The address.
        address: SocketAddr,
    },
    /// An address is taken, or isn't this machine's.
    #[error("cannot listen on {address}: {fault}; choose another with {option} (port 0 picks a free one)")]
    Bind {
        /// The option that names the address.
        option: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        fault: String,
    },
    /// The file of `--transmit` can't be used.
    #[error("cannot transmit {path}: {fault}")]
    Transmit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The directory of `--dist` can't be served.
    #[error(transparent)]
    Dist(#[from] DistError),
    /// The app at the end of the program's own file can't be used.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The files of `--tls-cert` and `--tls-key` can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The broker of `--upstream` can't be put behind it.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The file of `--users` can't be used.
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// A running station. Dropping it doesn't stop it; [`Station::stop`] does.
pub struct Station {
    http: SocketAddr,
    has_app: bool,
    is_tls: bool,
    behind: Behind,
    web: JoinHandle<()>,
    stop: CancellationToken,
    sockets: TaskTracker,
    transmission: Option<Transmission>,
}

/// What is behind the WebSockets.
enum Behind {
    Broker(Box<Broker>),
    Upstream(Arc<Upstream>),
}

impl Behind {
    fn way_in(&self) -> Beyond {
        match self {
            Self::Broker(broker) => Beyond::Front(broker.front.clone()),
            Self::Upstream(upstream) => Beyond::Upstream(Arc::clone(upstream)),
        }
    }

    fn dropped(&self) -> Arc<AtomicU64> {
        match self {
            Self::Broker(broker) => Arc::clone(&broker.dropped),
            Self::Upstream(_) => Arc::default(),
        }
    }
}

impl Station {
    /// Opens the ports and starts to serve. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Before anything is served: an address open to other machines without users, a file or
    /// directory that can't be used, a port that is taken.
    pub async fn start(options: &Options) -> Result<Self, StartError> {
        options.check_reach()?;
        let app = match &options.dist {
            Some(directory) => Some(App::new(&app::read_files(directory)?)),
            None => archive::own_app()?,
        };
        let security = |protocols: &[&[u8]]| match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Security::read(certificate, key, protocols),
            _ => Ok(Security::Plain),
        };
        // A WebSocket can't begin on HTTP/2 here.
        let (web_security, tcp_security) = (security(&[b"http/1.1"])?, security(&[])?);
        let is_tls = web_security.is_tls();
        let users = options.users.as_deref().map(Users::read).transpose()?;
        let script = options.transmit.as_deref().map(transmit::Script::read).transpose()?;

        let bind = |error: std::io::Error| StartError::Bind {
            option: "--http",
            address: options.http,
            fault: error.to_string(),
        };
        let listener = TcpListener::bind(options.http).await.map_err(bind)?;
        let http = listener.local_addr().map_err(bind)?;
        let limits = options.limits;
        let gate = Gate::new(limits.max_connections.get() as usize, limits.max_per_address.get() as usize);
        let stop = CancellationToken::new();
        let mut transmission = None;
        let behind = match &options.upstream {
            Some(url) => {
                let authorities = options.upstream_ca.as_deref();
                let upstream = Upstream::new(url, authorities, stop.clone())?;
                Behind::Upstream(Arc::new(upstream))
            }
            None => {
                let broker = Broker::start(options.mqtt, users, gate.clone(), limits, tcp_security).await?;
                transmission = script.map(|script| {
                    // No certificate is for the address that it would call.
                    let address = if is_tls { broker.door } else { reachable(broker.tcp) };
                    Transmission::begin(script, address, broker.own_user.clone())
                });
                Behind::Broker(Box::new(broker))
            }
        };
        warn_of_plain_passwords(options, is_tls);

        let sockets = TaskTracker::new();
        let has_app = app.is_some();
        let routes = web::routes(Web {
            app,
            allowed_origins: options.allow_origin.clone(),
            is_loopback: http.ip().is_loopback(),
            limits,
            gate: gate.clone(),
            beyond: behind.way_in(),
            dropped: behind.dropped(),
            stop: stop.clone(),
            sockets: sockets.clone(),
        });
        let entrance = Entrance { listener, gate, longest_stall: limits.stall_timeout };
        let web = tokio::spawn(web::listen(entrance, web_security, routes, limits, stop.clone()));
        Ok(Self { http, has_app, is_tls, behind, web, stop, sockets, transmission })
    }

    /// The address of the web port, with the port that was picked for 0.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the TCP port for MQTT, with the port that was picked for 0; `None` where the
    /// broker is somewhere else.
    pub fn mqtt(&self) -> Option<SocketAddr> {
        match &self.behind {
            Behind::Broker(broker) => Some(broker.tcp),
            Behind::Upstream(_) => None,
        }
    }

    /// Two lines that say where it listens: one for programs, one for people. Where the broker is
    /// somewhere else, its address stands for that of the TCP port.
    pub fn announcement(&self) -> String {
        let http = self.http;
        let page = reachable(http);
        let secure = if self.is_tls { "s" } else { "" };
        let (mqtt, server) = match &self.behind {
            Behind::Broker(broker) => (broker.tcp.to_string(), format!("mqtt{secure}://{}", reachable(broker.tcp))),
            Behind::Upstream(upstream) => (upstream.address(), format!("in front of {}", upstream.url())),
        };
        let app = if self.has_app { "app" } else { "no app: see --dist" };
        format!(
            "listening http={http} mqtt={mqtt}\n\
             Station: http{secure}://{page}/ ({app}), ws{secure}://{page}/mqtt, ws{secure}://{page}/diffusion, {server}\n"
        )
    }

    /// Completes only if a part of the station fails while it runs.
    pub async fn failure(&mut self) -> anyhow::Error {
        let transmission = async {
            match &mut self.transmission {
                Some(transmission) => transmission.ended().await,
                None => std::future::pending().await,
            }
        };
        let broker = async {
            match &mut self.behind {
                Behind::Broker(broker) => broker.ended().await,
                Behind::Upstream(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut self.web => anyhow::anyhow!("the web server ended: {ended:?}"),
            () = broker => anyhow::anyhow!("the broker ended"),
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
        let _ = timeout(LONGEST_STOP, self.sockets.wait()).await;
        if let Behind::Broker(broker) = self.behind {
            broker.stop().await;
        }
        // Connections that only fetch files don't hold it up.
        self.web.abort();
        if !self.web.is_finished() {
            let _ = self.web.await;
        }
    }
}

/// Passwords that cross a network are read by whoever carries them. It is no error: something that
/// does TLS may stand in front.
fn warn_of_plain_passwords(options: &Options, is_tls: bool) {
    let is_near = options.http.ip().is_loopback() && (options.upstream.is_some() || options.mqtt.ip().is_loopback());
    if !is_tls && !is_near {
        tracing::warn!("passwords cross the network unencrypted: name a certificate with --tls-cert and --tls-key");
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
