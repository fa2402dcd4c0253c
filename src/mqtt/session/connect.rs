//! From the request to connect to a connection in use: attempts, CONNECT, CONNACK, and the session that the server kept or
//! lost.

use std::time::Duration;

use super::Session;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::packet::{
    ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Outgoing, QoS, ReasonCode, Refusal, Version,
};
use crate::mqtt::session::event::{DeliveryOutcome, Event};
use crate::mqtt::session::options::TOPIC_ALIAS_MAXIMUM;
use crate::mqtt::session::outgoing_publish::InFlight;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::session::phase::Phase;
use crate::mqtt::session::server_capabilities::{IN_FLIGHT_V311, ServerCapabilities};
use crate::time::Instant;

/// Time limit for the transport to open, and for CONNACK. Long enough for TLS over a slow link, short enough for a
/// person who waits.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Session {
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

    /// Connects again after the cause of failed or slowed attempts is gone.
    pub(super) fn go_on(&mut self, now: Instant) {
        self.back_off.reset();
        if let Phase::Waiting { .. } | Phase::Stopped = self.phase {
            self.connect(now);
        }
    }

    /// Resets the back-off, because this connection works: the next wait is as after a first failure.
    pub fn reset_back_off(&mut self) {
        self.back_off.reset();
    }

    /// Sets the password for CONNECT from the next attempt on.
    pub fn set_password(&mut self, password: Vec<u8>) {
        self.options.password = Some(password);
    }

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
        let sent = encode(&Outgoing::Connect(&connect), self.version, u32::MAX, &mut self.out);
        self.last_sent = now;
        if let Err(error) = sent {
            self.fail(Failure::CannotSend(error), now);
        }
    }

    pub(super) fn handle_connack(&mut self, ack: ConnAck, packet: &[u8], now: Instant) {
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

    /// Whether "auto" may still fall back to 3.1.1.
    pub(super) fn may_go_back(&self) -> bool {
        self.options.version.is_none() && self.version == Version::V5 && self.accepted_version.is_none()
    }

    /// "Auto" tries 3.1.1 once if a server doesn't support 5.0. The server may report that in either version's form, or
    /// not at all: it closes, doesn't answer, or its CONNACK isn't one of 5.0.
    pub(super) fn should_fall_back_to_v311(&self, failure: &Failure) -> bool {
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

    pub(super) fn start_dialing(&mut self, now: Instant) {
        self.phase = Phase::Dialing { deadline: now + CONNECT_TIMEOUT };
        self.dial = true;
        self.events.push_back(Event::Dialing { version: self.version });
    }
}
