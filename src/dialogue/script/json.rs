//! JSON: one object per row with the fields of a line, or a document of lists and objects, over any
//! number of rows.
//!
//! - The items of a document's lists are read one by one as they come. An object without text may
//!   contain lists of objects with text.
//! - A list of two texts is a name and its text; a single text is read like a row of plain text.

use serde_json::value::RawValue;

use super::{Out, ROW_BYTES_MAX, Row, RowFault, columns, text};
use crate::dialogue::fields::NamedFields;
use crate::dialogue::{Line, NAME_CHARS_MAX, WORDS, each_field, shown};

/// The longest object in bytes that isn't an item of a list: it is read as a whole.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// The maximum depth of lines in other objects and lists.
const DEPTH_MAX: usize = 12;

/// Whether a script that begins with this row is JSON.
pub(super) fn recognizes(row: &str) -> bool {
    let next = |open: char| row.strip_prefix(open).map(str::trim_start);
    next('{').is_some_and(|rest| rest.is_empty() || rest.starts_with(['"', '}']))
        || next('[').is_some_and(|rest| rest.is_empty() || rest.starts_with(['{', '[', '"']))
}

/// Whether JSON that begins with this row is a document of several rows.
pub(super) fn is_document(row: &str) -> bool {
    let row = row.trim();
    row.starts_with('[')
        || (row.starts_with('{')
            && row.ends_with(['{', '[', ','])
            && serde_json::from_str::<&RawValue>(row).is_err_and(|error| error.is_eof()))
}

/// Reads a row with an object, which may contain lists of others. Blank rows are skipped.
pub(super) fn read(number: usize, row: &str, out: &mut Out) {
    if row.trim().is_empty() {
        return;
    }
    let json: &RawValue = match serde_json::from_str(row) {
        Ok(json) => json,
        Err(error) => {
            let at = if error.is_eof() { row.len() } else { error.column().saturating_sub(1) };
            let fault = RowFault::in_bytes(row, at, format!("The row isn't valid JSON: {}.", reason(&error)));
            return out.take(number, Err(fault));
        }
    };
    let column = row.chars().take_while(|char| char.is_whitespace()).count() + 1;
    if !json.get().starts_with('{') {
        let message = r#"The row is JSON, but not an object such as {"character":"ADA","text":"Hello"}."#;
        return out.fault(number, column, message.to_owned());
    }
    if Parts::of(json).has_text {
        return match line_of(json) {
            Ok(Some(line)) => out.spoken(number, line),
            Ok(None) => out.fault(number, column, no_fields()),
            Err(message) => out.fault(number, column, message.to_owned()),
        };
    }
    let mut items = Items { whole: row, line: number, found: 0, out };
    items.read(json, 0, false);
    if items.found == 0 {
        out.fault(number, column, no_fields());
    }
}

fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or_else(|| message.clone(), |(message, _)| message.to_owned())
}

fn no_fields() -> String {
    format!("The object has none of the fields {}, or has it twice.", WORDS.join(", "))
}

/// Returns the line of an object as written; `None` if it has no text field, an error if that is
/// empty.
fn line_of(json: &RawValue) -> Result<Option<Line>, &'static str> {
    let Some(NamedFields { speaker, text, is_silent, .. }) = NamedFields::of(json, columns::rank) else {
        return Ok(None);
    };
    match text {
        Some(text) => Ok(Some(Line { character: speaker.unwrap_or_default(), text: text.text })),
        None if is_silent => Err(super::EMPTY_TEXT),
        None => Ok(None),
    }
}

/// A document that is being read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The current item, and the line that it begins in.
    item: String,
    item_at: usize,
    /// The number of open brackets in it.
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    /// Whether the items are in a list.
    is_in_list: bool,
    /// Whether the item is too long and is skipped.
    is_skipping: bool,
    line: usize,
    /// Texts of the open list, until there are more than two.
    texts: Vec<(usize, String)>,
    items: usize,
}

impl Document {
    /// Creates a document that begins at this line of the file.
    pub(super) fn new(line: usize) -> Self {
        Self {
            item: String::new(),
            item_at: line,
            depth: 0,
            is_in_string: false,
            is_escaped: false,
            is_in_list: false,
            is_skipping: false,
            line,
            texts: Vec::new(),
            items: 0,
        }
    }

    pub(super) fn push(&mut self, piece: &str, out: &mut Out) {
        for char in piece.chars() {
            self.char(char, out);
            self.line += usize::from(char == '\n');
        }
    }

    pub(super) fn end(&mut self, out: &mut Out) {
        let is_cut = self.depth > 0 || self.is_in_string;
        if !is_cut {
            self.end_item(out);
        }
        self.end_list(out);
        if is_cut || self.is_in_list {
            out.fault(self.line, 1, "The JSON is incomplete: part of the file is missing.".to_owned());
        }
    }

    fn char(&mut self, char: char, out: &mut Out) {
        if self.is_in_string {
            self.keep(char);
            let was_escaped = std::mem::replace(&mut self.is_escaped, false);
            match char {
                '\\' => self.is_escaped = !was_escaped,
                '"' if !was_escaped => {
                    self.is_in_string = false;
                    if self.depth == 0 {
                        self.end_item(out);
                    }
                }
                _ => {}
            }
            return;
        }
        match char {
            '[' if self.depth == 0 && self.item.is_empty() && !self.is_in_list => {
                self.is_in_list = true;
                self.items = 0;
            }
            ']' if self.depth == 0 && self.is_in_list => {
                self.end_item(out);
                self.end_list(out);
                self.is_in_list = false;
            }
            '[' | '{' => {
                self.keep(char);
                self.depth += 1;
            }
            ']' | '}' if self.depth > 0 => {
                self.keep(char);
                self.depth -= 1;
                if self.depth == 0 {
                    self.end_item(out);
                }
            }
            '"' => {
                self.keep(char);
                self.is_in_string = true;
            }
            ',' if self.depth == 0 => self.end_item(out),
            char if char.is_whitespace() && self.depth == 0 => self.end_item(out),
            _ => self.keep(char),
        }
    }

    fn keep(&mut self, char: char) {
        if self.item.is_empty() && !self.is_skipping {
            self.item_at = self.line;
        }
        if self.item.len() >= self.item_bytes_max() {
            self.is_skipping = true;
            self.item = String::new();
        }
        if !self.is_skipping {
            self.item.push(char);
        }
    }

    fn item_bytes_max(&self) -> usize {
        if self.is_in_list { ROW_BYTES_MAX } else { DOCUMENT_BYTES_MAX }
    }

    fn end_item(&mut self, out: &mut Out) {
        let item = std::mem::take(&mut self.item);
        if std::mem::take(&mut self.is_skipping) {
            let fault = format!("The object is longer than {} MiB.", self.item_bytes_max() >> 20);
            return out.fault(self.item_at, 1, fault);
        }
        if item.is_empty() {
            return;
        }
        self.items += 1;
        let json: &RawValue = match serde_json::from_str(&item) {
            Ok(json) => json,
            Err(error) => {
                let line = self.item_at + error.line().saturating_sub(1);
                return out.fault(line, error.column().max(1), format!("Not valid JSON: {}.", reason(&error)));
            }
        };
        if self.is_in_list && json.get().starts_with('"') {
            self.texts.push((self.item_at, shown(json)));
            if self.items > 2 {
                self.end_list(out);
            }
            return;
        }
        self.end_list(out);
        let mut reader = Items { whole: &item, line: self.item_at, found: 0, out };
        reader.read(json, 0, true);
        if reader.found == 0 {
            out.fault(self.item_at, 1, no_fields());
        }
    }

    /// Adds the texts of a list that has ended, or that isn't a pair.
    fn end_list(&mut self, out: &mut Out) {
        let texts = std::mem::take(&mut self.texts);
        match texts.as_slice() {
            [(number, name), (_, text)] if self.items == 2 && is_pair(name, text) => {
                out.spoken(*number, Line { character: name.clone(), text: text.clone() });
            }
            texts => texts.iter().for_each(|(number, text)| out.take(*number, text::read(text))),
        }
    }
}

fn is_pair(name: &str, text: &str) -> bool {
    name.chars().count() <= NAME_CHARS_MAX && !name.contains(':') && !text.is_empty()
}

/// Reads the lines inside an item.
struct Items<'a, 'o> {
    whole: &'a str,
    /// The line that the item begins in.
    line: usize,
    found: usize,
    out: &'o mut Out,
}

impl Items<'_, '_> {
    /// `is_item`: it is an item of a list, where two texts are a name and its text.
    fn read(&mut self, json: &RawValue, depth: usize, is_item: bool) {
        match json.get().as_bytes().first() {
            Some(b'[') if depth < DEPTH_MAX => self.read_list(json, depth, is_item),
            Some(b'{') => {
                let parts = Parts::of(json);
                let inside = if parts.lines.is_empty() { parts.others } else { parts.lines };
                let found = self.found;
                if !parts.has_text && depth < DEPTH_MAX {
                    inside.into_iter().for_each(|value| self.read(value, depth + 1, false));
                }
                if self.found == found {
                    self.read_line(json);
                }
            }
            _ => {}
        }
    }

    fn read_line(&mut self, json: &RawValue) {
        let row = match line_of(json) {
            Ok(None) => return,
            Ok(Some(line)) => Ok(Row::Spoken(line)),
            Err(message) => Err(RowFault::at(1, message)),
        };
        self.found += 1;
        self.out.take(self.number(json), row);
    }

    fn read_list(&mut self, json: &RawValue, depth: usize, is_item: bool) {
        let mut items = Vec::new();
        if each_field(json, &mut |_, item| items.push(item)).is_none() {
            return;
        }
        if let [name, text] = items.as_slice()
            && is_item
            && [name, text].iter().all(|item| item.get().starts_with('"'))
            && is_pair(&shown(name), &shown(text))
        {
            self.found += 1;
            return self.out.spoken(self.number(json), Line { character: shown(name), text: shown(text) });
        }
        for item in items {
            if item.get().starts_with('"') {
                self.found += 1;
                self.out.take(self.number(item), text::read(&shown(item)));
            } else {
                self.read(item, depth + 1, true);
            }
        }
    }

    /// Returns the line of the file in which a part of the item begins.
    fn number(&self, json: &RawValue) -> usize {
        let at = (json.get().as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        self.line + self.whole.as_bytes()[..at.min(self.whole.len())].iter().filter(|&&byte| byte == b'\n').count()
    }
}

/// The relevant contents of an object.
#[derive(Default)]
struct Parts<'a> {
    /// Whether it has text of its own; `false` if it has lists of lines.
    has_text: bool,
    /// Lists in a text field whose items name speakers: lines, not pieces of one text.
    lines: Vec<&'a RawValue>,
    /// Other lists and objects.
    others: Vec<&'a RawValue>,
}

impl<'a> Parts<'a> {
    fn of(json: &'a RawValue) -> Self {
        let mut parts = Self::default();
        let seen = each_field(json, &mut |name, value| {
            let is_inner = value.get().starts_with(['{', '[']);
            match columns::rank(name) {
                (None, Some(_)) if holds_lines(value) => parts.lines.push(value),
                (None, Some(_)) => parts.has_text |= !matches!(value.get(), "null" | "[]" | "{}"),
                (_, None) if is_inner => parts.others.push(value),
                _ => {}
            }
        });
        if seen.is_none() {
            return Self::default();
        }
        parts.has_text &= parts.lines.is_empty();
        parts
    }
}

/// Whether a list contains objects that name speakers, or lists.
fn holds_lines(list: &RawValue) -> bool {
    let mut holds = false;
    let is_list = list.get().starts_with('[');
    let seen = each_field(list, &mut |_, item| {
        holds |= item.get().starts_with('[');
        if item.get().starts_with('{') {
            let see_speaker = &mut |name: &str, _: &RawValue| holds |= columns::rank(name).0.is_some();
            // An invalid name ends the search.
            let _ = each_field(item, see_speaker);
        }
    });
    is_list && seen.is_some() && holds
}
