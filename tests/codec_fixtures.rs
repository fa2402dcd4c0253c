//! Decodes every packet of `fixtures/packets.txt`: whole, split at each byte, joined to its neighbours, and with plain
//! mqttbytes to show why the codec checks.

use std::collections::HashSet;

use bytes::BytesMut;
use mqtt_crawl::mqtt::codec::decode::decode;
use mqtt_crawl::mqtt::codec::frame::frame;
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::error::Violation;
use mqtt_crawl::mqtt::packet::{Incoming, ReasonCode, Version};

const FIXTURES: &str = include_str!("fixtures/packets.txt");

/// A legal packet in both versions, placed before and after a fixture.
const NEIGHBOUR: [u8; 4] = [0x40, 0x02, 0x12, 0x34];

#[derive(Debug)]
struct Fixture {
    name: &'static str,
    version: Version,
    bytes: Vec<u8>,
    codec: Verdict,
    mqttbytes: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Decoded into this kind of packet.
    Ok(String),
    /// Refused by `frame`, with the reason and the rule.
    Frame(u8, String),
    /// Refused by `decode`, with the reason and the rule.
    Decode(u8, String),
}

fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for line in FIXTURES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, versions, bytes, codec, mqttbytes] = fields[..] else {
            panic!("five fields, please: {line}");
        };
        for version in versions.split(' ') {
            let version = match version {
                "3.1.1" => Version::V311,
                "5.0" => Version::V5,
                other => panic!("{name}: no version {other}"),
            };
            let codec = verdict(codec);
            fixtures.push(Fixture { name, version, bytes: hex(bytes), codec, mqttbytes });
        }
    }
    fixtures
}

fn verdict(text: &str) -> Verdict {
    let (step, rest) = text.split_once(' ').expect("a step and its argument");
    if step == "ok" {
        return Verdict::Ok(rest.to_owned());
    }
    let (reason, rule) = rest.split_once(' ').expect("a reason and a rule");
    let reason = reason.strip_prefix("0x").and_then(|code| u8::from_str_radix(code, 16).ok());
    let reason = reason.expect("a reason code such as 0x81");
    match step {
        "frame" => Verdict::Frame(reason, rule.to_owned()),
        "decode" => Verdict::Decode(reason, rule.to_owned()),
        other => panic!("no step {other}"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal bytes"))
        .collect()
}

/// Takes one packet off the front of `input`, as a session does.
fn take(input: &[u8], version: Version) -> Option<(Verdict, Option<usize>)> {
    let limits = Limits::default();
    let length = match frame(input, &limits) {
        Ok(None) => return None,
        Ok(Some(length)) => length,
        Err(violation) => {
            check_violation(&violation, input);
            let Violation { reason, rule, .. } = violation;
            return Some((Verdict::Frame(reason.0, rule.to_owned()), None));
        }
    };
    let packet = &input[..length];
    Some(match decode(packet, version, &limits) {
        Ok(incoming) => (Verdict::Ok(kind(&incoming)), Some(length)),
        Err(violation) => {
            check_violation(&violation, packet);
            let Violation { reason, rule, .. } = violation;
            (Verdict::Decode(reason.0, rule.to_owned()), Some(length))
        }
    })
}

fn kind(incoming: &Incoming<'_>) -> String {
    let debug = format!("{incoming:?}");
    debug.split('(').next().unwrap_or_default().to_owned()
}

/// Checks what every violation must have for the person who reads it and the server that receives it.
fn check_violation(violation: &Violation, packet: &[u8]) {
    let excerpt = &packet[..packet.len().min(Violation::EXCERPT_BYTES)];
    assert_eq!(violation.excerpt, excerpt);
    assert!(violation.message.ends_with(['.', '?']), "a sentence: {}", violation.message);
    assert!(!violation.rule.is_empty());
    assert!(violation.reason.is_error());
}

// covers: [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-1.5.5-1], [MQTT-1.5.7-1], [MQTT-2.1.3-1], [MQTT-2.2.1-4]
// covers: [MQTT-3.2.2-1], [MQTT-3.2.2-6], [MQTT-3.2.2-8], [MQTT-3.3.1-2], [MQTT-3.3.1-4], [MQTT-3.3.2-2]
// covers: [MQTT-3.3.2-8], [MQTT-3.3.2-14], [MQTT-3.14.2-2], [3.1.1 MQTT-1.5.3-1], [3.1.1 MQTT-1.5.3-2]
// covers: [3.1.1 MQTT-2.2.2-2], [3.1.1 MQTT-2.3.1-4], [3.1.1 MQTT-3.2.2-4], [3.1.1 MQTT-3.3.1-4]
// covers: [3.1.1 MQTT-3.3.2-2], [3.1.1 MQTT-3.9.3-2]
#[test]
fn whole_packets_are_decoded_or_refused() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 150, "the file was read to its end");
    let names: HashSet<_> = fixtures.iter().map(|fixture| (fixture.name, fixture.version)).collect();
    assert_eq!(names.len(), fixtures.len(), "each name belongs to one packet of a version");
    let mut wrong = Vec::new();
    for fixture in &fixtures {
        let taken = take(&fixture.bytes, fixture.version).map(|(verdict, _)| verdict);
        if taken.as_ref() != Some(&fixture.codec) {
            wrong.push((fixture, taken));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn packets_split_at_each_byte_are_decoded_or_refused() {
    for fixture in fixtures() {
        for at in 0..fixture.bytes.len() {
            let early = take(&fixture.bytes[..at], fixture.version).map(|(verdict, _)| verdict);
            match fixture.codec {
                // An invalid packet may be refused before it is complete, but then for the same reason.
                Verdict::Frame(..) if early.is_some() => {
                    assert_eq!(early.as_ref(), Some(&fixture.codec), "{fixture:?} at {at}");
                }
                _ => assert_eq!(early, None, "{fixture:?} at {at}"),
            }
        }
    }
}

#[test]
fn packets_are_separated_from_their_neighbours() {
    for fixture in fixtures() {
        let stream = [&NEIGHBOUR[..], &fixture.bytes, &NEIGHBOUR].concat();
        let (first, length) = take(&stream, fixture.version).expect("a whole neighbour");
        assert_eq!((first, length), (Verdict::Ok("PubAck".to_owned()), Some(4)));
        let rest = &stream[4..];
        let (middle, length) = take(rest, fixture.version).expect("a whole fixture");
        assert_eq!(middle, fixture.codec, "{fixture:?}");
        let Some(length) = length else {
            continue;
        };
        assert_eq!(length, fixture.bytes.len(), "{fixture:?}");
        assert_eq!(rest[length..], NEIGHBOUR);
    }
}

#[test]
fn plain_mqttbytes_differs_from_the_codec() {
    let fixtures = fixtures();
    let mut wrong = Vec::new();
    for fixture in fixtures.iter().filter(|fixture| fixture.mqttbytes != "-") {
        let mut stream = BytesMut::from(&fixture.bytes[..]);
        let result = match fixture.version {
            Version::V311 => mqttbytes::v4::read(&mut stream, usize::MAX).map(drop),
            Version::V5 => mqttbytes::v5::read(&mut stream, usize::MAX).map(drop),
        };
        let outcome = match result {
            Ok(()) => "accepts",
            // The packet was complete and is now gone: a caller that waits, waits forever.
            Err(mqttbytes::Error::InsufficientBytes(_)) if stream.is_empty() => "waits",
            Err(_) => "rejects",
        };
        if outcome != fixture.mqttbytes {
            wrong.push((fixture, outcome));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn refusals_use_the_terms_of_the_answering_version() {
    #[track_caller]
    fn check(bytes: &str, version: Version, reason: u8) {
        let bytes = hex(bytes);
        let incoming = decode(&bytes, version, &Limits::default()).expect("a CONNACK");
        let Incoming::ConnAck(connack) = incoming else {
            panic!("no CONNACK: {incoming:?}");
        };
        assert_eq!(connack.refusal.map(|refusal| refusal.reason()), Some(ReasonCode(reason)));
    }
    check("20 02 00 01", Version::V5, 0x84);
    check("20 02 00 04", Version::V5, 0x86);
    check("20 02 00 84", Version::V5, 0x84);
    check("20 03 00 8a 00", Version::V5, 0x8A);
    check("20 02 00 05", Version::V311, 0x87);
    check("20 02 00 c8", Version::V311, 0x80);
}
