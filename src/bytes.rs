//! What is done to bytes for every message, where a call to the functions of the
//! standard library would cost more than the work: most topics and payloads are
//! short.

/// Whether both hold the same.
#[inline(always)]
pub(crate) fn are_same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let ((left_words, left_rest), (right_words, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    for (left, right) in left_words.iter().zip(right_words) {
        if u64::from_le_bytes(*left) != u64::from_le_bytes(*right) {
            return false;
        }
    }
    for (left, right) in left_rest.iter().zip(right_rest) {
        if left != right {
            return false;
        }
    }
    true
}

/// From this size on, a call is worth it.
const LONG_BYTES: usize = 512;

/// Copies `from` to the beginning of `to`, which is no shorter.
#[inline(always)]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    if from.len() >= LONG_BYTES {
        return copy_long(from, to);
    }
    let ((from_words, from_rest), (to_words, _)) = (from.as_chunks::<16>(), to.as_chunks_mut::<16>());
    for (from, to) in from_words.iter().zip(to_words) {
        *to = *from;
    }
    let copied = from.len() - from_rest.len();
    if let Some(to) = to.get_mut(copied..) {
        for (from, to) in from_rest.iter().zip(to) {
            *to = *from;
        }
    }
}

#[inline(never)]
fn copy_long(from: &[u8], to: &mut [u8]) {
    to[..from.len()].copy_from_slice(from);
}
