//! Encodes and decodes packets of both versions; the only user of `mqttbytes`.
//!
//! `mqttbytes` frames the input, names the packet types, decodes the acknowledgements that consist only of a packet
//! identifier and the SUBACK of 3.1.1, and writes the packets without optional fields. What it doesn't check is checked
//! here before it gets a byte. What can't be corrected around it (CONNECT, CONNACK, PUBLISH, DISCONNECT, AUTH and all
//! properties of 5.0) is our own code.
//!
//! There are three steps, each with its own errors:
//!
//! 1. [`frame`] measures the next packet. Only this step may ask for more bytes. It changes nothing, so it can be
//!    repeated with more input at any time.
//! 2. [`decode`] reads a measured packet. An end that comes too early is then a malformed packet, never a reason to
//!    wait.
//! 3. [`encode`] appends a packet, or nothing at all.
//!
//! Rules are cited by their numbers in MQTT 5.0 unless marked "of 3.1.1".

pub(crate) mod primitives;
pub mod publish;

use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use mqttbytes::{FixedHeader, PacketType, v4, v5};

use super::deviation::Deviation;
use super::error::{EncodeError, Violation};
use super::packet::{
    Ack, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Incoming, Outgoing, PacketId,
    Publish, QoS, ReasonCode, Refusal, RetainHandling, SubAck, SubscriptionOptions, Version, Will,
};
use super::topic::{self, TopicError, TopicName};
use crate::mqtt::codec::primitives::{
    Fault, Reader, VARIABLE_INTEGER_MAX, boolean, fault, id, malformed, misplaced, once, packet_id_zero,
    protocol_error, put_binary, put_text, put_u16, put_u32, put_user_properties, put_variable_integer, split_header,
    variable_integer_bytes, violation,
};

/// Limits on what we accept from a server.
///
/// Single strings and binary fields need no limit of their own: their two-byte length ends at 65,535, and their sum is
/// bounded by `property_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest packet in bytes, fixed header included. 16 MiB by default: above any message that a person reads, and a
    /// sixteenth of what MQTT would let a server make us keep for one packet. Stated to a 5.0 server in CONNECT.
    pub packet_bytes: u32,
    /// Largest property section in bytes. 1 MiB by default: enough for a dozen properties of the greatest possible
    /// length.
    pub property_bytes: usize,
    /// Maximum number of properties in one packet. 1,024 by default: brokers add a few and publishers some tens, while
    /// a packet of 16 MiB could contain three million empty ones that take ten times its size once decoded.
    pub properties: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { packet_bytes: 16 * 1024 * 1024, property_bytes: 1024 * 1024, properties: 1024 }
    }
}

/// Measures the first packet in `input`: returns its length in bytes, or `None` while it is incomplete.
///
/// # Errors
/// As soon as the present bytes can't become a packet: a first byte that no server sends, a length of more than four
/// bytes, or more bytes than the limit, which is known long before they have arrived.
#[inline(always)]
pub fn frame(input: &[u8], limits: &Limits) -> Result<Option<usize>, Violation> {
    // The most frequent case, once per message: a whole PUBLISH shorter than 16 KiB.
    let packet_bytes = match input {
        [0x30..=0x3F, low @ ..=0x7F, ..] => 2 + usize::from(*low),
        [0x30..=0x3F, low, high @ 0x01..=0x7F, ..] => 3 + (usize::from(low & 0x7F) | usize::from(*high) << 7),
        _ => usize::MAX,
    };
    if packet_bytes <= input.len() && packet_bytes <= limits.packet_bytes as usize {
        return Ok(Some(packet_bytes));
    }
    frame_of_any(input, limits)
}

#[inline(never)]
fn frame_of_any(input: &[u8], limits: &Limits) -> Result<Option<usize>, Violation> {
    let Some(&first) = input.first() else {
        return Ok(None);
    };
    check_first_byte(first).map_err(|fault| violation(*fault, input))?;
    // mqttbytes compares its limit with the remaining length only, so it gets none and the whole packet is compared
    // here. If bytes are missing, the sum is the packet's length, or less while the length itself is incomplete.
    let (packet_bytes, is_whole) = match mqttbytes::check(input.iter(), usize::MAX) {
        Ok(header) => (header.frame_length(), true),
        Err(mqttbytes::Error::InsufficientBytes(missing)) => (input.len() + missing, false),
        Err(_) => {
            let words = "The broker sent a packet with a length of more than four bytes.";
            return Err(violation(*malformed("section 2.1.4", words), input));
        }
    };
    if packet_bytes > limits.packet_bytes as usize {
        return Err(violation(*too_large(packet_bytes, limits), input));
    }
    Ok(is_whole.then_some(packet_bytes))
}

#[cold]
fn too_large(packet_bytes: usize, limits: &Limits) -> Fault {
    fault(
        ReasonCode::PACKET_TOO_LARGE,
        "[MQTT-3.1.2-24]",
        format!("The broker sent a packet of {packet_bytes} bytes; the limit is {} bytes.", limits.packet_bytes),
    )
}

/// Decodes one whole packet: exactly the bytes that [`frame`] measured.
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
pub(super) fn decode_other(packet: &[u8], version: Version, limits: &Limits) -> Result<Incoming<'static>, Violation> {
    read_other(packet, version, limits).map_err(|fault| violation(*fault, packet))
}

/// Whether the packet is a PUBLISH.
#[inline(always)]
pub(super) fn is_publish(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == PacketType::Publish as u8)
}

/// [`decode`] for a PUBLISH in a series.
#[inline(always)]
pub(super) fn decode_publish<'a>(
    packet: &'a [u8],
    version: Version,
    limits: &Limits,
    known: &'a mut publish::PublishCache,
) -> Result<Publish<'a>, Violation> {
    match known.decode(packet, version) {
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

#[cold]
fn too_many_property_bytes(bytes: usize, limits: &Limits) -> Fault {
    fault(
        ReasonCode::QUOTA_EXCEEDED,
        "section 4.13.2",
        format!(
            "The broker sent a packet with {bytes} bytes of properties; the limit is {} bytes.",
            limits.property_bytes
        ),
    )
}

#[cold]
fn too_many_properties(limits: &Limits) -> Fault {
    fault(
        ReasonCode::QUOTA_EXCEEDED,
        "section 4.13.2",
        format!("The broker sent a packet with more than {} properties, which is the limit.", limits.properties),
    )
}

/// Whether a server may start a packet with this byte: its type and, except for PUBLISH, the reserved flags
/// `[MQTT-2.1.3-1]`.
#[inline]
fn check_first_byte(first: u8) -> Result<(), Fault> {
    match first {
        0x20 | 0x30..=0x3F | 0x40 | 0x50 | 0x62 | 0x70 | 0x90 | 0xB0 | 0xD0 | 0xE0 | 0xF0 => Ok(()),
        _ => Err(not_from_a_server(first)),
    }
}

#[cold]
fn not_from_a_server(first: u8) -> Fault {
    let name = match first {
        0x10 => "CONNECT",
        0x82 => "SUBSCRIBE",
        0xA2 => "UNSUBSCRIBE",
        0xC0 => "PINGREQ",
        0x14..=0x17 => {
            return malformed(
                "[MQTT-2.1.3-1]",
                "What arrived looks like TLS, not MQTT. Does the address of this port begin with wss:// or mqtts://?",
            );
        }
        0x00..=0x0F => {
            return malformed(
                "section 2.1.2",
                "What arrived is no MQTT: no packet begins with the type 0. Is it the broker's MQTT port?",
            );
        }
        _ => {
            let words = format!(
                "What arrived is no MQTT: no server begins a packet with 0x{first:02X}. Is it the broker's MQTT port?"
            );
            return malformed("[MQTT-2.1.3-1]", words);
        }
    };
    protocol_error("section 2.1.2", format!("The broker sent {name}, which only clients send."))
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
    malformed("section 4.13.1", format!("The broker sent {packet} with more bytes than belong to it."))
}

/// Checks the acknowledgements of 3.1.1 and the short ones of 5.0: exactly a packet identifier that isn't zero.
fn decode_packet_id(packet: &[u8], body: Reader<'_>, version: Version, rule: &'static str) -> Result<PacketId, Fault> {
    const NO_ACK: &str = "The broker sent an acknowledgement that is none.";
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
            format!("The broker answered a subscription with 0x{code:02X}, which has no meaning."),
        ),
        _ => malformed("section 3.9 of 3.1.1", "The broker sent a SUBACK without an answer."),
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
pub(super) fn decode_tolerable_connack(packet: &[u8], limits: &Limits) -> Option<(ConnAck, Deviation)> {
    let (first, body) = split_header(packet).ok()?;
    if first != 0x20 {
        return None;
    }
    let mut deviation = None;
    let ack = decode_connack(body, Version::V5, limits, Some(&mut deviation)).ok()?;
    deviation.map(|deviation| (ack, deviation))
}

/// The codes of a SUBACK or UNSUBACK that a 5.0 server wrote in the form of 3.1.1: without a property length.
pub(super) fn codes_in_old_form(packet: &[u8]) -> Option<(PacketId, &[u8])> {
    let (_, mut body) = split_header(packet).ok()?;
    let packet_id = body.packet_id(REQUEST_ID_RULE).ok()?;
    Some((packet_id, body.rest()))
}

/// A PUBLISH larger than we accept, read from its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Oversized {
    /// Size of the whole packet.
    pub(super) packet_bytes: usize,
    /// Its topic; bytes that aren't UTF-8 are replaced.
    pub(super) topic: String,
    /// The acknowledgement to send, at QoS 1 and 2.
    pub(super) acknowledgement: Option<(QoS, PacketId)>,
}

/// Reads the start of a packet that [`frame`] refuses by its length. `None` while its topic is incomplete, or if it
/// isn't a PUBLISH of 3.1.1.
pub(super) fn oversized_publish(input: &[u8]) -> Option<Oversized> {
    let header = mqttbytes::check(input.iter(), usize::MAX);
    let packet_bytes = match header {
        Ok(header) => header.frame_length(),
        Err(mqttbytes::Error::InsufficientBytes(missing)) => input.len() + missing,
        Err(_) => return None,
    };
    let length_bytes = input.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 1;
    let mut body = Reader::new(input.get(1 + length_bytes..)?);
    let topic = String::from_utf8_lossy(body.binary().ok()?).into_owned();
    let qos = QoS::from_u8(input.first()? >> 1 & 0b11)?;
    let acknowledgement = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some((qos, body.packet_id(PUBLISH_ID_RULE).ok()?)),
    };
    Some(Oversized { packet_bytes, topic, acknowledgement })
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
        return Err(malformed("[MQTT-3.2.2-1]", "The broker answered CONNECT with a reserved flag set."));
    }
    let session_present = flags == 1;
    if session_present && code != 0 {
        return Err(protocol_error(
            "[MQTT-3.2.2-6]",
            "The broker refused the connection and yet says that it holds our session.",
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
                format!("The broker answered CONNECT with 0x{code:02X}, neither yes nor no."),
            ));
        }
    };
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
            "The broker sent DISCONNECT, which only clients send in MQTT 3.1.1.",
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

/// The properties that a server may put into each packet (table 2-4).
mod allowed {
    use super::id;

    pub(super) const REASON: &[u8] = &[id::REASON_STRING, id::USER_PROPERTY];
    pub(super) const DISCONNECT: &[u8] =
        &[id::SESSION_EXPIRY_INTERVAL, id::SERVER_REFERENCE, id::REASON_STRING, id::USER_PROPERTY];
    pub(super) const AUTH: &[u8] =
        &[id::AUTHENTICATION_METHOD, id::AUTHENTICATION_DATA, id::REASON_STRING, id::USER_PROPERTY];
    pub(super) const CONNACK: &[u8] = &[
        id::SESSION_EXPIRY_INTERVAL,
        id::ASSIGNED_CLIENT_IDENTIFIER,
        id::SERVER_KEEP_ALIVE,
        id::AUTHENTICATION_METHOD,
        id::AUTHENTICATION_DATA,
        id::RESPONSE_INFORMATION,
        id::SERVER_REFERENCE,
        id::REASON_STRING,
        id::RECEIVE_MAXIMUM,
        id::TOPIC_ALIAS_MAXIMUM,
        id::MAXIMUM_QOS,
        id::RETAIN_AVAILABLE,
        id::USER_PROPERTY,
        id::MAXIMUM_PACKET_SIZE,
        id::WILDCARD_AVAILABLE,
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
        id::SHARED_AVAILABLE,
    ];
}

/// Reads the property section of any packet but PUBLISH. CONNACK can carry all properties that the others can, so its
/// type is used for all of them. If `tolerated` is given, a value out of range is reported there instead of as an
/// error.
fn decode_properties(
    body: &mut Reader<'_>,
    packet: &str,
    allowed: &[u8],
    limits: &Limits,
    mut tolerated: Option<&mut Option<Deviation>>,
) -> Result<ConnAckProperties, Fault> {
    let mut section = body.section()?;
    if section.rest().len() > limits.property_bytes {
        return Err(too_many_property_bytes(section.rest().len(), limits));
    }
    let mut properties = ConnAckProperties::default();
    let mut seen = 0;
    let mut count = 0;
    while !section.is_empty() {
        count += 1;
        if count > limits.properties {
            return Err(too_many_properties(limits));
        }
        let property = section.u8()?;
        if !allowed.contains(&property) {
            return Err(misplaced(property, packet));
        }
        if property != id::USER_PROPERTY {
            once(&mut seen, property).map_err(|mut fault| {
                fault.rule = once_rule(property, packet).unwrap_or(fault.rule);
                fault
            })?;
        }
        if let Some(tolerated) = tolerated.as_deref_mut()
            && let Some(deviation) = skip_out_of_range(property, &mut section, &mut properties)
        {
            tolerated.get_or_insert(deviation);
            continue;
        }
        decode_property(property, &mut section, &mut properties)?;
    }
    Ok(properties)
}

/// The section that allows this property of CONNACK only once.
fn once_rule(property: u8, packet: &str) -> Option<&'static str> {
    if packet != "CONNACK" {
        return None;
    }
    Some(match property {
        id::SESSION_EXPIRY_INTERVAL => "section 3.2.2.3.2",
        id::RECEIVE_MAXIMUM => "section 3.2.2.3.3",
        id::MAXIMUM_QOS => "section 3.2.2.3.4",
        id::RETAIN_AVAILABLE => "section 3.2.2.3.5",
        id::MAXIMUM_PACKET_SIZE => "section 3.2.2.3.6",
        id::ASSIGNED_CLIENT_IDENTIFIER => "section 3.2.2.3.7",
        id::TOPIC_ALIAS_MAXIMUM => "section 3.2.2.3.8",
        id::REASON_STRING => "section 3.2.2.3.9",
        id::WILDCARD_AVAILABLE => "section 3.2.2.3.11",
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => "section 3.2.2.3.12",
        id::SHARED_AVAILABLE => "section 3.2.2.3.13",
        id::SERVER_KEEP_ALIVE => "section 3.2.2.3.14",
        id::RESPONSE_INFORMATION => "section 3.2.2.3.15",
        id::SERVER_REFERENCE => "section 3.2.2.3.16",
        id::AUTHENTICATION_METHOD => "section 3.2.2.3.17",
        id::AUTHENTICATION_DATA => "section 3.2.2.3.18",
        _ => return None,
    })
}

/// Removes a value from `section` if it is out of range.
fn skip_out_of_range(property: u8, section: &mut Reader<'_>, into: &mut ConnAckProperties) -> Option<Deviation> {
    let value = section.rest();
    let (value_bytes, deviation) = match (property, value) {
        (id::MAXIMUM_QOS, [2..=u8::MAX, ..]) => (1, Deviation::MaximumQos),
        (
            id::RETAIN_AVAILABLE
            | id::WILDCARD_AVAILABLE
            | id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE
            | id::SHARED_AVAILABLE,
            [2..=u8::MAX, ..],
        ) => (1, Deviation::ConnAckFlag),
        (id::RECEIVE_MAXIMUM, [0, 0, ..]) => (2, Deviation::ReceiveMaximum),
        (id::MAXIMUM_PACKET_SIZE, [0, 0, 0, 0, ..]) => (4, Deviation::MaximumPacketSize),
        _ => return None,
    };
    if deviation == Deviation::ReceiveMaximum {
        into.receive_maximum = Some(1);
    }
    *section = Reader::new(&value[value_bytes..]);
    Some(deviation)
}

fn decode_property(property: u8, section: &mut Reader<'_>, into: &mut ConnAckProperties) -> Result<(), Fault> {
    match property {
        id::SESSION_EXPIRY_INTERVAL => into.session_expiry_s = Some(section.u32()?),
        id::ASSIGNED_CLIENT_IDENTIFIER => {
            into.assigned_client_id = Some(section.text("a client identifier")?.to_owned());
        }
        id::SERVER_KEEP_ALIVE => into.server_keep_alive_s = Some(section.u16()?),
        id::AUTHENTICATION_METHOD => {
            into.authentication_method = Some(section.text("an authentication method")?.to_owned());
        }
        id::AUTHENTICATION_DATA => into.authentication_data = Some(section.binary()?.to_vec()),
        id::RESPONSE_INFORMATION => {
            into.response_information = Some(section.text("response information")?.to_owned());
        }
        id::SERVER_REFERENCE => {
            into.server_reference = Some(section.text("a server reference")?.to_owned());
        }
        id::REASON_STRING => into.reason_string = Some(section.text("a reason")?.to_owned()),
        id::RECEIVE_MAXIMUM => match section.u16()? {
            0 => return Err(zero("a receive maximum", "section 3.2.2.3.3")),
            maximum => into.receive_maximum = Some(maximum),
        },
        id::TOPIC_ALIAS_MAXIMUM => into.topic_alias_maximum = Some(section.u16()?),
        id::MAXIMUM_QOS => {
            let above_zero = boolean(section.u8()?, "a maximum QoS", "section 3.2.2.3.4")?;
            into.qos_maximum = Some(if above_zero { QoS::AtLeastOnce } else { QoS::AtMostOnce });
        }
        id::RETAIN_AVAILABLE => {
            into.retain_available = Some(boolean(section.u8()?, "a retain flag", "section 3.2.2.3.5")?);
        }
        id::USER_PROPERTY => {
            let name = section.text("the name of a user property")?.to_owned();
            let value = section.text("the value of a user property")?.to_owned();
            into.user_properties.push((name, value));
        }
        id::MAXIMUM_PACKET_SIZE => match section.u32()? {
            0 => return Err(zero("a maximum packet size", "section 3.2.2.3.6")),
            maximum => into.packet_size_maximum_bytes = Some(maximum),
        },
        id::WILDCARD_AVAILABLE => {
            into.wildcard_available = Some(boolean(section.u8()?, "a wildcard flag", "section 3.2.2.3.11")?);
        }
        id::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
            into.subscription_identifiers_available =
                Some(boolean(section.u8()?, "a subscription identifier flag", "section 3.2.2.3.12")?);
        }
        id::SHARED_AVAILABLE => {
            into.shared_available = Some(boolean(section.u8()?, "a shared subscription flag", "section 3.2.2.3.13")?);
        }
        other => return Err(misplaced(other, "this packet")),
    }
    Ok(())
}

#[cold]
fn zero(what: &str, rule: &'static str) -> Fault {
    protocol_error(rule, format!("The broker sent {what} of 0, which is not allowed."))
}

/// Appends a packet to `out`; after an error `out` is unchanged.
///
/// `limit_bytes` is the largest packet that the server accepts, fixed header included; `u32::MAX` if it stated none.
/// What 3.1.1 doesn't have (properties, subscription options, reason codes) is left out in that version; a packet that
/// it doesn't have (AUTH) is an error.
///
/// # Errors
/// A value that the standard forbids, or a field or packet that is too long.
pub fn encode(packet: &Outgoing<'_>, version: Version, limit_bytes: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    encode_into(packet, version, SizeLimit(limit_bytes), out).inspect_err(|_| out.truncate(start))
}

fn encode_into(
    packet: &Outgoing<'_>,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match packet {
        Outgoing::Connect(connect) => encode_connect(connect, version, limit, out),
        Outgoing::Publish(publish) => encode_publish(publish, version, limit, out),
        Outgoing::PubAck(packet_id, reason) => encode_ack(PacketType::PubAck, *packet_id, *reason, version, limit, out),
        Outgoing::PubRec(packet_id, reason) => encode_ack(PacketType::PubRec, *packet_id, *reason, version, limit, out),
        Outgoing::PubRel(packet_id, reason) => encode_ack(PacketType::PubRel, *packet_id, *reason, version, limit, out),
        Outgoing::PubComp(packet_id, reason) => {
            encode_ack(PacketType::PubComp, *packet_id, *reason, version, limit, out)
        }
        Outgoing::Subscribe { packet_id, filters, subscription_id } => {
            encode_subscribe(*packet_id, filters, *subscription_id, version, limit, out)
        }
        Outgoing::Unsubscribe { packet_id, filters } => encode_unsubscribe(*packet_id, filters, version, limit, out),
        Outgoing::PingReq => limit.written_by(|scratch| v4::PingReq.write(scratch), out),
        Outgoing::Disconnect(disconnect) => encode_disconnect(disconnect, version, limit, out),
        Outgoing::Auth(auth) => encode_auth(auth, version, limit, out),
    }
}

/// The largest packet that the server accepts, in bytes.
#[derive(Clone, Copy)]
struct SizeLimit(u32);

impl SizeLimit {
    /// The remaining length of a packet with a body of this size, unless the packet would be larger than the server or
    /// MQTT itself allows.
    fn remaining_length(self, body_bytes: usize) -> Result<u32, EncodeError> {
        let largest = self.0.min(VARIABLE_INTEGER_MAX + 5);
        let remaining = u32::try_from(body_bytes).ok().filter(|&n| n <= VARIABLE_INTEGER_MAX);
        let header_bytes = 1 + variable_integer_bytes(remaining.unwrap_or(VARIABLE_INTEGER_MAX));
        let bytes = body_bytes.saturating_add(header_bytes);
        match remaining {
            Some(remaining) if bytes <= largest as usize => Ok(remaining),
            _ => Err(EncodeError::PacketTooLarge { bytes, limit_bytes: largest }),
        }
    }

    /// Appends a packet from its first byte and its body.
    fn packet(self, first: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let remaining = self.remaining_length(body.len())?;
        out.push(first);
        put_variable_integer(remaining, out);
        out.extend_from_slice(body);
        Ok(())
    }

    /// Appends what mqttbytes writes. On failure it leaves half a packet behind, so it writes into a scratch buffer.
    fn written_by(
        self,
        write: impl FnOnce(&mut BytesMut) -> Result<usize, mqttbytes::Error>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let mut scratch = BytesMut::new();
        let written = write(&mut scratch);
        if written.is_err() || scratch.len() > self.0 as usize {
            // All values were checked before, so a failed write also means that the packet is too large.
            return Err(EncodeError::PacketTooLarge { bytes: scratch.len(), limit_bytes: self.0 });
        }
        out.extend_from_slice(&scratch);
        Ok(())
    }
}

const fn forbidden(rule: &'static str, words: &'static str) -> EncodeError {
    EncodeError::Forbidden { words, rule }
}

fn topic_error(field: &'static str, error: TopicError) -> EncodeError {
    match error {
        TopicError::TooLong { bytes } => EncodeError::TooLong { field, bytes },
        other => forbidden(other.rule(), other.words()),
    }
}

fn encode_connect(
    connect: &Connect<'_>,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if version == Version::V311 {
        if connect.client_id.is_empty() && !connect.clean_start {
            return Err(forbidden(
                "[MQTT-3.1.3-7] of 3.1.1",
                "Without a client identifier only a clean session is possible. Give an identifier.",
            ));
        }
        if connect.password.is_some() && connect.user_name.is_none() {
            return Err(forbidden(
                "[MQTT-3.1.2-22] of 3.1.1",
                "MQTT 3.1.1 takes a password only together with a user name. Give both.",
            ));
        }
    }
    let mut flags = u8::from(connect.clean_start) << 1;
    flags |= u8::from(connect.user_name.is_some()) << 7;
    flags |= u8::from(connect.password.is_some()) << 6;
    if let Some(will) = connect.will {
        flags |= 1 << 2 | (will.qos as u8) << 3 | u8::from(will.retain) << 5;
    }
    let mut body = Vec::new();
    put_text("the protocol name", "MQTT", &mut body)?;
    let level = match version {
        Version::V311 => 4,
        Version::V5 => 5,
    };
    body.extend([level, flags]);
    put_u16(connect.keep_alive_s, &mut body);
    if version == Version::V5 {
        put_section(&mut body, |section| put_connect_properties(&connect.properties, section))?;
    }
    put_text("the client identifier", connect.client_id, &mut body)?;
    if let Some(will) = connect.will {
        put_will(will, version, &mut body)?;
    }
    if let Some(user_name) = connect.user_name {
        put_text("the user name", user_name, &mut body)?;
    }
    if let Some(password) = connect.password {
        put_binary("the password", password, &mut body)?;
    }
    limit.packet(0x10, &body, out)
}

/// Writes a property section with its length.
fn put_section(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut section = Vec::new();
    write(&mut section)?;
    let length = section_length(section.len())?;
    put_variable_integer(length, out);
    out.extend_from_slice(&section);
    Ok(())
}

fn section_length(bytes: usize) -> Result<u32, EncodeError> {
    u32::try_from(bytes)
        .ok()
        .filter(|&length| length <= VARIABLE_INTEGER_MAX)
        .ok_or(EncodeError::PacketTooLarge { bytes, limit_bytes: VARIABLE_INTEGER_MAX })
}

fn put_connect_properties(properties: &ConnectProperties, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if let Some(seconds) = properties.session_expiry_s {
        out.push(id::SESSION_EXPIRY_INTERVAL);
        put_u32(seconds, out);
    }
    if let Some(maximum) = properties.receive_maximum {
        if maximum == 0 {
            return Err(forbidden("section 3.1.2.11.3", "A receive maximum of 0 is not allowed."));
        }
        out.push(id::RECEIVE_MAXIMUM);
        put_u16(maximum, out);
    }
    if let Some(maximum_bytes) = properties.packet_size_maximum_bytes {
        if maximum_bytes == 0 {
            return Err(forbidden("section 3.1.2.11.4", "A maximum packet size of 0 is not allowed."));
        }
        out.push(id::MAXIMUM_PACKET_SIZE);
        put_u32(maximum_bytes, out);
    }
    if let Some(maximum) = properties.topic_alias_maximum {
        out.push(id::TOPIC_ALIAS_MAXIMUM);
        put_u16(maximum, out);
    }
    if let Some(wanted) = properties.request_response_information {
        out.extend([id::REQUEST_RESPONSE_INFORMATION, u8::from(wanted)]);
    }
    if let Some(wanted) = properties.request_problem_information {
        out.extend([id::REQUEST_PROBLEM_INFORMATION, u8::from(wanted)]);
    }
    put_user_properties(&properties.user_properties, out)?;
    if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
        return Err(forbidden("section 3.1.2.11.10", "Authentication data needs an authentication method. Name it."));
    }
    put_authentication(properties.authentication_method.as_deref(), properties.authentication_data.as_deref(), out)
}

fn put_authentication(method: Option<&str>, data: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if let Some(method) = method {
        out.push(id::AUTHENTICATION_METHOD);
        put_text("the authentication method", method, out)?;
    }
    if let Some(data) = data {
        out.push(id::AUTHENTICATION_DATA);
        put_binary("the authentication data", data, out)?;
    }
    Ok(())
}

fn put_reason_string(reason: Option<&str>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if let Some(reason) = reason {
        out.push(id::REASON_STRING);
        put_text("the reason", reason, out)?;
    }
    Ok(())
}

fn put_will(will: &Will, version: Version, body: &mut Vec<u8>) -> Result<(), EncodeError> {
    let topic = TopicName::parse(&will.topic).map_err(|error| topic_error("the will's topic", error))?;
    if version == Version::V5 {
        if will.properties.topic_alias.is_some() {
            return Err(forbidden("section 3.1.3.2", "A will can't have a topic alias."));
        }
        put_section(body, |section| {
            if let Some(seconds) = will.delay_s {
                section.push(id::WILL_DELAY_INTERVAL);
                put_u32(seconds, section);
            }
            publish::encode_properties(&will.properties, section)
        })?;
    }
    put_text("the will's topic", topic.as_str(), body)?;
    put_binary("the will's payload", &will.payload, body)
}

/// Writes PUBLISH directly into `out`: everything is checked and measured before the first byte.
fn encode_publish(
    publish: &Publish<'_>,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match (publish.qos, publish.packet_id) {
        (QoS::AtMostOnce, Some(_)) => {
            return Err(forbidden("[MQTT-2.2.1-2]", "A message of QoS 0 can't have a packet identifier."));
        }
        (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => {
            return Err(forbidden("[MQTT-2.2.1-3]", "A message of QoS 1 or 2 needs a packet identifier."));
        }
        _ => {}
    }
    if publish.dup && publish.qos == QoS::AtMostOnce {
        return Err(forbidden(
            "[MQTT-3.3.1-2]",
            "A message of QoS 0 is never sent again, so it can't be marked as such.",
        ));
    }
    let (section, alias, added_alias) = match version {
        Version::V311 => (&[][..], None, None),
        Version::V5 => {
            let written = checked_alias(publish.properties)?;
            let added = added_alias(publish.topic_alias, written)?;
            (publish.properties, written.or(added), added)
        }
    };
    match TopicName::parse(publish.topic) {
        Err(TopicError::Empty) if alias.is_some() => {}
        checked => {
            checked.map_err(|error| topic_error("the topic", error))?;
        }
    }
    // An identifier and a two-byte number.
    let section_bytes = section.len() + if added_alias.is_some() { 3 } else { 0 };
    let section_length = section_length(section_bytes)?;
    let section_field_bytes = match version {
        Version::V311 => 0,
        Version::V5 => variable_integer_bytes(section_length) + section_bytes,
    };
    let packet_id_bytes = if publish.packet_id.is_some() { 2 } else { 0 };
    let body_bytes = 2 + publish.topic.len() + packet_id_bytes + section_field_bytes + publish.payload.len();
    let remaining = limit.remaining_length(body_bytes)?;

    out.reserve(5 + body_bytes);
    out.push(0x30 | u8::from(publish.dup) << 3 | (publish.qos as u8) << 1 | u8::from(publish.retain));
    put_variable_integer(remaining, out);
    put_text("the topic", publish.topic, out)?;
    if let Some(packet_id) = publish.packet_id {
        put_u16(packet_id.get(), out);
    }
    if version == Version::V5 {
        put_variable_integer(section_length, out);
        out.extend_from_slice(section);
        if let Some(alias) = added_alias {
            out.push(id::TOPIC_ALIAS);
            put_u16(alias.get(), out);
        }
    }
    out.extend_from_slice(publish.payload);
    Ok(())
}

/// Checks the property section of a message to publish and returns the topic alias in it.
fn checked_alias(section: &[u8]) -> Result<Option<NonZeroU16>, EncodeError> {
    let checked = publish::check_properties(Reader::new(section))
        .map_err(|fault| forbidden(fault.rule, "The properties of this message break a rule of MQTT."))?;
    if checked.has_subscription_id {
        return Err(forbidden("[MQTT-3.3.4-6]", "Only a broker may put a subscription identifier into a message."));
    }
    Ok(checked.topic_alias)
}

/// The alias to write after the properties: that of the message, unless its properties already contain it.
fn added_alias(
    of_message: Option<NonZeroU16>,
    among_properties: Option<NonZeroU16>,
) -> Result<Option<NonZeroU16>, EncodeError> {
    match (of_message, among_properties) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(forbidden(
            "section 3.3.2.3.4",
            "The topic alias of this message differs from the one among its properties.",
        )),
        (_, Some(_)) => Ok(None),
        (alias, None) => Ok(alias),
    }
}

fn encode_ack(
    packet_type: PacketType,
    packet_id: PacketId,
    reason: ReasonCode,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let pkid = packet_id.get();
    if version == Version::V311 || reason == ReasonCode::SUCCESS {
        // The form of 3.1.1 is also the short form of 5.0 for success.
        return limit.written_by(
            |scratch| match packet_type {
                PacketType::PubRec => v4::PubRec { pkid }.write(scratch),
                PacketType::PubRel => v4::PubRel { pkid }.write(scratch),
                PacketType::PubComp => v4::PubComp { pkid }.write(scratch),
                _ => v4::PubAck { pkid }.write(scratch),
            },
            out,
        );
    }
    let flags = if packet_type == PacketType::PubRel { 0b0010 } else { 0 };
    let [high, low] = pkid.to_be_bytes();
    limit.packet((packet_type as u8) << 4 | flags, &[high, low, reason.0], out)
}

fn encode_subscribe(
    packet_id: PacketId,
    filters: &[(&str, SubscriptionOptions)],
    subscription_id: Option<u32>,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if filters.is_empty() {
        return Err(forbidden("[MQTT-3.8.3-2]", "There is nothing to subscribe to. Name a topic."));
    }
    for (filter, options) in filters {
        topic::check_filter(filter).map_err(|error| topic_error("a topic filter", error))?;
        if version == Version::V5 && options.no_local && topic::is_shared(filter) {
            return Err(forbidden(
                "[MQTT-3.8.3-4]",
                "A shared subscription can't leave out our own messages. Turn \"no local\" off.",
            ));
        }
    }
    // Checked before mqttbytes copies them: the filters alone must fit.
    limit.remaining_length(filters.iter().map(|(filter, _)| 3 + filter.len()).sum())?;
    let pkid = packet_id.get();
    match version {
        Version::V311 => {
            let filters = filters
                .iter()
                .map(|(path, options)| v4::SubscribeFilter::new((*path).into(), qos(options.qos)))
                .collect();
            limit.written_by(|scratch| v4::Subscribe { pkid, filters }.write(scratch), out)
        }
        Version::V5 => {
            if subscription_id.is_some_and(|id| !(1..=VARIABLE_INTEGER_MAX).contains(&id)) {
                return Err(forbidden(
                    "section 3.8.2.1.2",
                    "A subscription identifier is a number from 1 to 268,435,455.",
                ));
            }
            let properties = subscription_id
                .map(|id| v5::SubscribeProperties { id: Some(id as usize), user_properties: Vec::new() });
            let filters = filters.iter().map(|(path, options)| filter_v5(path, options)).collect();
            let subscribe = v5::Subscribe { pkid, filters, properties };
            limit.written_by(|scratch| subscribe.write(scratch), out)
        }
    }
}

fn qos(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

fn filter_v5(path: &str, options: &SubscriptionOptions) -> v5::SubscribeFilter {
    v5::SubscribeFilter {
        path: path.to_owned(),
        qos: qos(options.qos),
        nolocal: options.no_local,
        preserve_retain: options.retain_as_published,
        retain_forward_rule: match options.retain_handling {
            RetainHandling::Send => v5::RetainForwardRule::OnEverySubscribe,
            RetainHandling::SendIfNew => v5::RetainForwardRule::OnNewSubscribe,
            RetainHandling::DontSend => v5::RetainForwardRule::Never,
        },
    }
}

fn encode_unsubscribe(
    packet_id: PacketId,
    filters: &[&str],
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if filters.is_empty() {
        return Err(forbidden("[MQTT-3.10.3-2]", "There is nothing to unsubscribe from."));
    }
    for filter in filters {
        topic::check_filter(filter).map_err(|error| topic_error("a topic filter", error))?;
    }
    // Checked before mqttbytes copies them: the filters alone must fit.
    limit.remaining_length(filters.iter().map(|filter| 2 + filter.len()).sum())?;
    let pkid = packet_id.get();
    let topics = filters.iter().map(|&filter| filter.to_owned()).collect();
    match version {
        Version::V311 => limit.written_by(|scratch| v4::Unsubscribe { pkid, topics }.write(scratch), out),
        Version::V5 => {
            let unsubscribe = v5::Unsubscribe { pkid, filters: topics, properties: None };
            limit.written_by(|scratch| unsubscribe.write(scratch), out)
        }
    }
}

fn encode_disconnect(
    disconnect: &Disconnect,
    version: Version,
    limit: SizeLimit,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if version == Version::V311 {
        return limit.written_by(|scratch| v4::Disconnect.write(scratch), out);
    }
    if disconnect.server_reference.is_some() {
        return Err(forbidden("section 3.14.2.2.5", "Only a server may name another server."));
    }
    let mut body = vec![disconnect.reason.0];
    // The property length could be omitted without properties. It is written anyway, because servers built on mqttbytes
    // can't read the packet without it.
    put_section(&mut body, |section| {
        if let Some(seconds) = disconnect.session_expiry_s {
            section.push(id::SESSION_EXPIRY_INTERVAL);
            put_u32(seconds, section);
        }
        put_reason_string(disconnect.reason_string.as_deref(), section)?;
        put_user_properties(&disconnect.user_properties, section)
    })?;
    let says_nothing = body == [ReasonCode::SUCCESS.0, 0];
    limit.packet(0xE0, if says_nothing { &[] } else { &body }, out)
}

fn encode_auth(auth: &Auth, version: Version, limit: SizeLimit, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if version == Version::V311 {
        return Err(forbidden("section 2.2.1 of 3.1.1", "MQTT 3.1.1 has no AUTH."));
    }
    // Only a server may send success (table 3-28).
    if !matches!(auth.reason.0, 0x18 | 0x19) {
        return Err(forbidden(
            "[MQTT-3.15.2-1]",
            "A client may only continue an authentication (0x18) or begin it again (0x19).",
        ));
    }
    if auth.method.is_none() {
        return Err(forbidden("section 3.15.2.2.2", "AUTH must name the authentication method."));
    }
    let mut body = vec![auth.reason.0];
    put_section(&mut body, |section| {
        put_authentication(auth.method.as_deref(), auth.data.as_deref(), section)?;
        put_reason_string(auth.reason_string.as_deref(), section)?;
        put_user_properties(&auth.user_properties, section)
    })?;
    limit.packet(0xF0, &body, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest sizes that MQTT can express, which are too large to send in a test.
    #[test]
    fn sizes_at_the_limits_of_mqtt() {
        #[track_caller]
        fn check(limit_bytes: u32, body_bytes: usize, expected: Result<u32, (usize, u32)>) {
            let expected = expected.map_err(|(bytes, limit_bytes)| EncodeError::PacketTooLarge { bytes, limit_bytes });
            assert_eq!(SizeLimit(limit_bytes).remaining_length(body_bytes), expected);
        }
        let most = VARIABLE_INTEGER_MAX as usize;
        check(u32::MAX, most, Ok(VARIABLE_INTEGER_MAX));
        check(u32::MAX, most + 1, Err((most + 6, VARIABLE_INTEGER_MAX + 5)));
        check(u32::MAX, usize::MAX, Err((usize::MAX, VARIABLE_INTEGER_MAX + 5)));
        check(VARIABLE_INTEGER_MAX + 4, most, Err((most + 5, VARIABLE_INTEGER_MAX + 4)));
        check(129, 127, Ok(127));
        check(130, 128, Err((131, 130)));

        assert_eq!(section_length(most), Ok(VARIABLE_INTEGER_MAX));
        assert!(section_length(most + 1).is_err());
    }
}
