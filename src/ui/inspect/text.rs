//! Text as it is, in rows of a bounded width.
//!
//! Invisible characters are made visible, and what would affect its surroundings is named instead:
//! control characters, direction marks, bytes that aren't UTF-8.

use crate::ui::inspect::row::{Kind, Piece, Row};

/// The largest number of columns that a tab takes.
const TAB_COLUMNS: usize = 8;

/// The names of the control characters in ASCII. Unicode's pictures of them are missing in many
/// fonts, and too small to be read in the others.
const CONTROL_NAMES: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
    "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

/// The beginnings of a text's rows, as far as it is laid out.
#[derive(Clone, Debug)]
pub struct Text {
    columns: usize,
    starts: Vec<u32>,
    at: usize,
    /// The columns that the last row has so far.
    used: usize,
    /// Its line has ended.
    breaks_next: bool,
}

impl Text {
    /// The largest number of bytes of a broken character, plus one to continue.
    const SLICE_MIN: usize = 8;

    /// Begins to lay a payload out in rows of about this many columns. A row ends with its line, or
    /// when it is full.
    pub fn new(columns: usize) -> Self {
        Self { columns, starts: vec![0], at: 0, used: 0, breaks_next: false }
    }

    /// Continues for about this many bytes; returns `true` at the end.
    pub fn advance(&mut self, payload: &[u8], bytes: usize) -> bool {
        let end = self.at.saturating_add(bytes.max(Self::SLICE_MIN)).min(payload.len());
        let slice = payload.get(self.at..end).unwrap_or_default();
        for chunk in slice.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.place(c.len_utf8(), columns_of(c), c == '\n');
            }
            let invalid = chunk.invalid();
            // A character that the slice cuts in two isn't broken.
            let is_cut = || str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if self.at + invalid.len() == end && end < payload.len() && is_cut() {
                return false;
            }
            if !invalid.is_empty() {
                self.place(invalid.len(), 4 * invalid.len(), false);
            }
        }
        if end < payload.len() {
            return false;
        }
        // A line end at the very end shows as an empty line, as in an editor.
        if std::mem::take(&mut self.breaks_next) {
            self.starts.push(end as u32);
        }
        true
    }

    fn place(&mut self, bytes: usize, columns: usize, is_end: bool) {
        if self.breaks_next || (self.used > 0 && self.used + columns > self.columns) {
            // A packet has at most 16 MiB.
            self.starts.push(self.at as u32);
            self.used = 0;
        }
        self.breaks_next = is_end;
        self.used += columns;
        self.at += bytes;
    }

    /// Returns the number of rows; one for an empty payload.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Returns a row of the payload that was laid out; `None` past the end.
    pub fn row(&self, payload: &[u8], index: usize) -> Option<Row> {
        let start = *self.starts.get(index)? as usize;
        let end = self.starts.get(index + 1).map_or(self.at, |&end| end as usize);
        let bytes = payload.get(start..end)?;
        let mut pieces = Vec::new();
        for chunk in bytes.utf8_chunks() {
            put(chunk.valid().trim_end_matches('\n'), Kind::Plain, &mut pieces);
            for byte in chunk.invalid() {
                pieces.push(Piece { text: format!("\\x{byte:02X}"), kind: Kind::Odd });
            }
        }
        let continues = start.checked_sub(1).and_then(|last| payload.get(last)).is_some_and(|&byte| byte != b'\n');
        Some(Row { pieces, continues, ..Row::default() })
    }
}

/// Splits a text into pieces, with names for invisible characters.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    put(text, Kind::Plain, &mut pieces);
    pieces
}

/// Adds a text to a row, with names for invisible characters.
pub(super) fn put(text: &str, kind: Kind, pieces: &mut Vec<Piece>) {
    let mut plain = String::new();
    for c in text.chars() {
        let Some(stand_in) = stand_in(c) else {
            plain.push(c);
            continue;
        };
        if !plain.is_empty() {
            pieces.push(Piece { text: std::mem::take(&mut plain), kind });
        }
        pieces.push(Piece { text: stand_in, kind: Kind::Odd });
    }
    if !plain.is_empty() {
        pieces.push(Piece { text: plain, kind });
    }
}

/// Returns how many bytes of the text fit into this many columns: at least one character, and all
/// of a text that is short enough.
pub(super) fn fitting(text: &str, columns: usize) -> usize {
    // The common case: each byte is a letter of one column.
    if text.len() <= columns && text.is_ascii() && !text.contains(['\t', '\u{7f}']) {
        return text.len();
    }
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns_of(c);
        if used > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

fn columns_of(c: char) -> usize {
    match c {
        '\n' => 0,
        '\t' => TAB_COLUMNS,
        ' '..='~' => 1,
        _ => match stand_in(c) {
            Some(stand_in) => stand_in.chars().count(),
            // From here on letters may be twice as wide; a row that ends too early is better than
            // one that is cut off.
            None => 1 + usize::from(c >= '\u{1100}'),
        },
    }
}

/// Returns what is shown instead of a character that is invisible, or that would change how others
/// are shown.
fn stand_in(c: char) -> Option<String> {
    Some(match c {
        '\t' | ' '..='~' => return None,
        '\0'..='\u{1f}' => CONTROL_NAMES.get(c as usize)?.to_string(),
        '\u{7f}' => "DEL".to_owned(),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => format!("U+{:04X}", c as u32),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &[u8], columns: usize, expected: &[&str]) {
        let mut text = Text::new(columns);
        assert!(text.advance(payload, usize::MAX));
        let rows: Vec<String> = (0..text.rows())
            .map(|index| {
                let row = text.row(payload, index).expect("a row");
                let mark = if row.continues { "↪" } else { "" };
                let pieces = row.pieces.iter().map(|piece| match piece.kind {
                    Kind::Odd => format!("[{}]", piece.text),
                    _ => piece.text.clone(),
                });
                mark.to_owned() + &pieces.collect::<String>()
            })
            .collect();
        assert_eq!(rows, expected, "{payload:?}");
        assert_eq!(text.row(payload, text.rows()), None);
    }

    #[test]
    fn text_is_shown_as_it_is() {
        check(b"", 10, &[""]);
        check(b"127.0", 10, &["127.0"]);
        check(b"two\nlines", 10, &["two", "lines"]);
        check(b"ends\n", 10, &["ends", ""]);
        check(b"\n\n", 10, &["", "", ""]);
        check(b"crlf\r\nx", 10, &["crlf[CR]", "x"]);
        check(b"</script><b>", 20, &["</script><b>"]);
        check(b"\0\x1b\x7f", 10, &["[NUL][ESC][DEL]"]);
        check(b"1234567890abc", 5, &["12345", "↪67890", "↪abc"]);
        check("a\u{202e}b\u{2066}".as_bytes(), 20, &["a[U+202E]b[U+2066]"]);
        check(b"caf\xc3", 10, &["caf[\\xC3]"]);
        check(b"\xff\xfe ok \xe2\x82", 40, &["[\\xFF][\\xFE] ok [\\xE2][\\x82]"]);
        // A sequence that belongs together isn't split, even if it is too wide.
        check(b"ab\xe2\x82cd", 4, &["ab", "↪[\\xE2][\\x82]", "↪cd"]);
        check("字字字".as_bytes(), 4, &["字字", "↪字"]);
        check("a\tb".as_bytes(), 8, &["a", "↪\t", "↪b"]);
    }

    #[test]
    fn long_text_is_cut_at_characters() {
        for (text, columns, expected) in
            [("abc", 3, 3), ("abcd", 3, 3), ("", 3, 0), ("é", 0, 2), ("éé", 1, 2), ("字字", 3, 3), ("\u{202e}a", 5, 3)]
        {
            assert_eq!(fitting(text, columns), expected, "{text:?} in {columns}");
        }
    }
}
