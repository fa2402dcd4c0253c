//! A broker that breaks the rules: the packet it gets, and what the person reads and sees, through the engine.
//! Tolerated cases are in `slips`.

use mqtt_crawl::engine::{Engine, Transmit};
use mqtt_crawl::message_log::Limits;
use mqtt_crawl::mqtt::broker_url::PageOrigin;
use mqtt_crawl::mqtt::packet::{QoS, Version};
use mqtt_crawl::protocol::command::PageCommand;
use mqtt_crawl::protocol::connection::{ConnectRequest, ConnectionOptions};
use mqtt_crawl::protocol::connection::{Connection, Evidence};
use mqtt_crawl::protocol::rows::{Pull, Window};
use mqtt_crawl::time::Instant;

/// When the broker breaks the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// Instead of CONNACK: nothing may be sent before it [MQTT-3.14.0-1].
    BeforeConnack,
    /// After CONNACK.
    Connected,
}

use Stage::{BeforeConnack, Connected};
use Version::{V5, V311};

const NOW: Instant = Instant::from_millis(1_000);

/// The case, the version, when, the packet in hex, the reason code that a 5.0 broker gets, and the rule that the person
/// reads.
type Case = (&'static str, Version, Stage, &'static str, u8, &'static str);

const CASES: &[Case] = &[
    ("reserved flags of a fixed header", V5, Connected, "42 02 0001", 0x81, "[MQTT-2.1.3-1]"),
    ("reserved flags of a fixed header", V311, Connected, "d1 00", 0x81, "[MQTT-2.1.3-1]"),
    ("reserved bits of CONNACK", V5, BeforeConnack, "20 03 80 00 00", 0x81, "[MQTT-3.2.2-1]"),
    ("reserved bits of CONNACK", V311, BeforeConnack, "20 02 02 00", 0x81, "[MQTT-3.2.2-1]"),
    ("session present and refused", V5, BeforeConnack, "20 03 01 87 00", 0x82, "[MQTT-3.2.2-6]"),
    ("session present and refused", V311, BeforeConnack, "20 02 01 05", 0x82, "[MQTT-3.2.2-6]"),
    ("DUP at QoS 0", V311, Connected, "38 03 0001 61", 0x81, "[MQTT-3.3.1-2]"),
    ("QoS 3", V5, Connected, "36 06 0001 61 0001 00", 0x81, "[MQTT-3.3.1-4]"),
    ("empty topic without alias", V311, Connected, "30 03 0000 78", 0x82, "[MQTT-4.7.3-1]"),
    ("# in a topic", V311, Connected, "30 06 0003 612f23 78", 0x90, "[MQTT-3.3.2-2]"),
    ("U+0000 in a topic", V311, Connected, "30 06 0003 610062 78", 0x81, "[MQTT-1.5.4-2]"),
    ("a topic that isn't UTF-8", V311, Connected, "30 05 0002 c328 78", 0x81, "[MQTT-1.5.4-1]"),
    ("alias 0", V5, Connected, "30 07 0001 61 03 23 0000", 0x94, "[MQTT-3.3.2-8]"),
    ("alias above the maximum", V5, Connected, "30 07 0001 61 03 23 0041", 0x94, "[MQTT-3.3.2-8]"),
    ("alias that was never set", V5, Connected, "30 06 0000 03 23 0001", 0x82, "3.3.4"),
    ("subscription identifier 0", V5, Connected, "30 06 0001 61 02 0b 00", 0x82, "section 3.3.2.3.8"),
    ("packet identifier 0 in PUBLISH", V311, Connected, "32 05 0001 61 0000", 0x82, "[MQTT-2.2.1-4]"),
    ("packet identifier 0 in PUBACK", V5, Connected, "40 02 0000", 0x82, "[MQTT-2.2.1-5]"),
    ("packet identifier 0 in PUBREL", V311, Connected, "62 02 0000", 0x82, "[MQTT-2.2.1-5]"),
    ("packet identifier 0 in SUBACK", V5, Connected, "90 04 0000 00 00", 0x82, "[MQTT-2.2.1-6]"),
    ("a property twice", V5, Connected, "30 0c 0001 61 08 03 0001 78 03 0001 79", 0x82, "section 2.2.2.2"),
    ("a property twice in CONNACK", V5, BeforeConnack, "20 09 00 00 06 21 0001 21 0002", 0x82, "section 3.2.2.3.3"),
    ("a boolean of 2", V5, Connected, "30 06 0001 61 02 01 02", 0x82, "section 3.3.2.3.2"),
    ("a property across its section", V5, Connected, "30 0c 0001 61 04 03 0004 7465787478", 0x81, "section 4.13.1"),
    ("trailing bytes", V5, Connected, "40 05 0001 10 00 00", 0x81, "section 4.13.1"),
    ("trailing bytes", V311, Connected, "62 04 0001 00 00", 0x81, "section 2.2.1"),
    ("a length that isn't minimal", V5, Connected, "30 06 0001 61 80 00 78", 0x81, "[MQTT-1.5.5-1]"),
    ("a length that isn't minimal", V311, Connected, "d0 80 00", 0x81, "[MQTT-1.5.5-1]"),
    ("a length of five bytes", V5, Connected, "30 ff ff ff ff 01", 0x81, "section 2.1.4"),
    // 0x1000000 bytes and a header: one packet above our 16 MiB, detected by its length.
    ("a PUBLISH over our packet size", V5, Connected, "30 80 80 80 08 0001 61", 0x95, "[MQTT-3.1.2-24]"),
    ("a PUBLISH over our receive maximum", V5, Connected, "34 06 0001 61 0009 00", 0x93, "[MQTT-3.3.4-9]"),
    ("a packet that only clients send", V5, Connected, "c0 00", 0x82, "section 2.1.2"),
    ("DISCONNECT of 3.1.1", V311, Connected, "e0 00", 0x82, "section 3.14 of 3.1.1"),
    ("a session expiry in DISCONNECT", V5, Connected, "e0 07 8e 05 11 0000003c", 0x82, "[MQTT-3.14.2-2]"),
    ("a second CONNACK", V5, Connected, "20 03 00 00 00", 0x82, "3.2"),
    ("a PUBLISH before CONNACK", V5, BeforeConnack, "30 04 0001 61 00", 0x82, "[MQTT-3.2.0-1]"),
    ("AUTH that nobody asked for", V5, Connected, "f0 02 18 00", 0x82, "[MQTT-4.12.0-6]"),
];

#[test]
fn violations_are_reported_to_broker_and_user() {
    for case in CASES {
        check(case);
    }
}

fn check(case: &Case) {
    let &(_, version, stage, packet, code, rule) = case;
    let mut engine = Engine::new(3, Limits::default());
    engine.handle_command(
        PageCommand::SetConnectionOptions(Box::new(ConnectionOptions {
            receive_maximum: 2,
            ..ConnectionOptions::default()
        })),
        NOW,
    );
    engine.handle_command(PageCommand::Connect(request(version)), NOW);
    engine.handle_open(NOW);
    if stage == Connected {
        engine.handle_input(if version == V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] }, NOW);
        if rule == "[MQTT-3.3.4-9]" {
            // The maximum number in flight.
            for id in 1..=2 {
                engine.handle_input(&[0x34, 6, 0, 1, b'a', 0, id, 0], NOW);
            }
        }
    }
    transmits(&mut engine);
    let packet = unhex(packet);
    engine.handle_input(&packet, NOW);
    // Everything that follows is ignored.
    engine.handle_input(&[0x30, 4, 0, 1, b'a', 0], NOW);

    let disconnect = vec![0xE0, 2, code, 0];
    let expected = if version == V5 && stage == Connected { vec![Some(disconnect), None] } else { vec![None] };
    assert_eq!(transmits(&mut engine), expected, "{case:?}");

    let connection = connection(&mut engine);
    assert!(
        connection.message.contains("violated the MQTT protocol") && connection.message.contains(rule),
        "{case:?}: {connection:?}"
    );
    assert!(connection.shows_fault_of_broker(), "{case:?}");
    assert_eq!(evidence_text(&connection, "Violated rule"), Some(rule_of(&connection)), "{case:?}");
    let shown = evidence_text(&connection, Evidence::OFFENDING_PACKET).expect("the bytes are shown");
    assert_eq!(unhex(shown), packet, "{case:?}");
    assert!(connection.retry_at.is_some(), "{case:?}: it may be mended by the next time");
}

/// The rule ends the sentence that the person reads.
fn rule_of(connection: &Connection) -> &str {
    let rule = evidence_text(connection, "Violated rule").expect("the rule is shown");
    assert!(connection.message.ends_with(rule), "{connection:?}");
    rule
}

fn evidence_text<'a>(connection: &'a Connection, name: &str) -> Option<&'a str> {
    connection.evidence.iter().find(|evidence| evidence.name == name).map(|evidence| evidence.value.as_str())
}

fn connection(engine: &mut Engine) -> Connection {
    engine.handle_command(PageCommand::Pull(Pull { window: Window::Tail { rows: 1 }, ..Pull::default() }), NOW);
    engine.poll_update().expect("something new").connection
}

/// Returns what was sent, in order; `None` is a closed socket.
fn transmits(engine: &mut Engine) -> Vec<Option<Vec<u8>>> {
    let mut sent = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        match transmit {
            Transmit::Dial { .. } => {}
            Transmit::Send(bytes) => sent.push(Some(bytes.to_vec())),
            Transmit::HangUp => sent.push(None),
        }
    }
    sent
}

fn request(version: Version) -> ConnectRequest {
    ConnectRequest {
        broker: "ws://h:1/mqtt".to_owned(),
        topics: vec!["StarWars".to_owned()],
        qos: QoS::ExactlyOnce,
        version: Some(version),
        client_id: "c".to_owned(),
        user_name: None,
        password: None,
        page: PageOrigin::default(),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
