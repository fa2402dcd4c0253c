//! Decodes whole packets.

use bytes::{Bytes, BytesMut};
use mqttbytes::{FixedHeader, PacketType, v4};

use crate::mqtt::codec::frame::{check_first_byte, is_publish, not_from_a_server};
use crate::mqtt::codec::limits::{Limits, too_many_properties, too_many_property_bytes};
use crate::mqtt::codec::primitives::{
    Fault, Reader, malformed, packet_id_zero, protocol_error, split_header, violation,
};
use crate::mqtt::codec::properties::{allowed, decode_properties};
use crate::mqtt::codec::publish;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::Violation;
use crate::mqtt::packet::{
    Ack, Auth, ConnAck, ConnAckProperties, Disconnect, Incoming, PacketId, Publish, ReasonCode, Refusal, SubAck,
    Version,
};

/// Decodes one whole packet: exactly the bytes that [`frame`](crate::mqtt::codec::frame::frame) measured.
///
/// Reason codes of 5.0 are accepted as received, known or not. A refusal in the form of 3.1.1 is understood in both
/// versions, because an old server answers a 5.0 CONNECT with one.
///
/// # Errors
/// Any violation of the standard, with its rule and the packet's first bytes. Checks that depend on state (is the
/// packet expected, is the alias known) are left to the session.
pub fn decode<'a>(packet: &'a [u8], version: Version, limits: &Limits) -> Result<Incoming<'a>, Violation> {
    if !is_publish(packet) {
        return decode_other(packet, version, limits);
    }
    let publish = publish::decode(packet, version)?;
    check_publish_limits(&publish, limits).map_err(|fault| violation(*fault, packet))?;
    Ok(Incoming::Publish(publish))
}

/// [`decode`] for all packets but PUBLISH.
pub(in crate::mqtt) fn decode_other(
    packet: &[u8],
    version: Version,
    limits: &Limits,
) -> Result<Incoming<'static>, Violation> {
    read_other(packet, version, limits).map_err(|fault| violation(*fault, packet))
}

/// [`decode`] for a PUBLISH in a series.
#[inline(always)]
pub(in crate::mqtt) fn decode_publish<'a>(
    packet: &'a [u8],
    version: Version,
    limits: &Limits,
    cache: &'a mut publish::PublishCache,
) -> Result<Publish<'a>, Violation> {
    match cache.decode(packet, version) {
        Ok(publish) => match check_publish_limits(&publish, limits) {
            Ok(()) => Ok(publish),
            Err(fault) => Err(violation(*fault, packet)),
        },
        Err(fault) => Err(violation(*fault, packet)),
    }
}

/// Counts properties only if there could be too many: each takes at least two bytes.
#[inline(always)]
fn check_publish_limits(publish: &Publish<'_>, limits: &Limits) -> Result<(), Fault> {
    let section = publish.properties;
    if section.len() > limits.property_bytes {
        return Err(too_many_property_bytes(section.len(), limits));
    }
    if section.len() / 2 > limits.properties {
        return count_properties(section, limits);
    }
    Ok(())
}

#[inline(never)]
fn count_properties(section: &[u8], limits: &Limits) -> Result<(), Fault> {
    match publish::properties(section).nth(limits.properties) {
        Some(_) => Err(too_many_properties(limits)),
        None => Ok(()),
    }
}

fn read_other(packet: &[u8], version: Version, limits: &Limits) -> Result<Incoming<'static>, Fault> {
    let (first, body) = split_header(packet)?;
    check_first_byte(first)?;
    let header_bytes = packet.len() - body.rest().len();
    let header = FixedHeader::new(first, header_bytes - 1, body.rest().len());
    let Ok(packet_type) = header.packet_type() else {
        return decode_auth(body, version, limits).map(Incoming::Auth);
    };
    match packet_type {
        PacketType::ConnAck => decode_connack(body, version, limits, None).map(Box::new).map(Incoming::ConnAck),
        PacketType::PubAck => decode_ack(packet, body, version, limits).map(Incoming::PubAck),
        PacketType::PubRec => decode_ack(packet, body, version, limits).map(Incoming::PubRec),
        PacketType::PubRel => decode_ack(packet, body, version, limits).map(Incoming::PubRel),
        PacketType::PubComp => decode_ack(packet, body, version, limits).map(Incoming::PubComp),
        PacketType::SubAck => match version {
            Version::V311 => decode_suback_v311(header, packet, body),
            Version::V5 => decode_codes(body, limits, "SUBACK", "section 3.9.3"),
        }
        .map(Incoming::SubAck),
        PacketType::UnsubAck => match version {
            Version::V311 => decode_unsuback_v311(packet, body),
            Version::V5 => decode_codes(body, limits, "UNSUBACK", "section 3.11.3"),
        }
        .map(Incoming::UnsubAck),
        PacketType::PingResp if body.is_empty() => Ok(Incoming::PingResp),
        PacketType::PingResp => Err(trailing("PINGRESP")),
        PacketType::Disconnect => decode_disconnect(body, version, limits).map(Incoming::Disconnect),
        // `check_first_byte` and `decode` have excluded these.
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq => Err(not_from_a_server(first)),
    }
}

#[cold]
fn trailing(packet: &str) -> Fault {
    malformed("section 4.13.1", format!("The broker sent {packet} with extra bytes at its end."))
}

/// Checks the acknowledgements of 3.1.1 and the short ones of 5.0: exactly a packet identifier that isn't zero.
fn decode_packet_id(packet: &[u8], body: Reader<'_>, version: Version, rule: &'static str) -> Result<PacketId, Fault> {
    const NO_ACK: &str = "The broker sent an invalid acknowledgement.";
    if body.rest().len() != 2 {
        return Err(malformed(
            "section 2.2.1",
            format!("The broker sent an acknowledgement of the wrong length for {version}."),
        ));
    }
    let mut stream = BytesMut::from(packet);
    let packet_id = match v4::read(&mut stream, packet.len()) {
        Ok(v4::Packet::PubAck(ack)) => ack.pkid,
        Ok(v4::Packet::PubRec(ack)) => ack.pkid,
        Ok(v4::Packet::PubRel(ack)) => ack.pkid,
        Ok(v4::Packet::PubComp(ack)) => ack.pkid,
        Ok(v4::Packet::UnsubAck(ack)) => ack.pkid,
        _ => return Err(malformed("section 2.2.1", NO_ACK)),
    };
    PacketId::new(packet_id).ok_or_else(|| packet_id_zero(rule))
}

/// PUBACK and similar packets carry the identifier of their PUBLISH, which isn't zero.
const PUBLISH_ID_RULE: &str = "[MQTT-2.2.1-5]";

/// SUBACK and UNSUBACK carry the identifier of the request that they answer.
const REQUEST_ID_RULE: &str = "[MQTT-2.2.1-6]";

fn decode_ack(packet: &[u8], mut body: Reader<'_>, version: Version, limits: &Limits) -> Result<Ack, Fault> {
    if version == Version::V311 || body.rest().len() <= 2 {
        let packet_id = decode_packet_id(packet, body, version, PUBLISH_ID_RULE)?;
        return Ok(Ack { packet_id, reason: ReasonCode::SUCCESS, reason_string: None, user_properties: Vec::new() });
    }
    let packet_id = body.packet_id(PUBLISH_ID_RULE)?;
    let reason = ReasonCode(body.u8()?);
    // The property length may be omitted if there are no properties (section 3.4.2.2.1).
    let properties = if body.is_empty() {
        ConnAckProperties::default()
    } else {
        decode_properties(&mut body, "an acknowledgement", allowed::REASON, limits, None)?
    };
    if !body.is_empty() {
        return Err(trailing("an acknowledgement"));
    }
    Ok(Ack { packet_id, reason, reason_string: properties.reason_string, user_properties: properties.user_properties })
}

fn decode_suback_v311(header: FixedHeader, packet: &[u8], body: Reader<'_>) -> Result<SubAck, Fault> {
    let ack = v4::SubAck::read(header, Bytes::copy_from_slice(packet));
    let ack = ack.map_err(|error| match error {
        mqttbytes::Error::InvalidSubscribeReasonCode(code) => malformed(
            "[MQTT-3.9.3-2] of 3.1.1",
            format!("The broker answered SUBSCRIBE with 0x{code:02X}, which isn't a valid return code."),
        ),
        _ => malformed("section 3.9 of 3.1.1", "The broker sent SUBACK without a return code."),
    })?;
    Ok(SubAck {
        packet_id: PacketId::new(ack.pkid).ok_or_else(|| packet_id_zero(REQUEST_ID_RULE))?,
        // The codes as received, which mqttbytes has checked.
        reasons: body.rest()[2..].iter().copied().map(ReasonCode).collect(),
        reason_string: None,
        user_properties: Vec::new(),
    })
}

fn decode_unsuback_v311(packet: &[u8], body: Reader<'_>) -> Result<SubAck, Fault> {
    Ok(SubAck {
        packet_id: decode_packet_id(packet, body, Version::V311, REQUEST_ID_RULE)?,
        reasons: Vec::new(),
        reason_string: None,
        user_properties: Vec::new(),
    })
}

/// Decodes SUBACK or UNSUBACK of 5.0: one code per filter.
fn decode_codes(mut body: Reader<'_>, limits: &Limits, packet: &str, rule: &'static str) -> Result<SubAck, Fault> {
    let packet_id = body.packet_id(REQUEST_ID_RULE)?;
    let properties = decode_properties(&mut body, packet, allowed::REASON, limits, None)?;
    if body.is_empty() {
        return Err(protocol_error(rule, format!("The broker sent {packet} without a reason code.")));
    }
    Ok(SubAck {
        packet_id,
        reasons: body.rest().iter().copied().map(ReasonCode).collect(),
        reason_string: properties.reason_string,
        user_properties: properties.user_properties,
    })
}

/// Decodes a CONNACK of 5.0 that [`decode`] refuses, if its meaning is clear despite the fault; returns the fault, too.
pub(in crate::mqtt) fn decode_tolerated_connack(packet: &[u8], limits: &Limits) -> Option<(ConnAck, Deviation)> {
    let (first, body) = split_header(packet).ok()?;
    if first != 0x20 {
        return None;
    }
    let mut deviation = None;
    let ack = decode_connack(body, Version::V5, limits, Some(&mut deviation)).ok()?;
    deviation.map(|deviation| (ack, deviation))
}

/// The codes of a SUBACK or UNSUBACK that a 5.0 server wrote in the form of 3.1.1: without a property length.
pub(in crate::mqtt) fn codes_in_v311_form(packet: &[u8]) -> Option<(PacketId, &[u8])> {
    let (_, mut body) = split_header(packet).ok()?;
    let packet_id = body.packet_id(REQUEST_ID_RULE).ok()?;
    Some((packet_id, body.rest()))
}

fn decode_connack(
    mut body: Reader<'_>,
    version: Version,
    limits: &Limits,
    tolerated: Option<&mut Option<Deviation>>,
) -> Result<ConnAck, Fault> {
    let flags = body.u8()?;
    let code = body.u8()?;
    if flags > 1 {
        return Err(malformed("[MQTT-3.2.2-1]", "The broker sent CONNACK with a reserved flag set."));
    }
    let session_present = flags == 1;
    if session_present && code != 0 {
        return Err(protocol_error(
            "[MQTT-3.2.2-6]",
            "The broker rejected the connection, but its CONNACK says that the session is present.",
        ));
    }
    let refusal = match (version, code) {
        (_, 0) => None,
        (Version::V311, code) => Some(Refusal::V311(code)),
        // The answer of a server that doesn't know 5.0.
        (Version::V5, code @ 1..=5) if body.is_empty() => Some(Refusal::V311(code)),
        (Version::V5, code @ 0x80..) => Some(Refusal::V5(ReasonCode(code))),
        (Version::V5, code) => {
            return Err(protocol_error(
                "[MQTT-3.2.2-8]",
                format!("The broker answered CONNECT with 0x{code:02X}, which means neither success nor an error."),
            ));
        }
    };
    if version == Version::V5 && refusal.is_none() && body.is_empty() {
        return Err(malformed(
            "section 3.2",
            "The broker answered CONNECT in the format of MQTT 3.1.1. It may support only that version.",
        ));
    }
    // A refusal without a property length violates the standard, but servers built on mqttbytes send it, and its reason
    // must be read.
    let properties = if version == Version::V311 || (refusal.is_some() && body.is_empty()) {
        ConnAckProperties::default()
    } else {
        decode_properties(&mut body, "CONNACK", allowed::CONNACK, limits, tolerated)?
    };
    if !body.is_empty() {
        return Err(trailing("CONNACK"));
    }
    Ok(ConnAck { session_present, refusal, properties })
}

fn decode_disconnect(mut body: Reader<'_>, version: Version, limits: &Limits) -> Result<Disconnect, Fault> {
    if version == Version::V311 {
        return Err(protocol_error(
            "section 3.14 of 3.1.1",
            "The broker sent DISCONNECT, which only clients may send in MQTT 3.1.1.",
        ));
    }
    // Both may be omitted: the reason if it is 0x00, the property length if there are no properties (section 3.14.2).
    if body.is_empty() {
        return Ok(Disconnect::new(ReasonCode::SUCCESS));
    }
    let reason = ReasonCode(body.u8()?);
    if body.is_empty() {
        return Ok(Disconnect::new(reason));
    }
    let properties = decode_properties(&mut body, "DISCONNECT", allowed::DISCONNECT, limits, None)?;
    if !body.is_empty() {
        return Err(trailing("DISCONNECT"));
    }
    if properties.session_expiry_s.is_some() {
        return Err(protocol_error(
            "[MQTT-3.14.2-2]",
            "The broker sent DISCONNECT with a session expiry, which only clients may set.",
        ));
    }
    Ok(Disconnect {
        reason,
        session_expiry_s: None,
        reason_string: properties.reason_string,
        user_properties: properties.user_properties,
        server_reference: properties.server_reference,
    })
}

fn decode_auth(mut body: Reader<'_>, version: Version, limits: &Limits) -> Result<Auth, Fault> {
    if version == Version::V311 {
        return Err(malformed("section 2.2.1 of 3.1.1", "The broker sent AUTH, which MQTT 3.1.1 doesn't have."));
    }
    // Both may be omitted if the reason is 0x00 (section 3.15.2.1).
    let (reason, properties) = if body.is_empty() {
        (ReasonCode::SUCCESS, ConnAckProperties::default())
    } else {
        let reason = ReasonCode(body.u8()?);
        (reason, decode_properties(&mut body, "AUTH", allowed::AUTH, limits, None)?)
    };
    if !body.is_empty() {
        return Err(trailing("AUTH"));
    }
    Ok(Auth {
        reason,
        method: properties.authentication_method,
        data: properties.authentication_data,
        reason_string: properties.reason_string,
        user_properties: properties.user_properties,
    })
}
