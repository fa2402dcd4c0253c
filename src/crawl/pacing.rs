//! How fast the plane moves, and how close messages stand.
//!
//! Two forces: people must be able to read (broadcasters go no faster than 200
//! words a minute), and the newest message should not be far behind. So the
//! speed grows with what waits, softly, up to what can still be read; what
//! speed can't absorb is condensed by the engine before it gets here.

use std::time::Duration;

use super::ROW_EM;
use crate::time::Instant;

/// Time that one row takes to rise by its own height at rate 1, in seconds.
pub const ROW_SECONDS: f64 = 2.5;

/// Speed of the plane at rate 1, in em a second.
pub const SPEED_EM_PER_S: f64 = ROW_EM / ROW_SECONDS;

/// The fastest rate that may last: about 192 words a minute.
pub const SUSTAINED_RATE: f64 = 1.6;

/// The fastest rate for a while, to catch up after a burst.
pub const CATCH_UP_RATE: f64 = 2.0;

/// So many waiting rows add 1 to the rate.
const ROWS_PER_RATE: f64 = 12.0;

/// Catching up begins above so many waiting rows …
const CATCH_UP_FROM_ROWS: f64 = 24.0;

/// … is over below so many …
const CAUGHT_UP_ROWS: f64 = 10.0;

/// … and lasts no longer than this: beyond it the stream is simply faster than
/// people read, and hurrying helps nobody.
const CATCH_UP_AT_MOST: Duration = Duration::from_secs(30);

/// Time constant with which the rate follows its target, in seconds.
const EASING_S: f64 = 2.0;

/// A change smaller than this part of the applied rate isn't applied: each
/// one restarts the animation on the compositor.
const SMALLEST_CHANGE: f64 = 0.01;

/// Space between two messages, in rows, while nothing presses.
pub const WIDE_GAP_ROWS: f64 = 0.6;

/// Space between two messages, in rows, when many wait.
pub const TIGHT_GAP_ROWS: f64 = 0.25;

/// The space begins to shrink at so many waiting rows …
const GAP_WIDE_UNTIL_ROWS: f64 = 4.0;

/// … and is smallest from so many on.
const GAP_TIGHT_FROM_ROWS: f64 = 24.0;

/// The space to leave after a message while so many rows wait, in em.
pub fn gap_em(waiting_rows: f64) -> f64 {
    let pressure = ((waiting_rows - GAP_WIDE_UNTIL_ROWS) / (GAP_TIGHT_FROM_ROWS - GAP_WIDE_UNTIL_ROWS)).clamp(0.0, 1.0);
    ROW_EM * (WIDE_GAP_ROWS + (TIGHT_GAP_ROWS - WIDE_GAP_ROWS) * pressure)
}

/// The speeds that a person may choose, in percent of the film's.
pub const SPEEDS_PERCENT: [u32; 7] = [25, 50, 75, 100, 130, 170, 220];

/// Where among them the crawl begins.
const USUAL_SPEED: usize = 3;

/// The rate of the plane's animation, eased.
#[derive(Clone, Debug)]
pub struct Pacing {
    /// Which of [`SPEEDS_PERCENT`].
    speed: usize,
    eased: f64,
    applied_rate: f64,
    updated: Option<Instant>,
    haste: Haste,
}

/// Whether the higher limit holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Haste {
    /// Little waits.
    None,
    /// Catching up since then.
    Since(Instant),
    /// Caught up for as long as is bearable, and still much waits.
    Spent,
}

impl Default for Pacing {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacing {
    /// At rest: rate 1, nothing waiting.
    pub fn new() -> Self {
        Self { speed: USUAL_SPEED, eased: 1.0, applied_rate: 1.0, updated: None, haste: Haste::None }
    }

    /// The rate that the animation should have now.
    pub fn rate(&self) -> f64 {
        self.applied_rate
    }

    /// The speed that the person likes, in percent.
    pub fn speed_percent(&self) -> u32 {
        SPEEDS_PERCENT[self.speed]
    }

    /// The person wants this speed, or the next slower one there is.
    pub fn choose(&mut self, percent: u32) {
        self.speed = SPEEDS_PERCENT.iter().rposition(|speed| *speed <= percent).unwrap_or(0);
    }

    /// The person wants it faster.
    pub fn hurry(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS_PERCENT.len() - 1);
    }

    /// The person wants it slower.
    pub fn slow_down(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    /// Takes note of what waits. Returns the new rate if it is worth applying.
    #[must_use]
    pub fn update(&mut self, now: Instant, waiting_rows: f64) -> Option<f64> {
        let elapsed = self.updated.map_or(Duration::ZERO, |before| now.since(before));
        self.updated = Some(now);
        let target = (1.0 + waiting_rows / ROWS_PER_RATE).clamp(1.0, self.limit(now, waiting_rows));
        self.eased += (target - self.eased) * (1.0 - (-elapsed.as_secs_f64() / EASING_S).exp());
        // What follows from the stream is eased; what the person wants is done.
        let rate = self.eased * f64::from(self.speed_percent()) / 100.0;
        if (rate - self.applied_rate).abs() <= self.applied_rate * SMALLEST_CHANGE {
            return None;
        }
        self.applied_rate = rate;
        Some(self.applied_rate)
    }

    fn limit(&mut self, now: Instant, waiting_rows: f64) -> f64 {
        self.haste = match self.haste {
            _ if waiting_rows < CAUGHT_UP_ROWS => Haste::None,
            Haste::None if waiting_rows > CATCH_UP_FROM_ROWS => Haste::Since(now),
            Haste::Since(start) if now.since(start) > CATCH_UP_AT_MOST => Haste::Spent,
            as_before => as_before,
        };
        match self.haste {
            Haste::Since(_) => CATCH_UP_RATE,
            Haste::None | Haste::Spent => SUSTAINED_RATE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives `seconds` with so many rows waiting; gives the last rate and how
    /// often it changed.
    fn live(pacing: &mut Pacing, from_s: u64, seconds: u64, waiting_rows: f64) -> (f64, usize) {
        let changes = (0..seconds * 5)
            .filter(|tick| {
                let now = Instant::from_millis(from_s * 1_000 + tick * 200);
                pacing.update(now, waiting_rows).is_some()
            })
            .count();
        (pacing.rate(), changes)
    }

    fn check(waiting_rows: f64, after_s: u64, expected: f64) {
        let mut pacing = Pacing::new();
        let (rate, changes) = live(&mut pacing, 0, after_s, waiting_rows);
        assert!((rate - expected).abs() < 0.02, "{waiting_rows} rows for {after_s} s: {rate}, expected {expected}");
        assert!(changes < 120, "{changes} changes");
    }

    #[test]
    fn the_rate_follows_what_waits() {
        check(0.0, 20, 1.0);
        check(6.0, 20, 1.5);
        check(12.0, 20, SUSTAINED_RATE);
        check(30.0, 20, CATCH_UP_RATE);
        check(10_000.0, 20, CATCH_UP_RATE);
    }

    #[test]
    fn haste_does_not_last() {
        check(10_000.0, 60, SUSTAINED_RATE);
        let mut pacing = Pacing::new();
        live(&mut pacing, 0, 60, 50.0);
        live(&mut pacing, 60, 20, 0.0);
        let (rate, _) = live(&mut pacing, 80, 20, 50.0);
        assert!(rate > 1.9, "caught up in between, so it may hurry again: {rate}");
    }

    #[test]
    fn easing_takes_its_time() {
        let mut pacing = Pacing::new();
        let (rate, _) = live(&mut pacing, 0, 2, 50.0);
        assert!((1.5..1.75).contains(&rate), "after one time constant: {rate}");
    }

    #[test]
    fn a_steady_stream_applies_nothing() {
        let mut pacing = Pacing::new();
        live(&mut pacing, 0, 30, 3.0);
        assert_eq!(live(&mut pacing, 30, 600, 3.0).1, 0);
    }

    #[test]
    fn gaps_tighten_within_their_bounds() {
        let mut before = f64::MAX;
        for rows in 0..100 {
            let gap = gap_em(f64::from(rows));
            assert!(gap <= before);
            assert!((0.32..0.79).contains(&gap), "{gap}");
            before = gap;
        }
        assert!((gap_em(100.0) - ROW_EM * TIGHT_GAP_ROWS).abs() < 1e-9);
    }
}
