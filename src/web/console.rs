//! The console: the rows on screen of a list that lives in the worker.
//!
//! The rows aren't in the reactive graph. [`Console`] keeps a few dozen row
//! elements and changes their text by hand, since a stream of thousands of
//! messages a second replaces all of them every frame. They stand in a pane
//! that sticks to the scroller's viewport, so the browser's own scrolling
//! never shows a gap: the picture changes when the rows of the new place have
//! come, one frame later.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{AddEventListenerOptions, Document, Element, Event, HtmlElement, ResizeObserver, Text, WheelEvent};

use crate::console::{Scroll, Step, grouped, size, time_of_day};
use crate::engine::command::Window;
use crate::engine::update::{Preview, Row, Rows, State, Stats};
use crate::mqtt::packet::QoS;
use crate::settings::Settings;
use crate::web::hail::Panel;

/// Height of a row; the style sheet gets it from here.
const ROW_PX: f64 = 24.0;

/// How long after the last move the scroll bar is put where it belongs. Doing
/// it while somebody scrolls would take the bar out of their hand.
const BAR_SETTLES_MS: u32 = 160;

/// How often the scroll bar is put to the end while the tail is followed. It
/// costs a layout, and the rows don't depend on it.
const TAIL_SETTLES_MS: u32 = 480;

/// How rows come while the console follows its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Some of what was on screen still is.
    Readable,
    /// Every row was replaced: nobody can read that, and drawing it every
    /// frame would only cost the crawl its frames.
    Flood,
}

/// The console's handle.
#[derive(Clone)]
pub struct Console(Rc<RefCell<Inner>>);

struct Inner {
    this: Weak<RefCell<Inner>>,
    scroll: Scroll,
    /// Another window is wanted.
    on_move: Rc<dyn Fn()>,
    parts: Option<Parts>,
    rows: Rows,
    /// Messages that left the log at its front so far.
    gone: u64,
    /// Without a filter a row's index follows from its number, so the place
    /// can be held exactly while rows leave at the front.
    filtered: bool,
    views: VecDeque<RowView>,
    first_index: u64,
    /// Where the scroll bar stood when it was last looked at.
    bar_px: f64,
    spacer_px: u64,
    /// What ARIA was told.
    counted_rows: u64,
    pressed: bool,
    settling: Option<Timeout>,
    following: RwSignal<bool>,
    unseen: RwSignal<u64>,
}

/// What the component drew for us, and who listens there.
struct Parts {
    document: Document,
    table: HtmlElement,
    scroller: HtmlElement,
    spacer: HtmlElement,
    list: HtmlElement,
    observer: ResizeObserver,
    on_wheel: Closure<dyn FnMut(WheelEvent)>,
    _on_resize: Closure<dyn FnMut()>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.observer.disconnect();
        // Fails for no listener.
        let _ = self.scroller.remove_event_listener_with_callback("wheel", self.on_wheel.as_ref().unchecked_ref());
    }
}

impl Console {
    /// An empty console that follows its tail; `on_move` is called when it
    /// needs other rows than it has.
    pub fn new(on_move: impl Fn() + 'static) -> Self {
        Self(Rc::new_cyclic(|this| {
            RefCell::new(Inner {
                this: this.clone(),
                scroll: Scroll::new(ROW_PX),
                on_move: Rc::new(on_move),
                parts: None,
                rows: Rows::default(),
                gone: 0,
                filtered: false,
                views: VecDeque::new(),
                first_index: 0,
                bar_px: 0.0,
                spacer_px: 0,
                counted_rows: 0,
                pressed: false,
                settling: None,
                following: RwSignal::new(true),
                unseen: RwSignal::new(0),
            })
        }))
    }

    /// The rows to ask for.
    pub fn window(&self) -> Window {
        self.0.borrow().scroll.window()
    }

    /// Whether the newest row stays in view.
    pub fn is_following(&self) -> bool {
        self.0.borrow().scroll.is_following()
    }

    /// Shows these rows of a log with these numbers, and says how they came.
    pub fn show(&self, rows: Rows, stats: &Stats) -> Flow {
        let mut inner = self.0.borrow_mut();
        let gone = stats.evicted + stats.cleared;
        let left = if inner.filtered { 0 } else { gone.saturating_sub(inner.gone) };
        inner.gone = gone;
        inner.scroll.grow(stats.matching, left);
        let newest_shown = inner.views.back().map(|view| view.seq);
        let all_new = match (newest_shown, rows.rows.first()) {
            (Some(shown), Some(first)) => shown < first.seq,
            _ => false,
        };
        inner.rows = rows;
        inner.draw();
        inner.settle_soon();
        if all_new && inner.scroll.is_following() { Flow::Flood } else { Flow::Readable }
    }

    /// Another filter is in force: what it lets through is shown from its end.
    pub fn refilter(&self, text: &str) {
        let mut inner = self.0.borrow_mut();
        inner.filtered = !text.trim().is_empty();
        inner.scroll.follow();
        inner.report();
    }

    /// These are the app's settings now: columns, and what the time column says.
    pub fn dress(&self, _settings: &Settings) {}

    /// A new log, whose numbers begin anew.
    pub fn restart(&self) {
        let mut inner = self.0.borrow_mut();
        inner.gone = 0;
        inner.scroll.grow(0, 0);
        inner.scroll.follow();
        inner.rows = Rows::default();
        inner.draw();
        inner.settle_bar();
    }

    /// The message that a key means: the newest while the tail is followed,
    /// otherwise the first whole row on screen.
    fn at_hand(&self) -> Option<u64> {
        let inner = self.0.borrow();
        let index = match inner.scroll.is_following() {
            true => inner.scroll.total().checked_sub(1)?,
            false => inner.scroll.top_rows().ceil() as u64,
        };
        let place = usize::try_from(index.checked_sub(inner.rows.first)?).ok()?;
        inner.rows.rows.get(place).map(|row| row.seq)
    }

    /// Moves by a key.
    pub fn step(&self, step: Step) {
        let mut inner = self.0.borrow_mut();
        inner.scroll.step(step);
        inner.moved();
        inner.settle_bar();
        let on_move = Rc::clone(&inner.on_move);
        drop(inner);
        on_move();
    }

    fn attach(&self, table: HtmlElement, scroller: HtmlElement, spacer: HtmlElement, list: HtmlElement) {
        let Some(document) = scroller.owner_document() else { return };
        let this = Rc::downgrade(&self.0);
        let on_wheel = Closure::<dyn FnMut(WheelEvent)>::new(move |event: WheelEvent| {
            // Leaving the tail must not depend on the bar, which the next
            // frame would put back to the end.
            if event.delta_y() < 0.0
                && !event.ctrl_key()
                && let Some(inner) = this.upgrade()
            {
                let mut inner = inner.borrow_mut();
                inner.scroll.hold();
                inner.moved();
            }
        });
        let options = AddEventListenerOptions::new();
        options.set_passive(true);
        // Fails for no listener and no target of ours.
        let _ = scroller.add_event_listener_with_callback_and_add_event_listener_options(
            "wheel",
            on_wheel.as_ref().unchecked_ref(),
            &options,
        );
        let this = Rc::downgrade(&self.0);
        let on_resize = Closure::<dyn FnMut()>::new(move || {
            if let Some(inner) = this.upgrade() {
                Console(inner).resized();
            }
        });
        let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) else { return };
        observer.observe(&scroller);
        self.0.borrow_mut().parts =
            Some(Parts { document, table, scroller, spacer, list, observer, on_wheel, _on_resize: on_resize });
        self.resized();
    }

    fn detach(&self) {
        let mut inner = self.0.borrow_mut();
        inner.parts = None;
        inner.views.clear();
        inner.settling = None;
    }

    fn resized(&self) {
        let mut inner = self.0.borrow_mut();
        let Some(height_px) = inner.parts.as_ref().map(|parts| parts.scroller.client_height()) else { return };
        inner.scroll.resize(f64::from(height_px));
        inner.moved();
        inner.settle_bar();
        let on_move = Rc::clone(&inner.on_move);
        drop(inner);
        on_move();
    }

    fn scrolled(&self) {
        let mut inner = self.0.borrow_mut();
        let Some(to_px) = inner.parts.as_ref().map(|parts| f64::from(parts.scroller.scroll_top())) else { return };
        let from_px = inner.bar_px;
        // An echo of our own move.
        if (to_px - from_px).abs() <= 1.0 {
            return;
        }
        inner.scroll.drag(from_px, to_px);
        inner.bar_px = to_px;
        inner.settling = None;
        inner.moved();
        inner.settle_soon();
        let on_move = Rc::clone(&inner.on_move);
        drop(inner);
        on_move();
    }

    fn press(&self, pressed: bool) {
        self.0.borrow_mut().pressed = pressed;
    }
}

impl Inner {
    fn moved(&mut self) {
        self.draw();
        self.report();
    }

    /// Tells the parts of the page that are reactive.
    fn report(&self) {
        set_if_new(self.following, self.scroll.is_following());
        set_if_new(self.unseen, self.scroll.unseen());
    }

    /// Puts the rows where they belong, if those on screen have come; until
    /// then the old picture stays.
    fn draw(&mut self) {
        self.report();
        let on_screen = self.scroll.on_screen();
        let first = self.rows.first;
        let end = first + self.rows.rows.len() as u64;
        if !on_screen.is_empty() && (on_screen.start < first || on_screen.end > end) {
            return;
        }
        self.fill();
        let Some(parts) = &self.parts else { return };
        // Bar and rows stand on whole pixels, so nothing is lost.
        let offset_px = ((self.first_index as f64 - self.scroll.top_rows()) * ROW_PX).round() as i64;
        // Style properties of ours are always understood.
        let _ = parts.list.style().set_property("transform", &format!("translateY({offset_px}px)"));
    }

    /// Makes the row elements say what the rows say. A row that stays on
    /// screen keeps its element.
    fn fill(&mut self) {
        let Some(parts) = &self.parts else { return };
        let rows = &self.rows.rows;
        self.first_index = self.rows.first;
        let mut spare = Vec::new();
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            let overlap = self.views.front().is_some_and(|view| view.seq <= last.seq)
                && self.views.back().is_some_and(|view| view.seq >= first.seq);
            // Without an overlap every element is rewritten where it stands.
            if overlap {
                while let Some(view) = self.views.pop_front_if(|view| view.seq < first.seq) {
                    spare.push(view);
                }
                while let Some(view) = self.views.pop_back_if(|view| view.seq > last.seq) {
                    spare.push(view);
                }
                let kept_seq = self.views.front().map(|view| view.seq);
                let before = rows.iter().position(|row| Some(row.seq) == kept_seq).unwrap_or(0);
                for _ in 0..before {
                    let Some(view) = spare.pop().or_else(|| RowView::new(&parts.document)) else { return };
                    let reference = self.views.front().map(|view| view.row.as_ref());
                    let _ = parts.list.insert_before(&view.row, reference);
                    self.views.push_front(view);
                }
            }
        }
        while self.views.len() < rows.len() {
            let Some(view) = spare.pop().or_else(|| RowView::new(&parts.document)) else { return };
            let _ = parts.list.append_child(&view.row);
            self.views.push_back(view);
        }
        spare.extend(self.views.drain(rows.len()..));
        for view in spare {
            view.row.remove();
        }
        let ahead_of_utc_min = rows.last().map_or(0, |row| ahead_of_utc_min(row.time.as_micros()));
        for ((view, row), index) in self.views.iter_mut().zip(rows).zip(self.first_index..) {
            view.show(row, index, ahead_of_utc_min);
        }
    }

    fn settle_soon(&mut self) {
        if self.settling.is_some() {
            return;
        }
        let this = self.this.clone();
        let wait_ms = if self.scroll.is_following() { TAIL_SETTLES_MS } else { BAR_SETTLES_MS };
        self.settling = Some(Timeout::new(wait_ms, move || {
            let Some(inner) = this.upgrade() else { return };
            let mut inner = inner.borrow_mut();
            inner.settling = None;
            if inner.pressed {
                inner.settle_soon();
            } else {
                inner.settle_bar();
            }
        }));
    }

    /// Gives the scroll bar its length and its place.
    fn settle_bar(&mut self) {
        let Some(parts) = &self.parts else { return };
        let spacer_px = self.scroll.spacer_px().round() as u64;
        if spacer_px != self.spacer_px {
            let _ = parts.spacer.style().set_property("height", &format!("{spacer_px}px"));
            self.spacer_px = spacer_px;
        }
        // The header is a row too (ARIA counts it).
        let count = self.scroll.total() + 1;
        if count != self.counted_rows {
            let _ = parts.table.set_attribute("aria-rowcount", &count.to_string());
            self.counted_rows = count;
        }
        let bar_px = self.scroll.bar_px();
        if (bar_px - f64::from(parts.scroller.scroll_top())).abs() > 1.0 {
            // Below the spacer's limit and so within an i32.
            parts.scroller.set_scroll_top(bar_px.round() as i32);
        }
        self.bar_px = f64::from(parts.scroller.scroll_top());
    }
}

/// One row's elements. Every change goes through a text node: a payload is
/// never markup.
struct RowView {
    seq: u64,
    index: u64,
    row: Element,
    time: Text,
    topic: Text,
    topic_words: String,
    flags: Text,
    flag_words: &'static str,
    payload_cell: Element,
    is_hex: bool,
    payload: Text,
    size: Text,
}

impl RowView {
    /// `None` where the document makes no elements, which it always does.
    fn new(document: &Document) -> Option<Self> {
        let row = document.create_element("div").ok()?;
        row.set_attribute("role", "row").ok()?;
        row.set_class_name("row");
        let cell = |class: &str| -> Option<(Element, Text)> {
            let cell = document.create_element("span").ok()?;
            cell.set_attribute("role", "cell").ok()?;
            cell.set_class_name(class);
            let text = document.create_text_node("");
            cell.append_child(&text).ok()?;
            row.append_child(&cell).ok()?;
            Some((cell, text))
        };
        let (_, time) = cell("time")?;
        let (_, topic) = cell("topic")?;
        let (_, flags) = cell("flags")?;
        let (payload_cell, payload) = cell("payload")?;
        let (_, size) = cell("size")?;
        Some(Self {
            seq: 0,
            index: u64::MAX,
            row,
            time,
            topic,
            topic_words: String::new(),
            flags,
            flag_words: "",
            payload_cell,
            is_hex: false,
            payload,
            size,
        })
    }

    fn show(&mut self, row: &Row, index: u64, ahead_of_utc_min: i32) {
        if self.index != index {
            self.index = index;
            // 1 is the header.
            let _ = self.row.set_attribute("aria-rowindex", &(index + 2).to_string());
        }
        // A message never changes.
        if self.seq == row.seq {
            return;
        }
        self.seq = row.seq;
        let _ = self.row.set_attribute("data-seq", &row.seq.to_string());
        self.time.set_data(&time_of_day(row.time, ahead_of_utc_min));
        if self.topic_words != row.topic {
            self.topic.set_data(&row.topic);
            self.topic_words.clone_from(&row.topic);
        }
        let flag_words = flag_words(row);
        if self.flag_words != flag_words {
            self.flags.set_data(flag_words);
            self.flag_words = flag_words;
        }
        let (text, is_hex) = match &row.preview {
            Preview::Text(text) => (text, false),
            Preview::Hex(hex) => (hex, true),
        };
        self.payload.set_data(text);
        if self.is_hex != is_hex {
            self.payload_cell.set_class_name(if is_hex { "payload hex" } else { "payload" });
            self.is_hex = is_hex;
        }
        self.size.set_data(&size(u64::from(row.payload_bytes)));
    }
}

const fn flag_words(row: &Row) -> &'static str {
    match (row.qos, row.retain, row.dup) {
        (QoS::AtMostOnce, false, _) => "0",
        (QoS::AtMostOnce, true, _) => "0 retained",
        (QoS::AtLeastOnce, false, false) => "1",
        (QoS::AtLeastOnce, true, false) => "1 retained",
        (QoS::AtLeastOnce, false, true) => "1 dup",
        (QoS::AtLeastOnce, true, true) => "1 retained dup",
        (QoS::ExactlyOnce, false, false) => "2",
        (QoS::ExactlyOnce, true, false) => "2 retained",
        (QoS::ExactlyOnce, false, true) => "2 dup",
        (QoS::ExactlyOnce, true, true) => "2 retained dup",
    }
}

fn ahead_of_utc_min(micros: u64) -> i32 {
    let date = js_sys::Date::new(&JsValue::from_f64(micros as f64 / 1_000.0));
    -(date.get_timezone_offset() as i32)
}

fn set_if_new<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.with_untracked(|old| *old != value) {
        signal.set(value);
    }
}

/// The console with its bar: filter, export, clear.
#[component]
pub fn ConsoleView(
    /// What the page shows rows through.
    console: Console,
    /// The numbers, for what to say while there are no rows.
    stats: RwSignal<Stats>,
    /// The connection's state, for the same.
    state: Signal<State>,
    /// The filter's text.
    filter: RwSignal<String>,
    /// What is wrong with the filter.
    filter_error: RwSignal<Option<String>>,
    /// An export is under way.
    exporting: RwSignal<bool>,
    /// The filter's text changed.
    on_filter: impl Fn(String) + 'static,
    /// Save what is kept.
    on_export: impl Fn() + 'static,
    /// Forget what is kept.
    on_clear: impl Fn() + 'static,
    /// A panel is wanted.
    on_open: impl Fn(Panel) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let table = NodeRef::<html::Div>::new();
    let scroller = NodeRef::<html::Div>::new();
    let spacer = NodeRef::<html::Div>::new();
    let list = NodeRef::<html::Div>::new();
    let (following, unseen) = {
        let inner = console.0.borrow();
        (inner.following, inner.unseen)
    };

    let handle = console.clone();
    Effect::new(move || {
        if let (Some(table), Some(scroller), Some(spacer), Some(list)) =
            (table.get(), scroller.get(), spacer.get(), list.get())
        {
            handle.attach(table.into(), scroller.into(), spacer.into(), list.into());
        }
    });
    let handle = StoredValue::new_local(console.clone());
    on_cleanup(move || {
        handle.with_value(Console::detach);
    });

    let on_scroll = {
        let console = console.clone();
        move |_| console.scrolled()
    };
    let on_key = {
        let console = console.clone();
        move |event: web_sys::KeyboardEvent| {
            if event.ctrl_key() || event.alt_key() || event.meta_key() || event.shift_key() {
                return;
            }
            let key = event.key();
            if key == "Enter"
                && let Some(seq) = console.at_hand()
            {
                // Or it would press the button that gets the focus.
                event.prevent_default();
                on_open(Panel::Message(seq));
            }
            if let Some(step) = Step::from_key(&key) {
                event.prevent_default();
                console.step(step);
            }
        }
    };
    let on_double_click = move |event: web_sys::MouseEvent| {
        let seq = event.target().and_then(|target| {
            target.dyn_into::<Element>().ok()?.closest("[data-seq]").ok()??.get_attribute("data-seq")
        });
        if let Some(seq) = seq.and_then(|seq| seq.parse().ok()) {
            on_open(Panel::Message(seq));
        }
    };
    let press = {
        let console = console.clone();
        move |_: Event| console.press(true)
    };
    let release = {
        let console = console.clone();
        move |_: Event| console.press(false)
    };
    let on_input = move |event: Event| on_filter(event_target_value(&event));
    let nothing = move || stats.with(|stats| stats.matching == 0);
    let words = move || {
        if stats.with(|stats| stats.kept > 0) {
            "No kept message gets through the filter.".to_owned()
        } else if stats.with(|stats| stats.cleared > 0) {
            "Cleared. What arrives from now on is shown here.".to_owned()
        } else {
            match state.get() {
                State::Connected => "Connected. Waiting for the first message.",
                State::Connecting | State::Reconnecting => "Waiting for the connection.",
                State::Idle | State::Stopped => "Every message that arrives is kept and shown here, as it came.",
            }
            .to_owned()
        }
    };
    let newest = move || match unseen.get() {
        0 => "Newest below. Press End".to_owned(),
        count => format!("{} new. Press End", grouped(count)),
    };

    view! {
        <section class="console" aria-label="Console">
            <div class="console-bar">
                <div class="search">
                    <input
                        type="search"
                        aria-label="Filter"
                        placeholder="Filter: words, topic:a/+, qos:1 …"
                        autocomplete="off"
                        spellcheck="false"
                        aria-invalid=move || filter_error.with(Option::is_some).then_some("true")
                        aria-describedby="filter-error"
                        prop:value=filter
                        on:input=on_input
                    />
                </div>
                <button type="button" class="button" aria-haspopup="dialog" on:click=move |_| on_open(Panel::Topics)>
                    "Topics"
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || exporting.get() || stats.with(|stats| stats.kept == 0)
                    title="Every kept message as NDJSON, one a line"
                    on:click=move |_| on_export()
                >
                    "Export"
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || stats.with(|stats| stats.kept == 0)
                    title="Forget the messages that are kept"
                    on:click=move |_| on_clear()
                >
                    "Clear"
                </button>
                <button
                    type="button"
                    class="button"
                    title="Import an exported log, or play it again"
                    on:click=move |_| on_open(Panel::Replay)
                >
                    "Logs"
                </button>
            </div>
            <p id="filter-error" class="fault" role="alert">{move || filter_error.get()}</p>
            <div class="frame">
            <div
                class="table"
                role="table"
                aria-label="Message console"
                style=format!("--row-px:{}px", ROW_PX as u32)
                node_ref=table
            >
                <div role="rowgroup" class="head">
                    <div role="row" class="row" aria-rowindex="1">
                        <span role="columnheader" class="time">"Time"</span>
                        <span role="columnheader" class="topic">"Topic"</span>
                        <span role="columnheader" class="flags">"QoS"</span>
                        <span role="columnheader" class="payload">"Payload"</span>
                        <span role="columnheader" class="size">"Size"</span>
                    </div>
                </div>
                <div
                    class="scroller"
                    role="rowgroup"
                    tabindex="0"
                    node_ref=scroller
                    on:scroll=on_scroll
                    aria-keyshortcuts="Enter"
                    on:keydown=on_key
                    on:dblclick=on_double_click
                    on:pointerdown=move |event| press(event.into())
                    on:pointerup=move |event| release.clone()(event.into())
                    on:pointercancel={let console = console.clone(); move |_| console.press(false)}
                    on:pointerleave={let console = console.clone(); move |_| console.press(false)}
                >
                    <div class="spacer" role="none" node_ref=spacer>
                        <div class="pane" role="none">
                            <div class="rows" role="none" node_ref=list></div>
                        </div>
                    </div>
                </div>
            </div>
                <Show when=nothing>
                    <p class="console-empty">
                        {words}
                        <button
                            type="button"
                            class="button"
                            hidden=move || {
                                stats.with(|stats| stats.kept > 0) || !matches!(state.get(), State::Idle | State::Stopped)
                            }
                            on:click=move |_| on_open(Panel::Sample)
                        >
                            "Play a sample"
                        </button>
                    </p>
                </Show>
                <button
                    type="button"
                    class="button newest"
                    class:shown=move || !following.get()
                    tabindex=move || if following.get() { "-1" } else { "0" }
                    on:click=move |_| console.step(Step::End)
                >
                    {newest}
                </button>
            </div>
        </section>
    }
}
