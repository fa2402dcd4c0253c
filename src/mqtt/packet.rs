//! The packets of MQTT as a client sends and receives them, in both versions.
//!
//! A received packet is already checked: [`decode`](crate::mqtt::codec::decode::decode) creates no value of these types
//! from bytes that break a rule.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// A protocol version that this client supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "MQTT 3.1.1",
            Self::V5 => "MQTT 5.0",
        })
    }
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum QoS {
    /// At most once: sent and forgotten.
    #[default]
    AtMostOnce = 0,
    /// At least once: acknowledged by PUBACK.
    AtLeastOnce = 1,
    /// Exactly once: PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// Returns the level for a number; `None` above 2 `[MQTT-3.3.1-4]`.
    pub const fn from_u8(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

/// A packet identifier; never zero `[MQTT-2.2.1-3]`.
pub type PacketId = NonZeroU16;

/// A reason code of MQTT 5.0, known or not.
///
/// Codes that the standard doesn't list are kept as received, so that a server that sends one is understood as far as
/// possible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    /// Success, normal disconnection, or QoS 0 granted.
    pub const SUCCESS: Self = Self(0x00);
    /// DISCONNECT that requests the will to be published.
    pub const DISCONNECT_WITH_WILL: Self = Self(0x04);
    /// The data can't be parsed.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// The data can be parsed but breaks a rule.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// The server doesn't support this version.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// The client identifier isn't allowed.
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// Wrong user name or password.
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// The client is known, but not allowed.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// Banned by the administrator.
    pub const BANNED: Self = Self(0x8A);
    /// The authentication method isn't supported, or isn't the one agreed on.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8C);
    /// Nothing arrived for one and a half keep alives.
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8D);
    /// Another connection uses this client identifier.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8E);
    /// No such packet identifier.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// More in flight than the Receive Maximum allows.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// A topic alias that was never set, is zero, or is above the maximum.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// Larger than the Maximum Packet Size.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// A quota was exceeded, in PUBACK, SUBACK and the like: 0x97.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// Closed by an administrator.
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// Use another server for now.
    pub const USE_ANOTHER_SERVER: Self = Self(0x9C);
    /// Use another server from now on.
    pub const SERVER_MOVED: Self = Self(0x9D);
    /// The server doesn't support `$share/…`.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9E);
    /// The server doesn't support `+` and `#`.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xA2);

    /// Whether the code means a failure: 0x80 and above.
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// The standard's name of the code, for display.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "success",
            0x01 => "granted QoS 1",
            0x02 => "granted QoS 2",
            0x04 => "disconnect with will message",
            0x10 => "no matching subscribers",
            0x11 => "no subscription existed",
            0x18 => "continue authentication",
            0x19 => "re-authenticate",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8A => "banned",
            0x8B => "server shutting down",
            0x8C => "bad authentication method",
            0x8D => "keep alive timeout",
            0x8E => "session taken over",
            0x8F => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x92 => "packet identifier not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9A => "retain not supported",
            0x9B => "QoS not supported",
            0x9C => "use another server",
            0x9D => "server moved",
            0x9E => "shared subscriptions not supported",
            0x9F => "connection rate exceeded",
            0xA0 => "maximum connect time",
            0xA1 => "subscription identifiers not supported",
            0xA2 => "wildcard subscriptions not supported",
            _ => "a reason code the standard doesn't list",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.0)
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Name and value pairs of a packet; order and repetitions matter.
pub type UserProperties = Vec<(String, String)>;

/// CONNECT, the first packet a client sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Client identifier; may be empty if the server is to assign one.
    pub client_id: &'a str,
    /// Starts without the state of an earlier session (clean session in 3.1.1).
    pub clean_start: bool,
    /// Longest allowed silence in seconds; 0 turns keep alive off.
    pub keep_alive_s: u16,
    /// User name; an empty one is allowed and differs from none.
    pub user_name: Option<&'a str>,
    /// Password; binary, and in 3.1.1 only together with a user name
    /// `[MQTT-3.1.2-22]` (of 3.1.1).
    pub password: Option<&'a [u8]>,
    /// Message that the server publishes if this client vanishes.
    pub will: Option<&'a Will>,
    /// Properties; not sent in 3.1.1.
    pub properties: ConnectProperties,
}

/// The properties of CONNECT. `None` uses the standard's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectProperties {
    /// How long the server keeps the session, in seconds; `u32::MAX` means without end.
    pub session_expiry_s: Option<u32>,
    /// Maximum number of unacknowledged QoS 1 and 2 messages towards us; never 0.
    pub receive_maximum: Option<u16>,
    /// Largest packet that we accept, in bytes, fixed header included; never 0.
    pub packet_size_maximum_bytes: Option<u32>,
    /// Highest topic alias that we accept.
    pub topic_alias_maximum: Option<u16>,
    /// Requests response information in CONNACK.
    pub request_response_information: Option<bool>,
    /// Whether reason strings are allowed in any packet.
    pub request_problem_information: Option<bool>,
    /// User properties.
    pub user_properties: UserProperties,
    /// Authentication method of AUTH.
    pub authentication_method: Option<String>,
    /// Authentication data.
    pub authentication_data: Option<Vec<u8>>,
}

/// The message that a server publishes for a client that vanished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Will {
    /// Topic name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the server retains it.
    pub retain: bool,
    /// Seconds that the server waits before it publishes the will (5.0).
    pub delay_s: Option<u32>,
    /// The will's own properties (5.0).
    pub properties: PublishProperties,
}

/// The properties that a client may set on a message it publishes, or on its will.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishProperties {
    /// `true`: the payload is UTF-8 text.
    pub payload_is_utf8: Option<bool>,
    /// Lifetime in seconds.
    pub message_expiry_s: Option<u32>,
    /// Topic alias; PUBLISH only.
    pub topic_alias: Option<NonZeroU16>,
    /// Response topic.
    pub response_topic: Option<String>,
    /// Correlation data.
    pub correlation_data: Option<Vec<u8>>,
    /// Content type, a MIME type by convention.
    pub content_type: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

/// PUBLISH, borrowed from the bytes it arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Whether it may have been sent before.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// Incoming: a retained message. Outgoing: whether the server retains it.
    pub retain: bool,
    /// Topic name; empty if a topic alias replaces it (5.0).
    pub topic: &'a str,
    /// Present if and only if `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// The topic alias from the properties, for the session.
    pub topic_alias: Option<NonZeroU16>,
    /// The property section as received, without its length, checked; iterate over it with
    /// [`crate::mqtt::codec::publish::properties`]. Empty in 3.1.1.
    pub properties: &'a [u8],
    /// The payload, as received.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Identifier of the PUBLISH it acknowledges.
    pub packet_id: PacketId,
    /// The reason code; always success in 3.1.1.
    pub reason: ReasonCode,
    /// The server's reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

/// The options that a client requests for one topic filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionOptions {
    /// Maximum quality of service.
    pub qos: QoS,
    /// Excludes messages that we published ourselves (5.0).
    pub no_local: bool,
    /// Keeps the retain flag as the publisher set it (5.0).
    pub retain_as_published: bool,
    /// When retained messages are sent (5.0).
    pub retain_handling: RetainHandling,
}

/// When the server sends retained messages for a subscription (5.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    Send = 0,
    /// Only if the subscription is new.
    SendIfNew = 1,
    /// Never.
    DontSend = 2,
}

/// CONNACK, the server's answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// The server still has the session.
    pub session_present: bool,
    /// Why the connection was refused; `None` means success.
    pub refusal: Option<Refusal>,
    /// The server's limits and other properties; empty in 3.1.1.
    pub properties: ConnAckProperties,
}

/// Why a CONNECT was refused, in the terms of the version that answered.
///
/// An old server answers a 5.0 CONNECT in the form of 3.1.1, so both can occur with any requested version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A 3.1.1 return code, 1 to 5 by the standard.
    V311(u8),
    /// A 5.0 reason code, 0x80 or above.
    V5(ReasonCode),
}

impl Refusal {
    /// The refusal as a 5.0 reason code.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::V5(reason) => reason,
            Self::V311(1) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::V311(2) => ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
            Self::V311(3) => ReasonCode(0x88),
            Self::V311(4) => ReasonCode::BAD_USER_NAME_OR_PASSWORD,
            Self::V311(5) => ReasonCode::NOT_AUTHORIZED,
            Self::V311(_) => ReasonCode(0x80),
        }
    }
}

/// The properties of a 5.0 CONNACK. `None`: the standard's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnAckProperties {
    /// Session expiry in seconds that the server uses instead of the requested one.
    pub session_expiry_s: Option<u32>,
    /// Maximum number of our unacknowledged QoS 1 and 2 messages; never 0.
    pub receive_maximum: Option<u16>,
    /// Highest QoS that we may publish with.
    pub qos_maximum: Option<QoS>,
    /// Whether retained messages are supported.
    pub retain_available: Option<bool>,
    /// Largest packet that we may send, in bytes; never 0.
    pub packet_size_maximum_bytes: Option<u32>,
    /// Identifier that the server assigned because we sent none.
    pub assigned_client_id: Option<String>,
    /// Highest topic alias that we may use.
    pub topic_alias_maximum: Option<u16>,
    /// The server's reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
    /// Whether wildcards are supported.
    pub wildcard_available: Option<bool>,
    /// Whether subscription identifiers are supported.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether `$share/…` is supported.
    pub shared_available: Option<bool>,
    /// Keep alive in seconds to use instead of the requested one `[MQTT-3.2.2-21]`.
    pub server_keep_alive_s: Option<u16>,
    /// Basis for response topics.
    pub response_information: Option<String>,
    /// Another server to use.
    pub server_reference: Option<String>,
    /// Authentication method.
    pub authentication_method: Option<String>,
    /// Authentication data.
    pub authentication_data: Option<Vec<u8>>,
}

/// SUBACK or UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Identifier of the SUBSCRIBE or UNSUBSCRIBE it answers.
    pub packet_id: PacketId,
    /// One code per filter, in order; empty in an UNSUBACK of 3.1.1.
    pub reasons: Vec<ReasonCode>,
    /// The server's reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

/// DISCONNECT; in 5.0 servers send it, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The reason; always normal in 3.1.1.
    pub reason: ReasonCode,
    /// Session expiry in seconds, changed at the end of the connection; client only.
    pub session_expiry_s: Option<u32>,
    /// The sender's reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
    /// Another server to use; server only.
    pub server_reference: Option<String>,
}

impl Disconnect {
    /// Creates a DISCONNECT with only a reason code.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            session_expiry_s: None,
            reason_string: None,
            user_properties: Vec::new(),
            server_reference: None,
        }
    }
}

/// AUTH, 5.0 only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// 0x00, 0x18 or 0x19.
    pub reason: ReasonCode,
    /// Authentication method.
    pub method: Option<String>,
    /// Authentication data.
    pub data: Option<Vec<u8>>,
    /// The sender's reason string.
    pub reason_string: Option<String>,
    /// User properties.
    pub user_properties: UserProperties,
}

/// A packet from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// CONNACK
    ConnAck(Box<ConnAck>),
    /// PUBLISH
    Publish(Publish<'a>),
    /// PUBACK
    PubAck(Ack),
    /// PUBREC
    PubRec(Ack),
    /// PUBREL
    PubRel(Ack),
    /// PUBCOMP
    PubComp(Ack),
    /// SUBACK
    SubAck(SubAck),
    /// UNSUBACK
    UnsubAck(SubAck),
    /// PINGRESP
    PingResp,
    /// DISCONNECT
    Disconnect(Disconnect),
    /// AUTH
    Auth(Auth),
}

/// A packet to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// CONNECT
    Connect(&'a Connect<'a>),
    /// PUBLISH
    Publish(Publish<'a>),
    /// PUBACK
    PubAck(PacketId, ReasonCode),
    /// PUBREC
    PubRec(PacketId, ReasonCode),
    /// PUBREL
    PubRel(PacketId, ReasonCode),
    /// PUBCOMP
    PubComp(PacketId, ReasonCode),
    /// SUBSCRIBE
    Subscribe {
        /// Identifier; the SUBACK has the same one.
        packet_id: PacketId,
        /// Topic filters with options; at least one `[MQTT-3.8.3-2]`.
        filters: &'a [(&'a str, SubscriptionOptions)],
        /// Subscription identifier, 1 to 268,435,455 (5.0).
        subscription_id: Option<u32>,
    },
    /// UNSUBSCRIBE
    Unsubscribe {
        /// Identifier; the UNSUBACK has the same one.
        packet_id: PacketId,
        /// Topic filters; at least one `[MQTT-3.10.3-2]`.
        filters: &'a [&'a str],
    },
    /// PINGREQ
    PingReq,
    /// DISCONNECT
    Disconnect(&'a Disconnect),
    /// AUTH
    Auth(&'a Auth),
}
