//! The topic aliases of one connection, in both directions.

use std::num::NonZeroU16;

/// Topic aliases; see the module.
#[derive(Debug, Default)]
pub(super) struct TopicAliases {
    /// Topics by the alias that the server assigned.
    incoming: Vec<Option<String>>,
    /// Topics by the alias that we assigned; the first has 1.
    outgoing: Vec<String>,
}

/// The alias of a topic towards the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutgoingAlias {
    pub(super) alias: NonZeroU16,
    /// The server doesn't know it yet, so the topic is sent too.
    pub(super) is_new: bool,
}

impl TopicAliases {
    /// The connection ended, and its aliases with it.
    pub(super) fn clear(&mut self) {
        self.incoming.clear();
        self.outgoing.clear();
    }

    /// Stores the topic that the server assigned to an alias; the caller has checked that the alias isn't too high.
    pub(super) fn set_incoming(&mut self, alias: NonZeroU16, topic: &str) {
        let index = usize::from(alias.get());
        if self.incoming.len() <= index {
            self.incoming.resize(index + 1, None);
        }
        self.incoming[index] = Some(topic.to_owned());
    }

    /// The topic that the server assigned to an alias.
    pub(super) fn incoming(&self, alias: NonZeroU16) -> Option<&str> {
        self.incoming.get(usize::from(alias.get()))?.as_deref()
    }

    /// The alias of a topic towards a server that allows this many; `None` if the topic has none and gets none.
    pub(super) fn outgoing(&self, topic: &str, maximum: u16) -> Option<OutgoingAlias> {
        let known = self.outgoing.iter().position(|known| known == topic);
        let next = self.outgoing.len();
        let index = known.or((next < usize::from(maximum)).then_some(next))?;
        let alias = NonZeroU16::new(u16::try_from(index + 1).ok()?)?;
        Some(OutgoingAlias { alias, is_new: known.is_none() })
    }

    /// A topic was sent with the next alias.
    pub(super) fn add_outgoing(&mut self, topic: &str) {
        self.outgoing.push(topic.to_owned());
    }
}
