//! The packet trace: every control packet in and out, with its time.
//!
//! The worker keeps a [`Trace`]: one small record a packet, of which the last
//! ten thousand stay. It holds a packet's first bytes and nothing that could be
//! a secret: of CONNECT, which carries the password, only that it was sent, and of
//! AUTH only its reason. All
//! words are made by [`analysis`], where they are shown.

pub mod analysis;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::mqtt::deviation::Deviation;
use crate::mqtt::packet::Version;
use crate::time::Instant;

/// How many packets are kept: half a megabyte.
pub const KEPT_RECORDS: usize = 10_000;

/// How many go out with one update of the panels.
const PART_RECORDS: usize = 500;

/// How much is kept of what follows a packet's fixed header, in bytes: an
/// identifier, a reason code, and a few more codes of a SUBACK.
const EXCERPT_BYTES: usize = 12;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it came, or was handed to the socket.
    pub time: Instant,
    /// Its number in the log, where it brought a message that is kept.
    pub seq: u64,
    /// Size of the whole packet.
    pub bytes: u32,
    /// The packet's first byte: type and flags.
    pub first: u8,
    /// From the broker, or to it.
    pub is_incoming: bool,
    /// Of MQTT 5.0.
    pub is_v5: bool,
    /// The rule that it breaks, where that is tolerated.
    pub deviation: Option<Deviation>,
    /// How many bytes of the excerpt there are.
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
    /// Number of the first of them, counted from 0. Those between what was
    /// asked for and this one aren't kept any more.
    pub first: u64,
    /// The packets, oldest first.
    pub records: Vec<Record>,
}

/// See the module's page.
#[derive(Default)]
pub struct Trace {
    records: VecDeque<Record>,
    /// Number of the next.
    next: u64,
    is_v5: bool,
}

impl Trace {
    /// From now on this version is spoken.
    pub fn speak(&mut self, version: Version) {
        self.is_v5 = version == Version::V5;
    }

    /// A packet came.
    #[inline]
    pub fn received(&mut self, packet: &[u8], now: Instant) {
        self.note(packet, true, now);
    }

    /// The packet that came last brought the message of this number.
    #[inline]
    pub fn brought(&mut self, seq: u64) {
        if let Some(record) = self.records.back_mut() {
            record.seq = seq;
        }
    }

    /// The packet that came last broke a rule, which is tolerated.
    pub fn deviated(&mut self, deviation: Deviation) {
        if let Some(record) = self.records.back_mut() {
            record.deviation = Some(deviation);
        }
    }

    /// These packets, whole ones, are handed to the socket.
    pub fn sent(&mut self, mut packets: &[u8], now: Instant) {
        while let Some((packet, rest)) = packets.split_at_checked(length_of(packets)).filter(|(one, _)| !one.is_empty())
        {
            self.note(packet, false, now);
            packets = rest;
        }
    }

    /// Whether there is a packet of this number or a later one.
    pub fn has(&self, from: u64) -> bool {
        self.next > from
    }

    /// The packets from that number on, as many as go out at once.
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
            // A password, and data of an authentication, are nobody's business.
            1 => &[][..],
            15 => body(packet).get(..1).unwrap_or_default(),
            3 if first & 0b0110 == 0 => &[],
            3 => packet_id_of(packet).unwrap_or_default(),
            _ => body(packet),
        };
        let excerpt_bytes = excerpt_of.len().min(EXCERPT_BYTES);
        let mut excerpt = [0; EXCERPT_BYTES];
        // Of most messages there is none.
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

/// Bytes of the fixed header, whose length ends with its first byte below 0x80.
fn header_bytes(packet: &[u8]) -> usize {
    2 + packet.iter().skip(1).take_while(|&&byte| byte & 0x80 != 0).count()
}

/// Bytes of the first of our own packets.
fn length_of(packets: &[u8]) -> usize {
    let header_bytes = header_bytes(packets);
    let length = packets.get(1..header_bytes).unwrap_or_default();
    header_bytes + length.iter().rev().fold(0, |sum, &byte| sum << 7 | usize::from(byte & 0x7F))
}

/// What follows the fixed header.
fn body(packet: &[u8]) -> &[u8] {
    packet.get(header_bytes(packet)..).unwrap_or_default()
}

/// The bytes of a PUBLISH's packet identifier, which stand after its topic.
fn packet_id_of(packet: &[u8]) -> Option<&[u8]> {
    let (length, rest) = body(packet).split_first_chunk()?;
    rest.get(usize::from(u16::from_be_bytes(*length))..)?.get(..2)
}
