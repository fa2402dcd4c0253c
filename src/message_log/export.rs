//! The log on its way into a file, a slice at a time: intake never waits, and
//! no more than a slice is in memory beside the log.
//!
//! An export ends with the newest message there was when it began, however
//! fast more come. What makes room for them before its turn is missing in the
//! file, and the count of what was written says so.

use serde::{Deserialize, Serialize};

use crate::message_log::csv;
use crate::message_log::csv::Dialect;
use crate::message_log::query::Query;
use crate::message_log::{MessageLog, ndjson};

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// As [`ndjson`], which can be imported again.
    #[default]
    Ndjson,
    /// As [`csv`], for spreadsheets.
    Csv(Dialect),
}

impl Format {
    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv(_) => "csv",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv(_) => "text/csv",
        }
    }
}

/// Which messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// All that are kept.
    #[default]
    All,
    /// Those that the filter lets through which was in force at the beginning.
    Matching,
}

/// What comes next of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// How messages are written.
    pub format: Format,
    /// Which of them.
    pub selection: Selection,
    /// The number to go on from; 0 begins.
    pub from_seq: u64,
    /// The number to end before; at the beginning the worker chooses it.
    pub end_seq: u64,
}

/// A slice of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPart {
    /// What was asked for.
    pub from_seq: u64,
    /// Where the export ends.
    pub end_seq: u64,
    /// Where to go on; `None` at the end.
    pub next_seq: Option<u64>,
    /// Messages in this slice.
    pub messages: u64,
    /// What goes into the file.
    pub bytes: Vec<u8>,
}

/// A slice is full with so many bytes; small enough that neither intake nor the
/// page's frames wait for it.
pub const SLICE_BYTES: usize = 1 << 18;

/// How many messages one slice looks at: a few milliseconds where the filter
/// lets none of them through.
const SLICE_MESSAGES: u64 = 20_000;

/// Appends the messages from `from_seq` on to `out`, until about
/// `budget_bytes` are written. Gives the number to go on from, if there is
/// more, and how many were written.
pub(crate) fn write_slice(
    log: &MessageLog,
    query: &Query,
    glance: &ExportRequest,
    budget_bytes: usize,
    out: &mut Vec<u8>,
) -> (Option<u64>, u64) {
    let begin = glance.from_seq.max(log.first_seq());
    let end = out.len() + budget_bytes;
    let mut messages = 0;
    for message in log.iter_from(begin).take_while(|message| message.seq < glance.end_seq) {
        if out.len() >= end || message.seq >= begin + SLICE_MESSAGES {
            return (Some(message.seq), messages);
        }
        if query.matches(&message) {
            match glance.format {
                Format::Ndjson => ndjson::write_message(&message, out),
                Format::Csv(dialect) => csv::write_message(&message, dialect, out),
            }
            messages += 1;
        }
    }
    (None, messages)
}

/// A slice of the log as it was asked for.
pub(crate) fn part_of(log: &MessageLog, query: &Query, mut glance: ExportRequest) -> ExportPart {
    let mut bytes = Vec::with_capacity(SLICE_BYTES + (SLICE_BYTES >> 4));
    if glance.from_seq == 0 {
        glance.end_seq = log.next_seq();
        if let Format::Csv(dialect) = glance.format {
            csv::write_head(dialect, &mut bytes);
        }
    }
    let (next_seq, messages) = write_slice(log, query, &glance, SLICE_BYTES, &mut bytes);
    ExportPart { from_seq: glance.from_seq, end_seq: glance.end_seq, next_seq, messages, bytes }
}

/// An export on its way from the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportState {
    next: Option<ExportRequest>,
    messages: u64,
}

impl ExportState {
    /// Begins to ask.
    pub const fn new(format: Format, selection: Selection) -> Self {
        Self { next: Some(ExportRequest { format, selection, from_seq: 0, end_seq: u64::MAX }), messages: 0 }
    }

    /// What to ask for next; `None` when there is nothing to ask for.
    pub const fn glance(&self) -> Option<ExportRequest> {
        self.next
    }

    /// Messages that came so far.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Takes a part, and gives what goes into the file; `None` where it isn't
    /// the one that was asked for.
    pub fn take(&mut self, part: ExportPart) -> Option<Vec<u8>> {
        let asked = self.next.filter(|asked| asked.from_seq == part.from_seq)?;
        self.messages += part.messages;
        self.next = part.next_seq.map(|from_seq| ExportRequest { from_seq, end_seq: part.end_seq, ..asked });
        Some(part.bytes)
    }
}
