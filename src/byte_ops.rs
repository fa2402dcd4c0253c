//! Byte operations used for every message, where calling the functions of the standard library
//! would cost more than the work: most topics and payloads are short.

/// Whether both are equal.
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

/// From this size on, a library call is faster.
const LONG_BYTES: usize = 512;

/// Copies `from` to the beginning of `to`, which must not be shorter.
#[inline(always)]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    debug_assert!(from.len() <= to.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around those of the words that are compared and copied at once.
    const LENGTHS: [usize; 13] = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 90, LONG_BYTES - 1, LONG_BYTES + 1];

    #[test]
    fn every_byte_counts() {
        for length in LENGTHS {
            let bytes: Vec<u8> = (0..length).map(|place| place as u8).collect();
            assert!(are_same(&bytes, &bytes.clone()), "{length}");
            assert!(!are_same(&bytes, &[&bytes[..], &[0]].concat()), "{length}, longer");
            for place in 0..length {
                let mut other = bytes.clone();
                other[place] ^= 0x80;
                assert!(!are_same(&bytes, &other), "{length}, other at {place}");
            }
        }
    }

    #[test]
    fn all_is_copied_and_nothing_behind_it_changes() {
        for length in LENGTHS {
            let bytes: Vec<u8> = (0..length).map(|place| place as u8 | 1).collect();
            let mut to = vec![0; length + 20];
            copy(&bytes, &mut to);
            assert_eq!(to[..length], bytes);
            assert_eq!(to[length..], [0; 20]);
        }
    }
}
