//! Lists whose entries come and go. They are all one component, so that it is compiled once.

use leptos::prelude::*;

/// A list of entries. An entry that stays keeps its nodes, and with them the focus.
#[component]
pub(super) fn List(
    /// A key for each entry; no two are the same.
    #[prop(into)]
    keys: Signal<Vec<String>>,
    /// Shows the entry of a key.
    entry: Callback<String, AnyView>,
) -> AnyView {
    view! { <For each=move || keys.get() key=Clone::clone children=move |key| entry.run(key) /> }.into_any()
}
