//! The crawl in a real document: its nodes, its one animation, its keys.
#![cfg(target_arch = "wasm32")]

use js_sys::{Array, Function, Promise, Reflect};
use leptos::mount::{UnmountHandle, mount_to};
use leptos::prelude::*;
use mqtt_crawl::crawl::item::CrawlItem;
use mqtt_crawl::crawl::layout::BLOCKS_MAX;
use mqtt_crawl::crawl::opening::Opening;
use mqtt_crawl::crawl::quotes;
use mqtt_crawl::dialogue::Line;
use mqtt_crawl::web::page::crawl::handle::CrawlHandle;
use mqtt_crawl::web::page::crawl::view::CrawlView;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::{Animation, Document, Element, HtmlElement, KeyboardEvent};

wasm_bindgen_test_configure!(run_in_browser);

const STYLES: [&str; 3] =
    [include_str!("../style/crawl.css"), include_str!("../style/opening.css"), include_str!("../style/stars.css")];

fn document() -> Document {
    web_sys::window().and_then(|window| window.document()).expect("a page")
}

async fn frame() {
    let frame = Promise::new(&mut |resolve, _| request_animation_frame(move || drop(resolve.call0(&JsValue::NULL))));
    JsFuture::from(frame).await.expect("a frame");
}

/// Waits for a condition, twenty seconds at most.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let performance = web_sys::window().and_then(|window| window.performance()).expect("a clock");
    let start_ms = performance.now();
    while !condition() {
        assert!(performance.now() - start_ms < 20_000.0, "never: {what}");
        frame().await;
    }
}

/// A crawl in a pane of its own, removed at the end of its test.
struct Pane<M: Mountable> {
    pane: HtmlElement,
    handle: CrawlHandle,
    _mounted: UnmountHandle<M>,
}

impl<M: Mountable> Drop for Pane<M> {
    fn drop(&mut self) {
        self.pane.remove();
    }
}

fn open(opening: Opening) -> Pane<impl Mountable> {
    let document = document();
    let pane: HtmlElement = document.create_element("div").expect("a node").unchecked_into();
    pane.set_attribute("style", "position:fixed;inset:0 auto auto 0;width:640px;height:360px").expect("styled");
    for style in STYLES {
        let node = document.create_element("style").expect("a node");
        node.set_text_content(Some(style));
        pane.append_child(&node).expect("appended");
    }
    document.body().and_then(|body| body.append_child(&pane).ok()).expect("appended");
    let handle = CrawlHandle::new();
    let given = handle.clone();
    let mounted = mount_to(pane.clone(), move || {
        let opening = Signal::derive(move || opening.clone());
        view! { <CrawlView handle=given opening=opening on_event=Callback::new(|_| ()) /> }
    });
    Pane { pane, handle, _mounted: mounted }
}

fn line(seq: u64, character: &str, text: &str) -> CrawlItem {
    CrawlItem::Line { seq, line: Line { character: character.to_owned(), text: text.to_owned() } }
}

impl<M: Mountable> Pane<M> {
    fn all(&self, selector: &str) -> Vec<Element> {
        let found = self.pane.query_selector_all(selector).expect("a selector");
        (0..found.length()).filter_map(|index| found.item(index)?.dyn_into().ok()).collect()
    }

    fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        self.all(selector).first()?.get_attribute(name)
    }

    fn click(&self, selector: &str) {
        self.all(selector).first().expect(selector).unchecked_ref::<HtmlElement>().click();
    }

    /// Returns the plane's animations, without the transitions of the card.
    fn animations(&self) -> Vec<Animation> {
        let plane = self.all(".plane").pop().expect("a plane");
        let list = Reflect::get(&plane, &"getAnimations".into()).expect("a method").unchecked_into::<Function>();
        let list = list.call0(&plane).expect("a list").unchecked_into::<Array>();
        list.iter().map(JsCast::unchecked_into).collect()
    }

    /// Begins with these lines.
    async fn push(&self, lines: Vec<CrawlItem>) {
        self.handle.push(lines, 0);
        until("the first line", || !self.all(".line").is_empty()).await;
    }
}

fn press(key: &str) {
    let options = web_sys::KeyboardEventInit::new();
    options.set_key(key);
    options.set_bubbles(true);
    options.set_cancelable(true);
    let event = KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &options).expect("an event");
    document().body().expect("a body").dispatch_event(&event).expect("dispatched");
}

#[wasm_bindgen_test]
async fn title_is_static_before_the_first_connection() {
    let pane = open(Opening::default());
    until("the poster", || pane.all(".block").len() == 3).await;
    let top_px = || pane.all(".title")[0].get_bounding_client_rect().top();
    let before_px = top_px();
    for _ in 0..10 {
        frame().await;
    }
    assert_eq!(top_px(), before_px);
    assert_eq!(pane.attribute("section", "aria-label").as_deref(), Some("Opening crawl"));
    assert_eq!(pane.attribute(".crawl", "data-scene").as_deref(), Some("idle"));
    assert_eq!(pane.attribute(".stage", "aria-hidden").as_deref(), Some("true"));
    assert!(pane.all(".line").is_empty());
}

#[wasm_bindgen_test]
async fn payload_is_never_markup() {
    let pane = open(Opening::silent());
    let hostile = "<img src=x onerror=\"document.title='harmed'\"> &amp; <b>bold</b>";
    pane.push(vec![line(7, "<i>Eve</i>", hostile)]).await;
    let shown = pane.all(".line").pop().expect("a line");
    assert_eq!(shown.get_attribute("data-seq").as_deref(), Some("7"));
    // The crawl changes only quotes, to curly ones.
    assert_eq!(shown.text_content().unwrap_or_default().trim(), format!("<I>EVE</I> {}", quotes::curly(hostile)));
    assert!(pane.all(".plane :is(img, b, i), .transcript :is(img, i)").is_empty());
    until("the transcript", || !pane.all(".transcript p").is_empty()).await;
    let text = pane.all(".transcript p")[0].text_content().unwrap_or_default();
    assert_eq!(text, format!("<i>Eve</i>: {hostile}"));
    assert_ne!(document().title(), "harmed");
}

#[wasm_bindgen_test]
async fn one_animation_moves_up_and_pauses() {
    let pane = open(Opening::silent());
    pane.push(vec![line(1, "Ada", "Hello."), line(2, "", "Goodbye.")]).await;
    assert_eq!(pane.handle.waiting() + pane.all(".line").len() as u64, 2, "shown or waiting, never both");
    until("the animation", || pane.animations().len() == 1).await;
    let shown = pane.all(".line").remove(0);
    let top_px = || shown.get_bounding_client_rect().top();
    let before_px = top_px();
    until("movement", || top_px() < before_px - 5.0).await;

    press(" ");
    let label = || pane.all(".pause").pop().and_then(|button| button.text_content());
    until("the button to say what it does now", || label().as_deref() == Some("Resume")).await;
    assert_eq!(pane.attribute(".pause", "aria-pressed"), None, "it isn't one that is on or off");
    assert_eq!(pane.attribute(".crawl", "data-paused").as_deref(), Some("true"));
    frame().await;
    let held_px = top_px();
    for _ in 0..10 {
        frame().await;
    }
    assert_eq!(top_px(), held_px);
    assert_eq!(pane.handle.room().lines, 0, "rows that aren't shown wait in the worker");

    pane.click(".pause");
    until("movement again", || top_px() < held_px - 1.0).await;
    assert_eq!(label().as_deref(), Some("Pause"));
}

#[wasm_bindgen_test]
async fn plain_text_has_the_lines_and_no_animation() {
    let pane = open(Opening::silent());
    pane.push((1..5).map(|seq| line(seq, "Ada", &format!("Line {seq}."))).collect()).await;
    press("t");
    until("the transcript", || pane.all(".transcript p").len() == 4).await;
    assert!(pane.animations().is_empty());
    assert_eq!(pane.attribute(".plain", "aria-pressed").as_deref(), Some("true"));
    assert_eq!(pane.attribute(".transcript", "role").as_deref(), Some("log"));
    let seqs: Vec<_> = pane.all(".transcript p").iter().filter_map(|p| p.get_attribute("data-seq")).collect();
    assert_eq!(seqs, ["1", "2", "3", "4"], "none lost, none twice");
    assert_eq!(pane.handle.waiting(), 0);
    press("T");
    until("the crawl", || pane.attribute(".crawl", "data-plain").as_deref() == Some("false")).await;
}

#[wasm_bindgen_test]
async fn resize_moves_nothing() {
    let pane = open(Opening::silent());
    pane.push(vec![line(1, "Ada", "Hello, is there anybody at the other end of this?")]).await;
    let shown = pane.all(".line").remove(0);
    let top = || {
        let pane_px = pane.pane.get_bounding_client_rect().height();
        shown.get_bounding_client_rect().top() / pane_px
    };
    until("the line to come up", || top() < 0.95).await;
    pane.click(".pause");
    frame().await;
    frame().await;
    let before = top();
    for (width_px, height_px) in [(1_280, 720), (320, 180), (640, 360)] {
        pane.pane.style().set_property("width", &format!("{width_px}px")).expect("set");
        pane.pane.style().set_property("height", &format!("{height_px}px")).expect("set");
        frame().await;
        frame().await;
        assert!((top() - before).abs() < 0.004, "{width_px}: {} became {}", before, top());
    }
}

#[wasm_bindgen_test]
async fn flood_leaves_few_nodes() {
    let pane = open(Opening::silent());
    pane.push((1..=4).map(|seq| line(seq, "", "x")).collect()).await;
    for seq in 5..120 {
        pane.handle.push(vec![line(seq, "", "x")], 1_000);
        frame().await;
        assert!(pane.all(".plane > *").len() <= BLOCKS_MAX);
    }
    assert_eq!(pane.handle.room().lines, 0);
    pane.handle.clear();
    assert_eq!(pane.handle.waiting(), 0);
    assert!(pane.all(".line").is_empty());
}
