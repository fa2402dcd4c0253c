//! JSON, laid out and otherwise left as written: numbers, escapes, repeated names and their order.
//! So nothing is parsed into a value here.

use std::str::Utf8Error;

use crate::ui::inspect::outline::{FormatError, Step, Writer};
use crate::ui::inspect::row::Kind;

/// How far a JSON text (RFC 8259) is laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    at: usize,
    /// The open brackets: `true` for an object, `false` for an array.
    objects: Vec<bool>,
}

impl State {
    /// Continues with a value, or with what follows one; returns `true` at the end.
    pub(super) fn step(&mut self, payload: &[u8], writer: &mut Writer, step: Step) -> Result<bool, FormatError> {
        // A byte order mark has no meaning in UTF-8 (RFC 8259, section 8.1).
        if self.at == 0 && payload.starts_with("\u{feff}".as_bytes()) {
            self.at = "\u{feff}".len();
        }
        let mut reader = Reader { bytes: payload, at: self.at, writer, objects: &mut self.objects };
        let is_over = match step {
            Step::Value => reader.value().map(|()| false),
            Step::AfterValue => reader.after_value(),
        };
        self.at = reader.at;
        // That it isn't text at all explains more than the JSON error.
        is_over.map_err(|fault| str::from_utf8(payload).err().map_or(fault, no_text))
    }

    /// Returns the position of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

fn no_text(error: Utf8Error) -> FormatError {
    FormatError::new(error.valid_up_to(), "invalid UTF-8")
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    writer: &'a mut Writer,
    objects: &'a mut Vec<bool>,
}

impl Reader<'_> {
    /// Reads a value, or the beginning of one that contains others, up to where the first of those
    /// begins.
    fn value(&mut self) -> Result<(), FormatError> {
        loop {
            let at = self.at;
            match self.next_byte() {
                Some(b'{') => {
                    self.writer.open("{", at)?;
                    self.objects.push(true);
                    if self.next_byte_is(b'}') {
                        return Ok(());
                    }
                    self.name()?;
                }
                Some(b'[') => {
                    self.writer.open("[", at)?;
                    self.objects.push(false);
                    if self.next_byte_is(b']') {
                        return Ok(());
                    }
                }
                Some(b'"') => return self.take(Self::string_end, Kind::Text),
                Some(b'-' | b'0'..=b'9') => return self.take(Self::number_end, Kind::Number),
                Some(_) => return self.take(Self::literal_end, Kind::Literal),
                None => return Err(FormatError::cut_short(self.at)),
            }
        }
    }

    /// Closes what ends here; returns `true` at the end of the text.
    fn after_value(&mut self) -> Result<bool, FormatError> {
        loop {
            let byte = self.next_byte();
            let Some(&is_object) = self.objects.last() else {
                return match byte {
                    None => Ok(true),
                    Some(_) => Err(FormatError::new(self.at, "unexpected data after the value")),
                };
            };
            let at = self.at;
            match (byte, is_object) {
                (Some(b','), _) => {
                    self.at += 1;
                    self.writer.append(",");
                    if is_object {
                        self.name()?;
                    }
                    return Ok(false);
                }
                (Some(b'}'), true) => self.writer.close("}", at)?,
                (Some(b']'), false) => self.writer.close("]", at)?,
                (Some(_), true) => return Err(FormatError::new(at, "expected a comma or }")),
                (Some(_), false) => return Err(FormatError::new(at, "expected a comma or ]")),
                (None, _) => return Err(FormatError::cut_short(at)),
            }
            self.at += 1;
            self.objects.pop();
        }
    }

    fn name(&mut self) -> Result<(), FormatError> {
        if self.next_byte() != Some(b'"') {
            return Err(FormatError::new(self.at, "expected a name in double quotes"));
        }
        let end = self.string_end()?;
        self.writer.name(str::from_utf8(&self.bytes[self.at..end]).map_err(no_text)?);
        self.at = end;
        if self.next_byte() != Some(b':') {
            return Err(FormatError::new(self.at, "expected a colon"));
        }
        self.at += 1;
        Ok(())
    }

    fn take(&mut self, end: impl FnOnce(&Self) -> Result<usize, FormatError>, kind: Kind) -> Result<(), FormatError> {
        let end = end(self)?;
        self.writer.value(str::from_utf8(&self.bytes[self.at..end]).map_err(no_text)?, kind, self.at)?;
        self.at = end;
        Ok(())
    }

    /// Skips white space and returns the next byte, without taking it.
    fn next_byte(&mut self) -> Option<u8> {
        let rest = &self.bytes[self.at..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// Takes the opening bracket; returns whether the closing one follows.
    fn next_byte_is(&mut self, close: u8) -> bool {
        self.at += 1;
        self.next_byte() == Some(close)
    }

    fn string_end(&self) -> Result<usize, FormatError> {
        let bytes = self.bytes;
        let mut at = self.at + 1;
        loop {
            // Most of a text is plain, and some texts are very long.
            let plain = bytes[at..].iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count();
            at += plain;
            match bytes.get(at) {
                Some(b'"') => return Ok(at + 1),
                Some(b'\\') => at = self.escape_end(at)?,
                Some(_) => return Err(FormatError::new(at, "unescaped control character")),
                None => return Err(FormatError::new(at, "unterminated string")),
            }
        }
    }

    fn escape_end(&self, at: usize) -> Result<usize, FormatError> {
        let bytes = self.bytes;
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') if bytes.get(at + 2..at + 6).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {
                Ok(at + 6)
            }
            _ => Err(FormatError::new(at, "invalid escape")),
        }
    }

    fn number_end(&self) -> Result<usize, FormatError> {
        let bytes = self.bytes;
        let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let start = self.at + usize::from(bytes.get(self.at) == Some(&b'-'));
        let mut at = digits(start);
        if at == start || (bytes[start] == b'0' && at > start + 1) {
            return Err(FormatError::new(start, "invalid number"));
        }
        if bytes.get(at) == Some(&b'.') {
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return Err(FormatError::new(at, "expected digits after the decimal point"));
            }
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let power = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            at = digits(power);
            if at == power {
                return Err(FormatError::new(at, "expected digits in the exponent"));
            }
        }
        Ok(at)
    }

    fn literal_end(&self) -> Result<usize, FormatError> {
        let rest = &self.bytes[self.at..];
        let literal = ["true", "false", "null"].into_iter().find(|literal| rest.starts_with(literal.as_bytes()));
        literal.map(|literal| self.at + literal.len()).ok_or_else(|| FormatError::new(self.at, "unexpected character"))
    }
}
