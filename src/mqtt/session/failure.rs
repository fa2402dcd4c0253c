//! Ends of a connection that we didn't request: which request is suspected, and whether and when to reconnect.

use std::time::Duration;

use super::Session;
use crate::mqtt::codec::primitives::{self, violation};
use crate::mqtt::error::{Failure, Stage, Violation};
use crate::mqtt::failure_history::{Cause, RECURRENT, SEND_ATTEMPTS_MAX, STEADY_AFTER};
use crate::mqtt::packet::{Disconnect, ReasonCode, Version};
use crate::mqtt::reconnect;
use crate::mqtt::reconnect::Retry;
use crate::mqtt::session::event::{DeliveryOutcome, Event, Recurrence, Suspect};
use crate::mqtt::session::in_flight::InFlight;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::session::phase::Phase;
use crate::time::Instant;

impl Session {
    /// The server broke a rule with this packet.
    pub(super) fn protocol_error(&mut self, message: &str, rule: &'static str, packet: &[u8], now: Instant) {
        self.fail_with_violation(violation(*primitives::protocol_error(rule, message), packet), now);
    }

    /// The server broke a rule: reports it with DISCONNECT (5.0) and closes. Nothing may be sent before CONNACK
    /// `[MQTT-3.14.0-1]`.
    pub(super) fn fail_with_violation(&mut self, violation: Violation, now: Instant) {
        if self.version == Version::V5 && self.is_connected() {
            self.send_disconnect(&Disconnect::new(violation.reason));
        }
        self.fail(Failure::Violation(violation), now);
    }

    /// Ends the connection, and decides whether and when to reconnect.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
        let phase = self.phase;
        for topic in self.outstanding.accepted_topics(now) {
            self.history.forget(&Cause::Topic(topic.to_owned()));
        }
        let suspect = self.suspect(&failure, now);
        self.drop_transport();
        if self.should_fall_back_to_v311(&failure) {
            self.version = Version::V311;
            return self.start_dialing(now);
        }
        let online = if let Phase::Connected { since } = phase { now.since(since) } else { Duration::ZERO };
        if online >= STEADY_AFTER {
            self.history.handle_steady_connection();
        }
        let recurrence = self.count_failure(&failure, suspect);
        let is_cause_known = recurrence.suspect.is_some() && recurrence.times >= RECURRENT;
        if online >= reconnect::STABLE_AFTER {
            self.back_off.reset();
        }
        let is_cause_dropped = is_cause_known && self.drop_cause(&recurrence);
        let retry = match reconnect::policy(&failure, recurrence.times) {
            // The reason is about that packet, not about credentials, which CONNACK refuses.
            Retry::Never if recurrence.suspect.is_some() && is_not_authorized(&failure) => {
                if recurrence.times >= RECURRENT { Retry::Slow } else { Retry::BackOff }
            }
            retry => retry,
        };
        let wait = match retry {
            _ if Self::needs_user_decision(&recurrence) => None,
            Retry::Never => None,
            // The cause is gone.
            _ if is_cause_dropped => {
                self.back_off.reset();
                Some(self.back_off.next_wait())
            }
            Retry::BackOff => Some(self.back_off.next_wait()),
            Retry::Slow => Some(self.back_off.next_slow_wait()),
            Retry::Long => Some(reconnect::LONG_WAIT),
        };
        let retry_at = wait.map(|wait| now + wait);
        self.phase = retry_at.map_or(Phase::Stopped, |until| Phase::Waiting { until });
        self.events.push_back(Event::Disconnected { failure: Box::new(failure), retry_at, recurrence });
    }

    /// The request that was sent right before the server ended the connection and has no answer.
    fn suspect(&self, failure: &Failure, now: Instant) -> Option<Suspect> {
        let is_ended_by_server = match failure {
            Failure::Closed { stage, .. } => *stage == Stage::Connected,
            Failure::ServerDisconnect(disconnect) => reconnect::is_about_packets(disconnect.reason),
            Failure::Refused { .. } | Failure::Violation(_) | Failure::Timeout(_) | Failure::EncodeFailed(_) => false,
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
            Some(Suspect::Qos0Message { topic: last.topic.clone(), payload_bytes: last.payload_bytes })
        })
    }

    /// Whether the connection ended within the answer to a request, which means that the server accepted it.
    fn is_being_answered(&self, request: Request) -> bool {
        let first = self.partial_packet.first().map_or(0, |first| first >> 4);
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
    pub(super) fn suspect_of(&self, request: Request) -> Option<Suspect> {
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
                let InFlight { token, message, .. } = &self.in_flight[self.in_flight_index(id)?];
                Some(Suspect::Message {
                    token: *token,
                    topic: message.topic.clone(),
                    payload_bytes: message.payload.len(),
                    must_be_resent: self.is_resumed,
                })
            }
        }
    }

    /// Compares a failure with earlier ones.
    fn count_failure(&mut self, failure: &Failure, suspect: Option<Suspect>) -> Recurrence {
        let times = match &suspect {
            Some(Suspect::Message { token, .. }) => self.history.note(Cause::Message(token.0)),
            Some(Suspect::Qos0Message { topic, .. }) => self.history.note(Cause::Topic(topic.clone())),
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
    fn drop_cause(&mut self, recurrence: &Recurrence) -> bool {
        match &recurrence.suspect {
            Some(Suspect::Message { token, payload_bytes, must_be_resent: false, .. }) => {
                if let Some(lost) = self.remove_message(*token) {
                    self.packet_ids.remove(lost.id);
                }
                self.complete_publish(*token, DeliveryOutcome::EndsConnection { payload_bytes: *payload_bytes });
                true
            }
            Some(Suspect::Subscribe(filters)) => {
                let [filter] = &filters[..] else { return false };
                self.desired.retain(|desired| desired.subscription.filter.as_str() != filter);
                self.history.forget(&Cause::Subscribe(filter.clone()));
                self.events.push_back(Event::FilterAbandoned { filter: filter.clone(), is_subscribe: true });
                true
            }
            Some(Suspect::Unsubscribe(filter)) => {
                self.to_unsubscribe.retain(|listed| listed != filter);
                self.history.forget(&Cause::Unsubscribe(filter.clone()));
                self.events.push_back(Event::FilterAbandoned { filter: filter.clone(), is_subscribe: false });
                true
            }
            Some(Suspect::Message { .. } | Suspect::Qos0Message { .. }) | None => false,
        }
    }

    /// Whether a message was sent so often that only the user can decide.
    fn needs_user_decision(recurrence: &Recurrence) -> bool {
        matches!(recurrence.suspect, Some(Suspect::Message { must_be_resent: true, .. }))
            && recurrence.times >= SEND_ATTEMPTS_MAX
    }
}

fn is_not_authorized(failure: &Failure) -> bool {
    matches!(failure, Failure::ServerDisconnect(disconnect) if disconnect.reason == ReasonCode::NOT_AUTHORIZED)
}

/// The cause of a failure without a suspected request.
fn cause_of(failure: &Failure) -> Cause {
    match failure {
        Failure::Violation(violation) => Cause::Violation(violation.rule),
        Failure::Closed { stage, closed } => Cause::Ended(*stage, closed.code.unwrap_or_default()),
        Failure::Timeout(stage) => Cause::Ended(*stage, u16::MAX),
        Failure::Refused { refusal, .. } => Cause::Ended(Stage::AwaitingConnAck, u16::from(refusal.reason().0) << 8),
        Failure::ServerDisconnect(disconnect) => {
            Cause::Ended(Stage::Connected, u16::from(disconnect.reason.0) << 8 | 1)
        }
        Failure::EncodeFailed(_) => Cause::Ended(Stage::AwaitingConnAck, 1),
    }
}
