//! The bar with the numbers.

use leptos::prelude::*;

use crate::format::{grouped, size};
use crate::protocol::update::Stats;

/// The numbers of the contract. On the screen too, received = kept + evicted + cleared always holds.
#[component]
pub(super) fn StatusBar(
    stats: RwSignal<Stats>,
    /// The number of lines that the crawl is behind.
    behind: RwSignal<u64>,
) -> AnyView {
    // A number is formatted only when it has changed.
    let number = move |read: fn(&Stats) -> u64| Memo::new(move |_| stats.with(read));
    let kept_bytes = number(|stats| stats.kept_bytes);
    view! {
        <footer class="bottom">
            <dl class="numbers" aria-label="Numbers">
                <Number
                    name="received"
                    label="Received"
                    title="Messages since the page loaded"
                    value=number(|stats| stats.received)
                />
                <Number name="kept" label="Stored" title="Messages in the log" value=number(|stats| stats.kept) />
                <Number
                    name="evicted"
                    label="Dropped"
                    title="Oldest messages dropped to stay within the limit"
                    value=number(|stats| stats.evicted)
                />
                <Number
                    name="cleared"
                    label="Cleared"
                    title="Messages you cleared"
                    value=number(|stats| stats.cleared)
                />
                <Number
                    name="matching"
                    label="Matching"
                    title="Stored messages matching the filter"
                    value=number(|stats| stats.matching)
                />
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
