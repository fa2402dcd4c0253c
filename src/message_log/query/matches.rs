//! The matches of a query, found in slices.

use std::collections::VecDeque;
use std::ops::Range;

use crate::message_log::MessageLog;
use crate::message_log::message::Message;
use crate::message_log::query::Query;

/// The kept messages that match a query, found in slices.
///
/// [`Matches::advance`] is called repeatedly: it examines the messages that arrived since the last
/// call, then continues from the newest message toward the oldest, so that the last screenful is
/// available at once. Without terms there is no index at all.
///
/// A match keeps its rank, however many matches are evicted or found before it, until the query or
/// the numbering changes: without terms the rank is its number, otherwise a counter from the first
/// match that was found.
///
/// Numbers returned here may have been evicted since the last `advance`; then
/// [`MessageLog::message`] returns `None` for them.
pub struct Matches {
    query: Query,
    numbering_epoch: u32,
    /// The numbers that the log kept at the last `advance`.
    kept: Range<u64>,
    /// The part of them that has been examined.
    scanned: Option<Range<u64>>,
    /// Matches found going backward, newest first.
    older: SeqList,
    /// Matches found going forward, oldest first.
    newer: SeqList,
    /// The number of those that were evicted.
    newer_gone: u64,
    topics: TopicMemo,
}

impl Matches {
    /// The number of payload bytes that cost as much of a slice as one more message.
    const BYTES_PER_MESSAGE: usize = 1024;

    /// Returns an empty list of matches.
    pub fn new(query: Query) -> Self {
        Self {
            query,
            numbering_epoch: 0,
            kept: 1..1,
            scanned: None,
            older: SeqList::default(),
            newer: SeqList::default(),
            newer_gone: 0,
            topics: TopicMemo::default(),
        }
    }

    /// Returns the query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Examines up to `budget_messages` more messages (fewer where they are large). Returns whether
    /// there are more to examine.
    #[must_use = "while there is more to look at, advance again"]
    pub fn advance(&mut self, log: &MessageLog, budget_messages: usize) -> bool {
        self.kept = log.first_seq()..log.next_seq();
        if self.query.is_empty() {
            return false;
        }
        if self.numbering_epoch != log.numbering_epoch() {
            self.numbering_epoch = log.numbering_epoch();
            self.scanned = None;
            self.older.clear();
            self.newer.clear();
            self.newer_gone = 0;
        }
        // Between two slices, a topic's memory may have been reused for another.
        self.topics.clear();
        let mut scanned = self.scanned.take().unwrap_or(self.kept.end..self.kept.end);
        scanned.start = scanned.start.max(self.kept.start);
        scanned.end = scanned.end.max(self.kept.start);
        self.forget_evicted();

        let mut budget = budget_messages;
        for message in log.iter_from(scanned.end) {
            if !self.scan(&message, &mut budget, ScanDirection::Newest) {
                break;
            }
            scanned.end = message.seq + 1;
        }
        for message in log.iter_back_from(scanned.start) {
            if !self.scan(&message, &mut budget, ScanDirection::Oldest) {
                break;
            }
            scanned.start = message.seq;
        }
        let more = scanned != self.kept;
        self.scanned = Some(scanned);
        more
    }

    /// Returns the number of kept messages that match, of those examined.
    pub fn len(&self) -> u64 {
        if self.query.is_empty() {
            return self.kept.end - self.kept.start;
        }
        (self.older.len() + self.newer.len()) as u64
    }

    /// Whether none of the examined messages match.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the rank of the oldest match; the others follow it without gaps.
    pub fn first_rank(&self) -> i64 {
        // This fits an i64: there are no more numbers than that.
        if self.query.is_empty() { self.kept.start as i64 } else { self.newer_gone as i64 - self.older.len() as i64 }
    }

    /// Returns the number of matches before that message number.
    pub fn count_before(&self, seq: u64) -> u64 {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if self.seq_at(middle).is_some_and(|found| found < seq) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// Returns the message number of the match at that index; 0 is the oldest.
    pub fn seq_at(&self, index: u64) -> Option<u64> {
        if index >= self.len() {
            return None;
        }
        if self.query.is_empty() {
            return Some(self.kept.start + index);
        }
        let index = usize::try_from(index).ok()?;
        let low = match self.older.len().checked_sub(index + 1) {
            Some(from_newest) => self.older.at(from_newest),
            None => self.newer.at(index - self.older.len()),
        };
        low.map(|low| self.widen(low))
    }

    /// Examines one message of the slice; returns `false` once the slice is used up.
    fn scan(&mut self, message: &Message<'_>, budget: &mut usize, direction: ScanDirection) -> bool {
        if *budget == 0 {
            return false;
        }
        *budget = budget.saturating_sub(self.query.cost() + message.payload.len() / Self::BYTES_PER_MESSAGE);
        let of_topic = self.topics.get_memo(message.topic, |topic| self.query.of_topic(topic));
        if self.query.holds(message, of_topic) {
            match direction {
                ScanDirection::Newest => self.newer.push(message.seq as u32),
                ScanDirection::Oldest => self.older.push(message.seq as u32),
            }
        }
        true
    }

    fn forget_evicted(&mut self) {
        // A list holds the low halves of numbers. Those before the first kept number lie beyond the
        // kept range once they are widened.
        let kept = self.kept.clone();
        let evicted = |low: u32| !kept.contains(&widen(low, kept.start));
        while self.older.last().is_some_and(evicted) {
            self.older.drop_last();
        }
        while self.newer.first().is_some_and(evicted) {
            self.newer.drop_first();
            self.newer_gone += 1;
        }
    }

    fn widen(&self, low: u32) -> u64 {
        widen(low, self.kept.start)
    }
}

/// Cached results for recent topics. A log stores a topic once for many messages, so the topic is
/// identified by its address, without comparing its text.
#[derive(Default)]
struct TopicMemo {
    /// Address and length of a topic, and the result for it.
    slots: Vec<Option<(usize, usize, u64)>>,
}

impl TopicMemo {
    const SLOTS: usize = 1 << 8;

    fn clear(&mut self) {
        self.slots.clear();
    }

    fn get_memo(&mut self, topic: &str, compute: impl FnOnce(&str) -> u64) -> u64 {
        self.slots.resize(Self::SLOTS, None);
        let address = topic.as_ptr().addr();
        let slot = &mut self.slots[(address ^ address >> 8) % Self::SLOTS];
        match *slot {
            Some((at, bytes, found)) if (at, bytes) == (address, topic.len()) => found,
            _ => {
                let found = compute(topic);
                *slot = Some((address, topic.len(), found));
                found
            }
        }
    }
}

#[derive(Clone, Copy)]
enum ScanDirection {
    Newest,
    Oldest,
}

/// Returns the number whose low half is `low`, the first from `start` on. Kept numbers lie within
/// 2³² of each other, so the result is unique.
fn widen(low: u32, start: u64) -> u64 {
    start + u64::from(low.wrapping_sub(start as u32))
}

/// Low halves of message numbers, in blocks, so that growing copies nothing.
#[derive(Default)]
struct SeqList {
    blocks: VecDeque<Vec<u32>>,
    /// The number of entries dropped from the first block.
    dropped: usize,
}

impl SeqList {
    const BLOCK: usize = 4096;

    fn len(&self) -> usize {
        match self.blocks.back() {
            Some(last) => (self.blocks.len() - 1) * Self::BLOCK + last.len() - self.dropped,
            None => 0,
        }
    }

    fn at(&self, index: usize) -> Option<u32> {
        let index = index + self.dropped;
        self.blocks.get(index / Self::BLOCK)?.get(index % Self::BLOCK).copied()
    }

    fn first(&self) -> Option<u32> {
        self.at(0)
    }

    fn last(&self) -> Option<u32> {
        self.at(self.len().checked_sub(1)?)
    }

    fn push(&mut self, low: u32) {
        match self.blocks.back_mut() {
            Some(last) if last.len() < Self::BLOCK => last.push(low),
            _ => {
                let mut block = Vec::with_capacity(Self::BLOCK);
                block.push(low);
                self.blocks.push_back(block);
            }
        }
    }

    fn drop_first(&mut self) {
        self.dropped += 1;
        if self.dropped == Self::BLOCK {
            self.dropped = 0;
            self.blocks.pop_front();
        }
        self.drop_empty();
    }

    fn drop_last(&mut self) {
        if let Some(last) = self.blocks.back_mut() {
            last.pop();
            if last.is_empty() {
                self.blocks.pop_back();
            }
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        if self.len() == 0 {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.dropped = 0;
    }
}
