//! What the server allows, from CONNACK.

use serde::{Deserialize, Serialize};

use crate::mqtt::error::EncodeError;
use crate::mqtt::packet::{ConnAckProperties, QoS, ReasonCode, UserProperties};
use crate::mqtt::session::options::{Message, Options, Subscription};

/// Maximum number of unacknowledged QoS 1 and 2 messages of ours towards a 3.1.1 server, which can't state its limit.
/// Mosquitto accepts 20 (`max_inflight_messages`) and answers a QoS 2 message beyond them with a PUBREC that means
/// "quota exceeded" in 5.0 and "accepted" in 3.1.1; its own clients stop at 20 too.
pub const IN_FLIGHT_V311: u16 = 20;

/// The server's capabilities from CONNACK; the standard's defaults for anything that it doesn't state. 3.1.1 states
/// nothing, and forbids nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCapabilities {
    /// Largest packet that it accepts, in bytes.
    pub packet_bytes: u32,
    /// Highest QoS that it allows us to publish with.
    pub qos_maximum: QoS,
    /// Whether it supports retained messages.
    pub retain_available: bool,
    /// Whether it supports filters with wildcards.
    pub wildcard_available: bool,
    /// Whether it supports subscription identifiers.
    pub subscription_identifiers_available: bool,
    /// Whether it supports `$share/…`.
    pub shared_available: bool,
    /// Maximum number of our unacknowledged QoS 1 and 2 messages.
    pub receive_maximum: u16,
    /// Highest topic alias we may use; 0 forbids them.
    pub topic_alias_maximum: u16,
    /// The keep alive in force, in seconds.
    pub keep_alive_s: u16,
    /// How long the session outlives this connection, in seconds.
    pub session_expiry_s: u32,
    /// The client identifier in force.
    pub client_id: String,
    /// Basis for response topics.
    pub response_information: Option<String>,
    /// Its reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

impl ServerCapabilities {
    /// The defaults before CONNACK.
    pub(super) fn unknown(options: &Options) -> Self {
        Self::new(ConnAckProperties::default(), options)
    }

    pub(super) fn new(stated: ConnAckProperties, options: &Options) -> Self {
        Self {
            packet_bytes: stated.packet_size_maximum_bytes.unwrap_or(u32::MAX),
            qos_maximum: stated.qos_maximum.unwrap_or(QoS::ExactlyOnce),
            retain_available: stated.retain_available.unwrap_or(true),
            wildcard_available: stated.wildcard_available.unwrap_or(true),
            subscription_identifiers_available: stated.subscription_identifiers_available.unwrap_or(true),
            shared_available: stated.shared_available.unwrap_or(true),
            receive_maximum: stated.receive_maximum.unwrap_or(u16::MAX),
            topic_alias_maximum: stated.topic_alias_maximum.unwrap_or(0),
            keep_alive_s: stated.server_keep_alive_s.unwrap_or(options.keep_alive_s),
            session_expiry_s: stated.session_expiry_s.unwrap_or(options.session_expiry_s),
            client_id: stated.assigned_client_id.unwrap_or_else(|| options.client_id.clone()),
            response_information: stated.response_information,
            reason_string: stated.reason_string,
            user_properties: stated.user_properties,
        }
    }

    /// Whether a message may be published to this server.
    pub(super) fn allows(&self, message: &Message) -> Result<(), EncodeError> {
        if message.qos > self.qos_maximum {
            let message = match self.qos_maximum {
                QoS::AtMostOnce => "This broker accepts QoS 0 only.",
                _ => "This broker accepts QoS 0 and 1 only.",
            };
            return Err(EncodeError::forbidden("[MQTT-3.2.2-11]", message));
        }
        if message.retain && !self.retain_available {
            return Err(EncodeError::forbidden("[MQTT-3.2.2-14]", "This broker doesn't support retained messages."));
        }
        Ok(())
    }

    /// Why the server doesn't allow this subscription; `None` if it does.
    pub(super) fn refuses(&self, subscription: &Subscription) -> Option<ReasonCode> {
        let filter = &subscription.filter;
        if filter.share_name().is_some() && subscription.options.no_local {
            // [MQTT-3.8.3-4]
            return Some(ReasonCode::PROTOCOL_ERROR);
        }
        if filter.share_name().is_some() && !self.shared_available {
            return Some(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        let wild = filter.has_wildcards() && !self.wildcard_available;
        wild.then_some(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED)
    }
}
