//! The engine and a misbehaving broker in virtual time.

use std::time::Duration;

use mqtt_crawl::engine::{Engine, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::protocol::command::{Command, PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::protocol::connection::Connection;
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions};
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::publish::Published;
use mqtt_crawl::protocol::rows::{Pull, Window};
use mqtt_crawl::time::Instant;

use crate::broker::{Act, Broker, Mode};

/// How the page connects.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub version: Option<Version>,
    pub topics: Vec<String>,
    pub qos: QoS,
    /// The session outlives the connection.
    pub is_kept: bool,
}

impl ConnectOptions {
    pub fn new(version: Option<Version>) -> Self {
        Self { version, topics: vec!["#".to_owned()], qos: QoS::AtMostOnce, is_kept: false }
    }
}

pub fn request(options: &ConnectOptions) -> ConnectRequest {
    ConnectRequest {
        broker: "ws://broker.test:1/mqtt".to_owned(),
        topics: options.topics.clone(),
        qos: options.qos,
        version: options.version,
        client_id: "crawl-1".to_owned(),
        user_name: None,
        password: None,
        page: PageOrigin::default(),
    }
}

pub struct Sim {
    pub engine: Engine,
    pub broker: Broker,
    pub now: Instant,
    /// The start of each attempt.
    pub dials: Vec<Instant>,
    is_open: bool,
    closes_at: Option<Instant>,
    /// Whether nothing arrives or is sent any more, without a close.
    pub is_black_hole: bool,
    /// Every state of the connection that was shown.
    pub shown: Vec<Connection>,
    pub published: Vec<Published>,
}

impl Sim {
    pub fn connect(mode: Mode, options: &ConnectOptions) -> Self {
        let mut sim = Self {
            engine: Engine::new(3, Limits::default()),
            broker: Broker::new(mode),
            now: Instant::from_millis(1_000_000_000),
            dials: Vec::new(),
            is_open: false,
            closes_at: None,
            is_black_hole: false,
            shown: Vec::new(),
            published: Vec::new(),
        };
        sim.engine.use_store();
        let connection_options = match options.is_kept {
            true => {
                ConnectionOptions { session_expiry_s: Some(3_600), clean_start: false, ..ConnectionOptions::default() }
            }
            false => ConnectionOptions::default(),
        };
        sim.command(PageCommand::SetConnectionOptions(Box::new(connection_options)));
        sim.command(PageCommand::Connect(request(options)));
        sim
    }

    pub fn command(&mut self, command: impl Into<Command>) {
        self.engine.handle_command(command, self.now);
        self.serve();
    }

    pub fn publish(&mut self, number: u64, topic: &str, payload: Vec<u8>, qos: QoS) {
        let request = PublishRequest { topic: topic.to_owned(), payload, qos, ..PublishRequest::default() };
        self.command(PanelCommand::Publish { number, request });
    }

    /// Runs for this duration.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            let due = [self.engine.poll_timeout(), self.closes_at].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            if self.closes_at.is_some_and(|at| at <= self.now) {
                self.close();
            }
            self.engine.handle_timeout(self.now);
            self.serve();
        }
        panic!("it doesn't settle: {:?}", self.shown.last());
    }

    fn close(&mut self) {
        (self.is_open, self.closes_at) = (false, None);
        self.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, self.now);
    }

    fn serve(&mut self) {
        loop {
            self.store();
            let mut acts = Vec::new();
            let mut has_dialled = false;
            while let Some(transmit) = self.engine.poll_transmit() {
                match transmit {
                    Transmit::Dial { .. } => has_dialled = true,
                    Transmit::Send(_) if self.is_black_hole => {}
                    Transmit::Send(bytes) => acts.extend(self.broker.handle_input(bytes)),
                    Transmit::HangUp => {
                        (self.is_open, self.closes_at) = (false, None);
                        acts.clear();
                    }
                }
            }
            self.update_views();
            if has_dialled {
                self.dials.push(self.now);
                self.now = self.now + Duration::from_millis(20);
                (self.is_open, self.closes_at) = (true, None);
                self.broker.handle_open();
                self.engine.handle_open(self.now);
            } else if acts.is_empty() {
                return;
            }
            for act in acts {
                self.act(act);
            }
        }
    }

    fn act(&mut self, act: Act) {
        if !self.is_open {
            return;
        }
        match act {
            // In parts, as from a network.
            Act::Send(bytes) => bytes.chunks(1 << 20).for_each(|part| self.engine.handle_input(part, self.now)),
            Act::SendText => self.engine.handle_text_frame(self.now),
            Act::Close => self.close(),
            Act::CloseLater(ms) => self.closes_at = Some(self.now + Duration::from_millis(ms)),
        }
        self.update_views();
    }

    /// Runs the store, which saves everything and is empty at the beginning.
    fn store(&mut self) {
        if let Some(key) = self.engine.poll_load() {
            self.engine.handle_loaded(&key, Ok(None), self.now);
        }
        while self.engine.poll_save(self.now).is_some() {
            self.engine.handle_saved(Ok(()));
        }
    }

    /// Records the updates for the page and its panels.
    fn update_views(&mut self) {
        self.store();
        let pull = Pull { window: Window::Tail { rows: 5 }, ..Pull::default() };
        self.engine.handle_command(PageCommand::Pull(pull), self.now);
        if let Some(update) = self.engine.poll_update()
            && self.shown.last() != Some(&update.connection)
        {
            self.shown.push(update.connection);
        }
        self.engine.handle_command(PanelCommand::Pull(PanelsRequest::default()), self.now);
        if let Some(update) = self.engine.poll_panels() {
            self.published.extend(update.published);
        }
    }

    /// Returns when the newest message arrived.
    pub fn last_time(&mut self) -> Instant {
        let pull = Pull { window: Window::Tail { rows: 1 }, ..Pull::default() };
        self.engine.handle_command(PageCommand::Filter { text: String::new(), ahead_of_utc_min: 0 }, self.now);
        self.engine.handle_command(PageCommand::Pull(pull), self.now);
        let update = self.engine.poll_update().expect("something new");
        update.rows.rows.last().expect("a message").time
    }

    pub fn connection(&self) -> &Connection {
        self.shown.last().expect("something is shown")
    }

    /// Returns all texts so far: state, notice, advice, question, answers to subscriptions.
    pub fn shown_text(&self) -> String {
        let mut text = String::new();
        for connection in &self.shown {
            text.push_str(&connection.message);
            for part in [&connection.notice, &connection.question].into_iter().flatten() {
                text.push('\n');
                text.push_str(part);
            }
            for advice in &connection.advice {
                text.push('\n');
                text.push_str(&advice.text);
            }
            text.push('\n');
        }
        text
    }
}
