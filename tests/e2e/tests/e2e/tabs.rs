//! Two tabs of one browser with one client identifier.

use std::time::Duration;

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, check_equal, in_browser};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

/// Neither tab is disconnected by the other: the second shows why it isn't connected, the first continues; and a person
/// can move the connection to the second.
async fn check(page: &mut Page, url: &str, broker: Login<'_>) -> Result<()> {
    page.open(url).await?;
    page.wait_for_state("connected").await?;
    let first = page.tab().await?;

    let second = page.open_tab().await?;
    page.open(url).await?;
    page.wait_for_state("stopped").await?;
    page.wait_for_notice("Another tab.*“twin”.*take over").await?;

    page.go_to(&first).await?;
    broker.publish(Version::V5, "StarWars", "FIRST: Still here").await?;
    page.wait_for_row("Still here").await?;
    check_equal("state of the first", page.state().await?.as_str(), "connected")?;
    check_equal("reconnects of the first", page.stat("reconnects").await?, 0)?;

    page.go_to(&second).await?;
    check_equal("messages in the second", page.stat("received").await?, 0)?;
    page.press("Take over").await?;
    page.wait_for_state("connected").await?;
    page.go_to(&first).await?;
    page.wait_for_state("stopped").await?;
    page.wait_for_notice("took over the connection").await?;

    page.go_to(&second).await?;
    broker.publish(Version::V5, "StarWars", "SECOND: My turn").await?;
    page.wait_for_row("My turn").await?;
    check_equal("reconnects of the second", page.stat("reconnects").await?, 0)?;
    // A tab with a random identifier isn't affected, because its identifier is another one.
    let third = page.open_tab().await?;
    ensure!(third != second, "the same tab");
    page.open(&url.replace("client=twin&", "")).await?;
    page.wait_for_state("connected").await?;
    // A takeover happens at once; the first attempt to reconnect waits a second at most.
    page.go_to(&second).await?;
    page.wait_for("a frame", "true", Duration::from_secs(1)).await?;
    check_equal("state of the second", page.state().await?.as_str(), "connected")
}

#[tokio::test]
async fn two_tabs_share_one_session_at_the_station() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    in_browser("tabs-station", async |page| {
        check(page, &link(&station.page_url(), &[("client", "twin"), ("connect", "1")]), broker).await
    })
    .await
}

#[tokio::test]
async fn two_tabs_share_one_session_at_mosquitto() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let broker = Login::anonymous(mosquitto.mqtt_port());
    in_browser("tabs-mosquitto", async |page| {
        let keys = [("broker", mosquitto.ws_url()), ("client", "twin".to_owned()), ("connect", "1".to_owned())];
        let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
        check(page, &link(&station.page_url(), &keys), broker).await
    })
    .await?;
    let log = mosquitto.log();
    ensure!(!log.contains("already connected"), "a tab was disconnected by the other:\n{log}");
    Ok(())
}

/// A reloaded page isn't another tab to itself.
#[tokio::test]
async fn reload_is_not_a_second_tab() -> Result<()> {
    let station = Station::start().await?;
    in_browser("tabs-reload", async |page| {
        page.open(&link(&station.page_url(), &[("client", "twin"), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        for _ in 0..5 {
            page.browser().client().refresh().await?;
            page.wait_for("an end", "['connected', 'stopped'].includes(stat('state'))", WAIT_TIMEOUT).await?;
            check_equal("state", page.state().await?.as_str(), "connected")?;
        }
        Ok(())
    })
    .await
}
