//! MessagePack, by its specification of 2017, in the notation of CBOR.

use crate::ui::inspect::byte_reader::Reader;
use crate::ui::inspect::outline::{Fault, Step, Writer, bytes_in_hex, float, quoted};
use crate::ui::inspect::text::Kind;

/// The type of the one extension that the specification itself defines.
const TIMESTAMP: i8 = -1;

/// How far MessagePack, usually one object, is laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    at: usize,
    frames: Vec<Frame>,
}

impl State {
    /// Continues with an object, or with what follows one; returns `true` at the end.
    pub(super) fn step(&mut self, payload: &[u8], writer: &mut Writer, step: Step) -> Result<bool, Fault> {
        if payload.is_empty() {
            return Err(Fault::cut_short(0));
        }
        let mut decoder = Decoder { reader: Reader::new(payload, self.at), writer, frames: &mut self.frames };
        match step {
            Step::Value => decoder.object()?,
            Step::AfterValue => decoder.end_objects()?,
        }
        self.at = decoder.reader.at();
        Ok(self.frames.is_empty() && self.at == payload.len())
    }

    /// Returns the position of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

/// An array, or a map, which has a name and a value for each of its pairs.
#[derive(Clone, Debug)]
struct Frame {
    is_map: bool,
    left: u64,
}

impl Frame {
    /// Whether the next object is a name.
    const fn wants_name(&self) -> bool {
        self.is_map && self.left.is_multiple_of(2)
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    writer: &'a mut Writer,
    frames: &'a mut Vec<Frame>,
}

impl Decoder<'_> {
    /// Reads an object, or the head of one that contains others.
    fn object(&mut self) -> Result<(), Fault> {
        let at = self.reader.at();
        let head = self.reader.u8()?;
        if self.frames.last().is_none_or(|frame| !frame.is_map || frame.wants_name()) {
            self.writer.separate();
        }
        let number = |number: i128| (number.to_string(), Kind::Number);
        let literal = |words: &str| (words.to_owned(), Kind::Literal);
        let (text, kind) = match head {
            0x00..=0x7F => number(i128::from(head)),
            0x80..=0x8F => return self.open(true, u64::from(head & 0xF), at),
            0x90..=0x9F => return self.open(false, u64::from(head & 0xF), at),
            0xA0..=0xBF => self.text(u64::from(head & 0x1F), at)?,
            0xC0 => literal("null"),
            0xC1 => return Err(Fault::new(at, "0xC1 is never used in MessagePack")),
            0xC2 => literal("false"),
            0xC3 => literal("true"),
            0xC4..=0xC6 => {
                let length = self.length(head - 0xC4)?;
                (bytes_in_hex(self.reader.take(length)?), Kind::Literal)
            }
            0xC7..=0xC9 => {
                let length = self.length(head - 0xC7)?;
                self.extension(length)?
            }
            0xCA => (float(format!("{:?}", f32::from_bits(self.reader.u32()?))), Kind::Number),
            0xCB => (float(format!("{:?}", f64::from_bits(self.reader.u64()?))), Kind::Number),
            0xCC => number(i128::from(self.reader.u8()?)),
            0xCD => number(i128::from(self.reader.u16()?)),
            0xCE => number(i128::from(self.reader.u32()?)),
            0xCF => number(i128::from(self.reader.u64()?)),
            0xD0 => number(i128::from(self.reader.u8()?.cast_signed())),
            0xD1 => number(i128::from(self.reader.u16()?.cast_signed())),
            0xD2 => number(i128::from(self.reader.u32()?.cast_signed())),
            0xD3 => number(i128::from(self.reader.u64()?.cast_signed())),
            0xD4..=0xD8 => self.extension(1 << (head - 0xD4))?,
            0xD9..=0xDB => {
                let length = self.length(head - 0xD9)?;
                self.text(length, at)?
            }
            0xDC | 0xDD => {
                let length = self.length(head - 0xDC + 1)?;
                return self.open(false, length, at);
            }
            0xDE | 0xDF => {
                let length = self.length(head - 0xDE + 1)?;
                return self.open(true, length, at);
            }
            0xE0..=0xFF => number(i128::from(head.cast_signed())),
        };
        self.value(&text, kind, at)
    }

    /// Reads a length of one, two or four bytes.
    fn length(&mut self, size: u8) -> Result<u64, Fault> {
        Ok(match size {
            0 => u64::from(self.reader.u8()?),
            1 => u64::from(self.reader.u16()?),
            _ => u64::from(self.reader.u32()?),
        })
    }

    fn text(&mut self, length: u64, at: usize) -> Result<(String, Kind), Fault> {
        match str::from_utf8(self.reader.take(length)?) {
            Ok(text) => Ok((quoted(text), Kind::Text)),
            Err(_) => Err(Fault::new(at, "a text isn't UTF-8")),
        }
    }

    fn extension(&mut self, length: u64) -> Result<(String, Kind), Fault> {
        let kind = self.reader.u8()?.cast_signed();
        let data = self.reader.take(length)?;
        let words = (kind == TIMESTAMP).then(|| timestamp(data)).flatten();
        Ok((words.unwrap_or_else(|| format!("ext({kind}, {})", bytes_in_hex(data))), Kind::Literal))
    }

    fn value(&mut self, text: &str, kind: Kind, at: usize) -> Result<(), Fault> {
        if self.frames.last().is_some_and(Frame::wants_name) {
            self.writer.name(text);
        } else {
            self.writer.value(text, kind, at)?;
        }
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.left -= 1;
        }
    }

    fn open(&mut self, is_map: bool, length: u64, at: usize) -> Result<(), Fault> {
        self.writer.open(if is_map { "{" } else { "[" }, at)?;
        self.frames.push(Frame { is_map, left: if is_map { 2 * length } else { length } });
        Ok(())
    }

    fn end_objects(&mut self) -> Result<(), Fault> {
        while let Some(frame) = self.frames.pop_if(|frame| frame.left == 0) {
            self.writer.close(if frame.is_map { "}" } else { "]" }, self.reader.at())?;
            // A name that contains other objects is on rows of its own.
            if self.frames.last().is_some_and(Frame::wants_name) {
                self.writer.append(":");
            }
            self.count();
        }
        Ok(())
    }
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
