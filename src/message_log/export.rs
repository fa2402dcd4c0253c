//! Exports the log in slices: intake never waits, and at most one slice is in memory in addition to
//! the log.
//!
//! An export ends with the message that was the newest when it began, however fast more arrive.
//! Messages evicted before they are written are missing in the file; the number of messages written
//! shows that.

use serde::{Deserialize, Serialize};

use crate::message_log::csv;
use crate::message_log::csv::Dialect;
use crate::message_log::query::Query;
use crate::message_log::{MessageLog, ndjson};

/// The file format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// As [`ndjson`], which can be imported again.
    #[default]
    Ndjson,
    /// As [`csv`], for spreadsheets.
    Csv(Dialect),
}

impl Format {
    /// Returns the file name extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv(_) => "csv",
        }
    }

    /// Returns its media type.
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
    /// All kept messages.
    #[default]
    All,
    /// The messages that match the filter in effect at the beginning.
    Matching,
}

/// A request for the next slice of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRequest {
    /// The file format.
    pub format: Format,
    /// Which messages are written.
    pub selection: Selection,
    /// The message number to continue from; 0 begins.
    pub from_seq: u64,
    /// The message number to end before; at the beginning the worker chooses it.
    pub end_seq: u64,
}

/// A slice of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPart {
    /// The requested message number.
    pub from_seq: u64,
    /// The message number before which the export ends.
    pub end_seq: u64,
    /// The message number to continue from; `None` at the end.
    pub next_seq: Option<u64>,
    /// Messages in this slice.
    pub messages: u64,
    /// The bytes for the file.
    pub bytes: Vec<u8>,
}

/// A slice is full at this size; small enough that neither intake nor the page's frames are
/// delayed.
pub const SLICE_BYTES: usize = 1 << 18;

/// The number of messages that one slice examines: a few milliseconds where none match the filter.
const SLICE_MESSAGES: u64 = 20_000;

/// Appends the messages from `from_seq` on to `out`, until the slice is full. Returns the number to continue from, if
/// there is more, and the number of messages written.
fn write_slice(log: &MessageLog, query: &Query, request: &ExportRequest, out: &mut Vec<u8>) -> (Option<u64>, u64) {
    let begin = request.from_seq.max(log.first_seq());
    let end = out.len() + SLICE_BYTES;
    let mut messages = 0;
    for message in log.iter_from(begin).take_while(|message| message.seq < request.end_seq) {
        if out.len() >= end || message.seq >= begin + SLICE_MESSAGES {
            return (Some(message.seq), messages);
        }
        if query.matches(&message) {
            match request.format {
                Format::Ndjson => ndjson::write_message(&message, out),
                Format::Csv(dialect) => csv::write_message(&message, dialect, out),
            }
            messages += 1;
        }
    }
    (None, messages)
}

/// Returns the requested slice of the log.
pub(crate) fn part_of(log: &MessageLog, query: &Query, mut request: ExportRequest) -> ExportPart {
    let mut bytes = Vec::with_capacity(SLICE_BYTES + (SLICE_BYTES >> 4));
    if request.from_seq == 0 {
        request.end_seq = log.next_seq();
        if let Format::Csv(dialect) = request.format {
            csv::write_head(dialect, &mut bytes);
        }
    }
    let (next_seq, messages) = write_slice(log, query, &request, &mut bytes);
    ExportPart { from_seq: request.from_seq, end_seq: request.end_seq, next_seq, messages, bytes }
}

/// An export in progress, as seen by the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportState {
    next: Option<ExportRequest>,
    messages: u64,
}

impl ExportState {
    /// Begins an export.
    pub const fn new(format: Format, selection: Selection) -> Self {
        Self { next: Some(ExportRequest { format, selection, from_seq: 0, end_seq: u64::MAX }), messages: 0 }
    }

    /// Returns the next request; `None` when there is nothing to request.
    pub const fn request(&self) -> Option<ExportRequest> {
        self.next
    }

    /// Returns the number of messages received so far.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Handles a slice, and returns the bytes for the file; `None` where it isn't the requested
    /// one.
    pub fn take(&mut self, part: ExportPart) -> Option<Vec<u8>> {
        let asked = self.next.filter(|asked| asked.from_seq == part.from_seq)?;
        self.messages += part.messages;
        self.next = part.next_seq.map(|from_seq| ExportRequest { from_seq, end_seq: part.end_seq, ..asked });
        Some(part.bytes)
    }
}
