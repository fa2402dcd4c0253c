//! What the worker sends to the page and its panels: one update per pull, with only what is on screen.

use crate::crawl::item::CrawlItem;
use crate::protocol::connection::{BrokerStatus, Connection, JwtInfo};
use crate::protocol::message::MessagePart;
use crate::protocol::publish::Published;
use crate::protocol::rows::Rows;
use crate::protocol::subscription::SubscriptionsView;
use crate::protocol::topics::TopicsView;
use crate::protocol::transmission::TransmissionView;
use serde::{Deserialize, Serialize};

use crate::message_log::export::ExportPart;
use crate::message_log::query::suggest::SuggestionData;
use crate::packet_trace::TracePart;

/// Everything the page needs for its next frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// The connection, as states and as text.
    pub connection: Connection,
    /// The numbers on the screen.
    pub stats: Stats,
    /// The console's rows.
    pub rows: Rows,
    /// The next lines of the crawl, oldest first.
    pub lines: Vec<CrawlItem>,
    /// What is wrong with the filter, as text; `None` if it is valid.
    pub filter_error: Option<String>,
    /// What the password in the field contains, if it is a JWT.
    pub token: Option<JwtInfo>,
}

impl Update {
    /// Merges two updates: the newer one's state, and the data that is sent only once from both. Two updates can arrive
    /// in one frame if a pull crosses the answer to the previous one.
    #[must_use]
    pub fn followed_by(self, mut newer: Self) -> Self {
        newer.lines.splice(0..0, self.lines);
        newer
    }
}

/// Everything that the panels need, such as the outcomes of publishes. Sent only to the panels, so that each outcome
/// has one receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PanelsUpdate {
    /// The connection, as far as it determines what can be sent.
    pub status: BrokerStatus,
    /// Publishes that ended since the last update.
    pub published: Vec<Published>,
    /// The tree of topics; `None` if it is closed or unchanged.
    pub topics: Option<TopicsView>,
    /// The requested message, or a part of it.
    pub message: Option<MessagePart>,
    /// The packets after those that the panels have.
    pub trace: Option<TracePart>,
    /// The numbers of the log; `None` if they aren't shown or are unchanged.
    pub stats: Option<Stats>,
    /// The subscriptions; `None` if they aren't shown or are unchanged.
    pub subscriptions: Option<SubscriptionsView>,
    /// The requested slice of an export.
    pub export: Option<ExportPart>,
    /// Suggestions for the filter's input.
    pub suggestions: Option<SuggestionData>,
    /// The newest messages of some topics, the newest first; `None` if they aren't shown or are unchanged.
    pub samples: Option<Vec<Sample>>,
    /// The transmissions; `None` if they are unchanged.
    pub transmissions: Option<Vec<TransmissionView>>,
}

/// A message that shows what the line rules have to handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Topic name.
    pub topic: String,
    /// Payload, all of it.
    pub payload: Vec<u8>,
}

/// The counters of the contract. Always: received = kept + evicted + cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages since the page loaded.
    pub received: u64,
    /// Messages in the log now.
    pub kept: u64,
    /// Messages removed to make space for newer ones.
    pub evicted: u64,
    /// Messages that the person cleared.
    pub cleared: u64,
    /// Kept messages that match the filter.
    pub matching: u64,
    /// Messages that the crawl has yet to take, without its own queue.
    pub crawl_pending: u64,
    /// Connections made again after one was lost.
    pub reconnects: u64,
    /// Payload and topic bytes in the log now.
    pub kept_bytes: u64,
}
