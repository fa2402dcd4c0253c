//! The page's end of the panels: loads them when one is first opened and gives
//! them a line to the worker, a new one for each new worker.

use std::cell::{Cell, RefCell};

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use web_sys::{Document, HtmlScriptElement};

use crate::web::channel;
use crate::web::page::worker_link::WorkerLink;
use crate::web::window_bus;
use crate::web::window_bus::Panel;

/// The loader that Trunk writes beside the panels; relative to the page.
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
    /// What to open as soon as they run.
    wanted: Cell<Option<Panel>>,
    /// What they are to know of the app's settings, as the hail says it.
    settings: RefCell<JsValue>,
    /// And of what the crawl tells.
    crawl: RefCell<JsValue>,
    /// The finer settings as a command, for every connection from now on.
    refined: RefCell<Option<Uint8Array>>,
}

/// What the panels want of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PanelsEvent {
    /// To connect again with what stands in the form.
    Connect,
    /// The crawl to show the line of this message.
    Show(u64),
    /// This in the filter box.
    Filter(String),
    /// These settings of the app, in their text form.
    Settings(String),
    /// This topic filter in the form: it is subscribed to.
    Topic(String),
    /// This topic filter out of the form.
    NoTopic(String),
    /// The crawl to open and to tell like this, as a link has it.
    Crawl(String),
    /// To play the opening.
    Play,
    /// To be told: they can't run.
    Notice(&'static str),
}

/// What a text means for the page.
type Meaning = fn(String) -> PanelsEvent;

impl PanelsLink {
    /// Opens a panel, now or as soon as the panels are there.
    pub fn open(&self, panel: Panel, document: &Document) {
        if self.stage.get() == Stage::Running {
            return window_bus::send(window_bus::PANELS, &panel.message());
        }
        self.prepare(document);
        self.wanted.set(Some(panel));
    }

    /// Loads the panels, if they aren't there: they have more to say of what a
    /// person is about to do.
    pub fn prepare(&self, document: &Document) {
        if self.stage.get() == Stage::Absent {
            self.stage.set(Stage::Loading);
            load(document);
        }
    }

    /// The panels called.
    pub fn handle_message(&self, said: &JsValue, worker: &WorkerLink) -> Option<PanelsEvent> {
        if let Some(command) = said.dyn_ref::<Uint8Array>() {
            *self.refined.borrow_mut() = Some(command.clone());
            return None;
        }
        let said = said.as_string()?;
        if let Some(seq) = said.strip_prefix(window_bus::SHOW) {
            return seq.parse().ok().map(PanelsEvent::Show);
        }
        let texts: [(&str, Meaning); 5] = [
            (window_bus::FILTER, PanelsEvent::Filter),
            (window_bus::SETTINGS, PanelsEvent::Settings),
            (window_bus::CRAWL, PanelsEvent::Crawl),
            (window_bus::SUBSCRIBED, PanelsEvent::Topic),
            (window_bus::UNSUBSCRIBED, PanelsEvent::NoTopic),
        ];
        for (prefix, wanted) in texts {
            if let Some(text) = said.strip_prefix(prefix) {
                return Some(wanted(text.to_owned()));
            }
        }
        match said.as_str() {
            window_bus::PLAY => Some(PanelsEvent::Play),
            window_bus::CONNECT => Some(PanelsEvent::Connect),
            window_bus::FAILED => {
                self.stage.set(Stage::Absent);
                // Nobody misses what nobody opened.
                self.wanted.take().map(|_| {
                    PanelsEvent::Notice(
                        "This part of the app couldn't be loaded. Is the network there? Reload the page.",
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
                if let Some(panel) = self.wanted.take() {
                    window_bus::send(window_bus::PANELS, &panel.message());
                }
                None
            }
            _ => Some(PanelsEvent::Notice(
                "The page and its panels come from different versions of this app, probably because one of them was \
                 cached. Reload the page without the cache (Ctrl+Shift+R).",
            )),
        }
    }

    /// The app's settings are these now.
    pub fn apply_theme(&self, settings: &str) {
        tell(&self.settings, window_bus::SETTINGS, settings);
    }

    /// The crawl opens and tells like this now, as a link has it.
    pub fn set_crawl(&self, crawl: &str) {
        tell(&self.crawl, window_bus::CRAWL, crawl);
    }

    /// The person connects: a sample that plays, or is about to, ends.
    pub fn note_connecting(&self) {
        if self.wanted.get() == Some(Panel::Sample) {
            self.wanted.set(None);
        }
        window_bus::send(window_bus::PANELS, &window_bus::CONNECTING.into());
    }

    /// A worker listens: the panels get a line to it.
    pub fn connect(&self, worker: &WorkerLink) {
        if self.stage.get() == Stage::Running
            && let Some(port) = worker.open_port()
        {
            window_bus::send(window_bus::PANELS, &port);
        }
    }

    /// The worker is gone, and what the panels sent it with it.
    pub fn on_worker_lost(&self) {
        window_bus::send(window_bus::PANELS, &JsValue::NULL);
    }

    /// Tells the worker the finer settings, if any were chosen. The page does
    /// it, ahead of each wish to connect, since a new worker knows none and two
    /// lines have no order between them.
    pub fn refine(&self, worker: &WorkerLink) {
        let refined = self.refined.borrow().clone();
        if let Some(command) = refined {
            // A copy: what is posted is gone.
            worker.send_encoded(command.slice(0, command.length()));
        }
    }
}

/// Tells the panels, now and as soon as they are there.
fn tell(place: &RefCell<JsValue>, what: &str, words: &str) {
    let said = JsValue::from(format!("{what}{words}"));
    // Panels that don't run yet hear nothing.
    window_bus::send(window_bus::PANELS, &said);
    *place.borrow_mut() = said;
}

fn load(document: &Document) {
    let script = document.create_element("script").map(JsCast::unchecked_into::<HtmlScriptElement>);
    let (Ok(script), Some(head)) = (script, document.head()) else { return };
    script.set_type("module");
    script.set_src(SCRIPT);
    let on_error = Closure::once_into_js(|| window_bus::send(window_bus::PAGE, &window_bus::FAILED.into()));
    script.set_onerror(Some(on_error.unchecked_ref()));
    // Fails only where it would make a circle.
    let _ = head.append_child(&script);
}
