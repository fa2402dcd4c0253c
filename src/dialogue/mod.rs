//! What a payload says, as a line of dialogue.
//!
//! - [`Line`]: who says what; made of any payload, for every payload.
//! - [`mapping`]: the person's own rules for that, by topic.
//! - [`script`]: files of dialogue, for whoever publishes them.

pub mod mapping;
pub mod script;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Who says what. Text is text: nothing in it is ever markup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The speaker, as written; empty where nobody is named.
    pub character: String,
    /// The words.
    pub text: String,
}

impl Line {
    /// What a message says. There is no payload that this can't show:
    ///
    /// - JSON with a field that holds words ([`WORDS`]), other fields aside: those
    ///   words, said by whom [`SPEAKERS`] names. The first of each counts. Values
    ///   of other types are shown as written.
    /// - `NAME: words`: that line.
    /// - Other text: the words, nobody's. JSON is put on one line; nothing else
    ///   about it changes, numbers least of all.
    /// - Nothing, or nothing but spaces: that it is so, and on which topic.
    /// - Bytes that aren't UTF-8: how many, and the first of them in hex.
    pub fn from_payload(topic: &str, payload: &[u8]) -> Self {
        let Some(text) = text_of(payload) else {
            return Self::narrated(bytes_in_hex(payload));
        };
        if text.is_empty() {
            let kind = if payload.is_empty() { "empty" } else { "blank" };
            return Self::narrated(format!("({kind} message on {topic})"));
        }
        if let Some(json) = json_of(text) {
            return Self::from_json(json).unwrap_or_else(|| Self::narrated(on_one_line(text)));
        }
        match split_name(text) {
            Some((name, words)) => Self { character: name.to_owned(), text: words.to_owned() },
            None => Self::narrated(text.to_owned()),
        }
    }

    /// The payload to publish: exactly `{"character":"…","text":"…"}`.
    pub fn to_json(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        format!(r#"{{"character":{},"text":{}}}"#, quoted(&self.character), quoted(&self.text))
    }

    fn narrated(text: String) -> Self {
        Self { character: String::new(), text }
    }

    /// `None` where the JSON is no object with words, or has them twice.
    fn from_json(json: &RawValue) -> Option<Self> {
        let (mut speakers, mut words) = ([Found::Never; SPEAKERS.len()], [Found::Never; WORDS.len()]);
        if !json.get().starts_with('{') {
            return None;
        }
        each_field(json, &mut |name, value| {
            let place_in = |names: &[&str]| names.iter().position(|known| *known == name);
            match (place_in(&SPEAKERS), place_in(&WORDS)) {
                (Some(place), _) => speakers[place].meet(value),
                (_, Some(place)) => words[place].meet(value),
                _ => {}
            }
        })?;
        let named = |value: &&RawValue| value.get() != "null";
        let character = speakers.into_iter().find_map(|found| found.once().filter(named));
        let text = words.into_iter().find_map(Found::once)?;
        Some(Self { character: character.map(shown).unwrap_or_default(), text: shown(text) })
    }
}

/// Fields of JSON that name a speaker, the likeliest first.
pub const SPEAKERS: [&str; 6] = ["character", "name", "from", "user", "device", "topic"];

/// Fields of JSON that hold words, the likeliest first.
pub const WORDS: [&str; 5] = ["text", "message", "msg", "body", "value"];

/// The payload as text, without what surrounds the words: a byte order mark,
/// spaces. `None` where it is no UTF-8.
fn text_of(payload: &[u8]) -> Option<&str> {
    Some(str::from_utf8(payload).ok()?.trim_start_matches('\u{feff}').trim())
}

/// The text as JSON, if it is some that has fields or items.
fn json_of(text: &str) -> Option<&RawValue> {
    if text.starts_with(['{', '[']) { serde_json::from_str(text).ok() } else { None }
}

/// The field of this path: names, or places in a list, with dots between them.
/// `None` where it isn't there, or twice.
fn field<'a>(mut json: &'a RawValue, mut path: &str) -> Option<&'a RawValue> {
    loop {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let (mut whole, mut outer) = (Found::Never, Found::Never);
        each_field(json, &mut |field, value| {
            // There are names with dots.
            if field == path {
                whole.meet(value);
            } else if field == name {
                outer.meet(value);
            }
        })?;
        if let Found::Once(value) = whole {
            return Some(value);
        }
        (json, path) = (outer.once()?, rest);
    }
}

/// A field of an object, which may be there twice.
#[derive(Clone, Copy, Default)]
enum Found<'a> {
    #[default]
    Never,
    Once(&'a RawValue),
    Again,
}

impl<'a> Found<'a> {
    fn meet(&mut self, value: &'a RawValue) {
        *self = if matches!(self, Self::Never) { Self::Once(value) } else { Self::Again };
    }

    fn once(self) -> Option<&'a RawValue> {
        match self {
            Self::Once(value) => Some(value),
            Self::Never | Self::Again => None,
        }
    }
}

/// Calls `see` with the name and the value of each field of an object, or with
/// the place of each item of a list and the item. `None` where there are no such
/// or a name is no text; then what was seen means nothing.
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

/// A JSON value as words: a string's content, anything else as written.
fn shown(value: &RawValue) -> String {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => text.trim().to_owned(),
        // Also a string with half a surrogate pair, which is no text.
        Err(_) => on_one_line(value.get()),
    }
}

/// JSON without line ends and indentation; what is in strings stays.
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

/// Longest speaker's name in characters and in words. `Once upon a time: …`
/// should rather be a sentence than a name.
const NAME_CHARS_MAX: usize = 32;
const NAME_WORDS_MAX: usize = 4;

/// Splits `NAME: words`. The space after the colon tells a name from
/// `http://…`, `12:30` and `key:value`.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let (name, words) = text.split_once(':')?;
    let name = name.trim_end_matches(' ');
    let fits = name.chars().count() <= NAME_CHARS_MAX
        && name.split(' ').count() <= NAME_WORDS_MAX
        && name.starts_with(char::is_alphanumeric)
        && name.contains(char::is_alphabetic)
        && name.chars().all(|char| char.is_alphanumeric() || " .-'’_".contains(char));
    if !fits || !words.starts_with(char::is_whitespace) || words.trim().is_empty() {
        return None;
    }
    Some((name, words.trim()))
}

/// What is said of bytes that aren't text: `‹3 bytes: 00 ff 10›`.
fn bytes_in_hex(bytes: &[u8]) -> String {
    /// About one row of the crawl.
    const SHOWN_MAX: usize = 8;
    let count = grouped(bytes.len());
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    let hex: Vec<String> = bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > SHOWN_MAX { " …" } else { "" };
    format!("‹{count} {unit}: {}{more}›", hex.join(" "))
}

/// A number with a comma between each three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
