//! A broker that does nothing but send: PUBLISH packets encoded beforehand, as fast as the client takes them or at a
//! rate. What a client does with them is what `cargo xtask bench` measures, so this side must cost next to nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{LEVEL_311, PINGREQ, SUBSCRIBE, greet, suback};

/// The topic of every message.
pub const TOPIC: &str = "StarWars";

/// Payload bytes of every message.
pub const PAYLOAD_BYTES: usize = 90;

/// A word that one message of so many holds.
pub const RARE_WORD: &str = "needle";

/// How many messages there are before they repeat; a multiple of every [`Burst::packets_per_frame`].
pub const CYCLE: usize = 64_000;

/// One of so many messages holds [`RARE_WORD`].
pub const RARE: usize = 1_000;

/// How often a burst with a rate sends what is due.
const TICK: Duration = Duration::from_millis(2);

/// Bytes written at once at full speed.
const WRITE_BYTES: usize = 128 * 1024;

/// So many messages, in this manner.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// How many; a multiple of `packets_per_frame`.
    pub messages: usize,
    /// MQTT packets in one WebSocket frame: 1, 16 or 64.
    pub packets_per_frame: usize,
    /// Messages a second; `None` is full speed.
    pub per_second: Option<u32>,
}

/// A listening source. Stops when dropped.
pub struct Source {
    port: u16,
    bursts: mpsc::Sender<(Burst, oneshot::Sender<()>)>,
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
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (bursts, mut wanted) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Err(error) = serve(stream, &mut wanted).await {
                    println!("a client of the source: {error:#}");
                }
            }
        });
        Ok(Self { port, bursts, task })
    }

    /// The WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/mqtt", self.port)
    }

    /// Sends a burst; returns when its last byte was handed to the system.
    ///
    /// # Errors
    /// When the client goes away.
    pub async fn send(&self, burst: Burst) -> Result<()> {
        ensure!(CYCLE.is_multiple_of(burst.packets_per_frame), "{burst:?}: no such frames");
        ensure!(burst.messages.is_multiple_of(burst.packets_per_frame), "{burst:?}: the last frame isn't full");
        let (done, sent) = oneshot::channel();
        self.bursts.send((burst, done)).await.context("the source has ended")?;
        sent.await.context("the client is gone")
    }
}

async fn serve(stream: TcpStream, wanted: &mut mpsc::Receiver<(Burst, oneshot::Sender<()>)>) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut socket, _, level) = greet(stream).await?;
    let connack: &[u8] = if level == LEVEL_311 { &[0x20, 0x02, 0, 0] } else { &[0x20, 0x03, 0, 0, 0] };
    socket.send(Message::binary(connack.to_vec())).await?;
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                answer(&mut socket, &message?, level).await?;
            }
            burst = wanted.recv() => {
                let Some((burst, done)) = burst else { return Ok(()) };
                send(&mut socket, burst, level).await?;
                // Whoever asked may have given up.
                let _ = done.send(());
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

async fn send(socket: &mut WebSocketStream<TcpStream>, burst: Burst, level: u8) -> Result<()> {
    let frames = Frames::new(burst.packets_per_frame, level);
    let frames_in_all = burst.messages / burst.packets_per_frame;
    let at_once = (WRITE_BYTES / frames.frame_bytes).max(1);
    let started = Instant::now();
    let mut sent = 0;
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
            // Past the WebSocket's own buffer, which is empty: every answer was flushed.
            socket.get_mut().write_all(bytes).await?;
            sent += bytes.len() / frames.frame_bytes;
        }
        while let Some(message) = socket.next().now_or_never() {
            answer(socket, &message.context("the client left")??, level).await?;
        }
    }
    Ok(())
}

/// A cycle of messages as WebSocket frames, all of one length.
struct Frames {
    bytes: Vec<u8>,
    frame_bytes: usize,
}

impl Frames {
    fn new(packets_per_frame: usize, level: u8) -> Self {
        let mut bytes = Vec::new();
        for first in (0..CYCLE).step_by(packets_per_frame) {
            let packets: Vec<u8> =
                (first..first + packets_per_frame).flat_map(|number| publish(number, level)).collect();
            // A whole binary message, not masked: those of a server aren't (RFC 6455, 5.2).
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
        Self { bytes, frame_bytes }
    }

    /// As many of `count` frames from that place on as stand together.
    fn from(&self, first: usize, count: usize) -> &[u8] {
        let begin = first * self.frame_bytes % self.bytes.len();
        let end = (begin + count * self.frame_bytes).min(self.bytes.len());
        &self.bytes[begin..end]
    }
}

/// A whole PUBLISH at QoS 0.
fn publish(number: usize, level: u8) -> Vec<u8> {
    let word = if number.is_multiple_of(RARE) { RARE_WORD } else { "haystk" };
    let payload =
        format!(r#"{{"character":"GAUGE","text":"Reading {number:06} of the {word}, as it came from the far field"}}"#);
    let mut body = Vec::new();
    body.extend_from_slice(&(TOPIC.len() as u16).to_be_bytes());
    body.extend_from_slice(TOPIC.as_bytes());
    if level != LEVEL_311 {
        body.push(0);
    }
    body.extend_from_slice(payload.as_bytes());
    let mut packet = vec![0x30, body.len() as u8];
    packet.extend_from_slice(&body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_its_size_and_every_frame_the_same() {
        for level in [LEVEL_311, 5] {
            let head = 2 + 2 + TOPIC.len() + usize::from(level == 5);
            for number in [0, 1, RARE, CYCLE - 1] {
                let packet = publish(number, level);
                assert_eq!(packet.len(), head + PAYLOAD_BYTES);
                assert_eq!(usize::from(packet[1]), packet.len() - 2);
                assert!(packet.ends_with(b"\"}"), "{}", String::from_utf8_lossy(&packet));
            }
            for packets_per_frame in [1, 16, 64] {
                let frames = Frames::new(packets_per_frame, level);
                assert_eq!(frames.bytes.len() % frames.frame_bytes, 0);
                assert_eq!(frames.from(CYCLE / packets_per_frame - 1, 5).len(), frames.frame_bytes);
            }
        }
    }
}
