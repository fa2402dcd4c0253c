//! Values of attributes.

/// Returns the value of an attribute that is `true` or `false`.
pub(super) const fn flag_name(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}
