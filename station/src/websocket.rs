//! A WebSocket as a stream of bytes, from the server's side (RFC 6455).
//!
//! Frames need not align with packets `[MQTT-6.0.0-2]`, so nothing waits for a frame to be whole: its
//! bytes are passed on as they come, and what is held of a client is one read. A library that hands
//! out whole frames would have to hold 20 MiB of each client, before it has said who it is.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::limits::READ_BYTES_MAX;
use crate::listener::{Client, Pipe};

/// Payload of a control frame (section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;
/// Longest header: length of eight bytes, and the mask.
const HEADER_BYTES_MAX: usize = 14;
/// Read for headers; payload goes on from there.
const BUFFER_BYTES: usize = 4 * 1024;

/// Close codes (section 7.4.1).
pub(crate) const NORMAL: u16 = 1000;
pub(crate) const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
pub(crate) const UNSUPPORTED_DATA: u16 = 1003;
pub(crate) const POLICY_VIOLATION: u16 = 1008;

/// The client broke the rules of the transport.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TransportError {
    pub code: u16,
    pub reason: &'static str,
}

/// See the module.
pub(crate) struct WebSocket {
    stream: Pipe,
    /// Bytes that were read, from `start` on not yet looked at.
    input: Vec<u8>,
    start: usize,
    frame: Frame,
    /// Frames on their way to the client.
    output: Vec<u8>,
    written: usize,
    is_closed_by_client: bool,
    /// The closing frame, until it is in `output`.
    close: Option<(u16, &'static str)>,
}

/// The data frame that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    bytes_left: u64,
    mask: [u8; 4],
    /// By so much the mask has to be turned for the next byte.
    mask_index: usize,
    /// A message has begun whose last frame hasn't.
    is_fragmented: bool,
}

impl Frame {
    /// So many of these bytes are the frame's.
    fn fit(&self, count: usize) -> usize {
        usize::try_from(self.bytes_left).map_or(count, |left| count.min(left))
    }

    fn unmask(&mut self, payload: &mut [u8]) {
        self.mask.rotate_left(self.mask_index);
        for part in payload.chunks_mut(4) {
            part.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        }
        self.mask_index = payload.len() % 4;
        self.bytes_left -= payload.len() as u64;
    }
}

impl WebSocket {
    /// On a connection whose request was answered with 101.
    pub(crate) fn new(stream: Pipe) -> Self {
        Self {
            stream,
            input: Vec::with_capacity(BUFFER_BYTES),
            start: 0,
            frame: Frame::default(),
            output: Vec::new(),
            written: 0,
            is_closed_by_client: false,
            close: Some((NORMAL, "")),
        }
    }

    /// Hands out payload that was read already.
    fn take_payload(&mut self, buffer: &mut ReadBuf<'_>) {
        let available = &self.input[self.start..];
        let count = self.frame.fit(available.len().min(buffer.remaining()));
        let payload = buffer.initialize_unfilled_to(count);
        payload.copy_from_slice(&available[..count]);
        self.frame.unmask(payload);
        buffer.advance(count);
        self.start += count;
    }

    /// Reads payload straight into the buffer.
    fn poll_payload(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let longest = self.frame.fit(buffer.remaining());
        let mut payload = ReadBuf::new(buffer.initialize_unfilled_to(longest));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut payload))?;
        let payload = payload.filled_mut();
        self.frame.unmask(payload);
        let count = payload.len();
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }

    /// Reads the next header, and a control frame whole; `false` if more bytes are needed.
    fn next_frame(&mut self) -> Result<bool, TransportError> {
        let malformed = TransportError { code: PROTOCOL_ERROR, reason: "malformed WebSocket frame" };
        let mut cursor = Cursor::new(&self.input[self.start..]);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| malformed)? else {
            return Ok(false);
        };
        let header_bytes = cursor.position() as usize;
        let mask = header.mask.ok_or(malformed)?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(malformed);
        }
        match header.opcode {
            OpCode::Control(control) => {
                if length > CONTROL_BYTES_MAX || !header.is_final {
                    return Err(malformed);
                }
                let payload = self.start + header_bytes..self.start + header_bytes + length as usize;
                if self.input.len() < payload.end {
                    return Ok(false);
                }
                self.start = payload.end;
                self.handle_control(control, payload, mask);
            }
            OpCode::Data(Data::Binary) if !self.frame.is_fragmented => self.begin(header_bytes, length, mask, &header),
            OpCode::Data(Data::Continue) if self.frame.is_fragmented => self.begin(header_bytes, length, mask, &header),
            // [MQTT-6.0.0-1]
            OpCode::Data(Data::Text) => {
                return Err(TransportError { code: UNSUPPORTED_DATA, reason: "MQTT needs binary frames" });
            }
            OpCode::Data(_) => return Err(malformed),
        }
        Ok(true)
    }

    fn begin(&mut self, header_bytes: usize, length: u64, mask: [u8; 4], header: &FrameHeader) {
        self.start += header_bytes;
        self.frame = Frame { bytes_left: length, mask, mask_index: 0, is_fragmented: !header.is_final };
    }

    fn handle_control(&mut self, control: Control, payload: std::ops::Range<usize>, mask: [u8; 4]) {
        match control {
            Control::Close => self.is_closed_by_client = true,
            // One that waits to be sent answers this one as well (section 5.5.3).
            Control::Ping if self.output.is_empty() => {
                let mut payload = self.input[payload].to_vec();
                for (index, byte) in payload.iter_mut().enumerate() {
                    *byte ^= mask[index % 4];
                }
                self.queue_frame(OpCode::Control(Control::Pong), &payload);
            }
            _ => {}
        }
    }

    fn queue_frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut self.output).expect("writing to memory doesn't fail");
        self.output.extend_from_slice(payload);
    }

    /// Writes what is on its way to the client.
    fn poll_output(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let bytes = &self.output[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.output.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.drain(..self.start);
        self.start = 0;
        let length = self.input.len();
        self.input.resize(BUFFER_BYTES + HEADER_BYTES_MAX + CONTROL_BYTES_MAX as usize, 0);
        let mut buffer = ReadBuf::new(&mut self.input[length..]);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
        let count = buffer.filled().len();
        self.input.truncate(length + count);
        ready!(polled)?;
        Poll::Ready(Ok(count))
    }
}

impl Client for WebSocket {
    fn set_close(&mut self, code: u16, reason: &'static str) {
        self.close = Some((code, reason));
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.is_closed_by_client || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if this.frame.bytes_left > 0 {
                if this.start == this.input.len() {
                    return this.poll_payload(context, buffer);
                }
                this.take_payload(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.next_frame().map_err(io::Error::other)? {
                if !this.output.is_empty() {
                    // Where the client takes nothing, the pong goes with what is sent next.
                    let _ = this.poll_output(context)?;
                }
                continue;
            }
            if ready!(this.poll_input(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for WebSocket {
    /// A write is a frame.
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_output(context))?;
        let count = bytes.len().min(READ_BYTES_MAX);
        this.queue_frame(OpCode::Data(Data::Binary), &bytes[..count]);
        // What doesn't go now does with the next write or flush.
        let _ = this.poll_output(context)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_output(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    /// Sends a closing frame first.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some((code, reason)) = this.close.take() {
            let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
            this.queue_frame(OpCode::Control(Control::Close), &payload);
        }
        ready!(this.poll_output(context))?;
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
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

    /// What is read of these bytes when they come in pieces of this size, and what is answered.
    async fn read(bytes: &[u8], piece: usize) -> (Result<Vec<u8>, u16>, Vec<u8>) {
        let (mut client, stream) = tokio::io::duplex(1 << 20);
        let mut socket = WebSocket::new(Box::new(stream));
        let (mut payload, mut buffer) = (Vec::new(), [0; 100]);
        let mut failure = None;
        for part in bytes.chunks(piece) {
            client.write_all(part).await.unwrap();
            // All that has come, and no more.
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
    async fn what_breaks_the_rules_is_refused_with_its_code() {
        let unmasked = b"\x82\x01x".to_vec();
        let long_ping = frame(0x89, &[0; 126]);
        let cases = [
            (frame(0x81, b"text"), UNSUPPORTED_DATA),
            (unmasked, PROTOCOL_ERROR),
            (long_ping, PROTOCOL_ERROR),
            (frame(0x80, b"continues nothing"), PROTOCOL_ERROR),
            ([frame(0x02, b"a"), frame(0x82, b"b")].concat(), PROTOCOL_ERROR),
            (frame(0xC2, b"compressed"), PROTOCOL_ERROR),
            (frame(0x83, b"reserved"), PROTOCOL_ERROR),
        ];
        for (bytes, code) in cases {
            assert_eq!(read(&bytes, 1).await.0, Err(code), "{bytes:02x?}");
        }
    }

    #[tokio::test]
    async fn a_close_of_the_client_is_the_end() {
        let bytes = [frame(0x82, b"x"), frame(0x88, &[3, 0xE8]), frame(0x82, b"y")].concat();
        assert_eq!(read(&bytes, 1).await.0.as_deref(), Ok(&b"x"[..]));
    }

    #[tokio::test]
    async fn a_write_is_a_frame_and_shutdown_says_why() {
        let (mut client, stream) = tokio::io::duplex(1 << 20);
        let mut socket = WebSocket::new(Box::new(stream));
        socket.write_all(b"hello").await.unwrap();
        socket.set_close(POLICY_VIOLATION, "no");
        socket.shutdown().await.unwrap();
        let mut frames = Vec::new();
        client.read_to_end(&mut frames).await.unwrap();
        assert_eq!(frames, b"\x82\x05hello\x88\x04\x03\xf0no");
    }
}
