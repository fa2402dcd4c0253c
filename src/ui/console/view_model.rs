//! The console's numbers: which rows are on screen, and how they read.
//!
//! The log can hold more rows than a browser can lay out, so the scroll bar is only an input
//! device: [`Scroll`] keeps the place as a row number, and the page draws the rows of that place
//! whatever the bar's pixels are. Up to [`SPACER_MAX_PX`] bar and rows move together; above it the
//! bar is scaled, while small moves still move the rows pixel by pixel.
//!
//! [`ConsoleModel`] is the state of the person's view: the list and the place in it, the chosen
//! message, and the message that is being sought. [`RefreshThrottle`] decides how often the rows
//! change.

use crate::config::settings::TimeMode;
use crate::format::{span, time_of_day};
use crate::protocol::rows::Rows;
use crate::protocol::rows::{ListMode, Pull, SeekTarget, Window};
use crate::time::Instant;

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
    place: Anchor,
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
        Self { row_px, viewport_px: 0.0, total: 0, place: Anchor::Tail, seen: 0 }
    }

    /// Returns the length of the list.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether the newest row stays in view.
    pub const fn is_following(&self) -> bool {
        matches!(self.place, Anchor::Tail)
    }

    /// Returns the index of the row at the upper edge; its fraction is hidden above the edge.
    pub fn top_rows(&self) -> f64 {
        match self.place {
            Anchor::Tail => self.last_top_rows(),
            Anchor::At(top) => top,
        }
    }

    /// Returns the rows to fetch of a list that begins at this place, including those just beyond
    /// the edges.
    pub fn window(&self, begin: i64) -> Window {
        match self.place {
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
    fn rows_around(&self) -> u32 {
        self.rows_that_fit().saturating_add(2 * OVERSCAN_ROWS)
    }

    /// Returns the indices of the rows that are on screen, completely or in part.
    pub fn on_screen(&self) -> std::ops::Range<u64> {
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
    pub fn unseen(&self) -> u64 {
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
        self.place = Anchor::Tail;
        self.seen = self.total;
    }

    /// Keeps the rows that are on screen, whatever arrives.
    pub fn hold(&mut self) {
        if self.is_following() && self.last_top_rows() > 0.0 {
            self.place = Anchor::At(self.last_top_rows());
        }
    }

    /// Scrolls as little as needed to make a row visible, and stays there.
    pub fn reveal(&mut self, index: u64) {
        self.hold();
        let row = index as f64;
        let top = self.top_rows();
        let top = top.min(row).max(row + 1.0 - self.viewport_rows());
        self.stay_at(top);
    }

    /// Scrolls a row to the middle, unless it is visible, and stays there.
    pub fn center(&mut self, index: u64) {
        self.hold();
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
        if let Anchor::At(top) = self.place {
            self.place = Anchor::At((top - gone as f64).max(0.0));
            self.seen = self.seen.saturating_add_signed(gone.saturating_neg()).min(total);
        }
        self.settle();
    }

    /// Does the same while somebody reads: a list that fitted on the screen and no longer does
    /// stays at its beginning.
    pub fn grow_below(&mut self, total: u64, gone: i64) {
        if self.last_top_rows() <= 0.0 {
            self.place = Anchor::At(0.0);
        }
        self.grow(total, gone);
    }

    fn stay_at(&mut self, top_rows: f64) {
        let last = self.last_top_rows();
        if last > 0.0 {
            // Not `clamp`, whose panic would bring in the formatting of floats.
            self.place = Anchor::At(top_rows.max(0.0).min(last));
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
        self.place = Anchor::At(top_rows.max(0.0));
        self.settle();
    }

    /// Called after any change: keeps the place within bounds, and counts what is on screen as
    /// seen. A shorter list or a taller screen may leave nothing to scroll to; then the tail is
    /// followed.
    fn settle(&mut self) {
        let last = self.last_top_rows();
        match self.place {
            Anchor::Tail => self.seen = self.total,
            Anchor::At(_) if last <= 0.0 => self.follow(),
            Anchor::At(top) => {
                self.place = Anchor::At(top.min(last));
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

/// The person's view of the console: the rows, the place in them, and the chosen message.
///
/// [`ConsoleModel::pull`] returns what it needs; the answer is passed to [`ConsoleModel::take`].
#[derive(Clone, Debug, PartialEq)]
pub struct ConsoleModel {
    /// The place, in rows of the list.
    pub scroll: Scroll,
    rows: Rows,
    listed: ListMode,
    held: Option<u64>,
    selected: Option<u64>,
    /// The message that is sought until it is found.
    goal: Option<SeekTarget>,
}

impl ConsoleModel {
    /// Creates a model without messages; rows have this height.
    pub fn new(row_px: f64) -> Self {
        Self {
            scroll: Scroll::new(row_px),
            rows: Rows::default(),
            listed: ListMode::Matching,
            held: None,
            selected: None,
            goal: None,
        }
    }

    /// Returns what to ask for.
    pub fn pull(&self) -> Pull {
        let window = match self.goal {
            Some(goal) => Window::Around { goal, rows: self.scroll.rows_around() },
            None => self.scroll.window(self.rows.begin),
        };
        Pull { window, listed: self.listed, until: self.held, selected: self.selected, ..Pull::default() }
    }

    /// Takes the rows that arrived; returns how they differ from the previous ones.
    pub fn take(&mut self, rows: Rows) -> RowChurn {
        let asked = self.pull().window;
        let shown = self.rows.rows.last().map(|row| row.seq);
        let all_new = shown.zip(rows.rows.first()).is_some_and(|(shown, first)| shown < first.seq);
        let chosen = self.selected.filter(|seq| self.shows(*seq));
        if rows.list == self.rows.list {
            let gone = rows.begin.saturating_sub(self.rows.begin);
            match chosen {
                Some(_) => self.scroll.grow_below(rows.total, gone),
                None => self.scroll.grow(rows.total, gone),
            }
        } else {
            // The chosen message stays in sight if it is in the other list; otherwise that list is
            // shown from its end.
            self.goal = self.goal.or(chosen.map(SeekTarget::Near));
            self.scroll.grow(rows.total, 0);
            self.scroll.follow();
        }
        self.rows = rows;
        if let Some(sought) = self.rows.sought.filter(|sought| Some(sought.goal) == self.goal) {
            self.arrive(sought.goal, sought.found);
        }
        // A message that was found may have moved the window: new rows of another place aren't a
        // flood.
        match all_new && self.scroll.is_following() && self.pull().window == asked {
            true => RowChurn::Flood,
            false => RowChurn::Readable,
        }
    }

    fn arrive(&mut self, goal: SeekTarget, found: Option<(u64, i64)>) {
        self.goal = None;
        match (goal, found) {
            (SeekTarget::Near(_), Some((_, place))) => self.scroll.center(self.index_of(place)),
            (_, Some((seq, place))) => {
                self.selected = Some(seq);
                self.scroll.center(self.index_of(place));
            }
            // The filter hides it, or it isn't kept any more.
            (SeekTarget::Message(_), None) if self.listed == ListMode::Matching && self.rows.list != 0 => {
                self.listed = ListMode::All;
                self.goal = Some(goal);
            }
            _ => {}
        }
    }

    /// Starts over with a new log, whose numbering starts again.
    pub fn restart(&mut self) {
        self.scroll.grow(0, 0);
        self.scroll.follow();
        self.rows = Rows::default();
        self.held = None;
        self.selected = None;
        self.goal = None;
    }

    /// Returns the rows that arrived last.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Returns the index in the list of the first of them.
    pub fn first_index(&self) -> u64 {
        self.index_of(self.rows.first)
    }

    fn index_of(&self, place: i64) -> u64 {
        u64::try_from(place.saturating_sub(self.rows.begin)).unwrap_or(0)
    }

    /// Returns the index of a message among the rows that arrived.
    fn index_in_rows(&self, seq: u64) -> Option<usize> {
        self.rows.rows.binary_search_by_key(&seq, |row| row.seq).ok()
    }

    fn shows(&self, seq: u64) -> bool {
        let index = self.index_in_rows(seq).map(|at| self.first_index() + at as u64);
        index.is_some_and(|index| self.scroll.on_screen().contains(&index))
    }

    /// Returns which messages are rows.
    pub fn listed(&self) -> ListMode {
        self.listed
    }

    /// Lists all messages instead of those that match, or the other way round; the rows being read
    /// stay in sight.
    pub fn list_others(&mut self) {
        self.listed = match self.listed {
            ListMode::Matching => ListMode::All,
            ListMode::All => ListMode::Matching,
        };
        if !self.scroll.is_following() && !self.selected.is_some_and(|seq| self.shows(seq)) {
            self.goal = self.focused_row().map(SeekTarget::Near);
        }
    }

    /// Whether the view is held while messages continue to arrive.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Holds the view as it is: messages that arrive from now on aren't listed.
    pub fn hold(&mut self) {
        self.held = Some(self.rows.end_seq);
    }

    /// Lists new messages again, and follows them.
    pub fn resume(&mut self) {
        self.held = None;
        self.goal = None;
        self.scroll.follow();
    }

    /// Returns the number of messages that came and haven't been on screen, because the view is
    /// held or elsewhere.
    pub fn unseen(&self) -> u64 {
        self.scroll.unseen() + self.rows.newer
    }

    /// Returns the chosen message.
    pub fn selected(&self) -> Option<u64> {
        self.selected
    }

    /// Chooses a message that is in sight. The view stays with it.
    pub fn select(&mut self, seq: u64) {
        self.selected = Some(seq);
        self.goal = None;
        self.scroll.hold();
    }

    /// Chooses none.
    pub fn deselect(&mut self) {
        self.selected = None;
    }

    /// Goes to a message, wherever it is, and chooses it; if the filter hides it, all messages are
    /// listed.
    pub fn reveal(&mut self, seq: u64) {
        if self.held.is_some_and(|end| seq >= end) {
            self.held = None;
        }
        self.goal = Some(SeekTarget::Message(seq));
    }

    /// Goes to the match next to the chosen message; if none is chosen, to one that is in sight.
    pub fn seek(&mut self, toward: Toward) {
        self.goal = Some(match (self.selected, toward) {
            (Some(seq), Toward::Newer) => SeekTarget::MatchAfter(seq),
            (Some(seq), Toward::Older) => SeekTarget::MatchBefore(seq),
            (None, _) => match self.focused_row() {
                Some(seq) if !self.scroll.is_following() => SeekTarget::MatchAfter(seq.saturating_sub(1)),
                _ => SeekTarget::MatchBefore(u64::MAX),
            },
        });
    }

    /// Goes to the row next to the chosen one; if none is chosen, chooses
    /// [`ConsoleModel::focused_row`].
    pub fn walk(&mut self, toward: Toward) {
        let Some(seq) = self.selected else {
            if let Some(seq) = self.focused_row() {
                self.select(seq);
            }
            return;
        };
        let beside = self.index_in_rows(seq).and_then(|at| match toward {
            Toward::Newer => Some(at + 1),
            Toward::Older => at.checked_sub(1),
        });
        match beside.and_then(|at| Some((at, self.rows.rows.get(at)?.seq))) {
            Some((at, seq)) => {
                self.select(seq);
                self.scroll.reveal(self.first_index() + at as u64);
            }
            None => {
                self.goal = Some(match toward {
                    Toward::Newer => SeekTarget::RowAfter(seq),
                    Toward::Older => SeekTarget::RowBefore(seq),
                });
            }
        }
    }

    /// Moves by a key.
    pub fn step(&mut self, step: ScrollStep) {
        match step {
            ScrollStep::LineUp => self.walk(Toward::Older),
            ScrollStep::LineDown => self.walk(Toward::Newer),
            ScrollStep::End => self.resume(),
            _ => {
                self.goal = None;
                self.scroll.step(step);
            }
        }
    }

    /// Returns the message that a key applies to: the chosen one if it is in sight; otherwise the
    /// newest while the tail is followed, or else the first whole row on screen.
    pub fn focused_row(&self) -> Option<u64> {
        if let Some(seq) = self.selected.filter(|seq| self.shows(*seq)) {
            return Some(seq);
        }
        let index = match self.scroll.is_following() {
            true => self.scroll.total().checked_sub(1)?,
            false => self.scroll.top_rows().ceil() as u64,
        };
        let at = usize::try_from(index.checked_sub(self.first_index())?).ok()?;
        self.rows.rows.get(at).map(|row| row.seq)
    }
}

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
    /// [`RefreshThrottle::rested`].
    pub fn drawn(&mut self, flow: RowChurn, received: u64, began: Instant) -> u32 {
        let came = received.saturating_sub(self.received);
        let took_ms = began.since(self.drawn_at).as_millis() as u64;
        // Both far below the limit.
        let is_flood = flow == RowChurn::Flood && came * 1_000 > took_ms * FLOOD_PER_S;
        *self = Self { drawn_at: began, received, is_on_trial: flow == RowChurn::Flood && !is_flood };
        if is_flood { FLOOD_MS } else { ASK_LATE_MS }
    }

    /// Called after the wait. Returns how much longer to wait, in milliseconds, if the frame took
    /// too long: no timer fires before the frame is painted.
    pub fn rested(&mut self, now: Instant) -> Option<u32> {
        let is_slow =
            std::mem::take(&mut self.is_on_trial) && now.since(self.drawn_at).as_millis() as u64 > FRAME_MAX_MS;
        is_slow.then_some(FLOOD_MS)
    }
}

/// The direction of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// To messages that came earlier.
    Older,
    /// To messages that came later.
    Newer,
}

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
    pub fn counted(&self, time: Instant) -> i64 {
        let from = match self.mode {
            TimeMode::Absolute => Instant::EPOCH,
            TimeMode::Relative => self.zero,
            TimeMode::SincePrevious => self.above.unwrap_or(time),
        };
        // Both far below the limit.
        (time.as_micros() / 1_000) as i64 - (from.as_micros() / 1_000) as i64
    }

    /// Formats the time.
    pub fn words(&self, time: Instant) -> String {
        match self.mode {
            TimeMode::Absolute => time_of_day(time, self.ahead_of_utc_min),
            _ => span(self.counted(time)),
        }
    }
}
