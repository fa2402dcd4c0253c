//! Session and scripted server in virtual time: every reason code of 5.0 and
//! every return code of 3.1.1, in each packet that can carry it.

mod bench;

use std::time::Duration;

use bench::{Bench, CONNACK_V311, auto, v5, v311};
use mqtt_crawl::mqtt::error::Failure;
use mqtt_crawl::mqtt::packet::{QoS, ReasonCode};
use mqtt_crawl::mqtt::session::Session;
use mqtt_crawl::mqtt::session::event::{DeliveryOutcome, Event};
use mqtt_crawl::mqtt::session::options::Options;
use mqtt_crawl::mqtt::topic::TopicFilter;

/// What follows a connection that ended for this reason.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Retry {
    Never,
    /// Within the first second of the back-off.
    Soon,
    /// After minutes.
    Late,
}

use Retry::{Late, Never, Soon};

/// CONNACK and DISCONNECT of 5.0: reason, whether it is retried, the text for a person. The rows are the codes from 80
/// on in table 2-6 of the standard; whether each is retried is a decision of this project.
const ENDS: [(u8, Retry, &str); 35] = [
    (0x80, Soon, "unspecified error"),
    (0x81, Soon, "malformed packet"),
    (0x82, Soon, "protocol error"),
    (0x83, Soon, "implementation specific error"),
    (0x84, Never, "unsupported protocol version"),
    (0x85, Never, "client identifier not valid"),
    (0x86, Never, "bad user name or password"),
    (0x87, Never, "not authorized"),
    (0x88, Soon, "server unavailable"),
    (0x89, Soon, "server busy"),
    (0x8A, Never, "banned"),
    (0x8B, Soon, "server shutting down"),
    (0x8C, Never, "bad authentication method"),
    (0x8D, Soon, "keep alive timeout"),
    (0x8E, Never, "session taken over"),
    (0x8F, Soon, "topic filter invalid"),
    (0x90, Soon, "topic name invalid"),
    (0x91, Soon, "packet identifier in use"),
    (0x92, Soon, "packet identifier not found"),
    (0x93, Soon, "receive maximum exceeded"),
    (0x94, Soon, "topic alias invalid"),
    (0x95, Soon, "packet too large"),
    (0x96, Soon, "message rate too high"),
    (0x97, Late, "quota exceeded"),
    (0x98, Late, "administrative action"),
    (0x99, Soon, "payload format invalid"),
    (0x9A, Soon, "retain not supported"),
    (0x9B, Soon, "QoS not supported"),
    (0x9C, Never, "use another server"),
    (0x9D, Never, "server moved"),
    (0x9E, Soon, "shared subscriptions not supported"),
    (0x9F, Soon, "connection rate exceeded"),
    (0xA0, Soon, "maximum connect time"),
    (0xA1, Soon, "subscription identifiers not supported"),
    (0xA2, Soon, "wildcard subscriptions not supported"),
];

/// Checks that the ended connection was reported and nothing else, and that the next attempt is made at the right time.
fn check_disconnected(bench: &mut Bench, retry: Retry, expected: &[&str], case: &str) {
    assert_eq!(bench.actions(), ["hang up"], "{case}");
    let events = bench.events();
    let [Event::Disconnected { failure, retry_at, .. }] = &events[..] else { panic!("{case}: {events:?}") };
    let message = failure.to_string();
    for word in expected {
        assert!(message.contains(word), "{case}: {word:?} isn't in {message:?}");
    }
    assert!(!message.contains("))"), "{case}: brackets in brackets: {message:?}");
    let wait = retry_at.map(|at| at.since(bench.now));
    match (retry, wait) {
        (Never, None) => {}
        (Soon, Some(wait)) => assert!(wait <= Duration::from_secs(1), "{case}: {wait:?}"),
        (Late, Some(wait)) => assert!(wait >= Duration::from_secs(120), "{case}: {wait:?}"),
        other => panic!("{case}: {other:?}"),
    }
    assert_eq!(bench.session.poll_timeout(), *retry_at, "{case}");
    if retry == Never {
        bench.now = bench.now + Duration::from_secs(86_400);
        bench.session.handle_timeout(bench.now);
        bench.session.retry_now(bench.now);
        assert!(bench.actions().is_empty(), "{case}: not without a person");
        bench.session.connect(bench.now);
    } else {
        bench.wait_for_timeout();
    }
    assert_eq!(bench.actions(), ["dial"], "{case}");
}

/// CONNECT was sent.
fn awaiting_connack(options: Options) -> Bench {
    let mut bench = Bench::new(options);
    bench.session.connect(bench.now);
    bench.session.handle_open(bench.now);
    bench.actions();
    bench.events();
    bench
}

#[test]
fn every_reason_of_a_connack() {
    for (code, retry, name) in ENDS {
        // With the server's text and another server, and with nothing.
        for (properties, expected) in [("", vec![]), ("1f 0002 6e6f 1c 0003 683a31", vec!["“no”", "h:1"])] {
            let length = properties.replace(' ', "").len() / 2;
            let answer = format!("20 {:02x} 00 {code:02x} {length:02x} {properties}", 3 + length);
            let mut expected = expected.clone();
            let number = format!("0x{code:02X}");
            expected.extend([name, &number]);
            check_disconnected(
                &mut {
                    let mut bench = awaiting_connack(v5());
                    bench.serve(&answer);
                    bench
                },
                retry,
                &expected,
                &answer,
            );
        }
    }
}

#[test]
fn every_return_code_of_a_3_1_1_connack() {
    for (code, retry, expected) in [
        (1, Never, "version"),
        (2, Never, "client ID"),
        (3, Soon, "isn't accepting connections right now"),
        (4, Never, "user name or password"),
        (5, Never, "not authorized"),
        // Reserved for later: as unspecific as a refusal can be.
        (6, Soon, "rejected"),
        (255, Soon, "rejected"),
    ] {
        let number = format!("return code {code}");
        let answer = format!("20 02 00 {code:02x}");
        let mut bench = awaiting_connack(v311());
        bench.serve(&answer);
        check_disconnected(&mut bench, retry, &[expected, &number], &answer);
        if code <= 5 {
            // An old server's answer to 5.0.
            let mut bench = awaiting_connack(v5());
            bench.serve(&answer);
            check_disconnected(&mut bench, retry, &[expected, &number], &format!("{answer} to 5.0"));
        }
    }
}

#[test]
fn every_reason_of_a_disconnect() {
    let others = [(0x00, Soon, "success"), (0x04, Soon, "disconnect with will"), (0xC8, Soon, "doesn't list")];
    for (code, retry, name) in ENDS.into_iter().chain(others) {
        let number = format!("0x{code:02X}");
        for (form, expected) in [
            (format!("e0 01 {code:02x}"), vec![]),
            (format!("e0 02 {code:02x} 00"), vec![]),
            (format!("e0 0d {code:02x} 0b 1f 0002 6e6f 1c 0003 683a31"), vec!["“no”", "h:1"]),
        ] {
            let mut expected = expected.clone();
            expected.extend([name, &number]);
            let mut bench = Bench::online(v5());
            bench.serve(&form);
            check_disconnected(&mut bench, retry, &expected, &form);
        }
    }
}

/// The possible results of a publish, by the standard's tables 3-4 to 3-7.
const PUBLISH_REFUSALS: [u8; 8] = [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99, 0xC8];

/// One publish, its answers, and its one outcome.
fn check_publish(qos: QoS, answers: &[String], expected: Option<&DeliveryOutcome>) {
    let mut bench = Bench::online(v5());
    let token = bench.publish(qos, "x");
    for answer in answers {
        bench.serve(answer);
    }
    let outcomes = bench.events();
    match expected {
        None => assert_eq!(outcomes, [], "{answers:?}"),
        Some(outcome) => {
            assert_eq!(outcomes, [Event::Published { token, outcome: outcome.clone() }], "{answers:?}");
            assert_eq!(bench.session.unfinished_publishes(), 0, "{answers:?}");
            // Its identifier and quota are free again, and repetitions of the last answer are ignored.
            bench.serve(answers.last().expect("an answer"));
            assert_eq!(bench.events(), [], "{answers:?}");
        }
    }
    // No reason in an acknowledgement ends a connection.
    assert!(!bench.actions().contains(&"hang up".to_owned()), "{answers:?}");
}

#[test]
fn every_reason_of_puback_and_pubrec() {
    for code in [0x00, 0x10] {
        check_publish(QoS::AtLeastOnce, &[format!("40 03 0001 {code:02x}")], Some(&DeliveryOutcome::Done));
        check_publish(QoS::ExactlyOnce, &[format!("50 03 0001 {code:02x}")], None);
        let both = [format!("50 03 0001 {code:02x}"), "70 02 0001".to_owned()];
        check_publish(QoS::ExactlyOnce, &both, Some(&DeliveryOutcome::Done));
    }
    for code in PUBLISH_REFUSALS {
        let refused = DeliveryOutcome::Refused(ReasonCode(code));
        for (qos, packet) in [(QoS::AtLeastOnce, "40"), (QoS::ExactlyOnce, "50")] {
            check_publish(qos, &[format!("{packet} 03 0001 {code:02x}")], Some(&refused));
            check_publish(qos, &[format!("{packet} 04 0001 {code:02x} 00")], Some(&refused));
            check_publish(qos, &[format!("{packet} 09 0001 {code:02x} 05 1f 0002 6e6f")], Some(&refused));
        }
    }
}

#[test]
fn every_reason_of_pubcomp() {
    let recorded = || "50 02 0001".to_owned();
    check_publish(QoS::ExactlyOnce, &[recorded(), "70 03 0001 00".to_owned()], Some(&DeliveryOutcome::Done));
    // With PUBREC the server has accepted the message. If it no longer knows the identifier, that is no error (section
    // 3.7.2.1): it had finished with it before a connection was lost.
    check_publish(QoS::ExactlyOnce, &[recorded(), "70 03 0001 92".to_owned()], Some(&DeliveryOutcome::Done));
    // Without PUBREC nothing was promised: never a false success.
    check_publish(QoS::ExactlyOnce, &["70 02 0001".to_owned()], None);
}

#[test]
fn every_reason_of_pubrel() {
    for code in [0x00, 0x92] {
        let mut bench = Bench::online(v5());
        bench.serve("34 06 0001 74 0009 00");
        bench.actions();
        bench.serve(&format!("62 03 0009 {code:02x}"));
        assert_eq!(bench.actions(), ["70020009"], "{code:#x}");
        // Released for any reason: the identifier belongs to a new message.
        bench.serve("34 07 0001 74 0009 00 61");
        assert_eq!(bench.delivered.0, ["t ", "t a"], "{code:#x}");
    }
}

#[test]
fn every_reason_of_a_suback() {
    let granted = [(0x00, QoS::AtMostOnce), (0x01, QoS::AtLeastOnce), (0x02, QoS::ExactlyOnce)];
    let cases = granted
        .map(|(code, qos)| (code, Ok(qos)))
        .into_iter()
        .chain([0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2, 0xC8].map(|code| (code, Err(ReasonCode(code)))));
    for (code, granted) in cases {
        let mut bench = Bench::online(v5());
        bench.subscribe("a", QoS::ExactlyOnce);
        bench.actions();
        bench.serve(&format!("90 04 0001 00 {code:02x}"));
        assert_eq!(bench.events(), [Event::Subscribed { filter: "a".to_owned(), granted }], "{code:#x}");
        assert!(bench.actions().is_empty(), "{code:#x}");
        if code > 2 && code != 0x80 {
            continue;
        }
        let mut bench = Bench::online(v311());
        bench.subscribe("a", QoS::ExactlyOnce);
        bench.actions();
        bench.serve(&format!("90 03 0001 {code:02x}"));
        assert_eq!(bench.events(), [Event::Subscribed { filter: "a".to_owned(), granted }], "3.1.1: {code:#x}");
    }
}

#[test]
fn every_reason_of_an_unsuback() {
    for code in [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91, 0xC8] {
        let mut bench = Bench::online(v5());
        bench.subscribe("a", QoS::AtMostOnce);
        bench.serve("90 04 0001 00 00");
        bench.session.unsubscribe(&TopicFilter::parse("a").expect("a filter"), bench.now);
        bench.actions();
        bench.events();
        bench.serve(&format!("b0 04 0002 00 {code:02x}"));
        let refused = (code >= 0x80).then_some(ReasonCode(code));
        assert_eq!(bench.events(), [Event::Unsubscribed { filter: "a".to_owned(), refused }], "{code:#x}");
        assert!(bench.actions().is_empty(), "{code:#x}");
    }
}

#[test]
fn auth_of_any_reason_ends_with_a_message() {
    for code in [0x00, 0x18, 0x19] {
        let mut bench = Bench::online(v5());
        bench.serve(&format!("f0 07 {code:02x} 05 15 0002 4142"));
        assert_eq!(bench.actions(), ["e0028200", "hang up"], "{code:#x}");
        let (Failure::Violation(violation), true) = bench.failure() else { panic!("{code:#x}") };
        assert!(violation.message.contains("authentication method"), "{violation}");
    }
}

// Maximum Packet Size 3: not even a PUBREL can be sent.
#[test]
fn silent_resumed_session_is_lost_once() {
    let mut bench = Bench::online(Options { session_expiry_s: 60, ..v5() });
    for id in ["0001", "0002"] {
        bench.publish(QoS::ExactlyOnce, "x");
        bench.serve(&format!("50 02 {id}"));
    }
    bench.publish(QoS::AtMostOnce, "y");
    bench.subscribe("a", QoS::AtMostOnce);
    bench.reconnect("2008 01 00 05 27 00000003");
    assert_eq!(bench.actions(), ["hang up"]);
    let lost: Vec<_> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Disconnected { failure, .. } => Some(failure),
            _ => None,
        })
        .collect();
    assert!(matches!(&lost[..], [_, last] if matches!(**last, Failure::EncodeFailed(_))), "{lost:?}");
    assert_eq!(bench.session.unfinished_publishes(), 2);
}

// Found by the fuzzer: the second restart had lost the version.
#[test]
fn saved_session_round_trips() {
    let persistent = Options { session_expiry_s: 60, keep_session_in_v311: true, clean_start: false, ..auto() };
    let mut bench = awaiting_connack(persistent.clone());
    bench.serve("20020001");
    bench.session.handle_open(bench.now);
    bench.serve(CONNACK_V311);
    bench.publish(QoS::ExactlyOnce, "x");
    let saved = bench.session.snapshot();
    let (restored, _) = Session::restore(persistent, 1, saved.clone());
    assert_eq!(restored.snapshot(), saved);
}
