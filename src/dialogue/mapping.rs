//! What becomes of a message on the crawl: rules of the person, and what is
//! found by itself where none applies.
//!
//! A rule is for the topics that a filter matches, and makes speaker and words
//! by templates. In a template, braces hold a place in the message:
//!
//! | place | is |
//! |---|---|
//! | `{topic}` | the whole topic name |
//! | `{topic/1}`, `{topic/-1}` | its first level, its last level |
//! | `{payload}` | the whole payload, on one line |
//! | `{value}`, `{sensor.temp}`, `{list.0}` | that field of a payload in JSON, by names or places from 0 |
//! | `{payload.topic}` | the field `topic`, which would else be the topic name |
//! | `{{`, `}}` | a brace |
//!
//! The first rule that matches the topic and finds all its places makes the
//! line. So a rule for readings lets pass what isn't one.

use serde::{Deserialize, Serialize};

use super::{Line, json, on_one_line, shown};
use crate::mqtt::topic::{TopicError, TopicFilter};

/// Most rules; a person doesn't keep more in mind, and each costs a look.
pub const RULES_MAX: usize = 32;

/// The rules, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// At most [`RULES_MAX`]; the rest is never tried.
    pub rules: Vec<Rule>,
}

/// What becomes of the messages on some topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Topic filter, as in a subscription.
    pub topics: String,
    /// `None`: the crawl doesn't tell them.
    pub told: Option<Told>,
}

/// How a line is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Template of the speaker; the empty one leaves the speaker to what is
    /// found by itself.
    pub speaker: String,
    /// Template of the words; the empty one as above.
    pub words: String,
}

/// What is wrong with a rule, in words, and with which part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The topic filter.
    #[error("{0}")]
    Topics(TopicError),
    /// The template of the speaker.
    #[error("{0}")]
    Speaker(String),
    /// The template of the words.
    #[error("{0}")]
    Words(String),
}

impl Rule {
    /// Whether it can be tried.
    ///
    /// # Errors
    /// Says what is wrong, and how it should be.
    pub fn check(&self) -> Result<(), RuleError> {
        TopicFilter::parse(&self.topics).map_err(RuleError::Topics)?;
        if let Some(Told { speaker, words }) = &self.told {
            parse(speaker).map_err(RuleError::Speaker)?;
            parse(words).map_err(RuleError::Words)?;
        }
        Ok(())
    }
}

impl Mapping {
    /// The line of a message; `None` where the crawl is not to tell it. A rule
    /// that can't be tried is passed over.
    pub fn line(&self, topic: &str, payload: &[u8]) -> Option<Line> {
        for rule in self.rules.iter().take(RULES_MAX) {
            if !TopicFilter::parse(&rule.topics).is_ok_and(|filter| filter.matches(topic)) {
                continue;
            }
            let Some(told) = &rule.told else { return None };
            if let Some(line) = told.line(topic, payload) {
                return Some(line);
            }
        }
        Some(Line::from_payload(topic, payload))
    }
}

impl Told {
    /// `None` where a place isn't in this message.
    fn line(&self, topic: &str, payload: &[u8]) -> Option<Line> {
        let filled = |template: &str| match template.trim() {
            "" => Some(None),
            template => fill(template, topic, payload).map(Some),
        };
        let (speaker, words) = (filled(&self.speaker)?, filled(&self.words)?);
        let found = match (&speaker, &words) {
            (Some(_), Some(_)) => Line { character: String::new(), text: String::new() },
            _ => Line::from_payload(topic, payload),
        };
        Some(Line { character: speaker.unwrap_or(found.character), text: words.unwrap_or(found.text) })
    }
}

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

fn fill(template: &str, topic: &str, payload: &[u8]) -> Option<String> {
    let mut filled = String::new();
    for part in parse(template).ok()? {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Place(place) => filled.push_str(&find(place, topic, payload)?),
        }
    }
    Some(filled)
}

fn find(place: &str, topic: &str, payload: &[u8]) -> Option<String> {
    match place {
        "topic" => return Some(topic.to_owned()),
        "payload" => return Some(on_one_line(str::from_utf8(payload).ok()?.trim())),
        _ => {}
    }
    if let Some(level) = place.strip_prefix("topic/") {
        return level_of(topic, level.parse().ok()?).map(str::to_owned);
    }
    let mut value = json(str::from_utf8(payload).ok()?)?;
    for name in place.strip_prefix("payload.").unwrap_or(place).split('.') {
        value = super::inside(value, name)?;
    }
    Some(shown(value))
}

/// 1 is the first level, -1 the last.
fn level_of(topic: &str, level: isize) -> Option<&str> {
    let from_end = level.checked_neg()?.checked_sub(1);
    match level.checked_sub(1).map(usize::try_from) {
        Some(Ok(place)) => topic.split('/').nth(place),
        _ => topic.rsplit('/').nth(usize::try_from(from_end?).ok()?),
    }
}

/// Splits a template into texts and places.
fn parse(template: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        parts.push(Part::Text(before));
        // A brace that stands for itself.
        if brace.starts_with("{{") || brace.starts_with("}}") {
            parts.push(Part::Text(&brace[..1]));
            rest = &brace[2..];
            continue;
        }
        let Some(place) = brace.strip_prefix('{') else {
            return Err("A } without a { before it. To show a brace, write it twice: }}".to_owned());
        };
        let Some((place, after)) = place.split_once('}') else {
            return Err(format!("The {{ before “{place}” isn't closed. To show a brace, write it twice: {{{{"));
        };
        let place = place.trim();
        if place.is_empty() {
            return Err("Between { and } stands a field, such as {value}, or {topic/1}.".to_owned());
        }
        let level = place.strip_prefix("topic/").map(str::parse::<isize>);
        if level.is_some_and(|level| !level.is_ok_and(|level| level != 0)) {
            return Err(format!("{{{place}}}: levels are counted from 1, or from -1 for the last one."));
        }
        parts.push(Part::Place(place));
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts.retain(|part| *part != Part::Text(""));
    Ok(parts)
}
