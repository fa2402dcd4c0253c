//! A subscription as a person types it: text fields become a request, or errors by field.

use crate::mqtt::packet::{QoS, RetainHandling, SubscriptionOptions};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::subscription::SubscribeRequest;
use crate::ui::forms::field::{FieldError, NumberError, number, typed_number};

/// Highest subscription identifier (section 3.8.2.1.2): the largest variable byte integer.
const IDENTIFIER_MAX: u32 = 268_435_455;

/// The options of a topic filter in MQTT 5.0, other than QoS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionFields {
    /// The broker doesn't send back our own messages.
    pub no_local: bool,
    /// The broker keeps the retain flag as the publisher set it.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// Identifier of the subscription; empty for none.
    pub identifier: String,
}

impl OptionFields {
    /// Returns these options as typed.
    pub fn new(options: SubscriptionOptions, identifier: Option<u32>) -> Self {
        let SubscriptionOptions { no_local, retain_as_published, retain_handling, .. } = options;
        Self { no_local, retain_as_published, retain_handling, identifier: typed_number(identifier) }
    }

    /// Returns the options with this quality of service.
    pub fn with_qos(&self, qos: QoS) -> SubscriptionOptions {
        let Self { no_local, retain_as_published, retain_handling, .. } = *self;
        SubscriptionOptions { qos, no_local, retain_as_published, retain_handling }
    }

    /// Returns the identifier.
    pub(crate) fn parse_identifier(&self) -> Result<Option<u32>, NumberError> {
        number(&self.identifier, 1..=IDENTIFIER_MAX)
    }
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Topic filter.
    Filter,
    /// No Local, and everything else that is only chosen.
    Options,
    /// Subscription identifier.
    Identifier,
}

/// A subscription as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Topic filter.
    pub filter: String,
    /// Highest quality of service requested.
    pub qos: QoS,
    /// The options of 5.0.
    pub options: OptionFields,
}

impl From<&SubscribeRequest> for Fields {
    /// Returns the subscription as typed.
    fn from(request: &SubscribeRequest) -> Self {
        let SubscribeRequest { filter, options, identifier } = request;
        let qos = options.qos;
        Self { filter: filter.clone(), qos, options: OptionFields::new(*options, *identifier) }
    }
}

impl Fields {
    /// Returns the request.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<SubscribeRequest, Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        match TopicFilter::parse(self.filter.as_str()) {
            Err(error) => faults.push(FieldError::new(Field::Filter, error)),
            // [MQTT-3.8.3-4]
            Ok(filter) if filter.share_name().is_some() && self.options.no_local => {
                let message = "MQTT doesn't allow “No local” for shared subscriptions.";
                faults.push(FieldError::new(Field::Options, message));
            }
            Ok(_) => {}
        }
        let identifier = self.options.parse_identifier().unwrap_or_else(|error| {
            faults.push(FieldError::new(Field::Identifier, error));
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(SubscribeRequest { filter: self.filter.clone(), options: self.options.with_qos(self.qos), identifier })
    }
}
