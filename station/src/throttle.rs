//! Throttles wrong passwords: an address that sends many waits longer and longer, and doesn't fill the log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::limits::PASSWORD_CHECKS_MAX;
use crate::listener::address_prefix;

/// The number of wrong passwords before an address has to wait, because people mistype.
const FREE_FAILURES: u32 = 5;
/// The first wait; each further failure doubles it.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Longest time between two attempts of one address.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// Half of the failures are forgiven after this time without one.
const HALF_LIFE: Duration = Duration::from_secs(30);
/// Above this number of addresses, the forgiven ones are removed.
const ADDRESSES_MAX: usize = 10_000;

/// See the module docs.
#[derive(Debug, Default)]
pub(crate) struct LoginThrottle(Mutex<HashMap<IpAddr, Logins>>);

/// The state of an address.
#[derive(Clone, Debug)]
struct Logins {
    /// Passwords that may be checked at once, so that one address can't take more of the queue.
    checks: Arc<Semaphore>,
    /// Wrong passwords.
    failures: u32,
    /// Clients refused for any reason.
    refusals: u32,
    last: Instant,
    /// The time when the next attempt may be made.
    next: Instant,
}

impl Logins {
    /// Forgives old failures.
    fn decay(&mut self, now: Instant) {
        let half_lives = now.saturating_duration_since(self.last).as_secs() / HALF_LIFE.as_secs();
        if half_lives > 0 {
            // More halve nothing further.
            let half_lives = half_lives.min(31);
            self.failures >>= half_lives;
            self.refusals >>= half_lives;
            self.last = now;
        }
    }
}

impl LoginThrottle {
    /// Waits until a password of this address may be checked, until the permit is dropped.
    pub(crate) async fn acquire(&self, address: IpAddr) -> Option<OwnedSemaphorePermit> {
        let checks = self.with(address, Instant::now(), |logins| Arc::clone(&logins.checks));
        // It is never closed.
        let permit = checks.acquire_owned().await.ok()?;
        sleep_until(self.next_attempt(address, Instant::now())).await;
        Some(permit)
    }

    fn next_attempt(&self, address: IpAddr, now: Instant) -> Instant {
        self.with(address, now, |logins| {
            let Some(doublings) = logins.failures.checked_sub(FREE_FAILURES) else { return now };
            let attempt = logins.next.max(now);
            logins.next = attempt + (FIRST_DELAY * 2_u32.saturating_pow(doublings.min(16))).min(DELAY_MAX);
            attempt
        })
    }

    /// Counts a wrong password.
    pub(crate) fn note_failure(&self, address: IpAddr, now: Instant) {
        self.with(address, now, |logins| {
            logins.failures = logins.failures.saturating_add(1);
            logins.last = now;
        });
    }

    /// Counts a refused client; returns the count of its address.
    pub(crate) fn note_refusal(&self, address: IpAddr, now: Instant) -> u32 {
        self.with(address, now, |logins| {
            logins.refusals = logins.refusals.saturating_add(1);
            logins.last = now;
            logins.refusals
        })
    }

    fn with<T>(&self, address: IpAddr, now: Instant, change: impl FnOnce(&mut Logins) -> T) -> T {
        let mut table = self.0.lock();
        if table.len() >= ADDRESSES_MAX {
            table.retain(|_, logins| {
                logins.decay(now);
                logins.refusals > 0 || Arc::strong_count(&logins.checks) > 1
            });
        }
        let logins = table.entry(address_prefix(address)).or_insert_with(|| {
            let checks = Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX));
            Logins { checks, failures: 0, refusals: 0, last: now, next: now }
        });
        logins.decay(now);
        change(logins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_of_one_address_are_spread_in_time_after_many_failures() {
        let throttle = LoginThrottle::default();
        let (address, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let now = Instant::now();
        for _ in 1..FREE_FAILURES {
            throttle.note_failure(address, now);
            assert_eq!(throttle.next_attempt(address, now), now);
        }
        for count in 1..100 {
            assert_eq!(throttle.note_refusal(address, now), count);
        }
        assert_eq!(throttle.next_attempt(address, now), now, "nothing was guessed");
        for _ in 0..3 {
            throttle.note_failure(address, now);
        }
        assert_eq!(throttle.next_attempt(address, now), now);
        assert_eq!(throttle.next_attempt(address, now), now + FIRST_DELAY * 4);
        assert_eq!(throttle.next_attempt(address, now), now + FIRST_DELAY * 8, "after the one before it");
        assert_eq!(throttle.next_attempt(other, now), now);
        for _ in 0..1_000 {
            throttle.note_failure(address, now);
        }
        let first = throttle.next_attempt(address, now);
        assert_eq!(throttle.next_attempt(address, now), first + DELAY_MAX);
        let later = now + HALF_LIFE * 20;
        assert_eq!(throttle.next_attempt(address, later), later, "it is forgiven");
    }
}
