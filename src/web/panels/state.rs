//! The state that all panels share, and its exchange with the page and the worker.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, MessagePort};

use crate::config::link;
use crate::config::link::Start;
use crate::config::settings::Settings;
use crate::crawl::opening::Opening;
use crate::dialogue::rules::LineRules;
use crate::protocol::command::{PanelCommand, PanelsRequest};
use crate::protocol::connection::{BrokerStatus, ConnectionOptions, ConnectionState};
use crate::protocol::update::{PanelsUpdate, Stats};
use crate::ui::publish_history::PublishHistory;
use crate::web::channel;
use crate::web::panels::clipboard::ClipboardWriter;
use crate::web::panels::dialog::{close, is_open, open_modal, open_non_modal};
use crate::web::panels::export::FileExport;
use crate::web::panels::inspector::Inspector;
use crate::web::panels::line_rules::LineRulesForm;
use crate::web::panels::logs::LogPlayer;
use crate::web::panels::packets::Packets;
use crate::web::panels::sound::Sound;
use crate::web::panels::subscriptions::Subscriptions;
use crate::web::panels::suggest::Suggestions;
use crate::web::panels::topics::TopicTree;
use crate::web::panels::transmit::Transmit;
use crate::web::window_bus;
use crate::web::window_bus::PanelAction;

/// How long the tree of topics is unchanged before it asks for an update.
const REST_MS: u32 = 200;

/// How long before it asks again if no answer came.
const STALE_MS: u32 = 500;

/// The state that all panels share.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) broker_status: RwSignal<BrokerStatus>,
    pub(super) publish_history: RwSignal<PublishHistory>,
    /// The app's settings, as the page uses them.
    pub(super) settings: RwSignal<Settings>,
    /// How the crawl opens.
    pub(super) opening: RwSignal<Opening>,
    /// The crawl's line rules.
    pub(super) line_rules: RwSignal<LineRules>,
    /// The numbers of the log, while they are shown.
    pub(super) stats: RwSignal<Stats>,
    /// The options that this page chose for the next connection.
    pub(super) applied: RwSignal<Option<ConnectionOptions>>,
    /// The options that the form was filled with.
    pub(super) filled: RwSignal<ConnectionOptions>,
    /// Whether the worker has sent its first update.
    is_informed: StoredValue<bool>,
    worker_port: StoredValue<Rc<RefCell<Option<WorkerPort>>>, LocalStorage>,
    pub(super) inspector: Inspector,
    pub(super) subscriptions: Subscriptions,
    pub(super) suggestions: Suggestions,
    pub(super) line_rules_form: LineRulesForm,
    pub(super) packets: Packets,
    pub(super) connection_options_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) send_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) logs_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) preferences_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) help_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) opening_dialog: NodeRef<leptos::html::Dialog>,
    pub(super) log_player: LogPlayer,
    pub(super) transmit: Transmit,
    pub(super) topic_tree: TopicTree,
    pub(super) sound: Sound,
    pub(super) clipboard: ClipboardWriter,
    pub(super) file_export: FileExport,
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
    pub(super) fn new() -> Self {
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
    pub(super) fn handle_message(self, message: &JsValue) {
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
    pub(super) fn open_message(self, seq: u64) {
        open_non_modal(self.inspector.dialog);
        self.inspect(seq);
    }

    /// Opens the panel of the crawl's line rules, in place of the one for its opening.
    pub(super) fn open_line_rules(self) {
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
    pub(super) fn request_crawl(self, opening: Opening, line_rules: LineRules) {
        let link =
            link::LinkSettings { opening, line_rules, ..link::LinkSettings::new("") }.to_fragment("", Start::ByHand);
        window_bus::send(window_bus::PAGE, &format!("{}{link}", window_bus::CRAWL).into());
    }

    /// Fetches another message.
    pub(super) fn inspect(self, seq: u64) {
        self.inspector.load(seq);
        self.pull_with_frame();
    }

    /// Sends what is on screen, and waits for the update.
    pub(super) fn pull(self) {
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
    pub(super) fn pull_with_frame(self) {
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

    pub(super) fn send(self, command: &PanelCommand) {
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
