//! Numbers for style sheets.

/// Formats a number with at most four decimals for CSS.
///
/// It uses integers: the standard library's formatting of floats would cost the page twelve
/// kilobytes, and CSS needs no more than this.
pub fn decimal(value: f64) -> String {
    const PARTS: u64 = 10_000;
    // Saturates; NaN is 0.
    let parts = (value.abs() * PARTS as f64).round() as u64;
    let sign = if value < 0.0 && parts > 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", parts / PARTS, parts % PARTS)
}
