//! The connection: what is asked for, and its state.

use super::subscription::Subscription;
use crate::credentials::is_credential_name;
use crate::mqtt::broker_url::PageOrigin;
use crate::mqtt::packet::QoS;
use crate::mqtt::packet::RetainHandling;
use crate::mqtt::packet::UserProperties;
use crate::mqtt::packet::Version;
use crate::mqtt::packet::Will;
use crate::mqtt::session::RECEIVE_MAXIMUM;
use crate::mqtt::session::ServerCapabilities;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// Where the connection stands and what the broker allows on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerStatus {
    /// The state.
    pub state: ConnectionState,
    /// The version in use; while connected.
    pub version: Option<Version>,
    /// What the broker said of itself; while connected.
    pub server: Option<ServerCapabilities>,
    /// The finer settings of this connection, or of the last.
    pub more: ConnectionOptions,
}

/// What a person should know of a signed token in the password field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtInfo {
    /// Whose it is and until when it holds.
    pub words: String,
    /// No broker takes it any more.
    pub has_expired: bool,
    /// There is a connection, or one is being made, with another password.
    pub can_renew: bool,
}

/// The state that the page shows and programs read as `data-stat="state"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionState {
    /// Nothing was asked for yet, or the person disconnected.
    #[default]
    Idle,
    /// The first connection is being made.
    Connecting,
    /// Connected and accepted.
    Connected,
    /// The connection was lost; another attempt is under way or waited for.
    Reconnecting,
    /// The connection failed in a way that trying again won't mend.
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
}

/// The connection as the page shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// The state.
    pub state: ConnectionState,
    /// What is going on, in a sentence or two.
    pub words: String,
    /// When something failed: what it may be and what to do, likeliest first.
    pub advice: Vec<Advice>,
    /// What that was concluded from.
    pub evidence: Vec<Evidence>,
    /// What a person should know although it isn't a failure.
    pub notice: Option<String>,
    /// The version in use.
    pub version: Option<Version>,
    /// The subscriptions and what the broker said to each.
    pub subscriptions: Vec<Subscription>,
    /// The session outlives the page: whoever is to find it again needs the
    /// client identifier.
    pub lasts: bool,
    /// Another tab of this browser has this session, and this one may have it.
    pub can_take_over: bool,
    /// The broker ends each connection at a message that it has to be offered
    /// again: the person is to drop the message, or to end the session.
    pub question: Option<String>,
    /// When the next attempt is due, while one is waited for.
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
    /// In a sentence or two.
    pub words: String,
    /// A page to open for it.
    pub link: Option<String>,
}

/// One observation about a failed connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was observed.
    pub name: String,
    /// What it was.
    pub value: String,
}

impl Evidence {
    /// The name of the bytes that broke a rule.
    pub const OFFENDING_PACKET: &str = "Offending packet";
}

/// Where and how to connect, and what to subscribe to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectRequest {
    /// WebSocket address, path as the person wrote it.
    pub broker: String,
    /// Topic filters; at least one.
    pub topics: Vec<String>,
    /// Quality of service asked for with each filter.
    pub qos: QoS,
    /// `None`: try 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier.
    pub client_id: String,
    /// User name; `None` sends none.
    pub user_name: Option<String>,
    /// Password; `None` sends none. Lives in memory only.
    pub password: Option<Secret>,
    /// Where the page that asks came from.
    pub page: PageOrigin,
}

/// The options of a connection: what the form has under "More settings".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionOptions {
    /// Keep alive in seconds; 0 turns it off.
    pub keep_alive_s: u16,
    /// Drop what the broker kept of an earlier session.
    pub clean_start: bool,
    /// How long the session outlives a lost connection, in seconds; `None`
    /// leaves it to the app.
    pub session_expiry_s: Option<u32>,
    /// How many QoS 1 and 2 messages may be under way to us (5.0); never 0.
    pub receive_maximum: u16,
    /// Don't send us what we published ourselves (5.0).
    pub no_local: bool,
    /// Keep the retain flag as the publisher set it (5.0).
    pub retain_as_published: bool,
    /// When retained messages are sent (5.0).
    pub retain_handling: RetainHandling,
    /// Identifier of the subscriptions (5.0).
    pub subscription_identifier: Option<u32>,
    /// User properties of CONNECT (5.0).
    pub user_properties: UserProperties,
    /// The message the broker sends should we vanish.
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
    /// Whether the session is to outlive the page: only one that isn't begun
    /// afresh can be taken up by the next.
    pub fn lasts(&self) -> bool {
        self.session_expiry_s.is_some_and(|seconds| seconds > 0) && !self.clean_start
    }

    /// The same for a store: user properties that are named as credentials are empty.
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

/// A password on its way. A log line must never hold one, so it shows itself as
/// nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
