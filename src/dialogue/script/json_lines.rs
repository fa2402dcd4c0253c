//! JSON lines: one object a row, with the fields that [`Line`] finds words by.
//! Blank rows are passed over.

use serde_json::value::RawValue;

use super::{Row, RowFault};
use crate::dialogue::{Line, WORDS};

/// Whether a script that begins with this row is written so; also where it is
/// JSON over several rows, which can only be told to be wrong.
pub(super) fn begins(row: &str) -> bool {
    let next = |open: char| row.strip_prefix(open).map(str::trim_start);
    next('{').is_some_and(|rest| rest.is_empty() || rest.starts_with(['"', '}']))
        || next('[').is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
}

pub(super) fn read(row: &str) -> Result<Row, RowFault> {
    if row.trim().is_empty() {
        return Ok(Row::Silent);
    }
    let json: &RawValue = serde_json::from_str(row).map_err(|error| {
        let words = error.to_string();
        let (words, _) = words.rsplit_once(" at line ").unwrap_or((&words, ""));
        let at = if error.is_eof() { row.len() } else { error.column().saturating_sub(1) };
        RowFault::in_bytes(row.as_bytes(), at, format!("The row isn't JSON: {words}."))
    })?;
    let column = row.chars().take_while(|char| char.is_whitespace()).count() + 1;
    if !json.get().starts_with('{') {
        let words = r#"The row is JSON, but no object such as {"character":"ADA","text":"Hello"}."#;
        return Err(RowFault::at(column, words));
    }
    match Line::from_json(json) {
        None => Err(RowFault::at(
            column,
            format!("The object has none of the fields {}, or has it twice.", WORDS.join(", ")),
        )),
        Some(line) if line.text.is_empty() => Err(RowFault::at(column, super::NO_WORDS)),
        Some(line) => Ok(Row::Spoken(line)),
    }
}
