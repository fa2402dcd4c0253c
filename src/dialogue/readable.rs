//! Makes machine data readable: JSON without text fields, long numbers, control characters. Used by
//! the crawl only; the console shows the original.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::each_field;
use crate::format;

/// The most fields of an object that are shown; a sign marks that there are more.
const FIELDS_MAX: usize = 6;

/// The most items of a list that are shown, …
const ITEMS_MAX: usize = 8;

/// … if they have no more characters than this together.
const ITEMS_CHARS_MAX: usize = 60;

/// A nested object or list is shown if it has at most this number of values, …
const INNER_MAX: usize = 3;

/// … none of them longer than this.
const INNER_CHARS_MAX: usize = 24;

/// The most characters of a text that is shown among others.
const VALUE_CHARS_MAX: usize = 60;

/// A longer text isn't a unit.
const UNIT_CHARS_MAX: usize = 12;

/// From this number of words on, a text is a sentence …
const PROSE_WORDS_MIN: usize = 4;

/// … or from this number of characters on, in scripts without spaces.
const PROSE_CHARS_MIN: usize = 8;

/// A number with more decimals than this …
const DECIMALS_MAX: usize = 4;

/// … and more significant digits than this is rounded …
const DIGITS_MAX: usize = 6;

/// … to this number of them, …
const DIGITS_KEPT: usize = 4;

/// … or to this number of decimals, if those are more.
const DECIMALS_KEPT: usize = 2;

/// The mark for omitted parts.
const MORE: &str = "…";

/// Returns an object as `name value, name value`, a list as its items or their number. `None` if
/// there is nothing to show.
pub(super) fn json(json: &RawValue, aside: Option<&RawValue>) -> Option<String> {
    match json.get().as_bytes().first()? {
        b'{' => object(json, aside),
        _ => list(json),
    }
}

/// Returns a value of any kind; `None` if there is nothing to show.
pub(super) fn value(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'{' | b'[' => json(value, None),
        _ => scalar(value),
    }
}

struct Field<'a> {
    name: String,
    value: &'a RawValue,
    /// The unit of the value.
    unit: Option<String>,
}

impl Field<'_> {
    fn is_number(&self) -> bool {
        self.value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit())
    }

    fn text(&self, is_alone: bool) -> Option<String> {
        let mut value = match self.value.get().as_bytes().first()? {
            b'{' | b'[' => inner(self.value)?,
            _ => scalar(self.value).filter(|value| !value.is_empty())?,
        };
        if !is_alone && let Some((end, _)) = value.char_indices().nth(VALUE_CHARS_MAX) {
            value.truncate(end);
            value = format!("{}{MORE}", value.trim_end());
        }
        let unit = self.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let name = readable_name(&self.name);
        let space = if name.is_empty() { "" } else { " " };
        Some(format!("{name}{space}{value}{unit}"))
    }
}

fn object(json: &RawValue, aside: Option<&RawValue>) -> Option<String> {
    let (mut fields, mut unit, mut has_more) = (Vec::new(), None, false);
    each_field(json, &mut |name, value| {
        let is_aside = aside.is_some_and(|aside| std::ptr::eq(aside.get(), value.get()));
        if is_aside || value.get() == "null" {
        } else if unit.is_none() && is_unit(name, value) {
            unit = Some((fields.len(), Field { name: name.to_owned(), value, unit: None }));
        } else if fields.len() < FIELDS_MAX {
            fields.push(Field { name: name.to_owned(), value, unit: None });
        } else {
            has_more = true;
        }
    })?;
    if let Some((position, unit)) = unit {
        // The unit belongs to the only number, or to the number before it.
        let mut numbers = (0..fields.len()).filter(|field| fields[*field].is_number());
        let meant = match (numbers.next(), numbers.next()) {
            (only, None) => only,
            _ => position.checked_sub(1).filter(|before| fields.get(*before).is_some_and(Field::is_number)),
        };
        match meant {
            Some(number) => fields[number].unit = scalar(unit.value),
            None => fields.insert(position.min(fields.len()), unit),
        }
    }
    let is_alone = fields.len() == 1;
    let mut texts: Vec<_> = fields.iter().filter_map(|field| field.text(is_alone)).collect();
    if texts.is_empty() {
        return None;
    }
    if has_more {
        texts.push(MORE.to_owned());
    }
    Some(texts.join(", "))
}

fn is_unit(name: &str, value: &RawValue) -> bool {
    let is_named = ["unit", "units", "unit_of_measurement"].iter().any(|known| known.eq_ignore_ascii_case(name));
    let fits = |unit: String| !unit.is_empty() && unit.chars().count() <= UNIT_CHARS_MAX;
    is_named && value.get().starts_with('"') && scalar(value).is_some_and(fits)
}

fn list(json: &RawValue) -> Option<String> {
    let (mut items, mut count) = (Vec::new(), 0_usize);
    each_field(json, &mut |_, item| {
        count += 1;
        if count <= ITEMS_MAX {
            items.push(item);
        }
    })?;
    let are_scalars = items.iter().all(|item| !item.get().starts_with(['{', '[']));
    let values: Option<Vec<_>> = items.into_iter().map(scalar).collect();
    let values = values.filter(|_| are_scalars && count <= ITEMS_MAX).unwrap_or_default().join(", ");
    match count {
        0 => None,
        _ if !values.trim().is_empty() && values.chars().count() <= ITEMS_CHARS_MAX => Some(values),
        1 => Some("1 item".to_owned()),
        _ => Some(format!("{} items", format::grouped(count as u64))),
    }
}

/// Returns a nested object or list: its few short values, or a mark that there are some. `None` if
/// it is empty.
fn inner(json: &RawValue) -> Option<String> {
    let (mut values, mut is_short) = (Vec::new(), true);
    let is_object = json.get().starts_with('{');
    each_field(json, &mut |name, value| {
        if !is_short || value.get() == "null" {
            return;
        }
        let value = if value.get().starts_with(['{', '[']) { None } else { scalar(value) };
        is_short = values.len() < INNER_MAX
            && value.is_some_and(|value| {
                let is_short = value.chars().count() <= INNER_CHARS_MAX;
                values.push(if is_object { format!("{} {value}", readable_name(name)) } else { value });
                is_short
            });
    })?;
    if is_short { (!values.is_empty()).then(|| values.join(" ")) } else { Some(MORE.to_owned()) }
}

/// Returns a text without its quotation marks, a number that isn't too long, anything else as
/// written. `None` if it isn't text.
fn scalar(value: &RawValue) -> Option<String> {
    if !value.get().starts_with('"') {
        return Some(rounded(value.get()).into_owned());
    }
    let text: String = serde_json::from_str(value.get()).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Turns `battery_level` and `batteryLevel` into "battery level". A capital begins a word after two
/// small letters: `pH` and `kWh` are unchanged.
fn readable_name(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 2);
    let mut chars = name.chars().peekable();
    let mut small = 0;
    while let Some(c) = chars.next() {
        if c == '_' || c.is_whitespace() {
            if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
            small = 0;
        } else if c.is_uppercase() && small >= 2 {
            words.push(' ');
            let is_word = chars.peek().is_some_and(|next| next.is_lowercase());
            if is_word {
                words.extend(c.to_lowercase());
            } else {
                words.push(c);
            }
            small = usize::from(is_word);
        } else {
            small = if c.is_lowercase() { small + 1 } else { 0 };
            words.push(c);
        }
    }
    words.truncate(words.trim_end().len());
    words
}

/// Returns a long decimal number with fewer digits; anything else unchanged: integers, numbers with
/// an exponent, versions.
pub(super) fn rounded(number: &str) -> Cow<'_, str> {
    let (sign, unsigned) = number.split_at(usize::from(number.starts_with(['-', '+'])));
    let Some((whole, decimals)) = unsigned.split_once('.') else { return Cow::Borrowed(number) };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) {
        return Cow::Borrowed(number);
    }
    let integer = whole.trim_start_matches('0').len();
    let zeros = if integer == 0 { decimals.len() - decimals.trim_start_matches('0').len() } else { 0 };
    let significant = integer + decimals.len() - zeros;
    let kept = if integer == 0 { zeros + DIGITS_KEPT } else { DIGITS_KEPT.saturating_sub(integer).max(DECIMALS_KEPT) };
    if decimals.len() <= DECIMALS_MAX || significant <= DIGITS_MAX || kept >= decimals.len() {
        return Cow::Borrowed(number);
    }
    let mut digits = [whole, &decimals[..kept]].concat().into_bytes();
    let mut carries = decimals.as_bytes()[kept] >= b'5';
    for digit in digits.iter_mut().rev() {
        if !carries {
            break;
        }
        carries = *digit == b'9';
        *digit = if carries { b'0' } else { *digit + 1 };
    }
    if carries {
        digits.insert(0, b'1');
    }
    let digits: String = digits.into_iter().map(char::from).collect();
    let (whole, decimals) = digits.split_at(digits.len() - kept);
    // One decimal is kept, as a sign that it isn't an integer.
    let decimals = match decimals.trim_end_matches('0') {
        "" => "0",
        decimals => decimals,
    };
    Cow::Owned(format!("{sign}{whole}.{decimals}"))
}

/// Whether a text is a sentence, not a reading or state.
pub(super) fn is_prose(text: &str) -> bool {
    let words = text.split_whitespace().filter(|word| word.contains(char::is_alphabetic));
    words.take(PROSE_WORDS_MIN).count() == PROSE_WORDS_MIN
        || text.chars().filter(|c| is_unspaced(*c)).take(PROSE_CHARS_MIN).count() == PROSE_CHARS_MIN
}

/// Whether it is a letter of a script that has no spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{E00}'..='\u{EFF}' | '\u{F00}'..='\u{FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFD}')
}

/// Whether it is a control character other than a tab or a line end.
fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Whether more than half of the characters are control characters, so that it isn't text.
pub(super) fn is_mostly_control(text: &str) -> bool {
    let controls = text.chars().filter(|c| is_control(*c)).count();
    controls > 0 && controls * 2 > text.chars().count()
}

/// Replaces control characters by their pictures; tabs and line ends are kept.
pub(super) fn visible(text: String) -> String {
    if !text.contains(is_control) {
        return text;
    }
    let picture = |c: char| match c {
        '\u{7F}' => '\u{2421}',
        '\0'..='\u{1F}' if is_control(c) => char::from_u32(0x2400 + u32::from(c)).unwrap_or(c),
        _ => c,
    };
    text.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_decimals_are_rounded() {
        for (number, expected) in [
            ("20.934537983209168", "20.93"),
            ("-20.934537983209168", "-20.93"),
            ("+20.934537983209168", "+20.93"),
            ("5.123456789", "5.123"),
            ("123.456789", "123.46"),
            ("1234567.891234", "1234567.89"),
            ("0.000123456789", "0.0001235"),
            ("0.99999999", "1.0"),
            ("9.99999999", "10.0"),
            ("99.99999999", "100.0"),
            ("20.0000000001", "20.0"),
            ("3.1000000000000001", "3.1"),
            ("52.520008", "52.52"),
        ] {
            assert_eq!(rounded(number), expected, "{number}");
        }
        for number in [
            "12.0",
            "21.40",
            "-0.0",
            "20.9345",
            "1.23456",
            "0.00001",
            "123456.7891",
            "9007199254740993",
            "1e400",
            "1.23456789e-5",
            "1.2.3",
            "1.23456789.3",
            "20,934537983",
            "20.934537983 °C",
            "1.",
            ".123456789",
            "-",
            "",
            "NaN",
        ] {
            assert_eq!(rounded(number), number);
        }
    }

    #[test]
    fn names_become_words() {
        for (name, expected) in [
            ("temperature", "temperature"),
            ("battery_level", "battery level"),
            ("batteryLevel", "battery level"),
            ("deviceID", "device ID"),
            ("tempC", "temp C"),
            ("pH", "pH"),
            ("kWh", "kWh"),
            ("ENERGY", "ENERGY"),
            ("_private__name_", "private name"),
            ("größeÜber", "größe über"),
            ("", ""),
        ] {
            assert_eq!(readable_name(name), expected, "{name}");
        }
    }

    #[test]
    fn sentences_are_distinguished_from_readings() {
        for text in ["I am on the road", "Is anybody there, Ada?", "日本語のとても長い文章です", "สวัสดีชาวโลกทุกคน"]
        {
            assert!(is_prose(text), "{text}");
        }
        for text in ["on", "20.55", "ON / OFF", "1 2 3 4 5 6", "Understood.", "open since noon", "晴れ", ""] {
            assert!(!is_prose(text), "{text}");
        }
    }

    #[test]
    fn control_characters_have_pictures() {
        assert_eq!(visible("a\0b\u{1b}[31mc\r\nd\te\u{7f}".to_owned()), "a␀b␛[31mc\r\nd\te␡");
        for (text, expected) in
            [("\u{12}\u{12}", true), ("\0", true), ("a\0\0", true), ("a\0", false), ("\r\n\t", false), ("", false)]
        {
            assert_eq!(is_mostly_control(text), expected, "{text:?}");
        }
    }
}
