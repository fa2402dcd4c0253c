//! Script files: dialogue for whoever publishes it, in one of five formats.
//!
//! - A row that is broken or not UTF-8 is a [`Fault`], and left out; the others
//!   are read all the same.
//! - A byte order mark and line ends of either kind are fine.
//! - [`Reader`] takes a script as it comes; [`parse`] takes a whole one.

mod json_lines;
mod rows;
mod table;

use std::fmt;
use std::str::FromStr;

use super::{Line, split_name};
use table::{Split, Table};

/// The longest row in bytes, its end included: more than any line of dialogue,
/// and a bound for what is kept of a stream that has no line ends.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;

const NO_WORDS: &str = "The row has no words to speak.";
const NOT_UTF_8: &str = "The row isn't UTF-8 text. Save the file as UTF-8.";
const UNCLOSED: &str = "The quotation mark that opens here isn't closed.";

/// How a script is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As in the tutorial: `"1" "CHARACTER" "Spoken text"`.
    Rows,
    /// Cells separated by commas or semicolons, below a header.
    Csv,
    /// Cells separated by tabs, below a header.
    Tsv,
    /// A JSON object a row.
    JsonLines,
    /// `NAME: words`, or only words.
    Text,
}

impl Format {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Rows, Self::Csv, Self::Tsv, Self::JsonLines, Self::Text];

    /// Its name, as [`Format::from_str`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::JsonLines => "jsonl",
            Self::Text => "text",
        }
    }

    /// What the end of a file's name says; `.txt` says nothing.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// What the first row that isn't blank says.
    fn of_row(row: &[u8]) -> Self {
        let text = String::from_utf8_lossy(row);
        let text = text.trim();
        if json_lines::begins(text) {
            return Self::JsonLines;
        }
        if table::is_header(row, b'\t') {
            return Self::Tsv;
        }
        if [b',', b';'].iter().any(|&separator| table::is_header(row, separator)) {
            return Self::Csv;
        }
        if rows::begins(text) { Self::Rows } else { Self::Text }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a script is written as rows, csv, tsv, jsonl or text")]
pub struct NoSuchFormat;

impl FromStr for Format {
    type Err = NoSuchFormat;

    fn from_str(name: &str) -> Result<Self, NoSuchFormat> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or(NoSuchFormat)
    }
}

/// A script file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is to be spoken, in order.
    pub lines: Vec<ScriptLine>,
    /// The rows that were left out, in order.
    pub faults: Vec<Fault>,
}

/// A line of dialogue and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    /// The line of the file that its row begins in, from 1.
    pub number: usize,
    /// Who says what.
    pub line: Line,
}

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {words}")]
pub struct Fault {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What is wrong, for people.
    pub words: String,
}

/// Reads a whole script. There is no file that this fails on: what can't be read
/// is among the faults. `format`: as for [`Reader::new`].
pub fn parse(bytes: &[u8], format: Option<Format>) -> Script {
    let mut reader = Reader::new(format);
    reader.push(bytes);
    reader.end();
    let mut script = Script::default();
    while let Some(row) = reader.poll() {
        match row {
            Ok(line) => script.lines.push(line),
            Err(fault) => script.faults.push(fault),
        }
    }
    script
}

/// Reads a script as it comes. Hand in pieces of any length
/// ([`Reader::push`]), say when there are no more ([`Reader::end`]), and drain
/// [`Reader::poll`] after each: a row comes out as soon as its end has come in.
#[derive(Clone, Debug)]
pub struct Reader {
    format: Option<Format>,
    /// Set once the first row is there.
    rows: Option<Rows>,
    pending: Vec<u8>,
    /// How many of the pending bytes are done with.
    read: usize,
    /// The line of the file that stands there, from 1.
    line: usize,
    /// Whether a row may have come to its end since the last look.
    is_new: bool,
    has_begun: bool,
    /// The rest of a row that is too long is passed over.
    is_skipping: bool,
    has_ended: bool,
}

/// How rows are read.
#[derive(Clone, Debug)]
enum Rows {
    Lines(fn(&str) -> Result<Row, RowFault>),
    Table(Table),
}

/// What a row says.
enum Row {
    /// Nothing, rightly.
    Silent,
    Spoken(Line),
}

/// What is wrong with a row.
struct RowFault {
    /// How many lines below its first.
    lines_below: usize,
    /// In characters from 1.
    column: usize,
    words: String,
}

impl RowFault {
    fn at(column: usize, words: impl Into<String>) -> Self {
        Self { lines_below: 0, column, words: words.into() }
    }

    /// At a byte of the row.
    fn in_bytes(row: &[u8], at: usize, words: impl Into<String>) -> Self {
        let before = &row[..at.min(row.len())];
        let line_at = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        Self {
            lines_below: line_ends(before),
            column: String::from_utf8_lossy(&before[line_at..]).chars().count() + 1,
            words: words.into(),
        }
    }
}

/// What stands at the beginning of the pending bytes.
enum Next {
    /// Not all of it has come.
    Unfinished,
    /// A row of so many bytes.
    Read(usize, Result<Row, RowFault>),
    /// More than [`ROW_BYTES_MAX`].
    TooLong,
}

impl Reader {
    /// `None`: the first row says which format it is.
    pub fn new(format: Option<Format>) -> Self {
        Self {
            format,
            rows: None,
            pending: Vec::new(),
            read: 0,
            line: 1,
            is_new: false,
            has_begun: false,
            is_skipping: false,
            has_ended: false,
        }
    }

    /// The next piece of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.read);
        self.read = 0;
        self.pending.extend_from_slice(bytes);
        self.is_new |= bytes.contains(&b'\n') || self.pending.len() > ROW_BYTES_MAX;
    }

    /// There are no more pieces.
    pub fn end(&mut self) {
        self.has_ended = true;
        self.is_new = true;
    }

    /// The next row that can be read.
    pub fn poll(&mut self) -> Option<Result<ScriptLine, Fault>> {
        while self.is_new && self.read < self.pending.len() {
            if !self.has_begun {
                self.has_begun = true;
                self.read = if self.pending.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
                continue;
            }
            if self.is_skipping {
                self.is_skipping = !self.pass_line();
                continue;
            }
            let rest = &self.pending[self.read..];
            if self.rows.is_none() {
                self.rows = Rows::begin(self.format, rest, self.has_ended);
            }
            let next = match &mut self.rows {
                Some(rows) => rows.read(rest, self.has_ended),
                None => Next::Unfinished,
            };
            let number = self.line;
            match next {
                Next::Read(bytes, row) => {
                    self.line += line_ends(&rest[..bytes]);
                    self.read += bytes;
                    match row {
                        Ok(Row::Silent) => {}
                        Ok(Row::Spoken(line)) => return Some(Ok(ScriptLine { number, line })),
                        Err(RowFault { lines_below, column, words }) => {
                            return Some(Err(Fault { line: number + lines_below, column, words }));
                        }
                    }
                }
                Next::Unfinished => self.is_new = false,
                Next::TooLong => {
                    self.is_skipping = !self.pass_line();
                    let words = "The row is longer than 1 MiB.".to_owned();
                    return Some(Err(Fault { line: number, column: 1, words }));
                }
            }
        }
        None
    }

    /// Passes over the rest of this line; `false` where its end hasn't come.
    fn pass_line(&mut self) -> bool {
        let end = self.pending[self.read..].iter().position(|&byte| byte == b'\n');
        self.read = end.map_or(self.pending.len(), |end| self.read + end + 1);
        self.line += usize::from(end.is_some());
        end.is_some()
    }
}

impl Rows {
    /// Settled by the first row that isn't blank, once that is there.
    fn begin(format: Option<Format>, bytes: &[u8], has_ended: bool) -> Option<Self> {
        let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
        // The tab before an empty first cell belongs to the row.
        let start = bytes[..start].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let row = &bytes[start..];
        let row = match row.iter().position(|&byte| byte == b'\n') {
            Some(end) => &row[..end],
            None if has_ended || bytes.len() > ROW_BYTES_MAX => row,
            None => return None,
        };
        Some(match format.unwrap_or_else(|| Format::of_row(row)) {
            Format::Rows => Self::Lines(rows::read),
            Format::JsonLines => Self::Lines(json_lines::read),
            Format::Text => Self::Lines(read_text),
            Format::Csv => Self::Table(Table::beginning_with(row, b",;\t")),
            Format::Tsv => Self::Table(Table::beginning_with(row, b"\t")),
        })
    }

    fn read(&mut self, bytes: &[u8], has_ended: bool) -> Next {
        let line_end = bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
        let line_end = line_end.or(has_ended.then_some(bytes.len()));
        let is_cut = bytes.len() > ROW_BYTES_MAX;
        let Some(line_end) = line_end else {
            return if is_cut { Next::TooLong } else { Next::Unfinished };
        };
        match self {
            // One line alone is too much already.
            _ if line_end > ROW_BYTES_MAX => Next::TooLong,
            Self::Lines(read) => {
                let row = bytes[..line_end].strip_suffix(b"\n").unwrap_or(&bytes[..line_end]);
                let row = row.strip_suffix(b"\r").unwrap_or(row);
                let text = str::from_utf8(row);
                let text = text.map_err(|error| RowFault::in_bytes(row, error.valid_up_to(), NOT_UTF_8));
                Next::Read(line_end, text.and_then(read))
            }
            Self::Table(table) => match table.split(&bytes[..bytes.len().min(ROW_BYTES_MAX)], has_ended || is_cut) {
                Split::Unfinished => Next::Unfinished,
                Split::Row { bytes: length, .. } if is_cut && bytes[length - 1] != b'\n' => Next::TooLong,
                Split::Row { cells, bytes: length } => Next::Read(length, table.read(&bytes[..length], &cells)),
                // Where the row was meant to end nobody knows: it goes on with the next line.
                Split::Broken { at, words } => Next::Read(line_end, Err(RowFault::in_bytes(bytes, at, words))),
            },
        }
    }
}

/// Plain text. Blank rows are passed over.
fn read_text(row: &str) -> Result<Row, RowFault> {
    let text = row.trim();
    if text.is_empty() {
        return Ok(Row::Silent);
    }
    let (character, text) = split_name(text).unwrap_or(("", text));
    Ok(Row::Spoken(Line { character: character.to_owned(), text: text.to_owned() }))
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}
