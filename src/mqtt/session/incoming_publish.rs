//! Messages from the server: PUBLISH and PUBREL arrive, PUBACK, PUBREC and PUBCOMP are sent.

use super::Session;
use crate::mqtt::codec::primitives::{Fault, fault, protocol_error, violation};
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::Tolerated;
use crate::mqtt::error::Violation;
use crate::mqtt::packet::{Ack, Outgoing, PacketId, Publish, QoS, ReasonCode, Version};
use crate::mqtt::session::event::MessageSink;
use crate::mqtt::session::options::TOPIC_ALIAS_MAXIMUM;
use crate::time::Instant;

impl Session {
    /// Sends PUBACK or PUBREC, if there is something to acknowledge.
    pub(super) fn acknowledge(&mut self, acknowledgement: Option<(QoS, PacketId)>, now: Instant) {
        match acknowledgement {
            Some((QoS::ExactlyOnce, id)) => self.send_required(&Outgoing::PubRec(id, ReasonCode::SUCCESS), now),
            Some((_, id)) => self.send_required(&Outgoing::PubAck(id, ReasonCode::SUCCESS), now),
            None => {}
        }
    }

    /// Handles a message that breaks a rule: tolerated if the table of [`deviation`](crate::mqtt::deviation) says so.
    #[cold]
    pub(super) fn handle_faulty_publish(
        &mut self,
        mut violation: Violation,
        packet: &[u8],
        now: Instant,
        sink: &mut impl MessageSink,
    ) {
        let topic = publish::topic_for_display(packet);
        let tolerated = match self.version {
            Version::V5 => publish::decode_tolerated(packet),
            Version::V311 => None,
        };
        let Some((tolerated, deviation)) = tolerated else {
            if let Some(topic) = topic {
                violation.message.push_str(&format!(" The topic is “{topic}”."));
            }
            return self.fail_with_violation(violation, now);
        };
        sink.on_deviation(deviation);
        self.report_deviation(deviation, topic);
        match tolerated {
            Tolerated::Kept(publish) => self.handle_any_publish(publish, packet, now, sink),
            Tolerated::Skipped(acknowledgement) => self.acknowledge(acknowledgement, now),
        }
    }

    /// Handles PUBLISH. A message of QoS 0 without an alias needs no state: the hot path.
    #[inline(always)]
    pub(super) fn handle_publish(
        &mut self,
        publish: Publish<'_>,
        packet: &[u8],
        now: Instant,
        sink: &mut impl MessageSink,
    ) {
        if publish.qos == QoS::AtMostOnce && publish.topic_alias.is_none() {
            return sink.on_message(&publish, now);
        }
        self.handle_any_publish(publish, packet, now, sink);
    }

    /// Handles a PUBLISH of any QoS, with or without a topic alias.
    #[inline(never)]
    fn handle_any_publish(&mut self, publish: Publish<'_>, packet: &[u8], now: Instant, sink: &mut impl MessageSink) {
        let is_first = match self.set_alias(&publish).and_then(|()| self.record_delivery(&publish)) {
            Ok(is_first) => is_first,
            Err(fault) => return self.fail_with_violation(violation(*fault, packet), now),
        };
        if is_first {
            let aliased = publish.topic_alias.and_then(|alias| self.topic_aliases.incoming(alias));
            let topic = if publish.topic.is_empty() { aliased.unwrap_or_default() } else { publish.topic };
            sink.on_message(&Publish { topic, ..publish }, now);
        }
        self.acknowledge(publish.packet_id.map(|id| (publish.qos, id)), now);
    }

    /// Stores the alias of a message; one without a topic must have an alias that is stored.
    fn set_alias(&mut self, publish: &Publish<'_>) -> Result<(), Fault> {
        if let Some(alias) = publish.topic_alias {
            if alias.get() > TOPIC_ALIAS_MAXIMUM {
                return Err(fault(
                    ReasonCode::TOPIC_ALIAS_INVALID,
                    "[MQTT-3.3.2-8]",
                    format!("The broker used topic alias {alias}; the maximum is {TOPIC_ALIAS_MAXIMUM}."),
                ));
            }
            if !publish.topic.is_empty() {
                self.topic_aliases.set_incoming(alias, publish.topic);
            }
        }
        let aliased = publish.topic_alias.and_then(|alias| self.topic_aliases.incoming(alias));
        if publish.topic.is_empty() && aliased.is_none() {
            return Err(protocol_error("(MQTT 5.0, 3.3.4)", "The broker used a topic alias that it never set."));
        }
        Ok(())
    }

    /// Records a QoS 2 message; returns `false` if it was delivered before and not released since, which makes this the
    /// same message again.
    fn record_delivery(&mut self, publish: &Publish<'_>) -> Result<bool, Fault> {
        let (QoS::ExactlyOnce, Some(id)) = (publish.qos, publish.packet_id) else { return Ok(true) };
        if self.received.contains(id) {
            return Ok(false);
        }
        let maximum = usize::from(self.options.receive_maximum);
        if self.version == Version::V5 && self.received.len() >= maximum + self.received_before {
            return Err(fault(
                ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                "[MQTT-3.3.4-9]",
                format!("The broker has more than {maximum} unfinished QoS 2 messages in flight."),
            ));
        }
        self.received.insert(id);
        self.dirty = true;
        Ok(true)
    }

    /// Handles PUBREL: the server won't send this message again.
    pub(super) fn handle_pubrel(&mut self, ack: &Ack, now: Instant) {
        let known = self.received.remove(ack.packet_id);
        self.dirty |= known;
        let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        self.send_required(&Outgoing::PubComp(ack.packet_id, reason), now);
    }
}
