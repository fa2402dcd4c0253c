//! The dialogue in payloads: every payload has some, and none is an error.

use mqtt_crawl::dialogue::Line;
use proptest::prelude::*;

/// The topic of messages, whose last levels are the speaker if the payload names none.
const TOPIC: &str = "home/front_door/state";
const BY_TOPIC: &str = "front door state";

fn check(payload: impl AsRef<[u8]>, character: &str, text: &str) {
    check_on(TOPIC, payload, character, text);
}

fn check_on(topic: &str, payload: impl AsRef<[u8]>, character: &str, text: &str) {
    let payload = payload.as_ref();
    let line = Line::from_payload(topic, payload);
    let shown = payload[..payload.len().min(80)].escape_ascii();
    assert!(line.character == character && line.text == text, "{shown}: {:?} says {:.80}", line.character, line.text);
}

#[test]
fn dialogue_in_json_becomes_a_line() {
    for (payload, character, text) in [
        (r#"{"character":"MABEL","text":"Everybody gets heard."}"#, "MABEL", "Everybody gets heard."),
        // Any order, any space, other fields.
        (" {\r\n \"text\" : \"Hi\" ,\n\t\"x\":[1,{\"text\":2}], \"character\":\"PIP\" }\n", "PIP", "Hi"),
        ("\u{feff}{\"character\":\"PIP\",\"text\":\"Hi\"}", "PIP", "Hi"),
        (r#"{"\u0074ext":"\"Hi\"\u2026 \ud83c\udf45","character":"P\u0049P"}"#, "PIP", "\"Hi\"… 🍅"),
        (r#"{"text":" Hi ","character":" PIP "}"#, "PIP", "Hi"),
        (r#"{"text":"","character":"PIP"}"#, "PIP", ""),
        // No speaker, and an empty speaker.
        (r#"{"text":"NAME: words","character":""}"#, "", "NAME: words"),
        (r#"{"text":"NAME: words"}"#, BY_TOPIC, "NAME: words"),
        (r#"{"text":"Hi","character":null}"#, BY_TOPIC, "Hi"),
        // Markup is text.
        (r#"{"character":"<b>","text":"<img src=x onerror=alert(1)>"}"#, "<b>", "<img src=x onerror=alert(1)>"),
        // Names of other types are shown as written.
        (r#"{"character":7,"text":127.0}"#, "7", "127.0"),
        (r#"{"character":["A", "B"],"text":9007199254740993}"#, "A, B", "9007199254740993"),
        (r#"{"character":true,"text":null}"#, "true", ""),
        (r#"{"character":"A","text":{ "n": 1E+2 }}"#, "A", "n 1E+2"),
        (r#"{"character":"A","text":"half \ud800"}"#, "A", r#""half \ud800""#),
        (r#"{"character":"A","value":20.934537983209168}"#, "A", "20.93"),
        // Numbers that were written as text aren't rounded.
        (r#"{"character":"A","text":"20.934537983209168"}"#, "A", "20.934537983209168"),
    ] {
        check(payload, character, text);
    }
}

#[test]
fn speaker_and_text_fields_have_many_names() {
    for (payload, character, text) in [
        (r#"{"device":"thermometer","value":21.40,"unit":"C"}"#, "thermometer", "21.40"),
        (r#"{"from":"ada","message":"Hello World"}"#, "ada", "Hello World"),
        (r#"{"user":"ada","msg":"Hi","topic":"x"}"#, "ada", "Hi"),
        (r#"{"body":"Hi"}"#, BY_TOPIC, "Hi"),
        // The likeliest first, at any position.
        (r#"{"value":1,"text":"Hi","name":"n","character":"c"}"#, "c", "Hi"),
        (r#"{"character":null,"name":"n","text":"Hi"}"#, "n", "Hi"),
        // In any capitalisation, but preferably the known one.
        (r#"{"Text":"Hi","Character":"ADA"}"#, "ADA", "Hi"),
        (r#"{"MESSAGE":"Hi","Device":"lamp"}"#, "lamp", "Hi"),
        (r#"{"Text":"loud","text":"quiet","NAME":"n","name":"m"}"#, "m", "quiet"),
        // Duplicates are ignored.
        (r#"{"text":"a","text":"b","value":3}"#, BY_TOPIC, "3"),
        (r#"{"Text":"a","TEXT":"b","value":3}"#, BY_TOPIC, "3"),
    ] {
        check(payload, character, text);
    }
}

#[test]
fn empty_fields_fall_back_to_filled_ones() {
    for (payload, character, text) in [
        (r#"{"text":null,"message":"Door opened","device":"porch"}"#, "porch", "Door opened"),
        (r#"{"text":"","message":"Door opened","device":"porch"}"#, "porch", "Door opened"),
        (r#"{"text":[],"message":{},"body":"Door opened"}"#, BY_TOPIC, "Door opened"),
        (r#"{"text":null,"temperature":21.5,"device":"porch"}"#, "porch", "temperature 21.5"),
        (r#"{"text":"","character":"PIP","t":7}"#, "PIP", "t 7"),
        // Speakers.
        (r#"{"character":{},"name":"n","text":"Hi"}"#, "n", "Hi"),
        (r#"{"from":{"id":41,"is_bot":false,"first_name":"Ida"},"text":"Late."}"#, "Ida", "Late."),
        (r#"{"from":{"first_name":"Ida","last_name":"Marn","username":"im"},"text":"Late."}"#, "Ida Marn", "Late."),
        (r#"{"device":{"id":7,"name":"porch lamp"},"value":"on"}"#, "porch lamp", "on"),
        (r#"{"user":{"id":7},"text":"Late."}"#, BY_TOPIC, "Late."),
        (r#"{"character":[],"text":"Late."}"#, BY_TOPIC, "Late."),
        (r#"{"character":[{"name":"A"},{"name":"B"}],"text":"Late."}"#, "A, B", "Late."),
        // Text in objects and lists.
        (r#"{"message":{"id":7,"body":"The tide is late."},"user":"ida"}"#, "ida", "The tide is late."),
        (r#"{"message":{"from":{"first_name":"Ida"},"text":"Late."},"user":"bot"}"#, "Ida", "Late."),
        (r#"{"update_id":1,"MESSAGE":{"From":{"First_Name":"Ida"},"Text":"Late."}}"#, "Ida", "Late."),
        (r#"{"event":{"type":"message","user":"U1","text":"Late."},"team":"T"}"#, "U1", "Late."),
        (r#"{"text":["It ",{"type":"bold","text":"was"}," late","!"]}"#, BY_TOPIC, "It was late!"),
        (r#"{"text":["The tide","is late."],"character":"A"}"#, "A", "The tide is late."),
        (r#"{"text":[1,2,3],"character":"A"}"#, "A", "1, 2, 3"),
        (r#"{"text":{"content":"Late.","format":"plain"},"character":"A"}"#, "A", "Late."),
        (r#"{"text":{"en":"Late.","de":"Spät."},"character":"A"}"#, "A", "en Late., de Spät."),
        // The only item of a list.
        (r#"[{"character":"A","text":"Late."}]"#, "A", "Late."),
        (r#"{"ok":true,"result":[{"message":{"from":{"first_name":"Ida"},"text":"Late."}}]}"#, "Ida", "Late."),
        // Encoded twice.
        (r#""{\"text\":\"Late.\",\"character\":\"A\"}""#, "A", "Late."),
        (r#"{"message":"{\"text\":\"Late.\"}","user":"ida"}"#, "ida", "Late."),
        (r#"{"message":"{late}","user":"ida"}"#, "ida", "{late}"),
        // Nested numbers aren't text.
        (r#"{"battery":{"value":87},"on":true}"#, BY_TOPIC, "battery value 87, on true"),
    ] {
        check(payload, character, text);
    }
    check(r#"{"text":null}"#, "", "(empty message on home/front_door/state)");
    check(r#"{"text":{},"value":""}"#, "", "(empty message on home/front_door/state)");
}

#[test]
fn topic_is_the_speaker_if_the_message_names_none() {
    for (topic, payload, character, text) in [
        ("home/kitchen/temperature", "20.55", "kitchen temperature", "20.55"),
        ("home/kitchen/temperature", "ADA: It is warm", "ADA", "It is warm"),
        ("$SYS/broker/uptime", "33 seconds", "broker uptime", "33 seconds"),
        ("zigbee2mqtt/0x00158d0001a2b3c4", "ON", "zigbee2mqtt", "ON"),
        ("chat/harbour", "Is anybody still out there?", "chat harbour", "Is anybody still out there?"),
        ("meter", "386", "meter", "386"),
        ("lamp", "ON", "lamp", "ON"),
        ("lamp", "off since noon", "lamp", "off since noon"),
        ("meter", r#"{"watts":386,"volts":230}"#, "meter", "watts 386, volts 230"),
        ("meter", "[1,2]", "meter", "1, 2"),
        ("meter", r#"{"value":386}"#, "meter", "386"),
        ("StarWars", "林：潮水来晚了。", "林", "潮水来晚了。"),
        // A story's topic isn't a speaker.
        ("StarWars", "A broker sat in a cellar.", "", "A broker sat in a cellar."),
        ("StarWars", r#"{"text":"A broker sat in a cellar."}"#, "", "A broker sat in a cellar."),
        ("StarWars", r#"{"character":"","text":"Silence."}"#, "", "Silence."),
        ("StarWars", "とても長い夜でした。", "", "とても長い夜でした。"),
    ] {
        check_on(topic, payload, character, text);
    }
    check_on("meter", [0xFF], "meter", "‹1 byte: ff›");
    check_on("", "20.55", "", "20.55");
}

#[test]
fn other_json_becomes_readable_text() {
    for (payload, text) in [
        (r#"{"watts":386,"phases":[{"u":230.1,"i":0.5},{"u":231.0,"i":0.6}]}"#, "watts 386, phases …"),
        (r#"{"temperature":21.4,"unit":"°C"}"#, "temperature 21.4 °C"),
        (r#"{"unit":"°C","temperature":21.4,"ok":true}"#, "temperature 21.4 °C, ok true"),
        (r#"{"humidity":40,"temperature":21.4,"unit":"°C","x":1}"#, "humidity 40, temperature 21.4 °C, x 1"),
        // The unit's owner is unknown.
        (r#"{"unit":"°C","inside":21.4,"outside":3}"#, "unit °C, inside 21.4, outside 3"),
        (r#"{"unit":"the third on the left","n":1}"#, "unit the third on the left, n 1"),
        (r#"{"state":"open","battery":{"percent":87}}"#, "state open, battery percent 87"),
        (r#"{"at":{"x":1,"y":2,"z":3},"to":{"a":1,"b":2,"c":3,"d":4}}"#, "at x 1 y 2 z 3, to …"),
        (r#"{"rgb":[255,0,128],"deep":[[1]],"none":[],"nil":null,"empty":""}"#, "rgb 255 0 128, deep …"),
        (r#"{"t":20.934537983209168,"n":9007199254740993}"#, "t 20.93, n 9007199254740993"),
        (r#"{"battery_level":87,"linkQuality":120}"#, "battery level 87, link quality 120"),
        (r#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}"#, "a 1, b 2, c 3, d 4, e 5, f 6, …"),
        ("{\n  \"t\": 21.50,\n  \"of\": [\n    1,\n    2\n  ]\n}", "t 21.50, of 1 2"),
        (r#"{"a":"two  spaces \" and {  x"}"#, "a two spaces \" and { x"),
        (r#"{"text":"a","text":"b"}"#, "text a, text b"),
        (r#"{"character":"A"}"#, "character A"),
        // Lists.
        (r#"["A","B"]"#, "A, B"),
        ("[ 1, 20.934537983209168, true, null ]", "1, 20.93, true, null"),
        ("[1,2,3,4,5,6,7,8,9]", "9 items"),
        (r#"[{"a":1},{"a":2}]"#, "2 items"),
        ("[[1]]", "1 item"),
        // A payload without text is shown as written.
        ("[]", "[]"),
        ("{}", "{}"),
        (r#"{ "a": null }"#, r#"{"a": null}"#),
        (r#"{"half \ud800": 1}"#, r#"{"half \ud800": 1}"#),
        // Scalars.
        ("21.50", "21.50"),
        ("-0.0", "-0.0"),
        ("1e400", "1e400"),
        ("9007199254740993", "9007199254740993"),
        ("20.934537983209168", "20.93"),
        ("0.000123456789", "0.0001235"),
        ("1.2.3", "1.2.3"),
        ("true", "true"),
        ("null", "null"),
        (r#""quoted""#, "quoted"),
        (r#""20.934537983209168""#, "20.93"),
        (r#""half \ud800""#, r#""half \ud800""#),
        (r#""""#, r#""""#),
    ] {
        check(payload, BY_TOPIC, text);
    }
    let count = format!("[{}0]", "0,".repeat(1_233));
    check(count, BY_TOPIC, "1,234 items");
    let long = format!(r#"{{"image":"{}","n":1}}"#, "x".repeat(10_000));
    check(long, BY_TOPIC, &format!("image {}…, n 1", "x".repeat(60)));
    // The name in an object is the speaker, also without text.
    check(r#"{"device":"meter 3","watts":386}"#, "meter 3", "watts 386");
    check(r#"{"device":{"id":7},"watts":386}"#, BY_TOPIC, "device id 7, watts 386");
    check(r#""PIP: Open!""#, "PIP", "Open!");
    // Numbers in sentences are kept.
    check("It is 20.934537983209168 degrees", BY_TOPIC, "It is 20.934537983209168 degrees");
}

#[test]
fn control_characters_are_named() {
    check([0x12; 256], BY_TOPIC, "‹256 bytes: 12 12 12 12 12 12 12 12 …›");
    check("\0\u{1}\u{2}ab", BY_TOPIC, "‹5 bytes: 00 01 02 61 62›");
    check("a\0b\u{1b}[31mc\r\nd\u{7f}", BY_TOPIC, "a␀b␛[31mc\r\nd␡");
    check(r#"{"text":"a\u0012b","character":"P\u0000"}"#, "P␀", "a␒b");
}

#[test]
fn invalid_json_is_text() {
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
        check(payload, BY_TOPIC, payload);
    }
}

#[test]
fn deep_nesting_is_accepted() {
    let nested = |levels: usize| format!("{}1{}", r#"{"text":"#.repeat(levels), "}".repeat(levels));
    check(nested(50_000), BY_TOPIC, "text …");
    check("[".repeat(50_000) + &"]".repeat(50_000), BY_TOPIC, "1 item");
}

#[test]
fn name_before_a_colon_is_the_speaker() {
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
        check(payload, BY_TOPIC, payload.trim());
    }
}

#[test]
fn empty_and_blank_payloads_name_their_topic() {
    check("", "", "(empty message on home/front_door/state)");
    check(" \r\n\t", "", "(blank message on home/front_door/state)");
    check("\u{feff}", "", "(blank message on home/front_door/state)");
    assert_eq!(Line::from_payload("", b"").text, "(empty message on )");
}

#[test]
fn binary_payload_shows_its_size_and_first_bytes_in_hex() {
    check([0x00, 0xFF, 0x10], BY_TOPIC, "‹3 bytes: 00 ff 10›");
    check([0xFF], BY_TOPIC, "‹1 byte: ff›");
    check([0xFF; 8], BY_TOPIC, "‹8 bytes: ff ff ff ff ff ff ff ff›");
    check([0xFF; 9], BY_TOPIC, "‹9 bytes: ff ff ff ff ff ff ff ff …›");
    check(vec![0xFE; 1_234_567], BY_TOPIC, "‹1,234,567 bytes: fe fe fe fe fe fe fe fe …›");
    check(b"PIP: caf\xc3", BY_TOPIC, "‹9 bytes: 50 49 50 3a 20 63 61 66 …›");
}

#[test]
fn line_is_published_with_exactly_two_fields() {
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
    fn published_line_arrives_unchanged(character in any::<String>(), text in any::<String>()) {
        let line = Line { character: character.trim().to_owned(), text: text.trim().to_owned() };
        // Without speaker and text, the crawl names the topic instead.
        prop_assume!(!line.text.is_empty() || !line.character.is_empty());
        prop_assert_eq!(&Line::from_payload("a/b", line.to_json().as_bytes()), &line);
        prop_assert_eq!(serde_json::to_string(&line).ok(), Some(line.to_json()));
    }

    #[test]
    fn every_payload_becomes_a_line(
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

    /// Unrounded numbers are unchanged, and rounded ones are near the original.
    #[test]
    fn numbers_in_fields_keep_their_value(
        numbers in prop::collection::vec("-?(0|[1-9][0-9]{0,9})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?", 1..6),
        space in "[ \n\r\t]{0,4}",
    ) {
        let fields: Vec<_> = numbers.iter().map(|number| format!("{space}\"n\"{space}:{space}{number}{space}")).collect();
        let payload = format!("{{{}}}", fields.join(","));
        let line = Line::from_payload(TOPIC, payload.as_bytes());
        let shown: Vec<_> = line.text.split(", ").collect();
        prop_assert_eq!(shown.len(), numbers.len());
        for (number, shown) in numbers.iter().zip(shown) {
            let shown = shown.strip_prefix("n ").unwrap_or_default();
            let parsed = |text: &str| text.parse::<f64>().expect("a number");
            let is_near = (parsed(number) - parsed(shown)).abs() <= (parsed(number).abs() * 0.000_51).max(1e-300);
            prop_assert!(number == shown || number.len() > shown.len() && is_near, "{} as {}", number, shown);
        }
    }
}
