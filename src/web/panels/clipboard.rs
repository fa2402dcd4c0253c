//! Copies to the clipboard and reports it for a moment. If the browser refuses, the text is shown
//! to be copied by hand.

use gloo_timers::callback::Timeout;
use js_sys::futures::JsFuture;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::web::panels::dialog::{PanelDialog, open_modal};
use crate::web::panels::panel::Panel;

/// How long "Copied" is shown.
const MESSAGE_MS: u32 = 3_000;

/// The handle for copying.
#[derive(Clone, Copy)]
pub(super) struct ClipboardWriter {
    dialog: NodeRef<html::Dialog>,
    area: NodeRef<html::Textarea>,
    message: RwSignal<String>,
    by_hand: RwSignal<String>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
}

impl ClipboardWriter {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            area: NodeRef::new(),
            message: RwSignal::default(),
            by_hand: RwSignal::default(),
            timer: StoredValue::new_local(None),
        }
    }

    /// Copies a text; `what` names it in a sentence: "payload (hex)".
    pub(super) fn copy(self, what: String, text: String) {
        let clipboard = window().navigator().clipboard();
        // Missing unless the page came over https or from this machine.
        if clipboard.is_undefined() {
            return self.show(text);
        }
        spawn_local(async move {
            match JsFuture::from(clipboard.write_text(&text)).await {
                Ok(_) => self.show_message(format!("Copied {what}.")),
                Err(_) => self.show(text),
            }
        });
    }

    /// Shows a text for a moment.
    pub(super) fn show_message(self, text: String) {
        self.message.set(text);
        self.timer.set_value(Some(Timeout::new(MESSAGE_MS, move || self.message.set(String::new()))));
    }

    fn show(self, text: String) {
        self.by_hand.set(text);
        open_modal(self.dialog);
        request_animation_frame(move || {
            if let Some(area) = self.area.get_untracked() {
                // Never fails for an element on the page.
                let _ = area.focus();
                area.select();
            }
        });
    }
}

impl Panel for ClipboardWriter {
    fn view(&self) -> AnyView {
        let clipboard = *self;
        view! { <CopyPanel clipboard /> }.into_any()
    }
}

#[component]
fn CopyPanel(clipboard: ClipboardWriter) -> impl IntoView {
    view! {
        <p class="toast" role="status" class:shown=move || !clipboard.message.with(String::is_empty)>{move || clipboard.message.get()}</p>
        <PanelDialog dialog=clipboard.dialog id="copy-title" title="Copy manually" class="panel by-hand">
            <div class="panel-body">
                <p class="why" id="copy-why">
                    "Clipboard access is blocked. The text is selected: press Ctrl+C, or ⌘C on a Mac."
                </p>
                <textarea
                    readonly
                    rows="12"
                    spellcheck="false"
                    aria-label="Text to copy"
                    aria-describedby="copy-why"
                    node_ref=clipboard.area
                    prop:value=move || clipboard.by_hand.get()
                ></textarea>
            </div>
        </PanelDialog>
    }
}
