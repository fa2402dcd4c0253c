//! Subscriptions: SUBSCRIBE and UNSUBSCRIBE are sent, SUBACK and UNSUBACK arrive.

use super::Session;
use crate::mqtt::codec::decode;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::failure_history::Cause;
use crate::mqtt::packet::{Outgoing, QoS, ReasonCode, SubAck, Version};
use crate::mqtt::session::desired_subscription::DesiredSubscription;
use crate::mqtt::session::event::{Event, MessageSink};
use crate::mqtt::session::options::Subscription;
use crate::mqtt::session::outstanding::Request;
use crate::mqtt::topic::TopicFilter;
use crate::time::Instant;

/// Maximum number of filters per SUBSCRIBE. MQTT has no limit; AWS IoT, for example, accepts eight and closes the
/// connection on more.
pub const FILTERS_MAX: usize = 8;

impl Session {
    /// Subscribes, now and on every later connection. Repeating a filter replaces the options `[MQTT-3.8.4-3]`.
    pub fn subscribe(&mut self, subscription: Subscription, now: Instant) {
        self.desired.retain(|desired| desired.subscription.filter != subscription.filter);
        self.to_unsubscribe.retain(|filter| *filter != subscription.filter.as_str());
        self.history.forget(&Cause::Subscribe(subscription.filter.as_str().to_owned()));
        self.history.forget(&Cause::Unsubscribe(subscription.filter.as_str().to_owned()));
        self.desired.push(DesiredSubscription { subscription, sent: false });
        self.send_pending(now);
    }

    /// Unsubscribes: now, or once connected to a server that kept the session.
    pub fn unsubscribe(&mut self, filter: &TopicFilter, now: Instant) {
        let before = self.desired.len();
        self.desired.retain(|desired| desired.subscription.filter != *filter);
        if self.desired.len() == before {
            return;
        }
        self.history.forget(&Cause::Subscribe(filter.as_str().to_owned()));
        self.to_unsubscribe.push(filter.as_str().to_owned());
        self.send_pending(now);
    }

    /// Handles a SUBACK or UNSUBACK of 5.0 in the form of 3.1.1; recognised by the number of codes.
    pub(super) fn handle_v311_form(&mut self, packet: &[u8], now: Instant, sink: &mut impl MessageSink) -> bool {
        let Some((packet_id, codes)) = decode::codes_in_v311_form(packet) else { return false };
        let requested = self.subscribing.iter().find(|(id, _)| *id == packet_id).map(|(_, filters)| filters.len());
        let is_unsubscribing = self.unsubscribing.iter().any(|(id, _)| *id == packet_id);
        let (deviation, reasons) = match packet.first() {
            Some(0x90) if requested == Some(codes.len()) => {
                (Deviation::V311SubAck, codes.iter().copied().map(ReasonCode).collect())
            }
            Some(0xB0) if is_unsubscribing && codes.is_empty() => (Deviation::V311UnsubAck, vec![ReasonCode::SUCCESS]),
            _ => return false,
        };
        sink.on_deviation(deviation);
        self.report_deviation(deviation, None);
        let ack = SubAck { packet_id, reasons, reason_string: None, user_properties: Vec::new() };
        match deviation {
            Deviation::V311SubAck => self.handle_suback(&ack, packet, now, sink),
            _ => self.handle_unsuback(&ack, packet, now),
        }
        true
    }

    /// Handles SUBACK.
    pub(super) fn handle_suback(&mut self, ack: &SubAck, packet: &[u8], now: Instant, sink: &mut impl MessageSink) {
        let Some(index) = self.subscribing.iter().position(|(id, _)| *id == ack.packet_id) else { return };
        if self.version == Version::V5
            && self.subscribing[index].1.len() != ack.reasons.len()
            && self.handle_v311_form(packet, now, sink)
        {
            return;
        }
        // Without a valid answer the filters are requested again on the next connection.
        if self.subscribing[index].1.len() != ack.reasons.len() {
            return self.protocol_error(
                "The broker's SUBACK doesn't have one reason code per topic filter.",
                "[MQTT-3.8.4-6]",
                packet,
                now,
            );
        }
        let (id, filters) = self.subscribing.swap_remove(index);
        self.packet_ids.remove(id);
        self.mark_answered(Request::Subscribe(id));
        for (filter, reason) in filters.into_iter().zip(&ack.reasons) {
            let granted = QoS::from_u8(reason.0).ok_or(*reason);
            self.history.forget(&Cause::Subscribe(filter.clone()));
            self.events.push_back(Event::Subscribed { filter, granted });
        }
        self.send_pending(now);
    }

    /// Handles UNSUBACK.
    pub(super) fn handle_unsuback(&mut self, ack: &SubAck, packet: &[u8], now: Instant) {
        let Some(index) = self.unsubscribing.iter().position(|(id, _)| *id == ack.packet_id) else { return };
        let refused = match (self.version, &ack.reasons[..]) {
            (Version::V311, _) => None,
            (Version::V5, [reason]) => Some(*reason).filter(|reason| reason.is_error()),
            (Version::V5, _) => {
                return self.protocol_error(
                    "The broker's UNSUBACK doesn't have one reason code per topic filter.",
                    "[MQTT-3.11.3-1]",
                    packet,
                    now,
                );
            }
        };
        let (id, filter) = self.unsubscribing.swap_remove(index);
        self.packet_ids.remove(id);
        self.mark_answered(Request::Unsubscribe(id));
        self.history.forget(&Cause::Unsubscribe(filter.clone()));
        self.events.push_back(Event::Unsubscribed { filter, refused });
        self.send_pending(now);
    }

    /// Sends the subscriptions that the server's session lacks, in packets of up to [`FILTERS_MAX`] filters. The
    /// filters of a packet share a subscription identifier, because a SUBSCRIBE can contain only one.
    pub(super) fn send_subscriptions(&mut self, now: Instant) {
        let batch_max = if self.history.is_one_at_a_time() { 1 } else { FILTERS_MAX };
        while !self.packet_ids.is_full()
            && !self.is_awaiting_answer()
            && let Some(first) = self.desired.iter().find(|desired| !desired.sent)
        {
            let identifier = first.subscription.identifier;
            let mut batch = Vec::new();
            for desired in &mut self.desired {
                if desired.sent || desired.subscription.identifier != identifier || batch.len() == batch_max {
                    continue;
                }
                desired.sent = true;
                match self.server.refuses(&desired.subscription) {
                    Some(reason) => self.events.push_back(Event::subscribed(&desired.subscription, Err(reason))),
                    None => batch.push(desired.subscription.clone()),
                }
            }
            self.send_subscribe(&batch, identifier, now);
        }
    }

    /// Sends one SUBSCRIBE; if it is too large for the server, one for each filter.
    fn send_subscribe(&mut self, batch: &[Subscription], identifier: Option<u32>, now: Instant) {
        if batch.is_empty() {
            return;
        }
        let Some(packet_id) = self.packet_ids.allocate() else {
            return self.unmark_sent(|filter| batch.iter().any(|unsent| unsent.filter.as_str() == filter));
        };
        let filters: Vec<_> = batch.iter().map(|desired| (desired.filter.as_str(), desired.options)).collect();
        let subscription_id = identifier.filter(|_| self.server.subscription_identifiers_available);
        let packet = Outgoing::Subscribe { packet_id, filters: &filters, subscription_id };
        if self.send(&packet, now).is_ok() {
            let filters = batch.iter().map(|desired| desired.filter.as_str().to_owned()).collect();
            self.subscribing.push((packet_id, filters));
            return self.record_request(Request::Subscribe(packet_id), now);
        }
        self.packet_ids.remove(packet_id);
        match batch {
            [one] => self.events.push_back(Event::subscribed(one, Err(ReasonCode::PACKET_TOO_LARGE))),
            // Together they exceed the server's packet size; separately they may fit.
            _ => batch.iter().for_each(|one| self.send_subscribe(std::slice::from_ref(one), identifier, now)),
        }
    }

    /// Marks subscriptions as not sent, to be requested (again).
    pub(super) fn unmark_sent(&mut self, is_unsent: impl Fn(&str) -> bool) {
        for desired in &mut self.desired {
            desired.sent &= !is_unsent(desired.subscription.filter.as_str());
        }
    }

    /// Sends UNSUBSCRIBE for the filters that the server may still have, one at a time.
    pub(super) fn send_unsubscribes(&mut self, now: Instant) {
        while !self.to_unsubscribe.is_empty()
            && !self.is_awaiting_answer()
            && let Some(packet_id) = self.packet_ids.allocate()
        {
            let filter = self.to_unsubscribe.remove(0);
            let packet = Outgoing::Unsubscribe { packet_id, filters: &[&filter] };
            if self.send(&packet, now).is_ok() {
                self.unsubscribing.push((packet_id, filter));
                self.record_request(Request::Unsubscribe(packet_id), now);
            } else {
                self.packet_ids.remove(packet_id);
                self.events.push_back(Event::Unsubscribed { filter, refused: Some(ReasonCode::PACKET_TOO_LARGE) });
            }
        }
    }
}
