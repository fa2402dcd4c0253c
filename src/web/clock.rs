//! The only place that reads a clock.

use web_sys::Performance;

use crate::time::Instant;

/// Returns the wall clock's time, to the millisecond. It may jump; [`Clock`] doesn't.
pub fn wall_time() -> Instant {
    // Whole milliseconds of this century.
    Instant::from_millis(js_sys::Date::now() as u64)
}

/// A clock that was set once from the wall clock and runs steadily from then on.
#[derive(Clone, Debug)]
pub struct Clock {
    performance: Performance,
    origin_ms: f64,
}

impl Clock {
    /// Creates the clock of a page or a worker.
    pub fn new(performance: Performance) -> Self {
        let origin_ms = performance.time_origin();
        Self { performance, origin_ms }
    }

    /// Returns how far the wall clock is ahead of [`Clock::now`], in microseconds: more than 0
    /// after sleep, during which this clock may stop.
    pub fn wall_ahead_us(&self) -> i64 {
        ((js_sys::Date::now() - self.origin_ms - self.performance.now()) * 1_000.0) as i64
    }

    /// Returns the present time.
    pub fn now(&self) -> Instant {
        // Microseconds of any date before the year 200,000 are exact in an f64
        // to within one; the cast saturates.
        Instant::from_micros(((self.origin_ms + self.performance.now()) * 1_000.0) as u64)
    }
}
