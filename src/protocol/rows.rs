//! The console's rows: which are asked for, and how one is shown.

use crate::crawl::feed::CrawlRoom;
use crate::format::hex;
use crate::format::visible;
use crate::mqtt::packet::QoS;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// How much of a payload one row can show at all, in bytes. The row says how
/// long the whole is.
pub(crate) const PREVIEW_BYTES: usize = 512;

/// The same for bytes in hex, which take more room.
pub(crate) const HEX_BYTES: usize = PREVIEW_BYTES / 4;

/// The beginning of a payload.
pub fn preview(payload: &[u8]) -> Preview {
    match as_text(payload) {
        Some(text) => Preview::Text(visible(text)),
        None => Preview::Hex(hex(&payload[..payload.len().min(HEX_BYTES)])),
    }
}

/// The beginning of a payload, if that is text.
pub(crate) fn as_text(payload: &[u8]) -> Option<&str> {
    let shown = &payload[..payload.len().min(PREVIEW_BYTES)];
    match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // Cut in the middle of a character, which is no fault of the payload.
        Err(error) if error.error_len().is_none() && shown.len() < payload.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The console's rows and where they stand in the list of all of them.
///
/// A row's place in the list stays its own while others leave or join it at its
/// front, which is what lets a reader stay where they are; see
/// [`Matches`](crate::message_log::query::Matches).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Which list this is. Places of another mean nothing in it.
    pub list: u32,
    /// Place of the list's first row.
    pub begin: i64,
    /// Rows in the list.
    pub total: u64,
    /// More of them, which a view that is held doesn't list.
    pub newer: u64,
    /// The list has all messages before this number that it could have.
    pub end_seq: u64,
    /// Place of the first of these rows.
    pub first: i64,
    /// The rows, oldest first.
    pub rows: Vec<Row>,
    /// When the message of the row before them arrived.
    pub before: Option<Instant>,
    /// When the first message arrived, for times that count from there.
    pub zero: Instant,
    /// How many messages the filter lets through; `None` where there is none.
    pub matches: Option<u64>,
    /// Which of them is chosen, from 1; `None` where it is none of them.
    pub rank: Option<u64>,
    /// What became of the search that the window asked for.
    pub sought: Option<SeekResult>,
}

/// What was looked for, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeekResult {
    /// What was looked for.
    pub goal: SeekTarget,
    /// Number and place of the message; `None` where there is none.
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
    /// Quality of service it came with.
    pub qos: QoS,
    /// A retained message.
    pub retain: bool,
    /// Sent before, perhaps.
    pub dup: bool,
    /// The payload's beginning, as text.
    pub preview: Preview,
    /// Size of the whole payload.
    pub payload_bytes: u32,
    /// Which of the subscriptions brought it, by their filters, from 0; `None`
    /// where it is none of them, as for what comes from files.
    pub subscription: Option<u8>,
    /// Where it has what the filter looks for; `None` where there is no filter
    /// or it doesn't let the message through.
    pub marks: Option<Highlights>,
}

/// Where a row has the words of the filter, in bytes of what is shown: from
/// one to before the other, in order, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Highlights {
    /// In the topic.
    pub topic: Vec<(u32, u32)>,
    /// In the payload's beginning.
    pub payload: Vec<(u32, u32)>,
}

/// The beginning of a payload, ready to be shown as text in one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preview {
    /// UTF-8 text; control characters are made visible.
    Text(String),
    /// Not UTF-8: bytes in hex.
    Hex(String),
}

/// What the page has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The rows that the console shows.
    pub window: Window,
    /// Which messages are rows.
    pub listed: ListMode,
    /// The view is held: of those, only the ones before this number.
    pub until: Option<u64>,
    /// The message that is chosen.
    pub selected: Option<u64>,
    /// What the crawl takes.
    pub crawl: CrawlRoom,
}

/// Which messages are rows of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListMode {
    /// Those that the filter lets through.
    #[default]
    Matching,
    /// All that are kept; those that the filter lets through are marked.
    All,
}

/// The part of the list that is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// The newest so many rows: the console follows the tail.
    Tail {
        /// How many rows fit.
        rows: u32,
    },
    /// Rows from a place that was scrolled to.
    At {
        /// The first row's place, as [`Rows`] count it.
        first: i64,
        /// How many rows fit.
        rows: u32,
    },
    /// Rows around a message that is looked for; the newest where there is none.
    Around {
        /// What is looked for.
        goal: SeekTarget,
        /// How many rows fit.
        rows: u32,
    },
}

/// A message that somebody wants to get to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeekTarget {
    /// The one with this number, if it is in the list.
    Message(u64),
    /// That, or else the next in the list, or else the last.
    Near(u64),
    /// The next in the list, behind this number.
    RowAfter(u64),
    /// The one before it in the list.
    RowBefore(u64),
    /// The next that the filter lets through.
    MatchAfter(u64),
    /// The one before it that the filter lets through.
    MatchBefore(u64),
}

impl Default for Window {
    fn default() -> Self {
        Self::Tail { rows: 0 }
    }
}
