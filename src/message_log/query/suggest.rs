//! What could be typed next into the query line: its keys, their values, and
//! what is known of topics and speakers.
//!
//! A suggestion takes the place of the term that the caret stands in, by the
//! same rules by which [`Query::parse`](crate::message_log::query::Query::parse) reads terms; the
//! others stay as they are.

use serde::{Deserialize, Serialize};

use crate::format::time_of_day;
use crate::message_log::query::needle::Needle;
use crate::message_log::query::{KEYS, LocalTime, quoted, read_head, read_value};

/// How many suggestions there are at a time: enough for every key, and few
/// enough to be read while one types.
pub const SUGGESTIONS_MAX: usize = KEYS.len();

/// Characters of a plain word before topics are suggested for it. Single
/// letters are in most of them.
const WORD_CHARS_MIN: usize = 2;

/// Longer names aren't suggested, in bytes: nobody could read them in a list.
const NAME_BYTES_MAX: usize = 1_024;

/// Names that have a part in common before the part alone is suggested.
const BRANCH_NAMES_MIN: usize = 2;

/// What only the worker knows of what is being typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuggestionQuery {
    /// Topics with this in their name.
    Topics(String),
    /// Speakers with this in their name.
    Speakers(String),
}

/// What the worker knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionData {
    /// Of this.
    pub ask: SuggestionQuery,
    /// The names, [`SuggestionData::NAMES_MAX`] of them at most, the fitting first.
    pub names: Vec<String>,
}

impl SuggestionData {
    /// How many names are told.
    pub const NAMES_MAX: usize = 16;
}

/// One thing that could be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What would stand there.
    pub term: String,
    /// What it does, or where it comes from.
    pub words: &'static str,
    /// A value is still to follow.
    pub is_key: bool,
    /// The whole line with it …
    pub line: String,
    /// … and where the caret stands then, in bytes.
    pub caret: usize,
}

/// A query line that is being typed.
#[derive(Clone, Copy, Debug)]
pub struct Typing<'a> {
    before: &'a str,
    /// What is typed of the term, up to the caret.
    typed: &'a str,
    /// The whole of it.
    term: &'a str,
    after: &'a str,
}

impl<'a> Typing<'a> {
    /// The line, and where the caret stands in it, in bytes.
    pub fn new(line: &'a str, caret: usize) -> Self {
        let caret = line.floor_char_boundary(caret);
        let (start, end) = term_around(line, caret);
        Self { before: &line[..start], typed: &line[start..caret], term: &line[start..end], after: &line[end..] }
    }

    /// Whether a term was begun; without one every key could be typed.
    pub fn has_begun(&self) -> bool {
        !self.typed.is_empty()
    }

    /// What to ask the worker.
    pub fn ask(&self) -> Option<SuggestionQuery> {
        let Fragment { key, value, .. } = self.fragment();
        match key {
            Some("topic") => Some(SuggestionQuery::Topics(value)),
            Some("character") => Some(SuggestionQuery::Speakers(value)),
            None if value.chars().count() >= WORD_CHARS_MIN => Some(SuggestionQuery::Topics(value)),
            _ => None,
        }
    }

    /// What could be typed there and then, given what the worker said.
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
                terms.extend(names.iter().map(|name| Term::whole(key, &quoted(name), "a speaker of late")));
            }
            Some(key) => {
                let values = values_of(key, typed).into_iter().filter(|(known, _)| begins_with(known, &value));
                terms.extend(values.map(|(value, words)| Term::whole(key, &value, words)));
            }
        }
        let suggestions = terms.into_iter().map(|term| self.with(term));
        suggestions.filter(|taken| taken.term != self.term).take(SUGGESTIONS_MAX).collect()
    }

    /// The line with this term in the place of the one that is being typed.
    fn with(&self, Term { text, words, is_key }: Term) -> Suggestion {
        let minus = if self.typed.starts_with('-') { "-" } else { "" };
        let term = format!("{minus}{text}");
        let mut line = format!("{}{term}", self.before);
        // The next term begins behind a space.
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
        // A phrase's end is still to come.
        let closed = read_value(value).or_else(|_| read_value(&format!("{value}\"")).map(|(value, _)| (value, "")));
        Fragment {
            key,
            value: closed.map_or_else(|_| value.to_owned(), |(value, _)| value),
            is_phrase: value.starts_with('"'),
        }
    }
}

/// A term that could be typed.
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

/// What is typed of a term.
struct Fragment {
    key: Option<&'static str>,
    value: String,
    is_phrase: bool,
}

/// Those of the names that have this part, capitals or not: first those that
/// begin with it, none of them twice.
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

/// Where the term begins and ends that the caret stands in; an empty one
/// between two.
fn term_around(line: &str, caret: usize) -> (usize, usize) {
    let mut rest = line.trim_start();
    loop {
        let start = line.len() - rest.len();
        if rest.is_empty() || caret <= start {
            return (caret, caret);
        }
        let (_, _, value) = read_head(rest);
        // A phrase without an end goes on to the line's.
        let after = read_value(value).map_or("", |(_, after)| after);
        let end = line.len() - after.len();
        if caret <= end {
            return (start, end);
        }
        rest = after.trim_start();
    }
}

/// Topics of these names; and what is below the same level, where several are.
fn topics(names: &[String], value: &str) -> Vec<Term> {
    let mut branches: Vec<&str> = Vec::new();
    for branch in names.iter().filter_map(|name| branch_of(name, value)) {
        let names = names.iter().filter(|name| name.starts_with(branch));
        if names.count() >= BRANCH_NAMES_MIN && !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    let below = branches.into_iter().map(|branch| (format!("{branch}#"), "every topic below"));
    let seen = names.iter().map(|name| (name.clone(), "a topic seen"));
    below.chain(seen).map(|(filter, words)| Term::whole("topic", &quoted(&filter), words)).collect()
}

/// The beginning of a name up to the level behind what is typed of it.
fn branch_of<'a>(name: &'a str, value: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(value)?;
    let end = rest.find('/')? + 1;
    Some(&name[..value.len() + end])
}

fn begins_with(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(beginning))
}

/// What a key is good for.
fn words_of(key: &str) -> &'static str {
    match key {
        "topic" => "topics by a filter, with + and #",
        "payload" => "a word or a “phrase” in the payload",
        "hex" => "these bytes in the payload",
        "character" => "who speaks",
        "qos" => "quality of service",
        "retain" => "retained messages, or the others",
        "dup" => "marked as sent before, or not",
        "after" => "from a time on",
        _ => "up to a time",
    }
}

/// Values that need nobody to know them.
fn values_of(key: &str, typed: LocalTime) -> Vec<(String, &'static str)> {
    let fixed: &[(&str, &str)] = match key {
        "qos" => &[("0", "at most once"), ("1", "at least once"), ("2", "exactly once")],
        "retain" => &[("yes", "retained ones"), ("no", "all others")],
        "dup" => &[("yes", "marked as sent before"), ("no", "all others")],
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
        "after" => Some("from now on"),
        "before" => Some("until now"),
        _ => None,
    };
    let clock = time_of_day(typed.now, typed.ahead_of_utc_min);
    values.extend(now.zip(clock.get(..8)).map(|(words, clock)| (clock.to_owned(), words)));
    values
}
