//! A message's content, in every notation a person may want to read it in.
//!
//! A [`View`] is a way to look at the bytes and never changes them: bytes that don't have the
//! expected format give an error that says where and why. Everything is laid out in rows, of which
//! only those on screen are created, so ten megabytes open as quickly as ten bytes.
//!
//! - [`message_fetch`]: how a message arrives from the worker.
//! - [`text`], [`hex`]: the bytes as they are.
//! - `json`, `cbor`, `msgpack`: nested values, as an [`outline`]; `binary`: what the latter two
//!   have in common.
//! - [`publish_bytes`]: the bytes of the whole packet, each explained.

mod binary;
mod byte_reader;
mod cbor;
pub mod hex;
mod json;
pub mod message_fetch;
mod msgpack;
pub mod outline;
pub mod publish_bytes;
pub mod row;
pub mod text;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::named_enum::named_enum;
use crate::ui::inspect::outline::{FormatError, Outline, Step, Writer};
use crate::ui::inspect::row::Row;
use crate::ui::inspect::text::Text;

named_enum! {
    /// A way to look at a message.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum View {
        /// As text.
        #[default]
        Text = "Text",
        /// As JSON.
        Json = "JSON",
        /// In hex, with ASCII next to it.
        Hex = "Hex",
        /// In Base64.
        Base64 = "Base64",
        /// As CBOR.
        Cbor = "CBOR",
        /// As MessagePack.
        MessagePack = "MessagePack",
        /// The packet that brought it, byte by byte.
        Packet = "Packet",
    }
}

/// The number of control characters beyond which a payload isn't regarded as text.
const CONTROLS_TOLERATED: usize = 10;

/// The number of bytes at the beginning of a payload in which they are counted.
const SEARCHED_BYTES: usize = 1 << 16;

/// Columns of a trial layout that isn't shown. The number is bounded, because the work on one line
/// is done at once.
const TRIAL_COLUMNS: usize = 1 << 12;

/// Finds the view that most likely shows what the sender meant, a slice of work at a time.
///
/// The content type is believed unless the bytes contradict it.
#[derive(Clone, Debug)]
pub struct Choice {
    payload: Arc<[u8]>,
    /// The candidates, the likeliest last, and whether the payload has to be a single value that
    /// contains others.
    candidates: Vec<(View, bool)>,
    /// The last candidate, being tried.
    trial: Option<Sheet>,
    otherwise: View,
}

impl Choice {
    /// Begins to choose.
    pub fn new(payload: Arc<[u8]>, content_type: &str) -> Self {
        let content_type = content_type.to_ascii_lowercase();
        let mut candidates = Vec::new();
        let otherwise = match str::from_utf8(&payload) {
            Ok("") => View::Text,
            Ok(text) => {
                let begin = text.trim_start_matches('\u{feff}').trim_start();
                if content_type.contains("json") || begin.starts_with(['{', '[']) {
                    candidates.push((View::Json, false));
                }
                let controls = payload.iter().take(SEARCHED_BYTES);
                let controls = controls.filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()).count();
                let is_text = controls * CONTROLS_TOLERATED <= payload.len().min(SEARCHED_BYTES);
                if is_text { View::Text } else { View::Hex }
            }
            // Almost any bytes are a valid beginning in these two formats, so the whole must be one
            // value that contains others.
            Err(_) => {
                candidates.extend([(View::MessagePack, true), (View::Cbor, true)]);
                View::Hex
            }
        };
        if !payload.is_empty() && content_type.contains("msgpack") {
            candidates.push((View::MessagePack, false));
        }
        if !payload.is_empty() && content_type.contains("cbor") {
            candidates.push((View::Cbor, false));
        }
        Self { payload, candidates, trial: None, otherwise }
    }

    /// Continues for about this many bytes; returns the view once it is found.
    pub fn advance(&mut self, bytes: usize) -> Option<View> {
        let Some(&(view, must_nest)) = self.candidates.last() else { return Some(self.otherwise) };
        let trial = self.trial.get_or_insert_with(|| Sheet::new(view, Arc::clone(&self.payload), TRIAL_COLUMNS));
        let is_done = trial.advance(bytes);
        let nests = trial.outline().is_some_and(|outline| outline.nests() && outline.items() == 1);
        match is_done {
            Ok(false) if nests || !must_nest => return None,
            Ok(true) if nests || !must_nest => return Some(view),
            Ok(_) | Err(_) => {}
        }
        self.trial = None;
        self.candidates.pop();
        None
    }
}

/// A payload laid out in one view, as far as it is done. A large one takes a while;
/// [`Sheet::advance`] does the work in slices.
#[derive(Clone, Debug)]
pub struct Sheet {
    view: View,
    payload: Arc<[u8]>,
    layout: Layout,
    is_done: bool,
}

#[derive(Clone, Debug)]
enum Layout {
    Text(Text),
    Outline { notation: Notation, writer: Writer, next: Option<Step> },
    Hex { bytes_per_row: usize },
    Base64 { bytes_per_row: usize },
}

#[derive(Clone, Debug)]
enum Notation {
    Json(json::State),
    Binary(binary::State),
}

impl Notation {
    fn step(&mut self, payload: &[u8], writer: &mut Writer, step: Step) -> Result<bool, FormatError> {
        match self {
            Self::Json(state) => state.step(payload, writer, step),
            Self::Binary(state) => state.step(payload, writer, step),
        }
    }

    const fn at(&self) -> usize {
        match self {
            Self::Json(state) => state.at(),
            Self::Binary(state) => state.at(),
        }
    }
}

impl Sheet {
    /// Begins to lay out a payload in rows of about this many columns. [`View::Packet`] is laid out
    /// by [`publish_bytes`]; here it gives hex.
    pub fn new(view: View, payload: Arc<[u8]>, columns: usize) -> Self {
        let outlined = |notation| Layout::Outline { notation, writer: Writer::new(columns), next: Some(Step::Value) };
        let layout = match view {
            View::Text => Layout::Text(Text::new(columns)),
            View::Json => outlined(Notation::Json(json::State::default())),
            View::Cbor => outlined(Notation::Binary(binary::State::new(cbor::read_item))),
            View::MessagePack => outlined(Notation::Binary(binary::State::new(msgpack::read_item))),
            View::Hex | View::Packet => Layout::Hex { bytes_per_row: hex::bytes_per_row(columns) },
            View::Base64 => Layout::Base64 { bytes_per_row: hex::base64_bytes_per_row(columns) },
        };
        Self { view, payload, layout, is_done: false }
    }

    /// Continues for about this many bytes of the payload; returns `true` at its end.
    ///
    /// # Errors
    ///
    /// Returns why the payload can't be shown in this view.
    pub fn advance(&mut self, bytes: usize) -> Result<bool, String> {
        if !self.is_done {
            self.is_done = match &mut self.layout {
                Layout::Text(text) => text.advance(&self.payload, bytes),
                Layout::Outline { notation, writer, next } => {
                    let done = read_on(notation, writer, next, &self.payload, bytes);
                    done.map_err(|fault| format!("Not valid {}: {fault}.", self.view.name()))?
                }
                Layout::Hex { .. } | Layout::Base64 { .. } => true,
            };
        }
        Ok(self.is_done)
    }

    /// Whether all of it is laid out.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    fn outline(&self) -> Option<&Outline> {
        match &self.layout {
            Layout::Outline { writer, .. } => Some(writer.outline()),
            _ => None,
        }
    }

    /// Returns the number of rows so far.
    pub fn rows(&self) -> usize {
        match &self.layout {
            Layout::Text(text) => text.rows(),
            Layout::Outline { writer, .. } => writer.outline().rows(),
            Layout::Hex { bytes_per_row } | Layout::Base64 { bytes_per_row } => {
                hex::rows(self.payload.len(), *bytes_per_row)
            }
        }
    }

    /// Returns a row; `None` past the end.
    pub fn row(&self, index: usize) -> Option<Row> {
        match &self.layout {
            Layout::Text(text) => text.row(&self.payload, index),
            Layout::Outline { writer, .. } => writer.outline().row(index),
            Layout::Hex { bytes_per_row } => hex::row(&self.payload, index, *bytes_per_row),
            Layout::Base64 { bytes_per_row } => hex::base64_row(&self.payload, index, *bytes_per_row),
        }
    }

    /// Folds what a row opens, or unfolds it; see [`Fold::line`](row::Fold::line).
    pub fn toggle(&mut self, line: usize) {
        if let Layout::Outline { writer, .. } = &mut self.layout {
            writer.outline_mut().toggle(line);
        }
    }

    /// Returns the name of the form in which it is copied. Text that isn't UTF-8 is copied as hex.
    pub fn copied_as(&self) -> &'static str {
        match (&self.layout, str::from_utf8(&self.payload)) {
            (Layout::Text(_), Ok(_)) => "text",
            (Layout::Outline { .. }, _) => "formatted",
            (Layout::Base64 { .. }, _) => "Base64",
            (Layout::Text(_) | Layout::Hex { .. }, _) => "hex",
        }
    }

    /// Returns all of it, in the form of [`Sheet::copied_as`].
    pub fn to_text(&self) -> String {
        match (&self.layout, str::from_utf8(&self.payload)) {
            (Layout::Text(_), Ok(text)) => text.to_owned(),
            (Layout::Outline { writer, .. }, _) => writer.outline().to_text(),
            (Layout::Base64 { .. }, _) => STANDARD.encode(&self.payload),
            (Layout::Text(_) | Layout::Hex { .. }, _) => {
                let mut hex = outline::bytes_in_hex(&self.payload);
                hex.truncate(hex.len() - 1);
                hex.split_off(2)
            }
        }
    }
}

/// Lays out values and what follows them, in turn, for about this many bytes of the payload;
/// returns `true` at its end.
fn read_on(
    notation: &mut Notation,
    writer: &mut Writer,
    next: &mut Option<Step>,
    payload: &[u8],
    bytes: usize,
) -> Result<bool, FormatError> {
    let until = notation.at().saturating_add(bytes);
    loop {
        if !writer.continue_text(bytes)? {
            return Ok(false);
        }
        let Some(step) = *next else { return Ok(true) };
        let is_over = notation.step(payload, writer, step)?;
        *next = match step {
            _ if is_over => None,
            Step::Value => Some(Step::AfterValue),
            Step::AfterValue => Some(Step::Value),
        };
        if !is_over && notation.at() >= until {
            return Ok(false);
        }
    }
}
