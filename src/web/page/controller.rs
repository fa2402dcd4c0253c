//! Connects worker, panels, console and crawl, and runs the frame loop.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use web_sys::{VisibilityState, Window as Browser};

use crate::config::link;
use crate::config::link::View;
use crate::config::settings::{Columns, Settings};
use crate::credentials;
use crate::dialogue::rules::LineRules;
use crate::protocol::command::PageCommand;
use crate::protocol::connection::{Connection, ConnectionState};
use crate::protocol::panels::{PanelAction, ToPage};
use crate::protocol::rows::Pull;
// Not `Update`: a trait of Leptos has the same name.
use crate::protocol::update;
use crate::ui::console::refresh_rate::RowChurn;
use crate::web::clock::Clock;
use crate::web::local_storage;
use crate::web::local_time;
use crate::web::page::console::controller::{Console, ConsoleEvent};
use crate::web::page::console::renderer::ConsoleStatus;
use crate::web::page::crawl::handle::CrawlHandle;
use crate::web::page::form::Form;
use crate::web::page::frame_loop::FrameLoop;
use crate::web::page::link_sync::LinkSync;
use crate::web::page::panels_link::PanelsLink;
use crate::web::page::service_worker;
use crate::web::page::service_worker::Offline;
use crate::web::page::signals::{PageSignals, set_if_changed};
use crate::web::page::worker_link::{SCRIPT, WorkerEvent, WorkerLink, program};

/// How often the page checks whether the crawl has room again, and counts down …
const TICK_MS: u32 = 250;

/// … and how often while nothing waits for either.
const IDLE_TICK_MS: u32 = 2_000;

/// The notice while the worker takes long to start.
const SLOW_START: &str = "The MQTT worker is still loading.";

/// The controller that connects worker, console and crawl.
pub(super) struct PageController {
    pub(super) browser: Browser,
    clock: Clock,
    pub(super) signals: PageSignals,
    pub(super) form: Form,
    pub(super) crawl: CrawlHandle,
    pub(super) console: Console,
    pub(super) worker: WorkerLink,
    pub(super) panels: PanelsLink,
    pub(super) link: LinkSync,
    /// Set once the app has loaded: what it loads comes first.
    offline: OnceCell<Offline>,
    pub(super) settings: RefCell<Settings>,
    /// The filter's text, whether or not it can be parsed.
    filter: RefCell<String>,
    console_status: RefCell<ConsoleStatus>,
    frame_loop: RefCell<FrameLoop>,
}

impl PageController {
    /// Starts the worker, and connects the parts of the page with it.
    pub(super) fn new(
        browser: Browser,
        clock: Clock,
        signals: PageSignals,
        form: Form,
        crawl: CrawlHandle,
    ) -> Rc<Self> {
        // The worker and the console call back into the controller that owns them.
        Rc::new_cyclic(|this: &Weak<Self>| {
            let (to_worker, to_console) = (this.clone(), this.clone());
            let on_worker_event = move |event| {
                if let Some(controller) = to_worker.upgrade() {
                    controller.handle_worker_event(event);
                }
            };
            let on_console_event = move |event| {
                if let Some(controller) = to_console.upgrade() {
                    controller.handle_console_event(event);
                }
            };
            Self {
                worker: WorkerLink::start(SCRIPT, program(&document()), clock.clone(), on_worker_event),
                console: Console::new(on_console_event),
                link: LinkSync::new(browser.clone(), form, signals),
                browser,
                clock,
                signals,
                form,
                crawl,
                panels: PanelsLink::default(),
                offline: OnceCell::new(),
                settings: RefCell::default(),
                filter: RefCell::default(),
                console_status: RefCell::default(),
                frame_loop: RefCell::default(),
            }
        })
    }

    /// Connects with the form's values; if one is invalid, the form shows why.
    pub(super) fn connect(&self) {
        let Some(request) = self.form.request() else {
            self.signals.form_open.set(true);
            return;
        };
        self.link.set_request(Some(request.clone()));
        self.link.write();
        self.worker.revive();
        // Set at once, so that a second click finds the button disabled.
        self.signals.set_connection(Connection {
            state: ConnectionState::Connecting,
            message: format!("Connecting to {} …", credentials::redact_url(&request.broker)),
            ..Connection::default()
        });
        self.panels.note_connecting();
        self.panels.send_connection_options(&self.worker);
        self.worker.send(&PageCommand::Connect(request));
    }

    /// Ends the connection.
    pub(super) fn disconnect(&self) {
        self.link.set_request(None);
        self.link.write_by_hand();
        self.worker.send(&PageCommand::Disconnect);
    }

    /// Uses the password that is typed in from the next connection on.
    pub(super) fn replace_password(&self) {
        let password = untrack(|| self.form.password());
        self.link.update_request(|request| request.password = Some(password.clone()));
        self.worker.send(&PageCommand::ReplacePassword(password));
    }

    /// Handles the button that reconnects now: with the form's values, if they were edited.
    pub(super) fn retry_with_form(&self) {
        if untrack(|| self.link.is_edited().get()) {
            self.connect();
        } else {
            self.retry_now();
        }
    }

    /// Reconnects now.
    pub(super) fn retry_now(&self) {
        self.worker.send(&PageCommand::RetryNow);
        // Trying again, or looking at the tab, doesn't bring the network back.
        if !self.browser.navigator().on_line() {
            self.worker.send(&PageCommand::NetworkOffline);
        }
    }

    /// Makes lines by these rules from now on. Returns whether they differ from the previous ones.
    pub(super) fn set_line_rules(&self, rules: LineRules) -> bool {
        let is_new = self.form.line_rules.with_untracked(|old| *old != rules);
        if is_new {
            self.worker.send(&PageCommand::SetLineRules(rules.clone()));
            self.form.line_rules.set(rules);
        }
        is_new
    }

    /// Applies and stores settings of the app that the person chose.
    pub(super) fn save_settings(&self, settings: Settings) {
        local_storage::store(&self.browser, &settings.to_text());
        self.apply_settings(settings);
    }

    /// Applies the app's settings, wherever they come from. Returns whether the link has to be
    /// rewritten.
    pub(super) fn apply_settings(&self, settings: Settings) -> bool {
        let old = self.settings.replace(settings.clone());
        if settings.log != old.log {
            self.worker.send(&PageCommand::SetLogLimits(settings.log));
        }
        if let Some(document) = self.browser.document() {
            local_storage::apply_theme(&document, settings.theme);
        }
        self.console.apply_settings(&settings);
        self.panels.send_settings(&settings.to_text());
        // The rules of a link apply until others are chosen.
        settings.line_rules != old.line_rules && self.set_line_rules(settings.line_rules)
    }

    /// Shows this part of the page, or both.
    pub(super) fn show(self: &Rc<Self>, view: View) {
        self.signals.view.set(view);
        self.link.rewrite();
        self.need_frame();
    }

    /// Has the crawl go to the line of this message, or show it again.
    pub(super) fn show_in_crawl(self: &Rc<Self>, seq: u64) {
        if self.signals.view.get_untracked() == View::Console {
            self.show(View::Split);
        }
        if !self.crawl.show(seq) {
            self.worker.send(&PageCommand::ShowInCrawl(seq));
            self.signals.notify("Showing that message in the crawl now.".to_owned());
        }
        self.need_frame();
    }

    /// Filters the console by this text.
    pub(super) fn set_filter(&self, text: String) {
        self.console.filter(&text);
        self.filter.replace(text.clone());
        self.worker.send(&filter_command(text));
    }

    /// Sends this to the panels; if they aren't loaded yet, they are loaded first.
    pub(super) fn run_panel_action(&self, action: PanelAction) {
        if let Some(document) = self.browser.document() {
            self.panels.run(action, &document);
        }
    }

    /// Loads the newer version of the app.
    pub(super) fn load_newer(&self) {
        if let Some(offline) = self.offline.get() {
            offline.load_newer(&self.browser);
        }
    }

    /// Whether the page's tab is the one that is shown.
    pub(super) fn is_seen(&self) -> bool {
        let document = self.browser.document();
        document.is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
    }

    fn save_columns(&self, columns: Columns) {
        let settings = Settings { columns, ..self.settings.borrow().clone() };
        self.save_settings(settings);
    }

    fn handle_console_event(self: &Rc<Self>, event: ConsoleEvent) {
        match event {
            ConsoleEvent::NeedRows => self.need_frame(),
            ConsoleEvent::Filter(text) => self.set_filter(text),
            ConsoleEvent::Clear => self.worker.send(&PageCommand::Clear),
            ConsoleEvent::Columns(columns) => self.save_columns(columns),
            ConsoleEvent::Panel(action) => self.run_panel_action(action),
            ConsoleEvent::LoadSuggestions => {
                if let Some(document) = self.browser.document() {
                    self.panels.load(&document);
                }
            }
            ConsoleEvent::ShowInCrawl(seq) => self.show_in_crawl(seq),
        }
    }

    /// Handles a message from the panels.
    pub(super) fn handle_panels_message(self: &Rc<Self>, message: ToPage) {
        match message {
            ToPage::Ready { version } => {
                if let Err(notice) = self.panels.handle_ready(&version, &self.worker) {
                    self.signals.notify(notice.to_owned());
                }
            }
            ToPage::LoadFailed => {
                if let Some(notice) = self.panels.handle_load_failure() {
                    self.signals.notify(notice.to_owned());
                }
            }
            ToPage::Failed(notice) => self.signals.notify(notice),
            ToPage::ConnectionOptions(options) => self.panels.set_connection_options(options),
            ToPage::Connect => self.connect(),
            ToPage::Filter(text) => self.set_filter(text),
            ToPage::ShowInCrawl(seq) => self.show_in_crawl(seq),
            ToPage::Settings(text) => self.save_settings(Settings::parse(&text)),
            ToPage::Subscribed(filter) => {
                self.form.add_subscribed(&filter);
                self.link.change_topics(|topics| {
                    if !topics.contains(&filter) {
                        topics.push(filter);
                    }
                });
            }
            ToPage::Unsubscribed(filter) => {
                self.form.remove_subscribed(&filter);
                self.link.change_topics(|topics| topics.retain(|topic| *topic != filter));
            }
            ToPage::Crawl(text) => {
                let link::LinkSettings { opening, line_rules, .. } = link::parse(&text, "").settings;
                self.form.opening.set(opening);
                if self.set_line_rules(line_rules.clone()) {
                    let settings = Settings { line_rules, ..self.settings.borrow().clone() };
                    self.save_settings(settings);
                }
                self.link.rewrite();
            }
            ToPage::PlayOpening => self.crawl.play_opening(),
        }
    }

    fn handle_worker_event(self: &Rc<Self>, event: WorkerEvent) {
        match event {
            WorkerEvent::Update(update) => {
                self.frame_loop.borrow_mut().handle_update(update);
                self.need_frame();
            }
            WorkerEvent::Ready => {
                self.signals.dismiss(SLOW_START);
                self.panels.connect(&self.worker);
                let signals = self.signals;
                self.offline.get_or_init(|| {
                    Offline::keep(&self.browser, move || signals.notify(service_worker::NEWER.to_owned()))
                });
                self.need_frame();
            }
            WorkerEvent::Slow => self.signals.notify(SLOW_START.to_owned()),
            WorkerEvent::Replaced { error } => self.restart(&error),
            WorkerEvent::Lost { message } => {
                self.panels.on_worker_lost();
                self.signals.notify(message.clone());
                self.signals.set_connection(Connection {
                    state: ConnectionState::Stopped,
                    message,
                    ..Connection::default()
                });
            }
        }
    }

    /// Handles the death of the worker: the new one has no state.
    fn restart(self: &Rc<Self>, error: &str) {
        self.signals.notify(format!(
            "The MQTT worker crashed ({error}) and was restarted. Stored messages were lost and counters reset."
        ));
        self.console.restart();
        self.crawl.clear();
        self.panels.on_worker_lost();
        self.frame_loop.borrow_mut().reset();
        let log = self.settings.borrow().log;
        self.worker.send(&PageCommand::SetLogLimits(log));
        self.worker.send(&PageCommand::SetLineRules(self.form.line_rules.get_untracked()));
        let filter = self.filter.borrow().clone();
        if !filter.is_empty() {
            self.worker.send(&filter_command(filter));
        }
        self.worker.send(&PageCommand::InspectPassword(untrack(|| self.form.password())));
        if let Some(request) = self.link.request() {
            self.panels.send_connection_options(&self.worker);
            self.worker.send(&PageCommand::Connect(request));
        }
        self.need_frame();
    }

    /// Requests a frame, unless one is due.
    pub(super) fn need_frame(self: &Rc<Self>) {
        if self.frame_loop.borrow_mut().request_frame() {
            let this = Rc::clone(self);
            request_animation_frame(move || this.frame());
        }
    }

    /// Runs one frame: applies the update, and asks for more later.
    fn frame(self: &Rc<Self>) {
        let began = self.clock.now();
        let update = self.frame_loop.borrow_mut().begin_frame();
        if let Some(update) = update {
            let received = update.stats.received;
            let churn = self.apply(*update);
            let wait_ms = self.frame_loop.borrow_mut().record_draw(churn, received, began);
            self.pull_after(wait_ms);
        } else {
            self.pull();
        }
        self.tick();
    }

    fn pull_after(self: &Rc<Self>, wait_ms: u32) {
        let this = Rc::clone(self);
        self.frame_loop.borrow_mut().wait = Some(Timeout::new(wait_ms, move || this.end_wait()));
    }

    fn end_wait(self: &Rc<Self>) {
        let extra_wait_ms = self.frame_loop.borrow_mut().extra_wait_ms(self.clock.now());
        match extra_wait_ms {
            Some(wait_ms) => self.pull_after(wait_ms),
            None => self.pull(),
        }
    }

    fn pull(&self) {
        let pull = Pull { crawl: self.crawl.room(), ..self.console.pull() };
        let is_new = self.frame_loop.borrow_mut().begin_pull(pull);
        if is_new {
            self.worker.send(&PageCommand::Pull(pull));
        }
    }

    fn apply(&self, update: update::Update) -> RowChurn {
        let signals = self.signals;
        // A log can be played without a connection.
        let begins = update.connection.state == ConnectionState::Connected || !update.lines.is_empty();
        // Without the client ID in the link, the next page wouldn't find the session.
        if update.connection.is_persistent && self.form.link_client_id() {
            self.link.write();
        }
        signals.set_connection(update.connection);
        set_if_changed(signals.stats, update.stats);
        set_if_changed(signals.token, update.token);
        let state = signals.connection.with_untracked(|connection| connection.state);
        self.update_console_status(|status| {
            *status = ConsoleStatus { stats: update.stats, state, filter_error: update.filter_error }
        });
        let churn = self.console.show(update.rows);
        if begins {
            self.crawl.begin();
        }
        self.crawl.push(update.lines, update.stats.crawl_pending);
        churn
    }

    fn update_console_status(&self, change: impl FnOnce(&mut ConsoleStatus)) {
        change(&mut self.console_status.borrow_mut());
        let status = self.console_status.borrow().clone();
        self.console.set_status(status);
    }

    fn count_behind(&self) {
        let behind = self.signals.stats.with_untracked(|stats| stats.crawl_pending) + self.crawl.waiting();
        set_if_changed(self.signals.behind, behind);
    }

    /// Polls what changes without an event; not while the page is hidden, where nothing runs.
    pub(super) fn tick(self: &Rc<Self>) {
        self.count_behind();
        let counts_down = self.signals.connection.with_untracked(|connection| connection.retry_at.is_some());
        if counts_down {
            self.signals.now.set(self.clock.now());
        }
        let waits = counts_down || self.signals.behind.get_untracked() > 0;
        let wait_ms = if waits { TICK_MS } else { IDLE_TICK_MS };
        let this = Rc::clone(self);
        // An animation frame only for this would cost more than everything else here.
        let poll = move || {
            this.pull();
            this.tick();
        };
        self.frame_loop.borrow_mut().tick = self.is_seen().then(|| Timeout::new(wait_ms, poll));
    }
}

fn filter_command(text: String) -> PageCommand {
    PageCommand::Filter { text, ahead_of_utc_min: local_time::ahead_of_utc_min() }
}
