//! Firefox, through geckodriver, with WebDriver BiDi and preferences in addition.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use fantoccini::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::guardian::Guarded;
use super::{Control, Doing, connect, driver_command, post};
use crate::bidi::BiDi;
use crate::process::{Process, find_program, free_port};

/// Ends Firefox and its driver.
pub(super) struct Firefox {
    bidi: BiDi,
    /// Errors of pages that were left.
    errors: Mutex<Vec<String>>,
    downloads: TempDir,
    process: Option<Pid>,
    _driver: Process,
    _guarded: Guarded,
}

impl Drop for Firefox {
    /// geckodriver leaves its browser running when it is killed, so Firefox is ended first.
    fn drop(&mut self) {
        let Some(process) = self.process else { return };
        // It fails only if the browser has ended already.
        let _ = kill(process, Signal::SIGKILL);
    }
}

pub(super) async fn start(draws_all: bool) -> Result<(Client, Firefox)> {
    let firefox = find_program("firefox-esr", "firefox-esr").or_else(|_| find_program("firefox", "firefox-esr"))?;
    let downloads = tempfile::tempdir()?;
    let mut command = driver_command("geckodriver", "none: it is built from crates.io")?;
    command.arg(format!("--port={}", free_port()?)).arg(format!("--websocket-port={}", free_port()?));
    // Preferences belong to the whole browser.
    command.arg("--allow-system-access");
    let (driver, port) = Process::start(&mut command, driver_port).await?;
    let client = connect(port, capabilities(&firefox, downloads.path(), draws_all)).await?;
    let session = client.capabilities().context("the driver reports no capabilities")?;
    let process = session.get("moz:processID").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
    let address = session.get("webSocketUrl").and_then(Value::as_str).context("no WebDriver BiDi")?;
    let bidi = BiDi::connect(address).await?;
    let process = process.map(Pid::from_raw);
    let processes: Vec<Pid> = process.into_iter().chain([driver.pid()?]).collect();
    let profile = session.get("moz:profile").and_then(Value::as_str).context("no profile")?;
    let guarded = Guarded::new(&processes, &[downloads.path(), Path::new(profile)]);
    let errors = Mutex::default();
    Ok((client, Firefox { bidi, errors, downloads, process, _driver: driver, _guarded: guarded }))
}

impl Firefox {
    /// Returns BiDi's name of the tab that commands apply to, which is the same as WebDriver's.
    async fn context(client: &Client) -> Result<String> {
        let window = client.window().await?;
        Ok(String::from(window))
    }

    /// Sets a preference, which takes effect at once.
    async fn set(client: &Client, name: &str, value: i32) -> Result<()> {
        Self::run_in_browser(client, "sync", "Services.prefs.setIntPref(...arguments);", json!([name, value])).await
    }

    /// Runs a script in the browser's own program instead of in a page.
    async fn run_in_browser(client: &Client, kind: &str, script: &str, arguments: Value) -> Result<()> {
        post(client, "moz/context", &json!({"context": "chrome"})).await?;
        let ran = post(client, &format!("execute/{kind}"), &json!({"script": script, "args": arguments})).await;
        post(client, "moz/context", &json!({"context": "content"})).await?;
        ran.map(drop)
    }
}

impl Control for Firefox {
    fn clear<'a>(&'a self, client: &'a Client) -> Option<Doing<'a>> {
        Some(Box::pin(Self::run_in_browser(client, "async", CLEAR, json!([]))))
    }

    fn goto<'a>(&'a self, client: &'a Client, url: &'a str) -> Doing<'a> {
        Box::pin(async move {
            let before = self.bidi.errors().await?;
            client.goto(url).await?;
            // Those of the previous page, if nothing follows it; otherwise of both.
            let meanwhile = self.bidi.errors().await?;
            let meanwhile = meanwhile.into_iter().filter(|error| url != BLANK || !is_of_leaving(error));
            self.errors.lock().unwrap_or_else(PoisonError::into_inner).extend(before.into_iter().chain(meanwhile));
            Ok(())
        })
    }

    fn run<'a>(&'a self, client: &'a Client, statements: &'a str) -> Doing<'a> {
        Box::pin(async move {
            // WebDriver's scripts have globals of their own here: a function of theirs isn't one of the page's.
            let target = json!({"context": Self::context(client).await?});
            let params = json!({"expression": format!("(() => {{ {statements}\n}})()"), "target": target, "awaitPromise": false});
            let ran = self.bidi.ask("script.evaluate", params).await?;
            ensure!(ran["type"] == "success", "{}", ran["exceptionDetails"]["text"]);
            Ok(())
        })
    }

    fn resize<'a>(&'a self, client: &'a Client, (width, height): (u32, u32), ratio: f64) -> Doing<'a> {
        Box::pin(async move {
            let context = Self::context(client).await?;
            let viewport = json!({"width": width, "height": height});
            let params = json!({"context": context, "viewport": viewport, "devicePixelRatio": ratio});
            self.bidi.ask("browsingContext.setViewport", params).await.map(drop)
        })
    }

    fn bring_to_front<'a>(&'a self, client: &'a Client) -> Doing<'a> {
        Box::pin(async move {
            let context = Self::context(client).await?;
            self.bidi.ask("browsingContext.activate", json!({"context": context})).await.map(drop)
        })
    }

    fn downloads(&self) -> &Path {
        self.downloads.path()
    }

    fn errors<'a>(&'a self, _: &'a Client) -> Doing<'a, Vec<String>> {
        Box::pin(async {
            let mut errors = std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner));
            errors.extend(self.bidi.errors().await?);
            Ok(errors.into_iter().map(named).collect())
        })
    }

    fn reduce_motion<'a>(&'a self, client: &'a Client) -> Doing<'a> {
        Box::pin(Self::set(client, "ui.prefersReducedMotion", 1))
    }

    fn prefer_light<'a>(&'a self, client: &'a Client, is_light: bool) -> Doing<'a> {
        Box::pin(Self::set(client, "layout.css.prefers-color-scheme.content-override", i32::from(is_light)))
    }

    fn set_offline<'a>(&'a self, client: &'a Client, is_offline: bool) -> Doing<'a> {
        Box::pin(async move {
            let conditions = if is_offline { json!({"type": "offline"}) } else { Value::Null };
            let params = json!({"networkConditions": conditions, "contexts": [Self::context(client).await?]});
            self.bidi.ask("emulation.setNetworkConditions", params).await.map(drop)
        })
    }

    fn add_init_script<'a>(&'a self, _: &'a Client, source: &'a str) -> Doing<'a> {
        let function = json!({"functionDeclaration": format!("() => {{ {source} }}")});
        Box::pin(async move { self.bidi.ask("script.addPreloadScript", function).await.map(drop) })
    }

    fn block_file<'a>(&'a self, _: &'a Client, name: &'a str) -> Doing<'a> {
        Box::pin(self.bidi.block(name))
    }
}

/// Removes everything that pages have stored, caches included.
const CLEAR: &str = "
    const [done] = arguments;
    Services.clearData.deleteData(Ci.nsIClearDataService.CLEAR_ALL, { onDataDeleted: () => done() });";

/// The empty page that tests load between two others.
const BLANK: &str = "about:blank";

/// Whether the error belongs to leaving a page: such a page fetches nothing more, which Firefox calls an error.
fn is_of_leaving(error: &str) -> bool {
    let is_font = error.starts_with("downloadable font: download failed");
    let is_fetched = error.contains("A ServiceWorker intercepted the request");
    is_font || is_fetched || error.contains("error loading dynamically imported module")
}

/// Returns an error under Chromium's name for it, by which tests expect it.
fn named(error: String) -> String {
    let is_of_socket = error.contains("ws://") || error.contains("wss://");
    if is_of_socket { format!("WebSocket connection to a broker: {error}") } else { error }
}

fn capabilities(firefox: &Path, downloads: &Path, draws_all: bool) -> Value {
    json!({
        "webSocketUrl": true,
        "moz:firefoxOptions": {
            "binary": firefox.to_string_lossy(),
            "args": ["-headless"],
            "prefs": {
                "browser.download.folderList": 2,
                "browser.download.dir": downloads.to_string_lossy(),
                "layout.frame_rate": if draws_all { 60 } else { 30 },
            },
        },
    })
}

/// Parses `… INFO Listening on 127.0.0.1:21002`.
fn driver_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("Listening on 127.0.0.1:")?;
    port.trim().parse().ok()
}
