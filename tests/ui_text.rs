//! Lists every text that a user can read, by file, in `ui_text.txt`, so that all of them can be proofread in one
//! sitting; and checks how they are written.
//!
//! After a change of a text the list is made again:
//!
//! ```text
//! UPDATE_UI_TEXT=1 cargo test --test ui_text
//! ```
//!
//! # What counts as a text
//!
//! Rust doesn't say which string literal is shown, so this is decided by rules:
//!
//! - A literal is listed if it reads as a text: words with a space between them, or one capitalized word. Addresses,
//!   paths, CSS and markup are excluded by their shape.
//! - A literal of any shape is listed where its place says that it is shown: as text or visible attribute in `view!`
//!   ([`html::VISIBLE_ATTRIBUTES`]), in a field with a name of [`rust::TEXT_FIELDS`], in a function with a name of
//!   [`rust::TEXT_FUNCTIONS`].
//! - Attributes are listed only where they are shown: messages of `thiserror`, and the help that clap makes of doc
//!   comments.
//! - Never listed: tests, patterns, operands of comparisons, messages of assertions, `panic!` and `expect`
//!   ([`rust::HIDDEN_MACROS`], [`rust::HIDDEN_METHODS`]).
//! - HTML: text, visible attributes, and the message for old browsers, which a script writes.
//!
//! A text is listed as it is written in the code, with its placeholders; `␣` shows a space at its beginning or end.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "ui_text/html.rs"]
mod html;
#[path = "ui_text/rust.rs"]
mod rust;

const LIST: &str = "tests/ui_text.txt";

/// Where texts are looked for.
const SOURCES: [&str; 6] = ["index.html", "assets/app.webmanifest", "src", "producer/src", "station/src", "xtask/src"];

/// Files with words that are recognized, not shown.
const SKIPPED_FILES: [&str; 2] = ["src/dialogue/script/chat.rs", "src/dialogue/script/screenplay.rs"];

/// A file's name from the project's folder, and its texts in their order.
struct FileTexts {
    file: String,
    texts: Vec<String>,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all files at a path, sorted by name.
fn files_at(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder of the project");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of it").path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| files_at(path)).collect()
}

/// Returns the texts of all sources.
fn all_texts() -> Vec<FileTexts> {
    let files = SOURCES.iter().flat_map(|source| files_at(&project().join(source)));
    let texts = files.filter_map(|path| {
        let file = path.strip_prefix(project()).expect("a file of the project").to_string_lossy().replace('\\', "/");
        let texts = match path.extension()?.to_str()? {
            // Unit tests in files of their own.
            "rs" if file.ends_with("/tests.rs") || file.contains("/tests/") => return None,
            "rs" if SKIPPED_FILES.contains(&file.as_str()) => return None,
            "rs" => rust::texts_of_rust(&read(&path)),
            "html" => html::texts_of_html(&read(&path)),
            "webmanifest" => html::texts_of_manifest(&read(&path)),
            _ => return None,
        };
        let mut seen = HashSet::new();
        let texts: Vec<_> = texts.into_iter().filter(|text| seen.insert(text.clone())).collect();
        (!texts.is_empty()).then_some(FileTexts { file, texts })
    });
    texts.collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file").replace("\r\n", "\n")
}

/// Whether there is a word of two letters or more besides placeholders.
fn has_word(text: &str) -> bool {
    without_placeholders(text).split(|c: char| !c.is_alphabetic()).any(|word| word.chars().count() > 1)
}

fn without_placeholders(text: &str) -> String {
    replace_placeholders(text, " ")
}

/// Returns a text with something else in place of each `{placeholder}`.
fn replace_placeholders(text: &str, with: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        rest = match (from.strip_prefix("{{"), from.find('}')) {
            (Some(after), _) => after,
            (None, Some(end)) => &from[end + 1..],
            (None, None) => &from[1..],
        };
        out.push_str(with);
    }
    out + rest
}

/// Returns a text as it is listed: with the spaces around it made visible, and further lines indented.
fn listed(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    let inner = text.trim_matches(' ');
    let start = text.len() - text.trim_start_matches(' ').len();
    let end = text.len() - start - inner.len();
    let inner = inner.replace('\n', "\n    ").replace(['\t', '\u{a0}'], " ");
    format!("{}{inner}{}", "␣".repeat(start), "␣".repeat(end))
}

fn list(files: &[FileTexts]) -> String {
    let mut out = String::from(
        "Every text that a user can read, by file. Made by `UPDATE_UI_TEXT=1 cargo test --test ui_text`;\n\
         change the texts in the files that are named here, not in this list.\n",
    );
    for FileTexts { file, texts } in files {
        // Writing to a string can't fail.
        let _ = write!(out, "\n== {file} ==\n\n");
        for text in texts {
            let _ = writeln!(out, "{}", listed(text));
        }
    }
    out
}

#[test]
fn list_is_up_to_date() {
    let made = list(&all_texts());
    let path = project().join(LIST);
    if std::env::var_os("UPDATE_UI_TEXT").is_some() {
        fs::write(&path, &made).expect("the list can be written");
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let (known, today): (HashSet<_>, HashSet<_>) = (stored.lines().collect(), made.lines().collect());
    let added: Vec<_> = made.lines().filter(|line| !known.contains(line)).take(10).collect();
    let removed: Vec<_> = stored.lines().filter(|line| !today.contains(line)).take(10).collect();
    assert!(
        made == stored,
        "{LIST} is out of date. Run UPDATE_UI_TEXT=1 cargo test --test ui_text and look at its changes.\n\
         Not yet in it, the first ten: {added:#?}\nNo longer in the code, the first ten: {removed:#?}"
    );
}

/// Phrases that nobody else's software uses, each with what to write instead. Compared as whole words, without case.
const DIALECT: &[(&str, &str)] = &[
    ("anew", "again, reconnect"),
    ("at hand", "available"),
    ("at rest", "paused"),
    ("begin again", "restart, repeat"),
    ("begins anew", "reconnects, starts a new session"),
    ("beside", "next to, besides, with"),
    ("by hand", "manually"),
    ("by itself", "automatically"),
    ("by themselves", "automatically"),
    ("for ever", "unlimited, permanently"),
    ("from now on", "new messages, future"),
    ("gets through", "matches"),
    ("gives way", "is shortened, is skipped"),
    ("go out", "are sent"),
    ("goes by", "uses"),
    ("goes out", "is sent"),
    ("gone without", "lost"),
    ("goodbye", "disconnect"),
    ("had its turn", "was sent"),
    ("hang up", "disconnect"),
    ("hangs up", "disconnects"),
    ("holds only", "is valid only"),
    ("hung up", "disconnected"),
    ("in words", "as text"),
    ("it is no", "it isn't"),
    ("it says", "the broker reports"),
    ("its words", "the text"),
    ("just now", "now, currently"),
    ("laid out", "formatted"),
    ("let through", "matching"),
    ("lets through", "matches"),
    ("likeliest", "most likely"),
    ("line is no", "line isn't"),
    ("looked into", "opened, inspected"),
    ("made room", "was dropped"),
    ("may stand", "is allowed"),
    ("nobody knows", "unknown"),
    ("of late", "recent"),
    ("of your own", "custom"),
    ("of yours", "your"),
    ("one after the other", "one by one, in order"),
    ("out of a file", "from a file"),
    ("put in", "enter"),
    ("put right", "fix"),
    ("put this notice away", "dismiss"),
    ("says nothing", "is empty"),
    ("stands", "is"),
    ("take it out", "remove it"),
    ("taken for", "treated as"),
    ("telling", "showing"),
    ("tells it", "shows it"),
    ("that nobody", "without"),
    ("this is no", "this isn't"),
    ("throw each other out", "disconnect each other"),
    ("throws the other out", "disconnects the other"),
    ("told", "shown, reported"),
    ("under way", "in progress, in flight"),
    ("untold", "waiting, skipped"),
    ("went by", "were skipped"),
    ("who speaks", "speaker"),
    ("whoever", "the administrator, anyone who"),
    ("without a word", "without giving a reason"),
    ("words of", "text of"),
];

/// A phrase of [`DIALECT`] that is right in texts with this part.
const ALLOWED: &[(&str, &str)] = &[];

/// Returns a text's words, in lower case and between single spaces.
fn normalized(text: &str) -> String {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '_');
    let words: Vec<_> = text.split(|c| !is_letter(c)).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" ").to_lowercase())
}

fn dialect_in(text: &str) -> Vec<String> {
    let words = normalized(text);
    let is_allowed = |phrase: &str| ALLOWED.iter().any(|(allowed, part)| *allowed == phrase && text.contains(part));
    let found = DIALECT.iter().filter(|(phrase, _)| words.contains(&format!(" {phrase} ")) && !is_allowed(phrase));
    found.map(|(phrase, better)| format!("“{phrase}”: rather {better}")).collect()
}

/// Returns what is wrong with the spaces and marks of a text.
fn typos_in(text: &str) -> Vec<String> {
    let mut slips = Vec::new();
    // Parts of a sentence may have a space where the next part is added; whole sentences may not.
    let is_sentence = text.starts_with(char::is_uppercase) && text.trim_end().ends_with(['.', '!', '?']);
    if is_sentence && text != text.trim_end() {
        slips.push("space at the end of a sentence".to_owned());
    }
    // Columns for a terminal are aligned by spaces.
    if !text.contains(":>") && text.trim().contains("  ") {
        slips.push("two spaces".to_owned());
    }
    let marked = replace_placeholders(text, "·");
    let words: Vec<_> = marked.split_whitespace().collect();
    let stray = words.iter().skip(1).find(|word| matches!(**word, "," | ";" | ":" | "!"));
    slips.extend(stray.map(|mark| format!("space before “{mark}”")));
    if (text.contains("..") || text.contains("….")) && !text.contains("...") {
        slips.push("two full stops".to_owned());
    }
    for pair in words.windows(2).filter(|pair| pair[0] == pair[1] && pair[0].chars().all(char::is_alphabetic)) {
        slips.push(format!("“{} {}”", pair[0], pair[1]));
    }
    slips
}

#[test]
fn texts_are_plain_english_without_typos() {
    let mut faults = Vec::new();
    for FileTexts { file, texts } in all_texts() {
        let parts = texts.iter().flat_map(|text| text.split('\n').map(move |line| (line, line.len() < text.len())));
        for (text, is_part) in parts {
            // Several lines are for a terminal, and aligned by spaces.
            let slips = if is_part { Vec::new() } else { typos_in(text) };
            let found = dialect_in(text).into_iter().chain(slips);
            faults.extend(found.map(|fault| format!("{file}: {fault}\n    {text}")));
        }
    }
    assert!(faults.is_empty(), "{} texts to be written better:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn shown_literals_are_found_and_others_are_not() {
    let source = r##"
        /// A comment.
        #[derive(Error)]
        #[error("it failed: {reason}")]
        struct Failed;

        #[derive(Parser)]
        struct Options {
            /// Topic to
            /// subscribe to
            topic: String,
        }

        fn build(key: &str) -> View {
            assert!(key != "Escape", "never shown");
            let title = match key {
                "Enter" => "Send",
                _ => unreachable!("not a key: {key}"),
            };
            let part = words.expect("never shown");
            let hint = Hint { label: "none", path: "/mqtt", url: "ws://127.0.0.1:8080/mqtt" };
            view! { <p class="quiet wide" title=title aria-label="topic">"now" " and then"</p> }
        }

        fn state_label() -> &'static str {
            "paused"
        }

        #[cfg(test)]
        mod tests {
            const TEXT: &str = "Only a test.";
        }
    "##;
    let expected = ["it failed: {reason}", "Topic to subscribe to", "Send", "none", "topic", "now and then", "paused"];
    assert_eq!(rust::texts_of_rust(source), expected);
    let page =
        r#"<!-- no --><p class="wide line" title="A tip">One<b>&nbsp;line</b></p><script>"no text"</script><i>two</i>"#;
    assert_eq!(html::texts_of_html(page), ["A tip", "One line", "two"]);
}
