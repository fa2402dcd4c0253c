//! Searches for a text, or for bytes, in a payload: a million payloads per second.
//!
//! Bytes are found by Horspool's algorithm: the haystack byte under the needle's last byte decides
//! how far the needle moves for the next try, so that most bytes of a payload are never examined.

use std::ops::Range;

/// A text or bytes to search for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Needle {
    /// These bytes, or an ASCII text, ignoring case.
    Bytes(Finder),
    /// A text with other letters, ignoring case: folded, and as typed for payloads that aren't
    /// text.
    Unicode {
        /// The text with all letters folded.
        folded: Vec<char>,
        /// The text with only its ASCII letters folded.
        typed: Finder,
    },
}

impl Needle {
    /// Returns the needle for a text, ignoring case; `None` for the empty text, which is in
    /// everything.
    pub(super) fn text(text: &str) -> Option<Self> {
        let typed = Finder::new(text.to_ascii_lowercase().into_bytes(), Case::Either)?;
        Some(match text.is_ascii() {
            true => Self::Bytes(typed),
            false => Self::Unicode { folded: text.chars().flat_map(fold).collect(), typed },
        })
    }

    /// Returns the needle for exactly these bytes; `None` where there are none.
    pub(super) fn exactly(bytes: Vec<u8>) -> Option<Self> {
        Finder::new(bytes, Case::AsItIs).map(Self::Bytes)
    }

    pub(super) fn is_in(&self, haystack: &[u8]) -> bool {
        self.find(haystack, 0).is_some()
    }

    /// Returns the first match from `from` on, in bytes.
    pub(super) fn find(&self, haystack: &[u8], from: usize) -> Option<Range<usize>> {
        match self {
            Self::Bytes(finder) => finder.find(haystack, from),
            // ASCII stays ASCII when it is folded, so it can't match a needle with other letters.
            Self::Unicode { folded, .. } if haystack.is_ascii() && !folded.iter().all(char::is_ascii) => None,
            Self::Unicode { folded, typed } => match str::from_utf8(haystack) {
                Ok(text) => find_folded(text, folded, from),
                Err(_) => typed.find(haystack, from),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// ASCII letters match in either case; the needle's are small.
    Either,
    AsItIs,
}

/// Finds bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finder {
    needle: Vec<u8>,
    case: Case,
    /// The distance that the needle may move if its last byte is above this byte; 0 if this is its
    /// last byte, so that the other bytes have to be compared …
    moves: Box<[u8; 256]>,
    /// … and the distance to move if those differ.
    again: u8,
}

impl Finder {
    fn new(needle: Vec<u8>, case: Case) -> Option<Self> {
        let last = needle.len().checked_sub(1)?;
        let mut again = u8::try_from(needle.len()).unwrap_or(u8::MAX);
        let mut moves = Box::new([again; 256]);
        for (at, &byte) in needle.iter().enumerate() {
            let far = u8::try_from(last - at).unwrap_or(u8::MAX);
            // The distance for the last byte if it weren't the last.
            again = std::mem::replace(&mut moves[usize::from(byte)], far);
            if case == Case::Either {
                moves[usize::from(byte.to_ascii_uppercase())] = far;
            }
        }
        Some(Self { needle, case, moves, again })
    }

    fn find(&self, haystack: &[u8], from: usize) -> Option<Range<usize>> {
        let (_, before) = self.needle.split_last()?;
        let mut end = from.checked_add(before.len())?;
        while let Some(&byte) = haystack.get(end) {
            let far = self.moves[usize::from(byte)];
            if far != 0 {
                end += usize::from(far);
                continue;
            }
            let start = end - before.len();
            let is_there = match self.case {
                Case::Either => haystack[start..end].eq_ignore_ascii_case(before),
                Case::AsItIs => haystack[start..end] == *before,
            };
            if is_there {
                return Some(start..end + 1);
            }
            end += usize::from(self.again);
        }
        None
    }
}

/// Returns the position of the folded needle in the text once the text is folded, too.
fn find_folded(text: &str, needle: &[char], from: usize) -> Option<Range<usize>> {
    let first = needle.first()?;
    let rest = text.get(from..)?;
    rest.char_indices().find_map(|(at, char)| {
        if fold(char).next() != Some(*first) {
            return None;
        }
        let mut wanted = needle.iter();
        for (next, char) in rest[at..].char_indices() {
            if wanted.as_slice().is_empty() {
                return Some(from + at..from + at + next);
            }
            // The needle may end within the folding of one character.
            if fold(char).any(|folded| wanted.next().is_some_and(|wanted| *wanted != folded)) {
                return None;
            }
        }
        wanted.as_slice().is_empty().then_some(from + at..text.len())
    })
}

/// Folds to capital letters: the crawl's names need their table anyway, the two small sigmas of
/// Greek become one, and ß is found by "ss" in a text that has other letters, too. Three letters
/// that are also unit signs have no capital.
fn fold(char: char) -> std::char::ToUppercase {
    let letter = match char {
        '\u{2126}' => 'Ω',
        '\u{212a}' => 'K',
        '\u{212b}' => 'Å',
        other => other,
    };
    letter.to_uppercase()
}
