//! Encodes a line as a message, and parses intervals.

use std::time::Duration;

use crate::dialogue::Line;

/// A longer interval between two lines is rejected as a mistake.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// The placeholder for the speaker in a topic.
const SPEAKER: &str = "{speaker}";

/// The placeholder for the line's number in a topic, from 1.
const LINE: &str = "{line}";

/// The topic level for a line without a speaker.
const NARRATOR: &str = "narrator";

/// The payload format of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadFormat {
    /// Exactly `{"character":"…","text":"…"}`.
    #[default]
    Json,
    /// `NAME: text`, or only the text if there is no speaker.
    Text,
}

impl PayloadFormat {
    /// Returns the payload of this line.
    pub fn encode(self, line: &Line) -> Vec<u8> {
        match self {
            Self::Json => line.to_json().into_bytes(),
            Self::Text if line.character.is_empty() => line.text.clone().into_bytes(),
            Self::Text => format!("{}: {}", line.character, line.text).into_bytes(),
        }
    }
}

/// Returns the topic of a line: `{speaker}` is replaced by the speaker, as one level of the topic
/// (characters with a meaning in topics become `_`, and a line without a speaker gets `narrator`),
/// and `{line}` by the line's number in the script, from 1. Everything else is kept as written,
/// including other braces.
pub fn topic_of(pattern: &str, line: &Line, number: u64) -> String {
    // The number is replaced first, because a speaker may be called {line}.
    let mut topic = pattern.to_owned();
    if topic.contains(LINE) {
        topic = topic.replace(LINE, &number.to_string());
    }
    if topic.contains(SPEAKER) {
        topic = topic.replace(SPEAKER, &level_of(&line.character));
    }
    topic
}

fn level_of(character: &str) -> String {
    match character.trim() {
        "" => NARRATOR.to_owned(),
        name => name.chars().map(|c| if c.is_control() || "/+#".contains(c) { '_' } else { c }).collect(),
    }
}

/// Parses `10ms`, `1s`, `1.5s`, `2m`, `1h`; to the microsecond.
///
/// # Errors
/// Explains the syntax, or that a day is the longest interval.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_us: u64 = match unit {
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "" if parse_decimal(number, 1).is_some() => return Err(format!("add a unit, e.g. {number}s")),
        _ => return Err("enter a number and ms, s, m or h, e.g. 500ms or 1.5s".to_owned()),
    };
    let micros = parse_decimal(number, unit_us)
        .ok_or_else(|| "enter a number and ms, s, m or h, e.g. 500ms or 1.5s".to_owned())?;
    let interval = Duration::from_micros(micros);
    if interval > INTERVAL_MAX {
        return Err("maximum 24h".to_owned());
    }
    Ok(interval)
}

/// Parses `12.5` in `unit`s: digits, at most one point. No floating-point number is used, because
/// it can't represent a tenth.
fn parse_decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let mut rest = unit;
    let mut sum = 0_u64;
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        // Digits below a microsecond are cut off.
        rest /= 10;
        sum += digit * rest;
    }
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(character: &str, text: &str) -> Line {
        Line { character: character.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_line_on_the_wire() {
        let check = |format: PayloadFormat, character: &str, text: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&format.encode(&line(character, text))), expected);
        };
        check(PayloadFormat::Json, "RELAY 7", "Say \"hello\"…", r#"{"character":"RELAY 7","text":"Say \"hello\"…"}"#);
        check(PayloadFormat::Json, "", "Silence.", r#"{"character":"","text":"Silence."}"#);
        check(PayloadFormat::Text, "RELAY 7", "Say \"hello\"…", "RELAY 7: Say \"hello\"…");
        check(PayloadFormat::Text, "", "Silence.", "Silence.");
    }

    #[test]
    fn the_topic_of_a_line() {
        let check = |pattern: &str, character: &str, expected: &str| {
            assert_eq!(topic_of(pattern, &line(character, "Hello"), 7), expected, "{pattern} {character}");
        };
        check("StarWars", "RELAY 7", "StarWars");
        check("story/{speaker}", "RELAY 7", "story/RELAY 7");
        check("story/{speaker}", " ", "story/narrator");
        check("{speaker}/{line}/{line}", "A/B+#\u{7}", "A_B___/7/7");
        check("{speaker}", "{line}", "{line}");
        check("{Speaker}/{}/{value}", "ADA", "{Speaker}/{}/{value}");
    }

    #[test]
    fn intervals() {
        let check = |text: &str, expected: Result<u64, &str>| match (parse_interval(text), expected) {
            (Ok(interval), Ok(micros)) => assert_eq!(interval, Duration::from_micros(micros), "{text}"),
            (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message:?} should say {part:?}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        check("10ms", Ok(10_000));
        check("1s", Ok(1_000_000));
        check("1.5s", Ok(1_500_000));
        check("0.1s", Ok(100_000));
        check("0.0000019s", Ok(1));
        check("2m", Ok(120_000_000));
        check("0.5h", Ok(1_800_000_000));
        check("24h", Ok(86_400_000_000));
        check("0s", Ok(0));
        check("0ms", Ok(0));
        check("1", Err("add a unit, e.g. 1s"));
        check("25h", Err("maximum 24h"));
        check("99999999999999999999s", Err("enter a number"));
        for nonsense in ["", "s", "-1s", "+1s", "1,5s", "1.s", ".5s", "1.5.5s", "1 s", "1sec", "１s", "1e3s", "NaNs"] {
            check(nonsense, Err("enter a number"));
        }
    }
}
