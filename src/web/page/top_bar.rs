//! The bar above everything else.

use leptos::prelude::*;

use crate::config::link::View;
use crate::protocol::panels::PanelAction;
use crate::web::page::attributes::true_or_false;
use crate::web::page::button::Button;
use crate::web::page::handle::PageHandle;

/// The app's name, the choice of the view, and the buttons for the app as a whole.
#[component]
pub(super) fn TopBar(page: PageHandle) -> AnyView {
    let views = [(View::Split, "Split"), (View::Crawl, "Crawl"), (View::Console, "Console")];
    let views = views.map(|(view, label)| view! { <ViewButton page view label /> }.into_inner());
    view! {
        <header class="top">
            <h1 class="brand">"mqtt-crawl"</h1>
            <div class="switch" role="group" aria-label="View">
                {Vec::from(views)}
            </div>
            <div class="top-tools">
                <Button
                    class="button icon sliders"
                    label="Preferences"
                    title="Preferences"
                    opens_dialog=true
                    on_click=page.opens(PanelAction::Preferences)
                />
                <Button
                    class="button icon"
                    label="Keyboard shortcuts"
                    title="Keyboard shortcuts"
                    opens_dialog=true
                    on_click=page.opens(PanelAction::Help)
                >
                    "?"
                </Button>
            </div>
        </header>
    }
    .into_any()
}

/// The button that shows this part of the page.
#[component]
fn ViewButton(page: PageHandle, view: View, label: &'static str) -> AnyView {
    let shown = page.with(|page| page.signals.view);
    let is_shown = Signal::derive(move || shown.get() == view);
    view! {
        <button
            type="button"
            aria-pressed=true_or_false(is_shown)
            on:click=move |_| page.with(|page| page.show(view))
        >
            {label}
        </button>
    }
    .into_any()
}
