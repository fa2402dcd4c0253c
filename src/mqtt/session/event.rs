//! What the session reports: to its driver ([`Transmit`]), to its user ([`Event`]), and messages as they arrive
//! ([`MessageSink`]).

use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{EncodeError, Failure};
use crate::mqtt::packet::{Publish, QoS, ReasonCode, Version};
use crate::mqtt::session::options::Subscription;
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::mqtt::topic::TopicError;
use crate::time::Instant;

/// Identifies a publish until its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(super) u64);

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// QoS 0: handed to an open transport. QoS 1 and 2: acknowledged completely by the server.
    Done,
    /// The server refused it.
    Refused(ReasonCode),
    /// It can't be sent to this server.
    Unsendable(EncodeError),
    /// It was sent, no acknowledgement arrived, and it can't be sent again: the server lost the session (at QoS 2 it
    /// could arrive twice), or accepts less than it did before.
    Unknown,
    /// The server ended the connection each time it was sent, so it isn't sent again.
    EndsConnection {
        /// Size of its payload, in bytes.
        payload_bytes: usize,
    },
    /// The user dropped it, or ended its session.
    Dropped,
}

/// Why a publish was refused at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Its properties contain a topic alias.
    #[error("topic aliases are assigned automatically; remove the topic alias")]
    TopicAlias,
    /// There are too many unfinished messages.
    #[error("{limit} messages are already waiting; try again once some are sent")]
    QueueFull {
        /// [`Options::queue_messages`](crate::mqtt::session::options::Options::queue_messages).
        limit: usize,
    },
}

/// The next action of the driver on the transport.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit<'a> {
    /// Open a new transport, then call `handle_open` or `handle_close`.
    Dial,
    /// Send these bytes: one or more whole packets.
    Send(&'a [u8]),
    /// Close the transport and forget it.
    HangUp,
}

/// An event for the user of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt starts: the driver is asked for a transport.
    Dialing {
        /// The version that CONNECT will use.
        version: Version,
    },
    /// The server accepted the connection.
    Connected {
        /// The version in use.
        version: Version,
        /// "Auto" tried 5.0 first and fell back.
        fell_back: bool,
        /// The server still had our session.
        session_present: bool,
        /// The server's capabilities, from CONNACK.
        server: Box<ServerCapabilities>,
    },
    /// The server answered a subscription.
    Subscribed {
        /// The filter as it was requested.
        filter: String,
        /// The granted quality of service, or the reason for the refusal.
        granted: Result<QoS, ReasonCode>,
    },
    /// The server ended the connection each time this was requested, so it isn't requested again.
    FilterAbandoned {
        /// The filter.
        filter: String,
        /// Whether it was a SUBSCRIBE; otherwise an UNSUBSCRIBE.
        is_subscribe: bool,
    },
    /// The server broke a rule, which is tolerated; reported once per connection and rule.
    Deviated {
        /// The rule.
        deviation: Deviation,
        /// The topic of the message, if it is about one.
        topic: Option<String>,
    },
    /// A message was skipped because it is larger than
    /// [`packet_bytes`](crate::mqtt::codec::limits::Limits::packet_bytes), a limit that can't be stated to a
    /// 3.1.1 server.
    Skipped {
        /// Its topic.
        topic: String,
        /// Size of the whole packet.
        packet_bytes: usize,
    },
    /// The server hasn't answered a request for a long time; reported once per connection.
    Unanswered {
        /// The request.
        suspect: Suspect,
    },
    /// The server answered the end of a subscription.
    Unsubscribed {
        /// The filter.
        filter: String,
        /// Why the subscription continues, if it does.
        refused: Option<ReasonCode>,
    },
    /// A publish ended.
    Published {
        /// The publish.
        token: Token,
        /// Its outcome.
        outcome: DeliveryOutcome,
    },
    /// The connection failed or was lost.
    Disconnected {
        /// The reason.
        failure: Box<Failure>,
        /// When the next attempt starts; `None`: only after the user acts.
        retry_at: Option<Instant>,
        /// What it has in common with earlier failures.
        recurrence: Recurrence,
    },
}

/// What a failure has in common with earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recurrence {
    /// How often it has occurred in the same way, including this time.
    pub times: u32,
    /// The request sent right before it, without an answer.
    pub suspect: Option<Suspect>,
}

/// A request that may be the reason why a server ends connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A message of ours with QoS 1 or 2.
    Message {
        /// The message.
        token: Token,
        /// Its topic.
        topic: String,
        /// Size of its payload, in bytes.
        payload_bytes: usize,
        /// The server keeps the session, so the message has to be sent again `[MQTT-4.4.0-1]`: only the user may drop
        /// it.
        must_be_resent: bool,
    },
    /// A QoS 0 message.
    Qos0Message {
        /// Its topic.
        topic: String,
        /// Size of its payload, in bytes.
        payload_bytes: usize,
    },
    /// SUBSCRIBE with these filters.
    Subscribe(Vec<String>),
    /// UNSUBSCRIBE with this filter.
    Unsubscribe(String),
}

/// What happens to the session after DISCONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisconnectMode {
    /// The server discards it. In 3.1.1 this was decided in CONNECT.
    EndSession,
    /// The server keeps it as long as agreed.
    KeepSession,
}

impl Event {
    pub(super) fn subscribed(subscription: &Subscription, granted: Result<QoS, ReasonCode>) -> Self {
        Self::Subscribed { filter: subscription.filter.as_str().to_owned(), granted }
    }
}

/// Receives incoming messages as they are decoded.
pub trait MessageSink {
    /// Handles a message, with its topic alias resolved. It is borrowed: the receiver copies what it keeps.
    fn on_message(&mut self, message: &Publish<'_>, now: Instant);

    /// Handles a whole packet of any type, before the session does.
    fn on_packet(&mut self, _packet: &[u8], _now: Instant) {}

    /// The last packet broke a rule, which is tolerated.
    fn on_deviation(&mut self, _deviation: Deviation) {}
}
