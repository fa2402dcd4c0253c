//! A broker that only sends: PUBLISH packets encoded beforehand, as fast as the client reads them or at a rate. `cargo
//! xtask bench` measures what a client does with them, so this side must cost next to nothing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use futures_util::{FutureExt, SinkExt, StreamExt};
use mqtt_crawl::mqtt::codec::encode::encode;
use mqtt_crawl::mqtt::codec::publish;
use mqtt_crawl::mqtt::packet::{Outgoing, Publish, PublishProperties, QoS, Version};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{LEVEL_311, PINGREQ, SUBSCRIBE, accept_connect, suback};
use crate::publish::Publisher;

/// The topic of every message.
pub const TOPIC: &str = "StarWars";

/// Payload bytes of every message.
pub const PAYLOAD_BYTES: usize = 90;

/// A word that one of [`RARE`] messages holds.
pub const RARE_WORD: &str = "needle";

/// The number of messages before they repeat; a multiple of every [`Burst::packets_per_frame`].
pub const CYCLE: usize = 64_000;

/// The interval of messages that hold [`RARE_WORD`].
pub const RARE: usize = 1_000;

/// The interval at which a burst with a rate sends what is due.
const TICK: Duration = Duration::from_millis(2);

/// The number of bytes written at once at full speed.
const WRITE_BYTES: usize = 128 * 1024;

/// A number of messages, and how they are sent.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// The number of messages; a multiple of `packets_per_frame`.
    pub messages: usize,
    /// MQTT packets in one WebSocket frame: 1, 16 or 64.
    pub packets_per_frame: usize,
    /// Messages a second; `None` is full speed.
    pub per_second: Option<u32>,
}

/// The properties of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertySet {
    /// Nothing.
    Empty,
    /// Properties that 5.0 publishers commonly set: payload format, content type, a user property. A 3.1.1 client gets
    /// none.
    Common,
}

/// A burst, and the channel of the caller that waits until it is sent.
type BurstRequest = (Burst, oneshot::Sender<Departures>);

/// The times when the messages of a burst were sent, by the machine's clock: message counts, with milliseconds since
/// 1970. Recorded only for bursts with a rate; at full speed it would take time and be of no use.
#[derive(Debug, Default)]
pub struct Departures(Vec<(usize, f64)>);

impl Departures {
    /// Returns when the message with this number, from 0, was about to be passed to the system.
    pub fn of(&self, message: usize) -> Option<f64> {
        let Self(batches) = self;
        batches.get(batches.partition_point(|(until, _)| *until <= message)).map(|(_, at_ms)| *at_ms)
    }
}

/// A listening source. Stops when dropped.
pub struct Source {
    port: u16,
    bursts: mpsc::Sender<BurstRequest>,
    task: JoinHandle<()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Source {
    /// Listens on a free port, for one client after the other.
    pub async fn start() -> Result<Self> {
        Self::start_with(PropertySet::Empty).await
    }

    /// The same, with messages of this kind.
    pub async fn start_with(property_set: PropertySet) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (bursts, mut requests) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Err(error) = serve(stream, property_set, &mut requests).await {
                    println!("a client of the source: {error:#}");
                }
            }
        });
        Ok(Self { port, bursts, task })
    }

    /// Returns the WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    /// Sends a burst; returns the sending times when its last byte was passed to the system.
    ///
    /// # Errors
    /// Fails when the client disconnects.
    pub async fn send(&self, burst: Burst) -> Result<Departures> {
        ensure!(CYCLE.is_multiple_of(burst.packets_per_frame), "{burst:?}: no such frames");
        ensure!(burst.messages.is_multiple_of(burst.packets_per_frame), "{burst:?}: the last frame isn't full");
        let (done, sent) = oneshot::channel();
        self.bursts.send((burst, done)).await.context("the source has ended")?;
        sent.await.context("the client is gone")
    }
}

async fn serve(
    stream: TcpStream,
    property_set: PropertySet,
    requests: &mut mpsc::Receiver<BurstRequest>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut socket, _, level) = accept_connect(stream).await?;
    let connack: &[u8] = if level == LEVEL_311 { &[0x20, 0x02, 0, 0] } else { &[0x20, 0x03, 0, 0, 0] };
    socket.send(Message::binary(connack.to_vec())).await?;
    let mut frames: Option<Frames> = None;
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                answer(&mut socket, &message?, level).await?;
            }
            burst = requests.recv() => {
                let Some((burst, done)) = burst else { return Ok(()) };
                // Built once for consecutive bursts: building them takes tens of milliseconds.
                let frames = match frames.take().filter(|frames| frames.packets_per_frame == burst.packets_per_frame) {
                    Some(same) => frames.insert(same),
                    None => frames.insert(Frames::new(burst.packets_per_frame, version(level), property_set)?),
                };
                let departures = send(&mut socket, burst, level, frames).await?;
                // The caller may have given up.
                let _ = done.send(departures);
            }
        }
    }
}

async fn answer(socket: &mut WebSocketStream<TcpStream>, message: &Message, level: u8) -> Result<()> {
    let Message::Binary(packet) = message else { return Ok(()) };
    let reply = match packet.first() {
        Some(&SUBSCRIBE) if level == LEVEL_311 => vec![0x90, 0x03, packet[2], packet[3], 0],
        Some(&SUBSCRIBE) => suback(packet),
        Some(&PINGREQ) => vec![0xD0, 0],
        _ => return Ok(()),
    };
    Ok(socket.send(Message::binary(reply)).await?)
}

fn version(level: u8) -> Version {
    if level == LEVEL_311 { Version::V311 } else { Version::V5 }
}

async fn send(socket: &mut WebSocketStream<TcpStream>, burst: Burst, level: u8, frames: &Frames) -> Result<Departures> {
    let frames_in_all = burst.messages / burst.packets_per_frame;
    let at_once = (WRITE_BYTES / frames.frame_bytes).max(1);
    let started = Instant::now();
    let mut sent = 0;
    let mut batches = Vec::new();
    while sent < frames_in_all {
        let due = match burst.per_second {
            None => frames_in_all,
            Some(per_second) => {
                let messages = started.elapsed().as_secs_f64() * f64::from(per_second);
                // Saturates far beyond any burst.
                ((messages / burst.packets_per_frame as f64) as usize).min(frames_in_all)
            }
        };
        if sent == due {
            tokio::time::sleep(TICK).await;
        }
        while sent < due {
            let until = (sent + at_once).min(due);
            let bytes = frames.from(sent, until - sent);
            let at_ms = burst.per_second.map(|_| SystemTime::now().duration_since(UNIX_EPOCH)).transpose()?;
            // Bypasses the WebSocket's own buffer, which is empty because every answer was flushed.
            socket.get_mut().write_all(bytes).await?;
            sent += bytes.len() / frames.frame_bytes;
            batches.extend(at_ms.map(|at| (sent * burst.packets_per_frame, at.as_secs_f64() * 1_000.0)));
        }
        while let Some(message) = socket.next().now_or_never() {
            answer(socket, &message.context("the client left")??, level).await?;
        }
    }
    Ok(Departures(batches))
}

/// A cycle of messages as WebSocket frames, all of one length.
struct Frames {
    packets_per_frame: usize,
    bytes: Vec<u8>,
    frame_bytes: usize,
}

impl Frames {
    fn new(packets_per_frame: usize, version: Version, property_set: PropertySet) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut packets = Vec::new();
        for first in (0..CYCLE).step_by(packets_per_frame) {
            packets.clear();
            for number in first..first + packets_per_frame {
                put_packet(number, version, property_set, &mut packets)?;
            }
            // A complete binary message, unmasked like every message of a server (RFC 6455, 5.2).
            bytes.push(0x82);
            match packets.len() {
                short @ 0..126 => bytes.push(short as u8),
                long => {
                    bytes.push(126);
                    bytes.extend_from_slice(&(long as u16).to_be_bytes());
                }
            }
            bytes.extend_from_slice(&packets);
        }
        let frame_bytes = bytes.len() / (CYCLE / packets_per_frame);
        Ok(Self { packets_per_frame, bytes, frame_bytes })
    }

    /// Returns as many of `count` frames from that position on as are contiguous.
    fn from(&self, first: usize, count: usize) -> &[u8] {
        let begin = first * self.frame_bytes % self.bytes.len();
        let end = (begin + count * self.frame_bytes).min(self.bytes.len());
        &self.bytes[begin..end]
    }
}

/// Appends a complete PUBLISH at QoS 0.
fn put_packet(number: usize, version: Version, property_set: PropertySet, out: &mut Vec<u8>) -> Result<()> {
    let word = if number.is_multiple_of(RARE) { RARE_WORD } else { "haystk" };
    let payload =
        format!(r#"{{"character":"GAUGE","text":"Reading {number:06} of the {word}, as it came from the far field"}}"#);
    let mut properties = Vec::new();
    if property_set == PropertySet::Common && version == Version::V5 {
        let usual = PublishProperties {
            payload_is_utf8: Some(true),
            content_type: Some("application/json".to_owned()),
            user_properties: vec![("source".to_owned(), "gauge 7".to_owned())],
            ..PublishProperties::default()
        };
        publish::encode_properties(&usual, &mut properties)?;
    }
    let packet = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: TOPIC,
        packet_id: None,
        topic_alias: None,
        properties: &properties,
        payload: payload.as_bytes(),
    };
    Ok(encode(&Outgoing::Publish(packet), version, u32::MAX, out)?)
}

/// Returns a complete [`CYCLE`] of messages for 5.0 clients, packet after packet, all of one length.
///
/// # Errors
/// Never fails in practice: the packets are always the same.
pub fn packets(property_set: PropertySet) -> Result<Vec<u8>> {
    let mut packets = Vec::new();
    for number in 0..CYCLE {
        put_packet(number, Version::V5, property_set, &mut packets)?;
    }
    Ok(packets)
}

/// Publishes this number of messages to a broker on this machine, over TCP, as fast as it reads them; returns once it
/// has read them all.
///
/// # Errors
/// Fails when it refuses, or when the connection ends early.
pub async fn publish_to(mqtt_port: u16, messages: usize) -> Result<()> {
    let cycle = packets(PropertySet::Empty)?;
    let packet_bytes = cycle.len() / CYCLE;
    let mut publisher = Publisher::connect(mqtt_port).await?;
    let mut left = messages;
    while left > 0 {
        let now = left.min(CYCLE);
        publisher.send(&cycle[..now * packet_bytes]).await?;
        left -= now;
    }
    publisher.close().await
}

#[cfg(test)]
mod tests {
    use mqtt_crawl::mqtt::codec::frame::frame;
    use mqtt_crawl::mqtt::codec::limits::Limits;

    use super::*;

    #[test]
    fn each_message_left_with_its_batch() {
        let departures = Departures(vec![(2, 10.0), (3, 12.0)]);
        let found: Vec<_> = (0..4).map(|message| departures.of(message)).collect();
        assert_eq!(found, [Some(10.0), Some(10.0), Some(12.0), None]);
    }

    #[test]
    fn every_message_has_its_size_and_every_frame_the_same() -> Result<()> {
        // PFI 2, content type 3 + 16, user property 5 + 6 + 7.
        let check = |version, property_set, property_bytes: usize| -> Result<()> {
            let head = 2 + 2 + TOPIC.len() + property_bytes;
            let head = head + usize::from(head - 2 + PAYLOAD_BYTES > 127);
            for number in [0, 1, RARE, CYCLE - 1] {
                let mut packet = Vec::new();
                put_packet(number, version, property_set, &mut packet)?;
                assert_eq!(packet.len(), head + PAYLOAD_BYTES);
                assert_eq!(frame(&packet, &Limits::default())?, Some(packet.len()));
                assert!(packet.ends_with(b"\"}"), "{}", String::from_utf8_lossy(&packet));
            }
            for packets_per_frame in [1, 16, 64] {
                let frames = Frames::new(packets_per_frame, version, property_set)?;
                assert_eq!(frames.bytes.len() % frames.frame_bytes, 0);
                assert_eq!(frames.from(CYCLE / packets_per_frame - 1, 5).len(), frames.frame_bytes);
            }
            Ok(())
        };
        check(Version::V311, PropertySet::Empty, 0)?;
        check(Version::V311, PropertySet::Common, 0)?;
        check(Version::V5, PropertySet::Empty, 1)?;
        check(Version::V5, PropertySet::Common, 1 + 2 + 19 + 18)
    }
}
