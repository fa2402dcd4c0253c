//! Script files in every format: what is spoken, what is reported, and the script we ship.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::script::{
    Format, ROW_BYTES_MAX, Reader, ReaderOptions, Script, ScriptError, ScriptLine, parse,
};
use proptest::prelude::*;

/// One row: the parsed line, or the column and text of its error.
fn check(row: impl AsRef<[u8]>, expected: Result<(&str, &str), (usize, &str)>) {
    let row = row.as_ref();
    let script = parse(row, Some(Format::Rows));
    let shown = row.escape_ascii();
    match expected {
        Ok((character, text)) => {
            assert_eq!(script.faults, [], "{shown}");
            assert_eq!(script.lines.len(), 1, "{shown}");
            let spoken = &script.lines[0];
            assert_eq!(spoken.number, 1);
            assert_eq!((spoken.line.character.as_str(), spoken.line.text.as_str()), (character, text), "{shown}");
        }
        Err((column, expected)) => {
            assert_eq!(script.lines, [], "{shown}");
            assert_eq!(script.faults.len(), 1, "{shown}");
            let fault = &script.faults[0];
            assert_eq!((fault.line, fault.column), (1, column), "{shown}: {fault}");
            assert!(fault.message.contains(expected), "{shown}: {fault}");
        }
    }
}

#[test]
fn rows_are_parsed() {
    for (row, character, text) in [
        (r#""1" "MABEL" "Everybody gets heard.""#, "MABEL", "Everybody gets heard."),
        (r#""1" "AUNT RETTA" "\"Mind the step.\"""#, "AUNT RETTA", "\"Mind the step.\""),
        (r#""1" "A" "a \\ b""#, "A", r"a \ b"),
        (r#""1" "A" "ends in \\""#, "A", r"ends in \"),
        (r#""1" "A" "C:\new \x""#, "A", r"C:\new \x"),
        (r#"  "1"   "A"	"x"  "#, "A", "x"),
        (r#""1" "" "Nobody named.""#, "", "Nobody named."),
        (r#""" "A" "x""#, "A", "x"),
        (r#""one" "A" "x""#, "A", "x"),
        (r#""1" "É 東京" "🍅....""#, "É 東京", "🍅...."),
        (r#""1" " A " "  x ""#, "A", "x"),
        (r#""1" "A" "<img src=x onerror=…>""#, "A", "<img src=x onerror=…>"),
        // Unescaped quotation marks.
        (r#""1" "Ä" "say "hi" now""#, "Ä", r#"say "hi" now"#),
        (r#""1" "A" ""Hi," he said, "there.""#, "A", r#""Hi," he said, "there."#),
        (r#""1" "A" "the "long" \"wick\" \\ it""#, "A", r#"the "long" "wick" \ it"#),
        (r#""A" "x""#, "A", "x"),
    ] {
        check(row, Ok((character, text)));
    }
}

#[test]
fn broken_rows_are_reported_with_their_column() {
    for (row, column, message) in [
        (r#""1" "A""#, 8, "2 of 3 fields"),
        (r#""1""#, 4, "1 of 3 fields"),
        (r#""1" "A" "x" "y""#, 13, "more than 3 fields"),
        (r#""1" "A" "x"#, 9, "Missing closing quotation mark"),
        (r#""1" "A" "x\""#, 9, "Missing closing quotation mark"),
        (r#""1" "A" x"#, 9, "found x"),
        ("MABEL: Hi", 1, "found M"),
        (r#""1" "Ä"x "hi""#, 8, "Expected a space"),
        (r#""1" "A""x""#, 8, "Expected a space"),
        (r#""1" "A" """#, 9, "no text"),
        (r#""1" "A" "  ""#, 9, "no text"),
    ] {
        check(row, Err((column, message)));
    }
    check(b"\"1\" \"\xc3\xa4\x81\" \"x\"", Err((7, "UTF-8")));
    check(b"\x81", Err((1, "UTF-8")));
    // Windows-1252 is read.
    check(b"\"1\" \"\xc3\xa4\xff\" \"x\"", Ok(("äÿ", "x")));
}

#[test]
fn every_row_of_a_file_with_errors_is_read() {
    let file = b"\xef\xbb\xbf\"character\" \"dialogue\"\r\n\
        \"1\" \"A\" \"one\"\r\n\
        \r\n\
        \"2\" \"B\"\r\n\
        \"3\" \"C\" \"\x81\"\r\n\
        \"4\" \"D\" \"four\"\n\
        \n\
        \"\" \"Character\" \"Dialogue\"\n\
        \"5\" \"E\" \"five\"\n";
    let script = parse(file, None);
    let lines: Vec<_> = script.lines.iter().map(|spoken| (spoken.number, spoken.line.text.as_str())).collect();
    assert_eq!(lines, [(2, "one"), (6, "four"), (9, "five")]);
    let faults: Vec<_> = script.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            r#"line 4, column 8: The row has 2 of 3 fields. Expected: "1" "CHARACTER" "Spoken text"."#,
            "line 5, column 10: The row is neither UTF-8 nor Windows-1252. Save the file as UTF-8.",
        ]
    );
}

#[test]
fn empty_file_has_no_rows() {
    for file in ["", "\u{feff}", "\"character\" \"dialogue\"\n"] {
        let script = parse(file.as_bytes(), None);
        assert_eq!(script.lines, []);
        assert_eq!(script.faults, [], "{file:?}");
    }
    // Blank rows are ignored, and nothing is lost with them.
    assert_eq!(parse(b"\r\n\r\n", Some(Format::Rows)).faults, []);
}

#[test]
fn bundled_script_is_complete_and_fits_the_crawl() {
    let file = include_bytes!("../assets/dialogues/the-quiet-broker.txt");
    let Script { lines, faults, .. } = parse(file, None);
    assert_eq!(faults, []);
    assert!(lines.len() >= 120, "{} lines", lines.len());
    let rows = file.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines.len() + 1, rows, "every row but the header is spoken");
    let short = lines.iter().filter(|spoken| spoken.line.text.chars().count() <= 30).count();
    assert!(short * 2 > lines.len(), "{short} of {} lines are short", lines.len());
    for spoken in &lines {
        let Line { character, text } = &spoken.line;
        assert!(!character.is_empty() && text.chars().count() <= 60, "line {}", spoken.number);
        assert!(!text.contains('…'), "line {}: an ellipsis is four dots here", spoken.number);
    }
    let spoken_text = |piece: &str| lines.iter().any(|spoken| spoken.line.text.contains(piece));
    assert!(spoken_text("....") && spoken_text("\"Mind the step.\""));
}

/// Checks a script against its expected rows: `ROW NAME|words`, or `ROW:COLUMN text of the error`.
fn check_script(format: Option<Format>, file: impl AsRef<[u8]>, expected: &[&str]) {
    let file = file.as_ref();
    let actual: Vec<_> = pieces(file, format, file.len().max(1)).iter().map(shown).collect();
    let context = file[..file.len().min(200)].escape_ascii();
    assert_eq!(actual.len(), expected.len(), "{context}: {actual:#?}");
    for (actual, expected) in actual.iter().zip(expected) {
        let same = actual == expected || (expected.contains(':') && actual.starts_with(expected));
        assert!(same, "{context}: {actual:?} should be {expected:?}");
    }
    // The result is the same for any division of the input.
    for bytes in [1, 7] {
        let again: Vec<_> = pieces(file, format, bytes).iter().map(shown).collect();
        assert_eq!(again, actual, "{context} in pieces of {bytes}");
    }
}

fn shown(row: &Result<ScriptLine, ScriptError>) -> String {
    match row {
        Ok(ScriptLine { number, line }) => format!("{number} {}|{}", line.character, line.text),
        Err(ScriptError { line, column, message: text }) => format!("{line}:{column} {text}"),
    }
}

/// Returns all rows of a script that arrives in pieces.
fn pieces(file: &[u8], format: Option<Format>, bytes: usize) -> Vec<Result<ScriptLine, ScriptError>> {
    let mut reader = Reader::new(ReaderOptions { format, ..ReaderOptions::default() });
    let mut rows = Vec::new();
    for piece in file.chunks(bytes) {
        reader.push(piece);
        rows.extend(std::iter::from_fn(|| reader.poll()));
    }
    reader.end();
    rows.extend(std::iter::from_fn(|| reader.poll()));
    rows
}

#[test]
fn format_is_detected_from_the_first_row() {
    check_script(None, "\"1\" \"A\" \"one\"\n\"2\" \"B\" \"two\"", &["1 A|one", "2 B|two"]);
    check_script(None, "\u{feff}\"character\" \"dialogue\"\n\"1\" \"A\" \"one\"", &["2 A|one"]);
    // Broken, but its intention is clear.
    check_script(
        None,
        "\"1\" A \"one\"\n\"2\" \"B\" \"two\"",
        &["1:5 Expected a field in quotation marks, found A", "2 B|two"],
    );
    check_script(None, "\n\n\"1\" \"A\" \"one\"", &["3 A|one"]);
    check_script(None, "character,text\nA,one", &["2 A|one"]);
    check_script(None, "\"Text\";\"Speaker\"\none;A", &["2 A|one"]);
    check_script(None, "\r\nname\tmessage\r\nA\tone, two", &["3 A|one, two"]);
    check_script(None, "{\"text\":\"one\"}", &["1 |one"]);
    check_script(None, "{\n\"text\": \"one\"}", &["1 |one"]);
    check_script(None, "[{\"text\":\"one\"}]", &["1 |one"]);
    check_script(None, "ADA: Hello", &["1 ADA|Hello"]);
    check_script(None, "{sighs} [laughs] \"Ha,\" she said.", &["1 |{sighs} [laughs] \"Ha,\" she said."]);
    check_script(None, "\"Ha,\" she said.", &["1 |\"Ha,\" she said."]);
    check_script(None, "Message, from afar: \"Hi\"", &["1 |Message, from afar: \"Hi\""]);
    check_script(None, "\n \n\t", &[]);
    check_script(None, b"\x81\nADA: Hello", &["1:1 The row is neither UTF-8", "2 ADA|Hello"]);
}

#[test]
fn file_name_decides_the_format() {
    let check = |name: &str, format: Option<Format>| assert_eq!(Format::of_file_name(name), format, "{name}");
    check("a/b.csv", Some(Format::Csv));
    check("B.CSV", Some(Format::Csv));
    check("b.tsv", Some(Format::Tsv));
    check("b.tab", Some(Format::Tsv));
    check("b.ndjson", Some(Format::JsonLines));
    check("b.jsonl", Some(Format::JsonLines));
    check("b.json", Some(Format::JsonLines));
    check("b.srt", Some(Format::Subtitles));
    check("b.VTT", Some(Format::Subtitles));
    check("b.fountain", Some(Format::Screenplay));
    check("b.txt", None);
    check("csv", None);
    check("-", None);
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("xml".parse::<Format>().is_err());
}

#[test]
fn tables_are_parsed() {
    let check = |rows: &str, expected: &[&str]| {
        check_script(Some(Format::Csv), format!("n,Character,TEXT\n{rows}"), expected);
        check_script(Some(Format::Csv), format!("n,Character,TEXT\n{rows}").replace('\n', "\r\n"), expected);
    };
    check("1,A,one\n2,,two\n", &["2 A|one", "3 |two"]);
    check("1,A,one,,\n,,\n\n4,B,two", &["2 A|one", "5 B|two"]);
    check("1,A,\"one, two\"", &["2 A|one, two"]);
    check("1, \"A\" , \"she said \"\"hi\"\"\" ", &["2 A|she said \"hi\""]);
    check("1,A,say \"hi\"", &["2 A|say \"hi\""]);
    check("1,A,\"\"", &["2:5 The row has no text"]);
    check("1,A,\n2,B,two", &["2:5 The row has no text", "3 B|two"]);
    check("1,A\n2,B,two", &["2:4 The row ends before column TEXT.", "3 B|two"]);
    // Unquoted marks and separators are text where that is clear.
    check("1,A,Hello, world\n2,B,two", &["2 A|Hello, world", "3 B|two"]);
    check("1,A,\"one\n2,B,two\n3,C,three", &["2 A|\"one", "3 B|two", "4 C|three"]);
    check("1,Ä,\"one\" two\n2,B,two", &["2 Ä|\"one\" two", "3 B|two"]);
    check("1,A,\"one \"two\", three\"\n2,B,two", &["2 A|one \"two\", three", "3 B|two"]);
    check("1,A,\"one \"two\"\"\n2,B,two", &["2 A|one \"two\"", "3 B|two"]);
    check("1,A,\"one \\\"two\\\"\"", &["2 A|one \"two\""]);
    check("1,A,=\"0042\"", &["2 A|0042"]);
    check("1,A,'=1+1\n2,B,'Tis so\n3,C,''x", &["2 A|=1+1", "3 B|'Tis so", "4 C|''x"]);
    check_script(Some(Format::Csv), "text\none", &["2 |one"]);
    check_script(Some(Format::Csv), "speaker;line\nA;one, two", &["2 A|one, two"]);
    check_script(Some(Format::Csv), "a,b\nA,one", &["1:1 No text column found. The first row has to name the columns"]);
    check_script(
        Some(Format::Csv),
        "text,name\na, b,A\na,b,A",
        &["2 A|a, b", "3:5 The row has more cells than the first row (2)"],
    );
    check_script(Some(Format::Tsv), "from\tmsg\nA\t\"one\ttwo\"\nB\tc, d", &["2 A|one\ttwo", "3 B|c, d"]);
    check_script(Some(Format::Csv), b"text\nA\x81\nB", &["2:2 The row is neither UTF-8", "3 |B"]);
    // Line ends in quotation marks; the next row's number counts them.
    check_script(Some(Format::Csv), "text,name\n\"a\nb\",A\nc,C", &["2 A|a\nb", "4 C|c"]);
    check_script(Some(Format::Csv), "text,name\n\"a\nb\",A,x\nc,C", &["3:6 The row has more cells", "4 C|c"]);
}

#[test]
fn json_lines_are_parsed() {
    let check = |row: &str, expected: &str| check_script(Some(Format::JsonLines), row, &[expected]);
    check(r#"{"character":"A","text":"one"}"#, "1 A|one");
    check(r#"  {"msg":"one","device":7,"other":[1]}  "#, "1 7|one");
    check(r#"{"value":127.0}"#, "1 |127.0");
    check(r#"{"character":"A"}"#, "1:1 The object has none of the fields text, message, msg");
    check(r#"{"text":"a","text":"b"}"#, "1:1 The object has none of the fields");
    check(r#"  {"text":" "}"#, "1:3 The row has no text");
    check(r#""words""#, "1:1 The row is JSON, but not an object");
    check(r#"{"text":"Ä" "b"}"#, "1:13 The row isn't valid JSON: ");
    check(r#"{"text":"#, "1:9 The row isn't valid JSON: EOF while parsing");
    check_script(
        Some(Format::JsonLines),
        "{\"text\":\"a\"}\n\nno\n{\"text\":\"b\"}\n",
        &["1 |a", "3:2 The row isn't", "4 |b"],
    );
}

#[test]
fn plain_text_is_parsed() {
    check_script(
        Some(Format::Text),
        b"ADA: Hello: you\r\n\r\nNobody said that.\nB\xc3\xa4r\x81: x\n12:30 it was\n",
        &["1 ADA|Hello: you", "3 |Nobody said that.", "4:4 The row is neither UTF-8", "5 |12:30 it was"],
    );
}

#[test]
fn row_without_an_end_is_bounded() {
    let long = "x".repeat(ROW_BYTES_MAX + 1);
    let check = |format: Format, file: String, expected: &[&str]| {
        for bytes in [64 * 1024, usize::MAX] {
            let actual: Vec<_> = pieces(file.as_bytes(), Some(format), bytes).iter().map(shown).collect();
            assert_eq!(actual, expected, "{format} in pieces of {bytes}");
        }
    };
    check(Format::Text, format!("a\n{long}\nb"), &["1 |a", "2:1 The row is longer than 1 MiB.", "3 |b"]);
    check(Format::Csv, format!("text,n\n{long}\nb"), &["2:1 The row is longer than 1 MiB.", "3 |b"]);
    let lines = "line\n".repeat(ROW_BYTES_MAX / 4);
    let actual = pieces(format!("text,n\n\"a\n{lines}").as_bytes(), Some(Format::Csv), 64 * 1024);
    assert_eq!(actual.iter().take(2).map(shown).collect::<Vec<_>>(), ["2 |\"a", "3 |line"]);
    // Nothing of it is kept until then.
    let mut reader = Reader::new(ReaderOptions::default());
    for _ in 0..64 {
        reader.push(&long.as_bytes()[..64 * 1024]);
        while reader.poll().is_some() {}
    }
    assert!(format!("{reader:?}").len() < 20 * ROW_BYTES_MAX / 4, "it keeps all");
}

#[test]
fn line_is_returned_as_soon_as_it_is_complete() {
    let live = ReaderOptions { is_live: true, ..ReaderOptions::default() };
    let mut reader = Reader::new(live.clone());
    let mut push = |piece: &str| {
        reader.push(piece.as_bytes());
        std::iter::from_fn(|| reader.poll()).map(|row| shown(&row)).collect::<Vec<_>>()
    };
    assert_eq!(push("ADA: Hel"), [""; 0]);
    assert_eq!(push("lo\nBEN: "), ["1 ADA|Hello"]);
    assert_eq!(push("Hi\n\nCY: Yes\n"), ["2 BEN|Hi", "4 CY|Yes"]);
    let mut reader = Reader::new(ReaderOptions { format: Some(Format::Csv), ..live });
    reader.push(b"text\n\"a\n");
    assert!(reader.poll().is_none(), "the cell continues");
    reader.push(b"b\"\n");
    assert_eq!(reader.poll().map(|row| shown(&row)).as_deref(), Some("2 |a\nb"));
}

/// Whether a row is blank, in UTF-8 or in Windows-1252.
fn is_blank(row: &[u8]) -> bool {
    match str::from_utf8(row) {
        Ok(text) => text.trim().is_empty(),
        Err(_) => row.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0xA0),
    }
}

proptest! {
    /// Everything that is written as a row is read back.
    #[test]
    fn rows_round_trip(
        rows in prop::collection::vec(("[^\n\0]{0,12}", "[^\n\0]{1,30}"), 0..8),
        end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let rows: Vec<Line> = rows
            .iter()
            .map(|(character, text)| Line { character: character.trim().to_owned(), text: text.trim().to_owned() })
            .filter(|line| !line.text.is_empty())
            .filter(|line| !line.character.eq_ignore_ascii_case("character"))
            .collect();
        let mut file = String::new();
        for (index, line) in rows.iter().enumerate() {
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let number = (index + 1).to_string();
            file += &format!("{} {} {}{end}", quoted(&number), quoted(&line.character), quoted(&line.text));
        }
        let script = parse(file.as_bytes(), Some(Format::Rows));
        prop_assert_eq!(script.faults, []);
        prop_assert_eq!(script.lines.into_iter().map(|spoken| spoken.line).collect::<Vec<_>>(), rows);
    }

    /// Every row of any file is spoken, a header, or reported: none is lost.
    #[test]
    fn every_row_is_accounted_for(
        rows in prop::collection::vec(prop_oneof![
            "[\"\\\\ a\r]{0,12}".prop_map(String::into_bytes),
            Just(b"\"1\" \"A\" \"x\"".to_vec()),
            prop::collection::vec(1..=255_u8, 0..8),
        ], 1..10),
    ) {
        let file = rows.join(&b'\n');
        let script = parse(&file, Some(Format::Rows));
        let mut numbers: Vec<usize> = script.lines.iter().map(|spoken| spoken.number).collect();
        numbers.extend(script.faults.iter().map(|fault| fault.line));
        numbers.sort_unstable();
        // Lines of old systems end with a carriage return alone.
        let end = if file.contains(&b'\n') { b'\n' } else { b'\r' };
        let rows = file.split(|&byte| byte == end).zip(1..);
        let expected = rows.filter(|(row, _)| !is_blank(row)).map(|(_, number)| number);
        prop_assert_eq!(numbers, expected.collect::<Vec<_>>());
    }

    /// The same rows result from any division of any bytes.
    #[test]
    fn division_of_a_file_does_not_matter(
        file in "([a\"',;\t{}: \\\\]|text|name|\\PC|\r?\n){0,60}",
        format in prop::sample::select(Format::ALL.to_vec()),
        has_format in any::<bool>(),
        bytes in 1_usize..9,
    ) {
        let format = has_format.then_some(format);
        let file = file.as_bytes();
        prop_assert_eq!(pieces(file, format, bytes), pieces(file, format, file.len().max(1)));
    }
}
