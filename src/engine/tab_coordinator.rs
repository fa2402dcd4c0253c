//! Other tabs of this browser that may use the same client identifier.
//!
//! A broker throws the older of two connections with one identifier out, so two
//! tabs that both come back take turns for ever. Hence a tab asks the others
//! before it connects, and again when it lost its connection; whoever has the
//! better claim says so, and the other doesn't dial.
//!
//! Pure: words of other tabs go in with the time, words for them come out.
//!
//! # Who gives way
//!
//! The order of [`ClaimPriority`] decides, and between equals the tab's number. So of
//! two tabs that ask at the same instant exactly one goes on. A frozen tab can't
//! answer; the newcomer connects, and the frozen one asks when it has thawed and
//! finds its connection gone, and gives way then.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// How long a tab waits for an answer: a worker in a flood of messages is busy
/// for some tens of milliseconds, and nobody notices a seventh of a second.
const ANSWER_WAIT: Duration = Duration::from_millis(150);

/// What one tab tells all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabMessage {
    /// Whose word it is: a random number.
    pub tab: u64,
    /// What it says.
    pub said: TabMessageKind,
}

/// See [`TabMessage`]. A key names a session: client identifier and broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TabMessageKind {
    /// I am new; is anybody there?
    Hello,
    /// I am.
    Here,
    /// Does anybody have a better claim to this session than I do?
    Claim {
        /// Which session.
        key: String,
        /// My claim.
        standing: ClaimPriority,
    },
    /// I have.
    Deny {
        /// Which session.
        key: String,
        /// My claim.
        standing: ClaimPriority,
    },
    /// The person wants this session in my tab: let go of it.
    TakeOver {
        /// Which session.
        key: String,
    },
}

/// How good a claim is, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClaimPriority {
    /// Wants to connect.
    New,
    /// Was connected and wants to come back.
    Reconnecting,
    /// Connected, or connecting after nobody objected.
    Connected,
}

/// Why this tab has to give its claim up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YieldReason {
    /// Another tab's claim is better.
    Taken,
    /// The person took the session over in another tab.
    TakenOver,
}

#[derive(Clone, Debug)]
struct Claim {
    key: String,
    standing: ClaimPriority,
}

/// This tab among the others.
#[derive(Debug)]
pub struct Tabs {
    tab: u64,
    /// When the others were greeted; `None`: there is no way to reach them.
    greeted: Option<Instant>,
    /// Another tab has said something: this one isn't alone, or wasn't.
    is_heard: bool,
    claim: Option<Claim>,
    words: VecDeque<TabMessage>,
}

impl Tabs {
    /// A tab that can't reach others yet.
    pub fn new(tab: u64) -> Self {
        Self { tab, greeted: None, is_heard: false, claim: None, words: VecDeque::new() }
    }

    /// Others can be reached from now on.
    pub fn greet(&mut self, now: Instant) {
        self.greeted = Some(now);
        self.broadcast(TabMessageKind::Hello);
    }

    /// Asks for a session; returns until when an objection may come. A tab that
    /// knows itself alone waits for none.
    pub fn ask(&mut self, key: &str, now: Instant) -> Instant {
        if self.claim.as_ref().is_some_and(|claim| claim.key == key && claim.standing == ClaimPriority::Connected) {
            return now;
        }
        self.claim = Some(Claim { key: key.to_owned(), standing: ClaimPriority::New });
        let Some(greeted) = self.greeted else { return now };
        self.broadcast(TabMessageKind::Claim { key: key.to_owned(), standing: ClaimPriority::New });
        if self.is_heard { now + ANSWER_WAIT } else { greeted + ANSWER_WAIT }
    }

    /// Claims a session whatever the others say; returns until when they have
    /// had time to let go.
    pub fn take_over(&mut self, key: &str, now: Instant) -> Instant {
        self.claim = Some(Claim { key: key.to_owned(), standing: ClaimPriority::Connected });
        self.broadcast(TabMessageKind::TakeOver { key: key.to_owned() });
        now + ANSWER_WAIT
    }

    /// Nobody objected, or the connection is back.
    pub fn hold(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.standing = ClaimPriority::Connected;
        }
    }

    /// The connection is lost and shall come back. The answer usually comes
    /// within the back-off's first wait; one that comes later finds this tab a
    /// holder again, and then the next loss asks anew.
    pub fn lose(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.standing = ClaimPriority::Reconnecting;
            let said = TabMessageKind::Claim { key: claim.key.clone(), standing: ClaimPriority::Reconnecting };
            self.broadcast(said);
        }
    }

    /// Nothing is wanted any more.
    pub fn release(&mut self) {
        self.claim = None;
    }

    /// Another tab said something.
    pub fn handle_tab_message(&mut self, word: &TabMessage) -> Option<YieldReason> {
        self.is_heard = true;
        if word.said == TabMessageKind::Hello {
            self.broadcast(TabMessageKind::Here);
        }
        let (TabMessageKind::Claim { key, .. } | TabMessageKind::Deny { key, .. } | TabMessageKind::TakeOver { key }) =
            &word.said
        else {
            return None;
        };
        let Claim { standing: ours, .. } = *self.claim.as_ref().filter(|claim| claim.key == *key)?;
        let is_better = |theirs| (theirs, Reverse(word.tab)) > (ours, Reverse(self.tab));
        match word.said {
            TabMessageKind::Claim { standing, .. } if is_better(standing) => Some(YieldReason::Taken),
            TabMessageKind::Claim { .. } => {
                self.broadcast(TabMessageKind::Deny { key: key.clone(), standing: ours });
                None
            }
            // Of two holders the broker has thrown one out, which is about to
            // hear of it.
            TabMessageKind::Deny { standing, .. } => {
                (ours < ClaimPriority::Connected && is_better(standing)).then_some(YieldReason::Taken)
            }
            _ => Some(YieldReason::TakenOver),
        }
    }

    /// The next word for the other tabs.
    pub fn poll_tab_message(&mut self) -> Option<TabMessage> {
        self.words.pop_front()
    }

    fn broadcast(&mut self, said: TabMessageKind) {
        if self.greeted.is_some() {
            self.words.push_back(TabMessage { tab: self.tab, said });
        }
    }
}
