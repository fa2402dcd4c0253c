//! The page's buttons. They are all one component, so that it is compiled once.

use leptos::prelude::*;

use crate::web::page::attributes::true_or_false;

/// A button.
#[component]
pub(super) fn Button(
    /// Its classes.
    #[prop(default = "button")]
    class: &'static str,
    /// Its accessible name, if that isn't its text.
    #[prop(optional, into)]
    label: Option<Signal<String>>,
    #[prop(optional)] title: Option<&'static str>,
    /// The keys that do the same, as ARIA names them.
    #[prop(optional)]
    keys: Option<&'static str>,
    /// Whether it opens a dialog.
    #[prop(optional)]
    opens_dialog: bool,
    /// Whether it is on, if it is a button that is on or off.
    #[prop(optional, into)]
    pressed: Option<Signal<bool>>,
    #[prop(optional, into)] disabled: Option<Signal<bool>>,
    #[prop(optional, into)] hidden: Option<Signal<bool>>,
    #[prop(into)] on_click: Callback<()>,
    #[prop(optional)] children: Option<Children>,
) -> AnyView {
    view! {
        <button
            type="button"
            class=class
            aria-label=label
            title=title
            aria-keyshortcuts=keys
            aria-haspopup=opens_dialog.then_some("dialog")
            aria-pressed=pressed.map(true_or_false)
            disabled=disabled
            hidden=hidden
            on:click=move |_| on_click.run(())
        >
            {children.map(|children| children())}
        </button>
    }
    .into_any()
}
