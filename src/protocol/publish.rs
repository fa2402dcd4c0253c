//! Messages to publish, and their outcomes.

use crate::mqtt::packet::PublishProperties;
use crate::mqtt::packet::QoS;
use serde::Deserialize;
use serde::Serialize;

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The number of the [`PublishRequest`].
    pub number: u64,
    /// The outcome.
    pub outcome: PublishOutcome,
}

/// How a publish ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishOutcome {
    /// Handed over (QoS 0), or acknowledged completely.
    Done,
    /// It wasn't sent, or the broker refused it; with the reason as text.
    Failed(String),
    /// It was sent, but it is unknown whether it arrived; with the reason as text.
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
    /// Whether the broker retains it.
    pub retain: bool,
    /// Properties (5.0).
    pub properties: PublishProperties,
}
