//! A rule for the crawl's lines as a person types it: choices and text fields
//! become a [`Rule`], or faults by field; and what a rule makes of messages.

use crate::dialogue::Line;
use crate::dialogue::rules::{LineRules, LineTemplate, Placeholder, Rule, Template, TemplateError};
use crate::mqtt::topic::TopicFilter;
use crate::protocol::rows::Preview;
use crate::protocol::update::Sample;
use crate::ui::forms::field::Fault;

/// Where a speaker, or words, come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// From the message, found by itself.
    #[default]
    Found,
    /// A field of JSON.
    Field,
    /// A level of the topic.
    Level,
    /// Words of the person's own, with places for parts of the message.
    Sentence,
    /// The whole payload.
    Payload,
    /// Nobody speaks.
    Nobody,
}

impl Source {
    /// Those of a speaker, in the order of the form.
    pub const OF_SPEAKER: [Self; 5] = [Self::Found, Self::Field, Self::Level, Self::Sentence, Self::Nobody];

    /// Those of words, in the order of the form.
    pub const OF_WORDS: [Self; 4] = [Self::Found, Self::Field, Self::Payload, Self::Sentence];

    /// Its name in the form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Field => "field",
            Self::Level => "level",
            Self::Sentence => "sentence",
            Self::Payload => "payload",
            Self::Nobody => "nobody",
        }
    }

    /// The source of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Found, Self::Field, Self::Level, Self::Sentence, Self::Payload, Self::Nobody];
        all.into_iter().find(|source| source.name() == name)
    }

    /// Whether something has to be typed for it.
    pub const fn has_text(self) -> bool {
        matches!(self, Self::Field | Self::Level | Self::Sentence)
    }

    /// The source of a template, and what is typed for it.
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

    /// The template; `None` for what is found by itself.
    fn template(self, typed: &str) -> Result<Option<Template>, String> {
        let template = match (self, typed.trim()) {
            (Self::Found, _) => return Ok(None),
            (Self::Nobody, _) => String::new(),
            (Self::Payload, _) => "{payload}".to_owned(),
            (Self::Field, "") => {
                return Err("Name the field: device, or sensor.name for one inside another.".to_owned());
            }
            (Self::Field, path) if path.contains(['{', '}']) => {
                return Err("A field is named without braces: sensor.name".to_owned());
            }
            // Behind a dot any name is a field's.
            (Self::Field, path) => format!("{{.{path}}}"),
            (Self::Level, level) => match level.parse() {
                Ok(0_isize) | Err(_) => return Err("A number: 1 for the first level, -1 for the last.".to_owned()),
                Ok(level) => format!("{{{level}}}"),
            },
            (Self::Sentence, "") => return Err("Write something, such as: the {1} reports {value}".to_owned()),
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
    /// Who speaks.
    Speaker,
    /// What is said.
    Words,
}

/// A rule as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Topic filter.
    pub topics: String,
    /// The crawl doesn't tell them.
    pub is_hidden: bool,
    /// Where the speaker comes from …
    pub speaker_from: Source,
    /// … and what is typed for that.
    pub speaker: String,
    /// Where the words come from …
    pub words_from: Source,
    /// … and what is typed for that.
    pub words: String,
}

impl From<&Rule> for Fields {
    /// The rule as one would type it.
    fn from(rule: &Rule) -> Self {
        let wording = rule.wording.clone().unwrap_or_default();
        let (speaker_from, speaker) = Source::of(wording.speaker.as_ref());
        let (words_from, words) = Source::of(wording.words.as_ref());
        let (topics, is_hidden) = (rule.topics.to_string(), rule.wording.is_none());
        Self { topics, is_hidden, speaker_from, speaker, words_from, words }
    }
}

impl Fields {
    /// The rule.
    ///
    /// # Errors
    /// Every fault, in the order of the form.
    pub fn parse(&self) -> Result<Rule, Vec<Fault<Field>>> {
        let mut faults = Vec::new();
        let topics = TopicFilter::parse(self.topics.as_str());
        if let Err(error) = &topics {
            faults.push(Fault::new(Field::Topics, error));
        }
        let mut part = |field, source: Source, typed: &str| {
            source.template(typed).unwrap_or_else(|words| {
                faults.push(Fault::new(field, words));
                None
            })
        };
        let wording = (!self.is_hidden).then(|| LineTemplate {
            speaker: part(Field::Speaker, self.speaker_from, &self.speaker),
            words: part(Field::Words, self.words_from, &self.words),
        });
        match topics {
            Ok(topics) if faults.is_empty() => Ok(Rule { topics, wording }),
            _ => Err(faults),
        }
    }
}

/// A rule in a few words.
pub fn summary(rule: &Rule) -> String {
    let Some(LineTemplate { speaker, words }) = &rule.wording else { return "not in the crawl".to_owned() };
    let part = |name: &str, template: &Option<Template>| match Source::of(template.as_ref()) {
        (Source::Found, _) => format!("{name} found by itself"),
        (Source::Field, path) => format!("{name}: the field {path}"),
        (Source::Level, level) => format!("{name}: level {level} of the topic"),
        (Source::Payload, _) => format!("{name}: the whole payload"),
        (Source::Nobody, _) => format!("no {name}"),
        (Source::Sentence, text) => format!("{name}: {text}"),
    };
    format!("{}; {}", part("speaker", speaker), part("words", words))
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePreview {
    /// Topic name.
    pub topic: String,
    /// The payload's beginning.
    pub payload: String,
    /// The line; `None` where the crawl doesn't tell it.
    pub line: Option<Line>,
    /// Which rule decided, from 1; `None` for none.
    pub rule: Option<usize>,
    /// A place of that rule that the message has nothing for.
    pub lacks: Option<String>,
    /// The line as it is found by itself.
    pub found: Line,
}

/// What these rules make of a message.
pub fn outcome(mapping: &LineRules, Sample { topic, payload }: &Sample) -> RulePreview {
    let place = mapping.rules.iter().position(|rule| rule.topics.matches(topic));
    let wording = place.and_then(|place| mapping.rules[place].wording.as_ref());
    let shown = match crate::protocol::rows::preview(payload) {
        Preview::Text(text) | Preview::Hex(text) => text,
    };
    RulePreview {
        topic: topic.clone(),
        payload: shown,
        line: mapping.line(topic, payload),
        rule: place.map(|place| place + 1),
        lacks: wording.and_then(|wording| wording.missing_placeholder(topic, payload)),
        found: Line::from_payload(topic, payload),
    }
}

/// Payloads of a few kinds, each on a topic that would have such.
const KINDS: [(&str, &str); 5] = [
    ("StarWars", r#"{"character":"ADA","text":"Is anybody listening?"}"#),
    ("home/greenhouse/temperature", "21.4"),
    ("home/greenhouse/climate", r#"{"device":"thermometer","value":21.40,"unit":"°C"}"#),
    ("home/door", r#"{"state":"open","battery":{"percent":87}}"#),
    ("chat/harbour", "PIP: Good evening"),
];

/// What stands for a level that a filter leaves open.
const ANY_LEVEL: &str = "greenhouse";

/// Examples for topics that the filter matches, for where no message came yet.
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
