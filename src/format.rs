//! Numbers, times, sizes and bytes as text.

use std::time::Duration;

use crate::time::Instant;

/// Formats a span with its sign, to the millisecond: `+0.013`, `−1:02:03.004`.
pub fn span(ms: i64) -> String {
    let sign = if ms < 0 { '−' } else { '+' };
    let ms = ms.unsigned_abs();
    let (hours, minutes, seconds, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}.{ms:03}"),
        (0, _) => format!("{sign}{minutes}:{seconds:02}.{ms:03}"),
        _ => format!("{sign}{hours}:{minutes:02}:{seconds:02}.{ms:03}"),
    }
}

/// Formats the time of day to the millisecond, `10:00:00.123`, in a zone that is this many minutes
/// ahead of UTC.
pub fn time_of_day(time: Instant, ahead_of_utc_min: i32) -> String {
    const DAY_MS: i64 = 86_400_000;
    let utc_ms = i64::try_from(time.as_micros() / 1_000).unwrap_or(i64::MAX / 2);
    let ms = (utc_ms + i64::from(ahead_of_utc_min) * 60_000).rem_euclid(DAY_MS);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
}

/// Formats a number with thousands separators: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a size: `90 B`, `1.4 kB`, `12 MB`. It uses integers, because formatting floats would
/// cost the page five kilobytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut scale = 1_000;
    for unit in UNITS {
        let half = scale / 2;
        let tenths = (bytes.saturating_mul(10).saturating_add(half)) / scale;
        let whole = bytes.saturating_add(half) / scale;
        if tenths < 100 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        if whole < 1_000 {
            return format!("{whole} {unit}");
        }
        scale *= 1_000;
    }
    format!("{bytes} B")
}

/// Formats a duration, rounded down: `440 ms`, `2.5 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(span: Duration) -> String {
    let s = span.as_secs();
    match s {
        0 => format!("{} ms", span.subsec_millis()),
        1..10 => format!("{s}.{} s", span.subsec_millis() / 100),
        10..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", grouped(s / 3_600), s % 3_600 / 60),
    }
}

/// Formats a duration in the largest unit that divides it: `90 s`, `5 minutes`, `2 hours`.
pub fn exact_duration(seconds: u32) -> String {
    let (count, unit) = match seconds {
        _ if seconds > 3_600 && seconds.is_multiple_of(3_600) => (seconds / 3_600, "hours"),
        3_600 => return "1 hour".to_owned(),
        _ if seconds > 60 && seconds.is_multiple_of(60) => (seconds / 60, "minutes"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", grouped(count.into()))
}

/// Formats the time since something: `5 s ago`, `12 min ago`, `30 h ago`.
pub fn ago(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7_200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", grouped(seconds / 3_600)),
    }
}

/// Formats bytes as `de ad be ef`.
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// A visible sign for a space.
pub(crate) const SPACE: &str = "\u{2423}";

/// Formats a topic, or a level of one, like [`visible`], and marks the spaces at its beginning and
/// end: with them it is another topic than without.
pub fn visible_topic(topic: &str) -> String {
    let (before, behind) = spaces_at_ends(topic);
    let inside = &topic[before..topic.len() - behind];
    format!("{}{}{}", SPACE.repeat(before), visible(inside), SPACE.repeat(behind))
}

/// Returns the number of spaces at the beginning, and of further spaces at the end.
pub(crate) fn spaces_at_ends(text: &str) -> (usize, usize) {
    let without = text.trim_start_matches(' ');
    (text.len() - without.len(), without.len() - without.trim_end_matches(' ').len())
}

/// Replaces control characters by their Unicode pictures, so that a row stays one row.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or(c),
            '\u{7f}' => '\u{2421}',
            _ if is_control(c) => '\u{fffd}',
            _ => c,
        })
        .collect()
}

pub(crate) const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Whether a spreadsheet runs a cell that begins with this character; the wide ones are run where
/// East Asian text is written. Some spreadsheets look past a leading tab or line end.
pub(crate) const fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\'' | '＝' | '＋' | '－' | '＠')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_down() {
        let check = |millis, expected: &str| assert_eq!(duration(Duration::from_millis(millis)), expected);
        check(0, "0 ms");
        check(440, "440 ms");
        check(2_590, "2.5 s");
        check(12_900, "12 s");
        check(119_000, "1 min 59 s");
        check(7_500_000, "2 h 5 min");
    }

    #[test]
    fn exact_durations_have_the_largest_unit_that_divides_them() {
        let check = |seconds, expected: &str| assert_eq!(exact_duration(seconds), expected);
        check(60, "60 s");
        check(90, "90 s");
        check(300, "5 minutes");
        check(3_600, "1 hour");
        check(5_400, "90 minutes");
        check(7_200, "2 hours");
    }

    #[test]
    fn the_past_is_given_in_one_unit() {
        let check = |seconds, expected: &str| assert_eq!(ago(Duration::from_secs(seconds)), expected);
        check(119, "119 s ago");
        check(120, "2 min ago");
        check(7_200, "2 h ago");
    }
}
