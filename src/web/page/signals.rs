//! What the parts of the page show.

use leptos::prelude::*;

use crate::config::link::View;
use crate::protocol::connection::{Connection, ConnectionState, JwtInfo};
use crate::protocol::update::Stats;
use crate::time::Instant;

/// Sets a signal, if its value differs.
pub(super) fn set_if_changed<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.with_untracked(|old| *old != value) {
        signal.set(value);
    }
}

/// Returns a part of what a signal holds, or what follows from it. It is compiled once for each pair of types, and not for
/// each closure.
pub(super) fn part<S: Send + Sync + 'static, T: Send + Sync + 'static>(
    signal: RwSignal<S>,
    read: fn(&S) -> T,
) -> Signal<T> {
    Signal::derive(move || signal.with(read))
}

/// What the parts of the page show. Everything here is small and is set at most once a frame.
#[derive(Clone, Copy)]
pub(super) struct PageSignals {
    pub(super) connection: RwSignal<Connection>,
    pub(super) stats: RwSignal<Stats>,
    /// The number of lines that the crawl is behind.
    pub(super) behind: RwSignal<u64>,
    pub(super) token: RwSignal<Option<JwtInfo>>,
    /// Messages for the person; each can be dismissed.
    pub(super) notices: RwSignal<Vec<String>>,
    pub(super) now: RwSignal<Instant>,
    pub(super) view: RwSignal<View>,
    /// Whether "Link copied" is shown.
    pub(super) copied: RwSignal<bool>,
    /// Whether the form is unfolded.
    pub(super) form_open: RwSignal<bool>,
}

impl PageSignals {
    pub(super) fn new(now: Instant, view: View) -> Self {
        Self {
            connection: RwSignal::default(),
            stats: RwSignal::default(),
            behind: RwSignal::default(),
            token: RwSignal::default(),
            notices: RwSignal::default(),
            now: RwSignal::new(now),
            view: RwSignal::new(view),
            copied: RwSignal::default(),
            form_open: RwSignal::new(true),
        }
    }

    /// Shows a notice, unless it is shown already.
    pub(super) fn notify(self, notice: String) {
        self.notices.update(|notices| {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        });
    }

    /// Removes a notice.
    pub(super) fn dismiss(self, notice: &str) {
        self.notices.update(|notices| notices.retain(|other| other != notice));
    }

    pub(super) fn set_connection(self, connection: Connection) {
        if self.connection.with_untracked(|old| *old == connection) {
            return;
        }
        let (old, new) = (self.connection.with_untracked(|old| old.state), connection.state);
        self.connection.set(connection);
        if old != new {
            match new {
                // The crawl and the console get the space.
                ConnectionState::Connected => self.form_open.set(false),
                // There may be something to correct in the form.
                ConnectionState::Stopped | ConnectionState::Idle => self.form_open.set(true),
                ConnectionState::Connecting | ConnectionState::Reconnecting => {}
            }
        }
    }
}
