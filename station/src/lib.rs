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
//!
//! Invariants: without `--users` nothing but this machine can reach it; a page of a foreign origin
//! can't use it; every queue ends, in length or, where the broker library has no length, in time;
//! what is dropped is counted and said.

mod app;
mod archive;
mod broker;
mod diffusion;
mod front;
mod gate;
mod held;
mod meter;
mod options;
mod retained;
mod transmit;
mod users;
mod web;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::broker::Broker;
use crate::gate::{Entrance, Gate};
use crate::transmit::Transmission;
use crate::web::Web;

pub use crate::app::DistError;
pub use crate::archive::{ArchiveError, embed};
pub use crate::options::{Limits, Options};
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
    /// The file of `--users` can't be used.
    #[error(transparent)]
    Users(#[from] UsersError),
}

/// A running station. Dropping it doesn't stop it; [`Station::stop`] does.
pub struct Station {
    http: SocketAddr,
    has_app: bool,
    broker: Broker,
    web: JoinHandle<std::io::Result<()>>,
    stop: CancellationToken,
    sockets: TaskTracker,
    transmission: Option<Transmission>,
}

impl Station {
    /// Opens both ports and starts to serve. To be called within a Tokio runtime.
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
        let broker = Broker::start(options.mqtt, users, gate.clone(), limits).await?;

        let stop = CancellationToken::new();
        let sockets = TaskTracker::new();
        let has_app = app.is_some();
        let routes = web::routes(Web {
            app,
            allowed_origins: options.allow_origin.clone(),
            is_loopback: http.ip().is_loopback(),
            limits,
            gate: gate.clone(),
            front: broker.front.clone(),
            dropped: Arc::clone(&broker.dropped),
            stop: stop.clone(),
            sockets: sockets.clone(),
        });
        let served =
            axum::serve(Entrance { listener, gate }, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        let web = tokio::spawn(served.into_future());
        let transmission = script.map(|script| {
            let own_user = broker.own_user.clone();
            Transmission::begin(script, reachable(broker.tcp), own_user)
        });
        Ok(Self { http, has_app, broker, web, stop, sockets, transmission })
    }

    /// The address of the web port, with the port that was picked for 0.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the TCP port for MQTT, with the port that was picked for 0.
    pub fn mqtt(&self) -> SocketAddr {
        self.broker.tcp
    }

    /// Two lines that say where it listens: one for programs, one for people.
    pub fn announcement(&self) -> String {
        let (http, mqtt) = (self.http, self.broker.tcp);
        let (page, server) = (reachable(http), reachable(mqtt));
        let app = if self.has_app { "app" } else { "no app: see --dist" };
        format!(
            "listening http={http} mqtt={mqtt}\n\
             Station: http://{page}/ ({app}), ws://{page}/mqtt, ws://{page}/diffusion, mqtt://{server}\n"
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
        tokio::select! {
            ended = &mut self.web => anyhow::anyhow!("the web server ended: {ended:?}"),
            () = self.broker.ended() => anyhow::anyhow!("the broker ended"),
            ended = transmission => anyhow::anyhow!("the transmission ended: {ended}"),
        }
    }

    /// Says goodbye to every client over WebSocket, closes both ports and ends.
    pub async fn stop(self) {
        if let Some(transmission) = self.transmission {
            transmission.stop().await;
        }
        self.stop.cancel();
        self.sockets.close();
        let _ = timeout(LONGEST_STOP, self.sockets.wait()).await;
        self.broker.stop().await;
        // Connections that only fetch files don't hold it up.
        self.web.abort();
        if !self.web.is_finished() {
            let _ = self.web.await;
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
