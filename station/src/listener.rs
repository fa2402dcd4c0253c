//! Ports with limits: connections in total and from one address, the time for a TLS handshake and for reading.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::inspector::Profile;
use crate::limits::{ACCEPT_QUEUE_MAX, Limits};
use crate::stream::Pipe;
use crate::tls::{self, Security};

/// The delay before the next try if the system gives no more sockets.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Counts connections and refuses those beyond its limits.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    connections_max: usize,
    per_address_max: usize,
    /// Reverse proxies: the limit for one address applies to their clients instead.
    trusted: Vec<IpAddr>,
    all: Arc<Semaphore>,
    /// Those that nobody uses are removed now and then.
    by_address: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
    /// Connections refused so far.
    pub refused: AtomicU64,
}

/// Why a connection was refused.
type Refusal = &'static str;
const FULL: Refusal = "the limit for all connections is reached";
const FULL_FOR_ADDRESS: Refusal = "the limit for this address is reached";

impl ConnectionLimits {
    pub(crate) fn new(limits: Limits, trusted: &[IpAddr]) -> Self {
        let connections_max = (limits.max_connections.get() as usize).min(Semaphore::MAX_PERMITS);
        Self {
            connections_max,
            per_address_max: (limits.max_per_address.get() as usize).min(Semaphore::MAX_PERMITS),
            trusted: trusted.iter().map(IpAddr::to_canonical).collect(),
            all: Arc::new(Semaphore::new(connections_max)),
            by_address: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Admits a connection until the permits are dropped.
    fn admit(&self, address: IpAddr) -> Result<Vec<Arc<OwnedSemaphorePermit>>, Refusal> {
        let mut permits = vec![Arc::clone(&self.all).try_acquire_owned().map_err(|_| FULL)?.into()];
        if !self.is_trusted(address) {
            permits.push(self.admit_address(address)?.into());
        }
        Ok(permits)
    }

    fn admit_address(&self, address: IpAddr) -> Result<OwnedSemaphorePermit, Refusal> {
        let mut by_address = self.by_address.lock();
        if by_address.len() > self.connections_max {
            by_address.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let known = by_address.entry(address_prefix(address)).or_default();
        let semaphore = known.upgrade().unwrap_or_else(|| Arc::new(Semaphore::new(self.per_address_max)));
        *known = Arc::downgrade(&semaphore);
        semaphore.try_acquire_owned().map_err(|_| FULL_FOR_ADDRESS)
    }

    /// Whether this address is a reverse proxy's.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.contains(&address.to_canonical())
    }

    /// Counts a refusal and logs the count now and then: a flood of refusals must not flood the log.
    fn note(&self, refusal: Refusal, address: IpAddr) {
        let so_far = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if so_far.is_power_of_two() {
            tracing::warn!(%address, reason = refusal, refused_so_far = so_far, "connection refused");
        }
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.connections_max - self.all.available_permits()
    }
}

/// A connection's origin and path. It is counted as long as a copy of this lives.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub client: SocketAddr,
    /// The address of the port it came in by.
    pub local: SocketAddr,
    pub profile: Profile,
    pub permits: Vec<Arc<OwnedSemaphorePermit>>,
}

impl Arrival {
    /// Counts it as the client of a reverse proxy, whose own connection is counted already.
    pub(crate) fn forward(&mut self, limits: &ConnectionLimits, client: IpAddr) -> Result<(), Refusal> {
        self.client.set_ip(client);
        let permit = limits.admit_address(client).inspect_err(|refusal| limits.note(refusal, client))?;
        self.permits.push(permit.into());
        Ok(())
    }
}

/// A port, and the rules for its connections.
pub(crate) struct Port {
    listener: TcpListener,
    pub address: SocketAddr,
    security: Security,
    connections: Arc<ConnectionLimits>,
    limits: Limits,
}

impl Port {
    /// Binds the address of an option.
    pub(crate) fn bind(
        option: &str,
        address: SocketAddr,
        security: Security,
        connections: Arc<ConnectionLimits>,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // For the successor of a station that was stopped a moment ago. On Windows, two could share the port.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            // Inherited by accepted connections: detects clients that have disappeared without Keep Alive.
            socket.set_keepalive(true)?;
            socket.bind(address)?;
            let listener = socket.listen(ACCEPT_QUEUE_MAX)?;
            let address = listener.local_addr()?;
            Ok::<_, io::Error>(Self { listener, address, security, connections, limits })
        };
        bind().with_context(|| {
            format!("can't listen on {address}; choose another address with {option} (port 0 selects a free port)")
        })
    }

    /// Accepts connections until it is stopped; each is served in a task of its own.
    pub(crate) async fn serve<S: Future<Output = ()> + Send + 'static>(
        self,
        stop: CancellationToken,
        serve: impl Fn(Pipe, Arrival) -> S + Clone + Send + 'static,
    ) {
        while let Some((stream, arrival)) = stop.run_until_cancelled(self.accept()).await {
            let (security, serve, longest) = (self.security.clone(), serve.clone(), self.limits.handshake_timeout);
            let span = tracing::info_span!("connection", address = %arrival.client);
            let serving = async move {
                match tls::open(&security, stream, longest).await {
                    Ok(pipe) => serve(pipe, arrival).await,
                    Err(error) => tracing::warn!(reason = %error, "closed: TLS handshake failed"),
                }
            };
            tokio::spawn(serving.instrument(span));
        }
    }

    /// Returns the next admitted connection; the others are closed.
    async fn accept(&self) -> (Pipe, Arrival) {
        loop {
            let (stream, client) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "can't accept a connection");
                    sleep(RETRY_INTERVAL).await;
                    continue;
                }
            };
            match self.connections.admit(client.ip()) {
                Ok(permits) => {
                    // Fails only on a connection that is already gone.
                    let _ = stream.set_nodelay(true);
                    let mut stream = TimeoutStream::new(stream);
                    stream.set_write_timeout(Some(self.limits.stall_timeout));
                    let arrival = Arrival { client, local: self.address, profile: Profile::Open, permits };
                    return (Box::new(Box::pin(stream)), arrival);
                }
                Err(refusal) => self.connections.note(refusal, client.ip()),
            }
        }
    }
}

/// Returns the unit of the limit for one address: one IPv4 address, or a /64 of IPv6.
pub(crate) fn address_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn connection_limits(connections: u32, per_address: u32, trusted: &[IpAddr]) -> ConnectionLimits {
        let (max_connections, max_per_address) = (connections.try_into().unwrap(), per_address.try_into().unwrap());
        ConnectionLimits::new(Limits { max_connections, max_per_address, ..Limits::default() }, trusted)
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let limits = connection_limits(3, 2, &[]);
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(FULL_FOR_ADDRESS));
        let _other = admit("2001:db8::1").unwrap();
        assert_eq!(admit("192.0.2.9").err(), Some(FULL));
        drop(first);
        assert_eq!(limits.open(), 2);
        let _neighbour = admit("2001:db8::ffff:2").unwrap();
        assert_eq!(limits.open(), 3);
    }

    #[test]
    fn ipv6_network_counts_as_one_address() {
        let limits = connection_limits(9, 1, &[]);
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let _first = admit("2001:db8::1").unwrap();
        assert_eq!(admit("2001:db8::ffff:2").err(), Some(FULL_FOR_ADDRESS));
        assert!(admit("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn clients_of_a_reverse_proxy_are_counted_by_their_own_address() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let limits = connection_limits(3, 1, &[address("192.0.2.1")]);
        let _first = limits.admit(address("192.0.2.1")).unwrap();
        let _second = limits.admit(address("::ffff:192.0.2.1")).unwrap();
        let client = limits.admit_address(address("198.51.100.1")).unwrap();
        assert_eq!(limits.admit_address(address("198.51.100.1")).err(), Some(FULL_FOR_ADDRESS));
        assert_eq!(limits.open(), 2, "a client has come with a connection that is counted");
        drop(client);
        assert!(limits.admit_address(address("198.51.100.1")).is_ok());
    }
}
