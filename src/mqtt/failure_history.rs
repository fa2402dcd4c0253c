//! Compares each failure with earlier ones, so that none repeats endlessly and without an explanation.
//!
//! A failure is identified by its [`Cause`]: the unanswered request sent right before the connection ended, the rule
//! that the server broke, or otherwise the stage of the connection and how it ended. The first and the second time
//! there is a retry as usual. The third time ([`RECURRENT`]) the failure is explained, and either its cause is dropped,
//! or the next attempts are slow, or there are none.
//!
//! If something that had failed succeeds, this is reported to [`FailureHistory::forget`].

use std::time::Duration;

use super::error::Stage;

/// From this count on a failure is recurrent: it is reported as such, and its cause isn't simply retried.
pub const RECURRENT: u32 = 3;

/// From this count on requests are sent one at a time, so that the next failure shows which of them is the cause.
pub const ONE_AT_A_TIME: u32 = 2;

/// How often a message that must be sent again `[MQTT-4.4.0-1]` is sent without success; after that, the user has to
/// decide.
pub const SEND_ATTEMPTS_MAX: u32 = 6;

/// If a connection ends later than this after a request, the request isn't the cause. Also: a request that is
/// unanswered for this long is reported.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that lasted this long had no fault of its own: failures that aren't about a pending request are
/// counted from zero again.
pub const STEADY_AFTER: Duration = Duration::from_secs(600);

/// Maximum number of causes that are kept; the oldest is removed.
const CAUSES_MAX: usize = 64;

/// The identity of a failure.
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
    /// None of these: the stage of the connection, and a code for how it ended.
    Ended(Stage, u16),
}

impl Cause {
    /// Whether it is about a request that waits to be sent again.
    const fn is_request(&self) -> bool {
        matches!(self, Self::Message(_) | Self::Subscribe(_) | Self::Unsubscribe(_))
    }
}

/// How often each cause ended a connection; see the module.
#[derive(Clone, Debug, Default)]
pub struct FailureHistory {
    counts: Vec<(Cause, u32)>,
}

impl FailureHistory {
    /// Counts a failure with this cause; returns its number so far.
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

    /// Removes a cause that succeeded or is no longer requested.
    pub fn forget(&mut self, cause: &Cause) {
        self.counts.retain(|(known, _)| known != cause);
    }

    /// The server accepted a connection: removes the causes from before that stage.
    pub fn handle_accepted(&mut self) {
        self.counts.retain(|(cause, _)| !matches!(cause, Cause::Ended(Stage::Dialing | Stage::AwaitingConnAck, _)));
    }

    /// A connection lasted for [`STEADY_AFTER`].
    pub fn handle_steady_connection(&mut self) {
        self.counts.retain(|(cause, _)| cause.is_request());
    }

    /// Removes the causes about UNSUBSCRIBE, because nothing is left to unsubscribe.
    pub fn forget_unsubscribes(&mut self) {
        self.counts.retain(|(cause, _)| !matches!(cause, Cause::Unsubscribe(_)));
    }

    /// Whether requests have to be sent one at a time.
    pub fn is_one_at_a_time(&self) -> bool {
        self.counts.iter().any(|(cause, count)| cause.is_request() && *count >= ONE_AT_A_TIME)
    }

    /// How often this cause ended a connection.
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
    fn the_number_of_causes_is_limited() {
        let mut history = FailureHistory::default();
        (0..1_000).for_each(|number| assert_eq!(history.note(Cause::Message(number)), 1));
        assert_eq!(history.counts.len(), CAUSES_MAX);
        assert_eq!(history.note(Cause::Message(999)), 2);
    }

    #[test]
    fn an_accepted_connection_clears_only_failures_to_connect() {
        let mut history = FailureHistory::default();
        let (dialing, online) = (Cause::Ended(Stage::Dialing, 0), Cause::Ended(Stage::Connected, 0));
        history.note(dialing.clone());
        history.note(online.clone());
        history.handle_accepted();
        assert_eq!((history.count(&dialing), history.count(&online)), (0, 1));
        history.note(Cause::Unsubscribe("a".to_owned()));
        history.handle_steady_connection();
        assert_eq!((history.count(&online), history.count(&Cause::Unsubscribe("a".to_owned()))), (0, 1));
    }
}
