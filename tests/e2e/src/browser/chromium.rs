//! Chromium, through chromedriver and its own protocol.

use std::path::Path;

use anyhow::{Result, ensure};
use fantoccini::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::guardian::Guarded;
use super::{Control, Doing, connect, driver_command, post};
use crate::process::{Process, free_port};

/// Ends Chromium and its driver.
pub(super) struct Chromium {
    downloads: TempDir,
    profile: TempDir,
    _driver: Process,
    _guarded: Guarded,
}

impl Drop for Chromium {
    /// chromedriver leaves its browser running when it is killed, so Chromium is ended first.
    fn drop(&mut self) {
        let Some(process) = process(self.profile.path()) else { return };
        // It fails only if the browser has ended already.
        let _ = kill(process, Signal::SIGKILL);
    }
}

/// Chromium writes its host and process id in its profile: `host-1234`.
fn process(profile: &Path) -> Option<Pid> {
    let lock = std::fs::read_link(profile.join("SingletonLock")).ok()?;
    let (_, process) = lock.to_str()?.rsplit_once('-')?;
    process.parse().ok().map(Pid::from_raw)
}

pub(super) async fn start() -> Result<(Client, Chromium)> {
    let mut command = driver_command("chromedriver", "chromium-driver")?;
    // With 0 it picks any port that is free on IPv4, and gives up if that is taken on IPv6.
    command.arg(format!("--port={}", free_port()?));
    let (driver, port) = Process::start(&mut command, driver_port).await?;
    let (downloads, profile) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let client = connect(port, capabilities(profile.path())).await?;
    download_to(downloads.path(), &client).await?;
    let processes: Vec<Pid> = process(profile.path()).into_iter().chain([driver.pid()?]).collect();
    let guarded = Guarded::new(&processes, &[downloads.path(), profile.path()]);
    Ok((client, Chromium { downloads, profile, _driver: driver, _guarded: guarded }))
}

async fn ask(client: &Client, command: &str, parameters: &Value) -> Result<Value> {
    post(client, "goog/cdp/execute", &json!({"cmd": command, "params": parameters})).await
}

async fn download_to(folder: &Path, client: &Client) -> Result<()> {
    let folder = folder.to_string_lossy();
    ask(client, "Browser.setDownloadBehavior", &json!({"behavior": "allow", "downloadPath": folder})).await.map(drop)
}

/// Sends a command without a result.
fn send<'a>(client: &'a Client, command: &'a str, parameters: Value) -> Doing<'a> {
    Box::pin(async move { ask(client, command, &parameters).await.map(drop) })
}

impl Control for Chromium {
    fn clear<'a>(&'a self, client: &'a Client) -> Option<Doing<'a>> {
        Some(Box::pin(async move {
            // Chromium dropped it with the tab in which it was set.
            download_to(self.downloads.path(), client).await?;
            ask(client, "Network.clearBrowserCache", &json!({})).await?;
            ask(client, "Storage.clearDataForOrigin", &json!({"origin": "*", "storageTypes": "all"})).await.map(drop)
        }))
    }

    fn resize<'a>(&'a self, client: &'a Client, (width, height): (u32, u32), ratio: f64) -> Doing<'a> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": false});
        send(client, "Emulation.setDeviceMetricsOverride", size)
    }

    fn evaluate<'a>(&'a self, client: &'a Client, body: &'a str) -> Doing<'a, Value> {
        // WebDriver's way leaves the text of each answer in the page's heap, which is measured.
        let params =
            json!({"expression": format!("(() => {{ {body}\n}})()"), "returnByValue": true, "awaitPromise": true});
        Box::pin(async move {
            let mut answer = ask(client, "Runtime.evaluate", &params).await?;
            let thrown = &answer["exceptionDetails"];
            ensure!(thrown.is_null(), "{}", thrown["exception"]["description"].as_str().unwrap_or("it threw"));
            Ok(answer["result"]["value"].take())
        })
    }

    fn bring_to_front<'a>(&'a self, client: &'a Client) -> Doing<'a> {
        send(client, "Page.bringToFront", json!({}))
    }

    fn downloads(&self) -> &Path {
        self.downloads.path()
    }

    fn errors<'a>(&'a self, client: &'a Client) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let entries = post(client, "se/log", &json!({"type": "browser"})).await?;
            let entries = entries.as_array().cloned().unwrap_or_default();
            Ok(entries
                .iter()
                .filter(|entry| entry["level"] == "SEVERE")
                .filter_map(|entry| entry["message"].as_str().map(str::to_owned))
                .collect())
        })
    }

    fn reduce_motion<'a>(&'a self, client: &'a Client) -> Doing<'a> {
        let reduce = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
        send(client, "Emulation.setEmulatedMedia", reduce)
    }

    fn prefer_light<'a>(&'a self, client: &'a Client, is_light: bool) -> Doing<'a> {
        let scheme = if is_light { "light" } else { "dark" };
        let prefer = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        send(client, "Emulation.setEmulatedMedia", prefer)
    }

    fn set_offline<'a>(&'a self, client: &'a Client, is_offline: bool) -> Doing<'a> {
        let conditions = json!({"offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        Box::pin(async move {
            ask(client, "Network.enable", &json!({})).await?;
            ask(client, "Network.emulateNetworkConditions", &conditions).await.map(drop)
        })
    }

    fn add_init_script<'a>(&'a self, client: &'a Client, source: &'a str) -> Doing<'a> {
        send(client, "Page.addScriptToEvaluateOnNewDocument", json!({"source": source}))
    }

    fn block_file<'a>(&'a self, client: &'a Client, name: &'a str) -> Doing<'a> {
        Box::pin(async move {
            ask(client, "Network.enable", &json!({})).await?;
            let blocked = json!({"urls": [format!("*/{name}")]});
            ask(client, "Network.setBlockedURLs", &blocked).await.map(drop)
        })
    }

    fn slow_down<'a>(&'a self, client: &'a Client, times: u32) -> Doing<'a> {
        send(client, "Emulation.setCPUThrottlingRate", json!({"rate": times}))
    }

    fn devtools<'a>(&'a self, client: &'a Client, command: &'a str, parameters: &'a Value) -> Doing<'a, Value> {
        Box::pin(ask(client, command, parameters))
    }

    fn profile(&self) -> Option<&Path> {
        Some(self.profile.path())
    }
}

fn capabilities(profile: &Path) -> Value {
    json!({
        "goog:loggingPrefs": {"browser": "ALL"},
        // chromedriver disables features that every visitor's browser has.
        "goog:chromeOptions": {"excludeSwitches": ["disable-background-timer-throttling"], "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            format!("--user-data-dir={}", profile.display()),
        ]},
    })
}

/// Parses `ChromeDriver was started successfully on port 38205.`
fn driver_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
