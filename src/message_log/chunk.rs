//! One slab of the log: bodies grow from its front, records from its back, as in a database page.
//! So a chunk is one allocation whatever its contents, is full when the two meet, and never grows.
//!
//! ```text
//! │ topic │ properties payload │ properties payload │ …free… │ record 1 │ record 0 │
//! ```

use crate::byte_ops;
use crate::message_log::message::{Message, NewMessage};
use crate::mqtt::packet::QoS;
use crate::time::Instant;

/// The metadata of one message.
struct Record {
    /// Milliseconds, and flags in the lowest byte.
    time_and_flags: u64,
    topic_at: u32,
    body_at: u32,
    properties_bytes: u32,
    payload_bytes: u32,
}

/// The size of a [`Record`] in bytes.
pub(super) const RECORD_BYTES: usize = 24;

impl Record {
    #[inline(always)]
    fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let time = [self.time_and_flags as u32, (self.time_and_flags >> 32) as u32];
        let words = [time[0], time[1], self.topic_at, self.body_at, self.properties_bytes, self.payload_bytes];
        let mut bytes = [0; RECORD_BYTES];
        for (target, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *target = word.to_le_bytes();
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Self {
        let word = |at: usize| bytes.as_chunks::<4>().0.get(at).map_or(0, |word| u32::from_le_bytes(*word));
        Self {
            time_and_flags: u64::from(word(0)) | u64::from(word(1)) << 32,
            topic_at: word(2),
            body_at: word(3),
            properties_bytes: word(4),
            payload_bytes: word(5),
        }
    }
}

/// The size of the length before each topic's text.
const TOPIC_LENGTH_BYTES: usize = 4;

const DUP: u64 = 0b1000;
const QOS_SHIFT: u32 = 1;
const RETAIN: u64 = 0b0001;

/// A run of messages with consecutive numbers.
///
/// Every position and length fits 32 bits: an MQTT packet has at most 268,435,460 bytes, and a
/// chunk is either small or made for one message.
pub(super) struct Chunk {
    pub(super) first_seq: u64,
    /// The number of records at the front whose messages were evicted.
    gone: usize,
    /// The number of all records, including those.
    messages: usize,
    body_end: usize,
    buffer: Box<[u8]>,
}

impl Chunk {
    /// Returns an empty chunk over `buffer`, whose old contents don't matter.
    pub(super) fn new(first_seq: u64, buffer: Box<[u8]>) -> Self {
        Self { first_seq, gone: 0, messages: 0, body_end: 0, buffer }
    }

    /// Returns the space that a message takes if its topic isn't in the chunk yet.
    pub(super) fn bytes_for(arrival: &NewMessage<'_>) -> usize {
        Self::bytes_for_known_topic(arrival) + TOPIC_LENGTH_BYTES + arrival.topic.len()
    }

    #[inline(always)]
    fn bytes_for_known_topic(arrival: &NewMessage<'_>) -> usize {
        RECORD_BYTES + arrival.properties.len() + arrival.payload.len()
    }

    #[inline(always)]
    pub(super) fn messages(&self) -> usize {
        self.messages - self.gone
    }

    /// Evicts this number of messages at the front. Their space is freed with the chunk.
    pub(super) fn forget(&mut self, messages: u64) {
        let messages = usize::try_from(messages).unwrap_or(usize::MAX).min(self.messages());
        self.gone += messages;
        self.first_seq += messages as u64;
    }

    /// Returns the number of the message after the chunk's last.
    pub(super) fn end_seq(&self) -> u64 {
        self.first_seq + self.messages() as u64
    }

    /// Returns the size of topics, properties and payloads, without the records.
    pub(super) fn body_bytes(&self) -> usize {
        self.body_end
    }

    /// Returns the memory that the chunk takes, used or not.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer.len()
    }

    #[inline(always)]
    fn free_bytes(&self) -> usize {
        self.buffer.len() - self.body_end - self.messages * RECORD_BYTES
    }

    /// Whether the message fits; `topic_at` is the position of its topic if the chunk has it.
    #[inline(always)]
    pub(super) fn fits(&self, arrival: &NewMessage<'_>, topic_at: Option<u32>) -> bool {
        let wanted = match topic_at {
            Some(_) => Self::bytes_for_known_topic(arrival),
            None => Self::bytes_for(arrival),
        };
        wanted <= self.free_bytes()
    }

    /// Returns the topic at `at`.
    #[inline(always)]
    pub(super) fn topic_bytes(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let length = read_u32(&self.buffer, at) as usize;
        let start = at + TOPIC_LENGTH_BYTES;
        self.buffer.get(start..start + length).unwrap_or_default()
    }

    /// Adds a message that [`Chunk::fits`], with this time in milliseconds, and returns the
    /// position of its topic.
    #[inline(always)]
    pub(super) fn push(&mut self, arrival: &NewMessage<'_>, time_ms: u64, topic_at: Option<u32>) -> u32 {
        let topic_at = match topic_at {
            Some(at) => at,
            None => self.put_topic(arrival.topic),
        };
        let body_at = self.body_end as u32;
        if !arrival.properties.is_empty() {
            self.put(arrival.properties);
        }
        self.put(arrival.payload);

        let flags = u64::from(arrival.qos as u8) << QOS_SHIFT
            | if arrival.retain { RETAIN } else { 0 }
            | if arrival.dup { DUP } else { 0 };
        let time_and_flags = time_ms << 8 | flags;
        let at = self.record_at(self.messages);
        if let Some(record) = self.buffer.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<RECORD_BYTES>) {
            *record = Record {
                time_and_flags,
                topic_at,
                body_at,
                properties_bytes: arrival.properties.len() as u32,
                payload_bytes: arrival.payload.len() as u32,
            }
            .to_bytes();
        }
        self.messages += 1;
        topic_at
    }

    /// Returns a reader for one message, or for many consecutive ones.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { chunk: self, topic_at: u32::MAX, topic: "" }
    }

    /// Returns the buffer for reuse.
    pub(super) fn into_buffer(self) -> Box<[u8]> {
        self.buffer
    }

    /// Moves the messages into a buffer of their size if an eighth of the present one is unused,
    /// and returns the present one.
    ///
    /// Only a large message, or a small limit on the number of messages, closes a chunk that is far
    /// from full; no message is moved twice.
    pub(super) fn trim(&mut self) -> Option<Box<[u8]>> {
        if self.free_bytes() <= self.buffer.len() / 8 {
            return None;
        }
        let records_bytes = self.messages * RECORD_BYTES;
        let mut exact = Vec::with_capacity(self.body_end + records_bytes);
        exact.extend_from_slice(&self.buffer[..self.body_end]);
        exact.extend_from_slice(&self.buffer[self.buffer.len() - records_bytes..]);
        Some(std::mem::replace(&mut self.buffer, exact.into_boxed_slice()))
    }

    #[inline(always)]
    fn record_at(&self, index: usize) -> usize {
        self.buffer.len() - (index + 1) * RECORD_BYTES
    }

    #[inline(never)]
    fn put_topic(&mut self, topic: &str) -> u32 {
        let at = self.body_end as u32;
        self.put(&(topic.len() as u32).to_le_bytes());
        self.put(topic.as_bytes());
        at
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        if let Some(free) = self.buffer.get_mut(self.body_end..) {
            byte_ops::copy(bytes, free);
        }
        self.body_end += bytes.len();
    }
}

/// Reads messages of a chunk. Consecutive messages mostly share a topic, which is then read once
/// for all of them.
pub(super) struct Reader<'a> {
    chunk: &'a Chunk,
    /// Position of the last topic read; no topic is at `u32::MAX`.
    topic_at: u32,
    topic: &'a str,
}

impl<'a> Reader<'a> {
    /// Returns the message with that number; `None` if it isn't in the chunk.
    pub(super) fn message(&mut self, seq: u64) -> Option<Message<'a>> {
        let chunk = self.chunk;
        let index = usize::try_from(seq.checked_sub(chunk.first_seq)?).ok()? + chunk.gone;
        if index >= chunk.messages {
            return None;
        }
        let record = chunk.buffer.get(chunk.record_at(index)..)?.first_chunk()?;
        let Record { time_and_flags, topic_at, body_at, properties_bytes, payload_bytes } = Record::from_bytes(record);
        if self.topic_at != topic_at {
            self.topic_at = topic_at;
            // Written from a `&str`, so this never fails.
            self.topic = str::from_utf8(chunk.topic_bytes(topic_at)).unwrap_or_default();
        }
        let body_at = body_at as usize;
        let payload_at = body_at + properties_bytes as usize;
        let body_end = payload_at + payload_bytes as usize;
        Some(Message {
            seq,
            time: Instant::from_millis(time_and_flags >> 8),
            topic: self.topic,
            qos: QoS::from_u8((time_and_flags >> QOS_SHIFT & 0b11) as u8).unwrap_or_default(),
            retain: time_and_flags & RETAIN != 0,
            dup: time_and_flags & DUP != 0,
            properties: chunk.buffer.get(body_at..payload_at).unwrap_or_default(),
            payload: chunk.buffer.get(payload_at..body_end).unwrap_or_default(),
        })
    }
}

fn read_u32(buffer: &[u8], at: usize) -> u32 {
    let bytes = buffer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

/// Finds the position of a topic in the chunk that is being filled.
///
/// Topics are interned per chunk, so they are freed with their chunk. The table has a fixed size
/// and probes a few slots only: a million topics, or topics chosen to collide, cost some duplicate
/// texts, and never time or memory.
pub(super) struct TopicTable {
    /// Position + 1 by hash; 0 is free.
    slots: Box<[u32]>,
    last: Option<u32>,
}

impl TopicTable {
    /// More than the number of topics of most installations, 64 KiB.
    const SLOTS: usize = 1 << 14;
    const PROBES: usize = 8;

    pub(super) fn new() -> Self {
        Self { slots: vec![0; Self::SLOTS].into_boxed_slice(), last: None }
    }

    /// Clears the table for a new chunk.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.last = None;
    }

    /// Returns the topic's position in `chunk`, if the table has it.
    #[inline(always)]
    pub(super) fn find(&self, chunk: &Chunk, topic: &str) -> Option<u32> {
        let same = |at: &u32| byte_ops::are_same(chunk.topic_bytes(*at), topic.as_bytes());
        if let Some(last) = self.last.filter(same) {
            return Some(last);
        }
        self.find_other(chunk, topic)
    }

    #[inline(never)]
    fn find_other(&self, chunk: &Chunk, topic: &str) -> Option<u32> {
        let same = |at: &u32| byte_ops::are_same(chunk.topic_bytes(*at), topic.as_bytes());
        Self::probes(topic).map_while(|slot| self.slots[slot].checked_sub(1)).find(same)
    }

    /// Stores that the last message's topic is at `at`.
    #[inline(always)]
    pub(super) fn note(&mut self, topic: &str, at: u32) {
        if self.last != Some(at) {
            self.note_other(topic, at);
        }
    }

    #[inline(never)]
    fn note_other(&mut self, topic: &str, at: u32) {
        self.last = Some(at);
        let free = Self::probes(topic).find(|&slot| [0, at + 1].contains(&self.slots[slot]));
        if let Some(slot) = free.or_else(|| Self::probes(topic).next()) {
            self.slots[slot] = at + 1;
        }
    }

    fn probes(topic: &str) -> impl Iterator<Item = usize> {
        let hash = hash(topic.as_bytes());
        (0..Self::PROBES).map(move |step| (hash + step) & (Self::SLOTS - 1))
    }
}

/// Spreads topics over the slots; needs to be fast, not strong.
pub(crate) fn hash(bytes: &[u8]) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut words = bytes.chunks_exact(8);
    let mut hash = bytes.len() as u64;
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    for &byte in words.remainder() {
        hash = (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(FACTOR);
    }
    (hash >> 32) as usize
}
