//! The crawl's feed: a place in the log, and the rule for what is passed over.

use crate::dialogue::Line;
use crate::log::MessageLog;

use super::update::Told;

/// More waiting messages than this are not all told: about 40 rows on the
/// plane, which take the crawl most of a minute.
const WAITING_AT_MOST: u64 = 20;

/// How many of the newest are still told when the others are passed over. Well
/// below the limit, so that a steady flood gives one note for many messages
/// and not one after each.
const TOLD_AFTER_ALL: u64 = 8;

/// A line on the plane is no longer than this, in characters; the console has
/// the rest. Two minutes of reading.
const LINE_CHARACTERS: usize = 2_000;

/// What the crawl has been told.
#[derive(Debug, Default)]
pub struct Feed {
    /// All messages before this one were told or passed over.
    next_seq: u64,
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
        let waiting = self.untold(log);
        let begin = log.next_seq() - waiting;
        // What was evicted can't be told any more.
        let mut from = begin.max(log.first_seq());
        if waiting > WAITING_AT_MOST {
            from = from.max(log.next_seq() - TOLD_AFTER_ALL);
        }
        if from > begin {
            told.push(Told::Passed { seq: from - 1, count: from - begin });
        }
        self.next_seq = from;
        while told.len() < room as usize
            && let Some(message) = log.message(self.next_seq)
        {
            let mut line = Line::from_payload(message.topic, message.payload);
            shorten(&mut line.text);
            told.push(Told::Line { seq: message.seq, line });
            self.next_seq += 1;
        }
        told
    }
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LINE_CHARACTERS) {
        let left_out = text[end..].chars().count();
        text.truncate(end);
        text.push_str(&format!("… ({left_out} more characters in the console)"));
    }
}
