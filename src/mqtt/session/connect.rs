//! Connecting: attempts, CONNECT and CONNACK, fallback to 3.1.1, and the session that the server kept or lost.

use std::time::Duration;

use super::Session;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::codec::primitives::{Fault, protocol_error, violation};
use crate::mqtt::error::{Failure, Stage};
use crate::mqtt::packet::{
    ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Outgoing, QoS, ReasonCode, Refusal, Version,
};
use crate::mqtt::session::event::{DeliveryOutcome, Event};
use crate::mqtt::session::in_flight::InFlight;
use crate::mqtt::session::options::TOPIC_ALIAS_MAXIMUM;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::session::phase::Phase;
use crate::mqtt::session::server_capabilities::{IN_FLIGHT_V311, ServerCapabilities};
use crate::time::Instant;

/// Time limit for the transport to open, and for CONNACK. Long enough for TLS over a slow link, short enough for a
/// user who waits.
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
    pub fn retry_now(&mut self, now: Instant) {
        if let Phase::Waiting { .. } = self.phase {
            self.connect(now);
        }
    }

    /// Reconnects at once, because the cause of failed or slowed attempts is gone.
    pub(super) fn reconnect_now(&mut self, now: Instant) {
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
        self.phase = Phase::AwaitingConnAck { deadline: now + CONNECT_TIMEOUT };
        self.forget_connection();
        self.server = ServerCapabilities::unknown(&self.options);

        let is_persistent = self.is_persistent();
        self.clean_start = match self.version {
            Version::V5 => !(is_persistent && self.established) && self.options.clean_start,
            Version::V311 => !is_persistent || self.is_clearing_stale_session(),
        };
        let properties = ConnectProperties {
            session_expiry_s: is_persistent.then_some(self.options.session_expiry_s),
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
        let sent = encode(&Outgoing::Connect(&connect), self.version, u32::MAX, &mut self.write_buf);
        self.last_sent = now;
        if let Err(error) = sent {
            self.fail(Failure::EncodeFailed(error), now);
        }
    }

    /// Handles CONNACK.
    pub(super) fn handle_connack(&mut self, ack: ConnAck, packet: &[u8], now: Instant) {
        if let Some(refusal) = ack.refusal {
            let ConnAckProperties { reason_string, server_reference, .. } = ack.properties;
            return self.fail(Failure::Refused { refusal, reason_string, server_reference }, now);
        }
        if let Err(fault) = self.check_connack(&ack) {
            return self.fail_with_violation(violation(*fault, packet), now);
        }
        if self.is_clearing_stale_session() {
            self.stale_session_cleared = true;
            self.send_disconnect(&Disconnect::new(ReasonCode::SUCCESS));
            self.drop_transport();
            return self.start_dialing(now);
        }
        self.history.handle_accepted();
        self.is_resumed = ack.session_present;
        self.phase = Phase::Connected { since: now };
        self.established = true;
        self.accepted_version = Some(self.version);
        self.server = ServerCapabilities::new(ack.properties, &self.options);
        if self.version == Version::V311 {
            self.server.receive_maximum = IN_FLIGHT_V311;
        }
        self.send_quota = self.server.receive_maximum;
        self.options.client_id.clone_from(&self.server.client_id);
        self.dirty = true;
        self.events.push_back(Event::Connected {
            server: Box::new(self.server.clone()),
            version: self.version,
            fell_back: self.options.version.is_none() && self.version == Version::V311,
            session_present: ack.session_present,
        });
        if ack.session_present {
            self.resume_session(now);
        } else {
            self.start_session();
        }
        self.received_before = self.received.len();
        if self.history.is_one_at_a_time() {
            self.wait_for_ping_resp(now);
        }
        self.send_pending(now);
    }

    /// Refuses a CONNACK that contradicts our CONNECT.
    fn check_connack(&mut self, ack: &ConnAck) -> Result<(), Fault> {
        if ack.session_present && self.clean_start {
            return Err(protocol_error(
                "[MQTT-3.2.2-2]",
                "The broker resumed a session although a new one was requested.",
            ));
        }
        if ack.session_present && self.version == Version::V5 && !self.established {
            self.options.clean_start = true;
            return Err(protocol_error(
                "[MQTT-3.2.2-4]",
                "The broker resumed an earlier session unknown to this client. The next connection starts a new one.",
            ));
        }
        if ack.properties.authentication_method.is_some() {
            return Err(protocol_error(
                "[MQTT-4.12.0-6]",
                "The broker names an authentication method, but none was requested.",
            ));
        }
        Ok(())
    }

    /// The server kept our session: sends unfinished messages again, in the order in which they were first sent
    /// `[MQTT-4.4.0-1]`.
    fn resume_session(&mut self, now: Instant) {
        if self.history.is_one_at_a_time() {
            let ids = |pubrec_received| {
                let sent = self.in_flight.iter().filter(move |sent| sent.pubrec_received == pubrec_received);
                sent.map(|sent| sent.id)
            };
            // The server's quota never holds PUBREL back [MQTT-3.3.4-8].
            self.resend = ids(true).chain(ids(false)).collect();
            return;
        }
        for index in 0..self.in_flight.len() {
            let InFlight { id, pubrec_received, .. } = self.in_flight[index];
            if !pubrec_received {
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
    fn start_session(&mut self) {
        self.received.clear();
        self.to_unsubscribe.clear();
        for (id, _) in std::mem::take(&mut self.dropped) {
            self.packet_ids.remove(id);
        }
        self.history.forget_unsubscribes();
        for desired in &mut self.desired {
            desired.sent = false;
        }
        // QoS 1: sent again, as new messages, before those that were never sent. QoS 2: it is unknown whether they
        // arrived.
        for InFlight { token, id, message, .. } in std::mem::take(&mut self.in_flight).into_iter().rev() {
            self.packet_ids.remove(id);
            if message.qos == QoS::AtLeastOnce {
                self.queue.push_front((token, message));
            } else {
                self.complete_publish(token, DeliveryOutcome::Unknown);
            }
        }
    }

    /// Whether "auto" may still fall back to 3.1.1.
    pub(super) fn may_fall_back(&self) -> bool {
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
                Failure::Closed { stage: Stage::AwaitingConnAck, closed } => {
                    self.may_fall_back() && !closed.is_refusal()
                }
                Failure::Timeout(Stage::AwaitingConnAck) => self.may_fall_back(),
                Failure::Violation(_) => self.may_fall_back() && matches!(self.phase, Phase::AwaitingConnAck { .. }),
                _ => false,
            }
    }

    /// Whether the session is to outlive the connection.
    fn is_persistent(&self) -> bool {
        self.options.session_expiry_s > 0 && (self.version == Version::V5 || self.options.keep_session_in_v311)
    }

    /// In 3.1.1 one flag means both "discard the old session" and "keep none", so a persistent session with a clean
    /// start takes two connections: the first one only discards the old session.
    fn is_clearing_stale_session(&self) -> bool {
        self.version == Version::V311
            && self.is_persistent()
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
