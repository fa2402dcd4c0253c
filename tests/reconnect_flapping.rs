//! 24 hours of a network that fails and recovers, in virtual time.

use std::time::Duration;

use allocation_counter::measure;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{Publish, QoS, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::reconnect::{FIRST_WAIT_MAX, STABLE_AFTER, WAIT_MAX};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{Event, MessageSink, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The memory that may be gained from the second hour on: no growing structure.
const SLACK_BYTES: i64 = 4_096;

struct NullSink;

impl MessageSink for NullSink {
    fn on_message(&mut self, _message: &Publish<'_>, _now: Instant) {}
}

struct Network {
    session: Session,
    now: Instant,
    random: u64,
    attempts: u64,
    connections: u64,
    /// The number of failures since the last connection that lasted.
    failures: u32,
    online_since: Option<Instant>,
    /// The server's pending answers.
    answers: Vec<u8>,
}

impl Network {
    fn new() -> Self {
        let options = Options {
            version: Some(Version::V5),
            client_id: "c".to_owned(),
            session_expiry_s: 3_600,
            ..Options::default()
        };
        let mut session = Session::new(options, 5);
        let now = Instant::from_millis(1_000);
        let filter = TopicFilter::parse("a/#").expect("a filter");
        let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
        session.subscribe(Subscription { filter, options, identifier: None }, now);
        session.connect(now);
        Self {
            session,
            now,
            random: 9,
            attempts: 0,
            connections: 0,
            failures: 0,
            online_since: None,
            answers: Vec::new(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    /// Runs one attempt and its result.
    fn attempt(&mut self) {
        self.drain();
        match self.below(4) {
            // No server.
            0 => self.session.handle_close(CloseInfo::default(), self.now),
            // No answer.
            1 => self.time_out(),
            fate => {
                self.session.handle_open(self.now);
                let present = u8::from(self.connections > 0 && fate == 2);
                self.input(&[0x20, 3, present, 0, 0]);
                self.connections += 1;
                self.online_since = Some(self.now);
                self.stay_online();
            }
        }
        self.drain();
    }

    /// Online for up to two minutes, with some traffic.
    fn stay_online(&mut self) {
        for _ in 0..self.below(5) {
            let payload = vec![b'x'; 40];
            let qos = QoS::from_u8(self.below(3) as u8).unwrap_or_default();
            let message = Message { topic: "t".to_owned(), payload, qos, ..Message::default() };
            self.session.publish(message, self.now).expect("there is room");
            let id = 1 + self.below(60) as u8;
            self.input(&[0x34, 6, 0, 1, b'a', 0, id, 0]);
            self.input(&[0x62, 2, 0, id]);
            self.drain();
            self.now = self.now + Duration::from_secs(self.below(30));
            self.session.handle_timeout(self.now);
        }
        // The server eventually sends all its answers, except on connections that are cut.
        while self.below(8) > 0 && !self.answers.is_empty() {
            let answers = std::mem::take(&mut self.answers);
            self.input(&answers);
            self.drain();
        }
        self.answers.clear();
        self.session.handle_close(CloseInfo { code: Some(1006), reason: "gone".to_owned() }, self.now);
    }

    fn input(&mut self, bytes: &[u8]) {
        // In two pieces, so that there is a rest to be kept.
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.session.handle_input(first, self.now, &mut NullSink);
        self.session.handle_input(second, self.now, &mut NullSink);
    }

    fn time_out(&mut self) {
        let due = self.session.poll_timeout().expect("a deadline");
        assert!(due >= self.now, "a deadline that has passed");
        self.now = due;
        self.session.handle_timeout(self.now);
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Dial => self.attempts += 1,
                Transmit::Send(bytes) => answer(bytes, &mut self.answers),
                Transmit::HangUp => {}
            }
        }
        while let Some(event) = self.session.poll_event() {
            let Event::Disconnected { retry_at, .. } = event else { continue };
            if self.online_since.take().is_some_and(|since| self.now.since(since) >= STABLE_AFTER) {
                self.failures = 0;
            }
            let ceiling = (FIRST_WAIT_MAX * (1 << self.failures.min(6))).min(WAIT_MAX);
            let wait = retry_at.expect("a retry after a lost network").since(self.now);
            assert!(wait <= ceiling, "{wait:?} after {} failures", self.failures);
            self.failures += 1;
        }
    }

    fn run_until(&mut self, end: Instant) {
        while self.now < end {
            self.attempt();
            self.time_out();
        }
    }
}

/// Returns a server's answers to complete packets, each shorter than 128 bytes.
fn answer(mut packets: &[u8], answers: &mut Vec<u8>) {
    while let [first, length, rest @ ..] = packets {
        let (body, next) = rest.split_at(usize::from(*length));
        packets = next;
        match first & 0xF6 {
            // The topic has one byte.
            0x32 => answers.extend([0x40, 2, body[3], body[4]]),
            0x34 => answers.extend([0x50, 2, body[3], body[4]]),
            0x62 => answers.extend([0x70, 2, body[0], body[1]]),
            0x82 => answers.extend([0x90, 4, body[0], body[1], 0, 2]),
            _ => {}
        }
    }
}

#[test]
fn day_of_a_flapping_network_leaks_nothing() {
    let mut network = Network::new();
    let began = network.now;
    network.run_until(began + Duration::from_secs(3_600));
    let used = measure(|| network.run_until(began + DAY));
    assert!(used.bytes_current.abs() <= SLACK_BYTES, "{} bytes were kept", used.bytes_current);
    assert!(used.bytes_max < 64 * 1_024, "{} bytes at most", used.bytes_max);
    // Waits are up to a minute, so there are many hundreds of attempts; with full jitter fewer than one every two
    // seconds.
    assert!((1_000..43_200).contains(&network.attempts), "{} attempts", network.attempts);
    assert!(network.connections > 300, "{} connections", network.connections);
}
