//! The connection's state in words, and the numbers.

use leptos::prelude::*;

use super::live;

use crate::console::{grouped, size};
use crate::engine::update::{Advice, Connection, Evidence, Granted, State, Stats, Subscription};
use crate::time::Instant;

/// What is going on: the state, its reason, what to try.
#[component]
pub(super) fn ConnectionStatus(
    connection: RwSignal<Connection>,
    now: RwSignal<Instant>,
    /// Don't wait any longer for the next attempt.
    on_try: impl Fn() + Copy + Send + Sync + 'static,
    /// Connect although another tab has the connection.
    on_take_over: impl Fn() + Copy + Send + Sync + 'static,
    /// What opens the panel of subscriptions.
    change: AnyView,
) -> impl IntoView {
    let state = move || connection.with(|connection| connection.state);
    let words = live::words(move || {
        connection.with(|connection| match connection.words.as_str() {
            "" => "Not connected.".to_owned(),
            words => words.to_owned(),
        })
    });
    view! {
        <div class="status-line">
            <span
                class="lamp"
                data-stat="state"
                data-value=live::words(move || state().name().to_owned())
                title=live::words(move || format!("State: {}", state().name()))
            ></span>
            <p class="status" role="status">{words}</p>
        </div>
        <Details connection now on_try on_take_over />
        <Subscriptions connection change />
    }
}

#[component]
fn Details(
    connection: RwSignal<Connection>,
    now: RwSignal<Instant>,
    on_try: impl Fn() + Copy + Send + Sync + 'static,
    on_take_over: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let is_elsewhere = Memo::new(move |_| connection.with(|connection| connection.can_take_over));
    // Apart from the words, which change every second: a button that is made
    // anew loses its focus.
    let is_waiting = Memo::new(move |_| connection.with(|connection| connection.retry_at.is_some()));
    let retry = Memo::new(move |_| {
        let due = connection.with(|connection| connection.retry_at)?;
        let left_s = due.since(now.get()).as_micros().div_ceil(1_000_000);
        Some(if left_s == 0 { "Trying again now.".to_owned() } else { format!("Trying again in {left_s} s.") })
    });
    let advice = Memo::new(move |_| connection.with(|connection| connection.advice.clone()));
    let evidence = Memo::new(move |_| connection.with(|connection| connection.evidence.clone()));
    let notice = Memo::new(move |_| connection.with(|connection| connection.notice.clone()));
    view! {
        <div class="status-details">
            {move || {
                is_elsewhere
                    .get()
                    .then(|| {
                        view! {
                            <button type="button" class="button" on:click=move |_| on_take_over()>
                                "Take over"
                            </button>
                        }
                    })
            }}
            {move || {
                is_waiting
                    .get()
                    .then(|| {
                        view! {
                            <div class="retry">
                                <p>{live::words(move || retry.get().unwrap_or_default())}</p>
                                <button type="button" class="button" on:click=move |_| on_try()>
                                    "Try now"
                                </button>
                            </div>
                        }
                    })
            }}
            {move || {
                let advice = advice.get();
                (!advice.is_empty())
                    .then(|| {
                        view! {
                            <div class="advice">
                                <p>"What to try, likeliest first:"</p>
                                <ol>
                                    {advice
                                        .into_iter()
                                        .map(|Advice { words, link }| {
                                            let link = link
                                                .map(|link| {
                                                    let href = link.clone();
                                                    view! {
                                                        " "
                                                        <a href=href target="_blank" rel="noopener noreferrer">
                                                            {link}
                                                        </a>
                                                    }
                                                });
                                            view! { <li>{words}{link}</li> }
                                        })
                                        .collect_view()}
                                </ol>
                            </div>
                        }
                    })
            }}
            {move || {
                let evidence = evidence.get();
                // Where the broker broke a rule, its bytes are the point.
                let at_fault = connection.with(|connection| connection.shows_fault_of_broker());
                (!evidence.is_empty())
                    .then(|| {
                        view! {
                            <details class="evidence" open=at_fault>
                                <summary>"What this is concluded from"</summary>
                                <dl>
                                    {evidence
                                        .into_iter()
                                        .map(|Evidence { name, value }| view! { <dt>{name}</dt><dd>{value}</dd> })
                                        .collect_view()}
                                </dl>
                            </details>
                        }
                    })
            }}
            {move || notice.get().map(|words| view! { <p class="notice">{words}</p> })}
        </div>
    }
}

/// What is subscribed to, and the way to change it.
#[component]
fn Subscriptions(connection: RwSignal<Connection>, change: AnyView) -> impl IntoView {
    let is_online = Memo::new(move |_| connection.with(|connection| connection.state == State::Connected));
    let list = Memo::new(move |_| connection.with(|connection| connection.subscriptions.clone()));
    let entry = |subscription: Subscription| {
        let (kind, words) = granted_words(&subscription.granted);
        view! {
            <li class=kind data-subscription=subscription.colour>
                <bdi>{subscription.filter}</bdi>
                <span>{words}</span>
            </li>
        }
    };
    view! {
        <div class="subscriptions" hidden=move || !is_online.get()>
            <ul aria-label="Subscriptions">{move || list.get().into_iter().map(entry).collect_view()}</ul>
            // Apart from the list, so that it keeps the focus when that changes.
            {change}
        </div>
    }
}

fn granted_words(granted: &Granted) -> (&'static str, String) {
    match granted {
        Granted::Asked => ("asked", "asked for".to_owned()),
        Granted::QoS(qos) => ("granted", format!("QoS {}", *qos as u8)),
        Granted::Refused(words) => ("refused", format!("refused: {words}")),
        Granted::Ending => ("asked", "ending".to_owned()),
    }
}

/// The numbers of the contract. received = kept + evicted + cleared, always
/// on the screen.
#[component]
pub(super) fn Numbers(stats: RwSignal<Stats>, behind: RwSignal<u64>) -> impl IntoView {
    let number = |name: &'static str, title: &'static str, of: fn(&Stats) -> u64| {
        let value = Memo::new(move |_| stats.with(of));
        view! { <Number name title value /> }
    };
    let behind = Memo::new(move |_| behind.get());
    let kept_bytes = Memo::new(move |_| stats.with(|stats| stats.kept_bytes));
    view! {
        <dl class="numbers" aria-label="Numbers">
            {number("received", "Messages since the page loaded", |stats| stats.received)}
            {number("kept", "Messages in the log now", |stats| stats.kept)}
            {number("evicted", "Oldest messages that made room for newer ones", |stats| stats.evicted)}
            {number("cleared", "Messages that were cleared away by hand", |stats| stats.cleared)}
            {number("matching", "Kept messages that the filter lets through", |stats| stats.matching)}
            <Number name="behind" title="Crawl lines waiting" value=behind />
            {number("reconnects", "Connections made again after one was lost", |stats| stats.reconnects)}
            <div class="number" title="Payloads and topics in the log now">
                <dt>"log"</dt>
                <dd>{live::words(move || size(kept_bytes.get()))}</dd>
            </div>
        </dl>
    }
}

#[component]
fn Number(name: &'static str, title: &'static str, value: Memo<u64>) -> impl IntoView {
    view! {
        <div class="number" title=title>
            <dt>{name}</dt>
            <dd data-stat=name data-value=live::words(move || value.get().to_string())>
                {live::words(move || grouped(value.get()))}
            </dd>
        </div>
    }
}
