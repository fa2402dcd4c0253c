//! What every panel does with its dialog: open it, close it, and draw its frame.

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

/// Closes the panel if Escape was pressed in it, or if the focus is nowhere: a focused button that is disabled or removed
/// leaves it there. The browser closes modal dialogs itself, also one inside a panel.
fn close_on_escape(event: &KeyboardEvent, dialog: NodeRef<leptos::html::Dialog>) {
    if event.key() != "Escape" || event.default_prevented() {
        return;
    }
    let open = dialog.get_untracked().filter(|dialog| dialog.open() && !dialog.matches(":modal").unwrap_or(false));
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let (Some(dialog), Some(target)) = (open, target) else { return };
    let is_nowhere = document().body().is_some_and(|body| *body == target);
    let is_inside = target.closest("dialog").ok().flatten().is_some_and(|nearest| nearest == **dialog);
    if is_nowhere || is_inside {
        // One panel for each press.
        event.prevent_default();
        dialog.close();
    }
}

/// Closes a dialog if it covers the page, on which something is to be seen now.
pub(super) fn close_if_covering(dialog: NodeRef<leptos::html::Dialog>) {
    if window().match_media(NARROW).ok().flatten().is_some_and(|query| query.matches()) {
        close(dialog);
    }
}

/// A panel's frame: the dialog, its title and the button that closes it. Escape closes it too; the browser moves the
/// focus into it and back.
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
    #[prop(optional)]
    head: Option<Children>,
    children: Children,
) -> impl IntoView {
    window_event_listener(leptos::ev::keydown, move |event| close_on_escape(&event, dialog));
    view! {
        <dialog class=class node_ref=dialog aria-labelledby=id>
            // Without a role, because a dialog's head isn't a landmark of the page.
            <header role="none">
                <h2 id=id>{title}</h2>
                {head.map(|head| head())}
                <button type="button" class="button icon" aria-label="Close" on:click=move |_| close(dialog)>
                    "×"
                </button>
            </header>
            {children()}
        </dialog>
    }
}
