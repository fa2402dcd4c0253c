//! Follows a client's packets after its CONNECT, and refuses those that its path doesn't allow.
//!
//! Diffusion documents: MQTT 5.0 only; subscriptions at QoS 0; publishing at QoS 0 or 1; topic paths without empty
//! levels. Versions and wills are checked with CONNECT (see [`crate::proxy`]), the rest here. But if the broker is
//! inside, [`crate::hooks`] check topic paths: they refuse one filter or one message, and the connection continues.

use rmqtt::codec::v5::DisconnectReasonCode as ReasonCode;

use crate::connect::{section, string, variable_integer};
use crate::limits::SMALL_PACKET_BYTES_MAX;

/// The rules that a WebSocket path applies to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `/mqtt` and the TCP port: everything the broker accepts.
    #[default]
    Open,
    /// `/diffusion`: as Diffusion documents.
    Diffusion,
}

impl Profile {
    /// Returns its path on the web port.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Open => "/mqtt",
            Self::Diffusion => "/diffusion",
        }
    }

    pub(crate) fn of_path(path: &str) -> Option<Self> {
        [Self::Open, Self::Diffusion].into_iter().find(|profile| profile.path() == path)
    }
}

/// The bits of a QoS, in any packet.
const QOS: u8 = 3;
const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const SUBSCRIBE: u8 = 8;
const DISCONNECT: u8 = 14;

/// The message for a topic path that Diffusion doesn't accept.
pub(crate) const NO_EMPTY_LEVEL: &str = "a topic path has no empty level";

/// Checks the beginning of each packet and, for Diffusion, the options of a SUBSCRIBE.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inspector {
    profile: Profile,
    judges_paths: bool,
    packet_bytes_max: u32,
    /// Packets that may be passed on to the broker.
    packets: u64,
    /// Remaining Length of the current packet, and how much of it is outstanding.
    packet_bytes: u32,
    bytes_left: u32,
    /// The beginning of a packet that can't be checked yet.
    pending: Vec<u8>,
    /// Whether the client has begun a DISCONNECT, so that it doesn't expect one.
    pub has_disconnect: bool,
    /// Whether the bytes aren't valid MQTT; the broker will detect that too and close.
    is_lost: bool,
}

impl Inspector {
    pub(crate) fn new(profile: Profile, packet_bytes_max: u32) -> Self {
        Self { profile, packet_bytes_max, ..Self::default() }
    }

    /// The same, for a broker that doesn't know Diffusion's rules for topic paths.
    pub(crate) fn judging_paths(self) -> Self {
        Self { judges_paths: self.profile == Profile::Diffusion, ..self }
    }

    /// Whether the client's DISCONNECT was passed on completely.
    pub(crate) fn has_left(&self) -> bool {
        self.has_disconnect && self.bytes_left == 0
    }

    /// Returns the large packet that has begun and not ended: its number and its length.
    pub(crate) fn unfinished(&self) -> Option<(u64, u32)> {
        let is_large = self.bytes_left > 0 && self.packet_bytes > SMALL_PACKET_BYTES_MAX;
        is_large.then_some((self.packets, self.packet_bytes))
    }

    /// Checks the next bytes of the stream, cut anywhere, and keeps in them only what may be passed on to the broker.
    /// Returns the number of messages that begin in them, or the reason code to close with because of the bytes that
    /// follow.
    pub(crate) fn inspect(&mut self, bytes: &mut Vec<u8>) -> Result<u32, ReasonCode> {
        bytes.splice(..0, self.pending.drain(..));
        let (mut at, mut messages) = (0, 0);
        while at < bytes.len() && !self.is_lost {
            if self.bytes_left == 0 {
                match self.begin(&mut bytes[at..]) {
                    Ok(true) => messages += u32::from(bytes[at] >> 4 == PUBLISH),
                    Ok(false) => {
                        self.pending = bytes.split_off(at);
                        break;
                    }
                    Err(code) => {
                        bytes.truncate(at);
                        return Err(code);
                    }
                }
            }
            let here = (bytes.len() - at).min(self.bytes_left as usize);
            at += here;
            self.bytes_left -= here as u32;
        }
        Ok(messages)
    }

    /// Begins the packet at the front of these bytes; `false` if more bytes are needed to check it.
    fn begin(&mut self, bytes: &mut [u8]) -> Result<bool, ReasonCode> {
        let (packet, qos) = (bytes[0] >> 4, bytes[0] >> 1 & QOS);
        let (length, head) = match variable_integer(&bytes[1..]) {
            Ok(Some((length, length_bytes))) if packet != CONNECT => (length, 1 + length_bytes),
            Ok(None) if packet != CONNECT => return Ok(false),
            // CONNECT twice [MQTT-3.1.0-2], or a length of more than four bytes [MQTT-1.5.5-1].
            _ => {
                self.is_lost = true;
                return Ok(true);
            }
        };
        let is_subscribe = self.profile == Profile::Diffusion && packet == SUBSCRIBE;
        // It is held until it is complete.
        let longest = if is_subscribe { SMALL_PACKET_BYTES_MAX } else { u32::MAX };
        if length > longest.min(self.packet_bytes_max) {
            return Err(ReasonCode::PacketTooLarge);
        }
        let end = bytes.len().min(head + length as usize);
        let is_whole = end == head + length as usize;
        let body = &mut bytes[head..end];
        if is_subscribe {
            if !is_whole {
                return Ok(false);
            }
            self.lower_qos(body)?;
        } else if self.profile == Profile::Diffusion && packet == PUBLISH {
            if qos == 2 {
                return Err(ReasonCode::QosNotSupported);
            }
            match string(&mut &*body) {
                None if self.judges_paths && !is_whole => return Ok(false),
                // An empty topic is replaced by an alias.
                Some(topic) if self.judges_paths && !topic.is_empty() && !is_topic_path(topic) => {
                    return Err(ReasonCode::TopicNameInvalid);
                }
                _ => {}
            }
        }
        self.packet_bytes = length;
        self.packets += 1;
        self.has_disconnect |= packet == DISCONNECT;
        self.bytes_left = head as u32 + length;
        Ok(true)
    }

    /// Lowers the QoS of a SUBSCRIBE to 0 (section 3.8). Malformed parts are left to the broker.
    fn lower_qos(&self, body: &mut [u8]) -> Result<(), ReasonCode> {
        let mut fields = &*body;
        if fields.split_off(..2).and_then(|_packet_id| section(&mut fields)).is_none() {
            return Ok(());
        }
        let mut at = body.len() - fields.len();
        while let Some(filter) = body.get(at..).and_then(|mut fields| string(&mut fields)) {
            if self.judges_paths && !filter.is_empty() && !is_topic_path(filter) {
                return Err(ReasonCode::TopicFilterInvalid);
            }
            at += 2 + filter.len();
            // 3 isn't a QoS: the broker refuses it.
            if let Some(options) = body.get_mut(at).filter(|options| **options & QOS != QOS) {
                *options &= !QOS;
            }
            at += 1;
        }
        Ok(())
    }
}

/// Whether Diffusion accepts this as a topic path: no empty level, so no `/` first or last.
pub(crate) fn is_topic_path(topic: &[u8]) -> bool {
    topic.split(|byte| *byte == b'/').all(|level| !level.is_empty())
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

    /// Checks that the result is the same for whole input and for input cut at every byte.
    fn check(profile: Profile, packets: &[&[u8]], admitted: usize, refusal: Option<ReasonCode>) {
        let bytes = packets.concat();
        check_passage(&Inspector::new(profile, 1_000), &bytes, &bytes[..admitted], refusal);
    }

    fn check_passage(inspector: &Inspector, bytes: &[u8], admitted: &[u8], refusal: Option<ReasonCode>) {
        for cut in 0..bytes.len() {
            let mut inspector = inspector.clone();
            let (first, rest) = bytes.split_at(cut);
            let mut passed = first.to_vec();
            let mut outcome = inspector.inspect(&mut passed);
            if outcome.is_ok() {
                let mut rest = rest.to_vec();
                outcome = inspector.inspect(&mut rest);
                passed.extend(rest);
            }
            assert_eq!((&*passed, outcome.err()), (admitted, refusal), "cut at {cut}");
        }
    }

    #[test]
    fn diffusion_accepts_5_0_up_to_qos_1() {
        let all = [PUBLISH_0, LONG_PUBLISH, PUBLISH_1];
        check(Profile::Diffusion, &all, all.concat().len(), None);
        check(Profile::Diffusion, &[PUBLISH_1, PUBLISH_2], PUBLISH_1.len(), Some(ReasonCode::QosNotSupported));
    }

    #[test]
    fn open_path_refuses_nothing() {
        let all = [PUBLISH_2, LONG_PUBLISH];
        check(Profile::Open, &all, all.concat().len(), None);
    }

    #[test]
    fn non_mqtt_bytes_are_left_to_the_broker() {
        for bytes in [&b"\x10\x02\x00\x04MQTT"[..], b"\x30\xff\xff\xff\xff\x01"] {
            check(Profile::Diffusion, &[bytes], bytes.len(), None);
        }
    }

    #[test]
    fn a_packet_is_refused_by_its_length() {
        let large = b"\x30\xe9\x07\x00\x01t";
        check(Profile::Open, &[PUBLISH_0, large], PUBLISH_0.len(), Some(ReasonCode::PacketTooLarge));
    }

    #[test]
    fn messages_are_counted_where_they_begin() {
        let mut inspector = Inspector::new(Profile::Open, 1_000);
        let bytes = [PUBLISH_0, LONG_PUBLISH, b"\xc0\x00", PUBLISH_1].concat();
        let (first, rest) = bytes.split_at(PUBLISH_0.len() + 100);
        assert_eq!(inspector.inspect(&mut first.to_vec()), Ok(2));
        assert_eq!(inspector.inspect(&mut rest.to_vec()), Ok(1));
    }

    #[test]
    fn large_packet_is_unfinished_until_its_last_byte() {
        let mut inspector = Inspector::new(Profile::Open, 1_000_000);
        let length = SMALL_PACKET_BYTES_MAX + 1;
        let large = [&[0x30, 0x81, 0x80, 0x04, 0, 1, b't'][..], &vec![0; length as usize - 3]].concat();
        let mut check = |bytes: &[u8], unfinished, reason| {
            assert!(inspector.inspect(&mut bytes.to_vec()).is_ok());
            assert_eq!(inspector.unfinished(), unfinished, "{reason}");
        };
        check(&[LONG_PUBLISH, &large[..4]].concat(), Some((2, length)), "its length is there");
        check(&large[4..large.len() - 1], Some((2, length)), "a byte is missing");
        check(&[0], None, "it is whole");
        check(&LONG_PUBLISH[..100], None, "a small one isn't counted");
    }

    #[test]
    fn disconnect_is_detected_once_it_is_complete() {
        let mut inspector = Inspector::new(Profile::Open, 1_000);
        for (bytes, has_left) in [([PUBLISH_0, b"\xe0"].concat(), false), (b"\x01".to_vec(), false), (vec![0], true)] {
            assert!(inspector.inspect(&mut bytes.clone()).is_ok());
            assert_eq!(inspector.has_left(), has_left, "{bytes:02x?}");
        }
        assert!(inspector.has_disconnect);
    }

    /// Returns a SUBSCRIBE with a subscription identifier: each filter with its options.
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
    fn subscriptions_are_limited_to_qos_0() {
        let with = |options: [u8; 4]| {
            let filters = [("a", options[0]), ("b//c", options[1]), ("", options[2]), ("d/#", options[3])];
            [&subscribe(&filters)[..], LONG_PUBLISH, &subscribe(&[("e", options[0])])].concat()
        };
        // No Local, Retain As Published and Retain Handling are kept; an invalid QoS is left to the broker to refuse.
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
        let check = |topic: &str, is_path: bool| {
            assert_eq!(is_topic_path(topic.as_bytes()), is_path, "{topic}");
            let head = [0, 9, 0, 0, topic.len() as u8];
            let filter = [&[0x82, topic.len() as u8 + 6][..], &head, topic.as_bytes(), &[0]].concat();
            let name = [&[0x30, topic.len() as u8 + 4][..], &head[3..], topic.as_bytes(), b"\0/"].concat();
            for (packet, refusal) in [(filter, ReasonCode::TopicFilterInvalid), (name, ReasonCode::TopicNameInvalid)] {
                let inspector = Inspector::new(Profile::Diffusion, 1_000);
                // The broker inside answers them itself.
                check_passage(&inspector, &packet, &packet, None);
                let (admitted, refusal) = if is_path { (&*packet, None) } else { (&b""[..], Some(refusal)) };
                check_passage(&inspector.judging_paths(), &packet, admitted, refusal);
            }
        };
        for topic in ["StarWars", "a/b/#", "+/b"] {
            check(topic, true);
        }
        for topic in ["/", "/a", "a/", "a//b"] {
            check(topic, false);
        }
        let inspector = Inspector::new(Profile::Diffusion, 1_000).judging_paths();
        let by_alias = b"\x30\x06\x00\x00\x03\x23\x00\x01\x30\x05\x00\x01t\x00x";
        check_passage(&inspector, by_alias, by_alias, None);
    }
}
