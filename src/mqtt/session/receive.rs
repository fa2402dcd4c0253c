//! Input: finds the packets in it and hands each to the handler of its type.
//!
//! | packet | handled in |
//! |---|---|
//! | CONNACK | `connect` |
//! | PUBLISH, PUBREL | `incoming_publish` |
//! | PUBACK, PUBREC, PUBCOMP | `outgoing_publish` |
//! | SUBACK, UNSUBACK | `subscribe` |
//! | PINGRESP | `requests` |
//! | DISCONNECT | `failure` |

use super::Session;
use crate::mqtt::codec::frame::Oversized;
use crate::mqtt::codec::publish::PublishCache;
use crate::mqtt::codec::{decode, frame};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{Failure, Violation};
use crate::mqtt::packet::{Incoming, QoS, ReasonCode, Version};
use crate::mqtt::session::event::{Event, MessageSink};
use crate::mqtt::session::phase::Phase;
use crate::time::Instant;

/// The capacity kept for incomplete packets: as much as a transport delivers at once.
const TAIL_KEPT_BYTES: usize = 64 * 1024;

impl Session {
    /// Handles input, which need not be whole packets. Messages in it are lent to `inbox`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        if !self.is_transport_open() {
            return;
        }
        self.last_received = now;
        self.ping_sent = None;
        self.probe_until = None;
        let bytes = if self.skipping.is_some() { self.skip(bytes, now) } else { bytes };
        if self.tail.is_empty() {
            let used = self.consume(bytes, now, inbox);
            self.tail.extend_from_slice(&bytes[used..]);
        } else {
            let mut tail = std::mem::take(&mut self.tail);
            tail.extend_from_slice(bytes);
            let used = self.consume(&tail, now, inbox);
            tail.drain(..used);
            // The capacity for a large packet isn't kept for the small ones after it; but it is kept while the packet
            // is incomplete, because otherwise each part would move everything before it.
            if tail.len() <= TAIL_KEPT_BYTES {
                tail.shrink_to(TAIL_KEPT_BYTES);
            }
            self.tail = tail;
        }
    }

    /// Handles the whole packets at the start of `input`; returns their length.
    fn consume(&mut self, input: &[u8], now: Instant, inbox: &mut impl MessageSink) -> usize {
        let mut known = std::mem::take(&mut self.known);
        let used = self.consume_after(&mut known, input, now, inbox);
        self.known = known;
        used
    }

    fn consume_after(
        &mut self,
        known: &mut PublishCache,
        input: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) -> usize {
        let mut rest = input;
        while self.is_transport_open() {
            let packet = match frame::frame(rest, &self.options.limits) {
                Ok(Some(packet_bytes)) => rest.split_at_checked(packet_bytes),
                Ok(None) => None,
                Err(violation) => match self.skips(rest, &violation) {
                    Some(true) => {
                        rest = self.skip(rest, now);
                        continue;
                    }
                    Some(false) => None,
                    None => {
                        self.fail_with_violation(violation, now);
                        break;
                    }
                },
            };
            let Some((packet, after)) = packet else { return input.len() - rest.len() };
            rest = after;
            inbox.packet(packet, now);
            if !frame::is_publish(packet) || !matches!(self.phase, Phase::Online { .. }) {
                self.handle_packet(packet, now, inbox);
                continue;
            }
            match decode::decode_publish(packet, self.version, &self.options.limits, known) {
                Ok(publish) => self.handle_publish(publish, packet, now, inbox),
                Err(violation) => self.handle_faulty_publish(violation, packet, now, inbox),
            }
        }
        // The connection ended in between, so the rest is discarded.
        input.len()
    }

    /// Whether a packet that is refused by its length is skipped, because 3.1.1 can't state our limit to a server.
    /// `Some(false)` while its topic is incomplete.
    #[cold]
    fn skips(&mut self, input: &[u8], violation: &Violation) -> Option<bool> {
        let is_message = self.version == Version::V311
            && matches!(self.phase, Phase::Online { .. })
            && violation.reason == ReasonCode::PACKET_TOO_LARGE
            && frame::is_publish(input)
            && input[0] & 0b110 != 0b110;
        if !is_message {
            return None;
        }
        // The topic and the fixed header are much shorter than an oversized packet.
        let oversized = frame::oversized_publish(input);
        let Some(oversized) = oversized else { return (input.len() < TAIL_KEPT_BYTES * 2).then_some(false) };
        self.skipping = Some((oversized.clone(), oversized.packet_bytes));
        Some(true)
    }

    /// Removes the bytes of the skipped message from the input.
    #[cold]
    fn skip<'a>(&mut self, input: &'a [u8], now: Instant) -> &'a [u8] {
        let Some((oversized, missing)) = self.skipping.take() else { return input };
        let skipped = input.len().min(missing);
        if skipped < missing {
            self.skipping = Some((oversized, missing - skipped));
            return &[];
        }
        // It is acknowledged, because otherwise a server that keeps the session would send it again and again.
        self.acknowledge(oversized.acknowledgement, now);
        let Oversized { topic, packet_bytes, .. } = oversized;
        self.events.push_back(Event::Skipped { topic, packet_bytes });
        &input[skipped..]
    }

    pub(super) fn report_deviation(&mut self, deviation: Deviation, topic: Option<String>) {
        if !self.told.contains(&deviation) {
            self.told.push(deviation);
            self.events.push_back(Event::Deviated { deviation, topic });
        }
    }

    /// Handles any packet but a message.
    #[inline(never)]
    fn handle_packet(&mut self, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        if frame::is_publish(packet) {
            return self.out_of_order(packet, now);
        }
        match decode::decode_other(packet, self.version, &self.options.limits) {
            Ok(decoded) => self.handle_decoded(decoded, packet, now, inbox),
            Err(violation) => self.handle_faulty_packet(violation, packet, now, inbox),
        }
    }

    /// Handles a packet other than a message that breaks a rule: tolerated if the table of
    /// [`deviation`](super::deviation) says so.
    #[cold]
    fn handle_faulty_packet(
        &mut self,
        violation: Violation,
        packet: &[u8],
        now: Instant,
        inbox: &mut impl MessageSink,
    ) {
        let is_v5 = self.version == Version::V5;
        if is_v5 && matches!(self.phase, Phase::Online { .. }) && self.handle_old_form(packet, now, inbox) {
            return;
        }
        match self.phase {
            Phase::Greeting { .. } if is_v5 && !self.may_go_back() => {
                match decode::decode_tolerable_connack(packet, &self.options.limits) {
                    Some((ack, deviation)) => {
                        self.handle_connack(ack, packet, now);
                        if self.is_transport_open() {
                            inbox.deviated(deviation);
                            self.report_deviation(deviation, None);
                        }
                    }
                    None => self.fail_with_violation(violation, now),
                }
            }
            _ => self.fail_with_violation(violation, now),
        }
    }

    fn handle_decoded(&mut self, decoded: Incoming<'_>, packet: &[u8], now: Instant, inbox: &mut impl MessageSink) {
        let online = matches!(self.phase, Phase::Online { .. });
        match decoded {
            Incoming::PubAck(ack) if online => self.finish_publish(&ack, QoS::AtLeastOnce, now),
            Incoming::PubRec(ack) if online => self.handle_pubrec(&ack, now),
            Incoming::PubRel(ack) if online => self.handle_pubrel(&ack, now),
            Incoming::PubComp(ack) if online => self.handle_pubcomp(&ack, now),
            Incoming::SubAck(ack) if online => self.handle_suback(&ack, packet, now, inbox),
            Incoming::UnsubAck(ack) if online => {
                self.handle_unsuback(&ack, packet, now);
            }
            // Any input has already ended the wait for an answer.
            Incoming::PingResp if online => self.handle_ping_resp(now),
            Incoming::Disconnect(goodbye) if online => self.fail(Failure::Disconnected(goodbye), now),
            Incoming::ConnAck(ack) if !online => self.handle_connack(*ack, packet, now),
            Incoming::Auth(_) => self.protocol_error(
                "The broker wants to exchange AUTH packets, and no authentication method was agreed on.",
                "[MQTT-4.12.0-6]",
                packet,
                now,
            ),
            Incoming::ConnAck(_) => self.protocol_error("The broker sent a second CONNACK.", "(MQTT 3.2)", packet, now),
            _ => self.out_of_order(packet, now),
        }
    }

    fn out_of_order(&mut self, packet: &[u8], now: Instant) {
        self.protocol_error("The broker's first packet wasn't a CONNACK.", "[MQTT-3.2.0-1]", packet, now);
    }
}
