//! The fields of the panels' forms: each with its label, its error, and the reason if it can't be
//! used.

use leptos::prelude::*;
use web_sys::Event;

use crate::mqtt::packet::{QoS, RetainHandling, UserProperties};
use crate::protocol::connection::BrokerStatus;
use crate::ui::broker_capabilities::{Capability, unavailable_reason};
use crate::ui::forms::field::FieldError;
use crate::ui::forms::message;
use crate::ui::forms::message::{MessageFields, PayloadInput, PayloadNotation};
use crate::ui::forms::subscription::OptionFields;

/// A form: the typed values and what is wrong with them.
pub(super) struct Form<F: 'static, K: 'static> {
    fields: RwSignal<F>,
    faults: RwSignal<Vec<FieldError<K>>>,
    rows: RwSignal<Vec<Row>>,
    row_key: StoredValue<usize>,
}

impl<F, K> Clone for Form<F, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, K> Copy for Form<F, K> {}

/// A user property; the key lets it keep its focus when another one is removed.
#[derive(Clone, Copy)]
struct Row {
    key: usize,
    name: RwSignal<String>,
    value: RwSignal<String>,
}

impl<F: Clone + Send + Sync, K: Copy + PartialEq + Send + Sync> Form<F, K> {
    pub(super) fn new(fields: F, user_properties: &[(String, String)]) -> Self {
        let form = Self {
            fields: RwSignal::new(fields.clone()),
            faults: RwSignal::new(Vec::new()),
            rows: RwSignal::new(Vec::new()),
            row_key: StoredValue::new(0),
        };
        form.fill(fields, user_properties);
        form
    }

    /// Fills the form again. Inputs keep the value they were created with, so they have to be
    /// created again as well.
    pub(super) fn fill(self, fields: F, user_properties: &[(String, String)]) {
        self.fields.set(fields);
        self.faults.set(Vec::new());
        self.rows.set(Vec::new());
        for (name, value) in user_properties {
            self.add_row(name, value);
        }
    }

    pub(super) fn with<T>(self, read: impl FnOnce(&F) -> T) -> T {
        self.fields.with(read)
    }

    /// Returns the typed values, to be checked now.
    pub(super) fn typed(self) -> (F, UserProperties) {
        let rows = self.rows.with_untracked(|rows| {
            rows.iter().map(|row| (row.name.get_untracked(), row.value.get_untracked())).collect()
        });
        (self.fields.get_untracked(), rows)
    }

    pub(super) fn set_errors(self, faults: Vec<FieldError<K>>) {
        self.faults.set(faults);
    }

    pub(super) fn error_count(self) -> usize {
        self.faults.with(Vec::len)
    }

    /// Applies a change. The error of a field that is being changed is cleared until the field is
    /// checked again.
    pub(super) fn change(self, field: K, change: impl FnOnce(&mut F)) {
        self.fields.update(change);
        self.clear_error(|other| *other == field);
    }

    fn clear_error(self, is_meant: impl Fn(&K) -> bool) {
        if self.faults.with_untracked(|faults| faults.iter().any(|fault| is_meant(&fault.field))) {
            self.faults.update(|faults| faults.retain(|fault| !is_meant(&fault.field)));
        }
    }

    /// Returns what is wrong with a field.
    pub(super) fn fault(self, field: K) -> Option<String> {
        self.faults.with(|faults| {
            let text: Vec<_> =
                faults.iter().filter(|fault| fault.field == field).map(|fault| fault.message.as_str()).collect();
            (!text.is_empty()).then(|| text.join(" "))
        })
    }

    fn add_row(self, name: &str, value: &str) {
        // Never used twice: a row with the same key would keep the old text.
        let key = self.row_key.get_value();
        self.row_key.set_value(key + 1);
        let row = Row { key, name: RwSignal::new(name.to_owned()), value: RwSignal::new(value.to_owned()) };
        self.rows.update(|rows| rows.push(row));
    }
}

/// Returns what a form shows next to its button if this many fields have errors.
pub(super) fn error_summary(errors: usize) -> Option<String> {
    match errors {
        0 => None,
        1 => Some("Please fix the highlighted field.".to_owned()),
        count => Some(format!("Please fix the {count} highlighted fields.")),
    }
}

/// Why a field can't be used; empty if it can.
pub(super) type UnavailableReason = Signal<Option<String>>;

/// Returns no reason.
pub(super) fn none() -> UnavailableReason {
    Signal::stored(None)
}

pub(super) fn disabled_reason(broker_status: RwSignal<BrokerStatus>, capability: Capability) -> UnavailableReason {
    Signal::derive(move || broker_status.with(|broker_status| unavailable_reason(broker_status, capability)))
}

/// A text box.
#[component]
pub(super) fn TextBox<F, K>(
    form: Form<F, K>,
    field: K,
    /// Returns its text.
    of: fn(&mut F) -> &mut String,
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    #[prop(default = "")] hint: &'static str,
    #[prop(default = "")] placeholder: &'static str,
    #[prop(default = "text")] inputmode: &'static str,
    #[prop(default = none())] unavailable_reason: UnavailableReason,
    #[prop(default = false)] autofocus: bool,
    /// The number of rows; with more than one it accepts line breaks.
    #[prop(default = 1)]
    rows: u32,
) -> impl IntoView
where
    F: Clone + Send + Sync + 'static,
    K: Copy + PartialEq + Send + Sync + 'static,
{
    let fault = move || form.fault(field);
    let (fault_id, why_id) = (format!("{id}-fault"), format!("{id}-why"));
    let described_by = format!("{fault_id} {why_id}");
    let initial = of(&mut form.typed().0).clone();
    let change = move |event: Event| {
        let text = event_target_value(&event);
        form.change(field, |fields| *of(fields) = text);
    };
    let is_off = move || unavailable_reason.with(Option::is_some);
    let is_wrong = move || fault().map(|_| "true");
    let input = if rows == 1 {
        view! {
            <input
                id=id.clone()
                type="text"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                inputmode=inputmode
                placeholder=placeholder
                autofocus=autofocus
                value=initial
                disabled=is_off
                aria-invalid=is_wrong
                aria-describedby=described_by
                on:input=change
            />
        }
        .into_any()
    } else {
        view! {
            <textarea
                id=id.clone()
                class="prose"
                rows=rows
                placeholder=placeholder
                prop:value=initial
                disabled=is_off
                aria-invalid=is_wrong
                aria-describedby=described_by
                on:input=change
            ></textarea>
        }
        .into_any()
    };
    view! {
        <div class="field" class:wide=rows != 1>
            <label for=id>{label}</label>
            {input}
            <p class="fault" id=fault_id>{fault}</p>
            <p class="why" id=why_id>{move || unavailable_reason.get().unwrap_or_else(|| hint.to_owned())}</p>
        </div>
    }
}

/// Bytes: a large text box, and a choice of the notation they are written in.
#[component]
pub(super) fn BytesBox<F, K>(
    form: Form<F, K>,
    field: K,
    of: fn(&mut F) -> &mut PayloadInput,
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    #[prop(default = 3)] rows: u32,
) -> impl IntoView
where
    F: Clone + Send + Sync + 'static,
    K: Copy + PartialEq + Send + Sync + 'static,
{
    let fault = move || form.fault(field);
    let (fault_id, notation_id) = (format!("{id}-fault"), format!("{id}-notation"));
    let initial = of(&mut form.typed().0).clone();
    let notation_label = format!("{label}: format");
    view! {
        <div class="field wide">
            <div class="field-head">
                <label for=id.clone()>{label}</label>
                <select
                    id=notation_id
                    class="notation"
                    aria-label=notation_label
                    on:change=move |event| {
                        if let Some(notation) = PayloadNotation::from_name(&event_target_value(&event)) {
                            form.change(field, |fields| of(fields).notation = notation);
                        }
                    }
                >
                    {PayloadNotation::ALL
                        .into_iter()
                        .map(|notation| {
                            let selected = notation == initial.notation;
                            view! { <option value=notation.name() selected=selected>{notation.name()}</option> }
                        })
                        .collect_view()}
                </select>
            </div>
            <textarea
                id=id
                rows=rows
                prop:value=initial.text.clone()
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-invalid=move || fault().map(|_| "true")
                aria-describedby=fault_id.clone()
                on:input=move |event: Event| {
                    let text = event_target_value(&event);
                    form.change(field, |fields| of(fields).text = text);
                }
            ></textarea>
            <p class="fault" id=fault_id>{fault}</p>
        </div>
    }
}

/// A checkbox.
#[component]
pub(super) fn Tick(
    #[prop(into)] id: String,
    #[prop(into)] label: String,
    #[prop(into)] ticked: Signal<bool>,
    on_tick: impl Fn(bool) + 'static,
    #[prop(default = "")] hint: &'static str,
    #[prop(default = none())] unavailable_reason: UnavailableReason,
) -> impl IntoView {
    let why_id = format!("{id}-why");
    view! {
        <div class="tick">
            <input
                id=id.clone()
                type="checkbox"
                prop:checked=ticked
                disabled=move || unavailable_reason.with(Option::is_some)
                aria-describedby=why_id.clone()
                on:change=move |event| on_tick(event_target_checked(&event))
            />
            <label for=id>{label}</label>
            <p class="why" id=why_id>{move || unavailable_reason.get().unwrap_or_else(|| hint.to_owned())}</p>
        </div>
    }
}

/// Inputs that are created again with each age; what was typed into the old ones is lost.
pub(super) fn recreated<V: IntoView + 'static>(
    age: impl Fn() -> u32 + Send + Sync + 'static,
    inputs: impl Fn() -> V + Clone + Send + Sync + 'static,
) -> impl IntoView {
    view! { <For each=move || [age()] key=|age| *age children=move |_| inputs() /> }
}

/// A list of choices, by their names, of which one is selected.
#[component]
pub(super) fn Choice(
    #[prop(into)] id: String,
    label: &'static str,
    /// Names and labels.
    choices: Vec<(&'static str, &'static str)>,
    #[prop(into)] chosen: Signal<&'static str>,
    choose: impl Fn(&str) + 'static,
    #[prop(default = none())] unavailable_reason: UnavailableReason,
) -> impl IntoView {
    let why_id = format!("{id}-why");
    let option = move |(name, text): (&'static str, &'static str)| {
        view! { <option value=name prop:selected=move || chosen.get() == name>{text}</option> }
    };
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select
                id=id
                aria-describedby=why_id.clone()
                disabled=move || unavailable_reason.with(Option::is_some)
                on:change=move |event| choose(&event_target_value(&event))
            >
                {choices.into_iter().map(option).collect_view()}
            </select>
            <p class="why" id=why_id>{unavailable_reason}</p>
        </div>
    }
}

/// When retained messages are sent: names and labels.
pub(super) const RETAINED: [(RetainHandling, &str, &str); 3] = [
    (RetainHandling::Send, "always", "Always"),
    (RetainHandling::SendIfNew, "new", "New subscriptions only"),
    (RetainHandling::DontSend, "never", "Never"),
];

/// The options of a topic filter in MQTT 5.0, other than QoS.
#[component]
pub(super) fn SubscriptionOptionInputs<F, K>(
    broker_status: RwSignal<BrokerStatus>,
    form: Form<F, K>,
    /// The field for everything that is only chosen.
    options: K,
    identifier: K,
    of: fn(&mut F) -> &mut OptionFields,
    identifier_of: fn(&mut F) -> &mut String,
    /// Prefix of the elements' identifiers.
    prefix: &'static str,
) -> impl IntoView
where
    F: Clone + Send + Sync + 'static,
    K: Copy + PartialEq + Send + Sync + 'static,
{
    let only_in_5 = disabled_reason(broker_status, Capability::Properties);
    let identifiers = disabled_reason(broker_status, Capability::SubscriptionIdentifiers);
    let chosen = Memo::new(move |_| form.with(|fields| of(&mut fields.clone()).clone()));
    let change = move |act: &dyn Fn(&mut OptionFields)| form.change(options, |fields| act(of(fields)));
    let handling = move || {
        let chosen = chosen.with(|chosen| chosen.retain_handling);
        RETAINED.into_iter().find(|(handling, ..)| *handling == chosen).map_or("", |(_, name, _)| name)
    };
    view! {
        <Choice
            id=format!("{prefix}-retained")
            label="Retained messages"
            choices=RETAINED.map(|(_, name, text)| (name, text)).to_vec()
            chosen=Signal::derive(handling)
            choose=move |name| {
                if let Some((handling, ..)) = RETAINED.into_iter().find(|(_, other, _)| *other == name) {
                    change(&|options| options.retain_handling = handling);
                }
            }
            unavailable_reason=only_in_5
        />
        <TextBox
            form
            field=identifier
            of=identifier_of
            id=format!("{prefix}-identifier")
            label="Subscription identifier"
            hint="Returned with each matching message."
            placeholder="optional"
            inputmode="numeric"
            unavailable_reason=identifiers
        />
        <Tick
            id=format!("{prefix}-no-local")
            label="No local"
            hint="Don't receive messages published by this page."
            ticked=Signal::derive(move || chosen.with(|chosen| chosen.no_local))
            on_tick=move |ticked| change(&|options| options.no_local = ticked)
            unavailable_reason=only_in_5
        />
        <Tick
            id=format!("{prefix}-as-published")
            label="Retain as published"
            hint="Keep the original retain flag."
            ticked=Signal::derive(move || chosen.with(|chosen| chosen.retain_as_published))
            on_tick=move |ticked| change(&|options| options.retain_as_published = ticked)
            unavailable_reason=only_in_5
        />
    }
}

/// User properties: rows of a name and a value.
#[component]
pub(super) fn PropertyRows<F, K>(
    form: Form<F, K>,
    /// Returns the field of the row at an index.
    field: fn(usize) -> K,
    #[prop(into)] id: String,
) -> impl IntoView
where
    F: Clone + Send + Sync + 'static,
    K: Copy + PartialEq + Send + Sync + 'static,
{
    let row_view = move |row: Row| {
        let index = move || form.rows.with(|rows| rows.iter().position(|other| other.key == row.key).unwrap_or(0));
        let fault = move || form.fault(field(index()));
        let fault_id = format!("{id}-{}-fault", row.key);
        let part = |name: &'static str, text: RwSignal<String>| {
            view! {
                <input
                    type="text"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    placeholder=name
                    value=text.get_untracked()
                    aria-label=move || format!("User property {}: {name}", index() + 1)
                    aria-invalid=move || fault().map(|_| "true")
                    aria-describedby=fault_id.clone()
                    on:input=move |event: Event| {
                        text.set(event_target_value(&event));
                        form.clear_error(|other| *other == field(index()));
                    }
                />
            }
        };
        let (name, value) = (part("name", row.name), part("value", row.value));
        view! {
            <li class="field">
                <div class="joined">
                    {name} {value}
                    <button
                        type="button"
                        class="button icon"
                        aria-label=move || format!("Remove user property {}", index() + 1)
                        on:click=move |_| {
                            // The places after it change, and the errors with them.
                            let count = form.rows.with_untracked(Vec::len);
                            form.clear_error(|other| (0..count).any(|index| *other == field(index)));
                            form.rows.update(|rows| rows.retain(|other| other.key != row.key));
                        }
                    >
                        "×"
                    </button>
                </div>
                <p class="fault" id=fault_id.clone()>{fault}</p>
            </li>
        }
    };
    view! {
        <div class="wide">
            <ul class="property-rows" aria-label="User properties">
                <For each=move || form.rows.get() key=|row| row.key children=row_view />
            </ul>
            <button type="button" class="button quiet add" on:click=move |_| form.add_row("", "")>
                "Add user property"
            </button>
        </div>
    }
}

/// A message: for publishing, or as a will.
#[component]
pub(super) fn MessageInputs(
    form: Form<MessageFields, message::Field>,
    broker_status: RwSignal<BrokerStatus>,
    /// Prefix of the elements' identifiers.
    prefix: &'static str,
    /// The noun for it in sentences.
    noun: &'static str,
    /// Whether its topic has the focus when the dialog opens.
    #[prop(default = false)]
    autofocus: bool,
) -> impl IntoView {
    use message::Field;
    let retain = disabled_reason(broker_status, Capability::Retain);
    let id = |name: &str| format!("{prefix}-{name}");
    view! {
        <div class="fields">
            <TextBox
                form
                field=Field::Topic
                of=|fields| &mut fields.topic
                id=id("topic")
                label=format!("{noun} topic")
                autofocus=autofocus
            />
            <QoSChoice form broker_status id=id("qos") label=format!("{noun} QoS") />
            <BytesBox
                form
                field=Field::Payload
                of=|fields| &mut fields.payload
                id=id("payload")
                label=format!("{noun} payload")
                rows=4
            />
            <Tick
                id=id("retain")
                label=format!("Retain {}", noun.to_lowercase())
                hint="The broker stores it for future subscribers."
                ticked=Signal::derive(move || form.with(|fields| fields.retain))
                on_tick=move |ticked| form.change(Field::Topic, |fields| fields.retain = ticked)
                unavailable_reason=retain
            />
        </div>
        <MessagePropertyInputs form broker_status prefix noun />
    }
}

/// The properties of a message in MQTT 5.0.
#[component]
fn MessagePropertyInputs(
    form: Form<MessageFields, message::Field>,
    broker_status: RwSignal<BrokerStatus>,
    prefix: &'static str,
    noun: &'static str,
) -> impl IntoView {
    use message::Field;
    let properties = disabled_reason(broker_status, Capability::Properties);
    let id = |name: &str| format!("{prefix}-{name}");
    view! {
        <details class="more">
            <summary>"MQTT 5.0 properties"</summary>
            <fieldset disabled=move || properties.with(Option::is_some)>
                <legend class="why">{move || properties.get()}</legend>
                <div class="fields">
                    <TextBox
                        form
                        field=Field::ContentType
                        of=|fields| &mut fields.content_type
                        id=id("content-type")
                        label=format!("{noun} content type")
                        placeholder="text/plain"
                    />
                    <TextBox
                        form
                        field=Field::MessageExpiry
                        of=|fields| &mut fields.message_expiry_s
                        id=id("expiry")
                        label=format!("{noun} expiry (s)")
                        placeholder="never"
                        inputmode="numeric"
                    />
                    <TextBox
                        form
                        field=Field::ResponseTopic
                        of=|fields| &mut fields.response_topic
                        id=id("response-topic")
                        label=format!("{noun} response topic")
                    />
                    <BytesBox
                        form
                        field=Field::CorrelationData
                        of=|fields| &mut fields.correlation_data
                        id=id("correlation")
                        label=format!("{noun} correlation data")
                        rows=1
                    />
                    <Tick
                        id=id("utf8")
                        label="Payload is UTF-8 text"
                        hint="Sets the payload format indicator."
                        ticked=Signal::derive(move || form.with(|fields| fields.payload_is_utf8))
                        on_tick=move |ticked| form.change(Field::Payload, |fields| fields.payload_is_utf8 = ticked)
                    />
                    <PropertyRows form field=Field::UserProperty id=id("property") />
                </div>
            </fieldset>
        </details>
    }
}

/// Qualities of service: names and labels.
pub(super) const QOS: [(QoS, &str, &str); 3] = [
    (QoS::AtMostOnce, "0", "0: at most once"),
    (QoS::AtLeastOnce, "1", "1: at least once"),
    (QoS::ExactlyOnce, "2", "2: exactly once"),
];

/// The quality of service of a message, as far as the broker supports it.
#[component]
fn QoSChoice(
    form: Form<MessageFields, message::Field>,
    broker_status: RwSignal<BrokerStatus>,
    id: String,
    label: String,
) -> impl IntoView {
    let why_id = format!("{id}-why");
    let unavailable_reason = disabled_reason(broker_status, Capability::QoS(QoS::ExactlyOnce));
    let initial = form.typed().0.qos;
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select
                id=id
                aria-describedby=why_id.clone()
                on:change=move |event| {
                    let level = event_target_value(&event).parse().ok();
                    let qos = level.and_then(QoS::from_u8).unwrap_or_default();
                    form.change(message::Field::Topic, |fields| fields.qos = qos);
                }
            >
                {QOS
                    .into_iter()
                    .map(|(qos, _, text)| {
                        let unavailable_reason = disabled_reason(broker_status, Capability::QoS(qos));
                        view! {
                            <option
                                value=(qos as u8).to_string()
                                selected=qos == initial
                                disabled=move || unavailable_reason.with(Option::is_some)>
                                {text}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
            <p class="why" id=why_id>{unavailable_reason}</p>
        </div>
    }
}
