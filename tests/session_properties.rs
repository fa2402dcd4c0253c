//! Any bytes in any phase, and random runs of a session with a broker that loses connections.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use allocation_counter::measure;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::error::{CloseInfo, Failure};
use mqtt_crawl::mqtt::packet::{Publish, QoS, Version};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, Event, MessageSink, Token, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options};
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

struct NullSink;

impl MessageSink for NullSink {
    fn on_message(&mut self, _message: &Publish<'_>, _now: Instant) {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_is_bounded_for_any_bytes(
        version in prop_oneof![Just(None), Just(Some(Version::V311)), Just(Some(Version::V5))],
        phase in 0..4_u8,
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        first in prop_oneof![Just(0x30_u8), Just(0x32), Just(0x34), Just(0x20), Just(0x90), any::<u8>()],
        chunk in 1..100_usize,
    ) {
        let limits = Limits { packet_bytes: 65_536, ..Limits::default() };
        let mut session = Session::new(Options { version, limits, ..Options::default() }, 1);
        let now = Instant::from_millis(1_000);
        if phase > 0 {
            session.connect(now);
        }
        if phase > 1 {
            session.handle_open(now);
        }
        if phase > 2 {
            let yes: &[u8] = if version == Some(Version::V311) { &[0x20, 2, 0, 0] } else { &[0x20, 3, 0, 0, 0] };
            session.handle_input(yes, now, &mut NullSink);
        }
        let mut input = vec![first];
        input.extend(&bytes);
        let used = measure(|| {
            for part in input.chunks(chunk) {
                session.handle_input(part, now, &mut NullSink);
            }
        });
        // A buffer that doubles has up to four times its content while it is moved; topics, answers and the text of a
        // violation are the rest.
        let most = 4_096 + 8 * input.len() as u64;
        prop_assert!(used.bytes_max <= most, "{} bytes for {}", used.bytes_max, input.len());
    }

    #[test]
    fn no_publish_is_lost_or_duplicated(script in prop::collection::vec(any::<(u8, u8)>(), 1..120), quota in 1..5_u16) {
        PublishRun::new(quota).run(&script);
    }

    #[test]
    fn no_message_is_lost_or_duplicated(
        script in prop::collection::vec(any::<(u8, u8)>(), 1..200),
        version in prop_oneof![Just(Version::V311), Just(Version::V5)],
    ) {
        ReceiveRun::new(version).run(&script);
    }
}

#[test]
fn large_packet_in_parts_leaves_no_large_buffer() {
    let mut session = Session::new(Options { version: Some(Version::V5), ..Options::default() }, 1);
    let now = Instant::from_millis(1_000);
    session.connect(now);
    session.handle_open(now);
    session.handle_input(&[0x20, 3, 0, 0, 0], now, &mut NullSink);
    // One mebibyte after four bytes of header: topic "t", no properties.
    let mut publish = vec![0x30, 0x80, 0x80, 0x40, 0x00, 0x01, b't', 0x00];
    publish.resize(4 + 1_048_576, b'x');
    let used = measure(|| {
        for part in publish.chunks(10_000) {
            session.handle_input(part, now, &mut NullSink);
        }
        // The messages in flight are kept, however small the buffer is.
        session.handle_input(&[0x30, 0x04, 0x00], now, &mut NullSink);
    });
    assert!(used.bytes_current < 100_000, "{} bytes are held for three", used.bytes_current);
    // Doubling moves twice the packet in total; a buffer that is resized to fit moves it once per part.
    assert!(used.bytes_total < 8 * 1_048_576, "{} bytes were allocated for one mebibyte", used.bytes_total);
}

/// A session and its broker. The broker keeps the session, and every connection can end between any two packets.
struct PublishRun {
    session: Session,
    now: Instant,
    quota: u16,
    /// Bytes to the broker, in complete packets, and to the session.
    to_broker: Vec<Vec<u8>>,
    to_session: Vec<Vec<u8>>,
    is_open: bool,
    has_session: bool,
    /// Publishes on this connection without their last answer.
    unanswered: HashSet<u16>,
    /// Packet identifiers of QoS 2 messages that the broker has and hasn't released.
    recorded: HashSet<u16>,
    /// The number of arrivals of each payload at the broker.
    arrived: HashMap<u8, u32>,
    expected: HashMap<Token, (u8, QoS)>,
    outcomes: HashMap<Token, DeliveryOutcome>,
}

impl PublishRun {
    fn new(quota: u16) -> Self {
        let options = Options {
            version: Some(Version::V5),
            client_id: "c".to_owned(),
            session_expiry_s: 3_600,
            ..Options::default()
        };
        let mut run = Self {
            session: Session::new(options, 3),
            now: Instant::from_millis(1_000),
            quota,
            to_broker: Vec::new(),
            to_session: Vec::new(),
            is_open: false,
            has_session: false,
            unanswered: HashSet::new(),
            recorded: HashSet::new(),
            arrived: HashMap::new(),
            expected: HashMap::new(),
            outcomes: HashMap::new(),
        };
        run.session.connect(run.now);
        run
    }

    fn run(mut self, script: &[(u8, u8)]) {
        for (number, &(action, argument)) in script.iter().enumerate() {
            match action % 8 {
                0..=2 => self.publish(number as u8, argument),
                3 | 4 => self.serve_one(),
                5 => self.deliver_one(),
                6 if argument % 2 == 0 => self.lose_connection(),
                _ => self.advance_clock(),
            }
            self.drain();
        }
        // A working network finishes everything.
        for _ in 0..10_000 {
            if self.session.unfinished_publishes() == 0 && self.is_open {
                break;
            }
            if !self.is_open {
                self.advance_clock();
            }
            self.serve_one();
            self.deliver_one();
            self.drain();
        }
        assert_eq!(self.session.unfinished_publishes(), 0);
        for (token, (payload, qos)) in &self.expected {
            assert_eq!(self.outcomes.get(token), Some(&DeliveryOutcome::Done), "QoS {qos}");
            let times = self.arrived.get(payload).copied().unwrap_or_default();
            match qos {
                QoS::AtMostOnce => assert!(times <= 1),
                QoS::AtLeastOnce => assert!(times >= 1, "QoS 1 was lost"),
                QoS::ExactlyOnce => assert_eq!(times, 1, "QoS 2, exactly once"),
            }
        }
    }

    fn publish(&mut self, payload: u8, argument: u8) {
        let qos = QoS::from_u8(argument % 3).unwrap_or_default();
        let message = Message { topic: "t".to_owned(), payload: vec![payload], qos, ..Message::default() };
        let token = self.session.publish(message, self.now).expect("there is room");
        assert!(self.expected.insert(token, (payload, qos)).is_none(), "a token is used once");
    }

    fn lose_connection(&mut self) {
        if self.is_open {
            self.session.handle_close(CloseInfo::default(), self.now);
            self.forget_connection();
        }
    }

    fn forget_connection(&mut self) {
        self.is_open = false;
        self.to_broker.clear();
        self.to_session.clear();
        self.unanswered.clear();
    }

    /// Handles the deadline; whatever the session then does, it must not be due at the same moment endlessly.
    fn advance_clock(&mut self) {
        for _ in 0..4 {
            let Some(due) = self.session.poll_timeout() else { return };
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain();
            if self.session.poll_timeout().is_none_or(|due| due > self.now) {
                return;
            }
        }
        panic!("the timer spins");
    }

    fn drain(&mut self) {
        let (mut dialled, mut hung_up) = (false, false);
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Dial => dialled = true,
                Transmit::Send(mut bytes) => {
                    while let [_, length, ..] = bytes {
                        let (packet, rest) = bytes.split_at(2 + usize::from(*length));
                        self.to_broker.push(packet.to_vec());
                        bytes = rest;
                    }
                }
                Transmit::HangUp => {
                    hung_up = true;
                    self.to_broker.clear();
                }
            }
        }
        while let Some(event) = self.session.poll_event() {
            if let Event::Published { token, outcome } = event {
                assert!(self.outcomes.insert(token, outcome).is_none(), "one outcome each");
            }
        }
        if hung_up {
            self.forget_connection();
        }
        if dialled {
            self.now = self.now + Duration::from_millis(20);
            self.session.handle_open(self.now);
            self.is_open = true;
            self.drain();
        }
    }

    /// Lets the broker read one packet and answer.
    fn serve_one(&mut self) {
        if self.to_broker.is_empty() {
            return;
        }
        let packet = self.to_broker.remove(0);
        let body = &packet[2..];
        let id = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        match packet[0] & 0xF6 {
            0x10 => {
                if body[7] & 2 != 0 {
                    // Clean Start.
                    self.has_session = false;
                    self.recorded.clear();
                }
                let [high, low] = self.quota.to_be_bytes();
                let present = u8::from(std::mem::replace(&mut self.has_session, true));
                self.to_session.push(vec![0x20, 6, present, 0, 3, 0x21, high, low]);
            }
            0x30 => *self.arrived.entry(body[4]).or_default() += 1,
            // 00 01 't', identifier, no properties, payload.
            0x32 | 0x34 => {
                assert!(self.unanswered.insert(id(3)), "an identifier is used once at a time");
                assert!(self.unanswered.len() <= usize::from(self.quota), "the receive maximum is kept");
                let is_new = packet[0] & 0xF6 == 0x32 || self.recorded.insert(id(3));
                *self.arrived.entry(body[6]).or_default() += u32::from(is_new);
                let answer = if packet[0] & 0xF6 == 0x32 { 0x40 } else { 0x50 };
                self.to_session.push(vec![answer, 2, body[3], body[4]]);
            }
            0x62 => {
                let known = self.recorded.remove(&id(0));
                let reason = if known { 0x00 } else { 0x92 };
                self.to_session.push(vec![0x70, 3, body[0], body[1], reason]);
            }
            0xC0 => self.to_session.push(vec![0xD0, 0]),
            other => panic!("{other:#x} from a client"),
        }
    }

    /// Delivers one answer to the session.
    fn deliver_one(&mut self) {
        if self.to_session.is_empty() {
            return;
        }
        let packet = self.to_session.remove(0);
        if let 0x40 | 0x70 = packet[0] {
            self.unanswered.remove(&u16::from_be_bytes([packet[2], packet[3]]));
        }
        self.session.handle_input(&packet, self.now, &mut NullSink);
    }
}

/// A session and a broker that publishes to it. Any connection can end between any two packets, and sometimes the
/// broker loses the session with it.
struct ReceiveRun {
    session: Session,
    version: Version,
    now: Instant,
    is_open: bool,
    /// Whether CONNACK was sent on this connection.
    is_accepted: bool,
    has_session: bool,
    /// Whether the session knows that it is new, and so can have subscribed. If that CONNACK is lost there are no
    /// subscriptions, and nothing is published to it.
    is_known: bool,
    to_broker: Vec<Vec<u8>>,
    to_session: VecDeque<Vec<u8>>,
    /// The broker's unfinished exchanges, in the order of their start.
    under_way: Vec<Exchange>,
    next_id: u16,
    next_payload: u16,
    /// Payloads, with the maximum and minimum number of arrivals by the end.
    expected: HashMap<u16, RangeInclusive<usize>>,
    arrived: ReceivedPayloads,
}

struct Exchange {
    id: u16,
    payload: u16,
    qos: QoS,
    is_released: bool,
}

#[derive(Default)]
struct ReceivedPayloads(Vec<u16>);

impl MessageSink for ReceivedPayloads {
    fn on_message(&mut self, message: &Publish<'_>, _now: Instant) {
        let [high, low] = message.payload else { panic!("{message:?}") };
        self.0.push(u16::from_be_bytes([*high, *low]));
    }
}

impl ReceiveRun {
    /// So few that the broker reaches its limit.
    const RECEIVE_MAXIMUM: u16 = 4;

    fn new(version: Version) -> Self {
        let options = Options {
            version: Some(version),
            client_id: "c".to_owned(),
            session_expiry_s: 3_600,
            keep_session_in_v311: true,
            keep_alive_s: 0,
            receive_maximum: Self::RECEIVE_MAXIMUM,
            ..Options::default()
        };
        Self {
            session: Session::new(options, 5),
            version,
            now: Instant::from_millis(1_000),
            is_open: false,
            is_accepted: false,
            has_session: false,
            is_known: false,
            to_broker: Vec::new(),
            to_session: VecDeque::new(),
            under_way: Vec::new(),
            next_id: 1,
            next_payload: 0,
            expected: HashMap::new(),
            arrived: ReceivedPayloads::default(),
        }
    }

    fn run(mut self, script: &[(u8, u8)]) {
        self.session.connect(self.now);
        for (what, argument) in script {
            self.drain();
            match what % 8 {
                0 | 1 => self.publish(*argument),
                2..=4 => self.deliver_one(),
                5 | 6 => self.serve_one(),
                _ => self.lose_connection(*argument == 0),
            }
        }
        for _ in 0..1_000 {
            self.drain();
            self.serve_one();
            self.deliver_one();
        }
        assert!(self.under_way.is_empty(), "every exchange ends");
        for (payload, times) in &self.expected {
            let came = self.arrived.0.iter().filter(|arrived| *arrived == payload).count();
            assert!(times.contains(&came), "{payload} came {came} times, not {times:?}");
        }
    }

    /// Lets the broker begin an exchange, if it may.
    fn publish(&mut self, argument: u8) {
        let has_room = self.under_way.len() < usize::from(Self::RECEIVE_MAXIMUM);
        if !self.is_accepted || !self.is_known || !has_room {
            return;
        }
        let qos = if argument.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        let exchange = Exchange { id: self.next_id, payload: self.next_payload, qos, is_released: false };
        // Few identifiers, so that they are reused soon.
        while self.under_way.iter().any(|other| other.id == self.next_id) || self.next_id == exchange.id {
            self.next_id = self.next_id % 6 + 1;
        }
        self.next_payload += 1;
        let times = if qos == QoS::ExactlyOnce { 1..=1 } else { 1..=usize::MAX };
        self.expected.insert(exchange.payload, times);
        self.to_session.push_back(self.packet(&exchange, false));
        self.under_way.push(exchange);
    }

    fn packet(&self, exchange: &Exchange, is_repeated: bool) -> Vec<u8> {
        let ([id_high, id_low], [high, low]) = (exchange.id.to_be_bytes(), exchange.payload.to_be_bytes());
        if exchange.is_released {
            return vec![0x62, 2, id_high, id_low];
        }
        let qos = if exchange.qos == QoS::ExactlyOnce { 0x04 } else { 0x02 };
        let mut packet = vec![0x30 | qos | u8::from(is_repeated) << 3, 7, 0, 1, b't', id_high, id_low, high, low];
        if self.version == Version::V5 {
            packet[1] = 8;
            packet.insert(7, 0);
        }
        packet
    }

    fn lose_connection(&mut self, with_session: bool) {
        if !self.is_open {
            return;
        }
        self.session.handle_close(CloseInfo::default(), self.now);
        self.forget_connection();
        if with_session {
            (self.has_session, self.is_known) = (false, false);
            // Its exchanges in flight are gone with it, if it hasn't arrived.
            for exchange in self.under_way.drain(..) {
                let most = if exchange.qos == QoS::ExactlyOnce { 1 } else { usize::MAX };
                self.expected.insert(exchange.payload, 0..=most);
            }
            self.next_id = 1;
        }
        self.session.retry_now(self.now);
    }

    fn forget_connection(&mut self) {
        self.is_open = false;
        self.is_accepted = false;
        self.to_broker.clear();
        self.to_session.clear();
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit() {
            match transmit {
                Transmit::Send(bytes) => {
                    let mut rest = bytes;
                    while let [_, length, ..] = rest {
                        let (packet, next) = rest.split_at(2 + usize::from(*length));
                        self.to_broker.push(packet.to_vec());
                        rest = next;
                    }
                }
                // The clean connection of 3.1.1 ends with it.
                Transmit::HangUp => self.forget_connection(),
                Transmit::Dial => {
                    self.session.handle_open(self.now);
                    self.is_open = true;
                }
            }
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected { session_present: false, .. } => self.is_known = true,
                Event::Disconnected { failure, .. } => {
                    assert!(matches!(*failure, Failure::Closed { .. }), "{failure:?}");
                }
                _ => {}
            }
        }
    }

    /// Lets the broker read one packet.
    fn serve_one(&mut self) {
        if self.to_broker.is_empty() {
            return;
        }
        let packet = self.to_broker.remove(0);
        let id = u16::from_be_bytes([packet[2], packet[3]]);
        match packet[0] {
            0x10 => self.accept(packet[9] & 2 != 0),
            0x40 | 0x70 => self.under_way.retain(|exchange| exchange.id != id),
            0x50 => {
                let place = self.under_way.iter().position(|exchange| exchange.id == id).expect("under way");
                self.under_way[place].is_released = true;
                self.to_session.push_back(self.packet(&self.under_way[place], false));
            }
            0xE0 => {}
            other => panic!("{other:#x} from a client"),
        }
    }

    /// Sends CONNACK, and everything that is in flight again.
    fn accept(&mut self, clean_start: bool) {
        assert!(!clean_start || self.under_way.is_empty(), "a session is dropped only before it is used");
        let present = u8::from(self.has_session && !clean_start);
        // In 3.1.1 a clean session ends with its connection, and it had no subscriptions.
        self.has_session = !(clean_start && self.version == Version::V311);
        self.is_accepted = self.has_session;
        self.to_session.push_back(match self.version {
            Version::V5 => vec![0x20, 3, present, 0, 0],
            Version::V311 => vec![0x20, 2, present, 0],
        });
        for exchange in &self.under_way {
            self.to_session.push_back(self.packet(exchange, true));
        }
    }

    fn deliver_one(&mut self) {
        if let Some(packet) = self.to_session.pop_front() {
            self.session.handle_input(&packet, self.now, &mut self.arrived);
        }
    }
}
