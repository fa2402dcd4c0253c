//! The place in a long list of rows.
//!
//! The log can hold more rows than a browser can lay out, so the scroll bar is only an input
//! device: [`Scroll`] keeps the place as a row number, and the page draws the rows of that place
//! whatever the bar's pixels are. Up to [`SPACER_MAX_PX`] bar and rows move together; above it the
//! bar is scaled, while small moves still move the rows pixel by pixel.

use crate::protocol::rows::Window;

/// The tallest spacer that is laid out. Firefox's limit is near 17.9 million pixels and Chromium's
/// near 33.5 million; both draw cleanly below this.
pub const SPACER_MAX_PX: f64 = 12_000_000.0;

/// Rows fetched beyond the edges of the screen, so that a small move shows rows that are already
/// there.
const OVERSCAN_ROWS: u32 = 12;

/// The console's place in the list of matching messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Scroll {
    row_px: f64,
    viewport_px: f64,
    total: u64,
    anchor: Anchor,
    /// Rows below this index were on screen, or existed when the tail was left.
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Anchor {
    /// The newest row is at the bottom and stays there.
    Tail,
    /// The row at the upper edge; its fraction is hidden above the edge.
    At(f64),
}

/// A move by keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrollStep {
    /// One row toward older messages.
    LineUp,
    /// One row toward newer ones.
    LineDown,
    /// A screenful, less one row, toward older ones.
    PageUp,
    /// A screenful, less one row, toward newer ones.
    PageDown,
    /// To the oldest.
    Home,
    /// To the newest, and follow.
    End,
}

impl ScrollStep {
    /// Returns the move of a key, by the name browsers give it.
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
    /// Creates an empty list of rows of this height, following its tail.
    pub const fn new(row_px: f64) -> Self {
        Self { row_px, viewport_px: 0.0, total: 0, anchor: Anchor::Tail, seen: 0 }
    }

    /// Returns the length of the list.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether the newest row stays in view.
    pub const fn is_following(&self) -> bool {
        matches!(self.anchor, Anchor::Tail)
    }

    /// Returns the index of the row at the upper edge; its fraction is hidden above the edge.
    pub fn top_rows(&self) -> f64 {
        match self.anchor {
            Anchor::Tail => self.last_top_rows(),
            Anchor::At(top) => top,
        }
    }

    /// Returns the rows to fetch of a list that begins at this place, including those just beyond
    /// the edges.
    pub fn window(&self, begin: i64) -> Window {
        match self.anchor {
            // Rows above the screen would be gone with the next message.
            Anchor::Tail => Window::Tail { rows: self.rows_that_fit() },
            Anchor::At(top) => {
                let first = (top as u64).saturating_sub(u64::from(OVERSCAN_ROWS));
                // There are fewer rows than an i64 can count.
                Window::At { first: begin + first as i64, rows: self.rows_around() }
            }
        }
    }

    /// Returns the number of rows that fit, plus those just beyond the edges.
    pub(super) fn rows_around(&self) -> u32 {
        self.rows_that_fit().saturating_add(2 * OVERSCAN_ROWS)
    }

    /// Returns the indices of the rows that are on screen, completely or in part.
    pub fn visible_range(&self) -> std::ops::Range<u64> {
        let top = self.top_rows();
        let end = (top + self.viewport_rows()).ceil() as u64;
        top as u64..end.min(self.total)
    }

    /// Returns the height of the element that gives the scroll bar its length.
    pub fn spacer_px(&self) -> f64 {
        (self.total as f64 * self.row_px).min(SPACER_MAX_PX)
    }

    /// Returns where the scroll bar belongs for the place that is shown.
    pub fn scroll_px(&self) -> f64 {
        let last_top_rows = self.last_top_rows();
        if last_top_rows <= 0.0 {
            return 0.0;
        }
        self.top_rows() / last_top_rows * self.range_px()
    }

    /// Returns the number of messages that came after the tail was left and haven't been on screen
    /// yet.
    pub fn unread(&self) -> u64 {
        if self.is_following() { 0 } else { self.total.saturating_sub(self.seen) }
    }

    /// Handles a move of the scroll bar, however it was made.
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

    /// Handles a key.
    pub fn step(&mut self, step: ScrollStep) {
        let page = (self.viewport_rows() - 1.0).floor().max(1.0);
        let top = self.top_rows();
        self.go_to(match step {
            ScrollStep::LineUp => top - 1.0,
            ScrollStep::LineDown => top + 1.0,
            ScrollStep::PageUp => top - page,
            ScrollStep::PageDown => top + page,
            ScrollStep::Home => 0.0,
            ScrollStep::End => f64::INFINITY,
        });
    }

    /// Keeps the newest row in view from now on.
    pub fn follow(&mut self) {
        self.anchor = Anchor::Tail;
        self.seen = self.total;
    }

    /// Keeps the rows that are on screen, whatever arrives.
    pub fn stop_following(&mut self) {
        if self.is_following() && self.last_top_rows() > 0.0 {
            self.anchor = Anchor::At(self.last_top_rows());
        }
    }

    /// Scrolls as little as needed to make a row visible, and stays there.
    pub fn reveal(&mut self, index: u64) {
        self.stop_following();
        let row = index as f64;
        let top = self.top_rows();
        let top = top.min(row).max(row + 1.0 - self.viewport_rows());
        self.stay_at(top);
    }

    /// Scrolls a row to the middle, unless it is visible, and stays there.
    pub fn center(&mut self, index: u64) {
        self.stop_following();
        let row = index as f64;
        let top = self.top_rows();
        if row < top || row + 1.0 > top + self.viewport_rows() {
            self.stay_at((row + 0.5 - self.viewport_rows() / 2.0).floor());
        }
    }

    /// Sets the height of the screen.
    pub fn resize(&mut self, viewport_px: f64) {
        self.viewport_px = viewport_px;
        self.settle();
    }

    /// Sets the length of the list. `gone` rows left it at the front, or were added there if
    /// negative. That moves nothing on the screen.
    pub fn grow(&mut self, total: u64, gone: i64) {
        self.total = total;
        if let Anchor::At(top) = self.anchor {
            self.anchor = Anchor::At((top - gone as f64).max(0.0));
            self.seen = self.seen.saturating_add_signed(gone.saturating_neg()).min(total);
        }
        self.settle();
    }

    /// Does the same while somebody reads: a list that fitted on the screen and no longer does
    /// stays at its beginning.
    pub fn grow_below(&mut self, total: u64, gone: i64) {
        if self.last_top_rows() <= 0.0 {
            self.anchor = Anchor::At(0.0);
        }
        self.grow(total, gone);
    }

    fn stay_at(&mut self, top_rows: f64) {
        let last = self.last_top_rows();
        if last > 0.0 {
            // Not `clamp`, whose panic would bring in the formatting of floats.
            self.anchor = Anchor::At(top_rows.max(0.0).min(last));
            self.settle();
        }
    }

    fn go_to(&mut self, top_rows: f64) {
        let last = self.last_top_rows();
        if top_rows >= last {
            return self.follow();
        }
        if self.is_following() {
            self.seen = self.total;
        }
        self.anchor = Anchor::At(top_rows.max(0.0));
        self.settle();
    }

    /// Called after any change: keeps the place within bounds, and counts what is on screen as
    /// seen. A shorter list or a taller screen may leave nothing to scroll to; then the tail is
    /// followed.
    fn settle(&mut self) {
        let last = self.last_top_rows();
        match self.anchor {
            Anchor::Tail => self.seen = self.total,
            Anchor::At(_) if last <= 0.0 => self.follow(),
            Anchor::At(top) => {
                self.anchor = Anchor::At(top.min(last));
                self.seen = self.seen.max(self.visible_range().end);
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
