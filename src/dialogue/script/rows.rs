//! Rows as in the tutorial: `"1" "CHARACTER" "Spoken text"`.
//!
//! - Inside the quotes `\"` is a quotation mark and `\\` a backslash; any other backslash is kept.
//! - Unescaped quotation marks in the text are part of it: the text ends with the row's last one.
//! - The header row `"character" "dialogue"` isn't a line of dialogue.
//! - Quotation marks that a word processor has curved are accepted.
//! - A row without a number, as the header has it, is `"CHARACTER" "Spoken text"`.

use std::borrow::Cow;

use super::{Row, RowFault};
use crate::dialogue::Line;

const UNCLOSED: &str = "Missing closing quotation mark.";

/// Whether a script that begins with this row has this format.
pub(super) fn recognizes(row: &str) -> bool {
    let straight = straightened(row);
    let Some(rest) = straight.strip_prefix('"') else { return false };
    let Some((first, rest)) = rest.split_once('"') else { return false };
    let has_next = rest.trim_start().starts_with('"') || first.parse::<u64>().is_ok();
    // A row of only “words” is plain text.
    (rest.is_empty() && row.starts_with('"')) || (rest.starts_with([' ', '\t']) && has_next)
}

pub(super) fn read(row: &str) -> Result<Row, RowFault> {
    if row.trim().is_empty() {
        return Ok(Row::Empty);
    }
    let row = &*straightened(row);
    let fields = match read_fields(row) {
        Ok(fields) => fields,
        Err(fault) => return with_literal_quotes(row).map(Row::Spoken).ok_or(fault),
    };
    match fields.as_slice() {
        [character, dialogue] | [_, character, dialogue]
            if character.text.eq_ignore_ascii_case("character") && dialogue.text.eq_ignore_ascii_case("dialogue") =>
        {
            Ok(Row::Empty)
        }
        [.., text] if (2..=3).contains(&fields.len()) && text.text.trim().is_empty() => {
            Err(RowFault::at(text.column, super::EMPTY_TEXT))
        }
        [_, character, text] => Ok(spoken(&character.text, &text.text)),
        [character, text] if character.text.contains(char::is_alphabetic) => Ok(spoken(&character.text, &text.text)),
        [_, _, _, fourth, ..] => Err(RowFault::at(
            fourth.column,
            "The row has more than 3 fields. Write \\\" for a quotation mark inside a field.",
        )),
        _ => Err(RowFault::at(
            row.chars().count() + 1,
            format!("The row has {} of 3 fields. Expected: \"1\" \"CHARACTER\" \"Spoken text\".", fields.len()),
        )),
    }
}

/// Returns a row that begins with a curved quotation mark with straight ones.
fn straightened(row: &str) -> Cow<'_, str> {
    const CURVED: [char; 3] = ['“', '”', '„'];
    match row.trim_start().starts_with(CURVED) {
        true => Cow::Owned(row.replace(CURVED, "\"")),
        false => Cow::Borrowed(row),
    }
}

fn spoken(character: &str, text: &str) -> Row {
    Row::Spoken(Line { character: character.trim().to_owned(), text: text.trim().to_owned() })
}

struct Field {
    column: usize,
    text: String,
}

fn read_fields(row: &str) -> Result<Vec<Field>, RowFault> {
    let mut fields: Vec<Field> = Vec::new();
    let mut chars = row.chars().zip(1..).peekable();
    while let Some((char, column)) = chars.next() {
        if char.is_whitespace() {
            continue;
        }
        if char != '"' {
            return Err(RowFault::at(column, format!("Expected a field in quotation marks, found {char}.")));
        }
        let mut text = String::new();
        loop {
            match chars.next() {
                None => {
                    return Err(RowFault::at(column, UNCLOSED));
                }
                Some(('"', _)) => break,
                Some(('\\', _)) => {
                    let escaped = chars.next_if(|&(char, _)| matches!(char, '"' | '\\'));
                    text.push(escaped.map_or('\\', |(char, _)| char));
                }
                Some((char, _)) => text.push(char),
            }
        }
        if let Some(&(char, column)) = chars.peek()
            && !char.is_whitespace()
        {
            return Err(RowFault::at(
                column,
                "Expected a space after the closing quotation mark. Write \\\" for a quotation mark inside a field.",
            ));
        }
        fields.push(Field { column, text });
    }
    Ok(fields)
}

/// Reads a row with unescaped quotation marks: number and character end at a mark before a space
/// and a mark, the text at the last mark.
fn with_literal_quotes(row: &str) -> Option<Line> {
    let (_, rest) = first_field(row.trim().strip_prefix('"')?)?;
    let (character, rest) = first_field(rest)?;
    let text = rest.strip_suffix('"').filter(|text| !text.ends_with('\\'))?;
    let unescaped = |text: &str| text.replace("\\\"", "\"").replace("\\\\", "\\").trim().to_owned();
    let line = Line { character: unescaped(character), text: unescaped(text) };
    (!line.text.is_empty()).then_some(line)
}

/// Returns a field without its marks, and the rest after the mark that opens the next.
fn first_field(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let mark = from + text[from..].find('"')?;
        let after = &text[mark + 1..];
        let next = after.trim_start();
        let is_escaped = text[..mark].ends_with('\\');
        if let Some(rest) = next.strip_prefix('"').filter(|_| next.len() < after.len() && !is_escaped) {
            return Some((&text[..mark], rest));
        }
        from = mark + 1;
    }
}
