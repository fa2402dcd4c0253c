//! The log as a table for spreadsheets: CSV according to RFC 4180, one message a row. For programs,
//! and for importing it again, use [`ndjson`](super::ndjson).
//!
//! - It begins with a byte order mark: without one Excel reads UTF-8 as the code page of its
//!   country. Other spreadsheets ignore it.
//! - Times are in UTC, `2026-11-21 10:00:00.123`, which spreadsheets recognize as a date; with a T
//!   and a Z they don't.
//! - `encoding` says how to read `payload`: `text`, or `base64` where it isn't UTF-8 or contains
//!   control characters, which the RFC doesn't allow. Tabs and line ends are text.
//! - `properties` are the JSON of [`ndjson`](super::ndjson), `size` is the payload's in bytes.
//! - A cell that a spreadsheet would run as a formula gets an apostrophe before it. So does a cell
//!   that begins with an apostrophe: removing one apostrophe from each cell that begins with one
//!   restores the original. Plain numbers don't change, whatever their sign.
//! - Cells are separated by commas, or by semicolons ([`Dialect`]), which spreadsheets expect where
//!   the decimal separator is a comma.
//! - If digits are to be kept, a cell that a spreadsheet would change into another number or a date
//!   (`00420017`, `89490200001234567890`, `1E5`, `1-2`) is written as `="00420017"`, a formula for
//!   that text. Otherwise digits are unchanged, for programs.

use crate::format::begins_formula;
use serde::{Deserialize, Serialize};

use crate::message_log::message::Message;
use crate::message_log::ndjson::{boolean, put_number, put_padded_base64, put_properties};
use crate::rfc3339::{self, put_time};

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// The separator between cells.
    pub separator: Separator,
    /// Whether digits are protected from changes by a spreadsheet.
    pub keeps_digits: bool,
}

/// The separator between cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Separator {
    /// As in RFC 4180.
    #[default]
    Comma,
    /// For spreadsheets of countries with a decimal comma.
    Semicolon,
}

impl Separator {
    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// The column names.
const NAMES: [&str; 10] = ["time", "seq", "topic", "qos", "retain", "dup", "payload", "encoding", "size", "properties"];

/// Appends the byte order mark and the header row.
pub fn write_head(dialect: Dialect, out: &mut Vec<u8>) {
    out.extend_from_slice("\u{feff}".as_bytes());
    for (column, name) in NAMES.iter().enumerate() {
        if column > 0 {
            out.push(dialect.separator.byte());
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a message's row and its line end.
pub fn write_message(message: &Message<'_>, dialect: Dialect, out: &mut Vec<u8>) {
    let separator = dialect.separator.byte();
    let start = out.len();
    put_time(message.time, out);
    out[start + rfc3339::DATE_BYTES] = b' ';
    // Removes the Z.
    out.pop();
    out.push(separator);
    put_number(message.seq, out);
    out.push(separator);
    put_cell(message.topic, dialect, out);
    out.push(separator);
    out.push(b'0' + message.qos as u8);
    out.push(separator);
    out.extend_from_slice(boolean(message.retain));
    out.push(separator);
    out.extend_from_slice(boolean(message.dup));
    out.push(separator);
    match str::from_utf8(message.payload).ok().filter(|_| !message.payload.iter().any(has_no_place)) {
        Some(text) => {
            put_cell(text, dialect, out);
            put_encoding(b"text", separator, out);
        }
        None => {
            let mut base64 = Vec::new();
            put_padded_base64(message.payload, &mut base64);
            put_text(str::from_utf8(&base64).unwrap_or_default(), out);
            put_encoding(b"base64", separator, out);
        }
    }
    put_number(message.payload.len() as u64, out);
    out.push(separator);
    if !message.properties.is_empty() {
        let mut properties = Vec::new();
        put_properties(message.properties, &mut properties);
        put_text(str::from_utf8(&properties).unwrap_or_default(), out);
    }
    out.extend_from_slice(b"\r\n");
}

fn put_encoding(name: &[u8], separator: u8, out: &mut Vec<u8>) {
    out.push(separator);
    out.extend_from_slice(name);
    out.push(separator);
}

fn has_no_place(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Appends a cell with received text.
fn put_cell(text: &str, dialect: Dialect, out: &mut Vec<u8>) {
    if dialect.keeps_digits && is_changed(text, dialect.separator) {
        out.extend_from_slice(b"\"=\"\"");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\"\"\"");
    } else {
        put_text(text, out);
    }
}

/// The most characters of a text that a spreadsheet interprets as a number or a date.
const CHANGED_CHARS_MAX: usize = 64;

/// The most digits of a number that a spreadsheet keeps.
const DIGITS_MAX: usize = 15;

/// Whether a spreadsheet would interpret a text as a number or a date, and show other digits.
fn is_changed(text: &str, separator: Separator) -> bool {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.,:/ %".contains(&byte);
    let month = text.get(..3).map(str::to_ascii_lowercase);
    let may_be = text.starts_with(|c: char| c.is_ascii_digit() || "+-.,".contains(c))
        || month.is_some_and(|month| MONTHS.contains(&month.as_str()));
    text.len() <= CHANGED_CHARS_MAX
        && may_be
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(is_harmless)
        && !is_kept(text, separator)
}

/// Whether it is a number that doesn't change: not too many digits, no leading digit that is
/// dropped, and the decimal sign of the country.
fn is_kept(text: &str, separator: Separator) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty()
        && !unsigned.ends_with('.')
        && is_digits(whole)
        && is_digits(decimals)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && whole.len() + decimals.len() <= DIGITS_MAX
        && (separator == Separator::Comma || !unsigned.contains('.'))
}

/// Appends a quoted cell, in which commas and line ends are text.
fn put_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.chars().next().is_some_and(begins_formula) && !is_number(text.as_bytes()) {
        out.push(b'\'');
    }
    for &byte in text.as_bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Whether it is an optional sign, and digits with at most one point among them.
fn is_number(text: &[u8]) -> bool {
    let digits = text.get(1..).unwrap_or_default();
    let points = digits.iter().filter(|&&byte| byte == b'.').count();
    matches!(text, [b'+' | b'-', b'0'..=b'9', .., b'0'..=b'9'] | [b'+' | b'-', b'0'..=b'9'])
        && points <= 1
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}
