//! The session against a scripted server, in virtual time.
//!
//! Nothing here sleeps. The client's packets are compared with bytes written by hand from the standard, so that a codec
//! bug can't hide itself.

mod bench;

use std::time::Duration;

use bench::{Bench, CONNACK_V5, CONNACK_V311, Delivered, auto, hex, unhex, v5, v311};
use mqtt_crawl::mqtt::error::{CloseInfo, Failure, Stage, Violation};
use mqtt_crawl::mqtt::packet::{QoS, ReasonCode, SubscriptionOptions, Version, Will};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, DisconnectMode, Event, PublishError};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;
use mqtt_crawl::time::Instant;

// ---- connecting --------------------------------------------------------------

// covers: [MQTT-3.1.0-1], [MQTT-3.1.2-1], [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.3-3]
#[test]
fn connect_of_5_0_states_our_limits() {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    assert_eq!(bench.actions(), ["dial"]);
    bench.session.handle_open(bench.now);
    // Receive maximum 65,535, maximum packet size 16 MiB, topic alias maximum 64.
    let properties = "21 ffff 27 01000000 22 0040".replace(' ', "");
    assert_eq!(bench.actions(), [format!("1019 00044d515454 05 02 001e 0b {properties} 000163").replace(' ', "")]);
    assert!(bench.events().is_empty());
}

// covers: [3.1.1 MQTT-3.1.2-9], [3.1.1 MQTT-3.1.2-19], [3.1.1 MQTT-3.1.2-21], [3.1.1 MQTT-3.1.3-1]
// covers: [3.1.1 MQTT-3.1.3-3]
#[test]
fn connect_of_3_1_1_has_all_fields() {
    let mut bench = Bench::new(Options {
        user_name: Some(String::new()),
        password: Some(vec![0xff, 0x00]),
        keep_alive_s: 0,
        will: Some(Will {
            topic: "w".to_owned(),
            payload: vec![1],
            qos: QoS::ExactlyOnce,
            retain: true,
            ..Will::default()
        }),
        ..v311()
    });
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    assert_eq!(bench.actions(), ["1019 00044d515454 04 f6 0000 000163 000177 000101 0000 0002ff00".replace(' ', "")]);
}

// covers: [MQTT-3.1.3-8], [MQTT-3.2.2-7], [MQTT-4.13.2-1], [3.1.1 MQTT-3.1.3-9], [3.1.1 MQTT-3.2.2-5]
#[test]
fn connack_refusals_are_reported_and_only_transient_ones_retried() {
    // (options, answer, retried, part of the text)
    for (options, answer, again, expected) in [
        (v311(), "20020001", false, "version"),
        (v311(), "20020002", false, "client ID"),
        (v311(), "20020003", true, "right now"),
        (v311(), "20020004", false, "user name or password"),
        (v311(), "20020005", false, "not authorized"),
        (v5(), "2003008600", false, "user name or password"),
        (v5(), "2003008700", false, "not authorized"),
        (v5(), "2003008a00", false, "banned"),
        (v5(), "2003008c00", false, "authentication"),
        (v5(), "2003008400", false, "version"),
        (v5(), "20020001", false, "version"),
        (v5(), "2003008900", true, "right now"),
        (v5(), "2003009700", true, "quota"),
        (v5(), "200a 00 9d 07 1c 0004 68323a31", false, "h2:1"),
        (v5(), "200a 00 87 07 1f 0004 6e6f7065", false, "nope"),
    ] {
        let mut bench = Bench::new(options);
        bench.session.connect(bench.now);
        bench.session.handle_open(bench.now);
        bench.actions();
        bench.serve(answer);
        assert_eq!(bench.actions(), ["hang up"], "{answer}");
        let (failure, tried_again) = bench.failure();
        assert_eq!(tried_again, again, "{answer}: {failure}");
        assert_eq!(bench.session.poll_timeout().is_some(), again, "{answer}");
        assert!(failure.to_string().contains(expected), "{answer}: {failure}");
    }
}

// covers: [MQTT-3.1.2-2], [3.1.1 MQTT-3.1.2-2], [3.1.1 MQTT-3.1.2-11]
#[test]
fn auto_falls_back_to_3_1_1_once_and_reports_it() {
    for refusal in ["2003008400", "20020001", "closed"] {
        let mut bench = Bench::new(auto());
        bench.session.connect(bench.now);
        bench.session.handle_open(bench.now);
        bench.actions();
        if refusal == "closed" {
            bench.session.handle_close(CloseInfo::default(), bench.now);
            assert_eq!(bench.actions(), ["dial"]);
        } else {
            bench.serve(refusal);
            assert_eq!(bench.actions(), ["hang up", "dial"], "{refusal}");
        }
        assert!(bench.events().is_empty());
        bench.session.handle_open(bench.now);
        assert_eq!(bench.actions(), ["100d00044d5154540402001e000163"]);
        bench.serve(CONNACK_V311);
        assert!(matches!(
            bench.events()[..],
            [Event::Connected { version: Version::V311, fell_back: true, session_present: false, .. }]
        ));
        // From now on it stays with the version that works.
        bench.reconnect(CONNACK_V311);
        assert!(matches!(
            bench.events()[..],
            [Event::Disconnected { .. }, Event::Connected { version: Version::V311, .. }]
        ));
    }
}

#[test]
fn auto_stops_after_a_refusal_in_both_versions() {
    let mut bench = Bench::new(auto());
    bench.session.connect(bench.now);
    for _ in 0..2 {
        bench.session.handle_open(bench.now);
        bench.serve("20020001");
        bench.actions();
    }
    assert!(!bench.failure().1);
}

#[test]
fn lost_5_0_connection_causes_no_fallback() {
    let mut bench = Bench::online(auto());
    bench.session.handle_close(CloseInfo::default(), bench.now);
    bench.wait_for_timeout();
    bench.session.handle_open(bench.now);
    bench.session.handle_close(CloseInfo::default(), bench.now);
    assert!(bench.failure().1);
    bench.wait_for_timeout();
    bench.actions();
    bench.session.handle_open(bench.now);
    let sent = bench.actions().pop().expect("CONNECT");
    assert_eq!(&sent[16..18], "05");
}

#[test]
fn silent_server_times_out() {
    for (open, stage) in [(false, Stage::Dialing), (true, Stage::AwaitingConnAck)] {
        let mut bench = Bench::new(v5());
        let began = bench.now;
        bench.session.connect(bench.now);
        if open {
            bench.session.handle_open(bench.now);
        }
        bench.actions();
        bench.wait_for_timeout();
        assert_eq!(bench.now.since(began), Duration::from_secs(10));
        assert_eq!(bench.actions(), ["hang up"]);
        assert_eq!(bench.failure(), (Failure::Timeout(stage), true));
    }
}

// covers: [MQTT-3.2.0-1], [MQTT-3.2.0-2], [MQTT-4.12.0-6], [MQTT-4.12.0-7]
#[test]
fn unexpected_packets_end_the_connection() {
    for (hex, expected) in
        [("d000", "wasn't a CONNACK"), ("30 06 0001 74 00 68 69", "wasn't a CONNACK"), ("f000", "AUTH")]
    {
        let mut bench = Bench::new(v5());
        bench.session.connect(bench.now);
        bench.session.handle_open(bench.now);
        bench.actions();
        bench.serve(hex);
        // Before CONNACK no DISCONNECT may be sent.
        assert_eq!(bench.actions(), ["hang up"], "{hex}");
        assert!(bench.failure().0.to_string().contains(expected), "{hex}");
    }
    let mut bench = Bench::online(v5());
    bench.serve(CONNACK_V5);
    assert_eq!(bench.actions(), ["e0028200", "hang up"]);
    assert!(bench.failure().0.to_string().contains("second CONNACK"));
}

// covers: [MQTT-3.2.2-2]
#[test]
fn session_present_without_local_state_is_a_violation() {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve("2003010000");
    assert!(bench.failure().0.to_string().contains("[MQTT-3.2.2-2]"));
}

// ---- subscribing -------------------------------------------------------------

// covers: [MQTT-2.2.2-1], [MQTT-3.8.1-1], [MQTT-3.8.4-6], [MQTT-3.8.4-7], [MQTT-3.9.3-1]
#[test]
fn filters_share_a_subscribe_and_get_their_answers() {
    let mut bench = Bench::new(v5());
    bench.subscribe("a/#", QoS::AtLeastOnce);
    bench.subscribe("b", QoS::ExactlyOnce);
    bench.subscribe("c", QoS::AtMostOnce);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve(CONNACK_V5);
    assert_eq!(bench.actions(), ["82 11 0001 00 0003612f23 01 000162 02 000163 00".replace(' ', "")]);
    bench.events();
    bench.serve("90 06 0001 00 00 02 87");
    let subscribed = |filter: &str, granted| Event::Subscribed { filter: filter.to_owned(), granted };
    assert_eq!(
        bench.events(),
        [
            subscribed("a/#", Ok(QoS::AtMostOnce)),
            subscribed("b", Ok(QoS::ExactlyOnce)),
            subscribed("c", Err(ReasonCode::NOT_AUTHORIZED)),
        ]
    );
}

// covers: [MQTT-3.8.4-6]
#[test]
fn suback_with_too_few_codes_is_a_violation() {
    let mut bench = Bench::online(v5());
    bench.subscribe("a", QoS::AtMostOnce);
    bench.subscribe("b", QoS::AtMostOnce);
    bench.serve("90 05 0001 00 00 00");
    assert!(bench.failure().0.to_string().contains("one reason code per topic filter"));
}

// covers: [3.1.1 MQTT-3.8.1-1]
#[test]
fn subscriptions_are_restored_with_the_connection() {
    let mut bench = Bench::online(v311());
    bench.subscribe("a", QoS::AtMostOnce);
    assert_eq!(bench.actions(), ["8206000100016100"]);
    bench.serve("9003000100");
    bench.reconnect(CONNACK_V311);
    assert_eq!(bench.actions(), ["8206000200016100"]);
}

#[test]
fn resumed_session_keeps_only_acknowledged_subscriptions() {
    let persistent = Options { session_expiry_s: 60, ..v5() };
    let mut bench = Bench::online(persistent.clone());
    bench.subscribe("a", QoS::AtMostOnce);
    bench.serve("9004 0001 00 00");
    bench.subscribe("b", QoS::AtMostOnce);
    bench.actions();
    bench.reconnect("2003010000");
    assert_eq!(bench.actions(), ["82 07 0003 00 000162 00".replace(' ', "")]);
}

// covers: [3.1.1 MQTT-3.10.1-1]
#[test]
fn unsubscribed_filter_is_not_restored() {
    let mut bench = Bench::online(v311());
    bench.subscribe("a", QoS::AtMostOnce);
    bench.serve("9003000100");
    bench.actions();
    bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
    assert_eq!(bench.actions(), ["a2050002000161"]);
    bench.serve("b0020002");
    bench.reconnect(CONNACK_V311);
    assert!(bench.actions().is_empty());
}

#[test]
fn offline_unsubscribes_are_sent_to_a_resumed_session() {
    let a = TopicFilter::parse("a").expect("a filter");
    // (contents of CONNACK, bytes sent)
    for (answer, expected) in [("2003010000", vec!["a2060002 00 000161".replace(' ', "")]), (CONNACK_V5, vec![])] {
        let mut bench = Bench::online(Options { session_expiry_s: 60, ..v5() });
        bench.subscribe("a", QoS::AtMostOnce);
        bench.serve("9004 0001 00 00");
        bench.actions();
        bench.session.handle_close(CloseInfo::default(), bench.now);
        bench.session.unsubscribe(&a, bench.now);
        bench.wait_for_timeout();
        bench.session.handle_open(bench.now);
        bench.actions();
        bench.serve(answer);
        assert_eq!(bench.actions(), expected);
    }
}

#[test]
fn unanswered_unsubscribe_is_sent_again_unless_resubscribed() {
    let a = TopicFilter::parse("a").expect("a filter");
    let online = || {
        let mut bench = Bench::online(Options { session_expiry_s: 60, ..v5() });
        bench.subscribe("a", QoS::AtMostOnce);
        bench.serve("9004 0001 00 00");
        bench.session.unsubscribe(&a, bench.now);
        assert_eq!(bench.actions().concat(), "82070001 00 000161 00 a2060002 00 000161".replace(' ', ""));
        bench
    };
    let mut bench = online();
    bench.reconnect("2003010000");
    assert_eq!(bench.actions(), ["a2060003 00 000161".replace(' ', "")]);
    bench.serve("b004 0003 00 00");
    assert!(bench.events().contains(&Event::Unsubscribed { filter: "a".to_owned(), refused: None }));
    bench.reconnect("2003010000");
    assert!(bench.actions().is_empty());

    let mut bench = online();
    bench.session.handle_close(CloseInfo::default(), bench.now);
    bench.subscribe("a", QoS::AtMostOnce);
    bench.wait_for_timeout();
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("2003010000");
    assert_eq!(bench.actions(), ["82070003 00 000161 00".replace(' ', "")]);
}

#[test]
fn too_large_unsubscribe_is_refused_without_other_effects() {
    let mut bench = Bench::new(v5());
    let long = "a".repeat(40);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    // Packets of 40 bytes.
    bench.serve("2008 00 00 05 27 00000028");
    bench.subscribe(&long, QoS::AtMostOnce);
    bench.actions();
    bench.events();
    bench.session.unsubscribe(&TopicFilter::parse(&long).expect("a filter"), bench.now);
    assert!(bench.actions().is_empty());
    assert_eq!(bench.events(), [Event::Unsubscribed { filter: long, refused: Some(ReasonCode::PACKET_TOO_LARGE) }]);
}

#[test]
fn subscription_waits_for_a_free_packet_identifier() {
    let mut bench = Bench::online(Options { queue_messages: 70_000, ..v5() });
    bench.subscribe("old", QoS::AtMostOnce);
    bench.serve("9004 0001 00 00");
    for _ in 0..65_535 {
        bench.publish(QoS::AtLeastOnce, "x");
    }
    bench.actions();
    bench.subscribe("a", QoS::AtMostOnce);
    bench.session.unsubscribe(&TopicFilter::parse("old").expect("a filter"), bench.now);
    assert!(bench.actions().is_empty());
    bench.serve("40020007");
    assert_eq!(bench.actions(), ["82070007 00 000161 00".replace(' ', "")]);
    bench.serve("9004 0007 00 00");
    assert_eq!(bench.actions(), ["a2080007 00 00036f6c64".replace(' ', "")]);
}

// ---- receiving ---------------------------------------------------------------

// covers: [MQTT-2.2.1-5], [MQTT-3.3.4-1], [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.7.2-1], [MQTT-4.3.2-4]
// covers: [MQTT-4.3.3-8], [MQTT-4.3.3-10], [MQTT-4.3.3-11], [MQTT-4.3.3-12], [3.1.1 MQTT-2.3.1-6]
// covers: [3.1.1 MQTT-3.3.4-1], [3.1.1 MQTT-4.3.2-2], [3.1.1 MQTT-4.3.3-2]
#[test]
fn each_qos_is_acknowledged_by_its_packets() {
    for options in [v5(), v311()] {
        let properties = if options.version == Some(Version::V5) { "00" } else { "" };
        let publish = |header: &str, id: &str, payload: &str| {
            let body = format!("000174{id}{properties}{payload}");
            format!("{header}{:02x}{body}", body.len() / 2)
        };
        let mut bench = Bench::online(options);
        bench.serve(&publish("30", "", "61"));
        assert!(bench.actions().is_empty());
        bench.serve(&publish("32", "0009", "62"));
        assert_eq!(bench.actions(), ["40020009"]);
        bench.serve(&publish("34", "000a", "63"));
        assert_eq!(bench.actions(), ["5002000a"]);
        // The same again before PUBREL is the same message.
        bench.serve(&publish("3c", "000a", "63"));
        assert_eq!(bench.actions(), ["5002000a"]);
        bench.serve("6202000a");
        assert_eq!(bench.actions(), ["7002000a"]);
        // After PUBREL the identifier belongs to a new message.
        bench.serve(&publish("34", "000a", "64"));
        assert_eq!(bench.delivered.0, ["t a", "t b", "t c", "t d"]);
    }
}

// covers: [MQTT-6.0.0-2], [3.1.1 MQTT-6.0.0-2]
#[test]
fn many_packets_in_one_frame_and_one_packet_in_many() {
    let stream = unhex("3004 0001 74 00  3205 0001 74 0001  3406 0001 74 0002 61 d000");
    for chunk in 1..=stream.len() {
        let mut bench = Bench::online(v311());
        for part in stream.chunks(chunk) {
            bench.session.handle_input(part, bench.now, &mut bench.delivered);
        }
        assert_eq!(bench.delivered.0, ["t \0", "t ", "t a"], "in pieces of {chunk}");
        assert_eq!(bench.actions().concat(), "4002000150020002", "in pieces of {chunk}");
    }
}

// covers: [MQTT-3.1.2-23], [MQTT-3.2.2-5], [MQTT-4.3.3-10]
#[test]
fn exactly_once_survives_a_lost_connection() {
    let mut bench = Bench::online(Options { session_expiry_s: 60, ..v5() });
    bench.serve("3407 0001 74 0005 00 61");
    // PUBREC was lost with the connection; the server resends.
    bench.reconnect("2003010000");
    bench.serve("3c07 0001 74 0005 00 61");
    assert_eq!(bench.actions(), ["50020005"]);
    bench.serve("62020005");
    assert_eq!(bench.delivered.0, ["t a"]);
    // A lost session drops its identifiers.
    bench.serve("3407 0001 74 0006 00 62");
    bench.reconnect(CONNACK_V5);
    bench.serve("3407 0001 74 0006 00 63");
    assert_eq!(bench.delivered.0, ["t a", "t b", "t c"]);
}

// covers: [MQTT-3.7.2-1]
#[test]
fn unknown_pubrel_is_answered_with_its_reason() {
    let mut bench = Bench::online(v5());
    bench.serve("62020033");
    assert_eq!(bench.actions(), ["7003003392"]);
    let mut bench = Bench::online(v311());
    bench.serve("62020033");
    assert_eq!(bench.actions(), ["70020033"]);
}

// covers: [MQTT-3.1.2-26], [MQTT-3.3.2-7], [MQTT-3.3.2-11], [MQTT-3.14.2-1]
#[test]
fn topic_aliases_are_resolved_and_misuse_is_reported() {
    let mut bench = Bench::online(v5());
    bench.serve("3009 0002 742f 03 230001 31");
    bench.serve("3007 0000 03 230001 32");
    assert_eq!(bench.delivered.0, ["t/ 1", "t/ 2"]);
    bench.serve("3007 0000 03 230002 33");
    assert_eq!(bench.actions(), ["e0028200", "hang up"]);
    // Aliases end with the connection.
    bench.wait_for_timeout();
    bench.session.handle_open(bench.now);
    bench.serve(CONNACK_V5);
    bench.serve("3007 0000 03 230001 34");
    assert!(bench.failure().0.to_string().contains("never set"));

    let mut bench = Bench::online(v5());
    bench.serve("3008 0001 74 03 230041 35");
    assert_eq!(bench.actions(), ["e0029400", "hang up"]);
    assert!(bench.delivered.0.is_empty());
}

// covers: [MQTT-3.3.4-9], [MQTT-3.14.2-1]
#[test]
fn our_receive_maximum_is_enforced() {
    let mut bench = Bench::online(Options { receive_maximum: 2, ..v5() });
    bench.serve("3406 0001 74 0001 00");
    bench.serve("3406 0001 74 0002 00");
    bench.actions();
    bench.serve("3406 0001 74 0003 00");
    assert_eq!(bench.actions(), ["e0029300", "hang up"]);
    assert_eq!(bench.delivered.0.len(), 2);
}

// covers: [MQTT-3.3.1-4], [MQTT-3.14.4-2], [MQTT-4.13.2-1]
#[test]
fn malformed_packet_is_reported_with_its_bytes() {
    let mut bench = Bench::online(v5());
    // A PUBLISH with QoS 3, then a good one.
    bench.serve("3605 0001 74 0001  3005 0001 74 00 61");
    assert_eq!(bench.actions(), ["e0028100", "hang up"]);
    assert!(bench.delivered.0.is_empty());
    let (Failure::Violation(violation), true) = bench.failure() else { panic!("another failure") };
    assert_eq!(hex(&violation.excerpt), "36050001740001");
}

// covers: [MQTT-3.1.4-3], [MQTT-4.13.2-1]
#[test]
fn server_disconnect_variants_are_decoded() {
    for (packet, again) in [("e000", true), ("e0018b", true), ("e0028b00", true), ("e0018e", false), ("e00198", true)] {
        let mut bench = Bench::online(v5());
        bench.serve(packet);
        assert_eq!(bench.actions(), ["hang up"], "{packet}");
        let (failure, tried_again) = bench.failure();
        assert!(matches!(failure, Failure::ServerDisconnect(_)), "{packet}");
        assert_eq!(tried_again, again, "{packet}");
    }
}

// ---- publishing --------------------------------------------------------------

// covers: [3.1.1 MQTT-2.3.1-5], [3.1.1 MQTT-2.3.1-6], [3.1.1 MQTT-3.6.1-1], [3.1.1 MQTT-4.3.1-1]
// covers: [3.1.1 MQTT-4.3.2-1], [3.1.1 MQTT-4.3.3-1]
#[test]
fn publish_is_complete_with_its_last_acknowledgement() {
    let mut bench = Bench::online(v311());
    let done = |token| vec![Event::Published { token, outcome: DeliveryOutcome::Done }];

    let token = bench.publish(QoS::AtMostOnce, "a");
    assert_eq!(bench.actions(), ["300400017461"]);
    assert_eq!(bench.events(), done(token));

    let token = bench.publish(QoS::AtLeastOnce, "b");
    assert_eq!(bench.actions(), ["3206000174000162"]);
    assert!(bench.events().is_empty());
    bench.serve("40020001");
    assert_eq!(bench.events(), done(token));
    // The same again is late and is ignored.
    bench.serve("40020001");
    assert!(bench.events().is_empty());

    let token = bench.publish(QoS::ExactlyOnce, "c");
    assert_eq!(bench.actions(), ["3406000174000263"]);
    bench.serve("50020002");
    assert_eq!(bench.actions(), ["62020002"]);
    assert!(bench.events().is_empty());
    bench.serve("70020002");
    assert_eq!(bench.events(), done(token));
    assert_eq!(bench.session.unfinished_publishes(), 0);
}

// covers: [MQTT-4.4.0-2]
#[test]
fn refused_publishes_are_failures() {
    for (qos, answer) in [(QoS::AtLeastOnce, "4003000187"), (QoS::ExactlyOnce, "5003000187")] {
        let mut bench = Bench::online(v5());
        let token = bench.publish(qos, "x");
        bench.serve(answer);
        let outcome = DeliveryOutcome::Refused(ReasonCode::NOT_AUTHORIZED);
        assert_eq!(bench.events(), [Event::Published { token, outcome }]);
    }
}

#[test]
fn offline_publishes_are_sent_in_order() {
    let mut bench = Bench::new(v311());
    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::AtMostOnce, "2");
    bench.publish(QoS::ExactlyOnce, "3");
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve(CONNACK_V311);
    assert_eq!(bench.actions(), ["3206000174000131 300400017432 3406000174000233".replace(' ', "")]);
}

// covers: [MQTT-3.1.2-23], [MQTT-3.3.1-1], [MQTT-3.3.1-3], [MQTT-4.3.2-3], [MQTT-4.3.3-3], [MQTT-4.3.3-5]
// covers: [MQTT-4.3.3-6], [MQTT-4.4.0-1], [MQTT-4.6.0-1]
#[test]
fn resumed_session_resends_in_flight_messages_in_order() {
    let mut bench = Bench::online(Options { session_expiry_s: 60, ..v5() });
    bench.publish(QoS::ExactlyOnce, "1");
    bench.publish(QoS::AtLeastOnce, "2");
    bench.publish(QoS::ExactlyOnce, "3");
    bench.serve("50020001");
    bench.actions();
    bench.reconnect("2003010000");
    assert_eq!(
        bench.actions(),
        ["62020001 3a07 0001 74 0002 00 32 3c07 0001 74 0003 00 33".replace(' ', "")],
        "PUBREL for the first, the others as duplicates"
    );
    for answer in ["70020001", "40020002", "50020003", "70020003"] {
        bench.serve(answer);
    }
    let done = bench
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Published { outcome: DeliveryOutcome::Done, .. }));
    assert_eq!(done.count(), 3);
}

// covers: [MQTT-3.1.2-4], [MQTT-3.2.2-5]
#[test]
fn lost_session_resends_qos_1_and_leaves_qos_2_unknown() {
    let mut bench = Bench::online(v5());
    bench.publish(QoS::AtLeastOnce, "1");
    let unsure = bench.publish(QoS::ExactlyOnce, "2");
    bench.publish(QoS::AtLeastOnce, "3");
    bench.actions();
    bench.reconnect(CONNACK_V5);
    assert_eq!(bench.actions(), ["3207 0001 74 0004 00 31 3207 0001 74 0005 00 33".replace(' ', "")]);
    let unknown = Event::Published { token: unsure, outcome: DeliveryOutcome::Unknown };
    assert!(bench.events().contains(&unknown));
    assert_eq!(bench.session.unfinished_publishes(), 2);
}

// covers: [MQTT-3.2.2-15], [MQTT-4.9.0-1]
#[test]
fn limits_of_the_server_are_respected() {
    // Receive maximum 1, maximum QoS 1, no retain, packets of 16 bytes.
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve("200f 00 00 0c 21 0001 24 01 25 00 27 00000010");
    bench.actions();
    bench.events();

    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::AtLeastOnce, "2");
    assert_eq!(bench.actions(), ["3207 0001 74 0001 00 31".replace(' ', "")]);
    bench.serve("40020001");
    assert_eq!(bench.actions(), ["3207 0001 74 0002 00 32".replace(' ', "")]);
    bench.serve("40020002");
    bench.events();

    let retained = Message { topic: "t".to_owned(), retain: true, ..Message::default() };
    bench.session.publish(retained, bench.now).expect("accepted");
    bench.publish(QoS::ExactlyOnce, "x");
    bench.publish(QoS::AtMostOnce, "more than sixteen bytes");
    let errors: Vec<_> = bench
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Published { outcome: DeliveryOutcome::Unsendable(error), .. } => error.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        errors[0].contains("retained") && errors[1].contains("QoS 0 and 1 only") && errors[2].contains("16"),
        "{errors:?}"
    );
    assert!(bench.actions().is_empty());
    assert_eq!(bench.session.unfinished_publishes(), 0);
}

// covers: [MQTT-3.3.2-2], [MQTT-4.7.0-1]
#[test]
fn unacceptable_publishes_are_rejected_immediately() {
    let mut bench = Bench::new(Options { queue_messages: 1, ..v5() });
    let wild = Message { topic: "a/#".to_owned(), ..Message::default() };
    assert!(matches!(bench.session.publish(wild, bench.now), Err(PublishError::Topic(_))));
    bench.publish(QoS::AtLeastOnce, "1");
    let more = Message { topic: "t".to_owned(), ..Message::default() };
    assert_eq!(bench.session.publish(more, bench.now), Err(PublishError::QueueFull { limit: 1 }));
}

// ---- keep alive, lost connections, disconnecting -------------------------------

// covers: [3.1.1 MQTT-3.1.2-23], [3.1.1 MQTT-3.12.4-1]
#[test]
fn pings_are_sent_and_a_missing_answer_is_detected() {
    let mut bench = Bench::online(v311());
    let began = bench.now;
    bench.wait_for_timeout();
    assert_eq!(bench.now.since(began), Duration::from_millis(22_500));
    assert_eq!(bench.actions(), ["c000"]);
    bench.serve("d000");
    bench.wait_for_timeout();
    assert_eq!(bench.actions(), ["c000"]);
    let received_at = bench.now;
    bench.wait_for_timeout();
    assert_eq!(bench.now.since(received_at), Duration::from_secs(15));
    assert_eq!(bench.actions(), ["hang up"]);
    assert_eq!(bench.failure(), (Failure::Timeout(Stage::Connected), true));
}

// covers: [MQTT-3.1.2-20], [MQTT-3.1.2-21], [MQTT-3.2.2-21]
#[test]
fn server_keep_alive_overrides_ours() {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve("2006 00 00 03 13 0004");
    let began = bench.now;
    bench.actions();
    bench.wait_for_timeout();
    assert_eq!(bench.now.since(began), Duration::from_secs(3));
    assert_eq!(bench.actions(), ["c000"]);

    let bench = Bench::online(Options { keep_alive_s: 0, ..v5() });
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn back_off_grows_and_a_good_connection_resets_it() {
    let mut bench = Bench::online(v5());
    let mut waits = Vec::new();
    for _ in 0..40 {
        bench.session.handle_close(CloseInfo::default(), bench.now);
        let due = bench.session.poll_timeout().expect("a retry");
        waits.push(due.since(bench.now));
        bench.wait_for_timeout();
        assert_eq!(bench.actions(), ["dial"]);
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(60)));
    assert!(waits[0] <= Duration::from_secs(1));
    assert!(waits[6..].iter().sum::<Duration>() > Duration::from_secs(400), "{waits:?}");

    bench.session.handle_open(bench.now);
    bench.serve(CONNACK_V5);
    bench.now = bench.now + Duration::from_secs(31);
    bench.session.handle_close(CloseInfo::default(), bench.now);
    let due = bench.session.poll_timeout().expect("a retry");
    assert!(due.since(bench.now) <= Duration::from_secs(1));
}

#[test]
fn retry_now_ends_only_a_wait() {
    let mut bench = Bench::online(v5());
    bench.session.retry_now(bench.now);
    assert!(bench.actions().is_empty());
    bench.session.handle_close(CloseInfo::default(), bench.now);
    bench.session.retry_now(bench.now);
    assert_eq!(bench.actions(), ["dial"]);
    bench.session.retry_now(bench.now);
    assert!(bench.actions().is_empty());
}

// covers: [MQTT-3.14.4-1], [MQTT-3.14.4-2]
#[test]
fn disconnect_is_sent_and_not_followed_by_reconnect() {
    let mut bench = Bench::online(v5());
    bench.session.disconnect(DisconnectMode::EndSession);
    assert_eq!(bench.actions(), ["e000", "hang up"]);
    assert_eq!(bench.session.poll_timeout(), None);

    // Before the transport is open nothing can be sent.
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.disconnect(DisconnectMode::EndSession);
    assert!(bench.actions().is_empty());
    bench.session.handle_open(bench.now);
    assert!(bench.actions().is_empty());
}

#[test]
fn new_server_is_dialled_after_disconnecting() {
    let mut bench = Bench::online(v5());
    bench.session.replace(v311(), 1, None);
    bench.session.connect(bench.now);
    assert_eq!(bench.actions(), ["e000", "hang up", "dial"]);
}

#[test]
fn events_of_the_old_transport_are_ignored() {
    let check = |act: fn(&mut Session, Instant), expected: &[&str]| {
        let mut bench = Bench::new(v5());
        bench.session.connect(bench.now);
        assert_eq!(bench.actions(), ["dial"]);
        bench.session.replace(Options { client_id: "d".to_owned(), ..v5() }, 2, None);
        bench.session.connect(bench.now);
        act(&mut bench.session, bench.now);
        assert_eq!(bench.actions(), expected);
        bench.session.handle_open(bench.now);
        assert!(bench.actions().concat().ends_with("000164"), "CONNECT has the right address");
    };
    let no_mqtt = |session: &mut Session, now| {
        session.handle_violation(Violation::text_frame(&[]), now);
    };
    check(|session, now| session.handle_open(now), &["hang up", "dial"]);
    check(no_mqtt, &["hang up", "dial"]);
    check(|session, now| session.handle_close(CloseInfo::default(), now), &["dial"]);
}

#[test]
fn unencodable_connect_is_reported() {
    let mut bench = Bench::new(Options { user_name: Some("x".repeat(70_000)), ..v5() });
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    let (failure, again) = bench.failure();
    assert!(!again && failure.to_string().contains("65,535"), "{failure}");
}

#[test]
fn clean_start_of_a_persistent_3_1_1_session_takes_two_connections() {
    let mut bench = Bench::new(Options { session_expiry_s: 60, ..v311() });
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    assert_eq!(bench.actions(), ["100d00044d5154540402001e000163"], "clean session");
    bench.serve(CONNACK_V311);
    assert_eq!(bench.actions(), ["e000", "hang up", "dial"]);
    assert!(bench.events().is_empty());
    bench.session.handle_open(bench.now);
    assert_eq!(bench.actions(), ["100d00044d5154540400001e000163"], "and now permanently");
    bench.serve(CONNACK_V311);
    assert!(matches!(bench.events()[..], [Event::Connected { .. }]));
    bench.reconnect("20020100");
    assert!(matches!(bench.events()[..], [Event::Disconnected { .. }, Event::Connected { session_present: true, .. }]));
}

#[test]
fn in_flight_publishes_survive_a_restart() {
    let persistent = Options { session_expiry_s: 60, ..v5() };
    let mut bench = Bench::online(persistent.clone());
    bench.publish(QoS::ExactlyOnce, "1");
    bench.publish(QoS::AtLeastOnce, "2");
    bench.serve("50020001");
    bench.serve("3407 0001 74 0009 00 61");
    assert!(bench.session.take_dirty() && !bench.session.take_dirty());
    let saved = bench.session.snapshot();

    let (session, tokens) = Session::restore(persistent, 1, saved);
    let mut bench = Bench { session, now: bench.now, delivered: Delivered::default() };
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    let connect = bench.actions().concat();
    assert_eq!(&connect[18..20], "00", "no clean start: {connect}");
    bench.serve("2003010000");
    assert_eq!(bench.actions(), ["62020001 3a07 0001 74 0002 00 32".replace(' ', "")]);
    // The delivered message isn't delivered again.
    bench.serve("3c07 0001 74 0009 00 61");
    assert!(bench.delivered.0.is_empty());
    bench.serve("70020001");
    bench.serve("40020002");
    let done = |token| Event::Published { token, outcome: DeliveryOutcome::Done };
    assert_eq!(bench.events()[1..], [done(tokens[0]), done(tokens[1])]);
}

#[test]
fn unsupported_subscription_features_are_not_sent() {
    let subscribe = |bench: &mut Bench, filter: &str, identifier| {
        let filter = TopicFilter::parse(filter).expect("a filter");
        let options = SubscriptionOptions::default();
        bench.session.subscribe(Subscription { filter, options, identifier }, bench.now);
    };
    let mut bench = Bench::new(v5());
    for (filter, identifier) in [("a", Some(1)), ("b", Some(2)), ("c", Some(1)), ("d", None)] {
        subscribe(&mut bench, filter, identifier);
    }
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve(CONNACK_V5);
    let packets = "820d 0001 02 0b01 0001 61 00 0001 63 00 8209 0002 02 0b02 0001 62 00 8207 0003 00 0001 64 00";
    assert_eq!(bench.actions().concat(), packets.replace(' ', ""));

    // No wildcards, no identifiers, no shared subscriptions.
    let mut bench = Bench::new(v5());
    for filter in ["a/#", "$share/g/a", "b"] {
        subscribe(&mut bench, filter, Some(7));
    }
    bench.session.connect(bench.now);
    bench.actions();
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("2009 00 00 06 28 00 29 00 2a 00");
    assert_eq!(bench.actions().concat(), "8207 0001 00 0001 62 00".replace(' ', ""));
    let refused: Vec<_> = bench.events()[1..].iter().map(|event| format!("{event:?}")).collect();
    assert!(refused[0].contains("0xA2") && refused[1].contains("0x9E") && refused.len() == 2, "{refused:?}");
}

#[test]
fn only_an_accepted_version_is_saved() {
    let mut bench = Bench::new(Options { session_expiry_s: 60, ..auto() });
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    // An old server's "unacceptable protocol version"; its answer to 3.1.1 is unknown.
    bench.serve("20020001");
    let (mut session, _) = Session::restore(auto(), 1, bench.session.snapshot());
    session.connect(bench.now);
    assert!(matches!(session.poll_event(), Some(Event::Dialing { version: Version::V5 })));
}

#[test]
fn messages_in_flight_to_a_3_1_1_server_are_limited() {
    let mut bench = Bench::online(v311());
    bench.actions();
    for _ in 0..30 {
        bench.publish(QoS::ExactlyOnce, "x");
    }
    // 34 07 0001 74 and the identifier.
    assert_eq!(bench.actions().concat().matches("3406000174").count(), 20);
    bench.serve("50020001");
    assert_eq!(bench.actions(), ["62020001"]);
    bench.serve("70020001");
    assert_eq!(bench.actions().concat().matches("3406000174").count(), 1);
}
