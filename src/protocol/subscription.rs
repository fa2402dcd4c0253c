//! Subscriptions: the requests, and what the broker granted.

use crate::mqtt::packet::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use serde::Deserialize;
use serde::Serialize;

/// The subscriptions, and the result of the last change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsView {
    /// In the order they were added.
    pub list: Vec<Subscription>,
    /// The request of each of them.
    pub requests: Vec<SubscribeRequest>,
    /// The message count of each of them.
    pub counts: Vec<MessageCount>,
    /// The result of the last change, as text.
    pub answer: Option<String>,
}

/// The number of messages that a subscription brought since it was added, as far as it can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCount {
    /// The count.
    pub messages: u64,
    /// How they were counted.
    pub by: CountSource,
    /// The real count may be higher, because the topics of some messages aren't kept.
    pub is_least: bool,
}

/// How a subscription's messages are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountSource {
    /// By topics that its filter matches. Other subscriptions may have brought some of the messages.
    #[default]
    Topic,
    /// By its identifier, which no other subscription has.
    Identifier,
}

/// One topic filter and the broker's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The topic filter.
    pub filter: String,
    /// The broker's answer.
    pub granted: SubscriptionStatus,
    /// Its colour, below [`Subscription::COLOURS`]; it never changes.
    pub colour: u8,
}

impl Subscription {
    /// The number of colours: `--subscription-0` and following.
    pub const COLOURS: u8 = 8;
}

/// The broker's answer to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionStatus {
    /// No answer yet.
    Asked,
    /// Granted with at most this quality of service.
    QoS(QoS),
    /// Refused, with the reason as text.
    Refused(String),
    /// The request to end it was sent; no answer yet.
    Ending,
}

/// A request for a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeRequest {
    /// Topic filter.
    pub filter: String,
    /// The requested options.
    pub options: SubscriptionOptions,
    /// Identifier that the broker adds to every message of this subscription (5.0); never 0.
    pub identifier: Option<u32>,
}
