//! How much of a message is told. The only place that shortens: whatever is shown
//! of a line, on the plane or in plain text, is what comes out of here.
//!
//! It is decided in the worker, where a message may be of megabytes, and so
//! without fonts: by what characters are wide on average.

use std::borrow::Cow;

use crate::crawl::unicode;
use crate::dialogue::Line;

/// The longest line, in em: about 24 rows of the narrowest column, which is what
/// one sees of the plane at once and a minute of reading.
const EM_MAX: f64 = 300.0;

/// The longest name of a speaker, in em: two rows.
const NAME_EM_MAX: f64 = 24.0;

/// The longest line, in letters of average width.
pub const LETTERS_MAX: usize = 560;

/// How far back from its limit a line ends rather than tear a word, in
/// characters.
const WORD_CHARACTERS: usize = 24;

/// What a message that is too long ends with. It has no number: what counts is
/// that there is more.
pub const REST: &str = ".... (the console has the rest)";

/// What is told of a line.
pub fn line(line: Line) -> Line {
    let Line { character, text } = line;
    Line {
        character: match cut(&character, NAME_EM_MAX) {
            Some(begin) => format!("{begin}…"),
            None => character,
        },
        text: match words(&text) {
            Cow::Owned(short) => short,
            Cow::Borrowed(_) => text,
        },
    }
}

/// What is told of words that may be too long.
pub fn words(text: &str) -> Cow<'_, str> {
    match cut(text, EM_MAX) {
        Some(begin) => Cow::Owned(format!("{begin}{REST}")),
        None => Cow::Borrowed(text),
    }
}

/// About how many letters of a payload the crawl shows, by its size alone.
pub fn letters_of(payload: &[u8]) -> usize {
    /// `{"character":"…","text":"…"}`
    const JSON_BYTES: usize = 27;
    payload.len().saturating_sub(if payload.first() == Some(&b'{') { JSON_BYTES } else { 0 })
}

/// The begin of a text that is longer than this; `None` where it isn't.
fn cut(text: &str, longest_em: f64) -> Option<&str> {
    let mut width_em = 0.0;
    // A mark is never too much, so it stays with its letter.
    let (end, _) = text.char_indices().find(|(_, c)| {
        let own_em = unicode::about_em(*c);
        width_em += own_em;
        own_em > 0.0 && width_em > longest_em
    })?;
    let begin = &text[..end];
    let word = begin.char_indices().rev().take(WORD_CHARACTERS).find(|(_, c)| unicode::is_space(*c));
    Some(word.map_or(begin, |(at, _)| &begin[..at]).trim_end_matches(['.', '…', ',', ';', ':', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays() {
        for text in ["", "Hello.", &"word ".repeat(100), &"語".repeat(290)] {
            assert!(matches!(words(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_is_long_says_where_the_rest_is() {
        for text in ["word ".repeat(1_000), "w".repeat(5_000), "語".repeat(5_000), "e\u{301}".repeat(5_000)] {
            let short = words(&text);
            let begin = short.strip_suffix(REST).expect("the note");
            assert!(text.starts_with(begin));
            assert!((280..=560).contains(&begin.chars().filter(|c| *c != '\u{301}').count()), "{short}");
            assert!(!text[begin.len()..].starts_with('\u{301}'), "no mark is torn off");
        }
    }

    #[test]
    fn a_speaker_without_an_end() {
        let told = line(Line { character: "Ada ".repeat(5_000), text: "Hello.".to_owned() });
        assert!(told.character.chars().count() < 50, "{}", told.character);
        assert_eq!(told.text, "Hello.");
    }

    #[test]
    fn letters_by_size() {
        let letters = |payload: &str| letters_of(payload.as_bytes());
        assert_eq!(letters(""), 0);
        assert_eq!(letters("Understood."), 11);
        assert_eq!(letters(r#"{"character":"ADA","text":"The relay."}"#), 12);
        let longest_em = LETTERS_MAX as f64 * unicode::about_em('n');
        assert!((EM_MAX..EM_MAX + 5.0).contains(&longest_em), "{longest_em}");
    }
}
