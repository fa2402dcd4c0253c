//! Random runs of the whole engine: commands in any order, a broker that follows the rules or breaks them, a store that
//! answers late, not at all or with an error, another tab, and a clock that jumps.

mod export;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use mqtt_crawl::crawl::feed::CrawlRoom;
use mqtt_crawl::crawl::item::CrawlItem;
use mqtt_crawl::dialogue::rules::LineRules;
use mqtt_crawl::engine::tab_coordinator::{ClaimPriority, TabMessage, TabMessageKind};
use mqtt_crawl::engine::{Engine, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::message_log::ndjson::OwnedMessage;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{PublishProperties, QoS, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::protocol::command::{Command, PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions, Secret};
use mqtt_crawl::protocol::message::MessageRequest;
use mqtt_crawl::protocol::publish::PublishOutcome;
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::rows::{ListMode, Pull, SeekTarget, Window};
use mqtt_crawl::protocol::subscription::SubscribeRequest;
use mqtt_crawl::protocol::topics::TopicsRequest;
use mqtt_crawl::protocol::transmission::{
    LineRange, OutgoingMessage, TransmissionCommand, TransmissionSettings, TransmissionSlot,
};
use mqtt_crawl::protocol::update::{PanelsUpdate, Stats, Update};
use mqtt_crawl::time::Instant;
use mqtt_crawl::transmit::playlist::Repeat;
use proptest::prelude::*;

/// A text that must not be in any trace, update, export or saved session.
const PASSWORD: &str = "hunter2";

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_consistent_and_each_publish_has_one_outcome(
        script in prop::collection::vec(any::<(u8, u8)>(), 1..250),
        has_store in any::<bool>(),
    ) {
        Simulation::new(has_store).run(&script);
    }

    #[test]
    fn each_message_is_shown_skipped_or_pending(script in prop::collection::vec(any::<(u8, u8)>(), 1..100)) {
        let mut simulation = Simulation::new(false);
        // Received when the crawl started again, and shown or skipped since.
        let (mut begin, mut shown, mut last) = (0, 0, 0);
        for (action, argument) in script {
            match action % 8 {
                0..=2 => simulation.import(argument & !1),
                3 => simulation.import(argument | 1),
                4 => simulation.command_of_few_words(if argument & 1 == 0 { 4 } else { 6 }),
                5 => simulation.command(PageCommand::SetLogLimits(Limits { messages: u64::from(argument), bytes: u64::from(argument) << 8 })),
                _ => {}
            }
            let lines = if action & 8 == 0 { 0 } else { u32::from(argument % 9) };
            simulation.command(PageCommand::Pull(Pull { crawl: CrawlRoom { lines, ..CrawlRoom::default() }, ..Pull::default() }));
            let Some(update) = simulation.engine.poll_update() else { continue };
            let crawl_restarts = action % 8 == 3 || action % 8 == 4 && argument & 1 == 0;
            if crawl_restarts {
                (begin, shown, last) = (update.stats.received, 0, 0);
                prop_assert!(update.lines.is_empty() && update.stats.crawl_pending == 0);
            }
            for line in &update.lines {
                shown += if let CrawlItem::Skipped { count, .. } = line { *count } else { 1 };
                prop_assert!(seq_of(line) > last, "{:?}", update.lines);
                last = seq_of(line);
            }
            prop_assert_eq!(shown + update.stats.crawl_pending, update.stats.received - begin);
        }
    }
}

/// A WebSocket, and the broker's side of the connection.
#[derive(Default)]
struct Transport {
    is_open: bool,
    /// Whether CONNECT arrived.
    is_greeted: bool,
    is_v5: bool,
    is_accepted: bool,
    is_over: bool,
    /// The broker's pending packets, one each.
    answers: VecDeque<Vec<u8>>,
    receive_maximum: usize,
    /// Our QoS 1 and 2 messages that it hasn't fully acknowledged.
    unfinished: HashSet<[u8; 2]>,
}

struct Simulation {
    engine: Engine,
    now: Instant,
    /// The latest time so far.
    latest: Instant,
    transport: Option<Transport>,
    /// The requested key, and the start of the pending save.
    loading: Option<String>,
    saving: Option<Instant>,
    has_store: bool,
    /// The contents of the store.
    kept: Option<Vec<u8>>,
    next_number: u64,
    outcomes: HashMap<u64, PublishOutcome>,
}

impl Simulation {
    fn new(has_store: bool) -> Self {
        let mut engine = Engine::new(5, Limits { messages: 40, bytes: 1 << 16 });
        let now = Instant::from_millis(1_795_255_200_000);
        if has_store {
            engine.use_store();
        }
        engine.use_tabs(now);
        Self {
            engine,
            now,
            latest: now,
            transport: None,
            loading: None,
            saving: None,
            has_store,
            kept: None,
            next_number: 0,
            outcomes: HashMap::new(),
        }
    }

    fn run(mut self, script: &[(u8, u8)]) {
        for &(action, argument) in script {
            self.perform(action, argument);
            self.settle();
            self.check();
        }
        self.finish();
    }

    fn perform(&mut self, action: u8, argument: u8) {
        match action % 32 {
            0..=2 => self.connect(argument),
            3..=8 => self.serve_one(argument),
            9 => self.open(),
            10 => self.deliver_message(argument),
            11 => self.deliver_broken_message(argument),
            12 => self.lose_connection(),
            13..=15 => self.advance_clock(argument),
            16..=18 => self.publish(argument),
            19 | 20 => self.transmit(argument),
            21 | 22 => self.answer_of_the_store(argument),
            23 => self.subscribe(argument),
            24 => self.pull(argument),
            25 => self.other_tab(argument),
            26 => self.import(argument),
            27 => self.set_connection_options(argument),
            _ => self.command_of_few_words(argument),
        }
    }

    fn command(&mut self, command: impl Into<Command>) {
        self.engine.handle_command(command, self.now);
    }

    // ---- the person ---------------------------------------------------------

    fn connect(&mut self, argument: u8) {
        self.command(PageCommand::Connect(ConnectRequest {
            broker: if argument == 77 { "no address" } else { "ws://h:1/mqtt" }.to_owned(),
            topics: [&["#"][..], &["a/+", "b"], &[]][usize::from(argument / 3 % 8).saturating_sub(5)]
                .iter()
                .map(|topic| (*topic).to_owned())
                .collect(),
            qos: QoS::from_u8(argument / 24 % 3).unwrap_or_default(),
            version: [Some(Version::V5), Some(Version::V311), None][usize::from(argument % 3)],
            client_id: if argument.is_multiple_of(7) { "" } else { "c" }.to_owned(),
            user_name: Some("d".to_owned()),
            password: Some(Secret(PASSWORD.to_owned())),
            page: PageOrigin::default(),
        }));
    }

    fn set_connection_options(&mut self, argument: u8) {
        self.command(PageCommand::SetConnectionOptions(Box::new(ConnectionOptions {
            keep_alive_s: [0, 1, 30, u16::MAX][usize::from(argument % 4)],
            clean_start: argument & 4 == 0,
            session_expiry_s: [None, Some(0), Some(600), Some(u32::MAX)][usize::from(argument / 8 % 4)],
            receive_maximum: [0, 1, u16::MAX][usize::from(argument / 32 % 3)],
            subscription_identifier: Some(1).filter(|_| argument > 127),
            ..ConnectionOptions::default()
        })));
    }

    fn publish(&mut self, argument: u8) {
        let topic = ["a/x", "b", "a/#"][usize::from(argument / 3 % 7).saturating_sub(4)].to_owned();
        let qos = QoS::from_u8(argument % 3).unwrap_or_default();
        let request =
            PublishRequest { topic, qos, payload: vec![b'x'; usize::from(argument)], ..PublishRequest::default() };
        let number = self.next_number;
        self.next_number += 1;
        self.command(PanelCommand::Publish { number, request });
    }

    fn transmit(&mut self, argument: u8) {
        let slot = TransmissionSlot::ALL[usize::from(argument & 1)];
        let repeat = [Repeat::ONCE, Repeat::Rounds(3), Repeat::UntilStopped][usize::from(argument / 2 % 3)];
        let lines = |count| {
            let lines =
                (0..count).map(|line| OutgoingMessage { topic: "a/line".to_owned(), payload: vec![b'0' + line] });
            TransmissionCommand::Lines(lines.collect())
        };
        let commands = match argument / 2 % 12 {
            0..=4 => {
                let qos = QoS::from_u8(argument % 3).unwrap_or_default();
                // As fast as possible, or so slow that a jump of hours remains testable.
                let is_fast = repeat != Repeat::UntilStopped;
                let interval_us = if is_fast { 0 } else { 3_600_000_000 };
                let first = u64::from(argument / 32);
                let properties = PublishProperties::default();
                let manner = TransmissionSettings { interval_us, repeat, first, qos, retain: false, properties };
                vec![
                    TransmissionCommand::Begin(manner),
                    lines(argument % 9),
                    TransmissionCommand::LinesComplete,
                    TransmissionCommand::Play,
                ]
            }
            5 => vec![lines(3)],
            6 => vec![TransmissionCommand::LinesComplete],
            7 => vec![TransmissionCommand::Pause],
            8 => vec![TransmissionCommand::Seek(u64::from(argument))],
            9 => vec![TransmissionCommand::Seek(u64::MAX)],
            10 => vec![TransmissionCommand::Stop],
            _ => vec![TransmissionCommand::Play],
        };
        for transmission in commands {
            self.command(PanelCommand::Transmit(slot, transmission));
        }
    }

    fn subscribe(&mut self, argument: u8) {
        let filter = ["a/+", "b", "$share/g/c", "a/#/b"][usize::from(argument % 4)].to_owned();
        if argument & 4 == 0 {
            return self.command(PanelCommand::Unsubscribe(filter));
        }
        let options = SubscriptionOptions {
            qos: QoS::from_u8(argument / 8 % 3).unwrap_or_default(),
            no_local: argument > 200,
            ..SubscriptionOptions::default()
        };
        self.command(PanelCommand::Subscribe(SubscribeRequest { filter, options, identifier: Some(2) }));
    }

    fn import(&mut self, argument: u8) {
        let message = |seq| OwnedMessage {
            seq,
            time: Instant::from_millis(u64::from(argument) << 40),
            topic: "a/old".to_owned(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            properties: Vec::new(),
            payload: vec![b'o'],
        };
        let first = [1, u64::from(argument), u64::MAX][usize::from(argument / 2 % 3)];
        let messages = (0..u64::from(argument % 60)).map(|place| message(first.saturating_add(place))).collect();
        self.command(if argument & 1 == 0 { PanelCommand::Replay(messages) } else { PanelCommand::Import(messages) });
    }

    fn command_of_few_words(&mut self, argument: u8) {
        let command = match argument % 14 {
            0 => PageCommand::Disconnect,
            1 | 2 => PageCommand::RetryNow,
            3 => PageCommand::NetworkOffline,
            4 => PageCommand::Clear,
            5 => PageCommand::SetLogLimits(Limits { messages: u64::from(argument), bytes: u64::from(argument) << 8 }),
            6 => PageCommand::SetLineRules(LineRules::default()),
            7 => PageCommand::ShowInCrawl(u64::from(argument)),
            8 => PageCommand::ReplacePassword(Secret(PASSWORD.to_owned())),
            9 => PageCommand::InspectPassword(Secret(PASSWORD.to_owned())),
            10 => PageCommand::TakeOver,
            11 => PageCommand::Filter { text: "topic:a/x".to_owned(), ahead_of_utc_min: -720 },
            12 => PageCommand::Filter { text: "x -topic:b (".to_owned(), ahead_of_utc_min: 840 },
            _ => PageCommand::Filter { text: String::new(), ahead_of_utc_min: 0 },
        };
        self.command(command);
    }

    fn pull(&mut self, argument: u8) {
        let seq = u64::from(argument / 4);
        let goal = [
            SeekTarget::Message(seq),
            SeekTarget::RowAfter(u64::MAX),
            SeekTarget::MatchBefore(seq),
            SeekTarget::Near(0),
        ];
        let window = match argument % 4 {
            0 => Window::At { first: i64::MIN, rows: u32::MAX },
            1 => Window::At { first: i64::from(argument), rows: 9 },
            2 => Window::Around { goal: goal[usize::from(argument / 4 % 4)], rows: 9 },
            _ => Window::Tail { rows: u32::MAX },
        };
        let listed = if argument & 64 == 0 { ListMode::Matching } else { ListMode::All };
        let until = Some(seq).filter(|_| argument > 128);
        self.command(PageCommand::Pull(Pull {
            window,
            listed,
            until,
            selected: Some(seq),
            crawl: CrawlRoom { lines: u32::from(argument % 5), ..CrawlRoom::default() },
        }));
    }

    // ---- the browser --------------------------------------------------------

    fn other_tab(&mut self, argument: u8) {
        let key = "c ws://h:1/mqtt".to_owned();
        let priority =
            [ClaimPriority::New, ClaimPriority::Reconnecting, ClaimPriority::Connected][usize::from(argument % 3)];
        let kind = match argument / 3 % 4 {
            0 => TabMessageKind::Hello,
            1 => TabMessageKind::Claim { key, priority },
            2 => TabMessageKind::Deny { key, priority },
            _ => TabMessageKind::TakeOver { key },
        };
        self.engine.handle_tab_message(&TabMessage { tab: u64::from(argument & 8), kind }, self.now);
    }

    fn answer_of_the_store(&mut self, argument: u8) {
        let fails = argument.is_multiple_of(16);
        if self.saving.take().is_some() {
            return self.engine.handle_saved(if fails { Err("full".to_owned()) } else { Ok(()) });
        }
        if let Some(key) = self.loading.take() {
            let loaded = if fails { Err("broken".to_owned()) } else { Ok(self.kept.clone()) };
            self.engine.handle_loaded(&key, loaded, self.now);
        }
    }

    fn advance_clock(&mut self, argument: u8) {
        match argument % 8 {
            0 => self.now = self.now + Duration::from_hours(u64::from(argument)),
            // No driver's clock does this; still it does no harm.
            1 => self.now = self.now - Duration::from_millis(u64::from(argument)),
            2 => self.now = self.now + Duration::from_millis(u64::from(argument)),
            _ => self.now = self.engine.poll_timeout().map_or(self.now, |due| self.now.max(due)),
        }
        self.latest = self.latest.max(self.now);
        // Everything due is finished at one moment.
        let mut turns = 0;
        while self.engine.poll_timeout().is_some_and(|due| due <= self.now) {
            self.engine.handle_timeout(self.now);
            self.settle();
            turns += 1;
            assert!(turns < 200, "due for ever: {:?} at {:?}", self.engine.poll_timeout(), self.now);
        }
        self.engine.handle_timeout(self.now);
    }

    /// Runs the worker's steps after every event.
    fn settle(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            match transmit {
                Transmit::Dial { .. } => {
                    assert!(self.transport.is_none(), "one at a time");
                    self.transport = Some(Transport::default());
                }
                Transmit::HangUp => self.transport = None,
                Transmit::Send(bytes) => {
                    let bytes = bytes.to_vec();
                    let is_given_up = |since| self.latest.since(since) >= Duration::from_secs(10);
                    assert!(self.saving.is_none_or(is_given_up), "not before it is saved");
                    self.handle_packets(&bytes);
                }
            }
        }
        if self.has_store {
            self.loading = self.engine.poll_load().or(self.loading.take());
            if self.engine.poll_delete().is_some() {
                self.kept = None;
            }
            if let Some(save) = self.engine.poll_save(self.now) {
                self.saving = Some(self.now);
                assert!(!contains(&save.bytes, PASSWORD.as_bytes()), "a password in the store");
                self.kept = Some(save.bytes);
            }
        }
        while self.engine.poll_tab_message().is_some() {}
        if let Some(update) = self.engine.poll_update() {
            self.record(&update);
        }
    }

    // ---- the broker ---------------------------------------------------------

    fn open(&mut self) {
        if let Some(transport) = self.transport.as_mut().filter(|transport| !transport.is_open) {
            transport.is_open = true;
            self.engine.handle_open(self.now);
        }
    }

    fn lose_connection(&mut self) {
        if self.transport.take().is_some() {
            self.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, self.now);
        }
    }

    /// Passes our packets to the broker, which prepares its answers.
    fn handle_packets(&mut self, mut bytes: &[u8]) {
        let Some(transport) = &mut self.transport else { return };
        assert!(transport.is_open, "nothing is sent before the WebSocket is open");
        while let [first, rest @ ..] = bytes {
            let (length, header) = match rest {
                [low @ ..0x80, ..] => (usize::from(*low), 1),
                [low, high @ ..0x80, ..] => (usize::from(low & 0x7F) | usize::from(*high) << 7, 2),
                _ => panic!("a longer packet than there is"),
            };
            let (body, next) = rest[header..].split_at(length);
            bytes = next;
            assert!(!transport.is_over, "nothing follows DISCONNECT");
            assert_eq!(transport.is_greeted, first >> 4 != 1, "CONNECT comes first, and once");
            let id = |at: usize| [body[at], body[at + 1]];
            match first >> 4 {
                1 => (transport.is_greeted, transport.is_v5) = (true, body[6] == 5),
                3 if first & 0b110 != 0 => {
                    let id = id(2 + usize::from(body[1]));
                    assert!(id != [0, 0] && transport.unfinished.insert(id), "identifier {id:?} is in use");
                    assert!(transport.unfinished.len() <= transport.receive_maximum, "Receive Maximum");
                    let kind = if first & 0b100 == 0 { 0x40 } else { 0x50 };
                    transport.answers.push_back(vec![kind, 2, id[0], id[1]]);
                }
                5 => transport.answers.push_back(vec![0x62, 2, body[0], body[1]]),
                6 => transport.answers.push_back(vec![0x70, 2, body[0], body[1]]),
                8 => {
                    let filters = count_filters(&body[2..], transport.is_v5, 1);
                    transport.answers.push_back(ack(0x90, id(0), transport.is_v5, filters));
                }
                10 => {
                    let filters = if transport.is_v5 { count_filters(&body[2..], true, 0) } else { 0 };
                    transport.answers.push_back(ack(0xB0, id(0), transport.is_v5, filters));
                }
                12 => transport.answers.push_back(vec![0xD0, 0]),
                14 => transport.is_over = true,
                3 | 4 | 7 => {}
                other => panic!("a client doesn't send packets of type {other}"),
            }
        }
    }

    /// Returns the broker's next answer.
    fn serve_one(&mut self, argument: u8) {
        let Some(transport) = self.transport.as_mut().filter(|transport| transport.is_greeted) else { return };
        let packet = if transport.is_accepted {
            let Some(packet) = transport.answers.pop_front() else { return };
            if matches!(packet[0], 0x40 | 0x70) {
                transport.unfinished.remove(&[packet[2], packet[3]]);
            }
            packet
        } else {
            transport.is_accepted = true;
            transport.receive_maximum = if transport.is_v5 { usize::from(u16::MAX) } else { 20 };
            let flags = u8::from(argument % 4 == 1);
            match (argument / 4, transport.is_v5) {
                (0, true) => vec![0x20, 3, 0, 0x84, 0],
                (1, true) => vec![0x20, 2, 0, 1],
                (2, _) => vec![0x20, 2, 0, 3],
                (3, true) => vec![0x20, 3, 0, 0x87, 0],
                (4..20, true) => {
                    // Receive Maximum 1, Maximum Packet Size 60, Server Keep Alive 0, Topic Alias Maximum 1.
                    transport.receive_maximum = 1;
                    vec![0x20, 17, flags, 0, 14, 0x21, 0, 1, 0x27, 0, 0, 0, 60, 0x13, 0, 0, 0x22, 0, 1]
                }
                (_, true) => vec![0x20, 3, flags, 0, 0],
                (_, false) => vec![0x20, 2, flags, 0],
            }
        };
        let (begin, end) = packet.split_at(if argument & 1 == 0 { packet.len() / 2 } else { 0 });
        self.engine.handle_input(begin, self.now);
        self.settle();
        // The first half may have ended it already.
        if self.transport.is_some() {
            self.engine.handle_input(end, self.now);
        }
    }

    /// Handles an arriving message.
    fn deliver_message(&mut self, argument: u8) {
        let Some(transport) = self.transport.as_ref().filter(|transport| transport.is_accepted) else { return };
        let qos = argument % 3;
        let mut body = vec![0, 3, b'a', b'/', b'x'];
        if qos > 0 {
            body.extend([0, 1 + argument / 64]);
        }
        if transport.is_v5 {
            body.extend_from_slice(if argument & 4 == 0 { &[0] } else { &[4, 0x0B, 1, 0x0B, 2] });
        }
        body.push(argument);
        let mut packet = vec![0x30 | qos << 1, body.len() as u8];
        packet.extend(body);
        self.engine.handle_input(&packet, self.now);
    }

    fn deliver_broken_message(&mut self, argument: u8) {
        if self.transport.as_ref().is_none_or(|transport| !transport.is_open) {
            return;
        }
        match argument % 12 {
            0 => self.engine.handle_text_frame(self.now),
            1 => self.engine.handle_input(&[0xE0, 0], self.now),
            2 => self.engine.handle_input(&[0xE0, 1, 0x8E], self.now),
            3 => self.engine.handle_input(&[0xE0, 1, 0x97], self.now),
            4 => self.engine.handle_input(&[argument], self.now),
            5 => self.engine.handle_input(&[0x62, 2, 0, argument], self.now),
            6 => self.engine.handle_input(&[0x50, 2, 0, argument / 12], self.now),
            7 => self.engine.handle_input(&[0x90, 3, 0, argument / 12, 0], self.now),
            8 => self.engine.handle_input(&[0x30, 6, 0, 0, 3, 0x23, 0, 9], self.now),
            9 => self.engine.handle_input(&[0x20, 3, 1, 0, 0], self.now),
            10 => self.engine.handle_input(&[0xD0, 0, 0xD0, 0], self.now),
            _ => self.engine.handle_input(&[0xF0, 0], self.now),
        }
    }

    // ---- invariants ---------------------------------------------------------

    fn check(&mut self) {
        let request = PanelsRequest { stats: true, subscriptions: true, ..PanelsRequest::default() };
        self.panels(request);
        self.command(PageCommand::Pull(Pull { until: Some(u64::MAX), ..Pull::default() }));
        self.settle();
    }

    fn panels(&mut self, request: PanelsRequest) -> Option<PanelsUpdate> {
        self.command(PanelCommand::Pull(request));
        let update = self.engine.poll_panels()?;
        for published in &update.published {
            let before = self.outcomes.insert(published.number, published.outcome.clone());
            assert_eq!(before, None, "a second outcome of {}", published.number);
        }
        update.stats.iter().for_each(add_up);
        Some(update)
    }

    fn record(&mut self, update: &Update) {
        add_up(&update.stats);
        let rows = &update.rows;
        assert!(update.stats.matching <= update.stats.kept, "{:?}", update.stats);
        assert!(rows.total + rows.newer <= update.stats.kept);
        assert!(rows.rows.len() as u64 <= rows.total);
        // The first may be a requested one.
        let shown = update.lines.iter().skip(1).map(seq_of);
        assert!(shown.is_sorted_by(|one, next| one < next), "{:?}", update.lines);
        let bytes = postcard::to_allocvec(update).expect("plain data");
        assert!(!contains(&bytes, PASSWORD.as_bytes()), "a password on the page");
    }

    /// All follow the rules from now on, and no further commands are given.
    fn finish(mut self) {
        let mut quiet = 0;
        for _ in 0..2_000 {
            self.answer_of_the_store(1);
            self.settle();
            self.open();
            self.settle();
            self.serve_one(255);
            self.settle();
            let is_at_rest = self.transport.as_ref().is_none_or(|held| held.is_accepted && held.answers.is_empty());
            if is_at_rest && self.saving.is_none() && self.loading.is_none() {
                quiet += 1;
                self.advance_clock(3);
                self.settle();
            }
            if quiet > 40 {
                break;
            }
        }
        assert!(quiet > 40, "it doesn't settle");
        self.check();
        if self.transport.as_ref().is_some_and(|held| held.is_accepted && held.answers.is_empty())
            && self.saving.is_none()
        {
            assert_eq!(self.outcomes.len() as u64, self.next_number, "each publish has an outcome");
        }
        self.connect(1);
        self.answer_of_the_store(1);
        self.advance_clock(3);
        self.answer_of_the_store(1);
        self.settle();
        let request = PanelsRequest {
            topics: Some(TopicsRequest { rows: 99, ..TopicsRequest::default() }),
            message: Some(MessageRequest { seq: 1, from_byte: 0 }),
            trace_from: Some(0),
            samples: TopicFilter::parse("#").ok(),
            script: LineRange { first: 0, count: 99 },
            ..PanelsRequest::default()
        };
        let update = self.panels(request).expect("an answer");
        assert_eq!(self.outcomes.len() as u64, self.next_number, "each publish has an outcome");
        let bytes = postcard::to_allocvec(&update).expect("plain data");
        assert!(!contains(&bytes, PASSWORD.as_bytes()), "a password in the panels");
        for view in update.transmissions.unwrap_or_default() {
            assert!(view.done + view.failed <= view.sent, "{view:?}");
        }
        let exported = export::ndjson(&mut self.engine, self.now);
        assert!(!contains(&exported, PASSWORD.as_bytes()), "a password in the export");
    }
}

fn add_up(stats: &Stats) {
    assert_eq!(stats.received, stats.kept + stats.evicted + stats.cleared, "{stats:?}");
    assert!(stats.crawl_pending <= stats.received + 1, "{stats:?}");
}

fn seq_of(item: &CrawlItem) -> u64 {
    match item {
        CrawlItem::Line { seq, .. } | CrawlItem::Skipped { seq, .. } => *seq,
    }
}

/// Returns the number of filters after the identifier of a SUBSCRIBE or UNSUBSCRIBE.
fn count_filters(mut body: &[u8], is_v5: bool, options_bytes: usize) -> usize {
    if is_v5 {
        body = &body[1 + usize::from(body[0])..];
    }
    let mut filters = 0;
    while let [high, low, rest @ ..] = body {
        body = &rest[usize::from(u16::from_be_bytes([*high, *low])) + options_bytes..];
        filters += 1;
    }
    filters
}

/// Returns a SUBACK or UNSUBACK with this number of successes.
fn ack(first: u8, id: [u8; 2], is_v5: bool, filters: usize) -> Vec<u8> {
    let mut body = id.to_vec();
    body.extend(is_v5.then_some(0));
    body.extend(std::iter::repeat_n(0, filters));
    let mut packet = vec![first, body.len() as u8];
    packet.extend(body);
    packet
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
