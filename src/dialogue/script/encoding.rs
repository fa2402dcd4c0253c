//! Decodes a script in pieces: UTF-8, UTF-16, and Windows-1252 where it is neither.
//!
//! - A byte order mark decides between UTF-8 and UTF-16. Without one, UTF-16 is recognized by NULs
//!   in every other byte at the beginning of the file.
//! - Bytes that aren't UTF-8 are read one by one as Windows-1252, so a UTF-8 file with one bad row
//!   loses nothing.
//! - Bytes that aren't text in Windows-1252 either cost their row. After a word of another encoding,
//!   so does every row that isn't UTF-8.
//! - A file that isn't text at all is recognized by its beginning.

use std::collections::VecDeque;

/// The number of bytes that decide about a file's type.
const HEAD_BYTES_MAX: usize = 64;

/// This many consecutive bytes that aren't UTF-8 aren't Windows-1252 either: no word of the
/// languages that use it has as many consecutive accented letters, and every word of Greek, Russian
/// or Chinese has.
const FOREIGN_RUN: usize = 6;

/// If the share of NULs is less than one byte in this number, they don't indicate UTF-16.
const NULS_PART: usize = 8;

/// The characters of Windows-1252 from 0x80 to 0x9F; all others are those of Latin-1. Five bytes
/// have none.
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“', '”', '•',
    '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// The beginnings of files that aren't text, and what to do with them.
const SIGNATURES: [(&[u8], &str); 18] = [
    (b"PK\x03\x04", OFFICE),
    (b"PK\x05\x06", OFFICE),
    (b"\xd0\xcf\x11\xe0", OFFICE),
    (b"%PDF", "It is a PDF. Copy its text into a text file."),
    (b"{\\rtf", "It is an RTF document. Save it as plain text."),
    (b"\x1f\x8b", PACKED),
    (b"BZh", PACKED),
    (b"7z\xbc\xaf", PACKED),
    (b"\xfd7zXZ", PACKED),
    (b"Rar!", PACKED),
    (b"\x89PNG", MEDIA),
    (b"GIF8", MEDIA),
    (b"\xff\xd8\xff", MEDIA),
    (b"RIFF", MEDIA),
    (b"OggS", MEDIA),
    (b"ID3", MEDIA),
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
];
const UTF_32: &str = "It is UTF-32 text. Save it as UTF-8.";
const OFFICE: &str = "It is an office document or an archive. Save it as CSV or plain text in UTF-8.";
const PACKED: &str = "It is a compressed file. Unpack it first.";
const MEDIA: &str = "It is an image, audio or video file. Use a text file, such as its subtitles.";
const BINARY: &str = "It isn't a text file. Save the script as CSV or plain text in UTF-8.";

/// The encoding of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// With Windows-1252 for bytes that aren't UTF-8.
    Utf8,
    Utf16 {
        is_big_endian: bool,
    },
}

/// Decodes bytes to text, in pieces of any length.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    /// `None` until enough bytes are known.
    encoding: Option<Encoding>,
    /// Bytes that aren't a whole character yet, or not enough to decide the encoding.
    tail: Vec<u8>,
    /// The current line of the file, from 1, …
    line: usize,
    /// … and the number of its characters read.
    column: usize,
    /// The number of consecutive bytes that aren't UTF-8; a letter that is drawn out counts once.
    run: usize,
    last_byte: u8,
    /// Whether the file isn't Windows-1252 either.
    is_foreign: bool,
    /// Whether this line has such bytes.
    is_not_utf8: bool,
    /// The first line that has such bytes and is text.
    not_utf8_at: Option<usize>,
    /// Lines and columns, from 1, of characters that aren't text; one per line.
    broken: VecDeque<(usize, usize)>,
    not_text: Option<&'static str>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            encoding: None,
            tail: Vec::new(),
            line: 1,
            column: 0,
            run: 0,
            last_byte: 0,
            is_foreign: false,
            is_not_utf8: false,
            not_utf8_at: None,
            broken: VecDeque::new(),
            not_text: None,
        }
    }
}

impl Decoder {
    /// Appends the decoded bytes to `text`; `is_end`: no bytes follow.
    pub(super) fn push(&mut self, bytes: &[u8], is_end: bool, text: &mut String) {
        if self.not_text.is_some() {
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.encoding.is_none() && !self.detect_encoding(is_end) {
            return;
        }
        let bytes = std::mem::take(&mut self.tail);
        let whole = match self.encoding {
            Some(Encoding::Utf16 { is_big_endian }) => self.push_utf16(&bytes, is_big_endian, is_end, text),
            _ => self.push_utf8(&bytes, is_end, text),
        };
        if is_end {
            self.end_line();
        }
        self.tail.extend_from_slice(&bytes[whole..]);
    }

    /// Returns why the file isn't text, if it isn't.
    pub(super) fn not_text(&self) -> Option<&'static str> {
        self.not_text
    }

    /// Returns the first line that isn't UTF-8 and was read as Windows-1252.
    pub(super) fn not_utf8_at(&self) -> Option<usize> {
        self.not_utf8_at
    }

    /// Returns line and column of the first character that isn't text in these lines; those before
    /// them are forgotten.
    pub(super) fn broken_in(&mut self, lines: std::ops::Range<usize>) -> Option<(usize, usize)> {
        let mut first = None;
        while let Some(&(line, column)) = self.broken.front()
            && line < lines.end
        {
            self.broken.pop_front();
            if line >= lines.start && first.is_none() {
                first = Some((line, column));
            }
        }
        first
    }

    /// Decides the encoding from the beginning of the file; `false` if there aren't enough bytes.
    /// The deciding bytes are the same whatever the pieces.
    fn detect_encoding(&mut self, is_end: bool) -> bool {
        let head = &self.tail[..self.tail.len().min(HEAD_BYTES_MAX)];
        let wanted = match head.iter().position(|&byte| byte == b'\n') {
            // A UTF-16 line end has two bytes.
            Some(end) if head[..end].contains(&0) => end + 2,
            Some(end) => end + 1,
            None => HEAD_BYTES_MAX,
        };
        if head.len() < wanted && !is_end {
            return false;
        }
        let head = &head[..wanted.min(head.len())];
        if let Some((_, description)) = SIGNATURES.iter().find(|(begin, _)| head.starts_with(begin)) {
            self.not_text = Some(description);
            return false;
        }
        let nuls = |first: usize| head.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
        let (encoding, mark) = match head {
            [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, 3),
            [0xFF, 0xFE, ..] => (Encoding::Utf16 { is_big_endian: false }, 2),
            [0xFE, 0xFF, ..] => (Encoding::Utf16 { is_big_endian: true }, 2),
            _ => match (nuls(0), nuls(1)) {
                // A stray NUL costs only its row.
                (even, odd) if (even + odd) * NULS_PART < head.len().max(1) => (Encoding::Utf8, 0),
                (even, odd) if odd > 2 * even => (Encoding::Utf16 { is_big_endian: false }, 0),
                (even, odd) if even > 2 * odd => (Encoding::Utf16 { is_big_endian: true }, 0),
                _ => {
                    self.not_text = Some(BINARY);
                    return false;
                }
            },
        };
        self.encoding = Some(encoding);
        self.tail.drain(..mark);
        true
    }

    /// Returns how many of the bytes are whole characters.
    fn push_utf8(&mut self, bytes: &[u8], is_end: bool, text: &mut String) -> usize {
        let whole = if is_end { bytes.len() } else { whole_characters(bytes) };
        for chunk in bytes[..whole].utf8_chunks() {
            self.push_valid(chunk.valid(), text);
            for &byte in chunk.invalid() {
                self.is_not_utf8 = true;
                self.run += usize::from(byte != std::mem::replace(&mut self.last_byte, byte));
                self.is_foreign |= self.run >= FOREIGN_RUN;
                let char = windows_1252(byte);
                if char.is_none() || self.is_foreign {
                    self.break_line();
                }
                text.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
                self.column += 1;
            }
        }
        whole
    }

    fn push_valid(&mut self, valid: &str, text: &mut String) {
        if valid.is_empty() {
            return;
        }
        (self.run, self.last_byte) = (0, 0);
        for line in valid.split_inclusive('\n') {
            if let Some(at) = line.find('\0') {
                self.column += line[..at].chars().count();
                self.break_line();
                self.column += line[at..].chars().count();
            } else {
                self.column += line.chars().count();
            }
            if line.ends_with('\n') {
                self.end_line();
                (self.line, self.column) = (self.line + 1, 0);
            }
        }
        text.push_str(valid);
    }

    fn push_utf16(&mut self, bytes: &[u8], is_big_endian: bool, is_end: bool, text: &mut String) -> usize {
        let units = bytes.chunks_exact(2).map(|pair| {
            let pair = [pair[0], pair[1]];
            if is_big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        });
        let mut units: Vec<u16> = units.collect();
        // The second half of a pair is still missing.
        if !is_end && units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit)) {
            units.pop();
        }
        for char in char::decode_utf16(units.iter().copied()) {
            match char {
                Ok(char) => self.push_valid(char.encode_utf8(&mut [0; 4]), text),
                Err(_) => {
                    self.break_line();
                    self.push_valid("\u{fffd}", text);
                }
            }
        }
        if is_end { bytes.len() } else { 2 * units.len() }
    }

    fn end_line(&mut self) {
        let is_broken = self.broken.back().is_some_and(|&(line, _)| line == self.line);
        if std::mem::take(&mut self.is_not_utf8) && !is_broken {
            self.not_utf8_at.get_or_insert(self.line);
        }
    }

    /// Marks the next character as not being text.
    fn break_line(&mut self) {
        if self.broken.back().is_none_or(|&(line, _)| line != self.line) {
            self.broken.push_back((self.line, self.column + 1));
        }
    }
}

/// Returns the number of bytes before an incomplete character.
fn whole_characters(bytes: &[u8]) -> usize {
    for (back, &byte) in (1..=3).zip(bytes.iter().rev()) {
        let length = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF => continue,
            _ => 1,
        };
        return if length > back { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

fn windows_1252(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9F => Some(WINDOWS_1252[usize::from(byte - 0x80)]).filter(|&char| char != '\0'),
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the decoded bytes, pushed in pieces of any length, and the decoder.
    fn decoded(bytes: &[u8]) -> (String, Decoder) {
        let whole = in_pieces(bytes, bytes.len().max(1));
        for length in 1..=5 {
            let (text, decoder) = in_pieces(bytes, length);
            assert_eq!((&text, &decoder.broken), (&whole.0, &whole.1.broken), "in pieces of {length}");
        }
        whole
    }

    fn in_pieces(bytes: &[u8], length: usize) -> (String, Decoder) {
        let (mut text, mut decoder) = (String::new(), Decoder::default());
        bytes.chunks(length).for_each(|piece| decoder.push(piece, false, &mut text));
        decoder.push(&[], true, &mut text);
        (text, decoder)
    }

    fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_is_known_by_its_bytes() {
        let text = "IDA: Die Flut kommt spät.\r\nBO: 🍅 “Soon”\n";
        for is_big_endian in [false, true] {
            for mark in ["", "\u{feff}"] {
                let (read, decoder) = decoded(&utf16(&format!("{mark}{text}"), is_big_endian));
                assert_eq!(read, text);
                assert!(matches!(decoder.encoding, Some(Encoding::Utf16 { .. })));
            }
        }
        for mark in ["", "\u{feff}"] {
            let (read, decoder) = decoded(format!("{mark}{text}").as_bytes());
            assert_eq!((read.as_str(), decoder.not_utf8_at()), (text, None));
        }
        let (read, decoder) = decoded(b"a\nZo\xeb: \x93Soon\x94 \x80 \xc3\xa4 caf\xe9");
        assert_eq!((read.as_str(), decoder.not_utf8_at()), ("a\nZoë: “Soon” € ä café", Some(2)));
        assert!(decoder.broken.is_empty());
        assert_eq!(decoded(b"").0, "");
        assert_eq!(decoded(b"A\n").0, "A\n");
    }

    #[test]
    fn non_text_bytes_are_reported_by_line() {
        // Windows-1252 has no character there.
        let (_, mut decoder) = decoded(b"ok\nab\x81c\x81\nok");
        assert_eq!((decoder.broken_in(1..2), decoder.broken_in(2..4)), (None, Some((2, 3))));
        // Russian in Windows-1251.
        let (_, mut decoder) = decoded(b"ok\n\xcf\xf0\xe8\xe2\xe5\xf2 mir\n");
        assert_eq!(decoder.broken_in(1..9), Some((2, 6)));
        // Then a short word isn't Windows-1252 either.
        let (_, mut decoder) = decoded(b"\xcf\xf0\xe8\xe2\xe5\xf2\n\xc4\xe0\nok\n\xc4\xe4\xe4\xe4\xe4\xe4\xe4h\n");
        assert_eq!(decoder.broken_in(2..4), Some((2, 1)));
        let (read, mut decoder) = decoded(b"\xc4\xe4\xe4\xe4\xe4\xe4\xe4\xe4h!\n");
        assert_eq!((read.as_str(), decoder.broken_in(1..9)), ("Ääääääääh!\n", None));
        let (_, mut decoder) =
            decoded("all of it is more than the beginning, which says that it is text: a\0b\n".as_bytes());
        assert_eq!(decoder.broken_in(1..9), Some((1, 68)));
    }

    #[test]
    fn binary_files_are_identified() {
        let check = |bytes: &[u8], expected: &str| {
            let (text, decoder) = decoded(bytes);
            assert_eq!(text, "");
            assert!(decoder.not_text().is_some_and(|reason| reason.contains(expected)), "{:?}", decoder.not_text());
        };
        check(b"PK\x03\x04\x14\0\x06\0", "an office document");
        check(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF");
        check(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image");
        check(b"SQLite format 3\0\x10\0\x02\x02\0@  \0\0\0\x15", "isn't a text file");
        check(b"\xff\xfe\0\0A\0\0\0", "UTF-32");
    }
}
