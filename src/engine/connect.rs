//! The steps from a connect request to the session: the other tabs of this browser may object, a persistent session is
//! loaded, then the session starts.
//!
//! # Invariants
//!
//! - A tab that yields to another one no longer saves: the stored session belongs to the other tab.

use std::rc::Rc;

use crate::credentials;
use crate::engine::connect_gate::GateTimeout;
use crate::engine::connection_status::connecting_to;
use crate::engine::persistence::{self, StoreWrite};
use crate::engine::tab_coordinator::{TabMessage, YieldReason};
use crate::engine::{Engine, jwt_passwords};
use crate::mqtt::broker_url::BrokerUrl;
use crate::mqtt::packet::QoS;
use crate::mqtt::session;
use crate::mqtt::session::event::DisconnectMode;
use crate::mqtt::session::snapshot::SessionSnapshot;
use crate::mqtt::topic::TopicFilter;
use crate::protocol::connection::{ConnectRequest, ConnectionOptions, ConnectionState};
use crate::time::Instant;

/// How long a 5.0 session outlives a lost connection if QoS 1 or 2 was requested: long enough for a broken network,
/// short enough to leave nothing behind on a public broker.
const SESSION_EXPIRY_S: u32 = 300;

impl Engine {
    /// Enables persistent sessions: from now on the driver polls [`Engine::poll_load`], [`Engine::poll_save`] and
    /// [`Engine::poll_delete`].
    pub fn use_store(&mut self) {
        self.persistence.use_store();
    }

    /// Enables the negotiation with the other tabs of this browser: from now on the driver polls
    /// [`Engine::poll_tab_message`] and passes their messages in.
    pub fn use_tabs(&mut self, now: Instant) {
        self.gate.tabs.greet(now);
    }

    /// Handles a message of another tab.
    pub fn handle_tab_message(&mut self, message: &TabMessage, now: Instant) {
        if let Some(reason) = self.gate.tabs.handle_tab_message(message) {
            self.yield_session(reason);
            self.run_deferred_commands(now);
        }
        self.process_session_events(now);
    }

    /// Returns the next message for the other tabs.
    #[must_use]
    pub fn poll_tab_message(&mut self) -> Option<TabMessage> {
        self.gate.tabs.poll_tab_message()
    }

    /// Returns the key of the entry to load; answer with [`Engine::handle_loaded`].
    #[must_use]
    pub fn poll_load(&mut self) -> Option<String> {
        self.gate.poll_load()
    }

    /// Handles the entry that the store has under the key of [`Engine::poll_load`], or the reason why it couldn't be
    /// read. A late answer changes nothing.
    pub fn handle_loaded(&mut self, key: &str, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        if self.gate.is_loading(key) {
            self.session_loaded(loaded, now);
            self.run_deferred_commands(now);
        }
        self.process_session_events(now);
    }

    /// Returns the entry that a persistent session has to save before anything else is sent; answer with
    /// [`Engine::handle_saved`].
    #[must_use]
    pub fn poll_save(&mut self, now: Instant) -> Option<StoreWrite> {
        self.persistence.poll_save(&mut self.session, self.status.options(), now, self.wall_clock.wall(now))
    }

    /// Handles the result of [`Engine::poll_save`]. After an error the session continues but doesn't outlive the page.
    pub fn handle_saved(&mut self, saved: Result<(), String>) {
        self.persistence.finish_save();
        if let Err(text) = saved {
            self.give_up_persistence(&text);
        }
    }

    /// Returns the key of the entry to delete, because its session is no longer persistent.
    #[must_use]
    pub fn poll_delete(&mut self) -> Option<String> {
        self.persistence.poll_delete()
    }

    /// Whether sending has to wait for the store.
    pub(super) fn is_saving(&self) -> bool {
        self.persistence.is_saving(&self.session)
    }

    /// Handles expired deadlines of the connect gate and of the store.
    pub(super) fn handle_connect_timeout(&mut self, now: Instant) {
        if self.persistence.is_save_overdue(now) {
            self.handle_saved(Err("the store doesn't respond".to_owned()));
        }
        self.persistence.handle_timeout(now);
        match self.gate.handle_timeout(now) {
            Some(GateTimeout::NoObjection) => self.load_session(now),
            Some(GateTimeout::NotLoaded) => self.session_loaded(Err("the store doesn't respond".to_owned()), now),
            None => {}
        }
        self.run_deferred_commands(now);
    }

    /// Handles a connect request.
    pub(super) fn begin_connect(&mut self, request: ConnectRequest, now: Instant) {
        // While the request waits, events of the old connection must not be taken for its own.
        self.session.disconnect(self.persistence.disconnect_mode());
        self.show_connection(ConnectionState::Connecting, connecting_to(&credentials::redact_url(&request.broker)));
        self.gate.request = Some(request);
        let until = match self.gate.session_key() {
            Some(key) => self.gate.tabs.ask(&key, now),
            // The broker assigns a unique identifier.
            None => {
                self.gate.tabs.release();
                now
            }
        };
        self.negotiate_until(until, now);
    }

    /// Takes the session over from another tab.
    pub(super) fn take_over(&mut self, now: Instant) {
        let can_take_over = self.status.shown().can_take_over;
        let Some(key) = self.gate.session_key().filter(|_| can_take_over) else { return };
        let text = format!("Taking over the connection to {}…", self.status.shown_broker());
        self.show_connection(ConnectionState::Connecting, text);
        let until = self.gate.tabs.take_over(&key, now);
        self.negotiate_until(until, now);
    }

    fn negotiate_until(&mut self, until: Instant, now: Instant) {
        self.gate.negotiate_until(until);
        self.handle_connect_timeout(now);
    }

    /// No other tab objected: loads the stored session next.
    fn load_session(&mut self, now: Instant) {
        self.gate.open();
        self.gate.tabs.hold();
        let key = self.gate.session_key();
        let is_this_one = self.persistence.has_key(key.as_ref());
        let options = match &self.gate.page_options {
            Some(options) => Rc::clone(options),
            None if is_this_one => Rc::clone(self.status.options()),
            None => Rc::default(),
        };
        let Some(key) = key else { return self.start_session(options, None, now) };
        if is_this_one && options.is_persistent() {
            // The store may be older.
            let saved = self.session.snapshot();
            return self.start_session(options, Some(saved), now);
        }
        if !self.persistence.has_store() {
            self.start_session(options, None, now);
            return self.give_up_persistence("no storage available");
        }
        if self.gate.page_options.is_some() && !options.is_persistent() {
            self.persistence.delete(key);
            return self.start_session(options, None, now);
        }
        // This page has set no connection options; those of an earlier page may be stored.
        self.gate.load_session(now);
    }

    /// Handles the store's answer: starts the session with what is stored.
    fn session_loaded(&mut self, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        self.gate.open();
        let (bytes, failed) = match loaded {
            Ok(bytes) => (bytes, None),
            Err(text) => (None, Some(text)),
        };
        let (stored_options, saved) = match bytes.and_then(|bytes| persistence::read_entry(&bytes)) {
            Some((options, saved)) => (Some(Rc::new(options)), Some(saved)),
            None => (None, None),
        };
        let is_restored = saved.is_some();
        let options = self.gate.page_options.clone().or(stored_options).unwrap_or_default();
        self.start_session(options, saved, now);
        if let Some(text) = failed {
            self.give_up_persistence(&text);
        } else if is_restored && self.status.state() == ConnectionState::Connecting {
            let text = "Session and settings restored from this browser.";
            self.note(text.to_owned());
        }
    }

    /// Starts the session of the last request; `saved` is its stored state.
    fn start_session(&mut self, options: Rc<ConnectionOptions>, saved: Option<SessionSnapshot>, now: Instant) {
        let Some(request) = self.gate.request.clone() else { return };
        self.status.begin_request();
        self.page.mark_dirty();
        let filters: Result<Vec<_>, _> = request.topics.iter().map(String::as_str).map(TopicFilter::parse).collect();
        let filters = match filters {
            Ok(filters) if !filters.is_empty() => filters,
            Ok(_) => return self.refuse("Enter at least one topic (# for all).".to_owned()),
            Err(error) => return self.refuse(error.to_string()),
        };
        if let Err(error) = BrokerUrl::parse(&request.broker) {
            return self.refuse(error.to_string());
        }
        self.seed = self.seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        self.abandon_publishes(now);
        self.persistence.begin(self.gate.session_key().filter(|_| options.is_persistent()), now);
        let saved = saved.filter(|_| self.persistence.is_persistent());
        self.passwords.use_password(request.password.as_ref(), self.wall_clock.wall(now));
        self.session.replace(session_options(&request, &options), self.seed, saved);
        self.subscriptions.begin(&request, &options);
        self.status.begin_connection(&request, options);
        for filter in filters {
            let request = self.subscriptions.request_for(filter.as_str());
            self.subscribe(filter, &request, now);
        }
        self.note_unfinished();
        self.session.connect(now);
    }

    /// Shows a notice if messages of the resumed session are sent again.
    fn note_unfinished(&mut self) {
        match self.session.unfinished_publishes() {
            0 => {}
            1 => self.note("Resending 1 unfinished message of this session.".to_owned()),
            count => self.note(format!("Resending {count} unfinished messages of this session.")),
        }
    }

    /// Stops because of invalid settings.
    fn refuse(&mut self, text: String) {
        self.gate.tabs.release();
        self.session.disconnect(self.persistence.disconnect_mode());
        self.show_connection(ConnectionState::Stopped, text);
    }

    /// Ends the connection at the person's request.
    pub(super) fn disconnect(&mut self) {
        self.gate.tabs.release();
        self.gate.request = None;
        self.session.disconnect(self.persistence.disconnect_mode());
        self.show_connection(ConnectionState::Idle, format!("Disconnected from {}.", self.status.shown_broker()));
    }

    /// Runs the commands that waited for the connect gate, in order.
    fn run_deferred_commands(&mut self, now: Instant) {
        while let Some(command) = self.gate.take_deferred() {
            self.apply_command(command, now);
        }
    }

    /// Yields the session to another tab with a better claim.
    fn yield_session(&mut self, reason: YieldReason) {
        self.gate.tabs.release();
        self.gate.open();
        self.persistence.release();
        self.session.disconnect(DisconnectMode::KeepSession);
        let Some(ConnectRequest { client_id, broker, .. }) = &self.gate.request else { return };
        let broker = credentials::redact_url(broker);
        let text = match reason {
            YieldReason::Taken => format!(
                "Another tab is already connected to {broker} as “{client_id}”; the two would keep disconnecting each \
                 other. Use another client ID, close the other tab, or take over."
            ),
            YieldReason::TakenOver => format!("Another tab took over the connection “{client_id}”."),
        };
        self.show_connection(ConnectionState::Stopped, text);
        self.status.offer_take_over();
    }

    /// Makes the session non-persistent, because the store doesn't work. Does nothing to other sessions.
    fn give_up_persistence(&mut self, text: &str) {
        if self.persistence.give_up() {
            self.status.set_notice(Some(format!(
                "The session can't be saved in this browser ({text}); reloading loses unfinished messages."
            )));
            self.page.mark_dirty();
        }
    }
}

fn session_options(request: &ConnectRequest, options: &ConnectionOptions) -> session::options::Options {
    let ConnectionOptions { keep_alive_s, clean_start, session_expiry_s, receive_maximum, .. } = *options;
    session::options::Options {
        version: request.version,
        client_id: request.client_id.clone(),
        user_name: request.user_name.clone(),
        password: request.password.as_ref().map(jwt_passwords::password_bytes),
        keep_alive_s,
        clean_start,
        session_expiry_s: session_expiry_s.unwrap_or(match request.qos {
            QoS::AtMostOnce => 0,
            _ => SESSION_EXPIRY_S,
        }),
        keep_session_in_v311: session_expiry_s.is_some(),
        will: options.will.clone(),
        user_properties: options.user_properties.clone(),
        receive_maximum: receive_maximum.max(1),
        ..session::options::Options::default()
    }
}
