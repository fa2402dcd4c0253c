//! The bytes transferred on a connection, and the packets in them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// The direction of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// Packet types, and 0, which isn't one, for the end of a connection.
const END: u8 = 0;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const UNSUBACK: u8 = 11;

/// The DUP flag of a PUBLISH.
const DUP: u8 = 0x08;

/// Everything that was read from either side of a proxy, in order.
#[derive(Debug, Default)]
pub struct Transcript {
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    Read { connection: u64, way: Way, bytes: Vec<u8>, passed: usize },
    Closed { connection: u64, was_cut: bool },
}

impl Transcript {
    /// Bytes were read, of which the first `passed` are passed on to the other side.
    pub fn note(&mut self, connection: u64, way: Way, bytes: &[u8], passed: usize) {
        self.entries.push(Entry::Read { connection, way, bytes: bytes.to_vec(), passed });
    }

    /// A connection ends.
    pub fn close(&mut self, connection: u64, was_cut: bool) {
        self.entries.push(Entry::Closed { connection, was_cut });
    }

    /// Returns all packets, in the order in which their last bytes were read; incomplete ones are left out.
    pub fn packets(&self) -> Packets {
        let mut streams: BTreeMap<(u64, Way), (Vec<u8>, usize)> = BTreeMap::new();
        let mut packets = Vec::new();
        for entry in &self.entries {
            match entry {
                Entry::Closed { connection, was_cut } => {
                    packets.push(Packet::end(*connection, *was_cut));
                }
                Entry::Read { connection, way, bytes, passed } => {
                    let (pending, unpassed) = streams.entry((*connection, *way)).or_default();
                    pending.extend_from_slice(bytes);
                    *unpassed += bytes.len() - passed;
                    while let Some(length) = packet_length(pending) {
                        let rest = pending.split_off(length);
                        let whole = std::mem::replace(pending, rest);
                        let has_passed = *unpassed <= pending.len();
                        packets.push(Packet::read(*connection, *way, &whole, has_passed));
                    }
                }
            }
        }
        Packets::new(packets)
    }
}

/// The packets of a transcript.
#[derive(Debug)]
pub struct Packets {
    all: Vec<Packet>,
    /// Indices of the PUBLISH packets, by their last bytes.
    by_tail: HashMap<Vec<u8>, Vec<usize>>,
    /// Indices of the PUBREL packets.
    releases: HashMap<(Way, Option<u16>), Vec<usize>>,
}

impl Packets {
    fn new(all: Vec<Packet>) -> Self {
        let mut by_tail: HashMap<_, Vec<_>> = HashMap::new();
        let mut releases: HashMap<_, Vec<_>> = HashMap::new();
        for (position, packet) in all.iter().enumerate() {
            match packet.kind {
                PUBLISH => by_tail.entry(tail(&packet.bytes).to_vec()).or_default().push(position),
                PUBREL => releases.entry((packet.way, packet.id)).or_default().push(position),
                _ => {}
            }
        }
        Self { all, by_tail, releases }
    }

    /// Returns the packets that carried this payload, or an identifier it used, and how their connections ended.
    pub fn history(&self, payload: &[u8]) -> String {
        let packets = &self.all;
        let carries = |packet: &Packet| packet.carries(payload);
        let Some(first) = packets.iter().position(carries) else {
            return format!("{} never went through the proxy", String::from_utf8_lossy(payload));
        };
        let ids: BTreeSet<_> = packets.iter().filter(|packet| carries(packet)).filter_map(|packet| packet.id).collect();
        let last_carrier = packets.iter().rposition(carries).unwrap_or(first);
        // Identifiers are reused by other messages: much later packets belong to those.
        let until = packets[last_carrier].connection + 3;
        let belongs = |packet: &Packet| match packet.kind {
            PUBLISH => carries(packet),
            PUBACK..=PUBCOMP => packet.id.is_some_and(|id| ids.contains(&id)),
            _ => false,
        };
        let history: Vec<_> = packets[first..].iter().take_while(|packet| packet.connection <= until).collect();
        let matching: BTreeSet<_> =
            history.iter().filter(|packet| belongs(packet)).map(|packet| packet.connection).collect();
        let mut text = String::new();
        let mut others = 0;
        for packet in history {
            if belongs(packet) || (packet.kind == END && matching.contains(&packet.connection)) {
                if others > 0 {
                    let _ = writeln!(text, "         {others} connections without it");
                    others = 0;
                }
                let _ = writeln!(text, "{}", packet.describe());
            } else if packet.kind == END {
                others += 1;
            }
        }
        text
    }

    /// Whether this message was sent again in this direction after the PUBREL of the same exchange, which is forbidden
    /// to senders `[MQTT-4.3.3-6]`: it duplicates the message, and the receiver can't know.
    pub fn was_sent_after_release(&self, way: Way, payload: &[u8]) -> bool {
        let positions = self.positions(way, payload);
        positions.windows(2).any(|pair| {
            let (first, second) = (&self.all[pair[0]], &self.all[pair[1]]);
            let releases = self.releases.get(&(way, first.id)).map_or(&[][..], Vec::as_slice);
            first.id == second.id && releases.iter().any(|position| (pair[0]..pair[1]).contains(position))
        })
    }

    fn positions(&self, way: Way, payload: &[u8]) -> Vec<usize> {
        assert!(payload.len() >= TAIL_BYTES, "too short to be found");
        let positions = self.by_tail.get(tail(payload)).map_or(&[][..], Vec::as_slice);
        let is_carrier = |position: &usize| self.all[*position].way == way && self.all[*position].carries(payload);
        positions.iter().copied().filter(is_carrier).collect()
    }
}

/// The number of a packet's last bytes that serve as its key: enough to distinguish most.
const TAIL_BYTES: usize = 6;

fn tail(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(TAIL_BYTES)..]
}

/// Returns the length of the first packet, once it is complete.
fn packet_length(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (position, &byte) in bytes.get(1..)?.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            let whole = 2 + position + length;
            return (bytes.len() >= whole).then_some(whole);
        }
    }
    None
}

#[derive(Debug)]
struct Packet {
    connection: u64,
    way: Way,
    /// The packet's type; 0 for the end of a connection.
    kind: u8,
    /// The flags of the first byte; for the end of a connection, whether it was cut.
    flags: u8,
    id: Option<u16>,
    /// All of the packet.
    bytes: Vec<u8>,
    has_passed: bool,
}

impl Packet {
    fn end(connection: u64, was_cut: bool) -> Self {
        let flags = u8::from(was_cut);
        Self { connection, way: Way::Up, kind: END, flags, id: None, bytes: Vec::new(), has_passed: true }
    }

    fn read(connection: u64, way: Way, bytes: &[u8], has_passed: bool) -> Self {
        let (kind, flags) = (bytes[0] >> 4, bytes[0] & 0x0F);
        let start = 1 + bytes[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let number = |at: usize| bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        let id = match kind {
            PUBLISH if flags & 0x06 == 0 => None,
            PUBLISH => number(start).and_then(|topic| number(start + 2 + usize::from(topic))),
            PUBACK..=UNSUBACK => number(start),
            _ => None,
        };
        Self { connection, way, kind, flags, id, bytes: bytes.to_vec(), has_passed }
    }

    fn carries(&self, payload: &[u8]) -> bool {
        self.kind == PUBLISH && self.bytes.ends_with(payload)
    }

    fn describe(&self) -> String {
        const NAMES: [&str; 16] = [
            "",
            "CONNECT",
            "CONNACK",
            "PUBLISH",
            "PUBACK",
            "PUBREC",
            "PUBREL",
            "PUBCOMP",
            "SUBSCRIBE",
            "SUBACK",
            "UNSUBSCRIBE",
            "UNSUBACK",
            "PINGREQ",
            "PINGRESP",
            "DISCONNECT",
            "AUTH",
        ];
        let number = self.connection;
        if self.kind == END {
            return format!("{number:>5}    {}", if self.flags == 1 { "cut" } else { "closed by one side" });
        }
        let arrow = if self.way == Way::Up { "->" } else { "<-" };
        let mut text = format!("{number:>5} {arrow} {}", NAMES[usize::from(self.kind)]);
        if self.kind == PUBLISH && self.flags & DUP != 0 {
            text.push_str(" dup");
        }
        if let Some(id) = self.id {
            let _ = write!(text, " id {id}");
        }
        let _ = match self.kind {
            PUBLISH => {
                let tail = &self.bytes[self.bytes.len().saturating_sub(8)..];
                write!(text, " …{}", String::from_utf8_lossy(tail).replace(char::is_control, " "))
            }
            _ => write!(text, " {:02x?}", &self.bytes[..self.bytes.len().min(8)]),
        };
        if !self.has_passed {
            text.push_str("  (not all of it passed)");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISH_7: &[u8] = b"\x34\x0d\x00\x01t\x00\x07\x00message";
    const AGAIN_7: &[u8] = b"\x3c\x0d\x00\x01t\x00\x07\x00message";
    const AGAIN_8: &[u8] = b"\x3c\x0d\x00\x01t\x00\x08\x00message";
    const PUBREL_7: &[u8] = b"\x62\x02\x00\x07";
    const PUBREL_8: &[u8] = b"\x62\x02\x00\x08";

    /// Each packet in a connection of its own, cut into two reads.
    fn packets(way: Way, packets: &[&[u8]]) -> Packets {
        let mut transcript = Transcript::default();
        for (connection, packet) in (1..).zip(packets) {
            let (first, second) = packet.split_at(3);
            transcript.note(connection, way, first, first.len());
            transcript.note(connection, way, second, 0);
            transcript.close(connection, true);
        }
        transcript.packets()
    }

    #[test]
    fn only_a_publish_after_its_pubrel_is_detected() {
        let check = |sent: &[&[u8]], expected| {
            let packets = packets(Way::Down, sent);
            assert_eq!(
                packets.was_sent_after_release(Way::Down, b"message"),
                expected,
                "{}",
                packets.history(b"message")
            );
            assert!(!packets.was_sent_after_release(Way::Up, b"message"));
        };
        check(&[PUBLISH_7, PUBREL_7, AGAIN_7], true);
        check(&[PUBLISH_7, AGAIN_7, PUBREL_7, PUBREL_7, AGAIN_7], true);
        check(&[PUBLISH_7, AGAIN_7, PUBREL_7], false);
        check(&[PUBREL_7, PUBLISH_7, AGAIN_7], false);
        check(&[PUBLISH_7, PUBREL_8, AGAIN_7], false);
        check(&[PUBLISH_7, PUBREL_7, AGAIN_8], false);
    }

    #[test]
    fn a_history_has_the_packets_of_one_exchange() {
        let history = packets(Way::Down, &[PUBLISH_7, PUBREL_8, PUBREL_7]).history(b"message");
        let lines: Vec<_> = history.lines().map(|line| line.trim().to_owned()).collect();
        let expected = ["1 <- PUBLISH id 7", "1    cut", "1 connections without it", "3 <- PUBREL id 7", "3    cut"];
        assert_eq!(lines.len(), expected.len(), "{history}");
        assert!(lines.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{history}");
    }
}
