//! Selects which of the kept messages a person sees.
//!
//! The query line is a list of terms, all of which must match:
//!
//! | term | matches messages |
//! |---|---|
//! | `word` | with the word in their topic or payload, ignoring case |
//! | `"two words"` | with exactly this phrase; `\"` and `\\` inside |
//! | `topic:FILTER` | whose topic the filter matches, `+`, `#` and `$share/…` as in MQTT |
//! | `payload:word` | with the word in their payload |
//! | `hex:ff00` | with exactly these bytes in their payload |
//! | `character:NAME` | whose speaker's name, as read by the crawl, contains this |
//! | `qos:0`, `qos:1`, `qos:2` | received with this quality of service |
//! | `retain:yes`, `retain:no` | with or without the retain flag |
//! | `dup:yes`, `dup:no` | with or without the DUP flag |
//! | `after:TIME` | received at this time or later |
//! | `before:TIME` | received earlier |
//! | `-term` | that don't match the term, which may be any of those above |
//!
//! A TIME is of today, as in `10:05` and `10:05:30.5`, or of another day, as in `2026-11-21` and
//! `2026-11-21T10:05`; in the person's own zone, or in UTC with a `Z` at its end. It may also be
//! relative to the moment the line was typed: `-30s`, `-5m`, `-2h`, `-1d`.
//!
//! Any other text with a colon is a plain word, as in `12:30` or `{"a":1}`; a word that begins with
//! a minus is written in quotation marks, as in `"-5"`. An empty line matches everything.

pub mod matches;
mod needle;
pub mod suggest;

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use crate::message_log::query::needle::Needle;

use crate::dialogue::rules::LineRules;
use crate::message_log::message::Message;
use crate::mqtt::packet::QoS;
use crate::mqtt::topic::{TopicError, TopicFilter};
use crate::rfc3339::{parse_time, put_time};
use crate::time::Instant;

/// The zone and the moment in which a query is typed: times of day refer to that zone and day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// The moment.
    pub now: Instant,
    /// The zone's offset from UTC, in minutes.
    pub ahead_of_utc_min: i32,
}

/// A parsed query line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The cheapest first.
    terms: Vec<Term>,
}

/// Why a query line isn't understood, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Where the term that isn't understood begins, in bytes of the line.
    pub at: usize,
    /// The explanation for the person.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    test: Predicate,
    /// The result that the test must have; `false` behind a minus.
    expected: bool,
}

/// What a term tests, the cheapest first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Predicate {
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
    /// The most terms in one line.
    pub const TERMS_MAX: usize = 64;

    /// The most matches that are marked in one text, for rows that are full of them.
    const HITS_MAX: usize = 32;

    /// Parses a query line that was typed in this zone and at this moment.
    ///
    /// # Errors
    /// Describes which term isn't understood and what it should look like.
    pub fn parse(line: &str, typed: LocalTime) -> Result<Self, QueryError> {
        let mut terms = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let at = line.len() - rest.len();
            let (term, after) = read_term(rest, typed).map_err(|message| QueryError { at, message })?;
            if let Some(term) = term {
                let place = terms.partition_point(|other: &Term| other.test.cost() <= term.test.cost());
                terms.insert(place, term);
            }
            if terms.len() > Self::TERMS_MAX {
                let message = format!("Too many terms (maximum {}).", Self::TERMS_MAX);
                return Err(QueryError { at, message });
            }
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }

    /// Returns the same query with speakers by these line rules. A message that the rules hide has
    /// no speaker.
    #[must_use]
    pub fn with_rules(mut self, line_rules: &Rc<LineRules>) -> Self {
        for term in &mut self.terms {
            if let Predicate::Character(speaker) = &mut term.test {
                speaker.line_rules = Rc::clone(line_rules);
            }
        }
        self
    }

    /// Whether it depends on the speaker.
    pub fn uses_speaker(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Predicate::Character(_)))
    }

    /// Whether it matches every message.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it matches the message.
    pub fn matches(&self, message: &Message<'_>) -> bool {
        self.holds(message, self.of_topic(message.topic))
    }

    /// Returns where the query's words are in the topic of a matching message, in bytes: sorted,
    /// without overlaps, and only the first of very many.
    pub fn hits_in_topic(&self, topic: &str) -> Vec<Range<usize>> {
        self.hits(topic.as_bytes(), |test| match test {
            Predicate::Text(needle) => Some(needle),
            _ => None,
        })
    }

    /// Returns the same for its payload, or for the part of it that is shown.
    pub fn hits_in_payload(&self, payload: &[u8]) -> Vec<Range<usize>> {
        self.hits(payload, |test| match test {
            Predicate::Text(needle) | Predicate::Payload(needle) => Some(needle),
            _ => None,
        })
    }

    fn hits(&self, haystack: &[u8], needle_of: impl Fn(&Predicate) -> Option<&Needle>) -> Vec<Range<usize>> {
        let mut hits: Vec<Range<usize>> = Vec::new();
        let wanted = self.terms.iter().filter(|term| term.expected);
        for needle in wanted.filter_map(|term| needle_of(&term.test)) {
            let mut from = 0;
            while hits.len() < Self::HITS_MAX
                && let Some(hit) = needle.find(haystack, from)
            {
                from = hit.end;
                // Sorting with the standard library would add kilobytes to the worker.
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

    /// Returns how much of a slice a message takes. Parsing its JSON takes far longer than
    /// searching for a word in it.
    fn cost(&self) -> usize {
        if self.uses_speaker() { 16 } else { 1 }
    }

    /// Returns the results of the topic tests for a topic, one bit each; many messages share a
    /// topic.
    fn of_topic(&self, topic: &str) -> u64 {
        let bit = |(at, term): (usize, &Term)| u64::from(term.test.is_in_topic(topic)) << at;
        self.terms.iter().enumerate().map(bit).sum()
    }

    /// Whether the message matches, given the results for its topic.
    fn holds(&self, message: &Message<'_>, of_topic: u64) -> bool {
        self.terms.iter().enumerate().all(|(at, Term { test, expected })| {
            let is_in_topic = of_topic >> at & 1 != 0;
            *expected
                == match test {
                    Predicate::After(time) => message.time >= *time,
                    Predicate::QoS(qos) => message.qos == *qos,
                    Predicate::Retain => message.retain,
                    Predicate::Dup => message.dup,
                    Predicate::Topic(_) => is_in_topic,
                    Predicate::Payload(needle) => needle.is_in(message.payload),
                    Predicate::Text(needle) => is_in_topic || needle.is_in(message.payload),
                    Predicate::Character(speaker) => speaker.matches(message),
                }
        })
    }
}

impl Predicate {
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
    /// Whether the name contains a space; a line's spaces may differ from its payload's.
    has_space: bool,
    /// The rules that turn messages into lines.
    line_rules: Rc<LineRules>,
}

impl Speaker {
    fn matches(&self, message: &Message<'_>) -> bool {
        // Most messages can be decided without reading their JSON: the name is in the payload
        // (unless it contains an escape) or in the topic, or comes from a rule.
        let may_match = self.has_space
            || self.name.is_in(message.payload)
            || self.name.is_in(message.topic.as_bytes())
            || message.payload.contains(&b'\\')
            || self.line_rules.rule_for(message.topic).is_some();
        let line = may_match.then(|| self.line_rules.line(message.topic, message.payload)).flatten();
        line.is_some_and(|line| self.name.is_in(line.character.as_bytes()))
    }
}

/// Parses the term at the beginning of `text`; `None` where it is empty (`""`).
fn read_term(text: &str, typed: LocalTime) -> Result<(Option<Term>, &str), String> {
    let (is_negated, key, text) = read_head(text);
    let Some(key) = key else {
        let (word, rest) = read_value(text)?;
        let term = Needle::text(&word).map(|needle| Term { test: Predicate::Text(needle), expected: !is_negated });
        return Ok((term, rest));
    };
    let (value, rest) = read_value(text)?;
    let test = match key {
        // With the reason as text.
        "topic" => Some((Predicate::Topic(topic_filter(&value)?), true)),
        _ => read_test(key, &value, typed),
    };
    let Some((test, expected)) = test else {
        let instead = if value.is_empty() { String::new() } else { format!(" (got {})", excerpt(&value)) };
        return Err(format!("{key}: expects {}{instead}.", expected_value(key)));
    };
    Ok((Some(Term { test, expected: expected != is_negated }), rest))
}

/// Splits the beginning of a term into a minus, a key, and the rest.
fn read_head(text: &str) -> (bool, Option<&'static str>, &str) {
    let negated = text.strip_prefix('-').filter(|rest| !rest.starts_with(char::is_whitespace) && !rest.is_empty());
    let (text, is_negated) = (negated.unwrap_or(text), negated.is_some());
    let key = text.split_once(':').map(|(key, _)| key);
    let key = key.and_then(|key| KEYS.into_iter().find(|known| key.eq_ignore_ascii_case(known)));
    (is_negated, key, key.map_or(text, |key| &text[key.len() + 1..]))
}

/// Returns the test of a key other than `topic`, and the expected result.
fn read_test(key: &str, value: &str, typed: LocalTime) -> Option<(Predicate, bool)> {
    Some(match key {
        "payload" => (Predicate::Payload(Needle::text(value)?), true),
        "hex" => (Predicate::Payload(Needle::exactly(bytes(value)?)?), true),
        "character" => {
            let has_space = value.contains(char::is_whitespace);
            (Predicate::Character(Speaker { name: Needle::text(value)?, has_space, line_rules: Rc::default() }), true)
        }
        "qos" => (Predicate::QoS(value.parse().ok().and_then(QoS::from_u8)?), true),
        "retain" => (Predicate::Retain, yes_or_no(value)?),
        "dup" => (Predicate::Dup, yes_or_no(value)?),
        "after" => (Predicate::After(moment(value, typed)?), true),
        _ => (Predicate::After(moment(value, typed)?), false),
    })
}

/// Returns what a key expects, continuing "qos: expects ".
fn expected_value(key: &str) -> &'static str {
    match key {
        "payload" => "a word or a phrase, e.g. payload:on or payload:\"two words\"",
        "hex" => "bytes in hex, e.g. hex:ff00 or hex:\"ff 00\"",
        "character" => "a speaker's name, e.g. character:Leia",
        "qos" => "0, 1 or 2",
        "retain" | "dup" => "yes or no",
        _ => "a time, e.g. 10:05, 10:05:30.5 or 2026-11-21T10:05 (add Z for UTC), or -5m for five minutes ago",
    }
}

/// The keys that can precede a colon.
const KEYS: [&str; 9] = ["topic", "payload", "hex", "character", "qos", "retain", "dup", "after", "before"];

/// Returns a word up to the next space, or a phrase in quotation marks, and the rest.
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
    Err(format!("Missing closing quote after \"{}.", excerpt(quoted)))
}

/// Returns a value in the syntax of the query line: in quotation marks where it needs them.
pub fn quoted(value: &str) -> String {
    if !value.contains(char::is_whitespace) && !value.starts_with('"') {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn topic_filter(value: &str) -> Result<TopicFilter, String> {
    TopicFilter::parse(value).map_err(|error| match error {
        TopicError::Empty => "topic: expects a topic filter, e.g. topic:house/+/light or topic:house/#.".to_owned(),
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
    // Parsed as if it were UTC.
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

/// Returns the beginning of a person's input, for quoting in an error.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 24;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
