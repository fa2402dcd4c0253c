//! Messages and connection options as they are typed: their meaning, and the errors by field.

use std::fmt::Debug;

use mqtt_crawl::mqtt::packet::{PublishProperties, QoS, RetainHandling, Will};
use mqtt_crawl::protocol::connection::ConnectionOptions;
use mqtt_crawl::ui::forms::connection_options;
use mqtt_crawl::ui::forms::connection_options::{Fields, SessionExpiry, TimeUnit};
use mqtt_crawl::ui::forms::field::FieldError;
use mqtt_crawl::ui::forms::message::{BytesError, Field, MessageFields, PayloadInput, PayloadNotation};
use mqtt_crawl::ui::forms::subscription::OptionFields;

fn bytes(text: &str, notation: PayloadNotation) -> PayloadInput {
    PayloadInput { text: text.to_owned(), notation }
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Each error belongs to its field and has the expected text, in this order.
fn check_faults<T: Debug, F: Copy + PartialEq + Debug>(found: Result<T, Vec<FieldError<F>>>, expected: &[(F, &str)]) {
    let faults = found.expect_err("faults");
    let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
    assert_eq!(fields, expected.iter().map(|(field, _)| *field).collect::<Vec<_>>(), "{faults:?}");
    for (fault, (_, expected)) in faults.iter().zip(expected) {
        assert!(fault.message.contains(expected), "{:?} doesn't say {expected:?}", fault.message);
    }
}

#[test]
fn payload_is_parsed_in_every_notation() {
    for (text, notation, expected) in [
        ("", PayloadNotation::Text, Ok(&b""[..])),
        ("é \0", PayloadNotation::Text, Ok("é \0".as_bytes())),
        ("", PayloadNotation::Hex, Ok(b"")),
        ("deadBEEF", PayloadNotation::Hex, Ok(b"\xde\xad\xbe\xef")),
        (" de ad\n b e ef\t", PayloadNotation::Hex, Ok(b"\xde\xad\xbe\xef")),
        ("abc", PayloadNotation::Hex, Err(BytesError::HexOdd(3))),
        ("0x10", PayloadNotation::Hex, Err(BytesError::HexDigit('x'))),
        ("é0", PayloadNotation::Hex, Err(BytesError::HexDigit('é'))),
        ("", PayloadNotation::Base64, Ok(b"")),
        ("3q2+7w==", PayloadNotation::Base64, Ok(b"\xde\xad\xbe\xef")),
        (" 3q2+\n7w== ", PayloadNotation::Base64, Ok(b"\xde\xad\xbe\xef")),
        ("3q2+7w", PayloadNotation::Base64, Err(BytesError::Base64)),
        ("?", PayloadNotation::Base64, Err(BytesError::Base64)),
    ] {
        assert_eq!(bytes(text, notation).parse().as_deref(), expected.as_deref(), "{text:?} as {notation:?}");
    }
    for notation in PayloadNotation::ALL {
        assert_eq!(PayloadNotation::from_name(notation.name()), Some(notation));
    }
}

#[test]
fn message_form_becomes_a_publish_request() {
    let fields = MessageFields {
        topic: "deck/lamp".into(),
        payload: bytes("01 02", PayloadNotation::Hex),
        qos: QoS::ExactlyOnce,
        retain: true,
        content_type: "text/plain".into(),
        response_topic: "answers".into(),
        correlation_data: bytes("AQ==", PayloadNotation::Base64),
        message_expiry_s: " 60 ".into(),
        payload_is_utf8: true,
        // An empty row is ignored; one with only a value isn't.
        user_properties: rows(&[("a", "1"), ("", ""), ("a", "2"), ("", "3")]),
    };
    let request = fields.parse().expect("a message");
    assert_eq!((request.topic.as_str(), &request.payload[..]), ("deck/lamp", &[1, 2][..]));
    assert_eq!((request.qos, request.retain), (QoS::ExactlyOnce, true));
    let expected = PublishProperties {
        payload_is_utf8: Some(true),
        message_expiry_s: Some(60),
        topic_alias: None,
        response_topic: Some("answers".into()),
        correlation_data: Some(vec![1]),
        content_type: Some("text/plain".into()),
        user_properties: rows(&[("a", "1"), ("a", "2"), ("", "3")]),
    };
    assert_eq!(request.properties, expected);

    let message = fields.parse().expect("a message");
    let shown = MessageFields::from(&message);
    // Control characters are text, too.
    assert_eq!(shown.payload, bytes("\u{1}\u{2}", PayloadNotation::Text));
    assert_eq!(shown.parse(), Ok(message));
    assert_eq!(PayloadInput::of(b"\xff\x00"), bytes("ff 00", PayloadNotation::Hex));

    // Empty fields are omitted.
    let bare = MessageFields { topic: "t".into(), ..MessageFields::default() };
    assert_eq!(bare.parse().expect("a message").properties, PublishProperties::default());
}

#[test]
fn message_errors_are_reported_by_field() {
    let long = "x".repeat(65_536);
    let fields = MessageFields {
        topic: "a/#".into(),
        payload: bytes("zz", PayloadNotation::Hex),
        content_type: "a\0".into(),
        response_topic: "+/a".into(),
        correlation_data: bytes(&long, PayloadNotation::Text),
        message_expiry_s: "4294967296".into(),
        user_properties: rows(&[("a", "1"), ("b", &long), ("c\0", "")]),
        ..MessageFields::default()
    };
    check_faults(
        fields.parse(),
        &[
            (Field::Topic, "can't contain + or #"),
            (Field::Payload, "Invalid hex digit “z”"),
            (Field::ContentType, "U+0000"),
            (Field::ResponseTopic, "can't contain + or #"),
            (Field::CorrelationData, "65536 bytes"),
            (Field::MessageExpiry, "from 0 to 4294967295, or leave empty"),
            (Field::UserProperty(1), "The value is too long: 65536 bytes"),
            (Field::UserProperty(2), "U+0000"),
        ],
    );
    check_faults(MessageFields::default().parse(), &[(Field::Topic, "Enter a topic")]);
    let not_text = MessageFields {
        topic: "t".into(),
        payload: bytes("ff", PayloadNotation::Hex),
        payload_is_utf8: true,
        ..MessageFields::default()
    };
    check_faults(not_text.parse(), &[(Field::Payload, "isn't valid UTF-8")]);
}

#[test]
fn untouched_options_form_gives_the_defaults() {
    assert_eq!(Fields::default().parse(), Ok(ConnectionOptions::default()));
}

#[test]
fn every_connection_option_is_parsed() {
    let fields = Fields {
        keep_alive_s: "0".into(),
        ending: SessionExpiry::Later,
        session_span: "2".into(),
        session_unit: TimeUnit::Hours,
        receive_maximum: "65535".into(),
        subscriptions: OptionFields {
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DontSend,
            identifier: "268435455".into(),
        },
        user_properties: rows(&[("ship", "Evening Star")]),
        has_will: true,
        will_delay_s: "9".into(),
        will: MessageFields {
            topic: "deck/gone".into(),
            payload: bytes("farewell", PayloadNotation::Text),
            qos: QoS::AtLeastOnce,
            retain: true,
            message_expiry_s: "60".into(),
            ..MessageFields::default()
        },
    };
    let options = ConnectionOptions {
        keep_alive_s: 0,
        clean_start: false,
        session_expiry_s: Some(7_200),
        receive_maximum: 65_535,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DontSend,
        subscription_identifier: Some(268_435_455),
        user_properties: rows(&[("ship", "Evening Star")]),
        will: Some(Will {
            topic: "deck/gone".into(),
            payload: b"farewell".to_vec(),
            qos: QoS::AtLeastOnce,
            retain: true,
            delay_s: Some(9),
            properties: PublishProperties { message_expiry_s: Some(60), ..PublishProperties::default() },
        }),
    };
    assert!(options.is_persistent());
    assert_eq!(fields, Fields::from(&options), "the selected value is shown as typed");
    assert_eq!(fields.parse(), Ok(options));
}

#[test]
fn only_a_persistent_session_has_an_expiry() {
    for (ending, unit, span, expected) in [
        (SessionExpiry::WithPage, TimeUnit::Seconds, "5", (true, None)),
        (SessionExpiry::WithConnection, TimeUnit::Seconds, "5", (true, Some(0))),
        (SessionExpiry::Later, TimeUnit::Seconds, "5", (false, Some(5))),
        (SessionExpiry::Later, TimeUnit::Minutes, "5", (false, Some(300))),
        (SessionExpiry::Later, TimeUnit::Hours, "1193046", (false, Some(4_294_965_600))),
    ] {
        let fields = Fields { ending, session_span: span.into(), session_unit: unit, ..Fields::default() };
        let options = fields.parse().expect("settings");
        assert_eq!((options.clean_start, options.session_expiry_s), expected, "{ending:?} {span} {unit:?}");
        assert_eq!(options.is_persistent(), ending == SessionExpiry::Later);
        let shown = Fields::from(&options);
        assert_eq!((shown.ending, shown.parse()), (ending, Ok(options)));
    }
    for ending in SessionExpiry::ALL {
        assert_eq!(SessionExpiry::from_name(ending.name()), Some(ending));
    }
    for unit in TimeUnit::ALL {
        assert_eq!(TimeUnit::from_name(unit.name()), Some(unit));
    }
}

#[test]
fn connection_option_errors_are_reported_by_field() {
    use connection_options::Field;
    let fields = Fields {
        keep_alive_s: "65536".into(),
        ending: SessionExpiry::Later,
        session_span: "1193047".into(),
        session_unit: TimeUnit::Hours,
        receive_maximum: "0".into(),
        subscriptions: OptionFields { identifier: "268435456".into(), ..OptionFields::default() },
        user_properties: rows(&[("\0", "")]),
        has_will: true,
        will_delay_s: "soon".into(),
        will: MessageFields { payload: bytes("z", PayloadNotation::Hex), ..MessageFields::default() },
    };
    check_faults(
        fields.parse(),
        &[
            (Field::KeepAlive, "from 0 to 65535."),
            (Field::SessionSpan, "from 1 to 1193046."),
            (Field::ReceiveMaximum, "from 1 to 65535."),
            (Field::SubscriptionIdentifier, "from 1 to 268435455, or leave empty."),
            (Field::UserProperty(0), "U+0000"),
            (Field::WillDelay, "or leave empty"),
            (Field::Will(mqtt_crawl::ui::forms::message::Field::Topic), "Enter a topic"),
            (Field::Will(mqtt_crawl::ui::forms::message::Field::Payload), "hex"),
        ],
    );
    for wrong in ["", " ", "-1", "+5", "1.5", "1e3", "٣", "99999999999999999999"] {
        let fields = Fields { keep_alive_s: wrong.into(), ..Fields::default() };
        check_faults(fields.parse(), &[(Field::KeepAlive, "Enter a number")]);
    }
    // A disabled will has no errors …
    let fields = Fields { has_will: false, will_delay_s: "soon".into(), ..Fields::default() };
    assert_eq!(fields.parse(), Ok(ConnectionOptions::default()));
    // … and an enabled one has to fit into CONNECT.
    let payload = bytes(&"x".repeat(65_536), PayloadNotation::Text);
    let will = MessageFields { topic: "t".into(), payload, ..MessageFields::default() };
    let fields = Fields { has_will: true, will, ..Fields::default() };
    check_faults(fields.parse(), &[(Field::Will(mqtt_crawl::ui::forms::message::Field::Payload), "65536")]);
}
