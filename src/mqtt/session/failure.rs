//! Ends of a connection that we didn't request: which request is suspected, and whether and when to reconnect.

use std::time::Duration;

use super::Session;
use crate::mqtt::error::{Failure, Stage, Violation};
use crate::mqtt::failure_history::{Cause, OFFERS_MAX, RECURRENT, STEADY};
use crate::mqtt::packet::{Disconnect, ReasonCode, Version};
use crate::mqtt::reconnect;
use crate::mqtt::reconnect::Retry;
use crate::mqtt::session::event::{DeliveryOutcome, Event, Recurrence, Suspect};
use crate::mqtt::session::outgoing_publish::InFlight;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::session::phase::Phase;
use crate::time::Instant;

impl Session {
    pub(super) fn protocol_error(&mut self, words: &str, rule: &'static str, packet: &[u8], now: Instant) {
        let reason = ReasonCode::PROTOCOL_ERROR;
        self.fail_with_violation(
            Violation { reason, rule, words: words.to_owned(), excerpt: Violation::excerpt_of(packet) },
            now,
        );
    }

    /// The server broke a rule: reports it with DISCONNECT (5.0) and closes. Nothing may be sent before CONNACK
    /// `[MQTT-3.14.0-1]`.
    pub(super) fn fail_with_violation(&mut self, violation: Violation, now: Instant) {
        if self.version == Version::V5 && matches!(self.phase, Phase::Online { .. }) {
            self.send_disconnect(&Disconnect::new(violation.reason));
        }
        self.fail(Failure::Violation(violation), now);
    }

    pub(super) fn fail(&mut self, failure: Failure, now: Instant) {
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
