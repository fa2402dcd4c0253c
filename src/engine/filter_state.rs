//! The console's filter, and the line rules, which decide the speakers that it can match.
//!
//! # Invariants
//!
//! - A large log is filtered in slices, so that intake never waits for it.
//! - An invalid filter changes nothing but its error.

use std::rc::Rc;
use std::time::Duration;

use crate::dialogue::rules::LineRules;
use crate::message_log::MessageLog;
use crate::message_log::query::matches::Matches;
use crate::message_log::query::{LocalTime, Query};
use crate::time::Instant;

/// The number of messages that the filter examines before it yields: a few milliseconds of work.
const SLICE_MESSAGES: usize = 20_000;

/// More messages than this since the filter's last slice are a flood.
const FLOOD_MESSAGES: u64 = 2_000;

/// The wait before the filter's next slice during a flood, so that intake has priority.
const FLOOD_WAIT: Duration = Duration::from_millis(40);

/// The filter and its matches.
pub(super) struct FilterState {
    matches: Matches,
    /// When the filter continues; `None` once it has examined all messages.
    due: Option<Instant>,
    /// Number of the next message at the time of the filter's last slice.
    filtered_to: u64,
    error: Option<String>,
    /// The rules by which messages become lines.
    line_rules: Rc<LineRules>,
    /// The number of filters so far; see [`Rows::list`](crate::protocol::rows::Rows::list).
    generation: u32,
}

impl Default for FilterState {
    fn default() -> Self {
        Self {
            matches: Matches::new(Query::default()),
            due: None,
            filtered_to: 1,
            error: None,
            line_rules: Rc::default(),
            generation: 0,
        }
    }
}

impl FilterState {
    pub(super) fn matches(&self) -> &Matches {
        &self.matches
    }

    pub(super) fn query(&self) -> &Query {
        self.matches.query()
    }

    /// What is wrong with the text that was entered last.
    pub(super) fn error(&self) -> Option<&String> {
        self.error.as_ref()
    }

    pub(super) fn line_rules(&self) -> &Rc<LineRules> {
        &self.line_rules
    }

    /// Identifies the list of matches.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Sets the filter from the text of its field.
    pub(super) fn set_text(&mut self, text: &str, typed: LocalTime, log: &MessageLog, processed_at: Instant) {
        match Query::parse(text, typed) {
            Ok(query) => {
                self.error = None;
                self.set_query(query.with_rules(&self.line_rules), log, processed_at);
            }
            // The rows don't change while the input is invalid.
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    /// Sets the line rules.
    pub(super) fn set_line_rules(&mut self, line_rules: Rc<LineRules>, log: &MessageLog, processed_at: Instant) {
        if self.query().uses_speaker() {
            self.set_query(self.query().clone().with_rules(&line_rules), log, processed_at);
        }
        self.line_rules = line_rules;
    }

    fn set_query(&mut self, query: Query, log: &MessageLog, processed_at: Instant) {
        self.generation = self.generation.wrapping_add(1);
        self.matches = Matches::new(query);
        self.filtered_to = log.next_seq();
        self.advance(log, processed_at);
    }

    /// Runs one slice of the filter's work; does nothing without a filter. `processed_at` is when something happened last.
    pub(super) fn advance(&mut self, log: &MessageLog, processed_at: Instant) {
        let has_more = self.matches.advance(log, SLICE_MESSAGES);
        let arrived = log.next_seq().saturating_sub(self.filtered_to);
        self.filtered_to = log.next_seq();
        let due = if arrived > FLOOD_MESSAGES { processed_at + FLOOD_WAIT } else { Instant::EPOCH };
        self.due = has_more.then_some(due);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Continues if it is due. Returns whether it did.
    pub(super) fn handle_timeout(&mut self, log: &MessageLog, processed_at: Instant, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.advance(log, processed_at);
        }
        is_due
    }
}
