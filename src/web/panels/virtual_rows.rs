//! A list of any length, of which only the rows on screen are created.
//!
//! As in the console, the scroll bar is only an input device: the rows are in a pane that sticks to
//! the viewport, and [`Scroll`] decides which rows they are.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, KeyboardEvent, ResizeObserver};

use crate::ui::console::scroll::{Scroll, ScrollStep};

/// Height of a row; the style sheet takes it from here.
const ROW_PX: f64 = 20.0;

/// Text of the probe that measures the width of a letter.
const PROBE: &str = "00000000000000000000";

/// Where a list begins, and what it does when it grows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At its first row.
    Head,
    /// At its last row, which stays in view until somebody scrolls.
    Tail,
}

/// The list's handle.
#[derive(Clone, Copy)]
pub(super) struct VirtualRows {
    start: Start,
    scroll: RwSignal<Scroll>,
    /// The number of letters that fit side by side; 0 until it is measured.
    pub(super) columns: RwSignal<usize>,
    scroller: NodeRef<html::Div>,
    probe: NodeRef<html::Span>,
    /// Where the scroll bar was when it was last read.
    scroll_px: StoredValue<f64>,
}

impl VirtualRows {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            scroll: RwSignal::new(Scroll::new(ROW_PX)),
            columns: RwSignal::new(0),
            scroller: NodeRef::new(),
            probe: NodeRef::new(),
            scroll_px: StoredValue::new(0.0),
        }
    }

    /// Sets the number of rows; the list stays where it is, if that place still exists.
    pub(super) fn resize(self, rows: usize) {
        self.scroll.update(|scroll| {
            let is_at_top = scroll.top_rows() <= 0.0;
            scroll.grow(rows as u64, 0);
            if is_at_top && self.start == Start::Head {
                scroll.step(ScrollStep::Home);
            }
        });
        if self.start == Start::Tail {
            // Once the spacer has its new height.
            request_animation_frame(move || self.sync_scroll_bar());
        }
    }

    /// Returns the rows that are on screen.
    pub(super) fn on_screen(self) -> std::ops::Range<u64> {
        self.scroll.with(Scroll::visible_range)
    }

    /// Moves by a key.
    pub(super) fn step(self, step: ScrollStep) {
        self.scroll.update(|scroll| scroll.step(step));
        self.sync_scroll_bar();
    }

    /// Scrolls a row to the middle, unless it is visible.
    pub(super) fn center(self, row: usize) {
        self.scroll.update(|scroll| scroll.center(row as u64));
        self.sync_scroll_bar();
    }

    /// Scrolls just far enough for a row next to those on screen to be visible.
    pub(super) fn reveal(self, row: usize) {
        let row = row as u64;
        let (first, end) = self.scroll.with_untracked(|scroll| {
            let on_screen = scroll.visible_range();
            // The last row may be cut off by the edge.
            (scroll.top_rows().ceil() as u64, on_screen.end.saturating_sub(1).max(1))
        });
        if row < first {
            self.step(ScrollStep::LineUp);
        } else if row >= end {
            self.step(ScrollStep::LineDown);
        }
    }

    fn sync_scroll_bar(self) {
        let Some(scroller) = self.scroller.get_untracked() else { return };
        let scroll_px = self.scroll.with_untracked(Scroll::scroll_px);
        if (scroll_px - f64::from(scroller.scroll_top())).abs() > 1.0 {
            // Below the spacer's limit and so within an i32.
            scroller.set_scroll_top(scroll_px.round() as i32);
        }
        self.scroll_px.set_value(f64::from(scroller.scroll_top()));
    }

    fn scrolled(self) {
        let Some(scroller) = self.scroller.get_untracked() else { return };
        let (from_px, to_px) = (self.scroll_px.get_value(), f64::from(scroller.scroll_top()));
        // The echo of our own move.
        if (to_px - from_px).abs() <= 1.0 {
            return;
        }
        self.scroll_px.set_value(to_px);
        self.scroll.update(|scroll| scroll.drag(from_px, to_px));
    }

    fn measure(self, scroller: &HtmlElement) {
        self.scroll.update(|scroll| scroll.resize(f64::from(scroller.client_height())));
        let Some(probe) = self.probe.get_untracked() else { return };
        let letter_px = probe.get_bounding_client_rect().width() / PROBE.len() as f64;
        let room_px = f64::from(probe.parent_element().map_or(0, |pane| pane.client_width()));
        if letter_px > 0.0 {
            // Saturates. Never 0, which would mean that it isn't known yet.
            let columns = ((room_px / letter_px) as usize).saturating_sub(MARGIN_COLUMNS).max(1);
            if self.columns.get_untracked() != columns {
                self.columns.set(columns);
            }
        }
    }
}

/// The width, in letters, of the row's padding and of the mark before it.
const MARGIN_COLUMNS: usize = 4;

/// The observer that measures the list.
struct Watch {
    observer: ResizeObserver,
    _on_resize: Closure<dyn FnMut()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

#[component]
pub(super) fn VirtualList(
    rows: VirtualRows,
    /// The label, for people who can't see the list.
    label: &'static str,
    /// The element that describes the place of the cursor, if there is one.
    #[prop(default = "")]
    described_by: &'static str,
    /// Called for a key; returns `true` if the key was handled.
    on_key: impl Fn(&KeyboardEvent) -> bool + 'static,
    /// Creates a row.
    row: impl Fn(usize) -> AnyView + Send + Sync + 'static,
) -> impl IntoView {
    let watch = StoredValue::new_local(None::<Watch>);
    Effect::new(move || {
        let Some(scroller) = rows.scroller.get() else { return };
        let watched: HtmlElement = scroller.into();
        let observed = watched.clone();
        let on_resize = Closure::<dyn FnMut()>::new(move || rows.measure(&watched));
        let Ok(observer) = ResizeObserver::new(on_resize.as_ref().unchecked_ref()) else { return };
        observer.observe(&observed);
        watch.set_value(Some(Watch { observer, _on_resize: on_resize }));
    });
    on_cleanup(move || watch.set_value(None));
    let on_screen = Memo::new(move |_| rows.scroll.with(Scroll::visible_range));
    let spacer_px = Memo::new(move |_| rows.scroll.with(|scroll| scroll.spacer_px().round() as u64));
    let offset_px = move || {
        rows.scroll.with(|scroll| {
            let first = scroll.visible_range().start as f64;
            ((first - scroll.top_rows()) * ROW_PX).round() as i64
        })
    };
    let on_keydown = move |event: KeyboardEvent| {
        if event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        if on_key(&event) {
            event.prevent_default();
        } else if let Some(step) = ScrollStep::from_key(&event.key()) {
            event.prevent_default();
            rows.step(step);
        }
    };
    view! {
        <div
            class="rows-scroller"
            role="group"
            aria-label=label
            aria-describedby=(!described_by.is_empty()).then_some(described_by)
            tabindex="0"
            style=format!("--row-px:{}px", ROW_PX as u32)
            node_ref=rows.scroller
            on:scroll=move |_| rows.scrolled()
            on:scrollend=move |_| rows.sync_scroll_bar()
            on:keydown=on_keydown
        >
            <div class="rows-spacer" style:height=move || format!("{}px", spacer_px.get())>
                <div class="rows-pane">
                    <span class="rows-probe" aria-hidden="true" node_ref=rows.probe>{PROBE}</span>
                    <div class="rows" style:transform=move || format!("translateY({}px)", offset_px())>
                        {move || on_screen.get().map(|index| row(index as usize)).collect_view()}
                    </div>
                </div>
            </div>
        </div>
    }
}
