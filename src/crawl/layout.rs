//! Places, prunes and rebases blocks; moves back and forward.
//!
//! The plane's coordinate grows downward, from the horizon toward the reader. Its *offset* is the
//! distance it has travelled: a block at `offset` is exactly at the bottom edge of the screen,
//! blocks below it (at larger values) aren't visible yet, and blocks `depth` above it have faded.
//!
//! All entries are in one queue, and three indices divide it:
//!
//! ```text
//!  passed    shown already, and out of sight above: the newest PASSED_MAX of them
//!  shown     on the plane, BLOCKS_MAX at most
//!  ahead     shown already, and out of sight below, because the person went back
//!  queued    not shown yet
//! ```
//!
//! A new block is placed at `max(cursor, offset)`: right after its predecessor, or at the edge if
//! the predecessor has passed long ago. Because it is placed while it is still out of sight,
//! nothing pops into view. Blocks that come back are placed next to their neighbour, at the same
//! distance as before.
//!
//! Coordinates here only grow with the distance travelled, which is exact in an `f64` for years.
//! The browser receives coordinates relative to a nearby base, and a *rebase* moves this base. This
//! is necessary because the animation has an end, and because Chromium paints a composited layer
//! only some thousand pixels around the place where it believes the window to be. The base follows
//! every few em, by whole pixels of the screen, so that letters are rendered the same.

use std::collections::VecDeque;

use crate::crawl::action::Action;
use crate::crawl::block::{BlockContent, Key};
use crate::crawl::item::CrawlItem;
use crate::crawl::metrics::ROW_EM;
use crate::crawl::pacing::{Pacing, Waiting};
use crate::crawl::typeset::{TypesetBlock, Typesetter};
use crate::time::Instant;

/// The average number of rows in a line of dialogue; used for lines that haven't been measured yet.
const ROWS_PER_LINE: f64 = 1.8;

/// The most blocks on the plane at once: as many small ones as a phone in portrait can show, and
/// few enough for every style recalculation.
pub const BLOCKS_MAX: usize = 80;

/// The number of passed blocks that are remembered: an hour of reading, and half a megabyte at
/// most.
pub const PASSED_MAX: usize = 1_000;

/// Blocks are placed while the cursor is less than this far below the edge.
const AHEAD_EM: f64 = 2.0 * ROW_EM;

/// A block placed less than this far below the edge enters within a second.
const ENTERS_EM: f64 = 0.25 * ROW_EM;

/// A block further below the edge than this is removed. It is more than [`AHEAD_EM`], so that a
/// small move back and forward changes nothing.
const BELOW_EM: f64 = 6.0 * ROW_EM;

/// Travelling further than this causes a rebase: half a screen, a thousand pixels on a very large
/// one.
pub const REBASE_AFTER_EM: f64 = 4.0;

/// Going back to less than this causes a rebase as well: the animation can't go to before its
/// beginning.
const REBASE_BELOW_EM: f64 = 0.5;

/// The distance travelled that is left after a rebase.
const REBASE_TO_EM: f64 = 1.5;

/// A line that the person asks for is shown this far above the edge, where it can be read, in em …
const READ_AT_EM: f64 = 6.0 * ROW_EM;

/// … unless it is on screen and no further up than this.
const READ_UP_TO_EM: f64 = 9.0 * ROW_EM;

/// Space between the episode and the title, in em.
const EPISODE_GAP_EM: f64 = 0.25;

/// Space after the title, in em.
const TITLE_GAP_EM: f64 = 0.9;

/// The stage's measures that decide where blocks are placed, in em of the crawl's font.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageSize {
    /// The distance above the edge at which a block is out of sight.
    pub depth_em: f64,
    /// The column's width.
    pub column_em: f64,
    /// The size of a screen pixel; 0 where it is unknown.
    pub px_em: f64,
}

/// The view's measurements at a tick.
#[derive(Clone, Copy, Debug)]
pub struct Viewport {
    /// The distance that the plane has really travelled since the last rebase, in em.
    pub offset_em: f64,
    /// The stage's measures.
    pub stage: StageSize,
    /// Lines that wait elsewhere and haven't been measured.
    pub unmeasured_lines: u64,
    /// Lines that have come since the beginning, including those that wait.
    pub arrived_lines: u64,
}

/// An entry, and its block if it is on the plane.
#[derive(Clone, Debug)]
struct Item {
    entry: BlockContent,
    /// The size of its font, in em of the crawl's; it doesn't change.
    size: f64,
    /// The space below it.
    gap_em: f64,
    block: Option<Block>,
}

/// An entry's block on the plane.
#[derive(Clone, Debug)]
pub struct Block {
    key: Key,
    /// Its rows.
    pub typeset: TypesetBlock,
    top_em: f64,
    bottom_em: f64,
}

/// Where a block is placed, in em.
#[derive(Clone, Copy, Debug)]
enum Side {
    Top(f64),
    Bottom(f64),
}

/// The direction of a neighbour in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// The line before.
    Older,
    /// The line after.
    Newer,
}

/// The sheet of text that the crawl moves.
#[derive(Clone, Debug, Default)]
pub struct CrawlLayout {
    items: VecDeque<Item>,
    /// The index of the first entry shown …
    shown_from: usize,
    /// … and the index after the last one.
    shown_until: usize,
    /// The index of the first entry that hasn't been shown yet.
    queue_start: usize,
    /// The top of the next block: below the last one shown and its gap.
    cursor_em: f64,
    offset_em: f64,
    base_em: f64,
    stage: StageSize,
    pacing: Pacing,
    next_key: u64,
}

impl Default for StageSize {
    fn default() -> Self {
        Self { depth_em: f64::INFINITY, column_em: 14.2, px_em: 0.0 }
    }
}

impl CrawlLayout {
    /// Returns an empty plane at rest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Queues an entry after all others.
    pub fn queue(&mut self, entry: BlockContent) {
        let gap_em = gap_after(&entry).unwrap_or_default();
        self.items.push_back(Item { entry, size: 1.0, gap_em, block: None });
    }

    /// Removes and returns the entries that wait to be placed for the first time, in order.
    pub fn unqueue(&mut self) -> impl Iterator<Item = BlockContent> {
        self.items.drain(self.queue_start..).map(|item| item.entry)
    }

    /// Returns the number of entries that wait to be placed for the first time.
    pub fn queued(&self) -> usize {
        self.items.len() - self.queue_start
    }

    /// Whether a line of this message, or a note about it, waits to be placed for the first time.
    pub fn is_queued(&self, seq: u64) -> bool {
        self.items.range(self.queue_start..).any(|item| item.entry.is_about(seq))
    }

    /// Returns the number of blocks on the plane.
    pub fn shown(&self) -> usize {
        self.shown_until - self.shown_from
    }

    /// Returns the number of messages whose lines have yet to cross the edge: those that wait, and
    /// those that crossed it before the person went back.
    pub fn lines_ahead(&self) -> usize {
        self.items.range(self.shown_until..).filter(|item| matches!(item.entry, BlockContent::Item(_))).count()
    }

    /// Whether everything shown so far is above the edge.
    pub fn is_at_end(&self) -> bool {
        let is_up = |last: &Block| last.top_em <= self.offset_em + AHEAD_EM;
        self.shown_until == self.queue_start && self.last().is_none_or(is_up)
    }

    /// Whether the plane is empty and nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.shown() == 0 && self.shown_until == self.items.len()
    }

    /// Whether text of the opening is on the plane or queued.
    pub fn has_opening(&self) -> bool {
        self.items.range(self.shown_from..).any(|item| !matches!(item.entry, BlockContent::Item(_)))
    }

    /// Returns the speed, and the size of the next lines.
    pub fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// Returns the pacing, to change it.
    pub fn pacing_mut(&mut self) -> &mut Pacing {
        &mut self.pacing
    }

    /// Whether a line that came now would enter at once.
    pub fn takes_line(&self) -> bool {
        self.cursor_em < self.offset_em + ENTERS_EM
    }

    /// Returns a block on the plane, and its content.
    pub fn block(&self, key: Key) -> Option<(&BlockContent, &Block)> {
        // Blocks get keys at both ends, so keys aren't sorted.
        let shown = self.items.range(self.shown_from..self.shown_until);
        shown.filter_map(|item| Some((&item.entry, item.block.as_ref()?))).find(|(_, block)| block.key == key)
    }

    /// Returns the height of everything that has yet to cross the edge, in rows.
    pub fn waiting_rows(&self, unmeasured_lines: u64) -> f64 {
        let Waiting { set_em, lines } = self.waiting(unmeasured_lines);
        set_em / ROW_EM + lines as f64 * ROWS_PER_LINE
    }

    /// Returns the same as a fraction of the plane's visible length.
    pub fn waiting_screens(&self, unmeasured_lines: u64) -> f64 {
        self.pacing.waiting_em(self.waiting(unmeasured_lines), self.stage.column_em) / self.stage.depth_em
    }

    fn waiting(&self, unmeasured_lines: u64) -> Waiting {
        Waiting {
            set_em: (self.cursor_em - self.offset_em - AHEAD_EM).max(0.0),
            lines: (self.items.len() - self.shown_until) as u64 + unmeasured_lines,
        }
    }

    /// Decides what to do now. Call it a few times a second while the plane is on screen, and carry
    /// out the actions in order.
    pub fn tick(
        &mut self,
        now: Instant,
        viewport: Viewport,
        typesetter: &mut dyn Typesetter,
        actions: &mut Vec<Action>,
    ) {
        self.update_viewport(viewport);
        if viewport.offset_em > REBASE_AFTER_EM {
            self.rebase(actions);
        }
        self.fill(now, typesetter, actions);
        let waiting = self.waiting(viewport.unmeasured_lines);
        if let Some(rate) = self.pacing.update(now, waiting, viewport.arrived_lines, self.stage.column_em) {
            actions.push(Action::SetRate(rate));
        }
    }

    /// Moves by this distance, forward where it is positive, as far as there is something to see.
    pub fn scroll_by(&mut self, viewport: Viewport, by_em: f64, actions: &mut Vec<Action>) {
        self.update_viewport(viewport);
        let first_em = match self.first() {
            // The oldest block stays in view.
            Some(first) if self.shown_from == 0 => first.bottom_em + ROW_EM,
            None if self.shown_from == 0 => return,
            _ => f64::NEG_INFINITY,
        };
        let last_em = match self.last() {
            Some(last) if self.shown_until == self.queue_start => last.bottom_em,
            None if self.shown_until == self.queue_start => self.offset_em,
            _ => f64::INFINITY,
        };
        // If the plane is already beyond a bound, it isn't pulled back.
        let target_em = (self.offset_em + by_em).max(first_em.min(self.offset_em)).min(last_em.max(self.offset_em));
        self.seek(target_em, actions);
    }

    /// Brings the line of this message to where it can be read, if it was shown and is remembered.
    /// Returns whether it is.
    pub fn reveal(&mut self, viewport: Viewport, seq: u64, actions: &mut Vec<Action>) -> bool {
        self.update_viewport(viewport);
        let Some(place) = self.index_of(seq) else { return false };
        match self.items[place].block.as_ref().map(|block| (block.top_em, block.bottom_em)) {
            Some((top_em, bottom_em)) => {
                let is_readable = bottom_em <= self.offset_em && top_em >= self.offset_em - READ_UP_TO_EM;
                if !is_readable {
                    self.seek(top_em + READ_AT_EM, actions);
                }
            }
            None => self.anchor(place, self.offset_em - READ_AT_EM, actions),
        }
        true
    }

    /// Returns the line before or after this one. Without one, returns the lowest line that is
    /// completely on screen.
    pub fn neighbour(&self, seq: Option<u64>, toward: Toward) -> Option<u64> {
        let Some(place) = seq.and_then(|seq| self.index_of(seq)) else {
            return self.items.range(..self.read()?.0 + 1).rev().find_map(|item| item.entry.seq());
        };
        match toward {
            Toward::Older => self.items.range(..place).rev().find_map(|item| item.entry.seq()),
            Toward::Newer => self.items.range(place + 1..self.queue_start).find_map(|item| item.entry.seq()),
        }
    }

    /// Goes back to the newest line shown; the next line enters at the edge.
    pub fn go_to_end(&mut self, viewport: Viewport, actions: &mut Vec<Action>) {
        self.update_viewport(viewport);
        if !self.is_at_end() {
            self.anchor(self.queue_start, self.offset_em, actions);
        }
    }

    /// Sets everything in sight again after the column or the font changed. The line that is being
    /// read stays where it is.
    pub fn relayout(&mut self, viewport: Viewport, actions: &mut Vec<Action>) {
        self.update_viewport(viewport);
        if let Some((place, top_em)) = self.read() {
            self.anchor(place, top_em, actions);
        }
    }

    /// Places these entries on the plane above the edge, as if they had risen.
    pub fn show_poster(&mut self, viewport: Viewport, entries: Vec<BlockContent>, actions: &mut Vec<Action>) {
        self.update_viewport(viewport);
        self.clear(actions);
        for entry in entries {
            self.queue(entry);
        }
        self.queue_start = self.items.len();
        self.anchor(self.queue_start, self.offset_em, actions);
    }

    /// Forgets everything.
    pub fn clear(&mut self, actions: &mut Vec<Action>) {
        self.anchor(0, self.offset_em, actions);
        self.items.clear();
        self.queue_start = 0;
    }

    /// Removes blocks that have left the screen, and places those that come in, at either edge.
    fn fill(&mut self, now: Instant, typesetter: &mut dyn Typesetter, actions: &mut Vec<Action>) {
        let horizon_em = self.offset_em - self.stage.depth_em;
        while let Some(top_em) = self.last().map(|last| last.top_em).filter(|top| *top > self.offset_em + BELOW_EM) {
            self.shown_until -= 1;
            self.remove_block(self.shown_until, actions);
            self.cursor_em = top_em;
        }
        self.recycle_passed(horizon_em, actions);
        while self.cursor_em < self.offset_em + AHEAD_EM && self.shown_until < self.items.len() {
            let place = self.shown_until;
            let mut top_em = self.cursor_em;
            if place == self.queue_start {
                self.queue_start += 1;
                top_em = top_em.max(self.offset_em);
                if let Some(above) = place.checked_sub(1) {
                    self.items[above].gap_em += top_em - self.cursor_em;
                }
                let alone = self.shown_from == place;
                let Item { entry, size, gap_em, .. } = &mut self.items[place];
                actions.push(Action::AddToTranscript(entry.clone()));
                *gap_em = gap_after(entry).unwrap_or_else(|| {
                    *size = self.pacing.size_next(now, alone);
                    Pacing::gap_em(*size)
                });
            }
            self.set(place, typesetter, Side::Top(top_em), actions);
            if place + 1 == self.queue_start
                && let Item { entry: BlockContent::Item(CrawlItem::Line { .. }), block: Some(block), .. } =
                    &self.items[place]
                && let TypesetBlock::Rows(setting) = &block.typeset
            {
                self.pacing.note_line(setting);
            }
            self.shown_until += 1;
            self.cursor_em = self.last().map_or(top_em, |last| last.bottom_em) + self.items[place].gap_em;
            if self.shown() > BLOCKS_MAX {
                self.pass(actions);
            }
            // A long way forward passes many blocks.
            self.recycle_passed(horizon_em, actions);
        }
        while self.shown_from > 0 && self.shown() < BLOCKS_MAX {
            let place = self.shown_from - 1;
            let edge_em = self.first().map_or(self.cursor_em, |first| first.top_em);
            let bottom_em = edge_em - self.items[place].gap_em;
            if bottom_em <= horizon_em {
                break;
            }
            self.set(place, typesetter, Side::Bottom(bottom_em), actions);
            self.shown_from = place;
            // A long way back passes many blocks.
            if let Some(top_em) = self.first().map(|first| first.top_em).filter(|top| *top > self.offset_em + BELOW_EM)
            {
                self.remove_block(place, actions);
                self.shown_until = place;
                self.cursor_em = top_em;
            }
        }
        while self.shown_from > PASSED_MAX {
            self.items.pop_front();
            self.shown_from -= 1;
            self.shown_until -= 1;
            self.queue_start -= 1;
        }
    }

    /// Sets an entry and places it on the plane with this side at this position. Tops are whole
    /// pixels of the screen.
    fn set(&mut self, place: usize, typesetter: &mut dyn Typesetter, side: Side, actions: &mut Vec<Action>) {
        let Item { entry, size, .. } = &self.items[place];
        let typeset = typesetter.set(entry, *size);
        let height_em = typeset.height_em();
        let local_em = match side {
            Side::Top(top_em) => top_em,
            Side::Bottom(bottom_em) => bottom_em - height_em,
        };
        let local_em = self.snapped(local_em - self.base_em);
        let top_em = self.base_em + local_em;
        self.next_key += 1;
        let key = Key(self.next_key);
        actions.push(Action::Place { key, top_em: local_em });
        self.items[place].block = Some(Block { key, typeset, top_em, bottom_em: top_em + height_em });
    }

    fn remove_block(&mut self, place: usize, actions: &mut Vec<Action>) {
        if let Some(block) = self.items[place].block.take() {
            actions.push(Action::Remove { key: block.key });
        }
    }

    /// Removes the blocks above the horizon.
    fn recycle_passed(&mut self, horizon_em: f64, actions: &mut Vec<Action>) {
        while self.first().is_some_and(|first| first.bottom_em < horizon_em) {
            self.pass(actions);
        }
    }

    /// Removes the uppermost block, which has passed.
    fn pass(&mut self, actions: &mut Vec<Action>) {
        self.remove_block(self.shown_from, actions);
        self.shown_from += 1;
    }

    /// Removes all blocks; placing begins again with this entry, at this position.
    fn anchor(&mut self, place: usize, top_em: f64, actions: &mut Vec<Action>) {
        for shown in self.shown_from..self.shown_until {
            self.remove_block(shown, actions);
        }
        self.shown_from = place;
        self.shown_until = place;
        self.cursor_em = top_em;
    }

    fn first(&self) -> Option<&Block> {
        self.items.get(self.shown_from)?.block.as_ref()
    }

    fn last(&self) -> Option<&Block> {
        self.items.get(self.shown_until.checked_sub(1)?)?.block.as_ref()
    }

    /// Returns the lowest block that is completely on screen, or the first block, and its top.
    fn read(&self) -> Option<(usize, f64)> {
        let shown = (self.shown_from..self.shown_until).filter_map(|at| Some((at, self.items[at].block.as_ref()?)));
        let (at, block) =
            shown.clone().rfind(|(_, block)| block.bottom_em <= self.offset_em).or(shown.clone().next())?;
        Some((at, block.top_em))
    }

    fn update_viewport(&mut self, viewport: Viewport) {
        self.offset_em = self.base_em + viewport.offset_em;
        self.stage = viewport.stage;
    }

    fn seek(&mut self, target_em: f64, actions: &mut Vec<Action>) {
        self.offset_em = target_em;
        let offset_em = target_em - self.base_em;
        if !(REBASE_BELOW_EM..=REBASE_AFTER_EM).contains(&offset_em) {
            self.rebase(actions);
        }
        actions.push(Action::Seek { offset_em: self.offset_em - self.base_em });
    }

    /// Moves the base close to the plane's position, by whole pixels of the screen.
    fn rebase(&mut self, actions: &mut Vec<Action>) {
        let too_far_em = self.offset_em - self.base_em - REBASE_TO_EM;
        let shift_em = self.snapped(too_far_em);
        self.base_em += shift_em;
        actions.push(Action::Rebase { shift_em });
    }

    /// Rounds a length to whole pixels of the screen, if their size is known.
    fn snapped(&self, em: f64) -> f64 {
        let px_em = self.stage.px_em;
        if px_em > 0.0 { (em / px_em).round() * px_em } else { em }
    }

    fn index_of(&self, seq: u64) -> Option<usize> {
        (0..self.queue_start).rfind(|place| self.items[*place].entry.is_about(seq))
    }
}

/// Returns the space after an entry in em, where it doesn't depend on the stream.
fn gap_after(entry: &BlockContent) -> Option<f64> {
    match entry {
        BlockContent::Item(_) => None,
        BlockContent::Episode(_) => Some(EPISODE_GAP_EM),
        BlockContent::Title(_) => Some(TITLE_GAP_EM),
        BlockContent::Intro(_) => Some(ROW_EM),
    }
}

impl BlockContent {
    /// Returns the message it shows, or the last of those skipped.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Item(CrawlItem::Line { seq, .. } | CrawlItem::Skipped { seq, .. }) => Some(*seq),
            _ => None,
        }
    }

    fn is_about(&self, seq: u64) -> bool {
        matches!(self, Self::Item(item) if item.is_about(seq))
    }
}

/// The shape of the stage, which decides how much of the plane's length is visible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perspective {
    /// The height of the stage, in em of the crawl's font.
    pub stage_em: f64,
    /// The height of the horizon, in heights of the stage.
    pub horizon: f64,
    /// The factor by which the plane is stretched along its length.
    pub stretch: f64,
    /// The height at which the text has faded, in heights of the stage.
    pub fade: f64,
}

impl Perspective {
    /// The angle by which the plane leans back, in degrees.
    pub const TILT_DEGREES: f64 = 25.0;

    /// Returns the distance above the bottom edge, along the plane, at which a row is out of sight,
    /// in em. Infinite where the fade is above the horizon.
    pub fn depth_em(&self) -> f64 {
        self.along_em(self.fade)
    }

    /// Returns the distance below the bottom edge, along the plane, at which it reaches the eye, in
    /// em. What lies below that point is behind the eye.
    ///
    /// It solves `d·sin θ = p` for `d`, with `p` as in [`along_em`](Self::along_em).
    pub fn eye_em(&self) -> f64 {
        self.stage_em * self.horizon / Self::TILT_DEGREES.to_radians().cos() / self.stretch
    }

    /// Returns the distance from the bottom edge, along the plane, of the point that appears at
    /// this height (in heights of the stage); in em.
    ///
    /// A point `d` along the plane appears at the height `d·cos θ·p / (p + d·sin θ)` with the
    /// perspective `p = horizon·tan θ`; this is solved for `d`.
    pub fn along_em(&self, height: f64) -> f64 {
        let (sin, cos) = Self::TILT_DEGREES.to_radians().sin_cos();
        let perspective = self.horizon * sin / cos;
        let remaining = cos * perspective - height * sin;
        if remaining <= 0.0 {
            return f64::INFINITY;
        }
        self.stage_em * height * perspective / remaining / self.stretch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference frame: 1280×720, 6.55 % of the width.
    const WIDE: Perspective = Perspective { stage_em: 720.0 / 83.84, horizon: 1.17, stretch: 1.2, fade: 0.9 };

    #[test]
    fn the_eye_is_where_the_scale_is_infinite() {
        // At this height the scale is p / (p + d·sin θ) with a denominator of 0.
        let eye_em = WIDE.eye_em();
        assert!((9.2..9.3).contains(&eye_em), "{eye_em}");
        assert!(WIDE.along_em(-1e9) < 0.0 && (WIDE.along_em(-1e9) + eye_em).abs() < 1e-3);
    }

    #[test]
    fn depth_of_the_reference_pictures() {
        let depth = WIDE.depth_em();
        assert!((30.0..31.5).contains(&depth), "{depth}");
        assert_eq!(WIDE.along_em(0.0), 0.0);
        let above = Perspective { fade: 1.2, ..WIDE };
        assert!(above.depth_em().is_infinite());
    }
}
