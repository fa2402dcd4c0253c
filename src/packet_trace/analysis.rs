//! The packet trace as text: the type of each packet, and the times of answers.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::mqtt::packet::{ReasonCode, Refusal};
use crate::packet_trace::{KEPT_RECORDS, Record, TracePart};
use crate::time::Instant;

/// The packets received from the worker, the last [`KEPT_RECORDS`] of them.
#[derive(Clone, Debug, Default)]
pub struct TraceAnalysis {
    entries: VecDeque<TraceEntry>,
    /// Number of the next packet.
    next: u64,
    missed: u64,
    /// Send times of unanswered packets, by type and identifier.
    unanswered: HashMap<(Kind, u16), Instant>,
}

/// A packet with its round trip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// Its number in the trace, from 0.
    pub number: u64,
    /// The packet.
    pub record: Record,
    /// The time since the packet that it answers.
    pub round_trip: Option<Duration>,
}

/// The types of control packets (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// CONNECT
    Connect,
    /// CONNACK
    ConnAck,
    /// PUBLISH
    Publish,
    /// PUBACK
    PubAck,
    /// PUBREC
    PubRec,
    /// PUBREL
    PubRel,
    /// PUBCOMP
    PubComp,
    /// SUBSCRIBE
    Subscribe,
    /// SUBACK
    SubAck,
    /// UNSUBSCRIBE
    Unsubscribe,
    /// UNSUBACK
    UnsubAck,
    /// PINGREQ
    PingReq,
    /// PINGRESP
    PingResp,
    /// DISCONNECT
    Disconnect,
    /// AUTH
    Auth,
    /// 0, which is reserved.
    Reserved,
}

impl Kind {
    /// All types, in the standard's order.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    fn of(first: u8) -> Self {
        usize::from(first >> 4).checked_sub(1).map_or(Self::Reserved, |index| Self::ALL[index])
    }

    /// The standard's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
            Self::Reserved => "type 0",
        }
    }

    /// The packet type that this one finally answers. PUBREC has none, because PUBCOMP ends the exchange of a PUBLISH
    /// of QoS 2.
    const fn answers(self) -> Option<Self> {
        Some(match self {
            Self::ConnAck => Self::Connect,
            Self::PubAck | Self::PubComp => Self::Publish,
            Self::SubAck => Self::Subscribe,
            Self::UnsubAck => Self::Unsubscribe,
            Self::PingResp => Self::PingReq,
            _ => return None,
        })
    }

    const fn has_identifier(self) -> bool {
        !matches!(
            self,
            Self::Connect
                | Self::ConnAck
                | Self::PingReq
                | Self::PingResp
                | Self::Disconnect
                | Self::Auth
                | Self::Reserved
        )
    }
}

/// The filter of the shown packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only packets of this direction.
    pub direction: Option<Direction>,
    /// Only packets of this type.
    pub kind: Option<Kind>,
}

/// The direction of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the broker.
    In,
    /// To the broker.
    Out,
}

impl TraceAnalysis {
    /// Number of the packet to request next.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The number of packets that were dropped before they could be received.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Appends received packets.
    pub fn take(&mut self, part: TracePart) {
        // It answers an earlier request.
        if part.first < self.next {
            return;
        }
        self.missed += part.first - self.next;
        self.next = part.first;
        for record in part.records {
            let number = self.next;
            self.next += 1;
            if self.entries.len() == KEPT_RECORDS {
                self.entries.pop_front();
            }
            let round_trip = self.round_trip(&record);
            self.entries.push_back(TraceEntry { number, record, round_trip });
        }
    }

    /// The packets that match a filter, oldest first.
    pub fn matching(&self, filter: Filter) -> impl Iterator<Item = &TraceEntry> {
        self.entries.iter().filter(move |entry| {
            filter.direction.is_none_or(|direction| direction == entry.direction())
                && filter.kind.is_none_or(|kind| kind == entry.kind())
        })
    }

    /// The packet with this number; `None` if it isn't kept.
    pub fn entry(&self, number: u64) -> Option<&TraceEntry> {
        let oldest = self.next - self.entries.len() as u64;
        self.entries.get(usize::try_from(number.checked_sub(oldest)?).ok()?)
    }

    /// The PUBLISH that brought the message with this number, while it is kept.
    pub fn publish_of(&self, seq: u64) -> Option<&TraceEntry> {
        self.entries.iter().find(|entry| entry.record.seq == seq && seq > 0)
    }

    /// The packets of the delivery that brought the message with this number.
    pub fn delivery_of(&self, seq: u64) -> Vec<&TraceEntry> {
        self.publish_of(seq).map_or_else(Vec::new, |publish| self.exchange_of(publish.number))
    }

    /// The packets of the exchange that a packet belongs to: a PUBLISH, sent or received, and its acknowledgements,
    /// including repeated ones, up to the next PUBLISH with the same identifier. For a packet outside of any exchange,
    /// only that packet.
    pub fn exchange_of(&self, number: u64) -> Vec<&TraceEntry> {
        let Some(of) = self.entry(number) else { return Vec::new() };
        let (Some(identifier), Some(direction)) = (of.identifier(), of.publish_direction()) else { return vec![of] };
        let is_of_it = |entry: &&TraceEntry| {
            entry.identifier() == Some(identifier) && entry.publish_direction() == Some(direction)
        };
        let mut exchange: Vec<&TraceEntry> = Vec::new();
        for entry in self.entries.iter().filter(is_of_it) {
            if entry.begins_exchange() {
                if exchange.iter().any(|entry| entry.number == number) {
                    break;
                }
                exchange.clear();
            }
            exchange.push(entry);
        }
        exchange
    }

    fn round_trip(&mut self, record: &Record) -> Option<Duration> {
        let kind = Kind::of(record.first);
        let identifier = identifier_of(record).unwrap_or(0);
        if !record.is_incoming {
            // Packets of an earlier connection are only answered if they are sent again.
            if kind == Kind::Connect {
                self.unanswered.clear();
            }
            self.unanswered.insert((kind, identifier), record.time);
            return None;
        }
        let sent_at = self.unanswered.remove(&(kind.answers()?, identifier))?;
        Some(record.time.since(sent_at))
    }
}

impl TraceEntry {
    /// Its type.
    pub fn kind(&self) -> Kind {
        Kind::of(self.record.first)
    }

    /// Its direction.
    pub const fn direction(&self) -> Direction {
        if self.record.is_incoming { Direction::In } else { Direction::Out }
    }

    /// The direction of the PUBLISH that it is or belongs to.
    fn publish_direction(&self) -> Option<Direction> {
        let (same, other) = match self.direction() {
            Direction::In => (Direction::In, Direction::Out),
            Direction::Out => (Direction::Out, Direction::In),
        };
        match self.kind() {
            Kind::Publish | Kind::PubRel => Some(same),
            Kind::PubAck | Kind::PubRec | Kind::PubComp => Some(other),
            _ => None,
        }
    }

    /// Whether it is a PUBLISH that isn't a repetition. One with DUP is a repetition, unless it brought a message.
    fn begins_exchange(&self) -> bool {
        self.kind() == Kind::Publish && (self.record.first & 0b1000 == 0 || self.record.seq > 0)
    }

    /// Its packet identifier, if it has one.
    pub fn identifier(&self) -> Option<u16> {
        identifier_of(&self.record)
    }

    /// Further details: flags, reasons, the message it brought, the rule that it breaks.
    pub fn details(&self) -> String {
        let details = self.details_by_rule();
        match self.record.deviation {
            Some(deviation) if details.is_empty() => format!("violates {}", deviation.rule()),
            Some(deviation) => format!("{details}, violates {}", deviation.rule()),
            None => details,
        }
    }

    fn details_by_rule(&self) -> String {
        let record = &self.record;
        let excerpt = record.excerpt();
        let reason_at = |index: usize| ReasonCode(excerpt.get(index).copied().unwrap_or(0));
        match self.kind() {
            Kind::Publish => {
                let mut text = format!("QoS {}", record.first >> 1 & 0b11);
                if record.first & 0b1000 != 0 {
                    text.push_str(", DUP");
                }
                if record.first & 0b0001 != 0 {
                    text.push_str(", retain");
                }
                if record.seq > 0 {
                    text.push_str(&format!(", message {}", record.seq));
                }
                text
            }
            Kind::ConnAck => {
                let session =
                    if excerpt.first().is_some_and(|flags| flags & 1 != 0) { ", session present" } else { "" };
                let code = reason_at(1);
                // An old server answers in the form of 3.1.1, whatever was requested.
                let reason =
                    if code == ReasonCode::SUCCESS || code.is_error() { code } else { Refusal::V311(code.0).reason() };
                format!("{reason}{session}")
            }
            Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => reason_at(2).to_string(),
            Kind::SubAck => codes(record, "granted QoS 0 (0x00)"),
            Kind::UnsubAck if record.is_v5 => codes(record, "success (0x00)"),
            Kind::Disconnect => match reason_at(0) {
                ReasonCode::SUCCESS => "normal disconnection (0x00)".to_owned(),
                reason => reason.to_string(),
            },
            Kind::Auth => reason_at(0).to_string(),
            Kind::Connect => "hidden (contains the password)".to_owned(),
            _ => String::new(),
        }
    }

    /// The round trip in milliseconds.
    pub fn round_trip_text(&self) -> String {
        let Some(micros) = self.round_trip.map(|span| span.as_micros()) else { return String::new() };
        format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
    }

    /// Returns it as a line of a text file; `time` is the formatted time.
    pub fn line(&self, time: &str) -> String {
        let direction = match self.direction() {
            Direction::In => "received",
            Direction::Out => "sent",
        };
        let mut line = format!("{time}\t{direction}\t{}", self.kind().name());
        let identifier = self.identifier().map_or_else(String::new, |identifier| identifier.to_string());
        let bytes = self.record.bytes;
        line.push_str(&format!("\t{identifier}\t{bytes}\t{}\t{}\n", self.details(), self.round_trip_text()));
        line
    }
}

fn identifier_of(record: &Record) -> Option<u16> {
    if !Kind::of(record.first).has_identifier() {
        return None;
    }
    record.excerpt().first_chunk().copied().map(u16::from_be_bytes)
}

/// The codes of a SUBACK or UNSUBACK, as far as they were kept.
fn codes(record: &Record, of_zero: &str) -> String {
    let excerpt = record.excerpt();
    let start = match excerpt.get(2) {
        _ if !record.is_v5 => 2,
        // Properties come first, and may be longer than the kept bytes.
        Some(&properties_bytes) if properties_bytes < 0x80 => 3 + usize::from(properties_bytes),
        _ => excerpt.len(),
    };
    let words: Vec<_> = excerpt
        .get(start..)
        .unwrap_or_default()
        .iter()
        .map(|&code| if code == 0 { of_zero.to_owned() } else { ReasonCode(code).to_string() })
        .collect();
    // The fixed header of such a small packet has two bytes.
    let is_all = record.bytes as usize <= 2 + excerpt.len();
    words.join(", ") + if is_all { "" } else { " …" }
}
