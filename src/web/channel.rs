//! The one format between the worker and the page or its panels: postcard in a `Uint8Array`.
//!
//! The array's buffer is transferred, so nothing is copied on the way. What can't be bytes is sent
//! as it is: an export's `Blob`, the panels' `MessagePort`.

use js_sys::{Array, Uint8Array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use crate::protocol::update::Update;

/// What the worker sends to the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// It has started and accepts commands from now on.
    Ready {
        /// [`VERSION`] of the worker's file, which may come from a cache.
        version: String,
    },
    /// The answer to a pull.
    Update(Box<Update>),
    /// It can't continue; this is its last message.
    Panicked {
        /// For the console and a report.
        message: String,
    },
}

/// All files must come from the same build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A message in an unknown format: the files are of different builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("page and worker come from different builds; reload the page")]
pub struct ChannelError;

/// Encodes a message to be posted.
pub fn encode(message: &impl Serialize) -> Result<Uint8Array, ChannelError> {
    let bytes = postcard::to_allocvec(message).map_err(|_| ChannelError)?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// Decodes a message that arrived.
pub fn decode<T: DeserializeOwned>(data: &JsValue) -> Result<T, ChannelError> {
    let array = data.dyn_ref::<Uint8Array>().ok_or(ChannelError)?;
    postcard::from_bytes(&array.to_vec()).map_err(|_| ChannelError)
}

/// Returns the list of buffers that are transferred instead of copied.
pub fn transfer(message: &Uint8Array) -> Array {
    Array::of1(&message.buffer())
}
