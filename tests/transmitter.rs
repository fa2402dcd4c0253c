//! Lines that are sent automatically: the engine's transmissions in virtual time, with a minimal broker.

use std::time::Duration;

use mqtt_crawl::engine::{Engine, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{PublishProperties, QoS, Version};
use mqtt_crawl::protocol::command::{Command, PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions};
use mqtt_crawl::protocol::publish::PublishOutcome;
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::transmission::{
    LineRange, OutgoingMessage, TransmissionCommand, TransmissionSettings, TransmissionSlot,
};
use mqtt_crawl::protocol::transmission::{LineStatus, TransmissionState, TransmissionView};
use mqtt_crawl::time::Instant;
use mqtt_crawl::transmit::playlist::Repeat;

const BEGIN: Instant = Instant::from_millis(1_000_000);
const YES: &[u8] = &[0x20, 3, 0, 0, 0];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An engine, and its simulated environment.
struct Harness {
    engine: Engine,
    now: Instant,
    /// The delay of the worker's timer.
    lag: Duration,
    /// The answer to CONNECT; `None`: nothing is listening.
    connack: Option<&'static [u8]>,
    /// The reason code of every PUBACK; `None`: it doesn't acknowledge.
    ack: Option<u8>,
    /// The time of each received payload, with the first byte of its PUBLISH.
    sent_lines: Vec<(Duration, String, u8)>,
    /// Identifiers that weren't acknowledged.
    owed: Vec<[u8; 2]>,
    is_connected: bool,
    /// The lines on screen.
    screen: LineRange,
}

impl Harness {
    fn new() -> Self {
        Self {
            engine: Engine::new(7, Limits::default()),
            now: BEGIN,
            lag: Duration::ZERO,
            connack: Some(YES),
            ack: Some(0),
            sent_lines: Vec::new(),
            owed: Vec::new(),
            is_connected: false,
            screen: LineRange { first: 0, count: 10 },
        }
    }

    fn connect(mut self) -> Self {
        self.command(PageCommand::Connect(ConnectRequest {
            broker: "ws://broker.test/mqtt".to_owned(),
            topics: vec!["t".to_owned()],
            qos: QoS::AtMostOnce,
            version: Some(Version::V5),
            client_id: "c".to_owned(),
            user_name: None,
            password: None,
            page: PageOrigin::default(),
        }));
        self
    }

    fn command(&mut self, command: impl Into<Command>) {
        self.engine.handle_command(command, self.now);
        self.serve();
    }

    fn control(&mut self, control: TransmissionCommand) {
        self.command(PanelCommand::Transmit(TransmissionSlot::Script, control));
    }

    /// Starts a script of this number of lines.
    fn play(&mut self, settings: TransmissionSettings, lines: usize) {
        self.control(TransmissionCommand::Begin(settings));
        self.control(TransmissionCommand::Lines(outgoing_messages(0..lines)));
        self.control(TransmissionCommand::LinesComplete);
        self.control(TransmissionCommand::Play);
    }

    /// Runs until this time after the beginning.
    fn run_until(&mut self, end: Duration) {
        let mut turns = 0;
        while let Some(due) = self.engine.poll_timeout()
            && due <= BEGIN + end
        {
            self.now = self.now.max(due + self.lag);
            self.engine.handle_timeout(self.now);
            self.serve();
            turns += 1;
            assert!(turns < 200_000, "it loops");
        }
        self.now = self.now.max(BEGIN + end);
    }

    fn serve(&mut self) {
        loop {
            let (mut answers, mut dialled) = (Vec::new(), false);
            while let Some(transmit) = self.engine.poll_transmit() {
                match transmit {
                    Transmit::Dial { .. } => dialled = true,
                    Transmit::HangUp => self.is_connected = false,
                    Transmit::Send(bytes) => {
                        let bytes = bytes.to_vec();
                        self.handle_packets(&bytes, &mut answers);
                    }
                }
            }
            if dialled && self.connack.is_none() {
                self.engine.handle_close(CloseInfo::default(), self.now);
            } else if dialled {
                self.is_connected = true;
                self.engine.handle_open(self.now);
            } else if !answers.is_empty() && self.is_connected {
                self.engine.handle_input(&answers, self.now);
            } else {
                return;
            }
        }
    }

    fn handle_packets(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
        while let [first, length, rest @ ..] = bytes {
            assert!(*length < 0x80, "the tests send short packets");
            let (body, next) = rest.split_at(usize::from(*length));
            bytes = next;
            match first >> 4 {
                1 => answers.extend_from_slice(self.connack.unwrap_or_default()),
                3 => self.hear_publish(*first, body, answers),
                8 => answers.extend_from_slice(&[0x90, 4, body[0], body[1], 0, 0]),
                12 => answers.extend_from_slice(&[0xD0, 0]),
                _ => {}
            }
        }
    }

    fn hear_publish(&mut self, first: u8, body: &[u8], answers: &mut Vec<u8>) {
        let mut rest = &body[2 + usize::from(body[1])..];
        if first & 0b110 != 0 {
            let id = [rest[0], rest[1]];
            rest = &rest[2..];
            match self.ack {
                Some(reason) => answers.extend_from_slice(&[0x40, 4, id[0], id[1], reason, 0]),
                None => self.owed.push(id),
            }
        }
        let payload = &rest[1 + usize::from(rest[0])..];
        self.sent_lines.push((self.now.since(BEGIN), String::from_utf8_lossy(payload).into_owned(), first));
    }

    fn acknowledge(&mut self, count: usize) {
        let acks: Vec<u8> = self.owed.drain(..count).flat_map(|[high, low]| [0x40, 2, high, low]).collect();
        self.engine.handle_input(&acks, self.now);
        self.serve();
    }

    fn lose_connection(&mut self) {
        self.is_connected = false;
        self.owed.clear();
        self.engine.handle_close(CloseInfo::default(), self.now);
        self.serve();
    }

    /// Returns the update for the panels.
    fn views(&mut self) -> Option<Vec<TransmissionView>> {
        let script = self.screen;
        self.engine.handle_command(PanelCommand::Pull(PanelsRequest { script, ..PanelsRequest::default() }), self.now);
        self.engine.poll_panels()?.transmissions
    }

    fn view(&mut self) -> TransmissionView {
        self.views().and_then(|mut views| views.pop()).expect("an update of the transmission")
    }

    fn texts(&self) -> Vec<&str> {
        self.sent_lines.iter().map(|(_, text, _)| text.as_str()).collect()
    }

    fn times_ms(&self) -> Vec<u128> {
        self.sent_lines.iter().map(|(at, ..)| at.as_millis()).collect()
    }
}

fn outgoing_messages(lines: std::ops::Range<usize>) -> Vec<OutgoingMessage> {
    lines.map(|n| OutgoingMessage { topic: "t".to_owned(), payload: n.to_string().into_bytes() }).collect()
}

fn settings() -> TransmissionSettings {
    TransmissionSettings {
        interval_us: 1_000_000,
        repeat: Repeat::ONCE,
        first: 0,
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: PublishProperties::default(),
    }
}

fn numbers(lines: impl IntoIterator<Item = usize>) -> Vec<String> {
    lines.into_iter().map(|n| n.to_string()).collect()
}

#[test]
fn thousand_lines_have_no_drift() {
    for lag in [ms(0), ms(3), ms(900)] {
        let mut harness = Harness { lag, ..Harness::new() }.connect();
        harness.play(TransmissionSettings { interval_us: 333_333, ..settings() }, 1_000);
        harness.run_until(ms(400_000));
        assert_eq!(harness.texts(), numbers(0..1_000));
        for (n, (at, ..)) in harness.sent_lines.iter().enumerate() {
            let due = Duration::from_micros(333_333 * n as u64);
            assert!(*at >= due && *at <= due + lag, "line {n} at {at:?} instead of {due:?}");
        }
        let view = harness.view();
        assert_eq!(
            (view.state, view.line, view.sent, view.done, view.failed),
            (TransmissionState::Over, 1_000, 1_000, 1_000, 0)
        );
        assert_eq!(view.statuses, [LineStatus::Done; 10]);
        assert_eq!(harness.views(), None, "nothing is sent twice");
        harness.screen = LineRange { first: 998, count: 10 };
        assert_eq!(harness.view().statuses, [LineStatus::Done; 2], "other lines are on screen");
    }
}

#[test]
fn pausing_and_seeking_keep_the_pace() {
    let mut harness = Harness::new().connect();
    harness.play(settings(), 30);
    harness.run_until(ms(1_300));
    harness.control(TransmissionCommand::Pause);
    harness.run_until(ms(60_000));
    assert_eq!(harness.view().state, TransmissionState::Paused);
    harness.control(TransmissionCommand::Play);
    harness.run_until(ms(61_000));
    harness.control(TransmissionCommand::Seek(20));
    harness.run_until(ms(63_500));
    harness.control(TransmissionCommand::Pause);
    harness.control(TransmissionCommand::Seek(4));
    harness.run_until(ms(70_000));
    let view = harness.view();
    assert_eq!((view.line, view.state), (5, TransmissionState::Paused));
    harness.control(TransmissionCommand::Play);
    harness.run_until(ms(70_000));
    assert_eq!(harness.texts(), ["0", "1", "2", "20", "21", "22", "4"]);
    assert_eq!(harness.times_ms(), [0, 1_000, 60_700, 61_000, 62_000, 63_000, 70_000]);
    // Beyond the last line the last one is meant.
    harness.control(TransmissionCommand::Seek(u64::MAX));
    harness.run_until(ms(80_000));
    assert_eq!(harness.texts()[7..], ["29"]);
    assert_eq!(harness.view().state, TransmissionState::Over);
    // It isn't over for good.
    harness.control(TransmissionCommand::Seek(28));
    harness.run_until(ms(90_000));
    assert_eq!(harness.texts()[8..], ["28", "29"]);
}

#[test]
fn loop_continues_until_stopped() {
    let mut harness = Harness::new().connect();
    harness.play(TransmissionSettings { repeat: Repeat::UntilStopped, first: 2, ..settings() }, 4);
    harness.run_until(ms(7_000));
    assert_eq!(harness.texts(), ["2", "3", "0", "1", "2", "3", "0", "1"]);
    harness.control(TransmissionCommand::Seek(3));
    harness.run_until(ms(8_000));
    assert_eq!(harness.texts()[8..], ["3", "0"], "of the same round");
    harness.control(TransmissionCommand::Repeat(Repeat::ONCE));
    harness.run_until(ms(60_000));
    assert_eq!(harness.texts()[10..], ["1", "2", "3"], "this round is the last");
    assert_eq!(harness.view().state, TransmissionState::Over);
    harness.play(settings(), 4);
    harness.control(TransmissionCommand::Repeat(Repeat::UntilStopped));
    harness.run_until(ms(65_000));
    harness.control(TransmissionCommand::Stop);
    harness.run_until(ms(90_000));
    assert_eq!(harness.texts()[13..], ["0", "1", "2", "3", "0", "1"]);
    let view = harness.view();
    assert_eq!((view.state, view.sent, view.done), (TransmissionState::Stopped, 6, 6));
}

#[test]
fn transmission_resumes_at_the_first_unacknowledged_line() {
    let mut harness = Harness::new().connect();
    harness.play(settings(), 6);
    harness.run_until(ms(1_500));
    harness.ack = None;
    harness.run_until(ms(2_400));
    assert_eq!(
        harness.view().statuses[..4],
        [LineStatus::Done, LineStatus::Done, LineStatus::Waiting, LineStatus::Unsent]
    );
    harness.connack = None;
    harness.lose_connection();
    harness.run_until(ms(20_000));
    assert_eq!(harness.sent_lines.len(), 3, "nothing is sent meanwhile");
    (harness.connack, harness.ack) = (Some(YES), Some(0));
    harness.run_until(ms(300_000));
    assert_eq!(harness.texts(), ["0", "1", "2", "2", "3", "4", "5"]);
    let at = harness.times_ms();
    assert_eq!((at[4] - at[3], at[5] - at[4]), (600, 1_000), "0.4 s of the second before line 3 had passed");
    assert_eq!(harness.view().done, 6);
}

#[test]
fn manual_reconnect_repeats_unacknowledged_lines() {
    for (qos, texts, failed) in [
        (QoS::AtLeastOnce, vec!["0", "1", "0", "1", "2"], 2),
        // Sent again it could arrive twice.
        (QoS::ExactlyOnce, vec!["0", "1", "2"], 2),
    ] {
        let mut harness = Harness { ack: None, ..Harness::new() }.connect();
        harness.play(TransmissionSettings { qos, ..settings() }, 3);
        harness.run_until(ms(1_500));
        harness.command(PageCommand::Disconnect);
        harness.run_until(ms(10_000));
        harness.ack = Some(0);
        harness = harness.connect();
        harness.run_until(ms(60_000));
        assert_eq!(harness.texts(), texts);
        assert_eq!(harness.view().failed, failed);
    }
}

#[test]
fn lines_in_flight_stay_within_receive_maximum() {
    // Receive Maximum 5.
    let mut harness = Harness { ack: None, connack: Some(&[0x20, 6, 0, 0, 3, 0x21, 0, 5]), ..Harness::new() }.connect();
    harness.play(TransmissionSettings { interval_us: 0, ..settings() }, 100);
    harness.run_until(ms(1_000));
    assert_eq!(harness.texts(), numbers(0..5));
    // It sleeps until something happens.
    assert!(harness.engine.poll_timeout().is_some_and(|due| due > harness.now));
    harness.acknowledge(2);
    harness.run_until(ms(1_000));
    assert_eq!(harness.texts(), numbers(0..7));
    // A message sent by hand takes precedence over them.
    let request = PublishRequest {
        topic: "t".to_owned(),
        payload: b"own".to_vec(),
        qos: QoS::AtLeastOnce,
        ..PublishRequest::default()
    };
    harness.command(PanelCommand::Publish { number: 1, request });
    harness.acknowledge(1);
    harness.run_until(ms(2_000));
    assert_eq!(harness.texts()[7..], ["own"]);
}

#[test]
fn line_qos_is_limited_by_the_broker() {
    // Maximum QoS 0.
    let mut harness = Harness { connack: Some(&[0x20, 5, 0, 0, 2, 0x24, 0]), ..Harness::new() }.connect();
    harness.play(TransmissionSettings { qos: QoS::ExactlyOnce, ..settings() }, 3);
    harness.run_until(ms(10_000));
    let qos: Vec<_> = harness.sent_lines.iter().map(|(_, _, first)| first >> 1 & 3).collect();
    assert_eq!(qos, [0, 0, 0]);
    assert_eq!(harness.view().done, 3);
}

#[test]
fn refused_line_is_reported_and_others_continue() {
    // Not authorized.
    let mut harness = Harness { ack: Some(0x87), ..Harness::new() }.connect();
    harness.play(settings(), 4);
    harness.run_until(ms(1_500));
    harness.ack = Some(0);
    harness.run_until(ms(10_000));
    let view = harness.view();
    assert_eq!(view.statuses, [LineStatus::Failed(0), LineStatus::Failed(0), LineStatus::Done, LineStatus::Done]);
    assert_eq!((view.failed, view.first_failed, view.state), (2, Some(0), TransmissionState::Over));
    let [PublishOutcome::Failed(reason)] = view.failures.as_slice() else { panic!("{:?}", view.failures) };
    assert!(reason.contains("rejected"), "{reason}");
    // An invalid topic isn't even sent.
    harness.control(TransmissionCommand::Begin(settings()));
    harness.control(TransmissionCommand::Lines(vec![OutgoingMessage { topic: "a/#".to_owned(), payload: Vec::new() }]));
    harness.control(TransmissionCommand::LinesComplete);
    harness.control(TransmissionCommand::Play);
    harness.run_until(ms(11_000));
    let view = harness.view();
    assert_eq!(
        (view.statuses, view.state, harness.sent_lines.len()),
        (vec![LineStatus::Failed(0)], TransmissionState::Over, 4)
    );
}

#[test]
fn script_in_slices_is_reported_as_one() {
    let mut harness = Harness::new().connect();
    harness.control(TransmissionCommand::Begin(settings()));
    harness.control(TransmissionCommand::Lines(outgoing_messages(0..2)));
    harness.control(TransmissionCommand::Play);
    harness.run_until(ms(5_000));
    assert_eq!(harness.view().state, TransmissionState::Playing, "more may arrive");
    harness.control(TransmissionCommand::Lines(outgoing_messages(2..4)));
    harness.control(TransmissionCommand::LinesComplete);
    harness.run_until(ms(60_000));
    assert_eq!(harness.times_ms(), [0, 1_000, 5_000, 6_000], "a late line moves those after it");
    assert_eq!(harness.view().state, TransmissionState::Over);
}

#[test]
fn another_script_replaces_the_previous_one() {
    let mut harness = Harness { ack: None, ..Harness::new() }.connect();
    harness.play(settings(), 5);
    harness.run_until(ms(1_000));
    harness.control(TransmissionCommand::Begin(settings()));
    harness.control(TransmissionCommand::Lines(outgoing_messages(7..9)));
    harness.control(TransmissionCommand::LinesComplete);
    harness.acknowledge(2);
    let view = harness.view();
    assert_eq!(
        (view.done, view.state, view.statuses.len()),
        (0, TransmissionState::Paused, 2),
        "acknowledgements of the last are its own"
    );
    harness.control(TransmissionCommand::Play);
    harness.run_until(ms(60_000));
    assert_eq!(harness.texts(), ["0", "1", "7", "8"]);
}

#[test]
fn message_repeats_while_a_script_plays() {
    let mut harness = Harness::new().connect();
    harness.play(settings(), 3);
    let repeated = TransmissionSettings { interval_us: 400_000, repeat: Repeat::Rounds(3), ..settings() };
    let cue = OutgoingMessage { topic: "t".to_owned(), payload: b"tick".to_vec() };
    for control in [
        TransmissionCommand::Begin(repeated),
        TransmissionCommand::Lines(vec![cue]),
        TransmissionCommand::LinesComplete,
        TransmissionCommand::Play,
    ] {
        harness.command(PanelCommand::Transmit(TransmissionSlot::Message, control));
    }
    harness.run_until(ms(60_000));
    assert_eq!(harness.texts(), ["0", "tick", "tick", "tick", "1", "2"]);
    assert_eq!(harness.times_ms(), [0, 0, 400, 800, 1_000, 2_000]);
    let views = harness.views().expect("news");
    let states: Vec<_> = views.iter().map(|view| (view.slot, view.state, view.sent, view.done)).collect();
    assert_eq!(
        states,
        [
            (TransmissionSlot::Script, TransmissionState::Over, 3, 3),
            (TransmissionSlot::Message, TransmissionState::Over, 3, 3)
        ]
    );
}

#[test]
fn no_lines_are_sent_while_too_many_bytes_are_unsent() {
    let mut harness = Harness::new().connect();
    let settings =
        TransmissionSettings { interval_us: 0, qos: QoS::AtMostOnce, repeat: Repeat::UntilStopped, ..settings() };
    harness.play(settings, 10);
    for _ in 0..5 {
        harness.engine.mark_unsent(2 << 20, harness.now);
        harness.engine.handle_timeout(harness.now);
        harness.serve();
        assert!(harness.sent_lines.is_empty());
        let due = harness.engine.poll_timeout().expect("another search");
        assert!(due > harness.now, "after a while");
        harness.now = due;
    }
    harness.engine.mark_unsent(0, harness.now);
    harness.engine.handle_timeout(harness.now);
    harness.serve();
    assert!((1..1_000).contains(&harness.sent_lines.len()), "a batch, and then the others");
}

#[test]
fn lines_wait_while_a_persistent_session_is_saved() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut harness = Harness::new();
        harness.engine.use_store();
        harness.command(PageCommand::SetConnectionOptions(Box::new(ConnectionOptions {
            session_expiry_s: Some(600),
            clean_start: false,
            ..ConnectionOptions::default()
        })));
        harness = harness.connect();
        let key = harness.engine.poll_load().expect("something to load");
        harness.engine.handle_loaded(&key, Ok(None), harness.now);
        harness.serve();
        let mut is_saving = false;
        harness.play(TransmissionSettings { interval_us: 0, qos, repeat: Repeat::UntilStopped, ..settings() }, 10);
        // Each write takes as long as ten turns of the worker.
        for state in 1..100 {
            is_saving |= harness.engine.poll_save(harness.now).is_some();
            if is_saving {
                assert!(
                    harness.engine.poll_timeout().is_none_or(|due| due > harness.now),
                    "it sleeps until all is saved"
                );
            }
            harness.engine.handle_timeout(harness.now);
            if state % 10 == 0 && std::mem::take(&mut is_saving) {
                harness.engine.handle_saved(Ok(()));
            }
            harness.serve();
        }
        assert!(
            (100..1_000).contains(&harness.sent_lines.len()),
            "{} lines were sent in ten batches",
            harness.sent_lines.len()
        );
    }
}
