//! The gate between a connect request and the session: the other tabs of this browser may object, and a persistent
//! session is loaded.
//!
//! # Invariants
//!
//! - Commands that arrive while the gate is closed wait and are handled in order. Only pulls are answered at once,
//!   because they change nothing.
//! - Each step has a time limit, so that a browser that never answers delays a connection but doesn't prevent it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::credentials;
use crate::engine::tab_coordinator::TabCoordinator;
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::protocol::connection::{ConnectRequest, ConnectionOptions};
use crate::time::Instant;

/// Time limit for an answer from the store; after it, the engine continues without one. Opening a store takes a few
/// milliseconds, on a slow disk some hundred.
const LOAD_TIMEOUT: Duration = Duration::from_secs(3);

/// The connect request and its step.
#[derive(Debug)]
pub(super) struct ConnectGate {
    step: Step,
    /// The claims of this browser's tabs.
    pub(super) tabs: TabCoordinator,
    /// The last connect request, for a tab that takes it over.
    pub(super) request: Option<ConnectRequest>,
    /// The options sent by this page; `None` uses those that an earlier page stored.
    pub(super) page_options: Option<Rc<ConnectionOptions>>,
    /// Commands that arrived while the gate was closed.
    deferred_commands: VecDeque<Command>,
}

/// The step of the connect request.
#[derive(Debug, Default)]
enum Step {
    /// No request is waiting: the gate is open.
    #[default]
    Idle,
    /// Waiting for an objection of another tab.
    NegotiatingTabs { until: Instant },
    /// Waiting for the stored session.
    LoadingSession { is_asked: bool, until: Instant },
}

/// What an expired deadline of the gate means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GateTimeout {
    /// No other tab objected.
    NoObjection,
    /// The store didn't answer.
    NotLoaded,
}

impl ConnectGate {
    /// Creates an open gate for the tab of this number.
    pub(super) fn new(tab: u64) -> Self {
        Self {
            step: Step::Idle,
            tabs: TabCoordinator::new(tab),
            request: None,
            page_options: None,
            deferred_commands: VecDeque::new(),
        }
    }

    /// Whether commands are handled at once.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.step, Step::Idle)
    }

    /// Opens the gate: no request is waiting any more.
    pub(super) fn open(&mut self) {
        self.step = Step::Idle;
    }

    /// Waits for objections of other tabs.
    pub(super) fn negotiate_until(&mut self, until: Instant) {
        self.step = Step::NegotiatingTabs { until };
    }

    /// Waits for the stored session.
    pub(super) fn load_session(&mut self, now: Instant) {
        self.step = Step::LoadingSession { is_asked: false, until: now + LOAD_TIMEOUT };
    }

    /// Returns the key of the session to load, once.
    pub(super) fn poll_load(&mut self) -> Option<String> {
        match &mut self.step {
            Step::LoadingSession { is_asked, .. } if !*is_asked => *is_asked = true,
            _ => return None,
        }
        self.session_key()
    }

    /// Whether the session of this key is awaited from the store.
    pub(super) fn is_loading(&self, key: &str) -> bool {
        matches!(self.step, Step::LoadingSession { .. }) && self.session_key().as_deref() == Some(key)
    }

    /// The key that identifies the requested connection's session to the other tabs and in the store; `None` if the
    /// broker assigns the client identifier. It contains no credential, because it is stored and because the next token
    /// is for the same session.
    pub(super) fn session_key(&self) -> Option<String> {
        let request = self.request.as_ref().filter(|request| !request.client_id.is_empty())?;
        Some(format!("{} {}", request.client_id, credentials::redact_url(&request.broker)))
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.step {
            Step::Idle => None,
            Step::NegotiatingTabs { until } | Step::LoadingSession { until, .. } => Some(until),
        }
    }

    /// Returns what an expired deadline means; `None` if none has expired.
    pub(super) fn handle_timeout(&self, now: Instant) -> Option<GateTimeout> {
        match self.step {
            Step::NegotiatingTabs { until } if until <= now => Some(GateTimeout::NoObjection),
            Step::LoadingSession { until, .. } if until <= now => Some(GateTimeout::NotLoaded),
            _ => None,
        }
    }

    /// Returns the command if it is to be handled now; else it waits for the gate to open.
    pub(super) fn admit(&mut self, command: Command) -> Option<Command> {
        if self.is_open() || !is_deferred(&command) {
            return Some(command);
        }
        self.deferred_commands.push_back(command);
        None
    }

    /// Returns the next command that waited, once the gate is open.
    pub(super) fn take_deferred(&mut self) -> Option<Command> {
        if self.is_open() { self.deferred_commands.pop_front() } else { None }
    }
}

/// Whether a command must not overtake earlier ones.
fn is_deferred(command: &Command) -> bool {
    !matches!(command, Command::Page(PageCommand::Pull(_)) | Command::Panels(PanelCommand::Pull(_)))
}
