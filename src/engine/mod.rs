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
//! - An update is made only if the page asked for one and something has changed.
//! - Messages that aren't shown are neither formatted nor parsed here.

mod connect;
mod diagnostics;
mod imported;
mod jwt_password;
mod message_counts;
mod panel_updates;
mod repeated_failures;
mod row_builder;
mod subscriptions;
pub mod tab_coordinator;
mod transmissions;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::crawl::feed::CrawlFeed;
use crate::credentials;
use crate::dialogue::rules::LineRules;
use crate::message_log::export;
use crate::message_log::export::{ExportRequest, Format, Selection};
use crate::message_log::ndjson::OwnedMessage;
use crate::message_log::query::{LocalTime, Matches, Query};
use crate::message_log::{Limits, MessageLog, NewMessage};
use crate::mqtt::broker_url::{BrokerUrl, PageOrigin};
use crate::mqtt::codec::publish;
use crate::mqtt::deviation::Deviation;
use crate::mqtt::error::{CloseInfo, Failure, Violation};
use crate::mqtt::failure_history::RECURRENT;
use crate::mqtt::packet::{Publish, QoS, ReasonCode, Version};
use crate::mqtt::session::{
    self, DisconnectMode, Event, Message, MessageSink, Recurrence, ServerCapabilities, Session, SessionSnapshot,
    Suspect, Token,
};
use crate::mqtt::topic::TopicFilter;
use crate::packet_trace::Trace;
use crate::time::Instant;
use crate::topics::Topics;

pub use crate::engine::connect::StoreWrite;
use crate::engine::connect::{ConnectGate, PersistentSession};
use crate::engine::diagnostics::{Attempt, DiagnosisInput};
use crate::engine::imported::Foreign;
use crate::engine::jwt_password::Tokens;
use crate::engine::message_counts::Tally;
use crate::engine::panel_updates::LastPanelsRequest;
use crate::engine::tab_coordinator::Tabs;
use crate::engine::transmissions::Transmitter;
use crate::protocol::command::{Command, PageCommand, PanelCommand};
use crate::protocol::connection::{BrokerStatus, Connection, ConnectionState};
use crate::protocol::connection::{ConnectRequest, ConnectionOptions};
use crate::protocol::publish::PublishRequest;
use crate::protocol::publish::{PublishOutcome, Published};
use crate::protocol::rows::{ListMode, Pull, SeekTarget, Window};
use crate::protocol::rows::{Rows, SeekResult};
use crate::protocol::subscription::SubscriptionsView;
use crate::protocol::transmission::TransmissionSlot;
use crate::protocol::update::{PanelsUpdate, Stats, Update};
use subscriptions::SubscriptionOptionsByFilter;

/// The number of messages that the filter examines before it yields: a few milliseconds of work.
const FILTER_SLICE_MESSAGES: usize = 20_000;

/// More messages than this since the filter's last slice are a flood.
const FLOOD_MESSAGES: u64 = 2_000;

/// The wait before the filter's next slice during a flood, so that intake goes first.
const FILTER_REST: Duration = Duration::from_millis(40);

/// How long a 5.0 session outlives a lost connection if QoS 1 or 2 was requested: long enough for a broken network,
/// short enough to leave nothing behind on a public broker.
const SESSION_EXPIRY_S: u32 = 300;

/// If the wall clock jumps ahead by less than this, the computer wasn't asleep; in microseconds.
const JUMP_US: i64 = 2_000_000;

/// Texts are appended to [`Connection::notice`] up to this length; beyond it, a new text replaces the old ones.
const NOTICE_BYTES_MAX: usize = 600;

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
pub struct Engine {
    seed: u64,
    /// The options of this connection.
    more: Rc<ConnectionOptions>,
    /// The options sent by this page; `None` uses those that an earlier page stored.
    page_options: Option<Rc<ConnectionOptions>>,
    session: Session,
    broker: String,
    /// The origin of the page that sent the request.
    page: PageOrigin,
    log: MessageLog,
    topics: Topics,
    tally: Tally,
    matches: Matches,
    /// When the filter continues; `None` once it has examined all messages.
    filter_due: Option<Instant>,
    /// Number of the next message at the time of the filter's last slice.
    filtered_to: u64,
    filter_error: Option<String>,
    /// The rules by which messages become lines.
    mapping: Rc<LineRules>,
    /// The number of filters so far; see [`Rows::list`].
    filters: u32,
    /// Arrival of the first message since the log was empty.
    first_message_at: Option<Instant>,
    /// The filters of the last connection; each has a colour in the rows.
    subscribed: Vec<TopicFilter>,
    /// The messages that came from files, not from a subscription.
    foreign: Foreign,
    feed: CrawlFeed,
    connection: Connection,
    /// The capabilities of the last connection's broker.
    server: Option<ServerCapabilities>,
    attempt: Attempt,
    with_credentials: bool,
    tokens: Tokens,
    offline: bool,
    /// The origins of the publishes without an outcome yet, in the order of their tokens.
    numbers: VecDeque<(Token, PublishOrigin)>,
    /// Outcomes that the panels haven't received: no more than they asked for.
    published: Vec<Published>,
    transmitter: Transmitter,
    /// The panels' pending pull.
    panels_pull: Option<LastPanelsRequest>,
    panels_know: Option<BrokerStatus>,
    trace: Trace,
    /// When something happened last; the time of the packets that are sent because of it.
    settled_at: Instant,
    /// How far the wall clock is ahead of the `now` arguments, in microseconds. Deadlines and waits ignore it; the
    /// times of messages, packets and tokens include it.
    wall_ahead_us: i64,
    /// The state of the tree of topics that the panels received last.
    topics_told: Option<LastPanelsRequest>,
    /// The numbers that the panels received last.
    stats_told: Option<Stats>,
    subscriptions_told: Option<SubscriptionsView>,
    /// [`Topics::changes`] at that time.
    subscriptions_counted: u64,
    /// The samples that the panels received last: their filter, and the log's next number and message count.
    samples_told: Option<(TopicFilter, u64, u64)>,
    /// The result of the last change of a subscription, as text.
    answer: Option<String>,
    choices: SubscriptionOptionsByFilter,
    /// Filters that are no longer requested, because the broker ends the connection each time.
    abandoned: Vec<String>,
    /// The message that [`Connection::question`] is about.
    asked_about: Option<Token>,
    /// The filter of the panels' export.
    exported: Query,
    /// The last connect request, for a tab that takes it over.
    request: Option<ConnectRequest>,
    gate: ConnectGate,
    /// Commands that arrived while the connect gate was closed.
    deferred_commands: VecDeque<Command>,
    tabs: Tabs,
    has_store: bool,
    /// The session that outlives the page, if it was requested.
    persistent: Option<PersistentSession>,
    /// A save is in progress; it counts as failed at this time.
    saving_until: Option<Instant>,
    /// The stored session to delete.
    session_to_delete: Option<String>,
    /// Connected at least once since the last connect request.
    was_connected: bool,
    /// An attempt since the connect request failed at once, so the host exists.
    has_failed_at_once: bool,
    reconnects: u64,
    pull: Option<Pull>,
    /// The last pull of the page that was answered.
    last_pull: Pull,
    /// Something changed since the page's last update.
    page_dirty: bool,
}

impl Engine {
    /// Creates an idle engine. The seed determines the waits between attempts and is this tab's number.
    pub fn new(seed: u64, limits: Limits) -> Self {
        Self {
            seed,
            more: Rc::default(),
            page_options: None,
            session: Session::new(session::Options::default(), seed),
            broker: String::new(),
            page: PageOrigin::default(),
            log: MessageLog::new(limits),
            topics: Topics::default(),
            tally: Tally::default(),
            matches: Matches::new(Query::default()),
            filter_due: None,
            filtered_to: 1,
            filter_error: None,
            mapping: Rc::default(),
            filters: 0,
            first_message_at: None,
            subscribed: Vec::new(),
            foreign: Foreign::default(),
            feed: CrawlFeed::default(),
            connection: Connection { words: "Not connected.".to_owned(), ..Connection::default() },
            server: None,
            attempt: Attempt::default(),
            with_credentials: false,
            tokens: Tokens::default(),
            offline: false,
            numbers: VecDeque::new(),
            published: Vec::new(),
            transmitter: Transmitter::default(),
            panels_pull: None,
            panels_know: None,
            trace: Trace::default(),
            settled_at: Instant::EPOCH,
            wall_ahead_us: 0,
            topics_told: None,
            stats_told: None,
            subscriptions_told: None,
            subscriptions_counted: 0,
            samples_told: None,
            answer: None,
            choices: SubscriptionOptionsByFilter::default(),
            abandoned: Vec::new(),
            asked_about: None,
            exported: Query::default(),
            request: None,
            gate: ConnectGate::default(),
            deferred_commands: VecDeque::new(),
            tabs: Tabs::new(seed),
            has_store: false,
            persistent: None,
            saving_until: None,
            session_to_delete: None,
            was_connected: false,
            has_failed_at_once: false,
            reconnects: 0,
            pull: None,
            last_pull: Pull::default(),
            page_dirty: true,
        }
    }

    /// Handles a command of the page or of its panels. Exports are read with [`Engine::export`].
    pub fn handle_command(&mut self, command: impl Into<Command>, now: Instant) {
        let command = command.into();
        if self.is_entering() && connect::is_deferred(&command) {
            return self.deferred_commands.push_back(command);
        }
        self.apply_command(command, now);
        self.settle(now);
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
            PageCommand::InspectPassword(password) => self.examine(password, now),
            PageCommand::ReplacePassword(password) => self.renew(password, now),
            PageCommand::TakeOver => self.take_over(now),
            PageCommand::SetConnectionOptions(more) => self.page_options = Some(Rc::from(more)),
            PageCommand::Disconnect => {
                self.tabs.release();
                self.request = None;
                self.session.disconnect(self.disconnect_mode());
                self.connection = Connection {
                    words: format!("Disconnected from {}.", self.shown_broker()),
                    ..Connection::default()
                };
                self.page_dirty = true;
            }
            PageCommand::RetryNow => {
                self.offline = false;
                self.session.wake(now);
                self.session.probe(now);
            }
            PageCommand::DropMessage => self.answer_question(Session::drop_message, now),
            PageCommand::EndSession => self.answer_question(Session::end_session, now),
            PageCommand::NetworkOffline => self.offline = true,
            PageCommand::Filter { text, ahead_of_utc_min } => {
                self.filter(&text, LocalTime { now: self.wall(now), ahead_of_utc_min });
            }
            PageCommand::Clear => {
                self.log.clear();
                self.tally.forget(&self.topics);
                self.topics.clear();
                self.first_message_at = None;
                self.feed.skip_to(self.log.next_seq());
                self.advance_filter();
                self.page_dirty = true;
            }
            PageCommand::SetLogLimits(limits) => {
                self.log.bound(limits);
                self.advance_filter();
                self.page_dirty = true;
            }
            PageCommand::SetLineRules(mapping) => self.map(Rc::new(mapping)),
            PageCommand::ShowInCrawl(seq) => {
                self.feed.push(seq);
                self.page_dirty = true;
            }
            PageCommand::Pull(pull) => {
                let asks_anew = pull != Pull { crawl: pull.crawl, ..self.last_pull };
                self.page_dirty |= asks_anew || (pull.crawl.lines > 0 && self.feed.untold() > 0);
                self.pull = Some(pull);
            }
            PageCommand::Export => {}
        }
    }

    fn apply_panel_command(&mut self, command: PanelCommand, now: Instant) {
        match command {
            PanelCommand::Publish { number, request } => self.publish(PublishOrigin::Message(number), request, now),
            PanelCommand::Transmit(deck, wish) => self.transmit(deck, wish, now),
            PanelCommand::Subscribe(request) => self.choose_subscription(request, now),
            PanelCommand::Unsubscribe(filter) => self.unsubscribe(&filter, now),
            PanelCommand::Pull(glance) => self.glance(glance, now),
            PanelCommand::Import(messages) => self.import(&messages),
            PanelCommand::Replay(messages) => self.replay(&messages, now),
        }
    }

    /// The WebSocket is open.
    pub fn handle_open(&mut self, now: Instant) {
        self.attempt.opened(now);
        self.session.handle_open(now);
        self.settle(now);
    }

    /// Handles a binary frame.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.attempt.received(bytes);
        let mut intake = EngineSink {
            log: &mut self.log,
            topics: &mut self.topics,
            tally: &mut self.tally,
            trace: &mut self.trace,
            page_dirty: &mut self.page_dirty,
            wall_ahead_us: self.wall_ahead_us,
        };
        self.session.handle_input(bytes, now, &mut intake);
        self.settle(now);
    }

    /// Handles a text frame, which MQTT doesn't allow `[MQTT-6.0.0-1]`.
    pub fn handle_text_frame(&mut self, now: Instant) {
        let violation = Violation {
            reason: ReasonCode::PROTOCOL_ERROR,
            rule: "[MQTT-6.0.0-1]",
            words: "It sent a WebSocket text frame; MQTT uses binary frames only.".to_owned(),
            excerpt: Vec::new(),
        };
        self.session.handle_violation(violation, now);
        self.settle(now);
    }

    /// The WebSocket was closed, or failed to open.
    pub fn handle_close(&mut self, closed: CloseInfo, now: Instant) {
        self.session.handle_close(closed, now);
        self.settle(now);
    }

    /// Sets how far the wall clock is ahead of the `now` arguments, in microseconds: it was corrected, or the computer
    /// slept and the connection may be dead.
    pub fn handle_clock_jump(&mut self, wall_ahead_us: i64, now: Instant) {
        let jumped_us = wall_ahead_us.saturating_sub(self.wall_ahead_us);
        self.wall_ahead_us = wall_ahead_us;
        self.page_dirty = true;
        self.tokens_look(now);
        if jumped_us < JUMP_US {
            return self.settle(now);
        }
        self.session.wake(now);
        self.session.probe(now);
        self.settle(now);
    }

    /// The wall-clock time of this instant.
    fn wall(&self, now: Instant) -> Instant {
        now.ahead_by(self.wall_ahead_us)
    }

    /// Handles an expired deadline of [`Engine::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.handle_gate_timeout(now);
        self.tokens_age(now);
        self.send_due(now);
        if self.filter_due.is_some_and(|due| due <= now) {
            self.advance_filter();
            self.page_dirty = true;
        }
        self.settle(now);
    }

    /// Returns the next action for the WebSocket. A persistent session is stored before its packets are sent.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if self.is_saving() {
            return None;
        }
        Some(match self.session.poll_transmit()? {
            session::Transmit::Dial => Transmit::Dial { url: &self.broker },
            session::Transmit::Send(bytes) => {
                self.trace.sent(bytes, self.settled_at.ahead_by(self.wall_ahead_us));
                Transmit::Send(bytes)
            }
            session::Transmit::HangUp => Transmit::HangUp,
        })
    }

    /// Returns the answer to the page's pull, once something has changed. A message of a persistent session is shown
    /// only after its receipt is stored, because the broker sends it again to a page that doesn't know it.
    #[must_use]
    pub fn poll_update(&mut self) -> Option<Update> {
        if !self.page_dirty || self.is_saving() {
            return None;
        }
        let pull = self.pull.take()?;
        self.page_dirty = false;
        self.last_pull = pull;
        self.advance_filter();
        self.refresh_page_state();
        let lines = self.feed.take(&self.log, pull.crawl);
        Some(Update {
            connection: Connection { lasts: self.persistent.is_some(), ..self.connection.clone() },
            stats: self.stats(),
            rows: self.rows(&pull),
            lines,
            filter_error: self.filter_error.clone(),
            token: self.token_note(),
        })
    }

    /// Returns the answer to the panels' pull, once something of theirs has changed. The first pull is always answered.
    #[must_use]
    pub fn poll_panels(&mut self) -> Option<PanelsUpdate> {
        let glimpse = self.panels_pull.as_ref()?;
        let Connection { state, version, .. } = self.connection;
        let server = self.server.as_ref().filter(|_| state == ConnectionState::Connected);
        // This runs after every frame of the socket, so the comparison copies nothing.
        let is_known = self.panels_know.as_ref().is_some_and(|known| {
            known.state == state
                && known.version == version
                && known.server.as_ref() == server
                && known.more == *self.more
        });
        let topics = self.topics_news(glimpse);
        let message = glimpse.message();
        let trace = self.trace_news(glimpse);
        let stats = self.stats_news(glimpse);
        let subscriptions = self.subscriptions_news(glimpse.shows_subscriptions());
        let export = glimpse.export();
        let known = glimpse.ask().map(|ask| self.known(ask));
        let samples = self.samples_news(glimpse);
        let script = glimpse.script();
        let transmissions = self.transmitter.news(script);
        let is_nothing = topics.is_none() && message.is_none() && trace.is_none() && stats.is_none();
        if is_known
            && self.published.is_empty()
            && is_nothing
            && subscriptions.is_none()
            && export.is_none()
            && known.is_none()
            && samples.is_none()
            && transmissions.is_none()
        {
            return None;
        }
        let message = message.map(|glance| self.message_part(glance));
        let export = export.map(|glance| self.export_part(glance));
        let standing = BrokerStatus { state, version, server: server.cloned(), more: (*self.more).clone() };
        self.panels_know = Some(standing.clone());
        let published = std::mem::take(&mut self.published);
        self.transmitter.mark_sent(script);
        let update = PanelsUpdate {
            standing,
            published,
            topics,
            message,
            trace,
            stats,
            subscriptions,
            export,
            known,
            samples,
            transmissions,
        };
        self.mark_sent(&update);
        Some(update)
    }

    /// When [`Engine::handle_timeout`] is due. A time in the past means "as soon as the worker is idle".
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = [
            self.session.poll_timeout(),
            self.entrance_timeout(),
            self.tokens.poll_timeout().map(|at| at.ahead_by(-self.wall_ahead_us)),
            self.filter_due,
            self.transmit_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    /// Appends kept messages as NDJSON, from `from_seq` on, until about `budget_bytes` are written. Returns the number
    /// of the message to continue with, `None` at the end.
    pub fn export(&self, from_seq: u64, budget_bytes: usize, out: &mut Vec<u8>) -> Option<u64> {
        let all = ExportRequest { format: Format::Ndjson, selection: Selection::All, from_seq, end_seq: u64::MAX };
        export::write_slice(&self.log, &Query::default(), &all, budget_bytes, out).0
    }

    fn import(&mut self, messages: &[OwnedMessage]) {
        for message in messages {
            let arrival = message.as_arrival();
            let seq = self.log.import(message.seq, &arrival);
            self.count_imported(seq, &arrival);
        }
        self.feed.skip_to(self.log.next_seq());
        self.advance_filter();
        self.page_dirty = true;
    }

    fn replay(&mut self, messages: &[OwnedMessage], now: Instant) {
        for message in messages {
            let arrival = NewMessage { time: self.wall(now), ..message.as_arrival() };
            let seq = self.log.append(&arrival);
            self.count_imported(seq, &arrival);
        }
        self.page_dirty = true;
    }

    /// Records that a message didn't come from a broker.
    fn count_imported(&mut self, seq: u64, arrival: &NewMessage<'_>) {
        self.foreign.note(seq);
        match self.topics.note(seq, arrival) {
            true => self.tally.pass_over(arrival.topic),
            false => self.tally.pass_over_other(),
        }
    }

    fn connect(&mut self, more: Rc<ConnectionOptions>, saved: Option<SessionSnapshot>, now: Instant) {
        let Some(request) = self.request.clone() else { return };
        self.was_connected = false;
        self.has_failed_at_once = false;
        self.page_dirty = true;
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
        self.forget_publishes(now);
        self.persistent = self.persistent_session(&more, now);
        self.more = more;
        let saved = saved.filter(|_| self.persistent.is_some());
        self.use_password(request.password.as_ref(), now);
        self.with_credentials = request.user_name.is_some() || request.password.is_some();
        self.session.replace(options_of(&request, &self.more), self.seed, saved);
        self.connection = Connection {
            state: ConnectionState::Connecting,
            words: format!("Connecting to {} …", credentials::redact_url(&request.broker)),
            ..Connection::default()
        };
        self.abandoned.clear();
        self.asked_about = None;
        self.choices.begin(&request, &self.more);
        self.broker = request.broker;
        self.page = request.page;
        self.answer = None;
        for filter in filters {
            let wish = self.choices.for_filter(filter.as_str());
            self.subscribe(filter, wish, now);
        }
        self.note_unfinished();
        self.session.connect(now);
    }

    /// Shows a notice if messages of the resumed session are sent again.
    fn note_unfinished(&mut self) {
        match self.session.unfinished() {
            0 => {}
            1 => self.note("Resending 1 unfinished message of this session.".to_owned()),
            count => self.note(format!("Resending {count} unfinished messages of this session.")),
        }
    }

    /// Adds to the notice, which informs the person about something that isn't a failure.
    fn note(&mut self, words: String) {
        self.page_dirty = true;
        let notice = &mut self.connection.notice;
        match notice {
            Some(known) if known.contains(&words) => {}
            Some(known) if known.len() + words.len() < NOTICE_BYTES_MAX => {
                known.push(' ');
                known.push_str(&words);
            }
            _ => *notice = Some(words),
        }
    }

    /// Handles the person's decision about the message at which the broker ends each connection.
    fn answer_question(&mut self, answer: fn(&mut Session, Token, Instant), now: Instant) {
        let Some(token) = self.asked_about.take() else { return };
        self.connection.question = None;
        if self.connection.state == ConnectionState::Stopped {
            let connection = &mut self.connection;
            connection.state = ConnectionState::Connecting;
            connection.advice.clear();
            connection.evidence.clear();
            self.connection.words = format!("Connecting to {} …", self.shown_broker());
        }
        self.page_dirty = true;
        answer(&mut self.session, token, now);
    }

    fn publish(&mut self, ticket: PublishOrigin, request: PublishRequest, now: Instant) {
        let PublishRequest { topic, payload, qos, retain, properties } = request;
        let mut section = Vec::new();
        let taken =
            publish::encode_properties(&properties, &mut section).map_err(|error| error.to_string()).and_then(|()| {
                let message = Message { topic, payload, qos, retain, properties: section };
                self.session.publish(message, now).map_err(|error| error.to_string())
            });
        match taken {
            Ok(token) => self.numbers.push_back((token, ticket)),
            Err(words) => self.finish(ticket, PublishOutcome::Failed(words)),
        }
    }

    fn finish(&mut self, ticket: PublishOrigin, outcome: PublishOutcome) {
        match ticket {
            PublishOrigin::Message(number) => self.published.push(Published { number, outcome }),
            PublishOrigin::Line(deck, place) => self.transmitter.finish(deck, place, outcome),
        }
    }

    /// Another broker is chosen: ends the publishes to the last one with an unknown outcome.
    fn forget_publishes(&mut self, now: Instant) {
        for (_, ticket) in std::mem::take(&mut self.numbers) {
            if let PublishOrigin::Line(deck, place) = ticket {
                self.transmitter.rewind_to(deck, place, now);
            }
            self.finish(ticket, PublishOutcome::Unknown("reconnected before the broker acknowledged it".to_owned()));
        }
    }

    /// Stops because of invalid settings.
    fn refuse(&mut self, words: String) {
        self.tabs.release();
        self.session.disconnect(self.disconnect_mode());
        self.connection = Connection { state: ConnectionState::Stopped, words, ..Connection::default() };
    }

    fn disconnect_mode(&self) -> DisconnectMode {
        if self.persistent.is_some() { DisconnectMode::KeepSession } else { DisconnectMode::EndSession }
    }

    fn filter(&mut self, text: &str, typed: LocalTime) {
        self.page_dirty = true;
        match Query::parse(text, typed) {
            Ok(query) => {
                self.filter_error = None;
                self.set_filter(query.with_rules(&self.mapping));
            }
            // The rows don't change while the input is invalid.
            Err(error) => self.filter_error = Some(error.to_string()),
        }
    }

    /// Sets the line rules, which also decide the speakers.
    fn map(&mut self, mapping: Rc<LineRules>) {
        self.page_dirty = true;
        self.feed.map(Rc::clone(&mapping), &self.log);
        if self.matches.query().uses_speaker() {
            self.set_filter(self.matches.query().clone().with_rules(&mapping));
        }
        self.mapping = mapping;
    }

    fn set_filter(&mut self, query: Query) {
        self.filters = self.filters.wrapping_add(1);
        self.matches = Matches::new(query);
        self.filtered_to = self.log.next_seq();
        self.advance_filter();
    }

    /// Runs one slice of the filter's work; does nothing without a filter.
    fn advance_filter(&mut self) {
        let has_more = self.matches.advance(&self.log, FILTER_SLICE_MESSAGES);
        let arrived = self.log.next_seq().saturating_sub(self.filtered_to);
        self.filtered_to = self.log.next_seq();
        let due = if arrived > FLOOD_MESSAGES { self.settled_at + FILTER_REST } else { Instant::EPOCH };
        self.filter_due = has_more.then_some(due);
    }

    /// Handles the session's events after every change, and updates the page's state.
    fn settle(&mut self, now: Instant) {
        self.settled_at = now;
        self.feed.look(&self.log);
        while let Some(event) = self.session.poll_event() {
            // Outcomes are sent only to the panels, in `published`.
            self.page_dirty |= !matches!(event, Event::Published { .. });
            match event {
                Event::Dialing { version } => self.dialing(version, now),
                Event::Connected { version, fell_back, session_present, server } => {
                    if !session_present {
                        self.resubscribe();
                    }
                    self.connected(version, fell_back, *server);
                }
                Event::Subscribed { filter, granted } => self.subscribed(&filter, granted),
                Event::Lost { failure, retry_at, recurrence } => self.lost(&failure, retry_at, &recurrence, now),
                Event::Deviated { deviation, topic } => {
                    self.note(repeated_failures::tolerated(deviation, topic.as_deref()));
                }
                Event::Skipped { topic, packet_bytes } => {
                    let limit_bytes = session::Options::default().limits.packet_bytes;
                    self.note(repeated_failures::skipped(&topic, packet_bytes, limit_bytes));
                }
                Event::Unanswered { suspect } => self.note(repeated_failures::unanswered(&suspect)),
                Event::FilterAbandoned { filter, is_subscribe } => self.abandon_filter(&filter, is_subscribe),
                Event::Published { token, outcome } => self.outcome(token, outcome),
                Event::Unsubscribed { filter, refused } => self.unsubscribed(&filter, refused),
            }
        }
        self.advance_transmissions(now);
    }

    /// The broker's address without credentials, for display, files and the store.
    fn shown_broker(&self) -> String {
        credentials::redact_url(&self.broker)
    }

    fn dialing(&mut self, version: Version, now: Instant) {
        self.trace.speak(version);
        self.attempt = Attempt::new(version, now);
        if self.connection.retry_at.take().is_some() {
            self.connection.words = format!("Retrying… {}", self.connection.words);
        }
    }

    fn connected(&mut self, version: Version, fell_back: bool, server: ServerCapabilities) {
        self.tabs.hold();
        self.reconnects += u64::from(std::mem::replace(&mut self.was_connected, true));
        let went_back = if fell_back { " The broker doesn't support MQTT 5.0; using 3.1.1." } else { "" };
        self.connection = Connection {
            state: ConnectionState::Connected,
            words: format!("Connected to {} with {version}.{went_back}", self.shown_broker()),
            version: Some(version),
            subscriptions: std::mem::take(&mut self.connection.subscriptions),
            notice: self.connection.notice.take(),
            question: self.connection.question.take(),
            ..Connection::default()
        };
        self.server = Some(server);
    }

    fn outcome(&mut self, token: Token, outcome: session::DeliveryOutcome) {
        if self.asked_about == Some(token) {
            self.asked_about = None;
            self.connection.question = None;
            self.page_dirty = true;
        }
        // Messages of an earlier page have no number in this page.
        let Ok(place) = self.numbers.binary_search_by_key(&token, |&(token, _)| token) else { return };
        let Some((_, ticket)) = self.numbers.remove(place) else { return };
        let outcome = match outcome {
            session::DeliveryOutcome::Done => PublishOutcome::Done,
            session::DeliveryOutcome::Refused(reason) => {
                PublishOutcome::Failed(format!("rejected by the broker: {reason}"))
            }
            session::DeliveryOutcome::Impossible(error) => PublishOutcome::Failed(error.to_string()),
            session::DeliveryOutcome::Unknown => {
                PublishOutcome::Unknown("the broker lost the session before acknowledging it".to_owned())
            }
            session::DeliveryOutcome::EndsConnection { payload_bytes } => {
                self.pause_in_vain(ticket, true);
                return self.finish(ticket, PublishOutcome::Failed(repeated_failures::given_up(payload_bytes)));
            }
            session::DeliveryOutcome::Dropped => PublishOutcome::Failed("dropped".to_owned()),
        };
        self.pause_in_vain(ticket, false);
        self.finish(ticket, outcome);
    }

    fn lost(&mut self, failure: &Failure, retry_at: Option<Instant>, recurrence: &Recurrence, now: Instant) {
        let is_asked = recurrence.times >= RECURRENT
            && matches!(recurrence.suspect, Some(Suspect::Message { must_be_offered: true, .. }));
        // The person's answer resumes the session, so this tab keeps its claim until then.
        match retry_at {
            None if !is_asked => self.tabs.release(),
            _ => self.tabs.lose(),
        }
        let wall_now = now.ahead_by(self.wall_ahead_us);
        let case = DiagnosisInput {
            failure,
            broker: &self.shown_broker(),
            url_expired_at: credentials::url_expires_at(&self.broker).filter(|&expires_at| expires_at <= wall_now),
            has_failed_at_once: self.has_failed_at_once,
            page: self.page,
            attempt: &self.attempt,
            failed_at: now,
            with_credentials: self.with_credentials,
            complaint: self.tokens.complaint(wall_now),
            offline: self.offline,
            is_auto: self.request.as_ref().is_none_or(|request| request.version.is_none()),
            client_id: self.request.as_ref().map_or("", |request| &request.client_id),
            recurrence,
        };
        let said = repeated_failures::words(failure, recurrence);
        // The text is shown separately, as a question or a notice, because those stay when the next connection begins.
        let is_apart = recurrence.suspect.is_some() && recurrence.times >= RECURRENT;
        let is_at_once = case.is_at_once();
        let connection = &mut self.connection;
        connection.state = if retry_at.is_some() { ConnectionState::Reconnecting } else { ConnectionState::Stopped };
        connection.words = match &said {
            Some(said) if !is_apart => format!("{said} {failure}"),
            _ => failure.to_string(),
        };
        connection.advice = case.advice();
        connection.evidence = case.evidence();
        self.has_failed_at_once |= is_at_once;
        connection.version = None;
        connection.retry_at = retry_at;
        match (&recurrence.suspect, said.filter(|_| is_apart)) {
            (Some(Suspect::Message { token, must_be_offered: true, .. }), Some(said)) => {
                connection.question = Some(said);
                self.asked_about = Some(*token);
            }
            (_, Some(said)) => self.note(said),
            (_, None) => {}
        }
        self.lose_subscriptions();
    }

    fn stats(&self) -> Stats {
        Stats {
            received: self.log.received(),
            kept: self.log.kept(),
            evicted: self.log.evicted(),
            cleared: self.log.cleared(),
            matching: self.matches.len(),
            untold: self.feed.untold(),
            reconnects: self.reconnects,
            kept_bytes: self.log.kept_bytes(),
        }
    }

    /// Updates the state that rows show in addition to their messages.
    fn refresh_page_state(&mut self) {
        if self.first_message_at.is_none() {
            self.first_message_at = self.log.message(self.log.first_seq()).map(|message| message.time);
        }
        // Colours are kept after the connection ends.
        if !self.connection.subscriptions.is_empty() {
            let filters = self.connection.subscriptions.iter().map(|subscription| subscription.filter.as_str());
            self.subscribed = filters.filter_map(|filter| TopicFilter::parse(filter).ok()).collect();
        }
    }

    fn rows(&self, pull: &Pull) -> Rows {
        let mut all = Matches::new(Query::default());
        let (list, id) = match pull.listed {
            ListMode::Matching if !self.matches.query().is_empty() => (&self.matches, self.filters),
            _ => {
                // An empty query matches without looking at messages.
                let _ = all.advance(&self.log, 0);
                (&all, 0)
            }
        };
        let end_seq = pull.until.unwrap_or(u64::MAX).min(self.log.next_seq());
        let total = list.count_before(end_seq);
        let begin = list.first_rank();
        // The index fits into an i64.
        let place_at = |index: u64| begin + index as i64;
        let mut sought = None;
        let (index, count) = match pull.window {
            Window::Tail { rows } => (total, rows),
            Window::At { first, rows } => (u64::try_from(first.saturating_sub(begin)).unwrap_or(0), rows),
            Window::Around { goal, rows } => {
                let found = self.find(goal, list, end_seq);
                let index = found.map_or(total, |seq| list.count_before(seq));
                sought = Some(SeekResult { goal, found: found.map(|seq| (seq, place_at(index))) });
                (index.saturating_sub(u64::from(rows / 2)), rows)
            }
        };
        let first = index.min(total.saturating_sub(u64::from(count)));
        let message_at = |index| list.seq_at(index).and_then(|seq| self.log.message(seq));
        let rows = (first..(first + u64::from(count)).min(total))
            .filter_map(message_at)
            .map(|message| {
                let subscribed = if self.foreign.contains(message.seq) { &[][..] } else { &self.subscribed };
                row_builder::of(&message, self.matches.query(), subscribed)
            })
            .collect();
        Rows {
            list: id,
            begin,
            total,
            newer: list.len() - total,
            end_seq,
            first: place_at(first),
            rows,
            before: first.checked_sub(1).and_then(message_at).map(|message| message.time),
            zero: self.first_message_at.unwrap_or_default(),
            matches: (!self.matches.query().is_empty()).then(|| self.matches.len()),
            rank: pull.selected.and_then(|seq| self.rank(seq)),
            sought,
        }
    }

    /// The number of the message that `goal` means.
    fn find(&self, goal: SeekTarget, list: &Matches, end_seq: u64) -> Option<u64> {
        let before =
            |matches: &Matches, seq| matches.count_before(seq).checked_sub(1).and_then(|at| matches.seq_at(at));
        let after = |matches: &Matches, seq| matches.seq_at(matches.count_before(seq)).filter(|seq| *seq < end_seq);
        // If that message has been removed, the search starts at the newest.
        let before_seq = |seq: u64| if seq < self.log.first_seq() { end_seq } else { seq.min(end_seq) };
        match goal {
            SeekTarget::Message(seq) => after(list, seq).filter(|found| *found == seq),
            SeekTarget::Near(seq) => after(list, seq).or_else(|| before(list, end_seq)),
            SeekTarget::RowAfter(seq) => after(list, seq.saturating_add(1)),
            SeekTarget::RowBefore(seq) => before(list, before_seq(seq)),
            SeekTarget::MatchAfter(seq) => after(&self.matches, seq.saturating_add(1)),
            SeekTarget::MatchBefore(seq) => before(&self.matches, before_seq(seq)),
        }
    }

    /// The position of this message among the matches, from 1.
    fn rank(&self, seq: u64) -> Option<u64> {
        if self.matches.query().is_empty() {
            return None;
        }
        let index = self.matches.count_before(seq);
        (self.matches.seq_at(index) == Some(seq)).then_some(index + 1)
    }
}

fn options_of(request: &ConnectRequest, more: &ConnectionOptions) -> session::Options {
    let ConnectionOptions { keep_alive_s, clean_start, session_expiry_s, receive_maximum, .. } = *more;
    session::Options {
        version: request.version,
        client_id: request.client_id.clone(),
        user_name: request.user_name.clone(),
        password: request.password.as_ref().map(jwt_password::password_bytes),
        keep_alive_s,
        clean_start,
        session_expiry_s: session_expiry_s.unwrap_or(match request.qos {
            QoS::AtMostOnce => 0,
            _ => SESSION_EXPIRY_S,
        }),
        lasts_in_v311: session_expiry_s.is_some(),
        will: more.will.clone(),
        user_properties: more.user_properties.clone(),
        receive_maximum: receive_maximum.max(1),
        ..session::Options::default()
    }
}

/// The origin of a publish.
#[derive(Clone, Copy, Debug)]
enum PublishOrigin {
    /// The panels, with their number for it.
    Message(u64),
    /// A line of a transmission, with its index.
    Line(TransmissionSlot, u64),
}

/// Receives messages: borrowed from the frame and copied once, into the log.
struct EngineSink<'a> {
    log: &'a mut MessageLog,
    topics: &'a mut Topics,
    tally: &'a mut Tally,
    trace: &'a mut Trace,
    page_dirty: &'a mut bool,
    wall_ahead_us: i64,
}

impl MessageSink for EngineSink<'_> {
    #[inline(always)]
    fn message(&mut self, message: &Publish<'_>, now: Instant) {
        let arrival = NewMessage::of(message, now.ahead_by(self.wall_ahead_us));
        let seq = self.log.append(&arrival);
        self.topics.note(seq, &arrival);
        self.tally.note(message.properties);
        self.trace.brought(seq);
        *self.page_dirty = true;
    }

    #[inline]
    fn packet(&mut self, packet: &[u8], now: Instant) {
        self.trace.received(packet, now.ahead_by(self.wall_ahead_us));
    }

    fn deviated(&mut self, deviation: Deviation) {
        self.trace.deviated(deviation);
    }
}
