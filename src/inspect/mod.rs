//! What a message holds, in every notation a person may want to read it in.
//!
//! A [`View`] is a way to look at the bytes and never changes them: what isn't
//! what it is taken for gives words that say where and why. Everything is laid
//! out in rows, of which only those on screen are made, so ten megabytes open
//! as quickly as ten bytes.
//!
//! - [`gather`]: how a message gets here.
//! - [`text`], [`hex`]: the bytes as they are.
//! - [`json`], [`cbor`], [`msgpack`]: values within values, as an [`outline`].
//! - [`publish_bytes`]: the bytes of the whole packet, each explained.

pub mod cbor;
pub mod gather;
pub mod hex;
pub mod json;
pub mod msgpack;
pub mod outline;
pub mod publish_bytes;
mod reader;
pub mod text;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use outline::Outline;
use text::{Piece, Text};

/// A way to look at a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// As text.
    #[default]
    Text,
    /// As JSON.
    Json,
    /// In hex, with ASCII beside it.
    Hex,
    /// In Base64.
    Base64,
    /// As CBOR.
    Cbor,
    /// As MessagePack.
    MessagePack,
    /// The packet that brought it, byte by byte.
    Packet,
}

impl View {
    /// All of them, in the order they are offered.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Json, Self::Hex, Self::Base64, Self::Cbor, Self::MessagePack, Self::Packet];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Json => "JSON",
            Self::Hex => "Hex",
            Self::Base64 => "Base64",
            Self::Cbor => "CBOR",
            Self::MessagePack => "MessagePack",
            Self::Packet => "Packet",
        }
    }
}

/// Letters that are no layout; many of them, and it isn't text that is meant.
const CONTROLS_TOLERATED: usize = 10;

/// The view that most likely shows what the sender meant.
///
/// The content type is believed where the bytes don't contradict it.
pub fn likeliest(payload: &[u8], content_type: &str) -> View {
    let columns = usize::MAX;
    let content_type = content_type.to_ascii_lowercase();
    let is_one = |outline: Result<Outline, _>| outline.is_ok_and(|outline| outline.items() == 1);
    if payload.is_empty() {
        return View::Text;
    }
    if content_type.contains("cbor") && cbor::outline(payload, columns).is_ok() {
        return View::Cbor;
    }
    if content_type.contains("msgpack") && msgpack::outline(payload, columns).is_ok() {
        return View::MessagePack;
    }
    if let Ok(text) = str::from_utf8(payload) {
        let says_json = content_type.contains("json") || text.trim_start().starts_with(['{', '[']);
        if says_json && json::outline(payload, columns).is_ok() {
            return View::Json;
        }
        let controls = text.chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
        return if controls * CONTROLS_TOLERATED > payload.len() { View::Hex } else { View::Text };
    }
    // Nearly any bytes begin something in these two, so the whole must be one
    // value with others within.
    let is_nested = |outline: Result<Outline, _>| outline.as_ref().is_ok_and(Outline::nests) && is_one(outline);
    if is_nested(cbor::outline(payload, columns)) {
        View::Cbor
    } else if is_nested(msgpack::outline(payload, columns)) {
        View::MessagePack
    } else {
        View::Hex
    }
}

/// One row of a [`Sheet`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where the row begins, if that is said.
    pub lead: String,
    /// Levels it is moved to the right.
    pub indent: usize,
    /// It goes on with what didn't fit into the row before.
    pub continues: bool,
    /// It opens what can be folded.
    pub fold: Option<Fold>,
    /// What stands there.
    pub pieces: Vec<Piece>,
}

impl Row {
    /// Levels that are shown; what nests deeper stands no further right.
    pub const INDENT_MAX: usize = 24;
}

/// What a row opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// For [`Sheet::toggle`].
    pub line: usize,
    /// What is within isn't shown.
    pub is_folded: bool,
}

/// A payload laid out in one view.
#[derive(Clone, Debug)]
pub struct Sheet {
    payload: Arc<[u8]>,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    Text(Text),
    Outline(Outline),
    Hex { bytes_per_row: usize },
    Base64 { bytes_per_row: usize },
}

impl Sheet {
    /// Lays out a payload in rows of about so many columns.
    ///
    /// # Errors
    /// Why it can't be read so, in words. [`View::Packet`] is laid out by
    /// [`publish_bytes`]; here it gives hex.
    pub fn new(view: View, payload: Arc<[u8]>, columns: usize) -> Result<Self, String> {
        let outlined = |outline: Result<Outline, outline::Fault>| {
            outline.map(Layout::Outline).map_err(|fault| format!("This isn't {}: {fault}.", view.name()))
        };
        let layout = match view {
            View::Text => Layout::Text(Text::new(&payload, columns)),
            View::Json => outlined(json::outline(&payload, columns))?,
            View::Cbor => outlined(cbor::outline(&payload, columns))?,
            View::MessagePack => outlined(msgpack::outline(&payload, columns))?,
            View::Hex | View::Packet => Layout::Hex { bytes_per_row: hex::bytes_per_row(columns) },
            View::Base64 => Layout::Base64 { bytes_per_row: hex::base64_bytes_per_row(columns) },
        };
        Ok(Self { payload, layout })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match &self.layout {
            Layout::Text(text) => text.rows(),
            Layout::Outline(outline) => outline.rows(),
            Layout::Hex { bytes_per_row } | Layout::Base64 { bytes_per_row } => {
                hex::rows(self.payload.len(), *bytes_per_row)
            }
        }
    }

    /// A row; `None` past the end.
    pub fn row(&self, index: usize) -> Option<Row> {
        match &self.layout {
            Layout::Text(text) => text.row(&self.payload, index),
            Layout::Outline(outline) => outline.row(index),
            Layout::Hex { bytes_per_row } => hex::row(&self.payload, index, *bytes_per_row),
            Layout::Base64 { bytes_per_row } => hex::base64_row(&self.payload, index, *bytes_per_row),
        }
    }

    /// Folds what a row opens, or unfolds it; see [`Fold::line`].
    pub fn toggle(&mut self, line: usize) {
        if let Layout::Outline(outline) = &mut self.layout {
            outline.toggle(line);
        }
    }

    /// As what it is copied. Text that isn't UTF-8 can't be; then it is hex.
    pub fn copied_as(&self) -> &'static str {
        match (&self.layout, str::from_utf8(&self.payload)) {
            (Layout::Text(_), Ok(_)) => "text",
            (Layout::Outline(_), _) => "laid out",
            (Layout::Base64 { .. }, _) => "Base64",
            (Layout::Text(_) | Layout::Hex { .. }, _) => "hex",
        }
    }

    /// All of it, as [`Sheet::copied_as`] says.
    pub fn to_text(&self) -> String {
        match (&self.layout, str::from_utf8(&self.payload)) {
            (Layout::Text(_), Ok(text)) => text.to_owned(),
            (Layout::Outline(outline), _) => outline.to_text(),
            (Layout::Base64 { .. }, _) => STANDARD.encode(&self.payload),
            (Layout::Text(_) | Layout::Hex { .. }, _) => {
                let mut hex = outline::bytes_in_hex(&self.payload);
                hex.truncate(hex.len() - 1);
                hex.split_off(2)
            }
        }
    }
}
