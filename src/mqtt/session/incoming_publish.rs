//! Messages from the server: PUBLISH and PUBREL arrive, PUBACK, PUBREC and PUBCOMP are sent.

use super::Session;
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::Tolerated;
use crate::mqtt::error::Violation;
use crate::mqtt::packet::{Ack, Outgoing, PacketId, Publish, QoS, ReasonCode, Version};
use crate::mqtt::session::event::MessageSink;
use crate::mqtt::session::options::TOPIC_ALIAS_MAXIMUM;
use crate::time::Instant;

impl Session {
    pub(super) fn acknowledge(&mut self, acknowledgement: Option<(QoS, PacketId)>, now: Instant) {
        match acknowledgement {
            Some((QoS::ExactlyOnce, id)) => self.send_required(&Outgoing::PubRec(id, ReasonCode::SUCCESS), now),
            Some((_, id)) => self.send_required(&Outgoing::PubAck(id, ReasonCode::SUCCESS), now),
            None => {}
        }
    }

    /// Handles a message that breaks a rule: tolerated if the table of [`deviation`](super::deviation) says so.
    #[cold]
    pub(super) fn handle_faulty_publish(
        &mut self,
        mut violation: Violation,
        packet: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) {
        let topic = publish::topic_in_words(packet);
        let tolerated = match self.version {
            Version::V5 => publish::decode_tolerable(packet),
            Version::V311 => None,
        };
        let Some((tolerated, deviation)) = tolerated else {
            if let Some(topic) = topic {
                violation.words.push_str(&format!(" The topic is “{topic}”."));
            }
            return self.fail_with_violation(violation, now);
        };
        inbox.deviated(deviation);
        self.report_deviation(deviation, topic);
        match tolerated {
            Tolerated::Kept(publish) => self.handle_any_publish(publish, packet, now, inbox),
            Tolerated::Skipped(acknowledgement) => self.acknowledge(acknowledgement, now),
        }
    }

    #[inline(always)]
    pub(super) fn handle_publish(
        &mut self,
        publish: Publish<'_>,
        packet: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) {
        if publish.qos == QoS::AtMostOnce && publish.topic_alias.is_none() {
            return inbox.message(&publish, now);
        }
        self.handle_any_publish(publish, packet, now, inbox);
    }

    #[inline(never)]
    fn handle_any_publish(&mut self, publish: Publish<'_>, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        let alias = publish.topic_alias.map(|alias| usize::from(alias.get()));
        if let Some(alias) = alias {
            if alias > usize::from(TOPIC_ALIAS_MAXIMUM) {
                return self.fail_with_violation(
                    Violation {
                        reason: ReasonCode::TOPIC_ALIAS_INVALID,
                        rule: "[MQTT-3.3.2-8]",
                        words: format!(
                            "The broker used topic alias {alias}; {TOPIC_ALIAS_MAXIMUM} is the highest it may use."
                        ),
                        excerpt: Violation::excerpt_of(packet),
                    },
                    now,
                );
            }
            if !publish.topic.is_empty() {
                if self.aliases.len() <= alias {
                    self.aliases.resize(alias + 1, None);
                }
                self.aliases[alias] = Some(publish.topic.to_owned());
            }
        }
        let alias = alias.unwrap_or_default();
        if publish.topic.is_empty() && self.aliases.get(alias).is_none_or(Option::is_none) {
            return self.protocol_error(
                "The broker used a topic alias that it never set.",
                "(MQTT 5.0, 3.3.4)",
                packet,
                now,
            );
        }
        let unfinished = usize::from(self.options.receive_maximum);
        let fresh = match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(id)) if !self.received.contains(id) => {
                if self.version == Version::V5 && self.received.len() >= unfinished + self.received_before {
                    return self.fail_with_violation(
                        Violation {
                            reason: ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                            rule: "[MQTT-3.3.4-9]",
                            words: format!("The broker has more than {unfinished} unfinished messages under way."),
                            excerpt: Violation::excerpt_of(packet),
                        },
                        now,
                    );
                }
                self.received.insert(id);
                self.unsaved = true;
                true
            }
            // Delivered before, and not released since: the same message again.
            (QoS::ExactlyOnce, Some(_)) => false,
            _ => true,
        };
        if fresh {
            let aliased = self.aliases.get(alias).and_then(Option::as_deref);
            let topic = if publish.topic.is_empty() { aliased.unwrap_or_default() } else { publish.topic };
            inbox.message(&Publish { topic, ..publish }, now);
        }
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => self.send_required(&Outgoing::PubAck(id, ReasonCode::SUCCESS), now),
            (QoS::ExactlyOnce, Some(id)) => self.send_required(&Outgoing::PubRec(id, ReasonCode::SUCCESS), now),
            _ => {}
        }
    }

    pub(super) fn handle_pubrel(&mut self, ack: &Ack, now: Instant) {
        let known = self.received.remove(ack.packet_id);
        self.unsaved |= known;
        let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        self.send_required(&Outgoing::PubComp(ack.packet_id, reason), now);
    }
}
