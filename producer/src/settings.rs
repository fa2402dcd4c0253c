//! The settings of a transmission.

use std::path::PathBuf;
use std::time::Duration;

use mqtt_crawl::credentials::redact_url;
use mqtt_crawl::mqtt::broker_url::BrokerUrl;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::mqtt::topic::{TopicError, TopicName};
use mqtt_crawl::transmit::encoding::PayloadFormat;
use mqtt_crawl::transmit::playlist::Repeat;

/// Where and how lines are sent.
#[derive(Clone)]
pub struct Settings {
    /// The broker's address.
    pub broker: BrokerUrl,
    /// The topic name that the lines are published to. With `{speaker}` and `{line}` in it each line has its own, see
    /// [`topic_of`](mqtt_crawl::transmit::encoding::topic_of).
    pub topic: String,
    /// The interval between lines; zero is "as fast as the broker accepts them".
    pub interval: Duration,
    /// Once or repeatedly.
    pub repeat: Repeat,
    /// The first line to send, from 1; later rounds begin at 1.
    pub first_line: usize,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the broker retains the last line for later subscribers.
    pub retain: bool,
    /// `None` is "auto": 5.0 first, then 3.1.1.
    pub version: Option<Version>,
    /// Client identifier; `None` is a random one.
    pub client_id: Option<String>,
    /// User name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The payload format of a line.
    pub payload: PayloadFormat,
}

impl Settings {
    /// The defaults: topic `StarWars`, a line a second, once, QoS 1, JSON.
    pub fn new(broker: BrokerUrl) -> Self {
        Self {
            broker,
            topic: "StarWars".to_owned(),
            interval: Duration::from_secs(1),
            repeat: Repeat::ONCE,
            first_line: 1,
            qos: QoS::AtLeastOnce,
            retain: false,
            version: None,
            client_id: None,
            user_name: None,
            password: None,
            ca_file: None,
            payload: PayloadFormat::Json,
        }
    }

    /// Checks what can be checked without a connection and without a script.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        TopicName::parse(&self.topic)?;
        if self.ca_file.is_some() && !self.broker.scheme().is_tls() {
            return Err(SettingsError::CaWithoutTls { scheme: self.broker.scheme().name() });
        }
        if self.password.is_some() && self.user_name.is_none() {
            return Err(SettingsError::PasswordWithoutUser);
        }
        Ok(())
    }

    /// Whether a script with this number of lines has a first line to send.
    pub(crate) fn check_lines(&self, lines: u64) -> Result<(), SettingsError> {
        if lines == 0 {
            return Err(SettingsError::NoLines);
        }
        if !(1..=lines).contains(&(self.first_line as u64)) {
            return Err(SettingsError::NoSuchLine { first_line: self.first_line, lines });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Settings {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("broker", &redact_url(self.broker.as_str()))
            .field("topic", &self.topic)
            .field("interval", &self.interval)
            .field("repeat", &self.repeat)
            .field("qos", &self.qos)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// Why a transmission can't begin, with advice.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The topic isn't a topic name.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The script has no lines.
    #[error("No usable lines in the script.")]
    NoLines,
    /// The first line is beyond the end of the script.
    #[error("Can't start at line {first_line}: the script has lines 1 to {lines}.")]
    NoSuchLine {
        /// The requested line.
        first_line: usize,
        /// The number of lines.
        lines: u64,
    },
    /// A certificate authority for a connection without certificates.
    #[error("A CA file works only with mqtts:// and wss://; {scheme}:// isn't encrypted.")]
    CaWithoutTls {
        /// The scheme of the broker's URL.
        scheme: &'static str,
    },
    /// MQTT 3.1.1 can't carry it `[MQTT-3.1.2-22]`, and no broker can use it.
    #[error("A password requires a user name.")]
    PasswordWithoutUser,
    /// The CA file can't be used.
    #[error("Can't use the CA file {}: {reason}.", path.display())]
    Ca {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no trusted certificates.
    #[error("No certificate authorities are installed on this system; specify one with --ca.{reason}")]
    NoRoots {
        /// The errors while reading them; may be empty.
        reason: String,
    },
    /// TLS or WebSocket can't be used with this address.
    #[error("Can't use the broker URL: {reason}.")]
    Address {
        /// The reason.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_reported() {
        let check = |url: &str, change: fn(&mut Settings), lines: u64, expected: &str| {
            let mut settings = Settings::new(BrokerUrl::parse(url).expect(url));
            change(&mut settings);
            let checked = settings.check().and_then(|()| settings.check_lines(lines));
            let error = checked.err().map_or_else(String::new, |error| error.to_string());
            assert!(
                error.contains(expected) && error.is_empty() == expected.is_empty(),
                "{error:?} should say {expected:?}"
            );
        };
        check("mqtt://127.0.0.1", |_| {}, 3, "");
        check("mqtt://127.0.0.1", |s| s.first_line = 3, 3, "");
        check("mqtt://127.0.0.1", |s| s.first_line = 4, 3, "Can't start at line 4");
        check("mqtt://127.0.0.1", |s| s.first_line = 0, 3, "Can't start at line 0");
        check("mqtt://127.0.0.1", |_| {}, 0, "No usable lines");
        check("mqtt://127.0.0.1", |s| s.topic = "a/#".to_owned(), 3, "can't contain + or #");
        check("mqtt://127.0.0.1", |s| s.ca_file = Some("ca.pem".into()), 3, "mqtt:// isn't encrypted");
        check("wss://127.0.0.1", |s| s.ca_file = Some("ca.pem".into()), 3, "");
        check("mqtt://127.0.0.1", |s| s.password = Some(Vec::new()), 3, "requires a user name");
    }

    #[test]
    fn debug_output_hides_the_password() {
        let settings = Settings {
            password: Some(b"correct horse".to_vec()),
            ..Settings::new(BrokerUrl::parse("mqtt://127.0.0.1").expect("a URL"))
        };
        assert!(!format!("{settings:?}").contains("horse"));
    }
}
