//! Which of the kept messages a person wants to see.
//!
//! The query line is a list of terms, all of which must hold:
//!
//! | term | holds for messages |
//! |---|---|
//! | `word` | with the word in their topic or payload, capitals or not |
//! | `"two words"` | with exactly this phrase; `\"` and `\\` inside |
//! | `topic:FILTER` | whose topic the filter matches, `+`, `#` and `$share/…` as in MQTT |
//! | `payload:word` | with the word in their payload |
//! | `hex:ff00` | with exactly these bytes in their payload |
//! | `character:NAME` | whose speaker has this in the name, as the crawl reads it |
//! | `qos:0`, `qos:1`, `qos:2` | that came with this quality of service |
//! | `retain:yes`, `retain:no` | that are, or aren't, retained ones |
//! | `dup:yes`, `dup:no` | that are, or aren't, marked as sent before |
//! | `after:TIME` | that came then or later |
//! | `before:TIME` | that came earlier |
//! | `-term` | for which the term, any of those above, doesn't hold |
//!
//! A TIME is of today, as in `10:05` and `10:05:30.5`, or of another day, as in
//! `2026-11-21` and `2026-11-21T10:05`; in the person's own zone, or in UTC
//! with a `Z` at its end. Or it is so long before the line was typed: `-30s`,
//! `-5m`, `-2h`, `-1d`.
//!
//! Anything else with a colon is a plain word, as in `12:30` or `{"a":1}`; what
//! begins with a minus is one in quotation marks, as in `"-5"`. An empty line
//! lets everything through.

mod matches;
mod needle;
pub mod suggest;

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

pub use crate::message_log::query::matches::Matches;
use crate::message_log::query::needle::Needle;

use crate::dialogue::rules::LineRules;
use crate::message_log::Message;
use crate::mqtt::packet::QoS;
use crate::mqtt::topic::{TopicError, TopicFilter};
use crate::rfc3339::{parse_time, put_time};
use crate::time::Instant;

/// Where a query is typed, and when: times of day are of that zone and day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// The moment.
    pub now: Instant,
    /// How far its clocks are ahead of UTC, in minutes.
    pub ahead_of_utc_min: i32,
}

/// A query line, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The cheapest first.
    terms: Vec<Term>,
}

/// Why a query line isn't understood, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct QueryError {
    /// Where the term that isn't understood begins, in bytes of the line.
    pub at: usize,
    /// What is wrong, for people.
    pub words: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    test: Test,
    /// What the test has to say; `false` behind a minus.
    expected: bool,
}

/// What a term looks at, the cheapest first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    After(Instant),
    QoS(QoS),
    Retain,
    Dup,
    Topic(TopicFilter),
    Payload(Needle),
    /// In topic or payload.
    Text(Needle),
    Character(Speaker),
}

impl Query {
    /// Terms that one line may have.
    pub const TERMS_MAX: usize = 64;

    /// Places that are told of one text, for rows that are full of them.
    const HITS_MAX: usize = 32;

    /// Reads a query line that was typed there and then.
    ///
    /// # Errors
    /// Says which term isn't understood and what it should look like.
    pub fn parse(line: &str, typed: LocalTime) -> Result<Self, QueryError> {
        let mut terms = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let at = line.len() - rest.len();
            let (term, after) = read_term(rest, typed).map_err(|words| QueryError { at, words })?;
            if let Some(term) = term {
                let place = terms.partition_point(|other: &Term| other.test.cost() <= term.test.cost());
                terms.insert(place, term);
            }
            if terms.len() > Self::TERMS_MAX {
                let words = format!("A filter has at most {} terms. Leave out the rest.", Self::TERMS_MAX);
                return Err(QueryError { at, words });
            }
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }

    /// The same, with speakers by these rules of the crawl. A message that it
    /// doesn't tell has none.
    #[must_use]
    pub fn with_rules(mut self, mapping: &Rc<LineRules>) -> Self {
        for term in &mut self.terms {
            if let Test::Character(speaker) = &mut term.test {
                speaker.mapping = Rc::clone(mapping);
            }
        }
        self
    }

    /// Whether it depends on who speaks.
    pub fn uses_speaker(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Character(_)))
    }

    /// Whether every message is let through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the message is let through.
    pub fn matches(&self, message: &Message<'_>) -> bool {
        self.holds(message, self.of_topic(message.topic))
    }

    /// Where in the topic of a message that is let through the words are, in
    /// bytes: in order, apart from each other, and only the first of very many.
    pub fn hits_in_topic(&self, topic: &str) -> Vec<Range<usize>> {
        self.hits(topic.as_bytes(), |test| match test {
            Test::Text(needle) => Some(needle),
            _ => None,
        })
    }

    /// The same for its payload, or for the part of it that is shown.
    pub fn hits_in_payload(&self, payload: &[u8]) -> Vec<Range<usize>> {
        self.hits(payload, |test| match test {
            Test::Text(needle) | Test::Payload(needle) => Some(needle),
            _ => None,
        })
    }

    fn hits(&self, haystack: &[u8], needle_of: impl Fn(&Test) -> Option<&Needle>) -> Vec<Range<usize>> {
        let mut hits: Vec<Range<usize>> = Vec::new();
        let wanted = self.terms.iter().filter(|term| term.expected);
        for needle in wanted.filter_map(|term| needle_of(&term.test)) {
            let mut from = 0;
            while hits.len() < Self::HITS_MAX
                && let Some(hit) = needle.find(haystack, from)
            {
                from = hit.end;
                // The standard library's sorting would cost the worker kilobytes.
                let place = hits.partition_point(|other| other.start <= hit.start);
                hits.insert(place, hit);
            }
        }
        hits.dedup_by(|later, hit| {
            let touches = later.start <= hit.end;
            if touches {
                hit.end = hit.end.max(later.end);
            }
            touches
        });
        hits
    }

    /// How much of a slice a message takes. To read its JSON takes far longer
    /// than to look for a word in it.
    fn cost(&self) -> usize {
        if self.uses_speaker() { 16 } else { 1 }
    }

    /// What the tests find in a topic, a bit each; many messages share one.
    fn of_topic(&self, topic: &str) -> u64 {
        let bit = |(at, term): (usize, &Term)| u64::from(term.test.is_in_topic(topic)) << at;
        self.terms.iter().enumerate().map(bit).sum()
    }

    /// Whether the message is let through, knowing what they find in its topic.
    fn holds(&self, message: &Message<'_>, of_topic: u64) -> bool {
        self.terms.iter().enumerate().all(|(at, Term { test, expected })| {
            let is_in_topic = of_topic >> at & 1 != 0;
            *expected
                == match test {
                    Test::After(time) => message.time >= *time,
                    Test::QoS(qos) => message.qos == *qos,
                    Test::Retain => message.retain,
                    Test::Dup => message.dup,
                    Test::Topic(_) => is_in_topic,
                    Test::Payload(needle) => needle.is_in(message.payload),
                    Test::Text(needle) => is_in_topic || needle.is_in(message.payload),
                    Test::Character(speaker) => speaker.says(message),
                }
        })
    }
}

impl Test {
    fn is_in_topic(&self, topic: &str) -> bool {
        match self {
            Self::Topic(filter) => filter.matches(topic),
            Self::Text(needle) => needle.is_in(topic.as_bytes()),
            _ => false,
        }
    }

    const fn cost(&self) -> u8 {
        match self {
            Self::After(_) | Self::QoS(_) | Self::Retain | Self::Dup | Self::Topic(_) => 0,
            Self::Payload(_) | Self::Text(_) => 1,
            Self::Character(_) => 2,
        }
    }
}

/// Part of a speaker's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Speaker {
    name: Needle,
    /// A line has other spaces than its payload.
    has_space: bool,
    /// How messages become lines.
    mapping: Rc<LineRules>,
}

impl Speaker {
    fn says(&self, message: &Message<'_>) -> bool {
        // Most messages can be told without reading their JSON: the name
        // stands in the payload, unless with an escape, or in the topic, or it
        // comes by a rule.
        let may_say = self.has_space
            || self.name.is_in(message.payload)
            || self.name.is_in(message.topic.as_bytes())
            || message.payload.contains(&b'\\')
            || self.mapping.rule_for(message.topic).is_some();
        let line = may_say.then(|| self.mapping.line(message.topic, message.payload)).flatten();
        line.is_some_and(|line| self.name.is_in(line.character.as_bytes()))
    }
}

/// Reads the term that `text` begins with; `None` where it says nothing (`""`).
fn read_term(text: &str, typed: LocalTime) -> Result<(Option<Term>, &str), String> {
    let (is_negated, key, text) = read_head(text);
    let Some(key) = key else {
        let (word, rest) = read_value(text)?;
        let term = Needle::text(&word).map(|needle| Term { test: Test::Text(needle), expected: !is_negated });
        return Ok((term, rest));
    };
    let (value, rest) = read_value(text)?;
    let test = match key {
        // With the reason in words.
        "topic" => Some((Test::Topic(topic_filter(&value)?), true)),
        _ => read_test(key, &value, typed),
    };
    let Some((test, says)) = test else {
        let instead = if value.is_empty() { String::new() } else { format!(", not {}", excerpt(&value)) };
        return Err(format!("After {key}: comes {}{instead}.", parse_operator(key)));
    };
    Ok((Some(Term { test, expected: says != is_negated }), rest))
}

/// What a term begins with, a minus and a key, and what follows them.
fn read_head(text: &str) -> (bool, Option<&'static str>, &str) {
    let negated = text.strip_prefix('-').filter(|rest| !rest.starts_with(char::is_whitespace) && !rest.is_empty());
    let (text, is_negated) = (negated.unwrap_or(text), negated.is_some());
    let key = text.split_once(':').map(|(key, _)| key);
    let key = key.and_then(|key| KEYS.into_iter().find(|known| key.eq_ignore_ascii_case(known)));
    (is_negated, key, key.map_or(text, |key| &text[key.len() + 1..]))
}

/// The test of a key but `topic`, and what it has to say.
fn read_test(key: &str, value: &str, typed: LocalTime) -> Option<(Test, bool)> {
    Some(match key {
        "payload" => (Test::Payload(Needle::text(value)?), true),
        "hex" => (Test::Payload(Needle::exactly(bytes(value)?)?), true),
        "character" => {
            let has_space = value.contains(char::is_whitespace);
            (Test::Character(Speaker { name: Needle::text(value)?, has_space, mapping: Rc::default() }), true)
        }
        "qos" => (Test::QoS(value.parse().ok().and_then(QoS::from_u8)?), true),
        "retain" => (Test::Retain, yes_or_no(value)?),
        "dup" => (Test::Dup, yes_or_no(value)?),
        "after" => (Test::After(moment(value, typed)?), true),
        _ => (Test::After(moment(value, typed)?), false),
    })
}

fn parse_operator(key: &str) -> &'static str {
    match key {
        "payload" => "a word or a phrase: payload:on or payload:\"two words\"",
        "hex" => "each byte in two digits: hex:ff00 or hex:\"ff 00\"",
        "character" => "a speaker's name: character:Leia",
        "qos" => "0, 1 or 2",
        "retain" | "dup" => "yes or no",
        _ => "a time: 10:05, 10:05:30.5 or 2026-11-21T10:05, each with a Z for UTC, or -5m for five minutes ago",
    }
}

/// What may stand before a colon.
const KEYS: [&str; 9] = ["topic", "payload", "hex", "character", "qos", "retain", "dup", "after", "before"];

/// A word up to the next space, or a phrase in quotation marks, and the rest.
fn read_value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                value.extend(chars.next().map(|(_, escaped)| escaped));
            }
            _ => value.push(char),
        }
    }
    Err(format!("The quotation mark before {} isn't closed. Put another one at the phrase's end.", excerpt(quoted),))
}

/// A value as the query line takes it: in quotation marks where it needs them.
pub fn quoted(value: &str) -> String {
    if !value.contains(char::is_whitespace) && !value.starts_with('"') {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn topic_filter(value: &str) -> Result<TopicFilter, String> {
    TopicFilter::parse(value).map_err(|error| match error {
        TopicError::Empty => "After topic: comes a topic filter: topic:house/+/light or topic:house/#".to_owned(),
        error => format!("topic:{}: {error}", excerpt(value)),
    })
}

fn bytes(value: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        value.chars().filter(|char| *char != ' ').map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn moment(value: &str, typed: LocalTime) -> Option<Instant> {
    if let Some(ago) = value.strip_prefix('-') {
        let unit_at = ago.len().checked_sub(1)?;
        let unit_s = match ago.get(unit_at..)? {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let count: u64 = ago[..unit_at].parse().ok()?;
        return Some(typed.now - Duration::from_secs(count.saturating_mul(unit_s)));
    }
    let (value, ahead_of_utc_min) = match value.as_bytes().last() {
        Some(b'Z' | b'z') => (&value[..value.len() - 1], 0),
        _ => (value, typed.ahead_of_utc_min),
    };
    let ahead = Duration::from_secs(u64::from(ahead_of_utc_min.unsigned_abs()) * 60);
    let is_ahead = ahead_of_utc_min > 0;
    let mut today = Vec::new();
    put_time(if is_ahead { typed.now + ahead } else { typed.now - ahead }, &mut today);
    let today = str::from_utf8(&today).ok()?.get(..10)?;
    let (date, clock) = match value.find(['T', 't', ' ']) {
        Some(at) => (&value[..at], &value[at + 1..]),
        None if value.contains(':') => (today, value),
        None => (value, "00:00"),
    };
    let hour_zero = if clock.as_bytes().get(1) == Some(&b':') { "0" } else { "" };
    let seconds = if clock.bytes().filter(|byte| *byte == b':').count() == 1 { ":00" } else { "" };
    // As if it were of UTC.
    let time = parse_time(&format!("{date}T{hour_zero}{clock}{seconds}Z"))?;
    Some(if is_ahead { time - ahead } else { time + ahead })
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        _ if value.eq_ignore_ascii_case("yes") => Some(true),
        _ if value.eq_ignore_ascii_case("no") => Some(false),
        _ => None,
    }
}

/// The beginning of what a person typed, to be quoted in an error.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 24;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
