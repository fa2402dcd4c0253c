//! Script files: dialogue for publishing, in common file formats.
//!
//! - A row that is broken or isn't text is reported as a [`ScriptError`] and left out; the others
//!   are read all the same. Legitimate parts that aren't spoken are counted ([`Unspoken`]). For a
//!   file that can't be read, [`Unreadable`] says what it seems to be.
//! - UTF-8, UTF-16, Windows-1252, and all kinds of line ends are accepted.
//! - [`Reader`] reads a script in pieces; [`parse`] reads a whole one.

mod chat;
mod columns;
mod encoding;
mod json;
mod rows;
mod screenplay;
mod subtitles;
mod summary;
mod table;
mod text;

pub use summary::{Summary, Unreadable, Unspoken};

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::Line;
use crate::named_enum::named_enum;
use encoding::Decoder;
use table::{Split, Table};

/// The longest row in bytes, including its line end: more than any line of dialogue, and a bound
/// for the memory of a stream without line ends.
pub const ROW_BYTES_MAX: usize = 1024 * 1024;

/// The number of bytes that decide the format of a file.
const SAMPLE_BYTES: usize = 16 * 1024;

const EMPTY_TEXT: &str = "The row has no text.";
const NOT_TEXT: &str = "The row is neither UTF-8 nor Windows-1252. Save the file as UTF-8.";
const TOO_LONG: &str = "The row is longer than 1 MiB.";
const MARKUP: &str = "It is HTML or XML. Save it as plain text or CSV.";

named_enum! {
    /// The format of a script.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Format {
        /// As in the tutorial: `"1" "CHARACTER" "Spoken text"`.
        Rows = "rows",
        /// Cells separated by commas, semicolons, bars or `+++$+++`.
        Csv = "csv",
        /// Cells separated by tabs.
        Tsv = "tsv",
        /// One JSON object per row, or a JSON document.
        JsonLines = "jsonl",
        /// Cues with time codes.
        Subtitles = "subtitles",
        /// Names in capitals, text below them.
        Screenplay = "screenplay",
        /// Messages with times and names.
        Chat = "chat",
        /// `NAME: text`, or only text.
        Text = "text",
    }
}

impl Format {
    /// Returns the format for a file name extension; `.txt` has none.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            "srt" | "vtt" | "sbv" | "ass" | "ssa" | "lrc" => Some(Self::Subtitles),
            "fountain" | "spmd" => Some(Self::Screenplay),
            _ => None,
        }
    }

    /// Returns the format of a script's beginning without its leading blank rows.
    fn of_sample(sample: &str) -> Self {
        let first = sample.lines().next().unwrap_or_default();
        let text = first.trim();
        if json::recognizes(text) {
            return Self::JsonLines;
        }
        if subtitles::recognizes(sample) {
            return Self::Subtitles;
        }
        if table::is_header(first, "\t") {
            return Self::Tsv;
        }
        if text.contains(table::CORNELL) || table::SEPARATORS.iter().any(|separator| table::is_header(first, separator))
        {
            return Self::Csv;
        }
        if rows::recognizes(text) {
            return Self::Rows;
        }
        if text.starts_with('"') && ["\",\"", "\";\""].iter().any(|between| text.contains(between)) {
            return Self::Csv;
        }
        if subtitles::recognizes_rows(sample) {
            return Self::Subtitles;
        }
        if chat::recognizes(sample) {
            return Self::Chat;
        }
        if screenplay::recognizes(sample) {
            return Self::Screenplay;
        }
        match () {
            () if table::is_regular(sample, "\t") => Self::Tsv,
            () if ["|", "::"].iter().any(|separator| table::is_regular(sample, separator)) => Self::Csv,
            () => Self::Text,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the formats are rows, csv, tsv, jsonl, subtitles, screenplay, chat and text")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::from_name(name).ok_or(UnknownFormat)
    }
}

/// The person's choice of a table's columns: by name, or by number from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnChoice {
    /// The column with the speaker; empty for none.
    pub speaker: Option<String>,
    /// The column with the text.
    pub text: Option<String>,
    /// Whether the first row contains the column names.
    pub has_header: Option<bool>,
}

/// The columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Their names; numbers if the first row doesn't contain names.
    pub names: Vec<String>,
    /// The index of the speaker column, from 0.
    pub speaker: Option<usize>,
    /// The index of the text column.
    pub text: Option<usize>,
    /// Whether the first row contains the names.
    pub has_header: bool,
    /// A column that was chosen, but doesn't exist.
    pub unknown: Option<String>,
}

impl Columns {
    /// Returns the column with this name, or with this number from 1.
    fn find(&self, wanted: &str) -> Option<usize> {
        let wanted = wanted.trim();
        let is_alike = |name: &String| !wanted.is_empty() && columns::plain(name) == columns::plain(wanted);
        let number = || wanted.parse::<usize>().ok()?.checked_sub(1).filter(|column| *column < self.names.len());
        let exact = || self.names.iter().position(|name| name.eq_ignore_ascii_case(wanted) && !name.is_empty());
        exact().or_else(|| self.names.iter().position(is_alike)).or_else(number)
    }

    /// Returns their names as a list; columns without a name by their numbers.
    pub fn list(&self) -> String {
        (0..self.names.len()).map(|column| self.label(column)).collect::<Vec<_>>().join(", ")
    }

    /// Returns the reference to this column for [`ColumnChoice`].
    pub fn reference(&self, column: usize) -> String {
        let name = self.names.get(column).filter(|name| self.find(name) == Some(column));
        name.cloned().unwrap_or_else(|| (column + 1).to_string())
    }

    /// Returns the displayed name of this column.
    pub fn label(&self, column: usize) -> String {
        match self.names.get(column) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("Column {}", column + 1),
        }
    }

    /// Describes which columns are used, if the first row didn't name them.
    fn describe(&self) -> String {
        let text = self.text.map(|column| self.label(column)).unwrap_or_default();
        match self.speaker.map(|column| self.label(column)) {
            Some(speaker) => {
                format!("No column names in the first row: {speaker} is used as the speaker, {text} as the text.")
            }
            None => format!("No column names in the first row: {text} is used as the text, without a speaker."),
        }
    }
}

/// Options of a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The format; `None` detects it from the beginning.
    pub format: Option<Format>,
    /// The choice of a table's columns.
    pub columns: ColumnChoice,
    /// Whether rows come from a live source and are awaited: then the first one decides the format.
    pub is_live: bool,
}

/// The contents of a script file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The lines of dialogue, in order.
    pub lines: Vec<ScriptLine>,
    /// The rows that were left out, in order.
    pub faults: Vec<ScriptError>,
    /// The result of reading it.
    pub summary: Summary,
}

/// A line of dialogue and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    /// The line of the file in which its row begins, from 1.
    pub number: usize,
    /// Speaker and text.
    pub line: Line,
}

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ScriptError {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The position in the line, in characters from 1.
    pub column: usize,
    /// The explanation for the person.
    pub message: String,
}

/// Reads a whole script. This never fails: rows that can't be read are among the faults. `format`:
/// as in [`ReaderOptions`].
pub fn parse(bytes: &[u8], format: Option<Format>) -> Script {
    let mut reader = Reader::new(ReaderOptions { format, ..ReaderOptions::default() });
    reader.push(bytes);
    reader.end();
    let mut script = Script::default();
    while let Some(row) = reader.poll() {
        match row {
            Ok(line) => script.lines.push(line),
            Err(fault) => script.faults.push(fault),
        }
    }
    script.summary = reader.summary();
    script
}

/// Reads a script in pieces of any length: call [`Reader::push`] for each, [`Reader::end`] after
/// the last, and drain [`Reader::poll`] after each call. A row is returned as soon as its end is
/// known, and enough of the script to detect the format.
#[derive(Clone, Debug)]
pub struct Reader {
    options: ReaderOptions,
    decoder: Decoder,
    /// Set once the format is known.
    rows: Option<Rows>,
    pending: String,
    /// The number of pending bytes that have been read.
    read: usize,
    /// The line of the file at that position, from 1.
    line: usize,
    /// Whether a row may have been completed since the last check.
    is_new: bool,
    /// Whether the rest of a row that is too long is being skipped.
    is_skipping: bool,
    has_ended: bool,
    /// Whether lines end with a carriage return alone.
    has_returns: bool,
    out: Out,
}

/// The reader of one format's rows.
#[derive(Clone, Debug)]
enum Rows {
    Lines(fn(&str) -> Result<Row, RowFault>),
    JsonLines,
    Table(Table),
    Subtitles(subtitles::Subtitles),
    Screenplay(screenplay::Screenplay),
    Chat(chat::Chat),
    Document(json::Document),
    /// Nothing can be read.
    Nothing,
}

/// The result of reading a row.
enum Row {
    /// A legitimately empty row.
    Empty,
    /// Something that isn't spoken.
    Unspoken(Unspoken),
    Spoken(Line),
}

/// What is wrong with a row.
struct RowFault {
    /// The number of lines below its first.
    lines_below: usize,
    /// In characters from 1.
    column: usize,
    message: String,
}

impl RowFault {
    fn at(column: usize, message: impl Into<String>) -> Self {
        Self { lines_below: 0, column, message: message.into() }
    }

    /// Returns a fault at a byte of the row.
    fn in_bytes(row: &str, at: usize, message: impl Into<String>) -> Self {
        let before = row.get(..at).unwrap_or(row);
        let line_at = before.rfind('\n').map_or(0, |end| end + 1);
        Self { lines_below: line_ends(before), column: before[line_at..].chars().count() + 1, message: message.into() }
    }
}

/// Results that haven't been polled yet, and the counts.
#[derive(Clone, Debug, Default)]
struct Out {
    ready: VecDeque<Result<ScriptLine, ScriptError>>,
    summary: Summary,
}

impl Out {
    /// Adds a row that begins in this line of the file.
    fn take(&mut self, number: usize, row: Result<Row, RowFault>) {
        match row {
            Ok(Row::Empty) => {}
            Ok(Row::Unspoken(kind)) => self.skip(kind),
            Ok(Row::Spoken(line)) => self.spoken(number, line),
            Err(RowFault { lines_below, column, message }) => self.fault(number + lines_below, column, message),
        }
    }

    fn spoken(&mut self, number: usize, line: Line) {
        self.summary.read += 1;
        self.ready.push_back(Ok(ScriptLine { number, line }));
    }

    fn fault(&mut self, line: usize, column: usize, message: String) {
        self.summary.skipped += 1;
        self.ready.push_back(Err(ScriptError { line, column, message }));
    }

    fn skip(&mut self, kind: Unspoken) {
        self.summary.unspoken[kind as usize] += 1;
    }

    /// Ends reading: nothing of the script can be read.
    fn end_unreadable(&mut self, unreadable: Unreadable) {
        self.fault(1, 1, unreadable.to_string());
        self.summary.unreadable = Some(unreadable);
    }
}

impl Reader {
    /// Creates a reader with these options.
    pub fn new(options: ReaderOptions) -> Self {
        Self {
            options,
            decoder: Decoder::default(),
            rows: None,
            pending: String::new(),
            read: 0,
            line: 1,
            is_new: false,
            is_skipping: false,
            has_ended: false,
            has_returns: false,
            out: Out::default(),
        }
    }

    /// Adds the next piece of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decode(bytes, false);
    }

    /// Ends the script.
    pub fn end(&mut self) {
        self.decode(&[], true);
        self.has_ended = true;
    }

    /// Returns the result of reading so far.
    pub fn summary(&self) -> Summary {
        Summary { not_utf8_at: self.decoder.not_utf8_at(), ..self.out.summary.clone() }
    }

    /// Returns the next row that can be read.
    pub fn poll(&mut self) -> Option<Result<ScriptLine, ScriptError>> {
        while self.out.ready.is_empty() && self.is_new {
            self.is_new = self.step();
        }
        self.out.ready.pop_front()
    }

    fn decode(&mut self, bytes: &[u8], is_end: bool) {
        self.pending.drain(..self.read);
        self.read = 0;
        let from = self.pending.len();
        self.decoder.push(bytes, is_end, &mut self.pending);
        if self.has_returns {
            let piece = self.pending.split_off(from).replace('\r', "\n");
            self.pending.push_str(&piece);
        }
        self.is_new = true;
        if let (Some(message), None) = (self.decoder.not_text(), &self.rows) {
            self.rows = Some(Rows::Nothing);
            self.out.end_unreadable(Unreadable::NotAScript(message));
        }
    }

    /// Reads a row; `false` if there is none to read.
    fn step(&mut self) -> bool {
        if self.rows.is_none() && !self.detect_format() {
            return false;
        }
        let rest = &self.pending[self.read..];
        match &mut self.rows {
            Some(Rows::Document(document)) => {
                document.push(rest, &mut self.out);
                self.read = self.pending.len();
            }
            Some(Rows::Nothing) => self.read = self.pending.len(),
            _ => {}
        }
        if self.read == self.pending.len() {
            return self.has_ended && self.finish();
        }
        if self.is_skipping {
            self.is_skipping = !self.skip_line();
            return true;
        }
        self.read_row()
    }

    /// Detects the format, once enough of the script is known.
    fn detect_format(&mut self) -> bool {
        let Self { pending, options, has_ended, .. } = self;
        let start = pending.find(|char: char| !char.is_whitespace()).unwrap_or(pending.len());
        // The tab before an empty first cell belongs to the row.
        let start = pending[..start].rfind('\n').map_or(0, |end| end + 1);
        let sample = &pending[start..];
        let first_end = sample.find('\n');
        let is_enough = first_end.is_some() && (options.is_live || sample.len() >= SAMPLE_BYTES);
        if !is_enough && !*has_ended && pending.len() <= ROW_BYTES_MAX {
            return false;
        }
        if !self.has_returns && !pending.contains('\n') && sample.trim_end_matches('\r').contains('\r') {
            self.has_returns = true;
            self.pending = self.pending.replace('\r', "\n");
            return self.detect_format();
        }
        // Only whole rows, and the same number of them whatever the pieces.
        let end = match first_end {
            Some(end) if options.is_live => end,
            Some(first) => {
                let limit = floor_char_boundary(sample, SAMPLE_BYTES);
                if limit == sample.len() && *has_ended { limit } else { sample[..limit].rfind('\n').unwrap_or(first) }
            }
            None => floor_char_boundary(sample, ROW_BYTES_MAX),
        };
        let sample = sample[..end].to_owned();
        self.start_rows(&sample);
        true
    }

    fn start_rows(&mut self, sample: &str) {
        let text = sample.trim_start();
        let head: String = text.chars().take(16).flat_map(char::to_lowercase).collect();
        let options = &self.options;
        // <p>text</p>, but not <nick> text
        let has_tags = sample.lines().next().is_some_and(|first| head.starts_with('<') && first.contains("</"));
        let is_markup = ["<!doctype", "<html", "<?xml", "<tt ", "<sami"].iter().any(|mark| head.starts_with(mark));
        if options.format.is_none() && (has_tags || is_markup) {
            self.rows = Some(Rows::Nothing);
            return self.out.end_unreadable(Unreadable::NotAScript(MARKUP));
        }
        let first = sample.lines().next().unwrap_or_default();
        let format = match options.format {
            // The file has this name, but isn't of this format.
            Some(Format::Csv) if is_no_table(first) && rows::recognizes(first.trim()) => Format::Rows,
            Some(format) => format,
            None => Format::of_sample(sample),
        };
        let new_table = |separators: &[&'static str]| Table::from_sample(sample, separators, &options.columns);
        let rows = match format {
            Format::Rows => Rows::Lines(rows::read),
            Format::JsonLines if json::is_document(first) => Rows::Document(json::Document::new(self.line)),
            Format::JsonLines => Rows::JsonLines,
            Format::Subtitles => Rows::Subtitles(subtitles::Subtitles::default()),
            Format::Screenplay => Rows::Screenplay(screenplay::Screenplay::default()),
            Format::Chat => Rows::Chat(chat::Chat::default()),
            Format::Text if is_markdown(sample) => Rows::Lines(text::read_markdown),
            Format::Text => Rows::Lines(text::read),
            Format::Csv => Rows::Table(new_table(&table::SEPARATORS)),
            Format::Tsv => Rows::Table(new_table(&["\t"])),
        };
        self.out.summary.format = Some(format);
        if let Rows::Table(table) = &rows {
            let columns = table.columns().clone();
            self.out.summary.columns = Some(columns.clone());
            if columns.text.is_none() && !sample.trim().is_empty() {
                self.rows = Some(Rows::Nothing);
                return self.out.end_unreadable(match columns.unknown.clone() {
                    Some(name) => Unreadable::NoColumn(columns, name),
                    None => Unreadable::NoTextColumn(columns),
                });
            }
        }
        self.rows = Some(rows);
    }

    fn read_row(&mut self) -> bool {
        let rest = &self.pending[self.read..];
        let line_end = rest.find('\n').map(|end| end + 1).or(self.has_ended.then_some(rest.len()));
        let is_cut = rest.len() > ROW_BYTES_MAX;
        let number = self.line;
        // A single line is too long already.
        let is_too_long = line_end.is_none_or(|end| end > ROW_BYTES_MAX) && is_cut;
        let Some(line_end) = line_end.filter(|_| !is_too_long) else {
            if is_too_long {
                self.skip_too_long(number);
            }
            return is_too_long;
        };
        let (bytes, cells) = match &self.rows {
            Some(Rows::Table(table)) => {
                let within = &rest[..floor_char_boundary(rest, ROW_BYTES_MAX)];
                match table.split(within, self.has_ended || is_cut) {
                    Split::Unfinished => return false,
                    Split::Row { bytes, .. } if is_cut && !rest[..bytes].ends_with('\n') => {
                        self.skip_too_long(number);
                        return true;
                    }
                    Split::Row { cells, bytes } => (bytes, cells),
                }
            }
            _ => (line_end, Vec::new()),
        };
        let lines = line_ends(&rest[..bytes]).max(1);
        let broken = self.decoder.broken_in(number..number + lines);
        if let Some((line, column)) = broken {
            self.out.fault(line, column, NOT_TEXT.to_owned());
        } else {
            let row = rest[..bytes].strip_suffix('\n').unwrap_or(&rest[..bytes]);
            let row = row.strip_suffix('\r').unwrap_or(row);
            match &mut self.rows {
                Some(Rows::Lines(read)) => self.out.take(number, read(row)),
                Some(Rows::JsonLines) => json::read(number, row, &mut self.out),
                Some(Rows::Table(table)) => self.out.take(number, table.read(&rest[..bytes], &cells)),
                Some(Rows::Subtitles(subtitles)) => subtitles.row(number, row, &mut self.out),
                Some(Rows::Screenplay(screenplay)) => screenplay.row(number, row, &mut self.out),
                Some(Rows::Chat(chat)) => chat.row(number, row, &mut self.out),
                Some(Rows::Document(_) | Rows::Nothing) | None => {}
            }
        }
        self.line += line_ends(&self.pending[self.read..self.read + bytes]);
        self.read += bytes;
        true
    }

    /// Reads rows that were held back until the end; `false` if that is finished.
    fn finish(&mut self) -> bool {
        match self.rows.replace(Rows::Nothing) {
            Some(Rows::Subtitles(mut subtitles)) => subtitles.end(&mut self.out),
            Some(Rows::Screenplay(mut screenplay)) => screenplay.end(&mut self.out),
            Some(Rows::Chat(mut chat)) => chat.end(&mut self.out),
            Some(Rows::Document(mut document)) => document.end(&mut self.out),
            _ => {}
        }
        false
    }

    fn skip_too_long(&mut self, number: usize) {
        self.is_skipping = !self.skip_line();
        self.out.fault(number, 1, TOO_LONG.to_owned());
    }

    /// Skips the rest of this line; `false` if its end isn't known yet.
    fn skip_line(&mut self) -> bool {
        let end = self.pending[self.read..].find('\n');
        self.read = end.map_or(self.pending.len(), |end| self.read + end + 1);
        self.line += usize::from(end.is_some());
        end.is_some()
    }
}

/// Whether a row has no cell separators.
fn is_no_table(row: &str) -> bool {
    !table::SEPARATORS.iter().any(|separator| table::is_header(row, separator)) && !row.contains([',', ';', '\t', '|'])
}

/// Whether it contains names in Markdown.
fn is_markdown(sample: &str) -> bool {
    let rows = sample.lines().filter(|row| !row.trim().is_empty());
    let (mut named, mut plain) = (0, 0);
    for row in rows {
        match text::named_in_markdown(row.trim()) {
            Some(_) => named += 1,
            None => plain += usize::from(!text::spoken(row.trim()).0.is_empty()),
        }
    }
    named > plain
}

/// Returns the last character boundary up to this position.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

fn line_ends(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}
