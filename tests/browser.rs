//! Tests that need a browser: the channel with real arrays, real workers that fail, the console in a real document, and
//! our URL parser against the browser's own.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Promise, Uint8Array};
use leptos::mount::mount_to;
use leptos::prelude::*;
use mqtt_crawl::config::link;
use mqtt_crawl::config::link::View;
use mqtt_crawl::crawl::feed::CrawlRoom;
use mqtt_crawl::dialogue::rules::{LineRules, LineTemplate, Rule, Template};
use mqtt_crawl::message_log::csv::Dialect;
use mqtt_crawl::message_log::export::{ExportPart, ExportState, Format, Selection};
use mqtt_crawl::message_log::query::suggest::{SuggestionData, SuggestionQuery};
use mqtt_crawl::mqtt::broker_url::{BrokerUrl, PageOrigin};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::protocol::command::{PageCommand, PanelCommand, PanelsRequest};
use mqtt_crawl::protocol::connection::{BrokerStatus, Connection, ConnectionState};
use mqtt_crawl::protocol::connection::{ConnectRequest, Secret};
use mqtt_crawl::protocol::message::MessageRequest;
use mqtt_crawl::protocol::panels::{Copied, PanelAction, ToPage, ToPanels};
use mqtt_crawl::protocol::publish::{PublishOutcome, Published};
use mqtt_crawl::protocol::rows::{Highlights, Preview, Row, Rows, SeekResult};
use mqtt_crawl::protocol::rows::{ListMode, Pull, SeekTarget, Window};
use mqtt_crawl::protocol::subscription::{CountSource, MessageCount, SubscriptionsView};
use mqtt_crawl::protocol::topics::{LevelRequest, TopicsRequest};
use mqtt_crawl::protocol::topics::{TopicRow, TopicsView};
use mqtt_crawl::protocol::transmission::{LineRange, OutgoingMessage, TransmissionCommand, TransmissionSlot};
use mqtt_crawl::protocol::transmission::{LineStatus, TransmissionState, TransmissionView};
use mqtt_crawl::protocol::update::{PanelsUpdate, Sample, Stats, Update};
use mqtt_crawl::time::Instant;
use mqtt_crawl::transmit::playlist::Repeat;
use mqtt_crawl::web::channel;
use mqtt_crawl::web::channel::{ChannelError, FromWorker};
use mqtt_crawl::web::clock::Clock;
use mqtt_crawl::web::css::decimal;
use mqtt_crawl::web::js_error;
use mqtt_crawl::web::page::connection::form::ConnectionForm;
use mqtt_crawl::web::page::console::ConsoleView;
use mqtt_crawl::web::page::console::controller::{Console, ConsoleEvent};
use mqtt_crawl::web::page::console::renderer::ConsoleStatus;
use mqtt_crawl::web::page::form::{Form, PageInfo};
use mqtt_crawl::web::page::panels_link::PanelsLink;
use mqtt_crawl::web::page::worker_link::{WorkerEvent, WorkerLink};
use mqtt_crawl::web::window_bus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{
    Blob, CustomEvent, CustomEventInit, Document, Element, Event, HtmlElement, KeyboardEvent, MessageChannel,
    MessageEvent, MouseEvent, MouseEventInit, Url, WebSocket,
};

wasm_bindgen_test_configure!(run_in_browser);

fn document() -> Document {
    web_sys::window().and_then(|window| window.document()).expect("a page")
}

fn clock() -> Clock {
    Clock::new(web_sys::window().and_then(|window| window.performance()).expect("a clock"))
}

/// Lets the browser lay out, scroll and deliver events.
async fn frames(count: usize) {
    for _ in 0..count {
        let frame =
            Promise::new(&mut |resolve, _| request_animation_frame(move || drop(resolve.call0(&JsValue::NULL))));
        JsFuture::from(frame).await.expect("a frame");
    }
}

/// Waits for a condition, a few seconds at most.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = clock().now();
    while !condition() {
        assert!(clock().now().since(start).as_secs() < 10, "never: {what}");
        frames(1).await;
    }
}

// The channel

fn update() -> Update {
    Update {
        connection: Connection {
            state: ConnectionState::Reconnecting,
            message: "Lost — «¿?» \u{202e}".into(),
            retry_at: Some(Instant::from_micros(u64::MAX)),
            ..Connection::default()
        },
        stats: Stats { received: u64::MAX, ..Stats::default() },
        rows: Rows {
            before: Some(Instant::EPOCH),
            rank: Some(u64::MAX),
            sought: Some(SeekResult { goal: SeekTarget::Near(1), found: Some((1, i64::MIN)) }),
            ..rows(3..9)
        },
        lines: Vec::new(),
        filter_error: Some(String::new()),
        token: None,
    }
}

/// Checks that a message is the same after its way through the channel.
#[track_caller]
fn check_channel<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: T) {
    let posted = channel::encode(&message).expect("encodes");
    assert_eq!(channel::decode::<T>(&posted), Ok(message));
}

fn panels_update() -> PanelsUpdate {
    PanelsUpdate {
        status: BrokerStatus { state: ConnectionState::Connected, ..BrokerStatus::default() },
        published: vec![Published { number: u64::MAX, outcome: PublishOutcome::Unknown("?".into()) }],
        message: None,
        trace: None,
        subscriptions: Some(SubscriptionsView {
            answer: Some("?".into()),
            counts: vec![MessageCount { messages: u64::MAX, by: CountSource::Identifier, is_least: true }],
            ..SubscriptionsView::default()
        }),
        suggestions: Some(SuggestionData { ask: SuggestionQuery::Speakers("é".into()), names: vec!["é".into()] }),
        samples: Some(vec![Sample { topic: "a".into(), payload: vec![0xFF] }]),
        transmissions: Some(vec![TransmissionView {
            slot: TransmissionSlot::Script,
            state: TransmissionState::Over,
            line: u64::MAX,
            sent: 1,
            done: 2,
            failed: 3,
            first_failed: Some(0),
            first: 4,
            statuses: vec![LineStatus::Unsent, LineStatus::Failed(7)],
            failures: vec![PublishOutcome::Failed("é".into())],
        }]),
        export: Some(ExportPart { from_seq: 1, end_seq: 9, next_seq: Some(2), messages: 1, bytes: vec![0xFF, 0] }),
        stats: Some(Stats { kept_bytes: u64::MAX, ..Stats::default() }),
        topics: Some(TopicsView {
            rows: vec![TopicRow {
                topic: "a/\u{202e}".into(),
                open: Some(false),
                parent: Some(1),
                ..TopicRow::default()
            }],
            ..TopicsView::default()
        }),
    }
}

fn connect_request() -> ConnectRequest {
    ConnectRequest {
        broker: "ws://127.0.0.1/x?y=%20".into(),
        topics: vec!["a/#".into(), "ü".into()],
        qos: QoS::ExactlyOnce,
        version: None,
        client_id: "id".into(),
        user_name: Some(String::new()),
        password: Some(Secret("secret".into())),
        page: PageOrigin { is_https: true, is_public: true },
    }
}

fn line_rules() -> LineRules {
    LineRules {
        rules: vec![
            Rule { topics: TopicFilter::parse("+").expect("a filter"), wording: None },
            Rule {
                topics: TopicFilter::parse("#").expect("a filter"),
                wording: Some(LineTemplate { speaker: None, text: Template::parse("{value} °C").ok() }),
            },
        ],
    }
}

#[wasm_bindgen_test]
fn posted_updates_arrive_unchanged() {
    check_channel(FromWorker::Update(Box::new(update())));
    check_channel(panels_update());
}

#[wasm_bindgen_test]
fn posted_page_commands_arrive_unchanged() {
    for command in [
        PageCommand::Connect(connect_request()),
        PageCommand::Pull(Pull {
            window: Window::At { first: i64::MIN, rows: 1 },
            listed: ListMode::All,
            until: Some(u64::MAX),
            selected: Some(0),
            crawl: CrawlRoom { lines: 2, ..CrawlRoom::default() },
        }),
        PageCommand::Pull(Pull {
            window: Window::Around { goal: SeekTarget::RowBefore(7), rows: 3 },
            ..Pull::default()
        }),
        PageCommand::Filter { text: "\0".into(), ahead_of_utc_min: -210 },
        PageCommand::SetConnectionOptions(Box::default()),
        PageCommand::SetLineRules(line_rules()),
    ] {
        check_channel(command);
    }
}

#[wasm_bindgen_test]
fn posted_panel_commands_arrive_unchanged() {
    for command in [
        PanelCommand::Pull(PanelsRequest::default()),
        PanelCommand::Pull(PanelsRequest {
            topics: Some(TopicsRequest {
                levels: vec![LevelRequest { id: 1, is_open: true, field: "\n".into() }],
                ..TopicsRequest::default()
            }),
            message: Some(MessageRequest { seq: 9, from_byte: 1 << 20 }),
            trace_from: Some(3),
            stats: true,
            subscriptions: true,
            export: ExportState::new(Format::Csv(Dialect::default()), Selection::Matching).request(),
            suggestions: Some(SuggestionQuery::Topics(String::new())),
            samples: TopicFilter::parse("a/#").ok(),
            script: LineRange { first: u64::MAX, count: 1 },
        }),
        PanelCommand::Transmit(TransmissionSlot::Message, TransmissionCommand::Repeat(Repeat::Rounds(u32::MAX))),
        PanelCommand::Transmit(
            TransmissionSlot::Script,
            TransmissionCommand::Lines(vec![OutgoingMessage { topic: "a/ü".into(), payload: vec![0xFF] }]),
        ),
    ] {
        check_channel(command);
    }
}

#[wasm_bindgen_test]
fn foreign_messages_are_rejected() {
    for strange in
        [JsValue::NULL, JsValue::from_str("text"), Array::new().into(), Uint8Array::new_with_length(0).into()]
    {
        assert!(channel::decode::<FromWorker>(&strange).is_err(), "{strange:?}");
    }
    assert!(channel::decode::<FromWorker>(&Uint8Array::from([0xFF; 40].as_slice())).is_err());
}

#[wasm_bindgen_test]
fn clock_agrees_with_the_wall_clock() {
    let wall = Instant::from_millis(js_sys::Date::now() as u64);
    let now = clock().now();
    assert!(now.since(wall).max(wall.since(now)).as_secs() < 5, "{now:?} and {wall:?}");
    assert!(clock().now() >= now);
}

#[wasm_bindgen_test]
fn decimals_are_valid_css() {
    for (value, text) in [
        (0.0, "0.0000"),
        (-0.00001, "0.0000"),
        (1.02, "1.0200"),
        (-12.34567, "-12.3457"),
        (0.99996, "1.0000"),
        (1e6, "1000000.0000"),
        (f64::NAN, "0.0000"),
    ] {
        assert_eq!(decimal(value), text);
    }
}

// URLs

#[wasm_bindgen_test]
fn url_parser_agrees_with_the_browser() {
    for text in [
        "ws://127.0.0.1:8080/mqtt",
        "wss://broker.example",
        "WSS://broker.example:8084/a//b/?x=%20&y=/",
        "ws://[::1]:1/ws",
        "ws://my_host-1.example.:9001/",
        "ws://host?token=a@b",
    ] {
        let ours = BrokerUrl::parse(text).expect(text);
        let theirs = Url::new(text).expect(text);
        assert_eq!(theirs.hostname().trim_matches(['[', ']']), ours.host(), "{text}");
        let port = match theirs.port().as_str() {
            "" => ours.scheme().default_port(),
            port => port.parse().expect("a port"),
        };
        assert_eq!(port, ours.port(), "{text}");
        let path = format!("{}{}", theirs.pathname(), theirs.search());
        assert_eq!(path.trim_start_matches('/'), ours.path().trim_start_matches('/'), "{text}");
    }
}

#[wasm_bindgen_test]
fn websocket_constructor_errors_are_described() {
    for text in ["ws://[nonsense/", "ws://host:99999/", "ws://host/#fragment"] {
        assert!(BrokerUrl::parse(text).is_err(), "{text}: we should refuse it first");
        if let Err(error) = WebSocket::new_with_str(text, "mqtt") {
            assert!(js_error::message(&error).len() > 10, "{text}: {}", js_error::message(&error));
        }
    }
    let error = WebSocket::new_with_str("ws://[nonsense/", "mqtt").expect_err("no URL");
    assert!(js_error::message(&error).contains("invalid"), "{}", js_error::message(&error));
}

// Workers

/// Collects what a page receives from a worker that runs this script.
fn listen(script: &str) -> Rc<RefCell<Vec<WorkerEvent>>> {
    let (link, events) = link_to(script);
    // It lives as long as the page, as in the app.
    std::mem::forget(link);
    events
}

fn link_to(script: &str) -> (WorkerLink, Rc<RefCell<Vec<WorkerEvent>>>) {
    let blob = Blob::new_with_str_sequence(&Array::of1(&script.into())).expect("a blob");
    let url = Url::create_object_url_with_blob(&blob).expect("a URL");
    let events = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&events);
    let link = WorkerLink::start(Box::leak(url.into_boxed_str()), Array::new(), clock(), move |word| {
        sink.borrow_mut().push(word);
    });
    (link, events)
}

#[wasm_bindgen_test]
async fn worker_is_not_restarted_after_repeated_crashes() {
    let events = listen("throw new Error('out of fuel')");
    until("given up", || matches!(events.borrow().last(), Some(WorkerEvent::Lost { .. }))).await;
    let events = events.borrow();
    assert_eq!(events.len(), 4, "{events:?}");
    for event in &events[..3] {
        assert!(matches!(event, WorkerEvent::Replaced { error } if error.contains("out of fuel")), "{event:?}");
    }
    assert!(matches!(&events[3], WorkerEvent::Lost { message } if message.contains("Reload the page")), "{events:?}");
}

#[wasm_bindgen_test]
async fn worker_of_another_build_is_detected() {
    let events = listen("postMessage(new Uint8Array([99, 1, 2, 3]))");
    until("noticed", || !events.borrow().is_empty()).await;
    assert!(matches!(&events.borrow()[0], WorkerEvent::Lost { message } if message.contains("different versions")));
}

/// Announces that it listens, again after each command of this size, and echoes every command on its port.
fn echo(command_bytes: u32) -> String {
    let ready = channel::encode(&FromWorker::Ready { version: channel::VERSION.to_owned() }).expect("encodes");
    let ready: Vec<_> = ready.to_vec().iter().map(u8::to_string).collect();
    format!(
        "const announce = () => postMessage(new Uint8Array([{}]));
        onmessage = ({{ data }}) => {{
            if (Array.isArray(data)) return;
            if (data instanceof MessagePort) data.onmessage = (event) => data.postMessage(event.data);
            else if (data.length === {command_bytes}) announce();
        }};
        announce();",
        ready.join(",")
    )
}

#[wasm_bindgen_test]
async fn port_opens_once_the_worker_is_ready() {
    let (link, events) = link_to(&echo(0));
    assert!(link.open_port().is_none(), "a message to a worker that doesn't listen yet is lost");
    until("ready", || matches!(events.borrow().last(), Some(WorkerEvent::Ready))).await;
    let port = link.open_port().expect("a line");
    let echoed = Rc::new(RefCell::new(None));
    let sink = Rc::clone(&echoed);
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        *sink.borrow_mut() = channel::decode::<PanelCommand>(&event.data()).ok();
    });
    port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    port.post_message(&channel::encode(&PanelCommand::Pull(PanelsRequest::default())).expect("encodes"))
        .expect("posted");
    until("echoed", || echoed.borrow().is_some()).await;
    assert_eq!(*echoed.borrow(), Some(PanelCommand::Pull(PanelsRequest::default())));
    assert_eq!(events.borrow().len(), 1, "the page gets no event for it");
}

#[wasm_bindgen_test]
async fn connection_options_are_sent_before_every_connect() {
    let panels = PanelsLink::default();
    let settings = channel::encode(&PageCommand::SetConnectionOptions(Box::default())).expect("encodes");
    let (link, events) = link_to(&echo(settings.length()));
    panels.send_connection_options(&link);
    panels.set_connection_options(Box::default());
    // Sent to this worker, and to one that replaces it.
    panels.send_connection_options(&link);
    panels.send_connection_options(&link);
    until("echoed", || events.borrow().len() == 3).await;
    let events = events.borrow();
    assert!(events.iter().all(|event| matches!(event, WorkerEvent::Ready)), "{events:?}");
}

#[wasm_bindgen_test]
fn panels_of_another_build_are_detected() {
    let panels = PanelsLink::default();
    let (link, _) = link_to(&echo(0));
    assert_eq!(panels.handle_ready(channel::VERSION, &link), Ok(()));
    assert!(panels.handle_ready("0.0.1", &link).is_err_and(|notice| notice.contains("different versions")));
    // Panels that nobody opened aren't needed; and here there are none to load.
    assert_eq!(panels.handle_load_failure(), None);
    panels.run(PanelAction::Help, &document());
    assert!(panels.handle_load_failure().is_some_and(|notice| notice.contains("Couldn't load")));
}

// The console

fn rows(seqs: std::ops::Range<u64>) -> Rows {
    let row = |seq| Row {
        seq,
        time: Instant::from_millis(seq),
        topic: format!("topic/{seq}"),
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        deviation: None,
        preview: Preview::Text(format!("<img src=x onerror=alert({seq})>")),
        payload_bytes: 30,
        colour: Some((seq % 8) as u8),
        marks: None,
    };
    Rows { first: seqs.start as i64, rows: seqs.map(row).collect(), ..Rows::default() }
}

/// Returns the rows that a worker with this log would send for the console's request.
fn answer(console: &Console, stats: &Stats) -> Rows {
    // Positions are numbers if there is no filter.
    let (begin, end) = (stats.evicted + 1, stats.evicted + stats.kept + 1);
    let (first, count) = match console.pull().window {
        Window::At { first, rows } => (u64::try_from(first).unwrap_or(0).clamp(begin, end), rows),
        Window::Tail { rows } | Window::Around { rows, .. } => (end.saturating_sub(u64::from(rows)).max(begin), rows),
    };
    let shown = rows(first..(first + u64::from(count)).min(end));
    Rows { begin: begin as i64, total: stats.kept, end_seq: end, ..shown }
}

struct Stage {
    console: Console,
    root: HtmlElement,
    stats: Stats,
    moves: Rc<RefCell<usize>>,
}

impl Stage {
    async fn new() -> Self {
        let root: HtmlElement = document().create_element("div").expect("a div").unchecked_into();
        root.style().set_css_text("display:grid;height:400px;width:800px");
        let style = document().create_element("style").expect("a style");
        style.set_text_content(Some(include_str!("../style/console.css")));
        let body = document().body().expect("a body");
        body.append_child(&style).expect("style");
        body.append_child(&root).expect("root");
        let moves = Rc::new(RefCell::new(0));
        let counted = Rc::clone(&moves);
        let console = Console::new(move |event| *counted.borrow_mut() += usize::from(event == ConsoleEvent::NeedRows));
        let shown = console.clone();
        mount_to(root.clone(), move || {
            view! {
                <ConsoleView console=shown />
            }
        })
        .forget();
        frames(3).await;
        Self { console, root, stats: Stats::default(), moves }
    }

    fn find(&self, selector: &str) -> HtmlElement {
        self.root.query_selector(selector).ok().flatten().expect(selector).unchecked_into()
    }

    fn scroller(&self) -> HtmlElement {
        self.find(".scroller")
    }

    /// Handles a log that has grown, or a window that has moved.
    fn show(&self) {
        self.console.show(answer(&self.console, &self.stats));
    }

    fn log(&mut self, kept: u64, evicted: u64) {
        self.stats = Stats { received: kept + evicted, kept, evicted, matching: kept, ..Stats::default() };
        self.show();
    }

    /// Returns the row elements in the document's order.
    fn elements(&self) -> Vec<Element> {
        let rows = self.find(".rows").children();
        (0..rows.length()).filter_map(|index| rows.item(index)).collect()
    }

    fn seqs(&self) -> Vec<u64> {
        self.elements().iter().map(|row| row.get_attribute("data-seq").expect("seq").parse().expect("number")).collect()
    }

    /// Returns the numbers of the visible rows, by their position on screen.
    fn visible(&self) -> Vec<u64> {
        let pane = self.find(".pane").get_bounding_client_rect();
        self.elements()
            .iter()
            .filter(|row| {
                let place = row.get_bounding_client_rect();
                place.bottom() > pane.top() + 1.0 && place.top() < pane.bottom() - 1.0
            })
            .map(|row| row.get_attribute("data-seq").expect("seq").parse().expect("number"))
            .collect()
    }

    fn press(&self, key: &str) {
        let init = web_sys::KeyboardEventInit::new();
        init.set_key(key);
        init.set_bubbles(true);
        let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init).expect("a key");
        self.scroller().dispatch_event(&event).expect("dispatched");
        self.show();
    }
}

#[wasm_bindgen_test]
async fn console_rows_are_few_ordered_and_text_only() {
    let mut stage = Stage::new().await;
    for kept in [3, 4, 40, 41, 1_000, 100_000] {
        stage.log(kept, 0);
        let seqs = stage.seqs();
        assert!(seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept}: {seqs:?}");
        assert_eq!(seqs.last(), Some(&kept));
        assert_eq!(stage.visible().last(), Some(&kept), "the newest is in view");
    }
    assert!(stage.elements().len() < 60, "{} elements", stage.elements().len());
    let last = stage.elements().pop().expect("a row");
    assert_eq!(last.get_attribute("aria-rowindex").as_deref(), Some("100001"));
    assert!(last.text_content().expect("text").contains("<img src=x onerror=alert(100000)>"));
    assert!(stage.root.query_selector("img").expect("selector").is_none(), "a payload became markup");
}

#[wasm_bindgen_test]
async fn scrolling_up_stops_following_and_end_resumes() {
    let mut stage = Stage::new().await;
    stage.log(10_000, 0);
    until("the bar is at the end", || stage.scroller().scroll_top() > 100_000).await;
    assert!(stage.console.is_following());

    stage.scroller().set_scroll_top(5_000 * 24);
    until("the move is noticed", || !stage.console.is_following()).await;
    assert!(*stage.moves.borrow() > 0, "other rows are requested");
    stage.show();
    assert_eq!(stage.visible().first(), Some(&5_001));

    stage.log(10_500, 0);
    frames(20).await;
    assert_eq!(stage.visible().first(), Some(&5_001), "arriving rows move nothing");
    assert!(stage.find(".newest").text_content().expect("text").starts_with("500 new"));

    stage.log(9_500, 1_000);
    frames(20).await;
    assert_eq!(stage.visible().first(), Some(&5_001), "evicted rows move nothing");

    stage.press("PageUp");
    assert!(stage.visible().first() < Some(&5_000));
    stage.press("Home");
    assert_eq!(stage.visible().first(), Some(&1_001));
    stage.press("End");
    assert!(stage.console.is_following());
    assert_eq!(stage.visible().last(), Some(&10_500));
}

#[wasm_bindgen_test]
async fn million_rows_scroll_to_both_ends() {
    let mut stage = Stage::new().await;
    stage.log(1_000_000, 0);
    until("the bar is at the end", || stage.scroller().scroll_top() > 1_000_000).await;
    assert_eq!(stage.visible().last(), Some(&1_000_000));
    stage.scroller().set_scroll_top(0);
    until("the move is noticed", || !stage.console.is_following()).await;
    stage.show();
    assert_eq!(stage.visible().first(), Some(&1));
    let middle = stage.scroller().scroll_height() / 2;
    stage.scroller().set_scroll_top(middle);
    until("the move is noticed", || !matches!(stage.console.pull().window, Window::At { first: 1, .. })).await;
    frames(2).await;
    stage.show();
    let first = stage.visible()[0];
    assert!((499_000..501_000).contains(&first), "{first}");
}

#[wasm_bindgen_test]
async fn scroll_move_survives_a_pending_bar_update() {
    let mut stage = Stage::new().await;
    stage.log(1_000_000, 0);
    until("the bar is at the end", || stage.scroller().scroll_top() > 1_000_000).await;
    let move_to = async |to_px: i32| {
        let before = stage.console.pull().window;
        stage.scroller().set_scroll_top(to_px);
        until("the move is noticed", || stage.console.pull().window != before).await;
        stage.show();
    };
    // The bar settles 160 ms after a move that was handled; this one is handled with the next frame.
    for wait_ms in 156..=160 {
        move_to(3_000_000).await;
        let waited = Promise::new(&mut |resolve, _| {
            set_timeout(move || drop(resolve.call0(&JsValue::NULL)), Duration::from_millis(wait_ms));
        });
        JsFuture::from(waited).await.expect("a timer");
        move_to(9_000_000).await;
        assert_eq!(stage.scroller().scroll_top(), 9_000_000, "{wait_ms} ms after another move");
    }
}

#[wasm_bindgen_test]
async fn bar_is_updated_after_a_press_released_outside() {
    let mut stage = Stage::new().await;
    let point = |name: &str, buttons: u16| {
        let init = MouseEventInit::new();
        init.set_bubbles(true);
        init.set_buttons(buttons);
        let event = MouseEvent::new_with_mouse_event_init_dict(name, &init).expect("a pointer");
        stage.find(".rows").dispatch_event(&event).expect("dispatched");
    };
    // Released outside the console, the pointer is restored.
    point("pointerdown", 1);
    point("pointermove", 1);
    point("pointermove", 0);
    stage.log(1_000, 0);
    until("the bar is at the end", || stage.scroller().scroll_top() > 20_000).await;
}

#[wasm_bindgen_test]
async fn empty_console_shows_the_reason() {
    let mut stage = Stage::new().await;
    let reason = async |stage: &Stage, kept: u64, newer: u64| {
        stage.console.show(Rows { newer, ..Rows::default() });
        let stats = Stats { kept, received: kept, ..Stats::default() };
        stage.console.set_status(ConsoleStatus {
            stats,
            state: ConnectionState::Connected,
            ..ConsoleStatus::default()
        });
        frames(1).await;
        stage.find(".console-empty span").text_content().expect("text")
    };
    for (kept, newer, expected) in [
        (0, 0, "Connected. Waiting for the first message."),
        (3, 0, "No messages match the filter."),
        (3, 3, "View paused. New messages are hidden."),
    ] {
        assert_eq!(reason(&stage, kept, newer).await, expected, "{kept} kept, {newer} newer");
    }
    stage.log(3, 0);
    frames(1).await;
    assert!(stage.find(".console-empty").has_attribute("hidden"));
}

#[wasm_bindgen_test]
async fn wrong_filter_is_marked_and_explained() {
    let stage = Stage::new().await;
    let filter = stage.find("input[type=search]");
    for error in [Some("qos:3 isn't a QoS."), None] {
        let filter_error = error.map(str::to_owned);
        stage.console.set_status(ConsoleStatus { filter_error, ..ConsoleStatus::default() });
        frames(1).await;
        assert_eq!(filter.get_attribute("aria-invalid"), Some(error.is_some().to_string()));
        assert_eq!(stage.find("#filter-error").text_content().as_deref(), Some(error.unwrap_or_default()));
    }
}

#[wasm_bindgen_test]
async fn highlights_are_added_and_removed_as_text() {
    let mut stage = Stage::new().await;
    stage.log(3, 0);
    let mut marked = answer(&stage.console, &stage.stats);
    let marks = Highlights { topic: vec![(0, 5), (6, 7)], payload: vec![(0, 4)] };
    marked.rows[1].marks = Some(marks);
    let text = |stage: &Stage| stage.elements()[1].text_content();
    let before = text(&stage);
    stage.console.show(marked.clone());
    let highlighted = |stage: &Stage| {
        let marks = stage.root.query_selector_all("mark").expect("selector");
        (0..marks.length()).filter_map(|at| marks.item(at)?.text_content()).collect::<Vec<_>>()
    };
    assert_eq!(highlighted(&stage), ["topic", "2", "<img"]);
    assert_eq!(text(&stage), before, "highlights don't change the text");
    marked.rows[1].marks = Some(Highlights { payload: vec![(26, 27)], ..Highlights::default() });
    stage.console.show(marked);
    assert_eq!(highlighted(&stage), [")"]);
    stage.show();
    assert_eq!((highlighted(&stage), text(&stage)), (vec![], before));
    assert!(stage.root.query_selector("img").expect("selector").is_none(), "a payload became markup");
}

#[wasm_bindgen_test]
async fn restart_clears_the_console() {
    let mut stage = Stage::new().await;
    stage.log(5_000, 0);
    stage.console.restart();
    assert_eq!(stage.elements().len(), 0);
    stage.log(2, 0);
    assert_eq!(stage.seqs(), [1, 2]);
}

#[wasm_bindgen_test]
async fn rows_are_reachable_by_keyboard() {
    let mut stage = Stage::new().await;
    stage.log(40, 0);
    let table = stage.find("[role=grid]");
    table.focus().expect("focus");
    assert_eq!(document().active_element().as_ref(), Some(table.as_ref()));
    stage.press("ArrowUp");
    stage.press("ArrowUp");
    let selected = stage.find("[aria-selected=true]");
    assert_eq!(selected.get_attribute("data-seq").as_deref(), Some("39"));
    assert_eq!(table.get_attribute("aria-activedescendant"), Some(selected.id()));
    stage.log(500, 0);
    assert_eq!(stage.find("[aria-selected=true]").get_attribute("data-seq").as_deref(), Some("39"));
    stage.press("End");
    assert!(!table.has_attribute("aria-activedescendant"), "it is off the screen");
    stage.press("Escape");
    assert_eq!(stage.find("[role=grid]").get_attribute("aria-label").as_deref(), Some("Message console"));
}

// The form

const ORIGIN: &str = "http://127.0.0.1:8080";

/// Mounts a form that was opened with this link.
async fn form(fragment: &str) -> (Form, HtmlElement) {
    let link = link::parse(fragment, ORIGIN);
    let page = PageInfo { base: ORIGIN.into(), client_id: "tab".into() };
    let form = Form::new(&link.settings, page);
    let root: HtmlElement = document().create_element("div").expect("a div").unchecked_into();
    document().body().expect("a body").append_child(&root).expect("root");
    mount_to(root.clone(), move || {
        let unused = Callback::new(|()| ());
        view! {
            <ConnectionForm
                form
                token=None
                copied=false
                on_submit=unused
                on_replace_password=unused
                on_connection_options=unused
                on_copy_link=unused
            />
        }
    })
    .forget();
    frames(2).await;
    (form, root)
}

/// Returns labels and values of the text boxes for topics.
fn topics(root: &HtmlElement) -> Vec<(String, String)> {
    let fields = root.query_selector_all(".topic-field").expect("selector");
    (0..fields.length())
        .filter_map(|index| fields.item(index))
        .map(|field| {
            let field: Element = field.unchecked_into();
            let label = field.query_selector("label").ok().flatten().expect("label").text_content();
            let input: web_sys::HtmlInputElement =
                field.query_selector("input").ok().flatten().expect("input").unchecked_into();
            (label.expect("text"), input.value())
        })
        .collect()
}

#[wasm_bindgen_test]
async fn new_link_refills_the_form() {
    let (form, root) = form("#topic=a&topic=b&user=ann").await;
    let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    assert_eq!(topics(&root), [pair("Topic", "a"), pair("Topic 2", "b")]);
    assert_eq!(form.settings(View::Split), link::parse("#topic=a&topic=b&user=ann", ORIGIN).settings);

    form.fill(&link::parse("#topic=c&qos=1", ORIGIN).settings);
    frames(2).await;
    assert_eq!(topics(&root), [pair("Topic", "c")]);
    assert_eq!(form.settings(View::Split), link::parse("#topic=c&qos=1", ORIGIN).settings);
}

#[wasm_bindgen_test]
async fn errors_are_shown_next_to_their_fields() {
    let (form, root) = form("#broker=mqtt://far.example&topic=ok&topic=a/%23/b").await;
    assert!(form.request().is_none());
    frames(2).await;
    let wrong = root.query_selector_all("[aria-invalid=true]").expect("selector");
    assert_eq!(wrong.length(), 2);
    for (index, expected) in [(0, "WebSocket listener"), (1, "last level")] {
        let field: Element = wrong.item(index).expect("field").unchecked_into();
        let described_by = field.get_attribute("aria-describedby").expect("description");
        // Another test's form may be on the same page.
        let fault =
            root.query_selector(&format!("#{described_by}")).ok().flatten().and_then(|fault| fault.text_content());
        assert!(fault.as_deref().is_some_and(|fault| fault.contains(expected)), "{described_by}: {fault:?}");
    }
    let summary = root.query_selector("[role=alert]").ok().flatten().and_then(|alert| alert.text_content());
    assert!(summary.is_some_and(|summary| summary.contains("2 highlighted fields")));
    root.remove();
}

/// A message as the window's event brings it.
fn dispatched<T: DeserializeOwned + 'static>(
    event: &'static str,
    send: impl FnOnce(),
) -> Result<(T, bool), ChannelError> {
    let received = Rc::new(RefCell::new(None));
    let listener = {
        let received = Rc::clone(&received);
        Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let message = window_bus::receive::<T>(&event).map(|(message, port)| (message, port.is_some()));
            *received.borrow_mut() = Some(message);
        })
    };
    let window = web_sys::window().expect("a window");
    window.add_event_listener_with_callback(event, listener.as_ref().unchecked_ref()).expect("listens");
    send();
    window.remove_event_listener_with_callback(event, listener.as_ref().unchecked_ref()).expect("stops");
    received.take().expect("dispatched at once")
}

#[wasm_bindgen_test]
fn messages_of_page_and_panels_round_trip() {
    for message in [
        ToPanels::Run(PanelAction::Message(u64::MAX)),
        ToPanels::Run(PanelAction::Copy(Copied::Subscribe, 1)),
        ToPanels::Settings("theme=dark".to_owned()),
        ToPanels::WorkerLost,
    ] {
        let sent = message.clone();
        let received = dispatched(window_bus::TO_PANELS, move || window_bus::send_to_panels(&sent));
        assert_eq!(received, Ok((message, false)));
    }
    let port = MessageChannel::new().expect("a channel").port1();
    let received = dispatched(window_bus::TO_PANELS, move || window_bus::send_port_to_panels(&port));
    assert_eq!(received, Ok((ToPanels::WorkerPort, true)));
    for message in [
        ToPage::Ready { version: "1".to_owned() },
        ToPage::ConnectionOptions(Box::default()),
        ToPage::Filter("topic:a\u{0}".to_owned()),
        ToPage::ShowInCrawl(9_007_199_254_740_991),
    ] {
        let sent = message.clone();
        let received = dispatched(window_bus::TO_PAGE, move || window_bus::send_to_page(&sent));
        assert_eq!(received, Ok((message, false)));
    }
}

#[wasm_bindgen_test]
fn message_of_another_build_is_an_error() {
    for detail in [JsValue::NULL, "filter a".into(), js_sys::Array::of1(&js_sys::Uint8Array::new_with_length(0)).into()]
    {
        let received = dispatched::<ToPage>(window_bus::TO_PAGE, move || {
            let init = CustomEventInit::new();
            init.set_detail(&detail);
            let event = CustomEvent::new_with_event_init_dict(window_bus::TO_PAGE, &init).expect("an event");
            web_sys::window().expect("a window").dispatch_event(&event).expect("dispatches");
        });
        assert_eq!(received, Err(ChannelError));
    }
}
