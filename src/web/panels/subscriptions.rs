//! "Subscriptions": the subscriptions, with the broker's answer to each. They are added, changed
//! and ended while connected.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;

use super::fields::{Choice, Form, QOS, SubscriptionOptionInputs, TextBox, anew};
use super::{Panels, close, head};
use crate::format::grouped;
use crate::format::visible_topic;
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use crate::protocol::command::PanelCommand;
use crate::protocol::connection::ConnectionState;
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::subscription::{CountSource, MessageCount, SubscriptionStatus, SubscriptionsView};
use crate::ui::forms::subscription::{Field, Fields, OptionFields};
use crate::web::window_bus;

type WishForm = Form<Fields, Field>;

/// What is shown of the subscriptions, and the typed values.
#[derive(Clone, Copy)]
pub(super) struct Subscriptions {
    pub(super) dialog: NodeRef<leptos::html::Dialog>,
    view: RwSignal<SubscriptionsView>,
    form: WishForm,
    /// Counts how often the form was filled again, for its inputs then have to be created again.
    filled: RwSignal<u32>,
}

impl Subscriptions {
    pub(super) fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            view: RwSignal::default(),
            form: Form::new(Fields::default(), &[]),
            filled: RwSignal::default(),
        }
    }

    pub(super) fn take(self, view: SubscriptionsView) {
        self.view.set(view);
    }

    /// Handles the loss of the worker, and of the connection with it.
    pub(super) fn on_worker_lost(self) {
        self.view.set(SubscriptionsView::default());
    }

    fn fill(self, fields: Fields) {
        self.form.fill(fields, &[]);
        self.filled.update(|filled| *filled += 1);
    }
}

#[component]
pub(super) fn SubscriptionsPanel(panels: Panels) -> impl IntoView {
    let Subscriptions { dialog, view, form, filled } = panels.subscriptions;
    let on_key = move |event: KeyboardEvent| {
        // The dialog isn't modal, so the browser doesn't handle the key.
        if event.key() == "Escape" {
            close(dialog);
        }
    };
    let state = Memo::new(move |_| panels.standing.with(|standing| standing.state));
    let unavailable_reason = move || {
        matches!(state.get(), ConnectionState::Idle | ConnectionState::Stopped).then_some(
            "Nothing is connected. What the next connection asks for stands in the form: press Connect, and change it \
             here from then on.",
        )
    };
    let filters =
        Memo::new(move |_| view.with(|view| view.list.iter().map(|entry| entry.filter.clone()).collect::<Vec<_>>()));
    let is_known = move || form.with(|fields| filters.with(|filters| filters.contains(&fields.filter)));
    let submit = move || match form.typed().0.parse() {
        Ok(request) => {
            window_bus::send(window_bus::PAGE, &format!("{}{}", window_bus::SUBSCRIBED, request.filter).into());
            panels.send(&PanelCommand::Subscribe(request));
            panels.subscriptions.fill(Fields::default());
        }
        Err(faults) => form.set_errors(faults),
    };
    let inputs = anew(move || filled.get(), move || view! { <WishInputs panels form /> });
    view! {
        <dialog class="panel" node_ref=dialog aria-labelledby="subscriptions-title" on:keydown=on_key>
            {head("subscriptions-title", "Subscriptions", dialog)}
            <div class="panel-body">
                <section class="subscribed">
                    <ul aria-label="Subscribed to">
                        <For each=move || filters.get() key=Clone::clone let:filter>
                            <Entry panels filter />
                        </For>
                    </ul>
                    <p class="why" hidden=move || filters.with(Vec::is_empty)>
                        "The numbers begin when a subscription joins this list. Only an identifier tells by which of \
                         them a message came; without one, a message counts for every filter that matches its topic."
                    </p>
                    <p class="why" hidden=move || filters.with(|filters| !filters.is_empty())>
                        "Nothing is subscribed to, so no messages come."
                    </p>
                    <p role="status">{move || view.with(|view| view.answer.clone())}</p>
                </section>
                <form
                    novalidate
                    on:submit=move |event| {
                        event.prevent_default();
                        if unavailable_reason().is_none() {
                            submit();
                        }
                    }
                >
                    <h3>{move || if is_known() { "Change a subscription" } else { "Add a subscription" }}</h3>
                    {inputs}
                    <div class="panel-foot">
                        <button
                            type="submit"
                            class="button primary"
                            aria-describedby="subscribe-why"
                            disabled=move || unavailable_reason().is_some()
                        >
                            {move || if is_known() { "Change" } else { "Subscribe" }}
                        </button>
                        <p class="why" id="subscribe-why">{unavailable_reason}</p>
                    </div>
                </form>
            </div>
        </dialog>
    }
}

/// One subscription, by its filter: what is known of it may change.
#[component]
fn Entry(panels: Panels, filter: String) -> impl IntoView {
    let subscriptions = panels.subscriptions;
    let of_it = filter.clone();
    let entry = Memo::new(move |_| {
        subscriptions.view.with(|view| view.list.iter().find(|entry| entry.filter == of_it).cloned())
    });
    let of_it = filter.clone();
    let request = Memo::new(move |_| {
        subscriptions.view.with(|view| view.requests.iter().find(|request| request.filter == of_it).cloned())
    });
    let of_it = filter.clone();
    let count = Memo::new(move |_| {
        subscriptions.view.with(|view| {
            let place = view.list.iter().position(|entry| entry.filter == of_it)?;
            view.counts.get(place).copied()
        })
    });
    let colour = move || entry.with(|entry| entry.as_ref().map(|entry| entry.colour));
    let granted = move || entry.with(|entry| entry.as_ref().map(|entry| granted_words(&entry.granted)));
    let is_ending =
        move || entry.with(|entry| entry.as_ref().is_none_or(|entry| entry.granted == SubscriptionStatus::Ending));
    let change = move |_| {
        if let Some(entry) = request.get_untracked() {
            subscriptions.fill(Fields::from(&entry));
        }
    };
    let removed = filter.clone();
    let remove = move |_| {
        window_bus::send(window_bus::PAGE, &format!("{}{removed}", window_bus::UNSUBSCRIBED).into());
        panels.send(&PanelCommand::Unsubscribe(removed.clone()));
    };
    view! {
        <li class=move || granted().map(|(kind, _)| kind) data-subscription=colour>
            <span class="swatch" aria-hidden="true">{move || colour().map(|colour| colour + 1)}</span>
            <div>
                <bdi>{visible_topic(&filter)}</bdi>
                <p class="granted-words">{move || granted().map(|(_, words)| words)}</p>
                <p class="count">{move || count.get().map(count_words)}</p>
                <p class="why">{move || request.with(|request| request.as_ref().map(details))}</p>
            </div>
            <button
                type="button"
                class="button quiet"
                aria-label=format!("Change {filter}")
                disabled=is_ending
                on:click=change
            >
                "Change"
            </button>
            <button
                type="button"
                class="button quiet"
                aria-label=format!("Remove {filter}")
                disabled=is_ending
                on:click=remove
            >
                "Remove"
            </button>
        </li>
    }
}

fn granted_words(granted: &SubscriptionStatus) -> (&'static str, String) {
    match granted {
        SubscriptionStatus::Asked => ("asked", "Asked for; no answer yet".to_owned()),
        SubscriptionStatus::QoS(qos) => ("granted", format!("Granted with QoS {qos}")),
        SubscriptionStatus::Refused(words) => ("refused", format!("Refused: {words}")),
        SubscriptionStatus::Ending => ("asked", "Asked to end; no answer yet".to_owned()),
    }
}

/// Returns how many messages it brought, and what that number means.
fn count_words(count: MessageCount) -> String {
    let least = if count.is_least { "At least " } else { "" };
    let messages = match count.messages {
        1 => "1 message".to_owned(),
        messages => format!("{} messages", grouped(messages)),
    };
    let what = match count.by {
        CountSource::Topic => "on topics that it matches",
        CountSource::Identifier => "with its identifier",
    };
    format!("{least}{messages} {what}")
}

/// Returns how it differs from a plain subscription.
fn details(request: &SubscribeRequest) -> String {
    let SubscriptionOptions { qos, no_local, retain_as_published, retain_handling } = request.options;
    let mut words = vec![format!("asked for QoS {qos}")];
    if no_local {
        words.push("not what this page sends itself".to_owned());
    }
    if retain_as_published {
        words.push("retain as published".to_owned());
    }
    match retain_handling {
        RetainHandling::Send => {}
        RetainHandling::SendIfNew => words.push("retained messages only if it is new".to_owned()),
        RetainHandling::DontSend => words.push("no retained messages".to_owned()),
    }
    if let Some(identifier) = request.identifier {
        words.push(format!("identifier {identifier}"));
    }
    words.join(", ")
}

/// The subscription to request: a filter, and its options.
#[component]
fn WishInputs(panels: Panels, form: WishForm) -> impl IntoView {
    let qos = move || {
        let qos = form.with(|fields| fields.qos);
        QOS.into_iter().find(|(other, ..)| *other == qos).map_or("", |(_, name, _)| name)
    };
    view! {
        <div class="fields">
            <TextBox
                form
                field=Field::Filter
                of=|fields| &mut fields.filter
                id="subscribe-filter"
                label="Topic filter"
                placeholder="house/+/light"
                autofocus=true
            />
            <Choice
                id="subscribe-qos"
                label="Highest QoS"
                choices=QOS.map(|(_, name, words)| (name, words)).to_vec()
                chosen=Signal::derive(qos)
                choose=move |name| {
                    if let Some((qos, ..)) = QOS.into_iter().find(|(_, other, _)| *other == name) {
                        form.change(Field::Options, |fields| fields.qos = qos);
                    }
                }
            />
        </div>
        <details class="more" open=form.typed().0.options != OptionFields::default()>
            <summary>"Options of MQTT 5.0"</summary>
            <div class="fields">
                <SubscriptionOptionInputs
                    panels
                    form
                    options=Field::Options
                    identifier=Field::Identifier
                    of=|fields| &mut fields.options
                    identifier_of=|fields| &mut fields.options.identifier
                    prefix="subscribe"
                />
            </div>
        </details>
        <p class="fault" role="alert">{move || form.fault(Field::Options)}</p>
    }
}
