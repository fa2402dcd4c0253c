//! The console's rows: the request for them, and their content.

use crate::crawl::feed::CrawlRoom;
use crate::format::{hex, visible};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::QoS;
use crate::time::Instant;
use serde::{Deserialize, Serialize};

/// Maximum payload bytes that one row can show. The row contains the size of the whole payload.
pub(crate) const PREVIEW_BYTES: usize = 512;

/// The same for bytes in hex, which take more space.
pub(crate) const HEX_BYTES: usize = PREVIEW_BYTES / 4;

/// Returns the start of a payload for a row.
pub fn preview(payload: &[u8]) -> Preview {
    match as_text(payload) {
        Some(text) => Preview::Text(visible(text)),
        None => Preview::Hex(hex(&payload[..payload.len().min(HEX_BYTES)])),
    }
}

/// Returns the start of a payload, if it is text.
pub(crate) fn as_text(payload: &[u8]) -> Option<&str> {
    let shown = &payload[..payload.len().min(PREVIEW_BYTES)];
    match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The limit cuts a character, so the payload itself may be valid.
        Err(error) if error.error_len().is_none() && shown.len() < payload.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The console's rows and their positions in the list of all rows.
///
/// A row keeps its position while others are added or removed at the front of the list, so that the view doesn't move;
/// see [`Matches`](crate::message_log::query::matches::Matches).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Identifies the list. Positions of another list are invalid in it.
    pub list: u32,
    /// Position of the list's first row.
    pub begin: i64,
    /// Rows in the list.
    pub total: u64,
    /// The number of newer rows, which a paused view leaves out.
    pub newer: u64,
    /// The list contains all matching messages before this number.
    pub end_seq: u64,
    /// Position of the first of these rows.
    pub first: i64,
    /// The rows, oldest first.
    pub rows: Vec<Row>,
    /// Arrival of the message before these rows.
    pub before: Option<Instant>,
    /// Arrival of the first message, for relative times.
    pub zero: Instant,
    /// The number of messages that match the filter; `None` without a filter.
    pub matches: Option<u64>,
    /// The position of the selected message among them, from 1; `None` if it doesn't match.
    pub rank: Option<u64>,
    /// Result of the search that the window requested.
    pub sought: Option<SeekResult>,
}

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeekResult {
    /// The target of the search.
    pub goal: SeekTarget,
    /// Number and position of the message; `None` if there is none.
    pub found: Option<(u64, i64)>,
}

/// A message as one row of the console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Arrival number, from 1 since the page loaded.
    pub seq: u64,
    /// When it arrived.
    pub time: Instant,
    /// Topic name.
    pub topic: String,
    /// Quality of service with which it arrived.
    pub qos: QoS,
    /// Whether it is a retained message.
    pub retain: bool,
    /// Whether it may have been sent before.
    pub dup: bool,
    /// The rule of MQTT that the message violates, although it was kept.
    pub deviation: Option<Deviation>,
    /// The start of the payload, as text.
    pub preview: Preview,
    /// Size of the whole payload, in bytes.
    pub payload_bytes: u32,
    /// [Colour](crate::protocol::subscription::Subscription::colour) of the first subscription whose filter matches;
    /// `None` if none does, as for messages from files.
    pub colour: Option<u8>,
    /// The filter's hits; `None` without a filter or if the message doesn't match.
    pub marks: Option<Highlights>,
}

/// Hits of the filter in a row, as start and end (exclusive) in bytes of the shown text, in order and not overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Highlights {
    /// In the topic.
    pub topic: Vec<(u32, u32)>,
    /// In the start of the payload.
    pub payload: Vec<(u32, u32)>,
}

/// The start of a payload, ready to be shown as text in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preview {
    /// UTF-8 text with visible control characters.
    Text(String),
    /// Bytes in hex, if it isn't UTF-8.
    Hex(String),
}

/// The page's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The rows that the console shows.
    pub window: Window,
    /// Which messages are rows.
    pub listed: ListMode,
    /// In a paused view: only rows before this number.
    pub until: Option<u64>,
    /// The selected message.
    pub selected: Option<u64>,
    /// The space that the crawl has.
    pub crawl: CrawlRoom,
}

/// Which messages are rows of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListMode {
    /// Only those that match the filter.
    #[default]
    Matching,
    /// All kept messages; matches are marked.
    All,
}

/// The part of the list that is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// The newest rows: the console follows the tail.
    Tail {
        /// The number of rows that fit.
        rows: u32,
    },
    /// Rows from a scroll position.
    At {
        /// Position of the first row, as in [`Rows`].
        first: i64,
        /// The number of rows that fit.
        rows: u32,
    },
    /// Rows around the message searched for; the newest if it isn't found.
    Around {
        /// The target of the search.
        goal: SeekTarget,
        /// The number of rows that fit.
        rows: u32,
    },
}

/// The target of a search in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeekTarget {
    /// The message with this number, if it is in the list.
    Message(u64),
    /// That message; if it isn't in the list, the next one; if there is none, the last one.
    Near(u64),
    /// The next row after this number.
    RowAfter(u64),
    /// The last row before this number.
    RowBefore(u64),
    /// The next match after this number.
    MatchAfter(u64),
    /// The last match before this number.
    MatchBefore(u64),
}

impl Default for Window {
    fn default() -> Self {
        Self::Tail { rows: 0 }
    }
}
