//! A script as it is shown before it is transmitted: its lines, and in between
//! the rows that were left out.

use crate::console::grouped;
use crate::dialogue::Line;
use crate::dialogue::script::{Fault, Format, Reader, ScriptLine};

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
    Fault(Fault),
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
}

/// Reads a file into a [`Sheet`], piece by piece.
#[derive(Clone, Debug)]
pub struct SheetReader {
    reader: Reader,
    sheet: Sheet,
}

impl SheetReader {
    /// The file's name says how it is written, or else its first row does.
    pub fn new(name: &str) -> Self {
        let sheet = Sheet { name: name.to_owned(), ..Sheet::default() };
        Self { reader: Reader::new(Format::of_file_name(name)), sheet }
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
        self.sheet
    }

    fn drain(&mut self) {
        while let Some(row) = self.reader.poll() {
            self.sheet.push(row);
        }
    }
}

impl Sheet {
    fn push(&mut self, row: Result<ScriptLine, Fault>) {
        match row {
            Ok(_) if self.lines.len() == LINES_MAX => self.surplus += 1,
            Ok(line) => {
                self.lines.push(self.entries.len());
                self.entries.push(Entry::Line(self.lines.len() - 1, line));
            }
            Err(fault) => {
                self.faults += 1;
                if self.faults <= FAULTS_MAX {
                    self.entries.push(Entry::Fault(fault));
                }
            }
        }
    }

    /// The file's name; empty before there is one.
    pub fn name(&self) -> &str {
        &self.name
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
            Entry::Fault(_) => None,
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
        let name = &self.name;
        let mut words = match self.len() {
            0 => format!("{name} holds no line that can be sent. A row looks like this: CHARACTER: Spoken text"),
            1 => format!("{name}: 1 line."),
            lines => format!("{name}: {} lines.", grouped(lines as u64)),
        };
        match self.faults {
            0 => {}
            1 => words.push_str(" One row is left out."),
            faults => words.push_str(&format!(" {} rows are left out.", grouped(faults as u64))),
        }
        let first = self.entries.iter().find_map(|entry| match entry {
            Entry::Fault(fault) => Some(fault),
            Entry::Line(..) => None,
        });
        if let Some(fault) = first {
            let which = if self.faults > 1 { " The first: " } else { " " };
            words.push_str(&format!("{which}{}", left_out(fault)));
        }
        if self.surplus > 0 {
            let (most, more) = (grouped(LINES_MAX as u64), grouped(self.surplus as u64));
            words.push_str(&format!(" {most} lines are the most; {more} more are left out."));
        }
        words
    }
}

/// A row that is left out, in words: where it stands and what is wrong.
pub fn left_out(fault: &Fault) -> String {
    format!("{fault} Left out.")
}
