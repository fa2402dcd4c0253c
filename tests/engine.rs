//! The engine as the worker drives it: bytes and commands in, updates out, in virtual time.

mod export;

use std::time::Duration;

use mqtt_crawl::crawl::feed::CrawlRoom;
use mqtt_crawl::crawl::item::CrawlItem;
use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::rules::LineRules;
use mqtt_crawl::engine::{Engine, StoreWrite, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::message_log::mosquitto_command::BrokerAccess;
use mqtt_crawl::message_log::ndjson::OwnedMessage;
use mqtt_crawl::message_log::query::suggest::SuggestionQuery;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{QoS, RetainHandling, SubscriptionOptions, Version};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::protocol::command::{Command, PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::protocol::connection::ConnectionState;
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions, Secret};
use mqtt_crawl::protocol::message::MessageRequest;
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::publish::{PublishOutcome, Published};
use mqtt_crawl::protocol::rows::{Highlights, Preview};
use mqtt_crawl::protocol::rows::{Pull, Window};
use mqtt_crawl::protocol::subscription::SubscribeRequest;
use mqtt_crawl::protocol::subscription::{CountSource, Subscription, SubscriptionStatus, SubscriptionsView};
use mqtt_crawl::protocol::topics::TopicsRequest;
use mqtt_crawl::protocol::topics::TopicsView;
use mqtt_crawl::protocol::update::{PanelsUpdate, Update};
use mqtt_crawl::time::Instant;
use mqtt_crawl::topics::LEVELS_MAX;

struct Bench {
    engine: Engine,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { engine: Engine::new(3, Limits::default()), now: Instant::from_millis(1_000) }
    }

    fn online() -> Self {
        let mut bench = Self::new();
        bench.command(PageCommand::Connect(request()));
        bench.engine.handle_open(bench.now);
        bench.serve(&[0x20, 3, 0, 0, 0]);
        bench.serve(&[0x90, 4, 0, 1, 0, 0]);
        bench.transmits();
        bench
    }

    fn command(&mut self, command: impl Into<Command>) {
        self.engine.handle_command(command, self.now);
    }

    fn serve(&mut self, bytes: &[u8]) {
        self.engine.handle_input(bytes, self.now);
    }

    fn message(&mut self, topic: &str, payload: &str) {
        let mut packet = vec![0x30];
        let mut length = topic.len() + payload.len() + 3;
        while length > 0x7F {
            packet.push(length as u8 | 0x80);
            length >>= 7;
        }
        packet.extend([length as u8, 0, topic.len() as u8]);
        packet.extend_from_slice(topic.as_bytes());
        packet.push(0);
        packet.extend_from_slice(payload.as_bytes());
        self.serve(&packet);
    }

    /// Lets the store answer the pending request.
    fn load(&mut self, loaded: Result<Option<Vec<u8>>, String>) {
        let key = self.engine.poll_load().expect("something to load");
        assert_eq!(self.engine.poll_load(), None, "requested once");
        assert!(self.transmits().is_empty(), "dialled before the store answered");
        self.engine.handle_loaded(&key, loaded, self.now);
    }

    /// Confirms all saves; returns the last of them.
    fn save(&mut self) -> Option<StoreWrite> {
        let mut last = None;
        while let Some(save) = self.engine.poll_save(self.now) {
            assert_eq!(self.engine.poll_save(self.now), None, "one at a time");
            self.engine.handle_saved(Ok(()));
            last = Some(save);
        }
        last
    }

    /// Returns the bytes that are sent now, joined.
    fn sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.engine.poll_transmit() {
            if let Transmit::Send(bytes) = transmit {
                sent.extend_from_slice(bytes);
            }
        }
        sent
    }

    fn transmits(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.engine.poll_transmit() {
            sent.push(match transmit {
                Transmit::Dial { url } => format!("dial {url}"),
                Transmit::Send(bytes) => format!("send {} bytes", bytes.len()),
                Transmit::HangUp => "hang up".to_owned(),
            });
        }
        sent
    }

    fn pull(&mut self, rows: u32, lines: u32) -> Option<Update> {
        self.command(PageCommand::Pull(Pull {
            window: Window::Tail { rows },
            crawl: CrawlRoom { lines, ..CrawlRoom::default() },
            ..Pull::default()
        }));
        self.engine.poll_update()
    }

    /// Returns the update for the panels.
    fn panels(&mut self) -> Option<PanelsUpdate> {
        self.command(PanelCommand::Pull(PanelsRequest::default()));
        self.engine.poll_panels()
    }

    /// Returns the update for the panels while the tree of topics is open.
    fn topics(&mut self) -> Option<TopicsView> {
        let topics = Some(TopicsRequest { rows: 9, ..TopicsRequest::default() });
        self.command(PanelCommand::Pull(PanelsRequest { topics, ..PanelsRequest::default() }));
        self.engine.poll_panels()?.topics
    }

    /// Returns the update for the panels while the list of subscriptions is open.
    fn subscriptions(&mut self) -> Option<SubscriptionsView> {
        self.command(PanelCommand::Pull(PanelsRequest { subscriptions: true, ..PanelsRequest::default() }));
        self.engine.poll_panels()?.subscriptions
    }

    /// Lets the broker answer the outgoing SUBSCRIBE or UNSUBSCRIBE, which is returned.
    fn acknowledge(&mut self, reason: u8) -> Vec<u8> {
        let asked = self.sent();
        let ack = match asked.first() {
            Some(0x82) => 0x90,
            Some(0xA2) => 0xB0,
            _ => panic!("neither SUBSCRIBE nor UNSUBSCRIBE: {asked:02x?}"),
        };
        self.serve(&[ack, 4, asked[2], asked[3], 0, reason]);
        asked
    }

    /// Loses the connection and restores it without the session. Returns the new subscriptions.
    fn reconnect(&mut self) -> Vec<u8> {
        self.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, self.now);
        self.transmits();
        self.now = self.engine.poll_timeout().expect("another attempt");
        self.engine.handle_timeout(self.now);
        self.transmits();
        self.engine.handle_open(self.now);
        self.transmits();
        self.serve(&[0x20, 3, 0, 0, 0]);
        self.sent()
    }

    fn published(&mut self) -> Vec<Published> {
        self.panels().expect("something new").published
    }

    /// Returns all updates for the page, as a page would fetch them.
    fn update(&mut self) -> Update {
        self.pull(100, 0).expect("something new")
    }
}

fn request() -> ConnectRequest {
    ConnectRequest {
        broker: "ws://h:1/mqtt".to_owned(),
        topics: vec!["StarWars".to_owned()],
        qos: QoS::AtMostOnce,
        version: Some(Version::V5),
        client_id: "c".to_owned(),
        user_name: None,
        password: None,
        page: PageOrigin::default(),
    }
}

#[test]
fn message_reaches_console_and_crawl() {
    let mut bench = Bench::online();
    bench.message("StarWars", r#"{"character":"ADA","text":"Hello."}"#);
    let update = bench.pull(10, 4).expect("something new");
    assert_eq!(update.connection.state, ConnectionState::Connected);
    assert_eq!(update.connection.version, Some(Version::V5));
    assert_eq!(update.connection.subscriptions[0].granted, SubscriptionStatus::QoS(QoS::AtMostOnce));
    let row = &update.rows.rows[0];
    assert_eq!((row.seq, row.topic.as_str(), row.time), (1, "StarWars", bench.now));
    assert_eq!(row.preview, Preview::Text(r#"{"character":"ADA","text":"Hello."}"#.to_owned()));
    let line = Line { character: "ADA".to_owned(), text: "Hello.".to_owned() };
    assert_eq!(update.lines, [CrawlItem::Line { seq: 1, line }]);
}

#[test]
fn no_update_without_changes() {
    let mut bench = Bench::new();
    assert!(bench.pull(10, 4).is_some(), "the first pull is always answered");
    assert!(bench.pull(10, 4).is_none());
    // The pull waits for an update …
    bench.command(PageCommand::Connect(request()));
    let update = bench.engine.poll_update().expect("something new");
    assert_eq!(update.connection.state, ConnectionState::Connecting);
    // … and is used up by it.
    assert!(bench.engine.poll_update().is_none());
    // Another window is an update for its requester.
    assert!(bench.pull(20, 4).is_some());
}

#[test]
fn unpolled_page_is_not_queued_for_and_loses_nothing() {
    let mut bench = Bench::online();
    for n in 1..=1_000 {
        bench.message("t", &format!("line {n}"));
        assert!(n == 1_000 || bench.engine.poll_timeout().is_some());
    }
    let update = bench.pull(5, 4).expect("something new");
    assert_eq!((update.stats.received, update.stats.kept, update.stats.matching), (1_000, 1_000, 1_000));
    assert_eq!((update.rows.first, update.rows.begin, update.rows.total), (996, 1, 1_000));
    assert_eq!(update.rows.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [996, 997, 998, 999, 1_000]);
    // The crawl gets the number of missed messages, then the newest.
    assert_eq!(update.lines[0], CrawlItem::Skipped { seq: 980, count: 980 });
    assert!(matches!(&update.lines[1], CrawlItem::Line { seq: 981, .. }));
    assert_eq!((update.lines.len(), update.stats.crawl_pending), (4, 17));
}

#[test]
fn every_line_is_shown_once_and_in_order() {
    let mut bench = Bench::online();
    let mut items = Vec::new();
    for n in 1..=100 {
        bench.message("t", &n.to_string());
        if n % 10 == 0 {
            while let Some(update) = bench.pull(0, 3) {
                items.extend(update.lines);
            }
        }
    }
    let seqs: Vec<_> = items
        .iter()
        .map(|item| match item {
            CrawlItem::Line { seq, .. } => *seq,
            CrawlItem::Skipped { .. } => panic!("nothing was to be passed over"),
        })
        .collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
}

#[test]
fn received_equals_kept_evicted_and_cleared() {
    let mut bench = Bench::online();
    for n in 0..300 {
        bench.message("t", &n.to_string());
    }
    bench.command(PageCommand::Clear);
    for n in 0..7 {
        bench.message("t", &n.to_string());
    }
    let stats = bench.update().stats;
    assert_eq!((stats.received, stats.kept, stats.cleared), (307, 7, 300));
    assert_eq!(stats.received, stats.kept + stats.evicted + stats.cleared);
}

#[test]
fn smaller_limits_apply_immediately_and_are_counted() {
    let mut bench = Bench::online();
    for number in 0..3_000 {
        bench.message("StarWars", &format!("{number}"));
    }
    bench.command(PageCommand::Filter { text: "9".to_owned(), ahead_of_utc_min: 0 });
    let limits = Limits { messages: 1_000, ..Limits::default() };
    bench.command(PageCommand::SetLogLimits(limits));
    let Update { stats, rows, .. } = bench.update();
    assert_eq!((stats.received, stats.kept, stats.evicted), (3_000, 1_000, 2_000));
    assert_eq!(stats.matching, (2_000..3_000).filter(|number: &u32| number.to_string().contains('9')).count() as u64);
    assert_eq!(rows.rows.last().map(|row| row.seq), Some(3_000));
}

#[test]
fn filter_shows_matches_and_new_messages() {
    let mut bench = Bench::online();
    for n in 0..50 {
        bench.message(if n % 10 == 0 { "alarm" } else { "t" }, &n.to_string());
    }
    bench.command(PageCommand::Filter { text: "alarm".to_owned(), ahead_of_utc_min: 0 });
    let update = bench.update();
    assert_eq!((update.stats.matching, update.stats.kept), (5, 50));
    assert_eq!(update.rows.rows.len(), 5);
    let marks = Highlights { topic: vec![(0, 5)], payload: vec![] };
    assert!(update.rows.rows.iter().all(|row| row.marks.as_ref() == Some(&marks)));
    bench.message("alarm", "again");
    assert_eq!(bench.update().stats.matching, 6);

    bench.command(PageCommand::Filter { text: "qos:9".to_owned(), ahead_of_utc_min: 0 });
    let update = bench.update();
    assert!(update.filter_error.is_some());
    assert_eq!(update.stats.matching, 6, "a filter half typed changes nothing");

    bench.command(PageCommand::Filter { text: String::new(), ahead_of_utc_min: 0 });
    let update = bench.update();
    assert_eq!((update.stats.matching, update.filter_error), (51, None));
    assert!(update.rows.rows.iter().all(|row| row.marks.is_none()));
}

#[test]
fn rows_have_source_and_time() {
    let mut bench = Bench::new();
    let topics = ["#", "t/+", "$share/g/u"].map(str::to_owned).to_vec();
    bench.command(PageCommand::Connect(ConnectRequest { topics, ..request() }));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    bench.message("t/a", "");
    bench.now = bench.now + Duration::from_millis(250);
    bench.message("$SYS/x", "");
    let rows = bench.pull(1, 0).expect("news").rows;
    assert_eq!(rows.rows[0].colour, None);
    assert_eq!((rows.before, rows.zero), (Some(Instant::from_millis(1_000)), Instant::from_millis(1_000)));
    bench.command(PageCommand::Disconnect);
    let rows = bench.update().rows;
    assert_eq!(rows.rows.iter().map(|row| row.colour).collect::<Vec<_>>(), [Some(0), None]);
    assert_eq!(rows.before, None);
    bench.command(PageCommand::Clear);
    bench.update();
    bench.now = bench.now + Duration::from_secs(1);
    bench.command(PanelCommand::Replay(vec![from_file(1, "")]));
    assert_eq!(bench.update().rows.zero, bench.now, "the count restarts");
}

#[test]
fn large_log_is_filtered_in_slices() {
    let mut bench = Bench::online();
    for n in 0..50_000 {
        bench.message("t", &n.to_string());
    }
    bench.command(PageCommand::Filter { text: "7".to_owned(), ahead_of_utc_min: 0 });
    let mut slices = 0;
    while bench.engine.poll_timeout() == Some(Instant::EPOCH) {
        bench.engine.handle_timeout(bench.now);
        slices += 1;
    }
    assert!((1..=10).contains(&slices), "{slices}");
    let with_a_seven = (0..50_000).filter(|n: &u32| n.to_string().contains('7')).count() as u64;
    assert_eq!(bench.update().stats.matching, with_a_seven);
}

#[test]
fn filter_work_pauses_in_a_flood() {
    let mut bench = Bench::online();
    for n in 0..50_000 {
        bench.message("t", &n.to_string());
    }
    bench.command(PageCommand::Filter { text: "7".to_owned(), ahead_of_utc_min: 0 });
    assert_eq!(bench.engine.poll_timeout(), Some(Instant::EPOCH), "nothing has arrived since");
    for n in 0..3_000 {
        bench.message("t", &n.to_string());
    }
    bench.engine.handle_timeout(bench.now);
    let due = bench.now + Duration::from_millis(40);
    for _ in 0..5 {
        bench.engine.handle_timeout(bench.now);
        assert_eq!(bench.engine.poll_timeout(), Some(due), "too early");
    }
    bench.now = due;
    while bench.engine.poll_timeout().is_some_and(|due| due <= bench.now) {
        bench.engine.handle_timeout(bench.now);
    }
    let all = (0..50_000).chain(0..3_000).filter(|n: &u32| n.to_string().contains('7')).count() as u64;
    assert_eq!(bench.update().stats.matching, all);
}

#[test]
fn requested_window_starts_at_the_scrolled_position() {
    let mut bench = Bench::online();
    for n in 1..=100 {
        bench.message("t", &n.to_string());
    }
    for (first, begins, rows) in [(i64::MIN, 1, 10), (1, 1, 10), (43, 43, 10), (96, 91, 10), (i64::MAX, 91, 10)] {
        bench.command(PageCommand::Pull(Pull { window: Window::At { first, rows }, ..Pull::default() }));
        let update = bench.engine.poll_update().expect("another window");
        assert_eq!((update.rows.first, update.rows.rows.len()), (begins, 10));
        assert_eq!(i64::try_from(update.rows.rows[0].seq), Ok(begins));
    }
}

#[test]
fn invalid_settings_are_reported_without_dialling() {
    for (topics, broker, expected) in [
        (vec![], "ws://h/", "at least one topic"),
        (vec!["a/#/b"], "ws://h/", "#"),
        (vec![""], "ws://h/", "empty"),
        (vec!["a"], "not a url", "broker URL"),
    ] {
        let mut bench = Bench::online();
        let topics = topics.into_iter().map(str::to_owned).collect();
        bench.command(PageCommand::Connect(ConnectRequest { topics, broker: broker.to_owned(), ..request() }));
        assert!(!bench.transmits().iter().any(|sent| sent.starts_with("dial")));
        let connection = bench.update().connection;
        assert_eq!(connection.state, ConnectionState::Stopped);
        assert!(connection.message.contains(expected), "{}", connection.message);
    }
}

#[test]
fn wrong_password_stops_and_is_reported() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(request()));
    assert_eq!(bench.transmits(), ["dial ws://h:1/mqtt"]);
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 0, 0x86, 0]);
    assert_eq!(bench.transmits(), ["hang up"]);
    assert_eq!(bench.engine.poll_timeout(), None);
    let connection = bench.update().connection;
    assert_eq!(connection.state, ConnectionState::Stopped);
    assert!(connection.message.contains("user name or password"), "{}", connection.message);
    assert!(!connection.advice.is_empty());
}

#[test]
fn lost_connection_is_restored_and_counted() {
    let mut bench = Bench::online();
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    let connection = bench.update().connection;
    assert_eq!(connection.state, ConnectionState::Reconnecting);
    assert!(connection.retry_at.is_some());
    bench.now = bench.engine.poll_timeout().expect("a retry");
    bench.engine.handle_timeout(bench.now);
    assert_eq!(bench.transmits(), ["dial ws://h:1/mqtt"]);
    let connection = bench.update().connection;
    assert_eq!((connection.state, connection.retry_at), (ConnectionState::Reconnecting, None));
    bench.engine.handle_open(bench.now);
    assert_eq!(bench.transmits(), ["send 27 bytes"]);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    let update = bench.update();
    assert_eq!((update.connection.state, update.stats.reconnects), (ConnectionState::Connected, 1));
    assert_eq!(bench.transmits(), ["send 16 bytes"], "the subscription is restored");
}

/// Returns how a connection to this address fails, and the first advice.
#[test]
fn diagnosis_uses_the_address_and_the_failure() {
    let closed = || CloseInfo { code: Some(1006), reason: String::new() };
    for (broker, millis, first) in [
        ("ws://h:1883/mqtt", 5, "Port 1883 is normally MQTT over TCP"),
        ("ws://h:9001/mqtt", 5, "Check that the broker is running and that h:9001"),
        ("ws://h:9001/mqtt", 9_000, "No response from h for 9.0 s."),
        ("wss://h:8080/mqtt", 5, "Port 8080 normally has no TLS. Try ws://h:8080/mqtt"),
        ("ws://h:8884/mqtt", 5, "Port 8884 normally has TLS. Try wss://h:8884/mqtt"),
        ("ws://h/mqtt", 5, "Check that the broker is running and that h:80"),
        ("wss://[::1]:4000/x", 5, "The browser may not trust the broker's certificate"),
    ] {
        let mut bench = Bench::new();
        bench.command(PageCommand::Connect(ConnectRequest { broker: broker.to_owned(), ..request() }));
        bench.transmits();
        bench.now = bench.now + Duration::from_millis(millis);
        bench.engine.handle_close(closed(), bench.now);
        let connection = bench.update().connection;
        assert!(connection.advice[0].text.starts_with(first), "{broker}: {:?}", connection.advice);
        assert!(connection.advice.iter().any(|advice| advice.text.contains("/diffusion")), "{broker}: the path");
        let link = connection.advice.iter().find_map(|advice| advice.link.as_deref());
        assert_eq!(link.is_some(), broker.starts_with("wss"), "{broker}");
        assert_eq!(link.is_some_and(|link| link == "https://[::1]:4000/"), broker.contains("4000"));
        let evidence: Vec<_> = connection.evidence.iter().map(|e| format!("{}: {}", e.name, e.value)).collect();
        assert_eq!(evidence[0], format!("Tried: {broker} with MQTT 5.0"));
        assert!(evidence[1].starts_with("WebSocket: failed after "), "{evidence:?}");
        assert_eq!(evidence[2], "Close code: 1006 (no further details available)");
        assert_eq!(evidence[3], "Bytes received: 0");
    }
}

/// The first advice, depending on the origin of the page.
#[test]
fn diagnosis_names_ports_blocked_by_browsers() {
    for (origin, broker, first) in [
        ("https://crawl.example", "ws://127.0.0.1:9001/mqtt", "Safari blocks ws:// from https pages"),
        ("https://crawl.example", "ws://crawl.localhost:9001/mqtt", "Safari blocks ws:// from https pages"),
        ("https://crawl.example", "ws://broker.example:9001/mqtt", "This page was loaded over https"),
        ("https://127.0.0.1:8443", "ws://localhost:9001/mqtt", "Safari blocks ws:// from https pages"),
        ("https://crawl.example", "wss://192.168.1.7:9001/mqtt", "Chrome and Edge (version 147 and later) ask"),
        ("http://crawl.example", "ws://192.168.1.7:9001/mqtt", "Chrome and Edge (version 147 and later) block"),
        ("http://crawl.example", "ws://broker.example:9001/mqtt", "Check that the broker is running"),
        ("http://192.168.1.2", "ws://192.168.1.7:9001/mqtt", "Check that the broker is running"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:9001/mqtt", "Check that the broker is running"),
        ("https://crawl.example", "wss://broker.example:6000/mqtt", "Browsers block port 6000"),
        ("https://crawl.example", "wss://broker.example:6667/mqtt", "Browsers block port 6667"),
    ] {
        let mut bench = Bench::new();
        let page = PageOrigin::parse(origin);
        bench.command(PageCommand::Connect(ConnectRequest { broker: broker.to_owned(), page, ..request() }));
        bench.transmits();
        bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
        let advice = bench.update().connection.advice;
        let advice: Vec<_> = advice.iter().map(|advice| &advice.text).collect();
        assert!(advice[0].starts_with(first), "{origin}, {broker}: {advice:#?}");
        let is_about_browsers = |text: &&&String| text.contains("Safari") || text.contains("Chrome");
        let count = advice.iter().filter(is_about_browsers).count();
        let names_one = first.contains("Safari") || first.contains("Chrome");
        assert_eq!(count > 0, names_one, "{origin}, {broker}: {advice:#?}");
    }
}

/// A server that accepts a WebSocket only to close it with a reason knows better than any guess, and its objection
/// doesn't go away on its own.
#[test]
fn refused_page_shows_the_reason() {
    const REASON: &str = "origin not allowed: start the station with --allow-origin https://other.example";
    let check_opened = |is_opened: bool, code: u16, reason: &str, is_final: bool| {
        let mut bench = Bench::new();
        bench.command(PageCommand::Connect(ConnectRequest { version: None, ..request() }));
        bench.transmits();
        if is_opened {
            bench.engine.handle_open(bench.now);
            bench.transmits();
        }
        bench.engine.handle_close(CloseInfo { code: Some(code), reason: reason.to_owned() }, bench.now);
        let update = bench.update();
        let connection = update.connection;
        assert_eq!(connection.state == ConnectionState::Stopped, is_final, "{code} {reason}: {:?}", connection.state);
        assert_eq!(bench.transmits().is_empty(), is_final, "{code} {reason}: 3.1.1 was tried");
        connection
    };
    for is_opened in [true, false] {
        let refused = check_opened(is_opened, 1008, REASON, true);
        assert!(refused.message.contains(REASON), "{}", refused.message);
        assert!(refused.advice.is_empty(), "{:?}", refused.advice);
    }
    let check = |code: u16, reason: &str, is_final: bool| check_opened(true, code, reason, is_final);
    check(1008, "", false);
    check(1006, "", false);
    check(1011, "overloaded", false);
}

#[test]
fn throttled_browser_attempts_are_not_diagnosed_as_firewall() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(ConnectRequest { broker: "ws://h:9001/mqtt".to_owned(), ..request() }));
    let mut fail_after = |waited| {
        bench.transmits();
        bench.now = bench.now + waited;
        bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
        let advice = format!("{:?}", bench.update().connection.advice);
        bench.command(PageCommand::RetryNow);
        advice
    };
    let unknown = fail_after(Duration::from_secs(9));
    assert!(unknown.contains("any firewall"), "{unknown}");
    let refused = fail_after(Duration::from_millis(3));
    assert!(refused.contains("Check that the broker is running") && !refused.contains("Firefox"), "{refused}");
    let held_back = fail_after(Duration::from_secs(9));
    assert!(held_back.contains("Firefox delays new connections") && !held_back.contains("firewall"), "{held_back}");
}

#[test]
fn diagnosis_shows_the_first_bytes() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(request()));
    bench.transmits();
    bench.now = bench.now + Duration::from_millis(12);
    bench.engine.handle_open(bench.now);
    bench.now = bench.now + Duration::from_millis(30);
    bench.serve(b"SSH-2.0-OpenSSH_9.2\r\n");
    let connection = bench.update().connection;
    let evidence = format!("{:?}", connection.evidence);
    for part in ["opened in 12 ms, closed after 30 ms", "21", "53 53 48 2d 32", "Violated rule", "Offending packet"] {
        assert!(evidence.contains(part), "{part}: {evidence}");
    }

    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(request()));
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 0, 0x87, 0]);
    let connection = bench.update().connection;
    assert!(connection.advice[0].text.starts_with("Enter a user name and password"), "{:?}", connection.advice);
    assert!(format!("{:?}", connection.evidence).contains("not authorized (0x87)"));

    // Mosquitto answers the same to a wrong password.
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(ConnectRequest { user_name: Some("ada".to_owned()), ..request() }));
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 0, 0x87, 0]);
    let connection = bench.update().connection;
    assert!(connection.advice[0].text.starts_with("Check the user name and password"), "{:?}", connection.advice);
}

#[test]
fn being_offline_is_the_first_advice() {
    let mut bench = Bench::online();
    bench.command(PageCommand::NetworkOffline);
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    assert!(bench.update().connection.advice[0].text.starts_with("You're offline"));
    bench.command(PageCommand::RetryNow);
    assert_eq!(bench.transmits(), ["dial ws://h:1/mqtt"]);
    bench.engine.handle_close(CloseInfo::default(), bench.now);
    assert!(!bench.update().connection.advice[0].text.contains("offline"));
}

fn publish(number: u64, topic: &str, qos: QoS) -> PanelCommand {
    let request = PublishRequest { topic: topic.to_owned(), qos, ..PublishRequest::default() };
    PanelCommand::Publish { number, request }
}

#[test]
fn each_publish_has_one_outcome() {
    let mut bench = Bench::online();
    bench.command(publish(7, "a", QoS::AtMostOnce));
    bench.command(publish(8, "a", QoS::AtLeastOnce));
    bench.command(publish(9, "a/#", QoS::AtMostOnce));
    bench.command(publish(10, "a", QoS::ExactlyOnce));
    bench.command(publish(11, "a", QoS::AtLeastOnce));
    let published = bench.published();
    assert_eq!(published[0], Published { number: 7, outcome: PublishOutcome::Done });
    assert!(
        matches!(&published[1], Published { number: 9, outcome: PublishOutcome::Failed(why) } if why.contains('#'))
    );
    assert_eq!(published.len(), 2);
    bench.serve(&[0x40, 2, 0, 2]);
    bench.serve(&[0x50, 3, 0, 3, 0x97]);
    let published = bench.published();
    assert_eq!(published[0], Published { number: 8, outcome: PublishOutcome::Done });
    assert!(
        matches!(&published[1], Published { number: 10, outcome: PublishOutcome::Failed(why) } if why.contains("quota"))
    );
    // Seeking leaves the last one unknown, never done.
    bench.command(PageCommand::Connect(request()));
    assert!(matches!(&bench.published()[..], [Published { number: 11, outcome: PublishOutcome::Unknown(_) }]));
}

#[test]
fn merged_updates_keep_one_time_values() {
    let mut bench = Bench::online();
    bench.message("t", "1");
    let earlier = bench.pull(10, 4).expect("something new");
    bench.message("t", "2");
    let newer = bench.pull(10, 4).expect("something new");
    let both = earlier.followed_by(newer.clone());
    assert!(matches!(&both.lines[..], [CrawlItem::Line { seq: 1, .. }, CrawlItem::Line { seq: 2, .. }]));
    assert_eq!((both.stats, both.rows), (newer.stats, newer.rows));
}

fn connect_lasting(bench: &mut Bench, saved: Result<Option<Vec<u8>>, String>) {
    let options = ConnectionOptions { session_expiry_s: Some(600), clean_start: false, ..ConnectionOptions::default() };
    bench.engine.use_store();
    bench.command(PageCommand::SetConnectionOptions(Box::new(options)));
    bench.command(PageCommand::Connect(request()));
    bench.load(saved);
}

#[test]
fn persistent_session_is_saved_before_packets_are_sent() {
    let mut bench = Bench::new();
    connect_lasting(&mut bench, Ok(None));
    assert_eq!(bench.transmits(), ["dial ws://h:1/mqtt"]);
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 0, 0, 0]);
    assert!(bench.transmits().is_empty(), "the subscription waits for the store");
    assert_eq!(bench.save().expect("something to save").key, "c ws://h:1/mqtt");
    assert_eq!(bench.transmits().len(), 1);

    bench.command(publish(1, "a", QoS::ExactlyOnce));
    assert!(bench.transmits().is_empty());
    let saved = bench.save().expect("something to save").bytes;
    assert_eq!(bench.transmits().len(), 1);

    // The page is gone; the next one resumes at the same position.
    let mut bench = Bench::new();
    connect_lasting(&mut bench, Ok(Some(saved)));
    bench.transmits();
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 1, 0, 0]);
    bench.save();
    let sent = bench.transmits();
    assert_eq!(sent.len(), 1, "the message again, and the subscription: {sent:?}");
}

#[test]
fn session_continues_without_a_store_with_a_notice() {
    for fails_at_once in [true, false] {
        let mut bench = Bench::new();
        let saved = if fails_at_once { Err("no store".to_owned()) } else { Ok(None) };
        connect_lasting(&mut bench, saved);
        bench.transmits();
        bench.engine.handle_open(bench.now);
        bench.transmits();
        bench.serve(&[0x20, 3, 0, 0, 0]);
        if bench.engine.poll_save(bench.now).is_some() {
            bench.engine.handle_saved(Err("no store".to_owned()));
        }
        assert_eq!(bench.transmits().len(), 1);
        let notice = bench.update().connection.notice.expect("a notice");
        assert!(notice.contains("no store"), "{notice}");
    }
}

#[test]
fn panels_receive_broker_capabilities() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(request()));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 7, 0, 0, 4, 0x24, 1, 0x25, 0]);
    let status = bench.panels().expect("something new").status;
    assert_eq!((status.state, status.version), (ConnectionState::Connected, Some(Version::V5)));
    assert_eq!(status.options, ConnectionOptions::default());
    let server = status.server.expect("the broker's capabilities");
    assert_eq!((server.qos_maximum, server.retain_available), (QoS::AtLeastOnce, false));
    assert_eq!(server.client_id, "c");
}

/// Returns the list as a person reads it.
fn list(view: &SubscriptionsView) -> Vec<String> {
    let granted = |granted: &SubscriptionStatus| match granted {
        SubscriptionStatus::Asked => "asked".to_owned(),
        SubscriptionStatus::QoS(qos) => format!("QoS {qos}"),
        SubscriptionStatus::Refused(reason) => format!("refused: {reason}"),
        SubscriptionStatus::Ending => "ending".to_owned(),
    };
    let lines = view.list.iter().map(|entry| format!("{} {} {}", entry.colour, entry.filter, granted(&entry.granted)));
    lines.collect()
}

fn subscribe(filter: &str, qos: QoS) -> PanelCommand {
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    PanelCommand::Subscribe(SubscribeRequest { filter: filter.to_owned(), options, identifier: None })
}

#[test]
fn subscriptions_change_while_connected() {
    let mut bench = Bench::online();
    let view = bench.subscriptions().expect("the first is always sent");
    assert_eq!(list(&view), ["0 StarWars QoS 0"]);
    assert_eq!(bench.subscriptions(), None, "nothing new");

    bench.command(subscribe("a/+", QoS::ExactlyOnce));
    let view = bench.engine.poll_panels().and_then(|update| update.subscriptions).expect("something new");
    assert_eq!(list(&view), ["0 StarWars QoS 0", "1 a/+ asked"]);
    assert_eq!(bench.acknowledge(1)[4..], [0, 0, 3, b'a', b'/', b'+', 2]);
    let view = bench.subscriptions().expect("the answer");
    assert_eq!(list(&view), ["0 StarWars QoS 0", "1 a/+ QoS 1"]);
    assert_eq!(
        view.answer.as_deref(),
        Some("Subscribed to “a/+” (QoS 1, requested 2)."),
        "less than was requested is reported"
    );

    bench.command(subscribe("b", QoS::AtMostOnce));
    bench.acknowledge(0x87);
    let view = bench.subscriptions().expect("the answer");
    assert_eq!(list(&view).last().map(String::as_str), Some("2 b refused: not authorized (0x87)"));
    assert!(view.answer.is_some_and(|answer| answer.contains("rejected “b”")));

    bench.command(PanelCommand::Unsubscribe("a/+".to_owned()));
    let view = bench.subscriptions().expect("under way");
    assert_eq!(list(&view)[1], "1 a/+ ending");
    assert_eq!(bench.acknowledge(0)[4..], [0, 0, 3, b'a', b'/', b'+']);
    let view = bench.subscriptions().expect("the answer");
    assert_eq!(list(&view).len(), 2, "{view:?}");
    assert_eq!(view.answer.as_deref(), Some("Unsubscribed from “a/+”."));

    // The free colour is assigned again, and the others keep theirs.
    bench.command(subscribe("c", QoS::AtMostOnce));
    assert_eq!(list(&bench.subscriptions().expect("something new")).last().map(String::as_str), Some("1 c asked"));
    // The page gets the same.
    assert_eq!(bench.update().connection.subscriptions.len(), 3);
}

#[test]
fn rows_have_the_colour_of_their_subscription() {
    let mut bench = Bench::online();
    bench.command(subscribe("a/+", QoS::AtMostOnce));
    bench.acknowledge(0);
    bench.message("a/x", "");
    assert_eq!(bench.update().rows.rows[0].colour, Some(1));
    bench.command(PanelCommand::Unsubscribe("StarWars".to_owned()));
    bench.acknowledge(0);
    assert_eq!(list(&bench.subscriptions().expect("something new")), ["1 a/+ QoS 0"]);
    bench.message("a/y", "");
    let colours = bench.update().rows.rows.into_iter().map(|row| row.colour).collect::<Vec<_>>();
    assert_eq!(colours, [Some(1), Some(1)], "the first subscription is gone, and this one keeps its colour");
}

#[test]
fn subscription_is_requested_again_with_other_options() {
    let mut bench = Bench::online();
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DontSend,
    };
    let subscribe_request = SubscribeRequest { filter: "StarWars".to_owned(), options, identifier: Some(7) };
    bench.command(PanelCommand::Subscribe(subscribe_request.clone()));
    let sent = bench.acknowledge(1);
    assert_eq!(sent[4..7], [2, 0x0B, 7]);
    assert_eq!(sent.last(), Some(&0b10_1101));
    let view = bench.subscriptions().expect("something new");
    assert_eq!(list(&view), ["0 StarWars QoS 1"]);
    assert_eq!(view.requests, [subscribe_request]);

    // The selected options apply to later connections.
    assert_eq!(bench.reconnect().last(), Some(&0b10_1101));
    bench.command(PageCommand::Disconnect);
    bench.transmits();
    let mut connect = |request: ConnectRequest| {
        bench.command(PageCommand::Connect(request));
        bench.transmits();
        bench.engine.handle_open(bench.now);
        bench.transmits();
        bench.serve(&[0x20, 3, 0, 0, 0]);
        bench.sent()
    };
    assert_eq!(connect(request()).last(), Some(&0b10_1101));
    // Until other options are selected for all.
    assert_eq!(connect(ConnectRequest { qos: QoS::ExactlyOnce, ..request() }).last(), Some(&0b10));
    assert_eq!(connect(request()).last(), Some(&0));
}

/// Returns the messages received by each subscription, as far as known.
fn counts(bench: &mut Bench) -> Vec<(u64, CountSource, bool)> {
    // Like the panels when they open the list again.
    bench.panels();
    let view = bench.subscriptions().expect("the first is always sent");
    view.counts.iter().map(|count| (count.messages, count.by, count.is_least)).collect()
}

/// Returns a QoS 0 message with these subscription identifiers.
fn message_by(bench: &mut Bench, topic: &str, identifiers: &[u8]) {
    let section: Vec<_> = identifiers.iter().flat_map(|identifier| [0x0B, *identifier]).collect();
    let mut packet = vec![0x30, (topic.len() + 3 + section.len()) as u8, 0, topic.len() as u8];
    packet.extend_from_slice(topic.as_bytes());
    packet.push(section.len() as u8);
    packet.extend(section);
    bench.serve(&packet);
}

#[test]
fn messages_are_counted_by_matching_filters() {
    let by_topic = |messages| (messages, CountSource::Topic, false);
    let mut bench = Bench::online();
    for _ in 0..3 {
        bench.message("StarWars", "x");
    }
    assert_eq!(counts(&mut bench), [by_topic(3)]);
    // A subscription begins at zero, independent of earlier messages.
    bench.command(subscribe("#", QoS::AtMostOnce));
    bench.command(subscribe("a/+", QoS::AtMostOnce));
    assert_eq!(counts(&mut bench), [by_topic(3), by_topic(0), by_topic(0)]);
    bench.message("StarWars", "x");
    bench.message("a/b", "x");
    bench.message("b", "x");
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(3), by_topic(1)]);
    // Messages from files belong to none of them.
    let message = |topic: &str| OwnedMessage {
        seq: 0,
        time: bench.now,
        topic: topic.to_owned(),
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        payload: Vec::new(),
        properties: Vec::new(),
    };
    let (imported, replayed) = (vec![message("a/c"), message("StarWars")], vec![message("a/b")]);
    bench.command(PanelCommand::Import(imported));
    bench.command(PanelCommand::Replay(replayed));
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(3), by_topic(1)]);
    // Cleared messages were received all the same.
    bench.command(PageCommand::Clear);
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(3), by_topic(1)]);
    bench.message("a/c", "x");
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(4), by_topic(2)]);
    // They outlive a lost connection, and other options.
    bench.reconnect();
    bench.command(subscribe("a/+", QoS::AtLeastOnce));
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(4), by_topic(2)]);
    // A subscription that is removed and added again starts again, and all do with a new connect request.
    bench.transmits();
    bench.command(PanelCommand::Unsubscribe("#".to_owned()));
    bench.acknowledge(0);
    bench.command(subscribe("#", QoS::AtMostOnce));
    assert_eq!(counts(&mut bench), [by_topic(4), by_topic(2), by_topic(0)]);
    bench.command(PageCommand::Connect(request()));
    assert_eq!(counts(&mut bench), [by_topic(0)]);
}

#[test]
fn messages_are_counted_by_subscription_identifier() {
    let mut bench = Bench::online();
    let subscribe = |bench: &mut Bench, filter: &str, identifier| {
        let options = SubscriptionOptions::default();
        bench.command(PanelCommand::Subscribe(SubscribeRequest { filter: filter.to_owned(), options, identifier }));
    };
    subscribe(&mut bench, "a/#", Some(7));
    subscribe(&mut bench, "a/+", Some(8));
    bench.message("a/b", "x");
    // A server without identifiers: only the matches of the filters are known.
    assert_eq!(
        counts(&mut bench),
        [(0, CountSource::Topic, false), (1, CountSource::Topic, false), (1, CountSource::Topic, false)]
    );
    message_by(&mut bench, "a/b", &[7, 8]);
    message_by(&mut bench, "a/b", &[7]);
    message_by(&mut bench, "a/b", &[9]);
    assert_eq!(
        counts(&mut bench),
        [(0, CountSource::Topic, false), (2, CountSource::Identifier, false), (1, CountSource::Identifier, false)]
    );
    // Another identifier has received nothing yet; one shared by two subscriptions identifies neither.
    subscribe(&mut bench, "a/+", Some(9));
    assert_eq!(counts(&mut bench)[2], (4, CountSource::Topic, false));
    message_by(&mut bench, "a/b", &[9]);
    assert_eq!(counts(&mut bench)[2], (1, CountSource::Identifier, false));
    subscribe(&mut bench, "StarWars", Some(9));
    assert_eq!(counts(&mut bench)[2], (5, CountSource::Topic, false));
}

#[test]
fn possibly_low_counts_are_marked() {
    let mut bench = Bench::online();
    for n in 0..=u32::try_from(LEVELS_MAX).expect("few") {
        bench.message(&format!("t{n}"), "x");
    }
    bench.command(subscribe("#", QoS::AtMostOnce));
    bench.message("another", "x");
    bench.message("t0", "x");
    assert_eq!(counts(&mut bench), [(0, CountSource::Topic, true), (1, CountSource::Topic, true)]);
}

#[test]
fn counts_are_updated_with_messages() {
    let mut bench = Bench::online();
    assert!(bench.subscriptions().is_some(), "the first is always sent");
    assert_eq!(bench.subscriptions(), None, "nothing new");
    bench.message("StarWars", "x");
    let view = bench.engine.poll_panels().and_then(|update| update.subscriptions).expect("a message");
    assert_eq!(view.counts[0].messages, 1);
}

#[test]
fn worker_answers_suggestion_queries() {
    let mut bench = Bench::online();
    bench.message("house/hall", r#"{"character":"Leia","text":"…"}"#);
    bench.message("house/attic", "HAN: words");
    bench.message("deck", &format!("LANDO: {}", "x".repeat(5_000)));
    let mut known = |ask: SuggestionQuery| {
        bench.command(PanelCommand::Pull(PanelsRequest { suggestions: Some(ask), ..PanelsRequest::default() }));
        let known = bench.engine.poll_panels().and_then(|update| update.suggestions).expect("an immediate answer");
        known.names
    };
    assert_eq!(known(SuggestionQuery::Topics("HA".to_owned())), ["house/hall"]);
    assert_eq!(known(SuggestionQuery::Topics("HA".to_owned())), ["house/hall"], "for every request");
    assert_eq!(known(SuggestionQuery::Topics("h".to_owned())), ["house/hall", "house/attic"]);
    // The newest first; long messages aren't read for it.
    assert_eq!(known(SuggestionQuery::Speakers(String::new())), ["HAN", "Leia"]);
    assert_eq!(known(SuggestionQuery::Speakers("le".to_owned())), ["Leia"]);
}

#[test]
fn changes_while_disconnected_apply_to_the_next_connection() {
    let mut bench = Bench::online();
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    bench.transmits();
    bench.command(subscribe("new", QoS::AtLeastOnce));
    bench.command(PanelCommand::Unsubscribe("StarWars".to_owned()));
    assert!(bench.transmits().is_empty(), "no listener");
    let view = bench.subscriptions().expect("something new");
    assert_eq!(list(&view), ["1 new asked"]);
    bench.now = bench.engine.poll_timeout().expect("another attempt");
    bench.engine.handle_timeout(bench.now);
    bench.transmits();
    bench.engine.handle_open(bench.now);
    bench.transmits();
    bench.serve(&[0x20, 3, 0, 0, 0]);
    assert_eq!(bench.acknowledge(1)[4..], [0, 0, 3, b'n', b'e', b'w', 1]);
    assert_eq!(list(&bench.subscriptions().expect("the answer")), ["1 new QoS 1"]);
}

#[test]
fn resumed_session_keeps_granted_subscriptions() {
    let mut bench = Bench::new();
    let topics = vec!["a".to_owned(), "b".to_owned()];
    bench.command(PageCommand::Connect(ConnectRequest { topics, qos: QoS::AtLeastOnce, ..request() }));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    bench.serve(&[0x90, 5, 0, 1, 0, 1, 0x87]);
    let check = |bench: &mut Bench, expected: [bool; 2]| {
        let list = bench.update().connection.subscriptions;
        let is_answered = |entry: &Subscription| match entry.filter.as_str() {
            "a" => entry.granted == SubscriptionStatus::QoS(QoS::AtLeastOnce),
            _ => matches!(entry.granted, SubscriptionStatus::Refused(_)),
        };
        assert_eq!(list.iter().map(is_answered).collect::<Vec<_>>(), expected, "{list:?}");
    };
    check(&mut bench, [true, true]);
    for session_present in [1, 0] {
        bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
        bench.now = bench.engine.poll_timeout().expect("another attempt");
        bench.engine.handle_timeout(bench.now);
        bench.engine.handle_open(bench.now);
        bench.transmits();
        bench.serve(&[0x20, 3, session_present, 0, 0]);
        assert_eq!(bench.sent().first() == Some(&0x82), session_present == 0);
        check(&mut bench, [session_present == 1; 2]);
    }
}

#[test]
fn connection_without_subscriptions_is_kept_and_restored() {
    let mut bench = Bench::online();
    bench.command(PanelCommand::Unsubscribe("StarWars".to_owned()));
    // The connection is lost before the answer: it isn't requested again.
    assert_eq!(bench.sent().first(), Some(&0xA2));
    assert!(bench.reconnect().is_empty(), "nothing to request");
    let Update { connection, .. } = bench.update();
    assert_eq!((connection.state, connection.subscriptions.len()), (ConnectionState::Connected, 0));
}

#[test]
fn late_suback_does_not_undo_a_newer_request() {
    let mut bench = Bench::online();
    bench.command(subscribe("a", QoS::AtMostOnce));
    let asked = bench.sent();
    bench.command(PanelCommand::Unsubscribe("a".to_owned()));
    let ended = bench.sent();
    bench.command(subscribe("a", QoS::AtLeastOnce));
    let again = bench.sent();
    for (ack, packet, reason) in [(0x90, &asked, 0), (0xB0, &ended, 0)] {
        bench.serve(&[ack, 4, packet[2], packet[3], 0, reason]);
        let view = bench.subscriptions().expect("the answer");
        assert_eq!(view.list.len(), 2, "{view:?}");
    }
    bench.serve(&[0x90, 4, again[2], again[3], 0, 1]);
    assert_eq!(list(&bench.subscriptions().expect("the answer"))[1], "1 a QoS 1");
}

#[test]
fn invalid_filter_is_reported_and_not_subscribed() {
    let mut bench = Bench::online();
    bench.subscriptions();
    bench.command(subscribe("a/#/b", QoS::AtMostOnce));
    assert!(bench.transmits().is_empty());
    let view = bench.subscriptions().expect("the list of subscriptions");
    assert_eq!(view.list.len(), 1);
    assert!(view.answer.is_some_and(|answer| answer.contains('#')));
    // Without a connection there is no broker to ask, and nothing is stored.
    bench.command(PageCommand::Disconnect);
    bench.command(subscribe("a", QoS::AtMostOnce));
    assert_eq!(bench.subscriptions().map(|view| view.list.len()), Some(0));
}

#[test]
fn topic_tree_is_sent_while_open_and_changed() {
    let mut bench = Bench::online();
    let counts = |view: Option<TopicsView>| view.map(|view| view.rows.iter().map(|row| row.count).collect::<Vec<_>>());
    bench.message("a/b", "1");
    assert_eq!(bench.panels().expect("the first is always answered").topics, None, "it isn't open");
    assert_eq!(counts(bench.topics()), Some(vec![1]));
    assert_eq!(counts(bench.topics()), None, "nothing is new");
    // The pull waits for an update.
    bench.message("a/b", "2");
    bench.message("c", "2");
    let view = bench.engine.poll_panels().expect("news").topics;
    assert_eq!(counts(view), Some(vec![2, 1]));
    assert_eq!(bench.engine.poll_panels(), None, "they requested nothing");
    // A rate falls to zero while nothing arrives.
    let rate = |view: Option<TopicsView>| view.map(|view| view.rows[0].per_1000_s);
    bench.now = bench.now + Duration::from_secs(9);
    assert_eq!(rate(bench.topics()), Some(200));
    bench.now = bench.now + Duration::from_secs(5);
    assert_eq!(rate(bench.topics()), Some(100));
    bench.now = bench.now + Duration::from_secs(10);
    assert_eq!(rate(bench.topics()), Some(0));
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(rate(bench.topics()), None, "it is already none");
    // Closed and opened again, it is sent again.
    assert_eq!(bench.panels(), None);
    bench.command(publish(1, "a", QoS::AtMostOnce));
    assert_eq!(bench.engine.poll_panels().and_then(|update| update.topics), None);
    assert_eq!(counts(bench.topics()), Some(vec![2, 1]));
    bench.command(PageCommand::Clear);
    assert_eq!(counts(bench.topics()), Some(Vec::new()));
}

#[test]
fn panels_receive_only_changes() {
    let mut bench = Bench::new();
    let states = |update: Option<PanelsUpdate>| update.map(|update| update.status.state);
    assert_eq!(states(bench.engine.poll_panels()), None, "they requested nothing");
    assert_eq!(states(bench.panels()), Some(ConnectionState::Idle), "the first pull is always answered");
    assert_eq!(states(bench.panels()), None);
    // The pull waits for an update …
    bench.command(PageCommand::Connect(request()));
    assert_eq!(states(bench.engine.poll_panels()), Some(ConnectionState::Connecting));
    // … and is used up by it.
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    assert_eq!(states(bench.engine.poll_panels()), None);
    assert_eq!(states(bench.panels()), Some(ConnectionState::Connected));
    // Messages belong to the page.
    bench.message("t", "1");
    assert_eq!(states(bench.panels()), None);
    bench.command(publish(1, "a", QoS::AtMostOnce));
    assert_eq!(bench.published(), [Published { number: 1, outcome: PublishOutcome::Done }]);
    assert_eq!(states(bench.panels()), None, "each outcome is reported once");
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    let status = bench.panels().expect("something new").status;
    assert_eq!((status.state, status.version, status.server), (ConnectionState::Reconnecting, None, None));
}

#[test]
fn publish_outcomes_are_not_sent_to_the_page() {
    let mut bench = Bench::online();
    bench.update();
    bench.command(publish(1, "a", QoS::AtMostOnce));
    assert_eq!(bench.pull(100, 0), None);
    assert_eq!(bench.published().len(), 1);
}

#[test]
fn text_frame_ends_the_connection() {
    let mut bench = Bench::online();
    bench.engine.handle_text_frame(bench.now);
    assert_eq!(bench.transmits(), ["send 4 bytes", "hang up"]);
    assert!(bench.update().connection.message.contains("text frame"));
}

/// Returns a token of `{"alg":"HS256"}`, `{"sub":"d","exp":EXP}` and no real signature.
fn token(exp: u64) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"sub":"d","exp":{exp}}}"#);
    format!("{}.{}.sig", encode(r#"{"alg":"HS256"}"#), encode(&claims))
}

fn with_password(password: String) -> ConnectRequest {
    ConnectRequest { user_name: Some("d".to_owned()), password: Some(Secret(password)), ..request() }
}

#[test]
fn jwt_in_the_password_field_is_described_and_expires() {
    let mut bench = Bench::new();
    let exp = bench.now.as_micros() / 1_000_000 + 60;
    bench.command(PageCommand::InspectPassword(Secret("just a password".to_owned())));
    assert_eq!(bench.update().token, None);

    bench.command(PageCommand::InspectPassword(Secret(token(exp))));
    let note = bench.update().token.expect("a token");
    assert!(note.text.contains("“d”") && !note.has_expired && !note.can_renew, "{note:?}");
    let due = bench.engine.poll_timeout().expect("the expiry");
    assert_eq!(due.as_micros(), exp * 1_000_000);
    bench.now = due;
    bench.engine.handle_timeout(due);
    assert!(bench.update().token.expect("a token").has_expired);
    assert_eq!(bench.engine.poll_timeout(), None, "reported once");
}

#[test]
fn expired_jwt_is_replaced_without_a_new_connection() {
    let mut bench = Bench::new();
    let exp = bench.now.as_micros() / 1_000_000 + 60;
    bench.command(PageCommand::Connect(with_password(format!("{} ", token(exp)))));
    bench.engine.handle_open(bench.now);
    let connect = bench.sent();
    assert!(connect.ends_with(token(exp).as_bytes()), "without the pasted space");
    bench.serve(&[0x20, 3, 0, 0, 0]);
    bench.sent();

    // Before the keep alive is due.
    bench.now = Instant::from_micros(exp * 1_000_000);
    bench.engine.handle_timeout(bench.now);
    let notice = bench.update().connection.notice.expect("a notice");
    assert!(notice.contains("expired"), "{notice}");

    let newer = token(exp + 3_600);
    bench.command(PageCommand::InspectPassword(Secret(newer.clone())));
    assert!(bench.update().token.expect("a token").can_renew);
    bench.command(PageCommand::ReplacePassword(Secret(newer.clone())));
    let update = bench.update();
    assert_eq!(update.connection.state, ConnectionState::Connected, "not disconnected by ourselves");
    assert!(!update.token.expect("a token").can_renew);

    bench.sent();
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    bench.command(PageCommand::RetryNow);
    bench.engine.handle_open(bench.now);
    assert!(bench.sent().ends_with(newer.as_bytes()));
}

#[test]
fn jwt_expired_during_sleep_is_reported_on_waking() {
    let mut bench = Bench::new();
    let token = token(bench.now.as_micros() / 1_000_000 + 60);
    bench.command(PageCommand::Connect(with_password(token.clone())));
    bench.command(PageCommand::InspectPassword(Secret(token)));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    assert!(!bench.update().token.expect("a token").has_expired);
    // The monotonic clock stopped for an hour.
    bench.engine.handle_clock_jump(3_600_000_000, bench.now);
    let update = bench.update();
    assert!(update.token.expect("a token").has_expired);
    assert!(update.connection.notice.expect("a notice").contains("expired"));
}

#[test]
fn diagnosis_names_an_expired_jwt() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(with_password(token(1))));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0x86, 0]);
    let connection = bench.update().connection;
    assert_eq!(connection.state, ConnectionState::Stopped);
    assert!(connection.advice[0].text.contains("Expired on"), "{:?}", connection.advice);
}

#[test]
fn password_is_in_no_debug_output() {
    let connect = PageCommand::Connect(with_password("hush".to_owned()));
    for command in [
        connect,
        PageCommand::InspectPassword(Secret("hush".to_owned())),
        PageCommand::ReplacePassword(Secret("hush".to_owned())),
    ] {
        let shown = format!("{command:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn panels_receive_a_message_in_parts() {
    let mut bench = Bench::online();
    bench.panels();
    let payload = "x".repeat(2_500_000);
    bench.message("deck/large", &payload);
    assert_eq!(bench.panels(), None, "it isn't shown");
    let mut fetched = String::new();
    for (from_byte, bytes) in [(0, 1 << 20), (1 << 20, 1 << 20), (2 << 20, 2_500_000 - (2 << 20)), (2_500_000, 0)] {
        let request = PanelsRequest { message: Some(MessageRequest { seq: 1, from_byte }), ..PanelsRequest::default() };
        bench.command(PanelCommand::Pull(request));
        let part = bench.engine.poll_panels().and_then(|update| update.message).expect("an answer");
        assert_eq!((part.seq, part.first_seq, part.next_seq), (1, 1, 2));
        let found = part.found.expect("a stored message");
        assert_eq!((found.topic.as_str(), found.payload_bytes, found.from_byte), ("deck/large", 2_500_000, from_byte));
        assert_eq!(found.payload.len(), bytes);
        fetched.push_str(std::str::from_utf8(&found.payload).expect("text"));
        assert_eq!(bench.engine.poll_panels(), None, "one answer a pull");
    }
    assert_eq!(fetched, payload);

    bench.command(PageCommand::Clear);
    bench.command(PanelCommand::Pull(PanelsRequest {
        message: Some(MessageRequest { seq: 1, from_byte: 0 }),
        ..PanelsRequest::default()
    }));
    let part = bench.engine.poll_panels().and_then(|update| update.message).expect("an answer");
    assert_eq!((part.first_seq, part.next_seq, part.found), (2, 2, None));
}

fn from_file(seq: u64, payload: &str) -> OwnedMessage {
    OwnedMessage {
        seq,
        time: Instant::from_millis(7),
        topic: "t".to_owned(),
        qos: QoS::AtLeastOnce,
        retain: false,
        dup: false,
        properties: Vec::new(),
        payload: payload.as_bytes().to_vec(),
    }
}

#[test]
fn imported_log_is_stored_unchanged_and_not_in_the_crawl() {
    let mut bench = Bench::new();
    bench.command(PanelCommand::Import(vec![from_file(41, "a"), from_file(42, "b")]));
    let update = bench.update();
    assert_eq!(
        update.rows.rows.iter().map(|row| (row.seq, row.time)).collect::<Vec<_>>(),
        [(41, Instant::from_millis(7)), (42, Instant::from_millis(7)),]
    );
    assert_eq!((update.stats.received, update.stats.kept, update.stats.crawl_pending), (2, 2, 0));
    assert!(update.lines.is_empty(), "{:?}", update.lines);
    let request = PanelsRequest {
        topics: Some(TopicsRequest { rows: 9, ..TopicsRequest::default() }),
        ..PanelsRequest::default()
    };
    bench.command(PanelCommand::Pull(request));
    let topics = bench.engine.poll_panels().and_then(|update| update.topics).expect("the tree of topics");
    assert_eq!(topics.rows.iter().map(|row| (row.name.as_str(), row.count)).collect::<Vec<_>>(), [("t", 2)]);
    let export = export::ndjson(&mut bench.engine, bench.now);
    assert!(export.starts_with(br#"{"seq":41,"time":"1970-01-01T00:00:00.007Z""#));
}

#[test]
fn imported_messages_have_no_subscription() {
    let mut bench = Bench::new();
    bench.command(PanelCommand::Replay(vec![from_file(1, "ADA: From a sample")]));
    bench.command(PageCommand::Connect(ConnectRequest { topics: vec!["#".to_owned()], ..request() }));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    bench.message("t", "live");
    bench.command(PanelCommand::Replay(vec![from_file(1, "again")]));
    bench.command(PanelCommand::Import(vec![from_file(9, "imported")]));
    bench.message("t", "live");
    let brought_by = |bench: &mut Bench| {
        let rows = bench.pull(9, 0).expect("news").rows.rows;
        rows.iter().map(|row| row.colour).collect::<Vec<_>>()
    };
    assert_eq!(brought_by(&mut bench), [None, Some(0), None, None, Some(0)]);
    // An import into an empty log keeps its own numbers.
    bench.command(PageCommand::Clear);
    bench.command(PanelCommand::Import(vec![from_file(2, "imported")]));
    bench.message("t", "live");
    assert_eq!(brought_by(&mut bench), [None, Some(0)]);
}

#[test]
fn replayed_log_has_current_times() {
    let mut bench = Bench::new();
    bench.command(PanelCommand::Replay(vec![from_file(41, "ADA: Again")]));
    let update = bench.pull(10, 4).expect("something new");
    assert_eq!((update.rows.rows[0].seq, update.rows.rows[0].time), (1, bench.now));
    assert!(matches!(&update.lines[..], [CrawlItem::Line { seq: 1, line }] if line.text == "Again"));
}

#[test]
fn panels_receive_packets_while_open() {
    let mut bench = Bench::online();
    bench.sent();
    bench.panels();
    bench.message("deck/a", "x");
    assert_eq!(bench.panels(), None, "packets aren't shown");
    let look = |bench: &mut Bench, from| {
        bench.command(PanelCommand::Pull(PanelsRequest { trace_from: Some(from), ..PanelsRequest::default() }));
        bench.engine.poll_panels().and_then(|update| update.trace)
    };
    let part = look(&mut bench, 0).expect("packets");
    let types: Vec<_> = part.records.iter().map(|record| (record.is_incoming, record.first >> 4, record.seq)).collect();
    // CONNACK, SUBACK, PUBLISH; the bytes sent by this bench were taken from the engine at once.
    assert!(
        types.contains(&(true, 2, 0)) && types.contains(&(true, 9, 0)) && types.contains(&(true, 3, 1)),
        "{types:?}"
    );
    let connect = part.records.iter().find(|record| record.first == 0x10).expect("CONNECT");
    assert!(!connect.is_incoming && connect.bytes > 14 && connect.excerpt().is_empty(), "{connect:?}");
    let end = part.first + part.records.len() as u64;
    assert_eq!(look(&mut bench, end), None, "nothing new");
    bench.message("deck/a", "y");
    let part = look(&mut bench, end).expect("one more");
    assert_eq!((part.first, part.records.len(), part.records[0].seq), (end, 1, 2));
}

#[test]
fn message_command_has_the_broker_but_no_password() {
    let mut bench = Bench::new();
    bench.command(PageCommand::Connect(with_password("hunter2".to_owned())));
    bench.engine.handle_open(bench.now);
    bench.serve(&[0x20, 3, 0, 0, 0]);
    bench.message("deck/a", "x");
    let message_request = MessageRequest { seq: 1, from_byte: 0 };
    bench.command(PanelCommand::Pull(PanelsRequest { message: Some(message_request), ..PanelsRequest::default() }));
    let update = bench.engine.poll_panels().expect("the message");
    let reach = update.message.as_ref().expect("the message").reach.clone();
    let asked = request();
    assert_eq!(
        (reach.broker, reach.user_name.as_deref(), reach.filters, reach.qos, reach.version),
        (asked.broker, Some("d"), asked.topics, asked.qos, Some(Version::V5))
    );
    let shown = format!("{update:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    // Before any connect request, nothing is known.
    let mut bench = Bench::new();
    bench.command(PanelCommand::Import(vec![from_file(1, "a")]));
    bench.command(PanelCommand::Pull(PanelsRequest { message: Some(message_request), ..PanelsRequest::default() }));
    let part = bench.engine.poll_panels().and_then(|update| update.message).expect("the message");
    assert_eq!(part.reach, BrokerAccess::default());
}

#[test]
fn credential_in_the_address_is_sent_and_never_shown() {
    let url = "wss://h:1/mqtt?X-Amz-Date=20261121T100000Z&X-Amz-Expires=60&X-Amz-Signature=hunter2";
    let mut bench = Bench::new();
    // 2026-11-21T10:00:00Z
    bench.now = Instant::from_millis(1_795_255_200_000);
    bench.engine.use_store();
    let options = ConnectionOptions { session_expiry_s: Some(600), clean_start: false, ..ConnectionOptions::default() };
    bench.command(PageCommand::SetConnectionOptions(Box::new(options)));
    let user_name = Some("ann?token=hunter2".to_owned());
    bench.command(PageCommand::Connect(ConnectRequest { broker: url.to_owned(), user_name, ..request() }));
    let mut shown = format!("{:?}", bench.update());
    let key = bench.engine.poll_load().expect("a session to load");
    shown += &key;
    bench.engine.handle_loaded(&key, Ok(None), bench.now);
    assert!(bench.transmits().contains(&format!("dial {url}")), "byte for byte");
    bench.engine.handle_open(bench.now);
    shown += &format!("{:?}", bench.save());
    let connect = bench.sent();
    bench.serve(&[0x20, 3, 0, 0, 0]);
    assert!(connect.windows(7).any(|part| part == b"hunter2"), "the user name is sent as it was typed");
    shown += &format!("{:?}{:?}", bench.save(), bench.update());
    bench.message("deck/a", "x");
    let message = Some(MessageRequest { seq: 1, from_byte: 0 });
    bench.command(PanelCommand::Pull(PanelsRequest { message, ..PanelsRequest::default() }));
    shown += &format!("{:?}", bench.engine.poll_panels().expect("the message"));

    // It has expired by the next attempt.
    bench.now = bench.now + Duration::from_secs(120);
    bench.engine.handle_close(CloseInfo { code: Some(1006), reason: String::new() }, bench.now);
    let connection = bench.update().connection;
    let first = &connection.advice[0].text;
    assert!(first.contains("expired on 2026-11-21 at 10:01:00 UTC"), "{first}");
    shown += &format!("{connection:?}");
    bench.command(PageCommand::Disconnect);
    shown += &format!("{:?}", bench.update());
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Sets the crawl's rules, as in a link.
fn map(keys: &[(&str, &str)]) -> PageCommand {
    let mut line_rules = LineRules::default();
    for (key, value) in keys {
        line_rules.read(key, value).expect("a rule");
    }
    PageCommand::SetLineRules(line_rules)
}

/// Returns everything that the crawl gets, in short form.
fn crawl_lines(bench: &mut Bench) -> Vec<String> {
    let mut items = Vec::new();
    while let Some(update) = bench.pull(0, 4) {
        items.extend(update.lines.into_iter().map(|item| match item {
            CrawlItem::Line { seq, line } => format!("{seq} {}: {}", line.character, line.text),
            CrawlItem::Skipped { seq, count } => format!("{seq} passed {count}"),
        }));
    }
    items
}

#[test]
fn line_rules_apply_to_later_lines() {
    let mut bench = Bench::online();
    bench.message("greenhouse/t", r#"{"value":21.40}"#);
    assert_eq!(crawl_lines(&mut bench), ["1 greenhouse t: 21.40"]);
    // A queued one is still outstanding.
    bench.message("greenhouse/t", r#"{"value":21.50}"#);
    bench.command(map(&[("line", "+/t"), ("speaker", "{1}"), ("words", "It is {value} °C"), ("hide", "debug/#")]));
    bench.message("debug/x", "noise");
    bench.message("other", "PIP: Hi");
    assert_eq!(crawl_lines(&mut bench), ["2 greenhouse: It is 21.50 °C", "4 PIP: Hi"]);
    // The console keeps messages hidden from the crawl, and nothing is queued for them.
    let update = bench.update();
    assert_eq!((update.stats.kept, update.stats.crawl_pending), (4, 0));
    assert_eq!(update.rows.rows[2].preview, Preview::Text("noise".to_owned()));
    bench.message("debug/x", "more noise");
    assert_eq!(bench.update().stats.crawl_pending, 0);
    // Once it is shown again, only later messages are.
    bench.command(map(&[]));
    assert!(crawl_lines(&mut bench).is_empty());
    bench.message("debug/x", "heard");
    assert_eq!(crawl_lines(&mut bench), ["6 debug x: heard"]);
}

#[test]
fn requested_line_is_shown_again() {
    let mut bench = Bench::online();
    bench.command(map(&[("hide", "debug/#")]));
    bench.message("other", "PIP: Hi");
    bench.message("debug/x", "noise");
    assert_eq!(crawl_lines(&mut bench), ["1 PIP: Hi"]);
    for (seq, expected) in [(1, "1 PIP: Hi"), (2, "2 debug x: noise"), (7, "7 : (Message 7 is no longer stored)")] {
        bench.command(PageCommand::ShowInCrawl(seq));
        assert_eq!(crawl_lines(&mut bench), [expected]);
    }
    // While the crawl has no room it is queued, and comes before later messages.
    bench.command(PageCommand::ShowInCrawl(1));
    bench.message("other", "PIP: Again");
    assert_eq!(bench.pull(0, 0).map(|update| update.lines), Some(Vec::new()));
    assert_eq!(crawl_lines(&mut bench), ["1 PIP: Hi", "3 PIP: Again"]);
}

#[test]
fn hidden_messages_are_not_counted_as_skipped() {
    let mut bench = Bench::online();
    bench.command(map(&[("hide", "noise/#")]));
    // A few among very many.
    for n in 1..=3_000 {
        bench.message(if n % 300 == 0 { "voice" } else { "noise/a" }, &format!("line {n}"));
    }
    assert_eq!(bench.update().stats.crawl_pending, 10);
    assert_eq!(crawl_lines(&mut bench), (1..=10).map(|n| format!("{} voice: line {0}", n * 300)).collect::<Vec<_>>());
    // Too many, among as many.
    for n in 3_001..=3_400 {
        bench.message(if n % 2 == 0 { "voice" } else { "noise/a" }, &format!("line {n}"));
    }
    let lines = crawl_lines(&mut bench);
    assert_eq!(lines.first().map(String::as_str), Some("3360 passed 180"));
    assert_eq!(lines.len(), 1 + 20, "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("3400 voice: line 3400"));
    assert_eq!(bench.update().stats.crawl_pending, 0);
}

#[test]
fn changed_rules_recount_waiting_messages() {
    let mut bench = Bench::online();
    for n in 1..=1_000 {
        bench.message(if n % 100 == 0 { "voice" } else { "noise" }, &format!("line {n}"));
    }
    assert_eq!(bench.update().stats.crawl_pending, 1_000);
    bench.command(map(&[("hide", "noise")]));
    assert_eq!(bench.update().stats.crawl_pending, 10);
    bench.command(map(&[("hide", "voice")]));
    assert_eq!(bench.update().stats.crawl_pending, 990);
    // Twenty were selected; only two of those are shown in the end.
    let update = bench.pull(0, 1).expect("something new");
    assert_eq!(update.lines, [CrawlItem::Skipped { seq: 979, count: 970 }]);
    assert_eq!(update.stats.crawl_pending, 20);
    bench.command(map(&[("hide", "noise")]));
    assert!(crawl_lines(&mut bench).is_empty());
    bench.message("voice", "again");
    assert_eq!(crawl_lines(&mut bench), ["1001 voice: again"]);
}

#[test]
fn speaker_terms_use_the_names_of_the_crawl() {
    let mut bench = Bench::online();
    bench.message("deck/ada", "good evening");
    bench.message("deck/bram", "ADA: I am here");
    let look = |text: &str| PageCommand::Filter { text: text.to_owned(), ahead_of_utc_min: 0 };
    let found = |bench: &mut Bench| bench.update().rows.rows.iter().map(|row| row.seq).collect::<Vec<_>>();
    // By its topic, and by itself.
    bench.command(look("character:ada"));
    assert_eq!(found(&mut bench), [1, 2]);
    // The filter is unchanged, and other rules apply.
    bench.command(map(&[("line", "deck/+"), ("speaker", "{-1}")]));
    assert_eq!(found(&mut bench), [1]);
    // Typed again.
    bench.command(look("character:bram"));
    assert_eq!(found(&mut bench), [2]);
    // A message that isn't shown has no speaker.
    bench.command(map(&[("hide", "deck/bram")]));
    assert_eq!(found(&mut bench), [0_u64; 0]);
    bench.command(look("-character:ada"));
    assert_eq!(found(&mut bench), [2]);
    // The same holds for those that could be typed; topics are suggested as topics.
    bench.command(map(&[("line", "deck/ada"), ("speaker", "Captain {2}")]));
    bench.command(PanelCommand::Pull(PanelsRequest {
        suggestions: Some(SuggestionQuery::Speakers(String::new())),
        ..PanelsRequest::default()
    }));
    let known = bench.engine.poll_panels().and_then(|update| update.suggestions).expect("an answer");
    assert_eq!(known.names, ["ADA", "Captain ada"]);
}

#[test]
fn panels_receive_the_newest_messages_of_a_topic() {
    let mut bench = Bench::online();
    let samples = |bench: &mut Bench, filter: &str| {
        let filter = TopicFilter::parse(filter).expect("a filter");
        bench.command(PanelCommand::Pull(PanelsRequest { samples: Some(filter), ..PanelsRequest::default() }));
        let samples = bench.engine.poll_panels()?.samples?;
        Some(
            samples
                .iter()
                .map(|it| format!("{} {}", it.topic, String::from_utf8_lossy(&it.payload)))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(samples(&mut bench, "#"), Some(vec![]));
    assert_eq!(samples(&mut bench, "#"), None, "nothing new");
    for n in 0..4 {
        bench.message("a", &n.to_string());
    }
    bench.message("b/c", &"x".repeat(20_000));
    bench.message("b/c", "short");
    assert_eq!(samples(&mut bench, "#"), Some(["b/c short", "a 3", "a 2"].map(str::to_owned).to_vec()));
    assert_eq!(samples(&mut bench, "#"), None, "nothing new");
    assert_eq!(samples(&mut bench, "b/+"), Some(vec!["b/c short".to_owned()]));
    bench.command(PageCommand::Clear);
    assert_eq!(samples(&mut bench, "b/+"), Some(vec![]));
    bench.panels();
    assert_eq!(samples(&mut bench, "b/+"), Some(vec![]), "opened again");
}
