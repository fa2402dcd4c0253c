//! The page: its markup, its events, and what they do.
//!
//! An update from the worker waits until the next animation frame. The frame applies it as a whole,
//! and later in that frame the next pull is sent
//! ([`RefreshThrottle`](crate::ui::console::refresh_rate::RefreshThrottle)). So the page asks at
//! most once a frame, a slow page asks less often, and a hidden one not at all.
//!
//! Messages never enter the reactive graph: rows go to the console and lines to the crawl. The
//! page's signals hold states and numbers, and are set once a frame.

pub mod console;
mod controller;
pub mod crawl;
pub mod form;
mod frame_loop;
mod link_sync;
pub mod panels_link;
pub mod restart;
pub mod service_worker;
mod signals;
pub mod status;
pub mod worker_link;

use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::mount::mount_to_body;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{DragEvent, Element, Event, KeyboardEvent, Window as Browser};

use crate::config::link;
use crate::config::link::{Field, Link, Start, View};
use crate::protocol::command::PageCommand;
use crate::protocol::panels::PanelAction;
use crate::ui::console::scroll::ScrollStep;
use crate::web::clock::Clock;
use crate::web::dom;
use crate::web::dom::{DomScope, EventListener, follow};
use crate::web::local_storage;
use crate::web::page::console::ConsoleView;
use crate::web::page::controller::PageController;
use crate::web::page::crawl::handle::{CrawlEvent, CrawlHandle};
use crate::web::page::crawl::view::CrawlView;
use crate::web::page::form::{Form, PageInfo};
use crate::web::page::link_sync::{base_of, read_link};
use crate::web::page::signals::PageSignals;
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

/// Starts the page.
pub fn run(browser: Browser) {
    restart::on_panic(&browser);
    let Some(performance) = browser.performance() else { return };
    if let Some(loading) = browser.document().and_then(|document| document.get_element_by_id("loading")) {
        loading.remove();
    }
    let clock = Clock::new(performance);
    mount_to_body(move || view! { <Page browser=browser.clone() clock=clock.clone() /> });
}

/// The controller, for the page's listeners and effects.
#[derive(Clone, Copy)]
struct PageHandle(StoredValue<Rc<PageController>, LocalStorage>);

impl PageHandle {
    fn with<T>(self, act: impl FnOnce(&Rc<PageController>) -> T) -> T {
        self.0.with_value(act)
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
    fn handle_crawl_event(self, event: CrawlEvent) {
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

    /// Keeps the page's nodes in step with the signals.
    fn follow(self, root: &DomScope) {
        let (signals, form) = self.with(|page| (page.signals, page.form));
        if let Some(connection) = root.find(".connection").map(DomScope::new) {
            status::follow_connection(&connection, signals.connection, signals.now);
            form.follow(&connection);
            form::follow_token(&connection, signals.token);
        }
        status::follow_numbers(root.clone(), signals.stats, signals.behind);
        let to_view = root.clone();
        follow(move || {
            let (view, is_open) = (signals.view.get().name(), signals.form_open.get());
            to_view.set_root_flag("data-view", view);
            to_view.set_root_flag("data-form", if is_open { "open" } else { "folded" });
            for each in View::ALL {
                let button = format!("[data-action=view][value={}]", each.name());
                to_view.set_attribute(&button, "aria-pressed", &(each.name() == view).to_string());
            }
            to_view.set_attribute("[data-action=fold]", "aria-expanded", &is_open.to_string());
            to_view.set_text("[data-action=copy-link]", if signals.copied.get() { "Link copied" } else { "Copy link" });
        });
        let to_notify = root.clone();
        follow(move || {
            let Some(list) = to_notify.clear(".notices") else { return };
            signals.notices.with(|notices| notices.iter().for_each(|notice| show_notice(&list, notice)));
        });
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

    /// Handles an event of the page's own nodes.
    fn handle_page_event(self, event: &Event, form: Form) {
        match event.type_().as_str() {
            "input" => form.handle_event(event),
            "submit" => {
                event.prevent_default();
                self.with(|page| page.connect());
            }
            _ => self.handle_click(event),
        }
    }

    /// Handles a click on one of the page's buttons; the crawl and the console have listeners of
    /// their own.
    fn handle_click(self, event: &Event) {
        let Some((action, button)) = dom::action_of(event) else { return };
        let panel = match action.as_str() {
            "preferences" => PanelAction::Preferences,
            "help" => PanelAction::Help,
            "send" => PanelAction::Send,
            "packets" => PanelAction::Packets,
            "subscriptions" => PanelAction::Subscriptions,
            "connection-options" => PanelAction::ConnectionOptions,
            _ => return self.run_action(&action, &button),
        };
        self.run_panel_action(panel);
    }

    fn run_action(self, action: &str, button: &Element) {
        let (signals, form) = self.with(|page| (page.signals, page.form));
        match action {
            "view" => {
                let name = button.get_attribute("value").unwrap_or_default();
                if let Some(view) = View::ALL.into_iter().find(|view| view.name() == name) {
                    self.with(|page| page.show(view));
                }
            }
            "disconnect" => self.with(|page| page.disconnect()),
            "fold" => signals.form_open.update(|open| *open = !*open),
            "retry" => self.with(|page| page.retry_now()),
            "take-over" => self.with(|page| page.worker.send(&PageCommand::TakeOver)),
            "drop-message" => self.with(|page| page.worker.send(&PageCommand::DropMessage)),
            "end-session" => self.with(|page| page.worker.send(&PageCommand::EndSession)),
            "replace-password" => self.with(|page| page.replace_password()),
            "load-newer" => self.with(|page| page.load_newer()),
            "copy-link" => self.copy_link(),
            "add-topic" => form.add_topic(""),
            "remove-topic" => form.remove_topic(button),
            "dismiss" => {
                let text = button.parent_element().and_then(|notice| notice.first_element_child());
                signals.dismiss(&text.and_then(|text| text.text_content()).unwrap_or_default());
            }
            _ => {}
        }
    }

    fn copy_link(self) {
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

fn page_info(browser: &Browser) -> PageInfo {
    let mut seed = [0; 8];
    let drawn = browser.crypto().and_then(|crypto| crypto.get_random_values_with_u8_array(&mut seed));
    if drawn.is_err() {
        seed = js_sys::Math::random().to_bits().to_le_bytes();
    }
    PageInfo { base: base_of(&browser.location()), client_id: link::client_id(u64::from_le_bytes(seed)) }
}

fn show_notice(list: &Element, text: &str) {
    let Some(notice) = dom::add(list, "p", "") else { return };
    notice.set_class_name("notice");
    dom::add(&notice, "span", text);
    if text == service_worker::NEWER
        && let Some(button) = dom::add(&notice, "button", "Update now")
    {
        button.set_class_name("button");
        for (name, value) in [("type", "button"), ("data-action", "load-newer")] {
            let _ = button.set_attribute(name, value);
        }
    }
    if let Some(button) = dom::add(&notice, "button", "×") {
        button.set_class_name("button icon");
        for (name, value) in [("type", "button"), ("aria-label", "Dismiss"), ("data-action", "dismiss")] {
            let _ = button.set_attribute(name, value);
        }
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

#[component]
fn Page(browser: Browser, clock: Clock) -> impl IntoView {
    let link = read_link(&browser);
    let signals = PageSignals::new(clock.now(), link.settings.view);
    let form = Form::new(&link.settings, page_info(&browser));
    let crawl = CrawlHandle::new();
    let controller = PageController::new(browser.clone(), clock, signals, form, crawl.clone());
    let console = controller.console.clone();
    let page = PageHandle(StoredValue::new_local(controller));

    let listener = EventListener::new(browser.into(), &WINDOW_EVENTS, move |event| page.handle_window_event(&event));
    let listeners = StoredValue::new_local(vec![listener]);
    on_cleanup(move || listeners.dispose());
    start(page, form, link);

    let root = NodeRef::<leptos::html::Div>::new();
    follow(move || {
        let Some(root) = root.get() else { return };
        let listener = EventListener::new(root.clone().into(), &["click", "input", "submit"], move |event| {
            page.handle_page_event(&event, form);
        });
        listeners.update_value(|listeners| listeners.push(listener));
        page.follow(&DomScope::new(root.into()));
    });
    view! {
        <div
            class="page"
            node_ref=root
        >
            <header class="top" inner_html=include_str!("head.html")></header>
            <div class="notices" role="alert"></div>
            <main class="stage-and-desk">
                <div class="crawl-pane">
                    <CrawlView
                        handle=crawl
                        opening=form.opening
                        on_event=move |event| page.handle_crawl_event(event)
                    />
                </div>
                <div class="desk">
                    <section class="connection" aria-label="Connection" inner_html=form::CONNECTION></section>
                    <ConsoleView console />
                </div>
            </main>
            <footer class="bottom" inner_html=include_str!("numbers.html")></footer>
        </div>
    }
}

/// Applies the stored settings and the link, and requests the first update.
fn start(page: PageHandle, form: Form, link: Link) {
    page.with(|page| {
        page.apply_settings(local_storage::load(&page.browser));
        if let Some(failure) = restart::last_failure(&page.browser) {
            page.signals.notify(failure);
        }
    });
    page.open_link(link);
    follow(move || {
        let (opening, line_rules) = (form.opening.get(), form.line_rules.get());
        page.with(|page| {
            let link = link::LinkSettings { opening, line_rules, ..link::LinkSettings::new("") }
                .to_fragment("", Start::ByHand);
            page.panels.send_crawl(&link);
        });
    });
    follow(move || {
        let password = form.password();
        page.with(|page| page.worker.send(&PageCommand::InspectPassword(password)));
    });
    page.with(PageController::need_frame);
}
