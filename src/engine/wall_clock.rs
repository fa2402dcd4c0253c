//! The wall clock: how far it is ahead of the steady clock.
//!
//! Deadlines and waits follow the steady clock, which is the `now` argument everywhere. The times of messages, packets
//! and tokens follow the wall clock.

use crate::time::Instant;

/// If the wall clock jumps ahead by less than this, the computer wasn't asleep; in microseconds.
const JUMP_US: i64 = 2_000_000;

/// The difference between the two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WallClock {
    ahead_us: i64,
}

impl WallClock {
    /// Sets the difference, in microseconds. Returns whether the clock jumped ahead, as after the computer slept.
    pub(super) fn set_ahead(&mut self, ahead_us: i64) -> bool {
        let jumped_us = ahead_us.saturating_sub(self.ahead_us);
        self.ahead_us = ahead_us;
        jumped_us >= JUMP_US
    }

    /// The wall clock's time at this time of the steady clock.
    #[inline(always)]
    pub(super) fn wall(self, now: Instant) -> Instant {
        now.ahead_by(self.ahead_us)
    }

    /// The steady clock's time at this time of the wall clock.
    pub(super) fn steady(self, wall: Instant) -> Instant {
        wall.ahead_by(-self.ahead_us)
    }
}
