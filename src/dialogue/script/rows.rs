//! Rows as in the tutorial: `"1" "CHARACTER" "Spoken text"`.
//!
//! - Inside the quotes `\"` is a quotation mark and `\\` a backslash; any other
//!   backslash is one.
//! - The header row `"character" "dialogue"` is no line of dialogue.
//! - A blank row is told: rows have numbers, and one without is missing.

use super::{Row, RowFault};
use crate::dialogue::Line;

/// Whether a script that begins with this row is written so.
pub(super) fn begins(row: &str) -> bool {
    let Some(rest) = row.strip_prefix('"') else { return false };
    let Some((first, rest)) = rest.split_once('"') else { return false };
    rest.is_empty() || rest.trim_start().starts_with('"') || first.parse::<u64>().is_ok()
}

pub(super) fn read(row: &str) -> Result<Row, RowFault> {
    if row.trim().is_empty() {
        return Err(RowFault::at(1, "The row is blank."));
    }
    let fields = read_fields(row)?;
    match fields.as_slice() {
        [character, dialogue] | [_, character, dialogue]
            if character.text.eq_ignore_ascii_case("character") && dialogue.text.eq_ignore_ascii_case("dialogue") =>
        {
            Ok(Row::Silent)
        }
        [_, _, text] if text.text.trim().is_empty() => Err(RowFault::at(text.column, super::NO_WORDS)),
        [_, character, text] => {
            Ok(Row::Spoken(Line { character: character.text.trim().to_owned(), text: text.text.trim().to_owned() }))
        }
        [_, _, _, fourth, ..] => Err(RowFault::at(
            fourth.column,
            "The row goes on after its third field. Write \\\" for a quotation mark inside one.",
        )),
        _ => Err(RowFault::at(
            row.chars().count() + 1,
            format!("The row has {} of its 3 fields: \"1\" \"CHARACTER\" \"Spoken text\".", fields.len()),
        )),
    }
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
            return Err(RowFault::at(
                column,
                format!("Here stands {char} where a field in quotation marks should begin."),
            ));
        }
        let mut text = String::new();
        loop {
            match chars.next() {
                None => {
                    return Err(RowFault::at(column, super::UNCLOSED));
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
                "After a closing quotation mark comes a space. Write \\\" for a quotation mark inside a field.",
            ));
        }
        fields.push(Field { column, text });
    }
    Ok(fields)
}
