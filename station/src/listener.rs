//! Ports with limits: how many connections there may be, in all and from one address, and how long a
//! client may leave unread what is sent to it.

use std::collections::HashMap;
use std::future::Future as _;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use crate::limits::Limits;

/// How long to wait where the system gives no more sockets.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Counts connections and refuses those beyond its limits.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connections_max: usize,
    per_address_max: usize,
    /// Reverse proxies: the limit for one address is for those behind them.
    trusted: Vec<IpAddr>,
    table: Mutex<Table>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that was let in, for as long as it lives.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limits: ConnectionLimits,
    /// How much it counts of all connections: nothing for one that came with another.
    connections: usize,
    /// What it counts for; `None` for a reverse proxy.
    address: Option<IpAddr>,
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("all connections are taken")]
    Full,
    #[error("this address has all the connections that one may have")]
    FullForAddress,
}

impl ConnectionLimits {
    pub(crate) fn new(limits: Limits, trusted: Vec<IpAddr>) -> Self {
        let connections_max = limits.max_connections.get() as usize;
        let per_address_max = limits.max_per_address.get() as usize;
        let (table, refused) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { connections_max, per_address_max, trusted, table, refused }))
    }

    /// Lets a connection in until the [`ConnectionPermit`] is dropped.
    fn admit(&self, address: IpAddr) -> Result<ConnectionPermit, Refusal> {
        self.count(1, (!self.is_trusted(address)).then(|| address_prefix(address)))
    }

    /// The same for the client of a reverse proxy, whose own connection is counted already.
    pub(crate) fn admit_forwarded(&self, address: IpAddr) -> Result<ConnectionPermit, Refusal> {
        self.count(0, Some(address_prefix(address))).inspect_err(|refusal| self.note(*refusal, address))
    }

    /// Whether this address is a reverse proxy's.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.0.trusted.contains(&address.to_canonical())
    }

    fn count(&self, connections: usize, address: Option<IpAddr>) -> Result<ConnectionPermit, Refusal> {
        let mut table = self.table();
        let here = address.and_then(|address| table.by_address.get(&address)).copied().unwrap_or(0);
        if table.open + connections > self.0.connections_max {
            return Err(Refusal::Full);
        }
        if address.is_some() && here >= self.0.per_address_max {
            return Err(Refusal::FullForAddress);
        }
        table.open += connections;
        if let Some(address) = address {
            table.by_address.insert(address, here + 1);
        }
        Ok(ConnectionPermit { limits: self.clone(), connections, address })
    }

    /// Counts a refusal, and says so now and then: a flood of them must not become one of lines.
    fn note(&self, refusal: Refusal, address: IpAddr) {
        let so_far = self.0.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if so_far.is_power_of_two() {
            tracing::warn!(%address, reason = %refusal, refused_so_far = so_far, "connection refused");
        }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.table().open
    }

    /// Connections refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Whole after each insert and remove.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut table = self.limits.table();
        table.open -= self.connections;
        let Some(address) = self.address else { return };
        if let Some(count) = table.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&address);
            }
        }
    }
}

/// A client's bytes, whatever carries them.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
/// See [`Stream`].
pub(crate) type Pipe = Box<dyn Stream>;

/// A client of MQTT.
pub(crate) trait Client: Stream {
    /// Chooses what the transport says as it is shut down, where it says anything.
    fn set_close(&mut self, _code: u16, _reason: &'static str) {}
}
impl Client for Pipe {}

/// A client's connection, counted until it is dropped, and closed when it takes nothing for long.
#[derive(Debug)]
pub(crate) struct GuardedStream<S = TcpStream> {
    stream: S,
    stall_timeout: Duration,
    /// Runs while the client has taken nothing of what is there for it.
    stall: Option<Pin<Box<Sleep>>>,
    _permit: ConnectionPermit,
}

impl<S> GuardedStream<S> {
    /// What to answer where the stream takes no byte now.
    fn stalled<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let stall_timeout = self.stall_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(stall_timeout)));
        ready!(stall.as_mut().poll(context));
        tracing::warn!(seconds = stall_timeout.as_secs_f32(), "closed: the client takes nothing of what is sent to it");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A port whose connections are counted.
#[derive(Debug)]
pub(crate) struct CountedListener {
    pub listener: TcpListener,
    pub limits: ConnectionLimits,
    /// How long a client may leave unread what is sent to it.
    pub stall_timeout: Duration,
}

impl CountedListener {
    /// The next connection that is let in; the others are closed.
    pub(crate) async fn next(&self) -> (GuardedStream, SocketAddr) {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "a connection could not be taken");
                    sleep(RETRY_INTERVAL).await;
                    continue;
                }
            };
            match self.limits.admit(address.ip()) {
                Ok(permit) => {
                    // Fails only on a connection that is already gone.
                    let _ = stream.set_nodelay(true);
                    let stall_timeout = self.stall_timeout;
                    return (GuardedStream { stream, stall_timeout, stall: None, _permit: permit }, address);
                }
                Err(refusal) => self.limits.note(refusal, address.ip()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes) else {
            return self.stalled(context);
        };
        self.stall = None;
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write_vectored(context, parts) else {
            return self.stalled(context);
        };
        self.stall = None;
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What one network or machine has of addresses: one of IPv4, a /64 of IPv6.
pub(crate) fn address_prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn connection_limits(connections: u32, per_address: u32, trusted: Vec<IpAddr>) -> ConnectionLimits {
        let (max_connections, max_per_address) = (connections.try_into().unwrap(), per_address.try_into().unwrap());
        ConnectionLimits::new(Limits { max_connections, max_per_address, ..Limits::default() }, trusted)
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let limits = connection_limits(3, 2, Vec::new());
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Refusal::FullForAddress));
        let _other = admit("2001:db8::1").unwrap();
        assert_eq!(admit("192.0.2.9").err(), Some(Refusal::Full));
        drop(first);
        assert_eq!(limits.open(), 2);
        let _neighbour = admit("2001:db8::ffff:2").unwrap();
        assert_eq!(limits.open(), 3);
    }

    #[tokio::test]
    async fn who_takes_nothing_for_long_is_closed() {
        let limits = connection_limits(9, 9, Vec::new());
        let check = async |stall_timeout, reads: bool| {
            let (mut client, stream) = tokio::io::duplex(100);
            let permit = limits.admit("192.0.2.1".parse().unwrap()).unwrap();
            let mut stream = GuardedStream { stream, stall_timeout, stall: None, _permit: permit };
            let reading = tokio::spawn(async move {
                if reads {
                    let _ = client.read_to_end(&mut Vec::new()).await;
                } else {
                    std::future::pending::<()>().await;
                }
            });
            let written = stream.write_all(&[0; 1_000]).await;
            reading.abort();
            written.map_err(|error| error.kind())
        };
        assert_eq!(check(Duration::from_millis(1), false).await, Err(io::ErrorKind::TimedOut));
        assert_eq!(check(Duration::from_secs(3_600), true).await, Ok(()));
        assert_eq!(limits.open(), 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limits = connection_limits(9, 1, Vec::new());
        let admit = |address: &str| limits.admit(address.parse().unwrap());
        let _first = admit("2001:db8::1").unwrap();
        assert_eq!(admit("2001:db8::ffff:2").err(), Some(Refusal::FullForAddress));
        assert!(admit("2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn clients_of_a_reverse_proxy_are_counted_by_their_own_address() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let limits = connection_limits(3, 1, vec![address("192.0.2.1")]);
        let _first = limits.admit(address("192.0.2.1")).unwrap();
        let _second = limits.admit(address("::ffff:192.0.2.1")).unwrap();
        let client = limits.admit_forwarded(address("198.51.100.1")).unwrap();
        assert_eq!(limits.admit_forwarded(address("198.51.100.1")).err(), Some(Refusal::FullForAddress));
        assert_eq!(limits.open(), 2, "a client has come with a connection that is counted");
        drop(client);
        assert!(limits.admit_forwarded(address("198.51.100.1")).is_ok());
    }
}
