//! Suggestions for the query line: its keys, their values, and known topics and speakers.
//!
//! A suggestion replaces the term at the caret. Terms are found by the same rules by which
//! [`Query::parse`](crate::message_log::query::Query::parse) reads them; the others don't change.

use serde::{Deserialize, Serialize};

use crate::format::time_of_day;
use crate::message_log::query::needle::Needle;
use crate::message_log::query::{KEYS, LocalTime, quoted, read_head, read_value};

/// The most suggestions at a time: enough for every key, and few enough to be read while typing.
pub const SUGGESTIONS_MAX: usize = KEYS.len();

/// The number of characters of a plain word from which topics are suggested for it. Most topics
/// contain any single letter.
const WORD_CHARS_MIN: usize = 2;

/// Longer names aren't suggested, in bytes: they would be unreadable in a list.
const NAME_BYTES_MAX: usize = 1_024;

/// The number of names with a common prefix from which the prefix alone is suggested.
const BRANCH_NAMES_MIN: usize = 2;

/// A request for data that only the worker has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuggestionQuery {
    /// Topics with this in their name.
    Topics(String),
    /// Speakers with this in their name.
    Speakers(String),
}

/// The worker's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionData {
    /// The request that it answers.
    pub ask: SuggestionQuery,
    /// The names, [`SuggestionData::NAMES_MAX`] of them at most, the best matches first.
    pub names: Vec<String>,
}

impl SuggestionData {
    /// The most names in an answer.
    pub const NAMES_MAX: usize = 16;
}

/// One suggestion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The term that would be inserted.
    pub term: String,
    /// Its effect, or its origin.
    pub words: &'static str,
    /// Whether a value has yet to follow.
    pub is_key: bool,
    /// The whole line with the term …
    pub line: String,
    /// … and the caret's position in it, in bytes.
    pub caret: usize,
}

/// A query line that is being typed.
#[derive(Clone, Copy, Debug)]
pub struct Typing<'a> {
    before: &'a str,
    /// The part of the term up to the caret.
    typed: &'a str,
    /// The complete term.
    term: &'a str,
    after: &'a str,
}

impl<'a> Typing<'a> {
    /// Takes the line, and the position of the caret in it, in bytes.
    pub fn new(line: &'a str, caret: usize) -> Self {
        let caret = line.floor_char_boundary(caret);
        let (start, end) = term_around(line, caret);
        Self { before: &line[..start], typed: &line[start..caret], term: &line[start..end], after: &line[end..] }
    }

    /// Whether a term was begun; without one every key could be typed.
    pub fn has_begun(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Returns the request to the worker.
    pub fn ask(&self) -> Option<SuggestionQuery> {
        let Fragment { key, value, .. } = self.fragment();
        match key {
            Some("topic") => Some(SuggestionQuery::Topics(value)),
            Some("character") => Some(SuggestionQuery::Speakers(value)),
            None if value.chars().count() >= WORD_CHARS_MIN => Some(SuggestionQuery::Topics(value)),
            _ => None,
        }
    }

    /// Returns the suggestions at the caret, given the worker's answer.
    pub fn suggestions(&self, known: Option<&SuggestionData>, typed: LocalTime) -> Vec<Suggestion> {
        let Fragment { key, value, is_phrase } = self.fragment();
        let known = known.filter(|known| Some(&known.ask) == self.ask().as_ref());
        let names = known.map_or(&[][..], |known| &known.names);
        let mut terms: Vec<Term> = Vec::new();
        match key {
            None => {
                let keys = KEYS.into_iter().filter(|key| !is_phrase && begins_with(key, &value));
                terms.extend(keys.map(|key| Term { text: format!("{key}:"), words: words_of(key), is_key: true }));
                terms.extend(topics(names, &value));
            }
            Some("topic") => terms.extend(topics(names, &value)),
            Some(key @ "character") => {
                terms.extend(names.iter().map(|name| Term::whole(key, &quoted(name), "recent speaker")));
            }
            Some(key) => {
                let values = values_of(key, typed).into_iter().filter(|(known, _)| begins_with(known, &value));
                terms.extend(values.map(|(value, words)| Term::whole(key, &value, words)));
            }
        }
        let suggestions = terms.into_iter().map(|term| self.with(term));
        suggestions.filter(|taken| taken.term != self.term).take(SUGGESTIONS_MAX).collect()
    }

    /// Returns the line with this term in place of the one that is being typed.
    fn with(&self, Term { text, words, is_key }: Term) -> Suggestion {
        let minus = if self.typed.starts_with('-') { "-" } else { "" };
        let term = format!("{minus}{text}");
        let mut line = format!("{}{term}", self.before);
        // A space precedes the next term.
        if !is_key && !self.after.starts_with(char::is_whitespace) {
            line.push(' ');
        }
        let caret = line.len();
        line.push_str(self.after);
        Suggestion { term, words, is_key, line, caret }
    }

    fn fragment(&self) -> Fragment {
        let bare = self.typed.strip_prefix('-').unwrap_or(self.typed);
        let (_, key, value) = read_head(bare);
        // The phrase's end hasn't been typed yet.
        let closed = read_value(value).or_else(|_| read_value(&format!("{value}\"")).map(|(value, _)| (value, "")));
        Fragment {
            key,
            value: closed.map_or_else(|_| value.to_owned(), |(value, _)| value),
            is_phrase: value.starts_with('"'),
        }
    }
}

/// A term that can be suggested.
struct Term {
    text: String,
    words: &'static str,
    is_key: bool,
}

impl Term {
    fn whole(key: &str, value: &str, words: &'static str) -> Self {
        Self { text: format!("{key}:{value}"), words, is_key: false }
    }
}

/// The part of a term typed so far.
struct Fragment {
    key: Option<&'static str>,
    value: String,
    is_phrase: bool,
}

/// Returns the names that contain this part, ignoring case: first those that begin with it, without
/// duplicates.
pub fn pick(names: &mut dyn Iterator<Item = &str>, part: &str) -> Vec<String> {
    let needle = Needle::text(part);
    let mut picked: Vec<String> = Vec::new();
    let mut beginning = 0;
    for name in names {
        let place = match &needle {
            Some(needle) => needle.find(name.as_bytes(), 0).map(|hit| hit.start),
            None => Some(0),
        };
        let is_fit = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control);
        let Some(place) = place.filter(|_| is_fit && picked.iter().all(|other| other != name)) else { continue };
        if place == 0 {
            picked.insert(beginning, name.to_owned());
            beginning += 1;
        } else if picked.len() < SuggestionData::NAMES_MAX {
            picked.push(name.to_owned());
        }
        picked.truncate(SuggestionData::NAMES_MAX);
        if beginning == SuggestionData::NAMES_MAX {
            break;
        }
    }
    picked
}

/// Returns the range of the term at the caret; an empty range between two terms.
fn term_around(line: &str, caret: usize) -> (usize, usize) {
    let mut rest = line.trim_start();
    loop {
        let start = line.len() - rest.len();
        if rest.is_empty() || caret <= start {
            return (caret, caret);
        }
        let (_, _, value) = read_head(rest);
        // A phrase without an end continues to the end of the line.
        let after = read_value(value).map_or("", |(_, after)| after);
        let end = line.len() - after.len();
        if caret <= end {
            return (start, end);
        }
        rest = after.trim_start();
    }
}

/// Returns topic terms for these names, and for a common level where several names are below it.
fn topics(names: &[String], value: &str) -> Vec<Term> {
    let mut branches: Vec<&str> = Vec::new();
    for branch in names.iter().filter_map(|name| branch_of(name, value)) {
        let names = names.iter().filter(|name| name.starts_with(branch));
        if names.count() >= BRANCH_NAMES_MIN && !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    let below = branches.into_iter().map(|branch| (format!("{branch}#"), "all subtopics"));
    let seen = names.iter().map(|name| (name.clone(), "seen topic"));
    below.chain(seen).map(|(filter, words)| Term::whole("topic", &quoted(&filter), words)).collect()
}

/// Returns the beginning of a name up to the level after the part typed.
fn branch_of<'a>(name: &'a str, value: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(value)?;
    let end = rest.find('/')? + 1;
    Some(&name[..value.len() + end])
}

fn begins_with(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(beginning))
}

/// Returns the description of a key.
fn words_of(key: &str) -> &'static str {
    match key {
        "topic" => "topic filter (+ and # wildcards)",
        "payload" => "word or “phrase” in the payload",
        "hex" => "payload bytes in hex",
        "character" => "speaker",
        "qos" => "quality of service",
        "retain" => "retained: yes or no",
        "dup" => "duplicate flag: yes or no",
        "after" => "received after",
        _ => "received before",
    }
}

/// Returns the values that are known without the worker.
fn values_of(key: &str, typed: LocalTime) -> Vec<(String, &'static str)> {
    let fixed: &[(&str, &str)] = match key {
        "qos" => &[("0", "at most once"), ("1", "at least once"), ("2", "exactly once")],
        "retain" => &[("yes", "retained"), ("no", "not retained")],
        "dup" => &[("yes", "duplicates"), ("no", "not duplicates")],
        "after" => &[
            ("-1m", "the last minute"),
            ("-5m", "the last five minutes"),
            ("-1h", "the last hour"),
            ("-1d", "the last day"),
        ],
        "before" => &[
            ("-1m", "older than a minute"),
            ("-5m", "older than five minutes"),
            ("-1h", "older than an hour"),
            ("-1d", "older than a day"),
        ],
        _ => &[],
    };
    let mut values: Vec<_> = fixed.iter().map(|&(value, words)| (value.to_owned(), words)).collect();
    let now = match key {
        "after" => Some("from now"),
        "before" => Some("up to now"),
        _ => None,
    };
    let clock = time_of_day(typed.now, typed.ahead_of_utc_min);
    values.extend(now.zip(clock.get(..8)).map(|(words, clock)| (clock.to_owned(), words)));
    values
}
