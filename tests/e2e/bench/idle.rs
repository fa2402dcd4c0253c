//! The processor time of an idle page.

use std::time::{Duration, Instant};

use anyhow::Result;
use mqtt_crawl_e2e::devtools::DevTools;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{link, load};

use crate::report::Report;
use crate::usage::Processes;

/// The duration of a measurement.
const MEASUREMENT: Duration = Duration::from_secs(20);

/// The time after which all that has begun is over.
const SETTLED: Duration = Duration::from_secs(5);

/// Measures a page that is connected to mosquitto and receives nothing, and an empty tab of the same browser.
pub async fn connected(report: &mut Report) -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser("bench-idle", async |page| {
        let empty = cores(page).await?;
        let broker = mosquitto.ws_url();
        let keys = [("broker", broker.as_str()), ("topic", load::TOPIC), ("view", "split"), ("connect", "1")];
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        let login = Login::anonymous(mosquitto.mqtt_port());
        login.publish(Version::V5, load::TOPIC, "GAUGE: The only one for a while").await?;
        page.wait_for_line("The only one for a while").await?;
        page.press("Pause").await?;
        let paused = cores(page).await?;
        page.press("Resume").await?;
        let moving = cores(page).await?;
        let percent = |cores: f64| format!("{:.2} % of a core", 100.0 * cores);
        report.add("the browser with an empty tab", percent(empty), "reported", true);
        report.add("more with the page, connected, the crawl moving", percent(moving - empty), "reported", true);
        report.add(
            "more with the page, connected, nothing arriving, the crawl paused",
            percent(paused - empty),
            "under 0.5 %",
            paused - empty < 0.005,
        );
        Ok(())
    })
    .await
}

/// Returns how many processors the whole browser uses while nothing happens in it.
async fn cores(page: &Page) -> Result<f64> {
    tokio::time::sleep(SETTLED).await;
    let mut devtools = DevTools::connect(page.browser().profile()?).await?;
    let processes = Processes::of(&mut devtools).await?;
    drop(devtools);
    let (before, started) = (processes.times(), Instant::now());
    tokio::time::sleep(MEASUREMENT).await;
    let (after, took) = (processes.times(), started.elapsed());
    let used: Duration = after.iter().sum::<Duration>().saturating_sub(before.iter().sum());
    let shares = [0, 1, 2].map(|kind| (after[kind].saturating_sub(before[kind])).as_millis());
    println!("page, drawing, else: {shares:?} ms of {} ms", took.as_millis());
    Ok(used.as_secs_f64() / took.as_secs_f64())
}
