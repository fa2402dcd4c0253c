//! A script as shown before it is transmitted: its lines, and between them the rows that were left
//! out.

use crate::dialogue::Line;
use crate::dialogue::script::{ColumnChoice, Columns, Format, Reader, ReaderOptions, ScriptError, ScriptLine, Summary};
use crate::format::grouped;

/// The most lines of a script; lines beyond that are reported as too many.
pub const LINES_MAX: usize = 200_000;

/// The most faults that are listed; further ones are counted.
const FAULTS_MAX: usize = 10_000;

/// A row of the script that isn't silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line to transmit, and its index, from 0.
    Line(usize, ScriptLine),
    /// A row that was skipped.
    Error(ScriptError),
}

/// A script as shown; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    name: String,
    entries: Vec<Entry>,
    /// The entry of each line.
    lines: Vec<usize>,
    faults: usize,
    /// The number of lines beyond [`LINES_MAX`].
    surplus: usize,
    summary: Summary,
}

/// Reads a file into a [`Sheet`], in pieces.
#[derive(Clone, Debug)]
pub struct SheetReader {
    reader: Reader,
    sheet: Sheet,
}

impl SheetReader {
    /// Detects the format by the file's name, or else by its beginning.
    pub fn new(name: &str, columns: ColumnChoice) -> Self {
        let sheet = Sheet { name: name.to_owned(), ..Sheet::default() };
        let options = ReaderOptions { format: Format::of_file_name(name), columns, is_live: false };
        Self { reader: Reader::new(options), sheet }
    }

    /// Adds the next piece of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        self.drain();
    }

    /// Ends the file.
    pub fn finish(mut self) -> Sheet {
        self.reader.end();
        self.drain();
        self.sheet.summary = self.reader.summary();
        self.sheet
    }

    fn drain(&mut self) {
        while let Some(row) = self.reader.poll() {
            self.sheet.push(row);
        }
    }
}

impl Sheet {
    fn push(&mut self, row: Result<ScriptLine, ScriptError>) {
        match row {
            Ok(_) if self.lines.len() == LINES_MAX => self.surplus += 1,
            Ok(line) => {
                self.lines.push(self.entries.len());
                self.entries.push(Entry::Line(self.lines.len() - 1, line));
            }
            Err(fault) => {
                self.faults += 1;
                if self.faults <= FAULTS_MAX {
                    self.entries.push(Entry::Error(fault));
                }
            }
        }
    }

    /// Returns the file's name; empty before there is one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the columns of a table, whether or not they are recognized.
    pub fn columns(&self) -> Option<&Columns> {
        self.summary.columns.as_ref()
    }

    /// Returns all rows, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the number of lines to transmit.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is nothing to transmit.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns this line, counted from 0.
    pub fn line(&self, index: usize) -> Option<&Line> {
        match self.entries.get(self.entry_of(index)?)? {
            Entry::Line(_, spoken) => Some(&spoken.line),
            Entry::Error(_) => None,
        }
    }

    /// Returns the index of this line among the entries.
    pub fn entry_of(&self, index: usize) -> Option<usize> {
        self.lines.get(index).copied()
    }

    /// Returns the first line at or after this entry.
    pub fn line_at(&self, entry: usize) -> usize {
        self.lines.partition_point(|&at| at < entry)
    }

    /// Returns a description of the script; empty before there is a file.
    pub fn description(&self) -> String {
        if self.name.is_empty() {
            return String::new();
        }
        let Self { name, summary, .. } = self;
        if let Some(unreadable) = &summary.unreadable {
            return format!("Couldn't read {name}. {unreadable}");
        }
        let mut text = match self.len() {
            0 => format!("No usable lines in {name}. {}", summary.example()),
            _ => format!("{name}: {}", summary.counts()),
        };
        let first = self.entries.iter().find_map(|entry| match entry {
            Entry::Error(fault) => Some(fault),
            Entry::Line(..) => None,
        });
        if let Some(fault) = first {
            let which = if self.faults > 1 { " First: " } else { " Error in " };
            text.push_str(which);
            text.push_str(&fault.to_string());
        }
        for note in summary.notes() {
            text.push_str(&format!(" {note}"));
        }
        if self.surplus > 0 {
            let (most, more) = (grouped(LINES_MAX as u64), grouped(self.surplus as u64));
            text.push_str(&format!(" {more} lines skipped (maximum {most})."));
        }
        text
    }
}

/// Returns the description of a row that was skipped: its position and what is wrong.
pub fn skipped(fault: &ScriptError) -> String {
    format!("Skipped: {fault}")
}
