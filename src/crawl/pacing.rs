//! How fast the plane moves, how large lines are set and how close they are.
//!
//! Two aims: people must be able to read, and no line of the story should be left out. Therefore,
//! as lines come faster, they are set smaller (longer rows, fewer of them), the gaps shrink, and
//! the plane moves faster: a line a second, the pace of the tutorial, is shown completely. Each
//! block keeps the size it was set in. What even the smallest size can't carry is condensed by
//! [`feed`](super::feed) before it gets here.
//!
//! Size follows the stream: down by `SIZE_SHRINK_MAX` a line at most, up by one `SIZE_STEP` at a
//! time once there is room to spare, so it never flickers. Speed follows the number of waiting
//! lines, within the limits of the size.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crawl::metrics::ROW_EM;
use crate::crawl::typeset::{LineLayout, SPEAKER_SIZE};
use crate::named_enum::named_enum;
use crate::time::Instant;

/// The time in which a row rises by its own height at rate 1, in seconds.
pub const ROW_SECONDS: f64 = 2.5;

/// Speed of the plane at rate 1, in em a second.
pub const SPEED_EM_PER_S: f64 = ROW_EM / ROW_SECONDS;

/// The smallest size of a line, as a fraction of the film's.
pub const SIZE_MIN: f64 = 0.58;

/// Sizes are multiples of this.
const SIZE_STEP: f64 = 0.06;

/// From one line to the next, the size shrinks by at most this.
const SIZE_SHRINK_MAX: f64 = 0.12;

/// After a change the size grows no sooner than this …
const SIZE_GROW_INTERVAL: Duration = Duration::from_secs(4);

/// … and only where the larger size would be this far from its limit.
const SIZE_GROW_LOAD: f64 = 0.8;

/// The fastest sustained rate at the film's size: about 192 words a minute.
pub const FILM_RATE_MAX: f64 = 1.6;

/// The rate at the smallest size that a stream should not exceed: with a line a second each line is
/// in sight for over ten seconds.
const SMALL_RATE: f64 = 4.2;

/// The highest rate, at the smallest size: 40 % of five lines a second.
pub const RATE_MAX: f64 = 8.2;

/// Time constant with which the rate follows its target, in seconds.
const EASING_S: f64 = 2.5;

/// The rate changes by no more than this fraction of itself at a time.
const RATE_STEP_MAX: f64 = 0.065;

/// A change smaller than this fraction of the applied rate isn't applied, because each one restarts
/// the animation on the compositor.
const RATE_CHANGE_MIN: f64 = 0.05;

/// A stream counts as shown in time while no more lines than this wait.
const WAITING_EASE_LINES: f64 = 1.5;

/// Lines beyond that are caught up with in this time, in seconds.
const CATCH_UP_S: f64 = 5.0;

/// The size uses a longer time than the speed: small type is for streams, not for short bursts.
const SIZE_CATCH_UP_S: f64 = 9.0;

/// Waiting lines beyond this number don't count: they are condensed.
const WAITING_LINES_MAX: f64 = 24.0;

/// Time constant of the measured pace of arrivals, in seconds.
const ARRIVALS_S: f64 = 8.0;

/// Weight of a new line in the mean of their lengths.
const MEAN_WEIGHT: f64 = 0.1;

/// The length of a line of dialogue until one was measured, in em of its own font.
const WORDS_EM: f64 = 26.0;

/// Space between two messages, in rows of their size, at the film's size.
pub const WIDE_GAP_ROWS: f64 = 0.6;

/// The same at the smallest size.
pub const TIGHT_GAP_ROWS: f64 = 0.25;

/// The speeds that a person can choose, in percent of the film's.
pub const SPEEDS_PERCENT: [u32; 7] = [25, 50, 75, 100, 130, 170, 220];

/// The index of the initial speed.
const DEFAULT_SPEED: usize = 3;

named_enum! {
    /// What the crawl does when lines come faster than the film's size and speed can carry: link key
    /// `pace`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub enum Pace {
        /// Sets lines smaller and moves faster, so that every line is shown up to one and a half a
        /// second; condenses beyond that.
        #[default]
        All = "all",
        /// Keeps the film's size and speed, and condenses.
        Film = "film",
        /// Shows the newest line, and leaves out the lines before it.
        Latest = "latest",
    }
}

impl Pace {
    /// Returns the smallest size of a line.
    pub const fn size_min(self) -> f64 {
        match self {
            Self::All => SIZE_MIN,
            Self::Film | Self::Latest => 1.0,
        }
    }

    /// Returns the highest rate at the smallest size.
    pub const fn rate_max(self) -> f64 {
        match self {
            Self::All => RATE_MAX,
            Self::Film | Self::Latest => FILM_RATE_MAX,
        }
    }
}

/// The amount of text that has yet to cross the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// The height of the blocks that are set and below the edge, in em.
    pub set_em: f64,
    /// Lines that aren't set yet.
    pub lines: u64,
}

/// The plane's rate and the size of the next line.
#[derive(Clone, Debug)]
pub struct Pacing {
    pace: Pace,
    /// The index into [`SPEEDS_PERCENT`].
    speed: usize,
    /// The rate before the person's speed is applied.
    eased_rate: f64,
    applied_rate: f64,
    size: f64,
    size_wanted: f64,
    size_changed: Instant,
    updated: Option<Instant>,
    /// Lines since the beginning, and lines per second.
    arrived: u64,
    arrivals_per_s: f64,
    /// The mean length of the lines, in em of their own font.
    words_em: f64,
    /// The fraction of the lines that name a speaker.
    speakers: f64,
}

impl Default for Pacing {
    fn default() -> Self {
        Self::new()
    }
}

impl Pacing {
    /// Returns the state at rest: rate 1, the film's size, nothing waiting.
    pub fn new() -> Self {
        Self {
            pace: Pace::All,
            speed: DEFAULT_SPEED,
            eased_rate: 1.0,
            applied_rate: 1.0,
            size: 1.0,
            size_wanted: 1.0,
            size_changed: Instant::EPOCH,
            updated: None,
            arrived: 0,
            arrivals_per_s: 0.0,
            words_em: WORDS_EM,
            speakers: 1.0,
        }
    }

    /// Returns the rate that the animation should have now.
    pub fn rate(&self) -> f64 {
        self.applied_rate
    }

    /// Returns the size of the next line, as a fraction of the film's.
    pub fn size(&self) -> f64 {
        self.size
    }

    /// Sets the pace for the next lines.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// Returns what happens when lines come too fast.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the speed that the person chose, in percent.
    pub fn speed_percent(&self) -> u32 {
        SPEEDS_PERCENT[self.speed]
    }

    /// Sets the person's speed to this one, or to the next slower one that exists.
    pub fn set_speed(&mut self, percent: u32) {
        self.speed = SPEEDS_PERCENT.iter().rposition(|speed| *speed <= percent).unwrap_or(0);
    }

    /// Selects the next faster speed.
    pub fn speed_up(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS_PERCENT.len() - 1);
    }

    /// Selects the next slower speed.
    pub fn slow_down(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    /// Returns the highest speed of the plane, in em a second.
    pub fn speed_max_em_per_s(&self) -> f64 {
        self.pace.rate_max() * self.speed_factor() * SPEED_EM_PER_S
    }

    /// Called when a message is to be placed: moves the size one step toward what the stream needs,
    /// or all the way if the change isn't visible because the message is `alone` on the plane.
    /// Returns the new size.
    pub fn size_next(&mut self, now: Instant, alone: bool) -> f64 {
        let size_wanted = self.size_wanted;
        if alone && size_wanted > self.size {
            self.size = size_wanted;
            self.size_changed = now;
        } else if size_wanted < self.size {
            self.size = size_wanted.max(self.size - SIZE_SHRINK_MAX);
            self.size_changed = now;
        } else if size_wanted > self.size && now.since(self.size_changed) >= SIZE_GROW_INTERVAL {
            self.size = (self.size + SIZE_STEP).min(1.0);
            self.size_changed = now;
        }
        self.size
    }

    /// Records a message that was set.
    pub fn note_line(&mut self, setting: &LineLayout) {
        self.words_em += (setting.words_em - self.words_em) * MEAN_WEIGHT;
        self.speakers += (setting.speaker.len() as f64 - self.speakers) * MEAN_WEIGHT;
    }

    /// Returns the space after a message of this size, in em.
    pub fn gap_em(size: f64) -> f64 {
        let part = (size - SIZE_MIN) / (1.0 - SIZE_MIN);
        ROW_EM * size * (TIGHT_GAP_ROWS + (WIDE_GAP_ROWS - TIGHT_GAP_ROWS) * part)
    }

    /// Returns the height of an average message of this size and its gap, in em; `column_em` is the
    /// column's width in em of the crawl's font.
    pub fn line_em(&self, size: f64, column_em: f64) -> f64 {
        // Rows are rarely full: the last one is half empty.
        let rows = (self.words_em * size / column_em + 0.45).max(1.0);
        (rows + self.speakers * SPEAKER_SIZE) * ROW_EM * size + Self::gap_em(size)
    }

    /// Returns the height of everything that waits, in em at the size of the next line.
    pub fn waiting_em(&self, waiting: Waiting, column_em: f64) -> f64 {
        waiting.set_em + waiting.lines as f64 * self.line_em(self.size, column_em)
    }

    /// Records what waits and how many lines have come since the beginning. Returns the new rate if
    /// it is worth applying.
    #[must_use]
    pub fn update(&mut self, now: Instant, waiting: Waiting, arrived: u64, column_em: f64) -> Option<f64> {
        let elapsed_s = self.updated.map_or(0.0, |before| now.since(before).as_secs_f64());
        self.updated = Some(now);
        self.note_arrivals(arrived, elapsed_s);
        let lines = (waiting.lines as f64).min(WAITING_LINES_MAX);
        self.size_wanted = self.size_for(lines + waiting.set_em / self.line_em(self.size, column_em), column_em);

        let line_em = self.line_em(self.size, column_em);
        let waiting_em = waiting.set_em + lines * line_em;
        let ease_em = WAITING_EASE_LINES * line_em;
        // A single line needs no higher speed: it enters at the film's speed.
        let stream_em_per_s = self.arrivals_per_s * line_em * (waiting_em / ease_em).min(1.0);
        let needed_em_per_s = stream_em_per_s + (waiting_em - ease_em).max(0.0) / CATCH_UP_S;
        let person = self.speed_factor();
        let target = (needed_em_per_s / SPEED_EM_PER_S / person).clamp(1.0, self.rate_max(self.size));
        // Eased in proportion: a step from 1 to 2 looks like one from 2 to 4.
        let part = elapsed_s / (elapsed_s + EASING_S);
        let step = ((target / self.eased_rate - 1.0) * part).clamp(-RATE_STEP_MAX, RATE_STEP_MAX);
        self.eased_rate *= 1.0 + step;
        // Changes due to the stream are eased; changes by the person apply at once.
        let rate = self.eased_rate * person;
        if (rate - self.applied_rate).abs() <= self.applied_rate * RATE_CHANGE_MIN {
            return None;
        }
        self.applied_rate = rate;
        Some(self.applied_rate)
    }

    fn note_arrivals(&mut self, arrived: u64, elapsed_s: f64) {
        let lines = (arrived.saturating_sub(self.arrived) as f64).min(WAITING_LINES_MAX);
        self.arrived = arrived;
        self.arrivals_per_s = (self.arrivals_per_s * ARRIVALS_S + lines) / (ARRIVALS_S + elapsed_s);
    }

    /// Returns the largest size at which the stream can be shown.
    fn size_for(&self, waiting_lines: f64, column_em: f64) -> f64 {
        let lines_per_s = self.arrivals_per_s.min(waiting_lines)
            + (waiting_lines - 2.0 * WAITING_EASE_LINES).max(0.0) / SIZE_CATCH_UP_S;
        let mut size = 1.0;
        while size > self.pace.size_min() + SIZE_STEP / 2.0 {
            let load = lines_per_s * self.line_em(size, column_em)
                / (self.rate_eased_max(size) * self.speed_factor() * SPEED_EM_PER_S);
            if load <= if size > self.size + SIZE_STEP / 2.0 { SIZE_GROW_LOAD } else { 1.0 } {
                break;
            }
            size -= SIZE_STEP;
        }
        size
    }

    /// Returns the rate that a stream should not exceed at this size.
    fn rate_eased_max(&self, size: f64) -> f64 {
        FILM_RATE_MAX + (SMALL_RATE - FILM_RATE_MAX) * (1.0 - size) / (1.0 - SIZE_MIN)
    }

    /// Returns the highest rate at this size.
    fn rate_max(&self, size: f64) -> f64 {
        let rate_max = self.pace.rate_max();
        if rate_max <= FILM_RATE_MAX {
            return rate_max;
        }
        FILM_RATE_MAX + (rate_max - FILM_RATE_MAX) * (1.0 - size) / (1.0 - SIZE_MIN)
    }

    fn speed_factor(&self) -> f64 {
        f64::from(self.speed_percent()) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN_EM: f64 = 14.2;

    /// Simulates `seconds` with `lines` waiting and `per_s` arriving each second; returns the last
    /// rate and how often it changed.
    fn live(pacing: &mut Pacing, from_s: u64, seconds: u64, lines: u64, per_s: u64) -> (f64, usize) {
        let changes = (0..seconds * 5)
            .filter(|tick| {
                let now = Instant::from_millis(from_s * 1_000 + tick * 200);
                let arrived = pacing.arrived + if tick % 5 == 0 { per_s } else { 0 };
                if per_s > 0 && tick % 5 == 0 {
                    pacing.size_next(now, false);
                }
                pacing.update(now, Waiting { set_em: 0.0, lines }, arrived, COLUMN_EM).is_some()
            })
            .count();
        (pacing.rate(), changes)
    }

    #[test]
    fn at_rest_it_has_the_films_size_and_speed() {
        let mut pacing = Pacing::new();
        assert_eq!(live(&mut pacing, 0, 60, 0, 0), (1.0, 0));
        assert_eq!(pacing.size_next(Instant::from_millis(60_000), false), 1.0);
    }

    #[test]
    fn a_stream_is_written_smaller_and_moves_faster() {
        let mut pacing = Pacing::new();
        let (rate, _) = live(&mut pacing, 0, 60, 2, 1);
        assert!((2.5..5.0).contains(&rate), "{rate}");
        assert!(pacing.size() < 0.75, "{}", pacing.size());
        // It calms down step by step.
        let mut sizes = vec![pacing.size()];
        for second in 60..160 {
            live(&mut pacing, second, 1, 0, 0);
            sizes.push(pacing.size_next(Instant::from_millis(second * 1_000 + 900), false));
        }
        assert!((pacing.rate() - 1.0).abs() < 0.1 && pacing.size() == 1.0, "{} {}", pacing.rate(), pacing.size());
        assert!(sizes.windows(2).all(|pair| (0.0..=SIZE_STEP + 1e-9).contains(&(pair[1] - pair[0]))), "{sizes:?}");
    }

    #[test]
    fn a_line_that_is_alone_has_the_size_it_needs() {
        let mut pacing = Pacing::new();
        live(&mut pacing, 0, 60, 2, 1);
        let small = pacing.size();
        live(&mut pacing, 60, 60, 0, 0);
        assert!(pacing.clone().size_next(Instant::from_millis(120_000), false) < small + 2.0 * SIZE_STEP);
        assert_eq!(pacing.size_next(Instant::from_millis(120_000), true), 1.0);
    }

    #[test]
    fn a_flood_has_limits() {
        let mut pacing = Pacing::new();
        let (rate, _) = live(&mut pacing, 0, 60, 10_000, 1_000);
        assert!(rate <= RATE_MAX + 1e-9 && rate > RATE_MAX * 0.9, "{rate}");
        assert!(pacing.size() >= SIZE_MIN - 1e-9, "{}", pacing.size());
    }

    #[test]
    fn the_films_pace_keeps_size_and_speed() {
        for pace in [Pace::Film, Pace::Latest] {
            let mut pacing = Pacing::new();
            pacing.set_pace(pace);
            let (rate, _) = live(&mut pacing, 0, 60, 100, 5);
            assert!(rate <= FILM_RATE_MAX + 1e-9, "{rate}");
            assert_eq!(pacing.size(), 1.0);
        }
    }

    #[test]
    fn the_person_has_the_last_word() {
        let mut pacing = Pacing::new();
        pacing.set_speed(220);
        let (rate, _) = live(&mut pacing, 0, 10, 0, 0);
        assert!((rate - 2.2).abs() < 1e-9, "{rate}");
        pacing.set_speed(25);
        let (rate, _) = live(&mut pacing, 10, 10, 0, 0);
        assert!((rate - 0.25).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn a_steady_stream_changes_the_rate_seldom() {
        let mut pacing = Pacing::new();
        live(&mut pacing, 0, 60, 2, 1);
        let (_, changes) = live(&mut pacing, 60, 600, 2, 1);
        assert!(changes < 60, "{changes}");
    }

    #[test]
    fn gaps_tighten_with_the_size() {
        assert!((Pacing::gap_em(1.0) - ROW_EM * WIDE_GAP_ROWS).abs() < 1e-9);
        assert!((Pacing::gap_em(SIZE_MIN) - ROW_EM * SIZE_MIN * TIGHT_GAP_ROWS).abs() < 1e-9);
    }

    #[test]
    fn paces_have_their_names() {
        for pace in Pace::ALL {
            assert_eq!(Pace::from_name(pace.name()), Some(pace));
        }
        assert_eq!(Pace::from_name("fast"), None);
    }
}
