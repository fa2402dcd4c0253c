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
use web_sys::{Document, HtmlDialogElement, HtmlLinkElement, MessageEvent, MessagePort};

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

use crate::web::panels::clipboard::{Copier, CopyPanel};
use crate::web::panels::connection_options::FinerPanel;
use crate::web::panels::export::FileExport;
use crate::web::panels::line_rules::{Lines, LinesPanel};
use crate::web::panels::logs::{DropHint, LogPlayer, ReplayPanel};
use crate::web::panels::opening::DirectorPanel;
use crate::web::panels::preferences::SettingsPanel;
use help::HelpPanel;
use inspector::{Inspector, InspectorPanel};
use packets::{Packets, PacketsPanel};
use send::SendPanel;
use sound::Sound;
use subscriptions::{Subscriptions, SubscriptionsPanel};
use suggest::Suggestions;
use topics::{TopicsPanel, Tree};
use transmit::{Transmit, TransmitPanel, TransmitSign};

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
        let words = format!("This panel crashed ({info}). Reload the page to use it again.");
        hail_failure(&words);
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
    panels.suggestions.attend(panels);
    window_event_listener_untyped(window_bus::PANELS, move |event| panels.handle_message(&window_bus::detail(&event)));
    window_event_listener(leptos::ev::drop, move |event| panels.tape.drop_files(&event, panels));
    window_bus::send(window_bus::PAGE, &channel::VERSION.into());
}

/// Puts a text into every open panel by the simplest means, because the usual means have just
/// failed.
fn hail_failure(words: &str) {
    let host = web_sys::window().and_then(|window| window.document()?.get_element_by_id(HOST_ID));
    let Some(dialogs) = host.and_then(|host| host.query_selector_all("dialog").ok()) else { return };
    for place in 0..dialogs.length() {
        if let Some(dialog) = dialogs.item(place) {
            dialog.set_text_content(Some(words));
        }
    }
}

/// The state that all panels share.
#[derive(Clone, Copy)]
struct Panels {
    standing: RwSignal<BrokerStatus>,
    outbox: RwSignal<PublishHistory>,
    /// The app's settings, as the page uses them.
    settings: RwSignal<Settings>,
    /// How the crawl opens.
    opening: RwSignal<Opening>,
    /// The crawl's line rules.
    mapping: RwSignal<LineRules>,
    /// The numbers of the log, while they are shown.
    stats: RwSignal<Stats>,
    /// The options that this page chose for the next connection.
    applied: RwSignal<Option<ConnectionOptions>>,
    /// The options that the form was filled with.
    filled: RwSignal<ConnectionOptions>,
    /// Whether the worker has sent its first update.
    is_informed: StoredValue<bool>,
    line: StoredValue<Rc<RefCell<Option<Line>>>, LocalStorage>,
    inspector: Inspector,
    subscriptions: Subscriptions,
    suggestions: Suggestions,
    lines: Lines,
    packets: Packets,
    finer: NodeRef<leptos::html::Dialog>,
    send: NodeRef<leptos::html::Dialog>,
    replay: NodeRef<leptos::html::Dialog>,
    preferences: NodeRef<leptos::html::Dialog>,
    help: NodeRef<leptos::html::Dialog>,
    director: NodeRef<leptos::html::Dialog>,
    tape: LogPlayer,
    transmit: Transmit,
    tree: Tree,
    sound: Sound,
    copier: Copier,
    saving: FileExport,
    /// Whether a pull is sent with the next frame.
    is_pull_due: StoredValue<bool>,
    /// The timer that ends the wait before the next pull.
    rest: StoredValue<Option<Timeout>, LocalStorage>,
}

/// The channel to the worker.
struct Line {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

impl Panels {
    fn new() -> Self {
        Self {
            standing: RwSignal::default(),
            outbox: RwSignal::default(),
            settings: RwSignal::default(),
            opening: RwSignal::default(),
            mapping: RwSignal::default(),
            stats: RwSignal::default(),
            applied: RwSignal::default(),
            filled: RwSignal::default(),
            is_informed: StoredValue::new(false),
            line: StoredValue::new_local(Rc::default()),
            inspector: Inspector::new(),
            subscriptions: Subscriptions::new(),
            suggestions: Suggestions::new(),
            lines: Lines::new(),
            packets: Packets::new(),
            finer: NodeRef::new(),
            send: NodeRef::new(),
            replay: NodeRef::new(),
            preferences: NodeRef::new(),
            help: NodeRef::new(),
            director: NodeRef::new(),
            tape: LogPlayer::new(),
            transmit: Transmit::new(),
            tree: Tree::new(),
            sound: Sound::new(),
            copier: Copier::new(),
            saving: FileExport::new(),
            is_pull_due: StoredValue::new(false),
            rest: StoredValue::new_local(None),
        }
    }

    /// Handles a message from the page.
    fn handle_message(self, said: &JsValue) {
        if let Some(port) = said.dyn_ref::<MessagePort>() {
            return self.connect(port.clone());
        }
        if said.is_null() {
            return self.on_worker_lost();
        }
        if let Some(text) = said.as_string() {
            if text == window_bus::CONNECTING {
                return self.tape.end_sample(self);
            }
            if let Some(settings) = text.strip_prefix(window_bus::SETTINGS) {
                return self.settings.set(Settings::parse(settings));
            }
            if let Some(crawl) = text.strip_prefix(window_bus::CRAWL) {
                let link::LinkSettings { opening, mapping, .. } = link::parse(crawl, "").settings;
                self.mapping.set(mapping);
                return self.opening.set(opening);
            }
        }
        match PanelAction::parse(said) {
            Some(PanelAction::ConnectionOptions) => {
                self.fill();
                // By then the fields are drawn, and one of them gets the focus.
                request_animation_frame(move || open_modally(self.finer));
            }
            Some(PanelAction::Send) => open_beside(self.send),
            Some(PanelAction::Message(seq)) => self.open_message(seq),
            Some(PanelAction::Copy(copied, seq)) => {
                self.inspector.ask_to_copy(copied, seq);
                self.pull_with_frame();
            }
            Some(PanelAction::FileHover) => self.tape.hover(),
            Some(PanelAction::Packets) => {
                open_beside(self.packets.dialog);
                self.pull_with_frame();
            }
            Some(PanelAction::Logs) => open_beside(self.replay),
            // Without the panel, which would cover what there is to see.
            Some(PanelAction::PlaySample) => self.tape.play_sample(self),
            Some(PanelAction::Topics) => {
                open_beside(self.tree.dialog);
                self.tree.focus();
                self.pull_with_frame();
            }
            Some(PanelAction::Preferences) => {
                open_modally(self.preferences);
                self.pull_with_frame();
            }
            Some(PanelAction::Help) => open_modally(self.help),
            Some(PanelAction::Subscriptions) => {
                open_beside(self.subscriptions.dialog);
                self.pull_with_frame();
            }
            // Next to the crawl, where its changes are shown.
            Some(PanelAction::Opening) => open_beside(self.director),
            Some(PanelAction::ToggleSound) => self.press_sound(),
            None => {}
        }
    }

    fn connect(self, port: MessagePort) {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| self.update(&event.data()));
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.line.with_value(|line| *line.borrow_mut() = Some(Line { port, _on_message: on_message }));
        self.pull();
    }

    /// Opens the inspector, or shows another message in it.
    fn open_message(self, seq: u64) {
        open_beside(self.inspector.dialog);
        self.inspect(seq);
    }

    /// Opens the panel of the crawl's line rules, in place of the one for its opening.
    fn open_lines(self) {
        close(self.director);
        open_beside(self.lines.dialog);
        self.pull_with_frame();
    }

    /// Handles the key for sound: if there can be none, the panel shows why.
    fn press_sound(self) {
        self.sound.toggle();
        if self.sound.unavailable_reason.with_untracked(Option::is_some) {
            open_beside(self.director);
        }
    }

    /// Asks the page for this opening and these line rules; the page answers with the ones in
    /// force.
    fn choose_crawl(self, opening: Opening, mapping: LineRules) {
        let link =
            link::LinkSettings { opening, mapping, ..link::LinkSettings::new("") }.to_fragment("", Start::ByHand);
        window_bus::send(window_bus::PAGE, &format!("{}{link}", window_bus::CRAWL).into());
    }

    /// Fetches another message.
    fn inspect(self, seq: u64) {
        self.inspector.ask(seq);
        self.pull_with_frame();
    }

    /// Sends what is on screen, and waits for the update.
    fn pull(self) {
        // The inspector shows the packets that a message came with.
        let is_traced = self.packets.is_open() || self.inspector.is_open();
        self.send(&PanelCommand::Pull(PanelsRequest {
            topics: self.tree.glance(),
            message: self.inspector.glance(),
            trace_from: is_traced.then(|| self.packets.glance()),
            stats: is_open(self.preferences),
            subscriptions: is_open(self.subscriptions.dialog),
            export: self.saving.ask(),
            ask: self.suggestions.glance(),
            samples: self.lines.glance(),
            script: self.transmit.glance(),
        }));
        // Rates fall while no message arrives, and the worker only updates them when asked.
        let ask_again = self.tree.is_open().then(|| self.pull_after(STALE_MS));
        self.rest.set_value(ask_again);
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
        let more = applied.unwrap_or_else(|| self.standing.with_untracked(|standing| standing.more.clone()));
        if self.filled.with_untracked(|filled| *filled != more) {
            self.filled.set(more);
        }
    }

    /// Handles the loss of the worker; another one may follow.
    fn on_worker_lost(self) {
        self.line.with_value(|line| line.borrow_mut().take());
        self.standing.update(|standing| {
            let more = std::mem::take(&mut standing.more);
            *standing = BrokerStatus { state: ConnectionState::Stopped, more, ..BrokerStatus::default() };
        });
        self.tree.clear();
        self.inspector.on_worker_lost();
        self.packets.on_worker_lost();
        self.subscriptions.on_worker_lost();
        self.suggestions.on_worker_lost();
        self.lines.on_worker_lost();
        self.saving.on_worker_lost();
        self.transmit.on_worker_lost();
        self.outbox.update(|outbox| outbox.abandon("the MQTT worker crashed"));
    }

    fn send(self, command: &PanelCommand) {
        let Ok(bytes) = channel::encode(command) else { return };
        self.line.with_value(|line| {
            if let Some(line) = &*line.borrow() {
                // Fails only for what can't be cloned, and bytes can.
                let _ = line.port.post_message_with_transferable(&bytes, &channel::transfer(&bytes));
            }
        });
    }

    fn update(self, data: &JsValue) {
        match channel::decode::<PanelsUpdate>(data) {
            Ok(PanelsUpdate {
                standing,
                published,
                topics,
                message,
                trace,
                stats,
                subscriptions,
                export,
                known,
                samples,
                transmissions,
            }) => {
                if self.standing.with_untracked(|old| *old != standing) {
                    self.standing.set(standing);
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
                    self.tree.show(topics);
                }
                if let Some(view) = subscriptions {
                    self.subscriptions.take(view);
                }
                if let Some(samples) = samples {
                    self.lines.take(samples);
                }
                if let Some(stats) = stats {
                    self.stats.set(stats);
                }
                if let Some(known) = known {
                    self.suggestions.take(known);
                }
                if let Some(part) = message {
                    self.inspector.take(part, self.copier);
                }
                if let Some(part) = export {
                    self.saving.take(part, self);
                }
                if let Some(part) = trace {
                    self.packets.take(part);
                }
                if let Some(views) = transmissions {
                    self.transmit.take(views);
                }
                if !published.is_empty() {
                    self.outbox.update(|outbox| published.into_iter().for_each(|end| outbox.finish(end)));
                }
            }
            // Only files of different builds can cause this, and the page has compared them.
            Err(error) => web_sys::console::error_1(&error.to_string().into()),
        }
        // Nobody can read numbers that change more often; a large payload is fetched without a
        // pause.
        let is_counting = self.tree.is_open()
            || [self.preferences, self.subscriptions.dialog, self.lines.dialog].into_iter().any(is_open);
        if is_counting && self.inspector.glance().is_none() {
            self.rest.set_value(Some(self.pull_after(REST_MS)));
        } else {
            self.pull_with_frame();
        }
    }
}

/// Opens a dialog that has to be closed before anything else can be used.
fn open_modally(dialog: NodeRef<leptos::html::Dialog>) {
    with_dialog(dialog, |dialog| dialog.show_modal());
}

/// Opens a dialog that can stay open while the page is used.
fn open_beside(dialog: NodeRef<leptos::html::Dialog>) {
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
        <div id=HOST_ID>
            <FinerPanel panels />
            <SendPanel panels />
            <PacketsPanel panels />
            <ReplayPanel panels />
            <TopicsPanel panels />
            <TransmitPanel panels />
            <TransmitSign panels />
            <SettingsPanel panels />
            <SubscriptionsPanel panels />
            <HelpPanel panels />
            <DirectorPanel panels />
            <LinesPanel panels />
            <InspectorPanel panels />
            <CopyPanel copier=panels.copier />
            <DropHint panels />
        </div>
    }
}
