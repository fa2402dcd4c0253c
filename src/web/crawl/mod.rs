//! The crawl on screen.
//!
//! [`CrawlView`] is the stage, [`CrawlHandle`] what the page holds of it: the
//! page pushes lines and asks how many more there is room for. Every decision
//! is made by the core ([`crate::crawl`]); here it only becomes nodes and one
//! animation.
//!
//! Lines are nodes made by hand and never pass through signals: a message
//! costs one node, and no component runs again because of it. All text goes in
//! as text, so a payload can't become markup.

mod ruler;
mod sky;
mod stage;
mod transcript;
mod view;

pub use view::CrawlView;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use leptos::prelude::*;

use super::clock::Clock;
use crate::crawl::ROW_EM;
use crate::crawl::opening::{Director, Opening, Prologue, Scene};
use crate::crawl::plane::{Action, Block, Gap, Key, Plane, Surroundings};
use crate::crawl::typeset::{self, Setting, Title};
use crate::engine::update::Told;
use crate::time::Instant;
use stage::{Elements, Motion, Stage};

/// Milliseconds between two ticks. The compositor moves the plane; a tick only
/// puts and takes rows, so a few a second are plenty.
const TICK_MS: u32 = 200;

/// So many lines wait in the page; all others wait in the worker, where the
/// oldest can still be condensed.
const READY_LINES: usize = 4;

/// So many lines a second the plain transcript takes.
const PLAIN_LINES: usize = 4;

/// Typeset blocks ahead of the plane.
const READY_BLOCKS: usize = 2;

/// Space between the episode and the title, in em.
const EPISODE_GAP_EM: f64 = 0.25;

/// Space after the title, in em.
const TITLE_GAP_EM: f64 = 0.9;

/// Height of a title's row in its own em.
const TITLE_ROW: f64 = 1.02;

/// What the page holds of the crawl.
#[derive(Clone)]
pub struct CrawlHandle(Rc<Shared>);

struct Shared {
    crawl: RefCell<Crawl>,
    scene: ArcRwSignal<Scene>,
    paused: ArcRwSignal<bool>,
    plain: ArcRwSignal<bool>,
}

/// One thing that may stand on the plane.
enum Entry {
    /// Something told, with its words for the transcript.
    Told { told: Told, setting: Setting },
    /// The line above the title.
    Episode(String),
    /// The title.
    Title(Title),
    /// The introduction.
    Intro(Setting),
}

impl Entry {
    fn block(&self) -> Block {
        match self {
            Self::Told { setting, .. } => Block { height_em: setting.height_em(), gap: Gap::Paced },
            Self::Episode(_) => Block { height_em: ROW_EM, gap: Gap::Em(EPISODE_GAP_EM) },
            Self::Title(title) => {
                Block { height_em: title.rows.len() as f64 * title.size_em * TITLE_ROW, gap: Gap::Em(TITLE_GAP_EM) }
            }
            Self::Intro(setting) => Block { height_em: setting.height_em(), gap: Gap::Em(ROW_EM) },
        }
    }
}

/// Why the plane stands still, or that it doesn't.
/// Keys come in order, so what is asked for stands in front.
fn take(entries: &mut VecDeque<(Key, Entry)>, key: Key) -> Option<Entry> {
    let place = entries.iter().position(|(other, _)| *other == key)?;
    entries.remove(place).map(|(_, entry)| entry)
}

#[derive(Clone, Copy, Default)]
struct Stillness {
    /// The person pressed Pause.
    paused: bool,
    /// The flat transcript is shown instead.
    plain: bool,
    /// The tab is hidden, or the view has no size.
    unseen: bool,
    /// Nothing is on the plane.
    bare: bool,
}

struct Crawl {
    /// `None` where there is no page: then nothing ever moves.
    clock: Option<Clock>,
    plane: Plane,
    director: Director,
    opening: Opening,
    incoming: VecDeque<Told>,
    untold: u64,
    /// What is queued for the plane and not on it yet, oldest first.
    entries: VecDeque<(Key, Entry)>,
    stage: Option<Stage>,
    still: Stillness,
}

impl Default for CrawlHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl CrawlHandle {
    /// A crawl that has yet to be mounted and has nothing to tell.
    pub fn new() -> Self {
        Self(Rc::new(Shared {
            crawl: RefCell::new(Crawl {
                clock: web_sys::window().and_then(|window| window.performance()).map(Clock::new),
                plane: Plane::new(),
                director: Director::new(),
                opening: Opening::default(),
                incoming: VecDeque::new(),
                untold: 0,
                entries: VecDeque::new(),
                stage: None,
                still: Stillness { bare: true, ..Stillness::default() },
            }),
            scene: ArcRwSignal::new(Scene::Idle),
            paused: ArcRwSignal::new(false),
            plain: ArcRwSignal::new(false),
        }))
    }

    /// Lines to tell after all others, and how many more wait in the worker.
    pub fn push(&self, lines: Vec<Told>, untold: u64) {
        let comes_early = {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.untold = untold;
            crawl.incoming.extend(lines);
            crawl.director.scene() == Scene::Idle && !crawl.incoming.is_empty()
        };
        if comes_early {
            self.begin();
        }
    }

    /// How many more lines it takes now: 0 while it is full, paused or out of
    /// sight. What isn't taken waits in the worker.
    pub fn room(&self) -> u32 {
        let crawl = self.0.crawl.borrow();
        if crawl.stage.is_none() || crawl.still.paused || crawl.still.unseen {
            return 0;
        }
        let (ready, waiting) = if crawl.still.plain {
            (PLAIN_LINES, crawl.incoming.len())
        } else {
            (READY_LINES, crawl.incoming.len() + crawl.plane.queued())
        };
        ready.saturating_sub(waiting) as u32
    }

    /// Lines that were taken and aren't on the plane yet. With those untold in
    /// the worker that is how far the crawl is behind.
    pub fn waiting(&self) -> u64 {
        let crawl = self.0.crawl.borrow();
        // An entry is kept until it is on the plane; the opening's own blocks
        // are no messages.
        let queued = crawl.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Told { .. })).count();
        (crawl.incoming.len() + queued) as u64
    }

    /// Connected: plays the opening, unless it was played already.
    pub fn begin(&self) {
        {
            let mut crawl = self.0.crawl.borrow_mut();
            if crawl.director.scene() != Scene::Idle {
                return;
            }
            let now = crawl.now();
            crawl.director.begin(now);
        }
        self.0.scene.set(Scene::Card);
    }

    /// Takes lines off the screen and out of the queue without playing the
    /// opening again; what comes next follows as usual.
    pub fn clear(&self) {
        let mut crawl = self.0.crawl.borrow_mut();
        crawl.incoming.clear();
        if crawl.director.scene() == Scene::Crawl {
            crawl.clear_plane();
        }
        if let Some(stage) = &mut crawl.stage {
            stage.transcript.clear();
        }
    }

    fn toggle_pause(&self) {
        let paused = {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.still.paused = !crawl.still.paused;
            crawl.move_or_stand();
            crawl.still.paused
        };
        self.0.paused.set(paused);
    }

    fn toggle_plain(&self) {
        let plain = self.0.crawl.borrow().still.plain;
        self.show_plain(!plain);
    }

    /// `plain`: the flat transcript, as asked for by the person or the system.
    fn show_plain(&self, plain: bool) {
        {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.still.plain = plain;
            crawl.move_or_stand();
            if let Some(stage) = &mut crawl.stage {
                stage.transcript.show(plain);
            }
            crawl.tick();
        }
        self.0.plain.set(plain);
    }

    fn note_visibility(&self) {
        let mut crawl = self.0.crawl.borrow_mut();
        crawl.still.unseen = crawl.stage.as_ref().is_none_or(Stage::is_unseen);
        crawl.move_or_stand();
    }

    fn resized(&self) {
        if let Some(stage) = &mut self.0.crawl.borrow_mut().stage {
            stage.resized();
        }
        self.note_visibility();
        let mut crawl = self.0.crawl.borrow_mut();
        if crawl.director.scene() == Scene::Idle {
            crawl.show_poster();
        }
    }

    fn open_with(&self, opening: Opening) {
        let mut crawl = self.0.crawl.borrow_mut();
        crawl.opening = opening;
        if crawl.director.scene() == Scene::Idle {
            crawl.show_poster();
        }
    }

    fn fonts_changed(&self) {
        let mut crawl = self.0.crawl.borrow_mut();
        if let Some(stage) = &mut crawl.stage {
            stage.fonts_changed();
        }
        if crawl.director.scene() == Scene::Idle {
            crawl.show_poster();
        }
    }

    fn skip_card(&self) {
        self.0.crawl.borrow_mut().director.skip();
        self.tick();
    }

    fn tick(&self) {
        let scene = {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.tick();
            crawl.director.scene()
        };
        if self.0.scene.get_untracked() != scene {
            self.0.scene.set(scene);
        }
    }

    /// `None` where the browser lacks what the crawl is made of.
    fn mount(&self, elements: Elements) -> Option<()> {
        {
            let mut crawl = self.0.crawl.borrow_mut();
            crawl.stage = Some(Stage::new(elements, crawl.now())?);
        }
        self.resized();
        Some(())
    }

    fn unmount(&self) {
        self.0.crawl.borrow_mut().stage = None;
    }
}

impl Crawl {
    fn now(&self) -> Instant {
        self.clock.as_ref().map_or(Instant::EPOCH, Clock::now)
    }

    fn tick(&mut self) {
        let now = self.now();
        let Some(stage) = &mut self.stage else { return };
        stage.transcript.flush(now);
        if self.still.unseen || !stage.fonts_ready(now) {
            return;
        }
        if self.director.scene() == Scene::Idle && !stage.has_blocks() {
            self.show_poster();
            return;
        }
        if self.still.plain {
            self.tell_plainly(now);
            return;
        }
        if self.still.paused {
            return;
        }
        let waiting = self.plane.waiting_rows(self.untold + self.incoming.len() as u64);
        if let Some(prologue) = self.director.tick(now, waiting) {
            self.begin_plane(prologue);
        }
        if self.director.scene() == Scene::Crawl {
            self.move_on(now);
        }
    }

    /// Carries out what the plane decides.
    fn move_on(&mut self, now: Instant) {
        let Some(stage) = &mut self.stage else { return };
        while self.plane.queued() < READY_BLOCKS
            && let Some(told) = self.incoming.pop_front()
        {
            let setting = stage.set_told(&told);
            let entry = Entry::Told { told, setting };
            self.entries.push_back((self.plane.queue(entry.block()), entry));
        }
        let around = Surroundings {
            offset_em: stage.offset_em(),
            depth_em: stage.depth_em(),
            unmeasured_lines: self.untold + self.incoming.len() as u64,
        };
        for action in self.plane.tick(now, around) {
            match action {
                Action::Rebase { shift_em } => stage.rebase(shift_em),
                Action::Remove { key } => stage.remove(key),
                Action::Place { key, top_em } => {
                    if let Some(entry) = take(&mut self.entries, key) {
                        stage.place(key, &entry, top_em);
                        if let Entry::Told { told, .. } = entry {
                            stage.transcript.tell(told);
                        }
                    }
                }
                Action::Rate(rate) => stage.change_rate(rate),
                Action::Run => self.still.bare = false,
                Action::Rest => self.still.bare = true,
            }
        }
        self.move_or_stand();
    }

    /// The flat transcript takes lines as they come.
    fn tell_plainly(&mut self, now: Instant) {
        if self.director.scene() == Scene::Card {
            self.director.skip();
            let waiting = self.plane.waiting_rows(self.untold);
            if let Some(prologue) = self.director.tick(now, waiting) {
                self.begin_plane(prologue);
            }
        }
        if self.still.paused {
            return;
        }
        let Some(stage) = &mut self.stage else { return };
        for key in self.plane.unqueue() {
            if let Some(Entry::Told { told, .. }) = take(&mut self.entries, key) {
                stage.transcript.tell(told);
            }
        }
        for told in self.incoming.drain(..) {
            stage.transcript.tell(told);
        }
    }

    /// A bare plane, and the opening queued on it.
    fn begin_plane(&mut self, prologue: Prologue) {
        self.clear_plane();
        let Some(stage) = &mut self.stage else { return };
        let mut entries = stage.set_opening(&self.opening);
        if prologue == Prologue::TitleOnly {
            entries.retain(|entry| !matches!(entry, Entry::Intro(_)));
        }
        stage.transcript.open(&self.opening);
        for entry in entries {
            self.entries.push_back((self.plane.queue(entry.block()), entry));
        }
    }

    fn clear_plane(&mut self) {
        self.plane.clear();
        self.entries.clear();
        if let Some(stage) = &mut self.stage {
            stage.clear();
        }
    }

    /// The title, standing still: what one sees before the first connection.
    fn show_poster(&mut self) {
        let now = self.now();
        let Some(stage) = &mut self.stage else { return };
        if !stage.fonts_ready(now) {
            return;
        }
        stage.clear();
        let entries = stage.set_opening(&self.opening);
        let gap_em = |block: Block| match block.gap {
            Gap::Em(gap_em) => gap_em,
            Gap::Paced => 0.0,
        };
        // Above the bottom edge, as if it had risen so far.
        let height_em: f64 = entries.iter().map(|e| e.block().height_em + gap_em(e.block())).sum();
        let mut top_em = stage.offset_em() - height_em;
        for entry in &entries {
            stage.pin(entry, top_em);
            top_em += entry.block().height_em + gap_em(entry.block());
        }
    }

    fn move_or_stand(&mut self) {
        let still = self.still;
        let motion = if still.plain {
            Motion::None
        } else if still.paused || still.unseen || still.bare {
            Motion::Held
        } else {
            Motion::Moving
        };
        if let Some(stage) = &mut self.stage {
            stage.change_motion(motion);
        }
    }
}
