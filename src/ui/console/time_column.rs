//! What the console's time column shows.

use crate::config::settings::TimeMode;
use crate::format::{span, time_of_day};
use crate::time::Instant;

/// How the time column shows times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeFormatter {
    /// What it shows.
    pub mode: TimeMode,
    /// Relative times count from here.
    pub zero: Instant,
    /// How far the person's time zone is ahead of UTC, in minutes.
    pub ahead_of_utc_min: i32,
    /// The time of the row above, if there is one.
    pub above: Option<Instant>,
}

impl TimeFormatter {
    /// Returns the milliseconds since this mode's reference time.
    pub fn elapsed_ms(&self, time: Instant) -> i64 {
        let from = match self.mode {
            TimeMode::Absolute => Instant::EPOCH,
            TimeMode::Relative => self.zero,
            TimeMode::SincePrevious => self.above.unwrap_or(time),
        };
        // Both far below the limit.
        (time.as_micros() / 1_000) as i64 - (from.as_micros() / 1_000) as i64
    }

    /// Formats the time.
    pub fn format(&self, time: Instant) -> String {
        match self.mode {
            TimeMode::Absolute => time_of_day(time, self.ahead_of_utc_min),
            _ => span(self.elapsed_ms(time)),
        }
    }
}
