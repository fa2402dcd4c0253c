//! The console: the rows on screen of a list that lives in the worker.
//!
//! The rows aren't in the reactive graph. [`Console`] keeps a few dozen row elements and changes
//! their text by hand, since a stream of thousands of messages a second replaces all of them every
//! frame. The rest of the console is plain markup (`console.html`) that is changed by hand too: as
//! reactive views it would add nine kilobytes to a first visit. The rows are in a pane that sticks
//! to the scroller's viewport, so the browser's own scrolling never shows a gap: the picture
//! changes once the rows of the new place have arrived, one frame later.

pub mod controller;
mod events;
pub mod renderer;
mod row;

use leptos::html;
use leptos::prelude::*;

use crate::web::dom::follow;
use crate::web::page::console::controller::Console;

/// The markup of everything but the rows.
const MARKUP: &str = include_str!("console.html");

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
