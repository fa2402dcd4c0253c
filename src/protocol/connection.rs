//! The connection: the request for it, its options, and its state.

use super::subscription::Subscription;
use crate::credentials::is_credential_name;
use crate::mqtt::broker_url::PageOrigin;
use crate::mqtt::packet::QoS;
use crate::mqtt::packet::RetainHandling;
use crate::mqtt::packet::UserProperties;
use crate::mqtt::packet::Version;
use crate::mqtt::packet::Will;
use crate::mqtt::session::options::RECEIVE_MAXIMUM;
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// The state of the connection, and what the broker allows on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// The state.
    pub state: ConnectionState,
    /// The version in use, while connected.
    pub version: Option<Version>,
    /// The broker's capabilities, while connected.
    pub server: Option<ServerCapabilities>,
    /// The options of this connection, or of the last one.
    pub options: ConnectionOptions,
}

/// What the page shows about a JWT in the password field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtInfo {
    /// Its subject and expiry, as text.
    pub text: String,
    /// Whether it has expired, so that brokers refuse it.
    pub has_expired: bool,
    /// Whether the current connection, or the one being made, uses another password.
    pub can_renew: bool,
}

/// The state that the page shows and programs read as `data-stat="state"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionState {
    /// Not connected: nothing was requested yet, or the person disconnected.
    #[default]
    Idle,
    /// The first connection is being made.
    Connecting,
    /// Connected and accepted.
    Connected,
    /// The connection was lost; the next attempt is in progress or scheduled.
    Reconnecting,
    /// The connection failed, and a retry wouldn't help.
    Stopped,
}

impl ConnectionState {
    /// The value of `data-value` (contract: `data-stat="state"`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the page is neither connected nor tries to connect.
    pub const fn is_away(self) -> bool {
        matches!(self, Self::Idle | Self::Stopped)
    }
}

/// The connection as the page shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The state.
    pub state: ConnectionState,
    /// The state as text, in a sentence or two.
    pub message: String,
    /// Possible causes of a failure and what to do, likeliest first.
    pub advice: Vec<Advice>,
    /// The evidence for that.
    pub evidence: Vec<Evidence>,
    /// Information for the person that isn't a failure.
    pub notice: Option<String>,
    /// The version in use.
    pub version: Option<Version>,
    /// The subscriptions and the broker's answers to them.
    pub subscriptions: Vec<Subscription>,
    /// Whether the session outlives the page; to find it again, the page needs the client identifier.
    pub is_persistent: bool,
    /// Another tab of this browser has this session, and this one can take it over.
    pub can_take_over: bool,
    /// The broker ends each connection at a message that has to be sent again: asks the person to drop the message or
    /// to end the session.
    pub question: Option<String>,
    /// When the next attempt is due, if one is scheduled.
    pub retry_at: Option<Instant>,
}

impl Connection {
    /// Whether the evidence shows what the broker did wrong.
    pub fn shows_fault_of_broker(&self) -> bool {
        self.evidence.iter().any(|evidence| evidence.name == Evidence::OFFENDING_PACKET)
    }
}

/// One likely cause of a failure and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The advice, in a sentence or two.
    pub text: String,
    /// A page that helps with it.
    pub link: Option<String>,
}

impl Advice {
    /// Creates advice without a link.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None }
    }
}

/// One observation about a failed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the observation.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Evidence {
    /// Name of the evidence that holds the bytes that broke a rule.
    pub const OFFENDING_PACKET: &str = "Offending packet";
}

/// Where and how to connect, and what to subscribe to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// WebSocket address, with the path as it was entered.
    pub broker: String,
    /// Topic filters; at least one.
    pub topics: Vec<String>,
    /// Quality of service requested for each filter.
    pub qos: QoS,
    /// `None`: try 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier.
    pub client_id: String,
    /// User name; `None` sends none.
    pub user_name: Option<String>,
    /// Password; `None` sends none. Lives in memory only.
    pub password: Option<Secret>,
    /// The origin of the page that sends the request.
    pub page: PageOrigin,
}

/// The options of a connection: what the form has under "Advanced settings".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionOptions {
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive_s: u16,
    /// Discards the session that the broker keeps.
    pub clean_start: bool,
    /// How long the session outlives a lost connection, in seconds; `None` uses the app's default.
    pub session_expiry_s: Option<u32>,
    /// Maximum number of unacknowledged QoS 1 and 2 messages towards us (5.0); never 0.
    pub receive_maximum: u16,
    /// Excludes messages that we published ourselves (5.0).
    pub no_local: bool,
    /// Keeps the retain flag as the publisher set it (5.0).
    pub retain_as_published: bool,
    /// When retained messages are sent (5.0).
    pub retain_handling: RetainHandling,
    /// Identifier of the subscriptions (5.0).
    pub subscription_identifier: Option<u32>,
    /// User properties of CONNECT (5.0).
    pub user_properties: UserProperties,
    /// The message that the broker publishes if this client vanishes.
    pub will: Option<Will>,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            keep_alive_s: 30,
            clean_start: true,
            session_expiry_s: None,
            receive_maximum: RECEIVE_MAXIMUM,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
            subscription_identifier: None,
            user_properties: UserProperties::new(),
            will: None,
        }
    }
}

impl ConnectionOptions {
    /// Whether the session outlives the page. This needs clean start to be off, because the next page has to resume it.
    pub fn is_persistent(&self) -> bool {
        self.session_expiry_s.is_some_and(|seconds| seconds > 0) && !self.clean_start
    }

    /// The options for the store: the values of user properties that are named as credentials are emptied.
    pub fn without_credentials(&self) -> Self {
        let mut stored = self.clone();
        for (name, value) in &mut stored.user_properties {
            if is_credential_name(name) {
                value.clear();
            }
        }
        stored
    }
}

/// A password in transit. Its `Debug` output is empty, so that no log can contain it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
