//! A WebSocket as a stream of bytes, from the server's side (RFC 6455).
//!
//! Frames need not align with packets `[MQTT-6.0.0-2]`, so their bytes are passed on as they arrive. A library that
//! delivers whole frames would buffer 20 MiB of each client, before the client has identified itself.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use futures_util::{SinkExt, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::{Decoder, Encoder, Framed};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::limits::READ_BYTES_MAX;
use crate::stream::{Client, Pipe};

/// Maximum payload of a control frame (section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// Maximum reason of a closing frame, whose payload begins with the code.
pub(crate) const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;
/// The number of bytes read at once, and written ahead.
const BUFFER_BYTES: usize = 4 * 1024;

/// The client broke the rules of the transport.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TransportError {
    pub code: CloseCode,
    pub reason: &'static str,
}

const MALFORMED: TransportError = TransportError { code: CloseCode::Protocol, reason: "malformed WebSocket frame" };

impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        Self::other(error)
    }
}

/// The current position in the frames of a client.
#[derive(Default)]
struct Frames {
    /// Within the data frame that is being read.
    bytes_left: u64,
    mask: [u8; 4],
    /// A message has begun whose last frame hasn't.
    is_fragmented: bool,
}

/// An opcode and the payload.
type Sent<'a> = (OpCode, &'a [u8]);

impl Frames {
    /// Returns the mask of a frame, if the client may send it now.
    fn check(&self, header: &FrameHeader, length: u64) -> Result<[u8; 4], TransportError> {
        let is_expected = match header.opcode {
            // [MQTT-6.0.0-1]
            OpCode::Data(Data::Text) => {
                return Err(TransportError { code: CloseCode::Unsupported, reason: "MQTT requires binary frames" });
            }
            OpCode::Data(Data::Binary) => !self.is_fragmented,
            OpCode::Data(Data::Continue) => self.is_fragmented,
            OpCode::Data(_) => false,
            OpCode::Control(_) => header.is_final && length <= CONTROL_BYTES_MAX as u64,
        };
        let is_extended = header.rsv1 || header.rsv2 || header.rsv3;
        header.mask.filter(|_| is_expected && !is_extended).ok_or(MALFORMED)
    }
}

impl Decoder for Frames {
    /// A control frame, or the available part of a data frame.
    type Item = (OpCode, BytesMut);
    type Error = io::Error;

    fn decode(&mut self, input: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        if self.bytes_left == 0 {
            let mut cursor = Cursor::new(&input[..]);
            let header = FrameHeader::parse(&mut cursor).map_err(|_| MALFORMED)?;
            let header_bytes = cursor.position() as usize;
            let Some((header, length)) = header else { return Ok(None) };
            let mask = self.check(&header, length)?;
            if matches!(header.opcode, OpCode::Control(_)) {
                if input.len() < header_bytes + length as usize {
                    return Ok(None);
                }
                input.advance(header_bytes);
                let mut payload = input.split_to(length as usize);
                unmask(&mut payload, mask);
                return Ok(Some((header.opcode, payload)));
            }
            input.advance(header_bytes);
            (self.bytes_left, self.mask, self.is_fragmented) = (length, mask, !header.is_final);
        }
        let count = usize::try_from(self.bytes_left).map_or(input.len(), |left| left.min(input.len()));
        let mut payload = input.split_to(count);
        unmask(&mut payload, self.mask);
        self.mask.rotate_left(count % 4);
        self.bytes_left -= count as u64;
        Ok((count > 0 || self.bytes_left == 0).then_some((OpCode::Data(Data::Binary), payload)))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for part in payload.chunks_mut(4) {
        part.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

impl Encoder<Sent<'_>> for Frames {
    type Error = io::Error;

    fn encode(&mut self, (opcode, payload): Sent<'_>, output: &mut BytesMut) -> io::Result<()> {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut output.writer()).map_err(io::Error::other)?;
        output.extend_from_slice(payload);
        Ok(())
    }
}

/// See the module docs.
pub(crate) struct WebSocket {
    frames: Framed<Pipe, Frames>,
    /// Bytes that were read and not delivered.
    payload: BytesMut,
    /// Whether the client has sent a closing frame.
    is_closed: bool,
    /// The payload of the closing frame, until it is sent.
    close: Option<Vec<u8>>,
}

impl WebSocket {
    /// For a connection whose request was answered with 101.
    pub(crate) fn new(stream: Pipe) -> Self {
        let frames = Framed::with_capacity(stream, Frames::default(), BUFFER_BYTES);
        let mut socket = Self { frames, payload: BytesMut::new(), is_closed: false, close: None };
        socket.set_close(CloseCode::Normal, "");
        socket
    }

    /// Begins to send a frame, once there is room for it.
    fn poll_send(&mut self, context: &mut Context<'_>, frame: Sent<'_>) -> Poll<io::Result<()>> {
        ready!(SinkExt::<Sent<'_>>::poll_ready_unpin(&mut self.frames, context))?;
        self.frames.start_send_unpin(frame)?;
        // What can't be sent now follows with the next write, or by a flush.
        let _ = SinkExt::<Sent<'_>>::poll_flush_unpin(&mut self.frames, context)?;
        Poll::Ready(Ok(()))
    }
}

impl Client for WebSocket {
    fn set_close(&mut self, code: CloseCode, reason: &str) {
        self.close = Some([&u16::from(code).to_be_bytes(), reason.as_bytes()].concat());
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.payload.is_empty() && !this.is_closed {
            match ready!(this.frames.poll_next_unpin(context)).transpose()? {
                Some((OpCode::Data(_), payload)) => this.payload = payload,
                Some((OpCode::Control(Control::Ping), payload)) => {
                    // A pong that waits to be sent answers this ping as well (section 5.5.3).
                    let _ = this.poll_send(context, (OpCode::Control(Control::Pong), &payload))?;
                }
                Some((OpCode::Control(Control::Close), _)) | None => this.is_closed = true,
                Some(_) => {}
            }
        }
        let count = this.payload.len().min(buffer.remaining());
        buffer.put_slice(&this.payload.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    /// A write is a frame.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(READ_BYTES_MAX);
        ready!(self.get_mut().poll_send(context, (OpCode::Data(Data::Binary), &bytes[..count])))?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        SinkExt::<Sent<'_>>::poll_flush_unpin(&mut self.get_mut().frames, context)
    }

    /// Sends a closing frame first.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(payload) = this.close.clone() {
            ready!(this.poll_send(context, (OpCode::Control(Control::Close), &payload)))?;
            this.close = None;
        }
        SinkExt::<Sent<'_>>::poll_close_unpin(&mut this.frames, context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = [1, 2, 3, 4];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => frame.extend([&[0xFE][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
        }
        frame.extend(MASK);
        frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
        frame
    }

    /// Returns what is read from these bytes when they arrive in pieces of this size, and the answers.
    async fn read(bytes: &[u8], piece: usize) -> (Result<Vec<u8>, CloseCode>, Vec<u8>) {
        let (mut client, stream) = tokio::io::duplex(1 << 20);
        let mut socket = WebSocket::new(Box::new(stream));
        let (mut payload, mut buffer) = (Vec::new(), [0; 100]);
        let mut failure = None;
        for part in bytes.chunks(piece) {
            client.write_all(part).await.unwrap();
            // Everything that has arrived, and no more.
            while let Poll::Ready(read) = futures_util::poll!(std::pin::pin!(socket.read(&mut buffer))) {
                match read {
                    Ok(0) => break,
                    Ok(length) => payload.extend_from_slice(&buffer[..length]),
                    Err(error) => {
                        let error = error.get_ref().unwrap().downcast_ref::<TransportError>().unwrap();
                        failure = Some(error.code);
                        break;
                    }
                }
            }
            if failure.is_some() {
                break;
            }
        }
        drop(socket);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (failure.map_or(Ok(payload), Err), answer)
    }

    #[tokio::test]
    async fn payload_is_passed_on_however_it_is_cut() {
        let long: Vec<u8> = (0..1_000_u32).map(|number| number as u8).collect();
        let bytes =
            [frame(0x82, b"one"), frame(0x02, &long), frame(0x89, b"ping"), frame(0x80, b"two"), frame(0x82, b"")]
                .concat();
        let expected = [b"one", &long[..], b"two"].concat();
        for piece in [1, 2, 3, 7, 100, bytes.len()] {
            let (payload, answer) = read(&bytes, piece).await;
            assert_eq!(payload.as_deref(), Ok(&expected[..]), "{piece}");
            assert_eq!(answer, b"\x8a\x04ping", "{piece}");
        }
    }

    #[tokio::test]
    async fn rule_violations_are_refused_with_a_code() {
        let unmasked = b"\x82\x01x".to_vec();
        let long_ping = frame(0x89, &[0; 126]);
        let cases = [
            (frame(0x81, b"text"), CloseCode::Unsupported),
            (unmasked, CloseCode::Protocol),
            (long_ping, CloseCode::Protocol),
            (frame(0x80, b"continues nothing"), CloseCode::Protocol),
            ([frame(0x02, b"a"), frame(0x82, b"b")].concat(), CloseCode::Protocol),
            (frame(0xC2, b"compressed"), CloseCode::Protocol),
            (frame(0x83, b"reserved"), CloseCode::Protocol),
        ];
        for (bytes, code) in cases {
            assert_eq!(read(&bytes, 1).await.0, Err(code), "{bytes:02x?}");
        }
    }

    #[tokio::test]
    async fn close_by_the_client_ends_the_stream() {
        let bytes = [frame(0x82, b"x"), frame(0x88, &[3, 0xE8]), frame(0x82, b"y")].concat();
        assert_eq!(read(&bytes, 1).await.0.as_deref(), Ok(&b"x"[..]));
    }

    #[tokio::test]
    async fn write_is_one_frame_and_shutdown_sends_the_reason() {
        let (mut client, stream) = tokio::io::duplex(1 << 20);
        let mut socket = WebSocket::new(Box::new(stream));
        socket.write_all(b"hello").await.unwrap();
        socket.set_close(CloseCode::Policy, "no");
        socket.shutdown().await.unwrap();
        let mut frames = Vec::new();
        client.read_to_end(&mut frames).await.unwrap();
        assert_eq!(frames, b"\x82\x05hello\x88\x04\x03\xf0no");
    }
}
