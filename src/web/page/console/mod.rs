//! The console: the rows on screen of a list that lives in the worker.
//!
//! The rows aren't in the reactive graph. [`Console`] keeps a few dozen row elements and changes
//! their text by hand, since a stream of thousands of messages a second replaces all of them every
//! frame. What is around them are components (`frame`, `columns`). The rows are in a pane that
//! sticks to the scroller's viewport, so the browser's own scrolling never shows a gap: the picture
//! changes once the rows of the new place have arrived, one frame later.

mod columns;
pub mod controller;
mod events;
mod frame;
mod handle;
pub mod renderer;
mod row;
mod signals;

use leptos::html;
use leptos::prelude::*;

use crate::web::dom::follow;
use crate::web::page::console::columns::{ColumnHeads, hidden_columns, table_style};
use crate::web::page::console::controller::Console;
use crate::web::page::console::frame::{ConsoleBar, EmptyNotice, FilterResult, NewestButton};
use crate::web::page::console::handle::ConsoleHandle;
use crate::web::page::signals::part;

/// The console with its bar: filter, export, clear.
#[component]
pub fn ConsoleView(
    /// The handle through which the page shows rows.
    console: Console,
) -> AnyView {
    let console = ConsoleHandle::new(console);
    let signals = console.signals();
    let hidden = part(signals.columns, hidden_columns);
    let style = part(signals.columns, table_style);
    let section = NodeRef::<html::Section>::new();
    follow(move || {
        if let Some(section) = section.get() {
            console.with(|console| console.attach(section));
        }
    });
    on_cleanup(move || console.with(Console::detach));
    view! {
        <section class="console" aria-label="Console" node_ref=section>
            <ConsoleBar console />
            <FilterResult console />
            <div class="frame">
                <div
                    class="table"
                    role="grid"
                    tabindex="0"
                    aria-label="Message console"
                    aria-keyshortcuts="Enter n Shift+N"
                    data-hidden=hidden
                    style=style
                >
                    <ColumnHeads signals />
                    // The rows are put into the innermost node by hand.
                    <div class="scroller" role="rowgroup" tabindex="-1">
                        <div class="spacer" role="none">
                            <div class="pane" role="none">
                                <div class="rows" role="none"></div>
                            </div>
                        </div>
                    </div>
                </div>
                <EmptyNotice console />
                <NewestButton console />
            </div>
        </section>
    }
    .into_any()
}
