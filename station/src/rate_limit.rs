//! The rate limit for one client's messages: a token bucket. Messages ahead of their rate wait, so that the client's
//! own socket slows it down and nothing is lost.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// The time that messages may be ahead of their rate.
const BURST: Duration = Duration::from_secs(1);

/// The state of one client's limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    per_message: Option<Duration>,
    /// The time at which all messages so far would have arrived at the exact rate.
    even: Instant,
}

impl TokenBucket {
    /// Limits to this number of messages per second; `None` means no limit.
    pub(crate) fn new(per_second: Option<NonZeroU32>, now: Instant) -> Self {
        Self { per_message: per_second.map(|rate| Duration::from_secs(1) / rate.get()), even: now }
    }

    /// Counts arrived messages; returns when the next one may follow, if that isn't at once.
    pub(crate) fn take(&mut self, messages: u32, now: Instant) -> Option<Instant> {
        let per_message = self.per_message?;
        self.even = self.even.max(now) + per_message * messages;
        let due = self.even.checked_sub(BURST)?;
        (due > now).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_ahead_of_their_rate_wait() {
        let start = Instant::now();
        let mut pace = TokenBucket::new(NonZeroU32::new(10), start);
        assert_eq!(pace.take(10, start), None, "a second's worth may come at once");
        assert_eq!(pace.take(5, start), Some(start + Duration::from_millis(500)));
        let later = start + Duration::from_millis(500);
        assert_eq!(pace.take(0, later), None);
        assert_eq!(pace.take(1, later), Some(later + Duration::from_millis(100)));
        let idle = start + Duration::from_secs(60);
        assert_eq!(pace.take(11, idle), Some(idle + Duration::from_millis(100)), "idleness is not saved up");
        assert_eq!(TokenBucket::new(None, start).take(u32::MAX, start), None);
    }
}
