//! The packet trace: what it keeps of each packet, what it never keeps, and its descriptions.

use std::time::Duration;

use mqtt_crawl::mqtt::packet::Version;
use mqtt_crawl::packet_trace::analysis::{Direction, Filter, Kind, TraceAnalysis};
use mqtt_crawl::packet_trace::{KEPT_RECORDS, Trace};
use mqtt_crawl::time::Instant;

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy)]
enum Packet {
    In(&'static [u8]),
    Out(&'static [u8]),
}
use Packet::{In, Out};

/// Returns the story of these packets, one per millisecond.
fn analysis(version: Version, packets: &[Packet]) -> TraceAnalysis {
    let mut trace = Trace::default();
    trace.set_version(version);
    let mut now = Instant::EPOCH;
    for packet in packets {
        now = now + MS;
        match packet {
            In(bytes) => trace.received(bytes, now),
            Out(bytes) => trace.sent(bytes, now),
        }
    }
    let mut analysis = TraceAnalysis::default();
    while trace.contains(analysis.next()) {
        analysis.take(trace.part(analysis.next()));
    }
    analysis
}

/// Returns direction, type, identifier, details and round trip of each packet.
fn descriptions(version: Version, packets: &[Packet]) -> Vec<String> {
    let analysis = analysis(version, packets);
    let lines = analysis.matching(Filter::default()).map(|entry| {
        let way = match entry.direction() {
            Direction::In => "<",
            Direction::Out => ">",
        };
        let identifier = entry.identifier().map_or_else(String::new, |identifier| format!(" {identifier}"));
        let line = format!("{way} {}{identifier} {} {}", entry.kind().name(), entry.details(), entry.round_trip_text());
        line.trim().replace("  ", " ")
    });
    lines.collect()
}

#[test]
fn packets_are_described() {
    let not_traced = "hidden (contains the password)";
    let cases: [(Version, &[Packet], &[&str]); 8] = [
        (
            Version::V5,
            &[Out(b"\x10\x03abc"), In(b"\x20\x03\x01\x00\x00")],
            &[&format!("> CONNECT {not_traced}"), "< CONNACK success (0x00), session present 1.0 ms"],
        ),
        (Version::V5, &[In(b"\x20\x03\x00\x86\x00")], &["< CONNACK bad user name or password (0x86)"]),
        (Version::V311, &[In(b"\x20\x02\x00\x05")], &["< CONNACK not authorized (0x87)"]),
        (
            Version::V5,
            &[Out(b"\x82\x06\x00\x07\x00\x00\x01#\x82\x06\x00\x08\x00\x00\x01a"), In(b"\x90\x05\x00\x08\x00\x02\x87")],
            &["> SUBSCRIBE 7", "> SUBSCRIBE 8", "< SUBACK 8 granted QoS 2 (0x02), not authorized (0x87) 1.0 ms"],
        ),
        (
            Version::V311,
            &[In(b"\x90\x04\x00\x08\x00\x80")],
            &["< SUBACK 8 granted QoS 0 (0x00), unspecified error (0x80)"],
        ),
        (
            Version::V5,
            &[
                Out(b"\x3c\x07\x00\x01a\x00\x09\x00x"),
                In(b"\x50\x02\x00\x09"),
                Out(b"\x62\x02\x00\x09"),
                In(b"\x70\x04\x00\x09\x92\x00"),
            ],
            &[
                "> PUBLISH 9 QoS 2, DUP",
                "< PUBREC 9 success (0x00)",
                "> PUBREL 9 success (0x00)",
                "< PUBCOMP 9 packet identifier not found (0x92) 3.0 ms",
            ],
        ),
        (
            Version::V5,
            &[
                Out(b"\xc0\x00"),
                In(b"\xd0\x00"),
                In(b"\xd0\x00"),
                In(b"\xe0\x02\x8e\x00"),
                In(b"\xe0\x00"),
                Out(b"\xe0\x00"),
            ],
            &[
                "> PINGREQ",
                "< PINGRESP 1.0 ms",
                "< PINGRESP",
                "< DISCONNECT session taken over (0x8E)",
                "< DISCONNECT normal disconnection (0x00)",
                "> DISCONNECT normal disconnection (0x00)",
            ],
        ),
        // For any input: no bytes, an invalid type, an incomplete packet.
        (
            Version::V5,
            &[
                In(b""),
                In(b"\x00\x00"),
                In(b"\x33\xff"),
                In(b"\x32\x02\x00\x09"),
                In(b"\x90\x00"),
                In(b"\xf0\x02\x18\x00"),
            ],
            &[
                "< type 0",
                "< PUBLISH QoS 1, retain",
                "< PUBLISH QoS 1",
                "< SUBACK",
                "< AUTH continue authentication (0x18)",
            ],
        ),
    ];
    for (version, packets, expected) in cases {
        assert_eq!(descriptions(version, packets), expected);
    }
}

#[test]
fn secrets_are_not_recorded() {
    let analysis = analysis(
        Version::V5,
        &[Out(b"\x10\x08secretpw"), In(b"\xf0\x09\x18\x07\x16\x00\x04data"), In(b"\x30\x05\x00\x01atx")],
    );
    let excerpts: Vec<_> = analysis.matching(Filter::default()).map(|entry| entry.record.excerpt()).collect();
    assert_eq!(excerpts, [b"".as_slice(), b"\x18", b""]);
}

#[test]
fn packet_filter_matches_its_types() {
    let analysis = analysis(Version::V5, &[Out(b"\xc0\x00"), In(b"\xd0\x00"), Out(b"\xe0\x00"), In(b"\xe0\x00")]);
    let numbers = |direction, kind| -> Vec<u64> {
        analysis.matching(Filter { direction, kind }).map(|entry| entry.number).collect()
    };
    assert_eq!(numbers(None, None), [0, 1, 2, 3]);
    assert_eq!(numbers(Some(Direction::In), None), [1, 3]);
    assert_eq!(numbers(Some(Direction::Out), Some(Kind::Disconnect)), [2]);
    assert!(numbers(None, Some(Kind::Auth)).is_empty());
    let line = analysis.entry(1).map(|entry| entry.line("10:00:00.000"));
    assert_eq!(line.as_deref(), Some("10:00:00.000\treceived\tPINGRESP\t\t2\t\t1.0 ms\n"));
}

#[test]
fn packets_of_a_delivery_are_found_by_message() {
    const QOS2: &[u8] = b"\x34\x06\x00\x01a\x00\x09x";
    let mut trace = Trace::default();
    trace.set_version(Version::V311);
    let mut now = Instant::EPOCH;
    for (place, seq) in [1, 2].into_iter().enumerate() {
        now = now + MS;
        trace.received(QOS2, now);
        trace.set_seq(seq);
        trace.sent(b"\x50\x02\x00\x09", now);
        trace.received(b"\x62\x02\x00\x09", now);
        // From another exchange: one of ours under the same identifier.
        trace.sent(b"\x62\x02\x00\x09", now);
        trace.sent(if place == 0 { b"\x70\x02\x00\x09" } else { b"\x70\x02\x00\x08" }, now);
    }
    // Repeated after a lost connection, and not a separate message.
    trace.received(b"\x3c\x06\x00\x01a\x00\x09x", now);
    // QoS 1 and QoS 0.
    trace.received(b"\x32\x06\x00\x01a\x00\x09x", now);
    trace.set_seq(3);
    trace.sent(b"\x40\x02\x00\x09", now);
    trace.received(b"\x30\x04\x00\x01ax", now);
    trace.set_seq(4);
    let mut analysis = TraceAnalysis::default();
    analysis.take(trace.part(0));
    let kinds = |seq| -> Vec<&str> { analysis.delivery_of(seq).iter().map(|entry| entry.kind().name()).collect() };
    assert_eq!(kinds(1), ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"]);
    assert_eq!(kinds(2), ["PUBLISH", "PUBREC", "PUBREL", "PUBLISH"]);
    assert_eq!(kinds(3), ["PUBLISH", "PUBACK"]);
    assert_eq!(kinds(4), ["PUBLISH"]);
    assert!(kinds(5).is_empty() && kinds(0).is_empty());
    let identifier = |seq| analysis.publish_of(seq).and_then(|entry| entry.identifier());
    assert_eq!([identifier(1), identifier(3), identifier(4)], [Some(9), Some(9), None]);
}

#[test]
fn packets_of_an_exchange_are_found_from_any_of_them() {
    let analysis = analysis(
        Version::V5,
        &[
            // 0 to 4: sent at QoS 2, its PUBLISH twice.
            Out(b"\x34\x07\x00\x01a\x00\x09\x00x"),
            Out(b"\x3c\x07\x00\x01a\x00\x09\x00x"),
            In(b"\x50\x02\x00\x09"),
            Out(b"\x62\x02\x00\x09"),
            In(b"\x70\x02\x00\x09"),
            // 5 and 6: sent at QoS 1, under the same identifier.
            Out(b"\x32\x07\x00\x01a\x00\x09\x00x"),
            In(b"\x40\x02\x00\x09"),
            // 7: sent at QoS 0. 8 and 9: a subscription, which isn't an exchange.
            Out(b"\x30\x05\x00\x01a\x00x"),
            Out(b"\x82\x06\x00\x09\x00\x00\x01#"),
            In(b"\x90\x03\x00\x09\x00"),
        ],
    );
    for (number, expected) in [
        (0, &[0, 1, 2, 3, 4][..]),
        (1, &[0, 1, 2, 3, 4]),
        (4, &[0, 1, 2, 3, 4]),
        (5, &[5, 6]),
        (6, &[5, 6]),
        (7, &[7]),
        (8, &[8]),
        (10, &[]),
    ] {
        let numbers: Vec<_> = analysis.exchange_of(number).iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, expected, "of {number}");
    }
}

#[test]
fn trace_is_bounded_and_counts_discarded_packets() {
    let mut trace = Trace::default();
    let mut analysis = TraceAnalysis::default();
    assert!(!trace.contains(0));
    trace.received(b"\xd0\x00", Instant::EPOCH);
    analysis.take(trace.part(0));
    assert!(!trace.contains(analysis.next()));
    for _ in 0..KEPT_RECORDS + 20 {
        trace.received(b"\xd0\x00", Instant::EPOCH);
    }
    let stale = trace.part(0);
    while trace.contains(analysis.next()) {
        analysis.take(trace.part(analysis.next()));
    }
    analysis.take(stale);
    assert_eq!((analysis.next(), analysis.missed()), (KEPT_RECORDS as u64 + 21, 20));
    assert_eq!(analysis.matching(Filter::default()).count(), KEPT_RECORDS);
    assert!(analysis.entry(20).is_none() && analysis.entry(21).is_some() && analysis.entry(analysis.next()).is_none());
}
