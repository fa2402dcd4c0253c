//! Finds speaker and text among the fields of JSON.
//!
//! - Empty values count as missing: `null`, an empty text, object or list. Then the next most
//!   likely field is used.
//! - An object as a text field has its text in a field of its own; a list of texts is joined to
//!   one; a text may be JSON again; and if no field has such a name, an inner object may have it,
//!   also as the only item of a list.
//! - An object as a speaker field has a name of its own, or is no speaker.

use serde_json::value::RawValue;

use super::{Found, each_field, json_of, only_item, readable, shown};

/// Returns how likely a field of this name is the speaker, and the text; less is more likely.
pub(super) type Rank = fn(&str) -> (Option<usize>, Option<usize>);

/// The maximum depth of nested objects.
const DEPTH_MAX: usize = 4;

/// Fields with the text of an object that is a text field itself, the most likely first, if it has
/// none with a name of text fields.
const INNER_TEXT: [&str; 6] = ["content", "plain", "plaintext", "raw", "string", "markdown"];

/// Name fields of an object, the most likely first.
const NAMES: [&str; 10] = [
    "name",
    "display_name",
    "displayname",
    "full_name",
    "first_name",
    "username",
    "user_name",
    "nickname",
    "login",
    "title",
];

/// The fields of an object that make a line.
#[derive(Debug)]
pub(super) struct NamedFields<'a> {
    /// The speaker, possibly empty; `None` if there is no such field.
    pub(super) speaker: Option<String>,
    /// The field with the speaker, if it is one of this object.
    pub(super) speaker_field: Option<&'a RawValue>,
    /// The text.
    pub(super) text: Option<FoundText>,
    /// Whether there is a text field, and it is empty.
    pub(super) is_silent: bool,
}

/// The text of a line.
#[derive(Debug)]
pub(super) struct FoundText {
    pub(super) text: String,
    /// Whether it was written as text: not a number, and not composed from other values.
    pub(super) is_text: bool,
}

impl<'a> NamedFields<'a> {
    /// Returns `None` if the JSON isn't an object.
    pub(super) fn of(json: &'a RawValue, rank: Rank) -> Option<Self> {
        Self::within(json, rank, 0)
    }

    fn within(json: &'a RawValue, rank: Rank, depth: usize) -> Option<Self> {
        if !json.get().starts_with('{') {
            return None;
        }
        let (mut speakers, mut texts) = (Candidates::default(), Candidates::default());
        let mut objects = Vec::new();
        each_field(json, &mut |name, value| match rank(name) {
            (Some(rank), _) => speakers.add(rank, value),
            (None, Some(rank)) => texts.add(rank, value),
            (None, None) => objects.extend(Some(only_item(value)).filter(|item| item.get().starts_with('{'))),
        })?;
        let named = speakers.all().find_map(|value| Some((value, name_of(value)?)));
        let (speaker_field, speaker) = named.unzip();
        let direct = texts.all().find_map(|value| text_of(value, rank, depth));
        let inside = || {
            let inner = objects.iter().filter(|_| depth < DEPTH_MAX);
            let mut inner = inner.filter_map(|object| Self::within(object, rank, depth + 1));
            inner.find_map(|inner| Some((inner.text.filter(|text| text.is_text)?, inner.speaker)))
        };
        let readable = || {
            let value = texts.all().find(|value| value.get() != "null")?;
            Some((FoundText { text: readable::value(value)?, is_text: false }, None))
        };
        let is_silent = texts.all().next().is_some();
        let (text, nearer) = direct.or_else(inside).or_else(readable).filter(|(text, _)| !text.text.is_empty()).unzip();
        Some(Self {
            speaker: nearer.flatten().or(speaker),
            speaker_field,
            is_silent: is_silent && text.is_none(),
            text,
        })
    }
}

/// The fields that could be meant.
#[derive(Default)]
struct Candidates<'a>(Vec<(usize, Found<'a>)>);

impl<'a> Candidates<'a> {
    fn add(&mut self, rank: usize, value: &'a RawValue) {
        match self.0.iter_mut().find(|(known, _)| *known == rank) {
            Some((_, found)) => found.add(value),
            None => self.0.push((rank, Found::Once(value))),
        }
        self.0.sort_by_key(|(rank, _)| *rank);
    }

    /// Iterates over the fields, the most likely first; fields that occur twice are ignored.
    fn all(&self) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter_map(|(_, found)| found.once())
    }
}

/// Returns the text in a value, and its speaker if that is inside, too.
fn text_of(value: &RawValue, rank: Rank, depth: usize) -> Option<(FoundText, Option<String>)> {
    let (text, is_text) = match value.get().as_bytes().first()? {
        b'n' => return None,
        b'{' if depth == DEPTH_MAX => return None,
        b'{' => {
            let inner = NamedFields::within(value, rank, depth + 1)?;
            let text = match inner.text {
                Some(text) if text.is_text => text,
                text => inner_text(value).or(text)?,
            };
            return Some((text, inner.speaker));
        }
        b'[' => (joined(value, rank, depth)?, true),
        first => (shown(value), *first == b'"'),
    };
    if depth < DEPTH_MAX
        && let Some(json) = json_of(&text).filter(|_| is_text)
        && let Some(found) = NamedFields::within(json, rank, depth + 1)
        && let Some(text) = found.text
    {
        return Some((text, found.speaker));
    }
    (!text.is_empty()).then_some((FoundText { text, is_text }, None))
}

/// Returns the text in an object that is a text field.
fn inner_text(object: &RawValue) -> Option<FoundText> {
    let mut texts = Candidates::default();
    each_field(object, &mut |name, value| {
        if let Some(rank) = INNER_TEXT.iter().position(|known| known.eq_ignore_ascii_case(name))
            && value.get().starts_with('"')
        {
            texts.add(rank, value);
        }
    })?;
    let text = texts.all().map(shown).find(|text| !text.is_empty())?;
    Some(FoundText { text, is_text: true })
}

/// Joins the texts of a list; `None` if it has none.
fn joined(list: &RawValue, rank: Rank, depth: usize) -> Option<String> {
    let (mut text, mut has_text) = (String::new(), false);
    each_field(list, &mut |_, item| {
        let piece = match item.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(item.get()).unwrap_or_default(),
            Some(b'{') if depth < DEPTH_MAX => {
                text_of(item, rank, depth + 1).map(|(text, _)| text.text).unwrap_or_default()
            }
            _ => return,
        };
        has_text |= !piece.trim().is_empty();
        let is_apart = text.is_empty() || text.ends_with(char::is_whitespace) || piece.starts_with(char::is_whitespace);
        if !is_apart && !piece.starts_with(['.', ',', '!', '?', ';', ':', ')', '’', '…']) {
            text.push(' ');
        }
        text.push_str(&piece);
    })?;
    has_text.then(|| text.trim().to_owned())
}

/// Returns the speaker named by a value.
fn name_of(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'n' => None,
        b'{' => own_name(value),
        b'[' => {
            let mut names = Vec::new();
            each_field(value, &mut |_, item| {
                if !item.get().starts_with('[') {
                    names.extend(name_of(item).filter(|name| !name.is_empty()));
                }
            })?;
            (!names.is_empty()).then(|| names.join(", "))
        }
        _ => Some(shown(value)),
    }
}

/// Returns the name that an object has of its own.
fn own_name(object: &RawValue) -> Option<String> {
    let (mut names, mut last_name) = (Candidates::default(), None);
    each_field(object, &mut |name, value| {
        if !value.get().starts_with('"') {
            return;
        }
        if name.eq_ignore_ascii_case("last_name") {
            last_name = Some(shown(value));
        } else if let Some(rank) = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            names.add(rank, value);
        }
    })?;
    let is_first = |value: &RawValue| {
        names.0.iter().any(|(rank, found)| {
            NAMES[*rank] == "first_name" && found.once().is_some_and(|found| std::ptr::eq(found, value))
        })
    };
    let value = names.all().find(|value| !shown(value).is_empty())?;
    let last = last_name.filter(|last| !last.is_empty() && is_first(value));
    Some(last.map_or_else(|| shown(value), |last| format!("{} {last}", shown(value))))
}
