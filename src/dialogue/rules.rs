//! Line rules: how the person's own rules turn a message into a line of the crawl, and what is
//! derived automatically if none applies.
//!
//! A rule applies to the topics that a filter matches; the first matching rule decides. It either
//! hides the messages from the crawl, or sets speaker and text, each by a template or
//! automatically. In a template, braces contain a placeholder for a part of the message:
//!
//! | placeholder | value |
//! |---|---|
//! | `{topic}` | the topic name |
//! | `{1}`, `{-1}` | its first level, its last level |
//! | `{payload}` | the whole payload, JSON on one line |
//! | `{value}` | the field `value` of JSON; for anything else the whole payload |
//! | `{unit}`, `{sensor.name}`, `{list.0}` | that field of JSON, by names or positions from 0 |
//! | `{.topic}` | the field `topic`: with a dot before it, any name is a field |
//! | `{{`, `}}` | a brace |
//!
//! Numbers are kept as written. If a message lacks a placeholder's value, or it is `null`, speaker
//! or text are derived automatically: a rule for readings doesn't spoil other messages. With a text
//! from a template, only the message can name a speaker, never the topic.
//!
//! Links and the app's settings store a rule in these keys: `line`, the filter, begins it;
//! `speaker` and `words` after it are its templates. `hide` is a rule for hidden messages.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialogue::{Line, ParsedPayload, field, json_of, on_one_line, shown, text_of};
use crate::mqtt::topic::{TopicError, TopicFilter};

/// The most rules: more are hard to keep track of, and each costs a comparison for every topic.
pub const RULES_MAX: usize = 32;

/// The rules, in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRules {
    /// At most [`RULES_MAX`].
    pub rules: Vec<Rule>,
}

/// A rule for the messages on some topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The topics.
    pub topics: TopicFilter,
    /// How the line is made; `None` hides the messages from the crawl.
    pub wording: Option<LineTemplate>,
}

/// How a line is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineTemplate {
    /// The speaker: empty for none, `None` for the one that the message itself names.
    pub speaker: Option<Template>,
    /// The text, never empty; `None` for the message's own text.
    pub text: Option<Template>,
}

/// Text with placeholders for parts of a message; see the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(String);

/// Why a text isn't a template, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A closing brace without an opening one.
    #[error("Unmatched }}. To show a brace, double it: }}}}")]
    Unopened,
    /// An opening brace without a closing one.
    #[error("Missing }} after “{0}”. To show a brace, double it: {{{{")]
    Unclosed(String),
    /// Two braces with nothing between them.
    #[error("Empty braces. Enter a placeholder, such as {{value}} or {{1}}.")]
    EmptyPlaceholder,
    /// A level that doesn't exist.
    #[error("There is no level 0. {{1}} is the first level of the topic, {{-1}} the last.")]
    LevelZero,
}

/// Why a key of a link or of the settings isn't a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The topic filter is invalid.
    #[error("{0}")]
    Topics(TopicError),
    /// The template is invalid.
    #[error("{0}")]
    Template(TemplateError),
    /// The text is empty.
    #[error("Empty template. Leave it out to use the message's own text.")]
    EmptyText,
    /// The key doesn't follow a `line`, or is repeated after the same one.
    #[error("It must follow line=…, and at most once.")]
    WithoutLine,
    /// More rules than [`RULES_MAX`].
    #[error("Too many rules (maximum 32).")]
    TooMany,
}

impl LineRules {
    /// Returns the line of a message; `None` if the crawl hides it.
    pub fn line(&self, topic: &str, payload: &[u8]) -> Option<Line> {
        match self.rule_for(topic) {
            None => Some(Line::from_payload(topic, payload)),
            Some(rule) => rule.wording.as_ref().map(|wording| wording.line(topic, payload)),
        }
    }

    /// Returns the rule that decides about a topic.
    pub fn rule_for(&self, topic: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.topics.matches(topic))
    }

    /// Whether the crawl shows messages of this topic.
    pub fn shows(&self, topic: &str) -> bool {
        self.rule_for(topic).is_none_or(|rule| rule.wording.is_some())
    }

    /// Whether it shows messages of every topic.
    pub fn hides_nothing(&self) -> bool {
        self.rules.iter().all(|rule| rule.wording.is_some())
    }

    /// Applies one of the [`LineRules::KEYS`] and its value.
    ///
    /// # Errors
    /// Describes what is wrong with it; then nothing has changed.
    pub fn read(&mut self, key: &str, value: &str) -> Result<(), KeyError> {
        if key == "line" || key == "hide" {
            let topics = TopicFilter::parse(value).map_err(KeyError::Topics)?;
            if self.rules.len() == RULES_MAX {
                return Err(KeyError::TooMany);
            }
            self.rules.push(Rule { topics, wording: (key == "line").then(LineTemplate::default) });
            return Ok(());
        }
        let wording = self.rules.last_mut().and_then(|rule| rule.wording.as_mut()).ok_or(KeyError::WithoutLine)?;
        let template = match key {
            "speaker" => &mut wording.speaker,
            _ if value.trim().is_empty() => return Err(KeyError::EmptyText),
            _ => &mut wording.text,
        };
        if template.is_some() {
            return Err(KeyError::WithoutLine);
        }
        *template = Some(Template::parse(value).map_err(KeyError::Template)?);
        Ok(())
    }

    /// The keys that [`LineRules::read`] accepts.
    pub const KEYS: [&str; 4] = ["line", "hide", "speaker", "words"];

    /// Calls `write` with every key and its value, in order.
    pub fn write(&self, write: &mut dyn FnMut(&str, &str)) {
        for Rule { topics, wording } in &self.rules {
            write(if wording.is_some() { "line" } else { "hide" }, topics.as_str());
            let Some(LineTemplate { speaker, text }) = wording else { continue };
            for (key, template) in [("speaker", speaker), ("words", text)] {
                if let Some(template) = template {
                    write(key, &template.0);
                }
            }
        }
    }
}

impl LineTemplate {
    /// Returns the line of a message on a topic of the rule.
    pub fn line(&self, topic: &str, payload: &[u8]) -> Line {
        let message = Message::new(topic, payload);
        let render =
            |template: &Option<Template>| template.as_ref().and_then(|template| template.render(&message).ok());
        // A speaker may be empty; an empty text counts as missing.
        let (speaker, text) = (render(&self.speaker), render(&self.text).filter(|text| !text.is_empty()));
        match (speaker, text) {
            (Some(character), Some(text)) => Line { character, text },
            // For a text from the person's template, only the message can name the speaker.
            (speaker, Some(text)) => {
                let named = || ParsedPayload::from_payload(topic, payload).speaker.unwrap_or_default();
                Line { character: speaker.unwrap_or_else(named), text }
            }
            (speaker, None) => {
                let found = Line::from_payload(topic, payload);
                Line { character: speaker.unwrap_or(found.character), text: found.text }
            }
        }
    }

    /// Returns the first placeholder, as written, that this message has no value for.
    pub fn missing_placeholder(&self, topic: &str, payload: &[u8]) -> Option<String> {
        let message = Message::new(topic, payload);
        [&self.speaker, &self.text]
            .into_iter()
            .flatten()
            .find_map(|template| template.render(&message).err())
            .map(str::to_owned)
    }
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Describes what is wrong with a placeholder in it.
    pub fn parse(text: impl Into<String>) -> Result<Self, TemplateError> {
        let text = text.into();
        for part in Parts(&text) {
            part?;
        }
        Ok(Self(text))
    }

    /// Returns the template as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the placeholder that makes up the whole template; `None` if it has other text, or
    /// none or several placeholders.
    pub fn single_placeholder(&self) -> Option<Placeholder<'_>> {
        let mut parts = Parts(self.0.trim());
        match (parts.next(), parts.next()) {
            (Some(Ok(Part::Placeholder(placeholder, _))), None) => Some(placeholder),
            _ => None,
        }
    }

    /// Returns the text, or the placeholder that the message has no value for.
    fn render(&self, message: &Message<'_>) -> Result<String, &str> {
        let mut rendered = String::new();
        for part in Parts(&self.0) {
            match part {
                Ok(Part::Text(text)) => rendered.push_str(text),
                Ok(Part::Placeholder(placeholder, written)) => {
                    rendered.push_str(&message.find(placeholder).ok_or(written)?);
                }
                // Parsing has excluded this.
                Err(_) => {}
            }
        }
        Ok(rendered.trim().to_owned())
    }
}

/// A placeholder for a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder<'a> {
    /// The topic name.
    Topic,
    /// A level of the topic: 1 is the first, -1 the last.
    Level(isize),
    /// The whole payload.
    Payload,
    /// The field `value`, or the whole payload if it has no fields.
    Value,
    /// A field of JSON: names, or list positions, separated by dots.
    Field(&'a str),
}

impl<'a> Placeholder<'a> {
    /// Parses a placeholder.
    fn parse(written: &'a str) -> Result<Self, TemplateError> {
        Ok(match written {
            "" | "." => return Err(TemplateError::EmptyPlaceholder),
            "topic" => Self::Topic,
            "payload" => Self::Payload,
            "value" => Self::Value,
            name => match name.parse() {
                Ok(0) => return Err(TemplateError::LevelZero),
                Ok(level) => Self::Level(level),
                Err(_) => Self::Field(name.strip_prefix('.').unwrap_or(name).trim_start()),
            },
        })
    }
}

enum Part<'a> {
    Text(&'a str),
    /// A placeholder, and how it is written.
    Placeholder(Placeholder<'a>, &'a str),
}

/// Iterates over the parts of a template; ends at an error.
struct Parts<'a>(&'a str);

impl<'a> Parts<'a> {
    fn placeholder(&mut self, opened: &'a str) -> Result<Part<'a>, TemplateError> {
        let (written, rest) = opened.split_once('}').ok_or_else(|| TemplateError::Unclosed(opened.to_owned()))?;
        self.0 = rest;
        let written = written.trim();
        Ok(Part::Placeholder(Placeholder::parse(written)?, written))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, TemplateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let all = std::mem::take(&mut self.0);
        if all.is_empty() {
            return None;
        }
        let end = match all.find(['{', '}']) {
            // An escaped brace.
            Some(0) if all.starts_with("{{") || all.starts_with("}}") => {
                self.0 = &all[2..];
                return Some(Ok(Part::Text(&all[..1])));
            }
            Some(0) => {
                return Some(match all.strip_prefix('{') {
                    Some(opened) => self.placeholder(opened),
                    None => Err(TemplateError::Unopened),
                });
            }
            end => end.unwrap_or(all.len()),
        };
        self.0 = &all[end..];
        Some(Ok(Part::Text(&all[..end])))
    }
}

/// A message to render placeholders from.
struct Message<'a> {
    topic: &'a str,
    /// `None` if it isn't text, or is blank.
    text: Option<&'a str>,
    json: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        let text = text_of(payload).filter(|text| !text.is_empty());
        Self { topic, text, json: text.and_then(json_of) }
    }

    fn find(&self, placeholder: Placeholder<'_>) -> Option<String> {
        match placeholder {
            Placeholder::Topic => Some(self.topic.to_owned()),
            Placeholder::Level(level) => level_of(self.topic, level).map(str::to_owned),
            Placeholder::Value if self.json.is_some() => self.find(Placeholder::Field("value")),
            Placeholder::Payload | Placeholder::Value => Some(match self.json {
                Some(json) => on_one_line(json.get()),
                None => self.text?.to_owned(),
            }),
            Placeholder::Field(path) => field(self.json?, path).filter(|value| value.get() != "null").map(shown),
        }
    }
}

fn level_of(topic: &str, level: isize) -> Option<&str> {
    let index = level.unsigned_abs().checked_sub(1)?;
    if level > 0 { topic.split('/').nth(index) } else { topic.rsplit('/').nth(index) }
}
