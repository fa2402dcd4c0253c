//! Numbers for style sheets.

/// A number with at most four decimals, as CSS reads it.
///
/// By integers: the standard library's way of writing floats would cost the
/// page twelve kilobytes, and CSS needs no more than this.
pub fn decimal(value: f64) -> String {
    const PARTS: u64 = 10_000;
    // Saturates; NaN is 0.
    let parts = (value.abs() * PARTS as f64).round() as u64;
    let sign = if value < 0.0 && parts > 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", parts / PARTS, parts % PARTS)
}
