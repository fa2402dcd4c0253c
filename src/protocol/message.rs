//! One message with all of its parts, as the inspector needs it.

use crate::message_log::mosquitto_command::BrokerAccess;
use crate::mqtt::packet::QoS;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// A message as it came, as far as one update goes: a payload may be large, and
/// others wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePart {
    /// The number that was asked for.
    pub seq: u64,
    /// Number of the oldest message that is kept …
    pub first_seq: u64,
    /// … and the one that the next will get.
    pub next_seq: u64,
    /// How to get at the broker from elsewhere.
    pub reach: BrokerAccess,
    /// `None` where the message isn't kept.
    pub found: Option<MessageDetails>,
}

/// What is kept of a message, and a part of its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDetails {
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// Quality of service it came with.
    pub qos: QoS,
    /// A retained message.
    pub retain: bool,
    /// Sent before, perhaps.
    pub dup: bool,
    /// The property section of 5.0 as it came, without its length.
    pub properties: Vec<u8>,
    /// Size of the whole payload.
    pub payload_bytes: u32,
    /// Where this part of the payload begins …
    pub from_byte: u32,
    /// … and the part itself.
    pub payload: Vec<u8>,
}

/// A kept message, or the rest of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRequest {
    /// Its number.
    pub seq: u64,
    /// How much of its payload is there already.
    pub from_byte: u32,
}
