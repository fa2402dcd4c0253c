//! Builds the console's rows, and the parts of a message for the inspector.

use std::ops::Range;

use crate::engine::filter_state::FilterState;
use crate::engine::imported_messages::ImportedMessages;
use crate::engine::subscriptions::RowColours;
use crate::format::{SPACE, is_control, spaces_at_ends, visible, visible_topic};
use crate::message_log::MessageLog;
use crate::message_log::message::Message;
use crate::message_log::mosquitto_command::BrokerAccess;
use crate::message_log::query::Query;
use crate::message_log::query::matches::Matches;
use crate::mqtt::deviation::Deviation;
use crate::protocol::message::{MessageDetails, MessagePart, MessageRequest};
use crate::protocol::rows::{HEX_BYTES, PREVIEW_BYTES, as_text, preview};
use crate::protocol::rows::{Highlights, ListMode, Pull, Row, Rows, SeekResult, SeekTarget, Window};
use crate::time::Instant;

/// Payload bytes per update: a few milliseconds of work. A longer payload takes several updates, so intake never waits
/// for it.
const PART_BYTES: usize = 1 << 20;

/// The message that the inspector shows, or the next part of it.
pub(super) fn part_of(log: &MessageLog, request: MessageRequest, reach: BrokerAccess) -> MessagePart {
    let found = log.message(request.seq).map(|message| {
        let rest = message.payload.get(request.from_byte as usize..).unwrap_or_default();
        MessageDetails {
            time: message.time,
            topic: message.topic.to_owned(),
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            properties: message.properties.to_vec(),
            payload_bytes: u32::try_from(message.payload.len()).unwrap_or(u32::MAX),
            from_byte: request.from_byte,
            payload: rest[..rest.len().min(PART_BYTES)].to_vec(),
        }
    });
    MessagePart { seq: request.seq, first_seq: log.first_seq(), next_seq: log.next_seq(), reach, found }
}

/// What the console's rows are built from.
pub(super) struct RowBuilder<'a> {
    pub(super) log: &'a MessageLog,
    pub(super) filter: &'a FilterState,
    pub(super) colours: &'a RowColours,
    pub(super) imported: &'a ImportedMessages,
    /// Arrival of the first message.
    pub(super) first_message_at: Instant,
}

impl RowBuilder<'_> {
    /// Builds the rows that the page requested.
    pub(super) fn rows(&self, pull: &Pull) -> Rows {
        let mut all = Matches::new(Query::default());
        let (list, id) = match pull.listed {
            ListMode::Matching if !self.filter.query().is_empty() => (self.filter.matches(), self.filter.generation()),
            _ => {
                // An empty query matches without looking at messages.
                let _ = all.advance(self.log, 0);
                (&all, 0)
            }
        };
        let end_seq = pull.until.unwrap_or(u64::MAX).min(self.log.next_seq());
        let total = list.count_before(end_seq);
        let begin = list.first_rank();
        // The index fits into an i64.
        let position_of = |index: u64| begin + index as i64;
        let mut sought = None;
        let (index, count) = match pull.window {
            Window::Tail { rows } => (total, rows),
            Window::At { first, rows } => (u64::try_from(first.saturating_sub(begin)).unwrap_or(0), rows),
            Window::Around { goal, rows } => {
                let found = self.find(goal, list, end_seq);
                let index = found.map_or(total, |seq| list.count_before(seq));
                sought = Some(SeekResult { goal, found: found.map(|seq| (seq, position_of(index))) });
                (index.saturating_sub(u64::from(rows / 2)), rows)
            }
        };
        let first = index.min(total.saturating_sub(u64::from(count)));
        let message_at = |index| list.seq_at(index).and_then(|seq| self.log.message(seq));
        let shown = first..(first + u64::from(count)).min(total);
        let is_filtered = !self.filter.query().is_empty();
        Rows {
            list: id,
            begin,
            total,
            newer: list.len() - total,
            end_seq,
            first: position_of(first),
            rows: shown.filter_map(message_at).map(|message| self.row(&message)).collect(),
            before: first.checked_sub(1).and_then(message_at).map(|message| message.time),
            zero: self.first_message_at,
            matches: is_filtered.then(|| self.filter.matches().len()),
            rank: pull.selected.and_then(|seq| self.rank(seq)),
            sought,
        }
    }

    /// Builds the row of a message.
    fn row(&self, message: &Message<'_>) -> Row {
        let colour = if self.imported.contains(message.seq) { None } else { self.colours.of(message.topic) };
        row(message, self.filter.query(), colour)
    }

    /// The number of the message that `goal` means.
    fn find(&self, goal: SeekTarget, list: &Matches, end_seq: u64) -> Option<u64> {
        let before =
            |matches: &Matches, seq| matches.count_before(seq).checked_sub(1).and_then(|at| matches.seq_at(at));
        let after = |matches: &Matches, seq| matches.seq_at(matches.count_before(seq)).filter(|seq| *seq < end_seq);
        // If that message has been removed, the search starts at the newest.
        let before_seq = |seq: u64| if seq < self.log.first_seq() { end_seq } else { seq.min(end_seq) };
        match goal {
            SeekTarget::Message(seq) => after(list, seq).filter(|found| *found == seq),
            SeekTarget::Near(seq) => after(list, seq).or_else(|| before(list, end_seq)),
            SeekTarget::RowAfter(seq) => after(list, seq.saturating_add(1)),
            SeekTarget::RowBefore(seq) => before(list, before_seq(seq)),
            SeekTarget::MatchAfter(seq) => after(self.filter.matches(), seq.saturating_add(1)),
            SeekTarget::MatchBefore(seq) => before(self.filter.matches(), before_seq(seq)),
        }
    }

    /// The position of this message among the matches, from 1.
    fn rank(&self, seq: u64) -> Option<u64> {
        let matches = self.filter.matches();
        if matches.query().is_empty() {
            return None;
        }
        let index = matches.count_before(seq);
        (matches.seq_at(index) == Some(seq)).then_some(index + 1)
    }
}

/// Builds the row of a message, with the filter's hits and the colour of its subscription.
fn row(message: &Message<'_>, query: &Query, colour: Option<u8>) -> Row {
    Row {
        seq: message.seq,
        time: message.time,
        topic: visible_topic(message.topic),
        qos: message.qos,
        retain: message.retain,
        dup: message.dup,
        deviation: Deviation::of_message(message.topic, message.qos, message.dup),
        preview: preview(message.payload),
        payload_bytes: u32::try_from(message.payload.len()).unwrap_or(u32::MAX),
        colour,
        marks: (!query.is_empty() && query.matches(message)).then(|| marks(message, query)),
    }
}

fn marks(message: &Message<'_>, query: &Query) -> Highlights {
    let shown = &message.payload[..message.payload.len().min(PREVIEW_BYTES)];
    let payload = match as_text(message.payload) {
        Some(text) => in_visible(text, (0, 0), query.hits_in_payload(text.as_bytes())),
        None => {
            let shown = &shown[..shown.len().min(HEX_BYTES)];
            query.hits_in_payload(shown).into_iter().map(|hit| (3 * hit.start as u32, 3 * hit.end as u32 - 1)).collect()
        }
    };
    let topic = in_visible(message.topic, spaces_at_ends(message.topic), query.hits_in_topic(message.topic));
    Highlights { topic, payload }
}

/// Maps hits to positions in the text with its control characters, and the given numbers of spaces at its start and its
/// end, made visible. A hit inside a character, which only byte searches have, covers the whole character.
fn in_visible(text: &str, (before, behind): (usize, usize), hits: Vec<Range<usize>>) -> Vec<(u32, u32)> {
    let is_as_it_is = hits.is_empty() || before + behind == 0 && !text.chars().any(is_control);
    let longer = SPACE.len() - 1;
    let place = |at: usize| match is_as_it_is {
        true => at as u32,
        false => {
            let spaces = at.min(before) + (at + behind).saturating_sub(text.len());
            (visible(&text[..at]).len() + spaces * longer) as u32
        }
    };
    let whole = |hit: Range<usize>| (text.floor_char_boundary(hit.start), text.ceil_char_boundary(hit.end));
    let mut marks: Vec<_> = hits.into_iter().map(whole).map(|(from, to)| (place(from), place(to))).collect();
    marks.dedup_by(|later, mark| {
        let touches = later.0 <= mark.1;
        mark.1 = if touches { later.1 } else { mark.1 };
        touches
    });
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::rows::Preview;

    #[test]
    fn previews_of_text_and_bytes() {
        let text = |shown: &str| Preview::Text(shown.to_owned());
        let long = "é".repeat(400);
        for (payload, shown) in [
            (&b""[..], text("")),
            (b"plain", text("plain")),
            (b"two\r\nlines\0", text("two\u{240d}\u{240a}lines\u{2400}")),
            ("\u{85}\u{2028}".as_bytes(), text("\u{fffd}\u{fffd}")),
            (b"\xff\x00", Preview::Hex("ff 00".to_owned())),
            // A character cut off by the end of the payload is invalid …
            (b"caf\xc3", Preview::Hex("63 61 66 c3".to_owned())),
            // … one cut off by the end of the preview isn't.
            (format!("a{long}").as_bytes(), text(&format!("a{}", "é".repeat(255)))),
        ] {
            assert_eq!(preview(payload), shown);
        }
    }

    #[test]
    fn spaces_at_the_ends_of_a_topic_are_visible() {
        for (topic, shown) in
            [("a b", "a b"), ("StarWars ", "StarWars␣"), (" a/ b  ", "␣a/ b␣␣"), ("  ", "␣␣"), ("a\t", "a␉"), ("", "")]
        {
            assert_eq!(visible_topic(topic), shown);
        }
    }

    #[test]
    fn hits_are_positions_in_the_shown_text() {
        let long = format!("{}needle", "é".repeat(300));
        for (line, topic, payload, expected) in [
            ("b", "abc", &b"abcb"[..], Some((vec![(1, 2)], vec![(1, 2), (3, 4)]))),
            ("x", "abc", b"abcb", None),
            ("", "abc", b"abcb", None),
            ("topic:#", "abc", b"abcb", Some((vec![], vec![]))),
            // The symbol of a control character has three bytes.
            ("b", "a", b"\n\0b", Some((vec![], vec![(6, 7)]))),
            ("hex:0a00", "a", b"\n\0b", Some((vec![], vec![(0, 6)]))),
            // So has the symbol of a space.
            ("b", " b ", b"", Some((vec![(3, 4)], vec![]))),
            ("topic:\"b \"", " b  ", b"", None),
            ("\"b \"", " b  ", b"", Some((vec![(3, 7)], vec![]))),
            ("b", "\u{85}b", b"", Some((vec![(3, 4)], vec![]))),
            // Each byte is two hex digits and a space.
            ("b", "a", b"\xffabc", Some((vec![], vec![(6, 8)]))),
            ("hex:6162", "a", b"\xffabc", Some((vec![], vec![(3, 8)]))),
            // A byte inside a character marks the whole character.
            ("hex:a9", "a", "éé".as_bytes(), Some((vec![], vec![(0, 4)]))),
            // Hits beyond the preview aren't marked.
            ("needle", "a", long.as_bytes(), Some((vec![], vec![]))),
        ] {
            let query = Query::parse(line, crate::message_log::query::LocalTime::default()).expect(line);
            let message = Message {
                seq: 1,
                time: crate::time::Instant::EPOCH,
                topic,
                qos: crate::mqtt::packet::QoS::AtMostOnce,
                retain: false,
                dup: false,
                properties: &[],
                payload,
            };
            let expected = expected.map(|(topic, payload)| Highlights { topic, payload });
            assert_eq!(row(&message, &query, None).marks, expected, "{line} in {topic}: {payload:?}");
        }
    }
}
