//! Turns a payload into a line of dialogue.
//!
//! - [`Line`]: speaker and text; made of any payload, for every payload.
//! - [`rules`]: the person's own rules for that, by topic.
//! - `fields`: finds speaker and text among the fields of JSON.
//! - `readable`: JSON, numbers and control characters as readable text.
//! - `topic`: derives a speaker from a topic, for messages that name none.
//! - [`script`]: files of dialogue, for publishing.

mod fields;
mod readable;
pub mod rules;
pub mod script;
mod topic;

pub use topic::speaker_of as topic_speaker;

use crate::format;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use fields::{FoundText, NamedFields};

/// Speaker and text. The text is plain: nothing in it is ever markup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The speaker, as written; empty if there is none.
    pub character: String,
    /// The text.
    pub text: String,
}

impl Line {
    /// Returns a message as a line. Every payload can be shown:
    ///
    /// - JSON with a field for text ([`WORDS`]), ignoring other fields: that text, with the speaker
    ///   from [`SPEAKERS`]. The first field of each list that isn't empty is used, ignoring case,
    ///   and in inner objects as well: `null` and empty values count as missing, a list of texts is
    ///   one text, and an object as a speaker has a name of its own or is no speaker.
    /// - Other JSON: a short text of its fields or items.
    /// - `NAME: text`: that line.
    /// - Other text: the text; a JSON string without its quotation marks.
    /// - An empty or blank payload: a note that it is empty or blank, and its topic.
    /// - Bytes that aren't UTF-8, or mostly control characters: their number, and the first of them
    ///   in hex.
    ///
    /// Long decimal numbers are rounded, control characters are replaced by their pictures. If the
    /// message names no speaker, the last levels of its topic are the speaker, unless the payload
    /// is a sentence on a topic of one level, as for a story.
    pub fn from_payload(topic: &str, payload: &[u8]) -> Self {
        let ParsedPayload { speaker, text, is_prose } = ParsedPayload::from_payload(topic, payload);
        let character = speaker.unwrap_or_else(|| {
            if is_prose && !topic::has_levels(topic) { String::new() } else { topic_speaker(topic) }
        });
        Self { character, text }
    }

    /// Returns the payload to publish: exactly `{"character":"…","text":"…"}`.
    pub fn to_json(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        format!(r#"{{"character":{},"text":{}}}"#, quoted(&self.character), quoted(&self.text))
    }
}

/// Speaker and text as far as the payload contains them.
struct ParsedPayload {
    /// The speaker that the message names: empty for explicitly none, `None` if it has no such
    /// field.
    speaker: Option<String>,
    text: String,
    /// Whether it is a sentence, not a reading, state or list.
    is_prose: bool,
}

impl ParsedPayload {
    fn from_payload(topic: &str, payload: &[u8]) -> Self {
        let Some(text) = text_of(payload) else { return Self::reading(bytes_in_hex(payload)) };
        if text.is_empty() {
            let kind = if payload.is_empty() { "empty" } else { "blank" };
            let text = format!("({kind} message on {topic})");
            return Self { speaker: Some(String::new()), ..Self::reading(text) };
        }
        if readable::is_mostly_control(text) {
            return Self::reading(bytes_in_hex(payload));
        }
        let Self { speaker, text, is_prose } = match json_of(text) {
            Some(json) => Self::from_json(json),
            None => Self::from_text(text),
        };
        if text.is_empty() && speaker.as_deref().is_none_or(str::is_empty) {
            let text = format!("(empty message on {topic})");
            return Self { speaker: Some(String::new()), ..Self::reading(text) };
        }
        Self { speaker: speaker.map(readable::visible), text: readable::visible(text), is_prose }
    }

    fn from_json(json: &RawValue) -> Self {
        let json = only_item(json);
        let readable = |aside| readable::json(json, aside);
        let as_written = || Self::reading(readable(None).unwrap_or_else(|| on_one_line(json.get())));
        let Some(named) = NamedFields::of(json, rank) else { return as_written() };
        let NamedFields { speaker, speaker_field, text, is_silent } = named;
        if let Some(FoundText { text, is_text }) = text {
            let text = if is_text { text } else { readable::rounded(&text).into_owned() };
            let is_prose = is_text && readable::is_prose(&text);
            return Self { speaker, text, is_prose };
        }
        // Without a text field, the other fields are shown.
        if let Some(text) = readable(speaker_field).filter(|_| speaker_field.is_some() || is_silent) {
            return Self { speaker, ..Self::reading(text) };
        }
        match speaker {
            _ if !is_silent => as_written(),
            speaker => Self { speaker: Some(speaker.unwrap_or_default()), ..Self::reading(String::new()) },
        }
    }

    fn from_text(text: &str) -> Self {
        let string = text.starts_with('"').then(|| serde_json::from_str::<String>(text).ok()).flatten();
        let text = string.as_deref().map(str::trim).filter(|string| !string.is_empty()).unwrap_or(text);
        // JSON that was encoded twice.
        if let Some(json) = string.as_ref().and_then(|_| json_of(text)) {
            return Self::from_json(json);
        }
        let (speaker, text) = match split_name(text) {
            Some((name, text)) => (Some(name.to_owned()), text),
            None => (None, text),
        };
        Self { speaker, text: readable::rounded(text).into_owned(), is_prose: readable::is_prose(text) }
    }

    fn reading(text: String) -> Self {
        Self { speaker: None, text, is_prose: false }
    }
}

/// JSON fields that name a speaker, the most likely first; case is ignored.
pub const SPEAKERS: [&str; 6] = ["character", "name", "from", "user", "device", "topic"];

/// JSON fields that hold text, the most likely first; case is ignored.
pub const WORDS: [&str; 5] = ["text", "message", "msg", "body", "value"];

/// Returns the ranks of a field as a speaker and as text: case is ignored, but a name with the case
/// written here ranks higher.
fn rank(name: &str) -> (Option<usize>, Option<usize>) {
    let find = |known: &[&str]| {
        let place = known.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(2 * place + usize::from(known[place] != name))
    };
    (find(&SPEAKERS), find(&WORDS))
}

/// Returns the payload as text, without a byte order mark and surrounding spaces. `None` if it
/// isn't UTF-8.
fn text_of(payload: &[u8]) -> Option<&str> {
    Some(str::from_utf8(payload).ok()?.trim_start_matches('\u{feff}').trim())
}

/// Returns the text as JSON, if it is JSON with fields or items.
fn json_of(text: &str) -> Option<&RawValue> {
    if text.starts_with(['{', '[']) { serde_json::from_str(text).ok() } else { None }
}

/// Returns the object in a list that has no other item; anything else unchanged.
fn only_item(json: &RawValue) -> &RawValue {
    let mut items = Vec::new();
    let is_list = json.get().starts_with('[') && each_field(json, &mut |_, item| items.push(item)).is_some();
    match items.as_slice() {
        [item] if is_list && item.get().starts_with('{') => item,
        _ => json,
    }
}

/// Returns the field at this path: names, or list positions, separated by dots. `None` if it is
/// missing or occurs twice.
fn field<'a>(mut json: &'a RawValue, mut path: &str) -> Option<&'a RawValue> {
    loop {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let (mut whole, mut outer) = (Found::Never, Found::Never);
        each_field(json, &mut |field, value| {
            // Names can contain dots.
            if field == path {
                whole.add(value);
            } else if field == name {
                outer.add(value);
            }
        })?;
        if let Found::Once(value) = whole {
            return Some(value);
        }
        (json, path) = (outer.once()?, rest);
    }
}

/// A field of an object, which may occur twice.
#[derive(Clone, Copy, Default)]
enum Found<'a> {
    #[default]
    Never,
    Once(&'a RawValue),
    Again,
}

impl<'a> Found<'a> {
    fn add(&mut self, value: &'a RawValue) {
        *self = if matches!(self, Self::Never) { Self::Once(value) } else { Self::Again };
    }

    fn once(self) -> Option<&'a RawValue> {
        match self {
            Self::Once(value) => Some(value),
            Self::Never | Self::Again => None,
        }
    }
}

/// Calls `see` with the name and the value of each field of an object, or with the position and the
/// value of each item of a list. Returns `None` if there are none or a name isn't text; then the
/// calls are meaningless.
fn each_field<'a>(json: &'a RawValue, see: &mut dyn FnMut(&str, &'a RawValue)) -> Option<()> {
    let mut reader = serde_json::Deserializer::from_str(json.get());
    match json.get().as_bytes().first()? {
        b'{' => reader.deserialize_map(Fields(see)).ok(),
        b'[' => reader.deserialize_seq(Fields(see)).ok(),
        _ => None,
    }
}

struct Fields<'s, 'a>(&'s mut dyn FnMut(&str, &'a RawValue));

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            (self.0)(&name, map.next_value()?);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut place = 0_usize;
        while let Some(item) = list.next_element()? {
            (self.0)(&place.to_string(), item);
            place += 1;
        }
        Ok(())
    }
}

/// Returns a JSON value as text: a string's content, anything else as written.
fn shown(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => text.trim().to_owned(),
        // This includes strings with half a surrogate pair, which isn't text.
        Err(_) => on_one_line(value.get()),
    }
}

/// Returns JSON without line ends and indentation; strings are unchanged.
fn on_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut in_string = false;
    let mut escaped = false;
    let mut space = false;
    for char in json.chars() {
        if !in_string && char.is_ascii_whitespace() {
            space = true;
            continue;
        }
        if space && !line.ends_with(['{', '[']) && !matches!(char, '}' | ']') {
            line.push(' ');
        }
        space = false;
        line.push(char);
        if escaped {
            escaped = false;
        } else if in_string && char == '\\' {
            escaped = true;
        } else if char == '"' {
            in_string = !in_string;
        }
    }
    line
}

/// The longest speaker's name in characters and in words. `Once upon a time: …` should be read as a
/// sentence, not as a name.
const NAME_CHARS_MAX: usize = 32;
const NAME_WORDS_MAX: usize = 4;

/// Splits `NAME: text`. The space after the colon distinguishes a name from `http://…`, `12:30`
/// and `key:value`. A wide colon contains its space.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let colon = text.find([':', '：'])?;
    let is_wide = text[colon..].starts_with('：');
    let (name, text) = (&text[..colon], &text[colon + if is_wide { '：'.len_utf8() } else { 1 }..]);
    let name = name.trim_end_matches(' ');
    let fits = name.chars().count() <= NAME_CHARS_MAX
        && name.split(' ').count() <= NAME_WORDS_MAX
        && name.starts_with(char::is_alphanumeric)
        && name.contains(char::is_alphabetic)
        && name.chars().all(|char| char.is_alphanumeric() || " .-'’_".contains(char));
    if !fits || !(is_wide || text.starts_with(char::is_whitespace)) || text.trim().is_empty() {
        return None;
    }
    Some((name, text.trim()))
}

/// Returns the text for bytes that aren't text: `‹3 bytes: 00 ff 10›`.
fn bytes_in_hex(bytes: &[u8]) -> String {
    /// About one row of the crawl.
    const SHOWN_MAX: usize = 8;
    let count = format::grouped(bytes.len() as u64);
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    let hex = format::hex(&bytes[..bytes.len().min(SHOWN_MAX)]);
    let more = if bytes.len() > SHOWN_MAX { " …" } else { "" };
    format!("‹{count} {unit}: {hex}{more}›")
}
