//! The rule for MQTT's strings.

/// MQTT's strings: no U+0000 `[MQTT-1.5.4-2]`, 65,535 bytes at most.
pub(crate) fn string_fault(name: &str, text: &str) -> Option<String> {
    if text.contains('\0') {
        return Some(format!("The {name} contains U+0000, which MQTT doesn't allow. Remove it."));
    }
    (text.len() > usize::from(u16::MAX))
        .then(|| format!("The {name} is too long: {} bytes (maximum 65,535).", text.len()))
}
