//! How often the console's rows change.

use crate::time::Instant;

/// How much the rows change while the tail is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChurn {
    /// Some of what was on screen still is.
    Readable,
    /// Every row was replaced: nobody can read that.
    Flood,
}

/// How late in a frame the page asks for what the next frame shows: in time for the answer, and not
/// earlier, since the answer ages until it is drawn.
const ASK_LATE_MS: u32 = 10;

/// A frame that takes longer than this is too expensive to be drawn every time.
const FRAME_MAX_MS: u64 = 15;

/// How long the page waits with the next pull in a flood: numbers and rows then change twelve times
/// a second, which is more than anybody can read.
const FLOOD_MS: u32 = 80;

/// A higher rate of messages a second is a flood on any machine.
const FLOOD_PER_S: u64 = 3_000;

/// Decides when the page asks for rows again: as late as possible, so that they are fresh, and so
/// that drawing them costs neither the crawl its frames nor the worker its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefreshThrottle {
    /// When the last frame that drew rows began.
    drawn_at: Instant,
    /// The number of messages that had come by then.
    received: u64,
    /// Whether that frame replaced every row and is being timed, to find out whether this machine
    /// can do that each time.
    is_on_trial: bool,
}

impl RefreshThrottle {
    /// Records that a frame has drawn rows; `received` is the number of messages when it began.
    /// Returns how long to wait before asking for the next rows, in milliseconds; then call
    /// [`RefreshThrottle::extra_wait_ms`].
    pub fn record_draw(&mut self, churn: RowChurn, received: u64, began: Instant) -> u32 {
        let came = received.saturating_sub(self.received);
        let took_ms = began.since(self.drawn_at).as_millis() as u64;
        // Both far below the limit.
        let is_flood = churn == RowChurn::Flood && came * 1_000 > took_ms * FLOOD_PER_S;
        *self = Self { drawn_at: began, received, is_on_trial: churn == RowChurn::Flood && !is_flood };
        if is_flood { FLOOD_MS } else { ASK_LATE_MS }
    }

    /// Called after the wait. Returns how much longer to wait, in milliseconds, if the frame took
    /// too long: no timer fires before the frame is painted.
    pub fn extra_wait_ms(&mut self, now: Instant) -> Option<u32> {
        let is_slow =
            std::mem::take(&mut self.is_on_trial) && now.since(self.drawn_at).as_millis() as u64 > FRAME_MAX_MS;
        is_slow.then_some(FLOOD_MS)
    }
}
