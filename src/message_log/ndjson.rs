//! The log as a file: NDJSON, one message a line, in order.
//!
//! ```json
//! {"seq":12,"time":"2026-11-21T10:00:00.123Z","topic":"StarWars","qos":1,"retain":false,"dup":false,"payload":"…","properties":{…}}
//! ```
//!
//! - Times are in whole milliseconds, as in the log, so an export loses nothing.
//! - A payload that isn't UTF-8 is in `payload_base64` instead of `payload`
//!   (RFC 4648, section 4, padded).
//! - `properties` is left out where there are none. Its names are in the order of the received
//!   properties: `payload_format_indicator` (0 or 1), `message_expiry_s`, `content_type`,
//!   `response_topic`, `correlation_data` (Base64), `subscription_identifiers` (a list),
//!   `topic_alias`, `user_properties` (a list of pairs).
//! - Repeated properties are legal in any position among the others, which lists can't express. If
//!   the names alone don't reproduce the same bytes, the last name is `section_base64`: the
//!   property section as received. An import uses it and ignores the other names.
//! - A line contains no character that any of the usual ways to split text takes for a line end:
//!   U+0085, U+2028 and U+2029 are escaped, too.
//!
//! A line that was written here and is read back gives the same message; a line that was read and
//! is written again gives the same line.

use crate::rfc3339::{parse_time, put_padded, put_time};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::message_log::MessageLog;
use crate::message_log::message::{Message, NewMessage};
use crate::mqtt::codec::publish;
use crate::mqtt::codec::publish::Property;
use crate::mqtt::error::EncodeError;
use crate::mqtt::packet::{PublishProperties, QoS};
use crate::mqtt::topic::TopicName;
use crate::time::Instant;

/// A message read from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedMessage {
    /// The number it had in the log it was exported from.
    pub seq: u64,
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// The quality of service it was received with.
    pub qos: QoS,
    /// Whether it is a retained message.
    pub retain: bool,
    /// The DUP flag: it may have been sent before.
    pub dup: bool,
    /// The property section of 5.0, without its length.
    pub properties: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl OwnedMessage {
    /// Returns the message in a form that can be appended; see [`MessageLog::import`].
    pub fn as_new_message(&self) -> NewMessage<'_> {
        NewMessage {
            time: self.time,
            topic: &self.topic,
            qos: self.qos,
            retain: self.retain,
            dup: self.dup,
            properties: &self.properties,
            payload: &self.payload,
        }
    }
}

/// Why a line isn't a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// The position of the error in the line, in bytes from 1; `None` if the line as a whole is
    /// wrong.
    pub column: Option<usize>,
    /// The explanation for the person.
    pub message: String,
}

impl ImportError {
    fn whole(message: impl Into<String>) -> Self {
        Self { column: None, message: message.into() }
    }
}

/// Appends a message and a line end.
pub fn write_message(message: &Message<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"seq\":");
    put_number(message.seq, out);
    out.extend_from_slice(b",\"time\":\"");
    put_time(message.time, out);
    out.extend_from_slice(b"\",\"topic\":");
    put_string(message.topic, out);
    out.extend_from_slice(b",\"qos\":");
    out.push(b'0' + message.qos as u8);
    out.extend_from_slice(b",\"retain\":");
    out.extend_from_slice(boolean(message.retain));
    out.extend_from_slice(b",\"dup\":");
    out.extend_from_slice(boolean(message.dup));
    match str::from_utf8(message.payload) {
        Ok(text) => {
            out.extend_from_slice(b",\"payload\":");
            put_string(text, out);
        }
        Err(_) => {
            out.extend_from_slice(b",\"payload_base64\":");
            put_base64(message.payload, out);
        }
    }
    if !message.properties.is_empty() {
        out.extend_from_slice(b",\"properties\":");
        put_properties(message.properties, out);
    }
    out.extend_from_slice(b"}\n");
}

/// Parses a line, with or without its line end.
///
/// # Errors
/// Describes what is missing, unknown or out of range.
pub fn read_line(line: &[u8]) -> Result<OwnedMessage, ImportError> {
    let text = str::from_utf8(line).map_err(|error| ImportError {
        column: Some(error.valid_up_to() + 1),
        message: "not UTF-8 text.".to_owned(),
    })?;
    let fields: Fields = serde_json::from_str(text).map_err(|error| from_json(&error))?;
    if !(1..=MessageLog::SEQ_MAX).contains(&fields.seq) {
        return Err(ImportError::whole("seq must be a whole number, 1 or greater."));
    }
    let payload = match (fields.payload, fields.payload_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => decode_base64("payload_base64", &base64)?,
        _ => return Err(ImportError::whole("either payload or payload_base64 is required.")),
    };
    TopicName::parse(&fields.topic).map_err(|error| ImportError::whole(format!("topic: {error}")))?;
    let time = parse_time(&fields.time).ok_or_else(|| {
        ImportError::whole(format!("time must look like 2026-11-21T10:00:00.123Z (UTC), not {}.", fields.time))
    })?;
    let qos = QoS::from_u8(fields.qos)
        .ok_or_else(|| ImportError::whole(format!("qos must be 0, 1 or 2, not {}.", fields.qos)))?;
    Ok(OwnedMessage {
        seq: fields.seq,
        time,
        topic: fields.topic,
        qos,
        retain: fields.retain,
        dup: fields.dup,
        properties: fields.properties.0,
        payload,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    seq: u64,
    time: String,
    topic: String,
    qos: u8,
    retain: bool,
    dup: bool,
    payload: Option<String>,
    payload_base64: Option<String>,
    #[serde(default)]
    properties: Section,
}

/// The names of properties in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    PayloadFormatIndicator,
    #[serde(rename = "message_expiry_s")]
    MessageExpiryS,
    ContentType,
    ResponseTopic,
    CorrelationData,
    SubscriptionIdentifiers,
    TopicAlias,
    UserProperties,
    SectionBase64,
}

impl Name {
    fn of(property: &Property<'_>) -> Self {
        match property {
            Property::PayloadIsUtf8(_) => Self::PayloadFormatIndicator,
            Property::MessageExpiryS(_) => Self::MessageExpiryS,
            Property::ContentType(_) => Self::ContentType,
            Property::ResponseTopic(_) => Self::ResponseTopic,
            Property::CorrelationData(_) => Self::CorrelationData,
            Property::SubscriptionId(_) => Self::SubscriptionIdentifiers,
            Property::TopicAlias(_) => Self::TopicAlias,
            Property::User(..) => Self::UserProperties,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::PayloadFormatIndicator => "payload_format_indicator",
            Self::MessageExpiryS => "message_expiry_s",
            Self::ContentType => "content_type",
            Self::ResponseTopic => "response_topic",
            Self::CorrelationData => "correlation_data",
            Self::SubscriptionIdentifiers => "subscription_identifiers",
            Self::TopicAlias => "topic_alias",
            Self::UserProperties => "user_properties",
            Self::SectionBase64 => "section_base64",
        }
    }

    const fn is_list(self) -> bool {
        matches!(self, Self::SubscriptionIdentifiers | Self::UserProperties)
    }
}

pub(super) fn put_properties(section: &[u8], out: &mut Vec<u8>) {
    let mut again = Vec::with_capacity(section.len());
    let mut written: Vec<Name> = Vec::new();
    for property in publish::properties(section) {
        let name = Name::of(&property);
        if written.contains(&name) {
            continue;
        }
        out.push(if written.is_empty() { b'{' } else { b',' });
        written.push(name);
        put_string(name.as_str(), out);
        out.push(b':');
        if !name.is_list() {
            put_value(&property, out);
            encode(&property, &mut again).ok();
            continue;
        }
        let alike = publish::properties(section).filter(|other| Name::of(other) == name);
        for (index, property) in alike.enumerate() {
            out.push(if index == 0 { b'[' } else { b',' });
            put_value(&property, out);
            encode(&property, &mut again).ok();
        }
        out.push(b']');
    }
    if again != section {
        out.push(if written.is_empty() { b'{' } else { b',' });
        put_string(Name::SectionBase64.as_str(), out);
        out.push(b':');
        put_base64(section, out);
    }
    out.push(b'}');
}

fn put_value(property: &Property<'_>, out: &mut Vec<u8>) {
    match *property {
        Property::PayloadIsUtf8(is_utf8) => out.push(b'0' + u8::from(is_utf8)),
        Property::MessageExpiryS(number) | Property::SubscriptionId(number) => {
            put_number(number.into(), out);
        }
        Property::TopicAlias(alias) => put_number(alias.get().into(), out),
        Property::ContentType(text) | Property::ResponseTopic(text) => put_string(text, out),
        Property::CorrelationData(data) => put_base64(data, out),
        Property::User(name, value) => {
            out.push(b'[');
            put_string(name, out);
            out.push(b',');
            put_string(value, out);
            out.push(b']');
        }
    }
}

/// Appends one property in the packet's encoding; an error leaves `out` unchanged.
fn encode(property: &Property<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut one = PublishProperties::default();
    match *property {
        Property::PayloadIsUtf8(is_utf8) => one.payload_is_utf8 = Some(is_utf8),
        Property::MessageExpiryS(seconds) => one.message_expiry_s = Some(seconds),
        Property::ContentType(text) => one.content_type = Some(text.to_owned()),
        Property::ResponseTopic(topic) => one.response_topic = Some(topic.to_owned()),
        Property::CorrelationData(data) => one.correlation_data = Some(data.to_owned()),
        Property::TopicAlias(alias) => one.topic_alias = Some(alias),
        Property::User(name, value) => {
            one.user_properties = vec![(name.to_owned(), value.to_owned())];
        }
        // No client may publish one, so the encoder doesn't support it.
        Property::SubscriptionId(id) => {
            out.push(SUBSCRIPTION_IDENTIFIER);
            let mut rest = id;
            while rest > 0x7F {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
    }
    publish::encode_properties(&one, out)
}

/// Section 3.3.2.3.8.
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
/// The largest variable byte integer of four bytes (section 1.5.5).
const SUBSCRIPTION_IDENTIFIER_MAX: u32 = 268_435_455;

/// A property section, built from its readable names.
#[derive(Default)]
struct Section(Vec<u8>);

impl<'de> Deserialize<'de> for Section {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SectionVisitor)
    }
}

struct SectionVisitor;

impl<'de> Visitor<'de> for SectionVisitor {
    type Value = Section;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the properties as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Section, A::Error> {
        let mut section = Vec::new();
        let mut whole = None;
        let mut read: Vec<Name> = Vec::new();
        while let Some(name) = map.next_key::<Name>()? {
            if read.contains(&name) {
                return Err(de::Error::duplicate_field(name.as_str()));
            }
            read.push(name);
            match name {
                Name::SectionBase64 => {
                    let bytes = base64_value(name, &map.next_value::<String>()?)?;
                    whole = Some(checked(bytes)?);
                }
                Name::PayloadFormatIndicator => {
                    let is_utf8 = match map.next_value::<u8>()? {
                        0 => false,
                        1 => true,
                        _ => return Err(de::Error::custom("payload_format_indicator must be 0 or 1")),
                    };
                    add(&Property::PayloadIsUtf8(is_utf8), &mut section)?;
                }
                Name::MessageExpiryS => {
                    add(&Property::MessageExpiryS(map.next_value()?), &mut section)?;
                }
                Name::ContentType => {
                    add(&Property::ContentType(&map.next_value::<String>()?), &mut section)?;
                }
                Name::ResponseTopic => {
                    add(&Property::ResponseTopic(&map.next_value::<String>()?), &mut section)?;
                }
                Name::CorrelationData => {
                    let data = base64_value(name, &map.next_value::<String>()?)?;
                    add(&Property::CorrelationData(&data), &mut section)?;
                }
                Name::TopicAlias => {
                    add(&Property::TopicAlias(map.next_value()?), &mut section)?;
                }
                Name::SubscriptionIdentifiers => {
                    for id in map.next_value::<Vec<u32>>()? {
                        if !(1..=SUBSCRIPTION_IDENTIFIER_MAX).contains(&id) {
                            return Err(de::Error::custom("subscription_identifiers must be from 1 to 268435455"));
                        }
                        add(&Property::SubscriptionId(id), &mut section)?;
                    }
                }
                Name::UserProperties => {
                    for (name, value) in map.next_value::<Vec<(String, String)>>()? {
                        add(&Property::User(&name, &value), &mut section)?;
                    }
                }
            }
        }
        Ok(Section(whole.unwrap_or(section)))
    }
}

fn add<E: de::Error>(property: &Property<'_>, section: &mut Vec<u8>) -> Result<(), E> {
    encode(property, section).map_err(E::custom)
}

fn base64_value<E: de::Error>(name: Name, text: &str) -> Result<Vec<u8>, E> {
    decode_base64(name.as_str(), text).map_err(E::custom)
}

/// Validates a property section from a file.
fn checked<E: de::Error>(section: Vec<u8>) -> Result<Vec<u8>, E> {
    let mut again = Vec::with_capacity(section.len());
    let mut single: Vec<Name> = Vec::new();
    for property in publish::properties(&section) {
        let name = Name::of(&property);
        if !name.is_list() {
            if single.contains(&name) {
                return Err(E::custom("section_base64 contains a property twice"));
            }
            single.push(name);
        }
        add(&property, &mut again)?;
    }
    if again != section {
        return Err(E::custom("section_base64 isn't a valid MQTT 5.0 property section"));
    }
    Ok(section)
}

fn from_json(error: &serde_json::Error) -> ImportError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    ImportError {
        column: Some(error.column()).filter(|&column| column > 0),
        message: format!("not a valid message: {text}."),
    }
}

fn decode_base64(name: &str, text: &str) -> Result<Vec<u8>, ImportError> {
    BASE64.decode(text).map_err(|error| ImportError::whole(format!("{name} isn't valid Base64: {error}")))
}

fn put_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    put_padded_base64(bytes, out);
    out.push(b'"');
}

/// Appends bytes as Base64 (RFC 4648, section 4). The crate that decodes it would encode faster,
/// but would add 1 kB to every visitor's download.
pub(super) fn put_padded_base64(bytes: &[u8], out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        out.extend((0..4).map(|place| match place {
            _ if place > group.len() => b'=',
            _ => LETTERS[(bits >> (18 - 6 * place) & 63) as usize],
        }));
    }
}

pub(super) const fn boolean(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Appends a JSON string. Only necessary characters and line ends are escaped.
fn put_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        // The length of the character to be escaped, and its code point.
        let (length, code) = match byte {
            b'"' | b'\\' | 0..0x20 | 0x7F => (1, u32::from(byte)),
            0xC2 if bytes[at + 1] == 0x85 => (2, 0x85),
            0xE2 if bytes[at + 1] == 0x80 && bytes[at + 2] & 0xFE == 0xA8 => {
                (3, 0x2000 | u32::from(bytes[at + 2] & 0x3F))
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(&bytes[plain_from..at]);
        let short = match byte {
            b'"' | b'\\' => Some(byte),
            0x08 => Some(b'b'),
            0x09 => Some(b't'),
            0x0A => Some(b'n'),
            0x0C => Some(b'f'),
            0x0D => Some(b'r'),
            _ => None,
        };
        out.push(b'\\');
        match short {
            Some(letter) => out.push(letter),
            None => {
                out.push(b'u');
                out.extend([12, 8, 4, 0].map(|shift| HEX[(code >> shift & 0xF) as usize]));
            }
        }
        at += length;
        plain_from = at;
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

pub(super) fn put_number(number: u64, out: &mut Vec<u8>) {
    put_padded(number, 1, out);
}
