//! The console's rows, and the elements that they are drawn into.

use std::collections::VecDeque;

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Element, Event, HtmlElement, ResizeObserver};

use crate::config::settings::{Column, Columns};
use crate::protocol::connection::ConnectionState;
use crate::protocol::rows::ListMode;
use crate::protocol::update::Stats;
use crate::ui::console::time_column::TimeFormatter;
use crate::ui::console::view_model::ConsoleModel;
use crate::web::local_time;
use crate::web::page::console::row::{RowView, SELECTED_ID};
use crate::web::page::console::signals::{ConsoleSignals, FrameState};
use crate::web::page::signals::set_if_changed;

/// Height of a row; the style sheet takes it from here.
pub(super) const ROW_PX: f64 = 24.0;

/// The events that the console handles, wherever they happen in it.
pub(super) const EVENTS: [&str; 9] =
    ["click", "dblclick", "keydown", "pointercancel", "pointerdown", "pointermove", "pointerup", "scroll", "wheel"];

/// What the console shows in addition to its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsoleStatus {
    /// The numbers.
    pub stats: Stats,
    /// The connection's state.
    pub state: ConnectionState,
    /// What is wrong with the filter.
    pub filter_error: Option<String>,
}

/// The rows, and what is drawn of them.
pub(super) struct Renderer {
    pub(super) model: ConsoleModel,
    pub(super) elements: Option<Elements>,
    views: VecDeque<RowView>,
    first_index: u64,
    /// Where the scroll bar was when it was last read.
    pub(super) scroll_px: f64,
    spacer_px: u64,
    /// The number of rows that ARIA was given.
    counted_rows: u64,
    pub(super) pressed: bool,
    pub(super) settling: Option<Timeout>,
    /// The column that is being dragged, where the drag began, and the column's width then.
    pub(super) drag: Option<(Column, i32, i32)>,
    pub(super) status: ConsoleStatus,
    pub(super) signals: ConsoleSignals,
}

/// The elements that are changed by hand, and the listeners on them.
pub(super) struct Elements {
    pub(super) document: Document,
    pub(super) section: HtmlElement,
    pub(super) table: HtmlElement,
    pub(super) scroller: HtmlElement,
    pub(super) spacer: HtmlElement,
    pub(super) list: HtmlElement,
    pub(super) observer: ResizeObserver,
    pub(super) on_event: Closure<dyn Fn(Event)>,
    pub(super) _on_resize: Closure<dyn FnMut()>,
}

impl Drop for Elements {
    fn drop(&mut self) {
        self.observer.disconnect();
        for event in EVENTS {
            // Doesn't fail, even if there is no such listener.
            let _ = self.section.remove_event_listener_with_callback_and_bool(
                event,
                self.on_event.as_ref().unchecked_ref(),
                true,
            );
        }
    }
}

impl Renderer {
    pub(super) fn new(signals: ConsoleSignals) -> Self {
        Self {
            model: ConsoleModel::new(ROW_PX),
            elements: None,
            views: VecDeque::new(),
            first_index: 0,
            scroll_px: 0.0,
            spacer_px: 0,
            counted_rows: 0,
            pressed: false,
            settling: None,
            drag: None,
            status: ConsoleStatus::default(),
            signals,
        }
    }

    /// Lets go of the elements.
    pub(super) fn detach(&mut self) {
        self.elements = None;
        self.views.clear();
        self.settling = None;
    }

    /// Sets what is shown around the rows.
    pub(super) fn set_frame(&mut self) {
        let Self { model, status, signals, .. } = self;
        let frame = FrameState {
            is_frozen: model.is_frozen(),
            is_following: model.scroll.is_following() && !model.is_frozen(),
            unread: model.unread(),
            lists_all: model.list_mode() == ListMode::All,
            matches: model.rows().matches,
            rank: model.rows().rank,
            empty: (model.rows().total == 0).then(|| empty_text(status, model.unread())),
            has_messages: status.stats.kept > 0,
        };
        set_if_changed(signals.frame, frame);
    }

    /// Gives a column this width, or its own; returns the columns then.
    pub(super) fn resize_column(&self, column: Column, width_px: Option<i32>) -> Columns {
        let width_px = width_px.map(|px| u16::try_from(px.max(0)).unwrap_or(u16::MAX));
        let columns = self.signals.columns.get_untracked().resized(column, width_px);
        set_if_changed(self.signals.columns, columns);
        columns
    }

    /// Moves the rows to their places, if the ones on screen have arrived; until then the old
    /// picture stays.
    pub(super) fn draw(&mut self) {
        self.set_frame();
        let on_screen = self.model.scroll.visible_range();
        let first = self.model.first_index();
        let end = first + self.model.rows().rows.len() as u64;
        if !on_screen.is_empty() && (on_screen.start < first || on_screen.end > end) {
            return;
        }
        self.fill();
        let Some(elements) = &self.elements else { return };
        // Bar and rows are at whole pixels, so nothing is lost.
        let offset_px = ((self.first_index as f64 - self.model.scroll.top_rows()) * ROW_PX).round() as i64;
        // Our own style properties are always accepted.
        let _ = elements.list.style().set_property("transform", &format!("translateY({offset_px}px)"));
    }

    /// Updates the row elements from the rows. A row that stays on screen keeps its element.
    fn fill(&mut self) {
        let Some(elements) = &self.elements else { return };
        let rows = &self.model.rows().rows;
        self.first_index = self.model.first_index();
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
                    let Some(view) = spare.pop().or_else(|| RowView::new(&elements.document)) else { return };
                    let reference = self.views.front().map(|view| view.row.as_ref());
                    let _ = elements.list.insert_before(&view.row, reference);
                    self.views.push_front(view);
                }
            }
        }
        while self.views.len() < rows.len() {
            let Some(view) = spare.pop().or_else(|| RowView::new(&elements.document)) else { return };
            let _ = elements.list.append_child(&view.row);
            self.views.push_back(view);
        }
        spare.extend(self.views.drain(rows.len()..));
        for view in spare {
            view.row.remove();
        }
        let mut formatter = TimeFormatter {
            mode: self.signals.time.get_untracked(),
            zero: self.model.rows().zero,
            ahead_of_utc_min: rows.last().map_or(0, |row| local_time::ahead_of_utc_min_at(row.time)),
            above: self.model.rows().before,
        };
        let _ = elements.table.toggle_attribute_with_force("data-all", self.model.list_mode() == ListMode::All);
        let selected = self.model.selected();
        let mut is_selected_shown = false;
        for ((view, row), index) in self.views.iter_mut().zip(rows).zip(self.first_index..) {
            view.show(row, index, &formatter);
            view.select(selected == Some(row.seq));
            is_selected_shown |= view.is_selected;
            formatter.above = Some(row.time);
        }
        let _ = match is_selected_shown {
            true => elements.table.set_attribute("aria-activedescendant", SELECTED_ID),
            false => elements.table.remove_attribute("aria-activedescendant"),
        };
    }

    /// Returns where the bar is, if somebody moved it since it was last read.
    pub(super) fn bar_moved_to_px(&self) -> Option<f64> {
        let bar_px = f64::from(self.elements.as_ref()?.scroller.scroll_top());
        Some(bar_px).filter(|bar_px| (bar_px - self.scroll_px).abs() > 1.0)
    }

    /// Sets the scroll bar's length and place.
    pub(super) fn settle_bar(&mut self) {
        let Some(elements) = &self.elements else { return };
        let spacer_px = self.model.scroll.spacer_px().round() as u64;
        if spacer_px != self.spacer_px {
            let _ = elements.spacer.style().set_property("height", &format!("{spacer_px}px"));
            self.spacer_px = spacer_px;
        }
        // The header is a row too (ARIA counts it).
        let count = self.model.scroll.total() + 1;
        if count != self.counted_rows {
            let _ = elements.table.set_attribute("aria-rowcount", &count.to_string());
            self.counted_rows = count;
        }
        let scroll_px = self.model.scroll.scroll_px();
        if (scroll_px - f64::from(elements.scroller.scroll_top())).abs() > 1.0 {
            // Below the spacer's limit and so within an i32.
            elements.scroller.set_scroll_top(scroll_px.round() as i32);
        }
        self.scroll_px = f64::from(elements.scroller.scroll_top());
    }
}

/// Returns the width of the column of this handle.
pub(super) fn width_px(handle: &Element) -> i32 {
    handle.parent_element().map_or(0, |head| head.client_width())
}

/// Returns the text to show while there are no rows, and whether a sample may be played.
fn empty_text(status: &ConsoleStatus, unread: u64) -> (&'static str, bool) {
    if unread > 0 {
        return ("View paused. New messages are hidden.", false);
    }
    if status.stats.kept > 0 {
        return ("No messages match the filter.", false);
    }
    let is_away = status.state.is_away();
    let text = match status.state {
        _ if status.stats.cleared > 0 => "Log cleared. New messages will appear here.",
        ConnectionState::Connected => "Connected. Waiting for the first message.",
        ConnectionState::Connecting | ConnectionState::Reconnecting => "Waiting to connect…",
        ConnectionState::Idle | ConnectionState::Stopped => "Messages will appear here as they arrive.",
    };
    (text, is_away)
}
