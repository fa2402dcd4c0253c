//! The packets of a client as they pass from a WebSocket to the broker, what the `/diffusion` path
//! lowers in them, and what it refuses among them.
//!
//! Diffusion documents: MQTT 5.0 only; subscriptions at QoS 0; publishing at QoS 0 or 1; topic
//! paths without empty levels. All of it is held to here, from the bytes, but for the paths where
//! the broker is inside: its own hooks (see [`crate::broker`]) answer one filter of several, or one
//! message, with its reason code, and the connection goes on. A broker elsewhere would take them, and
//! to answer in its place would mean to rewrite what it says; so there the connection is closed,
//! with the reason code of the same words.
//!
//! A packet that is larger than the station takes is refused here as well.

use std::borrow::Cow;

/// Which rules a WebSocket path holds a client to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `/mqtt`: whatever the broker takes.
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

/// Protocol level of MQTT 5.0 in CONNECT `[MQTT-3.1.2-2]`.
const LEVEL_5: u8 = 5;
/// The bits of a QoS, wherever it is.
const QOS: u8 = 3;
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const DISCONNECT: u8 = 14;

/// A CONNACK in the shape of 3.1.1, return code 1, unacceptable protocol version: the only refusal
/// that a 3.1.1 client understands `[MQTT-3.1.2-2]`.
const REFUSED_VERSION: &[u8] = &[0x20, 0x02, 0x00, 0x01];
/// CONNACK 0x9B, QoS not supported, for a will above the Maximum QoS `[MQTT-3.2.2-12]`.
const REFUSED_WILL_QOS: &[u8] = &[0x20, 0x03, 0x00, 0x9B, 0x00];
/// DISCONNECT 0x9B, QoS not supported, for a PUBLISH above the Maximum QoS (section 3.2.2.3.4).
const REFUSED_PUBLISH_QOS: &[u8] = &[0xE0, 0x02, 0x9B, 0x00];
/// DISCONNECT 0x8F, Topic Filter invalid.
const REFUSED_FILTER: &[u8] = &[0xE0, 0x02, 0x8F, 0x00];
/// DISCONNECT 0x90, Topic Name invalid.
const REFUSED_TOPIC: &[u8] = &[0xE0, 0x02, 0x90, 0x00];
/// DISCONNECT 0x95, packet too large.
const REFUSED_SIZE: &[u8] = &[0xE0, 0x02, 0x95, 0x00];

/// What is wrong with a topic path that Diffusion wouldn't take.
pub(crate) const NO_EMPTY_LEVEL: &str = "a topic path has no empty level";

/// What an answer of an [`Inspector`] says.
pub(crate) fn refusal(answer: &[u8]) -> &'static str {
    match answer {
        REFUSED_VERSION => "this path is for MQTT 5.0",
        REFUSED_WILL_QOS | REFUSED_PUBLISH_QOS => "this path takes no QoS 2",
        REFUSED_FILTER | REFUSED_TOPIC => NO_EMPTY_LEVEL,
        _ => "packet too large",
    }
}

/// Follows the packets in a byte stream from client to broker. It looks at the first byte of each
/// packet and at the head of CONNECT, for Diffusion also at topic paths, and copies nothing.
#[derive(Clone, Debug)]
pub(crate) struct Inspector {
    profile: Profile,
    judges_paths: bool,
    largest_packet_bytes: u32,
    place: Place,
    level: Option<u8>,
    said_farewell: bool,
    messages: u32,
    lowered: Vec<usize>,
}

/// How much of some bytes may go on to the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// So many bytes from the start.
    pub admitted: usize,
    /// What to answer before closing, if the byte after those begins something refused.
    pub refusal: Option<&'static [u8]>,
    /// How many messages begin in them.
    pub messages: u32,
    /// Where in them the options of a subscription are that is to go on at QoS 0.
    pub lowered: Vec<usize>,
}

impl Passage {
    /// What goes on to the broker of the bytes that were inspected.
    pub(crate) fn admit<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut admitted = Cow::Borrowed(&bytes[..self.admitted]);
        for place in &self.lowered {
            admitted.to_mut()[*place] &= !QOS;
        }
        admitted
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Before the first byte of a packet.
    Packet,
    /// Inside the Remaining Length.
    Length { packet: u8, shift: u32, bytes_left: u32 },
    /// In the head of CONNECT: how many bytes of it were seen, and the length of the protocol name.
    ConnectHead { seen: u32, name_length: u32, bytes_left: u32 },
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
    pub(crate) fn new(profile: Profile, largest_packet_bytes: u32) -> Self {
        Self {
            profile,
            judges_paths: false,
            largest_packet_bytes,
            place: Place::Packet,
            level: None,
            said_farewell: false,
            messages: 0,
            lowered: Vec::new(),
        }
    }

    /// The same, for a broker that doesn't know what a topic path is for Diffusion.
    pub(crate) fn judging_paths(self) -> Self {
        Self { judges_paths: self.profile == Profile::Diffusion, ..self }
    }

    /// Whether the head of CONNECT was seen.
    pub(crate) fn saw_connect(&self) -> bool {
        self.level.is_some()
    }

    /// Whether a DISCONNECT from the server would be understood: MQTT 5.0, and the client hasn't
    /// said goodbye itself.
    pub(crate) fn expects_farewell(&self) -> bool {
        self.level == Some(LEVEL_5) && !self.said_farewell
    }

    /// Whether the client's DISCONNECT has passed, whole.
    pub(crate) fn has_left(&self) -> bool {
        self.said_farewell && matches!(self.place, Place::Packet)
    }

    /// Looks at the next bytes of the stream, cut anywhere.
    #[must_use]
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Passage {
        let mut at = 0;
        self.messages = 0;
        let mut refusal = None;
        while let Some(&byte) = bytes.get(at) {
            if let Place::Body { bytes_left } = self.place {
                let here = (bytes.len() - at).min(bytes_left as usize);
                at += here;
                self.place = body(bytes_left - here as u32);
                continue;
            }
            refusal = self.step(byte, at);
            if refusal.is_some() {
                break;
            }
            if matches!(self.place, Place::Lost) {
                at = bytes.len();
                break;
            }
            at += 1;
        }
        Passage { admitted: at, refusal, messages: self.messages, lowered: std::mem::take(&mut self.lowered) }
    }

    fn step(&mut self, byte: u8, at: usize) -> Option<&'static [u8]> {
        match self.place {
            Place::Packet => {
                let packet = byte >> 4;
                let connecting = packet == CONNECT;
                if connecting == self.saw_connect() {
                    // Not CONNECT first, or CONNECT twice [MQTT-3.1.0-1], [MQTT-3.1.0-2].
                    self.place = Place::Lost;
                    return None;
                }
                self.said_farewell |= packet == DISCONNECT;
                self.messages += u32::from(packet == PUBLISH);
                let qos = (byte >> 1) & QOS;
                if self.profile == Profile::Diffusion && packet == PUBLISH && qos == 2 {
                    return Some(REFUSED_PUBLISH_QOS);
                }
                self.place = Place::Length { packet, shift: 0, bytes_left: 0 };
            }
            Place::Length { packet, shift, bytes_left } => {
                let bytes_left = bytes_left | u32::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 && bytes_left > self.largest_packet_bytes {
                    // A client of 3.1.1, or one that isn't connected, knows no such answer.
                    return Some(if self.level == Some(LEVEL_5) { REFUSED_SIZE } else { &[] });
                }
                self.place = match byte & 0x80 {
                    0 if packet == CONNECT => Place::ConnectHead { seen: 0, name_length: 0, bytes_left },
                    0 => self.after_length(packet, bytes_left),
                    // Four bytes at most [MQTT-1.5.5-1].
                    _ if shift == 21 => Place::Lost,
                    _ => Place::Length { packet, shift: shift + 7, bytes_left },
                };
            }
            Place::ConnectHead { seen, name_length, bytes_left } => {
                let Some(bytes_left) = bytes_left.checked_sub(1) else {
                    self.place = Place::Lost;
                    return None;
                };
                let name_length = if seen < 2 { name_length << 8 | u32::from(byte) } else { name_length };
                self.place = Place::ConnectHead { seen: seen + 1, name_length, bytes_left };
                if seen == name_length + 2 {
                    return self.see_level(byte);
                }
                if seen == name_length + 3 {
                    self.place = body(bytes_left);
                    let will_qos = (byte >> 3) & QOS;
                    return (self.profile == Profile::Diffusion && will_qos == 2).then_some(REFUSED_WILL_QOS);
                }
            }
            Place::Fields { packet, field, bytes_left } => {
                return self.see_field(packet, field, byte, at, bytes_left - 1);
            }
            Place::Body { .. } | Place::Lost => {}
        }
        None
    }

    fn after_length(&self, packet: u8, bytes_left: u32) -> Place {
        match packet {
            SUBSCRIBE if self.profile == Profile::Diffusion => fields(packet, Field::PacketId { seen: 0 }, bytes_left),
            PUBLISH if self.judges_paths => fields(packet, FIRST_PATH, bytes_left),
            _ => body(bytes_left),
        }
    }

    fn see_field(&mut self, packet: u8, field: Field, byte: u8, at: usize, bytes_left: u32) -> Option<&'static [u8]> {
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
                    self.place = body(bytes_left);
                    return None;
                }
                0 => Field::Options,
                bytes_left => Field::Path { bytes_left, is_level_empty: true },
            },
            Field::Path { bytes_left: path_left, is_level_empty } => {
                let is_separator = byte == b'/';
                let ends_empty = is_separator && path_left == 1;
                if self.judges_paths && (is_separator && is_level_empty || ends_empty) {
                    return Some(if packet == PUBLISH { REFUSED_TOPIC } else { REFUSED_FILTER });
                }
                match path_left {
                    1 if packet == PUBLISH => {
                        self.place = body(bytes_left);
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
        self.place = fields(packet, next, bytes_left);
        None
    }

    fn see_level(&mut self, level: u8) -> Option<&'static [u8]> {
        self.level = Some(level);
        (self.profile == Profile::Diffusion && level != LEVEL_5).then_some(REFUSED_VERSION)
    }
}

fn body(bytes_left: u32) -> Place {
    match bytes_left {
        0 => Place::Packet,
        bytes_left => Place::Body { bytes_left },
    }
}

fn fields(packet: u8, field: Field, bytes_left: u32) -> Place {
    match bytes_left {
        0 => Place::Packet,
        bytes_left => Place::Fields { packet, field, bytes_left },
    }
}

/// Whether Diffusion would take this as a topic path: no empty level, so no `/` first or last.
pub(crate) fn is_topic_path(topic: &str) -> bool {
    topic.split('/').all(|level| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT_5: &[u8] = b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc";
    const CONNECT_311: &[u8] = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc";
    const CONNECT_WILL_2: &[u8] = b"\x10\x10\x00\x04MQTT\x05\x16\x00\x3c\x00\x00\x03abc";
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
    fn check(profile: Profile, packets: &[&[u8]], admitted: usize, refusal: Option<&[u8]>) {
        let bytes = packets.concat();
        check_passage(&Inspector::new(profile, 1_000), &bytes, &bytes[..admitted], refusal);
    }

    fn check_passage(inspector: &Inspector, bytes: &[u8], admitted: &[u8], refusal: Option<&[u8]>) {
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
        let all = [CONNECT_5, PUBLISH_0, LONG_PUBLISH, PUBLISH_1];
        check(Profile::Diffusion, &all, all.concat().len(), None);
        let some = CONNECT_5.len() + PUBLISH_1.len();
        check(Profile::Diffusion, &[CONNECT_5, PUBLISH_1, PUBLISH_2], some, Some(&[0xE0, 0x02, 0x9B, 0x00]));
        check(Profile::Diffusion, &[CONNECT_311, PUBLISH_0], 8, Some(&[0x20, 0x02, 0x00, 0x01]));
        check(Profile::Diffusion, &[CONNECT_WILL_2], 9, Some(&[0x20, 0x03, 0x00, 0x9B, 0x00]));
    }

    #[test]
    fn the_open_path_refuses_nothing() {
        for connect in [CONNECT_5, CONNECT_311, CONNECT_WILL_2] {
            let all = [connect, PUBLISH_2, LONG_PUBLISH];
            check(Profile::Open, &all, all.concat().len(), None);
        }
    }

    #[test]
    fn what_is_no_mqtt_is_left_to_the_broker() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x10\xff\xff\xff\xff\x01", b"\x10\x02\x00\x04MQTT", PUBLISH_2] {
            check(Profile::Diffusion, &[bytes], bytes.len(), None);
        }
    }

    #[test]
    fn a_packet_is_refused_by_its_length() {
        let large = b"\x30\xe9\x07\x00\x01t";
        let refused = CONNECT_5.len() + PUBLISH_0.len() + 2;
        check(Profile::Open, &[CONNECT_5, PUBLISH_0, large], refused, Some(&[0xE0, 0x02, 0x95, 0x00]));
        check(Profile::Open, &[CONNECT_311, large], CONNECT_311.len() + 2, Some(&[]));
    }

    #[test]
    fn messages_are_counted_where_they_begin() {
        let mut inspector = Inspector::new(Profile::Open, 1_000);
        let bytes = [CONNECT_5, PUBLISH_0, LONG_PUBLISH, b"\xc0\x00", PUBLISH_1].concat();
        let (first, rest) = bytes.split_at(CONNECT_5.len() + PUBLISH_0.len() + 100);
        assert_eq!(inspector.inspect(first).messages, 2);
        assert_eq!(inspector.inspect(rest).messages, 1);
    }

    #[test]
    fn a_farewell_is_for_version_5_that_has_not_left() {
        for (packets, expected) in
            [(&[CONNECT_5][..], true), (&[CONNECT_5, b"\xe0\x00"], false), (&[CONNECT_311], false), (&[], false)]
        {
            let mut inspector = Inspector::new(Profile::Open, 1_000);
            let _ = inspector.inspect(&packets.concat());
            assert_eq!(inspector.expects_farewell(), expected, "{packets:?}");
        }
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
            [CONNECT_5, &subscribe(&filters), LONG_PUBLISH, &subscribe(&[("e", options[0])])].concat()
        };
        // No Local, Retain As Published and Retain Handling stay; what is no QoS is the broker's to refuse.
        let asked = with([0x2D, 2, 0x3E, 3]);
        let lowered = with([0x2C, 0, 0x3C, 3]);
        check_passage(&Inspector::new(Profile::Diffusion, 1_000), &asked, &lowered, None);
        check_passage(&Inspector::new(Profile::Open, 1_000), &asked, &asked, None);
        let bare = [CONNECT_5, &[0x82, 6, 0, 9, 0, 0, 0, 1], PUBLISH_1, &[0x82, 0], &[0x82, 1, 0], PUBLISH_0].concat();
        let mut expected = bare.clone();
        expected[CONNECT_5.len() + 7] = 0;
        check_passage(&Inspector::new(Profile::Diffusion, 1_000), &bare, &expected, None);
    }

    #[test]
    fn topic_paths_have_no_empty_level() {
        let check = |topic: &str, empty_at: Option<usize>| {
            assert_eq!(is_topic_path(topic), empty_at.is_none(), "{topic}");
            let head = [0, 9, 0, 0, topic.len() as u8];
            let filter = [CONNECT_5, &[0x82, topic.len() as u8 + 6], &head, topic.as_bytes(), &[0]].concat();
            let name = [CONNECT_5, &[0x30, topic.len() as u8 + 4], &head[3..], topic.as_bytes(), b"\0/"].concat();
            for (packet, refusal, before) in [(filter, REFUSED_FILTER, 7), (name, REFUSED_TOPIC, 4)] {
                let inspector = Inspector::new(Profile::Diffusion, 1_000);
                // The broker inside answers them itself.
                check_passage(&inspector, &packet, &packet, None);
                let admitted = empty_at.map_or(packet.len(), |at| CONNECT_5.len() + before + at);
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
        let by_alias = [CONNECT_5, b"\x30\x06\x00\x00\x03\x23\x00\x01\x30\x05\x00\x01t\x00x"].concat();
        check_passage(&inspector, &by_alias, &by_alias, None);
    }
}
