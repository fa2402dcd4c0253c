//! What the broker supports: the reasons next to the fields that a form disables, and the list of
//! what the broker reported about itself.
//!
//! All of it applies while connected. If nothing is known, nothing is disabled: the next connection
//! may be to another broker.

use crate::format::{self, grouped};
use crate::mqtt::packet::{QoS, Version};
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::protocol::connection::{BrokerStatus, ConnectionState};

/// A capability that a broker may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// A message, or a will, with this QoS `[MQTT-3.2.2-11]`, `[MQTT-3.2.2-12]`.
    QoS(QoS),
    /// A message, or a will, to be retained `[MQTT-3.2.2-13]`,
    /// `[MQTT-3.2.2-14]`.
    Retain,
    /// Properties, which only MQTT 5.0 has.
    Properties,
    /// Subscription identifiers (section 3.2.2.3.12).
    SubscriptionIdentifiers,
    /// A keep alive chosen by the client `[MQTT-3.2.2-21]`.
    KeepAlive {
        /// The one that was asked for, in seconds.
        asked_s: u16,
    },
}

/// Returns why the broker doesn't support it, as text; `None` if it does, or if nothing is known.
pub fn unavailable_reason(status: &BrokerStatus, capability: Capability) -> Option<String> {
    let reason = match capability {
        Capability::Properties => return only_in_5(status),
        Capability::SubscriptionIdentifiers if status.version == Some(Version::V311) => return only_in_5(status),
        _ => {
            let server = status.server.as_ref()?;
            match capability {
                Capability::QoS(qos) if qos > server.qos_maximum => {
                    format!("This broker's maximum QoS is {}.", server.qos_maximum)
                }
                Capability::Retain if !server.retain_available => {
                    "This broker doesn't support retained messages.".to_owned()
                }
                Capability::SubscriptionIdentifiers if !server.subscription_identifiers_available => {
                    "This broker doesn't support subscription identifiers.".to_owned()
                }
                Capability::KeepAlive { asked_s } if server.keep_alive_s != asked_s => {
                    format!("{} s (set by the broker)", grouped(server.keep_alive_s.into()))
                }
                _ => return None,
            }
        }
    };
    Some(reason)
}

fn only_in_5(status: &BrokerStatus) -> Option<String> {
    (status.version == Some(Version::V311)).then(|| "Requires MQTT 5.0.".to_owned())
}

/// Returns why nothing can be published now; `None` if it can, even if only into the queue.
pub const fn unavailable_publish_reason(state: ConnectionState) -> Option<&'static str> {
    match state {
        ConnectionState::Idle => Some("Not connected. Connect to send messages."),
        ConnectionState::Stopped => Some("Disconnected. Fix the connection problem, then press Connect."),
        ConnectionState::Connecting | ConnectionState::Connected | ConnectionState::Reconnecting => None,
    }
}

/// One line of what the broker reported about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityRow {
    /// The name of the property.
    pub name: &'static str,
    /// The reported value, or the standard's default if the broker reported none.
    pub value: String,
}

/// Returns what this broker allows, line by line; empty while nothing is known.
pub fn capabilities(status: &BrokerStatus) -> Vec<CapabilityRow> {
    let (Some(version), Some(server)) = (status.version, &status.server) else {
        return Vec::new();
    };
    let row = |name, value: String| CapabilityRow { name, value };
    let mut rows = vec![row("Protocol", version.to_string()), row("Client ID", server.client_id.clone())];
    let keep_alive = match server.keep_alive_s {
        0 => "off".to_owned(),
        seconds => format::exact_duration(seconds.into()),
    };
    rows.push(row("Keep alive", keep_alive));
    if version == Version::V311 {
        let reason = "Not reported by MQTT 3.1.1".to_owned();
        rows.push(row("Everything else", reason));
        return rows;
    }
    let ServerCapabilities { packet_bytes, qos_maximum, retain_available, wildcard_available, .. } = server;
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    rows.extend([
        row("Session expiry", session_span(server.session_expiry_s)),
        row("Maximum QoS", qos_maximum.to_string()),
        row("Retained messages", yes_or_no(*retain_available)),
        row("Wildcard subscriptions", yes_or_no(*wildcard_available)),
        row("Shared subscriptions", yes_or_no(server.shared_available)),
        row("Subscription identifiers", yes_or_no(server.subscription_identifiers_available)),
        row("Maximum packet size", packet_size(*packet_bytes)),
        row("Receive maximum", grouped(server.receive_maximum.into())),
        row(
            "Topic aliases",
            match server.topic_alias_maximum {
                0 => "no".to_owned(),
                count => format!("up to {}", grouped(count.into())),
            },
        ),
    ]);
    let texts =
        [("Response information", server.response_information.as_ref()), ("Reason", server.reason_string.as_ref())];
    rows.extend(texts.into_iter().filter_map(|(name, text)| Some(row(name, text?.clone()))));
    rows.extend(server.user_properties.iter().map(|(name, value)| row("User property", format!("{name}: {value}"))));
    rows
}

fn session_span(seconds: u32) -> String {
    match seconds {
        0 => "no".to_owned(),
        u32::MAX => "unlimited".to_owned(),
        seconds => format::exact_duration(seconds),
    }
}

fn packet_size(bytes: u32) -> String {
    // MQTT's own limit: a remaining length of four bytes, and the header before it.
    const PACKET_BYTES_MAX: u32 = 268_435_460;
    if bytes >= PACKET_BYTES_MAX { "unlimited".to_owned() } else { format!("{} bytes", grouped(bytes.into())) }
}
