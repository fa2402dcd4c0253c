//! Messages to publish, and what became of them.

use crate::mqtt::packet::PublishProperties;
use crate::mqtt::packet::QoS;
use serde::Deserialize;
use serde::Serialize;

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The number of the [`PublishRequest`].
    pub number: u64,
    /// How it ended.
    pub outcome: PublishOutcome,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishOutcome {
    /// Handed over (QoS 0), or acknowledged to the end.
    Done,
    /// It didn't go out, or the broker refused it: why, in words.
    Failed(String),
    /// It went out, and nobody knows whether it arrived: why, in words.
    Unknown(String),
}

/// A message to publish.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishRequest {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Retained by the broker.
    pub retain: bool,
    /// Properties (5.0).
    pub properties: PublishProperties,
}
