//! The page's link to the panels: loads them when one is first opened, and gives them a channel to
//! the worker, a new one for each new worker.

use std::cell::{Cell, RefCell};

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{Document, HtmlScriptElement};

use crate::web::channel;
use crate::web::page::worker_link::WorkerLink;
use crate::web::window_bus;
use crate::web::window_bus::PanelAction;

/// The loader that Trunk writes next to the panels; relative to the page.
const SCRIPT: &str = "panels_loader.js";

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Absent,
    Loading,
    Running,
}

/// The page's handle of its panels.
#[derive(Default)]
pub struct PanelsLink {
    stage: Cell<Stage>,
    /// What they do as soon as they run.
    pending: Cell<Option<PanelAction>>,
    /// The app's settings for the panels, as the window bus carries them.
    settings: RefCell<JsValue>,
    /// The crawl's opening and line rules for the panels, in the same form.
    crawl: RefCell<JsValue>,
    /// The connection options as an encoded command, for every connection from now on.
    connection_options: RefCell<Option<Uint8Array>>,
}

/// What the panels ask of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PanelsEvent {
    /// Connect again with the values of the form.
    Connect,
    /// Show the line of this message in the crawl.
    ShowInCrawl(u64),
    /// Put this text into the filter box.
    Filter(String),
    /// Apply these settings of the app, in their text form.
    Settings(String),
    /// Add this topic filter to the form: it is subscribed to.
    Subscribed(String),
    /// Remove this topic filter from the form.
    Unsubscribed(String),
    /// Use this opening and these line rules for the crawl, as a link holds them.
    Crawl(String),
    /// Play the opening.
    PlayOpening,
    /// Show this notice: the panels can't run.
    Notice(&'static str),
}

/// Makes the event of a message with a text.
type ToEvent = fn(String) -> PanelsEvent;

impl PanelsLink {
    /// Has the panels do something, now or as soon as they run.
    pub fn run(&self, action: PanelAction, document: &Document) {
        if self.stage.get() == Stage::Running {
            return window_bus::send(window_bus::PANELS, &action.message());
        }
        self.load(document);
        self.pending.set(Some(action));
    }

    /// Loads the panels if they aren't loaded yet.
    pub fn load(&self, document: &Document) {
        if self.stage.get() == Stage::Absent {
            self.stage.set(Stage::Loading);
            add_script(document);
        }
    }

    /// Handles a message from the panels.
    pub fn handle_message(&self, message: &JsValue, worker: &WorkerLink) -> Option<PanelsEvent> {
        if let Some(command) = message.dyn_ref::<Uint8Array>() {
            *self.connection_options.borrow_mut() = Some(command.clone());
            return None;
        }
        let text = message.as_string()?;
        if let Some(seq) = text.strip_prefix(window_bus::SHOW_IN_CRAWL) {
            return seq.parse().ok().map(PanelsEvent::ShowInCrawl);
        }
        let texts: [(&str, ToEvent); 5] = [
            (window_bus::FILTER, PanelsEvent::Filter),
            (window_bus::SETTINGS, PanelsEvent::Settings),
            (window_bus::CRAWL, PanelsEvent::Crawl),
            (window_bus::SUBSCRIBED, PanelsEvent::Subscribed),
            (window_bus::UNSUBSCRIBED, PanelsEvent::Unsubscribed),
        ];
        for (prefix, event) in texts {
            if let Some(text) = text.strip_prefix(prefix) {
                return Some(event(text.to_owned()));
            }
        }
        match text.as_str() {
            window_bus::PLAY_OPENING => Some(PanelsEvent::PlayOpening),
            window_bus::CONNECT => Some(PanelsEvent::Connect),
            window_bus::FAILED => {
                self.stage.set(Stage::Absent);
                // A failure matters only if a panel was to be opened.
                self.pending.take().map(|_| {
                    PanelsEvent::Notice(
                        "Couldn't load this panel. Check your network connection, then reload the page.",
                    )
                })
            }
            channel::VERSION => {
                self.stage.set(Stage::Running);
                self.connect(worker);
                // Copies: the panels may answer before a call returns.
                let (settings, crawl) = (self.settings.borrow().clone(), self.crawl.borrow().clone());
                window_bus::send(window_bus::PANELS, &settings);
                window_bus::send(window_bus::PANELS, &crawl);
                if let Some(action) = self.pending.take() {
                    window_bus::send(window_bus::PANELS, &action.message());
                }
                None
            }
            _ => Some(PanelsEvent::Notice(
                "The page and its panels are from different versions of the app, probably because one of them was \
                 cached. Reload the page without the cache (Ctrl+Shift+R).",
            )),
        }
    }

    /// Sends the app's current settings to the panels.
    pub fn send_settings(&self, settings: &str) {
        send_and_keep(&self.settings, window_bus::SETTINGS, settings);
    }

    /// Sends the crawl's current opening and line rules to the panels, as a link holds them.
    pub fn send_crawl(&self, crawl: &str) {
        send_and_keep(&self.crawl, window_bus::CRAWL, crawl);
    }

    /// Tells the panels that the person connects: a sample that plays, or is about to, ends.
    pub fn note_connecting(&self) {
        if self.pending.get() == Some(PanelAction::PlaySample) {
            self.pending.set(None);
        }
        window_bus::send(window_bus::PANELS, &window_bus::CONNECTING.into());
    }

    /// Gives the panels a channel to the worker, once it is ready.
    pub fn connect(&self, worker: &WorkerLink) {
        if self.stage.get() == Stage::Running
            && let Some(port) = worker.open_port()
        {
            window_bus::send(window_bus::PANELS, &port);
        }
    }

    /// Reports that the worker is gone, and with it what the panels sent to it.
    pub fn on_worker_lost(&self) {
        window_bus::send(window_bus::PANELS, &JsValue::NULL);
    }

    /// Sends the connection options to the worker, if any were chosen. The page sends them, ahead
    /// of each command to connect, because a new worker has none and messages on two channels have
    /// no common order.
    pub fn send_connection_options(&self, worker: &WorkerLink) {
        let command = self.connection_options.borrow().clone();
        if let Some(command) = command {
            // A copy: a posted buffer is transferred away.
            worker.send_encoded(command.slice(0, command.length()));
        }
    }
}

/// Sends this to the panels now, and again as soon as they are loaded.
fn send_and_keep(kept: &RefCell<JsValue>, prefix: &str, text: &str) {
    let message = JsValue::from(format!("{prefix}{text}"));
    // Panels that don't run yet receive nothing.
    window_bus::send(window_bus::PANELS, &message);
    *kept.borrow_mut() = message;
}

fn add_script(document: &Document) {
    let script = document.create_element("script").map(JsCast::unchecked_into::<HtmlScriptElement>);
    let (Ok(script), Some(head)) = (script, document.head()) else { return };
    script.set_type("module");
    script.set_src(SCRIPT);
    let on_error = Closure::once_into_js(|| window_bus::send(window_bus::PAGE, &window_bus::FAILED.into()));
    script.set_onerror(Some(on_error.unchecked_ref()));
    // Fails only if the node would contain itself.
    let _ = head.append_child(&script);
}
