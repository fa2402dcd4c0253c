//! "Edit subscriptions": the subscriptions, with the broker's answer to each. They are added, changed
//! and ended while connected.

use leptos::prelude::*;

use super::context::PanelContext;
use super::dialog::{PanelDialog, is_open, open_non_modal};
use super::fields::{Choice, Form, QOS, SubscriptionOptionInputs, TextBox, recreated};
use super::panel::{Panel, UpdatePace};
use crate::format::grouped;
use crate::format::visible_topic;
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use crate::protocol::command::{PanelCommand, PanelsRequest};
use crate::protocol::panels::{PanelAction, ToPage};
use crate::protocol::subscription::SubscribeRequest;
use crate::protocol::subscription::{CountSource, MessageCount, SubscriptionStatus, SubscriptionsView};
use crate::protocol::update::PanelsUpdate;
use crate::ui::forms::subscription::{Field, Fields, OptionFields};
use crate::web::window_bus;

type SubscriptionForm = Form<Fields, Field>;

/// What is shown of the subscriptions, and the typed values.
#[derive(Clone, Copy)]
pub(super) struct Subscriptions {
    context: PanelContext,
    dialog: NodeRef<leptos::html::Dialog>,
    view: RwSignal<SubscriptionsView>,
    form: SubscriptionForm,
    /// Counts how often the form was filled again, for its inputs then have to be created again.
    filled: RwSignal<u32>,
}

impl Subscriptions {
    pub(super) fn new(context: PanelContext) -> Self {
        Self {
            context,
            dialog: NodeRef::new(),
            view: RwSignal::default(),
            form: Form::new(Fields::default(), &[]),
            filled: RwSignal::default(),
        }
    }

    fn fill(self, fields: Fields) {
        self.form.fill(fields, &[]);
        self.filled.update(|filled| *filled += 1);
    }
}

impl Panel for Subscriptions {
    fn view(&self) -> AnyView {
        let subscriptions = *self;
        view! { <SubscriptionsPanel subscriptions /> }.into_any()
    }

    fn handle_action(&self, action: PanelAction) {
        if action == PanelAction::Subscriptions {
            open_non_modal(self.dialog);
        }
    }

    fn request(&self, request: &mut PanelsRequest) {
        request.subscriptions = is_open(self.dialog);
    }

    fn handle_update(&self, update: &mut PanelsUpdate) {
        if let Some(view) = update.subscriptions.take() {
            self.view.set(view);
        }
    }

    fn on_worker_lost(&self) {
        self.view.set(SubscriptionsView::default());
    }

    fn pace(&self) -> UpdatePace {
        if is_open(self.dialog) { UpdatePace::Readable } else { UpdatePace::EveryFrame }
    }
}

#[component]
fn SubscriptionsPanel(subscriptions: Subscriptions) -> impl IntoView {
    let Subscriptions { context, dialog, view, form, filled } = subscriptions;
    let state = Memo::new(move |_| context.broker_status.with(|broker_status| broker_status.state));
    let unavailable_reason = move || {
        state
            .get()
            .is_away()
            .then_some("Not connected. Set topics in the connection form; edit them here once connected.")
    };
    let filters =
        Memo::new(move |_| view.with(|view| view.list.iter().map(|entry| entry.filter.clone()).collect::<Vec<_>>()));
    let is_known = move || form.with(|fields| filters.with(|filters| filters.contains(&fields.filter)));
    let submit = move || match form.typed().0.parse() {
        Ok(request) => {
            window_bus::send_to_page(&ToPage::Subscribed(request.filter.clone()));
            context.send(&PanelCommand::Subscribe(request));
            subscriptions.fill(Fields::default());
        }
        Err(faults) => form.set_errors(faults),
    };
    let inputs = recreated(move || filled.get(), move || view! { <SubscriptionInputs context form /> });
    view! {
        <PanelDialog dialog id="subscriptions-title" title="Edit subscriptions">
            <div class="panel-body">
                <section class="subscribed">
                    <ul aria-label="Subscribed to">
                        <For each=move || filters.get() key=Clone::clone let:filter>
                            <Entry subscriptions filter />
                        </For>
                    </ul>
                    <p class="why" hidden=move || filters.with(Vec::is_empty)>
                        "Counts start when you subscribe. Without subscription identifiers a message counts for every \
                         matching filter."
                    </p>
                    <p class="why" hidden=move || filters.with(|filters| !filters.is_empty())>
                        "No subscriptions."
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
                    <h3>{move || if is_known() { "Edit subscription" } else { "Add subscription" }}</h3>
                    {inputs}
                    <div class="panel-foot">
                        <button
                            type="submit"
                            class="button primary"
                            aria-describedby="subscribe-why"
                            disabled=move || unavailable_reason().is_some()
                        >
                            {move || if is_known() { "Update" } else { "Subscribe" }}
                        </button>
                        <p class="why" id="subscribe-why">{unavailable_reason}</p>
                    </div>
                </form>
            </div>
        </PanelDialog>
    }
}

/// One subscription, by its filter: what is known of it may change.
#[component]
fn Entry(subscriptions: Subscriptions, filter: String) -> impl IntoView {
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
    let granted = move || entry.with(|entry| entry.as_ref().map(|entry| status_text(&entry.granted)));
    let details = move || {
        let granted = entry.with(|entry| entry.as_ref().map(|entry| entry.granted.clone()));
        request.with(|request| request.as_ref().map(|request| details(request, granted.as_ref())))
    };
    let is_ending =
        move || entry.with(|entry| entry.as_ref().is_none_or(|entry| entry.granted == SubscriptionStatus::Ending));
    let change = move |_| {
        if let Some(entry) = request.get_untracked() {
            subscriptions.fill(Fields::from(&entry));
        }
    };
    let removed = filter.clone();
    let remove = move |_| {
        window_bus::send_to_page(&ToPage::Unsubscribed(removed.clone()));
        subscriptions.context.send(&PanelCommand::Unsubscribe(removed.clone()));
    };
    view! {
        <li class=move || granted().map(|(kind, _)| kind) data-subscription=colour>
            <span class="swatch" aria-hidden="true">{move || colour().map(|colour| colour + 1)}</span>
            <div>
                <bdi>{visible_topic(&filter)}</bdi>
                <p class="granted-text">{move || granted().map(|(_, text)| text)}</p>
                <p class="count" title=move || count.get().map(count_source)>{move || count.get().map(count_text)}</p>
                <p class="why">{details}</p>
            </div>
            <button
                type="button"
                class="button quiet"
                aria-label=format!("Edit {filter}")
                disabled=is_ending
                on:click=change
            >
                "Edit"
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

fn status_text(granted: &SubscriptionStatus) -> (&'static str, String) {
    match granted {
        SubscriptionStatus::Asked => ("asked", "Subscribing…".to_owned()),
        SubscriptionStatus::QoS(qos) => ("granted", format!("QoS {qos}")),
        SubscriptionStatus::Refused(text) => ("refused", format!("Refused: {text}")),
        SubscriptionStatus::Ending => ("asked", "Unsubscribing…".to_owned()),
    }
}

/// Returns how many messages arrived by it.
fn count_text(count: MessageCount) -> String {
    let least = if count.is_least { "At least " } else { "" };
    let messages = match count.messages {
        1 => "1 message".to_owned(),
        messages => format!("{} messages", grouped(messages)),
    };
    format!("{least}{messages}")
}

/// Returns how they are counted.
const fn count_source(count: MessageCount) -> &'static str {
    match count.by {
        CountSource::Topic => "Counted by topic",
        CountSource::Identifier => "Counted by subscription identifier",
    }
}

/// Returns how it differs from a plain subscription, and from what was requested.
fn details(request: &SubscribeRequest, granted: Option<&SubscriptionStatus>) -> String {
    let SubscriptionOptions { qos, no_local, retain_as_published, retain_handling } = request.options;
    let mut text = Vec::new();
    if granted != Some(&SubscriptionStatus::QoS(qos)) {
        text.push(format!("requested QoS {qos}"));
    }
    if no_local {
        text.push("no local".to_owned());
    }
    if retain_as_published {
        text.push("retain as published".to_owned());
    }
    match retain_handling {
        RetainHandling::Send => {}
        RetainHandling::SendIfNew => text.push("retained messages for new subscriptions only".to_owned()),
        RetainHandling::DontSend => text.push("no retained messages".to_owned()),
    }
    if let Some(identifier) = request.identifier {
        text.push(format!("identifier {identifier}"));
    }
    text.join(", ")
}

/// The subscription to request: a filter, and its options.
#[component]
fn SubscriptionInputs(context: PanelContext, form: SubscriptionForm) -> impl IntoView {
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
                label="Maximum QoS"
                choices=QOS.map(|(_, name, text)| (name, text)).to_vec()
                chosen=Signal::derive(qos)
                choose=move |name| {
                    if let Some((qos, ..)) = QOS.into_iter().find(|(_, other, _)| *other == name) {
                        form.change(Field::Options, |fields| fields.qos = qos);
                    }
                }
            />
        </div>
        <details class="more" open=form.typed().0.options != OptionFields::default()>
            <summary>"MQTT 5.0 options"</summary>
            <div class="fields">
                <SubscriptionOptionInputs
                    broker_status=context.broker_status
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
