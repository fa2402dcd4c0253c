//! CBOR (RFC 8949), in its diagnostic notation (section 8).
//!
//! Numbers of any size are written exactly, and what an encoder may choose without changing the
//! value (lengths known in advance or not) stays visible.

use crate::ui::inspect::binary::{Container, Decoder};
use crate::ui::inspect::outline::{FormatError, bytes_in_hex, float, quoted};
use crate::ui::inspect::row::Kind;

/// Ends a container of unknown length.
const BREAK: u8 = 0xFF;

/// Reads an item, or the head of one that contains others.
pub(super) fn read_item(decoder: &mut Decoder<'_>) -> Result<(), FormatError> {
    let at = decoder.reader.at();
    let head = decoder.reader.u8()?;
    let (major, info) = (head >> 5, head & 0x1F);
    if let Some(Container::Chunks(of)) = decoder.container()
        && (major != of || info == 31)
        && head != BREAK
    {
        return Err(FormatError::new(at, "a string in chunks contains an item of another type"));
    }
    if head != BREAK {
        decoder.separate();
    }
    let argument = match info {
        0..=23 => Some(u64::from(info)),
        24 => Some(u64::from(decoder.reader.u8()?)),
        25 => Some(u64::from(decoder.reader.u16()?)),
        26 => Some(u64::from(decoder.reader.u32()?)),
        27 => Some(decoder.reader.u64()?),
        28..=30 => return Err(invalid(head, at)),
        _ => None,
    };
    match (major, argument) {
        (0, Some(number)) => decoder.value(&number.to_string(), Kind::Number, at),
        (1, Some(number)) => decoder.value(&(-1 - i128::from(number)).to_string(), Kind::Number, at),
        (2, Some(length)) => {
            let bytes = bytes_in_hex(decoder.reader.take(length)?);
            decoder.value(&bytes, Kind::Literal, at)
        }
        (3, Some(length)) => match str::from_utf8(decoder.reader.take(length)?) {
            Ok(text) => decoder.value(&quoted(text), Kind::Text, at),
            Err(_) => Err(FormatError::new(at, "string isn't valid UTF-8")),
        },
        (2 | 3, None) => decoder.open(Container::Chunks(major), "(_ ", None, at),
        (4, Some(items)) => decoder.open_array(items, at),
        (4, None) => decoder.open(Container::Array, "[_ ", None, at),
        (5, Some(pairs)) => decoder.open_map(pairs, at),
        (5, None) => decoder.open(Container::MapName, "{_ ", None, at),
        (6, Some(tag)) => {
            decoder.writer.prefix(&format!("{tag}("));
            decoder.push(Container::Tag, Some(1), at)
        }
        (7, Some(argument)) => simple(decoder, info, argument, at),
        (7, None) => decoder.end_by_break(at),
        _ => Err(invalid(head, at)),
    }
}

fn invalid(head: u8, at: usize) -> FormatError {
    FormatError::new(at, format!("invalid initial byte 0x{head:02X}"))
}

/// Reads a simple value or a floating-point number.
fn simple(decoder: &mut Decoder<'_>, info: u8, argument: u64, at: usize) -> Result<(), FormatError> {
    let literal = match (info, argument) {
        (25, bits) => return decoder.value(&float(format!("{:?}", half(bits as u16))), Kind::Number, at),
        (26, bits) => {
            return decoder.value(&float(format!("{:?}", f32::from_bits(bits as u32))), Kind::Number, at);
        }
        (27, bits) => return decoder.value(&float(format!("{:?}", f64::from_bits(bits))), Kind::Number, at),
        (24, 0..=31) => return Err(FormatError::new(at, "invalid encoding of a simple value")),
        (_, 20) => "false".to_owned(),
        (_, 21) => "true".to_owned(),
        (_, 22) => "null".to_owned(),
        (_, 23) => "undefined".to_owned(),
        (_, number) => format!("simple({number})"),
    };
    decoder.value(&literal, Kind::Literal, at)
}

/// Converts a number of 16 bits (RFC 8949, appendix D), exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (fraction + 1024.0) * 2_f32.powi(exponent - 25),
    }
}
