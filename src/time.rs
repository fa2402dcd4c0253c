//! Time as an argument.
//!
//! The core never reads a clock: the owner of the IO (the driver) passes the time in. This lets the
//! tests run hours in a millisecond.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch.
///
/// A driver sets it once by the wall clock and from then on follows a monotonic clock
/// (`performance.timeOrigin + performance.now()` in a browser), so that a corrected wall clock
/// never moves it backward. Such a clock may stop while the computer sleeps; the wall clock's lead
/// over it is passed separately ([`Instant::ahead_by`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// The Unix epoch; the natural start of virtual time.
    pub const EPOCH: Self = Self(0);

    /// The last moment that RFC 3339 can represent: the last millisecond of the year 9999.
    pub const RFC3339_MAX: Self = Self::from_millis(253_402_300_799_999);

    /// Returns the moment that many microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the moment that many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Returns the microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the same moment by a clock that is this many microseconds ahead.
    #[inline]
    #[must_use]
    pub const fn ahead_by(self, micros: i64) -> Self {
        Self(self.0.saturating_add_signed(micros))
    }

    /// Returns the time since `earlier`; zero if it is in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let now = Instant::from_millis(5);
        assert_eq!((now + Duration::from_micros(7)).as_micros(), 5_007);
        assert_eq!(now - Duration::from_secs(1), Instant::EPOCH);
        assert_eq!(now.since(now + Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(now + Duration::MAX, Instant::from_micros(u64::MAX));
    }
}
