//! Each statement of MQTT that binds a client has a test, or a reason why it can't have one.
//!
//! The statements are listed in `conformance/statements.txt`. A test says what it covers in a
//! comment right above it, `5.0` being meant where no version is named:
//!
//! ```text
//! // covers: [MQTT-3.3.1-2], [3.1.1 MQTT-3.3.1-2]
//! #[test]
//! fn dup_is_never_set_at_qos_0() {
//! ```
//!
//! From both `CONFORMANCE.md` is made. After a change of a marker or a statement it is written
//! anew by
//!
//! ```text
//! UPDATE=1 cargo test --test conformance
//! ```

#![cfg(not(target_arch = "wasm32"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const STATEMENTS: &str = include_str!("conformance/statements.txt");
const TABLE: &str = "tests/CONFORMANCE.md";

/// What the standards hold: 5.0 (appendix B) and 3.1.1 (appendix B).
const COUNTS: [(&str, usize); 2] = [("5.0", 251), ("3.1.1", 141)];

/// Version and number of a statement.
type Id = (&'static str, String);

#[derive(Debug)]
struct Statement {
    number: &'static str,
    version: &'static str,
    binds: Binds,
    words: &'static str,
    note: Note,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binds {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    Nothing,
    /// Why there can be no test.
    NotApplicable(&'static str),
    /// What the client still does wrong.
    Open(&'static str),
}

impl Statement {
    fn id(&self) -> Id {
        (self.version, self.number.to_owned())
    }
}

fn statements() -> Vec<Statement> {
    let lines = STATEMENTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(statement).collect()
}

fn statement(line: &'static str) -> Statement {
    let fields: Vec<&str> = line.split('|').map(str::trim).collect();
    let [number, version, binds, words, note] = fields[..] else {
        panic!("five fields, please: {line}");
    };
    let binds = match binds {
        "client" => Binds::Client,
        "server" => Binds::Server,
        other => panic!("{number}: nobody is a {other}"),
    };
    let note = match note.split_once(": ") {
        None if note.is_empty() => Note::Nothing,
        Some(("n/a", reason)) => Note::NotApplicable(reason),
        Some(("open", fault)) => Note::Open(fault),
        _ => panic!("{number}: a note is `n/a: …` or `open: …`, not {note}"),
    };
    assert!(binds == Binds::Server || !words.is_empty(), "{number}: a rule for clients needs words");
    Statement { number, version, binds, words, note }
}

/// The tests that cover each statement, and what is wrong with the markers.
#[derive(Default)]
struct Coverage {
    tests: BTreeMap<Id, BTreeSet<String>>,
    faults: Vec<String>,
}

impl Coverage {
    fn of_the_project() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for folder in ["src", "tests"] {
            rust_files(&root.join(folder), &mut files);
        }
        files.sort();
        let mut coverage = Self::default();
        for path in files {
            let text = fs::read_to_string(&path).expect("a readable file");
            let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            coverage.add(&name, &text);
        }
        coverage
    }

    /// Takes the markers of one file.
    fn add(&mut self, file: &str, text: &str) {
        let mut marked: Vec<Id> = Vec::new();
        let mut is_test = false;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(list) = line.strip_prefix("// covers:") {
                match ids(list) {
                    Some(ids) => marked.extend(ids),
                    None => self.faults.push(format!("{file}:{}: not a list of statements:{list}", at + 1)),
                }
            } else if marked.is_empty() || line.starts_with("//") {
                continue;
            } else if line.starts_with("#[") {
                is_test |= line.contains("test]") || line.contains("test(");
            } else {
                match function(line) {
                    Some(name) if is_test => {
                        let test = format!("{file}::{name}");
                        for id in marked.drain(..) {
                            self.tests.entry(id).or_default().insert(test.clone());
                        }
                    }
                    _ => self.faults.push(format!("{file}:{}: the marker above stands at no test", at + 1)),
                }
                marked.clear();
                is_test = false;
            }
        }
    }
}

/// Reads `[MQTT-3.3.1-2], [3.1.1 MQTT-3.3.1-2]`.
fn ids(list: &str) -> Option<Vec<Id>> {
    list.split(',')
        .map(|entry| {
            let entry = entry.trim().strip_prefix('[')?.strip_suffix(']')?;
            let (version, entry) = match entry.strip_prefix("3.1.1 ") {
                Some(entry) => ("3.1.1", entry),
                None => ("5.0", entry),
            };
            Some((version, entry.strip_prefix("MQTT-")?.to_owned()))
        })
        .collect()
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_plain = before.split_whitespace().all(|word| matches!(word, "async" | "pub"));
    is_plain.then(|| after.split(['(', '<']).next()).flatten()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// What is not as it should be between the statements and the tests.
fn gaps(statements: &[Statement], coverage: &Coverage) -> Vec<String> {
    let mut gaps = coverage.faults.clone();
    let known: BTreeSet<Id> = statements.iter().map(Statement::id).collect();
    for (id, tests) in &coverage.tests {
        if !known.contains(id) {
            gaps.push(format!("MQTT {} has no statement {}, named by {tests:?}", id.0, id.1));
        }
    }
    for statement in statements {
        let Statement { number, version, .. } = statement;
        let is_covered = coverage.tests.contains_key(&statement.id());
        match (statement.binds, statement.note, is_covered) {
            (Binds::Client, Note::Nothing, false) => {
                gaps.push(format!("[MQTT-{number}] of {version} has neither test nor reason: {}", statement.words));
            }
            (_, Note::NotApplicable(_) | Note::Open(_), true) => {
                gaps.push(format!("[MQTT-{number}] of {version} has a test now: take its note away"));
            }
            (Binds::Server, _, true) if statement.words.is_empty() => {
                gaps.push(format!("[MQTT-{number}] of {version} has a test and needs words"));
            }
            _ => {}
        }
    }
    gaps
}

fn table(statements: &[Statement], coverage: &Coverage) -> String {
    let mut out = String::from(
        "# Conformance to MQTT 5.0 and 3.1.1\n\n\
         Made by `UPDATE=1 cargo test --test conformance` from `conformance/statements.txt` and the\n\
         `// covers:` comments of the tests; not to be changed by hand.\n\n\
         The numbers are those of the OASIS standards, the words are ours and shorter: what binds is\n\
         the standard. A test is named by its file, from the folder of this one, and its function.\n",
    );
    for (version, _) in COUNTS {
        let of_version = || statements.iter().filter(|statement| statement.version == version);
        let count = |wanted: &dyn Fn(&Statement) -> bool| of_version().filter(|statement| wanted(statement)).count();
        let clients = count(&|statement| statement.binds == Binds::Client);
        let not_applicable = count(&|statement| matches!(statement.note, Note::NotApplicable(_)));
        let open = count(&|statement| matches!(statement.note, Note::Open(_)));
        let tested = clients - not_applicable - open;
        // Writing to a string can't fail.
        let _ = write!(
            out,
            "\n## MQTT {version}\n\n\
             {clients} of {} statements bind a client: {tested} tested, {not_applicable} not applicable, {open} open.\n\n\
             | statement | version | rule in our words | covered by |\n|---|---|---|---|\n",
            of_version().count(),
        );
        for statement in of_version().filter(|statement| statement.binds == Binds::Client) {
            out.push_str(&row(statement, coverage));
        }
        let is_met = |statement: &&Statement| coverage.tests.contains_key(&statement.id());
        let servers = || of_version().filter(|statement| statement.binds == Binds::Server);
        let _ = write!(
            out,
            "\n### For the server of MQTT {version}, and met by our tests\n\n\
             What the client does where the server keeps the rule, or breaks it.\n\n\
             | statement | version | rule in our words | met by |\n|---|---|---|---|\n"
        );
        for statement in servers().filter(is_met) {
            out.push_str(&row(statement, coverage));
        }
        let others: Vec<_> =
            servers().filter(|statement| !is_met(statement)).map(|statement| statement.number).collect();
        let _ = write!(
            out,
            "\n### For the server of MQTT {version} only\n\n\
             A client can neither keep nor break these {}: {}.\n",
            others.len(),
            others.join(", ")
        );
    }
    out
}

fn row(statement: &Statement, coverage: &Coverage) -> String {
    let Statement { number, version, words, .. } = statement;
    let covered = match statement.note {
        Note::NotApplicable(reason) => format!("not applicable: {reason}"),
        Note::Open(fault) => format!("**open**: {fault}"),
        Note::Nothing => {
            let tests = coverage.tests.get(&statement.id()).into_iter().flatten();
            let names: Vec<_> = tests.map(|test| format!("`{}`", test.trim_start_matches("tests/"))).collect();
            names.join("<br>")
        }
    };
    format!("| MQTT-{number} | {version} | {words} | {covered} |\n")
}

#[test]
fn the_list_is_whole() {
    let statements = statements();
    for (version, expected) in COUNTS {
        let numbers: Vec<_> =
            statements.iter().filter(|statement| statement.version == version).map(Statement::id).collect();
        assert_eq!(numbers.len(), expected, "statements of {version}");
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), expected, "each number of {version} once");
    }
    let all: usize = COUNTS.iter().map(|(_, count)| count).sum();
    assert_eq!(statements.len(), all, "no third version");
}

#[test]
fn every_statement_for_clients_has_a_test_or_a_reason() {
    let gaps = gaps(&statements(), &Coverage::of_the_project());
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

#[test]
fn the_table_is_of_today() {
    let made = table(&statements(), &Coverage::of_the_project());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).expect("the table can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let first = made.lines().zip(stored.lines()).find(|(made, stored)| made != stored);
    assert!(made == stored, "{TABLE} is out of date, first at {first:?}: UPDATE=1 cargo test --test conformance");
}

#[test]
fn markers_are_read_and_wrong_ones_found() {
    #[track_caller]
    fn check(text: &str, covered: &[(&'static str, &str)], faults: usize) {
        let mut coverage = Coverage::default();
        coverage.add("f.rs", text);
        let tests = BTreeSet::from(["f.rs::name".to_owned()]);
        let expected = covered.iter().map(|(version, number)| ((*version, (*number).to_owned()), tests.clone()));
        assert_eq!(coverage.tests, expected.collect(), "{text}");
        assert_eq!(coverage.faults.len(), faults, "{text}: {:?}", coverage.faults);
    }
    // Put together here, so that they are no markers of this file.
    let mark = |list: &str| format!("// {}: {list}\n", "covers");
    let one = mark("[MQTT-3.1.0-1], [3.1.1 MQTT-3.1.0-1]");
    let both = [("5.0", "3.1.0-1"), ("3.1.1", "3.1.0-1")];
    check(&format!("{one}#[test]\nfn name() {{"), &both, 0);
    check(&format!("    {one}    /// Why.\n    #[tokio::test]\n    async fn name() {{"), &both, 0);
    check(
        &format!("{one}{}#[test]\nfn name(a: u8) {{", mark("[MQTT-1.5.4-1]")),
        &[both[0], both[1], ("5.0", "1.5.4-1")],
        0,
    );
    check(&format!("{one}fn name() {{"), &[], 1);
    check(&format!("{one}\n#[test]\nfn name() {{"), &[], 1);
    check(&format!("{}#[test]\nfn name() {{", mark("MQTT-3.1.0-1")), &[], 1);

    let mut unknown = Coverage::default();
    unknown.add("f.rs", &format!("{}#[test]\nfn name() {{", mark("[MQTT-9.9.9-9]")));
    assert_eq!(gaps(&[], &unknown).len(), 1);
}

#[test]
fn notes_and_tests_exclude_each_other() {
    #[track_caller]
    fn check(line: &'static str, covered: bool, gap: bool) {
        let mut coverage = Coverage::default();
        if covered {
            coverage.tests.insert(("5.0", "1.1.1-1".to_owned()), BTreeSet::from(["f.rs::name".to_owned()]));
        }
        assert_eq!(!gaps(&[statement(line)], &coverage).is_empty(), gap, "{line}");
    }
    check("1.1.1-1 | 5.0 | client | a rule |", true, false);
    check("1.1.1-1 | 5.0 | client | a rule |", false, true);
    check("1.1.1-1 | 5.0 | client | a rule | n/a: why", false, false);
    check("1.1.1-1 | 5.0 | client | a rule | n/a: why", true, true);
    check("1.1.1-1 | 5.0 | client | a rule | open: what", true, true);
    check("1.1.1-1 | 5.0 | server | |", false, false);
    check("1.1.1-1 | 5.0 | server | |", true, true);
    check("1.1.1-1 | 5.0 | server | a rule |", true, false);
}
