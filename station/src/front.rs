//! The way to the broker library that all clients take: sessions that outlive their connection are
//! [held](crate::held) here, everything else is passed on as it comes.
//!
//! A CONNECT that takes up a held session is byte for byte the one that the broker has taken, but
//! for Clean Start; so whoever sends it has the same credentials, and asks for the same. Any other
//! goes to the broker, which judges it and ends the connection it replaces.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use mqtt_crawl::mqtt::packet::Version;
use mqtt_crawl::time::Instant;
use sha2::{Digest as _, Sha256};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, Interest, ReadHalf, WriteHalf, copy_buf,
    split,
};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::unconstrained;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::broker::Farewells;
use crate::diffusion::Profile;
use crate::gate::{Entrance, Pipe, Visitor};
use crate::held::{Greeting, Head, Held, Received, frame, is_taken, is_unavailable};
use crate::meter::{Meter, Pace, PacketTooLarge};
use crate::options::Limits;
use crate::tls::Security;
use crate::websocket::{Line, line};

/// Sessions held at once. Each takes two file descriptors of the 1,024 that a process usually may
/// have; beyond it, the one whose client has been away longest is left to the library.
const MOST_HELD: usize = 128;
/// Handshakes of the same client identifier wait for each other. Different ones may have to as
/// well, one in so many.
const HANDSHAKES: usize = 64;
/// Connections of one client that wait for its session to look at them.
const WAITING_ATTACHMENTS: usize = 16;
/// How often a client is introduced to a broker that says it can't just now.
const MOST_ATTEMPTS: u32 = 3;
/// A longer CONNECT isn't held: nobody needs one.
const LONGEST_CONNECT: usize = 64 * 1024;
/// Largest read from either side.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// How long the broker may take for its CONNACK.
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(30);
/// How long the broker may take to finish after the client has.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);
/// How often to look at that while a client takes nothing.
const LAG_INTERVAL: Duration = Duration::from_millis(100);
/// How long connections may take to end once the station is being stopped.
const LONGEST_STOP: Duration = Duration::from_millis(1_500);
/// How long to wait for the broker's reason after it closed, and for a client to take it.
const LONGEST_FAREWELL: Duration = Duration::from_millis(500);

/// DISCONNECT reason codes.
const MALFORMED_PACKET: u8 = 0x81;
const SERVER_SHUTTING_DOWN: u8 = 0x8B;
const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
const SESSION_TAKEN_OVER: u8 = 0x8E;
const PACKET_TOO_LARGE: u8 = 0x95;

/// Which of the broker's listeners a client is led to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Tcp,
    WebSocket(Profile),
}

/// Where the broker library listens, on this machine only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub tcp: SocketAddr,
    pub open: SocketAddr,
    pub diffusion: SocketAddr,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Front(Arc<Inner>);

struct Inner {
    doors: Doors,
    farewells: Farewells,
    limits: Limits,
    /// Bytes published so far, by anybody.
    published: Arc<AtomicU64>,
    held: Mutex<Table>,
    handshakes: [tokio::sync::Mutex<()>; HANDSHAKES],
    started: tokio::time::Instant,
    stop: CancellationToken,
    carrying: TaskTracker,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<Vec<u8>, Handle>,
    /// How many connections of 3.1.1 clients have a session that ends with them.
    passing: HashMap<Vec<u8>, usize>,
    next_number: u64,
}

/// The way to a held session.
struct Handle {
    number: u64,
    /// Of everything that its CONNECT said.
    digest: [u8; 32],
    received: Received,
    /// Dropping it lets the session go.
    attachments: mpsc::Sender<Attachment>,
    away_since: Option<Instant>,
}

/// While it lives, its client is [passing](Table::passing).
struct Passing<'a> {
    front: &'a Front,
    client_id: Vec<u8>,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let mut table = self.front.table();
        if let Some(count) = table.passing.get_mut(&self.client_id) {
            *count -= 1;
            if *count == 0 {
                table.passing.remove(&self.client_id);
            }
        }
    }
}

/// A new connection of a client.
struct Attachment {
    pipe: Pipe,
    /// What it sent after its CONNECT.
    early: Vec<u8>,
    /// What its log lines say of it.
    span: Span,
}

/// A connection to the broker library.
struct ToBroker {
    farewell: Farewell,
    stream: TcpStream,
}

impl ToBroker {
    /// Whether nothing has come that wasn't read.
    fn is_empty(&self) -> bool {
        unconstrained(self.stream.ready(Interest::READABLE)).now_or_never().is_none()
    }
}

/// Why the broker closes a connection, if it says so.
struct Farewell {
    farewells: Farewells,
    address: SocketAddr,
    reason: oneshot::Receiver<u8>,
}

impl Farewell {
    async fn reason(&mut self) -> Option<u8> {
        timeout(LONGEST_FAREWELL, &mut self.reason).await.ok()?.ok()
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.farewells.forget(self.address);
    }
}

impl Front {
    pub(crate) fn new(doors: Doors, farewells: Farewells, limits: Limits, published: Arc<AtomicU64>) -> Self {
        Self(Arc::new(Inner {
            doors,
            farewells,
            limits,
            published,
            held: Mutex::default(),
            handshakes: [(); HANDSHAKES].map(|()| tokio::sync::Mutex::default()),
            started: tokio::time::Instant::now(),
            stop: CancellationToken::new(),
            carrying: TaskTracker::new(),
        }))
    }

    /// Takes MQTT over TCP until it is stopped.
    pub(crate) async fn listen(self, entrance: Entrance, security: Security) {
        let stop = self.0.stop.clone();
        let accepting = async {
            loop {
                let (visitor, address) = entrance.next().await;
                let span = tracing::info_span!("connection", %address);
                let (front, security) = (self.clone(), security.clone());
                self.0.carrying.spawn(front.receive(visitor, security).instrument(span));
            }
        };
        stop.run_until_cancelled(accepting).await;
    }

    /// A stream to the broker, for somebody who has the client's.
    pub(crate) fn open(&self, profile: Profile) -> Line {
        let (near, far) = line(READ_BYTES);
        let carrying = self.clone().carry(Box::new(far), Door::WebSocket(profile));
        self.0.carrying.spawn(carrying.in_current_span());
        near
    }

    /// Ends all connections.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.carrying.close();
        let _ = timeout(LONGEST_STOP + LONGEST_FAREWELL, self.0.carrying.wait()).await;
    }

    /// Carries a client over TCP.
    async fn receive(self, visitor: Visitor, security: Security) {
        let limits = self.0.limits;
        let opening = security.open(visitor, limits.handshake_timeout);
        let pipe = match self.0.stop.run_until_cancelled(opening).await {
            Some(Ok(pipe)) => pipe,
            Some(Err(error)) => return tracing::warn!(reason = %error, "closed: no TLS"),
            None => return,
        };
        let pace = Pace::new(limits.max_rate, tokio::time::Instant::now());
        self.carry(Box::new(Meter::new(pipe, limits.max_packet, pace)), Door::Tcp).await;
    }

    /// Carries one connection of a client to its end, and the session that begins with it to its.
    async fn carry(self, pipe: Pipe, door: Door) {
        let too_late = async {
            self.0.stop.cancelled().await;
            tokio::time::sleep(LONGEST_STOP).await;
        };
        tokio::select! {
            ended = self.serve(pipe, door) => {
                // Either side's errors are the end of the connection, which is what is being dealt with.
                if let Err(error) = ended {
                    tracing::debug!(reason = %error, "ended");
                }
            }
            () = too_late => {}
        }
    }

    async fn serve(&self, mut pipe: Pipe, door: Door) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        // Of a WebSocket, whoever has it minds the time.
        let longest = if matches!(door, Door::Tcp) { self.0.limits.handshake_timeout } else { Duration::MAX };
        let reading = timeout(longest, first_packet(&mut pipe, &mut bytes));
        let Some(read) = self.0.stop.run_until_cancelled(reading).await else { return Ok(()) };
        let Ok(length) = read else {
            tracing::warn!("closed: no CONNECT came in time");
            return Ok(());
        };
        let length = length?;
        log_connect(length.and_then(|length| Head::read(&bytes[..length])).as_ref());
        let greeting = length.and_then(|length| Some((Greeting::read(&bytes[..length])?, length)));
        let Some((greeting, length)) = greeting else {
            if bytes.is_empty() {
                return Ok(());
            }
            let head = length.and_then(|length| Head::read(&bytes[..length]));
            let is_v5 = head.as_ref().is_some_and(|head| head.level == 5);
            let handshakes = head.as_ref().map(|head| self.handshakes(head.client_id));
            let _passing = head.filter(Head::is_clean_v311).map(|head| self.note_passing(head.client_id));
            let mut broker = self.dial(door).await?;
            broker.stream.write_all(&bytes).await?;
            return self.relay(pipe, broker, is_v5, handshakes).await;
        };
        let early = bytes.split_off(length);
        let digest = digest(&greeting, door);
        // In the broker's order, so that the last one it took is the one that is held.
        let handshakes = self.handshakes(&greeting.client_id);
        let handshake = handshakes.lock().await;
        let attachment = Attachment { pipe, early, span: Span::current() };
        let Err(attachment) = self.attach(&greeting, digest, attachment) else { return Ok(()) };
        let (received, is_passing) = {
            let table = self.table();
            let received = table.sessions.get(&greeting.client_id).map(|held| held.received.clone());
            (received, table.passing.contains_key(&greeting.client_id))
        };

        let Some((mut broker, mut answer, length)) = self.greet(door, &bytes).await? else { return Ok(()) };
        if is_passing && let Some(flags) = answer.get_mut(2) {
            // The library says that it has a session when it ends a connection that has none.
            *flags &= !1;
        }
        let connack = length.and_then(|length| Some((is_taken(&answer[..length])?, length)));
        let registered = connack.and_then(|(is_present, length)| {
            let received = received.filter(|_| is_present).unwrap_or_default();
            let (number, attachments) = self.register(&greeting, digest, received.clone())?;
            Some((number, received, attachments, length))
        });
        drop(handshake);
        let Attachment { mut pipe, early, .. } = attachment;
        let is_v5 = greeting.version == Version::V5;
        let Some((number, received, attachments, length)) = registered else {
            pipe.write_all(&answer).await?;
            broker.stream.write_all(&early).await?;
            return self.relay(pipe, broker, is_v5, Some(handshakes)).await;
        };
        let held = Held::new(&greeting, &answer[..length], received, self.now());
        let session = Running {
            front: self,
            held,
            broker,
            client: Some(ClientEnd::new(pipe, early, Span::current())),
            is_v5,
            number,
            attachments,
        };
        session.run(&greeting.client_id, &answer[length..]).await;
        self.deregister(&greeting.client_id, number);
        Ok(())
    }

    /// Introduces a client to the broker; returns what it answered, with the length of the first
    /// packet. `None` if it didn't.
    async fn greet(&self, door: Door, connect: &[u8]) -> std::io::Result<Option<(ToBroker, Vec<u8>, Option<usize>)>> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut broker = self.dial(door).await?;
            broker.stream.write_all(connect).await?;
            let mut answer = Vec::new();
            let reading = first_packet(&mut broker.stream, &mut answer);
            let Ok(length) = timeout(LONGEST_HANDSHAKE, reading).await else { return Ok(None) };
            let length = length?;
            // It says so of a session that comes to its end while it is being taken over.
            if attempts == MOST_ATTEMPTS || !is_unavailable(&answer) {
                return Ok(Some((broker, answer, length)));
            }
        }
    }

    fn lag(&self) -> Lag {
        Lag::new(Arc::clone(&self.0.published), self.0.limits.max_behind)
    }

    fn note_passing(&self, client_id: &[u8]) -> Passing<'_> {
        *self.table().passing.entry(client_id.to_vec()).or_default() += 1;
        Passing { front: self, client_id: client_id.to_vec() }
    }

    fn handshakes(&self, client_id: &[u8]) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        client_id.hash(&mut hasher);
        &self.0.handshakes[hasher.finish() as usize % HANDSHAKES]
    }

    /// Gives a connection to the session that it wants; gives it back where there is none.
    fn attach(&self, greeting: &Greeting, digest: [u8; 32], attachment: Attachment) -> Result<(), Attachment> {
        let table = self.table();
        let held = table.sessions.get(&greeting.client_id).filter(|held| held.digest == digest);
        let Some(held) = held.filter(|_| !greeting.clean_start) else {
            return Err(attachment);
        };
        held.attachments.try_send(attachment).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// The session is held from now on; `None` when no more can be.
    fn register(
        &self,
        greeting: &Greeting,
        digest: [u8; 32],
        received: Received,
    ) -> Option<(u64, mpsc::Receiver<Attachment>)> {
        let mut table = self.table();
        table.sessions.remove(&greeting.client_id);
        if table.sessions.len() >= MOST_HELD {
            let longest_away = table.sessions.iter().filter(|(_, held)| held.away_since.is_some());
            let (client_id, _) = longest_away.min_by_key(|(_, held)| held.away_since)?;
            let client_id = client_id.clone();
            table.sessions.remove(&client_id);
        }
        table.next_number += 1;
        let number = table.next_number;
        let (attachments, receiver) = mpsc::channel(WAITING_ATTACHMENTS);
        let handle = Handle { number, digest, received, attachments, away_since: None };
        table.sessions.insert(greeting.client_id.clone(), handle);
        Some((number, receiver))
    }

    fn deregister(&self, client_id: &[u8], number: u64) {
        let mut table = self.table();
        if table.sessions.get(client_id).is_some_and(|held| held.number == number) {
            table.sessions.remove(client_id);
        }
    }

    fn note_away(&self, client_id: &[u8], number: u64, away_since: Option<Instant>) {
        if let Some(held) = self.table().sessions.get_mut(client_id).filter(|held| held.number == number) {
            held.away_since = away_since;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Whole after each insert and remove.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant::EPOCH + self.0.started.elapsed()
    }

    async fn dial(&self, door: Door) -> std::io::Result<ToBroker> {
        let address = match door {
            Door::Tcp => self.0.doors.tcp,
            Door::WebSocket(Profile::Open) => self.0.doors.open,
            Door::WebSocket(Profile::Diffusion) => self.0.doors.diffusion,
        };
        let connected = TcpStream::connect(address).await.and_then(|stream| {
            stream.set_nodelay(true)?;
            let address = stream.local_addr()?;
            Ok((stream, address))
        });
        let (stream, address) =
            connected.inspect_err(|error| tracing::error!(%error, "the broker takes no connection"))?;
        let (farewells, reason) = (self.0.farewells.clone(), self.0.farewells.expect(address));
        Ok(ToBroker { farewell: Farewell { farewells, address, reason }, stream })
    }

    /// Passes bytes on, both ways, until either side ends it. The client's next handshake waits until
    /// the broker has seen that it left.
    async fn relay(
        &self,
        pipe: Pipe,
        broker: ToBroker,
        is_v5: bool,
        handshakes: Option<&tokio::sync::Mutex<()>>,
    ) -> std::io::Result<()> {
        let ToBroker { mut farewell, stream } = broker;
        let (from_broker, to_broker) = stream.into_split();
        let Parting { mut to_client, how, handshake } =
            splice(pipe, from_broker, to_broker, handshakes, Some(self.lag()), &self.0.stop).await;
        let has_left = !matches!(how, Apart::Closed | Apart::Stopping { .. });
        let reason = if has_left || is_v5 { farewell.reason().await } else { None };
        drop(handshake);
        let reason = match how {
            Apart::Closed => reason,
            Apart::Left => None,
            // Whatever follows would be taken for the rest of the packet that it is at.
            Apart::Behind => {
                log_behind();
                return Ok(());
            }
            Apart::Refused(reason) => Some(reason),
            Apart::Stopping { is_whole } => is_whole.then_some(SERVER_SHUTTING_DOWN),
        };
        log_end(reason);
        bid_farewell(&mut to_client, is_v5, reason).await;
        Ok(())
    }
}

/// How a client and its broker came apart.
pub(crate) enum Apart {
    /// The broker closed, and all that it said has been passed on.
    Closed,
    /// The client left, or vanished.
    Left,
    /// The client was stopped in the middle, for this reason.
    Refused(u8),
    /// Too much waits for the client.
    Behind,
    /// The station is being stopped.
    Stopping {
        /// The last packet has been passed on to its end.
        is_whole: bool,
    },
}

impl Apart {
    pub(crate) fn in_words(&self) -> &'static str {
        match self {
            Self::Closed => "the broker closed it",
            Self::Left => "the client left",
            Self::Refused(code) => reason_in_words(*code),
            Self::Behind => BEHIND,
            Self::Stopping { .. } => "the station is being stopped",
        }
    }
}

/// What is left of a connection.
pub(crate) struct Parting<'a> {
    pub to_client: WriteHalf<Pipe>,
    pub how: Apart,
    handshake: Option<tokio::sync::MutexGuard<'a, ()>>,
}

/// Passes bytes on, both ways, until either side ends it or the station is stopped. Where there are
/// handshakes to wait for, the next one waits until the broker has seen that this client left.
pub(crate) async fn splice<'a>(
    pipe: Pipe,
    from_broker: impl AsyncRead + Unpin,
    mut to_broker: impl AsyncWrite + Unpin,
    handshakes: Option<&'a tokio::sync::Mutex<()>>,
    lag: Option<Lag>,
    stop: &CancellationToken,
) -> Parting<'a> {
    let (from_client, mut to_client) = split(pipe);
    let mut handshake = None;
    let how = {
        let mut from_client = BufReader::with_capacity(READ_BYTES, from_client);
        let mut down = std::pin::pin!(pour(from_broker, &mut to_client, lag));
        tokio::select! {
            copied = copy_buf(&mut from_client, &mut to_broker) => {
                let finishing = async {
                    if let Some(handshakes) = handshakes {
                        handshake = Some(handshakes.lock().await);
                    }
                    let _ = to_broker.shutdown().await;
                    let _ = down.await;
                };
                let _ = timeout(LONGEST_DRAIN, finishing).await;
                copied.err().and_then(|error| refusal(&error)).map_or(Apart::Left, Apart::Refused)
            }
            ended = &mut down => match ended {
                Ok(()) => Apart::Closed,
                Err(error) if error.get_ref().is_some_and(|error| error.is::<TooFarBehind>()) => Apart::Behind,
                Err(_) => Apart::Left,
            },
            () = stop.cancelled() => {
                let finishing = async {
                    let _ = to_broker.shutdown().await;
                    down.await.is_ok()
                };
                Apart::Stopping { is_whole: timeout(LONGEST_FAREWELL, finishing).await.unwrap_or(false) }
            }
        }
    };
    Parting { to_client, how, handshake }
}

/// Passes on what the broker sends, to its end.
async fn pour(
    mut from_broker: impl AsyncRead + Unpin,
    to_client: &mut WriteHalf<Pipe>,
    mut lag: Option<Lag>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // Tokio lets a task that is busy for long wait, which is not to be taken for an empty socket.
        let length = match unconstrained(from_broker.read(&mut buffer)).now_or_never() {
            Some(read) => read?,
            None => {
                if let Some(lag) = &mut lag {
                    lag.caught_up();
                }
                from_broker.read(&mut buffer).await?
            }
        };
        if length == 0 {
            return Ok(());
        }
        let writing = async {
            to_client.write_all(&buffer[..length]).await?;
            // TLS may keep a part of it.
            to_client.flush().await
        };
        let Some(lag) = &lag else {
            writing.await?;
            continue;
        };
        lag.bound(writing).await?;
    }
}

/// How far a client is behind.
///
/// The library holds what comes for a client whose socket is full, without a limit and without a way
/// to ask how much. But all of it was published after the library's own socket was last empty; so as
/// long as no more than so much has been published since then, to whomever, it holds no more than
/// that for all slow clients together, because they share what they are sent.
pub(crate) struct Lag {
    published: Arc<AtomicU64>,
    /// What had been published when the client had all.
    at: u64,
    most_bytes: u64,
}

/// See [`Lag`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("too far behind")]
pub(crate) struct TooFarBehind;

const BEHIND: &str = "too slow: too much waits for it";

impl Lag {
    fn new(published: Arc<AtomicU64>, most_bytes: u64) -> Self {
        let at = published.load(Ordering::Relaxed);
        Self { published, at, most_bytes }
    }

    fn caught_up(&mut self) {
        self.at = self.published.load(Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), TooFarBehind> {
        let behind = self.published.load(Ordering::Relaxed) - self.at;
        if behind > self.most_bytes { Err(TooFarBehind) } else { Ok(()) }
    }

    /// Writes, unless the client gets too far behind while it does.
    async fn bound(&self, writing: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
        let mut writing = std::pin::pin!(writing);
        loop {
            tokio::select! {
                biased;
                written = &mut writing => {
                    written?;
                    return self.check().map_err(std::io::Error::other);
                }
                () = tokio::time::sleep(LAG_INTERVAL) => self.check().map_err(std::io::Error::other)?,
            }
        }
    }
}

fn log_behind() {
    tracing::warn!(reason = BEHIND, "closed");
}

/// Who is there. Neither a user name nor a password is said.
pub(crate) fn log_connect(head: Option<&Head<'_>>) {
    match head {
        Some(head) => {
            let client = String::from_utf8_lossy(head.client_id);
            tracing::info!(?client, version = if head.level == 5 { "5.0" } else { "3.1.1" }, "CONNECT");
        }
        None => tracing::debug!("what came is no CONNECT of 3.1.1 or 5.0"),
    }
}

/// Why a client's connection ended.
fn log_end(reason: Option<u8>) {
    match reason {
        None => tracing::info!("left"),
        Some(SERVER_SHUTTING_DOWN) => tracing::info!(reason = "the station is being stopped", "closed"),
        Some(code) => tracing::warn!(code, reason = reason_in_words(code), "closed"),
    }
}

/// What a reason code of DISCONNECT says (section 3.14.2.1), of those that are sent here.
fn reason_in_words(code: u8) -> &'static str {
    match code {
        MALFORMED_PACKET => "malformed packet",
        0x82 => "protocol error",
        0x87 => "not authorized",
        KEEP_ALIVE_TIMEOUT => "keep alive ran out",
        SESSION_TAKEN_OVER => "another connection took the session over",
        0x93 => "more messages at once than it may send",
        0x94 => "topic alias invalid",
        PACKET_TOO_LARGE => "packet too large",
        0x97 => "quota exceeded",
        _ => "the broker closed it",
    }
}

/// The reason code for a client that was stopped in the middle; `None` for one that is gone.
fn refusal(error: &std::io::Error) -> Option<u8> {
    error.get_ref().is_some_and(|error| error.is::<PacketTooLarge>()).then_some(PACKET_TOO_LARGE)
}

/// A held session with its connections.
struct Running<'a> {
    front: &'a Front,
    held: Held,
    broker: ToBroker,
    client: Option<ClientEnd>,
    is_v5: bool,
    number: u64,
    attachments: mpsc::Receiver<Attachment>,
}

struct ClientEnd {
    reader: ReadHalf<Pipe>,
    writer: WriteHalf<Pipe>,
    /// What it sent before it could be read.
    early: Vec<u8>,
    is_flushed: bool,
    span: Span,
}

impl ClientEnd {
    fn new(pipe: Pipe, early: Vec<u8>, span: Span) -> Self {
        let (reader, writer) = split(pipe);
        Self { reader, writer, early, is_flushed: true, span }
    }
}

/// What happens next.
enum Step {
    Attached(Option<Attachment>),
    FromClient(std::io::Result<usize>),
    ToClient(std::io::Result<usize>),
    FromBroker(std::io::Result<usize>),
    ToBroker(std::io::Result<usize>),
    Flushed(std::io::Result<()>),
    Timeout,
    Stopping,
    Look,
}

impl Running<'_> {
    /// Serves the session to its end; `first` came from the broker after its CONNACK.
    async fn run(mut self, client_id: &[u8], first: &[u8]) {
        let mut from_client = vec![0; READ_BYTES];
        let mut from_broker = vec![0; READ_BYTES];
        let mut is_broken = self.held.handle_broker(first, self.front.now()).is_err();
        let mut was_away = None;
        let mut lag = self.front.lag();
        while !is_broken && self.held.end().is_none() {
            self.hear_early();
            let away_since = self.held.away_since();
            if away_since != was_away {
                self.front.note_away(client_id, self.number, away_since);
                was_away = away_since;
            }
            let has_all = match &self.client {
                Some(_) => self.held.reads_broker() && self.broker.is_empty(),
                None => !self.held.is_window_full(),
            };
            if has_all {
                lag.caught_up();
            } else if lag.check().is_err() {
                match self.client.take() {
                    Some(client) => {
                        self.held.detach(self.front.now());
                        client.span.in_scope(log_behind);
                    }
                    // The library bounds what waits for those of whom it knows that they are away.
                    None => self.held.let_go(self.front.now()),
                }
                break;
            }
            let step = self.step(&mut from_client, &mut from_broker).await;
            let now = self.front.now();
            match step {
                Step::Attached(Some(Attachment { pipe, early, span })) => {
                    self.drop_client(Some(SESSION_TAKEN_OVER));
                    span.in_scope(|| tracing::info!("its session goes on"));
                    self.client = Some(ClientEnd::new(pipe, early, span));
                    self.held.attach(now);
                }
                // Another session has come in its place, or too many are held.
                Step::Attached(None) => {
                    self.held.let_go(now);
                    break;
                }
                Step::FromClient(Err(error)) => self.drop_client(refusal(&error)),
                Step::FromClient(Ok(0)) | Step::ToClient(Ok(0) | Err(_)) | Step::Flushed(Err(_)) => {
                    self.drop_client(None);
                }
                Step::Flushed(Ok(())) => {
                    if let Some(client) = &mut self.client {
                        client.is_flushed = true;
                    }
                }
                Step::Look => {}
                Step::FromClient(Ok(length)) => self.hear_client(&from_client[..length]),
                Step::ToClient(Ok(length)) => {
                    self.held.client_took(length);
                    if let Some(client) = &mut self.client {
                        client.is_flushed = false;
                    }
                }
                Step::FromBroker(Ok(0) | Err(_)) | Step::ToBroker(Ok(0) | Err(_)) => is_broken = true,
                Step::FromBroker(Ok(length)) => {
                    is_broken = self.held.handle_broker(&from_broker[..length], now).is_err();
                }
                Step::ToBroker(Ok(length)) => self.held.broker_took(length),
                Step::Stopping => {
                    self.say_goodbye().await;
                    return;
                }
                Step::Timeout => {
                    if !self.held.handle_timeout(now) {
                        self.drop_client(Some(KEEP_ALIVE_TIMEOUT));
                    }
                }
            }
        }
        self.finish().await;
    }

    async fn step(&mut self, from_client: &mut [u8], from_broker: &mut [u8]) -> Step {
        let due = self.held.poll_timeout().map(|due| self.front.0.started + due.since(Instant::EPOCH));
        let (reads_client, reads_broker) = (self.held.reads_client(), self.held.reads_broker());
        let is_behind = !reads_broker || (self.client.is_none() && self.held.is_window_full());
        let (to_client, to_broker) = self.held.transmits();
        let (client_reader, client_writer, is_flushed) = match &mut self.client {
            Some(client) => (Some(&mut client.reader), Some(&mut client.writer), client.is_flushed),
            None => (None, None, true),
        };
        let (mut broker_reader, mut broker_writer) = self.broker.stream.split();
        let reading = async {
            match client_reader {
                Some(reader) => reader.read(from_client).await,
                None => std::future::pending().await,
            }
        };
        let writing = async {
            match client_writer {
                // TLS may keep a part of what it took.
                Some(writer) if to_client.is_empty() => Step::Flushed(writer.flush().await),
                Some(writer) => Step::ToClient(writer.write(to_client).await),
                None => std::future::pending().await,
            }
        };
        let waiting = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            attachment = self.attachments.recv() => Step::Attached(attachment),
            read = reading, if reads_client => Step::FromClient(read),
            written = writing, if !to_client.is_empty() || !is_flushed => written,
            read = broker_reader.read(from_broker), if reads_broker => Step::FromBroker(read),
            written = broker_writer.write(to_broker), if !to_broker.is_empty() => Step::ToBroker(written),
            () = waiting => Step::Timeout,
            () = tokio::time::sleep(LAG_INTERVAL), if is_behind => Step::Look,
            () = self.front.0.stop.cancelled() => Step::Stopping,
        }
    }

    fn hear_early(&mut self) {
        let Some(client) = self.client.as_mut().filter(|client| !client.early.is_empty()) else { return };
        if self.held.reads_client() {
            let early = std::mem::take(&mut client.early);
            self.hear_client(&early);
        }
    }

    fn hear_client(&mut self, bytes: &[u8]) {
        match self.held.handle_client(bytes, self.front.now()) {
            Ok(true) => {}
            Ok(false) => self.drop_client(None),
            Err(_) => self.drop_client(Some(MALFORMED_PACKET)),
        }
    }

    fn drop_client(&mut self, reason: Option<u8>) {
        self.held.detach(self.front.now());
        if let Some(ClientEnd { mut writer, span, .. }) = self.client.take() {
            let is_v5 = self.is_v5;
            span.in_scope(|| log_end(reason));
            tokio::spawn(async move { bid_farewell(&mut writer, is_v5, reason).await });
        }
    }

    /// Tells the client that the station is being stopped, after what is under way to it.
    async fn say_goodbye(mut self) {
        let Some(ClientEnd { mut writer, span, .. }) = self.client.take() else { return };
        span.in_scope(|| log_end(Some(SERVER_SHUTTING_DOWN)));
        let saying = async {
            while let (to_client @ [_, ..], _) = self.held.transmits() {
                let length = to_client.len();
                writer.write_all(to_client).await?;
                self.held.client_took(length);
            }
            std::io::Result::Ok(())
        };
        if let Ok(Ok(())) = timeout(LONGEST_FAREWELL, saying).await {
            bid_farewell(&mut writer, self.is_v5, Some(SERVER_SHUTTING_DOWN)).await;
        }
    }

    /// Says what is left to be said on both sides.
    async fn finish(mut self) {
        let (to_client, to_broker) = self.held.transmits();
        let saying = async {
            let _ = self.broker.stream.write_all(to_broker).await;
            let _ = self.broker.stream.shutdown().await;
        };
        let _ = timeout(LONGEST_FAREWELL, saying).await;
        if let Some(ClientEnd { mut writer, span, .. }) = self.client.take() {
            let _ = timeout(LONGEST_DRAIN, writer.write_all(to_client)).await;
            let reason = self.broker.farewell.reason().await;
            span.in_scope(|| log_end(reason));
            bid_farewell(&mut writer, self.is_v5, reason).await;
        }
    }
}

/// Reads until the first packet is there; returns its length, or `None` if these bytes aren't what
/// a connection begins with. More than the packet may have been read.
pub(crate) async fn first_packet(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> std::io::Result<Option<usize>> {
    const BEGINNINGS: [u8; 2] = [0x10, 0x20];
    loop {
        match frame(bytes) {
            Ok(Some(length)) => return Ok(Some(length)),
            Ok(None) if bytes.len() < LONGEST_CONNECT => {}
            Ok(None) | Err(_) => return Ok(None),
        }
        if bytes.first().is_some_and(|first| !BEGINNINGS.contains(first)) || from.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Everything that a CONNECT says but for Clean Start, and where it came in.
fn digest(greeting: &Greeting, door: Door) -> [u8; 32] {
    let place = match door {
        Door::Tcp => 0,
        Door::WebSocket(Profile::Open) => 1,
        Door::WebSocket(Profile::Diffusion) => 2,
    };
    Sha256::new().chain_update([place]).chain_update(&greeting.rest).finalize().into()
}

/// Closes a client's connection, with a DISCONNECT of MQTT 5.0 where there is a reason to give: in
/// its long form, which every client decodes.
async fn bid_farewell(to_client: &mut WriteHalf<Pipe>, is_v5: bool, reason: Option<u8>) {
    let saying = async {
        if let Some(reason) = reason.filter(|_| is_v5) {
            to_client.write_all(&[0xE0, 0x02, reason, 0x00]).await?;
        }
        to_client.shutdown().await
    };
    // A client that doesn't take it has gone, which is what is being dealt with.
    let _ = timeout(LONGEST_FAREWELL, saying).await;
}
