//! Times in this browser's time zone.

use crate::message_log::query::LocalTime;
use crate::time::Instant;
use crate::web::clock;

/// Formats the time of day to the millisecond, in this browser's time zone.
pub fn time_of_day(time: Instant) -> String {
    let time = date_and_time(time);
    time.split_once(' ').map_or(time.clone(), |(_, clock)| clock.to_owned())
}

/// Formats date and time to the millisecond, in this browser's time zone.
pub fn date_and_time(time: Instant) -> String {
    let ms = time.as_micros() as f64 / 1_000.0;
    let ahead_ms = js_sys::Date::new(&ms.into()).get_timezone_offset() * -60_000.0;
    let shifted = js_sys::Date::new(&(ms + ahead_ms).into());
    // A date beyond the browser's range would throw.
    if shifted.get_time().is_nan() {
        return format!("{} ms after 1970", time.as_micros() / 1_000);
    }
    String::from(shifted.to_iso_string()).replace('T', " ").replace('Z', "")
}

/// Returns the minutes that the local time is ahead of UTC at this time.
pub fn ahead_of_utc_min_at(time: Instant) -> i32 {
    // Whole minutes, at most a day.
    -(js_sys::Date::new(&(time.as_micros() as f64 / 1_000.0).into()).get_timezone_offset() as i32)
}

/// Returns the minutes that the local time is ahead of UTC now.
pub fn ahead_of_utc_min() -> i32 {
    ahead_of_utc_min_at(clock::wall_time())
}

/// Returns the time now and how far it is ahead of UTC.
pub fn now() -> LocalTime {
    LocalTime { now: clock::wall_time(), ahead_of_utc_min: ahead_of_utc_min() }
}
