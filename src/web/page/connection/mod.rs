//! The connection: its buttons, its state, its subscriptions, its form.

mod bar;
mod fields;
pub mod form;
mod status;
mod subscriptions;

use leptos::prelude::*;

use crate::protocol::panels::PanelAction;
use crate::web::page::connection::bar::ConnectionBar;
use crate::web::page::connection::form::ConnectionForm;
use crate::web::page::connection::status::{StatusDetails, StatusLine};
use crate::web::page::connection::subscriptions::Subscriptions;
use crate::web::page::handle::PageHandle;

/// The connection's part of the page.
#[component]
pub(super) fn ConnectionPane(page: PageHandle) -> AnyView {
    let (signals, form) = page.with(|page| (page.signals, page.form));
    view! {
        <section class="connection" aria-label="Connection">
            <ConnectionBar page />
            <StatusLine connection=signals.connection />
            <StatusDetails page />
            <Subscriptions connection=signals.connection on_edit=page.opens(PanelAction::Subscriptions) />
            <ConnectionForm
                form
                token=signals.token
                copied=signals.copied
                on_submit=page.callback(|page| page.connect())
                on_replace_password=page.callback(|page| page.replace_password())
                on_connection_options=page.opens(PanelAction::ConnectionOptions)
                on_copy_link=move || page.copy_link()
            />
        </section>
    }
    .into_any()
}
