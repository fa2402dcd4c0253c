//! Values of attributes.

use leptos::prelude::*;

/// Returns the value of an attribute that is `true` or `false`.
pub(super) fn true_or_false(flag: Signal<bool>) -> Signal<&'static str> {
    Signal::derive(move || if flag.get() { "true" } else { "false" })
}

/// Returns the value of `aria-invalid` for a field with this error.
pub(super) fn is_invalid(error: Signal<String>) -> Signal<&'static str> {
    true_or_false(Signal::derive(move || error.with(|error| !error.is_empty())))
}
