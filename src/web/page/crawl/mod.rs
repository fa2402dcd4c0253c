//! The crawl on screen.
//!
//! [`CrawlView`] is the stage, and [`CrawlHandle`] is the page's access to it: the page pushes
//! lines and asks how many more there is room for. Every decision is made by the core
//! ([`crate::crawl::controller`]); here it only becomes nodes and one animation.
//!
//! Lines are nodes made by hand and never pass through signals: a message costs one node, and no
//! component runs again because of it. All text is set as text, so a payload can't become markup.

mod input;
mod kiosk;
mod stage;
mod starfield;
mod text_measure;
mod transcript;
mod view;

pub use crate::web::page::crawl::view::CrawlView;

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;

use crate::crawl::Action;
use crate::crawl::controller::{CrawlController, TickInput};
use crate::crawl::feed::CrawlRoom;
use crate::crawl::item::CrawlItem;
use crate::crawl::layout::Toward;
use crate::crawl::opening::{Opening, Scene};
use crate::time::Instant;
use crate::web::clock::Clock;
use crate::web::page::crawl::stage::{Elements, Stage};
use crate::web::window_bus::PanelAction;

/// The page's access to the crawl.
#[derive(Clone)]
pub struct CrawlHandle(Rc<Shared>);

struct Shared {
    crawl: RefCell<Crawl>,
    /// The next tick; only while the crawl can be seen.
    tick: RefCell<Option<Timeout>>,
}

/// What the controls show.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Controls {
    scene: Scene,
    is_held: bool,
    is_plain: bool,
    /// Nobody has moved for a while.
    is_idle: bool,
    speed_percent: u32,
    /// The number of lines the crawl is behind, if it is behind.
    lag: Option<u64>,
}

struct Crawl {
    /// `None` if there is no page: then nothing ever moves.
    clock: Option<Clock>,
    teller: CrawlController,
    stage: Option<Stage>,
    /// The message whose line is marked.
    chosen: Option<u64>,
    /// When somebody last moved.
    touched: Instant,
}

/// What the crawl asks of the page, on behalf of the person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CrawlEvent {
    /// The line of this message was chosen.
    Reveal(u64),
    /// This panel is to be opened.
    Open(PanelAction),
    /// The person chose this speed, in percent.
    Speed(u32),
}

/// What the person asks for by key or button.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CrawlInput {
    Pause,
    Plain,
    Hurry,
    SlowDown,
    GoLive,
    Skip,
    Step(Toward),
    /// Move by this many em, forward if positive.
    Travel(f64),
    /// Move by this many heights of the stage.
    Page(f64),
}

impl Default for CrawlHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl CrawlHandle {
    /// Creates a crawl that isn't mounted yet and has no lines.
    pub fn new() -> Self {
        Self(Rc::new(Shared {
            crawl: RefCell::new(Crawl {
                clock: web_sys::window().and_then(|window| window.performance()).map(Clock::new),
                teller: CrawlController::new(),
                stage: None,
                chosen: None,
                touched: Instant::EPOCH,
            }),
            tick: RefCell::default(),
        }))
    }

    /// Adds lines after all others, and sets the number of further lines that wait in the worker.
    pub fn push(&self, lines: Vec<CrawlItem>, untold: u64) {
        let mut crawl = self.0.crawl.borrow_mut();
        let now = crawl.now();
        crawl.teller.push(now, lines, untold);
    }

    /// Returns what the crawl takes now: no line while it is full, paused or out of sight. Lines
    /// that aren't taken wait in the worker.
    pub fn room(&self) -> CrawlRoom {
        let crawl = self.0.crawl.borrow();
        crawl.stage.as_ref().map_or_else(CrawlRoom::default, |stage| crawl.teller.room(stage.row_letters()))
    }

    /// Returns the number of lines that were taken and haven't crossed the edge yet. Together with
    /// the lines that wait in the worker, this is how far the crawl is behind.
    pub fn waiting(&self) -> u64 {
        self.0.crawl.borrow().teller.waiting()
    }

    /// Reports the connection: plays the opening, unless it was already played.
    pub fn begin(&self) {
        let mut crawl = self.0.crawl.borrow_mut();
        // Called with every update; laying out the controls each time would be most of its cost.
        if crawl.teller.scene() == Scene::Idle {
            let now = crawl.now();
            crawl.teller.begin(now);
            crawl.show_controls();
        }
    }

    /// Plays the opening, whether or not it was already played.
    pub fn play_opening(&self) {
        self.act(|crawl, _| {
            let now = crawl.now();
            crawl.teller.play_opening(now);
        });
    }

    /// Removes the lines from the screen and from the queue without playing the opening again;
    /// later lines follow as usual.
    pub fn clear(&self) {
        self.act(|crawl, actions| {
            crawl.teller.clear(actions);
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
            let sight = crawl.sight();
            let found = match &crawl.stage {
                Some(stage) if crawl.teller.is_plain() => stage.transcript.reveal(seq),
                _ => crawl.teller.reveal(sight, seq, actions),
            };
            if !found {
                crawl.teller.go_live(sight, actions);
            }
            found
        })
    }

    /// Does what the person asked for. Returns what the page has to do then.
    fn wish(&self, wish: CrawlInput) -> Option<CrawlEvent> {
        self.touch();
        self.act(|crawl, actions| {
            let sight = crawl.sight();
            match wish {
                CrawlInput::Pause => crawl.teller.toggle_pause(),
                CrawlInput::Plain => crawl.show_plain(!crawl.teller.is_plain()),
                CrawlInput::Hurry => crawl.teller.speed_up(),
                CrawlInput::SlowDown => crawl.teller.slow_down(),
                CrawlInput::GoLive => crawl.teller.go_live(sight, actions),
                CrawlInput::Skip => crawl.teller.skip_opening(),
                CrawlInput::Travel(by_em) => crawl.teller.scroll_by(sight, by_em, actions),
                CrawlInput::Page(by_stages) => {
                    let stage_em = crawl.stage.as_ref().map_or(0.0, Stage::page_em);
                    crawl.teller.scroll_by(sight, by_stages * stage_em, actions);
                }
                CrawlInput::Step(toward) => {
                    let neighbour = crawl.teller.step(sight, crawl.chosen, toward, actions)?;
                    crawl.chosen = Some(neighbour);
                    return Some(CrawlEvent::Reveal(neighbour));
                }
            }
            let is_of_speed = matches!(wish, CrawlInput::Hurry | CrawlInput::SlowDown);
            is_of_speed.then(|| CrawlEvent::Speed(crawl.teller.speed_percent()))
        })
    }

    /// Marks the line of this message.
    fn choose(&self, seq: u64) {
        self.act(|crawl, _| crawl.chosen = Some(seq));
    }

    /// Switches to the flat transcript if the system asks for it (`plain`).
    fn show_plain(&self, plain: bool) {
        self.act(|crawl, _| crawl.show_plain(plain));
    }

    /// Reacts to a hidden or shown page: nothing runs while nobody can see it.
    fn note_visibility(&self) {
        self.act(|crawl, _| {
            let unseen = crawl.stage.as_ref().is_none_or(Stage::is_unseen);
            crawl.teller.set_hidden(unseen);
        });
    }

    /// Notes that somebody moved.
    fn touch(&self) {
        // The focus may move because of what the crawl is doing at this moment.
        if let Ok(mut crawl) = self.0.crawl.try_borrow_mut() {
            crawl.touched = crawl.now();
            crawl.show_controls();
        }
    }

    fn resized(&self) {
        self.act(|crawl, actions| {
            let sight = crawl.sight();
            let Some(stage) = &mut crawl.stage else { return };
            if stage.resized() {
                crawl.teller.relayout(sight, actions);
            }
        });
        self.note_visibility();
    }

    fn open_with(&self, opening: Opening) {
        self.act(|crawl, _| {
            if let Some(stage) = &crawl.stage {
                stage.show_opening(&opening);
            }
            crawl.teller.set_opening(opening);
        });
    }

    fn fonts_changed(&self) {
        self.act(|crawl, actions| {
            let sight = crawl.sight();
            if let Some(stage) = &mut crawl.stage {
                stage.forget_widths();
                crawl.teller.relayout(sight, actions);
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
            (answer, crawl.stage.as_ref().and_then(|_| crawl.teller.next_tick_ms()))
        };
        // Nothing is borrowed here: in a page that is being left Firefox throws.
        let to_tick = self.clone();
        let timeout = wait_ms.map(|wait_ms| Timeout::new(wait_ms, move || to_tick.tick()));
        self.0.tick.replace(timeout);
        answer
    }

    /// `None` if the browser lacks something that the crawl needs.
    fn mount(&self, elements: Elements) -> Option<()> {
        {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.touched = crawl.now();
            let stage = Stage::new(elements, crawl.touched)?;
            stage.show_opening(crawl.teller.opening());
            crawl.stage = Some(stage);
        }
        self.resized();
        Some(())
    }

    fn unmount(&self) {
        self.0.crawl.borrow_mut().stage = None;
        self.0.tick.take();
    }
}

impl Crawl {
    fn now(&self) -> Instant {
        self.clock.as_ref().map_or(Instant::EPOCH, Clock::now)
    }

    fn sight(&self) -> TickInput {
        let (offset_em, stage) =
            self.stage.as_ref().map_or_else(Default::default, |stage| (stage.offset_em(), stage.size()));
        TickInput { now: self.now(), offset_em, stage }
    }

    fn tick(&mut self) {
        let sight = self.sight();
        let Some(stage) = &mut self.stage else { return };
        stage.transcript.flush(sight.now);
        if !stage.fonts_ready(sight.now) {
            return;
        }
        let mut actions = Vec::new();
        self.teller.tick(sight, stage, &mut actions);
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
                    if let Some((entry, block)) = self.teller.block(key) {
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
            scene: self.teller.scene(),
            is_held: self.teller.is_held(),
            is_plain: self.teller.is_plain(),
            is_idle: self.now().since(self.touched) > kiosk::IDLE_AFTER,
            speed_percent: self.teller.speed_percent(),
            lag: self.teller.lag(),
        };
        if let Some(stage) = &mut self.stage {
            stage.show(controls);
        }
    }

    fn show_plain(&mut self, plain: bool) {
        self.teller.show_plain(plain);
        if let Some(stage) = &mut self.stage {
            stage.transcript.show(plain);
        }
    }
}
