//! The topics seen, as a tree by their levels: the number of messages on each, their rate, and the
//! last message.
//!
//! - [`Topics`]: the counters, updated as messages arrive.
//! - [`json_numbers`]: the numbers inside a JSON payload.
//!
//! # Invariants
//!
//! - Recording a message is a look-up in a small table, a counter and a time. A payload is examined
//!   only when its topic is shown; it is read from the log then, if the log still has it.
//! - Bounded by [`LEVELS_MAX`] levels and [`NAME_BYTES_MAX`]: messages on topics beyond these are
//!   counted as others. Always: messages = sum of the tree + others.
//! - The counters outlive the eviction of their messages; clearing the log resets the tree.

pub mod json_numbers;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::byte_ops;
use crate::format::visible_topic;
use crate::message_log;
use crate::message_log::MessageLog;
use crate::message_log::message::{Message, NewMessage};
use crate::message_log::query::quoted;
use crate::mqtt::topic::TopicFilter;
use crate::protocol::rows::preview;
use crate::protocol::topics::{LevelRequest, TopicsOrder, TopicsRequest};
use crate::protocol::topics::{TopicRow, TopicsView};
use crate::time::Instant;

/// The most levels, branches and topics together: some 10,000 topics of a usual installation, and
/// memory of a few megabytes.
pub const LEVELS_MAX: usize = 1 << 15;

/// The most bytes of names: [`LEVELS_MAX`] names of a usual length, many times over.
pub const NAME_BYTES_MAX: usize = 4 << 20;

/// Levels deeper than this are kept as one, so that no topic has a thousand branches.
const DEPTH_MAX: usize = 32;

/// The time over which rates are measured, in milliseconds.
const RATE_WINDOW_MS: u64 = 10_000;

/// The number of messages of a topic in a plot.
pub const SERIES_MAX: usize = 32;

/// Payloads above this aren't searched for a number, in bytes.
const SEARCHED_BYTES_MAX: usize = 4_096;

/// The invisible level above all first levels.
const ROOT: u32 = 0;

/// The tree of topics; see the module's documentation.
pub struct Topics {
    /// The number of resets of the tree; indices of levels are valid for one age.
    age: u32,
    /// The levels; each comes after its parent.
    levels: Vec<Level>,
    /// Separate from the levels, so that a message touches little memory.
    records: Vec<Record>,
    /// Records + 1 by the hash of their topic, 0 is free: a cache with a few probes, so that topics
    /// chosen to collide cost only a walk down the tree.
    slots: Vec<u32>,
    /// The record of the last message.
    last: u32,
    name_bytes: usize,
    /// Incremented by every change of the tree.
    changes: u64,
    others: u64,
}

#[derive(Default)]
struct Level {
    above: u32,
    name: String,
    /// The children, sorted by name.
    below: Vec<u32>,
    /// The record, if messages came on exactly this topic.
    record: Option<u32>,
}

/// The counters of a topic.
#[derive(Default)]
struct Record {
    topic: String,
    count: u64,
    last_seq: u64,
    last_time: Instant,
    /// The number of messages in the window of the last message, and in the one before it.
    current: u32,
    previous: u32,
    /// The start of the window of the last message.
    window_start: Instant,
    is_retained: bool,
    /// The low halves of the newest messages' numbers, as a ring buffer.
    recent: [u32; SERIES_MAX],
}

/// The totals of a level and all levels below it.
#[derive(Clone, Copy, Default)]
struct SubtreeTotals {
    count: u64,
    per_1000_s: u64,
    /// The arrival time of the newest message.
    last_time: Instant,
    topics: u32,
    is_open: bool,
    /// The number of expanded rows below it.
    rows: u64,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            age: 0,
            levels: vec![Level::default()],
            records: Vec::new(),
            slots: vec![0; Self::SLOTS],
            last: 0,
            name_bytes: 0,
            changes: 0,
            others: 0,
        }
    }
}

impl Topics {
    /// Twice the maximum number of topics, so that few collide: 256 KiB.
    const SLOTS: usize = 1 << 16;
    const PROBES: usize = 8;

    /// Records a message that has this number in the log. Returns whether it is counted with its
    /// topic; there may be no room for that.
    pub fn note(&mut self, seq: u64, arrival: &NewMessage<'_>) -> bool {
        self.changes += 1;
        let record = self.find_or_add(arrival.topic);
        match record {
            Some(record) => self.records[record as usize].note(seq, arrival),
            None => self.others += 1,
        }
        record.is_some()
    }

    /// Returns the number of messages on topics that match the filter.
    pub fn count(&self, filter: &TopicFilter) -> u64 {
        self.records.iter().filter(|record| filter.matches(&record.topic)).map(|record| record.count).sum()
    }

    /// Returns the number of messages on topics that there is no room for.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Iterates over the topics, in the order of their first messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.topic.as_str())
    }

    /// Returns a number that differs after every change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Clears the tree, because the log was cleared.
    pub fn clear(&mut self) {
        *self = Self { age: self.age.wrapping_add(1), changes: self.changes + 1, ..Self::default() };
    }

    /// Returns the visible part of the tree.
    pub fn view(&self, request: &TopicsRequest, log: &MessageLog, now: Instant) -> TopicsView {
        let levels: &[LevelRequest] = if request.age == self.age { &request.levels } else { &[] };
        let sums = self.sums(levels, now);
        let all = sums[ROOT as usize];
        let first = request.first.min(all.rows.saturating_sub(u64::from(request.rows)));
        let mut renderer = TreeRenderer {
            topics: self,
            log,
            levels,
            order: request.order,
            sums: &sums,
            window: first..first + u64::from(request.rows),
            row: 0,
            rows: Vec::new(),
        };
        renderer.render_below(ROOT, 1, None);
        let rows = renderer.rows;
        TopicsView {
            age: self.age,
            now,
            topics: all.topics,
            others: self.others,
            is_moving: all.per_1000_s > 0,
            total: all.rows,
            first,
            rows,
        }
    }

    fn sums(&self, levels: &[LevelRequest], now: Instant) -> Vec<SubtreeTotals> {
        let own = |level: &Level| self.record(level).map_or(SubtreeTotals::default(), |record| record.sum(now));
        let mut sums: Vec<_> = self.levels.iter().map(own).collect();
        sums[ROOT as usize].is_open = true;
        for level in levels {
            if let Some(sum) = sums.get_mut(level.id as usize) {
                sum.is_open |= level.is_open;
            }
        }
        for level in (1..sums.len()).rev() {
            let sum = sums[level];
            let above = &mut sums[self.levels[level].above as usize];
            above.count += sum.count;
            above.per_1000_s += sum.per_1000_s;
            above.last_time = above.last_time.max(sum.last_time);
            above.topics += sum.topics;
            if above.is_open {
                above.rows += 1 + sum.rows;
            }
        }
        sums
    }

    fn record(&self, level: &Level) -> Option<&Record> {
        self.records.get(level.record? as usize)
    }

    #[inline(always)]
    fn find_or_add(&mut self, topic: &str) -> Option<u32> {
        if self.is_of(self.last, topic) {
            return Some(self.last);
        }
        self.find_other_or_add(topic)
    }

    #[inline(always)]
    fn is_of(&self, record: u32, topic: &str) -> bool {
        match self.records.get(record as usize) {
            Some(record) => byte_ops::are_same(record.topic.as_bytes(), topic.as_bytes()),
            None => false,
        }
    }

    #[inline(never)]
    fn find_other_or_add(&mut self, topic: &str) -> Option<u32> {
        let hash = message_log::hash(topic.as_bytes());
        let mut probes = (0..Self::PROBES).map(|step| (hash + step) & (Self::SLOTS - 1));
        let known =
            probes.clone().map_while(|slot| self.slots[slot].checked_sub(1)).find(|record| self.is_of(*record, topic));
        let record = match known {
            Some(record) => record,
            None => {
                let record = self.find_path(topic)?;
                let slot = probes.clone().find(|slot| self.slots[*slot] == 0).or_else(|| probes.next());
                self.slots[slot.unwrap_or_default()] = record + 1;
                record
            }
        };
        self.last = record;
        Some(record)
    }

    /// Walks from the root down to the topic's record; adds missing levels, if there is room.
    fn find_path(&mut self, topic: &str) -> Option<u32> {
        // The topic as a whole, and its levels.
        let has_room =
            self.levels.len() + DEPTH_MAX <= LEVELS_MAX && self.name_bytes + 2 * topic.len() <= NAME_BYTES_MAX;
        let mut level = ROOT;
        for name in topic.splitn(DEPTH_MAX, '/') {
            let below = &self.levels[level as usize].below;
            level = match below.binary_search_by(|other| self.levels[*other as usize].name.as_str().cmp(name)) {
                Ok(index) => below[index],
                Err(_) if !has_room => return None,
                Err(index) => {
                    let new = self.levels.len() as u32;
                    self.name_bytes += name.len();
                    self.levels.push(Level { above: level, name: name.to_owned(), ..Level::default() });
                    self.levels[level as usize].below.insert(index, new);
                    new
                }
            };
        }
        let level = &mut self.levels[level as usize];
        if level.record.is_none() && has_room {
            self.name_bytes += topic.len();
            level.record = Some(self.records.len() as u32);
            self.records.push(Record { topic: topic.to_owned(), ..Record::default() });
        }
        level.record
    }

    fn name(&self, level: u32) -> String {
        let Level { above, name, .. } = &self.levels[level as usize];
        if *above == ROOT {
            return name.clone();
        }
        let mut topic = self.name(*above);
        topic.push('/');
        topic.push_str(name);
        topic
    }
}

impl Record {
    #[inline(always)]
    fn note(&mut self, seq: u64, arrival: &NewMessage<'_>) {
        // Out of the window at either end, because an imported log may be of any time.
        if arrival.time.as_micros().wrapping_sub(self.window_start.as_micros()) >= RATE_WINDOW_MS * 1_000 {
            self.start_rate_window(arrival.time);
        }
        self.current = self.current.saturating_add(1);
        self.recent[self.count as usize % SERIES_MAX] = seq as u32;
        self.count += 1;
        self.last_seq = seq;
        self.last_time = arrival.time;
        // A broker forwards the message that clears a retained message without the flag
        // [MQTT-3.3.1-9], but an empty message is hardly ever anything else.
        self.is_retained = !arrival.payload.is_empty() && (arrival.retain || self.is_retained);
    }

    #[inline(never)]
    fn start_rate_window(&mut self, time: Instant) {
        let window = window_of(time);
        match window.checked_sub(window_of(self.last_time)) {
            Some(1) => self.previous = std::mem::take(&mut self.current),
            _ => (self.previous, self.current) = (0, 0),
        }
        self.window_start = Instant::from_millis(window * RATE_WINDOW_MS);
    }

    /// Returns the number of messages per 1,000 s, estimated from the last window: all messages in
    /// the present one, and the remaining fraction of the one before it.
    fn per_1000_s(&self, now: Instant) -> u64 {
        let (current, previous) = match window_of(now).saturating_sub(window_of(self.last_time)) {
            0 => (self.current, self.previous),
            1 => (0, self.current),
            _ => return 0,
        };
        let left_ms = RATE_WINDOW_MS - now.as_micros() / 1_000 % RATE_WINDOW_MS;
        let messages_times_ms = u64::from(current) * RATE_WINDOW_MS + u64::from(previous) * left_ms;
        messages_times_ms * 1_000_000 / (RATE_WINDOW_MS * RATE_WINDOW_MS)
    }

    fn sum(&self, now: Instant) -> SubtreeTotals {
        let per_1000_s = self.per_1000_s(now);
        SubtreeTotals {
            count: self.count,
            per_1000_s,
            last_time: self.last_time,
            topics: 1,
            ..SubtreeTotals::default()
        }
    }

    /// Iterates over the numbers of the newest messages, oldest first.
    fn recent_seqs(&self) -> impl Iterator<Item = u64> {
        (self.count.saturating_sub(SERIES_MAX as u64)..self.count).map(|index| {
            let low = self.recent[index as usize % SERIES_MAX];
            self.last_seq.saturating_sub(u64::from((self.last_seq as u32).wrapping_sub(low)))
        })
    }
}

fn window_of(time: Instant) -> u64 {
    time.as_micros() / (RATE_WINDOW_MS * 1_000)
}

/// Renders the rows of one request.
struct TreeRenderer<'a> {
    topics: &'a Topics,
    log: &'a MessageLog,
    levels: &'a [LevelRequest],
    order: TopicsOrder,
    sums: &'a [SubtreeTotals],
    window: Range<u64>,
    /// The index of the next row.
    row: u64,
    rows: Vec<TopicRow>,
}

impl TreeRenderer<'_> {
    fn render_below(&mut self, above: u32, depth: u32, above_row: Option<u64>) {
        let below = self.in_order(&self.topics.levels[above as usize].below);
        for (index, &level) in below.iter().enumerate() {
            if self.row >= self.window.end {
                return;
            }
            let rows = self.sums[level as usize].rows;
            if self.row + rows < self.window.start {
                self.row += 1 + rows;
                continue;
            }
            let row = self.row;
            if row >= self.window.start {
                let mut shown = self.shown(level);
                shown.depth = depth;
                shown.parent = above_row;
                shown.position = index as u32 + 1;
                shown.siblings = below.len() as u32;
                self.rows.push(shown);
            }
            self.row += 1;
            if rows > 0 {
                self.render_below(level, depth + 1, Some(row));
            }
        }
    }

    /// Returns these levels, which are sorted by name, in the requested order.
    fn in_order(&self, by_name: &[u32]) -> Vec<u32> {
        let key = |level: u32| {
            let sum = &self.sums[level as usize];
            match self.order {
                TopicsOrder::Name => 0,
                TopicsOrder::Count => sum.count,
                TopicsOrder::Rate => sum.per_1000_s,
                TopicsOrder::Newest => sum.last_time.as_micros(),
            }
        };
        if self.order == TopicsOrder::Name {
            return by_name.to_vec();
        }
        // A heap sorts as well as the sort function, with a tenth of its code, which every visitor
        // downloads.
        let heap: BinaryHeap<_> =
            by_name.iter().zip(0..).map(|(&level, index)| (Reverse(key(level)), index, level)).collect();
        heap.into_sorted_vec().into_iter().map(|(_, _, level): (_, u32, _)| level).collect()
    }

    fn shown(&self, id: u32) -> TopicRow {
        let level = &self.topics.levels[id as usize];
        let SubtreeTotals { count, per_1000_s, topics, is_open, .. } = self.sums[id as usize];
        let topic = self.topics.name(id);
        let record = self.topics.record(level);
        let kept = |seq| self.log.message(seq).filter(|message: &Message<'_>| message.topic == topic);
        let field = self.levels.iter().find(|level| level.id == id).map_or("", |level| &level.field);
        let mut series = String::new();
        for message in record.into_iter().flat_map(Record::recent_seqs).filter_map(kept) {
            if message.payload.len() <= SEARCHED_BYTES_MAX
                && let Some(number) =
                    json_numbers::at(message.payload, field).and_then(|number| str::from_utf8(number).ok())
            {
                series.push_str(number);
                series.push('\n');
            }
        }
        TopicRow {
            id,
            name: visible_topic(&level.name),
            count,
            per_1000_s,
            topics,
            open: (!level.below.is_empty()).then_some(is_open),
            last_time: record.map(|record| record.last_time),
            last: record.and_then(|record| kept(record.last_seq)).map(|message| preview(message.payload)),
            is_retained: record.is_some_and(|record| record.is_retained),
            series,
            topic,
            ..TopicRow::default()
        }
    }
}

/// Returns the query for the messages on a topic, including the topics below it if there are any.
pub fn query(topic: &str, has_below: bool) -> String {
    let mut filter = topic.to_owned();
    if has_below {
        filter.push_str("/#");
    }
    format!("topic:{}", quoted(&filter))
}
