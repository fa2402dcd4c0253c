//! What one client may send: packets up to a size, messages up to a rate.
//!
//! Too large a packet ends the connection before its bytes are taken; too many messages wait, so
//! that the client's own socket slows it down and nothing is lost.

use std::future::Future as _;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::diffusion::{Inspector, Profile};

/// Messages may come so much ahead of their rate.
const BURST: Duration = Duration::from_secs(1);

/// A packet was larger than the station takes: the connection is to be closed with this reason.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("packet too large")]
pub(crate) struct PacketTooLarge;

/// How many messages one client may send, and when it may send on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    per_message: Option<Duration>,
    /// When all messages so far would have come at the rate.
    even: Instant,
}

impl Pace {
    /// So many messages a second; `None` is no limit.
    pub(crate) fn new(per_second: Option<NonZeroU32>, now: Instant) -> Self {
        Self { per_message: per_second.map(|rate| Duration::from_secs(1) / rate.get()), even: now }
    }

    /// So many messages came; returns when the next may, where that isn't at once.
    pub(crate) fn take(&mut self, messages: u32, now: Instant) -> Option<Instant> {
        let per_message = self.per_message?;
        self.even = self.even.max(now) + per_message * messages;
        let due = self.even.checked_sub(BURST)?;
        (due > now).then_some(due)
    }
}

/// A client's bytes, held to the limits as they are read.
pub(crate) struct Meter<S> {
    stream: S,
    inspector: Inspector,
    pace: Pace,
    waiting: Option<Pin<Box<Sleep>>>,
    is_refused: bool,
}

impl<S> Meter<S> {
    pub(crate) fn new(stream: S, largest_packet_bytes: u32, pace: Pace) -> Self {
        let inspector = Inspector::new(Profile::Open, largest_packet_bytes);
        Self { stream, inspector, pace, waiting: None, is_refused: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        if self.is_refused {
            return Poll::Ready(Err(io::Error::other(PacketTooLarge)));
        }
        if self.inspector.has_left() {
            // The server closes when the client doesn't [MQTT-3.14.4-3].
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let passage = self.inspector.inspect(&buffer.filled()[before..]);
        if passage.refusal.is_some() {
            self.is_refused = true;
            buffer.set_filled(before + passage.admitted);
            if passage.admitted == 0 {
                return Poll::Ready(Err(io::Error::other(PacketTooLarge)));
            }
        }
        if let Some(due) = self.pace.take(passage.messages, Instant::now()) {
            self.waiting = Some(Box::pin(sleep_until(due)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const CONNECT: &[u8] = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc";
    const PUBLISH: &[u8] = b"\x30\x04\x00\x01tx";

    #[test]
    fn messages_ahead_of_their_rate_wait() {
        let start = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(10), start);
        assert_eq!(pace.take(10, start), None, "a second's worth may come at once");
        assert_eq!(pace.take(5, start), Some(start + Duration::from_millis(500)));
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.take(0, later), None);
        assert_eq!(pace.take(1, later), Some(later + Duration::from_millis(100)));
        let idle = start + Duration::from_secs(60);
        assert_eq!(pace.take(11, idle), Some(idle + Duration::from_millis(100)), "idleness is not saved up");
        assert_eq!(Pace::new(None, start).take(u32::MAX, start), None);
    }

    #[tokio::test]
    async fn too_large_a_packet_is_not_taken() {
        let (mut client, station) = tokio::io::duplex(1 << 20);
        let mut meter = Meter::new(station, 64, Pace::new(None, Instant::now()));
        let large = b"\x30\x41\x00\x01t".as_slice();
        client.write_all(&[CONNECT, PUBLISH, large].concat()).await.unwrap();
        let mut received = Vec::new();
        let error = meter.read_to_end(&mut received).await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<PacketTooLarge>());
        assert_eq!(received.len(), CONNECT.len() + PUBLISH.len() + 1, "the length says it all");
    }
}
