//! The console's numbers: which rows are on screen, and how they read.
//!
//! The log can hold more rows than a browser can lay out, so the scroll bar is
//! only an input device: [`Scroll`] keeps the place as a row number, and the
//! page draws the rows of that place whatever the bar's pixels say. Up to
//! [`SPACER_MAX_PX`] bar and rows move together; above it the bar is scaled,
//! while small moves still move the rows pixel by pixel.

use crate::engine::command::Window;
use crate::time::Instant;

/// The tallest spacer that is laid out. Firefox stops near 17.9 million pixels
/// and Chromium near 33.5 million; both draw cleanly below this.
pub const SPACER_MAX_PX: f64 = 12_000_000.0;

/// Rows fetched beyond the edges of the screen, so that a small move shows
/// rows that are there already.
const OVERSCAN_ROWS: u32 = 12;

/// Where the console stands in the list of matching messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Scroll {
    row_px: f64,
    viewport_px: f64,
    total: u64,
    place: Place,
    /// Rows below this index were on screen, or there when the tail was left.
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The newest row is at the bottom and stays there.
    Tail,
    /// The row at the upper edge; the fraction is hidden above it.
    At(f64),
}

/// A move by keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One row toward older messages.
    LineUp,
    /// One row toward newer ones.
    LineDown,
    /// A screenful, less one row, toward older ones.
    PageUp,
    /// A screenful, less one row, toward newer ones.
    PageDown,
    /// The oldest.
    Home,
    /// The newest, and follow.
    End,
}

impl Step {
    /// The move of a key, by the name browsers give it.
    pub fn from_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowUp" => Self::LineUp,
            "ArrowDown" => Self::LineDown,
            "PageUp" => Self::PageUp,
            "PageDown" => Self::PageDown,
            "Home" => Self::Home,
            "End" => Self::End,
            _ => return None,
        })
    }
}

impl Scroll {
    /// An empty list of rows of this height, following its tail.
    pub const fn new(row_px: f64) -> Self {
        Self { row_px, viewport_px: 0.0, total: 0, place: Place::Tail, seen: 0 }
    }

    /// Length of the list.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether the newest row stays in view.
    pub const fn is_following(&self) -> bool {
        matches!(self.place, Place::Tail)
    }

    /// Index of the row at the upper edge; the fraction is hidden above it.
    pub fn top_rows(&self) -> f64 {
        match self.place {
            Place::Tail => self.last_top_rows(),
            Place::At(top) => top,
        }
    }

    /// Rows to fetch, those just beyond the edges included.
    pub fn window(&self) -> Window {
        let fit = self.rows_that_fit();
        match self.place {
            // Whatever is above the screen is gone with the next message.
            Place::Tail => Window::Tail { rows: fit },
            Place::At(top) => {
                let first = (top as u64).saturating_sub(u64::from(OVERSCAN_ROWS));
                Window::At { first, rows: fit + 2 * OVERSCAN_ROWS }
            }
        }
    }

    /// Indices of the rows that are on screen, whole or in part.
    pub fn on_screen(&self) -> std::ops::Range<u64> {
        let top = self.top_rows();
        let end = (top + self.viewport_rows()).ceil() as u64;
        top as u64..end.min(self.total)
    }

    /// Height of the element that gives the scroll bar its length.
    pub fn spacer_px(&self) -> f64 {
        (self.total as f64 * self.row_px).min(SPACER_MAX_PX)
    }

    /// Where the scroll bar belongs for the place that is shown.
    pub fn bar_px(&self) -> f64 {
        let last_top_rows = self.last_top_rows();
        if last_top_rows <= 0.0 {
            return 0.0;
        }
        self.top_rows() / last_top_rows * self.range_px()
    }

    /// Messages that came since the tail was left and weren't on screen yet.
    pub fn unseen(&self) -> u64 {
        if self.is_following() { 0 } else { self.total.saturating_sub(self.seen) }
    }

    /// The person moved the scroll bar, by whatever means.
    pub fn drag(&mut self, from_px: f64, to_px: f64) {
        let range_px = self.range_px();
        let moved_px = to_px - from_px;
        let is_scaled = self.total as f64 * self.row_px > SPACER_MAX_PX;
        let top = if to_px <= 0.0 {
            0.0
        } else if to_px >= range_px - 1.0 {
            self.last_top_rows()
        } else if is_scaled && moved_px.abs() > 4.0 * self.viewport_px {
            to_px / range_px * self.last_top_rows()
        } else if is_scaled {
            self.top_rows() + moved_px / self.row_px
        } else {
            to_px / self.row_px
        };
        self.go_to(top);
    }

    /// The person pressed a key.
    pub fn step(&mut self, step: Step) {
        let page = (self.viewport_rows() - 1.0).floor().max(1.0);
        let top = self.top_rows();
        self.go_to(match step {
            Step::LineUp => top - 1.0,
            Step::LineDown => top + 1.0,
            Step::PageUp => top - page,
            Step::PageDown => top + page,
            Step::Home => 0.0,
            Step::End => f64::INFINITY,
        });
    }

    /// Keeps the newest row in view from now on.
    pub fn follow(&mut self) {
        self.place = Place::Tail;
        self.seen = self.total;
    }

    /// Stays with the rows that are on screen, whatever arrives.
    pub fn hold(&mut self) {
        if self.is_following() && self.last_top_rows() > 0.0 {
            self.place = Place::At(self.last_top_rows());
        }
    }

    /// The screen has another height.
    pub fn resize(&mut self, viewport_px: f64) {
        self.viewport_px = viewport_px;
        self.settle();
    }

    /// The list has another length; `gone` rows left it at the front, which
    /// moves nothing on the screen.
    pub fn grow(&mut self, total: u64, gone: u64) {
        self.total = total;
        if let Place::At(top) = self.place {
            self.place = Place::At((top - gone as f64).max(0.0));
            self.seen = self.seen.saturating_sub(gone).min(total);
        }
        self.settle();
    }

    fn go_to(&mut self, top_rows: f64) {
        let last = self.last_top_rows();
        if top_rows >= last {
            return self.follow();
        }
        if self.is_following() {
            self.seen = self.total;
        }
        self.place = Place::At(top_rows.max(0.0));
        self.settle();
    }

    /// After any change: within bounds, and what is on screen is seen. A
    /// shorter list or a taller screen may leave nothing to scroll to; then it
    /// follows.
    fn settle(&mut self) {
        let last = self.last_top_rows();
        match self.place {
            Place::Tail => self.seen = self.total,
            Place::At(_) if last <= 0.0 => self.follow(),
            Place::At(top) => {
                self.place = Place::At(top.min(last));
                self.seen = self.seen.max(self.on_screen().end);
            }
        }
    }

    fn viewport_rows(&self) -> f64 {
        self.viewport_px / self.row_px
    }

    fn rows_that_fit(&self) -> u32 {
        // Saturates; one more for a row cut at both edges.
        (self.viewport_rows().ceil() as u32).saturating_add(1)
    }

    fn last_top_rows(&self) -> f64 {
        (self.total as f64 - self.viewport_rows()).max(0.0)
    }

    fn range_px(&self) -> f64 {
        (self.spacer_px() - self.viewport_px).max(0.0)
    }
}

/// The time of day to the millisecond, `10:00:00.123`, in a zone that is this
/// many minutes ahead of UTC.
pub fn time_of_day(time: Instant, ahead_of_utc_min: i32) -> String {
    const DAY_MS: i64 = 86_400_000;
    let utc_ms = i64::try_from(time.as_micros() / 1_000).unwrap_or(i64::MAX / 2);
    let ms = (utc_ms + i64::from(ahead_of_utc_min) * 60_000).rem_euclid(DAY_MS);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

/// A number with its thousands apart: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size for people: `90 B`, `1.4 kB`, `12 MB`. In integers: formatting floats
/// would cost the page five kilobytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut scale = 1_000;
    for unit in UNITS {
        let half = scale / 2;
        let tenths = (bytes.saturating_mul(10).saturating_add(half)) / scale;
        let whole = bytes.saturating_add(half) / scale;
        if tenths < 100 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        if whole < 1_000 {
            return format!("{whole} {unit}");
        }
        scale *= 1_000;
    }
    format!("{bytes} B")
}
