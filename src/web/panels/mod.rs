//! The panels: dialogs over the page, in a program of their own that is loaded when the first of
//! them is opened. They share only the page's document: the worker answers them on a channel of
//! their own, at most once a frame.

mod clipboard;
mod connection_options;
mod export;
mod fields;
mod help;
mod inspector;
mod line_rules;
mod logs;
mod opening;
mod packets;
mod preferences;
mod send;
mod sound;
mod subscriptions;
mod suggest;
mod topics;
mod transmit;
mod virtual_rows;

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::mount::mount_to_body;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, HtmlDialogElement, HtmlLinkElement, KeyboardEvent, MessageEvent, MessagePort};

use crate::config::link;
use crate::config::link::Start;
use crate::config::settings::Settings;
use crate::crawl::opening::Opening;
use crate::dialogue::rules::LineRules;
use crate::protocol::command::{PanelCommand, PanelsRequest};
use crate::protocol::connection::ConnectionOptions;
use crate::protocol::connection::{BrokerStatus, ConnectionState};
use crate::protocol::update::{PanelsUpdate, Stats};
use crate::ui::publish_history::PublishHistory;
use crate::web::channel;
use crate::web::window_bus;
use crate::web::window_bus::PanelAction;

use crate::web::panels::clipboard::{ClipboardWriter, CopyPanel};
use crate::web::panels::connection_options::ConnectionOptionsPanel;
use crate::web::panels::export::{ExportPanel, FileExport};
use crate::web::panels::line_rules::{LineRulesForm, LineRulesPanel};
use crate::web::panels::logs::{DropHint, LogPlayer, LogsPanel};
use crate::web::panels::opening::OpeningPanel;
use crate::web::panels::preferences::PreferencesPanel;
use help::HelpPanel;
use inspector::{Inspector, InspectorPanel};
use packets::{Packets, PacketsPanel};
use send::SendPanel;
use sound::Sound;
use subscriptions::{Subscriptions, SubscriptionsPanel};
use suggest::Suggestions;
use topics::{TopicTree, TopicsPanel};
use transmit::{Transmit, TransmitIndicator, TransmitPanel};

/// The panels' style; relative to the page, as copied by Trunk.
const STYLE: &str = "panels.css";

/// How long the tree of topics is unchanged before it asks for an update.
const REST_MS: u32 = 200;

/// How long before it asks again if no answer came.
const STALE_MS: u32 = 500;

/// The media query for a screen on which a panel covers the page, in CSS.
const NARROW: &str = "(max-width: 48rem)";

/// The element for messages of last resort.
const HOST_ID: &str = "panels";

/// Starts the panels. They report to the page once they listen.
pub fn run() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let text = format!("This panel crashed ({info}). Reload the page to use it again.");
        show_failure(&text);
    }));
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    // Nothing is shown before the style is loaded; but if it can't be loaded, the panels are shown
    // without it.
    let ready = Closure::once_into_js(start);
    if load_style(&document, ready.unchecked_ref()).is_none() {
        start();
    }
}

fn load_style(document: &Document, then: &js_sys::Function) -> Option<()> {
    let link: HtmlLinkElement = document.create_element("link").ok()?.unchecked_into();
    link.set_rel("stylesheet");
    link.set_href(STYLE);
    link.set_onload(Some(then));
    link.set_onerror(Some(then));
    document.head()?.append_child(&link).ok()?;
    Some(())
}

fn start() {
    let panels = Panels::new();
    mount_to_body(move || view! { <Dialogs panels /> });
    panels.suggestions.attach(panels);
    window_event_listener_untyped(window_bus::PANELS, move |event| panels.handle_message(&window_bus::detail(&event)));
    window_event_listener(leptos::ev::drop, move |event| panels.log_player.drop_files(&event, panels));
    window_bus::send(window_bus::PAGE, &channel::VERSION.into());
}

/// Puts a text into every open panel by the simplest means, because the usual means have just
/// failed.
fn show_failure(text: &str) {
    let host = web_sys::window().and_then(|window| window.document()?.get_element_by_id(HOST_ID));
    let Some(dialogs) = host.and_then(|host| host.query_selector_all("dialog").ok()) else { return };
    for index in 0..dialogs.length() {
        if let Some(dialog) = dialogs.item(index) {
            dialog.set_text_content(Some(text));
        }
    }
}

/// The state that all panels share.
#[derive(Clone, Copy)]
struct Panels {
    broker_status: RwSignal<BrokerStatus>,
    publish_history: RwSignal<PublishHistory>,
    /// The app's settings, as the page uses them.
    settings: RwSignal<Settings>,
    /// How the crawl opens.
    opening: RwSignal<Opening>,
    /// The crawl's line rules.
    line_rules: RwSignal<LineRules>,
    /// The numbers of the log, while they are shown.
    stats: RwSignal<Stats>,
    /// The options that this page chose for the next connection.
    applied: RwSignal<Option<ConnectionOptions>>,
    /// The options that the form was filled with.
    filled: RwSignal<ConnectionOptions>,
    /// Whether the worker has sent its first update.
    is_informed: StoredValue<bool>,
    worker_port: StoredValue<Rc<RefCell<Option<WorkerPort>>>, LocalStorage>,
    inspector: Inspector,
    subscriptions: Subscriptions,
    suggestions: Suggestions,
    line_rules_form: LineRulesForm,
    packets: Packets,
    connection_options_dialog: NodeRef<leptos::html::Dialog>,
    send_dialog: NodeRef<leptos::html::Dialog>,
    logs_dialog: NodeRef<leptos::html::Dialog>,
    preferences_dialog: NodeRef<leptos::html::Dialog>,
    help_dialog: NodeRef<leptos::html::Dialog>,
    opening_dialog: NodeRef<leptos::html::Dialog>,
    log_player: LogPlayer,
    transmit: Transmit,
    topic_tree: TopicTree,
    sound: Sound,
    clipboard: ClipboardWriter,
    file_export: FileExport,
    /// Whether a pull is sent with the next frame.
    is_pull_due: StoredValue<bool>,
    /// The timer that ends the wait before the next pull.
    next_pull: StoredValue<Option<Timeout>, LocalStorage>,
}

/// The channel to the worker.
struct WorkerPort {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Drop for WorkerPort {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Panels {
    fn new() -> Self {
        Self {
            broker_status: RwSignal::default(),
            publish_history: RwSignal::default(),
            settings: RwSignal::default(),
            opening: RwSignal::default(),
            line_rules: RwSignal::default(),
            stats: RwSignal::default(),
            applied: RwSignal::default(),
            filled: RwSignal::default(),
            is_informed: StoredValue::new(false),
            worker_port: StoredValue::new_local(Rc::default()),
            inspector: Inspector::new(),
            subscriptions: Subscriptions::new(),
            suggestions: Suggestions::new(),
            line_rules_form: LineRulesForm::new(),
            packets: Packets::new(),
            connection_options_dialog: NodeRef::new(),
            send_dialog: NodeRef::new(),
            logs_dialog: NodeRef::new(),
            preferences_dialog: NodeRef::new(),
            help_dialog: NodeRef::new(),
            opening_dialog: NodeRef::new(),
            log_player: LogPlayer::new(),
            transmit: Transmit::new(),
            topic_tree: TopicTree::new(),
            sound: Sound::new(),
            clipboard: ClipboardWriter::new(),
            file_export: FileExport::new(),
            is_pull_due: StoredValue::new(false),
            next_pull: StoredValue::new_local(None),
        }
    }

    /// Handles a message from the page.
    fn handle_message(self, message: &JsValue) {
        if let Some(port) = message.dyn_ref::<MessagePort>() {
            return self.connect(port.clone());
        }
        if message.is_null() {
            return self.on_worker_lost();
        }
        if let Some(text) = message.as_string() {
            if text == window_bus::CONNECTING {
                return self.log_player.end_sample(self);
            }
            if let Some(settings) = text.strip_prefix(window_bus::SETTINGS) {
                return self.settings.set(Settings::parse(settings));
            }
            if let Some(crawl) = text.strip_prefix(window_bus::CRAWL) {
                let link::LinkSettings { opening, line_rules, .. } = link::parse(crawl, "").settings;
                self.line_rules.set(line_rules);
                return self.opening.set(opening);
            }
        }
        match PanelAction::parse(message) {
            Some(PanelAction::ConnectionOptions) => {
                self.fill();
                // By then the fields are drawn, and one of them gets the focus.
                request_animation_frame(move || open_modal(self.connection_options_dialog));
            }
            Some(PanelAction::Send) => open_non_modal(self.send_dialog),
            Some(PanelAction::Message(seq)) => self.open_message(seq),
            Some(PanelAction::Copy(copied, seq)) => {
                self.inspector.load_to_copy(copied, seq);
                self.pull_with_frame();
            }
            Some(PanelAction::FileHover) => self.log_player.show_drop_hint(),
            Some(PanelAction::Packets) => {
                open_non_modal(self.packets.dialog);
                self.pull_with_frame();
            }
            Some(PanelAction::Logs) => open_non_modal(self.logs_dialog),
            Some(PanelAction::Export) => open_non_modal(self.file_export.dialog),
            // Without the panel, which would cover what there is to see.
            Some(PanelAction::PlaySample) => self.log_player.play_sample(self),
            Some(PanelAction::Topics) => {
                open_non_modal(self.topic_tree.dialog);
                self.topic_tree.focus();
                self.pull_with_frame();
            }
            Some(PanelAction::Preferences) => {
                open_modal(self.preferences_dialog);
                self.pull_with_frame();
            }
            Some(PanelAction::Help) => open_modal(self.help_dialog),
            Some(PanelAction::Subscriptions) => {
                open_non_modal(self.subscriptions.dialog);
                self.pull_with_frame();
            }
            // Next to the crawl, where its changes are shown.
            Some(PanelAction::Opening) => open_non_modal(self.opening_dialog),
            Some(PanelAction::ToggleSound) => self.press_sound(),
            None => {}
        }
    }

    fn connect(self, port: MessagePort) {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| self.update(&event.data()));
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.worker_port
            .with_value(|worker_port| *worker_port.borrow_mut() = Some(WorkerPort { port, _on_message: on_message }));
        self.pull();
    }

    /// Opens the inspector, or shows another message in it.
    fn open_message(self, seq: u64) {
        open_non_modal(self.inspector.dialog);
        self.inspect(seq);
    }

    /// Opens the panel of the crawl's line rules, in place of the one for its opening.
    fn open_line_rules(self) {
        close(self.opening_dialog);
        open_non_modal(self.line_rules_form.dialog);
        self.pull_with_frame();
    }

    /// Handles the key for sound: if there can be none, the panel shows why.
    fn press_sound(self) {
        self.sound.toggle();
        if self.sound.unavailable_reason.with_untracked(Option::is_some) {
            open_non_modal(self.opening_dialog);
        }
    }

    /// Asks the page for this opening and these line rules; the page answers with the ones in
    /// force.
    fn request_crawl(self, opening: Opening, line_rules: LineRules) {
        let link =
            link::LinkSettings { opening, line_rules, ..link::LinkSettings::new("") }.to_fragment("", Start::ByHand);
        window_bus::send(window_bus::PAGE, &format!("{}{link}", window_bus::CRAWL).into());
    }

    /// Fetches another message.
    fn inspect(self, seq: u64) {
        self.inspector.load(seq);
        self.pull_with_frame();
    }

    /// Sends what is on screen, and waits for the update.
    fn pull(self) {
        // The inspector shows the packets that a message came with.
        let is_traced = self.packets.is_open() || self.inspector.is_open();
        self.send(&PanelCommand::Pull(PanelsRequest {
            topics: self.topic_tree.request(),
            message: self.inspector.request(),
            trace_from: is_traced.then(|| self.packets.request()),
            stats: is_open(self.preferences_dialog),
            subscriptions: is_open(self.subscriptions.dialog),
            export: self.file_export.request(),
            suggestions: self.suggestions.request(),
            samples: self.line_rules_form.request(),
            script: self.transmit.request(),
        }));
        // Rates fall while no message arrives, and the worker only updates them when asked.
        let ask_again = self.topic_tree.is_open().then(|| self.pull_after(STALE_MS));
        self.next_pull.set_value(ask_again);
    }

    /// Pulls because what is on screen changed; at most once a frame.
    fn pull_with_frame(self) {
        if self.is_pull_due.get_value() {
            return;
        }
        self.is_pull_due.set_value(true);
        request_animation_frame(move || {
            self.is_pull_due.set_value(false);
            self.pull();
        });
    }

    fn pull_after(self, wait_ms: u32) -> Timeout {
        Timeout::new(wait_ms, move || self.pull_with_frame())
    }

    /// Fills the form with the chosen options, or else with those in force, which an earlier page
    /// may have chosen. Typed text stays.
    fn fill(self) {
        let applied = self.applied.get_untracked();
        let more =
            applied.unwrap_or_else(|| self.broker_status.with_untracked(|broker_status| broker_status.options.clone()));
        if self.filled.with_untracked(|filled| *filled != more) {
            self.filled.set(more);
        }
    }

    /// Handles the loss of the worker; another one may follow.
    fn on_worker_lost(self) {
        self.worker_port.with_value(|worker_port| worker_port.borrow_mut().take());
        self.broker_status.update(|broker_status| {
            let options = std::mem::take(&mut broker_status.options);
            *broker_status = BrokerStatus { state: ConnectionState::Stopped, options, ..BrokerStatus::default() };
        });
        self.topic_tree.clear();
        self.inspector.on_worker_lost();
        self.packets.on_worker_lost();
        self.subscriptions.on_worker_lost();
        self.suggestions.on_worker_lost();
        self.line_rules_form.on_worker_lost();
        self.file_export.on_worker_lost();
        self.transmit.on_worker_lost();
        self.publish_history.update(|history| history.abandon("the MQTT worker crashed"));
    }

    fn send(self, command: &PanelCommand) {
        let Ok(bytes) = channel::encode(command) else { return };
        self.worker_port.with_value(|worker_port| {
            if let Some(worker_port) = &*worker_port.borrow() {
                // Fails only for what can't be cloned, and bytes can.
                let _ = worker_port.port.post_message_with_transferable(&bytes, &channel::transfer(&bytes));
            }
        });
    }

    fn update(self, data: &JsValue) {
        match channel::decode::<PanelsUpdate>(data) {
            Ok(PanelsUpdate {
                status: broker_status,
                published,
                topics,
                message,
                trace,
                stats,
                subscriptions,
                export,
                suggestions,
                samples,
                transmissions,
            }) => {
                if self.broker_status.with_untracked(|old| *old != broker_status) {
                    self.broker_status.set(broker_status);
                }
                // The first update comes just after the first panel was opened.
                if !self
                    .is_informed
                    .try_update_value(|is_informed| std::mem::replace(is_informed, true))
                    .unwrap_or(true)
                {
                    self.fill();
                }
                if let Some(topics) = topics {
                    self.topic_tree.handle_update(topics);
                }
                if let Some(view) = subscriptions {
                    self.subscriptions.handle_update(view);
                }
                if let Some(samples) = samples {
                    self.line_rules_form.handle_update(samples);
                }
                if let Some(stats) = stats {
                    self.stats.set(stats);
                }
                if let Some(suggestions) = suggestions {
                    self.suggestions.handle_update(suggestions);
                }
                if let Some(part) = message {
                    self.inspector.handle_update(part, self.clipboard);
                }
                if let Some(part) = export {
                    self.file_export.handle_update(part, self);
                }
                if let Some(part) = trace {
                    self.packets.handle_update(part);
                }
                if let Some(views) = transmissions {
                    self.transmit.handle_update(views);
                }
                if !published.is_empty() {
                    self.publish_history.update(|history| published.into_iter().for_each(|end| history.finish(end)));
                }
            }
            // Only files of different builds can cause this, and the page has compared them.
            Err(error) => web_sys::console::error_1(&error.to_string().into()),
        }
        // Nobody can read numbers that change more often; a large payload is fetched without a
        // pause.
        let is_counting = self.topic_tree.is_open()
            || [self.preferences_dialog, self.subscriptions.dialog, self.line_rules_form.dialog]
                .into_iter()
                .any(is_open);
        if is_counting && self.inspector.request().is_none() {
            self.next_pull.set_value(Some(self.pull_after(REST_MS)));
        } else {
            self.pull_with_frame();
        }
    }
}

/// Opens a dialog that has to be closed before anything else can be used.
fn open_modal(dialog: NodeRef<leptos::html::Dialog>) {
    with_dialog(dialog, |dialog| dialog.show_modal());
}

/// Opens a dialog that can stay open while the page is used.
fn open_non_modal(dialog: NodeRef<leptos::html::Dialog>) {
    with_dialog(dialog, |dialog| {
        dialog.show();
        Ok(())
    });
}

fn with_dialog(dialog: NodeRef<leptos::html::Dialog>, act: impl FnOnce(&HtmlDialogElement) -> Result<(), JsValue>) {
    let Some(dialog) = dialog.get_untracked() else { return };
    if !dialog.open() {
        // Throws only for a dialog that is open, or that isn't in the document.
        let _ = act(&dialog);
    }
}

fn is_open(dialog: NodeRef<leptos::html::Dialog>) -> bool {
    dialog.get_untracked().is_some_and(|dialog| dialog.open())
}

/// Closes a dialog; the browser gives the focus back to where it came from.
fn close(dialog: NodeRef<leptos::html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        dialog.close();
    }
}

/// Closes the panel in which Escape was pressed. The browser does so only for modal dialogs.
fn close_on_escape(event: &KeyboardEvent) {
    let target =
        event.target().filter(|_| event.key() == "Escape").and_then(|target| target.dyn_into::<Element>().ok());
    let dialog = target.and_then(|target| target.closest("dialog").ok()?);
    if let Some(dialog) = dialog.filter(|dialog| !dialog.matches(":modal").unwrap_or(false)) {
        dialog.unchecked_into::<HtmlDialogElement>().close();
    }
}

/// Closes a dialog if it covers the page, on which something is to be seen now.
fn close_if_covering(dialog: NodeRef<leptos::html::Dialog>) {
    if window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches()) {
        close(dialog);
    }
}

/// The head of a panel: its title and the button that closes it. It has no role, because a dialog's
/// head isn't a landmark of the page.
fn head(id: &'static str, title: &'static str, dialog: NodeRef<leptos::html::Dialog>) -> impl IntoView {
    view! {
        <header role="none">
            <h2 id=id>{title}</h2>
            <button type="button" class="button icon" aria-label="Close" on:click=move |_| close(dialog)>
                "×"
            </button>
        </header>
    }
}

#[component]
fn Dialogs(panels: Panels) -> impl IntoView {
    view! {
        <div id=HOST_ID on:keydown=move |event| close_on_escape(&event)>
            <ConnectionOptionsPanel panels />
            <SendPanel panels />
            <PacketsPanel panels />
            <LogsPanel panels />
            <ExportPanel panels />
            <TopicsPanel panels />
            <TransmitPanel panels />
            <TransmitIndicator panels />
            <PreferencesPanel panels />
            <SubscriptionsPanel panels />
            <HelpPanel panels />
            <OpeningPanel panels />
            <LineRulesPanel panels />
            <InspectorPanel panels />
            <CopyPanel clipboard=panels.clipboard />
            <DropHint panels />
        </div>
    }
}
