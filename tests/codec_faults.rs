//! The faults of mqttbytes 0.6.0: each is shown with plain mqttbytes, and shown to be absent from the codec. What a
//! server can send is in `fixtures/packets.txt`; here are the cases that need more than "accepted or not", and
//! everything that is sent.

use std::num::NonZeroU16;

use bytes::BytesMut;
use mqtt_crawl::mqtt::codec::decode::decode;
use mqtt_crawl::mqtt::codec::encode::encode;
use mqtt_crawl::mqtt::codec::frame::frame;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::codec::publish;
use mqtt_crawl::mqtt::codec::publish::Property;
use mqtt_crawl::mqtt::error::EncodeError;
use mqtt_crawl::mqtt::packet::{
    Ack, Auth, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, Incoming, Outgoing, PacketId,
    Publish, PublishProperties, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Version, Will,
};
use mqttbytes::{Error, v4, v5};

const ONE: PacketId = NonZeroU16::MIN;
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

fn publish_of(topic: &str) -> Publish<'_> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        topic_alias: None,
        properties: &[],
        payload: b"x",
    }
}

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
}

fn encoded(packet: &Outgoing<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    encode(packet, version, u32::MAX, &mut out).expect("a legal packet");
    out
}

/// Encodes after existing bytes and checks that only those precede the packet.
#[track_caller]
fn encode_error(packet: &Outgoing<'_>, version: Version, limit_bytes: u32) -> EncodeError {
    let mut out = b"sent before".to_vec();
    let error = encode(packet, version, limit_bytes, &mut out).expect_err("an illegal packet");
    assert_eq!(out, b"sent before", "a failed encode leaves nothing behind");
    error
}

#[track_caller]
fn forbidden(packet: &Outgoing<'_>, version: Version, expected: &str) {
    match encode_error(packet, version, u32::MAX) {
        EncodeError::Forbidden { rule, message } => {
            assert_eq!(rule, expected, "{message}");
            assert!(!message.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

/// Returns a 5.0 packet whose lengths take one byte each.
fn packet_v5(first: u8, head: &[u8], section: &[u8], tail: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u8::try_from(bytes).ok().filter(|&n| n < 128).expect("one byte");
    let body = [head, &[length(section.len())], section, tail].concat();
    [&[first, length(body.len())], &body[..]].concat()
}

/// Fault 1: the packet is gone from the buffer, and yet more bytes are requested.
#[test]
fn fault_1_short_disconnect() {
    let mut stream = BytesMut::from(&[0xE0, 0x01, 0x8E][..]);
    let first = v5::read(&mut stream, 1024);
    assert!(matches!(first, Err(Error::InsufficientBytes(_))));
    assert!(stream.is_empty(), "more input will never restore it");
    let mut stream = BytesMut::from(&[0xE0, 0x00][..]);
    assert_eq!(v5::read(&mut stream, 1024), Err(Error::PayloadRequired));

    for (packet, reason) in [
        (&[0xE0, 0x01, 0x8E][..], ReasonCode::SESSION_TAKEN_OVER),
        (&[0xE0, 0x00], ReasonCode::SUCCESS),
        (&[0xE0, 0x02, 0x8C, 0x00], ReasonCode::BAD_AUTHENTICATION_METHOD),
    ] {
        let limits = Limits::default();
        assert_eq!(frame(packet, &limits), Ok(Some(packet.len())));
        let expected = Incoming::Disconnect(Disconnect::new(reason));
        assert_eq!(decode(packet, Version::V5, &limits), Ok(expected));
    }
}

#[test]
fn fault_2_subscription_identifiers_and_payload() {
    let packet = b"\x30\x13\x00\x03t/a\x06\x0b\x01\x0b\x02\x0b\x03PAYLOAD";
    let Ok(v5::Packet::Publish(theirs)) = v5::read(&mut BytesMut::from(&packet[..]), 1024) else {
        panic!("mqttbytes accepts it");
    };
    assert_eq!(&theirs.payload[..], b"\x0b\x03PAYLOAD");

    let ours = publish::decode(packet, Version::V5).expect("a legal PUBLISH");
    assert_eq!(ours.payload, b"PAYLOAD");
    let properties: Vec<_> = publish::properties(ours.properties).collect();
    assert_eq!(properties, [1, 2, 3].map(Property::SubscriptionId));
}

/// Fault 3, the part that isn't in the fixtures: requesting more changes nothing.
#[test]
fn fault_3_incomplete_packet_keeps_the_input() {
    let whole = b"\x30\x0a\x00\x03t/aPAYLO\x40\x02\x00\x01";
    let limits = Limits::default();
    for end in 0..12 {
        assert_eq!(frame(&whole[..end], &limits), Ok(None));
    }
    assert_eq!(frame(whole, &limits), Ok(Some(12)));
    assert_eq!(frame(&whole[12..], &limits), Ok(Some(4)));
}

#[test]
fn fault_4_auth() {
    let packet = b"\xf0\x0c\x18\x0a\x15\x00\x02AB\x16\x00\x02\x00\x01";
    let theirs = v5::read(&mut BytesMut::from(&packet[..]), 1024);
    assert_eq!(theirs, Err(Error::InvalidPacketType(15)));
    let expected = Auth {
        reason: ReasonCode(0x18),
        method: Some("AB".to_owned()),
        data: Some(vec![0, 1]),
        reason_string: None,
        user_properties: Vec::new(),
    };
    let ours = decode(packet, Version::V5, &Limits::default());
    assert_eq!(ours, Ok(Incoming::Auth(expected.clone())));
    assert_eq!(encoded(&Outgoing::Auth(&expected), Version::V5), packet);
}

/// Fault 5, the limit applies to the whole packet. A packet of 10 bytes has a remaining length of 8.
// covers: [MQTT-3.1.2-24]
#[test]
fn fault_5_limit_of_the_whole_packet() {
    let packet = b"\x30\x08\x00\x03t/aPAY";
    assert!(v4::read(&mut BytesMut::from(&packet[..]), 8).is_ok());

    let limits = |packet_bytes| Limits { packet_bytes, ..Limits::default() };
    assert_eq!(frame(packet, &limits(10)), Ok(Some(10)));
    for end in 2..=packet.len() {
        let violation = frame(&packet[..end], &limits(9)).expect_err("known from its length");
        assert_eq!(violation.reason, ReasonCode::PACKET_TOO_LARGE);
        assert!(violation.message.contains("10 bytes"), "{}", violation.message);
    }
}

#[test]
fn packet_limit_is_16_mib() {
    let mut packet = b"\x30\xfb\xff\xff\x07".to_vec();
    packet.resize(16 * 1024 * 1024, 0);
    assert_eq!(frame(&packet, &Limits::default()), Ok(Some(packet.len())));
    packet[1] = 0xFC;
    let violation = frame(&packet[..5], &Limits::default()).expect_err("a byte too many");
    assert_eq!(violation.reason, ReasonCode::PACKET_TOO_LARGE);
}

#[test]
fn property_count_is_limited() {
    /// Returns a PUBLISH and a PUBACK with `count` empty user properties.
    fn packets(count: usize) -> [Vec<u8>; 2] {
        let section = [0x26, 0, 0, 0, 0].repeat(count);
        [packet_v5(0x30, b"\x00\x01a", &section, b""), packet_v5(0x40, b"\x00\x01\x10", &section, b"")]
    }
    #[track_caller]
    fn check(count: usize, limits: Limits, taken: bool) {
        for packet in packets(count) {
            match decode(&packet, Version::V5, &limits) {
                Ok(_) => assert!(taken, "{packet:?}"),
                Err(violation) => {
                    assert!(!taken, "{violation}");
                    assert_eq!(violation.reason, ReasonCode::QUOTA_EXCEEDED);
                }
            }
        }
    }
    let limits = Limits { properties: 3, ..Limits::default() };
    check(3, limits, true);
    check(4, limits, false);
    let limits = Limits { property_bytes: 15, ..Limits::default() };
    check(3, limits, true);
    check(4, limits, false);
}

/// Fault 6: the rule is enforced, but the person gets to read why.
#[test]
fn fault_6_a_topic_that_is_not_utf_8() {
    let packet = b"\x30\x05\x00\x02\xc3\x28x";
    let theirs = v4::read(&mut BytesMut::from(&packet[..]), 1024).expect_err("not UTF-8");
    assert_eq!(theirs.to_string(), "Error = TopicNotUtf8");

    let ours = publish::decode(packet, Version::V311).expect_err("not UTF-8");
    assert_eq!(ours.message, "The broker sent a message with a topic that isn't UTF-8 text.");
    assert_eq!(ours.excerpt, packet);
}

#[test]
fn fault_7_connect_behind_other_bytes() {
    let mut theirs = BytesMut::from(&[0xAA; 20][..]);
    let mut connect = v5::Connect::new("id");
    connect.set_login("user", "password");
    let returned = connect.write(&mut theirs).expect("written");
    assert_ne!(returned, theirs.len() - 20, "the returned length is wrong");
    assert_ne!(theirs[..20], [0xAA; 20], "the flags changed bytes of another packet");

    let ours = Connect {
        client_id: "id",
        clean_start: true,
        keep_alive_s: 10,
        user_name: Some("user"),
        password: Some(b"password"),
        ..Connect::default()
    };
    let mut out = vec![0xAA; 20];
    encode(&Outgoing::Connect(&ours), Version::V5, u32::MAX, &mut out).expect("a legal CONNECT");
    assert_eq!(out[..20], [0xAA; 20]);
    let read = v5::read(&mut BytesMut::from(&out[20..]), 1024);
    assert_eq!(read, Ok(v5::Packet::Connect(connect)));
}

// covers: [MQTT-3.1.2-17], [MQTT-3.1.2-19], [3.1.1 MQTT-3.1.2-22]
#[test]
fn fault_7_user_name_and_password() {
    /// Index of the connect flags if the remaining length has one byte.
    const FLAGS: usize = 9;
    let mut theirs = BytesMut::new();
    let mut connect = v4::Connect::new("id");
    connect.set_login("", "");
    connect.write(&mut theirs).expect("written");
    assert_eq!(theirs[FLAGS], 0x02, "empty ones are lost");
    let mut theirs = BytesMut::new();
    connect.set_login("", "password");
    connect.write(&mut theirs).expect("written");
    assert_eq!(theirs[FLAGS], 0x42, "a password without a user name");

    let connect = |user_name, password| Connect {
        client_id: "id",
        clean_start: true,
        keep_alive_s: 10,
        user_name,
        password,
        ..Connect::default()
    };
    for version in VERSIONS {
        let both_empty = connect(Some(""), Some(&b""[..]));
        let bytes = encoded(&Outgoing::Connect(&both_empty), version);
        assert_eq!(bytes[FLAGS], 0xC2);
        assert!(bytes.ends_with(b"\x00\x02id\x00\x00\x00\x00"));
        let binary = connect(Some("user"), Some(&b"\xff\x00\xfe"[..]));
        let bytes = encoded(&Outgoing::Connect(&binary), version);
        assert!(bytes.ends_with(b"\x00\x04user\x00\x03\xff\x00\xfe"));
    }
    let password_alone = connect(None, Some(&b"secret"[..]));
    let packet = Outgoing::Connect(&password_alone);
    forbidden(&packet, Version::V311, "[MQTT-3.1.2-22] of 3.1.1");
    assert_eq!(encoded(&packet, Version::V5)[FLAGS], 0x42, "which 5.0 allows");
}

// covers: [MQTT-4.7.3-3], [3.1.1 MQTT-4.7.3-3]
#[test]
fn fault_8_lengths_that_wrap() {
    let long = "t".repeat(65_536 + 3);
    let mut theirs = BytesMut::new();
    v4::Publish::new(&*long, mqttbytes::QoS::AtMostOnce, "x").write(&mut theirs).expect("written");
    let Ok(v4::Packet::Publish(read)) = v4::read(&mut theirs, usize::MAX) else {
        panic!("mqttbytes reads what it wrote");
    };
    assert_eq!(read.topic, "ttt", "the length wrapped");

    let bytes = long.len();
    let too_long = |field| EncodeError::TooLong { field, bytes };
    for version in VERSIONS {
        let publish = Outgoing::Publish(publish_of(&long));
        assert_eq!(encode_error(&publish, version, u32::MAX), too_long("the topic"));
        let filters = [(&*long, options(QoS::AtMostOnce))];
        let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None };
        assert_eq!(encode_error(&subscribe, version, u32::MAX), too_long("a topic filter"));
        let unsubscribe = Outgoing::Unsubscribe { packet_id: ONE, filters: &[&long] };
        assert_eq!(encode_error(&unsubscribe, version, u32::MAX), too_long("a topic filter"));

        let connect = |field| {
            let mut connect = Connect { client_id: "id", clean_start: true, ..Connect::default() };
            let will = Will { topic: "w".to_owned(), payload: long.clone().into(), ..Will::default() };
            match field {
                "the client ID" => connect.client_id = &long,
                "the user name" => connect.user_name = Some(&long),
                "the will's payload" => connect.will = Some(&will),
                _ => {
                    connect.user_name = Some("user");
                    connect.password = Some(long.as_bytes());
                }
            }
            encode_error(&Outgoing::Connect(&connect), version, u32::MAX)
        };
        for field in ["the client ID", "the user name", "the password", "the will's payload"] {
            assert_eq!(connect(field), too_long(field));
        }
    }
    let longest = "t".repeat(65_535);
    let packet = encoded(&Outgoing::Publish(publish_of(&longest)), Version::V5);
    assert_eq!(publish::decode(&packet, Version::V5).map(|read| read.topic), Ok(&*longest));
}

#[test]
fn fault_8_half_a_packet() {
    let mut theirs = BytesMut::new();
    let publish = v4::Publish::new("a", mqttbytes::QoS::AtLeastOnce, "x");
    assert_eq!(publish.write(&mut theirs), Err(Error::PacketIdZero));
    assert!(!theirs.is_empty(), "half a packet remains");

    let mut ours = publish_of("a");
    ours.qos = QoS::AtLeastOnce;
    forbidden(&Outgoing::Publish(ours), Version::V311, "[MQTT-2.2.1-3]");
    let long = "x".repeat(70_000);
    let mut properties = PublishProperties {
        content_type: Some("text/plain".to_owned()),
        user_properties: vec![("name".to_owned(), long)],
        ..PublishProperties::default()
    };
    let mut section = vec![1, 2, 3];
    assert!(publish::encode_properties(&properties, &mut section).is_err());
    assert_eq!(section, [1, 2, 3]);
    properties.user_properties.clear();
    assert!(publish::encode_properties(&properties, &mut section).is_ok());
}

#[test]
fn fault_9_disconnect_with_will() {
    let theirs = v5::Disconnect {
        reason_code: v5::DisconnectReasonCode::DisconnectWithWillMessage,
        properties: Some(v5::DisconnectProperties::new()),
    };
    let mut written = BytesMut::new();
    theirs.write(&mut written).expect("written");
    assert_eq!(&written[..], [0xE0, 0x00], "a normal disconnect: no will is sent");

    let ours = Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL);
    assert_eq!(encoded(&Outgoing::Disconnect(&ours), Version::V5), [0xE0, 0x02, 0x04, 0x00]);
    let normal = Disconnect::new(ReasonCode::SUCCESS);
    for version in VERSIONS {
        assert_eq!(encoded(&Outgoing::Disconnect(&normal), version), [0xE0, 0x00]);
    }
}

#[test]
fn fault_10_mqttbytes_encodes_invalid_packets() {
    let mut theirs = BytesMut::new();
    let at_most_once = mqttbytes::QoS::AtMostOnce;
    assert!(v4::Publish::new("a/#", at_most_once, "x").write(&mut theirs).is_ok());
    assert!(v4::PubAck::new(0).write(&mut theirs).is_ok());
    assert!(v4::Subscribe::new("a/#/b", at_most_once).write(&mut theirs).is_ok());
    assert!(v4::Subscribe::empty_subscribe().write(&mut theirs).is_ok());
    let mut subscribe = v5::Subscribe::new("a", at_most_once);
    subscribe.properties = Some(v5::SubscribeProperties { id: Some(0), user_properties: vec![] });
    assert!(subscribe.write(&mut theirs).is_ok());
    let unsubscribe = v4::Unsubscribe { pkid: 1, topics: Vec::new() };
    assert!(unsubscribe.write(&mut theirs).is_ok());
}

// covers: [MQTT-3.3.2-2], [MQTT-4.7.0-1], [MQTT-4.7.3-1], [MQTT-4.7.3-2], [3.1.1 MQTT-3.3.2-2]
// covers: [3.1.1 MQTT-4.7.1-1], [3.1.1 MQTT-4.7.3-1], [3.1.1 MQTT-4.7.3-2]
#[test]
fn fault_10_topics_of_messages() {
    for version in VERSIONS {
        for (topic, rule) in
            [("", "[MQTT-4.7.3-1]"), ("a/#", "[MQTT-4.7.0-1]"), ("a/+/b", "[MQTT-4.7.0-1]"), ("a\0b", "[MQTT-4.7.3-2]")]
        {
            forbidden(&Outgoing::Publish(publish_of(topic)), version, rule);
            let will = Will { topic: topic.to_owned(), ..Will::default() };
            let connect = Connect { client_id: "id", will: Some(&will), ..Connect::default() };
            forbidden(&Outgoing::Connect(&connect), version, rule);
        }
    }
}

// covers: [MQTT-2.2.1-2], [MQTT-3.3.1-2], [MQTT-3.3.2-8], [MQTT-3.3.4-6], [3.1.1 MQTT-2.3.1-1]
// covers: [3.1.1 MQTT-2.3.1-5], [3.1.1 MQTT-3.3.1-2]
#[test]
fn fault_10_messages() {
    for version in VERSIONS {
        let with_id = Publish { packet_id: Some(ONE), ..publish_of("a") };
        forbidden(&Outgoing::Publish(with_id), version, "[MQTT-2.2.1-2]");
        let without_id = Publish { qos: QoS::ExactlyOnce, ..publish_of("a") };
        forbidden(&Outgoing::Publish(without_id), version, "[MQTT-2.2.1-3]");
        let dup = Publish { dup: true, ..publish_of("a") };
        forbidden(&Outgoing::Publish(dup), version, "[MQTT-3.3.1-2]");
    }
    for (properties, rule) in [
        (&b"\x0b\x01"[..], "[MQTT-3.3.4-6]"),
        (b"\x23\x00\x00", "[MQTT-3.3.2-8]"),
        (b"\x01\x02", "section 3.3.2.3.2"),
        (b"\x01\x01\x01\x01", "section 2.2.2.2"),
        (b"\x21\x00\x01", "section 2.2.2.2"),
        (b"\x03\x00\x09abc", "section 4.13.1"),
    ] {
        let publish = Publish { properties, ..publish_of("a") };
        forbidden(&Outgoing::Publish(publish), Version::V5, rule);
        let bytes = encoded(&Outgoing::Publish(publish), Version::V311);
        assert_eq!(bytes, b"\x30\x04\x00\x01ax", "3.1.1 has no properties");
    }
}

// covers: [MQTT-3.8.3-2], [MQTT-3.8.3-4], [MQTT-3.10.3-2], [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1]
// covers: [MQTT-4.8.2-2], [3.1.1 MQTT-3.8.3-3], [3.1.1 MQTT-3.10.3-2], [3.1.1 MQTT-4.7.1-2]
// covers: [3.1.1 MQTT-4.7.1-3]
#[test]
fn fault_10_subscriptions() {
    for version in VERSIONS {
        for (filter, rule) in [
            ("", "[MQTT-4.7.3-1]"),
            ("a/#/b", "[MQTT-4.7.1-1]"),
            ("a#", "[MQTT-4.7.1-1]"),
            ("a+/b", "[MQTT-4.7.1-2]"),
            ("a\0", "[MQTT-4.7.3-2]"),
            ("$share/g", "[MQTT-4.8.2-2]"),
            ("$share//a", "[MQTT-4.8.2-1]"),
        ] {
            let filters = [("good", options(QoS::AtMostOnce)), (filter, options(QoS::AtMostOnce))];
            let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None };
            forbidden(&subscribe, version, rule);
            let unsubscribe = Outgoing::Unsubscribe { packet_id: ONE, filters: &["good", filter] };
            forbidden(&unsubscribe, version, rule);
        }
        let nothing = Outgoing::Subscribe { packet_id: ONE, filters: &[], subscription_id: None };
        forbidden(&nothing, version, "[MQTT-3.8.3-2]");
        let nothing = Outgoing::Unsubscribe { packet_id: ONE, filters: &[] };
        forbidden(&nothing, version, "[MQTT-3.10.3-2]");
    }
    let filters = [("a", options(QoS::AtMostOnce))];
    for (id, allowed) in [(0, false), (1, true), (268_435_455, true), (268_435_456, false)] {
        let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: Some(id) };
        if allowed {
            encoded(&subscribe, Version::V5);
        } else {
            forbidden(&subscribe, Version::V5, "section 3.8.2.1.2");
        }
        let bytes = encoded(&subscribe, Version::V311);
        assert_eq!(bytes, b"\x82\x06\x00\x01\x00\x01a\x00", "3.1.1 has no identifiers");
    }
    let shared = SubscriptionOptions { no_local: true, ..options(QoS::AtMostOnce) };
    let filters = [("$share/g/a", shared)];
    let subscribe = Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: None };
    forbidden(&subscribe, Version::V5, "[MQTT-3.8.3-4]");
}

// covers: [MQTT-1.5.7-1], [MQTT-3.15.2-1], [3.1.1 MQTT-3.1.3-7]
#[test]
fn unencodable_values_are_refused() {
    let with = |properties| Connect { client_id: "id", properties, ..Connect::default() };
    for (properties, rule) in [
        (ConnectProperties { receive_maximum: Some(0), ..Default::default() }, "section 3.1.2.11.3"),
        (ConnectProperties { packet_size_maximum_bytes: Some(0), ..Default::default() }, "section 3.1.2.11.4"),
        (ConnectProperties { authentication_data: Some(vec![1]), ..Default::default() }, "section 3.1.2.11.10"),
        (
            ConnectProperties { user_properties: vec![("a\0".to_owned(), String::new())], ..Default::default() },
            "[MQTT-1.5.4-2]",
        ),
    ] {
        forbidden(&Outgoing::Connect(&with(properties)), Version::V5, rule);
    }
    let nameless = Connect::default();
    forbidden(&Outgoing::Connect(&nameless), Version::V311, "[MQTT-3.1.3-7] of 3.1.1");
    encoded(&Outgoing::Connect(&nameless), Version::V5);

    let properties = PublishProperties { topic_alias: Some(ONE), ..PublishProperties::default() };
    let will = Will { topic: "w".to_owned(), properties, ..Will::default() };
    let connect = Connect { client_id: "id", will: Some(&will), ..Connect::default() };
    forbidden(&Outgoing::Connect(&connect), Version::V5, "section 3.1.3.2");

    let mut disconnect = Disconnect::new(ReasonCode::SUCCESS);
    disconnect.server_reference = Some("elsewhere".to_owned());
    forbidden(&Outgoing::Disconnect(&disconnect), Version::V5, "section 3.14.2.2.5");

    let mut auth = Auth {
        reason: ReasonCode::SUCCESS,
        method: Some("SCRAM".to_owned()),
        data: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    forbidden(&Outgoing::Auth(&auth), Version::V5, "[MQTT-3.15.2-1]");
    auth.reason = ReasonCode(0x18);
    forbidden(&Outgoing::Auth(&auth), Version::V311, "section 2.2.1 of 3.1.1");
    auth.method = None;
    forbidden(&Outgoing::Auth(&auth), Version::V5, "section 3.15.2.2.2");
}

#[test]
fn topic_alias_of_a_sent_message_is_encoded() {
    let seven = NonZeroU16::new(7);
    let in_properties = b"\x23\x00\x07";
    let expected = b"\x30\x07\x00\x00\x03\x23\x00\x07x";
    for (topic_alias, properties) in [(seven, &b""[..]), (None, in_properties), (seven, in_properties)] {
        let publish = Publish { topic_alias, properties, ..publish_of("") };
        assert_eq!(encoded(&Outgoing::Publish(publish), Version::V5), expected);
    }
    let two = Publish { topic_alias: Some(ONE), properties: in_properties, ..publish_of("") };
    forbidden(&Outgoing::Publish(two), Version::V5, "section 3.3.2.3.4");
    let alias = Publish { topic_alias: seven, ..publish_of("") };
    forbidden(&Outgoing::Publish(alias), Version::V311, "[MQTT-4.7.3-1]");
}

// covers: [MQTT-3.2.2-15]
#[test]
fn servers_maximum_packet_size_is_respected() {
    let filters = [("a/#", options(QoS::AtLeastOnce))];
    let connect = Connect { client_id: "id", clean_start: true, ..Connect::default() };
    for packet in [
        Outgoing::Connect(&connect),
        Outgoing::Publish(publish_of("a")),
        Outgoing::PubAck(ONE, ReasonCode::SUCCESS),
        Outgoing::PubRec(ONE, ReasonCode::NOT_AUTHORIZED),
        Outgoing::Subscribe { packet_id: ONE, filters: &filters, subscription_id: Some(300) },
        Outgoing::Unsubscribe { packet_id: ONE, filters: &["a/#"] },
        Outgoing::PingReq,
        Outgoing::Disconnect(&Disconnect::new(ReasonCode::PROTOCOL_ERROR)),
    ] {
        for version in VERSIONS {
            let bytes = encoded(&packet, version).len();
            let limit = u32::try_from(bytes).expect("a small packet");
            let mut out = Vec::new();
            assert_eq!(encode(&packet, version, limit, &mut out), Ok(()));
            let expected = EncodeError::PacketTooLarge { bytes, limit_bytes: limit - 1 };
            assert_eq!(encode_error(&packet, version, limit - 1), expected);
        }
    }
}

/// A packet with all fields, compared field by field.
#[test]
fn every_connack_property_is_decoded() {
    let section = b"\x11\x00\x00\x00\x3c\x21\x00\x0a\x24\x01\x25\x01\
        \x27\x00\x01\x00\x00\x12\x00\x02id\x22\x00\x05\x1f\x00\x02ok\x26\x00\x01k\x00\x01v\
        \x26\x00\x01k\x00\x01w\x28\x00\x29\x01\x2a\x00\x13\x00\x1e\x1a\x00\x04info\
        \x1c\x00\x09elsewhere\x15\x00\x05SCRAM\x16\x00\x03\x00\xff\x00";
    let user = |value: &str| ("k".to_owned(), value.to_owned());
    let expected = ConnAck {
        session_present: false,
        refusal: None,
        properties: ConnAckProperties {
            session_expiry_s: Some(60),
            receive_maximum: Some(10),
            qos_maximum: Some(QoS::AtLeastOnce),
            retain_available: Some(true),
            packet_size_maximum_bytes: Some(65_536),
            assigned_client_id: Some("id".to_owned()),
            topic_alias_maximum: Some(5),
            reason_string: Some("ok".to_owned()),
            user_properties: vec![user("v"), user("w")],
            wildcard_available: Some(false),
            subscription_identifiers_available: Some(true),
            shared_available: Some(false),
            server_keep_alive_s: Some(30),
            response_information: Some("info".to_owned()),
            server_reference: Some("elsewhere".to_owned()),
            authentication_method: Some("SCRAM".to_owned()),
            authentication_data: Some(vec![0, 0xFF, 0]),
        },
    };
    let packet = packet_v5(0x20, b"\x00\x00", section, b"");
    let decoded = decode(&packet, Version::V5, &Limits::default());
    assert_eq!(decoded, Ok(Incoming::ConnAck(Box::new(expected))));
}

#[test]
fn every_publish_property_is_decoded() {
    let section = b"\x01\x01\x02\x00\x00\x00\x3c\x23\x00\x09\
        \x08\x00\x01r\x09\x00\x02\x00\xff\x26\x00\x01k\x00\x01v\x26\x00\x01k\x00\x01v\
        \x03\x00\x04text\x0b\x80\x01";
    let packet = packet_v5(0x3B, b"\x00\x01a\x00\x07", section, b"x");
    let publish = publish::decode(&packet, Version::V5).expect("a legal PUBLISH");
    let expected = Publish {
        dup: true,
        qos: QoS::AtLeastOnce,
        retain: true,
        topic: "a",
        packet_id: NonZeroU16::new(7),
        topic_alias: NonZeroU16::new(9),
        properties: section,
        payload: b"x",
    };
    assert_eq!(publish, expected);
    let properties: Vec<_> = publish::properties(publish.properties).collect();
    let alias = NonZeroU16::new(9).expect("not zero");
    assert_eq!(
        properties,
        [
            Property::PayloadIsUtf8(true),
            Property::MessageExpiryS(60),
            Property::TopicAlias(alias),
            Property::ResponseTopic("r"),
            Property::CorrelationData(&[0, 0xFF]),
            Property::User("k", "v"),
            Property::User("k", "v"),
            Property::ContentType("text"),
            Property::SubscriptionId(128),
        ]
    );
}

#[test]
fn every_field_of_an_acknowledgement_is_decoded() {
    #[track_caller]
    fn check(packet: &[u8], expected: impl FnOnce(Ack) -> Incoming<'static>) {
        let ack = Ack {
            packet_id: NonZeroU16::new(0x0102).expect("not zero"),
            reason: ReasonCode::NOT_AUTHORIZED,
            reason_string: Some("no".to_owned()),
            user_properties: vec![("k".to_owned(), "v".to_owned())],
        };
        let decoded = decode(packet, Version::V5, &Limits::default());
        assert_eq!(decoded, Ok(expected(ack)));
    }
    let body = b"\x10\x01\x02\x87\x0c\x1f\x00\x02no\x26\x00\x01k\x00\x01v";
    check(&[&b"\x40"[..], body].concat(), Incoming::PubAck);
    check(&[&b"\x50"[..], body].concat(), Incoming::PubRec);
    check(&[&b"\x62"[..], body].concat(), Incoming::PubRel);
    check(&[&b"\x70"[..], body].concat(), Incoming::PubComp);
}

#[test]
fn message_is_borrowed_from_its_packet() {
    let packet = b"\x30\x0a\x00\x03t/aPAYLO";
    let publish = publish::decode(packet, Version::V311).expect("a legal PUBLISH");
    assert_eq!(publish.topic.as_ptr(), packet[4..].as_ptr());
    assert_eq!(publish.payload.as_ptr(), packet[7..].as_ptr());
}
