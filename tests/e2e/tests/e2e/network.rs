//! The network states of the browser and the person: "Retry now", offline and online.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mqtt_crawl_e2e::engine::Feature;
use mqtt_crawl_e2e::mosquitto::{Access, Mosquitto};
use mqtt_crawl_e2e::page::{Page, in_browser, in_browser_with};
use mqtt_crawl_e2e::peer::{Peer, PeerMode};
use mqtt_crawl_e2e::process::free_port;
use mqtt_crawl_e2e::station::Station;
use mqtt_crawl_e2e::{WAIT_TIMEOUT, link};

const QUIET: PeerMode = PeerMode::Quiet { keep_alive_s: 30, pings_answered: usize::MAX };

/// A wait between two attempts that can't be taken for "at once", in seconds.
const LONG_S: u64 = 12;

/// The countdown on the page, in seconds.
const COUNTDOWN: &str = r"Number(/Retrying in (\d+) s/.exec(document.body.innerText)?.[1] ?? 0)";

/// Makes attempts fail until the page waits long for the next one.
async fn wait_for_long_countdown(page: &Page) -> Result<()> {
    // Each failure doubles the maximum of the wait, up to a minute, and the wait is random. A countdown that has grown
    // is another one; with one attempt too many, the browser itself delays the next one.
    while page.evaluate::<u64>(COUNTDOWN).await? < LONG_S {
        page.run(&format!("window.__was = {COUNTDOWN}; button('Retry now')?.click();")).await?;
        page.wait_for("a longer countdown", &format!("{COUNTDOWN} > window.__was"), WAIT_TIMEOUT * 6).await?;
    }
    Ok(())
}

async fn check_comes_at_once(page: &Page, since: Instant) -> Result<()> {
    page.wait_for_state("connected").await?;
    println!("connected after {} ms", since.elapsed().as_millis());
    ensure!(since.elapsed().as_secs() < LONG_S / 2, "only after {} ms", since.elapsed().as_millis());
    Ok(())
}

#[tokio::test]
async fn retry_now_dials_immediately() -> Result<()> {
    let station = Station::start().await?;
    in_browser("try-now", async |page| {
        page.expect_errors("WebSocket connection to");
        let port = free_port()?;
        let broker = format!("ws://127.0.0.1:{port}/mqtt");
        page.open(&link(&station.page_url(), &[("broker", &broker), ("connect", "1")])).await?;
        page.wait_for("a countdown", &format!("{COUNTDOWN} > 0"), WAIT_TIMEOUT).await?;
        wait_for_long_countdown(page).await?;
        let _peer = Peer::start_at(port, QUIET).await?;
        let since = Instant::now();
        page.press("Retry now").await?;
        check_comes_at_once(page, since).await
    })
    .await
}

#[tokio::test]
async fn offline_is_reported_and_online_dials_immediately() -> Result<()> {
    let station = Station::start().await?;
    let mosquitto = Mosquitto::start(Access::Anonymous).await?;
    in_browser_with(&[Feature::Offline], "offline", async |page| {
        page.expect_errors("WebSocket connection to");
        let broker = mosquitto.ws_url();
        page.open(&link(&station.page_url(), &[("broker", &broker), ("connect", "1")])).await?;
        page.wait_for_state("connected").await?;
        page.browser().set_offline(true).await?;
        page.wait_for("the browser to be offline", "!navigator.onLine", WAIT_TIMEOUT).await?;
        let (_, port) = broker.rsplit_once(':').context("no port")?;
        let port = port.parse()?;
        drop(mosquitto);
        page.wait_for_text("You're offline").await?;

        page.wait_for("a countdown", &format!("{COUNTDOWN} > 0"), WAIT_TIMEOUT).await?;
        wait_for_long_countdown(page).await?;
        page.wait_for_text("You're offline").await?;
        let _peer = Peer::start_at(port, QUIET).await?;
        let since = Instant::now();
        page.browser().set_offline(false).await?;
        check_comes_at_once(page, since).await
    })
    .await
}
