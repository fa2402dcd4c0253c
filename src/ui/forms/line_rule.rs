//! A rule for the crawl's lines as a person types it: choices and text fields become a [`Rule`], or
//! errors by field; and a preview of what a rule makes of messages.

use crate::dialogue::Line;
use crate::dialogue::rules::{LineRules, LineTemplate, Placeholder, Rule, Template, TemplateError};
use crate::mqtt::topic::TopicFilter;
use crate::named_enum::named_enum;
use crate::protocol::rows::Preview;
use crate::protocol::update::Sample;
use crate::ui::forms::field::FieldError;

named_enum! {
    /// The source of a speaker or of a line's text.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Source {
        /// Found automatically in the message.
        #[default]
        Found = "found",
        /// A field of JSON.
        Field = "field",
        /// A level of the topic.
        Level = "level",
        /// A text of the person's own, with placeholders for parts of the message.
        Sentence = "sentence",
        /// The whole payload.
        Payload = "payload",
        /// No speaker.
        Nobody = "nobody",
    }
}

impl Source {
    /// The sources of a speaker, in the order of the form.
    pub const OF_SPEAKER: [Self; 5] = [Self::Found, Self::Field, Self::Level, Self::Sentence, Self::Nobody];

    /// The sources of the text, in the order of the form.
    pub const OF_WORDS: [Self; 4] = [Self::Found, Self::Field, Self::Payload, Self::Sentence];

    /// Returns the source of a template, and the text to type for it.
    fn of(template: Option<&Template>) -> (Self, String) {
        let Some(template) = template else { return (Self::Found, String::new()) };
        match template.single_placeholder() {
            _ if template.as_str().trim().is_empty() => (Self::Nobody, String::new()),
            Some(Placeholder::Field(path)) if !path.contains(['{', '}']) => (Self::Field, path.to_owned()),
            Some(Placeholder::Level(level)) => (Self::Level, level.to_string()),
            Some(Placeholder::Payload) => (Self::Payload, String::new()),
            _ => (Self::Sentence, template.as_str().to_owned()),
        }
    }

    /// Returns the template; `None` if it is found automatically.
    fn template(self, typed: &str) -> Result<Option<Template>, String> {
        let template = match (self, typed.trim()) {
            (Self::Found, _) => return Ok(None),
            (Self::Nobody, _) => String::new(),
            (Self::Payload, _) => "{payload}".to_owned(),
            (Self::Field, "") => {
                return Err("Enter a field name, e.g. device, or sensor.name for a nested field.".to_owned());
            }
            (Self::Field, path) if path.contains(['{', '}']) => {
                return Err("Enter the field name without braces, e.g. sensor.name".to_owned());
            }
            // After a dot any name is a field's.
            (Self::Field, path) => format!("{{.{path}}}"),
            (Self::Level, level) => match level.parse() {
                Ok(0_isize) | Err(_) => {
                    return Err("Enter a number: 1 for the first level, -1 for the last.".to_owned());
                }
                Ok(level) => format!("{{{level}}}"),
            },
            (Self::Sentence, "") => return Err("Enter a template, e.g. the {1} reports {value}".to_owned()),
            (Self::Sentence, _) => typed.to_owned(),
        };
        Template::parse(template).map(Some).map_err(|error: TemplateError| error.to_string())
    }
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Topic filter.
    Topics,
    /// The speaker.
    Speaker,
    /// The text.
    Text,
}

/// A rule as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Topic filter.
    pub topics: String,
    /// Whether the crawl doesn't show the messages.
    pub is_hidden: bool,
    /// The source of the speaker …
    pub speaker_from: Source,
    /// … and the text typed for it.
    pub speaker: String,
    /// The source of the text …
    pub text_from: Source,
    /// … and the text typed for it.
    pub text: String,
}

impl From<&Rule> for Fields {
    /// Returns the rule as typed.
    fn from(rule: &Rule) -> Self {
        let wording = rule.wording.clone().unwrap_or_default();
        let (speaker_from, speaker) = Source::of(wording.speaker.as_ref());
        let (text_from, text) = Source::of(wording.text.as_ref());
        let (topics, is_hidden) = (rule.topics.to_string(), rule.wording.is_none());
        Self { topics, is_hidden, speaker_from, speaker, text_from, text }
    }
}

impl Fields {
    /// Returns the rule.
    ///
    /// # Errors
    ///
    /// Returns every error, in the order of the form.
    pub fn parse(&self) -> Result<Rule, Vec<FieldError<Field>>> {
        let mut faults = Vec::new();
        let topics = TopicFilter::parse(self.topics.as_str());
        if let Err(error) = &topics {
            faults.push(FieldError::new(Field::Topics, error));
        }
        let mut part = |field, source: Source, typed: &str| {
            source.template(typed).unwrap_or_else(|message| {
                faults.push(FieldError::new(field, message));
                None
            })
        };
        let wording = (!self.is_hidden).then(|| LineTemplate {
            speaker: part(Field::Speaker, self.speaker_from, &self.speaker),
            text: part(Field::Text, self.text_from, &self.text),
        });
        match topics {
            Ok(topics) if faults.is_empty() => Ok(Rule { topics, wording }),
            _ => Err(faults),
        }
    }
}

/// Describes a rule in a few words.
pub fn summary(rule: &Rule) -> String {
    let Some(LineTemplate { speaker, text }) = &rule.wording else { return "hidden from the crawl".to_owned() };
    let part = |name: &str, template: &Option<Template>| match Source::of(template.as_ref()) {
        (Source::Found, _) => format!("{name}: automatic"),
        (Source::Field, path) => format!("{name}: field {path}"),
        (Source::Level, level) => format!("{name}: topic level {level}"),
        (Source::Payload, _) => format!("{name}: full payload"),
        (Source::Nobody, _) => format!("no {name}"),
        (Source::Sentence, text) => format!("{name}: {text}"),
    };
    format!("{}; {}", part("speaker", speaker), part("text", text))
}

/// What the rules make of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePreview {
    /// Topic name.
    pub topic: String,
    /// The payload's beginning.
    pub payload: String,
    /// The line; `None` if the crawl doesn't show it.
    pub line: Option<Line>,
    /// The number of the rule that applied, from 1; `None` if none did.
    pub rule: Option<usize>,
    /// A placeholder of that rule for which the message has no value.
    pub lacks: Option<String>,
    /// The line as it is found automatically.
    pub found: Line,
}

/// Applies these rules to a message.
pub fn outcome(rules: &LineRules, Sample { topic, payload }: &Sample) -> RulePreview {
    let index = rules.rules.iter().position(|rule| rule.topics.matches(topic));
    let wording = index.and_then(|index| rules.rules[index].wording.as_ref());
    let shown = match crate::protocol::rows::preview(payload) {
        Preview::Text(text) | Preview::Hex(text) => text,
    };
    RulePreview {
        topic: topic.clone(),
        payload: shown,
        line: rules.line(topic, payload),
        rule: index.map(|index| index + 1),
        lacks: wording.and_then(|wording| wording.missing_placeholder(topic, payload)),
        found: Line::from_payload(topic, payload),
    }
}

/// Payloads of a few kinds, each on a topic that would have such a payload.
const KINDS: [(&str, &str); 5] = [
    ("StarWars", r#"{"character":"ADA","text":"Is anybody listening?"}"#),
    ("home/greenhouse/temperature", "21.4"),
    ("home/greenhouse/climate", r#"{"device":"thermometer","value":21.40,"unit":"°C"}"#),
    ("home/door", r#"{"state":"open","battery":{"percent":87}}"#),
    ("chat/harbour", "PIP: Good evening"),
];

/// The level that replaces a wildcard of a filter.
const ANY_LEVEL: &str = "greenhouse";

/// Returns examples for topics that the filter matches, for use before any message has arrived.
pub fn examples(filter: &TopicFilter) -> Vec<Sample> {
    let sample = |topic: &str, payload: &str| Sample { topic: topic.to_owned(), payload: payload.into() };
    let fitting: Vec<_> = KINDS.iter().filter(|(topic, _)| filter.matches(topic)).collect();
    if !fitting.is_empty() {
        return fitting.into_iter().map(|(topic, payload)| sample(topic, payload)).collect();
    }
    let shared = filter.share_name().map_or(0, |name| "$share//".len() + name.len());
    let open = |level| if matches!(level, "+" | "#") { ANY_LEVEL } else { level };
    let topic = filter.as_str()[shared..].split('/').map(open).collect::<Vec<_>>().join("/");
    KINDS.iter().map(|(_, payload)| sample(&topic, payload)).collect()
}
