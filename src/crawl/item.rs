//! What arrives for the crawl: a line, or a note about skipped ones.

use crate::dialogue::Line;
use serde::Deserialize;
use serde::Serialize;

/// One entry of the crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrawlItem {
    /// A message's line.
    Line {
        /// The message.
        seq: u64,
        /// Who says what.
        line: Line,
    },
    /// So many messages went by too fast to be told; the console keeps them.
    Passed {
        /// The last message passed over.
        seq: u64,
        /// How many.
        count: u64,
    },
}

impl CrawlItem {
    /// Whether it is this message's line, or the note that counts it.
    pub fn is_about(&self, seq: u64) -> bool {
        match self {
            Self::Line { seq: own, .. } => *own == seq,
            Self::Passed { seq: last, count } => seq <= *last && seq > last.saturating_sub(*count),
        }
    }
}
