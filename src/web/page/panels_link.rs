//! The page's link to the panels: loads them when one is first opened, and gives them a channel to
//! the worker, a new one for each new worker.

use std::cell::{Cell, RefCell};

use wasm_bindgen::prelude::*;
use web_sys::{Document, HtmlScriptElement};

use crate::protocol::command::PageCommand;
use crate::protocol::connection::ConnectionOptions;
use crate::protocol::panels::{PanelAction, ToPage, ToPanels};
use crate::web::channel;
use crate::web::page::worker_link::WorkerLink;
use crate::web::window_bus;

/// The loader that Trunk writes next to the panels; relative to the page.
const SCRIPT: &str = "panels_loader.js";

/// What to show if the panels don't come from the page's build.
pub const OTHER_BUILD: &str = "The page and its panels are from different versions of the app, probably because one of \
                               them was cached. Reload the page without the cache (Ctrl+Shift+R).";

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
    /// The app's settings for the panels, in their text form.
    settings: RefCell<String>,
    /// The crawl's opening and line rules for the panels, as a link holds them.
    crawl: RefCell<String>,
    /// The connection options for every connection from now on.
    connection_options: RefCell<Option<Box<ConnectionOptions>>>,
}

impl PanelsLink {
    /// Has the panels do something, now or as soon as they run.
    pub fn run(&self, action: PanelAction, document: &Document) {
        if self.stage.get() == Stage::Running {
            return window_bus::send_to_panels(&ToPanels::Run(action));
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

    /// Handles [`ToPage::Ready`], with the version of the panels.
    ///
    /// # Errors
    /// Fails with what to show if the panels are of another build.
    pub fn handle_ready(&self, version: &str, worker: &WorkerLink) -> Result<(), &'static str> {
        if version != channel::VERSION {
            return Err(OTHER_BUILD);
        }
        self.stage.set(Stage::Running);
        self.connect(worker);
        // Copies: the panels may answer before a call returns.
        let (settings, crawl) = (self.settings.borrow().clone(), self.crawl.borrow().clone());
        window_bus::send_to_panels(&ToPanels::Settings(settings));
        window_bus::send_to_panels(&ToPanels::Crawl(crawl));
        if let Some(action) = self.pending.take() {
            window_bus::send_to_panels(&ToPanels::Run(action));
        }
        Ok(())
    }

    /// Handles [`ToPage::LoadFailed`]. Returns what to show, if a panel was to be opened.
    pub fn handle_load_failure(&self) -> Option<&'static str> {
        self.stage.set(Stage::Absent);
        self.pending.take().map(|_| "Couldn't load this panel. Check your network connection, then reload the page.")
    }

    /// Keeps the options for every connection from now on.
    pub fn set_connection_options(&self, options: Box<ConnectionOptions>) {
        self.connection_options.replace(Some(options));
    }

    /// Sends the app's current settings to the panels, now or as soon as they run.
    pub fn send_settings(&self, settings: &str) {
        window_bus::send_to_panels(&ToPanels::Settings(settings.to_owned()));
        self.settings.replace(settings.to_owned());
    }

    /// Sends the crawl's current opening and line rules to the panels, now or as soon as they run.
    pub fn send_crawl(&self, crawl: &str) {
        window_bus::send_to_panels(&ToPanels::Crawl(crawl.to_owned()));
        self.crawl.replace(crawl.to_owned());
    }

    /// Reports to the panels that the user connects: a sample that plays, or is about to, ends.
    pub fn note_connecting(&self) {
        if self.pending.get() == Some(PanelAction::PlaySample) {
            self.pending.set(None);
        }
        window_bus::send_to_panels(&ToPanels::Connecting);
    }

    /// Gives the panels a channel to the worker, once it is ready.
    pub fn connect(&self, worker: &WorkerLink) {
        if self.stage.get() == Stage::Running
            && let Some(port) = worker.open_port()
        {
            window_bus::send_port_to_panels(&port);
        }
    }

    /// Reports that the worker is gone, and with it what the panels sent to it.
    pub fn on_worker_lost(&self) {
        window_bus::send_to_panels(&ToPanels::WorkerLost);
    }

    /// Sends the connection options to the worker, if any were chosen. The page sends them, ahead
    /// of each command to connect, because a new worker has none and messages on two channels have
    /// no common order.
    pub fn send_connection_options(&self, worker: &WorkerLink) {
        let options = self.connection_options.borrow().clone();
        if let Some(options) = options {
            worker.send(&PageCommand::SetConnectionOptions(options));
        }
    }
}

fn add_script(document: &Document) {
    let script = document.create_element("script").map(JsCast::unchecked_into::<HtmlScriptElement>);
    let (Ok(script), Some(head)) = (script, document.head()) else { return };
    script.set_type("module");
    script.set_src(SCRIPT);
    let on_error = Closure::once_into_js(|| window_bus::send_to_page(&ToPage::LoadFailed));
    script.set_onerror(Some(on_error.unchecked_ref()));
    // Fails only if the node would contain itself.
    let _ = head.append_child(&script);
}
