//! What payloads say: every one of them, and never an error.

use mqtt_crawl::dialogue::Line;
use proptest::prelude::*;

fn check(payload: impl AsRef<[u8]>, character: &str, text: &str) {
    let payload = payload.as_ref();
    let line = Line::from_payload("house/door", payload);
    let shown = payload[..payload.len().min(80)].escape_ascii();
    assert!(line.character == character && line.text == text, "{shown}: {:?} says {:.80}", line.character, line.text);
}

#[test]
fn dialogue_in_json_is_spoken() {
    for (payload, character, text) in [
        (r#"{"character":"MABEL","text":"Everybody gets heard."}"#, "MABEL", "Everybody gets heard."),
        // Any order, any space, other fields.
        (" {\r\n \"text\" : \"Hi\" ,\n\t\"x\":[1,{\"text\":2}], \"character\":\"PIP\" }\n", "PIP", "Hi"),
        ("\u{feff}{\"character\":\"PIP\",\"text\":\"Hi\"}", "PIP", "Hi"),
        (r#"{"\u0074ext":"\"Hi\"\u2026 \ud83c\udf45","character":"P\u0049P"}"#, "PIP", "\"Hi\"… 🍅"),
        (r#"{"text":" Hi ","character":" PIP "}"#, "PIP", "Hi"),
        (r#"{"text":"NAME: words"}"#, "", "NAME: words"),
        (r#"{"text":"Hi","character":null}"#, "", "Hi"),
        (r#"{"text":"","character":"PIP"}"#, "PIP", ""),
        // Markup is text.
        (r#"{"character":"<b>","text":"<img src=x onerror=alert(1)>"}"#, "<b>", "<img src=x onerror=alert(1)>"),
        // Other types are shown as written.
        (r#"{"character":7,"text":127.0}"#, "7", "127.0"),
        (r#"{"character":["A", "B"],"text":9007199254740993}"#, r#"["A", "B"]"#, "9007199254740993"),
        (r#"{"character":true,"text":null}"#, "true", "null"),
        (r#"{"character":"A","text":{ "n": 1E+2 }}"#, "A", r#"{"n": 1E+2}"#),
        (r#"{"character":"A","text":"half \ud800"}"#, "A", r#""half \ud800""#),
    ] {
        check(payload, character, text);
    }
}

#[test]
fn speakers_and_words_have_many_names() {
    for (payload, character, text) in [
        (r#"{"device":"thermometer","value":21.40,"unit":"C"}"#, "thermometer", "21.40"),
        (r#"{"from":"ada","message":"Hello World"}"#, "ada", "Hello World"),
        (r#"{"user":"ada","msg":"Hi","topic":"x"}"#, "ada", "Hi"),
        (r#"{"body":"Hi"}"#, "", "Hi"),
        // The likeliest first, wherever it stands.
        (r#"{"value":1,"text":"Hi","name":"n","character":"c"}"#, "c", "Hi"),
        (r#"{"character":null,"name":"n","text":"Hi"}"#, "n", "Hi"),
        // What is there twice says nothing.
        (r#"{"text":"a","text":"b","value":3}"#, "", "3"),
    ] {
        check(payload, character, text);
    }
}

#[test]
fn other_json_is_shown_as_written_on_one_line() {
    for (payload, text) in [
        ("21.50", "21.50"),
        ("-0.0", "-0.0"),
        ("1e400", "1e400"),
        ("9007199254740993", "9007199254740993"),
        ("true", "true"),
        ("null", "null"),
        (r#""quoted""#, r#""quoted""#),
        ("[]", "[]"),
        ("{}", "{}"),
        (r#"["A","B"]"#, r#"["A","B"]"#),
        (r#"{"t":21.50,"u":"C"}"#, r#"{"t":21.50,"u":"C"}"#),
        ("{\n  \"t\": 21.50,\n  \"of\": [\n    1,\n    2\n  ]\n}", r#"{"t": 21.50, "of": [1, 2]}"#),
        (r#"{"a":"two  spaces \" and {  x"}"#, r#"{"a":"two  spaces \" and {  x"}"#),
        (r#"{"a":"\\" , "b":1}"#, r#"{"a":"\\" , "b":1}"#),
        // Someone, but no words; words twice.
        (r#"{"character":"A"}"#, r#"{"character":"A"}"#),
        (r#"{"text":"a","text":"b"}"#, r#"{"text":"a","text":"b"}"#),
        (r#"{"Text":"a"}"#, r#"{"Text":"a"}"#),
    ] {
        check(payload, "", text);
    }
}

#[test]
fn what_begins_like_json_and_isnt_is_text() {
    let deep = "[".repeat(100_000);
    for payload in [
        r#"{"character":"A","text":"#,
        r#"{"text":'a'}"#,
        r#"{"text":"a"} {"text":"b"}"#,
        r#"{"text":01}"#,
        "{curly}",
        "[12:30] late",
        &deep,
    ] {
        check(payload, "", payload);
    }
}

#[test]
fn no_depth_is_too_deep() {
    let nested = |levels: usize| format!("{}1{}", r#"{"text":"#.repeat(levels), "}".repeat(levels));
    check(nested(50_000), "", &nested(49_999));
}

#[test]
fn a_name_and_a_colon_tell_who_speaks() {
    for (payload, character, text) in [
        ("MABEL: Everybody gets heard.", "MABEL", "Everybody gets heard."),
        ("  Pip:   Closed!  ", "Pip", "Closed!"),
        ("AUNT RETTA: Mind the step.", "AUNT RETTA", "Mind the step."),
        ("Mr. O'Hara-Smith_2: Hi", "Mr. O'Hara-Smith_2", "Hi"),
        ("R2: beep: beep", "R2", "beep: beep"),
        ("7 of 9: hello", "7 of 9", "hello"),
        ("ÉLODIE : Bonjour", "ÉLODIE", "Bonjour"),
        ("東京: 晴れ", "東京", "晴れ"),
        ("PIP:\tOpen!", "PIP", "Open!"),
        ("PIP:\nOpen!", "PIP", "Open!"),
        ("one two three four: words", "one two three four", "words"),
    ] {
        check(payload, character, text);
    }
    for payload in [
        "Everybody gets heard.",
        "http://example.org/a: here",
        "see http://example.org",
        "12:30",
        "12: 30",
        "12:30: late",
        "key:value",
        "PIP:",
        "PIP:   ",
        ": words",
        "- note: words",
        "one two three four five: words",
        "a name that goes on for too many characters: words",
        "What, me? Oh: yes",
        "two\nlines: words",
        "a/b: words",
        "\u{202e}PIP: words",
    ] {
        check(payload, "", payload.trim());
    }
}

#[test]
fn nothing_and_blanks_are_told_with_their_topic() {
    check("", "", "(empty message on house/door)");
    check(" \r\n\t", "", "(blank message on house/door)");
    check("\u{feff}", "", "(blank message on house/door)");
    assert_eq!(Line::from_payload("", b"").text, "(empty message on )");
}

#[test]
fn bytes_are_counted_and_begun_in_hex() {
    check([0x00, 0xFF, 0x10], "", "‹3 bytes: 00 ff 10›");
    check([0xFF], "", "‹1 byte: ff›");
    check([0xFF; 8], "", "‹8 bytes: ff ff ff ff ff ff ff ff›");
    check([0xFF; 9], "", "‹9 bytes: ff ff ff ff ff ff ff ff …›");
    check(vec![0xFE; 1_234_567], "", "‹1,234,567 bytes: fe fe fe fe fe fe fe fe …›");
    check(b"PIP: caf\xc3", "", "‹9 bytes: 50 49 50 3a 20 63 61 66 …›");
}

#[test]
fn a_line_is_published_as_exactly_two_fields() {
    for (character, text, expected) in [
        ("MABEL", "Hi.", r#"{"character":"MABEL","text":"Hi."}"#),
        ("", "", r#"{"character":"","text":""}"#),
        ("A\"B", "\\ \n \u{1} / é 🍅", r#"{"character":"A\"B","text":"\\ \n \u0001 / é 🍅"}"#),
    ] {
        let line = Line { character: character.to_owned(), text: text.to_owned() };
        assert_eq!(line.to_json(), expected);
    }
}

proptest! {
    #[test]
    fn a_published_line_is_the_line_that_arrives(character in any::<String>(), text in any::<String>()) {
        let line = Line { character: character.trim().to_owned(), text: text.trim().to_owned() };
        prop_assert_eq!(&Line::from_payload("t", line.to_json().as_bytes()), &line);
        prop_assert_eq!(serde_json::to_string(&line).ok(), Some(line.to_json()));
    }

    #[test]
    fn every_payload_says_something(
        bytes in any::<Vec<u8>>(),
        text in any::<String>(),
        json in "[\\[\\]{}:,\" a-c0-9\\\\\n]{0,40}",
        value in "[\\[\\]{}:,\" a-c0-9\\\\\n]{0,20}",
    ) {
        let field = format!(r#"{{"text":{value}}}"#);
        for payload in [&bytes[..], text.as_bytes(), json.as_bytes(), field.as_bytes()] {
            let line = Line::from_payload("t", payload);
            let spoken = str::from_utf8(payload).is_ok_and(|text| text.contains("\"text\""));
            prop_assert!(!line.text.is_empty() || spoken, "{:?} gives {line:?}", payload.escape_ascii().to_string());
        }
    }

    /// JSON on one line is the same JSON, its numbers as they were written.
    #[test]
    fn one_line_changes_no_value(
        numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?", 1..5),
        key in any::<String>(),
        space in "[ \n\r\t]{0,4}",
    ) {
        let key = serde_json::Value::from(key).to_string();
        let body = numbers.join(&format!("{space},{space}"));
        let payload = format!("{{{space}{key}{space}:{space}[{space}{body}{space}]{space}}}");
        let shown = Line::from_payload("t", payload.as_bytes()).text;
        let without_key = shown.replace(&key, "");
        prop_assert!(shown.contains(&key));
        prop_assert!(!without_key.contains(['\n', '\r', '\t']));
        prop_assert_eq!(without_key.replace(' ', ""), format!("{{:[{}]}}", numbers.join(",")));
    }
}
