//! A headless browser with a fresh profile, through its engine's WebDriver.
//!
//! What a test needs beyond WebDriver is in `Control`, which each engine implements in its own way: Chromium by its own
//! protocol, Firefox by WebDriver BiDi and preferences, WebKit by how it is started.

mod chromium;
mod firefox;
mod guardian;
mod pool;
mod webkit;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use futures_util::future::LocalBoxFuture;
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::Command;
use url::{ParseError, Url};

use crate::engine::{Engine, Feature};
use crate::process::find_program;
use crate::root;

/// The size of the page in CSS pixels: that of the reference pictures.
const PAGE_SIZE_PX: (u32, u32) = (1280, 720);

/// The time limit of a script in the page, in milliseconds: longer than any wait, and shorter than
/// [`WAIT_TIMEOUT`](crate::WAIT_TIMEOUT), so that a lost script is retried.
const SCRIPT_TIMEOUT_MS: u64 = 20_000;

/// A browser with one tab and empty storage. Unless it is [closed](Browser::close), it ends with this value.
pub struct Browser {
    engine: Engine,
    needs: Vec<Feature>,
    session: Session,
}

/// A running browser, with its driver.
struct Session {
    client: Client,
    control: Box<dyn Control>,
}

/// The future of a command.
type Doing<'a, T = ()> = LocalBoxFuture<'a, Result<T>>;

/// The features that a test needs of a browser beyond WebDriver, for the page in front. An engine needn't implement
/// what it [lacks](Engine::lacks).
trait Control: Send {
    /// Removes what the last test has left in addition to its tabs, so that another test can use this browser; `None`
    /// if a session always gets a browser of its own.
    fn clear<'a>(&'a self, _client: &'a Client) -> Option<Doing<'a>> {
        None
    }

    /// Sets the size of the page, in CSS pixels, and the number of device pixels for each.
    fn resize<'a>(&'a self, client: &'a Client, size: (u32, u32), ratio: f64) -> Doing<'a>;

    /// Opens an address.
    fn goto<'a>(&'a self, client: &'a Client, url: &'a str) -> Doing<'a> {
        Box::pin(async move { Ok(client.goto(url).await?) })
    }

    /// Runs statements in the page, with its own globals.
    fn run<'a>(&'a self, client: &'a Client, statements: &'a str) -> Doing<'a> {
        Box::pin(async move { Ok(client.execute(statements, Vec::new()).await.map(drop)?) })
    }

    /// Returns the result of a function body in the page, awaiting a promise.
    fn evaluate<'a>(&'a self, client: &'a Client, body: &'a str) -> Doing<'a, Value> {
        Box::pin(async move { Ok(client.execute(body, Vec::new()).await?) })
    }

    /// Brings the tab that commands apply to to the front.
    fn bring_to_front<'a>(&'a self, client: &'a Client) -> Doing<'a>;

    /// Returns the folder for downloads.
    fn downloads(&self) -> &Path;

    /// Returns the console's errors since the last call.
    fn errors<'a>(&'a self, client: &'a Client) -> Doing<'a, Vec<String>>;

    /// Sets the preference for reduced motion.
    fn reduce_motion<'a>(&'a self, client: &'a Client) -> Doing<'a>;

    /// Sets a light or dark system colour scheme.
    fn prefer_light<'a>(&'a self, _client: &'a Client, _is_light: bool) -> Doing<'a> {
        unsupported()
    }

    /// Takes the browser offline, or back online. Sockets of workers stay.
    fn set_offline<'a>(&'a self, _client: &'a Client, _is_offline: bool) -> Doing<'a> {
        unsupported()
    }

    /// Runs a script in each page that is opened from now on, before its own scripts.
    fn add_init_script<'a>(&'a self, _client: &'a Client, _source: &'a str) -> Doing<'a> {
        unsupported()
    }

    /// Makes requests for a path with this ending fail.
    fn block_file<'a>(&'a self, _client: &'a Client, _name: &'a str) -> Doing<'a> {
        unsupported()
    }

    /// Slows the page's thread down by this factor.
    fn slow_down<'a>(&'a self, _client: &'a Client, _times: u32) -> Doing<'a> {
        unsupported()
    }

    /// Sends a command of Chromium's own protocol.
    fn devtools<'a>(&'a self, _client: &'a Client, _command: &'a str, _parameters: &'a Value) -> Doing<'a, Value> {
        unsupported()
    }

    /// Returns its profile, which holds that protocol's address.
    fn profile(&self) -> Option<&Path> {
        None
    }
}

fn unsupported<'a, T>() -> Doing<'a, T> {
    Box::pin(async { bail!("this engine can't be driven to do that") })
}

impl Browser {
    /// Returns a browser of this engine without traces of earlier tests.
    ///
    /// # Errors
    /// Fails when it doesn't start.
    pub async fn start(engine: Engine, needs: &[Feature]) -> Result<Self> {
        let session =
            if pool::shares(engine, needs) { pool::take(engine).await? } else { pool::start(engine, needs).await? };
        let browser = Self { engine, needs: needs.to_vec(), session };
        browser.resize(PAGE_SIZE_PX, 1.0).await?;
        Ok(browser)
    }

    /// Returns the browser to the pool for the next test, or ends it in its own way, which removes its files.
    pub async fn close(self) -> Result<()> {
        let Self { engine, needs, session } = self;
        if pool::shares(engine, &needs) {
            return pool::give_back(engine, session).await;
        }
        session.client.close().await.with_context(|| format!("closing {engine}"))
    }

    /// Returns its engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the WebDriver session.
    pub fn client(&self) -> &Client {
        &self.session.client
    }

    /// Opens an address in the tab.
    pub async fn goto(&self, url: &str) -> Result<()> {
        self.session.control.goto(&self.session.client, url).await.with_context(|| format!("opening {url}"))
    }

    /// Runs statements in the page, with its own globals.
    pub async fn run(&self, statements: &str) -> Result<()> {
        self.session.control.run(&self.session.client, statements).await
    }

    /// Returns the result of a function body in the page, awaiting a promise.
    pub async fn evaluate(&self, body: &str) -> Result<Value> {
        self.session.control.evaluate(&self.session.client, body).await
    }

    /// Brings the tab that commands apply to to the front.
    pub async fn bring_to_front(&self) -> Result<()> {
        self.session.control.bring_to_front(&self.session.client).await
    }

    /// Returns the folder for downloads.
    pub fn downloads(&self) -> &Path {
        self.session.control.downloads()
    }

    /// Sets the size of the page, in CSS pixels, and the number of device pixels for each.
    pub async fn resize(&self, size: (u32, u32), ratio: f64) -> Result<()> {
        if (ratio - 1.0).abs() > f64::EPSILON {
            self.check(Feature::PixelRatio)?;
        }
        self.session.control.resize(&self.session.client, size, ratio).await
    }

    /// Returns what the browser's console holds since the last call and that a developer would call an error: uncaught
    /// exceptions, `console.error`; in Chromium failed loads, too.
    pub async fn errors(&self) -> Result<Vec<String>> {
        self.session.control.errors(&self.session.client).await
    }

    /// Sets the preference for reduced motion.
    pub async fn reduce_motion(&self) -> Result<()> {
        ensure!(self.needs.contains(&Feature::ReducedMotion), "ReducedMotion isn't among the test's needs");
        self.session.control.reduce_motion(&self.session.client).await
    }

    /// Sets a light or dark system colour scheme.
    pub async fn prefer_light(&self, is_light: bool) -> Result<()> {
        self.check(Feature::ColourScheme)?;
        self.session.control.prefer_light(&self.session.client, is_light).await
    }

    /// Takes the page offline, or back online. Sockets of workers stay.
    pub async fn set_offline(&self, is_offline: bool) -> Result<()> {
        self.check(Feature::Offline)?;
        self.session.control.set_offline(&self.session.client, is_offline).await
    }

    /// Runs a script in each page that is opened from now on, before its own scripts.
    pub async fn add_init_script(&self, source: &str) -> Result<()> {
        self.check(Feature::InitScript)?;
        self.session.control.add_init_script(&self.session.client, source).await
    }

    /// Makes requests for this file, below the host's root, fail.
    pub async fn block_file(&self, name: &str) -> Result<()> {
        self.check(Feature::BlockedFiles)?;
        self.session.control.block_file(&self.session.client, name).await
    }

    /// Slows the page's thread down by this factor.
    pub async fn slow_down(&self, times: u32) -> Result<()> {
        self.check(Feature::SlowProcessor)?;
        self.session.control.slow_down(&self.session.client, times).await
    }

    /// Sends a command of Chromium's own protocol.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Result<Value> {
        self.check(Feature::DevTools)?;
        self.session.control.devtools(&self.session.client, command, parameters).await
    }

    /// Returns the folder of its profile, which holds the address of that protocol.
    pub fn profile(&self) -> Result<&Path> {
        self.check(Feature::DevTools)?;
        self.session.control.profile().context("no profile")
    }

    /// Returns a property of an element that the second level of WebDriver defines, such as `computedrole`.
    pub async fn element_property(&self, element: &str, property: &str) -> Result<Value> {
        ask(&self.session.client, format!("element/{element}/{property}"), None).await
    }

    /// Checks that the test has declared its use of a feature that this engine lacks.
    fn check(&self, feature: Feature) -> Result<()> {
        match self.engine.lacks(feature) {
            Some(reason) => bail!("{feature:?} isn't among the test's needs; {reason}"),
            None => Ok(()),
        }
    }
}

/// Returns the command that starts a driver, and with it its browsers: they see the system's fonts without the colour
/// fonts, which not every machine has.
fn driver_command(name: &str, package: &str) -> Result<Command> {
    let mut command = Command::new(find_program(name, package)?);
    command.env("FONTCONFIG_FILE", root().join("tests/screenshots/fonts/fonts.conf"));
    Ok(command)
}

/// Connects to a driver on this machine, which starts a browser.
async fn connect(port: u16, capabilities: Value) -> Result<Client> {
    let Value::Object(mut capabilities) = capabilities else { bail!("capabilities are an object") };
    capabilities.insert("timeouts".to_owned(), json!({"script": SCRIPT_TIMEOUT_MS}));
    // For the https page; see `site`.
    capabilities.insert("acceptInsecureCerts".to_owned(), true.into());
    let capabilities: Capabilities = capabilities;
    // The driver is on this machine: no TLS.
    ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .context("starting a browser")
}

async fn post(client: &Client, path: &str, body: &Value) -> Result<Value> {
    ask(client, path.to_owned(), Some(body.to_string())).await
}

async fn ask(client: &Client, path: String, body: Option<String>) -> Result<Value> {
    let context = format!("asking the driver for {path}");
    client.issue_cmd(DriverCommand { path, body }).await.context(context)
}

/// A command that the client library doesn't know; most of them are specific to a driver.
#[derive(Debug)]
struct DriverCommand {
    /// The path below the session.
    path: String,
    /// With a body it is a POST.
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
