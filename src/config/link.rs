//! The link: everything a person can set, in the fragment of the page's URL.
//!
//! `#broker=ws%3A%2F%2F127.0.0.1%3A8080%2Fmqtt&topic=StarWars&connect=1`: a fragment, so that no
//! server ever sees it, written and read as URL parameters. There is no key for a password and none
//! is ever written.
//!
//! Settings that were read or typed become a request only through [`LinkSettings::request`], which
//! finds all faults at once and names the field of each.

use crate::mqtt::text::string_fault;
use crate::named_enum::named_enum;
use crate::urlencoded::{append, decode};

use crate::crawl::opening::{Opening, OpeningMode, SPEED_NAMES};
use crate::crawl::pacing::Pace;
use crate::credentials;
use crate::dialogue::rules::LineRules;
use crate::mqtt::broker_url::{BrokerUrl, PageOrigin};
use crate::mqtt::packet::{QoS, Version};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::connection::{ConnectRequest, Secret};

/// The topic to subscribe to if none is named.
pub const DEFAULT_TOPIC: &str = "StarWars";

/// Everything a person can set and a link can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// The broker's URL as written.
    pub broker: String,
    /// The topic filters as written.
    pub topics: Vec<String>,
    /// Quality of service to subscribe with.
    pub qos: QoS,
    /// `None` is "auto": 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier; `None` is a random one per tab.
    pub client_id: Option<String>,
    /// User name; `None` sends none.
    pub user_name: Option<String>,
    /// What the page shows.
    pub view: View,
    /// The text and settings of the opening.
    pub opening: Opening,
    /// The line rules of the crawl.
    pub line_rules: LineRules,
}

named_enum! {
    /// What the page shows.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum View {
        /// Crawl and console.
        #[default]
        Split = "split",
        /// The crawl alone.
        Crawl = "crawl",
        /// The console alone.
        Console = "console",
    }
}

/// The result of parsing a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its settings; for a bad value, this is the default or the bad value itself, so that the form
    /// shows it.
    pub settings: LinkSettings,
    /// Whether to connect on load. Always false if there is a fault.
    pub connect: bool,
    /// Explanations of what was ignored, one sentence each.
    pub notices: Vec<String>,
    /// The faults. While there is one, nothing connects.
    pub faults: Vec<LinkError>,
    /// Whether it contained something that looks like a password, so that it must be removed from
    /// the address bar at once.
    pub holds_password: bool,
}

/// A fault that the person has to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkError {
    /// The field with the fault.
    pub field: Field,
    /// What is wrong and what to do.
    pub message: String,
}

/// A field of the form, or a key of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Broker URL.
    Broker,
    /// A topic filter, by its index in the list.
    Topic(usize),
    /// Quality of service.
    QoS,
    /// Protocol version.
    Protocol,
    /// Client identifier.
    ClientId,
    /// User name.
    UserName,
    /// Password.
    Password,
    /// The link itself, which isn't a field of the form.
    Link,
}

impl LinkSettings {
    /// Returns the settings of a page that was opened without a link.
    pub fn new(page_base: &str) -> Self {
        Self {
            broker: broker_at(page_base, "/mqtt"),
            topics: vec![DEFAULT_TOPIC.to_owned()],
            qos: QoS::AtMostOnce,
            version: None,
            client_id: None,
            user_name: None,
            view: View::Split,
            opening: Opening::default(),
            line_rules: LineRules::default(),
        }
    }

    /// Returns the link for these settings, without a leading `#`; empty if all are defaults.
    /// Credentials in the broker's URL and in the user name are left out, and `connect` with them.
    pub fn to_fragment(&self, page_base: &str, start: Start) -> String {
        let standard = Self::new(page_base);
        let mut link = String::new();
        let broker = credentials::redact_url(self.broker.trim());
        let user_name = self.user_name.as_deref().map(credentials::redact_user_name);
        let client_id = self.client_id.as_deref().map(credentials::redact_user_name);
        let is_whole = broker == self.broker.trim() && user_name == self.user_name && client_id == self.client_id;
        if broker != standard.broker {
            append(&mut link, "broker", &broker);
        }
        if self.topics != standard.topics {
            for topic in &self.topics {
                append(&mut link, "topic", topic);
            }
        }
        match self.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => append(&mut link, "qos", "1"),
            QoS::ExactlyOnce => append(&mut link, "qos", "2"),
        }
        if let Some(version) = self.version {
            append(&mut link, "protocol", protocol_name(Some(version)));
        }
        for (key, text) in [("client", &client_id), ("user", &user_name)] {
            if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
                append(&mut link, key, text);
            }
        }
        let (opening, own) = (&self.opening, &standard.opening);
        for (key, text, standard) in [
            ("card", &opening.card, &own.card),
            ("logo", &opening.logo, &own.logo),
            ("episode", &opening.episode, &own.episode),
            ("title", &opening.title, &own.title),
            ("intro", &opening.intro, &own.intro),
        ] {
            // An empty text is a value: it leaves that part out.
            if text != standard {
                append(&mut link, key, text);
            }
        }
        if let Some(mode) = opening.mode.filter(|mode| *mode != opening.default_mode()) {
            append(&mut link, "opening", mode.name());
        }
        if !opening.has_stars {
            append(&mut link, "stars", "0");
        }
        if opening.speed_percent != own.speed_percent {
            append(&mut link, "speed", opening.speed_name());
        }
        if opening.pace != own.pace {
            append(&mut link, "pace", opening.pace.name());
        }
        self.line_rules.write(&mut |key, value| append(&mut link, key, value));
        if self.view != standard.view {
            append(&mut link, "view", self.view.name());
        }
        // Without its credentials it couldn't connect.
        if start == Start::OnLoad && is_whole {
            append(&mut link, "connect", "1");
        }
        link
    }

    /// Returns the request to connect with these settings.
    ///
    /// # Errors
    /// All faults, in the order of the form.
    pub fn request(
        &self,
        password: &str,
        tab_client_id: &str,
        page: PageOrigin,
    ) -> Result<ConnectRequest, Vec<LinkError>> {
        let mut faults = Vec::new();
        let mut fault = |field, message: String| faults.push(LinkError { field, message });

        let broker = BrokerUrl::parse(&self.broker).and_then(BrokerUrl::for_browser);
        if let Err(error) = &broker {
            fault(Field::Broker, error.to_string());
        }
        let mut topics: Vec<String> = Vec::with_capacity(self.topics.len());
        for (index, topic) in self.topics.iter().enumerate() {
            match TopicFilter::parse(topic.as_str()) {
                Err(error) => fault(Field::Topic(index), error.to_string()),
                Ok(_) if topics.contains(topic) => {}
                Ok(_) => topics.push(topic.clone()),
            }
        }
        if self.topics.is_empty() {
            fault(Field::Topic(0), "Enter at least one topic (# for all).".to_owned());
        }
        let client_id = self.client_id.as_deref().filter(|id| !id.is_empty()).unwrap_or(tab_client_id);
        let user_name = self.user_name.as_deref().filter(|name| !name.is_empty());
        for (field, name, text) in [
            (Field::ClientId, "client ID", client_id),
            (Field::UserName, "user name", user_name.unwrap_or_default()),
            (Field::Password, "password", password),
        ] {
            if let Some(message) = string_fault(name, text) {
                fault(field, message);
            }
        }
        if self.version == Some(Version::V311) && user_name.is_none() && !password.is_empty() {
            let message = "MQTT 3.1.1 requires a user name with a password. Enter a user name.";
            fault(Field::UserName, message.to_owned());
        }
        match broker {
            Ok(broker) if faults.is_empty() => Ok(ConnectRequest {
                broker: broker.as_str().to_owned(),
                topics,
                qos: self.qos,
                version: self.version,
                client_id: client_id.to_owned(),
                user_name: user_name.map(str::to_owned),
                password: Some(password).filter(|word| !word.is_empty()).map(|word| Secret(word.to_owned())),
                page,
            }),
            _ => Err(faults),
        }
    }
}

/// Whether a link connects automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As soon as the page is loaded: `connect=1`.
    OnLoad,
    /// When the person presses the button.
    ByHand,
}

/// Parses a link: `location.hash`, with or without its `#`.
///
/// Never fails as a whole: values that can't be used are reported in [`notices`](Link::notices) and
/// [`faults`](Link::faults), and the others are applied.
pub fn parse(fragment: &str, page_base: &str) -> Link {
    let mut reader = Reader {
        link: Link {
            settings: LinkSettings::new(page_base),
            connect: false,
            notices: Vec::new(),
            faults: Vec::new(),
            holds_password: false,
        },
        topics: Vec::new(),
        seen: Vec::new(),
    };
    let fragment = fragment.strip_prefix('#').unwrap_or(fragment);
    for pair in fragment.split('&').filter(|pair| !pair.is_empty()) {
        reader.read_pair(pair);
    }
    reader.finish()
}

/// Returns the folder that a page came from, without a slash at its end: `https://host:8443/crawl`;
/// `null` for a page without a server (`file:`). `origin` and `path` are those of its `location`.
pub fn page_base(origin: &str, path: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if origin.contains("://") { format!("{origin}{folder}") } else { "null".to_owned() }
}

/// Returns the broker at a path below the folder that a page came from, because a station may be in
/// a folder of a reverse proxy.
///
/// A page without a server gets the station's usual address.
pub fn broker_at(page_base: &str, path: &str) -> String {
    match page_base.split_once("://") {
        Some(("http", host)) => format!("ws://{host}{path}"),
        Some(("https", host)) => format!("wss://{host}{path}"),
        _ => format!("ws://127.0.0.1:8080{path}"),
    }
}

/// Returns a client identifier for a tab: letters and digits, 18 bytes, which every server must
/// accept `[MQTT-3.1.3-5]`.
pub fn client_id(seed: u64) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let digit = |place: u32| char::from(DIGITS[(seed >> (5 * place) & 31) as usize]);
    (0..13).map(digit).fold(String::from("crawl"), |mut id, digit| {
        id.push(digit);
        id
    })
}

/// Returns the value of the link's `protocol`.
pub const fn protocol_name(version: Option<Version>) -> &'static str {
    match version {
        None => "auto",
        Some(Version::V5) => "5",
        Some(Version::V311) => "3.1.1",
    }
}

/// Returns the version named by a value of `protocol`; the outer `None` if it names none.
pub fn protocol_from(name: &str) -> Option<Option<Version>> {
    [None, Some(Version::V5), Some(Version::V311)].into_iter().find(|&version| protocol_name(version) == name)
}

struct Reader {
    link: Link,
    topics: Vec<String>,
    /// Keys that were read, to detect repeats.
    seen: Vec<String>,
}

impl Reader {
    fn read_pair(&mut self, pair: &str) {
        let (raw_key, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(key) = decode(raw_key) else {
            return self.notice_unknown(raw_key, raw_value);
        };
        let Some(field) = field_of(&key, self.topics.len()) else {
            self.notice_unknown(&key, raw_value);
            return;
        };
        let Some(value) = decode(raw_value) else {
            // An encoded credential in it would not be recognized.
            let is_private = matches!(field, Field::Broker | Field::UserName);
            self.link.holds_password |= is_private;
            let shown = if is_private { String::new() } else { format!(": {raw_value:?}") };
            let message = format!("Invalid percent-encoding of {key} in link{shown} (write % as %25).");
            return self.fault(field, message);
        };
        if key == "topic" {
            return self.read_topic(raw_value, value);
        }
        if LineRules::KEYS.contains(&key.as_str()) {
            return self.read_rule(&key, raw_value, &value);
        }
        if self.seen.contains(&key) {
            self.link.holds_password |= credentials::redact_url(&value) != value;
            return self.fault(field, format!("Link parameter {key:?} given twice."));
        }
        self.read_value(&key, field, value);
        self.seen.push(key);
    }

    fn read_value(&mut self, key: &str, field: Field, value: String) {
        let settings = &mut self.link.settings;
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        match key {
            "broker" => self.read_broker(value),
            "qos" => match value.as_str() {
                "0" => settings.qos = QoS::AtMostOnce,
                "1" => settings.qos = QoS::AtLeastOnce,
                "2" => settings.qos = QoS::ExactlyOnce,
                _ => self.fault(field, format!("Invalid qos in link: {value:?} (use 0, 1 or 2).")),
            },
            "protocol" => match protocol_from(&value) {
                Some(version) => settings.version = version,
                None => self.fault(field, format!("Invalid protocol in link: {value:?} (use auto, 5 or 3.1.1).")),
            },
            "view" => match View::from_name(&value) {
                Some(view) => settings.view = view,
                None => self.fault(field, format!("Invalid view in link: {value:?} (use split, crawl or console).")),
            },
            "connect" => match value.as_str() {
                "1" => self.link.connect = true,
                "0" => {}
                _ => {
                    let message = format!("Invalid connect in link: {value:?} (use 1 to connect on load).");
                    self.fault(field, message);
                }
            },
            "client" => {
                self.link.holds_password |= credentials::redact_user_name(&value) != value;
                settings.client_id = filled(value);
            }
            "user" => {
                self.link.holds_password |= credentials::redact_user_name(&value) != value;
                settings.user_name = filled(value);
            }
            "card" => settings.opening.card = value,
            "logo" => settings.opening.logo = value,
            "episode" => settings.opening.episode = value,
            "title" => settings.opening.title = value,
            "intro" => settings.opening.intro = value,
            "pace" => match Pace::from_name(&value) {
                Some(pace) => settings.opening.pace = pace,
                None => self.fault(field, format!("Invalid pace in link: {value:?} (use all, film or latest).")),
            },
            "opening" => match OpeningMode::from_name(&value) {
                Some(mode) => settings.opening.mode = Some(mode),
                None => {
                    let message = format!("Invalid opening in link: {value:?} (use yield, always or off).");
                    self.fault(field, message);
                }
            },
            "stars" => match value.as_str() {
                "1" => settings.opening.has_stars = true,
                "0" => settings.opening.has_stars = false,
                _ => self.fault(field, format!("Invalid stars in link: {value:?} (use 1 or 0).")),
            },
            "speed" => match Opening::speed_from(&value) {
                Some(percent) => settings.opening.speed_percent = percent,
                None => {
                    let message =
                        format!("Invalid speed in link: {value:?} (use {}; in percent).", SPEED_NAMES.join(", "));
                    self.fault(field, message);
                }
            },
            _ => {}
        }
    }

    /// Reads the broker. User name and password in it aren't even shown; a token in the query is
    /// part of the address, and used this once.
    fn read_broker(&mut self, mut url: String) {
        let redacted = credentials::redact_url(&url);
        let has_user_info = credentials::user_info(&url).is_some();
        self.link.holds_password |= redacted != url;
        if has_user_info {
            url = redacted;
            self.fault(
                Field::Broker,
                "The user name or password in the link's broker URL was removed. Enter it in the fields below. If it was \
                 a real password, change it: links get shared and stay in browser history."
                    .to_owned(),
            );
        } else if redacted != url {
            self.link.notices.push(
                "The link's broker URL contains a credential. It is used now, but was removed from the address bar: links \
                 get shared and stay in browser history."
                    .to_owned(),
            );
        }
        if let Err(error) = BrokerUrl::parse(&url) {
            self.fault(Field::Broker, error.to_string());
        }
        self.link.settings.broker = url;
    }

    fn read_topic(&mut self, raw: &str, topic: String) {
        if let Err(error) = TopicFilter::parse(topic.as_str()) {
            self.fault(Field::Topic(self.topics.len()), error.to_string());
        }
        self.notice_raw_plus(raw, &topic);
        self.topics.push(topic);
    }

    fn read_rule(&mut self, key: &str, raw: &str, value: &str) {
        if key == "line" || key == "hide" {
            self.notice_raw_plus(raw, value);
        }
        let line_rules = &mut self.link.settings.line_rules;
        if let Err(error) = line_rules.read(key, value) {
            self.fault(Field::Link, format!("Invalid {key} in link: {value:?}. {error}"));
        }
    }

    /// Reports a wildcard that was written unencoded, a likely mistake.
    fn notice_raw_plus(&mut self, raw: &str, topic: &str) {
        if raw.split('/').any(|level| level == "+") {
            self.link.notices.push(format!(
                "In a link, + means a space, so the topic was read as {topic:?}. Write %2B for the wildcard +."
            ));
        }
    }

    fn notice_unknown(&mut self, key: &str, raw_value: &str) {
        let value = decode(raw_value).unwrap_or_else(|| raw_value.to_owned());
        let shown = credentials::redact_url(key);
        if credentials::is_credential_name(key) || shown != key || credentials::redact_url(&value) != value {
            self.link.holds_password = true;
            let key = shown;
            self.link.notices.push(format!(
                "Link parameter {key:?} was ignored: a link never carries a password. If it was a real one, change it: links \
                 get shared and stay in browser history."
            ));
            return;
        }
        self.link.notices.push(format!("Unknown link parameter {key:?} was ignored."));
    }

    fn fault(&mut self, field: Field, message: String) {
        self.link.faults.push(LinkError { field, message });
    }

    fn finish(mut self) -> Link {
        if !self.topics.is_empty() {
            self.link.settings.topics = self.topics;
        }
        // Only now is all of its text known.
        self.link.settings.opening = self.link.settings.opening.settled();
        self.link.connect &= self.link.faults.is_empty();
        self.link
    }
}

fn field_of(key: &str, topics: usize) -> Option<Field> {
    Some(match key {
        "broker" => Field::Broker,
        "topic" => Field::Topic(topics),
        "qos" => Field::QoS,
        "protocol" => Field::Protocol,
        "client" => Field::ClientId,
        "user" => Field::UserName,
        "view" | "card" | "logo" | "episode" | "title" | "intro" | "opening" | "stars" | "speed" | "pace"
        | "connect" => Field::Link,
        key if LineRules::KEYS.contains(&key) => Field::Link,
        _ => return None,
    })
}
