//! Follows the packets of a client behind its CONNECT, and refuses what its path doesn't take.
//!
//! Diffusion documents: MQTT 5.0 only; subscriptions at QoS 0; publishing at QoS 0 or 1; topic
//! paths without empty levels. Versions and wills are judged with CONNECT (see [`crate::proxy`]), the
//! rest from the bytes, but for the paths where the broker is inside: its own hooks (see
//! [`crate::hooks`]) answer one filter of several, or one message, with its reason code, and the
//! connection goes on. A broker elsewhere would take them, and to answer in its place would mean to
//! rewrite what it says; so there the connection is closed, with the same reason code.
//!
//! A packet that is larger than the station takes is refused here as well.

use std::borrow::Cow;

use crate::limits::SMALL_PACKET_BYTES_MAX;

/// Which rules a WebSocket path holds a client to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `/mqtt`, and the TCP port: whatever the broker takes.
    Open,
    /// `/diffusion`: as Diffusion documents.
    Diffusion,
}

impl Profile {
    /// Where on the web port it is.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Open => "/mqtt",
            Self::Diffusion => "/diffusion",
        }
    }
}

/// The bits of a QoS, wherever it is.
const QOS: u8 = 3;
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const DISCONNECT: u8 = 14;

/// Reason codes of DISCONNECT.
const TOPIC_FILTER_INVALID: u8 = 0x8F;
const TOPIC_NAME_INVALID: u8 = 0x90;
const PACKET_TOO_LARGE: u8 = 0x95;
/// For a PUBLISH above the Maximum QoS (section 3.2.2.3.4).
const QOS_NOT_SUPPORTED: u8 = 0x9B;

/// What is wrong with a topic path that Diffusion wouldn't take.
pub(crate) const NO_EMPTY_LEVEL: &str = "a topic path has no empty level";

/// Looks at the first byte of each packet, for Diffusion also at topic paths, and copies nothing.
#[derive(Clone, Debug)]
pub(crate) struct Inspector {
    profile: Profile,
    judges_paths: bool,
    packet_bytes_max: u32,
    position: Position,
    /// Packets that have begun.
    packets: u64,
    /// Remaining Length of the last one.
    packet_bytes: u32,
    has_disconnect: bool,
    messages: u32,
    lowered: Vec<usize>,
}

/// How much of some bytes may go on to the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// So many bytes from the start.
    pub admitted: usize,
    /// The reason code to close with, if the byte after those begins something refused.
    pub refusal: Option<u8>,
    /// How many messages begin in them.
    pub messages: u32,
    /// Where in them the options of a subscription are that is to go on at QoS 0.
    pub lowered: Vec<usize>,
}

impl Verdict {
    /// What goes on to the broker of the bytes that were inspected.
    pub(crate) fn admit<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut admitted = Cow::Borrowed(&bytes[..self.admitted]);
        for index in &self.lowered {
            admitted.to_mut()[*index] &= !QOS;
        }
        admitted
    }
}

#[derive(Clone, Copy, Debug)]
enum Position {
    /// Before the first byte of a packet.
    Packet,
    /// Inside the Remaining Length.
    Length { packet: u8, shift: u32, length: u32 },
    /// In the fields of SUBSCRIBE, or in those of PUBLISH up to its topic.
    Fields { packet: u8, field: Field, bytes_left: u32 },
    /// In the rest of a packet.
    Body { bytes_left: u32 },
    /// The bytes make no sense as MQTT; the broker will see that too and close.
    Lost,
}

/// What is read of SUBSCRIBE (section 3.8), from top to bottom and then again from the path's length;
/// of PUBLISH, a path only.
#[derive(Clone, Copy, Debug)]
enum Field {
    PacketId { seen: u32 },
    PropertyLength { shift: u32, length: u32 },
    Properties { bytes_left: u32 },
    PathLength { seen: u32, length: u32 },
    Path { bytes_left: u32, is_level_empty: bool },
    Options,
}

const FIRST_PATH: Field = Field::PathLength { seen: 0, length: 0 };

impl Inspector {
    pub(crate) fn new(profile: Profile, packet_bytes_max: u32) -> Self {
        Self {
            profile,
            judges_paths: false,
            packet_bytes_max,
            position: Position::Packet,
            packets: 0,
            packet_bytes: 0,
            has_disconnect: false,
            messages: 0,
            lowered: Vec::new(),
        }
    }

    /// The same, for a broker that doesn't know what a topic path is for Diffusion.
    pub(crate) fn judging_paths(self) -> Self {
        Self { judges_paths: self.profile == Profile::Diffusion, ..self }
    }

    /// Whether the client has begun a DISCONNECT, so that it expects no other.
    pub(crate) fn has_disconnect(&self) -> bool {
        self.has_disconnect
    }

    /// Whether the client's DISCONNECT has passed, whole.
    pub(crate) fn has_left(&self) -> bool {
        self.has_disconnect && matches!(self.position, Position::Packet)
    }

    /// The large packet that has begun and not ended: its number and its length.
    pub(crate) fn unfinished(&self) -> Option<(u64, u32)> {
        let is_inside = matches!(self.position, Position::Fields { .. } | Position::Body { .. });
        (is_inside && self.packet_bytes > SMALL_PACKET_BYTES_MAX).then_some((self.packets, self.packet_bytes))
    }

    /// Looks at the next bytes of the stream, cut anywhere.
    #[must_use]
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Verdict {
        let mut at = 0;
        self.messages = 0;
        let mut refusal = None;
        while let Some(&byte) = bytes.get(at) {
            if let Position::Body { bytes_left } = self.position {
                let here = (bytes.len() - at).min(bytes_left as usize);
                at += here;
                self.position = body(bytes_left - here as u32);
                continue;
            }
            refusal = self.step(byte, at);
            if refusal.is_some() {
                break;
            }
            if matches!(self.position, Position::Lost) {
                at = bytes.len();
                break;
            }
            at += 1;
        }
        Verdict { admitted: at, refusal, messages: self.messages, lowered: std::mem::take(&mut self.lowered) }
    }

    fn step(&mut self, byte: u8, at: usize) -> Option<u8> {
        match self.position {
            Position::Packet => {
                let packet = byte >> 4;
                if packet == CONNECT {
                    // CONNECT twice [MQTT-3.1.0-2].
                    self.position = Position::Lost;
                    return None;
                }
                self.packets += 1;
                self.has_disconnect |= packet == DISCONNECT;
                self.messages += u32::from(packet == PUBLISH);
                let qos = (byte >> 1) & QOS;
                if self.profile == Profile::Diffusion && packet == PUBLISH && qos == 2 {
                    return Some(QOS_NOT_SUPPORTED);
                }
                self.position = Position::Length { packet, shift: 0, length: 0 };
            }
            Position::Length { packet, shift, length } => {
                let length = length | u32::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 && length > self.packet_bytes_max {
                    return Some(PACKET_TOO_LARGE);
                }
                self.packet_bytes = length;
                self.position = match byte & 0x80 {
                    0 => self.after_length(packet, length),
                    // Four bytes at most [MQTT-1.5.5-1].
                    _ if shift == 21 => Position::Lost,
                    _ => Position::Length { packet, shift: shift + 7, length },
                };
            }
            Position::Fields { packet, field, bytes_left } => {
                return self.see_field(packet, field, byte, at, bytes_left - 1);
            }
            Position::Body { .. } | Position::Lost => {}
        }
        None
    }

    fn after_length(&self, packet: u8, bytes_left: u32) -> Position {
        match packet {
            SUBSCRIBE if self.profile == Profile::Diffusion => fields(packet, Field::PacketId { seen: 0 }, bytes_left),
            PUBLISH if self.judges_paths => fields(packet, FIRST_PATH, bytes_left),
            _ => body(bytes_left),
        }
    }

    fn see_field(&mut self, packet: u8, field: Field, byte: u8, at: usize, bytes_left: u32) -> Option<u8> {
        let next = match field {
            Field::PacketId { seen: 0 } => Field::PacketId { seen: 1 },
            Field::PacketId { .. } => Field::PropertyLength { shift: 0, length: 0 },
            // The broker counts how many bytes it takes.
            Field::PropertyLength { shift, length } => match length | u32::from(byte & 0x7F) << shift.min(21) {
                length if byte & 0x80 != 0 => Field::PropertyLength { shift: shift + 7, length },
                0 => FIRST_PATH,
                length => Field::Properties { bytes_left: length },
            },
            Field::Properties { bytes_left: 1 } => FIRST_PATH,
            Field::Properties { bytes_left } => Field::Properties { bytes_left: bytes_left - 1 },
            Field::PathLength { seen: 0, .. } => Field::PathLength { seen: 1, length: u32::from(byte) << 8 },
            Field::PathLength { length, .. } => match length | u32::from(byte) {
                // A topic that an alias stands for; a filter that the broker refuses.
                0 if packet == PUBLISH => {
                    self.position = body(bytes_left);
                    return None;
                }
                0 => Field::Options,
                bytes_left => Field::Path { bytes_left, is_level_empty: true },
            },
            Field::Path { bytes_left: path_left, is_level_empty } => {
                let is_separator = byte == b'/';
                let ends_empty = is_separator && path_left == 1;
                if self.judges_paths && (is_separator && is_level_empty || ends_empty) {
                    return Some(if packet == PUBLISH { TOPIC_NAME_INVALID } else { TOPIC_FILTER_INVALID });
                }
                match path_left {
                    1 if packet == PUBLISH => {
                        self.position = body(bytes_left);
                        return None;
                    }
                    1 => Field::Options,
                    _ => Field::Path { bytes_left: path_left - 1, is_level_empty: is_separator },
                }
            }
            Field::Options => {
                // 3 is no QoS: the broker refuses it.
                if matches!(byte & QOS, 1 | 2) {
                    self.lowered.push(at);
                }
                FIRST_PATH
            }
        };
        self.position = fields(packet, next, bytes_left);
        None
    }
}

fn body(bytes_left: u32) -> Position {
    match bytes_left {
        0 => Position::Packet,
        bytes_left => Position::Body { bytes_left },
    }
}

fn fields(packet: u8, field: Field, bytes_left: u32) -> Position {
    match bytes_left {
        0 => Position::Packet,
        bytes_left => Position::Fields { packet, field, bytes_left },
    }
}

/// Whether Diffusion would take this as a topic path: no empty level, so no `/` first or last.
pub(crate) fn is_topic_path(topic: &str) -> bool {
    topic.split('/').all(|level| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISH_0: &[u8] = b"\x30\x05\x00\x01t\x00x";
    const PUBLISH_1: &[u8] = b"\x32\x07\x00\x01t\x00\x07\x00x";
    const PUBLISH_2: &[u8] = b"\x34\x07\x00\x01t\x00\x07\x00x";
    /// 200 bytes of payload that look like QoS 2 publishes, so the length takes two bytes.
    const LONG_PUBLISH: &[u8] = &{
        let mut packet = [0x34; 207];
        let head = [0x30, 0xCC, 0x01, 0x00, 0x01, b't', 0x00];
        let mut at = 0;
        while at < head.len() {
            packet[at] = head[at];
            at += 1;
        }
        packet
    };

    /// Whole, and cut at every byte, the same is admitted and the same refused.
    fn check(profile: Profile, packets: &[&[u8]], admitted: usize, refusal: Option<u8>) {
        let bytes = packets.concat();
        check_passage(&Inspector::new(profile, 1_000), &bytes, &bytes[..admitted], refusal);
    }

    fn check_passage(inspector: &Inspector, bytes: &[u8], admitted: &[u8], refusal: Option<u8>) {
        for cut in 0..bytes.len() {
            let mut inspector = inspector.clone();
            let (first, rest) = bytes.split_at(cut);
            let mut passage = inspector.inspect(first);
            let mut passed = passage.admit(first).into_owned();
            if passage.refusal.is_none() {
                assert_eq!(passage.admitted, cut);
                passage = inspector.inspect(rest);
                passed.extend(&*passage.admit(rest));
            }
            assert_eq!((&*passed, passage.refusal), (admitted, refusal), "cut at {cut}");
        }
    }

    #[test]
    fn diffusion_takes_version_5_up_to_qos_1() {
        let all = [PUBLISH_0, LONG_PUBLISH, PUBLISH_1];
        check(Profile::Diffusion, &all, all.concat().len(), None);
        check(Profile::Diffusion, &[PUBLISH_1, PUBLISH_2], PUBLISH_1.len(), Some(0x9B));
    }

    #[test]
    fn the_open_path_refuses_nothing() {
        let all = [PUBLISH_2, LONG_PUBLISH];
        check(Profile::Open, &all, all.concat().len(), None);
    }

    #[test]
    fn what_is_no_mqtt_is_left_to_the_broker() {
        for bytes in [&b"\x10\x02\x00\x04MQTT"[..], b"\x30\xff\xff\xff\xff\x01"] {
            check(Profile::Diffusion, &[bytes], bytes.len(), None);
        }
    }

    #[test]
    fn a_packet_is_refused_by_its_length() {
        let large = b"\x30\xe9\x07\x00\x01t";
        check(Profile::Open, &[PUBLISH_0, large], PUBLISH_0.len() + 2, Some(0x95));
    }

    #[test]
    fn messages_are_counted_where_they_begin() {
        let mut inspector = Inspector::new(Profile::Open, 1_000);
        let bytes = [PUBLISH_0, LONG_PUBLISH, b"\xc0\x00", PUBLISH_1].concat();
        let (first, rest) = bytes.split_at(PUBLISH_0.len() + 100);
        assert_eq!(inspector.inspect(first).messages, 2);
        assert_eq!(inspector.inspect(rest).messages, 1);
    }

    #[test]
    fn a_large_packet_is_unfinished_until_its_last_byte() {
        let mut inspector = Inspector::new(Profile::Open, 1_000_000);
        let length = SMALL_PACKET_BYTES_MAX + 1;
        let large = [&[0x30, 0x81, 0x80, 0x04, 0, 1, b't'][..], &vec![0; length as usize - 3]].concat();
        let _ = inspector.inspect(&[LONG_PUBLISH, &large[..4]].concat());
        assert_eq!(inspector.unfinished(), Some((2, length)));
        let _ = inspector.inspect(&large[4..large.len() - 1]);
        assert_eq!(inspector.unfinished(), Some((2, length)));
        let _ = inspector.inspect(&[0]);
        assert_eq!(inspector.unfinished(), None);
        let _ = inspector.inspect(&LONG_PUBLISH[..100]);
        assert_eq!(inspector.unfinished(), None, "a small one isn't counted");
    }

    #[test]
    fn a_disconnect_has_passed_once_it_is_whole() {
        let mut inspector = Inspector::new(Profile::Open, 1_000);
        let _ = inspector.inspect(&[PUBLISH_0, b"\xe0"].concat());
        assert!(inspector.has_disconnect() && !inspector.has_left());
        let _ = inspector.inspect(b"\x00");
        assert!(inspector.has_left());
    }

    /// A SUBSCRIBE with a subscription identifier: each filter with its options.
    fn subscribe(filters: &[(&str, u8)]) -> Vec<u8> {
        let mut fields = vec![0, 9, 2, 0x0B, 1];
        for (filter, options) in filters {
            fields.extend([0, filter.len() as u8]);
            fields.extend(filter.bytes());
            fields.push(*options);
        }
        [&[0x82, fields.len() as u8], &fields[..]].concat()
    }

    #[test]
    fn subscriptions_go_on_at_qos_0() {
        let with = |options: [u8; 4]| {
            let filters = [("a", options[0]), ("b//c", options[1]), ("", options[2]), ("d/#", options[3])];
            [&subscribe(&filters)[..], LONG_PUBLISH, &subscribe(&[("e", options[0])])].concat()
        };
        // No Local, Retain As Published and Retain Handling stay; what is no QoS is the broker's to refuse.
        let asked = with([0x2D, 2, 0x3E, 3]);
        let lowered = with([0x2C, 0, 0x3C, 3]);
        check_passage(&Inspector::new(Profile::Diffusion, 1_000), &asked, &lowered, None);
        check_passage(&Inspector::new(Profile::Open, 1_000), &asked, &asked, None);
        let bare = [&[0x82, 6, 0, 9, 0, 0, 0, 1][..], PUBLISH_1, &[0x82, 0], &[0x82, 1, 0], PUBLISH_0].concat();
        let mut expected = bare.clone();
        expected[7] = 0;
        check_passage(&Inspector::new(Profile::Diffusion, 1_000), &bare, &expected, None);
    }

    #[test]
    fn topic_paths_have_no_empty_level() {
        let check = |topic: &str, empty_at: Option<usize>| {
            assert_eq!(is_topic_path(topic), empty_at.is_none(), "{topic}");
            let head = [0, 9, 0, 0, topic.len() as u8];
            let filter = [&[0x82, topic.len() as u8 + 6][..], &head, topic.as_bytes(), &[0]].concat();
            let name = [&[0x30, topic.len() as u8 + 4][..], &head[3..], topic.as_bytes(), b"\0/"].concat();
            for (packet, refusal, before) in [(filter, TOPIC_FILTER_INVALID, 7), (name, TOPIC_NAME_INVALID, 4)] {
                let inspector = Inspector::new(Profile::Diffusion, 1_000);
                // The broker inside answers them itself.
                check_passage(&inspector, &packet, &packet, None);
                let admitted = empty_at.map_or(packet.len(), |at| before + at);
                let refusal = empty_at.map(|_| refusal);
                check_passage(&inspector.judging_paths(), &packet, &packet[..admitted], refusal);
            }
        };
        check("StarWars", None);
        check("a/b/#", None);
        check("+/b", None);
        check("/", Some(0));
        check("/a", Some(0));
        check("a/", Some(1));
        check("a//b", Some(2));
        let inspector = Inspector::new(Profile::Diffusion, 1_000).judging_paths();
        let by_alias = b"\x30\x06\x00\x00\x03\x23\x00\x01\x30\x05\x00\x01t\x00x";
        check_passage(&inspector, by_alias, by_alias, None);
    }
}
