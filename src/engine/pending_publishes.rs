//! The publishes that have no outcome yet, and where each comes from.

use std::collections::VecDeque;

use crate::mqtt::session::event::Token;
use crate::protocol::transmission::TransmissionSlot;

/// The origin of a publish.
#[derive(Clone, Copy, Debug)]
pub(super) enum PublishOrigin {
    /// The panels, with their number for it.
    Message(u64),
    /// A line of a transmission, with its position.
    Line(TransmissionSlot, u64),
}

/// The publishes without an outcome yet.
#[derive(Debug, Default)]
pub(super) struct PendingPublishes {
    /// In the order of their tokens.
    origins: VecDeque<(Token, PublishOrigin)>,
}

impl PendingPublishes {
    /// Adds a publish; its token is the highest so far.
    pub(super) fn push(&mut self, token: Token, origin: PublishOrigin) {
        self.origins.push_back((token, origin));
    }

    /// Removes a publish; `None` for one of an earlier page.
    pub(super) fn take(&mut self, token: Token) -> Option<PublishOrigin> {
        let index = self.origins.binary_search_by_key(&token, |&(token, _)| token).ok()?;
        self.origins.remove(index).map(|(_, origin)| origin)
    }

    /// Removes all publishes, and returns them.
    pub(super) fn take_all(&mut self) -> VecDeque<(Token, PublishOrigin)> {
        std::mem::take(&mut self.origins)
    }

    /// Forgets the lines of a transmission, because nobody needs their outcomes any more.
    pub(super) fn forget_lines(&mut self, slot: TransmissionSlot) {
        self.origins.retain(|(_, origin)| !matches!(origin, PublishOrigin::Line(of, _) if *of == slot));
    }
}
