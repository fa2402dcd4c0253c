//! Script files: one row a line, `"1" "CHARACTER" "Spoken text"`.
//!
//! - Inside the quotes `\"` is a quotation mark and `\\` a backslash; any other
//!   backslash is one.
//! - The header row `"character" "dialogue"` is no line of dialogue.
//! - A row that is blank, broken or not UTF-8 is a [`Fault`], and left out; the
//!   others are read all the same.
//! - A byte order mark and line ends of either kind are fine.

use super::Line;

/// A script file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is to be spoken, in order.
    pub lines: Vec<ScriptLine>,
    /// The rows that were left out, in order.
    pub faults: Vec<Fault>,
}

/// A line of dialogue and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    /// Its line in the file, from 1.
    pub number: usize,
    /// Who says what.
    pub line: Line,
}

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {words}")]
pub struct Fault {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What is wrong, for people.
    pub words: String,
}

/// Reads a script file. There is no file that this fails on: what can't be read
/// is among the faults.
pub fn parse(bytes: &[u8]) -> Script {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut script = Script::default();
    if bytes.is_empty() {
        return script;
    }
    // The end of the last line begins no further one.
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (index, row) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        match read_row(row.strip_suffix(b"\r").unwrap_or(row)) {
            Ok(Row::Header) => {}
            Ok(Row::Spoken(line)) => script.lines.push(ScriptLine { number, line }),
            Err((column, words)) => script.faults.push(Fault { line: number, column, words }),
        }
    }
    script
}

enum Row {
    Header,
    Spoken(Line),
}

/// Column and words of what is wrong with a row.
type RowFault = (usize, String);

fn read_row(bytes: &[u8]) -> Result<Row, RowFault> {
    let row = str::from_utf8(bytes).map_err(|error| {
        let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let words = "The row isn't UTF-8 text. Save the file as UTF-8.";
        (readable.chars().count() + 1, words.to_owned())
    })?;
    if row.trim().is_empty() {
        return Err((1, "The row is blank.".to_owned()));
    }
    let fields = read_fields(row)?;
    match fields.as_slice() {
        [character, dialogue] | [_, character, dialogue]
            if character.text.eq_ignore_ascii_case("character") && dialogue.text.eq_ignore_ascii_case("dialogue") =>
        {
            Ok(Row::Header)
        }
        [_, _, text] if text.text.trim().is_empty() => Err((text.column, "The row has no words to speak.".to_owned())),
        [_, character, text] => {
            Ok(Row::Spoken(Line { character: character.text.trim().to_owned(), text: text.text.trim().to_owned() }))
        }
        [_, _, _, fourth, ..] => Err((
            fourth.column,
            "The row goes on after its third field. Write \\\" for a quotation mark inside one.".to_owned(),
        )),
        _ => Err((
            row.chars().count() + 1,
            format!("The row has {} of its 3 fields: \"1\" \"CHARACTER\" \"Spoken text\".", fields.len()),
        )),
    }
}

struct Field {
    column: usize,
    text: String,
}

fn read_fields(row: &str) -> Result<Vec<Field>, RowFault> {
    let mut fields: Vec<Field> = Vec::new();
    let mut chars = row.chars().zip(1..).peekable();
    while let Some((char, column)) = chars.next() {
        if char.is_whitespace() {
            continue;
        }
        if char != '"' {
            return Err((column, format!("Here stands {char} where a field in quotation marks should begin.")));
        }
        let mut text = String::new();
        loop {
            match chars.next() {
                None => {
                    return Err((column, "The quotation mark that opens here isn't closed.".to_owned()));
                }
                Some(('"', _)) => break,
                Some(('\\', _)) => {
                    let escaped = chars.next_if(|&(char, _)| matches!(char, '"' | '\\'));
                    text.push(escaped.map_or('\\', |(char, _)| char));
                }
                Some((char, _)) => text.push(char),
            }
        }
        if let Some(&(char, column)) = chars.peek()
            && !char.is_whitespace()
        {
            return Err((
                column,
                "After a closing quotation mark comes a space. Write \\\" for a quotation mark inside a field."
                    .to_owned(),
            ));
        }
        fields.push(Field { column, text });
    }
    Ok(fields)
}
