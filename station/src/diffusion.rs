//! The packets of a client as they pass from a WebSocket to the broker, and what the `/diffusion`
//! path refuses among them.
//!
//! Diffusion documents: MQTT 5.0 only; subscriptions at QoS 0; publishing at QoS 0 or 1; topic
//! paths without empty levels. The broker itself answers the part that its own hooks can express
//! (see [`crate::broker`]): the granted QoS, the Maximum QoS in CONNACK, and topic paths. Two
//! refusals it can't make, since it knows no protocol versions to refuse and doesn't hold a client
//! to the Maximum QoS that it announced; they are made here, from the bytes. So is that of a packet
//! which is larger than the station takes.

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
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;

/// A CONNACK in the shape of 3.1.1, return code 1, unacceptable protocol version: the only refusal
/// that a 3.1.1 client understands `[MQTT-3.1.2-2]`.
const REFUSED_VERSION: &[u8] = &[0x20, 0x02, 0x00, 0x01];
/// CONNACK 0x9B, QoS not supported, for a will above the Maximum QoS `[MQTT-3.2.2-12]`.
const REFUSED_WILL_QOS: &[u8] = &[0x20, 0x03, 0x00, 0x9B, 0x00];
/// DISCONNECT 0x9B, QoS not supported, for a PUBLISH above the Maximum QoS (section 3.2.2.3.4).
const REFUSED_PUBLISH_QOS: &[u8] = &[0xE0, 0x02, 0x9B, 0x00];
/// DISCONNECT 0x95, packet too large.
const REFUSED_SIZE: &[u8] = &[0xE0, 0x02, 0x95, 0x00];

/// What an answer of an [`Inspector`] says.
pub(crate) fn refusal(answer: &[u8]) -> &'static str {
    match answer {
        REFUSED_VERSION => "this path is for MQTT 5.0",
        REFUSED_WILL_QOS | REFUSED_PUBLISH_QOS => "this path takes no QoS 2",
        _ => "packet too large",
    }
}

/// Follows the packets in a byte stream from client to broker. It looks at the first byte of each
/// packet and at the head of CONNECT, and copies nothing.
#[derive(Debug)]
pub(crate) struct Inspector {
    profile: Profile,
    largest_packet_bytes: u32,
    place: Place,
    level: Option<u8>,
    said_farewell: bool,
    messages: u32,
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
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Before the first byte of a packet.
    Packet,
    /// Inside the Remaining Length.
    Length { packet: u8, shift: u32, bytes_left: u32 },
    /// In the head of CONNECT: how many bytes of it were seen, and the length of the protocol name.
    ConnectHead { seen: u32, name_length: u32, bytes_left: u32 },
    /// In the rest of a packet.
    Body { bytes_left: u32 },
    /// The bytes make no sense as MQTT; the broker will see that too and close.
    Lost,
}

impl Inspector {
    pub(crate) fn new(profile: Profile, largest_packet_bytes: u32) -> Self {
        Self { profile, largest_packet_bytes, place: Place::Packet, level: None, said_farewell: false, messages: 0 }
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
        while let Some(&byte) = bytes.get(at) {
            if let Place::Body { bytes_left } = self.place {
                let here = (bytes.len() - at).min(bytes_left as usize);
                at += here;
                self.place = body(bytes_left - here as u32);
                continue;
            }
            if let Some(refusal) = self.step(byte) {
                return Passage { admitted: at, refusal: Some(refusal), messages: self.messages };
            }
            if matches!(self.place, Place::Lost) {
                break;
            }
            at += 1;
        }
        Passage { admitted: bytes.len(), refusal: None, messages: self.messages }
    }

    fn step(&mut self, byte: u8) -> Option<&'static [u8]> {
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
                let qos = (byte >> 1) & 3;
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
                    0 => body(bytes_left),
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
                    let will_qos = (byte >> 3) & 3;
                    return (self.profile == Profile::Diffusion && will_qos == 2).then_some(REFUSED_WILL_QOS);
                }
            }
            Place::Body { .. } | Place::Lost => {}
        }
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
        for cut in 0..bytes.len() {
            let mut inspector = Inspector::new(profile, 1_000);
            let (first, rest) = bytes.split_at(cut);
            let mut passage = inspector.inspect(first);
            if passage.refusal.is_none() {
                assert_eq!(passage.admitted, cut);
                passage = inspector.inspect(rest);
                passage.admitted += cut;
            }
            assert_eq!((passage.admitted, passage.refusal), (admitted, refusal), "cut at {cut}");
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

    #[test]
    fn topic_paths_have_no_empty_level() {
        for (topic, expected) in
            [("StarWars", true), ("a/b/#", true), ("+/b", true), ("/a", false), ("a/", false), ("a//b", false)]
        {
            assert_eq!(is_topic_path(topic), expected, "{topic}");
        }
    }
}
