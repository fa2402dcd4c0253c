//! Headless Chromium with a fresh profile, through chromedriver.

use std::path::Path;

use anyhow::{Context, Result};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use url::{ParseError, Url};

use crate::process::{Process, find_program, free_port};
use crate::site::SECURE_HOST;

/// The size of the page in CSS pixels: that of the reference pictures.
const PAGE_SIZE_PX: (u32, u32) = (1280, 720);

/// How long a script in the page may wait, in milliseconds. Each wait has a shorter limit of its
/// own, whose message is better.
const SCRIPT_TIMEOUT_MS: u64 = 180_000;

/// A browser with one tab. It ends with this value.
pub struct Browser {
    client: Client,
    downloads: TempDir,
    profile: TempDir,
    _driver: Process,
}

impl Drop for Browser {
    /// chromedriver leaves its browser behind when it is killed, so Chromium goes first.
    fn drop(&mut self) {
        let Some(process) = chromium_process(self.profile.path()) else { return };
        // It fails only if the browser has ended already.
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Chromium notes its host and process in its profile: `host-1234`.
fn chromium_process(profile: &Path) -> Option<Pid> {
    let lock = std::fs::read_link(profile.join("SingletonLock")).ok()?;
    let (_, process) = lock.to_str()?.rsplit_once('-')?;
    process.parse().ok().map(Pid::from_raw)
}

impl Browser {
    /// Starts a browser that has never been used.
    pub async fn start() -> Result<Self> {
        let mut command = Command::new(find_program("chromedriver", "chromium-driver")?);
        // With 0 it takes any port that is free on IPv4, and gives up if that is taken on IPv6.
        command.arg(format!("--port={}", free_port()?));
        let (driver, port) = Process::start(&mut command, driver_port).await?;
        let profile = tempfile::tempdir()?;
        let downloads = tempfile::tempdir()?;
        // chromedriver is on this machine: no TLS.
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(profile.path())?)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("starting Chromium")?;
        let browser = Self { client, downloads, profile, _driver: driver };
        let folder = browser.downloads.path().to_string_lossy().into_owned();
        browser.devtools("Browser.setDownloadBehavior", &json!({"behavior": "allow", "downloadPath": folder})).await?;
        let (width, height) = PAGE_SIZE_PX;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &size).await?;
        Ok(browser)
    }

    /// Ends the browser in its own way, which tidies up behind it.
    pub async fn close(self) -> Result<()> {
        self.client.clone().close().await.context("closing Chromium")
    }

    /// The WebDriver session.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The folder that downloads arrive in.
    pub fn downloads(&self) -> &Path {
        self.downloads.path()
    }

    /// The folder of its profile.
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters})).await
    }

    /// What the browser's console holds since the last call and that a developer would call an
    /// error: failed loads, uncaught exceptions, `console.error`.
    pub async fn errors(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", &json!({"type": "browser"})).await?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .filter_map(|entry| entry["message"].as_str().map(str::to_owned))
            .collect())
    }

    /// A property of an element that WebDriver's second level knows, such as `computedrole`.
    pub async fn element_property(&self, element: &str, property: &str) -> Result<Value> {
        self.ask(format!("element/{element}/{property}"), None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(path.to_owned(), Some(body.to_string())).await
    }

    async fn ask(&self, path: String, body: Option<String>) -> Result<Value> {
        let words = format!("asking chromedriver for {path}");
        self.client.issue_cmd(DriverCommand { path, body }).await.context(words)
    }
}

/// A command that the client library doesn't know, most of them chromedriver's own.
#[derive(Debug)]
struct DriverCommand {
    /// Below the session.
    path: String,
    /// With one it is a POST.
    body: Option<String>,
}

impl WebDriverCompatibleCommand for DriverCommand {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        let session = session_id.unwrap_or_default();
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        (method, self.body.clone())
    }
}

fn capabilities(profile: &Path) -> Result<Capabilities> {
    let capabilities = json!({
        "timeouts": {"script": SCRIPT_TIMEOUT_MS},
        "goog:loggingPrefs": {"browser": "ALL"},
        // chromedriver turns off what every visitor's browser does.
        "goog:chromeOptions": {"excludeSwitches": ["disable-background-timer-throttling"], "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            // For the https page; see `site`.
            "--ignore-certificate-errors",
            format!("--host-resolver-rules=MAP {SECURE_HOST} 127.0.0.1"),
            format!("--user-data-dir={}", profile.display()),
        ]},
    });
    match capabilities {
        Value::Object(capabilities) => Ok(capabilities),
        _ => anyhow::bail!("capabilities are an object"),
    }
}

/// Reads `ChromeDriver was started successfully on port 38205.`
fn driver_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
