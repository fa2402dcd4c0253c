//! MessagePack, by its specification of 2017, in the notation of CBOR.

use crate::ui::inspect::binary::Decoder;
use crate::ui::inspect::byte_reader::Reader;
use crate::ui::inspect::outline::{FormatError, bytes_in_hex, float, quoted};
use crate::ui::inspect::row::Kind;

/// The type of the one extension that the specification itself defines.
const TIMESTAMP: i8 = -1;

/// Reads an object, or the head of one that contains others.
pub(super) fn read_item(decoder: &mut Decoder<'_>) -> Result<(), FormatError> {
    let at = decoder.reader.at();
    let head = decoder.reader.u8()?;
    decoder.separate();
    let number = |number: i128| (number.to_string(), Kind::Number);
    let literal = |text: &str| (text.to_owned(), Kind::Literal);
    let (text, kind) = match head {
        0x00..=0x7F => number(i128::from(head)),
        0x80..=0x8F => return decoder.open_map(u64::from(head & 0xF), at),
        0x90..=0x9F => return decoder.open_array(u64::from(head & 0xF), at),
        0xA0..=0xBF => text(decoder, u64::from(head & 0x1F), at)?,
        0xC0 => literal("null"),
        0xC1 => return Err(FormatError::new(at, "invalid initial byte 0xC1")),
        0xC2 => literal("false"),
        0xC3 => literal("true"),
        0xC4..=0xC6 => {
            let length = length(decoder, head - 0xC4)?;
            (bytes_in_hex(decoder.reader.take(length)?), Kind::Literal)
        }
        0xC7..=0xC9 => {
            let length = length(decoder, head - 0xC7)?;
            extension(decoder, length)?
        }
        0xCA => (float(format!("{:?}", f32::from_bits(decoder.reader.u32()?))), Kind::Number),
        0xCB => (float(format!("{:?}", f64::from_bits(decoder.reader.u64()?))), Kind::Number),
        0xCC => number(i128::from(decoder.reader.u8()?)),
        0xCD => number(i128::from(decoder.reader.u16()?)),
        0xCE => number(i128::from(decoder.reader.u32()?)),
        0xCF => number(i128::from(decoder.reader.u64()?)),
        0xD0 => number(i128::from(decoder.reader.u8()?.cast_signed())),
        0xD1 => number(i128::from(decoder.reader.u16()?.cast_signed())),
        0xD2 => number(i128::from(decoder.reader.u32()?.cast_signed())),
        0xD3 => number(i128::from(decoder.reader.u64()?.cast_signed())),
        0xD4..=0xD8 => extension(decoder, 1 << (head - 0xD4))?,
        0xD9..=0xDB => {
            let length = length(decoder, head - 0xD9)?;
            text(decoder, length, at)?
        }
        0xDC | 0xDD => {
            let length = length(decoder, head - 0xDC + 1)?;
            return decoder.open_array(length, at);
        }
        0xDE | 0xDF => {
            let length = length(decoder, head - 0xDE + 1)?;
            return decoder.open_map(length, at);
        }
        0xE0..=0xFF => number(i128::from(head.cast_signed())),
    };
    decoder.value(&text, kind, at)
}

/// Reads a length of one, two or four bytes.
fn length(decoder: &mut Decoder<'_>, size: u8) -> Result<u64, FormatError> {
    Ok(match size {
        0 => u64::from(decoder.reader.u8()?),
        1 => u64::from(decoder.reader.u16()?),
        _ => u64::from(decoder.reader.u32()?),
    })
}

fn text(decoder: &mut Decoder<'_>, length: u64, at: usize) -> Result<(String, Kind), FormatError> {
    match str::from_utf8(decoder.reader.take(length)?) {
        Ok(text) => Ok((quoted(text), Kind::Text)),
        Err(_) => Err(FormatError::new(at, "string isn't valid UTF-8")),
    }
}

fn extension(decoder: &mut Decoder<'_>, length: u64) -> Result<(String, Kind), FormatError> {
    let kind = decoder.reader.u8()?.cast_signed();
    let data = decoder.reader.take(length)?;
    let time = (kind == TIMESTAMP).then(|| timestamp(data)).flatten();
    Ok((time.unwrap_or_else(|| format!("ext({kind}, {})", bytes_in_hex(data))), Kind::Literal))
}

/// Formats seconds and nanoseconds since 1970, which have one of three sizes.
fn timestamp(data: &[u8]) -> Option<String> {
    let mut reader = Reader::new(data, 0);
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(reader.u32().ok()?), 0),
        8 => {
            let both = reader.u64().ok()?;
            (i64::try_from(both & 0x3_FFFF_FFFF).ok()?, (both >> 34) as u32)
        }
        12 => {
            let nanoseconds = reader.u32().ok()?;
            (reader.u64().ok()?.cast_signed(), nanoseconds)
        }
        _ => return None,
    };
    Some(if nanoseconds == 0 {
        format!("timestamp({seconds} s)")
    } else {
        format!("timestamp({seconds} s + {nanoseconds} ns)")
    })
}
