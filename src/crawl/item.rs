//! Entries that reach the crawl: a line, or a note about skipped lines.

use crate::dialogue::Line;
use serde::Deserialize;
use serde::Serialize;

/// One entry of the crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrawlItem {
    /// A message's line.
    Line {
        /// The message's number.
        seq: u64,
        /// Speaker and text.
        line: Line,
    },
    /// The number of messages that came too fast to be shown; the console keeps them.
    Skipped {
        /// The last message skipped.
        seq: u64,
        /// The number of messages skipped.
        count: u64,
    },
}

impl CrawlItem {
    /// Whether it is this message's line, or the note that counts this message.
    pub fn is_about(&self, seq: u64) -> bool {
        match self {
            Self::Line { seq: own, .. } => *own == seq,
            Self::Skipped { seq: last, count } => seq <= *last && seq > last.saturating_sub(*count),
        }
    }
}
