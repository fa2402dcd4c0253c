//! Our own messages: PUBLISH and PUBREL are sent, PUBACK, PUBREC and PUBCOMP arrive.

use super::Session;
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::Property;
use crate::mqtt::error::EncodeError;
use crate::mqtt::failure_history::Cause;
use crate::mqtt::packet::{Ack, Outgoing, PacketId, Publish, QoS, ReasonCode};
use crate::mqtt::session::event::{DeliveryOutcome, Event, PublishError, Token};
use crate::mqtt::session::in_flight::InFlight;
use crate::mqtt::session::options::{Message, TOPIC_ALIAS_MAXIMUM};
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::topic::TopicName;
use crate::time::Instant;

impl Session {
    /// Drops this message of ours at the user's request: it isn't sent again, and a wait for the next attempt
    /// ends.
    pub fn drop_message(&mut self, token: Token, now: Instant) {
        // Its packet identifier stays in use, because the server may know it.
        if let Some(sent) = self.remove_message(token) {
            self.outstanding.remove(Request::Publish(sent.id));
            self.outstanding.remove(Request::Release(sent.id));
            self.dropped.push((sent.id, sent.takes_quota));
        }
        self.complete_publish(token, DeliveryOutcome::Dropped);
        self.one_at_a_time_until = None;
        self.send_pending(now);
        self.reconnect_now(now);
    }

    /// Removes a message from the queue or from those in flight, and returns it if it was in flight.
    pub(super) fn remove_message(&mut self, token: Token) -> Option<InFlight> {
        self.queue.retain(|(queued, _)| *queued != token);
        let index = self.in_flight.iter().position(|sent| sent.token == token)?;
        self.in_flight.remove(index)
    }

    /// Reports the outcome of a publish.
    pub(super) fn complete_publish(&mut self, token: Token, outcome: DeliveryOutcome) {
        self.history.forget(&Cause::Message(token.0));
        self.dirty = true;
        self.events.push_back(Event::Published { token, outcome });
    }

    /// Publishes a message, at once or as soon as the connection and the server's Receive Maximum allow it.
    pub fn publish(&mut self, message: Message, now: Instant) -> Result<Token, PublishError> {
        TopicName::parse(&message.topic)?;
        if publish::properties(&message.properties).any(|property| matches!(property, Property::TopicAlias(_))) {
            return Err(PublishError::TopicAlias);
        }
        if self.unfinished_publishes() >= self.options.queue_messages {
            return Err(PublishError::QueueFull { limit: self.options.queue_messages });
        }
        let token = self.next_token();
        self.queue.push_back((token, message));
        self.dirty = true;
        self.send_pending(now);
        Ok(token)
    }

    pub(super) fn next_token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// The number of our messages without an outcome yet.
    pub fn unfinished_publishes(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }

    /// Handles PUBACK, the only acknowledgement at QoS 1.
    pub(super) fn handle_puback(&mut self, ack: &Ack, now: Instant) {
        self.handle_final_ack(ack, QoS::AtLeastOnce, now);
    }

    /// Handles PUBREC: the server has the message, so it is released with PUBREL and never sent again.
    pub(super) fn handle_pubrec(&mut self, ack: &Ack, now: Instant) {
        match self.in_flight_index(ack.packet_id).map(|index| &mut self.in_flight[index]) {
            Some(sent) if sent.message.qos == QoS::ExactlyOnce => {
                if ack.reason.is_error() {
                    return self.handle_final_ack(ack, QoS::ExactlyOnce, now);
                }
                let is_first = !std::mem::replace(&mut sent.pubrec_received, true);
                self.dirty = true;
                self.mark_answered(Request::Publish(ack.packet_id));
                self.send_required(&Outgoing::PubRel(ack.packet_id, ReasonCode::SUCCESS), now);
                if is_first && self.is_transport_open() {
                    self.record_request(Request::Release(ack.packet_id), now);
                }
            }
            _ if ack.reason.is_error() => self.free_dropped_id(ack.packet_id, now),
            _ => self.send_required(&Outgoing::PubRel(ack.packet_id, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND), now),
        }
    }

    /// Handles PUBCOMP. With PUBREC the server accepted the message, so it isn't a failure if it has forgotten the
    /// identifier since (section 3.7.2.1). Without PUBREC, PUBCOMP is ignored.
    pub(super) fn handle_pubcomp(&mut self, ack: &Ack, now: Instant) {
        match self.in_flight_index(ack.packet_id) {
            None => return self.free_dropped_id(ack.packet_id, now),
            Some(index) if !self.in_flight[index].pubrec_received => return,
            Some(_) => {}
        }
        let forgotten = ack.reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let reason = if forgotten { ReasonCode::SUCCESS } else { ack.reason };
        self.handle_final_ack(&Ack { reason, ..ack.clone() }, QoS::ExactlyOnce, now);
    }

    /// Handles the last acknowledgement of a publish. One for an identifier that isn't in flight is late and is
    /// ignored.
    fn handle_final_ack(&mut self, ack: &Ack, qos: QoS, now: Instant) {
        let index = self.in_flight_index(ack.packet_id).filter(|&index| self.in_flight[index].message.qos == qos);
        let Some(sent) = index.and_then(|index| self.in_flight.remove(index)) else {
            return self.free_dropped_id(ack.packet_id, now);
        };
        self.packet_ids.remove(ack.packet_id);
        self.mark_answered(Request::Publish(ack.packet_id));
        self.mark_answered(Request::Release(ack.packet_id));
        self.return_quota(sent.takes_quota);
        let outcome = if ack.reason.is_error() { DeliveryOutcome::Refused(ack.reason) } else { DeliveryOutcome::Done };
        self.complete_publish(sent.token, outcome);
        self.send_pending(now);
    }

    /// The server is done with a dropped message: its packet identifier is free again.
    fn free_dropped_id(&mut self, id: PacketId, now: Instant) {
        let Some(index) = self.dropped.iter().position(|(dropped, _)| *dropped == id) else { return };
        let (_, takes_quota) = self.dropped.swap_remove(index);
        self.packet_ids.remove(id);
        self.dirty = true;
        self.return_quota(takes_quota);
        self.send_pending(now);
    }

    /// The server accepts one more message, if it has counted this one.
    fn return_quota(&mut self, takes_quota: bool) {
        if takes_quota {
            self.send_quota = self.send_quota.saturating_add(1).min(self.server.receive_maximum);
        }
    }

    /// Sends our own messages as far as the server accepts them: first those to be sent again, then the queued ones.
    pub(super) fn send_queued(&mut self, now: Instant) {
        while let Some(id) = self.resend.front().copied() {
            if self.is_awaiting_answer() || !self.is_transport_open() || !self.resend_message(id, now) {
                return;
            }
            self.resend.pop_front();
        }
        while !self.is_awaiting_answer()
            && let Some((token, message)) = self.queue.pop_front()
        {
            let packet_id = match message.qos {
                QoS::AtMostOnce => None,
                _ if self.send_quota == 0 => return self.queue.push_front((token, message)),
                _ => match self.packet_ids.allocate() {
                    None => return self.queue.push_front((token, message)),
                    id => id,
                },
            };
            self.dirty = true;
            match (self.send_publish(&message, packet_id, false, now), packet_id) {
                (Err(error), id) => {
                    if let Some(id) = id {
                        self.packet_ids.remove(id);
                    }
                    // It was sent in a session that was lost.
                    let was_sent = token < self.unsent_from && message.qos > QoS::AtMostOnce;
                    let outcome = if was_sent { DeliveryOutcome::Unknown } else { DeliveryOutcome::Unsendable(error) };
                    self.complete_publish(token, outcome);
                }
                (Ok(()), None) => {
                    self.outstanding.push_qos0(&message.topic, message.payload.len(), now);
                    self.complete_publish(token, DeliveryOutcome::Done);
                }
                (Ok(()), Some(id)) => {
                    self.record_request(Request::Publish(id), now);
                    self.send_quota -= 1;
                    self.unsent_from = self.unsent_from.max(Token(token.0 + 1));
                    self.in_flight.push_back(InFlight {
                        token,
                        id,
                        message,
                        pubrec_received: false,
                        takes_quota: true,
                    });
                }
            }
        }
    }

    /// Sends a message of an earlier connection again; returns `false` while the server accepts no more.
    fn resend_message(&mut self, id: PacketId, now: Instant) -> bool {
        // It may have been acknowledged while it waited.
        let Some(index) = self.in_flight_index(id) else { return true };
        if self.in_flight[index].pubrec_received {
            // PUBREC may have arrived while it waited.
            if !self.outstanding.contains(Request::Release(id)) {
                self.send_required(&Outgoing::PubRel(id, ReasonCode::SUCCESS), now);
                self.record_request(Request::Release(id), now);
            }
            return true;
        }
        if self.send_quota == 0 {
            return false;
        }
        let message = std::mem::take(&mut self.in_flight[index].message);
        let sent = self.send_publish(&message, Some(id), true, now);
        self.in_flight[index].message = message;
        if sent.is_ok() {
            self.send_quota -= 1;
            self.in_flight[index].takes_quota = true;
            self.record_request(Request::Publish(id), now);
            return true;
        }
        // The server accepts less than before; it is unknown whether the message arrived the first time.
        let Some(lost) = self.in_flight.remove(index) else { return true };
        self.packet_ids.remove(id);
        self.complete_publish(lost.token, DeliveryOutcome::Unknown);
        true
    }

    /// Finds a message in flight. Acknowledgements mostly arrive in the order of the packets, so the search usually
    /// ends at the front.
    pub(super) fn in_flight_index(&self, id: PacketId) -> Option<usize> {
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
        let alias_maximum = self.server.topic_alias_maximum.min(TOPIC_ALIAS_MAXIMUM);
        let alias = self.topic_aliases.outgoing(&message.topic, alias_maximum);
        let is_topic_known = alias.is_some_and(|alias| !alias.is_new);
        let publish = Publish {
            dup,
            qos: message.qos,
            retain: message.retain,
            topic: if is_topic_known { "" } else { &message.topic },
            packet_id,
            topic_alias: alias.map(|alias| alias.alias),
            properties: &message.properties,
            payload: &message.payload,
        };
        self.send(&Outgoing::Publish(publish), now)?;
        if alias.is_some_and(|alias| alias.is_new) {
            self.topic_aliases.add_outgoing(&message.topic);
        }
        Ok(())
    }
}
