//! Breaking a message into rows.
//!
//! Browsers break greedily and justify whatever comes of it; at 26 letters a
//! row that tears rivers into the text. Here the breaks are chosen over the
//! whole message (least sum of squared slack, as typesetters do), a row is
//! justified only where that stretches its spaces little, and the last row
//! stays natural.
//!
//! Nothing here knows fonts: the caller measures.

use super::ROW_EM;
use crate::engine::update::Told;

/// A message takes at most so many rows, about as many as one sees at once;
/// longer ones end by saying that the console has the rest.
pub const MAX_ROWS: usize = 24;

/// Space between two words, in em (News Cycle Bold's, with the tracking).
pub const SPACE_EM: f64 = 0.30;

/// Additional space after the speaker, in em.
pub const SPEAKER_GAP_EM: f64 = 0.3;

/// Justifying adds at most this to each space, in em.
const MAX_STRETCH_EM: f64 = 0.30;

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

/// Which way a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Latin, Cyrillic, Greek, CJK and most others.
    LeftToRight,
    /// Arabic, Hebrew, Syriac, Thaana and others.
    RightToLeft,
}

impl Direction {
    /// The value of HTML's `dir`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }

    /// By the first letter that has a direction (UAX #9, P2 and P3).
    pub fn of(text: &str) -> Option<Self> {
        text.chars().find_map(|c| match c {
            '\u{590}'..='\u{8FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFC}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
                if c.is_alphabetic() =>
            {
                Some(Self::RightToLeft)
            }
            _ if c.is_alphabetic() => Some(Self::LeftToRight),
            _ => None,
        })
    }
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
    /// At least one, at most [`MAX_ROWS`].
    pub rows: Vec<Row>,
    /// Which way all of them are read.
    pub direction: Direction,
}

impl Setting {
    /// Height of all rows, in em.
    pub fn height_em(&self) -> f64 {
        self.rows.len() as f64 * ROW_EM
    }
}

/// Sets one entry of the crawl in a column of this width.
pub fn set_told(told: &Told, column: Column, measure: Measure<'_>) -> Setting {
    match told {
        Told::Line { line, .. } => set(&line.character, &line.text, column, measure),
        Told::Passed { count, .. } => set("", &passed_words(*count), column, measure),
    }
}

/// What the crawl says of messages that it passed over.
pub fn passed_words(count: u64) -> String {
    match count {
        1 => "(One message went by untold)".to_owned(),
        _ => format!("({} messages went by untold)", grouped(count)),
    }
}

/// Sets a paragraph that nobody speaks.
pub fn set_paragraph(text: &str, column: Column, measure: Measure<'_>) -> Setting {
    set("", text, column, measure)
}

/// A title, as large as the column lets it be.
#[derive(Clone, Debug, PartialEq)]
pub struct Title {
    /// Its rows.
    pub rows: Vec<String>,
    /// Font size, in em of the crawl's font.
    pub size_em: f64,
}

/// The largest title, in em.
const TITLE_MAX_EM: f64 = 3.4;

/// A title that would come out smaller than this takes another row.
const TITLE_ROOMY_EM: f64 = 1.6;

/// The most rows of a title.
const TITLE_MAX_ROWS: usize = 4;

/// Fits a title into a column; `measure` is the title font's, at 1 em.
pub fn set_title(title: &str, column_em: f64, measure: Measure<'_>) -> Title {
    let words: Vec<String> = printable(title).to_uppercase().split_whitespace().map(String::from).collect();
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
    speaker: bool,
    /// No space before it.
    glued: bool,
}

fn set(speaker: &str, text: &str, column: Column, measure: Measure<'_>) -> Setting {
    let column_em = column.width_em;
    let direction = Direction::of(text).or_else(|| Direction::of(speaker)).unwrap_or(Direction::LeftToRight);
    // Four full rows beyond the limit are never read: a message of megabytes
    // must not be measured to its end.
    let budget_em = column_em * (MAX_ROWS + 4) as f64;
    let mut pieces = Vec::new();
    let mut used_em = 0.0;
    let name = printable(speaker).to_uppercase();
    add_pieces(&name, Part::Speaker, column_em, budget_em, &mut used_em, &mut pieces, measure);
    let text = four_dots(&printable(text));
    let taken = add_pieces(&text, Part::Words, column_em, budget_em, &mut used_em, &mut pieces, measure);
    if pieces.is_empty() {
        return Setting { rows: vec![Row::default()], direction };
    }
    let mut breaks = best_breaks(&pieces, column_em);
    let left_out = text.len() > taken;
    if breaks.len() > MAX_ROWS || left_out {
        shorten(&mut pieces, &mut breaks, column_em, measure);
    }
    Setting { rows: rows(&pieces, &breaks, column), direction }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Speaker,
    Words,
}

/// Cuts text into pieces until the budget is used up. Returns how many bytes
/// were taken.
fn add_pieces(
    text: &str,
    part: Part,
    column_em: f64,
    budget_em: f64,
    used_em: &mut f64,
    pieces: &mut Vec<Piece>,
    measure: Measure<'_>,
) -> usize {
    let start = text.as_ptr() as usize;
    let mut taken = 0;
    for word in text.split_whitespace() {
        for (index, fragment) in fragments(word).enumerate() {
            if *used_em > budget_em {
                return taken;
            }
            let before = pieces.len();
            cut_to_fit(fragment, column_em, measure, &mut |text, width_em, first| {
                *used_em += width_em;
                pieces.push(Piece {
                    text: text.to_owned(),
                    width_em,
                    speaker: part == Part::Speaker,
                    glued: !(first && index == 0),
                });
                *used_em <= budget_em
            });
            let kept: usize = pieces[before..].iter().map(|piece| piece.text.len()).sum();
            taken = fragment.as_ptr() as usize - start + kept;
        }
    }
    text.len()
}

/// The parts of a word between which it may be broken without a sign: after a
/// hyphen between letters, a dash, a slash, and around CJK characters.
fn fragments(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut chars = rest.char_indices().peekable();
        let mut before = None;
        while let Some((_, c)) = chars.next() {
            let Some(&(next_at, next)) = chars.peek() else { break };
            if may_break(before, c, next) {
                let (fragment, remaining) = rest.split_at(next_at);
                rest = remaining;
                return Some(fragment);
            }
            before = Some(c);
        }
        Some(std::mem::take(&mut rest))
    })
}

fn may_break(before: Option<char>, c: char, next: char) -> bool {
    if joins(c, next) || closes(next) || opens(c) {
        return false;
    }
    match c {
        '-' | '\u{2010}' => before.is_some_and(char::is_alphabetic) && next.is_alphabetic(),
        '—' | '/' | '\u{200B}' => before.is_some() && next != '/',
        _ => is_ideographic(c) || is_ideographic(next),
    }
}

/// CJK characters, kana and hangul: a row may end after any of them.
fn is_ideographic(c: char) -> bool {
    matches!(c,
        '\u{2E80}'..='\u{303F}' | '\u{3040}'..='\u{30FF}' | '\u{3100}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{A000}'..='\u{A4CF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFD}')
}

/// Must not begin a row (the short list of JIS X 4051).
fn closes(c: char) -> bool {
    matches!(
        c,
        '、' | '。'
            | '，'
            | '．'
            | '・'
            | '：'
            | '；'
            | '！'
            | '？'
            | 'ー'
            | '」'
            | '』'
            | '）'
            | '】'
            | '〉'
            | '》'
            | '〕'
            | '］'
            | '｝'
            | '…'
            | '々'
            | 'ぁ'
            | 'ぃ'
            | 'ぅ'
            | 'ぇ'
            | 'ぉ'
            | 'っ'
            | 'ゃ'
            | 'ゅ'
            | 'ょ'
            | 'ァ'
            | 'ィ'
            | 'ゥ'
            | 'ェ'
            | 'ォ'
            | 'ッ'
            | 'ャ'
            | 'ュ'
            | 'ョ'
            | '.'
            | ','
            | ':'
            | ';'
            | '!'
            | '?'
            | ')'
            | ']'
            | '}'
            | '’'
            | '”'
            | '"'
            | '%'
    )
}

/// Must not end a row.
fn opens(c: char) -> bool {
    matches!(c, '「' | '『' | '（' | '【' | '〈' | '《' | '〔' | '［' | '｛' | '(' | '[' | '{' | '‘' | '“')
}

/// Whether two characters are parts of one that people see: a base and its
/// marks, an emoji sequence, a flag, a conjunct. Coarser than UAX #29 where
/// that costs nothing, since it only says where not to tear an over-long word.
fn joins(c: char, next: char) -> bool {
    is_mark(next) || c == '\u{200D}' || is_virama(c) || (is_flag_letter(c) && is_flag_letter(next))
}

fn is_flag_letter(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Joins the next consonant, in every Brahmic block laid out like Devanagari.
fn is_virama(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{D7F}') && (c as u32 - 0x900) % 0x80 == 0x4D
}

fn is_mark(c: char) -> bool {
    match c {
        '\u{300}'..='\u{36F}'
        | '\u{483}'..='\u{489}'
        | '\u{591}'..='\u{5BD}'
        | '\u{5BF}'..='\u{5C7}'
        | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}'
        | '\u{670}'
        | '\u{6D6}'..='\u{6ED}'
        | '\u{E31}'
        | '\u{E34}'..='\u{E3A}'
        | '\u{E47}'..='\u{E4E}'
        | '\u{EB1}'
        | '\u{EB4}'..='\u{EBC}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{200C}'
        | '\u{200D}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{3099}'
        | '\u{309A}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}'
        | '\u{1F3FB}'..='\u{1F3FF}'
        | '\u{E0020}'..='\u{E007F}'
        | '\u{E0100}'..='\u{E01EF}' => true,
        // The Brahmic blocks share one layout: signs first, vowel signs at 3A.
        '\u{900}'..='\u{D7F}' => matches!(
            (c as u32 - 0x900) % 0x80,
            0x00..=0x03 | 0x3A..=0x3C | 0x3E..=0x4F | 0x51..=0x57 | 0x62 | 0x63
        ),
        _ => false,
    }
}

/// Hands out a fragment, whole if it fits the column, or else in parts that
/// do. `out` gets the text, its width and whether it is the first; it returns
/// whether to go on.
fn cut_to_fit(fragment: &str, column_em: f64, measure: Measure<'_>, out: &mut dyn FnMut(&str, f64, bool) -> bool) {
    // A long one isn't measured whole: that alone would cost more than cutting.
    if fragment.len() <= 128 {
        let width_em = measure(fragment);
        if width_em <= column_em {
            out(fragment, width_em, true);
            return;
        }
    }
    let mut start = 0;
    let mut width_em = 0.0;
    for (at, cluster) in clusters(fragment) {
        let cluster_em = measure(cluster);
        if width_em + cluster_em > column_em && at > start {
            if !out(&fragment[start..at], width_em, start == 0) {
                return;
            }
            start = at;
            width_em = 0.0;
        }
        width_em += cluster_em;
    }
    out(&fragment[start..], width_em, start == 0);
}

/// What people see as single characters, with their places. A stack of marks
/// ends at 16 of them, so that no cluster is without a bound.
fn clusters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let mut chars = rest.chars();
        let mut last = chars.next()?;
        let mut end = last.len_utf8();
        let mut flags = usize::from(is_flag_letter(last));
        for next in chars.take(16) {
            if !joins(last, next) || (is_flag_letter(next) && flags % 2 == 0) {
                break;
            }
            flags += usize::from(is_flag_letter(next));
            end += next.len_utf8();
            last = next;
        }
        let cluster = (at, &rest[..end]);
        at += end;
        Some(cluster)
    })
}

/// Space before `pieces[index]` when it isn't the first of its row.
fn space_em(pieces: &[Piece], index: usize) -> f64 {
    let piece = &pieces[index];
    if piece.glued {
        return 0.0;
    }
    if !piece.speaker && pieces[index - 1].speaker {
        return SPACE_EM + SPEAKER_GAP_EM;
    }
    SPACE_EM
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
        let mut spaces = 0_u32;
        for last in first..count {
            if last > first {
                width_em += space_em(pieces, last);
                spaces += u32::from(!pieces[last].glued);
            }
            width_em += pieces[last].width_em;
            if width_em > column_em && last > first {
                break;
            }
            let slack = ((column_em - width_em) / column_em).max(0.0);
            let own = if last + 1 == count {
                let lost = first > 0 && width_em < column_em * WIDOW;
                if lost { WIDOW_COST } else { 0.0 }
            } else {
                // Much slack over few spaces is what makes rivers.
                let stretch_em = slack * column_em / f64::from(spaces.max(1));
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

/// What a message that is too long ends with.
const REST: &str = "(the console has the rest)";

/// Ends a message that is too long: as many rows as may be, four dots, and
/// where to read on. Without a number: the worker may have shortened before.
fn shorten(pieces: &mut Vec<Piece>, breaks: &mut Vec<usize>, column_em: f64, measure: Measure<'_>) {
    let kept_pieces = breaks.get(MAX_ROWS - 3).copied().unwrap_or(pieces.len());
    pieces.truncate(kept_pieces);
    if let Some(last) = pieces.last_mut() {
        last.text.push_str("....");
        last.width_em += measure("....");
    }
    for word in REST.split_whitespace() {
        pieces.push(Piece { text: word.to_owned(), width_em: measure(word), speaker: false, glued: false });
    }
    *breaks = best_breaks(pieces, column_em);
    breaks.truncate(MAX_ROWS);
}

fn rows(pieces: &[Piece], breaks: &[usize], column: Column) -> Vec<Row> {
    let mut rows = Vec::with_capacity(breaks.len());
    let mut first = 0;
    for &end in breaks {
        let mut row = Row::default();
        let mut width_em = 0.0;
        let mut spaces = 0_u32;
        for index in first..end {
            let piece = &pieces[index];
            let part = if piece.speaker { &mut row.speaker } else { &mut row.text };
            if index > first {
                width_em += space_em(pieces, index);
                spaces += u32::from(!piece.glued);
                if !piece.glued && !part.is_empty() {
                    part.push(' ');
                }
            }
            part.push_str(&piece.text);
            width_em += piece.width_em;
        }
        let stretch_em = (column.width_em - width_em) / f64::from(spaces.max(1));
        row.justified =
            column.edge == Edge::Justified && end < pieces.len() && spaces > 0 && stretch_em <= MAX_STRETCH_EM;
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

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Line;

    const COLUMN_EM: f64 = 14.2;
    const COLUMN: Column = Column { width_em: COLUMN_EM, edge: Edge::Justified };

    /// Half an em a character, as if of a typewriter; marks take no room.
    fn typewriter(text: &str) -> f64 {
        text.chars().filter(|c| !is_mark(*c)).count() as f64 * 0.5
    }

    fn told(character: &str, text: &str) -> Setting {
        let line = Line { character: character.to_owned(), text: text.to_owned() };
        set_told(&Told::Line { seq: 1, line }, COLUMN, &mut typewriter)
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
        let setting = set_paragraph("aaaa bbbb cccc dddd eeee fff gggg hhhh", ragged, &mut typewriter);
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
        for whole in ["👩‍👩‍👧‍👦", "🇩🇪", "e\u{301}", "क्षि", "👍🏽"] {
            let text = whole.repeat(60);
            for row in told("", &text).rows {
                assert_eq!(row.text.replace(whole, ""), "", "{whole} was torn");
            }
        }
    }

    #[test]
    fn too_long_a_message_says_where_the_rest_is() {
        for text in ["word ".repeat(1_000), "w".repeat(5_000), "word ".repeat(2_000_000), "語".repeat(5_000)] {
            let setting = told("Ada", &text);
            assert!((MAX_ROWS - 2..=MAX_ROWS).contains(&setting.rows.len()), "{} rows", setting.rows.len());
            let all: String = setting.rows.iter().map(|row| format!("{} ", row.text)).collect();
            let (told, rest) = all.split_once("....").expect("four dots");
            assert!(text.starts_with(told.split_whitespace().next().expect("words")), "{told}");
            assert_eq!(rest.trim(), REST);
        }
        let fits = "word ".repeat(100);
        assert!(!shape(&told("Ada", &fits)).join(" ").contains("...."));
    }

    #[test]
    fn a_speaker_without_an_end_is_bounded_too() {
        let setting = told(&"Ada ".repeat(5_000), "Hello.");
        assert!(setting.rows.len() <= MAX_ROWS);
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
        assert_eq!(passed_words(1), "(One message went by untold)");
        assert_eq!(passed_words(1_234_567), "(1,234,567 messages went by untold)");
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
