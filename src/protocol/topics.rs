//! The tree of topics: the request for it, and its rows.

use super::rows::Preview;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// The part of the tree of topics that is on screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsView {
    /// Increases whenever the tree is cleared. Level numbers are valid for one age.
    pub age: u32,
    /// The worker's time, to show the time since a message.
    pub now: Instant,
    /// Topics in the whole tree.
    pub topics: u32,
    /// Messages of topics for which the tree has no space.
    pub others: u64,
    /// Whether rates are to be requested again even if no messages arrive.
    pub is_moving: bool,
    /// Number of visible rows (with all levels above unfolded), on screen or not.
    pub total: u64,
    /// Index of the first row.
    pub first: u64,
    /// The rows.
    pub rows: Vec<TopicRow>,
}

/// A level of the tree of topics, with the messages on it and below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRow {
    /// The level's number.
    pub id: u32,
    /// Topic name, up to this level.
    pub topic: String,
    /// Name of the level, with visible control characters.
    pub name: String,
    /// 1 for the first level.
    pub depth: u32,
    /// Row of the parent level.
    pub parent: Option<u64>,
    /// Position among its siblings, from 1.
    pub position: u32,
    /// The number of siblings, itself included.
    pub siblings: u32,
    /// Whether it is unfolded; `None` if nothing is below it.
    pub open: Option<bool>,
    /// Number of topics at this level and below.
    pub topics: u32,
    /// Number of messages at this level and below.
    pub count: u64,
    /// Messages at this level and below per 1,000 s, measured over the last ten seconds.
    pub per_1000_s: u64,
    /// When the last message on exactly this topic arrived; `None` if there was none.
    pub last_time: Option<Instant>,
    /// The payload of that message, while it is kept.
    pub last: Option<Preview>,
    /// Whether the broker retains a message of this topic, as far as observed.
    pub is_retained: bool,
    /// Numbers in its newest messages, as written, oldest first, one per line.
    pub series: String,
}

/// The request for the part of the tree of topics that is on screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsRequest {
    /// The age that the level numbers belong to. Those of another age are ignored.
    pub age: u32,
    /// Index of the first row among the visible ones.
    pub first: u64,
    /// The number of rows that fit.
    pub rows: u32,
    /// The order of siblings.
    pub order: TopicsOrder,
    /// The state of single levels.
    pub levels: Vec<LevelRequest>,
}

/// The order of sibling levels in the tree of topics. Equal levels are ordered by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicsOrder {
    /// By name.
    #[default]
    Name,
    /// Most messages first.
    Count,
    /// Most messages a second first.
    Rate,
    /// The newest message first.
    Newest,
}

/// How a level of the tree of topics is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRequest {
    /// The level's number.
    pub id: u32,
    /// Whether it is unfolded.
    pub is_open: bool,
    /// The JSON path of the number in its messages; see [`json_numbers`](crate::topics::json_numbers).
    pub field: String,
}
