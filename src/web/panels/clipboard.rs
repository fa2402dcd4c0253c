//! Copies to the clipboard and reports it for a moment. If the browser refuses, the text is shown
//! to be copied by hand.

use gloo_timers::callback::Timeout;
use js_sys::futures::JsFuture;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::KeyboardEvent;

use crate::web::panels::{close, head, open_modally};

/// How long "Copied" is shown.
const SAID_MS: u32 = 3_000;

/// The handle for copying.
#[derive(Clone, Copy)]
pub(super) struct Copier {
    dialog: NodeRef<html::Dialog>,
    area: NodeRef<html::Textarea>,
    said: RwSignal<String>,
    by_hand: RwSignal<String>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
}

impl Copier {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            area: NodeRef::new(),
            said: RwSignal::default(),
            by_hand: RwSignal::default(),
            timer: StoredValue::new_local(None),
        }
    }

    /// Copies a text; `what` names it in a sentence: "the payload".
    pub(super) fn copy(self, what: String, text: String) {
        let clipboard = window().navigator().clipboard();
        // Missing unless the page came over https or from this machine.
        if clipboard.is_undefined() {
            return self.show(text);
        }
        spawn_local(async move {
            match JsFuture::from(clipboard.write_text(&text)).await {
                Ok(_) => self.say(format!("Copied {what}.")),
                Err(_) => self.show(text),
            }
        });
    }

    /// Shows a text for a moment.
    pub(super) fn say(self, words: String) {
        self.said.set(words);
        self.timer.set_value(Some(Timeout::new(SAID_MS, move || self.said.set(String::new()))));
    }

    fn show(self, text: String) {
        self.by_hand.set(text);
        open_modally(self.dialog);
        request_animation_frame(move || {
            if let Some(area) = self.area.get_untracked() {
                // Never fails for an element on the page.
                let _ = area.focus();
                area.select();
            }
        });
    }
}

#[component]
pub(super) fn CopyPanel(copier: Copier) -> impl IntoView {
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            close(copier.dialog);
        }
    };
    view! {
        <p class="toast" role="status" class:shown=move || !copier.said.with(String::is_empty)>{move || copier.said.get()}</p>
        <dialog class="panel by-hand" node_ref=copier.dialog aria-labelledby="copy-title" on:keydown=on_key>
            {head("copy-title", "Copy by hand", copier.dialog)}
            <div class="panel-body">
                <p class="why" id="copy-why">
                    "This browser doesn't let the page copy. The text is selected: press Ctrl+C, or ⌘C on a Mac."
                </p>
                <textarea
                    readonly
                    rows="12"
                    spellcheck="false"
                    aria-label="What is to be copied"
                    aria-describedby="copy-why"
                    node_ref=copier.area
                    prop:value=move || copier.by_hand.get()
                ></textarea>
            </div>
        </dialog>
    }
}
