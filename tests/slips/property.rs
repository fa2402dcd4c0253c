//! For all failures: one that happens three times in the same way is reported, and the client slows down, stops, or
//! gives up the failing action.

use std::time::Duration;

use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::failure_history::RECURRENT;
use mqtt_crawl::mqtt::packet::{Publish, QoS, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, Event, MessageSink, Transmit};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

use crate::broker::{Act, Broker, Mode};

/// What is done to a connection.
#[derive(Clone, Copy, Debug)]
enum ConnectionPlan {
    /// Nothing is listening.
    Unreachable,
    /// The transport never opens.
    NeverOpens,
    /// A broker of this mode; it closes after this number of seconds if it lives that long.
    Broker(Mode, u64),
}

const MODES: [Mode; 26] = [
    Mode::Good,
    Mode::OldConnAck,
    Mode::SilentToV5,
    Mode::Silent,
    Mode::CloseOnConnect,
    Mode::Busy,
    Mode::NoConnAck,
    Mode::Properties(&[0x24, 2]),
    Mode::Properties(&[0x24, 1, 0x24, 1]),
    Mode::SessionPresent,
    Mode::CloseOnceAccepted,
    Mode::TakeOver,
    Mode::CloseOnSubscribe,
    Mode::NoSubAck,
    Mode::OldSubAck,
    Mode::LongSubAck,
    Mode::CloseOnUnsubscribe,
    Mode::CloseOnPublish,
    Mode::CloseOnLarge(100),
    Mode::DisconnectOnPublish(0x95),
    Mode::CloseOnRelease,
    Mode::NoPubAck,
    Mode::Sends(&[(0x38, b"t", b"x")]),
    Mode::Sends(&[(0x30, b"a/#", b"x")]),
    Mode::Bytes(&[0xF0, 0]),
    Mode::Bytes(&[0x40, 2, 0, 0]),
];

struct NullSink;

impl MessageSink for NullSink {
    fn on_message(&mut self, _message: &Publish<'_>, _now: Instant) {}
}

fn connection_plan() -> impl Strategy<Value = ConnectionPlan> {
    prop_oneof![
        1 => Just(ConnectionPlan::Unreachable),
        1 => Just(ConnectionPlan::NeverOpens),
        8 => (0..MODES.len(), 1..90_u64).prop_map(|(place, seconds)| ConnectionPlan::Broker(MODES[place], seconds)),
    ]
}

struct Run {
    session: Session,
    broker: Broker,
    now: Instant,
    is_open: bool,
    ends_at: Option<Instant>,
    dials: usize,
    has_given_up: bool,
}

impl Run {
    fn new(version: Option<Version>, is_kept: bool) -> Self {
        let options = Options {
            version,
            client_id: "c".to_owned(),
            session_expiry_s: if is_kept { 3_600 } else { 0 },
            keep_session_in_v311: true,
            ..Options::default()
        };
        let mut run = Self {
            session: Session::new(options, 9),
            broker: Broker::new(Mode::Good),
            now: Instant::from_millis(1_000),
            is_open: false,
            ends_at: None,
            dials: 0,
            has_given_up: false,
        };
        for filter in ["#", "a/b"] {
            let filter = TopicFilter::parse(filter).expect("a filter");
            let options = SubscriptionOptions::default();
            run.session.subscribe(Subscription { filter, options, identifier: None }, run.now);
        }
        for (qos, payload_bytes) in [(QoS::AtLeastOnce, 10), (QoS::ExactlyOnce, 200), (QoS::AtLeastOnce, 300)] {
            let payload = vec![b'x'; payload_bytes];
            let message = Message { topic: "t".to_owned(), payload, qos, ..Message::default() };
            run.session.publish(message, run.now).expect("accepted");
        }
        run.session.connect(run.now);
        run
    }

    /// Runs for an hour, connection after connection with these plans, in turn.
    fn run_for(mut self, plans: &[ConnectionPlan]) {
        let end = self.now + Duration::from_secs(3_600);
        for _ in 0..20_000 {
            self.drain(plans);
            let due = [self.session.poll_timeout(), self.ends_at].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            if self.ends_at.is_some_and(|at| at <= self.now) {
                self.lose_connection();
            }
            self.session.handle_timeout(self.now);
        }
        // A connection that lasts for 30 s is a good one; all others become more and more rare.
        assert!(self.dials <= 3_600 / 5, "{} attempts in an hour", self.dials);
    }

    fn lose_connection(&mut self) {
        (self.is_open, self.ends_at) = (false, None);
        self.session.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, self.now);
    }

    fn drain(&mut self, plans: &[ConnectionPlan]) {
        loop {
            let (mut acts, mut has_dialled) = (Vec::new(), false);
            while let Some(transmit) = self.session.poll_transmit() {
                match transmit {
                    Transmit::Dial => has_dialled = true,
                    Transmit::Send(bytes) => acts.extend(self.broker.handle_input(bytes)),
                    Transmit::HangUp => {
                        (self.is_open, self.ends_at) = (false, None);
                        acts.clear();
                    }
                }
            }
            self.note_events();
            if has_dialled {
                self.dial(plans[self.dials % plans.len()]);
            } else if acts.is_empty() {
                return;
            }
            for act in acts {
                match act {
                    _ if !self.is_open => {}
                    Act::Send(bytes) => self.session.handle_input(&bytes, self.now, &mut NullSink),
                    Act::SendText => {}
                    Act::Close => self.lose_connection(),
                    Act::CloseLater(ms) => self.ends_at = Some(self.now + Duration::from_millis(ms)),
                }
                self.note_events();
            }
        }
    }

    fn dial(&mut self, connection_plan: ConnectionPlan) {
        self.dials += 1;
        self.ends_at = None;
        match connection_plan {
            ConnectionPlan::Unreachable => self.lose_connection(),
            ConnectionPlan::NeverOpens => {}
            ConnectionPlan::Broker(mode, seconds) => {
                self.broker.mode = mode;
                self.is_open = true;
                self.ends_at = Some(self.now + Duration::from_secs(seconds));
                self.broker.handle_open();
                self.session.handle_open(self.now);
            }
        }
    }

    fn note_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::FilterAbandoned { .. }
                | Event::Published { outcome: DeliveryOutcome::EndsConnection { .. }, .. } => {
                    self.has_given_up = true;
                }
                Event::Disconnected { failure, retry_at, recurrence } => {
                    let has_given_up = std::mem::take(&mut self.has_given_up);
                    let wait = retry_at.map(|at| at.since(self.now));
                    assert!(recurrence.times >= 1);
                    if recurrence.times >= RECURRENT && !has_given_up {
                        let is_slow = wait.is_none_or(|wait| wait >= Duration::from_millis(500));
                        assert!(is_slow, "{failure:?}, {recurrence:?}: again after {wait:?}");
                    }
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn third_equal_failure_stops_or_slows_down(
        version in prop_oneof![Just(None), Just(Some(Version::V311)), Just(Some(Version::V5))],
        is_kept in any::<bool>(),
        plans in prop::collection::vec(connection_plan(), 1..4),
    ) {
        Run::new(version, is_kept).run_for(&plans);
    }
}
