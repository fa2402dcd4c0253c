//! Topic names and topic filters: parsed once, matched by the rules of
//! section 4.7, shared subscriptions (section 4.8.2) included.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest topic name or filter in bytes `[MQTT-4.7.3-3]`.
pub const TOPIC_BYTES_MAX: usize = u16::MAX as usize;

/// Maximum number of levels of a topic filter. The standard has no limit, but some brokers process levels by recursion,
/// and a few thousand crash them; real topics have about ten.
pub const TOPIC_LEVELS_MAX: usize = 128;

/// The prefix of a shared subscription `[MQTT-4.8.2-1]`.
const SHARE: &str = "$share/";

/// Prefixes that some brokers (EMQX, VerneMQ) treat as a special subscription: shared by all clients that request it,
/// or granted to one client. The topics of its messages lack the prefix.
const BROKER_PREFIXES: [&str; 2] = ["$queue/", "$exclusive/"];

/// Why a text is no valid topic name or topic filter, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// It is empty.
    Empty,
    /// It has more bytes than the two-byte length can count.
    TooLong {
        /// Its number of bytes.
        bytes: usize,
    },
    /// It has more levels than [`TOPIC_LEVELS_MAX`].
    TooManyLevels {
        /// Its number of levels.
        levels: usize,
    },
    /// It contains U+0000.
    Null,
    /// It is a topic name that contains `+` or `#`.
    WildcardInName,
    /// `#` shares its level with other characters.
    HashNotAlone,
    /// `#` is followed by another level.
    HashNotLast,
    /// `+` shares its level with other characters.
    PlusNotAlone,
    /// `$share/` isn't followed by a name.
    ShareNameEmpty,
    /// The name after `$share/` contains a wildcard.
    ShareNameWildcard,
    /// `$share/name` isn't followed by a filter.
    ShareWithoutFilter,
}

impl TopicError {
    /// What is wrong and what to do about it, for display.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Empty => "The topic is empty. Use # for all topics.",
            Self::TooLong { .. } => "The topic is too long (maximum 65,535 bytes).",
            Self::TooManyLevels { .. } => {
                "The topic has more than 128 levels, which some brokers don't support. Use fewer, or # for the last \
                 ones."
            }
            Self::Null => "The topic contains U+0000, which MQTT doesn't allow.",
            Self::WildcardInName => "The topic of a message can't contain + or #.",
            Self::HashNotAlone => "# must be the last level on its own, e.g. a/#",
            Self::HashNotLast => {
                "# must be the last level on its own, e.g. a/# (for one level in between use +: a/+/b)"
            }
            Self::PlusNotAlone => "+ must be a whole level: a/+/b, not a/x+/b",
            Self::ShareNameEmpty => "A shared subscription needs a name after $share/: $share/name/filter",
            Self::ShareNameWildcard => "The name of a shared subscription can't contain + or #: $share/name/filter",
            Self::ShareWithoutFilter => "A shared subscription needs a filter after its name: $share/name/filter",
        }
    }

    /// The violated statement of the standard (5.0).
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Empty => "[MQTT-4.7.3-1]",
            Self::TooLong { .. } => "[MQTT-4.7.3-3]",
            // No statement: it is our own limit.
            Self::TooManyLevels { .. } => "section 4.7.1.1",
            Self::Null => "[MQTT-4.7.3-2]",
            Self::WildcardInName => "[MQTT-4.7.0-1]",
            Self::HashNotAlone | Self::HashNotLast => "[MQTT-4.7.1-1]",
            Self::PlusNotAlone => "[MQTT-4.7.1-2]",
            Self::ShareNameEmpty => "[MQTT-4.8.2-1]",
            Self::ShareNameWildcard | Self::ShareWithoutFilter => "[MQTT-4.8.2-2]",
        }
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for TopicError {}

/// A valid topic name, to which a message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Parses a topic name; empty levels are allowed, wildcards are not `[MQTT-4.7.0-1]`.
    ///
    /// # Errors
    /// What is wrong with the text and what to do.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        check_text(text)?;
        if text.contains(['+', '#']) {
            return Err(TopicError::WildcardInName);
        }
        Ok(Self(text))
    }

    /// The name as it was given.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A valid topic filter: one topic, or many by wildcards, possibly shared with other clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicFilter(String);

impl TopicFilter {
    /// Parses a topic filter.
    ///
    /// # Errors
    /// What is wrong with the text and what to do.
    pub fn parse(text: impl Into<String>) -> Result<Self, TopicError> {
        let text = text.into();
        check_filter(&text)?;
        let levels = split_share(&text).map_or(&*text, |(_, filter)| filter).split('/').count();
        if levels > TOPIC_LEVELS_MAX {
            return Err(TopicError::TooManyLevels { levels });
        }
        Ok(Self(text))
    }

    /// The filter as it was given, `$share/…` included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the subscription is shared; `None` if it isn't.
    pub fn share_name(&self) -> Option<&str> {
        split_share(&self.0).map(|(name, _)| name)
    }

    /// Whether it contains `+` or `#`.
    pub fn has_wildcards(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Whether the filter matches a topic.
    ///
    /// A filter that starts with a wildcard doesn't match topics that start with `$` `[MQTT-4.7.2-1]`: `#` doesn't
    /// match `$SYS/broker/uptime`, `$SYS/#` does.
    ///
    /// A filter such as `$queue/a/#` matches `a/b`, as on brokers that support it, and `$queue/a/b`, as in the
    /// standard.
    pub fn matches(&self, topic: &str) -> bool {
        let filter = split_share(&self.0).map_or(self.as_str(), |(_, filter)| filter);
        let bare = BROKER_PREFIXES.iter().find_map(|prefix| filter.strip_prefix(prefix));
        bare.is_some_and(|bare| !bare.is_empty() && matches(bare, topic)) || matches(filter, topic)
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    if topic.is_empty() || (topic.starts_with('$') && filter.starts_with(['+', '#'])) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        // Also if the topic has no level left: `a/#` matches `a`.
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TopicFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TopicFilter {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        Self::parse(text)
    }
}

impl From<TopicFilter> for String {
    fn from(filter: TopicFilter) -> Self {
        filter.0
    }
}

/// Checks a topic filter without keeping it.
pub(super) fn check_filter(text: &str) -> Result<(), TopicError> {
    check_text(text)?;
    let filter = match text.strip_prefix(SHARE) {
        None => text,
        Some(shared) => {
            let (name, filter) = shared.split_once('/').unwrap_or((shared, ""));
            if name.is_empty() {
                return Err(TopicError::ShareNameEmpty);
            }
            if name.contains(['+', '#']) {
                return Err(TopicError::ShareNameWildcard);
            }
            if filter.is_empty() {
                return Err(TopicError::ShareWithoutFilter);
            }
            filter
        }
    };
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') {
            if level != "#" {
                return Err(TopicError::HashNotAlone);
            }
            if levels.peek().is_some() {
                return Err(TopicError::HashNotLast);
            }
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError::PlusNotAlone);
        }
    }
    Ok(())
}

/// Whether a checked filter is a shared subscription.
pub(super) fn is_shared(filter: &str) -> bool {
    filter.starts_with(SHARE)
}

/// Share name and filter of a checked shared subscription.
fn split_share(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(SHARE)?.split_once('/')
}

/// The rules for names and filters `[MQTT-4.7.3-1]` to `[MQTT-4.7.3-3]`.
fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > TOPIC_BYTES_MAX {
        return Err(TopicError::TooLong { bytes: text.len() });
    }
    if text.as_bytes().contains(&0) {
        return Err(TopicError::Null);
    }
    Ok(())
}
