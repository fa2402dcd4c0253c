//! A message on its way into the log, and as it is kept.

use crate::mqtt::packet::{Publish, QoS};
use crate::time::Instant;

/// A message to be kept, borrowed from its current place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// When it arrived. Kept in whole milliseconds, as exported.
    pub time: Instant,
    /// Topic name; the session has already resolved an alias.
    pub topic: &'a str,
    /// The quality of service it was received with.
    pub qos: QoS,
    /// Whether it is a retained message.
    pub retain: bool,
    /// The DUP flag: it may have been sent before.
    pub dup: bool,
    /// The property section of 5.0 as received, without its length.
    pub properties: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> NewMessage<'a> {
    /// Returns a message that arrived at this time.
    #[inline(always)]
    pub fn of(message: &Publish<'a>, time: Instant) -> Self {
        Self {
            time,
            topic: message.topic,
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            properties: message.properties,
            payload: message.payload,
        }
    }
}

/// A kept message, borrowed from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Sequence number, from 1.
    pub seq: u64,
    /// When it arrived, in whole milliseconds.
    pub time: Instant,
    /// Topic name.
    pub topic: &'a str,
    /// The quality of service it was received with.
    pub qos: QoS,
    /// Whether it is a retained message.
    pub retain: bool,
    /// The DUP flag: it may have been sent before.
    pub dup: bool,
    /// The property section of 5.0 as received, without its length; iterate it with
    /// [`crate::mqtt::codec::publish::properties`].
    pub properties: &'a [u8],
    /// The payload as received.
    pub payload: &'a [u8],
}
