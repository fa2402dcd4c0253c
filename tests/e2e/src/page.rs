//! The app as a person or a program sees it. Elements are found by the project's contract: accessible names,
//! `data-stat`, `data-seq`.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fantoccini::elements::{Element, ElementRef};
use fantoccini::wd::{TimeoutConfiguration, WindowHandle};
use mqtt_crawl::protocol::panels::{ToPage, ToPanels};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::engine::{Engine, Feature};
use crate::{CRAWL_TIMEOUT, WAIT_TIMEOUT, eventually, target};

/// Functions that every script may use.
const LIBRARY: &str = include_str!("page.js");

/// The time limit of a script in the page; the script is lost when the page is loaded again.
const WAIT_SLICE: Duration = Duration::from_secs(10);

/// The time limit of axe-core on a busy machine.
const AXE_TIMEOUT: Duration = Duration::from_secs(180);

/// A file that hasn't grown for this time is complete.
const SETTLED: Duration = Duration::from_secs(1);

/// Keys, as WebDriver encodes them. A modifier is held until it is repeated, or until the keys end.
const CONTROL: char = '\u{E009}';
const BACKSPACE: char = '\u{E003}';
/// Ctrl+Enter.
pub const CONTROL_ENTER: &str = "\u{E009}\u{E007}";
/// The arrow key.
pub const ARROW_DOWN: char = '\u{E015}';
/// The arrow key.
pub const ARROW_RIGHT: char = '\u{E014}';
/// End.
pub const END: char = '\u{E010}';
/// Enter.
pub const ENTER: char = '\u{E007}';
/// Tab.
pub const TAB: &str = "\u{E004}";
/// Escape.
pub const ESCAPE: &str = "\u{E00C}";

/// The key by which WebDriver marks an element among the values of a script.
const ELEMENT_KEY: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The app in a browser's tab.
pub struct Page {
    browser: Browser,
    name: String,
    expected_errors: Vec<String>,
}

/// A row of the console or a line of the crawl.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The message's arrival number.
    pub seq: u64,
    /// All of its text.
    pub text: String,
}

/// How smoothly the page ran during a measurement.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Smoothness {
    /// The number of animation frames.
    pub frames: u64,
    /// 99 of 100 intervals between frames were at most this, in milliseconds.
    pub p99_interval_ms: f64,
    /// The longest interval between frames, in milliseconds.
    pub longest_interval_ms: f64,
    /// Tasks of the page's thread that took 50 ms or more, in milliseconds.
    pub long_tasks_ms: Vec<f64>,
}

/// Runs a test in a fresh browser; on failure saves a screenshot and reports what the page showed.
///
/// # Errors
/// Fails with the test's error, or with errors in the browser's console that the test hadn't allowed.
pub async fn in_browser(name: &str, test: impl AsyncFnOnce(&mut Page) -> Result<()>) -> Result<()> {
    in_browser_with(&[], name, test).await
}

/// The same for a test that needs features that not every engine has; if one is missing, the test is skipped with a
/// notice.
///
/// # Errors
/// Fails with the test's error, or with errors in the browser's console that the test hadn't allowed.
pub async fn in_browser_with(
    needs: &[Feature],
    name: &str,
    test: impl AsyncFnOnce(&mut Page) -> Result<()>,
) -> Result<()> {
    in_engine(Engine::of_run()?, needs, name, test).await
}

/// The same in an engine that isn't the run's.
///
/// # Errors
/// Fails with the test's error, or with errors in the browser's console that the test hadn't allowed.
pub async fn in_engine(
    engine: Engine,
    needs: &[Feature],
    name: &str,
    test: impl AsyncFnOnce(&mut Page) -> Result<()>,
) -> Result<()> {
    if engine.skips(needs) {
        return Ok(());
    }
    let browser = Browser::start(engine, needs).await?;
    let mut page = Page { browser, name: name.to_owned(), expected_errors: Vec::new() };
    let mut result = test(&mut page).await;
    if result.is_ok() {
        result = page.check_errors().await;
    }
    if let Err(error) = result {
        print_immediately(&format!("{name} failed: {error:#}"));
        let seen = page.describe().await;
        return Err(error.context(format!("test {name}; {seen}")));
    }
    page.browser.close().await
}

/// Prints it now, bypassing the test runner, which keeps the output of tests until all of them are over: a person who
/// sees only a part of a long run should see why something failed.
fn print_immediately(text: &str) {
    // If the output is closed, the message is dropped.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

impl Page {
    /// Loads an address in this tab, from scratch.
    pub async fn open(&self, url: &str) -> Result<()> {
        // Otherwise a new fragment of the same document would load nothing.
        self.browser.goto("about:blank").await?;
        self.browser.goto(url).await?;
        self.wait_for("the app to be there", "stat('state') !== undefined && button('Connect')", WAIT_TIMEOUT).await
    }

    /// Returns the tab that all other methods use.
    pub async fn tab(&self) -> Result<WindowHandle> {
        Ok(self.browser.client().window().await?)
    }

    /// Opens an empty tab in front, and uses it from now on.
    pub async fn open_tab(&self) -> Result<WindowHandle> {
        // WebKit's driver leaves a new tab behind the old one.
        let as_tab = self.browser.engine() != Engine::WebKit;
        let handle = self.browser.client().new_window(as_tab).await?.handle;
        self.go_to(&handle).await?;
        Ok(handle)
    }

    /// Uses this tab from now on, and brings it to the front.
    pub async fn go_to(&self, tab: &WindowHandle) -> Result<()> {
        self.browser.client().switch_to_window(tab.clone()).await?;
        self.browser.bring_to_front().await
    }

    /// Sets the size of the page, in CSS pixels, and the number of device pixels for each.
    pub async fn resize(&self, (width, height): (u32, u32), ratio: f64) -> Result<()> {
        self.browser.resize((width, height), ratio).await?;
        let resized = format!("innerWidth === {width} && innerHeight === {height}");
        self.wait_for("the size", &resized, WAIT_TIMEOUT).await
    }

    /// From the next page on, its newest worker can be [made to fail](Self::fail_worker).
    pub async fn keep_workers(&self) -> Result<()> {
        let keep = "window.Worker = class extends Worker { constructor(...args) { super(...args); window.__worker = this; } };";
        self.browser.add_init_script(keep).await
    }

    /// Reports to the page that its worker has failed.
    pub async fn fail_worker(&self, message: &str) -> Result<()> {
        let message = json!(message);
        self.run(&format!("window.__worker.dispatchEvent(new ErrorEvent('error', {{ message: {message} }}));")).await
    }

    /// Hides the page, as by minimising the window.
    pub async fn hide(&self) -> Result<()> {
        self.browser.client().minimize_window().await?;
        self.wait_for("the page to be hidden", "document.hidden", WAIT_TIMEOUT).await
    }

    /// Shows the page again.
    pub async fn show(&self) -> Result<()> {
        self.browser.client().maximize_window().await?;
        self.wait_for("the page to be visible", "!document.hidden", WAIT_TIMEOUT).await
    }

    /// Presses a key while nothing has the focus, for the crawl's own keys.
    pub async fn press_crawl_key(&self, key: &str) -> Result<()> {
        self.run(&format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: {}, bubbles: true, cancelable: true }}));",
            json!(key)
        ))
        .await
    }

    /// Waits until two frames have begun; the first of them shows everything up to now.
    pub async fn wait_for_frame(&self) -> Result<()> {
        let frames =
            "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))";
        self.evaluate::<bool>(frames).await.map(drop)
    }

    /// Returns its browser.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Allows console errors with this text; all others fail the test.
    pub fn expect_errors(&mut self, text: &str) {
        self.expected_errors.push(text.to_owned());
    }

    async fn check_errors(&self) -> Result<()> {
        let unexpected: Vec<String> = self
            .browser
            .errors()
            .await?
            .into_iter()
            .filter(|error| !self.expected_errors.iter().any(|text| error.contains(text.as_str())))
            .collect();
        ensure!(unexpected.is_empty(), "the browser's console has errors: {unexpected:#?}");
        Ok(())
    }

    async fn describe(&self) -> String {
        let picture = self.screenshot(&format!("failed-{}", self.name)).await;
        let text = self.evaluate::<String>("document.body.innerText.slice(0, 3000)").await.unwrap_or_default();
        let stats = self
            .evaluate::<Value>(
                "Object.fromEntries([...document.querySelectorAll('[data-stat]')]\
                 .map((element) => [element.dataset.stat, element.dataset.value]))",
            )
            .await
            .unwrap_or_default();
        let errors = self.browser.errors().await.unwrap_or_default();
        format!("picture: {picture:?}\nnumbers: {stats}\nerrors: {errors:#?}\npage:\n{text}\n")
    }

    /// Saves a screenshot to `target/screenshots/`.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, self.browser.client().screenshot().await?)?;
        Ok(file)
    }

    /// Returns the value of a JavaScript expression, which may use the functions of `page.js`.
    pub async fn evaluate<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let script = format!("{LIBRARY}\nreturn ({expression});");
        let value = self.browser.evaluate(&script).await.with_context(|| format!("evaluating {expression}"))?;
        serde_json::from_value(value.clone()).with_context(|| format!("{expression} is {value}"))
    }

    /// Sends a message to the page, as its panels would.
    pub async fn send_to_page(&self, message: &ToPage) -> Result<()> {
        self.dispatch("mqtt-crawl:page", &postcard::to_allocvec(message)?).await
    }

    /// Sends a message to the panels, as their page would.
    pub async fn send_to_panels(&self, message: &ToPanels) -> Result<()> {
        self.dispatch("mqtt-crawl:panels", &postcard::to_allocvec(message)?).await
    }

    async fn dispatch(&self, event: &str, message: &[u8]) -> Result<()> {
        let bytes = serde_json::to_string(message)?;
        self.run(&format!("dispatchEvent(new CustomEvent('{event}', {{ detail: [new Uint8Array({bytes})] }}));")).await
    }

    /// Runs JavaScript statements.
    pub async fn run(&self, statements: &str) -> Result<()> {
        let script = format!("{LIBRARY}\n{statements}");
        self.browser.run(&script).await
    }

    /// Waits until a JavaScript expression is true. It is checked whenever the document changes, and periodically,
    /// because animations and media queries change without a mutation.
    ///
    /// # Errors
    /// Fails after `limit`; the error names `what`.
    pub async fn wait_for(&self, what: &str, expression: &str, limit: Duration) -> Result<()> {
        let script = format!(
            "{LIBRARY}
            const [limit, done] = arguments;
            const isTrue = () => {expression};
            let observer, timeout, interval;
            const finish = (answer) => {{ observer.disconnect(); clearTimeout(timeout); clearInterval(interval); done(answer); }};
            const check = () => {{
                try {{ if (isTrue()) finish('met'); }} catch (error) {{ finish(String(error)); }}
            }};
            observer = new MutationObserver(check);
            observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            timeout = setTimeout(() => finish('timeout'), limit);
            interval = setInterval(check, 100);
            check();"
        );
        let begun = Instant::now();
        let answer = loop {
            let slice = limit.saturating_sub(begun.elapsed()).min(WAIT_SLICE);
            let waited = self.browser.client().execute_async(&script, vec![json!(slice.as_millis())]).await;
            let has_time = begun.elapsed() < limit;
            match waited {
                Ok(answer) if has_time && answer == "timeout" => {}
                Ok(answer) => break answer,
                // The page was reloaded, and the condition may be true now. Drivers don't always notice a reload.
                Err(error)
                    if has_time && ["unload", "script timeout"].iter().any(|why| error.to_string().contains(why)) => {}
                Err(error) => return Err(error).with_context(|| format!("waiting for {what}")),
            }
        };
        match answer.as_str() {
            Some("met") => Ok(()),
            Some("timeout") => bail!("timed out after {} s waiting for {what}", limit.as_secs()),
            _ => bail!("waiting for {what}: {answer}"),
        }
    }

    /// Returns a number of the contract.
    pub async fn stat(&self, name: &str) -> Result<u64> {
        let value: String = self.evaluate(&format!("stat({})", json!(name))).await?;
        value.parse().with_context(|| format!("{name} is {value}, not an integer"))
    }

    /// Waits until a number of the contract has exactly this value.
    pub async fn wait_for_stat(&self, name: &str, value: u64, limit: Duration) -> Result<()> {
        let expression = format!("stat({}) === '{value}'", json!(name));
        let waited = self.wait_for(&format!("{name} to be {value}"), &expression, limit).await;
        if waited.is_err() {
            return waited.context(format!("{name} is {}", self.stat(name).await?));
        }
        waited
    }

    /// Returns the connection's state.
    pub async fn state(&self) -> Result<String> {
        self.evaluate("stat('state')").await
    }

    /// Waits for a state of the connection; `connected` includes the broker's answers to the subscriptions, because
    /// what is published before them needn't arrive.
    pub async fn wait_for_state(&self, state: &str) -> Result<()> {
        let expression = format!("stat('state') === {}", json!(state));
        self.wait_for(&format!("the state {state}"), &expression, WAIT_TIMEOUT).await?;
        if state == "connected" {
            let answered = "document.querySelector('.subscriptions .asked') === null";
            self.wait_for("the answers to the subscriptions", answered, WAIT_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Returns the page's notices: statuses, alerts, errors of fields, and prose that has appeared since a button was
    /// last pressed.
    pub async fn notices(&self) -> Result<String> {
        self.evaluate("notices()").await
    }

    /// Waits until the page's notices ([`Page::notices`]) match a regular expression (JavaScript's, case is ignored).
    pub async fn wait_for_notice(&self, pattern: &str) -> Result<()> {
        let expression = format!("new RegExp({}, 'i').test(notices())", json!(pattern));
        self.wait_for(&format!("a notice that matches {pattern}"), &expression, WAIT_TIMEOUT).await
    }

    /// Waits for text anywhere on the page.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        self.wait_for(&format!("{text:?} on the page"), &expression, WAIT_TIMEOUT).await
    }

    /// Returns the console's rows on screen.
    pub async fn rows(&self) -> Result<Vec<Entry>> {
        self.evaluate("rows()").await
    }

    /// Returns the lines on the crawl's plane.
    pub async fn lines(&self) -> Result<Vec<Entry>> {
        self.evaluate("lines()").await
    }

    /// Waits for a row of the console with this text, as a person reads it.
    pub async fn wait_for_row(&self, text: &str) -> Result<()> {
        let expression = format!("rows().some((row) => row.text.includes({}))", json!(text));
        self.wait_for(&format!("{text:?} in the console"), &expression, WAIT_TIMEOUT).await
    }

    /// Waits for this text on the crawl's plane, where a line may be broken into rows and set in capitals.
    pub async fn wait_for_line(&self, text: &str) -> Result<()> {
        let expression = format!(
            "(() => {{ const bare = (text) => text.replace(/\\s+/g, '').toLowerCase();
            return bare(lines().map((line) => line.text).join('')).includes(bare({})); }})()",
            json!(text)
        );
        self.wait_for(&format!("{text:?} in the crawl"), &expression, CRAWL_TIMEOUT).await
    }

    /// Replaces the text of the field with this accessible name.
    pub async fn fill(&self, name: &str, text: &str) -> Result<()> {
        let field = self.element(&format!("field({})", json!(name))).await?;
        // Uses keys like a person, because WebDriver's own clearing doesn't notify the page.
        let keys = format!("{CONTROL}a{CONTROL}{BACKSPACE}{text}");
        field.send_keys(&keys).await.with_context(|| format!("writing into {name}"))
    }

    /// Returns the text in a field.
    pub async fn value(&self, name: &str) -> Result<String> {
        self.evaluate(&format!("field({}).value", json!(name))).await
    }

    /// Chooses a value in a list with this accessible name.
    pub async fn choose(&self, name: &str, value: &str) -> Result<()> {
        let field = self.element(&format!("field({})", json!(name))).await?;
        field.select_by_value(value).await.with_context(|| format!("choosing {value} in {name}"))
    }

    /// Clicks the box with this accessible name.
    pub async fn tick(&self, name: &str) -> Result<()> {
        let field = self.element(&format!("field({})", json!(name))).await?;
        field.click().await.with_context(|| format!("ticking {name}"))
    }

    /// Presses keys in the focused element, as WebDriver encodes them.
    pub async fn press_keys(&self, keys: &str) -> Result<()> {
        let focused = self.element("document.activeElement").await?;
        focused.send_keys(keys).await.with_context(|| format!("pressing {keys:?}"))
    }

    /// Presses the button with this accessible name, as soon as a person could: it exists, is enabled, and doesn't move
    /// any more (a click goes to where it was).
    pub async fn press(&self, name: &str) -> Result<()> {
        let expression = format!("button({})", json!(name));
        let button = self.element(&expression).await?;
        self.wait_for(&format!("{name} to stand still, enabled"), &format!("canBePressed({expression})"), WAIT_TIMEOUT)
            .await?;
        self.run("notePresentText();").await?;
        button.click().await.with_context(|| format!("pressing {name}"))
    }

    /// Saves all messages as NDJSON, and returns the file.
    pub async fn export(&self) -> Result<String> {
        // WebDriver can't use the browser's own dialog.
        self.run("window.showSaveFilePicker = undefined;").await?;
        self.press("Export").await?;
        self.press("Save as NDJSON").await?;
        self.downloaded().await
    }

    /// Returns the element of an expression, as soon as there is one.
    pub async fn element(&self, expression: &str) -> Result<Element> {
        self.wait_for(&format!("{expression} on the page"), &format!("Boolean({expression})"), WAIT_TIMEOUT).await?;
        let script = format!("{LIBRARY}\nreturn ({expression});");
        let value = self.browser.client().execute(&script, Vec::new()).await?;
        let reference = value[ELEMENT_KEY].as_str().with_context(|| format!("there is no {expression} on the page"))?;
        let reference = ElementRef::from(reference.to_owned());
        Ok(Element::from_element_id(self.browser.client().clone(), reference))
    }

    /// Clicks the element of an expression, as soon as there is one.
    pub async fn click(&self, expression: &str) -> Result<()> {
        self.element(expression).await?.click().await.with_context(|| format!("clicking {expression}"))
    }

    /// Returns an expression for the row of a topic in the tree of topics.
    pub fn topic(topic: &str) -> String {
        format!(
            "[...document.querySelectorAll('[role=treeitem]')].find((row) => row.dataset.topic === {})",
            json!(topic)
        )
    }

    /// Returns the role and the name that the browser gives to assistive technology.
    pub async fn role_and_name(&self, element: &Element) -> Result<(String, String)> {
        let property = async |property| -> Result<String> {
            let value = self.browser.element_property(&element.element_id(), property).await?;
            Ok(value.as_str().unwrap_or_default().to_owned())
        };
        Ok((property("computedrole").await?, property("computedlabel").await?))
    }

    /// Returns the accessibility rules that the screen violates, by axe-core: each with the elements.
    ///
    /// # Errors
    /// Fails when axe-core isn't there.
    pub async fn violations(&self) -> Result<Vec<String>> {
        if !self.evaluate::<bool>("'axe' in window").await? {
            let script =
                std::env::var_os("MQTT_CRAWL_AXE").context("MQTT_CRAWL_AXE is not set: the path of axe.min.js")?;
            let script = std::fs::read_to_string(&script)
                .with_context(|| format!("axe-core is not at {}; `cargo xtask setup` installs it", script.display()))?;
            self.run(&script).await?;
        }
        let timeouts = TimeoutConfiguration::new(Some(AXE_TIMEOUT), None, None);
        self.browser.client().update_timeouts(timeouts).await?;
        self.evaluate(
            // In a transition, colours and opacity would be measured half way. One may begin during the check: what floats
            // on the crawl fades out when the pointer rests.
            "(async () => {
                const still = new CSSStyleSheet();
                still.replaceSync('*, ::before, ::after { transition: none !important; }');
                document.adoptedStyleSheets = [...document.adoptedStyleSheets, still];
                try {
                    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
                    return violations.map(({ id, help, nodes }) =>
                        [`${id}: ${help}`, ...nodes.map(({ html }) => html.slice(0, 240))].join('\\n    '));
                } finally {
                    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== still);
                }
            })()",
        )
        .await
    }

    /// Waits for a complete download and returns its content.
    pub async fn downloaded(&self) -> Result<String> {
        let folder = self.browser.downloads();
        // WebKit uses the file's final name from the first byte on.
        let settles = if self.browser.engine() == Engine::WebKit { SETTLED } else { Duration::ZERO };
        let seen = Cell::new((0, Instant::now()));
        eventually("a download", async || {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                // Chromium has a hidden name for an incomplete file, then one with its own suffix; other browsers have
                // other names.
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.')
                    || [".crdownload", ".part", ".wkdownload"].iter().any(|end| name.ends_with(end))
                {
                    continue;
                }
                let length = entry.metadata()?.len();
                if seen.get().0 != length {
                    seen.set((length, Instant::now()));
                }
                if seen.get().1.elapsed() < settles {
                    continue;
                }
                let content = std::fs::read_to_string(entry.path())?;
                return Ok((!content.is_empty()).then_some(content));
            }
            Ok(None)
        })
        .await
    }

    /// Starts to measure frames and long tasks.
    pub async fn begin_measuring(&self) -> Result<()> {
        self.run(
            "const seen = window.__seen = { intervals: [], longTasks: [], on: true };
            new PerformanceObserver((list) => {
                if (seen.on) seen.longTasks.push(...list.getEntries().map((entry) => entry.duration));
            }).observe({ entryTypes: ['longtask'] });
            let last;
            const frame = (now) => {
                if (last !== undefined) seen.intervals.push(now - last);
                last = now;
                if (seen.on) requestAnimationFrame(frame);
            };
            requestAnimationFrame(frame);",
        )
        .await
    }

    /// Ends measuring.
    pub async fn end_measuring(&self) -> Result<Smoothness> {
        self.evaluate(
            "(() => {
                const seen = window.__seen;
                seen.on = false;
                const intervals = seen.intervals.toSorted((a, b) => a - b);
                return {
                    frames: intervals.length,
                    p99IntervalMs: intervals[Math.floor(intervals.length * 0.99)] ?? 0,
                    longestIntervalMs: intervals.at(-1) ?? 0,
                    longTasksMs: seen.longTasks,
                };
            })()",
        )
        .await
    }

    /// Checks that every message is accounted for: received = kept + evicted + cleared.
    pub async fn check_accounts(&self) -> Result<()> {
        // Read in one script, so that no message can arrive in between.
        let numbers: Vec<String> =
            self.evaluate("['received', 'kept', 'evicted', 'cleared'].map((name) => stat(name) ?? '0')").await?;
        let numbers: Vec<u64> = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
        let [received, kept, evicted, cleared] = numbers[..] else {
            bail!("four numbers, not {numbers:?}");
        };
        ensure!(
            received == kept + evicted + cleared,
            "received {received} is not kept {kept} + evicted {evicted} + cleared {cleared}"
        );
        Ok(())
    }
}

/// Compares, and names what was compared if it differs.
#[expect(clippy::needless_pass_by_value, reason = "it reads like assert_eq! where it is called")]
pub fn check_equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<()> {
    ensure!(found == expected, "{what} is {found:?}, not {expected:?}");
    Ok(())
}
