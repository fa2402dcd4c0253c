//! The core's hot paths as wasm in the browser, and another library's decoder for comparison.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mqtt_crawl_e2e::load::{self, CYCLE, PropertySet};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::site::Site;
use serde::Deserialize;

use crate::report::{Report, median_and_p99};

/// The profile that the site is built with.
const SITE: &str = "web";

/// The profiles with which `cargo xtask bench` builds the program: the site's, and the fastest.
const PROFILES: [&str; 2] = [SITE, "release"];

/// The duration of each round for a cycle of messages, in milliseconds.
#[derive(Deserialize)]
struct Times {
    ours: Vec<f64>,
    mqttbytes: Vec<f64>,
    kept: Vec<f64>,
}

/// Measures decoding and storing.
pub async fn compare(report: &mut Report) -> Result<()> {
    let programs = std::env::var_os("MQTT_CRAWL_HOT_PATH").map(PathBuf::from);
    let programs = programs.context("MQTT_CRAWL_HOT_PATH is not set: a folder; `cargo xtask bench` sets it")?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("index.html"), include_str!("wasm.html"))?;
    fs::write(folder.path().join("plain"), load::packets(PropertySet::Empty)?)?;
    fs::write(folder.path().join("properties"), load::packets(PropertySet::Common)?)?;
    for profile in PROFILES {
        let (from, to) = (programs.join(profile), folder.path().join(profile));
        copy(&from, &to).with_context(|| format!("the program in {}", from.display()))?;
    }
    let site = Site::start_below_a_path(folder.path()).await?;
    in_browser("bench-wasm", async |page| {
        for profile in PROFILES {
            for (what, packets) in [("a PUBLISH", "plain"), ("a PUBLISH with properties", "properties")] {
                let times = measure(page, &format!("{}?{profile}&{packets}", site.page_url())).await?;
                check(profile, what, times, report);
            }
        }
        Ok(())
    })
    .await
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for name in ["hot-path.js", "hot-path_bg.wasm"] {
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok(())
}

async fn measure(page: &Page, url: &str) -> Result<Times> {
    page.browser().client().goto(url).await?;
    page.wait_for("the end", "typeof window.found === 'string'", crate::WAIT_TIMEOUT).await?;
    let found: String = page.evaluate("window.found").await?;
    serde_json::from_str(&found).with_context(|| found.clone())
}

fn check(profile: &str, what: &str, mut times: Times, report: &mut Report) {
    let ns = |times_ms: &mut [f64]| median_and_p99(times_ms).0 * 1e6 / CYCLE as f64;
    let (ours_ns, theirs_ns, kept_ns) = (ns(&mut times.ours), ns(&mut times.mqttbytes), ns(&mut times.kept));
    let ratio = theirs_ns / ours_ns;
    // Only the site's profile has a target.
    let (target, is_met) = if profile == SITE { ("at least 3 ×", ratio >= 3.0) } else { ("reported", true) };
    report.add(
        format!("in wasm, profile {profile}: {what} decoded: mqttbytes takes, of our time"),
        format!("{ratio:.1} × ({theirs_ns:.0} and {ours_ns:.0} ns)"),
        target,
        is_met,
    );
    report.add(
        format!("in wasm, profile {profile}: {what} decoded and appended to the log"),
        format!("{kept_ns:.0} ns"),
        "reported",
        true,
    );
}
