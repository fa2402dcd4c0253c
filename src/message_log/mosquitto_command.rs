//! Shell commands that repeat outside the app what it does: subscribe with the same filters,
//! publish a message it received, using mosquitto's clients.
//!
//! - Words are quoted for any POSIX shell. Data from a broker can't end its quotes, run anything,
//!   or leave the terminal's bracketed paste: a command contains no raw control character but line
//!   ends.
//! - mosquitto's clients up to 2.0 support MQTT over TCP, but not over WebSocket, so the port is left
//!   open, and a comment says so. From 2.1 on they support WebSocket (`--ws`), but only at the path
//!   `/mqtt`: if this is the broker's path, a comment says how.
//! - A password is never part of it; a comment says where to put it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::message_log::message::Message;
use crate::mqtt::broker_url::BrokerUrl;
use crate::mqtt::codec::publish::{Property, properties};
use crate::mqtt::packet::{QoS, Version};

/// Payloads above this size are passed on standard input, in bytes: Linux accepts 128 KiB for one
/// argument.
const ARGUMENT_BYTES_MAX: usize = 64 << 10;

/// How to reach a broker, without the password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerAccess {
    /// WebSocket address; empty if none is known yet.
    pub broker: String,
    /// The protocol version in use.
    pub version: Option<Version>,
    /// User name.
    pub user_name: Option<String>,
    /// The topic filters that were requested.
    pub filters: Vec<String>,
    /// The highest requested quality of service.
    pub qos: QoS,
}

impl BrokerAccess {
    /// Returns a `mosquitto_sub` command with this broker and these topics.
    pub fn subscribe(&self) -> String {
        let mut command = self.begin("mosquitto_sub", self.version);
        for filter in &self.filters {
            put_option(&mut command, "-t", filter);
        }
        if self.filters.is_empty() {
            command.push_str(" -t TOPIC");
        }
        // Writing cannot fail, here and below.
        let _ = writeln!(command, " -q {} -v", self.qos);
        command
    }

    /// Returns a `mosquitto_pub` command that sends this message again.
    pub fn publish(&self, message: &Message<'_>) -> String {
        // Only 5.0 has properties, so they need it, whatever version is in use now.
        let version = if message.properties.is_empty() { self.version } else { Some(Version::V5) };
        let mut command = self.begin("mosquitto_pub", version);
        put_option(&mut command, "-t", message.topic);
        let _ = write!(command, " -q {}", message.qos);
        if message.retain {
            command.push_str(" -r");
        }
        let mut notes = String::new();
        for property in properties(message.properties) {
            put_property(&property, &mut command, &mut notes);
        }
        let source = match (message.payload, str::from_utf8(message.payload)) {
            ([], _) => {
                command.push_str(" -n");
                String::new()
            }
            (payload, Ok(text)) if payload.len() <= ARGUMENT_BYTES_MAX && !text.contains(is_unsafe) => {
                put_option(&mut command, "-m", text);
                String::new()
            }
            (payload, _) => {
                command.push_str(" -s");
                format!("printf %s '{}' | base64 -d | ", BASE64.encode(payload))
            }
        };
        // The comments precede the command, because its last line may be piped.
        let place = command.find("\nmosquitto_pub").map_or(0, |place| place + 1);
        command.insert_str(place, &(notes + &source));
        command.push('\n');
        command
    }

    /// Returns the comments, and the command up to the version and the user name.
    fn begin(&self, program: &str, version: Option<Version>) -> String {
        let url = BrokerUrl::parse(&self.broker).ok();
        let is_tls = url.as_ref().is_some_and(|url| url.scheme().is_tls());
        let usual = if is_tls { 8883 } else { 1883 };
        let mut text = format!("# PORT is the broker's TCP port, often {usual}.");
        if let Some(url) = url.as_ref().filter(|url| url.scheme().is_web_socket() && url.path() == "/mqtt") {
            let _ = write!(text, " mosquitto 2.1 and later take --ws -p {} instead of -p PORT.", url.port());
        }
        text.push('\n');
        if self.user_name.is_some() {
            text.push_str("# The password isn't copied: add it with -P.\n");
        }
        text.push_str(program);
        match &url {
            Some(url) => put_option(&mut text, "-h", url.host()),
            None => text.push_str(" -h HOST"),
        }
        text.push_str(" -p PORT");
        if is_tls {
            text.push_str(" --tls-use-os-certs");
        }
        match version {
            Some(Version::V5) => text.push_str(" -V mqttv5"),
            Some(Version::V311) => text.push_str(" -V mqttv311"),
            None => {}
        }
        if let Some(user_name) = &self.user_name {
            put_option(&mut text, "-u", user_name);
        }
        text
    }
}

/// Appends a property that a publisher may send; those that only a broker sends are left out.
fn put_property(property: &Property<'_>, command: &mut String, notes: &mut String) {
    let (name, value) = match *property {
        Property::PayloadIsUtf8(is_utf8) => ("payload-format-indicator", u8::from(is_utf8).to_string()),
        Property::MessageExpiryS(seconds) => ("message-expiry-interval", seconds.to_string()),
        Property::ContentType(text) => ("content-type", text.to_owned()),
        Property::ResponseTopic(topic) => ("response-topic", topic.to_owned()),
        Property::CorrelationData(data) => match str::from_utf8(data) {
            Ok(text) if !text.contains('\0') => ("correlation-data", text.to_owned()),
            _ => {
                let _ = writeln!(
                    notes,
                    "# The correlation data can't be written here: it isn't text. In Base64 it is {}.",
                    BASE64.encode(data)
                );
                return;
            }
        },
        Property::User(name, value) => {
            put_option(command, "-D publish user-property", name);
            command.push(' ');
            command.push_str(&quoted(value));
            return;
        }
        Property::SubscriptionId(_) | Property::TopicAlias(_) => return,
    };
    put_option(command, &format!("-D publish {name}"), &value);
}

fn put_option(command: &mut String, option: &str, value: &str) {
    command.push(' ');
    command.push_str(option);
    command.push(' ');
    command.push_str(&quoted(value));
}

/// Whether a terminal might interpret the character, or an argument can't hold it.
fn is_unsafe(c: char) -> bool {
    c.is_control() && c != '\n'
}

/// Quotes a text as one word of a POSIX shell. MQTT texts contain no U+0000, which no word could
/// hold.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.' | ':' | ',' | '@' | '%');
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    let mut utf8 = [0; 4];
    for c in text.chars() {
        if c == '\'' {
            word.push_str("'\\''");
        } else if is_unsafe(c) {
            // printf's own notation, which survives every way of copying.
            word.push_str("'\"$(printf '");
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(word, "\\{byte:03o}");
            }
            word.push_str("')\"'");
        } else {
            word.push(c);
        }
    }
    word.push('\'');
    word
}
