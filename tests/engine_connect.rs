//! The conditions that a connect request waits for: the tabs of one browser that know of each other, and the store that
//! keeps persistent sessions, all in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_crawl::engine::tab_coordinator::{ClaimPriority, TabMessage, TabMessageKind};
use mqtt_crawl::engine::{Engine, StoreWrite, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::protocol::command::{Command, PageCommand, PanelCommand};
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions, Secret};
use mqtt_crawl::protocol::connection::{Connection, ConnectionState};
use mqtt_crawl::protocol::publish::PublishRequest;
use mqtt_crawl::protocol::rows::Pull;
use mqtt_crawl::time::Instant;

const START: Instant = Instant::from_millis(1_000_000);
const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

fn request(client_id: &str) -> ConnectRequest {
    ConnectRequest {
        broker: "ws://h:1/mqtt".to_owned(),
        topics: vec!["t".to_owned()],
        qos: QoS::ExactlyOnce,
        version: Some(Version::V5),
        client_id: client_id.to_owned(),
        user_name: None,
        password: Some(Secret("secret".to_owned())),
        page: PageOrigin::default(),
    }
}

fn persistent_session() -> PageCommand {
    let more = ConnectionOptions {
        session_expiry_s: Some(600),
        clean_start: false,
        keep_alive_s: 77,
        ..ConnectionOptions::default()
    };
    PageCommand::SetConnectionOptions(Box::new(more))
}

fn lost() -> CloseInfo {
    CloseInfo { code: Some(1006), reason: String::new() }
}

/// A tab's action on its WebSocket.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Dial,
    Send(Vec<u8>),
    HangUp,
}

fn transmits(engine: &mut Engine) -> Vec<Did> {
    let mut did = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        did.push(match transmit {
            Transmit::Dial { .. } => Did::Dial,
            Transmit::Send(bytes) => Did::Send(bytes.to_vec()),
            Transmit::HangUp => Did::HangUp,
        });
    }
    did
}

fn connection(engine: &mut Engine, now: Instant) -> Connection {
    // Another window each time, so that there is always an answer.
    engine.handle_command(PageCommand::Clear, now);
    engine.handle_command(PageCommand::Pull(Pull::default()), now);
    engine.poll_update().expect("an update").connection
}

/// The tabs of one browser and the broker that accepts them all.
struct Browser {
    now: Instant,
    tabs: Vec<Engine>,
    /// Tabs whose worker doesn't run: messages to them are queued.
    frozen: BTreeMap<usize, Vec<TabMessage>>,
}

impl Browser {
    fn new(numbers: &[u64]) -> Self {
        let mut browser = Self { now: START, tabs: Vec::new(), frozen: BTreeMap::new() };
        for number in numbers {
            let mut tab = Engine::new(*number, Limits::default());
            tab.use_tabs(browser.now);
            browser.tabs.push(tab);
        }
        browser
    }

    /// Starts long after the tabs were opened.
    fn settled(numbers: &[u64]) -> Self {
        let mut browser = Self::new(numbers);
        browser.deliver();
        browser.pass(1_000);
        browser
    }

    fn command(&mut self, tab: usize, command: impl Into<Command>) {
        self.tabs[tab].handle_command(command, self.now);
    }

    /// Delivers every message to every other running tab.
    fn deliver(&mut self) {
        loop {
            let mut said = Vec::new();
            for (from, tab) in self.tabs.iter_mut().enumerate() {
                if !self.frozen.contains_key(&from) {
                    said.extend(std::iter::from_fn(|| tab.poll_tab_message()).map(|word| (from, word)));
                }
            }
            if said.is_empty() {
                return;
            }
            for (from, word) in said {
                for (to, tab) in self.tabs.iter_mut().enumerate().filter(|(to, _)| *to != from) {
                    match self.frozen.get_mut(&to) {
                        Some(waiting) => waiting.push(word.clone()),
                        None => tab.handle_tab_message(&word, self.now),
                    }
                }
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now = self.now + Duration::from_millis(1);
            for (place, tab) in self.tabs.iter_mut().enumerate() {
                let is_due = tab.poll_timeout().is_some_and(|due| due <= self.now);
                if is_due && !self.frozen.contains_key(&place) {
                    tab.handle_timeout(self.now);
                }
            }
            self.deliver();
        }
    }

    /// Whether this tab dials now; the broker accepts it.
    fn dials(&mut self, tab: usize) -> bool {
        let engine = &mut self.tabs[tab];
        if !transmits(engine).contains(&Did::Dial) {
            return false;
        }
        engine.handle_open(self.now);
        engine.handle_input(&CONNACK, self.now);
        transmits(engine);
        true
    }

    fn connection(&mut self, tab: usize) -> Connection {
        connection(&mut self.tabs[tab], self.now)
    }

    fn state(&mut self, tab: usize) -> ConnectionState {
        self.connection(tab).state
    }
}

#[test]
fn a_tab_that_is_alone_waits_only_just_after_it_opened() {
    let mut browser = Browser::settled(&[1]);
    browser.command(0, PageCommand::Connect(request("x")));
    assert!(browser.dials(0));

    let mut browser = Browser::new(&[1]);
    browser.command(0, PageCommand::Connect(request("x")));
    assert!(!browser.dials(0), "nobody has had time to answer");
    assert_eq!(browser.state(0), ConnectionState::Connecting);
    browser.pass(200);
    assert!(browser.dials(0));
}

#[test]
fn second_tab_stops_with_a_message() {
    let mut browser = Browser::settled(&[1, 2]);
    browser.command(0, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(0));

    browser.command(1, PageCommand::Connect(request("x")));
    browser.pass(1_000);
    assert!(!browser.dials(1), "it would throw the first one out");
    let connection = browser.connection(1);
    assert_eq!((connection.state, connection.can_take_over), (ConnectionState::Stopped, true));
    for words in ["Another tab", "“x”", "ws://h:1/mqtt", "take over"] {
        assert!(connection.message.contains(words), "{}", connection.message);
    }
    assert_eq!(browser.state(0), ConnectionState::Connected);

    // Another identifier, or another broker, causes no conflict.
    browser.command(1, PageCommand::Connect(request("y")));
    browser.pass(200);
    assert!(browser.dials(1));
    browser.command(1, PageCommand::Connect(ConnectRequest { broker: "ws://h:2/".into(), ..request("x") }));
    browser.pass(200);
    assert!(browser.dials(1));
    assert_eq!(browser.state(0), ConnectionState::Connected);
}

#[test]
fn assigned_identifier_is_unique_to_the_tab() {
    let mut browser = Browser::settled(&[1, 2]);
    for tab in 0..2 {
        browser.command(tab, PageCommand::Connect(request("")));
        assert!(browser.dials(tab));
    }
}

#[test]
fn one_of_several_simultaneous_tabs_connects() {
    for (numbers, apart_ms) in [([1, 2, 3], 0), ([3, 2, 1], 0), ([2, 3, 1], 0), ([3, 1, 2], 60), ([1, 2, 3], 149)] {
        let mut browser = Browser::settled(&numbers);
        for tab in 0..3 {
            browser.command(tab, PageCommand::Connect(request("x")));
            browser.pass(apart_ms);
        }
        browser.pass(1_000);
        let dialled = (0..3).filter(|tab| browser.dials(*tab)).count();
        assert_eq!(dialled, 1, "{numbers:?}, {apart_ms} ms apart");
        browser.pass(10_000);
        let states: Vec<_> = (0..3).map(|tab| browser.state(tab)).collect();
        assert_eq!(
            states.iter().filter(|state| **state == ConnectionState::Stopped).count(),
            2,
            "{numbers:?}: {states:?}"
        );
    }
}

#[test]
fn released_session_blocks_no_tab() {
    let mut browser = Browser::settled(&[1, 2]);
    browser.command(0, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(0));
    browser.command(0, PageCommand::Disconnect);
    browser.command(1, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(1));
}

#[test]
fn taking_over_moves_the_connection_for_good() {
    let mut browser = Browser::settled(&[1, 2]);
    browser.command(0, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(0));
    browser.command(1, PageCommand::Connect(request("x")));
    browser.pass(200);
    browser.command(1, PageCommand::TakeOver);
    assert!(!browser.dials(1), "the other one says goodbye first");
    browser.deliver();
    let goodbye = transmits(&mut browser.tabs[0]);
    assert!(matches!(&goodbye[..], [Did::Send(bytes), Did::HangUp] if bytes[0] == 0xE0), "{goodbye:?}");
    browser.pass(200);
    assert!(browser.dials(1));

    let connection = browser.connection(0);
    assert_eq!((connection.state, connection.can_take_over), (ConnectionState::Stopped, true));
    assert!(connection.message.contains("took"), "{}", connection.message);
    browser.command(0, PageCommand::RetryNow);
    browser.pass(20_000);
    assert!(!browser.dials(0), "it stays away");
    assert_eq!(browser.state(1), ConnectionState::Connected);
}

#[test]
fn without_another_tab_there_is_nothing_to_take_over() {
    let mut browser = Browser::settled(&[1]);
    for first in [PageCommand::RetryNow, PageCommand::Connect(request("x"))] {
        browser.command(0, first);
        browser.dials(0);
        let before = browser.connection(0);
        browser.command(0, PageCommand::TakeOver);
        assert!(transmits(&mut browser.tabs[0]).is_empty());
        assert_eq!(browser.connection(0), before);
    }
}

/// A tab in the background is frozen and can't answer; when it runs again, its connection is gone and another tab has
/// the session.
#[test]
fn frozen_tab_yields_on_resume() {
    for words_come_first in [true, false] {
        let mut browser = Browser::settled(&[1, 2]);
        browser.command(0, PageCommand::Connect(request("x")));
        browser.pass(200);
        assert!(browser.dials(0));
        browser.frozen.insert(0, Vec::new());
        browser.command(1, PageCommand::Connect(request("x")));
        browser.pass(200);
        assert!(browser.dials(1), "nobody answers");

        // A 3.1.1 broker closes without a reason, so nothing forbids reconnecting.
        let waiting = browser.frozen.remove(&0).expect("frozen");
        let now = browser.now;
        if !words_come_first {
            browser.tabs[0].handle_close(lost(), now);
        }
        for word in waiting {
            browser.tabs[0].handle_tab_message(&word, now);
        }
        if words_come_first {
            browser.deliver();
            browser.tabs[0].handle_close(lost(), now);
        }
        browser.deliver();
        assert_eq!(browser.state(0), ConnectionState::Stopped, "words first: {words_come_first}");
        browser.pass(20_000);
        assert!(!browser.dials(0), "it throws the other one out");
        assert_eq!(browser.state(1), ConnectionState::Connected);
    }
}

#[test]
fn reconnecting_tab_beats_new_tab() {
    // The newcomer has the number that wins.
    let mut browser = Browser::settled(&[9, 1]);
    browser.command(0, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(0));
    let now = browser.now;
    browser.tabs[0].handle_close(lost(), now);
    browser.command(1, PageCommand::Connect(request("x")));
    browser.pass(5_000);
    assert!(browser.dials(0));
    assert!(!browser.dials(1));
    assert_eq!((browser.state(0), browser.state(1)), (ConnectionState::Connected, ConnectionState::Stopped));
}

#[test]
fn messages_about_other_sessions_are_ignored() {
    let mut browser = Browser::settled(&[5]);
    browser.command(0, PageCommand::Connect(request("x")));
    assert!(browser.dials(0));
    let key = "y ws://h:1/mqtt".to_owned();
    for kind in [
        TabMessageKind::Hello,
        TabMessageKind::Here,
        TabMessageKind::Claim { key: key.clone(), priority: ClaimPriority::Reconnecting },
        TabMessageKind::Deny { key: key.clone(), priority: ClaimPriority::Connected },
        TabMessageKind::TakeOver { key },
    ] {
        let now = browser.now;
        browser.tabs[0].handle_tab_message(&TabMessage { tab: 1, kind }, now);
    }
    assert_eq!(browser.state(0), ConnectionState::Connected);
    let said: Vec<_> = std::iter::from_fn(|| browser.tabs[0].poll_tab_message()).map(|word| word.kind).collect();
    assert_eq!(said.last(), Some(&TabMessageKind::Here), "only a greeting is answered: {said:?}");
}

// The store

/// A browser's store, with one page after another.
struct Page {
    engine: Engine,
    now: Instant,
}

impl Page {
    fn new(now: Instant) -> Self {
        let mut engine = Engine::new(7, Limits::default());
        engine.use_store();
        Self { engine, now }
    }

    fn command(&mut self, command: impl Into<Command>) {
        self.engine.handle_command(command, self.now);
    }

    fn connect(&mut self, kept: Option<Vec<u8>>) -> Vec<Did> {
        self.command(PageCommand::Connect(request("x")));
        let key = self.engine.poll_load().expect("something to load");
        self.engine.handle_loaded(&key, Ok(kept), self.now);
        transmits(&mut self.engine)
    }

    /// Accepts with or without the session.
    fn accept(&mut self, session_present: u8) -> Vec<u8> {
        self.engine.handle_open(self.now);
        let Some(Did::Send(connect)) = transmits(&mut self.engine).pop() else { panic!("no CONNECT") };
        self.engine.handle_input(&[0x20, 3, session_present, 0, 0], self.now);
        connect
    }

    fn save(&mut self) -> Option<StoreWrite> {
        let save = self.engine.poll_save(self.now)?;
        self.engine.handle_saved(Ok(()));
        Some(save)
    }

    fn notice(&mut self) -> String {
        connection(&mut self.engine, self.now).notice.unwrap_or_default()
    }
}

fn publish(topic: &str) -> PanelCommand {
    let request = PublishRequest { topic: topic.to_owned(), qos: QoS::ExactlyOnce, ..PublishRequest::default() };
    PanelCommand::Publish { number: 1, request }
}

/// Returns keep alive and clean start from CONNECT.
fn keep_alive_and_clean_start(connect: &[u8]) -> (u16, bool) {
    (u16::from_be_bytes([connect[10], connect[11]]), connect[9] & 2 != 0)
}

#[test]
fn a_reload_takes_session_and_settings_up_again() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    assert_eq!(page.connect(None), [Did::Dial]);
    assert_eq!(keep_alive_and_clean_start(&page.accept(0)), (77, false));
    let save = page.save().expect("something to save");
    assert_eq!(save.until, Some(START + Duration::from_secs(600 + 24 * 3_600)));
    assert!(!save.bytes.windows(6).any(|bytes| bytes == b"secret"), "a password was kept");
    // A QoS 2 message arrives and is acknowledged only when that is stored.
    transmits(&mut page.engine);
    page.engine.handle_input(b"\x34\x08\x00\x01t\x00\x09\x00hi", page.now);
    assert!(transmits(&mut page.engine).is_empty());
    let save = page.save().expect("something to save");
    assert_eq!(transmits(&mut page.engine), [Did::Send(vec![0x50, 2, 0, 9])]);

    // The next page gets no options.
    let mut page = Page::new(START + Duration::from_secs(1));
    assert_eq!(page.connect(Some(save.bytes)), [Did::Dial]);
    assert!(page.notice().contains("restored from this browser"), "{}", page.notice());
    assert_eq!(keep_alive_and_clean_start(&page.accept(1)), (77, false));
    page.save();
    transmits(&mut page.engine);
    // The same message again is a duplicate.
    page.engine.handle_input(b"\x3c\x08\x00\x01t\x00\x09\x00hi", page.now);
    page.command(PageCommand::Pull(Pull::default()));
    assert_eq!(page.engine.poll_update().expect("an update").stats.received, 0);
    assert_eq!(transmits(&mut page.engine), [Did::Send(vec![0x50, 2, 0, 9])]);
}

#[test]
fn settings_that_do_not_last_forget_the_session() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    assert!(page.save().is_some());
    page.command(PageCommand::SetConnectionOptions(Box::default()));
    page.command(PageCommand::Connect(request("x")));
    assert_eq!(page.engine.poll_delete().as_deref(), Some("x ws://h:1/mqtt"));
    assert_eq!(page.engine.poll_delete(), None);
    assert_eq!(page.engine.poll_load(), None);
    // The old connection ends, and the broker keeps the session as agreed.
    let did = transmits(&mut page.engine);
    assert!(matches!(&did[..], [Did::Send(_), Did::HangUp, Did::Dial]), "{did:?}");
    page.accept(0);
    assert_eq!(page.save(), None);
}

#[test]
fn corrupt_stored_session_is_ignored() {
    for bytes in [vec![], vec![0xFF; 40], b"{}".to_vec()] {
        let mut page = Page::new(START);
        assert_eq!(page.connect(Some(bytes)), [Did::Dial]);
        assert_eq!(page.notice(), "");
        assert_eq!(keep_alive_and_clean_start(&page.accept(0)), (30, true));
    }
}

/// Entries outlive the version of the app that wrote them. If this fails, raise `LAYOUT` in `src/engine/connect.rs`,
/// and then the first byte here.
#[test]
fn another_layout_of_entries_has_another_number() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    page.save();
    page.command(publish("a"));
    let bytes = page.save().expect("something to save").bytes;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "024d0001d804ffff0300000000000001780101000102000161000200000000");
    // With another number it is ignored.
    let mut page = Page::new(START);
    page.connect(Some([&[bytes[0] + 1], &bytes[1..]].concat()));
    assert_eq!(page.notice(), "");
}

#[test]
fn commands_wait_for_the_store_in_their_order() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.command(PageCommand::Connect(request("x")));
    page.command(publish("a"));
    page.command(publish("b"));
    page.command(PageCommand::Disconnect);
    page.command(PageCommand::Connect(request("x")));
    page.command(publish("c"));
    // The page gets an answer all the same.
    page.command(PageCommand::Pull(Pull::default()));
    assert_eq!(page.engine.poll_update().expect("an update").connection.state, ConnectionState::Connecting);

    let key = page.engine.poll_load().expect("something to load");
    page.engine.handle_loaded(&key, Ok(None), page.now);
    assert_eq!(page.engine.poll_load(), None, "the same session again needs no store");
    page.save();
    assert_eq!(transmits(&mut page.engine), [Did::Dial]);
    page.accept(0);
    while page.save().is_some() {}
    let sent: Vec<u8> = transmits(&mut page.engine)
        .into_iter()
        .flat_map(|did| match did {
            Did::Send(bytes) => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    let topics: String = sent.windows(3).filter(|part| part[..2] == [0, 1]).map(|part| part[2] as char).collect();
    assert!(topics.ends_with("abc"), "{topics}: {sent:02x?}");
}

#[test]
fn a_store_that_never_answers_delays_and_does_not_prevent() {
    for settings in [persistent_session(), PageCommand::RetryNow] {
        let is_persistent = settings == persistent_session();
        let mut page = Page::new(START);
        page.command(settings);
        page.command(PageCommand::Connect(request("x")));
        let key = page.engine.poll_load().expect("something to load");
        assert!(transmits(&mut page.engine).is_empty());
        page.now = page.engine.poll_timeout().expect("a limit");
        assert!(page.now.since(START) <= Duration::from_secs(5));
        page.engine.handle_timeout(page.now);
        assert_eq!(transmits(&mut page.engine), [Did::Dial]);
        // The missing store is reported only if something should be stored.
        assert_eq!(page.notice().contains("doesn't respond"), is_persistent);
        page.engine.handle_loaded(&key, Ok(None), page.now);
        assert!(transmits(&mut page.engine).is_empty(), "too late to dial again");
    }
}

#[test]
fn a_write_that_never_ends_is_given_up() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    assert!(page.engine.poll_save(page.now).is_some());
    assert!(transmits(&mut page.engine).is_empty());
    while transmits(&mut page.engine).is_empty() {
        page.now = page.engine.poll_timeout().expect("a limit");
        assert!(page.now.since(START) <= Duration::from_secs(15));
        page.engine.handle_timeout(page.now);
    }
    assert!(page.notice().contains("doesn't respond"), "{}", page.notice());
}

/// An entry that was left behind would make the next page take new messages for old ones, once the broker reuses their
/// packet identifiers.
#[test]
fn session_that_cannot_be_saved_is_deleted() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    page.save();
    page.command(publish("a"));
    assert!(page.engine.poll_save(page.now).is_some());
    page.engine.handle_saved(Err("QuotaExceededError".to_owned()));
    assert_eq!(page.engine.poll_delete().as_deref(), Some("x ws://h:1/mqtt"));
    assert!(!transmits(&mut page.engine).is_empty(), "it goes on without a store");
}

/// Pressing Connect again, with other topics for example, keeps the session, even if an earlier page made it
/// persistent.
#[test]
fn same_session_is_resumed_from_memory() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    let kept = page.save().expect("something to save").bytes;

    let mut page = Page::new(START);
    page.connect(Some(kept));
    page.accept(1);
    page.save();
    transmits(&mut page.engine);
    page.engine.handle_input(b"\x34\x08\x00\x01t\x00\x09\x00hi", page.now);
    page.command(PageCommand::Connect(request("x")));
    assert_eq!(page.engine.poll_load(), None);
    page.save();
    let did = transmits(&mut page.engine);
    // DISCONNECT without a new expiry: the broker keeps the session.
    assert!(
        matches!(&did[..], [Did::Send(bytes), Did::HangUp, Did::Dial] if bytes.ends_with(&[0xE0, 0])),
        "{did:02x?}"
    );
    assert_eq!(keep_alive_and_clean_start(&page.accept(1)), (77, false));
    page.save();
    transmits(&mut page.engine);
    page.engine.handle_input(b"\x3c\x08\x00\x01t\x00\x09\x00hi", page.now);
    page.command(PageCommand::Pull(Pull::default()));
    assert_eq!(page.engine.poll_update().expect("an update").stats.received, 1, "the same message twice");
}

/// A page that is closed between the two would have shown a message that the broker sends again to the next page.
#[test]
fn a_message_is_shown_when_its_receipt_is_saved() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    page.save();
    page.command(PageCommand::Pull(Pull::default()));
    assert_eq!(page.engine.poll_update().expect("an update").stats.received, 0);
    page.command(PageCommand::Pull(Pull::default()));
    page.engine.handle_input(b"\x34\x08\x00\x01t\x00\x09\x00hi", page.now);
    assert!(page.engine.poll_update().is_none(), "it isn't saved");
    assert!(page.engine.poll_save(page.now).is_some());
    assert!(page.engine.poll_update().is_none(), "it is being saved");
    page.engine.handle_saved(Ok(()));
    assert_eq!(page.engine.poll_update().expect("an update").stats.received, 1);
}

/// Events of the previous connection don't affect the requested one.
#[test]
fn the_old_connection_does_not_answer_for_the_new_one() {
    let mut browser = Browser::settled(&[1, 2]);
    browser.command(0, PageCommand::Connect(request("x")));
    browser.pass(200);
    assert!(browser.dials(0));
    browser.command(1, PageCommand::Connect(request("y")));
    browser.pass(200);
    assert_eq!(transmits(&mut browser.tabs[1]), [Did::Dial]);
    browser.command(1, PageCommand::Connect(request("x")));
    let now = browser.now;
    browser.tabs[1].handle_open(now);
    browser.tabs[1].handle_input(&CONNACK, now);
    browser.pass(1_000);
    assert!(!browser.dials(1));
    assert_eq!((browser.state(0), browser.state(1)), (ConnectionState::Connected, ConnectionState::Stopped));
}

/// The store drops expired entries, and a quiet session isn't one.
#[test]
fn a_session_in_use_never_grows_old() {
    let mut page = Page::new(START);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    let mut until = page.save().and_then(|save| save.until).expect("an end");
    transmits(&mut page.engine);
    while page.now.since(START) < Duration::from_hours(100) {
        page.now = page.engine.poll_timeout().expect("keep alive");
        assert!(page.now < until, "dropped while in use");
        page.engine.handle_timeout(page.now);
        if let Some(save) = page.save() {
            until = save.until.expect("an end");
        }
        if !transmits(&mut page.engine).is_empty() {
            page.engine.handle_input(&[0xD0, 0], page.now);
        }
    }
}

#[test]
fn a_tab_that_gave_way_writes_nothing() {
    let mut page = Page::new(START);
    page.engine.use_tabs(START);
    page.now = START + Duration::from_secs(1);
    page.command(persistent_session());
    page.connect(None);
    page.accept(0);
    page.save();
    transmits(&mut page.engine);
    let kind = TabMessageKind::TakeOver { key: "x ws://h:1/mqtt".to_owned() };
    page.engine.handle_tab_message(&TabMessage { tab: 1, kind }, page.now);
    page.command(publish("a"));
    assert_eq!(page.save(), None);
    // Taking it back begins with the state of the other one.
    page.command(PageCommand::TakeOver);
    page.now = page.engine.poll_timeout().expect("a wait");
    page.engine.handle_timeout(page.now);
    assert!(page.engine.poll_load().is_some());
}
