//! Reads numbers and runs of bytes from a payload, never past its end.

use crate::ui::inspect::outline::FormatError;

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader at a position within the bytes.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Returns the position of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Takes this many bytes. A count larger than what is left costs nothing.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], FormatError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count)).ok_or_else(|| {
            FormatError::new(self.at, format!("length of {count} bytes exceeds the remaining {}", rest.len()))
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let taken = self.bytes[self.at..].first_chunk().ok_or_else(|| FormatError::cut_short(self.at))?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }
}
