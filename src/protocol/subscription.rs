//! Subscriptions: what is asked for, and what the broker granted.

use crate::mqtt::packet::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use serde::Deserialize;
use serde::Serialize;

/// The subscriptions, and what became of the last wish about one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionsView {
    /// In the order they were added.
    pub list: Vec<Subscription>,
    /// How each of them is asked for.
    pub requests: Vec<SubscribeRequest>,
    /// What each of them brought.
    pub counts: Vec<MessageCount>,
    /// What the broker answered last, in words.
    pub answer: Option<String>,
}

/// How many messages a subscription brought since it is in the list, as far as
/// that can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCount {
    /// So many.
    pub messages: u64,
    /// What was counted.
    pub by: CountSource,
    /// There may be more: of some messages the topic isn't kept.
    pub is_least: bool,
}

/// What is counted for a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountSource {
    /// Messages on topics that its filter matches. Others may have brought some
    /// of them.
    #[default]
    Topic,
    /// Messages that came with its identifier, which no other has.
    Identifier,
}

/// One topic filter and the broker's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The topic filter.
    pub filter: String,
    /// What became of it.
    pub granted: SubscriptionStatus,
    /// Its colour, below [`Subscription::COLOURS`]; it keeps it.
    pub colour: u8,
}

impl Subscription {
    /// How many colours there are: `--subscription-0` and on.
    pub const COLOURS: u8 = 8;
}

/// The broker's answer to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionStatus {
    /// No answer yet.
    Asked,
    /// Granted with at most this quality of service.
    QoS(QoS),
    /// Refused, in words.
    Refused(String),
    /// It is to end; no answer yet.
    Ending,
}

/// A subscription that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeRequest {
    /// Topic filter.
    pub filter: String,
    /// How it is asked for.
    pub options: SubscriptionOptions,
    /// Comes back with every message it brings (5.0); never 0.
    pub identifier: Option<u32>,
}
