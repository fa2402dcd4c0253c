//! The connection's buttons.

use leptos::prelude::*;

use crate::protocol::panels::PanelAction;
use crate::web::page::attributes::true_or_false;
use crate::web::page::button::Button;
use crate::web::page::handle::PageHandle;
use crate::web::page::signals::part;

/// The buttons that are always shown.
#[component]
pub(super) fn ConnectionBar(page: PageHandle) -> AnyView {
    let signals = page.with(|page| page.signals);
    let form_open = signals.form_open;
    let is_away = part(signals.connection, |connection| connection.state.is_away());
    let is_edited = page.with(|page| page.link.is_edited());
    view! {
        <div class="connection-bar">
            <button type="submit" form="connection" class="button primary" disabled=move || !(is_away.get() || is_edited.get())>
                {move || if is_edited.get() { "Reconnect" } else { "Connect" }}
            </button>
            <Button disabled=is_away on_click=page.callback(|page| page.disconnect())>
                "Disconnect"
            </Button>
            <Button
                class="button quiet fold"
                label="Send a message"
                opens_dialog=true
                on_click=page.opens(PanelAction::Send)
            >
                "Send"
                <span class="rest">"\u{a0}a message"</span>
            </Button>
            <Button
                class="button quiet"
                label="Packets"
                title="Packets"
                opens_dialog=true
                on_click=page.opens(PanelAction::Packets)
            >
                "Packets"
            </Button>
            <button
                type="button"
                class="button quiet"
                aria-controls="connection"
                aria-expanded=true_or_false(form_open.into())
                on:click=move |_| form_open.update(|open| *open = !*open)
            >
                "Settings"
            </button>
        </div>
    }
    .into_any()
}
