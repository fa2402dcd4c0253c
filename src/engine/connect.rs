//! What a wish to connect waits for before the session hears of it: the other
//! tabs of this browser, and the store where lasting sessions are kept.
//!
//! # Invariants
//!
//! - Commands that come in the meantime wait and are handled in their order;
//!   only pulls are answered at once, for they change nothing.
//! - Each wait has a limit, so that a browser that never answers delays a
//!   connection and doesn't prevent it.
//! - A tab that gives way to another one saves nothing any more: the kept
//!   session is the other one's.

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

/// A store that says nothing for so long is none. Opening one takes a few
/// milliseconds, on a slow disk some hundred.
const STORE_WAIT: Duration = Duration::from_secs(3);

/// A store that takes so long for a write is none; until then nothing is sent.
const SAVE_WAIT: Duration = Duration::from_secs(10);

/// How much longer than the broker a browser keeps a session. Its age counts
/// from the last change, so a session that lives on without one is saved anew
/// after half of this.
const KEPT_LONGER: Duration = Duration::from_hours(24);

/// Where the wish to connect stands.
#[derive(Debug, Default)]
pub(super) enum ConnectGate {
    /// Nothing is waited for.
    #[default]
    Idle,
    /// Another tab may object.
    NegotiatingTabs { until: Instant },
    /// The store was asked for what it keeps.
    LoadingSession { is_asked: bool, until: Instant },
}

/// A lasting session's place in the browser's store.
#[derive(Debug)]
pub(super) struct PersistentSession {
    pub(super) key: String,
    /// It is to be saved although nothing changed: it is still in use.
    is_aging: bool,
    ages_at: Instant,
}

/// What is to be saved, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreWrite {
    /// The entry it replaces.
    pub key: String,
    /// The session and its finer settings; no password is in it.
    pub bytes: Vec<u8>,
    /// When it is of no use any more; `None`: never.
    pub until: Option<Instant>,
}

/// One entry of the store: [`FORMAT_VERSION`], the finer settings, and what the session
/// must not forget.
type StoredSession = (u8, ConnectionOptions, SessionSnapshot);

/// The number of the entries' layout. Their bytes don't describe themselves, so
/// it has to change whenever [`ConnectionOptions`] or [`SessionSnapshot`] does (a test watches them).
const FORMAT_VERSION: u8 = 2;

impl Engine {
    /// There is a store for lasting sessions: from now on [`Engine::poll_load`],
    /// [`Engine::poll_save`] and [`Engine::poll_delete`] are asked.
    pub fn use_store(&mut self) {
        self.has_store = true;
    }

    /// There is a way to the other tabs of this browser: from now on
    /// [`Engine::poll_tab_message`] is asked, and their words are handed in.
    pub fn use_tabs(&mut self, now: Instant) {
        self.tabs.greet(now);
    }

    /// Another tab said something.
    pub fn handle_tab_message(&mut self, word: &TabMessage, now: Instant) {
        if let Some(why) = self.tabs.handle_tab_message(word) {
            self.yield_session(why);
            self.run_deferred_commands(now);
        }
        self.settle(now);
    }

    /// The next word for the other tabs.
    #[must_use]
    pub fn poll_tab_message(&mut self) -> Option<TabMessage> {
        self.tabs.poll_tab_message()
    }

    /// The entry that the store is to read; answer with
    /// [`Engine::handle_loaded`].
    #[must_use]
    pub fn poll_load(&mut self) -> Option<String> {
        match &mut self.gate {
            ConnectGate::LoadingSession { is_asked, .. } if !*is_asked => *is_asked = true,
            _ => return None,
        }
        self.key()
    }

    /// What the store keeps under the key of [`Engine::poll_load`], or why it
    /// couldn't be read. An answer that comes too late changes nothing.
    pub fn handle_loaded(&mut self, key: &str, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        let is_awaited = matches!(self.gate, ConnectGate::LoadingSession { .. }) && self.key().as_deref() == Some(key);
        if is_awaited {
            self.session_loaded(loaded, now);
            self.run_deferred_commands(now);
        }
        self.settle(now);
    }

    /// What a lasting session wants saved before anything else is sent; answer
    /// with [`Engine::handle_saved`].
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
            // A session that never expires [MQTT-3.1.2.11.2].
            Some(u32::MAX) | None => None,
            Some(seconds) => Some(wall + Duration::from_secs(u64::from(seconds)) + KEPT_LONGER),
        };
        // Plain data in memory: there is nothing that could fail.
        let bytes = postcard::to_allocvec(&(FORMAT_VERSION, &self.more.without_credentials(), self.session.saved()));
        let bytes = bytes.unwrap_or_default();
        Some(StoreWrite { key: lasting.key.clone(), bytes, until })
    }

    /// What [`Engine::poll_save`] gave is safe; or why it isn't, and then the
    /// session goes on without outliving the page.
    pub fn handle_saved(&mut self, saved: Result<(), String>) {
        self.saving_until = None;
        if let Err(words) = saved {
            self.give_up_persistence(&words);
        }
    }

    /// The entry that the store is to drop: its session isn't to last any more.
    #[must_use]
    pub fn poll_delete(&mut self) -> Option<String> {
        self.session_to_delete.take()
    }

    /// Whether what would be sent has to wait for the store.
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

    /// Deadlines of the entrance and of the store may have come.
    pub(super) fn handle_gate_timeout(&mut self, now: Instant) {
        if self.saving_until.is_some_and(|until| until <= now) {
            self.handle_saved(Err("it doesn't answer".to_owned()));
        }
        if let Some(lasting) = self.persistent.as_mut().filter(|lasting| lasting.ages_at <= now) {
            lasting.is_aging = true;
        }
        match self.gate {
            ConnectGate::NegotiatingTabs { until } if until <= now => self.load(now),
            ConnectGate::LoadingSession { until, .. } if until <= now => {
                self.session_loaded(Err("it doesn't answer".to_owned()), now);
            }
            _ => {}
        }
        self.run_deferred_commands(now);
    }

    /// A wish to connect arrives.
    pub(super) fn begin_connect(&mut self, request: ConnectRequest, now: Instant) {
        // What comes and goes there while this waits must not be taken for it.
        self.session.disconnect(self.disconnect_mode());
        self.announce(format!("Connecting to {} …", credentials::redact_url(&request.broker)));
        self.request = Some(request);
        let until = match self.key() {
            Some(key) => self.tabs.ask(&key, now),
            // The broker draws an identifier that nobody else has.
            None => {
                self.tabs.release();
                now
            }
        };
        self.ask_until(until, now);
    }

    /// The person wants the session here that another tab has.
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

    /// No other tab objects: what is kept of the session comes next.
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
            // The store may be a step behind.
            let saved = self.session.saved();
            return self.connect(more, Some(saved), now);
        }
        if !self.has_store {
            self.connect(more, None, now);
            return self.give_up_persistence("it has no store");
        }
        if self.page_options.is_some() && !more.lasts() {
            self.session_to_delete = Some(key);
            return self.connect(more, None, now);
        }
        // Where nobody has told this page any finer settings, an earlier one may
        // have left some.
        self.gate = ConnectGate::LoadingSession { is_asked: false, until: now + STORE_WAIT };
    }

    fn session_loaded(&mut self, loaded: Result<Option<Vec<u8>>, String>, now: Instant) {
        self.gate = ConnectGate::Idle;
        let (bytes, failed) = match loaded {
            Ok(bytes) => (bytes, None),
            Err(words) => (None, Some(words)),
        };
        // What another version of this app saved in a way of its own is nothing.
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
            let words = "This browser kept the session and its settings: it goes on where the last page left it.";
            self.note(words.to_owned());
        }
    }

    /// The wanted connection's session, where it is to last.
    pub(super) fn persistent_session(&self, more: &ConnectionOptions, now: Instant) -> Option<PersistentSession> {
        let key = self.key().filter(|_| more.lasts())?;
        Some(PersistentSession { key, is_aging: false, ages_at: now + KEPT_LONGER / 2 })
    }

    /// Under which name the wanted connection's session is known to the other
    /// tabs and to the store; none where the broker is to draw the client
    /// identifier. A name holds no credential: it is stored, and the next token is for the same session.
    fn key(&self) -> Option<String> {
        let request = self.request.as_ref().filter(|request| !request.client_id.is_empty())?;
        Some(format!("{} {}", request.client_id, credentials::redact_url(&request.broker)))
    }

    /// What waited for the entrance to open, in its order.
    fn run_deferred_commands(&mut self, now: Instant) {
        while !self.is_entering()
            && let Some(command) = self.deferred_commands.pop_front()
        {
            self.apply_command(command, now);
        }
    }

    /// Another tab has the better claim.
    fn yield_session(&mut self, why: YieldReason) {
        self.tabs.release();
        self.gate = ConnectGate::Idle;
        self.persistent = None;
        self.session.disconnect(DisconnectMode::KeepSession);
        let Some(ConnectRequest { client_id, broker, .. }) = &self.request else { return };
        let broker = credentials::redact_url(broker);
        let words = match why {
            YieldReason::Taken => format!(
                "Another tab of this browser is connected to {broker} as “{client_id}”: two would throw each other \
                 out for ever. Use another client identifier, close the other tab, or take over."
            ),
            YieldReason::TakenOver => format!("Another tab of this browser took the connection as “{client_id}” over."),
        };
        self.connection =
            Connection { state: ConnectionState::Stopped, words, can_take_over: true, ..Connection::default() };
        self.page_dirty = true;
    }

    /// This browser keeps nothing for this page, which matters only to a session
    /// that is to last.
    fn give_up_persistence(&mut self, words: &str) {
        let Some(lasting) = self.persistent.take() else { return };
        // What was kept before is out of date from here on: packet identifiers
        // are used again, and a new message would be taken for an old one.
        self.session_to_delete = Some(lasting.key);
        self.connection.notice = Some(format!(
            "This browser doesn't keep the session ({words}): a reload of the page forgets unfinished messages."
        ));
        self.page_dirty = true;
    }
}

/// A command that must not overtake the ones before it.
pub(super) fn is_deferred(command: &Command) -> bool {
    !matches!(command, Command::Page(PageCommand::Pull(_)) | Command::Panels(PanelCommand::Pull(_)))
}
