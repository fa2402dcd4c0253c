//! The sent messages and their outcomes, newest first: a bounded list, with counts of all messages.

use std::collections::VecDeque;

use crate::format::grouped;
use crate::mqtt::session;
use crate::protocol::connection::ConnectionState;
use crate::protocol::publish::{PublishOutcome, Published};
use crate::ui::forms::message::MessageFields;

/// The number of messages that are listed; older ones are only counted.
pub const LISTED_MAX: usize = 100;

/// The largest payload, in bytes as typed, that can be taken back into the form: the list has to
/// stay small.
const TAKEN_BACK_BYTES_MAX: usize = 64 << 10;

/// The number of characters of a payload that the list shows.
const PREVIEW_CHARS: usize = 60;

/// One message of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number that it was published under.
    pub number: u64,
    /// Topic name.
    pub topic: String,
    /// The beginning of its payload, as it was typed.
    pub preview: String,
    /// The whole message, to be sent again; `None` if it is too large to keep.
    pub message: Option<MessageFields>,
    /// The outcome; `None` while the message waits.
    pub outcome: Option<PublishOutcome>,
}

/// The number of messages, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All messages that were sent.
    pub sent: u64,
    /// Without an outcome so far.
    pub waiting: u64,
    /// Acknowledged completely, or sent at QoS 0.
    pub done: u64,
    /// Refused, or impossible to send.
    pub failed: u64,
    /// With an unknown outcome.
    pub unknown: u64,
}

/// The history. Always: sent = waiting + done + failed + unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishHistory {
    /// Newest first.
    entries: VecDeque<Entry>,
    counts: Counts,
}

impl PublishHistory {
    /// Adds a message and returns the number to publish it under.
    pub fn push(&mut self, message: &MessageFields) -> u64 {
        self.counts.sent += 1;
        self.counts.waiting += 1;
        let number = self.counts.sent;
        self.entries.truncate(LISTED_MAX - 1);
        let payload = &message.payload.text;
        let entry = Entry {
            number,
            topic: message.topic.clone(),
            preview: preview(payload),
            message: (payload.len() <= TAKEN_BACK_BYTES_MAX).then(|| message.clone()),
            outcome: None,
        };
        self.entries.push_front(entry);
        number
    }

    /// Records an outcome.
    pub fn finish(&mut self, published: Published) {
        let Published { number, outcome } = published;
        let entry = self.entries.iter_mut().find(|entry| entry.number == number);
        // Each message has one outcome; a second one would be a bug, and must not falsify the
        // counts.
        if entry.as_ref().is_some_and(|entry| entry.outcome.is_some()) || self.counts.waiting == 0 {
            return;
        }
        let Counts { waiting, done, failed, unknown, .. } = &mut self.counts;
        *waiting -= 1;
        match outcome {
            PublishOutcome::Done => *done += 1,
            PublishOutcome::Failed(_) => *failed += 1,
            PublishOutcome::Unknown(_) => *unknown += 1,
        }
        if let Some(entry) = entry {
            entry.outcome = Some(outcome);
        }
    }

    /// Marks all waiting messages as unknown, because the worker that would report their outcomes
    /// is gone.
    pub fn abandon(&mut self, reason: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.outcome.is_none()) {
            entry.outcome = Some(PublishOutcome::Unknown(reason.to_owned()));
        }
        self.counts.unknown += std::mem::take(&mut self.counts.waiting);
    }

    /// Returns the listed messages, newest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Summarizes all messages in a sentence.
    pub fn summary(&self) -> String {
        let Counts { sent, waiting, done, failed, unknown } = self.counts;
        if sent == 0 {
            return "No messages sent yet.".to_owned();
        }
        let parts: Vec<_> = [(waiting, "waiting"), (done, "delivered"), (failed, "failed"), (unknown, "unconfirmed")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{} {kind}", grouped(count)))
            .collect();
        format!("{} sent, {}.", grouped(sent), parts.join(", "))
    }

    /// Without a connection: the number of waiting messages, as text.
    pub fn waiting_text(&self, state: ConnectionState) -> Option<String> {
        let (ConnectionState::Connecting | ConnectionState::Reconnecting) = state else { return None };
        let limit = session::options::Options::default().queue_messages as u64;
        Some(format!(
            "Offline. Messages queued: {} (maximum {}). They will be sent on reconnect.",
            grouped(self.counts.waiting),
            grouped(limit),
        ))
    }

    /// Returns the counts of all messages, by outcome.
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}

fn preview(payload: &str) -> String {
    let mut chars = payload.chars();
    let mut preview: String =
        chars.by_ref().take(PREVIEW_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.next().is_some() {
        preview.push('…');
    }
    preview
}
