//! A script as it is shown before it is transmitted: its lines, and in between
//! the rows that were left out.

use crate::dialogue::Line;
use crate::dialogue::script::{ColumnChoice, Columns, Format, Reader, ReaderOptions, ScriptError, ScriptLine, Summary};
use crate::format::grouped;

/// More lines of a script are told to be too many.
pub const LINES_MAX: usize = 200_000;

/// So many faults are listed; the others are counted.
const FAULTS_MAX: usize = 10_000;

/// A row of the script that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line to transmit, and which of them, from 0.
    Line(usize, ScriptLine),
    /// A row that is left out.
    Error(ScriptError),
}

/// See the module's page.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    name: String,
    entries: Vec<Entry>,
    /// The entry of each line.
    lines: Vec<usize>,
    faults: usize,
    /// Lines that are too many.
    surplus: usize,
    summary: Summary,
}

/// Reads a file into a [`Sheet`], piece by piece.
#[derive(Clone, Debug)]
pub struct SheetReader {
    reader: Reader,
    sheet: Sheet,
}

impl SheetReader {
    /// The file's name says how it is written, or else its beginning does.
    pub fn new(name: &str, columns: ColumnChoice) -> Self {
        let sheet = Sheet { name: name.to_owned(), ..Sheet::default() };
        let options = ReaderOptions { format: Format::of_file_name(name), columns, is_live: false };
        Self { reader: Reader::new(options), sheet }
    }

    /// The next piece of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        self.drain();
    }

    /// The file has ended.
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

    /// The file's name; empty before there is one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns of a table, whether or not they are known.
    pub fn columns(&self) -> Option<&Columns> {
        self.summary.columns.as_ref()
    }

    /// All rows, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many lines there are to transmit.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is nothing to transmit.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// This line, counted from 0.
    pub fn line(&self, index: usize) -> Option<&Line> {
        match self.entries.get(self.entry_of(index)?)? {
            Entry::Line(_, spoken) => Some(&spoken.line),
            Entry::Error(_) => None,
        }
    }

    /// Where this line stands among the entries.
    pub fn entry_of(&self, index: usize) -> Option<usize> {
        self.lines.get(index).copied()
    }

    /// The first line at or after this entry.
    pub fn line_at(&self, entry: usize) -> usize {
        self.lines.partition_point(|&at| at < entry)
    }

    /// What there is of it, in words; nothing before there is a file.
    pub fn words(&self) -> String {
        if self.name.is_empty() {
            return String::new();
        }
        let Self { name, summary, .. } = self;
        if let Some(unreadable) = &summary.unreadable {
            return format!("{name} can't be read. {unreadable}");
        }
        let mut words = match self.len() {
            0 => format!("{name} holds no line that can be sent. {}", summary.example()),
            _ => format!("{name}: {}", summary.counts()),
        };
        let first = self.entries.iter().find_map(|entry| match entry {
            Entry::Error(fault) => Some(fault),
            Entry::Line(..) => None,
        });
        if let Some(fault) = first {
            let which = if self.faults > 1 { " The first: " } else { " " };
            words.push_str(&format!("{which}{}", left_out(fault)));
        }
        for note in summary.notes() {
            words.push_str(&format!(" {note}"));
        }
        if self.surplus > 0 {
            let (most, more) = (grouped(LINES_MAX as u64), grouped(self.surplus as u64));
            words.push_str(&format!(" {most} lines are the most; {more} more are left out."));
        }
        words
    }
}

/// A row that is left out, in words: where it stands and what is wrong.
pub fn left_out(fault: &ScriptError) -> String {
    format!("{fault} Left out.")
}
