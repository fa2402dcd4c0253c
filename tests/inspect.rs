//! The contents of a message, in every notation: valid data is laid out exactly, invalid data gets the position and the
//! reason, and no depth or length is too large.

use std::sync::Arc;

use mqtt_crawl::message_log::message::Message;
use mqtt_crawl::message_log::mosquitto_command::BrokerAccess;
use mqtt_crawl::mqtt::codec::publish;
use mqtt_crawl::mqtt::packet::{PacketId, Publish, QoS, Version};
use mqtt_crawl::protocol::message::MessageRequest;
use mqtt_crawl::protocol::message::{MessageDetails, MessagePart};
use mqtt_crawl::time::Instant;
use mqtt_crawl::ui::inspect::message_fetch::{FetchResult, MessageFetch};
use mqtt_crawl::ui::inspect::outline::DEPTH_MAX;
use mqtt_crawl::ui::inspect::publish_bytes::PublishBytes;
use mqtt_crawl::ui::inspect::{Choice, Sheet, View};
use proptest::prelude::*;

const COLUMNS: usize = 40;

/// Returns the rows of a sheet as a person reads them: two spaces per level, `↪` on a continued row, `▾` and `▸` on a
/// foldable one.
fn rows(sheet: &Sheet) -> Vec<String> {
    (0..sheet.rows())
        .map(|index| {
            let row = sheet.row(index).expect("a row");
            let mark = match row.fold {
                Some(fold) if fold.is_folded => "▸",
                Some(_) => "▾",
                None if row.continues => "↪",
                None => "",
            };
            let pieces: String = row.pieces.iter().map(|piece| piece.text.as_str()).collect();
            format!("{}{}{mark}{pieces}", row.lead, "  ".repeat(row.indent))
        })
        .collect()
}

fn sheet(view: View, payload: &[u8]) -> Result<Sheet, String> {
    layout(view, payload, COLUMNS, usize::MAX)
}

/// Returns a whole sheet, laid out this number of bytes at a time.
fn layout(view: View, payload: &[u8], columns: usize, slice_bytes: usize) -> Result<Sheet, String> {
    let mut sheet = Sheet::new(view, payload.into(), columns);
    while !sheet.advance(slice_bytes)? {}
    Ok(sheet)
}

fn best_field(payload: &[u8], content_type: &str, slice_bytes: usize) -> View {
    let mut choice = Choice::new(payload.into(), content_type);
    loop {
        if let Some(view) = choice.advance(slice_bytes) {
            return view;
        }
    }
}

fn check(view: View, payload: &[u8], expected: &[&str]) {
    let sheet = sheet(view, payload).unwrap_or_else(|message| panic!("{payload:x?}: {message}"));
    assert_eq!(rows(&sheet), expected, "{payload:x?}");
    assert_eq!(sheet.row(sheet.rows()), None, "{payload:x?}");
}

fn check_fault(view: View, payload: &[u8], expected: &str) {
    let fault = sheet(view, payload).expect_err(expected);
    assert!(fault.contains(expected), "{payload:x?}: {fault:?} is no {expected:?}");
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn json_layout_keeps_every_value_as_written() {
    let check = |payload: &str, expected: &[&str]| check(View::Json, payload.as_bytes(), expected);
    check("127.0", &["127.0"]);
    check("9007199254740993", &["9007199254740993"]);
    check("-0.10e+007", &["-0.10e+007"]);
    check(" {} ", &["{}"]);
    check("[ ]", &["[]"]);
    check(r#""</script>\u00e9""#, &[r#""</script>\u00e9""#]);
    check(
        r#"{"t":127.0,"id":9007199254740993,"a":[1,{"x":null}],"t":true,"e":{}}"#,
        &[
            "▾{",
            r#"  "t": 127.0,"#,
            r#"  "id": 9007199254740993,"#,
            r#"  ▾"a": ["#,
            "    1,",
            "    ▾{",
            r#"      "x": null"#,
            "    }",
            "  ],",
            r#"  "t": true,"#,
            r#"  "e": {}"#,
            "}",
        ],
    );
    // Longer than a row.
    let text = "x".repeat(50);
    check(
        &format!("[\"{text}\",1]"),
        &["▾[", &format!("  \"{}", &text[..37]), &format!("  ↪{}\",", &text[37..]), "  1", "]"],
    );
    // A byte order mark at the beginning isn't one of the text's values.
    check("\u{feff}{\"a\":1}", &["▾{", "  \"a\": 1", "}"]);
    // Characters that would reverse the row are shown by name.
    check("\"a\u{202e}b\"", &["\"aU+202Eb\""]);
}

#[test]
fn invalid_json_reports_its_position() {
    for (payload, expected) in [
        ("", "unexpected end of data at byte 0"),
        ("{", "expected a name in double quotes at byte 1"),
        ("[1,2", "unexpected end of data at byte 4"),
        ("[1,]", "unexpected character at byte 3"),
        ("[1 2]", "expected a comma or ] at byte 3"),
        (r#"{"a" 1}"#, "expected a colon at byte 5"),
        (r#"{"a":1,}"#, "expected a name in double quotes at byte 7"),
        ("{a:1}", "expected a name in double quotes at byte 1"),
        ("01", "invalid number at byte 0"),
        ("1.", "expected digits after the decimal point at byte 2"),
        ("1e", "expected digits in the exponent at byte 2"),
        ("-", "invalid number at byte 1"),
        ("nul", "unexpected character at byte 0"),
        ("nullx", "unexpected data after the value at byte 4"),
        ("{} {}", "unexpected data after the value at byte 3"),
        ("\"a\nb\"", "unescaped control character at byte 2"),
        ("\"a", "unterminated string at byte 2"),
        (r#""\x""#, "invalid escape at byte 1"),
        (r#""\u12g4""#, "invalid escape at byte 1"),
        ("1\u{feff}", "unexpected data after the value at byte 1"),
        ("NaN", "unexpected character at byte 0"),
    ] {
        check_fault(View::Json, payload.as_bytes(), expected);
    }
    check_fault(View::Json, b"\"\xff\"", "invalid UTF-8 at byte 1");
}

#[test]
fn cbor_is_laid_out_in_diagnostic_notation() {
    // Most are from RFC 8949, appendix A.
    for (hex, expected) in [
        ("00", "0"),
        ("1818", "24"),
        ("1bffffffffffffffff", "18446744073709551615"),
        ("3bffffffffffffffff", "-18446744073709551616"),
        ("20", "-1"),
        ("c249010000000000000000", "2(h'010000000000000000')"),
        ("f90000", "0.0"),
        ("f98000", "-0.0"),
        ("f93c00", "1.0"),
        ("f97bff", "65504.0"),
        ("f90001", "5.9604645e-8"),
        ("f97c00", "Infinity"),
        ("f9fc00", "-Infinity"),
        ("f97e00", "NaN"),
        ("fa47c35000", "100000.0"),
        ("fb3ff199999999999a", "1.1"),
        ("fb7e37e43c8800759c", "1e300"),
        ("f4", "false"),
        ("f5", "true"),
        ("f6", "null"),
        ("f7", "undefined"),
        ("f0", "simple(16)"),
        ("f8ff", "simple(255)"),
        ("c11a514b67b0", "1(1363896240)"),
        ("d818456449455446", "24(h'6449455446')"),
        ("40", "h''"),
        ("62225c", r#""\"\\""#),
        ("64f0908591", "\"𐅑\""),
        ("80", "[]"),
        ("a0", "{}"),
        ("9fff", "[_ ]"),
    ] {
        check(View::Cbor, &bytes(hex), &[expected]);
    }
    check(
        View::Cbor,
        &bytes("8301820203820405"),
        &["▾[", "  1,", "  ▾[", "    2,", "    3", "  ],", "  ▾[", "    4,", "    5", "  ]", "]"],
    );
    check(
        View::Cbor,
        &bytes("a26161016162820203"),
        &["▾{", "  \"a\": 1,", "  ▾\"b\": [", "    2,", "    3", "  ]", "}"],
    );
    check(View::Cbor, &bytes("bf6346756ef563416d7421ff"), &["▾{_ ", "  \"Fun\": true,", "  \"Amt\": -2", "}"]);
    check(View::Cbor, &bytes("5f42010243030405ff"), &["▾(_ ", "  h'0102',", "  h'030405'", ")"]);
    // Keys of any type: a number, a tag, an array.
    check(View::Cbor, &bytes("a301020102c10304"), &["▾{", "  1: 2,", "  1: 2,", "  1(3):", "  4", "}"]);
    check(View::Cbor, &bytes("a181 01 02"), &["▾{", "  ▾[", "    1", "  ]:", "  2", "}"]);
    check(View::Cbor, &bytes("c1a10102"), &["▾1({", "  1: 2", "})"]);
    // Several items, one after the other.
    check(View::Cbor, &bytes("0102"), &["1", "2"]);
}

#[test]
fn invalid_cbor_reports_its_position() {
    for (hex, expected) in [
        ("", "unexpected end of data at byte 0"),
        ("18", "unexpected end of data at byte 1"),
        ("8201", "unexpected end of data at byte 2"),
        ("9f01", "unexpected end of data at byte 2"),
        ("4401", "length of 4 bytes exceeds the remaining 1 at byte 1"),
        ("5bffffffffffffffff00", "length of 18446744073709551615 bytes exceeds the remaining 1 at byte 9"),
        ("9bffffffffffffffff", "unexpected end of data at byte 9"),
        ("bbffffffffffffffff", "unexpected end of data at byte 9"),
        ("1c", "invalid initial byte 0x1C at byte 0"),
        ("1f", "invalid initial byte 0x1F at byte 0"),
        ("df", "invalid initial byte 0xDF at byte 0"),
        ("ff", "unexpected break at byte 0"),
        ("81ff", "unexpected break at byte 1"),
        ("bf01ff", "unexpected break at byte 2"),
        ("c1ff", "unexpected break at byte 1"),
        ("f818", "invalid encoding of a simple value at byte 0"),
        ("61ff", "string isn't valid UTF-8 at byte 0"),
        ("5f01ff", "a string in chunks contains an item of another type at byte 1"),
        ("5f5fffff", "a string in chunks contains an item of another type at byte 1"),
        ("7f41ffff", "a string in chunks contains an item of another type at byte 1"),
    ] {
        check_fault(View::Cbor, &bytes(hex), expected);
    }
}

#[test]
fn messagepack_is_laid_out() {
    for (hex, expected) in [
        ("00", "0"),
        ("7f", "127"),
        ("ff", "-1"),
        ("e0", "-32"),
        ("c0", "null"),
        ("c2", "false"),
        ("c3", "true"),
        ("ccff", "255"),
        ("cdffff", "65535"),
        ("cfffffffffffffffff", "18446744073709551615"),
        ("cf0020000000000001", "9007199254740993"),
        ("d080", "-128"),
        ("d38000000000000000", "-9223372036854775808"),
        ("ca3f800000", "1.0"),
        ("cb405fc00000000000", "127.0"),
        ("a161", "\"a\""),
        ("d90161", "\"a\""),
        ("c40201ff", "h'01ff'"),
        ("90", "[]"),
        ("80", "{}"),
        ("d40501", "ext(5, h'01')"),
        ("d6ff5f000000", "timestamp(1593835520 s)"),
        ("d7ff00000004 5f000000", "timestamp(1593835520 s + 1 ns)"),
        ("c70cff 00000001 ffffffffffffffff", "timestamp(-1 s + 1 ns)"),
        ("d4ff00", "ext(-1, h'00')"),
    ] {
        check(View::MessagePack, &bytes(hex), &[expected]);
    }
    check(
        View::MessagePack,
        &bytes("82a16101a162930203c0"),
        &["▾{", "  \"a\": 1,", "  ▾\"b\": [", "    2,", "    3,", "    null", "  ]", "}"],
    );
    check(View::MessagePack, &bytes("81910102"), &["▾{", "  ▾[", "    1", "  ]:", "  2", "}"]);
    for (hex, expected) in [
        ("", "unexpected end of data at byte 0"),
        ("c1", "invalid initial byte 0xC1 at byte 0"),
        ("92 01", "unexpected end of data at byte 2"),
        ("ddffffffff", "unexpected end of data at byte 5"),
        ("dfffffffff", "unexpected end of data at byte 5"),
        ("c6ffffffff00", "length of 4294967295 bytes exceeds the remaining 1 at byte 5"),
        ("a1ff", "string isn't valid UTF-8 at byte 0"),
        ("d7ff00", "length of 8 bytes exceeds the remaining 1 at byte 2"),
    ] {
        check_fault(View::MessagePack, &bytes(hex), expected);
    }
}

#[test]
fn depth_is_limited() {
    for (view, open, close) in [(View::Json, "[", "]"), (View::Cbor, "\u{1}", ""), (View::MessagePack, "\u{1}", "")] {
        let byte = match view {
            View::Cbor => vec![0x81],
            View::MessagePack => vec![0x91],
            _ => open.as_bytes().to_vec(),
        };
        let nested = |depth: usize| {
            let inner = if view == View::Json { b"1".to_vec() } else { vec![1] };
            [byte.repeat(depth), inner, close.as_bytes().repeat(depth)].concat()
        };
        assert!(sheet(view, &nested(DEPTH_MAX)).is_ok(), "{view:?}");
        check_fault(view, &nested(DEPTH_MAX + 1), "nesting too deep");
        check_fault(view, &byte.repeat(10 << 20), "nesting too deep");
    }
    check_fault(View::Cbor, &vec![0xC1; 10 << 20], "nesting too deep");
    check_fault(View::Json, &b"1,".repeat(5 << 20), "unexpected data");
    let wide = [b"[".to_vec(), b"1,".repeat(5 << 20), b"1]".to_vec()].concat();
    check_fault(View::Json, &wide, "too many rows (maximum 4000000)");
}

#[test]
fn collapsed_values_take_one_row() {
    let mut sheet = sheet(View::Json, br#"{"a":[1,[2,3]],"b":{"c":4},"d":5}"#).expect("JSON");
    let all = rows(&sheet);
    let line = |sheet: &Sheet, index: usize| sheet.row(index).and_then(|row| row.fold).expect("a fold").line;
    let (inner, b) = (line(&sheet, 3), line(&sheet, 8));
    sheet.toggle(inner);
    sheet.toggle(b);
    let folded = ["▾{", "  ▾\"a\": [", "    1,", "    ▸[ 2 rows ]", "  ],", "  ▸\"b\": { 1 row },", "  \"d\": 5", "}"];
    assert_eq!(rows(&sheet), folded);
    // Folded rows within folded rows stay folded.
    let a = line(&sheet, 1);
    sheet.toggle(a);
    assert_eq!(rows(&sheet)[1..3], ["  ▸\"a\": [ 5 rows ],", "  ▸\"b\": { 1 row },"]);
    sheet.toggle(a);
    assert_eq!(rows(&sheet), folded);
    sheet.toggle(inner);
    sheet.toggle(b);
    assert_eq!(rows(&sheet), all);
    // Only foldable rows fold.
    sheet.toggle(2);
    sheet.toggle(1_000);
    assert_eq!(rows(&sheet), all);
}

#[test]
fn copy_is_complete() {
    let long = "x".repeat(100);
    for (view, payload, kind, expected) in [
        (View::Text, &b"a\tb\r\n\0"[..], "text", "a\tb\r\n\0"),
        (View::Text, b"\xff\x00", "hex", "ff00"),
        (View::Hex, b"\xff\x00", "hex", "ff00"),
        (View::Hex, b"", "hex", ""),
        (View::Base64, b"\xff\x00", "Base64", "/wA="),
        (View::Json, format!("[\"{long}\",{{}}]").as_bytes(), "formatted", &format!("[\n  \"{long}\",\n  {{}}\n]")),
    ] {
        let sheet = sheet(view, payload).expect("a sheet");
        assert_eq!((sheet.copied_as(), sheet.to_text().as_str()), (kind, expected), "{view:?} {payload:x?}");
    }
}

#[test]
fn most_likely_view_is_first() {
    for (payload, content_type, expected) in [
        (&b""[..], "", View::Text),
        (b"127.0", "", View::Text),
        (b"127.0", "application/json", View::Json),
        (br#"{"id":9007199254740993}"#, "", View::Json),
        (b" [1]", "", View::Json),
        (b"\xef\xbb\xbf[1]", "", View::Json),
        (b"[1", "", View::Text),
        (b"{} x", "application/json", View::Text),
        (b"</script>", "text/html", View::Text),
        (b"two\r\nlines\t", "", View::Text),
        (b"\0\0\0\x01", "", View::Hex),
        (b"\xff\xfe", "", View::Hex),
        (b"caf\xc3", "", View::Hex),
        (b"\xa1\x61\x61\x01", "", View::Cbor),
        (b"\x81\xa1\x61\x01", "", View::MessagePack),
        (b"\xa1\x61\x61\x01\x00", "", View::Hex),
        (b"\x01", "application/cbor", View::Cbor),
        (b"\x1c", "application/cbor", View::Hex),
        (b"\x01", "application/x-msgpack", View::MessagePack),
    ] {
        for slice_bytes in [1, usize::MAX] {
            assert_eq!(best_field(payload, content_type, slice_bytes), expected, "{payload:x?} {content_type}");
        }
    }
}

#[test]
fn ten_megabytes_open_in_every_view() {
    let lines = b"the quick brown fox\n".repeat(10 << 20 >> 4);
    let one_line = vec![b'x'; 10 << 20];
    let noise: Vec<u8> = (0..10_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for payload in [lines, one_line, noise] {
        for view in [View::Text, View::Hex, View::Base64] {
            let sheet = layout(view, &payload, 80, 1 << 16).expect("a sheet");
            let last = sheet.row(sheet.rows() - 1).expect("a last row");
            assert!(sheet.row(sheet.rows() / 2).is_some_and(|row| !row.pieces.is_empty()), "{view:?}");
            assert!(last.pieces.iter().map(|piece| piece.text.len()).sum::<usize>() < 500, "{view:?}: {last:?}");
        }
    }
}

/// One value of ten megabytes, and very many small ones: no slice of the work is much larger than requested.
#[test]
fn large_value_is_laid_out_in_slices() {
    let text = [b"[\"".to_vec(), b"0123456789".repeat(1 << 20), b"\",1]".to_vec()].concat();
    let numbers = [b"[".to_vec(), b"17,".repeat(1 << 20), b"1]".to_vec()].concat();
    for (payload, view) in [(&text, View::Json), (&numbers, View::Json), (&text, View::Text)] {
        let mut sheet = Sheet::new(view, payload.as_slice().into(), 80);
        let mut rows = sheet.rows();
        let mut slices = 0;
        while !sheet.advance(1 << 16).expect("a value of this type") {
            assert!(sheet.rows() - rows < 1 << 16, "{view:?}: {} rows in one slice", sheet.rows() - rows);
            rows = sheet.rows();
            slices += 1;
        }
        assert!(slices > 30, "{view:?}: {slices}");
        assert_eq!(sheet.to_text().len() > payload.len(), view == View::Json);
    }
}

const NAMES: [&str; 9] = [
    "Packet type and flags",
    "Remaining Length",
    "Length of the topic name",
    "Topic Name",
    "Packet Identifier",
    "Property Length",
    "Property identifier",
    "Content type",
    "Payload",
];

fn message<'a>(qos: QoS, properties: &'a [u8], topic: &'a str) -> Message<'a> {
    Message { seq: 1, time: Instant::EPOCH, topic, qos, retain: true, dup: false, properties, payload: b"" }
}

#[test]
fn each_byte_of_a_publish_is_explained() {
    let properties = b"\x03\x00\x04text\x02\x00\x00\x00\x3c\x26\x00\x01a\x00\x00\x0b\x80\x01\x23\x00\x07";
    let message = message(QoS::AtLeastOnce, properties, "a/b");
    let with_identifier = |identifier| PublishBytes::new(&message, b"hi!".as_slice().into(), Version::V5, identifier);
    let packet = with_identifier(None);
    let names: Vec<_> = packet.fields().iter().map(|field| field.name).collect();
    for name in NAMES {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    for (at, expected) in [
        (
            0,
            "Byte 0: 0x33 (51). Packet type and flags. High nibble 3 = PUBLISH. Low nibble = flags: DUP 0, QoS 1 (at least once), RETAIN 1.",
        ),
        (4, "Byte 4: 0x61 (97). Topic Name, byte 1 of 3. “a/b”, in UTF-8."),
        (
            7,
            "Byte 7: unknown. Packet Identifier, byte 1 of 2. No longer known. Acknowledgements carry the same number.",
        ),
        (9, "Byte 9: 0x18 (24). Property Length. 24 bytes of properties follow."),
        (10, "Byte 10: 0x03 (3). Property identifier. 3 = content type."),
        (13, "Byte 13: 0x74 (116). Content type, byte 1 of 4. “text”, in UTF-8."),
        (21, "Byte 21: 0x3C (60). Message expiry, byte 4 of 4. 60 s left."),
        (24, "Byte 24: 0x01 (1). Length of the name, byte 2 of 2. 1 byte follows."),
        (30, "Byte 30: 0x01 (1). Subscription identifier, byte 2 of 2. 128."),
        (36, "Byte 36: 0x21 (33). Payload, byte 3 of 3. 3 bytes, unmodified."),
    ] {
        let description = packet.describe(at);
        assert_eq!(description, expected);
    }
    let notes = packet.notes().join(" ");
    for note in ["MQTT 5.0", "packet identifier is known only while", "Topic alias 7"] {
        assert!(notes.contains(note), "{notes}");
    }
    let packet = with_identifier(Some(0x0102));
    let expected = "Byte 8: 0x02 (2). Packet Identifier, byte 2 of 2. 258. Acknowledgements carry the same number.";
    assert_eq!(packet.describe(8), expected);
    assert!(!packet.notes().join(" ").contains("identifier"));
}

#[test]
fn publish_bytes_depend_on_the_version() {
    for (version, length) in [(Version::V311, 5), (Version::V5, 6)] {
        let packet = PublishBytes::new(&message(QoS::AtMostOnce, b"", "a"), Arc::from([]), version, None);
        assert_eq!(packet.len(), length);
        assert!(packet.notes()[0].contains(&version.to_string()));
    }
}

proptest! {
    /// Encoding again gives the codec's bytes, and the fields have no gaps.
    #[test]
    fn publish_is_encoded_again_byte_for_byte(
        topic in "[a-z/é]{1,200}",
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        qos in 0..3_u8,
        sections in proptest::collection::vec(0..5_usize, 0..4),
        version in prop_oneof![Just(Version::V311), Just(Version::V5)],
    ) {
        let parts: [&[u8]; 5] = [b"\x26\x00\x01n\x00\x02vv", b"\x0b\x80\x01", b"\x0b\x05", b"\x26\x00\x00\x00\x00", b"\x26\x00\x01x\x00\x00"];
        let properties: Vec<u8> = sections.into_iter().flat_map(|part| parts[part]).copied().collect();
        let properties = if version == Version::V5 { properties } else { Vec::new() };
        let qos = QoS::from_u8(qos).expect("0 to 2");
        let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::MIN);
        let packet = PublishBytes::new(&message(qos, &properties, &topic), payload.as_slice().into(), version, packet_id.map(PacketId::get));
        let again: Vec<u8> = (0..packet.len()).map(|at| packet.byte(at).unwrap_or(0)).collect();
        let mut end = 0;
        for field in packet.fields() {
            prop_assert_eq!(field.start, end);
            end = field.end;
        }
        prop_assert_eq!(end, packet.len());
        prop_assert_eq!(packet.byte(end), None);
        let read = publish::decode(&again, version).expect("a PUBLISH");
        prop_assert_eq!(read, Publish {
            dup: false, qos, retain: true, topic: &topic, packet_id, topic_alias: None,
            properties: &properties, payload: &payload,
        });
    }

    /// Any bytes can be inspected.
    #[test]
    fn any_bytes_can_be_inspected(payload in proptest::collection::vec(any::<u8>(), 0..200), columns in 1..100_usize) {
        for view in View::ALL {
            if let Ok(sheet) = layout(view, &payload, columns, usize::MAX) {
                prop_assert!((0..sheet.rows()).all(|index| sheet.row(index).is_some()));
                let _ = sheet.to_text();
            }
        }
        let _ = best_field(&payload, "", usize::MAX);
        let packet = PublishBytes::new(&message(QoS::ExactlyOnce, &payload, "t"), Arc::from([]), Version::V5, None);
        for at in 0..packet.len() + 1 {
            let _ = packet.describe(at);
        }
    }

    /// In slices or at once, the rows are the same, and so is the error.
    #[test]
    fn size_of_slices_does_not_matter(
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}:,\"0-9a-z \né字]{0,60}".prop_map(String::into_bytes),
            "(\\[|\\{\"a\":)?[\"0-9a-zé]{0,90}(\"|1|\\]|\\})*".prop_map(String::into_bytes),
        ],
        slice_bytes in 1..40_usize,
        columns in 1..100_usize,
    ) {
        for view in View::ALL {
            match (layout(view, &payload, columns, slice_bytes), layout(view, &payload, columns, usize::MAX)) {
                (Ok(sliced), Ok(whole)) => prop_assert_eq!(rows(&sliced), rows(&whole)),
                (sliced, whole) => prop_assert_eq!(sliced.err(), whole.err()),
            }
        }
    }

    /// The rows of a text are the text.
    #[test]
    fn every_letter_of_a_text_is_shown(text in "[a-z \n字é]{0,200}", columns in 1..30_usize) {
        let sheet = layout(View::Text, text.as_bytes(), columns, usize::MAX).expect("a sheet");
        let mut again = String::new();
        for index in 0..sheet.rows() {
            let row = sheet.row(index).expect("a row");
            if index > 0 && !row.continues {
                again.push('\n');
            }
            again.extend(row.pieces.iter().map(|piece| piece.text.as_str()));
        }
        prop_assert_eq!(again, text);
    }
}

fn part(seq: u64, from_byte: u32, payload: &[u8], of: u32) -> MessagePart {
    let found = MessageDetails {
        time: Instant::EPOCH,
        topic: "t".to_owned(),
        qos: QoS::AtMostOnce,
        retain: false,
        dup: false,
        properties: Vec::new(),
        payload_bytes: of,
        from_byte,
        payload: payload.to_vec(),
    };
    MessagePart { seq, first_seq: 5, next_seq: 10, reach: BrokerAccess::default(), found: Some(found) }
}

#[test]
fn message_is_fetched_in_parts() {
    let request = |seq, from_byte| Some(MessageRequest { seq, from_byte });
    let mut fetch = MessageFetch::default();
    assert_eq!(fetch.request(), None);
    assert_eq!(fetch.take(part(0, 0, b"", 0)), None);

    fetch = MessageFetch::new(7);
    assert_eq!(fetch.request(), request(7, 0));
    assert_eq!(fetch.take(part(6, 0, b"x", 1)), None, "an answer to an earlier question");
    assert_eq!(fetch.take(part(7, 0, b"ab", 3)), Some(FetchResult::Partial { bytes: 2, of: 3 }));
    assert_eq!(fetch.request(), request(7, 2));
    assert_eq!(fetch.take(part(7, 0, b"ab", 3)), None, "the same again");
    let Some(FetchResult::Complete(found, _)) = fetch.take(part(7, 2, b"c", 3)) else { panic!("not whole") };
    assert_eq!(found.payload, b"abc");
    assert_eq!(fetch.request(), None);
    assert_eq!(fetch.abandon(), None);

    for (seq, expected) in [(3, "is no longer stored"), (10, "hasn't arrived yet")] {
        fetch = MessageFetch::new(seq);
        let missing = fetch.take(MessagePart { found: None, ..part(seq, 0, b"", 0) });
        assert!(matches!(&missing, Some(FetchResult::Missing(reason)) if reason.contains(expected)), "{missing:?}");
        assert_eq!(fetch.request(), None);
    }

    fetch = MessageFetch::new(7);
    assert!(matches!(fetch.abandon(), Some(FetchResult::Missing(_))));
    assert_eq!(fetch.request(), None);
}
