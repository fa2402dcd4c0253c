//! The connection's status: what the page shows of it, and what is known about its broker and its last attempt.

use std::rc::Rc;

use crate::credentials;
use crate::engine::diagnostics::{Attempt, DiagnosisInput};
use crate::engine::repeated_failures;
use crate::mqtt::broker_url::PageOrigin;
use crate::mqtt::error::Failure;
use crate::mqtt::failure_history::RECURRENT;
use crate::mqtt::packet::Version;
use crate::mqtt::session::event::Recurrence;
use crate::mqtt::session::event::Suspect;
use crate::mqtt::session::event::Token;
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::protocol::connection::{ConnectRequest, Connection, ConnectionOptions, ConnectionState};
use crate::time::Instant;

/// Texts are appended to [`Connection::notice`] up to this length; beyond it, a new text replaces the old ones.
const NOTICE_BYTES_MAX: usize = 600;

/// The state of the connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionStatus {
    /// What the page shows; its subscriptions and its persistence are added when it is sent.
    shown: Connection,
    /// The address as it was entered.
    broker: String,
    /// The origin of the page that sent the request.
    page: PageOrigin,
    options: Rc<ConnectionOptions>,
    has_credentials: bool,
    /// The capabilities of the last connection's broker.
    server: Option<ServerCapabilities>,
    attempt: Attempt,
    is_offline: bool,
    /// Connected at least once since the last connect request.
    was_connected: bool,
    /// An attempt since the connect request failed at once, so the host exists.
    has_failed_at_once: bool,
    reconnects: u64,
    /// The message that [`Connection::question`] is about.
    asked_about: Option<Token>,
}

/// A connection that failed or was lost.
pub(super) struct Loss<'a> {
    pub(super) failure: &'a Failure,
    pub(super) retry_at: Option<Instant>,
    pub(super) recurrence: &'a Recurrence,
    /// The request of this connection.
    pub(super) request: Option<&'a ConnectRequest>,
    /// What is wrong with the JWT in use.
    pub(super) jwt_error: Option<String>,
    pub(super) at: Instant,
    pub(super) wall_at: Instant,
}

impl Loss<'_> {
    /// Whether the person has to decide about a message before the session can continue.
    pub(super) fn needs_decision(&self) -> bool {
        let suspect = &self.recurrence.suspect;
        self.is_recurrent() && matches!(suspect, Some(Suspect::Message { must_be_resent: true, .. }))
    }

    fn is_recurrent(&self) -> bool {
        self.recurrence.times >= RECURRENT
    }
}

impl ConnectionStatus {
    pub(super) fn new() -> Self {
        let mut status = Self::default();
        status.show(ConnectionState::Idle, "Not connected.".to_owned());
        status
    }

    /// The connection as the page shows it, without its subscriptions and its persistence.
    pub(super) fn shown(&self) -> &Connection {
        &self.shown
    }

    pub(super) fn state(&self) -> ConnectionState {
        self.shown.state
    }

    pub(super) fn is_connected(&self) -> bool {
        self.shown.state == ConnectionState::Connected
    }

    /// The address as it was entered.
    pub(super) fn broker(&self) -> &str {
        &self.broker
    }

    /// The broker's address without credentials, for display, files and the store.
    pub(super) fn shown_broker(&self) -> String {
        credentials::redact_url(&self.broker)
    }

    /// The options of this connection, or of the last one.
    pub(super) fn options(&self) -> &Rc<ConnectionOptions> {
        &self.options
    }

    /// The capabilities of the last connection's broker.
    pub(super) fn server(&self) -> Option<&ServerCapabilities> {
        self.server.as_ref()
    }

    /// Connections made again after one was lost.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Shows another state, without notice, question and evidence of the last one.
    pub(super) fn show(&mut self, state: ConnectionState, text: String) {
        self.shown = Connection { state, message: text, ..Connection::default() };
    }

    /// Offers to take the session over from another tab.
    pub(super) fn offer_take_over(&mut self) {
        self.shown.can_take_over = true;
    }

    /// Replaces the notice.
    pub(super) fn set_notice(&mut self, notice: Option<String>) {
        self.shown.notice = notice;
    }

    /// Adds to the notice, which informs the person about something that isn't a failure.
    pub(super) fn note(&mut self, text: String) {
        match &mut self.shown.notice {
            Some(known) if known.contains(&text) => {}
            Some(known) if known.len() + text.len() < NOTICE_BYTES_MAX => {
                known.push(' ');
                known.push_str(&text);
            }
            notice => *notice = Some(text),
        }
    }

    /// The browser reports whether there is a network.
    pub(super) fn set_offline(&mut self, is_offline: bool) {
        self.is_offline = is_offline;
    }

    /// A new connect request begins its first connection.
    pub(super) fn begin_request(&mut self) {
        self.was_connected = false;
        self.has_failed_at_once = false;
    }

    /// Sets the broker and the options of the connection that begins, and shows it.
    pub(super) fn begin_connection(&mut self, request: &ConnectRequest, options: Rc<ConnectionOptions>) {
        self.broker.clone_from(&request.broker);
        self.page = request.page;
        self.options = options;
        self.has_credentials = request.user_name.is_some() || request.password.is_some();
        self.asked_about = None;
        self.show(ConnectionState::Connecting, connecting_to(&self.shown_broker()));
    }

    /// The session begins an attempt.
    pub(super) fn begin_attempt(&mut self, version: Version, now: Instant) {
        self.attempt = Attempt::new(version, now);
        if self.shown.retry_at.take().is_some() {
            self.shown.message = format!("Retrying… {}", self.shown.message);
        }
    }

    /// The WebSocket is open.
    pub(super) fn handle_open(&mut self, now: Instant) {
        self.attempt.opened(now);
    }

    /// Bytes arrived.
    pub(super) fn handle_input(&mut self, bytes: &[u8]) {
        self.attempt.received(bytes);
    }

    /// The broker accepted the connection.
    pub(super) fn connected(&mut self, version: Version, fell_back: bool, server: ServerCapabilities) {
        self.reconnects += u64::from(std::mem::replace(&mut self.was_connected, true));
        let went_back = if fell_back { " The broker doesn't support MQTT 5.0; using 3.1.1." } else { "" };
        self.shown = Connection {
            state: ConnectionState::Connected,
            message: format!("Connected to {} with {version}.{went_back}", self.shown_broker()),
            version: Some(version),
            notice: self.shown.notice.take(),
            question: self.shown.question.take(),
            ..Connection::default()
        };
        self.server = Some(server);
    }

    /// The connection failed or was lost.
    pub(super) fn lost(&mut self, loss: &Loss<'_>) {
        let &Loss { failure, recurrence, .. } = loss;
        let broker = self.shown_broker();
        let case = DiagnosisInput {
            failure,
            broker: &broker,
            url_expired_at: credentials::url_expires_at(&self.broker).filter(|&expires_at| expires_at <= loss.wall_at),
            has_failed_at_once: self.has_failed_at_once,
            page: self.page,
            attempt: &self.attempt,
            failed_at: loss.at,
            has_credentials: self.has_credentials,
            jwt_error: loss.jwt_error.clone(),
            is_offline: self.is_offline,
            is_auto: loss.request.is_none_or(|request| request.version.is_none()),
            client_id: loss.request.map_or("", |request| &request.client_id),
            recurrence,
        };
        let (advice, evidence, is_at_once) = (case.advice(), case.evidence(), case.is_at_once());
        self.has_failed_at_once |= is_at_once;
        let repetition = repeated_failures::describe(failure, recurrence);
        // The text is shown separately, as a question or a notice, because those stay when the next connection begins.
        let is_apart = recurrence.suspect.is_some() && loss.is_recurrent();
        let shown = &mut self.shown;
        shown.state = if loss.retry_at.is_some() { ConnectionState::Reconnecting } else { ConnectionState::Stopped };
        shown.message = match &repetition {
            Some(text) if !is_apart => format!("{text} {failure}"),
            _ => failure.to_string(),
        };
        shown.advice = advice;
        shown.evidence = evidence;
        shown.version = None;
        shown.retry_at = loss.retry_at;
        match (&recurrence.suspect, repetition.filter(|_| is_apart)) {
            (Some(Suspect::Message { token, must_be_resent: true, .. }), Some(text)) => {
                shown.question = Some(text);
                self.asked_about = Some(*token);
            }
            (_, Some(text)) => self.note(text),
            (_, None) => {}
        }
    }

    /// Returns the message that the person decided about, if a decision was needed, and connects again if the
    /// connection had stopped because of it.
    pub(super) fn take_decision(&mut self) -> Option<Token> {
        let token = self.asked_about.take()?;
        self.shown.question = None;
        if self.shown.state == ConnectionState::Stopped {
            self.shown.state = ConnectionState::Connecting;
            self.shown.advice.clear();
            self.shown.evidence.clear();
            self.shown.message = connecting_to(&self.shown_broker());
        }
        Some(token)
    }

    /// A publish ended. Returns whether the person was being asked about it, which isn't necessary any more.
    pub(super) fn handle_outcome(&mut self, token: Token) -> bool {
        let was_asked = self.asked_about == Some(token);
        if was_asked {
            self.asked_about = None;
            self.shown.question = None;
        }
        was_asked
    }
}

/// The text while a connection is made to this address, which holds no credentials.
pub(super) fn connecting_to(shown_broker: &str) -> String {
    format!("Connecting to {shown_broker}…")
}
