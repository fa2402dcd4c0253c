//! What the worker tells the page and its panels: one update a pull, and only
//! what is on screen.

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
    /// The connection, in states and in words.
    pub connection: Connection,
    /// The numbers on the screen.
    pub stats: Stats,
    /// The console's rows.
    pub rows: Rows,
    /// The next lines of the crawl, oldest first.
    pub lines: Vec<CrawlItem>,
    /// What is wrong with the filter, in words; `None` while it is understood.
    pub filter_error: Option<String>,
    /// What the password in the field says of itself, if it is a signed token.
    pub token: Option<JwtInfo>,
}

impl Update {
    /// Both updates as one: the newer one's state, and what either tells only
    /// once. Two can meet in one frame, when a pull crosses the answer to the
    /// last one.
    #[must_use]
    pub fn followed_by(self, mut newer: Self) -> Self {
        newer.lines.splice(0..0, self.lines);
        newer
    }
}

/// Everything the panels need: what a publish may be, and what became of those
/// before. Sent to the panels alone, so that each outcome has one reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PanelsUpdate {
    /// The connection, as far as it decides what can be sent.
    pub standing: BrokerStatus,
    /// Publishes that came to their end since the last update.
    pub published: Vec<Published>,
    /// The tree of topics; `None` where it is closed, or as it was.
    pub topics: Option<TopicsView>,
    /// The message that was asked for, or a part of it.
    pub message: Option<MessagePart>,
    /// The packets that went since those that the panels have.
    pub trace: Option<TracePart>,
    /// The numbers of the log; `None` where they aren't shown, or as they were.
    pub stats: Option<Stats>,
    /// The subscriptions; `None` where they aren't shown, or as they were.
    pub subscriptions: Option<SubscriptionsView>,
    /// The slice of an export that was asked for.
    pub export: Option<ExportPart>,
    /// What could be typed into the filter.
    pub known: Option<SuggestionData>,
    /// The newest messages of some topics, the newest first; `None` where they
    /// aren't shown, or as they were.
    pub samples: Option<Vec<Sample>>,
    /// What is transmitted; `None` where it is as it was.
    pub transmissions: Option<Vec<TransmissionView>>,
}

/// A message that shows what lines are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Topic name.
    pub topic: String,
    /// Payload, all of it.
    pub payload: Vec<u8>,
}

/// The numbers of the contract. Always: received = kept + evicted + cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages since the page loaded.
    pub received: u64,
    /// Messages in the log now.
    pub kept: u64,
    /// Messages that made room for newer ones.
    pub evicted: u64,
    /// Messages that the person cleared away.
    pub cleared: u64,
    /// Kept messages that the filter lets through.
    pub matching: u64,
    /// Messages the crawl has yet to take (its own queue comes on top).
    pub untold: u64,
    /// Connections made again after one was lost.
    pub reconnects: u64,
    /// Payload and topic bytes in the log now.
    pub kept_bytes: u64,
}
