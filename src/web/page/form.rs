//! The values of the connection form, their errors, and the conversion from and to a link.
//! [`crate::config::link`] decides what is valid.

use leptos::prelude::*;

use crate::config::link::{Field, LinkError, LinkSettings, View};
use crate::config::presets;
use crate::config::presets::PRESETS;
use crate::crawl::opening::Opening;
use crate::dialogue::rules::LineRules;
use crate::mqtt::broker_url::{BrokerUrl, PageOrigin};
use crate::mqtt::packet::{QoS, Version};
use crate::protocol::connection::{ConnectRequest, Secret};

/// The typed values, one for each field.
#[derive(Clone, Copy)]
pub struct Form {
    broker: RwSignal<String>,
    topics: RwSignal<Vec<TopicField>>,
    topic_number: StoredValue<usize>,
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
    /// The page's folder: see [`page_base`](crate::config::link::page_base).
    pub base: String,
    /// This tab's random client identifier.
    pub client_id: String,
}

/// A topic's text box. Its `id` lets it keep its focus when another one is removed.
#[derive(Clone)]
struct TopicField {
    id: String,
    text: RwSignal<String>,
}

impl Form {
    /// Creates a form that shows these settings.
    pub fn new(settings: &LinkSettings, page: PageInfo) -> Self {
        let form = Self {
            broker: RwSignal::default(),
            topics: RwSignal::default(),
            topic_number: StoredValue::new(0),
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
        untrack(|| self.tracked_settings(view))
    }

    fn tracked_settings(&self, view: View) -> LinkSettings {
        let page = self.page.get_value();
        let unless = |text: String, standard: &str| Some(text).filter(|text| !text.is_empty() && text != standard);
        LinkSettings {
            broker: self.broker.get(),
            topics: self.topics.with(|topics| topics.iter().map(|topic| topic.text.get()).collect()),
            qos: self.qos.get(),
            version: self.version.get(),
            client_id: unless(
                self.client_id.get(),
                if self.links_client_id.get_value() { "" } else { &page.client_id },
            ),
            user_name: unless(self.user_name.get(), ""),
            view,
            opening: self.opening.get(),
            line_rules: self.line_rules.get(),
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

    /// Returns the request as typed, or the errors in it. Tracks the fields.
    pub(super) fn typed_request(&self) -> Result<ConnectRequest, Vec<LinkError>> {
        let page = self.page.get_value();
        let settings = self.tracked_settings(View::default());
        self.password.with(|password| settings.request(password, &page.client_id, PageOrigin::parse(&page.base)))
    }

    /// Returns the request to connect with; if a field is invalid, the form shows why.
    pub fn request(&self) -> Option<ConnectRequest> {
        match untrack(|| self.typed_request()) {
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
        // Never used twice: a box with the same `id` would keep the old text.
        let number = self.topic_number.get_value();
        self.topic_number.set_value(number + 1);
        let topic = TopicField { id: format!("topic-{number}"), text: RwSignal::new(text.to_owned()) };
        self.topics.update(|topics| topics.push(topic));
    }

    /// Removes the box at this place.
    pub fn remove_topic(&self, place: usize) {
        self.errors.update(|errors| errors.retain(|error| !matches!(error.field, Field::Topic(_))));
        self.topics.update(|topics| {
            topics.remove(place);
        });
    }

    /// Returns the `id`s of the boxes for topics, in their order.
    pub(super) fn topic_ids(&self) -> Signal<Vec<String>> {
        let topics = self.topics;
        Signal::derive(move || topics.with(|topics| topics.iter().map(|topic| topic.id.clone()).collect()))
    }

    /// Returns the text of the box with this `id`.
    pub(super) fn topic(&self, id: &str) -> RwSignal<String> {
        let text = |topics: &Vec<TopicField>| topics.iter().find(|topic| topic.id == id).map(|topic| topic.text);
        self.topics.with_untracked(text).unwrap_or_default()
    }

    /// Returns the place of the box with this `id`; 0 if it was removed.
    pub(super) fn topic_place(&self, id: &str) -> usize {
        self.topics.with(|topics| topics.iter().position(|topic| topic.id == id)).unwrap_or_default()
    }

    /// Returns the number of boxes for topics.
    pub(super) fn topic_count(&self) -> usize {
        self.topics.with(Vec::len)
    }

    /// Returns the text of a field that isn't a topic's.
    pub(super) fn text(&self, field: Field) -> RwSignal<String> {
        match field {
            Field::UserName => self.user_name,
            Field::Password => self.password,
            Field::ClientId => self.client_id,
            _ => self.broker,
        }
    }

    /// Handles input in such a field.
    pub(super) fn type_into(&self, field: Field, text: String) {
        match field {
            Field::Broker => {
                self.preset.set(presets::position_of(&text, &self.page.with_value(|page| page.base.clone())));
            }
            // The error may have been that the name had no password, or the password no name.
            Field::Password => self.clear_error(Field::UserName),
            _ => {}
        }
        self.text(field).set(text);
        self.clear_error(field);
    }

    /// Handles input in the box at this place.
    pub(super) fn type_topic(&self, place: usize, text: String) {
        if let Some(topic) = self.topics.with_untracked(|topics| topics.get(place).map(|topic| topic.text)) {
            topic.set(text);
            self.clear_error(Field::Topic(place));
        }
    }

    /// Returns the broker that is chosen from the list.
    pub(super) fn preset(&self) -> RwSignal<usize> {
        self.preset
    }

    /// Handles the choice of a broker from the list.
    pub(super) fn choose_preset(&self, index: usize) {
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

    /// Returns the quality of service.
    pub(super) fn qos(&self) -> QoS {
        self.qos.get()
    }

    /// Handles the choice of a quality of service.
    pub(super) fn choose_qos(&self, qos: QoS) {
        self.qos.set(qos);
        self.clear_error(Field::QoS);
    }

    /// Returns the protocol version; `None` is "auto".
    pub(super) fn version(&self) -> Option<Version> {
        self.version.get()
    }

    /// Handles the choice of a protocol version.
    pub(super) fn choose_version(&self, version: Option<Version>) {
        self.version.set(version);
        self.clear_error(Field::Protocol);
    }

    /// Clears the error of a field that is being changed; it is checked again later.
    fn clear_error(&self, field: Field) {
        if self.errors.with_untracked(|errors| errors.iter().any(|error| error.field == field)) {
            self.errors.update(|errors| errors.retain(|error| error.field != field));
        }
    }

    /// Returns what is shown about a field's error; empty if there is none.
    pub(super) fn error(&self, field: Field) -> String {
        self.errors.with(|errors| {
            let messages: Vec<_> =
                errors.iter().filter(|error| error.field == field).map(|error| error.message.as_str()).collect();
            messages.join(" ")
        })
    }

    /// Returns why the browser may not open this address from this page, shown while it is typed:
    /// no broker can change that. Any other error of an address may disappear with the next letter.
    pub(super) fn warning(&self) -> String {
        let page = self.page.with_value(|page| PageOrigin::parse(&page.base));
        let url = self.broker.with(|text| BrokerUrl::parse(text));
        url.ok().and_then(|url| url.mixed_content(page)).unwrap_or_default()
    }

    /// Returns what is shown about the form as a whole.
    pub(super) fn error_summary(&self) -> String {
        self.errors.with(|errors| match errors.len() {
            0 => String::new(),
            1 => "Not connected. Please fix the highlighted field.".to_owned(),
            count => format!("Not connected. Please fix the {count} highlighted fields."),
        })
    }
}
