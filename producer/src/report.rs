//! The reports of a transmission while it runs, and its summary.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mqtt_crawl::mqtt::deviation::Deviation;
use mqtt_crawl::mqtt::error::{EncodeError, Failure};
use mqtt_crawl::mqtt::failure_history::RECURRENT;
use mqtt_crawl::mqtt::packet::{QoS, ReasonCode, Version};
use mqtt_crawl::mqtt::session::event::PublishError;

use crate::script::{FileSummary, SkippedRow};

/// A report of a running transmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A row of the script isn't sent.
    SkippedRow(SkippedRow),
    /// A live file has ended: how much of it was read.
    File(FileSummary),
    /// The broker accepted the connection, the first one or a later one.
    Connected {
        /// The version in use.
        version: Version,
        /// Whether "auto" tried 5.0 first and fell back.
        fell_back: bool,
        /// After a lost connection: the line, from 1, that is sent next, either one that wasn't acknowledged or the
        /// following one; `None` if no line is known.
        resumes_at: Option<u64>,
    },
    /// The broker supports no more than this quality of service; the lines are sent with it.
    QosLowered {
        /// The requested quality of service.
        asked: QoS,
        /// The quality of service that is used.
        granted: QoS,
    },
    /// The connection failed or was lost, and is retried.
    Lost {
        /// The failure.
        failure: Box<Failure>,
        /// The delay before the next attempt.
        retry_in: Duration,
    },
    /// The broker broke a rule, which is tolerated.
    Deviated(Deviation),
    /// The broker hasn't acknowledged a line for a long time.
    Unanswered,
    /// More lines are done, or the transmission was paused, resumed or moved to another line.
    Progress(Progress),
    /// A line won't arrive, or may not have arrived.
    LineFailed(FailedLine),
}

/// The progress through the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of lines acknowledged since the beginning; at QoS 0, sent.
    pub acknowledged: u64,
    /// The last line sent or seeked to, from 1; 0 before the first.
    pub line: u64,
    /// The number of lines in the script; `None` while more may arrive.
    pub lines: Option<u64>,
    /// The remaining time at this pace; `None` when it repeats, and while more lines may arrive.
    pub left: Option<Duration>,
    /// Whether it is paused.
    pub is_paused: bool,
}

/// A line that isn't known to have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLine {
    /// Its position among the script's lines of dialogue, from 1.
    pub line: u64,
    /// Its row in the file, from 1.
    pub row: usize,
    /// The name of its file, if there are several.
    pub file: Option<Arc<str>>,
    /// The outcome.
    pub failure: LineFailure,
}

impl fmt::Display for FailedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {} (", self.line)?;
        if let Some(file) = &self.file {
            write!(f, "{file}, ")?;
        }
        write!(f, "row {}): {}", self.row, self.failure)
    }
}

/// The outcome of a line that isn't known to have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFailure {
    /// The transmission ended before its turn.
    NotSent,
    /// Its last acknowledgement was outstanding when the transmission ended.
    NotAcknowledged,
    /// The broker refused it.
    Refused(ReasonCode),
    /// It can't be sent to this broker.
    Impossible(EncodeError),
    /// The session didn't accept it.
    NotTaken(PublishError),
    /// The broker lost the session while the line was in flight at QoS 2. It wasn't sent again, because it could have
    /// arrived twice.
    Unknown,
    /// The broker ended the connection each time it was sent.
    EndsConnection {
        /// Size of its payload, in bytes.
        payload_bytes: usize,
    },
}

impl fmt::Display for LineFailure {
    /// Continues after "line 7 ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => f.write_str("not sent"),
            Self::NotAcknowledged => f.write_str("not acknowledged"),
            Self::Refused(reason) => write!(f, "refused by the broker: {reason}"),
            Self::Impossible(error) => write!(f, "can't be sent: {error}"),
            Self::NotTaken(error) => write!(f, "can't be sent: {error}"),
            Self::EndsConnection { payload_bytes } => write!(
                f,
                "the broker closed the connection each of the {RECURRENT} times it was sent ({payload_bytes} bytes); it \
                 may be too large, or its topic may be forbidden"
            ),
            Self::Unknown => {
                f.write_str("may not have arrived: the broker lost the session while the line was in flight")
            }
        }
    }
}

/// How a transmission ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every line was sent.
    Complete,
    /// It was stopped.
    Stopped,
    /// No line can be sent to this broker in this way.
    Unsuitable(EncodeError),
    /// The broker ended the connection at several lines in a row; this is the last failure.
    LinesRejected(Box<Failure>),
    /// There is no connection, and it isn't retried.
    Failed(Box<Failure>),
}

/// The summary of a transmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The number of lines to be sent: those that were sent or skipped and, unless repeating, those that remained. For
    /// a live source, only as far as it was read.
    pub lines: u64,
    /// The number of those fully acknowledged; at QoS 0, sent.
    pub acknowledged: u64,
    /// Whether acknowledgements were requested at all (QoS 1 and 2).
    pub acknowledging: bool,
    /// The others, in order; when repeating, only the first [`Summary::FAILED_KEPT`].
    pub failed: Vec<FailedLine>,
    /// Whether the script couldn't be read to its end.
    pub is_cut_short: bool,
    /// How it ended.
    pub end: End,
}

impl Summary {
    /// The limit on remembered failures of a transmission that repeats, possibly for weeks.
    pub const FAILED_KEPT: usize = 1_000;

    /// Returns the program's exit status: 0 all lines acknowledged, 1 some were not, 2 wrong use, 3 refused by the
    /// broker.
    pub fn exit_status(&self) -> u8 {
        match &self.end {
            End::Failed(failure) => match **failure {
                Failure::Refused { .. } | Failure::ServerDisconnect(_) => 3,
                Failure::EncodeFailed(_) => 2,
                _ => 1,
            },
            _ if self.acknowledged == self.lines && !self.is_cut_short => 0,
            _ => 1,
        }
    }

    /// Describes the failed lines as text, neighbours with the same outcome together: "Lines 7–9 (rows 8–10): not
    /// acknowledged".
    pub fn describe_failed(&self) -> Vec<String> {
        let mut descriptions = Vec::new();
        let mut rest = self.failed.as_slice();
        while let [first, ..] = rest {
            let count = rest
                .iter()
                .zip(first.line..)
                .take_while(|(failed, line)| {
                    failed.line == *line && failed.failure == first.failure && failed.file == first.file
                })
                .count();
            let last = &rest[count - 1];
            descriptions.push(if count == 1 {
                first.to_string()
            } else {
                let file = first.file.as_ref().map_or_else(String::new, |file| format!("{file}, "));
                let rows = format!("rows {}–{}", first.row, last.row);
                format!("Lines {}–{} ({file}{rows}): {}", first.line, last.line, first.failure)
            });
            rest = &rest[count..];
        }
        descriptions
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = if self.lines == 1 { "line" } else { "lines" };
        write!(f, "{} of {} {lines} ", self.acknowledged, self.lines)?;
        f.write_str(if self.acknowledging { "acknowledged" } else { "sent (no acknowledgements at QoS 0)" })
    }
}

#[cfg(test)]
mod tests {
    use mqtt_crawl::mqtt::error::{CloseInfo, Stage};
    use mqtt_crawl::mqtt::packet::{Disconnect, Refusal};

    use super::*;

    fn summary(lines: u64, acknowledged: u64, end: End) -> Summary {
        Summary { lines, acknowledged, acknowledging: true, failed: Vec::new(), is_cut_short: false, end }
    }

    #[test]
    fn exit_statuses() {
        let check = |lines, acknowledged, end: End, status: u8| {
            assert_eq!(summary(lines, acknowledged, end.clone()).exit_status(), status, "{end:?}");
        };
        let refused = Failure::Refused { refusal: Refusal::V311(4), reason_string: None, server_reference: None };
        let goodbye = Failure::ServerDisconnect(Disconnect::new(ReasonCode::SESSION_TAKEN_OVER));
        let closed = Failure::Closed { stage: Stage::Dialing, closed: CloseInfo::default() };
        let too_long = EncodeError::TooLong { field: "user name", bytes: 70_000 };
        check(3, 3, End::Complete, 0);
        check(3, 2, End::Complete, 1);
        check(7, 7, End::Stopped, 0);
        check(7, 6, End::Stopped, 1);
        assert_eq!(Summary { is_cut_short: true, ..summary(3, 3, End::Complete) }.exit_status(), 1);
        check(3, 0, End::Unsuitable(too_long.clone()), 1);
        check(3, 0, End::Failed(Box::new(closed)), 1);
        check(3, 0, End::Failed(Box::new(Failure::EncodeFailed(too_long))), 2);
        check(3, 0, End::Failed(Box::new(refused)), 3);
        check(3, 2, End::Failed(Box::new(goodbye)), 3);
    }

    #[test]
    fn failed_lines_are_grouped_into_ranges() {
        let failed = |line: usize, failure: &LineFailure| FailedLine {
            line: line as u64,
            row: line + 1,
            file: (line > 6).then(|| "b.csv".into()),
            failure: failure.clone(),
        };
        let (late, unsent) = (LineFailure::NotAcknowledged, LineFailure::NotSent);
        let summary = Summary {
            failed: vec![failed(2, &late), failed(4, &late), failed(5, &late), failed(6, &unsent), failed(7, &unsent)],
            ..summary(7, 2, End::Stopped)
        };
        assert_eq!(
            summary.describe_failed(),
            [
                "Line 2 (row 3): not acknowledged",
                "Lines 4–5 (rows 5–6): not acknowledged",
                "Line 6 (row 7): not sent",
                "Line 7 (b.csv, row 8): not sent",
            ]
        );
    }

    #[test]
    fn summary_is_one_line() {
        let all = summary(120, 120, End::Complete);
        assert_eq!(all.to_string(), "120 of 120 lines acknowledged");
        assert_eq!(summary(1, 0, End::Complete).to_string(), "0 of 1 line acknowledged");
        let unasked = Summary { acknowledging: false, ..all };
        assert_eq!(unasked.to_string(), "120 of 120 lines sent (no acknowledgements at QoS 0)");
    }
}
