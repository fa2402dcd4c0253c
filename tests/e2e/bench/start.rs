//! From following a link to a page that takes input, where nothing is cached.

use anyhow::Result;
use mqtt_crawl_e2e::PATIENCE;
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::station::Station;
use serde::Deserialize;
use serde_json::json;

use crate::report::{Report, median_and_p99};

/// Each in a browser that was never used, so that nothing can be cached, compiled programs included.
const LOADS: usize = 9;

/// What happened when, in milliseconds since the navigation began.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Milestones {
    /// The last byte of the page's program came.
    downloaded: f64,
    /// It is compiled, which goes on while it comes.
    compiled: f64,
    /// There is something to see.
    painted: f64,
    /// "Connect" can be pressed, and the numbers are there.
    interactive: f64,
    /// The worker takes commands; what is asked before waits until then.
    ready: f64,
}

/// Notes what happens, from before the page's own scripts run.
const WATCH: &str = "
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
            // Its first words are that it listens.
            this.addEventListener('message', () => note('ready'), { once: true });
        }
    };
    new MutationObserver(() => {
        const connect = document.querySelector('button[type=submit]');
        if (connect && !connect.disabled && document.querySelector('[data-stat=state][data-value]')) note('interactive');
    }).observe(document, { subtree: true, childList: true, attributes: true });";

/// Loads the page again and again.
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
        ("the form takes input", median(|load| load.interactive)),
        ("the worker takes commands", median(|load| load.ready)),
    ] {
        report.add(format!("a first visit on loopback: {what}, median"), format!("{ms:.0} ms"), "said", true);
    }
    let interactive_ms = median(|load| load.interactive.max(load.painted));
    report.add(
        format!("a first visit on loopback: the form is on screen and takes input, median of {LOADS} fresh browsers"),
        format!("{interactive_ms:.0} ms"),
        "at most 500 ms",
        interactive_ms <= 500.0,
    );
    Ok(())
}

async fn load(page: &Page, url: &str) -> Result<Milestones> {
    page.browser().devtools("Page.addScriptToEvaluateOnNewDocument", &json!({"source": WATCH})).await?;
    page.open(url).await?;
    page.wait_for("the worker", "window.__start.ready && window.__start.interactive", PATIENCE).await?;
    let painted = "performance.getEntriesByName('first-contentful-paint').length > 0";
    page.wait_for("something on screen", painted, PATIENCE).await?;
    page.evaluate(
        "({
            ...window.__start,
            downloaded: performance.getEntriesByType('resource').find(({ name }) => name.endsWith('.wasm')).responseEnd,
            painted: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        })",
    )
    .await
}
