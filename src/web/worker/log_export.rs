//! The page's export of the log, slice by slice, so that incoming messages never wait for long.

use js_sys::{Array, Uint8Array};
use web_sys::{Blob, BlobPropertyBag};

use crate::engine::Engine;

/// Size of a slice.
const SLICE_BYTES: usize = 1 << 20;

/// An export in progress.
pub(super) struct LogExport {
    /// The number of the next message; `None` at the end.
    next_seq: Option<u64>,
    parts: Array,
    slice: Vec<u8>,
}

impl LogExport {
    pub(super) fn new() -> Self {
        Self { next_seq: Some(0), parts: Array::new(), slice: Vec::with_capacity(SLICE_BYTES) }
    }

    /// Adds the next slice. Returns whether there are more.
    pub(super) fn add_slice(&mut self, engine: &Engine) -> bool {
        let Some(next_seq) = self.next_seq else { return false };
        self.slice.clear();
        self.next_seq = engine.export(next_seq, SLICE_BYTES, &mut self.slice);
        // A blob's parts may be stored outside of memory, so a large log isn't doubled.
        let parts = Array::of1(&Uint8Array::from(self.slice.as_slice()));
        if let Ok(slice) = Blob::new_with_u8_array_sequence(&parts) {
            self.parts.push(&slice);
        }
        self.next_seq.is_some()
    }

    /// The file; `None` if the browser can't make it.
    pub(super) fn finish(&self) -> Option<Blob> {
        let options = BlobPropertyBag::new();
        options.set_type("application/x-ndjson");
        Blob::new_with_blob_sequence_and_options(&self.parts, &options).ok()
    }
}
