//! `application/x-www-form-urlencoded`: the encoding of links and of URL queries.

use std::fmt::Write as _;

/// Appends a key and its value to URL parameters.
pub(crate) fn append(link: &mut String, key: &str, value: &str) {
    if !link.is_empty() {
        link.push('&');
    }
    link.push_str(key);
    link.push('=');
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => link.push(char::from(byte)),
            b' ' => link.push('+'),
            _ => {
                // Writing to a String can't fail.
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
}

/// Decodes one part of `application/x-www-form-urlencoded`; `None` if a `%` isn't followed by two
/// hex digits or the bytes aren't UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

pub(crate) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
