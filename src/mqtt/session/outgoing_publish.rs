//! Our own messages: PUBLISH and PUBREL are sent, PUBACK, PUBREC and PUBCOMP arrive.

use std::num::NonZeroU16;

use super::Session;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::Property;
use crate::mqtt::error::EncodeError;
use crate::mqtt::failure_history::Cause;
use crate::mqtt::packet::{Ack, Outgoing, PacketId, Publish, QoS, ReasonCode};
use crate::mqtt::session::event::{DeliveryOutcome, Event, PublishError, Token};
use crate::mqtt::session::options::{Message, TOPIC_ALIAS_MAXIMUM};
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::topic::TopicName;
use crate::time::Instant;

/// One of our messages with a packet identifier.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) token: Token,
    pub(super) id: PacketId,
    pub(super) message: Message,
    /// PUBREC arrived: from here on only PUBREL is sent, never PUBLISH `[MQTT-4.3.3-6]`.
    pub(super) released: bool,
    /// Its PUBLISH was sent on this connection and counts against the server's quota.
    pub(super) counted: bool,
}

impl Session {
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

    /// Ends a publish.
    pub(super) fn finish(&mut self, token: Token, outcome: DeliveryOutcome) {
        self.history.forget(&Cause::Message(token.0));
        self.unsaved = true;
        self.events.push_back(Event::Published { token, outcome });
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

    pub(super) fn next_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// The number of our messages without an outcome yet.
    pub fn unfinished(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }

    pub(super) fn handle_pubrec(&mut self, ack: &Ack, now: Instant) {
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
            _ => self.send_required(&Outgoing::PubRel(ack.packet_id, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND), now),
        }
    }

    /// Handles PUBCOMP. With PUBREC the server accepted the message, so it isn't a failure if it has forgotten the
    /// identifier since (section 3.7.2.1). Without PUBREC, PUBCOMP is ignored.
    pub(super) fn handle_pubcomp(&mut self, ack: &Ack, now: Instant) {
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
    pub(super) fn finish_publish(&mut self, ack: &Ack, qos: QoS, now: Instant) {
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

    /// Sends our own messages as far as the server accepts them: first those to be sent again, then the queued ones.
    pub(super) fn send_queued(&mut self, now: Instant) {
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
    pub(super) fn place_of(&self, id: PacketId) -> Option<usize> {
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
        encode(&Outgoing::Publish(publish), self.version, self.server.packet_bytes, &mut self.out)?;
        self.last_sent = now;
        if place == Some(next) {
            self.aliases_out.push(message.topic.clone());
        }
        Ok(())
    }
}
