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
struct Rig {
    engine: Engine,
    now: Instant,
    /// The delay of the worker's timer.
    lag: Duration,
    /// The answer to CONNECT; `None`: nothing is listening.
    connack: Option<&'static [u8]>,
    /// The reason code of every PUBACK; `None`: it doesn't acknowledge.
    ack: Option<u8>,
    /// The time of each received payload, with the first byte of its PUBLISH.
    heard: Vec<(Duration, String, u8)>,
    /// Identifiers that weren't acknowledged.
    owed: Vec<[u8; 2]>,
    is_connected: bool,
    /// The lines on screen.
    screen: LineRange,
}

impl Rig {
    fn new() -> Self {
        Self {
            engine: Engine::new(7, Limits::default()),
            now: BEGIN,
            lag: Duration::ZERO,
            connack: Some(YES),
            ack: Some(0),
            heard: Vec::new(),
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

    fn wish(&mut self, wish: TransmissionCommand) {
        self.command(PanelCommand::Transmit(TransmissionSlot::Script, wish));
    }

    /// Starts a script of this number of lines.
    fn play(&mut self, manner: TransmissionSettings, lines: usize) {
        self.wish(TransmissionCommand::Begin(manner));
        self.wish(TransmissionCommand::Lines(cues(0..lines)));
        self.wish(TransmissionCommand::LinesComplete);
        self.wish(TransmissionCommand::Play);
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
            assert!(turns < 200_000, "it turns in circles");
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
                        self.hear(&bytes, &mut answers);
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

    fn hear(&mut self, mut bytes: &[u8], answers: &mut Vec<u8>) {
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
        self.heard.push((self.now.since(BEGIN), String::from_utf8_lossy(payload).into_owned(), first));
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
        self.views().and_then(|mut views| views.pop()).expect("news of the transmission")
    }

    fn texts(&self) -> Vec<&str> {
        self.heard.iter().map(|(_, text, _)| text.as_str()).collect()
    }

    fn times_ms(&self) -> Vec<u128> {
        self.heard.iter().map(|(at, ..)| at.as_millis()).collect()
    }
}

fn cues(lines: std::ops::Range<usize>) -> Vec<OutgoingMessage> {
    lines.map(|n| OutgoingMessage { topic: "t".to_owned(), payload: n.to_string().into_bytes() }).collect()
}

fn manner() -> TransmissionSettings {
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
fn a_thousand_lines_drift_by_nothing_whatever_the_timer_does() {
    for lag in [ms(0), ms(3), ms(900)] {
        let mut rig = Rig { lag, ..Rig::new() }.connect();
        rig.play(TransmissionSettings { interval_us: 333_333, ..manner() }, 1_000);
        rig.run_until(ms(400_000));
        assert_eq!(rig.texts(), numbers(0..1_000));
        for (n, (at, ..)) in rig.heard.iter().enumerate() {
            let due = Duration::from_micros(333_333 * n as u64);
            assert!(*at >= due && *at <= due + lag, "line {n} at {at:?} instead of {due:?}");
        }
        let view = rig.view();
        assert_eq!(
            (view.turn, view.line, view.sent, view.done, view.failed),
            (TransmissionState::Over, 1_000, 1_000, 1_000, 0)
        );
        assert_eq!(view.statuses, [LineStatus::Done; 10]);
        assert_eq!(rig.views(), None, "nothing is told twice");
        rig.screen = LineRange { first: 998, count: 10 };
        assert_eq!(rig.view().statuses, [LineStatus::Done; 2], "other lines are on screen");
    }
}

#[test]
fn who_pauses_and_seeks_is_heeded_and_the_pace_stays() {
    let mut rig = Rig::new().connect();
    rig.play(manner(), 30);
    rig.run_until(ms(1_300));
    rig.wish(TransmissionCommand::Pause);
    rig.run_until(ms(60_000));
    assert_eq!(rig.view().turn, TransmissionState::Paused);
    rig.wish(TransmissionCommand::Play);
    rig.run_until(ms(61_000));
    rig.wish(TransmissionCommand::Seek(20));
    rig.run_until(ms(63_500));
    rig.wish(TransmissionCommand::Pause);
    rig.wish(TransmissionCommand::Seek(4));
    rig.run_until(ms(70_000));
    let view = rig.view();
    assert_eq!((view.line, view.turn), (5, TransmissionState::Paused));
    rig.wish(TransmissionCommand::Play);
    rig.run_until(ms(70_000));
    assert_eq!(rig.texts(), ["0", "1", "2", "20", "21", "22", "4"]);
    assert_eq!(rig.times_ms(), [0, 1_000, 60_700, 61_000, 62_000, 63_000, 70_000]);
    // Beyond the last line the last one is meant.
    rig.wish(TransmissionCommand::Seek(u64::MAX));
    rig.run_until(ms(80_000));
    assert_eq!(rig.texts()[7..], ["29"]);
    assert_eq!(rig.view().turn, TransmissionState::Over);
    // It isn't over for good.
    rig.wish(TransmissionCommand::Seek(28));
    rig.run_until(ms(90_000));
    assert_eq!(rig.texts()[8..], ["28", "29"]);
}

#[test]
fn a_loop_goes_on_until_it_is_told_to_end() {
    let mut rig = Rig::new().connect();
    rig.play(TransmissionSettings { repeat: Repeat::UntilStopped, first: 2, ..manner() }, 4);
    rig.run_until(ms(7_000));
    assert_eq!(rig.texts(), ["2", "3", "0", "1", "2", "3", "0", "1"]);
    rig.wish(TransmissionCommand::Seek(3));
    rig.run_until(ms(8_000));
    assert_eq!(rig.texts()[8..], ["3", "0"], "of the same round");
    rig.wish(TransmissionCommand::Repeat(Repeat::ONCE));
    rig.run_until(ms(60_000));
    assert_eq!(rig.texts()[10..], ["1", "2", "3"], "this round is the last");
    assert_eq!(rig.view().turn, TransmissionState::Over);
    rig.play(manner(), 4);
    rig.wish(TransmissionCommand::Repeat(Repeat::UntilStopped));
    rig.run_until(ms(65_000));
    rig.wish(TransmissionCommand::Stop);
    rig.run_until(ms(90_000));
    assert_eq!(rig.texts()[13..], ["0", "1", "2", "3", "0", "1"]);
    let view = rig.view();
    assert_eq!((view.turn, view.sent, view.done), (TransmissionState::Stopped, 6, 6));
}

#[test]
fn after_a_lost_connection_it_goes_on_with_the_first_that_was_not_acknowledged() {
    let mut rig = Rig::new().connect();
    rig.play(manner(), 6);
    rig.run_until(ms(1_500));
    rig.ack = None;
    rig.run_until(ms(2_400));
    assert_eq!(rig.view().statuses[..4], [LineStatus::Done, LineStatus::Done, LineStatus::Waiting, LineStatus::Unsent]);
    rig.connack = None;
    rig.lose_connection();
    rig.run_until(ms(20_000));
    assert_eq!(rig.heard.len(), 3, "nothing goes out meanwhile");
    (rig.connack, rig.ack) = (Some(YES), Some(0));
    rig.run_until(ms(300_000));
    assert_eq!(rig.texts(), ["0", "1", "2", "2", "3", "4", "5"]);
    let at = rig.times_ms();
    assert_eq!((at[4] - at[3], at[5] - at[4]), (600, 1_000), "of the second before line 3, 0.4 had passed");
    assert_eq!(rig.view().done, 6);
}

#[test]
fn a_connection_that_is_made_anew_by_hand_repeats_what_was_not_acknowledged() {
    for (qos, texts, failed) in [
        (QoS::AtLeastOnce, vec!["0", "1", "0", "1", "2"], 2),
        // Sent again it could arrive twice.
        (QoS::ExactlyOnce, vec!["0", "1", "2"], 2),
    ] {
        let mut rig = Rig { ack: None, ..Rig::new() }.connect();
        rig.play(TransmissionSettings { qos, ..manner() }, 3);
        rig.run_until(ms(1_500));
        rig.command(PageCommand::Disconnect);
        rig.run_until(ms(10_000));
        rig.ack = Some(0);
        rig = rig.connect();
        rig.run_until(ms(60_000));
        assert_eq!(rig.texts(), texts);
        assert_eq!(rig.view().failed, failed);
    }
}

#[test]
fn no_more_lines_are_under_way_than_the_broker_takes() {
    // Receive Maximum 5.
    let mut rig = Rig { ack: None, connack: Some(&[0x20, 6, 0, 0, 3, 0x21, 0, 5]), ..Rig::new() }.connect();
    rig.play(TransmissionSettings { interval_us: 0, ..manner() }, 100);
    rig.run_until(ms(1_000));
    assert_eq!(rig.texts(), numbers(0..5));
    // It sleeps until something happens.
    assert!(rig.engine.poll_timeout().is_some_and(|due| due > rig.now));
    rig.acknowledge(2);
    rig.run_until(ms(1_000));
    assert_eq!(rig.texts(), numbers(0..7));
    // A message sent by hand takes precedence over them.
    let request = PublishRequest {
        topic: "t".to_owned(),
        payload: b"own".to_vec(),
        qos: QoS::AtLeastOnce,
        ..PublishRequest::default()
    };
    rig.command(PanelCommand::Publish { number: 1, request });
    rig.acknowledge(1);
    rig.run_until(ms(2_000));
    assert_eq!(rig.texts()[7..], ["own"]);
}

#[test]
fn lines_go_out_with_no_more_than_the_broker_takes() {
    // Maximum QoS 0.
    let mut rig = Rig { connack: Some(&[0x20, 5, 0, 0, 2, 0x24, 0]), ..Rig::new() }.connect();
    rig.play(TransmissionSettings { qos: QoS::ExactlyOnce, ..manner() }, 3);
    rig.run_until(ms(10_000));
    let qos: Vec<_> = rig.heard.iter().map(|(_, _, first)| first >> 1 & 3).collect();
    assert_eq!(qos, [0, 0, 0]);
    assert_eq!(rig.view().done, 3);
}

#[test]
fn a_line_that_is_refused_says_why_and_the_others_go_on() {
    // Not authorized.
    let mut rig = Rig { ack: Some(0x87), ..Rig::new() }.connect();
    rig.play(manner(), 4);
    rig.run_until(ms(1_500));
    rig.ack = Some(0);
    rig.run_until(ms(10_000));
    let view = rig.view();
    assert_eq!(view.statuses, [LineStatus::Failed(0), LineStatus::Failed(0), LineStatus::Done, LineStatus::Done]);
    assert_eq!((view.failed, view.first_failed, view.turn), (2, Some(0), TransmissionState::Over));
    let [PublishOutcome::Failed(words)] = view.failures.as_slice() else { panic!("{:?}", view.failures) };
    assert!(words.contains("rejected"), "{words}");
    // An invalid topic isn't even sent.
    rig.wish(TransmissionCommand::Begin(manner()));
    rig.wish(TransmissionCommand::Lines(vec![OutgoingMessage { topic: "a/#".to_owned(), payload: Vec::new() }]));
    rig.wish(TransmissionCommand::LinesComplete);
    rig.wish(TransmissionCommand::Play);
    rig.run_until(ms(11_000));
    let view = rig.view();
    assert_eq!((view.statuses, view.turn, rig.heard.len()), (vec![LineStatus::Failed(0)], TransmissionState::Over, 4));
}

#[test]
fn a_script_that_comes_in_slices_is_told_as_a_whole() {
    let mut rig = Rig::new().connect();
    rig.wish(TransmissionCommand::Begin(manner()));
    rig.wish(TransmissionCommand::Lines(cues(0..2)));
    rig.wish(TransmissionCommand::Play);
    rig.run_until(ms(5_000));
    assert_eq!(rig.view().turn, TransmissionState::Playing, "more may come");
    rig.wish(TransmissionCommand::Lines(cues(2..4)));
    rig.wish(TransmissionCommand::LinesComplete);
    rig.run_until(ms(60_000));
    assert_eq!(rig.times_ms(), [0, 1_000, 5_000, 6_000], "a late line moves those after it");
    assert_eq!(rig.view().turn, TransmissionState::Over);
}

#[test]
fn another_script_takes_the_place_of_the_last() {
    let mut rig = Rig { ack: None, ..Rig::new() }.connect();
    rig.play(manner(), 5);
    rig.run_until(ms(1_000));
    rig.wish(TransmissionCommand::Begin(manner()));
    rig.wish(TransmissionCommand::Lines(cues(7..9)));
    rig.wish(TransmissionCommand::LinesComplete);
    rig.acknowledge(2);
    let view = rig.view();
    assert_eq!(
        (view.done, view.turn, view.statuses.len()),
        (0, TransmissionState::Paused, 2),
        "acknowledgements of the last are its own"
    );
    rig.wish(TransmissionCommand::Play);
    rig.run_until(ms(60_000));
    assert_eq!(rig.texts(), ["0", "1", "7", "8"]);
}

#[test]
fn a_message_repeats_beside_a_script() {
    let mut rig = Rig::new().connect();
    rig.play(manner(), 3);
    let repeated = TransmissionSettings { interval_us: 400_000, repeat: Repeat::Rounds(3), ..manner() };
    let cue = OutgoingMessage { topic: "t".to_owned(), payload: b"tick".to_vec() };
    for wish in [
        TransmissionCommand::Begin(repeated),
        TransmissionCommand::Lines(vec![cue]),
        TransmissionCommand::LinesComplete,
        TransmissionCommand::Play,
    ] {
        rig.command(PanelCommand::Transmit(TransmissionSlot::Message, wish));
    }
    rig.run_until(ms(60_000));
    assert_eq!(rig.texts(), ["0", "tick", "tick", "tick", "1", "2"]);
    assert_eq!(rig.times_ms(), [0, 0, 400, 800, 1_000, 2_000]);
    let views = rig.views().expect("news");
    let told: Vec<_> = views.iter().map(|view| (view.deck, view.turn, view.sent, view.done)).collect();
    assert_eq!(
        told,
        [
            (TransmissionSlot::Script, TransmissionState::Over, 3, 3),
            (TransmissionSlot::Message, TransmissionState::Over, 3, 3)
        ]
    );
}

#[test]
fn a_slow_network_is_not_given_ever_more() {
    let mut rig = Rig::new().connect();
    let manner =
        TransmissionSettings { interval_us: 0, qos: QoS::AtMostOnce, repeat: Repeat::UntilStopped, ..manner() };
    rig.play(manner, 10);
    for _ in 0..5 {
        rig.engine.mark_unsent(2 << 20, rig.now);
        rig.engine.handle_timeout(rig.now);
        rig.serve();
        assert!(rig.heard.is_empty());
        let due = rig.engine.poll_timeout().expect("it looks again");
        assert!(due > rig.now, "after a while");
        rig.now = due;
    }
    rig.engine.mark_unsent(0, rig.now);
    rig.engine.handle_timeout(rig.now);
    rig.serve();
    assert!((1..1_000).contains(&rig.heard.len()), "a batch, and then the others have their turn");
}

#[test]
fn lines_wait_while_a_lasting_session_is_saved() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut rig = Rig::new();
        rig.engine.use_store();
        rig.command(PageCommand::SetConnectionOptions(Box::new(ConnectionOptions {
            session_expiry_s: Some(600),
            clean_start: false,
            ..ConnectionOptions::default()
        })));
        rig = rig.connect();
        let key = rig.engine.poll_load().expect("something to load");
        rig.engine.handle_loaded(&key, Ok(None), rig.now);
        rig.serve();
        let mut is_saving = false;
        rig.play(TransmissionSettings { interval_us: 0, qos, repeat: Repeat::UntilStopped, ..manner() }, 10);
        // Each write takes as long as ten turns of the worker.
        for turn in 1..100 {
            is_saving |= rig.engine.poll_save(rig.now).is_some();
            if is_saving {
                assert!(rig.engine.poll_timeout().is_none_or(|due| due > rig.now), "it sleeps until all is saved");
            }
            rig.engine.handle_timeout(rig.now);
            if turn % 10 == 0 && std::mem::take(&mut is_saving) {
                rig.engine.handle_saved(Ok(()));
            }
            rig.serve();
        }
        assert!((100..1_000).contains(&rig.heard.len()), "{} lines went out in ten batches", rig.heard.len());
    }
}
