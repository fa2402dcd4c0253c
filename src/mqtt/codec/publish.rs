//! The PUBLISH decoder: borrows from the input, checks in one pass, and doesn't allocate.
//!
//! This is the hot path. mqttbytes copies each topic into a `String`, takes four times as long, and corrupts the
//! payload of a 5.0 message with more than two subscription identifiers, so it isn't used here.

use std::num::NonZeroU16;

use crate::byte_ops;
use crate::mqtt::codec::primitives::{
    Fault, Reader, boolean, fault, id, malformed, misplaced, once, protocol_error, put_binary, put_text, put_u16,
    put_u32, put_user_properties, split_header, text, violation,
};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{EncodeError, Violation};
use crate::mqtt::packet::{PacketId, Publish, PublishProperties, QoS, ReasonCode, Version};

/// A property of a PUBLISH (section 3.3.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// Payload format indicator: `true` means that the payload is UTF-8 text.
    PayloadIsUtf8(bool),
    /// Message expiry interval: the remaining lifetime in seconds.
    MessageExpiryS(u32),
    /// Content type, a MIME type by convention.
    ContentType(&'a str),
    /// Response topic.
    ResponseTopic(&'a str),
    /// Correlation data.
    CorrelationData(&'a [u8]),
    /// Identifier of a subscription that this message matched; one property for each.
    SubscriptionId(u32),
    /// Topic alias: the number that replaces the topic, from now on or since an earlier message.
    TopicAlias(NonZeroU16),
    /// A user property: name and value.
    User(&'a str, &'a str),
}

/// Decodes one whole PUBLISH, fixed header included.
///
/// # Errors
/// Any violation of section 3.3, with its rule and the packet's first bytes. Checks that depend on state (is the alias
/// known, is it in range) are left to the session.
pub fn decode(packet: &[u8], version: Version) -> Result<Publish<'_>, Violation> {
    parse(packet, version).map_err(|fault| violation(*fault, packet))
}

/// Iterates over a property section that [`decode`] has checked.
///
/// In any other bytes the iteration ends at the first that isn't a property.
pub fn properties(raw: &[u8]) -> impl Iterator<Item = Property<'_>> {
    let mut reader = Reader::new(raw);
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        next_property(&mut reader).ok()
    })
    .fuse()
}

/// Appends the property section of a message to publish, without its length: the format of [`Publish::properties`].
///
/// # Errors
/// A field that is too long, or a response topic with wildcards; `out` is then unchanged.
pub fn encode_properties(properties: &PublishProperties, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    put_properties(properties, out).inspect_err(|_| out.truncate(start))
}

fn put_properties(properties: &PublishProperties, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if let Some(is_utf8) = properties.payload_is_utf8 {
        out.extend([id::PAYLOAD_FORMAT_INDICATOR, u8::from(is_utf8)]);
    }
    if let Some(seconds) = properties.message_expiry_s {
        out.push(id::MESSAGE_EXPIRY_INTERVAL);
        put_u32(seconds, out);
    }
    if let Some(alias) = properties.topic_alias {
        out.push(id::TOPIC_ALIAS);
        put_u16(alias.get(), out);
    }
    if let Some(topic) = &properties.response_topic {
        if topic.contains(['+', '#']) {
            return Err(EncodeError::forbidden(
                "[MQTT-3.3.2-14]",
                "A response topic can't contain + or #. Enter the full topic.",
            ));
        }
        out.push(id::RESPONSE_TOPIC);
        put_text("the response topic", topic, out)?;
    }
    if let Some(data) = &properties.correlation_data {
        out.push(id::CORRELATION_DATA);
        put_binary("the correlation data", data, out)?;
    }
    if let Some(content_type) = &properties.content_type {
        out.push(id::CONTENT_TYPE);
        put_text("the content type", content_type, out)?;
    }
    put_user_properties(&properties.user_properties, out)
}

/// Flags in the first byte.
const DUP: u8 = 0b1000;
const RETAIN: u8 = 0b0001;

/// A PUBLISH split into its parts, with topic and properties not yet checked.
struct Parts<'a> {
    first: u8,
    qos: QoS,
    topic: &'a [u8],
    packet_id: Option<PacketId>,
    properties: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Splits a packet. `allows_dup_at_qos0` leaves that fault to the caller.
    #[inline(always)]
    fn split(packet: &'a [u8], version: Version, allows_dup_at_qos0: bool) -> Result<Self, Fault> {
        let (first, mut reader) = split_header(packet)?;
        if first >> 4 != 3 {
            return Err(malformed("section 3.3.1", "This packet isn't a PUBLISH."));
        }
        let Some(qos) = QoS::from_u8((first >> 1) & 0b11) else {
            return Err(malformed("[MQTT-3.3.1-4]", "The broker sent a message with QoS 3, which doesn't exist."));
        };
        if !allows_dup_at_qos0 && first & DUP != 0 && qos == QoS::AtMostOnce {
            return Err(malformed("[MQTT-3.3.1-2]", "The broker sent a QoS 0 message with the DUP flag."));
        }
        let topic = reader.short_binary()?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id("[MQTT-2.2.1-4]")?),
        };
        let properties = match version {
            Version::V311 => &[][..],
            Version::V5 => reader.section()?.rest(),
        };
        Ok(Self { first, qos, topic, packet_id, properties, payload: reader.rest() })
    }

    /// The packet with its topic and alias, once they are checked.
    #[inline(always)]
    fn checked(self, topic: &'a str, topic_alias: Option<NonZeroU16>) -> Result<Publish<'a>, Fault> {
        if topic.is_empty() && topic_alias.is_none() {
            return Err(protocol_error(
                "[MQTT-4.7.3-1]",
                "The broker sent a message with neither a topic nor a topic alias.",
            ));
        }
        Ok(self.publish(topic, topic_alias))
    }

    #[inline(always)]
    fn publish(self, topic: &'a str, topic_alias: Option<NonZeroU16>) -> Publish<'a> {
        let Self { first, qos, packet_id, properties, payload, .. } = self;
        Publish {
            dup: first & DUP != 0,
            qos,
            retain: first & RETAIN != 0,
            topic,
            packet_id,
            topic_alias,
            properties,
            payload,
        }
    }
}

fn parse(packet: &[u8], version: Version) -> Result<Publish<'_>, Fault> {
    let parts = Parts::split(packet, version, false)?;
    let topic = topic(parts.topic)?;
    let checked = check_properties(Reader::new(parts.properties))?;
    parts.checked(topic, checked.topic_alias)
}

/// The topic and the properties that were checked last. Publishers often repeat them, and identical bytes need no
/// second check.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct PublishCache {
    topic: String,
    properties: Vec<u8>,
    topic_alias: Option<NonZeroU16>,
}

impl PublishCache {
    /// [`decode`] for a series of messages.
    #[inline(always)]
    pub(in crate::mqtt) fn decode<'a>(&'a mut self, packet: &'a [u8], version: Version) -> Result<Publish<'a>, Fault> {
        let parts = Parts::split(packet, version, false)?;
        if !byte_ops::are_same(parts.topic, self.topic.as_bytes()) {
            self.cache_topic(parts.topic)?;
        }
        if !byte_ops::are_same(parts.properties, &self.properties) {
            self.cache_properties(parts.properties)?;
        }
        parts.checked(&self.topic, self.topic_alias)
    }

    #[inline(never)]
    fn cache_topic(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let topic = topic(bytes)?;
        self.topic.clear();
        self.topic.push_str(topic);
        Ok(())
    }

    #[inline(never)]
    fn cache_properties(&mut self, section: &[u8]) -> Result<(), Fault> {
        self.topic_alias = check_properties(Reader::new(section))?.topic_alias;
        self.properties.clear();
        self.properties.extend_from_slice(section);
        Ok(())
    }
}

/// The result of a 5.0 PUBLISH that [`decode`] refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Tolerated<'a> {
    /// The message is kept.
    Kept(Publish<'a>),
    /// It can't be kept, because it has no topic that could be shown. Contains the acknowledgement to send at QoS 1 and
    /// 2.
    Skipped(Option<(QoS, PacketId)>),
}

/// Reads a 5.0 PUBLISH whose meaning is clear despite its fault, by the table of [`deviation`](crate::mqtt::deviation).
pub(in crate::mqtt) fn decode_tolerated(packet: &[u8]) -> Option<(Tolerated<'_>, Deviation)> {
    let parts = Parts::split(packet, Version::V5, true).ok()?;
    let topic_alias = check_properties(Reader::new(parts.properties)).ok()?.topic_alias;
    let is_dup_at_qos0 = parts.first & DUP != 0 && parts.qos == QoS::AtMostOnce;
    let (topic, deviation) = match std::str::from_utf8(parts.topic) {
        Err(_) => (None, Deviation::TopicNotUtf8),
        Ok("") if topic_alias.is_none() => (None, Deviation::EmptyTopic),
        Ok(topic) if topic.contains(['+', '#']) => (Some(topic), Deviation::WildcardInTopic),
        Ok(topic) if topic.contains('\0') => (Some(topic), Deviation::NulInTopic),
        Ok(topic) if is_dup_at_qos0 => (Some(topic), Deviation::DupAtQos0),
        Ok(_) => return None,
    };
    let tolerated = match topic {
        Some(topic) => Tolerated::Kept(parts.publish(topic, topic_alias)),
        None => Tolerated::Skipped(parts.packet_id.map(|id| (parts.qos, id))),
    };
    Some((tolerated, deviation))
}

/// The topic of a PUBLISH that breaks a rule, for display: shortened, with invalid UTF-8 replaced. `None` if it has
/// none.
pub(in crate::mqtt) fn topic_for_display(packet: &[u8]) -> Option<String> {
    const SHOWN_CHARS: usize = 100;
    let (_, mut reader) = split_header(packet).ok()?;
    let topic = String::from_utf8_lossy(reader.binary().ok()?);
    let mut shown: String = topic.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if topic.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    (!topic.is_empty()).then_some(shown)
}

/// A topic name; may be empty, which requires an alias.
fn topic(bytes: &[u8]) -> Result<&str, Fault> {
    let topic = text(bytes, "a message with a topic")?;
    if bytes.iter().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(wildcard(topic));
    }
    Ok(topic)
}

#[cold]
fn wildcard(topic: &str) -> Fault {
    let wildcard = if topic.contains('+') { '+' } else { '#' };
    fault(
        ReasonCode(0x90),
        "[MQTT-3.3.2-2]",
        format!("The broker sent a message whose topic contains the wildcard {wildcard}."),
    )
}

/// Findings of the check of a property section.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::mqtt) struct PropertySummary {
    /// The topic alias, if there is one.
    pub(in crate::mqtt) topic_alias: Option<NonZeroU16>,
    /// Whether there is a subscription identifier.
    pub(in crate::mqtt) has_subscription_id: bool,
}

/// Checks the whole property section of a PUBLISH.
pub(in crate::mqtt) fn check_properties(mut section: Reader<'_>) -> Result<PropertySummary, Fault> {
    let mut checked = PropertySummary::default();
    let mut seen = 0;
    while let Some(&property) = section.rest().first() {
        match next_property(&mut section)? {
            Property::User(..) => continue,
            Property::SubscriptionId(_) => {
                checked.has_subscription_id = true;
                continue;
            }
            Property::TopicAlias(alias) => checked.topic_alias = Some(alias),
            _ => {}
        }
        once(&mut seen, property)?;
    }
    Ok(checked)
}

#[inline]
fn next_property<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, Fault> {
    Ok(match reader.u8()? {
        id::PAYLOAD_FORMAT_INDICATOR => {
            Property::PayloadIsUtf8(boolean(reader.u8()?, "a payload format indicator", "section 3.3.2.3.2")?)
        }
        id::MESSAGE_EXPIRY_INTERVAL => Property::MessageExpiryS(reader.u32()?),
        id::CONTENT_TYPE => Property::ContentType(reader.text("a content type")?),
        id::RESPONSE_TOPIC => {
            let topic = reader.text("a response topic")?;
            if topic.contains(['+', '#']) {
                return Err(protocol_error(
                    "[MQTT-3.3.2-14]",
                    "The broker sent a message whose response topic contains a wildcard.",
                ));
            }
            Property::ResponseTopic(topic)
        }
        id::CORRELATION_DATA => Property::CorrelationData(reader.binary()?),
        id::SUBSCRIPTION_IDENTIFIER => match reader.variable_integer()? {
            0 => {
                return Err(protocol_error(
                    "section 3.3.2.3.8",
                    "The broker sent a message with the subscription identifier 0.",
                ));
            }
            subscription => Property::SubscriptionId(subscription),
        },
        id::TOPIC_ALIAS => Property::TopicAlias(NonZeroU16::new(reader.u16()?).ok_or_else(|| {
            fault(
                ReasonCode::TOPIC_ALIAS_INVALID,
                "[MQTT-3.3.2-8]",
                "The broker sent a message with the topic alias 0.",
            )
        })?),
        id::USER_PROPERTY => {
            Property::User(reader.text("the name of a user property")?, reader.text("the value of a user property")?)
        }
        other => return Err(misplaced(other, "PUBLISH")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cache of one packet must not let another one pass, nor change its result.
    #[test]
    fn publish_cache_matches_uncached_decoding() {
        let packets: [&[u8]; 14] = [
            b"\x30\x05\x00\x01a\x00x",
            b"\x30\x05\x00\x01b\x00x",
            b"\x30\x05\x00\x01+\x00x",
            b"\x30\x05\x00\x01\x00\x00x",
            b"\x30\x05\x00\x01\xFF\x00x",
            b"\x30\x04\x00\x00\x00x",
            b"\x30\x07\x00\x00\x03\x23\x00\x05x",
            b"\x30\x08\x00\x01a\x03\x23\x00\x05x",
            b"\x30\x08\x00\x01a\x03\x23\x00\x06x",
            b"\x30\x08\x00\x01a\x03\x23\x00\x00x",
            b"\x30\x07\x00\x01a\x02\x01\x01x",
            b"\x30\x07\x00\x01a\x02\x01\x02x",
            b"\x30\x0E\x00\x09long/name\x00xy",
            b"\x32\x07\x00\x01a\x00\x07\x00x",
        ];
        for before in packets {
            for packet in packets {
                for version in [Version::V311, Version::V5] {
                    let mut cache = PublishCache::default();
                    // The packet may be refused.
                    let _ = cache.decode(before, version);
                    let decoded = cache.decode(packet, version).map_err(|fault| violation(*fault, packet));
                    assert_eq!(decoded, decode(packet, version), "{before:02x?}, then {packet:02x?}");
                }
            }
        }
    }
}
