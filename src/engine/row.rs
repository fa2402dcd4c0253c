//! A kept message as one row of the console, and as the inspector wants it.

use crate::log::{Message, MessageLog};

use super::command::MessageGlance;
use super::update::{Found, MessagePart, Preview, Row};

/// How much of a payload one row can show at all, in bytes. The row says how
/// long the whole is.
const PREVIEW_BYTES: usize = 512;

/// How much of a payload goes out at once, in bytes: a few milliseconds of
/// work. A longer one takes as many updates, so intake never waits for it.
const PART_BYTES: usize = 1 << 20;

/// The message that the panels look at, or the next part of it.
pub fn part_of(log: &MessageLog, glance: MessageGlance) -> MessagePart {
    let found = log.message(glance.seq).map(|message| {
        let rest = message.payload.get(glance.from_byte as usize..).unwrap_or_default();
        Found {
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
    MessagePart { seq: glance.seq, first_seq: log.first_seq(), next_seq: log.next_seq(), found }
}

/// The row of a message.
pub fn of(message: &Message<'_>) -> Row {
    Row {
        seq: message.seq,
        time: message.time,
        topic: visible(message.topic),
        qos: message.qos,
        retain: message.retain,
        dup: message.dup,
        preview: preview(message.payload),
        payload_bytes: u32::try_from(message.payload.len()).unwrap_or(u32::MAX),
    }
}

/// The beginning of a payload.
pub fn preview(payload: &[u8]) -> Preview {
    let shown = &payload[..payload.len().min(PREVIEW_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => text,
        // Cut in the middle of a character, which is no fault of the payload.
        Err(error) if error.error_len().is_none() && shown.len() < payload.len() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Preview::Hex(hex(&shown[..shown.len().min(PREVIEW_BYTES / 4)])),
    };
    Preview::Text(visible(text))
}

/// Bytes as `de ad be ef`.
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// The text with its control characters as the pictures Unicode has for them,
/// so that a row stays one row.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or(c),
            '\u{7f}' => '\u{2421}',
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
            _ => c,
        })
        .collect()
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
            // A character that the end of the payload cuts in two is broken …
            (b"caf\xc3", Preview::Hex("63 61 66 c3".to_owned())),
            // … one that the end of the preview cuts in two isn't.
            (format!("a{long}").as_bytes(), text(&format!("a{}", "é".repeat(255)))),
        ] {
            assert_eq!(preview(payload), shown);
        }
    }
}
