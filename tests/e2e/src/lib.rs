//! The harness of the end-to-end tests: real brokers, the released programs, a real browser.
//!
//! Everything here is a guard: when it is dropped, it ends what it started. Nothing sleeps for a guessed time. Every
//! wait is for an observable condition, and fails after a time limit with the observed state.
//!
//! | module | what |
//! |---|---|
//! | [`engine`] | Chromium, Firefox or WebKit, and what each can't be driven to do |
//! | [`browser`] | a browser with a fresh profile, through its driver |
//! | [`bidi`] | WebDriver BiDi, for features that WebDriver lacks |
//! | [`devtools`] | Chromium's own protocol, for events and workers |
//! | [`page`] | the app as a person or a program sees it, per the project's contract |
//! | [`motion`] | the crawl's motion, frame by frame |
//! | [`ink`] | whether the crawl's rows are painted where they should be |
//! | [`animation`] | minutes of a stream, with a screen sample every ten seconds |
//! | [`picture`] | pictures of the page, compared with reviewed ones |
//! | [`station`] | the released station |
//! | [`mosquitto`] | Debian's mosquitto with a configuration of its own |
//! | [`publish`] | the released producer and `mosquitto_pub` |
//! | [`peer`] | scripted servers with behaviour that real brokers don't have |
//! | [`misbehaving`] | the broker of `tests/slips` over a WebSocket |
//! | [`diffusion`] | a server that follows Diffusion's manual |
//! | [`load`] | a broker that only sends, for measuring |
//! | [`client`] | the project's own session over a real socket, for tests that act as a client |
//! | [`guide`] | the guides of `docs/`, run as they are written |
//! | [`fault_proxy`] | a network that cuts, delays, splits and merges |
//! | [`transcript`] | the packets on that network, and the history of one message |
//! | [`site`] | the site from a static host, over https too |
//! | [`process`] | children, their output, free ports |

pub mod animation;
pub mod bidi;
pub mod browser;
pub mod client;
pub mod devtools;
pub mod diffusion;
pub mod engine;
pub mod fault_proxy;
pub mod guide;
pub mod ink;
pub mod load;
pub mod misbehaving;
pub mod mosquitto;
pub mod motion;
pub mod page;
pub mod peer;
pub mod picture;
pub mod process;
pub mod publish;
pub mod site;
pub mod station;
pub mod transcript;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

/// The time limit for operations that take a moment on an idle machine.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for a line from the broker to the crawl's plane: the opening plays first.
pub const CRAWL_TIMEOUT: Duration = Duration::from_secs(60);

/// The interval at which conditions outside the browser are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(25);

/// Calls `check` until it returns `Some`.
///
/// # Errors
/// Fails after [`WAIT_TIMEOUT`]; the error names `what`.
pub async fn eventually<T, F>(what: &str, check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    eventually_within(WAIT_TIMEOUT, what, check).await
}

/// The same, with this time limit.
///
/// # Errors
/// Fails after that time; the error names `what`.
pub async fn eventually_within<T, F>(limit: Duration, what: &str, mut check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let until = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < until {
        if let Some(value) = check().await? {
            return Ok(value);
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    bail!("timed out after {} s waiting for {what}", limit.as_secs());
}

/// Returns the checkout.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

/// Returns Cargo's target folder: the one this test program was built into.
pub fn target() -> PathBuf {
    let built_here = std::env::current_exe().ok().and_then(|program| {
        // target/debug/deps/e2e-0123456789abcdef
        Some(program.parent()?.parent()?.parent()?.to_owned())
    });
    built_here.unwrap_or_else(|| root().join("target"))
}

/// Returns the built site.
pub fn dist() -> PathBuf {
    std::env::var_os("MQTT_CRAWL_DIST").map_or_else(|| root().join("dist"), PathBuf::from)
}

/// Returns a link to the app: a page's address with the keys of the project's contract.
pub fn link(page_url: &str, keys: &[(&str, &str)]) -> String {
    let fragment = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(keys).finish();
    format!("{page_url}#{fragment}")
}

/// Returns a released program of the workspace. The environment `variable` may replace it.
///
/// # Errors
/// Fails when it hasn't been built.
fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| target().join("release").join(name), PathBuf::from);
    if !path.exists() {
        bail!("{} is missing; `cargo xtask test` builds it", path.display());
    }
    Ok(path)
}
