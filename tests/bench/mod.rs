//! A session with a virtual clock, and what it sends and delivers.
//!
//! Shared by the tests with a scripted server. The client's packets are compared with bytes written by hand from the
//! standard, so that a codec bug can't hide itself.
#![allow(dead_code, reason = "each test program uses a part of it")]

use mqtt_crawl::mqtt::error::{CloseInfo, Failure};
use mqtt_crawl::mqtt::packet::{Publish, QoS, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{Event, MessageSink, Token, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;

/// A CONNACK of 5.0 without properties, and one of 3.1.1.
pub const CONNACK_V5: &str = "2003000000";
pub const CONNACK_V311: &str = "20020000";

/// A session, its virtual clock, and the delivered messages.
pub struct Bench {
    pub session: Session,
    pub now: Instant,
    pub delivered: Delivered,
}

#[derive(Default)]
pub struct Delivered(pub Vec<String>);

impl MessageSink for Delivered {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        self.0.push(format!("{} {}", message.topic, String::from_utf8_lossy(message.payload)));
    }
}

impl Bench {
    pub fn new(options: Options) -> Self {
        let session = Session::new(options, 7);
        Self { session, now: Instant::from_millis(1_000), delivered: Delivered::default() }
    }

    /// Returns a connected session whose actions and events are drained.
    pub fn online(options: Options) -> Self {
        let answer = if options.version == Some(Version::V311) { CONNACK_V311 } else { CONNACK_V5 };
        let mut bench = Self::new(options);
        bench.session.connect(bench.now);
        bench.actions();
        bench.session.handle_open(bench.now);
        bench.serve(answer);
        // A persistent 3.1.1 session first deletes the state of an earlier run.
        if bench.actions().last().is_some_and(|action| action == "dial") {
            bench.session.handle_open(bench.now);
            bench.serve(answer);
            bench.actions();
        }
        assert!(matches!(bench.events()[..], [Event::Connected { .. }]));
        bench
    }

    /// Passes in bytes from the server, in hex.
    pub fn serve(&mut self, hex: &str) {
        self.session.handle_input(&unhex(hex), self.now, &mut self.delivered);
    }

    /// Closes the transport; the next attempt reaches a server with this answer.
    pub fn reconnect(&mut self, answer: &str) {
        self.session.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, self.now);
        self.wait_for_timeout();
        self.session.handle_open(self.now);
        self.actions();
        self.serve(answer);
    }

    pub fn wait_for_timeout(&mut self) {
        self.now = self.session.poll_timeout().expect("a deadline");
        self.session.handle_timeout(self.now);
    }

    pub fn actions(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        while let Some(transmit) = self.session.poll_transmit() {
            actions.push(match transmit {
                Transmit::Dial => "dial".to_owned(),
                Transmit::Send(bytes) => hex(bytes),
                Transmit::HangUp => "hang up".to_owned(),
            });
        }
        actions
    }

    pub fn events(&mut self) -> Vec<Event> {
        let events = std::iter::from_fn(|| self.session.poll_event());
        // The "dial" action shows that an attempt begins.
        events.filter(|event| !matches!(event, Event::Dialing { .. })).collect()
    }

    /// Returns the reason of the disconnect, and whether a retry is scheduled.
    pub fn failure(&mut self) -> (Failure, bool) {
        match &self.events()[..] {
            [.., Event::Disconnected { failure, retry_at, .. }] => (failure.as_ref().clone(), retry_at.is_some()),
            other => panic!("not disconnected: {other:?}"),
        }
    }

    pub fn publish(&mut self, qos: QoS, payload: &str) -> Token {
        let message = Message { topic: "t".to_owned(), payload: payload.into(), qos, ..Message::default() };
        self.session.publish(message, self.now).expect("accepted")
    }

    pub fn subscribe(&mut self, filter: &str, qos: QoS) {
        let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
        let filter = TopicFilter::parse(filter).expect("a filter");
        self.session.subscribe(Subscription { filter, options, identifier: None }, self.now);
    }
}

pub fn v5() -> Options {
    Options { client_id: "c".to_owned(), version: Some(Version::V5), ..Options::default() }
}

pub fn v311() -> Options {
    Options { version: Some(Version::V311), keep_session_in_v311: true, ..v5() }
}

pub fn auto() -> Options {
    Options { version: None, ..v5() }
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
