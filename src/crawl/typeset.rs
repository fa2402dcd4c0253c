//! Breaking a message into rows.
//!
//! Browsers break greedily and justify whatever comes of it; at 26 letters a
//! row that tears rivers into the text. Here the breaks are chosen over the
//! whole message (least sum of squared slack, as typesetters do), a row is
//! justified only where that stretches its spaces little, and the last row
//! stays natural.
//!
//! Nothing here knows fonts: the caller measures. Nothing here shortens either:
//! how much of a message is told is decided once, by [`excerpt`].

use super::scripts;
pub use super::scripts::Direction;
use super::{Entry, ROW_EM, excerpt};
use crate::console::grouped;
use crate::engine::update::Told;

/// Space between two words, in em (News Cycle Bold's, with the tracking).
pub const SPACE_EM: f64 = 0.30;

/// Additional space after the speaker, in em.
pub const SPEAKER_GAP_EM: f64 = 0.3;

/// Justifying adds at most this to each space, in em.
const MAX_STRETCH_EM: f64 = 0.30;

/// What the seam between two ideographs takes of that.
const SEAM_GIVES: f64 = 0.4;

/// A last row shorter than this part of the column looks lost.
const WIDOW: f64 = 0.28;

/// What such a row costs, in squared slack.
const WIDOW_COST: f64 = 0.1;

/// What each row costs: keeps the text from being broken more often than it
/// must be.
const ROW_COST: f64 = 0.02;

/// Measures text in em. `&mut` since a good one remembers.
pub type Measure<'a> = &'a mut dyn FnMut(&str) -> f64;

/// What rows are set into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Its width, in em.
    pub width_em: f64,
    /// How its right edge looks.
    pub edge: Edge,
}

/// How rows end on the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Flush where that costs little.
    Justified,
    /// Ragged: in a narrow column, justifying always tears holes.
    Ragged,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What of the speaker's name stands in this row; mostly all or nothing.
    pub speaker: String,
    /// The words.
    pub text: String,
    /// Spread over the whole column.
    pub justified: bool,
    /// The row goes on in the next one without a space: a long word was
    /// broken, or the script has no spaces.
    pub glued: bool,
}

/// A message in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// At least one.
    pub rows: Vec<Row>,
    /// Which way all of them are read.
    pub direction: Direction,
    /// Its letters hang together: no space may come between them.
    pub is_joined: bool,
}

/// An entry, set.
#[derive(Clone, Debug, PartialEq)]
pub enum Typeset {
    /// In rows of the crawl's font.
    Rows(Setting),
    /// In the title's.
    Title(Title),
}

impl Typeset {
    /// Its height, in em of the crawl's font.
    pub fn height_em(&self) -> f64 {
        match self {
            Self::Rows(setting) => setting.rows.len() as f64 * ROW_EM,
            Self::Title(title) => title.rows.len() as f64 * title.size_em * TITLE_ROW,
        }
    }
}

/// Whoever has fonts to measure with.
pub trait Typesetter {
    /// Sets an entry for the stage as it is now.
    fn set(&mut self, entry: &Entry) -> Typeset;
}

/// Sets an entry in a column of this width; the two measures are the body
/// font's and the title font's, each at 1 em.
pub fn set_entry(entry: &Entry, column: Column, body: Measure<'_>, title: Measure<'_>) -> Typeset {
    Typeset::Rows(match entry {
        Entry::Told(Told::Line { line, .. }) => set(&line.character, &line.text, column, body),
        Entry::Told(Told::Passed { count, .. }) => set("", &passed_words(*count), column, body),
        Entry::Intro(words) => set("", &excerpt::words(words), column, body),
        Entry::Episode(words) => set("", words, Column { edge: Edge::Ragged, ..column }, body),
        Entry::Title(words) => return Typeset::Title(set_title(words, column.width_em * TITLE_WIDTH, title)),
    })
}

/// What the crawl says of messages that it skipped.
pub fn passed_words(count: u64) -> String {
    match count {
        1 => "(1 message skipped)".to_owned(),
        _ => format!("({} messages skipped)", grouped(count)),
    }
}

/// A title, as large as the column lets it be.
#[derive(Clone, Debug, PartialEq)]
pub struct Title {
    /// Its rows.
    pub rows: Vec<String>,
    /// Font size, in em of the crawl's font.
    pub size_em: f64,
}

/// The title fills this part of the column.
const TITLE_WIDTH: f64 = 0.94;

/// Height of a title's row in its own em.
pub const TITLE_ROW: f64 = 1.02;

/// The largest title, in em.
const TITLE_MAX_EM: f64 = 3.4;

/// A title that would come out smaller than this takes another row.
const TITLE_ROOMY_EM: f64 = 1.6;

/// The most rows of a title.
const TITLE_MAX_ROWS: usize = 4;

/// Fits a title into a column; `measure` is the title font's, at 1 em.
pub fn set_title(title: &str, column_em: f64, measure: Measure<'_>) -> Title {
    let words: Vec<String> = scripts::capitals(&printable(title)).split_whitespace().map(String::from).collect();
    let mut best = Title { rows: vec![words.join(" ")], size_em: 0.0 };
    for rows in 1..=TITLE_MAX_ROWS.min(words.len()) {
        let split = split_evenly(&words, rows, measure);
        let widest = split.iter().map(|row| measure(row)).fold(0.1, f64::max);
        let size_em = (column_em / widest).min(TITLE_MAX_EM);
        if size_em > best.size_em {
            best = Title { rows: split, size_em };
        }
        if best.size_em >= TITLE_ROOMY_EM {
            break;
        }
    }
    best
}

/// Splits words into at most so many rows of about the same width.
fn split_evenly(words: &[String], rows: usize, measure: Measure<'_>) -> Vec<String> {
    let share_em = measure(&words.join(" ")) / rows as f64;
    let mut split: Vec<String> = Vec::new();
    for word in words {
        let is_last = split.len() == rows;
        match split.last_mut() {
            Some(row) if is_last || measure(row) < share_em * 0.8 => {
                row.push(' ');
                row.push_str(word);
            }
            _ => split.push(word.clone()),
        }
    }
    split
}

/// A piece of text that is never broken.
#[derive(Clone, Debug)]
struct Piece {
    text: String,
    width_em: f64,
    is_speaker: bool,
    /// No space before it.
    glued: bool,
}

fn set(speaker: &str, text: &str, column: Column, measure: Measure<'_>) -> Setting {
    let direction = Direction::of(text).or_else(|| Direction::of(speaker)).unwrap_or(Direction::LeftToRight);
    let is_joined = scripts::is_joined(text) || scripts::is_joined(speaker);
    let mut pieces = Vec::new();
    let name = scripts::capitals(&printable(speaker));
    for (text, is_speaker) in [(name, true), (four_dots(&printable(text)), false)] {
        for word in text.split(scripts::is_space).filter(|word| !word.is_empty()) {
            let mut glued = false;
            for fragment in scripts::fragments(word) {
                cut_to_fit(fragment, column.width_em, measure, &mut |text, width_em| {
                    pieces.push(Piece { text: text.to_owned(), width_em, is_speaker, glued });
                    glued = true;
                });
            }
        }
    }
    if pieces.is_empty() {
        return Setting { rows: vec![Row::default()], direction, is_joined };
    }
    let breaks = best_breaks(&pieces, column.width_em);
    Setting { rows: rows(&pieces, &breaks, column), direction, is_joined }
}

/// Hands out a fragment, whole if it fits the column, or else in parts that
/// do, with their widths.
fn cut_to_fit(fragment: &str, column_em: f64, measure: Measure<'_>, out: &mut dyn FnMut(&str, f64)) {
    let whole_em = measure(fragment);
    if whole_em <= column_em {
        return out(fragment, whole_em);
    }
    let mut start = 0;
    let mut width_em = 0.0;
    for (at, cluster) in scripts::clusters(fragment) {
        let cluster_em = measure(cluster);
        if width_em + cluster_em > column_em && at > start {
            out(&fragment[start..at], width_em);
            start = at;
            width_em = 0.0;
        }
        width_em += cluster_em;
    }
    out(&fragment[start..], width_em);
}

/// Space before `pieces[index]` when it isn't the first of its row.
fn space_em(pieces: &[Piece], index: usize) -> f64 {
    let piece = &pieces[index];
    if piece.glued {
        return 0.0;
    }
    if !piece.is_speaker && pieces[index - 1].is_speaker {
        return SPACE_EM + SPEAKER_GAP_EM;
    }
    SPACE_EM
}

/// How much of a justified row's slack the place before `pieces[index]` takes: a
/// space all it may, the seam between ideographs a part, other seams nothing.
fn give(pieces: &[Piece], index: usize) -> f64 {
    let ideograph = |c: Option<char>| c.is_some_and(scripts::is_ideographic);
    let piece = &pieces[index];
    if !piece.glued {
        1.0
    } else if ideograph(piece.text.chars().next()) || ideograph(pieces[index - 1].text.chars().next_back()) {
        SEAM_GIVES
    } else {
        0.0
    }
}

/// Where rows end (exclusive), over all ways to break.
fn best_breaks(pieces: &[Piece], column_em: f64) -> Vec<usize> {
    let count = pieces.len();
    // cost[i]: of everything from piece i on; next[i]: where i's row ends.
    let mut cost = vec![0.0; count + 1];
    let mut next = vec![count; count];
    for first in (0..count).rev() {
        let mut best = f64::INFINITY;
        let mut width_em = 0.0;
        let mut gaps = 0.0_f64;
        for last in first..count {
            if last > first {
                width_em += space_em(pieces, last);
                gaps += give(pieces, last);
            }
            width_em += pieces[last].width_em;
            if width_em > column_em && last > first {
                break;
            }
            let slack = ((column_em - width_em) / column_em).max(0.0);
            let own = if last + 1 == count {
                // A few ideographs are words of their own, but not two.
                let enough = if pieces[last].glued { WIDOW * 0.8 } else { WIDOW };
                let lost = first > 0 && width_em < column_em * enough;
                if lost { WIDOW_COST } else { 0.0 }
            } else {
                // Much slack over few gaps is what makes rivers.
                let stretch_em = slack * column_em / gaps.max(1.0);
                let river = if stretch_em > MAX_STRETCH_EM { 0.01 } else { 0.0 };
                slack * slack + river + ROW_COST
            };
            let total = own + cost[last + 1];
            if total < best {
                best = total;
                next[first] = last + 1;
            }
        }
        cost[first] = best;
    }
    let mut breaks = Vec::new();
    let mut at = 0;
    while at < count {
        at = next[at];
        breaks.push(at);
    }
    breaks
}

fn rows(pieces: &[Piece], breaks: &[usize], column: Column) -> Vec<Row> {
    let mut rows = Vec::with_capacity(breaks.len());
    let mut first = 0;
    for &end in breaks {
        let mut row = Row::default();
        let mut width_em = 0.0;
        let mut gaps = 0.0_f64;
        for index in first..end {
            let piece = &pieces[index];
            let part = if piece.is_speaker { &mut row.speaker } else { &mut row.text };
            if index > first {
                width_em += space_em(pieces, index);
                gaps += give(pieces, index);
                if !piece.glued && !part.is_empty() {
                    part.push(' ');
                }
            }
            part.push_str(&piece.text);
            width_em += piece.width_em;
        }
        let stretch_em = (column.width_em - width_em) / gaps.max(1.0);
        row.justified =
            column.edge == Edge::Justified && end < pieces.len() && gaps > 0.0 && stretch_em <= MAX_STRETCH_EM;
        row.glued = pieces.get(end).is_some_and(|piece| piece.glued);
        rows.push(row);
        first = end;
    }
    rows
}

/// Without what would print as nothing or harm its surroundings: controls
/// become spaces, and overrides of direction go.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// An ellipsis at the end has four dots here.
fn four_dots(text: &str) -> String {
    let text = text.trim_end();
    let quotes = text.trim_end_matches(['"', '”', '’', '\'', ')', '»']);
    let tail = &text[quotes.len()..];
    let words = quotes.trim_end_matches(['.', '…']);
    let dots = &quotes[words.len()..];
    if dots.contains('…') || dots.len() >= 3 {
        return format!("{words}....{tail}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN_EM: f64 = 14.2;
    const COLUMN: Column = Column { width_em: COLUMN_EM, edge: Edge::Justified };

    /// Half an em a character, as if of a typewriter; marks take no room.
    fn typewriter(text: &str) -> f64 {
        text.chars().filter(|c| !scripts::is_mark(*c)).count() as f64 * 0.5
    }

    fn told(character: &str, text: &str) -> Setting {
        set(character, text, COLUMN, &mut typewriter)
    }

    /// One string a row: speaker in brackets, `=` at the end when justified,
    /// `+` when the next row goes on without a space.
    fn shape(setting: &Setting) -> Vec<String> {
        let show = |row: &Row| {
            let speaker = match row.speaker.as_str() {
                "" => String::new(),
                name => format!("[{name}] "),
            };
            let justified = if row.justified { "=" } else { "" };
            let glued = if row.glued { "+" } else { "" };
            format!("{speaker}{}{justified}{glued}", row.text)
        };
        setting.rows.iter().map(show).collect()
    }

    fn check(character: &str, text: &str, expected: &[&str]) {
        assert_eq!(shape(&told(character, text)), expected, "{character}: {text}");
    }

    #[test]
    fn rows_of_dialogue() {
        check("Cleo", "Understood.", &["[CLEO] Understood."]);
        check("", "The relay answers.", &["The relay answers."]);
        check("Ada", "", &["[ADA] "]);
        check(
            "Bram",
            "Pressure is holding at four bar on every line now",
            &["[BRAM] Pressure is holding at=", "four bar on every line now"],
        );
        check("", "aaaa bbbb cccc dddd eeee fff gggg hhhh", &["aaaa bbbb cccc dddd eeee fff=", "gggg hhhh"]);
    }

    #[test]
    fn a_ragged_column_justifies_nothing() {
        let ragged = Column { edge: Edge::Ragged, ..COLUMN };
        let setting = set("", "aaaa bbbb cccc dddd eeee fff gggg hhhh", ragged, &mut typewriter);
        assert_eq!(shape(&setting), ["aaaa bbbb cccc dddd eeee fff", "gggg hhhh"]);
    }

    #[test]
    fn an_ellipsis_has_four_dots() {
        check("", "Gone…", &["Gone...."]);
        check("", "Gone...", &["Gone...."]);
        check("", "Gone.......", &["Gone...."]);
        check("", "“Gone…”", &["“Gone....”"]);
        check("", "Gone.", &["Gone."]);
        check("", "v1.2..3", &["v1.2..3"]);
    }

    #[test]
    fn no_lost_word_on_the_last_row() {
        let setting = told("", "aaaaaaa bbbbbb ccccccc ddd e");
        let last = setting.rows.last().map(|row| row.text.len());
        assert!(setting.rows.len() == 1 || last > Some(4), "{:?}", shape(&setting));
        // Full-width characters, as if of an em each.
        let mut wide = |text: &str| text.chars().count() as f64;
        let setting = set("", &"語".repeat(30), COLUMN, &mut wide);
        let last = setting.rows.last().map(|row| row.text.chars().count());
        assert!(last > Some(3), "{:?}", shape(&setting));
    }

    #[test]
    fn nothing_is_lost_and_every_row_fits() {
        let words =
            "one fifteen-minute http://a.example/path/of/some/depth 日本語のとても長い文章です。それは続きます。 x";
        let long_word = "é".repeat(300);
        for text in [words, &long_word, "नमस्ते दुनिया 👩‍👩‍👧‍👦👩‍👩‍👧‍👦 🇩🇪🇫🇷 ok"]
        {
            let setting = told("", text);
            let mut joined = String::new();
            for row in &setting.rows {
                assert!(typewriter(&row.text) <= COLUMN_EM, "{row:?}");
                joined.push_str(&row.text);
                if !row.glued {
                    joined.push(' ');
                }
            }
            assert_eq!(joined.trim_end(), text);
        }
    }

    #[test]
    fn clusters_are_not_torn() {
        for whole in ["👩‍👩‍👧‍👦", "🇩🇪", "e\u{301}", "क्षि", "स्त्री", "ज्ञों", "ক্ষি", "👍🏽"]
        {
            let text = whole.repeat(60);
            for row in told("", &text).rows {
                assert_eq!(row.text.replace(whole, ""), "", "{whole} was torn");
            }
        }
    }

    #[test]
    fn no_row_has_rivers() {
        let text =
            "Two of three pumps restarted on their own, and the fourth, incomprehensibly, has never been heard of. ";
        let (mut flush, mut all) = (0, 0);
        for words in 4..60 {
            let text: Vec<&str> = text.split(' ').cycle().take(words).collect();
            let rows = told("Ada", &text.join(" ")).rows;
            let justified = rows.iter().filter(|row| row.justified);
            for row in justified {
                let gaps = row.text.matches(' ').count() + usize::from(!row.speaker.is_empty());
                let letters =
                    (row.text.chars().count() + row.speaker.chars().count() - row.text.matches(' ').count()) as f64;
                let gap_em = (COLUMN_EM - letters * 0.5) / gaps as f64;
                // The speaker's has its own share.
                assert!(gap_em <= SPACE_EM + MAX_STRETCH_EM + SPEAKER_GAP_EM, "{row:?}: {gap_em:.2} em");
            }
            flush += rows.iter().filter(|row| row.justified).count();
            all += rows.len() - 1;
        }
        // With so few words a row, most have no way to be; those that have are.
        assert!(flush * 5 > all, "{flush} of {all} rows are flush");
    }

    #[test]
    fn no_row_begins_or_ends_with_what_must_not() {
        // Every place where a row may end comes up, one character at a time.
        for before in 0..30 {
            for text in [
                "「橋」は、開いています。「誰か」を送って！（急いで）ください…ちょっと待って、リュックサックー。",
                "“他说：《桥》开了。”请派人过去（快点），好吗？是的！谢谢。",
            ] {
                let rows = told("", &format!("{}{text}", "語".repeat(before))).rows;
                for (place, row) in rows.iter().enumerate() {
                    let first = row.text.chars().next().unwrap_or('語');
                    let last = row.text.chars().next_back().unwrap_or('語');
                    assert!(
                        place == 0 || !"、。」》”）！？：…，ーっゅッュ".contains(first),
                        "{:?} begins so",
                        row.text
                    );
                    assert!(place + 1 == rows.len() || !"「（《“".contains(last), "{:?} ends so", row.text);
                }
            }
        }
    }

    #[test]
    fn ideographs_are_justified_between_each_other() {
        // Full-width characters, as if of half an em each.
        let text = "日本語のとても長い文章です、それは続きます。それは続きます。それは続きます。";
        assert_eq!(
            shape(&told("", text)),
            ["日本語のとても長い文章です、それは続きます。それは続きま=+", "す。それは続きます。",]
        );
    }

    #[test]
    fn what_a_space_must_not_tear_stays_whole() {
        let setting = told("", "aaaa bbbb cccc dddd eeee 21,4\u{a0}°C here");
        assert!(setting.rows.iter().any(|row| row.text.contains("21,4\u{a0}°C")), "{:?}", shape(&setting));
    }

    #[test]
    fn direction_by_the_first_letter() {
        let cases = [
            ("Ada", "hello", Direction::LeftToRight),
            ("Ada", "שלום", Direction::RightToLeft),
            ("עדה", "12:30", Direction::RightToLeft),
            ("", "— 12 مرحبا", Direction::RightToLeft),
            ("", "42", Direction::LeftToRight),
        ];
        for (character, text, expected) in cases {
            assert_eq!(told(character, text).direction, expected, "{character}: {text}");
        }
    }

    #[test]
    fn controls_and_overrides_are_harmless() {
        check("", "a\u{202E}b\u{0}c\nd", &["ab c d"]);
        check("", "<img src=x onerror=alert(1)>", &["<img src=x onerror=alert(1)>"]);
    }

    #[test]
    fn passed_over() {
        assert_eq!(passed_words(1), "(1 message skipped)");
        assert_eq!(passed_words(1_234_567), "(1,234,567 messages skipped)");
    }

    #[test]
    fn titles_fill_the_column() {
        let title = |text: &str| set_title(text, COLUMN_EM, &mut typewriter);
        assert_eq!(title("Go").size_em, TITLE_MAX_EM);
        let two = title("The Retained Message of the Station");
        assert_eq!(two.rows, ["THE RETAINED", "MESSAGE OF", "THE STATION"]);
        assert!(typewriter(&two.rows[0]) * two.size_em <= COLUMN_EM + 1e-9);
        assert_eq!(title("").rows, [""]);
    }
}
