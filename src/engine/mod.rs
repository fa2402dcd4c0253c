//! The engine: the worker's whole state machine, with the session, the log, the filter and the crawl's feed.
//!
//! Sans-IO: commands and bytes go in with the time; bytes for the socket, updates for the page and its panels and the
//! next deadline come out. The worker only moves bytes and timers, so everything here is tested natively and in virtual
//! time.
//!
//! # Invariants
//!
//! - The log is the only queue. The crawl's feed is a cursor into it, the page's rows are a window on it. A slow or
//!   hidden page makes nothing grow.
//! - An update is made only if the page requested one and something has changed.
//! - Messages that aren't shown are neither formatted nor parsed here.

mod connect;
mod connect_gate;
mod connection_status;
mod diagnostics;
mod filter_state;
mod imported_messages;
mod jwt_passwords;
mod message_counts;
mod messages;
mod page_updates;
mod panel_state;
mod panel_updates;
mod pending_publishes;
mod persistence;
mod publishing;
mod repeated_failures;
mod row_builder;
mod stats;
mod subscriptions;
pub mod tab_coordinator;
mod transmissions;
mod wall_clock;

use std::rc::Rc;

use crate::crawl::feed::CrawlFeed;
use crate::message_log::Limits;
use crate::message_log::query::LocalTime;
use crate::mqtt::error::{CloseInfo, Failure, Violation};
use crate::mqtt::packet::Version;
use crate::mqtt::session::event::Event;
use crate::mqtt::session::event::Recurrence;
use crate::mqtt::session::event::Token;
use crate::mqtt::session::server_capabilities::ServerCapabilities;
use crate::mqtt::session::{self, Session};
use crate::mqtt::topic::TopicFilter;
use crate::packet_trace::Trace;
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::protocol::connection::{Connection, ConnectionState, Secret};
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::update::{PanelsUpdate, Update};
use crate::time::Instant;

use crate::engine::connect_gate::ConnectGate;
use crate::engine::connection_status::{ConnectionStatus, Loss};
use crate::engine::filter_state::FilterState;
use crate::engine::jwt_passwords::JwtPasswords;
use crate::engine::messages::{EngineSink, Messages};
use crate::engine::page_updates::PageUpdates;
use crate::engine::panel_state::PanelSources;
use crate::engine::panel_updates::PanelUpdates;
use crate::engine::pending_publishes::{PendingPublishes, PublishOrigin};
use crate::engine::persistence::Persistence;
pub use crate::engine::persistence::StoreWrite;
use crate::engine::row_builder::RowBuilder;
use crate::engine::subscriptions::{RowColours, Subscriptions};
use crate::engine::transmissions::Transmissions;
use crate::engine::wall_clock::WallClock;

/// What the driver does with the WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub enum Transmit<'a> {
    /// Open a WebSocket to this address, subprotocol `mqtt`.
    Dial {
        /// The address as it was entered.
        url: &'a str,
    },
    /// Send these bytes as one binary frame.
    Send(&'a [u8]),
    /// Close the WebSocket and forget it.
    HangUp,
}

/// The worker's state machine; see the module.
///
/// Each field has its own state and methods, in a file named after it. The methods here connect them:
///
/// - `handle_*`: something happened; the time is the last argument.
/// - `poll_*`: what the driver has to do next; to be called until `None` after every `handle_*`.
pub struct Engine {
    /// Determines the waits between attempts; a new one for each session.
    seed: u64,
    wall_clock: WallClock,
    /// When something happened last; the time of the packets that are sent because of it.
    processed_at: Instant,
    session: Session,
    messages: Messages,
    trace: Trace,
    filter: FilterState,
    feed: CrawlFeed,
    gate: ConnectGate,
    persistence: Persistence,
    status: ConnectionStatus,
    subscriptions: Subscriptions,
    row_colours: RowColours,
    passwords: JwtPasswords,
    publishes: PendingPublishes,
    transmissions: Transmissions,
    page: PageUpdates,
    panels: PanelUpdates,
}

impl Engine {
    /// Creates an idle engine. The seed determines the waits between attempts and is this tab's number.
    pub fn new(seed: u64, limits: Limits) -> Self {
        Self {
            seed,
            wall_clock: WallClock::default(),
            processed_at: Instant::EPOCH,
            session: Session::new(session::options::Options::default(), seed),
            messages: Messages::new(limits),
            trace: Trace::default(),
            filter: FilterState::default(),
            feed: CrawlFeed::default(),
            gate: ConnectGate::new(seed),
            persistence: Persistence::default(),
            status: ConnectionStatus::new(),
            subscriptions: Subscriptions::default(),
            row_colours: RowColours::default(),
            passwords: JwtPasswords::default(),
            publishes: PendingPublishes::default(),
            transmissions: Transmissions::default(),
            page: PageUpdates::default(),
            panels: PanelUpdates::new(),
        }
    }

    /// Handles a command of the page or of its panels.
    pub fn handle_command(&mut self, command: impl Into<Command>, now: Instant) {
        let Some(command) = self.gate.admit(command.into()) else { return };
        self.apply_command(command, now);
        self.process_session_events(now);
    }

    fn apply_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Page(command) => self.apply_page_command(command, now),
            Command::Panels(command) => self.apply_panel_command(command, now),
        }
    }

    fn apply_page_command(&mut self, command: PageCommand, now: Instant) {
        match command {
            PageCommand::Connect(request) => self.begin_connect(request, now),
            PageCommand::InspectPassword(password) => self.inspect_password(password, now),
            PageCommand::ReplacePassword(password) => self.replace_password(password, now),
            PageCommand::TakeOver => self.take_over(now),
            PageCommand::SetConnectionOptions(options) => self.gate.page_options = Some(Rc::from(options)),
            PageCommand::Disconnect => self.disconnect(),
            PageCommand::RetryNow => {
                self.status.set_offline(false);
                self.session.retry_now(now);
                self.session.probe(now);
            }
            PageCommand::DropMessage => self.answer_question(Session::drop_message, now),
            PageCommand::EndSession => self.answer_question(Session::end_session, now),
            PageCommand::NetworkOffline => self.status.set_offline(true),
            PageCommand::Filter { text, ahead_of_utc_min } => {
                let typed = LocalTime { now: self.wall_clock.wall(now), ahead_of_utc_min };
                self.filter.set_text(&text, typed, &self.messages.log, self.processed_at);
                self.page.mark_dirty();
            }
            PageCommand::Clear => {
                self.messages.clear();
                self.feed.skip_to(self.messages.log.next_seq());
                self.advance_filter();
            }
            PageCommand::SetLogLimits(limits) => {
                self.messages.log.set_limits(limits);
                self.advance_filter();
            }
            PageCommand::SetLineRules(line_rules) => {
                let line_rules = Rc::new(line_rules);
                self.feed.set_rules(Rc::clone(&line_rules), &self.messages.log);
                self.filter.set_line_rules(line_rules, &self.messages.log, self.processed_at);
                self.page.mark_dirty();
            }
            PageCommand::ShowInCrawl(seq) => {
                self.feed.show_first(seq);
                self.page.mark_dirty();
            }
            PageCommand::Pull(pull) => self.page.handle_pull(pull, self.feed.pending() > 0),
        }
    }

    fn apply_panel_command(&mut self, command: PanelCommand, now: Instant) {
        match command {
            PanelCommand::Publish { number, request } => self.publish(PublishOrigin::Message(number), request, now),
            PanelCommand::Transmit(slot, command) => self.transmit(slot, command, now),
            PanelCommand::Subscribe(request) => self.choose_subscription(&request, now),
            PanelCommand::Unsubscribe(filter) => self.unsubscribe(&filter, now),
            PanelCommand::Pull(request) => {
                let wall_now = self.wall_clock.wall(now);
                let (sources, panels) = self.panel_sources();
                panels.handle_request(request, &sources, wall_now);
            }
            PanelCommand::Import(messages) => {
                self.messages.import(&messages);
                self.feed.skip_to(self.messages.log.next_seq());
                self.advance_filter();
            }
            PanelCommand::Replay(messages) => {
                self.messages.replay(&messages, self.wall_clock.wall(now));
                self.page.mark_dirty();
            }
        }
    }

    /// The WebSocket is open.
    pub fn handle_open(&mut self, now: Instant) {
        self.status.handle_open(now);
        self.session.handle_open(now);
        self.process_session_events(now);
    }

    /// Handles a binary frame.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.status.handle_input(bytes);
        let mut sink = EngineSink {
            messages: &mut self.messages,
            trace: &mut self.trace,
            page: &mut self.page,
            wall_clock: self.wall_clock,
        };
        self.session.handle_input(bytes, now, &mut sink);
        self.process_session_events(now);
    }

    /// Handles a text frame, which MQTT doesn't allow `[MQTT-6.0.0-1]`.
    pub fn handle_text_frame(&mut self, now: Instant) {
        self.session.handle_violation(Violation::text_frame(&[]), now);
        self.process_session_events(now);
    }

    /// The WebSocket was closed, or failed to open.
    pub fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        self.session.handle_close(closed, now);
        self.process_session_events(now);
    }

    /// Sets how far the wall clock is ahead of the `now` arguments, in microseconds: it was corrected, or the computer
    /// slept and the connection may be dead.
    pub fn handle_clock_jump(&mut self, wall_ahead_us: i64, now: Instant) {
        let has_slept = self.wall_clock.set_ahead(wall_ahead_us);
        self.page.mark_dirty();
        self.refresh_passwords(now);
        if has_slept {
            self.session.retry_now(now);
            self.session.probe(now);
        }
        self.process_session_events(now);
    }

    /// Handles an expired deadline of [`Engine::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.handle_connect_timeout(now);
        if self.passwords.poll_timeout().is_some_and(|changes_at| changes_at <= self.wall_clock.wall(now)) {
            self.refresh_passwords(now);
        }
        self.send_due(now);
        if self.filter.handle_timeout(&self.messages.log, self.processed_at, now) {
            self.page.mark_dirty();
        }
        self.process_session_events(now);
    }

    /// Returns the next action for the WebSocket. A persistent session is stored before its packets are sent.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if self.is_saving() {
            return None;
        }
        Some(match self.session.poll_transmit()? {
            session::event::Transmit::Dial => Transmit::Dial { url: self.status.broker() },
            session::event::Transmit::Send(bytes) => {
                self.trace.sent(bytes, self.wall_clock.wall(self.processed_at));
                Transmit::Send(bytes)
            }
            session::event::Transmit::HangUp => Transmit::HangUp,
        })
    }

    /// Returns the answer to the page's pull, once something has changed. A message of a persistent session is shown
    /// only after its receipt is stored, because the broker sends it again to a page that doesn't know it.
    #[must_use]
    pub fn poll_update(&mut self) -> Option<Update> {
        if self.is_saving() {
            return None;
        }
        let pull = self.page.take_pull()?;
        self.filter.advance(&self.messages.log, self.processed_at);
        self.row_colours.refresh(self.subscriptions.list());
        let lines = self.feed.take(&self.messages.log, pull.crawl);
        let connection = Connection {
            subscriptions: self.subscriptions.list().to_vec(),
            is_persistent: self.persistence.is_persistent(),
            ..self.status.shown().clone()
        };
        let first_message_at = self.messages.first_message_at();
        let Self { messages, filter, .. } = self;
        let rows = RowBuilder {
            log: &messages.log,
            filter,
            colours: &self.row_colours,
            imported: &messages.imported,
            first_message_at,
        };
        let password_in_use = self.gate.request.as_ref().and_then(|request| request.password.as_ref());
        Some(Update {
            connection,
            stats: stats::of(&messages.log, filter.matches().len(), &self.feed, self.status.reconnects()),
            rows: rows.rows(&pull),
            lines,
            filter_error: filter.error().cloned(),
            token: self.passwords.info(self.status.state(), password_in_use),
        })
    }

    /// Returns the answer to the panels' pull, once something of theirs has changed. The first pull is always answered.
    #[must_use]
    pub fn poll_panels(&mut self) -> Option<PanelsUpdate> {
        let (sources, panels) = self.panel_sources();
        panels.poll(&sources)
    }

    fn panel_sources(&mut self) -> (PanelSources<'_>, &mut PanelUpdates) {
        let sources = PanelSources {
            messages: &self.messages,
            trace: &self.trace,
            filter: &self.filter,
            feed: &self.feed,
            status: &self.status,
            request: self.gate.request.as_ref(),
            subscriptions: &self.subscriptions,
            transmissions: &self.transmissions,
        };
        (sources, &mut self.panels)
    }

    /// When [`Engine::handle_timeout`] is due. A time in the past means "as soon as the worker is idle".
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [
            self.session.poll_timeout(),
            self.gate.poll_timeout(),
            self.persistence.poll_timeout(),
            self.passwords.poll_timeout().map(|at| self.wall_clock.steady(at)),
            self.filter.poll_timeout(),
            self.transmit_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    /// Handles the session's events after every change.
    fn process_session_events(&mut self, now: Instant) {
        self.processed_at = now;
        self.feed.scan(&self.messages.log);
        while let Some(event) = self.session.poll_event() {
            // Outcomes are sent only to the panels.
            if !matches!(event, Event::Published { .. }) {
                self.page.mark_dirty();
            }
            self.handle_session_event(event, now);
        }
        self.transmissions.advance(self.status.is_connected(), now);
    }

    fn handle_session_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Dialing { version } => {
                self.trace.set_version(version);
                self.status.begin_attempt(version, now);
            }
            Event::Connected { version, fell_back, session_present, server } => {
                if !session_present {
                    self.subscriptions.resubscribe();
                }
                self.connected(version, fell_back, *server);
            }
            Event::Subscribed { filter, granted } => self.subscriptions.subscribed(&filter, granted),
            Event::Disconnected { failure, retry_at, recurrence } => self.lost(&failure, retry_at, &recurrence, now),
            Event::Deviated { deviation, topic } => {
                self.note(repeated_failures::tolerated(deviation, topic.as_deref()));
            }
            Event::Skipped { topic, packet_bytes } => {
                let limit_bytes = session::options::Options::default().limits.packet_bytes;
                self.note(repeated_failures::skipped(&topic, packet_bytes, limit_bytes));
            }
            Event::Unanswered { suspect } => self.note(repeated_failures::unanswered(&suspect)),
            Event::FilterAbandoned { filter, is_subscribe } => self.subscriptions.abandon(&filter, is_subscribe),
            Event::Published { token, outcome } => self.handle_outcome(token, outcome),
            Event::Unsubscribed { filter, refused } => self.subscriptions.unsubscribed(&filter, refused),
        }
    }

    fn connected(&mut self, version: Version, fell_back: bool, server: ServerCapabilities) {
        self.gate.tabs.hold();
        self.status.connected(version, fell_back, server);
    }

    fn lost(&mut self, failure: &Failure, retry_at: Option<Instant>, recurrence: &Recurrence, now: Instant) {
        let wall_now = self.wall_clock.wall(now);
        let loss = Loss {
            failure,
            retry_at,
            recurrence,
            request: self.gate.request.as_ref(),
            jwt_error: self.passwords.error(wall_now),
            at: now,
            wall_at: wall_now,
        };
        self.status.lost(&loss);
        // The person's answer resumes the session, so this tab keeps its claim until then.
        if retry_at.is_none() && !loss.needs_decision() {
            self.gate.tabs.release();
        } else {
            self.gate.tabs.lose();
        }
        self.subscriptions.handle_lost();
    }

    /// Shows another connection, or none, which has no subscriptions yet.
    fn show_connection(&mut self, state: ConnectionState, message: String) {
        self.status.show(state, message);
        self.subscriptions.clear();
        self.page.mark_dirty();
    }

    /// Adds to the notice, which informs the person about something that isn't a failure.
    fn note(&mut self, message: String) {
        self.status.note(message);
        self.page.mark_dirty();
    }

    /// Handles the person's decision about the message at which the broker ends each connection.
    fn answer_question(&mut self, answer: fn(&mut Session, Token, Instant), now: Instant) {
        let Some(token) = self.status.take_decision() else { return };
        self.page.mark_dirty();
        answer(&mut self.session, token, now);
    }

    /// The log has changed otherwise than by messages that arrived.
    fn advance_filter(&mut self) {
        self.filter.advance(&self.messages.log, self.processed_at);
        self.page.mark_dirty();
    }

    /// Handles input in the page's password field.
    fn inspect_password(&mut self, password: Secret, now: Instant) {
        self.passwords.inspect(password, self.wall_clock.wall(now));
        self.page.mark_dirty();
    }

    /// Uses this password for the next attempts. The current connection isn't changed, because MQTT can replace
    /// credentials only in an AUTH exchange.
    fn replace_password(&mut self, password: Secret, now: Instant) {
        self.session.set_password(jwt_passwords::password_bytes(&password));
        self.passwords.use_password(Some(&password), self.wall_clock.wall(now));
        if let Some(request) = &mut self.gate.request {
            request.password = Some(password);
        }
        let notice = "The new token will be used for the next connection.";
        self.status.set_notice(self.status.is_connected().then(|| notice.to_owned()));
        self.page.mark_dirty();
        self.session.retry_now(now);
    }

    /// Checks again whether the passwords have expired.
    fn refresh_passwords(&mut self, now: Instant) {
        let wall_now = self.wall_clock.wall(now);
        self.passwords.refresh(wall_now);
        if self.status.is_connected() && self.passwords.error(wall_now).is_some() {
            self.status.set_notice(Some(
                "This connection's token has expired; the broker may disconnect. Enter a new token in the password \
                 field."
                    .to_owned(),
            ));
        }
        self.page.mark_dirty();
    }

    /// Adds a subscription, or changes the options of an existing one.
    fn choose_subscription(&mut self, request: &SubscribeRequest, now: Instant) {
        let Some(connect_request) = &mut self.gate.request else { return };
        let filter = match TopicFilter::parse(&request.filter) {
            Ok(filter) => filter,
            Err(error) => {
                self.subscriptions.set_answer(error.to_string());
                return self.page.mark_dirty();
            }
        };
        if !connect_request.topics.contains(&request.filter) {
            connect_request.topics.push(request.filter.clone());
        }
        self.subscriptions.choose(request, self.status.is_connected());
        self.subscribe(filter, request, now);
    }

    /// Requests a subscription, now or with the next connection.
    fn subscribe(&mut self, filter: TopicFilter, request: &SubscribeRequest, now: Instant) {
        let &SubscribeRequest { options, identifier, .. } = request;
        self.subscriptions.add(&filter, identifier, &mut self.messages.counts, &self.messages.topics);
        self.page.mark_dirty();
        self.session.subscribe(session::options::Subscription { filter, options, identifier }, now);
    }

    /// Removes a subscription.
    fn unsubscribe(&mut self, filter: &str, now: Instant) {
        if let Some(request) = &mut self.gate.request {
            request.topics.retain(|topic| topic != filter);
        }
        let Some(parsed) = self.subscriptions.remove(filter, self.status.is_connected()) else { return };
        self.page.mark_dirty();
        self.session.unsubscribe(&parsed, now);
    }
}
