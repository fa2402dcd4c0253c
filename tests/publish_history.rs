//! The broker's limits, as text, and the outcomes of the sent messages.

use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::mqtt::session::server_capabilities::ServerCapabilities;
use mqtt_crawl::protocol::connection::{BrokerStatus, ConnectionState};
use mqtt_crawl::protocol::publish::{PublishOutcome, Published};
use mqtt_crawl::ui::broker_capabilities::{
    Capability, CapabilityRow, capabilities, unavailable_publish_reason, unavailable_reason,
};
use mqtt_crawl::ui::forms::message::{MessageFields, PayloadInput};
use mqtt_crawl::ui::publish_history::{Counts, LISTED_MAX, PublishHistory};

/// Returns a broker that forbids everything that can be forbidden.
fn strict() -> ServerCapabilities {
    ServerCapabilities {
        packet_bytes: 20_000,
        qos_maximum: QoS::AtMostOnce,
        retain_available: false,
        wildcard_available: false,
        subscription_identifiers_available: false,
        shared_available: false,
        receive_maximum: 10,
        topic_alias_maximum: 0,
        keep_alive_s: 60,
        session_expiry_s: 0,
        client_id: "c".into(),
        response_information: None,
        reason_string: None,
        user_properties: Vec::new(),
    }
}

/// Returns one that forbids nothing.
fn lenient() -> ServerCapabilities {
    ServerCapabilities {
        packet_bytes: u32::MAX,
        qos_maximum: QoS::ExactlyOnce,
        retain_available: true,
        wildcard_available: true,
        subscription_identifiers_available: true,
        shared_available: true,
        receive_maximum: 65_535,
        topic_alias_maximum: 2_000,
        keep_alive_s: 30,
        session_expiry_s: u32::MAX,
        client_id: "c".into(),
        response_information: Some("answers/".into()),
        reason_string: Some("<b>hello</b>".into()),
        user_properties: vec![("deck".into(), "7".into())],
    }
}

fn connected(version: Version, server: ServerCapabilities) -> BrokerStatus {
    BrokerStatus {
        state: ConnectionState::Connected,
        version: Some(version),
        server: Some(server),
        ..BrokerStatus::default()
    }
}

/// Returns a message as it is typed.
fn message(payload: &str) -> MessageFields {
    let payload = PayloadInput { text: payload.to_owned(), ..PayloadInput::default() };
    MessageFields { topic: "t".to_owned(), payload, ..MessageFields::default() }
}

const CAPABILITIES: [Capability; 6] = [
    Capability::QoS(QoS::AtMostOnce),
    Capability::QoS(QoS::ExactlyOnce),
    Capability::Retain,
    Capability::Properties,
    Capability::SubscriptionIdentifiers,
    Capability::KeepAlive { asked_s: 30 },
];

#[test]
fn missing_capabilities_have_a_reason() {
    for (status, expected) in [
        (BrokerStatus::default(), [None; 6]),
        (connected(Version::V5, lenient()), [None; 6]),
        (
            connected(Version::V5, strict()),
            [
                None,
                Some("maximum QoS is 0"),
                Some("support retained messages"),
                None,
                Some("support subscription identifiers"),
                Some("60 s (set by the broker)"),
            ],
        ),
        (
            connected(Version::V311, lenient()),
            [None, None, None, Some("Requires MQTT 5.0"), Some("Requires MQTT 5.0"), None],
        ),
    ] {
        for (capability, expected) in CAPABILITIES.into_iter().zip(expected) {
            let reason = unavailable_reason(&status, capability);
            let is_right = match (&reason, expected) {
                (Some(reason), Some(part)) => reason.contains(part),
                (reason, part) => reason.is_none() && part.is_none(),
            };
            assert!(is_right, "{capability:?} with {status:?} gives {reason:?}, not {expected:?}");
        }
    }
}

#[test]
fn publishing_is_possible_while_connected_or_connecting() {
    for (state, may) in [
        (ConnectionState::Idle, false),
        (ConnectionState::Connecting, true),
        (ConnectionState::Connected, true),
        (ConnectionState::Reconnecting, true),
        (ConnectionState::Stopped, false),
    ] {
        assert_eq!(unavailable_publish_reason(state).is_none(), may, "{state:?}");
    }
}

#[test]
fn capabilities_list_everything_the_broker_reported() {
    let listed = |status: &BrokerStatus| {
        capabilities(status)
            .into_iter()
            .map(|CapabilityRow { name, value }| format!("{name}: {value}"))
            .collect::<Vec<_>>()
    };
    assert!(listed(&BrokerStatus::default()).is_empty());
    assert_eq!(
        listed(&connected(Version::V5, strict())),
        [
            "Protocol: MQTT 5.0",
            "Client ID: c",
            "Keep alive: 60 s",
            "Session expiry: no",
            "Maximum QoS: 0",
            "Retained messages: no",
            "Wildcard subscriptions: no",
            "Shared subscriptions: no",
            "Subscription identifiers: no",
            "Maximum packet size: 20,000 bytes",
            "Receive maximum: 10",
            "Topic aliases: no",
        ]
    );
    let all = listed(&connected(Version::V5, lenient()));
    for line in [
        "Session expiry: unlimited",
        "Maximum packet size: unlimited",
        "Topic aliases: up to 2,000",
        "Response information: answers/",
        "Reason: <b>hello</b>",
        "User property: deck: 7",
    ] {
        assert!(all.iter().any(|found| found == line), "no {line} in {all:#?}");
    }
    for (seconds, text) in
        [(59, "59 s"), (60, "60 s"), (90, "90 s"), (300, "5 minutes"), (3_600, "1 hour"), (7_200, "2 hours")]
    {
        let status = connected(Version::V5, ServerCapabilities { session_expiry_s: seconds, ..strict() });
        let line = format!("Session expiry: {text}");
        assert!(listed(&status).contains(&line), "no {line}");
    }
    // 3.1.1 states none of that.
    assert_eq!(listed(&connected(Version::V311, lenient())).len(), 4);
}

fn end(history: &mut PublishHistory, number: u64, outcome: PublishOutcome) {
    history.finish(Published { number, outcome });
}

#[test]
fn messages_are_listed_newest_first_with_outcomes() {
    let mut history = PublishHistory::default();
    assert_eq!(history.summary(), "No messages sent yet.");
    let numbers: Vec<_> = (0..4).map(|n| history.push(&message(&n.to_string()))).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    end(&mut history, 2, PublishOutcome::Failed("no".into()));
    end(&mut history, 1, PublishOutcome::Done);
    end(&mut history, 4, PublishOutcome::Unknown("lost".into()));
    let outcomes: Vec<_> = history.entries().map(|entry| (entry.number, entry.outcome.clone())).collect();
    let expected = [
        (4, Some(PublishOutcome::Unknown("lost".into()))),
        (3, None),
        (2, Some(PublishOutcome::Failed("no".into()))),
        (1, Some(PublishOutcome::Done)),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(history.counts(), Counts { sent: 4, waiting: 1, done: 1, failed: 1, unknown: 1 });
    assert_eq!(history.summary(), "4 sent, 1 waiting, 1 delivered, 1 failed, 1 unconfirmed.");
    // A repeated outcome changes nothing.
    end(&mut history, 2, PublishOutcome::Done);
    assert_eq!(history.counts().done, 1);
}

#[test]
fn list_is_bounded_but_counts_are_not() {
    let mut history = PublishHistory::default();
    for n in 0..1_000 {
        history.push(&message(&n.to_string()));
    }
    assert_eq!(history.entries().count(), LISTED_MAX);
    assert_eq!(history.entries().next().map(|entry| entry.number), Some(1_000));
    // One that is no longer listed still counts.
    end(&mut history, 1, PublishOutcome::Done);
    assert_eq!(history.summary(), "1,000 sent, 999 waiting, 1 delivered.");
    history.abandon("the worker died");
    assert_eq!(history.counts(), Counts { sent: 1_000, waiting: 0, done: 1, failed: 0, unknown: 999 });
    assert!(
        history
            .entries()
            .all(|entry| matches!(&entry.outcome, Some(PublishOutcome::Unknown(reason)) if reason.contains("died")))
    );
    assert_eq!(history.push(&message("")), 1_001);
}

#[test]
fn long_payloads_are_previewed() {
    for (payload, preview) in [
        (String::new(), String::new()),
        ("two\r\nlines".to_owned(), "two  lines".to_owned()),
        ("é".repeat(60), "é".repeat(60)),
        ("é".repeat(61), format!("{}…", "é".repeat(60))),
    ] {
        let mut history = PublishHistory::default();
        history.push(&message(&payload));
        assert_eq!(history.entries().next().map(|entry| entry.preview.clone()), Some(preview));
    }
}

#[test]
fn queued_messages_are_reported_while_offline() {
    let mut history = PublishHistory::default();
    history.push(&message(""));
    for (state, is_shown) in [
        (ConnectionState::Idle, false),
        (ConnectionState::Connecting, true),
        (ConnectionState::Connected, false),
        (ConnectionState::Reconnecting, true),
    ] {
        let text = history.waiting_text(state);
        assert_eq!(text.is_some(), is_shown, "{state:?}");
        assert!(text.is_none_or(|text| text.contains("maximum 10,000") && text.contains("queued: 1 ")));
    }
}

#[test]
fn sent_messages_can_be_edited_again_unless_large() {
    let mut history = PublishHistory::default();
    let small = MessageFields { content_type: "text/plain".to_owned(), ..message("Hello") };
    history.push(&small);
    history.push(&message(&"x".repeat(64 << 10)));
    history.push(&message(&"x".repeat((64 << 10) + 1)));
    let kept: Vec<_> =
        history.entries().map(|entry| entry.message.as_ref().map(|kept| kept.content_type.as_str())).collect();
    assert_eq!(kept, [None, Some(""), Some("text/plain")]);
}
