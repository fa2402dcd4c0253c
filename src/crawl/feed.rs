//! The crawl's feed: a cursor into the log, and the rule for which messages are skipped.
//!
//! It is in the worker, next to the log: messages that wait there can still be condensed, and cost
//! nothing until they are shown. Messages that the line rules hide don't wait, and so they aren't
//! counted as skipped.

use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pacing::{Pace, TIGHT_GAP_ROWS};
use super::typeset::SPEAKER_SIZE;
use crate::crawl::item::CrawlItem;
use crate::crawl::truncate;
use crate::dialogue::Line;
use crate::dialogue::rules::LineRules;
use crate::format::grouped;
use crate::message_log::MessageLog;
use crate::message_log::message::Message;

/// More waiting messages than this are too many, however short they are.
const WAITING_MAX: usize = 120;

/// The lines that the crawl accepts now, and what it can show at its highest speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlRoom {
    /// The number of lines that it accepts; 0 while it is full or hidden.
    pub lines: u32,
    /// What happens when lines come too fast.
    pub pace: Pace,
    /// Letters of a row in the smallest type.
    pub row_letters: u32,
    /// Rows of the smallest type that enter in a minute at the highest speed.
    pub rows_per_min: u32,
}

impl Default for CrawlRoom {
    /// Returns the values of a 16:9 screen.
    fn default() -> Self {
        Self { lines: 0, pace: Pace::All, row_letters: 43, rows_per_min: 300 }
    }
}

/// How long messages may wait, measured by the time that it takes to show them.
struct Bounds {
    /// More than this is condensed …
    waiting: Duration,
    /// … unless the messages came more slowly than they can be shown: then the crawl catches up, as
    /// after an opening.
    catching_up: Duration,
    /// The newest messages of this duration are shown all the same. Short enough that the newest
    /// message is on screen soon, and long enough that a steady flood gives one note for many
    /// lines.
    kept: Duration,
}

impl Bounds {
    const fn of(pace: Pace) -> Self {
        let seconds = Duration::from_secs;
        match pace {
            Pace::All => Self { waiting: seconds(11), catching_up: seconds(40), kept: Duration::from_millis(7_500) },
            Pace::Film => Self { waiting: seconds(62), catching_up: seconds(62), kept: seconds(19) },
            Pace::Latest => Self { waiting: Duration::ZERO, catching_up: Duration::ZERO, kept: Duration::ZERO },
        }
    }
}

/// The crawl's position in the log, and the messages chosen for it.
#[derive(Debug, Default)]
pub struct CrawlFeed {
    rules: Rc<LineRules>,
    /// All messages before this one were shown, skipped or chosen.
    from_seq: u64,
    /// All messages before this one were examined.
    scanned_to: u64,
    /// Messages chosen when others were skipped. They are shown whatever comes next, so that a
    /// flood isn't reduced to skip notices. Oldest first.
    chosen: Vec<u64>,
    /// The newest messages that wait behind them, oldest first: at most [`WAITING_MAX`] and one
    /// more, which is enough to see that they are too many.
    newest: Vec<u64>,
    /// The number of messages that wait before those, and the last of them.
    older: (u64, u64),
    /// The message whose line the person asked for.
    requested: Option<u64>,
}

impl CrawlFeed {
    /// Returns the number of messages that are to be shown and were examined, but that the crawl
    /// hasn't taken yet.
    pub fn pending(&self) -> u64 {
        self.older.0 + (self.chosen.len() + self.newest.len()) as u64 + u64::from(self.requested.is_some())
    }

    /// Shows this message before all others, even if it was shown before or a rule hides it,
    /// because the person asked for it.
    pub fn show_first(&mut self, seq: u64) {
        self.requested = Some(seq);
    }

    /// Treats everything before `seq` as shown.
    pub fn skip_to(&mut self, seq: u64) {
        let rules = Rc::clone(&self.rules);
        *self = Self { rules, from_seq: seq, scanned_to: seq, ..Self::default() };
    }

    /// Sets the rules that decide which messages are shown, and how; they apply to waiting messages
    /// as well.
    pub fn set_rules(&mut self, rules: Rc<LineRules>, log: &MessageLog) {
        self.rules = rules;
        self.chosen.retain(|seq| log.message(*seq).is_none_or(|message| self.rules.shows(message.topic)));
        self.newest.clear();
        self.older = (0, 0);
        self.scanned_to = self.from_seq;
        self.scan(log);
    }

    /// Examines the messages that came since the last call. There is no cost per message while all
    /// topics are shown.
    pub fn scan(&mut self, log: &MessageLog) {
        let end = log.next_seq();
        let mut seq = std::mem::replace(&mut self.scanned_to, end).clamp(1, end);
        // Messages evicted before they were examined waited as well.
        let unseen = log.first_seq().max(seq) - seq;
        let hides_nothing = self.rules.hides_nothing();
        let rest = if hides_nothing { (end - seq).saturating_sub(WAITING_MAX as u64 + 1) } else { 0 };
        let missed = unseen.max(rest);
        if missed > 0 {
            seq += missed;
            self.older = (self.older.0 + self.newest.len() as u64 + missed, seq - 1);
            self.newest.clear();
        }
        for seq in seq..end {
            if !hides_nothing && log.message(seq).is_some_and(|message| !self.rules.shows(message.topic)) {
                continue;
            }
            self.newest.push(seq);
            if self.newest.len() > WAITING_MAX + 1 {
                self.older = (self.older.0 + 1, self.newest.remove(0));
            }
        }
        // Messages hidden now aren't shown later, even if the rules change: they are out of date then.
        if self.newest.is_empty() && self.older.0 == 0 {
            self.from_seq = end;
        }
    }

    /// Returns the next lines, as many as there is room for.
    pub fn take(&mut self, log: &MessageLog, room: CrawlRoom) -> Vec<CrawlItem> {
        self.scan(log);
        let mut items = Vec::new();
        if room.lines == 0 {
            return items;
        }
        if let Some(seq) = self.requested.take() {
            items.push(CrawlItem::Line { seq, line: truncate::line(self.requested_line(log, seq)) });
        }
        // Evicted messages can't be shown any more.
        let gone = self.chosen.iter().take_while(|seq| **seq < log.first_seq()).count();
        let mut passed = (gone as u64, self.chosen.drain(..gone).next_back().unwrap_or(0));
        if self.chosen.is_empty() {
            let first = self.first_kept(log, room);
            let (older, last) = std::mem::take(&mut self.older);
            if older > 0 || first > 0 {
                let last = first.checked_sub(1).map_or(last, |place| self.newest[place]);
                passed = (passed.0 + older + first as u64, last);
                self.chosen = self.newest.split_off(first);
                self.newest.clear();
                self.from_seq = log.next_seq();
            }
        }
        // With the pace "latest", the person knows that the others are left out.
        if let (count @ 1.., seq) = passed
            && room.pace != Pace::Latest
        {
            items.push(CrawlItem::Skipped { seq, count });
        }
        while items.len() < room.lines as usize {
            let seq = if !self.chosen.is_empty() {
                self.chosen.remove(0)
            } else if self.older.0 == 0 && !self.newest.is_empty() {
                self.newest.remove(0)
            } else {
                break;
            };
            self.from_seq = self.from_seq.max(seq + 1);
            if let Some(message) = log.message(seq)
                && let Some(line) = self.rules.line(message.topic, message.payload)
            {
                items.push(CrawlItem::Line { seq, line: truncate::line(line) });
            }
        }
        items
    }

    fn requested_line(&self, log: &MessageLog, seq: u64) -> Line {
        match log.message(seq) {
            Some(Message { topic, payload, .. }) => {
                self.rules.line(topic, payload).unwrap_or_else(|| Line::from_payload(topic, payload))
            }
            None => Line { character: String::new(), text: format!("(Message {} is no longer stored)", grouped(seq)) },
        }
    }

    /// Returns the first of the newest messages that is shown; those before it are condensed.
    fn first_kept(&self, log: &MessageLog, room: CrawlRoom) -> usize {
        let begin = self.newest.iter().take_while(|seq| **seq < log.first_seq()).count();
        let bounds = Bounds::of(room.pace);
        let mut total = Duration::ZERO;
        let mut from = self.newest.len();
        let time_of = |seq: &u64| log.message(*seq).map(|message| message.time);
        let last = self.newest.last().and_then(time_of);
        for (place, seq) in self.newest.iter().enumerate().skip(begin).rev() {
            let Some(message) = log.message(*seq) else { break };
            total += self.display_time(&message, room);
            let came_over = last.map_or(Duration::ZERO, |last| last.since(message.time));
            // The newest is shown in any case, however long it is.
            let is_newest = from == self.newest.len();
            if !is_newest && (total > bounds.catching_up || (total > bounds.waiting && total > came_over)) {
                return from;
            }
            if total <= bounds.kept || is_newest {
                from = place;
            }
        }
        begin
    }

    /// Returns the time that it takes to show a message at the highest speed.
    fn display_time(&self, message: &Message<'_>, room: CrawlRoom) -> Duration {
        let letters = match self.rules.rule_for(message.topic).and_then(|rule| rule.wording.as_ref()) {
            Some(wording) => {
                let Line { character, text } = wording.line(message.topic, message.payload);
                character.len() + text.len()
            }
            None => truncate::letters_of(message.payload),
        };
        let letters = letters.min(truncate::LETTERS_MAX) as f64;
        let rows = (letters / f64::from(room.row_letters.max(1))).ceil().max(1.0) + SPEAKER_SIZE + TIGHT_GAP_ROWS;
        Duration::from_secs_f64(rows * 60.0 / f64::from(room.rows_per_min.max(1)))
    }
}
