//! Builds the console row of a kept message, and its parts for the inspector.

use crate::format::{SPACE, is_control, spaces_at_ends, visible, visible_topic};
#[cfg(test)]
use crate::protocol::rows::Preview;
use crate::protocol::rows::{HEX_BYTES, PREVIEW_BYTES, as_text, preview};
use std::ops::Range;

use crate::message_log::mosquitto_command::BrokerAccess;
use crate::message_log::query::Query;
use crate::message_log::{Message, MessageLog};
use crate::mqtt::topic::TopicFilter;

use crate::protocol::message::MessageRequest;
use crate::protocol::message::{MessageDetails, MessagePart};
use crate::protocol::rows::{Highlights, Row};

/// Payload bytes per update: a few milliseconds of work. A longer payload takes several updates, so intake never waits
/// for it.
const PART_BYTES: usize = 1 << 20;

/// The message that the panels show, or the next part of it.
pub fn part_of(log: &MessageLog, glance: MessageRequest) -> MessagePart {
    let found = log.message(glance.seq).map(|message| {
        let rest = message.payload.get(glance.from_byte as usize..).unwrap_or_default();
        MessageDetails {
            time: message.time,
            topic: message.topic.to_owned(),
            qos: message.qos,
            retain: message.retain,
            dup: message.dup,
            properties: message.properties.to_vec(),
            payload_bytes: u32::try_from(message.payload.len()).unwrap_or(u32::MAX),
            from_byte: glance.from_byte,
            payload: rest[..rest.len().min(PART_BYTES)].to_vec(),
        }
    });
    let reach = BrokerAccess::default();
    MessagePart { seq: glance.seq, first_seq: log.first_seq(), next_seq: log.next_seq(), reach, found }
}

/// Builds the row of a message, with the filter's hits and its subscription.
pub fn of(message: &Message<'_>, query: &Query, subscriptions: &[TopicFilter]) -> Row {
    let brought_by = subscriptions.iter().position(|filter| filter.matches(message.topic));
    Row {
        seq: message.seq,
        time: message.time,
        topic: visible_topic(message.topic),
        qos: message.qos,
        retain: message.retain,
        dup: message.dup,
        preview: preview(message.payload),
        payload_bytes: u32::try_from(message.payload.len()).unwrap_or(u32::MAX),
        subscription: brought_by.and_then(|index| u8::try_from(index).ok()),
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

    #[test]
    fn payloads_are_shown_as_what_they_are() {
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
    fn spaces_at_the_ends_of_a_topic_are_seen() {
        for (topic, shown) in
            [("a b", "a b"), ("StarWars ", "StarWars␣"), (" a/ b  ", "␣a/ b␣␣"), ("  ", "␣␣"), ("a\t", "a␉"), ("", "")]
        {
            assert_eq!(visible_topic(topic), shown);
        }
    }

    #[test]
    fn hits_are_told_in_what_is_shown() {
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
            assert_eq!(of(&message, &query, &[]).marks, expected, "{line} in {topic}: {payload:?}");
        }
    }
}
