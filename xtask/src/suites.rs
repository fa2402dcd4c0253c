//! `cargo xtask test`: runs all checks, one after the other, and counts them in one line.
//!
//! The order puts what fails fast first. Programs are built in the release profile, and their own tests run in that
//! profile too, so that the broker and its 200 crates are compiled once.

use std::fs;
use std::io::{BufRead, BufReader};
use std::iter::Sum;
use std::ops::Add;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::repo::{Repo, cargo};
use crate::run::{as_typed, format_duration, heading, run as run_program};
use crate::setup::{self, Scope, Tools, WASM_TARGET};
use crate::{demo, dist, size};

/// A group of checks that succeeds or fails with a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// Formatting
    Fmt,
    /// Lints of the native code
    Clippy,
    /// Lints of the browser code
    ClippyWeb,
    /// The documentation builds without warnings
    Doc,
    /// Tests of the core and of xtask
    Native,
    /// Misbehaving brokers, one fault at a time, for a minute of virtual time each
    Slips,
    /// Tests that need a browser's APIs
    Browser,
    /// Tests of the station and the producer
    Programs,
    /// The site builds
    Dist,
    /// The size of a first visit against its budget
    Size,
    /// Client sessions over failing networks, against real brokers and without a browser
    Delivery,
    /// End-to-end tests of the released programs and the site against real brokers, in Chromium
    Chromium,
    /// The end-to-end tests that use a browser, in Firefox
    Firefox,
    /// The most important end-to-end tests, in WebKit
    Webkit,
    /// The guides in docs/, executed as they are written
    Guides,
}

/// A browser engine that the end-to-end tests run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Chromium, all tests
    Chromium,
    /// Firefox, all tests that use a browser
    Firefox,
    /// WebKitGTK, the most important tests
    Webkit,
}

impl Engine {
    /// Returns the suite of this engine.
    pub fn suite(self) -> Suite {
        match self {
            Self::Chromium => Suite::Chromium,
            Self::Firefox => Suite::Firefox,
            Self::Webkit => Suite::Webkit,
        }
    }

    /// Returns its name as the tests read it.
    fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::Webkit => "webkit",
        }
    }
}

/// The tests that run in WebKit, by name prefix: the set that has to run in every engine, in addition to [`ANIMATION`].
const CORE: [&str; 21] = [
    "accessibility::everything_is_reachable_by_keyboard",
    "accessibility::page_has_the_promised_accessible_names",
    "bad_input::",
    "console::",
    "credentials::",
    "harness::",
    "hosting::",
    "inspector::",
    "layout::",
    "lines::",
    "links::",
    "logs::",
    "motion::",
    "network::",
    "panels::",
    "persistent_session::",
    "restart::",
    "screens::",
    "slips::",
    "transmit::",
    "versions::",
];

/// Tests without a browser, which only one engine's suite runs.
const WITHOUT_BROWSER: [&str; 2] = ["producer::", "diffusion::the_producer"];

/// Cargo's arguments for what runs in the browser.
const WEB_PACKAGE: [&str; 6] = ["-p", "mqtt-crawl", "--features", "web", "--target", WASM_TARGET];

/// The number of checks of a suite, by result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    /// Tests that were skipped, each with the reason.
    skipped: Vec<(String, String)>,
    /// Tests that failed, each with the end of its output.
    failures: Vec<(String, String)>,
}

impl Count {
    const PASSED: Self = Self { passed: 1, failed: 0, skipped: Vec::new(), failures: Vec::new() };
    const FAILED: Self = Self { passed: 0, failed: 1, skipped: Vec::new(), failures: Vec::new() };

    /// Returns one failure of `test`, with its output.
    fn failed(test: String, output: String) -> Self {
        Self { failures: vec![(test, output)], ..Self::FAILED }
    }
}

impl Add for Count {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed, ..self }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

/// Runs `only`, or every suite if it is empty. Fails if a single check failed.
pub fn run(repo: &Repo, only: &[Suite]) -> Result<ExitCode> {
    let started = Instant::now();
    heading("setup");
    let is_wanted = |suite: &Suite| only.is_empty() || only.contains(suite);
    let suites: Vec<Suite> = Suite::value_variants().iter().copied().filter(is_wanted).collect();
    let needs_other_engine = suites.iter().any(|suite| matches!(suite, Suite::Firefox | Suite::Webkit));
    let tools = setup::install(repo, if needs_other_engine { Scope::Everything } else { Scope::Tests })?;

    let mut results = Vec::new();
    // Suites of several engines share a run: some of their tests continue in parallel with those of other engines.
    for group in suites.chunk_by(|one, other| one.engine().is_some() && other.engine().is_some()) {
        let group_started = Instant::now();
        let names = group.iter().copied().map(name).collect::<Vec<_>>().join(", ");
        heading(&names);
        let counts = run_group(repo, &tools, group).unwrap_or_else(|error| {
            println!("{names}: {error:#}");
            let failed = |suite: &Suite| Count::failed(name(*suite), format!("{error:#}\n"));
            group.iter().map(failed).collect()
        });
        let took = group_started.elapsed();
        results.extend(group.iter().zip(counts).map(|(suite, count)| (*suite, count, took)));
    }

    heading("summary");
    for (suite, count, took) in &results {
        println!("{}", summary_line(*suite, count, *took));
        for (test, reason) in &count.skipped {
            println!("{:<12}skipped {test}: {reason}", "");
        }
    }
    println!("total {}", format_duration(started.elapsed()));
    let all: Count = results.into_iter().map(|(_, count, _)| count).sum();
    println!("{} skipped", all.skipped.len());
    for (test, output) in &all.failures {
        println!("failed {test}\n{}", without_the_middle(output));
    }
    println!("{} passed, {} failed", all.passed, all.failed);
    Ok(if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One suite, or those of several engines in parallel.
fn run_group(repo: &Repo, tools: &Tools, group: &[Suite]) -> Result<Vec<Count>> {
    let engines: Vec<Engine> = group.iter().copied().filter_map(Suite::engine).collect();
    if engines.is_empty() {
        return group.iter().map(|suite| suite.run(repo, tools)).collect();
    }
    in_engines(repo, tools, &engines)
}

fn name(suite: Suite) -> String {
    suite.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn summary_line(suite: Suite, count: &Count, took: Duration) -> String {
    let name = name(suite);
    let took = format_duration(took);
    let Count { passed, failed, skipped, .. } = count;
    format!("{name:<12}{passed:>6} passed {failed:>4} failed {:>4} skipped {took:>14}", skipped.len())
}

impl Suite {
    /// Returns its engine, if it has one.
    fn engine(self) -> Option<Engine> {
        Engine::value_variants().iter().copied().find(|engine| engine.suite() == self)
    }

    /// # Errors
    /// Fails when the suite as a whole couldn't be run; that counts as one failure.
    fn run(self, repo: &Repo, tools: &Tools) -> Result<Count> {
        let cargo = || {
            let mut command = tools.command(cargo());
            command.current_dir(repo.root());
            command
        };
        match self {
            Self::Fmt => check(cargo().args(["fmt", "--all", "--check"])),
            Self::Clippy => check(
                cargo().args(["clippy", "--locked", "--workspace", "--all-targets"]).args(["--", "-D", "warnings"]),
            ),
            Self::ClippyWeb => {
                let mut clippy = cargo();
                clippy.args(["clippy", "--locked"]).args(WEB_PACKAGE).args(["--lib", "--bins"]);
                for test in browser_test_targets(repo.root())? {
                    clippy.args(["--test", &test]);
                }
                let mut clippy_bench = cargo();
                clippy_bench.args(["clippy", "--locked", "-p", "mqtt-crawl-hot-path", "--features", "wasm", "--bins"]);
                let count = check(clippy.args(["--", "-D", "warnings"]))?;
                Ok(count + check(clippy_bench.args(["--target", WASM_TARGET, "--", "-D", "warnings"]))?)
            }
            Self::Doc => {
                let mut doc = cargo();
                doc.args(["doc", "--locked", "--no-deps", "--quiet", "--workspace"]);
                let mut doc_web = cargo();
                doc_web.args(["doc", "--locked", "--no-deps", "--quiet", "--lib"]).args(WEB_PACKAGE);
                doc_web.args(["--document-private-items"]);
                let count = check(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
                Ok(count + check(doc_web.env("RUSTDOCFLAGS", "-D warnings"))?)
            }
            Self::Native => count_tests(cargo().args(["test", "--locked", "--no-fail-fast"]).args([
                "-p",
                "mqtt-crawl",
                "-p",
                "xtask",
            ])),
            Self::Slips => {
                count_tests(cargo().args(["test", "--locked", "--no-fail-fast", "-p", "mqtt-crawl", "--test", "slips"]))
            }
            Self::Browser => browser_tests(repo, cargo()),
            Self::Programs => {
                demo::build_programs(repo)?;
                count_tests(cargo().args(["test", "--locked", "--no-fail-fast", "--release"]).args(demo::PROGRAMS))
            }
            Self::Dist => dist::build(repo, tools).map(|()| Count::PASSED),
            Self::Size => size::check(repo).map(|()| Count::PASSED),
            Self::Delivery => {
                demo::build_programs(repo)?;
                let targets = end_to_end_targets(repo.root())?;
                let is_elsewhere = |target: &str| [BROWSERS, FIREHOSE, GUIDES].contains(&target);
                let targets = targets.iter().filter(|target| !is_elsewhere(target));
                let mut command = cargo();
                end_to_end(&mut command, repo, tools).arg("--lib").args(targets.flat_map(|target| ["--test", target]));
                count_tests(command.args(SHOW_OUTPUT))
            }
            Self::Chromium | Self::Firefox | Self::Webkit => bail!("suites of browser engines run as a group"),
            Self::Guides => {
                demo::build_programs(repo)?;
                // It uses features of the broker library that the station doesn't, so all of that is compiled again;
                // without optimising, this takes a quarter of the time.
                run_program(cargo().args(["build", "--locked", "-p", "mqtt-crawl-jwt-broker"]))?;
                count_tests(end_to_end(&mut cargo(), repo, tools).args(["--test", GUIDES]).args(SHOW_OUTPUT))
            }
        }
    }
}

/// Runs the end-to-end tests in these engines. The animation tests mostly wait for minutes: they run in all
/// engines at once, in parallel with the others, which run engine after engine. Tests that need the machine for
/// themselves come last.
fn in_engines(repo: &Repo, tools: &Tools, engines: &[Engine]) -> Result<Vec<Count>> {
    demo::build_programs(repo)?;
    let command = |engine: Engine, target| {
        let mut command = tools.command(cargo());
        command.current_dir(repo.root());
        end_to_end(&mut command, repo, tools).env(ENGINE, engine.name()).args(["--test", target]);
        command
    };
    // Otherwise each of them would wait for the first one to build it.
    run_program(command(Engine::Chromium, BROWSERS).args(["--test", FIREHOSE, "--no-run"]))?;
    let is_one_of_several = engines.len() > 1;
    let run_animation = |engine: Engine| -> Result<Count> {
        let mut command = command(engine, BROWSERS);
        command.args(SHOW_OUTPUT).args(["--test-threads", "1", ANIMATION]);
        let left_out = if is_one_of_several && engine != Engine::Chromium { &ANIMATION_IN_CHROMIUM[..] } else { &[] };
        command.args(left_out.iter().flat_map(|test| ["--skip", test]));
        let mut count = count_tests_of(&mut command, &format!("{} watched: ", engine.name()))?;
        let reason = format!("takes minutes: only with --engine {}", engine.name());
        count.skipped.extend(left_out.iter().map(|test| ((*test).to_owned(), reason.clone())));
        Ok(count)
    };
    let others = |engine: Engine| {
        let mut command = command(engine, BROWSERS);
        command.args(SHOW_OUTPUT).args(["--test-threads", &threads().to_string(), "--skip", ANIMATION]);
        match engine {
            Engine::Chromium => {}
            Engine::Firefox => {
                command.args(WITHOUT_BROWSER.iter().flat_map(|test| ["--skip", test]));
            }
            Engine::Webkit => {
                command.args(CORE);
            }
        }
        count_tests_of(&mut command, &format!("{}: ", engine.name()))
    };
    let counts = thread::scope(|scope| -> Result<Vec<Count>> {
        let animation: Vec<_> = engines.iter().map(|engine| scope.spawn(|| run_animation(*engine))).collect();
        let mut counts = Vec::new();
        for engine in engines {
            counts.push(others(*engine)?);
        }
        let animation = animation.into_iter().map(|running| running.join().unwrap_or_else(|_| Ok(Count::FAILED)));
        counts.into_iter().zip(animation).map(|(count, animation)| Ok(count + animation?)).collect()
    })?;
    let alone = engines.iter().map(|engine| count_tests(command(*engine, FIREHOSE).args(SHOW_OUTPUT)));
    counts.into_iter().zip(alone).map(|(count, alone)| Ok(count + alone?)).collect()
}

/// Returns the number of tests in parallel with the animation tests: a test in a browser mostly waits.
fn threads() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get() + 1)
}

/// The variable that passes the engine of a run to the end-to-end tests.
const ENGINE: &str = "MQTT_CRAWL_ENGINE";

/// The test target that needs a browser.
const BROWSERS: &str = "e2e";

/// The animation tests, which take minutes, by name prefix.
const ANIMATION: &str = "animation::";

/// Those that run in Chromium only, unless a single engine is requested: each takes minutes of half a processor.
const ANIMATION_IN_CHROMIUM: [&str; 3] = [
    "animation::every_row_is_painted_at_the_highest_speed",
    "animation::crawl_looks_the_same_after_two_minutes",
    "animation::crawl_looks_the_same_after_ten_minutes",
];

/// The test target that needs a browser, and the machine for itself.
const FIREHOSE: &str = "firehose";

/// The test target that runs the guides.
const GUIDES: &str = "guides";

/// Tests that pass print results as well, such as speed and smoothness.
const SHOW_OUTPUT: [&str; 2] = ["--", "--show-output"];

/// Runs tests of the end-to-end package, which get all paths as variables.
fn end_to_end<'a>(command: &'a mut Command, repo: &Repo, tools: &Tools) -> &'a mut Command {
    command
        .args(["test", "--locked", "--no-fail-fast", "-p", "mqtt-crawl-e2e"])
        .env("MQTT_CRAWL_STATION", repo.release_program("mqtt-crawl-station"))
        .env("MQTT_CRAWL_PRODUCER", repo.release_program("mqtt-crawl-producer"))
        .env("MQTT_CRAWL_JWT_BROKER", repo.target().join("debug").join("mqtt-crawl-jwt-broker"))
        .env("MQTT_CRAWL_DIST", repo.dist())
        .env("MQTT_CRAWL_AXE", tools.axe())
        .env("MQTT_CRAWL_WHEELS", tools.wheels())
        // The message of a failed wait is complete; a backtrace into the harness doesn't help.
        .env("RUST_LIB_BACKTRACE", "0")
}

/// Returns the test targets of the end-to-end package: a file or a folder each.
fn end_to_end_targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("tests").join("e2e").join("tests");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().context("a test without a name")?;
        targets.push(stem.to_string_lossy().into_owned());
    }
    targets.sort();
    Ok(targets)
}

/// Runs one check, which passes if the program does.
fn check(command: &mut Command) -> Result<Count> {
    println!("{}", as_typed(command));
    run_program(command).map(|()| Count::PASSED)
}

/// Runs tests that were compiled for the browser, in the browser.
fn browser_tests(repo: &Repo, mut command: Command) -> Result<Count> {
    let tests = browser_test_targets(repo.root())?;
    if tests.is_empty() {
        bail!("no file in tests/ uses wasm_bindgen_test");
    }
    let capabilities = repo.target().join("webdriver.json");
    fs::create_dir_all(repo.target())?;
    fs::write(&capabilities, CHROMIUM_CAPABILITIES)?;
    let chromedriver =
        which::which("chromedriver").context("chromedriver is missing (Debian's package chromium-driver)")?;

    command
        .args(["test", "--locked", "--no-fail-fast"])
        .args(WEB_PACKAGE)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner")
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .env("CHROMEDRIVER", chromedriver);
    for test in tests {
        command.args(["--test", &test]);
    }
    count_tests(&mut command)
}

/// Chromium can't be sandboxed when run by root, as in most containers; the other flags keep it quiet.
const CHROMIUM_CAPABILITIES: &str = r#"{"goog:chromeOptions":{"args":["--headless","--no-sandbox","--disable-dev-shm-usage","--disable-quic","--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync"]}}"#;

/// Returns the integration tests of the root package that are written for the browser. The others use features that a
/// browser lacks.
fn browser_test_targets(root: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(root.join("tests")).context("reading tests/")? {
        let path = entry?.path();
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        if is_rust && fs::read_to_string(&path)?.contains("wasm_bindgen_test") {
            let stem = path.file_stem().context("a test without a name")?;
            targets.push(stem.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// Runs a test program, passes its output on, and sums the results it prints.
fn count_tests(command: &mut Command) -> Result<Count> {
    count_tests_of(command, "")
}

/// The same for one of several programs that run at once: `label` begins each line of its output.
fn count_tests_of(command: &mut Command, label: &str) -> Result<Count> {
    println!("{}", as_typed(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("starting {}", as_typed(command)))?;
    let output = child.stdout.take().context("the output is not piped")?;
    let mut parser = OutputParser::new(label);
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{label}{line}");
        parser.read(&line);
    }
    let count = parser.count();
    let succeeded = child.wait()?.success();
    if count == Count::default() {
        bail!("no tests were run");
    }
    // It failed although all tests passed: something didn't compile, or crashed.
    if !succeeded && count.failed == 0 {
        return Ok(count + Count::FAILED);
    }
    Ok(count)
}

/// Reads the results that a test program prints.
///
/// The test runner doesn't support a test that finds out at run time that it can't be run. Such a test passes and
/// prints a notice (`tests/e2e/src/engine.rs`), which the runner shows below the test's name among the successes.
#[derive(Debug, Default)]
struct OutputParser<'a> {
    /// The prefix of each failed test's name.
    label: &'a str,
    count: Count,
    section: Section,
    /// The test whose output is shown.
    test: Option<String>,
}

/// A section of a test program's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Running,
    Successes,
    Failures,
}

/// The numbers of lines at the begin and at the end of a failed test's output that are repeated in the summary: what
/// failed, and why.
const FAILURE_LINES_MAX: (usize, usize) = (8, 12);

impl<'a> OutputParser<'a> {
    fn new(label: &'a str) -> Self {
        Self { label, ..Self::default() }
    }

    fn read(&mut self, line: &str) {
        match line {
            "successes:" => self.section = Section::Successes,
            "failures:" => {
                self.section = Section::Failures;
                // The second time, the names of all failed tests follow.
                self.test = None;
            }
            _ => {}
        }
        if let Some(test) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.test = Some(test.to_owned());
            if self.section == Section::Failures {
                self.count.failures.push((format!("{}{test}", self.label), String::new()));
            }
        } else if self.section == Section::Failures
            && self.test.is_some()
            && let Some((_, output)) = self.count.failures.last_mut()
        {
            output.push_str(line);
            output.push('\n');
        }
        if let Some(reason) = line.strip_prefix(SKIPPED)
            && self.section == Section::Successes
            // Once is enough.
            && let Some(test) = self.test.take()
        {
            self.count.skipped.push((test, reason.to_owned()));
        }
        if let Some(count) = test_result(line) {
            self.section = Section::Running;
            self.test = None;
            self.count = std::mem::take(&mut self.count) + count;
        }
    }

    fn count(self) -> Count {
        let mut count = self.count;
        // The runner counts them as passed.
        count.passed = count.passed.saturating_sub(count.skipped.len() as u64);
        count
    }
}

/// Returns the first and the last lines of a failed test's output.
fn without_the_middle(output: &str) -> String {
    let (first, last) = FAILURE_LINES_MAX;
    let lines: Vec<&str> = output.lines().collect();
    if lines.len() <= first + last {
        return lines.join("\n");
    }
    [&lines[..first], &["[…]"], &lines[lines.len() - last..]].concat().join("\n")
}

/// The marker that a test prints when it is skipped.
const SKIPPED: &str = "skipped here: ";

/// Parses `test result: ok. 12 passed; 0 failed; …`.
fn test_result(line: &str) -> Option<Count> {
    let (_, result) = line.split_once("test result: ")?;
    let number_before = |word: &str| {
        let words: Vec<&str> = result.split([' ', ';']).collect();
        let index = words.iter().position(|candidate| *candidate == word)?;
        words.get(index.checked_sub(1)?)?.parse().ok()
    };
    Some(Count { passed: number_before("passed")?, failed: number_before("failed")?, ..Count::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_cargo_and_from_wasm_bindgen() {
        let check = |line, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(passed, failed)| Count { passed, failed, ..Count::default() });
            assert_eq!(test_result(line), expected, "{line}");
        };
        check(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            Some((12, 0)),
        );
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out", Some((3, 2)));
        check("test result: nonsense", None);
        check("test codec::tests::connect ... ok", None);
    }

    #[test]
    fn a_long_output_keeps_its_begin_and_its_end() {
        let lines: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        assert_eq!(without_the_middle(&lines[..20].join("\n")), lines[..20].join("\n"));
        let shown = without_the_middle(&lines.join("\n"));
        assert!(shown.starts_with("0\n1\n") && shown.contains("7\n[…]\n18\n") && shown.ends_with("\n29"), "{shown}");
    }

    #[test]
    fn a_failure_anywhere_shows_in_the_sum() {
        let forty = Count { passed: 40, ..Count::default() };
        let all: Count = [Count::PASSED, Count::FAILED, forty].into_iter().sum();
        assert_eq!(all, Count { passed: 41, failed: 1, ..Count::default() });
    }

    #[test]
    fn a_test_that_could_not_run_is_skipped_and_not_passed() {
        let output = "
running 4 tests
test crawl::burst ... ok
test crawl::kiosk ... ok
test panels::lost ... ok
test sound::loud ... FAILED

successes:

---- crawl::burst stdout ----
newest line after 8.1 s

---- crawl::kiosk stdout ----
skipped here: no screen

---- panels::lost stdout ----
skipped here: no leave
skipped here: no leave


successes:
    crawl::burst
    crawl::kiosk
    panels::lost

failures:

---- sound::loud stdout ----
skipped here: it says so, and fails all the same

failures:
    sound::loud

test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
skipped here: nobody";
        let mut parser = OutputParser::new("webkit: ");
        output.lines().for_each(|line| parser.read(line));
        let count = parser.count();
        let skipped = [("crawl::kiosk", "no screen"), ("panels::lost", "no leave")];
        let skipped = skipped.map(|(test, reason)| (test.to_owned(), reason.to_owned())).to_vec();
        let failures =
            vec![("webkit: sound::loud".to_owned(), "skipped here: it says so, and fails all the same\n\n".to_owned())];
        assert_eq!(count, Count { passed: 1, failed: 1, skipped, failures });
    }
}
