//! What is on the plane is painted, over minutes: every row that should be in sight has its ink in a picture of the
//! screen. That the page's own numbers are right says nothing of that.

use anyhow::Result;
use mqtt_crawl_e2e::page::in_browser;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::watch::Watch;

const CRAWL: Watch = Watch { name: "watch-crawl", keys: &[("view", "crawl")], seconds: 240, least_rows: 5 };

const FAST_SPLIT: Watch =
    Watch { name: "watch-fast-split", keys: &[("view", "split"), ("speed", "220")], seconds: 120, least_rows: 5 };

async fn run(watch: Watch) -> Result<()> {
    let station = Station::start().await?;
    in_browser(watch.name, async |page| watch.run(page, &station).await).await
}

#[tokio::test]
async fn every_row_is_painted_for_minutes() -> Result<()> {
    run(CRAWL).await
}

#[tokio::test]
async fn every_row_is_painted_at_the_highest_speed() -> Result<()> {
    run(FAST_SPLIT).await
}
