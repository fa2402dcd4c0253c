//! Servers with behaviour that a real broker of today doesn't have.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

use crate::WAIT_TIMEOUT;

/// How a peer treats a connection.
#[derive(Clone, Debug)]
pub enum PeerMode {
    /// Supports MQTT 3.1.1 only, as brokers did before 2019, and otherwise forwards to the broker on this port of this
    /// machine.
    Old {
        /// Port for MQTT over TCP.
        broker_port: u16,
    },
    /// Accepts a CONNECT of MQTT 5.0, then sends these bytes; grants subscriptions.
    Scripted {
        /// The bytes after CONNACK.
        then: Vec<u8>,
    },
    /// Answers every CONNECT with this CONNACK, and grants subscriptions.
    Terms {
        /// The whole packet.
        connack: Vec<u8>,
    },
    /// Accepts every CONNECT of MQTT 5.0 and every subscription, and sends nothing unasked.
    Quiet {
        /// The keep alive that it requests, in seconds.
        keep_alive_s: u16,
        /// The number of PINGREQs of the first connection that it answers; after that this connection is half open:
        /// nothing more arrives, and nothing ends it.
        pings_answered: usize,
    },
    /// Accepts TCP connections and sends nothing that a WebSocket client could understand.
    Mute,
}

/// A listening peer. Stops when dropped.
pub struct Peer {
    port: u16,
    task: JoinHandle<()>,
    connects: mpsc::UnboundedReceiver<Vec<u8>>,
    events: mpsc::UnboundedReceiver<PeerEvent>,
}

/// Something that a [`PeerMode::Quiet`] peer received.
#[derive(Clone, Copy, Debug)]
pub struct PeerEvent {
    /// The time.
    pub at: Instant,
    /// The connection, counted from 0.
    pub connection: usize,
    /// The first byte of a packet; `None`: the client disconnected.
    pub packet: Option<u8>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Listens on a free port.
    pub async fn start(mode: PeerMode) -> Result<Self> {
        Self::start_at(0, mode).await
    }

    /// Listens on this port.
    pub async fn start_at(port: u16, mode: PeerMode) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let port = listener.local_addr()?.port();
        let (sender, connects) = mpsc::unbounded_channel();
        let (event_sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let (mode, sender) = (mode.clone(), sender.clone());
                let event_sender = EventSender { sender: event_sender.clone(), connection };
                connection += 1;
                // A client that disconnects in the middle is no error here.
                tokio::spawn(async move { serve(stream, mode, sender, event_sender).await.ok() });
            }
        });
        Ok(Self { port, task, connects, events })
    }

    /// Returns the WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    /// Returns the next event of a [`PeerMode::Quiet`] peer.
    ///
    /// # Errors
    /// Fails after [`WAIT_TIMEOUT`].
    pub async fn next_event(&mut self) -> Result<PeerEvent> {
        let event =
            tokio::time::timeout(WAIT_TIMEOUT, self.events.recv()).await.context("the peer receives nothing")?;
        event.context("the peer has ended")
    }

    /// Returns the protocol levels (4 is MQTT 3.1.1, 5 is 5.0) that were requested since the last call.
    pub fn requested_levels(&mut self) -> Vec<u8> {
        self.connects().iter().filter_map(|connect| level_of(connect)).collect()
    }

    /// Returns the CONNECT packets that arrived since the last call.
    pub fn connects(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.connects.try_recv().ok()).collect()
    }
}

/// Sends the events of one connection to the test.
struct EventSender {
    sender: mpsc::UnboundedSender<PeerEvent>,
    connection: usize,
}

impl EventSender {
    fn send(&self, packet: Option<u8>) {
        // A test that has ended receives nothing any more.
        let _ = self.sender.send(PeerEvent { at: Instant::now(), connection: self.connection, packet });
    }
}

async fn serve(
    stream: TcpStream,
    mode: PeerMode,
    connects: mpsc::UnboundedSender<Vec<u8>>,
    event_sender: EventSender,
) -> Result<()> {
    match mode {
        PeerMode::Quiet { keep_alive_s, pings_answered } => {
            let result = quiet(stream, keep_alive_s, pings_answered, &event_sender).await;
            event_sender.send(None);
            result
        }
        PeerMode::Mute => mute(stream).await,
        PeerMode::Old { broker_port } => {
            let (mut socket, connect, level) = accept_connect(stream).await?;
            connects.send(connect.clone())?;
            if level != LEVEL_311 {
                // CONNACK with return code 1: unacceptable protocol version [MQTT-3.1.2-2].
                socket.send(Message::binary(vec![0x20, 0x02, 0x00, 0x01])).await?;
                return Ok(socket.close(None).await?);
            }
            let mut broker = TcpStream::connect(("127.0.0.1", broker_port)).await?;
            broker.write_all(&connect).await?;
            forward(socket, broker).await
        }
        PeerMode::Scripted { then } => {
            let (mut socket, connect, _) = accept_connect(stream).await?;
            connects.send(connect)?;
            socket.send(Message::binary(vec![0x20, 0x03, 0x00, 0x00, 0x00])).await?;
            socket.send(Message::binary(then)).await?;
            listen(socket).await
        }
        PeerMode::Terms { connack } => {
            let (mut socket, connect, _) = accept_connect(stream).await?;
            connects.send(connect)?;
            socket.send(Message::binary(connack)).await?;
            listen(socket).await
        }
    }
}

/// Protocol level of MQTT 3.1.1.
pub(crate) const LEVEL_311: u8 = 4;

/// Grants every subscription and reads until the client disconnects.
async fn listen(mut socket: WebSocketStream<TcpStream>) -> Result<()> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(packet) = message
            && packet.first() == Some(&SUBSCRIBE)
        {
            socket.send(Message::binary(suback(&packet))).await?;
        }
    }
    Ok(())
}

/// Returns the 5.0 SUBACK that grants QoS 0 to a SUBSCRIBE with one filter.
pub(crate) fn suback(subscribe: &[u8]) -> Vec<u8> {
    vec![0x90, 0x04, subscribe[2], subscribe[3], 0x00, 0x00]
}

/// First byte of a SUBSCRIBE.
pub(crate) const SUBSCRIBE: u8 = 0x82;

/// First byte of a PINGREQ.
pub const PINGREQ: u8 = 0xC0;

/// First byte of a CONNECT.
pub const CONNECT: u8 = 0x10;

async fn quiet(stream: TcpStream, keep_alive_s: u16, pings_answered: usize, event_sender: &EventSender) -> Result<()> {
    let (mut socket, connect, _) = accept_connect(stream).await?;
    event_sender.send(connect.first().copied());
    let [high, low] = keep_alive_s.to_be_bytes();
    // CONNACK with Server Keep Alive.
    socket.send(Message::binary(vec![0x20, 0x06, 0x00, 0x00, 0x03, 0x13, high, low])).await?;
    let mut pings = 0;
    while let Some(message) = socket.next().await {
        // The client sends one packet in each frame.
        let Message::Binary(packet) = message? else { continue };
        let Some(&first) = packet.first() else { continue };
        event_sender.send(Some(first));
        match first {
            SUBSCRIBE => socket.send(Message::binary(suback(&packet))).await?,
            PINGREQ => {
                pings += 1;
                if pings <= pings_answered || event_sender.connection > 0 {
                    socket.send(Message::binary(vec![0xD0, 0x00])).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads and never answers, until the client gives up.
async fn mute(mut stream: TcpStream) -> Result<()> {
    stream.write_all(b"220 this is something else\r\n").await?;
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Performs the WebSocket handshake and reads the first packet, with its protocol level.
pub(crate) async fn accept_connect(stream: TcpStream) -> Result<(WebSocketStream<TcpStream>, Vec<u8>, u8)> {
    let (socket, connect) = accept_connect_at(stream, None).await?;
    let level = level_of(&connect).context("no level")?;
    Ok((socket, connect, level))
}

/// Performs the WebSocket handshake, refused at any path but this one, and reads the first packet.
pub(crate) async fn accept_connect_at(
    stream: TcpStream,
    path: Option<&str>,
) -> Result<(WebSocketStream<TcpStream>, Vec<u8>)> {
    let mut socket = accept(stream, path).await?;
    let mut bytes = Vec::new();
    loop {
        if protocol_level(&bytes)?.is_some() {
            return Ok((socket, bytes));
        }
        match socket.next().await.context("closed before CONNECT")?? {
            Message::Binary(part) => bytes.extend_from_slice(&part),
            Message::Ping(_) | Message::Pong(_) => {}
            other => bail!("expected CONNECT, not {other:?}"),
        }
    }
}

/// Performs the WebSocket handshake, refused at any path but this one.
pub(crate) async fn accept(stream: TcpStream, path: Option<&str>) -> Result<WebSocketStream<TcpStream>> {
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let choose = |request: &Request, mut response: Response| {
        if path.is_some_and(|path| path != request.uri().path()) {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::NOT_FOUND;
            return Err(refusal);
        }
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
        Ok(response)
    };
    Ok(tokio_tungstenite::accept_hdr_async(stream, choose).await?)
}

/// Returns the protocol level of a complete CONNECT.
pub(crate) fn level_of(connect: &[u8]) -> Option<u8> {
    protocol_level(connect).ok().flatten()
}

/// Returns the protocol level of a CONNECT, once the whole packet has arrived.
fn protocol_level(bytes: &[u8]) -> Result<Option<u8>> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if kind != 0x10 {
        bail!("the first packet is {kind:#x}, not CONNECT");
    }
    let mut length = 0;
    for (index, &byte) in rest.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let body = &rest[index + 1..];
            // The level follows the protocol name: two bytes of length and `MQTT`.
            return Ok((body.len() >= length).then(|| body.get(6).copied()).flatten());
        }
    }
    Ok(None)
}

/// Passes everything on in both directions until one side ends.
async fn forward(socket: WebSocketStream<TcpStream>, broker: TcpStream) -> Result<()> {
    let (mut to_client, mut from_client) = socket.split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let up = async {
        while let Some(message) = from_client.next().await {
            match message? {
                Message::Binary(part) => to_broker.write_all(&part).await?,
                Message::Close(_) => break,
                _ => {}
            }
        }
        anyhow::Ok(())
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from_broker.read(&mut buffer).await?;
            if length == 0 {
                return anyhow::Ok(());
            }
            to_client.send(Message::binary(buffer[..length].to_vec())).await?;
        }
    };
    tokio::select! { result = up => result, result = down => result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_level_is_read_from_a_complete_packet() -> Result<()> {
        let connect = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a";
        let check = |bytes: &[u8], expected| -> Result<()> {
            assert_eq!(protocol_level(bytes)?, expected, "{bytes:02x?}");
            Ok(())
        };
        for length in 0..connect.len() {
            check(&connect[..length], None)?;
        }
        check(connect, Some(5))?;
        check(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", Some(4))?;
        assert!(protocol_level(b"\x30\x00").is_err());
        Ok(())
    }
}
