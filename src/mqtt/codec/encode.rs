//! Encodes packets.

use std::num::NonZeroU16;

use bytes::BytesMut;
use mqttbytes::{PacketType, v4, v5};

use crate::mqtt::codec::primitives::{
    Reader, VARIABLE_INTEGER_MAX, id, put_binary, put_text, put_u16, put_u32, put_user_properties,
    put_variable_integer, variable_integer_bytes,
};
use crate::mqtt::codec::publish;
use crate::mqtt::error::EncodeError;
use crate::mqtt::packet::{
    Auth, Connect, ConnectProperties, Disconnect, Outgoing, PacketId, Publish, QoS, ReasonCode, RetainHandling,
    SubscriptionOptions, Version, Will,
};
use crate::mqtt::topic;
use crate::mqtt::topic::{TopicError, TopicName};

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

fn topic_error(field: &'static str, error: TopicError) -> EncodeError {
    match error {
        TopicError::TooLong { bytes } => EncodeError::TooLong { field, bytes },
        other => EncodeError::forbidden(other.rule(), other.message()),
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
            return Err(EncodeError::forbidden(
                "[MQTT-3.1.3-7] of 3.1.1",
                "MQTT 3.1.1 requires a client ID unless the session is clean. Enter one.",
            ));
        }
        if connect.password.is_some() && connect.user_name.is_none() {
            return Err(EncodeError::forbidden(
                "[MQTT-3.1.2-22] of 3.1.1",
                "MQTT 3.1.1 allows a password only together with a user name. Enter both.",
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
    put_text("the client ID", connect.client_id, &mut body)?;
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
            return Err(EncodeError::forbidden("section 3.1.2.11.3", "A receive maximum of 0 is not allowed."));
        }
        out.push(id::RECEIVE_MAXIMUM);
        put_u16(maximum, out);
    }
    if let Some(maximum_bytes) = properties.packet_size_maximum_bytes {
        if maximum_bytes == 0 {
            return Err(EncodeError::forbidden("section 3.1.2.11.4", "A maximum packet size of 0 is not allowed."));
        }
        out.push(id::MAXIMUM_PACKET_SIZE);
        put_u32(maximum_bytes, out);
    }
    if let Some(maximum) = properties.topic_alias_maximum {
        out.push(id::TOPIC_ALIAS_MAXIMUM);
        put_u16(maximum, out);
    }
    if let Some(requested) = properties.request_response_information {
        out.extend([id::REQUEST_RESPONSE_INFORMATION, u8::from(requested)]);
    }
    if let Some(requested) = properties.request_problem_information {
        out.extend([id::REQUEST_PROBLEM_INFORMATION, u8::from(requested)]);
    }
    put_user_properties(&properties.user_properties, out)?;
    if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
        return Err(EncodeError::forbidden(
            "section 3.1.2.11.10",
            "Authentication data requires an authentication method.",
        ));
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
            return Err(EncodeError::forbidden("section 3.1.3.2", "A will can't have a topic alias."));
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
            return Err(EncodeError::forbidden("[MQTT-2.2.1-2]", "A QoS 0 message can't have a packet identifier."));
        }
        (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => {
            return Err(EncodeError::forbidden("[MQTT-2.2.1-3]", "A QoS 1 or 2 message requires a packet identifier."));
        }
        _ => {}
    }
    if publish.dup && publish.qos == QoS::AtMostOnce {
        return Err(EncodeError::forbidden(
            "[MQTT-3.3.1-2]",
            "A QoS 0 message is never sent again, so it can't have the DUP flag.",
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
        .map_err(|fault| EncodeError::forbidden(fault.rule, "The properties of this message aren't valid."))?;
    if checked.has_subscription_id {
        return Err(EncodeError::forbidden(
            "[MQTT-3.3.4-6]",
            "Only a broker may add a subscription identifier to a message.",
        ));
    }
    Ok(checked.topic_alias)
}

/// The alias to write after the properties: that of the message, unless its properties already contain it.
fn added_alias(
    of_message: Option<NonZeroU16>,
    among_properties: Option<NonZeroU16>,
) -> Result<Option<NonZeroU16>, EncodeError> {
    match (of_message, among_properties) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(EncodeError::forbidden(
            "section 3.3.2.3.4",
            "The topic alias of this message differs from the one in its properties.",
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
        return Err(EncodeError::forbidden("[MQTT-3.8.3-2]", "There is no topic to subscribe to. Enter one."));
    }
    for (filter, options) in filters {
        topic::check_filter(filter).map_err(|error| topic_error("a topic filter", error))?;
        if version == Version::V5 && options.no_local && topic::is_shared(filter) {
            return Err(EncodeError::forbidden(
                "[MQTT-3.8.3-4]",
                "A shared subscription can't use \"no local\". Turn it off.",
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
                return Err(EncodeError::forbidden(
                    "section 3.8.2.1.2",
                    "A subscription identifier must be from 1 to 268,435,455.",
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
        return Err(EncodeError::forbidden("[MQTT-3.10.3-2]", "There is no topic to unsubscribe from."));
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
        return Err(EncodeError::forbidden("section 3.14.2.2.5", "Only a server may send a server reference."));
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
        return Err(EncodeError::forbidden("section 2.2.1 of 3.1.1", "MQTT 3.1.1 has no AUTH."));
    }
    // Only a server may send success (table 3-28).
    if !matches!(auth.reason.0, 0x18 | 0x19) {
        return Err(EncodeError::forbidden(
            "[MQTT-3.15.2-1]",
            "A client may only continue authentication (0x18) or re-authenticate (0x19).",
        ));
    }
    if auth.method.is_none() {
        return Err(EncodeError::forbidden("section 3.15.2.2.2", "AUTH requires an authentication method."));
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
