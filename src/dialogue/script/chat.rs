//! Conversations saved or copied from messengers: WhatsApp, Telegram, Discord, Slack, IRC, and
//! transcripts with times.
//!
//! - A message begins with a time and a name, with `<name>`, or below a row of name and time. The
//!   rows that follow belong to it.
//! - Notices of joining, leaving or changes have no speaker and are only counted; so are pictures
//!   and files that aren't included.

use super::text::{is_name, spoken};
use super::{Out, Unspoken};
use crate::dialogue::Line;

/// The longest name in characters; there are no rules for names in messengers.
const NAME_MAX: usize = 48;

/// A row without a name that contains one of these is the program's notice.
const SYSTEM: [&str; 24] = [
    "end-to-end encrypted",
    "created group",
    "created this group",
    "created the group",
    "changed the subject",
    "changed this group",
    "changed the group",
    "changed their phone number",
    "security code",
    "disappearing messages",
    " joined",
    " left",
    " added ",
    " removed ",
    " pinned ",
    " has quit",
    " is now known as",
    " sets mode",
    " set the topic",
    " changed the topic",
    "Topic for ",
    "Missed voice call",
    "Missed video call",
    "started a call",
];

/// Messages that represent a file that isn't included.
const ATTACHMENTS: [&str; 14] = [
    "<Media omitted>",
    "image omitted",
    "video omitted",
    "audio omitted",
    "sticker omitted",
    "GIF omitted",
    "document omitted",
    "Contact card omitted",
    "(file attached)",
    "<attached:",
    "This message was deleted",
    "You deleted this message",
    "null",
    "[Attachment]",
];

#[derive(Clone, Debug, Default)]
pub(super) struct Chat {
    message: Option<(usize, Line)>,
    /// Whether it begins with the mark that WhatsApp writes before its own notices.
    is_marked: bool,
}

/// How a row begins a message.
enum Begin<'a> {
    /// Name and text.
    Line(String, &'a str),
    /// Name and time, with the text below.
    Head(String),
    /// A notice without a speaker.
    System,
    /// It continues the previous message.
    No,
}

/// Whether a script with this beginning is a conversation.
pub(super) fn recognizes(sample: &str) -> bool {
    let rows = sample.lines().filter(|row| !row.trim().is_empty());
    let (mut lines, mut heads, mut count) = (0, 0, 0);
    for row in rows {
        count += 1;
        match begin(row) {
            Begin::Line(..) => lines += 1,
            Begin::Head(_) => heads += 1,
            Begin::System | Begin::No => {}
        }
    }
    // A message may have several rows, so a third of the rows is enough. Rows of only a name and a
    // time need a fifth, but two at least: a single one can be a sentence with a time of day.
    (lines > 0 && lines * 3 >= count) || (heads > 1 && heads * 5 >= count) || (count == 1 && lines == 1)
}

impl Chat {
    pub(super) fn row(&mut self, number: usize, row: &str, out: &mut Out) {
        match begin(row) {
            Begin::Line(character, text) => {
                self.end(out);
                self.is_marked = text.trim_start().starts_with('\u{200e}');
                self.message = Some((number, Line { character, text: cleaned(text) }));
            }
            Begin::Head(character) => {
                self.end(out);
                self.message = Some((number, Line { character, text: String::new() }));
            }
            Begin::System => {
                self.end(out);
                out.skip(Unspoken::System);
            }
            Begin::No => self.go_on(number, &cleaned(row), out),
        }
    }

    fn go_on(&mut self, number: usize, text: &str, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        let Some((_, line)) = &mut self.message else {
            // Rows above the first message are about the conversation.
            if text.contains(char::is_alphabetic) && !text.starts_with(['=', '#', '-', '*']) {
                let (character, text) = spoken(text);
                if character.is_empty() {
                    return out.skip(Unspoken::System);
                }
                self.message = Some((number, Line { character, text }));
            }
            return;
        };
        if !line.text.is_empty() {
            line.text.push('\n');
        }
        line.text.push_str(text);
    }

    pub(super) fn end(&mut self, out: &mut Out) {
        let Some((number, line)) = self.message.take() else { return };
        let is_marked = std::mem::take(&mut self.is_marked);
        // In other languages, it is in the same brackets: <Medien ausgeschlossen>.
        let is_marker = line.text.starts_with('<') && line.text.ends_with('>') && line.text.matches('<').count() == 1;
        let is_known = |what: &&str| line.text == *what || (what.len() > 8 && line.text.contains(*what));
        if is_marker || ATTACHMENTS.iter().any(is_known) {
            out.skip(Unspoken::Attachment);
        } else if is_marked {
            out.skip(Unspoken::System);
        } else if !line.text.is_empty() {
            out.spoken(number, line);
        }
    }
}

/// Returns the text without the direction marks that phones write.
fn cleaned(text: &str) -> String {
    text.trim().trim_matches(['\u{200e}', '\u{200f}', '\u{202a}', '\u{202c}', '\u{feff}']).trim().to_owned()
}

fn begin(row: &str) -> Begin<'_> {
    let row = row.trim().trim_start_matches(['\u{200e}', '\u{200f}', '\u{feff}']);
    if let Some(head) = head(row) {
        return Begin::Head(head);
    }
    let (time, rest) = without_time(row);
    if let Some(begin) = nick(rest) {
        return begin;
    }
    if time == Time::None || rest.is_empty() {
        return if is_irc_notice(row) { Begin::System } else { Begin::No };
    }
    if is_irc_notice(rest) {
        return Begin::System;
    }
    // A name in a chat may be a number, or have any characters.
    if let Some((name, text)) =
        rest.split_once(": ").or_else(|| rest.split_once(":\t")).or_else(|| Some((rest.strip_suffix(':')?, "")))
    {
        let name = cleaned(name.trim_start_matches('~')).trim_start_matches("From ").to_owned();
        let name = name.split(" to ").next().unwrap_or_default().trim().to_owned();
        let fits =
            !name.is_empty() && name.chars().count() <= NAME_MAX && !SYSTEM.iter().any(|phrase| name.contains(phrase));
        // A time alone can be in any sentence, so the name has to look like one.
        let is_somebody = is_name(&name) && !name.starts_with(char::is_lowercase);
        if fits && (time != Time::Bare || is_somebody) {
            return Begin::Line(name, text);
        }
    }
    if time == Time::Bare { Begin::No } else { Begin::System }
}

/// Parses `<nick> text`, `* nick waves`.
fn nick(rest: &str) -> Option<Begin<'_>> {
    if let Some((name, text)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        let name = name.trim().trim_start_matches(['@', '+', '%', '&', '~', '!']);
        let fits = !name.is_empty() && name.chars().count() <= NAME_MAX && !name.contains(['/', '=', '"']);
        return (fits && text.starts_with([' ', '\t'])).then(|| Begin::Line(name.to_owned(), text));
    }
    None
}

/// Whether it is `*** ida has joined`, `-!- mode`, `--> ida`, `<-- bo`.
fn is_irc_notice(row: &str) -> bool {
    ["***", "-!-", "-->", "<--", "* ", "== "].iter().any(|begin| row.starts_with(begin))
        || SYSTEM.iter().any(|phrase| row.starts_with(phrase.trim_start()))
}

/// Parses a row of a name and a time, with the text below: `Ida, [21.11.2026 10:00]`,
/// `Ida — Today at 10:00`, `Ida  10:00 AM`, `Ida (00:03):`, `[21-Nov-26 10:00 AM] Ida#1234`.
fn head(row: &str) -> Option<String> {
    let row = row.trim_end_matches(':').trim_end();
    let in_brackets = row.strip_suffix(']').and_then(|row| row.rsplit_once('['));
    let in_parentheses = || row.strip_suffix(')').and_then(|row| row.rsplit_once('('));
    let apart = || [" — ", " – ", "  ", "\t"].into_iter().find_map(|between| row.split_once(between));
    let marked = in_brackets.or_else(in_parentheses).or_else(apart);
    // Discord's exporter puts the time first.
    let behind_time = || row.strip_prefix('[')?.split_once("] ").map(|(time, name)| (name, time));
    let (before, time) = marked.or_else(behind_time)?;
    let time = time.trim();
    let has_date = time.contains(['-', '.', '/']);
    let is_tagged = has_date && before.contains('#') && !before.contains(':');
    if !is_time_text(time) || !(marked.is_some() || is_tagged) {
        return None;
    }
    let name = before.trim().trim_end_matches(',').trim();
    let name = name.split_once('#').map_or(name, |(name, _)| name).trim();
    (!name.is_empty() && name.chars().count() <= NAME_MAX && !name.contains(':') && name.contains(char::is_alphabetic))
        .then(|| name.to_owned())
}

/// Whether a text is a time, perhaps with a date: `Today at 10:00`, `21.11.2026 10:00:00`,
/// `0:03`, `10:00 AM`.
fn is_time_text(text: &str) -> bool {
    const WORDS: [&str; 8] = ["at", "today", "yesterday", "am", "pm", "a.m.", "p.m.", "utc"];
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let mut has_clock = false;
    let is_part = |part: &str| {
        let part = part.trim_matches(',');
        let is_clock = is_clock(part);
        let is_date = part.contains(|char: char| char.is_ascii_digit())
            && part.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | '/' | '-'));
        let mut names = part.split('-').filter(|part| !part.bytes().all(|byte| byte.is_ascii_digit()));
        let is_word = names.all(|name| {
            let name = name.to_lowercase();
            let is_month = || name.len() > 2 && MONTHS.iter().any(|month| month.starts_with(&name));
            WORDS.contains(&name.as_str()) || is_month()
        });
        (is_clock, is_clock || is_date || is_word)
    };
    // 2026-11-21T10:00:00
    let is_joint = |(at, char): (usize, char)| char == 'T' && text[..at].ends_with(|char: char| char.is_ascii_digit());
    let joint = text.char_indices().find(|&place| is_joint(place)).map_or(0, |(at, _)| at);
    let (date, rest) = text.split_at(joint);
    let rest = if joint > 0 { &rest[1..] } else { rest };
    let parts = [date, rest].into_iter().flat_map(|part| part.split([' ', '\u{202f}', '\u{a0}']));
    let fits = parts.filter(|part| !part.is_empty()).all(|part| {
        let (is_clock, fits) = is_part(part);
        has_clock |= is_clock;
        fits
    });
    fits && has_clock
}

/// Whether it is `10:00`, `10:00:05`, `10:00:05.123`, `10:00:05Z`, `10:00pm`.
fn is_clock(part: &str) -> bool {
    let part = part.trim_end_matches(['Z', 'z']);
    let lower = part.to_ascii_lowercase();
    let part = lower.strip_suffix("am").or_else(|| lower.strip_suffix("pm")).unwrap_or(&lower);
    let mut parts = part.split(':');
    let is_digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let hour = parts.next().is_some_and(is_digits);
    let rest: Vec<_> = parts.collect();
    let whole = |part: &str| is_digits(part.split(['.', ',']).next().unwrap_or_default());
    hour && (1..=2).contains(&rest.len()) && rest.iter().all(|part| whole(part))
}

/// The time at the beginning of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    None,
    /// A time of day, which can be in any sentence.
    Bare,
    /// With a date, or in brackets.
    Whole,
}

/// Returns the row without the time at its beginning and the separator after it.
fn without_time(row: &str) -> (Time, &str) {
    if let Some((time, rest)) = row.strip_prefix(['[', '(']).and_then(|row| row.split_once([']', ')'])) {
        return if is_time_text(time) { (Time::Whole, rest.trim_start()) } else { (Time::None, row) };
    }
    // 21.11.2026, Nov 21
    if !row.starts_with(|char: char| char.is_ascii_digit() || char.is_ascii_uppercase()) {
        return (Time::None, row);
    }
    // The longest sequence of words that is a time.
    let mut found = None;
    for (end, _) in row.char_indices().filter(|(_, char)| char.is_whitespace()).take(5) {
        if is_time_text(&row[..end]) {
            found = Some(end);
        }
    }
    let Some(end) = found else { return (Time::None, row) };
    let begins_with_month = row.starts_with(|char: char| char.is_ascii_uppercase());
    let is_whole = begins_with_month || row[..end].contains(['/', '-']) || row[..end].matches('.').count() > 1;
    let rest = row[end..].trim_start();
    let rest = rest.strip_prefix("- ").or_else(|| rest.strip_prefix("– ")).unwrap_or(rest);
    (if is_whole { Time::Whole } else { Time::Bare }, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_begin_in_many_ways() {
        let check = |row: &str, name: &str, expected: &str| match begin(row) {
            Begin::Line(found, text) => assert_eq!((found.as_str(), text.trim()), (name, expected), "{row}"),
            Begin::Head(found) => assert_eq!((found.as_str(), ""), (name, expected), "{row}"),
            Begin::System => assert_eq!(("", "system"), (name, expected), "{row}"),
            Begin::No => assert_eq!(("", ""), (name, expected), "{row}"),
        };
        check("[21.11.26, 10:00:01] Ida: The tide is late.", "Ida", "The tide is late.");
        check("\u{200e}[2026-11-21, 10:00:01 AM] +49 170 1234567: Late.", "+49 170 1234567", "Late.");
        check("21/11/2026, 10:00 - Bo: It was: late", "Bo", "It was: late");
        check("11/21/26, 10:00\u{202f}PM - Ida 🌊: Late", "Ida 🌊", "Late");
        check("21/11/2026, 09:59 - Messages and calls are end-to-end encrypted.", "", "system");
        check("21/11/2026, 09:59 - Ida created group “Ebb: late”", "", "system");
        check("10:00 <ida> Then that is when it comes.", "ida", "Then that is when it comes.");
        check("[10:00:05] <@bo> Soon.", "bo", "Soon.");
        check("<ida> Soon.", "ida", "Soon.");
        check("10:01 -!- cy [cy@pier] has joined #ebb", "", "system");
        check("*** cy has quit", "", "system");
        check("Ida, [21.11.2026 10:00]", "Ida", "");
        check("Ida Smith — Today at 10:00 AM", "Ida Smith", "");
        check("[21-Nov-26 10:00 AM] Ida#1234", "Ida", "");
        check("Ida  10:00 AM", "Ida", "");
        check("Speaker 1 (00:03):", "Speaker 1", "");
        check("[00:01:12] IDA: Late.", "IDA", "Late.");
        check("00:12:01\tFrom Ida to Everyone:\tLate.", "Ida", "Late.");
        check("2026-11-21T10:00:00 <ida> Late.", "ida", "Late.");
        for row in [
            "10:45 at the pier.",
            "Ida: late",
            "It was [late]",
            "<i>late</i> it was",
            "12:30 it was: late, I think so",
            "What is left?",
        ] {
            check(row, "", "");
        }
    }
}
