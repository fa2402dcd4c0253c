//! Which of the kept messages a person wants to see.
//!
//! The query line is a list of terms, all of which must hold:
//!
//! | term | holds for messages |
//! |---|---|
//! | `word` | with the word in their topic or payload, capitals or not |
//! | `"two words"` | with exactly this phrase; `\"` and `\\` inside |
//! | `topic:FILTER` | whose topic the filter matches, `+`, `#` and `$share/…` as in MQTT |
//! | `qos:0`, `qos:1`, `qos:2` | that came with this quality of service |
//! | `retain:yes`, `retain:no` | that are, or aren't, retained ones |
//! | `dup:yes`, `dup:no` | that are, or aren't, marked as sent before |
//!
//! Anything else with a colon is a plain word, as in `12:30` or `{"a":1}`. An
//! empty line lets everything through.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Message, MessageLog};
use crate::mqtt::packet::QoS;
use crate::mqtt::topic::{TopicError, TopicFilter};

/// A query line, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
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
enum Term {
    Text(Needle),
    Topic(TopicFilter),
    QoS(QoS),
    Retain(bool),
    Dup(bool),
}

impl Query {
    /// Reads a query line.
    ///
    /// # Errors
    /// Says which term isn't understood and what it should look like.
    pub fn parse(line: &str) -> Result<Self, QueryError> {
        let mut terms = Vec::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let at = line.len() - rest.len();
            let (term, after) = read_term(rest).map_err(|words| QueryError { at, words })?;
            terms.extend(term);
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }

    /// Whether every message is let through.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the message is let through.
    pub fn matches(&self, message: &Message<'_>) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Text(needle) => needle.is_in(message.topic.as_bytes()) || needle.is_in(message.payload),
            Term::Topic(filter) => filter.matches(message.topic),
            Term::QoS(qos) => message.qos == *qos,
            Term::Retain(retain) => message.retain == *retain,
            Term::Dup(dup) => message.dup == *dup,
        })
    }
}

/// Reads the term that `text` begins with; `None` where it says nothing (`""`).
fn read_term(text: &str) -> Result<(Option<Term>, &str), String> {
    let key = text.split_once(':').map(|(key, _)| key);
    let key = key.filter(|key| ["topic", "qos", "retain", "dup"].iter().any(|known| key.eq_ignore_ascii_case(known)));
    let Some(key) = key else {
        let (word, rest) = read_value(text)?;
        return Ok((Needle::new(&word).map(Term::Text), rest));
    };
    let (value, rest) = read_value(&text[key.len() + 1..])?;
    let term = match key.to_ascii_lowercase().as_str() {
        "topic" => Term::Topic(topic_filter(&value)?),
        "qos" => Term::QoS(qos(&value)?),
        "retain" => Term::Retain(yes_or_no("retain", &value)?),
        _ => Term::Dup(yes_or_no("dup", &value)?),
    };
    Ok((Some(term), rest))
}

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

fn topic_filter(value: &str) -> Result<TopicFilter, String> {
    TopicFilter::parse(value).map_err(|error| match error {
        TopicError::Empty => "After topic: comes a topic filter: topic:house/+/light or topic:house/#".to_owned(),
        error => format!("topic:{}: {error}", excerpt(value)),
    })
}

fn qos(value: &str) -> Result<QoS, String> {
    value.parse().ok().and_then(QoS::from_u8).ok_or_else(|| format!("After qos: comes 0, 1 or 2{}.", instead_of(value)))
}

fn yes_or_no(key: &str, value: &str) -> Result<bool, String> {
    if value.eq_ignore_ascii_case("yes") {
        Ok(true)
    } else if value.eq_ignore_ascii_case("no") {
        Ok(false)
    } else {
        Err(format!("After {key}: comes yes or no{}.", instead_of(value)))
    }
}

fn instead_of(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(", not {}", excerpt(value)) }
}

/// The beginning of what a person typed, to be quoted in an error.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 24;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text that is looked for without regard to capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Needle {
    /// ASCII, in small letters: compared byte by byte, text or not.
    Ascii(Vec<u8>),
    /// With other letters: folded, and as typed for payloads that aren't text.
    Unicode { folded: Vec<char>, bytes: Vec<u8> },
}

impl Needle {
    /// `None` for the empty text, which is in everything.
    fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let bytes = text.to_ascii_lowercase().into_bytes();
        Some(if text.is_ascii() {
            Self::Ascii(bytes)
        } else {
            Self::Unicode { folded: text.chars().flat_map(fold).collect(), bytes }
        })
    }

    fn is_in(&self, haystack: &[u8]) -> bool {
        match self {
            Self::Ascii(needle) => contains_ascii(haystack, needle),
            // ASCII stays ASCII when it is folded: no need to look closer.
            Self::Unicode { folded, .. } if haystack.is_ascii() && !folded.iter().all(char::is_ascii) => false,
            Self::Unicode { folded, bytes } => match str::from_utf8(haystack) {
                Ok(text) => contains_folded(text, folded),
                Err(_) => contains_ascii(haystack, bytes),
            },
        }
    }
}

/// Whether `needle`, in small ASCII letters, is in `haystack`; other bytes than
/// ASCII letters must be equal.
fn contains_ascii(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((&first, others)) = needle.split_first() else { return true };
    let Some(last_start) = haystack.len().checked_sub(needle.len()) else { return false };
    haystack[..=last_start].iter().enumerate().any(|(at, byte)| {
        byte.to_ascii_lowercase() == first && haystack[at + 1..][..others.len()].eq_ignore_ascii_case(others)
    })
}

/// Whether the folded needle is in the text once that is folded, too.
fn contains_folded(text: &str, needle: &[char]) -> bool {
    let Some(first) = needle.first() else { return true };
    text.char_indices().any(|(at, char)| {
        fold(char).next() == Some(*first) && {
            let mut folded = text[at..].chars().flat_map(fold);
            needle.iter().all(|wanted| folded.next() == Some(*wanted))
        }
    })
}

/// Small letters; the two small sigmas of Greek are one.
fn fold(char: char) -> impl Iterator<Item = char> {
    char.to_lowercase().map(|small| if small == 'ς' { 'σ' } else { small })
}

/// The kept messages that a query lets through, found in slices.
///
/// [`Matches::advance`] is called again and again: it looks at what arrived
/// since, then goes on from the newest message toward the oldest, so that the
/// last screenful is there at once. Without terms there is no index at all.
///
/// Numbers given out here may have been evicted since the last `advance`; then
/// [`MessageLog::message`] has nothing for them.
pub struct Matches {
    query: Query,
    renumberings: u32,
    /// What the log kept at the last `advance`.
    kept: Range<u64>,
    /// The part of it that has been looked at.
    scanned: Option<Range<u64>>,
    /// Matches found going backward, newest first.
    older: SeqList,
    /// Matches found going forward, oldest first.
    newer: SeqList,
}

impl Matches {
    /// Payload bytes that cost as much of a slice as one more message.
    const BYTES_PER_MESSAGE: usize = 1024;

    /// Nothing found yet.
    pub fn new(query: Query) -> Self {
        Self { query, renumberings: 0, kept: 1..1, scanned: None, older: SeqList::default(), newer: SeqList::default() }
    }

    /// What is looked for.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Looks at up to `budget_messages` more messages (fewer where they are
    /// large) and says whether there are more to look at.
    #[must_use = "while there is more to look at, advance again"]
    pub fn advance(&mut self, log: &MessageLog, budget_messages: usize) -> bool {
        self.kept = log.first_seq()..log.next_seq();
        if self.query.is_empty() {
            return false;
        }
        if self.renumberings != log.renumberings() {
            self.renumberings = log.renumberings();
            self.scanned = None;
            self.older.clear();
            self.newer.clear();
        }
        let mut scanned = self.scanned.take().unwrap_or(self.kept.end..self.kept.end);
        scanned.start = scanned.start.max(self.kept.start);
        scanned.end = scanned.end.max(self.kept.start);
        self.forget_evicted();

        let mut budget = budget_messages;
        for message in log.iter_from(scanned.end) {
            if !self.look(&message, &mut budget, Toward::Newest) {
                break;
            }
            scanned.end = message.seq + 1;
        }
        for message in log.iter_back_from(scanned.start) {
            if !self.look(&message, &mut budget, Toward::Oldest) {
                break;
            }
            scanned.start = message.seq;
        }
        let more = scanned != self.kept;
        self.scanned = Some(scanned);
        more
    }

    /// Kept messages that the query lets through, of those looked at.
    pub fn len(&self) -> u64 {
        if self.query.is_empty() {
            return self.kept.end - self.kept.start;
        }
        (self.older.len() + self.newer.len()) as u64
    }

    /// Whether nothing is let through, of what was looked at.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the match at that place, 0 the oldest.
    pub fn seq_at(&self, index: u64) -> Option<u64> {
        if index >= self.len() {
            return None;
        }
        if self.query.is_empty() {
            return Some(self.kept.start + index);
        }
        let index = usize::try_from(index).ok()?;
        let low = match self.older.len().checked_sub(index + 1) {
            Some(from_newest) => self.older.at(from_newest),
            None => self.newer.at(index - self.older.len()),
        };
        low.map(|low| self.widen(low))
    }

    /// Takes one message of the slice; `false` once the slice is used up.
    fn look(&mut self, message: &Message<'_>, budget: &mut usize, toward: Toward) -> bool {
        if *budget == 0 {
            return false;
        }
        *budget = budget.saturating_sub(1 + message.payload.len() / Self::BYTES_PER_MESSAGE);
        if self.query.matches(message) {
            match toward {
                Toward::Newest => self.newer.push(message.seq as u32),
                Toward::Oldest => self.older.push(message.seq as u32),
            }
        }
        true
    }

    fn forget_evicted(&mut self) {
        // A list holds the low halves of numbers; those before the first kept
        // one lie beyond what is kept once they are widened.
        let kept = self.kept.clone();
        let evicted = |low: u32| !kept.contains(&widen(low, kept.start));
        while self.older.last().is_some_and(evicted) {
            self.older.drop_last();
        }
        while self.newer.first().is_some_and(evicted) {
            self.newer.drop_first();
        }
    }

    fn widen(&self, low: u32) -> u64 {
        widen(low, self.kept.start)
    }
}

#[derive(Clone, Copy)]
enum Toward {
    Newest,
    Oldest,
}

/// The number whose low half is `low`, the first from `start` on. Kept numbers
/// lie within 2³² of each other, so it is the one meant.
fn widen(low: u32, start: u64) -> u64 {
    start + u64::from(low.wrapping_sub(start as u32))
}

/// Low halves of message numbers, in blocks, so that no growth copies them.
#[derive(Default)]
struct SeqList {
    blocks: VecDeque<Vec<u32>>,
    /// How many of the first block were dropped.
    dropped: usize,
}

impl SeqList {
    const BLOCK: usize = 4096;

    fn len(&self) -> usize {
        match self.blocks.back() {
            Some(last) => (self.blocks.len() - 1) * Self::BLOCK + last.len() - self.dropped,
            None => 0,
        }
    }

    fn at(&self, index: usize) -> Option<u32> {
        let index = index + self.dropped;
        self.blocks.get(index / Self::BLOCK)?.get(index % Self::BLOCK).copied()
    }

    fn first(&self) -> Option<u32> {
        self.at(0)
    }

    fn last(&self) -> Option<u32> {
        self.at(self.len().checked_sub(1)?)
    }

    fn push(&mut self, low: u32) {
        match self.blocks.back_mut() {
            Some(last) if last.len() < Self::BLOCK => last.push(low),
            _ => {
                let mut block = Vec::with_capacity(Self::BLOCK);
                block.push(low);
                self.blocks.push_back(block);
            }
        }
    }

    fn drop_first(&mut self) {
        self.dropped += 1;
        if self.dropped == Self::BLOCK {
            self.dropped = 0;
            self.blocks.pop_front();
        }
        self.drop_empty();
    }

    fn drop_last(&mut self) {
        if let Some(last) = self.blocks.back_mut() {
            last.pop();
            if last.is_empty() {
                self.blocks.pop_back();
            }
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        if self.len() == 0 {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.dropped = 0;
    }
}
