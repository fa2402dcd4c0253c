//! The page's access to the crawl.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;

use crate::crawl::action::Action;
use crate::crawl::controller::{CrawlController, TickInput};
use crate::crawl::feed::CrawlRoom;
use crate::crawl::item::CrawlItem;
use crate::crawl::layout::Toward;
use crate::crawl::opening::{Opening, Scene};
use crate::protocol::panels::PanelAction;
use crate::time::Instant;
use crate::web::clock::Clock;
use crate::web::page::crawl::fullscreen;
use crate::web::page::crawl::signals::{Controls, CrawlSignals};
use crate::web::page::crawl::stage::{Elements, Stage};
use crate::web::page::signals::set_if_changed;

/// The page's access to the crawl.
#[derive(Clone)]
pub struct CrawlHandle(pub(super) Rc<Shared>);

pub(super) struct Shared {
    pub(super) crawl: RefCell<Crawl>,
    pub(super) signals: CrawlSignals,
    /// The next tick; only while the crawl can be seen.
    tick: RefCell<Option<Timeout>>,
}

pub(super) struct Crawl {
    /// `None` if there is no page: then nothing ever moves.
    clock: Option<Clock>,
    pub(super) controller: CrawlController,
    pub(super) stage: Option<Stage>,
    /// The message whose line is marked.
    chosen: Option<u64>,
    /// When somebody last moved.
    touched: Instant,
    signals: CrawlSignals,
}

/// What the crawl asks of the page, on behalf of the person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CrawlEvent {
    /// The line of this message was chosen.
    Reveal(u64),
    /// The panels have something to do.
    Panel(PanelAction),
    /// The person chose this speed, in percent.
    Speed(u32),
}

/// What the person asks for by key or button.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CrawlInput {
    TogglePause,
    ToggleTranscript,
    SpeedUp,
    SlowDown,
    GoLive,
    SkipOpening,
    Step(Toward),
    /// Move by this many em, forward if positive.
    Scroll(f64),
    /// Move by this many heights of the stage.
    ScrollPages(f64),
}

impl Default for CrawlHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl CrawlHandle {
    /// Creates a crawl that isn't mounted yet and has no lines.
    pub fn new() -> Self {
        let signals = CrawlSignals::new();
        Self(Rc::new(Shared {
            signals,
            crawl: RefCell::new(Crawl {
                clock: web_sys::window().and_then(|window| window.performance()).map(Clock::new),
                controller: CrawlController::new(),
                stage: None,
                chosen: None,
                touched: Instant::EPOCH,
                signals,
            }),
            tick: RefCell::default(),
        }))
    }

    /// Adds lines after all others, and sets the number of further lines that wait in the worker.
    pub fn push(&self, lines: Vec<CrawlItem>, waiting: u64) {
        let mut crawl = self.0.crawl.borrow_mut();
        let now = crawl.now();
        crawl.controller.push(now, lines, waiting);
    }

    /// Returns what the crawl takes now: no line while it is full, paused or out of sight. Lines
    /// that aren't taken wait in the worker.
    pub fn room(&self) -> CrawlRoom {
        let crawl = self.0.crawl.borrow();
        crawl.stage.as_ref().map_or_else(CrawlRoom::default, |stage| crawl.controller.room(stage.row_letters()))
    }

    /// Returns the number of lines that were taken and haven't crossed the edge yet. Together with
    /// the lines that wait in the worker, this is how far the crawl is behind.
    pub fn waiting(&self) -> u64 {
        self.0.crawl.borrow().controller.waiting()
    }

    /// Reports the connection: plays the opening, unless it was already played.
    pub fn begin(&self) {
        let mut crawl = self.0.crawl.borrow_mut();
        // Called with every update; laying out the controls each time would be most of its cost.
        if crawl.controller.scene() == Scene::Idle {
            let now = crawl.now();
            crawl.controller.begin(now);
            crawl.show_controls();
        }
    }

    /// Plays the opening, whether or not it was already played.
    pub fn play_opening(&self) {
        self.act(|crawl, _| {
            let now = crawl.now();
            crawl.controller.play_opening(now);
        });
    }

    /// Removes the lines from the screen and from the queue without playing the opening again;
    /// later lines follow as usual.
    pub fn clear(&self) {
        self.act(|crawl, actions| {
            crawl.controller.clear(actions);
            if let Some(stage) = &mut crawl.stage {
                stage.transcript.clear();
            }
        });
    }

    /// Shows the line of this message, marked, if it was shown before and is still remembered.
    /// Returns whether it is; if not, the plane is ready for the line to be shown again.
    pub fn show(&self, seq: u64) -> bool {
        self.act(|crawl, actions| {
            crawl.chosen = Some(seq);
            let tick_input = crawl.tick_input();
            let found = match &crawl.stage {
                Some(stage) if crawl.controller.is_plain() => stage.transcript.reveal(seq),
                _ => crawl.controller.reveal(tick_input, seq, actions),
            };
            if !found {
                crawl.controller.go_live(tick_input, actions);
            }
            found
        })
    }

    /// Does what the person asked for. Returns what the page has to do then.
    pub(super) fn handle_input(&self, input: CrawlInput) -> Option<CrawlEvent> {
        self.touch();
        self.act(|crawl, actions| {
            let tick_input = crawl.tick_input();
            match input {
                CrawlInput::TogglePause => crawl.controller.toggle_pause(),
                CrawlInput::ToggleTranscript => crawl.show_plain(!crawl.controller.is_plain()),
                CrawlInput::SpeedUp => crawl.controller.speed_up(),
                CrawlInput::SlowDown => crawl.controller.slow_down(),
                CrawlInput::GoLive => crawl.controller.go_live(tick_input, actions),
                CrawlInput::SkipOpening => crawl.controller.skip_opening(),
                CrawlInput::Scroll(by_em) => crawl.controller.scroll_by(tick_input, by_em, actions),
                CrawlInput::ScrollPages(by_stages) => {
                    let stage_em = crawl.stage.as_ref().map_or(0.0, Stage::page_em);
                    crawl.controller.scroll_by(tick_input, by_stages * stage_em, actions);
                }
                CrawlInput::Step(toward) => {
                    let neighbour = crawl.controller.step(tick_input, crawl.chosen, toward, actions)?;
                    crawl.chosen = Some(neighbour);
                    return Some(CrawlEvent::Reveal(neighbour));
                }
            }
            let is_of_speed = matches!(input, CrawlInput::SpeedUp | CrawlInput::SlowDown);
            is_of_speed.then(|| CrawlEvent::Speed(crawl.controller.speed_percent()))
        })
    }

    /// Marks the line of this message.
    pub(super) fn choose(&self, seq: u64) {
        self.act(|crawl, _| crawl.chosen = Some(seq));
    }

    /// Switches to the flat transcript if the system asks for it (`plain`).
    pub(super) fn show_plain(&self, plain: bool) {
        self.act(|crawl, _| crawl.show_plain(plain));
    }

    /// Reacts to a hidden or shown page: nothing runs while nobody can see it.
    pub(super) fn note_visibility(&self) {
        self.act(|crawl, _| {
            let unseen = crawl.stage.as_ref().is_none_or(Stage::is_unseen);
            crawl.controller.set_hidden(unseen);
        });
    }

    /// Notes that somebody moved.
    pub(super) fn touch(&self) {
        // The focus may move because of what the crawl is doing at this moment.
        if let Ok(mut crawl) = self.0.crawl.try_borrow_mut() {
            crawl.touched = crawl.now();
            crawl.show_controls();
        }
    }

    pub(super) fn handle_resize(&self) {
        self.act(|crawl, actions| {
            let tick_input = crawl.tick_input();
            let Some(stage) = &mut crawl.stage else { return };
            if stage.resized() {
                crawl.controller.relayout(tick_input, actions);
            }
        });
        self.note_visibility();
    }

    pub(super) fn open_with(&self, opening: Opening) {
        self.act(|crawl, _| crawl.controller.set_opening(opening));
    }

    pub(super) fn fonts_changed(&self) {
        self.act(|crawl, actions| {
            let tick_input = crawl.tick_input();
            if let Some(stage) = &mut crawl.stage {
                stage.forget_widths();
                crawl.controller.relayout(tick_input, actions);
            }
        });
    }

    fn tick(&self) {
        self.act(|_, _| ());
    }

    /// Does something, and in the same task the actions that the core returns for it.
    fn act<T>(&self, act: impl FnOnce(&mut Crawl, &mut Vec<Action>) -> T) -> T {
        let mut actions = Vec::new();
        let (answer, wait_ms) = {
            let mut crawl = self.0.crawl.borrow_mut();
            let answer = act(&mut crawl, &mut actions);
            crawl.carry_out(actions);
            crawl.tick();
            crawl.show_controls();
            (answer, crawl.stage.as_ref().and_then(|_| crawl.controller.next_tick_ms()))
        };
        // Nothing is borrowed here: in a page that is being left Firefox throws.
        let to_tick = self.clone();
        let timeout = wait_ms.map(|wait_ms| Timeout::new(wait_ms, move || to_tick.tick()));
        self.0.tick.replace(timeout);
        answer
    }

    /// `None` if the browser lacks something that the crawl needs.
    pub(super) fn mount(&self, elements: Elements) -> Option<()> {
        {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.touched = crawl.now();
            crawl.stage = Some(Stage::new(elements, crawl.touched)?);
        }
        self.handle_resize();
        Some(())
    }

    pub(super) fn unmount(&self) {
        self.0.crawl.borrow_mut().stage = None;
        self.0.tick.take();
    }
}

impl Crawl {
    fn now(&self) -> Instant {
        self.clock.as_ref().map_or(Instant::EPOCH, Clock::now)
    }

    fn tick_input(&self) -> TickInput {
        let (offset_em, stage) =
            self.stage.as_ref().map_or_else(Default::default, |stage| (stage.offset_em(), stage.size()));
        TickInput { now: self.now(), offset_em, stage }
    }

    fn tick(&mut self) {
        let tick_input = self.tick_input();
        let Some(stage) = &mut self.stage else { return };
        stage.transcript.flush(tick_input.now);
        if !stage.fonts_ready(tick_input.now) {
            return;
        }
        let mut actions = Vec::new();
        self.controller.tick(tick_input, stage, &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        let Some(stage) = &mut self.stage else { return };
        for action in actions {
            match action {
                Action::Rebase { shift_em } => stage.rebase(shift_em),
                Action::Seek { offset_em } => stage.seek(offset_em),
                Action::Remove { key } => stage.remove(key),
                Action::Place { key, top_em } => {
                    // A block that is placed and removed within one task is never created.
                    if let Some((entry, block)) = self.controller.block(key) {
                        stage.place(key, entry, &block.typeset, top_em);
                    }
                }
                Action::SetRate(rate) => stage.change_rate(rate),
                Action::SetMotion(motion) => stage.change_motion(motion),
                Action::AddToTranscript(entry) => stage.transcript.add(entry),
            }
        }
        stage.limit_rows_below();
        stage.mark(self.chosen);
    }

    fn show_controls(&mut self) {
        let controls = Controls {
            scene: self.controller.scene(),
            is_paused: self.controller.is_held(),
            is_plain: self.controller.is_plain(),
            is_idle: self.now().since(self.touched) > fullscreen::IDLE_AFTER,
            speed_percent: self.controller.speed_percent(),
            lag: self.controller.lag(),
        };
        set_if_changed(self.signals.controls, controls);
    }

    fn show_plain(&mut self, plain: bool) {
        self.controller.show_plain(plain);
        if let Some(stage) = &mut self.stage {
            stage.transcript.show(plain);
        }
    }
}
