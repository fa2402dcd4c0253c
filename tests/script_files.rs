//! Dialogue files in their common formats: the number of rows read and skipped, the first and last line with speaker,
//! and the notes on the file.

use mqtt_crawl::dialogue::script::{ColumnChoice, Format, Reader, ReaderOptions, ScriptError, ScriptLine, Summary};

/// Name, format, rows read, rows left out, first line, last line, notes.
type Case = (&'static str, Format, usize, usize, &'static str, &'static str, &'static str);

use Format::{Chat, Csv, JsonLines, Rows, Screenplay, Subtitles, Text, Tsv};

const NOT_UTF_8: &str = "on; read as Windows-1252.";

const CASES: &[Case] = &[
    ("tables-index-first.csv", Csv, 3, 0, "MARN|The lamp is out, again.", "MARN|Then we \"mend\" it.", ""),
    ("tables-semicolon.csv", Csv, 3, 0, "Marn|The lamp is out.", "Marn|Then; we mend it.", ""),
    ("tables-all-columns.csv", Csv, 2, 0, "marn|The lamp is out.", "ole|It was, \"yesterday\".", ""),
    ("tables-line-text.csv", Csv, 2, 1, "Marn|The lamp is out.", "Marn|Then we mend it.", ""),
    ("tables-spoken-words.csv", Csv, 2, 0, "Marn|The lamp is out.", "Ole|Yes.", ""),
    ("tables-utterance.csv", Csv, 2, 0, "Marn|The lamp is out, Ole.", "Ole|I know.", ""),
    ("tables-player-line.csv", Csv, 3, 0, "|ACT I", "MARN|And so is all the light.", ""),
    ("tables-separator-told.csv", Csv, 2, 0, "Marn|The lamp is out.", "Ole|Yes.", ""),
    ("tables-bars.csv", Csv, 2, 0, "MARN|The lamp is out, again.", "OLE|\"Soon", ""),
    ("tables-markdown.txt", Csv, 2, 0, "MARN|The lamp is out.", "OLE|It was out yesterday.", ""),
    (
        "tables-tabs-no-header.txt",
        Tsv,
        3,
        0,
        "MARN|The lamp is out.",
        "MARN|Then we mend it.",
        "Column 1 is used as the speaker, Column 2 as the text.",
    ),
    (
        "tables-no-header.csv",
        Csv,
        3,
        0,
        "MARN|The lamp is out, again.",
        "MARN|Then we mend it.",
        "Column 2 is used as the speaker, Column 3 as the text.",
    ),
    (
        "tables-unescaped.csv",
        Csv,
        4,
        0,
        "MARN|You said \"soon\" and \"soon\" again.",
        "OLE|Then, he said, \"wait\", I think",
        "",
    ),
    ("tables-cells-missing.csv", Csv, 2, 2, "MARN|The lamp is out.", "OLE|Yes.", ""),
    ("tables-cornell.txt", Csv, 2, 1, "MARN|The lamp is out.", "OLE|It was yesterday’s lamp.", NOT_UTF_8),
    ("tables-multi-line.csv", Csv, 2, 0, "Marn|The lamp\nis out.", "Ole|Yes.", ""),
    ("tables-returns.csv", Csv, 2, 0, "MARN|The lamp is out.", "OLE|Yes.", ""),
    ("tables-title-first.csv", Csv, 2, 0, "MARN|The lamp is out.", "OLE|Yes.", ""),
    ("tables-remark-first.csv", Csv, 2, 0, "MARN|The lamp is out.", "OLE|Yes; it is.", ""),
    ("tables-colons.txt", Csv, 2, 0, "MARN|The lamp is out: all of it.", "OLE|Yes.", ""),
    ("tables-carets.csv", Csv, 2, 0, "MARN|The lamp is out, again.", "OLE|Yes.", ""),
    (
        "tables-cornell-short.csv",
        Csv,
        2,
        0,
        "MARN|Out.",
        "OLE|Yes.",
        "Column 4 is used as the speaker, Column 5 as the text.",
    ),
    (
        "tables-cornell-gaps.txt",
        Csv,
        2,
        1,
        "MARN|Out.",
        "OLE|Yes.",
        "Column 4 is used as the speaker, Column 5 as the text.",
    ),
    (
        "tables-quoted.txt",
        Csv,
        2,
        0,
        "MARN|You said \"out\", again.",
        "OLE|Yes, it is so, all of it.",
        "Column 2 is used as the speaker, Column 3 as the text.",
    ),
    ("tables-plural-names.csv", Csv, 2, 0, "MARN|The lamp is out.", "OLE|Yes.", ""),
    ("rows-tutorial.txt", Rows, 2, 0, "MARN|The lamp is out.", "OLE|I said \"out\".", ""),
    ("rows-blank-first.txt", Rows, 2, 0, "MARN|The lamp is out.", "OLE|It was out yesterday.", ""),
    ("rows-curved.txt", Rows, 2, 0, "MARN|The lamp is \"out\".", "OLE|Yes.", ""),
    ("rows-unescaped.txt", Rows, 4, 1, "MARN|The lamp is out.", "OLE|\"Soon,\" they said.", ""),
    ("encoding-utf16le-mark.txt", Text, 2, 0, "MARN|Die Lampe ist spät aus.", "OLE|Ja – “bald”.", ""),
    ("encoding-utf16be-mark.csv", Csv, 2, 0, "MARN|Spät.", "OLE|東京 🍅", ""),
    ("encoding-utf16le.csv", Csv, 2, 0, "Marn|Spät.", "Ole|Ja.", ""),
    ("encoding-windows-1252.csv", Csv, 2, 0, "Zoë|Die Lampe ist spät aus.", "Renée|“Soon”, she said.", NOT_UTF_8),
    ("encoding-mixed.txt", Text, 2, 0, "ZOË|Spät.", "OLE|Später.", NOT_UTF_8),
    ("encoding-unknown.txt", Text, 2, 1, "MARN|ok", "OLE|ok", ""),
    ("encoding-windows-1251.srt", Subtitles, 1, 2, "|Ok.", "|Ok.", ""),
    ("subtitles-song.lrc", Subtitles, 2, 0, "|The lamp is out.", "Marn|Mend it.", "1 note"),
    ("subtitles-frames.sub", Subtitles, 3, 0, "|The lamp is out.", "|Mend it.", ""),
    ("subtitles-tenths.txt", Subtitles, 2, 0, "|The lamp is out.", "|Yes.", ""),
    ("subtitles.srt", Subtitles, 5, 0, "|The lamp is out.", "|10:45 at the tower.", "1 direction"),
    ("subtitles-careless.srt", Subtitles, 4, 1, "|The lamp is out.", "|for the road.", ""),
    ("subtitles.vtt", Subtitles, 4, 0, "Marn|The lamp is out.", "Ole|Yes.", "1 note"),
    ("subtitles.sbv", Subtitles, 2, 0, "MARN|The lamp is out.", "|It was out yesterday.", ""),
    ("subtitles.ass", Subtitles, 2, 0, "Marn|The lamp, again, is out.", "|Yes.", "1 note"),
    (
        "screenplay.fountain",
        Screenplay,
        3,
        0,
        "MARN|The lamp is out today.",
        "McTavish|Then we mend it.",
        "Not spoken: 1 heading, 2 action rows, 1 direction, 1 transition, 2 notes, 3 title page rows.",
    ),
    (
        "screenplay-indented.txt",
        Screenplay,
        3,
        0,
        "MARN|The lamp is out today.",
        "MARN|Mend it.",
        "Not spoken: 2 headings, 2 action rows, 1 direction, 2 transitions.",
    ),
    (
        "screenplay-names-in-rows.txt",
        Screenplay,
        2,
        0,
        "MARN|The lamp is out.",
        "OLE|Yes.",
        "Not spoken: 1 heading, 1 transition, 2 title page rows.",
    ),
    ("screenplay-markdown.md", Screenplay, 2, 0, "MARN|The lamp is out.", "OLE|Yes.", ""),
    (
        "tables-times-no-header.txt",
        Tsv,
        2,
        0,
        "marn|Out.",
        "ole|Yes, yes.",
        "Column 2 is used as the speaker, Column 3 as the text.",
    ),
    ("json-texts.json", JsonLines, 2, 0, "MARN|Out.", "OLE|Yes.", ""),
    ("play.txt", Screenplay, 3, 0, "MARN|The lamp is out, And so is all the light.", "MARN|Then mend it.", ""),
    (
        "chat-whatsapp-ios.txt",
        Chat,
        2,
        0,
        "Marn|The lamp is out.\nAll of it.",
        "Ole|It was: yesterday",
        "Not spoken: 1 system message, 1 attachment.",
    ),
    (
        "chat-whatsapp-android.txt",
        Chat,
        2,
        0,
        "Marn|The lamp is out.",
        "+49 170 1234567|Who is this?",
        "Not spoken: 2 system messages, 1 attachment.",
    ),
    ("chat-whatsapp-german.txt", Chat, 2, 0, "Marn|Die Lampe ist aus.", "Ole|Ja.", "1 attachment"),
    ("chat-weechat.log", Tsv, 2, 0, "marn|The lamp is out.", "ole|Yes.", "Not spoken: 1 system message."),
    ("chat-telegram.txt", Chat, 2, 0, "Marn|The lamp is out.", "Ole|It was out yesterday.\nAnd before.", ""),
    ("chat-discord.txt", Chat, 2, 0, "Marn|The lamp is out.", "Ole|Yes.\nIt was.", ""),
    ("chat-irc.txt", Chat, 3, 0, "marn|The lamp is out.", "ole|Soon.", "Not spoken: 2 system messages."),
    ("chat-irc-months.txt", Chat, 2, 0, "marn|The lamp is out.", "ole|Yes.", ""),
    ("chat-slack.txt", Chat, 2, 0, "marn|The lamp is out.", "ole|It was out yesterday.", ""),
    ("transcript-times.txt", Chat, 2, 0, "MARN|The lamp is out.", "OLE|It was out yesterday.", "1 system message"),
    ("text-names.txt", Text, 3, 0, "MARN|The lamp is out.", "|Nobody said that.", "1 direction"),
    ("text-wide-colons.txt", Text, 2, 0, "林|灯灭了。", "王|是的。", ""),
    ("text-numbered.txt", Text, 2, 0, "MARN|The lamp is out.", "OLE|Yes.", ""),
    ("text-markdown.md", Text, 4, 0, "MARN|The lamp is out.", "OLE|Yes.", "1 heading"),
    ("json-lines.jsonl", JsonLines, 2, 2, "MARN|The lamp is out.", "ole|It was.", ""),
    ("json-list.json", JsonLines, 2, 1, "MARN|The lamp is out.", "|It was.", ""),
    ("json-telegram.json", JsonLines, 2, 0, "Marn|The lamp is out.", "Ole|It was.", ""),
    ("json-scenes.json", JsonLines, 3, 0, "MARN|The lamp is out.", "MARN|Mend it.", ""),
    ("json-pairs.json", JsonLines, 2, 0, "MARN|The lamp is out.", "OLE|It was.", ""),
];

/// Reads a file in pieces of this number of bytes.
fn read(name: &str, bytes: usize, columns: ColumnChoice) -> (Vec<ScriptLine>, Vec<ScriptError>, Summary) {
    let file = std::fs::read(format!("{}/tests/scripts/{name}", env!("CARGO_MANIFEST_DIR"))).expect(name);
    let mut reader = Reader::new(ReaderOptions { format: Format::of_file_name(name), columns, is_live: false });
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let mut drain = |reader: &mut Reader| {
        while let Some(row) = reader.poll() {
            match row {
                Ok(line) => lines.push(line),
                Err(fault) => faults.push(fault),
            }
        }
    };
    for piece in file.chunks(bytes) {
        reader.push(piece);
        drain(&mut reader);
    }
    reader.end();
    drain(&mut reader);
    (lines, faults, reader.summary())
}

fn shown(line: Option<&ScriptLine>) -> String {
    line.map(|spoken| format!("{}|{}", spoken.line.character, spoken.line.text)).unwrap_or_default()
}

#[test]
fn scripts_are_read_in_every_format() {
    for &(name, format, rows, left_out, first, last, notes) in CASES {
        for bytes in [usize::MAX, 1, 13] {
            let (lines, faults, summary) = read(name, bytes, ColumnChoice::default());
            let context = format!("{name} in pieces of {bytes}: {lines:#?} {faults:#?} {summary}");
            assert_eq!((lines.len(), faults.len()), (rows, left_out), "{context}");
            assert_eq!((summary.read, summary.skipped), (rows, left_out), "{context}");
            assert_eq!(summary.format, Some(format), "{context}");
            assert_eq!((shown(lines.first()).as_str(), shown(lines.last()).as_str()), (first, last), "{context}");
            assert!(summary.notes().join(" ").contains(notes), "{context}");
            assert!(!notes.is_empty() || summary.notes().is_empty(), "{context}");
            assert!(lines.iter().all(|spoken| !spoken.line.text.contains("-->")), "{context}");
        }
    }
}

#[test]
fn unreadable_files_are_identified() {
    for (name, expected) in [
        ("unreadable-columns.csv", "The columns are id, foo, bar."),
        ("unreadable.docx", "an office document"),
        ("unreadable.pdf.txt", "a PDF"),
        ("unreadable.html", "HTML or XML"),
        ("unreadable.smi", "HTML or XML"),
        ("unreadable-tags.txt", "HTML or XML"),
    ] {
        let (lines, faults, summary) = read(name, 7, ColumnChoice::default());
        assert_eq!((lines.len(), faults.len()), (0, 1), "{name}: {summary}");
        let unreadable = summary.unreadable.as_ref().expect(name).to_string();
        assert!(unreadable.contains(expected) && summary.to_string().contains(expected), "{name}: {summary}");
    }
}

#[test]
fn columns_can_be_chosen_by_name_and_number() {
    let choice = |speaker: &str, text_column: &str| ColumnChoice {
        speaker: Some(speaker.to_owned()),
        text: Some(text_column.to_owned()),
        has_header: None,
    };
    for (speaker, text_column, expected) in
        [("foo", "bar", "Marn|The lamp is out."), ("2", "3", "Marn|The lamp is out."), ("", "FOO", "|Marn")]
    {
        let (lines, faults, _) = read("unreadable-columns.csv", 5, choice(speaker, text_column));
        assert_eq!((lines.len(), faults.len()), (2, 0), "{speaker} {text_column}");
        assert_eq!(shown(lines.first()), expected);
    }
    let (lines, _, summary) = read("unreadable-columns.csv", 5, choice("foo", "baz"));
    assert!(lines.is_empty() && summary.to_string().contains("There is no column baz"), "{summary}");
    let headless = ColumnChoice { has_header: Some(false), ..choice("2", "3") };
    let (lines, _, _) = read("unreadable-columns.csv", 5, headless);
    assert_eq!((lines.len(), shown(lines.first()).as_str()), (3, "foo|bar"));
}

#[test]
fn summary_counts_rows() {
    let counts = |read, skipped| Summary { read, skipped, ..Summary::default() }.counts();
    assert_eq!(counts(1_082, 26), "1,082 of 1,108 rows read, 26 skipped.");
    assert_eq!(counts(1, 0), "1 of 1 row read.");
}
