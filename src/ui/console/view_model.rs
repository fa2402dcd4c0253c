//! The person's view of the console: the list and the place in it, the chosen message, and the
//! message that is being sought.

use crate::protocol::rows::{ListMode, Pull, Rows, SeekTarget, Window};
use crate::ui::console::refresh_rate::RowChurn;
use crate::ui::console::scroll::{Scroll, ScrollStep};

/// The person's view of the console: the rows, the place in them, and the chosen message.
///
/// [`ConsoleModel::pull`] returns what it needs; the answer is passed to [`ConsoleModel::take`].
#[derive(Clone, Debug, PartialEq)]
pub struct ConsoleModel {
    /// The place, in rows of the list.
    pub scroll: Scroll,
    rows: Rows,
    list_mode: ListMode,
    frozen_at: Option<u64>,
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
            list_mode: ListMode::Matching,
            frozen_at: None,
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
        Pull { window, listed: self.list_mode, until: self.frozen_at, selected: self.selected, ..Pull::default() }
    }

    /// Takes the rows that arrived; returns how they differ from the previous ones.
    pub fn take(&mut self, rows: Rows) -> RowChurn {
        let asked = self.pull().window;
        let shown = self.rows.rows.last().map(|row| row.seq);
        let all_new = shown.zip(rows.rows.first()).is_some_and(|(shown, first)| shown < first.seq);
        let chosen = self.selected.filter(|seq| self.is_visible(*seq));
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
            self.finish_seek(sought.goal, sought.found);
        }
        // A message that was found may have moved the window: new rows of another place aren't a
        // flood.
        match all_new && self.scroll.is_following() && self.pull().window == asked {
            true => RowChurn::Flood,
            false => RowChurn::Readable,
        }
    }

    fn finish_seek(&mut self, goal: SeekTarget, found: Option<(u64, i64)>) {
        self.goal = None;
        match (goal, found) {
            (SeekTarget::Near(_), Some((_, place))) => self.scroll.center(self.index_of(place)),
            (_, Some((seq, place))) => {
                self.selected = Some(seq);
                self.scroll.center(self.index_of(place));
            }
            // The filter hides it, or it isn't kept any more.
            (SeekTarget::Message(_), None) if self.list_mode == ListMode::Matching && self.rows.list != 0 => {
                self.list_mode = ListMode::All;
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
        self.frozen_at = None;
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

    fn is_visible(&self, seq: u64) -> bool {
        let index = self.index_in_rows(seq).map(|at| self.first_index() + at as u64);
        index.is_some_and(|index| self.scroll.visible_range().contains(&index))
    }

    /// Returns which messages are rows.
    pub fn list_mode(&self) -> ListMode {
        self.list_mode
    }

    /// Lists all messages instead of those that match, or the other way round; the rows being read
    /// stay in sight.
    pub fn toggle_list_mode(&mut self) {
        self.list_mode = match self.list_mode {
            ListMode::Matching => ListMode::All,
            ListMode::All => ListMode::Matching,
        };
        if !self.scroll.is_following() && !self.selected.is_some_and(|seq| self.is_visible(seq)) {
            self.goal = self.focused_row().map(SeekTarget::Near);
        }
    }

    /// Whether the view is frozen while messages continue to arrive.
    pub fn is_frozen(&self) -> bool {
        self.frozen_at.is_some()
    }

    /// Freezes the view: messages that arrive from now on aren't listed.
    pub fn freeze(&mut self) {
        self.frozen_at = Some(self.rows.end_seq);
    }

    /// Lists new messages again, and follows them.
    pub fn unfreeze(&mut self) {
        self.frozen_at = None;
        self.goal = None;
        self.scroll.follow();
    }

    /// Returns the number of messages that came and haven't been on screen, because the view is
    /// frozen or elsewhere.
    pub fn unread(&self) -> u64 {
        self.scroll.unread() + self.rows.newer
    }

    /// Returns the chosen message.
    pub fn selected(&self) -> Option<u64> {
        self.selected
    }

    /// Chooses a message that is in sight. The view stays with it.
    pub fn select(&mut self, seq: u64) {
        self.selected = Some(seq);
        self.goal = None;
        self.scroll.stop_following();
    }

    /// Chooses none.
    pub fn deselect(&mut self) {
        self.selected = None;
    }

    /// Goes to a message, wherever it is, and chooses it; if the filter hides it, all messages are
    /// listed.
    pub fn reveal(&mut self, seq: u64) {
        if self.frozen_at.is_some_and(|end| seq >= end) {
            self.frozen_at = None;
        }
        self.goal = Some(SeekTarget::Message(seq));
    }

    /// Goes to the match next to the chosen message; if none is chosen, to one that is in sight.
    pub fn seek(&mut self, direction: SeekDirection) {
        self.goal = Some(match (self.selected, direction) {
            (Some(seq), SeekDirection::Newer) => SeekTarget::MatchAfter(seq),
            (Some(seq), SeekDirection::Older) => SeekTarget::MatchBefore(seq),
            (None, _) => match self.focused_row() {
                Some(seq) if !self.scroll.is_following() => SeekTarget::MatchAfter(seq.saturating_sub(1)),
                _ => SeekTarget::MatchBefore(u64::MAX),
            },
        });
    }

    /// Goes to the row next to the chosen one; if none is chosen, chooses
    /// [`ConsoleModel::focused_row`].
    pub fn move_selection(&mut self, direction: SeekDirection) {
        let Some(seq) = self.selected else {
            if let Some(seq) = self.focused_row() {
                self.select(seq);
            }
            return;
        };
        let neighbor = self.index_in_rows(seq).and_then(|at| match direction {
            SeekDirection::Newer => Some(at + 1),
            SeekDirection::Older => at.checked_sub(1),
        });
        match neighbor.and_then(|at| Some((at, self.rows.rows.get(at)?.seq))) {
            Some((at, seq)) => {
                self.select(seq);
                self.scroll.reveal(self.first_index() + at as u64);
            }
            None => {
                self.goal = Some(match direction {
                    SeekDirection::Newer => SeekTarget::RowAfter(seq),
                    SeekDirection::Older => SeekTarget::RowBefore(seq),
                });
            }
        }
    }

    /// Moves by a key.
    pub fn step(&mut self, step: ScrollStep) {
        match step {
            ScrollStep::LineUp => self.move_selection(SeekDirection::Older),
            ScrollStep::LineDown => self.move_selection(SeekDirection::Newer),
            ScrollStep::End => self.unfreeze(),
            _ => {
                self.goal = None;
                self.scroll.step(step);
            }
        }
    }

    /// Returns the message that a key applies to: the chosen one if it is in sight; otherwise the
    /// newest while the tail is followed, or else the first whole row on screen.
    pub fn focused_row(&self) -> Option<u64> {
        if let Some(seq) = self.selected.filter(|seq| self.is_visible(*seq)) {
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

/// The direction of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekDirection {
    /// To messages that came earlier.
    Older,
    /// To messages that came later.
    Newer,
}
