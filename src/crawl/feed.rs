//! The crawl's feed: a place in the log, and the rule for what is passed over.
//!
//! It stands in the worker, beside the log: what waits there can still be
//! condensed, and costs nothing until it is told. Messages that the crawl isn't
//! to tell don't wait, and so nobody counts them as passed over.

use std::rc::Rc;

use super::excerpt;
use crate::console::grouped;
use crate::dialogue::Line;
use crate::dialogue::mapping::Mapping;
use crate::engine::update::Told;
use crate::log::{Message, MessageLog};

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

/// More waiting messages than this are too many, however short they are: each
/// takes a row and a gap.
const WAITING_AT_MOST: usize = (WAITING_AT_MOST_ROWS / (1.0 + GAP_ROWS)) as usize;

/// What the crawl has been told.
#[derive(Debug, Default)]
pub struct Feed {
    mapping: Rc<Mapping>,
    /// All messages before this one were told, passed over or chosen.
    from_seq: u64,
    /// Those before this one were looked at.
    looked_to: u64,
    /// Chosen when others were passed over, and told whatever comes: else a flood
    /// would be told as notes alone. Oldest first.
    chosen: Vec<u64>,
    /// The newest that wait behind them, oldest first; [`WAITING_AT_MOST`] and
    /// one of them, for that is enough to see that they are too many.
    newest: Vec<u64>,
    /// How many wait before those, and the last of them.
    older: (u64, u64),
    /// Somebody asked for the line of this one.
    asked: Option<u64>,
}

impl Feed {
    /// How many messages the crawl hasn't taken yet, of those that it is to tell
    /// and that were looked at.
    pub fn untold(&self) -> u64 {
        self.older.0 + (self.chosen.len() + self.newest.len()) as u64 + u64::from(self.asked.is_some())
    }

    /// Tells of this message before all others, whatever was told of it before
    /// and whatever the rules say: somebody asks for it.
    pub fn tell_of(&mut self, seq: u64) {
        self.asked = Some(seq);
    }

    /// Takes everything before `seq` for told.
    pub fn skip_to(&mut self, seq: u64) {
        let mapping = Rc::clone(&self.mapping);
        *self = Self { mapping, from_seq: seq, looked_to: seq, ..Self::default() };
    }

    /// From now on these rules say what is told, and how; what waits included.
    pub fn map(&mut self, mapping: Rc<Mapping>, log: &MessageLog) {
        self.mapping = mapping;
        self.chosen.retain(|seq| log.message(*seq).is_none_or(|message| self.mapping.tells(message.topic)));
        self.newest.clear();
        self.older = (0, 0);
        self.looked_to = self.from_seq;
        self.look(log);
    }

    /// Looks at what came since the last time. Costs nothing for each message
    /// while all topics are told.
    pub fn look(&mut self, log: &MessageLog) {
        let end = log.next_seq();
        let mut seq = std::mem::replace(&mut self.looked_to, end).clamp(1, end);
        // What was evicted unseen waited as well.
        let unseen = log.first_seq().max(seq) - seq;
        let tells_all = self.mapping.tells_all();
        let rest = if tells_all { (end - seq).saturating_sub(WAITING_AT_MOST as u64 + 1) } else { 0 };
        let missed = unseen.max(rest);
        if missed > 0 {
            seq += missed;
            self.older = (self.older.0 + self.newest.len() as u64 + missed, seq - 1);
            self.newest.clear();
        }
        for seq in seq..end {
            if !tells_all && log.message(seq).is_some_and(|message| !self.mapping.tells(message.topic)) {
                continue;
            }
            self.newest.push(seq);
            if self.newest.len() > WAITING_AT_MOST + 1 {
                self.older = (self.older.0 + 1, self.newest.remove(0));
            }
        }
        // What isn't told now won't be: it has had its moment.
        if self.newest.is_empty() && self.older.0 == 0 {
            self.from_seq = end;
        }
    }

    /// The next lines, `room` at most.
    pub fn tell(&mut self, log: &MessageLog, room: u32) -> Vec<Told> {
        self.look(log);
        let mut told = Vec::new();
        if room == 0 {
            return told;
        }
        if let Some(seq) = self.asked.take() {
            told.push(Told::Line { seq, line: excerpt::line(self.line_asked_for(log, seq)) });
        }
        // What was evicted can't be told any more.
        let gone = self.chosen.iter().take_while(|seq| **seq < log.first_seq()).count();
        let mut passed = (gone as u64, self.chosen.drain(..gone).next_back().unwrap_or(0));
        if self.chosen.is_empty() {
            let first = self.worth_telling(log);
            let (older, last) = std::mem::take(&mut self.older);
            if older > 0 || first > 0 {
                let last = first.checked_sub(1).map_or(last, |place| self.newest[place]);
                passed = (passed.0 + older + first as u64, last);
                self.chosen = self.newest.split_off(first);
                self.newest.clear();
                self.from_seq = log.next_seq();
            }
        }
        if let (count @ 1.., seq) = passed {
            told.push(Told::Passed { seq, count });
        }
        while told.len() < room as usize {
            let seq = if !self.chosen.is_empty() {
                self.chosen.remove(0)
            } else if self.older.0 == 0 && !self.newest.is_empty() {
                self.newest.remove(0)
            } else {
                break;
            };
            self.from_seq = self.from_seq.max(seq + 1);
            if let Some(message) = log.message(seq)
                && let Some(line) = self.mapping.line(message.topic, message.payload)
            {
                told.push(Told::Line { seq, line: excerpt::line(line) });
            }
        }
        told
    }

    fn line_asked_for(&self, log: &MessageLog, seq: u64) -> Line {
        match log.message(seq) {
            Some(Message { topic, payload, .. }) => {
                self.mapping.line(topic, payload).unwrap_or_else(|| Line::from_payload(topic, payload))
            }
            None => Line { character: String::new(), text: format!("(Message {} isn't kept any more)", grouped(seq)) },
        }
    }

    /// How many of the newest that wait are passed over.
    fn worth_telling(&self, log: &MessageLog) -> usize {
        let begin = self.newest.iter().take_while(|seq| **seq < log.first_seq()).count();
        let mut rows = 0.0;
        let mut from = self.newest.len();
        for (place, seq) in self.newest.iter().enumerate().skip(begin).rev() {
            rows += log.message(*seq).map_or(0.0, |message| self.about_rows(&message)) + GAP_ROWS;
            if rows > WAITING_AT_MOST_ROWS {
                return from;
            }
            // The newest in any case, however long it is.
            if rows <= TOLD_AFTER_ALL_ROWS || from == self.newest.len() {
                from = place;
            }
        }
        begin
    }

    fn about_rows(&self, message: &Message<'_>) -> f64 {
        match self.mapping.rule_for(message.topic).and_then(|rule| rule.wording.as_ref()) {
            Some(wording) => {
                let Line { character, text } = wording.line(message.topic, message.payload);
                excerpt::rows_of(character.len() + text.len())
            }
            None => excerpt::about_rows(message.payload),
        }
    }
}
