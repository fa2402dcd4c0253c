//! One message with all of its parts, for the inspector.

use crate::message_log::mosquitto_command::BrokerAccess;
use crate::mqtt::packet::QoS;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// A message, as far as it fits into one update: a payload may be large, and other data has to wait for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePart {
    /// The requested number.
    pub seq: u64,
    /// Number of the oldest kept message.
    pub first_seq: u64,
    /// Number that the next message will get.
    pub next_seq: u64,
    /// How other clients can connect to the broker.
    pub reach: BrokerAccess,
    /// The message; `None` if it isn't kept.
    pub found: Option<MessageDetails>,
}

/// A kept message, with a part of its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDetails {
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// Quality of service with which it arrived.
    pub qos: QoS,
    /// Whether it is a retained message.
    pub retain: bool,
    /// Whether it may have been sent before.
    pub dup: bool,
    /// The property section of 5.0 as received, without its length.
    pub properties: Vec<u8>,
    /// Size of the whole payload, in bytes.
    pub payload_bytes: u32,
    /// Offset of this part of the payload.
    pub from_byte: u32,
    /// This part of the payload.
    pub payload: Vec<u8>,
}

/// A request for a kept message, or for the rest of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRequest {
    /// Its number.
    pub seq: u64,
    /// The number of payload bytes already received.
    pub from_byte: u32,
}
