//! The server's limits and the session's quota, in cases that require a server that changes its limits or allows almost
//! nothing.

mod bench;

use std::time::Duration;

use bench::{Bench, CONNACK_V5, unhex, v5};
use mqtt_crawl::mqtt::error::CloseInfo;
use mqtt_crawl::mqtt::packet::{QoS, SubscriptionOptions};
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, Event, PublishError};
use mqtt_crawl::mqtt::session::options::{Message, Options, Subscription};
use mqtt_crawl::mqtt::topic::TopicFilter;

fn persistent() -> Options {
    Options { session_expiry_s: 60, ..v5() }
}

/// Returns a session connected to a server that answers CONNECT with these bytes.
fn online(options: Options, connack: &str) -> Bench {
    let mut bench = Bench::new(options);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.serve(connack);
    bench.actions();
    bench.events();
    bench
}

// covers: [MQTT-3.2.2-4]
#[test]
fn unknown_session_present_closes_the_connection() {
    let mut bench = Bench::new(Options { clean_start: false, ..persistent() });
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("2003010000");
    assert_eq!(bench.actions().last().map(String::as_str), Some("hang up"));
}

// covers: [MQTT-3.2.2-11]
#[test]
fn lower_maximum_qos_applies_to_retransmissions() {
    // In the ordinary case it holds already.
    let mut bench = online(v5(), "2005 00 00 02 24 01");
    let token = bench.publish(QoS::ExactlyOnce, "1");
    assert!(bench.actions().is_empty());
    assert!(
        matches!(bench.events()[..], [Event::Published { token: of, outcome: DeliveryOutcome::Unsendable(_) }] if of == token)
    );

    let mut bench = Bench::online(persistent());
    bench.publish(QoS::ExactlyOnce, "1");
    bench.reconnect("2005 01 00 02 24 01");
    let sent = bench.actions().concat();
    assert!(!sent.starts_with("34") && !sent.starts_with("3c"), "QoS 2 to a server that takes QoS 1: {sent}");
}

// covers: [MQTT-3.2.2-14]
#[test]
fn retain_not_available_applies_to_retransmissions() {
    let retained = Message { topic: "t".to_owned(), qos: QoS::AtLeastOnce, retain: true, ..Message::default() };
    let mut bench = online(v5(), "2005 00 00 02 25 00");
    bench.session.publish(retained.clone(), bench.now).expect("accepted");
    assert!(bench.actions().is_empty());

    let mut bench = Bench::online(persistent());
    bench.session.publish(retained, bench.now).expect("accepted");
    bench.reconnect("2005 01 00 02 25 00");
    let sent = bench.actions().concat();
    assert!(!sent.starts_with("33") && !sent.starts_with("3b"), "retained to a server that keeps none: {sent}");
}

// covers: [MQTT-3.2.2-17], [MQTT-3.2.2-18], [MQTT-3.3.2-9]
#[test]
fn topic_aliases_stay_within_the_servers_maximum() {
    // CONNACK, then the bytes of four messages on two topics.
    let in_full = "3004 0001 74 00 3004 0001 74 00 3004 0001 75 00 3004 0001 75 00";
    for (connack, expected) in [
        (CONNACK_V5, in_full),
        ("2006 00 00 03 22 0000", in_full),
        ("2006 00 00 03 22 0001", "3007 0001 74 03 230001 3006 0000 03 230001 3004 0001 75 00 3004 0001 75 00"),
        (
            "2006 00 00 03 22 0002",
            "3007 0001 74 03 230001 3006 0000 03 230001 3007 0001 75 03 230002 3006 0000 03 230002",
        ),
    ] {
        let mut bench = online(v5(), connack);
        for topic in ["t", "t", "u", "u"] {
            let message = Message { topic: topic.to_owned(), ..Message::default() };
            bench.session.publish(message, bench.now).expect("accepted");
        }
        assert_eq!(bench.actions().concat(), expected.replace(' ', ""), "{connack}");
    }
    // The session assigns them, and they end with the connection.
    let mut bench = online(v5(), "2006 00 00 03 22 0001");
    let message = Message { topic: "t".to_owned(), properties: unhex("230001"), ..Message::default() };
    assert_eq!(bench.session.publish(message, bench.now), Err(PublishError::TopicAlias));
    bench.publish(QoS::AtMostOnce, "1");
    bench.reconnect("2006 00 00 03 22 0001");
    bench.publish(QoS::AtMostOnce, "2");
    assert_eq!(bench.actions().concat(), "30080001740323000132");
}

// covers: [MQTT-3.3.4-7]
#[test]
fn repeated_pubrel_returns_no_quota() {
    // Receive Maximum 2.
    let mut bench = online(persistent(), "2006 00 00 03 21 0002");
    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::ExactlyOnce, "2");
    bench.publish(QoS::AtLeastOnce, "3");
    bench.publish(QoS::AtLeastOnce, "4");
    bench.serve("50020002");
    assert_eq!(bench.actions().concat(), "32070001740001003134070001740002003262020002");
    bench.reconnect("2006 01 00 03 21 0002");
    let sent = bench.actions().concat();
    assert!(sent.starts_with("620200023a0700017400010031"), "{sent}");
    bench.serve("70020002");
    let publishes = |sent: &str| sent.matches("000174").count();
    let unfinished = publishes(&sent) + publishes(&bench.actions().concat());
    assert!(unfinished <= 2, "{unfinished} PUBLISH without PUBACK on this connection");
}

// covers: [MQTT-3.3.4-8]
#[test]
fn pubrel_does_not_wait_for_the_quota() {
    let mut bench = Bench::online(persistent());
    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::AtLeastOnce, "2");
    bench.publish(QoS::ExactlyOnce, "3");
    bench.serve("50020003");
    bench.actions();
    // The server is back, now with Receive Maximum 1.
    bench.reconnect("2006 01 00 03 21 0001");
    let sent = bench.actions().concat();
    assert!(sent.contains("62020003"), "{sent}");
}

// covers: [MQTT-4.3.3-6]
#[test]
fn publish_acknowledged_before_its_retransmission_is_not_resent() {
    let mut bench = Bench::online(persistent());
    bench.publish(QoS::AtLeastOnce, "1");
    bench.publish(QoS::ExactlyOnce, "2");
    bench.actions();
    // Receive Maximum 1: the second waits, and the server sends PUBREC again.
    bench.reconnect("2006 01 00 03 21 0001");
    assert_eq!(bench.actions().concat(), "3a0700017400010031");
    bench.serve("50020002");
    bench.serve("40020001");
    assert_eq!(bench.actions().concat(), "62020002", "a PUBLISH after PUBREL would be another message");
    bench.serve("70020002");
    assert_eq!(bench.session.unfinished_publishes(), 0);
}

// covers: [MQTT-4.9.0-1]
#[test]
fn earlier_connections_do_not_consume_receive_maximum() {
    let mut bench = Bench::online(Options { receive_maximum: 1, ..persistent() });
    bench.serve("3406 0001 74 0001 00");
    bench.reconnect("2003010000");
    bench.actions();
    // The quota restarts with the connection; the PUBREL needs none.
    bench.serve("3406 0001 74 0002 00");
    assert_eq!(bench.actions(), ["50020002"]);
    bench.serve("62020001 3406 0001 74 0003 00");
    bench.serve("3406 0001 74 0004 00");
    assert!(bench.actions().concat().contains("e0029300"), "then it counts");
}

#[test]
fn filter_too_long_for_the_server_is_reported() {
    // Maximum Packet Size 16.
    let mut bench = online(v5(), "2008 00 00 05 27 00000010");
    let long = "a/topic/filter/of/some/length";
    bench.subscribe(long, QoS::AtMostOnce);
    assert!(bench.actions().is_empty());
    assert!(matches!(&bench.events()[..], [Event::Subscribed { filter, granted: Err(_) }] if filter == long));
    bench.subscribe("a", QoS::AtMostOnce);
    assert!(bench.actions().concat().contains("00016100"), "another filter is still requested");
}

#[test]
fn filters_exceeding_the_packet_limit_are_sent_separately() {
    let mut bench = Bench::new(v5());
    bench.subscribe("filter/1", QoS::AtMostOnce);
    bench.subscribe("filter/2", QoS::AtMostOnce);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    // Maximum Packet Size 20; one such SUBSCRIBE has 16 bytes, both together 27.
    bench.serve("2008 00 00 05 27 00000014");
    let sent = bench.actions().concat();
    assert_eq!(sent.matches("820e").count(), 2, "{sent}");
}

#[test]
fn no_local_on_a_shared_subscription_is_rejected() {
    let mut bench = Bench::online(v5());
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    let filter = TopicFilter::parse("$share/g/a").expect("a filter");
    bench.session.subscribe(Subscription { filter, options, identifier: None }, bench.now);
    assert!(bench.actions().is_empty());
    assert!(matches!(bench.events()[..], [Event::Subscribed { granted: Err(_), .. }]));
}

#[test]
fn tiny_maximum_packet_size_ends_the_connection_with_a_message() {
    let mut bench = Bench::new(v5());
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.serve("2008 00 00 05 27 00000001");
    bench.serve("3206 0001 74 0001 00");
    assert!(bench.actions().concat().ends_with("hang up"));
}

#[test]
fn retransmission_too_large_for_the_server_has_an_outcome() {
    let mut bench = Bench::online(persistent());
    bench.publish(QoS::AtLeastOnce, "more than eight bytes");
    bench.actions();
    bench.session.handle_close(CloseInfo::default(), bench.now);
    bench.now = bench.now + Duration::from_secs(61);
    bench.session.handle_timeout(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.events();
    // Maximum Packet Size 8, Receive Maximum 1.
    bench.serve("200b 01 00 08 27 00000008 21 0001");
    assert!(bench.events().iter().any(|event| matches!(event, Event::Published { .. })), "an outcome");
    bench.publish(QoS::AtLeastOnce, "");
    assert!(bench.actions().concat().starts_with("3206"), "the quota is still there");
}

#[test]
fn unresendable_publish_has_an_unknown_outcome() {
    // (the answer to the second CONNECT: the session is kept, or lost)
    for connack in ["2008 01 00 05 27 00000008", "2008 00 00 05 27 00000008"] {
        let mut bench = Bench::online(persistent());
        let sent = bench.publish(QoS::AtLeastOnce, "more than eight bytes");
        bench.session.handle_close(CloseInfo::default(), bench.now);
        let waiting = bench.publish(QoS::AtLeastOnce, "more than eight bytes");
        bench.wait_for_timeout();
        bench.session.handle_open(bench.now);
        bench.events();
        bench.serve(connack);
        let outcomes: Vec<_> = bench
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Published { token, outcome } => Some((token, outcome == DeliveryOutcome::Unknown)),
                _ => None,
            })
            .collect();
        assert_eq!(outcomes, [(sent, true), (waiting, false)], "{connack}");
    }
}
