//! Runs the guides in `docs/` as they are written.
//!
//! `docs/README.md` documents how a guide is run: the kinds of blocks, and the few replacements. A block without a
//! kind, an instruction that isn't understood, a program that fails or prints something other than the guide promises:
//! each of them fails the test.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::ready;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::Command;

use crate::page::{Page, in_browser};
use crate::process::{Process, find_program, free_port};
use crate::{dist, eventually, eventually_within, program, root, target};

/// The ports in guides. Each is replaced by a free one, so that two guides, or a guide and a broker of yours, don't
/// conflict.
pub const PORTS: [&str; 10] = ["1883", "4369", "5672", "8000", "8080", "8083", "8443", "9001", "15675", "25672"];

/// The time limit for a command, or for a program's expected output. Some of them install or compile something, and
/// RabbitMQ takes ten seconds to start on an idle machine.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(180);

/// A shell's exit status if there is no such program.
const NOT_FOUND: i32 = 127;

/// Runs a script like a terminal: the programs it started get a signal to end when the other end of standard input is
/// closed, even if a test was killed.
const TERMINAL: &str = r#"exec 3<&0
(read -r _ <&3 || kill -TERM -- -$$) >/dev/null 2>&1 &
exec 3<&- bash -e -c "$0" </dev/null"#;

/// The folder of the guides.
pub fn folder() -> PathBuf {
    root().join("docs")
}

/// Runs `docs/NAME.md` from first line to last, in a fresh folder and a fresh browser.
///
/// # Errors
/// Fails with the line of the guide that doesn't hold.
pub async fn run(name: &str) -> Result<()> {
    let file = folder().join(format!("{name}.md"));
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let steps = parse(&text).with_context(|| format!("reading docs/{name}.md"))?;
    ensure!(
        steps.iter().any(|step| matches!(step.action, Action::Open { .. })),
        "docs/{name}.md has no link that opens the app"
    );
    let mut environment = Environment::new(&text)?;
    let result = in_browser(&format!("guide-{name}"), async |page| {
        for step in &steps {
            environment
                .perform(&step.action, page)
                .await
                .with_context(|| format!("docs/{name}.md, line {}", step.line))?;
        }
        Ok(())
    })
    .await;
    // After the browser, which would lose its broker otherwise.
    let closed = environment.close().await;
    result.map_err(|error| match &closed {
        Ok(output) => error.context(output.clone()),
        Err(close_error) => error.context(format!("{close_error:#}")),
    })?;
    closed.map(drop)
}

/// An action or observation of the reader.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Its line, from 1.
    line: usize,
    action: Action,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// A file of the reader's folder.
    Write { path: PathBuf, text: String },
    /// Commands that end.
    Run { script: String, outcome: Outcome },
    /// A program that continues to run, in a terminal of its own.
    Window { name: String, script: String },
    /// Expected output of the last commands, or of a terminal since it was last checked.
    See { window: Option<String>, lines: Vec<String> },
    /// A link to the app.
    Open { link: String },
    /// An action or observation in the app.
    InPage(InPage),
}

/// The expected end of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

/// The instructions of a guide to a person with the app open.
#[derive(Debug, PartialEq, Eq)]
enum InPage {
    Fill { field: String, text: String },
    FillFrom { field: String, file: String },
    Press { button: String },
    Unfold { topic: String },
    Choose { topic: String },
    Connected,
    Row { text: String },
    Line { text: String },
    Shows { text: String },
}

/// Parses a guide: fenced blocks, links on a line of their own, numbered instructions.
fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut paragraph = String::new();
    let mut is_paragraph_over = false;
    let mut lines = text.lines().zip(1..);
    while let Some((row, line)) = lines.next() {
        if let Some(info) = row.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().map(|(row, _)| row).take_while(|row| *row != "```").collect();
            let action = block_action(info, &block, &paragraph).with_context(|| format!("line {line}: ```{info}"))?;
            steps.extend(action.map(|action| Step { line, action }));
            continue;
        }
        if row.trim().is_empty() {
            is_paragraph_over = true;
            continue;
        }
        if std::mem::take(&mut is_paragraph_over) {
            paragraph.clear();
        }
        writeln!(paragraph, "{row}")?;
        if let Some(link) = row.strip_prefix('<').and_then(|row| row.strip_suffix('>')) {
            steps.push(Step { line, action: Action::Open { link: link.to_owned() } });
        } else if let Some((number, instruction)) = row.split_once(". ")
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            let action = in_page(instruction).with_context(|| {
                format!("line {line}: {instruction:?} is none of the instructions that docs/README.md lists")
            })?;
            steps.push(Step { line, action: Action::InPage(action) });
        }
    }
    Ok(steps)
}

/// Returns the purpose of a fenced block; none if it isn't run, which the paragraph before it must say.
fn block_action(info: &str, block: &[&str], paragraph: &str) -> Result<Option<Action>> {
    let kind = info.split(' ').nth(1).unwrap_or_default();
    let text = || block.iter().fold(String::new(), |text, row| text + row + "\n");
    let lines = || block.iter().map(|row| row.trim().to_owned()).filter(|row| !row.is_empty()).collect();
    let action = match kind.split_once('=').map_or((kind, None), |(kind, value)| (kind, Some(value))) {
        ("file", Some(path)) => {
            let path = PathBuf::from(path);
            ensure!(path.components().all(|part| matches!(part, Component::Normal(_))), "the file is outside");
            Action::Write { path, text: text() }
        }
        ("run", None) => Action::Run { script: text(), outcome: Outcome::Success },
        ("fails", None) => Action::Run { script: text(), outcome: Outcome::Failure },
        ("window", Some(name)) => Action::Window { name: name.to_owned(), script: text() },
        ("see", window) => Action::See { window: window.map(str::to_owned), lines: lines() },
        ("not-run", None) => {
            ensure!(paragraph.contains("Not run"), "the paragraph before a block that isn't run has to say “Not run”");
            return Ok(None);
        }
        _ => bail!("a block says how it is run, or that it isn't: file=, run, fails, window=, see, see=, not-run"),
    };
    Ok(Some(action))
}

/// Parses an instruction; names in the app are bold, typed or visible text is in backticks.
fn in_page(instruction: &str) -> Option<InPage> {
    let between = |before: &str, after: &str| {
        let middle = instruction.strip_prefix(before)?.strip_suffix(after)?;
        Some(middle.to_owned())
    };
    if instruction == "The page is connected." {
        return Some(InPage::Connected);
    }
    if let Some(middle) = between("Write `", "**.") {
        let (text, field) = middle.split_once("` into **")?;
        return Some(InPage::Fill { field: field.to_owned(), text: text.to_owned() });
    }
    if let Some(middle) = between("Write what is in `", "**.") {
        let (file, field) = middle.split_once("` into **")?;
        return Some(InPage::FillFrom { field: field.to_owned(), file: file.to_owned() });
    }
    between("Press **", "**.")
        .map(|button| InPage::Press { button })
        .or_else(|| between("Unfold `", "`.").map(|topic| InPage::Unfold { topic }))
        .or_else(|| between("Choose `", "`.").map(|topic| InPage::Choose { topic }))
        .or_else(|| between("The console shows `", "`.").map(|text| InPage::Row { text }))
        .or_else(|| between("The crawl shows `", "`.").map(|text| InPage::Line { text }))
        .or_else(|| between("The page shows `", "`.").map(|text| InPage::Shows { text }))
}

/// The environment of a guide: a folder, terminals, and the replacements.
struct Environment {
    folder: TempDir,
    path: std::ffi::OsString,
    ports: HashMap<&'static str, u16>,
    windows: Vec<Window>,
    /// The output of the last commands.
    output: String,
}

/// A terminal.
struct Window {
    name: String,
    process: Process,
    group: Pid,
    /// The number of its lines that a guide has checked.
    checked: usize,
}

impl Window {
    /// Waits for lines among those that weren't checked; once they are found, all lines before them count as checked.
    fn check_output(&mut self, lines: &[String]) -> Result<Option<()>> {
        // In this order: its last output is complete once it has ended.
        let has_ended = self.process.has_ended()?;
        match find_lines(lines, self.process.output().lines().skip(self.checked)) {
            Ok(taken) => {
                self.checked += taken;
                Ok(Some(()))
            }
            Err(missing) if has_ended => bail!("it has ended without printing {missing:?}"),
            Err(_) => Ok(None),
        }
    }

    async fn close(mut self) -> Result<()> {
        // It fails if all of them have ended.
        let _ = killpg(self.group, Signal::SIGTERM);
        self.process.ended().await?;
        eventually("its programs to end", async || Ok(killpg(self.group, None).err())).await?;
        Ok(())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It fails if all of them have ended.
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

impl Environment {
    /// Creates an environment with the project's programs that this guide names.
    fn new(guide: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::os::unix::fs::symlink(dist(), folder.path().join("dist"))?;
        let programs = folder.path().join(".programs");
        std::fs::create_dir(&programs)?;
        for (variable, name) in [
            ("MQTT_CRAWL_STATION", "mqtt-crawl-station"),
            ("MQTT_CRAWL_PRODUCER", "mqtt-crawl-producer"),
            ("MQTT_CRAWL_JWT_BROKER", "mqtt-crawl-jwt-broker"),
        ] {
            if guide.contains(name) {
                std::os::unix::fs::symlink(program(variable, name)?, programs.join(name))?;
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Daemons are in a folder that isn't on everybody's PATH.
        let folders = [programs].into_iter().chain(std::env::split_paths(&path)).chain(["/usr/sbin".into()]);
        let path = std::env::join_paths(folders)?;
        let mut ports = HashMap::new();
        for port in PORTS {
            ports.insert(port, free_port()?);
        }
        Ok(Self { folder, path, ports, windows: Vec::new(), output: String::new() })
    }

    /// Returns the text with each port replaced.
    fn with_free_ports(&self, text: &str) -> String {
        replace_ports(text, &self.ports)
    }

    async fn perform(&mut self, action: &Action, page: &Page) -> Result<()> {
        match action {
            Action::Write { path, text } => {
                let path = self.folder.path().join(path);
                std::fs::create_dir_all(path.parent().context("a file without a folder")?)?;
                std::fs::write(path, self.with_free_ports(text))?;
                Ok(())
            }
            Action::Run { script, outcome } => self.run(script, *outcome).await,
            Action::Window { name, script } => {
                let mut command = self.bash(TERMINAL)?;
                command.arg(self.with_free_ports(script));
                let process = Process::spawn(&mut command)?;
                let group = process.pid()?;
                self.windows.push(Window { name: name.clone(), process, group, checked: 0 });
                Ok(())
            }
            Action::See { window: None, lines } => {
                let lines: Vec<String> = lines.iter().map(|line| self.with_free_ports(line)).collect();
                let missing = find_lines(&lines, self.output.lines()).err();
                ensure!(missing.is_none(), "{missing:?} wasn't printed, but\n{}", self.output);
                Ok(())
            }
            Action::See { window: Some(name), lines } => {
                let lines: Vec<String> = lines.iter().map(|line| self.with_free_ports(line)).collect();
                let window = self.windows.iter_mut().rfind(|window| window.name == *name);
                let window = window.with_context(|| format!("there is no window {name}"))?;
                let what = format!("{lines:?} in the window {name}");
                eventually_within(TERMINAL_TIMEOUT, &what, || ready(window.check_output(&lines)))
                    .await
                    .with_context(|| window.process.output())
            }
            Action::Open { link } => page.open(&self.with_free_ports(link)).await,
            Action::InPage(action) => self.perform_in_page(action, page).await,
        }
    }

    async fn run(&mut self, script: &str, outcome: Outcome) -> Result<()> {
        // In one stream, so that the order is kept.
        let mut command = self.bash(&format!("exec 2>&1\n{script}"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let group = child.id().context("it ended at once")?;
        let output = tokio::time::timeout(TERMINAL_TIMEOUT, child.wait_with_output()).await;
        let Ok(output) = output else {
            killpg(Pid::from_raw(group.try_into()?), Signal::SIGKILL)?;
            bail!("timed out after {} s", TERMINAL_TIMEOUT.as_secs());
        };
        let output = output?;
        self.output = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_expected = output.status.success() == (outcome == Outcome::Success);
        let help = match output.status.code() {
            Some(NOT_FOUND) => "; `cargo xtask setup` installs what the guides use",
            _ => "",
        };
        ensure!(is_expected, "it ended with {}{help}:\n{}", output.status, self.output);
        Ok(())
    }

    /// Returns a shell in the reader's folder that writes nothing elsewhere.
    fn bash(&self, script: &str) -> Result<Command> {
        // Into a pipe, C programs would write whole blocks.
        let mut command = Command::new(find_program("stdbuf", "coreutils")?);
        command
            .args(["-oL", "bash", "-e", "-c"])
            .arg(self.with_free_ports(script))
            .current_dir(self.folder.path())
            .env("PATH", &self.path)
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONUNBUFFERED", "1")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            // Otherwise Go compiles its own library each time.
            .env("GOCACHE", target().join("guides").join("go-cache"))
            .process_group(0);
        if let Some(wheels) = std::env::var_os("MQTT_CRAWL_WHEELS") {
            ensure!(
                Path::new(&wheels).is_dir(),
                "Python's packages are not at {}; `cargo xtask setup` fetches them",
                wheels.display()
            );
            command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", wheels);
        }
        Ok(command)
    }

    /// Performs an instruction, or checks what it promises.
    async fn perform_in_page(&self, action: &InPage, page: &Page) -> Result<()> {
        match action {
            InPage::Fill { field, text } => page.fill(field, text).await,
            InPage::FillFrom { field, file } => {
                let text = std::fs::read_to_string(self.folder.path().join(file))
                    .with_context(|| format!("reading the file {file}"))?;
                page.fill(field, text.trim()).await
            }
            InPage::Press { button } => page.press(button).await,
            InPage::Unfold { topic } => page.click(&format!("{}?.querySelector('.twisty')", Page::topic(topic))).await,
            InPage::Choose { topic } => page.click(&Page::topic(topic)).await,
            InPage::Connected => page.wait_for_state("connected").await,
            InPage::Row { text } => page.wait_for_row(text).await,
            InPage::Line { text } => page.wait_for_line(text).await,
            InPage::Shows { text } => page.wait_for_text(text).await,
        }
    }

    /// Closes all terminals, waits until their programs are gone, and returns their output.
    ///
    /// # Errors
    /// Fails when one of them doesn't end on request.
    async fn close(&mut self) -> Result<String> {
        let mut all_output = String::new();
        for window in self.windows.drain(..).rev() {
            let output = window.process.output();
            writeln!(all_output, "── window {} ──\n{output}", window.name)?;
            window.close().await.with_context(|| format!("closing a window:\n{output}"))?;
        }
        Ok(all_output)
    }
}

/// Replaces ports where they are whole numbers.
fn replace_ports(text: &str, ports: &HashMap<&'static str, u16>) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, from_number) = rest.split_at(start);
        let end = from_number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from_number.len());
        let (number, after) = from_number.split_at(end);
        replaced.push_str(before);
        match ports.get(number) {
            Some(port) => replaced.push_str(&port.to_string()),
            None => replaced.push_str(number),
        }
        rest = after;
    }
    replaced + rest
}

/// Searches lines for patterns, in order, and returns the number of lines used, or the missing pattern.
fn find_lines<'a>(patterns: &[String], lines: impl Iterator<Item = &'a str>) -> Result<usize, String> {
    let mut taken = 0;
    let mut lines = lines.inspect(|_| taken += 1);
    for pattern in patterns {
        if !lines.any(|line| matches_pattern(pattern, line.trim())) {
            return Err(pattern.clone());
        }
    }
    drop(lines);
    Ok(taken)
}

/// Whether a line matches the guide's, in which `…` matches anything.
fn matches_pattern(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_whole_line() {
        let check = |pattern, line, expected| assert_eq!(matches_pattern(pattern, line), expected, "{pattern} {line}");
        check("ready", "ready", true);
        check("ready", "not ready", false);
        check("ready", "ready?", false);
        check("Client … sending CONNECT", "Client (null) sending CONNECT", true);
        check("Client … sending CONNECT", "Client (null) sending CONNECTED", false);
        check("…ready…", "it is ready, I think", true);
        check("a…b…c", "a1c2b3c", true);
        check("a…b…c", "a1c", false);
        check("aba…aba", "aba", false);
    }

    #[test]
    fn lines_are_found_in_their_order() {
        let check = |patterns: &[&str], expected: Result<usize, &str>| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            let found = find_lines(&patterns, ["one", "two", "three"].into_iter());
            assert_eq!(found, expected.map_err(str::to_owned), "{patterns:?}");
        };
        check(&[], Ok(0));
        check(&["one", "three"], Ok(3));
        check(&["two"], Ok(2));
        check(&["two", "one"], Err("one"));
        check(&["one", "one"], Err("one"));
    }

    #[test]
    fn ports_are_replaced_as_whole_numbers() {
        let ports = HashMap::from([("1883", 20_001), ("9001", 20_002)]);
        let check = |text, expected: &str| assert_eq!(replace_ports(text, &ports), expected);
        check("listener 1883 127.0.0.1", "listener 20001 127.0.0.1");
        check("#broker=ws%3A%2F%2F127.0.0.1%3A9001%2F", "#broker=ws%3A%2F%2F127.0.0.1%3A20002%2F");
        check("11883 18830 1.5", "11883 18830 1.5");
        check("", "");
    }

    fn check(text: &str, expected: Result<&[Action], &str>) {
        match (parse(text), expected) {
            (Ok(steps), Ok(actions)) => {
                let found: Vec<Action> = steps.into_iter().map(|step| step.action).collect();
                assert_eq!(found, actions, "{text}");
            }
            (Err(error), Err(part)) => assert!(format!("{error:#}").contains(part), "{error:#}"),
            (result, expected) => panic!("{text}: {result:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn each_kind_of_block_is_parsed() {
        let script = || "true\n".to_owned();
        check("```sh run\ntrue\n```", Ok(&[Action::Run { script: script(), outcome: Outcome::Success }]));
        check("```sh fails\ntrue\n```", Ok(&[Action::Run { script: script(), outcome: Outcome::Failure }]));
        check("```sh window=a\ntrue\n```", Ok(&[Action::Window { name: "a".into(), script: script() }]));
        check("```conf file=d/a.conf\ntrue\n```", Ok(&[Action::Write { path: "d/a.conf".into(), text: script() }]));
        check("```conf file=../a\ntrue\n```", Err("outside"));
        let see = Action::See { window: Some("a".into()), lines: vec!["one".into(), "two".into()] };
        check("```text see=a\n one\n\ntwo\n```", Ok(&[see]));
        check("```sh\ntrue\n```", Err("line 1: ```sh: a block says how it is run"));
        check("Words.\n\n```sh not-run\ntrue\n```", Err("“Not run”"));
        check("Not run.\n\nWords.\n\n```sh not-run\ntrue\n```", Err("“Not run”"));
        check("Not run, for there\nis none.\n\n```sh not-run\ntrue\n```", Ok(&[]));
    }

    #[test]
    fn known_instructions_are_parsed_and_others_refused() {
        let check = |text: &str, expected: InPage| check(&format!("1. {text}"), Ok(&[Action::InPage(expected)]));
        check("Write `a b` into **User name**.", InPage::Fill { field: "User name".into(), text: "a b".into() });
        check("Write what is in `a` into **Password**.", {
            InPage::FillFrom { field: "Password".into(), file: "a".into() }
        });
        check("Press **Connect**.", InPage::Press { button: "Connect".into() });
        check("The page is connected.", InPage::Connected);
        check("The console shows `{\"a\":1}`.", InPage::Row { text: "{\"a\":1}".into() });
        check("The crawl shows `Hello`.", InPage::Line { text: "Hello".into() });
        super::tests::check("12. Stand on one leg.", Err("line 1: \"Stand on one leg.\" is none"));
        super::tests::check("It is 1.5 m. Or so.", Ok(&[]));
    }
}
