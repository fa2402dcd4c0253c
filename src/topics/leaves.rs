//! The numbers inside a payload: a number as such, or one in a field of JSON.
//!
//! Numbers stay as they were written. What is here reads any text and takes it
//! as it is: JSON that is broken, or cut off, gives what it says up to there.

/// What stands between the names of a field and of those around it. It can't
/// be in a name of JSON as it is written.
pub const BETWEEN: char = '\n';

/// Fields inside fields beyond this are passed over.
const DEPTH_MAX: usize = 8;

/// Most bytes of a number; longer ones are no numbers to plot.
const NUMBER_BYTES_MAX: usize = 40;

/// The number in that field; the empty field is the whole payload.
pub fn at<'a>(payload: &'a str, field: &str) -> Option<&'a str> {
    let mut found = None;
    each(payload, &mut |path, number| {
        if path == field {
            found = Some(number);
        }
        found.is_none()
    });
    found
}

/// Calls `see` with the field and the text of each number, until it says
/// `false`. Fields are as written: `temperature`, or with [`BETWEEN`] between
/// the names from the outermost on; items of a list by their place from 0.
pub fn each<'a>(payload: &'a str, see: &mut dyn FnMut(&str, &'a str) -> bool) {
    Reader { rest: payload, path: String::new(), depth: 0, see }.value();
}

struct Reader<'a, 's> {
    rest: &'a str,
    path: String,
    depth: usize,
    see: &'s mut dyn FnMut(&str, &'a str) -> bool,
}

impl<'a> Reader<'a, '_> {
    /// `None` where there is nothing more to see.
    fn value(&mut self) -> Option<()> {
        self.rest = self.rest.trim_start();
        match self.rest.bytes().next()? {
            open @ (b'{' | b'[') => self.inside(open == b'{'),
            b'"' => self.quoted().map(drop),
            _ => self.word(),
        }
    }

    /// A number, or a word such as `true`.
    fn word(&mut self) -> Option<()> {
        let end = self.rest.find([',', '}', ']']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let word = word.trim_end();
        let is_number = word.len() <= NUMBER_BYTES_MAX
            && word.trim_start_matches(['-', '+', '.']).starts_with(|first: char| first.is_ascii_digit());
        (!is_number || (self.see)(&self.path, word)).then_some(())
    }

    /// What stands in quotation marks, as it is written.
    fn quoted(&mut self) -> Option<&'a str> {
        let text = &self.rest[1..];
        let mut is_escaped = false;
        let end = text.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        })?;
        self.rest = &text[end + 1..];
        Some(&text[..end])
    }

    fn inside(&mut self, has_names: bool) -> Option<()> {
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let length = self.path.len();
        self.step();
        for place in 0_u32.. {
            if let Some(rest) = self.rest.strip_prefix(['}', ']']) {
                self.rest = rest;
                break;
            }
            if length > 0 {
                self.path.push(BETWEEN);
            }
            if has_names {
                if !self.rest.starts_with('"') {
                    return None;
                }
                let name = self.quoted()?;
                self.path.push_str(name);
                self.rest = self.rest.trim_start().strip_prefix(':')?;
            } else {
                self.path.push_str(&place.to_string());
            }
            self.value()?;
            self.path.truncate(length);
            self.rest = self.rest.trim_start();
            if self.rest.starts_with(',') {
                self.step();
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Over one sign and the spaces behind it.
    fn step(&mut self) {
        self.rest = self.rest[1..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, numbers: &[(&str, &str)]) {
        let mut seen = Vec::new();
        each(payload, &mut |path, number| {
            seen.push((path.to_owned(), number));
            true
        });
        let seen: Vec<_> = seen.iter().map(|(path, number)| (path.as_str(), *number)).collect();
        assert_eq!(seen, numbers, "{payload}");
        for (path, number) in numbers {
            assert_eq!(at(payload, path), Some(*number), "{payload}");
        }
    }

    #[test]
    fn numbers_are_found_as_they_were_written() {
        check("21.50", &[("", "21.50")]);
        check(" -3e5\r\n", &[("", "-3e5")]);
        check("21.5 °C", &[("", "21.5 °C")]);
        check("9007199254740993", &[("", "9007199254740993")]);
        check(r#"{"t":127.0,"on":true,"h":{"now":-5,"unit":"%"}}"#, &[("t", "127.0"), ("h\nnow", "-5")]);
        check(r#"[ 1 , [2,"x}",3], {} , 4 ]"#, &[("0", "1"), ("1\n0", "2"), ("1\n2", "3"), ("3", "4")]);
        check(r#"{ "a\"b" : 1 , "c\\": 2 }"#, &[(r#"a\"b"#, "1"), (r"c\\", "2")]);
        check(r#"{"":7}"#, &[("", "7")]);
    }

    #[test]
    fn whatever_else_it_is_gives_what_can_be_read() {
        check("", &[]);
        check("hello", &[]);
        check("\"5\"", &[]);
        check("- 5", &[]);
        check("{}", &[]);
        check("[]", &[]);
        check(r#"{"a":1,"b":2"#, &[("a", "1"), ("b", "2")]);
        check(r#"{"a":1,"b"#, &[("a", "1")]);
        check(r#"{"a":}"#, &[]);
        check(r#"{"a":1 "b":2}"#, &[]);
        check("{5", &[]);
        check("[1]]]}", &[("0", "1")]);
        check(&"[".repeat(100_000), &[]);
        check(&"9".repeat(41), &[]);
    }
}
