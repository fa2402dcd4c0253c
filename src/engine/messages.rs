//! The messages: the log, and everything that counts what enters it.
//!
//! # Invariants
//!
//! - Every message enters here, from a broker or from a file, so the log, the topics and the counts agree.
//! - A message from a file counts for its topic, but for no subscription.

use crate::engine::imported_messages::ImportedMessages;
use crate::engine::message_counts::MessageCounts;
use crate::engine::page_updates::PageUpdates;
use crate::engine::wall_clock::WallClock;
use crate::message_log::message::NewMessage;
use crate::message_log::ndjson::OwnedMessage;
use crate::message_log::{Limits, MessageLog};
use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::Publish;
use crate::mqtt::session::event::MessageSink;
use crate::packet_trace::Trace;
use crate::time::Instant;
use crate::topics::Topics;

/// The messages of this page.
pub(super) struct Messages {
    pub(super) log: MessageLog,
    pub(super) topics: Topics,
    pub(super) counts: MessageCounts,
    pub(super) imported: ImportedMessages,
    /// Arrival of the first message since the log was empty.
    first_message_at: Option<Instant>,
}

impl Messages {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            log: MessageLog::new(limits),
            topics: Topics::default(),
            counts: MessageCounts::default(),
            imported: ImportedMessages::default(),
            first_message_at: None,
        }
    }

    /// Adds messages of an earlier log, with their times and, if the log is empty, their numbers.
    pub(super) fn import(&mut self, messages: &[OwnedMessage]) {
        for message in messages {
            let arrival = message.as_new_message();
            let seq = self.log.import(message.seq, &arrival);
            self.count_imported(seq, &arrival);
        }
    }

    /// Adds messages of an earlier log as if they arrived now.
    pub(super) fn replay(&mut self, messages: &[OwnedMessage], wall_now: Instant) {
        for message in messages {
            let arrival = NewMessage { time: wall_now, ..message.as_new_message() };
            let seq = self.log.append(&arrival);
            self.count_imported(seq, &arrival);
        }
    }

    /// Records that a message didn't come from a broker.
    fn count_imported(&mut self, seq: u64, arrival: &NewMessage<'_>) {
        self.imported.note(seq);
        match self.topics.note(seq, arrival) {
            true => self.counts.exclude(arrival.topic),
            false => self.counts.exclude_other(),
        }
    }

    /// Removes all messages.
    pub(super) fn clear(&mut self) {
        self.log.clear();
        self.counts.forget(&self.topics);
        self.topics.clear();
        self.first_message_at = None;
    }

    /// Arrival of the first message since the log was empty, for relative times. The answer stays the same when that
    /// message is evicted.
    pub(super) fn first_message_at(&mut self) -> Instant {
        if self.first_message_at.is_none() {
            self.first_message_at = self.log.message(self.log.first_seq()).map(|message| message.time);
        }
        self.first_message_at.unwrap_or_default()
    }
}

/// Receives messages: borrowed from the frame and copied once, into the log.
pub(super) struct EngineSink<'a> {
    pub(super) messages: &'a mut Messages,
    pub(super) trace: &'a mut Trace,
    pub(super) page: &'a mut PageUpdates,
    pub(super) wall_clock: WallClock,
}

impl MessageSink for EngineSink<'_> {
    #[inline(always)]
    fn on_message(&mut self, message: &Publish<'_>, now: Instant) {
        let arrival = NewMessage::of(message, self.wall_clock.wall(now));
        let seq = self.messages.log.append(&arrival);
        self.messages.topics.note(seq, &arrival);
        self.messages.counts.note(message.properties);
        self.trace.set_seq(seq);
        self.page.mark_dirty();
    }

    #[inline]
    fn on_packet(&mut self, packet: &[u8], now: Instant) {
        self.trace.received(packet, self.wall_clock.wall(now));
    }

    fn on_deviation(&mut self, deviation: Deviation) {
        self.trace.deviated(deviation);
    }
}
