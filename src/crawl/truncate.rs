//! Shortens long messages. This is the only place that shortens: every line, on the plane or as
//! plain text, is output of this module.
//!
//! It runs in the worker, where a message can have megabytes, and therefore without fonts: it uses
//! average character widths.

use std::borrow::Cow;

use crate::crawl::unicode;
use crate::dialogue::Line;

/// The longest line, in em: about 24 rows of the narrowest column, which is the visible part of the
/// plane and a minute of reading.
const EM_MAX: f64 = 300.0;

/// The longest speaker's name, in em: two rows.
const NAME_EM_MAX: f64 = 24.0;

/// The longest line, in letters of average width.
pub const LETTERS_MAX: usize = 560;

/// How far before its limit a line may end so that no word is torn, in characters.
const WORD_CHARACTERS: usize = 24;

/// The end of a message that is too long. It has no number: the only important fact is that there
/// is more.
pub const REST: &str = ".... (continued in the console)";

/// Shortens a line's text and speaker where they are too long.
pub fn line(line: Line) -> Line {
    let Line { character, text } = line;
    Line {
        character: match truncated(&character, NAME_EM_MAX) {
            Some(begin) => format!("{begin}…"),
            None => character,
        },
        text: match shorten(&text) {
            Cow::Owned(short) => short,
            Cow::Borrowed(_) => text,
        },
    }
}

/// Shortens a text where it is too long.
pub fn shorten(text: &str) -> Cow<'_, str> {
    match truncated(text, EM_MAX) {
        Some(begin) => Cow::Owned(format!("{begin}{REST}")),
        None => Cow::Borrowed(text),
    }
}

/// Returns about how many letters of a payload the crawl shows, judged by its size alone.
pub fn letters_of(payload: &[u8]) -> usize {
    /// `{"character":"…","text":"…"}`
    const JSON_BYTES: usize = 27;
    payload.len().saturating_sub(if payload.first() == Some(&b'{') { JSON_BYTES } else { 0 })
}

/// Returns the beginning of a text that is longer than this; `None` where it isn't.
fn truncated(text: &str, longest_em: f64) -> Option<&str> {
    let mut width_em = 0.0;
    // A combining mark never exceeds the limit, so it stays with its letter.
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
    fn short_text_is_unchanged() {
        for text in ["", "Hello.", &"word ".repeat(100), &"語".repeat(290)] {
            assert!(matches!(shorten(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn long_text_ends_with_a_note() {
        for text in ["word ".repeat(1_000), "w".repeat(5_000), "語".repeat(5_000), "e\u{301}".repeat(5_000)] {
            let short = shorten(&text);
            let begin = short.strip_suffix(REST).expect("the note");
            assert!(text.starts_with(begin));
            assert!((280..=560).contains(&begin.chars().filter(|c| *c != '\u{301}').count()), "{short}");
            assert!(!text[begin.len()..].starts_with('\u{301}'), "no mark is torn off");
        }
    }

    #[test]
    fn a_speaker_without_an_end() {
        let shortened = line(Line { character: "Ada ".repeat(5_000), text: "Hello.".to_owned() });
        assert!(shortened.character.chars().count() < 50, "{}", shortened.character);
        assert_eq!(shortened.text, "Hello.");
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
