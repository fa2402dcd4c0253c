//! The proxy between all clients and a broker. It understands MQTT as far as its limits need.
//!
//! A handshake has a deadline at each step: a complete CONNECT from the client, then a complete CONNACK from the broker.
//! Until then nothing more is read from the client. Afterwards bytes are passed on as they arrive, both ways.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use governor::{Quota, RateLimiter};
use mqtt_crawl::mqtt::packet::ReasonCode;
use rmqtt::codec::v5::DisconnectReasonCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::unconstrained;
use tokio::time::{Duration, Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::broker::Broker;
use crate::connect::{Connect, LEVEL_5, Refusal, variable_integer};
use crate::hooks::Registration;
use crate::inspector::{Inspector, Profile};
use crate::limits::{
    CLOSE_TIMEOUT, CONNECT_BYTES_MAX, DRAIN_TIMEOUT, Limits, PACKET_BYTES_PER_SECOND_MIN, READ_BYTES_MAX, STOP_TIMEOUT,
};
use crate::listener::Arrival;
use crate::stream::{Client, Pipe, close};
use crate::throttle::LoginThrottle;
use crate::upstream::Upstream;
use crate::websocket::TransportError;

/// The initial size of buffers, which grow while they are filled.
const SMALL_READ_BYTES: usize = 4 * 1024;
/// The interval at which it is checked how far a client lags behind, while it reads nothing.
const LAG_INTERVAL: Duration = Duration::from_millis(100);
/// Refusals of one address are logged one by one up to this number, then rarely.
const LOGGED_REFUSALS_MAX: u32 = 10;

/// The broker behind the proxy.
pub(crate) enum Backend {
    Broker(Arc<Broker>),
    Upstream(Upstream),
}

/// See the module docs.
pub(crate) struct Proxy {
    backend: Backend,
    pub limits: Limits,
    /// KiB of large packets that have begun and not ended.
    unfinished: Arc<Semaphore>,
    throttle: LoginThrottle,
    /// Tracks the clients.
    pub sockets: TaskTracker,
    /// Stops the station.
    pub stop: CancellationToken,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The client closed it or disappeared.
    ClientLeft,
    /// The broker closed it, and everything it sent has been passed on.
    BrokerClosed,
    /// The client isn't accepted.
    Refused(Refusal),
    /// The client sent something that isn't allowed: the reason code.
    Disconnect(DisconnectReasonCode),
    /// The client broke the rules of the transport, or of the handshake: the close code.
    Fault(CloseCode, &'static str),
    /// The station is being stopped.
    Stopping,
}

/// Of a client's connection.
impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TransportError>()) {
            Some(fault) => Self::Fault(fault.code, fault.reason),
            None => Self::ClientLeft,
        }
    }
}

impl Proxy {
    pub(crate) fn new(backend: Backend, limits: Limits) -> Self {
        let unfinished = Arc::new(Semaphore::new((limits.max_unfinished / 1024) as usize));
        let (throttle, sockets, stop) = (LoginThrottle::default(), TaskTracker::new(), CancellationToken::new());
        Self { backend, limits, unfinished, throttle, sockets, stop }
    }

    /// Returns the number of messages that the broker inside has dropped.
    pub(crate) fn dropped(&self) -> u64 {
        match &self.backend {
            Backend::Broker(broker) => broker.hooks.dropped.load(Ordering::Relaxed),
            Backend::Upstream(_) => 0,
        }
    }

    /// Serves one client until its end.
    pub(crate) async fn serve(&self, mut client: impl Client, arrival: &Arrival) {
        let (end, expects_disconnect) = match self.stop.run_until_cancelled(self.connect(&mut client, arrival)).await {
            None => (End::Stopping, false),
            Some(Err(end)) => (end, false),
            Some(Ok(connection)) => self.pass_on(connection, &mut client, arrival.profile).await,
        };
        let stopping = async {
            self.stop.cancelled().await;
            sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            () = close_client(&mut client, end, expects_disconnect) => {}
            () = stopping => {}
        }
    }

    /// Passes a client's CONNECT to the broker and the CONNACK back.
    async fn connect(&self, client: &mut impl Client, arrival: &Arrival) -> Result<Connection, End> {
        let mut received = Vec::new();
        let reading = read_packet(client, &mut received, 0x10);
        let read = timeout(self.limits.handshake_timeout, reading).await;
        let length = match read.map_err(|_| End::Fault(CloseCode::Unsupported, "no CONNECT in time"))?? {
            Some(length) => length,
            None if received.is_empty() => return Err(End::ClientLeft),
            None => {
                return Err(End::Fault(CloseCode::Unsupported, "the first packet must be a CONNECT of at most 64 KiB"));
            }
        };
        let packet = &received[..length];
        let connect = Connect::read(packet);
        let (level, client_id) = connect.map_or((4, &b""[..]), |connect| (connect.level, connect.client_id));
        let client_id = String::from_utf8_lossy(client_id).into_owned();
        let dialled = match connect {
            Ok(connect) => self.dial(&connect, packet, arrival).await,
            Err(refusal) => Err(refusal),
        };
        let (mut connection, connack) = match dialled {
            Ok(dialled) => dialled,
            Err(refusal) => {
                self.log_refusal(&client_id, refusal.reason, arrival);
                // Fails only if the client is gone.
                let _ = client.write_all(&refusal.connack(level)).await;
                return Err(End::Refused(refusal));
            }
        };
        send(client, &connack).await?;
        // Or AUTH, which a remote broker continues with.
        if !matches!(connack[..], [0x20, _, _, 0, ..] | [0xF0, ..]) {
            self.log_refusal(&client_id, "refused by the broker", arrival);
            let _ = connection.broker.shutdown().await;
            return Err(End::BrokerClosed);
        }
        let version = if connection.is_v5 { "5.0" } else { "3.1.1" };
        tracing::info!(client = ?client_id, version, "connected");
        connection.received = received.split_off(length);
        Ok(connection)
    }

    /// Sends a client's CONNECT to the broker; returns the connection and the broker's answer.
    async fn dial(
        &self,
        connect: &Connect<'_>,
        packet: &[u8],
        arrival: &Arrival,
    ) -> Result<(Connection, Vec<u8>), Refusal> {
        let is_v5 = connect.level == LEVEL_5;
        match connect.will {
            _ if arrival.profile == Profile::Open => {}
            _ if !is_v5 => return Err(Refusal::VERSION),
            Some((_, 2)) => return Err(Refusal::WILL_QOS),
            _ => {}
        }
        let (mut broker, registration) = match &self.backend {
            Backend::Broker(broker) => {
                let access = broker.authorize(connect, arrival.client.ip(), &self.throttle).await?;
                let (stream, registration) = broker.dial(arrival.profile, connect.level, access).await?;
                (stream, Some(registration))
            }
            Backend::Upstream(upstream) => (upstream.dial(arrival.client, arrival.local).await?, None),
        };
        let mut connack = Vec::new();
        let asking = async {
            send(&mut broker, packet).await?;
            read_packet(&mut broker, &mut connack, 0x20).await
        };
        // Anything but a CONNACK is left to the client to check.
        match timeout(self.limits.handshake_timeout, asking).await {
            Ok(Ok(_)) if !connack.is_empty() => {
                Ok((Connection { broker, registration, received: Vec::new(), is_v5 }, connack))
            }
            Ok(_) => Err(Refusal::unavailable("The broker closed the connection without an answer.")),
            Err(_) => Err(Refusal::unavailable("The broker didn't respond in time.")),
        }
    }

    /// Logs a refusal, but no user name: it may be a password typed into the wrong field.
    fn log_refusal(&self, client_id: &str, reason: &str, arrival: &Arrival) {
        let so_far = self.throttle.note_refusal(arrival.client.ip(), Instant::now());
        if so_far <= LOGGED_REFUSALS_MAX || so_far.is_power_of_two() {
            tracing::warn!(client = ?client_id, reason, so_far, "client refused");
        }
    }

    /// Passes bytes on, both ways, until either side ends it or the station is stopped. Returns why, and whether the
    /// client expects a DISCONNECT: one that is sent after half a packet would be taken for the rest of it.
    async fn pass_on(&self, connection: Connection, client: &mut impl Client, profile: Profile) -> (End, bool) {
        let Connection { broker, mut registration, received, is_v5 } = connection;
        let (mut from_broker, mut to_broker) = split(broker);
        let (mut from_client, mut to_client) = split(client);
        let inspector = Inspector::new(profile, self.limits.max_packet);
        let (mut inspector, published) = match &self.backend {
            Backend::Broker(broker) => (inspector, Arc::clone(&broker.hooks.published)),
            // The buffering of a remote broker isn't limited here.
            Backend::Upstream(_) => (inspector.judging_paths(), Arc::default()),
        };
        let (end, is_drained) = {
            let mut down = pin!(pass_down(&mut from_broker, &mut to_client, &published, self.limits.max_behind));
            tokio::select! {
                Err(end) = self.pass_up(&mut from_client, &mut to_broker, &mut inspector, received) => {
                    let _ = to_broker.shutdown().await;
                    // The broker's remaining packets are sent before our last one.
                    (end, timeout(DRAIN_TIMEOUT, down.as_mut()).await.is_ok())
                }
                Err(end) = &mut down => (end, matches!(end, End::BrokerClosed)),
                () = self.stop.cancelled() => {
                    // Fails only if the broker has closed already.
                    let _ = to_broker.shutdown().await;
                    (End::Stopping, timeout(CLOSE_TIMEOUT, down.as_mut()).await.is_ok())
                }
            }
        };
        let end = match (end, &mut registration) {
            (End::BrokerClosed, Some(registration)) => registration.close_reason().await.map_or(end, End::Disconnect),
            _ => end,
        };
        (end, is_v5 && is_drained && !inspector.has_disconnect)
    }

    /// Passes on what the client sends, within the limits.
    async fn pass_up(
        &self,
        client: &mut (impl AsyncRead + Unpin),
        broker: &mut (impl AsyncWrite + Unpin),
        inspector: &mut Inspector,
        mut received: Vec<u8>,
    ) -> Result<Infallible, End> {
        let rate_limiter = self.limits.max_rate.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        let mut packet = UnfinishedPacket::default();
        loop {
            let inspected = inspector.inspect(&mut received);
            if send(broker, &received).await.is_err() {
                // The broker has closed; the other direction knows more.
                return std::future::pending().await;
            }
            let messages = inspected.map_err(End::Disconnect)?;
            if inspector.has_left() {
                // The server closes when the client doesn't [MQTT-3.14.4-3].
                return Err(End::ClientLeft);
            }
            if !packet.track(inspector.unfinished(), &self.unfinished) {
                return Err(End::Disconnect(DisconnectReasonCode::QuotaExceeded));
            }
            // Messages ahead of their rate wait, so that the client's own socket slows it down and none is lost.
            if let Some(rate_limiter) = &rate_limiter {
                for _ in 0..messages {
                    rate_limiter.until_ready().await;
                }
            }
            let read = timeout(packet.time_left(), read_more(client, &mut received)).await;
            if read.map_err(|_| End::Fault(CloseCode::Policy, "a packet took too long"))?? == 0 {
                return Err(End::ClientLeft);
            }
        }
    }
}

/// Passes on what the broker sends, until its end, unless the client lags behind.
///
/// If a client's socket is full, the library buffers without a limit and doesn't report the amount. But all of it was
/// published after the library's own socket was last empty. So if at most N bytes were published since then, by anybody,
/// the library holds at most N for all slow clients together, because they share the messages.
async fn pass_down(
    broker: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    published: &AtomicU64,
    behind_max: u64,
) -> Result<Infallible, End> {
    const TOO_SLOW: End = End::Fault(CloseCode::Policy, "too slow: the client doesn't read what is sent to it");
    let mut buffer = Vec::new();
    let mut at = published.load(Ordering::Relaxed);
    loop {
        let read = {
            let mut reading = pin!(read_more(broker, &mut buffer));
            // Tokio makes a task that is busy for long wait, which must not be taken for an empty socket.
            match unconstrained(reading.as_mut()).now_or_never() {
                Some(read) => read,
                None => {
                    at = published.load(Ordering::Relaxed);
                    reading.await
                }
            }
        };
        if !read.is_ok_and(|length| length > 0) {
            return Err(End::BrokerClosed);
        }
        let lagging = async {
            while published.load(Ordering::Relaxed) - at <= behind_max {
                sleep(LAG_INTERVAL).await;
            }
        };
        tokio::select! {
            biased;
            () = lagging => return Err(TOO_SLOW),
            sent = send(client, &buffer) => sent.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => TOO_SLOW,
                _ => End::ClientLeft,
            })?,
        }
    }
}

/// A client that the broker has accepted.
struct Connection {
    broker: Pipe,
    registration: Option<Registration>,
    /// The bytes it sent after its CONNECT.
    received: Vec<u8>,
    is_v5: bool,
}

/// A large packet that has begun: its share of the limit for all clients' unfinished packets, and its deadline.
#[derive(Default)]
struct UnfinishedPacket {
    number: u64,
    deadline: Option<Instant>,
    _share: Option<OwnedSemaphorePermit>,
}

impl UnfinishedPacket {
    /// Tracks the packet that is unfinished now; `false` if there is no room for it.
    fn track(&mut self, unfinished: Option<(u64, u32)>, shares: &Arc<Semaphore>) -> bool {
        let (number, length) = unfinished.unwrap_or_default();
        if self.number != number {
            *self = Self::default();
            let Ok(share) = Arc::clone(shares).try_acquire_many_owned(length.div_ceil(1024)) else { return false };
            let longest = DRAIN_TIMEOUT + Duration::from_secs((length / PACKET_BYTES_PER_SECOND_MIN).into());
            *self = Self { number, deadline: (number > 0).then(|| Instant::now() + longest), _share: Some(share) };
        }
        true
    }

    fn time_left(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Reads until the first packet, which must begin with this byte, is complete; returns its length, or `None` if a
/// connection can't begin with these bytes. More than the packet may have been read.
async fn read_packet(from: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>, first: u8) -> io::Result<Option<usize>> {
    loop {
        if bytes.first().is_some_and(|byte| *byte != first) {
            return Ok(None);
        }
        match variable_integer(bytes.get(1..).unwrap_or_default()) {
            Ok(Some((length, _))) if length > CONNECT_BYTES_MAX => return Ok(None),
            Ok(Some((length, head))) if bytes.len() > head + length as usize => {
                return Ok(Some(1 + head + length as usize));
            }
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
        bytes.reserve(SMALL_READ_BYTES);
        if from.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Writes all of these bytes, of which TLS may otherwise keep a part.
async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Reads the next bytes in place of those read last.
async fn read_more(from: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<usize> {
    let is_filled = bytes.len() == bytes.capacity();
    let capacity = if is_filled { 2 * bytes.len() } else { bytes.capacity() };
    bytes.clear();
    bytes.shrink_to(READ_BYTES_MAX);
    bytes.reserve(capacity.clamp(SMALL_READ_BYTES, READ_BYTES_MAX));
    from.read_buf(bytes).await
}

/// Sends the last packet, if the client understands it, and closes the transport.
async fn close_client(client: &mut impl Client, end: End, expects_disconnect: bool) {
    let (disconnect, code, reason) = match end {
        End::ClientLeft | End::BrokerClosed => (None, CloseCode::Normal, ""),
        End::Refused(refusal) => (None, CloseCode::Policy, refusal.reason),
        End::Disconnect(code) => (Some(code), CloseCode::Policy, ReasonCode(code as u8).name()),
        End::Fault(code, reason) => (None, code, reason),
        End::Stopping => {
            (Some(DisconnectReasonCode::ServerShuttingDown), CloseCode::Away, "the station is shutting down")
        }
    };
    match end {
        End::Refused(_) => {}
        End::ClientLeft => tracing::info!("disconnected"),
        End::BrokerClosed => tracing::info!("closed by the broker"),
        End::Stopping => tracing::info!(reason, "closed"),
        _ => tracing::warn!(code = disconnect.map(u8::from), reason, "closed"),
    }
    if let Some(disconnect) = disconnect.filter(|_| expects_disconnect) {
        // In its long form, which every client decodes.
        let _ = timeout(CLOSE_TIMEOUT, client.write_all(&[0xE0, 2, disconnect as u8, 0])).await;
    }
    close(client, code, reason).await;
}
