//! Screenplays and plays: Fountain, and plain text with the same layout.
//!
//! - A name in capitals between a blank row and text is the speaker; `@` makes any row a name.
//!   Extensions such as `(O.S.)` and the `^` of dual dialogue are removed.
//! - Scene headings, action, transitions, directions, notes `[[…]]`, text between `/*` and `*/`,
//!   sections, synopses and the title page aren't spoken, and are counted.

use super::text::{is_capital, is_name, named_in_markdown, spoken, without_direction, without_emphasis};
use super::{Out, Unspoken};
use crate::dialogue::Line;

/// Keys of a title page.
const TITLE_KEYS: [&str; 14] = [
    "title",
    "credit",
    "author",
    "authors",
    "source",
    "draft date",
    "date",
    "contact",
    "copyright",
    "notes",
    "revision",
    "format",
    "written by",
    "episode",
];

/// The beginnings of scene headings.
const HEADINGS: [&str; 7] = ["INT", "EXT", "EST", "INT/EXT", "EXT/INT", "I/E", "SCENE"];

/// The beginnings of rows in capitals that aren't names.
const NO_NAMES: [&str; 20] = [
    "FADE",
    "CUT TO",
    "SMASH CUT",
    "MATCH CUT",
    "JUMP CUT",
    "DISSOLVE",
    "WIPE",
    "THE END",
    "END OF",
    "CONTINUED",
    "MONTAGE",
    "INTERCUT",
    "SUPER",
    "TITLE",
    "INSERT",
    "ACT ",
    "SCENE",
    "CHAPTER",
    "CAPTION",
    "BACK TO",
];

/// The longest name including its extension, in characters.
const CUE_CHARS_MAX: usize = 48;

/// The number of names between blank rows that makes a text a play.
const CUES_MIN: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Screenplay {
    is_after_blank: bool,
    title_page: TitlePage,
    /// The mark that ends a comment over several rows.
    comment: Option<&'static str>,
    /// A row in capitals: a name if text follows.
    held: Option<(usize, String)>,
    speech: Option<(usize, Line)>,
    /// Whether it is in a direction over several rows.
    is_in_direction: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TitlePage {
    MayCome,
    Open,
    Over,
}

impl Default for Screenplay {
    fn default() -> Self {
        Self {
            is_after_blank: true,
            title_page: TitlePage::MayCome,
            comment: None,
            held: None,
            speech: None,
            is_in_direction: false,
        }
    }
}

/// Whether a script with this beginning is a screenplay.
pub(super) fn recognizes(sample: &str) -> bool {
    let rows: Vec<&str> = sample.lines().map(str::trim).collect();
    let is_blank = |at: Option<usize>| at.and_then(|at| rows.get(at)).is_none_or(|row| row.is_empty());
    let (mut cues, mut paragraphs, mut signs, mut lines) = (0, 0, 0, 0);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        let begins_paragraph = is_blank(at.checked_sub(1));
        paragraphs += usize::from(begins_paragraph);
        signs += usize::from(is_scene(row) || is_transition(row));
        lines += usize::from(spoken_at_once(row).is_some());
        let has_words = rows.get(at + 1).is_some_and(|next| !next.is_empty() && cue(next).is_none());
        cues += usize::from(begins_paragraph && has_words && cue(row).is_some());
    }
    let has_title = rows.iter().find(|row| !row.is_empty()).is_some_and(|row| is_title(row));
    ((signs > 0 || has_title) && cues + lines > 0) || (cues >= CUES_MIN && cues * 2 >= paragraphs)
}

impl Screenplay {
    pub(super) fn row(&mut self, number: usize, raw: &str, out: &mut Out) {
        // A row of two spaces continues the text.
        if raw.trim_end_matches('\r') == "  " && self.speech.is_some() {
            return;
        }
        let had_words = !raw.trim().is_empty();
        let Some(row) = self.without_comments(raw, out) else { return };
        let row = row.trim();
        if row.is_empty() {
            if !had_words {
                self.end_paragraph(out);
            }
            return;
        }
        if self.is_on_title_page(row) {
            return out.skip(Unspoken::TitlePage);
        }
        let is_after_blank = std::mem::replace(&mut self.is_after_blank, false);
        if let Some((cue_at, name)) = self.held.take() {
            self.speech = Some((cue_at, Line { character: name, text: String::new() }));
        }
        if self.speech.is_some() && !is_heading(row) {
            return self.take_words(row, out);
        }
        self.end_speech(out);
        self.take_other(number, row, is_after_blank, out);
    }

    pub(super) fn end(&mut self, out: &mut Out) {
        self.end_paragraph(out);
    }

    fn end_paragraph(&mut self, out: &mut Out) {
        if self.held.take().is_some() {
            out.skip(Unspoken::Action);
        }
        self.end_speech(out);
        self.is_after_blank = true;
        if self.title_page == TitlePage::Open {
            self.title_page = TitlePage::Over;
        }
    }

    fn end_speech(&mut self, out: &mut Out) {
        self.is_in_direction = false;
        if let Some((number, line)) = self.speech.take().filter(|(_, line)| !line.text.is_empty()) {
            out.spoken(number, line);
        }
    }

    fn take_words(&mut self, row: &str, out: &mut Out) {
        if self.is_in_direction || row.starts_with('(') {
            let is_new = !std::mem::replace(&mut self.is_in_direction, !row.contains(')'));
            if is_new {
                out.skip(Unspoken::Direction);
            }
            // (softly) The tide is late.
            let Some((_, row)) = row.split_once(')') else { return };
            if !row.trim().is_empty() {
                self.take_words(row.trim(), out);
            }
            return;
        }
        let Some((_, line)) = &mut self.speech else { return };
        if !line.text.is_empty() {
            line.text.push(' ');
        }
        line.text.push_str(&without_emphasis(row.trim_start_matches('~').trim()));
    }

    /// Handles a row that doesn't belong to the speaker of a previous row.
    fn take_other(&mut self, number: usize, row: &str, is_after_blank: bool, out: &mut Out) {
        if let Some(name) = row.strip_prefix('@') {
            let name = name_of(name).to_owned();
            self.speech = Some((number, Line { character: name, text: String::new() }));
            return;
        }
        if let Some((character, _)) = spoken_at_once(row) {
            let text = without_emphasis(&spoken(row).1);
            return out.spoken(number, Line { character, text });
        }
        if is_after_blank && let Some(name) = cue(row) {
            self.held = Some((number, name));
            return;
        }
        out.skip(if is_heading(row) {
            Unspoken::Heading
        } else if is_transition(row) {
            Unspoken::Transition
        } else if row.starts_with('=') {
            Unspoken::Note
        } else if row.starts_with('(') && row.ends_with(')') {
            Unspoken::Direction
        } else {
            Unspoken::Action
        });
    }

    fn is_on_title_page(&mut self, row: &str) -> bool {
        if self.title_page == TitlePage::MayCome {
            self.title_page = if is_title(row) { TitlePage::Open } else { TitlePage::Over };
        }
        self.title_page == TitlePage::Open
    }

    /// Returns the row without notes and comments; `None` if it consists of them.
    fn without_comments(&mut self, raw: &str, out: &mut Out) -> Option<String> {
        let mut kept = String::new();
        let mut rest = raw;
        let mut had_comment = false;
        loop {
            if let Some(close) = self.comment {
                had_comment = true;
                // A note ends with a blank row at the latest.
                if close == "]]" && raw.trim().is_empty() {
                    self.comment = None;
                    return Some(String::new());
                }
                let Some((_, after)) = rest.split_once(close) else { break };
                (self.comment, rest) = (None, after);
            }
            let open =
                [("/*", "*/"), ("[[", "]]")].into_iter().filter_map(|(open, close)| Some((rest.find(open)?, close)));
            let Some((at, close)) = open.min() else {
                kept.push_str(rest);
                break;
            };
            kept.push_str(&rest[..at]);
            out.skip(Unspoken::Note);
            (self.comment, rest, had_comment) = (Some(close), &rest[at + 2..], true);
        }
        (!had_comment || !kept.trim().is_empty()).then_some(kept)
    }
}

/// Whether this row begins a title page.
fn is_title(row: &str) -> bool {
    let key = row.split_once(':').map(|(key, _)| key.trim().to_ascii_lowercase());
    key.is_some_and(|key| TITLE_KEYS.contains(&key.as_str()))
}

/// Returns the speaker of a row that is only a name.
fn cue(row: &str) -> Option<String> {
    let plain = without_emphasis(row);
    let bare = plain.trim_end_matches(['^', ' ']);
    let name = name_of(bare);
    let is_meant = bare.chars().count() <= CUE_CHARS_MAX
        && is_capital(name)
        && is_name(name)
        && !is_heading(row)
        && !is_transition(row)
        && !begins_no_name(name)
        && !bare.ends_with(['!', '?', ',', ';']);
    is_meant.then(|| name.to_owned())
}

/// Returns a name without the extensions, and without the full stop or colon that plays write after
/// it.
fn name_of(row: &str) -> &str {
    let name = without_direction(row.trim_end_matches(['^', ' ']));
    name.strip_suffix(['.', ':']).unwrap_or(name).trim_end()
}

/// Parses `IDA: text`, with the name in capitals, in Markdown or with the text on the row of the
/// name.
fn spoken_at_once(row: &str) -> Option<(String, String)> {
    let (name, text) = spoken(row);
    let is_meant =
        !name.is_empty() && !begins_no_name(&name) && (is_capital(&name) || named_in_markdown(row).is_some());
    is_meant.then_some((name, text))
}

fn begins_no_name(name: &str) -> bool {
    NO_NAMES.iter().any(|begin| name.starts_with(begin))
}

fn is_heading(row: &str) -> bool {
    row.starts_with('#') || (row.starts_with('.') && !row.starts_with("..")) || is_scene(row)
}

/// Whether a row is a scene heading.
fn is_scene(row: &str) -> bool {
    // Pages of shooting scripts number their scenes.
    let row = row.trim_start_matches(|char: char| char.is_ascii_digit() || matches!(char, ' ' | '.'));
    let begin = row.get(..row.len().min(12)).unwrap_or(row).to_ascii_uppercase();
    HEADINGS.iter().any(|heading| {
        begin.strip_prefix(heading).is_some_and(|rest| rest.starts_with(['.', ' ']))
            && (*heading != "SCENE" || is_capital(row) || row.contains(|char: char| char.is_ascii_digit()))
    })
}

fn is_transition(row: &str) -> bool {
    if row.starts_with('>') {
        return !row.ends_with('<');
    }
    is_capital(row)
        && (row.ends_with("TO:")
            || ["FADE ", "FADE-", "CUT TO", "THE END", "(CONTINUED", "CONTINUED", "DISSOLVE"]
                .iter()
                .any(|begin| row.starts_with(begin)))
}
