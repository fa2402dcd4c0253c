//! Work on a large payload, in slices that are too short to be noticed.

use leptos::prelude::window;

/// The number of bytes of a payload that are handled before the clock is checked.
pub(super) const SLICE_BYTES: usize = 1 << 16;

/// How long the page may be blocked at once, in milliseconds. A frame has 16.
const SLICE_MS: f64 = 8.0;

/// Works until there is a result, or the page has been blocked for long enough.
pub(super) fn for_a_while<T>(mut work: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = window().performance();
    let now_ms = || clock.as_ref().map_or(f64::MAX, web_sys::Performance::now);
    let end_ms = now_ms() + SLICE_MS;
    loop {
        let done = work();
        if done.is_some() || now_ms() >= end_ms {
            return done;
        }
    }
}
