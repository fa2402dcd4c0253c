//! Typographic quotation marks for straight ones.

use std::borrow::Cow;

/// Words that begin with an apostrophe, without it.
const ELIDED: [&str; 9] = ["tis", "twas", "twere", "twill", "em", "til", "bout", "cause", "n"];

/// Replaces straight quotation marks by “ ” and ‘ ’, apostrophes by ’, and those after a digit by
/// primes (5′10″), as far as the text decides it. Other marks are kept.
pub fn curly(text: &str) -> Cow<'_, str> {
    if !text.contains(['"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut curly = String::with_capacity(text.len() + 8);
    let mut open = Open::default();
    let mut before = None;
    for (at, c) in text.char_indices() {
        let set = match c {
            '"' | '\'' => mark(c, before, &text[at + 1..], &open),
            _ => c,
        };
        match set {
            '“' => open.double = true,
            '”' => open.double = false,
            '‘' => open.single = true,
            // An apostrophe inside a word closes nothing.
            '’' if !text[at + c.len_utf8()..].starts_with(char::is_alphanumeric) => open.single = false,
            _ => {}
        }
        curly.push(set);
        before = Some(set);
    }
    Cow::Owned(curly)
}

/// The quotations that are open.
#[derive(Default)]
struct Open {
    double: bool,
    single: bool,
}

/// Returns the replacement of a straight mark, by its neighbours.
fn mark(straight: char, before: Option<char>, rest: &str, open: &Open) -> char {
    let is_double = straight == '"';
    let next = rest.chars().next();
    // Gershayim and geresh occur inside words.
    if before.is_some_and(is_hebrew) && next.is_some_and(is_hebrew) {
        return straight;
    }
    let (is_open, opening, closing, prime) =
        if is_double { (open.double, '“', '”', '″') } else { (open.single, '‘', '’', '′') };
    if before.is_some_and(|c| c.is_ascii_digit()) {
        let is_measure = match next {
            Some('"') => is_double || !is_open,
            Some(c) => !is_open && !c.is_alphabetic(),
            None => !is_open,
        };
        if is_measure {
            return prime;
        }
    }
    if !is_double && (is_elided(rest) || is_decade(rest)) && before.is_none_or(may_open) {
        return closing;
    }
    let is_word_next = next.is_some_and(|c| !ends(c));
    let opens = match before {
        None => is_word_next || !is_open,
        Some(c) if may_open(c) => is_word_next || !is_open,
        // A space is missing: said:"Go"
        Some(c) => is_double && !is_open && !c.is_alphanumeric() && next.is_some_and(char::is_alphanumeric),
    };
    if opens { opening } else { closing }
}

/// Whether a quotation can begin after this character.
fn may_open(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '(' | '[' | '{' | '<' | '-' | '/' | '“' | '‘' | '«' | '„')
        || matches!(c, '\u{2010}'..='\u{2015}')
}

/// Whether a quotation can end before this character.
fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}' | '>' | '…' | '”' | '’' | '»')
}

/// Whether it is a word such as 'tis, without its apostrophe.
fn is_elided(rest: &str) -> bool {
    let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    ELIDED.iter().any(|elided| elided.eq_ignore_ascii_case(word))
}

/// Whether it is a year such as '95 or '90s, without its apostrophe.
fn is_decade(rest: &str) -> bool {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let behind = rest[digits..].strip_prefix('s').unwrap_or(&rest[digits..]);
    digits == 2 && !behind.starts_with(|c: char| c.is_alphanumeric() || c == '\'')
}

fn is_hebrew(c: char) -> bool {
    matches!(c, '\u{591}'..='\u{5F4}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_open_and_close() {
        for (straight, expected) in [
            (r#""Mind the step.""#, "“Mind the step.”"),
            (r#"She said "wait" and left"#, "She said “wait” and left"),
            (r#""Bram has vanished""#, "“Bram has vanished”"),
            (r#""Go," he said. "Now.""#, "“Go,” he said. “Now.”"),
            (r#"("Go")"#, "(“Go”)"),
            (r#"Wait—"Go!""#, "Wait—“Go!”"),
            (r#""Wait—""#, "“Wait—”"),
            (r#""Wait—". Then"#, "“Wait—”. Then"),
            (r#""He said 'go' to me""#, "“He said ‘go’ to me”"),
            (r#""'Go,' he said""#, "“‘Go,’ he said”"),
            (r#"'He said "go"'"#, "‘He said “go”’"),
            (r#"He said:"Go""#, "He said:“Go”"),
            (r#""yes","no""#, "“yes”,“no”"),
            (r#"" Hello ""#, "“ Hello ”"),
            (r#""We need 5""#, "“We need 5”"),
            (r#""日本語""#, "“日本語”"),
            ("", ""),
        ] {
            assert_eq!(curly(straight), expected, "{straight}");
        }
    }

    #[test]
    fn apostrophes_close() {
        for (straight, expected) in [
            ("It isn't Pip's", "It isn’t Pip’s"),
            ("the dogs' bowls", "the dogs’ bowls"),
            ("'Tis the '90s, rock 'n' roll", "’Tis the ’90s, rock ’n’ roll"),
            ("back in '95.", "back in ’95."),
            ("give 'em hell", "give ’em hell"),
            ("the 1980's", "the 1980’s"),
            ("'It isn't'", "‘It isn’t’"),
            ("Mr. O'Hara-Smith", "Mr. O’Hara-Smith"),
            ("l'été", "l’été"),
        ] {
            assert_eq!(curly(straight), expected, "{straight}");
        }
    }

    #[test]
    fn measures_have_primes() {
        for (straight, expected) in [
            (r#"5'10""#, "5′10″"),
            (r#"a 3" pipe, 6' long"#, "a 3″ pipe, 6′ long"),
            (r#""He is 6'2"""#, "“He is 6′2″”"),
            (r#"48° 8' 14" N"#, "48° 8′ 14″ N"),
        ] {
            assert_eq!(curly(straight), expected, "{straight}");
        }
    }

    #[test]
    fn text_without_quotes_is_unchanged() {
        for text in ["“Go,” she said", "‘Go’", "it’s", "5 ″", "צה\"ל", "ג'ירפה"] {
            assert_eq!(curly(text), text);
        }
        assert!(matches!(curly("Mind the step."), Cow::Borrowed(_)));
    }
}
