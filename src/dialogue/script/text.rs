//! Plain text: `NAME: text`, or only text, one row each; also names in Markdown, and names
//! followed by a direction: `**IDA:** text`, `IDA (softly): text`.
//!
//! - Blank rows are skipped, and so are rows in brackets, which are directions.
//! - If names are in Markdown, headings and rules are skipped, and emphasis is removed.

use super::{Row, RowFault, Unspoken};
use crate::dialogue::{Line, NAME_CHARS_MAX, NAME_WORDS_MAX, split_name};

/// Returns the speaker and the text of a row; the speaker is empty if no name precedes the text.
pub(super) fn read(row: &str) -> Result<Row, RowFault> {
    let text = row.trim();
    if text.is_empty() {
        return Ok(Row::Empty);
    }
    if is_direction(text) {
        return Ok(Row::Unspoken(Unspoken::Direction));
    }
    let (character, text) = spoken(text);
    Ok(if text.is_empty() { Row::Empty } else { Row::Spoken(Line { character, text }) })
}

/// The same in Markdown.
pub(super) fn read_markdown(row: &str) -> Result<Row, RowFault> {
    let text = row.trim();
    if text.starts_with('#') {
        return Ok(Row::Unspoken(Unspoken::Heading));
    }
    let is_rule = text.len() > 2 && text.chars().all(|char| matches!(char, '-' | '*' | '_' | '='));
    if is_rule || text.starts_with("```") {
        return Ok(Row::Empty);
    }
    let unmarked = text.trim_start_matches(['>', ' ']);
    read(&match named_in_markdown(text) {
        Some(_) => text.to_owned(),
        None => without_emphasis(unmarked),
    })
}

/// Returns name and text of a row; the name is empty if there is none.
pub(super) fn spoken(row: &str) -> (String, String) {
    if let Some((name, text)) = named_in_markdown(row) {
        return (name, without_emphasis(text.trim()));
    }
    let plain = without_mark(row);
    if let Some((name, text)) = split_name(plain).or_else(|| named_with_direction(plain)) {
        return (name.to_owned(), text.to_owned());
    }
    (String::new(), row.to_owned())
}

/// Returns a row without the mark of a quotation, and the number or the mark of a list.
fn without_mark(row: &str) -> &str {
    let row = row.trim_start_matches(['>', ' ']);
    if let Some(rest) = row.strip_prefix("- ").or_else(|| row.strip_prefix("* ")) {
        return rest.trim_start();
    }
    let rest = row.trim_start_matches(|char: char| char.is_ascii_digit());
    let rest = rest.strip_prefix(['.', ')']).filter(|_| rest.len() < row.len());
    rest.and_then(|rest| rest.strip_prefix(' ')).map_or(row, str::trim_start)
}

/// Parses `IDA (softly): text`, `IDA [on the telephone]: text`.
fn named_with_direction(row: &str) -> Option<(&str, &str)> {
    let open = row.find(['(', '['])?;
    let close = if row[open..].starts_with('(') { ')' } else { ']' };
    let end = open + row[open..].find(close)? + 1;
    let text = row[end..].trim_start().strip_prefix(':')?;
    let name = row[..open].trim_end();
    let fits = is_name(name) && text.starts_with(char::is_whitespace) && !text.trim().is_empty();
    fits.then(|| (name, text.trim()))
}

/// Parses `**IDA:** text`, `**IDA**: text`, `*IDA (softly):* text`; without a colon only names
/// in capitals, because other words are often bold.
pub(super) fn named_in_markdown(row: &str) -> Option<(String, &str)> {
    let row = without_mark(row);
    let mark = ["***", "**", "__", "*", "_"].into_iter().find(|mark| row.starts_with(mark))?;
    let (inside, text) = row[mark.len()..].split_once(mark)?;
    let inside = inside.trim();
    let has_colon = inside.ends_with(':') || text.trim_start().starts_with(':');
    let text = text.trim_start();
    let text = text.strip_prefix(':').unwrap_or(text).trim_start();
    // **IDA** *(softly)*: text
    let directed = text.strip_prefix(['*', '_']).unwrap_or(text).strip_prefix(['(', '[']).and_then(|text| {
        let (_, text) = text.split_once([')', ']'])?;
        Some(text.strip_prefix(['*', '_']).unwrap_or(text).trim_start())
    });
    let text = directed.map_or(text, |text| text.strip_prefix(':').unwrap_or(text).trim_start());
    let name = inside.trim_end_matches([':', '.']);
    let name = without_direction(name);
    let is_meant = if has_colon { !name.is_empty() } else { mark.len() > 1 && is_capital(name) };
    (is_meant && is_name(name) && !text.is_empty()).then(|| (name.to_owned(), text))
}

/// Returns a name without the parentheses after it.
pub(super) fn without_direction(name: &str) -> &str {
    name.find(['(', '[']).map_or(name, |open| &name[..open]).trim()
}

/// Whether it has letters, and no small ones.
pub(super) fn is_capital(name: &str) -> bool {
    name.contains(char::is_alphabetic) && !name.contains(char::is_lowercase)
}

/// Whether this can be a speaker's name.
pub(super) fn is_name(name: &str) -> bool {
    name.contains(char::is_alphabetic)
        && name.chars().count() <= NAME_CHARS_MAX
        && name.split_whitespace().count() <= NAME_WORDS_MAX
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(|char| char.is_alphanumeric() || " .-'’_&#/".contains(char))
}

/// Whether all of it is in brackets.
pub(super) fn is_direction(text: &str) -> bool {
    let is_in = |open: char, close: char| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inside| !inside.contains([open, close]) && inside.contains(char::is_alphabetic))
    };
    is_in('(', ')') || is_in('[', ']')
}

/// Removes the emphasis marks of Markdown and Fountain: `*so*`, `**so**`, `_so_`. A separate
/// asterisk or underscore is kept, and so is one after a backslash.
pub(super) fn without_emphasis(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = vec![true; chars.len()];
    let mut open: Vec<usize> = Vec::new();
    for (at, &char) in chars.iter().enumerate() {
        if !matches!(char, '*' | '_') {
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        if before == Some('\\') {
            kept[at - 1] = false;
            continue;
        }
        let is_letter = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        // An underscore in a name_like_this isn't a mark.
        if char == '_' && is_letter(before) && is_letter(after) {
            continue;
        }
        let closes = before.is_some_and(|char| !char.is_whitespace());
        let opener = open.iter().rposition(|&opener| chars[opener] == char);
        match opener.filter(|&opener| closes && open[opener] + 1 < at) {
            Some(opener) => {
                (kept[open[opener]], kept[at]) = (false, false);
                open.truncate(opener);
            }
            None if after.is_some_and(|char| !char.is_whitespace()) => open.push(at),
            None => {}
        }
    }
    chars.into_iter().zip(kept).filter_map(|(char, is_kept)| is_kept.then_some(char)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_many_forms() {
        let check = |row: &str, name: &str, text: &str| {
            assert_eq!(spoken(row), (name.to_owned(), text.to_owned()), "{row}");
        };
        check("IDA: The tide is late.", "IDA", "The tide is late.");
        check("IDA (softly): The tide is late.", "IDA", "The tide is late.");
        check("Ida [on the telephone]: Late.", "Ida", "Late.");
        check("**IDA:** The *tide* is late.", "IDA", "The tide is late.");
        check("**BO**: It was late yesterday.", "BO", "It was late yesterday.");
        check("*IDA (softly):* Then that is when it comes.", "IDA", "Then that is when it comes.");
        check("**IDA** The tide is late.", "IDA", "The tide is late.");
        check("- **Ida:** Late.", "Ida", "Late.");
        check("> __BO:__ Late.", "BO", "Late.");
        check("**IDA** *(softly)*: Late.", "IDA", "Late.");
        check("**IDA.** Late.", "IDA", "Late.");
        check("12. IDA: Late.", "IDA", "Late.");
        check("2) Bo (softly): Late.", "Bo", "Late.");
        check("3. **Bo:** Late.", "Bo", "Late.");
        check("> IDA: Late.", "IDA", "Late.");
        check("- IDA: Late.", "IDA", "Late.");
        check("- Late, at 10:45.", "", "- Late, at 10:45.");
        check("林：你好。", "林", "你好。");
        check("**Note** that it is late.", "", "**Note** that it is late.");
        check("See (this) at (10): it is", "", "See (this) at (10): it is");
        check("10:45 at the pier.", "", "10:45 at the pier.");
    }

    #[test]
    fn emphasis_is_removed_and_other_stars_stay() {
        for (text, expected) in [
            ("*so* and **so** and _so_", "so and so and so"),
            ("***so***, 2 * 3 * 4", "so, 2 * 3 * 4"),
            ("a_name_like_this", "a_name_like_this"),
            (r"\*so\*", "*so*"),
            ("a footnote*", "a footnote*"),
            ("*unclosed", "*unclosed"),
        ] {
            assert_eq!(without_emphasis(text), expected);
        }
    }
}
