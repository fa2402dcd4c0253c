//! A client for tests: it writes packets as bytes and reads whole packets back.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use mqtt_crawl_station::Station;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Longer than anything here takes, so that a hang fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V311 = 4,
    V5 = 5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Tcp,
    Mqtt,
    Diffusion,
}

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

enum Pipe {
    Plain(Box<dyn Stream>),
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
}

pub struct Client {
    pipe: Pipe,
    received: Vec<u8>,
    read: usize,
    /// The code of the closing frame, once one came.
    pub close_code: Option<u16>,
}

impl Client {
    pub async fn open(station: &Station, way: Way) -> Self {
        Self::open_at(if way == Way::Tcp { tcp(station) } else { station.http() }, way).await
    }

    /// The same, by the address of the port.
    pub async fn open_at(address: SocketAddr, way: Way) -> Self {
        Self::open_on(Box::new(TcpStream::connect(address).await.unwrap()), way).await
    }

    /// The same, on a stream that is there already.
    pub async fn open_on(stream: Box<dyn Stream>, way: Way) -> Self {
        let pipe = match way {
            Way::Tcp => Pipe::Plain(stream),
            Way::Mqtt => websocket(stream, "mqtt").await,
            Way::Diffusion => websocket(stream, "diffusion").await,
        };
        Self { pipe, received: Vec::new(), read: 0, close_code: None }
    }

    /// Opens, connects, and expects to be taken.
    pub async fn connected(station: &Station, way: Way, version: Version, id: &str) -> Self {
        Self::open(station, way).await.taken(version, id).await
    }

    /// Connects, and expects to be taken.
    pub async fn taken(mut self, version: Version, id: &str) -> Self {
        self.send(&connect(version, id, None)).await;
        let connack = self.packet().await.unwrap();
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
        self
    }

    /// Connects over TCP; `false` if the station closes before it answers.
    pub async fn try_connect(&mut self, version: Version, id: &str) -> bool {
        let Pipe::Plain(stream) = &mut self.pipe else { panic!("only over TCP") };
        stream.write_all(&connect(version, id, None)).await.is_ok() && self.packet().await.is_some()
    }

    /// Subscribes and returns what was granted.
    pub async fn subscribe(&mut self, version: Version, filter: &str, qos: u8) -> u8 {
        self.send(&subscribe(version, filter, qos)).await;
        let suback = self.packet().await.unwrap();
        assert_eq!(suback[0], 0x90, "{suback:02x?}");
        *suback.last().unwrap()
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        match &mut self.pipe {
            Pipe::Plain(stream) => stream.write_all(bytes).await.unwrap(),
            Pipe::WebSocket(socket) => socket.send(Message::binary(bytes.to_vec())).await.unwrap(),
        }
    }

    pub async fn send_text(&mut self, text: &str) {
        if let Pipe::WebSocket(socket) = &mut self.pipe {
            socket.send(Message::text(text)).await.unwrap();
        }
    }

    /// The next packet, whole; `None` once the station has closed.
    pub async fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = packet_length(&self.received[self.read..]) {
                let packet = self.received[self.read..self.read + length].to_vec();
                self.read += length;
                return Some(packet);
            }
            self.received.drain(..self.read);
            self.read = 0;
            if !timeout(PATIENCE, self.receive()).await.expect("the station says nothing") {
                assert!(self.received.is_empty(), "closed inside a packet: {:02x?}", self.received);
                return None;
            }
        }
    }

    /// Reads to the end; how many bytes came.
    pub async fn bytes_until_closed(&mut self) -> usize {
        while timeout(PATIENCE, self.receive()).await.expect("it is not closed") {}
        self.received.len() - self.read
    }

    async fn receive(&mut self) -> bool {
        match &mut self.pipe {
            Pipe::Plain(stream) => stream.read_buf(&mut self.received).await.is_ok_and(|length| length > 0),
            Pipe::WebSocket(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Binary(bytes))) => {
                        self.received.extend_from_slice(&bytes);
                        return true;
                    }
                    Some(Ok(Message::Close(frame))) => {
                        self.close_code = frame.map(|frame| frame.code.into());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return false,
                }
            },
        }
    }
}

/// The port for MQTT over TCP.
pub fn tcp(station: &Station) -> SocketAddr {
    station.mqtt().expect("the broker is inside")
}

async fn websocket(stream: Box<dyn Stream>, path: &str) -> Pipe {
    let mut request = format!("ws://localhost/{path}").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
    Pipe::WebSocket(Box::new(socket))
}

fn packet_length(bytes: &[u8]) -> Option<usize> {
    let mut remaining = 0;
    for (index, byte) in bytes.iter().skip(1).enumerate() {
        remaining |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let length = index + 2 + remaining;
            return (bytes.len() >= length).then_some(length);
        }
    }
    None
}

/// A packet of its first byte and its parts.
pub fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = vec![first];
    let mut length = body.len();
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}

/// A string with its length before it.
pub fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// Empty properties, where the version has properties.
fn properties(version: Version) -> &'static [u8] {
    match version {
        Version::V311 => &[],
        Version::V5 => &[0],
    }
}

/// Without Keep Alive, so that a test may take its time.
pub fn connect(version: Version, id: &str, user: Option<(&str, &str)>) -> Vec<u8> {
    let credentials = user.map(|(name, password)| [string(name), string(password)].concat());
    let flags = if user.is_some() { 0xC2 } else { 0x02 };
    let head = [&string("MQTT")[..], &[version as u8, flags, 0, 0], properties(version)].concat();
    packet(0x10, &[&head, &string(id), &credentials.unwrap_or_default()])
}

/// A CONNECT whose session lasts for a minute; `flags` without those of the credentials.
pub fn persistent_connect(id: &str, flags: u8, payload: &[&[u8]]) -> Vec<u8> {
    let head = [&string("MQTT")[..], &[5, flags, 0, 0, 5, 0x11, 0, 0, 0, 60]].concat();
    packet(0x10, &[&head, &string(id), &payload.concat()])
}

/// Connects with this CONNECT; returns the client and whether the station has its session.
pub async fn resume(station: &Station, way: Way, connect: &[u8]) -> (Client, bool) {
    let mut client = Client::open(station, way).await;
    client.send(connect).await;
    let connack = client.packet().await.unwrap();
    assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:02x?}");
    (client, connack[2] == 1)
}

pub fn subscribe(version: Version, filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[&[0, 9], properties(version), &string(filter), &[qos]])
}

/// A PUBLISH; the packet identifier counts only above QoS 0.
pub fn publish(version: Version, topic: &str, qos: u8, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    let id = packet_id.to_be_bytes();
    let id = if qos == 0 { &[][..] } else { &id[..] };
    packet(0x30 | qos << 1, &[&string(topic), id, properties(version), payload])
}
