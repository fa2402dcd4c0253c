//! The connection options as a person types them: text fields become [`ConnectionOptions`], or
//! errors by field.

use crate::mqtt::packet::{QoS, SubscriptionOptions, UserProperties, Will};
use crate::named_enum::named_enum;
use crate::protocol::connection::ConnectionOptions;
use crate::protocol::publish::PublishRequest;
use crate::ui::forms::field::{FieldError, NumberError, number, typed_number, whole_number};
use crate::ui::forms::message;
use crate::ui::forms::message::{MessageFields, user_properties};
use crate::ui::forms::subscription::OptionFields;

/// A session expiry above this would mean that the session never expires (section 3.1.2.11.2),
/// which no person should ask of somebody else's broker by mistake.
const SESSION_EXPIRY_MAX_S: u32 = u32::MAX - 1;

named_enum! {
    /// How long the session lasts.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum SessionExpiry {
        /// It ends with the page, and starts clean. After a lost connection it is resumed within a time
        /// that the app chooses.
        #[default]
        WithPage = "page",
        /// It ends with every connection.
        WithConnection = "connection",
        /// The broker keeps it for some time after the connection, and the next page with this client
        /// identifier resumes it.
        Later = "later",
    }
}

named_enum! {
    /// The unit of a time span.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TimeUnit {
        /// Seconds.
        Seconds = "seconds",
        /// Minutes.
        Minutes = "minutes",
        /// Hours.
        Hours = "hours",
    }
}

impl TimeUnit {
    const fn seconds(self) -> u32 {
        match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => 3_600,
        }
    }
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Keep alive.
    KeepAlive,
    /// How long the broker keeps the session.
    SessionSpan,
    /// Receive Maximum.
    ReceiveMaximum,
    /// Subscription identifier.
    SubscriptionIdentifier,
    /// A user property of CONNECT, by its place in the list.
    UserProperty(usize),
    /// The will's delay.
    WillDelay,
    /// A field of the will itself.
    Will(message::Field),
}

/// The connection options as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive_s: String,
    /// How long the session lasts.
    pub ending: SessionExpiry,
    /// The time for which the broker keeps it, if it does.
    pub session_span: String,
    /// The unit of that time.
    pub session_unit: TimeUnit,
    /// Receive Maximum.
    pub receive_maximum: String,
    /// The options for every topic filter.
    pub subscriptions: OptionFields,
    /// User properties of CONNECT.
    pub user_properties: UserProperties,
    /// Whether there is a will.
    pub has_will: bool,
    /// The will's delay in seconds; empty for none.
    pub will_delay_s: String,
    /// The will.
    pub will: MessageFields,
}

impl From<&ConnectionOptions> for Fields {
    /// Returns the options as typed.
    fn from(more: &ConnectionOptions) -> Self {
        let (ending, span_s) = match more.session_expiry_s {
            Some(0) => (SessionExpiry::WithConnection, None),
            Some(seconds) if more.is_persistent() => (SessionExpiry::Later, Some(seconds)),
            _ => (SessionExpiry::WithPage, None),
        };
        // An hour if nothing was chosen.
        let span_s = span_s.unwrap_or(3_600);
        let unit = TimeUnit::ALL
            .into_iter()
            .rev()
            .find(|unit| span_s.is_multiple_of(unit.seconds()))
            .unwrap_or(TimeUnit::Seconds);
        let will = more.will.as_ref().map(|will| {
            let Will { topic, payload, qos, retain, properties, .. } = will.clone();
            MessageFields::from(&PublishRequest { topic, payload, qos, retain, properties })
        });
        Self {
            keep_alive_s: more.keep_alive_s.to_string(),
            ending,
            session_span: (span_s / unit.seconds()).to_string(),
            session_unit: unit,
            receive_maximum: more.receive_maximum.to_string(),
            subscriptions: OptionFields::new(
                SubscriptionOptions {
                    no_local: more.no_local,
                    retain_as_published: more.retain_as_published,
                    retain_handling: more.retain_handling,
                    ..SubscriptionOptions::default()
                },
                more.subscription_identifier,
            ),
            user_properties: more.user_properties.clone(),
            has_will: will.is_some(),
            will_delay_s: typed_number(more.will.as_ref().and_then(|will| will.delay_s)),
            will: will.unwrap_or_default(),
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::from(&ConnectionOptions::default())
    }
}

impl Fields {
    /// Returns the options.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<ConnectionOptions, Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        let mut take = |field, result: Result<u32, NumberError>| {
            result.unwrap_or_else(|error| {
                faults.push(FieldError::new(field, error));
                0
            })
        };
        let keep_alive_s = take(Field::KeepAlive, whole_number(&self.keep_alive_s, 0..=u32::from(u16::MAX)));
        let session_expiry_s = match self.ending {
            SessionExpiry::WithPage => None,
            SessionExpiry::WithConnection => Some(0),
            SessionExpiry::Later => {
                let unit_s = self.session_unit.seconds();
                let span = whole_number(&self.session_span, 1..=SESSION_EXPIRY_MAX_S / unit_s);
                Some(take(Field::SessionSpan, span) * unit_s)
            }
        };
        let receive_maximum = take(Field::ReceiveMaximum, whole_number(&self.receive_maximum, 1..=u32::from(u16::MAX)));
        let subscription_identifier = self.subscriptions.parse_identifier().unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::SubscriptionIdentifier, error));
            None
        });
        let user_properties = user_properties(&self.user_properties, |row, text| {
            faults.push(FieldError::new(Field::UserProperty(row), text));
        });
        let will = self.has_will.then(|| self.will(&mut faults)).flatten();
        if !faults.is_empty() {
            return Err(faults);
        }
        // QoS has its own field in the connection form, next to the topics.
        let SubscriptionOptions { no_local, retain_as_published, retain_handling, .. } =
            self.subscriptions.with_qos(QoS::default());
        Ok(ConnectionOptions {
            // Both were taken from a range that fits.
            keep_alive_s: u16::try_from(keep_alive_s).unwrap_or(u16::MAX),
            clean_start: self.ending != SessionExpiry::Later,
            session_expiry_s,
            receive_maximum: u16::try_from(receive_maximum).unwrap_or(u16::MAX),
            no_local,
            retain_as_published,
            retain_handling,
            subscription_identifier,
            user_properties,
            will,
        })
    }

    fn will(&self, faults: &mut Vec<FieldError<Field>>) -> Option<Will> {
        let delay_s = number(&self.will_delay_s, 0..=u32::MAX).unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::WillDelay, error));
            None
        });
        match self.will.parse() {
            // CONNECT counts the will's payload in two bytes (section 3.1.3.4).
            Ok(message) if message.payload.len() > usize::from(u16::MAX) => {
                let bytes = message.payload.len();
                let text = format!("The last will is too long: {bytes} bytes (maximum 65,535).");
                faults.push(FieldError::new(Field::Will(message::Field::Payload), text));
                None
            }
            Ok(PublishRequest { topic, payload, qos, retain, properties }) => {
                Some(Will { topic, payload, qos, retain, delay_s, properties })
            }
            Err(errors) => {
                faults.extend(
                    errors
                        .into_iter()
                        .map(|FieldError { field, message }| FieldError { field: Field::Will(field), message }),
                );
                None
            }
        }
    }
}
