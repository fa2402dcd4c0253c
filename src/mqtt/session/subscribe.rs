//! Subscriptions: SUBSCRIBE and UNSUBSCRIBE are sent, SUBACK and UNSUBACK arrive.

use super::Session;
use crate::mqtt::codec::decode;
use crate::mqtt::codec::encode::encode;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::failure_history::Cause;
use crate::mqtt::packet::{Outgoing, QoS, ReasonCode, SubAck, Version};
use crate::mqtt::session::event::{Event, MessageSink};
use crate::mqtt::session::options::Subscription;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::topic::TopicFilter;
use crate::time::Instant;

/// Maximum number of filters per SUBSCRIBE. MQTT has no limit; AWS IoT, for example, accepts eight and closes the
/// connection on more.
pub const FILTERS_MAX: usize = 8;

/// A requested subscription and whether the server has it.
#[derive(Clone, Debug)]
pub(super) struct DesiredSubscription {
    pub(super) subscription: Subscription,
    /// Sent on this connection, or part of a session that the server kept.
    pub(super) sent: bool,
}

impl Session {
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

    /// Handles a SUBACK or UNSUBACK of 5.0 in the form of 3.1.1; recognised by the number of codes.
    pub(super) fn handle_old_form(&mut self, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) -> bool {
        let Some((packet_id, codes)) = decode::codes_in_old_form(packet) else { return false };
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

    pub(super) fn handle_suback(&mut self, ack: &SubAck, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
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

    pub(super) fn handle_unsuback(&mut self, ack: &SubAck, packet: &[u8], now: Instant) {
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

    /// Sends the subscriptions that the server's session lacks, in packets of up to [`FILTERS_MAX`] filters. The
    /// filters of a packet share a subscription identifier, because a SUBSCRIBE can contain only one.
    pub(super) fn send_subscriptions(&mut self, now: Instant) {
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
        if encode(&packet, self.version, self.server.packet_bytes, &mut self.out).is_ok() {
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
    pub(super) fn unmark_sent(&mut self, is_unsent: impl Fn(&str) -> bool) {
        for wanted in &mut self.wanted {
            wanted.sent &= !is_unsent(wanted.subscription.filter.as_str());
        }
    }

    pub(super) fn send_unsubscribes(&mut self, now: Instant) {
        while !self.unwanted.is_empty()
            && !self.is_held()
            && let Some(packet_id) = self.ids.allocate()
        {
            let filter = self.unwanted.remove(0);
            let packet = Outgoing::Unsubscribe { packet_id, filters: &[&filter] };
            if encode(&packet, self.version, self.server.packet_bytes, &mut self.out).is_ok() {
                self.last_sent = now;
                self.unsubscribing.push((packet_id, filter));
                self.sent_request(Request::Unsubscribe(packet_id), now);
            } else {
                self.ids.remove(packet_id);
                self.events.push_back(Event::Unsubscribed { filter, refused: Some(ReasonCode::PACKET_TOO_LARGE) });
            }
        }
    }
}
