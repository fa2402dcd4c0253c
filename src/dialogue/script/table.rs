//! CSV as RFC 4180 has it, and TSV, with a header that names the columns.
//!
//! - A cell in quotation marks may hold separators, line ends, and quotation
//!   marks as `""`. Spaces around such a cell are no part of it.
//! - Columns are found by the names that fields of JSON have
//!   ([`SPEAKERS`], [`WORDS`]) and some that only tables use, in any case;
//!   others are left aside. Spreadsheets of many countries separate by `;`.
//! - An apostrophe before what a spreadsheet would run as a formula is taken
//!   away, as [`crate::log::csv`] put it there.
//! - Blank rows are passed over.

use super::{Row, RowFault};
use crate::dialogue::{Line, SPEAKERS, WORDS};
use crate::log::csv::begins_formula;

/// Columns of tables that name a speaker, beyond [`SPEAKERS`].
const SPEAKER_COLUMNS: [&str; 1] = ["speaker"];

/// Columns of tables that hold words, beyond [`WORDS`].
const WORDS_COLUMNS: [&str; 2] = ["dialogue", "line"];

/// A table that is being read.
#[derive(Clone, Debug)]
pub(super) struct Table {
    separator: u8,
    header: Header,
}

#[derive(Clone, Debug)]
enum Header {
    Awaited,
    Known(Columns),
    /// It named no words, which was told; no row can be read.
    Unusable,
}

#[derive(Clone, Debug)]
struct Columns {
    count: usize,
    speaker: Option<usize>,
    words: usize,
    words_name: String,
}

/// What stands at the beginning of some bytes.
pub(super) enum Split<'a> {
    /// The end of the row hasn't come.
    Unfinished,
    /// A row and its length with its end.
    Row { cells: Vec<Cell<'a>>, bytes: usize },
    /// A quotation mark is out of place.
    Broken { at: usize, words: &'static str },
}

/// A cell as it was written, quotation marks aside.
pub(super) struct Cell<'a> {
    /// Its place in the row, in bytes.
    at: usize,
    /// The place of what was written, and this.
    written_at: usize,
    written: &'a [u8],
    is_quoted: bool,
}

impl Cell<'_> {
    /// Its text, or the place of the first byte that is none.
    fn text(&self) -> Result<String, usize> {
        let text = str::from_utf8(self.written).map_err(|error| self.written_at + error.valid_up_to())?;
        let text = if self.is_quoted { text.replace("\"\"", "\"") } else { text.to_owned() };
        let text = text.trim();
        let text = match text.strip_prefix('\'') {
            Some(rest) if rest.starts_with(begins_formula) && !rest.starts_with('\'') => rest,
            _ => text,
        };
        Ok(text.to_owned())
    }
}

impl Table {
    /// A table whose cells are separated by one of these, whichever its first
    /// row makes sense with; the likeliest first.
    pub(super) fn beginning_with(row: &[u8], separators: &[u8]) -> Self {
        let header = |separator: u8| Columns::of(row, separator);
        let named = |want_speaker: bool| {
            let fits = |columns: Columns| !want_speaker || columns.speaker.is_some();
            separators.iter().copied().find(|&separator| header(separator).is_some_and(fits))
        };
        let separator = named(true).or_else(|| named(false)).or(separators.first().copied()).unwrap_or(b',');
        Self { separator, header: Header::Awaited }
    }

    /// Splits the row at the beginning of some bytes; `is_end`: nothing comes
    /// after them.
    pub(super) fn split<'a>(&self, bytes: &'a [u8], is_end: bool) -> Split<'a> {
        split(bytes, self.separator, is_end)
    }

    /// What a row says.
    pub(super) fn read(&mut self, row: &[u8], cells: &[Cell<'_>]) -> Result<Row, RowFault> {
        let mut texts = Vec::with_capacity(cells.len());
        for cell in cells {
            texts.push(cell.text().map_err(|at| RowFault::in_bytes(row, at, super::NOT_UTF_8))?);
        }
        if texts.iter().all(String::is_empty) {
            return Ok(Row::Silent);
        }
        match &self.header {
            Header::Awaited => match Columns::named(&texts) {
                Some(columns) => {
                    self.header = Header::Known(columns);
                    Ok(Row::Silent)
                }
                None => {
                    self.header = Header::Unusable;
                    let known: Vec<_> = WORDS.iter().chain(&WORDS_COLUMNS).copied().collect();
                    Err(RowFault::at(
                        1,
                        format!(
                            "The first row has to name the columns, and none is called {}: no row can be read.",
                            known.join(", ")
                        ),
                    ))
                }
            },
            Header::Known(columns) => columns.read(row, cells, &texts),
            Header::Unusable => Ok(Row::Silent),
        }
    }
}

/// Whether this row names both a speaker's column and one of words.
pub(super) fn is_header(row: &[u8], separator: u8) -> bool {
    Columns::of(row, separator).is_some_and(|columns| columns.speaker.is_some())
}

impl Columns {
    fn of(row: &[u8], separator: u8) -> Option<Self> {
        let Split::Row { cells, .. } = split(row, separator, true) else { return None };
        let texts: Result<Vec<_>, _> = cells.iter().map(Cell::text).collect();
        Self::named(&texts.ok()?)
    }

    fn named(cells: &[String]) -> Option<Self> {
        let place = |name: &&str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let words = WORDS.iter().chain(&WORDS_COLUMNS).find_map(place)?;
        Some(Self {
            count: cells.len(),
            speaker: SPEAKERS.iter().chain(&SPEAKER_COLUMNS).find_map(place),
            words,
            words_name: cells[words].clone(),
        })
    }

    fn read(&self, row: &[u8], cells: &[Cell<'_>], texts: &[String]) -> Result<Row, RowFault> {
        let fault = |cell: usize, words: String| Err(RowFault::in_bytes(row, cells[cell].at, words));
        // Spreadsheets fill rows up with empty cells.
        if let Some(more) = (self.count..texts.len()).find(|&cell| !texts[cell].is_empty()) {
            let counts = format!("The row has more cells than the {} of the first row.", self.count);
            return fault(more, format!("{counts} Put a cell that holds a separator in quotation marks."));
        }
        match texts.get(self.words) {
            None => {
                let words = format!("The row ends before its column {}.", self.words_name);
                Err(RowFault::in_bytes(row, row.trim_ascii_end().len(), words))
            }
            Some(text) if text.is_empty() => fault(self.words, super::NO_WORDS.to_owned()),
            Some(text) => {
                let character = self.speaker.and_then(|place| texts.get(place)).cloned().unwrap_or_default();
                Ok(Row::Spoken(Line { character, text: text.clone() }))
            }
        }
    }
}

fn split(bytes: &[u8], separator: u8, is_end: bool) -> Split<'_> {
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let start = at + bytes[at..].iter().take_while(|&&byte| byte == b' ').count();
        let is_quoted = bytes.get(start) == Some(&b'"');
        let (first, last);
        if is_quoted {
            first = start + 1;
            let Some(close) = closing_mark(&bytes[first..]) else {
                return match is_end {
                    true => Split::Broken { at: start, words: super::UNCLOSED },
                    false => Split::Unfinished,
                };
            };
            last = first + close;
            at = last + 1;
            at += bytes[at..].iter().take_while(|&&byte| byte == b' ').count();
        } else {
            first = at;
            at += bytes[at..].iter().take_while(|&&byte| byte != separator && byte != b'\n').count();
            last = at;
        }
        cells.push(Cell { at: start.min(last), written_at: first, written: &bytes[first..last], is_quoted });
        match bytes[at..] {
            [] if is_end => return Split::Row { cells, bytes: at },
            [] | [b'\r'] if !is_end => return Split::Unfinished,
            [b'\n', ..] => return Split::Row { cells, bytes: at + 1 },
            [b'\r', b'\n', ..] => return Split::Row { cells, bytes: at + 2 },
            [b'\r'] => return Split::Row { cells, bytes: at + 1 },
            [byte, ..] if byte == separator => at += 1,
            _ => {
                let words = "After a closing quotation mark comes a separator or the row's end. Write \"\" for a \
                             quotation mark inside a cell.";
                return Split::Broken { at, words };
            }
        }
    }
}

/// Where the quotation mark is that closes a cell.
fn closing_mark(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|&byte| byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}
