//! Compares each failure with those before it, so that none repeats without an
//! end and a reason.
//!
//! A failure is known by its [`Cause`]: what was sent right before the
//! connection ended and has no answer, the rule that the server broke, or else
//! how far the connection had come and how it ended. The first and the second
//! time it is tried again as usual. The third time alike ([`RECURRENT`]) says
//! what it is, and what caused it is given up, or the next attempts come
//! slowly, or there are none.
//!
//! A success of what had failed is reported to [`FailureHistory::forget`].

use std::time::Duration;

use super::error::Stage;

/// From this time on a failure is a recurrent one: it is reported as such, and what
/// caused it isn't simply tried again.
pub const RECURRENT: u32 = 3;

/// From this time on requests go out one at a time, so that the next failure
/// shows which of them it is about.
pub const ONE_AT_A_TIME: u32 = 2;

/// A message that the server must be offered again `[MQTT-4.4.0-1]` is offered
/// so often; then only a person can go on.
pub const OFFERS_MAX: u32 = 6;

/// A connection that ends later than this after a request isn't ended by it.
/// Also: a request without an answer for so long is reported.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lived so long had no fault of its own: failures that have
/// no other mark than their time are counted from zero again.
pub const STEADY: Duration = Duration::from_secs(600);

/// More causes than this at a time aren't kept apart; the oldest goes.
const CAUSES_MAX: usize = 64;

/// What a failure is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A message of ours with QoS 1 or 2, by its number.
    Message(u64),
    /// A QoS 0 message to this topic.
    Topic(String),
    /// SUBSCRIBE with this filter.
    Subscribe(String),
    /// UNSUBSCRIBE with this filter.
    Unsubscribe(String),
    /// The server broke this rule.
    Violation(&'static str),
    /// None of these: how far the connection had come, and a code for how it ended.
    Ended(Stage, u16),
}

impl Cause {
    /// Whether it is about a request that waits to be sent again.
    const fn is_request(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Subscribe(_) | Self::Unsubscribe(_))
    }
}

/// How often each cause ended a connection. See the module's page.
#[derive(Clone, Debug, Default)]
pub struct FailureHistory {
    counts: Vec<(Cause, u32)>,
}

impl FailureHistory {
    /// A connection ended by this; returns how often that is so far.
    pub fn note(&mut self, cause: Cause) -> u32 {
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == cause) {
            *count = count.saturating_add(1);
            return *count;
        }
        if self.counts.len() == CAUSES_MAX {
            self.counts.remove(0);
        }
        self.counts.push((cause, 1));
        1
    }

    /// It succeeded, or is wanted no longer.
    pub fn forget(&mut self, cause: &Cause) {
        self.counts.retain(|(known, _)| known != cause);
    }

    /// The server accepted a connection: what failed before that has succeeded.
    pub fn handle_accepted(&mut self) {
        self.counts.retain(|(cause, _)| !matches!(cause, Cause::Ended(Stage::Dialing | Stage::Greeting, _)));
    }

    /// A connection lived for [`STEADY`].
    pub fn handle_steady(&mut self) {
        self.counts.retain(|(cause, _)| cause.is_request());
    }

    /// No filter is to be given up any more.
    pub fn forget_unsubscribes(&mut self) {
        self.counts.retain(|(cause, _)| !matches!(cause, Cause::Unsubscribe(_)));
    }

    /// Whether requests have to go out one at a time.
    pub fn is_one_at_a_time(&self) -> bool {
        self.counts.iter().any(|(cause, count)| cause.is_request() && *count >= ONE_AT_A_TIME)
    }

    /// How often this ended a connection.
    pub fn count(&self, cause: &Cause) -> u32 {
        self.counts.iter().find(|(known, _)| known == cause).map_or(0, |(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_counted_apart_and_forgotten_by_success() {
        let mut history = FailureHistory::default();
        assert_eq!(history.note(Cause::Message(1)), 1);
        assert_eq!(history.note(Cause::Subscribe("#".to_owned())), 1);
        assert!(!history.is_one_at_a_time());
        assert_eq!(history.note(Cause::Message(1)), 2);
        assert!(history.is_one_at_a_time());
        history.forget(&Cause::Message(1));
        assert!(!history.is_one_at_a_time());
        assert_eq!(history.count(&Cause::Subscribe("#".to_owned())), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut history = FailureHistory::default();
        (0..1_000).for_each(|number| assert_eq!(history.note(Cause::Message(number)), 1));
        assert_eq!(history.counts.len(), CAUSES_MAX);
        assert_eq!(history.note(Cause::Message(999)), 2);
    }

    #[test]
    fn an_accepted_connection_proves_dialling_and_nothing_else() {
        let mut history = FailureHistory::default();
        let (dialing, online) = (Cause::Ended(Stage::Dialing, 0), Cause::Ended(Stage::Online, 0));
        history.note(dialing.clone());
        history.note(online.clone());
        history.handle_accepted();
        assert_eq!((history.count(&dialing), history.count(&online)), (0, 1));
        history.note(Cause::Unsubscribe("a".to_owned()));
        history.handle_steady();
        assert_eq!((history.count(&online), history.count(&Cause::Unsubscribe("a".to_owned()))), (0, 1));
    }
}
