//! The steps between a connect request and the session: asking the other tabs of this browser, and loading a persistent
//! session from the browser's store.
//!
//! # Invariants
//!
//! - Commands that arrive during these steps wait and are handled in order. Only pulls are answered at once, because
//!   they change nothing.
//! - Each step has a time limit, so that a browser that never answers delays a connection but doesn't prevent it.
//! - A tab that yields to another one no longer saves: the stored session belongs to the other tab.

use std::rc::Rc;
use std::time::Duration;

use crate::credentials;
use crate::engine::Engine;
use crate::engine::tab_coordinator::{TabMessage, YieldReason};
use crate::mqtt::session::{DisconnectMode, SessionSnapshot};
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::protocol::connection::{ConnectRequest, ConnectionOptions};
use crate::protocol::connection::{Connection, ConnectionState};
use crate::time::Instant;

/// Time limit for an answer from the store; after it, the engine goes on without one. Opening a store takes a few
/// milliseconds, on a slow disk some hundred.
const STORE_WAIT: Duration = Duration::from_secs(3);

/// Time limit for a write to the store; after it, the engine goes on without one. Nothing is sent before the write
/// ends.
const SAVE_WAIT: Duration = Duration::from_secs(10);

/// How much longer than the broker a browser keeps a session. Its age counts from the last change, so an active session
/// that doesn't change is saved again after half of this time.
const KEPT_LONGER: Duration = Duration::from_hours(24);

/// The state of the connect request.
#[derive(Debug, Default)]
pub(super) enum ConnectGate {
    /// No request is waiting.
    #[default]
    Idle,
    /// Waiting for an objection of another tab.
    NegotiatingTabs { until: Instant },
    /// Waiting for the stored session.
    LoadingSession { is_asked: bool, until: Instant },
}

/// A persistent session's entry in the browser's store.
#[derive(Debug)]
pub(super) struct PersistentSession {
    pub(super) key: String,
    /// The entry is saved again although nothing changed, because the session is still in use.
    is_aging: bool,
    ages_at: Instant,
}

/// An entry for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreWrite {
    /// The key of the entry; an existing entry is replaced.
    pub key: String,
    /// The session and its connection options, without a password.
    pub bytes: Vec<u8>,
    /// When the entry expires; `None`: never.
    pub until: Option<Instant>,
}

/// The content of an entry: [`FORMAT_VERSION`], the connection options, and the session's state.
type StoredSession = (u8, ConnectionOptions, SessionSnapshot);

/// Version of the entries' layout. Their bytes don't describe themselves, so it has to change whenever
/// [`ConnectionOptions`] or [`SessionSnapshot`] does (a test checks them).
const FORMAT_VERSION: u8 = 2;

impl Engine {
    /// Enables persistent sessions: from now on the driver polls [`Engine::poll_load`], [`Engine::poll_save`] and
    /// [`Engine::poll_delete`].
    pub fn use_store(&mut self) {
        self.has_store = true;
    }

    /// Enables the negotiation with the other tabs of this browser: from now on the driver polls
    /// [`Engine::poll_tab_message`] and passes their messages in.
    pub fn use_tabs(&mut self, now: Instant) {
        self.tabs.greet(now);
    }

    /// Handles a message of another tab.
    pub fn handle_tab_message(&mut self, word: &TabMessage, now: Instant) {
        if let Some(why) = self.tabs.handle_tab_message(word) {
            self.yield_session(why);
            self.run_deferred_commands(now);
        }
        self.settle(now);
    }

    /// Returns the next message for the other tabs.
    #[must_use]
    pub fn poll_tab_message(&mut self) -> Option<TabMessage> {
        self.tabs.poll_tab_message()
    }

    /// Returns the key of the entry to load; answer with [`Engine::handle_loaded`].
    #[must_use]
    pub fn poll_load(&mut self) -> Option<String> {
        match &mut self.gate {
            ConnectGate::LoadingSession { is_asked, .. } if !*is_asked => *is_asked = true,
            _ => return None,
        }
        self.key()
    }

    /// Handles the entry that the store has under the key of [`Engine::poll_load`], or the reason why it couldn't be
    /// read. A late answer changes nothing.
    pub fn handle_loaded(&mut self, key: &str, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        let is_awaited = matches!(self.gate, ConnectGate::LoadingSession { .. }) && self.key().as_deref() == Some(key);
        if is_awaited {
            self.session_loaded(loaded, now);
            self.run_deferred_commands(now);
        }
        self.settle(now);
    }

    /// Returns the entry that a persistent session has to save before anything else is sent; answer with
    /// [`Engine::handle_saved`].
    #[must_use]
    pub fn poll_save(&mut self, now: Instant) -> Option<StoreWrite> {
        if self.saving_until.is_some() || !self.needs_saving() {
            return None;
        }
        let wall = self.wall(now);
        let lasting = self.persistent.as_mut()?;
        self.session.take_dirty();
        self.saving_until = Some(now + SAVE_WAIT);
        lasting.is_aging = false;
        lasting.ages_at = now + KEPT_LONGER / 2;
        let until = match self.more.session_expiry_s {
            // The session never expires [MQTT-3.1.2.11.2].
            Some(u32::MAX) | None => None,
            Some(seconds) => Some(wall + Duration::from_secs(u64::from(seconds)) + KEPT_LONGER),
        };
        // Serialising plain data to memory can't fail.
        let bytes = postcard::to_allocvec(&(FORMAT_VERSION, &self.more.without_credentials(), self.session.saved()));
        let bytes = bytes.unwrap_or_default();
        Some(StoreWrite { key: lasting.key.clone(), bytes, until })
    }

    /// Handles the result of [`Engine::poll_save`]. After an error the session continues but doesn't outlive the page.
    pub fn handle_saved(&mut self, saved: Result<(), String>) {
        self.saving_until = None;
        if let Err(words) = saved {
            self.give_up_persistence(&words);
        }
    }

    /// Returns the key of the entry to delete, because its session is no longer persistent.
    #[must_use]
    pub fn poll_delete(&mut self) -> Option<String> {
        self.session_to_delete.take()
    }

    /// Whether sending has to wait for the store.
    pub(super) fn is_saving(&self) -> bool {
        self.saving_until.is_some() || self.needs_saving()
    }

    fn needs_saving(&self) -> bool {
        self.persistent.as_ref().is_some_and(|lasting| lasting.is_aging || self.session.is_dirty())
    }

    /// Whether commands have to wait.
    pub(super) fn is_entering(&self) -> bool {
        !matches!(self.gate, ConnectGate::Idle)
    }

    /// When [`Self::handle_gate_timeout`] is due.
    pub(super) fn entrance_timeout(&self) -> Option<Instant> {
        let entered = match &self.gate {
            ConnectGate::Idle => None,
            ConnectGate::NegotiatingTabs { until, .. } | ConnectGate::LoadingSession { until, .. } => Some(*until),
        };
        let aged = self.persistent.as_ref().filter(|lasting| !lasting.is_aging).map(|lasting| lasting.ages_at);
        [entered, aged, self.saving_until].into_iter().flatten().min()
    }

    /// Handles expired deadlines of the connect gate and of the store.
    pub(super) fn handle_gate_timeout(&mut self, now: Instant) {
        if self.saving_until.is_some_and(|until| until <= now) {
            self.handle_saved(Err("the store doesn't respond".to_owned()));
        }
        if let Some(lasting) = self.persistent.as_mut().filter(|lasting| lasting.ages_at <= now) {
            lasting.is_aging = true;
        }
        match self.gate {
            ConnectGate::NegotiatingTabs { until } if until <= now => self.load(now),
            ConnectGate::LoadingSession { until, .. } if until <= now => {
                self.session_loaded(Err("the store doesn't respond".to_owned()), now);
            }
            _ => {}
        }
        self.run_deferred_commands(now);
    }

    /// Handles a connect request.
    pub(super) fn begin_connect(&mut self, request: ConnectRequest, now: Instant) {
        // While the request waits, events of the old connection must not be taken for its own.
        self.session.disconnect(self.disconnect_mode());
        self.announce(format!("Connecting to {} …", credentials::redact_url(&request.broker)));
        self.request = Some(request);
        let until = match self.key() {
            Some(key) => self.tabs.ask(&key, now),
            // The broker assigns a unique identifier.
            None => {
                self.tabs.release();
                now
            }
        };
        self.ask_until(until, now);
    }

    /// Takes the session over from another tab.
    pub(super) fn take_over(&mut self, now: Instant) {
        let Some(key) = self.key().filter(|_| self.connection.can_take_over) else { return };
        self.announce(format!("Taking over the connection to {} …", self.shown_broker()));
        let until = self.tabs.take_over(&key, now);
        self.ask_until(until, now);
    }

    pub(super) fn announce(&mut self, words: String) {
        self.connection = Connection { state: ConnectionState::Connecting, words, ..Connection::default() };
        self.page_dirty = true;
    }

    fn ask_until(&mut self, until: Instant, now: Instant) {
        self.gate = ConnectGate::NegotiatingTabs { until };
        self.handle_gate_timeout(now);
    }

    /// No other tab objected: loads the stored session next.
    fn load(&mut self, now: Instant) {
        self.gate = ConnectGate::Idle;
        self.tabs.hold();
        let key = self.key();
        let is_this_one = self.persistent.as_ref().is_some_and(|lasting| Some(&lasting.key) == key.as_ref());
        let more = match &self.page_options {
            Some(told) => Rc::clone(told),
            None if is_this_one => Rc::clone(&self.more),
            None => Rc::default(),
        };
        let Some(key) = key else { return self.connect(more, None, now) };
        if is_this_one && more.lasts() {
            // The store may be older.
            let saved = self.session.saved();
            return self.connect(more, Some(saved), now);
        }
        if !self.has_store {
            self.connect(more, None, now);
            return self.give_up_persistence("no storage available");
        }
        if self.page_options.is_some() && !more.lasts() {
            self.session_to_delete = Some(key);
            return self.connect(more, None, now);
        }
        // This page has set no connection options; those of an earlier page may be stored.
        self.gate = ConnectGate::LoadingSession { is_asked: false, until: now + STORE_WAIT };
    }

    fn session_loaded(&mut self, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        self.gate = ConnectGate::Idle;
        let (bytes, failed) = match loaded {
            Ok(bytes) => (bytes, None),
            Err(words) => (None, Some(words)),
        };
        // An entry in the layout of another version of this app is ignored.
        let bytes = bytes.filter(|bytes| bytes.first() == Some(&FORMAT_VERSION));
        let (kept, saved) = match bytes.and_then(|bytes| postcard::from_bytes::<StoredSession>(&bytes).ok()) {
            Some((_, more, saved)) => (Some(Rc::new(more)), Some(saved)),
            None => (None, None),
        };
        let goes_on = saved.is_some();
        let more = self.page_options.clone().or(kept).unwrap_or_default();
        self.connect(more, saved, now);
        if let Some(words) = failed {
            self.give_up_persistence(&words);
        } else if goes_on && self.connection.state == ConnectionState::Connecting {
            let words = "Session and settings restored from this browser.";
            self.note(words.to_owned());
        }
    }

    /// The requested connection's session, if it is persistent.
    pub(super) fn persistent_session(&self, more: &ConnectionOptions, now: Instant) -> Option<PersistentSession> {
        let key = self.key().filter(|_| more.lasts())?;
        Some(PersistentSession { key, is_aging: false, ages_at: now + KEPT_LONGER / 2 })
    }

    /// The key that identifies the requested connection's session to the other tabs and in the store; `None` if the
    /// broker assigns the client identifier. It contains no credential, because it is stored and because the next token
    /// is for the same session.
    fn key(&self) -> Option<String> {
        let request = self.request.as_ref().filter(|request| !request.client_id.is_empty())?;
        Some(format!("{} {}", request.client_id, credentials::redact_url(&request.broker)))
    }

    /// Runs the commands that waited for the connect gate, in order.
    fn run_deferred_commands(&mut self, now: Instant) {
        while !self.is_entering()
            && let Some(command) = self.deferred_commands.pop_front()
        {
            self.apply_command(command, now);
        }
    }

    /// Yields the session to another tab with a better claim.
    fn yield_session(&mut self, why: YieldReason) {
        self.tabs.release();
        self.gate = ConnectGate::Idle;
        self.persistent = None;
        self.session.disconnect(DisconnectMode::KeepSession);
        let Some(ConnectRequest { client_id, broker, .. }) = &self.request else { return };
        let broker = credentials::redact_url(broker);
        let words = match why {
            YieldReason::Taken => format!(
                "Another tab is already connected to {broker} as “{client_id}”; the two would keep disconnecting each \
                 other. Use another client ID, close the other tab, or take over."
            ),
            YieldReason::TakenOver => format!("Another tab took over the connection “{client_id}”."),
        };
        self.connection =
            Connection { state: ConnectionState::Stopped, words, can_take_over: true, ..Connection::default() };
        self.page_dirty = true;
    }

    /// Makes the session non-persistent, because the store doesn't work. Does nothing to other sessions.
    fn give_up_persistence(&mut self, words: &str) {
        let Some(lasting) = self.persistent.take() else { return };
        // The stored entry is out of date from here on: packet identifiers are used again, so a new message would be
        // taken for an old one.
        self.session_to_delete = Some(lasting.key);
        self.connection.notice =
            Some(format!("The session can't be saved in this browser ({words}); reloading loses unfinished messages."));
        self.page_dirty = true;
    }
}

/// Whether a command must not overtake earlier ones.
pub(super) fn is_deferred(command: &Command) -> bool {
    !matches!(command, Command::Page(PageCommand::Pull(_)) | Command::Panels(PanelCommand::Pull(_)))
}
