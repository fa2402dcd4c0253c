//! The page, and the frame loop that feeds its parts.
//!
//! An update from the worker waits until the next animation frame. The frame applies it as a whole,
//! and later in that frame the next pull is sent ([`RefreshThrottle`]). So the page asks at most
//! once a frame, a slow page asks less often, and a hidden one not at all.
//!
//! Messages never enter the reactive graph: rows go to [`Console`] and lines to the crawl. The
//! signals here hold states and numbers, and are set once a frame.

pub mod console;
pub mod crawl;
pub mod form;
pub mod panels_link;
pub mod restart;
pub mod service_worker;
pub mod status;
pub mod worker_link;

use super::download::{download, file_name};
use super::local_time;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::mount::mount_to_body;
use leptos::prelude::*;
// The trait; one of our own types has the same name.
use leptos::prelude::Update as _;
use wasm_bindgen::prelude::*;
use web_sys::{DragEvent, Element, Event, KeyboardEvent, Location, VisibilityState, Window as Browser};

use super::clock::Clock;
use crate::config::link;
use crate::config::link::{Field, Link, Start, View};
use crate::config::settings::{Columns, Settings};
use crate::credentials;
use crate::dialogue::rules::LineRules;
use crate::protocol::command::PageCommand;
use crate::protocol::connection::ConnectRequest;
use crate::protocol::connection::{Connection, ConnectionState, JwtInfo};
use crate::protocol::rows::Pull;
use crate::protocol::update::{Stats, Update};
use crate::time::Instant;
use crate::ui::console::view_model::{RefreshThrottle, RowChurn, ScrollStep};
use crate::web::dom;
use crate::web::dom::{ClickListener, DomScope, follow};
use crate::web::local_storage;
use crate::web::page::console::{Console, ConsoleEvent, ConsoleStatus, ConsoleView};
use crate::web::page::crawl::{CrawlEvent, CrawlHandle, CrawlView};
use crate::web::page::form::{Form, PageInfo};
use crate::web::page::panels_link::{PanelsEvent, PanelsLink};
use crate::web::page::service_worker::Offline;
use crate::web::page::worker_link::{WorkerEvent, WorkerLink};
use crate::web::window_bus;
use crate::web::window_bus::Panel;

/// How often the page checks whether the crawl has room again, and counts down …
const TICK_MS: u32 = 250;

/// … and how often while nothing waits for either.
const IDLE_TICK_MS: u32 = 2_000;

/// How long "Link copied" is shown.
const COPIED_MS: u32 = 2_000;

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

/// The events of the window that the page handles.
const HEARD: [&str; 10] = [
    "online",
    "offline",
    "pagehide",
    "visibilitychange",
    "hashchange",
    "storage",
    window_bus::PAGE,
    "keydown",
    "dragover",
    "drop",
];

/// What the parts of the page show. Everything here is small and is set at most once a frame.
#[derive(Clone, Copy)]
struct PageSignals {
    connection: RwSignal<Connection>,
    stats: RwSignal<Stats>,
    behind: RwSignal<u64>,
    token: RwSignal<Option<JwtInfo>>,
    /// Messages for the person; each can be dismissed.
    notices: RwSignal<Vec<String>>,
    now: RwSignal<Instant>,
    view: RwSignal<View>,
    copied: RwSignal<bool>,
    /// Whether the form is unfolded.
    form_open: RwSignal<bool>,
}

impl PageSignals {
    fn new(now: Instant, view: View) -> Self {
        Self {
            connection: RwSignal::default(),
            stats: RwSignal::default(),
            behind: RwSignal::default(),
            token: RwSignal::default(),
            notices: RwSignal::default(),
            now: RwSignal::new(now),
            view: RwSignal::new(view),
            copied: RwSignal::default(),
            form_open: RwSignal::new(true),
        }
    }

    fn notify(self, words: String) {
        self.notices.update(|notices| {
            if !notices.contains(&words) {
                notices.push(words);
            }
        });
    }

    fn set_connection(self, connection: Connection) {
        if self.connection.with_untracked(|old| *old == connection) {
            return;
        }
        let (old, new) = (self.connection.with_untracked(|old| old.state), connection.state);
        self.connection.set(connection);
        if old != new {
            match new {
                // The crawl and the console get the space.
                ConnectionState::Connected => self.form_open.set(false),
                // There may be something to correct in the form.
                ConnectionState::Stopped | ConnectionState::Idle => self.form_open.set(true),
                ConnectionState::Connecting | ConnectionState::Reconnecting => {}
            }
        }
    }
}

/// The controller that connects worker, console and crawl.
#[derive(Clone, Copy)]
struct PageHandle(StoredValue<Rc<PageController>, LocalStorage>);

struct PageController {
    browser: Browser,
    clock: Clock,
    shown: PageSignals,
    form: Form,
    crawl: CrawlHandle,
    console: Console,
    worker: WorkerLink,
    panels: PanelsLink,
    /// Set once the app has loaded: what it loads comes first.
    offline: OnceCell<Offline>,
    settings: RefCell<Settings>,
    /// The filter's text, whether or not it can be parsed.
    filter: RefCell<String>,
    facts: RefCell<ConsoleStatus>,
    feed: RefCell<FrameLoop>,
}

/// The frame loop's state.
#[derive(Default)]
struct FrameLoop {
    /// The update that the next frame applies.
    update: Option<Box<Update>>,
    frame_is_due: bool,
    /// The pull that hasn't been answered yet.
    asked: Option<Pull>,
    pace: RefreshThrottle,
    /// The timer that ends the wait before the next pull.
    rest: Option<Timeout>,
    tick: Option<Timeout>,
    /// The connection that is sent again to a new worker.
    request: Option<ConnectRequest>,
}

impl PageHandle {
    fn with<T>(self, act: impl FnOnce(&Rc<PageController>) -> T) -> T {
        self.0.with_value(act)
    }

    /// Applies the link of the address bar: on load, and when another one is pasted into the tab.
    fn open_link(self, link: Link) {
        self.with(|inner| {
            inner.shown.view.set(link.settings.view);
            inner.form.fill(&link.settings);
            let own = || inner.settings.borrow().mapping.clone();
            inner.set_line_rules(
                Some(link.settings.mapping).filter(|mapping| !mapping.rules.is_empty()).unwrap_or_else(own),
            );
            for words in link.notices {
                inner.shown.notify(words);
            }
            for fault in link.faults.iter().filter(|fault| fault.field == Field::Link) {
                inner.shown.notify(fault.words.clone());
            }
            if !link.faults.is_empty() {
                // The form is folded while connected, and it is where the faults are shown.
                inner.shown.form_open.set(true);
            }
            inner.form.set_errors(link.faults);
            if link.holds_password {
                inner.write_link(Start::ByHand);
            }
        });
        if link.connect {
            self.connect();
        }
    }

    fn connect(self) {
        self.with(|inner| {
            let Some(request) = inner.form.request() else {
                inner.shown.form_open.set(true);
                return;
            };
            inner.feed.borrow_mut().request = Some(request.clone());
            inner.write_link(inner.start());
            inner.worker.revive();
            // Set at once, so that a second click finds the button disabled.
            inner.shown.set_connection(Connection {
                state: ConnectionState::Connecting,
                words: format!("Connecting to {} …", credentials::redact_url(&request.broker)),
                ..Connection::default()
            });
            inner.panels.note_connecting();
            inner.panels.refine(&inner.worker);
            inner.worker.send(&PageCommand::Connect(request));
        });
    }

    fn disconnect(self) {
        self.with(|inner| {
            inner.feed.borrow_mut().request = None;
            inner.write_link(Start::ByHand);
            inner.worker.send(&PageCommand::Disconnect);
        });
    }

    fn renew(self) {
        self.with(|inner| {
            let password = untrack(|| inner.form.password());
            if let Some(request) = &mut inner.feed.borrow_mut().request {
                request.password = Some(password.clone());
            }
            inner.worker.send(&PageCommand::ReplacePassword(password));
        });
    }

    /// Handles an event of the crawl.
    fn handle_crawl_event(self, plea: CrawlEvent) {
        self.with(|inner| match plea {
            // A line was chosen: the console shows its message, or the inspector if there is no
            // console.
            CrawlEvent::Reveal(seq) if inner.shown.view.get_untracked() != View::Crawl => inner.console.reveal(seq),
            CrawlEvent::Reveal(seq) => inner.open_panel(Panel::Message(seq)),
            CrawlEvent::Open(panel) => inner.open_panel(panel),
            CrawlEvent::Speed(percent) => {
                inner.form.opening.update(|opening| opening.speed_percent = percent);
                inner.rewrite_link();
            }
        });
    }

    fn open_panel(self, panel: Panel) {
        self.with(|inner| inner.open_panel(panel));
    }

    /// Keeps the page's nodes in step with the signals.
    fn follow(self, page: &DomScope) {
        let (shown, form) = self.with(|inner| (inner.shown, inner.form));
        if let Some(connection) = page.find(".connection").map(DomScope::new) {
            status::follow_connection(&connection, shown.connection, shown.now);
            form.follow(&connection);
            form::follow_token(&connection, shown.token);
        }
        status::follow_numbers(page.clone(), shown.stats, shown.behind);
        let to_view = page.clone();
        follow(move || {
            let (view, is_open) = (shown.view.get().name(), shown.form_open.get());
            to_view.set_root_flag("data-view", view);
            to_view.set_root_flag("data-form", if is_open { "open" } else { "folded" });
            for each in View::ALL {
                let button = format!("[data-action=view][value={}]", each.name());
                to_view.set_attribute(&button, "aria-pressed", &(each.name() == view).to_string());
            }
            to_view.set_attribute("[data-action=fold]", "aria-expanded", &is_open.to_string());
            to_view.set_text("[data-action=copy-link]", if shown.copied.get() { "Link copied" } else { "Copy link" });
        });
        let to_notify = page.clone();
        follow(move || {
            let Some(list) = to_notify.clear(".notices") else { return };
            shown.notices.with(|notices| notices.iter().for_each(|words| show_notice(&list, words)));
        });
    }

    /// Handles an event of the window.
    fn handle_window_event(self, event: &Event) {
        match event.type_().as_str() {
            "online" => self.with(|inner| inner.wake()),
            "offline" => self.with(|inner| inner.worker.send(&PageCommand::NetworkOffline)),
            // WebKit keeps a page that was left, and its worker would go on: the broker would
            // deliver to it what the next page should get.
            "pagehide" => self.with(|inner| inner.worker.end()),
            "visibilitychange" => self.with(|inner| {
                if inner.is_seen() {
                    inner.wake();
                }
                inner.tick();
            }),
            "hashchange" => {
                let link = self.with(|inner| read_link(&inner.browser));
                self.open_link(link);
            }
            // Another tab may have changed the settings.
            "storage" => self.with(|inner| {
                if inner.apply_settings(local_storage::load(&inner.browser)) {
                    inner.rewrite_link();
                }
            }),
            window_bus::PAGE => self.handle_panels_message(&window_bus::detail(event)),
            "keydown" => self.handle_key(event.unchecked_ref()),
            // Without this the browser would show the file instead of the page. The panels handle
            // the file; a drop before they are loaded opens the panel that can import it.
            drag if carries_files(event) => {
                event.prevent_default();
                self.open_panel(if drag == "drop" { Panel::Replay } else { Panel::Drop });
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
            // The browser scrolls the crawl's plain text.
            "End" if !is_in(event, "[role=log]") => self.with(|inner| inner.console.step(ScrollStep::End)),
            "?" => self.open_panel(Panel::Help),
            _ => {}
        }
    }

    /// Handles an event of the page's own nodes.
    fn handle_page_event(self, event: &Event, form: Form) {
        match event.type_().as_str() {
            "input" => form.handle_event(event),
            "submit" => {
                event.prevent_default();
                self.connect();
            }
            _ => self.handle_click(event),
        }
    }

    /// Handles a press of one of the page's buttons; the crawl and the console have listeners of
    /// their own.
    fn handle_click(self, event: &Event) {
        let Some((deed, button)) = dom::action_of(event) else { return };
        let panel = match deed.as_str() {
            "preferences" => Panel::Preferences,
            "help" => Panel::Help,
            "send" => Panel::Send,
            "packets" => Panel::Packets,
            "subscriptions" => Panel::Subscriptions,
            "finer" => Panel::Finer,
            _ => return self.run_action(&deed, &button),
        };
        self.open_panel(panel);
    }

    fn run_action(self, deed: &str, button: &Element) {
        let (shown, form) = self.with(|inner| (inner.shown, inner.form));
        match deed {
            "view" => {
                let name = button.get_attribute("value").unwrap_or_default();
                if let Some(view) = View::ALL.into_iter().find(|view| view.name() == name) {
                    self.with(|inner| inner.show(view));
                }
            }
            "disconnect" => self.disconnect(),
            "fold" => shown.form_open.update(|open| *open = !*open),
            "try" => self.with(|inner| inner.wake()),
            "take-over" => self.with(|inner| inner.worker.send(&PageCommand::TakeOver)),
            "drop-message" => self.with(|inner| inner.worker.send(&PageCommand::DropMessage)),
            "end-session" => self.with(|inner| inner.worker.send(&PageCommand::EndSession)),
            "renew" => self.renew(),
            "load-newer" => self.with(|inner| inner.load_newer()),
            "copy-link" => self.copy_link(),
            "add-topic" => form.add_topic(""),
            "remove-topic" => form.remove_topic(button),
            "put-away" => {
                let words = button.parent_element().and_then(|notice| notice.first_element_child());
                let words = words.and_then(|words| words.text_content());
                shown.notices.update(|notices| notices.retain(|other| Some(other) != words.as_ref()));
            }
            _ => {}
        }
    }

    /// Handles a message from the panels.
    fn handle_panels_message(self, said: &JsValue) {
        match self.with(|inner| inner.panels.handle_message(said, &inner.worker)) {
            Some(PanelsEvent::Connect) => self.connect(),
            Some(PanelsEvent::Filter(text)) => self.with(|inner| inner.filter_by(text)),
            Some(PanelsEvent::Show(seq)) => self.with(|inner| inner.show_in_crawl(seq)),
            Some(PanelsEvent::Settings(text)) => self.with(|inner| inner.save_settings(Settings::parse(&text))),
            Some(PanelsEvent::Topic(filter)) => self.with(|inner| {
                inner.form.add_subscribed(&filter);
                inner.change_topics(|topics| {
                    if !topics.contains(&filter) {
                        topics.push(filter);
                    }
                });
            }),
            Some(PanelsEvent::NoTopic(filter)) => self.with(|inner| {
                inner.form.remove_subscribed(&filter);
                inner.change_topics(|topics| topics.retain(|topic| *topic != filter));
            }),
            Some(PanelsEvent::Crawl(text)) => self.with(|inner| {
                let link::LinkSettings { opening, mapping, .. } = link::parse(&text, "").settings;
                inner.form.opening.set(opening);
                if inner.set_line_rules(mapping.clone()) {
                    let settings = Settings { mapping, ..inner.settings.borrow().clone() };
                    inner.save_settings(settings);
                }
                inner.rewrite_link();
            }),
            Some(PanelsEvent::Play) => self.with(|inner| inner.crawl.play_opening()),
            Some(PanelsEvent::Notice(words)) => self.with(|inner| inner.shown.notify(words.to_owned())),
            None => {}
        }
    }

    fn copy_link(self) {
        self.with(|inner| {
            let link = inner.link();
            let clipboard = inner.browser.navigator().clipboard();
            // Missing unless the page came over https or from this machine.
            if clipboard.is_undefined() {
                inner.shown.notify(format!("This browser doesn't let the page copy. The link is {link}"));
                return;
            }
            let _ = clipboard.write_text(&link);
            let copied = inner.shown.copied;
            copied.set(true);
            Timeout::new(COPIED_MS, move || {
                copied.try_set(false);
            })
            .forget();
        });
    }
}

impl PageController {
    fn link(&self) -> String {
        let (address, fragment) = self.address(self.start());
        if fragment.is_empty() { address } else { format!("{address}#{fragment}") }
    }

    /// Changes the topics after a subscription changed: the address bar and a new worker need them.
    fn change_topics(&self, change: impl FnOnce(&mut Vec<String>)) {
        if let Some(request) = &mut self.feed.borrow_mut().request {
            change(&mut request.topics);
        }
        self.write_link(self.start());
    }

    /// A page can't connect on load without the password, which a link never holds, nor without a
    /// topic.
    fn start(&self) -> Start {
        let (has_password, has_topics) = match self.live_request() {
            Some(request) => (request.password.is_some(), !request.topics.is_empty()),
            None => (self.form.has_password(), self.form.has_topics()),
        };
        if has_password || !has_topics { Start::ByHand } else { Start::OnLoad }
    }

    /// Returns the settings that are connected, or being tried.
    fn live_request(&self) -> Option<ConnectRequest> {
        let state = self.shown.connection.with_untracked(|connection| connection.state);
        let is_away = matches!(state, ConnectionState::Idle | ConnectionState::Stopped);
        self.feed.borrow().request.clone().filter(|_| !is_away)
    }

    /// Returns the page's address without its fragment, and the fragment of its settings.
    fn address(&self, start: Start) -> (String, String) {
        let location = self.browser.location();
        let href = location.href().unwrap_or_default();
        let address = href.split('#').next().unwrap_or_default().to_owned();
        let view = self.shown.view.get_untracked();
        // Text that is still being typed isn't connected.
        let settings = match self.live_request() {
            Some(request) => self.form.settings_of(&request, view),
            None => self.form.settings(view),
        };
        (address, settings.to_fragment(&base_of(&location), start))
    }

    /// Rewrites the link after a setting changed that is part of the link but doesn't connect.
    fn rewrite_link(&self) {
        self.write_link(if self.live_request().is_some() { self.start() } else { Start::ByHand });
    }

    /// Keeps the address bar up to date, without a new entry in the history.
    fn write_link(&self, start: Start) {
        let (address, fragment) = self.address(start);
        let link = if fragment.is_empty() { address } else { format!("{address}#{fragment}") };
        let Ok(history) = self.browser.history() else { return };
        // Browsers refuse this only after hundreds of calls.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&link));
    }

    /// Makes lines by these rules from now on. Returns whether they differ from the previous ones.
    fn set_line_rules(&self, mapping: LineRules) -> bool {
        let is_new = self.form.mapping.with_untracked(|old| *old != mapping);
        if is_new {
            self.worker.send(&PageCommand::SetLineRules(mapping.clone()));
            self.form.mapping.set(mapping);
        }
        is_new
    }

    /// Applies and stores settings of the app that the person chose.
    fn save_settings(&self, settings: Settings) {
        local_storage::store(&self.browser, &settings.to_text());
        self.apply_settings(settings);
    }

    /// Handles an event of the console.
    fn handle_console_event(self: &Rc<Self>, wish: ConsoleEvent) {
        match wish {
            ConsoleEvent::Rows => self.need_frame(),
            ConsoleEvent::Filter(text) => self.filter_by(text),
            ConsoleEvent::Export => {
                self.update_console_status(|facts| facts.is_exporting = true);
                self.worker.send(&PageCommand::Export);
            }
            ConsoleEvent::Clear => self.worker.send(&PageCommand::Clear),
            ConsoleEvent::Columns(columns) => self.choose_columns(columns),
            ConsoleEvent::Open(panel) => self.open_panel(panel),
            ConsoleEvent::Suggestions => {
                if let Some(document) = self.browser.document() {
                    self.panels.prepare(&document);
                }
            }
            ConsoleEvent::ShowInCrawl(seq) => self.show_in_crawl(seq),
        }
    }

    fn show(self: &Rc<Self>, view: View) {
        self.shown.view.set(view);
        self.rewrite_link();
        self.need_frame();
    }

    /// Has the crawl go to the line of this message, or show it again.
    fn show_in_crawl(self: &Rc<Self>, seq: u64) {
        if self.shown.view.get_untracked() == View::Console {
            self.show(View::Split);
        }
        if !self.crawl.show(seq) {
            self.worker.send(&PageCommand::ShowInCrawl(seq));
            self.shown.notify("The crawl has no line of that message at hand, and tells it now.".to_owned());
        }
        self.need_frame();
    }

    fn filter_by(&self, text: String) {
        self.console.filter(&text);
        self.filter.replace(text.clone());
        self.worker.send(&filter_by(text));
    }

    fn open_panel(&self, panel: Panel) {
        if let Some(document) = self.browser.document() {
            self.panels.open(panel, &document);
        }
    }

    fn load_newer(&self) {
        if let Some(offline) = self.offline.get() {
            offline.load_newer(&self.browser);
        }
    }

    fn choose_columns(&self, columns: Columns) {
        let settings = Settings { columns, ..self.settings.borrow().clone() };
        self.save_settings(settings);
    }

    /// Applies the app's settings, wherever they come from. Returns whether the link has to be
    /// rewritten.
    fn apply_settings(&self, settings: Settings) -> bool {
        let old = self.settings.replace(settings.clone());
        if settings.log != old.log {
            self.worker.send(&PageCommand::SetLogLimits(settings.log));
        }
        // The rules of a link apply until others are chosen.
        let is_mapped = settings.mapping != old.mapping && self.set_line_rules(settings.mapping);
        self.apply_theme();
        is_mapped
    }

    fn apply_theme(&self) {
        let settings = self.settings.borrow().clone();
        if let Some(document) = self.browser.document() {
            local_storage::apply_theme(&document, settings.theme);
        }
        self.console.apply_theme(&settings);
        self.panels.apply_theme(&settings.to_text());
    }

    fn handle_worker_event(self: &Rc<Self>, heard: WorkerEvent) {
        match heard {
            WorkerEvent::Update(update) => {
                let mut feed = self.feed.borrow_mut();
                feed.update = Some(match feed.update.take() {
                    Some(earlier) => Box::new(earlier.followed_by(*update)),
                    None => update,
                });
                feed.asked = None;
                drop(feed);
                self.need_frame();
            }
            WorkerEvent::Ready => {
                self.shown.notices.update(|notices| notices.retain(|words| words != SLOW_WORDS));
                self.panels.connect(&self.worker);
                let shown = self.shown;
                self.offline.get_or_init(|| {
                    Offline::keep(&self.browser, move || shown.notify(service_worker::NEWER.to_owned()))
                });
                self.need_frame();
            }
            WorkerEvent::Export(blob) => {
                self.update_console_status(|facts| facts.is_exporting = false);
                let _ = download(&blob, &file_name("ndjson"));
            }
            WorkerEvent::Slow => self.shown.notify(SLOW_WORDS.to_owned()),
            WorkerEvent::Replaced { words } => self.restart(&words),
            WorkerEvent::Lost { words } => {
                self.panels.on_worker_lost();
                self.update_console_status(|facts| facts.is_exporting = false);
                self.shown.notify(words.clone());
                self.shown.set_connection(Connection {
                    state: ConnectionState::Stopped,
                    words,
                    ..Connection::default()
                });
            }
        }
    }

    /// Handles the death of the worker: the new one has no state.
    fn restart(self: &Rc<Self>, words: &str) {
        self.shown.notify(format!(
            "The part of this app that speaks MQTT failed ({words}) and was started again. The messages it kept are \
             gone, and the numbers begin anew."
        ));
        self.update_console_status(|facts| facts.is_exporting = false);
        self.console.restart();
        self.crawl.clear();
        self.panels.on_worker_lost();
        let request = {
            let mut feed = self.feed.borrow_mut();
            feed.update = None;
            feed.asked = None;
            feed.request.clone()
        };
        let log = self.settings.borrow().log;
        self.worker.send(&PageCommand::SetLogLimits(log));
        self.worker.send(&PageCommand::SetLineRules(self.form.mapping.get_untracked()));
        let filter = self.filter.borrow().clone();
        if !filter.is_empty() {
            self.worker.send(&filter_by(filter));
        }
        self.worker.send(&PageCommand::InspectPassword(untrack(|| self.form.password())));
        if let Some(request) = request {
            self.panels.refine(&self.worker);
            self.worker.send(&PageCommand::Connect(request));
        }
        self.need_frame();
    }

    fn need_frame(self: &Rc<Self>) {
        if std::mem::replace(&mut self.feed.borrow_mut().frame_is_due, true) {
            return;
        }
        let inner = Rc::clone(self);
        request_animation_frame(move || inner.frame());
    }

    /// Runs one frame: applies the update, and asks for more later.
    fn frame(self: &Rc<Self>) {
        let began = self.clock.now();
        let mut feed = self.feed.borrow_mut();
        feed.frame_is_due = false;
        let update = feed.update.take();
        drop(feed);
        if let Some(update) = update {
            let received = update.stats.received;
            let flow = self.apply(*update);
            let wait_ms = self.feed.borrow_mut().pace.drawn(flow, received, began);
            self.rest(wait_ms);
        } else {
            self.pull();
        }
        self.tick();
    }

    /// Asks again after this time.
    fn rest(self: &Rc<Self>, wait_ms: u32) {
        let inner = Rc::clone(self);
        self.feed.borrow_mut().rest = Some(Timeout::new(wait_ms, move || inner.rested()));
    }

    fn rested(self: &Rc<Self>) {
        let longer_ms = self.feed.borrow_mut().pace.rested(self.clock.now());
        match longer_ms {
            Some(wait_ms) => self.rest(wait_ms),
            None => self.pull(),
        }
    }

    fn pull(&self) {
        let pull = Pull { crawl: self.crawl.room(), ..self.console.pull() };
        let mut feed = self.feed.borrow_mut();
        // A frame that is due pulls anyway; in a hidden page it never runs.
        if feed.asked != Some(pull) && !feed.frame_is_due {
            feed.asked = Some(pull);
            drop(feed);
            self.worker.send(&PageCommand::Pull(pull));
        }
    }

    fn apply(&self, update: Update) -> RowChurn {
        let shown = self.shown;
        // A log can be played without a connection.
        let begins = update.connection.state == ConnectionState::Connected || !update.lines.is_empty();
        // Without the client identifier in the link, the next page wouldn't find the session.
        if update.connection.lasts && self.form.link_client_id() {
            self.write_link(self.start());
        }
        shown.set_connection(update.connection);
        if shown.stats.with_untracked(|stats| *stats != update.stats) {
            shown.stats.set(update.stats);
        }
        if shown.token.with_untracked(|token| *token != update.token) {
            shown.token.set(update.token);
        }
        let state = shown.connection.with_untracked(|connection| connection.state);
        self.update_console_status(|facts| {
            *facts = ConsoleStatus { stats: update.stats, state, filter_error: update.filter_error, ..*facts }
        });
        let flow = self.console.show(update.rows);
        if begins {
            self.crawl.begin();
        }
        self.crawl.push(update.lines, update.stats.untold);
        flow
    }

    fn update_console_status(&self, change: impl FnOnce(&mut ConsoleStatus)) {
        change(&mut self.facts.borrow_mut());
        let facts = self.facts.borrow().clone();
        self.console.set_status(facts);
    }

    fn count_behind(&self) {
        let behind = self.shown.stats.with_untracked(|stats| stats.untold) + self.crawl.waiting();
        if self.shown.behind.get_untracked() != behind {
            self.shown.behind.set(behind);
        }
    }

    fn is_seen(&self) -> bool {
        let document = self.browser.document();
        document.is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
    }

    /// Polls what changes without an event; not while the page is hidden, where nothing runs.
    fn tick(self: &Rc<Self>) {
        self.count_behind();
        let counts_down = self.shown.connection.with_untracked(|connection| connection.retry_at.is_some());
        if counts_down {
            self.shown.now.set(self.clock.now());
        }
        let waits = counts_down || self.shown.behind.get_untracked() > 0;
        let wait_ms = if waits { TICK_MS } else { IDLE_TICK_MS };
        let inner = Rc::clone(self);
        // An animation frame only for this would cost more than everything else here.
        let look = move || {
            inner.pull();
            inner.tick();
        };
        self.feed.borrow_mut().tick = self.is_seen().then(|| Timeout::new(wait_ms, look));
    }

    fn wake(&self) {
        self.worker.send(&PageCommand::RetryNow);
        // Trying again, or looking at the tab, doesn't bring the network back.
        if !self.browser.navigator().on_line() {
            self.worker.send(&PageCommand::NetworkOffline);
        }
    }
}

const SLOW_WORDS: &str = "The part of this app that speaks MQTT is still loading.";

fn filter_by(text: String) -> PageCommand {
    PageCommand::Filter { text, ahead_of_utc_min: local_time::ahead_of_utc_min() }
}

fn facts(browser: &Browser) -> PageInfo {
    let location = browser.location();
    let mut seed = [0; 8];
    let drawn = browser.crypto().and_then(|crypto| crypto.get_random_values_with_u8_array(&mut seed));
    if drawn.is_err() {
        seed = js_sys::Math::random().to_bits().to_le_bytes();
    }
    PageInfo { base: base_of(&location), client_id: link::client_id(u64::from_le_bytes(seed)) }
}

fn read_link(browser: &Browser) -> Link {
    let location = browser.location();
    link::parse(&location.hash().unwrap_or_default(), &base_of(&location))
}

fn base_of(location: &Location) -> String {
    link::page_base(&location.origin().unwrap_or_default(), &location.pathname().unwrap_or_default())
}

fn show_notice(list: &Element, words: &str) {
    let Some(notice) = dom::add(list, "p", "") else { return };
    notice.set_class_name("notice");
    dom::add(&notice, "span", words);
    if words == service_worker::NEWER
        && let Some(button) = dom::add(&notice, "button", "Load it")
    {
        button.set_class_name("button");
        for (name, value) in [("type", "button"), ("data-action", "load-newer")] {
            let _ = button.set_attribute(name, value);
        }
    }
    if let Some(button) = dom::add(&notice, "button", "×") {
        button.set_class_name("button icon");
        for (name, value) in [("type", "button"), ("aria-label", "Put this notice away"), ("data-action", "put-away")] {
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
    let shown = PageSignals::new(clock.now(), link.settings.view);
    let form = Form::new(&link.settings, facts(&browser));
    let crawl = CrawlHandle::new();

    // The worker and the console call back into the controller that owns them.
    let inner = Rc::new_cyclic(|this: &std::rc::Weak<PageController>| {
        let (to_hear, to_move) = (this.clone(), this.clone());
        PageController {
            worker: WorkerLink::start(
                worker_link::SCRIPT,
                worker_link::program(&document()),
                clock.clone(),
                move |heard| {
                    if let Some(inner) = to_hear.upgrade() {
                        inner.handle_worker_event(heard);
                    }
                },
            ),
            console: Console::new(move |wish| {
                if let Some(inner) = to_move.upgrade() {
                    inner.handle_console_event(wish);
                }
            }),
            browser: browser.clone(),
            clock,
            shown,
            form,
            crawl: crawl.clone(),
            panels: PanelsLink::default(),
            offline: OnceCell::new(),
            settings: RefCell::default(),
            filter: RefCell::default(),
            facts: RefCell::default(),
            feed: RefCell::default(),
        }
    });
    let console = inner.console.clone();
    let app = PageHandle(StoredValue::new_local(inner));

    let ear = ClickListener::new(browser.into(), &HEARD, move |event| app.handle_window_event(&event));
    let ears = StoredValue::new_local(vec![ear]);
    on_cleanup(move || ears.dispose());
    app.with(|inner| {
        inner.apply_settings(local_storage::load(&inner.browser));
        if let Some(words) = restart::last_failure(&inner.browser) {
            inner.shown.notify(words);
        }
    });
    app.open_link(link);
    follow(move || {
        let (opening, mapping) = (form.opening.get(), form.mapping.get());
        app.with(|inner| {
            let link =
                link::LinkSettings { opening, mapping, ..link::LinkSettings::new("") }.to_fragment("", Start::ByHand);
            inner.panels.set_crawl(&link);
        });
    });
    follow(move || {
        let password = form.password();
        app.with(|inner| inner.worker.send(&PageCommand::InspectPassword(password)));
    });
    app.with(PageController::need_frame);

    let root = NodeRef::<leptos::html::Div>::new();
    follow(move || {
        let Some(root) = root.get() else { return };
        let ear = ClickListener::new(root.clone().into(), &["click", "input", "submit"], move |event| {
            app.handle_page_event(&event, form);
        });
        ears.update_value(|ears| ears.push(ear));
        app.follow(&DomScope::new(root.into()));
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
                        on_plea=move |plea| app.handle_crawl_event(plea)
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
