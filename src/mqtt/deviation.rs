//! Decides which faults of a server are tolerated and which end the connection, in one table.
//!
//! MQTT 5.0 says that a client SHOULD close the connection on a Malformed Packet or a Protocol Error (section 4.13.1),
//! so a fault that leaves no doubt about the meaning is tolerated: the connection stays, and the fault is recorded with
//! the packet and reported once per connection. MQTT 3.1.1 says MUST (`[MQTT-4.8.0-1]` of 3.1.1), so there the
//! connection is closed, and after the third violation of the same rule there is no automatic retry.
//!
//! | fault | statement | 5.0 | 3.1.1 |
//! |---|---|---|---|
//! | DUP at QoS 0 | `[MQTT-3.3.1-2]` | message kept | closes |
//! | `+` or `#` in a topic | `[MQTT-3.3.2-2]` | message kept | closes |
//! | U+0000 in a topic | `[MQTT-1.5.4-2]` | message kept | closes |
//! | empty topic, no alias | `[MQTT-4.7.3-1]` | message skipped, acknowledged | closes |
//! | topic that isn't UTF-8 | `[MQTT-1.5.4-1]` | message skipped, acknowledged | closes |
//! | Maximum QoS above 1 | section 3.2.2.3.4 | as if absent | has none |
//! | Receive Maximum 0 | section 3.2.2.3.3 | taken as 1 | has none |
//! | Maximum Packet Size 0 | section 3.2.2.3.6 | as if absent | has none |
//! | a flag of CONNACK above 1 | sections 3.2.2.3.5, .11, .12, .13 | as if absent | has none |
//! | SUBACK, UNSUBACK in the form of 3.1.1 | sections 3.9, 3.11 | understood | their form |
//! | PUBLISH above our packet size | `[MQTT-3.1.2-24]` | closes: the limit was stated | skipped by its length: no limit was stated |
//! | CONNACK in the form of 3.1.1 | section 3.2 | closes; "auto" continues with 3.1.1 | its form |
//! | Session Present on a clean session | `[MQTT-3.2.2-4]` | closes (MUST) | closes |
//! | WebSocket text frame | `[MQTT-6.0.0-1]` | closes (MUST) | closes (MUST) |
//! | anything else | by its rule | closes | closes |
//!
//! Until "auto" has connected, a fault of CONNACK causes one fallback to 3.1.1, and nothing is tolerated.

use serde::{Deserialize, Serialize};

use super::packet::QoS;

/// A fault of a 5.0 server that is tolerated; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deviation {
    /// A QoS 0 message has the DUP flag.
    DupAtQos0,
    /// A topic contains `+` or `#`.
    WildcardInTopic,
    /// A topic contains U+0000.
    NulInTopic,
    /// A message has neither a topic nor an alias for one.
    EmptyTopic,
    /// A topic isn't UTF-8.
    TopicNotUtf8,
    /// CONNACK has a Maximum QoS above 1.
    MaximumQos,
    /// CONNACK has a Receive Maximum of 0.
    ReceiveMaximum,
    /// CONNACK has a Maximum Packet Size of 0.
    MaximumPacketSize,
    /// CONNACK has a flag that is neither 0 nor 1.
    ConnAckFlag,
    /// SUBACK has no property length.
    V311SubAck,
    /// UNSUBACK has no property length.
    V311UnsubAck,
}

impl Deviation {
    /// The deviation of a message that was kept.
    pub fn of_message(topic: &str, qos: QoS, dup: bool) -> Option<Self> {
        if topic.contains(['+', '#']) {
            Some(Self::WildcardInTopic)
        } else if topic.contains('\0') {
            Some(Self::NulInTopic)
        } else {
            (dup && qos == QoS::AtMostOnce).then_some(Self::DupAtQos0)
        }
    }

    /// The violated statement, or its section if it has no number.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::DupAtQos0 => "[MQTT-3.3.1-2]",
            Self::WildcardInTopic => "[MQTT-3.3.2-2]",
            Self::NulInTopic => "[MQTT-1.5.4-2]",
            Self::EmptyTopic => "[MQTT-4.7.3-1]",
            Self::TopicNotUtf8 => "[MQTT-1.5.4-1]",
            Self::MaximumQos => "(MQTT 5.0, 3.2.2.3.4)",
            Self::ReceiveMaximum => "(MQTT 5.0, 3.2.2.3.3)",
            Self::MaximumPacketSize => "(MQTT 5.0, 3.2.2.3.6)",
            Self::ConnAckFlag => "(MQTT 5.0, 3.2.2.3)",
            Self::V311SubAck => "(MQTT 5.0, 3.9)",
            Self::V311UnsubAck => "(MQTT 5.0, 3.11)",
        }
    }

    /// The fault and how it was handled, for display.
    pub const fn message(self) -> &'static str {
        match self {
            Self::DupAtQos0 => "The broker sent a QoS 0 message with the DUP flag. The message is kept.",
            Self::WildcardInTopic => "The broker sent a message whose topic contains a wildcard. The message is kept.",
            Self::NulInTopic => "The broker sent a message whose topic contains U+0000. The message is kept.",
            Self::EmptyTopic => "The broker sent a message without a topic. The message is skipped.",
            Self::TopicNotUtf8 => "The broker sent a message whose topic isn't UTF-8 text. The message is skipped.",
            Self::MaximumQos => "The broker states a maximum QoS that is neither 0 nor 1. The value is ignored.",
            Self::ReceiveMaximum => {
                "The broker states a receive maximum of 0, which is not allowed. 1 is used instead."
            }
            Self::MaximumPacketSize => {
                "The broker states a maximum packet size of 0, which is not allowed. The value is ignored."
            }
            Self::ConnAckFlag => "The broker's CONNACK has a flag that is neither 0 nor 1. The flag is ignored.",
            Self::V311SubAck => "The broker answers SUBSCRIBE in the format of MQTT 3.1.1. The answer is accepted.",
            Self::V311UnsubAck => "The broker answers UNSUBSCRIBE in the format of MQTT 3.1.1. The answer is accepted.",
        }
    }
}
