//! Brokers that misbehave in one way each, for a minute of virtual time: nothing continues without an end, and every
//! case has a message.

mod broker;
#[path = "../export/mod.rs"]
mod export;
mod property;
mod sim;

use std::time::Duration;

use broker::Mode;
use mqtt_crawl::mqtt::deviation::Deviation;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::protocol::command::{PageCommand, PanelCommand};
use mqtt_crawl::protocol::connection::ConnectionOptions;
use mqtt_crawl::protocol::connection::ConnectionState;
use mqtt_crawl::protocol::publish::PublishOutcome;
use mqtt_crawl::protocol::subscription::SubscriptionStatus;
use sim::{ConnectOptions, Sim, request};

const MINUTE: Duration = Duration::from_secs(60);
const V5: Option<Version> = Some(Version::V5);
const V311: Option<Version> = Some(Version::V311);
const AUTO: Option<Version> = None;

/// More attempts within a minute than this are a loop. "Auto" may make two of each.
const DIALS_MAX: usize = 20;

use ConnectionState::{Connected, Reconnecting, Stopped};

/// The mode, the versions, the state after a minute, and the message by then.
type Case = (Mode, &'static [Option<Version>], ConnectionState, &'static str);

const ALL: &[Option<Version>] = &[AUTO, V5, V311];
const BY_5: &[Option<Version>] = &[AUTO, V5];

const CASES: &[Case] = &[
    (Mode::Good, ALL, Connected, "Connected to"),
    (Mode::EmptyFrames, ALL, Connected, "Connected to"),
    // CONNECT and its answer.
    (Mode::OldConnAck, &[AUTO], Connected, "3.1.1"),
    (Mode::OldConnAck, &[V5], Stopped, "answered CONNECT in the format of MQTT 3.1.1"),
    (Mode::SilentToV5, &[AUTO], Connected, "3.1.1"),
    (Mode::SilentToV5, &[V5], Reconnecting, "didn't answer CONNECT"),
    (Mode::Silent, ALL, Reconnecting, "didn't answer CONNECT"),
    (Mode::CloseOnConnect, ALL, Reconnecting, "client ID"),
    (Mode::Busy, ALL, Reconnecting, "isn't accepting connections right now"),
    (Mode::NoConnAck, ALL, Stopped, "[MQTT-3.2.0-1]"),
    (Mode::PublishFirst, ALL, Stopped, "[MQTT-3.2.0-1]"),
    // Maximum QoS 2, Receive Maximum 0, Maximum Packet Size 0, Retain Available 2.
    (Mode::Properties(&[0x24, 2]), &[AUTO], Connected, "3.1.1"),
    (Mode::Properties(&[0x24, 2]), &[V5], Connected, "maximum QoS"),
    (Mode::Properties(&[0x21, 0, 0]), &[AUTO], Connected, "3.1.1"),
    (Mode::Properties(&[0x21, 0, 0]), &[V5], Connected, "receive maximum of 0"),
    (Mode::Properties(&[0x27, 0, 0, 0, 0]), &[V5], Connected, "maximum packet size of 0"),
    (Mode::Properties(&[0x25, 2]), &[V5], Connected, "neither 0 nor 1"),
    // The same property twice is ambiguous.
    (Mode::Properties(&[0x24, 1, 0x24, 0]), &[V5], Stopped, "3 times"),
    (Mode::Properties(&[0x24, 1, 0x24, 0]), &[AUTO], Connected, "3.1.1"),
    // Closes.
    (Mode::CloseOnceAccepted, ALL, Reconnecting, "times in the same way"),
    (Mode::TakeOver, ALL, Reconnecting, "client ID “crawl-1”"),
    (Mode::BytesAndClose(&[0x30, 0x7F, 0]), ALL, Reconnecting, "times in the same way"),
    (Mode::BytesAndClose(&[0xE0, 1, 0x8B]), BY_5, Reconnecting, "shutting down"),
    (Mode::BytesAndClose(&[0xE0, 1, 0x8F]), BY_5, Reconnecting, "topic filter invalid"),
    (Mode::BytesAndClose(&[0xE0, 1, 0x9D]), BY_5, Stopped, "moved to another server"),
    (Mode::BytesAndClose(&[0xE0, 0]), &[V311], Stopped, "which only clients may send"),
    // Without a request of ours nothing of ours is the cause.
    (Mode::CloseOnPubAck, ALL, Reconnecting, "times in the same way"),
    (Mode::PingBack, ALL, Connected, "which only clients may send"),
    (Mode::CloseOnPing, ALL, Connected, "was lost"),
    // Subscriptions.
    (Mode::CloseOnSubscribe, ALL, Connected, "on each subscription to “#”"),
    (Mode::NoSubAck, ALL, Connected, "hasn't acknowledged the subscription to “#”"),
    (Mode::OldSubAck, BY_5, Connected, "SUBSCRIBE in the format of MQTT 3.1.1"),
    (Mode::LongSubAck, ALL, Stopped, "3 times"),
    (Mode::OtherSubAck, ALL, Connected, "hasn't acknowledged the subscription to “#”"),
    (Mode::SubAckCode(0x87), &[V311], Stopped, "[MQTT-3.9.3-2] of 3.1.1"),
    // Messages.
    (Mode::Sends(&[(0x38, b"t", b"x")]), BY_5, Connected, "[MQTT-3.3.1-2]"),
    (Mode::Sends(&[(0x38, b"t", b"x")]), &[V311], Stopped, "The topic is “t”"),
    (Mode::Sends(&[(0x31, b"dev#7/a", b"x")]), BY_5, Connected, "[MQTT-3.3.2-2]"),
    (Mode::Sends(&[(0x31, b"dev#7/a", b"x")]), &[V311], Stopped, "The topic is “dev#7/a”"),
    (Mode::Sends(&[(0x33, b"a/+", b"x")]), BY_5, Connected, "[MQTT-3.3.2-2]"),
    (Mode::Sends(&[(0x30, b"a\0b", b"x")]), BY_5, Connected, "[MQTT-1.5.4-2]"),
    (Mode::Sends(&[(0x30, b"a\0b", b"x")]), &[V311], Stopped, "[MQTT-1.5.4-2]"),
    (Mode::Sends(&[(0x30, b"", b"x")]), BY_5, Connected, "[MQTT-4.7.3-1]"),
    (Mode::Sends(&[(0x30, b"", b"x")]), &[V311], Stopped, "[MQTT-4.7.3-1]"),
    (Mode::Sends(&[(0x32, b"\xC3\x28", b"x")]), BY_5, Connected, "[MQTT-1.5.4-1]"),
    (Mode::Sends(&[(0x32, b"\xC3\x28", b"x")]), &[V311], Stopped, "[MQTT-1.5.4-1]"),
    (Mode::Sends(&[(0x36, b"t", b"x")]), ALL, Stopped, "3 times"),
    (Mode::Large(0x31), &[V311], Connected, "A message of 18 MB on “large” was skipped"),
    (Mode::Large(0x33), &[V311], Connected, "A message of 18 MB on “large” was skipped"),
    (Mode::Large(0x35), &[V311], Connected, "A message of 18 MB on “large” was skipped"),
    // Its limit was stated [MQTT-3.1.2-24].
    (Mode::Large(0x31), BY_5, Stopped, "3 times"),
    (Mode::TextFrame, ALL, Stopped, "text frame"),
    (Mode::Bytes(&[0x00, 0x00]), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0xF0, 2, 0x18, 0]), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0x20, 2, 0, 0]), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0x30, 3, 0, 9, b'a']), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0x32, 6, 0, 1, b'a', 0, 0, 0]), ALL, Stopped, "3 times"),
    (Mode::Bytes(&[0xC0, 0]), ALL, Stopped, "which only clients may send"),
    (Mode::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ALL, Stopped, "3 times"),
    // Harmless: nothing waits for these.
    (Mode::Bytes(&[0xD0, 0]), ALL, Connected, "Connected to"),
    (Mode::Bytes(&[0x40, 2, 0, 99]), ALL, Connected, "Connected to"),
    (Mode::Bytes(&[0x62, 2, 0, 99]), ALL, Connected, "Connected to"),
];

#[test]
fn every_misbehaviour_is_handled_and_explained() {
    for (mode, versions, state, text) in CASES {
        for version in *versions {
            for is_kept in [false, true] {
                let case = format!("{mode:?}, {version:?}, kept: {is_kept}");
                let mut sim = Sim::connect(*mode, &ConnectOptions { is_kept, ..ConnectOptions::new(*version) });
                sim.run_for(MINUTE);
                check_bounded(&sim, &case);
                assert_eq!(sim.connection().state, *state, "{case}: {}", sim.shown_text());
                assert!(sim.shown_text().contains(text), "{case}: {text:?} isn't in\n{}", sim.shown_text());
            }
        }
    }
}

#[track_caller]
fn check_bounded(sim: &Sim, case: &str) {
    assert!(sim.dials.len() <= DIALS_MAX, "{case}: {} attempts\n{}", sim.dials.len(), sim.shown_text());
}

fn clean(version: Option<Version>) -> ConnectOptions {
    ConnectOptions { qos: QoS::AtMostOnce, ..ConnectOptions::new(version) }
}

fn outcome(sim: &Sim, number: u64) -> Option<&PublishOutcome> {
    sim.published.iter().find(|published| published.number == number).map(|published| &published.outcome)
}

#[track_caller]
fn check_given_up(sim: &Sim, number: u64, text: &str) {
    let Some(PublishOutcome::Failed(why)) = outcome(sim, number) else {
        panic!("{number}: {:?}\n{}", outcome(sim, number), sim.shown_text())
    };
    assert!(why.contains("closed the connection") && why.contains(text), "{why}");
}

#[test]
fn too_large_message_is_dropped_and_the_others_arrive() {
    for version in ALL {
        let mut sim = Sim::connect(Mode::CloseOnLarge(2_048), &clean(*version));
        sim.publish(1, "a", b"small".to_vec(), QoS::AtLeastOnce);
        sim.publish(2, "a", vec![b'x'; 3_000], QoS::AtLeastOnce);
        sim.publish(3, "a", b"also small".to_vec(), QoS::AtLeastOnce);
        sim.run_for(MINUTE);
        check_given_up(&sim, 2, "3,000 bytes");
        assert!(
            sim.shown_text().contains("each time the message to “a” (3,000 bytes) is sent"),
            "{}",
            sim.shown_text()
        );
        assert_eq!(outcome(&sim, 1), Some(&PublishOutcome::Done), "{version:?}");
        assert_eq!(outcome(&sim, 3), Some(&PublishOutcome::Done), "{version:?}");
        assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 4), "{version:?}");
    }
}

#[test]
fn qos_2_message_without_a_session_is_unconfirmed_and_not_resent() {
    for version in ALL {
        let mut sim = Sim::connect(Mode::CloseOnLarge(2_048), &clean(*version));
        sim.publish(1, "a", vec![b'x'; 3_000], QoS::ExactlyOnce);
        sim.run_for(MINUTE);
        assert!(matches!(outcome(&sim, 1), Some(PublishOutcome::Unknown(_))), "{version:?}: {:?}", outcome(&sim, 1));
        assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 2), "{version:?}");
    }
}

#[test]
fn failure_to_clear_a_session_stops_after_three_connections() {
    for (version, is_kept) in [(V5, false), (V5, true), (V311, false)] {
        let mut sim = Sim::connect(Mode::SessionPresent, &ConnectOptions { is_kept, ..clean(version) });
        sim.run_for(MINUTE);
        assert_eq!(sim.connection().state, Stopped, "{version:?}, {is_kept}: {}", sim.shown_text());
        // In 5.0 the first may belong to an earlier run, which is another rule.
        assert!(sim.dials.len() <= 4, "{} attempts", sim.dials.len());
        assert!(sim.shown_text().contains("3 times"), "{}", sim.shown_text());
    }
}

#[test]
fn link_cut_before_the_message_is_sent_blames_no_message() {
    for version in ALL {
        let mut sim = Sim::connect(Mode::CloseOnPublish, &clean(*version));
        sim.publish(1, "a", b"small".to_vec(), QoS::AtLeastOnce);
        while sim.broker.received.iter().filter(|first| *first >> 4 == 3).count() < 2 {
            sim.run_for(Duration::from_millis(20));
        }
        sim.broker.mode = Mode::CloseOnNextPacket;
        sim.run_for(MINUTE);
        assert_eq!(outcome(&sim, 1), None, "{version:?}: {}", sim.shown_text());
        sim.broker.mode = Mode::Good;
        sim.run_for(MINUTE);
        assert_eq!(outcome(&sim, 1), Some(&PublishOutcome::Done), "{version:?}: {}", sim.shown_text());
        assert!(sim.broker.received.iter().any(|first| first >> 4 == 8), "the subscription is kept");
    }
}

#[test]
fn unauthorized_message_is_dropped_and_the_connection_kept() {
    let mut sim = Sim::connect(Mode::DisconnectOnPublish(0x87), &clean(V5));
    sim.publish(1, "forbidden", b"x".to_vec(), QoS::AtLeastOnce);
    sim.run_for(MINUTE);
    check_given_up(&sim, 1, "1 bytes");
    assert_eq!(sim.connection().state, Connected, "{}", sim.shown_text());
}

#[test]
fn link_cut_before_a_pubrel_does_not_blame_it() {
    let mut sim = Sim::connect(Mode::CloseOnRelease, &ConnectOptions { is_kept: true, ..clean(V5) });
    sim.publish(1, "a", b"x".to_vec(), QoS::ExactlyOnce);
    while sim.broker.received.iter().filter(|first| *first >> 4 == 6).count() < 2 {
        sim.run_for(Duration::from_millis(20));
    }
    sim.broker.mode = Mode::CloseOnNextPacket;
    sim.run_for(MINUTE);
    assert_eq!(sim.connection().question, None, "{}", sim.shown_text());
    sim.broker.mode = Mode::Good;
    sim.run_for(MINUTE);
    assert_eq!(outcome(&sim, 1), Some(&PublishOutcome::Done), "{}", sim.shown_text());
}

#[test]
fn link_cut_within_the_answer_blames_no_message() {
    for version in ALL {
        let mut sim = Sim::connect(Mode::CloseWithinPubAck, &clean(*version));
        sim.publish(1, "a", b"small".to_vec(), QoS::AtLeastOnce);
        sim.run_for(MINUTE);
        assert_eq!(outcome(&sim, 1), None, "{version:?}: {}", sim.shown_text());
        sim.broker.mode = Mode::Good;
        sim.run_for(MINUTE);
        assert_eq!(outcome(&sim, 1), Some(&PublishOutcome::Done), "{version:?}: {}", sim.shown_text());
    }
}

#[test]
fn forbidden_small_message_is_dropped() {
    for mode in [Mode::CloseOnPublish, Mode::CloseOnControlCharacter, Mode::DisconnectOnPublish(0x90)] {
        for version in [V5, V311] {
            let mut sim = Sim::connect(mode, &clean(version));
            sim.publish(1, "StarWars\t", b"x".to_vec(), QoS::AtLeastOnce);
            sim.run_for(MINUTE);
            if version == V311 && matches!(mode, Mode::DisconnectOnPublish(_)) {
                // DISCONNECT from a 3.1.1 server is itself a violation.
                assert_eq!(sim.connection().state, Stopped);
                continue;
            }
            check_given_up(&sim, 1, "topic may be forbidden");
            assert_eq!(sim.connection().state, Connected, "{mode:?} {version:?}: {}", sim.shown_text());
            check_bounded(&sim, "forbidden");
        }
    }
}

#[test]
fn user_is_asked_in_a_persistent_session() {
    for version in ALL {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for answer in [PageCommand::DropMessage, PageCommand::EndSession] {
                let mut sim =
                    Sim::connect(Mode::CloseOnLarge(2_048), &ConnectOptions { is_kept: true, ..clean(*version) });
                sim.publish(1, "a", vec![b'x'; 3_000], qos);
                sim.publish(2, "a", b"small".to_vec(), qos);
                sim.run_for(Duration::from_secs(30));
                let question = sim.connection().question.clone().expect("a question");
                assert!(
                    question.contains("“a” (3,000 bytes)") && question.contains("unless you drop it"),
                    "{question}"
                );
                assert!(!sim.connection().message.contains("unless you drop it"), "it is on the screen twice");
                sim.run_for(Duration::from_secs(600));
                assert_eq!(sim.connection().state, Stopped, "it has an end");
                assert!(sim.dials.len() <= 8, "{} attempts", sim.dials.len());
                sim.command(answer.clone());
                sim.run_for(MINUTE);
                assert_eq!(sim.connection().state, Connected, "{}", sim.shown_text());
                assert_eq!(sim.connection().question, None);
                assert_eq!(sim.connection().subscriptions.len(), 1, "they are still shown");
                assert_eq!(outcome(&sim, 1), Some(&PublishOutcome::Failed("dropped".to_owned())));
                let others = if answer == PageCommand::EndSession && qos == QoS::ExactlyOnce {
                    // It may or may not have arrived; or it was never sent.
                    matches!(outcome(&sim, 2), Some(PublishOutcome::Unknown(_) | PublishOutcome::Done))
                } else {
                    outcome(&sim, 2) == Some(&PublishOutcome::Done)
                };
                assert!(others, "{version:?} {qos} {answer:?}: {:?}", outcome(&sim, 2));
            }
        }
    }
}

#[test]
fn refused_pubrel_is_treated_like_its_message() {
    let mut sim = Sim::connect(Mode::CloseOnRelease, &clean(V311));
    sim.publish(1, "a", b"x".to_vec(), QoS::ExactlyOnce);
    sim.run_for(MINUTE);
    assert!(
        matches!(outcome(&sim, 1), Some(PublishOutcome::Unknown(_) | PublishOutcome::Failed(_))),
        "{}",
        sim.shown_text()
    );
    assert_eq!(sim.connection().state, Connected, "{}", sim.shown_text());
    let mut sim = Sim::connect(Mode::CloseOnRelease, &ConnectOptions { is_kept: true, ..clean(V5) });
    sim.publish(1, "a", b"x".to_vec(), QoS::ExactlyOnce);
    sim.run_for(MINUTE);
    assert!(sim.connection().question.is_some(), "{}", sim.shown_text());
    check_bounded(&sim, "release");
}

#[test]
fn unanswered_message_is_reported_and_the_connection_kept() {
    for version in [V5, V311] {
        let mut sim = Sim::connect(Mode::NoPubAck, &clean(version));
        sim.publish(1, "a", b"x".to_vec(), QoS::AtLeastOnce);
        sim.run_for(MINUTE);
        assert!(sim.shown_text().contains("hasn't acknowledged the message to “a” for 10 s"), "{}", sim.shown_text());
        assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 1));
    }
}

#[test]
fn message_with_another_acknowledgement_is_reported_and_the_connection_kept() {
    for (first, qos) in [(0x50, QoS::AtLeastOnce), (0x70, QoS::AtLeastOnce), (0x40, QoS::ExactlyOnce)] {
        for version in [V5, V311] {
            let mut sim = Sim::connect(Mode::WrongPubAck(first), &clean(version));
            sim.publish(1, "a", b"x".to_vec(), qos);
            sim.run_for(MINUTE);
            assert!(
                sim.shown_text().contains("hasn't acknowledged the message to “a” for 10 s"),
                "{}",
                sim.shown_text()
            );
            assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 1));
        }
    }
}

#[test]
fn refused_filter_is_named_and_the_connection_kept() {
    for (code, text) in [(0x87, "not authorized"), (0x97, "quota exceeded"), (3, "0x03")] {
        let mut sim = Sim::connect(Mode::SubAckCode(code), &clean(V5));
        sim.run_for(MINUTE);
        let granted = &sim.connection().subscriptions[0].granted;
        assert!(matches!(granted, SubscriptionStatus::Refused(why) if why.contains(text)), "{granted:?}");
        assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 1));
    }
}

#[test]
fn qos_0_messages_that_end_the_connection_are_reported() {
    let mut sim = Sim::connect(Mode::CloseOnPublish, &clean(V311));
    for number in 0..60 {
        sim.publish(number, "forbidden", b"x".to_vec(), QoS::AtMostOnce);
        sim.run_for(Duration::from_secs(1));
    }
    assert!(sim.shown_text().contains("each time a message to “forbidden” is sent"), "{}", sim.shown_text());
    check_bounded(&sim, "QoS 0");
}

#[test]
fn nine_filters_are_sent_in_two_packets() {
    for version in ALL {
        let topics = (0..20).map(|n| format!("t/{n}")).collect();
        let mut sim = Sim::connect(Mode::EightFilters, &ConnectOptions { topics, ..clean(*version) });
        sim.run_for(MINUTE);
        assert_eq!(sim.dials.len(), 1, "{version:?}: {}", sim.shown_text());
        assert_eq!(sim.broker.received.iter().filter(|first| **first == 0x82).count(), 3);
    }
}

#[test]
fn filter_that_ends_connections_is_isolated() {
    for version in ALL {
        for is_kept in [false, true] {
            let topics = ["a", "b", "#", "c/#", "d", "e", "f", "g", "h", "i"].map(str::to_owned).to_vec();
            let mut sim =
                Sim::connect(Mode::ForbiddenFilter("#"), &ConnectOptions { topics, is_kept, ..clean(*version) });
            sim.run_for(MINUTE);
            let connection = sim.connection();
            assert_eq!(connection.state, Connected, "{version:?}: {}", sim.shown_text());
            let refused: Vec<_> = connection
                .subscriptions
                .iter()
                .filter(|entry| matches!(entry.granted, SubscriptionStatus::Refused(_)))
                .map(|entry| entry.filter.as_str())
                .collect();
            assert_eq!(refused, ["#"], "{version:?}, kept: {is_kept}: {:?}", connection.subscriptions);
            let granted =
                connection.subscriptions.iter().filter(|entry| matches!(entry.granted, SubscriptionStatus::QoS(_)));
            assert_eq!(granted.count(), 9, "{version:?}, kept: {is_kept}: {:?}", connection.subscriptions);
            assert!(
                sim.shown_text().contains("on each subscription to “#”. The filter is skipped"),
                "{}",
                sim.shown_text()
            );
            assert!(sim.dials.len() <= 6, "{} attempts", sim.dials.len());
        }
    }
}

#[test]
fn unsubscribe_that_ends_connections_is_abandoned() {
    for version in [V5, V311] {
        let mut sim = Sim::connect(Mode::CloseOnUnsubscribe, &ConnectOptions { is_kept: true, ..clean(version) });
        sim.command(PanelCommand::Unsubscribe("#".to_owned()));
        sim.run_for(MINUTE);
        assert_eq!(sim.connection().state, Connected, "{}", sim.shown_text());
        assert!(sim.shown_text().contains("unsubscribe from “#”"), "{}", sim.shown_text());
        assert!(sim.dials.len() <= 5, "{} attempts", sim.dials.len());
    }
}

#[test]
fn unanswered_unsubscribe_is_reported() {
    for (mode, version, text) in [
        (Mode::NoUnsubAck, V5, "hasn't acknowledged the unsubscription from “#”"),
        (Mode::NoUnsubAck, V311, "hasn't acknowledged the unsubscription from “#”"),
        (Mode::OldUnsubAck, V5, "UNSUBSCRIBE in the format of MQTT 3.1.1"),
    ] {
        let mut sim = Sim::connect(mode, &clean(version));
        sim.command(PanelCommand::Unsubscribe("#".to_owned()));
        sim.run_for(MINUTE);
        assert!(sim.shown_text().contains(text), "{}", sim.shown_text());
        assert_eq!(sim.dials.len(), 1);
    }
}

#[test]
fn tolerated_messages_are_kept_or_skipped_by_the_table() {
    for (first, topic, is_kept) in [
        (0x38, &b"t"[..], true),
        (0x31, b"dev#7/a", true),
        (0x30, b"a\0b", true),
        (0x30, b"", false),
        (0x30, b"\xC3\x28", false),
    ] {
        let message: &'static [(u8, &[u8], &[u8])] = Box::leak(Box::new([(first, topic, &b"x"[..])]));
        let mut sim = Sim::connect(Mode::Sends(message), &clean(V5));
        sim.run_for(Duration::from_secs(1));
        let exported = export::ndjson(&mut sim.engine, sim.now);
        let lines = exported.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines, if is_kept { 2 } else { 1 }, "{topic:?}: {}", String::from_utf8_lossy(&exported));
    }
}

#[test]
fn kept_message_shows_its_violation() {
    for (topic, qos, dup, rule) in [
        ("a/#", QoS::AtMostOnce, false, Some("[MQTT-3.3.2-2]")),
        ("a\0", QoS::AtLeastOnce, true, Some("[MQTT-1.5.4-2]")),
        ("a", QoS::AtMostOnce, true, Some("[MQTT-3.3.1-2]")),
        ("a", QoS::AtLeastOnce, true, None),
    ] {
        assert_eq!(Deviation::of_message(topic, qos, dup).map(Deviation::rule), rule, "{topic:?}");
    }
}

#[test]
fn message_after_a_skipped_one_arrives_and_both_are_acknowledged() {
    for (first, acknowledgement) in [(0x31, None), (0x33, Some(0x40)), (0x35, Some(0x50))] {
        for mode in [Mode::Large(first), Mode::LargeInOneFrame(first)] {
            let mut sim = Sim::connect(mode, &clean(V311));
            sim.run_for(Duration::from_secs(1));
            let exported = export::ndjson(&mut sim.engine, sim.now);
            assert!(String::from_utf8_lossy(&exported).contains("IDA: Good."), "{mode:?}");
            let acknowledged = sim.broker.received.iter().copied().find(|first| matches!(first, 0x40 | 0x50));
            assert_eq!(acknowledged, acknowledgement, "{mode:?}");
        }
    }
}

// ---- connections that are dead and look alive ------------------------------------

#[test]
fn dead_connection_is_detected_within_seconds_of_waking() {
    for version in [V5, V311] {
        for keep_alive_s in [0, 30, 300] {
            let mut sim = Sim::connect(Mode::Good, &clean(version));
            sim.command(PageCommand::SetConnectionOptions(Box::new(ConnectionOptions {
                keep_alive_s,
                ..ConnectionOptions::default()
            })));
            sim.command(PageCommand::Connect(request(&clean(version))));
            sim.run_for(Duration::from_secs(1));
            assert_eq!(sim.connection().state, Connected);
            let dials = sim.dials.len();
            sim.is_black_hole = true;
            sim.run_for(Duration::from_secs(5));
            assert_eq!(sim.connection().state, Connected, "nothing shows it yet");
            let woken = sim.now;
            sim.command(PageCommand::RetryNow);
            sim.run_for(Duration::from_millis(2_900));
            assert_eq!(sim.connection().state, Connected);
            sim.run_for(Duration::from_millis(200));
            assert_eq!(sim.connection().state, Reconnecting, "{keep_alive_s}");
            assert!(sim.connection().message.contains("stopped responding"), "{}", sim.connection().message);
            sim.is_black_hole = false;
            sim.run_for(Duration::from_secs(2));
            assert_eq!((sim.connection().state, sim.dials.len()), (Connected, dials + 1));
            assert!(sim.dials[dials].since(woken) < Duration::from_secs(5));
        }
    }
}

#[test]
fn living_connection_survives_waking() {
    let mut sim = Sim::connect(Mode::Good, &clean(V5));
    for _ in 0..10 {
        sim.command(PageCommand::RetryNow);
        sim.run_for(Duration::from_secs(20));
    }
    assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 1));
}

#[test]
fn after_sleep_times_follow_the_wall_clock_and_the_connection_is_pinged() {
    const HOUR_US: i64 = 3_600_000_000;
    let mut sim = Sim::connect(Mode::Good, &clean(V5));
    sim.run_for(Duration::from_secs(1));
    sim.is_black_hole = true;
    sim.engine.handle_clock_jump(HOUR_US, sim.now);
    sim.run_for(Duration::from_secs(3));
    assert!(sim.shown_text().contains("stopped responding"), "{}", sim.shown_text());
    sim.is_black_hole = false;
    sim.run_for(Duration::from_secs(3));
    assert_eq!(sim.connection().state, Connected);
    let wall = sim.now.as_micros() + HOUR_US as u64;
    assert!(wall - sim.last_time().as_micros() < 10_000_000);
    // A clock that is set back, too; nothing waits for that.
    sim.engine.handle_clock_jump(-HOUR_US, sim.now);
    sim.engine.handle_input(b"\x30\x04\x00\x01a\x00", sim.now);
    assert_eq!(sim.last_time().as_micros() + HOUR_US as u64, sim.now.as_micros());
    sim.run_for(MINUTE);
    assert_eq!((sim.connection().state, sim.dials.len()), (Connected, 2));
}
