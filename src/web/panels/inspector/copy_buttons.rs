//! The buttons below a message.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;

use super::loaded_message::LoadedMessage;
use crate::protocol::panels::{Copied, ToPage};
use crate::web::panels::clipboard::ClipboardWriter;
use crate::web::panels::dialog::close_if_covering;
use crate::web::window_bus;

/// Buttons that copy the message as a whole or the commands for it, and that go to its line.
#[component]
pub(super) fn CopyButtons(
    clipboard: ClipboardWriter,
    loaded: Arc<LoadedMessage>,
    dialog: NodeRef<html::Dialog>,
) -> impl IntoView {
    let buttons = [
        (Copied::Row, "Copy as NDJSON", "Copy the message as a line of an export"),
        (Copied::Publish, "Copy mosquitto_pub", "Copy the command that publishes this message"),
        (Copied::Subscribe, "Copy mosquitto_sub", "Copy the command that subscribes to the same topics"),
    ];
    let seq = loaded.seq;
    let button = move |(copied, name, title)| {
        let loaded = Arc::clone(&loaded);
        let copy = move |_| {
            let (what, text) = loaded.copied(copied);
            clipboard.copy(what, text);
        };
        view! { <button type="button" class="button" title=title on:click=copy>{name}</button> }
    };
    view! {
        {buttons.map(button).into_iter().collect_view()}
        <button
            type="button"
            class="button"
            title="Show this message in the crawl (s in the console)"
            on:click=move |_| {
                close_if_covering(dialog);
                window_bus::send_to_page(&ToPage::ShowInCrawl(seq));
            }
        >
            "Show in crawl"
        </button>
    }
}
