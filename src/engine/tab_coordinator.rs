//! Coordination with other tabs of this browser that may use the same client identifier.
//!
//! If two connections have the same identifier, a broker closes the older one, so two tabs that both reconnect would
//! take turns endlessly. Hence a tab asks the others before it connects, and again after it lost its connection. A tab
//! with a better claim objects, and the asking tab doesn't connect.
//!
//! Sans-IO: messages of other tabs go in with the time, messages for them come out.
//!
//! # Which tab yields
//!
//! The order of [`ClaimPriority`] decides, and between equals the tab's number. So if two tabs ask at the same instant,
//! exactly one of them continues. A frozen tab can't answer, so the new tab connects; when the frozen one resumes, it
//! finds its connection closed, asks, and yields.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// How long a tab waits for an answer: a worker in a flood of messages is busy for some tens of milliseconds, and a
/// seventh of a second isn't noticeable.
const ANSWER_WAIT: Duration = Duration::from_millis(150);

/// A message of one tab to all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabMessage {
    /// The sender: a random number.
    pub tab: u64,
    /// The content.
    pub kind: TabMessageKind,
}

/// The content of a [`TabMessage`]. A key identifies a session: client identifier and broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TabMessageKind {
    /// Announces a new tab and asks for others.
    Hello,
    /// Answers the announcement.
    Here,
    /// Asks whether another tab has a better claim to this session.
    Claim {
        /// The session.
        key: String,
        /// The sender's claim.
        priority: ClaimPriority,
    },
    /// Objects with a better claim.
    Deny {
        /// The session.
        key: String,
        /// The sender's claim.
        priority: ClaimPriority,
    },
    /// The person takes this session over in the sender's tab: the others release it.
    TakeOver {
        /// The session.
        key: String,
    },
}

/// The strength of a claim, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClaimPriority {
    /// The tab is about to connect.
    New,
    /// The tab was connected and is about to reconnect.
    Reconnecting,
    /// The tab is connected, or is connecting after no tab objected.
    Connected,
}

/// Why this tab yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YieldReason {
    /// Another tab has a better claim.
    Taken,
    /// The person took the session over in another tab.
    TakenOver,
}

#[derive(Clone, Debug)]
struct Claim {
    key: String,
    priority: ClaimPriority,
}

/// This tab's state among the others.
#[derive(Debug)]
pub struct TabCoordinator {
    tab: u64,
    /// When the others were greeted; `None` if they can't be reached.
    greeted: Option<Instant>,
    /// Another tab has sent something: this tab isn't the only one, or wasn't.
    has_received: bool,
    claim: Option<Claim>,
    outgoing: VecDeque<TabMessage>,
}

impl TabCoordinator {
    /// Creates a tab that can't reach others yet.
    pub fn new(tab: u64) -> Self {
        Self { tab, greeted: None, has_received: false, claim: None, outgoing: VecDeque::new() }
    }

    /// Enables the negotiation and greets the others.
    pub fn greet(&mut self, now: Instant) {
        self.greeted = Some(now);
        self.broadcast(TabMessageKind::Hello);
    }

    /// Asks for a session; returns the end of the time for objections. A tab that knows it is the only one doesn't
    /// wait.
    pub fn ask(&mut self, key: &str, now: Instant) -> Instant {
        if self.claim.as_ref().is_some_and(|claim| claim.key == key && claim.priority == ClaimPriority::Connected) {
            return now;
        }
        self.claim = Some(Claim { key: key.to_owned(), priority: ClaimPriority::New });
        let Some(greeted) = self.greeted else { return now };
        self.broadcast(TabMessageKind::Claim { key: key.to_owned(), priority: ClaimPriority::New });
        if self.has_received { now + ANSWER_WAIT } else { greeted + ANSWER_WAIT }
    }

    /// Claims a session unconditionally; returns the end of the time in which others release it.
    pub fn take_over(&mut self, key: &str, now: Instant) -> Instant {
        self.claim = Some(Claim { key: key.to_owned(), priority: ClaimPriority::Connected });
        self.broadcast(TabMessageKind::TakeOver { key: key.to_owned() });
        now + ANSWER_WAIT
    }

    /// No tab objected, or the connection was restored.
    pub fn hold(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.priority = ClaimPriority::Connected;
        }
    }

    /// The connection was lost and is to be restored. The answer usually arrives within the first wait of the back-off.
    /// If it arrives later, this tab holds the session again, and asks again after the next loss.
    pub fn lose(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.priority = ClaimPriority::Reconnecting;
            let kind = TabMessageKind::Claim { key: claim.key.clone(), priority: ClaimPriority::Reconnecting };
            self.broadcast(kind);
        }
    }

    /// Releases the claim.
    pub fn release(&mut self) {
        self.claim = None;
    }

    /// Handles a message of another tab.
    pub fn handle_tab_message(&mut self, message: &TabMessage) -> Option<YieldReason> {
        self.has_received = true;
        if message.kind == TabMessageKind::Hello {
            self.broadcast(TabMessageKind::Here);
        }
        let (TabMessageKind::Claim { key, .. } | TabMessageKind::Deny { key, .. } | TabMessageKind::TakeOver { key }) =
            &message.kind
        else {
            return None;
        };
        let Claim { priority: ours, .. } = *self.claim.as_ref().filter(|claim| claim.key == *key)?;
        let is_better = |theirs| (theirs, Reverse(message.tab)) > (ours, Reverse(self.tab));
        match message.kind {
            TabMessageKind::Claim { priority, .. } if is_better(priority) => Some(YieldReason::Taken),
            TabMessageKind::Claim { .. } => {
                self.broadcast(TabMessageKind::Deny { key: key.clone(), priority: ours });
                None
            }
            // If two tabs hold the session, the broker has closed one of the connections, and that tab will notice
            // soon.
            TabMessageKind::Deny { priority, .. } => {
                (ours < ClaimPriority::Connected && is_better(priority)).then_some(YieldReason::Taken)
            }
            _ => Some(YieldReason::TakenOver),
        }
    }

    /// Returns the next message for the other tabs.
    pub fn poll_tab_message(&mut self) -> Option<TabMessage> {
        self.outgoing.pop_front()
    }

    fn broadcast(&mut self, kind: TabMessageKind) {
        if self.greeted.is_some() {
            self.outgoing.push_back(TabMessage { tab: self.tab, kind });
        }
    }
}
