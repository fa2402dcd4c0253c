//! The connection form: fields, their faults beside them, and the way to and
//! from a link. What is right and wrong is decided by [`crate::link`].

use leptos::prelude::*;
use web_sys::Event;

use super::live::{self, Words};

use crate::broker_url::PageSecurity;
use crate::crawl::opening::Opening;
use crate::engine::command::{ConnectRequest, Secret};
use crate::engine::update::TokenNote;
use crate::link::{self, Fault, Field, Settings, View};
use crate::mqtt::packet::{QoS, Version};
use crate::presets::{self, PRESETS};

/// What is typed in, field by field.
#[derive(Clone, Copy)]
pub struct Form {
    broker: RwSignal<String>,
    topics: RwSignal<Vec<TopicField>>,
    topic_key: StoredValue<usize>,
    qos: RwSignal<QoS>,
    version: RwSignal<Option<Version>>,
    client_id: RwSignal<String>,
    user_name: RwSignal<String>,
    /// In memory only: never written to a link, a store or a log.
    password: RwSignal<String>,
    /// Chosen in the Director panel.
    pub opening: RwSignal<Opening>,
    preset: RwSignal<usize>,
    faults: RwSignal<Vec<Fault>>,
    page: StoredValue<PageFacts>,
    /// The client identifier goes into the link even where it is the random one.
    links_client_id: StoredValue<bool>,
}

/// What the form must know of its page.
#[derive(Clone, Debug)]
pub struct PageFacts {
    /// `location.origin`.
    pub origin: String,
    /// How the page came.
    pub security: PageSecurity,
    /// This tab's random client identifier.
    pub client_id: String,
}

/// A topic's text box; the key keeps its focus when another is removed.
#[derive(Clone, Copy)]
struct TopicField {
    key: usize,
    text: RwSignal<String>,
}

impl Form {
    /// A form that shows these settings.
    pub fn new(settings: &Settings, page: PageFacts) -> Self {
        let form = Self {
            broker: RwSignal::default(),
            topics: RwSignal::default(),
            topic_key: StoredValue::new(0),
            qos: RwSignal::default(),
            version: RwSignal::default(),
            client_id: RwSignal::default(),
            user_name: RwSignal::default(),
            password: RwSignal::default(),
            opening: RwSignal::default(),
            preset: RwSignal::new(0),
            faults: RwSignal::default(),
            page: StoredValue::new(page),
            links_client_id: StoredValue::new(false),
        };
        form.fill(settings);
        form
    }

    /// Shows these settings; the password stays.
    pub fn fill(&self, settings: &Settings) {
        let page = self.page.get_value();
        self.preset.set(presets::position_of(&settings.broker, &page.origin));
        self.broker.set(settings.broker.clone());
        self.topics.set(Vec::new());
        for topic in &settings.topics {
            self.add_topic(topic);
        }
        self.qos.set(settings.qos);
        self.version.set(settings.version);
        self.client_id.set(settings.client_id.clone().unwrap_or(page.client_id));
        self.user_name.set(settings.user_name.clone().unwrap_or_default());
        self.opening.set(settings.opening.clone());
        self.faults.set(Vec::new());
    }

    /// The settings as typed.
    pub fn settings(&self, view: View) -> Settings {
        let page = self.page.get_value();
        let unless = |text: String, standard: &str| Some(text).filter(|text| !text.is_empty() && text != standard);
        Settings {
            broker: self.broker.get_untracked(),
            topics: self
                .topics
                .with_untracked(|topics| topics.iter().map(|topic| topic.text.get_untracked()).collect()),
            qos: self.qos.get_untracked(),
            version: self.version.get_untracked(),
            client_id: unless(
                self.client_id.get_untracked(),
                if self.links_client_id.get_value() { "" } else { &page.client_id },
            ),
            user_name: unless(self.user_name.get_untracked(), ""),
            view,
            opening: self.opening.get_untracked(),
        }
    }

    /// What to connect with; where something is wrong the form says what.
    pub fn request(&self) -> Option<ConnectRequest> {
        let page = self.page.get_value();
        let password = self.password.get_untracked();
        match self.settings(View::default()).request(&password, &page.client_id, page.security) {
            Ok(request) => {
                self.faults.set(Vec::new());
                Some(request)
            }
            Err(faults) => {
                self.faults.set(faults);
                None
            }
        }
    }

    /// Shows what is wrong with a link.
    pub fn blame(&self, faults: Vec<Fault>) {
        self.faults.set(faults);
    }

    /// Whether something was found wrong and hasn't been changed since.
    pub fn has_faults(&self) -> bool {
        self.faults.with(|faults| !faults.is_empty())
    }

    /// Has the link hold the client identifier, though it be this page's random
    /// one; whether that is new.
    pub fn link_client_id(&self) -> bool {
        !self.links_client_id.try_update_value(|links| std::mem::replace(links, true)).unwrap_or(true)
    }

    /// What is in the password field.
    pub fn password(&self) -> Secret {
        Secret(self.password.get())
    }

    /// Whether a password is typed in.
    pub fn has_password(&self) -> bool {
        self.password.with_untracked(|password| !password.is_empty())
    }

    /// A topic filter is subscribed to: it stands among the topics.
    pub fn add_subscribed(&self, filter: &str) {
        let boxes = self.topics.get_untracked();
        let box_with = |text: &str| boxes.iter().find(|topic| topic.text.with_untracked(|typed| typed == text));
        if box_with(filter).is_some() {
            return;
        }
        match box_with("") {
            Some(empty) => empty.text.set(filter.to_owned()),
            None => self.add_topic(filter),
        }
    }

    /// A topic filter isn't subscribed to any more; one box always stays.
    pub fn remove_subscribed(&self, filter: &str) {
        self.topics.update(|topics| topics.retain(|topic| topic.text.with_untracked(|typed| typed != filter)));
        if self.topics.with_untracked(Vec::is_empty) {
            self.add_topic("");
        }
    }

    /// Whether there is a topic to connect with.
    pub fn has_topics(&self) -> bool {
        self.topics
            .with_untracked(|topics| topics.iter().any(|topic| topic.text.with_untracked(|text| !text.is_empty())))
    }

    fn add_topic(&self, text: &str) {
        // Never used twice: a row that is keyed alike would keep the old text.
        let key = self.topic_key.get_value();
        self.topic_key.set_value(key + 1);
        self.topics.update(|topics| topics.push(TopicField { key, text: RwSignal::new(text.to_owned()) }));
    }

    fn choose_preset(&self, index: usize) {
        let Some(preset) = PRESETS.get(index) else { return };
        self.preset.set(index);
        if let Some(broker) = preset.broker(&self.page.with_value(|page| page.origin.clone())) {
            self.broker.set(broker);
            self.version.set(preset.version);
            self.forgive(Field::Broker);
            self.forgive(Field::Protocol);
        }
        if let Some(qos) = preset.qos {
            self.qos.set(qos);
        }
    }

    fn type_into(&self, field: Field, value: RwSignal<String>, text: String) {
        match field {
            Field::Broker => {
                self.preset.set(presets::position_of(&text, &self.page.with_value(|page| page.origin.clone())));
            }
            // What was wrong may have been that it had no password, or one alone.
            Field::Password => self.forgive(Field::UserName),
            _ => {}
        }
        value.set(text);
        self.forgive(field);
    }

    /// A field that is being changed isn't wrong until it is looked at again.
    fn forgive(&self, field: Field) {
        if self.faults.with_untracked(|faults| faults.iter().any(|fault| fault.field == field)) {
            self.faults.update(|faults| faults.retain(|fault| fault.field != field));
        }
    }

    /// What is wrong with a field; nothing where all is well.
    fn fault(&self, field: Field) -> String {
        self.faults.with(|faults| {
            let words: Vec<_> =
                faults.iter().filter(|fault| fault.field == field).map(|fault| fault.words.as_str()).collect();
            words.join(" ")
        })
    }

    /// For `aria-invalid`.
    fn is_wrong(self, field: Field) -> Words {
        live::words(move || (!self.fault(field).is_empty()).to_string())
    }
}

/// A text box. A plain function over plain data: a component generic over a
/// closure would be compiled, and downloaded, once for each field.
#[derive(Clone, Copy)]
struct TextBox {
    field: Field,
    id: &'static str,
    label: &'static str,
    kind: &'static str,
    placeholder: &'static str,
    value: RwSignal<String>,
}

/// A text box with its label and what is wrong with it.
fn text_field(form: Form, text_box: TextBox) -> AnyView {
    let TextBox { field, id, label, kind, placeholder, value } = text_box;
    let fault = live::words(move || form.fault(field));
    let fault_id = format!("{id}-fault");
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                type=kind
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                placeholder=placeholder
                aria-invalid=form.is_wrong(field)
                aria-describedby=fault_id.clone()
                prop:value=value
                on:input=move |event: Event| form.type_into(field, value, event_target_value(&event))
            />
            <p class="fault" id=fault_id>{fault}</p>
        </div>
    }
    .into_any()
}

/// One topic filter. The first is "Topic" by contract.
#[component]
fn TopicRow(form: Form, topic: TopicField) -> impl IntoView {
    let place =
        move || form.topics.with(|topics| topics.iter().position(|other| other.key == topic.key).unwrap_or_default());
    let name = live::words(move || match place() {
        0 => "Topic".to_owned(),
        place => format!("Topic {}", place + 1),
    });
    let id = format!("topic-{}", topic.key);
    let fault_id = format!("{id}-fault");
    let fault = live::words(move || form.fault(Field::Topic(place())));
    let is_wrong = live::words(move || (!form.fault(Field::Topic(place())).is_empty()).to_string());
    let only = live::flag(move || form.topics.with(|topics| topics.len() == 1));
    view! {
        <div class="field topic-field">
            <label for=id.clone()>{name}</label>
            <div class="joined">
                <input
                    id=id
                    type="text"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    aria-invalid=is_wrong
                    aria-describedby=fault_id.clone()
                    prop:value=topic.text
                    on:input=move |event: Event| {
                        topic.text.set(event_target_value(&event));
                        form.forgive(Field::Topic(place()));
                    }
                />
                <button
                    type="button"
                    class="button icon"
                    hidden=only
                    aria-label=live::words(move || format!("Remove topic {}", place() + 1))
                    on:click=move |_| {
                        form.faults.update(|faults| faults.retain(|fault| !matches!(fault.field, Field::Topic(_))));
                        form.topics.update(|topics| topics.retain(|other| other.key != topic.key));
                    }
                >
                    "×"
                </button>
            </div>
            <p class="fault" id=fault_id>{fault}</p>
        </div>
    }
}

/// What is known of a signed token in the password field.
fn token_view(note: TokenNote, on_renew: impl Fn() + 'static) -> impl IntoView {
    let TokenNote { words, has_expired, can_renew } = note;
    view! {
        <div class="token wide" aria-live="polite" data-expired=has_expired.to_string()>
            <p>{words}</p>
            <button type="button" class="button quiet" hidden=!can_renew on:click=move |_| on_renew()>
                "Use it from the next connection on"
            </button>
        </div>
    }
}

/// The form. Its submit button stands elsewhere on the page, in sight while
/// the form is folded away.
#[component]
pub fn ConnectionForm(
    /// What is typed in.
    form: Form,
    /// It was submitted.
    on_connect: impl Fn() + 'static,
    /// The finer settings are wanted.
    on_finer: impl Fn() + 'static,
    /// What the password says of itself, where it is a signed token.
    token: RwSignal<Option<TokenNote>>,
    /// The connection is to use this token from now on.
    on_renew: impl Fn() + Copy + Send + 'static,
    /// The link of these settings is wanted.
    on_copy_link: impl Fn() + 'static,
    /// The link was copied a moment ago.
    #[prop(into)]
    copied: Signal<bool>,
) -> impl IntoView {
    let hint =
        live::words(move || PRESETS.get(form.preset.get()).map(|preset| preset.hint).unwrap_or_default().to_owned());
    let summary = live::words(move || {
        form.faults.with(|faults| match faults.len() {
            0 => String::new(),
            1 => "Nothing was connected: one field needs your attention.".to_owned(),
            count => format!("Nothing was connected: {count} fields need your attention."),
        })
    });
    view! {
        <form
            id="connection"
            class="form"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                on_connect();
            }
        >
            <div class="fields">
                <div class="field">
                    <label for="preset">"Broker"</label>
                    <select
                        id="preset"
                        aria-describedby="preset-hint"
                        prop:value=live::words(move || form.preset.get().to_string())
                        on:change=move |event| {
                            if let Ok(index) = event_target_value(&event).parse() {
                                form.choose_preset(index);
                            }
                        }
                    >
                        {PRESETS
                            .iter()
                            .enumerate()
                            .map(|(index, preset)| view! { <option value=index.to_string()>{preset.name}</option> })
                            .collect_view()}
                    </select>
                </div>
                {text_field(
                    form,
                    TextBox {
                        field: Field::Broker,
                        id: "broker",
                        label: "Broker URL",
                        kind: "url",
                        placeholder: "ws://127.0.0.1:8080/mqtt",
                        value: form.broker,
                    },
                )}
                <p class="hint wide" id="preset-hint">{hint}</p>
                <div class="topics">
                    <For each=move || form.topics.get() key=|topic| topic.key let:topic>
                        <TopicRow form topic />
                    </For>
                    <button type="button" class="button quiet" on:click=move |_| form.add_topic("")>
                        "Add a topic"
                    </button>
                </div>
                <div class="pair">
                    <div class="field">
                        <label for="qos">"QoS"</label>
                        <select
                            id="qos"
                            title="0: at most once. 1: at least once. 2: exactly once."
                            aria-invalid=form.is_wrong(Field::QoS)
                            aria-describedby="qos-fault"
                            prop:value=live::words(move || (form.qos.get() as u8).to_string())
                            on:change=move |event| {
                                let level = event_target_value(&event).parse().ok();
                                form.qos.set(level.and_then(QoS::from_u8).unwrap_or_default());
                                form.forgive(Field::QoS);
                            }
                        >
                            <option value="0">"0"</option>
                            <option value="1">"1"</option>
                            <option value="2">"2"</option>
                        </select>
                        <p class="fault" id="qos-fault">{live::words(move || form.fault(Field::QoS))}</p>
                    </div>
                    <div class="field">
                        <label for="protocol">"Protocol"</label>
                        <select
                            id="protocol"
                            title="Auto: MQTT 5.0 first; where the broker doesn't take it, 3.1.1."
                            aria-invalid=form.is_wrong(Field::Protocol)
                            aria-describedby="protocol-fault"
                            prop:value=live::words(move || link::protocol_name(form.version.get()).to_owned())
                            on:change=move |event| {
                                form.version.set(link::protocol_from(&event_target_value(&event)).unwrap_or_default());
                                form.forgive(Field::Protocol);
                            }
                        >
                            <option value="auto">"Auto"</option>
                            <option value="5">"5.0"</option>
                            <option value="3.1.1">"3.1.1"</option>
                        </select>
                        <p class="fault" id="protocol-fault">{live::words(move || form.fault(Field::Protocol))}</p>
                    </div>
                </div>
                {text_field(
                    form,
                    TextBox {
                        field: Field::UserName,
                        id: "user",
                        label: "User name",
                        kind: "text",
                        placeholder: "none",
                        value: form.user_name,
                    },
                )}
                {text_field(
                    form,
                    TextBox {
                        field: Field::Password,
                        id: "password",
                        label: "Password",
                        kind: "password",
                        placeholder: "none",
                        value: form.password,
                    },
                )}
                {move || token.get().map(|note| token_view(note, on_renew))}
            </div>
            <details class="more">
                <summary>"More: client identifier"</summary>
                <div class="fields">
                    {text_field(
                        form,
                        TextBox {
                            field: Field::ClientId,
                            id: "client",
                            label: "Client identifier",
                            kind: "text",
                            placeholder: "",
                            value: form.client_id,
                        },
                    )}
                </div>
            </details>
            <div class="form-foot">
                <button type="button" class="button quiet" aria-haspopup="dialog" on:click=move |_| on_finer()>
                    "More settings"
                </button>
                <p class="fault summary" role="alert">{summary}</p>
                <button
                    type="button"
                    class="button quiet"
                    title="A link that opens this page with these settings. It never holds a password."
                    on:click=move |_| on_copy_link()
                >
                    {live::words(move || if copied.get() { "Link copied" } else { "Copy link" }.to_owned())}
                </button>
            </div>
        </form>
    }
}
