//! What every panel does with its dialog: open it, close it, and draw its head.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlDialogElement, KeyboardEvent};

/// The media query for a screen on which a panel covers the page, in CSS.
const NARROW: &str = "(max-width: 48rem)";

/// Opens a dialog that has to be closed before anything else can be used.
pub(super) fn open_modal(dialog: NodeRef<leptos::html::Dialog>) {
    with_dialog(dialog, |dialog| dialog.show_modal());
}

/// Opens a dialog that can stay open while the page is used.
pub(super) fn open_non_modal(dialog: NodeRef<leptos::html::Dialog>) {
    with_dialog(dialog, |dialog| {
        dialog.show();
        Ok(())
    });
}

fn with_dialog(dialog: NodeRef<leptos::html::Dialog>, act: impl FnOnce(&HtmlDialogElement) -> Result<(), JsValue>) {
    let Some(dialog) = dialog.get_untracked() else { return };
    if !dialog.open() {
        // Throws only for a dialog that is open, or that isn't in the document.
        let _ = act(&dialog);
    }
}

pub(super) fn is_open(dialog: NodeRef<leptos::html::Dialog>) -> bool {
    dialog.get_untracked().is_some_and(|dialog| dialog.open())
}

/// Closes a dialog; the browser gives the focus back to where it came from.
pub(super) fn close(dialog: NodeRef<leptos::html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        dialog.close();
    }
}

/// Closes the panel in which Escape was pressed. The browser does so only for modal dialogs.
pub(super) fn close_on_escape(event: &KeyboardEvent) {
    let target =
        event.target().filter(|_| event.key() == "Escape").and_then(|target| target.dyn_into::<Element>().ok());
    let dialog = target.and_then(|target| target.closest("dialog").ok()?);
    if let Some(dialog) = dialog.filter(|dialog| !dialog.matches(":modal").unwrap_or(false)) {
        dialog.unchecked_into::<HtmlDialogElement>().close();
    }
}

/// Closes a dialog if it covers the page, on which something is to be seen now.
pub(super) fn close_if_covering(dialog: NodeRef<leptos::html::Dialog>) {
    if window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches()) {
        close(dialog);
    }
}

/// The head of a panel: its title and the button that closes it. It has no role, because a dialog's
/// head isn't a landmark of the page.
pub(super) fn head(id: &'static str, title: &'static str, dialog: NodeRef<leptos::html::Dialog>) -> impl IntoView {
    view! {
        <header role="none">
            <h2 id=id>{title}</h2>
            <button type="button" class="button icon" aria-label="Close" on:click=move |_| close(dialog)>
                "×"
            </button>
        </header>
    }
}
