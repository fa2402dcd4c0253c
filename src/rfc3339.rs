//! Times in the format of RFC 3339.

use crate::time::Instant;

/// Appends a number with at least this many digits, at most 20.
pub(crate) fn put_padded(mut number: u64, digits_min: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || digits.len() - at < digits_min {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

pub(crate) const DAY_MS: u64 = 86_400_000;

/// The number of bytes of the date in the output of [`put_time`].
pub(crate) const DATE_BYTES: usize = 10;

/// Appends a time in the format of RFC 3339, in UTC and milliseconds.
pub(crate) fn put_time(time: Instant, out: &mut Vec<u8>) {
    let ms = time.min(Instant::RFC3339_MAX).as_micros() / 1_000;
    let (year, month, day) = date_of(ms / DAY_MS);
    let ms = ms % DAY_MS;
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (ms / 3_600_000, 2, b':'),
        (ms / 60_000 % 60, 2, b':'),
        (ms / 1_000 % 60, 2, b'.'),
        (ms % 1_000, 3, b'Z'),
    ];
    for (number, digits, after) in parts {
        put_padded(number, digits, out);
        out.push(after);
    }
}

/// Parses a UTC time; digits beyond milliseconds are cut off.
pub(crate) fn parse_time(text: &str) -> Option<Instant> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let bytes = whole.as_bytes();
    if bytes.len() != 19 || fraction.is_empty() {
        return None;
    }
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if bytes[at] != separator {
            return None;
        }
    }
    let number = |from: usize, to: usize| digits(&bytes[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    digits(fraction.as_bytes())?;
    let ms = (0..3).fold(0, |ms, at| ms * 10 + fraction.as_bytes().get(at).map_or(0, |digit| u64::from(digit - b'0')));
    let days = days_until(year, month, day)?;
    Some(Instant::from_millis(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms))
}

pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

/// Days from 1 March of the year 0 to the Unix epoch.
pub(crate) const EPOCH_DAY: u64 = 719_468;

/// Days of 400 years of the Gregorian calendar.
pub(crate) const ERA_DAYS: u64 = 146_097;

/// Returns year, month and day of the day this many days after the Unix epoch. Years are counted
/// from 1 March, so that the leap day is the last of its year.
pub(crate) fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAY;
    let day = days % ERA_DAYS;
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA_DAYS - 1)) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day_of_month = day - (month * 153 + 2) / 5 + 1;
    let year = year + days / ERA_DAYS * 400;
    if month < 10 { (year, month + 3, day_of_month) } else { (year + 1, month - 9, day_of_month) }
}

/// Returns the days from the Unix epoch until that date; `None` before it, and for an invalid date.
pub(crate) fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let years = march_year % 400;
    let days = march_year / 400 * ERA_DAYS + years * 365 + years / 4 - years / 100 + (march_month * 153 + 2) / 5 + day
        - 1
        - EPOCH_DAY;
    (date_of(days) == (year, month, day)).then_some(days)
}
