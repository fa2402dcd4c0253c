//! The payload in one notation. Only the rows on screen are created.

use std::sync::Arc;

use gloo_timers::callback::Timeout;
use leptos::html;
use leptos::prelude::*;

use super::copy_buttons::CopyButtons;
use super::loaded_message::LoadedMessage;
use super::pieces::put;
use super::time_slice::{SLICE_BYTES, for_a_while};
use crate::ui::inspect::row::{Fold, Row};
use crate::ui::inspect::{Sheet, View};
use crate::web::panels::clipboard::ClipboardWriter;
use crate::web::panels::virtual_rows::{Start, VirtualList, VirtualRows};

/// A payload on its way to the screen: the first rows are shown at once, the rest is laid out while
/// they are read.
#[derive(Clone, Copy)]
struct IncrementalLayout {
    rows: VirtualRows,
    sheet: StoredValue<Option<Result<Sheet, String>>>,
    /// Counts the changes of rows that are on screen.
    changes: RwSignal<u32>,
    /// Counts the sheets that were started.
    begun: StoredValue<u32>,
}

impl IncrementalLayout {
    fn new() -> Self {
        Self {
            rows: VirtualRows::new(Start::Head),
            sheet: StoredValue::new(None),
            changes: RwSignal::new(0),
            begun: StoredValue::new(0),
        }
    }

    fn begin(self, sheet: Sheet) {
        self.sheet.set_value(Some(Ok(sheet)));
        self.begun.update_value(|begun| *begun += 1);
        self.go_on(self.begun.get_value());
        self.change();
    }

    fn go_on(self, turn: u32) {
        // A sheet that isn't shown any more is dropped.
        if self.begun.try_get_value() != Some(turn) {
            return;
        }
        let rows = self.sheet.try_update_value(|sheet| {
            let Some(Ok(laid)) = sheet else { return (0, true) };
            let done = for_a_while(|| match laid.advance(SLICE_BYTES) {
                Ok(false) => None,
                done => Some(done),
            });
            let rows = laid.rows();
            match done {
                Some(Err(text)) => {
                    *sheet = Some(Err(text));
                    (0, true)
                }
                done => (rows, done.is_some()),
            }
        });
        let Some((rows, is_done)) = rows else { return };
        self.rows.resize(rows);
        if is_done {
            // Whether a row can be folded is known only once its closing line has been read.
            self.change();
        } else {
            Timeout::new(0, move || self.go_on(turn)).forget();
        }
    }

    fn toggle(self, line: usize) {
        let rows = self.sheet.try_update_value(|sheet| {
            let Some(Ok(sheet)) = sheet else { return 0 };
            sheet.toggle(line);
            sheet.rows()
        });
        self.rows.resize(rows.unwrap_or_default());
        self.change();
    }

    fn change(self) {
        self.changes.update(|changes| *changes += 1);
    }

    fn with<T>(self, read: impl FnOnce(&Result<Sheet, String>) -> Option<T>) -> Option<T> {
        self.changes.track();
        self.sheet.with_value(|sheet| read(sheet.as_ref()?))
    }

    /// Returns the name of the form in which the whole payload is copied, once all of it is there.
    fn copied_as(self) -> Option<&'static str> {
        self.with(|sheet| Some(sheet.as_ref().ok().filter(|sheet| sheet.is_done())?.copied_as()))
    }
}

#[component]
pub(super) fn PayloadView(
    view: View,
    loaded: Arc<LoadedMessage>,
    clipboard: ClipboardWriter,
    dialog: NodeRef<html::Dialog>,
) -> impl IntoView {
    let layout = IncrementalLayout::new();
    let rows = layout.rows;
    let payload = Arc::clone(&loaded.payload);
    Effect::new(move || {
        let columns = rows.columns.get();
        if columns > 0 {
            layout.begin(Sheet::new(view, Arc::clone(&payload), columns));
        }
    });
    let toggle = move |line: usize| layout.toggle(line);
    let row = move |index: usize| {
        let row = layout.with(|sheet| sheet.as_ref().ok()?.row(index));
        row.map(|row| view! { <SheetRow row toggle /> }).into_any()
    };
    let fault = move || layout.with(|sheet| sheet.as_ref().err().cloned());
    let copy = move |_| {
        let name = untrack(|| layout.copied_as());
        let text = untrack(|| layout.with(|sheet| Some(sheet.as_ref().ok()?.to_text())));
        if let (Some(name), Some(text)) = (name, text) {
            clipboard.copy(format!("payload ({name})"), text);
        }
    };
    view! {
        <p class="fault" role="status">{fault}</p>
        <VirtualList rows label="Payload" on_key=|_| false row />
        <footer class="panel-foot" role="none">
            <button type="button" class="button" disabled=move || layout.copied_as().is_none() on:click=copy>
                {move || layout.copied_as().map_or("Copy payload".to_owned(), |name| format!("Copy payload ({name})"))}
            </button>
            <CopyButtons clipboard loaded dialog />
        </footer>
    }
}

#[component]
fn SheetRow(row: Row, toggle: impl Fn(usize) + Copy + Send + Sync + 'static) -> impl IntoView {
    let Row { lead, indent, continues, fold, pieces } = row;
    let fold = fold.map(|Fold { line, is_folded }| {
        view! {
            <button
                type="button"
                class="fold"
                aria-expanded=(!is_folded).to_string()
                aria-label=if is_folded { "Unfold" } else { "Fold" }
                on:click=move |_| toggle(line)
            >
                {if is_folded { "▸" } else { "▾" }}
            </button>
        }
    });
    let indent = indent.min(Row::INDENT_MAX);
    view! {
        <div class="sheet-row" class:continues=continues style=format!("--indent:{indent}")>
            {fold}
            {(!lead.is_empty()).then(|| view! { <span class="lead">{lead}</span> })}
            {put(pieces)}
        </div>
    }
}
