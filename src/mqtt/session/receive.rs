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
use crate::mqtt::packet::{Incoming, ReasonCode, Version};
use crate::mqtt::session::event::{Event, MessageSink};
use crate::mqtt::session::phase::Phase;
use crate::time::Instant;

/// The capacity kept for incomplete packets: as much as a transport delivers at once.
const PARTIAL_PACKET_KEPT_BYTES: usize = 64 * 1024;

impl Session {
    /// Handles input, which need not be whole packets. Messages in it are lent to `sink`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant, sink: &mut impl MessageSink) {
        if !self.is_transport_open() {
            return;
        }
        self.last_received = now;
        self.ping_sent = None;
        self.probe_until = None;
        let bytes = if self.skipping.is_some() { self.skip(bytes, now) } else { bytes };
        if self.partial_packet.is_empty() {
            let used = self.consume(bytes, now, sink);
            self.partial_packet.extend_from_slice(&bytes[used..]);
        } else {
            let mut partial_packet = std::mem::take(&mut self.partial_packet);
            partial_packet.extend_from_slice(bytes);
            let used = self.consume(&partial_packet, now, sink);
            partial_packet.drain(..used);
            // The capacity for a large packet isn't kept for the small ones after it; but it is kept while the packet
            // is incomplete, because otherwise each part would move everything before it.
            if partial_packet.len() <= PARTIAL_PACKET_KEPT_BYTES {
                partial_packet.shrink_to(PARTIAL_PACKET_KEPT_BYTES);
            }
            self.partial_packet = partial_packet;
        }
    }

    /// Handles the whole packets at the start of `input`; returns their length.
    fn consume(&mut self, input: &[u8], now: Instant, sink: &mut impl MessageSink) -> usize {
        let mut cache = std::mem::take(&mut self.publish_cache);
        let used = self.handle_packets(&mut cache, input, now, sink);
        self.publish_cache = cache;
        used
    }

    fn handle_packets(
        &mut self,
        cache: &mut PublishCache,
        input: &[u8],
        now: Instant,
        sink: &mut impl MessageSink,
    ) -> usize {
        let mut rest = input;
        while self.is_transport_open() {
            let packet = match frame::frame(rest, &self.options.limits) {
                Ok(Some(packet_bytes)) => rest.split_at_checked(packet_bytes),
                Ok(None) => None,
                Err(violation) => match self.start_skipping(rest, &violation) {
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
            sink.on_packet(packet, now);
            if !frame::is_publish(packet) || !self.is_connected() {
                self.handle_other_packet(packet, now, sink);
                continue;
            }
            match decode::decode_publish(packet, self.version, &self.options.limits, cache) {
                Ok(publish) => self.handle_publish(publish, packet, now, sink),
                Err(violation) => self.handle_faulty_publish(violation, packet, now, sink),
            }
        }
        // The connection ended in between, so the rest is discarded.
        input.len()
    }

    /// Starts to skip a packet that is refused by its length, because 3.1.1 can't state our limit to a server. Returns
    /// `None` if it isn't skipped, and `Some(false)` while its topic is incomplete.
    #[cold]
    fn start_skipping(&mut self, input: &[u8], violation: &Violation) -> Option<bool> {
        let is_message = self.version == Version::V311
            && self.is_connected()
            && violation.reason == ReasonCode::PACKET_TOO_LARGE
            && frame::is_publish(input)
            && input[0] & 0b110 != 0b110;
        if !is_message {
            return None;
        }
        // The topic and the fixed header are much shorter than an oversized packet.
        let oversized = frame::oversized_publish(input);
        let Some(oversized) = oversized else { return (input.len() < PARTIAL_PACKET_KEPT_BYTES * 2).then_some(false) };
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

    /// Reports a tolerated fault, the first time on this connection.
    pub(super) fn report_deviation(&mut self, deviation: Deviation, topic: Option<String>) {
        if !self.reported_deviations.contains(&deviation) {
            self.reported_deviations.push(deviation);
            self.events.push_back(Event::Deviated { deviation, topic });
        }
    }

    /// Handles any packet but a PUBLISH on an accepted connection.
    #[inline(never)]
    fn handle_other_packet(&mut self, packet: &[u8], now: Instant, sink: &mut impl MessageSink) {
        if frame::is_publish(packet) {
            return self.out_of_order(packet, now);
        }
        match decode::decode_other(packet, self.version, &self.options.limits) {
            Ok(decoded) => self.handle_decoded(decoded, packet, now, sink),
            Err(violation) => self.handle_faulty_packet(violation, packet, now, sink),
        }
    }

    /// Handles a packet other than a message that breaks a rule: tolerated if the table of
    /// [`deviation`](crate::mqtt::deviation) says so.
    #[cold]
    fn handle_faulty_packet(&mut self, violation: Violation, packet: &[u8], now: Instant, sink: &mut impl MessageSink) {
        let is_v5 = self.version == Version::V5;
        if is_v5 && self.is_connected() && self.handle_v311_form(packet, now, sink) {
            return;
        }
        match self.phase {
            Phase::AwaitingConnAck { .. } if is_v5 && !self.may_fall_back() => {
                match decode::decode_tolerated_connack(packet, &self.options.limits) {
                    Some((ack, deviation)) => {
                        self.handle_connack(ack, packet, now);
                        if self.is_transport_open() {
                            sink.on_deviation(deviation);
                            self.report_deviation(deviation, None);
                        }
                    }
                    None => self.fail_with_violation(violation, now),
                }
            }
            _ => self.fail_with_violation(violation, now),
        }
    }

    /// Hands a packet to the handler of its type.
    fn handle_decoded(&mut self, decoded: Incoming<'_>, packet: &[u8], now: Instant, sink: &mut impl MessageSink) {
        let online = self.is_connected();
        match decoded {
            Incoming::PubAck(ack) if online => self.handle_puback(&ack, now),
            Incoming::PubRec(ack) if online => self.handle_pubrec(&ack, now),
            Incoming::PubRel(ack) if online => self.handle_pubrel(&ack, now),
            Incoming::PubComp(ack) if online => self.handle_pubcomp(&ack, now),
            Incoming::SubAck(ack) if online => self.handle_suback(&ack, packet, now, sink),
            Incoming::UnsubAck(ack) if online => self.handle_unsuback(&ack, packet, now),
            Incoming::PingResp if online => self.handle_ping_resp(now),
            Incoming::Disconnect(disconnect) if online => self.fail(Failure::ServerDisconnect(disconnect), now),
            Incoming::ConnAck(ack) if !online => self.handle_connack(*ack, packet, now),
            Incoming::Auth(_) => self.protocol_error(
                "The broker sent AUTH, but no authentication method was requested.",
                "[MQTT-4.12.0-6]",
                packet,
                now,
            ),
            Incoming::ConnAck(_) => self.protocol_error("The broker sent a second CONNACK.", "(MQTT 3.2)", packet, now),
            _ => self.out_of_order(packet, now),
        }
    }

    /// Refuses a packet before CONNACK, or one that has no handler.
    fn out_of_order(&mut self, packet: &[u8], now: Instant) {
        self.protocol_error("The broker's first packet wasn't a CONNACK.", "[MQTT-3.2.0-1]", packet, now);
    }
}
