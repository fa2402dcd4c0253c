//! What the page asks of the worker.

use serde::{Deserialize, Serialize};

use crate::mqtt::packet::{QoS, Version};

/// One request of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Connect with these settings, instead of whatever is connected now.
    Connect(ConnectRequest),
    /// Say goodbye to the broker and stay away.
    Disconnect,
    /// The network came back or the tab became visible: don't wait any longer
    /// for the next attempt.
    Wake,
    /// Show only the messages that this text lets through; empty shows all.
    Filter(String),
    /// Forget the messages that are kept. They count as cleared.
    Clear,
    /// The page has drawn the last update and wants the next one as soon as
    /// there is something new: at most one a frame. A pull takes the place of
    /// one that still waits, so a page that was scrolled pulls again.
    Pull(Pull),
    /// The kept messages as NDJSON.
    Export,
}

/// Where and how to connect, and what to subscribe to.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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
    pub password: Option<String>,
}

impl std::fmt::Debug for ConnectRequest {
    /// Without the password: a log line must never hold one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("broker", &self.broker)
            .field("topics", &self.topics)
            .field("qos", &self.qos)
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .finish()
    }
}

/// What the page has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The rows that the console shows.
    pub window: Window,
    /// How many more lines the crawl takes; 0 while it is full or hidden.
    pub lines: u32,
}

/// The part of the matching messages that is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// The newest so many rows: the console follows the tail.
    Tail {
        /// How many rows fit.
        rows: u32,
    },
    /// Rows from a place that was scrolled to.
    At {
        /// Index among the matching messages that are kept, 0 the oldest.
        first: u64,
        /// How many rows fit.
        rows: u32,
    },
}

impl Default for Window {
    fn default() -> Self {
        Self::Tail { rows: 0 }
    }
}
