//! The store in a real browser: the next page resumes what one page's engine had saved, and an unavailable store is
//! reported.
#![cfg(target_arch = "wasm32")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use idb::Request as _;
use js_sys::Promise;
use mqtt_crawl::engine::{Engine, StoreWrite, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::protocol::command::PageCommand;
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions};
use mqtt_crawl::protocol::rows::Pull;
use mqtt_crawl::time::Instant;
use mqtt_crawl::web::worker::session_store::{Store, StoreResult};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const NOW: Instant = Instant::from_millis(1_800_000_000_000);

/// A store, and its answers.
struct TestStore {
    store: Store,
    answers: Rc<RefCell<Vec<StoreResult>>>,
}

impl TestStore {
    fn open(name: &str, now: Instant) -> Self {
        let answers = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&answers);
        Self { store: Store::open(name, now, move |answer| sink.borrow_mut().push(answer)), answers }
    }

    /// Returns the next answer.
    async fn answer(&self) -> StoreResult {
        for _ in 0..2_000 {
            if let Some(answer) = self.answers.borrow_mut().pop() {
                return answer;
            }
            run_other_tasks().await;
        }
        panic!("the store never answers");
    }

    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.store.load(key.to_owned());
        match self.answer().await {
            StoreResult::Loaded { key: loaded_key, loaded } if loaded_key == key => loaded,
            other => panic!("{other:?}"),
        }
    }

    async fn save(&self, save: StoreWrite) -> Result<(), String> {
        self.store.save(save);
        match self.answer().await {
            StoreResult::Saved(saved) => saved,
            other => panic!("{other:?}"),
        }
    }
}

/// Lets the browser run other tasks.
async fn run_other_tasks() {
    let run_other_tasks = Promise::new(&mut |resolve, _| {
        Timeout::new(2, move || drop(resolve.call0(&JsValue::NULL))).forget();
    });
    JsFuture::from(run_other_tasks).await.expect("a turn");
}

/// Creates a database like a newer version of this app would.
async fn make_newer(name: &str) {
    let mut newer = idb::Factory::new().expect("IndexedDB").open(name, Some(99)).expect("a request");
    let is_made = Rc::new(Cell::new(false));
    let made = Rc::clone(&is_made);
    newer.on_success(move |_| made.set(true));
    while !is_made.get() {
        run_other_tasks().await;
    }
}

/// A database of this test's own.
fn name(test: &str) -> String {
    format!("{test}-{}", js_sys::Math::random())
}

fn entry(key: &str, bytes: &[u8], until: Option<Instant>) -> StoreWrite {
    StoreWrite { key: key.to_owned(), bytes: bytes.to_vec(), until }
}

#[wasm_bindgen_test]
async fn saved_session_is_loaded_again() {
    let name = name("kept");
    let store = TestStore::open(&name, NOW);
    assert_eq!(store.load("a").await, Ok(None));
    assert_eq!(store.save(entry("a", b"one", None)).await, Ok(()));
    assert_eq!(store.save(entry("a", b"two", None)).await, Ok(()));
    assert_eq!(store.save(entry("\u{1F680} ws://h/", &[0; 70_000], None)).await, Ok(()));

    let next = TestStore::open(&name, NOW);
    assert_eq!(next.load("a").await, Ok(Some(b"two".to_vec())));
    assert_eq!(next.load("\u{1F680} ws://h/").await, Ok(Some(vec![0; 70_000])));
    next.store.forget("a".to_owned());
    // In the order of the requests.
    assert_eq!(next.load("a").await, Ok(None));
    assert_eq!(store.load("a").await, Ok(None));
}

#[wasm_bindgen_test]
async fn expired_sessions_are_deleted() {
    let name = name("over");
    let store = TestStore::open(&name, NOW);
    let later = NOW + std::time::Duration::from_secs(60);
    for (key, until) in [("over", Some(NOW)), ("not yet", Some(later)), ("never", None)] {
        assert_eq!(store.save(entry(key, b"x", until)).await, Ok(()));
    }
    let next = TestStore::open(&name, NOW + std::time::Duration::from_secs(59));
    for (key, stays) in [("over", false), ("not yet", true), ("never", true)] {
        assert_eq!(next.load(key).await.expect("a store").is_some(), stays, "{key}");
    }
}

#[wasm_bindgen_test]
async fn failed_store_reports_its_reason() {
    let name = name("newer");
    make_newer(&name).await;

    let store = TestStore::open(&name, NOW);
    for message in [store.load("a").await.map(drop), store.save(entry("a", b"x", None)).await] {
        let message = message.expect_err("there is no such store");
        assert!(message.contains("VersionError") && message.len() > 20, "{message}");
    }
}

// The engine with a real store; the broker is simulated.

struct Page {
    engine: Engine,
    store: TestStore,
}

impl Page {
    /// Starts a page, with or without connection options, and connects.
    async fn connect(name: &str, more: Option<ConnectionOptions>) -> Self {
        let mut page = Self { engine: Engine::new(1, Limits::default()), store: TestStore::open(name, NOW) };
        page.engine.use_store();
        if let Some(more) = more {
            page.engine.handle_command(PageCommand::SetConnectionOptions(Box::new(more)), NOW);
        }
        let request = ConnectRequest {
            broker: "ws://h:1/mqtt".to_owned(),
            topics: vec!["t".to_owned()],
            qos: QoS::ExactlyOnce,
            version: Some(Version::V5),
            client_id: "c".to_owned(),
            user_name: None,
            password: None,
            page: PageOrigin::default(),
        };
        page.engine.handle_command(PageCommand::Connect(request), NOW);
        let key = page.engine.poll_load().expect("something to load");
        let loaded = page.store.load(&key).await;
        page.engine.handle_loaded(&key, loaded, NOW);
        page
    }

    /// Accepts; returns the CONNECT.
    async fn accept(&mut self, session_present: u8) -> Vec<u8> {
        assert!(matches!(self.engine.poll_transmit(), Some(Transmit::Dial { .. })));
        self.engine.handle_open(NOW);
        let Some(Transmit::Send(connect)) = self.engine.poll_transmit() else { panic!("no CONNECT") };
        let connect = connect.to_vec();
        self.serve(&[0x20, 3, session_present, 0, 0]).await;
        connect
    }

    /// Passes in bytes, and stores the changes.
    async fn serve(&mut self, bytes: &[u8]) {
        self.engine.handle_input(bytes, NOW);
        while let Some(wanted) = self.engine.poll_save(NOW) {
            assert!(self.engine.poll_transmit().is_none(), "it sends before the state is saved");
            let saved = self.store.save(wanted).await;
            self.engine.handle_saved(saved);
        }
        while self.engine.poll_transmit().is_some() {}
    }

    fn received_and_notice(&mut self) -> (u64, String) {
        self.engine.handle_command(PageCommand::Clear, NOW);
        self.engine.handle_command(PageCommand::Pull(Pull::default()), NOW);
        let update = self.engine.poll_update().expect("an update");
        (update.stats.received, update.connection.notice.unwrap_or_default())
    }
}

fn persistent() -> ConnectionOptions {
    ConnectionOptions {
        session_expiry_s: Some(600),
        clean_start: false,
        keep_alive_s: 77,
        ..ConnectionOptions::default()
    }
}

const MESSAGE: &[u8] = b"\x34\x08\x00\x01t\x00\x09\x00hi";

#[wasm_bindgen_test]
async fn exactly_once_survives_a_reload() {
    let name = name("reload");
    let mut page = Page::connect(&name, Some(persistent())).await;
    page.accept(0).await;
    page.serve(MESSAGE).await;
    assert_eq!(page.received_and_notice(), (1, String::new()));

    // The next page gets no options, and the broker never received the answer.
    let mut page = Page::connect(&name, None).await;
    let connect = page.accept(1).await;
    assert_eq!(connect[10..12], [0, 77], "the advanced settings are stored, too");
    page.serve(MESSAGE).await;
    let (received, notice) = page.received_and_notice();
    assert_eq!(received, 0, "the same message twice");
    assert!(notice.contains("restored from this browser"), "{notice}");
    page.serve(&[0x62, 2, 0, 9]).await;
    page.serve(MESSAGE).await;
    assert_eq!(page.received_and_notice().0, 1, "a new message under the same identifier");

    // A session that isn't persistent is deleted.
    page.store.store.forget("c ws://h:1/mqtt".to_owned());
    let mut page = Page::connect(&name, None).await;
    assert_eq!(page.accept(0).await[10..12], [0, 30]);
    assert_eq!(page.received_and_notice(), (0, String::new()));
}

#[wasm_bindgen_test]
async fn page_works_without_a_store_with_a_notice() {
    let name = name("broken");
    make_newer(&name).await;

    let mut page = Page::connect(&name, Some(persistent())).await;
    page.accept(0).await;
    page.serve(MESSAGE).await;
    let (received, notice) = page.received_and_notice();
    assert_eq!(received, 1);
    assert!(notice.contains("can't be saved in this browser (VersionError"), "{notice}");
}
