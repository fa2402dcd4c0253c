//! Script files: what is spoken, what is reported, and the script we ship.

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::script::{Script, parse};
use proptest::prelude::*;

/// One row: what is read from it, or the column and words of its fault.
fn check(row: impl AsRef<[u8]>, expected: Result<(&str, &str), (usize, &str)>) {
    let row = row.as_ref();
    let script = parse(row);
    let shown = row.escape_ascii();
    match expected {
        Ok((character, text)) => {
            assert_eq!(script.faults, [], "{shown}");
            assert_eq!(script.lines.len(), 1, "{shown}");
            let spoken = &script.lines[0];
            assert_eq!(spoken.number, 1);
            assert_eq!((spoken.line.character.as_str(), spoken.line.text.as_str()), (character, text), "{shown}");
        }
        Err((column, words)) => {
            assert_eq!(script.lines, [], "{shown}");
            assert_eq!(script.faults.len(), 1, "{shown}");
            let fault = &script.faults[0];
            assert_eq!((fault.line, fault.column), (1, column), "{shown}: {fault}");
            assert!(fault.words.contains(words), "{shown}: {fault}");
        }
    }
}

#[test]
fn rows_are_read() {
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
    ] {
        check(row, Ok((character, text)));
    }
}

#[test]
fn broken_rows_are_told_with_their_column() {
    for (row, column, words) in [
        ("   ", 1, "blank"),
        (r#""1" "A""#, 8, "2 of its 3 fields"),
        (r#""1""#, 4, "1 of its 3 fields"),
        (r#""1" "A" "x" "y""#, 13, "goes on after its third field"),
        (r#""1" "A" "x"#, 9, "isn't closed"),
        (r#""1" "A" "x\""#, 9, "isn't closed"),
        (r#""1" "A" x"#, 9, "Here stands x"),
        ("MABEL: Hi", 1, "Here stands M"),
        (r#""1" "Ä" "say "hi" now""#, 15, "After a closing quotation mark"),
        (r#""1" "A""x""#, 8, "After a closing quotation mark"),
        (r#""1" "A" """#, 9, "no words"),
        (r#""1" "A" "  ""#, 9, "no words"),
    ] {
        check(row, Err((column, words)));
    }
    check(b"\"1\" \"\xc3\xa4\xff\" \"x\"", Err((7, "UTF-8")));
    check(b"\xff", Err((1, "UTF-8")));
}

#[test]
fn a_file_is_read_to_its_end_whatever_is_in_it() {
    let file = b"\xef\xbb\xbf\"character\" \"dialogue\"\r\n\
        \"1\" \"A\" \"one\"\r\n\
        \r\n\
        \"2\" \"B\"\r\n\
        \"3\" \"C\" \"\xff\"\r\n\
        \"4\" \"D\" \"four\"\n\
        \n\
        \"\" \"Character\" \"Dialogue\"\n\
        \"5\" \"E\" \"five\"\n";
    let script = parse(file);
    let lines: Vec<_> = script.lines.iter().map(|spoken| (spoken.number, spoken.line.text.as_str())).collect();
    assert_eq!(lines, [(2, "one"), (6, "four"), (9, "five")]);
    let faults: Vec<_> = script.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "line 3, column 1: The row is blank.",
            r#"line 4, column 8: The row has 2 of its 3 fields: "1" "CHARACTER" "Spoken text"."#,
            "line 5, column 10: The row isn't UTF-8 text. Save the file as UTF-8.",
            "line 7, column 1: The row is blank.",
        ]
    );
}

#[test]
fn an_empty_file_has_no_rows() {
    for file in ["", "\u{feff}", "\"character\" \"dialogue\"\n"] {
        let script = parse(file.as_bytes());
        assert_eq!(script.lines, []);
        assert_eq!(script.faults, [], "{file:?}");
    }
    // A line's end makes a row, be it blank.
    assert_eq!(parse(b"\n").faults.len(), 1);
    assert_eq!(parse(b"\r\n\r\n").faults.len(), 2);
}

#[test]
fn our_own_script_is_whole_and_fits_the_crawl() {
    let file = include_bytes!("../assets/dialogues/the-quiet-broker.txt");
    let Script { lines, faults } = parse(file);
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

proptest! {
    /// Whatever is written as a row is read back.
    #[test]
    fn rows_round_trip(
        rows in prop::collection::vec(("[^\n]{0,12}", "[^\n]{1,30}"), 0..8),
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
        let script = parse(file.as_bytes());
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
        let script = parse(&file);
        let mut numbers: Vec<usize> = script.lines.iter().map(|spoken| spoken.number).collect();
        numbers.extend(script.faults.iter().map(|fault| fault.line));
        numbers.sort_unstable();
        let ends = file.iter().filter(|&&byte| byte == b'\n').count();
        let expected = ends + usize::from(file.last().is_some_and(|&byte| byte != b'\n'));
        prop_assert_eq!(numbers, (1..=expected).collect::<Vec<_>>());
    }
}
