//! The crawl's feed: a place in the log, and the rule for what is passed over.
//!
//! It stands in the worker, beside the log: what waits there can still be
//! condensed, and costs nothing until it is told.

use super::excerpt;
use crate::dialogue::Line;
use crate::engine::update::Told;
use crate::log::MessageLog;

/// When more rows than this wait, the oldest messages are passed over: the
/// crawl would take a minute for them.
const WAITING_AT_MOST_ROWS: f64 = 40.0;

/// So many of the newest rows are told all the same. Little enough that the
/// newest message is on screen within half a minute, with what the page has
/// taken before it; and far enough below the limit that a steady flood gives one
/// note for many messages, and not one after each.
const TOLD_AFTER_ALL_ROWS: f64 = 12.0;

/// Space between two messages, in rows, while many wait.
const GAP_ROWS: f64 = super::pacing::TIGHT_GAP_ROWS;

/// What the crawl has been told.
#[derive(Debug, Default)]
pub struct Feed {
    /// All messages before this one were told or passed over.
    next_seq: u64,
    /// Those before this one were chosen when others were passed over, and are
    /// told whatever comes: else a flood would be told as notes alone.
    chosen_until: u64,
}

impl Feed {
    /// How many messages the crawl hasn't taken yet.
    pub fn untold(&self, log: &MessageLog) -> u64 {
        log.next_seq() - self.next_seq.clamp(1, log.next_seq())
    }

    /// Takes everything before `seq` for told.
    pub fn skip_to(&mut self, seq: u64) {
        self.next_seq = seq;
    }

    /// The next lines, `room` at most.
    pub fn tell(&mut self, log: &MessageLog, room: u32) -> Vec<Told> {
        let mut told = Vec::new();
        if room == 0 {
            return told;
        }
        let begin = log.next_seq() - self.untold(log);
        // What was evicted can't be told any more.
        let kept = begin.max(log.first_seq());
        let from = if kept < self.chosen_until { kept } else { worth_telling(log, kept) };
        if from > begin {
            self.chosen_until = log.next_seq();
            told.push(Told::Passed { seq: from - 1, count: from - begin });
        }
        self.next_seq = from;
        while told.len() < room as usize
            && let Some(message) = log.message(self.next_seq)
        {
            let line = excerpt::line(Line::from_payload(message.topic, message.payload));
            told.push(Told::Line { seq: message.seq, line });
            self.next_seq += 1;
        }
        told
    }
}

/// The first message to tell of those from `begin` on. Looks at no more of them
/// than it takes to see that they are too many.
fn worth_telling(log: &MessageLog, begin: u64) -> u64 {
    let mut rows = 0.0;
    let mut from = log.next_seq();
    for seq in (begin..log.next_seq()).rev() {
        rows += log.message(seq).map_or(0.0, |message| excerpt::about_rows(message.payload)) + GAP_ROWS;
        if rows > WAITING_AT_MOST_ROWS {
            return from;
        }
        // The newest in any case, however long it is.
        if rows <= TOLD_AFTER_ALL_ROWS || from == log.next_seq() {
            from = seq;
        }
    }
    begin
}
