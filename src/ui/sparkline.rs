//! A row of numbers as a small picture, and as text for people who can't see it.

use std::cmp::Ordering;

use crate::topics::json_numbers;

/// Parses the numbers of a series as the worker sends them: one a line, and what isn't a number is
/// skipped. A unit after a number is ignored. A text that only begins with digits, such as a date,
/// a time, a decimal comma, a hexadecimal or a telephone number, isn't a number: no plot is better
/// than a wrong one. On and true are 1, off and false 0. Numbers with another unit than the newest
/// are skipped, too; one without a unit may have any.
pub fn numbers(series: &str) -> Vec<f64> {
    plotted(series).into_iter().map(|(number, _)| number).collect()
}

/// Returns the numbers of a series with the newest unit or none, and how each is written.
fn plotted(series: &str) -> Vec<(f64, &str)> {
    let mut found: Vec<_> = series.lines().filter_map(with_unit).collect();
    let newest = found.iter().rev().map(|(_, _, unit)| *unit).find(|unit| !unit.is_empty()).unwrap_or_default();
    found.retain(|(_, _, unit)| unit.is_empty() || *unit == newest);
    found.into_iter().map(|(number, digits, _)| (number, digits)).collect()
}

/// Returns the number that a text is, how it is written, and its unit.
fn with_unit(text: &str) -> Option<(f64, &str, &str)> {
    let text = text.trim();
    if let Some(switch) = json_numbers::SWITCHES.iter().position(|switch| switch.eq_ignore_ascii_case(text)) {
        return Some((if switch % 2 == 0 { 1.0 } else { 0.0 }, text, ""));
    }
    let end = text.find(|sign: char| !matches!(sign, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(text.len());
    let digits = text[..end].trim_end_matches(['e', 'E']);
    let unit = &text[digits.len()..];
    let number = digits.parse().ok().filter(|number: &f64| number.is_finite())?;
    (is_unit(unit) && !is_identifier(digits, unit)).then_some((number, digits, unit.trim()))
}

/// Whether digits are those of a telephone number, a card or a hexadecimal identifier.
fn is_identifier(digits: &str, unit: &str) -> bool {
    let is_long = digits.len() >= IDENTIFIER_DIGITS_MIN && !digits.contains(['.', 'e', 'E']);
    let is_hex = unit.len() > 1 || digits.contains(['e', 'E']) && !unit.is_empty();
    // 5dB isn't hexadecimal: that is in one case.
    let is_one_case = |is_other: fn(&u8) -> bool| unit.bytes().all(|byte| byte.is_ascii_hexdigit() && !is_other(&byte));
    (is_long && digits.starts_with(['0', '+']))
        || (is_hex && (is_one_case(u8::is_ascii_uppercase) || is_one_case(u8::is_ascii_lowercase)))
}

/// Compares two numbers; long integers by their digits, because they don't fit into an `f64`.
fn order(a: &(f64, &str), b: &(f64, &str)) -> Ordering {
    match (a.1.parse::<i128>(), b.1.parse::<i128>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.0.total_cmp(&b.0),
    }
}

/// With a zero or a plus before so many digits they are an identifier.
const IDENTIFIER_DIGITS_MIN: usize = 7;

/// A longer text after a number isn't a unit, …
const UNIT_CHARS_MAX: usize = 20;

/// … and neither are these: they follow times of day and ordinal numbers.
const NO_UNITS: [&str; 10] = ["am", "pm", "a.m.", "p.m.", "uhr", "o'clock", "st", "nd", "rd", "th"];

/// Whether this may follow a number: nothing, `°C`, ` m/s2`, `%`. Digits in it require a space
/// before it, otherwise they would belong to an identifier, and none before themselves.
fn is_unit(text: &str) -> bool {
    let unit = text.trim_start();
    let is_apart = unit.len() < text.len();
    let begins_well = |first: char| {
        first.is_alphabetic() || matches!(first, '%' | '‰' | '°' | 'º' | '$' | '€' | '£' | '"' | '\'' | '′' | '″')
    };
    let has_digits = unit.contains(|sign: char| sign.is_ascii_digit());
    let mut words = unit.split_whitespace();
    let has_number = words.any(|word| word.starts_with(|sign: char| sign.is_ascii_digit()));
    let is_word = NO_UNITS.iter().any(|known| unit.eq_ignore_ascii_case(known)) || unit.contains([',', ';', ':', '=']);
    let is_short = unit.chars().count() <= UNIT_CHARS_MAX;
    unit.trim_end().is_empty()
        || (unit.starts_with(begins_well) && (is_apart || !has_digits) && is_short && !has_number && !is_word)
}

/// Returns the points of a line through the numbers, oldest at the left, in a box of this size;
/// `None` for fewer than two. The format is that of SVG's `polyline`.
pub fn points(numbers: &[f64], width: f64, height: f64) -> Option<String> {
    let steps = numbers.len().checked_sub(1).filter(|steps| *steps > 0)? as f64;
    let (low, high) = bounds(numbers)?;
    // In halves: the whole span may be more than a number can hold.
    let span = high / 2.0 - low / 2.0;
    let mut points = String::new();
    for (place, number) in numbers.iter().enumerate() {
        let part = if span > 0.0 { (number / 2.0 - low / 2.0) / span } else { 0.5 };
        let (x, y) = (place as f64 / steps * width, (1.0 - part) * height);
        points.push_str(&format!("{x:.1},{y:.1} "));
    }
    points.pop();
    Some(points)
}

/// Describes the series in a sentence, with its numbers as they are written.
pub fn describe(series: &str) -> Option<String> {
    let numbers = plotted(series);
    let (_, low) = numbers.iter().min_by(|a, b| order(a, b))?;
    let (_, high) = numbers.iter().max_by(|a, b| order(a, b))?;
    let (_, last) = numbers.last()?;
    Some(format!("Last {} values: {low}–{high}, latest {last}", numbers.len())).filter(|_| numbers.len() > 1)
}

fn bounds(numbers: &[f64]) -> Option<(f64, f64)> {
    let first = *numbers.first()?;
    Some(numbers.iter().fold((first, first), |(low, high), &number| (low.min(number), high.max(number))))
}

/// Returns the fields of a payload that hold a number, at most `most`, followed by those that are
/// on or off; none if the payload isn't JSON with fields.
pub fn fields(payload: &str, most: usize) -> Vec<String> {
    let (mut fields, mut switches): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    json_numbers::each(payload.as_bytes(), &mut |field, text| {
        let [field, text] = [field, text].map(|bytes| str::from_utf8(bytes).unwrap_or_default());
        let is_known = fields.iter().chain(&switches).any(|known| known == field);
        if !field.is_empty() && !is_known && with_unit(text).is_some() {
            let is_switch = json_numbers::SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(text));
            let list = if is_switch { &mut switches } else { &mut fields };
            list.push(field.to_owned());
        }
        fields.len() < most
    });
    fields.append(&mut switches);
    fields.truncate(most);
    fields
}

/// Returns the field that is most likely worth a plot: the first that isn't a time, a number of
/// something or the quality of the radio link, or else the first one.
pub fn best_field(fields: &[String]) -> Option<&String> {
    const DULL: [&str; 12] =
        ["id", "ts", "time", "timestamp", "date", "seq", "sequence", "count", "version", "linkquality", "lqi", "rssi"];
    let is_dull = |field: &str| {
        let name = field.rsplit(json_numbers::PATH_SEPARATOR).next().unwrap_or_default();
        DULL.iter().any(|dull| name.eq_ignore_ascii_case(dull))
    };
    fields.iter().find(|field| !is_dull(field)).or(fields.first())
}

/// Returns a field as people read it: `climate.temperature`.
pub fn field_label(field: &str) -> String {
    field.replace(json_numbers::PATH_SEPARATOR, ".")
}

/// Formats a rate: `12/s`, `1.5/s`, `6/min`.
pub fn rate(per_1000_s: u64) -> String {
    match per_1000_s {
        0 => String::new(),
        1..1_000 => format!("{}/min", (per_1000_s * 60).div_ceil(1_000)),
        1_000..10_000 => format!("{}.{}/s", per_1000_s / 1_000, per_1000_s / 100 % 10),
        _ => format!("{}/s", crate::format::grouped((per_1000_s + 500) / 1_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_another_unit_than_the_newest_are_skipped() {
        assert_eq!(numbers("21.5\n22\n20.5 °C"), [21.5, 22.0, 20.5]);
        assert_eq!(numbers("70 °F\n21.5 °C\n22"), [21.5, 22.0]);
    }

    #[test]
    fn numbers_come_with_and_without_units() {
        for (text, found) in [
            ("21.5", Some(21.5)),
            ("-3e2", Some(-300.0)),
            ("+.5", Some(0.5)),
            ("21.5 °C", Some(21.5)),
            ("5eV", Some(5.0)),
            ("1e999", None),
            ("1.2.3", None),
            ("2026-11-21", None),
            ("", None),
            ("21.5 \r", Some(21.5)),
            ("5 m/s2", Some(5.0)),
            ("60%", Some(60.0)),
            ("21,5", None),
            ("21,5 °C", None),
            ("10:45", None),
            ("01/16/2026, 19:33:33", None),
            ("1,041.5", None),
            ("1 041.5", None),
            ("1.041,5", None),
            ("1/2", None),
            ("0x15", None),
            ("5e8f00aa", None),
            ("12ab34ef", None),
            ("00:1B:44:11:3A:B7", None),
            ("+49 170 1234567", None),
            ("192.168.1.7", None),
            ("ON", Some(1.0)),
            ("off", Some(0.0)),
            ("true", Some(1.0)),
            ("FALSE", Some(0.0)),
            ("only", None),
            ("3\u{0}2\u{0}", None),
            ("55dB", Some(55.0)),
            ("5dBA", Some(5.0)),
            ("12 ab", Some(12.0)),
            ("12ab", None),
            ("123456789abc", None),
            ("5e8f", None),
            ("+491701234567", None),
            ("01701234567", None),
            ("00420017", None),
            ("0021.50", Some(21.5)),
            ("+21", Some(21.0)),
            ("2 pm", None),
            ("10.45 Uhr", None),
            ("16 Jan 2026", None),
            ("16. January 2026", None),
            ("1st", None),
            ("5 of 7", None),
            ("1 min 30 s", None),
            ("3 more lines follow, they say", None),
            ("5 °C, 40 %", None),
            ("5 parts per million", Some(5.0)),
        ] {
            assert_eq!(with_unit(text).map(|(number, ..)| number), found, "{text}");
        }
        assert_eq!(numbers("900 MB\n1.1 GB\n1.2 GB"), [1.1, 1.2]);
        assert_eq!(numbers("1\nx\n2\n"), [1.0, 2.0]);
    }

    #[test]
    fn the_line_fills_its_box() {
        let check = |numbers: &[f64], expected: Option<&str>| {
            assert_eq!(points(numbers, 60.0, 20.0).as_deref(), expected, "{numbers:?}");
        };
        check(&[], None);
        check(&[1.0], None);
        check(&[1.0, 3.0, 2.0], Some("0.0,20.0 30.0,0.0 60.0,10.0"));
        check(&[5.0, 5.0], Some("0.0,10.0 60.0,10.0"));
        check(&[f64::MIN, f64::MAX], Some("0.0,20.0 60.0,0.0"));
    }

    #[test]
    fn a_series_is_described() {
        let check = |series: &str, low: &str, high: &str, last: &str| {
            let count = series.lines().count();
            let expected = format!("Last {count} values: {low}–{high}, latest {last}");
            assert_eq!(describe(series), Some(expected));
        };
        assert_eq!(describe("1"), None);
        check("1.5\n-3\n2.0", "-3", "2.0", "2.0");
        // As written, because an f64 would round them.
        check("9007199254740993\n9007199254740992", "9007199254740992", "9007199254740993", "9007199254740992");
        check("21.5 °C\n1e2 °C", "21.5", "1e2", "1e2");
        check("ON\nOFF\nON", "OFF", "ON", "ON");
    }

    #[test]
    fn fields_are_offered_in_their_order() {
        assert_eq!(fields("21.5", 9), [""; 0]);
        assert_eq!(fields(r#"{"t":1,"c":{"h":2},"s":"x","t":3}"#, 9), ["t", "c\nh"]);
        assert_eq!(fields("[1,2,3]", 2), ["0", "1"]);
        assert_eq!(fields(r#"{"on":true,"value":"21.50","at":"10:45","s":"ON"}"#, 9), ["value", "on", "s"]);
        assert_eq!(fields(r#"{"on":true,"t":1}"#, 1), ["t"]);
        assert_eq!(field_label("c\nh"), "c.h");
        let best_field = |payload| best_field(&fields(payload, 9)).cloned();
        assert_eq!(best_field(r#"{"TS":1,"a":{"id":7,"t":21.5}}"#).as_deref(), Some("a\nt"));
        assert_eq!(best_field(r#"{"state":"ON","contact":true,"linkquality":87}"#).as_deref(), Some("state"));
        assert_eq!(best_field(r#"{"ts":1}"#).as_deref(), Some("ts"));
        assert_eq!(best_field("{}"), None);
    }

    #[test]
    fn rates_read_well() {
        for (per_1000_s, text) in [
            (0, ""),
            (1, "1/min"),
            (100, "6/min"),
            (1_000, "1.0/s"),
            (1_550, "1.5/s"),
            (12_400, "12/s"),
            (10_000_000, "10,000/s"),
        ] {
            assert_eq!(rate(per_1000_s), text);
        }
    }
}
