//! The console's handle: what the page can do with it.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;

use crate::config::settings::{Columns, Settings};
use crate::protocol::panels::PanelAction;
use crate::protocol::rows::{Pull, Rows};
use crate::ui::console::refresh_rate::RowChurn;
use crate::ui::console::scroll::ScrollStep;
use crate::ui::console::view_model::ConsoleModel;
use crate::web::page::console::renderer::{ConsoleStatus, Renderer};
use crate::web::page::console::signals::ConsoleSignals;
use crate::web::page::signals::set_if_changed;

/// How long after the last move the scroll bar is set to its exact place. Setting it during
/// scrolling would take the bar out of the person's hand.
const BAR_SETTLES_MS: u32 = 160;

/// How often the scroll bar is set to the end while the tail is followed. It costs a layout, and
/// the rows don't depend on it.
const TAIL_SETTLES_MS: u32 = 480;

/// What the console asks of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsoleEvent {
    /// Fetch other rows than it has.
    NeedRows,
    /// Filter by this text.
    Filter(String),
    /// Clear the messages that are kept.
    Clear,
    /// Use these columns from now on.
    Columns(Columns),
    /// The panels have something to do.
    Panel(PanelAction),
    /// Load the suggestions, because the filter has the focus.
    LoadSuggestions,
    /// Show the line of this message in the crawl.
    ShowInCrawl(u64),
}

/// The console's handle.
#[derive(Clone)]
pub struct Console(pub(super) Rc<Shared>);

/// What all handles of a console share.
pub(super) struct Shared {
    pub(super) renderer: RefCell<Renderer>,
    pub(super) signals: ConsoleSignals,
    on_event: Box<dyn Fn(ConsoleEvent)>,
}

impl Console {
    /// Creates an empty console that follows its tail.
    pub fn new(on_event: impl Fn(ConsoleEvent) + 'static) -> Self {
        let signals = ConsoleSignals::new();
        let renderer = RefCell::new(Renderer::new(signals));
        Self(Rc::new(Shared { renderer, signals, on_event: Box::new(on_event) }))
    }

    /// Returns the rows to ask for.
    pub fn pull(&self) -> Pull {
        self.0.renderer.borrow().model.pull()
    }

    /// Whether the newest row stays in view.
    pub fn is_following(&self) -> bool {
        self.0.renderer.borrow().model.scroll.is_following()
    }

    /// Shows these rows, and returns how they differ from the previous ones.
    pub fn show(&self, rows: Rows) -> RowChurn {
        let mut renderer = self.0.renderer.borrow_mut();
        let churn = renderer.model.take(rows);
        renderer.draw();
        drop(renderer);
        self.settle_soon();
        churn
    }

    /// Sets the status.
    pub fn set_status(&self, status: ConsoleStatus) {
        set_if_changed(self.0.signals.filter_error, status.filter_error.clone().unwrap_or_default());
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.status = status;
        renderer.set_frame();
    }

    /// Sets the filter's text, wherever it was typed.
    pub fn filter(&self, text: &str) {
        set_if_changed(self.0.signals.filter, text.to_owned());
    }

    /// Applies the app's settings: the columns, and what the time column shows.
    pub fn apply_settings(&self, settings: &Settings) {
        set_if_changed(self.0.signals.time, settings.time);
        set_if_changed(self.0.signals.columns, settings.columns);
        self.0.renderer.borrow_mut().draw();
    }

    /// Goes to a message, wherever it is, and chooses it.
    pub fn reveal(&self, seq: u64) {
        self.act(|model| model.reveal(seq));
    }

    /// Starts over with a new log, whose numbering starts again.
    pub fn restart(&self) {
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.model.restart();
        renderer.draw();
        renderer.settle_bar();
    }

    /// Moves by a key.
    pub fn step(&self, step: ScrollStep) {
        self.act(|model| model.step(step));
        self.0.renderer.borrow_mut().settle_bar();
    }

    /// Does something with the model that may need other rows.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut ConsoleModel) -> T) -> T {
        let mut renderer = self.0.renderer.borrow_mut();
        let done = act(&mut renderer.model);
        renderer.draw();
        drop(renderer);
        self.settle_soon();
        self.emit(ConsoleEvent::NeedRows);
        done
    }

    pub(super) fn settle_soon(&self) {
        let wait_ms = {
            let renderer = self.0.renderer.borrow();
            if renderer.settling.is_some() {
                return;
            }
            if renderer.model.scroll.is_following() { TAIL_SETTLES_MS } else { BAR_SETTLES_MS }
        };
        // Nothing is borrowed here: in a page that is being left Firefox throws.
        let this = Rc::downgrade(&self.0);
        let timeout = Timeout::new(wait_ms, move || {
            if let Some(shared) = this.upgrade() {
                Self(shared).settle();
            }
        });
        self.0.renderer.borrow_mut().settling = Some(timeout);
    }

    fn settle(&self) {
        let mut renderer = self.0.renderer.borrow_mut();
        renderer.settling = None;
        if renderer.pressed {
            drop(renderer);
            self.settle_soon();
        } else if renderer.bar_moved_to_px().is_none() {
            renderer.settle_bar();
        }
        // If the browser reports a move with its next frame, that settles the bar afterwards.
    }

    /// Reports an event to the page. Nothing may be borrowed, since the page may answer at once.
    pub(super) fn emit(&self, event: ConsoleEvent) {
        (self.0.on_event)(event);
    }

    /// Lets go of the elements.
    pub(super) fn detach(&self) {
        self.0.renderer.borrow_mut().detach();
    }
}
