//! The bar with the numbers.

use leptos::prelude::*;

use crate::format::{grouped, size};
use crate::protocol::update::Stats;

type ReadNumber = fn(&Stats) -> u64;

/// The numbers of the log: name for programs, label, explanation, value.
const NUMBERS: [(&str, &str, &str, ReadNumber); 5] = [
    ("received", "Received", "Messages since the page loaded", |stats| stats.received),
    ("kept", "Stored", "Messages in the log", |stats| stats.kept),
    ("evicted", "Dropped", "Oldest messages dropped to stay within the limit", |stats| stats.evicted),
    ("cleared", "Cleared", "Messages you cleared", |stats| stats.cleared),
    ("matching", "Matching", "Stored messages matching the filter", |stats| stats.matching),
];

/// The numbers of the contract. On the screen too, received = kept + evicted + cleared always holds.
#[component]
pub(super) fn StatusBar(
    stats: RwSignal<Stats>,
    /// The number of lines that the crawl is behind.
    behind: RwSignal<u64>,
) -> AnyView {
    // A number is formatted only when it has changed.
    let number = move |read: ReadNumber| Memo::new(move |_| stats.with(read));
    let kept_bytes = number(|stats| stats.kept_bytes);
    let of_log = NUMBERS.map(|(name, label, title, read)| {
        let value = number(read);
        view! { <Number name label title value /> }.into_inner()
    });
    view! {
        <footer class="bottom">
            <dl class="numbers" aria-label="Numbers">
                {Vec::from(of_log)}
                <Number
                    name="behind"
                    label="Crawl backlog"
                    title="Lines waiting to be shown in the crawl"
                    value=behind
                />
                <Number
                    name="reconnects"
                    label="Reconnects"
                    title="Times the connection was re-established"
                    value=number(|stats| stats.reconnects)
                />
                <div class="number" title="Size of stored payloads and topics">
                    <dt>"Size"</dt>
                    <dd class="log-bytes">{Signal::derive(move || size(kept_bytes.get()))}</dd>
                </div>
            </dl>
        </footer>
    }
    .into_any()
}

/// A number for people, and for programs in `data-value`.
#[component]
fn Number(
    /// Its name for programs.
    name: &'static str,
    label: &'static str,
    title: &'static str,
    #[prop(into)] value: Signal<u64>,
) -> AnyView {
    view! {
        <div class="number" title=title>
            <dt>{label}</dt>
            <dd data-stat=name data-value=Signal::derive(move || value.get().to_string())>
                {Signal::derive(move || grouped(value.get()))}
            </dd>
        </div>
    }
    .into_any()
}
