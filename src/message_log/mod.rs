//! All received messages, within bounds, and ways to search them.
//!
//! - [`MessageLog`]: the messages, in chunks; the oldest are evicted.
//! - [`query`]: selects which of them a person sees.
//! - [`ndjson`]: the log as a file, and back, byte for byte.
//! - [`csv`]: the log as a table for spreadsheets.
//! - [`export`]: writes either format, in slices.
//!
//! Invariants:
//! - The numbers ([`Message::seq`]) of the kept messages are consecutive.
//! - received = kept + evicted + cleared.
//! - A kept message is moved at most once: when its chunk was closed early and is trimmed. No
//!   buffer grows.
//! - Nothing here decodes a payload; bytes are kept as received.

mod chunk;
pub mod csv;
pub mod export;
pub mod message;
pub mod mosquitto_command;
pub mod ndjson;
pub mod query;
pub mod replay;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub(crate) use crate::message_log::chunk::hash;
use crate::message_log::chunk::{Chunk, TopicTable};
use crate::message_log::message::{Message, NewMessage};
use crate::time::Instant;

/// The limits of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most messages; 0 counts as 1.
    pub messages: u64,
    /// The most memory for the messages in bytes, including bookkeeping and space not yet used. A
    /// single message may exceed it: the newest is always kept.
    pub bytes: u64,
}

impl Default for Limits {
    /// A million messages, so that a night of a busy broker is still there in the morning, and 256
    /// MiB, which a browser tab on a small machine can still allocate.
    fn default() -> Self {
        Self { messages: 1_000_000, bytes: 256 << 20 }
    }
}

/// The received messages; the newest are kept.
///
/// Memory is allocated in chunks of one size. Before a new one would exceed the limits, the oldest
/// chunk is evicted with all its messages, and they are counted as evicted.
pub struct MessageLog {
    limits: Limits,
    chunks: VecDeque<Chunk>,
    /// Topics of the last chunk.
    topics: TopicTable,
    /// The buffer of an evicted chunk, for the next one.
    spare: Option<Box<[u8]>>,
    /// The arrival time of the last message, and the same in milliseconds: all messages of a frame
    /// share it, and a division is a tenth of the cost of a message.
    stamp: (Instant, u64),
    next_seq: u64,
    numbering_epoch: u32,
    memory_bytes: u64,
    received: u64,
    kept: u64,
    evicted: u64,
    cleared: u64,
}

impl Default for MessageLog {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl MessageLog {
    /// The highest number that [`MessageLog::import`] adopts: every JSON parser holds it exactly,
    /// and no log lives long enough to exceed it.
    pub const SEQ_MAX: u64 = (1 << 53) - 1;

    /// Large enough that the gap at a chunk's end doesn't matter, small enough that an eviction
    /// isn't noticeable.
    const CHUNK_BYTES_MAX: u64 = 1 << 20;
    const CHUNK_BYTES_MIN: u64 = 1 << 12;
    /// One eviction takes at most this fraction of the messages or bytes allowed.
    const CHUNKS_MIN: u64 = 16;

    /// Returns an empty log.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Limits { messages: limits.messages.max(1), ..limits },
            chunks: VecDeque::new(),
            topics: TopicTable::new(),
            spare: None,
            stamp: (Instant::EPOCH, 0),
            next_seq: 1,
            numbering_epoch: 0,
            memory_bytes: 0,
            received: 0,
            kept: 0,
            evicted: 0,
            cleared: 0,
        }
    }

    /// Keeps a message and returns its number.
    pub fn append(&mut self, message: &NewMessage<'_>) -> u64 {
        if self.kept >= self.limits.messages {
            self.evict_oldest();
        }
        if !self.push(message) {
            self.make_room_for(message);
            self.push(message);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.received += 1;
        self.kept += 1;
        seq
    }

    /// Keeps a message that has a number from an earlier log, and returns the number it has here.
    ///
    /// An empty log adopts the number, so that an imported export equals the exported log.
    /// Otherwise numbering continues: numbers of kept messages have no gaps.
    pub fn import(&mut self, seq: u64, message: &NewMessage<'_>) -> u64 {
        let seq = seq.clamp(1, Self::SEQ_MAX);
        if self.kept == 0 && seq != self.next_seq {
            self.next_seq = seq;
            self.numbering_epoch = self.numbering_epoch.wrapping_add(1);
        }
        self.append(message)
    }

    /// Returns the message with that number; `None` where it isn't kept.
    pub fn message(&self, seq: u64) -> Option<Message<'_>> {
        self.chunks.get(self.chunk_index(seq))?.reader().message(seq)
    }

    /// Returns the number of the oldest kept message; [`MessageLog::next_seq`] where none is kept.
    pub fn first_seq(&self) -> u64 {
        self.next_seq - self.kept
    }

    /// Returns the number that the next message gets.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Returns how often [`MessageLog::import`] started a new numbering. Code that remembers numbers
    /// discards them when this changes.
    pub fn numbering_epoch(&self) -> u32 {
        self.numbering_epoch
    }

    /// Returns the number of messages in the log now.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Returns the number of messages ever appended.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the number of messages evicted for newer ones.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns the number of messages removed by [`MessageLog::clear`].
    pub fn cleared(&self) -> u64 {
        self.cleared
    }

    /// Returns the payload, property and topic bytes in the log now; a topic that many messages
    /// share counts as often as it is stored.
    pub fn kept_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.body_bytes() as u64).sum()
    }

    /// Returns the memory that the messages take in bytes, including bookkeeping and space not yet
    /// used: [`Limits::bytes`] limits this. One unused chunk of 1 MiB at most and a table of 64 KiB
    /// are not included.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Sets new limits. Messages beyond them are evicted at once, the oldest first, and counted.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Limits { messages: limits.messages.max(1), ..limits };
        while self.memory_bytes > limits.bytes && self.chunks.len() > 1 {
            self.evict_oldest_chunk();
        }
        while let Some(excess) = self.kept.checked_sub(self.limits.messages).filter(|&excess| excess > 0) {
            self.evict_oldest_of(excess);
        }
        let chunk_bytes = self.chunk_bytes();
        self.spare.take_if(|spare| spare.len() != chunk_bytes);
    }

    /// Forgets all messages. Numbering continues.
    pub fn clear(&mut self) {
        self.cleared += self.kept;
        self.kept = 0;
        while self.drop_oldest_chunk().is_some() {}
        self.spare = None;
    }

    /// Iterates over the kept messages from that number on, oldest first.
    pub fn iter_from(&self, seq: u64) -> impl Iterator<Item = Message<'_>> {
        self.chunks.range(self.chunk_index(seq)..).flat_map(move |chunk| {
            let mut reader = chunk.reader();
            (seq.max(chunk.first_seq)..chunk.end_seq()).filter_map(move |seq| reader.message(seq))
        })
    }

    /// Iterates over the kept messages before that number, newest first.
    pub fn iter_back_from(&self, seq: u64) -> impl Iterator<Item = Message<'_>> {
        let end = (self.chunk_index(seq) + 1).min(self.chunks.len());
        self.chunks.range(..end).rev().flat_map(move |chunk| {
            let mut reader = chunk.reader();
            (chunk.first_seq..seq.min(chunk.end_seq())).rev().filter_map(move |seq| reader.message(seq))
        })
    }

    /// Returns the index of the chunk that holds, or would hold, the number.
    fn chunk_index(&self, seq: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.first_seq <= seq).saturating_sub(1)
    }

    /// Adds the message to the last chunk. Returns whether it had room.
    fn push(&mut self, message: &NewMessage<'_>) -> bool {
        let messages_max = self.chunk_messages();
        let Some(chunk) = self.chunks.back_mut() else { return false };
        let topic_at = self.topics.find(chunk, message.topic);
        if chunk.messages() as u64 >= messages_max || !chunk.fits(message, topic_at) {
            return false;
        }
        if self.stamp.0 != message.time {
            self.stamp = (message.time, message.time.min(Instant::RFC3339_MAX).as_micros() / 1_000);
        }
        let topic_at = chunk.push(message, self.stamp.1, topic_at);
        self.topics.note(message.topic, topic_at);
        true
    }

    /// Closes the last chunk and opens one that has room for the message.
    #[inline(never)]
    fn make_room_for(&mut self, message: &NewMessage<'_>) {
        if let Some(chunk) = self.chunks.back_mut()
            && let Some(buffer) = chunk.trim()
        {
            self.memory_bytes -= (buffer.len() - chunk.buffer_bytes()) as u64;
            self.keep_spare(buffer);
        }
        self.open_chunk(Chunk::bytes_for(message));
    }

    /// Opens a chunk for a message of that size. A large message gets its own chunk of exactly its
    /// size, because in a common chunk it would leave a large gap.
    fn open_chunk(&mut self, message_bytes: usize) {
        let common = self.chunk_bytes();
        let bytes = if message_bytes > common / 4 { message_bytes } else { common };
        while self.memory_bytes + bytes as u64 > self.limits.bytes && !self.chunks.is_empty() {
            self.evict_oldest_chunk();
        }
        let buffer = self.spare.take_if(|spare| spare.len() == bytes);
        let buffer = buffer.unwrap_or_else(|| vec![0; bytes].into_boxed_slice());
        self.memory_bytes += bytes as u64;
        self.topics.clear();
        self.chunks.push_back(Chunk::new(self.next_seq, buffer));
    }

    fn chunk_bytes(&self) -> usize {
        (self.limits.bytes / Self::CHUNKS_MIN).clamp(Self::CHUNK_BYTES_MIN, Self::CHUNK_BYTES_MAX) as usize
    }

    fn chunk_messages(&self) -> u64 {
        (self.limits.messages / Self::CHUNKS_MIN).max(1)
    }

    /// Makes room for messages: evicts a chunk, or, from a chunk that was filled under larger
    /// limits, as many messages as a chunk holds now.
    fn evict_oldest(&mut self) {
        self.evict_oldest_of(self.chunk_messages());
    }

    /// Evicts the oldest chunk; from a larger one only this number of messages.
    fn evict_oldest_of(&mut self, messages: u64) {
        match self.chunks.front_mut() {
            Some(chunk) if chunk.messages() as u64 > messages => {
                chunk.forget(messages);
                self.kept -= messages;
                self.evicted += messages;
            }
            _ => self.evict_oldest_chunk(),
        }
    }

    fn evict_oldest_chunk(&mut self) {
        if let Some(messages) = self.drop_oldest_chunk() {
            self.kept -= messages;
            self.evicted += messages;
        }
    }

    fn drop_oldest_chunk(&mut self) -> Option<u64> {
        let chunk = self.chunks.pop_front()?;
        let messages = chunk.messages() as u64;
        self.memory_bytes -= chunk.buffer_bytes() as u64;
        self.keep_spare(chunk.into_buffer());
        Some(messages)
    }

    fn keep_spare(&mut self, buffer: Box<[u8]>) {
        if buffer.len() == self.chunk_bytes() {
            self.spare = Some(buffer);
        }
    }
}
