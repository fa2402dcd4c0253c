//! What all panels share: the broker's status, the settings, the channel to the worker, and the exchange with the page.

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
use crate::protocol::connection::{BrokerStatus, ConnectionState};
use crate::protocol::panels::{PanelAction, ToPage, ToPanels};
use crate::protocol::update::PanelsUpdate;
use crate::ui::publish_history::PublishHistory;
use crate::web::channel;
use crate::web::panels::panel::{Panel, UpdatePace};
use crate::web::window_bus;

/// The time between updates of numbers that are read.
const READABLE_MS: u32 = 200;

/// The time after which an update is requested again if nothing is new.
const PERIOD_MS: u32 = 500;

/// The handle of what all panels share.
#[derive(Clone, Copy)]
pub(super) struct PanelContext {
    pub(super) broker_status: RwSignal<BrokerStatus>,
    pub(super) publish_history: RwSignal<PublishHistory>,
    /// The app's settings, as the page uses them.
    pub(super) settings: RwSignal<Settings>,
    /// How the crawl opens.
    pub(super) opening: RwSignal<Opening>,
    /// The crawl's line rules.
    pub(super) line_rules: RwSignal<LineRules>,
    panels: StoredValue<Rc<[Box<dyn Panel>]>, LocalStorage>,
    worker_port: StoredValue<Rc<RefCell<Option<WorkerPort>>>, LocalStorage>,
    /// Whether a request is sent with the next frame.
    is_pull_due: StoredValue<bool>,
    /// The timer that ends the wait before the next request.
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

impl PanelContext {
    pub(super) fn new() -> Self {
        Self {
            broker_status: RwSignal::default(),
            publish_history: RwSignal::default(),
            settings: RwSignal::default(),
            opening: RwSignal::default(),
            line_rules: RwSignal::default(),
            panels: StoredValue::new_local(Rc::new([])),
            worker_port: StoredValue::new_local(Rc::default()),
            is_pull_due: StoredValue::new(false),
            next_pull: StoredValue::new_local(None),
        }
    }

    /// Registers all panels.
    pub(super) fn register(self, panels: Vec<Box<dyn Panel>>) {
        self.panels.set_value(panels.into());
    }

    /// Returns all panels; the handle of a list that is never replaced while they run.
    pub(super) fn panels(self) -> Rc<[Box<dyn Panel>]> {
        self.panels.get_value()
    }

    /// Handles a message from the page, and the port that came with it.
    pub(super) fn handle_message(self, message: ToPanels, port: Option<MessagePort>) {
        match message {
            ToPanels::Run(action) => self.run(action),
            ToPanels::WorkerPort => {
                if let Some(port) = port {
                    self.connect(port);
                }
            }
            ToPanels::WorkerLost => self.on_worker_lost(),
            ToPanels::Connecting => self.panels().iter().for_each(|panel| panel.on_connecting()),
            ToPanels::Settings(text) => self.settings.set(Settings::parse(&text)),
            ToPanels::Crawl(text) => {
                let link::LinkSettings { opening, line_rules, .. } = link::parse(&text, "").settings;
                self.line_rules.set(line_rules);
                self.opening.set(opening);
            }
        }
    }

    /// Has a panel do something: it may be another one than the caller.
    pub(super) fn run(self, action: PanelAction) {
        self.panels().iter().for_each(|panel| panel.handle_action(action));
        self.pull_with_frame();
    }

    fn connect(self, port: MessagePort) {
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| self.update(&event.data()));
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.worker_port
            .with_value(|worker_port| *worker_port.borrow_mut() = Some(WorkerPort { port, _on_message: on_message }));
        self.pull();
    }

    /// Asks the page for this opening and these line rules; the page answers with the ones in
    /// force.
    pub(super) fn request_crawl(self, opening: Opening, line_rules: LineRules) {
        let link =
            link::LinkSettings { opening, line_rules, ..link::LinkSettings::new("") }.to_fragment("", Start::ByHand);
        window_bus::send_to_page(&ToPage::Crawl(link));
    }

    /// Sends what is on screen, and waits for the update.
    pub(super) fn pull(self) {
        let mut request = PanelsRequest::default();
        self.panels().iter().for_each(|panel| panel.request(&mut request));
        self.send(&PanelCommand::Pull(request));
        let is_periodic = self.panels().iter().any(|panel| panel.pace() == UpdatePace::Periodic);
        self.next_pull.set_value(is_periodic.then(|| self.pull_after(PERIOD_MS)));
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

    /// Handles the loss of the worker; another one may follow.
    fn on_worker_lost(self) {
        self.worker_port.with_value(|worker_port| worker_port.borrow_mut().take());
        self.broker_status.update(|broker_status| {
            let options = std::mem::take(&mut broker_status.options);
            *broker_status = BrokerStatus { state: ConnectionState::Stopped, options, ..BrokerStatus::default() };
        });
        self.panels().iter().for_each(|panel| panel.on_worker_lost());
        self.publish_history.update(|history| history.abandon("the MQTT worker crashed"));
    }

    /// Sends a command to the worker, if there is one.
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
            Ok(mut update) => {
                let broker_status = std::mem::take(&mut update.status);
                if self.broker_status.with_untracked(|old| *old != broker_status) {
                    self.broker_status.set(broker_status);
                }
                self.panels().iter().for_each(|panel| panel.handle_update(&mut update));
                if !update.published.is_empty() {
                    let published = update.published;
                    self.publish_history.update(|history| published.into_iter().for_each(|end| history.finish(end)));
                }
            }
            // Only files of different builds can cause this, and the page has compared them. The next answer would be as
            // unreadable, so none is requested.
            Err(error) => return window_bus::send_to_page(&ToPage::Failed(error.to_string())),
        }
        match self.panels().iter().map(|panel| panel.pace()).max() {
            Some(UpdatePace::Readable | UpdatePace::Periodic) => {
                self.next_pull.set_value(Some(self.pull_after(READABLE_MS)));
            }
            _ => self.pull_with_frame(),
        }
    }
}
