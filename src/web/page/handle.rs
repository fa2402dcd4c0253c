//! The handle of the page's controller, for components and listeners.

use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{DragEvent, Element, Event, KeyboardEvent, Window as Browser};

use crate::config::link;
use crate::config::link::{Field, Link, Start, View};
use crate::protocol::command::PageCommand;
use crate::protocol::panels::PanelAction;
use crate::ui::console::scroll::ScrollStep;
use crate::web::dom::{EventListener, follow};
use crate::web::local_storage;
use crate::web::page::controller::PageController;
use crate::web::page::crawl::handle::CrawlEvent;
use crate::web::page::link_sync::read_link;
use crate::web::page::panels_link;
use crate::web::page::restart;
use crate::web::window_bus;

/// How long "Link copied" is shown.
const COPIED_MS: u32 = 2_000;

/// The events of the window that the page handles.
const WINDOW_EVENTS: [&str; 10] = [
    "online",
    "offline",
    "pagehide",
    "visibilitychange",
    "hashchange",
    "storage",
    window_bus::TO_PAGE,
    "keydown",
    "dragover",
    "drop",
];

/// The controller, for the page's components and listeners.
#[derive(Clone, Copy)]
pub struct PageHandle(StoredValue<Rc<PageController>, LocalStorage>);

impl PageHandle {
    pub(super) fn new(controller: Rc<PageController>) -> Self {
        Self(StoredValue::new_local(controller))
    }

    pub(super) fn with<T>(self, act: impl FnOnce(&Rc<PageController>) -> T) -> T {
        self.0.with_value(act)
    }

    /// Returns what an element does that the person uses. It isn't compiled for each of them.
    pub(super) fn callback(self, act: fn(&Rc<PageController>)) -> Callback<()> {
        Callback::new(move |()| self.with(act))
    }

    /// Returns what a button does that has the panels do something.
    pub(super) fn opens(self, action: PanelAction) -> Callback<()> {
        Callback::new(move |()| self.run_panel_action(action))
    }

    /// Applies the stored settings and the link, requests the first update, and handles the window's events from now on.
    pub(super) fn start(self, browser: Browser, link: Link) {
        self.with(|page| {
            page.apply_settings(local_storage::load(&browser));
            if let Some(failure) = restart::last_failure(&browser) {
                page.signals.notify(failure);
            }
        });
        let listener =
            EventListener::new(browser.into(), &WINDOW_EVENTS, move |event| self.handle_window_event(&event));
        let listener = StoredValue::new_local(listener);
        on_cleanup(move || listener.dispose());
        self.open_link(link);
        let form = self.with(|page| page.form);
        follow(move || {
            let (opening, line_rules) = (form.opening.get(), form.line_rules.get());
            self.with(|page| {
                let link = link::LinkSettings { opening, line_rules, ..link::LinkSettings::new("") }
                    .to_fragment("", Start::ByHand);
                page.panels.send_crawl(&link);
            });
        });
        follow(move || {
            let password = form.password();
            self.with(|page| page.worker.send(&PageCommand::InspectPassword(password)));
        });
        self.with(PageController::need_frame);
    }

    /// Applies the link of the address bar: on load, and when another one is pasted into the tab.
    fn open_link(self, link: Link) {
        self.with(|page| {
            page.signals.view.set(link.settings.view);
            page.form.fill(&link.settings);
            let own = || page.settings.borrow().line_rules.clone();
            let rules =
                Some(link.settings.line_rules).filter(|line_rules| !line_rules.rules.is_empty()).unwrap_or_else(own);
            page.set_line_rules(rules);
            for notice in link.notices {
                page.signals.notify(notice);
            }
            for error in link.faults.iter().filter(|error| error.field == Field::Link) {
                page.signals.notify(error.message.clone());
            }
            if !link.faults.is_empty() {
                // The form is folded while connected, and it is where the errors are shown.
                page.signals.form_open.set(true);
            }
            page.form.set_errors(link.faults);
            if link.holds_password {
                page.link.write_by_hand();
            }
        });
        if link.connect {
            self.with(|page| page.connect());
        }
    }

    /// Handles an event of the crawl.
    pub(super) fn handle_crawl_event(self, event: CrawlEvent) {
        self.with(|page| match event {
            // A line was chosen: the console shows its message, or the inspector if there is no
            // console.
            CrawlEvent::Reveal(seq) if page.signals.view.get_untracked() != View::Crawl => page.console.reveal(seq),
            CrawlEvent::Reveal(seq) => page.run_panel_action(PanelAction::Message(seq)),
            CrawlEvent::Panel(action) => page.run_panel_action(action),
            CrawlEvent::Speed(percent) => {
                page.form.opening.update(|opening| opening.speed_percent = percent);
                page.link.rewrite();
            }
        });
    }

    fn run_panel_action(self, action: PanelAction) {
        self.with(|page| page.run_panel_action(action));
    }

    /// Handles an event of the window.
    fn handle_window_event(self, event: &Event) {
        match event.type_().as_str() {
            "online" => self.with(|page| page.retry_now()),
            "offline" => self.with(|page| page.worker.send(&PageCommand::NetworkOffline)),
            // WebKit keeps a page that was left, and its worker would go on: the broker would
            // deliver to it what the next page should get.
            "pagehide" => self.with(|page| page.worker.end()),
            "visibilitychange" => self.with(|page| {
                if page.is_seen() {
                    page.retry_now();
                }
                page.tick();
            }),
            "hashchange" => {
                let link = self.with(|page| read_link(&page.browser));
                self.open_link(link);
            }
            // Another tab may have changed the settings.
            "storage" => self.with(|page| {
                if page.apply_settings(local_storage::load(&page.browser)) {
                    page.link.rewrite();
                }
            }),
            window_bus::TO_PAGE => match window_bus::receive(event) {
                Ok((message, _)) => self.with(|page| page.handle_panels_message(message)),
                Err(_) => self.with(|page| page.signals.notify(panels_link::OTHER_BUILD.to_owned())),
            },
            "keydown" => self.handle_key(event.unchecked_ref()),
            // Without this the browser would show the file instead of the page. The panels handle
            // the file; a drop before they are loaded opens the panel that can import it.
            drag if carries_files(event) => {
                event.prevent_default();
                self.run_panel_action(if drag == "drop" { PanelAction::Logs } else { PanelAction::FileHover });
            }
            _ => {}
        }
    }

    fn handle_key(self, event: &KeyboardEvent) {
        // A key belongs to the element that has the focus.
        if event.default_prevented() || is_in(event, "input, select, textarea, dialog") {
            return;
        }
        match event.key().as_str() {
            // The browser scrolls the crawl's transcript.
            "End" if !is_in(event, "[role=log]") => self.with(|page| page.console.step(ScrollStep::End)),
            "?" => self.run_panel_action(PanelAction::Help),
            _ => {}
        }
    }

    /// Puts the link into the clipboard.
    pub(super) fn copy_link(self) {
        self.with(|page| {
            let link = page.link.link();
            let clipboard = page.browser.navigator().clipboard();
            // Missing unless the page came over https or from this machine.
            if clipboard.is_undefined() {
                page.signals.notify(format!("Clipboard access is blocked. The link is {link}"));
                return;
            }
            let _ = clipboard.write_text(&link);
            let copied = page.signals.copied;
            copied.set(true);
            Timeout::new(COPIED_MS, move || {
                copied.try_set(false);
            })
            .forget();
        });
    }
}

/// Whether a key was pressed in an element that matches the selector.
fn is_in(event: &KeyboardEvent, selector: &str) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|element| element.closest(selector).is_ok_and(|found| found.is_some()))
}

/// Whether files are dragged, and not a text on its way into a field.
fn carries_files(event: &Event) -> bool {
    let data = event.dyn_ref::<DragEvent>().and_then(DragEvent::data_transfer);
    data.is_some_and(|data| data.types().includes(&"Files".into(), 0))
}
