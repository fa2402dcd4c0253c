//! The packet trace: every control packet in and out, with its time.
//!
//! The worker keeps a [`Trace`]: one small record per packet, of which the last ten thousand are kept. A record
//! contains a packet's first bytes and nothing that could be a secret: of CONNECT, which carries the password, only the
//! fact that it was sent, and of AUTH only its reason. All text is made by [`analysis`], where it is shown.

pub mod analysis;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::Version;
use crate::time::Instant;

/// The number of packets kept: half a megabyte.
pub const KEPT_RECORDS: usize = 10_000;

/// Maximum number of packets per update of the panels.
const PART_RECORDS: usize = 500;

/// The number of bytes kept after a packet's fixed header: an identifier, a reason code, and a few more codes of a
/// SUBACK.
const EXCERPT_BYTES: usize = 12;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was received, or handed to the socket.
    pub time: Instant,
    /// Number of the message it brought, if that was added to the log; otherwise 0.
    pub seq: u64,
    /// Size of the whole packet.
    pub bytes: u32,
    /// The packet's first byte: type and flags.
    pub first: u8,
    /// Whether it came from the broker.
    pub is_incoming: bool,
    /// Whether it is of MQTT 5.0.
    pub is_v5: bool,
    /// The rule that it breaks, if that is tolerated.
    pub deviation: Option<Deviation>,
    /// The number of bytes in the excerpt.
    excerpt_bytes: u8,
    excerpt: [u8; EXCERPT_BYTES],
}

impl Record {
    /// The first bytes after the fixed header. Of a PUBLISH: its packet
    /// identifier; of CONNECT: nothing.
    pub fn excerpt(&self) -> &[u8] {
        self.excerpt.get(..usize::from(self.excerpt_bytes)).unwrap_or_default()
    }
}

/// The packets that the panels haven't seen yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracePart {
    /// Number of the first of them, counted from 0. Packets between the requested one and this one aren't kept any
    /// more.
    pub first: u64,
    /// The packets, oldest first.
    pub records: Vec<Record>,
}

/// The kept packets; see the module.
#[derive(Default)]
pub struct Trace {
    records: VecDeque<Record>,
    /// Number of the next packet.
    next: u64,
    is_v5: bool,
}

impl Trace {
    /// Sets the version of the following packets.
    pub fn set_version(&mut self, version: Version) {
        self.is_v5 = version == Version::V5;
    }

    /// Adds a received packet.
    #[inline]
    pub fn received(&mut self, packet: &[u8], now: Instant) {
        self.note(packet, true, now);
    }

    /// Records that the last packet brought the message with this number.
    #[inline]
    pub fn set_seq(&mut self, seq: u64) {
        if let Some(record) = self.records.back_mut() {
            record.seq = seq;
        }
    }

    /// Records that the last packet broke a rule, which is tolerated.
    pub fn deviated(&mut self, deviation: Deviation) {
        if let Some(record) = self.records.back_mut() {
            record.deviation = Some(deviation);
        }
    }

    /// Adds packets that are handed to the socket; they have to be whole.
    pub fn sent(&mut self, mut packets: &[u8], now: Instant) {
        while let Some((packet, rest)) = packets.split_at_checked(length_of(packets)).filter(|(one, _)| !one.is_empty())
        {
            self.note(packet, false, now);
            packets = rest;
        }
    }

    /// Whether the packet with this number, or a later one, exists.
    pub fn contains(&self, from: u64) -> bool {
        self.next > from
    }

    /// Returns the packets from that number on, as many as fit into one update.
    pub fn part(&self, from: u64) -> TracePart {
        let oldest = self.next - self.records.len() as u64;
        let first = from.clamp(oldest, self.next);
        let records = self.records.range((first - oldest) as usize..).take(PART_RECORDS).cloned().collect();
        TracePart { first, records }
    }

    fn note(&mut self, packet: &[u8], is_incoming: bool, now: Instant) {
        let Some(&first) = packet.first() else { return };
        if self.records.len() == KEPT_RECORDS {
            self.records.pop_front();
        }
        let excerpt_of = match first >> 4 {
            // Passwords and authentication data are never kept.
            1 => &[][..],
            15 => body(packet).get(..1).unwrap_or_default(),
            3 if first & 0b0110 == 0 => &[],
            3 => packet_id_of(packet).unwrap_or_default(),
            _ => body(packet),
        };
        let excerpt_bytes = excerpt_of.len().min(EXCERPT_BYTES);
        let mut excerpt = [0; EXCERPT_BYTES];
        // Most messages have no excerpt.
        if excerpt_bytes > 0 {
            excerpt[..excerpt_bytes].copy_from_slice(&excerpt_of[..excerpt_bytes]);
        }
        self.records.push_back(Record {
            time: now,
            seq: 0,
            bytes: packet.len() as u32,
            first,
            is_incoming,
            is_v5: self.is_v5,
            deviation: None,
            excerpt_bytes: excerpt_bytes as u8,
            excerpt,
        });
        self.next += 1;
    }
}

/// Size of the fixed header: its length field ends with the first byte below 0x80.
fn header_bytes(packet: &[u8]) -> usize {
    2 + packet.iter().skip(1).take_while(|&&byte| byte & 0x80 != 0).count()
}

/// Size of the first packet.
fn length_of(packets: &[u8]) -> usize {
    let header_bytes = header_bytes(packets);
    let length = packets.get(1..header_bytes).unwrap_or_default();
    header_bytes + length.iter().rev().fold(0, |sum, &byte| sum << 7 | usize::from(byte & 0x7F))
}

/// The bytes after the fixed header.
fn body(packet: &[u8]) -> &[u8] {
    packet.get(header_bytes(packet)..).unwrap_or_default()
}

/// The bytes of a PUBLISH's packet identifier, which follows its topic.
fn packet_id_of(packet: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body(packet).split_first_chunk()?;
    rest.get(usize::from(u16::from_be_bytes(*length))..)?.get(..2)
}
