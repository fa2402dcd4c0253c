//! The time from following a link to a page that accepts input, without any cache.

use anyhow::Result;
use mqtt_crawl_e2e::WAIT_TIMEOUT;
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use serde::Deserialize;
use serde_json::json;

use crate::report::{Report, median_and_p99};

/// The number of loads. Each is in a new browser, so that nothing is cached, compiled programs included.
const LOADS: usize = 9;

/// The times of events, in milliseconds since the navigation began.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Milestones {
    /// The last byte of the page's program arrived.
    downloaded: f64,
    /// The program is compiled, which begins before its last byte arrives.
    compiled: f64,
    /// Something is visible.
    painted: f64,
    /// "Connect" can be pressed, and the numbers are shown.
    interactive: f64,
    /// The worker accepts commands; earlier ones wait until then.
    ready: f64,
}

/// Records these times; runs before the page's own scripts.
const RECORD_TIMES: &str = "
    const marks = window.__start = {};
    const note = (name) => { marks[name] ??= performance.now(); };
    const instantiate = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (...all) => {
        const program = await instantiate.apply(WebAssembly, all);
        note('compiled');
        return program;
    };
    window.Worker = class extends Worker {
        constructor(...all) {
            super(...all);
            // Its first message means that it listens.
            this.addEventListener('message', () => note('ready'), { once: true });
        }
    };
    new MutationObserver(() => {
        const connect = document.querySelector('button[type=submit]');
        if (connect && !connect.disabled && document.querySelector('[data-stat=state][data-value]')) note('interactive');
    }).observe(document, { subtree: true, childList: true, attributes: true });";

/// Loads the page repeatedly.
pub async fn cold(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        in_browser("bench-start", async |page| {
            loads.push(load(page, &station.page_url()).await?);
            Ok(())
        })
        .await?;
    }
    let median = |of: fn(&Milestones) -> f64| median_and_p99(&mut loads.iter().map(of).collect::<Vec<_>>()).0;
    for (what, ms) in [
        ("downloaded", median(|load| load.downloaded)),
        ("compiled", median(|load| load.compiled)),
        ("the form accepts input", median(|load| load.interactive)),
        ("the worker accepts commands", median(|load| load.ready)),
    ] {
        report.add(format!("a first visit on loopback: {what}, median"), format!("{ms:.0} ms"), "reported", true);
    }
    let interactive_ms = median(|load| load.interactive.max(load.painted));
    report.add(
        format!("a first visit on loopback: the form is on screen and accepts input, median of {LOADS} fresh browsers"),
        format!("{interactive_ms:.0} ms"),
        "at most 500 ms",
        interactive_ms <= 500.0,
    );
    Ok(())
}

async fn load(page: &Page, url: &str) -> Result<Milestones> {
    page.browser().devtools("Page.addScriptToEvaluateOnNewDocument", &json!({"source": RECORD_TIMES})).await?;
    page.open(url).await?;
    page.wait_for("the worker", "window.__start.ready && window.__start.interactive", WAIT_TIMEOUT).await?;
    let painted = "performance.getEntriesByName('first-contentful-paint').length > 0";
    page.wait_for("something on screen", painted, WAIT_TIMEOUT).await?;
    page.evaluate(
        "({
            ...window.__start,
            downloaded: performance.getEntriesByType('resource').find(({ name }) => name.endsWith('.wasm')).responseEnd,
            painted: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        })",
    )
    .await
}
