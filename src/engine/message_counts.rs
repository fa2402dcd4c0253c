//! The number of messages that each subscription brought, as far as it can be known.
//!
//! A broker reports the subscription of a message only if the subscription has an identifier. For all others the filter
//! determines which topics match, and messages are counted by topic already ([`Topics`]). So nothing is done when a
//! message arrives, unless it carries identifiers; filters are matched once per topic, when the counts are read.

use crate::mqtt::codec::publish::{Property, properties};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::subscription::{CountSource, MessageCount};
use crate::topics::Topics;

/// Message counts by subscription; see the module.
#[derive(Debug, Default)]
pub(super) struct MessageCounts {
    entries: Vec<Entry>,
    /// At least one entry has an identifier.
    has_identifiers: bool,
}

#[derive(Debug)]
struct Entry {
    filter: TopicFilter,
    identifier: Option<u32>,
    /// Messages that carried the identifier.
    identified: u64,
    /// Offset to the topics' counts: messages from before the subscription, and messages that didn't come from the
    /// broker. May be negative (by wrapping) after some topics were cleared.
    baseline: u64,
    /// The same for messages whose topics aren't kept.
    other_baseline: u64,
}

impl MessageCounts {
    /// Starts counting for this subscription, and keeps only those others that `is_kept` selects.
    pub(super) fn begin(&mut self, filter: TopicFilter, topics: &Topics, is_kept: impl Fn(&str) -> bool) {
        self.entries.retain(|entry| entry.filter != filter && is_kept(entry.filter.as_str()));
        let (baseline, other_baseline) = (topics.count(&filter), topics.others());
        self.entries.push(Entry { filter, identifier: None, identified: 0, baseline, other_baseline });
    }

    /// Sets the identifier of a subscription.
    pub(super) fn use_identifier(&mut self, filter: &str, identifier: Option<u32>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.filter.as_str() == filter)
            && entry.identifier != identifier
        {
            (entry.identifier, entry.identified) = (identifier, 0);
        }
        self.has_identifiers = self.entries.iter().any(|entry| entry.identifier.is_some());
    }

    /// Counts a message of the broker by its property section.
    #[inline]
    pub(super) fn note(&mut self, section: &[u8]) {
        if self.has_identifiers && !section.is_empty() {
            self.note_identifiers(section);
        }
    }

    fn note_identifiers(&mut self, section: &[u8]) {
        for property in properties(section) {
            let Property::SubscriptionId(identifier) = property else { continue };
            let identified = self.entries.iter_mut().filter(|entry| entry.identifier == Some(identifier));
            identified.for_each(|entry| entry.identified += 1);
        }
    }

    /// Excludes a message on this topic that was counted but didn't come from the broker.
    pub(super) fn exclude(&mut self, topic: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.filter.matches(topic)) {
            entry.baseline = entry.baseline.wrapping_add(1);
        }
    }

    /// The same for a message whose topic isn't kept.
    pub(super) fn exclude_other(&mut self) {
        for entry in &mut self.entries {
            entry.other_baseline = entry.other_baseline.wrapping_add(1);
        }
    }

    /// Adjusts the offsets before the topics are cleared.
    pub(super) fn forget(&mut self, topics: &Topics) {
        for entry in &mut self.entries {
            entry.baseline = entry.baseline.wrapping_sub(topics.count(&entry.filter));
            entry.other_baseline = entry.other_baseline.wrapping_sub(topics.others());
        }
    }

    /// The number of messages that a subscription brought.
    pub(super) fn count(&self, filter: &str, topics: &Topics) -> MessageCount {
        let Some(entry) = self.entries.iter().find(|entry| entry.filter.as_str() == filter) else {
            return MessageCount::default();
        };
        // An identifier that several subscriptions share says nothing about one of them.
        let is_own = self.entries.iter().filter(|other| other.identifier == entry.identifier).count() == 1;
        if entry.identified > 0 && is_own {
            return MessageCount { messages: entry.identified, by: CountSource::Identifier, is_least: false };
        }
        MessageCount {
            messages: topics.count(&entry.filter).wrapping_sub(entry.baseline),
            by: CountSource::Topic,
            is_least: topics.others() != entry.other_baseline,
        }
    }
}
