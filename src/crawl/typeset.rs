//! Breaks a message into rows.
//!
//! The film's block is justified: every row but a paragraph's last fills the column. Browsers break
//! greedily and put all of the stretch into the spaces, which tears holes. Here the breaks are
//! chosen over the whole message (least cost, as typesetters do), and letters share the stretch
//! with spaces. A message of one row is centred. The speaker's name is a smaller, centred row of
//! its own.
//!
//! This module has no fonts: the caller measures. It doesn't shorten either: [`truncate`] alone
//! decides how much of a message is shown.

use crate::crawl::block::BlockContent;
use crate::crawl::item::CrawlItem;
use crate::crawl::metrics::ROW_EM;
use crate::crawl::unicode;
pub use crate::crawl::unicode::Direction;
use crate::crawl::{quotes, truncate};
use crate::format::grouped;

/// Space between two words, in em (News Cycle Bold's, with the tracking).
pub const SPACE_EM: f64 = 0.30;

/// Size of the speaker's row, as a fraction of the message's own.
pub const SPEAKER_SIZE: f64 = 0.62;

/// Justifying adds at most this to the space after each letter, in em.
const LETTER_STRETCH_MAX_EM: f64 = 0.04;

/// Letters take this fraction of a row's stretch, up to their limit.
const LETTER_SHARE: f64 = 0.5;

/// A row whose spaces would grow by more than this, in em, isn't justified: a hole is worse than a
/// ragged edge.
const SPACE_STRETCH_MAX_EM: f64 = 1.4;

/// How much a space can grow before a row looks loose, in em.
const SPACE_STRETCH_EM: f64 = 0.30;

/// The fraction of that by which the seam between two ideographs can grow.
const SEAM_STRETCH: f64 = 0.4;

/// A last row shorter than this fraction of the column looks lost …
const WIDOW: f64 = 0.33;

/// … and so does a single word that is shorter than this.
const WIDOW_WORD: f64 = 0.4;

/// Costs; 1 is the cost of a row stretched to the limit of looking good.
const WIDOW_COST: f64 = 10.0;
const WIDOW_WORD_COST: f64 = 40.0;
/// A row that ends in "I" or "a".
const LONE_LETTER_COST: f64 = 12.0;
/// Cost of each row: keeps the text from being broken more often than necessary.
const ROW_COST: f64 = 0.3;

/// Measures text in em. `&mut` because good implementations cache.
pub type Measure<'a> = &'a mut dyn FnMut(&str) -> f64;

/// The column that rows are set in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Its width, in em of the crawl's font.
    pub width_em: f64,
}

/// The alignment of a row in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Alignment {
    /// At the side where reading begins.
    #[default]
    Start,
    /// Centred.
    Centre,
    /// Justified: each letter is followed by this additional space, in em of its font, and the
    /// spaces take the rest.
    Flush {
        /// In em of the row's font.
        letter_spacing_em: f64,
    },
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The text.
    pub text: String,
    /// The alignment in the column.
    pub alignment: Alignment,
    /// The row continues in the next one without a space: a long word was broken, or the script has
    /// no spaces.
    pub glued: bool,
    /// A hyphen follows it, because a word was torn between letters.
    pub hyphen: bool,
}

/// A message in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct LineLayout {
    /// The speaker's name, in rows of [`SPEAKER_SIZE`]; empty if no speaker is named.
    pub speaker: Vec<Row>,
    /// At least one.
    pub rows: Vec<Row>,
    /// The reading direction of all rows.
    pub direction: Direction,
    /// Its letters are joined: no space may come between them.
    pub is_joined: bool,
    /// Size of its font, in em of the crawl's.
    pub size: f64,
    /// The width of its text on a single row, in em of its own font.
    pub words_em: f64,
}

/// An entry that has been set.
#[derive(Clone, Debug, PartialEq)]
pub enum TypesetBlock {
    /// In rows of the crawl's font.
    Rows(LineLayout),
    /// In the title's font.
    Title(Title),
}

impl TypesetBlock {
    /// Its height, in em of the crawl's font.
    pub fn height_em(&self) -> f64 {
        match self {
            Self::Rows(LineLayout { speaker, rows, size, .. }) => {
                (speaker.len() as f64 * SPEAKER_SIZE + rows.len() as f64) * ROW_EM * size
            }
            Self::Title(title) => title.rows.len() as f64 * title.size_em * TITLE_ROW,
        }
    }

    /// The lower edges of its rows, from its top, in em of the crawl's font.
    pub fn row_bottoms_em(&self) -> Vec<f64> {
        let heights_em = match self {
            Self::Rows(LineLayout { speaker, rows, size, .. }) => {
                let row_em = ROW_EM * size;
                [vec![row_em * SPEAKER_SIZE; speaker.len()], vec![row_em; rows.len()]].concat()
            }
            Self::Title(title) => vec![title.size_em * TITLE_ROW; title.rows.len()],
        };
        let mut bottom_em = 0.0;
        heights_em
            .into_iter()
            .map(|height_em| {
                bottom_em += height_em;
                bottom_em
            })
            .collect()
    }
}

/// Sets entries with measured fonts.
pub trait Typesetter {
    /// Sets an entry for the stage as it is now; a message in this size, in em of the crawl's font.
    fn set(&mut self, entry: &BlockContent, size: f64) -> TypesetBlock;
}

/// Sets an entry in a column of this width; the two measures are those of the body font and of the
/// title font, each at 1 em.
pub fn set_entry(
    entry: &BlockContent,
    size: f64,
    column: Column,
    body: Measure<'_>,
    title: Measure<'_>,
) -> TypesetBlock {
    let own_em = column.width_em / size;
    TypesetBlock::Rows(match entry {
        BlockContent::Item(CrawlItem::Line { line, .. }) => set(&line.character, &line.text, size, own_em, body),
        BlockContent::Item(CrawlItem::Skipped { count, .. }) => {
            centred(set("", &skip_notice(*count), size, own_em, body))
        }
        BlockContent::Intro(text) => set("", &truncate::shorten(text), 1.0, column.width_em, body),
        BlockContent::Episode(text) => centred(set("", text, 1.0, column.width_em, body)),
        BlockContent::Title(text) => {
            return TypesetBlock::Title(set_title(text, column.width_em * TITLE_WIDTH, title));
        }
    })
}

fn centred(mut setting: LineLayout) -> LineLayout {
    for row in &mut setting.rows {
        row.alignment = Alignment::Centre;
    }
    setting
}

/// Returns the text of a note about skipped messages.
pub fn skip_notice(count: u64) -> String {
    match count {
        1 => "(1 message skipped)".to_owned(),
        _ => format!("({} messages skipped)", grouped(count)),
    }
}

/// A title, as large as the column allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Title {
    /// Its rows.
    pub rows: Vec<String>,
    /// Font size, in em of the crawl's font.
    pub size_em: f64,
}

/// The fraction of the column that the title fills.
const TITLE_WIDTH: f64 = 0.94;

/// Height of a title's row in its own em.
pub const TITLE_ROW: f64 = 1.02;

/// The largest title, in em.
const TITLE_MAX_EM: f64 = 3.4;

/// A title that would be smaller than this gets another row.
const TITLE_ROOMY_EM: f64 = 1.6;

/// The most rows of a title.
const TITLE_MAX_ROWS: usize = 4;

/// Fits a title into a column; `measure` is the title font's, at 1 em.
pub fn set_title(title: &str, column_em: f64, measure: Measure<'_>) -> Title {
    let words: Vec<String> = unicode::capitals(&printable(title)).split_whitespace().map(String::from).collect();
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

/// Splits words into at most this number of rows of about the same width.
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
struct RowFragment {
    text: String,
    width_em: f64,
    /// There is no space before it.
    glued: bool,
    /// A hyphen follows it; its width includes it.
    hyphen: bool,
}

fn set(speaker: &str, text: &str, size: f64, column_em: f64, measure: Measure<'_>) -> LineLayout {
    let name = unicode::capitals(&printable(speaker));
    let printed = four_dots(&printable(&quotes::curly(text)));
    let pieces = pieces(&printed, column_em, measure);
    let widths = (0..pieces.len()).map(|index| pieces[index].width_em + space_em(&pieces, index));
    LineLayout {
        speaker: set_name(&name, column_em / SPEAKER_SIZE, measure),
        words_em: widths.sum(),
        rows: rows(&pieces, column_em),
        direction: Direction::of(text).or_else(|| Direction::of(speaker)).unwrap_or(Direction::LeftToRight),
        is_joined: unicode::is_joined(text) || unicode::is_joined(speaker),
        size,
    }
}

/// Sets a name in centred rows; none where there is no name.
fn set_name(name: &str, column_em: f64, measure: Measure<'_>) -> Vec<Row> {
    let pieces = pieces(name, column_em, measure);
    let mut set = if pieces.is_empty() { Vec::new() } else { rows(&pieces, column_em) };
    for row in &mut set {
        row.alignment = Alignment::Centre;
    }
    set
}

fn pieces(text: &str, column_em: f64, measure: Measure<'_>) -> Vec<RowFragment> {
    let mut pieces = Vec::new();
    for word in text.split(unicode::is_space).filter(|word| !word.is_empty()) {
        let mut glued = false;
        for fragment in unicode::fragments(word) {
            cut_to_fit(fragment, column_em, measure, &mut |text, width_em, hyphen| {
                pieces.push(RowFragment { text: text.to_owned(), width_em, glued, hyphen });
                glued = true;
            });
        }
    }
    pieces
}

/// Appends a fragment, whole if it fits the column, or else in parts that fit, with their widths
/// and whether a hyphen shows that letters of a word were torn apart.
fn cut_to_fit(fragment: &str, column_em: f64, measure: Measure<'_>, out: &mut dyn FnMut(&str, f64, bool)) {
    let whole_em = measure(fragment);
    if whole_em <= column_em {
        return out(fragment, whole_em, false);
    }
    let hyphen_em = measure("-");
    let (mut start, mut width_em, mut before) = (0, 0.0, "");
    for (at, cluster) in unicode::clusters(fragment) {
        let cluster_em = measure(cluster);
        if width_em + cluster_em + hyphen_em > column_em && at > start {
            let hyphen = unicode::takes_hyphen(before, cluster);
            out(&fragment[start..at], if hyphen { width_em + hyphen_em } else { width_em }, hyphen);
            start = at;
            width_em = 0.0;
        }
        width_em += cluster_em;
        before = cluster;
    }
    out(&fragment[start..], width_em, false);
}

/// Returns the space before `pieces[index]` when it isn't the first of its row.
fn space_em(pieces: &[RowFragment], index: usize) -> f64 {
    if index == 0 || pieces[index].glued { 0.0 } else { SPACE_EM }
}

/// Returns the fraction of a row's stretch that the place before `pieces[index]` takes: all for a
/// space, a part for the seam between ideographs, nothing for other seams.
fn seam(pieces: &[RowFragment], index: usize) -> f64 {
    let ideograph = |c: Option<char>| c.is_some_and(unicode::is_ideographic);
    let piece = &pieces[index];
    if !piece.glued {
        1.0
    } else if ideograph(piece.text.chars().next()) || ideograph(pieces[index - 1].text.chars().next_back()) {
        SEAM_STRETCH
    } else {
        0.0
    }
}

/// A row that is being considered.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    width_em: f64,
    /// Spaces, and seams weighted by their fraction.
    seams: f64,
    /// Letters that can be spaced out.
    letters: f64,
}

impl Measured {
    fn add(&mut self, pieces: &[RowFragment], index: usize, is_first: bool) {
        if !is_first {
            self.width_em += space_em(pieces, index);
            self.seams += seam(pieces, index);
        }
        self.width_em += pieces[index].width_em;
        let text = &pieces[index].text;
        if !unicode::is_joined(text) {
            self.letters +=
                text.chars().filter(|c| !unicode::is_ideographic(*c) && !unicode::is_mark(*c)).count() as f64;
        }
    }

    fn slack_em(&self, column_em: f64) -> f64 {
        (column_em - self.width_em).max(0.0)
    }

    /// Returns how much looser than acceptable the row is when it fills the column.
    fn looseness(&self, column_em: f64) -> f64 {
        let ease_em = self.seams * SPACE_STRETCH_EM + self.letters * LETTER_STRETCH_MAX_EM;
        self.slack_em(column_em) / ease_em.max(0.05)
    }

    /// Returns justified, unless that would tear a hole.
    fn alignment(&self, column_em: f64, is_joined: bool) -> Alignment {
        let slack_em = self.slack_em(column_em);
        let letters = if is_joined { 0.0 } else { self.letters };
        let letter_spacing_em =
            if letters == 0.0 { 0.0 } else { (slack_em * LETTER_SHARE / letters).min(LETTER_STRETCH_MAX_EM) };
        let space_em = (slack_em - letter_spacing_em * letters) / self.seams.max(0.01);
        if space_em > SPACE_STRETCH_MAX_EM { Alignment::Start } else { Alignment::Flush { letter_spacing_em } }
    }
}

/// Returns the ends of the rows (exclusive), optimal over all ways to break.
fn best_breaks(pieces: &[RowFragment], column_em: f64) -> Vec<usize> {
    let count = pieces.len();
    // cost[i]: of everything from piece i on; next[i]: the end of the row that begins at i.
    let mut cost = vec![0.0; count + 1];
    let mut next = vec![count; count];
    for first in (0..count).rev() {
        let mut best = f64::INFINITY;
        let mut row = Measured::default();
        for last in first..count {
            row.add(pieces, last, last == first);
            if row.width_em > column_em && last > first {
                break;
            }
            let own = if last + 1 == count {
                last_row_cost(pieces, first, row.width_em / column_em)
            } else {
                let looseness = row.looseness(column_em);
                let lone = if is_lone_letter(pieces, last) { LONE_LETTER_COST } else { 0.0 };
                looseness * looseness * (1.0 + looseness) + lone + ROW_COST
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

/// Returns the cost of a paragraph's last row, which looks lost when it is short or a single short
/// word.
fn last_row_cost(pieces: &[RowFragment], first: usize, part: f64) -> f64 {
    if first == 0 {
        return 0.0;
    }
    // A few ideographs are words of their own, but two aren't enough.
    let enough = if pieces[pieces.len() - 1].glued { WIDOW * 0.8 } else { WIDOW };
    let is_word = pieces[first + 1..].iter().all(|piece| piece.glued);
    let lost = if part < enough { WIDOW_COST * (1.0 - part) } else { 0.0 };
    let word = if is_word && part < WIDOW_WORD { WIDOW_WORD_COST } else { 0.0 };
    lost + word
}

/// Whether a row that ends here ends in a word of one letter, which belongs to the next row.
fn is_lone_letter(pieces: &[RowFragment], index: usize) -> bool {
    let piece = &pieces[index];
    let mut chars = piece.text.chars();
    !piece.glued
        && chars.next().is_some_and(|c| c.is_alphabetic() && !unicode::is_ideographic(c))
        && chars.next().is_none()
}

/// Sets the rows; at least one.
fn rows(pieces: &[RowFragment], column_em: f64) -> Vec<Row> {
    let breaks = best_breaks(pieces, column_em);
    if breaks.len() <= 1 {
        return vec![Row { text: joined(pieces), alignment: Alignment::Centre, ..Row::default() }];
    }
    let is_joined = pieces.iter().any(|piece| unicode::is_joined(&piece.text));
    let mut rows = Vec::with_capacity(breaks.len());
    let mut first = 0;
    for end in breaks {
        let mut measured = Measured::default();
        for index in first..end {
            measured.add(pieces, index, index == first);
        }
        let is_last = end == pieces.len();
        rows.push(Row {
            text: joined(&pieces[first..end]),
            alignment: if is_last { Alignment::Start } else { measured.alignment(column_em, is_joined) },
            glued: pieces.get(end).is_some_and(|piece| piece.glued),
            hyphen: pieces[end - 1].hyphen,
        });
        first = end;
    }
    rows
}

fn joined(pieces: &[RowFragment]) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !piece.glued && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&piece.text);
    }
    text
}

/// Replaces characters that would be invisible or affect their surroundings: controls become
/// spaces, and direction overrides are removed.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Gives an ellipsis at the end four dots.
fn four_dots(text: &str) -> String {
    let text = text.trim_end();
    let quotes = text.trim_end_matches(['"', '”', '’', '\'', ')', '»']);
    let tail = &text[quotes.len()..];
    let before_dots = quotes.trim_end_matches(['.', '…']);
    let dots = &quotes[before_dots.len()..];
    // A separate ellipsis is a sign that something was left out.
    let is_apart = before_dots.ends_with(' ');
    if !is_apart && (dots.contains('…') || dots.len() >= 3) {
        return format!("{before_dots}....{tail}");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN_EM: f64 = 14.2;

    /// Half an em per character, as on a typewriter; marks take no room.
    fn typewriter(text: &str) -> f64 {
        text.chars().filter(|c| !unicode::is_mark(*c)).count() as f64 * 0.5
    }

    fn line_layout(character: &str, text: &str) -> LineLayout {
        set(character, text, 1.0, COLUMN_EM, &mut typewriter)
    }

    /// Returns one string per row: a speaker's in brackets, `=` at the end when it is justified,
    /// `-` when centred, `+` when the next row continues without a space.
    fn shape(setting: &LineLayout) -> Vec<String> {
        let show = |row: &Row| {
            let sign = match row.alignment {
                Alignment::Start => "",
                Alignment::Centre => "-",
                Alignment::Flush { .. } => "=",
            };
            let glued = if row.glued { "+" } else { "" };
            format!("{}{sign}{glued}", row.text)
        };
        let speaker = setting.speaker.iter().map(|row| format!("[{}]", show(row)));
        speaker.chain(setting.rows.iter().map(show)).collect()
    }

    fn check(character: &str, text: &str, expected: &[&str]) {
        assert_eq!(shape(&line_layout(character, text)), expected, "{character}: {text}");
    }

    #[test]
    fn the_last_row_ends_where_the_block_ends() {
        let line = set("Bram", "Pressure is holding at four bar on every line now", 0.8, COLUMN_EM, &mut typewriter);
        let title = Title { rows: vec!["THE NORTH".to_owned(), "RIDGE".to_owned()], size_em: 1.5 };
        for block in [TypesetBlock::Rows(line), TypesetBlock::Title(title)] {
            let bottoms_em = block.row_bottoms_em();
            assert!(bottoms_em.len() > 1 && bottoms_em.is_sorted(), "{bottoms_em:?}");
            assert!((bottoms_em[bottoms_em.len() - 1] - block.height_em()).abs() < 1e-9, "{bottoms_em:?}");
        }
    }

    #[test]
    fn rows_of_dialogue() {
        check("Cleo", "Understood.", &["[CLEO-]", "Understood.-"]);
        check("", "The relay answers.", &["The relay answers.-"]);
        check("Ada", "", &["[ADA-]", "-"]);
        check(
            "Bram",
            "Pressure is holding at four bar on every line now",
            &["[BRAM-]", "Pressure is holding at four=", "bar on every line now"],
        );
        check("", "aaaa bbbb cccc dddd eeee fff gggg hhhh", &["aaaa bbbb cccc dddd eeee=", "fff gggg hhhh"]);
    }

    #[test]
    fn smaller_type_has_longer_rows() {
        let entry = BlockContent::Item(CrawlItem::Line {
            seq: 1,
            line: crate::dialogue::Line {
                character: "Bram".to_owned(),
                text: "Pressure is holding at four bar on every line now".to_owned(),
            },
        });
        let column = Column { width_em: COLUMN_EM };
        let mut height_em = f64::MAX;
        for size in [1.0, 0.8, 0.6] {
            let set = set_entry(&entry, size, column, &mut typewriter, &mut typewriter);
            assert!(set.height_em() < height_em, "{size}");
            height_em = set.height_em();
            let TypesetBlock::Rows(setting) = set else { panic!("rows") };
            let letters_em = |row: &Row| typewriter(&row.text.replace(' ', ""));
            assert!(setting.rows.iter().all(|row| letters_em(row) * size <= COLUMN_EM));
        }
    }

    #[test]
    fn no_row_ends_in_a_lone_letter() {
        for text in [
            "He practises at night I know and a day later I am there and a friend",
            "It is what I have I said to a man with a dog and I went on",
        ] {
            for column_em in [8.0, 9.5, 12.4, 14.2, 20.0, 23.0] {
                let rows = set("", text, 1.0, column_em, &mut typewriter).rows;
                for row in &rows[..rows.len() - 1] {
                    assert!(!row.text.ends_with(" I") && !row.text.ends_with(" a"), "{column_em}: {:?}", row.text);
                }
            }
        }
    }

    #[test]
    fn an_ellipsis_has_four_dots() {
        check("", "Gone…", &["Gone....-"]);
        check("", "Gone...", &["Gone....-"]);
        check("", "Gone.......", &["Gone....-"]);
        check("", "“Gone…”", &["“Gone....”-"]);
        check("", "Gone.", &["Gone.-"]);
        check("", "watts 386, phases …", &["watts 386, phases …-"]);
        check("", "v1.2..3", &["v1.2..3-"]);
    }

    #[test]
    fn no_lost_word_on_the_last_row() {
        let setting = line_layout("", "aaaaaaa bbbbbb ccccccc ddd e");
        let last = setting.rows.last().map(|row| row.text.len());
        assert!(setting.rows.len() == 1 || last > Some(4), "{:?}", shape(&setting));
        // Full-width characters, with one em each.
        let mut wide = |text: &str| text.chars().count() as f64;
        let setting = set("", &"語".repeat(30), 1.0, COLUMN_EM, &mut wide);
        let last = setting.rows.last().map(|row| row.text.chars().count());
        assert!(last > Some(3), "{:?}", shape(&setting));
    }

    #[test]
    fn a_short_word_is_seldom_alone_on_the_last_row() {
        let words: Vec<&str> =
            "Copy that. Two of three pumps restarted on their own. Bridge is open. Mind the gravel on the far side."
                .split(' ')
                .collect();
        // In a narrow column the only alternative is sometimes a hole in the row above.
        for (column_em, most) in [(12.4, 1), (13.4, 1), (14.2, 1), (20.0, 0), (24.0, 0)] {
            let alone = (8..words.len()).filter(|count| {
                let rows = set("", &words[..*count].join(" "), 1.0, column_em, &mut typewriter).rows;
                let last = &rows[rows.len() - 1].text;
                rows.len() > 1 && typewriter(last) < column_em * 0.3 && !last.contains(' ')
            });
            let alone = alone.count();
            assert!(alone <= most, "{alone} of them at {column_em}");
        }
    }

    #[test]
    fn nothing_is_lost_and_every_row_fits() {
        let sentence =
            "one fifteen-minute http://a.example/path/of/some/depth 日本語のとても長い文章です。それは続きます。 x";
        let long_word = "é".repeat(300);
        for text in [sentence, &long_word, "नमस्ते दुनिया 👩‍👩‍👧‍👦👩‍👩‍👧‍👦 🇩🇪🇫🇷 ok"]
        {
            let setting = line_layout("", text);
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
    fn torn_words_have_hyphens() {
        let hyphens = |text: &str| line_layout("", text).rows.iter().map(|row| row.hyphen).collect::<Vec<_>>();
        assert_eq!(hyphens("Donaudampfschifffahrtselektrizitätenwerk"), [true, false]);
        assert_eq!(hyphens(&"語".repeat(40)), [false, false]);
        assert_eq!(hyphens("short words have none of them at all"), [false, false]);
    }

    #[test]
    fn clusters_are_not_torn() {
        for whole in ["👩‍👩‍👧‍👦", "🇩🇪", "e\u{301}", "क्षि", "स्त्री", "ज्ञों", "ক্ষি", "👍🏽"]
        {
            let text = whole.repeat(60);
            for row in line_layout("", &text).rows {
                assert_eq!(row.text.replace(whole, ""), "", "{whole} was torn");
            }
        }
    }

    #[test]
    fn every_row_but_the_last_is_flush_and_none_has_a_hole() {
        let text =
            "Two of three pumps restarted on their own, and the fourth, incomprehensibly, has never been heard of. ";
        let (mut ragged, mut all, mut widest_em) = (0, 0, 0.0_f64);
        for count in 8..60 {
            let text: Vec<&str> = text.split(' ').cycle().take(count).collect();
            let rows = line_layout("Ada", &text.join(" ")).rows;
            for row in &rows[..rows.len() - 1] {
                all += 1;
                let Alignment::Flush { letter_spacing_em } = row.alignment else {
                    ragged += 1;
                    continue;
                };
                assert!((0.0..=LETTER_STRETCH_MAX_EM).contains(&letter_spacing_em), "{letter_spacing_em}");
                let gaps = row.text.matches(' ').count() as f64;
                let letters = row.text.chars().count() as f64 - gaps;
                let gap_em = (COLUMN_EM - letters * (0.5 + letter_spacing_em)) / gaps;
                widest_em = widest_em.max(gap_em);
            }
        }
        assert!(ragged * 20 <= all, "{ragged} of {all} rows are ragged");
        assert!(widest_em <= SPACE_EM + SPACE_STRETCH_MAX_EM + 0.01, "{widest_em}");
    }

    #[test]
    fn line_break_rules_are_respected() {
        // Every place where a row can end occurs, one character at a time.
        for before in 0..30 {
            for text in [
                "「橋」は、開いています。「誰か」を送って！（急いで）ください…ちょっと待って、リュックサックー。",
                "“他说：《桥》开了。”请派人过去（快点），好吗？是的！谢谢。",
            ] {
                let rows = line_layout("", &format!("{}{text}", "語".repeat(before))).rows;
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
        // Full-width characters, with half an em each.
        let text = "日本語のとても長い文章です、それは続きます。それは続きます。それは続きます。";
        assert_eq!(
            shape(&line_layout("", text)),
            ["日本語のとても長い文章です、それは続きます。それは続=+", "きます。それは続きます。"]
        );
    }

    #[test]
    fn no_break_space_keeps_words_together() {
        let setting = line_layout("", "aaaa bbbb cccc dddd eeee 21,4\u{a0}°C here");
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
            assert_eq!(line_layout(character, text).direction, expected, "{character}: {text}");
        }
    }

    #[test]
    fn control_characters_are_harmless() {
        check("", "a\u{202E}b\u{0}c\nd", &["ab c d-"]);
        check("", "<img src=x onerror=alert(1)>", &["<img src=x onerror=alert(1)>-"]);
    }

    #[test]
    fn passed_over() {
        assert_eq!(skip_notice(1), "(1 message skipped)");
        assert_eq!(skip_notice(1_234_567), "(1,234,567 messages skipped)");
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
