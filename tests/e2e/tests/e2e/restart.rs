//! The page recovers after its broker restarts, and after its own program has panicked.

use anyhow::Result;
use mqtt_crawl_e2e::animation::NO_OPENING;
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser, in_browser_with};
use mqtt_crawl_e2e::publish::{Login, Version};
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, eventually, link};

async fn check_before(page: &mut Page, url: &str, broker: Login<'_>) -> Result<()> {
    // The browser's message for a socket that can't be opened; the page's own is better.
    page.expect_errors("WebSocket connection to");
    page.open(url).await?;
    page.wait_for_state("connected").await?;
    broker.publish(Version::V5, "StarWars", "BEFORE: One").await?;
    page.wait_for_row("One").await
}

async fn check_after(page: &Page, broker: Login<'_>) -> Result<()> {
    page.wait_for_stat("reconnects", 1, WAIT_TIMEOUT).await?;
    page.wait_for_state("connected").await?;
    broker.publish(Version::V5, "StarWars", "AFTER: Two").await?;
    page.wait_for_row("Two").await?;
    page.wait_for_row("One").await?;
    page.wait_for_stat("received", 2, WAIT_TIMEOUT).await?;
    page.wait_for_stat("kept", 2, WAIT_TIMEOUT).await?;
    page.check_accounts().await
}

#[tokio::test]
async fn station_restart_is_survived() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    in_browser("restart-station", async |page| {
        check_before(page, &link(&station.page_url(), &[("connect", "1")]), broker).await?;
        let _station = station.kill_and_restart().await?;
        check_after(page, broker).await
    })
    .await
}

#[tokio::test]
async fn mosquitto_restart_is_survived() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    let broker = Login::anonymous(mosquitto.mqtt_port());
    in_browser("restart-mosquitto", async |page| {
        let keys = [("broker", mosquitto.ws_url()), ("connect", "1".to_owned())];
        let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
        check_before(page, &link(&station.page_url(), &keys), broker).await?;
        let _mosquitto = mosquitto.kill_and_restart().await?;
        check_after(page, broker).await
    })
    .await
}

/// A browser may show a page again that was left (the back/forward cache). Its worker has ended, so the page is loaded
/// again. No driver makes a browser keep such a page; the events are those of one that does.
#[tokio::test]
async fn page_that_was_left_and_is_shown_again_reconnects() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    in_browser("restart-shown-again", async |page| {
        page.open(&link(&station.page_url(), &[("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.run(
            "window.isOld = true;
            dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
            dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));",
        )
        .await?;
        page.wait_for("the page loaded again", "window.isOld === undefined", WAIT_TIMEOUT).await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "StarWars", "AFTER: Two").await?;
        page.wait_for_row("Two").await
    })
    .await
}

/// Makes the page's program panic from now on, in the middle of removing an element.
const BREAK: &str =
    "window.__isBroken = true; Element.prototype.remove = () => { throw new Error('broken by a test'); };";

/// The number of times that a failing page is reloaded within a minute.
const RESTARTS: usize = 3;

#[tokio::test]
async fn panicked_page_restarts() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    in_browser("restart-page", async |page| {
        for text in ["broken by a test", "panicked at", "unreachable"] {
            page.expect_errors(text);
        }
        let keys: Vec<_> = NO_OPENING.into_iter().chain([("connect", "1")]).collect();
        page.open(&link(&station.page_url(), &keys)).await?;
        for restart in 1..=RESTARTS + 1 {
            page.wait_for_state("connected").await?;
            let line = format!("line {restart}");
            broker.publish(Version::V5, "StarWars", &format!("ADA: {line}")).await?;
            page.wait_for_line(&line).await?;
            page.run(BREAK).await?;
            page.press("Clear").await?;
            if restart <= RESTARTS {
                // A script that waits in the page would end with it.
                eventually("another page", async || {
                    let is_new = page.evaluate::<bool>("window.__isBroken === undefined").await;
                    Ok(is_new.unwrap_or(false).then_some(()))
                })
                .await?;
                page.wait_for_text("was reloaded").await?;
            }
        }
        page.wait_for_text("Reload it to try again").await
    })
    .await
}

#[tokio::test]
async fn page_does_not_restart_without_storage() -> Result<()> {
    let station = Station::start().await?;
    let broker = Login::anonymous(station.mqtt_port()?);
    in_browser_with(&[Feature::InitScript], "restart-no-storage", async |page| {
        for text in ["broken by a test", "panicked at", "unreachable"] {
            page.expect_errors(text);
        }
        let refuse = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };";
        page.browser().add_init_script(refuse).await?;
        let keys: Vec<_> = NO_OPENING.into_iter().chain([("connect", "1")]).collect();
        page.open(&link(&station.page_url(), &keys)).await?;
        page.wait_for_state("connected").await?;
        broker.publish(Version::V5, "StarWars", "ADA: line").await?;
        page.wait_for_line("line").await?;
        page.run(BREAK).await?;
        page.press("Clear").await?;
        page.wait_for_text("Reload it to try again").await?;
        let is_same = page.evaluate::<bool>("window.__isBroken === true").await?;
        anyhow::ensure!(is_same, "the page was reloaded");
        Ok(())
    })
    .await
}
