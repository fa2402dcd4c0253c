//! How many messages each subscription brought, as far as that can be known.
//!
//! A broker says by which subscription a message came only where that has an
//! identifier. Of all others it is known what their filters match, and the
//! topics have been counted already ([`Topics`]): so nothing is done as a
//! message arrives, unless it carries identifiers, and matching is done once a
//! topic, when somebody looks.

use crate::mqtt::codec::publish::{Property, properties};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::subscription::{CountSource, MessageCount};
use crate::topics::Topics;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Tally {
    entries: Vec<Entry>,
    /// One of them at least has an identifier.
    has_identifiers: bool,
}

#[derive(Debug)]
struct Entry {
    filter: TopicFilter,
    identifier: Option<u32>,
    /// Messages that came with it.
    named: u64,
    /// What the topics' counts have beside what came by this subscription: what
    /// was there before it, and what didn't come from the broker. Less than
    /// nothing, by wrapping, where the topics have forgotten some that did.
    beside: u64,
    /// The same for the messages whose topics aren't kept.
    others_beside: u64,
}

impl Tally {
    /// Counts for this subscription from now on, and for those that are to be
    /// kept.
    pub(super) fn begin(&mut self, filter: TopicFilter, topics: &Topics, is_kept: impl Fn(&str) -> bool) {
        self.entries.retain(|entry| entry.filter != filter && is_kept(entry.filter.as_str()));
        let (beside, others_beside) = (topics.count(&filter), topics.others());
        self.entries.push(Entry { filter, identifier: None, named: 0, beside, others_beside });
    }

    /// The subscription is asked for with this identifier from now on.
    pub(super) fn identify(&mut self, filter: &str, identifier: Option<u32>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.filter.as_str() == filter)
            && entry.identifier != identifier
        {
            (entry.identifier, entry.named) = (identifier, 0);
        }
        self.has_identifiers = self.entries.iter().any(|entry| entry.identifier.is_some());
    }

    /// The broker sent a message with this property section.
    #[inline]
    pub(super) fn note(&mut self, section: &[u8]) {
        if self.has_identifiers && !section.is_empty() {
            self.note_identifiers(section);
        }
    }

    fn note_identifiers(&mut self, section: &[u8]) {
        for property in properties(section) {
            let Property::SubscriptionId(identifier) = property else { continue };
            let named = self.entries.iter_mut().filter(|entry| entry.identifier == Some(identifier));
            named.for_each(|entry| entry.named += 1);
        }
    }

    /// A message on this topic was counted that didn't come from the broker …
    pub(super) fn pass_over(&mut self, topic: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.filter.matches(topic)) {
            entry.beside = entry.beside.wrapping_add(1);
        }
    }

    /// … or one whose topic isn't kept.
    pub(super) fn pass_over_other(&mut self) {
        for entry in &mut self.entries {
            entry.others_beside = entry.others_beside.wrapping_add(1);
        }
    }

    /// The topics are about to be forgotten.
    pub(super) fn forget(&mut self, topics: &Topics) {
        for entry in &mut self.entries {
            entry.beside = entry.beside.wrapping_sub(topics.count(&entry.filter));
            entry.others_beside = entry.others_beside.wrapping_sub(topics.others());
        }
    }

    /// What a subscription brought.
    pub(super) fn count(&self, filter: &str, topics: &Topics) -> MessageCount {
        let Some(entry) = self.entries.iter().find(|entry| entry.filter.as_str() == filter) else {
            return MessageCount::default();
        };
        // What several share tells none of them.
        let is_own = self.entries.iter().filter(|other| other.identifier == entry.identifier).count() == 1;
        if entry.named > 0 && is_own {
            return MessageCount { messages: entry.named, by: CountSource::Identifier, is_least: false };
        }
        MessageCount {
            messages: topics.count(&entry.filter).wrapping_sub(entry.beside),
            by: CountSource::Topic,
            is_least: topics.others() != entry.others_beside,
        }
    }
}
