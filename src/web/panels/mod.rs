//! The panels: dialogs over the page, in a program of their own that is loaded when the first of
//! them is opened. They share only the page's document: the worker answers them on a channel of
//! their own, at most once a frame.

mod clipboard;
mod connection_options;
mod dialog;
mod export;
mod fields;
mod help;
mod inspector;
mod line_rules;
mod logs;
mod opening;
mod packets;
mod preferences;
mod send;
mod sound;
mod state;
mod subscriptions;
mod suggest;
mod topics;
mod transmit;
mod virtual_rows;

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, HtmlLinkElement};

use crate::web::channel;
use crate::web::panels::clipboard::CopyPanel;
use crate::web::panels::connection_options::ConnectionOptionsPanel;
use crate::web::panels::dialog::close_on_escape;
use crate::web::panels::export::ExportPanel;
use crate::web::panels::help::HelpPanel;
use crate::web::panels::inspector::InspectorPanel;
use crate::web::panels::line_rules::LineRulesPanel;
use crate::web::panels::logs::{DropHint, LogsPanel};
use crate::web::panels::opening::OpeningPanel;
use crate::web::panels::packets::PacketsPanel;
use crate::web::panels::preferences::PreferencesPanel;
use crate::web::panels::send::SendPanel;
use crate::web::panels::state::Panels;
use crate::web::panels::subscriptions::SubscriptionsPanel;
use crate::web::panels::topics::TopicsPanel;
use crate::web::panels::transmit::{TransmitIndicator, TransmitPanel};
use crate::web::window_bus;

/// The panels' style; relative to the page, as copied by Trunk.
const STYLE: &str = "panels.css";

/// The element for messages of last resort.
const HOST_ID: &str = "panels";

/// Starts the panels. They report to the page once they listen.
pub fn run() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let text = format!("This panel crashed ({info}). Reload the page to use it again.");
        show_failure(&text);
    }));
    let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
    // Nothing is shown before the style is loaded; but if it can't be loaded, the panels are shown
    // without it.
    let ready = Closure::once_into_js(start);
    if load_style(&document, ready.unchecked_ref()).is_none() {
        start();
    }
}

fn load_style(document: &Document, then: &js_sys::Function) -> Option<()> {
    let link: HtmlLinkElement = document.create_element("link").ok()?.unchecked_into();
    link.set_rel("stylesheet");
    link.set_href(STYLE);
    link.set_onload(Some(then));
    link.set_onerror(Some(then));
    document.head()?.append_child(&link).ok()?;
    Some(())
}

fn start() {
    let panels = Panels::new();
    mount_to_body(move || view! { <Dialogs panels /> });
    panels.suggestions.attach(panels);
    window_event_listener_untyped(window_bus::PANELS, move |event| panels.handle_message(&window_bus::detail(&event)));
    window_event_listener(leptos::ev::drop, move |event| panels.log_player.drop_files(&event, panels));
    window_bus::send(window_bus::PAGE, &channel::VERSION.into());
}

/// Puts a text into every open panel by the simplest means, because the usual means have just
/// failed.
fn show_failure(text: &str) {
    let host = web_sys::window().and_then(|window| window.document()?.get_element_by_id(HOST_ID));
    let Some(dialogs) = host.and_then(|host| host.query_selector_all("dialog").ok()) else { return };
    for index in 0..dialogs.length() {
        if let Some(dialog) = dialogs.item(index) {
            dialog.set_text_content(Some(text));
        }
    }
}

#[component]
fn Dialogs(panels: Panels) -> impl IntoView {
    view! {
        <div id=HOST_ID on:keydown=move |event| close_on_escape(&event)>
            <ConnectionOptionsPanel panels />
            <SendPanel panels />
            <PacketsPanel panels />
            <LogsPanel panels />
            <ExportPanel panels />
            <TopicsPanel panels />
            <TransmitPanel panels />
            <TransmitIndicator panels />
            <PreferencesPanel panels />
            <SubscriptionsPanel panels />
            <HelpPanel panels />
            <OpeningPanel panels />
            <LineRulesPanel panels />
            <InspectorPanel panels />
            <CopyPanel clipboard=panels.clipboard />
            <DropHint panels />
        </div>
    }
}
