//! MQTT over WebSocket: who may open one, and carrying its bytes to the broker and back.
//!
//! Frames need not align with packets `[MQTT-6.0.0-2]`, so bytes are passed on as they come: one
//! frame up is one write, one read down is one frame, which may hold many packets. Both directions
//! wait for each other's reader, so what is held here is one frame up and [`READ_BYTES`] down, and no
//! more each way between here and [`crate::front`].

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf, WriteHalf, split,
};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::diffusion::{Inspector, Profile, refusal};
use crate::front::Front;
use crate::meter::Pace;
use crate::options::Limits;
use crate::upstream::Upstream;

/// Largest read from the broker, and so the largest frame sent.
const READ_BYTES: usize = 64 * 1024;
/// The first frame on a connection is no longer than this, each one after it no longer than twice
/// the one before: of a frame that is cut a client gets nothing, and what it missed on the last
/// connection is repeated all at once.
const FIRST_FRAME_BYTES: usize = 256;
/// How long the broker may take to finish after the client has.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);
/// How long to wait for the client's closing frame.
const LONGEST_FAREWELL: Duration = Duration::from_millis(500);
/// DISCONNECT 0x8B, server shutting down, in its long form, which every client decodes.
const SHUTTING_DOWN: &[u8] = &[0xE0, 0x02, 0x8B, 0x00];

/// What is behind the WebSockets.
#[derive(Clone)]
pub(crate) enum Beyond {
    /// The station's own broker.
    Front(Front),
    /// Another one, somewhere else.
    Upstream(Arc<Upstream>),
}

impl Beyond {
    fn open(&self, profile: Profile) -> Line {
        match self {
            Self::Front(front) => front.open(profile),
            Self::Upstream(upstream) => Arc::clone(upstream).open(),
        }
    }
}

/// The near end of a stream to the broker.
pub(crate) struct Line {
    stream: DuplexStream,
    /// Cancelled when the far end is gone, which a stream that isn't read doesn't tell.
    is_over: CancellationToken,
}

/// The far end of a stream to the broker.
pub(crate) struct FarEnd {
    stream: DuplexStream,
    _is_over: DropGuard,
}

/// A stream between a WebSocket and the broker, which holds so much each way.
pub(crate) fn line(bytes: usize) -> (Line, FarEnd) {
    let (near, far) = tokio::io::duplex(bytes);
    let is_over = CancellationToken::new();
    let guard = is_over.clone().drop_guard();
    (Line { stream: near, is_over }, FarEnd { stream: far, _is_over: guard })
}

impl AsyncRead for FarEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FarEnd {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How a connection came to its end.
#[derive(Clone, Copy)]
enum Ending {
    /// The client closed it or vanished.
    ClientLeft,
    /// The broker closed it.
    BrokerClosed,
    /// The client sent something that its path refuses; these bytes are the answer.
    Refused(&'static [u8]),
    /// The client broke the rules of the transport.
    Faulty(&'static str),
    /// The station is being stopped.
    Stopping,
}

impl Ending {
    fn answers_connect(&self) -> bool {
        matches!(self, Self::Refused([0x20, ..]))
    }

    /// Says why, where it was the station that closed.
    fn log(&self) {
        match self {
            Self::Refused(answer) => tracing::warn!(reason = refusal(answer), "closed"),
            Self::Faulty(reason) => tracing::warn!(reason, "closed"),
            Self::Stopping => tracing::debug!("closed: the station is being stopped"),
            Self::ClientLeft | Self::BrokerClosed => {}
        }
    }
}

/// Carries one client to the broker until either side ends it or the station stops.
pub(crate) async fn carry(
    socket: WebSocket,
    profile: Profile,
    limits: Limits,
    beyond: Beyond,
    stop: CancellationToken,
) {
    let (mut to_client, mut from_client) = socket.split();
    let Line { stream, is_over } = beyond.open(profile);
    let (mut from_broker, mut to_broker) = split(stream);
    let mut inspector = Inspector::new(profile, limits.max_packet);
    if matches!(beyond, Beyond::Upstream(_)) {
        inspector = inspector.judging_paths();
    }
    let pace = Pace::new(limits.max_rate, Instant::now());

    let (ending, is_drained) = {
        let longest = limits.handshake_timeout;
        let mut down = pin!(pass_down(&mut from_broker, &mut to_client));
        tokio::select! {
            ending = pass_up(&mut from_client, &mut to_broker, &mut inspector, pace, longest) => {
                // What the broker still has to say comes before our last word, unless that is the
                // answer to CONNECT itself.
                let is_drained = ending.answers_connect() || timeout(LONGEST_DRAIN, down.as_mut()).await.is_ok();
                (ending, is_drained)
            }
            ending = &mut down => (ending, true),
            () = async { is_over.cancelled().await; sleep(LONGEST_DRAIN).await } => (Ending::BrokerClosed, false),
            () = stop.cancelled() => {
                // Fails only if the broker has closed already.
                let _ = to_broker.shutdown().await;
                (Ending::Stopping, timeout(LONGEST_FAREWELL, down.as_mut()).await.is_ok())
            }
        }
    };
    ending.log();

    let last_word = match ending {
        Ending::Refused(answer @ [_, ..]) => Some(Bytes::from_static(answer)),
        Ending::Stopping if inspector.expects_farewell() => Some(Bytes::from_static(SHUTTING_DOWN)),
        _ => None,
    };
    // It would be taken for the rest of a packet that didn't get through.
    let last_word = last_word.filter(|_| is_drained);
    if let Some(packet) = last_word {
        // A client that doesn't take it has gone, which is what is being dealt with.
        let _ = timeout(LONGEST_FAREWELL, to_client.send(Message::Binary(packet))).await;
    }
    let (code, words) = match ending {
        Ending::ClientLeft | Ending::BrokerClosed => (close_code::NORMAL, ""),
        Ending::Refused(_) => (close_code::POLICY, "refused by this path"),
        Ending::Faulty(words) => (close_code::UNSUPPORTED, words),
        Ending::Stopping => (close_code::AWAY, "the station is being stopped"),
    };
    close(to_client, from_client, code, words).await;
}

async fn pass_up(
    from_client: &mut SplitStream<WebSocket>,
    to_broker: &mut WriteHalf<DuplexStream>,
    inspector: &mut Inspector,
    mut pace: Pace,
    longest_silence: Duration,
) -> Ending {
    let deadline = Instant::now() + longest_silence;
    let ending = loop {
        let next = match inspector.saw_connect() {
            true => from_client.next().await,
            false => match timeout_at(deadline, from_client.next()).await {
                Ok(next) => next,
                Err(_) => break Ending::Faulty("no CONNECT came"),
            },
        };
        let bytes = match next {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            // [MQTT-6.0.0-1]
            Some(Ok(Message::Text(_))) => break Ending::Faulty("MQTT needs binary frames"),
            Some(Ok(Message::Close(_)) | Err(_)) | None => break Ending::ClientLeft,
        };
        let passage = inspector.inspect(&bytes);
        if to_broker.write_all(&passage.admit(&bytes)).await.is_err() {
            // The broker has closed; the other direction knows more.
            return std::future::pending().await;
        }
        if let Some(answer) = passage.refusal {
            break Ending::Refused(answer);
        }
        if let Some(due) = pace.take(passage.messages, Instant::now()) {
            sleep_until(due).await;
        }
        if inspector.has_left() {
            // The server closes when the client doesn't [MQTT-3.14.4-3].
            break Ending::ClientLeft;
        }
    };
    // Fails only if the broker has closed already.
    let _ = to_broker.shutdown().await;
    ending
}

async fn pass_down(from_broker: &mut ReadHalf<DuplexStream>, to_client: &mut SplitSink<WebSocket, Message>) -> Ending {
    let mut buffer = vec![0; READ_BYTES];
    let mut longest = FIRST_FRAME_BYTES;
    loop {
        match from_broker.read(&mut buffer[..longest]).await {
            Ok(0) | Err(_) => return Ending::BrokerClosed,
            Ok(length) => {
                longest = READ_BYTES.min(2 * longest);
                let frame = Bytes::copy_from_slice(&buffer[..length]);
                if to_client.send(Message::Binary(frame)).await.is_err() {
                    return Ending::ClientLeft;
                }
            }
        }
    }
}

/// Sends a closing frame and waits for the client's, so that what was sent before isn't lost.
async fn close(
    mut to_client: SplitSink<WebSocket, Message>,
    mut from_client: SplitStream<WebSocket>,
    code: u16,
    words: &'static str,
) {
    let frame = CloseFrame { code, reason: words.into() };
    let Ok(Ok(())) = timeout(LONGEST_FAREWELL, to_client.send(Message::Close(Some(frame)))).await else { return };
    let rest = async { while let Some(Ok(_)) = from_client.next().await {} };
    let _ = timeout(LONGEST_FAREWELL, rest).await;
}
