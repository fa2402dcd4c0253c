//! Who is let in: how many connections there may be, in all and from one address; and who is shown
//! out, having taken nothing for long.

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

/// How long to wait where the system gives no more sockets.
const LONGEST_SHORTAGE: Duration = Duration::from_secs(1);

/// Counts connections and refuses those beyond its limits.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_per_address: usize,
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
pub(crate) struct Visit {
    gate: Gate,
    address: IpAddr,
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("all connections are taken")]
    Full,
    #[error("this address has all the connections that one may have")]
    FullForAddress,
}

impl Gate {
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self(Arc::new(Inner { most, most_per_address, table: Mutex::default(), refused: AtomicU64::new(0) }))
    }

    /// Lets a connection in until the [`Visit`] is dropped.
    fn admit(&self, address: IpAddr) -> Result<Visit, Refusal> {
        let address = household(address);
        let mut table = self.table();
        let here = table.by_address.get(&address).copied().unwrap_or(0);
        let refusal = if table.open >= self.0.most {
            Refusal::Full
        } else if here >= self.0.most_per_address {
            Refusal::FullForAddress
        } else {
            table.open += 1;
            table.by_address.insert(address, here + 1);
            return Ok(Visit { gate: self.clone(), address });
        };
        Err(refusal)
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
        // Whole after each visit's beginning and end.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut table = self.gate.table();
        table.open -= 1;
        if let Some(count) = table.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&self.address);
            }
        }
    }
}

/// A client's bytes, whatever carries them.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
/// See [`Stream`].
pub(crate) type Pipe = Box<dyn Stream>;

/// A client's connection, counted until it is dropped, and closed when it takes nothing for long.
#[derive(Debug)]
pub(crate) struct Visitor<S = TcpStream> {
    stream: S,
    longest_stall: Duration,
    /// Runs while the client has taken nothing of what is there for it.
    stall: Option<Pin<Box<Sleep>>>,
    _visit: Visit,
}

impl<S> Visitor<S> {
    /// What to answer where the stream takes no byte now.
    fn stalled<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let longest_stall = self.longest_stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(longest_stall)));
        ready!(stall.as_mut().poll(context));
        tracing::warn!(seconds = longest_stall.as_secs_f32(), "closed: the client takes nothing of what is sent to it");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A port whose visitors are counted.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub listener: TcpListener,
    pub gate: Gate,
    /// How long a visitor may leave unread what is sent to it.
    pub longest_stall: Duration,
}

impl Entrance {
    /// The next connection that is let in; the others are closed.
    pub(crate) async fn next(&self) -> (Visitor, SocketAddr) {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "a connection could not be taken");
                    sleep(LONGEST_SHORTAGE).await;
                    continue;
                }
            };
            match self.gate.admit(address.ip()) {
                Ok(visit) => {
                    // Fails only on a connection that is already gone.
                    let _ = stream.set_nodelay(true);
                    let longest_stall = self.longest_stall;
                    return (Visitor { stream, longest_stall, stall: None, _visit: visit }, address);
                }
                Err(refusal) => self.gate.note(refusal, address.ip()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Visitor<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Visitor<S> {
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

/// What one household or machine has of addresses: one of IPv4, a /64 of IPv6.
fn household(address: IpAddr) -> IpAddr {
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

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let gate = Gate::new(3, 2);
        let admit = |address: &str| gate.admit(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Refusal::FullForAddress));
        let _other = admit("2001:db8::1").unwrap();
        assert_eq!(admit("192.0.2.9").err(), Some(Refusal::Full));
        drop(first);
        assert_eq!(gate.open(), 2);
        let _neighbour = admit("2001:db8::ffff:2").unwrap();
        assert_eq!(gate.open(), 3);
    }

    #[tokio::test]
    async fn who_takes_nothing_for_long_is_closed() {
        let gate = Gate::new(9, 9);
        let check = async |longest_stall, reads: bool| {
            let (mut client, stream) = tokio::io::duplex(100);
            let visit = gate.admit("192.0.2.1".parse().unwrap()).unwrap();
            let mut visitor = Visitor { stream, longest_stall, stall: None, _visit: visit };
            let reading = tokio::spawn(async move {
                if reads {
                    let _ = client.read_to_end(&mut Vec::new()).await;
                } else {
                    std::future::pending::<()>().await;
                }
            });
            let written = visitor.write_all(&[0; 1_000]).await;
            reading.abort();
            written.map_err(|error| error.kind())
        };
        assert_eq!(check(Duration::from_millis(1), false).await, Err(io::ErrorKind::TimedOut));
        assert_eq!(check(Duration::from_secs(3_600), true).await, Ok(()));
        assert_eq!(gate.open(), 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let gate = Gate::new(9, 1);
        let admit = |address: &str| gate.admit(address.parse().unwrap());
        let _first = admit("2001:db8::1").unwrap();
        assert_eq!(admit("2001:db8::ffff:2").err(), Some(Refusal::FullForAddress));
        assert!(admit("2001:db8:0:1::1").is_ok());
    }
}
