//! The connection form: its fields, their errors next to them, and the conversion from and to a
//! link. [`crate::config::link`] decides what is valid.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlInputElement, HtmlSelectElement};

use crate::config::link;
use crate::config::link::{Field, LinkError, LinkSettings, View};
use crate::config::presets;
use crate::config::presets::PRESETS;
use crate::crawl::opening::Opening;
use crate::dialogue::rules::LineRules;
use crate::mqtt::broker_url::{BrokerUrl, PageOrigin};
use crate::mqtt::packet::{QoS, Version};
use crate::protocol::connection::JwtInfo;
use crate::protocol::connection::{ConnectRequest, Secret};
use crate::web::dom::{DomScope, add, follow};

/// The typed values, one for each field.
#[derive(Clone, Copy)]
pub struct Form {
    broker: RwSignal<String>,
    topics: RwSignal<Vec<TopicField>>,
    topic_key: StoredValue<usize>,
    qos: RwSignal<QoS>,
    version: RwSignal<Option<Version>>,
    client_id: RwSignal<String>,
    user_name: RwSignal<String>,
    /// Kept in memory only: never written to a link, a store or a log.
    password: RwSignal<String>,
    /// Chosen in the Director panel.
    pub opening: RwSignal<Opening>,
    /// Chosen in the panel for line rules.
    pub line_rules: RwSignal<LineRules>,
    preset: RwSignal<usize>,
    errors: RwSignal<Vec<LinkError>>,
    page: StoredValue<PageInfo>,
    /// Whether the client identifier goes into the link even if it is the random one.
    links_client_id: StoredValue<bool>,
}

/// What the form needs to know of its page.
#[derive(Clone, Debug)]
pub struct PageInfo {
    /// The page's folder: see [`link::page_base`].
    pub base: String,
    /// This tab's random client identifier.
    pub client_id: String,
}

/// A topic's text box; the key lets it keep its focus when another one is removed.
#[derive(Clone, Copy)]
struct TopicField {
    key: usize,
    text: RwSignal<String>,
}

impl Form {
    /// Creates a form that shows these settings.
    pub fn new(settings: &LinkSettings, page: PageInfo) -> Self {
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
            line_rules: RwSignal::default(),
            preset: RwSignal::new(0),
            errors: RwSignal::default(),
            page: StoredValue::new(page),
            links_client_id: StoredValue::new(false),
        };
        form.fill(settings);
        form
    }

    /// Shows these settings; the password stays.
    pub fn fill(&self, settings: &LinkSettings) {
        let page = self.page.get_value();
        self.preset.set(presets::position_of(&settings.broker, &page.base));
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
        self.errors.set(Vec::new());
    }

    /// Returns the settings as typed.
    pub fn settings(&self, view: View) -> LinkSettings {
        let page = self.page.get_value();
        let unless = |text: String, standard: &str| Some(text).filter(|text| !text.is_empty() && text != standard);
        LinkSettings {
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
            line_rules: self.line_rules.get_untracked(),
        }
    }

    /// Returns the settings of a connection; those that aren't part of one are returned as typed.
    pub fn settings_of(&self, request: &ConnectRequest, view: View) -> LinkSettings {
        let typed = self.settings(view);
        let client_id = match self.client_id.with_untracked(|client_id| *client_id == request.client_id) {
            true => typed.client_id,
            false => Some(request.client_id.clone()),
        };
        LinkSettings {
            broker: request.broker.clone(),
            topics: request.topics.clone(),
            qos: request.qos,
            version: request.version,
            client_id,
            user_name: request.user_name.clone(),
            ..typed
        }
    }

    /// Returns the request to connect with; if a field is invalid, the form shows why.
    pub fn request(&self) -> Option<ConnectRequest> {
        let page = self.page.get_value();
        let password = self.password.get_untracked();
        match self.settings(View::default()).request(&password, &page.client_id, PageOrigin::parse(&page.base)) {
            Ok(request) => {
                self.errors.set(Vec::new());
                Some(request)
            }
            Err(errors) => {
                self.errors.set(errors);
                None
            }
        }
    }

    /// Shows the errors of a link.
    pub fn set_errors(&self, errors: Vec<LinkError>) {
        self.errors.set(errors);
    }

    /// Puts the client identifier into the link, even if it is this page's random one. Returns
    /// whether it wasn't there before.
    pub fn link_client_id(&self) -> bool {
        !self.links_client_id.try_update_value(|links| std::mem::replace(links, true)).unwrap_or(true)
    }

    /// Returns the content of the password field.
    pub fn password(&self) -> Secret {
        Secret(self.password.get())
    }

    /// Whether a password is typed in.
    pub fn has_password(&self) -> bool {
        self.password.with_untracked(|password| !password.is_empty())
    }

    /// Adds a topic filter that was subscribed to.
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

    /// Removes a topic filter that was unsubscribed from; one box always stays.
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

    /// Adds a box for a topic.
    pub fn add_topic(&self, text: &str) {
        // Never used twice: a row with the same key would keep the old text.
        let key = self.topic_key.get_value();
        self.topic_key.set_value(key + 1);
        self.topics.update(|topics| topics.push(TopicField { key, text: RwSignal::new(text.to_owned()) }));
    }

    fn choose_preset(&self, index: usize) {
        let Some(preset) = PRESETS.get(index) else { return };
        self.preset.set(index);
        if let Some(broker) = preset.broker(&self.page.with_value(|page| page.base.clone())) {
            self.broker.set(broker);
            self.version.set(preset.version);
            self.clear_error(Field::Broker);
            self.clear_error(Field::Protocol);
        }
        if let Some(qos) = preset.qos {
            self.qos.set(qos);
        }
    }

    fn type_into(&self, field: Field, value: RwSignal<String>, text: String) {
        match field {
            Field::Broker => {
                self.preset.set(presets::position_of(&text, &self.page.with_value(|page| page.base.clone())));
            }
            // The error may have been that the name had no password, or the password no name.
            Field::Password => self.clear_error(Field::UserName),
            _ => {}
        }
        value.set(text);
        self.clear_error(field);
    }

    /// Clears the error of a field that is being changed; it is checked again later.
    fn clear_error(&self, field: Field) {
        if self.errors.with_untracked(|errors| errors.iter().any(|error| error.field == field)) {
            self.errors.update(|errors| errors.retain(|error| error.field != field));
        }
    }

    /// Returns the error of a field; empty if there is none.
    fn error(&self, field: Field) -> String {
        self.errors.with(|errors| {
            let messages: Vec<_> =
                errors.iter().filter(|error| error.field == field).map(|error| error.message.as_str()).collect();
            messages.join(" ")
        })
    }
}

/// The markup of the connection part, before anything is known.
pub const CONNECTION: &str = include_str!("connection.html");

/// The markup of a topic's box before it is filled in.
const TOPIC: &str = include_str!("topic.html");

/// The fields that hold text, by the id of their element.
const TEXTS: [(&str, Field); 4] =
    [("broker", Field::Broker), ("user", Field::UserName), ("password", Field::Password), ("client", Field::ClientId)];

impl Form {
    /// Returns why the browser may not open this address from this page, shown while it is typed:
    /// no broker can change that. Any other error of an address may disappear with the next letter.
    fn warning(&self) -> String {
        let page = self.page.with_value(|page| PageOrigin::parse(&page.base));
        let url = self.broker.with(|text| BrokerUrl::parse(text));
        url.ok().and_then(|url| url.mixed_content(page)).unwrap_or_default()
    }

    fn text(&self, field: Field) -> RwSignal<String> {
        match field {
            Field::UserName => self.user_name,
            Field::Password => self.password,
            Field::ClientId => self.client_id,
            _ => self.broker,
        }
    }

    /// Handles input in the form.
    pub fn handle_event(self, event: &Event) {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let value = event_target_value(event);
        if let Some((_, field)) = TEXTS.iter().find(|(id, _)| target.id() == *id) {
            return self.type_into(*field, self.text(*field), value);
        }
        match target.id().as_str() {
            "preset" => self.choose_preset(value.parse().unwrap_or_default()),
            "qos" => {
                self.qos.set(value.parse().ok().and_then(QoS::from_u8).unwrap_or_default());
                self.clear_error(Field::QoS);
            }
            "protocol" => {
                self.version.set(link::protocol_from(&value).unwrap_or_default());
                self.clear_error(Field::Protocol);
            }
            _ => {
                let Some((index, topic)) = self.topic_of(&target) else { return };
                topic.text.set(value);
                self.clear_error(Field::Topic(index));
            }
        }
    }

    /// Removes the topic of this button.
    pub fn remove_topic(self, button: &Element) {
        let Some((_, topic)) = self.topic_of(button) else { return };
        self.errors.update(|errors| errors.retain(|error| !matches!(error.field, Field::Topic(_))));
        self.topics.update(|topics| topics.retain(|other| other.key != topic.key));
    }

    fn topic_of(self, node: &Element) -> Option<(usize, TopicField)> {
        let row = node.closest("[data-key]").ok().flatten()?;
        let key: usize = row.get_attribute("data-key")?.parse().ok()?;
        self.topics.with_untracked(|topics| {
            topics.iter().copied().enumerate().find(|(_, topic): &(usize, TopicField)| topic.key == key)
        })
    }

    /// Keeps the form's nodes in step with the form.
    pub fn follow(self, part: &DomScope) {
        if let Some(list) = part.find("#preset") {
            for (index, preset) in PRESETS.iter().enumerate() {
                if let Some(option) = add(&list, "option", preset.name) {
                    let _ = option.set_attribute("value", &index.to_string());
                }
            }
        }
        for (id, field) in TEXTS {
            let (part, text) = (part.clone(), self.text(field));
            follow(move || text.with(|text| write(&part, id, text)));
        }
        let to_choose = part.clone();
        follow(move || {
            let preset = self.preset.get();
            choose(&to_choose, "#preset", &preset.to_string());
            to_choose.set_text("#preset-hint", PRESETS.get(preset).map(|preset| preset.hint).unwrap_or_default());
            choose(&to_choose, "#qos", &(self.qos.get() as u8).to_string());
            choose(&to_choose, "#protocol", link::protocol_name(self.version.get()));
        });
        let to_list = part.clone();
        follow(move || {
            self.topics.with(|topics| show_topics(&to_list, topics));
            // Errors of the topics are shown next to them.
            self.show_errors(&to_list);
        });
    }

    fn show_errors(self, part: &DomScope) {
        let show_error = |id: &str, field: Field| {
            let error = self.error(field);
            part.set_attribute(&format!("#{id}"), "aria-invalid", &(!error.is_empty()).to_string());
            let warning = if field == Field::Broker && error.is_empty() { self.warning() } else { String::new() };
            part.set_text(&format!("#{id}-fault"), &(error + &warning));
        };
        for (id, field) in TEXTS.into_iter().chain([("qos", Field::QoS), ("protocol", Field::Protocol)]) {
            show_error(id, field);
        }
        self.topics.with(|topics| {
            for (index, topic) in topics.iter().enumerate() {
                show_error(&format!("topic-{}", topic.key), Field::Topic(index));
            }
        });
        let summary = self.errors.with(|errors| match errors.len() {
            0 => String::new(),
            1 => "Not connected. Please fix the highlighted field.".to_owned(),
            count => format!("Not connected. Please fix the {count} highlighted fields."),
        });
        part.set_text(".summary", &summary);
    }
}

/// Writes only what differs, because writing moves the cursor to the end.
fn write(part: &DomScope, id: &str, text: &str) {
    let Some(input) = part.find(&format!("#{id}")).map(JsCast::unchecked_into::<HtmlInputElement>) else { return };
    if input.value() != text {
        input.set_value(text);
    }
}

fn choose(part: &DomScope, selector: &str, value: &str) {
    if let Some(list) = part.find(selector) {
        list.unchecked_into::<HtmlSelectElement>().set_value(value);
    }
}

/// Shows a box for each topic; one that stays keeps its node, and so its focus. The first is called
/// "Topic" by contract.
fn show_topics(part: &DomScope, topics: &[TopicField]) {
    let Some(list) = part.find(".topics") else { return };
    let rows = list.query_selector_all("[data-key]");
    for index in 0..rows.as_ref().map_or(0, web_sys::NodeList::length) {
        let Some(row) = rows.as_ref().ok().and_then(|rows| rows.item(index)) else { continue };
        let row: Element = row.unchecked_into();
        let key = row.get_attribute("data-key").and_then(|key| key.parse().ok());
        if !topics.iter().any(|topic| Some(topic.key) == key) {
            row.remove();
        }
    }
    for (index, topic) in topics.iter().enumerate() {
        let id = format!("topic-{}", topic.key);
        if part.find(&format!("#{id}")).is_none() {
            add_topic_row(&list, topic.key, &id);
        }
        let name = if index == 0 { "Topic".to_owned() } else { format!("Topic {}", index + 1) };
        part.set_text(&format!("[for={id}]"), &name);
        let button = format!("#{id} + button");
        part.toggle_attribute(&button, "hidden", topics.len() == 1);
        part.set_attribute(&button, "aria-label", &format!("Remove topic {}", index + 1));
        topic.text.with(|text| write(part, &id, text));
    }
}

fn add_topic_row(list: &Element, key: usize, id: &str) {
    let Some(row) = add(list, "div", "") else { return };
    row.set_class_name("field topic-field");
    row.set_inner_html(TOPIC);
    let _ = row.set_attribute("data-key", &key.to_string());
    let part = DomScope::new(row.clone());
    part.set_attribute("label", "for", id);
    part.set_attribute("input", "aria-describedby", &format!("{id}-fault"));
    part.set_attribute("input", "id", id);
    part.set_attribute(".fault", "id", &format!("{id}-fault"));
    // The button that adds a topic stays after the boxes.
    if let Ok(Some(button)) = list.query_selector("[data-action=add-topic]") {
        let _ = list.insert_before(&row, Some(&button));
    }
}

/// Shows what is known about a signed token in the password field.
pub(super) fn follow_token(part: &DomScope, token: RwSignal<Option<JwtInfo>>) {
    let part = part.clone();
    follow(move || {
        token.with(|token| {
            part.toggle_attribute(".token", "hidden", token.is_none());
            let Some(JwtInfo { text, has_expired, can_renew }) = token else { return };
            part.set_attribute(".token", "data-expired", &has_expired.to_string());
            part.set_text(".token p", text);
            part.toggle_attribute("[data-action=replace-password]", "hidden", !can_renew);
        });
    });
}
