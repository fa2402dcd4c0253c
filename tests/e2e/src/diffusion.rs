//! A server that accepts and sends what Diffusion's manual describes for MQTT, and records everything else.
//!
//! The manual: MQTT 5.0 only; over WebSocket at the path `/diffusion`; user name and password of a principal;
//! subscriptions at QoS 0; publishing at QoS 0 or 1, where QoS 1 reports an update that fails; topic paths without an
//! empty level; topics that a principal may not read don't match, without an error. This server leaves out everything
//! that the manual doesn't mention: its CONNACK has no property.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{accept_connect_at, level_of};

/// The principal of a fresh Diffusion server, and its password.
pub const PRINCIPAL: (&str, &str) = ("admin", "password");

/// A topic that the principal may neither read nor update.
pub const FORBIDDEN: &str = "secret";

const PATH: &str = "/diffusion";

const CONNACK_SUCCESS: &[u8] = &[0x20, 3, 0, 0x00, 0];
const CONNACK_WRONG_PASSWORD: &[u8] = &[0x20, 3, 0, 0x86, 0];
/// A 3.1.1 client understands only this refusal [MQTT-3.1.2-2].
const CONNACK_WRONG_VERSION: &[u8] = &[0x20, 2, 0, 0x01];
const DISCONNECT_QOS: &[u8] = &[0xE0, 2, 0x9B, 0];
const PINGRESP: &[u8] = &[0xD0, 0];

const NOT_AUTHORIZED: u8 = 0x87;
const INVALID_TOPIC_FILTER: u8 = 0x8F;
const INVALID_TOPIC_NAME: u8 = 0x90;

/// A running server with one topic. Stops when dropped.
pub struct Diffusion {
    port: u16,
    task: JoinHandle<()>,
    violations: Violations,
}

/// Violations of the manual by clients.
type Violations = Arc<Mutex<Vec<String>>>;

impl Drop for Diffusion {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Diffusion {
    /// Listens on a free port. Subscribers to this topic receive this value.
    pub async fn start(topic: &'static str, value: &'static str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let violations = Violations::default();
        let task = tokio::spawn({
            let violations = Arc::clone(&violations);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let violations = Arc::clone(&violations);
                    tokio::spawn(async move {
                        // A client that disconnects in the middle is no error here.
                        let _ = serve(stream, topic, value, &violations).await;
                    });
                }
            }
        });
        Ok(Self { port, task, violations })
    }

    /// Returns the WebSocket address.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}{PATH}", self.port)
    }

    /// Returns the clients' violations of the manual.
    pub fn violations(&self) -> Vec<String> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(stream: TcpStream, topic: &str, value: &str, violations: &Violations) -> Result<()> {
    let add_violation = |violation: String| violations.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    let Some((mut socket, connect)) =
        accept_connect_at(stream, Some(PATH)).await.inspect_err(|error| add_violation(error.to_string())).ok()
    else {
        return Ok(());
    };
    if level_of(&connect) != Some(LEVEL_5) {
        add_violation("a CONNECT of another version than 5.0".to_owned());
        return send(&mut socket, CONNACK_WRONG_VERSION).await;
    }
    if credentials(&connect)? != PRINCIPAL {
        return send(&mut socket, CONNACK_WRONG_PASSWORD).await;
    }
    send(&mut socket, CONNACK_SUCCESS).await?;

    while let Some(message) = socket.next().await {
        // The client sends one packet in each frame.
        let Message::Binary(packet) = message? else { continue };
        let (first, mut body) = Fields::of(&packet)?;
        match first >> 4 {
            PUBLISH => match (first >> 1) & 3 {
                0 => {}
                1 => {
                    let to = body.text()?;
                    let identifier = body.take(2)?;
                    let reason = match to {
                        _ if !is_topic_path(to) => INVALID_TOPIC_NAME,
                        FORBIDDEN => NOT_AUTHORIZED,
                        _ => 0,
                    };
                    send(&mut socket, &[&[0x40, 4], identifier, &[reason, 0]].concat()).await?;
                }
                _ => {
                    add_violation(format!("a PUBLISH to {} at QoS 2", body.text()?));
                    return send(&mut socket, DISCONNECT_QOS).await;
                }
            },
            SUBSCRIBE => {
                let identifier = body.take(2)?.to_owned();
                body.skip_properties()?;
                let mut answers = Vec::new();
                let mut is_wanted = false;
                while !body.0.is_empty() {
                    let filter = body.text()?;
                    body.take(1)?;
                    is_wanted |= filter == topic;
                    answers.push(if is_topic_path(filter) { 0 } else { INVALID_TOPIC_FILTER });
                }
                let length = u8::try_from(3 + answers.len())?;
                send(&mut socket, &[&[0x90, length], &identifier[..], &[0], &answers].concat()).await?;
                if is_wanted {
                    send(&mut socket, &publish(topic, value)?).await?;
                }
            }
            UNSUBSCRIBE => {
                let identifier = body.take(2)?;
                send(&mut socket, &[&[0xB0, 4], identifier, &[0, 0]].concat()).await?;
            }
            PINGREQ => send(&mut socket, PINGRESP).await?,
            DISCONNECT => return Ok(()),
            kind => add_violation(format!("a packet of type {kind}")),
        }
    }
    Ok(())
}

/// Protocol level of MQTT 5.0.
const LEVEL_5: u8 = 5;
/// Types of packets.
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;

async fn send(socket: &mut WebSocketStream<TcpStream>, packet: &[u8]) -> Result<()> {
    Ok(socket.send(Message::binary(packet.to_vec())).await?)
}

/// Whether no level of a topic path is empty.
fn is_topic_path(topic: &str) -> bool {
    topic.split('/').all(|level| !level.is_empty())
}

/// Returns the user name and password of a 5.0 CONNECT without a will; empty if there are none.
fn credentials(connect: &[u8]) -> Result<(&str, &str)> {
    let (_, mut body) = Fields::of(connect)?;
    body.text()?;
    let flags = body.take(2)?[1];
    body.take(2)?;
    body.skip_properties()?;
    body.text()?;
    let user = if flags & 0x80 == 0 { "" } else { body.text()? };
    let password = if flags & 0x40 == 0 { "" } else { body.text()? };
    Ok((user, password))
}

/// Returns a 5.0 PUBLISH at QoS 0.
fn publish(topic: &str, value: &str) -> Result<Vec<u8>> {
    let length = u8::try_from(topic.len())?;
    let body = [&[0, length], topic.as_bytes(), &[0], value.as_bytes()].concat();
    Ok([&[0x30, u8::try_from(body.len())?], &body[..]].concat())
}

/// The unread rest of a packet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Splits off the first byte of a packet, and its body.
    fn of(packet: &'a [u8]) -> Result<(u8, Self)> {
        let (&first, rest) = packet.split_first().context("an empty frame")?;
        let mut fields = Self(rest);
        fields.number()?;
        Ok((first, fields))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("the packet is too short")?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads a variable byte integer.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for position in 0..4 {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7F) << (7 * position);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number of more than four bytes")
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.take(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Ok(std::str::from_utf8(self.take(length)?)?)
    }

    fn skip_properties(&mut self) -> Result<()> {
        let length = self.number()?;
        self.take(length)?;
        Ok(())
    }
}
