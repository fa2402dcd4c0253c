//! The panels: dialogs over the page, in a program of their own that is loaded when the first of
//! them is opened. They share only the page's document: the worker answers them on a channel of
//! their own, at most once a frame.

mod clipboard;
mod connection_options;
mod context;
mod dialog;
mod export;
mod fields;
mod help;
mod inspector;
mod line_rules;
mod logs;
mod opening;
mod packets;
mod panel;
mod preferences;
mod send;
mod sound;
mod subscriptions;
mod suggest;
mod topics;
mod transmit;
mod virtual_rows;

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{Document, HtmlLinkElement};

use crate::protocol::panels::{ToPage, ToPanels};
use crate::web::channel;
use crate::web::panels::clipboard::ClipboardWriter;
use crate::web::panels::connection_options::ConnectionOptionsForm;
use crate::web::panels::context::PanelContext;
use crate::web::panels::export::FileExport;
use crate::web::panels::help::Help;
use crate::web::panels::inspector::Inspector;
use crate::web::panels::line_rules::LineRulesForm;
use crate::web::panels::logs::LogPlayer;
use crate::web::panels::opening::OpeningEditor;
use crate::web::panels::packets::Packets;
use crate::web::panels::panel::Panel;
use crate::web::panels::preferences::Preferences;
use crate::web::panels::send::MessageSender;
use crate::web::panels::subscriptions::Subscriptions;
use crate::web::panels::suggest::Suggestions;
use crate::web::panels::topics::TopicTree;
use crate::web::panels::transmit::Transmit;
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

/// Creates every panel: the only place where one is registered. They are drawn in this order.
fn panels(context: PanelContext) -> Vec<Box<dyn Panel>> {
    let log_player = LogPlayer::new(context);
    let transmit = Transmit::new(context, log_player);
    let packets = Packets::new(context);
    let clipboard = ClipboardWriter::new();
    vec![
        Box::new(ConnectionOptionsForm::new(context)),
        Box::new(MessageSender::new(context, transmit)),
        Box::new(packets),
        Box::new(log_player),
        Box::new(FileExport::new(context)),
        Box::new(TopicTree::new(context)),
        Box::new(transmit),
        Box::new(Preferences::new(context)),
        Box::new(Subscriptions::new(context)),
        Box::new(Help::default()),
        Box::new(OpeningEditor::new(context)),
        Box::new(LineRulesForm::new(context)),
        Box::new(Inspector::new(context, packets, clipboard)),
        Box::new(clipboard),
        Box::new(Suggestions::new(context)),
    ]
}

fn start() {
    let context = PanelContext::new();
    context.register(panels(context));
    mount_to_body(move || {
        let views = context.panels().iter().map(|panel| panel.view()).collect_view();
        view! { <div id=HOST_ID>{views}</div> }
    });
    window_event_listener_untyped(window_bus::TO_PANELS, move |event| match window_bus::receive::<ToPanels>(&event) {
        Ok((message, port)) => context.handle_message(message, port),
        Err(error) => window_bus::send_to_page(&ToPage::Failed(error.to_string())),
    });
    window_bus::send_to_page(&ToPage::Ready { version: channel::VERSION.to_owned() });
}

/// Puts a text into every open panel by the simplest means, because the usual means have just
/// failed.
fn show_failure(text: &str) {
    let host = web_sys::window().and_then(|window| window.document()?.get_element_by_id(HOST_ID));
    let Some(dialogs) = host.map(|host| host.get_elements_by_tag_name("dialog")) else { return };
    for index in 0..dialogs.length() {
        if let Some(dialog) = dialogs.item(index) {
            dialog.set_text_content(Some(text));
        }
    }
}
