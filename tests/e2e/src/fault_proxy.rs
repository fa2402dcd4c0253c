//! A configurable bad network: a TCP proxy that cuts, delays, splits and merges.
//!
//! The position of a cut is drawn from a seed for each connection, as a direction and a number of bytes, so that cuts
//! happen anywhere: in the handshake, between packets, in the middle of one. Everything that was read on either side is
//! kept, with the part that was passed on, and [`FaultProxy::packets`] returns what became of each message.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::transcript::{Packets, Transcript, Way};

/// Most bytes read at once.
const READ_BYTES: usize = 4_096;
/// The longest delay; with longer ones, a thousand connections would take minutes.
const DELAY_US_MAX: u64 = 2_000;
/// One in this number of reads is split into small pieces, one is held back until it merges with the next, and one is
/// late.
const ONE_IN: u64 = 8;
/// The longest piece of a split read, in bytes.
const PIECE_BYTES_MAX: u64 = 16;
/// One in this number of connections is cut within the first [`EARLY_BYTES`]: while it is being opened.
const EARLY_ONE_IN: u64 = 8;
const EARLY_BYTES: u64 = 256;

/// The state of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    /// Everything passes, at once and unchanged.
    Clean,
    /// Each connection is cut eventually, and disturbed until then. The HTTP head that opens a WebSocket doesn't count,
    /// so that MQTT sees the same cuts as without it.
    Faulty {
        /// Mean bytes from the client before a cut by this direction.
        up_bytes: u64,
        /// The same from the broker.
        down_bytes: u64,
    },
    /// After this number of bytes from the broker nothing more is passed on from it, and nothing is cut.
    Stalled {
        /// Bytes that are still passed on.
        down_bytes: u64,
    },
}

/// The proxy. Stops, with all its connections, when dropped.
pub struct FaultProxy {
    port: u16,
    mode: watch::Sender<NetworkMode>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    seed: u64,
    broker_port: u16,
    cuts: watch::Sender<u64>,
    is_stalled: watch::Sender<bool>,
    transcript: Mutex<Transcript>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultProxy {
    /// Listens on a free port, in front of a port of this machine, with an undisturbed network.
    pub async fn start(broker_port: u16, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mode = watch::Sender::new(NetworkMode::Clean);
        let (cuts, is_stalled) = (watch::Sender::new(0), watch::Sender::new(false));
        let shared = Arc::new(Shared { seed, broker_port, cuts, is_stalled, transcript: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), mode.subscribe()));
        Ok(Self { port, mode, shared, task })
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the network for future connections; open ones are cut.
    pub fn change(&self, mode: NetworkMode) {
        self.shared.is_stalled.send_replace(false);
        self.mode.send_replace(mode);
    }

    /// Waits until a connection has been held for the first time since the last change.
    pub async fn stalled(&self) {
        // Its sender lives as long as this.
        let _ = self.shared.is_stalled.subscribe().wait_for(|is_stalled| *is_stalled).await;
    }

    /// Returns the number of connections cut so far.
    pub fn cuts(&self) -> u64 {
        *self.shared.cuts.borrow()
    }

    /// Returns the packets that were transferred so far.
    pub fn packets(&self) -> Packets {
        self.shared.transcript().packets()
    }
}

impl Shared {
    fn transcript(&self) -> MutexGuard<'_, Transcript> {
        // The state is consistent after each call, so a panic elsewhere does no damage.
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mode: watch::Receiver<NetworkMode>) {
    let mut number = 0;
    while let Ok((client, _)) = listener.accept().await {
        number += 1;
        let (shared, mode) = (Arc::clone(&shared), mode.clone());
        tokio::spawn(async move {
            // A stopped broker is up to the test, and the client notices it itself.
            if let Ok(broker) = TcpStream::connect(("127.0.0.1", shared.broker_port)).await {
                carry(number, client, broker, &shared, mode).await;
            }
        });
    }
}

/// Runs one connection until its end.
async fn carry(
    number: u64,
    client: TcpStream,
    broker: TcpStream,
    shared: &Shared,
    mut mode: watch::Receiver<NetworkMode>,
) {
    let mut random = Random::new(shared.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let present = *mode.borrow_and_update();
    let (up_plan, down_plan) = plans(present, &mut random);
    let is_reset = random.one_in(2);
    for stream in [&client, &broker] {
        // Without it the kernel merges what was split.
        let _ = stream.set_nodelay(true);
    }
    if is_reset {
        // Closing then resets the connection, including what the peer hasn't read yet.
        let _ = client.set_zero_linger();
        let _ = broker.set_zero_linger();
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let head = Head::default();
    let up = Pipe { way: Way::Up, from: from_client, to: to_broker, plan: up_plan, head, random: random.fork() };
    let head = Head::default();
    let down = Pipe { way: Way::Down, from: from_broker, to: to_client, plan: down_plan, head, random: random.fork() };
    let was_cut = tokio::select! {
        end = up.run(number, shared) => end == End::Cut,
        end = down.run(number, shared) => end == End::Cut,
        _ = mode.changed() => true,
    };
    shared.transcript().close(number, was_cut);
    shared.cuts.send_modify(|cuts| *cuts += u64::from(was_cut));
}

/// The plan for one direction of a connection.
#[derive(Clone, Copy, Debug)]
enum LinkPlan {
    PassAll,
    /// After this number of bytes the connection is cut.
    CutAfter(u64),
    /// After this number of bytes beyond the HTTP head, if there is one, it is cut.
    CutAfterHead(u64),
    /// After this number of bytes nothing passes.
    StallAfter(u64),
}

fn plans(mode: NetworkMode, random: &mut Random) -> (LinkPlan, LinkPlan) {
    match mode {
        NetworkMode::Clean => (LinkPlan::PassAll, LinkPlan::PassAll),
        NetworkMode::Stalled { down_bytes } => (LinkPlan::PassAll, LinkPlan::StallAfter(down_bytes)),
        NetworkMode::Faulty { up_bytes, down_bytes } => {
            // Both directions have a limit; the one that is reached first ends the connection.
            if random.one_in(EARLY_ONE_IN) {
                return (LinkPlan::CutAfter(random.below(EARLY_BYTES)), LinkPlan::CutAfter(random.below(EARLY_BYTES)));
            }
            let mut draw = |mean: u64| LinkPlan::CutAfterHead(random.below(2 * mean));
            (draw(up_bytes), draw(down_bytes))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cut,
    Closed,
}

struct Pipe {
    way: Way,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    plan: LinkPlan,
    head: Head,
    random: Random,
}

impl Pipe {
    /// Passes bytes on until the connection must be cut or one side has closed it.
    async fn run(mut self, number: u64, shared: &Shared) -> End {
        let mut passed = 0;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let Ok(mut length) = self.from.read(&mut buffer).await else { return End::Closed };
            if length == 0 {
                return End::Closed;
            }
            if self.is_faulty() {
                length = self.delay(&mut buffer, length).await;
            }
            let limit = match self.plan {
                LinkPlan::PassAll => u64::MAX,
                LinkPlan::CutAfter(bytes) | LinkPlan::StallAfter(bytes) => bytes,
                LinkPlan::CutAfterHead(bytes) => bytes.saturating_add(self.head.scan(&buffer[..length])),
            };
            let passing = usize::try_from(limit - passed).map_or(length, |most| most.min(length));
            passed += passing as u64;
            shared.transcript().note(number, self.way, &buffer[..length], passing);
            if self.pass_on(&buffer[..passing]).await.is_err() {
                return End::Closed;
            }
            if passing < length {
                if self.is_faulty() {
                    return End::Cut;
                }
                shared.is_stalled.send_replace(true);
            }
        }
    }

    fn is_faulty(&self) -> bool {
        matches!(self.plan, LinkPlan::CutAfter(_) | LinkPlan::CutAfterHead(_))
    }

    /// Sometimes holds back what was read: for a moment, or until more has arrived to merge with. Returns the number of
    /// bytes in the buffer.
    async fn delay(&mut self, buffer: &mut [u8], length: usize) -> usize {
        let delay = Duration::from_micros(self.random.below(DELAY_US_MAX));
        match self.random.below(ONE_IN) {
            0 => {
                tokio::time::sleep(delay).await;
                length
            }
            1 if length < buffer.len() => {
                match tokio::time::timeout(delay, self.from.read(&mut buffer[length..])).await {
                    Ok(Ok(more)) => length + more,
                    // The next read reports the end again.
                    Ok(Err(_)) | Err(_) => length,
                }
            }
            _ => length,
        }
    }

    async fn pass_on(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.is_faulty() || !self.random.one_in(ONE_IN) {
            return self.to.write_all(bytes).await;
        }
        while !bytes.is_empty() {
            let length = usize::try_from(self.random.below(PIECE_BYTES_MAX)).unwrap_or_default() + 1;
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            self.to.write_all(piece).await?;
            // Gives the reader the chance to read the piece on its own.
            tokio::task::yield_now().await;
            bytes = rest;
        }
        Ok(())
    }
}

/// The HTTP head at the beginning of a stream.
#[derive(Debug, Default)]
struct Head {
    beginning: Vec<u8>,
    /// Its length, once that is known.
    bytes: Option<u64>,
}

impl Head {
    /// Processes the next bytes; returns the head's length, or the maximum while its end hasn't arrived.
    fn scan(&mut self, bytes: &[u8]) -> u64 {
        const END: &[u8] = b"\r\n\r\n";
        if let Some(length) = self.bytes {
            return length;
        }
        self.beginning.extend_from_slice(bytes);
        let is_http =
            [&b"GET "[..], b"HTTP"].iter().any(|start| start.iter().zip(&self.beginning).all(|(a, b)| a == b));
        self.bytes = match self.beginning.windows(END.len()).position(|part| part == END) {
            _ if !is_http => Some(0),
            Some(end) => Some((end + END.len()) as u64),
            None => None,
        };
        self.bytes.unwrap_or(u64::MAX)
    }
}

/// xorshift64*: equal seeds give equal faults.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator from a seed.
    pub fn new(seed: u64) -> Self {
        // Zero is the one state it never leaves.
        Self(seed | 1)
    }

    /// Returns a number from 0 up to, but excluding, `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit.max(1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn fork(&mut self) -> Self {
        Self::new(self.below(u64::MAX))
    }
}
