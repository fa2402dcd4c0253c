//! Packet identifiers: which are in use, and which is the next one.

use std::num::NonZeroU16;

use super::packet::PacketId;

const WORDS: usize = (u16::MAX as usize + 1) / 64;

/// A set of packet identifiers, one bit each.
///
/// Used in both directions: for the identifiers of our own packets, and for those of incoming QoS 2 messages that were
/// delivered but not yet released.
#[derive(Clone, Debug)]
pub struct PacketIdSet {
    bits: Box<[u64; WORDS]>,
    len: usize,
    last: u16,
}

impl Default for PacketIdSet {
    fn default() -> Self {
        Self { bits: Box::new([0; WORDS]), len: 0, last: 0 }
    }
}

impl PacketIdSet {
    /// Takes the next identifier that isn't in use; returns `None` if all 65,535 are `[MQTT-2.2.1-3]`.
    ///
    /// It continues after the last one instead of starting at the lowest, so that an identifier that was just released
    /// isn't mistaken in a late packet for its former owner.
    pub fn allocate(&mut self) -> Option<PacketId> {
        if self.is_full() {
            return None;
        }
        loop {
            self.last = self.last.wrapping_add(1);
            if let Some(id) = NonZeroU16::new(self.last)
                && self.insert(id)
            {
                return Some(id);
            }
        }
    }

    /// Adds the identifier; returns `false` if it was already in the set.
    pub fn insert(&mut self, id: PacketId) -> bool {
        let (word, bit) = position(id);
        let fresh = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.len += usize::from(fresh);
        fresh
    }

    /// Removes the identifier; returns `false` if it wasn't in the set.
    pub fn remove(&mut self, id: PacketId) -> bool {
        let (word, bit) = position(id);
        let present = self.bits[word] & bit != 0;
        self.bits[word] &= !bit;
        self.len -= usize::from(present);
        present
    }

    /// Whether the identifier is in the set.
    pub fn contains(&self, id: PacketId) -> bool {
        let (word, bit) = position(id);
        self.bits[word] & bit != 0
    }

    /// The identifiers in the set, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = PacketId> {
        (1..=u16::MAX).filter_map(PacketId::new).filter(|id| self.contains(*id))
    }

    /// The number of identifiers in the set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether all 65,535 are in the set.
    pub fn is_full(&self) -> bool {
        self.len == usize::from(u16::MAX)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes all of them; [`PacketIdSet::allocate`] continues where it was.
    pub fn clear(&mut self) {
        self.bits.fill(0);
        self.len = 0;
    }
}

/// The index of the word with this identifier's bit, and the bit.
fn position(id: PacketId) -> (usize, u64) {
    (usize::from(id.get() / 64), 1 << (id.get() % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_is_allocated_once_and_never_zero() {
        let mut ids = PacketIdSet::default();
        let mut seen = vec![false; 65_536];
        for _ in 0..65_535 {
            let id = usize::from(ids.allocate().expect("one is free").get());
            assert!(!std::mem::replace(&mut seen[id], true), "{id} was allocated twice");
        }
        assert!(!seen[0]);
        assert_eq!(ids.allocate(), None);

        let freed = PacketId::new(777).expect("not zero");
        assert!(ids.remove(freed) && !ids.remove(freed) && !ids.contains(freed));
        assert_eq!(ids.allocate(), Some(freed));
        ids.clear();
        assert!(ids.is_empty());
    }

    #[test]
    fn a_released_identifier_is_not_the_next_one() {
        let mut ids = PacketIdSet::default();
        let first = ids.allocate().expect("free");
        ids.remove(first);
        assert_ne!(ids.allocate(), Some(first));
    }
}
