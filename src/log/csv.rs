//! The log as a table for spreadsheets: CSV as RFC 4180 has it, one message a
//! row. For programs, and to import again, there is [`ndjson`].
//!
//! - It begins with a byte order mark: without one Excel reads UTF-8 as the
//!   code page of its country. Other spreadsheets take no notice of it.
//! - Times are in UTC, `2026-11-21 10:00:00.123`, which spreadsheets take for
//!   a date; with a T and a Z they don't.
//! - `encoding` says how to read `payload`: `text`, or `base64` where it isn't
//!   UTF-8 or holds control characters, for which the RFC has no place. Tabs and
//!   line ends are text.
//! - `properties` are the JSON of [`ndjson`], `size` is the payload's in bytes.
//! - A cell that a spreadsheet would take for a formula, and run, gets an
//!   apostrophe before it. So does one that begins with an apostrophe: who
//!   takes one away from each cell that has one first gets back what came.
//!   Plain numbers stay as they are, whatever their sign.

use super::Message;
use super::ndjson::{self, boolean, put_number, put_padded_base64, put_properties, put_time};

/// What stands before the first row.
pub const HEAD: &str = "\u{feff}time,seq,topic,qos,retain,dup,payload,encoding,size,properties\r\n";

/// Appends a message's row and its end.
pub fn write_message(message: &Message<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    put_time(message.time, out);
    out[start + ndjson::DATE_BYTES] = b' ';
    // The Z.
    out.pop();
    out.push(b',');
    put_number(message.seq, out);
    out.push(b',');
    put_text(message.topic, out);
    out.push(b',');
    out.push(b'0' + message.qos as u8);
    out.push(b',');
    out.extend_from_slice(boolean(message.retain));
    out.push(b',');
    out.extend_from_slice(boolean(message.dup));
    out.push(b',');
    match str::from_utf8(message.payload).ok().filter(|_| !message.payload.iter().any(has_no_place)) {
        Some(text) => {
            put_text(text, out);
            out.extend_from_slice(b",text,");
        }
        None => {
            let mut base64 = Vec::new();
            put_padded_base64(message.payload, &mut base64);
            put_text(str::from_utf8(&base64).unwrap_or_default(), out);
            out.extend_from_slice(b",base64,");
        }
    }
    put_number(message.payload.len() as u64, out);
    out.push(b',');
    if !message.properties.is_empty() {
        let mut properties = Vec::new();
        put_properties(message.properties, &mut properties);
        put_text(str::from_utf8(&properties).unwrap_or_default(), out);
    }
    out.extend_from_slice(b"\r\n");
}

fn has_no_place(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// A cell in quotes, in which commas and line ends are text.
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

/// What makes a spreadsheet run a cell that begins so; the wide ones do where
/// East Asian text is written. Behind a tab or a line's end some look further.
pub(crate) const fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\'' | '＝' | '＋' | '－' | '＠')
}

/// A sign, and digits with at most one point among them.
fn is_number(text: &[u8]) -> bool {
    let digits = text.get(1..).unwrap_or_default();
    let points = digits.iter().filter(|&&byte| byte == b'.').count();
    matches!(text, [b'+' | b'-', b'0'..=b'9', .., b'0'..=b'9'] | [b'+' | b'-', b'0'..=b'9'])
        && points <= 1
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}
