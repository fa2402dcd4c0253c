//! Statements of the standard about single packets, for encoding and decoding. The expected bytes were written by hand
//! from the standard; `CONFORMANCE.md` lists which test covers which statement.

use std::num::NonZeroU16;

use mqtt_crawl::mqtt::codec::decode::decode;
use mqtt_crawl::mqtt::codec::encode::encode;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::codec::publish;
use mqtt_crawl::mqtt::error::EncodeError;
use mqtt_crawl::mqtt::packet::{
    Auth, Connect, Disconnect, Outgoing, PacketId, Publish, PublishProperties, QoS, ReasonCode, RetainHandling,
    SubscriptionOptions, Version, Will,
};

const ONE: PacketId = NonZeroU16::MIN;
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Beyond ASCII, with a U+FEFF in the middle and one at the beginning.
const TEXT: &str = "\u{feff}né\u{feff}😀";

fn encoded(packet: &Outgoing<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    encode(packet, version, u32::MAX, &mut out).expect("a legal packet");
    out
}

fn connect() -> Connect<'static> {
    Connect { client_id: "c", clean_start: true, ..Connect::default() }
}

fn publish_to(topic: &str) -> Publish<'_> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        topic_alias: None,
        properties: &[],
        payload: b"",
    }
}

/// Returns the text as encoded in a packet: two bytes of length, then UTF-8.
fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short");
    [&length.to_be_bytes(), bytes].concat()
}

/// Whether the bytes of the text are in the packet, unchanged.
fn holds(packet: &[u8], text: &str) -> bool {
    let wanted = field(text.as_bytes());
    packet.windows(wanted.len()).any(|window| window == wanted)
}

/// Returns packets whose one text field is `text`, in each version that has the field.
fn with_text(text: &str) -> Vec<(&'static str, Result<Vec<u8>, EncodeError>)> {
    let mut packets = Vec::new();
    let mut try_one = |field, packet: &Outgoing<'_>, version| {
        let mut out = Vec::new();
        packets.push((field, encode(packet, version, u32::MAX, &mut out).map(|()| out)));
    };
    let will = Will { topic: text.to_owned(), ..Will::default() };
    let filters = [(text, SubscriptionOptions::default())];
    for version in VERSIONS {
        try_one("client identifier", &Outgoing::Connect(&Connect { client_id: text, ..connect() }), version);
        try_one("user name", &Outgoing::Connect(&Connect { user_name: Some(text), ..connect() }), version);
        try_one("will topic", &Outgoing::Connect(&Connect { will: Some(&will), ..connect() }), version);
        try_one("topic", &Outgoing::Publish(publish_to(text)), version);
        let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None };
        try_one("filter", &subscribe, version);
        try_one("filter given up", &Outgoing::Unsubscribe { packet_id: ONE, filters: &[text] }, version);
    }
    for (field, properties) in [
        ("response topic", PublishProperties { response_topic: Some(text.to_owned()), ..Default::default() }),
        ("content type", PublishProperties { content_type: Some(text.to_owned()), ..Default::default() }),
        ("name", PublishProperties { user_properties: vec![(text.to_owned(), String::new())], ..Default::default() }),
        ("value", PublishProperties { user_properties: vec![("k".to_owned(), text.to_owned())], ..Default::default() }),
    ] {
        let mut section = Vec::new();
        let packet = publish::encode_properties(&properties, &mut section).map(|()| {
            let publish = Publish { properties: &section, ..publish_to("t") };
            encoded(&Outgoing::Publish(publish), Version::V5)
        });
        packets.push((field, packet));
    }
    packets
}

// ---- text and numbers ------------------------------------------------------------

// covers: [MQTT-1.5.4-1], [MQTT-1.5.4-3], [MQTT-1.5.7-1], [MQTT-3.1.3-4], [MQTT-3.1.3-11], [MQTT-3.1.3-12]
// covers: [MQTT-3.3.2-1], [MQTT-3.3.2-13], [MQTT-3.3.2-19], [MQTT-3.8.3-1], [MQTT-3.10.3-1]
// covers: [3.1.1 MQTT-1.5.3-1], [3.1.1 MQTT-1.5.3-3], [3.1.1 MQTT-3.1.3-4], [3.1.1 MQTT-3.1.3-10]
// covers: [3.1.1 MQTT-3.1.3-11], [3.1.1 MQTT-3.3.2-1], [3.1.1 MQTT-3.8.3-1], [3.1.1 MQTT-3.10.3-1]
#[test]
fn text_is_sent_as_unchanged_utf_8() {
    let packets = with_text(TEXT);
    assert_eq!(packets.len(), 16);
    for (field, packet) in packets {
        let packet = packet.expect(field);
        assert!(holds(&packet, TEXT), "{field}: {packet:02x?}");
    }
}

// covers: [MQTT-1.5.4-2], [MQTT-1.5.7-1], [MQTT-4.7.3-2], [3.1.1 MQTT-1.5.3-2], [3.1.1 MQTT-4.7.3-2]
#[test]
fn text_with_u_0000_is_not_sent() {
    for (field, packet) in with_text("a\0b") {
        assert!(matches!(packet, Err(EncodeError::Forbidden { .. })), "{field}: {packet:02x?}");
    }
}

// covers: [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-1.5.7-1], [MQTT-3.3.2-13], [MQTT-3.3.2-19]
#[test]
fn text_in_properties_is_checked_when_it_is_received() {
    // Response topic, content type, both halves of a user property.
    for (before, after) in [(&[0x08][..], &[][..]), (&[0x03], &[]), (&[0x26], &[0, 0]), (&[0x26, 0, 0], &[])] {
        for (text, rule) in [
            (&b"ok\xc3\xa9"[..], None),
            (b"\xc3\x28", Some("[MQTT-1.5.4-1]")),
            (b"\xed\xa0\x80", Some("[MQTT-1.5.4-1]")),
            (b"\xff", Some("[MQTT-1.5.4-1]")),
            (b"a\0b", Some("[MQTT-1.5.4-2]")),
        ] {
            let section = [before, &field(text), after].concat();
            let length = u8::try_from(section.len()).expect("short");
            let body = [&[0, 1, b't', length], &section[..], b"payload"].concat();
            let packet = [&[0x30, u8::try_from(body.len()).expect("short")], &body[..]].concat();
            let refused = decode(&packet, Version::V5, &Limits::default()).err();
            assert_eq!(refused.map(|violation| violation.rule), rule, "{packet:02x?}");
        }
    }
}

// covers: [MQTT-1.5.5-1]
#[test]
fn lengths_are_encoded_in_the_fewest_bytes() {
    for (remaining, expected) in [
        (127_usize, &[0x7F][..]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
    ] {
        let payload = vec![0; remaining - 3];
        let packet = encoded(&Outgoing::Publish(Publish { payload: &payload, ..publish_to("t") }), Version::V311);
        assert_eq!(packet[1..=expected.len()], *expected);
        assert_eq!(packet.len(), 1 + expected.len() + remaining);
    }
    let filters = [("t", SubscriptionOptions::default())];
    for (id, expected) in
        [(127, &[2, 0x0B, 0x7F][..]), (128, &[3, 0x0B, 0x80, 0x01]), (16_384, &[4, 0x0B, 0x80, 0x80, 1])]
    {
        let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: Some(id) };
        assert!(encoded(&subscribe, Version::V5)[4..].starts_with(expected));
    }
}

// ---- headers ---------------------------------------------------------------------

// covers: [MQTT-2.1.3-1], [MQTT-3.6.1-1], [MQTT-3.8.1-1], [MQTT-3.10.1-1], [MQTT-3.15.1-1]
// covers: [3.1.1 MQTT-2.2.2-1], [3.1.1 MQTT-3.6.1-1], [3.1.1 MQTT-3.8.1-1], [3.1.1 MQTT-3.10.1-1]
// covers: [3.1.1 MQTT-3.14.1-1]
#[test]
fn reserved_flags_have_their_values() {
    let connect = connect();
    let filters = [("t", SubscriptionOptions::default())];
    let disconnect = Disconnect::new(ReasonCode::SUCCESS);
    let auth = Auth {
        reason: ReasonCode(0x18),
        method: Some("m".to_owned()),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    for reason in [ReasonCode::SUCCESS, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND] {
        for (packet, first) in [
            (Outgoing::Connect(&connect), 0x10),
            (Outgoing::PubAck(ONE, reason), 0x40),
            (Outgoing::PubRec(ONE, reason), 0x50),
            (Outgoing::PubRel(ONE, reason), 0x62),
            (Outgoing::PubComp(ONE, reason), 0x70),
            (Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None }, 0x82),
            (Outgoing::Unsubscribe { packet_id: ONE, filters: &["t"] }, 0xA2),
            (Outgoing::PingReq, 0xC0),
            (Outgoing::Disconnect(&disconnect), 0xE0),
        ] {
            for version in VERSIONS {
                assert_eq!(encoded(&packet, version)[0], first, "{packet:?}");
            }
        }
    }
    assert_eq!(encoded(&Outgoing::Auth(&auth), Version::V5)[0], 0xF0);
}

// covers: [MQTT-3.8.3-5], [3.1.1 MQTT-3.8.3-4]
#[test]
fn subscription_options_are_encoded_bit_by_bit() {
    let handlings = [RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DontSend];
    for (level, qos) in LEVELS.into_iter().enumerate() {
        for (handling, retain_handling) in handlings.into_iter().enumerate() {
            for (bits, [no_local, retain_as_published]) in
                [[false, false], [true, false], [false, true], [true, true]].into_iter().enumerate()
            {
                let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling };
                let subscribe =
                    Outgoing::Subscribe { packet_id: ONE, filters: &[("t", options)], subscription_id: None };
                let expected = level | bits << 2 | handling << 4;
                assert_eq!(encoded(&subscribe, Version::V5).last().copied().map(usize::from), Some(expected));
                assert_eq!(encoded(&subscribe, Version::V311).last().copied().map(usize::from), Some(level));
            }
        }
    }
}

// covers: [MQTT-2.2.2-1]
#[test]
fn missing_properties_are_encoded_as_length_zero() {
    let filters = [("t", SubscriptionOptions::default())];
    let connect = connect();
    for (packet, expected) in [
        (Outgoing::Connect(&connect), &b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c"[..]),
        (Outgoing::Publish(publish_to("t")), b"\x30\x04\x00\x01t\x00"),
        (
            Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None },
            b"\x82\x07\x00\x01\x00\x00\x01t\x00",
        ),
        (Outgoing::Unsubscribe { packet_id: ONE, filters: &["t"] }, b"\xa2\x06\x00\x01\x00\x00\x01t"),
    ] {
        assert_eq!(encoded(&packet, Version::V5), expected);
    }
}

// ---- CONNECT ---------------------------------------------------------------------

// covers: [MQTT-3.1.2-1], [MQTT-3.1.2-3], [MQTT-3.1.2-9], [MQTT-3.1.2-11], [MQTT-3.1.2-12], [MQTT-3.1.2-13]
// covers: [MQTT-3.1.2-16], [MQTT-3.1.2-17], [MQTT-3.1.2-18], [MQTT-3.1.2-19], [MQTT-3.1.3-1], [MQTT-3.1.3-3]
// covers: [3.1.1 MQTT-3.1.2-1], [3.1.1 MQTT-3.1.2-3], [3.1.1 MQTT-3.1.2-9], [3.1.1 MQTT-3.1.2-11]
// covers: [3.1.1 MQTT-3.1.2-13], [3.1.1 MQTT-3.1.2-14], [3.1.1 MQTT-3.1.2-15], [3.1.1 MQTT-3.1.2-18]
// covers: [3.1.1 MQTT-3.1.2-19], [3.1.1 MQTT-3.1.2-20], [3.1.1 MQTT-3.1.2-21], [3.1.1 MQTT-3.1.3-1]
// covers: [3.1.1 MQTT-3.1.3-3]
#[test]
fn connect_flags_are_correct_in_every_combination() {
    let wills = LEVELS.into_iter().flat_map(|qos| [false, true].map(|retain| Some((qos, retain)))).chain([None]);
    let mut packets = 0;
    for will in wills {
        for clean_start in [false, true] {
            for user_name in [None, Some(""), Some("user")] {
                for password in [None, Some(&b""[..]), Some(b"\xff\0")] {
                    let message = will.map(|(qos, retain)| Will {
                        topic: "w".to_owned(),
                        payload: vec![0, 1],
                        qos,
                        retain,
                        delay_s: Some(5),
                        ..Will::default()
                    });
                    let will = message.as_ref();
                    let connect = Connect { clean_start, keep_alive_s: 10, user_name, password, will, ..connect() };
                    check_connect(&connect, Version::V5);
                    packets += 1;
                    // A password without a user name is for 5.0 only.
                    if user_name.is_some() || password.is_none() {
                        check_connect(&connect, Version::V311);
                        packets += 1;
                    }
                }
            }
        }
    }
    assert_eq!(packets, 7 * 2 * (9 + 7));
}

#[track_caller]
fn check_connect(connect: &Connect<'_>, version: Version) {
    let mut flags = 0;
    for (bit, is_set) in
        [(0x80, connect.user_name.is_some()), (0x40, connect.password.is_some()), (0x02, connect.clean_start)]
    {
        flags |= if is_set { bit } else { 0 };
    }
    let mut fields = field(b"c");
    if let Some(will) = connect.will {
        flags |= 0x04 | (will.qos as u8) << 3 | if will.retain { 0x20 } else { 0 };
        if version == Version::V5 {
            fields.extend(b"\x05\x18\x00\x00\x00\x05");
        }
        fields.extend(field(b"w"));
        fields.extend(field(&[0, 1]));
    }
    fields.extend(connect.user_name.map(|name| field(name.as_bytes())).unwrap_or_default());
    fields.extend(connect.password.map(field).unwrap_or_default());
    let (level, properties) = if version == Version::V5 { (5, &[0][..]) } else { (4, &[][..]) };
    let body = [&b"\x00\x04MQTT"[..], &[level, flags, 0, 10], properties, &fields].concat();
    let expected = [&[0x10, u8::try_from(body.len()).expect("short")], &body[..]].concat();
    assert_eq!(encoded(&Outgoing::Connect(connect), version), expected, "{connect:?}");
}

// ---- PUBLISH, and packets that are never too large ----------------------------------

// covers: [MQTT-3.3.2-14]
#[test]
fn response_topic_with_a_wildcard_is_not_sent() {
    for (topic, is_legal) in [("a/b", true), ("a/+", false), ("#", false), ("a/#", false)] {
        let properties = PublishProperties { response_topic: Some(topic.to_owned()), ..PublishProperties::default() };
        assert_eq!(publish::encode_properties(&properties, &mut Vec::new()).is_ok(), is_legal, "{topic}");
        // Also if the properties were encoded elsewhere.
        let section = [&[0x08], &field(topic.as_bytes())[..]].concat();
        let publish = Outgoing::Publish(Publish { properties: &section, ..publish_to("t") });
        assert_eq!(encode(&publish, Version::V5, u32::MAX, &mut Vec::new()).is_ok(), is_legal, "{topic}");
    }
}

// covers: [MQTT-3.4.2-2], [MQTT-3.4.2-3], [MQTT-3.5.2-2], [MQTT-3.5.2-3]
// covers: [MQTT-3.6.2-2], [MQTT-3.6.2-3], [MQTT-3.7.2-2], [MQTT-3.7.2-3]
#[test]
fn our_acknowledgements_carry_no_properties() {
    for code in 0..=0xFF {
        let reason = ReasonCode(code);
        for (packet, first) in [
            (Outgoing::PubAck(ONE, reason), 0x40),
            (Outgoing::PubRec(ONE, reason), 0x50),
            (Outgoing::PubRel(ONE, reason), 0x62),
            (Outgoing::PubComp(ONE, reason), 0x70),
        ] {
            let expected = if code == 0 { vec![first, 2, 0, 1] } else { vec![first, 3, 0, 1, code] };
            assert_eq!(encoded(&packet, Version::V5), expected);
        }
    }
}

// covers: [MQTT-3.14.2-3], [MQTT-3.14.2-4], [MQTT-3.15.2-2], [MQTT-3.15.2-3]
#[test]
fn reason_strings_that_make_a_packet_too_large_are_not_sent() {
    let reason = || Some("why".to_owned());
    let pairs = || vec![("k".to_owned(), "v".to_owned())];
    let disconnect = Disconnect::new(ReasonCode::PROTOCOL_ERROR);
    let auth = Auth {
        reason: ReasonCode(0x19),
        method: Some("m".to_owned()),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    for packet in [
        Outgoing::Disconnect(&Disconnect { reason_string: reason(), ..disconnect.clone() }),
        Outgoing::Disconnect(&Disconnect { user_properties: pairs(), ..disconnect }),
        Outgoing::Auth(&Auth { reason_string: reason(), ..auth.clone() }),
        Outgoing::Auth(&Auth { user_properties: pairs(), ..auth }),
    ] {
        let bytes = encoded(&packet, Version::V5).len();
        let limit_bytes = u32::try_from(bytes).expect("short");
        assert_eq!(encode(&packet, Version::V5, limit_bytes, &mut Vec::new()), Ok(()));
        let mut out = Vec::new();
        let limit_bytes = limit_bytes - 1;
        let refused = encode(&packet, Version::V5, limit_bytes, &mut out);
        assert_eq!((refused, out.len()), (Err(EncodeError::PacketTooLarge { bytes, limit_bytes }), 0));
    }
}
