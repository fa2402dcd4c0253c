//! Placing, pruning and rebasing; going back and forward again.
//!
//! The plane's coordinate grows downward, from the horizon toward the reader.
//! Its *offset* is how far it has travelled: what stands at `offset` is just
//! at the bottom edge of the screen, what stands below (at larger values) is
//! yet to be seen, and what stands `depth` above has faded.
//!
//! All entries stand in one row, and three places divide it:
//!
//! ```text
//!  passed    told, and out of sight above: the newest PASSED_MAX of them
//!  shown     on the plane, BLOCKS_MAX at most
//!  ahead     told, and out of sight below, since somebody went back
//!  queued    yet to be told
//! ```
//!
//! A new block is put at `max(cursor, offset)`: right after its predecessor, or
//! at the edge if the predecessor is long gone. Since it is put there while it
//! is still out of sight, nothing ever pops into view. Blocks that come back are
//! put next to their neighbour, as far from it as they were.
//!
//! Coordinates here only ever grow with the way travelled, which is exact in an
//! `f64` for years. What a browser gets is measured from a base near by, and a
//! *rebase* is another base. The animation has an end, and Chromium paints a
//! composited layer only some thousand pixels around the place where it believes the
//! window to lie over it. The base follows every few em, by whole pixels of the
//! screen, so that letters are drawn as they were.

use std::collections::VecDeque;

use crate::crawl::item::CrawlItem;
use crate::crawl::pacing::{Pacing, Waiting};
use crate::crawl::typeset::{TypesetBlock, Typesetter};
use crate::crawl::{Action, BlockContent, ROW_EM, ROWS_PER_LINE};
use crate::time::Instant;

/// The most blocks on the plane at once: what a phone in portrait can show of
/// small ones, and little enough for every style recalculation.
pub const BLOCKS_MAX: usize = 80;

/// So many blocks are remembered that have passed: an hour of reading, and half
/// a megabyte at most.
pub const PASSED_MAX: usize = 1_000;

/// Blocks are placed while the cursor is less than this far below the edge.
const AHEAD_EM: f64 = 2.0 * ROW_EM;

/// What is placed less than this far below the edge enters within a second.
const ENTERS_EM: f64 = 0.25 * ROW_EM;

/// A block that is further below the edge than this is taken off; more than
/// [`AHEAD_EM`], so that a small move back and forward changes nothing.
const BELOW_EM: f64 = 6.0 * ROW_EM;

/// Travelling further than this brings a rebase: half a screen, a thousand pixels on a
/// very large one.
pub const REBASE_AFTER_EM: f64 = 4.0;

/// So does going back to less than this; there is no way before the
/// animation's beginning.
const REBASE_BELOW_EM: f64 = 0.5;

/// A rebase leaves this much of the way travelled.
const REBASE_TO_EM: f64 = 1.5;

/// A line that somebody asks for is shown so far above the edge, where it can
/// be read, in em …
const READ_AT_EM: f64 = 6.0 * ROW_EM;

/// … unless it is on screen no further up than this.
const READ_UP_TO_EM: f64 = 9.0 * ROW_EM;

/// Space between the episode and the title, in em.
const EPISODE_GAP_EM: f64 = 0.25;

/// Space after the title, in em.
const TITLE_GAP_EM: f64 = 0.9;

/// Names a block for as long as it is on the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// The stage's measures that decide where blocks stand, in em of the crawl's font.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageSize {
    /// How far above the edge a block is out of sight.
    pub depth_em: f64,
    /// The column's width.
    pub column_em: f64,
    /// A pixel of the screen; 0 where nobody knows.
    pub px_em: f64,
}

/// What the outside world knows at a tick.
#[derive(Clone, Copy, Debug)]
pub struct Viewport {
    /// How far the plane has really travelled since the last rebase, in em.
    pub offset_em: f64,
    /// The stage.
    pub stage: StageSize,
    /// Lines that wait elsewhere and that nobody has measured.
    pub unmeasured_lines: u64,
    /// Lines that have come since the beginning, those that wait included.
    pub arrived_lines: u64,
}

/// An entry, and where it is if it is on the plane.
#[derive(Clone, Debug)]
struct Item {
    entry: BlockContent,
    /// Size of its font, in em of the crawl's; it keeps it.
    size: f64,
    /// Space below it.
    gap_em: f64,
    block: Option<Block>,
}

/// An entry's block on the plane.
#[derive(Clone, Debug)]
pub struct Block {
    key: Key,
    /// How it was set.
    pub typeset: TypesetBlock,
    top_em: f64,
    bottom_em: f64,
}

/// Where a block is to stand, in em.
#[derive(Clone, Copy, Debug)]
enum Side {
    Top(f64),
    Bottom(f64),
}

/// A neighbour in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// The line before.
    Older,
    /// The line after.
    Newer,
}

/// The sheet that the crawl is written on.
#[derive(Clone, Debug, Default)]
pub struct CrawlLayout {
    items: VecDeque<Item>,
    /// Where those begin that are shown …
    shown_from: usize,
    /// … and where they end.
    shown_until: usize,
    /// Where those begin that are yet to be told.
    told_until: usize,
    /// Where the next block goes: below the last one shown, and its gap.
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
    /// A bare plane at rest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an entry that is to be shown after all others.
    pub fn queue(&mut self, entry: BlockContent) {
        let gap_em = gap_after(&entry).unwrap_or_default();
        self.items.push_back(Item { entry, size: 1.0, gap_em, block: None });
    }

    /// Takes back what still waits for its first place, in its order.
    pub fn unqueue(&mut self) -> impl Iterator<Item = BlockContent> {
        self.items.drain(self.told_until..).map(|item| item.entry)
    }

    /// How many entries wait for their first place.
    pub fn queued(&self) -> usize {
        self.items.len() - self.told_until
    }

    /// Whether a line of this message, or a note of it, waits for its first place.
    pub fn is_queued(&self, seq: u64) -> bool {
        self.items.range(self.told_until..).any(|item| item.entry.is_about(seq))
    }

    /// How many blocks stand on the plane.
    pub fn shown(&self) -> usize {
        self.shown_until - self.shown_from
    }

    /// How many messages' lines are still to cross the edge: those that wait,
    /// and those that crossed it once, before somebody went back.
    pub fn lines_ahead(&self) -> usize {
        self.items.range(self.shown_until..).filter(|item| matches!(item.entry, BlockContent::Item(_))).count()
    }

    /// Nothing that was told is still below the edge.
    pub fn is_at_end(&self) -> bool {
        let is_up = |last: &Block| last.top_em <= self.offset_em + AHEAD_EM;
        self.shown_until == self.told_until && self.last().is_none_or(is_up)
    }

    /// There is nothing on it, and nothing to come.
    pub fn is_empty(&self) -> bool {
        self.shown() == 0 && self.shown_until == self.items.len()
    }

    /// Words of the opening stand on it, or are to come.
    pub fn has_opening(&self) -> bool {
        self.items.range(self.shown_from..).any(|item| !matches!(item.entry, BlockContent::Item(_)))
    }

    /// The speed, and the size of what comes next.
    pub fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    /// The means to change them.
    pub fn pacing_mut(&mut self) -> &mut Pacing {
        &mut self.pacing
    }

    /// A line that came now would enter at once.
    pub fn takes_line(&self) -> bool {
        self.cursor_em < self.offset_em + ENTERS_EM
    }

    /// A block that stands on the plane, and what it is.
    pub fn block(&self, key: Key) -> Option<(&BlockContent, &Block)> {
        // Keys are given at both ends, so they aren't in order.
        let shown = self.items.range(self.shown_from..self.shown_until);
        shown.filter_map(|item| Some((&item.entry, item.block.as_ref()?))).find(|(_, block)| block.key == key)
    }

    /// Everything that is still to cross the edge, in rows.
    pub fn waiting_rows(&self, unmeasured_lines: u64) -> f64 {
        let Waiting { set_em, lines } = self.waiting(unmeasured_lines);
        set_em / ROW_EM + lines as f64 * ROWS_PER_LINE
    }

    /// The same as a part of what is seen of the plane at once.
    pub fn waiting_screens(&self, unmeasured_lines: u64) -> f64 {
        self.pacing.waiting_em(self.waiting(unmeasured_lines), self.stage.column_em) / self.stage.depth_em
    }

    fn waiting(&self, unmeasured_lines: u64) -> Waiting {
        Waiting {
            set_em: (self.cursor_em - self.offset_em - AHEAD_EM).max(0.0),
            lines: (self.items.len() - self.shown_until) as u64 + unmeasured_lines,
        }
    }

    /// Decides what is to be done now. Call it a few times a second while the
    /// plane is on screen, and carry out the actions in their order.
    pub fn tick(&mut self, now: Instant, around: Viewport, typesetter: &mut dyn Typesetter, actions: &mut Vec<Action>) {
        self.look(around);
        if around.offset_em > REBASE_AFTER_EM {
            self.rebase(actions);
        }
        self.fill(now, typesetter, actions);
        let waiting = self.waiting(around.unmeasured_lines);
        if let Some(rate) = self.pacing.update(now, waiting, around.arrived_lines, self.stage.column_em) {
            actions.push(Action::Rate(rate));
        }
    }

    /// Moves by so much, forward where it is positive, as far as there is
    /// something to see.
    pub fn travel(&mut self, around: Viewport, by_em: f64, actions: &mut Vec<Action>) {
        self.look(around);
        let first_em = match self.first() {
            // The oldest stays in view.
            Some(first) if self.shown_from == 0 => first.bottom_em + ROW_EM,
            None if self.shown_from == 0 => return,
            _ => f64::NEG_INFINITY,
        };
        let last_em = match self.last() {
            Some(last) if self.shown_until == self.told_until => last.bottom_em,
            None if self.shown_until == self.told_until => self.offset_em,
            _ => f64::INFINITY,
        };
        // Where it stands already beyond a bound it isn't pulled back.
        let target_em = (self.offset_em + by_em).max(first_em.min(self.offset_em)).min(last_em.max(self.offset_em));
        self.seek(target_em, actions);
    }

    /// Shows the line of this message where it can be read, if it was told and
    /// is remembered. Returns whether it is.
    pub fn reveal(&mut self, around: Viewport, seq: u64, actions: &mut Vec<Action>) -> bool {
        self.look(around);
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

    /// The line told before or after this one; without one, the lowest line
    /// that is on screen as a whole.
    pub fn neighbour(&self, seq: Option<u64>, toward: Toward) -> Option<u64> {
        let Some(place) = seq.and_then(|seq| self.index_of(seq)) else {
            return self.items.range(..self.read()?.0 + 1).rev().find_map(|item| item.entry.seq());
        };
        match toward {
            Toward::Older => self.items.range(..place).rev().find_map(|item| item.entry.seq()),
            Toward::Newer => self.items.range(place + 1..self.told_until).find_map(|item| item.entry.seq()),
        }
    }

    /// Back to the newest of all that was told; what comes next enters at the
    /// edge.
    pub fn go_to_end(&mut self, around: Viewport, actions: &mut Vec<Action>) {
        self.look(around);
        if !self.is_at_end() {
            self.anchor(self.told_until, self.offset_em, actions);
        }
    }

    /// Another column, or another font: everything in sight is set anew, and the
    /// line that is read stays where it is.
    pub fn relayout(&mut self, around: Viewport, actions: &mut Vec<Action>) {
        self.look(around);
        if let Some((place, top_em)) = self.read() {
            self.anchor(place, top_em, actions);
        }
    }

    /// Lets these stand on the plane, above the edge, as if they had risen.
    pub fn pose(&mut self, around: Viewport, entries: Vec<BlockContent>, actions: &mut Vec<Action>) {
        self.look(around);
        self.clear(actions);
        for entry in entries {
            self.queue(entry);
        }
        self.told_until = self.items.len();
        self.anchor(self.told_until, self.offset_em, actions);
    }

    /// Forgets everything.
    pub fn clear(&mut self, actions: &mut Vec<Action>) {
        self.anchor(0, self.offset_em, actions);
        self.items.clear();
        self.told_until = 0;
    }

    /// Takes what has left the screen off the plane, and puts on it what comes
    /// in, at either edge.
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
            if place == self.told_until {
                self.told_until += 1;
                top_em = top_em.max(self.offset_em);
                if let Some(above) = place.checked_sub(1) {
                    self.items[above].gap_em += top_em - self.cursor_em;
                }
                let alone = self.shown_from == place;
                let Item { entry, size, gap_em, .. } = &mut self.items[place];
                actions.push(Action::Transcribe(entry.clone()));
                *gap_em = gap_after(entry).unwrap_or_else(|| {
                    *size = self.pacing.size_next(now, alone);
                    Pacing::gap_em(*size)
                });
            }
            self.set(place, typesetter, Side::Top(top_em), actions);
            if place + 1 == self.told_until
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
            // A long way forward goes past many.
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
            // A long way back goes past many.
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
            self.told_until -= 1;
        }
    }

    /// Sets an entry and puts it on the plane with this side there. Tops are whole
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

    /// Takes off what stands above the horizon.
    fn recycle_passed(&mut self, horizon_em: f64, actions: &mut Vec<Action>) {
        while self.first().is_some_and(|first| first.bottom_em < horizon_em) {
            self.pass(actions);
        }
    }

    /// The uppermost block has passed.
    fn pass(&mut self, actions: &mut Vec<Action>) {
        self.remove_block(self.shown_from, actions);
        self.shown_from += 1;
    }

    /// Takes everything off; what is put back begins with this entry, at this
    /// place.
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

    /// The lowest block that is on screen as a whole, or the first, and its top.
    fn read(&self) -> Option<(usize, f64)> {
        let shown = (self.shown_from..self.shown_until).filter_map(|at| Some((at, self.items[at].block.as_ref()?)));
        let (at, block) =
            shown.clone().rfind(|(_, block)| block.bottom_em <= self.offset_em).or(shown.clone().next())?;
        Some((at, block.top_em))
    }

    fn look(&mut self, around: Viewport) {
        self.offset_em = self.base_em + around.offset_em;
        self.stage = around.stage;
    }

    fn seek(&mut self, target_em: f64, actions: &mut Vec<Action>) {
        self.offset_em = target_em;
        let offset_em = target_em - self.base_em;
        if !(REBASE_BELOW_EM..=REBASE_AFTER_EM).contains(&offset_em) {
            self.rebase(actions);
        }
        actions.push(Action::Seek { offset_em: self.offset_em - self.base_em });
    }

    /// Moves the base close to where the plane is, by whole pixels of the screen.
    fn rebase(&mut self, actions: &mut Vec<Action>) {
        let too_far_em = self.offset_em - self.base_em - REBASE_TO_EM;
        let shift_em = self.snapped(too_far_em);
        self.base_em += shift_em;
        actions.push(Action::Rebase { shift_em });
    }

    /// A length in whole pixels of the screen, where one knows how large they are.
    fn snapped(&self, em: f64) -> f64 {
        let px_em = self.stage.px_em;
        if px_em > 0.0 { (em / px_em).round() * px_em } else { em }
    }

    fn index_of(&self, seq: u64) -> Option<usize> {
        (0..self.told_until).rfind(|place| self.items[*place].entry.is_about(seq))
    }
}

/// The space after an entry in em, where it doesn't depend on the stream.
fn gap_after(entry: &BlockContent) -> Option<f64> {
    match entry {
        BlockContent::Item(_) => None,
        BlockContent::Episode(_) => Some(EPISODE_GAP_EM),
        BlockContent::Title(_) => Some(TITLE_GAP_EM),
        BlockContent::Intro(_) => Some(ROW_EM),
    }
}

impl BlockContent {
    /// The message it tells of, or the last of those passed over.
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Item(CrawlItem::Line { seq, .. } | CrawlItem::Passed { seq, .. }) => Some(*seq),
            _ => None,
        }
    }

    fn is_about(&self, seq: u64) -> bool {
        matches!(self, Self::Item(told) if told.is_about(seq))
    }
}

/// The shape of the stage that decides how deep one sees into the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Perspective {
    /// Height of the stage, in em of the crawl's font.
    pub stage_em: f64,
    /// Height of the horizon, in heights of the stage.
    pub horizon: f64,
    /// How much the plane is stretched along its length.
    pub stretch: f64,
    /// Where the text has faded, in heights of the stage.
    pub fade: f64,
}

impl Perspective {
    /// By how much the plane leans back, in degrees.
    pub const TILT_DEGREES: f64 = 25.0;

    /// How far above the bottom edge, along the plane, a row is out of sight,
    /// in em. Without an end where the fade lies above the horizon.
    pub fn depth_em(&self) -> f64 {
        self.along_em(self.fade)
    }

    /// How far from the bottom edge, along the plane, the point is that shows at
    /// this height, in heights of the stage; in em.
    ///
    /// A point `d` along the plane shows at the height `d·cos θ·p / (p + d·sin
    /// θ)` with the perspective `p = horizon·tan θ`; this is solved for `d`.
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

    /// The reference picture: 1280×720, 6.55 % of the width.
    const WIDE: Perspective = Perspective { stage_em: 720.0 / 83.84, horizon: 1.17, stretch: 1.2, fade: 0.9 };

    #[test]
    fn depth_of_the_reference_pictures() {
        let depth = WIDE.depth_em();
        assert!((30.0..31.5).contains(&depth), "{depth}");
        assert_eq!(WIDE.along_em(0.0), 0.0);
        let above = Perspective { fade: 1.2, ..WIDE };
        assert!(above.depth_em().is_infinite());
    }
}
