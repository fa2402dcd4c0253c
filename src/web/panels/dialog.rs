//! What every panel does with its dialog: open it, close it, and draw its frame.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlDialogElement, KeyboardEvent};

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
fn close_on_escape(event: &KeyboardEvent, dialog: NodeRef<leptos::html::Dialog>) {
    if event.key() == "Escape"
        && dialog.get_untracked().is_some_and(|dialog| !dialog.matches(":modal").unwrap_or(false))
    {
        close(dialog);
    }
}

/// Closes a dialog if it covers the page, on which something is to be seen now.
pub(super) fn close_if_covering(dialog: NodeRef<leptos::html::Dialog>) {
    if window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches()) {
        close(dialog);
    }
}

/// A panel's frame: the dialog, its title and the button that closes it. Escape closes it too; the browser moves the
/// focus in and back.
#[component]
pub(super) fn PanelDialog(
    dialog: NodeRef<leptos::html::Dialog>,
    /// The title's `id`.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    /// The dialog's classes.
    #[prop(default = "panel")]
    class: &'static str,
    /// What the head shows between the title and the button.
    #[prop(optional, into)]
    head: ViewFn,
    children: Children,
) -> impl IntoView {
    view! {
        <dialog class=class node_ref=dialog aria-labelledby=id on:keydown=move |event| close_on_escape(&event, dialog)>
            // Without a role, because a dialog's head isn't a landmark of the page.
            <header role="none">
                <h2 id=id>{title}</h2>
                {head.run()}
                <button type="button" class="button icon" aria-label="Close" on:click=move |_| close(dialog)>
                    "×"
                </button>
            </header>
            {children()}
        </dialog>
    }
}
