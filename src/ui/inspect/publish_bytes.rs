//! The bytes of a PUBLISH, and what each of them means (section 3.3).
//!
//! The log keeps a message's content and not its packet, so the packet is encoded again here. If
//! that can't give the very bytes that arrived, the notes say so.

use std::sync::Arc;

use crate::message_log::message::Message;
use crate::mqtt::codec::primitives::put_variable_integer;
use crate::mqtt::codec::publish::{Property, properties};
use crate::mqtt::packet::{QoS, Version};

/// The packet of a message, with its fields.
#[derive(Clone, Debug)]
pub struct PublishBytes {
    /// Everything before the payload; `None` for a byte that isn't known.
    head: Vec<Option<u8>>,
    payload: Arc<[u8]>,
    fields: Vec<Field>,
    notes: Vec<String>,
}

/// A run of bytes with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its first byte, from 0.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Its name in the standard.
    pub name: &'static str,
    /// Its value here.
    pub description: String,
}

impl PublishBytes {
    /// Encodes the packet that would bring this message, in a version of MQTT and with its
    /// identifier, if that is known. The message's own payload isn't used; `payload` is.
    pub fn new(message: &Message<'_>, payload: Arc<[u8]>, version: Version, identifier: Option<u16>) -> Self {
        let mut packet = Self { head: Vec::new(), payload, fields: Vec::new(), notes: Vec::new() };
        // Only 5.0 has properties, whatever the present version is.
        let version = if message.properties.is_empty() { version } else { Version::V5 };
        packet.put_header(message, version);
        packet.put_topic(message.topic);
        packet.put_packet_id(message.qos, identifier);
        if version == Version::V5 {
            packet.put_properties(message.properties);
        }
        packet.note(message, version, identifier);
        if !packet.payload.is_empty() {
            let start = packet.head.len();
            let end = start + packet.payload.len();
            let text = match packet.payload.len() {
                1 => "1 byte, unmodified.".to_owned(),
                bytes => format!("{bytes} bytes, unmodified."),
            };
            packet.fields.push(Field { start, end, name: "Payload", description: text });
        }
        packet
    }

    /// Returns the number of bytes; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a packet is never empty")]
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Returns a byte; `None` if it isn't known, or past the end.
    pub fn byte(&self, at: usize) -> Option<u8> {
        match self.head.get(at) {
            Some(&byte) => byte,
            None => self.payload.get(at.checked_sub(self.head.len())?).copied(),
        }
    }

    /// Returns the fields, in their order and without gaps.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the index of the field that a byte belongs to.
    pub fn field_at(&self, at: usize) -> usize {
        self.fields.partition_point(|field| field.end <= at).min(self.fields.len().saturating_sub(1))
    }

    /// Describes a byte: its place, its value, and the field it is part of.
    pub fn describe(&self, at: usize) -> String {
        let Some(field) = self.fields.get(self.field_at(at)) else { return String::new() };
        let value = match self.byte(at) {
            Some(byte) => format!("0x{byte:02X} ({byte})"),
            None => "unknown".to_owned(),
        };
        let place = match field.end - field.start {
            1 => String::new(),
            length => format!(", byte {} of {length}", at - field.start + 1),
        };
        format!("Byte {at}: {value}. {}{place}. {}", field.name, field.description)
    }

    /// Returns how these may differ from the bytes that arrived, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn put(&mut self, bytes: &[u8], name: &'static str, description: impl Into<String>) {
        let start = self.head.len();
        self.head.extend(bytes.iter().copied().map(Some));
        // An empty text has a length and no bytes.
        if !bytes.is_empty() {
            self.fields.push(Field { start, end: self.head.len(), name, description: description.into() });
        }
    }

    fn put_header(&mut self, message: &Message<'_>, version: Version) {
        let Message { qos, retain, dup, .. } = *message;
        let first = 0x30 | u8::from(dup) << 3 | (qos as u8) << 1 | u8::from(retain);
        let delivery = match qos {
            QoS::AtMostOnce => "at most once",
            QoS::AtLeastOnce => "at least once",
            QoS::ExactlyOnce => "exactly once",
        };
        let text = format!(
            "High nibble 3 = PUBLISH. Low nibble = flags: DUP {}, QoS {qos} ({delivery}), RETAIN {}.",
            u8::from(dup),
            u8::from(retain),
        );
        self.put(&[first], "Packet type and flags", text);
        let properties_bytes = message.properties.len();
        let mut length = 2 + message.topic.len() + if qos == QoS::AtMostOnce { 0 } else { 2 } + self.payload.len();
        if version == Version::V5 {
            length += properties_bytes + variable_integer(properties_bytes).len();
        }
        let text = format!(
            "{}. Variable-length integer: 7 bits per byte, lowest first; the high bit means that another byte follows.",
            following(length)
        );
        self.put(&variable_integer(length), "Remaining Length", text);
    }

    fn put_topic(&mut self, topic: &str) {
        self.put_length("Length of the topic name", topic.len());
        self.put(topic.as_bytes(), "Topic Name", format!("“{topic}”, in UTF-8."));
    }

    fn put_packet_id(&mut self, qos: QoS, identifier: Option<u16>) {
        if qos == QoS::AtMostOnce {
            return;
        }
        let start = self.head.len();
        let text = match identifier {
            Some(identifier) => {
                self.head.extend(identifier.to_be_bytes().map(Some));
                format!("{identifier}. Acknowledgements carry the same number.")
            }
            None => {
                self.head.extend([None, None]);
                "No longer known. Acknowledgements carry the same number.".to_owned()
            }
        };
        self.fields.push(Field { start, end: start + 2, name: "Packet Identifier", description: text });
    }

    fn put_properties(&mut self, section: &[u8]) {
        let text = match section.len() {
            0 => "No properties.".to_owned(),
            length => format!("{length} bytes of properties follow."),
        };
        self.put(&variable_integer(section.len()), "Property Length", text);
        let mut rest = section;
        for property in properties(section) {
            let Some((&identifier, after)) = rest.split_first() else { return };
            let (name, of_name) = names(&property);
            self.put(&[identifier], "Property identifier", format!("{identifier} = {of_name}."));
            rest = self.put_value(&property, name, after);
        }
        // The session has checked the section, so nothing is left; an import may contain anything.
        self.put(rest, "Properties", "Not a valid MQTT property.");
    }

    /// Adds a property's value, which is at the beginning of `bytes`, and returns what follows it.
    fn put_value<'a>(&mut self, property: &Property<'_>, name: &'static str, bytes: &'a [u8]) -> &'a [u8] {
        match *property {
            Property::ContentType(text) | Property::ResponseTopic(text) => {
                self.put_text(name, "Length of the value", text, bytes)
            }
            Property::CorrelationData(data) => {
                self.put_length("Length of the value", data.len());
                let (value, rest) = bytes.split_at_checked(2 + data.len()).unwrap_or_default();
                self.put(value.get(2..).unwrap_or_default(), name, format!("{} bytes.", data.len()));
                rest
            }
            Property::User(user_name, value) => {
                let rest = self.put_text("Name of a user property", "Length of the name", user_name, bytes);
                self.put_text("Value of a user property", "Length of the value", value, rest)
            }
            _ => {
                let length = match *property {
                    Property::PayloadIsUtf8(_) => 1,
                    Property::MessageExpiryS(_) => 4,
                    Property::SubscriptionId(id) => variable_integer(id as usize).len(),
                    _ => 2,
                };
                let (value, rest) = bytes.split_at_checked(length).unwrap_or_default();
                self.put(value, name, format!("{}.", value_text(property)));
                rest
            }
        }
    }

    fn put_text<'a>(&mut self, name: &'static str, length_name: &'static str, text: &str, bytes: &'a [u8]) -> &'a [u8] {
        self.put_length(length_name, text.len());
        let (value, rest) = bytes.split_at_checked(2 + text.len()).unwrap_or_default();
        self.put(value.get(2..).unwrap_or_default(), name, format!("“{text}”, in UTF-8."));
        rest
    }

    /// Adds the length of a text or of other bytes, in two bytes; MQTT has no longer ones.
    fn put_length(&mut self, name: &'static str, length: usize) {
        self.put(&(length as u16).to_be_bytes(), name, format!("{}.", following(length)));
    }

    fn note(&mut self, message: &Message<'_>, version: Version, identifier: Option<u16>) {
        let written = match version {
            Version::V311 => "Reconstructed from the log as an MQTT 3.1.1 packet.",
            Version::V5 => "Reconstructed from the log as an MQTT 5.0 packet.",
        };
        self.notes.push(written.to_owned());
        if message.qos != QoS::AtMostOnce && identifier.is_none() {
            let text = "The packet identifier is known only while the packet is in the packet log. Its two bytes are \
                         shown as “··”.";
            self.notes.push(text.to_owned());
        }
        let alias = properties(message.properties).find_map(|property| match property {
            Property::TopicAlias(alias) => Some(alias),
            _ => None,
        });
        if let Some(alias) = alias {
            self.notes.push(format!(
                "Topic alias {alias}: the broker may have left out the topic name, which is shown here in full."
            ));
        }
    }
}

/// Returns a property's name, and its name within a sentence.
const fn names(property: &Property<'_>) -> (&'static str, &'static str) {
    match property {
        Property::PayloadIsUtf8(_) => ("Payload format", "payload format indicator"),
        Property::MessageExpiryS(_) => ("Message expiry", "message expiry interval"),
        Property::ContentType(_) => ("Content type", "content type"),
        Property::ResponseTopic(_) => ("Response topic", "response topic"),
        Property::CorrelationData(_) => ("Correlation data", "correlation data"),
        Property::SubscriptionId(_) => ("Subscription identifier", "subscription identifier"),
        Property::TopicAlias(_) => ("Topic alias", "topic alias"),
        Property::User(..) => ("User property", "user property"),
    }
}

/// Returns a property's name and its value as text.
pub fn property_text(property: &Property<'_>) -> (&'static str, String) {
    (names(property).0, value_text(property))
}

fn value_text(property: &Property<'_>) -> String {
    match *property {
        Property::PayloadIsUtf8(true) => "text in UTF-8".to_owned(),
        Property::PayloadIsUtf8(false) => "unspecified bytes".to_owned(),
        Property::MessageExpiryS(1) => "1 s left".to_owned(),
        Property::MessageExpiryS(seconds) => format!("{seconds} s left"),
        Property::ContentType(text) | Property::ResponseTopic(text) => text.to_owned(),
        Property::CorrelationData(data) => match str::from_utf8(data) {
            Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
            _ => crate::ui::inspect::outline::bytes_in_hex(data),
        },
        Property::SubscriptionId(id) => id.to_string(),
        Property::TopicAlias(alias) => alias.to_string(),
        Property::User(name, value) => format!("{name}: {value}"),
    }
}

fn following(bytes: usize) -> String {
    if bytes == 1 { "1 byte follows".to_owned() } else { format!("{bytes} bytes follow") }
}

fn variable_integer(value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A packet has at most 16 MiB.
    put_variable_integer(value as u32, &mut bytes);
    bytes
}
