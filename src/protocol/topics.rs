//! The tree of topics: what is asked for, and its rows.

use super::rows::Preview;
use crate::time::Instant;
use serde::Deserialize;
use serde::Serialize;

/// What is on screen of the tree of topics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsView {
    /// How often the tree began anew. Numbers of levels hold for one age.
    pub age: u32,
    /// The worker's time, for how long ago something was.
    pub now: Instant,
    /// Topics in the whole tree.
    pub topics: u32,
    /// Messages of topics that the tree has no room for.
    pub others: u64,
    /// Rates are to be looked at again although nothing comes.
    pub is_moving: bool,
    /// Rows that are unfolded, on screen or not.
    pub total: u64,
    /// Index of the first row.
    pub first: u64,
    /// The rows.
    pub rows: Vec<TopicRow>,
}

/// A level of the tree of topics, and what came on it and below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRow {
    /// The level's number.
    pub id: u32,
    /// Topic name, up to this level.
    pub topic: String,
    /// Name of the level, its control characters made visible.
    pub name: String,
    /// 1 for the first level.
    pub depth: u32,
    /// Row of the level above.
    pub above: Option<u64>,
    /// Place among the levels beside it, from 1.
    pub place: u32,
    /// How many those are, itself included.
    pub siblings: u32,
    /// Whether it is unfolded; `None` where nothing is below it.
    pub open: Option<bool>,
    /// Topics at it and below it.
    pub topics: u32,
    /// Messages at it and below it.
    pub count: u64,
    /// Messages at it and below it in a thousand seconds, by the last ten.
    pub per_1000_s: u64,
    /// When the last message came on exactly this topic; `None` for none.
    pub last_time: Option<Instant>,
    /// What it said, while it is kept.
    pub last: Option<Preview>,
    /// The broker keeps a message of this topic, by what was seen.
    pub is_retained: bool,
    /// Numbers in its newest messages, as written, oldest first, one a line.
    pub series: String,
}

/// The part of the tree of topics that is on screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicsRequest {
    /// The age that the levels' numbers are of. Those of another age mean
    /// nothing.
    pub age: u32,
    /// Index of the first row, among those that are unfolded.
    pub first: u64,
    /// How many rows fit.
    pub rows: u32,
    /// How levels stand beside each other.
    pub order: TopicsOrder,
    /// What is chosen for single levels.
    pub levels: Vec<LevelRequest>,
}

/// How the levels of the tree of topics stand that are below the same one. What
/// is equal stands by name.
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
    /// It is unfolded.
    pub is_open: bool,
    /// Where its messages have a number; see [`leaves`](crate::topics::json_numbers).
    pub field: String,
}
