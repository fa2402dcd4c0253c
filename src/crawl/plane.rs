//! Placing, pruning and rebasing.
//!
//! The plane's coordinate grows downward, from the horizon toward the reader.
//! Its *offset* is how far it has travelled: what stands at `offset` is just
//! at the bottom edge of the screen, what stands below (at larger values) is
//! yet to be seen, and what stands `depth` above has faded.
//!
//! A block is put at `max(cursor, offset)`: right after its predecessor, or at
//! the edge if the predecessor is long gone. Since it is put there while it is
//! still out of sight, nothing ever pops into view.

use std::collections::VecDeque;

use super::pacing::{self, Pacing};
use super::{ROW_EM, ROWS_PER_LINE};
use crate::time::Instant;

/// The most blocks on the plane at once: what a phone in portrait can show,
/// and little enough for every style recalculation.
pub const MAX_BLOCKS: usize = 60;

/// Blocks are placed while the cursor is less than this far below the edge.
const AHEAD_EM: f64 = 2.0 * ROW_EM;

/// Travelling further than this brings a rebase. A compositor works with
/// single precision: at 1,000 em of 120 px one step of it is 0.008 px.
pub const REBASE_AFTER_EM: f64 = 1_000.0;

/// A rebase takes away whole multiples of this.
const REBASE_STEP_EM: f64 = 100.0;

/// Names a block from the moment it is queued until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

/// A block that was measured and waits for its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Its height, in em.
    pub height_em: f64,
    /// The space after it.
    pub gap: Gap,
}

/// The space after a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gap {
    /// As the pacing wants it.
    Paced,
    /// Exactly this, in em.
    Em(f64),
}

/// What the view has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Take `shift_em` off every placed block's top and off the offset, in one
    /// task: nothing on screen moves.
    Rebase {
        /// How much, in em.
        shift_em: f64,
    },
    /// The block has faded: forget it.
    Remove {
        /// Which.
        key: Key,
    },
    /// Put the block there.
    Place {
        /// Which.
        key: Key,
        /// Its upper edge on the plane, in em.
        top_em: f64,
    },
    /// Set the animation's playback rate.
    Rate(f64),
    /// There is something to show: let the plane move.
    Run,
    /// The plane is bare and nothing waits: stop it, and let the machine rest.
    Rest,
}

/// What the outside world knows at a tick.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// How far the plane has really travelled since the last rebase, in em.
    pub offset_em: f64,
    /// How far above the edge a block is out of sight, in em.
    pub depth_em: f64,
    /// Lines that wait elsewhere and that nobody has measured.
    pub unmeasured_lines: u64,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: Key,
    block: Block,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    key: Key,
    bottom_em: f64,
}

/// The sheet that the crawl is written on.
#[derive(Clone, Debug, Default)]
pub struct Plane {
    queue: VecDeque<Waiting>,
    placed: VecDeque<Placed>,
    cursor_em: f64,
    offset_em: f64,
    pacing: Pacing,
    next_key: u64,
    moving: bool,
}

impl Plane {
    /// A bare plane at rest.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a block that is to be shown after all others.
    pub fn queue(&mut self, block: Block) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.queue.push_back(Waiting { key, block });
        key
    }

    /// Takes back all blocks that still wait for their place, in their order.
    pub fn unqueue(&mut self) -> Vec<Key> {
        self.queue.drain(..).map(|waiting| waiting.key).collect()
    }

    /// How many blocks wait for their place.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many blocks stand on the plane.
    pub fn placed(&self) -> usize {
        self.placed.len()
    }

    /// Everything that is still to cross the edge, in rows.
    pub fn waiting_rows(&self, unmeasured_lines: u64) -> f64 {
        let queued: f64 = self.queue.iter().map(|waiting| waiting.block.height_em).sum();
        let below_edge = (self.cursor_em - self.offset_em - AHEAD_EM).max(0.0);
        (queued + below_edge) / ROW_EM + unmeasured_lines as f64 * ROWS_PER_LINE
    }

    /// Decides what is to be done now. Call it a few times a second while the
    /// plane is on screen, and carry out the actions in their order.
    #[must_use]
    pub fn tick(&mut self, now: Instant, around: Surroundings) -> Vec<Action> {
        let mut actions = Vec::new();
        self.offset_em = around.offset_em;
        self.rebase(&mut actions);
        self.prune(around.depth_em, &mut actions);
        self.place(around.unmeasured_lines, &mut actions);
        let rows = self.waiting_rows(around.unmeasured_lines);
        if let Some(rate) = self.pacing.update(now, rows) {
            actions.push(Action::Rate(rate));
        }
        self.run_or_rest(&mut actions);
        actions
    }

    /// Forgets everything; the view takes all blocks off the plane.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.placed.clear();
        self.cursor_em = 0.0;
    }

    fn rebase(&mut self, actions: &mut Vec<Action>) {
        if self.offset_em <= REBASE_AFTER_EM {
            return;
        }
        let shift_em = (self.offset_em / REBASE_STEP_EM).floor() * REBASE_STEP_EM;
        self.offset_em -= shift_em;
        self.cursor_em -= shift_em;
        for placed in &mut self.placed {
            placed.bottom_em -= shift_em;
        }
        actions.push(Action::Rebase { shift_em });
    }

    fn prune(&mut self, depth_em: f64, actions: &mut Vec<Action>) {
        let horizon_em = self.offset_em - depth_em;
        while let Some(key) =
            self.placed.front().filter(|oldest| oldest.bottom_em < horizon_em).map(|oldest| oldest.key)
        {
            self.placed.pop_front();
            actions.push(Action::Remove { key });
        }
    }

    fn place(&mut self, unmeasured_lines: u64, actions: &mut Vec<Action>) {
        let gap_em = pacing::gap_em(self.waiting_rows(unmeasured_lines));
        while self.cursor_em < self.offset_em + AHEAD_EM {
            let Some(Waiting { key, block }) = self.queue.pop_front() else {
                return;
            };
            if self.placed.len() >= MAX_BLOCKS
                && let Some(oldest) = self.placed.pop_front()
            {
                actions.push(Action::Remove { key: oldest.key });
            }
            let top_em = self.cursor_em.max(self.offset_em);
            let bottom_em = top_em + block.height_em;
            self.placed.push_back(Placed { key, bottom_em });
            self.cursor_em = bottom_em
                + match block.gap {
                    Gap::Paced => gap_em,
                    Gap::Em(gap_em) => gap_em,
                };
            actions.push(Action::Place { key, top_em });
        }
    }

    fn run_or_rest(&mut self, actions: &mut Vec<Action>) {
        let wanted = !(self.placed.is_empty() && self.queue.is_empty());
        if wanted == self.moving {
            return;
        }
        self.moving = wanted;
        actions.push(if wanted { Action::Run } else { Action::Rest });
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
    ///
    /// A point `d` along the plane shows at the height `d·cos θ·p / (p + d·sin
    /// θ)` with the perspective `p = horizon·tan θ`; this is solved for `d`.
    pub fn depth_em(&self) -> f64 {
        let (sin, cos) = Self::TILT_DEGREES.to_radians().sin_cos();
        let perspective = self.horizon * sin / cos;
        let remaining = cos * perspective - self.fade * sin;
        if remaining <= 0.0 {
            return f64::INFINITY;
        }
        self.stage_em * self.fade * perspective / remaining / self.stretch
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
        let above = Perspective { fade: 1.2, ..WIDE };
        assert!(above.depth_em().is_infinite());
    }

    #[test]
    fn a_lone_block_enters_at_the_edge() {
        let mut plane = Plane::new();
        let key = plane.queue(Block { height_em: ROW_EM, gap: Gap::Paced });
        let around = Surroundings { offset_em: 7.0, depth_em: 30.0, unmeasured_lines: 0 };
        let actions = plane.tick(Instant::EPOCH, around);
        assert_eq!(actions, [Action::Place { key, top_em: 7.0 }, Action::Run]);
        let later = Surroundings { offset_em: 39.0, ..around };
        assert_eq!(plane.tick(Instant::from_millis(200), later), [Action::Remove { key }, Action::Rest]);
    }

    #[test]
    fn blocks_follow_each_other_with_a_gap() {
        let mut plane = Plane::new();
        for _ in 0..5 {
            plane.queue(Block { height_em: 2.0 * ROW_EM, gap: Gap::Em(0.5) });
        }
        let around = Surroundings { offset_em: 0.0, depth_em: 30.0, unmeasured_lines: 0 };
        let tops: Vec<f64> = plane
            .tick(Instant::EPOCH, around)
            .into_iter()
            .filter_map(|action| match action {
                Action::Place { top_em, .. } => Some(top_em),
                _ => None,
            })
            .collect();
        assert_eq!(tops, [0.0], "the second would stand more than two rows ahead");
        assert_eq!(plane.queued(), 4);
    }

    #[test]
    fn a_full_plane_gives_up_its_oldest() {
        let mut plane = Plane::new();
        let mut removed = 0;
        for step in 0..200 {
            plane.queue(Block { height_em: 0.5, gap: Gap::Em(0.0) });
            let around =
                Surroundings { offset_em: f64::from(step) * 0.5, depth_em: f64::INFINITY, unmeasured_lines: 0 };
            removed += plane
                .tick(Instant::EPOCH, around)
                .iter()
                .filter(|action| matches!(action, Action::Remove { .. }))
                .count();
            assert!(plane.placed() <= MAX_BLOCKS);
        }
        assert_eq!(removed, 200 - MAX_BLOCKS);
    }
}
