//! CSV: exactly by RFC 4180, harmless in a spreadsheet, and reversible by the rules in its module's docs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mqtt_crawl::message_log::csv::{Dialect, Separator, write_head, write_message};
use mqtt_crawl::message_log::message::Message;
use mqtt_crawl::mqtt::packet::QoS;
use mqtt_crawl::time::Instant;
use proptest::prelude::*;

fn message<'a>(topic: &'a str, payload: &'a [u8], properties: &'a [u8]) -> Message<'a> {
    Message {
        seq: 12,
        time: Instant::from_millis(1_795_255_200_123),
        topic,
        qos: QoS::AtLeastOnce,
        retain: true,
        dup: false,
        properties,
        payload,
    }
}

fn written(message: &Message<'_>) -> String {
    written_in(Dialect::default(), message)
}

fn written_in(dialect: Dialect, message: &Message<'_>) -> String {
    let mut out = Vec::new();
    write_message(message, dialect, &mut out);
    String::from_utf8(out).expect("a row is UTF-8")
}

fn head(dialect: Dialect) -> String {
    let mut out = Vec::new();
    write_head(dialect, &mut out);
    String::from_utf8(out).expect("a head is UTF-8")
}

#[test]
fn cells_are_separated_as_local_spreadsheets_expect() {
    let dialect = Dialect { separator: Separator::Semicolon, keeps_digits: false };
    assert_eq!(head(dialect), "\u{feff}time;seq;topic;qos;retain;dup;payload;encoding;size;properties\r\n");
    let row = written_in(dialect, &message("t", b"a;b,c", &[]));
    assert_eq!(row, "2026-11-21 10:00:00.123;12;\"t\";1;true;false;\"a;b,c\";text;5;\r\n");
}

#[test]
fn digits_can_be_protected_from_spreadsheets() {
    let check = |separator: Separator, payload: &str, is_kept: bool| {
        let row = written_in(Dialect { separator, keeps_digits: true }, &message("t", payload.as_bytes(), &[]));
        let formula = format!("\"=\"\"{payload}\"\"\"");
        assert_eq!(row.contains(&formula), is_kept, "{payload}: {row}");
        // Only on request.
        assert!(!written(&message("t", payload.as_bytes(), &[])).contains(&formula));
    };
    for payload in [
        "89490200001234567890",
        "00420017",
        "1E5",
        "1-2",
        "01/16/2026",
        "10:45",
        "21,5",
        "+49 170 1234567",
        "-5+1",
        "MAR1",
        "1.2.3",
        "1234567890123456",
    ] {
        check(Separator::Comma, payload, true);
        check(Separator::Semicolon, payload, true);
    }
    for payload in ["21", "-17.25", "0.5", "0", "123456789012345", "ON", "a1", "it is 5", "5 < 6", "=1+1"] {
        check(Separator::Comma, payload, false);
    }
    // A point isn't the decimal sign there.
    check(Separator::Semicolon, "21.5", true);
    check(Separator::Semicolon, "21", false);
    let topic = written_in(Dialect { keeps_digits: true, ..Dialect::default() }, &message("0042", b"", &[]));
    assert!(topic.contains(",\"=\"\"0042\"\"\","), "{topic}");
}

#[test]
fn rows_match_the_header() {
    assert_eq!(head(Dialect::default()), "\u{feff}time,seq,topic,qos,retain,dup,payload,encoding,size,properties\r\n");
    let row = written(&message("a, \"b\"", "21.5 °C\r\nand more".as_bytes(), &[0x03, 0, 1, b't']));
    let expected = "2026-11-21 10:00:00.123,12,\"a, \"\"b\"\"\",1,true,false,\"21.5 °C\r\nand more\",text,18,\
                    \"{\"\"content_type\"\":\"\"t\"\"}\"\r\n";
    assert_eq!(row, expected);
}

#[test]
fn payload_is_text_or_base64_and_never_a_formula() {
    for (payload, expected) in [
        (&b""[..], "\"\",text,0,"),
        (b"127.0", "\"127.0\",text,5,"),
        (b"9007199254740993", "\"9007199254740993\",text,16,"),
        // A number isn't executed, with any sign.
        (b"-17.25", "\"-17.25\",text,6,"),
        (b"+5", "\"+5\",text,2,"),
        (b"-5+1", "\"'-5+1\",text,4,"),
        (b"-1.2.3", "\"'-1.2.3\",text,6,"),
        (b"-", "\"'-\",text,1,"),
        (b"-.5", "\"'-.5\",text,3,"),
        (b"=1+1", "\"'=1+1\",text,4,"),
        (b"+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\",text,18,"),
        (b"@SUM(A1)", "\"'@SUM(A1)\",text,8,"),
        (b"\t=1", "\"'\t=1\",text,3,"),
        (b"\r=1", "\"'\r=1\",text,3,"),
        ("＝1".as_bytes(), "\"'＝1\",text,4,"),
        (b"'quoted", "\"''quoted\",text,7,"),
        (b"x=1", "\"x=1\",text,3,"),
        (b"\xff\0", "\"/wA=\",base64,2,"),
        (b"a\0b", "\"YQBi\",base64,3,"),
        // Base64 may begin like a formula, too.
        (b"\xfb\xff", "\"'+/8=\",base64,2,"),
    ] {
        let row = written(&message("t", payload, &[]));
        let begin = "2026-11-21 10:00:00.123,12,\"t\",1,true,false,";
        assert_eq!(row, format!("{begin}{expected}\r\n"), "{payload:?}");
    }
    assert!(written(&message("=t", b"", &[])).contains(",\"'=t\","));
}

/// Parses a row by RFC 4180 into its cells.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = row.strip_suffix("\r\n").expect("an end").chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells.last_mut().expect("a cell").push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            _ => cells.last_mut().expect("a cell").push(c),
        }
    }
    assert!(!is_quoted, "{row}");
    cells
}

fn without_guard(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

proptest! {
    #[test]
    fn topics_and_payloads_round_trip(
        topic in prop_oneof!["[=+@'\",a-z\n-]{1,9}", "\\PC{1,20}"],
        payload in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[-=+@'\",.0-9\r\n\t ]{0,12}".prop_map(String::into_bytes),
            "\\PC{0,30}".prop_map(String::into_bytes),
        ],
    ) {
        let cells = cells(&written(&message(&topic, &payload, &[])));
        prop_assert_eq!(cells.len(), 10);
        prop_assert_eq!(without_guard(&cells[2]), &topic);
        let text = without_guard(&cells[6]);
        let again = if cells[7] == "text" { text.as_bytes().to_vec() } else { BASE64.decode(text).expect("Base64") };
        prop_assert_eq!(again, payload);
        for cell in &cells {
            let is_number = cell.parse::<f64>().is_ok();
            prop_assert!(is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
    }
}
