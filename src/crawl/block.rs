//! What is on the plane: a block's content, and the key that identifies it.

use crate::crawl::item::CrawlItem;

/// One thing that can be on the plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockContent {
    /// A message's line, or a skip notice.
    Item(CrawlItem),
    /// The line above the title.
    Episode(String),
    /// The title.
    Title(String),
    /// The introduction.
    Intro(String),
}

/// Identifies a block while it is on the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(super) u64);
