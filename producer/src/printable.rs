//! Text of others, safe to print to a terminal.

/// Strips control characters, which a terminal would obey, from the text of a broker or a file.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("gone \u{1b}[2J\u{9b}31m\r\n…"), "gone \u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}…");
    }
}
