//! What CBOR and MessagePack have in common: items, and containers that announce how many items
//! they hold.

use crate::ui::inspect::byte_reader::Reader;
use crate::ui::inspect::outline::{DEPTH_MAX, FormatError, Step, Writer};
use crate::ui::inspect::row::Kind;

/// Reads an item, or the head of one that contains others.
pub(super) type ReadItem = fn(&mut Decoder<'_>) -> Result<(), FormatError>;

/// How far a payload, usually one item, is laid out.
#[derive(Clone, Debug)]
pub(super) struct State {
    read_item: ReadItem,
    at: usize,
    frames: Vec<Frame>,
}

impl State {
    /// Begins to lay out a payload in the format whose items this function reads.
    pub(super) const fn new(read_item: ReadItem) -> Self {
        Self { read_item, at: 0, frames: Vec::new() }
    }

    /// Continues with an item, or with what follows one; returns `true` at the end.
    pub(super) fn step(&mut self, payload: &[u8], writer: &mut Writer, step: Step) -> Result<bool, FormatError> {
        if payload.is_empty() {
            return Err(FormatError::cut_short(0));
        }
        let mut decoder = Decoder { reader: Reader::new(payload, self.at), writer, frames: &mut self.frames };
        match step {
            Step::Value => (self.read_item)(&mut decoder)?,
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

/// An open container; the innermost is last.
#[derive(Clone, Debug)]
struct Frame {
    container: Container,
    /// The number of items to come; `None` if only a break ends the container.
    left: Option<u64>,
}

/// What contains other items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    /// The next item is a name.
    MapName,
    /// The next item is the value of a name.
    MapValue,
    /// A tag of CBOR, for one item.
    Tag,
    /// Chunks of bytes (2) or of text (3), by CBOR's major types.
    Chunks(u8),
}

/// Reads items and writes them as an outline.
pub(super) struct Decoder<'a> {
    pub(super) reader: Reader<'a>,
    pub(super) writer: &'a mut Writer,
    frames: &'a mut Vec<Frame>,
}

impl Decoder<'_> {
    /// Returns the innermost container.
    pub(super) fn container(&self) -> Option<Container> {
        self.frames.last().map(|frame| frame.container)
    }

    /// Appends a comma if the next item follows another one. The value of a name doesn't.
    pub(super) fn separate(&mut self) {
        if self.container() != Some(Container::MapValue) {
            self.writer.separate();
        }
    }

    /// Writes an item that contains no others.
    pub(super) fn value(&mut self, text: &str, kind: Kind, at: usize) -> Result<(), FormatError> {
        if self.container() == Some(Container::MapName) {
            self.writer.name(text);
        } else {
            self.writer.value(text, kind, at)?;
        }
        self.count();
        Ok(())
    }

    /// Counts a complete item.
    fn count(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.left = frame.left.map(|left| left.saturating_sub(1));
            frame.container = match frame.container {
                Container::MapName => Container::MapValue,
                Container::MapValue => Container::MapName,
                other => other,
            };
        }
    }

    /// Opens an array of this many items.
    pub(super) fn open_array(&mut self, items: u64, at: usize) -> Result<(), FormatError> {
        self.open(Container::Array, "[", Some(items), at)
    }

    /// Opens a map of this many names and values.
    pub(super) fn open_map(&mut self, pairs: u64, at: usize) -> Result<(), FormatError> {
        self.open(Container::MapName, "{", Some(pairs.saturating_mul(2)), at)
    }

    /// Opens a container on a row of its own.
    pub(super) fn open(
        &mut self,
        container: Container,
        bracket: &str,
        items: Option<u64>,
        at: usize,
    ) -> Result<(), FormatError> {
        self.writer.open(bracket, at)?;
        self.push(container, items, at)
    }

    /// Opens a container. The limit of rows doesn't bound those that open none.
    pub(super) fn push(&mut self, container: Container, left: Option<u64>, at: usize) -> Result<(), FormatError> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(FormatError::too_deep(at));
        }
        self.frames.push(Frame { container, left });
        Ok(())
    }

    /// Handles a break: the innermost container ends, if it may end here.
    pub(super) fn end_by_break(&mut self, at: usize) -> Result<(), FormatError> {
        match self.frames.last_mut() {
            Some(frame) if frame.left.is_none() && frame.container != Container::MapValue => frame.left = Some(0),
            _ => return Err(FormatError::new(at, "unexpected break")),
        }
        Ok(())
    }

    /// Closes the complete containers.
    fn end_items(&mut self) -> Result<(), FormatError> {
        while let Some(frame) = self.frames.pop_if(|frame| frame.left == Some(0)) {
            let at = self.reader.at();
            match frame.container {
                Container::Array => self.writer.close("]", at)?,
                Container::MapName | Container::MapValue => self.writer.close("}", at)?,
                Container::Chunks(_) => self.writer.close(")", at)?,
                Container::Tag => self.writer.append(")"),
            }
            // A name that contains other items is on rows of its own.
            if self.container() == Some(Container::MapName) {
                self.writer.append(":");
            }
            self.count();
        }
        Ok(())
    }
}
