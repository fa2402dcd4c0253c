//! The session that outlives the page, in the browser's store.
//!
//! # Invariants
//!
//! - A persistent session is stored before its packets are sent and before its messages are shown.
//! - A write that takes too long counts as failed, so that a store that never answers doesn't block the connection.
//! - The entry of a session that continues without the store is deleted, because it is out of date: packet
//!   identifiers are used again, so a new message would be taken for an old one.

use std::time::Duration;

use crate::mqtt::session::Session;
use crate::mqtt::session::event::DisconnectMode;
use crate::mqtt::session::snapshot::SessionSnapshot;
use crate::protocol::connection::ConnectionOptions;
use crate::time::Instant;

/// Time limit for a write to the store; after it, the engine continues without one. Nothing is sent before the write
/// ends.
const SAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How much longer than the broker a browser keeps a session. Its age counts from the last change, so an active session
/// that doesn't change is saved again after half of this time.
const KEPT_LONGER: Duration = Duration::from_hours(24);

/// Version of the entries' layout. Their bytes don't describe themselves, so it has to change whenever
/// [`ConnectionOptions`] or [`SessionSnapshot`] does (a test checks them).
const FORMAT_VERSION: u8 = 2;

/// The content of an entry: [`FORMAT_VERSION`], the connection options, and the session's state.
type StoredSession = (u8, ConnectionOptions, SessionSnapshot);

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

/// The persistent session and the requests to the store.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    has_store: bool,
    /// The session that outlives the page, if that was requested.
    session: Option<PersistentSession>,
    /// A save is in progress; it counts as failed at this time.
    saving_until: Option<Instant>,
    /// The stored session to delete.
    session_to_delete: Option<String>,
}

/// A persistent session's entry in the store.
#[derive(Debug)]
struct PersistentSession {
    key: String,
    /// The entry is saved again although nothing changed, because the session is still in use.
    is_aging: bool,
    ages_at: Instant,
}

impl Persistence {
    /// Enables persistent sessions.
    pub(super) fn use_store(&mut self) {
        self.has_store = true;
    }

    pub(super) fn has_store(&self) -> bool {
        self.has_store
    }

    /// Makes the session of this key persistent; none if there is no key.
    pub(super) fn begin(&mut self, key: Option<String>, now: Instant) {
        self.session = key.map(|key| PersistentSession { key, is_aging: false, ages_at: now + KEPT_LONGER / 2 });
    }

    /// Whether the session outlives the page.
    pub(super) fn is_persistent(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the persistent session has this key.
    pub(super) fn has_key(&self, key: Option<&String>) -> bool {
        self.session.as_ref().is_some_and(|session| Some(&session.key) == key)
    }

    /// How to disconnect.
    pub(super) fn disconnect_mode(&self) -> DisconnectMode {
        if self.is_persistent() { DisconnectMode::KeepSession } else { DisconnectMode::EndSession }
    }

    /// The stored session belongs to another tab: it is neither saved nor deleted any more.
    pub(super) fn release(&mut self) {
        self.session = None;
    }

    /// Makes the session non-persistent, because the store doesn't work. Returns whether it was persistent.
    pub(super) fn give_up(&mut self) -> bool {
        let Some(session) = self.session.take() else { return false };
        self.delete(session.key);
        true
    }

    /// Deletes the entry of this key.
    pub(super) fn delete(&mut self, key: String) {
        self.session_to_delete = Some(key);
    }

    /// Returns the key of the entry to delete.
    pub(super) fn poll_delete(&mut self) -> Option<String> {
        self.session_to_delete.take()
    }

    /// Whether sending has to wait for the store.
    pub(super) fn is_saving(&self, session: &Session) -> bool {
        self.saving_until.is_some() || self.needs_saving(session)
    }

    fn needs_saving(&self, session: &Session) -> bool {
        self.session.as_ref().is_some_and(|entry| entry.is_aging || session.is_dirty())
    }

    /// Returns the entry to save, if there is one and no save is in progress.
    pub(super) fn poll_save(
        &mut self,
        session: &mut Session,
        options: &ConnectionOptions,
        now: Instant,
        wall_now: Instant,
    ) -> Option<StoreWrite> {
        if self.saving_until.is_some() || !self.needs_saving(session) {
            return None;
        }
        let entry = self.session.as_mut()?;
        session.take_dirty();
        self.saving_until = Some(now + SAVE_TIMEOUT);
        entry.is_aging = false;
        entry.ages_at = now + KEPT_LONGER / 2;
        let until = match options.session_expiry_s {
            // The session never expires (section 3.1.2.11.2 of the standard).
            Some(u32::MAX) | None => None,
            Some(seconds) => Some(wall_now + Duration::from_secs(u64::from(seconds)) + KEPT_LONGER),
        };
        // Serialising plain data to memory can't fail.
        let bytes = postcard::to_allocvec(&(FORMAT_VERSION, &options.without_credentials(), session.snapshot()));
        Some(StoreWrite { key: entry.key.clone(), bytes: bytes.unwrap_or_default(), until })
    }

    /// The save in progress has ended.
    pub(super) fn finish_save(&mut self) {
        self.saving_until = None;
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let ages_at = self.session.as_ref().filter(|session| !session.is_aging).map(|session| session.ages_at);
        ages_at.into_iter().chain(self.saving_until).min()
    }

    /// Whether the save in progress has taken too long.
    pub(super) fn is_save_overdue(&self, now: Instant) -> bool {
        self.saving_until.is_some_and(|until| until <= now)
    }

    /// Saves an entry again that hasn't changed for long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(session) = self.session.as_mut().filter(|session| session.ages_at <= now) {
            session.is_aging = true;
        }
    }
}

/// The options and the session in a stored entry; `None` if it has the layout of another version of this app.
pub(super) fn read_entry(bytes: &[u8]) -> Option<(ConnectionOptions, SessionSnapshot)> {
    if bytes.first() != Some(&FORMAT_VERSION) {
        return None;
    }
    let (_, options, session) = postcard::from_bytes::<StoredSession>(bytes).ok()?;
    Some((options, session))
}
