//! Statements of the standard that need a whole session, in both versions where both have them. The rest is in
//! `session.rs`; `CONFORMANCE.md` lists which test covers which statement.

mod bench;

use std::collections::HashSet;
use std::time::Duration;

use bench::{Bench, CONNACK_V5, CONNACK_V311, hex, unhex, v5, v311};
use mqtt_crawl::mqtt::codec::limits::Limits;
use mqtt_crawl::mqtt::deviation::Deviation;
use mqtt_crawl::mqtt::error::{CloseInfo, Failure};
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::mqtt::session::event::{DisconnectMode, Event};
use mqtt_crawl::mqtt::session::options::{Message, Options};
use mqtt_crawl::mqtt::topic::TopicFilter;

const HOUR: Duration = Duration::from_secs(3_600);

/// Returns the server's PUBLISH to topic `t`, in hex: header, packet identifier or nothing, payload.
fn message(version: Version, header: &str, id: &str, payload: &str) -> String {
    let properties = if version == Version::V5 { "00" } else { "" };
    let body = format!("000174{id}{properties}{payload}");
    format!("{header}{:02x}{body}", body.len() / 2)
}

/// Returns options for a session that outlives its connection.
fn persistent(options: Options) -> Options {
    Options { session_expiry_s: 60, ..options }
}

/// Returns a CONNACK with Session Present.
fn kept(version: Version) -> &'static str {
    if version == Version::V5 { "2003010000" } else { "20020100" }
}

/// Returns a CONNACK without a session.
fn fresh(version: Version) -> &'static str {
    if version == Version::V5 { CONNACK_V5 } else { CONNACK_V311 }
}

/// Returns both versions, each with its options.
fn versions() -> [(Version, Options); 2] {
    [(Version::V5, v5()), (Version::V311, v311())]
}

/// Closes the transport; returns the next CONNECT.
fn close_and_redial(bench: &mut Bench) -> String {
    bench.session.handle_close(CloseInfo::default(), bench.now);
    bench.wait_for_timeout();
    bench.actions();
    bench.session.handle_open(bench.now);
    bench.actions().pop().expect("CONNECT")
}

/// Returns the connect flags of a CONNECT whose length takes one byte.
fn connect_flags(connect: &str) -> &str {
    &connect[18..20]
}

// ---- connecting --------------------------------------------------------------

// covers: [MQTT-3.1.0-1], [3.1.1 MQTT-3.1.0-1]
// covers: [MQTT-3.1.0-2], [3.1.1 MQTT-3.1.0-2]
#[test]
fn connect_is_sent_first_and_once() {
    for (version, options) in versions() {
        let mut bench = Bench::new(options);
        bench.publish(QoS::AtLeastOnce, "early");
        bench.subscribe("a", QoS::AtMostOnce);
        assert!(bench.actions().is_empty());
        bench.session.connect(bench.now);
        assert_eq!(bench.actions(), ["dial"]);
        bench.session.handle_open(bench.now);
        bench.publish(QoS::AtMostOnce, "before CONNACK");
        bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
        let sent = unhex(&bench.actions().concat());
        assert_eq!((sent[0], usize::from(sent[1])), (0x10, sent.len() - 2), "CONNECT and nothing after it");
        bench.session.connect(bench.now);
        assert!(bench.actions().is_empty());
        bench.serve(fresh(version));
        assert!(bench.actions().concat().starts_with("32"), "waiting messages are sent now");
        bench.session.connect(bench.now);
        assert!(bench.actions().is_empty());
    }
}

// covers: [MQTT-3.1.3-2], [3.1.1 MQTT-3.1.3-2]
#[test]
fn client_identifier_does_not_change() {
    for (_, options) in versions() {
        let mut bench = Bench::online(Options { client_id: "same".to_owned(), ..persistent(options) });
        for _ in 0..3 {
            let connect = close_and_redial(&mut bench);
            assert!(connect.ends_with(&format!("0004{}", hex(b"same"))), "{connect}");
        }
    }
}

// covers: [MQTT-3.1.3-6], [MQTT-3.1.3-7], [MQTT-3.2.2-16]
#[test]
fn assigned_client_identifier_is_used_from_then_on() {
    let mut bench = Bench::new(Options { client_id: String::new(), ..persistent(v5()) });
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    assert!(bench.actions().concat().ends_with("0000"), "no identifier of our own");
    bench.serve("2008 00 00 05 12 0002 6162");
    assert!(close_and_redial(&mut bench).ends_with("00026162"));
}

// covers: [MQTT-3.1.2-4], [MQTT-3.2.2-5]
// covers: [3.1.1 MQTT-3.1.2-6]
#[test]
fn clean_session_restores_nothing() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        bench.serve(&message(version, "34", "0007", "61"));
        bench.publish(QoS::AtLeastOnce, "x");
        bench.actions();
        assert_eq!(connect_flags(&close_and_redial(&mut bench)), "02");
        bench.serve(fresh(version));
        // Ours is a new message, with a new identifier and without DUP.
        assert_eq!(bench.actions(), [message(version, "32", "0002", "78")]);
        // Theirs is new too, although PUBREL never arrived for the identifier.
        bench.serve(&message(version, "34", "0007", "62"));
        assert_eq!(bench.delivered.0, ["t a", "t b"]);
    }
}

// covers: [3.1.1 MQTT-3.2.2-1]
#[test]
fn session_present_for_a_clean_3_1_1_session_is_a_violation() {
    let mut bench = Bench::new(v311());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("20020100");
    assert_eq!(bench.actions(), ["hang up"]);
    assert!(matches!(bench.failure().0, Failure::Violation(_)));
}

// covers: [3.1.1 MQTT-3.1.2-4], [3.1.1 MQTT-4.1.0-1], [3.1.1 MQTT-4.4.0-1], [3.1.1 MQTT-4.6.0-1]
// covers: [3.1.1 MQTT-2.3.1-3], [3.1.1 MQTT-3.3.1-1], [3.1.1 MQTT-3.3.1-3]
// covers: [3.1.1 MQTT-4.3.2-1], [3.1.1 MQTT-4.3.3-1], [3.1.1 MQTT-4.3.3-2]
#[test]
fn session_of_3_1_1_that_is_not_clean_is_resumed() {
    let mut bench = Bench::online(persistent(v311()));
    bench.publish(QoS::ExactlyOnce, "1");
    bench.publish(QoS::AtLeastOnce, "2");
    bench.publish(QoS::ExactlyOnce, "3");
    assert_eq!(bench.actions().concat(), "3406000174000131 3206000174000232 3406000174000333".replace(' ', ""));
    bench.serve("50020001");
    bench.serve("3406 0001 74 0009 61");
    bench.actions();
    assert_eq!(connect_flags(&close_and_redial(&mut bench)), "00");
    bench.serve("20020100");
    assert_eq!(
        bench.actions(),
        ["62020001 3a06000174000232 3c06000174000333".replace(' ', "")],
        "PUBREL for the first, the others as duplicates, under their identifiers and in their order"
    );
    bench.serve("3c06 0001 74 0009 61");
    assert_eq!(bench.actions(), ["50020009"]);
    assert_eq!(bench.delivered.0, ["t a"]);
}

// covers: [MQTT-3.14.0-1], [MQTT-3.2.0-1]
#[test]
fn disconnect_before_connack_is_a_violation() {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("e00187");
    assert_eq!(bench.actions(), ["hang up"]);
    assert!(matches!(bench.failure().0, Failure::Violation(_)));
}

// covers: [MQTT-3.1.2-20], [3.1.1 MQTT-3.1.2-23]
#[test]
fn subscriber_without_publishes_sends_pings() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        let keep_alive = Duration::from_secs(30);
        let mut last_sent = bench.now;
        let mut pings = 0;
        while pings < 20 {
            // A message per second, and the timer whenever it is due.
            bench.now = bench.now + Duration::from_secs(1);
            bench.session.handle_timeout(bench.now);
            if bench.actions().contains(&"c000".to_owned()) {
                assert!(bench.now.since(last_sent) <= keep_alive);
                last_sent = bench.now;
                pings += 1;
            }
            assert!(bench.now.since(last_sent) <= keep_alive, "silent for too long");
            bench.serve(&message(version, "30", "", "61"));
        }
    }
}

// ---- identifiers ---------------------------------------------------------------

// covers: [MQTT-2.2.1-3], [MQTT-4.3.2-1], [MQTT-4.3.3-1]
// covers: [3.1.1 MQTT-2.3.1-1], [3.1.1 MQTT-2.3.1-2]
#[test]
fn identifiers_are_free_and_never_zero() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        // These four stay unanswered.
        bench.publish(QoS::AtLeastOnce, "1");
        bench.publish(QoS::ExactlyOnce, "2");
        bench.subscribe("a", QoS::AtMostOnce);
        bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
        let sent = bench.actions().concat();
        for begin in [message(version, "32", "0001", "31"), message(version, "34", "0002", "32")] {
            assert!(sent.contains(&begin), "{sent}");
        }
        let taken = HashSet::from([0, 1, 2, 3, 4]);
        let mut used = HashSet::new();
        // More messages than there are identifiers.
        for _ in 0..65_600 {
            bench.publish(QoS::AtLeastOnce, "");
            let sent = bench.actions().concat();
            let id = u16::from_str_radix(&sent[10..14], 16).expect("an identifier");
            assert!(!taken.contains(&id), "{id} is in use");
            used.insert(id);
            bench.serve(&format!("4002{id:04x}"));
            bench.events();
        }
        assert_eq!(used.len(), 65_536 - taken.len(), "all others were used, and used again");
    }
}

// covers: [MQTT-2.2.1-6], [MQTT-3.8.4-2], [MQTT-3.10.4-5]
// covers: [3.1.1 MQTT-2.3.1-7], [3.1.1 MQTT-3.8.4-2], [3.1.1 MQTT-3.10.4-4]
#[test]
fn unrequested_answer_is_ignored() {
    for (version, options) in versions() {
        let property_length = if version == Version::V5 { "00" } else { "" };
        let answer = |header: &str, id: u16, codes: &str| {
            let body = format!("{id:04x}{property_length}{codes}");
            format!("{header}{:02x}{body}", body.len() / 2)
        };
        let unsuback_code = property_length;
        let mut bench = Bench::online(options);
        bench.subscribe("a", QoS::AtMostOnce);
        bench.serve(&answer("90", 99, "00"));
        assert!(bench.events().is_empty());
        bench.serve(&answer("90", 1, "00"));
        assert!(matches!(bench.events()[..], [Event::Subscribed { granted: Ok(QoS::AtMostOnce), .. }]));
        bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
        bench.serve(&answer("b0", 99, unsuback_code));
        assert!(bench.events().is_empty());
        bench.serve(&answer("b0", 2, unsuback_code));
        bench.actions();
        assert!(matches!(bench.events()[..], [Event::Unsubscribed { refused: None, .. }]));
        // Neither of them ended the connection.
        bench.publish(QoS::AtMostOnce, "x");
        assert_eq!(bench.actions(), [message(version, "30", "", "78")]);
    }
}

// covers: [3.1.1 MQTT-3.8.4-5]
#[test]
fn suback_of_3_1_1_with_too_few_codes_ends_the_connection() {
    let mut bench = Bench::new(v311());
    bench.subscribe("a", QoS::AtMostOnce);
    bench.subscribe("b", QoS::AtMostOnce);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve(CONNACK_V311);
    bench.actions();
    bench.serve("9003 0001 00");
    assert_eq!(bench.actions(), ["hang up"]);
}

// ---- receiving -----------------------------------------------------------------

// covers: [MQTT-4.3.2-5], [3.1.1 MQTT-4.3.2-2]
#[test]
fn after_puback_the_same_identifier_is_a_new_message() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        for (header, payload) in [("32", "61"), ("32", "62"), ("3a", "63")] {
            bench.serve(&message(version, header, "0009", payload));
            assert_eq!(bench.actions(), ["40020009"]);
        }
        assert_eq!(bench.delivered.0, ["t a", "t b", "t c"]);
    }
}

// covers: [MQTT-4.6.0-2], [MQTT-4.6.0-3], [3.1.1 MQTT-4.6.0-2], [3.1.1 MQTT-4.6.0-3]
#[test]
fn acknowledgements_are_sent_in_message_order() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        let messages = [("32", "0003"), ("34", "0001"), ("32", "0002"), ("34", "0009"), ("32", "0001")];
        let stream: Vec<_> = messages.iter().map(|(header, id)| message(version, header, id, "")).collect();
        bench.serve(&stream.concat());
        assert_eq!(bench.actions().concat(), "40020003 50020001 40020002 50020009 40020001".replace(' ', ""));
    }
}

// covers: [MQTT-4.5.0-2], [3.1.1 MQTT-4.5.0-2]
#[test]
fn unsubscribed_message_is_acknowledged() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        bench.subscribe("other", QoS::ExactlyOnce);
        bench.session.unsubscribe(&TopicFilter::parse("other").expect("a filter"), bench.now);
        bench.actions();
        bench.serve(&message(version, "32", "0001", "61"));
        bench.serve(&message(version, "34", "0002", "61"));
        assert_eq!(bench.actions().concat(), "4002000150020002");
    }
}

// covers: [MQTT-4.3.3-13]
#[test]
fn expired_message_is_acknowledged_completely() {
    let mut bench = Bench::online(Options { keep_alive_s: 0, ..v5() });
    // Message expiry interval: 1 s.
    bench.serve("340c 0001 74 0005 05 02 00000001 61");
    assert_eq!(bench.actions(), ["50020005"]);
    bench.now = bench.now + HOUR;
    bench.serve("62020005");
    assert_eq!(bench.actions(), ["70020005"]);
}

// covers: [MQTT-3.3.2-10]
#[test]
fn every_allowed_topic_alias_is_accepted() {
    let mut bench = Bench::online(v5());
    // CONNECT states 64.
    for alias in 1..=64 {
        bench.serve(&format!("300a 0004 {} 03 2300{alias:02x}", hex(format!("to{alias:02}").as_bytes())));
    }
    for alias in (1..=64).rev() {
        bench.serve(&format!("3006 0000 03 2300{alias:02x}"));
    }
    assert!(bench.actions().is_empty());
    let expected: Vec<_> = (1..=64).chain((1..=64).rev()).map(|alias| format!("to{alias:02} ")).collect();
    assert_eq!(bench.delivered.0, expected);
}

// covers: [MQTT-1.5.4-3], [3.1.1 MQTT-1.5.3-3]
#[test]
fn byte_order_mark_is_part_of_its_topic() {
    let mut bench = Bench::online(v5());
    bench.serve("3008 0004 efbbbf61 00 78");
    assert_eq!(bench.delivered.0, ["\u{feff}a x"]);
    let mut bench = Bench::online(v311());
    bench.serve("3007 0004 efbbbf61 78");
    assert_eq!(bench.delivered.0, ["\u{feff}a x"]);
}

// covers: [MQTT-2.1.3-1], [MQTT-3.3.1-4], [MQTT-3.14.1-1], [MQTT-3.14.2-1], [MQTT-3.15.1-1]
// covers: [MQTT-3.3.2-8], [MQTT-3.14.4-2]
#[test]
fn violation_of_5_0_is_answered_with_its_reason_code_and_closed() {
    for (packet, reason) in [
        ("3606 0001 74 0001 00", "81"),
        ("2103 00 00 00", "81"),
        ("6002 0001", "81"),
        ("d100", "81"),
        ("e100", "81"),
        ("f100", "81"),
        ("d080 00", "81"),
        ("3406 0001 74 0000 00", "82"),
        ("c000", "82"),
        ("e007 00 05 11 00000000", "82"),
        ("3007 0001 74 03 230000", "94"),
    ] {
        let mut bench = Bench::online(v5());
        bench.serve(packet);
        assert_eq!(bench.actions(), [format!("e002{reason}00"), "hang up".to_owned()], "{packet}");
        assert!(bench.delivered.0.is_empty(), "{packet}");
        let (Failure::Violation(violation), _) = bench.failure() else { panic!("{packet}: another failure") };
        assert_eq!(hex(&violation.excerpt), packet.replace(' ', ""));
    }
}

// covers: [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-3.3.1-2], [MQTT-3.3.2-2]
#[test]
fn unambiguous_deviation_of_5_0_is_reported_and_tolerated() {
    for (packet, deviation, delivered) in [
        ("3006 0002 c328 00 78", Deviation::TopicNotUtf8, None),
        ("3005 0000 00 7878", Deviation::EmptyTopic, None),
        ("3007 0003 610062 00 78", Deviation::NulInTopic, Some("a\0b x")),
        ("3805 0001 74 00 78", Deviation::DupAtQos0, Some("t x")),
        ("3007 0003 612f23 00 78", Deviation::WildcardInTopic, Some("a/# x")),
    ] {
        let mut bench = Bench::online(v5());
        bench.serve(packet);
        bench.serve(packet);
        assert!(bench.actions().is_empty(), "{packet}");
        assert!(bench.delivered.0.iter().eq(delivered.iter().chain(&delivered)), "{packet}: {:?}", bench.delivered.0);
        let events = bench.events();
        let [Event::Deviated { deviation: reported, .. }] = &events[..] else { panic!("{packet}: {events:?}") };
        assert_eq!(*reported, deviation, "reported once");
    }
}

// covers: [3.1.1 MQTT-1.5.3-1], [3.1.1 MQTT-1.5.3-2], [3.1.1 MQTT-2.2.2-2], [3.1.1 MQTT-3.3.1-2]
// covers: [3.1.1 MQTT-3.3.1-4], [3.1.1 MQTT-3.3.2-2], [3.1.1 MQTT-3.9.3-2], [3.1.1 MQTT-4.8.0-1]
#[test]
fn violation_of_3_1_1_closes_the_connection() {
    for packet in [
        "3005 0002 c328 78",
        "3006 0003 610062 78",
        "3605 0001 74 0001",
        "3804 0001 74 78",
        "2102 00 00",
        "6002 0001",
        "d100",
        "d080 00",
        "9003 0001 03",
        "3405 0001 74 0000",
        "3006 0003 612f23 78",
        "2002 00 00",
        "c000",
        "e000",
        "f000",
    ] {
        let mut bench = Bench::online(v311());
        bench.serve(packet);
        assert_eq!(bench.actions(), ["hang up"], "{packet}");
        assert!(bench.delivered.0.is_empty(), "{packet}");
        let (Failure::Violation(violation), _) = bench.failure() else { panic!("{packet}: another failure") };
        assert_eq!(hex(&violation.excerpt), packet.replace(' ', ""));
    }
}

// covers: [MQTT-3.1.2-24], [3.1.1 MQTT-4.8.0-2]
#[test]
fn packet_above_our_stated_limit_ends_the_connection() {
    let limits = Limits { packet_bytes: 16, ..Limits::default() };
    for (version, options) in versions() {
        let disconnect = if version == Version::V5 { "e0029500" } else { "" };
        let property_length = if version == Version::V5 { 1 } else { 0 };
        for (payload_bytes, is_taken) in [(11 - property_length, true), (12 - property_length, false)] {
            let mut bench = Bench::online(Options { limits, ..options.clone() });
            bench.serve(&message(version, "30", "", &"61".repeat(payload_bytes)));
            assert_eq!(bench.delivered.0.len(), usize::from(is_taken));
            // 3.1.1 has no way to state it: the message is skipped.
            let is_fine = is_taken || version == Version::V311;
            let expected = if is_fine { String::new() } else { format!("{disconnect}hang up") };
            assert_eq!(bench.actions().concat(), expected);
        }
    }
}

// covers: [MQTT-4.12.0-7], [MQTT-4.12.0-6]
#[test]
fn auth_is_never_answered_with_auth() {
    for packet in ["f000", "f00218 00", "f009 18 07 15 0004 504c4e58"] {
        let mut bench = Bench::online(v5());
        bench.serve(packet);
        assert_eq!(bench.actions(), ["e0028200", "hang up"], "{packet}");
    }
}

// ---- sending -------------------------------------------------------------------

// covers: [MQTT-2.2.1-2], [MQTT-2.2.1-5], [MQTT-3.3.1-2], [MQTT-3.6.1-1], [MQTT-3.6.2-1]
// covers: [MQTT-4.3.1-1], [MQTT-4.3.2-2], [MQTT-4.3.2-3], [MQTT-4.3.3-2], [MQTT-4.3.3-3], [MQTT-4.3.3-4], [MQTT-4.3.3-5]
#[test]
fn each_qos_of_5_0_is_encoded_correctly() {
    let mut bench = Bench::online(v5());
    bench.publish(QoS::AtMostOnce, "a");
    assert_eq!(bench.actions(), ["3005 000174 00 61".replace(' ', "")]);
    bench.publish(QoS::AtLeastOnce, "b");
    assert_eq!(bench.actions(), ["3207 000174 0001 00 62".replace(' ', "")]);
    bench.publish(QoS::ExactlyOnce, "c");
    assert_eq!(bench.actions(), ["3407 000174 0002 00 63".replace(' ', "")]);
    assert_eq!(bench.session.unfinished_publishes(), 2);
    bench.serve("40020001");
    assert_eq!(bench.session.unfinished_publishes(), 1);
    bench.serve("50020002");
    assert_eq!(bench.actions(), ["62020002"]);
    assert_eq!(bench.session.unfinished_publishes(), 1);
    bench.serve("70020002");
    assert_eq!(bench.session.unfinished_publishes(), 0);
}

// covers: [MQTT-4.6.0-4], [MQTT-4.3.3-4], [3.1.1 MQTT-4.6.0-4]
#[test]
fn pubrels_are_sent_in_pubrec_order() {
    for (_, options) in versions() {
        let mut bench = Bench::online(options);
        for payload in ["1", "2", "3"] {
            bench.publish(QoS::ExactlyOnce, payload);
        }
        bench.actions();
        bench.serve("50020002 50020003 50020001");
        assert_eq!(bench.actions().concat(), "620200026202000362020001");
    }
}

// covers: [MQTT-3.6.2-1], [MQTT-3.7.2-1]
#[test]
fn unknown_packet_identifier_is_answered_with_its_reason() {
    let mut bench = Bench::online(v5());
    bench.serve("5002 0033");
    bench.serve("6202 0033");
    assert_eq!(bench.actions().concat(), "62030033927003003392");
    // 3.1.1 has no codes for it.
    let mut bench = Bench::online(v311());
    bench.serve("5002 0033");
    bench.serve("6202 0033");
    assert_eq!(bench.actions().concat(), "6202003370020033");
}

// covers: [MQTT-4.4.0-1], [MQTT-4.1.0-1], [MQTT-4.3.2-3], [MQTT-4.3.3-3], [MQTT-4.3.3-5]
// covers: [3.1.1 MQTT-4.1.0-2]
#[test]
fn nothing_is_resent_or_dropped_while_connected() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        bench.publish(QoS::AtLeastOnce, "1");
        bench.publish(QoS::ExactlyOnce, "2");
        bench.publish(QoS::ExactlyOnce, "3");
        bench.serve("50020003");
        bench.serve(&message(version, "34", "0005", "61"));
        bench.actions();
        let began = bench.now;
        while bench.now.since(began) < HOUR {
            bench.wait_for_timeout();
            let actions = bench.actions();
            // Missing answers are reported, and nothing is sent because of them.
            assert!(actions.is_empty() || actions == ["c000"], "{actions:?}");
            if !actions.is_empty() {
                bench.serve("d000");
            }
        }
        assert!(matches!(bench.events()[..], [Event::Unanswered { .. }]));
        assert_eq!(bench.session.unfinished_publishes(), 3);
        bench.serve(&message(version, "3c", "0005", "61"));
        assert_eq!(bench.delivered.0, ["t a"]);
    }
}

// covers: [MQTT-4.4.0-2]
#[test]
fn refused_publish_is_not_sent_again() {
    let mut bench = Bench::online(persistent(v5()));
    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::ExactlyOnce, "2");
    bench.serve("4003000187 5003000297");
    bench.actions();
    bench.reconnect(kept(Version::V5));
    assert!(bench.actions().is_empty());
    assert_eq!(bench.session.unfinished_publishes(), 0);
}

// covers: [MQTT-4.3.3-7]
#[test]
fn sent_message_does_not_expire() {
    let mut bench = Bench::online(Options { keep_alive_s: 0, ..persistent(v5()) });
    // Message expiry interval: 1 s.
    let properties = unhex("02 00000001");
    let message = Message { topic: "t".to_owned(), qos: QoS::ExactlyOnce, properties, ..Message::default() };
    bench.session.publish(message, bench.now).expect("accepted");
    assert_eq!(bench.actions().concat(), "340b 000174 0001 05 0200000001".replace(' ', ""));
    bench.now = bench.now + HOUR;
    bench.reconnect(kept(Version::V5));
    assert_eq!(bench.actions().concat(), "3c0b 000174 0001 05 0200000001".replace(' ', ""));
}

/// Receive Maximum 1.
const ONE_AT_A_TIME: &str = "2006 00 00 03 21 0001";

fn one_at_a_time() -> Bench {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve(ONE_AT_A_TIME);
    bench.actions();
    bench.events();
    bench
}

// covers: [MQTT-4.9.0-1], [MQTT-4.9.0-2]
#[test]
fn send_quota_is_restored_by_the_last_acknowledgement() {
    let mut bench = one_at_a_time();
    for (qos, payload) in [(QoS::ExactlyOnce, "1"), (QoS::AtLeastOnce, "2"), (QoS::ExactlyOnce, "3")] {
        bench.publish(qos, payload);
    }
    assert_eq!(bench.actions().concat(), message(Version::V5, "34", "0001", "31"));
    bench.serve("50020001");
    bench.publish(QoS::AtLeastOnce, "4");
    assert_eq!(bench.actions(), ["62020001"], "PUBREC isn't the end");
    bench.serve("70020001");
    assert_eq!(bench.actions(), [message(Version::V5, "32", "0002", "32")]);
    bench.serve("40020002");
    assert_eq!(bench.actions(), [message(Version::V5, "34", "0003", "33")]);
    bench.serve("5003000397");
    assert_eq!(bench.actions(), [message(Version::V5, "32", "0004", "34")], "a PUBREC that refuses is");
    // A late acknowledgement has no effect.
    bench.publish(QoS::AtLeastOnce, "5");
    bench.publish(QoS::AtLeastOnce, "6");
    bench.serve("40020002 70020003");
    assert!(bench.actions().is_empty());
}

// covers: [MQTT-4.9.0-3], [MQTT-3.10.1-1]
#[test]
fn send_quota_of_zero_blocks_only_publishes() {
    let mut bench = one_at_a_time();
    bench.publish(QoS::ExactlyOnce, "1");
    bench.publish(QoS::ExactlyOnce, "2");
    bench.actions();
    bench.subscribe("a", QoS::AtMostOnce);
    assert_eq!(bench.actions(), ["82070002 00 00016100".replace(' ', "")]);
    bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
    assert_eq!(bench.actions(), ["a2060003 00 000161".replace(' ', "")]);
    bench.serve(&message(Version::V5, "32", "0009", "61"));
    assert_eq!(bench.actions(), ["40020009"]);
    bench.serve(&message(Version::V5, "34", "0009", "62"));
    bench.serve("62020009");
    assert_eq!(bench.actions().concat(), "5002000970020009");
    bench.serve("50020001");
    assert_eq!(bench.actions(), ["62020001"]);
    // The first deadline is that of the missing answers.
    bench.wait_for_timeout();
    assert!(bench.actions().is_empty());
    bench.wait_for_timeout();
    assert_eq!(bench.actions(), ["c000"]);
}

// ---- disconnecting -------------------------------------------------------------

// covers: [MQTT-3.14.4-1], [MQTT-3.14.4-2], [3.1.1 MQTT-3.14.4-1], [3.1.1 MQTT-3.14.4-2]
#[test]
fn nothing_follows_a_disconnect() {
    for (version, options) in versions() {
        let mut bench = Bench::online(options);
        bench.publish(QoS::ExactlyOnce, "under way");
        bench.actions();
        bench.session.disconnect(DisconnectMode::EndSession);
        assert_eq!(bench.actions(), ["e000", "hang up"]);
        bench.serve("50020001");
        bench.serve(&message(version, "32", "0001", "61"));
        bench.publish(QoS::AtMostOnce, "late");
        bench.subscribe("a", QoS::AtMostOnce);
        bench.now = bench.now + HOUR;
        bench.session.handle_timeout(bench.now);
        bench.session.disconnect(DisconnectMode::EndSession);
        assert!(bench.actions().is_empty());
        assert!(bench.delivered.0.is_empty());
    }
}
