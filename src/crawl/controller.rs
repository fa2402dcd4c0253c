//! The crawl as one state machine: which lines are shown, how the plane moves, and the person's
//! requests.
//!
//! Lines, requests and the time go in; [`Action`]s come out, for a view that decides nothing. A
//! night of it is therefore tested natively, in virtual time.

use std::collections::VecDeque;

use crate::crawl::action::{Action, Motion};
use crate::crawl::block::BlockContent;
use crate::crawl::block::Key;
use crate::crawl::feed::CrawlRoom;
use crate::crawl::item::CrawlItem;
use crate::crawl::layout::{Block, CrawlLayout, StageSize, Toward, Viewport};
use crate::crawl::metrics::ROW_EM;
use crate::crawl::opening::{IntroMode, Opening, OpeningSequence, OpeningTrigger, Scene};
use crate::crawl::pacing::Pace;
use crate::crawl::typeset::Typesetter;
use crate::time::Instant;

/// The number of lines that wait in the page. All others wait in the worker, where the oldest can
/// still be condensed.
const READY_LINES_MAX: usize = 3;

/// The number of those lines that belong to the plane: no tick places more at the highest speed.
const READY_ENTRIES_MAX: usize = 2;

/// The number of lines that the plain transcript takes per pull.
const TRANSCRIPT_LINES_MAX: usize = 4;

/// Milliseconds between two ticks. The compositor moves the plane; a tick only adds and removes
/// rows, so a few per second are enough.
const TICK_MS: u32 = 200;

/// The same while the plane is held, when there is almost nothing to do.
const HELD_TICK_MS: u32 = 1_000;

/// The view's measurements at a tick.
#[derive(Clone, Copy, Debug)]
pub struct TickInput {
    /// The time.
    pub now: Instant,
    /// The distance that the plane has really travelled since the last rebase, in em.
    pub offset_em: f64,
    /// The stage's size.
    pub stage: StageSize,
}

/// The crawl's state.
#[derive(Clone, Debug)]
pub struct CrawlController {
    sequence: OpeningSequence,
    opening: Opening,
    incoming: VecDeque<CrawlItem>,
    /// Lines that wait in the worker.
    pending: u64,
    /// Lines received from the worker since the beginning.
    taken: u64,
    plane: CrawlLayout,
    hold: PauseState,
    /// Whether the flat transcript is shown instead of the plane.
    is_plain: bool,
    is_hidden: bool,
    motion: Motion,
    /// Whether the opening's text is on the plane as a poster, before the first connection.
    has_poster: bool,
}

/// Why the person holds the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PauseState {
    /// The plane isn't held.
    Running,
    /// The person pressed Pause.
    Paused,
    /// The person went back to read; reaching the end again ends it.
    ScrolledBack,
}

impl Default for CrawlController {
    fn default() -> Self {
        Self::new()
    }
}

impl CrawlController {
    /// Returns the state before the first connection, without lines.
    pub fn new() -> Self {
        Self {
            sequence: OpeningSequence::new(),
            opening: Opening::default(),
            incoming: VecDeque::new(),
            pending: 0,
            taken: 0,
            plane: CrawlLayout::new(),
            hold: PauseState::Running,
            is_plain: false,
            is_hidden: false,
            motion: Motion::None,
            has_poster: false,
        }
    }

    /// Returns the scene that the stage shows.
    pub fn scene(&self) -> Scene {
        self.sequence.scene()
    }

    /// Whether the person holds the plane.
    pub fn is_held(&self) -> bool {
        self.hold != PauseState::Running
    }

    /// Whether plain text is shown instead of the plane.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns the speed that the person chose, in percent of the film's.
    pub fn speed_percent(&self) -> u32 {
        self.plane.pacing().speed_percent()
    }

    /// Returns the block that an action refers to, and its content.
    pub fn block(&self, key: Key) -> Option<(&BlockContent, &Block)> {
        self.plane.block(key)
    }

    /// Returns the number of blocks on the plane.
    pub fn shown(&self) -> usize {
        self.plane.shown()
    }

    /// Adds lines after all others, and stores how many more wait in the worker. The first lines
    /// begin the opening.
    pub fn push(&mut self, now: Instant, lines: Vec<CrawlItem>, pending: u64) {
        self.pending = match self.plane.pacing().pace() {
            // The others are left out.
            Pace::Latest => pending.min(1),
            Pace::All | Pace::Film => pending,
        };
        self.taken += lines.len() as u64;
        self.incoming.extend(lines);
        if !self.incoming.is_empty() {
            self.begin(now);
        }
    }

    /// Returns how much the crawl accepts now: no line while it is full, held or out of sight. The
    /// remaining lines wait in the worker. `row_letters` is the number of letters that fit in a row
    /// at the film's size.
    pub fn room(&self, row_letters: f64) -> CrawlRoom {
        let pacing = self.plane.pacing();
        let size = pacing.pace().size_min();
        CrawlRoom {
            lines: self.room_lines() as u32,
            pace: pacing.pace(),
            row_letters: (row_letters / size) as u32,
            rows_per_min: (pacing.speed_max_em_per_s() * 60.0 / (ROW_EM * size)) as u32,
        }
    }

    fn room_lines(&self) -> usize {
        // Behind plain text the plane doesn't move, wherever it is.
        let is_closed = match self.is_plain {
            true => self.hold == PauseState::Paused,
            false => self.is_held() || !self.plane.is_at_end(),
        };
        if self.is_hidden || is_closed {
            return 0;
        }
        let ready = match self.plane.pacing().pace() {
            _ if self.is_plain => TRANSCRIPT_LINES_MAX,
            // A line that waited here would be outdated when it is shown.
            Pace::Latest => usize::from(self.plane.takes_line()),
            Pace::All | Pace::Film => READY_LINES_MAX,
        };
        ready.saturating_sub(self.incoming.len() + self.plane.queued())
    }

    /// Returns the number of received lines that have yet to cross the edge. Together with those in
    /// the worker this is how far the crawl is behind.
    pub fn waiting(&self) -> u64 {
        let ahead = if self.is_plain { 0 } else { self.plane.lines_ahead() };
        (self.incoming.len() + ahead) as u64
    }

    /// Returns how many lines the crawl is behind, if these are more than fit on the screen, or if
    /// the person went back.
    pub fn lag(&self) -> Option<u64> {
        let lines = self.waiting() + self.pending;
        let lags = self.hold == PauseState::ScrolledBack || self.plane.waiting_screens(self.unmeasured()) > 1.0;
        (lags && !self.is_plain && self.scene().shows_lines()).then_some(lines)
    }

    /// Handles the connection: plays the opening unless it was played already.
    pub fn begin(&mut self, now: Instant) {
        if self.scene() == Scene::Idle {
            self.sequence.start(now, OpeningTrigger::Connection);
        }
    }

    /// Plays the opening, whether or not it was played already.
    pub fn play_opening(&mut self, now: Instant) {
        self.hold = PauseState::Running;
        self.sequence.start(now, OpeningTrigger::Request);
    }

    /// Returns the opening's text and settings.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Sets the opening's text and settings.
    pub fn set_opening(&mut self, opening: Opening) {
        // A speed chosen by key is kept when only the text changes.
        if opening.speed_percent != self.opening.speed_percent {
            self.plane.pacing_mut().set_speed(opening.speed_percent);
        }
        self.plane.pacing_mut().set_pace(opening.pace);
        self.opening = opening;
        self.has_poster = false;
    }

    /// Skips the rest of the opening.
    pub fn skip_opening(&mut self) {
        self.sequence.skip();
    }

    /// Forgets the lines without playing the opening again; the next lines follow as usual.
    pub fn clear(&mut self, actions: &mut Vec<Action>) {
        self.incoming.clear();
        if self.scene().shows_lines() {
            self.plane.clear(actions);
        }
        if self.hold == PauseState::ScrolledBack {
            self.hold = PauseState::Running;
        }
    }

    /// Holds the plane, or releases it from where it is.
    pub fn toggle_pause(&mut self) {
        self.hold = match self.hold {
            PauseState::Running => PauseState::Paused,
            PauseState::Paused | PauseState::ScrolledBack => PauseState::Running,
        };
    }

    /// Shows plain text instead of the plane, or the plane again.
    pub fn show_plain(&mut self, is_plain: bool) {
        self.is_plain = is_plain;
    }

    /// Stores whether the crawl is out of sight: the tab is hidden, or the pane is closed.
    pub fn set_hidden(&mut self, is_hidden: bool) {
        self.is_hidden = is_hidden;
    }

    /// Selects the next faster speed.
    pub fn speed_up(&mut self) {
        self.plane.pacing_mut().speed_up();
    }

    /// Selects the next slower speed.
    pub fn slow_down(&mut self) {
        self.plane.pacing_mut().slow_down();
    }

    /// Sets the visible lines again after the column or the fonts changed.
    pub fn relayout(&mut self, input: TickInput, actions: &mut Vec<Action>) {
        self.has_poster = false;
        if self.scene().shows_lines() {
            self.plane.relayout(self.viewport(input), actions);
        }
    }

    /// Moves the plane by this distance, forward where it is positive. Going back holds the plane
    /// until the end is reached again.
    pub fn scroll_by(&mut self, input: TickInput, by_em: f64, actions: &mut Vec<Action>) {
        if self.can_scroll() {
            self.plane.scroll_by(self.viewport(input), by_em, actions);
            self.note_scroll(by_em < 0.0);
        }
    }

    /// Shows the line of a message if it is remembered, or waits for it if it is about to be shown.
    /// Returns whether there is such a line.
    pub fn reveal(&mut self, input: TickInput, seq: u64, actions: &mut Vec<Action>) -> bool {
        let begun = actions.len();
        let found = self.can_scroll() && self.plane.reveal(self.viewport(input), seq, actions);
        if found && actions.len() > begun {
            self.note_scroll(true);
        }
        let is_coming = !found && (self.plane.is_queued(seq) || self.incoming.iter().any(|item| item.is_about(seq)));
        if is_coming {
            self.go_live(input, actions);
        }
        found || is_coming
    }

    /// Moves to the line before or after this one, brings it to where it can be read, and holds the
    /// plane. Used by the keys that go from line to line.
    pub fn step(
        &mut self,
        input: TickInput,
        seq: Option<u64>,
        toward: Toward,
        actions: &mut Vec<Action>,
    ) -> Option<u64> {
        let neighbour = self.plane.neighbour(seq, toward).filter(|_| self.can_scroll())?;
        self.plane.reveal(self.viewport(input), neighbour, actions);
        self.note_scroll(true);
        Some(neighbour)
    }

    /// Goes to the newest line and releases the plane.
    pub fn go_live(&mut self, input: TickInput, actions: &mut Vec<Action>) {
        self.hold = PauseState::Running;
        self.plane.go_to_end(self.viewport(input), actions);
    }

    /// Returns in how many milliseconds to call [`CrawlController::tick`] again; `None` while the
    /// crawl is out of sight.
    pub fn next_tick_ms(&self) -> Option<u32> {
        (!self.is_hidden).then(|| if self.is_held() { HELD_TICK_MS } else { TICK_MS })
    }

    /// Decides what to do now. Call it after the time that [`CrawlController::next_tick_ms`]
    /// returns, and after each request.
    pub fn tick(&mut self, input: TickInput, typesetter: &mut dyn Typesetter, actions: &mut Vec<Action>) {
        if !self.is_hidden {
            if self.scene() == Scene::Idle {
                self.show_static(input, actions);
                self.plane.tick(input.now, self.viewport(input), typesetter, actions);
            } else if self.is_plain {
                self.add_to_transcript(input, actions);
            } else {
                self.add(input, typesetter, actions);
            }
        }
        let motion = self.desired_motion();
        if motion != self.motion {
            self.motion = motion;
            actions.push(Action::SetMotion(motion));
        }
    }

    fn add(&mut self, input: TickInput, typesetter: &mut dyn Typesetter, actions: &mut Vec<Action>) {
        if self.hold != PauseState::Paused {
            self.advance_opening(input, actions);
        }
        if !self.scene().shows_lines() {
            return;
        }
        if self.sequence.can_end_early(&self.opening) && !self.incoming.is_empty() {
            self.drop_queued_opening();
        }
        while self.plane.queued() < READY_ENTRIES_MAX
            && !self.is_held()
            && let Some(item) = self.incoming.pop_front()
        {
            self.plane.queue(BlockContent::Item(item));
        }
        self.plane.tick(input.now, self.viewport(input), typesetter, actions);
        if !self.plane.has_opening() {
            self.sequence.end_intro();
        }
    }

    /// Adds lines to the flat transcript as they come.
    fn add_to_transcript(&mut self, input: TickInput, actions: &mut Vec<Action>) {
        self.sequence.skip();
        self.advance_opening(input, actions);
        if self.hold == PauseState::Paused {
            return;
        }
        actions.extend(self.plane.unqueue().map(Action::AddToTranscript));
        actions.extend(self.incoming.drain(..).map(|item| Action::AddToTranscript(BlockContent::Item(item))));
    }

    /// Advances the opening. When the plane is to move, the opening's text is queued on it.
    fn advance_opening(&mut self, input: TickInput, actions: &mut Vec<Action>) {
        let waiting = self.plane.waiting_rows(self.unmeasured());
        let Some(mode) = self.sequence.tick(input.now, &self.opening, waiting) else { return };
        if mode == IntroMode::Poster && self.has_poster {
            return;
        }
        self.drop_queued_opening();
        self.plane.clear(actions);
        // In the transcript the text takes no time.
        if mode == IntroMode::Whole || self.is_plain {
            for entry in self.sequence.blocks(&self.opening) {
                self.plane.queue(entry);
            }
        }
    }

    /// Drops the part of the opening that isn't on the plane yet, and queues the lines that waited
    /// behind it again.
    fn drop_queued_opening(&mut self) {
        let queued: Vec<_> = self.plane.unqueue().collect();
        for entry in queued.into_iter().rev() {
            if let BlockContent::Item(item) = entry {
                self.incoming.push_front(item);
            }
        }
    }

    /// Shows the title, not moving, as before the first connection.
    fn show_static(&mut self, input: TickInput, actions: &mut Vec<Action>) {
        if !self.has_poster {
            self.has_poster = true;
            self.plane.show_poster(self.viewport(input), self.sequence.blocks(&self.opening), actions);
        }
    }

    fn desired_motion(&self) -> Motion {
        if self.is_plain {
            Motion::None
        } else if !self.scene().shows_lines() || self.is_held() || self.is_hidden || self.plane.is_empty() {
            Motion::Paused
        } else {
            Motion::Moving
        }
    }

    fn can_scroll(&self) -> bool {
        !self.is_plain && self.scene().shows_lines()
    }

    fn note_scroll(&mut self, back: bool) {
        self.hold = match self.hold {
            PauseState::Running if back => PauseState::ScrolledBack,
            PauseState::ScrolledBack if !back && self.plane.is_at_end() => PauseState::Running,
            as_before => as_before,
        };
    }

    fn unmeasured(&self) -> u64 {
        self.pending + self.incoming.len() as u64
    }

    fn viewport(&self, input: TickInput) -> Viewport {
        Viewport {
            offset_em: input.offset_em,
            stage: input.stage,
            unmeasured_lines: self.unmeasured(),
            arrived_lines: self.taken + self.pending,
        }
    }
}
