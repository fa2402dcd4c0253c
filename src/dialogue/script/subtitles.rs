//! Subtitles: SubRip (`.srt`), WebVTT (`.vtt`), SubViewer (`.sbv`), SubStation (`.ass`, `.ssa`), and
//! those with a time and a text in one row: LRC (`.lrc`), MicroDVD and MPL2 (`.sub`, `.txt`).
//!
//! - Numbers, time codes, identifiers, notes and styles are skipped; tags are removed, entities
//!   decoded.
//! - A cue's rows are one line, unless a row begins with a dash, `>>`, a name or a voice
//!   `<v Name>`: then they are several.
//! - Text in brackets alone describes a sound, and is a direction.

use super::text::{is_capital, is_direction, is_name, spoken, without_direction};
use super::{Out, Unspoken};
use crate::dialogue::Line;

/// Tags that are removed.
const TAGS: [&str; 11] = ["i", "b", "u", "s", "c", "v", "lang", "ruby", "rt", "font", "br"];

/// HTML entities that occur in subtitles.
const ENTITIES: [(&str, &str); 8] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&nbsp;", " "),
    ("&lrm;", ""),
    ("&rlm;", ""),
    // Decoded last, because it can be the beginning of another entity, as in `&amp;lt;`.
    ("&amp;", "&"),
];

#[derive(Clone, Debug, Default)]
pub(super) struct Subtitles {
    /// A row between cues: a number or an identifier if a time code follows, otherwise text.
    held: Option<(usize, String)>,
    cue: Vec<(usize, String)>,
    is_in_cue: bool,
    /// Whether it is in a note or a style, up to the next blank row.
    is_in_note: bool,
    /// Positions of name and text among the fields of a SubStation row.
    fields: Option<(usize, Option<usize>, usize)>,
}

/// Whether this row is a time code.
pub(super) fn is_time_code(row: &str) -> bool {
    let is_time = |text: &str| {
        let text = text.trim();
        text.contains(':')
            && text.starts_with(|char: char| char.is_ascii_digit())
            && text.chars().all(|char| char.is_ascii_digit() || matches!(char, ':' | '.' | ','))
    };
    // Arrows as word processors and people write them.
    let arrow = ["-->", "->", "–>", "—>", "→"].into_iter().find_map(|arrow| row.split_once(arrow));
    if let Some((from, to)) = arrow {
        return is_time(from) && to.split_whitespace().next().is_some_and(is_time);
    }
    // SubViewer's: 0:00:01.000,0:00:03.000
    row.split_once(',').is_some_and(|(from, to)| {
        let is_long = |time: &str| is_time(time) && time.matches(':').count() == 2 && time.contains('.');
        is_long(from) && is_long(to)
    })
}

/// Whether a script with this beginning is a subtitle file.
pub(super) fn recognizes(sample: &str) -> bool {
    let mut rows = sample.lines().map(str::trim).filter(|row| !row.is_empty());
    let first = rows.next().unwrap_or_default();
    let is_webvtt = first.strip_prefix("WEBVTT").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    is_webvtt
        || first.eq_ignore_ascii_case("[Script Info]")
        || is_time_code(first)
        || (first.bytes().all(|byte| byte.is_ascii_digit()) && rows.next().is_some_and(is_time_code))
}

/// Whether a script with this beginning has a time before the text in each row.
pub(super) fn recognizes_rows(sample: &str) -> bool {
    let rows = || sample.lines().map(str::trim).filter(|row| !row.is_empty() && !is_lrc_tag(row));
    rows().next().is_some() && rows().all(|row| timed(row).is_some())
}

/// Returns the text after the time of a row: `[00:12.00]text`, `{25}{50}text|more`, `[25][50]text`.
fn timed(row: &str) -> Option<&str> {
    for (open, close) in [('{', '}'), ('[', ']')] {
        if let Some((from, rest)) = bracketed(row, open, close)
            && let Some((to, rest)) = bracketed(rest, open, close)
            && is_number(from)
            && (is_number(to) || to.is_empty())
        {
            return Some(rest);
        }
    }
    // A row that is sung several times has several times.
    let mut rest = row;
    while let Some((_, after)) = bracketed(rest, '[', ']').filter(|(time, _)| is_lrc_time(time)) {
        rest = after;
    }
    (rest.len() < row.len()).then_some(rest)
}

/// Returns the text in the brackets at the beginning, and the rest.
fn bracketed(row: &str, open: char, close: char) -> Option<(&str, &str)> {
    row.strip_prefix(open)?.split_once(close)
}

/// Whether it is `00:12.00`: with a fraction, which times in chats don't have.
fn is_lrc_time(time: &str) -> bool {
    time.split_once(':').is_some_and(|(minutes, seconds)| {
        is_number(minutes) && seconds.split_once('.').is_some_and(|(whole, part)| is_number(whole) && is_number(part))
    })
}

/// Whether it is `[ar:Somebody]`, a row about the song.
fn is_lrc_tag(row: &str) -> bool {
    let inside = row.strip_prefix('[').and_then(|row| row.strip_suffix(']'));
    let name = inside.and_then(|inside| inside.split_once(':')).map(|(name, _)| name);
    name.is_some_and(|name| {
        ["ti", "ar", "al", "au", "by", "length", "offset", "re", "ve", "tool", "la"].contains(&name)
    })
}

impl Subtitles {
    pub(super) fn row(&mut self, number: usize, row: &str, out: &mut Out) {
        let row = row.trim();
        if row.is_empty() {
            self.is_in_note = false;
            if self.is_in_cue {
                self.end_cue(out);
            }
            return;
        }
        if self.sub_station(number, row, out) || self.is_in_note {
            return;
        }
        if !self.is_in_cue {
            if is_lrc_tag(row) {
                return out.skip(Unspoken::Note);
            }
            if let Some(text) = timed(row) {
                // `|` separates the rows on screen, and `/` is italics.
                let parts = text.split('|').map(|part| part.trim().trim_start_matches('/'));
                self.cue.extend(parts.map(|part| (number, part.to_owned())));
                return self.end_cue(out);
            }
        }
        if is_time_code(row) {
            // The row before it was its number.
            if self.is_in_cue
                && let Some(last) = self.cue.pop()
                && !is_number(&last.1)
            {
                self.cue.push(last);
            }
            self.held = None;
            self.end_cue(out);
            self.is_in_cue = true;
        } else if row.contains("-->") {
            out.fault(number, 1, "Invalid time code.".to_owned());
            self.held = None;
            self.end_cue(out);
            self.is_in_cue = true;
        } else if self.is_in_cue {
            self.cue.push((number, row.to_owned()));
        } else if row.starts_with("WEBVTT") || ["NOTE", "STYLE", "REGION"].contains(&first_word(row)) {
            self.is_in_note = true;
            if row.starts_with("NOTE") {
                out.skip(Unspoken::Note);
            }
        } else if let Some(held) = self.held.replace((number, row.to_owned())) {
            // Text with a blank row inside.
            self.cue.push(held);
            self.end_cue(out);
        }
    }

    pub(super) fn end(&mut self, out: &mut Out) {
        if let Some(held) = self.held.take().filter(|(_, row)| !is_number(row)) {
            self.cue.push(held);
        }
        self.end_cue(out);
    }

    fn end_cue(&mut self, out: &mut Out) {
        self.is_in_cue = false;
        let mut line: Option<(usize, Line)> = None;
        for (number, row) in std::mem::take(&mut self.cue) {
            for (voice, text) in voices(&row) {
                let text = plain(text);
                let (is_next, text) = without_dash(&text);
                if text.is_empty() {
                    continue;
                }
                if is_direction(text) {
                    out.skip(Unspoken::Direction);
                    continue;
                }
                let (name, text) = named(text);
                let name = voice.map(|voice| plain(voice).trim().to_owned()).unwrap_or(name);
                if let Some((_, line)) = &mut line
                    && !is_next
                    && name.is_empty()
                {
                    if !line.text.is_empty() {
                        line.text.push(' ');
                    }
                    line.text.push_str(&text);
                    continue;
                }
                flush(line.replace((number, Line { character: name, text })), out);
            }
        }
        flush(line, out);
    }

    /// Reads a row of SubStation; `false` if it isn't one.
    fn sub_station(&mut self, number: usize, row: &str, out: &mut Out) -> bool {
        let Some((kind, fields)) =
            row.split_once(':').filter(|(kind, _)| ["Format", "Dialogue", "Comment"].contains(kind))
        else {
            return self.fields.is_some() || self.is_header(row);
        };
        match (kind, self.fields) {
            ("Format", Some(_)) => {
                let names: Vec<_> = fields.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
                let position = |name: &str| names.iter().position(|known| known == name);
                self.fields = Some((
                    names.len(),
                    position("name").or_else(|| position("actor")),
                    position("text").unwrap_or(names.len() - 1),
                ));
            }
            ("Dialogue", Some((count, name, text_cell))) => {
                let cells: Vec<_> = fields.splitn(count.max(1), ',').collect();
                let Some(text) = cells.get(text_cell) else {
                    out.fault(number, 1, format!("The row has {} of {count} fields.", cells.len()));
                    return true;
                };
                let text = plain(&text.replace("\\N", " ").replace("\\n", " ").replace("\\h", " "));
                let name = name.and_then(|name| cells.get(name)).map(|name| name.trim()).unwrap_or_default();
                if is_direction(text.trim()) {
                    out.skip(Unspoken::Direction);
                } else if !text.trim().is_empty() {
                    let (found, text) =
                        if name.is_empty() { named(text.trim()) } else { (name.to_owned(), text.trim().to_owned()) };
                    out.spoken(number, Line { character: found, text });
                }
            }
            ("Comment", Some(_)) => out.skip(Unspoken::Note),
            _ => return false,
        }
        true
    }

    fn is_header(&mut self, row: &str) -> bool {
        if row.eq_ignore_ascii_case("[Script Info]") {
            self.fields = Some((10, Some(4), 9));
            return true;
        }
        false
    }
}

fn flush(line: Option<(usize, Line)>, out: &mut Out) {
    if let Some((number, line)) = line.filter(|(_, line)| !line.text.is_empty()) {
        out.spoken(number, line);
    }
}

fn first_word(row: &str) -> &str {
    row.split_whitespace().next().unwrap_or_default()
}

fn is_number(row: &str) -> bool {
    !row.is_empty() && row.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the pieces of a row, each with its voice.
fn voices(row: &str) -> Vec<(Option<&str>, &str)> {
    let mut pieces = Vec::new();
    let (mut voice, mut rest) = (None, row);
    while let Some(at) = rest.find("<v").filter(|at| rest[at + 2..].starts_with([' ', '.', '\t'])) {
        if at > 0 {
            pieces.push((voice, &rest[..at]));
        }
        let Some((tag, after)) = rest[at + 2..].split_once('>') else { break };
        // <v.loud Name>
        voice = tag.split_once([' ', '\t']).map(|(_, name)| name.trim()).filter(|name| !name.is_empty());
        rest = after;
    }
    pieces.push((voice, rest));
    pieces
}

/// Returns a row without tags, and with its entities decoded.
fn plain(row: &str) -> String {
    let mut plain = String::with_capacity(row.len());
    let mut rest = row;
    while let Some(at) = rest.find(['<', '{']) {
        plain.push_str(&rest[..at]);
        let (tag, close) = if rest[at..].starts_with('<') { (&rest[at + 1..], '>') } else { (&rest[at + 1..], '}') };
        match tag.find(close).filter(|&end| is_tag(&tag[..end], close)) {
            Some(end) => {
                if tag[..end].trim_end_matches([' ', '/']).eq_ignore_ascii_case("br") {
                    plain.push(' ');
                }
                rest = &tag[end + 1..];
            }
            None => {
                plain.push_str(&rest[at..=at]);
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    if plain.contains('&') {
        for (entity, char) in ENTITIES {
            plain = plain.replace(entity, char);
        }
    }
    plain
}

/// Whether this is a tag instead of text in angle brackets or braces: `i`, `/c.loud`, `00:01.000`,
/// `\an8`, `y:i`.
fn is_tag(inside: &str, close: char) -> bool {
    if close == '}' {
        return inside.starts_with('\\') || inside.get(1..).is_some_and(|rest| rest.starts_with(':'));
    }
    let inside = inside.trim_start_matches('/');
    let name: String = inside.chars().take_while(|char| char.is_ascii_alphanumeric()).collect();
    let is_time = inside.contains(':') && inside.chars().all(|char| char.is_ascii_digit() || matches!(char, ':' | '.'));
    is_time || TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&name))
}

/// Returns whether the row begins with a change of speaker, and the text.
fn without_dash(text: &str) -> (bool, &str) {
    let text = text.trim();
    let rest = text.strip_prefix(">>").or_else(|| text.strip_prefix(['-', '–', '—', '‐'])).map(str::trim_start);
    match rest {
        // Two dashes continue a sentence: `--so it goes on`.
        Some(rest) if !rest.starts_with('-') => (true, rest.trim_start_matches('>').trim_start()),
        _ => (false, text),
    }
}

/// Returns name and text; a direction after the name, or a name alone, isn't text.
fn named(text: &str) -> (String, String) {
    if let Some(name) = text.strip_suffix(':').map(without_direction)
        && is_capital(name)
        && is_name(name)
    {
        return (name.to_owned(), String::new());
    }
    let (name, text) = spoken(text);
    if !name.is_empty()
        && let Some(end) = text.find([')', ']']).filter(|_| text.starts_with(['(', '[']))
    {
        return (name, text[end + 1..].trim_start().to_owned());
    }
    (name, text)
}
