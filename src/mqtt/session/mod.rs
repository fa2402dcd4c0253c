//! The client's side of MQTT as a state machine without IO: every transition of both versions is in this file.
//!
//! # How a driver uses it
//!
//! The driver owns the transport (a WebSocket, a TCP stream) and the clock. It passes every event in, with the time:
//! [`Session::handle_open`], [`Session::handle_input`], [`Session::handle_close`], [`Session::handle_timeout`], or a
//! request of its user ([`Session::connect`], [`Session::subscribe`], [`Session::publish`] …). After each of these it
//! drains [`Session::poll_transmit`], then [`Session::poll_event`], and sets one timer for [`Session::poll_timeout`].
//!
//! # Invariants
//!
//! - Messages are lent to a [`MessageSink`] as they are decoded and never queued here: the hot path copies nothing.
//! - After [`Transmit::HangUp`] the driver forgets that transport and makes no further calls about it. At most one
//!   transport exists at a time.
//! - A publish ends in exactly one [`Event::Published`], and is [`DeliveryOutcome::Done`] only if its last
//!   acknowledgement arrived.
//! - Everything that can grow has a limit: the incomplete packet by [`Limits::packet_bytes`], topic aliases by
//!   [`TOPIC_ALIAS_MAXIMUM`], incoming QoS 2 identifiers by the Receive Maximum, outgoing messages by
//!   [`Options::queue_messages`].

pub mod outstanding;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::{self, Limits, Oversized};
use super::deviation::Deviation;
use super::error::{CloseInfo, EncodeError, Failure, Stage, Violation};
use super::failure_history::{ANSWER_TIMEOUT, Cause, FailureHistory, OFFERS_MAX, RECURRENT, STEADY};
use super::packet::{
    Ack, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Incoming, Outgoing, PacketId, Publish,
    QoS, ReasonCode, Refusal, SubAck, SubscriptionOptions, UserProperties, Version, Will,
};
use super::packet_id::PacketIdSet;
use super::reconnect::{self, BackOff, Retry};
use super::topic::{TopicError, TopicFilter, TopicName};
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::{Property, PublishCache, Tolerated};
use crate::mqtt::session::outstanding::{Outstanding, Request};
use crate::time::Instant;

/// Time limit for the transport to open, and for CONNACK. Long enough for TLS over a slow link, short enough for a
/// person who waits.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of topic aliases that a 5.0 server may use towards us, and that we use at most towards it. Each costs us
/// one topic name.
pub const TOPIC_ALIAS_MAXIMUM: u16 = 64;

/// Maximum number of unacknowledged QoS 1 and 2 messages of ours towards a 3.1.1 server, which can't state its limit.
/// Mosquitto takes 20 (`max_inflight_messages`) and answers a QoS 2 message beyond them with a PUBREC that means "quota
/// exceeded" in 5.0 and "accepted" in 3.1.1; its own clients stop at 20 too.
pub const IN_FLIGHT_V311: u16 = 20;

/// Default for the number of unacknowledged QoS 1 and 2 messages towards us: all that the packet identifiers allow. A
/// smaller number would save nothing, because a message is lent on and only its identifier kept; and Mosquitto 2.0
/// exceeds a smaller number if it has a backlog, which ends the connection each time.
pub const RECEIVE_MAXIMUM: u16 = u16::MAX;

/// Maximum number of filters per SUBSCRIBE. MQTT has no limit; AWS IoT, for example, accepts eight and closes the
/// connection on more.
pub const FILTERS_MAX: usize = 8;

/// Time limit for an answer on a connection that may be dead, after sleep or after a change of the network. Longer than
/// any round trip.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The capacity kept for incomplete packets: as much as a transport delivers at once.
const TAIL_KEPT_BYTES: usize = 64 * 1024;

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
    /// see `lasts_in_v311`.
    pub session_expiry_s: u32,
    /// With a session expiry, lets a 3.1.1 server keep the session too, possibly without end.
    pub lasts_in_v311: bool,
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
            lasts_in_v311: false,
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
    /// Encoded properties, as [`crate::mqtt::codec::publish::encode_properties`] makes them;
    /// not sent in 3.1.1.
    pub properties: Vec<u8>,
}

/// Identifies a publish until its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// The outcome of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// QoS 0: handed to an open transport. QoS 1 and 2: acknowledged completely by the server.
    Done,
    /// The server refused it.
    Refused(ReasonCode),
    /// It can't be sent to this server.
    Impossible(EncodeError),
    /// It was sent, no acknowledgement arrived, and it can't be sent again: the server lost the session (at QoS 2 it
    /// could arrive twice), or accepts less than it did before.
    Unknown,
    /// The server ended the connection each time it was sent, so it isn't sent again.
    EndsConnection {
        /// Size of its payload, in bytes.
        payload_bytes: usize,
    },
    /// A person dropped it, or its session.
    Dropped,
}

/// Why a publish was refused at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic name is invalid.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Its properties contain a topic alias.
    #[error("topic aliases are given by the session, as far as the broker takes them; leave it out")]
    TopicAlias,
    /// There are too many unfinished messages.
    #[error("{limit} messages are waiting to be sent; wait until some are done")]
    QueueFull {
        /// [`Options::queue_messages`].
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
    /// A message was skipped because it is larger than [`Limits::packet_bytes`], a limit that can't be stated to a
    /// server in 3.1.1.
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
    Lost {
        /// The reason.
        failure: Box<Failure>,
        /// When the next attempt starts; `None`: only after a person acts.
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
        /// The server keeps the session, so the message has to be sent again `[MQTT-4.4.0-1]`: only a person may drop
        /// it.
        must_be_offered: bool,
    },
    /// A QoS 0 message.
    Unanswerable {
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

/// The part of a session that has to be stored if it is to outlive the program: a client's session state by MQTT,
/// including its own messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    client_id: String,
    /// The version that the server has accepted; before that there is no session.
    version: Option<Version>,
    received: Vec<PacketId>,
    in_flight: Vec<(PacketId, bool, Message)>,
    /// Identifiers of messages that a person dropped, which the server may still use.
    dropped: Vec<PacketId>,
    queue: Vec<Message>,
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
    fn subscribed(subscription: &Subscription, granted: Result<QoS, ReasonCode>) -> Self {
        Self::Subscribed { filter: subscription.filter.as_str().to_owned(), granted }
    }
}

/// Receives incoming messages as they are decoded.
pub trait MessageSink {
    /// Handles a message, with its topic alias resolved. It is borrowed: the receiver copies what it keeps.
    fn message(&mut self, message: &Publish<'_>, now: Instant);

    /// Handles a whole packet of any type, before the session does.
    fn packet(&mut self, _packet: &[u8], _now: Instant) {}

    /// The last packet broke a rule, which is tolerated.
    fn deviated(&mut self, _deviation: Deviation) {}
}

/// The phase of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No connection is requested.
    Idle,
    /// The driver opens a transport.
    Dialing { deadline: Instant },
    /// CONNECT was sent.
    Greeting { deadline: Instant },
    /// CONNACK accepted the connection.
    Online { since: Instant },
    /// Waiting for the next attempt.
    Waiting { until: Instant },
    /// Failed permanently.
    Stopped,
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

#[derive(Clone, Debug)]
struct DesiredSubscription {
    subscription: Subscription,
    /// Sent on this connection, or part of a session that the server kept.
    sent: bool,
}

/// One of our messages with a packet identifier.
#[derive(Clone, Debug)]
struct InFlight {
    token: Token,
    id: PacketId,
    message: Message,
    /// PUBREC arrived: from here on only PUBREL is sent, never PUBLISH `[MQTT-4.3.3-6]`.
    released: bool,
    /// Its PUBLISH was sent on this connection and counts against the server's quota.
    counted: bool,
}

/// The server's capabilities from CONNACK; the standard's defaults for anything that it doesn't state. 3.1.1 states
/// nothing, and forbids nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCapabilities {
    /// Largest packet that it accepts, in bytes.
    pub packet_bytes: u32,
    /// Highest QoS that it allows us to publish with.
    pub qos_maximum: QoS,
    /// Whether it supports retained messages.
    pub retain_available: bool,
    /// Whether it supports filters with wildcards.
    pub wildcard_available: bool,
    /// Whether it supports subscription identifiers.
    pub subscription_identifiers_available: bool,
    /// Whether it supports `$share/…`.
    pub shared_available: bool,
    /// Maximum number of our unacknowledged QoS 1 and 2 messages.
    pub receive_maximum: u16,
    /// Highest topic alias we may use; 0 forbids them.
    pub topic_alias_maximum: u16,
    /// The keep alive in force, in seconds.
    pub keep_alive_s: u16,
    /// How long the session outlives this connection, in seconds.
    pub session_expiry_s: u32,
    /// The client identifier in force.
    pub client_id: String,
    /// Basis for response topics.
    pub response_information: Option<String>,
    /// Its reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

/// The state machine; see the module.
#[derive(Debug)]
pub struct Session {
    options: Options,
    back_off: BackOff,
    phase: Phase,

    /// The version of this attempt.
    version: Version,
    /// A version that this server has accepted; "auto" stays with it.
    accepted_version: Option<Version>,
    /// A connection was made before, so the server may have our session.
    established: bool,
    /// Clean start as sent in this attempt's CONNECT.
    clean_start: bool,
    /// A 3.1.1 server has discarded the session of an earlier run.
    stale_session_cleared: bool,

    dial: bool,
    history: FailureHistory,
    outstanding: Outstanding,
    /// Requests are sent one at a time; the answer to the current one is awaited until then.
    one_at_a_time_until: Option<Instant>,
    /// The server had our session at the last CONNACK.
    is_resumed: bool,
    /// Deviations of the server that were reported on this connection.
    told: Vec<Deviation>,
    /// An oversized message of 3.1.1, and the number of its bytes that are still to come.
    skipping: Option<(Oversized, usize)>,
    /// If there is no input until then, the connection is dead.
    probe_until: Option<Instant>,

    /// [`Transmit::HangUp`] is pending: until the driver polls it, its events are about the old transport.
    hang_up: bool,
    out: Vec<u8>,
    sending: Vec<u8>,
    events: VecDeque<Event>,

    /// The start of an incomplete packet.
    tail: Vec<u8>,
    /// Decoding cache of the previous message.
    known: PublishCache,
    /// Topics by the alias that the server assigned.
    aliases: Vec<Option<String>>,
    /// Topics with an alias towards the server; the first has 1.
    aliases_out: Vec<String>,
    /// QoS 2 messages that were delivered and that the server hasn't released yet.
    received: PacketIdSet,
    /// The number of them from earlier connections, which don't count against this one's quota.
    received_before: usize,

    server: ServerCapabilities,
    last_sent: Instant,
    last_received: Instant,
    ping_sent: Option<Instant>,

    wanted: Vec<DesiredSubscription>,
    /// Filters to unsubscribe, because the server may still have them.
    unwanted: Vec<String>,
    subscribing: Vec<(PacketId, Vec<String>)>,
    unsubscribing: Vec<(PacketId, String)>,
    ids: PacketIdSet,

    next_token: u64,
    /// QoS 1 and 2 messages before this one were sent, on any connection.
    unsent_from: Token,
    queue: VecDeque<(Token, Message)>,
    /// In the order of sending `[MQTT-4.6.0-1]`.
    in_flight: VecDeque<InFlight>,
    /// Identifiers of dropped messages that the server may still use, and whether its quota counts them.
    dropped: Vec<(PacketId, bool)>,
    /// Messages to send again on this connection, in order.
    resend: VecDeque<PacketId>,
    /// The number of QoS 1 and 2 messages that the server accepts now.
    quota: u16,

    /// The result of [`Session::saved`] has changed.
    unsaved: bool,
}

impl Session {
    /// Creates an idle session. Equal seeds give equal waits.
    pub fn new(options: Options, seed: u64) -> Self {
        let version = options.version.unwrap_or(Version::V5);
        Self {
            back_off: BackOff::new(seed),
            phase: Phase::Idle,
            version,
            accepted_version: None,
            established: false,
            clean_start: options.clean_start,
            stale_session_cleared: false,
            history: FailureHistory::default(),
            outstanding: Outstanding::default(),
            one_at_a_time_until: None,
            is_resumed: false,
            told: Vec::new(),
            skipping: None,
            probe_until: None,
            dial: false,
            hang_up: false,
            out: Vec::new(),
            sending: Vec::new(),
            events: VecDeque::new(),
            tail: Vec::new(),
            known: PublishCache::default(),
            aliases: Vec::new(),
            aliases_out: Vec::new(),
            received: PacketIdSet::default(),
            received_before: 0,
            server: ServerCapabilities::unknown(&options),
            last_sent: Instant::EPOCH,
            last_received: Instant::EPOCH,
            ping_sent: None,
            wanted: Vec::new(),
            unwanted: Vec::new(),
            subscribing: Vec::new(),
            unsubscribing: Vec::new(),
            ids: PacketIdSet::default(),
            next_token: 0,
            unsent_from: Token(0),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            dropped: Vec::new(),
            resend: VecDeque::new(),
            quota: 0,
            unsaved: false,
            options,
        }
    }

    // ---- requests of the user -----------------------------------------------

    /// Connects, or ends the wait for the next attempt. Does nothing if a connection exists or is being made.
    pub fn connect(&mut self, now: Instant) {
        if let Phase::Idle | Phase::Waiting { .. } | Phase::Stopped = self.phase {
            self.version = self.options.version.or(self.accepted_version).unwrap_or(Version::V5);
            self.start_dialing(now);
        }
    }

    /// Ends a wait for the next attempt.
    pub fn wake(&mut self, now: Instant) {
        if let Phase::Waiting { .. } = self.phase {
            self.connect(now);
        }
    }

    /// Checks a connection that may have died silently, because the computer slept or the network changed: sends a ping
    /// and waits [`PROBE_TIMEOUT`] for the answer.
    pub fn probe(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Online { .. }) || self.probe_until.is_some() {
            return;
        }
        self.probe_until = Some(now + PROBE_TIMEOUT);
        self.send_required(&Outgoing::PingReq, now);
    }

    /// Drops this message of ours at the request of a person: it isn't sent again, and a wait for the next attempt
    /// ends.
    pub fn drop_message(&mut self, token: Token, now: Instant) {
        self.queue.retain(|(queued, _)| *queued != token);
        // Its packet identifier stays in use, because the server may know it.
        if let Some(place) = self.in_flight.iter().position(|sent| sent.token == token)
            && let Some(sent) = self.in_flight.remove(place)
        {
            self.outstanding.remove(Request::Publish(sent.id));
            self.outstanding.remove(Request::Release(sent.id));
            self.dropped.push((sent.id, sent.counted));
        }
        self.finish(token, DeliveryOutcome::Dropped);
        self.one_at_a_time_until = None;
        self.send_waiting(now);
        self.go_on(now);
    }

    /// Ends the session that the server keeps, together with this message of ours, at the request of a person. The next
    /// connection starts a new session.
    pub fn end_session(&mut self, token: Token, now: Instant) {
        self.options.clean_start = true;
        self.established = false;
        self.stale_session_cleared = false;
        self.disconnect(DisconnectMode::EndSession);
        self.drop_message(token, now);
        self.connect(now);
    }

    /// Connects again after the cause of failed or slowed attempts is gone.
    fn go_on(&mut self, now: Instant) {
        self.back_off.reset();
        if let Phase::Waiting { .. } | Phase::Stopped = self.phase {
            self.connect(now);
        }
    }

    /// Ends a publish.
    fn finish(&mut self, token: Token, outcome: DeliveryOutcome) {
        self.history.forget(&Cause::Message(token.0));
        self.unsaved = true;
        self.events.push_back(Event::Published { token, outcome });
    }

    /// Resets the back-off, because this connection works: the next wait is as after a first failure.
    pub fn reset_back_off(&mut self) {
        self.back_off.reset();
    }

    /// Sends DISCONNECT and doesn't reconnect.
    pub fn disconnect(&mut self, parting: DisconnectMode) {
        if let Phase::Online { .. } = self.phase {
            let mut goodbye = Disconnect::new(ReasonCode::SUCCESS);
            if parting == DisconnectMode::EndSession && self.server.session_expiry_s > 0 {
                goodbye.session_expiry_s = Some(0);
            }
            self.send_disconnect(&goodbye);
        }
        self.drop_transport();
        self.phase = Phase::Idle;
    }

    /// Disconnects and starts over with other settings, idle: with a new session, or with one that an earlier run
    /// saved. Unfinished publishes get no outcome.
    pub fn replace(&mut self, options: Options, seed: u64, saved: Option<SessionSnapshot>) {
        self.disconnect(DisconnectMode::EndSession);
        let parting = (std::mem::take(&mut self.out), self.hang_up);
        *self = match saved {
            Some(saved) => Self::restore(options, seed, saved).0,
            None => Self::new(options, seed),
        };
        (self.out, self.hang_up) = parting;
    }

    /// Sets the password for CONNECT from the next attempt on.
    pub fn set_password(&mut self, password: Vec<u8>) {
        self.options.password = Some(password);
    }

    /// Subscribes, now and on every later connection. Repeating a filter replaces the options `[MQTT-3.8.4-3]`.
    pub fn subscribe(&mut self, subscription: Subscription, now: Instant) {
        self.wanted.retain(|wanted| wanted.subscription.filter != subscription.filter);
        self.unwanted.retain(|filter| *filter != subscription.filter.as_str());
        self.history.forget(&Cause::Subscribe(subscription.filter.as_str().to_owned()));
        self.history.forget(&Cause::Unsubscribe(subscription.filter.as_str().to_owned()));
        self.wanted.push(DesiredSubscription { subscription, sent: false });
        self.send_waiting(now);
    }

    /// Unsubscribes: now, or once connected to a server that kept the session.
    pub fn unsubscribe(&mut self, filter: &TopicFilter, now: Instant) {
        let before = self.wanted.len();
        self.wanted.retain(|wanted| wanted.subscription.filter != *filter);
        if self.wanted.len() == before {
            return;
        }
        self.history.forget(&Cause::Subscribe(filter.as_str().to_owned()));
        self.unwanted.push(filter.as_str().to_owned());
        self.send_waiting(now);
    }

    /// Publishes a message, at once or as soon as the connection and the server's Receive Maximum allow it.
    pub fn publish(&mut self, message: Message, now: Instant) -> Result<Token, PublishError> {
        TopicName::parse(&message.topic)?;
        if publish::properties(&message.properties).any(|property| matches!(property, Property::TopicAlias(_))) {
            return Err(PublishError::TopicAlias);
        }
        if self.unfinished() >= self.options.queue_messages {
            return Err(PublishError::QueueFull { limit: self.options.queue_messages });
        }
        let token = self.next_token();
        self.queue.push_back((token, message));
        self.unsaved = true;
        self.send_waiting(now);
        Ok(token)
    }

    /// Restores a session saved by an earlier run, idle, and returns the tokens of its unfinished messages in their
    /// order. The first connect asks the server for its part of the session.
    pub fn restore(options: Options, seed: u64, saved: SessionSnapshot) -> (Self, Vec<Token>) {
        let mut session = Self::new(options, seed);
        session.options.client_id = saved.client_id;
        session.version = session.options.version.or(saved.version).unwrap_or(Version::V5);
        session.accepted_version = saved.version;
        session.established = saved.version.is_some();
        for id in saved.received {
            session.received.insert(id);
        }
        for (id, released, message) in saved.in_flight {
            let token = session.next_token();
            session.ids.insert(id);
            session.in_flight.push_back(InFlight { token, id, message, released, counted: false });
        }
        for id in saved.dropped {
            session.ids.insert(id);
            session.dropped.push((id, false));
        }
        session.unsent_from = Token(session.next_token);
        for message in saved.queue {
            let token = session.next_token();
            session.queue.push_back((token, message));
        }
        let sent = session.in_flight.iter().map(|sent| sent.token);
        let tokens = sent.chain(session.queue.iter().map(|(token, _)| *token));
        let tokens = tokens.collect();
        (session, tokens)
    }

    /// Returns what must outlive the program for a persistent session to keep its guarantees.
    pub fn saved(&self) -> SessionSnapshot {
        let in_flight = self.in_flight.iter().map(|sent| (sent.id, sent.released, sent.message.clone()));
        SessionSnapshot {
            client_id: self.options.client_id.clone(),
            version: self.accepted_version,
            received: self.received.iter().collect(),
            in_flight: in_flight.collect(),
            dropped: self.dropped.iter().map(|(id, _)| *id).collect(),
            queue: self.queue.iter().map(|(_, message)| message.clone()).collect(),
        }
    }

    /// Whether [`Session::saved`] has changed since [`Session::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        self.unsaved
    }

    /// Whether [`Session::saved`] has changed since the last call. For exactly-once delivery across a crash, save
    /// before the next `poll_transmit`.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.unsaved)
    }

    fn next_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// The number of our messages without an outcome yet.
    pub fn unfinished(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }

    // ---- events of the transport --------------------------------------------

    /// The transport is open: sends CONNECT.
    pub fn handle_open(&mut self, now: Instant) {
        let (Phase::Dialing { .. }, false) = (self.phase, self.hang_up) else { return };
        self.phase = Phase::Greeting { deadline: now + CONNECT_TIMEOUT };
        self.forget_connection();
        self.server = ServerCapabilities::unknown(&self.options);

        let lasting = self.is_lasting();
        self.clean_start = match self.version {
            Version::V5 => !(lasting && self.established) && self.options.clean_start,
            Version::V311 => !lasting || self.is_clearing_stale_session(),
        };
        let properties = ConnectProperties {
            session_expiry_s: lasting.then_some(self.options.session_expiry_s),
            receive_maximum: Some(self.options.receive_maximum),
            packet_size_maximum_bytes: Some(self.options.limits.packet_bytes),
            topic_alias_maximum: Some(TOPIC_ALIAS_MAXIMUM),
            user_properties: self.options.user_properties.clone(),
            ..ConnectProperties::default()
        };
        let connect = Connect {
            client_id: &self.options.client_id,
            clean_start: self.clean_start,
            keep_alive_s: self.options.keep_alive_s,
            user_name: self.options.user_name.as_deref(),
            password: self.options.password.as_deref(),
            will: self.options.will.as_ref(),
            properties,
        };
        let sent = codec::encode(&Outgoing::Connect(&connect), self.version, u32::MAX, &mut self.out);
        self.last_sent = now;
        if let Err(error) = sent {
            self.fail(Failure::CannotSend(error), now);
        }
    }

    /// Handles input, which need not be whole packets. Messages in it are lent to `inbox`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        if !self.is_transport_open() {
            return;
        }
        self.last_received = now;
        self.ping_sent = None;
        self.probe_until = None;
        let bytes = if self.skipping.is_some() { self.skip(bytes, now) } else { bytes };
        if self.tail.is_empty() {
            let used = self.consume(bytes, now, inbox);
            self.tail.extend_from_slice(&bytes[used..]);
        } else {
            let mut tail = std::mem::take(&mut self.tail);
            tail.extend_from_slice(bytes);
            let used = self.consume(&tail, now, inbox);
            tail.drain(..used);
            // The capacity for a large packet isn't kept for the small ones after it; but it is kept while the packet
            // is incomplete, because otherwise each part would move everything before it.
            if tail.len() <= TAIL_KEPT_BYTES {
                tail.shrink_to(TAIL_KEPT_BYTES);
            }
            self.tail = tail;
        }
    }

    /// The transport failed to open, or closed.
    pub fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        if let (Some(stage), false) = (self.stage(), self.hang_up) {
            self.fail(Failure::Closed { stage, closed }, now);
        }
        // There is no transport left to send to or to close.
        self.out.clear();
        self.hang_up = false;
    }

    /// Handles a violation of the transport itself, such as a WebSocket text frame `[MQTT-6.0.0-1]`.
    pub fn handle_violation(&mut self, violation: Violation, now: Instant) {
        if self.stage().is_some() && !self.hang_up {
            self.fail_with_violation(violation, now);
        }
    }

    /// Handles the timeout of [`Session::poll_timeout`]. Calling it too early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Idle | Phase::Stopped => {}
            Phase::Waiting { .. } => self.connect(now),
            Phase::Dialing { .. } => self.fail(Failure::Silent(Stage::Dialing), now),
            Phase::Greeting { .. } => self.fail(Failure::Silent(Stage::Greeting), now),
            Phase::Online { .. } => self.handle_online_timeout(now),
        }
    }

    fn handle_online_timeout(&mut self, now: Instant) {
        if self.probe_until.is_some_and(|until| until <= now) {
            return self.fail(Failure::Silent(Stage::Online), now);
        }
        if self.keep_alive_timeout().is_some_and(|due| due <= now) {
            if self.ping_sent.is_some() {
                return self.fail(Failure::Silent(Stage::Online), now);
            }
            self.send_required(&Outgoing::PingReq, now);
            self.ping_sent = Some(now);
        }
        if let Some(suspect) = self.outstanding.take_overdue(now).and_then(|request| self.suspect_of(request)) {
            self.events.push_back(Event::Unanswered { suspect });
        }
        if self.one_at_a_time_until.is_some_and(|until| until <= now) {
            self.one_at_a_time_until = None;
            self.send_waiting(now);
        }
    }

    // ---- actions of the driver ----------------------------------------------

    /// Returns the next action on the transport.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if !self.out.is_empty() {
            self.sending.clear();
            std::mem::swap(&mut self.out, &mut self.sending);
            return Some(Transmit::Send(&self.sending));
        }
        if std::mem::take(&mut self.hang_up) {
            return Some(Transmit::HangUp);
        }
        std::mem::take(&mut self.dial).then_some(Transmit::Dial)
    }

    /// Returns the next event.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle | Phase::Stopped => None,
            Phase::Dialing { deadline } | Phase::Greeting { deadline } => Some(deadline),
            Phase::Waiting { until } => Some(until),
            Phase::Online { .. } => {
                let due = [
                    self.keep_alive_timeout(),
                    self.probe_until,
                    self.outstanding.poll_timeout(),
                    self.one_at_a_time_until,
                ];
                due.into_iter().flatten().min()
            }
        }
    }

    /// Sends a ping after three quarters of a keep alive in which either side was silent, and waits half of one for the
    /// answer: a dead connection is detected within 1.25 keep alives.
    fn keep_alive_timeout(&self) -> Option<Instant> {
        let keep_alive = Duration::from_secs(u64::from(self.server.keep_alive_s));
        if keep_alive.is_zero() {
            return None;
        }
        Some(match self.ping_sent {
            Some(sent) => sent + keep_alive / 2,
            None => self.last_sent.min(self.last_received) + keep_alive * 3 / 4,
        })
    }

    // ---- packets ------------------------------------------------------------

    /// Handles the whole packets at the start of `input`; returns their length.
    fn consume(&mut self, input: &[u8], now: Instant, inbox: &mut impl MessageSink) -> usize {
        let mut known = std::mem::take(&mut self.known);
        let used = self.consume_after(&mut known, input, now, inbox);
        self.known = known;
        used
    }

    fn consume_after(
        &mut self,
        known: &mut PublishCache,
        input: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) -> usize {
        let mut rest = input;
        while self.is_transport_open() {
            let packet = match codec::frame(rest, &self.options.limits) {
                Ok(Some(packet_bytes)) => rest.split_at_checked(packet_bytes),
                Ok(None) => None,
                Err(violation) => match self.skips(rest, &violation) {
                    Some(true) => {
                        rest = self.skip(rest, now);
                        continue;
                    }
                    Some(false) => None,
                    None => {
                        self.fail_with_violation(violation, now);
                        break;
                    }
                },
            };
            let Some((packet, after)) = packet else { return input.len() - rest.len() };
            rest = after;
            inbox.packet(packet, now);
            if !codec::is_publish(packet) || !matches!(self.phase, Phase::Online { .. }) {
                self.handle_packet(packet, now, inbox);
                continue;
            }
            match codec::decode_publish(packet, self.version, &self.options.limits, known) {
                Ok(publish) => self.handle_publish(publish, packet, now, inbox),
                Err(violation) => self.handle_faulty_publish(violation, packet, now, inbox),
            }
        }
        // The connection ended in between, so the rest is discarded.
        input.len()
    }

    /// Whether a packet that is refused by its length is skipped, because 3.1.1 can't state our limit to a server.
    /// `Some(false)` while its topic is incomplete.
    #[cold]
    fn skips(&mut self, input: &[u8], violation: &Violation) -> Option<bool> {
        let is_message = self.version == Version::V311
            && matches!(self.phase, Phase::Online { .. })
            && violation.reason == ReasonCode::PACKET_TOO_LARGE
            && codec::is_publish(input)
            && input[0] & 0b110 != 0b110;
        if !is_message {
            return None;
        }
        // The topic and the fixed header are much shorter than an oversized packet.
        let oversized = codec::oversized_publish(input);
        let Some(oversized) = oversized else { return (input.len() < TAIL_KEPT_BYTES * 2).then_some(false) };
        self.skipping = Some((oversized.clone(), oversized.packet_bytes));
        Some(true)
    }

    /// Removes the bytes of the skipped message from the input.
    #[cold]
    fn skip<'a>(&mut self, input: &'a [u8], now: Instant) -> &'a [u8] {
        let Some((oversized, missing)) = self.skipping.take() else { return input };
        let skipped = input.len().min(missing);
        if skipped < missing {
            self.skipping = Some((oversized, missing - skipped));
            return &[];
        }
        // It is acknowledged, because otherwise a server that keeps the session would send it again and again.
        self.acknowledge(oversized.acknowledgement, now);
        let Oversized { topic, packet_bytes, .. } = oversized;
        self.events.push_back(Event::Skipped { topic, packet_bytes });
        &input[skipped..]
    }

    fn acknowledge(&mut self, acknowledgement: Option<(QoS, PacketId)>, now: Instant) {
        match acknowledgement {
            Some((QoS::ExactlyOnce, id)) => self.send_required(&Outgoing::PubRec(id, ReasonCode::SUCCESS), now),
            Some((_, id)) => self.send_required(&Outgoing::PubAck(id, ReasonCode::SUCCESS), now),
            None => {}
        }
    }

    /// Handles a message that breaks a rule: tolerated if the table of [`deviation`](super::deviation) says so.
    #[cold]
    fn handle_faulty_publish(
        &mut self,
        mut violation: Violation,
        packet: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) {
        let topic = publish::topic_in_words(packet);
        let tolerated = match self.version {
            Version::V5 => publish::decode_tolerable(packet),
            Version::V311 => None,
        };
        let Some((tolerated, deviation)) = tolerated else {
            if let Some(topic) = topic {
                violation.words.push_str(&format!(" The topic is “{topic}”."));
            }
            return self.fail_with_violation(violation, now);
        };
        inbox.deviated(deviation);
        self.report_deviation(deviation, topic);
        match tolerated {
            Tolerated::Kept(publish) => self.handle_any_publish(publish, packet, now, inbox),
            Tolerated::Skipped(acknowledgement) => self.acknowledge(acknowledgement, now),
        }
    }

    fn report_deviation(&mut self, deviation: Deviation, topic: Option<String>) {
        if !self.told.contains(&deviation) {
            self.told.push(deviation);
            self.events.push_back(Event::Deviated { deviation, topic });
        }
    }

    /// Handles any packet but a message.
    #[inline(never)]
    fn handle_packet(&mut self, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        if codec::is_publish(packet) {
            return self.out_of_order(packet, now);
        }
        match codec::decode_other(packet, self.version, &self.options.limits) {
            Ok(decoded) => self.handle_decoded(decoded, packet, now, inbox),
            Err(violation) => self.handle_faulty_packet(violation, packet, now, inbox),
        }
    }

    /// Handles a packet other than a message that breaks a rule: tolerated if the table of
    /// [`deviation`](super::deviation) says so.
    #[cold]
    fn handle_faulty_packet(
        &mut self,
        violation: Violation,
        packet: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) {
        let is_v5 = self.version == Version::V5;
        if is_v5 && matches!(self.phase, Phase::Online { .. }) && self.handle_old_form(packet, now, inbox) {
            return;
        }
        match self.phase {
            Phase::Greeting { .. } if is_v5 && !self.may_go_back() => {
                match codec::decode_tolerable_connack(packet, &self.options.limits) {
                    Some((ack, deviation)) => {
                        self.handle_connack(ack, packet, now);
                        if self.is_transport_open() {
                            inbox.deviated(deviation);
                            self.report_deviation(deviation, None);
                        }
                    }
                    None => self.fail_with_violation(violation, now),
                }
            }
            _ => self.fail_with_violation(violation, now),
        }
    }

    /// Handles a SUBACK or UNSUBACK of 5.0 in the form of 3.1.1; recognised by the number of codes.
    fn handle_old_form(&mut self, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) -> bool {
        let Some((packet_id, codes)) = codec::codes_in_old_form(packet) else { return false };
        let asked = self.subscribing.iter().find(|(id, _)| *id == packet_id).map(|(_, filters)| filters.len());
        let is_unsubscribing = self.unsubscribing.iter().any(|(id, _)| *id == packet_id);
        let (deviation, reasons) = match packet.first() {
            Some(0x90) if asked == Some(codes.len()) => {
                (Deviation::OldSubAck, codes.iter().copied().map(ReasonCode).collect())
            }
            Some(0xB0) if is_unsubscribing && codes.is_empty() => (Deviation::OldUnsubAck, vec![ReasonCode::SUCCESS]),
            _ => return false,
        };
        inbox.deviated(deviation);
        self.report_deviation(deviation, None);
        let ack = SubAck { packet_id, reasons, reason_string: None, user_properties: Vec::new() };
        match deviation {
            Deviation::OldSubAck => self.handle_suback(&ack, packet, now, inbox),
            _ => self.handle_unsuback(&ack, packet, now),
        }
        true
    }

    fn handle_decoded(&mut self, decoded: Incoming<'_>, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        let online = matches!(self.phase, Phase::Online { .. });
        match decoded {
            Incoming::PubAck(ack) if online => self.finish_publish(&ack, QoS::AtLeastOnce, now),
            Incoming::PubRec(ack) if online => self.handle_pubrec(&ack, now),
            Incoming::PubRel(ack) if online => self.handle_pubrel(&ack, now),
            Incoming::PubComp(ack) if online => self.handle_pubcomp(&ack, now),
            Incoming::SubAck(ack) if online => self.handle_suback(&ack, packet, now, inbox),
            Incoming::UnsubAck(ack) if online => {
                self.handle_unsuback(&ack, packet, now);
            }
            // Any input has already ended the wait for an answer.
            Incoming::PingResp if online => self.handle_ping_resp(now),
            Incoming::Disconnect(goodbye) if online => self.fail(Failure::Disconnected(goodbye), now),
            Incoming::ConnAck(ack) if !online => self.handle_connack(*ack, packet, now),
            Incoming::Auth(_) => self.protocol_error(
                "The broker wants to exchange AUTH packets, and no authentication method was agreed on.",
                "[MQTT-4.12.0-6]",
                packet,
                now,
            ),
            Incoming::ConnAck(_) => self.protocol_error("The broker sent a second CONNACK.", "(MQTT 3.2)", packet, now),
            _ => self.out_of_order(packet, now),
        }
    }

    fn out_of_order(&mut self, packet: &[u8], now: Instant) {
        self.protocol_error("The broker's first packet wasn't a CONNACK.", "[MQTT-3.2.0-1]", packet, now);
    }

    fn handle_connack(&mut self, ack: ConnAck, packet: &[u8], now: Instant) {
        if let Some(refusal) = ack.refusal {
            let ConnAckProperties { reason_string, server_reference, .. } = ack.properties;
            return self.fail(Failure::Refused { refusal, reason_string, server_reference }, now);
        }
        if ack.session_present && self.clean_start {
            return self.protocol_error(
                "The broker claims to have kept a session that it was asked to forget.",
                "[MQTT-3.2.2-2]",
                packet,
                now,
            );
        }
        if ack.session_present && self.version == Version::V5 && !self.established {
            self.options.clean_start = true;
            return self.protocol_error(
                "The broker kept a session of an earlier run that nothing is known of here; the next one begins anew.",
                "[MQTT-3.2.2-4]",
                packet,
                now,
            );
        }
        if ack.properties.authentication_method.is_some() {
            return self.protocol_error(
                "The broker names an authentication method, and none was asked for.",
                "[MQTT-4.12.0-6]",
                packet,
                now,
            );
        }
        if self.is_clearing_stale_session() {
            self.stale_session_cleared = true;
            self.send_disconnect(&Disconnect::new(ReasonCode::SUCCESS));
            self.drop_transport();
            return self.start_dialing(now);
        }
        self.history.handle_accepted();
        self.is_resumed = ack.session_present;
        self.phase = Phase::Online { since: now };
        self.established = true;
        self.accepted_version = Some(self.version);
        self.server = ServerCapabilities::new(ack.properties, &self.options);
        if self.version == Version::V311 {
            self.server.receive_maximum = IN_FLIGHT_V311;
        }
        self.quota = self.server.receive_maximum;
        self.options.client_id.clone_from(&self.server.client_id);
        self.unsaved = true;
        self.events.push_back(Event::Connected {
            server: Box::new(self.server.clone()),
            version: self.version,
            fell_back: self.options.version.is_none() && self.version == Version::V311,
            session_present: ack.session_present,
        });
        if ack.session_present {
            self.resume_session(now);
        } else {
            self.begin_session();
        }
        self.received_before = self.received.len();
        if self.history.is_one_at_a_time() {
            self.hold_until_ping_resp(now);
        }
        self.send_waiting(now);
    }

    /// Holds a request that is suspected of ending connections until this connection has carried packets both ways. If
    /// the connection ends earlier, the request isn't the reason.
    fn hold_until_ping_resp(&mut self, now: Instant) {
        self.send_required(&Outgoing::PingReq, now);
        self.ping_sent = Some(now);
        self.one_at_a_time_until = Some(now + PROBE_TIMEOUT);
    }

    fn handle_ping_resp(&mut self, now: Instant) {
        if self.outstanding.is_empty() && self.one_at_a_time_until.take().is_some() {
            self.send_waiting(now);
        }
    }

    /// The server kept our session: sends unfinished messages again, in the order in which they were first sent
    /// `[MQTT-4.4.0-1]`.
    fn resume_session(&mut self, now: Instant) {
        if self.history.is_one_at_a_time() {
            let with =
                |released| self.in_flight.iter().filter(move |sent| sent.released == released).map(|sent| sent.id);
            // The server's quota never holds PUBREL back [MQTT-3.3.4-8].
            self.resend = with(true).chain(with(false)).collect();
            return;
        }
        for place in 0..self.in_flight.len() {
            let InFlight { id, released, .. } = self.in_flight[place];
            if !released {
                self.resend.push_back(id);
                continue;
            }
            // The server's quota never holds it back [MQTT-3.3.4-8].
            self.send_required(&Outgoing::PubRel(id, ReasonCode::SUCCESS), now);
            self.outstanding.push(Request::Release(id), now);
            if !self.is_transport_open() {
                return;
            }
        }
    }

    /// The server has no session of ours.
    fn begin_session(&mut self) {
        self.received.clear();
        self.unwanted.clear();
        for (id, _) in std::mem::take(&mut self.dropped) {
            self.ids.remove(id);
        }
        self.history.forget_unsubscribes();
        for wanted in &mut self.wanted {
            wanted.sent = false;
        }
        // QoS 1: sent again, as new messages, before those that were never sent. QoS 2: it is unknown whether they
        // arrived.
        for InFlight { token, id, message, .. } in std::mem::take(&mut self.in_flight).into_iter().rev() {
            self.ids.remove(id);
            if message.qos == QoS::AtLeastOnce {
                self.queue.push_front((token, message));
            } else {
                self.finish(token, DeliveryOutcome::Unknown);
            }
        }
    }

    #[inline(always)]
    fn handle_publish(&mut self, publish: Publish<'_>, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        if publish.qos == QoS::AtMostOnce && publish.topic_alias.is_none() {
            return inbox.message(&publish, now);
        }
        self.handle_any_publish(publish, packet, now, inbox);
    }

    #[inline(never)]
    fn handle_any_publish(&mut self, publish: Publish<'_>, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        let alias = publish.topic_alias.map(|alias| usize::from(alias.get()));
        if let Some(alias) = alias {
            if alias > usize::from(TOPIC_ALIAS_MAXIMUM) {
                return self.fail_with_violation(
                    Violation {
                        reason: ReasonCode::TOPIC_ALIAS_INVALID,
                        rule: "[MQTT-3.3.2-8]",
                        words: format!(
                            "The broker used topic alias {alias}; {TOPIC_ALIAS_MAXIMUM} is the highest it may use."
                        ),
                        excerpt: excerpt(packet),
                    },
                    now,
                );
            }
            if !publish.topic.is_empty() {
                if self.aliases.len() <= alias {
                    self.aliases.resize(alias + 1, None);
                }
                self.aliases[alias] = Some(publish.topic.to_owned());
            }
        }
        let alias = alias.unwrap_or_default();
        if publish.topic.is_empty() && self.aliases.get(alias).is_none_or(Option::is_none) {
            return self.protocol_error(
                "The broker used a topic alias that it never set.",
                "(MQTT 5.0, 3.3.4)",
                packet,
                now,
            );
        }
        let unfinished = usize::from(self.options.receive_maximum);
        let fresh = match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(id)) if !self.received.contains(id) => {
                if self.version == Version::V5 && self.received.len() >= unfinished + self.received_before {
                    return self.fail_with_violation(
                        Violation {
                            reason: ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                            rule: "[MQTT-3.3.4-9]",
                            words: format!("The broker has more than {unfinished} unfinished messages under way."),
                            excerpt: excerpt(packet),
                        },
                        now,
                    );
                }
                self.received.insert(id);
                self.unsaved = true;
                true
            }
            // Delivered before, and not released since: the same message again.
            (QoS::ExactlyOnce, Some(_)) => false,
            _ => true,
        };
        if fresh {
            let aliased = self.aliases.get(alias).and_then(Option::as_deref);
            let topic = if publish.topic.is_empty() { aliased.unwrap_or_default() } else { publish.topic };
            inbox.message(&Publish { topic, ..publish }, now);
        }
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => self.send_required(&Outgoing::PubAck(id, ReasonCode::SUCCESS), now),
            (QoS::ExactlyOnce, Some(id)) => self.send_required(&Outgoing::PubRec(id, ReasonCode::SUCCESS), now),
            _ => {}
        }
    }

    fn handle_pubrel(&mut self, ack: &Ack, now: Instant) {
        let known = self.received.remove(ack.packet_id);
        self.unsaved |= known;
        self.send_required(&Outgoing::PubComp(ack.packet_id, found(known)), now);
    }

    fn handle_pubrec(&mut self, ack: &Ack, now: Instant) {
        match self.place_of(ack.packet_id).map(|place| &mut self.in_flight[place]) {
            Some(sent) if sent.message.qos == QoS::ExactlyOnce => {
                if ack.reason.is_error() {
                    return self.finish_publish(ack, QoS::ExactlyOnce, now);
                }
                let is_first = !std::mem::replace(&mut sent.released, true);
                self.unsaved = true;
                self.answered(Request::Publish(ack.packet_id));
                self.send_required(&Outgoing::PubRel(ack.packet_id, ReasonCode::SUCCESS), now);
                if is_first && self.is_transport_open() {
                    self.sent_request(Request::Release(ack.packet_id), now);
                }
            }
            _ if ack.reason.is_error() => self.finish_dropped(ack.packet_id, now),
            _ => self.send_required(&Outgoing::PubRel(ack.packet_id, found(false)), now),
        }
    }

    /// Handles PUBCOMP. With PUBREC the server accepted the message, so it isn't a failure if it has forgotten the
    /// identifier since (section 3.7.2.1). Without PUBREC, PUBCOMP is ignored.
    fn handle_pubcomp(&mut self, ack: &Ack, now: Instant) {
        match self.place_of(ack.packet_id) {
            None => return self.finish_dropped(ack.packet_id, now),
            Some(place) if !self.in_flight[place].released => return,
            Some(_) => {}
        }
        let forgotten = ack.reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let reason = if forgotten { ReasonCode::SUCCESS } else { ack.reason };
        self.finish_publish(&Ack { reason, ..ack.clone() }, QoS::ExactlyOnce, now);
    }

    /// Handles the last acknowledgement of a publish. One for an identifier that isn't in flight is late and is
    /// ignored.
    fn finish_publish(&mut self, ack: &Ack, qos: QoS, now: Instant) {
        let place = self.place_of(ack.packet_id).filter(|&place| self.in_flight[place].message.qos == qos);
        let Some(sent) = place.and_then(|place| self.in_flight.remove(place)) else {
            return self.finish_dropped(ack.packet_id, now);
        };
        self.ids.remove(ack.packet_id);
        self.answered(Request::Publish(ack.packet_id));
        self.answered(Request::Release(ack.packet_id));
        if sent.counted {
            self.quota = self.quota.saturating_add(1).min(self.server.receive_maximum);
        }
        let outcome = if ack.reason.is_error() { DeliveryOutcome::Refused(ack.reason) } else { DeliveryOutcome::Done };
        self.finish(sent.token, outcome);
        self.send_waiting(now);
    }

    /// The server is done with a dropped message: its packet identifier is free again.
    fn finish_dropped(&mut self, id: PacketId, now: Instant) {
        let Some(place) = self.dropped.iter().position(|(dropped, _)| *dropped == id) else { return };
        let (_, counted) = self.dropped.swap_remove(place);
        self.ids.remove(id);
        self.unsaved = true;
        if counted {
            self.quota = self.quota.saturating_add(1).min(self.server.receive_maximum);
        }
        self.send_waiting(now);
    }

    /// A request was answered: the next one may be sent.
    fn answered(&mut self, request: Request) {
        if self.outstanding.remove(request) {
            self.one_at_a_time_until = None;
        }
    }

    fn handle_suback(&mut self, ack: &SubAck, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        let Some(place) = self.subscribing.iter().position(|(id, _)| *id == ack.packet_id) else { return };
        if self.version == Version::V5
            && self.subscribing[place].1.len() != ack.reasons.len()
            && self.handle_old_form(packet, now, inbox)
        {
            return;
        }
        // Without a valid answer the filters are requested again on the next connection.
        if self.subscribing[place].1.len() != ack.reasons.len() {
            return self.protocol_error(
                "The broker's SUBACK doesn't hold one answer for each topic filter.",
                "[MQTT-3.8.4-6]",
                packet,
                now,
            );
        }
        let (id, filters) = self.subscribing.swap_remove(place);
        self.ids.remove(id);
        self.answered(Request::Subscribe(id));
        for (filter, reason) in filters.into_iter().zip(&ack.reasons) {
            let granted = QoS::from_u8(reason.0).ok_or(*reason);
            self.history.forget(&Cause::Subscribe(filter.clone()));
            self.events.push_back(Event::Subscribed { filter, granted });
        }
        self.send_waiting(now);
    }

    fn handle_unsuback(&mut self, ack: &SubAck, packet: &[u8], now: Instant) {
        let Some(place) = self.unsubscribing.iter().position(|(id, _)| *id == ack.packet_id) else { return };
        let refused = match (self.version, &ack.reasons[..]) {
            (Version::V311, _) => None,
            (Version::V5, [reason]) => Some(*reason).filter(|reason| reason.is_error()),
            (Version::V5, _) => {
                return self.protocol_error(
                    "The broker's UNSUBACK doesn't hold one answer for each topic filter.",
                    "[MQTT-3.11.3-1]",
                    packet,
                    now,
                );
            }
        };
        let (id, filter) = self.unsubscribing.swap_remove(place);
        self.ids.remove(id);
        self.answered(Request::Unsubscribe(id));
        self.history.forget(&Cause::Unsubscribe(filter.clone()));
        self.events.push_back(Event::Unsubscribed { filter, refused });
        self.send_waiting(now);
    }

    // ---- sending ------------------------------------------------------------

    /// Sends everything that waits for a connection, a packet identifier or the server's quota, as far as possible.
    fn send_waiting(&mut self, now: Instant) {
        // If the server refused even a PUBREL, the connection has ended by now.
        if let Phase::Online { .. } = self.phase {
            self.send_subscriptions(now);
            self.send_unsubscribes(now);
            self.send_queued(now);
        }
    }

    /// Records a sent request; while requests are sent one at a time, the next one waits for its answer.
    fn sent_request(&mut self, request: Request, now: Instant) {
        self.outstanding.push(request, now);
        if self.history.is_one_at_a_time() {
            self.one_at_a_time_until = Some(now + ANSWER_TIMEOUT);
        }
    }

    /// Whether requests have to wait.
    fn is_held(&self) -> bool {
        self.one_at_a_time_until.is_some()
    }

    /// Sends the subscriptions that the server's session lacks, in packets of up to [`FILTERS_MAX`] filters. The
    /// filters of a packet share a subscription identifier, because a SUBSCRIBE can contain only one.
    fn send_subscriptions(&mut self, now: Instant) {
        let batch_max = if self.history.is_one_at_a_time() { 1 } else { FILTERS_MAX };
        while !self.ids.is_full()
            && !self.is_held()
            && let Some(first) = self.wanted.iter().find(|wanted| !wanted.sent)
        {
            let identifier = first.subscription.identifier;
            let mut batch = Vec::new();
            for wanted in &mut self.wanted {
                if wanted.sent || wanted.subscription.identifier != identifier || batch.len() == batch_max {
                    continue;
                }
                wanted.sent = true;
                match self.server.refuses(&wanted.subscription) {
                    Some(reason) => self.events.push_back(Event::subscribed(&wanted.subscription, Err(reason))),
                    None => batch.push(wanted.subscription.clone()),
                }
            }
            self.send_subscribe(&batch, identifier, now);
        }
    }

    fn send_subscribe(&mut self, batch: &[Subscription], identifier: Option<u32>, now: Instant) {
        if batch.is_empty() {
            return;
        }
        let Some(packet_id) = self.ids.allocate() else {
            return self.unmark_sent(|filter| batch.iter().any(|unsent| unsent.filter.as_str() == filter));
        };
        let filters: Vec<_> = batch.iter().map(|wanted| (wanted.filter.as_str(), wanted.options)).collect();
        let subscription_id = identifier.filter(|_| self.server.subscription_identifiers_available);
        let packet = Outgoing::Subscribe { packet_id, filters: &filters, subscription_id };
        if codec::encode(&packet, self.version, self.server.packet_bytes, &mut self.out).is_ok() {
            self.last_sent = now;
            let filters = batch.iter().map(|wanted| wanted.filter.as_str().to_owned()).collect();
            self.subscribing.push((packet_id, filters));
            return self.sent_request(Request::Subscribe(packet_id), now);
        }
        self.ids.remove(packet_id);
        match batch {
            [one] => self.events.push_back(Event::subscribed(one, Err(ReasonCode::PACKET_TOO_LARGE))),
            // Together they exceed the server's packet size; separately they may fit.
            _ => batch.iter().for_each(|one| self.send_subscribe(std::slice::from_ref(one), identifier, now)),
        }
    }

    /// Marks subscriptions as not sent, to be requested (again).
    fn unmark_sent(&mut self, is_unsent: impl Fn(&str) -> bool) {
        for wanted in &mut self.wanted {
            wanted.sent &= !is_unsent(wanted.subscription.filter.as_str());
        }
    }

    fn send_unsubscribes(&mut self, now: Instant) {
        while !self.unwanted.is_empty()
            && !self.is_held()
            && let Some(packet_id) = self.ids.allocate()
        {
            let filter = self.unwanted.remove(0);
            let packet = Outgoing::Unsubscribe { packet_id, filters: &[&filter] };
            if codec::encode(&packet, self.version, self.server.packet_bytes, &mut self.out).is_ok() {
                self.last_sent = now;
                self.unsubscribing.push((packet_id, filter));
                self.sent_request(Request::Unsubscribe(packet_id), now);
            } else {
                self.ids.remove(packet_id);
                self.events.push_back(Event::Unsubscribed { filter, refused: Some(ReasonCode::PACKET_TOO_LARGE) });
            }
        }
    }

    /// Sends our own messages as far as the server accepts them: first those to be sent again, then the queued ones.
    fn send_queued(&mut self, now: Instant) {
        while let Some(id) = self.resend.front().copied() {
            if self.is_held() || !self.is_transport_open() || !self.send_again(id, now) {
                return;
            }
            self.resend.pop_front();
        }
        while !self.is_held()
            && let Some((token, message)) = self.queue.pop_front()
        {
            let packet_id = match message.qos {
                QoS::AtMostOnce => None,
                _ if self.quota == 0 => return self.queue.push_front((token, message)),
                _ => match self.ids.allocate() {
                    None => return self.queue.push_front((token, message)),
                    id => id,
                },
            };
            self.unsaved = true;
            match (self.send_publish(&message, packet_id, false, now), packet_id) {
                (Err(error), id) => {
                    if let Some(id) = id {
                        self.ids.remove(id);
                    }
                    // It was sent in a session that was lost.
                    let went_out = token < self.unsent_from && message.qos > QoS::AtMostOnce;
                    let outcome = if went_out { DeliveryOutcome::Unknown } else { DeliveryOutcome::Impossible(error) };
                    self.finish(token, outcome);
                }
                (Ok(()), None) => {
                    self.outstanding.push_qos0(&message.topic, message.payload.len(), now);
                    self.finish(token, DeliveryOutcome::Done);
                }
                (Ok(()), Some(id)) => {
                    self.sent_request(Request::Publish(id), now);
                    self.quota -= 1;
                    self.unsent_from = self.unsent_from.max(Token(token.0 + 1));
                    self.in_flight.push_back(InFlight { token, id, message, released: false, counted: true });
                }
            }
        }
    }

    /// Sends a message of an earlier connection again; returns `false` while the server accepts no more.
    fn send_again(&mut self, id: PacketId, now: Instant) -> bool {
        // It may have been acknowledged while it waited.
        let Some(place) = self.place_of(id) else { return true };
        if self.in_flight[place].released {
            // PUBREC may have arrived while it waited.
            if !self.outstanding.contains(Request::Release(id)) {
                self.send_required(&Outgoing::PubRel(id, ReasonCode::SUCCESS), now);
                self.sent_request(Request::Release(id), now);
            }
            return true;
        }
        if self.quota == 0 {
            return false;
        }
        let message = std::mem::take(&mut self.in_flight[place].message);
        let sent = self.send_publish(&message, Some(id), true, now);
        self.in_flight[place].message = message;
        if sent.is_ok() {
            self.quota -= 1;
            self.in_flight[place].counted = true;
            self.sent_request(Request::Publish(id), now);
            return true;
        }
        // The server accepts less than before; it is unknown whether the message arrived the first time.
        let Some(lost) = self.in_flight.remove(place) else { return true };
        self.ids.remove(id);
        self.finish(lost.token, DeliveryOutcome::Unknown);
        true
    }

    /// Finds a message in flight. Acknowledgements mostly arrive in the order of the packets, so the search usually
    /// ends at the front.
    fn place_of(&self, id: PacketId) -> Option<usize> {
        self.in_flight.iter().position(|sent| sent.id == id)
    }

    /// Writes a PUBLISH, with a topic alias if the server allows it.
    fn send_publish(
        &mut self,
        message: &Message,
        packet_id: Option<PacketId>,
        dup: bool,
        now: Instant,
    ) -> Result<(), EncodeError> {
        self.server.allows(message)?;
        let known = self.aliases_out.iter().position(|topic| *topic == message.topic);
        let next = self.aliases_out.len();
        let aliases = usize::from(self.server.topic_alias_maximum.min(TOPIC_ALIAS_MAXIMUM));
        let place = known.or((next < aliases).then_some(next));
        let alias = place.and_then(|place| u16::try_from(place + 1).ok()).and_then(NonZeroU16::new);
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic: if known.is_some() { "" } else { &message.topic },
            packet_id,
            topic_alias: alias,
            properties: &message.properties,
            payload: &message.payload,
        };
        codec::encode(&Outgoing::Publish(publish), self.version, self.server.packet_bytes, &mut self.out)?;
        self.last_sent = now;
        if place == Some(next) {
            self.aliases_out.push(message.topic.clone());
        }
        Ok(())
    }

    /// Sends a packet that the connection can't continue without. This fails only if the server's packet limit is
    /// extremely small.
    fn send_required(&mut self, packet: &Outgoing<'_>, now: Instant) {
        match codec::encode(packet, self.version, self.server.packet_bytes, &mut self.out) {
            Ok(()) => self.last_sent = now,
            Err(error) => self.fail(Failure::CannotSend(error), now),
        }
    }

    /// Sends DISCONNECT, unless the server's packet limit is too small for it.
    fn send_disconnect(&mut self, goodbye: &Disconnect) {
        let goodbye = Outgoing::Disconnect(goodbye);
        let _ = codec::encode(&goodbye, self.version, self.server.packet_bytes, &mut self.out);
    }

    // ---- ends of the connection ---------------------------------------------

    fn protocol_error(&mut self, words: &str, rule: &'static str, packet: &[u8], now: Instant) {
        let reason = ReasonCode::PROTOCOL_ERROR;
        self.fail_with_violation(Violation { reason, rule, words: words.to_owned(), excerpt: excerpt(packet) }, now);
    }

    /// The server broke a rule: reports it with DISCONNECT (5.0) and closes. Nothing may be sent before CONNACK
    /// `[MQTT-3.14.0-1]`.
    fn fail_with_violation(&mut self, violation: Violation, now: Instant) {
        if self.version == Version::V5 && matches!(self.phase, Phase::Online { .. }) {
            self.send_disconnect(&Disconnect::new(violation.reason));
        }
        self.fail(Failure::Violation(violation), now);
    }

    fn fail(&mut self, failure: Failure, now: Instant) {
        let phase = self.phase;
        for topic in self.outstanding.innocent_topics(now) {
            self.history.forget(&Cause::Topic(topic.to_owned()));
        }
        let suspect = self.suspect(&failure, now);
        self.drop_transport();
        if self.should_fall_back_to_v311(&failure) {
            self.version = Version::V311;
            return self.start_dialing(now);
        }
        let online = if let Phase::Online { since } = phase { now.since(since) } else { Duration::ZERO };
        if online >= STEADY {
            self.history.handle_steady();
        }
        let recurrence = self.compare(&failure, suspect);
        let is_told_apart = recurrence.suspect.is_some() && recurrence.times >= RECURRENT;
        if online >= reconnect::SETTLED {
            self.back_off.reset();
        }
        let was_given_up = is_told_apart && self.give_up(&recurrence);
        let retry = match reconnect::policy(&failure, recurrence.times) {
            // The reason is about that packet, not about credentials, which CONNACK refuses.
            Retry::Never if recurrence.suspect.is_some() && is_not_authorized(&failure) => {
                if recurrence.times >= RECURRENT { Retry::Slow } else { Retry::BackOff }
            }
            retry => retry,
        };
        let wait = match retry {
            _ if Self::is_offered_in_vain(&recurrence) => None,
            Retry::Never => None,
            // The cause is gone.
            _ if was_given_up => {
                self.back_off.reset();
                Some(self.back_off.next_wait())
            }
            Retry::BackOff => Some(self.back_off.next_wait()),
            Retry::Slow => Some(self.back_off.next_slow_wait()),
            Retry::Long => Some(reconnect::LONG),
        };
        let retry_at = wait.map(|wait| now + wait);
        self.phase = retry_at.map_or(Phase::Stopped, |until| Phase::Waiting { until });
        self.events.push_back(Event::Lost { failure: Box::new(failure), retry_at, recurrence });
    }

    /// The request that was sent right before the server ended the connection and has no answer.
    fn suspect(&self, failure: &Failure, now: Instant) -> Option<Suspect> {
        let is_ended_by_server = match failure {
            Failure::Closed { stage, .. } => *stage == Stage::Online,
            Failure::Disconnected(goodbye) => reconnect::is_about_packets(goodbye.reason),
            Failure::Refused { .. } | Failure::Violation(_) | Failure::Silent(_) | Failure::CannotSend(_) => false,
        };
        if !is_ended_by_server {
            return None;
        }
        let request = self.outstanding.suspect(now);
        if request.is_some_and(|request| self.is_being_answered(request)) {
            return None;
        }
        request.and_then(|request| self.suspect_of(request)).or_else(|| {
            let last = self.outstanding.suspect_qos0(now)?;
            Some(Suspect::Unanswerable { topic: last.topic.clone(), payload_bytes: last.payload_bytes })
        })
    }

    /// Whether the connection ended within the answer to a request, which means that the server accepted it.
    fn is_being_answered(&self, request: Request) -> bool {
        let first = self.tail.first().map_or(0, |first| first >> 4);
        match request {
            // PUBACK, PUBREC.
            Request::Publish(_) => first == 4 || first == 5,
            // PUBCOMP.
            Request::Release(_) => first == 7,
            // SUBACK.
            Request::Subscribe(_) => first == 9,
            // UNSUBACK.
            Request::Unsubscribe(_) => first == 11,
        }
    }

    /// Describes a request.
    fn suspect_of(&self, request: Request) -> Option<Suspect> {
        match request {
            Request::Subscribe(id) => {
                let (_, filters) = self.subscribing.iter().find(|(known, _)| *known == id)?;
                Some(Suspect::Subscribe(filters.clone()))
            }
            Request::Unsubscribe(id) => {
                let (_, filter) = self.unsubscribing.iter().find(|(known, _)| *known == id)?;
                Some(Suspect::Unsubscribe(filter.clone()))
            }
            Request::Publish(id) | Request::Release(id) => {
                let InFlight { token, message, .. } = &self.in_flight[self.place_of(id)?];
                Some(Suspect::Message {
                    token: *token,
                    topic: message.topic.clone(),
                    payload_bytes: message.payload.len(),
                    must_be_offered: self.is_resumed,
                })
            }
        }
    }

    /// Compares a failure with earlier ones.
    fn compare(&mut self, failure: &Failure, suspect: Option<Suspect>) -> Recurrence {
        let times = match &suspect {
            Some(Suspect::Message { token, .. }) => self.history.note(Cause::Message(token.0)),
            Some(Suspect::Unanswerable { topic, .. }) => self.history.note(Cause::Topic(topic.clone())),
            Some(Suspect::Subscribe(filters)) => {
                let times = filters.iter().map(|filter| self.history.note(Cause::Subscribe(filter.clone())));
                times.max().unwrap_or_default()
            }
            Some(Suspect::Unsubscribe(filter)) => self.history.note(Cause::Unsubscribe(filter.clone())),
            None => self.history.note(cause_of(failure)),
        };
        Recurrence { times, suspect }
    }

    /// Drops the cause of a third failure if the client may decide that; returns whether it did.
    fn give_up(&mut self, recurrence: &Recurrence) -> bool {
        match &recurrence.suspect {
            Some(Suspect::Message { token, payload_bytes, must_be_offered: false, .. }) => {
                self.queue.retain(|(queued, _)| queued != token);
                if let Some(place) = self.in_flight.iter().position(|sent| sent.token == *token)
                    && let Some(lost) = self.in_flight.remove(place)
                {
                    self.ids.remove(lost.id);
                }
                self.finish(*token, DeliveryOutcome::EndsConnection { payload_bytes: *payload_bytes });
                true
            }
            Some(Suspect::Subscribe(filters)) => {
                let [filter] = &filters[..] else { return false };
                self.wanted.retain(|wanted| wanted.subscription.filter.as_str() != filter);
                self.history.forget(&Cause::Subscribe(filter.clone()));
                self.events.push_back(Event::FilterAbandoned { filter: filter.clone(), is_subscribe: true });
                true
            }
            Some(Suspect::Unsubscribe(filter)) => {
                self.unwanted.retain(|unwanted| unwanted != filter);
                self.history.forget(&Cause::Unsubscribe(filter.clone()));
                self.events.push_back(Event::FilterAbandoned { filter: filter.clone(), is_subscribe: false });
                true
            }
            Some(Suspect::Message { .. } | Suspect::Unanswerable { .. }) | None => false,
        }
    }

    /// Whether a message was offered so often that only a person can decide.
    fn is_offered_in_vain(recurrence: &Recurrence) -> bool {
        matches!(recurrence.suspect, Some(Suspect::Message { must_be_offered: true, .. }))
            && recurrence.times >= OFFERS_MAX
    }

    /// Whether "auto" may still fall back to 3.1.1.
    fn may_go_back(&self) -> bool {
        self.options.version.is_none() && self.version == Version::V5 && self.accepted_version.is_none()
    }

    /// "Auto" tries 3.1.1 once if a server doesn't support 5.0. The server may report that in either version's form, or
    /// not at all: it closes, doesn't answer, or its CONNACK isn't one of 5.0.
    fn should_fall_back_to_v311(&self, failure: &Failure) -> bool {
        self.options.version.is_none()
            && self.version == Version::V5
            && match failure {
                Failure::Refused { refusal: Refusal::V311(1), .. } => true,
                Failure::Refused { refusal, .. } => refusal.reason() == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
                Failure::Closed { stage: Stage::Greeting, closed } => self.may_go_back() && !closed.is_refusal(),
                Failure::Silent(Stage::Greeting) => self.may_go_back(),
                Failure::Violation(_) => self.may_go_back() && matches!(self.phase, Phase::Greeting { .. }),
                _ => false,
            }
    }

    /// Whether the session is to outlive the connection.
    fn is_lasting(&self) -> bool {
        self.options.session_expiry_s > 0 && (self.version == Version::V5 || self.options.lasts_in_v311)
    }

    /// In 3.1.1 one flag means both "discard the old session" and "keep none", so a persistent session with a clean
    /// start takes two connections: the first one only discards the old session.
    fn is_clearing_stale_session(&self) -> bool {
        self.version == Version::V311
            && self.is_lasting()
            && self.options.clean_start
            && !self.established
            && !self.stale_session_cleared
    }

    fn start_dialing(&mut self, now: Instant) {
        self.phase = Phase::Dialing { deadline: now + CONNECT_TIMEOUT };
        self.dial = true;
        self.events.push_back(Event::Dialing { version: self.version });
    }

    /// Closes the transport, or cancels a pending dial.
    fn drop_transport(&mut self) {
        if self.stage().is_some() && !std::mem::take(&mut self.dial) {
            self.hang_up = true;
        }
        self.forget_connection();
    }

    /// Drops the state of the connection, but not that of the session.
    fn forget_connection(&mut self) {
        self.tail = Vec::new();
        self.skipping = None;
        self.probe_until = None;
        self.one_at_a_time_until = None;
        self.outstanding.clear();
        self.told.clear();
        self.aliases.clear();
        self.aliases_out.clear();
        self.ping_sent = None;
        self.resend.clear();
        for sent in &mut self.in_flight {
            sent.counted = false;
        }
        for (_, counted) in &mut self.dropped {
            *counted = false;
        }
        // Requests without an answer are sent again, in any session.
        for (id, filters) in std::mem::take(&mut self.subscribing) {
            self.ids.remove(id);
            self.unmark_sent(|filter| filters.iter().any(|unanswered| unanswered == filter));
        }
        for (id, filter) in std::mem::take(&mut self.unsubscribing) {
            self.ids.remove(id);
            if !self.wanted.iter().any(|wanted| wanted.subscription.filter.as_str() == filter) {
                self.unwanted.push(filter);
            }
        }
    }

    /// Whether packets can be exchanged.
    fn is_transport_open(&self) -> bool {
        matches!(self.phase, Phase::Greeting { .. } | Phase::Online { .. })
    }

    /// The stage of the transport; `None` without one.
    fn stage(&self) -> Option<Stage> {
        match self.phase {
            Phase::Dialing { .. } => Some(Stage::Dialing),
            Phase::Greeting { .. } => Some(Stage::Greeting),
            Phase::Online { .. } => Some(Stage::Online),
            Phase::Idle | Phase::Waiting { .. } | Phase::Stopped => None,
        }
    }
}

impl ServerCapabilities {
    /// The defaults before CONNACK.
    fn unknown(options: &Options) -> Self {
        Self::new(ConnAckProperties::default(), options)
    }

    fn new(stated: ConnAckProperties, options: &Options) -> Self {
        Self {
            packet_bytes: stated.packet_size_maximum_bytes.unwrap_or(u32::MAX),
            qos_maximum: stated.qos_maximum.unwrap_or(QoS::ExactlyOnce),
            retain_available: stated.retain_available.unwrap_or(true),
            wildcard_available: stated.wildcard_available.unwrap_or(true),
            subscription_identifiers_available: stated.subscription_identifiers_available.unwrap_or(true),
            shared_available: stated.shared_available.unwrap_or(true),
            receive_maximum: stated.receive_maximum.unwrap_or(u16::MAX),
            topic_alias_maximum: stated.topic_alias_maximum.unwrap_or(0),
            keep_alive_s: stated.server_keep_alive_s.unwrap_or(options.keep_alive_s),
            session_expiry_s: stated.session_expiry_s.unwrap_or(options.session_expiry_s),
            client_id: stated.assigned_client_id.unwrap_or_else(|| options.client_id.clone()),
            response_information: stated.response_information,
            reason_string: stated.reason_string,
            user_properties: stated.user_properties,
        }
    }

    /// Whether a message may be published to this server.
    fn allows(&self, message: &Message) -> Result<(), EncodeError> {
        if message.qos > self.qos_maximum {
            return Err(EncodeError::Forbidden {
                words: match self.qos_maximum {
                    QoS::AtMostOnce => "This broker's maximum QoS is 0.",
                    _ => "This broker's maximum QoS is 1.",
                },
                rule: "[MQTT-3.2.2-11]",
            });
        }
        if message.retain && !self.retain_available {
            return Err(EncodeError::Forbidden {
                words: "This broker doesn't support retained messages.",
                rule: "[MQTT-3.2.2-14]",
            });
        }
        Ok(())
    }

    /// Why the server doesn't allow this subscription; `None` if it does.
    fn refuses(&self, subscription: &Subscription) -> Option<ReasonCode> {
        let filter = &subscription.filter;
        if filter.share_name().is_some() && subscription.options.no_local {
            // [MQTT-3.8.3-4]
            return Some(ReasonCode::PROTOCOL_ERROR);
        }
        if filter.share_name().is_some() && !self.shared_available {
            return Some(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        let wild = filter.has_wildcards() && !self.wildcard_available;
        wild.then_some(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
    }
}

fn is_not_authorized(failure: &Failure) -> bool {
    matches!(failure, Failure::Disconnected(goodbye) if goodbye.reason == ReasonCode::NOT_AUTHORIZED)
}

/// The cause of a failure without a suspected request.
fn cause_of(failure: &Failure) -> Cause {
    match failure {
        Failure::Violation(violation) => Cause::Violation(violation.rule),
        Failure::Closed { stage, closed } => Cause::Ended(*stage, closed.code.unwrap_or_default()),
        Failure::Silent(stage) => Cause::Ended(*stage, u16::MAX),
        Failure::Refused { refusal, .. } => Cause::Ended(Stage::Greeting, u16::from(refusal.reason().0) << 8),
        Failure::Disconnected(goodbye) => Cause::Ended(Stage::Online, u16::from(goodbye.reason.0) << 8 | 1),
        Failure::CannotSend(_) => Cause::Ended(Stage::Greeting, 1),
    }
}

fn found(known: bool) -> ReasonCode {
    if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND }
}

fn excerpt(packet: &[u8]) -> Vec<u8> {
    packet[..packet.len().min(Violation::EXCERPT_BYTES)].to_vec()
}
