//! Lists. Each kind is one component, so that it is compiled once.

use leptos::prelude::*;

/// A list whose entries come and go. An entry that stays keeps its nodes, and with them the focus.
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

/// A list that is made again, in the nodes that are there, when a signal changes that it reads.
#[component]
pub(super) fn Entries(
    /// Returns the entries.
    #[prop(into)]
    entries: Callback<(), Vec<AnyView>>,
) -> AnyView {
    (move || entries.run(())).into_any()
}
