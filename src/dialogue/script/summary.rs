//! The result of reading a script: how much was read, what was left out, and what a file seems to
//! be if it can't be read.

use std::fmt;

use super::{Columns, Format};
use crate::format;

/// Legitimate parts of a script that aren't spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unspoken {
    /// Place and time of a scene, or a Markdown heading.
    Heading,
    /// An action.
    Action,
    /// How something is spoken, or a sound.
    Direction,
    /// A transition to the next scene.
    Transition,
    /// A note, a synopsis or a comment.
    Note,
    /// A row of the title page.
    TitlePage,
    /// A messenger's own notice.
    System,
    /// A picture or a file that isn't included.
    Attachment,
}

impl Unspoken {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Heading,
        Self::Action,
        Self::Direction,
        Self::Transition,
        Self::Note,
        Self::TitlePage,
        Self::System,
        Self::Attachment,
    ];

    /// Returns the singular and the plural.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Heading => ("heading", "headings"),
            Self::Action => ("action row", "action rows"),
            Self::Direction => ("direction", "directions"),
            Self::Transition => ("transition", "transitions"),
            Self::Note => ("note", "notes"),
            Self::TitlePage => ("title page row", "title page rows"),
            Self::System => ("system message", "system messages"),
            Self::Attachment => ("attachment", "attachments"),
        }
    }
}

/// Why nothing of a script can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It isn't text, or isn't a script: what it seems to be and what to do.
    NotAScript(&'static str),
    /// A table without a column that is recognized as text.
    NoTextColumn(Columns),
    /// A table without the column that was chosen.
    NoColumn(Columns, String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAScript(text) => f.write_str(text),
            Self::NoTextColumn(columns) => write!(
                f,
                "No text column found. The first row has to name the columns, such as character,text. The columns \
                 are {}.",
                columns.list()
            ),
            Self::NoColumn(columns, name) => {
                write!(f, "There is no column {name}. The columns are {}.", columns.list())
            }
        }
    }
}

/// The result of reading a script so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its format; `None` before its beginning was read.
    pub format: Option<Format>,
    /// The number of rows that are lines of dialogue.
    pub read: usize,
    /// The number of rows left out.
    pub skipped: usize,
    /// The number of rows that aren't spoken, in the order of [`Unspoken::ALL`].
    pub unspoken: [usize; Unspoken::ALL.len()],
    /// The columns of a table.
    pub columns: Option<Columns>,
    /// The first line that isn't UTF-8 and was read as Windows-1252.
    pub not_utf8_at: Option<usize>,
    /// Why nothing can be read.
    pub unreadable: Option<Unreadable>,
}

impl Summary {
    /// Returns how much was read: "1,082 of 1,108 rows read, 26 skipped."
    pub fn counts(&self) -> String {
        let all = self.read + self.skipped;
        let rows = if all == 1 { "row" } else { "rows" };
        let mut text = format!("{} of {} {rows} read", format::grouped(self.read as u64), format::grouped(all as u64));
        if self.skipped > 0 {
            text.push_str(&format!(", {} skipped", format::grouped(self.skipped as u64)));
        }
        text.push('.');
        text
    }

    /// Returns further remarks, one sentence each; possibly none.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let unspoken = Unspoken::ALL.into_iter().zip(self.unspoken).filter(|(_, count)| *count > 0);
        let unspoken: Vec<_> = unspoken
            .map(|(kind, count)| {
                let (one, several) = kind.names();
                format!("{} {}", format::grouped(count as u64), if count == 1 { one } else { several })
            })
            .collect();
        if !unspoken.is_empty() {
            notes.push(format!("Not spoken: {}.", unspoken.join(", ")));
        }
        if let Some(columns) = self.columns.as_ref().filter(|columns| columns.text.is_some()) {
            if !columns.has_header {
                notes.push(columns.describe());
            } else if columns.speaker.is_none() && columns.names.len() > 1 {
                notes.push(format!("No speaker column found. The columns are {}.", columns.list()));
            }
        }
        if let Some(line) = self.not_utf8_at.filter(|_| self.read > 0) {
            let line = format::grouped(line as u64);
            notes.push(format!("Not UTF-8 from line {line} on; read as Windows-1252."));
        }
        notes
    }

    /// Returns an example of a script for a person whose file has no line, in the format that it
    /// seems to have.
    pub const fn example(&self) -> &'static str {
        match self.format {
            Some(Format::Csv) => {
                "The first row names the columns, such as character,text. A row looks like this: IDA,Spoken text"
            }
            Some(Format::Tsv) => "The first row names the columns character and text. Cells are separated by tabs.",
            Some(Format::JsonLines) => r#"A row looks like this: {"character":"IDA","text":"Spoken text"}"#,
            Some(Format::Rows) => r#"A row looks like this: "1" "CHARACTER" "Spoken text""#,
            Some(Format::Subtitles) => "Text follows a time code, such as 00:00:01,000 --> 00:00:03,500.",
            Some(Format::Screenplay) => "A name in capitals follows a blank row, and the text is below the name.",
            Some(Format::Chat) => "A message looks like this: 21/11/2026, 10:00 - Ida: Spoken text",
            Some(Format::Text) | None => "A row looks like this: CHARACTER: Spoken text",
        }
    }
}

impl fmt::Display for Summary {
    /// Writes all of it in one row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unreadable {
            Some(unreadable) => write!(f, "It can't be read. {unreadable}"),
            None => {
                f.write_str(&self.counts())?;
                self.notes().iter().try_for_each(|note| write!(f, " {note}"))
            }
        }
    }
}
