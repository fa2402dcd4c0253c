//! Bytes in rows: their position, in hex, as ASCII; and in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::ui::inspect::row::Row;
use crate::ui::inspect::row::{Kind, Piece};

/// Columns of a row of hex in addition to its bytes: the position, and the gaps.
const FRAME_COLUMNS: usize = 12;

/// Returns the number of bytes in a row of hex: 16, or 8 if those don't fit.
pub fn bytes_per_row(columns: usize) -> usize {
    if FRAME_COLUMNS + 4 * 16 <= columns { 16 } else { 8 }
}

/// Returns a row of hex; `None` past the end. An empty payload is one empty row.
pub fn row(bytes: &[u8], index: usize, bytes_per_row: usize) -> Option<Row> {
    let shown = slice(bytes, index, bytes_per_row)?;
    let mut hex = String::with_capacity(3 * bytes_per_row + 1);
    for place in 0..bytes_per_row {
        if place == bytes_per_row / 2 {
            hex.push(' ');
        }
        match shown.get(place) {
            Some(byte) => hex.push_str(&format!("{byte:02x} ")),
            None => hex.push_str("   "),
        }
    }
    let ascii = shown.iter().map(|&byte| ascii(byte)).collect();
    let pieces = vec![Piece { text: hex, kind: Kind::Number }, Piece { text: ascii, kind: Kind::Text }];
    Some(Row { lead: place(index * bytes_per_row), pieces, ..Row::default() })
}

/// Formats the position at which a row begins.
pub fn place(at: usize) -> String {
    format!("{at:06x}")
}

/// Returns a byte as a letter, if it is one.
pub fn ascii(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '·',
    }
}

/// Returns the number of bytes in a row of Base64: whole groups of four letters.
pub fn base64_bytes_per_row(columns: usize) -> usize {
    (columns / 4).clamp(1, 19) * 3
}

/// Returns a row of Base64 (RFC 4648, section 4); `None` past the end.
pub fn base64_row(bytes: &[u8], index: usize, bytes_per_row: usize) -> Option<Row> {
    let text = STANDARD.encode(slice(bytes, index, bytes_per_row)?);
    Some(Row { pieces: vec![Piece { text, kind: Kind::Plain }], ..Row::default() })
}

/// Returns the number of rows for this many bytes.
pub fn rows(bytes: usize, bytes_per_row: usize) -> usize {
    bytes.div_ceil(bytes_per_row).max(1)
}

fn slice(bytes: &[u8], index: usize, bytes_per_row: usize) -> Option<&[u8]> {
    if index >= rows(bytes.len(), bytes_per_row) {
        return None;
    }
    let start = index * bytes_per_row;
    bytes.get(start..(start + bytes_per_row).min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_text(row: Option<Row>) -> Option<String> {
        row.map(|row| row.pieces.into_iter().fold(row.lead, |all, piece| format!("{all}|{}", piece.text)))
    }

    #[test]
    fn bytes_stand_in_rows() {
        let bytes: Vec<u8> = (0x5e..0x5e + 19).collect();
        let first = "000000|5e 5f 60 61 62 63 64 65  66 67 68 69 6a 6b 6c 6d |^_`abcdefghijklm";
        let second = "000010|6e 6f 70                                         |nop";
        for (index, expected) in [(0, Some(first)), (1, Some(second)), (2, None)] {
            assert_eq!(row_text(row(&bytes, index, 16)).as_deref(), expected, "row {index}");
        }
        assert_eq!(row_text(row(&bytes[..2], 0, 8)).as_deref(), Some("000000|5e 5f                    |^_"));
        assert_eq!(row_text(base64_row(&bytes, 0, 6)).as_deref(), Some("|Xl9gYWJj"));
        assert_eq!(row_text(base64_row(&bytes, 3, 6)).as_deref(), Some("|cA=="));
        assert_eq!(row_text(base64_row(&bytes, 4, 6)), None);
        assert_eq!(row_text(row(b"", 0, 8)).as_deref(), Some("000000|                         |"));
        assert_eq!(row_text(row(b"", 1, 8)), None);
    }
}
