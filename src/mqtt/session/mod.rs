//! The client's side of MQTT as a state machine without IO, for both versions.
//!
//! # How a driver uses it
//!
//! The driver owns the transport (a WebSocket, a TCP stream) and the clock. It passes every event in, with the time:
//! [`Session::handle_open`], [`Session::handle_input`], [`Session::handle_close`], [`Session::handle_timeout`], or a
//! request of its user ([`Session::connect`], [`Session::subscribe`], [`Session::publish`] …). After each of these it
//! drains [`Session::poll_transmit`], then [`Session::poll_event`], and sets one timer for [`Session::poll_timeout`].
//!
//! # Where is what
//!
//! The methods of [`Session`] are in one file per subject:
//!
//! | file | subject |
//! |---|---|
//! | `connect` | attempts, CONNECT, CONNACK, fallback to 3.1.1 |
//! | `disconnect` | DISCONNECT at our request; state that ends with a connection |
//! | `receive` | input, split into packets and dispatched by their type |
//! | `incoming_publish` | messages of the server, and their acknowledgements by us |
//! | `outgoing_publish` | our messages; PUBACK, PUBREC, PUBCOMP |
//! | `subscribe` | SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK |
//! | `requests` | packets that need an answer, one at a time if necessary |
//! | `keep_alive` | PINGREQ, dead connections |
//! | `failure` | why a connection ended, the suspected request, the next attempt |
//! | `snapshot` | a session that outlives the program |
//!
//! # Invariants
//!
//! - Messages are lent to a [`MessageSink`](event::MessageSink) as they are decoded and never queued here: the hot path
//!   copies nothing.
//! - After [`Transmit::HangUp`] the driver forgets that transport and makes no further calls about it. At most one
//!   transport exists at a time.
//! - A publish ends in exactly one [`Event::Published`], and is [`Done`](event::DeliveryOutcome::Done) only if its last
//!   acknowledgement arrived.
//! - Everything that can grow has a limit: the incomplete packet by
//!   [`packet_bytes`](crate::mqtt::codec::limits::Limits::packet_bytes), topic aliases by
//!   [`TOPIC_ALIAS_MAXIMUM`](options::TOPIC_ALIAS_MAXIMUM), incoming QoS 2 identifiers by the Receive Maximum, outgoing
//!   messages by [`Options::queue_messages`].

pub mod connect;
mod desired_subscription;
mod disconnect;
pub mod event;
mod failure;
mod in_flight;
mod incoming_publish;
pub mod keep_alive;
pub mod options;
mod outgoing_publish;
pub mod outstanding;
mod phase;
mod receive;
mod requests;
pub mod server_capabilities;
pub mod snapshot;
pub mod subscribe;
mod topic_aliases;

use std::collections::VecDeque;

use crate::mqtt::codec::frame::Oversized;
use crate::mqtt::codec::publish::PublishCache;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{CloseInfo, Failure, Stage, Violation};
use crate::mqtt::failure_history::FailureHistory;
use crate::mqtt::packet::{PacketId, Version};
use crate::mqtt::packet_id::PacketIdSet;
use crate::mqtt::reconnect::BackOff;
use crate::mqtt::session::desired_subscription::DesiredSubscription;
use crate::mqtt::session::event::{Event, Token, Transmit};
use crate::mqtt::session::in_flight::InFlight;
use crate::mqtt::session::options::{Message, Options};
use crate::mqtt::session::outstanding::Outstanding;
use crate::mqtt::session::phase::Phase;
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::mqtt::session::topic_aliases::TopicAliases;
use crate::time::Instant;

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

    /// [`Transmit::Dial`] is pending.
    dial: bool,
    /// How often each cause ended a connection.
    history: FailureHistory,
    outstanding: Outstanding,
    /// Requests are sent one at a time; the answer to the current one is awaited until then.
    one_at_a_time_until: Option<Instant>,
    /// The server had our session at the last CONNACK.
    is_resumed: bool,
    /// Deviations of the server that were reported on this connection.
    reported_deviations: Vec<Deviation>,
    /// An oversized message of 3.1.1, and the number of its bytes that are still to come.
    skipping: Option<(Oversized, usize)>,
    /// If there is no input until then, the connection is dead.
    probe_until: Option<Instant>,

    /// [`Transmit::HangUp`] is pending: until the driver polls it, its events are about the old transport.
    hang_up: bool,
    /// Packets to send.
    write_buf: Vec<u8>,
    /// Packets that [`Transmit::Send`] lends to the driver.
    sending_buf: Vec<u8>,
    events: VecDeque<Event>,

    /// The start of an incomplete packet.
    partial_packet: Vec<u8>,
    /// Decoding cache of the previous message.
    publish_cache: PublishCache,
    topic_aliases: TopicAliases,
    /// QoS 2 messages that were delivered and that the server hasn't released yet.
    received: PacketIdSet,
    /// The number of them from earlier connections, which don't count against this one's quota.
    received_before: usize,

    server: ServerCapabilities,
    last_sent: Instant,
    last_received: Instant,
    /// A PINGREQ was sent then, and there was no input since.
    ping_sent: Option<Instant>,

    desired: Vec<DesiredSubscription>,
    /// Filters to unsubscribe, because the server may still have them.
    to_unsubscribe: Vec<String>,
    /// SUBSCRIBE packets without an answer, with their filters.
    subscribing: Vec<(PacketId, Vec<String>)>,
    /// UNSUBSCRIBE packets without an answer, with their filter.
    unsubscribing: Vec<(PacketId, String)>,
    /// Identifiers of our own packets in use.
    packet_ids: PacketIdSet,

    next_token: u64,
    /// QoS 1 and 2 messages before this one were sent, on any connection.
    unsent_from: Token,
    /// Messages that were never sent in this session.
    queue: VecDeque<(Token, Message)>,
    /// In the order of sending `[MQTT-4.6.0-1]`.
    in_flight: VecDeque<InFlight>,
    /// Identifiers of dropped messages that the server may still use, and whether its quota counts them.
    dropped: Vec<(PacketId, bool)>,
    /// Messages to send again on this connection, in order.
    resend: VecDeque<PacketId>,
    /// The number of QoS 1 and 2 messages that the server accepts now.
    send_quota: u16,

    /// The result of [`Session::snapshot`] has changed since [`Session::take_dirty`].
    dirty: bool,
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
            reported_deviations: Vec::new(),
            skipping: None,
            probe_until: None,
            dial: false,
            hang_up: false,
            write_buf: Vec::new(),
            sending_buf: Vec::new(),
            events: VecDeque::new(),
            partial_packet: Vec::new(),
            publish_cache: PublishCache::default(),
            topic_aliases: TopicAliases::default(),
            received: PacketIdSet::default(),
            received_before: 0,
            server: ServerCapabilities::unknown(&options),
            last_sent: Instant::EPOCH,
            last_received: Instant::EPOCH,
            ping_sent: None,
            desired: Vec::new(),
            to_unsubscribe: Vec::new(),
            subscribing: Vec::new(),
            unsubscribing: Vec::new(),
            packet_ids: PacketIdSet::default(),
            next_token: 0,
            unsent_from: Token(0),
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            dropped: Vec::new(),
            resend: VecDeque::new(),
            send_quota: 0,
            dirty: false,
            options,
        }
    }

    /// The transport failed to open, or closed.
    pub fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        if let (Some(stage), false) = (self.stage(), self.hang_up) {
            self.fail(Failure::Closed { stage, closed }, now);
        }
        // There is no transport left to send to or to close.
        self.write_buf.clear();
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
            Phase::Dialing { .. } => self.fail(Failure::Timeout(Stage::Dialing), now),
            Phase::AwaitingConnAck { .. } => self.fail(Failure::Timeout(Stage::AwaitingConnAck), now),
            Phase::Connected { .. } => self.handle_connected_timeout(now),
        }
    }

    /// Returns the next action on the transport.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if !self.write_buf.is_empty() {
            self.sending_buf.clear();
            std::mem::swap(&mut self.write_buf, &mut self.sending_buf);
            return Some(Transmit::Send(&self.sending_buf));
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
            Phase::Dialing { deadline } | Phase::AwaitingConnAck { deadline } => Some(deadline),
            Phase::Waiting { until } => Some(until),
            Phase::Connected { .. } => {
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

    /// Whether CONNACK accepted the connection.
    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected { .. })
    }

    /// Whether packets can be exchanged.
    fn is_transport_open(&self) -> bool {
        matches!(self.phase, Phase::AwaitingConnAck { .. } | Phase::Connected { .. })
    }

    /// The stage of the transport; `None` without one.
    fn stage(&self) -> Option<Stage> {
        match self.phase {
            Phase::Dialing { .. } => Some(Stage::Dialing),
            Phase::AwaitingConnAck { .. } => Some(Stage::AwaitingConnAck),
            Phase::Connected { .. } => Some(Stage::Connected),
            Phase::Idle | Phase::Waiting { .. } | Phase::Stopped => None,
        }
    }
}
