//! Runs codec and session with a fuzzer's bytes, and checks the invariants. Shared by the fuzz target and by
//! `tests/fuzz_corpus.rs`, which replays the stored inputs without a fuzzer.
//!
//! The first byte selects the settings. Steps follow: a byte that selects the step (by its remainder, so that every
//! byte is valid), and its arguments.

use std::collections::HashSet;
use std::time::Duration;

use mqtt_crawl::mqtt::codec::decode::decode;
use mqtt_crawl::mqtt::codec::frame::frame;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::error::{CloseInfo, Failure, Violation};
use mqtt_crawl::mqtt::packet::{Publish, QoS, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DisconnectMode, Event, MessageSink, Token, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;

/// The number of steps.
pub const STEPS: u8 = 12;
/// The step "these bytes arrive": a length byte and the bytes follow.
pub const SERVE: u8 = 0;
/// The step "the transport opens".
pub const OPEN: u8 = 1;
/// The step "CONNACK accepts": one argument, odd for session present.
pub const ACCEPT: u8 = 2;
/// The step "publish": one argument, its QoS and length.
pub const PUBLISH: u8 = 3;

const PACKET_BYTES: u32 = 512;
const SEED: u64 = 11;

/// Runs one input.
///
/// # Panics
/// Panics if an invariant is violated.
pub fn run(data: &[u8]) {
    let Some((&settings, mut script)) = data.split_first() else { return };
    let mut pair = Pair::new(settings);
    pair.step(Session::connect);
    while let Some((&step, rest)) = script.split_first() {
        script = rest;
        let mut argument = || {
            let (&first, rest) = script.split_first().unwrap_or((&0, &[]));
            script = rest;
            first
        };
        match step % STEPS {
            SERVE => {
                let length = usize::from(argument()).min(script.len());
                let (bytes, rest) = script.split_at(length);
                script = rest;
                check_codec(bytes);
                pair.serve(bytes);
            }
            OPEN => pair.step(Session::handle_open),
            ACCEPT => {
                let present = argument() & 1;
                if pair.version == Version::V5 {
                    pair.serve(&[0x20, 3, present, 0, 0]);
                } else {
                    pair.serve(&[0x20, 2, present, 0]);
                }
            }
            PUBLISH => {
                let argument = argument();
                let message = Message {
                    topic: ["t", "u", "t/v"][usize::from(argument) / 4 % 3].to_owned(),
                    payload: vec![b'x'; usize::from(argument / 16)],
                    qos: QoS::from_u8(argument % 3).unwrap_or_default(),
                    retain: argument & 8 != 0,
                    ..Message::default()
                };
                pair.publish(&message);
            }
            4 => {
                pair.has_transport = false;
                pair.step(|session, now| session.handle_close(CloseInfo::default(), now));
            }
            5 => pair.wait_for_timeout(),
            6 => pair.now = pair.now + Duration::from_millis(u64::from(argument()) * 250),
            7 => {
                let subscription = Subscription {
                    filter: filter(argument()),
                    options: SubscriptionOptions::default(),
                    identifier: None,
                };
                pair.step(|session, now| session.subscribe(subscription.clone(), now));
            }
            8 => {
                let filter = filter(argument());
                pair.step(|session, now| session.unsubscribe(&filter, now));
            }
            9 => {
                let mode = if argument() & 1 == 0 { DisconnectMode::EndSession } else { DisconnectMode::KeepSession };
                pair.step(|session, _| session.disconnect(mode));
            }
            10 => pair.step(Session::connect),
            _ => pair.restart(),
        }
    }
}

fn filter(argument: u8) -> TopicFilter {
    let text = ["a", "a/#", "+/b", "$share/g/a"][usize::from(argument % 4)];
    TopicFilter::parse(text).expect("a filter")
}

/// Checks that a complete packet is decoded or refused independent of the following bytes, and that an incomplete one
/// needs more bytes at every length.
fn check_codec(bytes: &[u8]) {
    let limits = limits();
    match frame(bytes, &limits) {
        Ok(None) => {
            for end in 0..bytes.len() {
                assert_eq!(frame(&bytes[..end], &limits), Ok(None), "a prefix of an incomplete packet");
            }
        }
        Ok(Some(length)) => {
            assert!((2..=bytes.len()).contains(&length) && length <= PACKET_BYTES as usize);
            let packet = &bytes[..length];
            assert_eq!(frame(packet, &limits), Ok(Some(length)));
            assert_eq!(frame(&packet[..length - 1], &limits), Ok(None));
            for version in [Version::V311, Version::V5] {
                if let Err(violation) = decode(packet, version, &limits) {
                    check_violation(&violation);
                    assert_eq!(violation.excerpt, packet[..length.min(Violation::EXCERPT_BYTES)]);
                }
            }
        }
        Err(violation) => check_violation(&violation),
    }
}

fn check_violation(violation: &Violation) {
    assert!(violation.reason.is_error() && !violation.rule.is_empty() && !violation.message.is_empty());
    assert!(!violation.excerpt.is_empty() && violation.excerpt.len() <= Violation::EXCERPT_BYTES);
}

fn limits() -> Limits {
    Limits { packet_bytes: PACKET_BYTES, ..Limits::default() }
}

/// Two sessions with the same events. One gets its input at once, the other byte by byte.
struct Pair {
    whole: Session,
    bytewise: Session,
    options: Options,
    version: Version,
    now: Instant,
    unfinished: HashSet<Token>,
    has_transport: bool,
}

/// The output of a session after one step.
#[derive(Debug, Default, PartialEq)]
struct Output {
    transmits: Vec<Action>,
    events: Vec<Event>,
    messages: Vec<(String, Vec<u8>, QoS)>,
}

#[derive(Debug, PartialEq)]
enum Action {
    Dial,
    Sent(Vec<u8>),
    HungUp,
}

impl MessageSink for Output {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        assert!(!message.topic.is_empty(), "an alias was resolved");
        assert!(message.topic.len() + message.payload.len() <= PACKET_BYTES as usize);
        self.messages.push((message.topic.to_owned(), message.payload.to_vec(), message.qos));
    }
}

impl Pair {
    fn new(settings: u8) -> Self {
        let options = Options {
            version: [None, Some(Version::V5), Some(Version::V311), Some(Version::V5)][usize::from(settings % 4)],
            client_id: "fuzz".to_owned(),
            session_expiry_s: if settings & 4 == 0 { 0 } else { 60 },
            keep_session_in_v311: settings & 8 != 0,
            clean_start: settings & 16 == 0,
            receive_maximum: if settings & 32 == 0 { 2 } else { 1_024 },
            keep_alive_s: if settings & 64 == 0 { 30 } else { 1 },
            queue_messages: 8,
            limits: limits(),
            ..Options::default()
        };
        Self {
            whole: Session::new(options.clone(), SEED),
            bytewise: Session::new(options.clone(), SEED),
            version: options.version.unwrap_or(Version::V5),
            options,
            now: Instant::from_millis(1_000),
            unfinished: HashSet::new(),
            has_transport: false,
        }
    }

    fn step(&mut self, action: impl Fn(&mut Session, Instant)) {
        action(&mut self.whole, self.now);
        action(&mut self.bytewise, self.now);
        self.compare(Output::default(), Output::default());
    }

    fn serve(&mut self, bytes: &[u8]) {
        // An empty frame has no bytes to split, and it counts as activity.
        if bytes.is_empty() {
            return;
        }
        let (mut whole, mut bytewise) = (Output::default(), Output::default());
        self.whole.handle_input(bytes, self.now, &mut whole);
        for byte in bytes.chunks(1) {
            self.bytewise.handle_input(byte, self.now, &mut bytewise);
        }
        assert!(whole.messages.len() <= bytes.len());
        self.compare(whole, bytewise);
    }

    fn publish(&mut self, message: &Message) {
        let token = self.whole.publish(message.clone(), self.now);
        assert_eq!(token, self.bytewise.publish(message.clone(), self.now));
        if let Ok(token) = token {
            assert!(self.unfinished.insert(token), "a token is used once");
        }
        self.compare(Output::default(), Output::default());
    }

    /// Checks that a deadline that is handled isn't due again at the same moment endlessly.
    fn wait_for_timeout(&mut self) {
        let Some(deadline) = self.whole.poll_timeout() else { return };
        self.now = self.now.max(deadline);
        for _ in 0..4 {
            self.step(Session::handle_timeout);
            if self.whole.poll_timeout().is_none_or(|deadline| deadline > self.now) {
                return;
            }
        }
        panic!("the timer spins at {:?}", self.now);
    }

    /// Ends the program; the next one resumes the session.
    fn restart(&mut self) {
        let saved = self.whole.snapshot();
        assert_eq!(saved, self.bytewise.snapshot());
        let (whole, tokens) = Session::restore(self.options.clone(), SEED, saved.clone());
        assert_eq!(whole.snapshot(), saved, "the restored state differs from the saved one");
        self.bytewise = Session::restore(self.options.clone(), SEED, saved).0;
        self.whole = whole;
        self.unfinished = tokens.into_iter().collect();
        self.has_transport = false;
        self.step(Session::connect);
    }

    fn compare(&mut self, mut whole: Output, mut bytewise: Output) {
        drain(&mut self.whole, &mut whole);
        drain(&mut self.bytewise, &mut bytewise);
        assert_eq!(whole, bytewise, "the division of the input must make no difference");
        assert_eq!(self.whole.poll_timeout(), self.bytewise.poll_timeout());
        for transmit in &whole.transmits {
            match transmit {
                Action::Dial => assert!(!std::mem::replace(&mut self.has_transport, true), "one transport at a time"),
                Action::HungUp => assert!(std::mem::take(&mut self.has_transport), "nothing to close"),
                Action::Sent(bytes) => check_sent(bytes),
            }
        }
        let mut losses = 0;
        for event in whole.events {
            match event {
                Event::Dialing { version } => self.version = version,
                Event::Published { token, .. } => assert!(self.unfinished.remove(&token), "one outcome each"),
                Event::Disconnected { failure, retry_at, .. } => {
                    losses += 1;
                    assert!(!failure.to_string().is_empty());
                    assert!(retry_at.is_none_or(|at| at >= self.now && at <= self.now + Duration::from_secs(300)));
                }
                _ => {}
            }
        }
        assert!(losses <= 1, "a connection is lost only once");
        assert_eq!(
            self.whole.unfinished_publishes(),
            self.unfinished.len(),
            "publishes without an outcome are in flight"
        );
    }
}

fn drain(session: &mut Session, output: &mut Output) {
    while let Some(transmit) = session.poll_transmit() {
        output.transmits.push(match transmit {
            Transmit::Dial => Action::Dial,
            Transmit::Send(bytes) => Action::Sent(bytes.to_vec()),
            Transmit::HangUp => Action::HungUp,
        });
    }
    while let Some(mut event) = session.poll_event() {
        if let Event::Disconnected { failure, .. } = &mut event
            && let Failure::Violation(violation) = failure.as_mut()
        {
            check_violation(violation);
            // The excerpt has only the received part of the packet.
            violation.excerpt.truncate(1);
        }
        output.events.push(event);
    }
}

/// Checks that these are complete packets that a client may send.
fn check_sent(mut bytes: &[u8]) {
    while let Some(&first) = bytes.first() {
        assert!(
            matches!(first, 0x10 | 0x30..=0x3F | 0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xA2 | 0xC0 | 0xE0),
            "{bytes:x?}"
        );
        let mut length = 0;
        let mut at = 1;
        loop {
            length |= usize::from(bytes[at] & 0x7F) << (7 * (at - 1));
            at += 1;
            if bytes[at - 1] & 0x80 == 0 {
                break;
            }
        }
        bytes = &bytes[at + length..];
    }
}
