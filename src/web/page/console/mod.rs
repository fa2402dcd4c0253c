//! The console: the rows on screen of a list that lives in the worker.
//!
//! The rows aren't in the reactive graph. [`Console`] keeps a few dozen row elements and changes
//! their text by hand, since a stream of thousands of messages a second replaces all of them every
//! frame. The rest of the console is plain markup (`console.html`) that is changed by hand too: as
//! reactive views it would add nine kilobytes to a first visit. The rows are in a pane that sticks
//! to the scroller's viewport, so the browser's own scrolling never shows a gap: the picture
//! changes once the rows of the new place have arrived, one frame later.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{
    AddEventListenerOptions, Document, Element, Event, FocusOptions, HtmlElement, HtmlInputElement, KeyboardEvent,
    PointerEvent, ResizeObserver, Text, WheelEvent,
};

use crate::config::settings::{Column, Columns, Settings, TimeMode};
use crate::format::{grouped, size};
use crate::mqtt::packet::QoS;
use crate::protocol::connection::ConnectionState;
use crate::protocol::rows::{Highlights, Preview, Row, Rows};
use crate::protocol::rows::{ListMode, Pull};
use crate::protocol::update::Stats;
use crate::ui::console::view_model::{ConsoleModel, RowChurn, ScrollStep, TimeFormatter, Toward};
use crate::web::dom::follow;
use crate::web::window_bus::{Copied, Panel};

/// Height of a row; the style sheet takes it from here.
const ROW_PX: f64 = 24.0;

/// How long after the last move the scroll bar is set to its exact place. Setting it during
/// scrolling would take the bar out of the person's hand.
const BAR_SETTLES_MS: u32 = 160;

/// How often the scroll bar is set to the end while the tail is followed. It costs a layout, and
/// the rows don't depend on it.
const TAIL_SETTLES_MS: u32 = 480;

/// How far a key moves a column's edge.
const COLUMN_STEP_PX: i32 = 8;

/// The number of subscriptions with a colour of their own; see `--subscription-0`.
const COLOURS: u8 = 8;

/// The markup of everything but the rows.
const MARKUP: &str = include_str!("console.html");

/// The events that the console handles, wherever they happen in it.
const HEARD: [&str; 11] = [
    "click",
    "dblclick",
    "focusin",
    "input",
    "keydown",
    "pointercancel",
    "pointerdown",
    "pointermove",
    "pointerup",
    "scroll",
    "wheel",
];

/// The `id` of the chosen row, while it is on screen.
const SELECTED_ID: &str = "selected-row";

/// What the console asks of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsoleEvent {
    /// Fetch other rows than it has.
    Rows,
    /// Filter by this text.
    Filter(String),
    /// Save the messages that are kept.
    Export,
    /// Clear the messages that are kept.
    Clear,
    /// Use these columns from now on.
    Columns(Columns),
    /// Open a panel.
    Open(Panel),
    /// Load the suggestions, because the filter has the focus.
    Suggestions,
    /// Show the line of this message in the crawl.
    ShowInCrawl(u64),
}

/// What the console shows in addition to its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsoleStatus {
    /// The numbers.
    pub stats: Stats,
    /// The connection's state.
    pub state: ConnectionState,
    /// What is wrong with the filter.
    pub filter_error: Option<String>,
    /// Whether an export is in progress.
    pub is_exporting: bool,
}

/// The console's handle.
#[derive(Clone)]
pub struct Console(Rc<RefCell<Inner>>);

struct Inner {
    reader: ConsoleModel,
    on_wish: Rc<dyn Fn(ConsoleEvent)>,
    parts: Option<Parts>,
    views: VecDeque<RowView>,
    first_index: u64,
    /// Where the scroll bar was when it was last read.
    scroll_px: f64,
    spacer_px: u64,
    /// The number of rows that ARIA was given.
    counted_rows: u64,
    pressed: bool,
    settling: Option<Timeout>,
    columns: Columns,
    time: TimeMode,
    /// The column that is being dragged, where the drag began, and the column's width then.
    drag: Option<(Column, i32, i32)>,
    facts: ConsoleStatus,
    said: Option<RenderedStatus>,
}

/// What is shown around the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RenderedStatus {
    is_held: bool,
    is_following: bool,
    unseen: u64,
    lists_all: bool,
    /// The number of matches; `None` if there is no filter.
    matches: Option<u64>,
    /// The place of the chosen match among them, from 1.
    rank: Option<u64>,
    /// The text that is shown if there are no rows, and whether a sample may be played.
    empty: Option<(&'static str, bool)>,
    has_messages: bool,
    is_exporting: bool,
}

/// The elements of the markup, and the listeners on them.
struct Parts {
    document: Document,
    section: HtmlElement,
    input: HtmlInputElement,
    table: HtmlElement,
    scroller: HtmlElement,
    spacer: HtmlElement,
    list: HtmlElement,
    observer: ResizeObserver,
    on_event: Closure<dyn Fn(Event)>,
    _on_resize: Closure<dyn FnMut()>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.observer.disconnect();
        for event in HEARD {
            // Doesn't fail, even if there is no such listener.
            let _ = self.section.remove_event_listener_with_callback_and_bool(
                event,
                self.on_event.as_ref().unchecked_ref(),
                true,
            );
        }
    }
}

impl Parts {
    /// Finds an element of the markup.
    fn find(&self, selector: &str) -> Option<HtmlElement> {
        self.section.query_selector(selector).ok()?.map(JsCast::unchecked_into)
    }

    fn set_text(&self, selector: &str, words: &str) {
        if let Some(element) = self.find(selector) {
            element.set_text_content(Some(words));
        }
    }

    fn set(&self, selector: &str, attribute: &str, value: bool) {
        if let Some(element) = self.find(selector) {
            // Attributes of these names are always accepted.
            let _ = match attribute {
                "aria-pressed" => element.set_attribute(attribute, if value { "true" } else { "false" }),
                _ => element.toggle_attribute_with_force(attribute, value).map(drop),
            };
        }
    }
}

impl Console {
    /// Creates an empty console that follows its tail.
    pub fn new(on_wish: impl Fn(ConsoleEvent) + 'static) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            reader: ConsoleModel::new(ROW_PX),
            on_wish: Rc::new(on_wish),
            parts: None,
            views: VecDeque::new(),
            first_index: 0,
            scroll_px: 0.0,
            spacer_px: 0,
            counted_rows: 0,
            pressed: false,
            settling: None,
            columns: Columns::default(),
            time: TimeMode::Absolute,
            drag: None,
            facts: ConsoleStatus::default(),
            said: None,
        })))
    }

    /// Returns the rows to ask for.
    pub fn pull(&self) -> Pull {
        self.0.borrow().reader.pull()
    }

    /// Whether the newest row stays in view.
    pub fn is_following(&self) -> bool {
        self.0.borrow().reader.scroll.is_following()
    }

    /// Shows these rows, and returns how they differ from the previous ones.
    pub fn show(&self, rows: Rows) -> RowChurn {
        let mut inner = self.0.borrow_mut();
        let flow = inner.reader.take(rows);
        inner.draw();
        drop(inner);
        self.settle_soon();
        flow
    }

    /// Sets the status.
    pub fn set_status(&self, facts: ConsoleStatus) {
        let mut inner = self.0.borrow_mut();
        if let Some(parts) = &inner.parts
            && inner.facts.filter_error != facts.filter_error
        {
            parts.set_text("#filter-error", facts.filter_error.as_deref().unwrap_or_default());
            parts.set("input", "aria-invalid", facts.filter_error.is_some());
        }
        inner.facts = facts;
        inner.report();
    }

    /// Sets the filter's text, wherever it was typed.
    pub fn filter(&self, text: &str) {
        if let Some(parts) = &self.0.borrow().parts
            && parts.input.value() != text
        {
            parts.input.set_value(text);
        }
    }

    /// Applies the app's settings: the columns, and what the time column shows.
    pub fn apply_theme(&self, settings: &Settings) {
        let mut inner = self.0.borrow_mut();
        inner.time = settings.time;
        inner.columns = settings.columns;
        inner.lay_columns();
        inner.draw();
    }

    /// Goes to a message, wherever it is, and chooses it.
    pub fn reveal(&self, seq: u64) {
        self.act(|reader| reader.reveal(seq));
    }

    /// Starts over with a new log, whose numbering starts again.
    pub fn restart(&self) {
        let mut inner = self.0.borrow_mut();
        inner.reader.restart();
        inner.draw();
        inner.settle_bar();
    }

    /// Moves by a key.
    pub fn step(&self, step: ScrollStep) {
        self.act(|reader| reader.step(step));
        self.0.borrow_mut().settle_bar();
    }

    /// Does something with the model that may need other rows.
    fn act<T>(&self, act: impl FnOnce(&mut ConsoleModel) -> T) -> T {
        let mut inner = self.0.borrow_mut();
        let done = act(&mut inner.reader);
        inner.draw();
        drop(inner);
        self.settle_soon();
        self.wish(ConsoleEvent::Rows);
        done
    }

    fn settle_soon(&self) {
        let wait_ms = {
            let inner = self.0.borrow();
            if inner.settling.is_some() {
                return;
            }
            if inner.reader.scroll.is_following() { TAIL_SETTLES_MS } else { BAR_SETTLES_MS }
        };
        // Nothing is borrowed here: in a page that is being left Firefox throws.
        let this = Rc::downgrade(&self.0);
        let timeout = Timeout::new(wait_ms, move || {
            if let Some(inner) = this.upgrade() {
                Console(inner).settle();
            }
        });
        self.0.borrow_mut().settling = Some(timeout);
    }

    fn settle(&self) {
        let mut inner = self.0.borrow_mut();
        inner.settling = None;
        if inner.pressed {
            drop(inner);
            self.settle_soon();
        } else if inner.bar_moved_to_px().is_none() {
            inner.settle_bar();
        }
        // If the browser reports a move with its next frame, that settles the bar afterwards.
    }

    fn wish(&self, wish: ConsoleEvent) {
        let on_wish = Rc::clone(&self.0.borrow().on_wish);
        on_wish(wish);
    }

    /// Handles an event anywhere in the console.
    fn handle_event(&self, event: &Event) {
        let pointer: &PointerEvent = event.unchecked_ref();
        let wish = match event.type_().as_str() {
            "scroll" => return self.scrolled(),
            "wheel" => return self.handle_wheel(event.unchecked_ref()),
            "pointerdown" => return self.handle_pointer_down(pointer),
            "pointermove" => return self.handle_pointer_move(pointer),
            "pointerup" | "pointercancel" => self.handle_pointer_up(),
            // Browsers that fill in forms send some of these without a key.
            "keydown" => event.dyn_ref().and_then(|event| self.nudge(event).or_else(|| self.handle_key(event))),
            "click" => self.handle_click(event),
            "focusin" => {
                element_of(event).filter(|target| target.tag_name() == "INPUT").map(|_| ConsoleEvent::Suggestions)
            }
            "dblclick" => {
                seq_of(event).map(|seq| ConsoleEvent::Open(Panel::Message(seq))).or_else(|| self.reset(event))
            }
            _ => self.0.borrow().parts.as_ref().map(|parts| ConsoleEvent::Filter(parts.input.value())),
        };
        if let Some(wish) = wish {
            self.wish(wish);
        }
    }

    fn handle_wheel(&self, event: &WheelEvent) {
        // Leaving the tail must not depend on the bar, which the next frame would set back to the
        // end.
        if event.delta_y() < 0.0 && !event.ctrl_key() {
            let mut inner = self.0.borrow_mut();
            inner.reader.scroll.hold();
            inner.draw();
        }
    }

    /// Goes to the next match.
    fn seek(&self, toward: Toward) {
        self.act(|reader| reader.seek(toward));
    }

    /// Handles a pressed pointer, which may be on the scroll bar or on a column's edge.
    fn handle_pointer_down(&self, event: &PointerEvent) {
        let mut inner = self.0.borrow_mut();
        inner.pressed = true;
        if let Some((column, handle)) = column_of(event) {
            event.prevent_default();
            // Fails if the pointer is gone.
            let _ = handle.set_pointer_capture(event.pointer_id());
            inner.drag = Some((column, event.client_x(), width_px(&handle)));
        }
    }

    /// Makes the edge follow the pointer.
    fn handle_pointer_move(&self, event: &PointerEvent) {
        let mut inner = self.0.borrow_mut();
        // The pointer may have been released outside of the console, which isn't reported.
        inner.pressed &= event.buttons() != 0;
        if let Some((column, from_x, from_px)) = inner.drag {
            inner.resize(column, Some(from_px + outward(column, event.client_x() - from_x)));
        }
    }

    /// Handles a released pointer; an edge that it moved stays there from now on.
    fn handle_pointer_up(&self) -> Option<ConsoleEvent> {
        let mut inner = self.0.borrow_mut();
        inner.pressed = false;
        inner.drag.take().map(|_| ConsoleEvent::Columns(inner.columns))
    }

    /// Moves a column's edge by a key, or resets it.
    fn nudge(&self, event: &KeyboardEvent) -> Option<ConsoleEvent> {
        let (column, handle) = column_of(event)?;
        let step_px = match event.key().as_str() {
            "ArrowLeft" => Some(-COLUMN_STEP_PX),
            "ArrowRight" => Some(COLUMN_STEP_PX),
            "Enter" => None,
            _ => return None,
        };
        event.prevent_default();
        let to_px = step_px.map(|px| width_px(&handle) + outward(column, px));
        self.0.borrow_mut().resize(column, to_px)
    }

    /// Handles a key anywhere in the console.
    fn handle_key(&self, event: &KeyboardEvent) -> Option<ConsoleEvent> {
        let target = element_of(event)?;
        let key = event.key();
        let is_control = event.ctrl_key() || event.meta_key();
        let (on, back) = match event.shift_key() {
            true => (Toward::Older, Toward::Newer),
            false => (Toward::Newer, Toward::Older),
        };
        let is_in_rows = target.closest(".table").ok()?.is_some() && !is_control && !event.alt_key();
        match key.as_str() {
            "F3" => self.seek(on),
            "g" | "G" if is_control => self.seek(on),
            // As in terminals, the search goes up.
            "Enter" if target.tag_name() == "INPUT" => self.seek(back),
            _ if !is_in_rows => return None,
            "n" | "N" => self.seek(on),
            "s" => {
                event.prevent_default();
                return self.0.borrow().reader.focused_row().map(ConsoleEvent::ShowInCrawl);
            }
            "c" | "C" | "p" => {
                event.prevent_default();
                let copied = match key.as_str() {
                    "c" => Copied::Row,
                    "C" => Copied::Payload,
                    _ => Copied::Publish,
                };
                return self.0.borrow().reader.focused_row().map(|seq| ConsoleEvent::Open(Panel::Copy(copied, seq)));
            }
            "Escape" => self.act(ConsoleModel::deselect),
            "Enter" => {
                // Otherwise the key would press the button that gets the focus.
                event.prevent_default();
                return self.0.borrow().reader.focused_row().map(|seq| ConsoleEvent::Open(Panel::Message(seq)));
            }
            key => self.step(ScrollStep::from_key(key).filter(|_| !event.shift_key())?),
        }
        event.prevent_default();
        None
    }

    /// Handles a click anywhere in the console.
    fn handle_click(&self, event: &Event) -> Option<ConsoleEvent> {
        let target = element_of(event)?;
        match target.get_attribute("data-action").as_deref() {
            Some("topics") => return Some(ConsoleEvent::Open(Panel::Topics)),
            Some("export") => return Some(ConsoleEvent::Export),
            Some("clear") => return Some(ConsoleEvent::Clear),
            Some("logs") => return Some(ConsoleEvent::Open(Panel::Replay)),
            Some("sample") => return Some(ConsoleEvent::Open(Panel::Sample)),
            Some("hold") => self.act(|reader| if reader.is_held() { reader.resume() } else { reader.hold() }),
            Some("all") => self.act(ConsoleModel::list_others),
            Some("next") => self.seek(Toward::Newer),
            Some("previous") => self.seek(Toward::Older),
            Some("end") => self.step(ScrollStep::End),
            _ => {
                let seq = seq_of(event)?;
                self.act(|reader| reader.select(seq));
                // The focus event arrives at once, so nothing may be borrowed.
                let table = self.0.borrow().parts.as_ref().map(|parts| parts.table.clone());
                if let Some(table) = table {
                    let options = FocusOptions::new();
                    options.set_prevent_scroll(true);
                    // Never fails for an element in the document.
                    let _ = table.focus_with_options(&options);
                }
                return (target.class_name() == "open").then_some(ConsoleEvent::Open(Panel::Message(seq)));
            }
        }
        None
    }

    /// Resets a column to its own width.
    fn reset(&self, event: &Event) -> Option<ConsoleEvent> {
        let (column, _) = column_of(event)?;
        self.0.borrow_mut().resize(column, None)
    }

    /// Takes over the section that holds the markup; `None` if a part is missing, which doesn't
    /// happen.
    fn attach(&self, section: HtmlElement) -> Option<()> {
        let document = section.owner_document()?;
        let find = |selector| section.query_selector(selector).ok()?.map(JsCast::unchecked_into::<HtmlElement>);
        let (table, scroller, spacer, list) = (find(".table")?, find(".scroller")?, find(".spacer")?, find(".rows")?);
        let input = find("input")?.unchecked_into();
        // Our own style properties are always accepted.
        let _ = table.style().set_property("--row-px", &format!("{}px", ROW_PX as u32));
        let this = Rc::downgrade(&self.0);
        // An event may move the focus, which is an event too.
        let on_event = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if let Some(inner) = this.upgrade() {
                Console(inner).handle_event(&event);
            }
        });
        for event in HEARD {
            let options = AddEventListenerOptions::new();
            // Some events reach only their own element.
            options.set_capture(true);
            // The console may prevent the browser's own answer to the others.
            options.set_passive(matches!(event, "scroll" | "wheel"));
            // Doesn't fail for our own listener and target.
            let _ = section.add_event_listener_with_callback_and_add_event_listener_options(
                event,
                on_event.as_ref().unchecked_ref(),
                &options,
            );
        }
        let this = Rc::downgrade(&self.0);
        let on_resize = Closure::<dyn FnMut()>::new(move || {
            if let Some(inner) = this.upgrade() {
                Console(inner).resized();
            }
        });
        let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) else { return None };
        observer.observe(&scroller);
        let mut inner = self.0.borrow_mut();
        inner.parts = Some(Parts {
            document,
            section,
            input,
            table,
            scroller,
            spacer,
            list,
            observer,
            on_event,
            _on_resize: on_resize,
        });
        inner.lay_columns();
        drop(inner);
        self.resized();
        Some(())
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
        inner.reader.scroll.resize(f64::from(height_px));
        inner.draw();
        inner.settle_bar();
        drop(inner);
        self.wish(ConsoleEvent::Rows);
    }

    fn scrolled(&self) {
        let mut inner = self.0.borrow_mut();
        // Otherwise it is the echo of our own move.
        let Some(to_px) = inner.bar_moved_to_px() else { return };
        let from_px = inner.scroll_px;
        inner.reader.scroll.drag(from_px, to_px);
        inner.scroll_px = to_px;
        inner.settling = None;
        inner.draw();
        drop(inner);
        self.settle_soon();
        self.wish(ConsoleEvent::Rows);
    }
}

impl Inner {
    /// Shows the status around the rows.
    fn report(&mut self) {
        let Self { reader, parts: Some(parts), facts, said, .. } = self else { return };
        let now = RenderedStatus {
            is_held: reader.is_held(),
            is_following: reader.scroll.is_following() && !reader.is_held(),
            unseen: reader.unseen(),
            lists_all: reader.listed() == ListMode::All,
            matches: reader.rows().matches,
            rank: reader.rows().rank,
            empty: (reader.rows().total == 0).then(|| words_of_nothing(facts, reader.unseen())),
            has_messages: facts.stats.kept > 0,
            is_exporting: facts.is_exporting,
        };
        if *said == Some(now) {
            return;
        }
        *said = Some(now);
        parts.set("[data-action=hold]", "aria-pressed", now.is_held);
        parts.set("[data-action=all]", "aria-pressed", now.lists_all);
        parts.set("[data-action=export]", "disabled", !now.has_messages || now.is_exporting);
        parts.set("[data-action=clear]", "disabled", !now.has_messages);
        let (empty, may_play) = now.empty.unwrap_or_default();
        parts.set(".console-empty", "hidden", now.empty.is_none());
        parts.set_text(".console-empty span", empty);
        parts.set("[data-action=sample]", "hidden", !may_play);
        parts.set(".matches", "hidden", now.matches.is_none());
        let matches = now.matches.unwrap_or(0);
        let place = match now.rank {
            Some(rank) => format!("{} of {}", grouped(rank), grouped(matches)),
            None if matches == 1 => "1 match".to_owned(),
            None => format!("{} matches", grouped(matches)),
        };
        parts.set_text(".matches span", &place);
        parts.set(".newest", "data-shown", !now.is_following);
        let newest = match now.unseen {
            0 => "Press End for the newest".to_owned(),
            count => format!("{} new. Press End", grouped(count)),
        };
        parts.set_text(".newest", &newest);
    }

    /// Gives the style sheet what it needs to place the columns.
    fn lay_columns(&self) {
        let Some(parts) = &self.parts else { return };
        let since = match self.time {
            TimeMode::Absolute => "Time",
            TimeMode::Relative => "Since start",
            TimeMode::SincePrevious => "Since last",
        };
        if let Ok(Some(head)) = parts.table.query_selector(".head .time")
            && let Some(words) = head.first_child()
        {
            words.set_node_value(Some(since));
        }
        let hidden = Column::ALL.into_iter().filter(|column| !self.columns.look(*column).is_shown);
        let hidden: Vec<_> = hidden.map(Column::name).collect();
        // Our own attributes and properties are always accepted.
        let _ = parts.table.set_attribute("data-hidden", &hidden.join(" "));
        for column in Column::ALL {
            let name = format!("--{}-px", column.name());
            let style = parts.table.style();
            let _ = match self.columns.look(column).width_px {
                Some(px) => style.set_property(&name, &format!("{px}px")),
                None => style.remove_property(&name).map(drop),
            };
            if let Ok(Some(handle)) = parts.table.query_selector(&format!("[data-column={}]", column.name())) {
                let _ = handle.set_attribute("aria-valuenow", &width_px(&handle).to_string());
            }
        }
    }

    fn resize(&mut self, column: Column, width_px: Option<i32>) -> Option<ConsoleEvent> {
        let width_px = width_px.map(|px| u16::try_from(px.max(0)).unwrap_or(u16::MAX));
        self.columns = self.columns.resized(column, width_px);
        self.lay_columns();
        Some(ConsoleEvent::Columns(self.columns))
    }

    /// Moves the rows to their places, if the ones on screen have arrived; until then the old
    /// picture stays.
    fn draw(&mut self) {
        self.report();
        let on_screen = self.reader.scroll.on_screen();
        let first = self.reader.first_index();
        let end = first + self.reader.rows().rows.len() as u64;
        if !on_screen.is_empty() && (on_screen.start < first || on_screen.end > end) {
            return;
        }
        self.fill();
        let Some(parts) = &self.parts else { return };
        // Bar and rows are at whole pixels, so nothing is lost.
        let offset_px = ((self.first_index as f64 - self.reader.scroll.top_rows()) * ROW_PX).round() as i64;
        // Our own style properties are always accepted.
        let _ = parts.list.style().set_property("transform", &format!("translateY({offset_px}px)"));
    }

    /// Updates the row elements from the rows. A row that stays on screen keeps its element.
    fn fill(&mut self) {
        let Some(parts) = &self.parts else { return };
        let rows = &self.reader.rows().rows;
        self.first_index = self.reader.first_index();
        let mut spare = Vec::new();
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            let overlap = self.views.front().is_some_and(|view| view.seq <= last.seq)
                && self.views.back().is_some_and(|view| view.seq >= first.seq);
            // Without an overlap every element is rewritten in place.
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
        let mut clockface = TimeFormatter {
            mode: self.time,
            zero: self.reader.rows().zero,
            ahead_of_utc_min: rows.last().map_or(0, |row| ahead_of_utc_min(row.time.as_micros())),
            above: self.reader.rows().before,
        };
        let _ = parts.table.toggle_attribute_with_force("data-all", self.reader.listed() == ListMode::All);
        let selected = self.reader.selected();
        let mut is_selected_shown = false;
        for ((view, row), index) in self.views.iter_mut().zip(rows).zip(self.first_index..) {
            view.show(row, index, &clockface);
            view.select(selected == Some(row.seq));
            is_selected_shown |= view.is_selected;
            clockface.above = Some(row.time);
        }
        let _ = match is_selected_shown {
            true => parts.table.set_attribute("aria-activedescendant", SELECTED_ID),
            false => parts.table.remove_attribute("aria-activedescendant"),
        };
    }

    /// Returns where the bar is, if somebody moved it since it was last read.
    fn bar_moved_to_px(&self) -> Option<f64> {
        let stands_px = f64::from(self.parts.as_ref()?.scroller.scroll_top());
        Some(stands_px).filter(|stands_px| (stands_px - self.scroll_px).abs() > 1.0)
    }

    /// Sets the scroll bar's length and place.
    fn settle_bar(&mut self) {
        let Some(parts) = &self.parts else { return };
        let spacer_px = self.reader.scroll.spacer_px().round() as u64;
        if spacer_px != self.spacer_px {
            let _ = parts.spacer.style().set_property("height", &format!("{spacer_px}px"));
            self.spacer_px = spacer_px;
        }
        // The header is a row too (ARIA counts it).
        let count = self.reader.scroll.total() + 1;
        if count != self.counted_rows {
            let _ = parts.table.set_attribute("aria-rowcount", &count.to_string());
            self.counted_rows = count;
        }
        let scroll_px = self.reader.scroll.scroll_px();
        if (scroll_px - f64::from(parts.scroller.scroll_top())).abs() > 1.0 {
            // Below the spacer's limit and so within an i32.
            parts.scroller.set_scroll_top(scroll_px.round() as i32);
        }
        self.scroll_px = f64::from(parts.scroller.scroll_top());
    }
}

/// A cell whose text may have marked parts. Every change goes through text nodes: a payload is
/// never markup.
struct Cell {
    element: Element,
    text: Text,
    words: String,
    marks: Vec<(u32, u32)>,
}

impl Cell {
    /// `None` if the document makes no elements, which doesn't happen.
    fn new(document: &Document, row: &Element, class: &str) -> Option<Self> {
        let element = document.create_element("span").ok()?;
        element.set_attribute("role", "gridcell").ok()?;
        element.set_class_name(class);
        let text = document.create_text_node("");
        element.append_child(&text).ok()?;
        row.append_child(&element).ok()?;
        Some(Self { element, text, words: String::new(), marks: Vec::new() })
    }

    fn show(&mut self, words: &str, marks: &[(u32, u32)]) {
        if self.words == words && self.marks == marks {
            return;
        }
        if !self.marks.is_empty() {
            self.element.set_text_content(None);
            // Fails only if the node would contain itself.
            let _ = self.element.append_child(&self.text);
        }
        words.clone_into(&mut self.words);
        marks.clone_into(&mut self.marks);
        let mut end = marks.first().map_or(words.len(), |mark| mark.0 as usize);
        self.text.set_data(words.get(..end).unwrap_or_default());
        for (at, &(from, to)) in marks.iter().enumerate() {
            end = marks.get(at + 1).map_or(words.len(), |mark| mark.0 as usize);
            let marked = words.get(from as usize..to as usize).unwrap_or_default();
            let _ = self.mark(marked, words.get(to as usize..end).unwrap_or_default());
        }
    }

    fn mark(&self, marked: &str, words: &str) -> Option<()> {
        let document = self.element.owner_document()?;
        let mark = document.create_element("mark").ok()?;
        mark.set_text_content(Some(marked));
        self.element.append_child(&mark).ok()?;
        self.element.append_child(&document.create_text_node(words)).ok()?;
        Some(())
    }
}

/// One row's elements.
struct RowView {
    seq: u64,
    index: u64,
    row: Element,
    /// What the time shows: the mode, and the microseconds since its reference time.
    time_key: (TimeMode, Option<i64>),
    time: Cell,
    number: Cell,
    topic: Cell,
    flags: Cell,
    payload: Cell,
    is_hex: bool,
    size: Cell,
    is_selected: bool,
    is_match: bool,
    subscription: Option<u8>,
}

impl RowView {
    /// `None` if the document makes no elements, which doesn't happen.
    fn new(document: &Document) -> Option<Self> {
        let row = document.create_element("div").ok()?;
        row.set_attribute("role", "row").ok()?;
        row.set_class_name("row");
        let cell = |column: Column| Cell::new(document, &row, column.name());
        let view = Self {
            seq: 0,
            index: u64::MAX,
            time_key: (TimeMode::Absolute, None),
            time: cell(Column::Time)?,
            number: cell(Column::Seq)?,
            topic: cell(Column::Topic)?,
            flags: cell(Column::QoS)?,
            payload: cell(Column::Payload)?,
            is_hex: false,
            size: cell(Column::Size)?,
            is_selected: false,
            is_match: false,
            subscription: None,
            row: row.clone(),
        };
        let open = document.create_element("button").ok()?;
        open.set_class_name("open");
        // The style sheet draws its symbol, so that a row's text is its message.
        open.set_attribute("aria-label", "Open").ok()?;
        open.set_attribute("title", "Open it (Enter, or a double click)").ok()?;
        open.set_attribute("tabindex", "-1").ok()?;
        row.append_child(&open).ok()?;
        Some(view)
    }

    fn show(&mut self, row: &Row, index: u64, clockface: &TimeFormatter) {
        if self.index != index {
            self.index = index;
            // 1 is the header.
            let _ = self.row.set_attribute("aria-rowindex", &(index + 2).to_string());
        }
        let time_key = (clockface.mode, Some(clockface.counted(row.time)));
        if self.time_key != time_key {
            self.time_key = time_key;
            self.time.show(&clockface.words(row.time), &[]);
        }
        let none = Highlights::default();
        let marks = row.marks.as_ref().unwrap_or(&none);
        let (text, is_hex) = match &row.preview {
            Preview::Text(text) => (text, false),
            Preview::Hex(hex) => (hex, true),
        };
        self.topic.show(&row.topic, &marks.topic);
        self.payload.show(text, &marks.payload);
        if self.is_match != row.marks.is_some() {
            self.is_match = row.marks.is_some();
            self.row.set_class_name(if self.is_match { "row match" } else { "row" });
        }
        if self.subscription != row.subscription {
            self.subscription = row.subscription;
            let colour = row.subscription.map_or(String::new(), |index| (index % COLOURS).to_string());
            let _ = self.row.set_attribute("data-subscription", &colour);
        }
        // The rest of a message never changes.
        if self.seq == row.seq {
            return;
        }
        self.seq = row.seq;
        let seq = row.seq.to_string();
        let _ = self.row.set_attribute("data-seq", &seq);
        self.number.show(&seq, &[]);
        self.flags.show(flag_words(row), &[]);
        if self.is_hex != is_hex {
            self.payload.element.set_class_name(if is_hex { "payload hex" } else { "payload" });
            self.is_hex = is_hex;
        }
        self.size.show(&size(u64::from(row.payload_bytes)), &[]);
    }

    fn select(&mut self, is_selected: bool) {
        if self.is_selected == is_selected {
            return;
        }
        self.is_selected = is_selected;
        let _ = match is_selected {
            true => self.row.set_attribute("aria-selected", "true"),
            false => self.row.remove_attribute("aria-selected"),
        };
        self.row.set_id(if is_selected { SELECTED_ID } else { "" });
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

/// Returns the element that an event is about.
fn element_of(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

/// Returns the column whose edge an event is about, and the handle there.
fn column_of(event: &Event) -> Option<(Column, Element)> {
    let handle = element_of(event)?.closest("[data-column]").ok()??;
    Some((Column::from_name(&handle.get_attribute("data-column")?)?, handle))
}

/// Returns the width of the column of this handle.
fn width_px(handle: &Element) -> i32 {
    handle.parent_element().map_or(0, |head| head.client_width())
}

/// Returns how much a column grows when its edge moves to the right. The last column has its edge
/// on its left.
const fn outward(column: Column, right_px: i32) -> i32 {
    if matches!(column, Column::Size) { -right_px } else { right_px }
}

/// Returns the message whose row an event is about.
fn seq_of(event: &Event) -> Option<u64> {
    let row = element_of(event)?.closest("[data-seq]").ok()??;
    row.get_attribute("data-seq")?.parse().ok()
}

/// Returns the text to show while there are no rows, and whether a sample may be played.
fn words_of_nothing(facts: &ConsoleStatus, unseen: u64) -> (&'static str, bool) {
    if unseen > 0 {
        return ("The view is held. What came since isn't shown.", false);
    }
    if facts.stats.kept > 0 {
        return ("No kept message gets through the filter.", false);
    }
    let is_away = matches!(facts.state, ConnectionState::Idle | ConnectionState::Stopped);
    let words = match facts.state {
        _ if facts.stats.cleared > 0 => "Cleared. What arrives from now on is shown here.",
        ConnectionState::Connected => "Connected. Waiting for the first message.",
        ConnectionState::Connecting | ConnectionState::Reconnecting => "Waiting for the connection.",
        ConnectionState::Idle | ConnectionState::Stopped => {
            "Every message that arrives is kept and shown here, as it came."
        }
    };
    (words, is_away)
}

/// The console with its bar: filter, export, clear.
#[component]
pub fn ConsoleView(
    /// The handle through which the page shows rows.
    console: Console,
) -> impl IntoView {
    let section = NodeRef::<html::Section>::new();
    let handle = console.clone();
    follow(move || {
        if let Some(section) = section.get() {
            handle.attach(section);
        }
    });
    let console = StoredValue::new_local(console);
    on_cleanup(move || console.with_value(Console::detach));
    view! { <section class="console" aria-label="Console" node_ref=section inner_html=MARKUP></section> }
}
