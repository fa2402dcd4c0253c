//! The options of a connection, and what the session is asked for: messages to publish and subscriptions.

use serde::{Deserialize, Serialize};

use crate::mqtt::codec::limits::Limits;
use crate::mqtt::packet::{QoS, SubscriptionOptions, UserProperties, Version, Will};
use crate::mqtt::topic::TopicFilter;

/// The number of topic aliases that a 5.0 server may use towards us, and that we use at most towards it. Each costs us
/// one topic name.
pub const TOPIC_ALIAS_MAXIMUM: u16 = 64;

/// Default for the number of unacknowledged QoS 1 and 2 messages towards us: all that the packet identifiers allow. A
/// smaller number would save nothing, because a message is lent on and only its identifier kept; and Mosquitto 2.0
/// exceeds a smaller number if it has a backlog, which ends the connection each time.
pub const RECEIVE_MAXIMUM: u16 = u16::MAX;

/// The options of a connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// `None` is "auto": 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier.
    pub client_id: String,
    /// User name; `None` sends none.
    pub user_name: Option<String>,
    /// Password; `None` sends none.
    pub password: Option<Vec<u8>>,
    /// Keep alive in seconds; 0 turns it off. A 5.0 server may set another.
    pub keep_alive_s: u16,
    /// Discards the session that the server keeps, at the first connect.
    pub clean_start: bool,
    /// How long the session outlives a connection, in seconds; 0 ends it with the connection. 3.1.1 has no such time,
    /// see `keep_session_in_v311`.
    pub session_expiry_s: u32,
    /// With a session expiry, lets a 3.1.1 server keep the session too, possibly without end.
    pub keep_session_in_v311: bool,
    /// The message that the server publishes if this client vanishes.
    pub will: Option<Will>,
    /// User properties of CONNECT (5.0).
    pub user_properties: UserProperties,
    /// Maximum number of unacknowledged QoS 1 and 2 messages towards us (5.0); never 0.
    pub receive_maximum: u16,
    /// Limits on what we accept.
    pub limits: Limits,
    /// Maximum number of unfinished messages of ours; more are refused.
    pub queue_messages: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: None,
            client_id: String::new(),
            user_name: None,
            password: None,
            keep_alive_s: 30,
            clean_start: true,
            session_expiry_s: 0,
            keep_session_in_v311: false,
            will: None,
            user_properties: Vec::new(),
            receive_maximum: RECEIVE_MAXIMUM,
            limits: Limits::default(),
            queue_messages: 10_000,
        }
    }
}

impl std::fmt::Debug for Options {
    /// Omits the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("keep_alive_s", &self.keep_alive_s)
            .finish_non_exhaustive()
    }
}

/// A message of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the server retains it.
    pub retain: bool,
    /// Encoded properties, as [`encode_properties`](crate::mqtt::codec::publish::encode_properties) makes
    /// them; not sent in 3.1.1.
    pub properties: Vec<u8>,
}

/// A requested subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The topic filter.
    pub filter: TopicFilter,
    /// The options.
    pub options: SubscriptionOptions,
    /// Identifier that the server adds to every matching message (5.0); not sent to a server that doesn't support any.
    pub identifier: Option<u32>,
}
