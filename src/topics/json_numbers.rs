//! Finds the numbers inside a payload: a number alone, or one in a field of JSON, also as a string;
//! and switches (on or off).
//!
//! Numbers are returned as written. The functions here accept any text: from JSON that is broken or
//! cut off, they read the part before the error.

/// The separator between the names of a field and of its parents. A raw JSON name can't contain it.
pub const PATH_SEPARATOR: char = '\n';

/// Fields nested deeper than this are skipped.
const DEPTH_MAX: usize = 8;

/// The most bytes of a number; longer ones aren't plotted.
const NUMBER_BYTES_MAX: usize = 40;

/// The words and strings that are switches; case is ignored.
pub const SWITCHES: [&str; 4] = ["on", "off", "true", "false"];

/// Returns the number in that field; the empty field is the whole payload.
pub fn at<'a>(payload: &'a [u8], field: &str) -> Option<&'a [u8]> {
    let mut found = None;
    each(payload, &mut |path, number| {
        if path == field.as_bytes() {
            found = Some(number);
        }
        found.is_none()
    });
    found
}

/// Calls `see` with the field and the text of each number, until it returns `false`. Fields are as
/// written: `temperature`, or with [`PATH_SEPARATOR`] between the names from the outermost on; list items
/// by their position from 0.
pub fn each<'a>(payload: &'a [u8], see: &mut dyn FnMut(&[u8], &'a [u8]) -> bool) {
    let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    Reader { text: payload, at: 0, path: Vec::new(), is_in_object: false, see }.value(0);
}

/// Works on bytes instead of text: all relevant characters are ASCII, and the code is a third
/// smaller.
struct Reader<'a, 's> {
    text: &'a [u8],
    at: usize,
    path: Vec<u8>,
    is_in_object: bool,
    see: &'s mut dyn FnMut(&[u8], &'a [u8]) -> bool,
}

impl<'a> Reader<'a, '_> {
    /// Returns the next byte that isn't a space; 0 at the end.
    fn peek(&mut self) -> u8 {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return *byte;
            }
            self.at += 1;
        }
        0
    }

    /// Reads a value; returns `None` to stop.
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek() {
            b'{' | b'[' if depth == DEPTH_MAX => None,
            bracket @ (b'{' | b'[') => self.inside(bracket, depth + 1),
            b'"' => {
                let text = self.quoted()?;
                let is_plotted = is_plotted(text);
                (!is_plotted || (self.see)(&self.path, text)).then_some(())
            }
            _ => self.word(depth),
        }
    }

    /// Reads a number, or a word such as `true`.
    fn word(&mut self, depth: usize) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        // Only inside brackets does a comma end it: 21,5 alone isn't 21.
        let ends = |byte: &u8| depth > 0 && matches!(byte, b',' | b'}' | b']' | b'"');
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let word = rest.get(..end)?.trim_ascii_end();
        self.at += end;
        if word.is_empty() {
            return None;
        }
        let mut is_number = is_plotted(word);
        if self.is_in_object && self.text.get(self.at) == Some(&b',') {
            // `{"t":21,5}` isn't JSON, and 21 isn't the intended number.
            let next = self.text[self.at + 1..].trim_ascii_start().first();
            is_number &= matches!(next, None | Some(b'"' | b'}'));
        }
        (!is_number || (self.see)(&self.path, word)).then_some(())
    }

    /// Returns the raw contents of a quoted string.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let text = self.text.get(self.at + 1..)?;
        let mut is_escaped = false;
        let end = text.iter().position(|&byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        self.at += end + 2;
        text.get(..end)
    }

    /// Reads the contents of brackets of that kind.
    fn inside(&mut self, bracket: u8, depth: usize) -> Option<()> {
        let length = self.path.len();
        self.at += 1;
        let mut index = 0_u32;
        loop {
            match self.peek() {
                b'}' | b']' => break,
                b',' => {
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            if length > 0 {
                self.path.push(PATH_SEPARATOR as u8);
            }
            if bracket == b'{' {
                if self.peek() != b'"' {
                    return None;
                }
                let name = self.quoted()?;
                self.path.extend_from_slice(name);
                if self.peek() != b':' {
                    return None;
                }
                self.at += 1;
            } else {
                self.path.extend_from_slice(index.to_string().as_bytes());
                index += 1;
            }
            self.is_in_object = bracket == b'{';
            self.value(depth)?;
            self.path.truncate(length);
        }
        self.at += 1;
        Some(())
    }
}

/// Whether this begins like a number, in one line, or is a switch.
fn is_plotted(word: &[u8]) -> bool {
    let digit = word.iter().find(|byte| !matches!(byte, b'-' | b'+' | b'.'));
    let is_short = word.len() <= NUMBER_BYTES_MAX && !word.contains(&b'\n') && !word.contains(&b'\r');
    let is_number = digit.is_some_and(u8::is_ascii_digit) && is_short;
    is_number || SWITCHES.iter().any(|switch| switch.as_bytes().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, numbers: &[(&str, &str)]) {
        let mut seen = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        each(payload.as_bytes(), &mut |path, number| {
            seen.push((text(path), text(number)));
            true
        });
        let seen: Vec<_> = seen.iter().map(|(path, number)| (path.as_str(), number.as_str())).collect();
        assert_eq!(seen, numbers, "{payload}");
        for (path, number) in numbers {
            assert_eq!(at(payload.as_bytes(), path), Some(number.as_bytes()), "{payload}");
        }
    }

    #[test]
    fn numbers_are_found_as_they_were_written() {
        check("21.50", &[("", "21.50")]);
        check(" -3e5\r\n", &[("", "-3e5")]);
        check("21.5 °C", &[("", "21.5 °C")]);
        check("9007199254740993", &[("", "9007199254740993")]);
        // The whole payload, so that nobody takes its beginning for the number.
        check("21,5", &[("", "21,5")]);
        check("21.5\n40", &[]);
        check(
            r#"{"t":127.0,"on":true,"h":{"now":-5,"unit":"%"}}"#,
            &[("t", "127.0"), ("on", "true"), ("h\nnow", "-5")],
        );
        check(r#"{"value":"21.50","power":"1043","name":"x"}"#, &[("value", "21.50"), ("power", "1043")]);
        check(r#"{"state":"ON","contact":false,"mode":"only"}"#, &[("state", "ON"), ("contact", "false")]);
        check("Off", &[("", "Off")]);
        check("\u{feff}{\"t\":1}", &[("t", "1")]);
        check("\u{feff}21.5", &[("", "21.5")]);
        check(r#"[ 1 , [2,"x}",3], {} , 4 ]"#, &[("0", "1"), ("1\n0", "2"), ("1\n2", "3"), ("3", "4")]);
        check(r#"{ "a\"b" : 1 , "c\\": 2 }"#, &[(r#"a\"b"#, "1"), (r"c\\", "2")]);
        check(r#"{"":7}"#, &[("", "7")]);
    }

    #[test]
    fn whatever_else_it_is_gives_what_can_be_read() {
        check("", &[]);
        check("hello", &[]);
        check("\"5\"", &[("", "5")]);
        check("- 5", &[]);
        check("{}", &[]);
        check("[]", &[]);
        check(r#"{"a":1,"b":2"#, &[("a", "1"), ("b", "2")]);
        check(r#"{"a":1,"b"#, &[("a", "1")]);
        check(r#"{"a":}"#, &[]);
        check(r#"{"a":1 "b":2}"#, &[("a", "1"), ("b", "2")]);
        check(r#"{"t":21,5}"#, &[]);
        check(r#"{"t":21,5,"h":7}"#, &[]);
        check(r#"{"a":1, "b":[2,3], "c":4,}"#, &[("a", "1"), ("b\n0", "2"), ("b\n1", "3"), ("c", "4")]);
        check("[,1,,2", &[("0", "1"), ("1", "2")]);
        check("{5", &[]);
        check("[1]]]}", &[("0", "1")]);
        check(&"[".repeat(100_000), &[]);
        check(&r#"{"a":"#.repeat(100_000), &[]);
        check(&"9".repeat(41), &[]);
    }
}
