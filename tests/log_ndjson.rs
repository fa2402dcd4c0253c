//! Export and import: exactly by the contract, and byte for byte.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::message_log::message::{Message, NewMessage};
use mqtt_crawl::message_log::ndjson::{OwnedMessage, read_line, write_message};
use mqtt_crawl::message_log::replay::LogFileReader;
use mqtt_crawl::message_log::{Limits, MessageLog};
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;

const EXAMPLE_MS: u64 = 1_795_255_200_123;

fn message<'a>(payload: &'a [u8], properties: &'a [u8]) -> Message<'a> {
    Message {
        seq: 12,
        time: Instant::from_millis(EXAMPLE_MS),
        topic: "StarWars",
        qos: QoS::AtLeastOnce,
        retain: false,
        dup: false,
        properties,
        payload,
    }
}

fn written(message: &Message<'_>) -> String {
    let mut out = Vec::new();
    write_message(message, &mut out);
    String::from_utf8(out).expect("a line is UTF-8")
}

/// Returns the text after `"dup":false,` in the line of a message.
fn check(payload: &[u8], properties: &[u8], expected: &str) {
    let message = message(payload, properties);
    let line = written(&message);
    let begin = r#"{"seq":12,"time":"2026-11-21T10:00:00.123Z","topic":"StarWars","qos":1,"retain":false,"dup":false,"#;
    assert_eq!(line, format!("{begin}{expected}}}\n"));
    let read = read_line(line.as_bytes()).expect(expected);
    assert_eq!(read.payload, payload, "{expected}");
    assert_eq!(read.properties, properties, "{expected}");
}

#[test]
fn lines_have_the_documented_format() {
    let expected = r#"{"seq":1,"time":"1970-01-01T00:00:00.000Z","topic":"a/ü","qos":2,"retain":true,"dup":true,"payload":"127.0"}"#;
    let message = Message {
        seq: 1,
        time: Instant::EPOCH,
        topic: "a/ü",
        qos: QoS::ExactlyOnce,
        retain: true,
        dup: true,
        properties: &[],
        payload: b"127.0",
    };
    assert_eq!(written(&message), format!("{expected}\n"));
    let read = OwnedMessage {
        seq: 1,
        time: Instant::EPOCH,
        topic: "a/ü".to_owned(),
        qos: QoS::ExactlyOnce,
        retain: true,
        dup: true,
        properties: Vec::new(),
        payload: b"127.0".to_vec(),
    };
    // With either kind of line end, and without.
    for end in ["", "\n", "\r\n"] {
        assert_eq!(read_line(format!("{expected}{end}").as_bytes()), Ok(read.clone()));
    }
}

#[test]
fn payloads_round_trip() {
    for (payload, expected) in [
        ("", r#""payload":"""#),
        (
            r#"{"n":9007199254740993,"x":127.0,"e":1E+2}"#,
            r#""payload":"{\"n\":9007199254740993,\"x\":127.0,\"e\":1E+2}""#,
        ),
        ("a\\b\"c/", r#""payload":"a\\b\"c/""#),
        ("\0\u{1}\u{1b}\u{1f}\u{7f}", r#""payload":"\u0000\u0001\u001b\u001f\u007f""#),
        ("\u{8}\t\n\u{c}\r", r#""payload":"\b\t\n\f\r""#),
        ("\u{85}\u{2028}\u{2029}", r#""payload":"\u0085\u2028\u2029""#),
        // Neighbours of the escaped ones.
        ("\u{84}\u{86}\u{2027}\u{202a}\u{20a8}", "\"payload\":\"\u{84}\u{86}\u{2027}\u{202a}\u{20a8}\""),
        (r"\ud800", r#""payload":"\\ud800""#),
        (
            "🍅 \u{202e}abc</script>\u{feff}\u{fffd}\u{10ffff}",
            "\"payload\":\"🍅 \u{202e}abc</script>\u{feff}\u{fffd}\u{10ffff}\"",
        ),
    ] {
        check(payload.as_bytes(), &[], expected);
    }
    for (payload, expected) in [
        (&b"\xff"[..], r#""payload_base64":"/w==""#),
        // A lone surrogate, encoded as if it were a character, isn't UTF-8.
        (b"\xed\xa0\x80", r#""payload_base64":"7aCA""#),
        (b"caf\xc3", r#""payload_base64":"Y2Fmww==""#),
        (b"\xfb\xff\x00\x00", r#""payload_base64":"+/8AAA==""#),
    ] {
        check(payload, &[], expected);
    }
}

#[test]
fn properties_have_names_and_keep_their_order() {
    for (section, expected) in [
        (&[0x01, 1][..], r#"{"payload_format_indicator":1}"#),
        (&[0x01, 0, 0x02, 0, 0, 14, 16], r#"{"payload_format_indicator":0,"message_expiry_s":3600}"#),
        (&[0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0], r#"{"message_expiry_s":4294967295,"payload_format_indicator":0}"#),
        (&[0x03, 0, 1, b't', 0x08, 0, 3, b'a', b'/', b'b'], r#"{"content_type":"t","response_topic":"a/b"}"#),
        (&[0x09, 0, 2, 0xFF, 0x00, 0x23, 0, 7], r#"{"correlation_data":"/wA=","topic_alias":7}"#),
        (&[0x09, 0, 0, 0x03, 0, 0], r#"{"correlation_data":"","content_type":""}"#),
        (&[0x0B, 1, 0x0B, 0xFF, 0xFF, 0xFF, 0x7F, 0x0B, 0x80, 1], r#"{"subscription_identifiers":[1,268435455,128]}"#),
        (&[0x26, 0, 1, b'k', 0, 1, b'v', 0x26, 0, 1, b'k', 0, 0], r#"{"user_properties":[["k","v"],["k",""]]}"#),
        // Repeated properties among the others need the section itself.
        (
            &[0x0B, 1, 0x01, 1, 0x0B, 2],
            r#"{"subscription_identifiers":[1,2],"payload_format_indicator":1,"section_base64":"CwEBAQsC"}"#,
        ),
    ] {
        check(b"", section, &format!(r#""payload":"","properties":{expected}"#));
    }
}

#[test]
fn invalid_properties_are_still_exported() {
    for section in [&[0xFF][..], &[0x01], &[0x01, 1, 0x01, 1], &[0x08, 0, 1, b'#']] {
        let line = written(&message(b"", section));
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        assert!(read_line(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn times_are_read_and_written_to_the_millisecond() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (94_694_399_999, "1972-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_210_096_007, "2024-02-29T12:34:56.007Z"),
        (EXAMPLE_MS, "2026-11-21T10:00:00.123Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] {
        let time = Instant::from_millis(ms);
        let line = written(&Message { time, ..message(b"", &[]) });
        assert!(line.contains(&format!(r#""time":"{text}""#)), "{line}");
        assert_eq!(read_line(line.as_bytes()).map(|message| message.time), Ok(time));
    }
    for (text, ms) in [
        ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("2000-02-29T00:00:00.5Z", 951_782_400_500),
        ("2000-02-29T00:00:00.123999999999999999999999Z", 951_782_400_123),
    ] {
        let line = line_with("time", &format!("{text:?}"));
        assert_eq!(read_line(line.as_bytes()).map(|message| message.time), Ok(Instant::from_millis(ms)));
    }
}

/// Returns a good line with one value replaced.
fn line_with(key: &str, json: &str) -> String {
    let values = [
        ("seq", "1"),
        ("time", r#""1970-01-01T00:00:00.000Z""#),
        ("topic", r#""a""#),
        ("qos", "0"),
        ("retain", "false"),
        ("dup", "false"),
        ("payload", r#""""#),
    ];
    let mut line = String::from("{");
    let mut found = false;
    for (name, value) in values {
        let value = if name == key { json } else { value };
        found |= name == key;
        line.push_str(&format!("{name:?}:{value},"));
    }
    if found {
        line.pop();
    } else {
        line.push_str(&format!("{key:?}:{json}"));
    }
    line + "}"
}

#[test]
fn invalid_ndjson_lines_are_reported() {
    assert!(read_line(line_with("qos", "2").as_bytes()).is_ok());
    let base64 = |text: &str| format!(r#"{{"section_base64":"{text}"}}"#);
    for (line, expected) in [
        (String::new(), "EOF while parsing"),
        ("{".to_owned(), "EOF while parsing"),
        ("[1]".to_owned(), "invalid"),
        ("{}".to_owned(), "missing field `seq`"),
        (line_with("seq", "0"), "seq must be a whole number, 1 or greater"),
        (line_with("seq", "9007199254740992"), "seq must be"),
        (line_with("seq", "1.0"), "expected u64"),
        (line_with("seq", "-1"), "expected u64"),
        (line_with("time", "5"), "expected a string"),
        (line_with("time", r#""2026-02-29T00:00:00.000Z""#), "time must look like 2026-11-21T10:00:00.123Z"),
        (line_with("time", r#""2026-11-21T24:00:00.000Z""#), "time must look like"),
        (line_with("time", r#""2026-11-21T10:60:00.000Z""#), "time must look like"),
        (line_with("time", r#""2026-11-21T10:00:60.000Z""#), "time must look like"),
        (line_with("time", r#""2026-11-21T10:00:00.Z""#), "time must look like"),
        (line_with("time", r#""2026-11-21T10:00:00.1x3Z""#), "time must look like"),
        (line_with("time", r#""2026-11-21T10:00:00.123""#), "(UTC), not 2026-11-21T10:00:00.123."),
        (line_with("time", r#""2026-11-21 10:00:00.123Z""#), "time must look like"),
        (line_with("time", r#""+026-11-21T10:00:00.123Z""#), "time must look like"),
        (line_with("time", r#""2026-13-21T10:00:00.123Z""#), "time must look like"),
        (line_with("time", r#""2026-00-21T10:00:00.123Z""#), "time must look like"),
        (line_with("time", r#""2026-11-00T10:00:00.123Z""#), "time must look like"),
        (line_with("time", r#""1969-12-31T23:59:59.999Z""#), "time must look like"),
        (line_with("time", r#""😀😀😀😀😀Z""#), "time must look like"),
        (line_with("topic", r#""""#), "topic: The topic is empty"),
        (line_with("topic", r#""a/#""#), "topic: "),
        (line_with("topic", r#""a\u0000""#), "topic: "),
        (line_with("qos", "3"), "qos must be 0, 1 or 2, not 3"),
        (line_with("qos", "256"), "expected u8"),
        (line_with("retain", "0"), "expected a boolean"),
        (line_with("payload", "5"), "expected a string"),
        (line_with("payload", r#""\ud800""#), "hex escape"),
        (line_with("payload", r#""\ud800\u0041""#), "surrogate"),
        (line_with("payload", "null"), "either payload or payload_base64"),
        (line_with("payload_base64", r#""AA==""#), "either payload or payload_base64"),
        (line_with("payloads", r#""""#), "unknown field `payloads`"),
        (line_with("payload", r#""","payload":"""#), "duplicate field `payload`"),
        (line_with("payload", r#"null,"payload_base64":"AA""#), "payload_base64 isn't valid Base64"),
        (line_with("payload", r#"null,"payload_base64":"A-==""#), "payload_base64 isn't valid Base64"),
        (line_with("properties", "[]"), "expected the properties as an object"),
        (line_with("properties", r#"{"colour":1}"#), "unknown variant `colour`"),
        (line_with("properties", r#"{"topic_alias":0}"#), "nonzero"),
        (line_with("properties", r#"{"topic_alias":1,"topic_alias":1}"#), "duplicate field `topic_alias`"),
        (line_with("properties", r#"{"payload_format_indicator":2}"#), "must be 0 or 1"),
        (line_with("properties", r#"{"subscription_identifiers":[0]}"#), "from 1 to 268435455"),
        (line_with("properties", r#"{"subscription_identifiers":[268435456]}"#), "from 1 to 268435455"),
        (line_with("properties", r#"{"response_topic":"a/+"}"#), "response topic"),
        (line_with("properties", r#"{"content_type":"\u0000"}"#), "U+0000"),
        (line_with("properties", r#"{"correlation_data":"?"}"#), "correlation_data isn't valid Base64"),
        (line_with("properties", r#"{"user_properties":[["a"]]}"#), "invalid length 1"),
        (line_with("properties", &base64("AQ==")), "isn't a valid MQTT 5.0 property section"),
        (line_with("properties", &base64("AQEBAQ==")), "a property twice"),
        (line_with("properties", &base64("/w==")), "isn't a valid MQTT 5.0 property section"),
        // The subscription identifier 1 in two bytes where one is enough.
        (line_with("properties", &base64("C4EA")), "isn't a valid MQTT 5.0 property section"),
    ] {
        let error = read_line(line.as_bytes()).expect_err(&line);
        assert!(error.message.contains(expected), "{line}: {error}");
        assert!(!error.message.contains(" at line 1"), "{line}: {error}");
    }
    let error = read_line(b"{\"seq\":\xff}").expect_err("no UTF-8");
    assert_eq!(error.column, Some(8));
    assert!(error.message.contains("UTF-8"), "{error}");
    let error = read_line(br#"{"seq":x}"#).expect_err("no number");
    assert_eq!(error.column, Some(8));
}

#[test]
fn partial_export_keeps_its_numbers() {
    let mut log = MessageLog::default();
    for (seq, payload) in [(1_000, "a"), (1_001, "b")] {
        log.import(
            seq,
            &NewMessage {
                time: Instant::from_millis(5),
                topic: "t",
                qos: QoS::AtMostOnce,
                retain: false,
                dup: false,
                properties: &[],
                payload: payload.as_bytes(),
            },
        );
    }
    let export = exported(&log);
    assert!(export.starts_with(br#"{"seq":1000,"#));
    assert_eq!(exported(&imported(&export)), export);
}

fn exported(log: &MessageLog) -> Vec<u8> {
    let mut out = Vec::new();
    for message in log.iter_from(0) {
        write_message(&message, &mut out);
    }
    out
}

fn imported(export: &[u8]) -> MessageLog {
    let mut log = MessageLog::default();
    for line in export.split_inclusive(|&byte| byte == b'\n') {
        let message = read_line(line).expect("a line of an export");
        assert_eq!(log.import(message.seq, &message.as_new_message()), message.seq);
    }
    log
}

/// Text with the characters that commonly break exports.
fn text(chars_max: usize) -> impl Strategy<Value = String> {
    let edge = prop::sample::select(vec![
        '\0',
        '\u{1f}',
        '"',
        '\\',
        '/',
        '\u{7f}',
        '\u{80}',
        '\u{85}',
        '\u{7ff}',
        '\u{800}',
        '\u{2028}',
        '\u{2029}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{feff}',
        '\u{fffd}',
        '\u{ffff}',
        '\u{10000}',
        '\u{10ffff}',
        '\u{202e}',
        '\u{300}',
    ]);
    prop::collection::vec(prop_oneof![edge, any::<char>(), prop::char::range(' ', '~')], 0..chars_max)
        .prop_map(|chars| chars.into_iter().collect())
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let mut field = (bytes.len() as u16).to_be_bytes().to_vec();
    field.extend_from_slice(bytes);
    field
}

/// Generates a legal property section: properties that may occur once in any order, and repeatable ones anywhere among
/// them.
fn section() -> impl Strategy<Value = Vec<u8>> {
    let wire_text = || text(6).prop_map(|text| text.replace('\0', "0"));
    let once = (
        any::<bool>().prop_map(|utf8| vec![0x01, u8::from(utf8)]),
        any::<u32>().prop_map(|s| [&[0x02][..], &s.to_be_bytes()].concat()),
        wire_text().prop_map(|text| [&[0x03][..], &field(text.as_bytes())].concat()),
        wire_text().prop_map(|text| {
            let topic = text.replace(['+', '#'], "x");
            [&[0x08][..], &field(topic.as_bytes())].concat()
        }),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|data| [&[0x09][..], &field(&data)].concat()),
        (1..=u16::MAX).prop_map(|alias| [&[0x23][..], &alias.to_be_bytes()].concat()),
    )
        .prop_map(|(a, b, c, d, e, f)| vec![a, b, c, d, e, f]);
    let repeated = prop_oneof![
        (wire_text(), wire_text()).prop_map(|(name, value)| [
            &[0x26][..],
            &field(name.as_bytes()),
            &field(value.as_bytes())
        ]
        .concat()),
        prop_oneof![1..=0x7F_u32, 0x80..=0x3FFF_u32, 0x4000..=0x1F_FFFF_u32, 0x20_0000..=268_435_455_u32].prop_map(
            |id| {
                let mut bytes = vec![0x0B];
                let mut rest = id;
                while rest >= 128 {
                    bytes.push((rest % 128) as u8 + 128);
                    rest /= 128;
                }
                bytes.push(rest as u8);
                bytes
            }
        ),
    ];
    (once, 0..=6_usize, prop::collection::vec(repeated, 0..5))
        .prop_flat_map(|(once, count, repeated)| (Just(once).prop_shuffle(), Just(count), Just(repeated)))
        .prop_flat_map(|(once, count, repeated)| {
            let properties: Vec<Vec<u8>> = once.into_iter().take(count).chain(repeated).collect();
            Just(properties).prop_shuffle()
        })
        .prop_map(|properties| properties.concat())
}

fn owned() -> impl Strategy<Value = OwnedMessage> {
    let payload = prop_oneof![
        text(30).prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..30),
        (text(9), any::<u8>()).prop_map(|(text, byte)| [text.as_bytes(), &[byte]].concat()),
    ];
    let topic = (text(12), any::<char>()).prop_map(|(text, last)| {
        let topic = text + &last.to_string();
        topic.replace(['+', '#', '\0'], "/")
    });
    (0..=253_402_300_799_999_u64, topic, 0..12_u8, section(), payload).prop_map(
        |(time_ms, topic, flags, properties, payload)| OwnedMessage {
            seq: 1,
            time: Instant::from_millis(time_ms),
            topic,
            qos: QoS::from_u8(flags % 3).unwrap_or_default(),
            retain: flags & 4 != 0,
            dup: flags & 8 != 0,
            properties,
            payload,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn export_import_export_is_equal_byte_for_byte(
        messages in prop::collection::vec(owned(), 0..12),
        first_seq in prop_oneof![1..5_u64, MessageLog::SEQ_MAX - 50..MessageLog::SEQ_MAX - 20],
    ) {
        let mut log = MessageLog::default();
        for message in &messages {
            log.import(first_seq, &message.as_new_message());
        }
        let export = exported(&log);
        let again = imported(&export);
        prop_assert_eq!(
            log.iter_from(0).collect::<Vec<_>>(),
            again.iter_from(0).collect::<Vec<_>>()
        );
        prop_assert_eq!(exported(&again), &export[..]);

        // One message a line, for any definition of a line end.
        let text = str::from_utf8(&export).expect("UTF-8");
        let ends: &[char] = &['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
        prop_assert_eq!(text.matches(ends).count(), messages.len());
        // Another JSON parser reads the same.
        for (line, message) in text.lines().zip(&messages) {
            let value: Value = serde_json::from_str(line).expect("JSON");
            prop_assert_eq!(value["topic"].as_str(), Some(message.topic.as_str()));
            match str::from_utf8(&message.payload) {
                Ok(text) => prop_assert_eq!(value["payload"].as_str(), Some(text)),
                Err(_) => prop_assert!(value["payload"].is_null() && value["payload_base64"].is_string()),
            }
            prop_assert_eq!(value["properties"].is_object(), !message.properties.is_empty());
        }
    }

    #[test]
    fn reader_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        json in "[\\[\\]{}:,\"a-z0-9\\\\ ]{0,60}",
        key in prop::sample::select(vec!["seq", "time", "topic", "qos", "payload", "properties", "payload_base64"]),
        at in 0..120_usize,
    ) {
        let _ = read_line(&bytes);
        let _ = read_line(json.as_bytes());
        let _ = read_line(line_with(key, &json).as_bytes());
        let mut line = line_with("properties", r#"{"user_properties":[["a","b"]],"topic_alias":3}"#).into_bytes();
        let at = at % line.len();
        line.truncate(at);
        prop_assert!(read_line(&line).is_err());
    }
}

/// Returns random bytes (splitmix64).
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Returns payloads at every edge of UTF-8: the characters around each length and each gap, and invalid sequences that
/// resemble them.
fn edges() -> Vec<Vec<u8>> {
    let around = [0x7F_u32, 0x7FF, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x1_0000, 0x10_FFFF];
    let codes = (0..0x300).chain(0x2000..0x2100).chain(around.into_iter().flat_map(|code| code - 2..code + 3));
    let mut edges: Vec<Vec<u8>> = codes.filter_map(char::from_u32).map(|c| c.to_string().into_bytes()).collect();
    // Alone, cut short, overlong, surrogates, beyond the last.
    edges.extend((0x80..=0xFF).map(|byte| vec![byte]));
    edges.extend(edges.clone().iter().filter(|edge| edge.len() > 1).map(|edge| edge[..edge.len() - 1].to_vec()));
    for broken in [&b"\xc0\x80"[..], b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80"] {
        edges.push(broken.to_vec());
        edges.push([b"a", broken, b"b"].concat());
    }
    edges
}

/// The required number: random bytes, every edge, every property; read like the panels read a file, in slices of any
/// size.
#[test]
fn hundred_thousand_messages_round_trip() {
    const MESSAGES: usize = 100_000;
    let mut runner = TestRunner::deterministic();
    let pool: Vec<OwnedMessage> =
        (0..3_000).map(|_| owned().new_tree(&mut runner).expect("a message").current()).collect();
    let edges = edges();
    let mut state = 1;
    let mut log = MessageLog::default();
    for number in 0..MESSAGES {
        let (one, other) = (&pool[number % pool.len()], &pool[(number * 7 + number / pool.len()) % pool.len()]);
        let payload = match number % 3 {
            0 => edges[number / 3 % edges.len()].clone(),
            1 => (0..next_random(&mut state) % 40).map(|_| next_random(&mut state) as u8).collect(),
            _ => one.payload.clone(),
        };
        let properties = &other.properties;
        log.append(&NewMessage { payload: &payload, properties, ..one.as_new_message() });
    }
    let export = exported(&log);
    let mut reader = LogFileReader::default();
    let mut again = MessageLog::default();
    let mut rest = export.as_slice();
    while !rest.is_empty() {
        let (slice, after) = rest.split_at(rest.len().min(1 + next_random(&mut state) as usize % (4 << 20)));
        for message in reader.read(slice) {
            again.import(message.seq, &message.as_new_message());
        }
        rest = after;
    }
    assert_eq!((reader.finish(), reader.error_summary()), (None, None));
    assert_eq!(again.kept(), MESSAGES as u64);
    // Without assert_eq!, which would print tens of megabytes.
    assert!(exported(&again) == export, "the two exports differ");
    let text = str::from_utf8(&export).expect("UTF-8");
    for name in [
        "payload_base64",
        "payload_format_indicator",
        "message_expiry_s",
        "content_type",
        "response_topic",
        "correlation_data",
        "subscription_identifiers",
        "topic_alias",
        "user_properties",
        "section_base64",
    ] {
        assert!(text.contains(&format!("\"{name}\":")), "no {name} in all of it");
    }
}

/// The log that comes with the app has the format of an export.
#[test]
fn sample_log_has_the_export_format() {
    let sample = include_bytes!("../assets/sample.ndjson");
    let mut log = MessageLog::new(Limits::default());
    for line in sample.split_inclusive(|&byte| byte == b'\n') {
        let message = read_line(line).expect("a message");
        log.import(message.seq, &message.as_new_message());
    }
    let mut again = Vec::new();
    log.iter_from(0).for_each(|message| write_message(&message, &mut again));
    assert_eq!(str::from_utf8(&again), str::from_utf8(sample));
}

/// It is the first that many people see of the crawl: a story, at a readable pace.
#[test]
fn sample_starts_at_a_readable_pace() {
    let mut reader = LogFileReader::default();
    let messages = reader.read(include_bytes!("../assets/sample.ndjson"));
    assert_eq!((messages.len(), reader.error_summary()), (66, None));
    let start = messages[0].time;
    for (place, message) in messages.iter().enumerate() {
        let is_spoken = !Line::from_payload("", &message.payload).character.is_empty();
        let at_s = message.time.since(start).as_secs();
        assert!(is_spoken || at_s >= 60, "{message:?} is no dialogue, after {at_s} s");
        assert_eq!(message.seq, place as u64 + 1);
    }
    for pair in messages.windows(2) {
        let wait_ms = pair[1].time.since(pair[0].time).as_millis();
        assert!((1_000..=5_000).contains(&wait_ms), "{wait_ms} ms between {} and {}", pair[0].seq, pair[1].seq);
    }
}
