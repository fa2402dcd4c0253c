//! Properties of all bytes and all packets, with mqttbytes as the independent reference where it is correct.

#![cfg(not(target_arch = "wasm32"))]

use bytes::BytesMut;
use mqtt_crawl::mqtt::codec::decode::decode;
use mqtt_crawl::mqtt::codec::encode::encode;
use mqtt_crawl::mqtt::codec::frame::frame;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::codec::publish;
use mqtt_crawl::mqtt::codec::publish::Property;
use mqtt_crawl::mqtt::error::Violation;
use mqtt_crawl::mqtt::packet::{
    Auth, Connect, ConnectProperties, Disconnect, Incoming, Outgoing, PacketId, Publish, PublishProperties, QoS,
    ReasonCode, RetainHandling, SubscriptionOptions, Version, Will,
};
use mqttbytes::{v4, v5};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The reason codes that a codec may answer arbitrary bytes with.
const REASONS: [u8; 6] = [0x81, 0x82, 0x90, 0x94, 0x95, 0x97];

fn config() -> ProptestConfig {
    // A failure found here becomes a fixture, so none is kept in a file.
    ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() }
}

fn version() -> impl Strategy<Value = Version> {
    select(&[Version::V311, Version::V5][..])
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<PacketId>()
}

/// Text without U+0000, often beyond ASCII and sometimes long.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[^\0]{0,12}", 1 => "[a-z]{120,140}"]
}

fn topic_name() -> impl Strategy<Value = String> {
    "[^\0+#]{1,20}"
}

fn topic_filter() -> impl Strategy<Value = String> {
    ("(\\$share/[a-z]{1,4}/)?", vec(prop_oneof!["\\+", "[^\0+#/$]{0,4}"], 1..4), "(/#)?").prop_map(
        |(share, levels, last)| {
            let levels = levels.join("/");
            // Never empty: a filter has at least one character.
            let levels = if levels.is_empty() { "a".to_owned() } else { levels };
            share + &levels + &last
        },
    )
}

fn user_properties() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), text()), 0..4)
}

fn publish_properties() -> impl Strategy<Value = PublishProperties> {
    (
        any::<Option<bool>>(),
        any::<Option<u32>>(),
        any::<Option<PacketId>>(),
        option::of(topic_name()),
        any::<Option<Vec<u8>>>(),
        option::of(text()),
        user_properties(),
    )
        .prop_map(|fields| PublishProperties {
            payload_is_utf8: fields.0,
            message_expiry_s: fields.1,
            topic_alias: fields.2,
            response_topic: fields.3,
            correlation_data: fields.4,
            content_type: fields.5,
            user_properties: fields.6,
        })
}

/// A message that can be converted to [`Publish`].
#[derive(Clone, Debug)]
struct Message {
    dup: bool,
    qos: QoS,
    retain: bool,
    topic: String,
    packet_id: PacketId,
    properties: PublishProperties,
    payload: Vec<u8>,
}

impl Message {
    fn properties(&self) -> Vec<u8> {
        let mut section = Vec::new();
        publish::encode_properties(&self.properties, &mut section).expect("legal properties");
        section
    }

    fn publish<'a>(&'a self, properties: &'a [u8]) -> Publish<'a> {
        let has_id = self.qos != QoS::AtMostOnce;
        Publish {
            dup: self.dup && has_id,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id: has_id.then_some(self.packet_id),
            topic_alias: self.properties.topic_alias,
            properties,
            payload: &self.payload,
        }
    }

    /// Returns the message without the fields that 3.1.1 lacks.
    fn publish_v311(&self) -> Publish<'_> {
        Publish { topic_alias: None, ..self.publish(&[]) }
    }
}

fn message() -> impl Strategy<Value = Message> {
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 100..400)];
    (any::<bool>(), qos(), any::<bool>(), topic_name(), packet_id(), publish_properties(), payload).prop_map(|fields| {
        Message {
            dup: fields.0,
            qos: fields.1,
            retain: fields.2,
            topic: fields.3,
            packet_id: fields.4,
            properties: fields.5,
            payload: fields.6,
        }
    })
}

fn encoded(packet: &Outgoing<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    encode(packet, version, u32::MAX, &mut out).expect("a legal packet");
    let limits = Limits::default();
    if matches!(packet, Outgoing::Publish(_)) {
        assert_eq!(frame(&out, &limits), Ok(Some(out.len())));
    }
    out
}

/// Reads one packet with mqttbytes and checks that nothing is left over.
fn theirs_v4(bytes: &[u8]) -> v4::Packet {
    let mut stream = BytesMut::from(bytes);
    let packet = v4::read(&mut stream, usize::MAX).expect("mqttbytes reads it");
    assert!(stream.is_empty());
    packet
}

fn theirs_v5(bytes: &[u8]) -> v5::Packet {
    let mut stream = BytesMut::from(bytes);
    let packet = v5::read(&mut stream, usize::MAX).expect("mqttbytes reads it");
    assert!(stream.is_empty());
    packet
}

fn theirs_qos(qos: QoS) -> mqttbytes::QoS {
    mqttbytes::qos(qos as u8).expect("0, 1 or 2")
}

/// Encodes a variable byte integer, implemented here a second time by division.
fn variable_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let digit = u8::try_from(value % 128).expect("below 128");
        value /= 128;
        if value == 0 {
            bytes.push(digit);
            return bytes;
        }
        bytes.push(digit + 128);
    }
}

fn check_violation(violation: &Violation, input: &[u8]) {
    assert!(REASONS.contains(&violation.reason.0), "{violation}");
    assert!(violation.excerpt.len() <= Violation::EXCERPT_BYTES);
    assert!(input.starts_with(&violation.excerpt));
}

/// Takes packets off `input` to its end or to the first violation. Returns the results as text, and the number of bytes
/// used.
fn take_all(input: &[u8], version: Version) -> (Vec<String>, usize) {
    let limits = Limits::default();
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = &input[at..];
        match frame(rest, &limits) {
            Ok(None) => return (found, at),
            Ok(Some(length)) => {
                assert!((2..=rest.len()).contains(&length));
                match decode(&rest[..length], version, &limits) {
                    Ok(packet) => found.push(format!("{packet:?}")),
                    Err(violation) => {
                        check_violation(&violation, rest);
                        found.push(format!("{violation:?}"));
                        return (found, at);
                    }
                }
                at += length;
            }
            Err(violation) => {
                check_violation(&violation, rest);
                found.push(format!("{} {}", violation.reason, violation.rule));
                return (found, at);
            }
        }
    }
}

/// Returns bytes that get past the framing more often than mere noise: a first byte that a server sends, the right
/// length, then anything.
fn packet_like() -> impl Strategy<Value = Vec<u8>> {
    let first = select(&[0x20, 0x30, 0x32, 0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xD0, 0xE0, 0xF0][..]);
    // Small numbers are lengths and property identifiers.
    let byte = prop_oneof![3 => 0_u8..0x2B, 1 => any::<u8>()];
    (first, vec(byte, 0..40)).prop_map(|(first, body)| [vec![first], variable_integer(body.len()), body].concat())
}

/// Checks a CONNECT of MQTT 3.1.1 as mqttbytes decodes it.
fn check_connect_v4(
    connect: &Connect<'_>,
    login: Option<&(String, String)>,
    will: Option<&Will>,
) -> Result<(), TestCaseError> {
    let bytes = encoded(&Outgoing::Connect(connect), Version::V311);
    let expected = v4::Connect {
        protocol: mqttbytes::Protocol::V4,
        keep_alive: connect.keep_alive_s,
        client_id: connect.client_id.to_owned(),
        clean_session: connect.clean_start,
        last_will: will
            .map(|will| v4::LastWill::new(&*will.topic, will.payload.clone(), theirs_qos(will.qos), will.retain)),
        login: login.map(|(user_name, password)| v4::Login::new(&**user_name, password)),
    };
    prop_assert_eq!(theirs_v4(&bytes), v4::Packet::Connect(expected));
    Ok(())
}

/// Checks a CONNECT of MQTT 5.0 as mqttbytes decodes it.
fn check_connect_v5(
    connect: &Connect<'_>,
    login: Option<&(String, String)>,
    will: Option<&Will>,
) -> Result<(), TestCaseError> {
    let bytes = encoded(&Outgoing::Connect(connect), Version::V5);
    let v5::Packet::Connect(theirs) = theirs_v5(&bytes) else {
        panic!("a CONNECT");
    };
    let ours = &connect.properties;
    let is_empty = *ours == ConnectProperties::default();
    let expected = v5::ConnectProperties {
        session_expiry_interval: ours.session_expiry_s,
        receive_maximum: ours.receive_maximum,
        max_packet_size: ours.packet_size_maximum_bytes,
        topic_alias_max: ours.topic_alias_maximum,
        request_response_info: ours.request_response_information.map(u8::from),
        request_problem_info: ours.request_problem_information.map(u8::from),
        user_properties: ours.user_properties.clone(),
        authentication_method: ours.authentication_method.clone(),
        authentication_data: ours.authentication_data.clone().map(Into::into),
    };
    prop_assert_eq!(theirs.properties, (!is_empty).then_some(expected));
    prop_assert_eq!(theirs.protocol, mqttbytes::Protocol::V5);
    prop_assert_eq!(theirs.keep_alive, connect.keep_alive_s);
    prop_assert_eq!(theirs.clean_session, connect.clean_start);
    prop_assert_eq!(&*theirs.client_id, connect.client_id);
    prop_assert_eq!(theirs.login.map(|login| (login.username, login.password)), login.cloned());
    prop_assert_eq!(theirs.last_will.is_some(), will.is_some());
    if let (Some(theirs), Some(will)) = (theirs.last_will, will) {
        prop_assert_eq!(&theirs.topic, &will.topic);
        prop_assert_eq!(&theirs.message[..], &will.payload[..]);
        prop_assert_eq!(theirs.qos, theirs_qos(will.qos));
        prop_assert_eq!(theirs.retain, will.retain);
        let properties = will.properties.clone();
        let expected = v5::WillProperties {
            delay_interval: will.delay_s,
            payload_format_indicator: properties.payload_is_utf8.map(u8::from),
            message_expiry_interval: properties.message_expiry_s,
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data.map(Into::into),
            user_properties: properties.user_properties,
        };
        let is_empty = will.delay_s.is_none() && will.properties == PublishProperties::default();
        prop_assert_eq!(theirs.properties, (!is_empty).then_some(expected));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..80), version in version()) {
        take_all(&bytes, version);
    }

    #[test]
    fn packet_like_bytes_never_panic(packets in vec(packet_like(), 1..4), version in version()) {
        take_all(&packets.concat(), version);
    }

    /// `decode` is for complete packets, but a wrong cut must not panic either.
    #[test]
    fn decoding_of_any_bytes_never_panics(bytes in vec(any::<u8>(), 0..80), version in version()) {
        if let Err(violation) = decode(&bytes, version, &Limits::default()) {
            check_violation(&violation, &bytes);
        }
        publish::properties(&bytes).for_each(drop);
    }

    /// A packet with some changed bytes is accepted or refused, never misframed.
    #[test]
    fn damaged_messages_are_accepted_or_refused(
        message in message(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        version in version(),
    ) {
        let section = message.properties();
        let publish = match version {
            Version::V311 => message.publish_v311(),
            Version::V5 => message.publish(&section),
        };
        let mut bytes = encoded(&Outgoing::Publish(publish), version);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        take_all(&bytes, version);
    }

    /// The same packets result from any division of the bytes.
    #[test]
    fn any_split_gives_the_same_packets(
        packets in vec(prop_oneof![packet_like(), Just(vec![0x40, 2, 0, 1])], 1..5),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        version in version(),
    ) {
        let stream = packets.concat();
        let (at_once, _) = take_all(&stream, version);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let mut in_pieces = Vec::new();
        let mut taken = 0;
        for cut in cuts {
            let (found, bytes) = take_all(&stream[taken..cut], version);
            in_pieces.extend(found);
            taken += bytes;
            if in_pieces.len() >= at_once.len() {
                break;
            }
        }
        prop_assert_eq!(in_pieces, at_once);
    }

    /// Every legal message, with as many subscription identifiers as a server may add, is decoded unchanged. The packet
    /// is built here.
    #[test]
    fn received_messages_are_decoded_unchanged(
        message in message(),
        subscriptions in vec(1_u32..=268_435_455, 0..5),
        subscriptions_first in any::<bool>(),
    ) {
        let mut identifiers = Vec::new();
        for subscription in &subscriptions {
            identifiers.push(0x0B);
            identifiers.extend(variable_integer(*subscription as usize));
        }
        let section = if subscriptions_first {
            [identifiers, message.properties()].concat()
        } else {
            [message.properties(), identifiers].concat()
        };
        let expected = message.publish(&section);
        let mut body = Vec::new();
        body.extend(u16::try_from(message.topic.len()).expect("short").to_be_bytes());
        body.extend(message.topic.as_bytes());
        if let Some(packet_id) = expected.packet_id {
            body.extend(packet_id.get().to_be_bytes());
        }
        body.extend(variable_integer(section.len()));
        body.extend(&section);
        body.extend(&message.payload);
        let flags = u8::from(expected.dup) << 3 | (message.qos as u8) << 1 | u8::from(message.retain);
        let packet = [vec![0x30 | flags], variable_integer(body.len()), body].concat();

        prop_assert_eq!(publish::decode(&packet, Version::V5), Ok(expected));
        let properties: Vec<_> = publish::properties(&section).collect();
        let ids: Vec<_> = properties
            .iter()
            .filter_map(|property| match property {
                Property::SubscriptionId(id) => Some(*id),
                _ => None,
            })
            .collect();
        prop_assert_eq!(ids, subscriptions);
        let users: Vec<_> = properties
            .iter()
            .filter_map(|property| match property {
                Property::User(name, value) => Some(((*name).to_owned(), (*value).to_owned())),
                _ => None,
            })
            .collect();
        prop_assert_eq!(&users, &message.properties.user_properties);
    }

    // covers: [MQTT-3.3.2-1], [3.1.1 MQTT-3.3.2-1]
    #[test]
    fn sent_messages_as_mqttbytes_reads_them(message in message()) {
        let section = message.properties();
        let publish = message.publish(&section);
        let bytes = encoded(&Outgoing::Publish(publish), Version::V5);
        prop_assert_eq!(
            decode(&bytes, Version::V5, &Limits::default()),
            Ok(Incoming::Publish(publish))
        );
        let properties = message.properties.clone();
        let expected = v5::Publish {
            dup: publish.dup,
            qos: theirs_qos(message.qos),
            retain: message.retain,
            topic: message.topic.clone(),
            pkid: publish.packet_id.map_or(0, PacketId::get),
            properties: (!section.is_empty()).then(|| v5::PublishProperties {
                payload_format_indicator: properties.payload_is_utf8.map(u8::from),
                message_expiry_interval: properties.message_expiry_s,
                topic_alias: properties.topic_alias.map(PacketId::get),
                response_topic: properties.response_topic,
                correlation_data: properties.correlation_data.map(Into::into),
                user_properties: properties.user_properties,
                subscription_identifiers: Vec::new(),
                content_type: properties.content_type,
            }),
            payload: message.payload.clone().into(),
        };
        prop_assert_eq!(theirs_v5(&bytes), v5::Packet::Publish(expected));

        let publish = message.publish_v311();
        let bytes = encoded(&Outgoing::Publish(publish), Version::V311);
        prop_assert_eq!(
            decode(&bytes, Version::V311, &Limits::default()),
            Ok(Incoming::Publish(publish))
        );
        let expected = v4::Publish {
            dup: publish.dup,
            qos: theirs_qos(message.qos),
            retain: message.retain,
            topic: message.topic.clone(),
            pkid: publish.packet_id.map_or(0, PacketId::get),
            payload: message.payload.clone().into(),
        };
        prop_assert_eq!(theirs_v4(&bytes), v4::Packet::Publish(expected));
    }

    // covers: [MQTT-3.1.2-9], [3.1.1 MQTT-3.1.2-9]
    #[test]
    fn connect_as_mqttbytes_reads_it(
        (client_id, clean_start, keep_alive_s) in (text(), any::<bool>(), any::<u16>()),
        // mqttbytes treats an empty user name or password as absent.
        login in option::of(("[^\0]{1,12}", "[^\0]{1,12}")),
        will in option::of((message(), any::<Option<u32>>())),
        session_expiry_s in any::<Option<u32>>(),
        receive_maximum in option::of(1_u16..),
        packet_size_maximum_bytes in option::of(1_u32..),
        topic_alias_maximum in any::<Option<u16>>(),
        request_response_information in any::<Option<bool>>(),
        request_problem_information in any::<Option<bool>>(),
        user_properties in user_properties(),
        authentication in option::of((text(), any::<Option<Vec<u8>>>())),
    ) {
        let will = will.map(|(message, delay_s)| Will {
            topic: message.topic,
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            delay_s,
            properties: PublishProperties { topic_alias: None, ..message.properties },
        });
        let (authentication_method, authentication_data) =
            authentication.map_or((None, None), |(method, data)| (Some(method), data));
        let connect = Connect {
            client_id: &client_id,
            clean_start: clean_start || client_id.is_empty(),
            keep_alive_s,
            user_name: login.as_ref().map(|(user_name, _)| &**user_name),
            password: login.as_ref().map(|(_, password)| password.as_bytes()),
            will: will.as_ref(),
            properties: ConnectProperties {
                session_expiry_s,
                receive_maximum,
                packet_size_maximum_bytes,
                topic_alias_maximum,
                request_response_information,
                request_problem_information,
                user_properties,
                authentication_method,
                authentication_data,
            },
        };

        check_connect_v4(&connect, login.as_ref(), will.as_ref())?;
        check_connect_v5(&connect, login.as_ref(), will.as_ref())?;
    }

    // covers: [MQTT-3.8.3-1], [MQTT-3.10.3-1], [3.1.1 MQTT-3.8.3-1], [3.1.1 MQTT-3.10.3-1]
    #[test]
    fn subscriptions_as_mqttbytes_reads_them(
        packet_id in packet_id(),
        filters in vec((topic_filter(), qos(), any::<[bool; 2]>(), 0_u8..3), 1..5),
        subscription_id in option::of(1_u32..=268_435_455),
    ) {
        let ours: Vec<_> = filters
            .iter()
            .map(|(filter, qos, [no_local, retain_as_published], retain)| {
                let options = SubscriptionOptions {
                    qos: *qos,
                    no_local: *no_local && !filter.starts_with("$share/"),
                    retain_as_published: *retain_as_published,
                    retain_handling: match retain {
                        0 => RetainHandling::Send,
                        1 => RetainHandling::SendIfNew,
                        _ => RetainHandling::DontSend,
                    },
                };
                (&**filter, options)
            })
            .collect();
        let subscribe = Outgoing::Subscribe { packet_id, filters: &ours, subscription_id };
        let expected = v4::Subscribe {
            pkid: packet_id.get(),
            filters: ours
                .iter()
                .map(|(path, options)| {
                    v4::SubscribeFilter::new((*path).to_owned(), theirs_qos(options.qos))
                })
                .collect(),
        };
        let bytes = encoded(&subscribe, Version::V311);
        prop_assert_eq!(theirs_v4(&bytes), v4::Packet::Subscribe(expected));

        let v5::Packet::Subscribe(theirs) = theirs_v5(&encoded(&subscribe, Version::V5)) else {
            panic!("a SUBSCRIBE");
        };
        prop_assert_eq!(theirs.pkid, packet_id.get());
        let id = theirs.properties.and_then(|properties| properties.id);
        prop_assert_eq!(id, subscription_id.map(|id| id as usize));
        prop_assert_eq!(theirs.filters.len(), ours.len());
        for (theirs, (path, options)) in theirs.filters.iter().zip(&ours) {
            prop_assert_eq!(&theirs.path, path);
            prop_assert_eq!(theirs.qos, theirs_qos(options.qos));
            prop_assert_eq!(theirs.nolocal, options.no_local);
            prop_assert_eq!(theirs.preserve_retain, options.retain_as_published);
            prop_assert_eq!(theirs.retain_forward_rule.clone() as u8, options.retain_handling as u8);
        }

        let paths: Vec<_> = ours.iter().map(|(path, _)| *path).collect();
        let topics: Vec<_> = paths.iter().map(|&path| path.to_owned()).collect();
        let unsubscribe = Outgoing::Unsubscribe { packet_id, filters: &paths };
        let bytes = encoded(&unsubscribe, Version::V311);
        let expected = v4::Unsubscribe { pkid: packet_id.get(), topics: topics.clone() };
        prop_assert_eq!(theirs_v4(&bytes), v4::Packet::Unsubscribe(expected));
        let bytes = encoded(&unsubscribe, Version::V5);
        let expected = v5::Unsubscribe { pkid: packet_id.get(), filters: topics, properties: None };
        prop_assert_eq!(theirs_v5(&bytes), v5::Packet::Unsubscribe(expected));
    }

    /// Packets that client and server write alike are decoded unchanged.
    #[test]
    fn acknowledgements_round_trip(
        packet_id in packet_id(),
        reason in any::<u8>().prop_map(ReasonCode),
        version in version(),
    ) {
        let expected = if version == Version::V311 { ReasonCode::SUCCESS } else { reason };
        for packet in [
            Outgoing::PubAck(packet_id, reason),
            Outgoing::PubRec(packet_id, reason),
            Outgoing::PubRel(packet_id, reason),
            Outgoing::PubComp(packet_id, reason),
        ] {
            let bytes = encoded(&packet, version);
            let incoming = decode(&bytes, version, &Limits::default());
            let (same_kind, ack) = match (&packet, incoming) {
                (Outgoing::PubAck(..), Ok(Incoming::PubAck(ack)))
                | (Outgoing::PubRec(..), Ok(Incoming::PubRec(ack)))
                | (Outgoing::PubRel(..), Ok(Incoming::PubRel(ack)))
                | (Outgoing::PubComp(..), Ok(Incoming::PubComp(ack))) => (true, Some(ack)),
                _ => (false, None),
            };
            prop_assert!(same_kind, "{:?}", packet);
            let ack = ack.map(|ack| (ack.packet_id, ack.reason));
            prop_assert_eq!(ack, Some((packet_id, expected)));
        }
    }

    #[test]
    fn disconnect_and_auth_round_trip(
        reason in any::<u8>().prop_map(ReasonCode),
        reauthenticate in any::<bool>(),
        session_expiry_s in any::<Option<u32>>(),
        reason_string in option::of(text()),
        user_properties in user_properties(),
        (method, data) in (text(), any::<Option<Vec<u8>>>()),
    ) {
        let disconnect = Disconnect {
            reason_string: reason_string.clone(),
            user_properties: user_properties.clone(),
            ..Disconnect::new(reason)
        };
        let bytes = encoded(&Outgoing::Disconnect(&disconnect), Version::V5);
        let incoming = decode(&bytes, Version::V5, &Limits::default());
        prop_assert_eq!(incoming, Ok(Incoming::Disconnect(disconnect.clone())));

        let with_expiry = Disconnect { session_expiry_s, ..disconnect };
        let known = Disconnect { reason: ReasonCode::DISCONNECT_WITH_WILL, ..with_expiry };
        let v5::Packet::Disconnect(theirs) =
            theirs_v5(&encoded(&Outgoing::Disconnect(&known), Version::V5))
        else {
            panic!("a DISCONNECT");
        };
        prop_assert_eq!(theirs.reason_code as u8, known.reason.0);
        let properties = theirs.properties.unwrap_or_else(v5::DisconnectProperties::new);
        prop_assert_eq!(properties.session_expiry_interval, session_expiry_s);
        prop_assert_eq!(&properties.reason_string, &reason_string);
        prop_assert_eq!(&properties.user_properties, &user_properties);

        let auth = Auth {
            reason: ReasonCode(if reauthenticate { 0x19 } else { 0x18 }),
            method: Some(method),
            data,
            reason_string,
            user_properties,
        };
        let bytes = encoded(&Outgoing::Auth(&auth), Version::V5);
        let incoming = decode(&bytes, Version::V5, &Limits::default());
        prop_assert_eq!(incoming, Ok(Incoming::Auth(auth)));
    }
}

#[test]
fn ping_and_disconnect_round_trip() {
    for version in [Version::V311, Version::V5] {
        assert_eq!(encoded(&Outgoing::PingReq, version), [0xC0, 0x00]);
        let normal = Disconnect::new(ReasonCode::SUCCESS);
        assert_eq!(encoded(&Outgoing::Disconnect(&normal), version), [0xE0, 0x00]);
    }
}
