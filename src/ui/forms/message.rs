//! A message as a person types it, for publishing or as a will: text fields become a payload and
//! properties, or errors by field.

use crate::named_enum::named_enum;
use crate::ui::forms::field::{FieldError, number, typed_number};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::format;
use crate::mqtt::packet::{PublishProperties, QoS, UserProperties};
use crate::mqtt::text::string_fault;
use crate::mqtt::topic::{TopicError, TopicName};
use crate::protocol::publish::PublishRequest;

named_enum! {
    /// How bytes are written.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum PayloadNotation {
        /// As text; its bytes are UTF-8.
        #[default]
        Text = "Text",
        /// Two hex digits a byte; white space is allowed anywhere.
        Hex = "Hex",
        /// Base64 with its padding; white space is allowed anywhere.
        Base64 = "Base64",
    }
}

/// Bytes as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadInput {
    /// The typed text.
    pub text: String,
    /// The notation of the text.
    pub notation: PayloadNotation,
}

/// Why a text isn't valid in its notation, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// A character other than a hex digit or white space.
    #[error("Invalid hex digit “{0}”. Use 0–9 and a–f, two digits per byte: de ad be ef.")]
    HexDigit(char),
    /// A digit is missing.
    #[error("Odd number of hex digits ({0}). Each byte needs two.")]
    HexOdd(usize),
    /// It can't be decoded.
    #[error("Invalid Base64. Use A–Z, a–z, 0–9, + and /, padded with = to groups of four.")]
    Base64,
}

impl PayloadInput {
    /// Returns these bytes in the notation that shows them best.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.to_owned(), notation: PayloadNotation::Text },
            Err(_) => Self { text: format::hex(bytes), notation: PayloadNotation::Hex },
        }
    }

    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the text in its notation.
    pub fn parse(&self) -> Result<Vec<u8>, BytesError> {
        match self.notation {
            PayloadNotation::Text => Ok(self.text.clone().into_bytes()),
            PayloadNotation::Hex => parse_hex(&self.text),
            PayloadNotation::Base64 => {
                let digits: String = self.text.split_whitespace().collect();
                STANDARD.decode(digits).map_err(|_| BytesError::Base64)
            }
        }
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, BytesError> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).map(|digit| digit as u8).ok_or(BytesError::HexDigit(c)))
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(BytesError::HexOdd(digits.len()));
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// A field of a message's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Topic name.
    Topic,
    /// Payload.
    Payload,
    /// Content type.
    ContentType,
    /// Response topic.
    ResponseTopic,
    /// Correlation data.
    CorrelationData,
    /// Message expiry.
    MessageExpiry,
    /// A user property, by its place in the list.
    UserProperty(usize),
}

/// A message as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFields {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: PayloadInput,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the broker retains it.
    pub retain: bool,
    /// Content type; empty for none.
    pub content_type: String,
    /// Response topic; empty for none.
    pub response_topic: String,
    /// Correlation data; empty for none.
    pub correlation_data: PayloadInput,
    /// Lifetime in seconds; empty for none.
    pub message_expiry_s: String,
    /// Whether receivers are informed that the payload is UTF-8 text.
    pub payload_is_utf8: bool,
    /// User properties; rows without name and value are skipped.
    pub user_properties: UserProperties,
}

impl From<&PublishRequest> for MessageFields {
    /// Returns the message as typed.
    fn from(message: &PublishRequest) -> Self {
        let PublishRequest { topic, payload, qos, retain, properties } = message;
        Self {
            topic: topic.clone(),
            payload: PayloadInput::of(payload),
            qos: *qos,
            retain: *retain,
            content_type: properties.content_type.clone().unwrap_or_default(),
            response_topic: properties.response_topic.clone().unwrap_or_default(),
            correlation_data: properties.correlation_data.as_deref().map(PayloadInput::of).unwrap_or_default(),
            message_expiry_s: typed_number(properties.message_expiry_s),
            payload_is_utf8: properties.payload_is_utf8 == Some(true),
            user_properties: properties.user_properties.clone(),
        }
    }
}

impl MessageFields {
    /// Returns the message.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<PublishRequest, Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        if let Err(error) = TopicName::parse(&self.topic) {
            let message = match error {
                TopicError::Empty => "Enter a topic.",
                error => error.message(),
            };
            faults.push(FieldError::new(Field::Topic, message));
        }
        let payload = self.payload.parse().unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::Payload, error));
            Vec::new()
        });
        if self.payload_is_utf8 && std::str::from_utf8(&payload).is_err() {
            let message = "The payload isn't valid UTF-8. Fix it, or clear “Payload is UTF-8 text”.";
            faults.push(FieldError::new(Field::Payload, message));
        }
        let properties = self.properties(&mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(PublishRequest { topic: self.topic.clone(), payload, qos: self.qos, retain: self.retain, properties })
    }

    fn properties(&self, faults: &mut Vec<FieldError<Field>>) -> PublishProperties {
        let content_type = text_of("content type", &self.content_type).unwrap_or_else(|message| {
            faults.push(FieldError::new(Field::ContentType, message));
            None
        });
        // A topic name and no filter, because the answer goes to one topic [MQTT-3.3.2-14].
        let response_topic = Some(&self.response_topic).filter(|topic| !topic.is_empty());
        if let Some(Err(error)) = response_topic.map(|topic| TopicName::parse(topic)) {
            faults.push(FieldError::new(Field::ResponseTopic, error));
        }
        let correlation_data = match self.correlation_data.parse() {
            Ok(data) if data.len() > usize::from(u16::MAX) => {
                let message = format!("Too long: {} bytes (maximum 65,535).", data.len());
                faults.push(FieldError::new(Field::CorrelationData, message));
                None
            }
            Ok(data) => Some(data).filter(|data| !data.is_empty()),
            Err(error) => {
                faults.push(FieldError::new(Field::CorrelationData, error));
                None
            }
        };
        let message_expiry_s = number(&self.message_expiry_s, 0..=u32::MAX).unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::MessageExpiry, error));
            None
        });
        let user_properties = user_properties(&self.user_properties, |row, message| {
            faults.push(FieldError::new(Field::UserProperty(row), message));
        });
        PublishProperties {
            payload_is_utf8: self.payload_is_utf8.then_some(true),
            message_expiry_s,
            topic_alias: None,
            response_topic: response_topic.cloned(),
            correlation_data,
            content_type,
            user_properties,
        }
    }
}

/// Parses a field that may be left empty.
fn text_of(name: &str, text: &str) -> Result<Option<String>, String> {
    match string_fault(name, text) {
        Some(message) => Err(message),
        None => Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
    }
}

/// Returns the rows that aren't empty; an error in one goes to `add_error`, with its place. The
/// standard allows an empty name, and so does this form.
pub(crate) fn user_properties(rows: &[(String, String)], mut add_error: impl FnMut(usize, String)) -> UserProperties {
    let mut properties = UserProperties::new();
    for (row, (name, value)) in rows.iter().enumerate() {
        if name.is_empty() && value.is_empty() {
            continue;
        }
        let fault = string_fault("name of this property", name).or_else(|| string_fault("value", value));
        match fault {
            Some(message) => add_error(row, message),
            None => properties.push((name.clone(), value.clone())),
        }
    }
    properties
}
