//! Tables: CSV as in RFC 4180, the same with semicolons, tabs or bars, and columns between
//! `+++$+++`.
//!
//! - A quoted cell may contain separators, line ends, and quotation marks as `""`. Spaces around
//!   such a cell are ignored. A mark that isn't escaped or closed is an ordinary character, and the
//!   row is read with it.
//! - The first row contains the column names ([`columns`]), or is a row of text, judged by its
//!   contents. Above the names there may be a title. The person can choose the columns
//!   ([`ColumnChoice`]).
//! - An unquoted separator in the text is part of it where that is unambiguous: in the last column,
//!   or with a space after it.
//! - An apostrophe before text that a spreadsheet would run as a formula is removed, and so is
//!   `="…"` around digits, as written by [`crate::message_log::csv`].
//! - Blank rows are skipped, and so are `sep=;` and the line below the head of a Markdown table.

use super::{ColumnChoice, Columns, Row, RowFault, Unspoken, columns};
use crate::dialogue::{Line, NAME_CHARS_MAX, NAME_WORDS_MAX};
use crate::format::begins_formula;

/// The cell separators of files called CSV, the most likely first.
pub(super) const SEPARATORS: [&str; 9] = [",", ";", "\t", "|", CORNELL, "::", "~", "^", "\u{1}"];

/// The separator of a known collection of film conversations.
pub(super) const CORNELL: &str = "+++$+++";

/// The number of rows that are examined to recognize the columns.
const SAMPLE_ROWS: usize = 20;

/// The most rows above the column names that aren't part of the table, such as a title.
const TITLE_ROWS_MAX: usize = 4;

/// A cell of this number of words isn't a column name, …
const DATA_WORDS_MIN: usize = 6;

/// … and neither is one of this number if it ends like a sentence.
const SENTENCE_WORDS_MIN: usize = 3;

/// A table that is being read.
#[derive(Clone, Debug)]
pub(super) struct Table {
    separator: &'static str,
    columns: Columns,
    /// The number of rows that have yet to come, up to the one with the column names.
    header_rows: usize,
}

/// The result of splitting the beginning of a text.
pub(super) enum Split<'a> {
    /// The row is incomplete.
    Unfinished,
    /// A row and its length including its end, in bytes.
    Row { cells: Vec<Cell<'a>>, bytes: usize },
}

/// A cell as it was written.
pub(super) struct Cell<'a> {
    /// Its position in the row including its quotation marks, in bytes.
    at: usize,
    end: usize,
    /// Its text without quotation marks.
    written: &'a str,
    is_quoted: bool,
}

impl Cell<'_> {
    fn text(&self) -> String {
        let text = if self.is_quoted { unescaped(self.written) } else { self.written.to_owned() };
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('\'')
            && rest.starts_with(begins_formula)
            && !rest.starts_with('\'')
        {
            return rest.to_owned();
        }
        text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).to_owned()
    }
}

fn unescaped(written: &str) -> String {
    written.replace("\"\"", "\"").replace("\\\"", "\"")
}

impl Table {
    /// Returns a table with this beginning, whose cells are separated by one of these.
    pub(super) fn from_sample(sample: &str, separators: &[&'static str], choice: &ColumnChoice) -> Self {
        let (first, rest) = sample.split_once('\n').unwrap_or((sample, ""));
        // Spreadsheets write the separator in a row before all others.
        let declared = first
            .trim()
            .strip_prefix("sep=")
            .and_then(|declared| SEPARATORS.into_iter().find(|known| *known == declared));
        let (separator, sample) = match declared {
            Some(declared) => (declared, rest),
            None => (best_field(sample, separators), sample),
        };
        let rows = rows_of(sample, separator);
        let title_rows = if choice.has_header == Some(false) { 0 } else { title_rows(&rows) };
        let columns = columns_of(&rows[title_rows..], separator, choice);
        Self { separator, header_rows: if columns.has_header { title_rows + 1 } else { 0 }, columns }
    }

    /// Returns its columns.
    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Splits the row at the beginning of a text; `is_end`: no text follows.
    pub(super) fn split<'a>(&self, text: &'a str, is_end: bool) -> Split<'a> {
        split(text, self.separator, is_end)
    }

    /// Reads a row.
    pub(super) fn read(&mut self, row: &str, cells: &[Cell<'_>]) -> Result<Row, RowFault> {
        let texts: Vec<_> = cells.iter().map(Cell::text).collect();
        let is_rule = |text: &String| self.separator == "|" && text.chars().all(|char| matches!(char, '-' | ':'));
        let is_blank = |text: &String| text.is_empty() || is_rule(text);
        if texts.iter().all(is_blank) || (self.header_rows > 0 && row.starts_with("sep=")) {
            return Ok(Row::Empty);
        }
        if self.header_rows > 0 {
            self.header_rows -= 1;
            return Ok(Row::Empty);
        }
        let Some(text_column) = self.columns.text else { return Ok(Row::Empty) };
        let fault = |cell: usize, message: String| Err(RowFault::in_bytes(row, cells[cell].at, message));
        let count = self.columns.names.len();
        // Spreadsheets append empty cells to rows.
        let surplus =
            texts.iter().rposition(|text| !text.is_empty()).map_or(0, |last| (last + 1).saturating_sub(count));
        let text = match texts.get(text_column) {
            None => {
                let message = format!("The row ends before column {}.", self.columns.names[text_column]);
                return Err(RowFault::in_bytes(row, row.trim_end().len(), message));
            }
            Some(_) if surplus > 0 => {
                let parts = &cells[text_column..=text_column + surplus];
                // An unquoted separator, in a text with spaces.
                let is_plain =
                    |part: &Cell<'_>| !part.is_quoted && row[..part.at].ends_with(' ') || part.at == part.end;
                if text_column + 1 != count && !parts[1..].iter().all(is_plain) {
                    let counts = format!("The row has more cells than the first row ({count}).");
                    return fault(count, format!("{counts} Put cells that contain a separator in quotation marks."));
                }
                let raw = row[parts[0].at..parts[surplus].end].trim();
                let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
                inner.map_or_else(|| raw.to_owned(), unescaped)
            }
            Some(text) => text.clone(),
        };
        if text.is_empty() {
            return fault(text_column, super::EMPTY_TEXT.to_owned());
        }
        let speaker_column =
            self.columns.speaker.map(|speaker| if speaker > text_column { speaker + surplus } else { speaker });
        let character = speaker_column.and_then(|column| texts.get(column)).cloned().unwrap_or_default();
        // Chat programs write an arrow instead of a name: ida joins.
        if !self.columns.has_header && ["-->", "<--", "--", "-!-", "*"].contains(&character.as_str()) {
            return Ok(Row::Unspoken(Unspoken::System));
        }
        Ok(Row::Spoken(Line { character, text }))
    }
}

/// Whether this row names both a speaker column and a text column.
pub(super) fn is_header(row: &str, separator: &str) -> bool {
    let names = cells_of(row, separator);
    names.len() > 1 && matches!(columns::named(&names), (Some(_), Some(_)))
}

/// Whether these rows are cells of a table, whatever their names: the same number in each, the
/// first of them short.
pub(super) fn is_regular(sample: &str, separator: &str) -> bool {
    let rows = rows_of(sample, separator);
    let count = rows.first().map_or(0, Vec::len);
    rows.len() > 1 && count > 1 && rows.iter().all(|row| row.len() == count && is_short(&row[0]))
}

/// Returns the number of rows above the one that names a speaker column and a text column; 0 if there is none.
fn title_rows(rows: &[Vec<String>]) -> usize {
    let is_header = |row: &Vec<String>| row.len() > 1 && matches!(columns::named(row), (Some(_), Some(_)));
    // A first row that names the text is the header, whatever is in the second.
    let is_named = rows.first().is_some_and(|first| columns::named(first).1.is_some());
    let header = rows.iter().take(TITLE_ROWS_MAX + 1).position(is_header);
    header.filter(|_| !is_named).unwrap_or_default()
}

/// Returns the separator by which one of the first rows has known column names.
fn best_field(sample: &str, separators: &[&'static str]) -> &'static str {
    let rows = || sample.lines().filter(|row| !row.trim().is_empty()).take(TITLE_ROWS_MAX + 1);
    let first = rows().next().unwrap_or_default();
    let named = |separator: &str| columns::named(&cells_of(first, separator));
    let both = rows().find_map(|row| separators.iter().find(|separator| is_header(row, separator)));
    let with_text = || separators.iter().find(|separator| named(separator).1.is_some() && first.contains(**separator));
    let alone = || separators.iter().find(|separator| named(separator).1.is_some());
    // Otherwise the most frequent one; of several the most likely.
    let most = || separators.iter().rev().max_by_key(|separator| cells_of(first, separator).len());
    both.or_else(with_text).or_else(alone).or_else(most).copied().unwrap_or(",")
}

fn cells_of(row: &str, separator: &str) -> Vec<String> {
    match split(row, separator, true) {
        Split::Row { cells, .. } => cells.iter().map(Cell::text).collect(),
        Split::Unfinished => Vec::new(),
    }
}

/// Returns the first rows that aren't blank.
fn rows_of(mut sample: &str, separator: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    while !sample.is_empty() && rows.len() < SAMPLE_ROWS {
        let Split::Row { cells, bytes } = split(sample, separator, true) else { break };
        let cells: Vec<_> = cells.iter().map(Cell::text).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(cells);
        }
        sample = &sample[bytes..];
    }
    rows
}

fn columns_of(rows: &[Vec<String>], separator: &str, choice: &ColumnChoice) -> Columns {
    let first = rows.first().map(Vec::as_slice).unwrap_or_default();
    // That collection has no column names.
    let may_be_named = || separator != CORNELL && !first.iter().any(|cell| is_data(cell));
    let looks_named = columns::named(first).1.is_some() || may_be_named();
    let has_header = choice.has_header.unwrap_or(looks_named);
    let (names, (speaker, text)) = if has_header {
        (first.to_vec(), columns::likely(first))
    } else {
        let count = typical_count(rows);
        let found = match count.checked_sub(2) {
            // Its last columns, however short the texts are.
            Some(speaker) if separator == CORNELL => (Some(speaker), Some(speaker + 1)),
            _ => guessed(rows, count),
        };
        ((1..=count).map(|number| format!("Column {number}")).collect(), found)
    };
    let mut columns = Columns { names, speaker, text, has_header, unknown: None };
    if let Some(wanted) = &choice.text {
        columns.text = columns.find(wanted);
        columns.speaker = columns.speaker.filter(|speaker| Some(*speaker) != columns.text);
    }
    if let Some(wanted) = &choice.speaker {
        columns.speaker = columns.find(wanted);
    }
    let unknown = |wanted: &Option<String>, found: Option<usize>| {
        wanted.clone().filter(|wanted| found.is_none() && !wanted.is_empty())
    };
    columns.unknown = unknown(&choice.text, columns.text).or_else(|| unknown(&choice.speaker, columns.speaker));
    if columns.unknown.is_some() {
        columns.text = None;
    }
    columns
}

/// Returns the number of cells in most rows.
fn typical_count(rows: &[Vec<String>]) -> usize {
    let count = |wanted: usize| rows.iter().filter(|row| row.len() == wanted).count();
    rows.iter().map(Vec::len).max_by_key(|length| (count(*length), usize::MAX - length)).unwrap_or_default()
}

/// Whether a cell of the first row isn't a column name.
fn is_data(cell: &str) -> bool {
    let words = cell.split_whitespace().count();
    is_number(cell)
        || words >= DATA_WORDS_MIN
        || (words >= SENTENCE_WORDS_MIN && cell.ends_with(['.', '!', '?', '…', '"', '”']))
}

/// Whether it is a number, a date or a time.
fn is_number(cell: &str) -> bool {
    cell.contains(|char: char| char.is_ascii_digit())
        && cell.chars().all(|char| char.is_ascii_digit() || " :.,-/".contains(char))
}

fn is_short(cell: &str) -> bool {
    cell.chars().count() <= NAME_CHARS_MAX && cell.split_whitespace().count() <= NAME_WORDS_MAX
}

/// Guesses the columns without names: the text is in the column with the most text, the speaker in
/// a column with names before it, or else after it.
fn guessed(rows: &[Vec<String>], count: usize) -> (Option<usize>, Option<usize>) {
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let length = |column: &usize| cells(*column).map(|cell| cell.chars().count()).sum::<usize>();
    let has_letters = |column: &usize| cells(*column).any(|cell| cell.contains(char::is_alphabetic));
    let text = (0..count).rev().filter(has_letters).max_by_key(length);
    let is_speaker_column = |column: &usize| {
        let is_name = |cell: &String| is_short(cell) && !cell.contains(|char: char| char.is_ascii_digit());
        Some(*column) != text
            && cells(*column).all(is_name)
            && cells(*column).any(|cell| cell.contains(char::is_alphabetic))
    };
    let end = text.unwrap_or_default();
    let speaker = (0..end).rev().find(is_speaker_column).or_else(|| (end + 1..count).find(is_speaker_column));
    (speaker, text)
}

fn split<'a>(text: &'a str, separator: &str, is_end: bool) -> Split<'a> {
    let bytes = text.as_bytes();
    let spaces = |at: usize| bytes[at..].iter().take_while(|&&byte| byte == b' ').count();
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let start = at + spaces(at);
        let is_quoted = bytes.get(start) == Some(&b'"') && separator != CORNELL;
        if is_quoted {
            let first = start + 1;
            match closing_mark(&bytes[first..], separator, is_end) {
                Mark::At(length) => {
                    let (last, end) = (first + length, first + length + 1);
                    cells.push(Cell { at: start, end, written: &text[first..last], is_quoted });
                    at = end + spaces(end);
                }
                Mark::Unfinished => return Split::Unfinished,
                Mark::Nowhere => return with_literal_quotes(text, separator),
            }
        } else {
            let rest = &text[at..];
            let end = rest.find('\n').unwrap_or(rest.len());
            let end = rest[..end].find(separator).unwrap_or(end);
            let written = &rest[..end];
            let end = at + written.strip_suffix('\r').unwrap_or(written).len();
            cells.push(Cell { at: start.min(end), end, written: &text[at..end], is_quoted });
            at = end;
        }
        match &bytes[at..] {
            [] if is_end => return Split::Row { cells, bytes: at },
            [] | [b'\r'] if !is_end => return Split::Unfinished,
            [b'\n', ..] => return Split::Row { cells, bytes: at + 1 },
            [b'\r', b'\n', ..] => return Split::Row { cells, bytes: at + 2 },
            [b'\r'] => return Split::Row { cells, bytes: at + 1 },
            rest if rest.starts_with(separator.as_bytes()) => at += separator.len(),
            // Neither a separator nor the row's end follows the cell.
            _ => return with_literal_quotes(text, separator),
        }
    }
}

/// Splits a line whose quotation marks are ordinary characters.
fn with_literal_quotes<'a>(text: &'a str, separator: &str) -> Split<'a> {
    let bytes = text.find('\n').map_or(text.len(), |end| end + 1);
    let line = text[..bytes].trim_end_matches(['\r', '\n']);
    let mut cells = Vec::new();
    let mut at = 0;
    for part in line.split(separator) {
        let raw = part.trim();
        let start = at + (part.len() - part.trim_start().len());
        let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        let (written, is_quoted) = inner.map_or((raw, false), |inner| (inner, true));
        cells.push(Cell { at: start, end: start + raw.len(), written, is_quoted });
        at += part.len() + separator.len();
    }
    Split::Row { cells, bytes }
}

/// The quotation mark that closes a cell.
enum Mark {
    At(usize),
    Unfinished,
    Nowhere,
}

/// Finds the mark that closes a cell: a separator or the row's end follows it. Any other mark is an
/// ordinary character, doubled or not. In a cell of several lines all marks have to be doubled;
/// otherwise the opening one is an ordinary character.
fn closing_mark(bytes: &[u8], separator: &str, is_end: bool) -> Mark {
    let (mut at, mut is_unescaped) = (0, false);
    loop {
        let Some(mark) = bytes[at..].iter().position(|&byte| byte == b'"').map(|mark| at + mark) else {
            return if is_end { Mark::Nowhere } else { Mark::Unfinished };
        };
        let next = &bytes[mark + 1..];
        if next.first() == Some(&b'"') {
            if is_unescaped && ends_cell(&next[1..], separator, is_end) == Some(true) {
                return Mark::At(mark + 1);
            }
            at = mark + 2;
            continue;
        }
        match ends_cell(next, separator, is_end) {
            Some(true) => return Mark::At(mark),
            None => return Mark::Unfinished,
            Some(false) if bytes[..mark].contains(&b'\n') => return Mark::Nowhere,
            Some(false) => (at, is_unescaped) = (mark + 1, true),
        }
    }
}

/// Whether a cell has ended before this; `None` if that isn't known yet.
fn ends_cell(rest: &[u8], separator: &str, is_end: bool) -> Option<bool> {
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    match &rest[spaces..] {
        [] | [b'\r'] => is_end.then_some(true),
        [b'\n', ..] | [b'\r', b'\n', ..] => Some(true),
        rest => Some(rest.starts_with(separator.as_bytes())),
    }
}
