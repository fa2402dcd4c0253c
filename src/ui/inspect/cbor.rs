//! CBOR (RFC 8949), in its diagnostic notation (section 8).
//!
//! Numbers of any size are written exactly, and what an encoder may choose without changing the
//! value (lengths known in advance or not) stays visible.

use crate::ui::inspect::byte_reader::Reader;
use crate::ui::inspect::outline::{Fault, Step, Writer, bytes_in_hex, float, quoted};
use crate::ui::inspect::text::Kind;

/// How far CBOR, usually one item, is laid out.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    at: usize,
    frames: Vec<Frame>,
}

impl State {
    /// Continues with an item, or with what follows one; returns `true` at the end.
    pub(super) fn step(&mut self, payload: &[u8], writer: &mut Writer, step: Step) -> Result<bool, Fault> {
        if payload.is_empty() {
            return Err(Fault::cut_short(0));
        }
        let mut decoder = Decoder { reader: Reader::new(payload, self.at), writer, frames: &mut self.frames };
        match step {
            Step::Value => decoder.item()?,
            Step::AfterValue => decoder.end_items()?,
        }
        self.at = decoder.reader.at();
        Ok(self.frames.is_empty() && self.at == payload.len())
    }

    /// Returns the position of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }
}

/// An open item; the innermost is last.
#[derive(Clone, Debug)]
struct Frame {
    what: What,
    /// The number of items to come; `None` until the break comes.
    left: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Array,
    /// The next item is a name.
    MapName,
    /// The next item is the value of a name.
    MapValue,
    Tag,
    /// Chunks of bytes (2) or of text (3).
    Chunks(u8),
}

struct Decoder<'a> {
    reader: Reader<'a>,
    writer: &'a mut Writer,
    frames: &'a mut Vec<Frame>,
}

impl Decoder<'_> {
    /// Reads an item, or the head of one that contains others.
    fn item(&mut self) -> Result<(), Fault> {
        let at = self.reader.at();
        let head = self.reader.u8()?;
        let (major, info) = (head >> 5, head & 0x1F);
        if let Some(Frame { what: What::Chunks(of), .. }) = self.frames.last()
            && (major != *of || info == 31)
            && head != 0xFF
        {
            return Err(Fault::new(at, "a text or bytes in pieces holds a piece of another kind"));
        }
        if head != 0xFF && self.frames.last().is_none_or(|frame| frame.what != What::MapValue) {
            self.writer.separate();
        }
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(u64::from(self.reader.u8()?)),
            25 => Some(u64::from(self.reader.u16()?)),
            26 => Some(u64::from(self.reader.u32()?)),
            27 => Some(self.reader.u64()?),
            28..=30 => return Err(Fault::new(at, format!("0x{head:02X} begins nothing that CBOR has"))),
            _ => None,
        };
        match (major, argument) {
            (0, Some(number)) => self.value(&number.to_string(), Kind::Number, at),
            (1, Some(number)) => self.value(&(-1 - i128::from(number)).to_string(), Kind::Number, at),
            (2, Some(length)) => {
                let bytes = bytes_in_hex(self.reader.take(length)?);
                self.value(&bytes, Kind::Literal, at)
            }
            (3, Some(length)) => match str::from_utf8(self.reader.take(length)?) {
                Ok(text) => self.value(&quoted(text), Kind::Text, at),
                Err(_) => Err(Fault::new(at, "a text isn't UTF-8")),
            },
            (2 | 3, None) => self.open(What::Chunks(major), "(_ ", None, at),
            (4, Some(_)) => self.open(What::Array, "[", argument, at),
            (4, None) => self.open(What::Array, "[_ ", None, at),
            (5, Some(pairs)) => self.open(What::MapName, "{", Some(pairs.saturating_mul(2)), at),
            (5, None) => self.open(What::MapName, "{_ ", None, at),
            (6, Some(tag)) => {
                self.writer.prefix(&format!("{tag}("));
                // Each tag is a byte and opens no row, so the limit of rows doesn't bound them.
                self.push(Frame { what: What::Tag, left: Some(1) }, at)
            }
            (7, Some(argument)) => self.simple(info, argument, at),
            (7, None) => self.break_(at),
            _ => Err(Fault::new(at, format!("0x{head:02X} begins nothing that CBOR has"))),
        }
    }

    fn simple(&mut self, info: u8, argument: u64, at: usize) -> Result<(), Fault> {
        let words = match (info, argument) {
            (25, bits) => return self.value(&float(format!("{:?}", half(bits as u16))), Kind::Number, at),
            (26, bits) => {
                return self.value(&float(format!("{:?}", f32::from_bits(bits as u32))), Kind::Number, at);
            }
            (27, bits) => return self.value(&float(format!("{:?}", f64::from_bits(bits))), Kind::Number, at),
            (24, 0..=31) => return Err(Fault::new(at, "a simple value is written longer than it may be")),
            (_, 20) => "false".to_owned(),
            (_, 21) => "true".to_owned(),
            (_, 22) => "null".to_owned(),
            (_, 23) => "undefined".to_owned(),
            (_, number) => format!("simple({number})"),
        };
        self.value(&words, Kind::Literal, at)
    }

    fn value(&mut self, text: &str, kind: Kind, at: usize) -> Result<(), Fault> {
        if let Some(frame) = self.frames.last_mut()
            && frame.what == What::MapName
        {
            frame.what = What::MapValue;
            frame.left = frame.left.map(|left| left - 1);
            self.writer.name(text);
            return Ok(());
        }
        self.writer.value(text, kind, at)?;
        self.count();
        Ok(())
    }

    /// Counts a complete item.
    fn count(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.left = frame.left.map(|left| left.saturating_sub(1));
            frame.what = match frame.what {
                What::MapName => What::MapValue,
                What::MapValue => What::MapName,
                other => other,
            };
        }
    }

    fn open(&mut self, what: What, bracket: &str, left: Option<u64>, at: usize) -> Result<(), Fault> {
        self.writer.open(bracket, at)?;
        self.push(Frame { what, left }, at)
    }

    fn push(&mut self, frame: Frame, at: usize) -> Result<(), Fault> {
        if self.frames.len() >= crate::ui::inspect::outline::DEPTH_MAX {
            return Err(Fault::new(at, "tags nest deeper than is laid out"));
        }
        self.frames.push(frame);
        Ok(())
    }

    fn break_(&mut self, at: usize) -> Result<(), Fault> {
        match self.frames.last_mut() {
            Some(frame) if frame.left.is_none() && frame.what != What::MapValue => frame.left = Some(0),
            _ => return Err(Fault::new(at, "a break stands where nothing can end")),
        }
        Ok(())
    }

    /// Closes complete items, and separates incomplete ones.
    fn end_items(&mut self) -> Result<(), Fault> {
        while let Some(frame) = self.frames.last() {
            if frame.left != Some(0) {
                break;
            }
            let at = self.reader.at();
            match frame.what {
                What::Array => self.writer.close("]", at)?,
                What::MapName | What::MapValue => self.writer.close("}", at)?,
                What::Chunks(_) => self.writer.close(")", at)?,
                What::Tag => self.writer.append(")"),
            }
            self.frames.pop();
            // A name that contains other items is on rows of its own.
            if self.frames.last().is_some_and(|frame| frame.what == What::MapName) {
                self.writer.append(":");
            }
            self.count();
        }
        Ok(())
    }
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
