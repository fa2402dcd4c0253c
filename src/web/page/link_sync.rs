//! Keeps the link in the address bar in step with the form and the connection.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Location, Window as Browser};

use crate::config::link;
use crate::config::link::{Link, Start};
use crate::protocol::connection::ConnectRequest;
use crate::web::page::form::Form;
use crate::web::page::signals::PageSignals;

/// The address bar, and what its link is made of.
pub(super) struct LinkSync {
    browser: Browser,
    form: Form,
    signals: PageSignals,
    /// What the page is connected with, or tries to; a new worker gets it again.
    request: RwSignal<Option<ConnectRequest>>,
}

impl LinkSync {
    pub(super) fn new(browser: Browser, form: Form, signals: PageSignals) -> Self {
        Self { browser, form, signals, request: RwSignal::default() }
    }

    /// Returns the request of the last Connect, unless it was followed by a Disconnect.
    pub(super) fn request(&self) -> Option<ConnectRequest> {
        self.request.get_untracked()
    }

    /// Records a Connect, or a Disconnect.
    pub(super) fn set_request(&self, request: Option<ConnectRequest>) {
        self.request.set(request);
    }

    /// Changes the request, if there is one.
    pub(super) fn update_request(&self, change: impl FnOnce(&mut ConnectRequest)) {
        self.request.update(|request| {
            if let Some(request) = request {
                change(request);
            }
        });
    }

    /// Returns whether the form has other values than the connection, or than what is being tried.
    pub(super) fn is_edited(&self) -> Signal<bool> {
        let Self { form, signals, request, .. } = *self;
        // Their order may differ after a subscription was added while connected.
        let sorted = |mut request: ConnectRequest| {
            request.topics.sort();
            request
        };
        Signal::derive(move || {
            let is_away = signals.connection.with(|connection| connection.state.is_away());
            let used = request.get().filter(|_| !is_away);
            used.is_some_and(|used| form.typed_request().map(sorted) != Ok(sorted(used)))
        })
    }

    /// Returns the link to this page with its settings.
    pub(super) fn link(&self) -> String {
        self.link_for(self.start())
    }

    /// Changes the topics after a subscription changed: the address bar and a new worker need them.
    pub(super) fn change_topics(&self, change: impl FnOnce(&mut Vec<String>)) {
        self.update_request(|request| change(&mut request.topics));
        self.write();
    }

    /// Returns whether a page with this link may connect on load. It can't without the password,
    /// which a link never holds, nor without a topic.
    fn start(&self) -> Start {
        let (has_password, has_topics) = match self.live_request() {
            Some(request) => (request.password.is_some(), !request.topics.is_empty()),
            None => (self.form.has_password(), self.form.has_topics()),
        };
        if has_password || !has_topics { Start::ByHand } else { Start::OnLoad }
    }

    /// Returns the settings that are connected, or being tried.
    fn live_request(&self) -> Option<ConnectRequest> {
        let is_away = self.signals.connection.with_untracked(|connection| connection.state.is_away());
        self.request().filter(|_| !is_away)
    }

    /// Returns the page's address with the fragment of its settings.
    fn link_for(&self, start: Start) -> String {
        let location = self.browser.location();
        let href = location.href().unwrap_or_default();
        let address = href.split('#').next().unwrap_or_default();
        let view = self.signals.view.get_untracked();
        // Text that is still being typed isn't connected.
        let settings = match self.live_request() {
            Some(request) => self.form.settings_of(&request, view),
            None => self.form.settings(view),
        };
        let fragment = settings.to_fragment(&base_of(&location), start);
        if fragment.is_empty() { address.to_owned() } else { format!("{address}#{fragment}") }
    }

    /// Writes the link after a setting changed that is part of the link but doesn't connect.
    pub(super) fn rewrite(&self) {
        self.write_for(if self.live_request().is_some() { self.start() } else { Start::ByHand });
    }

    /// Writes the link of a page that connects, if it can do so on load.
    pub(super) fn write(&self) {
        self.write_for(self.start());
    }

    /// Writes the link of a page that doesn't connect on load.
    pub(super) fn write_by_hand(&self) {
        self.write_for(Start::ByHand);
    }

    /// Keeps the address bar up to date, without a new entry in the history.
    fn write_for(&self, start: Start) {
        let Ok(history) = self.browser.history() else { return };
        // Browsers refuse this only after hundreds of calls.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&self.link_for(start)));
    }
}

/// Parses the link in the address bar.
pub(super) fn read_link(browser: &Browser) -> Link {
    let location = browser.location();
    link::parse(&location.hash().unwrap_or_default(), &base_of(&location))
}

/// Returns the page's folder: see [`link::page_base`].
pub(super) fn base_of(location: &Location) -> String {
    link::page_base(&location.origin().unwrap_or_default(), &location.pathname().unwrap_or_default())
}
