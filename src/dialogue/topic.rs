//! Derives a speaker from a topic, for messages that name none.

use super::NAME_CHARS_MAX;

/// The number of levels that make a name, if both are short.
const LEVELS: usize = 2;

/// A longer level isn't used, in characters.
const LEVEL_CHARS_MAX: usize = 32;

/// From this number of hex digits on, a level is an identifier if it contains a digit …
const HEX_MIN: usize = 8;

/// … and from this number on if it contains none.
const HEX_LETTERS_MIN: usize = 12;

/// From this number of digits on, a level of digits alone is an identifier …
const DIGITS_MIN: usize = 6;

/// … and from this number of consecutive digits on, any level is.
const DIGIT_RUN_MIN: usize = 8;

/// From this number of characters on, a frequent change between letters and digits means an
/// identifier.
const MIXED_MIN: usize = 12;
const MIXED_CHANGES_MIN: usize = 4;

/// Returns the last levels of a topic as a name: `home/kitchen/temperature` is "kitchen
/// temperature". Identifiers are left out in favour of the levels before them, unless there are no
/// others.
pub fn speaker_of(topic: &str) -> String {
    let names = topic.rsplit('/').filter(|level| !is_identifier(level)).map(readable_level);
    let mut names = names.filter(|name| !name.is_empty()).take(LEVELS);
    let Some(last) = names.next() else {
        return topic.rsplit('/').map(readable_level).find(|name| !name.is_empty()).unwrap_or_default();
    };
    match names.next() {
        Some(before) if before.chars().count() + last.chars().count() < NAME_CHARS_MAX => format!("{before} {last}"),
        _ => last,
    }
}

/// Whether a topic has several levels; empty ones don't count.
pub(super) fn has_levels(topic: &str) -> bool {
    topic.split('/').filter(|level| !level.trim().is_empty()).count() > 1
}

/// Returns a level as words.
fn readable_level(level: &str) -> String {
    let words: Vec<_> =
        level.split(|c: char| matches!(c, '_' | '-') || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Whether a level is meant only for machines: a UUID, an address, a serial number, or very long
/// text.
fn is_identifier(level: &str) -> bool {
    let level = level.trim();
    if level.chars().count() > LEVEL_CHARS_MAX {
        return true;
    }
    let bare = level.strip_prefix("0x").unwrap_or(level);
    let bare: Vec<u8> = bare.bytes().filter(|b| !matches!(b, b'-' | b':' | b'_' | b'.')).collect();
    let has_digit = bare.iter().any(u8::is_ascii_digit);
    let is_hex = bare.iter().all(u8::is_ascii_hexdigit);
    let is_digits = bare.iter().all(u8::is_ascii_digit);
    let longest_run = level.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    let is_alphanumeric = level.bytes().all(|b| b.is_ascii_alphanumeric());
    let changes = level.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
    is_hex && bare.len() >= if has_digit { HEX_MIN } else { HEX_LETTERS_MIN }
        || is_digits && bare.len() >= DIGITS_MIN
        || longest_run >= DIGIT_RUN_MIN
        || is_alphanumeric && level.len() >= MIXED_MIN && changes.count() >= MIXED_CHANGES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_levels_speak() {
        for (topic, speaker) in [
            ("home/kitchen/temperature", "kitchen temperature"),
            ("home/kitchen", "home kitchen"),
            ("StarWars", "StarWars"),
            ("$SYS/broker/uptime", "broker uptime"),
            ("$SYS/broker/load/messages/received/15min", "received 15min"),
            ("mqtt/test/iot-mqtt-blog", "test iot mqtt blog"),
            ("plant/site_2/attic_lamp", "site 2 attic lamp"),
            ("/kitchen/", "kitchen"),
            ("a// /b", "a b"),
            ("дом/кухня/температура", "кухня температура"),
            ("家/台所", "家 台所"),
            // Identifiers give way to the level before them.
            ("zigbee2mqtt/0x00158d0001a2b3c4", "zigbee2mqtt"),
            ("home/lamp/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "home lamp"),
            ("home/3f2504e0-4f89-11d3-9a0c-0305e82c3301/state", "home state"),
            ("homeassistant/sensor/abcdef123456/state", "sensor state"),
            ("gateway/00:15:8d:00:01:a2/rssi", "gateway rssi"),
            ("orders/01ARZ3NDEKTSV4RRFFQ69G5FAV/paid", "orders paid"),
            ("meter/1234567/watts", "meter watts"),
            ("meter/sn12345678/watts", "meter watts"),
            ("log/2026-11-21/errors", "log errors"),
            // Short numbers and words of hex letters are names.
            ("shelly/relay/0", "relay 0"),
            ("sites/17/facade", "17 facade"),
            // If there is nothing else, the identifier itself.
            ("0x00158d0001a2b3c4", "0x00158d0001a2b3c4"),
            ("12345678/87654321", "87654321"),
            // Two long levels are too much.
            ("a-rather-long-building/a-rather-long-room", "a rather long room"),
            ("", ""),
            ("/", ""),
            ("_", ""),
        ] {
            assert_eq!(speaker_of(topic), speaker, "{topic}");
        }
        let long = format!("home/{}", "x".repeat(60));
        assert_eq!(speaker_of(&long), "home");
    }

    #[test]
    fn levels_that_are_empty_are_none() {
        for (topic, expected) in [("a", false), ("/a", false), ("a/", false), ("a/b", true), ("", false)] {
            assert_eq!(has_levels(topic), expected, "{topic}");
        }
    }
}
