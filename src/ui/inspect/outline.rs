//! Nested values as rows that fold: what JSON, CBOR and MessagePack have in common once they are
//! parsed.
//!
//! The rows are in one text, so a value of ten megabytes takes little more memory than the value
//! itself, and only the rows on screen are ever read. Nothing here recurses: how deep a payload
//! nests is its sender's choice.

use std::ops::Range;

use crate::ui::inspect::row::{Fold, Row};
use crate::ui::inspect::row::{Kind, Piece};
use crate::ui::inspect::text;

/// How deep values may nest. No schema needs this depth, and a payload that goes deeper is made to
/// break its readers.
pub const DEPTH_MAX: usize = 10_000;

/// The number of rows that are laid out: 80 MB of bookkeeping in memory.
pub const ROWS_MAX: usize = 4_000_000;

/// Why bytes aren't in the expected format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {at}")]
pub struct FormatError {
    /// The first byte that doesn't fit, from 0.
    pub at: usize,
    /// What is wrong, for people; continues with "at byte 7".
    pub message: String,
}

impl FormatError {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The values nest deeper than is laid out.
    pub(super) fn too_deep(at: usize) -> Self {
        Self::new(at, format!("nesting too deep (maximum {DEPTH_MAX} levels)"))
    }

    /// The bytes end before the value does.
    pub(super) fn cut_short(at: usize) -> Self {
        Self::new(at, "unexpected end of data")
    }
}

/// Values in rows.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    text: String,
    lines: Vec<Line>,
    items: usize,
    folds: Folds,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    start: u32,
    /// The end of the value's name in this row.
    key_end: u32,
    end: u32,
    /// For a line that opens: the line that closes it. Otherwise 0.
    closed_by: u32,
    depth: u16,
    kind: Kind,
    /// The row continues a value that is longer than a line.
    continues: bool,
}

/// The folded lines, and the positions of the remaining ones.
#[derive(Clone, Debug, Default)]
struct Folds {
    /// Opening and closing lines, ordered; one may lie within another.
    all: Vec<(u32, u32)>,
    /// The outermost of them, with the number of lines hidden before it and by it.
    outer: Vec<(u32, u32)>,
}

impl Outline {
    /// Returns the number of values at the top level; usually one.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Whether the first value contains others.
    pub fn nests(&self) -> bool {
        self.lines.first().is_some_and(|line| line.kind == Kind::Plain)
    }

    /// Returns the number of rows that aren't folded away.
    pub fn rows(&self) -> usize {
        self.lines.len() - self.folds.hidden()
    }

    /// Returns a row that isn't folded away; `None` past the end.
    pub fn row(&self, index: usize) -> Option<Row> {
        let (place, is_folded) = self.folds.line_at(index);
        let line = self.lines.get(place)?;
        let mut pieces = Vec::new();
        text::put(self.slice(line.start..line.key_end), Kind::Name, &mut pieces);
        text::put(self.slice(line.key_end..line.end), line.kind, &mut pieces);
        let fold = (line.closed_by > 0).then_some(Fold { line: place, is_folded });
        if is_folded && let Some(close) = self.lines.get(line.closed_by as usize) {
            let hidden = line.closed_by as usize - place - 1;
            let text = if hidden == 1 { " 1 row ".to_owned() } else { format!(" {hidden} rows ") };
            pieces.push(Piece { text, kind: Kind::Odd });
            text::put(self.slice(close.start..close.end), close.kind, &mut pieces);
        }
        Some(Row { indent: usize::from(line.depth), continues: line.continues, fold, pieces, ..Row::default() })
    }

    /// Folds what a line opens, or unfolds it.
    pub fn toggle(&mut self, line: usize) {
        let Some(closed_by) = self.lines.get(line).map(|line| line.closed_by).filter(|&closed_by| closed_by > 0) else {
            return;
        };
        self.folds.toggle(line as u32, closed_by);
    }

    /// Returns everything as text, folded or not, with two spaces a level.
    pub fn to_text(&self) -> String {
        let mut all = String::with_capacity(self.text.len() * 2);
        for line in &self.lines {
            if !line.continues {
                if !all.is_empty() {
                    all.push('\n');
                }
                (0..line.depth).for_each(|_| all.push_str("  "));
            }
            all.push_str(self.slice(line.start..line.end));
        }
        all
    }

    fn slice(&self, range: Range<u32>) -> &str {
        self.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

impl Folds {
    fn hidden(&self) -> usize {
        self.outer.iter().map(|(open, close)| (close - open) as usize).sum()
    }

    /// Returns the line of a row, and whether what it opens is folded.
    fn line_at(&self, row: usize) -> (usize, bool) {
        let mut line = row;
        for &(open, close) in &self.outer {
            let open = open as usize;
            if line <= open {
                return (line, line == open);
            }
            line += close as usize - open;
        }
        (line, false)
    }

    fn toggle(&mut self, open: u32, close: u32) {
        match self.all.binary_search(&(open, close)) {
            Ok(place) => {
                self.all.remove(place);
            }
            Err(place) => self.all.insert(place, (open, close)),
        }
        self.outer.clear();
        let mut end = 0;
        for &(open, close) in &self.all {
            // Ordered by their opening lines, and nested: what begins within one also ends there.
            if open >= end {
                self.outer.push((open, close));
                end = close;
            }
        }
    }
}

/// What a parser does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Reads a value, or the beginning of one that contains others.
    Value,
    /// Closes what ends after it.
    AfterValue,
}

/// A text longer than this, in bytes, is split into lines a slice at a time.
const LONG_BYTES: usize = 1 << 16;

/// Writes an outline, value by value.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    outline: Outline,
    columns: usize,
    /// The lines whose brackets aren't closed yet.
    open: Vec<u32>,
    /// The line being written: its start and the end of its name.
    begun: Option<(u32, u32)>,
    /// A long text that isn't split into lines yet.
    long: Option<Long>,
}

#[derive(Clone, Copy, Debug)]
struct Long {
    start: u32,
    key_end: u32,
    kind: Kind,
    continues: bool,
    /// Where its value begins in the payload.
    at: usize,
}

impl Writer {
    /// Creates a writer for lines of about this many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { outline: Outline::default(), columns, open: Vec::new(), begun: None, long: None }
    }

    /// Returns what is written so far.
    pub(super) const fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Returns the same, for folding.
    pub(super) const fn outline_mut(&mut self) -> &mut Outline {
        &mut self.outline
    }

    /// Continues with a long text, for about this many bytes; returns `true` when nothing is left
    /// to be split into lines.
    pub(super) fn continue_text(&mut self, bytes: usize) -> Result<bool, FormatError> {
        let Some(long) = self.long.take() else { return Ok(true) };
        self.put_lines(long, bytes)
    }

    /// Writes the name of the value that follows, on the same line.
    pub(super) fn name(&mut self, name: &str) {
        self.begin();
        self.outline.text.push_str(name);
        self.outline.text.push_str(": ");
        self.begun = self.begun.map(|(start, _)| (start, self.end()));
    }

    /// Writes text before the value that follows, on the same line.
    pub(super) fn prefix(&mut self, text: &str) {
        self.begin();
        self.outline.text.push_str(text);
    }

    /// Writes a value that contains no others.
    pub(super) fn value(&mut self, text: &str, kind: Kind, at: usize) -> Result<(), FormatError> {
        self.begin();
        self.outline.text.push_str(text);
        self.count_item();
        let Some((start, key_end)) = self.begun.take() else { return Ok(()) };
        self.put_lines(Long { start, key_end, kind, continues: false, at }, LONG_BYTES).map(drop)
    }

    /// Opens a value that contains the following ones, up to `close`.
    pub(super) fn open(&mut self, bracket: &str, at: usize) -> Result<(), FormatError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(FormatError::too_deep(at));
        }
        self.begin();
        self.outline.text.push_str(bracket);
        self.count_item();
        self.end_line(Kind::Plain, at)?;
        self.open.push(self.outline.lines.len() as u32 - 1);
        Ok(())
    }

    /// Closes what was opened last.
    pub(super) fn close(&mut self, bracket: &str, at: usize) -> Result<(), FormatError> {
        let Some(opened) = self.open.pop() else { return Ok(()) };
        // An empty value: one line.
        if opened as usize + 1 == self.outline.lines.len() {
            self.append(bracket);
            return Ok(());
        }
        self.begin();
        self.outline.text.push_str(bracket);
        self.end_line(Kind::Plain, at)?;
        let closed_by = self.outline.lines.len() as u32 - 1;
        if let Some(line) = self.outline.lines.get_mut(opened as usize) {
            line.closed_by = closed_by;
        }
        Ok(())
    }

    /// Appends a comma if another value precedes the one that follows.
    pub(super) fn separate(&mut self) {
        let is_first = |&opened: &u32| opened as usize + 1 == self.outline.lines.len();
        if self.begun.is_none() && !self.open.last().is_none_or(is_first) {
            self.append(",");
        }
    }

    /// Appends to the last line what is known only after it: a comma.
    pub(super) fn append(&mut self, text: &str) {
        self.outline.text.push_str(text);
        let end = self.end();
        if let Some(line) = self.outline.lines.last_mut() {
            line.end = end;
        }
    }

    fn count_item(&mut self) {
        self.outline.items += usize::from(self.open.is_empty());
    }

    fn end(&self) -> u32 {
        // A packet has at most 16 MiB, and nothing is written at more than six times its size.
        self.outline.text.len() as u32
    }

    fn begin(&mut self) {
        let end = self.end();
        self.begun.get_or_insert((end, end));
    }

    /// Ends the line, which is split into several if it is too long.
    fn end_line(&mut self, kind: Kind, at: usize) -> Result<(), FormatError> {
        let Some((start, key_end)) = self.begun.take() else { return Ok(()) };
        self.put_lines(Long { start, key_end, kind, continues: false, at }, usize::MAX).map(drop)
    }

    /// Splits what is written since `long.start` into lines, for about this many bytes; returns
    /// `true` when all of it is done.
    fn put_lines(&mut self, mut long: Long, bytes: usize) -> Result<bool, FormatError> {
        let end = self.end();
        let depth = self.open.len() as u16;
        let indent = 2 * usize::from(depth.min(Row::INDENT_MAX as u16));
        let columns = self.columns.saturating_sub(indent).max(COLUMNS_MIN);
        let until = (long.start as usize).saturating_add(bytes);
        loop {
            if self.outline.lines.len() >= ROWS_MAX {
                return Err(FormatError::new(long.at, format!("too many rows (maximum {ROWS_MAX})")));
            }
            let Long { start, key_end, kind, continues, .. } = long;
            let rest = self.outline.text.get(start as usize..end as usize).unwrap_or_default();
            let line_end = start + text::fitting(rest, columns) as u32;
            let line =
                Line { start, key_end: key_end.min(line_end), end: line_end, closed_by: 0, depth, kind, continues };
            self.outline.lines.push(line);
            if line_end >= end {
                return Ok(true);
            }
            long = Long { start: line_end, key_end: key_end.max(line_end), continues: true, ..long };
            if line_end as usize >= until {
                self.long = Some(long);
                return Ok(false);
            }
        }
    }
}

/// A line is never narrower than this, however deeply it is nested.
const COLUMNS_MIN: usize = 16;

/// Returns the text in quotes, as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Returns bytes in CBOR's diagnostic notation: `h'dead'`.
pub(super) fn bytes_in_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len() + 3);
    out.push_str("h'");
    out.extend(
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).map(|digit| char::from(DIGITS[usize::from(digit)])),
    );
    out.push('\'');
    out
}

/// Returns a floating-point number in its shortest exact form.
pub(super) fn float(shortest: String) -> String {
    match shortest.as_str() {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        _ => shortest,
    }
}
